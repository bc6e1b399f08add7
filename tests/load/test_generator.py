"""Scenarios, warm-up, workers, stopping, and what is handed on."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from typing import Any

import numpy as np
import pytest
from scripted_server import Law, serving

from bakeoff.errors import BakeoffError
from bakeoff.load.clock import ExactLoop, Ticks, at_once
from bakeoff.load.generator import run_step
from bakeoff.load.result import Outcome, Seen, StepResult, StepSpec, merge
from bakeoff.load.schedule import arrivals
from bakeoff.load.targets import AnswerTarget, ChatTarget

PROMPTS = [f"prompt {number}" for number in range(7)]


@pytest.fixture(scope="module")
def url() -> Any:
    with serving(Law("constant", 0.02, queues=0)) as base:
        yield base


def chat(url: str) -> ChatTarget:
    return ChatTarget(url, "m", PROMPTS)


def test_requests_leave_on_the_schedule_whatever_is_in_flight(url: str) -> None:
    got = run_step(chat(url), StepSpec("server", "poisson", rate=200, seconds=1.0, seed=2))
    due = arrivals("poisson", 200, 1.0, 2)
    np.testing.assert_allclose([one.intended for one in got.outcomes], due)
    assert all(one.dispatched is not None and one.dispatched >= one.intended for one in got.outcomes)
    assert [one.index for one in got.outcomes] == list(range(len(due)))
    figures = got.as_json()
    assert figures["completed"] == len(due) == figures["requests"] and figures["errors"] == 0
    assert figures["tokens_out"] == 2 * len(due) and figures["tokens_in"] == 5 * len(due)
    # Four requests are in flight on average: a client that waited would have sent fifty per second.
    starts = np.array([one.dispatched for one in got.outcomes], dtype=float)
    ends = np.array([one.ended for one in got.outcomes], dtype=float)
    assert (starts[1:] < ends[:-1]).mean() > 0.5


def test_a_schedule_ends_with_its_last_request(url: str) -> None:
    for arrival in ("poisson", "constant"):
        got = run_step(chat(url), StepSpec("server", arrival, rate=100, seconds=30.0, requests=25, seed=3))
        figures = got.as_json()
        assert figures["requests"] == 25 and got.window_seconds < 1.0
        assert 0.99 < figures["achieved_per_second"] * got.window_seconds / 25 < 1.01


def test_single_stream_sends_the_next_after_the_last(url: str) -> None:
    got = run_step(chat(url), StepSpec("single_stream", requests=20, warmup=3))
    assert len(got.outcomes) == 20 and len(got.warm) == 3
    for before, after in zip(got.outcomes, got.outcomes[1:], strict=False):
        assert before.ended is not None and after.dispatched is not None and after.dispatched >= before.ended
    figures = got.as_json()
    assert figures["rate_per_second"] is None and figures["requests"] == 20
    assert figures["total_seconds"]["p50"] >= 0.02 and figures["total_seconds"]["p90"] is None
    timed = run_step(chat(url), StepSpec("single_stream", seconds=0.3))
    assert all(one.intended < 0.3 for one in timed.outcomes) and 2 <= len(timed.outcomes) <= 15


def test_offline_keeps_as_many_in_flight_as_asked(url: str) -> None:
    got = run_step(AnswerTarget(url, ["a"]), StepSpec("offline", requests=60, concurrency=6))
    stamps = sorted([(one.dispatched, 1) for one in got.outcomes] + [(one.ended, -1) for one in got.outcomes])  # type: ignore[type-var]
    in_flight = np.cumsum([change for _, change in stamps])
    assert in_flight.max() == 6 and len(got.outcomes) == 60
    assert got.as_json()["completed_per_second"] > 60


def test_the_warm_up_is_apart_and_sends_other_prompts(url: str) -> None:
    got = run_step(chat(url), StepSpec("server", "constant", rate=50, requests=4, warmup=2, first=10))
    assert [one.index for one in got.warm] == [9, 8] and [one.index for one in got.outcomes] == [10, 11, 12, 13]
    assert all(one.ended is not None and one.ended < 0 and one.error is None for one in got.warm)
    assert got.as_json()["requests"] == 4 and sum(got.gap_counts.values()) == 4
    assert got.window_seconds == pytest.approx(4 / 50)


def test_workers_together_make_the_one_step(url: str) -> None:
    parts = [
        run_step(chat(url), StepSpec("server", "poisson", rate=100, seconds=0.5, seed=3, worker=worker, workers=2))
        for worker in (0, 1)
    ]
    alone = run_step(chat(url), StepSpec("server", "poisson", rate=100, seconds=0.5, seed=3))
    again = [StepResult.from_wire(json.loads(json.dumps(part.as_wire()))) for part in parts]
    assert again == parts
    # As if they had started together.
    together = merge([StepResult(**{**vars_of(part), "start": 0.0}) for part in again])
    assert [(one.index, one.intended) for one in together.outcomes] == [(one.index, one.intended) for one in alone.outcomes]
    assert together.as_json()["requests"] == len(alone.outcomes)
    counts = {name: one.get_total_count() for name, one in together.histograms().items()}
    assert counts == {"total": len(alone.outcomes), "first_token": len(alone.outcomes), "service": len(alone.outcomes),
                      "between_tokens": len(alone.outcomes)}  # fmt: skip
    both = parts[0].histograms()["total"]
    both.add(parts[1].histograms()["total"])
    assert both.get_value_at_percentile(90) == together.histograms()["total"].get_value_at_percentile(90)
    with pytest.raises(BakeoffError, match="same step"):
        merge([parts[0], run_step(chat(url), StepSpec("server", "constant", rate=100, requests=2))])
    with pytest.raises(BakeoffError, match="no results"):
        merge([])


def vars_of(result: StepResult) -> dict[str, Any]:
    return {name: getattr(result, name) for name in StepResult.__dataclass_fields__}


def test_merged_workers_keep_their_distance_in_time() -> None:
    one = StepResult(StepSpec("single_stream", requests=1), "chat", True, 10.0, 1, 1.0, (Outcome(0, 0.0, 0.1, 0.2, 0.3),))
    later = StepResult(StepSpec("single_stream", requests=1), "chat", True, 12.0, 1, 1.0, (Outcome(1, 0.0, None, None, 0.3),))
    got = merge([later, one])
    assert got.start == 10.0 and got.window_seconds == 3.0
    assert [(out.intended, out.dispatched, out.ended) for out in got.outcomes] == [(0.0, 0.1, 0.3), (2.0, None, 2.3)]


def test_workers_share_a_start(url: str) -> None:
    at = time.perf_counter() + 0.3
    got = run_step(chat(url), StepSpec("server", "constant", rate=50, requests=3, start_at=at))
    assert got.start == at and got.outcomes[0].dispatched is not None and 0 <= got.outcomes[0].dispatched < 0.25


def test_a_watcher_sees_and_can_stop(url: str) -> None:
    seen: list[Seen] = []

    def watch(now: Seen) -> bool:
        seen.append(now)
        return True

    got = run_step(chat(url), StepSpec("server", "constant", rate=40, seconds=30), watch=watch)
    assert got.stopped and 0.4 < got.window_seconds < 5
    assert len(got.outcomes) == got.planned == got.as_json()["completed"] < 300
    assert seen[0].sent > 0 and seen[0].of_seconds == 30 and seen[0].recent_seconds is not None
    assert got.as_json()["achieved_per_second"] == pytest.approx(40, rel=0.2)
    assert any("ended early" in note for note in got.notes())


def test_an_interrupt_goes_through_and_leaves_nothing_behind(url: str) -> None:
    def watch(_: Seen) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_step(chat(url), StepSpec("server", "constant", rate=40, seconds=30), watch=watch)
    assert gc.isenabled()
    gc.collect()  # a task or transport that was left would warn here, and warnings are errors


def test_a_bug_in_what_is_called_ends_the_step(url: str) -> None:
    def watch(_: Seen) -> None:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        run_step(chat(url), StepSpec("server", "constant", rate=40, seconds=30), watch=watch)


def test_a_step_needs_a_thread_without_a_loop(url: str) -> None:
    async def inside() -> None:
        run_step(chat(url), StepSpec("single_stream", requests=1))

    with pytest.raises(BakeoffError, match="running event loop"):
        asyncio.run(inside())


def test_an_empty_poisson_step_has_no_figures(url: str) -> None:
    got = run_step(chat(url), StepSpec("server", "poisson", rate=0.001, seconds=0.1)).as_json()
    assert (got["requests"], got["total_seconds"]["p50"], got["achieved_per_second"]) == (0, None, None)


@pytest.mark.parametrize(
    "given",
    [
        {"scenario": "party", "requests": 1},
        {"scenario": "server", "requests": 1},
        {"scenario": "server", "arrivals": "poisson", "requests": 1},
        {"scenario": "server", "arrivals": "poisson", "rate": -1.0, "requests": 1},
        {"scenario": "single_stream", "arrivals": "poisson", "requests": 1},
        {"scenario": "single_stream"},
        {"scenario": "single_stream", "seconds": 0.0},
        {"scenario": "single_stream", "requests": 0},
        {"scenario": "offline", "requests": 1, "concurrency": 0},
        {"scenario": "offline", "requests": 1, "worker": 1},
        {"scenario": "offline", "requests": 1, "timeout_seconds": 0.0},
        {"scenario": "offline", "requests": 1, "warmup": -1},
    ],
)
def test_a_step_that_cannot_be_is_refused_with_a_fix(given: Any) -> None:
    with pytest.raises(BakeoffError) as found:
        StepSpec(**given)
    assert found.value.fix


# The clock


def test_timers_never_come_early_and_files_end_a_wait_at_once() -> None:
    import socket

    loop = ExactLoop()
    early: list[float] = []

    async def wait() -> float:
        for step in range(40):
            due = loop.time() + 0.0003 * step
            done = loop.create_future()
            loop.call_at(due, done.set_result, None)
            await done
            early.append(loop.time() - due)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            loop.call_later(30, lambda: None)
            asker = asyncio.ensure_future(loop.sock_recv(ours, 1))
            await asyncio.sleep(0)
            began = loop.time()
            theirs.send(b"x")
            await asker
            return loop.time() - began

    took = loop.run_until_complete(wait())
    loop.close()
    assert min(early) >= 0
    assert took < 20  # not the 30 s of the timer


def test_timers_are_finer_than_a_millisecond() -> None:
    """The median of many, in one run, against asyncio's own loop: no figure of this machine is taken for granted."""

    def lateness(loop: asyncio.AbstractEventLoop) -> float:
        late: list[float] = []

        async def wait() -> None:
            for _ in range(150):
                due = loop.time() + 0.0021
                done = loop.create_future()
                loop.call_at(due, done.set_result, None)
                await done
                late.append(loop.time() - due)

        loop.run_until_complete(wait())
        loop.close()
        return sorted(late)[75]

    assert lateness(ExactLoop()) < lateness(asyncio.SelectorEventLoop()) / 3


def test_priority_is_given_back_and_not_handed_on() -> None:
    import os
    import subprocess
    import sys

    if sys.platform != "linux":
        return
    before = os.sched_getscheduler(0)
    with at_once() as changed:
        if changed:
            assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR
            child = [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"]
            assert int(subprocess.run(child, capture_output=True, text=True, check=True).stdout) == os.SCHED_OTHER
    assert os.sched_getscheduler(0) == before


def test_ticks_count_every_moment_of_a_stop() -> None:
    loop = ExactLoop()
    ticks = Ticks(loop, every_seconds=0.01)

    async def stop() -> None:
        ticks.start()
        await asyncio.sleep(0.05)
        time.sleep(0.2)
        await asyncio.sleep(0.02)
        ticks.stop()

    loop.run_until_complete(stop())
    loop.close()
    assert sum(late > 0.1 for late in ticks.late) >= 9
