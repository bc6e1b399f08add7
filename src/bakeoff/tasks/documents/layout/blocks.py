"""Lines put together into blocks: paragraphs, items of lists, headings; and which kind each is.

A line begins a new block where the eye sees it: more space above than between lines, another size or weight, a list mark, a first line
that is set in, or a line before that ended although the next word would still have fitted (the text was broken there on purpose).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from bakeoff.tasks.documents.records import BlockKind, Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

BULLET = re.compile(r"[•‣◦▪▫●○■□▶►➢➤✓✔❖◆◇♦·*–—-](?=\s|$)|o(?=\s+[A-Z])")
NUMBERED = re.compile(r"\((?:\d{1,2}|[a-zA-Z]|[ivxlcIVXLC]{1,6})\)(?=\s|$)|(?:\d{1,2}|[a-zA-Z]|[ivxlcIVXLC]{1,6})[.)](?=\s|$)")
CLAUSE = re.compile(r"(?:§\s?)?\d{1,3}(?:\.\d{1,3}){1,4}\.?(?=\s\S)")
"""Numbers of sections and clauses ("4.6"): what stands below them is set in, as in a list, but they are no list."""

LEADERS = re.compile(r"(?:\.\s?){5,}|(?:_\s?){5,}|…{2,}")
ENDS = re.compile(r"[.!?:;。！？][\"'”’)\]]*$")

TABULAR_GAP = 2.0
"""In font sizes: a line with such a gap is a row of something, not a line of a paragraph."""

MOST_LINES = 5_000
"""Lines of one block at most: a longer paragraph is no paragraph."""


@dataclass(slots=True, eq=False)
class Line:
    """A printed line of one region.

    `sequence` are its characters in logical order, as in `Segments.sequence`; `text` the same as text. Coordinates are upright, and
    mirrored for right-to-left pages, so that lines always begin at `x0`. `bold` and `italic` are shares of its characters; `first_word` is the
    width of its first word, by which line breaks are judged.
    """

    sequence: NDArray
    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    base: float
    size: float
    bold: float
    italic: float
    tabular: bool = False
    marker: int = 0
    first_word: float = 0.0


@dataclass(slots=True, eq=False)
class Group:
    """Lines of one block, or a unit: a table (`unit` is its number), a figure, a caption."""

    kind: BlockKind
    lines: list[Line] = field(default_factory=list)
    unit: int = -1
    level: int = 0
    region: int = 0
    box: Box = (0.0, 0.0, 0.0, 0.0)

    @property
    def text(self) -> str:
        """Its lines, joined by spaces."""
        return " ".join(line.text for line in self.lines)

    @property
    def size(self) -> float:
        """Font size of its longest line."""
        return max(self.lines, key=lambda line: len(line.text)).size


def marker_of(text: str) -> int:
    """How many characters the list mark has that a line begins with; 0 where it begins with none."""
    found = BULLET.match(text) or NUMBERED.match(text)
    return found.end() if found else 0


def is_label(text: str) -> bool:
    """Whether a text is a list mark or the number of a clause, and nothing else."""
    if len(text) > 12:
        return False
    found = BULLET.match(text) or NUMBERED.match(text) or CLAUSE.match(f"{text} x")
    return found is not None and found.end() >= len(text)


def _labelled(line: Line) -> bool:
    """Whether a line begins with a mark or number that the lines after it may be set in behind."""
    return line.marker > 0 or CLAUSE.match(line.text) is not None


def grouped(lines: Sequence[Line], region: int) -> list[Group]:
    """The blocks of one region, all of them paragraphs or list items so far."""
    if not lines:
        return []
    pitch = _common_pitch(lines)
    edges = _right_edges(lines, pitch)
    left = min(line.x0 for line in lines)
    groups: list[Group] = []
    for number, line in enumerate(lines):
        line.marker = marker_of(line.text)
        if groups and len(groups[-1].lines) < MOST_LINES and not _begins(groups[-1], line, pitch, edges[number - 1], left):
            groups[-1].lines.append(line)
            continue
        groups.append(Group("list" if line.marker and len(line.text) > line.marker else "paragraph", [line], region=region))
    return groups


def _common_pitch(lines: Sequence[Line]) -> float:
    """The usual distance of two baselines, in font sizes."""
    counts: dict[int, int] = {}
    for above, below in pairwise(lines):
        if abs(above.size - below.size) <= 0.05 * above.size and not above.tabular and not below.tabular:
            step = (below.base - above.base) / above.size
            if 0.8 <= step <= 2.6:
                counts[round(step * 20)] = counts.get(round(step * 20), 0) + 1
    if not counts:
        return 1.2
    # Of distances that are about as common, the smaller is the one within paragraphs.
    most = max(counts.values())
    pitch = min(step for step, count in counts.items() if count >= 0.5 * most) / 20
    # A few lines that far apart are not double-spaced text, they are apart.
    return pitch if pitch <= 1.8 or most >= 4 else 1.2


def _right_edges(lines: Sequence[Line], pitch: float) -> list[float]:
    """For each line, how far right the lines around it reach: those that follow each other at about the usual distance."""
    edges: list[float] = []
    start = 0
    for number in range(1, len(lines) + 1):
        if number < len(lines):
            above, below = lines[number - 1], lines[number]
            step = below.base - above.base
            if 0 < step <= (1.3 * pitch + 0.1) * above.size and abs(above.size - below.size) <= 0.12 * above.size:
                continue
        edge = max(line.x1 for line in lines[start:number])
        edges += [edge] * (number - start)
        start = number
    return edges


def _begins(group: Group, line: Line, pitch: float, edge: float, left: float) -> bool:
    """Whether a line begins a new block after the lines of `group`."""
    above = group.lines[-1]
    size = max(above.size, line.size)
    step = line.base - above.base
    if above.tabular or line.tabular or step <= 0.2 * size:
        return True
    if min(above.x1, line.x1) <= max(above.x0, line.x0) or abs(above.size - line.size) > 0.12 * size:
        return True
    if step > (1.2 * pitch + 0.12) * size:
        return True
    ended = bool(ENDS.search(above.text))
    lower = line.text[:1].islower()
    slack = edge - above.x1
    fitted = slack > line.first_word + (1.0 if ended or not lower else 5.0) * size
    if group.kind == "list":
        # Centred or indented continuations leave room on the left too.
        fitted = fitted and not (lower and not ended)
    if _centred(above, line, size):
        fitted = slack + above.x0 - left > line.first_word + 1.5 * size and (ended or not lower)
    if above.text[-1:] in "-‐" and above.text[-2:-1].isalnum() and line.text[:1].isalnum():
        return False
    if (above.bold > 0.9) != (line.bold > 0.9) and min(above.bold, line.bold) < 0.3:
        if above.bold > 0.9 and (fitted or ended or not lower or len(group.text) < 80):
            return True
        if line.bold > 0.9 and (fitted or ended):
            return True
    if line.marker:
        indented = abs(line.x0 - above.x0) > 0.6 * size
        sibling = group.kind == "list" and abs(line.x0 - group.lines[0].x0) < 0.6 * size
        if ended or fitted or indented or sibling or above.text.endswith((",", " and", " or")) or BULLET.match(line.text):
            return True
    if fitted:
        return True
    if _centred(above, line, size):
        return False
    shift = line.x0 - above.x0
    if 0.8 * size < shift < 8 * size and ended:
        # A first line that is set in; after a number it is the item that is set in.
        return not (len(group.lines) == 1 and _labelled(above))
    # Beyond its first line, a paragraph is set at one depth: what stands left of that is the next.
    return len(group.lines) > 1 and shift < -0.8 * size and (ended or not lower)


def _centred(above: Line, line: Line, size: float) -> bool:
    middle = abs((above.x0 + above.x1) - (line.x0 + line.x1)) / 2
    return middle < 0.6 * size and abs(above.x0 - line.x0) > 0.8 * size
