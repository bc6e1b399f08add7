"""Waiting, without waiting: the token bucket, backoff, Retry-After and the circuit breaker on a clock of their own."""

from __future__ import annotations

import threading
from email.utils import formatdate

import pytest

from bakeoff.errors import BakeoffError, EndpointError
from bakeoff.models.rate_limit import Breaker, Clock, TokenBucket, backoff_seconds, retry_after_seconds
from fake_clock import FakeClock

GO = threading.Event()


def test_a_bucket_spaces_requests_evenly() -> None:
    clock = FakeClock()
    bucket = TokenBucket(60, clock=clock)
    starts = []
    for _ in range(5):
        assert bucket.acquire(GO)
        starts.append(clock.now)
    assert starts == pytest.approx([0, 1, 2, 3, 4])


def test_a_bucket_lets_a_burst_through_and_refills() -> None:
    clock = FakeClock()
    bucket = TokenBucket(60, burst=3, clock=clock)
    starts = []
    for _ in range(5):
        bucket.acquire(GO)
        starts.append(clock.now)
    assert starts == pytest.approx([0, 0, 0, 1, 2])
    clock.now = 100
    for _ in range(3):
        bucket.acquire(GO)
    assert clock.now == 100


def test_threads_together_keep_the_rate() -> None:
    clock = FakeClock()
    bucket = TokenBucket(600, clock=clock)
    threads = [threading.Thread(target=lambda: [bucket.acquire(GO) for _ in range(25)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now >= 199 * 0.1 - 1e-6


def test_a_held_bucket_waits_for_everybody() -> None:
    clock = FakeClock()
    bucket = TokenBucket(None, clock=clock)
    assert bucket.acquire(GO)
    assert clock.now == 0
    bucket.hold(7)
    bucket.acquire(GO)
    assert clock.now == 7


def test_a_stopped_wait_ends_at_once_on_the_real_clock() -> None:
    stop = threading.Event()
    bucket = TokenBucket(0.001, clock=Clock())
    assert bucket.acquire(stop)
    threading.Timer(0.05, stop.set).start()
    assert not bucket.acquire(stop)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_that_is_none(rate: float) -> None:
    with pytest.raises(BakeoffError, match="requests_per_minute"):
        TokenBucket(rate)


def test_backoff_doubles_its_ceiling_and_repeats_itself() -> None:
    for attempt in range(1, 12):
        ceiling = min(30.0, 0.5 * 2 ** (attempt - 1))
        waits = [backoff_seconds(attempt, seed=f"s{n}") for n in range(400)]
        assert all(0 <= wait <= ceiling for wait in waits)
        assert max(waits) > 0.95 * ceiling
        assert sum(waits) / len(waits) == pytest.approx(ceiling / 2, rel=0.15)
    assert backoff_seconds(3, seed="a") == backoff_seconds(3, seed="a") != backoff_seconds(3, seed="b")
    assert backoff_seconds(10**9, seed="a") <= 30


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0", 0.0),
        ("2.5", 2.5),
        ("-4", 0.0),
        ("86400", 60.0),
        ("inf", 60.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("9" * 200, None),
        (formatdate(1_700_000_020, usegmt=True), 20.0),
        (formatdate(1_600_000_000, usegmt=True), 0.0),
        (formatdate(1_800_000_000, usegmt=True), 60.0),
        ("Fri, 99 Foo 2023 99:99:99 GMT", None),
    ],
)
def test_retry_after_in_both_forms(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, now=1_700_000_000.0) == seconds


def test_a_breaker_trips_refuses_probes_and_closes() -> None:
    clock = FakeClock()
    breaker = Breaker(threshold=3, cooldown=5, clock=clock)
    for _ in range(3):
        assert breaker.state == "closed"
        assert breaker.admit(GO) is False
        breaker.failure("refused", probe=False)
    assert breaker.state == "open"
    with pytest.raises(EndpointError, match="3 failures in a row, the last one: refused; next probe in 5 s"):
        breaker.admit(GO)
    clock.now = 5
    assert breaker.state == "half-open"
    assert breaker.admit(GO) is True
    with pytest.raises(EndpointError):
        breaker.admit(GO)  # one probe at a time
    breaker.failure("refused", probe=True)
    assert breaker.state == "open"
    clock.now = 14.9
    assert breaker.state == "open"  # twice as long
    clock.now = 15
    assert breaker.admit(GO) is True
    breaker.abandon(probe=True)
    assert breaker.admit(GO) is True
    breaker.success()
    assert breaker.state == "closed"
    assert breaker.admit(GO) is False


def test_success_between_failures_keeps_a_breaker_closed() -> None:
    breaker = Breaker(threshold=2, clock=FakeClock())
    for _ in range(10):
        breaker.failure("x", probe=False)
        breaker.failure("y", probe=False, counts=False)
        breaker.success()
    assert breaker.state == "closed"


def test_a_server_that_was_there_is_waited_for_but_not_for_ever() -> None:
    clock = FakeClock()
    breaker = Breaker(threshold=1, cooldown=5, patience=60, clock=clock)
    breaker.success()
    breaker.failure("restarting", probe=False)
    assert breaker.admit(GO) is True
    assert clock.now == pytest.approx(5)
    breaker.failure("restarting", probe=True)
    assert breaker.admit(GO) is True
    assert clock.now == pytest.approx(15)
    breaker.failure("restarting", probe=True)
    assert breaker.admit(GO) is True
    breaker.failure("restarting", probe=True)
    with pytest.raises(EndpointError, match="restarting"):
        breaker.admit(GO)
    assert 60 <= clock.now < 61
