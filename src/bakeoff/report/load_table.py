"""The end of `bakeoff load` in a terminal: what was found, every step, and what is not valid."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bakeoff.decide.load_record import LoadDocument
from bakeoff.report import serving
from bakeoff.report.load_page import SERVER, further, headline
from bakeoff.report.serving import Served
from bakeoff.report.text import clip, short

_KEEP = ("Rate asked", "Sent", "Requests", "Errors", "p50", "p95", "p99", "First token p50", "From dispatch p95", "Limit")
_FIRST_TO_GO = ("Sent", "From dispatch p95", "First token p50", "Errors", "Requests", "p99")
"""Columns that are left out, in this order, where the terminal is too narrow for all of them."""


def terminal(document: LoadDocument) -> RenderableType:
    """The result in sentences, a table of the steps, and a line for every invalid one.

    What comes back is printed by rich and fits itself to the width it gets; texts in it are shown, not obeyed.
    """
    return _Ending(document)


class _Ending:
    def __init__(self, document: LoadDocument) -> None:
        self.document = document

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        document = self.document
        said = Text(clip(headline(document), 600), style="bold")
        for more in further(document):
            said.append(" " + clip(more, 600), style="not bold")
        yield said
        row = Served("", SERVER, False, document.result)
        if document.result.single or document.result.offline or document.result.steps:
            yield Padding(_table(row, options.max_width), (1, 0, 1, 0))
            yield Text("Times run from the intended start of each request.", style="dim")
        for reason in serving.invalid([row]):
            yield Text(f"Invalid: {clip(reason, 400)}", style="bold")


def _table(row: Served, width: int) -> Table:
    given = serving.steps_table([row])
    places = [given.head.index(title) for title in _KEEP]
    texts = [[Text(short(cells[i].text, 24)) for i in places] for cells in given.rows]
    needs = [max([cell_len(title), *(line[i].cell_len for line in texts)]) + 3 for i, title in enumerate(_KEEP)]
    kept = list(range(len(_KEEP)))
    for title in _FIRST_TO_GO:
        if sum(needs[i] for i in kept) <= width:
            break
        kept = [i for i in kept if _KEEP[i] != title]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1), header_style="dim")
    for i in kept:
        table.add_column(Text(_KEEP[i]), justify="left" if _KEEP[i] in ("Rate asked", "Limit") else "right", overflow="fold")
    for line in texts:
        table.add_row(*(line[i] for i in kept))
    return table
