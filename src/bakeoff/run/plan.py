"""From a study to trials: approach x seed, and the points of the learning curve.

Everything that can be refused is refused here, before any minute is spent: unknown approaches and settings,
missing packages. Seeds come first in the order, so a run that ends early has seen every approach once.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, get_origin, get_type_hints

from bakeoff import registry
from bakeoff.contract import Trial, UsesAssets
from bakeoff.errors import BadStudy, nearest, needs
from bakeoff.study import ApproachSpec, Study


def make(study_task: str, spec: ApproachSpec) -> Any:
    """One approach with its settings.

    Raises
    ------
    BakeoffError
        If the approach or a setting does not exist (answered with near names), or a package is missing.
    """
    known = registry.approach(study_task, spec.use)
    accepted = inspect.signature(known).parameters
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted.values())
    for name in spec.settings:
        if name not in accepted and not takes_any:
            raise BadStudy(
                f"Approach {spec.use!r} has no setting {name!r}.", fix=nearest(name, accepted) or f"{spec.use} has no settings"
            )
    settings = {name: _typed(spec, known, name, value) for name, value in spec.settings.items()}
    try:
        return known(**settings)
    except (TypeError, ValueError) as error:
        raise BadStudy(
            f"Approach {spec.name!r} does not take these settings: {error}.", fix=f"see `bakeoff show {spec.use}`"
        ) from error


def _typed(spec: ApproachSpec, known: type, name: str, value: Any) -> Any:
    """A setting as the type that the approach's class says: a list as a tuple, 3 as 3.0.

    Raises
    ------
    BadStudy
        If it is of another kind ('many' for a number).
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        hint = get_type_hints(known).get(name)
    except (NameError, TypeError):
        return value  # a plugin's annotation that only its type checker can read
    if hint is None or get_origin(hint) is ClassVar:
        return value
    try:
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        says = error.errors()[0]["msg"].removeprefix("Input ")
        raise BadStudy(
            f"Setting {name!r} of {spec.name!r} is {value!r}: it {says}.", fix=f"see `bakeoff show {spec.use}`"
        ) from error


def settings_of(approach: Any) -> dict[str, Any]:
    """An approach's settings as run, defaults included."""
    names = inspect.signature(type(approach)).parameters
    return {name: getattr(approach, name) for name in names if hasattr(approach, name)}


def settings_with_defaults(approach_class: type) -> dict[str, str]:
    """Every setting of an approach and its default as text; 'needed' where there is none."""
    factories = {
        field.name: field.default_factory
        for field in (dataclasses.fields(approach_class) if dataclasses.is_dataclass(approach_class) else ())
        if field.default_factory is not dataclasses.MISSING
    }
    found = {}
    for name, parameter in inspect.signature(approach_class).parameters.items():
        if name in factories:
            found[name] = repr(factories[name]())
        else:
            found[name] = "needed" if parameter.default is inspect.Parameter.empty else repr(parameter.default)
    return found


def seeds_of(study: Study, spec: ApproachSpec) -> tuple[int, ...]:
    """The seeds that an approach runs: the study's first ones."""
    return tuple(range(min(spec.seeds or study.seeds, study.seeds)))


def plan(study: Study) -> tuple[Trial, ...]:
    """The trials, in the order in which they start.

    Raises
    ------
    BakeoffError
        If anything in the study does not exist or is not installed.
    """
    registry.task(study.task)
    for spec in study.approaches:
        make(study.task, spec)
    _check_changes(study)
    for name in study.learning_curve.approaches:
        study.spec(name)
    served(study)
    full = [Trial(spec.name, seed) for seed in range(study.seeds) for spec in study.approaches if seed in seeds_of(study, spec)]
    curve = [
        Trial(name, seed, fraction)
        for seed in range(min(study.learning_curve.seeds, study.seeds))
        for name in study.learning_curve.approaches
        for fraction in sorted(study.learning_curve.fractions, reverse=True)
        if seed in seeds_of(study, study.spec(name))
    ]
    return (*full, *curve)


def changed(study: Study, variant: str) -> dict[str, tuple[Any, Any]]:
    """Setting -> (what it is in the base, what it is in this change), both as the approach holds them, defaults included."""
    if study.changes is None:
        return {}
    first, second = study.spec(study.changes.base), study.spec(variant)
    before, after = ({**one.settings, **settings_of(make(study.task, one))} for one in (first, second))
    # What the author names comes first, in his order; then what the approach made other of itself.
    names = [*study.changes.try_[study.variants[variant]].settings, *after]
    return {name: (before.get(name), after[name]) for name in dict.fromkeys(names) if before.get(name) != after[name]}


def _check_changes(study: Study) -> None:
    """Refuse a change that changes nothing, and two that are the same one."""
    seen: dict[str, str] = {}
    for variant, name in study.variants.items():
        found = changed(study, variant)
        if not found and study.changes is not None:
            given = study.changes.try_[name].settings
            already = ", ".join(f"{setting}: {value}" for setting, value in given.items())
            raise BadStudy(
                f"The change {name!r} changes nothing: {study.changes.base!r} has {already} already.",
                fix="give it another value, or leave the change out",
            )
        same = seen.setdefault(repr(sorted((setting, after) for setting, (_, after) in found.items())), name)
        if same != name:
            raise BadStudy(f"The changes {same!r} and {name!r} are the same one.", fix="leave one of them out")


def served(study: Study) -> tuple[str, ...]:
    """The approaches that are put behind an endpoint: those named, or all candidates that can be saved and do not ask a server
    themselves.

    Raises
    ------
    BakeoffError
        If the study names one that cannot be served, its limit is not understood, or the server's packages are missing.
    """
    if study.serving is None:
        return ()
    from bakeoff.load.judge import parse_limit

    parse_limit(study.serving.limit)
    needs("starlette", "uvicorn", "httptools", "prometheus_client", "hdrh", extra="serve", why="`serving` in a study")
    can = [spec.name for spec in study.approaches if _can_be_served(registry.approach(study.task, spec.use))]
    for name in study.serving.approaches:
        if study.spec(name).name not in can:
            raise BadStudy(
                f"`serving` names {name!r}, which cannot be served: it keeps no model of its own.",
                fix=f"leave it out; these can be: {', '.join(can)}" if can else "leave `serving` out",
            )
    candidates = {spec.name for spec in study.candidates}
    return tuple(study.serving.approaches) or tuple(name for name in can if name in candidates)


def _can_be_served(approach: type) -> bool:
    return hasattr(approach, "save") and hasattr(approach, "restore") and not getattr(approach, "remote", False)


def needed_assets(study: Study) -> dict[str, str]:
    """Weights and data that a study needs, each with the kind of file wanted of it: data, safetensors, onnx, gguf or weights.

    The kind matters where a setting names a whole repository of a hub; an approach class says it as ``asset_kind``.
    """
    found: dict[str, str] = {}
    source = study.data.get("source", "")
    if isinstance(source, str) and source.startswith("asset:"):
        found[source.removeprefix("asset:")] = "data"
    for spec in study.approaches:
        approach = make(study.task, spec)
        if isinstance(approach, UsesAssets):
            found |= dict.fromkeys(approach.assets(), getattr(approach, "asset_kind", "weights"))
    return found


def share(ids: Sequence[str], targets: Mapping[str, Any], fraction: float) -> tuple[str, ...]:
    """The first `fraction` of the training ids of each class: nested, so that a curve's points share their items.

    Every class keeps at least one item.
    """
    if fraction >= 1:
        return tuple(ids)
    by_class: dict[str, list[str]] = {}
    for name in ids:
        by_class.setdefault(str(targets[name]), []).append(name)
    kept = {name for members in by_class.values() for name in members[: max(1, round(len(members) * fraction))]}
    return tuple(name for name in ids if name in kept)
