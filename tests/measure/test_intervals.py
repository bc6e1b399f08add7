"""Intervals against published tables, hand-computed examples and the invariances they must have."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bakeoff.contract import Interval
from bakeoff.errors import BakeoffError
from bakeoff.measure.crossed import crossed, linearised
from bakeoff.measure.intervals import mean_interval, proportion, whole_interval

# Newcombe (1998), Statistics in Medicine 17:857-872, Table I, methods 3 and 5.
NEWCOMBE = [
    (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
    (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
    (0, 20, (0.0000, 0.1611), (0.0000, 0.1684)),
    (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
]

# Two seeds, three items: means 3, 4 by seed, 1.5, 3, 6 by item; grand mean 3.5.
HAND = np.array([[1.0, 3.0, 5.0], [2.0, 3.0, 7.0]])


def binary(seed: int, shape: tuple[int, ...], share: float = 0.8) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) < share).astype(float)


@pytest.mark.parametrize(("k", "n", "wilson", "exact"), NEWCOMBE)
def test_proportion_agrees_with_newcombes_table(k, n, wilson, exact):
    assert proportion(k, n)[1:3] == pytest.approx(wilson, abs=6e-5)
    assert proportion(k, n, method="clopper-pearson")[1:3] == pytest.approx(exact, abs=6e-5)


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (3, 8), (99, 100), (500, 1000)])
def test_proportion_agrees_with_scipy(k, n):
    for method in ("wilson", "clopper-pearson"):
        theirs = stats.binomtest(k, n).proportion_ci(method={"wilson": "wilson", "clopper-pearson": "exact"}[method])
        assert proportion(k, n, method=method)[1:3] == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize(("k", "n"), [(1, 0), (-1, 5), (6, 5), (1.5, 3)])
def test_proportion_refuses_what_is_no_count(k, n):
    with pytest.raises(BakeoffError):
        proportion(k, n)


def test_mean_squares_by_hand():
    table = crossed(HAND)
    # Items: 2 * ((1.5 - 3.5)^2 + (3 - 3.5)^2 + (6 - 3.5)^2) / 2 = 10.5. Seeds: 3 * (0.5^2 + 0.5^2) / 1 = 1.5.
    # Residuals are 0, 0.5, -0.5 and their opposites: 1 / (2 * 1) = 0.5.
    assert (table.mid, table.item, table.seed, table.interaction) == pytest.approx((3.5, 10.5, 1.5, 0.5))
    assert table.variance() == pytest.approx((10.5 + 1.0) / 6)
    assert table.df() == pytest.approx(11.5**2 / (10.5**2 / 2 + 1.0 * 1.5))
    assert table.df(careful=True) == pytest.approx(11.5**2 / (10.5**2 / 2 + 1.5**2))


def test_interval_by_hand():
    # Kurtosis of -2, -0.5, 2.5 is (16 + 0.0625 + 39.0625) / 3 / 3.5^2 = 1.5: 2 * 3 / 0.5 = 12 df, capped at 2.
    half = stats.t.ppf(0.975, 11.5**2 / (10.5**2 / 2 + 1.5)) * math.sqrt(11.5 / 6)
    assert tuple(mean_interval(HAND)) == pytest.approx((3.5, 3.5 - half, 3.5 + half, 3))


def test_a_variance_that_hangs_on_one_item_is_known_less_well():
    table = crossed(np.eye(1, 50), tails=True)
    kurtosis = stats.kurtosis(np.eye(1, 50)[0], fisher=False)
    assert 2 < 100 / (kurtosis - 1) < 49
    assert table.df() == pytest.approx(100 / (kurtosis - 1))
    assert crossed(np.arange(50.0)[None], tails=True).df() == 49


def test_seeds_that_differ_less_than_chance_subtract_nothing():
    table = crossed([[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0]])
    assert table.seed == 0 < table.interaction
    assert table.excess() == 0
    assert table.variance() == pytest.approx(table.item / 8)


def test_extrapolated_variance_keeps_the_part_of_the_seeds():
    table = crossed(HAND)
    assert table.variance(3) == pytest.approx(table.variance())
    assert table.df(3.0, careful=True) == pytest.approx(table.df(careful=True))
    assert table.variance(3e12) == pytest.approx((1.5 - 0.5) / (3 * 2), rel=1e-9)
    assert table.df(3e12) == pytest.approx(1.0, rel=1e-6)


def test_batches_are_single_tables():
    tables = np.random.default_rng(0).normal(size=(4, 3, 7))
    together = crossed(tables)
    for i, table in enumerate(tables):
        one = crossed(table)
        assert together.variance()[i] == pytest.approx(one.variance())
        assert together.df()[i] == pytest.approx(one.df())


def test_one_seed_of_right_and_wrong_is_wilson():
    scores = binary(1, (1, 137))
    assert mean_interval(scores) == proportion(int(scores.sum()), 137)
    assert mean_interval(scores[0]) == mean_interval(scores)


def test_unanswered_items_do_not_count():
    scores = binary(2, (1, 50))
    holes = np.concatenate([scores, np.full((1, 7), np.nan)], axis=1)
    assert mean_interval(holes) == mean_interval(scores)


def test_an_approach_without_chance_is_not_made_surer_by_more_seeds():
    scores = binary(3, (1, 90))
    assert mean_interval(np.repeat(scores, 5, axis=0)) == mean_interval(scores)


def test_seeds_that_differ_widen_the_interval():
    same = np.repeat(binary(4, (1, 300)), 3, axis=0)
    lucky = same.copy()
    lucky[0, np.flatnonzero(lucky[0] == 0)[:30]] = 1
    assert mean_interval(lucky).high - mean_interval(lucky).low > 1.3 * (mean_interval(same).high - mean_interval(same).low)


def test_order_of_items_and_seeds_is_no_information():
    scores, clusters = binary(5, (3, 60)), np.arange(60) // 4
    order = np.random.default_rng(0).permutation(60)
    want = mean_interval(scores, clusters)
    assert mean_interval(scores[:, order], clusters[order]) == pytest.approx(tuple(want))
    assert mean_interval(scores[::-1], [f"author {g}" for g in clusters]) == pytest.approx(tuple(want))


def test_copies_within_a_cluster_are_not_new_items():
    rng = np.random.default_rng(6)
    values = rng.normal(size=40) + 0.1 * rng.normal(size=(2, 40))
    copied = np.repeat(values, 3, axis=1)
    assert mean_interval(copied, np.repeat(np.arange(40), 3)) == pytest.approx(tuple(mean_interval(values)))
    naive = mean_interval(copied)
    assert naive.high - naive.low < 0.8 * (mean_interval(values).high - mean_interval(values).low)


def test_clusters_of_one_are_items():
    scores = binary(7, (1, 80))
    assert mean_interval(scores, range(80)) == mean_interval(scores)


def test_unequal_clusters_are_the_jackknife():
    """The variance is that of leaving out one cluster at a time, (G - 1) / G sum of squares about their mean; the degrees
    of freedom are those of the effective number of clusters, 36 / 14."""
    values = np.array([1.0, 2.0, 4.0, 4.0, 7.0, 1.0])
    clusters = np.array([0, 0, 0, 1, 1, 2])
    without = np.array([values[clusters != g].mean() for g in range(3)])
    error = math.sqrt(2 / 3 * ((without - without.mean()) ** 2).sum())
    found = mean_interval(values, clusters)
    assert found.n == 3
    assert found.mid == pytest.approx(values.mean())
    assert found.high - found.mid == pytest.approx(stats.t.ppf(0.975, 36 / 14 - 1) * error)


def test_one_cluster_of_half_the_items_does_not_pass_for_many():
    """With 50 small clusters beside it the plain estimator covers 75% here."""
    rng = np.random.default_rng(4)
    labels = np.repeat(np.arange(51), [200] + [4] * 50)
    hits = 0
    for _ in range(200):
        chance = rng.beta(8, 2, 51)[labels]
        found = mean_interval((rng.random(400) < chance).astype(float), labels)
        hits += found.low <= 0.8 <= found.high
    assert hits >= 0.93 * 200


def test_holes_keep_each_seeds_own_mean():
    scores = np.array([[1.0, 0.0, np.nan, 4.0], [2.0, np.nan, 3.0, 4.0]])
    table = linearised(scores, None)
    assert table.mean(1) == pytest.approx(np.nanmean(scores, axis=1))
    assert mean_interval(scores).mid == pytest.approx(np.nanmean(scores, axis=1).mean())
    assert mean_interval(scores).n == 4


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("clusters", [None, list(range(10)) * 4])
def test_all_right_or_all_wrong_is_still_uncertain(seeds, value, clusters):
    found = mean_interval(np.full((seeds, 40), value), clusters)
    n, critical = (40, stats.norm.ppf(0.975)) if clusters is None else (10, stats.t.ppf(0.975, 9))
    away = critical**2 / (n + critical**2)  # Wilson's other end for none of n
    assert tuple(found) == pytest.approx((value, min(value, 1 - away), max(value, away), n))
    assert 0 <= found.low <= found.mid <= found.high <= 1


def test_intervals_stay_within_the_range():
    scores = np.zeros((3, 30))
    scores[0, 0] = 1
    found = mean_interval(scores)
    assert 0 < found.low < found.mid < found.high < 1
    losses = np.random.default_rng(8).lognormal(0, 2, size=(1, 12))
    assert mean_interval(losses).low < 0 < mean_interval(losses, bounds=(0, math.inf)).low
    shares = 1 - np.random.default_rng(8).random((1, 12)) ** 6
    assert mean_interval(shares).high > mean_interval(shares, bounds=(0, 1)).high


def test_bounds_move_and_scale_with_the_score():
    shares = np.random.default_rng(9).random((2, 30))
    plain, moved = mean_interval(shares, bounds=(0, 1)), mean_interval(10 * shares - 4, bounds=(-4, 6))
    assert [10 * end - 4 for end in plain[:3]] == pytest.approx(moved[:3])


def test_no_spread_is_no_error_of_division():
    assert mean_interval(np.full((2, 5), 0.3)) == Interval(0.3, 0.3, 0.3, 5)
    assert mean_interval(np.full((1, 5), 2.0), bounds=(0, math.inf))[:3] == pytest.approx((2, 2, 2))
    lone = mean_interval([1.0], bounds=(0, 1))
    assert lone == proportion(1, 1)


@pytest.mark.parametrize(
    ("scores", "clusters"),
    [
        (np.full((2, 3), np.nan), None),
        (np.array([[1.0, 0.0], [np.nan, np.nan]]), None),
        (np.array([0.4]), None),
        (np.array([0.4, 0.5]), ["one", "one"]),
        (np.array([0.4, 0.5]), ["one"]),
        (np.array([0.4, np.inf]), None),
        (np.zeros((2, 2, 2)), None),
        (np.zeros((1, 0)), None),
    ],
)
def test_what_cannot_be_an_interval_says_what_to_do(scores, clusters):
    with pytest.raises(BakeoffError) as caught:
        mean_interval(scores, clusters)
    assert caught.value.fix


def test_bootstrap_of_a_mean_is_its_interval():
    scores = binary(10, (3, 200))
    scores[0, :20] = 1
    found = whole_interval(lambda positions: scores[:, positions].mean(1), 200, resamples=3000)
    assert found == pytest.approx(tuple(mean_interval(scores)), abs=0.004)
    clusters = np.arange(200) // 5
    clustered = whole_interval(lambda positions: scores[:, positions].mean(1), 200, clusters, resamples=3000)
    assert clustered == pytest.approx(tuple(mean_interval(scores, clusters)), abs=0.006)
    assert clustered.n == 40


def test_bootstrap_is_the_same_twice_and_needs_its_seed():
    scores = np.random.default_rng(11).random(60)

    def median(positions):
        return np.median(scores[positions])

    assert whole_interval(median, 60, seed=4) == whole_interval(median, 60, seed=4)
    assert whole_interval(median, 60, seed=4) != whole_interval(median, 60, seed=5)


def test_a_perfect_whole_metric_is_still_uncertain():
    found = whole_interval(lambda positions: 1.0, 50, resamples=60)
    assert found == pytest.approx((1.0, proportion(50, 50).low, 1.0, 50), abs=0.005)
