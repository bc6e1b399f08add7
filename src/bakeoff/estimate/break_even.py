"""At which daily volumes two approaches change places in cost.

A daily cost rises in steps (machines) and along a line (paid answers), so two of them can cross many
times: a line that climbs through a staircase crosses it once per step. Every crossing is found, on the
exact pieces between steps, and each gets an interval by redrawing the measured throughputs and prices.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from dataclasses import dataclass

import numpy as np

from bakeoff.contract import Interval
from bakeoff.estimate.cost import DailyCost, Floats

TIE = 0.01
"""Costs that differ by less than this share are called the same."""
MOST_REPLICAS = 1000
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Crossing:
    """One volume (items per day) at which the cheaper of two approaches changes.

    `below` and `above` name the cheaper one on either side; `below` is '' where the two cost the same from
    the smallest volume on. `found` is the share of redraws in which there is such a crossing.
    """

    volume: Interval
    below: str
    above: str
    found: float = 1.0


@dataclass(frozen=True)
class BreakEvens:
    """Crossings of two daily costs for volumes in (0, `up_to`], smallest first, and the cheaper one at the smallest volume ('' for a tie).

    `more` counts further crossings that were found and are not listed.
    """

    a: str
    b: str
    up_to: float
    crossings: tuple[Crossing, ...]
    cheaper: str
    more: int = 0


def break_evens(a: DailyCost, b: DailyCost, *, up_to: float, most: int = 20, draws: int = 200, seed: int = 0) -> BreakEvens:
    """Find every volume at which the cheaper of `a` and `b` changes.

    Parameters
    ----------
    up_to : float, items per day
        Largest volume looked at; lowered to where one of them would need 1,000 machines.
    most : int, default=20
        How many crossings to list; the others are counted.
    draws : int, default=200
        Redraws of throughput and price for the intervals. Each approach has its own stream, seeded by
        `seed` and its name, so that the order of `a` and `b` does not matter.
    """
    up_to = min([up_to, *(MOST_REPLICAS * cost.capacity() for cost in (a, b))])
    first, found = _crossings(a, b, up_to, _mids(a), _mids(b))
    redrawn = (
        [_crossings(a, b, up_to, x, y)[1] for x, y in zip(_draws(a, draws, seed), _draws(b, draws, seed), strict=True)]
        if found
        else []
    )
    n = min(cost.items_per_second.n if cost.items_per_second else cost.usd_per_item.n for cost in (a, b))
    crossings = []
    for volume, below, above in found[:most]:
        near = [_nearest(volume, below, above, others[: 4 * most]) for others in redrawn]
        there = [value for value in near if value is not None]
        low, high = np.quantile(there, [0.025, 0.975]) if there else (volume, volume)
        interval = Interval(volume, min(volume, float(low)), max(volume, float(high)), n)
        crossings.append(Crossing(interval, below, above, len(there) / len(near) if near else 1.0))
    return BreakEvens(a.name, b.name, up_to, tuple(crossings), first, max(0, len(found) - most))


def _crossings(
    a: DailyCost, b: DailyCost, up_to: float, x: tuple[float, float], y: tuple[float, float]
) -> tuple[str, list[tuple[float, str, str]]]:
    """The cheaper one at the smallest volume, and (volume, cheaper below, cheaper above) of every change."""
    knots = np.unique(np.concatenate([[0.0, up_to], _steps(a, up_to, x[0]), _steps(b, up_to, y[0])]))
    left, right = knots[:-1], knots[1:]
    inside = (left + right) / 2
    intercept_a, slope_a = a.lines(inside, *x)
    intercept_b, slope_b = b.lines(inside, *y)
    # Each piece between steps is a line; its two ends are laid one after the other: left, right, left, right ...
    at = np.stack([left, right], axis=1).ravel()
    cost_a = np.stack([intercept_a + slope_a * left, intercept_a + slope_a * right], axis=1).ravel()
    cost_b = np.stack([intercept_b + slope_b * left, intercept_b + slope_b * right], axis=1).ravel()
    gap = cost_a - cost_b
    state = np.where(np.abs(gap) <= TIE * np.maximum(cost_a, cost_b), 0, np.sign(gap)).astype(int)
    told = np.flatnonzero(state)
    cheaper = {1: b.name, -1: a.name, 0: ""}
    if told.size == 0:
        return "", []
    found: list[tuple[float, str, str]] = []
    start = int(told[0])
    if start > 0:
        begins = _leaves_tie(at, cost_a, cost_b, start) if start % 2 else float(at[start])
        if begins > 0:
            found.append((begins, "", cheaper[int(state[start])]))
    for i, j in itertools.pairwise(told):
        if state[i] != state[j]:
            found.append((_zero(at, gap, int(i), int(j)), cheaper[int(state[i])], cheaper[int(state[j])]))
    return (found[0][1] if found else cheaper[int(state[start])]), found


def _zero(at: Floats, gap: Floats, i: int, j: int) -> float:
    """Where `gap` last changes sign between points i and j: a root inside a piece, or the step itself."""
    signs = np.sign(gap[i : j + 1])
    k = i + int(np.flatnonzero(signs[:-1] != signs[1:])[-1])
    if k % 2:
        return float(at[k])
    return float(at[k] + (at[k + 1] - at[k]) * gap[k] / (gap[k] - gap[k + 1]))


def _leaves_tie(at: Floats, cost_a: Floats, cost_b: Floats, right: int) -> float:
    """Where, inside the piece that ends at point `right`, the cheaper one is first cheaper by more than a tie."""
    dear, cheap = (cost_a, cost_b) if cost_a[right] > cost_b[right] else (cost_b, cost_a)
    over = (1 - TIE) * dear - cheap
    left = right - 1
    rise = over[right] - over[left]
    return float(at[left] + (at[right] - at[left]) * min(1.0, max(0.0, -over[left] / rise if rise > 0 else 0.0)))


def _steps(cost: DailyCost, up_to: float, items_per_second: float) -> Floats:
    capacity = cost.capacity(items_per_second)
    if not math.isfinite(capacity) or cost.usd_per_replica_day == 0:
        return np.empty(0)
    return capacity * np.arange(1, min(4 * MOST_REPLICAS, math.ceil(up_to / capacity)), dtype=float)


def _mids(cost: DailyCost) -> tuple[float, float]:
    return (cost.items_per_second.mid if cost.items_per_second else math.inf), cost.usd_per_item.mid


def _draws(cost: DailyCost, draws: int, seed: int) -> list[tuple[float, float]]:
    """Redraws of (items per second, US dollars per item), log-normal on either side of the measured middle."""
    key = hashlib.sha256(f"{seed}:{cost.name}".encode()).digest()
    z = np.random.default_rng(int.from_bytes(key[:8], "big")).standard_normal((2, draws))
    rates = _scaled(cost.items_per_second, z[0]) if cost.items_per_second else np.full(draws, math.inf)
    return list(zip(rates.tolist(), _scaled(cost.usd_per_item, z[1]).tolist(), strict=True))


def _scaled(measured: Interval, z: Floats) -> Floats:
    if measured.mid <= 0:
        return np.full(z.shape, measured.mid)
    up = math.log(max(measured.high, measured.mid) / measured.mid) / Z95
    down = math.log(measured.mid / max(min(measured.low, measured.mid), measured.mid * 1e-3)) / Z95
    return measured.mid * np.exp(np.where(z > 0, up, down) * z)


def _nearest(volume: float, below: str, above: str, others: list[tuple[float, str, str]]) -> float | None:
    same = [v for v, b, t in others if (b, t) == (below, above)]
    return min(same, key=lambda v: abs(math.log(max(v, 1e-9) / max(volume, 1e-9))), default=None)
