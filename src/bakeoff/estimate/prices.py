"""What machines and hosted models cost: a dated table that any study may override.

The prices are list prices on the date that stands beside each; they go stale, so the ones used are
stored with the run, shown in the report, and replaced by ``prices:`` in a study or ``bakeoff decide``::

    prices:
      machine: g6.xlarge                    # a name of the table, or your own: {usd_per_hour: 0.05}
      machine_for: {prompted-llm: g6.xlarge}
      models: {my-model: {usd_per_million_in: 0.2, usd_per_million_out: 0.8}}
      labelling_usd_per_item: 0.08
      review_usd_per_item: 0.25
      peak_factor: 4
      utilisation: 0.7
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from bakeoff.contract import Json
from bakeoff.errors import BadStudy, nearest

OWN = "the study's own price"
_MACHINE_FIELDS = ("name", "usd_per_hour", "vcpus", "memory_gib", "gpu", "as_of", "source")
_MODEL_FIELDS = ("usd_per_million_in", "usd_per_million_out", "as_of", "source")
_NUMBERS = ("labelling_usd_per_item", "review_usd_per_item", "peak_factor", "utilisation")
_KEYS = ("machine", "machine_for", "machines", "models", *_NUMBERS, "notes")


@dataclass(frozen=True)
class Estimate:
    """A sum you can take apart: `parts` in `unit`, and what the sum does not contain."""

    parts: Mapping[str, float]
    unit: str
    leaves_out: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """The sum of the parts, in `unit`."""
        return math.fsum(self.parts.values())


@dataclass(frozen=True)
class Machine:
    """A rented machine. `memory_gib` and `vcpus` are None where the study did not say them; `gpu` is '' for none."""

    name: str
    usd_per_hour: float
    vcpus: float | None = None
    memory_gib: float | None = None
    gpu: str = ""
    as_of: str = ""
    source: str = OWN


@dataclass(frozen=True)
class ModelPrice:
    """A hosted model's price in US dollars per million tokens, read (`in`) and written (`out`)."""

    name: str
    usd_per_million_in: float
    usd_per_million_out: float
    as_of: str = ""
    source: str = OWN

    def usd_per_item(self, tokens_in: float, tokens_out: float) -> float:
        """US dollars for one item that reads and writes this many tokens."""
        return (tokens_in * self.usd_per_million_in + tokens_out * self.usd_per_million_out) / 1e6


@dataclass(frozen=True)
class Prices:
    """Every price and load assumption of one decision.

    Parameters
    ----------
    machine : Machine
        What one replica of a self-hosted approach runs on.
    machine_for : Mapping of approach name to Machine
        Another machine for some approaches (a GPU for one of them).
    machines, models : Mapping
        The tables that names are looked up in: the study's own entries over the package's.
    labelling_usd_per_item, review_usd_per_item : float, >= 0, default=0
        What a person costs per labelled training item, and per item that an approach declines to answer.
    peak_factor : float, >= 1, default=4
        Busiest rate over the mean rate of a day. Replicas are reserved for the busiest rate.
    utilisation : float in (0, 1], default=0.7
        Share of a replica's measured throughput that is planned for; queues grow without bound near 1.
    """

    machine: Machine
    machine_for: Mapping[str, Machine] = field(default_factory=dict)
    machines: Mapping[str, Machine] = field(default_factory=dict)
    models: Mapping[str, ModelPrice] = field(default_factory=dict)
    labelling_usd_per_item: float = 0.0
    review_usd_per_item: float = 0.0
    peak_factor: float = 4.0
    utilisation: float = 0.7

    def model(self, name: str) -> ModelPrice | None:
        """The price of a hosted model, or None where it is unknown.

        A provider's prefix and a date at the end of the name are passed over: ``openai/gpt-4o-mini-2024-07-18``.
        """
        bare = re.sub(r"-(\d{4}-\d{2}-\d{2}|\d{8}|latest)$", "", name.rsplit("/", 1)[-1])
        return self.models.get(name) or self.models.get(bare)

    def to_json(self, machines: tuple[Machine, ...] = (), models: tuple[ModelPrice, ...] = ()) -> dict[str, Json]:
        """What to store with a run: `resolve` reads it back to the same prices.

        `machines` and `models` are those that a figure rests on; the rest of the table is left out.
        """
        stored: dict[str, Json] = {"machine": _plain(self.machine)}
        if self.machine_for:
            stored["machine_for"] = {name: _plain(machine) for name, machine in sorted(self.machine_for.items())}
        if machines:
            stored["machines"] = {machine.name: _plain(machine) for machine in sorted(machines, key=lambda m: m.name)}
        if models:
            stored["models"] = {model.name: _plain(model, "name") for model in sorted(models, key=lambda m: m.name)}
        return stored | {key: getattr(self, key) for key in _NUMBERS}


def resolve(given: Mapping[str, Json] | None = None) -> Prices:
    """The prices of a study: the table of this package, overridden by the study's `prices` section.

    Raises
    ------
    BadStudy
        For an unknown key, machine name or field, and for numbers out of range; names the near ones.
    """
    given = given or {}
    _known(given, _KEYS, "prices")
    machines, models = dict(_table()[1]), dict(_table()[2])
    for name, entry in _mapping(given, "machines").items():
        machines[name] = _machine({"name": name, **_fields(entry, f"prices.machines.{name}")}, f"prices.machines.{name}", {})
    for name, entry in _mapping(given, "models").items():
        models[name] = _model(name, _fields(entry, f"prices.models.{name}"))
    numbers = {key: _number(given[key], f"prices.{key}") for key in _NUMBERS if key in given}
    if numbers.get("peak_factor", 1.0) < 1:
        raise BadStudy(
            f"`prices.peak_factor` is {given['peak_factor']!r}: the busiest rate is never below the mean.", fix="give 1 or more"
        )
    if not 0 < numbers.get("utilisation", 0.7) <= 1:
        raise BadStudy(
            f"`prices.utilisation` is {given['utilisation']!r}: it must be above 0 and at most 1.", fix="give a share such as 0.7"
        )
    return Prices(
        machine=_machine(given.get("machine", _table()[0]), "prices.machine", machines),
        machine_for={
            name: _machine(entry, f"prices.machine_for.{name}", machines)
            for name, entry in _mapping(given, "machine_for").items()
        },
        machines=machines,
        models=models,
        **numbers,
    )


def merged(stored: Mapping[str, Json], changes: Mapping[str, Json]) -> dict[str, Json]:
    """`stored` prices with `changes` laid over them: tables are joined by name, everything else is replaced."""
    joined = dict(stored)
    for key, value in changes.items():
        table = key in ("machines", "models", "machine_for") and isinstance(value, Mapping)
        joined[key] = {**joined.get(key, {}), **value} if table else value
    return joined


@cache
def _table() -> tuple[str, Mapping[str, Machine], Mapping[str, ModelPrice]]:
    read = tomllib.loads(resources.files("bakeoff.estimate").joinpath("prices.toml").read_text(encoding="utf-8"))
    machines = {name: Machine(name=name, **entry) for name, entry in read["machines"].items()}
    return read["default_machine"], machines, {name: ModelPrice(name=name, **entry) for name, entry in read["models"].items()}


def _machine(given: Json, where: str, machines: Mapping[str, Machine]) -> Machine:
    if isinstance(given, str):
        if given not in machines:
            raise BadStudy(
                f"`{where}` is {given!r}, which has no price here.", fix=nearest(given, machines) + " Or give {usd_per_hour: ...}"
            )
        return machines[given]
    entry = _fields(given, where)
    _known(entry, _MACHINE_FIELDS, where)
    if "usd_per_hour" not in entry:
        raise BadStudy(
            f"`{where}` has no `usd_per_hour`.", fix="write {usd_per_hour: 0.09}, in US dollars, or name a machine of the table"
        )
    sizes = {key: _number(entry[key], f"{where}.{key}") for key in ("vcpus", "memory_gib") if entry.get(key) is not None}
    return Machine(
        name=str(entry.get("name", "your machine")),
        usd_per_hour=_number(entry["usd_per_hour"], f"{where}.usd_per_hour"),
        vcpus=sizes.get("vcpus"),
        memory_gib=sizes.get("memory_gib"),
        gpu=str(entry.get("gpu") or ""),
        as_of=str(entry.get("as_of") or ""),
        source=str(entry.get("source") or OWN),
    )


def _model(name: str, entry: Mapping[str, Json]) -> ModelPrice:
    where = f"prices.models.{name}"
    _known(entry, _MODEL_FIELDS, where)
    for key in _MODEL_FIELDS[:2]:
        if key not in entry:
            raise BadStudy(f"`{where}` has no `{key}`.", fix=f"add {key}: US dollars per million tokens")
    return ModelPrice(
        name=name,
        usd_per_million_in=_number(entry["usd_per_million_in"], f"{where}.usd_per_million_in"),
        usd_per_million_out=_number(entry["usd_per_million_out"], f"{where}.usd_per_million_out"),
        **{key: str(entry[key]) for key in ("as_of", "source") if entry.get(key)},
    )


def _plain(entry: Machine | ModelPrice, *without: str) -> dict[str, Json]:
    return {key: value for key, value in asdict(entry).items() if value not in (None, "") and key not in without}


def _known(given: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in allowed:
            raise BadStudy(f"`{where}` has an unknown key {str(key)!r}.", fix=nearest(str(key), allowed))


def _mapping(given: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    return _fields(given.get(key) or {}, f"prices.{key}")


def _fields(entry: Json, where: str) -> Mapping[str, Json]:
    if not isinstance(entry, Mapping):
        raise BadStudy(
            f"`{where}` is {str(entry)[:60]!r}, not a mapping.", fix=f"see the reference page on prices for what `{where}` takes"
        )
    return entry


def _number(given: Json, where: str) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given) or given < 0:
        raise BadStudy(
            f"`{where}` is {str(given)[:60]!r}: it must be a number, 0 or more.",
            fix="give a plain number in US dollars (or the unit in the name)",
        )
    return float(given)
