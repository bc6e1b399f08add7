"""Raw pages made by hand: characters where a test wants them, without a PDF; and what holds for every page made of them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from bakeoff.tasks.documents.glyphs import RawPage
from bakeoff.tasks.documents.layout.structure import assemble
from bakeoff.tasks.documents.reading.page_codec import decode, encode
from bakeoff.tasks.documents.records import Page

NARROW, WIDE = set("iljtf.,:;'|!()[]-‐\u00ad"), set("mwMW%@")


def advance(character: str) -> float:
    """Width of a character, in font sizes."""
    if unicodedata.category(character) in ("Cc", "Cf") and character != "\u00ad":
        return 0.0
    return 0.28 if character in NARROW else 0.8 if character in WIDE else 0.25 if character == " " else 0.5


def width_of(text: str, size: float = 10.0, tracking: float = 0.0) -> float:
    """How wide a text is printed."""
    return sum(advance(character) + tracking for character in text) * size


@dataclass
class Paper:
    """A page to print on. Coordinates are points from the top left; `y` is a baseline."""

    width: float = 600.0
    height: float = 800.0
    number: int = 1
    rows: list[tuple[str, tuple[float, float, float, float], float, float, bool, bool, bool, bool]] = field(default_factory=list)

    def print(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 10.0,
        *,
        bold: bool = False,
        italic: bool = False,
        angle: float = 0.0,
        glyph_spaces: bool = True,
        tracking: float = 0.0,
        word_space: float = 0.25,
        visible: bool = True,
        soft: bool = False,
    ) -> list[int]:
        """Print a line, and return the indices of its glyphs (those of spaces included).

        `glyph_spaces`: the file has a character for each space; `word_space` is its width. `tracking` is put between all
        characters. Both in font sizes. `soft` marks the last character as a hyphen put in at a line's end.
        """
        start, at = len(self.rows), 0.0
        for number, character in enumerate(text):
            wide = (word_space if character == " " else advance(character)) * size
            if character != " " or glyph_spaces:
                box = self._box(x, y, at, wide, size, angle)
                marked = soft and number == len(text) - 1
                self.rows.append((character, box, size, angle, bold, italic, visible, marked))
            at += wide + tracking * size
        return list(range(start, len(self.rows)))

    def lines(self, x: float, y: float, texts: list[str], size: float = 10.0, leading: float = 1.2, **how: object) -> list[int]:
        """Print lines under each other."""
        return [
            index for number, text in enumerate(texts) for index in self.print(x, y + number * leading * size, text, size, **how)
        ]  # type: ignore[arg-type]

    def page(self) -> RawPage:
        """What `raw.read_page` would give for it."""
        n = len(self.rows)
        column = list(zip(*self.rows, strict=True)) if n else [()] * 8
        return RawPage(
            number=self.number,
            width=self.width,
            height=self.height,
            chars="".join(column[0]),
            boxes=np.array(column[1], dtype=np.float32).reshape(n, 4),
            sizes=np.array(column[2], dtype=np.float32),
            angles=np.array(column[3], dtype=np.float32),
            fonts=np.zeros(n, dtype=np.int16),
            font_names=("Made",),
            bold=np.array(column[4], dtype=bool),
            italic=np.array(column[5], dtype=bool),
            visible=np.array(column[6], dtype=bool),
            rules=(),
            fills=(),
            paths=np.zeros((0, 4), dtype=np.float32),
            images=(),
            soft_hyphens=np.array(column[7], dtype=bool),
        )

    @staticmethod
    def _box(x: float, y: float, at: float, wide: float, size: float, angle: float) -> tuple[float, float, float, float]:
        up, down = 0.8 * size, 0.2 * size
        if angle == 90:
            return (x - down, y + at, x + up, y + at + wide)
        if angle == 180:
            return (x - at - wide, y - down, x - at, y + up)
        if angle == 270:
            return (x - up, y - at - wide, x + down, y - at)
        return (x + at, y - up, x + at + wide, y + down)


SENTENCE = (
    "the company reports revenue from sales of goods and services to customers in many markets where it competes with others on price quality "
    "and delivery while costs of energy labour and transport rise and fall with demand for its products over the course of each year"
)
WORDS = SENTENCE.split()


def paragraph(first: int, lines: int, width: float, size: float = 10.0) -> list[str]:
    """Lines of running text that fill a width; `first` is the word that they begin with."""
    made: list[str] = []
    count = first
    for _ in range(lines):
        line = ""
        while True:
            word = WORDS[count % len(WORDS)]
            if width_of(f"{line} {word}", size) > width:
                break
            line = f"{line} {word}" if line else word
            count += 1
        made.append(line)
    made[0] = made[0].capitalize()
    made[-1] = made[-1][:-1] + "."
    return made


def check(page: Page) -> Page:
    """What holds for every page."""
    assert page.boxes.shape == (len(page.text), 4)
    printed = page.boxes[~np.isnan(page.boxes).any(axis=1)]
    assert (printed[:, :2] <= printed[:, 2:]).all()
    missing = [character for character, box in zip(page.text, page.boxes, strict=True) if np.isnan(box).any()]
    assert set(missing) <= set(" \t\n")
    end = 0
    for block in page.blocks:
        assert 0 <= end <= block.span.start <= block.span.end <= len(page.text)
        assert page.text[end : block.span.start] == ("\n" if end else "")
        words = page.text[block.span.start : block.span.end]
        assert block.kind == "table" or (words and words == words.strip())
        assert (block.level > 0) == (block.kind == "heading")
        end = block.span.end
    assert end == len(page.text)
    spans = sorted(cell.span for table in page.tables for cell in table.cells if cell.span.end > cell.span.start)
    assert all(one.end <= other.start for one, other in pairwise(spans))
    assert decode(encode(page)).blocks is not None
    return page


def read(paper: Paper, **how: object) -> Page:
    """The page without tables and figures."""
    return check(assemble(paper.page(), [], [], **how))  # type: ignore[arg-type]


def blocks(page: Page) -> list[tuple[str, str]]:
    """Kind and text of each block."""
    return [(block.kind, page.text[block.span.start : block.span.end]) for block in page.blocks]
