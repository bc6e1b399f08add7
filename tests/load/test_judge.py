"""Whether a limit held: MLPerf's rule, dependence between neighbours, growing queues, and limits in words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError
from bakeoff.load.judge import _at_most, dependence, growing, outcome, parse_limit
from bakeoff.measure.timing import samples_needed

Times = NDArray[np.float64]


def one_server(rate: float, services: Times, rng: np.random.Generator) -> tuple[Times, Times]:
    """Arrivals and times of a queue with one server (Lindley's recursion), Poisson arrivals."""
    starts = np.cumsum(rng.exponential(1 / rate, len(services)))
    times, free = np.empty(len(services)), 0.0
    for i, (start, service) in enumerate(zip(starts, services, strict=True)):
        free = max(start, free) + service
        times[i] = free - start
    return starts, times


def mm1(rate: float, capacity: float, n: int, seed: int) -> tuple[Times, Times]:
    rng = np.random.default_rng(seed)
    return one_server(rate, rng.exponential(1 / capacity, n), rng)


# -- the rule -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.95, 0.99])
def test_with_none_over_it_is_kept_from_as_many_requests_as_mlperf_asks_for(quantile: float) -> None:
    enough = samples_needed(quantile, 0, 0.95)
    assert outcome(np.full(enough, 0.1), 0.5, quantile) == "kept"
    assert outcome(np.full(enough - 1, 0.1), 0.5, quantile) == "undecided"


@pytest.mark.parametrize(("quantile", "over"), [(0.9, 3), (0.95, 1), (0.95, 7), (0.99, 2)])
def test_the_continued_binomial_is_the_binomial_and_its_rule_is_mlperfs(quantile: float, over: int) -> None:
    enough = samples_needed(quantile, over, 0.95)
    assert _at_most(over, enough, 1 - quantile) <= 0.05 < _at_most(over, enough - 1, 1 - quantile)
    exact = sum(math.comb(50, k) * (1 - quantile) ** k * quantile ** (50 - k) for k in range(over + 1))
    assert _at_most(over, 50, 1 - quantile) == pytest.approx(exact)


def test_independent_steps_of_a_server_exactly_at_the_limit_are_called_kept_or_broken_in_about_5_percent_each() -> None:
    rng = np.random.default_rng(1)
    came = [outcome(rng.uniform(size=400), 0.95, 0.95) for _ in range(1000)]
    assert 0.01 < came.count("kept") / 1000 < 0.07
    assert 0.01 < came.count("broken") / 1000 < 0.07


def test_a_failed_request_counts_as_over_wherever_it_is_told() -> None:
    times = np.full(300, 0.1)
    assert outcome(times, 0.5, 0.95) == "kept"
    with_failures = times.copy()
    with_failures[::6] = math.nan
    assert outcome(with_failures, 0.5, 0.95) == "broken"
    assert outcome(times[:250], 0.5, 0.95, failed=50) == "broken"
    assert outcome(np.full(100, math.inf), 0.5, 0.95) == "broken"


def test_nothing_sent_settles_nothing() -> None:
    assert outcome([], 0.5, 0.95) == "undecided"
    assert outcome([], 0.5, 0.95, failed=100) == "broken"


@pytest.mark.parametrize(("bound", "quantile", "failed"), [(0.0, 0.95, 0), (0.5, 1.0, 0), (0.5, 0.0, 0), (0.5, 0.95, -1)])
def test_parameters_out_of_range_are_refused(bound: float, quantile: float, failed: int) -> None:
    with pytest.raises(BakeoffError):
        outcome([0.1], bound, quantile, failed)


# -- dependence -----------------------------------------------------------------------------------------------------


def test_independent_requests_count_nearly_whole_and_those_of_one_busy_spell_do_not() -> None:
    rng = np.random.default_rng(2)
    assert np.mean([dependence(rng.uniform(size=500) < 0.05) for _ in range(200)]) < 1.3
    _, times = mm1(18.0, 20.0, 4000, seed=3)
    assert dependence(times > np.quantile(times, 0.95)) > 10
    assert dependence(np.zeros(100)) == dependence(np.ones(100)) == dependence([]) == 1.0
    alternating = np.arange(100) % 2
    assert dependence(alternating) == 1.0


def test_a_queue_that_just_keeps_the_limit_is_seldom_called_broken() -> None:
    """Without the correction for dependence it is in more than a quarter of such steps."""
    rate = 20.0 - math.log(20) / 0.5
    came = []
    for seed in range(150):
        starts, times = mm1(rate, 20.0, 600, seed)
        came.append(outcome(times, 0.5, 0.95, starts=starts))
    assert came.count("broken") / 150 < 0.07
    assert came.count("kept") / 150 < 0.45


# -- growing queues -------------------------------------------------------------------------------------------------


def test_an_overloaded_server_is_broken_while_its_queue_is_still_short() -> None:
    found = 0
    for seed in range(40):
        starts, times = mm1(26.0, 20.0, 300, seed)
        found += outcome(times, 60.0, 0.95, starts=starts) == "broken"
        assert outcome(times, 60.0, 0.95) == "kept"
    assert found >= 30


def test_a_steady_queue_is_seldom_seen_to_grow() -> None:
    assert sum(growing(*mm1(14.0, 20.0, 300, seed)) for seed in range(100)) <= 3


def test_the_slope_tells_how_much_is_not_answered() -> None:
    starts = np.arange(200) / 10
    assert growing(starts, 0.1 + 0.06 * starts)
    assert not growing(starts, 0.1 + 0.04 * starts)
    assert not growing(starts, 0.1 + 0.06 * starts[::-1])


def test_one_stall_is_no_growing_queue() -> None:
    starts = np.arange(300) / 10
    times = np.full(300, 0.05)
    stalled = (starts > 20) & (starts < 25)
    times[stalled] = 25 - starts[stalled]
    assert not growing(starts, times)


def test_failures_are_left_out_of_the_trend_and_too_few_requests_have_none() -> None:
    starts = np.arange(200) / 10
    times = 0.1 + 0.2 * starts
    times[::3] = math.nan
    assert growing(starts, times)
    assert not growing(starts[:20], times[:20])
    with pytest.raises(BakeoffError):
        growing(starts, times[:-1])


# -- limits in words ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "quantile", "seconds", "normal"),
    [
        ("p95 latency <= 500 ms", 0.95, 0.5, "p95 latency <= 500 ms"),
        ("p99 < 2s", 0.99, 2.0, "p99 latency <= 2 s"),
        ("  P90 Latency ≤ 1,500ms ", 0.9, 1.5, "p90 latency <= 1.5 s"),
        ("latency p50 under 0.25 seconds", 0.5, 0.25, "p50 latency <= 250 ms"),
        ("p99.9 latency at most 10 s", 0.999, 10.0, "p99.9 latency <= 10 s"),
        ("median latency <= 80 µs", 0.5, 8e-5, "p50 latency <= 80 us"),
    ],
)
def test_limits_are_read(text: str, quantile: float, seconds: float, normal: str) -> None:
    limit = parse_limit(text)
    assert (limit.quantile, limit.seconds) == (pytest.approx(quantile), pytest.approx(seconds))
    assert limit.text == normal


@pytest.mark.parametrize(
    "text",
    ["", "p95", "latency <= 500 ms", "p95 latency >= 500 ms", "p95 latency <= 500", "p95 latency <= 5 parsecs", "p95 latency <= 0 ms",
     "p10 latency <= 5 ms", "p99.999 latency <= 5 ms", "p95 latency <= fast", "accuracy >= 90%", "p95 latency <= -5 ms"],
)  # fmt: skip
def test_what_is_no_limit_is_refused_with_a_fix(text: str) -> None:
    with pytest.raises(BakeoffError) as caught:
        parse_limit(text)
    assert caught.value.fix


@given(percent=st.sampled_from([50, 75, 90, 95, 99, 99.5, 99.9]), milliseconds=st.integers(1, 100_000))
def test_the_normal_form_is_read_back(percent: float, milliseconds: int) -> None:
    limit = parse_limit(f"p{percent} latency <= {milliseconds} ms")
    again = parse_limit(limit.text)
    assert again.text == limit.text
    assert again.seconds == pytest.approx(limit.seconds) and again.quantile == pytest.approx(limit.quantile)
