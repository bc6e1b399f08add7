"""What a person would accept as an answer, and what must never change it."""

from dataclasses import replace

import numpy as np
import pytest
from candidates import pair
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.contract import Interval
from bakeoff.decide.choose import Candidate, Question, choose, kind_of, relation
from bakeoff.decide.front import dominates, front
from bakeoff.decide.limits import Limit, probability_met
from bakeoff.decide.values import CRITERIA, central_weights, criterion_name, value
from bakeoff.decide.weights import switches, total_value, win_shares
from bakeoff.errors import BadStudy
from bakeoff.study import Anchor

USED = ("quality", "cost", "latency", "memory")
ANCHORS = {name: c.anchor for name, c in CRITERIA.items() if c.anchor} | {"quality": Anchor(worst=0.5, best=1.0, scale="linear")}
WEIGHTS = {name: weight for name, weight in central_weights().items() if weight > 0}


def question(**more) -> Question:
    return Question(**{"weights": WEIGHTS, "anchors": ANCHORS, "margin": 0.02, "quality_metric": "accuracy", **more})


def exact(mid: float, half: float = 0.0) -> Interval:
    return Interval(mid, mid - half, mid + half, 500)


def candidate(
    name: str, quality: float, cost: float = 0.1, latency: float = 0.1, memory: float = 1e9, half: float = 0.02, **more
) -> Candidate:
    figures = {
        "quality": exact(quality, half),
        "cost": exact(cost),
        "latency": exact(latency, latency / 10),
        "memory": exact(memory),
    }
    return Candidate(name, figures, **more)


SOME = st.builds(
    candidate,
    name=st.just("?"),
    quality=st.floats(0.3, 0.99).map(lambda x: round(x, 4)),
    cost=st.floats(0.0005, 2).map(lambda x: round(x, 5)),
    latency=st.floats(0.001, 2).map(lambda x: round(x, 5)),
    memory=st.floats(5e7, 1e10).map(round),
    half=st.just(0.02),
)
FIELD = st.lists(SOME, min_size=1, max_size=6).map(lambda found: [replace(c, name=f"a{i}") for i, c in enumerate(found)])
CAP = 0.5


def limited(candidates: list[Candidate], bound: float) -> list[Candidate]:
    limit = Limit("p90 latency", "<=", bound, "cap")
    return [replace(c, met={"cap": probability_met(limit, c.figures["latency"])}) for c in candidates]


@settings(max_examples=300, deadline=None)
@given(FIELD, st.randoms(use_true_random=False), st.floats(0.01, 0.1))
def test_reordering_never_changes_the_winner(field, random, margin):
    field, asked = limited(field, CAP), question(margin=margin)
    shuffled = random.sample(field, len(field))
    assert choose(field, asked) == choose(shuffled, asked)


@settings(max_examples=300, deadline=None)
@given(FIELD, st.integers(0, 5), st.floats(0, 0.3), st.floats(1, 5), st.floats(1, 5), st.sampled_from(["0", "zz"]))
def test_a_dominated_candidate_never_changes_the_winner(field, which, less, slower, dearer, prefix):
    by = field[which % len(field)]
    q, c, t, m = (by.figures[k] for k in USED)
    worse = candidate(prefix + "dominated", q.mid - less, c.mid * dearer, t.mid * slower, m.mid * 1.01)
    before = choose(limited(field, CAP), question()).winner
    assert choose(limited([*field, worse], CAP), question()).winner == before


@settings(max_examples=300, deadline=None)
@given(FIELD, st.integers(0, 5), st.sampled_from(["0copy", "zcopy"]))
def test_a_copy_never_changes_the_winner_but_for_its_name(field, which, name):
    original = field[which % len(field)]
    before = choose(limited(field, CAP), question()).winner
    after = choose(limited([*field, replace(original, name=name)], CAP), question()).winner
    figures = {c.name: c.figures for c in field} | {name: original.figures}
    assert after == before or figures[after] == figures[before]


@settings(max_examples=300, deadline=None)
@given(FIELD, st.sampled_from(["cost", "latency", "memory", "quality"]), st.sampled_from([1000.0, 100.0, 0.001, 2.0**-20]))
def test_rescaling_a_measure_with_its_anchors_never_changes_the_winner(field, criterion, factor):
    def scaled(c: Candidate) -> Candidate:
        m = c.figures[criterion]
        return replace(c, figures={**c.figures, criterion: Interval(m.mid * factor, m.low * factor, m.high * factor, m.n)})

    anchor = ANCHORS[criterion]
    anchors = ANCHORS | {criterion: Anchor(worst=anchor.worst * factor, best=anchor.best * factor, scale=anchor.scale)}
    margin = 0.02 * (factor if criterion == "quality" else 1)
    bound = CAP * (factor if criterion == "latency" else 1)
    before = choose(limited(field, CAP), question())
    after = choose(limited([scaled(c) for c in field], bound), question(anchors=anchors, margin=margin))
    assert after.winner == before.winner


@settings(max_examples=100, deadline=None)
@given(FIELD)
def test_the_winner_is_within_limits_on_the_front_and_highest(field):
    field = limited(field, CAP)
    choice = choose(field, question())
    within = {c.name for c in field if c.within}
    assert set(choice.eligible) <= within and (choice.winner is None) == (not within)
    if choice.winner:
        best = max(total_value(choice.values[name], WEIGHTS) for name in choice.eligible)
        assert total_value(choice.values[choice.winner], WEIGHTS) == best
        assert choice.winner in front(
            {
                c.name: [v * (1 if k == "quality" else -1) for k in USED for v in [c.figures[k].mid]]
                for c in field
                if c.name in choice.eligible
            }
        )


def test_min_max_over_candidates_would_flip_this_winner_and_anchors_do_not():
    a, b = candidate("a", 0.90, latency=0.2), candidate("b", 0.885, latency=0.05)
    dreadful = candidate("dreadful", 0.31, latency=50, cost=50, memory=1e11)
    assert choose([a, b], question()).winner == choose([a, b, dreadful], question()).winner == "b"


def test_the_floor_is_not_recommended_for_being_cheap():
    floor = candidate("floor", 0.6, cost=0.0001, latency=0.0001, memory=1e7, floor=True)
    good = candidate("good", 0.7, cost=5, latency=5, memory=1e11)
    choice = choose([floor, good], question())
    assert choice.winner == "good" and choice.left_out == {"floor": "floor"} and choice.beats_floor
    same = candidate("same", 0.61, cost=0.0001, latency=0.0001, memory=1e7)
    assert choose([floor, good, same], question()).winner == "good"
    nothing = choose([floor, same], question())
    assert (nothing.winner, nothing.beats_floor) == ("same", False)
    assert kind_of(nothing, [floor, same], question(), 1.0) == ("undecided", "floor")
    assert choose([floor], question()).winner is None


def test_shown_worse_than_the_best_by_more_than_the_margin_is_not_good_enough():
    best, cheap = candidate("best", 0.9, latency=0.9), candidate("cheap", 0.8, latency=0.01, cost=0.001, memory=1e8)
    assert choose([best, cheap], question()).winner == "best"
    limit = Limit("accuracy", ">=", 0.78, "accuracy >= 78%")
    assert choose([best, cheap], question(limits=(limit,))).winner == "cheap"


def test_a_difference_that_is_not_real_gives_way_to_the_cheaper_one():
    best, cheap = candidate("best", 0.884, latency=0.4), candidate("cheap", 0.880, latency=0.02)
    for word, kind in (("equivalent", "good_enough"), ("undecided", "undecided")):
        asked = question(pairs=(pair("best", "cheap", 0.004, 0.012 if word == "equivalent" else 0.04, word),))
        choice = choose([best, cheap], asked)
        assert choice.winner == "cheap" and kind_of(choice, [best, cheap], asked, 0.9) == (kind, "best")


def test_clear_needs_a_real_difference_a_sure_win_and_sure_limits():
    a, b = candidate("a", 0.92), candidate("b", 0.85)
    asked = question(pairs=(pair("b", "a", -0.07, 0.02, "inferior"),))
    choice = choose([a, b], asked)
    assert kind_of(choice, [a, b], asked, 0.95) == ("clear", "b")
    doubtful = [replace(a, met={"l": 0.6}), replace(b, met={"l": 1.0})]
    assert kind_of(choose(doubtful, asked), doubtful, asked, 0.95)[0] != "clear"


def test_a_limit_that_was_not_measured_is_never_met():
    assert not candidate("a", 0.9, met={"l": None}).within
    choice = choose([candidate("a", 0.9, met={"l": None})], question())
    assert choice.winner is None and kind_of(choice, [candidate("a", 0.9)], question(), 0)[0] == "none_within_limits"
    assert kind_of(choose([], question()), [], question(), 0)[0] == "nothing_ran"


@pytest.mark.parametrize(
    ("word", "mid", "half", "turned"),
    [("superior", 0.05, 0.02, "inferior"), ("equivalent", 0.0, 0.01, "equivalent"), ("non-inferior", 0.03, 0.04, "undecided"), ("undecided", 0.03, 0.06, "undecided"), ("undecided", -0.03, 0.045, "non-inferior")],
)  # fmt: skip
def test_a_pair_reads_the_same_from_both_sides(word, mid, half, turned):
    a, b = candidate("a", 0.9), candidate("b", 0.9)
    asked = question(pairs=(pair("a", "b", mid, half, word),))
    assert relation(asked, a, b).word == word and relation(asked, b, a).word == turned
    assert relation(asked, b, a).gain.mid == -mid
    assert relation(replace(asked, higher_is_better=False), a, b).gain.mid == -mid


def test_front_keeps_copies_and_drops_the_dominated():
    assert front({"a": [1, 2], "copy": [1, 2], "worse": [1, 1], "other": [2, 0]}) == {"a", "copy", "other"}
    assert not dominates([1, 2], [1, 2]) and front({}) == frozenset()


@given(st.floats(1e-4, 1e4), st.floats(1e-4, 1e4))
def test_values_are_anchored_monotone_and_clamped(x, y):
    anchor = CRITERIA["latency"].anchor
    assert (value(anchor, 1.0), value(anchor, 0.1), value(anchor, 0.01)) == pytest.approx((0, 0.5, 1))
    assert 0 <= value(anchor, x) <= 1 and (value(anchor, x) >= value(anchor, y) if x <= y else True)
    assert value(anchor, 0.0) == 1 and value(anchor, float("nan")) == 0


def test_weights_that_are_named_are_shares_of_the_whole():
    assert central_weights() == pytest.approx({name: c.weight for name, c in CRITERIA.items()})
    some = central_weights({"latency": 0.6})
    assert some["latency"] == 0.6 and some["quality"] == pytest.approx(0.4 * 0.5 / 0.8) and sum(some.values()) == pytest.approx(1)
    assert central_weights({"quality": 3, "train time": 1})["train_time"] == pytest.approx(0.25)
    with pytest.raises(BadStudy) as caught:
        criterion_name("latencyy")
    assert "latency" in caught.value.fix
    for wrong in ({"speed": 1}, {"quality": -1}, {"quality": 0, "cost": 0, "latency": 0, "memory": 0}, {"cost": True}):
        with pytest.raises(BadStudy):
            central_weights(wrong)


@settings(max_examples=60, deadline=None)
@given(FIELD)
def test_a_reported_switch_is_where_the_winner_changes(field):
    choice = choose(field, question())
    values = {name: choice.values[name] for name in choice.ranked}
    for found in switches(values, WEIGHTS, choice.winner):

        def at(t, criterion=found.criterion):
            rest = 1 - WEIGHTS[criterion]
            moved = {c: t if c == criterion else w * (1 - t) / rest for c, w in WEIGHTS.items()}
            return {name: total_value(own, moved) for name, own in values.items()}

        step = 1e-6 if found.more else -1e-6
        assert at(found.at)[found.winner] == pytest.approx(at(found.at)[choice.winner], abs=1e-9)
        assert at(found.at + step)[found.winner] >= at(found.at + step)[choice.winner]
        halfway = at((found.at + found.now) / 2)
        assert halfway[choice.winner] >= max(halfway.values()) - 1e-9


def test_win_shares_do_not_depend_on_order_or_copies_and_are_seeded():
    field = [candidate("a", 0.9, latency=0.2), candidate("b", 0.88, latency=0.05), candidate("c", 0.7, latency=0.01)]
    figures = {c.name: c.figures for c in field}
    shares = win_shares(figures, WEIGHTS, ANCHORS)
    assert shares == win_shares(dict(reversed(figures.items())), WEIGHTS, ANCHORS)
    assert sum(shares.values()) == pytest.approx(1) and shares["a"] > 0.05 and shares["b"] > 0.05
    copied = win_shares({**figures, "d": figures["b"]}, WEIGHTS, ANCHORS)
    assert copied == {**shares, "d": shares["b"]}
    assert win_shares(figures, WEIGHTS, ANCHORS, seed=1) != shares and win_shares({}, WEIGHTS, ANCHORS) == {}


def test_paired_differences_make_the_win_share_surer():
    quality_only = {"quality": 1.0}
    figures = {"a": {"quality": exact(0.90, 0.04)}, "b": {"quality": exact(0.88, 0.04)}}
    apart = win_shares(figures, quality_only, ANCHORS)["a"]
    paired = win_shares(figures, quality_only, ANCHORS, gaps={("a", "b"): exact(0.02, 0.02)})["a"]
    # P(difference > 0): independent sd is sqrt(2) x 0.04/1.96, paired 0.02/1.96
    assert apart == pytest.approx(0.756, abs=0.02) and paired == pytest.approx(0.975, abs=0.012)


def test_weight_draws_spread_as_documented():
    draws = np.random.default_rng(0).dirichlet(20 * np.array([0.5, 0.2, 0.2, 0.1]), 20_000)[:, 0]
    assert np.quantile(draws, [0.025, 0.975]) == pytest.approx([0.29, 0.71], abs=0.01)
