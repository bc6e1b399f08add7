"""Support and the threshold on it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from bakeoff.errors import BadData
from bakeoff.tasks.documents.records import Chunk, Passage, Piece
from bakeoff.tasks.documents.reply import answerable_train
from bakeoff.tasks.documents.reply.abstain import DEFAULT_THRESHOLD, abstention_curve, choose_threshold
from bakeoff.tasks.documents.reply.answerable import HEADED, MOST_WORDS, RETRIEVAL, UNKNOWN, demands_of
from bakeoff.tasks.documents.reply.answerable_train import DEPTH, RATE, TREES, Seen, crossed, folds, train
from bakeoff.tasks.documents.reply.support import DEFAULT, FEATURES, MOST_TREES, SupportModel, features


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


def test_the_demands_of_a_question():
    found = demands_of("How many stores did Acme's “Retail Segment” open in fiscal 2022 under clause 4.2?")
    kinds = {term: each.kind for each in found.words for term in each.terms}
    assert (
        kinds["acm"] == kinds["segment"] == "name"
        and kinds["2022"] == "year"
        and kinds["4.2"] == "number"
        and kinds["store"] == "word"
    )
    assert found.phrases == (("retail", "segment"),) and "count" in found.asks
    assert {term for each in found.words if each.quoted for term in each.terms} == {"retail", "segment"}
    assert (
        demands_of("").words == () and len(demands_of("word " * 10 + " ".join(f"x{n}y" for n in range(5000))).words) <= MOST_WORDS
    )


QUESTION = "What was the number of stores of Acme in 2022?"


def best(text: str, **about: str) -> dict[str, float]:
    return features(QUESTION, [passage(text, 0.8, **about), passage("Acme is a firm.", 0.4)])


def test_each_demand_is_met_or_not():
    seen = best("The number of stores of Acme was 120 in 2022.")
    assert set(seen) == set(FEATURES)
    assert seen["covered"] == seen["own"] == seen["worst"] == seen["years"] == seen["kind"] == 1.0
    assert seen["unmet"] == seen["other year"] == seen["never said"] == 0.0
    assert seen["score lead"] == pytest.approx(0.4)
    other = best("The number of stores of Acme was 90 in 2019.")
    assert (
        other["other year"] == 1.0
        and other["years"] == other["worst"] == 0.0
        and other["unmet"] == 1.0
        and other["never said"] == 1.0
    )
    headed = best("The number of stores of Acme was 120.", context="Annual report 2022")
    assert headed["years"] == HEADED and headed["other year"] == 0.0 and seen["covered"] > headed["covered"] > other["covered"]
    assert best("The number of stores of Bolt was 120 in 2022.")["worst name"] < 1.0
    assert best("The number of stores of Acme was large.")["kind"] == 0.0
    # A year that the question names itself is hardly the number that it asks for.
    assert 0.0 < best("The number of stores of Acme was large in 2022.")["kind"] < 1.0


def test_what_is_quoted_must_stand_together():
    question = "According to the report, what was “net interest income” in 2022?"
    row = features(question, [passage("Net interest income | 2022 | 5,363", kind="row")])
    apart = features(question, [passage("Net losses, with interest on leases and rental income | 2022 | 5,363", kind="row")])
    assert row["phrase"] == row["phrase heads"] == 1.0 and apart["phrase"] < 0.5 and apart["phrase heads"] == 0.0
    asked = "How does the lease define “Net Rent”?"
    assert features(asked, [passage("“Net Rent” means the rent without the service charge.")])["defined"] == 1.0
    assert features(asked, [passage("The tenant shall pay the Net Rent each month.")])["defined"] == 0.0


def test_what_retrieval_does_not_say_is_unknown():
    seen = best("The number of stores of Acme was 120 in 2022.")
    assert all(seen[name] == UNKNOWN for name in RETRIEVAL)
    told = features(QUESTION, [passage("Acme had 120 stores.", 0.8, dense=0.6, lexical=9.0, document=1.0, heading=0.5)])
    assert told["dense"] == 0.6 and told["document"] == 1.0 and told["heading"] == 0.5 and told["lexical share"] > 0


@pytest.mark.parametrize("question", ["", "?", "of the", "x" * 10_000])
def test_any_question_and_nothing_found(question):
    assert set(features(question, [])) == set(FEATURES)
    for found in ([], [passage("")], [passage("The rent is due.", 0.0)], [passage("a. " * 500, -1.0)]):
        seen = features(question, found)
        assert all(math.isfinite(value) for value in seen.values())
        assert 0 <= DEFAULT.support(seen) <= 1


def seen_rows(n: int = 240, documents: int = 8, seed: int = 0) -> list[Seen]:
    """Questions of which only "covered" tells whether there is an answer."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(n):
        there = bool(rng.random() < 0.5)
        row = {name: round(float(rng.random()), 6) for name in FEATURES}
        row["covered"] = round(float(np.clip(rng.normal(0.7 if there else 0.4, 0.15), 0, 1)), 6)
        found.append(Seen(row, there, f"{number % documents}.pdf"))
    return found


@pytest.fixture(scope="module")
def trained() -> SupportModel:
    pytest.importorskip("sklearn")
    return train(seen_rows())


def test_training_finds_what_matters_and_is_deterministic(trained: SupportModel):
    assert train(seen_rows()) == trained
    fresh = seen_rows(seed=9)
    supports = [trained.support(row.row) for row in fresh]
    there = np.mean([s for s, row in zip(supports, fresh, strict=True) if row.answerable])
    absent = np.mean([s for s, row in zip(supports, fresh, strict=True) if not row.answerable])
    assert there > 0.65 and absent < 0.35


def test_the_trees_add_up_as_scikit_learn_adds_them():
    ensemble = pytest.importorskip("sklearn.ensemble")
    rows = seen_rows()
    ours = train(rows, calibrated=False).ensemble
    blind = [{**row.row, **dict.fromkeys(RETRIEVAL, UNKNOWN)} for row in rows[::2]]
    x = [[row[name] for name in FEATURES] for row in [*(row.row for row in rows), *blind]]
    y = [row.answerable for row in [*rows, *rows[::2]]]
    theirs = ensemble.GradientBoostingClassifier(
        n_estimators=TREES,
        max_depth=DEPTH,
        learning_rate=RATE,
        subsample=0.6,
        max_features=0.3,
        min_samples_leaf=20,
        random_state=0,
    ).fit(x, y)
    fresh = seen_rows(seed=4)
    wanted = theirs.decision_function([[row.row[name] for name in FEATURES] for row in fresh])
    assert ours is not None and np.allclose([ours.total(row.row) for row in fresh], wanted, atol=2e-3)


def test_no_document_is_in_training_and_test():
    dealt = folds([f"{n}.pdf" for n in range(13)])
    assert sorted(name for part in dealt for name in part) == sorted(f"{n}.pdf" for n in range(13)) and len(dealt) == 6
    assert folds(["a.pdf", "a.pdf"]) == [frozenset({"a.pdf"})]


def test_crossed_supports_come_from_other_documents(monkeypatch: pytest.MonkeyPatch):
    trained_on: list[set[str]] = []

    def spy(rows: list[Seen]) -> SupportModel:
        trained_on.append({row.document for row in rows})
        return DEFAULT

    monkeypatch.setattr(answerable_train, "train", spy)
    crossed(seen_rows(48), seen_rows(16, seed=2))
    assert len(trained_on) == 6 and all(len(each) < 8 for each in trained_on)
    for held in folds([f"{n}.pdf" for n in range(8)]):
        assert any(not held & each for each in trained_on)


def test_a_model_is_kept_as_json(trained: SupportModel):
    assert SupportModel.from_json(trained.to_json()) == trained
    again = SupportModel.from_json(DEFAULT.to_json())
    assert again.to_json() == DEFAULT.to_json() and "made corpora" in DEFAULT.fitted_on
    assert all(again.support(row.row) == DEFAULT.support(row.row) for row in seen_rows(20))


def broken(**changes: object) -> str:
    kept: dict[str, object] = {"names": ["covered"], "start": 0, "slope": 1, "offset": 0}
    kept["trees"] = [[[0, -1, -1], [0.5, 0, 0], [1, -1, -1], [2, -1, -1], [0, -1, 1]]]
    return json.dumps({**kept, **changes})


def test_a_tree_by_hand():
    model = SupportModel.from_json(broken())
    assert model.support({"covered": 0.5}) == pytest.approx(1 / (1 + math.e))
    assert model.support({"covered": 0.51}) == pytest.approx(math.e / (1 + math.e))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '"x"', "[" * 5000, broken(names=["no such"]), broken(trees=[]), broken(slope=0), broken(start=float("nan")),
     broken(trees=[[[0, -1, -1], [0.5, 0, 0], [0, -1, -1], [2, -1, -1], [0, -1, 1]]]),
     broken(trees=[[[0, -1, -1], [0.5, 0, 0], [1, -1, -1], [3, -1, -1], [0, -1, 1]]]),
     broken(trees=[[[1, -1, -1], [0.5, 0, 0], [1, -1, -1], [2, -1, -1], [0, -1, 1]]]),
     broken(trees=[[[-2], [0], [0], [0], [0]]]), broken(trees=[[[], [], [], [], []]]), broken(trees=[[[-1], [0], [0], [0]]]),
     broken(trees=[[[-1], [0], [0], [0], [0]]] * (MOST_TREES + 1))],
)  # fmt: skip
def test_what_is_no_model_is_refused(text):
    with pytest.raises(BadData):
        SupportModel.from_json(text)


def test_training_needs_both_kinds_and_two_documents():
    pytest.importorskip("sklearn")
    given = seen_rows(20)
    for bad in ([row for row in given if row.answerable], [row for row in given if row.document == "0.pdf"], []):
        with pytest.raises(BadData):
            train(bad)


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
