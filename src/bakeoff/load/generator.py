"""Sends the requests of one step and notes what becomes of each.

Everything that can be done before is: the schedule is drawn, request bytes are made, connections are open, objects that exist
are set aside from garbage collection. At its moment a request is one write to a socket. Nothing is retried, since a retry
would hide the failure and change the load.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from typing import Any

from bakeoff.errors import BakeoffError
from bakeoff.load.clock import ExactLoop, Ticks, at_once, no_collection
from bakeoff.load.http import Pool, origin_of
from bakeoff.load.result import Client, Outcome, Seen, StepResult, StepSpec, Watch
from bakeoff.load.schedule import arrivals
from bakeoff.load.targets import Target

WATCH_SECONDS = 0.5
MOST_GAPS_KEPT = 200_000
"""Gaps between tokens that a step keeps one by one; all are counted in its histogram."""

_LEAD_SECONDS = 0.02
_MOST_CONNECTIONS_AHEAD = 256


def run_step(target: Target, spec: StepSpec, *, watch: Watch | None = None) -> StepResult:
    """Run one step in an event loop of its own, in this thread, and return when every request has its outcome.

    Garbage collection is off meanwhile. The step ends at the latest `timeout_seconds` after its last request was sent. A
    KeyboardInterrupt goes through, with all connections closed.

    Parameters
    ----------
    target : Target
    spec : StepSpec
    watch : callable or None
        Called with `Seen` about twice a second; see `result.Watch` for what it must not do.

    Raises
    ------
    EndpointError
        If no connection to the server can be opened at all, before anything is sent.
    BakeoffError
        If called inside a running event loop, or the target's key is not in the environment.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise BakeoffError("A load step needs a thread without a running event loop.", fix="call it in a thread of its own")
    step = _Step(target, spec, watch)
    with no_collection(), at_once() as step.first_in_line:
        loop = ExactLoop()
        try:
            step.use(loop)
            running = loop.create_task(step.run())
            try:
                loop.run_until_complete(running)
            finally:
                running.cancel()
                loop.run_until_complete(asyncio.gather(running, return_exceptions=True))
                loop.run_until_complete(step.close())
                loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()
    return step.result()


class _Step:
    """The state of one step while it runs. Stamps are seconds from `zero` of its pool."""

    def __init__(self, target: Target, spec: StepSpec, watch: Watch | None) -> None:
        self._target, self._spec, self._watch = target, spec, watch
        self._requests: Sequence[bytes] = target.requests()
        self._offsets: list[float] = []
        if spec.scenario == "server":
            kind: Any = spec.arrivals
            self._offsets = arrivals(
                kind, spec.rate or 0.0, spec.seconds, spec.seed,
                requests=spec.requests, worker=spec.worker, workers=spec.workers,
            ).tolist()  # fmt: skip
        self._most = _share(spec.requests, spec.worker, spec.workers)
        self._outcomes: list[Outcome] = []
        self._warm: list[Outcome] = []
        self._recent: list[float] = []
        self._gaps: dict[int, int] = {}
        self._gaps_kept = 0
        self._completed = self._errors = 0
        self._warming = True
        self._sending = True
        self._stopped = False
        self._stopped_at = math.inf
        self._cpu = 0.0
        self.first_in_line = False
        self._pool: Pool
        self._ticks: Ticks
        self._loop: ExactLoop
        self._done: asyncio.Future[None]
        self._handles: list[asyncio.TimerHandle] = []

    def use(self, loop: ExactLoop) -> None:
        """Run in `loop`."""
        self._loop = loop
        self._pool = Pool(loop, origin_of(self._target.url), self._spec.timeout_seconds, self._on_done)
        self._ticks = Ticks(loop)
        loop.set_exception_handler(self.on_loop_error)

    async def run(self) -> None:
        """Open connections, warm up, send the schedule, and wait for the last outcome."""
        spec, pool = self._spec, self._pool
        pool.zero = self._loop.time()
        self._done = self._loop.create_future()
        await pool.open(self._connections())
        for number in range(spec.warmup):
            self._done = self._loop.create_future()
            # Inputs from before the first, so that the warm-up has not shown the server those that count.
            self._send(self._warm, spec.first - 1 - number, pool.now())
            await self._done
        self._start(spec.start_at)
        await self._done
        self._cpu = time.process_time() - self._cpu
        self._ticks.stop()

    async def close(self) -> None:
        """Let go of everything, whatever has happened."""
        for handle in self._handles:
            handle.cancel()
        self._ticks.stop()
        await self._pool.close()

    def result(self) -> StepResult:
        """The step as it was."""
        spec = self._spec
        window = spec.seconds
        full = spec.requests is not None and len(self._outcomes) >= len(range(spec.worker, spec.requests, spec.workers))
        if window is None or (full and spec.scenario == "server"):  # the schedule ended with its last request
            last = self._outcomes[-1].intended if self._outcomes else 0.0
            # The last request of a constant rate is followed by its gap like every other.
            window = last + 1 / spec.rate if spec.arrivals == "constant" and spec.rate else last
        late = sorted(self._ticks.late)
        return StepResult(
            spec=spec,
            protocol=self._target.protocol,
            streams=self._target.streams,
            start=self._pool.zero,
            planned=len(self._outcomes),
            window_seconds=min(window, self._stopped_at),
            outcomes=tuple(self._outcomes),
            warm=tuple(self._warm),
            gap_counts=self._gaps,
            client=Client(
                late[len(late) // 2] if late else None,
                late[math.ceil(0.99 * len(late)) - 1] if late else None,
                self._cpu,
                self.first_in_line,
            ),
            stopped=self._stopped,
            prompts=self._target.prompts,
        )

    def on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What no one caught is a bug here and ends the step, unless it is only a connection that broke twice."""
        error = context.get("exception")
        if error is not None and not isinstance(error, OSError) and not self._done.done():
            self._done.set_exception(error)

    def _connections(self) -> int:
        spec = self._spec
        if spec.connections is not None:
            return max(1, spec.connections)
        if spec.scenario == "offline":
            return min(spec.concurrency + 2, _MOST_CONNECTIONS_AHEAD)
        # Enough for answers of a tenth of a second; a server that takes longer gets more as they are needed.
        return min(math.ceil((spec.rate or 0.0) / spec.workers * 0.1) + 2, _MOST_CONNECTIONS_AHEAD)

    def _start(self, at: float | None) -> None:
        """Time 0 of the outcomes is now or a little later. Stamps of the warm-up are moved along (and are negative)."""
        pool, loop = self._pool, self._loop
        zero = at if at is not None else loop.time() + _LEAD_SECONDS
        moved = zero - pool.zero
        for one in self._warm:
            one.intended -= moved
            one.dispatched = None if one.dispatched is None else one.dispatched - moved
            one.first_token = None if one.first_token is None else one.first_token - moved
            one.ended = None if one.ended is None else one.ended - moved
        pool.move_zero(zero)
        self._warming = False
        self._done = loop.create_future()
        self._cpu = time.process_time()
        self._handles.append(loop.call_at(zero, self._begin))
        if self._watch is not None:
            self._handles.append(loop.call_at(zero + WATCH_SECONDS, self._look))

    def _begin(self) -> None:
        self._ticks.start()
        if self._spec.scenario == "server":
            self._send_due()
        else:
            for _ in range(self._spec.concurrency if self._spec.scenario == "offline" else 1):
                self._send_next()

    def _send_due(self) -> None:
        """Send every request whose moment has come, and wake up for the next."""
        pool, offsets, spec = self._pool, self._offsets, self._spec
        number = len(self._outcomes)
        while self._sending and number < len(offsets) and offsets[number] <= pool.now():
            self._send(self._outcomes, spec.first + spec.worker + number * spec.workers, offsets[number])
            number += 1
        if not self._sending or number == len(offsets):
            self._sending = False
            self._end_if_all_done()
        else:
            self._handles[0] = self._loop.call_at(pool.zero + offsets[number], self._send_due)

    def _send_next(self) -> None:
        """Closed loop: a request that leaves now, if there is to be another one."""
        pool, spec, number = self._pool, self._spec, len(self._outcomes)
        now = pool.now()
        if not self._sending or number >= self._most or (spec.seconds is not None and now >= spec.seconds):
            self._sending = False
            self._end_if_all_done()
            return
        self._send(self._outcomes, spec.first + spec.worker + number * spec.workers, now)

    def _send(self, kept: list[Outcome], index: int, intended: float) -> None:
        outcome = Outcome(index, intended)
        kept.append(outcome)
        self._pool.dispatch(self._requests[index % len(self._requests)], self._target.reader(outcome))

    def _on_done(self, outcome: Outcome) -> None:
        if self._warming:
            self._done.set_result(None)
            return
        if outcome.error is None:
            self._completed += 1
            if outcome.ended is not None:
                self._recent.append(outcome.ended - outcome.intended)
                if len(self._recent) > 128:
                    del self._recent[:64]
        else:
            self._errors += 1
        if outcome.gaps:
            self._count_gaps(outcome)
        if self._spec.scenario == "server":
            self._end_if_all_done()
        else:
            # Not from within the parser: the connection that has just been read is put back first.
            self._loop.call_soon(self._send_next)

    def _count_gaps(self, outcome: Outcome) -> None:
        counts = self._gaps
        for gap in outcome.gaps:
            micros = int(gap * 1e6)
            if micros > 2047:
                cut = micros.bit_length() - 11
                micros = micros >> cut << cut
            counts[micros] = counts.get(micros, 0) + 1
        self._gaps_kept += len(outcome.gaps)
        if self._gaps_kept > MOST_GAPS_KEPT:
            outcome.gaps = []

    def _end_if_all_done(self) -> None:
        if not self._sending and self._completed + self._errors == len(self._outcomes) and not self._done.done():
            self._done.set_result(None)

    def _look(self) -> None:
        pool, watch = self._pool, self._watch
        if watch is None or self._done.done():
            return
        now, sent = pool.now(), len(self._outcomes)
        ended = self._completed + self._errors
        recent = sorted(self._recent[-64:])
        seen = Seen(
            now, self._spec.seconds, sent, self._completed, self._errors, sent - ended,
            recent[len(recent) // 2] if recent else None,
        )  # fmt: skip
        if watch(seen) and self._sending:
            self._sending, self._stopped, self._stopped_at = False, True, now
            self._end_if_all_done()
        self._handles.append(self._loop.call_later(WATCH_SECONDS, self._look))


def _share(requests: int | None, worker: int, workers: int) -> float:
    """How many of `requests` this worker sends when it takes every `workers`-th."""
    return math.inf if requests is None else len(range(worker, requests, workers))
