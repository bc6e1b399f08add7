"""The end of `bakeoff run` in a terminal: the verdict, the table, and what the order of rows does not say."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bakeoff.decide.record import Document, Percentiles
from bakeoff.report.format import MISSING, load_percentile
from bakeoff.report.page import checks_say
from bakeoff.report.serving import highest, limit_of, served
from bakeoff.report.tables import Cell, comparison
from bakeoff.report.tables import Table as Columns
from bakeoff.report.text import clip, sentences, short
from bakeoff.report.ties import order_note

LEAST_COLUMNS = 2
_FIRST_TO_GO = (
    "Training", "Peak memory", "Cost a day", "p90", "First token p95", "Limits", "p50", "Tie group", "Cost per 1,000", "Holds",
)  # fmt: skip
"""Columns that are left out, in this order, where the terminal is too narrow for all of them."""


def terminal(document: Document) -> RenderableType:
    """The verdict in two sentences, the table, and a line each about ties, checks and what was not tested.

    What comes back is printed by rich and fits itself to the width it gets. Texts are given to rich as `Text`, so
    that markup and control characters in names or sentences are shown, not obeyed.
    """
    return _Ending(document)


class _Ending:
    """Chooses its columns when rich says how wide the terminal is."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        document = self.document
        lead, rest = sentences(document.verdict.sentence)
        verdict = Text(clip(lead, 600), style="bold")
        if rest:
            verdict.append(" " + clip(rest, 600), style="not bold")
        yield verdict
        yield Padding(_table(document, options.max_width), (1, 0, 1, 0))
        yield Text(order_note(document), style="dim")
        if rows := served(document):
            within = limit_of(rows).says or "the limit"
            more = ""
            if any(r.result.highest_rate and r.result.highest_rate.high <= r.result.highest_rate.mid for r in rows):
                more = " Where no rate that was tried broke it, it may hold more."
            yield Text(
                f"Holds: the highest rate of requests that kept {within}, behind a server on this machine.{more}", style="dim"
            )
        if document.checks:
            yield Text(f"Checks: {checks_say(document)}.", style="dim")
        for result in document.approaches:
            if result.failure:
                what = "failed" if result.status == "failed" else "lost a process, so its figures come from what is left"
                yield Text(f"{short(result.name, 32)} {what}: {short(result.failure, 120)}", style="yellow")
        if document.not_tested:
            heads = [short(said.partition(":")[0].partition(",")[0].rstrip("."), 60) for said in document.not_tested]
            yield Text(f"Not tested (see the memo): {'; '.join(dict.fromkeys(heads))}.", style="dim")


def _with_load(document: Document) -> Columns:
    """The comparison with two more columns where servers were put under load: the rate that holds, and the first token's p95."""
    rows = {row.name: row.result for row in served(document)}
    given = comparison(document)
    if not rows:
        return given
    made = []
    for cells in given.rows:
        result = rows.get(cells[0].text)
        rate = highest(result)._replace(note="") if result else Cell(MISSING, None, "num")
        single = result.single if result and result.single and result.single.valid else None
        times = single.first_token_seconds if single else Percentiles()
        made.append([*cells, rate, Cell(load_percentile(times, "p95"), times.p95, "num")])
    return Columns(given.caption, (*given.head, "Holds", "First token p95"), made, given.chosen)


def _table(document: Document, width: int) -> Table:
    given = _with_load(document)
    texts = [[_cell(cell) for cell in row] for row in given.rows]
    needs = [max([cell_len(title), *(row[i].cell_len for row in texts)]) + 3 for i, title in enumerate(given.head)]
    kept = list(range(len(given.head)))
    for title in _FIRST_TO_GO:
        if sum(needs[i] for i in kept) <= width or len(kept) <= LEAST_COLUMNS:
            break
        kept = [i for i in kept if given.head[i] != title]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1), header_style="dim")
    for i in kept:
        number = bool(given.rows) and given.rows[0][i].kind == "num"
        table.add_column(Text(given.head[i]), justify="right" if number else "left", overflow="fold", no_wrap=i == 0)
    for index, row in enumerate(texts):
        table.add_row(*(row[i] for i in kept), style="bold" if index in given.chosen else "")
    return table


def _cell(cell: Cell) -> Text:
    if cell.kind == "name":
        return Text(short(cell.text, 32) + (" ←" if cell.strong else ""))
    main, interval = cell.parts
    if interval.startswith("n ="):
        return Text(main)
    return Text.assemble(short(main, 40), *([(f" ({interval})", "dim not bold")] if interval else []))
