"""Ruled tables: the grid that level and upright lines make where they cross, and the glyphs in each of its cells.

Lines that meet belong to one grid. Where a stretch of a line between two cells is missing, the cells are one cell that spans both.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from bakeoff.tasks.documents.glyphs import RawPage, Rule
from bakeoff.tasks.documents.records import Box
from bakeoff.tasks.documents.tabular.table_draft import MOST_MARKS, Draft, Slot
from bakeoff.tasks.documents.tabular.table_words import WORD_GAP, Inks, Line, Phrase, is_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

SNAP = 3.0
"""Lines nearer to each other than this many points are one: a double line, or the two edges of a thick one."""

MEET = 2.5
MOST_LINES = 2_000
MOST_CELLS = 4_000
_SHORTEST = 5.0
_COVERED = 0.6
_PASSES = 8
_MOST_PRINTED = 200
_FEW_ROWS = 3

Stroke = tuple[float, float, float]
"""Where a line stands across its run, where it begins, where it ends."""


def find_ruled(page: RawPage, inks: Inks, rules: Sequence[Rule] | None = None) -> list[Draft]:
    """Tables whose columns and rows are parted by lines.

    Parameters
    ----------
    page : RawPage
        Upright.
    inks : Inks
        Its glyphs.
    rules : sequence of Rule, default=None
        Lines to look at; None for the page's own.

    Returns
    -------
    list of Draft
        From top to bottom; at least two rows and two columns each.
    """
    rules = page.rules if rules is None else rules
    level = _merged([(_mid(r.box[1], r.box[3]), r.box[0], r.box[2]) for r in rules[:MOST_MARKS] if r.horizontal])
    upright = _merged([(_mid(r.box[0], r.box[2]), r.box[1], r.box[3]) for r in rules[:MOST_MARKS] if not r.horizontal])
    if len(level) < 2 or not upright or len(level) + len(upright) > MOST_LINES:
        return []
    found = []
    for across, down in _components(level, upright):
        draft = _grid(page, inks, across, down)
        if draft is not None:
            found.append(draft)
    return sorted(found, key=lambda draft: (draft.box[1], draft.box[0]))


def _mid(a: float, b: float) -> float:
    return (a + b) / 2


def _merged(strokes: list[Stroke]) -> list[Stroke]:
    """Strokes of one line put together: at one height, touching or nearly so."""
    found: list[Stroke] = []
    open_ones: list[Stroke] = []
    for at, start, end in sorted(strokes):
        open_ones = [stroke for stroke in open_ones if at - stroke[0] < 0.8] if open_ones else []
        joined = next(
            (stroke for stroke in reversed(open_ones[-40:]) if start <= stroke[2] + 2.0 and end >= stroke[1] - 2.0), None
        )
        if joined is not None:
            new = (joined[0], min(joined[1], start), max(joined[2], end))
            found[found.index(joined)] = new
            open_ones[open_ones.index(joined)] = new
        else:
            found.append((at, start, end))
            open_ones.append((at, start, end))
        if len(found) > 2 * MOST_LINES:
            return found
    return [stroke for stroke in found if stroke[2] - stroke[1] >= _SHORTEST]


def _components(level: list[Stroke], upright: list[Stroke]) -> list[tuple[list[Stroke], list[Stroke]]]:
    """Groups of lines that cross or touch each other."""
    parent = list(range(len(level) + len(upright)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    upright = sorted(upright)
    places = [stroke[0] for stroke in upright]
    for number, (y, x0, x1) in enumerate(level):
        for at in range(bisect_left(places, x0 - MEET), bisect_right(places, x1 + MEET)):
            if upright[at][1] - MEET <= y <= upright[at][2] + MEET:
                parent[root(number)] = root(len(level) + at)
    groups: dict[int, tuple[list[Stroke], list[Stroke]]] = {}
    for number, stroke in enumerate(level):
        groups.setdefault(root(number), ([], []))[0].append(stroke)
    for number, stroke in enumerate(upright):
        groups.setdefault(root(len(level) + number), ([], []))[1].append(stroke)
    return [group for group in groups.values() if len(group[0]) >= 2 and group[1]]


def _snapped(places: list[float]) -> list[float]:
    found: list[list[float]] = []
    for place in sorted(places):
        if found and place - found[-1][-1] < SNAP:
            found[-1].append(place)
        else:
            found.append([place])
    return [sum(group) / len(group) for group in found]


def _grid(page: RawPage, inks: Inks, level: list[Stroke], upright: list[Stroke]) -> Draft | None:
    import numpy as np

    ys = _snapped([stroke[0] for stroke in level])
    xs = _snapped([stroke[0] for stroke in upright])
    # A table may be open at its sides: its level lines go on beyond the outermost upright ones.
    ends = [(stroke[1], stroke[2]) for stroke in level]
    left, right = min(end[0] for end in ends), max(end[1] for end in ends)
    if left < xs[0] - 2 * SNAP and sum(end[0] < left + SNAP for end in ends) >= 2:
        xs.insert(0, left)
    if right > xs[-1] + 2 * SNAP and sum(end[1] > right - SNAP for end in ends) >= 2:
        xs.append(right)
    rows, columns = len(ys) - 1, len(xs) - 1
    if rows < 2 or columns < 2 or rows * columns > MOST_CELLS:
        return None
    below = _drawn(level, ys, xs)  # Shape: (rows + 1, columns)
    beside = _drawn(upright, xs, ys).T  # Shape: (rows, columns + 1)
    below[0] = below[-1] = True
    beside[:, 0] = beside[:, -1] = True
    blocks = _blocks(below, beside)
    if blocks is None:
        return None

    inside = (inks.boxes[:, 0] + inks.boxes[:, 2]) / 2, (inks.boxes[:, 1] + inks.boxes[:, 3]) / 2
    held = (inside[0] > xs[0]) & (inside[0] < xs[-1]) & (inside[1] > ys[0]) & (inside[1] < ys[-1])
    if not held.any():
        return None
    where = np.flatnonzero(held)
    column_of = np.searchsorted(np.asarray(xs), inside[0][where]) - 1
    row_of = np.searchsorted(np.asarray(ys), inside[1][where]) - 1
    cell_of = blocks[row_of, column_of]
    if _cut_words(inks, where, cell_of) > 0.08:
        return None
    slots = []
    for number in np.unique(blocks).tolist():
        at_rows, at_columns = np.nonzero(blocks == number)
        row, column = int(at_rows[0]), int(at_columns[0])
        high, wide = int(at_rows[-1]) - row + 1, int(at_columns[-1]) - column + 1
        box = (xs[column], ys[row], xs[column + wide], ys[row + high])
        phrases = cell_phrases(page, inks, where[cell_of == number])
        slots.append(Slot(row, column, phrases, high, wide, box=box))
    draft = Draft(rows, columns, slots, (xs[0], ys[0], xs[-1], ys[-1]), ruled=True)
    draft = without_empty(with_printed_rows(draft))
    return draft if _holds_a_table(draft, len(where)) else None


def _drawn(strokes: list[Stroke], places: list[float], stops: list[float]) -> NDArray:
    """Which stretches between two stops are drawn at each place: shape (places, stops - 1)."""
    import numpy as np

    found = np.zeros((len(places), len(stops) - 1))
    for at, start, end in strokes:
        line = min(range(len(places)), key=lambda k: abs(places[k] - at))
        for k in range(max(0, bisect_right(stops, start) - 1), min(len(stops) - 1, bisect_left(stops, end))):
            shared = min(end, stops[k + 1]) - max(start, stops[k])
            found[line, k] += max(0.0, shared) / (stops[k + 1] - stops[k])
    return found >= _COVERED


def _blocks(below: NDArray, beside: NDArray) -> NDArray | None:
    """A cell number for each place of the grid: places that no line parts are one cell, made rectangular. Shape (rows, columns).

    None where the lines make no grid of rectangles after a few passes.
    """
    import numpy as np

    rows, columns = beside.shape[0], below.shape[1]
    parent = list(range(rows * columns))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for r, c in np.argwhere(~beside[:, 1:-1]).tolist():
        parent[root(r * columns + c)] = root(r * columns + c + 1)
    for r, c in np.argwhere(~below[1:-1]).tolist():
        parent[root(r * columns + c)] = root((r + 1) * columns + c)
    number = np.asarray([root(at) for at in range(rows * columns)]).reshape(rows, columns)
    for _ in range(_PASSES):
        crooked = False
        for group in np.unique(number).tolist():
            at_rows, at_columns = np.nonzero(number == group)
            if not len(at_rows):
                continue
            part = number[at_rows.min() : at_rows.max() + 1, at_columns.min() : at_columns.max() + 1]
            if part.size != len(at_rows):
                number[np.isin(number, part)] = group
                crooked = True
        if not crooked:
            return number
    return None


def _cut_words(inks: Inks, where: NDArray, cell_of: NDArray) -> float:
    """The share of neighbouring letters of one word that the grid puts into different cells."""
    boxes, line_of, sizes = inks.boxes[where], inks.line_of[where], inks.sizes[where]
    if len(where) < 2:
        return 0.0
    together = (line_of[1:] == line_of[:-1]) & (boxes[1:, 0] - boxes[:-1, 2] < WORD_GAP * sizes[1:])
    parted = together & (cell_of[1:] != cell_of[:-1])
    return float(parted.sum() / max((~together).sum(), 1))


def cell_phrases(page: RawPage, inks: Inks, rows: NDArray) -> list[Phrase]:
    """The words of a cell as one phrase per printed line. `rows` are rows of `inks`."""
    import numpy as np

    if not len(rows):
        return []
    line_of = inks.line_of[rows]
    found = []
    for part in np.split(rows, np.flatnonzero(np.diff(line_of)) + 1):
        boxes, sizes = inks.boxes[part], inks.sizes[part]
        gaps = np.zeros(len(part), dtype=bool)
        gaps[1:] = boxes[1:, 0] - boxes[:-1, 2] > WORD_GAP * sizes[1:]
        glyphs = inks.index[part].tolist()
        text = "".join((" " if gap else "") + page.chars[at] for gap, at in zip(gaps.tolist(), glyphs, strict=True))
        x0, y0, x1, y1 = boxes[:, 0].min(), boxes[:, 1].min(), boxes[:, 2].max(), boxes[:, 3].max()
        phrase = Phrase(
            glyphs, float(x0), float(y0), float(x1), float(y1), text, float(sizes.max()), bool(page.bold[glyphs].all())
        )
        phrase.value = is_number(text)
        found.append(phrase)
    return found


def with_printed_rows(draft: Draft) -> Draft:
    """A grid whose lines part the columns but not every row: a row of the grid whose cells hold level lines is as many rows.

    Lines of cells that only wrap are told apart from rows: the grid has three rows at most, and there are three columns or more that all have a
    phrase on every line, or a column with one whole figure on each of three lines or more.
    """
    by_row: dict[int, list[Slot]] = {}
    for slot in draft.slots:
        by_row.setdefault(slot.row, []).append(slot)
    slots: list[Slot] = []
    added = 0
    for row in range(draft.rows):
        here = by_row.get(row, [])
        whole = draft.rows <= _FEW_ROWS and all(slot.rows == 1 for slot in here) and not _reached(draft, row)
        heights = _level_lines(here, draft.columns) if whole else []
        for slot in here:
            slot.row += added
            if len(heights) < 2 or slot.box is None:
                slots.append(slot)
                continue
            edges = [slot.box[1], *((a + b) / 2 for a, b in pairwise(heights)), slot.box[3]]
            for at in range(len(heights)):
                phrases = [p for p in slot.phrases if edges[at] <= (p.y0 + p.y1) / 2 < edges[at + 1]]
                box = (slot.box[0], edges[at], slot.box[2], edges[at + 1])
                slots.append(Slot(slot.row + at, slot.column, phrases, 1, slot.columns, box=box))
        added += max(len(heights) - 1, 0)
    return Draft(draft.rows + added, draft.columns, slots, draft.box, draft.lines, draft.ruled)


def _reached(draft: Draft, row: int) -> bool:
    return any(slot.row < row < slot.row + slot.rows for slot in draft.slots)


def _level_lines(slots: Sequence[Slot], columns: int) -> list[float]:
    """Heights of the printed lines of a grid row that are rows of their own; empty where they are not."""
    full = [slot for slot in slots if slot.phrases]
    if len(full) < 2:
        return []
    most = max(full, key=lambda slot: len(slot.phrases))
    heights = [(phrase.y0 + phrase.y1) / 2 for phrase in most.phrases]
    em = most.phrases[0].size
    if not 2 <= len(heights) <= _MOST_PRINTED or any(b - a < 0.6 * em for a, b in pairwise(heights)):
        return []

    def level(slot: Slot) -> bool:
        if len(slot.phrases) != len(heights):
            return False
        return all(
            abs((phrase.y0 + phrase.y1) / 2 - height) < 0.3 * em for phrase, height in zip(slot.phrases, heights, strict=True)
        )

    levels = [slot for slot in full if level(slot)]
    figures = [slot for slot in levels if all(phrase.value for phrase in slot.phrases)]
    each = len(levels) == columns >= 3
    return heights if each or (figures and len(heights) >= 3 and len(levels) >= 2) else []


def with_head_over(draft: Draft, lines: Sequence[Line]) -> None:
    """Take in a bold header line that stands right over a grid, each phrase over one of its columns. Changes `draft` in place."""
    x0, y0, x1, _ = draft.box
    edges = sorted({slot.box[0] for slot in draft.slots if slot.box and slot.columns == 1} | {x1})
    first = [phrase for slot in draft.slots if slot.row == 0 for phrase in slot.phrases]
    if len(edges) != draft.columns + 1 or not first or all(phrase.bold for phrase in first):
        return
    line = max(
        (line for line in lines if line.middle < y0 and line.x1 > x0 and line.x0 < x1), key=lambda line: line.middle, default=None
    )
    if (
        line is None
        or y0 - line.y1 > 0.7 * line.size
        or not 2 <= len(line.phrases) <= draft.columns
        or not all(p.bold for p in line.phrases)
    ):
        return
    columns = [bisect_right(edges, phrase.x0 + 1) - 1 for phrase in line.phrases]
    inside = [0 <= at < draft.columns and phrase.x1 < edges[at + 1] + 2 for at, phrase in zip(columns, line.phrases, strict=True)]
    if not all(inside) or len(set(columns)) < len(columns):
        return
    for slot in draft.slots:
        slot.row += 1
    top = min(line.y0, y0 - 1)
    for at in range(draft.columns):
        phrases = [phrase for column, phrase in zip(columns, line.phrases, strict=True) if column == at]
        draft.slots.append(Slot(0, at, phrases, header=True, box=(edges[at], top, edges[at + 1], y0)))
    draft.rows += 1
    draft.box = (x0, top, x1, draft.box[3])


def without_empty(draft: Draft) -> Draft:
    """Without rows and columns that are drawn but hold nothing: the space between double lines, spacers."""
    full_rows = {slot.row for slot in draft.slots if slot.phrases}
    full_columns = {slot.column for slot in draft.slots if slot.phrases}
    thin_rows = {slot.row for slot in draft.slots if slot.box and slot.rows == 1 and slot.box[3] - slot.box[1] < 6.0}
    thin_columns = {slot.column for slot in draft.slots if slot.box and slot.columns == 1 and slot.box[2] - slot.box[0] < 6.0}
    rows = [row for row in range(draft.rows) if row in full_rows or row not in thin_rows]
    columns = [column for column in range(draft.columns) if column in full_columns or column not in thin_columns]
    if len(rows) == draft.rows and len(columns) == draft.columns:
        return draft
    slots = []
    for slot in draft.slots:
        kept_rows = [at for at, row in enumerate(rows) if slot.row <= row < slot.row + slot.rows]
        kept_columns = [at for at, column in enumerate(columns) if slot.column <= column < slot.column + slot.columns]
        if kept_rows and kept_columns:
            slot.row, slot.rows = kept_rows[0], len(kept_rows)
            slot.column, slot.columns = kept_columns[0], len(kept_columns)
            slots.append(slot)
    return Draft(len(rows), len(columns), slots, draft.box, draft.lines, draft.ruled)


def _holds_a_table(draft: Draft, glyphs: int) -> bool:
    """Cells enough that hold words; not a page's frame, a form of lines, a chart's grid, or one box around running text."""
    if draft.rows < 2 or draft.columns < 2:
        return False
    full = [slot for slot in draft.slots if slot.phrases]
    if len(full) < 3 or len(full) < 0.3 * len(draft.slots):
        return False
    if len({slot.column for slot in full}) < 2 or len({slot.row for slot in full}) < 2:
        return False
    largest = max(sum(len(phrase.glyphs) for phrase in slot.phrases) for slot in full)
    return not (largest > 0.6 * glyphs and largest > 300) and not (largest > 1_500 and len(full) < 8)


def inside_any(boxes: Sequence[Box], x: float, y: float) -> bool:
    """Whether a point is in one of the boxes."""
    return any(box[0] <= x <= box[2] and box[1] <= y <= box[3] for box in boxes)
