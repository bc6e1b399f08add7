"""Printed lines put together to the rows of a table: labels over several lines, group headings, header lines in the middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from bakeoff.tasks.documents.tabular.table_columns import Column, column_of, is_stub, overlap
from bakeoff.tasks.documents.tabular.table_draft import Aids, Draft, Slot, box_around, phrase_box
from bakeoff.tasks.documents.tabular.table_heads import header_slots
from bakeoff.tasks.documents.tabular.table_labels import is_unit_line
from bakeoff.tasks.documents.tabular.table_words import Line, Phrase

_OPEN_ENDS = (
    ",",
    "-",
    " and",
    " of",
    " the",
    " for",
    " to",
    " in",
    " on",
    " or",
    " from",
    " by",
    " with",
    " a",
    " an",
    "(",
    "/",
    "&",
)


@dataclass(slots=True)
class Row:
    """Lines that make one row. `header` rows name columns, `heading` rows name the rows under them, `data` rows hold values."""

    kind: Literal["header", "heading", "data"]
    lines: list[Line]


def group_rows(lines: Sequence[Line], columns: Sequence[Column], left: float, aids: Aids, em: float) -> list[Row]:
    """The rows that a table's lines make, from top to bottom.

    Parameters
    ----------
    lines : sequence of Line
        All lines of the table, header lines too.
    columns : sequence of Column
    left : float
        Where the columns of figures begin.
    aids : Aids
    em : float
        Font size of the table in points.
    """
    kinds = _kinds(lines, columns, left, em)
    pitches = [
        lower.middle - upper.middle
        for (upper, one), (lower, other) in zip(
            zip(lines, kinds, strict=True), list(zip(lines, kinds, strict=True))[1:], strict=False
        )
        if one == other == "data"
    ]
    pitch = median(pitches) if len(pitches) >= 2 else 1.35 * em
    label_end = max((p.x1 for line in lines for p in line.phrases if not p.value and p.x1 <= left), default=left)

    rows: list[Row] = []
    waiting: list[Line] = []
    for at, (line, kind) in enumerate(zip(lines, kinds, strict=True)):
        if kind == "header":
            rows.extend(Row("heading", [each]) for each in waiting)
            waiting = []
            rows.append(Row("header", [line]))
        elif kind == "rest" and rows and rows[-1].kind == "data" and not waiting and _wraps(rows[-1].lines[-1], line, aids):
            rows[-1].lines.append(line)
        elif kind in ("label", "rest"):
            last = rows[-1] if rows and rows[-1].kind == "data" and not waiting else None
            upper = last.lines[-1] if last else None
            following = lines[at + 1] if at + 1 < len(lines) else None
            down = (
                following is not None and kinds[at + 1] == "data" and _leads_into(line, following, aids, pitch, label_end, left)
            )
            if (
                last is not None
                and upper is not None
                and _follows(upper, line, aids, pitch, left)
                and not (down and _nearer(upper, line, following))
            ):
                last.lines.append(line)
                continue
            if waiting and not _leads_into(waiting[-1], line, aids, pitch, label_end, left):
                rows.extend(_headings(waiting, aids, pitch, label_end, left))
                waiting = []
            waiting.append(line)
        else:
            if waiting and _leads_into(waiting[-1], line, aids, pitch, label_end, left):
                rows.append(Row("data", [*waiting, line]))
            elif rows and rows[-1].kind == "data" and not waiting and line.x0 >= left and _wraps(rows[-1].lines[-1], line, aids):
                rows[-1].lines.append(line)
            else:
                rows.extend(_headings(waiting, aids, pitch, label_end, left))
                rows.append(Row("data", [line]))
            waiting = []
    rows.extend(_headings(waiting, aids, pitch, label_end, left))
    return rows


Kind = Literal["header", "label", "rest", "data"]


def _kinds(lines: Sequence[Line], columns: Sequence[Column], left: float, em: float) -> list[Kind]:
    """What each line is: it names columns, it holds words of a label or heading only, the rest of a cell of words, or values."""
    first = next((at for at, line in enumerate(lines) if _has_figures(line)), len(lines))
    labels = [[p for p in line.phrases if not p.value and p.x0 < left - 0.2 * em and p.middle < left] for line in lines]
    stubs = [[p for p in line.phrases if is_stub(p, columns, left, em)] for line in lines]
    labels = [
        stub if at < first or len(stub) < len(label) else label
        for at, (stub, label) in enumerate(zip(stubs, labels, strict=True))
    ]
    heads: set[str] = set()
    kinds: list[Kind] = []
    for at, (line, named) in enumerate(zip(lines, labels, strict=True)):
        others = [phrase for phrase in line.phrases if phrase not in named]
        figures = [phrase for phrase in others if phrase.value and not phrase.year]
        kind: Kind = "data"
        if not others:
            kind = "label"
        elif at < first:
            kind = "header"
            heads.update(phrase.text for phrase in others)
        elif not figures:
            stub = bool(named) and all(is_unit_line(phrase.text) for phrase in named)
            known = sum(phrase.text in heads for phrase in others)
            years = all(phrase.year for phrase in others)
            if (
                stub and (years or len(others) > 1) and (len(others) > 1 or len(lines[at - 1].phrases) == 1)
            ) or known > 0.5 * len(others):
                kind = "header"
        kinds.append(kind)
    # A line over the columns of figures, right over header lines, is one of them; a label line level with them or right over them is their stub.
    for at in range(len(lines) - 2, -1, -1):
        if kinds[at + 1] != "header" or lines[at + 1].y0 - lines[at].y1 > 1.2 * em:
            continue
        others = [phrase for phrase in lines[at].phrases if phrase not in labels[at]]
        if kinds[at] == "data" and others and not labels[at] and not any(phrase.value and not phrase.year for phrase in others):
            kinds[at] = "header"
        if kinds[at] == "label" and at < first and (at == 0 or lines[at].middle > lines[at + 1].y0 - 0.3 * em):
            kinds[at] = "header"
    for at in range(1, len(lines)):
        lone = len(lines[at].phrases) == 1 and not lines[at].values and kinds[at] == "data"
        if lone:
            kinds[at] = "label" if lines[at].x0 < left - 0.2 * em else "rest"
    return kinds


def _has_figures(line: Line) -> bool:
    """Whether it is a row of values. Figures of years alone are not."""
    return len(line.phrases) > 1 and any(not value.year for value in line.values)


def _headings(lines: Sequence[Line], aids: Aids, pitch: float, label_end: float, left: float) -> list[Row]:
    """Lines of words that no figures follow on: one heading each, or one over several lines."""
    found: list[Row] = []
    for line in lines:
        if found and _leads_into(found[-1].lines[-1], line, aids, pitch, label_end, left):
            found[-1].lines.append(line)
        else:
            found.append(Row("heading", [line]))
    return found


def _same_band(one: Line, other: Line, aids: Aids) -> bool | None:
    """Whether a shaded band holds both lines; None where neither is in one."""
    upper, lower = aids.band_at(one.middle, one.x0 + 1), aids.band_at(other.middle, other.x0 + 1)
    if upper is None and lower is None:
        return None
    return upper == lower


def _leads_into(upper: Line, lower: Line, aids: Aids, pitch: float, label_end: float, left: float) -> bool:
    """Whether a line of words is the beginning of the label that the next line ends."""
    words = lower.phrases[0]
    if words.value or words.x0 > left:
        return lower.middle - upper.middle < 0.8 * pitch
    text = upper.phrases[-1].text.rstrip()
    shared = _same_band(upper, lower, aids)
    if shared is not None:
        return shared
    if (
        text.endswith(":")
        or upper.phrases[0].bold != words.bold
        or lower.middle - upper.middle > 1.3 * max(upper.size, lower.size) + 2.0
    ):
        return False
    if words.text[:1].islower() or text.endswith(_OPEN_ENDS):
        return True
    first_word = (words.x1 - words.x0) * len(words.text.split(" ")[0]) / max(len(words.text), 1)
    full = upper.x1 + first_word > label_end and upper.x1 > 0.8 * label_end and words.x0 >= upper.x0 - 1
    tight = lower.middle - upper.middle < 0.92 * pitch
    return full or (tight and words.x0 >= upper.x0 - 1 and upper.x1 - upper.x0 > 0.5 * (label_end - upper.x0))


def _follows(upper: Line, lower: Line, aids: Aids, pitch: float, left: float) -> bool:
    """Whether a line of words under a row is the rest of its label."""
    if upper.phrases[0].value or upper.phrases[0].x0 > left or lower.x0 < upper.x0 - 1:
        return False
    shared = _same_band(upper, lower, aids)
    if shared is not None:
        return shared
    if upper.phrases[0].bold != lower.phrases[0].bold:
        return False
    close = lower.middle - upper.middle < 1.3 * max(upper.size, lower.size) + 2.0
    return close and (
        lower.phrases[0].text[:1].islower() or lower.phrases[0].text[:1] == "(" or lower.middle - upper.middle < 0.9 * pitch
    )


def _nearer(upper: Line, line: Line, lower: Line | None) -> bool:
    """Whether a line of words stands nearer to the row under it."""
    return lower is not None and lower.middle - line.middle <= line.middle - upper.middle + 0.3


def _wraps(upper: Line, lower: Line, aids: Aids) -> bool:
    """Whether a line without label or figures goes on with the cells of the row over it."""
    if lower.values:
        return False
    shared = _same_band(upper, lower, aids)
    if shared is not None:
        return shared
    return lower.middle - upper.middle < 1.3 * max(upper.size, lower.size) + 1.0


def assemble(grouped: Sequence[Row], columns: Sequence[Column], left: float, aids: Aids, em: float) -> Draft:
    """Rows as a grid of cells. Empty cells are in it; a group heading spans its row."""
    slots: list[Slot] = []
    number = 0
    at = 0
    labels = 1 if columns[0].x0 < left - 0.2 * em else 0
    while at < len(grouped):
        row = grouped[at]
        if row.kind == "header":
            block = list(row.lines)
            while at + 1 < len(grouped) and grouped[at + 1].kind == "header":
                at += 1
                block.extend(grouped[at].lines)
            made, taken = header_slots(block, columns, left, aids, em, number)
            slots.extend(made)
            number += taken
        elif row.kind == "heading":
            phrases = [phrase for line in row.lines for phrase in line.phrases]
            slots.append(Slot(number, 0, phrases, 1, len(columns), header=True))
            number += 1
        else:
            cells: dict[int, list[Phrase]] = {}
            for line in row.lines:
                for phrase in line.phrases:
                    label = labels and not phrase.value and phrase.x0 < left - 0.2 * em and phrase.middle < left
                    if label and phrase is not line.phrases[0] and _stands_in(phrase, columns, em):
                        label = False
                    column = column_of(phrase, [c for c in columns if c.x0 < left - 0.2 * em] if label else columns)
                    cells.setdefault(column, []).append(phrase)
            for column, phrases in sorted(cells.items()):
                slots.append(Slot(number, column, phrases, header=bool(labels) and column == 0))
            number += 1
        at += 1
    used = [line for row in grouped for line in row.lines]
    box = box_around(phrase_box(phrase) for line in used for phrase in line.phrases)
    return Draft(number, len(columns), slots, box, used)


def _stands_in(phrase: Phrase, columns: Sequence[Column], em: float) -> bool:
    """Whether words that begin before a column of figures are one of its cells: flush with its end, or centred on it."""
    at = column_of(phrase, columns)
    column = columns[at if at > 0 else min(1, len(columns) - 1)]
    return (
        overlap(phrase.x0, phrase.x1, column.x0, column.x1) > 0
        and min(abs(phrase.x1 - column.x1), abs(phrase.middle - column.middle)) < em
    )
