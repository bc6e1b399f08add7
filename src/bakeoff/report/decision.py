"""The decision matrix: criteria by approaches, what each level is worth, and the weighted sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bakeoff.decide.record import Document, MatrixRow
from bakeoff.report import format as form
from bakeoff.report.charts import bars
from bakeoff.report.figure import STRANGER, Figure, both, colours_of, listing
from bakeoff.report.tables import Cell, Table, name_cell, plain
from bakeoff.report.ties import ordered


class Worth(NamedTuple):
    """One cell: the level in words, and its value from 0 to 1 in words and as a number (None: not measured)."""

    level: str
    shown: str
    value: float | None


class Line(NamedTuple):
    """One criterion: title, unit, weight, the levels worth 0 and 1, and a cell for each approach."""

    title: str
    unit: str
    weight: str
    anchors: str
    cells: Sequence[Worth]


class Decision(NamedTuple):
    """The matrix, ready to be shown; `totals` are in the order of `names`."""

    names: Sequence[str]
    lines: Sequence[Line]
    totals: Sequence[Worth]
    figure: Figure | None
    says: str


def level(value: float | None, row: MatrixRow, document: Document) -> str:
    """A level in the unit of its criterion."""
    unit = row.unit.lower()
    if row.criterion in ("quality", document.study.metric) or unit.startswith("the metric"):
        return form.metric_form(document.study.metric, document.study)(value)
    if unit.startswith(("usd", "$", "dollar")):
        return form.usd(value)
    if unit.startswith(("second", "s,")) or unit == "s":
        return form.seconds(value)
    if unit.startswith("byte"):
        return form.size(value)
    if unit.startswith(("share", "fraction", "%")):
        return form.percent(value)
    if unit.startswith(("items per second", "requests per second")):
        return form.rate(value)
    if unit.startswith("operations"):
        return form.flops(value)
    return form.number(value)


def decision(document: Document) -> Decision | None:
    """The matrix of the document, or None where it has none."""
    matrix = document.matrix
    if not matrix.rows:
        return None
    inside = set(matrix.totals) | {name for row in matrix.rows for name in row.cells}
    names = [r.name for r in ordered(document) if r.name in inside]
    lines = []
    for row in matrix.rows:
        ends = (
            f"{level(row.worst, row, document)} is worth 0, {level(row.best, row, document)} is worth 1"
            if row.worst is not None and row.best is not None
            else ""
        )
        cells = [
            Worth(level(cell.level, row, document), form.MISSING if cell.value is None else f"{cell.value:.2f}", cell.value)
            if (cell := row.cells.get(name))
            else Worth(form.MISSING, form.MISSING, None)
            for name in names
        ]
        weight = form.percent(row.weight, 0) if row.weight > 0 else "none"
        lines.append(Line(row.title, row.unit, weight, ends, cells))
    totals = [
        Worth("", f"{matrix.totals[name]:.2f}" if name in matrix.totals else form.MISSING, matrix.totals.get(name))
        for name in names
    ]
    return Decision(names, lines, totals, _figure(document), matrix.says)


def table(document: Document) -> Table | None:
    """The matrix as an ordinary table, for the memo and beside the chart: level, then what it is worth."""
    found = decision(document)
    return _table(found) if found else None


def _table(found: Decision) -> Table:
    rows = [
        [
            plain(line.title)._replace(note="; ".join(filter(None, (f"weight {line.weight}", line.unit, line.anchors)))),
            *(Cell(c.level, c.value, "num", note="" if c.value is None else f"worth {c.shown}") for c in line.cells),
        ]
        for line in found.lines
    ]
    rows.append([plain("Weighted sum"), *(Cell(c.shown, c.value, "num", strong=True) for c in found.totals)])
    return Table("The decision matrix", ("Criterion", *found.names), rows)


def _figure(document: Document) -> Figure | None:
    totals, colours = document.matrix.totals, colours_of(document)
    if not totals:
        return None
    order = sorted(totals, key=lambda name: (-totals[name], name))
    rows = [bars.Bar(n, colours.get(n, STRANGER), totals[n], f"{totals[n]:.2f}", n == document.verdict.choice) for n in order]
    table_ = Table(
        "Weighted sums",
        ("Approach", "Weighted sum, 0 to 1"),
        [(name_cell(n, document), Cell(f"{totals[n]:.2f}", totals[n], "num")) for n in order],
    )
    outside = [r.name for r in document.approaches if r.name in totals and not r.within_limits]
    caption = (
        "The weighted sum of the values in the table, from 0 (worst acceptable in everything) to 1 (fully satisfying in everything). "
        "These are measured values without their intervals: how often chance or other weights would turn the order stands under "
        "'What would change the choice'."
        + (f" Outside the limits, and so no candidate whatever the sum: {', '.join(outside)}." if outside else "")
    )
    return both(
        "totals",
        caption,
        table_,
        lambda i, w: bars.shares(
            i, rows, width=w, title="Weighted sum of each approach", says=listing([f"{r.name}: {r.shown}" for r in rows])
        ),
    )
