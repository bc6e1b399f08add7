"""Characters put into pieces of lines, and spaces between words.

A *segment* is a run of characters of one line without a gap as wide as a character: a line of a column, a cell, a label. Nothing here knows about
columns; `columns` puts segments in reading order and `blocks` puts those of one line together.

All work is done on arrays, once for the whole page: its own text, each table cell and each figure are kept apart by their owner.

1. Characters of one owner and direction with baselines within `LEVEL` of the font size are on one level.
2. A level is cut where there is a gap of `WIDE_GAP` (less where the content stream jumps there: a gutter between columns).
3. Letters printed twice in nearly one place (bold that is faked, a shadow) are kept once.
4. What shares a line's height but not its level is put into it: superscripts, subscripts, drop caps (into the first of their lines), text of a
   font with ragged boxes.
5. A word ends where the gap is large for the line (see `_word_ends`), or where the file has a space.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakeoff.tasks.documents.layout.accents import accented
from bakeoff.tasks.documents.layout.ink import Ink

if TYPE_CHECKING:
    from numpy.typing import NDArray

DESCENT = 0.2
"""Share of a character's box that is below the baseline (0.19 to 0.22 in common text fonts)."""

LEVEL = 0.12
TALLEST_LEVEL = 0.4
WIDE_GAP, JUMP_GAP = 0.9, 0.45
"""In font sizes. The widest word space of justified text is rarely above 0.9; the narrowest gutter rarely below it."""

TWICE_ALONG, TWICE_ACROSS = 0.12, 0.15
"""How far apart two prints of one letter may be, in font sizes. The narrowest letter is 0.2 wide."""

NARROWEST_SPACE, WIDEST_KERN = 0.06, 0.16
"""A word ends, in a line without space glyphs, at a gap between these many font sizes: at the smallest that hardly any gap of the page is near."""

NARROWEST_BESIDE_SPACES, SPACE_GLYPH_GAP = 0.14, 0.03
"""The least in a line that has space glyphs elsewhere, and where one is."""

SPACED_OUT_LETTERS = 7
"""Letters of a line from which its gaps say whether they are set apart."""

SMALLEST_BESIDE = 0.2
"""Type of less than this share of another's size is never in one line with it, however it stands: a drop cap over five lines has 0.2."""

MOST_NEIGHBOURS = 32
SPACE = -1
"""In `Segments.sequence`: a space that no glyph of the file stands for."""


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Pieces of lines.

    Parameters
    ----------
    sequence : array of int64
        Characters of all segments, from left to right, spaces included: an index into the Ink, SPACE, or -2 - s for space glyph s.
    starts : array of shape (n + 1,)
        Segment i is ``sequence[starts[i]:starts[i + 1]]``.
    texts : list of n str
        The same as text.
    owner, turn : arrays of shape (n,)
        As in Ink.
    boxes : array of shape (n, 4)
        Upright.
    base, size, bold, italic : arrays of shape (n,)
        Baseline; font size that most characters have; share of characters that are bold and italic.
    twice : array of int64
        Indices into the Ink of characters left out because they are printed a second time.
    """

    sequence: NDArray
    starts: NDArray
    texts: list[str]
    owner: NDArray
    turn: NDArray
    boxes: NDArray
    base: NDArray
    size: NDArray
    bold: NDArray
    italic: NDArray
    twice: NDArray

    def __len__(self) -> int:
        return len(self.texts)


def segments_of(ink: Ink, whole: NDArray) -> Segments:
    """The pieces of lines of a page.

    Parameters
    ----------
    ink : Ink
    whole : array of shape (n_owners,), bool
        Owners whose lines are not cut at gaps (cells, captions).
    """
    import numpy as np

    if not len(ink.codes):
        none, floats = np.zeros(0, dtype=np.int64), np.zeros(0)
        return Segments(none, np.zeros(1, dtype=np.int64), [], none, none, np.zeros((0, 4)), floats, floats, floats, floats, none)
    key = (ink.owner + 1) * 360 + ink.turn
    u0, v0, u1, v1 = ink.upright.T
    base = v1 - DESCENT * (v1 - v0)
    order, level = _levels(key, base, u0, ink.sizes)
    order, level, twice = _printed_once(ink, order, level, base)
    cut = _cuts(ink, order, level, u0, u1, whole)
    segment = np.cumsum(cut) - 1
    segment = _gathered(key[order], ink.upright[order], base[order], ink.sizes[order], segment)
    again = np.lexsort((u0[order], segment))
    order, segment = order[again], segment[again]
    order, segment = accented(ink, order, segment)
    segment = np.cumsum(np.append(True, segment[1:] != segment[:-1])) - 1
    return _described(ink, order, segment, base, twice)


def _levels(key: NDArray, base: NDArray, u0: NDArray, sizes: NDArray) -> tuple[NDArray, NDArray]:
    """Characters sorted by level and then from left to right, and the level of each."""
    import numpy as np

    order = np.lexsort((base, key))
    sorted_base, sorted_key, sorted_size = base[order], key[order], sizes[order]
    breaks = np.ones(len(order), dtype=bool)
    near = np.minimum(sorted_size[1:], sorted_size[:-1])
    breaks[1:] = (sorted_key[1:] != sorted_key[:-1]) | (np.diff(sorted_base) > LEVEL * near)
    starts = np.flatnonzero(breaks)
    ends = np.append(starts[1:], len(order))
    extent = sorted_base[ends - 1] - sorted_base[starts]
    for index in np.flatnonzero(extent > TALLEST_LEVEL * sorted_size[starts]).tolist():
        # Baselines that creep (a scan that is askew, two columns that do not align) must not chain a whole page into one level.
        first = float(sorted_base[starts[index]])
        for at in range(int(starts[index]) + 1, int(ends[index])):
            if sorted_base[at] - first > TALLEST_LEVEL * sorted_size[at]:
                breaks[at] = True
                first = float(sorted_base[at])
    level = np.cumsum(breaks) - 1
    within = np.lexsort((u0[order], level))
    return order[within], level[within]


def _printed_once(ink: Ink, order: NDArray, level: NDArray, base: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    import numpy as np

    codes, sizes, u0, base = ink.codes[order], ink.sizes[order], ink.upright[order, 0], base[order]
    second = np.zeros(len(order), dtype=bool)
    for step in (1, 2, 3):
        if len(order) <= step:
            break
        a, b = slice(None, -step), slice(step, None)
        size = np.minimum(sizes[a], sizes[b])
        same = (codes[a] == codes[b]) & (level[a] == level[b]) & (size > 0.9 * np.maximum(sizes[a], sizes[b]))
        same &= (np.abs(u0[b] - u0[a]) < TWICE_ALONG * size) & (np.abs(base[b] - base[a]) < TWICE_ACROSS * size)
        # Parts of one ligature ("ff") are never prints of one letter, however small.
        same &= (ink.glyph[order[a]] != ink.glyph[order[b]]) | (ink.glyph[order[a]] < 0)
        second[b] |= same
    if not second.any():
        return order, level, np.zeros(0, dtype=np.int64)
    return order[~second], level[~second], order[second]


def _cuts(ink: Ink, order: NDArray, level: NDArray, u0: NDArray, u1: NDArray, whole: NDArray) -> NDArray:
    """Where a segment begins."""
    import numpy as np

    gap, size = u0[order[1:]] - u1[order[:-1]], np.maximum(ink.sizes[order[1:]], ink.sizes[order[:-1]])
    jump = np.abs(np.diff(order)) > 4
    owner = ink.owner[order[1:]]
    together = (owner >= 0) & np.append(whole, False)[owner]
    new = np.append(True, level[1:] != level[:-1])
    spaced = _spaced_out(np.where(new[1:], np.inf, gap / size), np.flatnonzero(new), level)[1:]
    wide = gap > (np.where(jump, JUMP_GAP, WIDE_GAP) + 2.5 * spaced) * size
    return np.append(True, new[1:] | (wide & ~together))


def _spaced_out(gap: NDArray, starts: NDArray, level: NDArray) -> NDArray:
    """For each character, how far the letters of its level are set apart, in font sizes: 0 where they are not."""
    import numpy as np

    counts = np.diff(np.append(starts, len(level)))
    by_gap = np.lexsort((np.append(gap, np.inf), level))
    quartile = np.append(gap, np.inf)[by_gap][starts + np.maximum(counts - 2, 0) // 4]
    return np.where((counts >= SPACED_OUT_LETTERS) & (quartile > 0.1) & (quartile < 0.6), quartile, 0.0)[level]


def _gathered(key: NDArray, boxes: NDArray, base: NDArray, sizes: NDArray, segment: NDArray) -> NDArray:
    """Segments, with those that share a line's height put into the line."""
    import numpy as np

    starts = np.flatnonzero(np.append(True, segment[1:] != segment[:-1]))
    n = len(starts)
    if n < 2:
        return segment
    counts = np.diff(np.append(starts, len(segment)))
    key = key[starts]
    low, high = np.minimum.reduceat(boxes[:, :2], starts), np.maximum.reduceat(boxes[:, 2:], starts)
    size, level = np.maximum.reduceat(sizes, starts), np.add.reduceat(base, starts) / counts
    first, second = _overlapping(key, low[:, 1], high[:, 1])
    shared = np.minimum(high[first, 1], high[second, 1]) - np.maximum(low[first, 1], low[second, 1])
    shorter = np.minimum(high[first, 1] - low[first, 1], high[second, 1] - low[second, 1])
    gap = np.maximum(low[first, 0], low[second, 0]) - np.minimum(high[first, 0], high[second, 0])
    smaller, larger = np.minimum(size[first], size[second]), np.maximum(size[first], size[second])
    apart = np.abs(level[first] - level[second])
    near = gap < np.where(apart < 0.25 * larger, 0.6, 0.5) * larger
    fits = (shared > 0.45 * shorter) & near & (apart < 0.8 * larger) & (smaller > SMALLEST_BESIDE * larger)
    first, second, shared, shorter, gap = (each[fits] for each in (first, second, shared, shorter, gap))
    if not len(first):
        return segment
    swap = (size[first] > size[second]) | ((size[first] == size[second]) & (counts[first] > counts[second]))
    small, host = np.where(swap, second, first), np.where(swap, first, second)
    caps = _drop_caps(small, host, low, high, size, counts)
    keep = np.ones(len(small), dtype=bool)
    for cap, line in caps.items():
        beside = host == cap
        keep &= ~beside | (small == line)
    small, host, shared, shorter, gap = (each[keep] for each in (small, host, shared, shorter, gap))
    # Each piece goes into one line: the one that it shares most height with, the nearer of two.
    best = np.lexsort((gap, -np.round(shared / np.maximum(shorter, 1e-9), 2), small))
    chosen = np.append(True, small[best][1:] != small[best][:-1]) if len(best) else np.zeros(0, dtype=bool)
    parent = np.arange(n)
    parent[small[best][chosen]] = host[best][chosen]
    for _ in range(64):
        above = parent[parent]
        if (above == parent).all():
            break
        parent = above
    return np.repeat(parent, counts)


def _overlapping(key: NDArray, top: NDArray, bottom: NDArray) -> tuple[NDArray, NDArray]:
    """Pairs of segments of one owner and direction whose heights overlap. Each is paired with the nearest few only: the work is bounded."""
    import numpy as np

    _, rank = np.unique(key, return_inverse=True)
    apart = rank * (2.0 * (np.abs(top).max() + np.abs(bottom).max()) + 1.0)
    order = np.argsort(top + apart, kind="stable")
    tops = (top + apart)[order]
    reach = np.searchsorted(tops, (bottom + apart)[order]) - np.arange(len(order)) - 1
    reach = np.clip(reach, 0, MOST_NEIGHBOURS)
    left = np.repeat(np.arange(len(order)), reach)
    right = left + 1 + np.arange(len(left)) - np.repeat(np.cumsum(reach) - reach, reach)
    return order[left], order[right]


def _drop_caps(small: NDArray, host: NDArray, low: NDArray, high: NDArray, size: NDArray, counts: NDArray) -> dict[int, int]:
    """Large letters that stand beside two lines or more, and the first line of each."""
    import numpy as np

    large = (counts[host] <= 2) & (size[host] > 1.7 * size[small]) & (low[small, 0] > low[host, 0])
    found: dict[int, int] = {}
    for cap in np.unique(host[large]).tolist():
        lines = small[large & (host == cap)]
        if len(lines) > 1 or low[lines[0], 1] < (low[cap, 1] + high[cap, 1]) / 2 - 0.4 * (high[lines[0], 1] - low[lines[0], 1]):
            found[cap] = int(lines[np.argmin(low[lines, 1])])
    return found


def _described(ink: Ink, order: NDArray, segment: NDArray, base: NDArray, twice: NDArray) -> Segments:
    import numpy as np

    starts = np.flatnonzero(np.append(True, segment[1:] != segment[:-1]))
    counts = np.diff(np.append(starts, len(order)))
    sizes, boxes = ink.sizes[order], ink.upright[order]
    middle = order[np.lexsort((sizes, segment))][starts + counts // 2]
    size = ink.sizes[middle]
    level = np.lexsort((np.where(sizes >= 0.9 * size[segment], base[order], np.inf), segment))
    level_base = base[order][level][
        starts + np.minimum(counts - 1, np.add.reduceat((sizes >= 0.9 * size[segment]).astype(int), starts) // 2)
    ]
    ends = _word_ends(ink, order, segment, starts, counts)
    raised = base[order] < level_base[segment] - 0.15 * size[segment]
    ends |= _before_raised(ink, order, segment, raised & (sizes < 0.85 * size[segment]), ends)
    sequence, new_starts = _with_spaces(ink, order, ends, starts)
    texts = _texts(ink, sequence, new_starts)
    total = counts.astype(float)
    return Segments(
        sequence=sequence,
        starts=new_starts,
        texts=texts,
        owner=ink.owner[order[starts]],
        turn=ink.turn[order[starts]],
        boxes=np.concatenate([np.minimum.reduceat(boxes[:, :2], starts), np.maximum.reduceat(boxes[:, 2:], starts)], axis=1),
        base=level_base,
        size=size,
        bold=np.add.reduceat(ink.bold[order].astype(float), starts) / total,
        italic=np.add.reduceat(ink.italic[order].astype(float), starts) / total,
        twice=twice,
    )


def _word_ends(ink: Ink, order: NDArray, segment: NDArray, starts: NDArray, counts: NDArray) -> NDArray:
    """Whether a word ends after each character.

    Where the file has space glyphs, they say it, as long as there is some gap to see. Where it has none, gaps do (see `_word_gap`). Letters
    that are spaced out (or squeezed) move the whole distribution: the lower quartile of a line's gaps is then its zero.
    """
    import numpy as np

    n = len(order)
    gap = np.full(n, -np.inf)
    a, b = order[:-1], order[1:]
    within = segment[1:] == segment[:-1]
    size = np.minimum(ink.sizes[a], ink.sizes[b])
    gap[:-1] = np.where(within, (ink.upright[b, 0] - ink.upright[a, 2]) / size, np.inf)
    gap[-1] = np.inf
    forwards = np.maximum(ink.space_after[a], ink.space_before[b])
    backwards = np.maximum(ink.space_after[b], ink.space_before[a])
    hinted = np.zeros(n, dtype=bool)
    hinted[:-1] = within & (np.where(b > a, forwards, backwards) >= 0)
    has_hints = np.maximum.reduceat(hinted, starts)
    by_gap = np.lexsort((gap, segment))
    # The last gap of each segment is infinite: it sorts last and is not counted.
    quartile, median = (gap[by_gap][starts + np.maximum(counts - 2, 0) // part] for part in (4, 2))
    many = counts >= SPACED_OUT_LETTERS
    quartile = np.where(many & (quartile > 0.06) & np.isfinite(quartile), quartile, np.where(many & (median < -0.1), median, 0.0))
    ordinary = (quartile == 0.0)[segment]
    beside = max(_word_gap(gap[has_hints[segment] & ordinary & ~hinted]), NARROWEST_BESIDE_SPACES)
    alone = _word_gap(gap[~has_hints[segment] & ordinary])
    least = np.where(has_hints, beside, alone + 0.4 * np.abs(quartile))
    ends = gap > (quartile + least)[segment]
    # A drop cap is set off from the rest of its word.
    capital = np.zeros(n, dtype=bool)
    capital[:-1] = within & (ink.sizes[a] > 1.7 * ink.sizes[b]) & (gap[:-1] < 0.8)
    ends &= ~capital
    ends |= hinted & (gap > SPACE_GLYPH_GAP)
    seen = (ink.word[a] >= 0) | (ink.word[b] >= 0)
    ends[:-1] = np.where(seen, ink.word[a] != ink.word[b], ends[:-1])
    ends[:-1] &= within
    ends[-1] = False
    return ends


def _word_gap(gaps: NDArray) -> float:
    """Where, between the gaps within words and those between them, a page has next to none.

    Boxes are as wide as the advance, so gaps within words are kerning only: most fonts stay below 0.03. Spaces are 0.25 before they are
    squeezed by justification and by the overhang of the letters beside them.
    """
    import numpy as np

    counts, _ = np.histogram(gaps, bins=28, range=(0.02, 0.3))
    few = max(1.0, 0.002 * np.isfinite(gaps).sum())
    steps = range(round((WIDEST_KERN - NARROWEST_SPACE) * 100) + 1)
    first = round((NARROWEST_SPACE - 0.02) * 100)
    below = [int(counts[first + step - 3 : first + step].sum()) for step in steps]
    clean = next((step for step in steps if below[step] <= few), None)
    step = clean if clean is not None else min(steps, key=lambda each: (below[each], each))
    return NARROWEST_SPACE + step / 100


def _before_raised(ink: Ink, order: NDArray, segment: NDArray, raised: NDArray, ends: NDArray) -> NDArray:
    """Where a raised number begins, or ends, that is the mark of a note: it is a word of its own, or "5,363" with note 1 would read 53,631.

    Raised numbers after one or two letters (m2, km2) are exponents and stay; after digits they never do. At a line's start they are
    marks of the note that follows.
    """
    import numpy as np

    found = np.zeros(len(order), dtype=bool)
    begins = np.flatnonzero(raised[1:] & ~raised[:-1] & (segment[1:] == segment[:-1]))
    for at in begins.tolist():
        if not chr(ink.codes[order[at + 1]]).isdigit():
            continue
        first = max(0, at - 2)
        word = [chr(code) for code in ink.codes[order[first : at + 1]].tolist()]
        long = len(word) == 3 and not ends[first:at].any() and segment[first] == segment[at] and all(map(str.isalpha, word))
        found[at] = long or not word[-1].isalpha()
    if raised.any():
        new = np.append(True, segment[1:] != segment[:-1])
        # Characters before this one in its segment that are not raised.
        level = np.cumsum(~raised) - (~raised)
        first = level - level[np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))] == 0
        found[:-1] |= first[:-1] & raised[:-1] & ~raised[1:] & (segment[1:] == segment[:-1])
    return found


def _with_spaces(ink: Ink, order: NDArray, ends: NDArray, starts: NDArray) -> tuple[NDArray, NDArray]:
    import numpy as np

    at = np.flatnonzero(ends)
    if not len(at):
        return order, np.append(starts, len(order))
    a, b = order[at], order[at + 1]
    glyph = np.where(
        b > a, np.maximum(ink.space_after[a], ink.space_before[b]), np.maximum(ink.space_after[b], ink.space_before[a])
    )
    if len(ink.spaces):
        # A space glyph that is drawn elsewhere (at the line's start, off the page) is a space, but its box is not here.
        middle = (ink.spaces[glyph, :2] + ink.spaces[glyph, 2:]) / 2
        low = np.minimum(ink.boxes[a, :2], ink.boxes[b, :2])
        high = np.maximum(ink.boxes[a, 2:], ink.boxes[b, 2:])
        glyph = np.where(((middle >= low) & (middle <= high)).all(axis=1), glyph, -1)
    sequence = np.insert(order, at + 1, np.where(glyph >= 0, -2 - glyph, SPACE))
    before = np.cumsum(ends) - ends
    return sequence, np.append(starts + before[starts], len(sequence))


def _texts(ink: Ink, sequence: NDArray, starts: NDArray) -> list[str]:
    import numpy as np

    codes = np.where(sequence >= 0, ink.codes[np.maximum(sequence, 0)], ord(" "))
    text = codes.astype("<u4").tobytes().decode("utf-32-le")
    bounds = starts.tolist()
    return [text[start:end] for start, end in itertools.pairwise(bounds)]
