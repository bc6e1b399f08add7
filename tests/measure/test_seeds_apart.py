"""Two approaches by their seeds: exact where it can be counted, level and coverage by simulation where it cannot."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from bakeoff.errors import BakeoffError
from bakeoff.measure.over_runs import interquartile_mean
from bakeoff.measure.seeds_apart import seeds_apart

SHAPES = {
    "heavy": lambda rng, n: rng.standard_t(1.5, size=n),
    "two peaks": lambda rng, n: np.where(rng.random(n) < 0.7, 500 - np.abs(rng.normal(0, 3, n)), rng.uniform(20, 150, n)),
    "ties": lambda rng, n: np.where(rng.random(n) < 0.5, 500.0, np.round(rng.uniform(300, 500, n), -1)),
    "nearly all capped": lambda rng, n: np.where(rng.random(n) < 0.9, 500.0, 9.0),
}


def counted(a, b, statistic):
    """The same p, written down as plainly as it can be."""
    pool, far = [*a, *b], []

    def gap(x, y):
        middle = interquartile_mean(x) - interquartile_mean(y) if statistic == "iqm" else 0.0
        return abs(middle + (1e-6 if statistic == "iqm" else 1.0) * (np.mean(x) - np.mean(y)))

    for places in combinations(range(len(pool)), len(a)):
        rest = [pool[i] for i in range(len(pool)) if i not in places]
        far.append(gap([pool[i] for i in places], rest) >= gap(a, b) - 1e-9)
    return np.mean(far), len(far)


@pytest.mark.parametrize("statistic", ["iqm", "mean"])
@pytest.mark.parametrize("shape", SHAPES)
def test_p_is_the_share_of_all_252_splits(shape, statistic):
    rng = np.random.default_rng(1)
    for _ in range(5):
        a, b = SHAPES[shape](rng, 5), SHAPES[shape](rng, 5)
        found = seeds_apart(a, b, statistic=statistic)
        assert (found.p, found.splits, found.exact) == (pytest.approx(counted(a, b, statistic)[0]), 252, True)


def test_p_by_hand():
    """Three against three, all of a above all of b: 2 of 20 splits, which can never be below 5%."""
    found = seeds_apart([4, 5, 6], [1, 2, 3])
    assert found.p == found.smallest_p == 2 / 20
    assert found.difference.mid == 3.0
    assert found.difference.low == -np.inf and found.difference.high == np.inf
    assert not found.told_apart()


def test_five_against_five_can_be_told_apart():
    found = seeds_apart([11, 12, 13, 14, 15], [1, 2, 3, 4, 5])
    assert found.p == found.smallest_p == 2 / 252
    assert found.told_apart() and found.told_apart(0.04) and not found.told_apart(0.06)
    assert 0 < found.difference.low < 10 < found.difference.high
    assert found.difference.n == 5


def test_more_seeds_are_drawn_and_repeat():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=10), rng.normal(size=10)
    found = seeds_apart(a, b)
    assert found == seeds_apart(a, b)
    assert (found.exact, found.splits) == (False, 20_000)
    assert seeds_apart(a + 100, b).p == found.smallest_p == pytest.approx(1 / 20_000, abs=3 / 20_000)
    from scipy.stats import permutation_test

    theirs = permutation_test((a, b), lambda x, y, axis: x.mean(axis) - y.mean(axis), n_resamples=20_000, vectorized=True, rng=1)
    assert seeds_apart(a, b, statistic="mean").p == pytest.approx(theirs.pvalue, abs=0.02)


def test_sides_can_be_exchanged():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=5), rng.normal(1, 1, size=7)
    one, other = seeds_apart(a, b), seeds_apart(b, a)
    assert one.p == pytest.approx(other.p)
    assert one.difference.low == pytest.approx(-other.difference.high, abs=1e-4)


def test_units_and_place_do_not_matter():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=5), rng.normal(1, 1, size=5)
    one, other = seeds_apart(a, b), seeds_apart(1000 * a + 5e4, 1000 * b + 5e4)
    assert one.p == other.p
    assert other.difference.low == pytest.approx(1000 * one.difference.low, rel=1e-4)


def test_equal_results_say_nothing():
    same = seeds_apart([500.0] * 5, [500.0] * 5)
    assert same.p == 1.0 and tuple(same.difference)[:3] == (0.0, 0.0, 0.0) and not same.told_apart()
    one = seeds_apart([500.0], [20.0])
    assert one.p == 1.0 and not one.told_apart()
    fixed = seeds_apart([500.0] * 10, [20.0] * 10)
    assert fixed.told_apart() and tuple(fixed.difference)[:3] == (480.0, 480.0, 480.0)


@pytest.mark.parametrize(("a", "b"), [([], [1.0]), ([1.0], [np.nan]), ([np.inf], [1.0])])
def test_refuses_what_is_no_result(a, b):
    with pytest.raises(BakeoffError, match="finite result"):
        seeds_apart(a, b)


@pytest.mark.parametrize("shape", SHAPES)
def test_alike_is_seldom_called_different_and_the_interval_covers(shape):
    """300 pairs of five. The test's level is at most 5% by its making; what is called apart is rarer, and 0 is covered at least as often as claimed."""
    rng, small, told, covered = np.random.default_rng(5), 0, 0, 0
    for _ in range(300):
        found = seeds_apart(SHAPES[shape](rng, 5), SHAPES[shape](rng, 5))
        small += found.p <= 0.05
        told += found.told_apart()
        covered += found.difference.low <= 0 <= found.difference.high
        assert found.p <= 0.05 or found.difference.low <= 0 <= found.difference.high
    assert small / 300 <= 0.05 + 3 * 0.0126
    assert told / 300 <= 0.05
    assert covered / 300 >= 0.95


def test_unequal_spread_is_no_difference():
    """Same middle, five times the spread: the permutation test alone is misled, the verdict is not, and the interval covers."""
    rng, small, told, covered = np.random.default_rng(6), 0, 0, 0
    for _ in range(400):
        found = seeds_apart(rng.normal(size=5), rng.normal(0, 5, size=5))
        small += found.p <= 0.05
        told += found.told_apart()
        covered += found.difference.low <= 0 <= found.difference.high
    assert small / 400 > 0.07
    assert told / 400 <= 0.05
    assert covered / 400 >= 0.93


def test_a_true_difference_is_found_and_covered():
    """Two standard deviations apart: ten seeds find it nearly always."""
    rng, told, covered = np.random.default_rng(7), 0, 0
    for _ in range(60):
        found = seeds_apart(rng.normal(2, 1, 10), rng.normal(0, 1, 10))
        told += found.told_apart()
        covered += found.difference.low <= 2 <= found.difference.high
    assert told >= 54
    assert covered >= 52
