"""Reading order: columns, headings across them, notes beside them, tables and figures as units.

A recursive cut, in the manner of XY-cut (Nagy and Seth 1984), that looks for gutters first and for what crosses them second, as in whitespace
analysis (Breuel 2002). A gutter is a strip that many rows of a region leave empty and that has text on both sides. What crosses it (a heading, a wide
table) divides the region into bands from top to bottom; in each band the sides are columns, or they are not:

- Both sides hold running text (or a table or figure): they are read one after the other.
- One side is running text and the other is not aligned with it (or is set in groups of lines): notes, each read before the text that it stands beside.
- Otherwise (a label and its amount, a number and its heading in a list of contents) it is no gutter, and rows are read across.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

Row: TypeAlias = list[int]
"""Items of one line, from left to right."""

DEEPEST = 12
MOST_GUTTERS = 5
MOST_ITEMS = 20_000
"""Pages with more pieces than this are read from top to bottom: nobody wrote them to be read."""

NARROWEST_GUTTER, NARROWEST_NOTE_GUTTER = 0.45, 0.8
"""In font sizes of the body."""

MARGIN_BAND = 0.1
"""Share of the page's height, at the top and at the bottom, where a row may be a running header or footer."""


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """What is to be ordered: pieces of lines, and units (tables, figures, captions) that stay whole.

    Parameters
    ----------
    boxes : array of shape (n, 4)
        In a space where reading starts at the left; for right-to-left pages a mirrored one.
    base : array of shape (n,)
        Baselines; the top for units.
    unit : array of shape (n,), bool
    chars, letters, words : arrays of shape (n,)
        How many characters (spaces left out), letters, and words each has. 0 for units.
    goes_on : array of shape (n,), bool
        It begins with a letter that is no capital, as most lines of a paragraph do.
    """

    boxes: NDArray
    base: NDArray
    unit: NDArray
    chars: NDArray
    letters: NDArray
    words: NDArray
    goes_on: NDArray


def reading_order(items: Items, height: float, body: float) -> list[list[Row]]:
    """Regions in reading order, each as rows from top to bottom.

    Parameters
    ----------
    items : Items
    height : float
        Of the page.
    body : float
        Font size of the page's running text.
    """
    import numpy as np

    n = len(items.base)
    if not n:
        return []
    everything = np.arange(n)
    if n > MOST_ITEMS:
        return [_rows(items, everything, body)]
    top, middle, bottom = _margins(items, height, body)
    found = [[row] for row in top]
    found += [rows for part in _ordered(items, middle, body, 0) if (rows := _rows(items, part, body))]
    return found + [[row] for row in bottom]


def _margins(items: Items, height: float, body: float) -> tuple[list[Row], NDArray, list[Row]]:
    """Short rows at the very top and bottom that white space sets apart: a header above two columns belongs to neither."""
    import numpy as np

    order = np.argsort(items.boxes[:, 1], kind="stable")
    reach = np.maximum.accumulate(items.boxes[order, 3])
    gaps = items.boxes[order[1:], 1] - reach[:-1]
    cuts = np.flatnonzero(gaps >= 0.6 * body) + 1
    bands = np.split(order, cuts)
    first, last = 0, len(bands)
    while first < min(3, last - 1) and _marginal(items, bands[first], body, 0, MARGIN_BAND * height):
        first += 1
    least = max(first + 1, last - 3)
    while last > least and _marginal(items, bands[last - 1], body, (1 - MARGIN_BAND) * height, height * 2):
        last -= 1
    rows = [[row for band in part for row in _rows(items, band, body)] for part in (bands[:first], bands[last:])]
    return rows[0], np.concatenate(bands[first:last]), rows[1]


def _marginal(items: Items, band: NDArray, body: float, low: float, high: float) -> bool:
    boxes = items.boxes[band]
    inside = boxes[:, 1].min() >= low and boxes[:, 3].max() <= high
    tall = boxes[:, 3].max() - boxes[:, 1].min() > 4 * body
    return bool(inside and not tall and not items.unit[band].any() and len(band) <= 6 and items.chars[band].max() <= 100)


def _ordered(items: Items, region: NDArray, body: float, depth: int) -> Iterator[NDArray]:
    if len(region) > 1 and depth < DEEPEST:
        parts = _divided(items, region, body)
        if parts is not None:
            for part in parts:
                yield from _ordered(items, part, body, depth + 1)
            return
    yield region


def _divided(items: Items, region: NDArray, body: float) -> list[NDArray] | None:
    """The parts of a region in reading order, or None where it is one column. Each part is smaller than the region."""
    import numpy as np

    boxes = items.boxes[region]
    for gutter in _gutters(boxes, body):
        left, right = boxes[:, 2] <= gutter + 1, boxes[:, 0] >= gutter - 1
        parts: list[NDArray] = []
        rest: list[NDArray] = []
        for band in _led(items, region, list(_bands(boxes, ~(left | right), body)), left, body):
            sides = region[band[left[band]]], region[band[right[band] & ~left[band]]]
            whole = len(sides[0]) + len(sides[1]) == len(band)
            kind = _kind(items, *sides, body) if whole and len(sides[0]) and len(sides[1]) else None
            if kind is None:
                rest.append(region[band])
                continue
            parts += [np.concatenate(rest)] if rest else []
            rest = []
            parts += list(sides) if kind == "columns" else _with_notes(items, *sides, body)
        if parts:
            return parts + ([np.concatenate(rest)] if rest else [])
    return None


def _gutters(boxes: NDArray, body: float) -> Iterator[float]:
    """Where to cut from top to bottom, likeliest first: x with the most rows that are empty there and not to both sides of it."""
    import numpy as np

    x0, y0 = boxes[:, 0].min(), boxes[:, 1].min()
    width, height = boxes[:, 2].max() - x0, boxes[:, 3].max() - y0
    step_x, step_y = max(width / 400, 1.0), max(height / 400, 0.5 * body)
    inset = 0.15 * (boxes[:, 3] - boxes[:, 1])
    left, right = ((boxes[:, 0] - x0) / step_x).astype(int), np.ceil((boxes[:, 2] - x0) / step_x).astype(int)
    top = ((boxes[:, 1] + inset - y0) / step_y).astype(int)
    bottom = np.ceil((boxes[:, 3] - inset - y0) / step_y).astype(int)
    inked = np.zeros((int(height / step_y) + 2, int(width / step_x) + 2), dtype=bool)
    for a, b, c, d in zip(top.tolist(), bottom.tolist(), left.tolist(), right.tolist(), strict=True):
        inked[a : max(b, a + 1), c : max(d, c + 1)] = True
    # Lines of two columns may stand between each other's: a row is as tall as a line with the space around it.
    tall = inked.copy()
    for step in range(1, 4):
        tall[step:] |= inked[:-step]
        tall[:-step] |= inked[step:]
    before = np.logical_or.accumulate(tall, axis=1)
    after = np.logical_or.accumulate(tall[:, ::-1], axis=1)[:, ::-1]
    rows = (before & after & ~tall).sum(axis=0)
    for _ in range(MOST_GUTTERS):
        best = int(rows.argmax())
        most = int(rows[best])
        if most < 2:
            return
        low = high = best
        while low > 0 and rows[low - 1] >= 0.97 * most:
            low -= 1
        while high + 1 < len(rows) and rows[high + 1] >= 0.97 * most:
            high += 1
        yield float(x0 + (low + high + 1) / 2 * step_x)
        while low > 0 and 0 < rows[low - 1] <= rows[low]:
            low -= 1
        while high + 1 < len(rows) and 0 < rows[high + 1] <= rows[high]:
            high += 1
        rows[low : high + 1] = 0


def _bands(boxes: NDArray, crosses: NDArray, body: float) -> Iterator[NDArray]:
    """Runs from top to bottom of items that do not cross, and runs of those that do, with what stands on one line with these."""
    import numpy as np

    middles = (boxes[:, 1] + boxes[:, 3]) / 2
    levels = np.sort(middles[crosses & (boxes[:, 3] - boxes[:, 1] < 3 * body)])
    if len(levels):
        place = np.searchsorted(levels, middles)
        near = np.minimum(
            np.abs(levels[np.minimum(place, len(levels) - 1)] - middles), np.abs(levels[np.maximum(place, 1) - 1] - middles)
        )
        crosses = crosses | (near < 0.35 * body)
    order = np.argsort(middles, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(crosses[order])) + 1)


def _led(items: Items, region: NDArray, bands: list[NDArray], left: NDArray, body: float) -> list[NDArray]:
    """Bands, with a short line that ends one of them on one side, and stands nearer to the next, moved to the next: it is its heading."""
    import numpy as np

    boxes = items.boxes[region]
    for number in range(len(bands) - 1):
        band, below = bands[number], bands[number + 1]
        order = band[np.argsort(boxes[band, 1], kind="stable")]
        gaps = boxes[order[1:], 1] - np.maximum.accumulate(boxes[order, 3])[:-1]
        apart = np.flatnonzero(gaps >= 0.3 * body)
        if not len(apart):
            continue
        tail = order[apart[-1] + 1 :]
        one_sided = left[tail].all() or not left[tail].any()
        short = len(tail) <= 2 and items.chars[region[tail]].sum() <= 100 and not items.unit[region[tail]].any()
        if one_sided and short and gaps[apart[-1]] > boxes[below, 1].min() - boxes[tail, 3].max():
            bands[number], bands[number + 1] = order[: apart[-1] + 1], np.concatenate([tail, below])
    return [band for band in bands if len(band)]


def _kind(items: Items, left: NDArray, right: NDArray, body: float) -> Literal["columns", "notes"] | None:
    gutter = items.boxes[right, 0].min() - items.boxes[left, 2].max()
    if gutter < NARROWEST_GUTTER * body:
        return None
    sides = _side(items, left, body), _side(items, right, body)
    if all(side.runs or side.captioned for side in sides):
        if items.unit[left].any() or items.unit[right].any():
            return "columns"
        few, many = sorted(len(side.rows) for side in sides)
        enough = few >= 2 and (many >= 3 or min(int(side.chars.min()) for side in sides) >= 25)
        # Two lists of names line by line: lines of paragraphs mostly begin within a sentence.
        wrapped = min(side.wrapped for side in sides)
        return "columns" if enough and (wrapped >= 0.2 or _aligned(items, sides[0].texts, sides[1].texts, body) < 0.6) else None
    if not sides[0].rows or not sides[1].rows:
        return None
    aligned = _aligned(items, sides[0].texts, sides[1].texts, body)
    if not sides[0].runs and not sides[1].runs:
        # Two lists side by side whose lines do not even align: read across, they would be noise.
        return "columns" if aligned < 0.3 and min(len(side.rows) for side in sides) >= 3 else None
    note, main = sides if sides[1].runs else sides[::-1]
    letters, chars = items.letters[note.texts].sum(), int(note.chars.sum())
    if gutter < NARROWEST_NOTE_GUTTER * body or letters < 0.6 * chars:
        return None
    if len(main.rows) < 3 or chars < 5 * len(note.rows) or main.wrapped < 0.15:
        return None
    grouped = len(_groups(items, note.texts, body)) < len(note.rows) and chars > 8 * len(note.rows)
    return "notes" if aligned < 0.5 or grouped else None


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """One side of a gutter: its rows of text, from top to bottom, and what they look like."""

    items: NDArray
    texts: NDArray
    rows: list[Row]
    chars: NDArray
    runs: bool
    wrapped: float

    @property
    def captioned(self) -> bool:
        """It is a table or figure, with at most a few lines around it."""
        units = len(self.items) - len(self.texts)
        return units > 0 and len(self.texts) <= 4 * units


def _side(items: Items, side: NDArray, body: float) -> _Side:
    import numpy as np

    texts = side[~items.unit[side]]
    rows = _rows(items, texts, body)
    if not rows:
        return _Side(side, texts, rows, np.zeros(0), False, 0.0)
    starts = np.cumsum([0, *(len(row) for row in rows[:-1])])
    order = np.array([item for row in rows for item in row], dtype=np.int64)
    chars, words = np.add.reduceat(items.chars[order], starts), np.add.reduceat(items.words[order], starts)
    widths = np.maximum.reduceat(items.boxes[order, 2], starts) - np.minimum.reduceat(items.boxes[order, 0], starts)
    lettered = items.letters[texts].sum() >= 0.6 * items.chars[texts].sum()
    if len(rows) < 3:
        runs = bool(lettered and chars.max() >= 25)
    else:
        # Lines of words, most of them of about one width.
        wide = widths >= 0.7 * float(np.quantile(widths, 0.85))
        runs = bool(lettered and wide.mean() >= 0.45 and np.median(chars[wide]) >= 16 and np.median(words[wide]) >= 4)
    return _Side(side, texts, rows, chars, runs, float(items.goes_on[order[starts]].mean()))


def _aligned(items: Items, one: NDArray, other: NDArray, body: float) -> float:
    """Share of the lines of the shorter side that stand on a baseline of the other."""
    import numpy as np

    short, long = sorted((one, other), key=len)
    levels = np.sort(items.base[long])
    place = np.clip(np.searchsorted(levels, items.base[short]), 1, max(len(levels) - 1, 1))
    near = np.minimum(
        np.abs(levels[np.minimum(place, len(levels) - 1)] - items.base[short]), np.abs(levels[place - 1] - items.base[short])
    )
    return float((near < 0.25 * body).mean())


def _groups(items: Items, texts: NDArray, body: float) -> list[NDArray]:
    """Lines that follow each other closely."""
    import numpy as np

    order = texts[np.argsort(items.boxes[texts, 1], kind="stable")]
    reach = np.maximum.accumulate(items.boxes[order, 3])
    return np.split(order, np.flatnonzero(items.boxes[order[1:], 1] - reach[:-1] > 0.35 * body) + 1)


def _with_notes(items: Items, left: NDArray, right: NDArray, body: float) -> list[NDArray]:
    """The main text in stretches, each note before the first paragraph that begins beside it or below."""
    import numpy as np

    main, notes = (right, left) if _side(items, right, body).runs else (left, right)
    rows = _rows(items, main, body)
    tops = [min(float(items.boxes[item, 1]) for item in row) for row in rows]
    ends = [max(float(items.boxes[item, 3]) for item in row) for row in rows]
    edges = [max(float(items.boxes[item, 2]) for item in row) for row in rows]
    edge = max(edges)
    begins = [
        number
        for number in range(len(rows))
        if number == 0 or tops[number] - ends[number - 1] > 0.35 * body or edges[number - 1] < edge - 3 * body
    ]
    parts: list[NDArray] = []
    done = 0
    for group in _groups(items, notes, body):
        top = float(items.boxes[group, 1].min()) - 0.5 * body
        place = next((number for number in begins if number >= done and tops[number] >= top), len(rows))
        if place > done:
            parts.append(np.array([item for row in rows[done:place] for item in row], dtype=np.int64))
        parts.append(group)
        done = place
    if done < len(rows):
        parts.append(np.array([item for row in rows[done:] for item in row], dtype=np.int64))
    return parts


def _rows(items: Items, region: NDArray, body: float) -> list[Row]:
    """The lines of a region from top to bottom. A unit is a row of its own."""
    rows: list[Row] = []
    current: Row = []
    level = 0.0
    order = region[items.base[region].argsort(kind="stable")]
    boxes = items.boxes
    for item, base, unit in zip(order.tolist(), items.base[order].tolist(), items.unit[order].tolist(), strict=True):
        if current and not unit and base - level <= 0.35 * body and not _stacked(boxes, current, item, body):
            current.append(item)
            continue
        if current:
            rows.append(current)
        current, level = [item], base
        if unit:
            rows.append(current)
            current = []
    if current:
        rows.append(current)
    for row in rows:
        row.sort(key=lambda item: (float(boxes[item, 0]), item))
    return rows


def _stacked(boxes: NDArray, row: Row, item: int, body: float) -> bool:
    """Whether an item stands over or under one of a row's: then they are no line. Only the last few are looked at."""
    x0, x1 = boxes[item, 0], boxes[item, 2]
    return any(min(x1, boxes[other, 2]) - max(x0, boxes[other, 0]) > 0.5 * body for other in row[-64:])
