"""Time until something is reached, where some never reach it: Kaplan-Meier with censoring.

A run that was stopped before it reached the threshold is not a run with a long time, nor one to leave out: all that is known is that it took
longer than it was watched ("censored").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bakeoff.contract import Interval
from bakeoff.errors import BakeoffError
from bakeoff.measure.crossed import t_quantile
from bakeoff.measure.intervals import Z95

Floats: TypeAlias = NDArray[np.float64]
EDGE = 1e-9
"""Shares nearer than this to one half are one half: they are products of fractions, and rounding must not choose the median."""


class Median(NamedTuple):
    """Median time with a 95% interval; None where the data reach no such time (`high` None: no upper end can be given)."""

    mid: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Survival:
    """Kaplan-Meier's estimate: the share that has NOT reached it yet, after each time at which one did.

    Parameters
    ----------
    at : array of shape (k,)
        Distinct times at which the event happened, ascending; may be empty.
    share, low, high : arrays of shape (k,)
        S(t) from that time to the next, and its pointwise 95% interval. NaN where there is none (see `kaplan_meier`).
    at_risk, events : int arrays of shape (k,)
        How many were still watched and without the event just before, and how many had it then.
    n, reached : int
        All that were watched, and those that had the event.
    last : float
        The longest time that any was watched.
    """

    at: Floats
    share: Floats
    low: Floats
    high: Floats
    at_risk: NDArray[np.intp]
    events: NDArray[np.intp]
    n: int
    reached: int
    last: float

    def median(self) -> Median:
        """When half have had the event: the first time at which S is at most one half.

        Where S is exactly one half up to a next event, the middle of the two times, as for an ordinary median (Miller 1981). The interval holds the
        times at which S's interval contains one half (Brookmeyer & Crowley 1982).
        """
        below = np.flatnonzero(self.share <= 0.5 + EDGE)
        mid = None
        if len(below):
            first = int(below[0])
            flat = abs(self.share[first] - 0.5) <= EDGE and first + 1 < len(self.at)
            mid = float((self.at[first] + self.at[first + 1]) / 2) if flat else float(self.at[first])
        low, high = (self._first(ends) for ends in (self.low, self.high))
        return Median(mid, low, high, self.n)

    def _first(self, ends: Floats) -> float | None:
        with np.errstate(invalid="ignore"):
            found = np.flatnonzero(ends <= 0.5 + EDGE)
        return float(self.at[found[0]]) if len(found) else None

    def restricted_mean(self, until: float | None = None) -> Interval:
        """Mean time to the event, with what lies beyond `until` counted as `until`: the area under S up to there.

        Parameters
        ----------
        until : float or None
            Above 0 and at most `last`; None for `last`.

        Returns
        -------
        Interval
            95%: Student's t with n - 1 degrees of freedom and the variance ``sum of area(t_i, until)^2 d_i / (n_i (n_i - d_i))``, times m / (m - 1) for m events
            (Klein & Moeschberger 2003, section 4.5), kept within [0, `until`].

        Raises
        ------
        BakeoffError
            If `until` is out of range.
        """
        end = self.last if until is None else float(until)
        if not 0 < end <= self.last:
            raise BakeoffError(
                f"A restricted mean up to {end:g} needs runs watched that long.",
                fix=f"use a time above 0 and at most {self.last:g}",
            )
        inside = self.at < end
        edges = np.concatenate([[0.0], self.at[inside], [end]])
        heights = np.concatenate([[1.0], self.share[inside]])
        areas = heights * np.diff(edges)
        mean = float(areas.sum())
        after = np.cumsum(areas[::-1])[::-1][1:]
        risk, events = self.at_risk[inside].astype(float), self.events[inside].astype(float)
        left = risk > events
        variance = float(np.sum((after[left] ** 2) * events[left] / (risk[left] * (risk[left] - events[left]))))
        m = int(events.sum())
        if m > 1:
            variance *= m / (m - 1)
        half = float(t_quantile(max(self.n - 1, 1), 0.975)) * variance**0.5
        return Interval(mean, max(0.0, mean - half), min(end, mean + half), self.n)


def kaplan_meier(times: ArrayLike, reached: Sequence[bool] | ArrayLike) -> Survival:
    """Kaplan & Meier's (1958) product-limit estimate with log-log Greenwood intervals.

    Parameters
    ----------
    times : array of shape (n,)
        Time of the event, or until which a run was watched without it. At least 0, finite, any unit.
    reached : array of bool, shape (n,)
        Whether the event happened. One that is censored at the time of an event counts as still at risk then.

    Returns
    -------
    Survival
        The interval is symmetric for log(-log S) (Kalbfleisch & Prentice 2002; at least 10 runs for a fair coverage, see
        `docs/explanation/measuring-agents.md`). Where all have had the event (S = 0) that scale has no value: S is below ``1 - 0.025^(1/n)``, the exact bound of
        n of n, if none was censored, and NaN otherwise.

    Raises
    ------
    BakeoffError
        Without runs, for unequal lengths, or for times that are negative or not finite.
    """
    t, d = np.asarray(times, dtype=float).ravel(), np.asarray(reached, dtype=bool).ravel()
    if len(t) != len(d) or not len(t) or not np.isfinite(t).all() or (t < 0).any():
        raise BakeoffError(
            f"Survival needs one finite time of at least 0 for each run; got {len(t)} times and {len(d)} outcomes.",
            fix="give the time watched for runs that did not reach it",
        )
    n = len(t)
    at = np.unique(t[d])
    events = np.asarray([int((d & (t == one)).sum()) for one in at], dtype=np.intp)
    risk = np.asarray([int((t >= one).sum()) for one in at], dtype=np.intp)
    share: Floats = np.asarray(np.cumprod(1 - events / risk), dtype=np.float64)
    low, high = np.full(len(at), np.nan), np.full(len(at), np.nan)
    left = risk > events
    if left.any():
        greenwood = np.cumsum(events[left] / (risk[left] * (risk[left] - events[left])))
        logs = np.log(share[left])
        width = Z95 * np.sqrt(greenwood) / np.abs(logs)
        low[left], high[left] = np.exp(logs * np.exp(width)), np.exp(logs * np.exp(-width))
    if len(at) and not left[-1]:
        share[-1] = 0.0
        if d.all():
            low[-1], high[-1] = 0.0, 1 - 0.025 ** (1 / n)
            # A share of none cannot be surer to be small than a share of one in n was.
            if len(at) > 1:
                high[-1] = min(high[-1], high[-2])
    return Survival(at, share, low, high, risk, events, n, int(d.sum()), float(t.max()))
