"""Numbers in words: every word once, and every number written so that it can be read back."""

from __future__ import annotations

import pytest

from bakeoff.errors import BadData
from bakeoff.measure.number_words import BELOW_TEN, BELOW_TWENTY, LARGEST, TEENS, TENS, spelled


def read(words: str) -> int:
    """A plain reader of the form that `spelled` writes."""
    head, hundred, rest = words.partition(" hundred")
    if hundred:
        return 100 * BELOW_TEN[head] + (read(rest.removeprefix(" and ")) if rest else 0)
    tens, dash, ones = words.partition("-")
    return TENS[tens] + BELOW_TEN[ones] if dash else {**BELOW_TWENTY, **TENS}[words]


def test_the_tables_hold_each_number_once() -> None:
    assert list(BELOW_TEN.values()) == list(range(10)) and list(TEENS.values()) == list(range(10, 20))
    assert list(TENS.values()) == list(range(20, 100, 10)) and len(BELOW_TWENTY) == 20


def test_every_number_can_be_read_back() -> None:
    written = [spelled(number) for number in range(LARGEST + 1)]
    assert [read(words) for words in written] == list(range(LARGEST + 1)) and len(set(written)) == LARGEST + 1


@pytest.mark.parametrize(
    ("number", "words"),
    [(7, "seven"), (40, "forty"), (99, "ninety-nine"), (100, "one hundred"), (115, "one hundred and fifteen")],
)
def test_known_numbers(number: int, words: str) -> None:
    assert spelled(number) == words


@pytest.mark.parametrize("number", [-1, 1000])
def test_others_are_refused(number: int) -> None:
    with pytest.raises(BadData, match="cannot be written"):
        spelled(number)
