"""Resampling items, or clusters of items, with replacement: for metrics that have no formula.

Resamples are arrays of item positions and are always drawn the same way from their seed, so two approaches
resampled with one seed are resampled in step: that is what makes a difference paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bakeoff.contract import Interval
from bakeoff.errors import BakeoffError
from bakeoff.measure.crossed import Crossed, Floats, cluster_df, labels_of, t_quantile

Statistic: TypeAlias = Callable[[NDArray[np.intp]], Any]
"""A metric as a function of item positions: ``statistic(positions)`` is a float, or one float per seed."""


def resampled(n_items: int, clusters: Sequence[Any] | None = None, *, seed: int, resamples: int) -> Iterator[NDArray[np.intp]]:
    """Yield `resamples` arrays of item positions, drawn with replacement.

    With clusters, whole clusters are drawn, as many as there are, so lengths vary about n_items.
    """
    rng = np.random.default_rng(seed)
    labels = labels_of(clusters, n_items)
    if labels is None:
        for _ in range(resamples):
            yield rng.integers(0, n_items, n_items)
        return
    members = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])
    for _ in range(resamples):
        yield np.concatenate([members[g] for g in rng.integers(0, len(members), len(members))])


def replicates(
    statistic: Statistic,
    n_items: int,
    clusters: Sequence[Any] | None = None,
    *,
    seed: int = 0,
    resamples: int = 1000,
    progress: Callable[[float], None] | None = None,
) -> Floats:
    """The metric on each resample: shape (resamples, n_seeds), one column if the metric returns a float.

    Resamples on which the metric is not finite (a class with no items left) are left out.

    Raises
    ------
    BakeoffError
        If that leaves out more than half of them, or fewer than 50 resamples were asked for.
    """
    if resamples < 50:
        raise BakeoffError(f"{resamples} resamples are too few for a standard error.", fix="use at least 50, better 1,000")
    rows = []
    for done, positions in enumerate(resampled(n_items, clusters, seed=seed, resamples=resamples)):
        rows.append(np.atleast_1d(np.asarray(statistic(positions), dtype=float)))
        if progress is not None:
            progress((done + 1) / resamples)
    table = np.stack(rows)
    kept = table[np.isfinite(table).all(1)]
    if 2 * len(kept) < resamples:
        raise BakeoffError(
            "The metric has no finite value on most resamples.", fix="use more test items, or a metric defined on them"
        )
    return kept


def bootstrap_crossed(
    statistic: Statistic,
    n_items: int,
    clusters: Sequence[Any] | None = None,
    *,
    seed: int = 0,
    resamples: int = 1000,
    progress: Callable[[float], None] | None = None,
) -> Crossed:
    """Mean squares of a whole metric over items and seeds, as `bakeoff.measure.crossed.crossed` gives for means.

    For a mean the two agree as resamples grow. The variance over resamples of the seeds' average is the items'
    part; that of each seed about the average is what the spread between seeds would be if the items explained
    it all (the interaction).

    Raises
    ------
    BakeoffError
        With fewer than two items (clusters), or a metric that is not finite on all items.
    """
    labels = labels_of(clusters, n_items)
    n = n_items if labels is None else int(labels.max()) + 1
    if n < 2:
        raise BakeoffError(
            f"A bootstrap needs at least two {'items' if labels is None else 'clusters'}; got {n}.", fix="answer more items"
        )
    observed = np.atleast_1d(np.asarray(statistic(np.arange(n_items)), dtype=float))
    if not np.isfinite(observed).all():
        raise BakeoffError(
            "The metric has no finite value on these answers.", fix="leave out the approach, or use another metric"
        )
    drawn = replicates(statistic, n_items, clusters, seed=seed, resamples=resamples, progress=progress)
    seeds = len(observed)
    # A resample of n has (n - 1) / n of the variance of a fresh sample.
    of_mean = drawn.mean(1).var(ddof=1) * n / (n - 1)
    mid = np.asarray(observed.mean())
    most_df = cluster_df(labels)
    item_df = np.asarray(most_df) if most_df < n - 1 else None
    if seeds == 1:
        return Crossed(mid, of_mean * n, np.zeros(()), np.zeros(()), n, 1, item_df)
    about = (drawn - drawn.mean(1, keepdims=True)).var(0, ddof=1).mean() * seeds / (seeds - 1) * n / (n - 1)
    return Crossed(mid, of_mean * n * seeds, observed.var(ddof=1) * n, np.asarray(about * n), n, seeds, item_df)


def percentile_interval(drawn: Floats, observed: float, n: int) -> Interval:
    """Efron's percentile interval from replicates: for views; `whole_interval` covers better."""
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(observed, min(float(low), observed), max(float(high), observed), n)


def paired_whole_difference(
    statistic_a: Statistic,
    statistic_b: Statistic,
    n_items: int,
    clusters: Sequence[Any] | None = None,
    *,
    seed: int = 0,
    resamples: int = 1000,
    progress: Callable[[float], None] | None = None,
) -> Interval:
    """95% interval of ``a - b`` for a whole metric, both on the same resamples of the same items.

    Where one side returns a float (or one seed) and the other one per seed, the single value stands against
    each seed; of two unequal numbers of seeds the shared first ones count. Everything else as in
    `bakeoff.measure.intervals.whole_interval`. Use `bakeoff.measure.compare.compare_whole` for a test and a verdict.
    """
    table = bootstrap_crossed(
        difference_of(statistic_a, statistic_b), n_items, clusters, seed=seed, resamples=resamples, progress=progress
    )
    mid, half = float(table.mid), float(t_quantile(table.df(), 0.975)) * float(table.variance()) ** 0.5
    return Interval(mid, mid - half, mid + half, table.n)


def difference_of(statistic_a: Statistic, statistic_b: Statistic) -> Statistic:
    """``a - b`` per shared seed, as a function of item positions."""

    def difference(positions: NDArray[np.intp]) -> Floats:
        a, b = (np.atleast_1d(np.asarray(statistic(positions), dtype=float)) for statistic in (statistic_a, statistic_b))
        if len(a) > 1 and len(b) > 1:
            a, b = a[: len(b)], b[: len(a)]
        return a - b

    return difference
