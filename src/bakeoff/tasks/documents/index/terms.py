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
from collections.abc import Callable, Iterable, Sequence
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
_SUPERSCRIPT = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]")
_VANISHING = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff\u0640\u0591-\u05c7\u064b-\u065f\u0670]")
_ACCENT = re.compile("[\u0300-\u036f]")
_HYPHEN, _APOSTROPHE = re.compile("[\u2010-\u2014\u2212]"), re.compile("[\u2018\u2019\u02bc]")


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
    for token in _tokens(text):
        found += _terms_of_token(token) if len(token) <= 4 * LONGEST else _terms_of_long(token)
    return found


class TermFinder:
    """Where some terms stand in texts: what `terms_of` says of them, without stemming the words that cannot be one of them.

    Stemming is most of the time that `terms_of` takes for words not met before. The English stemmer cuts a word's end off and may put one other
    letter there ("reliance" becomes "relianc", "happy" "happi"), or "le" after a "b" ("capability" becomes "capable" on the way), or "ie" ("dying"
    becomes "die"). So the stem without these letters begins the word, and most words can be told by their first letters not to be looked for.

    Parameters
    ----------
    terms : iterable of str
        As `terms_of` gives them.
    """

    def __init__(self, terms: Iterable[str]) -> None:
        self._wanted = frozenset(terms)
        self._begins = tuple({term[: max(1, len(term) - (2 if term.endswith(("ble", "ie")) else 1))] for term in self._wanted})
        self._read: dict[str, tuple[int, tuple[tuple[int, str], ...]]] = {}

    def places(self, text: str) -> dict[str, list[int]]:
        """Indices in ``terms_of(text)`` at which each of the terms stands, ascending; terms that do not stand there are left out."""
        found: dict[str, list[int]] = {}
        read, at = self._read, 0
        for token in _tokens(text):
            seen = read.get(token)
            if seen is None:
                seen = read[token] = self._look(token)
            count, hits = seen
            for offset, term in hits:
                found.setdefault(term, []).append(at + offset)
            at += count
        return found

    def _look(self, token: str) -> tuple[int, tuple[tuple[int, str], ...]]:
        """How many terms a token has, and which of them are looked for."""
        if token.isalpha() and token.isascii() and not token.startswith(self._begins):
            return (0 if token in FUNCTION_WORDS else 1), ()
        terms = _terms_of_token(token) if len(token) <= 4 * LONGEST else _terms_of_long(token)
        return len(terms), tuple((offset, term) for offset, term in enumerate(terms) if term in self._wanted)


def normalise(text: str) -> str:
    """The text as terms see it: NFKC, folded, plain hyphens and apostrophes, no accents, no invisible characters, digits 0 to 9."""
    text = _plain_signs(text)
    if text.isascii():
        return text.lower()
    folded = _plain_signs(unicodedata.normalize("NFKC", _SUPERSCRIPT.sub(" ", text)).casefold())
    folded = unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFD", _VANISHING.sub("", folded))))
    return _OTHER_DIGIT.sub(_plain_digit, folded)


def _plain_signs(text: str) -> str:
    return _APOSTROPHE.sub("'", _HYPHEN.sub("-", text))


def _tokens(text: str) -> list[str]:
    found: list[str] = _ASCII_TOKEN.findall(text.lower()) if text.isascii() else _TOKEN.findall(normalise(text))
    return found


def _terms_of_long(token: str) -> Sequence[str]:
    return _pairs(token) if _IS_UNSPACED.match(token) else _terms_of_token(token[: 4 * LONGEST])


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
