from __future__ import annotations

import pytest

from bakeoff.contract import Item, quiet
from bakeoff.errors import BadData
from bakeoff.tasks.text.tfidf_linear import TfidfLinear
from bakeoff.testing import RULES, Bench, sentences


@pytest.fixture(scope="module", params=[("negative", "positive"), ("bad", "good", "plain")], ids=["two classes", "three classes"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench.for_text(TfidfLinear, classes=request.param)


@pytest.mark.parametrize("rule", RULES)
def test_it_keeps_the_contract(bench: Bench, rule: str) -> None:
    bench.check(rule)


def test_it_learns_words_and_chooses_its_strength_on_validation() -> None:
    train, valid, test = sentences(200), sentences(60, start=200), sentences(60, start=260)
    fitted = TfidfLinear().fit(train, valid, seed=0, progress=quiet)
    right = [answer.value == item.target for item, answer in zip(test, fitted.answer(test), strict=True)]
    assert sum(right) / len(right) > 0.95
    tried = {row["C"]: row["log_loss"] for row in fitted.chosen_["tried"]}
    assert tried[fitted.chosen_["C"]] == min(tried.values()) and len(tried) == len(TfidfLinear.strengths)


def test_it_survives_typos_where_words_alone_would_not() -> None:
    train = sentences(200)
    fitted = TfidfLinear().fit(train, sentences(60, start=200), seed=0, progress=quiet)
    (answer,) = fitted.answer([Item("typo", "a lovelyy, usefull thing")])
    assert answer.value == "positive"


def test_training_items_of_one_class_or_without_words_are_refused() -> None:
    with pytest.raises(BadData):
        TfidfLinear().fit([Item("1", "a", "x"), Item("2", "b", "x")], [], seed=0, progress=quiet)
    with pytest.raises(BadData) as caught:
        TfidfLinear().fit([Item("1", "", "x"), Item("2", " ", "y")], [], seed=0, progress=quiet)
    assert caught.value.fix


def test_no_strength_to_try_is_refused() -> None:
    with pytest.raises(BadData, match="no value of C") as caught:
        TfidfLinear(strengths=()).fit(sentences(20), sentences(8, start=20), seed=0, progress=quiet)
    assert caught.value.fix
