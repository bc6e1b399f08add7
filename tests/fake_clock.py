"""A clock on which every wait is over at once, and counted."""

from __future__ import annotations

import threading

from bakeoff.models.rate_limit import Clock


class FakeClock(Clock):
    """Starts at 0; `wait` moves it on. `waits` holds every wait in seconds."""

    def __init__(self, *, date: float = 1_700_000_000.0) -> None:
        self.now, self.date = 0.0, date
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.date + self.now

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        with self._lock:
            self.waits.append(seconds)
            self.now += max(0.0, seconds)
        return stop.is_set()
