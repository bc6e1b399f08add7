"""95% intervals for one approach: a proportion, a mean over items and seeds, or any whole metric.

Nothing here uses mean +- 1.96 standard errors of a proportion: it fails for few items and near 0 and 1
(Brown, Cai & DasGupta 2001; for models, Bowyer et al. 2025). ``benchmarks/coverage.py`` prints how often each kind
of interval covers, and ``docs/explanation/statistics.md`` what each one claims.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from bakeoff.contract import Interval
from bakeoff.errors import BakeoffError
from bakeoff.measure.crossed import (
    Crossed,
    cluster_df,
    crossed,
    interval_ends,
    is_binary,
    labels_of,
    linearised,
    score_interval,
    t_quantile,
    table_of,
)
from bakeoff.measure.resample import Statistic, bootstrap_crossed

Z95 = 1.959963984540054


def proportion(k: int, n: int, *, method: Literal["wilson", "clopper-pearson"] = "wilson") -> Interval:
    """95% interval of a proportion, `k` of `n` independent trials.

    Parameters
    ----------
    k, n : int
        ``0 <= k <= n`` and ``n >= 1``.
    method : 'wilson' or 'clopper-pearson'
        Wilson (1927) covers 95% on average. Clopper & Pearson (1934) never covers less, and is wider.

    Raises
    ------
    BakeoffError
        If k and n are not such counts.
    """
    if n < 1 or not 0 <= k <= n or k != int(k) or n != int(n):
        raise BakeoffError(f"A proportion needs whole numbers 0 <= k <= n and n >= 1; got k = {k}, n = {n}.", fix="count again")
    mid = k / n
    if method == "clopper-pearson":
        from scipy.special import betaincinv

        low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, 0.025))
        high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 0.975))
        return Interval(mid, low, high, int(n))
    lows, highs = score_interval(mid, mid * (1 - mid) / n, Z95, least=n, most=n)
    return Interval(mid, float(lows), float(highs), int(n))


def mean_interval(
    scores: ArrayLike, clusters: Sequence[Any] | None = None, *, bounds: tuple[float, float] | None = None
) -> Interval:
    """95% interval of an approach's mean score over items and seeds.

    One seed: about this fitted model, over items like these. Two or more: about the approach, over items and
    seeds (training splits, initialisations) like these. 0/1 scores get Wilson's interval, at the effective
    number of trials where there are clusters or seeds; other scores one that fits `bounds`. Identical rows, as
    of an approach without chance in it, count as one.

    Parameters
    ----------
    scores : array of shape (n_seeds, n_items), or (n_items,)
        NaN where the approach did not answer.
    clusters : sequence of length n_items, or None
        Items of one cluster (author, document) are sampled together.
    bounds : (low, high) or None
        Range of the score where it is not 0/1: (0, 1) for shares, (0, inf) for losses. None gives Student's t,
        which covers less where scores are skewed.

    Returns
    -------
    Interval
        `mid` is the mean over seeds of each seed's mean over its answers; `n` counts items with an answer, or
        their clusters.

    Raises
    ------
    BakeoffError
        If nothing was answered, a seed answered nothing, or one item (cluster) is left and scores are not 0/1.
    """
    x = table_of(scores)
    labels = labels_of(clusters, x.shape[1])
    seen = ~np.isnan(x).all(0)
    if not seen.any() or np.isnan(x).all(1).any():
        raise BakeoffError("A mean needs at least one answer for every seed.", fix="leave out seeds without answers")
    x = x[:, seen]
    if labels is not None:
        labels = labels_of(labels[seen], int(seen.sum()))
    if (np.array_equal(x, np.broadcast_to(x[:1], x.shape), equal_nan=True)) or len(x) == 1:
        x = x[:1]
        if labels is None and is_binary(x):
            return proportion(int(x.sum()), x.shape[1])
    z = linearised(x, labels)
    if z.shape[1] < 2:
        if is_binary(x):
            share = float(z.mean())
            low, high = score_interval(share, 0.0, Z95, least=1, most=1)
            return Interval(share, float(low), float(high), 1)
        unit = "item" if labels is None else "cluster"
        raise BakeoffError(f"One {unit} has no spread to make an interval from.", fix=f"answer at least two {unit}s")
    if is_binary(x):
        return interval_of(
            crossed(z, tails=labels is not None and len(x) > 1, most_df=cluster_df(labels)),
            bounds=(0.0, 1.0),
            most=float((~np.isnan(x)).sum()),
        )
    return interval_of(crossed(z, tails=True, most_df=cluster_df(labels)), bounds=bounds)


def interval_of(table: Crossed, *, bounds: tuple[float, float] | None, most: float = math.inf) -> Interval:
    """95% interval from mean squares, shaped to fit `bounds`; at most `most` effective trials."""
    mid, critical = float(table.mid), t_quantile(table.df(), 0.975)
    low, high = (float(end) for end in interval_ends(mid, table.variance(), critical, bounds=bounds, least=table.n, most=most))
    return Interval(mid, min(low, mid), max(high, mid), table.n)


def whole_interval(
    statistic: Statistic,
    n_items: int,
    clusters: Sequence[Any] | None = None,
    *,
    seed: int = 0,
    resamples: int = 1000,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    progress: Callable[[float], None] | None = None,
) -> Interval:
    """95% interval of a metric that is a function of all items at once, such as macro F1, by bootstrap.

    The bootstrap over items (clusters) gives the standard error; the interval around the observed value takes
    the shape of Wilson's within `bounds`, and of Student's t without. In simulation this covers better than
    bootstrap percentiles, which miss near the ends of the range (``benchmarks/coverage.py`` shows both).
    With several seeds, the bootstrap also says how much of the spread between seeds the items explain; what
    is left is the seeds' own and is added.

    Parameters
    ----------
    statistic : callable
        Takes an int array of item positions (repeats allowed, any length) and returns the metric on them: a
        float, or one float per seed.
    seed : int, default=0
        Of the resampling. The same seed gives the same interval.
    resamples : int, default=1000
        At least 50. A standard error needs fewer than percentiles do: 1,000 know it to 2.2%.
    bounds : (low, high) or None, default=(0, 1)
        Range of the metric.

    Raises
    ------
    BakeoffError
        With fewer than two items (clusters) or 50 resamples, or where the metric is not finite.
    """
    table = bootstrap_crossed(statistic, n_items, clusters, seed=seed, resamples=resamples, progress=progress)
    return interval_of(table, bounds=bounds)
