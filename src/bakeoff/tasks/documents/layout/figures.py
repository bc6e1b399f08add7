"""Figures of a page: raster pictures, and clusters of drawn shapes (charts, flow charts, diagrams), with the words in them and their captions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bakeoff.tasks.documents.glyphs import RawFigure, RawPage, RawTable
from bakeoff.tasks.documents.layout.figure_clusters import Cluster, clusters_of
from bakeoff.tasks.documents.records import Box
from bakeoff.tasks.documents.tabular.table_draft import box_around
from bakeoff.tasks.documents.tabular.table_words import Line, main_angle, read_inks, read_lines, turn_box, upright

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST_SIDE = 30.0
"""A figure is at least this many points wide and high, and covers `SMALLEST_SHARE` of the page: less is a logo, an icon, a bullet."""

SMALLEST_SHARE = 0.006
WHOLE_PAGE = 0.85
"""A picture that covers this share of the page is the page itself: a scan or a background."""

MOST_FIGURES = 200
_TILE_GAP = 2.0
_CAPTION_GAP = 32.0
_TITLE_GAP = 16.0
_LABEL_GAP = 14.0
_LONGEST_LABEL = 36
_LONGEST_CAPTION = 300
_FRAMES = 4
_NAMES = re.compile(
    r"(?:figure|fig\.?|abb(?:ildung|\.)|chart|exhibit|diagram|graph|scheme|illustration|plate|map|image|photo(?:graph)?)\s*"
    r"(?:\d+|[A-Z]\d*\b|[IVX]+\b)(?:[.\-–]\d+)*",
    re.IGNORECASE,
)


def find_figures(page: RawPage, tables: Sequence[RawTable]) -> list[RawFigure]:
    """The figures on a page, from top to bottom.

    Pictures laid side by side or over each other without a gap are one. A cluster of shapes is a drawing when it has curves, slanted lines, joined boxes
    or several bars; rules under words, shaded rows, frames around paragraphs, borders and full-page pictures are none. Words that OCR could read
    in a picture are added elsewhere (`RawFigure.seen`).

    Parameters
    ----------
    page : RawPage
        With `visible` decided.
    tables : sequence of RawTable
        Of this page. What is drawn in them, and their words, are theirs.

    Returns
    -------
    list of RawFigure
        Each glyph is in at most one of them, and in none that a table holds.
    """
    angle = main_angle(page)
    turned = upright(page, angle)
    sheets = [turn_box(table.box, angle, page.width, page.height) for table in tables]
    inks = read_inks(turned)
    taken = {glyph for table in tables for cell in table.cells for glyph in cell.glyphs} | {
        g for table in tables for g in table.caption
    }
    found = _merged([*_pictures(turned), *_drawings(turned, inks.boxes, sheets)])
    found = [(kind, box) for kind, box in found if not any(_shared(box, sheet) > 0.5 for sheet in sheets)]
    if not found:
        return []
    lines = read_lines(turned, inks)
    figures = []
    for kind, box in sorted(found[:MOST_FIGURES], key=lambda each: (each[1][1], each[1][0])):
        others = [other for _, other in found if other is not box]
        caption = _caption(lines, box, taken, [*sheets, *others])
        taken.update(glyph for line in caption for glyph in _glyphs(line))
        if kind == "drawing":
            box = _with_labels(lines, box, taken, [*sheets, *others])
        inside = _inside(lines, box, taken)
        taken.update(inside)
        figures.append(RawFigure(kind, box, tuple(inside), (), tuple(glyph for line in caption for glyph in _glyphs(line))))
    back = (360 - angle) % 360
    if back:
        figures = [
            RawFigure(f.kind, turn_box(f.box, back, turned.width, turned.height), f.glyphs, (), f.caption) for f in figures
        ]
    return figures


def _large_enough(box: Box, page: RawPage) -> bool:
    wide, high = box[2] - box[0], box[3] - box[1]
    return min(wide, high) >= SMALLEST_SIDE and wide * high >= SMALLEST_SHARE * page.width * page.height


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _shared(one: Box, other: Box) -> float:
    """How much of the smaller box is in the other, from 0 to 1."""
    common = (max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3]))
    if common[0] >= common[2] or common[1] >= common[3]:
        return 0.0
    return _area(common) / max(min(_area(one), _area(other)), 1e-6)


def _pictures(page: RawPage) -> list[tuple[str, Box]]:
    """Raster images, tiles of one picture put together."""
    boxes = [
        (max(0.0, image.box[0]), max(0.0, image.box[1]), min(page.width, image.box[2]), min(page.height, image.box[3]))
        for image in page.images[:2_000]
    ]
    groups = _tiles([box for box in boxes if box[0] < box[2] and box[1] < box[3]])
    whole = page.width * page.height
    return [("image", box) for box in groups if _large_enough(box, page) and _area(box) < WHOLE_PAGE * whole]


def _tiles(boxes: list[Box]) -> list[Box]:
    """Boxes that overlap, or touch along a common side of nearly the same length, as one."""
    found: list[Box] = []
    for box in sorted(set(boxes), key=lambda box: (box[1], box[0])):
        found.append(box)
        joined = True
        while joined:
            joined = False
            for other in found[:-1][-300:]:
                if _is_tile(other, found[-1]):
                    found.remove(other)
                    found[-1] = box_around((other, found[-1]))
                    joined = True
                    break
    return found


def _is_tile(one: Box, other: Box) -> bool:
    if _shared(one, other) > 0.5:
        return True
    beside = min(abs(one[2] - other[0]), abs(other[2] - one[0])) < _TILE_GAP
    under = min(abs(one[3] - other[1]), abs(other[3] - one[1])) < _TILE_GAP
    same_height = abs(one[1] - other[1]) < _TILE_GAP and abs(one[3] - other[3]) < _TILE_GAP
    same_width = abs(one[0] - other[0]) < _TILE_GAP and abs(one[2] - other[2]) < _TILE_GAP
    return (beside and same_height) or (under and same_width)


def _drawings(page: RawPage, inked: NDArray, tables: Sequence[Box]) -> list[tuple[str, Box]]:
    return [
        ("drawing", cluster.box)
        for cluster in clusters_of(page, inked, tables)
        if _large_enough(cluster.box, page) and _is_drawing(cluster, inked)
    ]


def _is_drawing(cluster: Cluster, inked: NDArray) -> bool:
    """Shapes enough, and not mostly words: a frame around a paragraph has one outline, its four sides, and is full of words."""
    x0, y0, x1, y1 = cluster.box
    middle_x, middle_y = (inked[:, 0] + inked[:, 2]) / 2, (inked[:, 1] + inked[:, 3]) / 2
    inside = (middle_x >= x0) & (middle_x <= x1) & (middle_y >= y0) & (middle_y <= y1)
    area = ((inked[:, 2] - inked[:, 0]) * (inked[:, 3] - inked[:, 1]))[inside].sum()
    words = float(area) / max(_area(cluster.box), 1.0)
    shapes = cluster.paths + cluster.fills
    if words > 0.30 or shapes < 2:
        return False
    return cluster.paths >= _FRAMES or cluster.fills >= 3 or (shapes >= 2 and shapes + cluster.rules >= 6 and words < 0.2)


def _merged(found: list[tuple[str, Box]]) -> list[tuple[str, Box]]:
    """Figures that lie in each other as one; a drawing over a picture makes both a drawing only where the picture is the smaller."""
    merged: list[tuple[str, Box]] = []
    for kind, box in sorted(found, key=lambda each: -_area(each[1]))[:1_000]:
        at = next((k for k, (_, other) in enumerate(merged) if _shared(box, other) > 0.3), None)
        if at is None:
            merged.append((kind, box))
        else:
            merged[at] = (merged[at][0], box_around((merged[at][1], box)))
    return merged


def _glyphs(line: Line) -> list[int]:
    return [glyph for phrase in line.phrases for glyph in phrase.glyphs]


def _near(lines: Sequence[Line], box: Box, taken: set[int]) -> list[Line]:
    """Phrases of each line that stand over, under or in a box, as lines."""
    found = []
    for line in lines:
        kept = [p for p in line.phrases if p.x1 > box[0] - 4 and p.x0 < box[2] + 4 and p.glyphs[0] not in taken]
        if kept:
            found.append(Line(kept, min(p.y0 for p in kept), max(p.y1 for p in kept), line.size))
    return found


def _caption(lines: Sequence[Line], box: Box, taken: set[int], others: Sequence[Box]) -> list[Line]:
    """The lines that name a figure: "Figure 2: ..." below or above it; else a small or centred line right below; else a short title right above."""
    near = _near(lines, box, taken)
    below = [line for line in near if line.middle > box[3] - 2]
    above = [line for line in reversed(near) if line.middle < box[1] + 2]
    for side, gap_of in ((below, lambda line: line.y0 - box[3]), (above, lambda line: box[1] - line.y1)):
        for at, line in enumerate(side[:4]):
            if gap_of(line) < _CAPTION_GAP and _NAMES.match(line.text.strip()) and not _between(line, box, others):
                return _whole_caption(line, side[at + 1 :] if side is below else side[:at][::-1], box)
    for line in near:
        if box[1] <= line.middle <= box[3] and _NAMES.match(line.text.strip()) and min(line.y0 - box[1], box[3] - line.y1) < 20:
            return [line]
    body = sorted(line.size for line in lines)[len(lines) // 2] if lines else 10.0
    for line in below[:1]:
        small = line.size < 0.95 * body and len(line.text) < 160
        centred = abs((line.x0 + line.x1) / 2 - (box[0] + box[2]) / 2) < 6 and line.x1 - line.x0 < 0.9 * (box[2] - box[0])
        if (
            line.y0 - box[3] < _TITLE_GAP
            and (small or (centred and len(line.text) < 120))
            and not _between(line, box, others)
            and _has_words(line)
        ):
            return _whole_caption(line, below[1:], box)
    for line in above[:1]:
        titled = all(phrase.bold for phrase in line.phrases) or line.size < 0.95 * body
        if (
            box[1] - line.y1 < _TITLE_GAP
            and titled
            and len(line.text) < 100
            and not _between(line, box, others)
            and _has_words(line)
        ):
            return [line]
    return []


def _has_words(line: Line) -> bool:
    return sum(char.isalpha() for char in line.text) >= 4


def _between(line: Line, box: Box, others: Sequence[Box]) -> bool:
    """Whether a line is nearer to another figure or table on the same side."""
    mine = max(line.y0 - box[3], box[1] - line.y1, 0.0)
    theirs = [max(line.y0 - other[3], other[1] - line.y1, 0.0) for other in others if other[0] < line.x1 and other[2] > line.x0]
    return any(gap < mine - 2 for gap in theirs)


def _whole_caption(first: Line, following: Sequence[Line], box: Box) -> list[Line]:
    """A caption with the lines that it goes on in: close, in the same size, and begun where it begins."""
    found = [first]
    for line in following:
        gap = line.y0 - found[-1].y1
        said = sum(len(each.text) for each in found)
        ended = found[-1].text.rstrip().endswith(".") and found[-1].x1 < box[2] - 30
        if not -0.5 * line.size < gap < 0.5 * line.size or abs(line.size - first.size) > 0.6 or said > _LONGEST_CAPTION or ended:
            break
        aligned = abs(line.x0 - first.x0) < 2.5 * line.size or abs((line.x0 + line.x1) - (first.x0 + first.x1)) < 8
        if not aligned or _NAMES.match(line.text.strip()):
            break
        found.append(line)
    return found


def _with_labels(lines: Sequence[Line], box: Box, taken: set[int], others: Sequence[Box]) -> Box:
    """A drawing's box with the labels of its axes: short phrases right beside it, in lines that hold nothing longer."""
    grown = box
    for _ in range(2):
        near = (grown[0] - _LABEL_GAP, grown[1] - _LABEL_GAP, grown[2] + _LABEL_GAP, grown[3] + _LABEL_GAP)
        parts = [grown]
        for line in lines:
            if not near[1] < line.middle < near[3]:
                continue
            held = [p for p in line.phrases if p.x1 > near[0] and p.x0 < near[2] and p.glyphs[0] not in taken]
            level = grown[1] <= line.middle <= grown[3]
            lone = level or len(held) == len(line.phrases)
            if held and lone and all(len(p.text) <= _LONGEST_LABEL for p in held):
                if not level and len(held) == 1 and len(held[0].text) > 24:
                    continue
                parts.extend((p.x0, p.y0, p.x1, p.y1) for p in held)
        new = box_around(parts)
        if any(_shared(new, other) > 0.2 for other in others) or new == grown:
            break
        grown = new
    return grown


def _inside(lines: Sequence[Line], box: Box, taken: set[int]) -> list[int]:
    """Glyphs of phrases whose middle is in a box, in reading order."""
    return [
        glyph
        for line in lines
        if box[1] - 2 <= line.middle <= box[3] + 2
        for phrase in line.phrases
        if box[0] - 2 <= phrase.middle <= box[2] + 2
        for glyph in phrase.glyphs
        if glyph not in taken
    ]
