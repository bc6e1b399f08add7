"""Running headers, footers and page numbers: what stands in one place on page after page.

A block near the top or bottom of a page, with white space between it and the text, is furniture where the same words stand at the same height on at
least `LEAST` pages that are at most `FARTHEST` pages apart (so that left and right pages may differ, and a chapter's first page may have
none). Numbers in it must be the same too, or count with the pages; "Note 3", "Note 4" do neither, and stay headings. A bare number that counts
with the pages is a page number also where the text ends early and it stands higher up, as the last thing on its page.

One pass, and memory for the last few pages only: a page is reduced to a few lines of text, and what is decided is kept as numbers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, TypeAlias

from bakeoff.tasks.documents.records import Block, Page

Furniture: TypeAlias = Literal["header", "footer"]

LEAST, FARTHEST = 3, 4
TOP = 0.13
"""Share of the page's height from its top, and from its bottom, that furniture keeps to."""

SAME_HEIGHT = 8.0
"""Points between the middles of two blocks that stand in one place."""

NOWHERE = -1000.0
"""Height of a page number that stands wherever the text ends."""

NEAREST_EDGE = 5
"""Only so many blocks from the top, and from the bottom, can be furniture."""

LONGEST = 240
"""Characters: no running header is longer."""

LEAST_GAP = 4.0
"""Points of white space between furniture and the text."""

_TITLED = re.compile(r"(?:exhibit|note|item|table|figure|chapter|part|section|schedule|appendix|annex|article|exhibits?)\W*#")
"""Words that number what follows them, not the page."""

_ROMAN = re.compile(r"(?<![^\W_])[ivxlcdm]+(?![^\W_])")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True, slots=True)
class Summary:
    """What is kept of a page until its neighbours are known: (block, words, height of its middle, band, numbers) of each candidate."""

    number: int
    candidates: tuple[tuple[int, str, float, Furniture, tuple[int, ...]], ...]


class _Seen(NamedTuple):
    page: int
    block: int
    level: int
    numbers: tuple[int, ...]


@dataclass(slots=True)
class _Run:
    """A place where the same words have stood, with what is not yet decided."""

    band: Furniture
    middle: float
    seen: list[_Seen] = field(default_factory=list)
    last: int = 0


class Marker:
    """Finds furniture in one pass over a document's pages.

    Examples
    --------
    ``marker.add(page)`` for each page in order, then ``marker.finish()``, then `apply` to each page, read a second time.
    """

    def __init__(self) -> None:
        self._runs: dict[str, list[_Run]] = {}
        self._found: dict[int, dict[int, Furniture]] = {}
        self._levels: Counter[int] = Counter()
        self._since = 0

    def add(self, page: Page) -> Summary:
        """Look at the next page. What comes back is what is kept of it."""
        summary = summary_of(page)
        self._levels.update(block.level for block in page.blocks if block.kind == "heading")
        for block, words, middle, band, numbers in summary.candidates:
            runs = self._runs.setdefault(words, [])
            run = next(
                (
                    run
                    for run in runs
                    if run.band == band and abs(run.middle - middle) <= SAME_HEIGHT and page.number - run.last <= FARTHEST
                ),
                None,
            )
            if run is None:
                run = _Run(band, middle)
                runs.append(run)
            run.seen.append(_Seen(page.number, block, page.blocks[block].level, numbers))
            run.last, run.middle = page.number, middle
            self._decide(words, run)
        self._since += 1
        if self._since >= 2 * FARTHEST:
            self._forget(page.number)
        return summary

    def finish(self) -> dict[int, dict[int, Furniture]]:
        """For each page number that has furniture, the indices of its blocks that are, and which kind."""
        self._runs.clear()
        return self._found

    @property
    def levels(self) -> dict[int, int]:
        """The classes of heading that the pages so far have (running headers left out), renumbered 1, 2, 3 ... in order."""
        return {level: number for number, level in enumerate(sorted(+self._levels), 1)}

    def _decide(self, words: str, run: _Run) -> None:
        kept = _agreeing(words, run.seen)
        if len({each.page for each in kept}) >= LEAST:
            for each in kept:
                marks = self._found.setdefault(each.page, {})
                if each.block not in marks and each.level:
                    self._levels[each.level] -= 1
                marks[each.block] = run.band
        if len(run.seen) > 2 * FARTHEST:
            run.seen = [each for each in run.seen if each.page > run.last - 2 * FARTHEST]

    def _forget(self, number: int) -> None:
        self._since = 0
        for words in list(self._runs):
            fresh = [run for run in self._runs[words] if number - run.last <= FARTHEST]
            if fresh:
                self._runs[words] = fresh
            else:
                del self._runs[words]


def apply(page: Page, found: Mapping[int, Furniture], levels: Mapping[int, int] | None = None) -> Page:
    """The page with its furniture marked, and its headings' levels renumbered.

    Parameters
    ----------
    page : Page
    found : mapping of block index to kind
        `Marker.finish` for this page's number.
    levels : mapping of level to level, default=None
        `Marker.levels`.
    """
    levels = levels or {}
    blocks = tuple(
        replace(block, kind=found[index], level=0)
        if index in found
        else replace(block, level=levels.get(block.level, block.level))
        if block.kind == "heading"
        else block
        for index, block in enumerate(page.blocks)
    )
    return replace(page, blocks=blocks)


def summary_of(page: Page) -> Summary:
    """The blocks of a page that could be furniture."""
    ordered = sorted(enumerate(page.blocks), key=lambda each: each[1].box[1])
    found: list[tuple[int, str, float, Furniture, tuple[int, ...]]] = []
    last = ordered[-1] if ordered else None
    if last is not None and last[1].kind not in ("table", "figure"):
        words, numbers = normalised(page.text[last[1].span.start : last[1].span.end][: LONGEST + 1])
        if len(numbers) == 1 and _bare(words):
            found.append((last[0], words, NOWHERE, "footer", numbers))
            ordered.pop()
    bands: tuple[Furniture, Furniture] = ("header", "footer")
    for band in bands:
        for index, block in _set_apart(ordered if band == "header" else ordered[::-1], page.height, band):
            words, numbers = normalised(page.text[block.span.start : block.span.end])
            if words:
                middle = (block.box[1] + block.box[3]) / 2
                found.append((index, words, middle if band == "header" else page.height - middle, band, numbers))
    return Summary(page.number, tuple(found))


def _set_apart(blocks: Sequence[tuple[int, Block]], height: float, band: Furniture) -> list[tuple[int, Block]]:
    """The blocks from one edge of the page inwards that lie within the band, as far as white space follows them."""
    found: list[tuple[int, Block]] = []
    waiting: list[tuple[int, Block]] = []
    for number, (index, block) in enumerate(blocks[: NEAREST_EDGE + 1]):
        near, far = (block.box[1], block.box[3]) if band == "header" else (height - block.box[3], height - block.box[1])
        if waiting and near - max(_far(each, height, band) for _, each in waiting) >= LEAST_GAP:
            found, waiting = found + waiting, []
        if (
            number == NEAREST_EDGE
            or far > TOP * height
            or block.kind in ("table", "figure")
            or block.span.end - block.span.start > LONGEST
        ):
            return found
        waiting.append((index, block))
    return found + waiting


def _far(block: Block, height: float, band: Furniture) -> float:
    return block.box[3] if band == "header" else height - block.box[1]


def _agreeing(words: str, seen: Sequence[_Seen]) -> list[_Seen]:
    """Those of some blocks with the same words whose numbers are the same, or count with the pages."""
    kept = list(seen)
    bare, titled = _bare(words), _TITLED.search(words) is not None
    for place in range(max((len(each.numbers) for each in seen), default=0)):
        there = [each for each in kept if place < len(each.numbers)]
        if not there:
            continue
        same = Counter(each.numbers[place] for each in there)
        counting = Counter(each.page - each.numbers[place] for each in there).most_common(1)[0]
        if counting[1] >= max(same.values()) and not titled:
            kept = [each for each in there if each.page - each.numbers[place] == counting[0]]
        elif not bare:
            kept = [each for each in there if same[each.numbers[place]] >= LEAST]
        else:
            return []
    return kept


def _bare(words: str) -> bool:
    return not any(letter.isalpha() for letter in words)


def normalised(text: str) -> tuple[str, tuple[int, ...]]:
    """A text with every number as '#', and the numbers: what is equal on the pages of one running header."""
    text = " ".join(text.casefold().split())
    numbers = [int(digits) for digits in re.findall(r"\d+", text)[:8] if len(digits) <= 9]
    romans = [value for found in _ROMAN.findall(text)[:8] if (value := _roman(found))]
    text = _ROMAN.sub(lambda found: "#" if _roman(found[0]) else found[0], _NUMBER.sub("#", text))
    return text, tuple(numbers + romans)


def _roman(text: str) -> int:
    """The value of a roman numeral in small letters; 0 where it is none (or a word: "mix", "di")."""
    values = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}
    total = 0
    for letter, following in zip(text, [*text[1:], ""], strict=True):
        value = values[letter]
        total += -value if following and values[following] > value else value
    return total if total and _as_roman(total) == text else 0


def _as_roman(number: int) -> str:
    marks = (
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    )
    text = ""
    for value, mark in marks:
        while number >= value and len(text) < 20:
            text, number = text + mark, number - value
    return text


def marked(pages: Iterable[Page]) -> list[Page]:
    """All pages with furniture marked: for documents that fit into memory."""
    pages = list(pages)
    marker = Marker()
    for page in pages:
        marker.add(page)
    found, levels = marker.finish(), marker.levels
    return [apply(page, found.get(page.number, {}), levels) for page in pages]
