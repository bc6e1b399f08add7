"""The printed characters of a page, cleaned: what a reader can see, one code point and one box each, and where the spaces are.

What is done to characters, and why each still has a box of its own:

- Characters that a reader cannot see, control characters, direction marks and other zero-width characters are dropped.
- All white space is a hint that a word ends here, and is no character: lines put one space in, with the box of the space in the file.
- A ligature ("ﬁ") becomes its letters, the box divided evenly.
- Canonical composition (NFC) is done where one character comes out: a letter and the accent printed over it become one, with the box
  around both (`accents` does this, once neighbours are known); a letter-like sign (the Angstrom sign) becomes its letter. A character that NFC
  would take apart stays as it is.
- Bullets from symbol fonts (private use area) become the bullets they show. A soft hyphen within a line is printed, so it is a hyphen.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from bakeoff.tasks.documents.glyphs import RawPage, SeenWord

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOW = -1
"""Owner of the characters that are in no table, figure or caption."""

FARTHEST = float(1 << 19)
"""Points from the origin at which coordinates are cut: no page is that large, and sums stay exact."""

PRINTED, SPACE, DROPPED, SEVERAL = range(4)

SYMBOLS = {
    0xF0B7: "•", 0xF0A7: "▪", 0xF0D8: "➢", 0xF0FC: "✓", 0xF0A8: "▪", 0xF06E: "■", 0xF06C: "●", 0xF0E0: "→", 0xF076: "❖", 0xF02D: "-",
    0xF0B0: "°", 0xF0B1: "±", 0xF0B4: "×", 0xF0A3: "≤", 0xF0B3: "≥", 0xF0D2: "®", 0xF0D3: "©", 0xF0D4: "™",
}  # fmt: skip
"""Symbol and Wingdings glyphs as word processors write them, and the characters that look the same."""

LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "ſt", 0xFB06: "st"}

SOFT_HYPHEN, HYPHEN = 0xAD, 0x2D


class Kind(NamedTuple):
    """What becomes of a code point: PRINTED as `text`, SPACE, DROPPED, or SEVERAL characters."""

    kind: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Ink:
    """Printed characters, in the order of the content stream, those read by OCR after them.

    Parameters
    ----------
    codes : array of shape (n,), int64
        Code points.
    boxes : array of shape (n, 4), float64
        On the page.
    upright : array of shape (n, 4), float64
        The same boxes on a page turned so that their text runs to the right and down.
    sizes : array of shape (n,), float64
        Points, above 0.
    bold, italic : arrays of shape (n,), bool
    turn : array of shape (n,), int64
        Direction of the text, degrees clockwise: 0, 90, 180, 270, or for slanted text a multiple of 15.
    owner : array of shape (n,), int64
        Which table cell, figure or caption it belongs to, or FLOW.
    glyph : array of shape (n,), int64
        Index of its glyph in the RawPage; -1 where OCR read it.
    word : array of shape (n,), int64
        Number of the word that OCR read; -1 for glyphs.
    space_before, space_after : arrays of shape (n,), int64
        Index into `spaces` of the space glyph that stands next to it in the content stream; -1 where none does.
    soft : array of shape (n,), bool
        A soft hyphen (U+00AD): at a line's end it is taken out whatever it joins.
    spaces : array of shape (m, 4), float64
        Boxes of space glyphs.
    """

    codes: NDArray
    boxes: NDArray
    upright: NDArray
    sizes: NDArray
    bold: NDArray
    italic: NDArray
    turn: NDArray
    owner: NDArray
    glyph: NDArray
    word: NDArray
    space_before: NDArray
    space_after: NDArray
    soft: NDArray
    spaces: NDArray


@lru_cache(maxsize=8192)
def kind_of(code: int) -> Kind:
    """What becomes of a code point. Half a surrogate pair becomes U+FFFD."""
    if 0x21 <= code < 0x7F:
        return Kind(PRINTED, chr(code))
    if code in SYMBOLS:
        return Kind(PRINTED, SYMBOLS[code])
    if code in LIGATURES:
        return Kind(SEVERAL, LIGATURES[code])
    if code == SOFT_HYPHEN:
        return Kind(PRINTED, "-")
    if 0xD800 <= code < 0xE000 or code > 0x10FFFF:
        return Kind(PRINTED, "\ufffd")
    character = chr(code)
    category = unicodedata.category(character)
    if category in ("Zs", "Zl", "Zp") or character in "\t\n\v\f\r\x85":
        return Kind(SPACE, " ")
    if category in ("Cc", "Cf") or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code < 0xFDF0:
        return Kind(DROPPED, "")
    composed = unicodedata.normalize("NFC", character)
    return Kind(PRINTED, composed if len(composed) == 1 else character)


def ink_of(page: RawPage, owner: NDArray, words: Sequence[tuple[SeenWord, int]] = ()) -> Ink:
    """The printed characters of a page.

    Parameters
    ----------
    page : RawPage
    owner : array of shape (n_glyphs,), int64
        What each glyph belongs to.
    words : sequence of (SeenWord, owner)
        Words that OCR read; their boxes are divided evenly over their characters.
    """
    import numpy as np

    codes = _codes(page.chars)
    boxes = _tidy(page.boxes)
    sane = page.visible & np.isfinite(page.boxes).all(axis=1)
    kinds, shown = _kinds(codes, page.soft_hyphens)
    kinds = np.where(sane, kinds, DROPPED)
    soft = codes == SOFT_HYPHEN
    heights = boxes[:, 3] - boxes[:, 1]
    sizes = np.where(np.isfinite(page.sizes) & (page.sizes > 0.01), page.sizes, np.maximum(heights / 1.15, 0.01)).astype(float)
    angles = np.where(np.isfinite(page.angles), page.angles, 0.0)
    turn = _turns(angles)

    printed = np.flatnonzero((kinds == PRINTED) | (kinds == SEVERAL))
    spaces = np.flatnonzero(kinds == SPACE)
    before, after = _space_hints(printed, spaces, len(codes))
    parts = {
        "codes": shown[printed], "boxes": boxes[printed], "sizes": sizes[printed], "bold": page.bold[printed].astype(bool),
        "italic": page.italic[printed].astype(bool), "turn": turn[printed], "owner": owner[printed], "glyph": printed,
        "word": np.full(len(printed), -1), "space_before": before, "space_after": after, "soft": soft[printed],
    }  # fmt: skip
    several = kinds[printed] == SEVERAL
    if several.any():
        parts = _taken_apart(parts, codes[printed], several)
    # Where soft hyphens are printed within lines, the font has no other hyphen, and they say nothing about line ends.
    if parts["soft"].any() and _soft_inside(parts):
        parts["soft"] = np.zeros(len(parts["soft"]), dtype=bool)
    if words:
        parts = _with_words(parts, words)
    return Ink(upright=_upright(parts["boxes"], parts["turn"], parts["sizes"]), spaces=boxes[spaces], **parts)


def _codes(chars: str) -> NDArray:
    import numpy as np

    return np.frombuffer(chars.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.int64)


def _tidy(boxes: NDArray) -> NDArray:
    """Boxes with finite corners the right way round."""
    import numpy as np

    rows = np.clip(np.nan_to_num(np.asarray(boxes, dtype=np.float64).reshape(-1, 4)), -FARTHEST, FARTHEST)
    return np.concatenate([np.minimum(rows[:, :2], rows[:, 2:]), np.maximum(rows[:, :2], rows[:, 2:])], axis=1)


def _kinds(codes: NDArray, marked: NDArray) -> tuple[NDArray, NDArray]:
    """Kind and shown code point of each character. A control character that is marked as a hyphen is one."""
    import numpy as np

    if not len(codes):
        return np.zeros(0, dtype=np.int64), codes
    unique, place = np.unique(codes, return_inverse=True)
    found = [kind_of(int(code)) for code in unique]
    kinds = np.array([each.kind for each in found])[place]
    shown = np.array([ord(each.text[0]) if each.text else 0 for each in found])[place]
    hyphens = marked & (codes < 0x20)
    if hyphens.any():
        kinds, shown = np.where(hyphens, PRINTED, kinds), np.where(hyphens, HYPHEN, shown)
    return kinds, shown


def _turns(angles: NDArray) -> NDArray:
    import numpy as np

    quarter = np.rint(angles / 90.0) * 90
    slanted = np.rint(angles / 15.0) * 15
    return np.where(np.abs(angles - quarter) <= 10, quarter, slanted).astype(np.int64) % 360


def _space_hints(printed: NDArray, spaces: NDArray, n: int) -> tuple[NDArray, NDArray]:
    """For each printed character, the number of the space glyph right before and right after it in the content stream, or -1."""
    import numpy as np

    if not len(spaces) or not len(printed):
        none = np.full(len(printed), -1)
        return none, none.copy()
    before = np.searchsorted(spaces, printed) - 1
    last = np.append(-1, printed[:-1])
    before = np.where((before >= 0) & (spaces[np.maximum(before, 0)] > last), before, -1)
    after = np.searchsorted(spaces, printed)
    following = np.append(printed[1:], n)
    inside = after < len(spaces)
    after = np.where(inside & (spaces[np.minimum(after, len(spaces) - 1)] < following), after, -1)
    return before, after


def _taken_apart(parts: dict[str, NDArray], raw: NDArray, several: NDArray) -> dict[str, NDArray]:
    """Ligatures as their letters, each with its share of the box."""
    import numpy as np

    counts = np.ones(len(raw), dtype=np.int64)
    letters: list[str] = []
    for index in np.flatnonzero(several).tolist():
        letters.append(kind_of(int(raw[index])).text)
        counts[index] = len(letters[-1])
    longer = {name: np.repeat(values, counts, axis=0) for name, values in parts.items()}
    starts = np.cumsum(counts) - counts
    number = np.arange(int(counts.sum())) - np.repeat(starts, counts)
    total = np.repeat(counts, counts)
    longer["codes"][np.repeat(several, counts)] = [ord(letter) for text in letters for letter in text]
    longer["boxes"] = _shares(longer["boxes"], longer["turn"], number, total)
    longer["space_before"] = np.where(number == 0, longer["space_before"], -1)
    longer["space_after"] = np.where(number == total - 1, longer["space_after"], -1)
    return longer


def _shares(boxes: NDArray, turn: NDArray, number: NDArray, total: NDArray) -> NDArray:
    """Part `number` of `total` of each box, along the direction of its text."""
    import numpy as np

    upwards = ((turn + 45) // 90) % 2 == 1
    backwards = (turn >= 135) & (turn < 315)
    number = np.where(backwards, total - 1 - number, number)
    low, high = number / total, (number + 1) / total
    x0, y0, x1, y1 = boxes.T
    width, height = x1 - x0, y1 - y0
    across = np.stack([x0 + low * width, y0, x0 + high * width, y1], axis=1)
    along = np.stack([x0, y0 + low * height, x1, y0 + high * height], axis=1)
    return np.where(upwards[:, None], along, across)


def _soft_inside(parts: dict[str, NDArray]) -> bool:
    """Whether a soft hyphen is followed by a character on its own line, close by."""
    import numpy as np

    at = np.flatnonzero(parts["soft"][:-1])
    here, following = parts["boxes"][at], parts["boxes"][at + 1]
    wide = here[:, 2] - here[:, 0] > 0.05 * parts["sizes"][at]
    level = np.abs(here[:, 3] - following[:, 3]) < 0.3 * parts["sizes"][at]
    near = np.abs(following[:, 0] - here[:, 2]) < 0.5 * parts["sizes"][at]
    return bool((wide & level & near).any())


def _with_words(parts: dict[str, NDArray], words: Sequence[tuple[SeenWord, int]]) -> dict[str, NDArray]:
    """The characters of words that OCR read, behind the page's own."""
    import numpy as np

    codes: list[int] = []
    boxes: list[tuple[float, float, float, float]] = []
    owners: list[int] = []
    numbers: list[int] = []
    sizes: list[float] = []
    number = 0
    for word, owner in words:
        if not all(np.isfinite(word.box)):
            continue
        texts = [text for character in word.text for text in [kind_of(ord(character))]]
        letters = [
            letter if each.kind in (PRINTED, SEVERAL) else " " for each in texts if each.kind != DROPPED for letter in each.text
        ]
        x0, y0, x1, y1 = _tidy(np.array([word.box]))[0].tolist()
        step = (x1 - x0) / max(len(letters), 1)
        size = max((y1 - y0) / 1.15, 0.01)
        for index, letter in enumerate(letters):
            if letter == " ":
                number += 1
                continue
            codes.append(ord(letter))
            boxes.append((x0 + index * step, y0, x0 + (index + 1) * step, y1))
            owners.append(owner)
            numbers.append(number)
            sizes.append(size)
        number += 1
    n = len(codes)
    none, no = np.full(n, -1), np.zeros(n, dtype=bool)
    more = {
        "codes": np.array(codes, dtype=np.int64), "boxes": np.array(boxes, dtype=float).reshape(-1, 4), "sizes": np.array(sizes),
        "bold": no, "italic": no, "turn": np.zeros(n, dtype=np.int64), "owner": np.array(owners, dtype=np.int64), "glyph": none,
        "word": np.array(numbers, dtype=np.int64), "space_before": none, "space_after": none, "soft": no,
    }  # fmt: skip
    return {name: np.concatenate([values, more[name]]) for name, values in parts.items()}


def _upright(boxes: NDArray, turn: NDArray, sizes: NDArray) -> NDArray:
    """Boxes on a page turned back by `turn`, so that the text runs to the right."""
    import numpy as np

    if not turn.any():
        return boxes
    found = boxes.copy()
    for angle in np.unique(turn).tolist():
        here = turn == angle
        if angle % 90 == 0:
            found[here] = turned_back(boxes[here], angle)
            continue
        # A slanted character's box is larger than the character: only its middle is known.
        radians = np.deg2rad(angle)
        x, y = (boxes[here, 0] + boxes[here, 2]) / 2, (boxes[here, 1] + boxes[here, 3]) / 2
        u, v = x * np.cos(radians) + y * np.sin(radians), y * np.cos(radians) - x * np.sin(radians)
        half = sizes[here] * 0.5
        found[here] = np.stack([u - 0.5 * half, v - half, u + 0.5 * half, v + half], axis=1)
    return found


def turned_back(boxes: NDArray, turn: int) -> NDArray:
    """Boxes on a page turned back by a number of quarter turns, in degrees clockwise; as they are for any other angle."""
    import numpy as np

    x0, y0, x1, y1 = boxes.T
    sides = {90: (y0, -x1, y1, -x0), 180: (-x1, -y1, -x0, -y0), 270: (-y1, x0, -y0, x1)}.get(turn, (x0, y0, x1, y1))
    return np.stack(sides, axis=1)
