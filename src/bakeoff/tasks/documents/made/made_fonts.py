"""Fonts of the made corpus, with the metrics that a reader of the file is told.

The fourteen standard fonts are not embedded, and a file that names one without a descriptor leaves its ascent and descent to whoever
opens it. So each standard font is written with the descriptor of Adobe's published metrics: then the height of a character is in the file, and
truth boxes (descent to ascent, advance width) are a fact and not a guess. Bitstream Vera, which reportlab carries, is embedded as a subset.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Family:
    """Four faces of one type family, by the names under which they are registered."""

    regular: str
    bold: str
    italic: str
    bold_italic: str

    def face(self, bold: bool, italic: bool) -> str:
        """The registered name of one face."""
        if bold and italic:
            return self.bold_italic
        return self.bold if bold else self.italic if italic else self.regular


SERIF = Family("MadeTimes", "MadeTimesBold", "MadeTimesItalic", "MadeTimesBoldItalic")
SANS = Family("MadeHelvetica", "MadeHelveticaBold", "MadeHelveticaItalic", "MadeHelveticaBoldItalic")
MONO = Family("MadeCourier", "MadeCourierBold", "MadeCourier", "MadeCourierBold")
VERA = Family("MadeVera", "MadeVeraBold", "MadeVeraItalic", "MadeVeraBoldItalic")

_STANDARD = {
    "MadeTimes": "Times-Roman",
    "MadeTimesBold": "Times-Bold",
    "MadeTimesItalic": "Times-Italic",
    "MadeTimesBoldItalic": "Times-BoldItalic",
    "MadeHelvetica": "Helvetica",
    "MadeHelveticaBold": "Helvetica-Bold",
    "MadeHelveticaItalic": "Helvetica-Oblique",
    "MadeHelveticaBoldItalic": "Helvetica-BoldOblique",
    "MadeCourier": "Courier",
    "MadeCourierBold": "Courier-Bold",
}
_EMBEDDED = {"MadeVera": "Vera", "MadeVeraBold": "VeraBd", "MadeVeraItalic": "VeraIt", "MadeVeraBoldItalic": "VeraBI"}

# FontBBox, ItalicAngle, CapHeight, StemV and Flags of the standard fonts, from Adobe's Core 14 AFM files and ISO 32000-1, table 123.
_DESCRIPTORS: dict[str, tuple[tuple[int, int, int, int], float, int, int, int]] = {
    "Times-Roman": ((-168, -218, 1000, 898), 0, 662, 84, 34),
    "Times-Bold": ((-168, -218, 1000, 935), 0, 676, 139, 34),
    "Times-Italic": ((-169, -217, 1010, 883), -15.5, 653, 76, 98),
    "Times-BoldItalic": ((-200, -218, 996, 921), -15, 669, 121, 98),
    "Helvetica": ((-166, -225, 1000, 931), 0, 718, 88, 32),
    "Helvetica-Bold": ((-170, -228, 1003, 962), 0, 718, 140, 32),
    "Helvetica-Oblique": ((-170, -225, 1116, 931), -12, 718, 88, 96),
    "Helvetica-BoldOblique": ((-174, -228, 1114, 962), -12, 718, 140, 96),
    "Courier": ((-23, -250, 715, 805), 0, 562, 51, 33),
    "Courier-Bold": ((-113, -250, 749, 801), 0, 562, 106, 33),
}


@cache
def register() -> None:
    """Make the families known to reportlab. Costs a few milliseconds, once per process."""
    from pathlib import Path

    import reportlab
    from reportlab.pdfbase import pdfdoc, pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    class Described(pdfmetrics.Font):
        """A standard font that brings its descriptor."""

        def addObjects(self, doc: Any) -> None:  # the library's name
            super().addObjects(doc)
            internal = "F" + repr(len(doc.fontMapping))
            ascent, descent = pdfmetrics.getAscentDescent(self.fontName)
            bbox, angle, cap, stem, flags = _DESCRIPTORS[self.face.name]
            descriptor = pdfdoc.PDFDictionary(
                {
                    "Type": pdfdoc.PDFName("FontDescriptor"),
                    "FontName": pdfdoc.PDFName(self.face.name),
                    "Flags": flags,
                    "FontBBox": pdfdoc.PDFArray(bbox),
                    "ItalicAngle": angle,
                    "Ascent": ascent,
                    "Descent": descent,
                    "CapHeight": cap,
                    "StemV": stem,
                }
            )
            written = doc.idToObject["BasicFonts"].dict[internal]
            written.FontDescriptor = doc.Reference(descriptor, "descriptor:" + self.face.name)
            written.FirstChar, written.LastChar = 0, 255
            written.Widths = pdfdoc.PDFArray(list(self.widths))

    for name, face in _STANDARD.items():
        pdfmetrics.registerFont(Described(name, face, "WinAnsiEncoding"))
    folder = Path(reportlab.__file__).parent / "fonts"
    for name, file in _EMBEDDED.items():
        pdfmetrics.registerFont(TTFont(name, str(folder / f"{file}.ttf")))


class _Advances(dict[str, float]):
    """Advance width of each character of a font, in em; computed when first asked for."""

    def __init__(self, font: str) -> None:
        super().__init__()
        self._font = font

    def __missing__(self, char: str) -> float:
        from reportlab.pdfbase import pdfmetrics

        width = float(pdfmetrics.stringWidth(char, self._font, 1))
        self[char] = width
        return width


@cache
def advances(font: str) -> dict[str, float]:
    """Advance width by character, in em."""
    register()
    return _Advances(font)


@cache
def heights(font: str) -> tuple[float, float]:
    """(ascent, descent) in em, descent below 0, as the font's descriptor in the file says."""
    register()
    from reportlab.pdfbase import pdfmetrics

    ascent, descent = pdfmetrics.getAscentDescent(font)
    return ascent / 1000, descent / 1000


def width(text: str, font: str, size: float) -> float:
    """Width of a text in points."""
    table = advances(font)
    return sum(table[char] for char in text) * size
