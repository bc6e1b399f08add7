"""A page's glyphs as printed lines of phrases, with the figures among them known: what the search for tables looks at.

Only glyphs that a reader can see and that run in the page's main direction take part. A page whose text runs upwards or downwards (a wide table
printed sideways) is turned first, see `upright`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bakeoff.tasks.documents.glyphs import Fill, RawImage, RawPage, Rule
from bakeoff.tasks.documents.records import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORD_GAP = 0.15
"""Glyphs further apart than this many font sizes are two words, as pdfplumber's `x_tolerance_ratio`."""

_TEXT_GAP = 0.55
_VALUE_GAP = 0.5
_TWO_VALUES_GAP = 0.35
_MONOSPACED_GAP = 0.9
_MARK_REACH = 40.0
_BRACKET_REACH = 1.0
_SUFFIX_REACH = 2.5
_SMALL = 0.85

_CURRENCY = r"(?:US|A|C|R|HK|NZ|S)?[$€£¥₹]|USD|EUR|GBP|CHF|JPY|Rs\.?"
_DASH = "[-‐‑‒–—―−]"
_VALUE = re.compile(
    rf"(?P<before>(?:{_CURRENCY})?\s*\(?\s*(?:{_CURRENCY})?\s*\(?)"
    rf"(?P<core>[+~<>≤≥]?{_DASH}?(?:\d[\d.,’']*|[.,]\d+)|{_DASH}{{1,4}}|N/?A|n/?a|N\.A\.|n\.a\.|N/?M|n/?m|N\.M\.|n\.m\.|[*#†‡]{{1,3}})"
    r"(?P<after>\s*\)?\s*(?:%|‰|[xX]|bps|bp|pts|pp|[MBKmbk]n?)?\s*\)?)"
)
_RANGE = re.compile(rf"[$€£]?\d[\d.,]*\s*(?:{_DASH}|to)\s*[$€£]?\d[\d.,]*\s*%?")
_PREFIX = re.compile(rf"(?:{_CURRENCY})?\s*\(?\s*(?:{_CURRENCY})?")
_SUFFIX = re.compile(r"\)?\s*(?:%|‰|bps|bp|pts|pp|x)?\s*\)?")
_YEAR = re.compile(r"(?:FY\s?)?(?:19|20)\d\d[AEPF]?")


@dataclass(slots=True)
class Phrase:
    """Words of one line that stand together. `value` marks a figure ("$ (862)", "22 %", "—"); `anchor` is where its last digit ends."""

    glyphs: list[int]
    x0: float
    y0: float
    x1: float
    y1: float
    text: str
    size: float
    bold: bool
    mono: bool = False
    value: bool = False
    anchor: float = 0.0
    words: tuple[Phrase, ...] = ()

    @property
    def middle(self) -> float:
        """Half way between its left and right edge."""
        return (self.x0 + self.x1) / 2

    @property
    def year(self) -> bool:
        """Whether it is a year, which names a column more often than it fills a cell."""
        return bool(_YEAR.fullmatch(self.text))


@dataclass(slots=True)
class Line:
    """Phrases that are printed at one height, from left to right."""

    phrases: list[Phrase]
    y0: float
    y1: float
    size: float

    @property
    def x0(self) -> float:
        """Left edge of the first phrase."""
        return self.phrases[0].x0

    @property
    def x1(self) -> float:
        """Right edge of the last phrase."""
        return max(phrase.x1 for phrase in self.phrases)

    @property
    def middle(self) -> float:
        """Half way between top and bottom."""
        return (self.y0 + self.y1) / 2

    @property
    def values(self) -> list[Phrase]:
        """Its figures."""
        return [phrase for phrase in self.phrases if phrase.value]

    @property
    def text(self) -> str:
        """Its phrases, two spaces between them."""
        return "  ".join(phrase.text for phrase in self.phrases)


def is_number(text: str) -> bool:
    """Whether a cell's text is one figure, a dash, or a mark that stands for a figure ("n/m").

    Examples
    --------
    >>> [is_number(text) for text in ("$ (1,234)", "22 %", "—", "31 December", "2.5x")]
    [True, True, True, False, True]
    """
    return bool(_VALUE.fullmatch(text.strip()))


def is_range(text: str) -> bool:
    """Whether a text is a range of figures ("2023 – 2042"), which stays together.

    Examples
    --------
    >>> [is_range(text) for text in ("2023 - 2042", "56 – 60", "20 to 100", "June 30, 2023")]
    [True, True, True, False]
    """
    return bool(_RANGE.fullmatch(text.strip()))


def main_angle(page: RawPage) -> int:
    """The direction that most of the visible text runs in: 0, 90, 180 or 270 degrees clockwise. 0 where there is no text."""
    import numpy as np

    seen = page.angles[page.visible]
    if not len(seen):
        return 0
    quarters = np.bincount((np.rint(np.nan_to_num(seen) / 90.0).astype(int)) % 4, minlength=4)
    return int(quarters.argmax()) * 90


def turn_box(box: Box, angle: int, width: float, height: float) -> Box:
    """A box as seen after the page is turned so that text running at `angle` runs to the right.

    `width` and `height` are the page's before turning. Turn back with ``360 - angle`` and the turned page's sizes.
    """
    x0, y0, x1, y1 = box
    if angle == 90:
        return (y0, width - x1, y1, width - x0)
    if angle == 180:
        return (width - x1, height - y1, width - x0, height - y0)
    if angle == 270:
        return (height - y1, x0, height - y0, x1)
    return box


def upright(page: RawPage, angle: int) -> RawPage:
    """The page turned so that text running at `angle` runs to the right; glyphs keep their indices."""
    import numpy as np

    if angle == 0:
        return page
    wide, high = page.width, page.height

    def turned(boxes: NDArray) -> NDArray:
        x0, y0, x1, y1 = boxes.T
        if angle == 90:
            return np.stack([y0, wide - x1, y1, wide - x0], axis=1)
        if angle == 180:
            return np.stack([wide - x1, high - y1, wide - x0, high - y0], axis=1)
        return np.stack([high - y1, x0, high - y0, x1], axis=1)

    def one(box: Box) -> Box:
        return turn_box(box, angle, wide, high)

    sideways = angle in (90, 270)
    return replace(
        page,
        width=high if sideways else wide,
        height=wide if sideways else high,
        boxes=turned(page.boxes),
        angles=(page.angles - angle) % 360,
        rules=tuple(Rule(one(rule.box), rule.horizontal != sideways) for rule in page.rules),
        fills=tuple(Fill(one(fill.box), fill.rgb) for fill in page.fills),
        paths=turned(page.paths),
        images=tuple(RawImage(one(image.box), image.pixels) for image in page.images),
    )


@dataclass(slots=True, eq=False)
class Inks:
    """The visible, upright, printed glyphs of a page, line after line and each from left to right.

    Parameters
    ----------
    index : array of shape (m,), int
        Which glyph of the page each row is.
    boxes : array of shape (m, 4), float
    sizes : array of shape (m,), float
        At least 1 point.
    line_of : array of shape (m,), int
        A number per printed line, rising down the page.
    """

    index: NDArray
    boxes: NDArray
    sizes: NDArray
    line_of: NDArray


def read_inks(page: RawPage) -> Inks:
    """The page's visible upright glyphs by line.

    Parameters
    ----------
    page : RawPage
        Turned by `upright` where its text does not run to the right.
    """
    import numpy as np

    n = len(page.chars)
    space = np.fromiter((char.isspace() or char == "\u00ad" for char in page.chars), dtype=bool, count=n)
    straight = np.abs((np.nan_to_num(page.angles) + 180.0) % 360.0 - 180.0) < 10.0
    keep = page.visible & ~space & straight & np.isfinite(page.boxes).all(axis=1)
    index = np.flatnonzero(keep)
    boxes = page.boxes[index].astype(float)
    sizes = np.maximum(np.nan_to_num(page.sizes[index].astype(float), nan=1.0), 1.0)
    if not len(index):
        return Inks(index, boxes, sizes, index)
    line_of = _line_numbers(boxes, sizes)
    order = np.lexsort((boxes[:, 0], line_of))
    return Inks(index[order], boxes[order], sizes[order], line_of[order])


def read_lines(page: RawPage, inks: Inks, keep: NDArray | None = None) -> list[Line]:
    """The page's printed text as lines of phrases, from top to bottom.

    Parameters
    ----------
    page : RawPage
    inks : Inks
        From `read_inks` of this page.
    keep : array of shape (m,), bool, or None
        Rows of `inks` to read; None for all.
    """
    import numpy as np

    rows = slice(None) if keep is None else keep
    index, boxes, sizes, line_of = inks.index[rows], inks.boxes[rows], inks.sizes[rows], inks.line_of[rows]
    if not len(index):
        return []
    gaps = np.full(len(index), np.inf)
    gaps[1:] = boxes[1:, 0] - boxes[:-1, 2]
    new_line = np.ones(len(index), dtype=bool)
    new_line[1:] = line_of[1:] != line_of[:-1]
    starts = np.flatnonzero(new_line | (gaps > WORD_GAP * sizes))
    ends = np.append(starts[1:], len(index))
    x0 = np.minimum.reduceat(boxes[:, 0], starts)
    y0 = np.minimum.reduceat(boxes[:, 1], starts)
    x1 = np.maximum.reduceat(boxes[:, 2], starts)
    y1 = np.maximum.reduceat(boxes[:, 3], starts)
    size = np.maximum.reduceat(sizes, starts)
    bold = np.logical_and.reduceat(page.bold[index], starts)
    mono = np.isin(page.fonts[index[starts]], _monospaced(page))
    chars = [page.chars[at] for at in index.tolist()]
    glyphs = index.tolist()
    right = boxes[:, 2].tolist()

    lines: list[Line] = []
    words: list[Phrase] = []
    current = -1
    columns = (starts, ends, x0, y0, x1, y1, size, bold, mono, line_of[starts])
    for start, end, wx0, wy0, wx1, wy1, wsize, wbold, wmono, number in zip(*(column.tolist() for column in columns), strict=True):
        if number != current and words:
            lines.append(_line(words))
            words = []
        current = number
        text = "".join(chars[start:end])
        word = Phrase(glyphs[start:end], wx0, wy0, wx1, wy1, text, wsize, wbold, wmono)
        match = _VALUE.fullmatch(text)
        if match:
            word.value = True
            word.anchor = right[start + match.end("core") - 1]
        words.append(word)
    if words:
        lines.append(_line(words))
    lines.sort(key=lambda line: line.middle)
    return lines


def _monospaced(page: RawPage) -> list[int]:
    """Fonts whose letters are all of one width, so that a single space is as wide as the gap between two columns would be elsewhere."""
    import numpy as np

    letter = np.fromiter((char.isalpha() for char in page.chars), dtype=bool, count=len(page.chars))
    letter &= np.isfinite(page.boxes).all(axis=1) & np.isfinite(page.sizes)
    widths = np.zeros(len(letter))
    widths[letter] = (page.boxes[letter, 2] - page.boxes[letter, 0]) / np.maximum(page.sizes[letter], 1.0)
    found = []
    for font in np.unique(page.fonts[letter]).tolist():
        mine = np.flatnonzero(letter & (page.fonts == font))[:400]
        if len({page.chars[at] for at in mine.tolist()}) >= 6 and np.ptp(widths[mine]) < 0.02:
            found.append(int(font))
    return found


def _line_numbers(boxes: NDArray, sizes: NDArray) -> NDArray:
    """Which printed line each glyph is on: glyphs whose middles are at one height, small raised ones with the line they are raised on."""
    import numpy as np

    middles = (boxes[:, 1] + boxes[:, 3]) / 2
    order = np.argsort(middles, kind="stable")
    high, em = middles[order], sizes[order]
    cut = np.ones(len(order), dtype=bool)
    cut[1:] = np.diff(high) > 0.02 * em[1:]
    starts = np.flatnonzero(cut)
    levels = high[starts].tolist()
    counts = np.diff(np.append(starts, len(order))).tolist()
    ems = np.maximum.reduceat(em, starts).tolist()

    # Heights with the most ink lead; others near them join. Going by height alone would chain a raised mark to the line above.
    leaders: list[int] = []
    leader_of = [0] * len(levels)
    for at in sorted(range(len(levels)), key=lambda at: (-counts[at] * ems[at], levels[at])):
        near = [
            lead
            for lead in leaders
            if abs(levels[lead] - levels[at]) <= (0.62 if ems[at] < _SMALL * ems[lead] else 0.3) * max(ems[at], ems[lead])
        ]
        if near:
            leader_of[at] = min(near, key=lambda lead: abs(levels[lead] - levels[at]))
        else:
            leaders.append(at)
            leader_of[at] = at
    found = np.empty(len(order), dtype=np.int64)
    found[order] = np.repeat(np.asarray(leader_of), counts)  # levels rise down the page, and so do their numbers
    return found


def _line(words: Sequence[Phrase]) -> Line:
    size = max(word.size for word in words)
    parts: list[list[Phrase]] = []
    for word in _with_marks(words):
        if parts and word.x0 - parts[-1][-1].x1 < _reach(parts[-1], word):
            parts[-1].append(word)
        else:
            parts.append([word])
    phrases = [part[0] if len(part) == 1 else join_phrases(part) for part in parts]
    return Line(phrases, min(word.y0 for word in words), max(word.y1 for word in words), size)


def _reach(part: Sequence[Phrase], word: Phrase) -> float:
    """How far a word may stand from the last of some words and still belong to them."""
    last = part[-1]
    em = max(last.size, word.size)
    if last.mono and word.mono:
        return _MONOSPACED_GAP * em
    if word.size < _SMALL * last.size:
        return 0.5 * em
    figure = last.value and len(part) == 1
    if figure and word.value:
        return _TWO_VALUES_GAP * em
    return (_VALUE_GAP if figure or word.value else _TEXT_GAP) * em


def _with_marks(words: Sequence[Phrase]) -> list[Phrase]:
    """Words, with currency signs, brackets and per cent signs that were set on their own put back on their number."""
    found: list[Phrase] = []
    prefix: Phrase | None = None
    for word in words:
        if prefix is not None:
            reach = _BRACKET_REACH if prefix.text == "(" else _MARK_REACH
            joined = _as_value((prefix, word)) if word.x0 - prefix.x1 < reach * word.size else None
            if joined is not None:
                word, prefix = joined, None
            elif not word.value and _PREFIX.fullmatch(word.text) and word.x0 - prefix.x1 < word.size:
                prefix = join_phrases((prefix, word))
                continue
            else:
                found.append(prefix)
                prefix = None
        if found and found[-1].value and _SUFFIX.fullmatch(word.text) and word.x0 - found[-1].x1 < _SUFFIX_REACH * word.size:
            joined = _as_value((found[-1], word))
            if joined is not None:
                found[-1] = joined
                continue
        if not word.value and _PREFIX.fullmatch(word.text):
            prefix = word
            continue
        found.append(word)
    if prefix is not None:
        found.append(prefix)
    return found


def _as_value(parts: Sequence[Phrase]) -> Phrase | None:
    """Parts as one figure, or None where they are none together."""
    if not _VALUE.fullmatch("".join(part.text for part in parts)):
        return None
    joined = join_phrases(parts, between="")
    core = next((part for part in parts if part.value), parts[-1])
    joined.value, joined.anchor = True, core.anchor or core.x1
    return joined


def join_phrases(parts: Iterable[Phrase], between: str = " ") -> Phrase:
    """Several phrases as one, in the order given. It is no figure any more."""
    parts = list(parts)
    return Phrase(
        [glyph for part in parts for glyph in part.glyphs],
        min(part.x0 for part in parts),
        min(part.y0 for part in parts),
        max(part.x1 for part in parts),
        max(part.y1 for part in parts),
        between.join(part.text for part in parts),
        max(part.size for part in parts),
        all(part.bold for part in parts),
        all(part.mono for part in parts),
        words=tuple(word for part in parts for word in (part.words or (part,))),
    )


def trimmed(line: Line, low: float, high: float) -> Line | None:
    """The phrases of a line that stand between two edges."""
    kept = [phrase for phrase in line.phrases if low < phrase.middle < high]
    return Line(kept, min(p.y0 for p in kept), max(p.y1 for p in kept), line.size) if kept else None
