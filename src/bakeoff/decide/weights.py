"""How far the choice depends on the weights and on chance (SMAA-2: Lahdelma and Salminen 2001).

Nobody knows weights to the percent, and no figure is exact. So both are drawn many times: weights from a
Dirichlet distribution around the central ones, figures from their intervals. The share of draws in which an
approach comes first is its win share. Every stream of random numbers is seeded by what an approach measured,
so the order in which approaches are listed changes nothing, and two with the same figures draw the same.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bakeoff.contract import Interval
from bakeoff.decide.values import value
from bakeoff.study import Anchor

DRAWS = 4000
CONCENTRATION = 20.0
"""Of the Dirichlet distribution. A central weight of 50% then lies between 29% and 71% in 95% of draws."""
Z95 = 1.959963984540054

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Switch:
    """The nearest weight of one criterion at which another approach comes first; the other weights keep their proportions.

    `more` is True if the criterion has to count for more than `at` (a share of 1), False if for less.
    """

    criterion: str
    more: bool
    at: float
    now: float
    winner: str


def total_value(values: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Weighted sum of values, in [0, 1]; a criterion without a value is worth 0. Rounded so that equal sums are equal."""
    return round(math.fsum(weight * values.get(criterion, 0.0) for criterion, weight in sorted(weights.items())), 12)


def win_shares(
    figures: Mapping[str, Mapping[str, Interval]],
    weights: Mapping[str, float],
    anchors: Mapping[str, Anchor],
    *,
    gaps: Mapping[tuple[str, str], Interval] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, float]:
    """Share of draws in which each approach has the highest weighted value, in [0, 1].

    Parameters
    ----------
    figures : Mapping of name to Mapping of criterion to Interval
        What was measured. A criterion that is missing is worth 0.
    weights : Mapping of criterion to float, summing to 1
        Central weights of the criteria in play.
    gaps : Mapping of (a, b) to Interval, default=None
        Paired differences in quality, a - b. Two approaches answer the same items, so their scores rise and fall
        together; the gaps say by how much. Without one, two scores are drawn independently.

    Returns
    -------
    dict of name to float
        Approaches that come first together each get the draw, so that a copy takes nothing from its original.
    """
    names = sorted(figures)
    if not names:
        return {}
    criteria = sorted(criterion for criterion, weight in weights.items() if weight > 0)
    drawn = _weights([weights[c] for c in criteria], draws, seed)
    noise = {(name, c): _noise(figures[name], c, anchors, draws, seed) for name in names for c in criteria}
    if "quality" in criteria:
        mixed = _correlated([figures[n].get("quality") for n in names], [noise[n, "quality"] for n in names], names, gaps or {})
        noise.update({(name, "quality"): z for name, z in zip(names, mixed, strict=True)})
    totals = np.zeros((len(names), draws))
    for i, name in enumerate(names):
        for k, criterion in enumerate(criteria):
            if criterion in figures[name]:
                totals[i] += drawn[:, k] * _values(anchors[criterion], _levels(figures[name][criterion], noise[name, criterion]))
    first = totals >= totals.max(axis=0) - 1e-12
    return {name: float(first[i].mean()) for i, name in enumerate(names)}


def switches(values: Mapping[str, Mapping[str, float]], weights: Mapping[str, float], winner: str) -> list[Switch]:
    """The nearest weights at which `winner` is overtaken, along each criterion in both directions, the nearest first.

    Exact: along one axis every approach's value is a straight line in that weight.
    """
    found = []
    for criterion, now in sorted(weights.items()):
        rest = {c: w / (1 - now) for c, w in weights.items() if c != criterion} if now < 1 else {}
        if not rest:
            continue
        lines = {name: (total_value(own, rest), own.get(criterion, 0.0)) for name, own in values.items()}
        base, top = lines[winner]
        for more in (True, False):
            nearest: tuple[float, float, str] | None = None
            for name, (other_base, other_top) in sorted(lines.items()):
                # value(t) = (1 - t) x rest + t x own; the other is ahead where this difference is above 0
                start, slope = other_base - base, (other_top - top) - (other_base - base)
                if name == winner or slope == 0 or (slope > 0) is not more:
                    continue
                at = -start / slope
                if not ((now <= at < 1) if more else (0 < at <= now)):
                    continue
                key = (abs(at - now), -abs(slope), name)
                if nearest is None or key < (abs(nearest[0] - now), nearest[1], nearest[2]):
                    nearest = (at, -abs(slope), name)
            if nearest:
                found.append(Switch(criterion, more, nearest[0], now, nearest[2]))
    return sorted(found, key=lambda switch: (abs(switch.at - switch.now), switch.criterion))


def _weights(central: Sequence[float], draws: int, seed: int) -> Floats:
    share = np.array(central) / math.fsum(central)
    return _stream(f"weights:{seed}").dirichlet(CONCENTRATION * share, size=draws)


def _noise(own: Mapping[str, Interval], criterion: str, anchors: Mapping[str, Anchor], draws: int, seed: int) -> Floats:
    """Standard normal numbers for one figure, seeded by the worth of everything measured: names and units do not matter."""
    worth = {c: [round(value(anchors[c], end), 9) for end in measured[:3]] for c, measured in own.items() if c in anchors}
    return _stream(f"{seed}:{criterion}:{sorted(worth.items())}").standard_normal(draws)


def _stream(key: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big"))


def _levels(measured: Interval, z: Floats) -> Floats:
    up, down = (measured.high - measured.mid) / Z95, (measured.mid - measured.low) / Z95
    return measured.mid + z * np.where(z > 0, up, down)


def _values(anchor: Anchor, levels: Floats) -> Floats:
    if anchor.scale == "log":
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.log(np.maximum(levels, 1e-300) / anchor.worst) / math.log(anchor.best / anchor.worst)
    else:
        share = (levels - anchor.worst) / (anchor.best - anchor.worst)
    return np.clip(share, 0.0, 1.0)


def _correlated(
    measured: Sequence[Interval | None], noise: Sequence[Floats], names: Sequence[str], gaps: Mapping[tuple[str, str], Interval]
) -> list[Floats]:
    """Give the quality draws the correlation that the paired differences show: var(a - b) = var a + var b - 2 cov(a, b).

    The symmetric square root is used because it does not depend on the order of the approaches.
    """
    sd = np.array([(m.high - m.low) / 2 / Z95 if m else 0.0 for m in measured])
    correlation = np.eye(len(names))
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            gap = gaps.get((a, b)) or gaps.get((b, a))
            if i != j and gap is not None and sd[i] > 0 and sd[j] > 0:
                spread = (gap.high - gap.low) / 2 / Z95
                correlation[i, j] = np.clip((sd[i] ** 2 + sd[j] ** 2 - spread**2) / (2 * sd[i] * sd[j]), -1.0, 1.0)
    if np.array_equal(correlation, np.eye(len(names))):
        return list(noise)
    levels, axes = np.linalg.eigh(correlation)
    root = axes @ np.diag(np.sqrt(np.clip(levels, 0.0, None))) @ axes.T
    # Clipped negative eigenvalues make variances too large: bring each back to 1.
    root /= np.sqrt((root**2).sum(axis=1, keepdims=True))
    return list(root @ np.stack(noise))
