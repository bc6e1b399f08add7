"""From characters with boxes to a page that reads: lines, columns, blocks, and a text of which every character knows where it stands.

The text is built once, as a sequence of characters and separators, and the boxes with it: `Page.boxes` is the map from text to page. What is put in
(spaces between lines, line breaks between blocks, tabs between cells) has NaN boxes; what is taken out (hyphens at line ends, second prints
of one letter, an accent that became one with its letter) is in neither.

Steps, a file each: `ink` (what is printed), `owners` (what belongs to tables and figures), `lines`, `columns`, `blocks` and `kinds`, `hyphens`,
`page_text`. Headers and footers need the pages around: `furniture`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from bakeoff.tasks.documents.glyphs import RawFigure, RawPage, RawTable, SeenWord
from bakeoff.tasks.documents.layout import furniture
from bakeoff.tasks.documents.layout.blocks import Group, Line
from bakeoff.tasks.documents.layout.flow import Flow
from bakeoff.tasks.documents.layout.hyphens import Words
from bakeoff.tasks.documents.layout.ink import Ink, ink_of
from bakeoff.tasks.documents.layout.kinds import classify, looks_of
from bakeoff.tasks.documents.layout.lines import segments_of
from bakeoff.tasks.documents.layout.owners import Owners, owners_of
from bakeoff.tasks.documents.layout.page_text import PageText
from bakeoff.tasks.documents.records import Block, BlockKind, Box, Cell, Figure, Page, Span, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Memory:
    """What earlier pages of a document say about the next: its words, for broken ones, and the size of its running text.

    Give the same one to `assemble` for page after page. Its size is bounded (`hyphens.MOST_WORDS`).
    """

    words: Words = field(default_factory=Words)
    sizes: dict[float, int] = field(default_factory=dict)

    def learn(self, lines: Sequence[Line]) -> None:
        """Remember a page. Each page before counts half of the one after it."""
        self.words.learn(line.text for line in lines)
        self.sizes = {size: count // 2 for size, count in self.sizes.items() if count > 1}
        for line in lines:
            half = round(line.size * 2) / 2
            self.sizes[half] = self.sizes.get(half, 0) + len(line.text)


def assemble(
    page: RawPage,
    tables: Sequence[RawTable],
    figures: Sequence[RawFigure],
    seen: Sequence[SeenWord] = (),
    *,
    memory: Memory | None = None,
) -> Page:
    """A page's text in reading order, its blocks, tables and figures.

    Parameters
    ----------
    page : RawPage
        Characters that are not `visible` are left out, and counted.
    tables, figures : sequences of RawTable and RawFigure
        Found on this page. Their characters stand together in the text: tables row by row, cells separated by tabs and rows by
        line breaks; figures as blocks of their own.
    seen : sequence of SeenWord
        Words that OCR read. Those that stand on the page as text already are left out.
    memory : Memory, default=None
        Of the pages before. Without it, a page is judged by itself.

    Returns
    -------
    Page
        Blocks are of every kind but 'header' and 'footer' (`mark_furniture` finds these). `level` of a heading is a class of looks from 1 to 12,
        equal on all pages; `mark_furniture` renumbers it. A table without any text has no block.
    """
    memory = memory or Memory()
    owners = owners_of(page, tables, figures, seen)
    ink = ink_of(page, owners.of, owners.words)
    flow = Flow(ink, segments_of(ink, owners.whole), page.width, page.height)
    groups = flow.groups(_units(tables, figures, owners, flow))
    upright = [line for group in groups if group.unit < 0 for line in group.lines]
    looks = looks_of(upright, memory.sizes)
    classify(groups, looks, flow.height)
    memory.learn(upright)
    return _written(page, tables, figures, owners, ink, flow, groups, memory)


def mark_furniture(pages: Iterable[Page]) -> list[Page]:
    """Pages with running headers, footers and page numbers marked, and heading levels renumbered 1, 2, 3 ... over the document.

    All pages are held in memory. For long documents use `furniture.Marker`, which holds only what it knows about the last few.

    Parameters
    ----------
    pages : iterable of Page
        In order.
    """
    return furniture.marked(pages)


def _units(tables: Sequence[RawTable], figures: Sequence[RawFigure], owners: Owners, flow: Flow) -> list[tuple[Group, Box]]:
    """What stays whole, with its lines, and its place on the page."""
    found = [(Group("table", unit=number), table.box) for number, table in enumerate(tables)]
    for number, figure in enumerate(figures):
        lines = [line for label in flow.labels(owners.figures[number]) for line in label]
        found.append((Group("figure", lines, unit=number), figure.box))
    for owner in (*owners.table_captions, *owners.figure_captions):
        lines = flow.owned(owner)
        if lines:
            found.append((Group("caption", lines, unit=owner), flow.place(owner)))
    return found


def _written(
    page: RawPage,
    tables: Sequence[RawTable],
    figures: Sequence[RawFigure],
    owners: Owners,
    ink: Ink,
    flow: Flow,
    groups: Sequence[Group],
    memory: Memory,
) -> Page:
    """The groups as text, and everything that has a place in it."""
    text = PageText(ink, memory.words)
    spans: list[tuple[Group, Span]] = []
    cell_spans: dict[int, list[Span]] = {}
    for group in groups:
        cells = [flow.owned(owner) for owner in owners.cells[group.unit]] if group.kind == "table" and group.unit >= 0 else []
        if not group.lines and not any(cells):
            continue
        if text.length:
            text.put("\n")
        start = text.length
        if cells:
            cell_spans[group.unit] = _cells(text, tables[group.unit], cells)
        elif group.kind == "figure":
            for number, label in enumerate(flow.labels(owners.figures[group.unit])):
                if number:
                    text.put("\n")
                text.add(label)
        else:
            text.add(group.lines)
        spans.append((group, Span(start, text.length)))
    characters, boxes = text.finish()
    where = _places(text.sequence(), ink, len(page.chars))
    units = {(group.kind, group.unit): span for group, span in spans if group.unit >= 0}
    blocks = []
    for group, span in spans:
        box = text.box(span, boxes)
        if group.unit >= 0 and group.kind in ("table", "figure"):
            box = _box((tables if group.kind == "table" else figures)[group.unit].box)
        blocks.append(Block(group.kind, span, box, group.level))
    end = Span(len(characters), len(characters))
    made_tables = []
    for number, table in enumerate(tables):
        span = units.get(("table", number), end)
        inside = cell_spans.get(number) or [Span(span.start, span.start)] * len(table.cells)
        cells_made = tuple(
            Cell(cell.row, cell.column, where_cell, _box(cell.box), cell.rows, cell.columns, cell.header)
            for cell, where_cell in zip(table.cells, inside, strict=True)
        )
        caption = _caption(units, owners.table_captions[number], table.caption, where)
        made_tables.append(Table(span, _box(table.box), table.rows, table.columns, cells_made, caption, table.unit))
    made_figures = tuple(
        Figure(
            "image" if figure.kind == "image" else "drawing",
            _box(figure.box),
            _caption(units, owners.figure_captions[number], figure.caption, where),
            units.get(("figure", number)),
        )
        for number, figure in enumerate(figures)
    )
    return Page(
        number=page.number,
        width=page.width,
        height=page.height,
        text=characters,
        boxes=boxes,
        blocks=tuple(blocks),
        tables=tuple(made_tables),
        figures=made_figures,
        source=_source(ink),
        hidden=_hidden(page),
    )


def _cells(text: PageText, table: RawTable, lines: Sequence[Sequence[Line]]) -> list[Span]:
    """Write a table row by row, and say where each cell stands, in the order of `table.cells`."""
    spans = [Span(0, 0)] * len(lines)
    row: int | None = None
    for index in sorted(range(len(lines)), key=lambda index: (table.cells[index].row, table.cells[index].column)):
        if row is not None:
            text.put("\t" if table.cells[index].row == row else "\n")
        row = table.cells[index].row
        spans[index] = text.add(lines[index])
    return spans


def _places(sequence: NDArray, ink: Ink, n: int) -> NDArray:
    """For each glyph of the page, where in the text it stands; -1 where it stands nowhere."""
    import numpy as np

    found = np.full(n, -1, dtype=np.int64)
    at = np.flatnonzero(sequence >= 0)[::-1]
    glyphs = ink.glyph[sequence[at]]
    found[glyphs[glyphs >= 0]] = at[glyphs >= 0]
    return found


def _caption(units: Mapping[tuple[BlockKind, int], Span], owner: int, glyphs: Sequence[int], where: NDArray) -> Span | None:
    """Where a caption stands: a block of its own, or where something else that came first holds its characters."""
    if owner < 0:
        return None
    if ("caption", owner) in units:
        return units["caption", owner]
    places = [int(where[glyph]) for glyph in glyphs if 0 <= glyph < len(where) and where[glyph] >= 0]
    return Span(min(places), max(places) + 1) if places and max(places) - min(places) < 4 * len(places) else None


def _source(ink: Ink) -> Literal["text", "ocr", "mixed"]:
    read = ink.glyph < 0
    return "text" if not read.any() else "ocr" if read.all() else "mixed"


def _hidden(page: RawPage) -> int:
    hidden = (~page.visible).nonzero()[0].tolist()
    return sum(not page.chars[index].isspace() for index in hidden)


def _box(box: Box) -> Box:
    x0, y0, x1, y1 = (float(side) for side in box)
    return (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
