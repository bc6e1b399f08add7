"""The smallest difference that a study can be expected to see: worked out before anything is trained.

The minimum detectable effect (Bloom 1995) is the true difference that the study's own test finds with 80% probability. It is
the question of `bakeoff.measure.power` the other way round: there a difference is given and the items are asked for. What is
needed is how much paired differences vary, and that has three parts, as in `bakeoff.measure.crossed`:

    recurring     items on which one set-up is right and the other wrong, whatever the seed; shrinks with items
    by training   items on which they differ at this seed and not at the next; shrinks with items and with seeds
    by seed       a training that went well or badly as a whole; shrinks with seeds alone

Items that come in groups (drawings of one object) are won and lost together, which leaves fewer independent ones: the design
effect ``1 + (m - 1) rho`` with m items in the group of a typical item (Kish 1965, section 5.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bakeoff.errors import BakeoffError
from bakeoff.measure.checks import TYPICAL_DISCORDANCE
from bakeoff.measure.crossed import Crossed, Floats, cluster_df, labels_of, t_tail

POWER = 0.8
DRAWS = 8000


class Wobble(NamedTuple):
    """How much the paired difference of two set-ups varies. Variances are in the score's unit squared.

    `discordance` is the variance of the difference on one item at one seed: for right and wrong, about the share of items that
    exactly one of the two gets right. `recurring` is the part of it, 0 to 1, that is there at every seed. `alike` is the
    correlation of two items of one group. `by_seed` is the variance of a whole training's difference beyond that of its items.
    """

    discordance: float
    recurring: float
    alike: float
    by_seed: float = 0.0


TYPICAL = Wobble(TYPICAL_DISCORDANCE, recurring=0.1, alike=0.1)
"""For what nothing is known of yet. The discordance is that of check BK003; the other two are what one-change variants of a small
convolutional network showed against their base on drawings of 82 objects in up to 7 styles: 0 to 0.09 recurring, 0.01 to 0.13
alike, discordance 0.04 to 0.18 (a small network on drawings of 82 objects, trained for this page; no part of the repository)."""


def forecast(wobble: Wobble, n_items: int, seeds: int, clusters: Sequence[Any] | None = None) -> Crossed:
    """The mean squares to expect of a paired comparison on so many items and seeds, with a difference of 0.

    Parameters
    ----------
    n_items : int
        Test items, at least 2.
    seeds : int
        Shared seeds, at least 1.
    clusters : sequence of length n_items, or None
        Group of each item, where items come in groups.

    Raises
    ------
    BakeoffError
        For fewer than two items or groups, no seed, or parts that cannot be.
    """
    if not (wobble.discordance >= 0 and 0 <= wobble.recurring <= 1 and 0 <= wobble.alike <= 1 and wobble.by_seed >= 0):
        raise BakeoffError(f"These variances cannot be: {wobble}.", fix="use shares from 0 to 1 and variances of at least 0")
    labels = labels_of(clusters, n_items)
    sizes = np.ones(n_items) if labels is None else np.bincount(labels).astype(float)
    units = len(sizes)
    if units < 2 or seeds < 1:
        raise BakeoffError(
            f"{units} test items or groups and {seeds} seeds: a comparison needs two and one.", fix="add test items"
        )
    typical_group = float((sizes**2).sum() / sizes.sum())
    effect = 1 + (typical_group - 1) * wobble.alike
    per_unit = wobble.discordance * effect * units / n_items
    lasting, passing = per_unit * wobble.recurring, per_unit * (1 - wobble.recurring)
    item_df = None if labels is None else np.asarray(min(cluster_df(labels), units - 1.0))
    zero = np.asarray(0.0)
    if seeds == 1:  # one row says nothing of seeds: their part is in every item
        return Crossed(zero, np.asarray(lasting + passing + units * wobble.by_seed), zero, zero, units, 1, item_df)
    return Crossed(
        zero,
        np.asarray(seeds * lasting + passing),
        np.asarray(passing + units * wobble.by_seed),
        np.asarray(passing),
        units,
        seeds,
        item_df,
    )


def chance(spread: Crossed, difference: float, *, alpha: float = 0.05) -> float:
    """Probability that a true `difference` of this size is told from none by the test of `bakeoff.measure.compare`.

    The mean squares of `spread` are taken as the true ones, and `DRAWS` studies with them are drawn: mean squares as
    chi-squares, the observed difference as normal, the test as it is. With three seeds the mean square of the seeds has two
    degrees of freedom, so putting its expected value into the test instead would miss by several points of power.

    Parameters
    ----------
    spread : Crossed
        As from `forecast`, or as observed.
    difference : float
        In the score's unit; its sign does not matter.
    alpha : float, default=0.05
        Two-sided level.
    """
    return _found(_draws(spread), abs(difference), alpha)


class _Drawn(NamedTuple):
    """Studies without a difference: how far off each one's mean is, its standard error, and the test's degrees of freedom."""

    off: Floats
    error: Floats
    df: Floats


def _draws(spread: Crossed) -> _Drawn:
    rng = np.random.default_rng(0)

    def mean_square(expected: Floats, df: float) -> Floats:
        return float(expected) * rng.chisquare(df, DRAWS) / df

    normal = rng.standard_normal(DRAWS)
    by_items = float(spread.n - 1 if spread.item_df is None else spread.item_df)
    item = mean_square(spread.item, by_items)
    seed = inter = np.zeros(DRAWS)
    if spread.seeds > 1:
        seed = mean_square(spread.seed, spread.seeds - 1)
        inter = mean_square(spread.interaction, by_items * (spread.seeds - 1))
    item_df = None if spread.item_df is None else np.full(DRAWS, by_items)
    seen = Crossed(np.zeros(DRAWS), item, seed, inter, spread.n, spread.seeds, item_df)
    error = np.sqrt(np.maximum(seen.variance(), 1e-300))
    return _Drawn(normal * float(spread.variance()) ** 0.5, error, seen.df(careful=True))


def _found(drawn: _Drawn, difference: float, alpha: float) -> float:
    return float(np.mean(2 * t_tail(drawn.df, np.abs(difference + drawn.off) / drawn.error) < alpha))


def detectable(spread: Crossed, *, alpha: float = 0.05, power: float = POWER, most: float = 1.0) -> float | None:
    """The smallest true difference that is found with probability `power`, in the score's unit; None where none up to `most` is.

    The minimum detectable effect (Bloom 1995) for `chance`. Only the spread counts, never the difference that was observed: this
    is no "power after the fact".

    Parameters
    ----------
    alpha : float, default=0.05
        Two-sided level. In a family of k comparisons 0.05 / k is what the first of them has to reach under Holm.

    Examples
    --------
    >>> round(detectable(forecast(Wobble(0.10, 1.0, 0.0), 870, 1)), 2)
    0.03
    """
    if not (0 < power < 1 and 0 < alpha < 1):
        raise BakeoffError(f"power and alpha are probabilities; got {power:g} and {alpha:g}.", fix="use e.g. 0.8 and 0.05")
    drawn, low, high = _draws(spread), 0.0, float(most)
    if _found(drawn, high, alpha) < power:
        return None
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if _found(drawn, middle, alpha) >= power else (middle, high)
    return high


def wobble_of(spreads: Sequence[Crossed], n_items: int, clusters: Sequence[Any] | None = None) -> Wobble | None:
    """What earlier comparisons on the same items say, their mean squares averaged; None where there are none.

    The groups are taken as they were: what comes back holds for this way of grouping, with `alike` 0 and the variance of
    one item times its design effect as `discordance`, so that `forecast` on the same groups gives the same mean squares.
    """
    kept = [one for one in spreads if one.n >= 2]
    if not kept:
        return None
    scale = [n_items / one.n for one in kept]
    lasting, passing, whole = [], [], []
    for one, by in zip(kept, scale, strict=True):
        if one.seeds == 1:
            lasting.append(float(one.item) * by)
            passing.append(0.0)
            whole.append(0.0)
            continue
        inter = float(one.interaction)
        lasting.append(max(float(one.item) - inter, 0.0) / one.seeds * by)
        passing.append(inter * by)
        whole.append(float(one.excess()) / one.n)
    recurring, by_training = float(np.mean(lasting)), float(np.mean(passing))
    total = recurring + by_training
    return Wobble(total, recurring / total if total > 0 else 0.0, 0.0, float(np.mean(whole)))
