"""Rows of a table as sentences that can be searched: "Revenue | 2022 | 5,363 USD million".

A number in a table means nothing alone. What it is stands at the left of its row, above its column, in the group heading over its row, in the
caption, and in the line that says "in millions". A row as text says all of it, and each part that is printed knows the page and the characters that
it is printed as, so a quote of it is verbatim and its box is known. Column headers and groups of a table that goes on over pages are carried from
the page where they are printed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from bakeoff.tasks.documents.records import Cell, Page, Span, Table

Printed: TypeAlias = tuple[str, int, Span]
"""Text that is printed on a page: the text, the page's number, its span."""

SEPARATOR = " | "

MOST_HEADERS = 12
"""Lines of column headers and nested groups beyond this many are not repeated in every row."""

_INDENT = 1.5
_NOT_IN_UNIT = re.compile(
    r"%|percent|\bratios?\b|\bmargin\b|\bnumber of\b|\bheadcount\b|\bshares? (?:outstanding|issued|authori[sz]ed|(?:re)?purchased)\b"
    r"|\baverage (?:\w+ ){0,3}shares\b|\bweighted[- ]average\b|\b(?:stores|employees)\b|\bin years\b|\(years\)|\b(?:rate|yield)\b",
    re.IGNORECASE,
)
_OWN_SCALE = re.compile(r"\((?:in )?(\$)?\s*(?:in )?(billions?|millions?|thousands?|dollars|euros|%|percent)\)", re.IGNORECASE)
_COUNTS = re.compile(r"(?:number of |ordinary |common |treasury )?(?:shares|units)", re.IGNORECASE)
_PER_SHARE = re.compile(r"\bper\b[\w\s-]{0,20}\b(?:share|unit)\b|\bEPS\b", re.IGNORECASE)
_TOTAL = re.compile(r"\W*total\b", re.IGNORECASE)
_NUMBER = re.compile(r"[^\d%]{0,6}\d[\d.,\s]*[^\w%]{0,4}")


@dataclass(frozen=True, slots=True)
class RowText:
    """One row of a table as text.

    Parameters
    ----------
    text : str
        Group headings, row label, then for every cell that is not empty its column headers and its value with its unit, all parted by " | ".
    parts : tuple of (start, length, page number, Span)
        Which characters of `text` are printed where, in order, not overlapping; ``length == span.end - span.start``. The rest (separators, units)
        is not printed there.
    context : str
        The table's caption and unit, searched with the text.
    row : int
        The row of the table's grid.
    """

    text: str
    parts: tuple[tuple[int, int, int, Span], ...]
    context: str = ""
    row: int = 0


@dataclass(slots=True)
class _Group:
    label: tuple[Printed, ...]
    indent: float
    child_indent: float | None = None


@dataclass(slots=True)
class _Carried:
    """What later rows, also those on later pages, need of a table's earlier ones."""

    columns: int
    headers: dict[int, tuple[Printed, ...]] = field(default_factory=dict)
    groups: list[_Group] = field(default_factory=list)
    caption: str = ""
    unit: str = ""
    percent: frozenset[int] = frozenset()


class RowReader:
    """Reads the rows of every table of a document, page after page, carrying the headers of tables that go on.

    Between two pages it keeps one table's headers and groups, and no page.

    Examples
    --------
    >>> reader = RowReader()
    >>> reader.read(Page(1, 612.0, 792.0, "", None))
    []
    """

    def __init__(self) -> None:
        self._carried: _Carried | None = None

    def read(self, page: Page) -> list[list[RowText]]:
        """The rows of each of the page's tables, in the order of `page.tables`. Give the pages in order."""
        found = []
        for index, table in enumerate(page.tables):
            before = self._carried if index == 0 and table.continues else None
            rows, self._carried = _read(page, table, before)
            found.append(rows)
        if not page.tables:
            self._carried = None
        return found


def rows_of(page: Page, table: Table, earlier: Page | Sequence[Page] | None = None) -> list[RowText]:
    """The rows of one table as texts, each with what its columns are called.

    Parameters
    ----------
    page : Page
        That the table is on.
    table : Table
        One of ``page.tables``.
    earlier : Page, sequence of Page, or None
        The page before, for a table that continues; or several pages in order, the last of them right before `page`, for a table that
        goes on over more than two. `RowReader` does this for a whole document.

    Returns
    -------
    list of RowText
        Top to bottom. Column headers and group headings have no row of their own: they are in the rows they name. A group heading that names
        no row on its table has one, so that no word is lost.
    """
    carried: _Carried | None = None
    if table.continues and earlier is not None:
        for before in [earlier] if isinstance(earlier, Page) else earlier:
            if before.tables:
                for each in before.tables:
                    _, carried = _read(before, each, carried if each.continues else None)
            else:
                carried = None
    return _read(page, table, carried)[0]


def _read(page: Page, table: Table, before: _Carried | None) -> tuple[list[RowText], _Carried]:
    by_row: dict[int, list[Cell]] = {}
    for cell in table.cells:
        by_row.setdefault(cell.row, []).append(cell)
    carried = _Carried(table.columns)
    if before is not None:
        if before.columns == table.columns:
            carried.headers = dict(before.headers)
        carried.groups = list(before.groups)
        carried.caption, carried.unit = before.caption, before.unit
    if table.caption is not None:
        carried.caption = page.text[table.caption.start : table.caption.end].strip()
    carried.unit = table.unit or carried.unit
    carried.percent = _percent_columns(page, table)
    if before is not None and not carried.percent and before.columns == table.columns:
        carried.percent = before.percent
    context = carried.caption + (f" ({carried.unit})" if carried.unit else "")

    rows: list[RowText] = []
    waiting: list[tuple[int, tuple[Printed, ...]]] = []
    above: list[Cell] = []
    heading_run = False
    for number in sorted(by_row):
        cells = sorted((cell for cell in by_row[number] if cell.span.end > cell.span.start), key=lambda cell: cell.column)
        if not cells:
            continue
        if all(cell.header for cell in cells):
            if _names_columns(cells, table):
                above.extend(cells)
                carried.headers = _header_paths(page, above, table.columns)
                continue
            label = tuple(_printed(page, cell) for cell in cells)
            indent = _indent(page, cells[0])
            _open_group(carried.groups, _Group(label, indent), after_heading=heading_run)
            waiting.append((number, label))
            heading_run, above = True, []
            continue
        above, waiting = [], []
        labels = [cell for cell in cells if cell.header]
        if labels:
            _place_row(carried.groups, _indent(page, labels[0]), page.text[labels[0].span.start : labels[0].span.end])
        rows.append(_row(page, number, labels, [cell for cell in cells if not cell.header], carried, context))
        if labels and _TOTAL.match(page.text[labels[0].span.start : labels[0].span.end]) and carried.groups:
            carried.groups.pop()
        heading_run = False
    for number, label in waiting:
        writer = _Writer()
        for printed in label:
            writer.put(printed)
        rows.append(RowText(writer.text, tuple(writer.parts), context, number))
    return rows, carried


def _names_columns(cells: Sequence[Cell], table: Table) -> bool:
    """A row of headers names columns when one stands over a column other than the first, or the table has one; else it heads rows."""
    return table.columns == 1 or any(cell.column > 0 for cell in cells)


def _header_paths(page: Page, above: Sequence[Cell], columns: int) -> dict[int, tuple[Printed, ...]]:
    paths: dict[int, list[Printed]] = {}
    for cell in sorted(above, key=lambda cell: (cell.row, cell.column)):
        printed = _printed(page, cell)
        for column in range(cell.column, min(cell.column + cell.columns, columns)):
            path = paths.setdefault(column, [])
            if len(path) < MOST_HEADERS:
                path.append(printed)
    return {column: tuple(path) for column, path in paths.items()}


def _indent(page: Page, cell: Cell) -> float:
    """Where the cell's first printed character begins; its box where no character has one."""
    for x0 in page.boxes[cell.span.start : cell.span.end, 0].tolist():
        if x0 == x0:
            return float(x0)
    return cell.box[0]


def _open_group(groups: list[_Group], new: _Group, after_heading: bool) -> None:
    """Headings that follow each other nest; after rows, a heading ends the groups that are not further out than it is."""
    if after_heading:
        while groups and groups[-1].indent > new.indent + _INDENT:
            groups.pop()
    else:
        while groups and groups[-1].indent > new.indent - _INDENT:
            groups.pop()
    if len(groups) < MOST_HEADERS:
        groups.append(new)


def _place_row(groups: list[_Group], indent: float, label: str) -> None:
    """End the groups that a row is no longer in: it stands further out than they, or back out where their rows were indented."""
    while groups:
        last = groups[-1]
        if last.child_indent is None:
            for group in groups:
                group.child_indent = indent if group.child_indent is None else group.child_indent
        indented = last.child_indent is not None and last.child_indent > last.indent + _INDENT
        if indent < last.indent - _INDENT or (indented and indent < last.indent + _INDENT and not _TOTAL.match(label)):
            groups.pop()
            continue
        return


def _printed(page: Page, cell: Cell) -> Printed:
    return page.text[cell.span.start : cell.span.end], page.number, cell.span


class _Writer:
    """Puts a row's text together, noting what is printed where."""

    def __init__(self) -> None:
        self.text = ""
        self.parts: list[tuple[int, int, int, Span]] = []

    def put(self, printed: Printed, after: str = "") -> None:
        text, number, span = printed
        self.text += SEPARATOR if self.text else ""
        self.parts.append((len(self.text), len(text), number, span))
        self.text += text + after


def _row(page: Page, number: int, labels: Sequence[Cell], values: Sequence[Cell], carried: _Carried, context: str) -> RowText:
    writer = _Writer()
    for group in carried.groups:
        for printed in group.label:
            writer.put(printed)
    for cell in labels:
        writer.put(_printed(page, cell))
    named = writer.text
    for cell in values:
        path = carried.headers.get(cell.column, ())
        for printed in path:
            writer.put(printed)
        value = _printed(page, cell)
        said = [printed[0] for printed in path]
        unit = "%" if cell.column in carried.percent else carried.unit
        if any(_COUNTS.fullmatch(text.strip()) for text in said):
            unit = ""
        unit = unit_of_value(value[0], f"{named} {' '.join(said)}", unit)
        writer.put(value, f" {unit}" if unit else "")
    return RowText(writer.text, tuple(writer.parts), context, number)


def _percent_columns(page: Page, table: Table) -> frozenset[int]:
    """Columns of percentages: the sign stands at the first figure and not at each, and no figure has a currency sign."""
    first: dict[int, str] = {}
    money: set[int] = set()
    for cell in sorted(table.cells, key=lambda cell: cell.row):
        text = page.text[cell.span.start : cell.span.end]
        if cell.header or not any(char.isdigit() for char in text):
            continue
        first.setdefault(cell.column, text)
        if re.search(r"[$€£¥]", text):
            money.add(cell.column)
    return frozenset(column for column, text in first.items() if "%" in text and column not in money)


def unit_of_value(value: str, names: str, unit: str) -> str:
    """What to write after a cell's value: the table's unit, where it holds for this cell, else ''.

    It does not hold for words, for values that bring a unit of their own ("12%"), for counts and ratios, and where the row's label has another
    scale. A figure per share is in the currency itself, not in millions of it.

    Examples
    --------
    >>> unit_of_value("5,363", "Revenue 2022", "USD million")
    'USD million'
    >>> unit_of_value("0.705", "Basic earnings per share 2022", "USD million")
    'USD'
    >>> unit_of_value("$1,552.8", "Network volumes (Billions) 2022", "USD million")
    'USD billion'
    >>> unit_of_value("26.1%", "Gross margin 2022", "USD million")
    ''
    """
    if not _NUMBER.fullmatch(value):
        return ""
    own = _OWN_SCALE.search(names)
    if own is not None:
        return _own_unit(own, value)
    if not unit:
        return ""
    if unit == "%":
        return unit
    if _PER_SHARE.search(names):
        return unit.split(" ")[0] if unit[:1].isupper() else ""
    return "" if _NOT_IN_UNIT.search(names) else unit


def _own_unit(own: re.Match[str], value: str) -> str:
    scale = own.group(2).lower()
    if scale in ("%", "percent"):
        return "%"
    if scale in ("dollars", "euros"):
        return "USD" if scale == "dollars" else "EUR"
    money = "USD " if own.group(1) or "$" in value else "EUR " if "€" in value else "GBP " if "£" in value else ""
    return money + scale.removesuffix("s")
