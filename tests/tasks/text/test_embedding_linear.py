"""embedding-linear: learns, answers the same alone and in a batch, survives a save."""

from __future__ import annotations

import json

import pytest

from bakeoff.contract import Approach, Item, Saves, UsesAssets, quiet
from bakeoff.errors import BadData, RunError
from bakeoff.tasks.text.embedding_linear import EmbeddingLinear

GOOD = ["I love it", "works great", "excellent sound", "a wonderful phone", "very happy with this", "best camera I had"]
BAD = ["I hate it", "does not work", "terrible sound", "an awful phone", "very unhappy with this", "worst camera I had"]
ASK = [
    "when does it arrive",
    "where is the manual",
    "how long is the cable",
    "which size is this",
    "who makes it",
    "what colour is it",
]


def items(*classes: tuple[str, list[str]]) -> list[Item]:
    return [Item(f"{label}{i}", text, label) for label, texts in classes for i, text in enumerate(texts)]


TWO = items(("good", GOOD), ("not good", BAD))
THREE = items(("good", GOOD), ("not good", BAD), ("question", ASK))

pytestmark = [pytest.mark.model, pytest.mark.usefixtures("real_assets")]


@pytest.mark.parametrize("data", [TWO, THREE], ids=["binary", "three classes"])
def test_it_learns_and_its_probabilities_sum_to_one(data):
    approach = EmbeddingLinear()
    assert isinstance(approach, Approach) and isinstance(approach, Saves) and isinstance(approach, UsesAssets)
    assert approach.fit(data, data[::2], seed=0, progress=quiet) is approach
    answers = list(approach.answer(item.asked() for item in data))
    assert sum(a.value == i.target for a, i in zip(answers, data, strict=True)) >= len(data) - 1
    for answer in answers:
        assert sum(answer.probabilities.values()) == pytest.approx(1)
        assert answer.value == max(answer.probabilities, key=answer.probabilities.get)
        assert set(answer.probabilities) == {i.target for i in data}
    assert [a.value for a in approach.answer([Item("new", "a dreadful, broken phone")])] == ["not good"]


def test_alone_and_in_a_batch_the_answers_are_equal():
    approach = EmbeddingLinear().fit(THREE, THREE[::3], seed=1, progress=quiet)
    together = list(approach.answer(THREE))
    alone = [next(iter(approach.answer([item]))) for item in THREE]
    for a, b in zip(together, alone, strict=True):
        assert a.value == b.value
        assert a.probabilities == pytest.approx(b.probabilities, abs=1e-6)
        assert a.seconds is None and b.seconds > 0
    assert list(approach.answer([])) == []


def test_a_saved_one_answers_as_before(tmp_path):
    approach = EmbeddingLinear().fit(THREE, THREE[::3], seed=0, progress=quiet)
    kept = tmp_path / "kept"
    kept.mkdir()
    approach.save(kept)
    assert sorted(path.name for path in kept.iterdir()) == ["linear.json", "linear.safetensors"]
    again = EmbeddingLinear().restore(kept)
    assert [a.probabilities for a in again.answer(THREE)] == [a.probabilities for a in approach.answer(THREE)]
    with pytest.raises(RunError, match="encoder"):
        EmbeddingLinear(model="minilm").restore(kept)
    about = json.loads((kept / "linear.json").read_text())
    (kept / "linear.json").write_text(json.dumps({**about, "labels": ["one"]}))
    with pytest.raises(RunError, match="labels"):
        EmbeddingLinear().restore(kept)


def test_the_strength_with_the_lowest_validation_loss_is_chosen():
    approach = EmbeddingLinear(strengths=(1e-6, 10)).fit(TWO, TWO, seed=0, progress=quiet)
    assert approach.chosen_["C"] == 10
    assert [t["C"] for t in approach.chosen_["tried"]] == [1e-6, 10]
    assert EmbeddingLinear().fit(TWO, [], seed=0, progress=quiet).chosen_["C"] == 1


def test_hostile_texts_and_one_class():
    approach = EmbeddingLinear().fit(TWO, [Item("x", "?", "never seen")], seed=0, progress=quiet)
    hostile = ["", "\x00", "x" * 1_000_000, "\ud800", "🦄" * 3000, "<script>alert(1)</script>"]
    answers = list(approach.answer(Item(str(i), text) for i, text in enumerate(hostile)))
    assert len(answers) == len(hostile) and all(a.answered and a.value in ("good", "not good") for a in answers)
    with pytest.raises(BadData, match="two classes"):
        EmbeddingLinear().fit(TWO[:3], [], seed=0, progress=quiet)
