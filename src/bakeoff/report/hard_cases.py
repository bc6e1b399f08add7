"""Hard inputs: how many each approach got right by kind, which answers flipped, and what all got wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from bakeoff.decide.record import Document, EdgeSet, Flip, KindResult, Range
from bakeoff.report import format as form
from bakeoff.report.changes import changed
from bakeoff.report.charts import dots, svg
from bakeoff.report.figure import STRANGER, Figure, both, colours_of, listing
from bakeoff.report.palette import Look
from bakeoff.report.tables import Cell, Table, name_cell, plain
from bakeoff.report.ties import ordered

SMALL = 10
"""Inputs under which a share is called small: its exact interval then spans about half of the scale."""
MOST_WRONG = 60
MOST_OPEN = 8
"""Kinds that are seen at once; where there are more, the rest is folded away."""
ALL = "All kinds"


class Shade(NamedTuple):
    """One cell of a heat table: the share in words, its interval, the share itself for the shade (None: no figure), and n in words."""

    shown: str
    sub: str
    share: float | None
    of: str = ""


class Heat(NamedTuple):
    """A heat table: one row per kind with what the kind is, one column per approach; the last row is all kinds together."""

    caption: str
    names: Sequence[str]
    rows: Sequence[tuple[str, str, Sequence[Shade]]]


class Changed(NamedTuple):
    """One flip as listed: the record, both texts with the change marked, and the approach's looks."""

    flip: Flip
    before: Markup
    after: Markup
    look: Look


class Hard(NamedTuple):
    """One set of hard inputs, ready to be shown.

    `hardest` and `shakiest` are the rows of `right` and `flipped` to be seen first; None where all of them are few enough.
    """

    ident: str
    set: EdgeSet
    title: str
    figure: Figure | None
    right: Heat | None
    flipped: Heat | None
    hardest: Heat | None
    shakiest: Heat | None
    flips: Sequence[Changed]
    wrong_by_all: Sequence[str]


def hard_cases(document: Document) -> list[Hard]:
    """Every set of the document, written ones first."""
    made, colours = [], colours_of(document)
    for index, edge in enumerate(sorted(document.edge_sets, key=lambda e: e.source != "written")):
        right, flipped = right_by_kind(document, edge), flips_by_kind(document, edge)
        flips = [Changed(f, *changed(f.base, f.shown), colours.get(f.approach, STRANGER)) for f in edge.flips]
        made.append(
            Hard(
                f"hard-{index}",
                edge,
                f"Written for this: {edge.name}" if edge.source == "written" else f"Changed copies of test items: {edge.name}",
                overall_figure(document, edge, f"hard-{index}"),
                right,
                flipped,
                _first(right, "The kinds with the fewest right answers", most=False),
                _first(flipped, "The kinds with the most flips", most=True),
                flips,
                edge.wrong_by_all[:MOST_WRONG],
            )
        )
    return made


def _names(document: Document, edge: EdgeSet) -> list[str]:
    known = [r.name for r in ordered(document) if r.name in edge.results or r.name in edge.overall]
    return [*known, *sorted((set(edge.results) | set(edge.overall)) - set(known))]


def _table(edge: EdgeSet, names: Sequence[str], caption: str, *, flips: bool) -> Heat | None:
    found = {name: {k.kind: k for k in edge.results.get(name, [])} for name in names}
    kinds = list(dict.fromkeys([*edge.kinds, *(k for per in found.values() for k in per)]))
    rows: list[tuple[str, str, Sequence[Shade]]] = []
    for kind in kinds:
        cells = [found[name].get(kind) for name in names]
        if not any(c is not None and (c.pairs if flips else c.n) for c in cells):
            continue
        rows.append((kind, edge.kinds.get(kind, ""), [_flip(c) if flips else _right(c) for c in cells]))
    whole = [edge.overall.get(name) for name in names]
    if rows and any(c is not None and (c.pairs if flips else c.n) for c in whole):
        rows.append((ALL, "", [_flip(c) if flips else _right(c) for c in whole]))
    return Heat(caption, names, rows) if rows else None


def _first(heat: Heat | None, title: str, *, most: bool) -> Heat | None:
    """The kinds that are worst over all approaches, and all kinds together; None where the table is short anyway."""
    if heat is None or len(heat.rows) <= MOST_OPEN + 2:
        return None

    def mean(row: tuple[str, str, Sequence[Shade]]) -> float:
        known = [c.share for c in row[2] if c.share is not None]
        return sum(known) / len(known) * (-1 if most else 1)

    measured = [row for row in heat.rows if any(c.share is not None and (c.share or not most) for c in row[2]) and row[0] != ALL]
    total = [row for row in heat.rows if row[0] == ALL]
    kept = sorted(measured, key=lambda row: (mean(row), row[0]))[:MOST_OPEN]
    return Heat(f"{title}, over all approaches; every kind stands below", heat.names, [*kept, *total])


def right_by_kind(document: Document, edge: EdgeSet) -> Heat | None:
    """Share right of each kind by each approach, with its exact interval."""
    caption = "Share right by kind, with 95% intervals; copies of one input count as one where a row has several"
    return _table(edge, _names(document, edge), caption, flips=False)


def flips_by_kind(document: Document, edge: EdgeSet) -> Heat | None:
    """Share of changed inputs whose answer flipped although it should have stayed, by kind and approach."""
    return _table(edge, _names(document, edge), "Share of answers that flipped and should not have, by kind", flips=True)


def _right(found: KindResult | None) -> Shade:
    if found is None or not found.n:
        return Shade(form.MISSING, "", None)
    left = f", {found.unanswered} unanswered" if found.unanswered else ""
    if not found.judged or found.accuracy is None:
        return Shade("no right answer", "", None, f"n {found.n}{left}")
    few = ", small" if found.judged < SMALL else ""
    a = found.accuracy
    return Shade(form.percent(a.mid, 0), _ends(a), a.mid, f"n {found.judged}{few}{left}")


def _flip(found: KindResult | None) -> Shade:
    if found is None or not found.pairs:
        return Shade(form.MISSING, "", None)
    rate = found.flip_rate
    few = ", small" if found.pairs < SMALL else ""
    if rate is None:
        return Shade(f"{found.flips} of {found.pairs}", "", found.flips / found.pairs)
    return Shade(form.percent(rate.mid, 0), _ends(rate), rate.mid, f"{found.flips} of {found.pairs}{few}")


def _ends(value: Range) -> str:
    return f"{value.low * 100:.0f} to {value.high * 100:.0f}"


def as_table(heat: Heat | None) -> Table | None:
    """A heat table as an ordinary one, for the memo."""
    if heat is None:
        return None
    rows = [
        [plain(kind), *(Cell(c.shown, c.share, "num", note=", ".join(filter(None, (c.sub, c.of)))) for c in cells)]
        for kind, _, cells in heat.rows
    ]
    return Table(heat.caption, ("Kind", *heat.names), rows)


def overall_figure(document: Document, edge: EdgeSet, ident: str) -> Figure | None:
    """Right on the test, right on these inputs, and answers flipped: one row per approach."""
    names, colours = _names(document, edge), colours_of(document)
    whole = {name: edge.overall[name] for name in names if name in edge.overall}
    if not any(k.accuracy or k.flip_rate for k in whole.values()):
        return None
    test = {r.name: r.metrics["accuracy"] for r in document.approaches if r.name in whole and "accuracy" in r.metrics}
    parts: list[tuple[str, str, dict[str, Range]]] = []
    if test:
        parts.append(("Right on the test", "95% interval", test))
    parts.append(("Right on these", "95% interval", {n: k.accuracy for n, k in whole.items() if k.accuracy}))
    parts.append(("Answer flipped", "lower is better", {n: k.flip_rate for n, k in whole.items() if k.flip_rate}))
    parts = [part for part in parts if part[2]]
    rows = [dots.Row(n, colours.get(n, STRANGER), strong=n == document.verdict.choice) for n in names]
    panels = [
        dots.Panel(
            title, unit, {n: dots.Dot(v.mid, v.low, v.high, form.percent(v.mid, 0)) for n, v in given.items()}, svg.tick_percent,
            floor=0.0, top=1.0,
        )
        for title, unit, given in parts
    ]  # fmt: skip
    table = Table(
        "The figures of this chart",
        ("Approach", *(title for title, _, _ in parts)),
        [
            (
                name_cell(n, document),
                *(Cell(form.interval(g.get(n), form.percent), g[n].mid if n in g else None, "num") for _, _, g in parts),
            )
            for n in names
        ],
    )
    says = listing(
        [f"{n}: " + ", ".join(f"{t.lower()} {form.interval(g.get(n), form.percent)}" for t, _, g in parts) for n in names]
    )
    caption = (
        f"{edge.judged:,} of {edge.items:,} inputs have a right answer."
        + (" The test is shown beside it: what an approach loses here is what its test score does not tell." if test else "")
        + (
            " Flipped: a change that should not matter changed the answer."
            if any(t == "Answer flipped" for t, _, _ in parts)
            else ""
        )
    )
    return both(
        ident, caption, table, lambda i, w: dots.panels(i, rows, panels, width=w, title=f"Hard inputs: {edge.name}", says=says)
    )
