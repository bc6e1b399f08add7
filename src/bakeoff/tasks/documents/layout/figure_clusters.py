"""Shapes that stand together: what is drawn on a page, without what only decorates it, grouped by nearness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakeoff.tasks.documents.glyphs import RawPage
from bakeoff.tasks.documents.records import Box
from bakeoff.tasks.documents.tabular.table_draft import MOST_MARKS, aids_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRAIN = 4.0
"""Side in points of the squares that the page is divided into to find what stands together."""

REACH = 9.0
"""Shapes up to twice this many points apart are one drawing."""

_PAGE_WIDE = 0.85
_ROW = 0.7
_GRID_GAP = 48.0
_LEGEND_GAP = 30.0


@dataclass(slots=True)
class Cluster:
    """Shapes that stand together, by kind, and the box around them."""

    box: Box
    paths: int
    fills: int
    rules: int


def clusters_of(page: RawPage, inked: NDArray, apart: Sequence[Box]) -> list[Cluster]:
    """Drawn shapes of a page by nearness.

    Parameters
    ----------
    page : RawPage
    inked : array of shape (m, 4)
        Boxes of the page's visible printed characters.
    apart : sequence of Box
        Tables: what is drawn in them, and around them, is theirs.

    Returns
    -------
    list of Cluster
        Rules that only underline, rows shaded behind words, and frames and backgrounds as large as the page are left out.
    """
    import numpy as np
    from scipy import ndimage

    paths = np.asarray(page.paths[:MOST_MARKS], dtype=float).reshape(-1, 4)
    fills = np.asarray([fill.box for fill in page.fills[:MOST_MARKS]], dtype=float).reshape(-1, 4)
    rules = np.asarray([rule.box for rule in page.rules[:MOST_MARKS]], dtype=float).reshape(-1, 4)
    kind = np.repeat([0, 1, 2], [len(paths), len(fills), len(rules)])
    boxes = np.concatenate([paths, fills, rules])
    boxes[:, 0::2] = boxes[:, 0::2].clip(0, page.width)
    boxes[:, 1::2] = boxes[:, 1::2].clip(0, page.height)
    keep = np.isfinite(boxes).all(axis=1)
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    keep &= ~((wide > _PAGE_WIDE * page.width) & (high > _PAGE_WIDE * page.height)) & (
        wide * high < _ROW * page.width * page.height
    )
    keep &= ~((kind == 2) & (np.maximum(wide / page.width, high / page.height) > 0.9))
    keep &= ~_in_tables(boxes, apart)
    keep &= ~((kind == 1) & (_behind_words(boxes, inked) | _in_strips(page, boxes, kind, inked)))
    boxes, kind = boxes[keep], kind[keep]
    if not len(boxes):
        return []
    columns, rows = int(page.width / GRAIN) + 2, int(page.height / GRAIN) + 2
    if columns * rows > 4_000_000:
        return []
    left = np.floor((boxes[:, 0] - REACH) / GRAIN).clip(0, columns - 1).astype(int)
    top = np.floor((boxes[:, 1] - REACH) / GRAIN).clip(0, rows - 1).astype(int)
    right = np.floor((boxes[:, 2] + REACH) / GRAIN).clip(0, columns - 1).astype(int) + 1
    bottom = np.floor((boxes[:, 3] + REACH) / GRAIN).clip(0, rows - 1).astype(int) + 1
    # Each box adds 1 over its area by its four corners; the running sums then say where anything is drawn.
    corners = np.zeros((rows + 1, columns + 1), dtype=np.int64)
    for at_rows, at_columns, sign in ((top, left, 1), (top, right, -1), (bottom, left, -1), (bottom, right, 1)):
        np.add.at(corners, (at_rows, at_columns), sign)
    covered = corners.cumsum(axis=0).cumsum(axis=1)[:rows, :columns] > 0
    labels, count = ndimage.label(covered, structure=np.ones((3, 3)))
    of = labels[top, left]
    found = []
    for number in range(1, min(count, 2_000) + 1):
        mine = of == number
        if not mine.any():
            continue
        held = boxes[mine]
        kinds = np.bincount(kind[mine], minlength=3)
        box = (float(held[:, 0].min()), float(held[:, 1].min()), float(held[:, 2].max()), float(held[:, 3].max()))
        found.append(Cluster(box, int(kinds[0]), int(kinds[1]), int(kinds[2])))
    return _with_outliers(found)


def _with_outliers(clusters: list[Cluster]) -> list[Cluster]:
    """Grid lines and the small squares of a legend, put to the drawing that they stand over or under."""
    large = [one for one in clusters if one.box[3] - one.box[1] > 40 and one.paths + one.fills >= 2]
    left = [one for one in clusters if one not in large]
    for drawing in large:
        joined = True
        while joined:
            joined = False
            for one in left:
                x0, y0, x1, y1 = drawing.box
                gap = max(one.box[1] - y1, y0 - one.box[3])
                within = one.box[0] > x0 - 6 and one.box[2] < x1 + 6 and one.box[3] - one.box[1] < 30
                grid = not one.paths and one.box[2] - one.box[0] > 0.85 * (x1 - x0)
                legend = one.fills and not one.rules and one.box[2] - one.box[0] < 24
                if within and 0 <= gap < (_GRID_GAP if grid else _LEGEND_GAP) and (grid or legend):
                    drawing.box = (min(x0, one.box[0]), min(y0, one.box[1]), max(x1, one.box[2]), max(y1, one.box[3]))
                    drawing.fills, drawing.rules = drawing.fills + one.fills, drawing.rules + one.rules
                    left.remove(one)
                    joined = True
                    break
    return [*large, *left]


def _in_tables(boxes: NDArray, tables: Sequence[Box]) -> NDArray:
    import numpy as np

    inside = np.zeros(len(boxes), dtype=bool)
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    for x0, y0, x1, y1 in tables:
        inside |= (x > x0 - 6) & (x < x1 + 6) & (y > y0 - 6) & (y < y1 + 6)
        inside |= (
            (boxes[:, 0] >= x0 - 14)
            & (boxes[:, 2] <= x1 + 14)
            & (boxes[:, 1] >= y0 - 40)
            & (boxes[:, 3] <= y1 + 14)
            & (y > y0 - 30)
        )
    return inside


def _in_strips(page: RawPage, boxes: NDArray, kind: NDArray, inked: NDArray) -> NDArray:
    """Fills of shaded rows: low and wide bands of one width, words on one of them at least. Bars of a chart differ in length, or hold no words."""
    import numpy as np

    inside = np.zeros(len(boxes), dtype=bool)
    bands = [band for band in aids_of(page).bands if 3 * (band[3] - band[1]) < band[2] - band[0] and band[3] - band[1] < 60]
    if not bands or not len(inked):
        return inside
    across, heights = (inked[:, 0] + inked[:, 2]) / 2, (inked[:, 1] + inked[:, 3]) / 2
    order = np.argsort(heights)
    across, heights = across[order], heights[order]
    worded: dict[tuple[int, int], int] = {}
    for band in bands:
        low, high = np.searchsorted(heights, (band[1], band[3]))
        if ((across[low:high] > band[0]) & (across[low:high] < band[2])).sum() >= 2:
            for key in {(round(band[0]) + left, round(band[2]) + right) for left in (-1, 0, 1) for right in (-1, 0, 1)}:
                worded[key] = worded.get(key, 0) + 1
    widths = [(round(band[0]), round(band[2])) for band in bands]
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    for band, key in zip(bands, widths, strict=True):
        if worded.get(key, 0) and sum(abs(key[0] - a) <= 1 and abs(key[1] - b) <= 1 for a, b in widths[:2_000]) >= 2:
            inside |= (kind == 1) & (x >= band[0]) & (x <= band[2]) & (y >= band[1]) & (y <= band[3])
    return inside


def _behind_words(boxes: NDArray, inked: NDArray) -> NDArray:
    """Fills that shade words: low ones in a row with one that holds words, and those mostly covered by words."""
    import numpy as np

    shades = np.zeros(len(boxes), dtype=bool)
    if not len(inked):
        return shades
    middle_x, middle_y = (inked[:, 0] + inked[:, 2]) / 2, (inked[:, 1] + inked[:, 3]) / 2
    area = (inked[:, 2] - inked[:, 0]) * (inked[:, 3] - inked[:, 1])
    order = np.argsort(middle_y)
    middle_x, middle_y, area = middle_x[order], middle_y[order], area[order]
    rows: set[tuple[int, int]] = set()
    for at, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        low, high = np.searchsorted(middle_y, (y0, y1))
        inside = (middle_x[low:high] >= x0) & (middle_x[low:high] <= x1)
        share = float(area[low:high][inside].sum()) / max((x1 - x0) * (y1 - y0), 1.0)
        if inside.sum() >= 2 and share > 0.18:
            shades[at] = True
            if y1 - y0 < 60:
                rows.add((round(y0), round(y1)))
    if rows:
        heights = np.round(boxes[:, 1::2]).astype(int).tolist()
        shades |= np.fromiter(((y0, y1) in rows for y0, y1 in heights), dtype=bool, count=len(boxes)) & (
            boxes[:, 3] - boxes[:, 1] < 60
        )
    return shades
