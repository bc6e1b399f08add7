"""Verdict documents made from run folders: what is compared with what, and whether each sentence is true."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from folders import answers, folder

from bakeoff.contract import Answer, Trial
from bakeoff.decide.compose import compose
from bakeoff.decide.record import Document, Pair
from bakeoff.report.memo import memo
from bakeoff.report.page import page

FLOOR = {"majority": "majority"}


def targets(n: int) -> list[str]:
    return ["good" if i % 5 < 3 else "bad" for i in range(n)]


def always_good(n: int) -> list[Answer]:
    return [Answer("good", {"good": 0.6, "bad": 0.4}, 0.001)] * n


def pair_of(made: Document, a: str, b: str) -> Pair:
    return next(pair for pair in made.pairs if (pair.a, pair.b) == (a, b))


def advice(made: Document) -> str:
    return memo(made).split("## What to do")[1].strip().splitlines()[0]


def test_a_seed_that_failed_for_one_is_left_out_for_both(tmp_path: Path) -> None:
    truth = targets(400)
    given = {Trial("a", seed): answers(truth, 0.80 + 0.02 * seed, seed=seed) for seed in range(3)}
    given |= {Trial("b", seed): answers(truth, 0.83 + 0.02 * seed, seed=10 + seed) for seed in (0, 2)}
    made = compose(folder(tmp_path, truth, {**given, Trial("b", 1): "ValueError: boom"}))
    assert pair_of(made, "a", "b").difference.mid == pytest.approx(-0.03)
    assert pair_of(made, "a", "b").a_beats_b == 0.0


def test_whole_metrics_are_compared_on_the_items_that_both_answered(tmp_path: Path) -> None:
    truth = targets(200)
    full = answers(truth, 0.85, seed=1)
    half = [Answer(one.value) if i % 2 else Answer(abstained=True) for i, one in enumerate(full)]
    made = compose(folder(tmp_path, truth, {Trial("a", 0): half, Trial("b", 0): full}, metric="macro_f1"))
    found = pair_of(made, "a", "b").difference
    assert (found.mid, found.n) == (0.0, 100)  # the same answers on what both answered


def test_what_was_not_answered_is_neither_right_nor_wrong(tmp_path: Path) -> None:
    truth = targets(10)
    right = [Answer(one) for one in truth]
    some = [Answer(error="timed out") if i < 4 else Answer(one) for i, one in enumerate(truth)]
    found = compose(folder(tmp_path, truth, {Trial("a", 0): right, Trial("b", 0): some})).mistakes
    assert (found.by_none, found.by_all, found.shown_of) == (6, 0, 0)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "log_loss"])
def test_mistakes_are_the_same_whatever_the_primary_metric(tmp_path: Path, metric: str) -> None:
    truth = targets(100)
    given = {Trial("a", 0): answers(truth, 0.9), Trial("b", 0): answers(truth, 0.7, seed=1)}
    found = compose(folder(tmp_path, truth, given, metric=metric)).mistakes
    assert sum(found.only.values()) + found.by_all == found.shown_of
    assert found.only["a"] + found.by_all == 10 and found.only["b"] + found.by_all == 30


def test_only_a_floor_is_called_one(tmp_path: Path) -> None:
    truth = targets(300)
    given = {Trial("a", 0): answers(truth, 0.9), Trial("b", 0): answers(truth, 0.7, seed=1)}
    made = compose(folder(tmp_path, truth, given))
    assert not [check for check in made.checks if check.code == "BK005"]
    given = {Trial("b", 0): given[Trial("b", 0)], Trial("majority", 0): always_good(300)}
    made = compose(folder(tmp_path / "floor", truth, given, use=FLOOR))
    assert [check.outcome for check in made.checks if check.code == "BK005"] == ["passed"]


def test_an_approach_without_an_answer_is_said_and_breaks_nothing(tmp_path: Path) -> None:
    truth = targets(200)
    given = {
        Trial("majority", 0): always_good(200),
        Trial("a", 0): [Answer(error="401: no key")] * 200,
        Trial("b", 0): answers(truth, 0.8),
    }
    made = compose(folder(tmp_path, truth, given, use=FLOOR))
    assert made.verdict.choice == "b"
    assert any(said.startswith("a: nothing that it answered") for said in made.not_tested)
    assert [c.outcome for c in made.checks if c.code == "BK005"] == ["passed", "could_not_run"]
    assert not [c for c in made.checks if c.code == "BK000"]


def test_nothing_answered_is_not_called_unfinished(tmp_path: Path) -> None:
    made = compose(folder(tmp_path, targets(50), {Trial("a", 0): [Answer(error="401: no key")] * 50}))
    assert made.verdict.kind == "nothing_ran"
    assert "finished" not in made.verdict.sentence and "50 ended in an error" in made.verdict.sentence


def test_a_loss_without_a_floor_is_anchored_on_the_labels(tmp_path: Path) -> None:
    labels = [f"l{i:02d}" for i in range(20)]
    truth = [labels[i % 20] for i in range(400)]
    given = {Trial("a", 0): answers(truth, 0.6, labels=labels), Trial("b", 0): answers(truth, 0.7, seed=1, labels=labels)}
    made = compose(folder(tmp_path, truth, given, metric="log_loss"))
    assert made.study.anchors["quality"]["worst"] == pytest.approx(math.log(20))
    assert made.verdict.choice == "b"
    assert not [c for c in made.checks if c.code == "BK003"]  # its count is for shares of right answers


def test_one_that_may_be_better_leaves_it_undecided_even_if_it_may_be_no_better_than_the_floor(tmp_path: Path) -> None:
    truth = targets(30)
    given = {
        Trial("majority", 0): always_good(30),
        Trial("a", 0): answers(truth, 0.8),
        Trial("b", 0): answers(truth, 0.9, seed=1),
    }
    made = compose(folder(tmp_path, truth, given, use=FLOOR))
    assert (made.verdict.choice, made.verdict.kind) == ("b", "undecided")
    assert "limit" not in made.verdict.sentence


def test_the_sentence_says_on_what_two_were_compared(tmp_path: Path) -> None:
    truth = targets(600)
    full = answers(truth, 0.9, seed=1)
    sure = [i for i in range(600) if full[i].value == truth[i]][:300]
    half = [Answer(one) if i in sure else Answer(abstained=True) for i, one in enumerate(truth)]
    made = compose(folder(tmp_path, truth, {Trial("a", 0): half, Trial("b", 0): full}))
    assert made.verdict.choice == "b"
    assert "-0.0" not in made.verdict.sentence
    assert "a gave no answer to 50.0% of them all" in made.verdict.sentence
    assert "| a | 100.0 of 100 answered (50.0% left open) |" in memo(made)


def test_the_ends_belong_to_what_is_said(tmp_path: Path) -> None:
    truth = targets(400)
    made = compose(folder(tmp_path, truth, {Trial("a", 0): answers(truth, 0.7), Trial("b", 0): answers(truth, 0.9, seed=1)}))
    low, high = (-100 * end for end in (pair_of(made, "a", "b").difference.high, pair_of(made, "a", "b").difference.low))
    assert pair_of(made, "a", "b").says == f"a is worse than b by 20.0 points ({low:.1f} to {high:.1f})."


@pytest.mark.parametrize(
    ("accuracies", "words"),
    [((0.8,), "no other to compare it with"), ((0.45, 0.4), "always giving the same answer"), ((0.65, 0.62), "may be chance")],
)
def test_advice_is_true_where_nothing_was_settled(tmp_path: Path, accuracies: tuple[float, ...], words: str) -> None:
    truth = targets(60)
    given = {Trial(name, 0): answers(truth, share, seed=i) for i, (name, share) in enumerate(zip("ab", accuracies, strict=False))}
    if len(given) > 1:
        given[Trial("majority", 0)] = always_good(60)
        given[Trial("a", 0)], given[Trial("b", 0)] = (answers(truth, share, seed=i) for i, share in enumerate(accuracies))
    made = compose(folder(tmp_path, truth, given, use=FLOOR))
    assert words in advice(made)
    assert "within the limits" not in advice(made) and "None within the limits" not in page(made)


def test_a_learning_curve_that_failed_is_said(tmp_path: Path) -> None:
    truth = targets(100)
    curve = {"approaches": ["a"], "fractions": [0.25, 0.5], "seeds": 1}
    given = {Trial("a", 0): answers(truth, 0.8), Trial("a", 0, 0.25): "boom", Trial("a", 0, 0.5): "boom"}
    made = compose(folder(tmp_path, truth, given, learning_curve=curve))
    assert not made.curves
    assert any("with fewer labels" in said and "0.25, 0.5" in said for said in made.not_tested)
    assert "No learning curve was asked for" not in page(made)


def test_non_inferiority_does_not_depend_on_the_order_of_names(tmp_path: Path) -> None:
    truth = targets(400)
    kinds = set()
    for order in (("a", "b", "c"), ("c", "b", "a")):
        given = {
            Trial(name, seed): answers(truth, level + 0.02 * seed, seed=10 * at + seed)
            for name in order
            for at, level in [{"a": (0, 0.80), "b": (1, 0.83), "c": (2, 0.70)}[name]]
            for seed in range(3)
        }
        made = compose(folder(tmp_path / order[0], truth, given))
        kinds.add((made.verdict.choice, made.verdict.kind))
    assert len(kinds) == 1


def test_a_choice_without_a_rival_is_held_against_the_floor(tmp_path: Path) -> None:
    truth = targets(200)
    given = {Trial("a", 0): answers(truth, 0.9), Trial("majority", 0): always_good(200)}
    made = compose(folder(tmp_path, truth, given, use=FLOOR))
    assert made.verdict.choice == "a"
    assert "It is better than majority, the floor, by " in made.verdict.sentence
    assert made.verdict.sentence.endswith("there was no other approach to compare it with.")


def test_a_limit_on_a_percentile_of_too_few_times_says_how_many(tmp_path: Path) -> None:
    truth = targets(60)
    made = compose(folder(tmp_path, truth, {Trial("a", 0): answers(truth, 0.9)}, limits=["p99 latency <= 1 s"]))
    assert made.verdict.kind == "none_within_limits"
    assert "a, which is not shown to keep p99 latency <= 1 s (not measured: 120 times are too few)" in made.verdict.sentence
