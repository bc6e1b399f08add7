"""The conformance suite itself: it lets good approaches pass and catches each kind of bad one."""

from __future__ import annotations

import random

import pytest

from bakeoff.contract import Answer
from bakeoff.tasks.text.majority import Majority
from bakeoff.testing import RULES, Bench, Broken, sentences


@pytest.fixture(scope="module")
def floor() -> Bench:
    return Bench.for_text(Majority)


@pytest.mark.parametrize("rule", RULES)
def test_the_floor_keeps_every_rule(floor: Bench, rule: str) -> None:
    floor.check(rule)


class Base:
    """A stump that obeys, for the others to break."""

    def fit(self, train, valid, *, seed, progress):
        self.label_ = train[0].target
        return self

    def answer(self, items):
        for _ in items:
            yield Answer(self.label_)


class LearnsTooEarly(Base):
    """Learns in its constructor."""

    def __init__(self):
        self.label_ = "x"


class Shapeless(Base):
    """Gives labels, not answers."""

    def answer(self, items):
        yield from ["x" for _ in items]


class Skips(Base):
    """Leaves items out."""

    def answer(self, items):
        for item in items:
            if len(str(item.input)) % 2:
                yield Answer(self.label_)


class Dice(Base):
    """Answers by chance that no seed governs."""

    def answer(self, items):
        for _ in items:
            yield Answer(str(random.SystemRandom().random()))


class Remembers(Base):
    """Keeps what an earlier fit saw."""

    def __init__(self):
        self.seen = []

    def fit(self, train, valid, *, seed, progress):
        self.seen += [item.target for item in train]
        self.label_ = str(len(self.seen))
        return self


class Neighbourly(Base):
    """Lets the batch decide."""

    def answer(self, items):
        batch = list(items)
        for _ in batch:
            yield Answer(str(len(batch)))


class Brittle(Base):
    """Raises at an empty text."""

    def answer(self, items):
        for item in items:
            yield Answer(str(item.input[0]))


class Unsure(Base):
    """Its probabilities do not sum to 1."""

    def answer(self, items):
        for _ in items:
            yield Answer("positive", {"positive": 0.9, "negative": 0.9})


class Pickles(Base):
    """Saves a pickle."""

    def save(self, folder):
        (folder / "model.pkl").write_bytes(b"")

    def restore(self, folder):
        return self


class Overdone(Base):
    """Reports more than all of its progress."""

    def fit(self, train, valid, *, seed, progress):
        progress(1.5, "")
        return super().fit(train, valid, seed=seed, progress=progress)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (LearnsTooEarly, "constructor_only_stores"),
        (Shapeless, "answers_keep_the_contract"),
        (Skips, "one_answer_per_item"),
        (Dice, "same_seed_same_answers"),
        (Remembers, "fit_forgets"),
        (Neighbourly, "alone_as_together"),
        (Brittle, "strange_items_end"),
        (Unsure, "answers_keep_the_contract"),
        (Pickles, "keeps_and_restores"),
        (Overdone, "fit_returns_self"),
    ],
)
def test_each_kind_of_bad_approach_is_caught(make: type, rule: str) -> None:
    with pytest.raises(Broken):
        Bench.for_text(make).check(rule)


def test_the_sentences_are_learnable_and_never_repeat() -> None:
    items = sentences(60, classes=("a", "b", "c"))
    assert len({item.input for item in items}) == 60
    assert {item.target for item in items} == {"a", "b", "c"}
