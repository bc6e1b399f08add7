"""Percentile rules, exact intervals, and the two timing loops on a clock that the test turns."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from bakeoff.contract import Answer, Item
from bakeoff.errors import BakeoffError
from bakeoff.measure import timing

ITEMS = [Item(str(i), i, "a", meta={"secret": 1}) for i in range(30)]


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_samples_needed():
    assert [timing.samples_needed(q) for q in (0.5, 0.9, 0.95, 0.99)] == [7, 44, 90, 459]
    for quantile, over in ((0.9, 1), (0.9, 7), (0.99, 3)):
        n = timing.samples_needed(quantile, over)
        assert binom.cdf(over, n, 1 - quantile) <= 0.01 < binom.cdf(over, n - 1, 1 - quantile)
    with pytest.raises(BakeoffError):
        timing.samples_needed(1.0)


@pytest.mark.parametrize(("n", "known"), [(0, []), (6, []), (7, ["p50"]), (43, ["p50"]), (44, ["p50", "p90"]), (89, ["p50", "p90"]),
                                          (90, ["p50", "p90", "p95"]), (458, ["p50", "p90", "p95"]), (459, ["p50", "p90", "p95", "p99"])])  # fmt: skip
def test_a_percentile_needs_its_samples(n, known):
    found = timing.percentiles(np.linspace(1, 2, n))
    assert [name for name in timing.QUANTILES if getattr(found, name) is not None] == known == list(found.low) == list(found.high)
    assert found.n == n
    assert all(found.low[name] <= getattr(found, name) <= found.high[name] for name in known)


def test_nearest_rank_and_samples():
    found = timing.percentiles(np.random.default_rng(0).permutation(np.arange(1.0, 1001.0)))
    assert (found.p50, found.p90, found.p95, found.p99) == (500, 900, 950, 990)
    assert len(found.samples) == 400 and found.samples[0] == 1 and found.samples[-1] == 1000
    assert list(found.samples) == sorted(found.samples)


@pytest.mark.parametrize("n", [7, 44, 90, 459, 1000])
def test_interval_ranks_are_exact_and_as_narrow_as_may_be(n):
    for quantile in (0.5, 0.9, 0.95, 0.99):
        if n < timing.samples_needed(quantile):
            continue
        low, high = timing._interval_ranks(n, quantile)
        outside_low, outside_high = binom.cdf(low - 1, n, quantile), binom.sf(high - 1, n, quantile)
        assert max(outside_low, outside_high) <= 0.025
        assert binom.cdf(low, n, quantile) > 0.025 and binom.sf(high - 2, n, quantile) > 0.025


def test_interval_covers_a_skewed_distribution():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(400):
        found = timing.percentiles(rng.lognormal(0, 1, 100))
        hits += found.low["p90"] <= np.exp(1.2815515655) <= found.high["p90"]
    assert hits / 400 >= 0.93


def test_throughput():
    assert timing.throughput([10, 10, 10], [1.0, 1.0, 1.0]) == (10.0, 10.0, 10.0, 3)
    found = timing.throughput([10, 12, 8, 10], [1.0, 1.1, 0.9, 1.2])
    assert found.mid == pytest.approx(40 / 4.2)
    assert 0 < found.low < found.mid < found.high
    assert (
        timing.throughput([10], [1.0]) is None and timing.throughput([], []) is None and timing.throughput([0, 0], [1, 1]) is None
    )
    with pytest.raises(BakeoffError):
        timing.throughput([1, 2], [1.0, 0.0])


def test_throughput_interval_covers():
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(500):
        found = timing.throughput([20] * 8, rng.gamma(16, 1 / 16, 8))
        hits += found.low <= 20 <= found.high
    assert 0.92 <= hits / 500 <= 0.98


def test_single_stream_times_each_item_once():
    clock, seen = Clock(), []

    def answer(item):
        seen.append(item)
        clock.now += 1.0 if len(seen) <= 5 else 0.25
        kind = int(item.id) % 10
        if kind == 7:
            return Answer(error="timeout")
        if kind == 8:
            return Answer(abstained=True)
        return Answer("a", first_token_seconds=0.1, details={"cached": True} if kind == 9 else {})

    found = timing.single_stream(answer, ITEMS, warmup=5, max_items=20, max_seconds=100, clock=clock)
    assert [item.id for item in seen] == [str(i) for i in range(25)]
    assert all(item.target is None and not item.meta for item in seen)
    assert (found.warmup_items, found.warmup_seconds) == (5, 5.0)
    assert (found.errors, found.abstained, found.cached) == (2, 2, 2)
    assert found.seconds == (0.25,) * 18 and len(found.first_token_seconds) == 14
    assert found.percentiles.p50 == 0.25 and found.percentiles.p90 is None


def test_single_stream_stops_in_time_but_not_at_once():
    clock = Clock()

    def answer(item):
        clock.now += 3.0
        return Answer("a")

    assert len(timing.single_stream(answer, ITEMS, warmup=0, max_items=99, max_seconds=10, clock=clock).seconds) == 4
    assert len(timing.single_stream(answer, ITEMS, warmup=0, max_items=99, max_seconds=1, clock=clock).seconds) == 1
    nothing = timing.single_stream(answer, [], warmup=3, max_items=9, max_seconds=1, clock=clock)
    assert nothing.seconds == () and nothing.warmup_seconds is None and nothing.percentiles.p50 is None
    assert timing.single_stream(answer, ITEMS[:4], warmup=50, max_items=99, max_seconds=99, clock=clock).warmup_items == 2


def test_single_stream_with_the_real_clock():
    found = timing.single_stream(lambda item: Answer("a"), ITEMS, warmup=1, max_items=10, max_seconds=5)
    assert len(found.seconds) == 10 and all(0 <= s < 5 for s in found.seconds)


def test_offline_batches():
    clock, sizes = Clock(), []

    def answer(items):
        sizes.append(len(items))
        clock.now += 0.1 * len(items)
        return (Answer(error="x") if item.id == "10" else Answer("a") for item in items)

    found = timing.offline(answer, ITEMS, max_seconds=1000, clock=clock)
    assert sizes == [1, 6, 6, 6, 6, 5] and sum(found.batch_items) == 28 and found.errors == 1
    assert found.throughput.mid == pytest.approx(28 / 2.9)
    assert found.warmup_seconds == pytest.approx(0.1)
    slow = timing.offline(answer, ITEMS, max_seconds=0.05, clock=clock)
    assert len(slow.batch_items) == 2 and slow.throughput is not None
    assert timing.offline(answer, [], max_seconds=1, clock=clock).throughput is None
    assert timing.offline(answer, ITEMS[:1], max_seconds=1, clock=clock).throughput is None


def test_bad_input_has_a_fix():
    with pytest.raises(BakeoffError, match="1 items got 0"):
        timing.offline(lambda items: [], ITEMS, max_seconds=1)
    for bad in ([-1.0], [float("nan")]):
        with pytest.raises(BakeoffError):
            timing.percentiles(bad)
