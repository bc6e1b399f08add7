"""Tables that go on from the page before: same columns, nothing between, no caption of their own.

Only two pages are looked at at a time, so a document of any length needs the memory of two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from bakeoff.tasks.documents.records import FURNITURE, Block, Cell, Page, Table

_CONTINUED = re.compile(r"\bcont(?:inued|[’']?d|\.)", re.IGNORECASE)
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_NUMBER = re.compile(r"\W*(?:page\s*|[A-Z]{1,2}-)?(?:\d{1,4}|[ivxlc]{1,7})(?:\s*(?:/|of)\s*\d{1,4})?\W*", re.IGNORECASE)
_MARGIN = 0.13
"""Short lines in this share of the page's height at its top or bottom are taken for running headers and footers, marked as such or not."""

_SHORT = 90
_NEAR = 7.0


def join_pages(pages: Sequence[Page]) -> list[Page]:
    """Pages with the tables that go on from the page before marked (`Table.continues`).

    Parameters
    ----------
    pages : sequence of Page
        In order, headers and footers marked. A page is compared with the one before it in the sequence, if that is the one before it in the document.
    """
    joined: list[Page] = []
    for page in pages:
        joined.append(join_next(joined[-1] if joined else None, page))
    return joined


def join_next(previous: Page | None, page: Page) -> Page:
    """One page, its first table marked where it goes on from the last table of the page before.

    A table goes on when it stands first on its page and the other last on its, running headers and footers and footnotes apart; both have the
    same columns; it has no caption, or one that says "continued" or is the same; and its column headers are the same, or it has none. It takes over
    the unit then. What was taken for a header row, because a table's first row often is one, becomes a row of values where the other table's
    columns are drawn at the same places and have headers that read otherwise.

    Parameters
    ----------
    previous : Page or None
        The page before; None for the first.
    page : Page
    """
    if previous is None or previous.number != page.number - 1 or not previous.tables or not page.tables:
        return page
    before, table = previous.tables[-1], page.tables[0]
    if before.columns != table.columns or not _stands_last(previous, before) or not _stands_first(page, table):
        return page
    same_place = _same_columns(previous, before, page, table)
    if same_place is None or not _same_caption(previous, before, page, table):
        return page
    ours, theirs = _heads(page, table), _heads(previous, before)
    if ours and theirs and ours != theirs:
        if not same_place or not _may_be_values(page, table):
            return page
        table = _with_values(table)
    changed = replace(table, continues=True, unit=table.unit or before.unit)
    return replace(page, tables=(changed, *page.tables[1:]))


def _is_margin(page: Page, block: Block) -> bool:
    text = page.text[block.span.start : block.span.end]
    middle = (block.box[1] + block.box[3]) / 2
    outside = middle < _MARGIN * page.height or middle > (1 - _MARGIN) * page.height
    if block.kind in FURNITURE or (_NUMBER.fullmatch(text) and block.kind not in ("table", "figure")):
        return True
    return outside and len(text) <= _SHORT and block.kind not in ("table", "figure")


def _stands_first(page: Page, table: Table) -> bool:
    """Nothing but running headers and the table's own caption comes before it, in the text or on the page."""
    for block in page.blocks:
        if block.span.start >= table.span.start or block.span.end == block.span.start or _in_title(table, block):
            continue
        said = page.text[block.span.start : block.span.end]
        if not _is_margin(page, block) and not (len(said) <= _SHORT and _CONTINUED.search(said)):
            return False
    return True


def _in_title(table: Table, block: Block) -> bool:
    """Whether a block is the table's caption, or a line of the title between it and the table ("(in millions)")."""
    return table.caption is not None and block.span.end >= table.caption.end and block.span.end - block.span.start <= 2 * _SHORT


def _stands_last(page: Page, table: Table) -> bool:
    """Nothing but footers and footnotes comes after it."""
    for block in page.blocks:
        after = block.span.start >= table.span.end
        said = page.text[block.span.start : block.span.end]
        if (
            after
            and block.kind != "footnote"
            and not _is_margin(page, block)
            and not (len(said) <= _SHORT and _CONTINUED.search(said))
        ):
            return False
    return True


def _same_caption(previous: Page, before: Table, page: Page, table: Table) -> bool:
    if table.caption is None:
        return True
    said = page.text[table.caption.start : table.caption.end]
    if _CONTINUED.search(said):
        return True
    over = previous.text[before.caption.start : before.caption.end] if before.caption is not None else ""
    return bool(over) and said.split() == over.split()


def _same_columns(previous: Page, before: Table, page: Page, table: Table) -> bool | None:
    """None where the columns are not at the same places; True where they are to the point, as drawn ones are."""
    ours, theirs = _extents(page, table), _extents(previous, before)
    shared = sorted(set(ours) & set(theirs))
    if len(shared) < max(2, table.columns - 1):
        return None
    exact = True
    for column in shared:
        (a0, a1), (b0, b1) = ours[column], theirs[column]
        exact = exact and abs(a0 - b0) < 1.0 and abs(a1 - b1) < 1.0
        flush = min(abs(a1 - b1), abs(a0 - b0), abs((a0 + a1) - (b0 + b1)) / 2) < _NEAR
        shares = min(a1, b1) - max(a0, b0) > 0.3 * min(a1 - a0, b1 - b0)
        if not (flush or (column == 0 and shares)):
            return None
    return exact


def _extents(page: Page, table: Table) -> dict[int, tuple[float, float]]:
    """From where to where the cells of each column reach, cells that span columns apart."""
    found: dict[int, tuple[float, float]] = {}
    for cell in table.cells:
        if cell.columns == 1 and (cell.span.end > cell.span.start or cell.box[2] - cell.box[0] > 1):
            low, high = found.get(cell.column, (cell.box[0], cell.box[2]))
            found[cell.column] = min(low, cell.box[0]), max(high, cell.box[2])
    return found


def _heads(page: Page, table: Table) -> tuple[str, ...]:
    """The texts of the column headers at the top of the table, spaces apart."""
    found: list[str] = []
    for row in range(table.rows):
        here = _filled(table, row)
        if not here:
            continue
        if not all(cell.header for cell in here) or not any(cell.column > 0 for cell in here):
            break
        found.extend("".join(page.text[cell.span.start : cell.span.end].split()) for cell in here)
    return tuple(found)


def _filled(table: Table, row: int) -> list[Cell]:
    return sorted(
        (cell for cell in table.cells if cell.row == row and cell.span.end > cell.span.start), key=lambda cell: cell.column
    )


def _may_be_values(page: Page, table: Table) -> bool:
    """Whether the first row may be one of values: no years, no spans, and not the only header row."""
    first, second = _filled(table, 0), _filled(table, 1)
    if any(cell.columns > 1 or cell.rows > 1 for cell in first) or not second or all(cell.header for cell in second):
        return False
    return not any(_YEAR.search(page.text[cell.span.start : cell.span.end]) for cell in first)


def _with_values(table: Table) -> Table:
    """The first row as a row like those under it."""
    named = any(cell.header and cell.column == 0 for cell in table.cells if cell.row > 0)
    cells = tuple(replace(cell, header=named and cell.column == 0) if cell.row == 0 else cell for cell in table.cells)
    return replace(table, cells=cells)
