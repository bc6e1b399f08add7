"""Characters that pdfium cannot draw: their font is not in the file, and no font at hand has them.

Files from East Asia often name a font and leave it to the reader's machine. A viewer there shows the text; here the page stays blank, and a
comparison of pictures says nothing. Such a character counts as visible when everything that can be known speaks for it: it is filled with an
opaque colour that a reader can tell from all that is drawn in its place, nothing is drawn over it, its clipping path lets it through, it is
in no optional layer, form or blend. This is the only place where colours are trusted, and only for glyphs that have no outline at all.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from bakeoff.tasks.documents.reading.raw_glyphs import Glyphs
from bakeoff.tasks.documents.reading.raw_page import OpenPage
from bakeoff.tasks.documents.reading.raw_paths import clip_box, fill_colours
from bakeoff.tasks.documents.reading.visible_ink import Ink, pixel_boxes, told_apart

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILLED = (0, 2, 4, 6)
"""Text render modes that fill the glyph."""

CLEAR = 0.95
MOST_MARKS = 64


def undrawn(glyphs: Glyphs, rows: NDArray) -> NDArray:
    """Which of the characters `rows` have no outline, in a font that is not in the file. Shape (len(rows),), bool."""
    import numpy as np

    foreign = np.array([not font.embedded for font in glyphs.font_list], dtype=bool)
    found = foreign[glyphs.fonts[rows]]
    known: dict[tuple[int, str], bool] = {}
    for at in np.flatnonzero(found).tolist():
        kind = (int(glyphs.fonts[rows[at]]), glyphs.chars[rows[at]])
        if kind not in known:
            known[kind] = not _has_outline(glyphs.font_list[kind[0]].handle, ord(kind[1]))
        found[at] = known[kind]
    return found


def would_be_seen(
    page: OpenPage, glyphs: Glyphs, rows: NDArray, picture: NDArray, scale: float, corner: tuple[float, float]
) -> NDArray:
    """Whether a reader whose machine has the font would see each of the characters `rows`, none of which anything is drawn over.

    `picture` is the page as drawn here, without them, at `scale` pixels a point from `corner` on.
    """
    import numpy as np

    order = dict(zip(page.drawn.handles, range(len(page.drawn.handles)), strict=True))
    found = np.zeros(len(rows), dtype=bool)
    boxes = glyphs.boxes[rows].astype(float)
    pixels = pixel_boxes(boxes - (*corner, *corner), scale, picture.shape)
    owners = glyphs.object_of[rows]
    clear: dict[bytes, Ink] = {}
    for owner in np.unique(owners).tolist():
        at = order.get(glyphs.objects[owner], -1)
        if (
            at < 0
            or page.drawn.frame_of[at] != 0
            or int(glyphs.render_mode[owner]) not in FILLED
            or _set_apart(glyphs.objects[owner])
        ):
            continue
        colour = fill_colours([glyphs.objects[owner]])[0]
        if colour[3] < 255:
            continue
        clip = clip_box(page, at)
        members = np.flatnonzero(owners == owner)
        if clip is not None:
            middle = (boxes[members, :2] + boxes[members, 2:]) / 2
            inside = (middle >= clip[:2]).all(axis=1) & (middle <= clip[2:]).all(axis=1)
            members = members[inside]
        if len(members):
            key = colour.tobytes()
            if key not in clear:
                ink = np.broadcast_to(colour[:3].astype(np.uint8), (picture.shape[0] * picture.shape[1], 3))
                clear[key] = Ink(told_apart(picture.reshape(-1, 4)[:, :3], ink).reshape(picture.shape[:2]))
            area = (pixels[members, 2:] - pixels[members, :2]).prod(axis=1)
            found[members] = clear[key].count(pixels[members])[0] >= CLEAR * area
    return found


def _has_outline(font: int, code: int) -> bool:
    import pypdfium2.raw as pdfium

    path = pdfium.FPDFFont_GetGlyphPath(ctypes.cast(font, pdfium.FPDF_FONT), code, 10.0) if font else None
    return bool(path) and pdfium.FPDFGlyphPath_CountGlyphSegments(path) > 0


def _set_apart(handle: int) -> bool:
    """Whether an object is blended, masked, or in an optional layer."""
    import pypdfium2.raw as pdfium

    obj = ctypes.cast(handle, pdfium.FPDF_PAGEOBJECT)
    if pdfium.FPDFPageObj_HasTransparency(obj):
        return True
    marks = int(pdfium.FPDFPageObj_CountMarks(obj))
    return marks > MOST_MARKS or any(_mark_name(pdfium.FPDFPageObj_GetMark(obj, at)) == "OC" for at in range(max(marks, 0)))


def _mark_name(mark: Any) -> str:
    import pypdfium2.raw as pdfium

    buffer, size = ctypes.create_string_buffer(64), ctypes.c_ulong()
    pointer = ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR))
    if not mark or not pdfium.FPDFPageObjMark_GetName(mark, pointer, len(buffer), size) or not 2 <= size.value <= len(buffer):
        return ""
    return buffer.raw[: size.value - 2].decode("utf-16-le", "replace")
