"""Where a table without lines begins and ends: the header lines over its first row, and what of its last row stands under it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bakeoff.tasks.documents.tabular.table_columns import Column, column_of, is_stub, overlap
from bakeoff.tasks.documents.tabular.table_draft import Aids
from bakeoff.tasks.documents.tabular.table_heads import centred_over, span_of
from bakeoff.tasks.documents.tabular.table_labels import is_unit_line, names_table
from bakeoff.tasks.documents.tabular.table_words import Line, Phrase, trimmed

_HEADER_GAP = 1.4
_MOST_TAIL = 6


def header_top(
    lines: Sequence[Line],
    first: int,
    start: int,
    columns: Sequence[Column],
    left: float,
    aids: Aids,
    em: float,
    cut: tuple[float, float],
) -> list[Line]:
    """Header lines over the first row, top to bottom: they stand over the columns of figures, close above each other."""
    found: list[Line] = []
    below = trimmed(lines[first], *cut) or lines[first]
    right = max(column.x1 for column in columns)
    table_left = min(column.x0 for column in columns)
    pending: list[Line] = []
    for at in range(first - 1, start - 1, -1):
        line = trimmed(lines[at], *cut)
        if line is None:
            continue
        crossed = aids.rules_between(line.y1 - 0.3 * em, below.y0 + 0.5 * em, left, right)
        if below.y0 - line.y1 > (_HEADER_GAP + (0.8 if crossed else 0.0)) * em or len(found) + len(pending) > 8:
            break
        over = [phrase for phrase in line.phrases if _over_values(phrase, columns, left, right, em)]
        labels = [phrase for phrase in line.phrases if phrase not in over]
        if names_table(line.text) or any(phrase.x1 > left + 3 * em for phrase in labels) or (not over and len(labels) > 1):
            break
        if over:
            parting = pending and aids.rules_between(
                line.y1 - 0.5 * em, pending[0].y0 + 0.5 * em, over[0].middle - 1, over[0].middle + 1
            )
            if pending and len(over) < 2 and not over[0].year and not parting:
                break
            stacked = bool(found) and any(
                abs(other.middle - over[0].middle) < 1.5 * em and overlap(other.x0, other.x1, over[0].x0, over[0].x1) > 0
                for other in found[0].phrases
            )
            if (
                len(over) == 1
                and not labels
                and not (stacked and not over[0].bold > found[0].phrases[0].bold)
                and not _heads_one(over[0], line, columns, left, table_left, aids, below, em)
            ):
                break
            found = [line, *pending, *found]
            pending = []
        else:
            top_rule = aids.rules_between(line.y0 - 1.2 * em, line.y0 + 0.4 * em, table_left, right)
            capped = any(rule[2] - rule[0] > 0.8 * (right - table_left) for rule in top_rule)
            if len(pending) >= 3 or line.x0 > table_left + 3 * em or (is_unit_line(line.text) and not (found or capped)):
                break
            pending = [line, *pending]
            if capped and found:
                found, pending = [*pending, *found], []
                break
        below = line
        if found and any(
            rule[2] - rule[0] > 0.9 * (right - table_left)
            for rule in aids.rules_between(line.y0 - 0.8 * em, line.y0 + 0.2 * em, table_left, right)
        ):
            break
    return found


def _heads_one(
    phrase: Phrase, line: Line, columns: Sequence[Column], left: float, table_left: float, aids: Aids, below: Line, em: float
) -> bool:
    """Whether a phrase alone on its line names columns, and is not the table's title: it stands over some columns, not over the table."""
    right = max(column.x1 for column in columns)
    underlines = aids.rules_between(phrase.y1 - 0.5 * em, below.y0 + 0.5 * em, phrase.middle - 1, phrase.middle + 1)
    start = columns[0].middle if columns[0].x0 < left - 0.2 * em else table_left - em
    if any(rule[0] > start and abs((rule[0] + rule[2]) / 2 - phrase.middle) < em for rule in underlines):
        return True
    span = span_of(phrase, line, columns, left, aids, below.y1, em)
    if is_unit_line(phrase.text) or not centred_over(phrase, span, columns, em):
        return False
    if len(phrase.text) > 60 and phrase.x1 - phrase.x0 > 0.5 * (right - table_left):
        return False
    over_table = abs(phrase.middle - (table_left + right) / 2) < em
    return not over_table or phrase.year


def _over_values(phrase: Phrase, columns: Sequence[Column], left: float, right: float, em: float) -> bool:
    if is_stub(phrase, columns, left, em):
        return False
    first = min(left, columns[1].middle - 3 * em) if len(columns) > 1 else left
    shared = overlap(phrase.x0, phrase.x1, first - em, right + 4 * em)
    return phrase.middle > first and shared > 0.6 * (phrase.x1 - phrase.x0)


def tail_of(
    lines: Sequence[Line], last: int, columns: Sequence[Column], left: float, aids: Aids, em: float, cut: tuple[float, float]
) -> list[Line]:
    """Lines under the last row with figures that are still of the table: the rest of its label or cells, and rows of words over a closing rule."""
    found: list[Line] = []
    upper = trimmed(lines[last], *cut)
    right = max(column.x1 for column in columns)
    table_left = min(column.x0 for column in columns)
    for at in range(last + 1, min(last + 1 + _MOST_TAIL, len(lines))):
        line = trimmed(lines[at], *cut)
        if (
            line is None
            or upper is None
            or abs(line.size - upper.size) > 0.5
            or line.y0 - upper.y1 > 1.1 * em
            or names_table(line.text)
        ):
            break
        if any(
            rule[2] - rule[0] > 0.8 * (right - table_left)
            for rule in aids.rules_between(upper.middle, line.middle, table_left, right)
        ):
            break
        band, above = aids.band_at(line.middle, line.x0 + 1), aids.band_at(upper.middle, upper.x0 + 1)
        same, tight = band is not None and band == above, line.y0 - upper.y1 < 0.35 * em and band == above
        label = len(line.phrases) == 1 and line.x1 <= left and line.x0 < left
        begun = line.phrases[0].text[:1].islower()
        cell = line.x0 >= left and all(_in_column(phrase, columns, em) for phrase in line.phrases) and (same or tight)
        row = (
            len(line.phrases) >= 2
            and all(_in_column(phrase, columns, em) for phrase in line.phrases)
            and _closed(line, lines, at, aids, table_left, right, em)
        )
        if not ((label and (same or (tight and begun))) or cell or row):
            break
        found.append(line)
        upper = line
    return found


def _in_column(phrase: Phrase, columns: Sequence[Column], em: float) -> bool:
    """Whether a phrase keeps to one column, or the space right beside it."""
    column = columns[column_of(phrase, columns)]
    return (
        column.x0 - 6 * em < phrase.x0
        and phrase.x1 < column.x1 + 2 * em
        and not any(other is not column and overlap(phrase.x0, phrase.x1, other.x0, other.x1) > 0 for other in columns)
    )


def _closed(line: Line, lines: Sequence[Line], at: int, aids: Aids, left: float, right: float, em: float) -> bool:
    """Whether a rule over most of the table's width, or a shaded row, says that a line is its last row, or a few lines before it."""
    bottom = lines[min(at + 3, len(lines) - 1)].y1
    for rule in aids.rules_between(line.middle, bottom + em, left, right):
        between = [other for other in lines[at : at + 5] if other.middle < rule[1]]
        if rule[2] - rule[0] > 0.8 * (right - left) and all(b.y0 - a.y1 < 1.1 * em for a, b in pairwise(between)):
            return True
    return aids.shades(line)
