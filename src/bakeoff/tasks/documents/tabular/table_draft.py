"""A table on its way: cells of phrases in a grid, and the drawn aids (rules, shaded bands) that say where rows and columns end."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bakeoff.tasks.documents.glyphs import Fill, RawPage, Rule
from bakeoff.tasks.documents.records import Box
from bakeoff.tasks.documents.tabular.table_words import Line, Phrase

MOST_MARKS = 20_000
"""Rules and fills looked at on a page. A page with more is a drawing."""

_WHITE = 250
_JOINED = 3.0


@dataclass(slots=True)
class Slot:
    """A cell of a table on its way. `box` is None until it is known."""

    row: int
    column: int
    phrases: list[Phrase]
    rows: int = 1
    columns: int = 1
    header: bool = False
    box: Box | None = None

    @property
    def text(self) -> str:
        """Its words."""
        return " ".join(phrase.text for phrase in self.phrases)


@dataclass(slots=True)
class Draft:
    """A table on its way."""

    rows: int
    columns: int
    slots: list[Slot]
    box: Box
    lines: list[Line] = field(default_factory=list)
    ruled: bool = False


@dataclass(slots=True)
class Aids:
    """The page's level rules by height, and its filled bands that are about as high as a row; `white` says which of them are not coloured."""

    level_rules: list[Rule]
    bands: list[Box]
    white: list[bool]
    _tops: list[float] = field(default_factory=list)
    _band_tops: list[float] = field(default_factory=list)
    _tallest: float = 0.0

    def rules_between(self, top: float, bottom: float, x0: float, x1: float) -> list[Box]:
        """Horizontal rules whose middle is between two heights and that touch the interval from `x0` to `x1`."""
        found = []
        for rule in self.level_rules[bisect_left(self._tops, top - 3.0) :]:
            box = rule.box
            if box[1] > bottom + 3.0:
                break
            if top <= (box[1] + box[3]) / 2 <= bottom and box[0] < x1 and box[2] > x0:
                found.append(box)
        return found

    def band_at(self, height: float, x: float, coloured: bool = False) -> Box | None:
        """The band that a point is in; with `coloured`, only one that is not white."""
        for at in range(bisect_left(self._band_tops, height) - 1, -1, -1):
            band = self.bands[at]
            if height - band[1] > self._tallest:
                return None
            if band[1] <= height <= band[3] and band[0] - 1 <= x <= band[2] + 1 and not (coloured and self.white[at]):
                return band
        return None

    def shades(self, line: Line) -> bool:
        """Whether a coloured band, as high as a row or two, is behind a line."""
        band = self.band_at(line.middle, line.x0 + 1, coloured=True)
        return band is not None and band[3] - band[1] < 2.2 * line.size


def aids_of(page: RawPage) -> Aids:
    """The rules and bands of a page. Fills of one height and colour side by side are one band."""
    rules = [rule for rule in page.rules[:MOST_MARKS] if rule.horizontal]
    joined: list[Rule] = []
    for rule in sorted(rules, key=lambda rule: (round(rule.box[1], 1), rule.box[0])):
        if joined and abs(joined[-1].box[1] - rule.box[1]) < 0.3 and rule.box[0] - joined[-1].box[2] < _JOINED:
            last = joined[-1].box
            joined[-1] = Rule((last[0], min(last[1], rule.box[1]), max(last[2], rule.box[2]), max(last[3], rule.box[3])), True)
        else:
            joined.append(rule)
    joined.sort(key=lambda rule: rule.box[1])
    low = [
        (fill.box, min(fill.rgb) >= _WHITE)
        for fill in page.fills[:MOST_MARKS]
        if 5.0 < fill.box[3] - fill.box[1] < 80.0 and fill.box[2] - fill.box[0] > 1.0
    ]
    bands: list[tuple[Box, bool]] = []
    for box, white in sorted(low, key=lambda each: (round(each[0][1]), round(each[0][3]), each[0][0])):
        if bands and bands[-1][1] == white and _beside(bands[-1][0], box):
            bands[-1] = (box_around((bands[-1][0], box)), white)
        else:
            bands.append((box, white))
    bands = sorted((band for band in bands if band[0][2] - band[0][0] > 60.0), key=lambda band: band[0][1])
    return Aids(
        joined,
        [band for band, _ in bands],
        [white for _, white in bands],
        [rule.box[1] for rule in joined],
        [band[1] for band, _ in bands],
        max((band[3] - band[1] for band, _ in bands), default=0.0),
    )


def _beside(left: Box, right: Box) -> bool:
    return abs(left[1] - right[1]) < 1.0 and abs(left[3] - right[3]) < 1.0 and right[0] - left[2] < 2.0


def box_around(boxes: Iterable[Box]) -> Box:
    """The smallest box that holds them all."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def phrase_box(phrase: Phrase) -> Box:
    """A phrase's box."""
    return phrase.x0, phrase.y0, phrase.x1, phrase.y1


def in_order(phrases: Sequence[Phrase]) -> list[Phrase]:
    """Phrases of one cell in reading order: line after line, each from left to right."""
    left = sorted(phrases, key=lambda phrase: (phrase.y0 + phrase.y1) / 2)
    found: list[Phrase] = []
    row: list[Phrase] = []
    for phrase in left:
        if row and (phrase.y0 + phrase.y1) / 2 - (row[0].y0 + row[0].y1) / 2 > 0.4 * min(phrase.size, row[0].size):
            found.extend(sorted(row, key=lambda phrase: phrase.x0))
            row = []
        row.append(phrase)
    found.extend(sorted(row, key=lambda phrase: phrase.x0))
    return found


def is_chart(draft: Draft, lines: Sequence[Line], fills: Sequence[Fill], aids: Aids) -> bool:
    """Whether a table found by its figures stands over the bars of a chart: coloured rectangles, three at least, that no words stand on."""
    x0, y0, x1, y1 = draft.box
    em = max((line.size for line in draft.lines), default=10.0)
    points = [(p.middle, (p.y0 + p.y1) / 2) for line in lines if y0 - 200 < line.middle < y1 + 200 for p in line.phrases]
    bars = 0
    for fill in fills[:MOST_MARKS]:
        left, top, right, bottom = fill.box
        apart = right < x0 or left > x1 or bottom < y0 - em or top > y1 + em
        if (
            apart
            or min(fill.rgb) >= _WHITE
            or bottom - top < 0.4 * em
            or right - left < 0.4 * em
            or right - left > 0.6 * (x1 - x0)
        ):
            continue
        row = aids.band_at((top + bottom) / 2, (left + right) / 2, coloured=True) or fill.box
        held = (min(row[0], left), min(row[1], top), max(row[2], right), max(row[3], bottom))
        if held[2] - held[0] < 0.6 * (x1 - x0) and not any(
            held[0] <= x <= held[2] and held[1] <= y <= held[3] for x, y in points
        ):
            bars += 1
            if bars >= 3:
                return True
    return False
