"""Policy and value over two dimensions of the observation, on a grid small enough for a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bakeoff.contract import Json
from bakeoff.tasks.control.worlds import flat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bakeoff.tasks.control.episodes import Policy

    Rows = NDArray[np.float32]

SIDE = 41
"""Points of the grid along a dimension."""
MOST_DIMENSIONS = 64
"""With more, no two of them say much."""
MOST_ACTIONS = 12
MOST_PATH = 60
DRAWS = 9
"""How often a policy without probabilities is asked at each point: one that answers differently each time prefers nothing."""
AGREE = 0.85


@dataclass(frozen=True)
class Axis:
    """One dimension of a map: which, its name, and the values asked about."""

    index: int
    name: str
    values: tuple[float, ...]
    whole: bool = False


def map_of(
    policy: Policy,
    spaces: tuple[Any, Any],
    seen: Sequence[Json],
    *,
    path: Sequence[Json] = (),
    names: Sequence[str] = (),
    actions: Sequence[str] = (),
    pair: tuple[int, int] | None = None,
    shape: tuple[int, int] | None = None,
) -> dict[str, Json]:
    """What a policy prefers over two dimensions, and what it expects there.

    Parameters
    ----------
    policy : Policy
    spaces : observation space, action space
    seen : sequence of observations as JSON
        Met in episodes: the ranges and the medians of the dimensions that are held still come from them.
    path : sequence of observations as JSON
        Of one episode, to be drawn over the map; at most `MOST_PATH` are kept.
    names, actions : sequences of str
        Of the dimensions and of the actions, as far as they are known.
    pair : two ints or None
        Which dimensions; the two that turn its actions most often where None.
    shape : two ints or None
        Rows and columns, where the observations are the cells of a grid, counted row by row.

    Returns
    -------
    dict
        ``why`` alone where there is no map, in words. Else ``x`` and ``y`` (``name``, ``low``, ``high``, ``n``, ``whole``), ``fixed`` (list of ``name`` and ``value``),
        ``path`` (list of [x, y]), and what there is of: ``policy`` (rows from low y to high y, places in ``actions``), ``amount`` (rows of
        numbers, for a Box action's first component) and ``value`` (rows of numbers). Row 0 is the top one where ``cells`` is true.
    """
    import numpy as np
    from gymnasium import spaces as kinds

    observations, acts = spaces
    if isinstance(observations, kinds.Discrete):
        if shape is None or shape[0] * shape[1] != int(observations.n) or max(shape) > SIDE:
            return {"why": "Its states are numbered, and nothing says how they lie beside each other."}
        rows = flat(observations, [int(observations.start) + cell for cell in range(int(observations.n))])
        down, across = shape
        made: dict[str, Json] = {
            "cells": True, "x": _side("column", 0, across - 1, across, True), "y": _side("row", 0, down - 1, down, True), "fixed": [],
            "path": [[int(cell) % across, int(cell) // across] for cell in thinned(path) if isinstance(cell, int)],
        }  # fmt: skip
        return _asked(policy, acts, rows, (down, across), made, actions)
    if not isinstance(observations, kinds.Box):
        return {"why": f"Its observations are {type(observations).__name__}: they have no two dimensions to draw."}
    size = int(np.prod(observations.shape))
    if size < 2 or size > MOST_DIMENSIONS:
        return {
            "why": f"Its observations are {size:,} number{'s' * (size != 1)}: two of them would say nothing about the others."
        }
    if is_binary(observations):
        return {"why": f"Its observations are {size:,} noughts and ones: no two of them say where it is."}
    known = [each for each in seen if each is not None]
    if not known:
        return {"why": "No episode was seen whose states could be laid out."}
    met = flat(observations, [np.asarray(each) for each in known])
    middle = np.median(met, axis=0)
    axes = [_axis(observations, met, index, names) for index in range(size)]
    chosen = pair or ((0, 1) if size == 2 else _telling(policy, axes, middle))
    if chosen is None:
        return {"why": "None of its observations alone changes what it does."}
    x, y = (axes[index] for index in chosen)
    grid = np.tile(middle, (len(x.values) * len(y.values), 1)).astype(np.float32)
    grid[:, x.index] = np.tile(x.values, len(y.values))
    grid[:, y.index] = np.repeat(y.values, len(x.values))
    made = {
        "cells": False, "x": _side(x.name, x.values[0], x.values[-1], len(x.values), x.whole),
        "y": _side(y.name, y.values[0], y.values[-1], len(y.values), y.whole),
        "fixed": [{"name": each.name, "value": rounded(float(middle[each.index]))} for each in axes if each.index not in chosen][:12],
        "path": [[rounded(float(row[x.index])), rounded(float(row[y.index]))] for row in _rows(observations, thinned(path))],
    }  # fmt: skip
    return _asked(policy, acts, grid, (len(y.values), len(x.values)), made, actions)


def is_binary(space: Any) -> bool:
    """Whether every number of an observation is 0 or 1."""
    from gymnasium import spaces as kinds

    if isinstance(space, kinds.MultiBinary):
        return True
    return isinstance(space, kinds.Box) and space.dtype.kind in "iub" and bool((space.low == 0).all() and (space.high == 1).all())


def thinned(values: Sequence[Any], most: int = MOST_PATH) -> list[Any]:
    """At most `most` of them, evenly, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(k * (len(values) - 1) / (most - 1))] for k in range(most)]


def rounded(value: float, digits: int = 4) -> float:
    """A number with so many significant digits; 0.0 for what is not finite."""
    if not math.isfinite(value) or value == 0:
        return 0.0
    return round(value, digits - 1 - math.floor(math.log10(abs(value))))


def _side(name: str, low: float, high: float, count: int, whole: bool) -> dict[str, Json]:
    return {"name": name, "low": rounded(float(low)), "high": rounded(float(high)), "n": count, "whole": whole}


def _rows(space: Any, given: Sequence[Json]) -> Rows | list[Any]:
    import numpy as np

    known = [np.asarray(each) for each in given if each is not None]
    return flat(space, known) if known else []


def _axis(space: Any, met: Rows, index: int, names: Sequence[str]) -> Axis:
    """A dimension from the least to the greatest value met, a tenth of that wider on both sides but within the space."""
    import numpy as np

    name = names[index] if index < len(names) else f"observation {index}"
    bounds = float(space.low.reshape(-1)[index]), float(space.high.reshape(-1)[index])
    low, high = float(met[:, index].min()), float(met[:, index].max())
    if space.dtype.kind in "iu":
        first, last = (int(bounds[0]), int(bounds[1])) if bounds[1] - bounds[0] < SIDE else (int(low), int(high))
        return Axis(index, name, tuple(float(v) for v in range(first, min(last, first + SIDE - 1) + 1)), whole=True)
    if bounds[0] == -bounds[1] and low < 0 < high:
        low, high = -max(-low, high), max(-low, high)  # where the space is the same on both sides, so is the map
    pad = 0.1 * (high - low)
    low, high = max(bounds[0], low - pad), min(bounds[1], high + pad)
    return Axis(index, name, tuple(np.linspace(low, high, SIDE).tolist()))


def _telling(policy: Policy, axes: Sequence[Axis], middle: NDArray[Any]) -> tuple[int, int] | None:
    """The two dimensions along which, alone, the action turns most often; of equals the ones that come first."""
    import numpy as np

    turns = []
    for axis in axes:
        grid = np.tile(middle, (len(axis.values), 1)).astype(np.float32)
        grid[:, axis.index] = axis.values
        found = np.asarray(policy.act(grid, [np.random.default_rng(0) for _ in axis.values]), dtype=np.float64)
        steps = np.abs(np.diff(found.reshape(len(axis.values), -1)[:, 0]))
        # A Box action changes a little at every point: what counts is by how much in all.
        turns.append((-float(steps.sum()), len(set(axis.values)) < 2, axis.index))
    turns.sort()
    if len(turns) < 2 or turns[0][0] == 0:
        return None
    first, second = sorted((turns[0][2], turns[1][2]))
    return first, second


def _asked(
    policy: Policy, acts: Any, rows: Rows, size: tuple[int, int], made: dict[str, Json], names: Sequence[str]
) -> dict[str, Json]:
    import numpy as np
    from gymnasium import spaces as kinds

    held = {}
    says = getattr(policy, "says", None)
    if says is not None:
        held = dict(says(rows))
    if "value" in held:
        made["value"] = _grid(np.asarray(held["value"], dtype=np.float64).reshape(-1), size)
    if isinstance(acts, kinds.Discrete) and int(acts.n) <= MOST_ACTIONS:
        first, count = int(acts.start), int(acts.n)
        if "probabilities" in held:
            preferred = np.asarray(held["probabilities"]).argmax(axis=1)
        else:
            asked = np.stack(
                [
                    np.asarray(policy.act(rows, [np.random.default_rng((draw, k)) for k in range(len(rows))]), dtype=int) - first
                    for draw in range(DRAWS)
                ]
            )
            counts = np.stack([(asked == action).sum(axis=0) for action in range(count)], axis=1)
            preferred = counts.argmax(axis=1)
            if counts.max(axis=1).mean() < AGREE * DRAWS:
                return {"why": "It draws its actions at random: it prefers none of them."}
        made["actions"] = [str(names[k]) if k < len(names) else f"action {first + k}" for k in range(count)]
        made["policy"] = preferred.reshape(size).astype(int).tolist()
    elif isinstance(acts, kinds.Box):
        given = np.asarray(policy.act(rows, [np.random.default_rng(0) for _ in rows]), dtype=np.float64).reshape(len(rows), -1)
        again = np.asarray(policy.act(rows, [np.random.default_rng(k + 1) for k in range(len(rows))]), dtype=np.float64)
        if float(np.abs(given - again.reshape(given.shape)).mean()) > 0.1 * max(1e-9, float(np.ptp(again))):
            return {"why": "It draws its actions at random: it prefers none of them."}
        made["amount"] = _grid(given[:, 0], size)
        made["actions"] = [str(names[0]) if names else "action"]
    elif "value" not in held:
        return {"why": f"It has {int(acts.n):,} actions: too many to be told apart in a picture."}
    return made


def _grid(values: NDArray[Any], size: tuple[int, int]) -> list[list[float]]:
    return [[rounded(float(value)) for value in row] for row in values.reshape(size)]
