"""Which characters of a page a reader can see.

A PDF can hold text that nobody sees: white on white, under a picture, outside the page, in a layer that is switched off. Such text is not part
of what the page says, and it is a way to smuggle instructions to a machine. So every character is compared with the picture of the page.

Three steps, cheapest first.

1. *Sure rules*: text that draws nothing (render modes 3 and 7), text smaller than `SMALLEST` points, text off the page.
2. *One look*: the page is drawn once with its text and once without, at one pixel a point. A character is visible when legible pixels (see
   `visible_ink`) make up at least `INKED` of its glyph's box, unless something could have lent it that ink or taken its own away: another
   character over more than `SHARED` of its box, or a fill, picture or shading that is drawn later and reaches into it.
3. *A second look* at the characters in doubt, at `CLOSER` pixels a point. Those that share their place with others are taken away one layer at a
   time, so that ink is counted for the text that it belongs to. A character counts as visible when its legible pixels reach over at least
   half of its glyph's width and half of its height: a letter that is covered more than halfway is not seen, the letters beside it are.

Nothing rests on colours alone, except for glyphs that cannot be drawn here (see `visible_undrawn`). A text repeated at the same place (bold
by printing twice) is visible once. A glyph that the file also draws as a shape or picture over or under the text is seen.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING, Any

from bakeoff.errors import BadData
from bakeoff.tasks.documents.glyphs import RawPage
from bakeoff.tasks.documents.reading.raw import draw, opened
from bakeoff.tasks.documents.reading.raw_glyphs import Glyphs, read_glyphs
from bakeoff.tasks.documents.reading.raw_native import fill_by_object
from bakeoff.tasks.documents.reading.raw_page import IMAGE, PATH, SHADING, TEXT, OpenPage, handles_of
from bakeoff.tasks.documents.reading.raw_paths import object_boxes
from bakeoff.tasks.documents.reading.visible_ink import Ink, legible, overlapping, pixel_boxes, switched_off
from bakeoff.tasks.documents.reading.visible_layers import look_closer
from bakeoff.tasks.documents.reading.visible_undrawn import undrawn, would_be_seen

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST = 2.5
"""Points, as displayed. Text below it is about 0.9 mm from ascent to descent: nobody reads it at the page's own size."""

NARROWEST = 0.15
"""Width of an em against its height. Text squeezed below it is a row of strokes."""

DRAWS_NOTHING = (3, 7)
INKED, INKED_WIDENED = 0.4, 0.8
SHARED = 0.2
SPILL, SPILL_LOW, LOW = 0.75, 1.5, 4
COMPANY = 12
OFF_PAGE = 0.5
THICK = 1.5
MOST_PIXELS = 16_000_000


def judge(pdf: Any, index: int, page: RawPage) -> RawPage:
    """The same page with `visible` decided.

    Parameters
    ----------
    pdf : pypdfium2.PdfDocument
    index : int
        From 0.
    page : RawPage
        What `raw.read_page` gave for it.

    Raises
    ------
    BadData
        If `page` is not what `read_page` gives for this document and index.
    """
    import numpy as np

    loaded = opened(pdf, index)
    glyphs = read_glyphs(loaded)
    if glyphs.chars != page.chars:
        raise BadData(
            f"Page {page.number} is not page {index + 1} of this document.", fix="Give judge the page that read_page gave for it."
        )
    if not page.chars:
        return page
    blank = np.fromiter(map(str.isspace, page.chars), bool, len(page.chars))
    possible = ~blank & ~_never_seen(loaded, glyphs)
    visible = np.zeros(len(page.chars), dtype=bool)
    rows = np.flatnonzero(possible)
    if len(rows):
        visible[rows] = _seen(loaded, glyphs, rows)
    return replace(page, visible=_with_blanks(visible, blank))


def _never_seen(page: OpenPage, glyphs: Glyphs) -> NDArray:
    import numpy as np

    tight = glyphs.tight
    mode = np.isin(glyphs.render_mode, DRAWS_NOTHING)
    a, b, c, d = glyphs.matrix[:, 0], glyphs.matrix[:, 1], glyphs.matrix[:, 2], glyphs.matrix[:, 3]
    across, up = np.hypot(a, b), np.hypot(c, d)
    # The height between the parallel lines of a slanted em, and the width along one of them.
    height = np.abs(a * d - b * c) / np.where(across > 0, across, 1.0)
    squeezed = (across < NARROWEST * up) | (height < NARROWEST * up)
    upright = np.abs(np.sin(np.radians(glyphs.angles))) > 0.5
    extent = np.where(upright, tight[:, 2] - tight[:, 0], tight[:, 3] - tight[:, 1])
    # A font may be drawn in units of its own (Type 3), where the size says little; then its tallest glyph is larger than the size.
    style = np.unique(np.stack([glyphs.fonts, np.round(glyphs.sizes, 2)], axis=1), axis=0, return_inverse=True)[1].ravel()
    tallest = np.zeros(style.max() + 1)
    np.maximum.at(tallest, style, extent)
    tiny = (glyphs.sizes < SMALLEST) & (tallest[style] < SMALLEST)
    inside = np.minimum(tight[:, 2:], (page.width, page.height)) - np.maximum(tight[:, :2], 0)
    area = np.maximum(tight[:, 2:] - tight[:, :2], 1e-3)
    off = (np.clip(inside / area, 0, 1).prod(axis=1) < OFF_PAGE) | (inside <= 0).any(axis=1) & (area > 1e-2).all(axis=1)
    return (mode | squeezed)[glyphs.object_of] | tiny | off


def _seen(page: OpenPage, glyphs: Glyphs, rows: NDArray) -> NDArray:
    """Whether each of some characters is seen, by comparing pictures."""
    import numpy as np

    texts = handles_of(page.drawn, page.drawn.of_type(TEXT))
    texts.extend(set(glyphs.objects).difference(texts))  # deeper than is looked for drawings
    boxes = glyphs.tight[rows]
    left, top = np.maximum(np.floor(boxes[:, :2].min(axis=0)) - 2, 0).tolist()
    right, bottom = np.minimum(np.ceil(boxes[:, 2:].max(axis=0)) + 2, (page.width, page.height)).tolist()
    region, scale = (left, top, right, bottom), min(1.0, float(np.sqrt(MOST_PIXELS / ((right - left) * (bottom - top)))))
    picture = draw(page, scale, region)
    with switched_off(texts):
        empty = draw(page, scale, region)
    boxes = boxes - (left, top, left, top)
    shape = picture.shape[:2]
    # pdfium sets glyphs on whole pixels: so the ink of a stroke or a dot may stand beside its box.
    exact, loose = pixel_boxes(boxes, scale, shape), pixel_boxes(boxes, scale, shape, slack=True)
    shared = overlapping(pixel_boxes(boxes + _across(glyphs.angles[rows], boxes, scale), scale, shape), shape)
    inked = _inked(Ink(legible(picture, empty)), exact, loose, shared > 0)
    contested = _with_company(shared > SHARED, glyphs.object_of[rows])
    covered = _maybe_covered(page, glyphs, rows, scale, (left, top), shape)
    doubtful = ~inked | contested | covered
    seen = ~doubtful
    again = np.flatnonzero(doubtful)
    if len(again):
        seen[again] = look_closer(page, glyphs, rows[again], contested[again] | (shared[again] > 0), texts)
        # What stands with hidden text was taken for seen too lightly, maybe.
        again = np.flatnonzero(_with_company(~seen, glyphs.object_of[rows]) & seen & ~contested)
        if len(again):
            seen[again] = look_closer(page, glyphs, rows[again], np.ones(len(again), dtype=bool), texts)
        blank = np.flatnonzero(~seen & ~covered & ~contested)
        blank = blank[undrawn(glyphs, rows[blank])]
        if len(blank):
            seen[blank] = would_be_seen(page, glyphs, rows[blank], picture, scale, (left, top))
    return seen


def _inked(ink: Ink, exact: NDArray, loose: NDArray, crowded: NDArray) -> NDArray:
    """Whether enough of each glyph's box is ink. Where a box was widened and others are near, more is asked, lest their ink be taken for its own."""
    count, rows = ink.count(loose)
    width, height = exact[:, 2] - exact[:, 0], exact[:, 3] - exact[:, 1]
    widened = crowded & (exact != loose).any(axis=1)
    area = width * height
    return (count >= INKED * area) & (~widened | (count >= INKED_WIDENED * area) & (rows >= height / 2))


def _with_company(flagged: NDArray, object_of: NDArray) -> NDArray:
    """What is flagged, the other characters of the same text objects, and the `COMPANY` characters before and after."""
    import numpy as np

    if not flagged.any():
        return flagged
    near = np.cumsum(np.concatenate([np.zeros(COMPANY + 1, np.int64), flagged, np.zeros(COMPANY, np.int64)]))
    within = near[2 * COMPANY + 1 :] - near[: len(flagged)] > 0
    return within | np.isin(object_of, object_of[flagged])


def _maybe_covered(
    page: OpenPage, glyphs: Glyphs, rows: NDArray, scale: float, corner: tuple[float, float], shape: tuple[int, ...]
) -> NDArray:
    """Which characters something is drawn over later on. Boxes only: it may let them be seen."""
    import numpy as np

    drawn = page.drawn
    covers = np.flatnonzero(np.isin(drawn.types, (PATH, IMAGE, SHADING)))
    found = np.zeros(len(rows), dtype=bool)
    if not drawn.complete:
        return ~found
    if not len(covers):
        return found
    handles = handles_of(drawn, covers)
    boxes = (object_boxes(page, covers) - (*corner, *corner)) * scale
    # A thin line strikes a word through or underlines it. It takes many to hide one, and then there is no ink left.
    solid = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) > THICK * scale
    solid &= (boxes[:, 0] < shape[1]) & (boxes[:, 1] < shape[0]) & (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
    paths = np.flatnonzero(drawn.types[covers] == PATH)
    if len(paths):
        listed = [handles[i] for i in paths.tolist()]
        mode = fill_by_object("FPDFPath_GetDrawMode", listed, 2, "i4", apart=True)
        stroke = fill_by_object("FPDFPageObj_GetStrokeWidth", listed, 1, "f4")[:, 0]
        solid[paths] &= (mode[:, 0] != 0) | (mode[:, 1] != 0) & (stroke > THICK)
    if not solid.any():
        return found
    ranks = np.flatnonzero(solid)
    latest = np.zeros(shape, dtype=np.int32)
    for rank, (x0, y0, x1, y1) in enumerate(boxes[ranks].clip(0, 1e6).astype(int).tolist(), start=1):
        latest[y0 : y1 + 1, x0 : x1 + 1] = rank
    if not latest.any():
        return found
    order_of = dict(zip(drawn.handles, range(len(drawn.handles)), strict=True))
    order = np.fromiter(map(order_of.get, glyphs.objects, repeat(-1)), np.int64, len(glyphs.objects))
    before = np.searchsorted(covers[ranks], order)[glyphs.object_of[rows]]  # how many covers are drawn before the text
    left, top, right, bottom = ((glyphs.tight[rows] - (*corner, *corner)) * scale).T
    for across in (0.1, 0.5, 0.9):
        x = np.clip(left + across * (right - left), 0, shape[1] - 1).astype(int)
        for down in (0.1, 0.5, 0.9):
            y = np.clip(top + down * (bottom - top), 0, shape[0] - 1).astype(int)
            found |= latest[y, x] > before
    return found


def _across(angles: NDArray, boxes: NDArray, scale: float) -> NDArray:
    """What to add to boxes, (n, 4), to make them taller (across the text's direction) and narrower (along it).

    Ink of the lines above and below can spill over; and letters of one line reach into each other's boxes, which is harmless.
    """
    import numpy as np

    upright = np.abs(np.sin(np.radians(angles))) > 0.5
    tall = np.where(upright, boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    out, inward = np.where(tall * scale < LOW, SPILL_LOW, SPILL) / scale, np.full(len(boxes), SPILL / scale)
    return np.stack(
        [
            np.where(upright, -out, inward),
            np.where(upright, inward, -out),
            np.where(upright, out, -inward),
            np.where(upright, -inward, out),
        ],
        1,
    )


def _with_blanks(visible: NDArray, blank: NDArray) -> NDArray:
    """Spaces are seen where the character before or after them is."""
    import numpy as np

    if not blank.any():
        return visible
    n = len(visible)
    at = np.arange(n)
    before = np.maximum.accumulate(np.where(blank, -1, at))
    after = np.minimum.accumulate(np.where(blank, n, at)[::-1])[::-1]
    padded = np.append(visible, False)  # index -1 and n both read False
    return np.where(blank, padded[before] | padded[np.minimum(after, n)], visible)
