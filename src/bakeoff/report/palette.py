"""Which colour and which shape an approach has. Given by the order of names, so that it is the same in every chart.

The eight hues were searched for, one lightness and chroma each, so that every two stay apart under normal
sight and under simulated protanopia, deuteranopia and tritanopia (Machado, Oliveira and Fernandes 2009), with
at least 3:1 contrast on the page in both themes. Shape repeats what colour says: past eight approaches the
colours start again with other shapes, so that the first 64 are all different.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

LIGHT = ("#193097", "#a35d30", "#54917e", "#6a1161", "#ac8704", "#106a88", "#574e44", "#8b5dce")
DARK = ("#539dd3", "#e47011", "#b9e5be", "#a5637b", "#fbd530", "#49cbfb", "#baafa4", "#7864d7")
PAPER_LIGHT, PAPER_DARK = "#fbfaf7", "#161513"
SHAPES = ("circle", "square", "diamond", "triangle", "down", "plus", "hexagon", "cross")


class Look(NamedTuple):
    """An approach's looks: the number of its colour (class ``c0`` to ``c7``) and the name of its shape."""

    colour: int
    shape: str


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Approach -> its looks, for all approaches of one document (failed ones too: a colour never moves)."""
    found = {}
    for index, name in enumerate(sorted(set(names))):
        turn, colour = divmod(index, len(LIGHT))
        found[name] = Look(colour, SHAPES[(colour + turn) % len(SHAPES)])
    return found
