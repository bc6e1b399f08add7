"""Reads numbers with their units, dates and words out of an answer, for comparing it with what is right.

It shares no code with what finds and checks answers: a judge that reads as the judged does would share its mistakes.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bakeoff.measure.number_words import BELOW_TWENTY, TENS
from bakeoff.tasks.documents.quality.question_file import Kind

SHARE_OF_WORDS = 0.8
"""An answer in other words, or in the same words in another order, is right from this share of the accepted answer's words on."""

_SCALES = {
    "thousand": 1e3,
    "thousands": 1e3,
    "k": 1e3,
    "million": 1e6,
    "millions": 1e6,
    "m": 1e6,
    "mn": 1e6,
    "mm": 1e6,
    "billion": 1e9,
    "billions": 1e9,
    "bn": 1e9,
}
_UNITS = {
    **dict.fromkeys(("usd", "us$", "$", "dollar", "dollars", "u.s. dollars", "us dollars"), "USD"),
    **dict.fromkeys(("eur", "€", "euro", "euros"), "EUR"),
    **dict.fromkeys(("gbp", "£", "pound", "pounds", "pounds sterling", "sterling"), "GBP"),
    **dict.fromkeys(("%", "percent", "per cent", "percentage"), "%"),
    **dict.fromkeys(("percentage points", "percentage point"), "pp"),
    **{
        name + end: name
        for name in ("second", "minute", "hour", "day", "week", "month", "year", "page", "share", "employee")
        for end in ("", "s")
    },
    **dict.fromkeys(("working day", "working days", "business day", "business days"), "working day"),
    **dict.fromkeys(("mm", "millimetre", "millimetres"), "mm"),
    **dict.fromkeys(("cm", "centimetre", "centimetres"), "cm"),
    **dict.fromkeys(("m", "metre", "metres"), "m"),
    **dict.fromkeys(("km", "kilometre", "kilometres"), "km"),
    **dict.fromkeys(("kg", "kilogram", "kilograms"), "kg"),
    **dict.fromkeys(("°c", "degrees celsius"), "°C"),
    **dict.fromkeys(("bar",), "bar"),
    **dict.fromkeys(("nm",), "N m"),
    **dict.fromkeys(("n m",), "N m"),
    **dict.fromkeys(("v", "volt", "volts"), "V"),
    **dict.fromkeys(("w", "watt", "watts"), "W"),
    **dict.fromkeys(("ma", "milliampere", "milliamperes"), "mA"),
    **dict.fromkeys(("tonne", "tonnes"), "tonne"),
    **dict.fromkeys(("m/s",), "m/s"),
    **dict.fromkeys(("sq ft", "square feet"), "sq ft"),
}
_CASED = {"M": 1e6, "K": 1e3, "B": 1e9}
_FIGURE = re.compile(
    r"(?P<before>(?:US\$|USD|EUR|GBP|[£$€])\s?)?(?P<open>\()?(?P<sign>[-−–])?(?P<cur>[£$€])?(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?P<close>\))?"
)
_AFTER = re.compile(
    r"[\s\-]{0,2}(percentage points?|pounds sterling|us dollars|per cent|working days?|business days?|degrees celsius|square feet|sq ft|n m|m/s|us\$|°c|[a-z]+\.?|[%£$€])",
    re.IGNORECASE,
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        [
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sep sept",
            "october oct",
            "november nov",
            "december dec",
        ],
        1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATES = (
    re.compile(
        rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+day)?(?:\s+of)?\s+(?P<m>{_MONTH})\.?,?\s+(?P<y>\d{{4}})\b", re.IGNORECASE
    ),
    re.compile(rf"\b(?P<m>{_MONTH})\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>\d{{4}})\b", re.IGNORECASE),
    re.compile(r"\b(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})\b"),
)
_MONTH_YEAR = re.compile(rf"\b(?P<m>{_MONTH})\.?,?\s+(?P<y>\d{{4}})\b", re.IGNORECASE)


class Quantity(NamedTuple):
    """A number as printed, what it is multiplied by ("million"), its unit ('' where none is said) and its last printed place.

    The value is ``printed * scale``; `place` is 1 for 5,363 and 0.1 for 5.3.
    """

    printed: float
    scale: float
    unit: str
    place: float
    bracketed: bool = False

    @property
    def bare(self) -> bool:
        """Neither a unit nor a scale is said."""
        return not self.unit and self.scale == 1.0

    @property
    def value(self) -> float:
        """In the unit itself: 5,363 USD million is 5,363,000,000."""
        return self.printed * self.scale


class Date(NamedTuple):
    """A calendar date; `day` is 0 where only the month is said."""

    year: int
    month: int
    day: int


def quantities(text: str) -> list[Quantity]:
    """Every number in a text, with its unit where one stands beside it; figures and words up to ninety-nine."""
    text = unicodedata.normalize("NFKC", text)
    found = []
    for match in _FIGURE.finditer(text):
        # Part of a word (KV-440 is one, its hyphen a sign that is none), or of a number of a clause (4.2.1).
        before, after = text[max(0, match.start() - 2) : match.start()], text[match.end() : match.end() + 2]
        if re.search(r"[^\W_]$|\d\.$|[^\W\d_][-–]$", before + (match["sign"] or "")) or re.match(r"\.\d", after):
            continue
        digits = match["digits"].replace(",", "")
        decimals = len(digits.partition(".")[2])
        bracketed = bool(match["open"] and match["close"])
        # Between two figures the dash is a range: 12–14 days.
        signed = bool(match["sign"]) and not before[-1:].isdigit()
        number = float(digits) * (-1 if signed or bracketed else 1)
        unit = _UNITS.get((match["before"] or match["cur"] or "").strip().lower(), "")
        scale, unit = _after(text, match.end(), unit)
        found.append(Quantity(number, scale, unit, 10.0**-decimals, bracketed))
    for match in re.finditer(
        rf"\b(?:(?P<tens>{'|'.join(TENS)})(?:[\s-](?P<ones>{'|'.join(list(BELOW_TWENTY)[1:10])}))?|(?P<small>{'|'.join(BELOW_TWENTY)}))\b",
        text,
        re.IGNORECASE,
    ):
        number = (
            BELOW_TWENTY[match["small"].lower()]
            if match["small"]
            else TENS[match["tens"].lower()] + BELOW_TWENTY.get((match["ones"] or "zero").lower(), 0)
        )
        scale, unit = _after(text, match.end(), "")
        found.append(Quantity(float(number), scale, unit, 1.0))
    return found


def _after(text: str, at: int, unit: str) -> tuple[float, str]:
    """Scale and unit that follow a number: "million", "USD million", "million dollars", "(30) days"."""
    scale = 1.0
    figure = re.match(r"\s*\(\d+\)", text[at:])
    at += figure.end() if figure else 0
    for _ in range(3):
        match = _AFTER.match(text, at)
        if match is None:
            break
        word = match[1].rstrip(".")
        lowered = word.lower()
        # "m" after a currency is million; elsewhere it is metres, and "mm" millimetres.
        if word in _CASED and unit in ("USD", "EUR", "GBP") and scale == 1.0:
            scale = _CASED[word]
        elif lowered in _SCALES and scale == 1.0 and (lowered not in ("m", "mm", "k") or unit in ("USD", "EUR", "GBP")):
            scale = _SCALES[lowered]
        elif lowered in _UNITS and not unit:
            unit = _UNITS[lowered]
        else:
            break
        at = match.end()
    return scale, unit


def same_quantity(said: Quantity, right: Quantity, tolerance: float = 0.0) -> bool:
    """Whether a number says the right thing, unit and scale included.

    Units must be the same where both are said. A number with neither unit nor scale (a bare table cell) is compared as printed.
    Values are the same within half of the last printed place of either, where that one has three significant digits or more
    (1.28 billion says 1,284.6 million; 4 per cent does not say 4.5), or within `tolerance`, a share of the right value. A figure in the
    brackets of accounting may be said with or without its sign.
    """
    if said.unit and right.unit and said.unit != right.unit:
        return False
    if said.bare and not right.bare:
        ours, theirs, place, said_place = said.printed, right.printed, right.place, said.place
    elif right.bare and not said.bare:
        ours, theirs, place, said_place = said.printed, right.printed, right.place, said.place
        if said.scale != 1.0:
            return False
    else:
        ours, theirs, place, said_place = said.value, right.value, right.place * right.scale, said.place * said.scale
    if said.bracketed or right.bracketed:
        ours, theirs = abs(ours), abs(theirs)
    allowed = max(
        place / 2 if _significant(right) >= 3 else 0.0,
        said_place / 2 if _significant(said) >= 3 else 0.0,
        tolerance * abs(theirs),
    )
    return abs(ours - theirs) <= allowed * (1 + 1e-9) + 1e-9 * abs(theirs)


def _significant(quantity: Quantity) -> int:
    return len(str(int(abs(quantity.printed) / quantity.place + 0.5)).strip("0"))


def dates(text: str) -> list[Date]:
    """Every date in a text: "14 March 2023", "March 14, 2023", "2023-03-14", the 14th day of March 2023; then months with a year."""
    text = unicodedata.normalize("NFKC", text)
    found = []
    taken: list[tuple[int, int]] = []
    for pattern in _DATES:
        for match in pattern.finditer(text):
            month = _MONTHS.get(match["m"].lower()) or (int(match["m"]) if match["m"].isdigit() else 0)
            if 1 <= month <= 12 and 1 <= int(match["d"]) <= 31:
                found.append(Date(int(match["y"]), month, int(match["d"])))
                taken.append(match.span())
    for match in _MONTH_YEAR.finditer(text):
        if not any(low <= match.start() < high for low, high in taken):
            found.append(Date(int(match["y"]), _MONTHS[match["m"].lower()], 0))
    return found


def normal_words(text: str) -> list[str]:
    """Words for comparing: compatibility forms, lower case, without punctuation and articles (as SQuAD, Rajpurkar et al. 2016).

    The separators inside figures are dropped and a decimal point is kept: 1,284.6 is one word.
    """
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'").replace("­", "")
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    return [word for word in re.findall(r"\d+(?:\.\d+)?|[^\W\d_]+(?:'[^\W\d_]+)?|[%£$€]", text) if word not in ("a", "an", "the")]


def contains(text: Sequence[str], part: Sequence[str]) -> bool:
    """Whether words occur in a text, together and in order."""
    if not part:
        return False
    return any(list(text[at : at + len(part)]) == list(part) for at in _starts(text, part[0]))


def _starts(text: Sequence[str], word: str) -> Iterator[int]:
    return (at for at, other in enumerate(text) if other == word)


def share_of(part: Sequence[str], text: Sequence[str]) -> float:
    """Which share of the words of `part`, repeats counted, occurs in `text`. 0 where `part` is empty."""
    if not part:
        return 0.0
    return sum((Counter(part) & Counter(text)).values()) / len(part)


def token_f1(said: str, right: str) -> float:
    """F1 of the words two texts share (Rajpurkar et al. 2016), in [0, 1]."""
    ours, theirs = normal_words(said), normal_words(right)
    shared = sum((Counter(ours) & Counter(theirs)).values())
    if not shared:
        return float(not ours and not theirs)
    return 2 * shared / (len(ours) + len(theirs))


def says(statement: str, answer: str, kind: Kind, unit: str = "", tolerance: float = 0.0) -> bool:
    """Whether one statement gives an accepted answer.

    number
        One of its numbers is the answer's, by `same_quantity`. `unit` is the answer's where it does not say one itself.
    date
        One of its dates is the answer's; an answer that is a month is met by any day of it.
    name, text
        The answer's words occur together and in order, or (five words or more) at least `SHARE_OF_WORDS` of them occur.
    yes-no
        It opens with the same yes or no.
    """
    if kind == "number":
        right = quantities(answer if not unit or _has_unit(answer) else f"{answer} {unit}")
        if right:
            return any(same_quantity(said, right[0], tolerance) for said in quantities(statement))
    if kind == "date":
        wanted = dates(answer)
        if wanted:
            return any(said[:2] == wanted[0][:2] and wanted[0].day in (0, said.day) for said in dates(statement))
    ours, theirs = normal_words(statement), normal_words(answer)
    if kind == "yes-no" and theirs[:1] in (["yes"], ["no"]):
        return ours[:1] == theirs[:1]
    return contains(ours, theirs) or (len(theirs) >= 5 and kind != "name" and share_of(theirs, ours) >= SHARE_OF_WORDS)


def _has_unit(answer: str) -> bool:
    return any(found.unit or found.scale != 1.0 for found in quantities(answer)[:1])
