"""A changed text beside the one it came from, with what was taken out and what was put in marked."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from markupsafe import Markup, escape

from bakeoff.report.text import clean, clip

LONGEST = 600
"""Characters of each text that are compared and shown."""
_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_SPACES = {" ": "␣", "\n": "⏎\n", "\t": "⇥"}


@lru_cache(maxsize=1024)
def changed(before: str, after: str) -> tuple[Markup, Markup]:
    """Both texts as HTML: ``<del>`` around what only the first has, ``<ins>`` around what only the second has.

    Words are compared whole. What could not be seen is spelled out: added or missing spaces as ``␣``, characters without
    width as their code point, and letters that only look like others with their code point behind the word.
    """
    if len(before) > LONGEST or len(after) > LONGEST:
        before, after = clip(before, LONGEST), clip(after, LONGEST)
    a, b = _TOKEN.findall(before), _TOKEN.findall(after)
    left, right = [], []
    for kind, a0, a1, b0, b1 in _opcodes(a, b):
        gone, come = "".join(a[a0:a1]), "".join(b[b0:b1])
        if kind == "equal":
            left.append(escape(clean(gone)))
            right.append(escape(clean(come)))
            continue
        if gone:
            left.append(Markup("<del>{}</del>").format(_seen(gone)))
        if come:
            right.append(Markup("<ins>{}</ins>").format(_seen(come)))
            if gone and (strange := _lookalikes(gone, come)):
                right.append(Markup(' <span class="sub">{}</span>').format(strange))
    return Markup("<bdi>{}</bdi>").format(Markup("").join(left)), Markup("<bdi>{}</bdi>").format(Markup("").join(right))


def _opcodes(a: list[str], b: list[str]) -> Sequence[tuple[str, int, int, int, int]]:
    """What changed between two lists of tokens, as `difflib` says it; token by token where most stayed in their places.

    The matcher may take the product of both lengths; it is given long texts only where tokens were added or lost, and then
    leaves out the commonest ones (its `autojunk`).
    """
    if len(a) == len(b) and sum(x == y for x, y in zip(a, b, strict=True)) * 2 >= len(a):
        return [("equal" if x == y else "replace", i, i + 1, i, i + 1) for i, (x, y) in enumerate(zip(a, b, strict=True))]
    return difflib.SequenceMatcher(None, a, b).get_opcodes()


def _seen(piece: str) -> str:
    """A changed piece with spaces spelled out where it is nothing else, and characters without width everywhere."""
    if piece.isspace():
        return "".join(_SPACES.get(c, f"⟨U+{ord(c):04X}⟩") for c in piece)
    joins = any(unicodedata.category(c) == "So" for c in piece)  # a zero-width joiner between emoji is part of one sign
    shown = "".join(c if joins or unicodedata.category(c) != "Cf" else f"⟨U+{ord(c):04X}⟩" for c in piece)
    return clean(shown)


def _lookalikes(gone: str, come: str) -> str:
    """Code points of letters that are new and not ASCII, where an ASCII word was replaced and at most three are."""
    new = sorted({c for c in come if ord(c) > 127 and c not in gone and unicodedata.category(c)[0] == "L"})
    if not gone.isascii() or not 0 < len(new) <= 3:
        return ""
    return ", ".join(f"{unicodedata.name(c, 'letter').lower()} U+{ord(c):04X}" for c in new)
