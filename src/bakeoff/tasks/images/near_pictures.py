"""Pictures that are copies of one another though their bytes differ: saved again, resized, cut a little, made brighter, mirrored.

Two steps. *Candidates* are pairs whose signatures correlate: the 63 lowest frequencies of the discrete cosine transform of the picture's
brightness, as in the perceptual hash of Zauner (2010), kept as numbers instead of bits, so that one matrix product compares a
thousand pictures with all. Mirroring a picture only turns the sign of its odd columns. *Verification* then slides one picture, made
a little smaller, over the other (and the reverse), in colour, and takes the best normalised correlation: changes of brightness and
contrast do not matter to it, another drawing of the same thing does. Where it is high, the fine detail must correlate as well.

What it finds and what it falsely reports is measured in ``tests/tasks/images/test_near_pictures.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Batch = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Thumbnail = NDArray[np.uint8]

Name = TypeVar("Name", int, str)

ALIKE = 0.95
"""Least correlation, in colour and after alignment, of two pictures that count as copies."""

DETAIL = 0.85
"""Least correlation, where they lie best, of what a blur takes from the two pictures' brightness: two skies are alike, their details are not."""

BLUR = 3.0
"""Standard deviation of that blur, in pixels of `SIDE`."""

SIDE = 48
"""Pixels a side at which pictures are compared."""

SCALES = (0.98, 0.96, 0.94, 0.92, 0.9, 0.88)
"""What is left of a side where a picture was cut: at most 12% is cut away, left and right together."""

COARSE, COARSE_SIDE, COARSE_SCALES = 0.88, 32, (0.96, 0.9)
"""Correlation at fewer pixels and scales, below which the fine comparison is spared."""

HOPELESS = 0.5
"""Correlation of two pictures as they lie, below which no sliding makes them copies."""

CANDIDATE = 0.80
"""Least correlation of two signatures for a pair to be verified."""

MOST_CANDIDATES = 24
MOST_VERIFIED = 120_000
"""Pairs verified for each picture, the nearest first, and in all: where very many pictures look alike (digits, blank scans), fewer each."""

FLAT = 2.0
"""Standard deviation, in grey levels of 255, below which a picture shows nothing that could be compared."""

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in brightness (ITU-R BT.601)."""

_BLOCK = 1024


def near_pairs(pictures: Batch, others: Batch | None = None) -> list[tuple[int, int, float]]:
    """Pairs of copies: within `pictures`, or between `pictures` and `others`.

    Parameters
    ----------
    pictures : array of shape (n, size, size, 3), uint8
    others : array of shape (m, size, size, 3), uint8, or None
        None compares the pictures with one another.

    Returns
    -------
    list of (i, j, alike)
        Sorted; `i` is a row of `pictures`, `j` of `others` (or of `pictures`, then ``i < j``); `alike` in [`ALIKE`, 1].
    """
    small = _small(pictures)
    beside = small if others is None else _small(others)
    found: dict[tuple[int, int], float] = {}
    for i, j, mirrored in _candidates(_signatures(small), None if others is None else _signatures(beside)):
        alike = likeness(small[i], beside[j], mirrored=mirrored)
        if alike >= ALIKE:
            found[i, j] = max(alike, found.get((i, j), 0.0))
    return sorted((i, j, alike) for (i, j), alike in found.items())


def near_groups(pictures: Batch) -> list[list[int]]:
    """Groups of copies among pictures of shape (n, size, size, 3), uint8: rows, sorted; chains of copies are one group."""
    return chained((i, j) for i, j, _ in near_pairs(pictures))


def chained(pairs: Iterable[tuple[Name, Name]]) -> list[list[Name]]:
    """Groups of at least two that pairs make, however long the chain; sorted."""
    home: dict[Name, list[Name]] = {}
    for one, other in pairs:
        first, second = home.setdefault(one, [one]), home.setdefault(other, [other])
        if first is not second:
            first += second
            home.update(dict.fromkeys(second, first))
    return sorted(sorted(group) for group in {id(group): group for group in home.values()}.values())


def likeness(one: Thumbnail, other: Thumbnail, *, mirrored: bool = False) -> float:
    """Best correlation in [-1, 1] of two thumbnails of shape (SIDE, SIDE, 3), uint8, one of them cut a little.

    `mirrored` turns the other one left to right first. Below `ALIKE` the figure is rough: it only says that they are no copies. 0 where either
    shows nothing, or where only the blurred pictures are alike.
    """
    import numpy as np

    if min(one.std(), other.std()) < FLAT:
        return 0.0
    if mirrored:
        other = np.ascontiguousarray(other[:, ::-1])
    rough, _, _ = _slid(_resized(one, COARSE_SIDE), _resized(other, COARSE_SIDE), COARSE_SCALES)
    if rough < COARSE:
        return min(rough, COARSE)
    best, first, second = _slid(one, other, SCALES)
    if best >= ALIKE and _detail(first, second) < DETAIL:
        return 0.0
    return min(1.0, best)


def _slid(one: Thumbnail, other: Thumbnail, scales: Sequence[float]) -> tuple[float, Thumbnail, Thumbnail]:
    """The best correlation, and the two pieces of the same size that have it."""
    import cv2

    best, where = float(cv2.matchTemplate(one, other, cv2.TM_CCOEFF_NORMED).item()), (one, other)
    if best < HOPELESS:
        return best, *where
    for scale in scales:
        side = round(len(one) * scale)
        for whole, part in ((one, other), (other, one)):
            cut = _resized(part, side)
            _, alike, _, (left, top) = cv2.minMaxLoc(cv2.matchTemplate(whole, cut, cv2.TM_CCOEFF_NORMED))
            if alike > best:
                best, where = float(alike), (whole[top : top + side, left : left + side], cut)
    return best, *where


def _detail(one: Thumbnail, other: Thumbnail) -> float:
    import cv2
    import numpy as np

    fine = []
    for each in (one, other):
        numbers = each.astype(np.float32) @ np.array(LUMA, dtype=np.float32)  # JPEG blurs colours, not brightness
        fine.append((numbers - cv2.GaussianBlur(numbers, (0, 0), BLUR)).ravel())
    length = float(np.linalg.norm(fine[0]) * np.linalg.norm(fine[1]))
    return float(fine[0] @ fine[1]) / length if length > 0 else 0.0


def _resized(picture: Thumbnail, side: int) -> Thumbnail:
    import cv2
    import numpy as np

    if len(picture) == side:
        return picture
    way = cv2.INTER_AREA if len(picture) > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), (side, side), interpolation=way), dtype=np.uint8)


def thumbnail(picture: NDArray[np.uint8]) -> Thumbnail:
    """What is compared of a picture of shape (size, size, 3): shape (SIDE, SIDE, 3), uint8. A thumbnail's is itself."""
    import numpy as np

    return _resized(np.asarray(picture), SIDE)


def _small(pictures: Batch) -> Batch:
    import numpy as np

    small = np.empty((len(pictures), SIDE, SIDE, 3), dtype=np.uint8)
    for i, picture in enumerate(pictures):
        small[i] = thumbnail(picture)
    return small


def _signatures(small: Batch) -> Floats:
    """Unit vectors of shape (n, 63); zeros for a picture that shows nothing."""
    import cv2
    import numpy as np

    luma = np.array(LUMA, dtype=np.float32)
    found = np.zeros((len(small), 64), dtype=np.float32)
    for i, picture in enumerate(small):
        if picture.std() >= FLAT:
            found[i] = cv2.dct(_resized(picture, COARSE_SIDE).astype(np.float32) @ luma)[:8, :8].ravel()
    found = found[:, 1:]
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(np.divide(found, length, out=np.zeros_like(found), where=length > 0))


def _candidates(signatures: Floats, others: Floats | None) -> Iterator[tuple[int, int, bool]]:
    """Pairs whose signatures correlate, and whether mirrored: each once, the nearest of each picture."""
    import numpy as np

    turned = np.where(np.arange(1, 64) % 8 % 2, -1.0, 1.0).astype(np.float32)
    beside = signatures if others is None else others
    most = max(1, min(MOST_CANDIDATES, MOST_VERIFIED // max(1, len(signatures))))
    seen: set[tuple[int, int, bool]] = set()
    for start in range(0, len(signatures), _BLOCK):
        block = signatures[start : start + _BLOCK]
        for mirrored in (False, True):
            alike = (block * turned if mirrored else block) @ beside.T
            if others is None:
                alike[np.arange(len(block)), np.arange(start, start + len(block))] = -1.0
            for row in np.flatnonzero(alike.max(axis=1, initial=-1.0) >= CANDIDATE):
                near = np.flatnonzero(alike[row] >= CANDIDATE)
                if len(near) > most:
                    near = near[np.argsort(-alike[row, near], kind="stable")[:most]]
                for j in near:
                    i, k = start + int(row), int(j)
                    seen.add((min(i, k), max(i, k), mirrored) if others is None else (i, k, mirrored))
    yield from sorted(seen)
