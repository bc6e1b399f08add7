"""The columns of a table that no lines are drawn around: found from figures that stand under each other and from the white space between phrases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bakeoff.tasks.documents.tabular.table_words import Line, Phrase, is_range, join_phrases

MOST_COLUMNS = 60
"""A line with more separate phrases than this is a picture made of letters, not a row."""


_YEAR_REACH = 5.0


@dataclass(slots=True)
class Column:
    """A column's horizontal extent, and how many lines have something in it."""

    x0: float
    x1: float
    numeric: bool = False
    anchors: list[float] = field(default_factory=list)
    support: int = 0

    @property
    def middle(self) -> float:
        """Half way between its edges."""
        return (self.x0 + self.x1) / 2

    @property
    def anchor(self) -> float:
        """Where its figures end, the middle one of them."""
        return sorted(self.anchors)[len(self.anchors) // 2] if self.anchors else self.x1

    def take(self, x0: float, x1: float) -> None:
        """Widen it to hold one more entry."""
        self.x0, self.x1 = min(self.x0, x0), max(self.x1, x1)
        self.support += 1


def overlap(a0: float, a1: float, b0: float, b1: float) -> float:
    """How much two intervals share, in points; 0 where they do not touch."""
    return max(0.0, min(a1, b1) - max(a0, b0))


def value_columns(rows: Sequence[Line], em: float) -> list[Column]:
    """Columns of figures, from left to right.

    The line with the most figures is taken first, each of its figures a column; a figure of another line belongs to the column it overlaps, or whose
    right edge it shares, and else begins one. Two figures of one line are never in one column.
    """
    columns: list[Column] = []

    def years_only(line: Line) -> bool:
        return all(value.year for value in line.values)

    for line in sorted(rows, key=lambda line: (years_only(line), -len(line.values))):
        taken: dict[int, Phrase] = {}
        if columns and years_only(line):
            # Years head columns; they stand over them, often not where the figures do.
            for value in line.values:
                beside = min(
                    (at for at in range(len(columns)) if at not in taken),
                    key=lambda at: abs(columns[at].middle - value.middle),
                    default=-1,
                )
                if beside >= 0 and abs(columns[beside].middle - value.middle) < _YEAR_REACH * em:
                    taken[beside] = value
        for value in line.values:
            if any(value is other for other in taken.values()):
                continue
            best, at = 0.0, -1
            for number, column in enumerate(columns):
                shared = overlap(value.x0, value.x1, column.x0, column.x1)
                near = 1.0 - abs(value.anchor - column.anchor) / em
                score = shared / max(value.x1 - value.x0, 0.1) + max(near, 0.0)
                if number not in taken and (shared > 0 or near > 0) and score > best:
                    best, at = score, number
            if at < 0:
                if len(columns) >= MOST_COLUMNS:
                    continue
                columns.append(Column(value.x0, value.x1, numeric=True))
                at = len(columns) - 1
            taken[at] = value
        for at, value in taken.items():
            columns[at].take(value.x0, value.x1)
            columns[at].anchors.append(value.anchor)
    return sorted(columns, key=lambda column: column.middle)


def drop_strays(columns: list[Column], rows: Sequence[Line], em: float) -> list[Column]:
    """Without columns that one line alone has: a number in a label that a wide space stands before.

    Where there are few lines, and for columns to the right of well-supported ones with a clear space around them, one is enough.
    """
    if not columns:
        return columns
    strongest = max(column.support for column in columns)
    if strongest < 3:
        return columns
    solid = [column for column in columns if column.support > 1]
    left = min(column.x0 for column in solid) if solid else 0.0
    kept = []
    for column in columns:
        apart = all(
            other is column or overlap(column.x0 - 0.4 * em, column.x1 + 0.4 * em, other.x0, other.x1) == 0 for other in columns
        )
        if column.support > 1 or (column.x0 > left and apart):
            kept.append(column)
    return kept


def text_columns(phrases_by_line: Sequence[Sequence[Phrase]], space: float) -> list[Column]:
    """Columns of words: intervals that phrases cover with at least `space` points of white between them, from left to right."""
    edges = sorted(((phrase.x0, phrase.x1) for phrases in phrases_by_line for phrase in phrases), key=lambda edge: edge[0])
    found: list[Column] = []
    for x0, x1 in edges:
        if found and x0 < found[-1].x1 + space:
            found[-1].x1 = max(found[-1].x1, x1)
        else:
            found.append(Column(x0, x1))
    for column in found:
        column.support = sum(any(overlap(p.x0, p.x1, column.x0, column.x1) > 0 for p in phrases) for phrases in phrases_by_line)
    return found


def all_columns(rows: Sequence[Line], em: float) -> tuple[list[Column], float]:
    """Every column of a table whose rows have figures, and where the figures begin.

    Returns
    -------
    columns : list of Column
        From left to right; the first holds the labels where there are any.
    value_left : float
        Left edge of the leftmost column of figures, its currency signs included.
    """
    numeric = drop_strays(value_columns(rows, em), rows, em)
    if not numeric:
        return [], 0.0
    left = min(column.x0 for column in numeric)
    heads = [line for line in rows if not all(value.year for value in line.values)]
    rows = heads if len(heads) >= 2 else rows
    labels = [[phrase for phrase in line.phrases if phrase.x0 < left - 0.2 * em and phrase.middle < left] for line in rows]
    columns = list(numeric)
    least = max(2, round(0.3 * len(rows)))
    words = text_columns([phrases for phrases in labels if phrases], em)
    kept: list[Column] = []
    for column in words:
        if not kept or column.support >= least:
            kept.append(column)
        else:
            kept[-1].x1 = max(kept[-1].x1, column.x1)
    columns.extend(kept)

    others: list[list[Phrase]] = []
    for line in rows:
        rest = []
        for phrase in line.phrases:
            if phrase.value or phrase.x0 < left - 0.2 * em:
                continue
            inside = any(overlap(phrase.x0, phrase.x1, column.x0 - 0.3 * em, column.x1 + 0.3 * em) > 0 for column in numeric)
            if not inside:
                rest.append(phrase)
        if rest:
            others.append(rest)
    columns.extend(column for column in text_columns(others, 0.3 * em) if column.support >= min(2, len(rows)))
    columns.sort(key=lambda column: column.middle)
    return columns, left


def column_of(phrase: Phrase, columns: Sequence[Column]) -> int:
    """The column that a phrase stands in: the one it shares most with, for figures one of figures; the nearest where it shares with none."""
    best, most = -1, 0.0
    for at, column in enumerate(columns):
        shared = overlap(phrase.x0, phrase.x1, column.x0, column.x1) * (100.0 if phrase.value and column.numeric else 1.0)
        if shared > most:
            best, most = at, shared
    if best >= 0:
        return best
    return min(range(len(columns)), key=lambda at: max(columns[at].x0 - phrase.x1, phrase.x0 - columns[at].x1))


def covered(phrase: Phrase, columns: Sequence[Column]) -> tuple[int, int]:
    """First and last column that a phrase reaches into, by more than a sliver of the column or of the phrase."""
    hit = [
        at
        for at, column in enumerate(columns)
        if overlap(phrase.x0, phrase.x1, column.x0, column.x1) > 0.25 * min(phrase.x1 - phrase.x0, column.x1 - column.x0)
    ]
    if not hit:
        at = column_of(phrase, columns)
        return at, at
    return hit[0], hit[-1]


def is_stub(phrase: Phrase, columns: Sequence[Column], left: float, em: float) -> bool:
    """Whether a phrase of a header line stands over the labels, nearer to where they begin than to the middle of the next column."""
    if len(columns) < 2 or columns[0].x0 >= left - 0.2 * em or phrase.x0 >= left:
        return False
    return abs(phrase.x0 - columns[0].x0) < abs(phrase.middle - columns[1].middle)


def parted(line: Line, anchors: Sequence[float], em: float) -> Line:
    """A line whose phrases give up a figure at their beginning or end that words are set close to.

    Parameters
    ----------
    line : Line
    anchors : sequence of float
        Where the figures of the lines around end. Two of them in line with a figure make it one of their column.
    em : float
    """

    def known(word: Phrase) -> bool:
        return word.value and sum(abs(word.anchor - anchor) < 0.35 * em for anchor in anchors) >= 2

    phrases: list[Phrase] = []
    for phrase in line.phrases:
        words = phrase.words
        if phrase.value or len(words) < 2 or is_range(phrase.text):
            phrases.append(phrase)
        elif known(words[0]):
            phrases.extend((words[0], join_phrases(words[1:])))
        elif known(words[-1]):
            phrases.extend((join_phrases(words[:-1]), words[-1]))
        else:
            phrases.append(phrase)
    return line if len(phrases) == len(line.phrases) else Line(phrases, line.y0, line.y1, line.size)
