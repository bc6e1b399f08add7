"""How fast is it, and when are there enough samples to say so?

A percentile is printed only from as many samples as would show, with 99% confidence, that the percentile is no higher
than the largest of them when none is over: the smallest n with q^n <= 0.01, so 7 for p50, 44 for p90, 90 for p95 and
459 for p99 (the rule of MLPerf's early stopping, Reddi et al. 2020, from the binomial distribution). With fewer the
percentile is None, never a guess, and a thing that was not measured is None, never 0.

Intervals come from order statistics and the binomial distribution (David and Nagaraja 2003, section 7.1): they hold for
any distribution of times, and suppose that the times are independent.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from bakeoff.contract import Answer, Interval, Item
from bakeoff.errors import BakeoffError

QUANTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}
MOST_SAMPLES_KEPT = 400
FEWEST_BATCHES, BATCHES_AIMED_AT, LARGEST_BATCH = 5, 10, 256


def samples_needed(quantile: float, over: int = 0, confidence: float = 0.99) -> int:
    """Samples needed to say with `confidence` that the quantile is within a bound that `over` of them exceed.

    The smallest n with P(Binomial(n, 1 - quantile) <= over) <= 1 - confidence.

    Parameters
    ----------
    quantile : float in (0, 1)
    over : int, default=0
        Samples above the bound; each one makes more samples necessary.
    confidence : float in (0, 1), default=0.99

    Raises
    ------
    BakeoffError
        If a parameter is out of its range.
    """
    if not (0 < quantile < 1 and 0 < confidence < 1 and over >= 0):
        raise BakeoffError(
            f"No sample size for quantile {quantile}, {over} over, confidence {confidence}.",
            fix="give shares in (0, 1) and over >= 0",
        )
    from scipy.special import bdtr

    low, high = over, over + 1
    while bdtr(over, high, 1 - quantile) > 1 - confidence:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if bdtr(over, middle, 1 - quantile) <= 1 - confidence else (middle, high)
    return high


@dataclass(frozen=True)
class Percentiles:
    """Percentiles of measured seconds. `low` and `high` hold 95% intervals of those that are not None, by name.

    `samples` are at most 400 of the times, evenly spaced in order of size, smallest and largest included.
    """

    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    n: int = 0
    low: dict[str, float] = field(default_factory=dict)
    high: dict[str, float] = field(default_factory=dict)
    samples: tuple[float, ...] = ()


def percentiles(seconds: Sequence[float]) -> Percentiles:
    """The percentiles that there are enough samples for, each an observed time (nearest rank) with its exact interval.

    Raises
    ------
    BakeoffError
        If a time is negative or not finite.
    """
    times = np.sort(np.asarray(seconds, dtype=np.float64))
    if not np.isfinite(times).all() or (times < 0).any():
        raise BakeoffError(
            "A measured time is negative or not finite.",
            fix="measure with a monotonic clock, and leave out what was not measured",
        )
    values: dict[str, float] = {}
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for name, quantile in QUANTILES.items():
        if len(times) >= samples_needed(quantile):
            first, last = _interval_ranks(len(times), quantile)
            # The small subtraction keeps 0.9 * 10 from rounding up to rank 10.
            values[name] = float(times[math.ceil(quantile * len(times) - 1e-9) - 1])
            low[name], high[name] = float(times[first - 1]), float(times[last - 1])
    kept = np.unique(np.linspace(0, len(times) - 1, min(len(times), MOST_SAMPLES_KEPT)).round().astype(int))
    return Percentiles(**values, n=len(times), low=low, high=high, samples=tuple(times[kept].tolist()))


def throughput(batch_items: Sequence[int], batch_seconds: Sequence[float]) -> Interval | None:
    """Items per second over batches, with a 95% interval across them.

    The ratio of all items to all seconds, its standard error linearised (Cochran 1977, section 6.4), Student t with
    batches - 1 degrees of freedom, on the log scale so that the interval stays above 0. `n` counts batches.

    Returns
    -------
    Interval or None
        None with fewer than two batches, or when no item was done: there is nothing to take an interval from.

    Raises
    ------
    BakeoffError
        If the lengths differ, or a batch has no positive time.
    """
    items, seconds = np.asarray(batch_items, dtype=np.float64), np.asarray(batch_seconds, dtype=np.float64)
    if items.shape != seconds.shape or (seconds <= 0).any() or not np.isfinite(seconds).all() or (items < 0).any():
        raise BakeoffError("Every batch needs an item count and a time above 0.", fix="give one positive time per batch")
    n = len(items)
    if n < 2 or items.sum() == 0:
        return None
    from scipy.special import stdtrit

    rate = items.sum() / seconds.sum()
    spread = math.sqrt(((items - rate * seconds) ** 2).sum() / (n - 1) / n) / items.mean()
    factor = math.exp(min(float(stdtrit(n - 1, 0.975)) * spread, 700.0))
    return Interval(float(rate), float(rate / factor), float(rate * factor), n)


@dataclass(frozen=True)
class SingleStream:
    """One item at a time: what each took and how it ended.

    `seconds` holds every timed item, failed ones too, except answers from a cache (`cached` counts those).
    `warmup_seconds` is None without a warm-up. Times to first token are the approach's own and may be fewer.
    """

    seconds: tuple[float, ...] = ()
    first_token_seconds: tuple[float, ...] = ()
    errors: int = 0
    abstained: int = 0
    cached: int = 0
    warmup_items: int = 0
    warmup_seconds: float | None = None

    @property
    def percentiles(self) -> Percentiles:
        """Percentiles of the service time; every one None where nothing was measured."""
        return percentiles(self.seconds)


def single_stream(
    answer_one: Callable[[Item], Answer],
    items: Sequence[Item],
    *,
    warmup: int,
    max_items: int,
    max_seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> SingleStream:
    """Answer items one at a time and time each with a monotonic clock: the service time, from dispatch to whole answer.

    No item is asked twice, because a second asking may be answered from a cache: the first `warmup` items (never more
    than half of all) warm up and are not timed, the rest are timed until `max_items` or `max_seconds`. At least one is
    timed if there is one. An answer whose ``details['cached']`` is true is counted and not timed.

    Parameters
    ----------
    answer_one : callable
        Item to Answer. What it raises is a bug in it and goes through.
    items : sequence of Item
    warmup, max_items : int
    max_seconds : float
        For the timed part. Checked before each item, never in the middle of one.
    clock : callable, default=time.perf_counter
        Seconds from any start, never going back.
    """
    warm = min(max(warmup, 0), len(items) // 2)
    started = clock()
    for item in items[:warm]:
        answer_one(item.asked())
    warmed = clock() - started if warm else None
    seconds: list[float] = []
    first_tokens: list[float] = []
    errors = abstained = cached = 0
    began = clock()
    for item in items[warm : warm + max_items]:
        before = clock()
        if before - began >= max_seconds and (seconds or cached):
            break
        answer = answer_one(item.asked())
        took = clock() - before
        errors += answer.error is not None
        abstained += answer.error is None and answer.abstained
        if answer.details.get("cached"):
            cached += 1
            continue
        seconds.append(took)
        if answer.first_token_seconds is not None:
            first_tokens.append(answer.first_token_seconds)
    return SingleStream(tuple(seconds), tuple(first_tokens), errors, abstained, cached, warm, warmed)


@dataclass(frozen=True)
class Offline:
    """Batches answered as fast as possible. `batch_items` counts answers that are no error; their time counts whole."""

    batch_items: tuple[int, ...] = ()
    batch_seconds: tuple[float, ...] = ()
    errors: int = 0
    warmup_items: int = 0
    warmup_seconds: float | None = None

    @property
    def throughput(self) -> Interval | None:
        """Items per second done without an error, or None where fewer than two batches were measured."""
        return throughput(self.batch_items, self.batch_seconds)


def offline(
    answer_many: Callable[[Sequence[Item]], Iterable[Answer]],
    items: Sequence[Item],
    *,
    max_seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Offline:
    """Answer items in batches until they or `max_seconds` are used up. No item is asked twice.

    The first item alone is a pilot: it warms up, is not counted, and sets the batch size, so that about ten batches fill
    the time and at least five come from the items (at most 256 in each). Two batches are measured even if they take
    longer than `max_seconds`, since one has no interval.

    Raises
    ------
    BakeoffError
        If `answer_many` does not give exactly one answer per item.
    """
    if not items:
        return Offline()
    started = clock()
    _answers(answer_many, items[:1])
    warmed = clock() - started
    rest = items[1:]
    by_time = int(max_seconds / BATCHES_AIMED_AT / warmed) if warmed > 0 else LARGEST_BATCH
    size = max(1, min(by_time, LARGEST_BATCH, math.ceil(len(rest) / FEWEST_BATCHES)))
    done: list[int] = []
    seconds: list[float] = []
    errors = 0
    began = clock()
    for start in range(0, len(rest), size):
        before = clock()
        if before - began >= max_seconds and len(done) >= 2:
            break
        answers = _answers(answer_many, rest[start : start + size])
        seconds.append(clock() - before)
        failed = sum(answer.error is not None for answer in answers)
        done.append(len(answers) - failed)
        errors += failed
    return Offline(tuple(done), tuple(seconds), errors, 1, warmed)


def _answers(answer_many: Callable[[Sequence[Item]], Iterable[Answer]], items: Sequence[Item]) -> list[Answer]:
    answers = list(answer_many([item.asked() for item in items]))
    if len(answers) != len(items):
        raise BakeoffError(
            f"{len(items)} items got {len(answers)} answers.", fix="`answer` must yield exactly one Answer per item, in order"
        )
    return answers


def _interval_ranks(n: int, quantile: float) -> tuple[int, int]:
    """Ranks (from 1) of the order statistics that hold the quantile between them in at least 95% of samples.

    The lower rank r is the largest with P(Bin(n, q) < r) <= 2.5%, the upper the smallest with P(Bin(n, q) >= r) <= 2.5%.
    """
    from scipy.special import bdtr

    below = bdtr(np.arange(n), n, quantile)
    first = max(1, int(np.searchsorted(below, 0.025, side="right")))
    last = int(np.searchsorted(below, 0.975, side="left")) + 1
    return first, min(last, n)
