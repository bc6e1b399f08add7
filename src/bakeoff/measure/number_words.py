"""Whole numbers in English words: the words themselves, and a number written out."""

from __future__ import annotations

from bakeoff.errors import BadData

BELOW_TEN = {
    word: number for number, word in enumerate(("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"))
}
"""Word to number, 0 to 9."""

TEENS = {
    word: number
    for number, word in enumerate(
        ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"), 10
    )
}
"""Word to number, 10 to 19."""

TENS = {
    word: 10 * number
    for number, word in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), 2)
}
"""Word to number, 20 to 90 in tens."""

BELOW_TWENTY = {**BELOW_TEN, **TEENS}
"""Word to number, 0 to 19."""

_WORDS = {number: word for word, number in {**BELOW_TWENTY, **TENS}.items()}
LARGEST = 999


def spelled(number: int) -> str:
    """A whole number from 0 to 999 in English words, as it is written in Britain ("two hundred and six").

    >>> spelled(0), spelled(42), spelled(206)
    ('zero', 'forty-two', 'two hundred and six')

    Raises
    ------
    BadData
        For any other number.
    """
    if not 0 <= number <= LARGEST:
        raise BadData(f"{number} cannot be written in words here.", fix=f"give a whole number from 0 to {LARGEST}")
    if number in _WORDS:
        return _WORDS[number]
    if number < 100:
        return f"{_WORDS[number - number % 10]}-{_WORDS[number % 10]}"
    return f"{_WORDS[number // 100]} hundred" + (f" and {spelled(number % 100)}" if number % 100 else "")
