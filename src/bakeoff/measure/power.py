"""How many test items it takes to settle a question.

Paired differences have two sources of noise, and only one of them shrinks with items: the other is the
seeds. Where the seeds alone are too noisy the answer is not a number of items but "train more seeds".
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bakeoff.errors import BakeoffError
from bakeoff.measure.crossed import Crossed, Floats, t_quantile, t_tail

MOST_ITEMS = 10**12


class Settle(NamedTuple):
    """`items` further items settle it, or None; then `needs_seeds` says whether more seeds could."""

    items: int | None
    needs_seeds: bool


def items_for_power(difference: float, discordance: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """Paired items needed to tell two accuracies apart: ``(z_a sqrt(psi) + z_b sqrt(psi - d^2))^2 / d^2``.

    Parameters
    ----------
    difference : float
        True difference d of the two accuracies, in [-1, 1] and not 0: 0.02 is two points.
    discordance : float
        Share psi of items that exactly one of them gets right, at least ``abs(difference)`` and at most 1.
    power : float, default=0.8
        Probability to find it, in (0, 1).
    alpha : float, default=0.05
        Two-sided level.

    Notes
    -----
    Connor (1987), for McNemar's test. At 10% discordance and 80% power: 1 point 7,847 items, 2 points 1,960,
    3 points 870, 5 points 312.

    Raises
    ------
    BakeoffError
        If no such pair of approaches can exist.
    """
    if not 0 < abs(difference) <= discordance <= 1:
        raise BakeoffError(
            f"A difference of {difference:g} at a discordance of {discordance:g} cannot be.",
            fix="use 0 < |difference| <= discordance <= 1",
        )
    if not (0 < power < 1 and 0 < alpha < 1):
        raise BakeoffError(
            f"power and alpha are probabilities; got {power:g} and {alpha:g}.", fix="use e.g. power 0.8, alpha 0.05"
        )
    from scipy.special import ndtri

    psi = discordance
    root = ndtri(1 - alpha / 2) * math.sqrt(psi) + ndtri(power) * math.sqrt(max(psi - difference**2, 0.0))
    return math.ceil(root**2 / difference**2)


def power_at(
    spread: Crossed,
    items: Floats,
    margin: float,
    *,
    higher_is_better: bool = True,
    alpha: float = 0.05,
    margin_alpha: float = 0.025,
) -> dict[str, Floats]:
    """Probability of each verdict with so many items, if the observed difference and spread are the true ones.

    Parameters
    ----------
    spread : Crossed
        Of the paired differences a - b.
    items : array
        Total numbers of items (clusters).
    alpha, margin_alpha : float
        Two-sided level to tell apart, and one-sided level against the margin.

    Returns
    -------
    dict
        ``different`` (superior or inferior), ``non-inferior`` and ``equivalent``; arrays like `items`.
    """
    items = np.asarray(items, dtype=float)
    d = float(spread.mid) * (1 if higher_is_better else -1)
    error = np.sqrt(np.maximum(spread.variance(items), 1e-300))
    df = spread.df(items, careful=True)
    apart, within = t_quantile(df, 1 - alpha / 2), t_quantile(df, 1 - margin_alpha)

    def passes(distance: float, critical: Floats) -> Floats:
        return 1.0 - t_tail(df, distance / error - critical)

    both = passes(margin - d, within) + passes(margin + d, within) - 1
    return {"different": passes(abs(d), apart), "non-inferior": passes(margin + d, within), "equivalent": np.maximum(both, 0.0)}


def n_to_settle(
    spread: Crossed,
    margin: float,
    *,
    higher_is_better: bool = True,
    alpha: float = 0.05,
    margin_alpha: float = 0.025,
    power: float = 0.8,
    discordance: float | None = None,
) -> Settle:
    """FURTHER items (clusters) with which an undecided pair gets one of the verdicts with 80% power.

    The observed difference and spread are taken as the true ones, so this is a plan, not a promise: the
    difference of an undecided pair is the very thing that is not known. The verdict that needs fewest items counts.

    Parameters
    ----------
    spread : Crossed
        Of the paired differences a - b.
    margin : float
        In the metric's unit, at least 0.
    alpha, margin_alpha : float
        Levels as in `power_at`, after correction for the family.
    discordance : float or None
        Share of discordant items: then telling apart is planned by `items_for_power`, for McNemar's test.

    Returns
    -------
    Settle
        `items` is at least 1. It is None where no number of items suffices: with `needs_seeds`, because the
        spread between seeds alone hides the difference, and more seeds are needed; without, because there is
        no difference to find and no margin to be within.
    """

    def reached(totals: Floats) -> Floats:
        chances = power_at(spread, totals, margin, higher_is_better=higher_is_better, alpha=alpha, margin_alpha=margin_alpha)
        if discordance is not None and 0 < abs(float(spread.mid)) <= discordance:
            needed = items_for_power(float(spread.mid), discordance, power=power, alpha=alpha)
            chances["different"] = (totals >= needed).astype(float)
        return np.max(list(chances.values()), axis=0) >= power

    if float(spread.item) <= 0 and float(spread.excess()) <= 0:
        return _settle_identical(spread, margin, margin_alpha)
    grid = np.unique(np.ceil(spread.n * np.geomspace(1.0, MOST_ITEMS / spread.n, 400)))
    hits = np.flatnonzero(reached(grid))
    if not len(hits):
        return Settle(None, bool(spread.excess() > 0))
    high = int(grid[hits[0]])
    low = int(grid[hits[0] - 1]) if hits[0] else spread.n
    while high - low > 1:
        middle = (low + high) // 2
        if reached(np.asarray([float(middle)]))[0]:
            high = middle
        else:
            low = middle
    return Settle(max(high - spread.n, 1), False)


def identical_p(n: int, margin: float) -> float:
    """P(no difference on any of `n` items) if the means differ by `margin`: at most ``(1 - margin)^n``.

    For scores in [0, 1]: a mean difference of m needs at least a share m of items to differ. With it, "the same on
    every item seen" becomes evidence of equivalence that grows with n (the rule of three: about 3 / m items).
    """
    return float((1 - min(max(margin, 0.0), 1.0)) ** n)


def _settle_identical(spread: Crossed, margin: float, margin_alpha: float) -> Settle:
    if float(spread.mid) == 0 and margin <= 0:
        return Settle(None, False)
    if float(spread.mid) != 0:
        total = math.ceil(math.log(margin_alpha) / math.log(0.5))
    else:
        total = 1 if margin >= 1 else math.ceil(math.log(margin_alpha) / math.log1p(-margin))
    return Settle(max(total - spread.n, 1), False)
