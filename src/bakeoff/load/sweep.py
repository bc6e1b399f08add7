"""The highest rate at which a server keeps its latency limit, found with as few steps of load as may be.

Doubling or halving until one rate keeps the limit and a higher one does not, then the geometric middle of the two, until
they are within a tenth of each other. The last step asks the highest rate again, with other arrivals, and it stands only
if both steps together keep the limit: of several rates the luckiest looks best. The answer is a bracket, the highest
rate that kept the limit and the lowest that broke it. A rate in between that settled nothing is neither, and a step in
which the client was the bottleneck is repeated once, and never kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from bakeoff.errors import BakeoffError
from bakeoff.load.judge import CONFIDENCE, LatencyLimit, checked, outcome
from bakeoff.measure.timing import samples_needed

CLOSE = 1.1
FACTOR = 2.0
LONGEST = 4.0
SPELLS = 30.0


@dataclass(frozen=True)
class Observed:
    """What one step of load saw.

    Parameters
    ----------
    starts, times : sequences of float, shape (n,)
        Intended starts, and seconds from each to the end of its answer, in the order of the starts. NaN where it failed.
    valid : bool
        False where the client was the bottleneck: nothing can be said about the server then.
    because : tuple of str
        Why it is not valid.
    result : object
        Whatever else the caller wants to find again in `Tried`.
    """

    starts: Sequence[float]
    times: Sequence[float]
    valid: bool = True
    because: tuple[str, ...] = ()
    result: Any = None


@dataclass(frozen=True)
class Tried:
    """One step: the rate asked for, and what came of the limit. `n` counts requests, failed ones too."""

    rate: float
    outcome: Literal["kept", "broken", "undecided", "not_judged"]
    n: int
    observed: Observed


@dataclass(frozen=True)
class Sweep:
    """The rates tried, in order, and what they say together.

    Parameters
    ----------
    steps : tuple of Tried
    highest : float or None
        Highest rate (requests per second) that kept the limit; None where none did.
    broken_at : float or None
        Lowest rate that broke it; None where none did.
    n : int
        Requests of all steps at `highest`; 0 where there is none.
    says : str
        The result in a sentence or two.
    at_least : bool
        The limit was kept at the highest rate that was to be tried.
    """

    steps: tuple[Tried, ...] = ()
    highest: float | None = None
    broken_at: float | None = None
    n: int = 0
    says: str = ""
    at_least: bool = field(default=False)


def highest_rate(
    run_step: Callable[[float, int], Observed | None],
    *,
    quantile: float,
    bound_seconds: float,
    first_guess: float,
    most_steps: int,
    step_seconds: float,
    most_rate: float,
) -> Sweep:
    """Find the highest open-loop rate at which at most a share `1 - quantile` of requests takes longer than the bound.

    Parameters
    ----------
    run_step : callable
        ``run_step(rate, requests)`` sends that many requests at that rate (per second), on a schedule of its own, and tells
        what it saw; None ends the search. Steps should not share arrivals.
    quantile : float in [0.5, 0.9999]
    bound_seconds : float
        From the intended start.
    first_guess : float
        Requests per second of the first step; at most `most_rate` is used.
    most_steps : int
    step_seconds : float
        Usual length of a step; some take longer, at most four times as long (`requests_for`).
    most_rate : float
        No higher rate is tried.

    Raises
    ------
    BakeoffError
        If a parameter is out of its range.
    """
    limit = checked(LatencyLimit(quantile, bound_seconds))
    if not all(math.isfinite(value) and value > 0 for value in (first_guess, step_seconds, most_rate)) or most_steps < 1:
        raise BakeoffError(
            f"No rate can be looked for with first guess {first_guess:g}/s, steps of {step_seconds:g} s, at most {most_rate:g}/s "
            f"and {most_steps} steps.",
            fix="give numbers above 0",
        )
    steps: list[Tried] = []
    lowest = lowest_rate(limit, step_seconds)
    rate = min(max(first_guess, lowest), most_rate)
    while len(steps) < most_steps:
        observed = run_step(rate, requests_for(rate, limit, step_seconds))
        if observed is None:
            break
        steps.append(judged(rate, observed, limit))
        if steps[-1].outcome == "not_judged" and sum(step.rate == rate for step in steps) == 1:
            continue  # what kept the client busy may have passed
        low, high = _bracket(steps, limit)
        left = most_steps - len(steps)
        found = low >= most_rate or high <= low * CLOSE
        twice = sum(step.rate == low and step.outcome != "not_judged" for step in steps) > 1
        lower = any(step.outcome == "kept" and step.rate < low for step in steps)
        if found and (twice or not (left > 1 or lower)):
            break
        if found or (left == 1 and lower and not twice):
            rate = low  # once more, with other arrivals: one lucky step is no capacity
        elif high == math.inf:
            rate = min(low * FACTOR, most_rate)
        elif low == 0:
            if high <= lowest:
                break
            rate = max(high / FACTOR, lowest)
        else:
            rate = math.sqrt(low * high)
    return summed(steps, limit, most_rate=most_rate, lowest=lowest)


def lowest_rate(limit: LatencyLimit, step_seconds: float) -> float:
    """The lowest rate at which the longest step holds enough requests to settle anything."""
    return samples_needed(limit.quantile, 0, CONFIDENCE) / (step_seconds * LONGEST)


def requests_for(rate: float, limit: LatencyLimit, step_seconds: float) -> int:
    """Requests of one step at `rate`.

    As many as come in `step_seconds`; or in 30 times the limit's seconds, since a queue near the limit holds about that much
    work and must be seen to fill and drain; or as many as the percentile needs if one is over. Never longer than four
    times `step_seconds`.
    """
    wanted = max(rate * step_seconds, rate * SPELLS * limit.seconds, samples_needed(limit.quantile, 1))
    return max(1, math.ceil(min(wanted, rate * step_seconds * LONGEST)))


def judged(rate: float, observed: Observed, limit: LatencyLimit) -> Tried:
    """One step with what came of the limit in it. A step that is not valid is not judged."""
    if not observed.valid:
        return Tried(rate, "not_judged", len(observed.times), observed)
    came = outcome(observed.times, limit.seconds, limit.quantile, starts=observed.starts)
    return Tried(rate, came, len(observed.times), observed)


def summed(steps: Sequence[Tried], limit: LatencyLimit, *, most_rate: float, lowest: float) -> Sweep:
    """What steps that were already run say together; for a sweep that was stopped, too."""
    low, _ = _bracket(steps, limit)
    highest = low or None
    broken_at = min((step.rate for step in steps if step.outcome == "broken"), default=None)
    at_least = highest is not None and highest >= most_rate
    n = sum(step.n for step in steps if step.rate == highest and step.outcome != "not_judged")
    return Sweep(tuple(steps), highest, broken_at, n, _says(steps, limit, highest, broken_at, at_least, lowest), at_least)


def _bracket(steps: Sequence[Tried], limit: LatencyLimit) -> tuple[float, float]:
    """The highest rate that kept the limit below every rate that did not (0 where none), and the lowest that did not."""
    rates = sorted({step.rate for step in steps})
    low = 0.0
    for rate in rates:
        if not _keeps([step for step in steps if step.rate == rate], limit):
            return low, rate
        low = rate
    return low, math.inf


def _keeps(same: Sequence[Tried], limit: LatencyLimit) -> bool:
    """Whether the steps at one rate, taken together, kept the limit."""
    there = [step for step in same if step.outcome != "not_judged"]
    if not there or any(step.outcome == "broken" for step in there):
        return False
    together = np.concatenate([np.asarray(step.observed.times, dtype=np.float64) for step in there])
    return outcome(together, limit.seconds, limit.quantile) == "kept"


def _says(
    steps: Sequence[Tried], limit: LatencyLimit, highest: float | None, broken_at: float | None, at_least: bool, lowest: float
) -> str:
    above = [step for step in steps if highest is None or step.rate > highest]
    settled = {step.rate for step in above if step.outcome in ("kept", "broken")}
    bound = {step.rate for step in above if step.outcome == "not_judged"} - settled
    unsettled = {step.rate for step in above if step.outcome == "undecided"} - settled
    more = ""
    if bound:
        more += f" At {_rates(bound)} this client could not keep up, which says nothing about the server."
    if unsettled:
        more += f" At {_rates(unsettled)} too few requests were sent to settle it; longer steps would."
    if not steps:
        return "No rate was tried."
    if highest is None and min(step.rate for step in steps) <= lowest:
        more += f" Rates below {per_second(lowest)} cannot be settled in steps of this length; give longer steps."
    if highest is None and broken_at is None:
        return f"Whether any rate keeps {limit.text} is not settled." + more
    if highest is None:
        return f"No rate was shown to keep {limit.text}; {per_second(broken_at or 0.0)} breaks it." + more
    if at_least:
        return (
            f"It keeps {limit.text} at {per_second(highest)}, the highest rate that was to be tried, so it can do at least that."
        )
    end = f"; {per_second(broken_at)} breaks it." if broken_at is not None else "; no rate was seen to break it."
    return f"The highest rate that keeps {limit.text} is {per_second(highest)}{end}" + more


def _rates(rates: Iterable[float]) -> str:
    shown = [per_second(rate).removesuffix(" requests per second") for rate in sorted(rates)[:3]]
    return " and ".join(shown) + " requests per second"


def per_second(rate: float) -> str:
    """A rate in words, with three significant figures: '12.5 requests per second', '1,240 requests per second'."""
    if rate >= 999.5:
        return f"{round(rate, 2 - math.floor(math.log10(rate))):,.0f} requests per second"
    return f"{rate:.3g} requests per second"
