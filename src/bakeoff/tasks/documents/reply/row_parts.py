"""A row of a table taken apart: the headings of its group, its label, and its values, each with the headers over it and where it is printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bakeoff.errors import BadData
from bakeoff.tasks.documents.records import Page, Piece, Span, Table
from bakeoff.tasks.documents.tabular.table_rows import SEPARATOR, RowText, rows_of

MOST_PAGES = 40
"""Pages that are looked back for the headers of a table that goes on."""


@dataclass(frozen=True, slots=True)
class Printed:
    """Words of a row and where they stand: characters `span` of page `page`, at `start` of the row's text."""

    text: str
    page: int
    span: Span
    start: int

    @property
    def piece(self) -> Piece:
        """As a piece of the row's text."""
        return Piece(self.start, self.span.end - self.span.start, self.page, self.span.start)


@dataclass(frozen=True, slots=True)
class RowValue:
    """A value of a row, the headers over it from the outermost on, and the unit that is not printed in its cell."""

    path: tuple[Printed, ...]
    value: Printed
    unit: str

    @property
    def text(self) -> str:
        """The value with its unit."""
        return f"{self.value.text} {self.unit}" if self.unit else self.value.text


@dataclass(frozen=True, slots=True)
class RowParts:
    """A row taken apart. `number` is the row of the table's grid; `text` is "group | label | header | value unit | ..."."""

    number: int
    text: str
    groups: tuple[Printed, ...]
    label: tuple[Printed, ...]
    values: tuple[RowValue, ...]


def rows_apart(page: Page, index: int, page_before: Callable[[int], Page]) -> list[RowParts]:
    """The rows of a page's table number `index`, taken apart.

    Parameters
    ----------
    page : Page
    index : int
        Of ``page.tables``.
    page_before : callable
        Gives an earlier page of the same document by its number, for the headers of a table that goes on; may raise BadData.
    """
    table = page.tables[index]
    earlier: list[Page] = []
    goes_on, number = table.continues and index == 0, page.number - 1
    while goes_on and number >= 1 and len(earlier) < MOST_PAGES:
        try:
            above = page_before(number)
        except BadData:
            break
        if not above.tables:
            break
        earlier.insert(0, above)
        goes_on, number = above.tables[-1].continues and len(above.tables) == 1, number - 1
    return [_apart(page, table, row) for row in rows_of(page, table, earlier)]


def _apart(page: Page, table: Table, row: RowText) -> RowParts:
    cells = {cell.span: cell for cell in table.cells}
    groups: list[Printed] = []
    label: list[Printed] = []
    values: list[RowValue] = []
    path: list[Printed] = []
    for at, (start, length, number, span) in enumerate(row.parts):
        printed = Printed(row.text[start : start + length], number, span, start)
        cell = cells.get(span) if number == page.number else None
        if cell is None or (cell.header and cell.row != row.row):
            path.append(printed)
        elif cell.header:
            # What stands before a row's label names its group.
            groups += path
            path = []
            label.append(printed)
        else:
            values.append(RowValue(tuple(path), printed, _unit(row.text, row.parts, at)))
            path = []
    # A heading that names no row has a row of its own.
    return RowParts(row.row, row.text, tuple(groups), tuple(label) if values or label else tuple(path), tuple(values))


def _unit(text: str, parts: Sequence[tuple[int, int, int, Span]], at: int) -> str:
    start, length = parts[at][:2]
    end = parts[at + 1][0] - len(SEPARATOR) if at + 1 < len(parts) else len(text)
    return text[start + length : end].strip()
