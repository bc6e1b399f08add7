"""Does an approach agree with itself: asked again, asked at the same time as others, in other formats, after small changes?"""

from __future__ import annotations

from bakeoff.decide.record import Agreement, ConsistencyResult, Document, Range
from bakeoff.report import format as form
from bakeoff.report.charts import dots, svg
from bakeoff.report.figure import STRANGER, Figure, both, colours_of, listing
from bakeoff.report.tables import Cell, Table, name_cell, plain
from bakeoff.report.ties import ordered


def results(document: Document) -> list[ConsistencyResult]:
    """In shown order."""
    place = {r.name: index for index, r in enumerate(ordered(document))}
    return sorted(document.consistency, key=lambda c: (place.get(c.approach, len(place)), c.approach))


def _parsed(found: Agreement | None) -> Range | None:
    return found.parsed if found else None


def agreement(document: Document) -> Figure | None:
    """Share of items answered the same: alone, under concurrency, across formats, after small changes."""
    found, colours = results(document), colours_of(document)
    repeats = sorted({a.repeats for c in found for a in (c.alone,) if a})
    at_once = sorted({a.concurrency for c in found for a in (c.concurrent,) if a})
    again = f"asked {_numbers(repeats)} times" if repeats else ""
    parts: list[tuple[str, str, dict[str, dots.Dot]]] = [
        ("Asked again", again, {c.approach: _dot(v) for c in found if (v := _parsed(c.alone))}),
        (
            "At the same time",
            f"{_numbers(at_once)} at once",
            {c.approach: _dot(v) for c in found if (v := _parsed(c.concurrent))},
        ),
        ("After small changes", "share kept", {c.approach: _dot(c.kept_under_changes) for c in found if c.kept_under_changes}),
        (
            "Across formats",
            "accuracy, low to high",
            {
                c.approach: dots.Dot(
                    f.median, f.lowest, f.highest, f"{form.percent(f.lowest, 0)[:-1]} to {form.percent(f.highest, 0)}"
                )
                for c in found
                if (f := c.formats) and f.median is not None and f.lowest is not None and f.highest is not None
            },
        ),
    ]
    parts = [part for part in parts if part[2]]
    if not parts:
        return None
    rows = [dots.Row(c.approach, colours.get(c.approach, STRANGER), strong=c.approach == document.verdict.choice) for c in found]
    absent = {c.approach: "not asked" for c in found}
    panels = [
        dots.Panel(
            title, unit, given, svg.tick_percent, floor=0.0, top=1.0, absent={**absent, **_no_prompt(title, found)},
            share=1.5 if title == "Across formats" else 1.0,
        )
        for title, unit, given in parts
    ]  # fmt: skip
    caption = (
        "The first panels show the share of items with the same answer every time, with 95% intervals."
        if parts[0][0] != "Across formats"
        else ""
    ) + (
        " Across formats is something else: the accuracy of the same items in other prompt formats, the dot at the median and the "
        "line from the worst format to the best."
        if any(title == "Across formats" for title, _, _ in parts)
        else ""
    )
    says = listing([f"{c.approach}: {_words(c)}" for c in found])
    return both(
        "agreement",
        caption.strip(),
        table(document),
        lambda i, w: dots.panels(i, rows, panels, width=w, title="Agreement of each approach with itself", says=says),
    )


def _no_prompt(title: str, found: list[ConsistencyResult]) -> dict[str, str]:
    return {c.approach: "has no prompt" for c in found if c.formats is None} if title == "Across formats" else {}


def _numbers(given: list[int]) -> str:
    return " or ".join(map(str, given)) or form.MISSING


def _dot(value: Range) -> dots.Dot:
    return dots.Dot(value.mid, value.low, value.high, form.percent(value.mid, 0))


def _words(c: ConsistencyResult) -> str:
    said = []
    for title, value in (("asked again", _parsed(c.alone)), ("at the same time as others", _parsed(c.concurrent))):
        if value:
            said.append(f"{title} {form.interval(value, form.percent)} the same")
    if c.kept_under_changes:
        said.append(f"{form.interval(c.kept_under_changes, form.percent)} kept under small changes")
    if c.formats and c.formats.lowest is not None:
        said.append(
            f"formats from {form.percent(c.formats.lowest)} to {form.percent(c.formats.highest)}, median {form.percent(c.formats.median)}"
        )
    return ", ".join(said) or "not measured"


def table(document: Document) -> Table:
    """Parsed and raw agreement with intervals, the formats' range and what was kept, one row per approach."""
    rows = []
    for c in results(document):
        f = c.formats
        rows.append(
            [
                name_cell(c.approach, document),
                *_cells(c.alone),
                *_cells(c.concurrent),
                _share(c.kept_under_changes),
                Cell(
                    f"{form.percent(f.lowest)} / {form.percent(f.median)} / {form.percent(f.highest)}"
                    if f and f.lowest is not None
                    else form.MISSING,
                    f.lowest if f else None,
                    "num",
                    note=f"{len(f.metric)} formats, {f.items:,} items" if f else "",
                ),
                _share(f.agreement if f else None),
                plain(c.says or form.MISSING),
            ]
        )
    head = (
        "Approach", "Same answer again", "Same reply again", "Same answer at once", "Same reply at once", "Kept under changes",
        "Formats: worst / median / best", "Same in all formats", "In words",
    )  # fmt: skip
    return Table("Agreement of each approach with itself", head, rows)


def _cells(found: Agreement | None) -> tuple[Cell, Cell]:
    if found is None:
        return Cell(form.MISSING, None, "num"), Cell(form.MISSING, None, "num")
    how = f"{found.items:,} items, {found.repeats} times" + (f", {found.concurrency} at once" if found.concurrency > 1 else "")
    wrong = f", {found.errors} errors" if found.errors else ""
    return _share(found.parsed)._replace(note=how + wrong), _share(found.raw)


def _share(value: Range | None) -> Cell:
    return Cell(form.interval(value, form.percent), value.mid if value else None, "num")


def formats(document: Document) -> Table | None:
    """Accuracy in every prompt format, the one in use first."""
    rows = [
        [name_cell(c.approach, document), plain(name), Cell(form.interval(value, form.percent), value.mid, "num")]
        for c in results(document)
        if c.formats
        for name, value in c.formats.metric.items()
    ]
    return (
        Table("Accuracy in every prompt format, the one in use first", ("Approach", "Format", "Accuracy"), rows) if rows else None
    )
