"""The bootstrap: what is drawn, in step for both sides of a pair, and what cannot be drawn."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff.errors import BakeoffError
from bakeoff.measure.crossed import crossed
from bakeoff.measure.resample import (
    bootstrap_crossed,
    paired_whole_difference,
    percentile_interval,
    replicates,
    resampled,
)


def test_resamples_are_positions_drawn_again_from_their_seed():
    first, again, other = (list(resampled(30, seed=seed, resamples=5)) for seed in (1, 1, 2))
    assert all(np.array_equal(x, y) for x, y in zip(first, again, strict=True))
    assert not all(np.array_equal(x, y) for x, y in zip(first, other, strict=True))
    assert all(len(x) == 30 and x.min() >= 0 and x.max() < 30 for x in first)


def test_clusters_are_never_split():
    clusters = ["a", "b", "a", "c", "b", "a", "c", "d"]
    for positions in resampled(8, clusters, seed=0, resamples=40):
        drawn = np.bincount(positions, minlength=8)
        for name in set(clusters):
            assert len({drawn[i] for i in range(8) if clusters[i] == name}) == 1
        assert sum(drawn[clusters.index(name)] for name in "abcd") == 4


def test_standard_error_of_a_mean():
    values = np.random.default_rng(3).normal(size=120)
    found = bootstrap_crossed(lambda at: values[at].mean(), 120, resamples=4000)
    assert found.variance() == pytest.approx(values.var(ddof=1) / 120, rel=0.06)
    assert found.mid == values.mean()


def test_mean_squares_of_a_mean_are_those_of_the_analysis_of_variance():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(3, 150)) + rng.normal(size=150) + np.array([[0.0], [0.3], [-0.3]])
    exact, found = crossed(values), bootstrap_crossed(lambda at: values[:, at].mean(1), 150, resamples=4000)
    assert (found.item, found.seed, found.interaction) == pytest.approx((exact.item, exact.seed, exact.interaction), rel=0.08)
    assert (found.n, found.seeds) == (exact.n, exact.seeds)


def test_a_pair_is_resampled_in_step():
    values = np.random.default_rng(5).normal(size=80)
    found = paired_whole_difference(lambda at: values[at].mean() + 0.25, lambda at: values[at].mean(), 80)
    assert found == pytest.approx((0.25, 0.25, 0.25, 80))


def test_swapping_a_pair_mirrors_its_difference():
    x, y = np.random.default_rng(6).random((2, 3, 70))
    one = paired_whole_difference(lambda at: np.median(x[:, at], 1), lambda at: np.median(y[:, at], 1), 70)
    two = paired_whole_difference(lambda at: np.median(y[:, at], 1), lambda at: np.median(x[:, at], 1), 70)
    assert (-two.mid, -two.high, -two.low) == pytest.approx(one[:3])


def test_a_single_value_stands_against_every_seed():
    x, y = np.random.default_rng(7).random((3, 70)), np.random.default_rng(8).random(70)
    found = paired_whole_difference(lambda at: x[:, at].mean(1), lambda at: y[at].mean(), 70)
    assert found.mid == pytest.approx(x.mean() - y.mean())
    longer = paired_whole_difference(lambda at: x[:, at].mean(1), lambda at: x[:2, at].mean(1), 70)
    assert longer[:3] == pytest.approx((0, 0, 0))


def test_resamples_without_a_value_are_left_out_but_not_most_of_them():
    rare = np.zeros(40)
    rare[:3] = 1

    def needs_one(at):
        return 1.0 if rare[at].any() else np.nan

    kept = replicates(needs_one, 40, resamples=400)
    assert 300 < len(kept) < 400
    rare[1:] = np.nan
    with pytest.raises(BakeoffError, match="most resamples"):
        replicates(lambda at: 1.0 if len(set(at)) == 1 else np.nan, 40, resamples=100)


def test_what_cannot_be_resampled():
    with pytest.raises(BakeoffError, match="too few"):
        replicates(lambda at: 0.0, 10, resamples=10)
    with pytest.raises(BakeoffError, match="at least two items"):
        bootstrap_crossed(lambda at: 0.0, 1)
    with pytest.raises(BakeoffError, match="at least two clusters"):
        bootstrap_crossed(lambda at: 0.0, 3, ["x", "x", "x"])
    with pytest.raises(BakeoffError, match="finite"):
        bootstrap_crossed(lambda at: np.nan, 10)


def test_progress_ends_at_one():
    seen: list[float] = []
    replicates(lambda at: 0.0, 10, resamples=50, progress=seen.append)
    assert len(seen) == 50
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_percentiles():
    drawn = np.linspace(0, 1, 1001)[:, None]
    assert percentile_interval(drawn, 0.4, 9) == pytest.approx((0.4, 0.025, 0.975, 9))
