"""Tables of a page: cells with row and column headers, spans and boxes, the line that names the table, and what its figures are in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from bakeoff.tasks.documents.glyphs import RawCell, RawPage, RawTable
from bakeoff.tasks.documents.tabular.table_banded import find_banded
from bakeoff.tasks.documents.tabular.table_borderless import find_borderless
from bakeoff.tasks.documents.tabular.table_draft import Draft, Slot, aids_of, box_around, in_order, is_chart, phrase_box
from bakeoff.tasks.documents.tabular.table_grid import find_ruled, with_head_over
from bakeoff.tasks.documents.tabular.table_join import join_next, join_pages
from bakeoff.tasks.documents.tabular.table_labels import caption_above, unit_in
from bakeoff.tasks.documents.tabular.table_marks import mark_headers
from bakeoff.tasks.documents.tabular.table_words import Inks, Line, main_angle, read_inks, read_lines, turn_box, upright

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["find_tables", "join_next", "join_pages"]

MOST_GLYPHS = 60_000
"""A page with more characters is not searched for tables: no reader could read it as one."""


def find_tables(page: RawPage) -> list[RawTable]:
    """The tables on a page, from top to bottom.

    Ruled tables come from the grid that their lines draw; the others from figures that stand under each other. Only glyphs that are `visible` take
    part; each is in at most one cell of one table. Running text, lists, code and tables of contents are no tables.

    Parameters
    ----------
    page : RawPage
        With `visible` decided. Text may run to the right, or all of it upwards, downwards or upside down.

    Returns
    -------
    list of RawTable
        Boxes in points as displayed. Rows and columns count as the table is read, also where it is printed sideways.
    """
    if not 0 < len(page.chars) <= MOST_GLYPHS:
        return []
    angle = main_angle(page)
    turned = upright(page, angle)
    inks = read_inks(turned)
    aids = aids_of(turned)
    drafts = find_ruled(turned, inks)
    lines = read_lines(turned, inks, _outside(inks, drafts))
    for draft in drafts:
        with_head_over(draft, lines)
        mark_headers(draft, turned.fills)
        draft.lines = [Line([phrase], phrase.y0, phrase.y1, phrase.size) for slot in draft.slots for phrase in slot.phrases]
    lines = _free(lines, drafts)
    figures, words = find_borderless(lines, aids), find_banded(lines, aids)
    for draft in words:
        mark_headers(draft, turned.fills)
    drafts.extend(draft for draft in _best(figures, words) if not is_chart(draft, lines, turned.fills, aids))
    drafts.sort(key=lambda draft: (draft.box[1], draft.box[0]))
    free = _free(lines, drafts)
    spaces = _spaces(turned)
    tables = []
    for number, draft in enumerate(drafts):
        bottom = max((other.box[3] for other in drafts[:number] if _over(other, draft)), default=0.0)
        tables.append(_finish(draft, [line for line in free if line.y0 >= bottom - 1], turned, spaces))
    back = (360 - angle) % 360
    return [_turned_back(table, back, turned.width, turned.height) for table in tables] if back else tables


def _best(figures: Sequence[Draft], words: Sequence[Draft]) -> list[Draft]:
    """Tables found by figures, and those found by shading or rules where no such table is, or only a small part of it."""

    def over(one: Draft, other: Draft) -> bool:
        return min(one.box[3], other.box[3]) > max(one.box[1], other.box[1]) and min(one.box[2], other.box[2]) > max(
            one.box[0], other.box[0]
        )

    kept = [draft for draft in words if sum(other.rows for other in figures if over(draft, other)) < 0.4 * draft.rows]
    return [*kept, *(draft for draft in figures if not any(over(draft, other) for other in kept))]


def _over(upper: Draft, lower: Draft) -> bool:
    """Whether a table ends above another and in its column."""
    return upper.box[3] <= lower.box[1] + 1 and upper.box[0] < lower.box[2] and upper.box[2] > lower.box[0]


def _free(lines: Sequence[Line], drafts: Sequence[Draft]) -> list[Line]:
    """Lines of which nothing is in a table."""
    used = {glyph for draft in drafts for slot in draft.slots for phrase in slot.phrases for glyph in phrase.glyphs}
    return [line for line in lines if not any(glyph in used for phrase in line.phrases for glyph in phrase.glyphs[:1])]


def _outside(inks: Inks, drafts: Sequence[Draft]) -> NDArray:
    """Which glyphs are in none of the tables found so far."""
    import numpy as np

    taken = [glyph for draft in drafts for slot in draft.slots for phrase in slot.phrases for glyph in phrase.glyphs]
    return ~np.isin(inks.index, taken)


def _spaces(page: RawPage) -> list[int]:
    """Visible space glyphs. They are put back between the letters that they stand between."""
    return [at for at, char in enumerate(page.chars) if char.isspace() and page.visible[at]]


def _finish(draft: Draft, free: Sequence[Line], page: RawPage, spaces: Sequence[int]) -> RawTable:
    em = median(line.size for line in draft.lines)
    caption, block = caption_above(free, draft.box[1], draft.box[0], draft.box[2], em)
    figures = " ".join(slot.text for slot in draft.slots[:400])
    first = min((slot.row for slot in draft.slots if not slot.header), default=0)
    said = [slot.text for slot in draft.slots if slot.header and slot.row < first] + [line.text for line in block]
    unit = next((unit for unit in (unit_in(text, figures) for text in said) if unit), "")
    cells = tuple(_cell(slot) for slot in sorted(draft.slots, key=lambda slot: (slot.row, slot.column)))
    named = tuple(glyph for phrase in caption.phrases for glyph in phrase.glyphs) if caption is not None else ()
    return RawTable(draft.box, draft.rows, draft.columns, cells, named, unit)


def _cell(slot: Slot) -> RawCell:
    glyphs = tuple(glyph for phrase in in_order(slot.phrases) for glyph in phrase.glyphs)
    box = slot.box or box_around(phrase_box(phrase) for phrase in slot.phrases)
    return RawCell(slot.row, slot.column, glyphs, box, slot.rows, slot.columns, slot.header)


def _turned_back(table: RawTable, angle: int, width: float, height: float) -> RawTable:
    cells = tuple(replace(cell, box=turn_box(cell.box, angle, width, height)) for cell in table.cells)
    return replace(table, box=turn_box(table.box, angle, width, height), cells=cells)
