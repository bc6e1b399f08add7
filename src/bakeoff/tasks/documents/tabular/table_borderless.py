"""Tables that no lines are drawn around: financial statements, whose figures stand under each other to the right of their labels.

The method is the one a reader uses. Lines with figures that stand apart from the words before them are rows; rows whose figures share columns make a
table; lines that only have words are group headings, or parts of a label that takes several lines; what stands over the columns of figures names
them. Precision comes first: a page number, a year in a sentence, a list or a table of contents makes no table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median

from bakeoff.tasks.documents.tabular.table_columns import MOST_COLUMNS, Column, all_columns, overlap, parted
from bakeoff.tasks.documents.tabular.table_doubts import is_table
from bakeoff.tasks.documents.tabular.table_draft import Aids, Draft
from bakeoff.tasks.documents.tabular.table_edges import header_top, tail_of
from bakeoff.tasks.documents.tabular.table_labels import is_unit_line, names_table
from bakeoff.tasks.documents.tabular.table_rowing import assemble, group_rows
from bakeoff.tasks.documents.tabular.table_words import Line, trimmed

MOST_BETWEEN = 9
"""Lines without figures between two rows of one table."""

_WIDEST_GAP = 4.2
_AROUND = 8
_LEADS = re.compile(
    r"\b(?:as follows|the following(?: table)?|(?:set forth|presented|shown|summarized) below|below)\W*:\W*$", re.IGNORECASE
)


def find_borderless(lines: Sequence[Line], aids: Aids) -> list[Draft]:
    """Tables among a page's lines by their columns of figures.

    Parameters
    ----------
    lines : sequence of Line
        From top to bottom, without what stands in tables already found.
    aids : Aids
        The page's rules and shaded bands.

    Returns
    -------
    list of Draft
        From top to bottom.
    """
    found = []
    start = 0
    for run in _runs(lines, aids):
        draft = _build(lines, run, start, aids)
        if draft is not None:
            found.append(draft)
            start = run[-1] + 1
    return found


def _is_row(line: Line) -> bool:
    """Figures, standing apart, after other phrases; not a list's number before its text."""
    if not 2 <= len(line.phrases) <= MOST_COLUMNS:
        return False
    return any(phrase.value for phrase in line.phrases[1:])


def _runs(lines: Sequence[Line], aids: Aids) -> list[list[int]]:
    """Rows that may be of one table, as indices into `lines`."""
    runs: list[list[int]] = []
    for at, line in enumerate(lines):
        if not _is_row(line):
            continue
        if runs and _goes_on(lines, runs[-1], at, aids):
            runs[-1].append(at)
        else:
            runs.append([at])
    return runs


def _goes_on(lines: Sequence[Line], run: list[int], at: int, aids: Aids) -> bool:
    last, here = run[-1], lines[at]
    between = lines[last + 1 : at]
    em = median(lines[i].size for i in run[-12:])
    if len(between) > MOST_BETWEEN or not 0.6 < here.size / em < 1.6:
        return False
    recent = [lines[i] for i in run[-40:]]
    values = [value for line in recent for value in line.values]
    left = min(value.x0 for value in values)
    right = max(line.x1 for line in recent)
    start = min(line.x0 for line in recent)
    intruding = 0
    previous = lines[last]
    for line in (*between, here):
        gap = line.y0 - previous.y1
        if gap > _WIDEST_GAP * em and not _bridged(previous, line, aids):
            return False
        previous = line
        if line is here:
            break
        if names_table(line.text) or _LEADS.search(line.text):
            return False
        wide = any(phrase.x0 < left - em and phrase.x1 > left + 2 * em for phrase in line.phrases)
        long = line.x1 - line.x0 > 0.75 * (right - start) or len(line.text) > 110
        intruding = intruding + 1 if wide else 0
        if intruding >= 2 or (wide and (long or line.text.rstrip().endswith(".")) and not aids.shades(line)):
            return False
    ours = [(value.x0, value.x1) for line in recent for value in line.values]
    theirs = [value for value in here.values if value.x0 > here.x0 or len(here.values) == len(here.phrases)]
    shared = sum(any(overlap(value.x0, value.x1, *other) > 0 for other in ours) for value in theirs)
    most = max(len(line.values) for line in recent)
    if not shared and not between and here.y0 - lines[last].y1 < 0.9 * em:
        return True
    if not shared or (len(theirs) > 2 and shared < 0.5 * min(len(theirs), most)):
        return False
    if any(phrase.x0 > left - em for line in between for phrase in line.phrases) and _other_columns(lines, recent, at, em):
        return False
    return not (between and _new_head(between, here, recent, left, em))


def _other_columns(lines: Sequence[Line], recent: Sequence[Line], at: int, em: float) -> bool:
    """Whether the rows from here on have their figures elsewhere: after header lines, that is another table."""
    ours = [value.anchor for line in recent for value in line.values if not value.year]
    rows = [line for line in lines[at : at + 4] if _is_row(line)]
    theirs = [value.anchor for line in rows for value in line.values if not value.year]
    if not ours or len(theirs) < 2:
        return False
    off = sum(min(abs(anchor - other) for other in ours) > 0.8 * em for anchor in theirs)
    return off > 0.3 * len(theirs)


def _bridged(upper: Line, lower: Line, aids: Aids) -> bool:
    """Whether a shaded band without words fills the space between two lines."""
    band = aids.band_at((upper.y1 + lower.y0) / 2, lower.x0 + 1)
    return band is not None and lower.y0 - band[3] < 3 * lower.size and band[1] - upper.y1 < 3 * lower.size


def _new_head(between: Sequence[Line], here: Line, recent: Sequence[Line], left: float, em: float) -> bool:
    """Whether the lines between are the title of a new table, whose years come next."""
    if not all(value.year for value in here.values) or len(here.values) < 2 or len(recent) < 2:
        return False
    gap = between[0].y0 - recent[-1].y1
    title = next((line for line in between if all(phrase.bold for phrase in line.phrases) and len(line.phrases) == 1), None)
    unit = any(is_unit_line(line.text) for line in between)
    return unit or (title is not None and gap > 0.8 * em) or gap > 2.0 * em


def _build(lines: Sequence[Line], run: list[int], start: int, aids: Aids) -> Draft | None:
    lines = _with_parted(lines, run)
    rows = [lines[at] for at in run]
    _years_that_label(rows)
    rows = [line for line in rows if _is_row(line)]
    if not rows:
        return None
    em = median(line.size for line in rows)
    columns, left = all_columns(rows, em)
    around = lines[max(0, run[0] - _AROUND) : run[-1] + _AROUND]
    rows, columns, left, cut = _without_prose_beside(rows, columns, left, em, around)
    numeric = [column for column in columns if column.numeric]
    if not numeric or not rows:
        return None
    parts = [trimmed(lines[at], *cut) for at in range(run[0], run[-1] + 1)]
    inside = [line for line in parts if line is not None]
    heads = _after_labels(columns, left, em)
    top = header_top(lines, run[0], start, columns, heads, aids, em, cut)
    region = [*top, *inside, *tail_of(lines, run[-1], columns, heads, aids, em, cut)]
    grouped = group_rows(region, columns, heads, aids, em)
    if not is_table(grouped, rows, columns, left, em, aids):
        return None
    return assemble(grouped, columns, heads, aids, em)


def _with_parted(lines: Sequence[Line], run: Sequence[int]) -> list[Line]:
    """The page's lines, those of a run taken apart where words stand close to a figure of a column."""
    rows = [at for at in run if not all(value.year for value in lines[at].values)]
    anchors = [value.anchor for at in rows for value in lines[at].values]
    found = list(lines)
    em = median(lines[at].size for at in run)
    for at in rows:
        found[at] = parted(lines[at], anchors, em)
    return found


def _after_labels(columns: Sequence[Column], left: float, em: float) -> float:
    """Where the columns after the labels begin, whether they hold words or figures."""
    if len(columns) > 1 and columns[0].x0 < left - 0.2 * em:
        return min(left, min(column.x0 for column in columns[1:]))
    return left


def _years_that_label(rows: Sequence[Line]) -> None:
    """Years at the left of figures label their rows ("2024   $ 1,230"); they are no column of figures."""
    first = min(line.x0 for line in rows)
    heads = [line.phrases[0] for line in rows if line.phrases[0].year and line.x0 < first + 1.5 * line.size]
    if len(heads) >= 2 and any(not value.year for line in rows for value in line.values):
        for phrase in heads:
            phrase.value = False


def _without_prose_beside(
    rows: list[Line], columns: list[Column], left: float, em: float, around: Sequence[Line]
) -> tuple[list[Line], list[Column], float, tuple[float, float]]:
    """A table with running text to its left or right, seen on the lines around too: keep the table only.

    Returns the rows and columns left, where figures begin, and the interval that the table stands in.
    """
    low, high = float("-inf"), float("inf")
    for _ in range(3):
        words = [column for column in columns if not column.numeric]
        prose = next((column for column in words if _is_prose(column, columns, around, em)), None)
        if prose is None or len(columns) < 2:
            break
        others = [column for column in columns if column is not prose]
        if prose.x1 < min(column.x0 for column in others):
            low = prose.x1 + 0.1
        elif prose.x0 > max(column.x1 for column in others):
            high = prose.x0 - 0.1
        else:
            break
        parts = [trimmed(line, low, high) for line in rows]
        rows = [line for line in parts if line is not None and _is_row(line)]
        if not rows:
            break
        columns, left = all_columns(rows, em)
    return rows, columns, left, (low, high)


def _is_prose(column: Column, columns: Sequence[Column], lines: Sequence[Line], em: float) -> bool:
    """Long lines of words that nearly all run from edge to edge, and not into the columns beside."""
    low = max((other.x1 for other in columns if other.x1 < column.x0), default=float("-inf"))
    high = min((other.x0 for other in columns if other.x0 > column.x1), default=float("inf"))
    inside = [
        p for line in lines for p in line.phrases if not p.value and low < p.x0 and p.x1 < high and p.middle < column.x1 + em
    ]
    inside = [p for p in inside if p.middle > column.x0 - em]
    if len(inside) < 3:
        return False
    widest = max(p.x1 - p.x0 for p in inside)
    wide = [p for p in inside if p.x1 - p.x0 > 0.8 * widest and len(p.text) >= 20]
    small = sum(p.text[:1].islower() for p in inside)
    return len(wide) >= 0.6 * len(inside) and small >= 0.3 * len(inside)
