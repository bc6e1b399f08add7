"""Which cells of a table name others: header rows, label columns, group headings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bakeoff.tasks.documents.glyphs import Fill
from bakeoff.tasks.documents.tabular.table_draft import Draft, Slot

MOST_HEADER_ROWS = 5
_YEAR = re.compile(r"\W*(?:FY\s?)?(?:19|20)\d\d\W*")


def mark_headers(draft: Draft, fills: Sequence[Fill] = ()) -> None:
    """Set `header` on the cells of a table of words, or a ruled one.

    The first rows name columns when they hold no figures but years and differ from what follows: bold, shaded, spanning, or words over figures. The
    first column names rows when it holds words and the others mostly figures; when it alone is bold; when under column headers it holds words that
    differ from row to row; or in an unruled table of two columns without header. A cell over the whole width is a heading. In a ruled table the first row is a header also when it only may be one.

    Parameters
    ----------
    draft : Draft
        With a slot for every cell, empty ones too. Changed in place.
    fills : sequence of Fill
        The page's filled rectangles.
    """
    by_row: dict[int, list[Slot]] = {}
    for slot in draft.slots:
        by_row.setdefault(slot.row, []).append(slot)
    top = 0
    while top < min(MOST_HEADER_ROWS, draft.rows - 1) and _names_columns(by_row, top, draft, fills):
        top = max((slot.row + slot.rows for slot in by_row.get(top, ())), default=top + 1)
    top = min(top, draft.rows - 1)
    body = [slot for slot in draft.slots if slot.row >= top and slot.phrases]
    names_rows = _names_rows(body) or (_distinct(body, draft) if top else draft.columns == 2 and not draft.ruled)
    for slot in draft.slots:
        wide = slot.columns == draft.columns and bool(slot.phrases) and not slot.phrases[0].value
        slot.header = bool(slot.row < top or wide or (names_rows and slot.column == 0 and not _figure(slot)))


def _figure(slot: Slot) -> bool:
    return len(slot.phrases) == 1 and slot.phrases[0].value and not _YEAR.fullmatch(slot.text)


def _bold(slots: Sequence[Slot]) -> bool:
    phrases = [phrase for slot in slots for phrase in slot.phrases]
    return bool(phrases) and all(phrase.bold for phrase in phrases)


def _names_columns(by_row: dict[int, list[Slot]], row: int, draft: Draft, fills: Sequence[Fill]) -> bool:
    here = [slot for slot in by_row.get(row, ()) if slot.phrases]
    if not here or any(_figure(slot) for slot in here):
        return False
    if row == 0 and len(here) == 1 and here[0].columns == draft.columns:
        return True
    rest = [slot for number, slots in by_row.items() if number > row for slot in slots if slot.phrases]
    if not rest:
        return False
    if _bold(here) and not _bold(rest):
        return True
    shade = _shade(here, fills)
    if shade is not None and shade != _shade(rest[: 4 * len(here)], fills):
        return True
    if any(1 < slot.columns < draft.columns for slot in here):
        return True
    years = sum(bool(_YEAR.fullmatch(slot.text)) for slot in here)
    under = [any(_figure(slot) for slot in rest if slot.column == head.column) for head in here if head.column > 0]
    if years or any(under):
        return True
    short = all(len(slot.text) <= 60 for slot in here)
    return row == 0 and draft.ruled and short and len(here) == len(by_row[row]) and draft.rows >= 3


def _shade(slots: Sequence[Slot], fills: Sequence[Fill]) -> tuple[int, int, int] | None:
    """The colour behind most of the cells; None where there is none, or white."""
    seen: dict[tuple[int, int, int], int] = {}
    for slot in slots:
        if slot.box is None:
            continue
        x, y = (slot.box[0] + slot.box[2]) / 2, (slot.box[1] + slot.box[3]) / 2
        behind = [
            fill for fill in fills if fill.box[0] <= x <= fill.box[2] and fill.box[1] <= y <= fill.box[3] and min(fill.rgb) < 250
        ]
        if behind:
            seen[behind[-1].rgb] = seen.get(behind[-1].rgb, 0) + 1
    best = max(seen, key=lambda rgb: seen[rgb], default=None)
    return best if best is not None and seen[best] > 0.5 * len(slots) else None


def _names_rows(body: Sequence[Slot]) -> bool:
    first = [slot for slot in body if slot.column == 0]
    others = [slot for slot in body if slot.column > 0]
    if not first or not others:
        return False
    words = sum(not _figure(slot) for slot in first)
    figures = sum(_figure(slot) for slot in others)
    if words >= 0.7 * len(first) and figures >= 0.5 * len(others):
        return True
    return _bold(first) and sum(_bold([slot]) for slot in others) < 0.2 * len(others)


def _distinct(body: Sequence[Slot], draft: Draft) -> bool:
    """Whether the first column says in few words, other ones in each row, what the row is about."""
    first = [slot for slot in body if slot.column == 0 and slot.columns < draft.columns]
    words = [slot.text for slot in first if not _figure(slot)]
    rows = {slot.row for slot in body if slot.columns < draft.columns}
    short = sum(len(text) for text in words) <= 60 * len(words)
    return len(words) >= 0.7 * len(rows) > 0 and len(set(words)) >= 0.9 * len(words) and short
