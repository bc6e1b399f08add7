"""The figures of a step: percentiles with intervals, rates, and whether the client was fit to measure them.

A request that failed has no time, and leaving it out would make a failing server look fast. It counts as longer than any
other: a percentile that falls on one is None.

Intervals. Single-stream times are taken as independent, and their intervals are those of order statistics. Times under load
are not: neighbours wait in the same queue, and intervals that ignore it are far too narrow (for an M/M/1 queue at 90% load
they held the true percentile in 2% to 15% of simulated steps instead of 95%). So the number of requests is first divided by
the inflation of the variance that dependence brings to the share of requests beyond the percentile: one plus twice the sum of
its autocorrelations, over Geyer's initial positive sequence (1992). The percentile's rank interval is then that of so many
independent requests (Woodruff 1952; Korn and Graubard 1998), with Student's t for the few busy spells that the estimate rests
on. In simulated steps of 600 and 3,000 requests of an M/M/1 queue it held the true percentile in 92% to 97% of steps at 10%
and 50% load and in 77% to 95% at 90% load (the slow tests repeat it); a moving-block bootstrap did in 3% to 80% there. Where
so few independent requests allow no upper end, there is none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bakeoff.contract import Json
from bakeoff.load.judge import dependence
from bakeoff.load.result import ERROR_KINDS, Outcome, StepResult, StepSpec
from bakeoff.measure.timing import MOST_SAMPLES_KEPT, QUANTILES, samples_needed

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

Times = NDArray[np.float64]

MOST_DELAY = 0.01
"""Of the median response, or of the limit that a step is judged against: more dispatch delay at p99 makes a step invalid."""
STARVED = 0.1
"""Of the median response: a client later than this made the figures itself, whatever they are for."""
LEAST_RATE = 0.99
"""Of the schedule's rate: less makes a step invalid."""
LONGEST_MICROSECONDS = 3_600_000_000


def summarise(result: StepResult) -> dict[str, Json]:
    """The fields of `decide.record.LoadStep`, ``outcome`` not judged."""
    outcomes, spec = result.outcomes, result.spec
    alone = spec.scenario == "single_stream"
    elapsed = _elapsed(result)
    completed = sum(one.error is None for one in outcomes)
    delay = dispatch_delay(result)
    reasons = why_invalid(result, delay)
    return {
        "scenario": spec.scenario,
        "arrivals": spec.arrivals,
        "seed": spec.seed,
        "rate_per_second": spec.rate,
        "achieved_per_second": _achieved(result),
        "completed_per_second": completed / elapsed if elapsed > 0 else None,
        "seconds": elapsed,
        "requests": len(outcomes),
        "completed": completed,
        "errors": len(outcomes) - completed,
        "error_kinds": dict(Counter(one.error for one in outcomes if one.error).most_common()),
        "total_seconds": percentiles(totals(outcomes), independent=alone),
        "first_token_seconds": percentiles(first_tokens(result), independent=alone),
        "service_seconds": percentiles(services(outcomes), independent=alone),
        "seconds_per_output_token": percentiles(per_output_token(result), independent=alone),
        "between_tokens_seconds": _between(result),
        "over_time": over_time(result.outcomes),
        "dispatch_delay_p99_seconds": delay,
        "tokens_in": _sum(one.tokens_in for one in outcomes if one.error is None),
        "tokens_out": _sum(one.tokens_out for one in outcomes if one.error is None),
        "valid": not reasons,
        "invalid_because": reasons,
        "outcome": "not_judged",
    }


def totals(outcomes: Sequence[Outcome]) -> Times:
    """Seconds from intended start to the end of the answer, in order; infinite where the request failed."""
    return np.array([math.inf if one.total is None else one.total for one in outcomes], dtype=np.float64)


def over_time(outcomes: Sequence[Outcome], most: int = MOST_SAMPLES_KEPT) -> list[list[float | None]]:
    """Intended start and total of each request, in seconds to the microsecond, in order; the total is None where it failed.

    More than `most` requests are cut into `most` runs of consecutive ones, equal in length to within one, and the slowest of
    each run is kept, so that a stall is never thinned away. A failed request is slower than any other; of equals, the first.
    """
    times, n = totals(outcomes), len(outcomes)
    runs = min(n, most)
    edges = [run * n // runs for run in range(runs + 1)] if runs else [0]
    kept = [begin + int(np.argmax(times[begin:end])) for begin, end in pairwise(edges)]
    return [[round(outcomes[at].intended, 6), None if (total := outcomes[at].total) is None else round(total, 6)] for at in kept]


def services(outcomes: Sequence[Outcome]) -> Times:
    """Seconds from dispatch to the end of the answer, in order; infinite where the request failed."""
    return np.array([_span(one, one.dispatched, one.ended) for one in outcomes], dtype=np.float64)


def first_tokens(result: StepResult) -> Times:
    """Seconds from intended start to the first token; infinite where the request failed.

    Empty where answers are not streamed. An answer that came whole although a stream was asked for has no first token and is
    left out.
    """
    if not result.streams:
        return np.array([], dtype=np.float64)
    return np.array(
        [
            _span(one, one.intended, one.first_token)
            for one in result.outcomes
            if one.error is not None or one.first_token is not None
        ],
        dtype=np.float64,
    )


def per_output_token(result: StepResult) -> Times:
    """(total - first token) / (tokens - 1) of streamed answers with at least two tokens; infinite where the request failed."""
    if not result.streams:
        return np.array([], dtype=np.float64)
    return np.array(
        [
            _span(one, one.first_token, one.ended) / ((one.tokens_out or 0) - 1) if one.error is None else math.inf
            for one in result.outcomes
            if one.error is not None or (one.first_token is not None and (one.tokens_out or 0) >= 2)
        ],
        dtype=np.float64,
    )


def percentiles(times: Times, *, independent: bool) -> dict[str, Json]:
    """The fields of `decide.record.Percentiles`, of times in the order in which the requests were due.

    A percentile is an observed time (nearest rank). It is None with too few times (`measure.timing.samples_needed`), or where
    it falls on a failed request. `low` and `high` hold the ends of its 95% interval; an end that falls on a failed request, or
    that so few requests cannot give, is left out.

    Parameters
    ----------
    times : array of shape (n,)
        Seconds; infinite where the request failed.
    independent : bool
        Whether times are independent of one another; see the module.
    """
    n = len(times)
    values: dict[str, float | None] = dict.fromkeys(QUANTILES)
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    ordered = np.sort(times)
    for name, quantile in QUANTILES.items():
        if n < samples_needed(quantile):
            continue
        # The small subtraction keeps 0.9 * 10 from rounding up to rank 10.
        value = float(ordered[math.ceil(quantile * n - 1e-9) - 1])
        if not math.isfinite(value):
            continue
        values[name] = value
        first, last = interval_ranks(n, quantile, 1.0 if independent else _inflation(times, value, quantile))
        low[name] = float(ordered[first - 1])
        if last is not None and math.isfinite(ordered[last - 1]):
            high[name] = float(ordered[last - 1])
    there = ordered[np.isfinite(ordered)]
    kept = np.unique(np.linspace(0, max(len(there) - 1, 0), min(len(there), MOST_SAMPLES_KEPT)).round().astype(int))
    return {**values, "n": n, "low": low, "high": high, "samples": there[kept].tolist()}


def interval_ranks(n: int, quantile: float, inflation: float = 1.0) -> tuple[int, int | None]:
    """Ranks (from 1) between which the quantile of `n` times lies with 95% confidence; None where the upper one is beyond n.

    `n` times are taken to tell as much as ``n / inflation`` independent ones. With inflation 1 these are the exact ranks of
    `measure.timing.percentiles`; else the binomial distribution is continued by the incomplete beta function.
    """
    from scipy.special import betainc

    alone = n / inflation

    def at_most(over: float) -> float:
        if over < 0:
            return 0.0
        return 1.0 if over >= alone else float(betainc(alone - over, over + 1, 1 - quantile))

    if inflation <= 1.0:
        below = np.array([at_most(rank) for rank in _near(n, quantile)])
        ranks = np.array(_near(n, quantile))
        fits = ranks[below <= 0.025]
        first = int(fits[-1]) + 1 if len(fits) else 1
        last = int(ranks[np.argmax(below >= 0.975)]) + 1 if (below >= 0.975).any() else n + 1
        return max(1, min(first, n)), last if last <= n else None
    first = math.floor(_crossing(lambda rank: at_most(rank - 1) <= 0.025, 0.0, alone * quantile) * inflation)
    upper = _crossing(lambda rank: 1 - at_most(rank - 1) > 0.025, alone * quantile, alone + 1) * inflation
    last = math.ceil(upper)
    return max(1, first), last if last <= n else None


def dispatch_delay(result: StepResult) -> float | None:
    """How late the client was, in seconds at p99.

    On a schedule: of requests, from intended start to dispatch. In a closed loop a request has no moment at which it is due,
    and a busy client hides in the times that it measures; there it is the lateness of a timer that ticks 100 times a second.
    """
    if result.spec.scenario != "server":
        return result.client.timer_p99
    late = sorted(one.dispatched - one.intended for one in result.outcomes if one.dispatched is not None)
    return late[math.ceil(0.99 * len(late)) - 1] if late else None


def why_invalid(result: StepResult, delay: float | None) -> list[str]:
    """Why the client, not the server, may have made the figures; empty where nothing says so."""
    reasons = []
    ended = sorted(one.ended - one.intended for one in result.outcomes if one.error is None and one.ended is not None)
    if not ended:
        ended = sorted(one.ended - one.intended for one in result.outcomes if one.ended is not None)
    if delay is not None and ended:
        median = ended[(len(ended) - 1) // 2]
        most, rule = allowed_delay(result.spec, median)
        if delay > most:
            what = "1% of requests left" if result.spec.scenario == "server" else "1% of this client's timers were"
            reasons.append(
                f"The client was late: {what} {_shown(delay)} or more after their moment. Allowed is {rule}, {_shown(most)}."
                + _floor(result, most)
            )
    achieved, due = _achieved(result), _due(result)
    if achieved is not None and due is not None and achieved < LEAST_RATE * due:
        reasons.append(
            f"The client did not keep up: it sent {achieved:.4g} requests per second of the {due:.4g} that its schedule asked for."
        )
    starved = sum(one.error == "no_sockets" for one in result.outcomes)
    if starved:
        reasons.append(f"The client ran out of sockets or file descriptors for {starved:,} requests.")
    return reasons


def allowed_delay(spec: StepSpec, median: float) -> tuple[float, str]:
    """How late the client may be (p99, seconds) before a step is invalid, and the rule in words. `median` is of the response.

    On a schedule without a limit, 1% of the median response: every figure counts. A step that is judged against a limit may be
    late by 1% of that limit, as long as this is below a tenth of the median. In a closed loop no request is due at a moment; there only a client
    that is starved (a tenth of the median) makes the figures its own. What lateness there was is in the notes of the step.
    """
    strict = MOST_DELAY * median
    if spec.scenario != "server":
        return STARVED * median, f"a tenth of the median response of {_shown(median)}"
    if spec.bound_seconds is None:
        return strict, f"1% of the median response of {_shown(median)}"
    of_limit = min(MOST_DELAY * spec.bound_seconds, STARVED * median)
    if of_limit <= strict:
        return strict, f"1% of the median response of {_shown(median)}"
    return (
        of_limit,
        f"1% of the limit of {_shown(spec.bound_seconds)}, and at most a tenth of the median response of {_shown(median)}",
    )


def notes(result: StepResult) -> tuple[str, ...]:
    """What a reader must know about the figures, one sentence each."""
    said = []
    whole = [one for one in result.outcomes if one.error is None]
    counted = sum(one.counted for one in whole)
    if counted:
        said.append(
            f"The server reported no token counts for {counted:,} of {len(whole):,} answers: events with text were counted "
            "instead, and an event may hold more than one token."
        )
    if result.streams and any(one.first_token is None for one in whole):
        said.append("Some answers came whole although a stream was asked for: they have no first token.")
    if result.prompts and len(result.outcomes) > result.prompts:
        said.append(
            f"{len(result.outcomes):,} requests were made of {result.prompts:,} different inputs: a server that keeps what it has "
            "seen answers repeats faster."
        )
    if result.client.timer_p50 is not None:
        said.append(f"Timers of this client were {_shown(result.client.timer_p50)} late in the median: nothing finer was seen.")
    if result.client.first_in_line:
        said.append("The client ran before other processes of its machine (real-time priority).")
    if result.stopped:
        said.append("The step was ended early; its figures are of the part that ran.")
    for kind, count in Counter(one.error for one in result.outcomes if one.error).most_common():
        example = next((one.says for one in result.outcomes if one.error == kind and one.says), "")
        meaning = ERROR_KINDS.get(str(kind), f"refused with HTTP {str(kind)[5:]}" if str(kind).startswith("http_") else str(kind))
        said.append(f"{count:,} failed: {meaning}" + (f" ({example})." if example else "."))
    return tuple(said)


def histograms(result: StepResult) -> dict[str, HdrHistogram]:
    """Histograms of whole answers, in microseconds with 3 significant digits; see `StepResult.histograms`."""
    from bakeoff.errors import needs

    needs("hdrh", extra="serve", why="a histogram that merges")
    from hdrh.histogram import HdrHistogram

    def made(pairs: Iterable[tuple[int, int]]) -> HdrHistogram:
        one = HdrHistogram(1, LONGEST_MICROSECONDS, 3)
        for micros, count in pairs:
            one.record_value(min(micros, LONGEST_MICROSECONDS), count)
        return one

    measures = {
        "total": totals(result.outcomes),
        "first_token": first_tokens(result),
        "service": services(result.outcomes),
    }
    found = {
        name: made((round(value * 1e6), 1) for value in times[np.isfinite(times)].tolist())
        for name, times in measures.items()
        if np.isfinite(times).any()
    }
    if result.gap_counts:
        found["between_tokens"] = made(result.gap_counts.items())
    return found


def _between(result: StepResult) -> dict[str, Json]:
    """Percentiles of the gaps between tokens. Exact, with intervals, while all are kept; else within 0.1% and without."""
    many = sum(result.gap_counts.values())
    kept = np.array([gap for one in result.outcomes for gap in one.gaps], dtype=np.float64)
    if many <= len(kept):
        return percentiles(kept, independent=False)
    micros = np.array(sorted(result.gap_counts), dtype=np.float64)
    upto = np.cumsum([result.gap_counts[int(one)] for one in micros])
    values: dict[str, Json] = dict.fromkeys(QUANTILES)
    for name, quantile in QUANTILES.items():
        if many >= samples_needed(quantile):
            values[name] = float(micros[np.searchsorted(upto, math.ceil(quantile * many - 1e-9))]) / 1e6
    shares = np.linspace(1, many, MOST_SAMPLES_KEPT)
    samples = (micros[np.searchsorted(upto, shares.round())] / 1e6).tolist()
    return {**values, "n": many, "low": {}, "high": {}, "samples": samples}


def _inflation(times: Times, value: float, quantile: float) -> float:
    """By how much dependence inflates the variance of the share beyond `value`, with Student's t for what it rests on.

    Degrees of freedom: the independent requests in the smaller of the two parts that the percentile makes, twice.
    """
    from scipy.special import stdtrit

    n = len(times)
    inflation = dependence(times > value)
    if inflation > 1:
        freedom = max(1.0, 2 * n * min(quantile, 1 - quantile) / inflation)
        inflation *= (float(stdtrit(freedom, 0.975)) / float(stdtrit(1e9, 0.975))) ** 2
    return float(min(max(1.0, inflation), n))


def _near(n: int, quantile: float) -> range:
    """Numbers of times within 12 standard deviations of the quantile's place; beyond them the tails hold less than 1e-30."""
    spread = 12 * math.sqrt(n * quantile * (1 - quantile)) + 12
    return range(max(0, math.floor(n * quantile - spread)), min(n, math.ceil(n * quantile + spread)))


def _crossing(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Where a condition that holds at `low` and not at `high` stops holding."""
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return high


def _span(one: Outcome, start: float | None, end: float | None) -> float:
    return math.inf if one.error is not None or start is None or end is None else end - start


def _elapsed(result: StepResult) -> float:
    last = max((one.ended for one in result.outcomes if one.ended is not None), default=0.0)
    return max(last, result.window_seconds) if result.spec.scenario == "server" else last


def _due(result: StepResult) -> float | None:
    """Rate of the schedule as it was drawn: a Poisson schedule seldom has exactly the rate that was asked for."""
    if result.spec.scenario != "server" or result.window_seconds <= 0:
        return None
    return result.planned / result.window_seconds


def _achieved(result: StepResult) -> float | None:
    """Requests sent, over the time it took to send them: the schedule's, and by how much the last one was late."""
    sent = [one for one in result.outcomes if one.dispatched is not None]
    if result.spec.scenario != "server":
        elapsed = _elapsed(result)
        return len(sent) / elapsed if sent and elapsed > 0 else None
    if not sent or result.window_seconds <= 0:
        return None
    late = max(0.0, (sent[-1].dispatched or 0.0) - sent[-1].intended)
    return len(sent) / (result.window_seconds + late)


def _floor(result: StepResult, most: float) -> str:
    floor = result.client.timer_p50
    if floor is None or most >= 2 * floor:
        return ""
    return (
        f" Timers of this client are {_shown(floor)} late at best, so responses this short cannot be measured within the rule."
        if floor > most
        else f" That is hardly more than the {_shown(floor)} by which timers of this client are late at best."
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _shown(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"
