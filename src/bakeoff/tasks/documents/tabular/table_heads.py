"""Column headers that stand in several lines and over several columns: "Years ended June 30," over "2023", "2022", "2021"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bakeoff.tasks.documents.tabular.table_columns import Column, column_of, covered, is_stub
from bakeoff.tasks.documents.tabular.table_draft import Aids, Slot
from bakeoff.tasks.documents.tabular.table_words import Line, Phrase, join_phrases

_OFF_CENTRE = 1.6
_MOST_WORDS = 10
_PERIOD = re.compile(r"\b(?:19|20)\d\d\b|\b(?:ended|ending|quarter|months|weeks|fiscal)\b", re.IGNORECASE)


def header_slots(
    lines: Sequence[Line], columns: Sequence[Column], value_left: float, aids: Aids, em: float, first_row: int
) -> tuple[list[Slot], int]:
    """Header cells from header lines.

    Lines over the same columns are one cell. A phrase spans the columns over which the rule under it runs; without such a rule, those that it is
    centred over.

    Parameters
    ----------
    lines : sequence of Line
        Top to bottom.
    columns : sequence of Column
        Of the whole table.
    value_left : float
        Where the columns after the labels begin.
    em : float
        Font size of the table in points.
    first_row : int
        Row number of the first header row.

    Returns
    -------
    slots : list of Slot
    rows : int
        How many rows of the grid they take.
    """
    heads: list[_Head] = []
    whole = list(lines)
    lines = []
    for line, under in zip(whole, [*whole[1:], None], strict=True):
        lines.append(_split_over(line, columns, value_left, aids, under.y1 if under else line.y1 + 1.2 * em, em))
    spans = [_spans(lines, number, columns, value_left, aids, em) for number in range(len(lines))]
    for number in range(len(lines) - 2, -1, -1):
        _as_below(lines[number], spans[number], lines[number + 1], spans[number + 1], columns, em)
    for number, line in enumerate(lines):
        for phrase, (first, last) in zip(line.phrases, spans[number], strict=True):
            above = next((head for head in reversed(heads) if head.meets(first, last)), None)
            if (
                above is not None
                and (above.first, above.last) == (first, last)
                and phrase.y0 - above.phrases[-1].y1 < 0.8 * em
                and not _parted(above.phrases[-1], phrase, aids)
            ):
                above.phrases.append(phrase)
                above.end = number
            else:
                heads.append(_Head(number, number, first, last, [phrase]))
    # A cell begins right under what stands over it, however its own lines are set.
    for head in heads:
        head.start = max(
            (other.end + 1 for other in heads if other.end < head.start and other.meets(head.first, head.last)), default=0
        )
    starts = sorted({head.start for head in heads})
    slots = []
    for head in heads:
        following = [other.start for other in heads if other.start > head.start and other.meets(head.first, head.last)]
        row = starts.index(head.start)
        rows = (starts.index(min(following)) if following else len(starts)) - row
        slots.append(Slot(first_row + row, head.first, head.phrases, max(rows, 1), head.last - head.first + 1, header=True))
    return _without_overlaps(slots), len(starts)


def _spans(
    lines: Sequence[Line], number: int, columns: Sequence[Column], value_left: float, aids: Aids, em: float
) -> list[tuple[int, int]]:
    """First and last column of each phrase of a header line."""
    line, under = lines[number], lines[number + 1 :]
    below = under[0].y1 if under else line.y1 + 1.2 * em
    shares = _shared_out(line, under, columns, value_left, em)
    found = []
    for phrase in line.phrases:
        if is_stub(phrase, columns, value_left, em):
            found.append((0, 0))
        else:
            found.append(shares.get(id(phrase)) or span_of(phrase, line, columns, value_left, aids, below, em, under))
    return found


def _as_below(
    line: Line,
    spans: list[tuple[int, int]],
    under: Line,
    theirs: Sequence[tuple[int, int]],
    columns: Sequence[Column],
    em: float,
) -> None:
    """Give the first lines of a header the span that its last line has, which the rule under it showed, or the figures that it stands over."""
    for at, (phrase, span) in enumerate(zip(line.phrases, spans, strict=True)):
        for other, wide in zip(under.phrases, theirs, strict=True):
            stacked = abs(other.middle - phrase.middle) < 0.6 * em and other.y0 - phrase.y1 < 0.4 * em
            alone = sum(each[0] <= wide[1] and each[1] >= wide[0] for each in spans) == 1
            inside = wide[0] <= span[0] and span[1] <= wide[1]
            around = span[0] <= wide[0] and wide[1] <= span[1]
            centre = (columns[span[0]].x0 + columns[span[1]].x1) / 2
            exact = abs(other.middle - phrase.middle) < 0.3 * em < 0.6 * em < abs(centre - phrase.middle)
            if stacked and wide != span and ((alone and inside) or (around and exact and not other.year)):
                spans[at] = wide


def _shared_out(
    line: Line, under: Sequence[Line], columns: Sequence[Column], value_left: float, em: float
) -> dict[int, tuple[int, int]]:
    """The columns that each period of a line spans ("2022", "2021"), where the line shares out all columns: every one is centred on its part, and each
    column has a header of its own below. Empty where it does not.
    """
    labels = 1 if columns[0].x0 < value_left - 0.2 * em else 0
    phrases = [phrase for phrase in line.phrases if not is_stub(phrase, columns, value_left, em)]
    if not 2 <= len(phrases) < len(columns) - labels or not under or not all(_PERIOD.search(phrase.text) for phrase in phrases):
        return {}
    edges = [(a.middle + b.middle) / 2 for a, b in pairwise(phrases)]
    parts: list[list[int]] = [[] for _ in phrases]
    for at in range(labels, len(columns)):
        parts[sum(columns[at].middle > edge for edge in edges)].append(at)
    named = {
        column_of(phrase, columns) for other in under for phrase in other.phrases if not is_stub(phrase, columns, value_left, em)
    }
    for part, phrase in zip(parts, phrases, strict=True):
        if not part or abs((columns[part[0]].x0 + columns[part[-1]].x1) / 2 - phrase.middle) > 1.2 * em:
            return {}
        if len(part) > 1 and not named.issuperset(part):
            return {}
    return {id(phrase): (part[0], part[-1]) for part, phrase in zip(parts, phrases, strict=True)}


@dataclass(slots=True)
class _Head:
    start: int
    end: int
    first: int
    last: int
    phrases: list[Phrase]

    def meets(self, first: int, last: int) -> bool:
        return self.first <= last and self.last >= first


def _split_over(line: Line, columns: Sequence[Column], value_left: float, aids: Aids, below: float, em: float) -> Line:
    """A line whose phrases are taken apart where they are the headers of neighbouring columns, set close to each other."""
    phrases: list[Phrase] = []
    for phrase in line.phrases:
        first, last = covered(phrase, columns)
        over = _over_rule(phrase, line, columns, value_left, aids, below, em)
        if (
            (over is not None and over[0] < over[1])
            or first == last
            or not 2 <= len(phrase.words) <= _MOST_WORDS
            or is_stub(phrase, columns, value_left, em)
        ):
            phrases.append(phrase)
        else:
            parts = _wide_gaps(phrase, columns, em)
            phrases.extend(parts if len(parts) > 1 else _aligned_parts(phrase.words, columns, first, last, em) or [phrase])
    return Line(phrases, line.y0, line.y1, line.size)


def _wide_gaps(phrase: Phrase, columns: Sequence[Column], em: float) -> list[Phrase]:
    """Parts of a phrase between which there is more space than between its other words, and a column's edge."""
    gaps = [b.x0 - a.x1 for a, b in pairwise(phrase.words)]
    usual = sorted(gaps)[(len(gaps) - 1) // 2] if len(gaps) > 1 else 0.28 * em
    parts: list[list[Phrase]] = [[]]
    for word, gap in zip(phrase.words, [0.0, *gaps], strict=True):
        at = word.x0 - gap / 2
        between = any(a.middle < at < b.middle for a, b in pairwise(columns))
        if parts[-1] and between and gap > 0.36 * em and gap > 1.25 * usual:
            parts.append([])
        parts[-1].append(word)
    return [join_phrases(part) for part in parts]


def _aligned_parts(words: Sequence[Phrase], columns: Sequence[Column], first: int, last: int, em: float) -> list[Phrase] | None:
    """The words as one part for each column, every part in line with its column; None where they cannot be taken apart so."""
    if first == last:
        whole = join_phrases(words)
        return [whole] if _in_line(whole, columns[first], em) else None
    for cut in range(1, len(words)):
        head = join_phrases(words[:cut])
        if _in_line(head, columns[first], em):
            rest = _aligned_parts(words[cut:], columns, first + 1, last, em)
            if rest is not None:
                return [head, *rest]
    return None


def _in_line(part: Phrase, column: Column, em: float) -> bool:
    return min(abs(part.middle - column.middle), abs(part.x1 - column.x1), abs(part.x0 - column.x0)) < 0.7 * em


def span_of(
    phrase: Phrase,
    line: Line,
    columns: Sequence[Column],
    value_left: float,
    aids: Aids,
    below: float,
    em: float,
    under: Sequence[Line] = (),
) -> tuple[int, int]:
    """First and last column that a header phrase names.

    Parameters
    ----------
    phrase, line : Phrase, Line
        The phrase, and the line that it is on.
    columns : sequence of Column
    value_left : float
        Where the columns after the labels begin.
    aids : Aids
    below : float
        A rule down to this height underlines the phrase.
    em : float
    under : sequence of Line
        The header lines under it. A phrase centred over several years spans them.
    """
    ruled = _over_rule(phrase, line, columns, value_left, aids, below, em)
    if ruled is not None:
        return ruled
    labels = 1 if columns[0].x0 < value_left - 0.2 * em else 0
    first, last = covered(phrase, columns)
    first = max(first, min(labels, last))
    others = [covered(other, columns) for other in line.phrases if other is not phrase]
    low = max((other[1] + 1 for other in others if other[1] < first), default=labels)
    high = min((other[0] - 1 for other in others if other[0] > last), default=len(columns) - 1)

    def off(a: int, b: int) -> float:
        return abs((columns[a].x0 + columns[b].x1) / 2 - phrase.middle)

    years = [(column_of(p, columns), p) for p in (under[0].phrases if under else ()) if p.year]
    years = [(at, p) for at, p in years if low <= at <= high]
    centred = [
        (one[0], other[0])
        for at, one in enumerate(years)
        for other in years[at + 1 :]
        if one[0] <= first and last <= other[0] and abs((one[1].x0 + other[1].x1) / 2 - phrase.middle) < 1.2 * em
    ]
    if centred:
        return max(centred, key=lambda span: span[1] - span[0])
    if first == last:
        column = columns[first]
        if min(abs(phrase.x1 - column.x1), abs(phrase.x0 - column.x0), off(first, first)) < 1.5 * em:
            return first, last
    options = [(a, b) for a in range(min(low, first), first + 1) for b in range(last, max(high, last) + 1)]
    best = min(options, key=lambda option: (round(off(*option) / (0.6 * em)), option[1] - option[0]))
    return best if off(*best) < _OFF_CENTRE * em and off(*best) < off(first, last) - 0.3 * em else (first, last)


def _over_rule(
    phrase: Phrase, line: Line, columns: Sequence[Column], value_left: float, aids: Aids, below: float, em: float
) -> tuple[int, int] | None:
    """The columns over which the rule runs that underlines a phrase, and this phrase alone; None where there is none."""
    labels = 1 if columns[0].x0 < value_left - 0.2 * em else 0
    for rule in aids.rules_between(phrase.y1 - 0.5 * em, below, phrase.middle - 1, phrase.middle + 1):
        alone = sum(rule[0] - 1 <= other.middle <= rule[2] + 1 for other in line.phrases) == 1
        if alone and (not labels or rule[0] > max(columns[0].middle, columns[0].x0 + 3 * em)):
            held = [
                at
                for at, column in enumerate(columns)
                if rule[0] - 0.5 * em <= column.middle <= rule[2] + 0.5 * em and at >= labels
            ]
            if held:
                return held[0], held[-1]
    return None


def centred_over(phrase: Phrase, span: tuple[int, int], columns: Sequence[Column], em: float) -> bool:
    """Whether a phrase stands over the columns it is said to span: centred, or flush with either edge."""
    left, right = columns[span[0]].x0, columns[span[1]].x1
    slack = _OFF_CENTRE * em
    return abs((left + right) / 2 - phrase.middle) < slack or abs(right - phrase.x1) < slack or abs(left - phrase.x0) < slack


def _parted(upper: Phrase, lower: Phrase, aids: Aids) -> bool:
    """Whether a rule runs between two phrases that stand under each other."""
    top, bottom = (upper.y0 + upper.y1) / 2, (lower.y0 + lower.y1) / 2
    return any(
        rule[0] < lower.middle < rule[2]
        for rule in aids.rules_between(top, bottom, min(upper.x0, lower.x0), max(upper.x1, lower.x1))
    )


def _without_overlaps(slots: list[Slot]) -> list[Slot]:
    """Cells of one row that came to share a column, put into one."""
    found: list[Slot] = []
    for slot in sorted(slots, key=lambda slot: (slot.row, slot.column)):
        last = found[-1] if found else None
        if last is not None and last.row == slot.row and last.column + last.columns > slot.column:
            last.phrases.extend(slot.phrases)
            last.columns = max(last.column + last.columns, slot.column + slot.columns) - last.column
            last.rows = max(last.rows, slot.rows)
        else:
            found.append(slot)
    for slot in found:
        reach = [
            other.row
            for other in found
            if other.row > slot.row and other.column < slot.column + slot.columns and other.column + other.columns > slot.column
        ]
        if reach:
            slot.rows = min(slot.rows, min(reach) - slot.row)
    return found
