"""Changes of words that leave the meaning, and one that turns it: contractions, numbers, synonyms, negation.

Each applies only where a small table or pattern is sure; elsewhere it returns None. None of them raises for any text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random

from bakeoff.measure.number_words import spelled

_CONTRACTIONS: Mapping[str, str] = {
    "don't": "do not",
    "doesn't": "does not",
    "didn't": "did not",
    "isn't": "is not",
    "aren't": "are not",
    "wasn't": "was not",
    "weren't": "were not",
    "haven't": "have not",
    "hasn't": "has not",
    "hadn't": "had not",
    "can't": "cannot",
    "couldn't": "could not",
    "won't": "will not",
    "wouldn't": "would not",
    "shouldn't": "should not",
    "i've": "i have",
    "i'll": "i will",
    "i'm": "i am",
    "you're": "you are",
    "you'll": "you will",
    "we're": "we are",
    "we've": "we have",
    "they're": "they are",
    "they've": "they have",
    "it'll": "it will",
}
"""Those that stand for one thing only: "it's" may be "it is" or "it has", and is left alone."""
_EXPANDED = {long: short for short, long in _CONTRACTIONS.items()}

_SYNONYMS: Mapping[str, str] = {
    "bought": "purchased",
    "purchased": "bought",
    "item": "product",
    "product": "item",
    "products": "items",
    "photo": "picture",
    "photos": "pictures",
    "kids": "children",
    "children": "kids",
    "mom": "mother",
    "dad": "father",
    "almost": "nearly",
    "entire": "whole",
    "everyone": "everybody",
    "everybody": "everyone",
    "someone": "somebody",
    "somebody": "someone",
    "anyone": "anybody",
    "anybody": "anyone",
    "until": "till",
    "perhaps": "maybe",
    "approximately": "roughly",
    "additionally": "also",
    "attempted": "tried",
    "utilize": "use",
    "couch": "sofa",
    "sofa": "couch",
    "television": "TV",
    "refrigerator": "fridge",
    "cellphone": "mobile phone",
    "color": "colour",
    "colour": "color",
    "colors": "colours",
    "colours": "colors",
    "favorite": "favourite",
    "favourite": "favorite",
    "gray": "grey",
    "okay": "OK",
    "often": "frequently",
    "company": "firm",
}
"""One word for another that says the same and judges no more; each was read in review sentences before and after."""

_NUMBER = re.compile(
    r"(?<![\w.,/:$€£¥%#@+*=^~-])(?<![$€£¥#@]\s)(0|[1-9][0-9]{0,2})(?![\w/:%$€£¥*=^~+°)\"”-]|[.,][0-9]|\s[\"”%])", re.ASCII
)


def _like(model: str, word: str) -> str:
    """`word` in the case of `model`: all capitals, a capital first, or as it is."""
    if len(model) > 1 and model.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word


def _replaced(text: str, table: Mapping[str, str], pattern: re.Pattern[str]) -> str | None:
    found = False

    def change(match: re.Match[str]) -> str:
        nonlocal found
        plain = " ".join(match[0].lower().replace("’", "'").split())
        if plain not in table:
            return match[0]
        found = True
        return _like(match[0], table[plain])

    changed = pattern.sub(change, text)
    return changed if found else None


def _any_of(words: Mapping[str, str]) -> re.Pattern[str]:
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    forms = "|".join(re.escape(word).replace("'", "['’]").replace(r"\ ", r"\s+") for word in longest_first)
    return re.compile(rf"(?<![\w'’-])(?:{forms})(?![\w'’-])", re.IGNORECASE)


_SHORT, _LONG, _WORDS = _any_of(_CONTRACTIONS), _any_of(_EXPANDED), _any_of(_SYNONYMS)


def contractions_expanded(text: str, rng: Random) -> str | None:
    """ "Don't" written as "do not"."""
    return _replaced(text, _CONTRACTIONS, _SHORT)


def contractions_made(text: str, rng: Random) -> str | None:
    """ "Do not" written as "don't", where more words follow: "that is what they are" has no short form."""
    pattern = re.compile(_LONG.pattern + r"(?=\s+[^\W\d_])", re.IGNORECASE)
    return _replaced(text, _EXPANDED, pattern)


def numbers_spelled(text: str, rng: Random) -> str | None:
    """Whole numbers below 1,000 in words, where they stand alone: not "4.5", "10/10", "$5", "x20", or "2." before a point of a list."""

    def in_words(found: re.Match[str]) -> str:
        opens_line = not text[: found.start()].rpartition("\n")[2].strip()
        return found[0] if opens_line and text[found.end() : found.end() + 1] == "." else spelled(int(found[0]))

    changed = _NUMBER.sub(in_words, text)
    return changed if changed != text else None


def synonyms(text: str, rng: Random) -> str | None:
    """Words in place of others that say the same and judge no more: "bought" and "purchased"."""
    changed = _replaced(text, _SYNONYMS, _WORDS)
    return None if changed is None else _articles(changed, text)


_ARTICLE = re.compile(r"\b(an?)(\s+)([a-z]+)\b", re.IGNORECASE)
_NEW_ARTICLES = {"item": "an", "entire": "an", "product": "a", "whole": "a", "firm": "a", "company": "a"}


def _articles(changed: str, before: str) -> str:
    """ "A" and "an" put right before the words that the table changes; others stay as the writer had them."""

    def right(found: re.Match[str]) -> str:
        wanted = _NEW_ARTICLES.get(found[3].lower())
        return found[0] if wanted is None else _like(found[1], wanted) + found[2] + found[3]

    return _ARTICLE.sub(right, changed) if changed != before else changed


# --- negation -------------------------------------------------------------------------------------------------------

LONGEST_NEGATED = 14
"""Words; in longer sentences something else may carry the judgement."""

_GOOD = r"(?:good|great|reliable|comfortable|sturdy|accurate|useful|helpful|easy|happy|pleased|satisfied|impressed|worth|durable|convenient|clear)"
_DEGREE = r"(?:(?:very|really)\s+)?"
_TURNS: tuple[tuple[str, str], ...] = (
    # Praise turned round. "Not perfect" and "not the best" still praise, and are no such patterns.
    (rf"\b(is|are|was|were|am)\s+({_DEGREE}{_GOOD})\b", r"\1 not \2"),
    (rf"\b(it's|it’s)\s+({_DEGREE}{_GOOD})\b", r"\1 not \2"),
    (rf"\b(i'm|i’m)\s+({_DEGREE}{_GOOD})\b", r"\1 not \2"),
    (r"\b(i)\s+((?:would\s+|do\s+|can\s+)?)(?:highly\s+|strongly\s+|definitely\s+)?recommend\b", ""),
    (r"\b(it|this)\s+works\b", r"\1 does not work"),
    (r"\bi\s+like\b", "I do not like"),
)
_TURNS_BACK: tuple[tuple[str, str], ...] = (
    # Blame turned round. "Not terrible" is no praise, so only what negates a good word is taken away.
    (rf"\b(is|are|was|were|am)\s+not\s+({_DEGREE}{_GOOD})\b", r"\1 \2"),
    (rf"\b(is|are|was|were)n['’]t\s+({_DEGREE}{_GOOD})\b", r"\1 \2"),
    (r"\b(does\s+not|doesn['’]t)\s+work\b", "works"),
    (r"\bi\s+(?:do\s+not|don['’]t)\s+(recommend|like)\b", r"I \1"),
    (r"\bi\s+would(?:\s+not|n['’]t)\s+recommend\b", "I would recommend"),
)
_UNSURE = re.compile(
    r"[,;:?\"“”()/=]|[.!]\s*\S|\b(?:but|although|though|however|except|yet|if|unless|until|only|just|when|while|because|since|wish|should|could|"
    r"other|otherwise|else|than|too|enough|besides|despite|still|which|who|what|that|and|or|as)\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\b(?:not|no|never|none|nothing|nobody|nor|neither|hardly|barely|without|cannot|little|less)\b|n['’]t\b", re.IGNORECASE
)


def negated_praise(text: str, rng: Random) -> str | None:
    """A short, simple sentence of praise with "not" put in; None where the pattern is not sure to turn the judgement."""
    if not _simple(text) or _NEGATED.search(text):
        return None
    return _first_turn(text, _TURNS)


def negated_blame(text: str, rng: Random) -> str | None:
    """A short, simple "not good" with its "not" taken away; None where the pattern is not sure to turn the judgement."""
    if not _simple(text) or len(_NEGATED.findall(text)) != 1:
        return None
    return _first_turn(text, _TURNS_BACK)


def _simple(text: str) -> bool:
    return len(text.split()) <= LONGEST_NEGATED and not _UNSURE.search(text.strip())


def _first_turn(text: str, turns: tuple[tuple[str, str], ...]) -> str | None:
    for pattern, put in turns:
        found = re.search(pattern, text, re.IGNORECASE)
        if found:
            new = found.expand(put) if put else _not_recommended(found)
            first = new[:1].upper() if found[0][:1].isupper() else new[:1].lower()
            return text[: found.start()] + first + new[1:] + text[found.end() :]
    return None


def _not_recommended(found: re.Match[str]) -> str:
    helper = found[2].strip().lower()
    return {"would": "I would not recommend", "can": "I cannot recommend"}.get(helper, "I do not recommend")
