"""What a page's fonts are called, how tall they are, and whether they are bold or slanted."""

from __future__ import annotations

import ctypes
import re
from typing import Any, NamedTuple

ORDINARY = (0.75, -0.25)
"""Ascent and descent, in ems, where a font gives none that can be."""

STANDARD = {
    "Courier": (0.629, -0.157), "Courier-Oblique": (0.629, -0.157), "Courier-Bold": (0.626, -0.142), "Courier-BoldOblique": (0.626, -0.142),
    "Helvetica": (0.718, -0.207), "Helvetica-Oblique": (0.718, -0.207), "Helvetica-Bold": (0.718, -0.207), "Helvetica-BoldOblique": (0.718, -0.207),
    "Times-Roman": (0.683, -0.217), "Times-Italic": (0.683, -0.205), "Times-Bold": (0.676, -0.205), "Times-BoldItalic": (0.699, -0.205),
    "Symbol": (1.010, -0.293), "ZapfDingbats": (0.820, -0.143),
}  # fmt: skip
"""Ascender and descender of the 14 fonts that need not be in the file (Adobe's AFM files; for the last two the font's box)."""

BOLD = re.compile(r"bold|black|heavy|demi|(?:^|[-,_ ])(?:bd|blk|hv)(?:$|[-,_ ])", re.IGNORECASE)
ITALIC = re.compile(r"ital|oblique|slanted|kursiv|(?:^|[-,_ ])(?:it|obl)(?:$|[-,_ ])", re.IGNORECASE)
ITALIC_FLAG, FORCE_BOLD_FLAG = 1 << 6, 1 << 18
BOLD_WEIGHT = 700
PICTORIAL = re.compile(r"symbol|dings|dingbat|icon|awesome|emoji|bullet|math|cmsy|cmex|msam|msbm", re.IGNORECASE)


class Font(NamedTuple):
    """One font of a page. `given` is the (ascent, descent) that pdfium measures with, `true` the one to show; both in ems."""

    handle: int
    name: str
    bold: bool
    italic: bool
    given: tuple[float, float]
    true: tuple[float, float]
    pictorial: bool
    embedded: bool


def read_font(handle: int) -> Font:
    """The font behind one of pdfium's font handles."""
    import pypdfium2.raw as pdfium

    font = ctypes.cast(handle, pdfium.FPDF_FONT)
    name = _name(pdfium.FPDFFont_GetBaseFontName, font) or _name(pdfium.FPDFFont_GetFamilyName, font)
    ascent, descent = ctypes.c_float(), ctypes.c_float()
    pdfium.FPDFFont_GetAscent(font, 1.0, ascent)
    pdfium.FPDFFont_GetDescent(font, 1.0, descent)
    given = (ascent.value, descent.value)
    embedded = pdfium.FPDFFont_GetIsEmbedded(font) == 1
    if name in STANDARD and not embedded:
        true = STANDARD[name]
    else:
        true = given if 0.4 <= given[0] - given[1] <= 2.0 and given[0] > 0.2 and given[1] <= 0.1 else ORDINARY
    flags, slant = max(0, pdfium.FPDFFont_GetFlags(font)), ctypes.c_int()
    pdfium.FPDFFont_GetItalicAngle(font, slant)
    style = name.split("+", 1)[-1]
    nameless = len(re.findall("[A-Za-z]", style)) < 4
    bold = bool(BOLD.search(style) or flags & FORCE_BOLD_FLAG or (nameless and pdfium.FPDFFont_GetWeight(font) >= BOLD_WEIGHT))
    italic = bool(ITALIC.search(style) or flags & ITALIC_FLAG or abs(slant.value) > 3)
    return Font(handle, name, bold, italic, given, true, bool(PICTORIAL.search(style)), embedded)


def _name(function: Any, font: Any) -> str:
    buffer = ctypes.create_string_buffer(256)
    size = int(function(font, buffer, len(buffer)))
    return buffer.value.decode("utf-8", "replace") if 0 < size <= len(buffer) else ""


def advance_of(font: Font, code: int) -> float:
    """How far a character moves the pen, in ems; 0 where the font does not say."""
    import pypdfium2.raw as pdfium

    width = ctypes.c_float()
    if not font.handle or not pdfium.FPDFFont_GetGlyphWidth(ctypes.cast(font.handle, pdfium.FPDF_FONT), code, 1.0, width):
        return 0.0
    return width.value if 0 < width.value < 10 else 0.0
