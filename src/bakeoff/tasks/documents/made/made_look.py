"""How the made pages look, and how they are stored: page sizes, type, colours, and sheets that are turned or cropped. Lengths are points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bakeoff.tasks.documents.made import made_fonts
from bakeoff.tasks.documents.made.made_fonts import Family

Colour = tuple[float, float, float]
INK: Colour = (0.10, 0.10, 0.12)
GREY: Colour = (0.42, 0.43, 0.46)
A4, LETTER = (595.28, 841.89), (612.0, 792.0)


@dataclass(frozen=True, slots=True)
class Look:
    """How the pages of one document look. `margins` are left, top, right, bottom."""

    page: tuple[float, float] = A4
    margins: tuple[float, float, float, float] = (72, 84, 72, 76)
    body: Family = made_fonts.SERIF
    heads: Family = made_fonts.SERIF
    points: float = 10.5
    leading: float = 1.34
    ink: Colour = INK
    accent: Colour = INK
    justified: bool = True
    columns: int = 1
    gutter: float = 22
    after: float = 6.5
    furniture: Callable[[Any], None] | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """How the following pages are stored and turned.

    Parameters
    ----------
    rotate : {0, 90, 180, 270}
        The page's /Rotate; what is drawn counters it, so that a reader sees it upright.
    turn : {0, 90, 270}
        The whole layout stands sideways on the displayed page: its lines run downwards (90) or upwards (270).
    trim : left, top, right, bottom
        Points of the media that the crop box cuts off.
    origin : x, y
        Lower left corner of the media box.
    landscape : bool
        The displayed page is wider than high.
    columns : int, default=0
        0 for the look's own.
    """

    rotate: int = 0
    turn: int = 0
    trim: tuple[float, float, float, float] = (0, 0, 0, 0)
    origin: tuple[float, float] = (0, 0)
    landscape: bool = False
    columns: int = 0

    def traits(self) -> set[str]:
        """What makes boxes on such a page hard."""
        found = {f"rotated {self.rotate}"} if self.rotate else set()
        if self.turn:
            found.add("sideways")
        if any(self.trim) or any(self.origin):
            found.add("cropped")
        return found


@dataclass(slots=True)
class Heading:
    """What a table of contents needs."""

    level: int
    label: str
    text: str
    page: int
