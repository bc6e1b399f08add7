"""A study: the whole question as data. Unknown keys are refused; errors name the field and the line.

A study file is YAML, read with a safe loader that remembers line numbers::

    study: sentiment
    question: Is this product review good or bad?
    task: text
    data: {source: reviews.csv, text: text, target: label}
    approaches: [majority, tfidf-linear, {use: prompted-llm, name: llm-zero-shot, settings: {shots: 0}}]
    seeds: 3
    limits: [p90 latency <= 200 ms]
    volume: 10000
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from bakeoff.errors import BadStudy, nearest

NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
CHANGE = r"^[a-z0-9][a-z0-9_-]{0,40}$"
LARGEST_STUDY_FILE = 1_000_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ApproachSpec(_Strict):
    """One approach of a study: which one (`use`), under what name, with which settings."""

    use: str
    name: Annotated[str, Field(pattern=NAME)]
    settings: Mapping[str, Any] = Field(default_factory=dict)
    seeds: Annotated[int, Field(ge=1, le=100)] | None = None
    threads: Annotated[int, Field(ge=1, le=256)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"use": given, "name": given}
        if isinstance(given, dict) and "name" not in given:
            return {**given, "name": given.get("use", "")}
        return given


class LearningCurve(_Strict):
    """Which approaches are also trained on shares of the training items."""

    approaches: tuple[str, ...] = ()
    fractions: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.125, 0.25, 0.5)
    seeds: Annotated[int, Field(ge=1, le=100)] = 1


class Timing(_Strict):
    """How much is measured when timing runs alone."""

    single_items: Annotated[int, Field(ge=1, le=100_000)] = 120
    single_seconds: Annotated[float, Field(gt=0)] = 20.0
    batch_seconds: Annotated[float, Field(gt=0)] = 20.0
    warmup: Annotated[int, Field(ge=0, le=1000)] = 5


class Serving(_Strict):
    """Each approach behind a real HTTP endpoint on this machine, under load.

    `limit` is on the total time of a request from its intended start; the highest rate that keeps it is looked for.
    """

    approaches: tuple[str, ...] = ()
    limit: str = "p95 latency <= 500 ms"
    single_requests: Annotated[int, Field(ge=1, le=100_000)] = 200
    single_seconds: Annotated[float, Field(gt=0)] = 15.0
    offline_seconds: Annotated[float, Field(gt=0)] = 8.0
    rates: Annotated[int, Field(ge=1, le=50)] = 6
    rate_seconds: Annotated[float, Field(gt=0)] = 15.0
    highest_rate: Annotated[float, Field(gt=0, le=100_000)] = 400.0
    window_ms: Annotated[float, Field(ge=0, le=1000)] = 2.0
    max_batch: Annotated[int, Field(ge=1, le=1024)] = 32


class EdgeCases(_Strict):
    """Hard inputs that are no part of the test: written sets, and changed copies of the study's own test items."""

    sets: tuple[str, ...] = ()
    generated: Annotated[int, Field(ge=0, le=1000)] = 0
    kinds: tuple[str, ...] = ()


class Consistency(_Strict):
    """Whether the same question gets the same answer: again, at the same time as others, in another prompt format."""

    items: Annotated[int, Field(ge=2, le=10_000)] = 24
    repeats: Annotated[int, Field(ge=2, le=100)] = 5
    concurrency: Annotated[int, Field(ge=2, le=256)] = 4
    formats: Annotated[int, Field(ge=0, le=20)] = 8
    format_items: Annotated[int, Field(ge=2, le=10_000)] = 60


class Change(_Strict):
    """One change to the base: the settings that become other ones, and what its author expects of it, in a sentence."""

    settings: Annotated[Mapping[str, Any], Field(min_length=1)]
    expect: Annotated[str, Field(max_length=600)] = ""


class Changes(_Strict):
    """Changes to one approach, one at a time: each becomes an approach `<base>.<name>` with the base's settings and these on top.

    They run at the base's seeds and answer the same items, so that each is compared with the base in pairs. Unless they
    `compete` they are no candidates: the choice is made among the `approaches`, and the report says what each change was worth.
    """

    base: str
    try_: Annotated[Mapping[Annotated[str, Field(pattern=CHANGE)], Change], Field(min_length=1, max_length=50, alias="try")]
    compete: bool = False

    def approach(self, change: str) -> str:
        """The name of the approach that a change becomes."""
        return f"{self.base}.{change}"


class Anchor(_Strict):
    """A value function: `worst` is the worst acceptable level (value 0), `best` fully satisfies (value 1).

    The scale is ``linear`` or ``log``; levels are in the measure's own unit, never taken from the candidates.
    """

    worst: float
    best: float
    scale: str = Field("linear", pattern="^(linear|log)$")

    @model_validator(mode="after")
    def _usable(self) -> Anchor:
        if self.worst == self.best:
            raise ValueError("worst and best are the same level")
        if self.scale == "log" and min(self.worst, self.best) <= 0:
            raise ValueError("a log scale needs levels above 0")
        return self


class Study(_Strict):
    """The whole question: task, data, approaches, seeds, limits, weights, volume and prices."""

    study: Annotated[str, Field(pattern=NAME)]
    question: str = ""
    task: str
    data: Mapping[str, Any]
    approaches: Annotated[tuple[ApproachSpec, ...], Field(min_length=1)]
    changes: Changes | None = None
    seeds: Annotated[int, Field(ge=1, le=100)] = 3
    metric: str = ""
    margin: Annotated[float, Field(gt=0)] = 0.02
    limits: tuple[str, ...] = ()
    weights: Mapping[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    values: Mapping[str, Anchor] = Field(default_factory=dict)
    volume: Annotated[float, Field(gt=0)] = 10_000
    horizon_days: Annotated[float, Field(gt=0)] = 365
    prices: Mapping[str, Any] = Field(default_factory=dict)
    learning_curve: LearningCurve = LearningCurve()
    timing: Timing = Timing()
    serving: Serving | None = None
    edge_cases: EdgeCases | None = None
    consistency: Consistency | None = None
    hosted: tuple[str, ...] = ()
    threads: Annotated[int, Field(ge=1, le=256)] = 1

    @field_validator("approaches")
    @classmethod
    def _names_differ(cls, given: tuple[ApproachSpec, ...]) -> tuple[ApproachSpec, ...]:
        names = [spec.name for spec in given]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two approaches are called {twice[0]!r}; give one of them another `name`")
        return given

    @field_validator("changes")
    @classmethod
    def _of_an_approach(cls, given: Changes | None, info: ValidationInfo) -> Changes | None:
        known = {spec.name: spec for spec in info.data.get("approaches", ())}
        if given is None or not known:
            return given
        if given.base not in known:
            raise ValueError(f"no approach is called {given.base!r}: {nearest(given.base, known)}".rstrip(": "))
        for name, spec in _variants(known[given.base], given).items():
            if len(name) > 64:
                raise ValueError(f"{name!r} is too long for the name of an approach; give the change a shorter one")
            if name in known and known[name] != spec:
                raise ValueError(f"an approach is called {name!r} already; give it or the change another name")
        return given

    @model_validator(mode="after")
    def _with_changes(self) -> Study:
        """Each change as an approach behind those that are written out, so that it is run and timed like any other."""
        if self.changes is not None:
            made = _variants(self.spec(self.changes.base), self.changes)
            names = {spec.name for spec in self.approaches}
            more = tuple(spec for name, spec in made.items() if name not in names)
            object.__setattr__(self, "approaches", (*self.approaches, *more))  # frozen to all others
        return self

    @property
    def variants(self) -> dict[str, str]:
        """Approach -> the change that it is, for every change whose base is in this study too."""
        names = [spec.name for spec in self.approaches]
        if self.changes is None or self.changes.base not in names:
            return {}
        made = {self.changes.approach(change): change for change in self.changes.try_}
        return {name: made[name] for name in made if name in names}

    @property
    def candidates(self) -> tuple[ApproachSpec, ...]:
        """The approaches among which the choice is made: all but changes that do not compete."""
        apart = () if self.changes is None or self.changes.compete else self.variants
        return tuple(spec for spec in self.approaches if spec.name not in apart)

    def spec(self, name: str) -> ApproachSpec:
        """The approach called `name` in this study."""
        for spec in self.approaches:
            if spec.name == name:
                return spec
        raise BadStudy(f"No approach of this study is called {name!r}.", fix=nearest(name, [s.name for s in self.approaches]))


def _variants(base: ApproachSpec, changes: Changes) -> dict[str, ApproachSpec]:
    """Name -> the base with one change on top, for each change; a setting is replaced whole."""
    return {
        changes.approach(name): base.model_copy(
            update={"name": changes.approach(name), "settings": {**base.settings, **change.settings}}
        )
        for name, change in changes.try_.items()
    }


def read_study(path: Path) -> Study:
    """Read a study file.

    Raises
    ------
    BadStudy
        With the field, the line and the fix, if the file is not valid YAML or not a valid study.
    """
    try:
        if path.stat().st_size > LARGEST_STUDY_FILE:
            raise BadStudy(
                f"{path} is larger than {LARGEST_STUDY_FILE:,} bytes: this is no study file.",
                fix="give the path of a .yaml study",
            )
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadStudy(f"{path} cannot be read: {error}.", fix="check the path, and save the file as UTF-8") from error
    return parse_study(text, str(path))


def parse_study(text: str, where: str = "study") -> Study:
    """Read a study from YAML text. `where` names it in errors."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        given = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise BadStudy(
            f"{where}{line}: this is not valid YAML: {getattr(error, 'problem', error)}.",
            fix="check the indentation, quotes and colons near that line",
        ) from error
    except RecursionError as error:
        raise BadStudy(f"{where}: nested too deeply.", fix="write the study without nested aliases") from error
    if not isinstance(given, dict):
        raise BadStudy(
            f"{where}: a study is a mapping with `study`, `task`, `data` and `approaches`.",
            fix="see `bakeoff new`, which writes one",
        )
    try:
        return Study.model_validate(given)
    except ValidationError as error:
        raise _explain(error, node, where) from error


def write_study(study: Study) -> str:
    """The study as YAML text that `parse_study` reads back to an equal study.

    Changes are written as changes. Of a study that was narrowed to some of its approaches only the changes that are left are
    written; one whose base is gone is an approach like any other.
    """
    given = study.model_dump(mode="json", exclude_defaults=True, by_alias=True)
    variants = study.variants
    if variants:
        given["approaches"] = [spec for spec in given["approaches"] if spec["name"] not in variants]
        kept = set(variants.values())
        given["changes"]["try"] = {name: change for name, change in given["changes"]["try"].items() if name in kept}
    else:
        given.pop("changes", None)
    return yaml.safe_dump(given, sort_keys=False, allow_unicode=True, width=110)


def _explain(error: ValidationError, node: yaml.Node | None, where: str) -> BadStudy:
    # A misspelt key is also a missing one; the misspelling is what the person can see.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    path = [part for part in first["loc"] if not str(part).startswith("function-")]
    field = ".".join(str(part) for part in path)
    line = _line(node, path)
    if first["type"] == "extra_forbidden":
        owner, wrong = _owner(path), str(path[-1])
        return BadStudy(f"{where}, line {line}: unknown key {field!r}.", fix=nearest(wrong, owner))
    if first["type"] == "missing":
        return BadStudy(f"{where}, line {line}: `{field}` is missing.", fix=f"add a line `{path[-1]}: ...`")
    says = first["msg"].removeprefix("Value error, ")
    shown = repr(first.get("input"))
    return BadStudy(f"{where}, line {line}: `{field}` is {shown[:80]}: {says[:1].lower()}{says[1:]}.", fix=f"correct `{field}`")


def _owner(path: Sequence[Any]) -> list[str]:
    model: Any = Study
    before: Any = None
    for part in path[:-1]:
        named, before = before in ("try", "values"), part  # what stands below these is named by the author
        if named or isinstance(part, int) or not isinstance(model, type):
            continue
        model = {
            "approaches": ApproachSpec,
            "learning_curve": LearningCurve,
            "timing": Timing,
            "values": Anchor,
            "serving": Serving,
            "edge_cases": EdgeCases,
            "consistency": Consistency,
            "changes": Changes,
            "try": Change,
        }.get(str(part), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _line(node: yaml.Node | None, path: Sequence[Any]) -> int:
    """The 1-based line of the deepest node on `path`."""
    line = node.start_mark.line + 1 if node else 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    line, node = key.start_mark.line + 1, value
                    break
            else:
                break
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
