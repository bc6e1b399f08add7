"""What a PDF page holds before anybody has made sense of it: characters with boxes, lines, fills, pictures.

Made by `raw`, judged by `visible`, read by `tables`, `figures` and `structure`. Coordinates as in `records`: points from the top left of
the displayed page. Arrays have one row per character, in the order of the page's content stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakeoff.tasks.documents.records import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight horizontal or vertical line, drawn as a stroke or as a thin filled rectangle. `box` includes its width."""

    box: Box
    horizontal: bool


@dataclass(frozen=True, slots=True)
class Fill:
    """A filled rectangle that is no rule: a shaded row, a coloured cell, a bar of a chart. `rgb` in 0-255."""

    box: Box
    rgb: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class RawImage:
    """A raster image as placed on the page. `pixels` is (width, height)."""

    box: Box
    pixels: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class RawPage:
    """One page as its file holds it.

    Parameters
    ----------
    number : int
        From 1.
    width, height : float
        Points, as displayed.
    chars : str, length n
        One code point per glyph. No spaces or line breaks that are not in the file; a space glyph that is in it is kept.
    boxes : array of shape (n, 4), float32
        From the font's descent to its ascent, as wide as the advance; as displayed.
    sizes : array of shape (n,), float32
        Font size in points, as displayed.
    angles : array of shape (n,), float32
        Direction of the text in degrees clockwise, as displayed: 0 runs to the right, 90 downwards, 270 upwards.
    fonts : array of shape (n,), int16
        Index into `font_names`.
    font_names : tuple of str
        As the file calls them.
    bold, italic : arrays of shape (n,), bool
    visible : array of shape (n,), bool
        Whether a reader can see it. All True until `visible` has judged; what is not visible is never indexed.
    rules, fills : tuples
        Lines and filled rectangles.
    paths : array of shape (m, 4), float32
        Boxes of all other vector paths (curves, slanted lines, outlines), for finding drawings.
    images : tuple of RawImage
    soft_hyphens : array of shape (n,), bool
        Characters that the file or the library marks as a hyphen put in at a line end.
    """

    number: int
    width: float
    height: float
    chars: str
    boxes: NDArray
    sizes: NDArray
    angles: NDArray
    fonts: NDArray
    font_names: tuple[str, ...]
    bold: NDArray
    italic: NDArray
    visible: NDArray
    rules: tuple[Rule, ...]
    fills: tuple[Fill, ...]
    paths: NDArray
    images: tuple[RawImage, ...]
    soft_hyphens: NDArray


@dataclass(frozen=True, slots=True)
class RawCell:
    """A cell before the page's text is put together: `glyphs` are indices into the RawPage's characters, in reading order."""

    row: int
    column: int
    glyphs: tuple[int, ...]
    box: Box
    rows: int = 1
    columns: int = 1
    header: bool = False


@dataclass(frozen=True, slots=True)
class RawTable:
    """A table before the page's text is put together. `caption` holds glyph indices of the line that names it, or nothing."""

    box: Box
    rows: int
    columns: int
    cells: tuple[RawCell, ...]
    caption: tuple[int, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class SeenWord:
    """A word that was read off a picture by OCR. `score` is the reader's own confidence in [0, 1]."""

    text: str
    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class RawFigure:
    """A picture or drawing. `glyphs` are the characters inside it, `seen` the words that OCR read in it, `caption` glyph indices."""

    kind: str
    box: Box
    glyphs: tuple[int, ...] = ()
    seen: tuple[SeenWord, ...] = ()
    caption: tuple[int, ...] = ()
