"""A small canvas for the environments' pictures: flat shapes, drawn three times too large and scaled down, so that edges are smooth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Colour: TypeAlias = str
Point: TypeAlias = tuple[float, float]
FINER = 3

INK = "#22303c"
PAPER = "#f6f4ee"
WHITE = "#ffffff"


class Canvas:
    """A picture of `width` by `height` pixels; all coordinates are in these pixels, from the top left."""

    def __init__(self, width: int, height: int, background: Colour) -> None:
        from PIL import Image, ImageDraw

        self.size = width, height
        self._image = Image.new("RGB", (width * FINER, height * FINER), background)
        self._draw = ImageDraw.Draw(self._image)

    def box(self, x: float, y: float, width: float, height: float, fill: Colour, *, round: float = 0.0) -> None:
        """A filled rectangle with corners of radius `round`."""
        self._draw.rounded_rectangle(
            (x * FINER, y * FINER, (x + width) * FINER - 1, (y + height) * FINER - 1), radius=round * FINER, fill=fill
        )

    def disc(self, x: float, y: float, radius: float, fill: Colour) -> None:
        """A filled circle around (x, y)."""
        self._draw.ellipse(tuple(FINER * each for each in (x - radius, y - radius, x + radius, y + radius)), fill=fill)

    def oval(self, x: float, y: float, across: float, down: float, fill: Colour) -> None:
        """A filled ellipse around (x, y) with these half-axes."""
        self._draw.ellipse(tuple(FINER * each for each in (x - across, y - down, x + across, y + down)), fill=fill)

    def shape(self, points: Sequence[Point], fill: Colour) -> None:
        """A filled polygon."""
        self._draw.polygon([(x * FINER, y * FINER) for x, y in points], fill=fill)

    def line(self, points: Sequence[Point], fill: Colour, *, width: float = 1.0) -> None:
        """A line through the points, with round joints."""
        self._draw.line([(x * FINER, y * FINER) for x, y in points], fill=fill, width=max(1, round(width * FINER)), joint="curve")

    def arc(self, x: float, y: float, radius: float, start: float, end: float, fill: Colour, *, width: float = 1.0) -> None:
        """An arc around (x, y) from `start` to `end` degrees, clockwise from three o'clock."""
        at = tuple(FINER * each for each in (x - radius, y - radius, x + radius, y + radius))
        self._draw.arc(at, start, end, fill=fill, width=max(1, round(width * FINER)))

    def done(self) -> NDArray[np.uint8]:
        """The picture, shape (height, width, 3)."""
        import numpy as np
        from PIL import Image

        return np.asarray(self._image.resize(self.size, Image.Resampling.LANCZOS), dtype=np.uint8)


def turned(points: Sequence[Point], at: Point, degrees: float) -> list[Point]:
    """Points given around the origin, turned clockwise by `degrees` and moved to `at`."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [(at[0] + c * x - s * y, at[1] + s * x + c * y) for x, y in points]
