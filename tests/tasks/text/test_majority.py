"""The floor says the most common label, and its probabilities are the training shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakeoff.contract import Approach, Item, Saves
from bakeoff.errors import BakeoffError
from bakeoff.tasks.text.majority import FILE, Majority


def items(labels: str) -> list[Item]:
    return [Item(id=str(i), input=f"text {i}", target=label) for i, label in enumerate(labels)]


def test_most_common_label_with_shares_as_probabilities() -> None:
    floor = Majority()
    assert isinstance(floor, Approach) and isinstance(floor, Saves) and not vars(floor)
    assert floor.fit(items("abbc"), items("aaa"), seed=1) is floor
    answers = list(floor.answer(item.asked() for item in items("ac")))
    assert [answer.value for answer in answers] == ["b", "b"]
    assert answers[0].probabilities == {"a": 0.25, "b": 0.5, "c": 0.25}
    assert list(floor.answer([])) == []


def test_a_tie_goes_to_the_first_by_spelling() -> None:
    assert Majority().fit(items("zbabza"), []).value_ == "a"


def test_saved_and_restored_it_answers_the_same(tmp_path: Path) -> None:
    floor = Majority().fit([Item(id="1", input="x", target="naïve “label”"), *items("aa")], [])
    floor.save(tmp_path)
    again = Majority().restore(tmp_path)
    assert list(again.answer(items("ab"))) == list(floor.answer(items("ab")))


def test_nothing_to_learn_from_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(BakeoffError, match="no training items"):
        Majority().fit([], [])
    with pytest.raises(BakeoffError, match="not a saved majority"):
        Majority().restore(tmp_path)
    for broken in ("[1]", "{}", '{"a": "x"}', "nonsense"):
        (tmp_path / FILE).write_text(broken)
        with pytest.raises(BakeoffError, match="not a saved majority"):
            Majority().restore(tmp_path)
