"""The second look: characters in doubt, larger, and those that overlap taken away one layer at a time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bakeoff.tasks.documents.reading.raw import draw
from bakeoff.tasks.documents.reading.raw_glyphs import Glyphs
from bakeoff.tasks.documents.reading.raw_page import FORM, TEXT, OpenPage
from bakeoff.tasks.documents.reading.raw_paths import object_boxes
from bakeoff.tasks.documents.reading.visible_ink import legible, pixel_boxes, switched_off
from bakeoff.tasks.documents.records import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CLOSER = 3.0
MOST_PIXELS = 24_000_000
MOST_LAYERS = 8
"""Text on text on text: what lies deeper than this is not legible, whatever colour it has."""

REACH = 0.5
REACHED = 0.7
"""Points that a glyph's ink can lie beside its box, at `CLOSER` pixels a point."""

SAME_PLACE = 0.15
"""Two of the same letter, closer than this share of their size, are one letter printed twice."""

REPEATED = 0.8
MARGIN = 0.12
UNLIKE = 0.25
MOST_PAIRS = 4_000_000
MOST_COPIES = 2_000
MOST_BANDS = 12
BAND_GAP = 12.0


def look_closer(page: OpenPage, glyphs: Glyphs, rows: NDArray, stacked: NDArray, texts: Sequence[int]) -> NDArray:
    """Whether each of the characters `rows` is seen.

    Parameters
    ----------
    page : OpenPage
    glyphs : Glyphs
    rows : array of shape (m,)
        The characters in doubt.
    stacked : array of shape (m,), bool
        Whether other characters reach into the place of each.
    texts : sequence of int
        All text objects of the page.
    """
    import numpy as np

    boxes, owner = glyphs.tight[rows], glyphs.object_of[rows]
    layers, twins = _layers(glyphs, rows, stacked)
    copies = _copies(page, glyphs, np.unique(owner[stacked]), texts) if stacked.any() else {}
    seen = np.zeros(len(rows), dtype=bool)
    for members in _bands(boxes):
        left, top = np.maximum(np.floor(boxes[members, :2].min(axis=0)) - 1, 0).tolist()
        right, bottom = np.minimum(np.ceil(boxes[members, 2:].max(axis=0)) + 1, (page.width, page.height)).tolist()
        region = (left, top, right, bottom)
        scale = min(CLOSER, float(np.sqrt(MOST_PIXELS / max((right - left) * (bottom - top), 1.0))))
        whole = draw(page, scale, region)
        for layer in np.unique(layers[members]).tolist():
            if layer >= MOST_LAYERS:
                continue
            these = members[layers[members] == layer]
            # Layer -1 overlaps nothing: there all text can go at once.
            own = np.unique(owner[these]).tolist()
            with switched_off(
                texts if layer < 0 else [handle for i in own for handle in (glyphs.objects[i], *copies.get(i, ()))]
            ):
                without = draw(page, scale, region)
            mask = legible(whole, without)
            local = boxes[these] - (left, top, left, top)
            exact, loose = pixel_boxes(local, scale, mask.shape), pixel_boxes(local, scale, mask.shape, slack=True)
            seen[these] = [
                _reaches(mask[y0:y1, x0:x1], width, height)
                for (x0, y0, x1, y1), width, height in zip(
                    loose.tolist(), (exact[:, 2] - exact[:, 0]).tolist(), (exact[:, 3] - exact[:, 1]).tolist(), strict=True
                )
            ]
        missing = members[~seen[members] & (layers[members] < 0)]
        if len(missing):
            seen[missing] = _drawn_otherwise(page, glyphs, boxes[missing], rows[missing], whole, region, scale)
    at = dict(zip(rows.tolist(), range(len(rows)), strict=True))
    for first, second in twins:
        if second in at:
            if first in at:
                seen[at[first]] |= seen[at[second]]
            seen[at[second]] = False
    return seen


def _drawn_otherwise(
    page: OpenPage, glyphs: Glyphs, boxes: NDArray, rows: NDArray, whole: NDArray, region: Box, scale: float
) -> NDArray:
    """Which characters a reader sees although taking them away changes nothing: their glyph is there once more, as a shape or in a picture.

    The page must look as the character alone on white paper looks: where its ink is, and around it. So black text in a black bar is not seen.
    """
    import numpy as np

    own = {glyphs.objects[i] for i in np.unique(glyphs.object_of[rows]).tolist()}
    with switched_off(
        [
            handle
            for handle, kind in zip(page.drawn.handles, page.drawn.types.tolist(), strict=True)
            if kind != FORM and handle not in own
        ]
    ):
        alone = draw(page, scale, region)
    paper = np.full_like(alone, 255)
    ink, shown = legible(alone, paper), legible(whole, paper)
    misses, extra = ink & ~_dilated(shown), shown & ~_dilated(ink)
    found = np.zeros(len(rows), dtype=bool)
    local = boxes - (region[0], region[1], region[0], region[1])
    margin = (MARGIN * glyphs.sizes[rows])[:, None] * (-1, -1, 1, 1)
    exact, around = pixel_boxes(local, scale, ink.shape), pixel_boxes(local + margin, scale, ink.shape)
    for at, ((x0, y0, x1, y1), (left, top, right, bottom)) in enumerate(zip(exact.tolist(), around.tolist(), strict=True)):
        glyph, blank = ink[top:bottom, left:right], ~ink[top:bottom, left:right]
        if _reaches(ink[y0:y1, x0:x1], x1 - x0, y1 - y0) and blank.any():
            found[at] = (
                misses[top:bottom, left:right][glyph].mean() <= UNLIKE and extra[top:bottom, left:right][blank].mean() <= UNLIKE
            )
    return found


def _dilated(mask: NDArray) -> NDArray:
    """A mask and the pixels next to it."""
    import numpy as np

    wide = mask.copy()
    wide[:, 1:] |= mask[:, :-1]
    wide[:, :-1] |= mask[:, 1:]
    tall = np.array(wide)
    tall[1:] |= wide[:-1]
    tall[:-1] |= wide[1:]
    return tall


def _copies(page: OpenPage, glyphs: Glyphs, objects: NDArray, texts: Sequence[int]) -> dict[int, list[int]]:
    """Text objects that repeat another one at the same place, by the one that they repeat.

    pdfium gives no characters for them. They have to go together, or the copy's ink hides that the text had any.
    """
    import numpy as np

    known = set(glyphs.objects)
    extra = [at for at in page.drawn.of_type(TEXT).tolist() if page.drawn.handles[at] not in known][:MOST_COPIES]
    if not extra:
        return {}
    objects = objects[:MOST_COPIES]
    order = dict(zip(page.drawn.handles, range(len(page.drawn.handles)), strict=True))
    listed = [at for at in objects.tolist() if glyphs.objects[at] in order]
    ours = object_boxes(page, np.array([order[glyphs.objects[at]] for at in listed], dtype=np.intp))
    theirs = object_boxes(page, np.array(extra, dtype=np.intp))
    found: dict[int, list[int]] = {}
    for at, box in zip(listed, ours, strict=True):
        same = np.abs(theirs - box).max(axis=1) < SAME_PLACE * max(box[3] - box[1], box[2] - box[0], 1.0)
        if same.any():
            found[at] = [page.drawn.handles[extra[k]] for k in np.flatnonzero(same).tolist()]
    return found


def _bands(boxes: NDArray) -> list[NDArray]:
    """Boxes in groups that stand far enough apart, top to bottom, for drawing each group on its own to be cheaper."""
    import numpy as np

    order = np.argsort(boxes[:, 1], kind="stable")
    reach = np.maximum.accumulate(boxes[order, 3])
    gaps = boxes[order[1:], 1] - reach[:-1]
    cuts = np.sort(np.argsort(-gaps, kind="stable")[: MOST_BANDS - 1])
    return np.split(order, cuts[gaps[cuts] > BAND_GAP] + 1)


def _reaches(mask: NDArray, width: int, height: int) -> bool:
    """Whether ink spans at least half of a glyph's width and of its height, both in pixels."""
    import numpy as np

    across, down = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(across):
        return False
    return bool(across[-1] - across[0] + 1 >= REACH * width and down[-1] - down[0] + 1 >= REACH * height)


def _layers(glyphs: Glyphs, rows: NDArray, stacked: NDArray) -> tuple[NDArray, list[tuple[int, int]]]:
    """For each of the characters `rows` the layer that it is taken away with, and pairs of characters that are one printed twice.

    Layer -1 is for characters that share their place with none. The text objects of one layer touch nowhere, except where one repeats the
    other: a greedy colouring of the graph of objects that do.
    """
    import numpy as np

    layers, owner, tight = np.full(len(rows), -1), glyphs.object_of, glyphs.tight
    if not stacked.any():
        return layers, []
    # An object goes as a whole: so all of its characters count, not only those in doubt.
    every = np.flatnonzero(np.isin(owner, owner[rows[stacked]]))
    first, second = _touching_pairs(tight[every] + np.array([-REACHED, -REACHED, REACHED, REACHED]))
    first, second = every[first], every[second]
    apart = owner[first] != owner[second]  # pieces of one ligature share their place and are one
    first, second = first[apart], second[apart]
    middle = (tight[:, :2] + tight[:, 2:]) / 2
    near = np.abs(middle[first] - middle[second]).max(axis=1) < SAME_PLACE * np.minimum(glyphs.sizes[first], glyphs.sizes[second])
    twins = [
        (a, b) for a, b in zip(first[near].tolist(), second[near].tolist(), strict=True) if glyphs.chars[a] == glyphs.chars[b]
    ]
    # Only a text that is repeated as a whole is one printed twice: other texts share a letter with it by chance.
    length = np.bincount(owner)
    repeated = Counter((int(owner[a]), int(owner[b])) for a, b in twins)
    twins = [
        (a, b) for a, b in twins if repeated[int(owner[a]), int(owner[b])] >= REPEATED * max(length[owner[a]], length[owner[b]])
    ]
    one_of = {obj: obj for obj in owner[every].tolist()}

    def head(obj: int) -> int:
        while one_of[obj] != obj:
            one_of[obj] = one_of[one_of[obj]]
            obj = one_of[obj]
        return obj

    for a, b in twins:
        one_of[head(int(owner[a]))] = head(int(owner[b]))
    beside: dict[int, set[int]] = {}
    for a, b in set(zip(owner[first].tolist(), owner[second].tolist(), strict=True)):
        a, b = head(a), head(b)
        if a != b:
            beside.setdefault(a, set()).add(b)
            beside.setdefault(b, set()).add(a)
    layer_of: dict[int, int] = {}
    for obj in sorted({head(obj) for obj in one_of}):
        taken = {layer_of[other] for other in beside.get(obj, ()) if other in layer_of}
        layer_of[obj] = next(k for k in range(len(taken) + 1) if k not in taken)
    layers[stacked] = [layer_of[head(obj)] for obj in owner[rows[stacked]].tolist()]
    return layers, twins


def _touching_pairs(boxes: NDArray) -> tuple[NDArray, NDArray]:
    """Pairs of boxes that share some area. At most `MOST_PAIRS` candidates are compared."""
    import numpy as np

    order = np.argsort(boxes[:, 1], kind="stable")
    tops, bottoms = boxes[order, 1], boxes[order, 3]
    n = len(boxes)
    counts = np.maximum(np.searchsorted(tops, bottoms, side="left") - np.arange(n) - 1, 0)
    counts = np.where(np.cumsum(counts) <= MOST_PAIRS, counts, 0)
    first = np.repeat(np.arange(n), counts)
    second = first + 1 + np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    first, second = order[first], order[second]
    kept = (boxes[first, 0] < boxes[second, 2]) & (boxes[second, 0] < boxes[first, 2])
    low, high = np.minimum(first[kept], second[kept]), np.maximum(first[kept], second[kept])
    return low, high
