"""Several client processes as one: the same schedule, merged without loss, and a death that cannot be overlooked."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from bakeoff.errors import BakeoffError, EndpointError
from bakeoff.load.result import Seen, StepResult, StepSpec
from bakeoff.load.schedule import arrivals
from bakeoff.load.workers import NO_WORKER, TargetSpec, Workers, _Process, run_step_in_workers
from load.scripted_server import Law, serving

AT_ONCE = Law(kind="constant", seconds=0.02, queues=0)
STEP = StepSpec("server", "poisson", rate=60.0, requests=90, seed=4, timeout_seconds=10.0)


def target(url: str) -> TargetSpec:
    return TargetSpec("chat", url, ["one", "two", "three"], model="scripted", max_tokens=4)


def counts(histogram: HdrHistogram) -> dict[int, int]:
    return {one.value_iterated_to: one.count_at_value_iterated_to for one in histogram.get_recorded_iterator()}


@pytest.fixture(scope="module")
def shared() -> StepResult:
    with serving(AT_ONCE) as url:
        return run_step_in_workers(target(url), STEP, 3)


def test_workers_send_exactly_the_schedule_of_one(shared: StepResult) -> None:
    due = arrivals("poisson", 60.0, None, 4, requests=90)
    assert shared.planned == len(shared.outcomes) == 90
    assert [one.index for one in shared.outcomes] == list(range(90))
    intended = np.array([one.intended for one in shared.outcomes])
    # From one start: the offset between the workers' clocks and the merged one is the same for all requests.
    assert np.ptp(intended - due) < 1e-6
    assert not any(one.error for one in shared.outcomes)
    assert shared.spec.workers == 1 and shared.spec.rate == 60.0


def test_what_workers_measure_merges_to_what_one_process_would_have_recorded(shared: StepResult) -> None:
    merged = shared.histograms()["total"]
    parts = HdrHistogram(1, 3_600_000_000, 3)
    for worker in range(3):
        alone = HdrHistogram(1, 3_600_000_000, 3)
        for one in shared.outcomes[worker::3]:
            assert one.total is not None
            alone.record_value(round(one.total * 1e6))
        parts.add(alone)
    assert counts(parts) == counts(merged) and merged.get_total_count() == 90
    figures = shared.as_json()
    ordered = sorted(one.total for one in shared.outcomes if one.total is not None)
    assert figures["requests"] == 90 and figures["errors"] == 0
    assert figures["total_seconds"]["p50"] == ordered[44]
    assert figures["tokens_out"] == 2 * 90


def test_a_worker_that_dies_makes_the_step_invalid_and_its_requests_failed() -> None:
    killed: list[int] = []

    def watch(seen: Seen) -> None:
        if not killed:
            killed.append(crew.pids[1])
            os.kill(crew.pids[1], signal.SIGKILL)

    spec = StepSpec("server", "constant", rate=40.0, requests=100, timeout_seconds=10.0)
    with serving(AT_ONCE) as url, Workers(target(url), 2) as crew:
        result = crew.run(spec, watch=watch)
        figures = result.as_json()
        assert killed and not result.valid and not figures["valid"]
        assert "client process 2 of 2 died (signal 9)" in figures["invalid_because"][0]
        assert figures["requests"] == result.planned == 100
        assert figures["errors"] == figures["error_kinds"][NO_WORKER] == 50
        assert [one.index for one in result.outcomes if one.error] == list(range(1, 100, 2))
        with pytest.raises(BakeoffError, match="Every client process died"):
            os.kill(crew.pids[0], signal.SIGKILL)
            crew.run(spec)


def test_offline_and_single_stream_are_shared_too() -> None:
    with serving(AT_ONCE) as url, Workers(target(url), 2) as crew:
        offline = crew.run(StepSpec("offline", requests=40, concurrency=5, timeout_seconds=10.0))
        assert len(offline.outcomes) == 40 and offline.spec.concurrency == 5
        single = crew.run(StepSpec("single_stream", requests=6, timeout_seconds=10.0))
        assert [one.index for one in single.outcomes] == list(range(6))
        begun = [one.dispatched for one in single.outcomes[1:]]
        ended = [one.ended for one in single.outcomes[:-1]]
        assert all(a >= b for a, b in zip(begun, ended, strict=True) if a is not None and b is not None)


def test_a_step_can_be_ended_early_and_the_next_one_runs_whole() -> None:
    seen: list[Seen] = []

    def watch(now: Seen) -> bool:
        seen.append(now)
        return now.completed > 0

    with serving(AT_ONCE) as url, Workers(target(url), 2) as crew:
        result = crew.run(StepSpec("server", "constant", rate=30.0, seconds=60.0, timeout_seconds=5.0), watch=watch)
        assert result.stopped and 0 < len(result.outcomes) < 900
        assert seen[-1].sent >= seen[-1].completed > 0
        again = crew.run(StepSpec("server", "constant", rate=40.0, requests=40, timeout_seconds=5.0))
        assert not again.stopped and len(again.outcomes) == 40


def test_a_server_that_is_not_there_is_an_error_of_the_endpoint() -> None:
    with pytest.raises(EndpointError):
        run_step_in_workers(target("http://127.0.0.1:9/v1"), STEP, 2)


def test_a_target_that_cannot_be_made_is_said_by_every_worker() -> None:
    with pytest.raises(BakeoffError):
        run_step_in_workers(TargetSpec("chat", "http://127.0.0.1:9/v1", [], model="m"), STEP, 1)


@pytest.mark.parametrize("count", [0, 65])
def test_the_number_of_workers_has_bounds(count: int) -> None:
    with pytest.raises(BakeoffError):
        Workers(target("http://127.0.0.1:9/v1"), count)


def test_a_key_is_never_in_what_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import asdict

    monkeypatch.setenv("TOY_KEY", "sk-secret")
    spec = TargetSpec("chat", "http://127.0.0.1:9/v1", ["a"], model="m", key_env="TOY_KEY")
    assert "sk-secret" not in repr(asdict(spec)) and "sk-secret" not in repr(spec)


def test_a_worker_that_was_ended_takes_no_more_orders_and_breaks_nothing() -> None:
    gone = _Process()
    gone.end()
    gone.send({"stop": 1})
    assert "ended" in gone.next(time.monotonic() + 5)
