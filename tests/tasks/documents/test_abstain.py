"""Support and the threshold on it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from bakeoff.errors import BadData
from bakeoff.tasks.documents.records import Chunk, Passage, Piece
from bakeoff.tasks.documents.reply.abstain import DEFAULT_THRESHOLD, abstention_curve, choose_threshold
from bakeoff.tasks.documents.reply.support import DEFAULT, FEATURES, SupportModel, features, fit


def passage(text: str, score: float = 1.0, *, context: str = "Report", kind: str = "text", **scores: float) -> Passage:
    return Passage("a.pdf", "Report", Chunk(0, kind, text, context, (Piece(0, len(text), 1, 0),)), score, scores)


def test_what_says_it_has_more_support_than_what_does_not():
    question = "What was the effective tax rate of Acme in 2022?"
    says = [
        passage("The effective tax rate of Acme was 16.1% in 2022.", 0.9, context="Acme annual report"),
        passage("Taxes are due in May.", 0.3),
    ]
    near = [passage("The interest rate of the loan was 4% in 2019.", 0.5), passage("Taxes are due in May.", 0.45)]
    for model in (DEFAULT,):
        assert model.support(features(question, says)) > model.support(features(question, near)) + 0.3


def test_features_are_what_they_say():
    seen = features(
        "What was the number of stores of Acme in 2022?",
        [passage("The number of stores of Acme was 120 in 2022.", 0.8), passage("Acme is a firm.", 0.4)],
    )
    assert set(seen) == set(FEATURES)
    assert seen["known"] == seen["complete"] == seen["passage complete"] == seen["said in one sentence"] == 1.0
    assert seen["never said"] == 0.0 and seen["kind of answer"] == 1.0 and seen["other year"] == 0.0
    assert seen["passage lead"] == pytest.approx(0.4) and seen["margin"] == pytest.approx(0.5)
    other = features(
        "What was the number of stores of Acme in 2022?", [passage("The number of stores of Acme was 90 in 2019.", 0.8)]
    )
    assert other["other year"] == 1.0 and other["never said"] == 1.0 and other["complete"] == 0.0 and other["figures"] == 0.0
    words = features(
        "What was the number of stores of Acme in 2022?", [passage("The number of stores of Acme was large in 2022.", 0.8)]
    )
    assert words["kind of answer"] == 0.0


@pytest.mark.parametrize("question", ["", "?", "of the", "x" * 10_000])
def test_any_question_and_nothing_found(question):
    assert set(features(question, [])) == set(FEATURES)
    for found in ([], [passage("")], [passage("The rent is due.", 0.0)], [passage("a. " * 500, -1.0)]):
        seen = features(question, found)
        assert all(math.isfinite(value) for value in seen.values())
        assert 0 <= DEFAULT.support(seen) <= 1


def rows(n: int, seed: int = 0) -> tuple[list[dict[str, float]], list[bool]]:
    rng = np.random.default_rng(seed)
    given, known = [], []
    for _ in range(n):
        there = bool(rng.random() < 0.5)
        row = {name: float(rng.random()) for name in FEATURES}
        row["known"] = float(np.clip(rng.normal(0.7 if there else 0.4, 0.15), 0, 1))
        given.append(row)
        known.append(there)
    return given, known


def test_fitting_finds_what_matters_and_is_deterministic():
    given, known = rows(400)
    model = fit(given, known)
    weights = dict(zip(model.names, model.weights, strict=True))
    assert weights["known"] > 5 * max(abs(weight) for name, weight in weights.items() if name != "known")
    assert fit(given, known) == model
    supports = [model.support(row) for row in given]
    assert np.mean([s for s, k in zip(supports, known, strict=True) if k]) > 0.75


def test_it_agrees_with_another_implementation():
    linear = pytest.importorskip("sklearn.linear_model")
    given, known = rows(200, seed=3)
    model = fit(given, known, penalty=2.0)
    x = np.array([[row[name] for name in FEATURES] for row in given])
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    other = linear.LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000).fit(z, known)
    assert np.allclose(model.weights, other.coef_[0], atol=1e-3) and model.bias == pytest.approx(
        float(other.intercept_[0]), abs=1e-3
    )


def test_separable_and_constant_features_do_no_harm():
    given = [{**dict.fromkeys(FEATURES, 0.5), "known": float(n % 2)} for n in range(20)]
    model = fit(given, [n % 2 == 1 for n in range(20)])
    assert all(math.isfinite(weight) and abs(weight) < 20 for weight in model.weights)
    assert model.support(given[1]) > 0.8 > 0.2 > model.support(given[0])


def test_a_model_is_kept_as_json():
    model = fit(*rows(60))
    assert SupportModel.from_json(model.to_json()) == model
    assert SupportModel.from_json(DEFAULT.to_json()) == DEFAULT


@pytest.mark.parametrize(
    "broken",
    ["", "[]", "{}", "null", '"x"', json.dumps({"names": ["no such"], "means": [0], "scales": [1], "weights": [1], "bias": 0}),
     json.dumps({"names": ["known"], "means": [0], "scales": [0], "weights": [1], "bias": 0}), json.dumps({"names": ["known"], "means": [], "scales": [1], "weights": [1], "bias": 0}),
     '{"names": ["known"], "means": [0], "scales": [1], "weights": [NaN], "bias": 0}', "[" * 5000],
)  # fmt: skip
def test_what_is_no_model_is_refused(broken):
    with pytest.raises(BadData):
        SupportModel.from_json(broken)


def test_fitting_needs_both_kinds():
    given, _ = rows(10)
    for known in ([True] * 10, [False] * 10, [True] * 9):
        with pytest.raises(BadData):
            fit(given, known)
    with pytest.raises(BadData):
        fit(*rows(10), penalty=0)


def test_the_threshold_is_the_lowest_that_keeps_its_promise():
    without = [n / 100 for n in range(100)]
    there = [0.5, 0.97, 0.99, 1.0]
    chosen = choose_threshold([*without, *there], [False] * 100 + [True] * 4, declines=0.95)
    # ceil(101 * 0.95) = 96: the 96th smallest is 0.95, and a little more declines it too.
    assert 0.95 < chosen.value < 0.9501
    assert chosen.declined.mid == 0.96 and chosen.declined.n == 100
    assert chosen.answered.mid == 0.75
    assert chosen.promise == pytest.approx(96 / 101)


def test_with_few_questions_nothing_is_promised():
    chosen = choose_threshold([0.1, 0.4, 0.3, 0.9], [False, False, False, True], declines=0.95)
    assert chosen.promise is None and 0.4 < chosen.value < 0.41 and chosen.declined.mid == 1.0 and chosen.answered.mid == 1.0
    assert choose_threshold([1.0, 1.0, 0.9], [False, False, True]).promise is None


def test_further_questions_are_declined_as_promised():
    """By simulation: the empirical quantile would fall short half of the time; this one keeps its word on average."""
    rng = np.random.default_rng(5)
    shares, plain = [], []
    for _ in range(1500):
        known = rng.beta(2, 5, size=40)
        chosen = choose_threshold([*known.tolist(), 0.9], [False] * 40 + [True], declines=0.9)
        fresh = rng.beta(2, 5, size=400)
        shares.append(float((fresh < chosen.value).mean()))
        plain.append(float((fresh <= np.quantile(known, 0.9)).mean()))
    assert 0.9 <= np.mean(shares) < 0.92
    assert np.mean(plain) < 0.9


@pytest.mark.parametrize(
    ("supports", "known", "declines"),
    [([0.1], [True], 0.95), ([0.1], [False], 0.95), ([0.1, 0.2], [True], 0.95), ([0.1, float("nan")], [True, False], 0.95), ([0.1, 2.0], [True, False], 0.95), ([0.1, 0.2], [True, False], 1.0)],
)  # fmt: skip
def test_bad_input_is_refused(supports, known, declines):
    with pytest.raises(BadData):
        choose_threshold(supports, known, declines=declines)


def test_risk_and_coverage():
    perfect = abstention_curve([0.9, 0.8, 0.2, 0.1], [True, True, False, False])
    useless = abstention_curve([0.1, 0.2, 0.8, 0.9], [True, True, False, False])
    assert perfect.augrc == pytest.approx(0.125) and useless.augrc == pytest.approx(0.375)
    assert 0 < DEFAULT_THRESHOLD < 1
