"""The markup that the made documents are written in, and how words are broken at a line's end.

``**bold**``, ``//italic//``, ``^^footnote^^`` and ``[[fact: words]]``: the words state that fact, and the truth will say where they
stand. ``{name}`` is a value of the world, and ``<<one|other>>`` a choice of wording made once for each document.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal

from bakeoff.errors import BadData

_VALUE = re.compile(r"\{([a-zA-Z][\w.]*)\}")
_CHOICE = re.compile(r"<<((?:[^<>]|<(?!<)|>(?!>))*)>>")
_TOKEN = re.compile(r"(\*\*|//|\^\^|\[\[[\w.-]+:\s?|\]\])")


@dataclass(slots=True)
class Mark:
    """One place where a fact is stated. `text` is what stands there, without markup; `found` is filled in when it is printed.

    An entry of `found` is (index in `text`, page, line, box): one for each printed character that is no space. A cell of a table is marked
    with what names it: the labels of its row and column, and the table's unit.
    """

    fact: str
    text: str = ""
    kind: Literal["text", "cell"] = "text"
    row: str = ""
    column: str = ""
    unit: str = ""
    found: list[tuple[int, int, int, tuple[float, float, float, float]]] = field(default_factory=list)
    traits: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Fragment:
    """Characters of one style inside a word. `marks` are (mark, index of the first character in the mark's text)."""

    text: str
    bold: bool = False
    italic: bool = False
    raised: bool = False
    marks: tuple[tuple[Mark, int], ...] = ()
    note: str | None = None


def fill(text: str, values: Mapping[str, object], rng: random.Random) -> str:
    """Put values in, and choose among wordings.

    Raises
    ------
    BadData
        For a value that the world does not have: a template with a spelling mistake must not end up on a page.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise BadData(f"The made corpus has no value {match[1]!r}.", fix="correct the template")
        return str(values[match[1]])

    while _CHOICE.search(text):
        text = _CHOICE.sub(lambda match: rng.choice(match[1].split("|")), text)
    return _VALUE.sub(value, text)


def plain(text: str) -> str:
    """The text without markup and without its footnotes."""
    text = re.sub(r"\^\^.*?\^\^", "", text)
    return _TOKEN.sub("", text)


def words(
    text: str, marks: Sequence[Mark] = (), *, bold: bool = False, italic: bool = False
) -> tuple[list[list[Fragment]], list[Mark]]:
    """Split marked-up text into words (lists of fragments), and list the marks it opens.

    `marks` are marks that already hold around the whole text (a table cell's own).
    """
    opened: list[Mark] = []
    current: list[Mark] = []
    found: list[list[Fragment]] = []
    word: list[Fragment] = []
    note: list[str] | None = None
    around = list(marks)

    def add(piece: str) -> None:
        nonlocal word
        for part in re.split(r"( )", piece):
            holding = [*around, *current]
            if part == " ":
                if word:
                    found.append(word)
                    word = []
                for mark in holding:
                    if mark.text and not mark.text.endswith(" "):
                        mark.text += " "
            elif part:
                starts = tuple((mark, len(mark.text)) for mark in holding)
                word.append(Fragment(part, bold, italic, False, starts))
                for mark in holding:
                    mark.text += part

    for token in _TOKEN.split(text.replace("\n", " ")):
        if token == "^^":
            if note is None:
                note = []
            else:
                word.append(Fragment("", bold, italic, True, (), "".join(note)))
                note = None
        elif note is not None:
            note.append(token)
        elif token == "**":
            bold = not bold
        elif token == "//":
            italic = not italic
        elif token.startswith("[["):
            mark = Mark(token[2:].split(":")[0])
            opened.append(mark)
            current.append(mark)
        elif token == "]]":
            if not current:
                raise BadData(f"A mark is closed that was not opened, in {text[:60]!r}.", fix="correct the template")
            current.pop()
        else:
            add(re.sub(r" +", " ", token))
    if word:
        found.append(word)
    if current or note is not None:
        raise BadData(f"A mark or footnote is not closed, in {text[:60]!r}.", fix="correct the template")
    return found, opened


@cache
def _breaks() -> dict[str, tuple[int, ...]]:
    """Where the words of the list may be broken: index of the character after the hyphen."""
    table = {}
    for line in files("bakeoff.tasks.documents").joinpath("made/hyphens.txt").read_text(encoding="utf-8").split():
        parts = line.split("-")
        at, places = 0, []
        for part in parts[:-1]:
            at += len(part)
            places.append(at)
        table["".join(parts)] = tuple(places)
    return table


def break_points(word: str) -> tuple[int, ...]:
    """Where a word may be broken at a line's end, from the list of words that the corpus uses; nowhere for other words."""
    stripped = word.strip(".,;:()“”’\"'")
    if not stripped:
        return ()
    start = word.index(stripped)
    return tuple(start + at for at in _breaks().get(stripped.lower(), ()) if at >= 2 and len(stripped) - at >= 3)
