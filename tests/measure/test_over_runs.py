"""The interquartile mean, its bootstrap, profiles and the probability of improvement: known answers, and coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff.errors import BakeoffError
from bakeoff.measure.over_runs import (
    expanded,
    interquartile_mean,
    iqm_band,
    iqm_interval,
    performance_profile,
    probability_of_improvement,
)


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([7.0], 7.0),
        ([1, 2, 9], 4.0),
        ([0, 1, 2, 100], 1.5),
        ([-1e9, 1, 2, 3, 1e9], 2.0),
        (range(10), 4.5),
        ([0, 0, *[500] * 8], 500.0),
    ],
)
def test_interquartile_mean_cuts_whole_runs(values, mean):
    assert interquartile_mean(values) == mean


def test_interquartile_mean_is_scipys_trimmed_mean_along_any_axis():
    from scipy.stats import trim_mean

    x = np.random.default_rng(0).standard_t(2, size=(13, 7))
    assert np.allclose(interquartile_mean(x, axis=0), trim_mean(x, 0.25, axis=0))
    assert np.allclose(interquartile_mean(x), trim_mean(x, 0.25, axis=1))


@pytest.mark.parametrize("values", [[], [1.0, np.nan], [np.inf], 3.0])
def test_interquartile_mean_refuses_what_is_no_result(values):
    with pytest.raises(BakeoffError, match="finite values"):
        interquartile_mean(values)


def test_strata_are_drawn_within_themselves():
    """Two worlds that are far apart: what lies between them is no doubt about either."""
    low, high = np.linspace(0, 1, 10), np.linspace(1000, 1001, 10)
    within = iqm_interval([low, high])
    mixed = iqm_interval([np.concatenate([low, high])])
    assert within.mid == mixed.mid == pytest.approx(500.5)
    assert within.n == mixed.n == 20
    assert within.high - within.low < 1.5
    assert mixed.high - mixed.low > 400


def test_interval_is_its_seeds_and_needs_two_runs():
    runs = np.random.default_rng(1).normal(size=10)
    assert iqm_interval([runs], seed=3) == iqm_interval([runs], seed=3) != iqm_interval([runs], seed=4)
    with pytest.raises(BakeoffError, match="One run has no spread"):
        iqm_interval([runs, [1.0]])
    with pytest.raises(BakeoffError, match="every stratum"):
        iqm_interval([])
    assert tuple(iqm_interval([[5.0] * 10]))[:3] == (5.0, 5.0, 5.0)


def test_expanded_tail_is_hesterbergs():
    """n = 10: sqrt(10 / 9) times 2.262 is 2.385, whose normal tail is 0.85%; it goes to 2.5% with n."""
    assert expanded(10) == pytest.approx(0.00855, abs=1e-4)
    assert expanded(1e6) == pytest.approx(0.025, abs=1e-5)
    assert expanded(1) == 0.0


SHAPES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "heavy": lambda rng, n: rng.standard_t(1.5, size=n),
    "two peaks": lambda rng, n: np.where(rng.random(n) < 0.7, 500 - np.abs(rng.normal(0, 3, n)), rng.uniform(20, 150, n)),
    "ties": lambda rng, n: np.where(rng.random(n) < 0.5, 500.0, np.round(rng.uniform(300, 500, n), -1)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_ten_runs_cover(shape):
    """600 times: the standard error of a coverage of 95% is 0.9 points. The paper's plain percentiles cover less than ours, and less than 95%."""
    draw = SHAPES[shape]
    whole = np.sort(draw(np.random.default_rng(5), 200_000))
    true = whole[50_000:150_000].mean()
    rng, covered, plain = np.random.default_rng(2), 0, 0
    for _ in range(600):
        runs = [draw(rng, 10)]
        ours, theirs = iqm_interval(runs, resamples=500), iqm_interval(runs, resamples=500, percentiles="plain")
        covered += ours.low <= true <= ours.high
        plain += theirs.low <= true <= theirs.high
    assert 0.92 <= covered / 600 <= 0.99
    assert plain < covered
    assert plain / 600 < 0.955


def test_band_is_the_interval_at_each_point():
    curves = np.random.default_rng(3).normal(size=(10, 4)) + np.arange(4)
    mid, low, high = iqm_band(curves)
    assert np.allclose(mid, interquartile_mean(curves, axis=0))
    assert (low < mid).all() and (mid < high).all()
    one = iqm_interval([curves[:, 2]], resamples=1000)
    assert low[2] == pytest.approx(one.low, abs=0.25) and high[2] == pytest.approx(one.high, abs=0.25)
    _, low, high = iqm_band(curves[:1])
    assert np.isnan(low).all() and np.isnan(high).all()


def test_profile_by_hand():
    share, low, high = performance_profile([[[0, 1], [1, 2]]], [-1, 0, 1, 2])
    assert share.tolist() == [1.0, 0.75, 0.25, 0.0]
    assert (low <= share).all() and (share <= high).all()
    # Worlds count alike, however many episodes they have; holes are left out.
    share, _, _ = performance_profile([[[1.0], [1.0]], [[0.0, 0.0, np.nan], [0.0, 1.0, np.nan]]], [0.5])
    assert share[0] == pytest.approx((1 + 0.25) / 2)


def test_profile_at_the_ends_stays_in_doubt():
    """Ten runs that all solve every episode do not make it certain that the eleventh does: Wilson's 72% for 10 of 10."""
    share, low, high = performance_profile([np.full((10, 100), 500.0)], [475.0, 500.0])
    assert share.tolist() == [1.0, 0.0]
    assert low[0] == pytest.approx(0.722, abs=1e-3) and high[0] == 1.0
    assert low[1] == 0.0 and high[1] == pytest.approx(0.278, abs=1e-3)
    _, low, _ = performance_profile([[[1.0, 2.0]]], [0.0])
    assert np.isnan(low).all()
    with pytest.raises(BakeoffError, match="every run"):
        performance_profile([[[np.nan], [1.0]]], [0.0])


def test_profile_band_is_over_runs_not_episodes():
    """Half of ten runs solve everything, half nothing: 1,000 episodes say as much as ten runs."""
    table = np.repeat([[0.0], [1.0]], 5, axis=0) @ np.ones((1, 100))
    share, low, high = performance_profile([table], [0.5])
    assert share[0] == 0.5
    assert low[0] < 0.25 and high[0] > 0.75


def test_improvement_by_hand():
    assert probability_of_improvement([[1, 2, 3]], [[1, 2, 3]]).mid == 0.5
    assert probability_of_improvement([[2, 3]], [[1, 2]]).mid == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    one, two = [[1.0, 2.0], [0.0]], [[0.0], [1.0, 1.0]]
    assert probability_of_improvement(one, two).mid == 0.5  # worlds count alike: 1 and 0
    with pytest.raises(BakeoffError, match="same strata"):
        probability_of_improvement(one, two[:1])


def test_improvement_of_all_runs_is_no_certainty():
    found = probability_of_improvement([np.arange(5) + 10], [np.arange(5)])
    assert found.mid == found.high == 1.0
    assert 0.5 < found.low < 0.8
    other = probability_of_improvement([np.arange(5)], [np.arange(5) + 10])
    assert other.high == pytest.approx(1 - found.low)


def test_improvement_covers():
    """Normals one apart: P(X > Y) = Phi(1 / sqrt 2) = 0.760. 800 times, 10 against 10."""
    rng, covered = np.random.default_rng(8), 0
    for _ in range(800):
        found = probability_of_improvement([rng.normal(1, 1, 10)], [rng.normal(0, 1, 10)])
        covered += found.low <= 0.7602 <= found.high
    assert 0.925 <= covered / 800 <= 0.985
