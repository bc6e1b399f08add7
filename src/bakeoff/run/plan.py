"""From a study to trials: approach x seed, and the points of the learning curve.

Everything that can be refused is refused here, before any minute is spent: unknown approaches and settings,
missing packages. Seeds come first in the order, so a run that ends early has seen every approach once.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from bakeoff import registry
from bakeoff.contract import Trial, UsesAssets
from bakeoff.errors import BadStudy, nearest
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
    try:
        return known(**spec.settings)
    except (TypeError, ValueError) as error:
        raise BadStudy(
            f"Approach {spec.name!r} does not take these settings: {error}.", fix=f"see `bakeoff show {spec.use}`"
        ) from error


def settings_of(approach: Any) -> dict[str, Any]:
    """An approach's settings as run, defaults included."""
    names = inspect.signature(type(approach)).parameters
    return {name: getattr(approach, name) for name in names if hasattr(approach, name)}


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
    for name in study.learning_curve.approaches:
        study.spec(name)
    full = [Trial(spec.name, seed) for seed in range(study.seeds) for spec in study.approaches if seed in seeds_of(study, spec)]
    curve = [
        Trial(name, seed, fraction)
        for seed in range(min(study.learning_curve.seeds, study.seeds))
        for name in study.learning_curve.approaches
        for fraction in sorted(study.learning_curve.fractions, reverse=True)
        if seed in seeds_of(study, study.spec(name))
    ]
    return (*full, *curve)


def needed_assets(study: Study) -> list[str]:
    """Catalogue names of the weights and data that a study needs (other sources are left to the approaches)."""
    found: list[str] = []
    source = study.data.get("source", "")
    if isinstance(source, str) and source.startswith("asset:"):
        found.append(source.removeprefix("asset:"))
    for spec in study.approaches:
        approach = make(study.task, spec)
        if isinstance(approach, UsesAssets):
            found.extend(approach.assets())
    return list(dict.fromkeys(found))


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
