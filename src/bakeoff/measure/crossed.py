"""Items crossed with seeds: how far a mean over both can be off.

A study has one test set and every seed answers all of it, so scores form a table of seeds by items. Two
things were sampled: the items and the training runs. Counting all cells as independent would forget both;
averaging the seeds first would forget that other seeds would have done otherwise. The two-way analysis of
variance keeps them apart, as in reader studies in radiology, where readers play the part of our seeds
(multi-reader multi-case; Obuchowski & Rockette 1995; Hillis 2007; Gallas et al. 2009).

All functions take leading batch axes, so that a simulation of thousands of studies is one call.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bakeoff.errors import BakeoffError

Floats = NDArray[np.float64]


class Crossed(NamedTuple):
    """A mean over items and seeds with the mean squares of its table. Fields are arrays of the batch's shape.

    `item`, `seed` and `interaction` are mean squares (variances in the score's unit squared); `n` counts
    items, or clusters; `seeds` is the number of rows. With one seed, `seed` and `interaction` are 0. `item_df` are the
    degrees of freedom of `item`, where they are not n - 1.
    """

    mid: Floats
    item: Floats
    seed: Floats
    interaction: Floats
    n: int
    seeds: int
    item_df: Floats | None = None

    def excess(self, n: float | Floats | None = None) -> Floats:
        """What the seeds add to the item mean square, at `n` items instead of the observed: never below 0."""
        grow = 1.0 if n is None else np.asarray(n) / self.n
        return np.maximum(self.seed - self.interaction, 0.0) * grow

    def variance(self, n: float | Floats | None = None) -> Floats:
        """Variance of `mid`; with `n`, the variance expected from that many items and the same seeds.

        ``(MS_item + max(MS_seed - MS_interaction, 0)) / (n S)``. The part of the seeds does not shrink with n.
        """
        items = self.n if n is None else np.asarray(n)
        return (self.item + self.excess(n)) / (items * self.seeds)

    def df(self, n: float | Floats | None = None, *, careful: bool = False) -> Floats:
        """Satterthwaite's degrees of freedom of `variance`, after Hillis (2007).

        Hillis divides by ``MS_seed^2 / (S - 1)``. Where the seeds add nothing that is too careful for three
        seeds, and with the excess alone in its place it is too bold where seeds dominate; the product of the
        two keeps every cell of ``benchmarks/coverage.py`` near 95%, and intervals use it.

        Tests among many pairs look much further into the tail, where a seed mean square that is small by chance
        does harm. They are `careful`: Hillis's form, with at least three quarters of the interaction in it. A test
        is thus never bolder than its interval.
        """
        items = float(self.n) if n is None else np.asarray(n, dtype=float)
        excess = self.excess(n)
        by_items = np.maximum(items - 1, 1) if self.item_df is None else self.item_df * items / self.n
        spread = self.item**2 / by_items
        if self.seeds > 1:
            seed = self.seed if n is None else np.where(excess > 0, self.interaction + excess, self.seed)
            doubt = np.maximum(seed, 0.75 * self.interaction) ** 2 if careful else excess * (excess + self.interaction)
            spread = spread + doubt / (self.seeds - 1)
        total = (self.item + excess) ** 2
        return np.where(spread > 0, total / np.where(spread > 0, spread, 1.0), np.maximum(items - 1, 1))


def crossed(table: ArrayLike, *, tails: bool = False, most_df: float = np.inf) -> Crossed:
    """Two-way analysis of variance, one observation per cell.

    Parameters
    ----------
    table : array of shape (..., n_seeds, n_items), no NaN
        At least two items. With one seed the variance is that of a simple mean.
    tails : bool, default=False
        Take the degrees of freedom of the item mean square from the kurtosis of the items' means,
        ``2 n / (kurtosis - 1)`` and at most n - 1: a variance that hangs on a few items is known less well than
        n - 1 says. It makes up for skewed scores, and is too careful for differences, which are symmetric.
    most_df : float, default=inf
        An upper bound on those degrees of freedom; see `cluster_df`.
    """
    x = np.asarray(table, dtype=float)
    seeds, n = x.shape[-2:]
    mid = x.mean((-1, -2))
    by_item, by_seed = x.mean(-2), x.mean(-1)
    off = by_item - mid[..., None]
    item = seeds * (off**2).sum(-1) / (n - 1)
    item_df = _item_df(off) if tails else None
    if most_df < n - 1:
        item_df = np.minimum(most_df, np.inf if item_df is None else item_df) * np.ones_like(mid)
    if seeds == 1:
        zero = np.zeros_like(mid)
        return Crossed(mid, item, zero, zero, n, 1, item_df)
    seed = n * ((by_seed - mid[..., None]) ** 2).sum(-1) / (seeds - 1)
    rest = x - by_item[..., None, :] - by_seed[..., :, None] + mid[..., None, None]
    interaction = (rest**2).sum((-1, -2)) / ((n - 1) * (seeds - 1))
    return Crossed(mid, item, seed, interaction, n, seeds, item_df)


def _item_df(off: Floats) -> Floats:
    n = off.shape[-1]
    second, fourth = (off**2).mean(-1), (off**4).mean(-1)
    spread = second > 0
    kurtosis = np.where(spread, fourth / np.where(spread, second, 1.0) ** 2, 3.0)
    return np.clip(2 * n / np.maximum(kurtosis - 1, 1e-9), min(2, n - 1), n - 1)


def linearised(scores: Floats, labels: NDArray[np.intp] | None) -> Floats:
    """Scores with holes and clusters as a full table of seeds by clusters with the same mean per seed.

    A seed's mean over answered items is a ratio, sum of scores over number of answers. Its first-order
    expansion gives each cluster g the value ``m_s + (G / n_s) sum over g of (x - m_s)``, where n_s counts the
    seed's answers (Cochran 1977, section 6; for models, Miller 2024). Without holes and clusters these are the scores.

    A large cluster pulls the mean towards itself and so looks less deviant than it is: with h its share of the answers,
    its value is taken ``(1 - 1/G) / (1 - h)`` times as far off, the jackknife's correction (MacKinnon, Nielsen and Webb
    2023), which is 1 for clusters of one size. `cluster_df` is its companion.

    Parameters
    ----------
    scores : array of shape (..., n_seeds, n_items)
        NaN where there is no answer; every seed has at least one.
    labels : int array of shape (n_items,), or None
        Cluster of each item, 0 to G - 1.
    """
    holes = np.isnan(scores)
    if labels is None and not holes.any():
        return scores
    answered = (~holes).sum(-1, keepdims=True)
    mean = np.where(holes, 0.0, scores).sum(-1, keepdims=True) / answered
    off = np.where(holes, 0.0, scores - mean)
    if labels is None:
        return mean + off * (scores.shape[-1] / answered)
    groups = int(labels.max()) + 1
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(groups))
    totals = np.add.reduceat(off[..., order], starts, axis=-1) * (groups / answered)
    if groups > 1:
        share = np.add.reduceat((~holes)[..., order].astype(float), starts, axis=-1) / answered
        totals = totals * (1 - 1 / groups) / np.maximum(1 - share, 1 / (2 * scores.shape[-1]))
        totals = totals - totals.mean(-1, keepdims=True)
    return mean + totals


def cluster_df(labels: NDArray[np.intp] | None) -> float:
    """Degrees of freedom that clusters of these sizes leave: the effective number of clusters, less one; inf without clusters.

    ``n^2 / sum of n_g^2`` clusters of one size would say as much (Carter, Schnepel and Steigerwald 2017); where one cluster
    holds half of the items that is fewer than four, however many small ones there are.
    """
    if labels is None:
        return np.inf
    sizes = np.bincount(labels).astype(float)
    return max(1.0, float(sizes.sum() ** 2 / (sizes**2).sum()) - 1)


def score_interval(
    mid: ArrayLike, variance: ArrayLike, critical: ArrayLike, *, least: float, most: float
) -> tuple[Floats, Floats]:
    """Wilson's interval for a mean in [0, 1], with the number of trials that has the same variance.

    ``n_eff = mid (1 - mid) / variance``, as for proportions of complex surveys (Korn & Graubard 1998;
    Franco et al. 2019): it stays inside [0, 1] and leans away from its ends as it should.

    Parameters
    ----------
    least : float
        Trials to assume where the variance is 0, as when everything was right: independent things seen.
    most : float
        An upper bound on the trials: single answers seen.
    """
    mid, variance = np.asarray(mid, dtype=float), np.asarray(variance, dtype=float)
    binomial = mid * (1 - mid)
    known = (variance > 0) & (binomial > 0)
    trials = np.where(known, binomial / np.where(known, variance, 1.0), least)
    pull = np.asarray(critical) ** 2 / np.minimum(trials, most)
    centre = (mid + pull / 2) / (1 + pull)
    half = np.sqrt(np.maximum(pull * (binomial + pull / 4), 0.0)) / (1 + pull)
    return np.clip(centre - half, 0.0, mid), np.clip(centre + half, mid, 1.0)


def interval_ends(
    mid: ArrayLike,
    variance: ArrayLike,
    critical: ArrayLike,
    *,
    bounds: tuple[float, float] | None,
    least: float,
    most: float = np.inf,
) -> tuple[Floats, Floats]:
    """Ends of an interval whose shape fits the range of what it is about.

    Both bounds finite: `score_interval`, moved there. Only the lower one, as for losses: symmetric in the logarithm of
    the distance from it, since losses are skewed. None: ``mid +- critical * standard error``.
    """
    mid, critical = np.asarray(mid, dtype=float), np.asarray(critical, dtype=float)
    error = np.sqrt(np.asarray(variance, dtype=float))
    if bounds is None or not np.isfinite(bounds[0]):
        top = np.inf if bounds is None else bounds[1]
        return mid - critical * error, np.minimum(mid + critical * error, top)
    floor, width = bounds[0], bounds[1] - bounds[0]
    above = np.maximum(mid - floor, 0.0)
    if np.isfinite(width):
        low, high = score_interval(np.minimum(above / width, 1.0), (error / width) ** 2, critical, least=least, most=most)
        return floor + width * low, floor + width * high
    factor = np.exp(np.minimum(critical * error / np.where(above > 0, above, 1.0), 700.0))
    return floor + above / factor, floor + above * factor


def t_quantile(df: ArrayLike, level: float) -> Floats:
    """Quantile of Student's t."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(np.minimum(df, 1e9), level))


def t_tail(df: ArrayLike, t: ArrayLike) -> Floats:
    """P(T > t) of Student's t."""
    from scipy.special import stdtr

    return np.asarray(stdtr(np.minimum(df, 1e9), -np.asarray(t)))


def table_of(scores: ArrayLike, name: str = "scores") -> Floats:
    """`scores` as floats of shape (n_seeds, n_items); one row may be given without its axis.

    Raises
    ------
    BakeoffError
        For another shape, nothing in it, or infinite scores.
    """
    table = np.asarray(scores, dtype=float)
    table = table[None, :] if table.ndim == 1 else table
    if table.ndim != 2 or 0 in table.shape:
        raise BakeoffError(f"{name}: expected a table of seeds by items, got shape {np.shape(scores)}.", fix="one row per seed")
    if np.isinf(table).any():
        raise BakeoffError(
            f"{name}: {int(np.isinf(table).sum())} scores are infinite.", fix="clip probabilities away from 0 and 1"
        )
    return table


def labels_of(clusters: Any, n_items: int) -> NDArray[np.intp] | None:
    """Cluster names as integers 0 to G - 1; None when there are none or each item is its own.

    Raises
    ------
    BakeoffError
        If there is not one name per item.
    """
    if clusters is None:
        return None
    names = np.asarray([str(name) for name in clusters])
    if len(names) != n_items:
        raise BakeoffError(
            f"{len(names)} cluster names for {n_items} items.", fix="give one cluster name per item, in the items' order"
        )
    found, labels = np.unique(names, return_inverse=True)
    return None if len(found) == n_items else labels.astype(np.intp)


def is_binary(scores: Floats) -> bool:
    """True where every score is 0 or 1 (NaN aside)."""
    return bool((np.isnan(scores) | (scores == 0) | (scores == 1)).all())
