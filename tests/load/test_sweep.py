"""The search for the highest rate, on queues that are simulated: no socket, no clock."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import BakeoffError
from bakeoff.load.judge import LatencyLimit
from bakeoff.load.sweep import CLOSE, Observed, Sweep, highest_rate, per_second, requests_for
from load.test_judge import one_server

Run = Callable[[float, int], Observed]
STEPS = {"most_steps": 12, "step_seconds": 15.0, "most_rate": 10_000.0}


def cliff(capacity: float) -> Run:
    """A server that answers at once up to its capacity, and never beyond."""

    def run(rate: float, requests: int) -> Observed:
        return Observed(np.arange(requests) / rate, np.full(requests, 0.01 if rate <= capacity else math.nan))

    return run


def queue(capacity: float, seed: int) -> Run:
    """One server with exponential service times and Poisson arrivals; every step draws anew."""
    rng = np.random.default_rng(seed)

    def run(rate: float, requests: int) -> Observed:
        return Observed(*one_server(rate, rng.exponential(1 / capacity, requests), rng))

    return run


def sweep(run: Run, guess: float = 10.0, bound: float = 0.5, quantile: float = 0.95, **changes: float) -> Sweep:
    options = {**STEPS, **changes}
    return highest_rate(
        run,
        quantile=quantile,
        bound_seconds=bound,
        first_guess=guess,
        most_steps=int(options["most_steps"]),
        step_seconds=options["step_seconds"],
        most_rate=options["most_rate"],
    )


# -- the search -----------------------------------------------------------------------------------------------------


@given(capacity=st.floats(1.7, 2000), guess=st.floats(0.05, 20))
def test_a_cliff_is_found_within_a_tenth(capacity: float, guess: float) -> None:
    found = sweep(cliff(capacity), guess=capacity * guess, most_steps=40)
    assert found.highest is not None and found.broken_at is not None
    assert found.highest <= capacity < found.broken_at <= found.highest * CLOSE
    assert not found.at_least and found.n > 0


@given(one=st.floats(1.7, 500), other=st.floats(1.7, 500), guess=st.floats(1, 500), steps=st.integers(1, 12))
def test_a_stronger_server_is_never_found_weaker(one: float, other: float, guess: float, steps: int) -> None:
    weak, strong = sorted((one, other))
    least, most = (sweep(cliff(capacity), guess=guess, most_steps=steps).highest or 0.0 for capacity in (weak, strong))
    assert least <= most


@pytest.mark.parametrize(("bound", "guess"), [(0.5, 14.0), (0.5, 5.0), (1.0, 20.0)])
def test_the_true_rate_of_a_queue_is_within_the_bracket(bound: float, guess: float) -> None:
    """The 95th percentile of an M/M/1 queue is ln 20 / (capacity - rate), so the true highest rate is known."""
    true = 20.0 - math.log(20) / bound
    found = [sweep(queue(20.0, seed), guess=guess, bound=bound, most_steps=8) for seed in range(40)]
    kept_too_much = sum((one.highest or 0.0) > CLOSE * true for one in found)
    broken_too_early = sum(one.broken_at is not None and one.broken_at < true / CLOSE for one in found)
    assert kept_too_much <= 3 and broken_too_early <= 3
    assert all(one.highest is None or one.highest < 1.3 * true for one in found)
    assert np.median([one.highest or 0.0 for one in found]) > 0.6 * true


def test_a_looser_limit_allows_more() -> None:
    medians = [
        np.median([sweep(queue(20.0, seed), bound=bound).highest or 0.0 for seed in range(15)]) for bound in (0.25, 0.5, 1.5)
    ]
    assert medians == sorted(medians) and medians[0] < medians[-1]


def test_a_start_that_breaks_goes_down_and_one_that_is_kept_goes_up() -> None:
    down, up = sweep(cliff(3.0), guess=100.0), sweep(cliff(300.0), guess=2.0)
    assert [step.rate for step in down.steps[:3]] == [100.0, 50.0, 25.0] and down.highest is not None
    assert [step.rate for step in up.steps[:3]] == [2.0, 4.0, 8.0]


def test_a_server_that_keeps_the_highest_rate_is_at_least_that_good() -> None:
    found = sweep(cliff(1e9), most_rate=40.0)
    assert found.at_least and found.highest == 40.0 and found.broken_at is None
    assert "at least" in found.says
    assert max(step.rate for step in found.steps) == 40.0


def test_one_lucky_step_is_no_capacity() -> None:
    """The highest rate is asked again, and falls if both steps together do not keep the limit."""
    asked: list[float] = []

    def lucky_once(rate: float, requests: int) -> Observed:
        asked.append(rate)
        good = rate <= 13 or (rate == 20 and asked.count(rate) == 1)
        times = np.full(requests, 0.01)
        if not good:
            times[::8] = 1.0
        return Observed(np.arange(requests) / rate, times)

    found = sweep(lucky_once, guess=20.0, most_steps=12)
    assert asked.count(20.0) == 2
    assert found.highest is not None and 13 / CLOSE <= found.highest <= 13


def test_no_more_steps_than_allowed_and_none_after_the_caller_says_stop() -> None:
    assert len(sweep(cliff(777.0), guess=1.0, most_steps=5).steps) == 5
    left = [3]

    def run(rate: float, requests: int) -> Observed | None:
        left[0] -= 1
        return cliff(100.0)(rate, requests) if left[0] >= 0 else None

    found = sweep(run, guess=10.0)  # type: ignore[arg-type]
    assert len(found.steps) == 3 and found.highest == 40.0


# -- steps that do not count ----------------------------------------------------------------------------------------


def test_a_step_in_which_the_client_was_the_bottleneck_is_repeated_once_and_never_kept() -> None:
    def run(rate: float, requests: int) -> Observed:
        seen = cliff(1e9)(rate, requests)
        return Observed(seen.starts, seen.times, valid=rate <= 50)

    found = sweep(run, guess=20.0, most_steps=20)
    assert found.highest is not None and 50 / CLOSE <= found.highest <= 50
    assert found.broken_at is None and "could not keep up" in found.says
    invalid = [step.rate for step in found.steps if step.outcome == "not_judged"]
    assert invalid and all(invalid.count(rate) == 2 for rate in invalid)


def test_a_client_that_is_busy_once_does_not_end_the_search() -> None:
    busy = [True]

    def run(rate: float, requests: int) -> Observed:
        seen = cliff(100.0)(rate, requests)
        valid = not busy.pop() if busy else True
        return Observed(seen.starts, seen.times, valid=valid)

    found = sweep(run, guess=60.0)
    assert found.highest is not None and found.highest >= 60.0


def test_when_nothing_is_valid_nothing_is_said_of_the_server() -> None:
    def run(rate: float, requests: int) -> Observed:
        return Observed(np.arange(requests) / rate, np.full(requests, 0.01), valid=False)

    found = sweep(run, most_steps=6)
    assert found.highest is None and found.broken_at is None and found.n == 0
    assert "not settled" in found.says


def test_rates_too_low_to_be_settled_in_a_step_are_not_tried() -> None:
    found = sweep(cliff(0.2), guess=0.05, step_seconds=15.0)
    assert min(step.n for step in found.steps) >= 59
    assert found.highest is None and "give longer steps" in found.says
    assert sweep(cliff(0.2), guess=0.05, step_seconds=150.0).highest == pytest.approx(0.2, rel=0.1)


def test_no_rate_that_keeps_the_limit_is_said() -> None:
    found = sweep(lambda rate, n: Observed(np.arange(n) / rate, np.full(n, 9.0)), most_steps=4)
    assert found.highest is None and found.broken_at == min(step.rate for step in found.steps)
    assert found.says.startswith("No rate was shown to keep p95 latency <= 500 ms")


# -- lengths and words ----------------------------------------------------------------------------------------------


def test_a_step_is_long_enough_for_its_percentile_and_its_queue_within_a_cap() -> None:
    p95, p99 = LatencyLimit(0.95, 0.5), LatencyLimit(0.99, 0.5)
    assert requests_for(100.0, p95, 15.0) == 1500
    assert requests_for(4.0, p95, 15.0) >= 90
    assert requests_for(20.0, p99, 15.0) >= 459
    assert requests_for(0.1, p95, 15.0) == 6
    assert requests_for(100.0, LatencyLimit(0.95, 1.0), 15.0) == 3000


@pytest.mark.parametrize(
    "wrong", [{"guess": 0.0}, {"guess": math.inf}, {"most_steps": 0}, {"step_seconds": -1.0}, {"most_rate": 0.0}]
)
def test_what_cannot_be_searched_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BakeoffError):
        sweep(cliff(10.0), **wrong)


@pytest.mark.parametrize(("rate", "words"), [(12.345, "12.3"), (0.5, "0.5"), (1234.5, "1,230"), (150.2, "150"), (999.6, "1,000")])
def test_rates_have_three_figures(rate: float, words: str) -> None:
    assert per_second(rate) == f"{words} requests per second"
