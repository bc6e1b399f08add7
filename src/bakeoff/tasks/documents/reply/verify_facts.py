"""Text as tokens that can be compared for meaning: numbers by their value and unit, dates by their day, words as they are written.

Two texts with the same tokens say the same thing. So the reading is generous only where spelling cannot change the meaning ("5.4 billion" and
"5,400 million", "31 December 2022" and "December 31, 2022", "don't" and "do not", curly and straight quotes), and literal everywhere else: "5.10"
is not "5.1" unless it is money, a share or a magnitude; "$" is not "USD"; "FY2022" is not "2022"; look-alike letters and digits of other scripts
stay what they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from typing import Literal, NamedTuple, TypeAlias

from bakeoff.tasks.documents.reply.verify_numbers import CURRENCIES, SCALES, amount_key, scaled, written_number

Kind: TypeAlias = Literal["word", "number", "date", "sign"]

LONGEST_TEXT = 20_000
"""Characters that are read at most; no sentence or row is longer, and hostile ones may be."""


def word_set(words: str) -> frozenset[str]:
    """The words of a text, each once: for lists of words that are read better as lines."""
    return frozenset(words.split())


class Token(NamedTuple):
    """A unit of meaning.

    Parameters
    ----------
    kind : {'word', 'number', 'date', 'sign'}
    key : str
        Equal keys of one kind mean the same. Words: as written, apostrophes and dashes made plain. Numbers: value, '|', unit. Dates: ISO-like.
    start, end : int
        Where it stands in the text that was read.
    """

    kind: Kind
    key: str
    start: int
    end: int


PLAIN = {ord(each): "'" for each in "‘’‛ʼ`´"} | {ord(each): '"' for each in "“”„‟«»"}
PLAIN |= {ord(each): "-" for each in "‐‑‒–−﹣－"} | {
    ord(each): " " for each in "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000"
}
"""Quotation marks, dashes and spaces -> their plain forms, one character for one."""

_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_LIGATURE = re.compile("[" + "".join(_LIGATURES) + "]")

_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_MONTH_NUMBER = (
    {name: number for number, name in enumerate(_MONTHS, 1)}
    | {name[:3]: number for number, name in enumerate(_MONTHS, 1)}
    | {"sept": 9}
)
# "may" and "march" are words too: a month is written with a capital.
_MONTH = r"(?P<month>January|February|March|April|May|June|July|August|September|October|November|December|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.?|(?:JANUARY|FEBRUARY|MARCH|APRIL|MAY|JUNE|JULY|AUGUST|SEPTEMBER|OCTOBER|NOVEMBER|DECEMBER))"
_DAY = r"(?P<day>0?[1-9]|[12][0-9]|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>1[5-9][0-9]{2}|2[01][0-9]{2})"
_EDGE = r"(?![^\W_])(?!\.[0-9])(?!,[0-9]{3})"
_DATES = (
    re.compile(rf"{_YEAR}-(?P<month>0[1-9]|1[0-2])-(?P<day>0[1-9]|[12][0-9]|3[01]){_EDGE}(?!-)"),
    re.compile(rf"{_MONTH}\s{{1,2}}{_DAY}(?:,\s{{0,2}}|\s{{1,2}}){_YEAR}{_EDGE}"),
    re.compile(rf"{_DAY}\s{{1,2}}(?:of\s)?{_MONTH}\s{{1,2}}{_YEAR}{_EDGE}"),
    re.compile(rf"{_MONTH}\s{{1,2}}{_YEAR}{_EDGE}"),
    re.compile(rf"{_MONTH}\s{{1,2}}{_DAY}{_EDGE}"),
    re.compile(rf"{_DAY}\s{{1,2}}(?:of\s)?{_MONTH}{_EDGE}"),
)
_SLASHED = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/((?:19|20)[0-9]{2})(?![^\W_])(?!/)")
_FISCAL = re.compile(
    r"(?i:(?:fiscal[\s-]years?\s|fiscal\s|financial\syear\s)((?:19|20)[0-9]{2})|FY\s?'?((?:19|20)?[0-9]{2}))(?![^\W_])(?![,.][0-9])"
)
_QUARTER = re.compile(
    r"(?:Q([1-4])|(first|second|third|fourth)[\s-]quarter)(?:\sof)?\s?(fiscal\syear\s|fiscal\s|FY\s?)?'?((?:19|20)[0-9]{2})(?![^\W_])(?![,.][0-9])",
    re.IGNORECASE,
)
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4}

_ABBREVIATION = re.compile(r"(?:[A-Z]\.){2,}[A-Z]?(?![^\W_])|[A-Z](?:\.[A-Z])+(?![^\W_])")
_REFERENCE = re.compile(r"[0-9]+(?:\.[0-9]+){2,}(?![^\W_])|[0-9]+(?:/[0-9]+)+(?![^\W_])")
_AMOUNT = re.compile(
    rf"(?P<sign>[-+])?(?P<before>(?:{'|'.join(re.escape(each) for each in sorted(CURRENCIES.before, key=len, reverse=True))})\s?)?(?P<inner>-)?"
    r"(?P<digits>[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?![0-9]|,[0-9]|\.[0-9])"
)
_AFTER = re.compile(
    rf"(?:\s?-?(?P<scale>{'|'.join(sorted(SCALES.spelled, key=len, reverse=True))})(?![^\W_]))?"
    rf"(?:\s?(?P<percent>%|percent(?![^\W_])|per\scent(?![^\W_]))|\s(?P<after>{'|'.join(re.escape(each) for each in sorted(CURRENCIES.after, key=len, reverse=True))})(?![^\W_])"
    rf"(?:\s(?P<late>{'|'.join(sorted(SCALES.words, key=len, reverse=True))})(?![^\W_]))?)?"
)
_SHORT_SCALE = re.compile(r"([KkMmBbTt])(?![^\W_])")
_MARKS = "\u0300-\u036f"
_WORD = re.compile(rf"[^\W_][{_MARKS}]*(?:(?:[-'&/@+]|\.(?=[^\W\d_]{{2}}))?[^\W_][{_MARKS}]*)*(?:'(?=\s|$))?")
_NOT = re.compile(r"(?i)(can|won|shan|[a-z]+)n't")
_NUMBER_WORD_PART = re.compile(r"[A-Za-z]+")


def tokens_of(text: str, *, accounting: bool = False) -> list[Token]:
    """The tokens of a text, in order.

    Parameters
    ----------
    text : str
        One sentence or one row. Beyond 20,000 characters it is not read.
    accounting : bool, default=False
        A number in parentheses is negative, as in the cells of a statement of accounts; else it is a number in parentheses.

    Examples
    --------
    >>> [token.key for token in tokens_of("It paid $5.4 billion.")]
    ['It', 'paid', '5400000000|$', '.']
    """
    plain = text[:LONGEST_TEXT].translate(PLAIN)
    found: list[Token] = []
    at = 0
    while at < len(plain):
        if plain[at].isspace():
            at += 1
            continue
        for read in _READERS:
            end = read(plain, at, found, accounting)
            if end > at:
                at = end
                break
        else:
            found.append(Token("sign", plain[at], at, at + 1))
            at += 1
    return found


def odd_characters(text: str) -> dict[str, int]:
    """How often each character stands in a text that a reader cannot see or cannot tell from another one.

    Format and control characters (zero-width space, direction marks, soft hyphen), private and unassigned ones, and digits other than 0 to 9.
    """
    counts: dict[str, int] = {}
    for each in text:
        if each.isascii() and (each >= " " or each in "\t\n\r"):
            continue
        category = unicodedata.category(each)
        if (
            category in ("Cf", "Cc", "Co", "Cn", "Cs")
            or (category == "Nd" and not each.isascii())
            or each in "\u115f\u1160\u3164\uffa0\u2800"
        ):
            counts[each] = counts.get(each, 0) + 1
    return counts


def _date(text: str, at: int, found: list[Token], accounting: bool) -> int:
    if not _free_before(text, at):
        return at
    for pattern in _DATES:
        match = pattern.match(text, at)
        if not match:
            continue
        parts = match.groupdict()
        month = parts["month"].rstrip(".").lower()
        number = int(month) if month.isdigit() else _MONTH_NUMBER[month]
        year, day = parts.get("year") or "", parts.get("day") or ""
        found.append(Token("date", f"{year}-{number:02d}-{int(day):02d}" if day else f"{year}-{number:02d}", at, match.end()))
        return match.end()
    if match := _SLASHED.match(text, at):
        one, other = int(match[1]), int(match[2])
        # 05/06/2022 is May or June, depending on who writes: it stays as it is written.
        if 12 < one <= 31 and 1 <= other <= 12:
            one, other = other, one
        if 1 <= one <= 12 < other <= 31:
            found.append(Token("date", f"{match[3]}-{one:02d}-{other:02d}", at, match.end()))
            return match.end()
    return at


def _period(text: str, at: int, found: list[Token], accounting: bool) -> int:
    if not _free_before(text, at):
        return at
    if match := _QUARTER.match(text, at):
        number = match[1] or str(_ORDINALS[match[2].lower()])
        found.append(Token("date", f"{'FY' if match[3] else ''}{match[4]}-Q{number}", at, match.end()))
        return match.end()
    if match := _FISCAL.match(text, at):
        year = match[1] or match[2]
        year = year if len(year) == 4 else "20" + year
        found.append(Token("date", f"FY{year}", at, match.end()))
        return match.end()
    return at


def _reference(text: str, at: int, found: list[Token], accounting: bool) -> int:
    """Version and section numbers, fractions: compared as written."""
    match = _REFERENCE.match(text, at) or _ABBREVIATION.match(text, at)
    if not match or not _free_before(text, at):
        return at
    end = match.end()
    key = match.group().replace(".", "") if match.group()[0].isalpha() else match.group()
    found.append(Token("word", key, at, end))
    return end


def _number(text: str, at: int, found: list[Token], accounting: bool) -> int:
    if accounting and text[at] == "(":
        inside: list[Token] = []
        begin = at + 1
        while begin < len(text) and text[begin] == " ":
            begin += 1
        end = _number(text, begin, inside, False) if begin < len(text) else begin
        while end < len(text) and text[end] == " ":
            end += 1
        if inside and inside[0].kind == "number" and not inside[0].key.startswith("-") and text[end : end + 1] == ")":
            end += 1
            after = _AFTER.match(text, end)
            if (
                after
                and after.group()
                and (whole := scaled(inside[0].key, after["scale"] or after["late"], bool(after["percent"]), after["after"]))
            ):
                found.append(Token("number", "-" + whole, at, after.end()))
                return after.end()
            found.append(Token("number", "-" + inside[0].key, at, end))
            return end
        return at
    match = _AMOUNT.match(text, at)
    if not match or not _free_before(text, at, sign=bool(match["sign"])):
        return at
    end = match.end()
    after = _AFTER.match(text, end)
    scale = percent = currency = None
    if after and after.group():
        scale, percent, currency = after["scale"], after["percent"], after["after"]
        if after["late"]:
            if scale:
                return at
            scale = after["late"]
        end = after.end()
    before = (match["before"] or "").strip()
    if before and not scale and not percent and (short := _SHORT_SCALE.match(text, end)):
        scale, end = short[1], short.end()
    # "10-K", "3M", "2nd" and "12-month" are words.
    if end < len(text) and (text[end].isalnum() or (text[end] == "-" and text[end + 1 : end + 2].isalpha())):
        return at
    negative = (match["sign"] == "-") != bool(match["inner"])
    # Between two numbers a dash is a range, not a sign.
    if match["sign"] and found and found[-1].kind in ("number", "date") and found[-1].end == at:
        found.append(Token("word", "to", at, at + 1))
        negative = bool(match["inner"])
    key = amount_key(match["digits"], negative, scale, bool(percent), before or None, currency)
    if key is None:
        return at
    found.append(Token("number", key, at, end))
    return end


def _word(text: str, at: int, found: list[Token], accounting: bool) -> int:
    match = _WORD.match(text, at)
    if not match:
        return at
    if written := written_number(text, at):
        value, end = written
        after = _AFTER.match(text, end)
        scale = percent = currency = None
        if after and after.group():
            scale, percent, currency, end = after["scale"] or after["late"], after["percent"], after["after"], after.end()
        joined = end < len(text) and text[end] == "-" and text[end + 1 : end + 2].isalpha()
        key = None if joined else amount_key(str(value), False, scale, bool(percent), None, currency)
        if key is not None:
            found.append(Token("number", key, at, end))
            return end
    word = _LIGATURE.sub(lambda each: _LIGATURES[each[0]], unicodedata.normalize("NFC", match.group()))
    end = match.end()
    if negated := _NOT.fullmatch(word):
        stem = {"can": "can", "wo": "will", "sha": "shall"}.get(word[:-3].lower(), word[:-3].lower())
        stem = "can" if word.lower() == "can't" else stem
        stem = stem.capitalize() if word[0].isupper() else stem
        middle = at + len(negated[1])
        found += [Token("word", stem, at, middle), Token("word", "not", middle, end)]
        return end
    if word.lower() == "cannot":
        found += [Token("word", word[:3], at, at + 3), Token("word", "not", at + 3, end)]
        return end
    if "-" in word:
        word = _NUMBER_WORD_PART.sub(_digits_of, word)
    found.append(Token("word", word, at, end))
    return end


def _digits_of(part: re.Match[str]) -> str:
    """'twelve-month' is '12-month'."""
    written = written_number(part[0], 0)
    return str(written[0]) if written and written[1] == len(part[0]) else part[0]


def _free_before(text: str, at: int, sign: bool = False) -> bool:
    """Nothing is glued on at the left: a number inside a longer word or number is no number of its own."""
    if at == 0:
        return True
    before = text[at - 1]
    if before.isalnum():
        # A dash between two numbers opens the second one.
        return sign and before.isdigit()
    return not (before in ".,/" and at > 1 and text[at - 2].isdigit() and text[at].isdigit())


_Reader: TypeAlias = Callable[[str, int, list[Token], bool], int]
_READERS: tuple[_Reader, ...] = (_date, _period, _reference, _number, _word)


def value_of(token: Token) -> Decimal | None:
    """The number that a number token stands for, scale included; None for other tokens."""
    if token.kind != "number":
        return None
    return Decimal(token.key.partition("|")[0])


def unit_of(token: Token) -> str:
    """The unit of a number token: '%', a currency, or ''."""
    return token.key.partition("|")[2] if token.kind == "number" else ""


def is_year(token: Token) -> bool:
    """A number that reads as a year: 1500 to 2199, no unit."""
    return (
        token.kind == "number"
        and token.key.endswith("|")
        and len(token.key) == 5
        and token.key[:2] in ("15", "16", "17", "18", "19", "20", "21")
    )
