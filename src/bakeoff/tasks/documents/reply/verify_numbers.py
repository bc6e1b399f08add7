"""Numbers and what follows them: written numbers, magnitudes, currencies; one key for one quantity."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

from bakeoff.measure.number_words import BELOW_TEN, TEENS, TENS

MOST_DIGITS = 40
"""A longer run of digits is no quantity, and is compared as it is written."""


@dataclass(frozen=True, slots=True)
class _Scales:
    """Magnitudes: written out, and the short forms that are safe after a number ("5.4bn")."""

    words: dict[str, int] = field(
        default_factory=lambda: {
            "thousand": 3, "thousands": 3, "million": 6, "millions": 6, "billion": 9, "billions": 9, "trillion": 12, "trillions": 12,
        }
    )  # fmt: skip
    spelled: dict[str, int] = field(default_factory=lambda: {"thousand": 3, "million": 6, "billion": 9, "trillion": 12, "bn": 9})
    letters: dict[str, int] = field(default_factory=lambda: {"k": 3, "m": 6, "b": 9, "t": 12})


@dataclass(frozen=True, slots=True)
class _Currencies:
    """What stands before or after an amount -> the currency. "$" alone is some dollar: it is not known to be the USD."""

    before: dict[str, str] = field(
        default_factory=lambda: {
            "US$": "USD", "U.S.$": "USD", "U.S. $": "USD", "C$": "CAD", "CA$": "CAD", "A$": "AUD", "AU$": "AUD", "NZ$": "NZD", "HK$": "HKD",
            "S$": "SGD", "R$": "BRL", "$": "$", "€": "EUR", "£": "GBP", "¥": "¥", "₹": "INR", "₩": "KRW", "CHF": "CHF", "USD": "USD",
            "EUR": "EUR", "GBP": "GBP", "JPY": "JPY", "CAD": "CAD", "AUD": "AUD", "INR": "INR", "CNY": "CNY", "RMB": "CNY",
            "USD $": "USD", "CAD $": "CAD", "AUD $": "AUD",
        }
    )  # fmt: skip
    after: dict[str, str] = field(
        default_factory=lambda: {
            "U.S. dollars": "USD", "US dollars": "USD", "dollars": "$", "euros": "EUR", "euro": "EUR", "pounds sterling": "GBP", "yen": "JPY",
            "Swiss francs": "CHF", "USD": "USD", "EUR": "EUR", "GBP": "GBP", "JPY": "JPY", "CHF": "CHF", "CAD": "CAD", "AUD": "AUD",
            "INR": "INR", "CNY": "CNY", "HKD": "HKD", "SGD": "SGD", "NZD": "NZD", "BRL": "BRL", "KRW": "KRW",
        }
    )  # fmt: skip


SCALES = _Scales()
CURRENCIES = _Currencies()

_NUMBER_WORD = re.compile(
    r"(?i)(?:" + "|".join([*TEENS, *TENS, *BELOW_TEN, "hundred", "thousand", "million", "billion", "trillion"]) + r")(?![^\W_])"
)
_GAP = re.compile(r"[ \t\n]{1,2}|-")


def amount_key(
    digits: str, negative: bool, scale: str | None, percent: bool, before: str | None, after: str | None
) -> str | None:
    """One key for one quantity: value, '|', unit. None where it is no quantity (too long, two currencies that disagree).

    Parameters
    ----------
    digits : str
        ASCII digits with commas between groups and a point.
    negative : bool
    scale : str or None
        A magnitude, as written.
    percent : bool
    before, after : str or None
        Currencies as written before and after it.

    Without unit and magnitude the digits after the point are kept as written: in "Section 5.10" they are no decimals.
    """
    written = digits.replace(",", "")
    if len(written) > MOST_DIGITS:
        return None
    currencies = {CURRENCIES.before[before] for _ in (1,) if before} | {CURRENCIES.after[after] for _ in (1,) if after}
    if "$" in currencies and len(currencies) == 2 and currencies & {"USD", "CAD", "AUD", "HKD", "SGD", "NZD"}:
        currencies.discard("$")
    if len(currencies) > 1 or (percent and currencies):
        return None
    unit = "%" if percent else next(iter(currencies), "")
    power = 0
    if scale:
        power = SCALES.words.get(scale.lower()) or SCALES.spelled.get(scale.lower()) or SCALES.letters[scale.lower()]
    if not unit and not power and "." in written:
        return f"{'-' if negative else ''}{written}|"
    if not unit and not power and len(written) > 1 and written[0] == "0":
        return f"{'-' if negative else ''}{written}|"
    decimals = written.partition(".")[2]
    if len(decimals) == 3 and (not power or decimals.endswith("0")):
        # "EUR 1.000" may be a thousand, as it is written in other countries: it is only what is written the same.
        return f"{'-' if negative else ''}{written}{f'e{power}' if power else ''}|{unit}"
    value = Decimal(written).scaleb(power)
    plain = format(value.normalize(), "f")
    return f"{'-' if negative and value else ''}{plain}|{unit}"


def scaled(key: str, scale: str | None, percent: bool, currency: str | None) -> str | None:
    """A key with a magnitude or a unit that comes after it ("(862) million"). None where it has another one already."""
    digits, _, unit = key.partition("|")
    before = {"%": None, "": None}.get(unit, unit)
    if unit == "%" or (unit and currency and CURRENCIES.after[currency] != unit and unit != "$"):
        return None
    named = next((name for name, code in CURRENCIES.before.items() if code == before), None) if before else None
    return amount_key(digits, False, scale, percent, named, currency)


def written_number(text: str, at: int) -> tuple[int, int] | None:
    """The number written in words at `at`, and where it ends: 'twenty-five', 'two hundred thousand'. None where there is none.

    A magnitude that ends it ("five million") is left to the reader of magnitudes; "and" does not join ("one hundred and one" is two numbers).
    """
    words: list[tuple[str, int]] = []
    position = at
    while len(words) < 12 and (match := _NUMBER_WORD.match(text, position)):
        words.append((match[0].lower(), match.end()))
        gap = _GAP.match(text, match.end())
        if not gap:
            break
        position = gap.end()
    total = current = 0
    used = end = 0
    last = "none"
    for word, stop in words:
        if word in BELOW_TEN and (last in ("none", "hundred", "power") or (last == "tens" and word != "zero")):
            current, last = current + BELOW_TEN[word], "unit"
        elif word in TEENS and last in ("none", "hundred", "power"):
            current, last = current + TEENS[word], "teen"
        elif word in TENS and last in ("none", "hundred", "power"):
            current, last = current + TENS[word], "tens"
        elif word == "hundred" and last in ("unit", "teen") and 0 < current < 20:
            current, last = current * 100, "hundred"
        elif word in ("thousand", "million", "billion", "trillion") and last in ("unit", "teen", "tens", "hundred"):
            if used + 1 == len(words):
                break
            scale = 10 ** SCALES.words[word]
            if total and scale >= total:
                break
            total, current, last = total + current * scale, 0, "power"
        else:
            break
        used, end = used + 1, stop
    if not used or last == "none":
        return None
    return total + current, end
