"""What difference a page's text makes to the picture of the page, and where.

A pixel is legible when the page with its text differs there from the page without it by enough for a reader: by a contrast ratio of at least
`CONTRAST` (the ratio of WCAG 2.2, (L1 + 0.05) / (L2 + 0.05) with relative luminances), or by a colour difference of at least `COLOUR`
(CIE 1976 L*a*b*; yellow on white has next to no contrast and is still seen). WCAG asks 4.5 of text that is comfortable to read; here the
question is whether it can be read at all, so pale captions and watermarks (#DDDDDD on white, 1.36) still count, and #E6E6E6 (1.25) does not.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from bakeoff.tasks.documents.reading.raw_native import natives

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

CONTRAST = 1.3
COLOUR = 30.0
COLOURED = 40
"""Colours whose every channel differs by less are not `COLOUR` apart; they need not be computed."""

NARROW, SLACK = 3, 0.7
MOST_ROWS = 32
"""Of a glyph more pixels tall, this many rows are looked at."""


def legible(one: NDArray, other: NDArray) -> NDArray:
    """Which pixels of two pictures a reader can tell apart.

    Parameters
    ----------
    one, other : arrays of shape (height, width, 4), uint8
        Red, green, blue (sRGB), and a byte that is the same everywhere.

    Returns
    -------
    array of shape (height, width), bool
    """
    import numpy as np

    height, width = one.shape[:2]
    found = np.zeros(height * width, dtype=bool)
    rows = np.flatnonzero(one.view(np.uint32).ravel() != other.view(np.uint32).ravel())
    if len(rows):
        found[rows] = told_apart(one.reshape(-1, 4)[rows, :3], other.reshape(-1, 4)[rows, :3])
    return found.reshape(height, width)


def told_apart(one: NDArray, other: NDArray) -> NDArray:
    """Which of n pairs of colours a reader can tell apart: arrays of shape (n, 3), uint8; returns shape (n,), bool."""
    import numpy as np

    a, b = _luminance(one), _luminance(other)
    apart = (a >= CONTRAST * b) | (b >= CONTRAST * a)
    close = np.flatnonzero(~apart)
    first, second = one[close], other[close]
    far = np.zeros(len(close), dtype=bool)
    for channel in range(3):
        far |= np.abs(first[:, channel].astype(np.int16) - second[:, channel]) >= COLOURED
    coloured = close[far]
    if len(coloured):
        linear = _linear()
        apart[coloured] = np.linalg.norm(_lab(linear[one[coloured]]) - _lab(linear[other[coloured]]), axis=1) >= COLOUR
    return apart


def pixel_boxes(boxes: NDArray, scale: float, shape: tuple[int, ...], *, slack: bool = False) -> NDArray:
    """The pixels whose middle lies in a box, at least one each: rows of (x0, y0, x1, y1), ends not included, within the picture.

    `boxes` in points from the picture's top left. `slack` takes `SLACK` points more, one pixel at least, on both sides
    where there are fewer pixels than `NARROW`: hinting moves strokes and dots.
    """
    import numpy as np

    found = np.empty((len(boxes), 4), dtype=np.int64)
    for axis in (0, 1):
        low, high, limit = boxes[:, axis] * scale, boxes[:, axis + 2] * scale, shape[1 - axis]
        first, last = np.ceil(low - 0.5), np.ceil(high - 0.5)
        empty = last <= first
        first = np.where(empty, np.floor((low + high) / 2), first)
        last = np.where(empty, first + 1, last)
        if slack:
            few = np.where(last - first < NARROW, max(1, round(SLACK * scale)), 0)
            first, last = first - few, last + few
        first = np.clip(first, 0, limit - 1)
        found[:, axis], found[:, axis + 2] = first, np.clip(last, first + 1, limit)
    return found


class Ink:
    """Counts how many pixels of a mask lie in boxes, many boxes at a time."""

    def __init__(self, mask: NDArray) -> None:
        import numpy as np

        self.width = mask.shape[1]
        self.total = np.zeros(mask.size + 1, dtype=np.int32)
        np.cumsum(mask.ravel(), dtype=np.int32, out=self.total[1:])

    def count(self, pixels: NDArray) -> tuple[NDArray, NDArray]:
        """How many pixels of each box are set, and how many rows of it have any; `pixels` as `pixel_boxes` gives them.

        Of tall boxes `MOST_ROWS` rows are looked at, and the rest estimated.
        """
        import numpy as np

        counted, inked = np.zeros(len(pixels)), np.zeros(len(pixels))
        if not len(pixels):
            return counted, inked
        x0, y0, x1, y1 = pixels.T
        height = y1 - y0
        looked = np.minimum(height, MOST_ROWS)
        # Most boxes have few rows: sorted by height, those that are done fall off the end.
        order = np.argsort(-looked, kind="stable")
        x0, y0, x1, tall, ends = x0[order], y0[order], x1[order], height[order], looked[order]
        for k in range(int(looked.max())):
            m = int(np.searchsorted(-ends, -k))  # boxes with more than k rows
            at = (y0[:m] + k * tall[:m] // ends[:m]) * self.width
            here = self.total[at + x1[:m]] - self.total[at + x0[:m]]
            counted[order[:m]] += here
            inked[order[:m]] += here > 0
        return counted * height / looked, inked * height / looked


def overlapping(pixels: NDArray, shape: tuple[int, ...]) -> NDArray:
    """The share of each box that other boxes cover too."""
    import numpy as np

    height, width = shape[0] + 1, shape[1] + 1
    x0, y0, x1, y1 = pixels.T
    covers = np.bincount(np.concatenate([y0 * width + x0, y1 * width + x1]), minlength=height * width).astype(np.int32)
    covers -= np.bincount(np.concatenate([y0 * width + x1, y1 * width + x0]), minlength=height * width)
    covers = covers.reshape(height, width)
    np.cumsum(covers, axis=0, out=covers)
    np.cumsum(covers, axis=1, out=covers)
    shared = covers[: shape[0], : shape[1]] > 1
    if not shared.any():
        return np.zeros(len(pixels))
    return Ink(shared).count(pixels)[0] / ((x1 - x0) * (y1 - y0))


@contextmanager
def switched_off(handles: Iterable[int]) -> Iterator[None]:
    """Draw without these objects for a while."""
    switch = natives()["FPDFPageObj_SetIsActive"]
    listed = list(handles)
    try:
        for handle in listed:
            switch(handle, 0)
        yield
    finally:
        for handle in listed:
            switch(handle, 1)


@lru_cache(maxsize=1)
def _linear() -> NDArray:
    """Linear light of each sRGB byte (IEC 61966-2-1)."""
    import numpy as np

    value = np.arange(256) / 255.0
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _luminance(colours: NDArray) -> NDArray:
    """WCAG's relative luminance, with the 0.05 that it adds for stray light."""
    linear = _linear()
    red, green, blue = linear * 0.2126 + 0.05, linear * 0.7152, linear * 0.0722
    return red[colours[:, 0]] + green[colours[:, 1]] + blue[colours[:, 2]]


def _lab(linear: NDArray) -> NDArray:
    """CIE 1976 L*a*b* of linear sRGB, white point D65."""
    import numpy as np

    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    scaled = linear @ to_xyz.T / (0.9505, 1.0, 1.089)
    root = np.where(scaled > (6 / 29) ** 3, np.cbrt(scaled), scaled / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
