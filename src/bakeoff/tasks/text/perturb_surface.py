"""Changes to how a text is written, not to what it says: typos, case, spacing, punctuation, look-alike characters.

Every function takes a text and a seeded generator and returns the changed text, or None where there is nothing to change.
None of them raises for any text.
"""

from __future__ import annotations

import re
from random import Random

WORDS_PER_TYPO = 10
SHORTEST_MISSPELT = 5
"""Shorter words carry negations and turn into one another ("not", "now"), so they are left alone."""

_WORD = re.compile(r"[^\W\d_]+")
_NEIGHBOURS = {
    key: (row[i - 1] if i else "") + row[i + 1 : i + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for i, key in enumerate(row)
}
_ACCENTS = dict(zip("aceinouyACEINOUY", "áçéíñóúýÁÇÉÍÑÓÚÝ", strict=True))
HOMOGLYPHS = dict(zip("aceijopsxyABCEHIKMOPTX", "асеіјорѕхуАВСЕНІКМОРТХ", strict=True))
"""Latin letter -> Cyrillic letter of the same look (Unicode Technical Standard 39, confusables)."""
ZERO_WIDTH = ("\u200b", "\u200c", "\u2060", "\ufeff")
_EMOTICON = re.compile(r"[:;=8xX][-'^o]?[)(\[\]DPpOo|/\\3*<>]|<3|[)(\]\[D][-']?[:;=]|\^_?\^|[oO>][_.][oO<]")
_DROPPED = frozenset('.,;:!?"()“”„«»…')


def _misspelt(text: str, rng: Random, change: str) -> str | None:
    """One typo for every ten words, in words of five letters or more; first letters stay."""
    places = [found.span() for found in _WORD.finditer(text) if len(found[0]) >= SHORTEST_MISSPELT]
    letters = list(text)
    wanted = max(1, len(text.split()) // WORDS_PER_TYPO)
    done = 0
    rng.shuffle(places)
    for start, end in places:
        at = rng.randrange(start + 1, end - 1)
        here, after = letters[at], letters[at + 1]
        if change == "swap" and here != after:
            letters[at], letters[at + 1] = after, here
        elif change == "drop":
            letters[at] = ""
        elif change == "double":
            letters[at] = here * 2
        elif change == "neighbour" and here.lower() in _NEIGHBOURS:
            near = rng.choice(_NEIGHBOURS[here.lower()])
            letters[at] = near.upper() if here.isupper() else near
        else:
            continue
        done += 1
        if done == wanted:
            break
    return "".join(letters) if done else None


def typo_swap(text: str, rng: Random) -> str | None:
    """Two neighbouring letters in each other's place."""
    return _misspelt(text, rng, "swap")


def typo_drop(text: str, rng: Random) -> str | None:
    """A letter left out."""
    return _misspelt(text, rng, "drop")


def typo_double(text: str, rng: Random) -> str | None:
    """A letter typed twice."""
    return _misspelt(text, rng, "double")


def typo_neighbour(text: str, rng: Random) -> str | None:
    """The key beside the right one, on a QWERTY keyboard."""
    return _misspelt(text, rng, "neighbour")


def upper(text: str, rng: Random) -> str | None:
    """All capitals."""
    return text.upper()


def lower(text: str, rng: Random) -> str | None:
    """No capitals."""
    return text.lower()


def title(text: str, rng: Random) -> str | None:
    """A capital at the start of every word."""
    return re.sub(r"\S+", lambda found: found[0][:1].upper() + found[0][1:], text)


def double_spaces(text: str, rng: Random) -> str | None:
    """Two to four spaces for each one."""
    return re.sub(" ", lambda _: " " * rng.randrange(2, 5), text)


def tight_punctuation(text: str, rng: Random) -> str | None:
    """No space after commas, full stops and the like."""
    return re.sub(r"(?<=[^\W\d_][.,;:!?]) +(?=[^\W\d_])", "", text)


def line_breaks(text: str, rng: Random) -> str | None:
    """Tabs and line breaks in place of some spaces."""
    if " " not in text:
        return None
    some = re.sub(" ", lambda _: rng.choice(("\n", "\t", " ", "\n\n")), text)
    return some if some != text else text.replace(" ", "\n", 1)


def no_punctuation(text: str, rng: Random) -> str | None:
    """Sentence marks and quotes left out, but for those inside numbers. None where there are emoticons, which carry meaning."""
    if _EMOTICON.search(text):
        return None
    kept = [
        char
        for i, char in enumerate(text)
        if char not in _DROPPED or (0 < i < len(text) - 1 and text[i - 1].isdigit() and text[i + 1].isdigit())
    ]
    return "".join(kept) if any(char.isalnum() for char in kept) else None


def more_punctuation(text: str, rng: Random) -> str | None:
    """Full stops at the end, or a dash between two words."""
    bare = text.rstrip()
    if not any(char.isalnum() for char in bare):
        return None
    spaces = [found.start() for found in re.finditer(r"(?<=\w) (?=\w)", bare)]
    if spaces and rng.random() < 0.5:
        at = rng.choice(spaces)
        return f"{text[:at]} - {text[at + 1 :]}"
    return bare + ("..." if bare[-1] not in ".!?" else "..")


def accents(text: str, rng: Random) -> str | None:
    """Accents on some of the letters that can bear one."""
    return _some(text, _ACCENTS, rng, 0.3)


def homoglyphs(text: str, rng: Random) -> str | None:
    """Cyrillic letters in place of about half of the Latin ones that they look like."""
    return _some(text, HOMOGLYPHS, rng, 0.5)


def _some(text: str, table: dict[str, str], rng: Random, share: float) -> str | None:
    places = [i for i, char in enumerate(text) if char in table]
    if not places:
        return None
    chosen = {i for i in places if rng.random() < share} or {rng.choice(places)}
    return "".join(table[char] if i in chosen else char for i, char in enumerate(text))


def zero_width(text: str, rng: Random) -> str | None:
    """An invisible character inside about half of the words of four letters or more."""
    places = [found.start() + len(found[0]) // 2 for found in _WORD.finditer(text) if len(found[0]) >= 4]
    if not places:
        return None
    chosen = {i for i in places if rng.random() < 0.5} or {rng.choice(places)}
    return "".join((rng.choice(ZERO_WIDTH) if i in chosen else "") + char for i, char in enumerate(text))


def full_width(text: str, rng: Random) -> str | None:
    """Full-width letters, digits and marks, as typed with an East Asian keyboard."""
    if not any("!" <= char <= "~" for char in text):
        return None
    return "".join("\u3000" if char == " " else chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)
