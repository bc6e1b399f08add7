"""A study as it is asked for at the command line or from Python: on other data, with fewer approaches, with another number of seeds."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bakeoff.contract import Json
from bakeoff.errors import BadStudy, shown
from bakeoff.study import Study

SOURCES = ("source", "environment", "environments", "documents")
"""Keys of a `data` section that say what is asked about. With another one, what described the old one no longer holds."""
AMOUNTS = ("test", "valid", "split_seed", "limit", "episodes", "first_seed", "size", "fit", "questions")
"""Keys that say how much of it is used, and how: these are kept."""


def adapted(
    study: Study,
    *,
    data: Mapping[str, Json] | None = None,
    approaches: Sequence[str] | None = None,
    seeds: int | None = None,
) -> Study:
    """The study with keys of its data section, its approaches or its number of seeds changed.

    With another source of data, what the study says of its own source goes: columns, styles, name, licence, the written edge cases, and what
    quality is good enough.

    Raises
    ------
    BadStudy
        If an approach does not exist.
    """
    changes: dict[str, Any] = {}
    if approaches is not None:
        changes["approaches"] = tuple(study.spec(name) for name in approaches)
        kept = tuple(name for name in study.learning_curve.approaches if name in approaches)
        changes["learning_curve"] = study.learning_curve.model_copy(update={"approaches": kept})
    if seeds is not None:
        changes["seeds"] = seeds
    if data:
        if moved := [key for key in SOURCES if key in data and data[key] != study.data.get(key)]:
            changes["data"] = {**{key: value for key, value in study.data.items() if key in AMOUNTS}, **data}
            changes["question"] = f"Which approach is best on {_named(data[moved[0]])}?"
            if study.task == "control":  # a margin in one environment's rewards says nothing in another's
                changes["margin"] = Study.model_fields["margin"].default
            changes["values"] = {name: levels for name, levels in study.values.items() if name != "quality"}
            if study.edge_cases is not None:
                changes["edge_cases"] = study.edge_cases.model_copy(update={"sets": ()})
        else:
            changes["data"] = {**study.data, **data}
    return study.model_copy(update=changes)


def _named(source: Json) -> str:
    """A source as people call it: a file or folder by its name."""
    if isinstance(source, str):
        return Path(source).name if ":" not in source and Path(source).exists() else source
    return ", ".join(str(each) for each in source) if isinstance(source, list | tuple) else shown(str(source), 120)


def data_of(study: Study, given: Sequence[str]) -> dict[str, Json]:
    """What ``--data`` says: ``KEY=VALUE`` (read as YAML), or a source alone, whose key is the one that the study uses.

    A path is made absolute, since a study's own paths begin at its file.

    Raises
    ------
    BadStudy
        For a value without a key where the study's data section has no known source.
    """
    import yaml

    found: dict[str, Json] = {}
    for text in given:
        key, sign, value = text.partition("=")
        if sign and key.strip().isidentifier() and not Path(text).exists():
            try:
                found[key.strip()] = yaml.safe_load(value)
            except yaml.YAMLError:
                found[key.strip()] = value
            continue
        usual = next((key for key in SOURCES if key in study.data), "")
        if not usual:
            raise BadStudy(f"--data {shown(text)} has no key.", fix="write it like --data source=FOLDER")
        found["environment" if usual == "environments" else usual] = text
    for name in ("source", "documents"):
        where = found.get(name)
        if isinstance(where, str) and ":" not in where and Path(where).expanduser().exists():
            found[name] = str(Path(where).expanduser().resolve())
    return found


def command_of(
    study: str | Path | Study, approaches: Sequence[str] | None, seeds: int | None, data: Mapping[str, Json] | None = None
) -> str:
    """What a person types to ask the same question again."""
    parts = ["bakeoff", "run", "study.yaml" if isinstance(study, Study) else str(study)]
    for key, value in (data or {}).items():
        parts += ["--data", f"{key}={value}"]
    parts += ["--approaches", ",".join(approaches)] if approaches is not None else []
    parts += ["--seeds", str(seeds)] if seeds is not None else []
    return shlex.join(parts)
