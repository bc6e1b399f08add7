"""Who is told apart from whom: order without pretending to a rank.

Being tied is not transitive (a may tie with b and b with c while a beats c), so ranks such as 1, 2, 2 would
lie. A compact letter display does not: each letter is a largest set of approaches of which no two were
told apart, and an approach carries the letters of every set that it is in (Piepho 2004, An algorithm for
a letter-based representation of all-pairwise comparisons).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from bakeoff.decide.record import ApproachResult, Document, Pair
from bakeoff.report.format import finite

TOLD_APART = ("superior", "inferior")


class Seen(NamedTuple):
    """One pair as seen from one of its two approaches: self minus other."""

    pair: Pair
    mid: float
    low: float
    high: float
    verdict: str


def ordered(document: Document) -> list[ApproachResult]:
    """Approaches by the primary metric, better first; equal ones by name; those without a figure last, by name."""
    metric, sign = document.study.metric, -1.0 if document.study.higher_is_better else 1.0

    def key(result: ApproachResult) -> tuple[int, float, str]:
        value = result.metrics.get(metric)
        measured = value is not None and finite(value.mid)
        return (0, sign * value.mid, result.name) if measured and value else (1, 0.0, result.name)

    return sorted(document.approaches, key=key)


def measured(document: Document) -> list[str]:
    """Names of approaches with the primary metric, in shown order."""
    metric = document.study.metric
    return [result.name for result in ordered(document) if metric in result.metrics and finite(result.metrics[metric].mid)]


def seen_from(document: Document) -> Mapping[tuple[str, str], Seen]:
    """Every pair on the primary metric in both directions, by (row, column)."""
    turned = {"superior": "inferior", "inferior": "superior", "non-inferior": "at most margin better"}
    both: dict[tuple[str, str], Seen] = {}
    for pair in document.pairs:
        if pair.metric != document.study.metric:
            continue
        gap = pair.difference
        both[pair.a, pair.b] = Seen(pair, gap.mid, gap.low, gap.high, pair.verdict)
        both[pair.b, pair.a] = Seen(pair, -gap.mid, -gap.high, -gap.low, turned.get(pair.verdict, pair.verdict))
    return both


def letters(document: Document) -> dict[str, tuple[str, ...]]:
    """Approach -> its letters, in shown order. A pair that was never compared counts as not told apart."""
    names = measured(document)
    apart = {frozenset((p.a, p.b)) for p in document.pairs if p.metric == document.study.metric and p.verdict in TOLD_APART}
    tied = {a: {b for b in names if b != a and frozenset((a, b)) not in apart} for a in names}
    groups = sorted(sorted(names.index(name) for name in group) for group in _cliques(tied))
    found: dict[str, tuple[str, ...]] = dict.fromkeys(names, ())
    for letter, group in zip(_labels(len(groups)), groups, strict=True):
        for index in group:
            found[names[index]] += (letter,)
    return found


def tied_with(document: Document) -> dict[str, list[str]]:
    """Approach -> those that share a letter with it, in shown order."""
    found = letters(document)
    return {name: [other for other in found if other != name and set(own) & set(found[other])] for name, own in found.items()}


def order_note(document: Document) -> str:
    """What the order of rows does and does not say, in one or two sentences."""
    names = measured(document)
    title = document.study.metric_title
    if not names:
        return "No approach was measured."
    if len(names) < 2:
        return "One approach was measured: there is nothing to compare it with."
    if not any(tied_with(document).values()):
        return f"Rows are sorted by {title}; every pair was told apart on these items."
    return (
        f"Rows are sorted by {title}, but the order is not a rank: "
        "approaches that share a letter could not be told apart on these items."
    )


def _cliques(tied: Mapping[str, set[str]]) -> Iterable[frozenset[str]]:
    """Maximal cliques by Bron and Kerbosch (1973) with pivoting."""

    def grow(clique: set[str], candidates: set[str], done: set[str]) -> Iterable[frozenset[str]]:
        if not candidates and not done:
            if clique:
                yield frozenset(clique)
            return
        pivot = max(sorted(candidates | done), key=lambda name: len(tied[name] & candidates))
        for name in sorted(candidates - tied[pivot]):
            yield from grow(clique | {name}, candidates & tied[name], done & tied[name])
            candidates = candidates - {name}
            done = done | {name}

    return grow(set(), set(tied), set())


def _labels(n: int) -> list[str]:
    """a, b, ... z, aa, ab, ..."""
    made = []
    for index in range(n):
        text, rest = "", index + 1
        while rest:
            rest, letter = divmod(rest - 1, 26)
            text = chr(ord("a") + letter) + text
        made.append(text)
    return made
