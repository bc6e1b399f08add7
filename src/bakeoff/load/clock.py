"""Exact moments from an event loop, and quiet around it.

asyncio's selector on Linux rounds waits up to whole milliseconds, which makes every timer about half a millisecond late:
1% of a median of 50 ms, all of what a valid measurement allows. The selector here sleeps to microseconds (``select`` on the
epoll descriptor takes them), wakes a little early, and asks without waiting until the moment has come. That uses the
processor for the last 150 microseconds before each timer, at most one core, and gives timers that are a few microseconds
late on a quiet machine.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import select
import selectors
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

EARLY_SECONDS = 150e-6
"""How long before a timer the loop stops sleeping. A wake-up from sleep is 50 to 100 microseconds late on Linux."""

_MOST_IN_SELECT = 1024  # FD_SETSIZE


class ExactSelector(selectors.DefaultSelector):
    """The platform's selector, exact to microseconds. Files that become ready end the wait at once, as always."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Ready files, after at most `timeout` seconds."""
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        due = time.perf_counter() + timeout
        if timeout > EARLY_SECONDS:
            ready = self._sleep(timeout - EARLY_SECONDS)
            if ready:
                return ready
        while True:
            ready = super().select(0)
            if ready or time.perf_counter() >= due:
                return ready

    def _sleep(self, seconds: float) -> list[tuple[selectors.SelectorKey, int]]:
        own = self.fileno() if hasattr(self, "fileno") else _MOST_IN_SELECT
        if isinstance(self, getattr(selectors, "EpollSelector", ())) and own < _MOST_IN_SELECT:
            if select.select([own], [], [], seconds)[0]:
                return super().select(0)
            return []
        # Whole milliseconds, rounded down because the selector rounds up. kqueue takes nanoseconds and loses nothing.
        whole = math.floor(seconds * 1e3 - 1) / 1e3
        return super().select(whole) if whole > 0 else []


class ExactLoop(asyncio.SelectorEventLoop):
    """An event loop with exact timers, whose clock is ``time.perf_counter``: ``call_at`` takes its moments."""

    def __init__(self) -> None:
        super().__init__(ExactSelector())

    def time(self) -> float:
        """Now, by ``time.perf_counter``."""
        return time.perf_counter()


@contextmanager
def no_collection() -> Iterator[None]:
    """No garbage collection inside: a full one stops everything for tens of milliseconds.

    What exists before is set aside (``gc.freeze``), so that collections afterwards are short too. Memory grows by the cycles
    that are made meanwhile; the load generator makes next to none.
    """
    was_on = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()


@contextmanager
def at_once() -> Iterator[bool]:
    """Run this thread as soon as it has something to do, where the system lets us; gives whether it does.

    On a machine whose cores are busy an ordinary process waits milliseconds for its turn, which is what makes a client late.
    Linux lets a privileged process be first (the round-robin class, lowest priority, never for processes it starts). Not on
    a single core: there it would take the server's time to wait exactly. The old policy comes back afterwards.
    """
    before, changed = 0, False
    if sys.platform == "linux" and len(os.sched_getaffinity(0)) >= 2:
        with suppress(OSError):
            before = os.sched_getscheduler(0)
            if before == os.SCHED_OTHER:
                os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
                changed = True
    try:
        yield changed
    finally:
        if changed:
            with suppress(OSError):
                os.sched_setscheduler(0, before, os.sched_param(0))


class Ticks:
    """How late is this loop? A timer on an absolute schedule that notes how much after its moment it ran.

    It sees what a request that is due sees: a loop that is busy with other work, a process that is not being run. Ticks that
    fell into one long stop are each counted, as the requests due in it would have been.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, every_seconds: float = 0.01) -> None:
        self._loop, self._every = loop, every_seconds
        self._due = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self.late: list[float] = []

    def start(self) -> None:
        """Tick from now on."""
        self._due = self._loop.time() + self._every
        self._handle = self._loop.call_at(self._due, self._tick)

    def stop(self) -> None:
        """Tick no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _tick(self) -> None:
        now = self._loop.time()
        while self._due <= now:
            self.late.append(now - self._due)
            self._due += self._every
        self._handle = self._loop.call_at(self._due, self._tick)
