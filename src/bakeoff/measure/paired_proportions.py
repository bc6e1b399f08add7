"""Right and wrong on the same items by two approaches: McNemar's test and Tango's interval.

Only the discordant items speak: those that one approach alone got right. Counts may be arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bakeoff.errors import BakeoffError
from bakeoff.measure.crossed import Floats


class Discordance(NamedTuple):
    """Items only a got right, items only b got right, and McNemar's two-sided p."""

    only_a: int
    only_b: int
    p: float


def mcnemar(only_a: int, only_b: int, *, mid_p: bool = False) -> Discordance:
    """McNemar's exact test: were the discordant items a fair coin's?

    Parameters
    ----------
    only_a, only_b : int, at least 0
        Items that only a, or only b, got right.
    mid_p : bool, default=False
        Count only half of the observed outcome's own probability. The exact test errs less often than it
        says (far less with few discordant items); mid-p comes close to what it says (Fagerland et al. 2013).

    Raises
    ------
    BakeoffError
        If a count is negative or not whole.
    """
    if min(only_a, only_b) < 0 or only_a != int(only_a) or only_b != int(only_b):
        raise BakeoffError(
            f"Counts of items must be whole and at least 0; got {only_a} and {only_b}.", fix="count the items again"
        )
    from scipy.special import bdtr

    total, fewer = int(only_a + only_b), int(min(only_a, only_b))
    if only_a == only_b:
        return Discordance(int(only_a), int(only_b), 1.0)
    p = 2 * float(bdtr(fewer, total, 0.5))
    if mid_p:
        p -= float(bdtr(fewer, total, 0.5) - (bdtr(fewer - 1, total, 0.5) if fewer else 0.0))
    return Discordance(int(only_a), int(only_b), min(1.0, p))


def tango_z(only_a: ArrayLike, only_b: ArrayLike, n: ArrayLike, delta: ArrayLike) -> Floats:
    """Tango's (1998) score statistic for ``P(a right) - P(b right) = delta``, from `n` paired items.

    Standard normal if that is so. At delta = 0 its square is McNemar's chi-squared without correction; at minus
    a margin it is a test of non-inferiority. The variance is the one that delta itself implies, so it stays
    honest with few or no discordant items. 0 where nothing speaks either way.
    """
    a, b, n, delta = (np.asarray(value, dtype=float) for value in (only_a, only_b, n, delta))
    linear = -a - b + (2 * n - a + b) * delta
    constant = -b * delta * (1 - delta)
    only_b_share = (np.sqrt(np.maximum(linear**2 - 8 * n * constant, 0.0)) - linear) / (4 * n)
    variance = n * (2 * only_b_share + delta * (1 - delta))
    gap = a - b - n * delta
    return np.where(
        variance > 1e-12,
        gap / np.sqrt(np.where(variance > 1e-12, variance, 1.0)),
        np.sign(gap) * np.where(abs(gap) > 1e-9, np.inf, 0),
    )


def tango_interval(only_a: ArrayLike, only_b: ArrayLike, n: ArrayLike, critical: ArrayLike) -> tuple[Floats, Floats]:
    """Interval of ``P(a right) - P(b right)``: all deltas whose `tango_z` is within +-`critical`."""
    a, b, n, critical = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in (only_a, only_b, n, critical)))
    mid = (a - b) / n
    ends = []
    for outer, sign in ((np.full_like(mid, -1.0), 1.0), (np.full_like(mid, 1.0), -1.0)):
        inside, outside = mid.copy(), outer
        for _ in range(50):
            half = (inside + outside) / 2
            accepted = sign * tango_z(a, b, n, half) <= critical
            inside, outside = np.where(accepted, half, inside), np.where(accepted, outside, half)
        ends.append(inside)
    return ends[0], ends[1]
