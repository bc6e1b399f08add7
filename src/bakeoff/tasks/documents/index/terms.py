"""What a text is found by: the terms of the lexical index, the same for a chunk and for a question.

- Text is compared under Unicode NFKC and case folding, without accents, soft hyphens or superscript note marks.
- A number is one term however it is grouped ("5,363" is ``5363``, "23.5%" is ``23.5`` and ``percent``); section numbers stay
  whole (``9.1.1``). "FY2023" is ``fy2023`` and ``2023``; "FY23" the same.
- A compound is found joined and apart: "long-term" is ``longterm``, ``long``, ``term``; "R&D" is ``rd``; "U.S." is ``us``.
- English words are stemmed with Snowball (Porter 2001). Function words are dropped; "not", "no" and "without" are kept.
- Scripts that put no spaces between words (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese) are cut into overlapping pairs of
  characters. Words of all other scripts are kept as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache

from bakeoff.errors import needs

LONGEST = 64
"""Characters kept of a term: hostile files hold words of a million letters."""

_WORDS = """a about all also am an and any are as at be been being both but by can could did do does doing each either for from had has
    have having he her hers him his how i if in into is it its itself just may me might more most much must my of off on one or
    other our ours out over own same shall she should so some such than that the their theirs them then there these they this
    those through thus to too up upon very was we were what when where whether which while who whom whose why will with would you
    your yours"""

FUNCTION_WORDS = frozenset(_WORDS.split())
"""Words that say nothing about what a passage is about. "us" is not among them: it is also how "U.S." is found."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u1100-\u11ff\u3005\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
# Python's \w leaves out the vowel signs of Indic scripts, which would cut their words in two.
_LETTER = r"(?:[^\W_]|[\u0900-\u0963\u0966-\u0dff])"
_NUMBER = r"\d+(?:,\d{3}(?!\d))*(?:\.\d+)*"
_TOKEN = re.compile(
    rf"%|[{_UNSPACED}]+|{_LETTER}+(?:(?:[-&._/']|(?<=\d),(?=\d{{3}}(?!\d))){_LETTER}+)*".replace("[^\\W_]", f"[^\\W_{_UNSPACED}]")
)
_ASCII_TOKEN = re.compile(r"%|[a-z0-9]+(?:(?:[-&._/']|(?<=[0-9]),(?=[0-9]{3}(?![0-9])))[a-z0-9]+)*")
_PART = re.compile(rf"{_NUMBER}[^\W\d_]*|{_LETTER}+")
_ONLY_NUMBER = re.compile(_NUMBER)
_YEAR = re.compile(r"fy(\d\d(?:\d\d)?)")
_LETTERS_THEN_DIGITS = re.compile(r"([^\W\d_]+)(\d{2,})")
_DIGITS_THEN_LETTERS = re.compile(rf"({_NUMBER})([^\W\d_]+)")
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")

# Superscript digits are note marks far more often than exponents; NFKC would glue them to the word before.
_SUPERSCRIPTS = dict.fromkeys(map(ord, "⁰¹²³⁴⁵⁶⁷⁸⁹"), " ")
_VANISH = dict.fromkeys(
    [0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x0640, *range(0x0591, 0x05C8), *range(0x064B, 0x0660), 0x0670]
)
_ACCENTS = dict.fromkeys(range(0x0300, 0x0370))
_SAME = {ord(each): "-" for each in "\u2010\u2011\u2012\u2013\u2014\u2212"} | {ord(each): "'" for each in "\u2018\u2019\u02bc"}


def terms_of(text: str) -> list[str]:
    """The terms of a text, in order, repeats included.

    Parameters
    ----------
    text : str
        Any text, empty too.

    Returns
    -------
    list of str
        Each of 1 to 64 characters. Empty where the text holds nothing but function words and signs.
    """
    found: list[str] = []
    if text.isascii():
        tokens = _ASCII_TOKEN.findall(text.lower())
    else:
        tokens = _TOKEN.findall(normalise(text))
    for token in tokens:
        found += (
            _terms_of_token(token[: 4 * LONGEST]) if len(token) <= 4 * LONGEST or not _IS_UNSPACED.match(token) else _pairs(token)
        )
    return found


def normalise(text: str) -> str:
    """The text as terms see it: NFKC, folded, plain hyphens and apostrophes, no accents, no invisible characters, digits 0 to 9."""
    text = text.translate(_SAME)
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text.translate(_SUPERSCRIPTS)).casefold().translate(_SAME).translate(_VANISH)
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", folded).translate(_ACCENTS))
    return _OTHER_DIGIT.sub(_plain_digit, folded)


def _plain_digit(match: re.Match[str]) -> str:
    return str(unicodedata.decimal(match.group()))


@lru_cache(maxsize=1 << 17)
def _terms_of_token(token: str) -> tuple[str, ...]:
    if token == "%":
        return ("percent",)
    if token.isalpha() and token.isascii():
        return () if token in FUNCTION_WORDS else (_stemmer()(token[:LONGEST]),)
    if _IS_UNSPACED.match(token):
        return tuple(_pairs(token))
    if _ONLY_NUMBER.fullmatch(token):
        return (token.replace(",", "")[:LONGEST],)
    if "'" in token:
        token = token.removesuffix("'s").replace("'", "")
    parts = _PART.findall(token)
    if len(parts) == 1:
        return tuple(_simple(parts[0]))
    words = [part for part in parts if not part[0].isdigit()]
    joined = "".join(parts)
    if words and all(len(part) == 1 for part in parts):
        return (joined[:LONGEST],)
    found = [joined[:LONGEST]] if words and "/" not in token and len(parts) <= 4 else []
    for part in parts:
        if len(part) > 1 or part.isdigit():
            found += _simple(part)
    return tuple(found)


def _simple(part: str) -> list[str]:
    """Terms of a run of letters and digits."""
    if part in FUNCTION_WORDS:
        return []
    if _ONLY_NUMBER.fullmatch(part):
        return [part.replace(",", "")[:LONGEST]]
    if year := _YEAR.fullmatch(part):
        full = year[1] if len(year[1]) == 4 else "20" + year[1]
        return ["fy" + full, full]
    if mixed := _LETTERS_THEN_DIGITS.fullmatch(part):
        return [part[:LONGEST], mixed[2][:LONGEST]]
    if mixed := _DIGITS_THEN_LETTERS.fullmatch(part):
        number = mixed[1].replace(",", "")[:LONGEST]
        return [number] if mixed[2] in ("st", "nd", "rd", "th") else [(number + mixed[2])[:LONGEST], number]
    return [_stemmer()(part[:LONGEST]) if part.isascii() and part.isalpha() else part[:LONGEST]]


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


@cache
def _stemmer() -> Callable[[str], str]:
    needs("snowballstemmer", extra="documents", why="Searching documents by words")
    import snowballstemmer

    stem: Callable[[str], str] = snowballstemmer.stemmer("english").stemWord
    return stem
