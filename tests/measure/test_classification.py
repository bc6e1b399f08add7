"""Label metrics against scikit-learn on random inputs, and the rules scikit-learn does not have."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from bakeoff.contract import Answer, Item
from bakeoff.errors import BadData, BakeoffError
from bakeoff.measure import classification as c

LABELS = ("a", "b", "c", "d")
pairs = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from((*LABELS, "nonsense"))), min_size=1, max_size=60)


def study(truth, predicted, probabilities=None):
    items = [Item(str(i), "x", t) for i, t in enumerate(truth)]
    given_ = probabilities or [None] * len(truth)
    return items, [Answer(value=p, probabilities=q) for p, q in zip(predicted, given_, strict=True)]


@settings(deadline=None, max_examples=80)
@given(pairs)
def test_agrees_with_scikit_learn(found):
    truth, predicted = zip(*found, strict=True)
    items, answers = study(truth, predicted)
    ours = c.metrics(LABELS)
    for average in ("macro", "weighted"):
        want = sk.f1_score(truth, predicted, labels=LABELS, average=average, zero_division=np.nan)
        assert ours[f"{average}_f1"].whole(items, answers) == pytest.approx(want)
    assert c.accuracy(truth, predicted) == pytest.approx(sk.accuracy_score(truth, predicted))
    want = sk.precision_recall_fscore_support(truth, predicted, labels=LABELS, zero_division=0)
    got = c.per_class(truth, predicted, LABELS)
    for i, label in enumerate(LABELS):
        scores = got[label]
        assert (scores.precision, scores.recall, scores.f1, scores.support) == pytest.approx([row[i] for row in want])
    matrix = c.confusion(truth, predicted, LABELS)
    assert np.array_equal(matrix.counts, sk.confusion_matrix(truth, predicted, labels=matrix.columns)[: len(LABELS)])
    assert matrix.counts.sum() == len(truth)


@settings(deadline=None, max_examples=40)
@given(pairs, st.integers(0, 2**32 - 1))
def test_resampler_equals_the_metric_on_each_resample(found, seed):
    truth, predicted = zip(*found, strict=True)
    items, answers = study(truth, predicted)
    rng = np.random.default_rng(seed)
    silent = rng.random(len(items)) < 0.2
    answers = [Answer(error="timeout") if quiet else answer for quiet, answer in zip(silent, answers, strict=True)]
    indices = rng.integers(0, len(items), (7, len(items)))
    for which in ("macro_f1", "weighted_f1", "macro_precision", "macro_recall"):
        statistic = c.ClassStatistic(which, LABELS)
        fast = statistic.resampler(items, answers)(indices)
        slow = [statistic([items[i] for i in row], [answers[i] for i in row]) for row in indices]
        np.testing.assert_allclose(fast, slow)


def test_resampler_takes_one_row_and_many_chunks(monkeypatch):
    rng = np.random.default_rng(0)
    truth, predicted = rng.choice(LABELS, 50), rng.choice(LABELS, 50)
    items, answers = study(truth.tolist(), predicted.tolist())
    resample = c.macro_f1_resampler(items, answers, LABELS)
    indices = rng.integers(0, 50, (20, 50))
    whole = resample(indices)
    assert resample(indices[3]).tolist() == [whole[3]]
    monkeypatch.setattr(c, "LARGEST_CHUNK", 120)
    np.testing.assert_array_equal(resample(indices), whole)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.lists(st.floats(0, 1), min_size=4, max_size=4)), min_size=1, max_size=20))
def test_brier_and_log_loss_agree_with_scikit_learn(found):
    truth = [LABELS[t] for t, _ in found]
    table = np.array([weights for _, weights in found]) + 1e-3
    table /= table.sum(axis=1, keepdims=True)
    probabilities = [dict(zip(LABELS, row.tolist(), strict=True)) for row in table]
    assert c.log_loss(truth, probabilities) == pytest.approx(sk.log_loss(truth, table, labels=LABELS))
    one_hot = np.array([[t == label for label in LABELS] for t in truth], dtype=float)
    assert c.brier(truth, probabilities) == pytest.approx(((table - one_hot) ** 2).sum(axis=1).mean())
    items, answers = study(truth, truth, probabilities)
    per_item = [c.metrics(LABELS)["brier"].per_item(i, a) for i, a in zip(items, answers, strict=True)]
    assert np.mean(per_item) == pytest.approx(c.brier(truth, probabilities))


def test_known_values_and_ranges():
    assert c.brier(["a"], [{"a": 0.0, "b": 1.0}]) == 2.0
    assert c.brier(["a"], [{"b": 1.0}]) == 2.0
    assert c.log_loss(["a"], [{"b": 1.0}]) == pytest.approx(c.metrics(LABELS)["log_loss"].high) == pytest.approx(36.04, abs=0.01)
    assert c.log_loss(["a"], [{"a": 1.0}]) == 0.0
    assert math.isnan(c.accuracy([], []))


def test_only_answers_are_scored():
    ours = c.metrics(("a", "b"))
    item = Item("1", "x", "a")
    for silent in (Answer(error="stalled"), Answer(abstained=True)):
        assert [ours[name].per_item(item, silent) for name in ("accuracy", "brier", "log_loss")] == [None] * 3
        assert math.isnan(ours["macro_f1"].whole([item], [silent]))
    items = [item, Item("2", "x", "b")]
    assert ours["macro_f1"].whole(items, [Answer("a"), Answer(error="x")]) == 1.0
    assert ours["accuracy"].per_item(Item("3", "x"), Answer("a")) is None
    assert ours["brier"].per_item(item, Answer("a")) is None
    assert ours["brier"].per_item(item, Answer("a", probabilities={"a": 0.9, "b": 0.9})) is None
    assert ours["log_loss"].per_item(item, Answer("a", probabilities={"a": math.nan, "b": 0.5})) is None


def test_names_order_and_direction():
    two, three = c.metrics(("yes", "no")), c.metrics(("x", "y", "z"))
    assert list(three)[:5] == ["accuracy", "macro_f1", "weighted_f1", "brier", "log_loss"]
    assert {"macro_precision", "macro_recall", "weighted_precision", "recall[z]"} < set(three)
    assert "recall[x1]" not in c.metrics([f"x{i}" for i in range(13)])
    assert {"f1[yes]", "precision[no]", "recall[yes]"} < set(two) and len(two) == 14
    assert two["accuracy"].percent and not two["brier"].higher_is_better
    items, answers = study(["yes", "yes", "no", "no"], ["yes", "no", "no", "no"])
    assert two["recall[yes]"].whole(items, answers) == 0.5
    assert two["precision[no]"].whole(items, answers) == pytest.approx(2 / 3)


def test_a_strange_answer_is_wrong_and_shown():
    truth, predicted = ["a", "a", "b"], ["a", "(none of these)", "b"]
    matrix = c.confusion(truth, predicted, ("a", "b"))
    assert matrix.columns == ("a", "b", "(none of these)")
    assert matrix.as_json()["counts"] == [[1, 0, 1], [0, 1, 0]]
    items, answers = study(truth, [None, ["a"], "b"])
    assert c.metrics(("a", "b"))["macro_f1"].whole(items, answers) == 0.5


def test_codes_path():
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 9, 1, 0])
    assert c.whole_from_codes(truth, predicted, 2, "recall", 0) == 0.5
    assert c.whole_from_codes(truth, predicted, 2, "precision", 1) == 1.0
    assert math.isnan(c.whole_from_codes(truth[:0], predicted[:0], 2, "macro_f1"))


def test_bad_input_has_a_fix():
    with pytest.raises(BadData, match="none of the task's labels"):
        c.confusion(["q"], ["a"], LABELS)
    with pytest.raises(BakeoffError, match="1 items, but 2 answers"):
        c.accuracy(["a"], ["a", "b"])
    with pytest.raises(BadData, match="at least two"):
        c.metrics(["only"])
    with pytest.raises(BadData, match="not a probability"):
        c.brier(["a"], [{"a": 0.7, "b": 0.7}])


def test_the_page_names_every_metric_and_its_example_runs():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    named = {name.partition("[")[0] for name in c.metrics(("a", "b"))}
    assert all(f"`{name}`" in page or f"`{name}[label]`" in page for name in named)
    exec(compile(page.split("```python")[1].split("```")[0], "metrics.md", "exec"), {})
