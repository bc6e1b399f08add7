"""Calibration: known values, the floor from methods, coverage of the interval, AUGRC against its formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from bakeoff.contract import Answer, Item
from bakeoff.errors import BadData
from bakeoff.measure import calibration as cal


def test_ece_by_hand():
    sure, right = [0.6, 0.6, 0.9, 0.9], [True, False, True, True]
    assert cal.ece(sure, right, n_bins=2) == pytest.approx((0.1 + 0.1) / 2)
    assert cal.ece([0.8] * 10, [True] * 8 + [False] * 2) == pytest.approx(0.0)
    assert np.isnan(cal.ece([], []))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from([0.5, 0.6, 0.75, 0.9, 1.0]), st.booleans()), min_size=1, max_size=60), st.randoms())
def test_order_never_matters_and_bins_hold_everything(found, random):
    shuffled = found[:]
    random.shuffle(shuffled)
    sure, right = zip(*found, strict=True)
    assert cal.ece(sure, right) == pytest.approx(cal.ece(*zip(*shuffled, strict=True)))
    bins = cal.reliability(sure, right)
    assert sum(b.n for b in bins) == len(found) and len(bins) <= 10
    assert all(b.low <= b.accuracy <= b.high for b in bins)
    assert sum(b.n * abs(b.accuracy - b.confidence) for b in bins) / len(found) == pytest.approx(cal.ece(sure, right))
    assert [b.confidence for b in bins] == sorted(b.confidence for b in bins)


def test_equal_mass_without_ties():
    assert [b.n for b in cal.reliability(np.linspace(0.5, 1, 100), np.ones(100))] == [10] * 10


@pytest.mark.parametrize(("n", "floor"), [(200, 0.055), (500, 0.035)])
def test_perfect_model_floor(n, floor):
    """The figures of methods.md, with confidences uniform on [0.75, 1] and ten bins."""
    sure = np.random.default_rng(n).uniform(0.75, 1, n)
    found = cal.perfect_floor(sure, 10, 2000, seed=1)
    assert found.mean == pytest.approx(floor, abs=0.002)
    assert found.p95 > found.mean and found == cal.perfect_floor(sure, 10, 2000, seed=1)


def test_floor_holds_95_percent_of_perfect_models():
    rng = np.random.default_rng(3)
    below = 0
    for _ in range(200):
        sure = rng.beta(8, 1, 300)
        below += cal.ece(sure, rng.random(300) < sure) <= cal.perfect_floor(sure, draws=300, seed=0).p95
    assert 0.90 <= below / 200 <= 0.985


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.15])
def test_interval_covers(shift):
    """150 studies: 95% coverage has a standard error of 1.8 points, so below 90% is a broken interval."""
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(150):
        sure = rng.beta(8, 1, 400)
        chance = np.clip(sure - shift, 0, 1)
        truth = np.mean(sure - chance)
        found = cal.ece_interval(sure, rng.random(400) < chance, draws=200)
        assert 0 <= found.low <= found.mid <= found.high <= 1
        covered += found.low - 1e-9 <= truth <= found.high
    assert covered / 150 >= 0.90


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.6, 0.8, 0.95]), st.booleans()), min_size=2, max_size=50))
def test_augrc_equals_its_formula(found):
    sure, right = (np.array(column) for column in zip(*found, strict=True))
    curve = cal.risk_coverage(sure, right)
    accuracy = right.mean()
    ranked = (1 - roc_auc_score(right, sure)) * accuracy * (1 - accuracy) if 0 < accuracy < 1 else 0.0
    assert curve.augrc == pytest.approx(ranked + (1 - accuracy) ** 2 / 2)
    assert curve.coverage[-1] == 1 and curve.risk[-1] == pytest.approx(1 - accuracy)
    assert 0 <= curve.augrc <= 0.5


def test_temperature_is_recovered():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 3))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    codes = np.array([rng.choice(3, p=row) for row in true])
    overconfident = cal.apply_temperature(true, 1 / 2.5)
    temperature = cal.fit_temperature(overconfident, codes)
    assert temperature == pytest.approx(2.5, rel=0.06)
    better = cal.apply_temperature(overconfident, temperature)
    assert log_loss(codes, better) < log_loss(codes, overconfident)
    assert np.array_equal(better.argmax(axis=1), overconfident.argmax(axis=1))
    assert cal.fit_temperature(true[:50], true[:50].argmax(axis=1)) < 0.1


def test_summary_of_answers():
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.6, 1, 300)
    items = [Item(str(i), "x", "a" if right else "b") for i, right in enumerate(rng.random(300) < sure)]
    answers = [Answer("a", probabilities={"a": float(p), "b": 1 - float(p)}) for p in sure]
    silent = [Answer(error="x"), Answer("a"), Answer(abstained=True)]
    found = cal.summary([*items, *items[:3]], [*answers, *silent])
    assert found["n"] == found["ece"]["n"] == 300 and len(found["bins"]) == 10
    assert not found["above_floor"]
    overconfident = cal.summary(items, [Answer("a", probabilities={"a": 0.99, "b": 0.01})] * 300)
    assert overconfident["above_floor"] and len(overconfident["bins"]) == 1
    assert cal.summary(items, [Answer("a")] * 300) == {}


def test_bad_input_has_a_fix():
    for sure, right in (([1.2], [True]), ([0.5, 0.5], [True]), ([float("nan")], [True])):
        with pytest.raises(BadData):
            cal.ece(sure, right)
    with pytest.raises(BadData):
        cal.risk_coverage([], [])
    with pytest.raises(BadData):
        cal.fit_temperature([[0.5, 0.5]], [2])
    with pytest.raises(BadData):
        cal.apply_temperature([[0.5, 0.5]], 0)
