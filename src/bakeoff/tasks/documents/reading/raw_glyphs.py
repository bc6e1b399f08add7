"""The characters of a page: which, where, how large, in which font.

pdfium's order is kept: nearly that of the content stream, right-to-left text in logical order. Spaces and line breaks that pdfium makes up are
left out. A glyph that stands for several characters (a ligature) gives each of them an equal part of its box.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from bakeoff.tasks.documents.reading.raw_dropped import find_dropped
from bakeoff.tasks.documents.reading.raw_fonts import Font, advance_of, read_font
from bakeoff.tasks.documents.reading.raw_native import fill_by_index, fill_by_object, per_index, per_object
from bakeoff.tasks.documents.reading.raw_page import OpenPage, displayed

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN = 0xFFFD
HYPHEN_MARK, SOFT_HYPHEN = 0x0002, 0x00AD
"""What pdfium gives for a hyphen at a line end, and the character that asks for one."""

LIGATURES = range(0xFB00, 0xFB07)

PRIVATE_BULLETS = {
    0xF0B7: "•", 0xF0A7: "▪", 0xF0A8: "▫", 0xF06E: "■", 0xF06F: "□", 0xF0D8: "➢", 0xF0FC: "✓", 0xF076: "❖", 0xF0E0: "→", 0xF06C: "●", 0xF0B2: "◇",
}  # fmt: skip
"""What Word's symbol fonts put in the private area for list marks. The rest of it says nothing."""

FAKE_BOLD = 2
"""Text render mode 'fill, then stroke': how bold is made from a font that has none."""


class Glyphs(NamedTuple):
    """The characters of a page, as in `RawPage`, and where pdfium keeps them.

    `tight` are the boxes of the glyphs' ink as their font gives them, as displayed; `object_of` the text object that it belongs to (an index into `objects`);
    per object: `render_mode`, `heading` (degrees clockwise as displayed), `matrix` (to the page's own coordinates).
    """

    chars: str
    boxes: NDArray
    sizes: NDArray
    angles: NDArray
    fonts: NDArray
    font_list: tuple[Font, ...]
    bold: NDArray
    soft_hyphens: NDArray
    tight: NDArray
    object_of: NDArray
    objects: tuple[int, ...]
    render_mode: NDArray
    heading: NDArray
    matrix: NDArray


def read_glyphs(page: OpenPage) -> Glyphs:
    """Every character of the page that has a glyph. Read once, kept with the page."""
    if page.glyphs is None:
        page.glyphs = _read(page)
    return page.glyphs


def _read(page: OpenPage) -> Glyphs:
    import numpy as np

    count, text = page.character_count(), page.text
    owners = np.fromiter(per_index("FPDFText_GetTextObject", text, range(count)), np.uint64, count)
    codes = np.fromiter(per_index("FPDFText_GetUnicode", text, range(count)), np.uint32, count)
    # A character that pdfium made up belongs to no object; or it is a space in one, where letters are set far apart.
    spaces = np.flatnonzero((codes == ord(" ")) & (owners != 0))
    owners[spaces[np.fromiter(per_index("FPDFText_IsGenerated", text, spaces.tolist()), np.int32, len(spaces)) == 1]] = 0
    at = np.flatnonzero(owners)
    indices, codes = at.tolist(), codes[at]
    objects, first, object_of = np.unique(owners[at], return_index=True, return_inverse=True)
    handles = objects.tolist()
    matrix = fill_by_index("FPDFText_GetMatrix", text, at[first].tolist(), 6, "f4").astype(float)
    size = fill_by_object("FPDFTextObj_GetFontSize", handles, 1, "f4")[:, 0].astype(float)
    mode = np.fromiter(per_object("FPDFTextObj_GetTextRenderMode", handles), np.int8, len(handles))
    font_handles, font_of = np.unique(
        np.fromiter(per_object("FPDFTextObj_GetFont", handles), np.uint64, len(handles)), return_inverse=True
    )
    fonts = tuple(read_font(handle) if handle else _NO_FONT for handle in font_handles.tolist())

    kinds = _kinds(codes, font_of[object_of])
    ink = _in_order(fill_by_index("FPDFText_GetCharBox", text, indices, 4, "f8", apart=True)[:, [0, 2, 1, 3]])
    boxes = _boxes(text, indices, ink, object_of, matrix, size, font_of, fonts, kinds)
    hyphens = _hyphens(text, at, codes)
    codes = np.where(codes == HYPHEN_MARK, ord("-"), codes)
    codes = _readable(codes, text, at, font_of[object_of], fonts, kinds)
    heading = _headings(page.matrix, matrix)
    scale = np.sqrt(abs(page.matrix[0] * page.matrix[3] - page.matrix[1] * page.matrix[2]))
    em = np.abs(size) * np.hypot(matrix[:, 2], matrix[:, 3]) * scale
    bold = np.array([font.bold for font in fonts], dtype=bool)[font_of] | (mode == FAKE_BOLD) if fonts else np.zeros(0, bool)
    chars, keep = _characters(codes)
    object_of = object_of[keep]
    shown, tight = (divided(displayed(page.matrix, each[keep]), object_of, heading) for each in (boxes, ink))
    found = Glyphs(
        chars,
        shown.astype(np.float32),
        em[object_of].astype(np.float32),
        heading[object_of].astype(np.float32),
        font_of[object_of].astype(np.int16),
        fonts,
        bold[object_of],
        hyphens[keep],
        tight,
        object_of,
        tuple(handles),
        mode,
        heading,
        matrix,
    )
    return _with_dropped(page, found)


def _with_dropped(page: OpenPage, found: Glyphs) -> Glyphs:
    """The characters with those that pdfium left out, each beside the letter that it repeats."""
    import numpy as np

    twin, handles, shift = find_dropped(page, found.chars, found.objects, found.object_of, found.fonts, found.font_list)
    if not len(twin):
        return found
    a, b, c, d = (float(value) for value in page.matrix[:4])
    moved = np.tile(np.stack([shift[:, 0] * a + shift[:, 1] * c, shift[:, 0] * b + shift[:, 1] * d], axis=1), 2)
    owner = found.object_of[twin]
    matrix = found.matrix[owner].copy()
    matrix[:, 4:] += shift

    # On a page that is turned upside down, pdfium gives the letters of a line from its end to its beginning.
    before = np.maximum(twin - 1, 0)
    step = found.boxes[before, :2] - found.boxes[twin, :2]
    backwards = ((step * moved[:, :2]).sum(axis=1) > 0) & (np.abs(step).max(axis=1) < 2 * found.sizes[twin])
    place = np.where(backwards, twin, twin + 1)

    def put(values: NDArray, new: NDArray) -> NDArray:
        return np.insert(values, place, new, axis=0)

    letters = put(np.array(list(found.chars)), np.array([found.chars[at] for at in twin.tolist()]))
    return found._replace(
        chars="".join(letters.tolist()),
        boxes=put(found.boxes, found.boxes[twin] + moved.astype(np.float32)),
        sizes=put(found.sizes, found.sizes[twin]),
        angles=put(found.angles, found.angles[twin]),
        fonts=put(found.fonts, found.fonts[twin]),
        bold=put(found.bold, found.bold[twin]),
        soft_hyphens=put(found.soft_hyphens, found.soft_hyphens[twin]),
        tight=put(found.tight, found.tight[twin] + moved),
        object_of=put(found.object_of, len(found.objects) + np.arange(len(twin))),
        objects=(*found.objects, *handles),
        render_mode=np.concatenate([found.render_mode, found.render_mode[owner]]),
        heading=np.concatenate([found.heading, found.heading[owner]]),
        matrix=np.concatenate([found.matrix, matrix]),
    )


_NO_FONT = Font(0, "", False, False, (0.0, 0.0), (0.0, 0.0), False, True)


class _Kinds(NamedTuple):
    """The characters by (font, code): the font and code of each kind, one character of it, and the kind of each character."""

    font: NDArray
    code: NDArray
    first: NDArray
    of: NDArray


def _kinds(codes: NDArray, fonts_of: NDArray) -> _Kinds:
    import numpy as np

    keys, first, of = np.unique(fonts_of.astype(np.uint64) << np.uint64(32) | codes, return_index=True, return_inverse=True)
    return _Kinds((keys >> np.uint64(32)).astype(np.intp), (keys & np.uint64(0xFFFFFFFF)).astype(np.int64), first, of)


def _in_order(corners: NDArray) -> NDArray:
    """Boxes with finite numbers, lower left before upper right."""
    import numpy as np

    corners = np.clip(np.nan_to_num(corners.astype(float), nan=0.0, posinf=1e7, neginf=-1e7), -1e7, 1e7)
    return np.concatenate([np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])], axis=1)


def _boxes(
    text: int,
    indices: list[int],
    ink: NDArray,
    object_of: NDArray,
    matrix: NDArray,
    size: NDArray,
    font_of: NDArray,
    fonts: tuple[Font, ...],
    kinds: _Kinds,
) -> NDArray:
    """Boxes from true descent to true ascent and as wide as the advance, in the page's own coordinates.

    pdfium's own loose box bounds the parallelogram of the advance and of (descent, ascent) as it measures the font, and the glyph's ink. Its
    measures can be those of a substitute, and the ink of a slanted letter reaches past its advance. So the parallelogram is made anew from
    the origin, the matrix and the font; where that, with pdfium's measures, would not give pdfium's box (vertical writing, a character that
    stands for two glyphs of different width), pdfium's box is kept.
    """
    import numpy as np

    loose = _in_order(fill_by_index("FPDFText_GetLooseCharBox", text, indices, 4, "f4"))
    origin = np.nan_to_num(fill_by_index("FPDFText_GetCharOrigin", text, indices, 2, "f8", apart=True))
    if not len(loose):
        return loose
    widths = np.array(
        [advance_of(fonts[font], code) for font, code in zip(kinds.font.tolist(), kinds.code.tolist(), strict=True)]
    )
    em, of_font = size[object_of], font_of[object_of]
    a, b, c, d = (matrix[object_of, column] for column in range(4))
    given = np.array([font.given for font in fonts])[of_font] * em[:, None]
    true = np.array([font.true for font in fonts])[of_font] * em[:, None]
    # The advance as pdfium's box gives it back: right but for ink that reaches past it.
    tall, flat = np.abs(given[:, 0] - given[:, 1]), np.abs(a) >= np.abs(b)
    along = np.maximum(np.where(flat, np.abs(a), np.abs(b)), 1e-9)
    measured = np.where(flat, loose[:, 2] - loose[:, 0] - np.abs(c) * tall, loose[:, 3] - loose[:, 1] - np.abs(d) * tall) / along
    named = widths[kinds.of] * np.abs(em)
    boxes, done = loose.copy(), np.zeros(len(loose), dtype=bool)
    near = 0.02 * np.abs(em) * np.maximum(along, np.hypot(c, d)) + 1e-3
    for advance in (named, np.maximum(measured, 0.0)):
        plain = _bound(origin, a, b, c, d, advance, given)
        plain = np.concatenate([np.minimum(plain[:, :2], ink[:, :2]), np.maximum(plain[:, 2:], ink[:, 2:])], axis=1)
        off = np.abs(plain - loose)
        right = ~done & (np.maximum(np.maximum(off[:, 0], off[:, 1]), np.maximum(off[:, 2], off[:, 3])) <= near) & (advance > 0)
        boxes[right] = _bound(origin, a, b, c, d, advance, true)[right]
        done |= right
        if done.all():
            break
    # A font without measures: pdfium gives the ink alone.
    bare = ~done & (tall < 1e-6) & (named > 0)
    boxes[bare] = _bound(origin, a, b, c, d, named, true)[bare]
    return np.clip(boxes, -1e7, 1e7)


def _bound(origin: NDArray, a: NDArray, b: NDArray, c: NDArray, d: NDArray, advance: NDArray, heights: NDArray) -> NDArray:
    """The boxes of parallelograms from `origin`, `advance` long, from heights[:, 1] to heights[:, 0], under matrices (a, b, c, d)."""
    import numpy as np

    none = np.zeros(len(advance))
    found = np.empty((len(advance), 4))
    for axis, (run, rise) in enumerate(((a, c), (b, d))):
        along, up, down = run * advance, rise * heights[:, 0], rise * heights[:, 1]
        found[:, axis] = origin[:, axis] + np.minimum(none, along) + np.minimum(up, down)
        found[:, axis + 2] = origin[:, axis] + np.maximum(none, along) + np.maximum(up, down)
    return found


def _hyphens(text: int, at: NDArray, codes: NDArray) -> NDArray:
    import numpy as np

    found = np.isin(codes, (HYPHEN_MARK, SOFT_HYPHEN))
    ask = np.flatnonzero(np.isin(codes, (ord("-"), 0x2010)))
    if len(ask):
        found[ask] = np.fromiter(per_index("FPDFText_IsHyphen", text, at[ask].tolist()), np.int32, len(ask)) == 1
    return found


def _readable(codes: NDArray, text: int, at: NDArray, fonts_of: NDArray, fonts: tuple[Font, ...], kinds: _Kinds) -> NDArray:
    """Codes with those that stand for nothing a reader could name replaced by U+FFFD.

    pdfium gives a glyph that the file does not map its own number in the font, which looks like a letter. Asking of every character is
    dear, so one of each kind is asked; a font with one such glyph has all of its characters asked.
    """
    import numpy as np

    codes = codes.copy()
    missing = (
        np.fromiter(per_index("FPDFText_HasUnicodeMapError", text, at[kinds.first].tolist()), np.int32, len(kinds.first)) == 1
    )
    if missing.any():
        doubtful = np.flatnonzero(np.isin(fonts_of, kinds.font[missing]))
        codes[
            doubtful[
                np.fromiter(per_index("FPDFText_HasUnicodeMapError", text, at[doubtful].tolist()), np.int32, len(doubtful)) == 1
            ]
        ] = UNKNOWN
    odd = np.flatnonzero((codes < 0x20) | ((codes >= 0x7F) & (codes < 0xA0)) | ((codes >= 0xD800) & (codes != UNKNOWN)))
    for i in odd.tolist():
        code = int(codes[i])
        if code in (0x09, 0x0A, 0x0D):
            codes[i] = 0x20
        elif 0xF000 <= code <= 0xF0FF:
            pictorial = fonts[fonts_of[i]].pictorial
            letter = 0xF020 <= code <= 0xF07E and not pictorial
            codes[i] = code - 0xF000 if letter else ord(PRIVATE_BULLETS[code]) if code in PRIVATE_BULLETS else UNKNOWN
        elif code > 0x10FFFF or (not 0xD800 <= code < 0xE000 and unicodedata.category(chr(code)) in ("Cc", "Co", "Cn")):
            codes[i] = UNKNOWN
    return codes


def _characters(codes: NDArray) -> tuple[str, NDArray]:
    """The characters as one string, and for each of them the row that it came from: halves joined, ligatures taken apart."""
    import numpy as np

    special = (codes >= 0xD800) & (codes < 0xE000) | (codes >= LIGATURES.start) & (codes < LIGATURES.stop)
    if not special.any():
        return "".join(map(chr, codes.tolist())), np.arange(len(codes))
    found: list[str] = []
    rows: list[int] = []
    listed = codes.tolist()
    i = 0
    while i < len(listed):
        code, halves = listed[i], 1
        if 0xD800 <= code < 0xDC00 and i + 1 < len(listed) and 0xDC00 <= listed[i + 1] < 0xE000:
            letters, halves = chr(0x10000 + ((code - 0xD800) << 10) + listed[i + 1] - 0xDC00), 2
        elif 0xD800 <= code < 0xE000:
            letters = chr(UNKNOWN)
        elif code in LIGATURES:
            letters = unicodedata.normalize("NFKC", chr(code))
        else:
            letters = chr(code)
        found.append(letters)
        rows.extend([i] * len(letters))
        i += halves
    return "".join(found), np.array(rows, dtype=np.intp)


def _headings(page: NDArray, matrix: NDArray) -> NDArray:
    """Degrees clockwise, as displayed, in which the text of each object runs."""
    import numpy as np

    x = page[0] * matrix[:, 0] + page[2] * matrix[:, 1]
    y = page[1] * matrix[:, 0] + page[3] * matrix[:, 1]
    degrees = np.degrees(np.arctan2(y, x)) % 360.0
    return np.where(degrees > 359.99, 0.0, degrees)


def divided(boxes: NDArray, object_of: NDArray, headings: NDArray) -> NDArray:
    """Boxes, as displayed, with runs of the very same box in one object (one glyph, several characters) divided along the text."""
    import numpy as np

    if len(boxes) < 2:
        return boxes
    same = np.zeros(len(boxes), dtype=bool)
    same[1:] = object_of[1:] == object_of[:-1]
    for column in boxes.T:
        same[1:] &= column[1:] == column[:-1]
    if not same.any():
        return boxes
    boxes = boxes.copy()
    run = np.cumsum(~same) - 1
    counts = np.bincount(run)
    starts = np.flatnonzero(~same)
    rows = np.flatnonzero(counts[run] > 1)
    part, parts = (np.arange(len(boxes)) - starts[run])[rows], counts[run][rows]
    degrees = headings[object_of[rows]]
    upright = np.abs(np.sin(np.radians(degrees))) > np.abs(np.cos(np.radians(degrees)))
    backwards = np.where(upright, np.sin(np.radians(degrees)) < 0, np.cos(np.radians(degrees)) < 0)
    part = np.where(backwards, parts - 1 - part, part)
    low = np.where(upright, boxes[rows, 1], boxes[rows, 0])
    step = np.where(upright, boxes[rows, 3] - boxes[rows, 1], boxes[rows, 2] - boxes[rows, 0]) / parts
    for sideways, axis in ((~upright, 0), (upright, 1)):
        boxes[rows[sideways], axis] = (low + part * step)[sideways]
        boxes[rows[sideways], axis + 2] = (low + (part + 1) * step)[sideways]
    return boxes
