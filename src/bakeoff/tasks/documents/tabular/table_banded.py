"""Tables of words between level rules, or on rows shaded in turn: "Name | Position", ratings, lists of guarantors.

Without figures to stand under each other, the page itself must say that there is a table: level rules of one length (at its top, under its header, at
its end; two under a bold header), or shaded rows of one width. The columns are where the white space is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from bakeoff.tasks.documents.records import Box
from bakeoff.tasks.documents.tabular.table_columns import MOST_COLUMNS, Column, column_of, overlap, text_columns
from bakeoff.tasks.documents.tabular.table_doubts import is_list_mark, looks_like_contents
from bakeoff.tasks.documents.tabular.table_draft import Aids, Draft, Slot, box_around, phrase_box
from bakeoff.tasks.documents.tabular.table_labels import names_table
from bakeoff.tasks.documents.tabular.table_rowing import Row
from bakeoff.tasks.documents.tabular.table_words import Line, Phrase

_SAME = 4.0
_FARTHEST = 46.0
_MOST_BETWEEN_RULES = 260.0
_SPACE = 0.6
_MOST_RULES = 400
_LONGEST_HEADING = 60
_MOST_ACROSS = 8
_MOST_REGIONS = 300


def find_banded(lines: Sequence[Line], aids: Aids) -> list[Draft]:
    """Tables of words that rules or shading set apart.

    Parameters
    ----------
    lines : sequence of Line
        From top to bottom, without what stands in tables already found.
    aids : Aids

    Returns
    -------
    list of Draft
        From top to bottom, not overlapping.
    """
    found: list[Draft] = []
    regions = [*_shaded(aids), *_ruled(aids)]
    for region, sure in sorted(regions, key=lambda each: (each[0][1] - each[0][3], each[0][1]))[:_MOST_REGIONS]:
        if any(draft.box[1] < region[3] and draft.box[3] > region[1] for draft in found):
            continue
        draft = _build(lines, region, aids, sure)
        if draft is not None:
            found.append(draft)
    return sorted(found, key=lambda draft: draft.box[1])


def _shaded(aids: Aids) -> list[tuple[Box, bool]]:
    """Stretches of the page with rows shaded over one width, two of them coloured at least."""
    groups: list[list[tuple[Box, bool]]] = []
    for band, white in zip(aids.bands, aids.white, strict=True):
        group = next(
            (g for g in reversed(groups[-30:]) if _same_width(g[-1][0], band) and -1.0 < band[1] - g[-1][0][3] < _FARTHEST), None
        )
        if group is None:
            groups.append([(band, white)])
        else:
            group.append((band, white))
    return [(box_around(band for band, _ in group), True) for group in groups if sum(not white for _, white in group) >= 2]


def _ruled(aids: Aids) -> list[tuple[Box, bool]]:
    """Stretches of the page between level rules of one length, and whether there are three of them at least."""
    levels: list[Box] = []
    for rule in aids.level_rules:
        box = rule.box
        last = levels[-1] if levels else None
        if last is not None and abs(last[1] - box[1]) < 1.0 and -1.0 < box[0] - last[2] < 12.0:
            levels[-1] = box_around((last, box))
        else:
            levels.append(box)
    groups: list[list[Box]] = []
    for box in levels[:_MOST_RULES]:
        if box[2] - box[0] < 90:
            continue
        group = next((g for g in reversed(groups[-30:]) if _same_width(g[-1], box)), None)
        if group is None:
            groups.append([box])
        elif box[1] - group[-1][1] > 4.0:
            group.append(box)
    regions = []
    for group in groups:
        for start in range(len(group)):
            for end in range(start + 1, min(start + _MOST_ACROSS, len(group))):
                if any(lower[1] - upper[3] > _MOST_BETWEEN_RULES for upper, lower in pairwise(group[start : end + 1])):
                    break
                regions.append((box_around(group[start : end + 1]), end - start > 1))
    return regions


def _same_width(one: Box, other: Box) -> bool:
    return abs(one[0] - other[0]) < _SAME and abs(one[2] - other[2]) < _SAME


def _build(lines: Sequence[Line], region: Box, aids: Aids, sure: bool) -> Draft | None:
    x0, y0, x1, y1 = region
    inside = [line for line in (_within(line, x0, x1) for line in lines) if line is not None and y0 - 1 < line.middle < y1 + 1]
    if len(inside) < 2 or any(names_table(line.text) for line in inside):
        return None
    many = [line for line in inside if 2 <= len(line.phrases) <= MOST_COLUMNS]
    if len(many) < 2 or len(many) < 0.5 * len(inside):
        return None
    em = median(line.size for line in inside)
    columns = text_columns([line.phrases for line in many], (_SPACE if len(many) >= 4 else 1.0) * em)
    columns = [column for column in columns if column.support >= max(2, round(0.3 * len(many)))]
    if len(columns) < 2 or _prose(columns, inside) or any(_crossing(line, columns) for line in many):
        return None
    if any(len(line.phrases) == 1 and len(line.text) > _LONGEST_HEADING and _crossing(line, columns) for line in inside):
        return None
    inside = _with_rows_beside(lines, inside, columns, region, aids, em)
    head = _head(lines, inside[0], columns, region, em)
    if not sure and not head:
        return None
    rows = _rows(inside, columns, aids, em)
    if (
        len(rows) + bool(head) < 2
        or _is_list(rows, columns)
        or looks_like_contents(rows, [Row("header", head), *rows] if head else rows)
    ):
        return None
    return _assembled(head, rows, columns)


def _within(line: Line, x0: float, x1: float) -> Line | None:
    kept = [phrase for phrase in line.phrases if x0 - 2 < phrase.middle < x1 + 2]
    return Line(kept, line.y0, line.y1, line.size) if kept else None


def _crossing(line: Line, columns: Sequence[Column]) -> bool:
    """A phrase that reaches well into two columns."""
    return any(sum(overlap(p.x0, p.x1, c.x0, c.x1) > 0.5 * (c.x1 - c.x0) for c in columns) > 1 for p in line.phrases)


def _prose(columns: Sequence[Column], lines: Sequence[Line]) -> bool:
    """Two columns of running text, as on a page set in columns."""
    full = 0
    for column in columns:
        inside = [p for line in lines for p in line.phrases if overlap(p.x0, p.x1, column.x0, column.x1) > 0]
        wide = [p for p in inside if p.x1 - p.x0 > 0.8 * (column.x1 - column.x0) and len(p.text) > 24]
        full += len(inside) >= 3 and len(wide) > 0.5 * len(inside)
    return full >= 2


def _head(lines: Sequence[Line], first: Line, columns: Sequence[Column], region: Box, em: float) -> list[Line]:
    """Header lines right over the shaded rows: bold, and standing over the columns."""
    found: list[Line] = []
    below = first
    for line in reversed([line for line in lines if line.middle < first.y0 and line is not first]):
        part = _within(line, region[0], region[2])
        if part is None:
            continue
        over = [p for p in part.phrases if any(overlap(p.x0, p.x1, c.x0 - em, c.x1 + em) > 0.5 * (p.x1 - p.x0) for c in columns)]
        bold = all(p.bold for p in part.phrases) and not all(p.bold for p in first.phrases)
        apart = len(part.phrases) > 1 or (bool(found) and part.phrases[0].x0 > columns[0].x1)
        if below.y0 - part.y1 > 0.9 * em or not bold or not apart or len(over) < len(part.phrases) or len(found) >= 5:
            break
        found.insert(0, part)
        below = part
    return found


def _with_rows_beside(
    lines: Sequence[Line], inside: list[Line], columns: Sequence[Column], region: Box, aids: Aids, em: float
) -> list[Line]:
    """Rows shaded in turn may begin and end with one that is not: lines right above and below that keep to the columns."""
    step = max((b.y0 - a.y1 for a, b in pairwise(inside)), default=0.0)
    for way in (-1, 1):
        outside = [line for line in lines if (line.middle < inside[0].y0 if way < 0 else line.middle > inside[-1].y1)]
        for line in reversed(outside) if way < 0 else outside:
            part = _within(line, region[0], region[2])
            if part is None:
                continue
            edge = inside[0] if way < 0 else inside[-1]
            gap = edge.y0 - part.y1 if way < 0 else part.y0 - edge.y1
            kept = [any(c.x0 - 0.5 * em <= p.x0 and p.x1 <= c.x1 + 0.5 * em for c in columns) for p in part.phrases]
            begun = part.phrases[0].x0 < columns[0].x1
            crossed = aids.rules_between(min(edge.middle, part.middle), max(edge.middle, part.middle), region[0], region[2])
            bold = all(p.bold for p in part.phrases)
            if (
                gap > step + 1.0
                or not all(kept)
                or crossed
                or bold
                or (begun and len(kept) < 2)
                or abs(part.size - edge.size) > 0.5
            ):
                break
            inside = [part, *inside] if way < 0 else [*inside, part]
    return inside


def _rows(lines: Sequence[Line], columns: Sequence[Column], aids: Aids, em: float) -> list[Row]:
    """Rows by shaded band or rule where these part them; else a line that fills most columns, or begins in the first, begins a row."""
    rows: list[Row] = []
    here: list[Box | None] = []
    left, right = columns[0].x0, columns[-1].x1
    for line in lines:
        band = aids.band_at(line.middle, line.x0 + 1)
        filled = {column_of(phrase, columns) for phrase in line.phrases}
        last = rows[-1].lines[-1] if rows else None
        if last is None or any(
            rule[2] - rule[0] > 0.5 * (right - left) for rule in aids.rules_between(last.middle, line.middle, left, right)
        ):
            same = False
        elif band is not None or here[-1] is not None:
            same = band == here[-1]
        else:
            close = line.y0 - last.y1 < 0.45 * em
            same = close and (0 not in filled or len(filled) <= len(columns) // 2) and len(filled) < len(columns)
        if same:
            rows[-1].lines.append(line)
        else:
            rows.append(Row("data", [line]))
            here.append(band)
    return rows


def _is_list(rows: Sequence[Row], columns: Sequence[Column]) -> bool:
    """Two columns, the first of bullets or numbers of a list; or signatures."""
    first = [p.text for row in rows for line in row.lines for p in line.phrases if column_of(p, columns) == 0]
    signed = sum("/s/" in p.text for row in rows for line in row.lines for p in line.phrases)
    return (len(columns) == 2 and sum(is_list_mark(mark) for mark in first) > 0.7 * len(first)) or signed >= 2


def _assembled(head: Sequence[Line], rows: Sequence[Row], columns: Sequence[Column]) -> Draft:
    slots: list[Slot] = []
    at = 0
    blocks = ([list(head)] if head else []) + [row.lines for row in rows]
    for block in blocks:
        cells: dict[int, list[Phrase]] = {}
        for line in block:
            for phrase in line.phrases:
                cells.setdefault(column_of(phrase, columns), []).append(phrase)
        lone = list(cells) == [0] and at > 0 and all(phrase.bold for phrase in cells[0])
        for column, phrases in sorted(cells.items()):
            slots.append(Slot(at, column, phrases, 1, len(columns) if lone else 1, header=bool(head) and at == 0))
        at += 1
    used = [line for block in blocks for line in block]
    box = box_around(phrase_box(phrase) for line in used for phrase in line.phrases)
    return Draft(at, len(columns), slots, box, used)
