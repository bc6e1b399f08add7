"""What a document says about agents, read with care: a part that is not as the task promises is as if it were not there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bakeoff.decide.record import ApproachResult, Document
from bakeoff.report import format as form
from bakeoff.report.figure import STRANGER
from bakeoff.report.palette import LIGHT, SHAPES, Look, looks
from bakeoff.report.tables import Cell, name_cell
from bakeoff.report.ties import ordered

CLOCKS = ("steps", "cpu_seconds")
MOST_WORLDS = 8


class Span(NamedTuple):
    """A figure with its 95% interval; an end that cannot be given is None. `k` of `n` where it is a count."""

    mid: float
    low: float | None
    high: float | None
    n: int
    k: int | None = None

    def shown(self, write: Callable[[float | None], str]) -> str:
        """``mid (low to high)``; what has no interval stands alone."""
        if self.low is None or self.high is None:
            return write(self.mid)
        low, high = write(self.low), write(self.high)
        if low.endswith("%") and high.endswith("%"):
            low = low[:-1]
        return f"{write(self.mid)} ({low} to {high})"

    def counted(self) -> str:
        """``9 of 10 (56 to 100%)``."""
        if self.k is None or self.low is None or self.high is None:
            return self.shown(form.percent)
        return f"{self.k:,} of {self.n:,} ({self.low * 100:.0f} to {self.high * 100:.0f}%)"


class World(NamedTuple):
    """One environment of the study."""

    key: str
    threshold: float | None
    best: float | None
    hidden: bool
    episodes: int | None


def control(document: Document) -> Mapping[str, Any]:
    """``views["control"]``; empty where there is none."""
    return mapping(document.views.get("control"))


def mapping(given: Any) -> Mapping[str, Any]:
    """A mapping, or an empty one."""
    return given if isinstance(given, Mapping) else {}


def listed(given: Any) -> Sequence[Any]:
    """A list, or an empty one."""
    return given if isinstance(given, list | tuple) else ()


def number(given: Any) -> float | None:
    """A finite number, or None."""
    fine = isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
    return float(given) if fine else None


def whole(given: Any) -> int:
    """A whole number, or 0."""
    found = number(given)
    return 0 if found is None else int(found)


def span(given: Any) -> Span | None:
    """An interval or a count; None without a middle."""
    held = mapping(given)
    mid = number(held.get("mid"))
    if mid is None:
        return None
    k = held.get("k")
    return Span(
        mid, number(held.get("low")), number(held.get("high")), whole(held.get("n")), whole(k) if number(k) is not None else None
    )


def worlds(document: Document) -> list[World]:
    """The environments, at most `MOST_WORLDS`."""
    return [
        World(
            str(each["key"]), number(each.get("threshold")), number(each.get("visible_best")), each.get("hidden") is True,
            whole(each["episodes"]) if number(each.get("episodes")) is not None else None,
        )
        for each in listed(control(document).get("worlds"))
        if isinstance(each, Mapping) and "key" in each
    ][:MOST_WORLDS]  # fmt: skip


def results(document: Document) -> list[ApproachResult]:
    """Approaches in shown order, and after each the changes that were tried on it and are no candidates."""
    tried = {result.name: result for result in document.changed}
    found: list[ApproachResult] = []
    for result in ordered(document):
        found.append(result)
        found += [tried.pop(name) for name in list(tried) if name.startswith(f"{result.name}.")]
    return found + list(tried.values())


def names(document: Document) -> list[str]:
    """Names of approaches that something is said about, in shown order."""
    said = mapping(control(document).get("approaches"))
    known = [result.name for result in results(document) if result.name in said]
    return known + [str(name) for name in said if name not in known]


def about(document: Document, name: str, world: str | None = None) -> Mapping[str, Any]:
    """What is said about an approach, in one environment where one is given."""
    said = mapping(mapping(control(document).get("approaches")).get(name))
    return said if world is None else mapping(mapping(said.get("worlds")).get(world))


def looks_of(document: Document) -> dict[str, Look]:
    """Each approach's looks as in every chart, and for changes that are no candidates the ones that come next."""
    found = looks(result.name for result in document.approaches)
    extra = [name for name in names(document) if name not in found]
    for index, name in enumerate(extra, start=len(found)):
        turn, colour = divmod(index, len(LIGHT))
        found[name] = Look(colour, SHAPES[(colour + turn) % len(SHAPES)])
    return found


def named(name: str, document: Document) -> Cell:
    """The first cell of an approach's row."""
    return name_cell(name, document)._replace(look=looks_of(document).get(name, STRANGER))


def amount(value: float | None) -> str:
    """A return: ``500``, ``−132.4``, ``0.31``."""
    if value is None or not math.isfinite(value):
        return form.MISSING
    if value == round(value) and abs(value) < 1e6:
        return form.count(value)
    return form.number(value) if abs(value) < 100 else form.decimal(value)


def steps(value: float | None) -> str:
    """Steps of an environment: ``640``, ``12,400``, ``1.2M``."""
    if value is None or not math.isfinite(value):
        return form.MISSING
    return f"{value / 1e6:.3g}M" if value >= 1e6 else form.count(value)


def listing_of(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    some = list(parts)
    return some[0] if len(some) == 1 else f"{', '.join(some[:-1])} and {some[-1]}" if some else ""
