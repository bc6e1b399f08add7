"""Accents that a file prints over letters, made one with them.

Canonical composition (NFC) is done only where one character comes out, so that every character keeps one box.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from bakeoff.tasks.documents.layout.ink import Ink

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARKS = {
    "´": "\u0301",
    "`": "\u0300",
    "¨": "\u0308",
    "˜": "\u0303",
    "ˆ": "\u0302",
    "¸": "\u0327",
    "˚": "\u030a",
    "ˇ": "\u030c",
    "¯": "\u0304",
}
"""Accents that fonts have as characters of their own."""


def accented(ink: Ink, order: NDArray, segment: NDArray) -> tuple[NDArray, NDArray]:
    """Put accents that are printed over a letter into it, where one character comes out; its box is the one around both.

    Parameters
    ----------
    ink : Ink
        Codes and boxes of the letters are changed in place.
    order, segment : arrays of shape (n,)
        Characters from left to right, segment by segment, and the segment of each.

    Returns
    -------
    order, segment : arrays
        The same without the accents that became part of a letter.
    """
    import numpy as np

    found, place = np.unique(ink.codes, return_inverse=True)
    marks = np.array(
        [code >= 0x60 and (chr(code) in MARKS or bool(unicodedata.combining(chr(code)))) for code in found.tolist()]
    )[place]
    at = np.flatnonzero(marks[order])
    if not len(at):
        return order, segment
    keep = np.ones(len(order), dtype=bool)
    for index in at.tolist():
        mark = order[index]
        middle = (ink.upright[mark, 0] + ink.upright[mark, 2]) / 2
        beside = [
            near for near in (index - 1, index + 1) if 0 <= near < len(order) and keep[near] and segment[near] == segment[index]
        ]
        over = [near for near in beside if ink.upright[order[near], 0] <= middle <= ink.upright[order[near], 2]]
        for near in over:
            letter = order[near]
            one = composed(chr(ink.codes[letter]), chr(ink.codes[mark]))
            if one:
                ink.codes[letter] = ord(one)
                for boxes in (ink.boxes, ink.upright):
                    boxes[letter, :2] = np.minimum(boxes[letter, :2], boxes[mark, :2])
                    boxes[letter, 2:] = np.maximum(boxes[letter, 2:], boxes[mark, 2:])
                for hints in (ink.space_before, ink.space_after):
                    hints[letter] = max(hints[letter], hints[mark])
                keep[index] = False
                break
    return order[keep], segment[keep]


def composed(first: str, second: str) -> str:
    """The one character that two make under NFC, or ''. An accent with a width of its own (´) counts as the mark that it shows."""
    mark = MARKS.get(second, second)
    if not unicodedata.combining(mark):
        return ""
    joined = unicodedata.normalize("NFC", first + mark)
    return joined if len(joined) == 1 else ""
