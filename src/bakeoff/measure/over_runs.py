"""Few runs, each a draw: the interquartile mean, its bootstrap, performance profiles and the probability of improvement.

After Agarwal et al. (2021), "Deep reinforcement learning at the edge of the statistical precipice" (arXiv 2108.13264). Runs (seeds) are the units.
They come in strata, the environments: a list with one array of runs for each, of any lengths of their own. One environment is a list of one.

Two things differ from the paper, because its percentile intervals cover too little for ten runs and say "100% to 100%" for ten equal ones
(``benchmarks/control_aa.py`` prints both): bootstrap percentiles are expanded (Hesterberg 2015), and shares and probabilities get score intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bakeoff.contract import Interval
from bakeoff.errors import BakeoffError
from bakeoff.measure.crossed import score_interval, t_quantile
from bakeoff.measure.intervals import Z95

Floats: TypeAlias = NDArray[np.float64]

RESAMPLES = 2000
TRIM = 0.25


def interquartile_mean(values: ArrayLike, *, axis: int = -1) -> Any:
    """Mean of the middle half: a quarter of the values, rounded down, is cut off at each end.

    The convention of ``scipy.stats.trim_mean`` and of the paper's own code. Of 5 values the middle 3 are left, of 10 the middle 6; of fewer than 4
    none is cut. It does not see what the cut runs did: 2 failures in 10 leave it as it is, so the number of runs that solved stands beside it.

    Parameters
    ----------
    values : array
        At least one along `axis`, finite.

    Returns
    -------
    float, or array without `axis`

    Raises
    ------
    BakeoffError
        If there is none, or one is not finite.
    """
    x = np.asarray(values, dtype=float)
    if x.ndim == 0 or x.shape[axis] == 0 or not np.isfinite(x).all():
        raise BakeoffError("An interquartile mean needs finite values, at least one.", fix="leave out runs without a result")
    found = _middle(np.sort(np.moveaxis(x, axis, -1), axis=-1))
    return float(found) if found.ndim == 0 else found


def _middle(ordered: Floats) -> Floats:
    """Mean of the middle half along the last axis, of values that are in order."""
    n = ordered.shape[-1]
    cut = int(TRIM * n)
    return np.asarray(ordered[..., cut : n - cut].mean(-1))


def strata_of(runs: Sequence[ArrayLike], name: str = "runs") -> list[Floats]:
    """Runs by stratum, checked: each a finite array of shape (n_runs, ...), n_runs at least 1.

    Raises
    ------
    BakeoffError
        If there is no stratum, an empty one, or a value that is not finite.
    """
    strata = [np.asarray(each, dtype=float) for each in runs]
    if not strata or any(each.ndim == 0 or 0 in each.shape or not np.isfinite(each).all() for each in strata):
        raise BakeoffError(
            f"{name}: needs finite results of at least one run in every stratum.",
            fix="leave out runs and strata without a result",
        )
    return strata


def expanded(n: float, level: float = 0.95) -> float:
    """Tail of the bootstrap percentile that stands for the tail of a `level` interval of `n` values: ``Phi(-sqrt(n / (n - 1)) t)``.

    Percentiles of a bootstrap take a sample's spread for that of where it came from, and the normal for Student's t; both make them too narrow
    (Hesterberg 2015, "What teachers should know about the bootstrap", section 5.3). `n` is at least 2 (below, nothing is known: 0 is returned).
    """
    from scipy.special import ndtr

    if n < 2:
        return 0.0
    return float(ndtr(-((n / (n - 1)) ** 0.5) * float(t_quantile(n - 1, (1 + level) / 2))))


def iqm_interval(
    runs: Sequence[ArrayLike],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    percentiles: Literal["expanded", "plain"] = "expanded",
) -> Interval:
    """Interquartile mean over all runs of all strata, with a 95% interval by stratified bootstrap: runs are drawn anew within each stratum.

    Parameters
    ----------
    runs : sequence of arrays of shape (n_runs,)
        A score per run, one array for each environment, on one scale.
    seed : int, default=0
        Of the resampling. The same seed gives the same interval.
    resamples : int, default=2000
    percentiles : 'expanded' or 'plain'
        "plain" is the paper's interval. With 10 runs it covers less than it says; see `docs/explanation/measuring-agents.md` for how often.

    Returns
    -------
    Interval
        `n` counts runs over all strata.

    Raises
    ------
    BakeoffError
        See `strata_of`; also where a stratum has fewer than two runs, which have no spread.
    """
    strata = strata_of(runs)
    if min(len(each) for each in strata) < 2:
        raise BakeoffError("One run has no spread to make an interval from.", fix="train from at least two seeds")
    rng = np.random.default_rng(seed)
    drawn = np.concatenate([each[rng.integers(0, len(each), (resamples, len(each)))] for each in strata], axis=1)
    together = np.concatenate(strata)
    mid = interquartile_mean(together)
    tail = 0.025 if percentiles == "plain" else expanded(min(len(each) for each in strata))
    low, high = np.quantile(_middle(np.sort(drawn, axis=1)), [tail, 1 - tail])
    return Interval(mid, min(float(low), mid), max(float(high), mid), len(together))


def iqm_band(
    values: ArrayLike, *, seed: int = 0, resamples: int = 1000, percentiles: Literal["expanded", "plain"] = "expanded"
) -> tuple[Floats, Floats, Floats]:
    """Interquartile mean over runs at each point of a curve, with a pointwise 95% band: whole curves are drawn anew.

    Parameters
    ----------
    values : array of shape (n_runs, n_points)

    Returns
    -------
    (mid, low, high)
        Each of shape (n_points,). With one run the band is as wide as nothing: NaN.

    Raises
    ------
    BakeoffError
        See `strata_of`.
    """
    table = strata_of([values])[0]
    mid = np.asarray(interquartile_mean(table, axis=0))
    n = len(table)
    if n < 2:
        return mid, np.full_like(mid, np.nan), np.full_like(mid, np.nan)
    order = np.random.default_rng(seed).integers(0, n, (resamples, n))
    drawn = _middle(np.sort(table.T[:, order], axis=-1))
    tail = 0.025 if percentiles == "plain" else expanded(n)
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=1)
    return mid, np.minimum(low, mid), np.maximum(high, mid)


def performance_profile(runs: Sequence[ArrayLike], taus: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Share of runs x episodes with a score above tau, for each tau; strata count alike.

    Parameters
    ----------
    runs : sequence of arrays of shape (n_runs, n_episodes), or (n_runs,)
        Scores by stratum. NaN where an episode has none; every run has at least one.
    taus : array of shape (n_taus,)

    Returns
    -------
    (share, low, high)
        Each of shape (n_taus,). The 95% band is pointwise and over runs: a score interval whose number of trials is what the spread between
        the runs' own shares says (`bakeoff.measure.crossed.score_interval`), and the number of runs where they all have the same share.
        NaN below two runs a stratum.

    Raises
    ------
    BakeoffError
        If there is no stratum, or a run without a score.
    """
    at = np.asarray(taus, dtype=float)
    shares, variances, count, least_df = [], [], 0, np.inf
    for each in runs:
        table = np.asarray(each, dtype=float)
        table = table[:, None] if table.ndim == 1 else table
        if table.ndim != 2 or 0 in table.shape or np.isnan(table).all(1).any():
            raise BakeoffError(
                "A performance profile needs at least one score for every run.", fix="leave out runs without a result"
            )
        seen = ~np.isnan(table)
        own = ((table[None] > at[:, None, None]) & seen[None]).sum(2) / seen.sum(1)[None]
        shares.append(own.mean(1))
        n = own.shape[1]
        variances.append(own.var(1, ddof=1) / n if n > 1 else np.full(len(at), np.nan))
        count, least_df = count + n, min(least_df, n - 1)
    if not shares:
        raise BakeoffError("A performance profile needs at least one score for every run.", fix="leave out runs without a result")
    share = np.clip(np.mean(shares, axis=0), 0.0, 1.0)
    variance = np.sum(variances, axis=0) / len(shares) ** 2
    if np.isnan(variance).any():
        return share, np.full_like(share, np.nan), np.full_like(share, np.nan)
    # Runs of one share all succeed or fail together at most: then there are as many trials as runs.
    low, high = score_interval(share, variance, t_quantile(least_df, 0.975), least=count, most=np.inf)
    wide_low, wide_high = score_interval(share, share * (1 - share) / count, Z95, least=count, most=count)
    rounded = variance <= 0
    return share, np.where(rounded, wide_low, low), np.where(rounded, wide_high, high)


def probability_of_improvement(a: Sequence[ArrayLike], b: Sequence[ArrayLike]) -> Interval:
    """P(a run of `a` scores above a run of `b`), ties half, averaged over strata; with a 95% interval.

    Parameters
    ----------
    a, b : sequence of arrays of shape (n_runs,)
        Scores by stratum, the same strata in the same order; numbers of runs may differ.

    Returns
    -------
    Interval
        In [0, 1]; 0.5 where neither is ahead. `n` counts the runs of the smaller side. In one stratum: Newcombe's (2006, part 2) method 5, a score
        interval for the Mann-Whitney statistic that does not shrink to a point where all runs of one side are ahead, as a bootstrap does. Over several:
        their intervals put together (MOVER, Zou & Donner 2008).

    Raises
    ------
    BakeoffError
        See `strata_of`; also for unequal numbers of strata.
    """
    xs, ys = strata_of(a, "a"), strata_of(b, "b")
    if len(xs) != len(ys):
        raise BakeoffError(
            f"Both sides need the same strata; got {len(xs)} and {len(ys)}.", fix="leave out environments that only one side has"
        )
    parts = [_newcombe(x.ravel(), y.ravel()) for x, y in zip(xs, ys, strict=True)]
    mid = float(np.mean([each.mid for each in parts]))
    below = sum((each.mid - each.low) ** 2 for each in parts) ** 0.5 / len(parts)
    above = sum((each.high - each.mid) ** 2 for each in parts) ** 0.5 / len(parts)
    n = min(sum(len(each) for each in xs), sum(len(each) for each in ys))
    return Interval(mid, max(0.0, mid - below), min(1.0, mid + above), n)


def _newcombe(x: Floats, y: Floats) -> Interval:
    m, n = len(x), len(y)
    theta = float((np.sign(x[:, None] - y[None, :]).mean() + 1) / 2)
    star = (m + n) / 2 - 1

    def variance(t: float) -> float:
        return t * (1 - t) * (1 + star * (1 - t) / (2 - t) + star * t / (1 + t)) / (m * n)

    def end(outer: float) -> float:
        """The value furthest towards `outer` that the observed one does not contradict."""
        inside, outside = theta, outer
        for _ in range(60):
            middle = (inside + outside) / 2
            if abs(middle - theta) <= Z95 * variance(middle) ** 0.5:
                inside = middle
            else:
                outside = middle
        return inside

    return Interval(theta, end(0.0), end(1.0), min(m, n))
