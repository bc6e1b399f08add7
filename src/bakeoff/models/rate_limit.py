"""How fast and how stubbornly a server is asked: a clock, a token bucket, a backoff and a circuit breaker.

Every wait goes through one `Clock`, so that tests turn hours of waiting into none, and every wait ends
at once when its `stop` event is set.
"""

from __future__ import annotations

import random
import threading
import time
from datetime import UTC
from email.utils import parsedate_to_datetime

from bakeoff.errors import BakeoffError, EndpointError


class Clock:
    """Real time. Replace it to test waits without waiting."""

    def monotonic(self) -> float:
        """Seconds that never go back; for distances in time."""
        return time.monotonic()

    def time(self) -> float:
        """Seconds since 1970 UTC; for dates that a server names."""
        return time.time()

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Wait, but no longer than until `stop` is set; True when it is."""
        return stop.wait(max(0.0, seconds))


class TokenBucket:
    """At most `per_minute` requests per minute, of which `burst` may start at once (GCRA, a leaky bucket as a meter).

    Parameters
    ----------
    per_minute : float above 0, or None
        None sets no limit; `hold` still works.
    burst : int, default=1
        Requests that may start together after a quiet time. 1 spaces them evenly.
    """

    def __init__(self, per_minute: float | None, *, burst: int = 1, clock: Clock | None = None) -> None:
        if per_minute is not None and not per_minute > 0:
            raise BakeoffError(f"requests_per_minute is {per_minute!r}; it must be above 0.", fix="leave it out for no limit")
        self._every = 60.0 / per_minute if per_minute else 0.0
        self._slack = (max(1, burst) - 1) * self._every
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._full_at = 0.0
        self._held_until = 0.0

    def acquire(self, stop: threading.Event) -> bool:
        """Wait for a place; False when `stop` was set first. Places are given out in the order of the calls."""
        with self._lock:
            now = self._clock.monotonic()
            start = max(now, self._full_at - self._slack, self._held_until)
            self._full_at = max(self._full_at, start) + self._every
        if start > now:
            return not self._clock.wait(start - now, stop)
        return not stop.is_set()

    def hold(self, seconds: float) -> None:
        """Give out no place for so long: the server asked for a pause, and it meant every caller."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock.monotonic() + seconds)


def backoff_seconds(attempt: int, *, seed: str, first: float = 0.5, longest: float = 30.0) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1): exponential, with full jitter.

    Uniform in ``[0, min(longest, first * 2 ** (attempt - 1))]``; full jitter spreads clients that failed
    together (Brooker, "Exponential Backoff and Jitter", 2015). The same `seed` and `attempt` give the
    same wait, whichever thread asks.
    """
    ceiling = min(longest, first * 2.0 ** min(attempt - 1, 60))
    return random.Random(f"{seed}:{attempt}").uniform(0.0, ceiling)


def retry_after_seconds(header: str | None, *, now: float, longest: float = 60.0) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, in [0, `longest`]; None where it cannot be read.

    Both forms of RFC 9110 section 10.2.3: a number of seconds, or a date, compared with `now` (seconds since 1970 UTC).
    """
    if not header or len(header) > 100:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
    if seconds != seconds:
        return None
    return min(max(seconds, 0.0), longest)


class Breaker:
    """A circuit breaker: stops asking a server that does not answer, and looks again later.

    *Closed*: everything goes through. `threshold` failures in a row with no success between them make it
    trip. *Open*: nothing goes through until `cooldown` seconds have passed. *Half-open*: one probe goes
    through; its success closes the breaker, its failure opens it again, for twice as long (at most `longest`).

    While it is open, a caller is refused at once when the server has never answered, or has been out
    for more than `patience` seconds. Otherwise the caller waits for the probe: a server that restarts
    in the middle of a run costs a pause and not the rest of the items.
    """

    def __init__(
        self,
        *,
        threshold: int = 5,
        cooldown: float = 5.0,
        longest: float = 60.0,
        patience: float = 60.0,
        clock: Clock | None = None,
    ) -> None:
        self._threshold, self._first, self._longest, self._patience = threshold, cooldown, longest, patience
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._failures = 0
        self._ever_answered = False
        self._cooldown = cooldown
        self._out_since: float | None = None
        self._probe_at = 0.0
        self._probing = False
        self._reason = ""

    @property
    def state(self) -> str:
        """``'closed'``, ``'open'`` or ``'half-open'``."""
        with self._lock:
            if self._out_since is None:
                return "closed"
            return "half-open" if self._probing or self._clock.monotonic() >= self._probe_at else "open"

    def admit(self, stop: threading.Event) -> bool:
        """Let one attempt through; True when it is the probe. Its end must be told to `success`, `failure` or `abandon`.

        Raises
        ------
        EndpointError
            When the attempt is refused; says why the breaker is open and when the next probe is due.
        """
        while not stop.is_set():
            with self._lock:
                if self._out_since is None:
                    return False
                now = self._clock.monotonic()
                if not self._probing and now >= self._probe_at:
                    self._probing = True
                    return True
                left = self._out_since + self._patience - now
                if not self._ever_answered or left <= 0:
                    due = max(0.0, self._probe_at - now)
                    raise EndpointError(
                        f"{self._failures} failures in a row, the last one: {self._reason}; next probe in {due:.0f} s"
                    )
                pause = min(0.1 if self._probing else self._probe_at - now, left)
            self._clock.wait(max(pause, 0.01), stop)
        return False

    def success(self) -> None:
        """An attempt was answered: the breaker closes."""
        with self._lock:
            self._failures, self._out_since, self._probing, self._cooldown = 0, None, False, self._first
            self._ever_answered = True

    def failure(self, reason: str, *, probe: bool, counts: bool = True) -> None:
        """An attempt failed. A failed probe opens the breaker again; others add up to the threshold where it `counts`."""
        with self._lock:
            now = self._clock.monotonic()
            if probe:
                self._probing, self._reason, self._failures = False, reason, self._failures + 1
                self._cooldown = min(self._cooldown * 2, self._longest)
                self._probe_at = now + self._cooldown
            elif counts:
                self._failures, self._reason = self._failures + 1, reason
                if self._out_since is None and self._failures >= self._threshold:
                    self._out_since, self._probe_at = now, now + self._cooldown

    def abandon(self, *, probe: bool) -> None:
        """An attempt that was let through was never made: another one may be the probe."""
        if probe:
            with self._lock:
                self._probing = False
