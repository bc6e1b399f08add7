"""Two approaches on the same items: how far apart, how sure, and what that means against a margin.

The question is usually "is the cheap one good enough?", so the answer is a word, in this order:

    superior       a is better: the two-sided p, Holm-adjusted over all pairs of the study, is below 5%
    inferior       b is better, likewise
    equivalent     neither: but the difference lies within the margin on both sides
    non-inferior   a is at least not worse than b by the margin
    undecided      the items do not say; `n_to_settle` says how many more would

The last two tests are one-sided at 2.5%, as the two ends of the printed 95% interval are, and Holm-adjusted
in each direction. So a verdict always agrees with its interval, and with many pairs is stricter. A
difference can be real and still too small to matter: then the verdict is superior or inferior, and
`a_good_enough`, `b_good_enough` say that the margin is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from bakeoff.contract import Interval
from bakeoff.errors import BakeoffError
from bakeoff.measure.crossed import (
    Crossed,
    Floats,
    cluster_df,
    crossed,
    is_binary,
    labels_of,
    linearised,
    t_quantile,
    t_tail,
    table_of,
)
from bakeoff.measure.paired_proportions import Discordance, mcnemar, tango_interval, tango_z
from bakeoff.measure.power import identical_p, n_to_settle
from bakeoff.measure.resample import Statistic, bootstrap_crossed, difference_of

Word: TypeAlias = Literal["superior", "inferior", "non-inferior", "equivalent", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """a against b. From `compare`, the verdict is that of a family of one; `family` redoes it for all pairs.

    Parameters
    ----------
    difference : Interval
        a - b in the metric's unit, whichever direction is better. `n` counts items (clusters) both answered.
    p_raw, p : float
        Two-sided, consistent with the interval; and Holm-adjusted over the family.
    p_non_inferior, p_non_inferior_reverse : float
        One-sided, against "a is worse than b by the margin", and against "b is worse than a by the margin".
    p_equivalent : float
        The larger of the two (two one-sided tests, Schuirmann 1987).
    verdict : str
        Of a relative to b.
    a_good_enough, b_good_enough : bool
        a is not worse than b by the margin, and b not than a, after Holm. Whatever the verdict.
    n_to_settle : int or None
        Further items (clusters) for an undecided pair; None when decided, or when items cannot settle it.
    needs_seeds : bool
        Undecided, and the spread between seeds alone hides it: train more seeds.
    a_beats_b : float or None
        Share of shared seeds at which a is better, ties half. None for a whole metric without seeds.
    discordance : Discordance or None
        Exact McNemar on the first shared seed, for 0/1 scores.
    spread : Crossed
        Mean squares of the paired differences.
    """

    difference: Interval
    p_raw: float
    p: float
    p_non_inferior: float
    p_non_inferior_reverse: float
    margin: float
    higher_is_better: bool
    alpha: float
    a_beats_b: float | None
    discordance: Discordance | None
    spread: Crossed
    discordant_share: float | None
    verdict: Word = "undecided"
    a_good_enough: bool = False
    b_good_enough: bool = False
    n_to_settle: int | None = None
    needs_seeds: bool = False

    @property
    def p_equivalent(self) -> float:
        """Two one-sided tests: the larger of both directions' p."""
        return max(self.p_non_inferior, self.p_non_inferior_reverse)

    def swapped(self) -> Comparison:
        """The same comparison as b against a, with the verdict of a family of one."""
        d, mcn = self.difference, self.discordance
        turned = replace(
            self,
            difference=Interval(-d.mid, -d.high, -d.low, d.n),
            p_non_inferior=self.p_non_inferior_reverse,
            p_non_inferior_reverse=self.p_non_inferior,
            a_beats_b=None if self.a_beats_b is None else 1 - self.a_beats_b,
            discordance=mcn and Discordance(mcn.only_b, mcn.only_a, mcn.p),
            spread=self.spread._replace(mid=-self.spread.mid),
        )
        return family([turned])[0]


def compare(
    a: ArrayLike,
    b: ArrayLike,
    *,
    clusters: Sequence[Any] | None = None,
    margin: float,
    higher_is_better: bool = True,
    alpha: float = 0.05,
) -> Comparison:
    """Compare two approaches by a mean metric, item by item, on the items both answered.

    0/1 scores of one seed: Tango's score interval and test. Otherwise the two-way analysis of variance of the
    differences per seed and item, over clusters where there are any, and Student's t.

    Parameters
    ----------
    a, b : array of shape (n_seeds, n_items), or (n_items,)
        Same items in the same order, row s of both from the same seed (the same training split). NaN where there
        is no answer. A single row is taken as fixed and stands against every row of the other; of two unequal
        numbers of rows the shared first ones count.
    clusters : sequence of length n_items, or None
        Items of one cluster are sampled together.
    margin : float
        The largest loss that does not matter, in the metric's unit, at least 0: 0.02 is two points of accuracy.
    higher_is_better : bool, default=True
        False for losses: the difference stays a - b, verdicts speak of better.
    alpha : float, default=0.05
        Family-wise two-sided level; the interval's level is 1 - alpha.

    Returns
    -------
    Comparison
        Where all scores are the same the difference is 0 (0 to 0) and p is 1; that this is equivalence is
        claimed only after enough items (`bakeoff.measure.power.identical_p`).

    Raises
    ------
    BakeoffError
        For tables that do not match, fewer than two items (clusters) answered by both, or a margin below 0.
    """
    _check(margin, alpha)
    x, y = _shared_seeds(table_of(a, "a"), table_of(b, "b"))
    labels = labels_of(clusters, x.shape[1])
    d = x - y
    rows, seen = ~np.isnan(d).all(1), ~np.isnan(d).all(0)
    x, y, d = x[rows][:, seen], y[rows][:, seen], d[rows][:, seen]
    if labels is not None:
        labels = labels_of(labels[seen], int(seen.sum()))
    units = d.shape[1] if labels is None else int(labels.max(initial=-1)) + 1
    if units < 2:
        kind = "items" if labels is None else "clusters"
        raise BakeoffError(
            f"Only {units} {kind} were answered by both; a comparison needs two.", fix="look at the errors and abstentions"
        )
    binary = is_binary(x) and is_binary(y)
    sign = 1 if higher_is_better else -1
    beats = a_beats_b(
        np.nanmean(np.where(np.isnan(d), np.nan, x), 1),
        np.nanmean(np.where(np.isnan(d), np.nan, y), 1),
        higher_is_better=higher_is_better,
    )
    test = mcnemar(int((sign * d[0] > 0).sum()), int((sign * d[0] < 0).sum())) if binary else None
    if np.array_equal(d, np.broadcast_to(d[:1], d.shape), equal_nan=True):
        d = d[:1]
    table = crossed(linearised(d, labels), most_df=cluster_df(labels))
    paired = binary and len(d) == 1 and labels is None
    answers = int((~np.isnan(d)).sum())
    found = (
        _tango(d[0], margin, sign, alpha)
        if paired and np.any(d)
        else _student(
            table, margin, sign, alpha, least_variance=margin * (1 - margin) / answers if binary and margin < 1 else 0.0
        )
    )
    share = float(np.mean(d != 0)) if paired else None
    return _comparison(table, found, margin, higher_is_better, alpha, beats, test, share)


def compare_whole(
    a: Statistic,
    b: Statistic,
    n_items: int,
    *,
    clusters: Sequence[Any] | None = None,
    margin: float,
    higher_is_better: bool = True,
    alpha: float = 0.05,
    seed: int = 0,
    resamples: int = 1000,
) -> Comparison:
    """Compare two approaches by a whole metric, such as macro F1, with a paired bootstrap over items (clusters).

    `a` and `b` take an int array of positions among the items both answered and return the metric there, per
    seed or as one float; see `bakeoff.measure.resample.paired_whole_difference`. Other parameters as in `compare`.
    """
    _check(margin, alpha)
    table = bootstrap_crossed(difference_of(a, b), n_items, clusters, seed=seed, resamples=resamples)
    everything = np.arange(n_items)
    beats = a_beats_b(np.atleast_1d(a(everything)), np.atleast_1d(b(everything)), higher_is_better=higher_is_better)
    found = _student(table, margin, 1 if higher_is_better else -1, alpha, least_variance=0.0)
    return _comparison(table, found, margin, higher_is_better, alpha, beats, None, None)


def a_beats_b(a_by_seed: ArrayLike, b_by_seed: ArrayLike, *, higher_is_better: bool = True) -> float:
    """P(A beats B) over seeds, ties half (Bouthillier et al. 2021): row s of both is the same seed.

    A single value stands against every seed of the other; of unequal numbers the shared first ones count.
    Bouthillier et al. call a better when this is above 0.75; three seeds can only say 0, 1/3, 2/3 or 1.
    """
    a, b = (np.asarray(value, dtype=float).reshape(-1, 1) for value in (a_by_seed, b_by_seed))
    if not a.size or not b.size:
        raise BakeoffError("P(A beats B) needs at least one seed of each.", fix="run the approach at one seed at least")
    a, b = _shared_seeds(a, b)
    ahead = np.sign(a - b) * (1 if higher_is_better else -1)
    return float((ahead + 1).mean() / 2)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p-values, in the order given: step-down, family-wise, for any dependence.

    Raises
    ------
    BakeoffError
        If one is not in [0, 1].
    """
    p = np.asarray(p_values, dtype=float)
    if p.size and not ((p >= 0) & (p <= 1)).all():
        raise BakeoffError(f"p-values are in [0, 1]; got {p_values}.", fix="leave out comparisons that could not be made")
    order = np.argsort(p, kind="stable")
    steps = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0) if p.size else p
    adjusted = np.empty(len(p))
    adjusted[order] = steps
    return [float(value) for value in adjusted]


def family(comparisons: Sequence[Comparison], *, alpha: float | None = None) -> list[Comparison]:
    """All pairs of a study, with Holm-adjusted p, verdicts, and what would settle the undecided; same order.

    Three families are adjusted apart: different (two-sided, alpha), a good enough and b good enough (one-sided,
    alpha / 2 each; of one pair's two claims at most one can be false).
    """
    if not comparisons:
        return []
    level = comparisons[0].alpha if alpha is None else alpha
    apart = holm([one.p_raw for one in comparisons])
    a_enough = holm([one.p_non_inferior for one in comparisons])
    b_enough = holm([one.p_non_inferior_reverse for one in comparisons])
    # An open pair is the next to be rejected only if it beats Bonferroni over the pairs still open.
    open_apart = max(sum(p > level for p in apart), 1)
    open_within = max(sum(p > level / 2 for p in a_enough), sum(p > level / 2 for p in b_enough), 1)
    settled = []
    for one, p, p_a, p_b in zip(comparisons, apart, a_enough, b_enough, strict=True):
        better = one.difference.mid * (1 if one.higher_is_better else -1)
        a_good, b_good = p_a <= level / 2, p_b <= level / 2
        word: Word = "undecided"
        if p < level and better != 0:
            word = "superior" if better > 0 else "inferior"
        elif a_good and b_good:
            word = "equivalent"
        elif a_good:
            word = "non-inferior"
        items, seeds = None, False
        if word == "undecided":
            items, seeds = n_to_settle(
                one.spread,
                one.margin,
                higher_is_better=one.higher_is_better,
                alpha=level / open_apart,
                margin_alpha=level / 2 / open_within,
                discordance=one.discordant_share,
            )
        settled.append(
            replace(one, p=p, verdict=word, a_good_enough=a_good, b_good_enough=b_good, n_to_settle=items, needs_seeds=seeds)
        )
    return settled


def nadeau_bengio(differences: ArrayLike, test_over_train: float) -> tuple[Interval, float]:
    """Corrected resampled t-test for repeated random splits of ONE data set (Nadeau & Bengio 2003).

    Test sets of repeated splits overlap and training sets more so; the naive t-test takes them as new data. The
    correction multiplies the variance by ``1 / J + n_test / n_train``. Not for Bakeoff's own studies, whose
    test set is one: for figures measured elsewhere by repeated splits or cross-validation.

    Parameters
    ----------
    differences : array of shape (J,), J at least 2
        a - b on each split.
    test_over_train : float, above 0
        Items tested over items trained on, per split: 1/9 for tenths.

    Returns
    -------
    (Interval, float)
        The difference with its 95% interval (`n` is J), and the two-sided p.

    Raises
    ------
    BakeoffError
        With fewer than two splits, differences that are not finite, or a ratio that is not above 0.
    """
    d = np.asarray(differences, dtype=float).ravel()
    if len(d) < 2 or not np.isfinite(d).all() or not test_over_train > 0:
        raise BakeoffError(
            f"Needs two or more finite differences and n_test / n_train above 0; got {len(d)} and {test_over_train:g}.",
            fix="use every split",
        )
    mid, error = float(d.mean()), float(d.std(ddof=1)) * (1 / len(d) + test_over_train) ** 0.5
    if error == 0:
        return Interval(mid, mid, mid, len(d)), 1.0 if mid == 0 else 0.5 ** (len(d) - 1)
    half = float(t_quantile(len(d) - 1, 0.975)) * error
    return Interval(mid, mid - half, mid + half, len(d)), float(2 * t_tail(len(d) - 1, abs(mid) / error))


_Found: TypeAlias = tuple[float, float, float, float, float]
"""low, high, p two-sided, p that a is good enough, p that b is."""


def _student(table: Crossed, margin: float, sign: int, alpha: float, *, least_variance: float) -> _Found:
    mid, variance, df = float(table.mid), float(table.variance()), float(table.df(careful=True))
    if variance**0.5 <= 1e-12 * abs(mid):
        if mid == 0:
            same = identical_p(table.n, margin)
            return 0.0, 0.0, 1.0, same, same
        # The same difference every time leaves its sign as the only chance event.
        coin = 0.5**table.n
        better = sign * mid
        return mid, mid, min(1.0, 2 * coin), coin if better > -margin else 1.0, coin if better < margin else 1.0
    error = variance**0.5
    half = float(t_quantile(table.df(), 1 - alpha / 2)) * error
    # Differences of 0/1 scores whose mean is the margin vary at least this much, however little was seen of it.
    null_error = max(variance, least_variance) ** 0.5
    p_a, p_b = (float(t_tail(df, (margin + way * mid) / null_error)) for way in (sign, -sign))
    return mid - half, mid + half, float(2 * t_tail(df, abs(mid) / error)), p_a, p_b


def _tango(d: Floats, margin: float, sign: int, alpha: float) -> _Found:
    from scipy.special import ndtr, ndtri

    only_a, only_b, n = int((d > 0).sum()), int((d < 0).sum()), len(d)
    low, high = (float(end) for end in tango_interval(only_a, only_b, n, ndtri(1 - alpha / 2)))
    p = 2 * float(ndtr(-abs(float(tango_z(only_a, only_b, n, 0.0)))))
    edge = min(margin, 1.0)
    above, below = float(ndtr(-tango_z(only_a, only_b, n, -edge))), float(ndtr(tango_z(only_a, only_b, n, edge)))
    return (low, high, p, above, below) if sign > 0 else (low, high, p, below, above)


def _comparison(
    table: Crossed,
    found: _Found,
    margin: float,
    higher_is_better: bool,
    alpha: float,
    beats: float | None,
    test: Discordance | None,
    share: float | None,
) -> Comparison:
    low, high, p, p_a, p_b = found
    mid = float(table.mid)
    one = Comparison(
        difference=Interval(mid, min(low, mid), max(high, mid), table.n),
        p_raw=min(p, 1.0),
        p=min(p, 1.0),
        p_non_inferior=p_a,
        p_non_inferior_reverse=p_b,
        margin=float(margin),
        higher_is_better=higher_is_better,
        alpha=alpha,
        a_beats_b=beats,
        discordance=test,
        spread=table,
        discordant_share=share,
    )
    return family([one])[0]


def _shared_seeds(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    if a.shape[1] != b.shape[1]:
        raise BakeoffError(f"Paired scores need the same items: got {a.shape[1]} and {b.shape[1]}.", fix="align both by item id")
    if len(a) > 1 and len(b) > 1:
        shared = min(len(a), len(b))
        return a[:shared], b[:shared]
    rows = max(len(a), len(b))
    return np.broadcast_to(a, (rows, a.shape[1])), np.broadcast_to(b, (rows, b.shape[1]))


def _check(margin: float, alpha: float) -> None:
    if not (np.isfinite(margin) and margin >= 0):
        raise BakeoffError(
            f"The margin is {margin}: the largest loss that does not matter is a number of at least 0.", fix="use e.g. 0.02"
        )
    if not 0 < alpha < 1:
        raise BakeoffError(f"alpha is {alpha}: a level lies between 0 and 1.", fix="use 0.05")
