"""What is known about the made corpus: where each fact, cell and figure stands, to the point.

The boxes follow `glyphs.RawPage.boxes`: from the font's descent to its ascent, as wide as the advance, in points from the top left of the
displayed page; one box for each printed line of a quote. A quote is what `records.Page.text` has for it: lines joined by one
space, hyphens at line ends undone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from bakeoff.errors import BadData
from bakeoff.tasks.documents.made.made_text import Mark
from bakeoff.tasks.documents.records import Box

FORMAT = "bakeoff-made-truth 1"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one fact is stated on one page.

    Parameters
    ----------
    fact : str
        What it states. The same fact can have several places; all of them say the same.
    document, page : str, int
        The file's name; pages count from 1.
    quote : str
        The words on that page.
    boxes : tuple of Box
        One for each printed line.
    kind : {'text', 'cell', 'figure'}
    row, column, unit : str
        What names a cell, and what its table is in.
    occurrence : int
        Parts of one statement that goes on over a page break share it.
    start : int
        Where the quote begins in the whole statement.
    traits : tuple of str
        What makes it hard: 'rotated 90', 'sideways', 'cropped', 'two columns', 'hyphenated', 'multi-line cell', 'continued table', 'across pages'.
    """

    fact: str
    document: str
    page: int
    quote: str
    boxes: tuple[Box, ...]
    kind: Literal["text", "cell", "figure"] = "text"
    row: str = ""
    column: str = ""
    unit: str = ""
    occurrence: int = 0
    start: int = 0
    traits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Truth:
    """Everything known about a set of made files. `files` maps a name to the SHA-256 of its bytes, `pages` to its page count."""

    places: tuple[Place, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    pages: Mapping[str, int] = field(default_factory=dict)

    def of(self, fact: str) -> tuple[Place, ...]:
        """All places of a fact."""
        return tuple(place for place in self.places if place.fact == fact)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        data = {
            "format": FORMAT,
            "files": dict(self.files),
            "pages": dict(self.pages),
            "places": [asdict(place) for place in self.places],
        }
        path.write_text(json.dumps(data, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


def read_truth(path: Path) -> Truth:
    """Read what `Truth.write` wrote.

    Raises
    ------
    BadData
        If the file cannot be read, or is no truth file of this version.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise BadData(f"{path.name} has the format {data['format']!r}, not {FORMAT!r}.", fix="make the corpus again")
        places = tuple(
            Place(**{**place, "boxes": tuple(tuple(box) for box in place["boxes"]), "traits": tuple(place["traits"])})
            for place in data["places"]
        )
        return Truth(places, data["files"], data["pages"])
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise BadData(f"{path.name} is no truth file: {problem}.", fix="make the corpus again") from problem


def places_of(document: str, marks: Sequence[Mark], figures: Iterable[tuple[int, str, Box, str, str]] = ()) -> list[Place]:
    """The places of a written document: one for each mark and page, and one for each figure."""
    found = []
    for occurrence, mark in enumerate(marks):
        pages: dict[int, list[tuple[int, int, Box]]] = {}
        for index, page, line, box in mark.found:
            pages.setdefault(page, []).append((index, line, box))
        traits = mark.traits | ({"across pages"} if len(pages) > 1 else set())
        for page, chars in pages.items():
            lines: dict[int, list[Box]] = {}
            for _, line, box in sorted(chars):
                lines.setdefault(line, []).append(box)
            low, high = min(char[0] for char in chars), max(char[0] for char in chars)
            found.append(
                Place(
                    mark.fact,
                    document,
                    page,
                    mark.text[low : high + 1],
                    tuple(_around(boxes) for boxes in lines.values()),
                    mark.kind,
                    mark.row,
                    mark.column,
                    mark.unit,
                    occurrence,
                    low,
                    tuple(sorted(traits)),
                )
            )
    for number, (page, key, box, caption, kind) in enumerate(figures):
        rounded = tuple(round(value, 2) for value in box)
        found.append(Place(key, document, page, caption, (rounded,), "figure", occurrence=len(marks) + number, traits=(kind,)))  # type: ignore[arg-type]
    return found


def _around(boxes: Sequence[Box]) -> Box:
    return (
        round(min(box[0] for box in boxes), 2),
        round(min(box[1] for box in boxes), 2),
        round(max(box[2] for box in boxes), 2),
        round(max(box[3] for box in boxes), 2),
    )
