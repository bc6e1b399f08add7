"""Are two approaches different, judged over their seeds? An exact permutation test, and the interval that it stands for.

If two approaches gave results like each other's, any split of all results into two groups of these sizes would have been as likely as the one that was seen.
The p-value is the share of splits that are at least as far apart (Fisher 1935; Pitman 1937). It assumes nothing of the results' shape: training
gives two-peaked, capped and tied returns, where a t-test's level is not known.

What it finds is that the results are not alike. Where their spread differs, that alone can bring a small p though both are as good (in simulation, up to one time in
five). So the interval is also held against the spread of each side, and two approaches count as told apart only where both the test and the
interval say so: see `Apart.told_apart`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bakeoff.contract import Interval
from bakeoff.errors import BakeoffError
from bakeoff.measure.crossed import t_quantile
from bakeoff.measure.over_runs import TRIM, interquartile_mean

Floats: TypeAlias = NDArray[np.float64]
Statistic: TypeAlias = Literal["iqm", "mean"]

MOST_SPLITS = 13_000
"""Up to so many splits all are looked at (8 against 8 are 12,870); beyond, `DRAWS` are drawn."""
DRAWS = 19_999
FOR_ENDS = 5_000
"""Of the drawn splits, those by which the ends of the interval are looked for: some 40 tests are made for it."""
TIE_BREAK = 1e-6
"""Weight of the means where interquartile means are compared: it orders equals and changes nothing else."""
ROUNDING = 1e-11
"""Relative to the greatest result: differences below come of the order of additions."""


@dataclass(frozen=True)
class Apart:
    """What the seeds say of a against b.

    Parameters
    ----------
    difference : Interval
        Of a's figure less b's, and the 95% interval; `n` is the smaller number of seeds.
    p : float
        Two-sided, in (0, 1]: of "a and b give results alike".
    exact : bool
        Every split was looked at.
    splits : int
        How many were.
    smallest_p : float
        What the test gives where every seed of a is above every seed of b: no data of this size can give less.
    """

    difference: Interval
    p: float
    exact: bool
    splits: int
    smallest_p: float

    def told_apart(self, p: float | None = None, *, alpha: float = 0.05) -> bool:
        """Whether `p` (adjusted over a family, or the test's own) is at most `alpha` and the interval leaves out 0."""
        known = self.p if p is None else p
        return known <= alpha and not self.difference.low <= 0 <= self.difference.high


def seeds_apart(a: ArrayLike, b: ArrayLike, *, statistic: Statistic = "iqm", level: float = 0.95) -> Apart:
    """Permutation test of a difference, and an interval of it.

    Parameters
    ----------
    a, b : arrays of shape (n_a,) and (n_b,)
        A result per seed, finite. One each gives p = 1 and no interval ends (infinite): two draws say nothing.
    statistic : 'iqm' or 'mean'
        What is compared: interquartile means (`bakeoff.measure.over_runs.interquartile_mean`) or means. Between splits that interquartile means cannot tell
        apart, since they do not see the outer runs, the means decide: otherwise 5 seeds against 5 could never give less than p = 0.016.
    level : float, default=0.95
        Of the interval.

    Returns
    -------
    Apart
        The interval is the hull of two: the shifts d for which the test does not reject "a is like b, moved by d" (exact where the two differ by a shift; so it
        holds 0 wherever p is above ``1 - level``), and Welch's t interval, for interquartile means with the variance of Yuen (1974), which allows for unequal spread. Where
        no data of this size could reject, its ends are infinite. How often it covers: `docs/explanation/measuring-agents.md`.

    Notes
    -----
    For at most `MOST_SPLITS` splits p is exact: the share of all splits, the seen one among them. Beyond, `DRAWS` splits are drawn from a fixed seed and the
    seen one is added (Phipson & Smyth 2010), so that p is never 0 and the test never too bold.

    Raises
    ------
    BakeoffError
        If a side has no seed, or a result is not finite.
    """
    x, y = np.asarray(a, dtype=float).ravel(), np.asarray(b, dtype=float).ravel()
    if not len(x) or not len(y) or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise BakeoffError(
            "Seeds are compared by a finite result of each, at least one a side.", fix="leave out seeds without a result"
        )
    if not 0 < level < 1 or statistic not in ("mean", "iqm"):
        raise BakeoffError(f"A level of {level} or a statistic {statistic!r} cannot be used.", fix="use 0.95 and 'mean' or 'iqm'")
    splits, exact = _splits(len(x), len(y))
    p = _p(x, y, 0.0, splits, exact, statistic)
    mid = _centre(x, statistic) - _centre(y, statistic)
    least = _smallest_p(len(x), len(y), statistic)
    low, high = -np.inf, np.inf
    if least <= 1 - level:
        low, high = _shifts(x, y, mid, splits, exact, statistic, 1 - level, p)
        half = _welch(x, y, statistic, level)
        low, high = min(low, mid - half), max(high, mid + half)
    return Apart(Interval(mid, low, high, min(len(x), len(y))), p, exact, len(splits[0]) + (not exact), least)


def _centre(values: Floats, statistic: Statistic) -> float:
    return float(values.mean()) if statistic == "mean" else float(interquartile_mean(values))


_Both: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]


@lru_cache(maxsize=16)
def _splits(m: int, n: int) -> tuple[_Both, bool]:
    """Places of the first group and of the second, in a sorted list of all; rows ascend, so that picked values are in order."""
    total = m + n
    if comb(total, m) <= MOST_SPLITS:
        first = np.asarray(list(combinations(range(total), m)), dtype=np.intp)
        exact = True
    else:
        keys = np.random.default_rng(20210813).random((DRAWS, total))
        first = np.sort(np.argsort(keys, axis=1)[:, :m], axis=1).astype(np.intp)
        exact = False
    mask = np.ones((len(first), total), dtype=bool)
    np.put_along_axis(mask, first, False, axis=1)
    second = np.nonzero(mask)[1].reshape(len(first), n).astype(np.intp)
    return (first, second), exact


def _p(x: Floats, y: Floats, shift: float, splits: _Both, exact: bool, statistic: Statistic) -> float:
    """Of the hypothesis that x is like y moved by `shift`."""
    moved = x - shift
    seen = moved.mean() - y.mean()
    pooled = np.sort(np.concatenate([moved, y]))
    first, second = splits
    sums = pooled[first].sum(1)
    gaps = sums / len(x) - (pooled.sum() - sums) / len(y)
    if statistic == "iqm":
        seen = _centre(moved, "iqm") - _centre(y, "iqm") + TIE_BREAK * seen
        gaps = _middle_of(pooled, first) - _middle_of(pooled, second) + TIE_BREAK * gaps
    # Splits that are equally far apart must count, whatever the order of additions made of them.
    far = int((np.abs(gaps) >= abs(seen) - ROUNDING * max(float(np.abs(pooled).max()), 1e-300)).sum())
    return min(1.0, far / len(first)) if exact else (far + 1) / (len(first) + 1)


def _middle_of(pooled: Floats, places: NDArray[np.intp]) -> Floats:
    n = places.shape[1]
    cut = int(TRIM * n)
    return np.asarray(pooled[places[:, cut : n - cut]].mean(1))


@lru_cache(maxsize=64)
def _smallest_p(m: int, n: int, statistic: Statistic) -> float:
    splits, exact = _splits(m, n)
    return _p(1e3 + np.linspace(0, 1, m), np.linspace(0, 1, n), 0.0, splits, exact, statistic)


def _shifts(
    x: Floats, y: Floats, mid: float, splits: _Both, exact: bool, statistic: Statistic, alpha: float, p: float
) -> tuple[float, float]:
    span = float(max(x.max(), y.max()) - min(x.min(), y.min()))
    if span == 0:
        return mid, mid

    some = splits if exact else (splits[0][:FOR_ENDS], splits[1][:FOR_ENDS])

    def kept(shift: float) -> bool:
        return _p(x, y, shift, some, exact, statistic) > alpha

    def end(way: float) -> float:
        inside, step = mid, span / 8
        outside = mid + way * step
        while kept(outside):
            inside, step = outside, step * 2
            if step > 64 * span:
                return way * float("inf")
            outside = mid + way * step
        for _ in range(17):
            middle = (inside + outside) / 2
            if kept(middle):
                inside = middle
            else:
                outside = middle
        return inside

    low, high = end(-1.0), end(1.0)
    # The ends are found to a millionth of the span; whether 0 is inside is settled by the test itself.
    return (min(low, 0.0), max(high, 0.0)) if p > alpha else (low, high)


def _welch(x: Floats, y: Floats, statistic: Statistic, level: float) -> float:
    """Half the length of Welch's interval; for interquartile means after Yuen, from values whose outer quarters are drawn in to the next ones."""
    if min(len(x), len(y)) < 2:
        return 0.0
    parts = []
    for values in (x, y):
        cut = int(TRIM * len(values)) if statistic == "iqm" else 0
        ordered = np.sort(values)
        drawn = np.clip(ordered, ordered[cut], ordered[len(values) - cut - 1])
        left = len(values) - 2 * cut
        parts.append((float(((drawn - drawn.mean()) ** 2).sum()) / (left * (left - 1)), left))
    total = sum(squared for squared, _ in parts)
    if total <= 0:
        return 0.0
    df = total**2 / sum(squared**2 / (left - 1) for squared, left in parts)
    return float(t_quantile(df, (1 + level) / 2)) * total**0.5
