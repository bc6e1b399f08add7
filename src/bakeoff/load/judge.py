"""Did a server keep its latency limit in a step of load?

"p95 latency <= 500 ms" says that at most 5% of requests may take longer. A request that failed did not keep the limit,
so it counts as over. With k of n over, the limit is *kept* when so few would be seen in at most 5% of steps of a server
that just breaks it (the early-stopping rule of MLPerf, Reddi et al. 2020, at 95% confidence: `samples_needed`), *broken*
when so many would be seen in at most 5% of steps of one that just keeps it, and otherwise *undecided*.

That rule supposes independent requests, and waiting requests are not: they are late in the same busy spell. So n and k
are first divided by the inflation of the variance that this brings, estimated from the step itself, as in intervals for
clustered surveys (Korn and Graubard 1998). With no such dependence it is MLPerf's rule exactly.

A queue that grows is judged apart: while it is short the limit may still be kept, and it will not be for long.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bakeoff.errors import BakeoffError

Outcome = Literal["kept", "broken", "undecided"]

CONFIDENCE = 0.95
BATCHES = 10
# The exact distribution of Mann-Kendall's S for ten values without ties: P(S >= 27) = 0.0083.
TREND_SCORE = 27
SHORT_OF = 0.05
_SECONDS = {"us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "msec": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0}


@dataclass(frozen=True)
class LatencyLimit:
    """At most a share `1 - quantile` of requests may take longer than `seconds`, from their intended start."""

    quantile: float
    seconds: float

    @property
    def name(self) -> str:
        """The percentile's name: 'p95', 'p99.9'."""
        return f"p{self.quantile * 100:.4g}"

    @property
    def text(self) -> str:
        """In words that `parse_limit` reads back: 'p95 latency <= 500 ms'."""
        return f"{self.name} latency <= {_shown(self.seconds)}"


def parse_limit(text: str) -> LatencyLimit:
    """Read 'p95 latency <= 500 ms': a percentile of 50 or more, and a time in us, ms or s.

    Raises
    ------
    BakeoffError
        For anything else, saying which part is not understood.
    """
    example = "'p95 latency <= 500 ms'"
    found = re.fullmatch(
        r"\s*(?:p\s*(\d{1,2}(?:\.\d+)?)(?:\s+latency)?|latency\s+p\s*(\d{1,2}(?:\.\d+)?)|(median)\s+latency)"
        r"\s*(<=|=<|<|≤|at most|below|under|less than|no more than)\s*(\d[\d,_]*(?:\.\d+)?|\.\d+)\s*([a-zµμ]*)\s*",
        text,
        re.IGNORECASE,
    )
    if not found:
        raise BakeoffError(f"The limit {text!r} is not understood.", fix=f"write a percentile and a time, like {example}")
    percent = 50.0 if found[3] else float(found[1] or found[2])
    unit = found[6].lower()
    if unit not in _SECONDS:
        raise BakeoffError(f"The limit {text!r} is in {found[6] or 'no unit'!r}; understood: us, ms, s.", fix=f"e.g. {example}")
    seconds = float(re.sub("[,_]", "", found[5])) * _SECONDS[unit]
    return checked(LatencyLimit(percent / 100, seconds), text)


def checked(limit: LatencyLimit, text: str = "") -> LatencyLimit:
    """The limit itself. Raises BakeoffError for a percentile outside [50, 99.99] or a time that no request can keep."""
    if not 0.5 <= limit.quantile <= 0.9999:
        raise BakeoffError(
            f"The limit {text or limit.text!r} is on {limit.name}; the percentile must be from p50 to p99.99.",
            fix="e.g. 'p95 latency <= 500 ms'",
        )
    if not (math.isfinite(limit.seconds) and limit.seconds > 0):
        raise BakeoffError(f"The limit {text or limit.text!r} has a time that nothing can keep.", fix="give a time above 0")
    return limit


def outcome(
    times: ArrayLike, bound: float, quantile: float, failed: int = 0, *, starts: Sequence[float] | None = None
) -> Outcome:
    """Whether at most a share `1 - quantile` of requests takes longer than `bound`, with 95% confidence.

    Parameters
    ----------
    times : array of shape (n,)
        Seconds from intended start to the end of the answer, in the order of the intended starts. NaN or infinity where the
        request failed.
    bound : float
        Seconds.
    quantile : float in (0, 1)
    failed : int, default=0
        Failed requests that are not in `times`. They count as over.
    starts : sequence of length n, or None
        Intended starts in seconds. With them a queue that grows without bound is broken too (`growing`).

    Raises
    ------
    BakeoffError
        If `bound`, `quantile` or `failed` is out of its range, or the lengths differ.
    """
    seconds = np.asarray(times, dtype=np.float64).ravel()
    if not (0 < quantile < 1 and bound > 0 and failed >= 0):
        raise BakeoffError(
            f"Nothing can be judged with quantile {quantile}, bound {bound} s and {failed} failed.",
            fix="give a share in (0, 1), a bound above 0 and a count",
        )
    late = ~(seconds <= bound)
    n, over = len(late) + failed, int(late.sum()) + failed
    if n == 0:
        return "undecided"
    if starts is not None and growing(starts, seconds):
        return "broken"
    inflation = dependence(late)
    n_alone, over_alone = n / inflation, over / inflation
    if _at_most(over_alone, n_alone, 1 - quantile) <= 1 - CONFIDENCE:
        return "kept"
    if 1 - _at_most(over_alone - 1, n_alone, 1 - quantile) <= 1 - CONFIDENCE:
        return "broken"
    return "undecided"


def growing(starts: Sequence[float], times: ArrayLike) -> bool:
    """Whether requests wait longer and longer: the server answers clearly fewer than are sent.

    While more requests come than are answered, the time of the one that starts at t grows as (sent / answered - 1) t (the
    fluid limit of an overloaded queue, Kleinrock 1976, section 2.7). So the slope of time on intended start tells by how
    much the server falls behind. It counts as growing when both hold: the medians of ten batches in order of start rise
    (Mann-Kendall, one-sided p <= 0.01), and their Theil-Sen slope says that at least 5% of what is sent is not
    answered in time. Medians, so that a single stall is no trend. Failed requests are left out here.

    Parameters
    ----------
    starts : sequence of length n
        Intended starts in seconds.
    times : array of shape (n,)
        Seconds from intended start; NaN or infinity where failed.

    Raises
    ------
    BakeoffError
        If the lengths differ.
    """
    begun, seconds = np.asarray(starts, dtype=np.float64), np.asarray(times, dtype=np.float64).ravel()
    if begun.shape != seconds.shape:
        raise BakeoffError(f"{len(begun)} starts do not fit {len(seconds)} times.", fix="give one start for each request")
    there = np.isfinite(seconds)
    if there.sum() < 3 * BATCHES:
        return False
    order = np.argsort(begun[there], kind="stable")
    at = np.array([np.median(part) for part in np.array_split(begun[there][order], BATCHES)])
    took = np.array([np.median(part) for part in np.array_split(seconds[there][order], BATCHES)])
    first, second = np.triu_indices(BATCHES, 1)
    apart = at[second] - at[first]
    rises = took[second] - took[first]
    if (apart <= 0).any() or np.sign(rises).sum() < TREND_SCORE:
        return False
    return float(np.median(rises / apart)) >= SHORT_OF / (1 - SHORT_OF)


def dependence(late: ArrayLike) -> float:
    """By how much dependence between neighbours inflates the variance of the share of late requests; at least 1.

    1 + 2 times the sum of the autocorrelations, summed while the sums of neighbouring pairs are positive (the initial
    positive sequence of Geyer 1992). 1 where all or none are late.

    Parameters
    ----------
    late : array of bool, shape (n,)
        In the order of the intended starts.
    """
    x = np.asarray(late, dtype=np.float64)
    n = len(x)
    centred = x - x.mean() if n else x
    if n < 4 or not centred.any():
        return 1.0
    spectrum = np.fft.rfft(centred, 1 << (2 * n - 1).bit_length())
    covariance = np.fft.irfft(np.abs(spectrum) ** 2)[:n]
    correlation: NDArray[np.float64] = covariance / covariance[0]
    pairs = correlation[: n - n % 2].reshape(-1, 2).sum(axis=1)
    stop = int(np.argmax(pairs <= 0)) if (pairs <= 0).any() else len(pairs)
    return float(min(max(1.0, 2 * pairs[:stop].sum() - 1), n))


def _at_most(over: float, n: float, share: float) -> float:
    """P(Binomial(n, share) <= over), continued to numbers that are not whole by the incomplete beta function."""
    from scipy.special import betainc

    if over < 0:
        return 0.0
    if over >= n:
        return 1.0
    return float(betainc(n - over, over + 1, 1 - share))


def _shown(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.6g} s"
    return f"{seconds * 1e3:.6g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.6g} us"
