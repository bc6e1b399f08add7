"""The end of `bakeoff run` in a terminal: the verdict, the table, and what the order of rows does not say."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bakeoff.decide.record import Document
from bakeoff.report.page import checks_say
from bakeoff.report.tables import Cell, comparison
from bakeoff.report.text import clip, sentences, short
from bakeoff.report.ties import order_note

_KEPT = ("Approach", "Tie group", "Cost per 1,000", "p50", "p90", "Peak memory", "Limits")


def terminal(document: Document) -> RenderableType:
    """The verdict in two sentences, the table, and one line about checks: something that rich prints.

    Texts are given to rich as `Text`, so that markup and control characters in names or sentences are shown, not obeyed.
    """
    lead, rest = sentences(document.verdict.sentence)
    verdict = Text(clip(lead, 600), style="bold")
    if rest:
        verdict.append(" " + clip(rest, 600), style="not bold")
    given = comparison(document)
    kept = [i for i, title in enumerate(given.head) if title in _KEPT or title == document.study.metric_title]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
    for i in kept:
        right = bool(given.rows) and given.rows[0][i].kind == "num"
        table.add_column(Text(given.head[i]), justify="right" if right else "left", overflow="fold" if i == 0 else "ellipsis", no_wrap=i != 0)
    for index, row in enumerate(given.rows):
        table.add_row(*(_cell(row[i]) for i in kept), style="bold" if index in given.chosen else "")
    parts: list[RenderableType] = [verdict, Padding(table, (1, 0, 0, 0)), Text(order_note(document), style="dim")]
    if document.checks:
        parts.append(Text(f"Checks: {checks_say(document)}.", style="dim"))
    if document.not_tested:
        parts.append(Text(f"Not tested: {' '.join(short(said, 120) for said in document.not_tested[:3])}", style="dim"))
    return Group(*parts)


def _cell(cell: Cell) -> Text:
    if cell.kind == "name":
        return Text(short(cell.text, 32) + (" ←" if cell.strong else ""))
    main, interval = cell.parts
    return Text.assemble(short(main, 40), *([(f" {interval}", "dim not bold")] if interval else []))
