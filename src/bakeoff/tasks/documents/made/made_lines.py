"""Sets words into lines: how wide they are, where a line ends, and where a word is broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bakeoff.tasks.documents.made import made_fonts
from bakeoff.tasks.documents.made.made_fonts import Family
from bakeoff.tasks.documents.made.made_text import Fragment, break_points

ROOM_TO_BREAK = 2.2
"""A word is broken only where the line would otherwise end this many ems short."""


@dataclass(slots=True)
class Line:
    """Words that are printed on one line. `width` is their natural width; `last` is the end of a paragraph."""

    words: list[list[Fragment]]
    width: float
    last: bool = False


def font_of(fragment: Fragment, family: Family, size: float) -> tuple[str, float]:
    """Font name and size of a fragment."""
    return family.face(fragment.bold, fragment.italic), size * 0.66 if fragment.raised else size


def width_of(word: Sequence[Fragment], family: Family, size: float) -> float:
    """Width of a word in points."""
    return sum(made_fonts.width(fragment.text, *font_of(fragment, family, size)) for fragment in word)


def set_lines(found: Sequence[list[Fragment]], width: float, family: Family, size: float, *, breaking: bool) -> list[Line]:
    """Words set into lines of at most `width` points, one after the other; `breaking` allows hyphens at line ends."""
    lines: list[Line] = []
    current: list[list[Fragment]] = []
    used = 0.0
    space = made_fonts.width(" ", family.regular, size)
    queue = list(reversed(found))
    while queue:
        word = queue.pop()
        wide = width_of(word, family, size)
        gap = space if current else 0.0
        if used + gap + wide <= width + 0.01:
            current.append(word)
            used += gap + wide
            continue
        loose = width - used > ROOM_TO_BREAK * size or not current
        split = _broken_word(word, width - used - gap, family, size) if breaking and loose else None
        if split is not None:
            head, tail = split
            current.append(head)
            used += gap + width_of(head, family, size)
            queue.append(tail)
        elif current:
            queue.append(word)
        else:
            current, used = [word], wide
        lines.append(Line(current, used))
        current, used = [], 0.0
    if current:
        lines.append(Line(current, used))
    if lines:
        lines[-1].last = True
    return lines


def _broken_word(word: list[Fragment], space: float, family: Family, size: float) -> tuple[list[Fragment], list[Fragment]] | None:
    if len(word) != 1:
        return None
    fragment = word[0]
    for at in reversed(break_points(fragment.text)):
        head, hyphen = replace(fragment, text=fragment.text[:at]), replace(fragment, text="-", marks=())
        if width_of([head, hyphen], family, size) <= space:
            for mark, _ in fragment.marks:
                mark.traits.add("hyphenated")
            rest = replace(fragment, text=fragment.text[at:], marks=tuple((mark, start + at) for mark, start in fragment.marks))
            return [head, hyphen], [rest]
    return None
