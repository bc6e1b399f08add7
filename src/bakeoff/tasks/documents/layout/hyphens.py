"""What stands between the end of one line and the beginning of the next: a space, nothing, or nothing and the hyphen goes.

The rule for a hyphen at a line's end, after a letter:

1. A soft hyphen (U+00AD) is taken out, always.
2. Before a capital or a digit the hyphen stays and the words are joined by it ("non-" "GAAP", "COVID-" "19").
3. Before a lower-case letter: if the joined word stands elsewhere in the document so far, the hyphen goes; else if the word with its hyphen does, it stays;
   else it stays where there is a hyphen in the word already ("up-to-" "date"), where the part before it is one that makes compounds ("long-",
   "self-"), or where the part after it is ("-based", "-term") and the part before it is a word of the document; else it goes. What
   only ends words ("-ment") is never a second part.

A dash that joins (— or –) and a slash join without a space when nothing but letters or digits stands beside them. Chinese and Japanese lines
join without a space.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


HYPHENS = "-\u2010\u2011\u00ad"

COMPOUND_FIRST = _listed(
    "non self quasi cross long short high low mid well year quarter month week half first second third fourth one two three four five six seven eight "
    "nine ten full fast fixed variable floating"
)
"""English first parts of compounds that are written with a hyphen far more often than without."""

COMPOUND_SECOND = _listed(
    "adjusted averse backed based bearing controlled denominated dependent dilutive driven effective efficient end ended equivalent financed focused "
    "friendly funded generated generation grade growth intensive issued led length level looking made managed market maturity month neutral opening "
    "oriented owned paid party pending priced producing protected quality quarter range ranging rata rated recurring related sale scale sector "
    "sensitive sharing sided sized specific sponsored standing style tax term tier traded type use value vested weighted wide year yield"
)
"""English second parts of such compounds."""

BOUND_ENDINGS = _listed(
    "able age al ally an ance ant ar ard ary ate ated ates ating ation ator ed edly en ence ent er ers ery es est ful hood ial ible ic ical ied ier ies ify ily "
    "ing ings ion ish ism ist ity ive ize ized izing less ling ly ment ments ness or ors ous ship some tion tions ual ure ward wards wise"
)
"""What ends a word and is none: after it the hyphen always goes."""

SOLID = tuple(
    _listed(
        "highlight highway shortfall shorthand shortlist shortcoming longhand crossroad crossover midnight midday midpoint midland lowland yearbook halfway "
        "oneself twofold weekend weekday weeknight firsthand secondhand tenant tender tenure tension fulltime"
    )
)
"""Words that begin like compounds and are written as one."""

_WORD = re.compile(r"[^\W\d_]+(?:[-‐‑][^\W\d_]+)*")
_LAST_WORD = re.compile(r"([^\W_](?:[\w'’]|[-‐‑](?=\w))*)[-‐‑\u00ad]$")
_FIRST_WORD = re.compile(r"[^\W_][\w'’]*")

MOST_WORDS = 200_000


class Words:
    """The words of a document so far, in lower case, with and without hyphens: what a broken word is compared with.

    It keeps at most `MOST_WORDS` words; what comes later is not learned.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()

    def learn(self, texts: Iterable[str]) -> None:
        """Remember the words of some lines, the broken ones at their ends left out."""
        if len(self._known) >= MOST_WORDS:
            return
        for text in texts:
            words = [word.lower().replace("‐", "-").replace("‑", "-") for word in _WORD.findall(text)]
            if text[-1:] in HYPHENS and words:
                words.pop()
            self._known.update(word for word in words[1:] if len(word) <= 64)
            if words and words[0][:1] and len(words[0]) <= 64:
                self._known.add(words[0])

    def __contains__(self, word: str) -> bool:
        return word in self._known


def between(above: str, below: str, soft: bool, words: Words) -> tuple[str, bool]:
    """What to put between two lines of one block, and whether the hyphen that ends the first is taken out.

    Parameters
    ----------
    above, below : str
        The lines, neither empty.
    soft : bool
        The first ends with a soft hyphen.
    words : Words
        The document so far, this page included.
    """
    last, first = above[-1], below[0]
    if last in HYPHENS:
        broken = _LAST_WORD.search(above[-80:])
        if broken is None:
            return (" ", False)
        if soft:
            return ("", True)
        if not first.islower() or not broken[1][-1].isalpha():
            return ("", False) if first.isalnum() else (" ", False)
        return ("", not _is_compound(broken[1], below, words))
    if last in "—–/" and first.isalnum() and len(above) > 1 and above[-2].isalnum():
        return ("", False)
    if _wide(last) and _wide(first):
        return ("", False)
    return (" ", False)


def _is_compound(before: str, below: str, words: Words) -> bool:
    found = _FIRST_WORD.match(below)
    after = found[0].lower() if found else ""
    before = before.lower()
    if "-" in before or "‐" in before or "‑" in before:
        return True
    if before + after in words:
        return False
    if f"{before}-{after}" in words:
        return True
    if len(after) < 3 or after in BOUND_ENDINGS or (before + after).startswith(SOLID):
        return False
    return before in COMPOUND_FIRST or (after in COMPOUND_SECOND and len(before) >= 3 and before in words)


def _wide(character: str) -> bool:
    return character > "\u2e7f" and unicodedata.east_asian_width(character) in "WF"
