"""The figures: failures in the denominator, sample rules, intervals that know of dependence, and honest reasons."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bakeoff.decide.record import LoadStep
from bakeoff.load.result import Client, Outcome, StepResult, StepSpec, merge
from bakeoff.load.summary import allowed_delay, interval_ranks, over_time, percentiles
from bakeoff.measure import timing

SERVER = StepSpec("server", "constant", rate=10.0, seconds=100.0)


def step(outcomes: list[Outcome], *, spec: StepSpec = SERVER, streams: bool = True, **more: Any) -> StepResult:
    return StepResult(spec, "chat", streams, 0.0, len(outcomes), spec.seconds or 1.0, tuple(outcomes), **more)


def good(number: int, *, total: float = 0.2, late: float = 0.0, tokens: int = 5) -> Outcome:
    at = number / 10
    return Outcome(
        number, at, at + late, at + total / 2, at + total, 200, None, "", 3, tokens, text="x", gaps=[total / 8] * (tokens - 1)
    )


def bad(number: int, kind: str = "timeout") -> Outcome:
    at = number / 10
    return Outcome(number, at, at, None, at + 0.001, None, kind, "why")


def test_figures_are_exactly_those_of_a_load_step() -> None:
    figures = step([good(number) for number in range(1000)]).as_json()
    assert set(figures) == set(LoadStep.model_fields)
    read = LoadStep.model_validate(figures)
    assert read.valid and read.total_seconds.p99 == pytest.approx(0.2) and read.total_seconds.n == 1000
    assert read.first_token_seconds.p50 == pytest.approx(0.1) and read.service_seconds.p50 == pytest.approx(0.2)
    assert read.seconds_per_output_token.p95 == pytest.approx(0.1 / 4)
    assert (read.tokens_in, read.tokens_out, read.achieved_per_second) == (3000, 5000, pytest.approx(10))
    assert read.completed_per_second == pytest.approx(1000 / 100.1, rel=1e-3)


def test_failures_stay_in_the_denominator() -> None:
    outcomes = [bad(number) if number % 25 == 0 else good(number, total=0.1 + number / 1e4) for number in range(1000)]
    figures = step(outcomes).as_json()
    whole = np.sort([one.total for one in outcomes if one.total is not None])
    total = figures["total_seconds"]
    # 40 of 1000 failed: the 950th of all is the 950th of the 960 whole ones, and the 990th is a failure.
    assert total["n"] == 1000 and total["p95"] == pytest.approx(whole[949]) and total["p99"] is None
    assert "p99" not in total["low"] and len(total["samples"]) == 400 and total["samples"][-1] == pytest.approx(whole[-1])
    for measure in ("first_token_seconds", "service_seconds", "seconds_per_output_token"):
        assert figures[measure]["n"] == 1000 and figures[measure]["p99"] is None and figures[measure]["p95"] is not None
    assert figures["error_kinds"] == {"timeout": 40} and figures["errors"] == 40
    most_failed = step([bad(number) if number % 2 else good(number) for number in range(1000)]).as_json()
    assert most_failed["total_seconds"]["p50"] is not None and most_failed["total_seconds"]["p90"] is None
    all_failed = step([bad(number) for number in range(100)]).as_json()
    assert all_failed["total_seconds"]["p50"] is None and all_failed["completed_per_second"] == 0


@pytest.mark.parametrize(
    ("n", "there"),
    [(6, []), (7, ["p50"]), (43, ["p50"]), (44, ["p50", "p90"]), (90, ["p50", "p90", "p95"]), (458, ["p50", "p90", "p95"])],
)
def test_percentiles_need_samples(n: int, there: list[str]) -> None:
    got = percentiles(np.linspace(1, 2, n), independent=True)
    assert [name for name in timing.QUANTILES if got[name] is not None] == there == list(got["low"])


@pytest.mark.parametrize("n", [7, 44, 90, 91, 459, 460, 1000, 5003])
def test_independent_times_have_the_exact_intervals_of_the_bench(n: int) -> None:
    times = np.random.default_rng(n).exponential(1.0, n)
    got, exact = percentiles(times, independent=True), timing.percentiles(times.tolist())
    for name in timing.QUANTILES:
        assert got[name] == getattr(exact, name)
    assert got["low"] == exact.low and got["high"] == exact.high and got["samples"] == list(exact.samples)


def test_the_continued_ranks_meet_the_exact_ones() -> None:
    for n, quantile in ((500, 0.5), (1000, 0.95), (5000, 0.99)):
        exact, continued = interval_ranks(n, quantile), interval_ranks(n, quantile, 1 + 1e-9)
        assert exact[1] is not None and continued[1] is not None
        assert abs(exact[0] - continued[0]) <= 1 and abs(exact[1] - continued[1]) <= 1
        wider = interval_ranks(n, quantile, 4.0)
        assert wider[0] < exact[0] and (wider[1] is None or wider[1] > exact[1])
    assert interval_ranks(500, 0.99, 20.0)[1] is None


def waiting(load: float, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Response times of an M/M/1 queue in its steady state (Lindley); the service rate is 1 / load, the arrival rate 1."""
    burn = 3000
    services, gaps = rng.exponential(load, n + burn), rng.exponential(1.0, n + burn)
    steps = np.concatenate([[0.0], np.cumsum(services[:-1] - gaps[1:])])
    return (steps - np.minimum.accumulate(steps) + services)[burn:]


def coverage(load: float, n: int, rounds: int, *, independent: bool) -> dict[str, float]:
    rng = np.random.default_rng(3)
    held = dict.fromkeys(timing.QUANTILES, 0)
    for _ in range(rounds):
        got = percentiles(waiting(load, n, rng), independent=independent)
        for name, quantile in timing.QUANTILES.items():
            true = -math.log(1 - quantile) / (1 / load - 1)  # the response time is exponential (Kleinrock 1975, 5.2)
            held[name] += got["low"][name] <= true <= got["high"].get(name, math.inf)
    return {name: count / rounds for name, count in held.items()}


def test_intervals_under_load_cover_where_independent_ones_do_not() -> None:
    honest, naive = coverage(0.7, 1000, 80, independent=False), coverage(0.7, 1000, 80, independent=True)
    assert min(honest.values()) >= 0.8
    assert max(naive.values()) <= 0.65


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "n", "least"), [(0.1, 600, 0.92), (0.5, 600, 0.88), (0.5, 3000, 0.9), (0.7, 3000, 0.88), (0.9, 3000, 0.8)]
)
def test_intervals_cover_over_loads(load: float, n: int, least: float) -> None:
    assert min(coverage(load, n, 400, independent=False).values()) >= least


def test_how_late_a_client_may_be_depends_on_what_the_step_is_for() -> None:
    plain = StepSpec("server", "poisson", rate=1.0, seconds=1.0)
    judged = replace(plain, bound_seconds=0.5)
    assert allowed_delay(plain, 0.004)[0] == pytest.approx(0.00004)
    assert allowed_delay(judged, 0.004)[0] == pytest.approx(0.0004)  # a tenth of the median, which is below 1% of the limit
    assert allowed_delay(judged, 0.2)[0] == pytest.approx(0.005)  # 1% of the limit
    assert allowed_delay(judged, 2.0)[0] == pytest.approx(0.02)  # never stricter than without a limit
    assert allowed_delay(StepSpec("single_stream", requests=1), 0.004)[0] == pytest.approx(0.0004)


def test_a_late_client_is_said_so_in_plain_words() -> None:
    late = step([good(number, late=0.004 if number % 50 == 0 else 1e-5) for number in range(1000)]).as_json()
    # Its lateness is in the times from the intended start, and not in those from dispatch.
    assert late["total_seconds"]["samples"][0] == pytest.approx(0.2)
    assert late["service_seconds"]["samples"][0] == pytest.approx(0.196)
    assert late["valid"] is False and late["dispatch_delay_p99_seconds"] == pytest.approx(0.004)
    assert late["invalid_because"] == [
        "The client was late: 1% of requests left 4 ms or more after their moment. "
        "Allowed is 1% of the median response of 200 ms, 2 ms."
    ]
    assert step([good(number, late=0.0019) for number in range(1000)]).valid


def test_short_responses_keep_the_rule_and_say_what_it_means() -> None:
    outcomes = [good(number, total=0.001, late=3e-5) for number in range(1000)]
    figures = step(outcomes, client=Client(timer_p50=2e-5)).as_json()
    assert (
        not figures["valid"] and "20 µs late at best, so responses this short cannot be measured" in figures["invalid_because"][0]
    )
    figures = step(outcomes, client=Client(timer_p50=8e-6)).as_json()
    assert "hardly more than the 8 µs" in figures["invalid_because"][0]
    assert "at best" not in step(outcomes, client=Client(timer_p50=1e-6)).as_json()["invalid_because"][0]


def test_a_client_that_falls_behind_is_said_so() -> None:
    behind = step([good(number, late=number * 0.002, total=50.0) for number in range(1000)]).as_json()
    assert [reason.split(":")[0] for reason in behind["invalid_because"]] == ["The client was late", "The client did not keep up"]
    assert behind["achieved_per_second"] == pytest.approx(1000 / (100 + 999 * 0.002))
    no_sockets = step([bad(number, "no_sockets") if number == 5 else good(number) for number in range(1000)])
    assert not no_sockets.valid and "sockets" in no_sockets.as_json()["invalid_because"][0]


def test_a_server_that_refuses_everything_is_no_fault_of_the_client() -> None:
    refused = [Outcome(number, number / 10, number / 10, None, number / 10 + 0.002, 429, "http_429") for number in range(100)]
    assert step(refused).valid


def test_closed_loops_are_judged_by_their_timers() -> None:
    spec = StepSpec("single_stream", seconds=100.0)
    outcomes = [good(number) for number in range(100)]
    assert step(outcomes, spec=spec, client=Client(1e-5, 0.01)).valid
    judged = step(outcomes, spec=spec, client=Client(1e-5, 0.03)).as_json()
    assert not judged["valid"] and "timers were 30 ms or more" in judged["invalid_because"][0]
    assert judged["rate_per_second"] is None and judged["achieved_per_second"] == pytest.approx(100 / 10.1)


def test_what_was_not_measured_is_none() -> None:
    whole = [Outcome(number, number / 10, number / 10, None, number / 10 + 0.2, 200, None, text="x") for number in range(100)]
    figures = step(whole, streams=False).as_json()
    assert (
        figures["first_token_seconds"]["n"]
        == figures["seconds_per_output_token"]["n"]
        == figures["between_tokens_seconds"]["n"]
        == 0
    )
    assert figures["tokens_in"] is None and figures["tokens_out"] is None and figures["total_seconds"]["p95"] is not None
    assert figures["dispatch_delay_p99_seconds"] == 0.0
    assert step([]).as_json()["dispatch_delay_p99_seconds"] is None
    assert any("no first token" in note for note in step(whole).notes())


def test_notes_say_what_a_reader_must_know() -> None:
    counted = good(1)
    counted.counted = True
    said = " ".join(step([counted, good(2), bad(3, "http_429")], prompts=2, client=Client(4e-6)).notes())
    assert "no token counts for 1 of 2" in said and "2 different inputs" in said and "4 µs" in said
    assert "1 failed: refused with HTTP 429 (why)." in said


def test_gaps_between_tokens_beyond_what_is_kept_are_in_the_histogram() -> None:
    outcomes = [good(number) for number in range(100)]
    exact = step(outcomes, gap_counts={25_000: 400}).as_json()["between_tokens_seconds"]
    assert exact["p50"] == pytest.approx(0.025) and exact["n"] == 400 and exact["low"]
    counts = {1000: 5_000, 2000: 4_000, 50_000: 1_000}
    binned = step(outcomes, gap_counts=counts).as_json()["between_tokens_seconds"]
    assert (binned["n"], binned["p50"], binned["p90"], binned["p95"]) == (10_000, 0.001, 0.002, 0.05)
    assert binned["low"] == {} and len(binned["samples"]) == 400
    assert step(outcomes, gap_counts=counts).histograms()["between_tokens"].get_total_count() == 10_000


def test_over_time_holds_every_request_of_a_short_step_in_order() -> None:
    outcomes = [bad(number) if number == 7 else good(number, total=0.1 + number / 1e3) for number in range(400)]
    kept = step(outcomes).as_json()["over_time"]
    assert [when for when, _ in kept] == [round(number / 10, 6) for number in range(400)]
    assert [total for _, total in kept] == [None if number == 7 else round(0.1 + number / 1e3, 6) for number in range(400)]
    assert step([]).as_json()["over_time"] == []
    read = LoadStep.model_validate(step(outcomes).as_json())
    assert read.over_time[7] == (0.7, None) and LoadStep.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize("n", [401, 799, 800, 4000, 4321])
def test_over_time_keeps_the_slowest_of_each_run_of_consecutive_requests(n: int) -> None:
    rng = np.random.default_rng(n)
    outcomes = [bad(i) if i in (n // 3, n // 3 + 1) else good(i, total=float(rng.exponential(0.05))) for i in range(n)]
    kept = over_time(outcomes)
    assert len(kept) == 400 and kept == over_time(outcomes)
    known = {round(one.intended, 6): place for place, one in enumerate(outcomes)}
    places = [known[when] for when, _ in kept if when is not None]
    assert places == sorted(set(places)) and places[0] < n / 400 and places[-1] >= n - math.ceil(n / 400)
    # Every request that is left out lies between two kept ones, and one of the two is at least as slow.
    slow = [math.inf if one.total is None else one.total for one in outcomes]
    for left, right in itertools.pairwise(places):
        assert max(slow[left : right + 1]) == max(slow[left], slow[right])
    assert sum(total is None for _, total in kept) in (1, 2)
    assert max(total for _, total in kept if total is not None) == pytest.approx(sorted(slow)[-3], abs=1e-6)


def test_a_stall_of_one_request_in_twenty_thousand_is_kept() -> None:
    outcomes = [good(number, total=5.0 if number == 12_345 else 0.02) for number in range(20_000)]
    assert [pair for pair in over_time(outcomes) if pair[1] == 5.0] == [[1234.5, 5.0]]


def test_over_time_of_merged_workers_counts_from_the_first_start() -> None:
    def worker(number: int, start: float) -> StepResult:
        spec = StepSpec("server", "constant", rate=10.0, seconds=100.0, worker=number, workers=2)
        mine = [good(i, total=3.0 if i == 501 else 0.2) for i in range(number, 1000, 2)]
        for one in mine:  # each worker's stamps count from its own start
            one.intended, one.ended = one.intended - start, (one.ended or 0.0) - start
        return StepResult(spec, "chat", True, 50.0 + start, 500, 100.0, tuple(mine))

    whole = over_time([good(i, total=3.0 if i == 501 else 0.2) for i in range(1000)])
    merged = merge([worker(0, 0.0), worker(1, 0.25)]).as_json()["over_time"]
    assert len(merged) == 400 and merged == [[pytest.approx(when), pytest.approx(total)] for when, total in whole]
    assert [50.1, 3.0] in merged


def test_histograms_are_of_whole_answers_to_three_digits() -> None:
    outcomes = [bad(number) if number < 10 else good(number, total=0.1 + number / 1e4) for number in range(1000)]
    found = step(outcomes).histograms()
    assert set(found) == {"total", "first_token", "service"} and found["total"].get_total_count() == 990
    assert found["total"].get_value_at_percentile(50) / 1e6 == pytest.approx(
        np.median([one.total for one in outcomes[10:]]), rel=1.1e-3
    )
