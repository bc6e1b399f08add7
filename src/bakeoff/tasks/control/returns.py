"""From answers to a table of returns: what each agent got in each test episode, and one scale for agents of several worlds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.contract import Answer, Dataset, Item
from bakeoff.tasks.control.worlds import World

Floats = NDArray[np.float64]
RANDOM = ("control/random", "random")


@dataclass
class Returns:
    """One approach: the returns of its agents.

    Parameters
    ----------
    seeds, failed : list of int
        With at least one answer, and without.
    visible, hidden : dict of world's key to array of shape (n_seeds, n_episodes)
        NaN where an episode gave none.
    errors, episodes : int
        Test episodes without and with a return.
    """

    seeds: list[int]
    failed: list[int]
    visible: dict[str, Floats] = field(default_factory=dict)
    hidden: dict[str, Floats] = field(default_factory=dict)
    errors: int = 0
    episodes: int = 0

    def means(self, key: str, *, hidden: bool = False) -> Floats:
        """Mean return of each agent in a world, shape (n_seeds,); NaN for one without an episode there."""
        table = (self.hidden if hidden else self.visible)[key]
        seen = ~np.isnan(table)
        counts = seen.sum(1)
        return np.where(counts > 0, np.where(seen, table, 0.0).sum(1) / np.maximum(counts, 1), np.nan)

    @property
    def same(self) -> bool:
        """Two or more seeds, and no episode of any differs from the first one's."""
        tables = [*self.visible.values(), *self.hidden.values()]
        return len(self.seeds) > 1 and all(
            np.array_equal(each, np.broadcast_to(each[:1], each.shape), equal_nan=True) for each in tables
        )


def worlds_of(dataset: Dataset, items: Sequence[Item]) -> dict[str, list[int]]:
    """Places in `items` of the test episodes of each world, in the order of `facts["worlds"]`; worlds without any are left out."""
    found: dict[str, list[int]] = {str(key): [] for key in dataset.facts.get("worlds") or {}}
    for place, item in enumerate(items):
        given = item.input
        if isinstance(given, Mapping) and "environment" in given and "seed" in given and "observation" not in given:
            key = World.of(given).key
            if key in found:
                found[key].append(place)
    return {key: places for key, places in found.items() if places}


def read_returns(
    places: Mapping[str, Sequence[int]], answers: Mapping[str, Mapping[int, Sequence[Answer]]], seeds: Sequence[int]
) -> dict[str, Returns]:
    """The returns of each approach; `seeds` are those that should have answered. What is not a finite number is an error."""
    every = [place for some in places.values() for place in some]
    longest = max(every, default=-1) + 1
    found = {}
    for name, by_seed in answers.items():
        kept = [
            seed
            for seed in sorted(by_seed)
            if len(by_seed[seed]) >= longest and any(_visible(by_seed[seed][place]) is not None for place in every)
        ]
        table = Returns(kept, [seed for seed in seeds if seed not in kept])
        for key, some in places.items():
            table.visible[key] = _table([[_visible(by_seed[seed][place]) for place in some] for seed in kept], len(some))
            table.hidden[key] = _table([[_hidden(by_seed[seed][place]) for place in some] for seed in kept], len(some))
            got = int((~np.isnan(table.visible[key])).sum())
            table.episodes += got
            table.errors += table.visible[key].size - got
        found[name] = table
    return found


def _table(rows: list[list[float | None]], width: int) -> Floats:
    return np.asarray([[math.nan if each is None else each for each in row] for row in rows], dtype=float).reshape(
        len(rows), width
    )


def number(value: Any) -> float | None:
    """A finite number as a float; None for anything else."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        return None
    return float(value) if math.isfinite(value) else None


def _visible(answer: Answer) -> float | None:
    return number(answer.value) if answer.answered else None


def _hidden(answer: Answer) -> float | None:
    return number(answer.details.get("hidden")) if answer.answered else None


@dataclass(frozen=True)
class Scale:
    """How returns of several worlds become scores: per key the returns that score 0 and 1; empty where a score is the return."""

    kind: str
    says: str
    ends: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def scored(self, key: str, returns: Floats) -> Floats:
        """Returns as scores, any shape."""
        if key not in self.ends:
            return returns
        zero, one = self.ends[key]
        return (returns - zero) / (one - zero) if one > zero else np.where(np.isnan(returns), np.nan, 0.0)


def scale_of(facts: Mapping[str, Mapping[str, Any]], tables: Mapping[str, Returns], keys: Sequence[str]) -> Scale:
    """The scale of a study: plain returns of one world, else shares of the stated best, else of the observed range."""
    if len(keys) <= 1:
        return Scale("return", "A score is the mean return over test episodes.")
    stated = {key: number(facts[key].get("visible_best")) or 0.0 for key in keys}
    if all(each > 0 for each in stated.values()):
        ends = {key: (0.0, one) for key, one in stated.items()}
        return Scale(
            "stated", "A score is the mean return as a share of the best that the environment states; worlds count alike.", ends
        )
    floor = next((name for name in tables if name in RANDOM), None)
    ends = {}
    for key in keys:
        means = [each.means(key) for each in tables.values()]
        every = np.concatenate(means) if means else np.zeros(0)
        every = every[~np.isnan(every)]
        if not len(every):
            continue
        zero = tables[floor].means(key) if floor is not None else every
        zero = zero[~np.isnan(zero)]
        low = float(zero.mean() if floor is not None and len(zero) else every.min())
        ends[key] = (low, float(every.max()))
    says = "what acting at random gets" if floor is not None else "the lowest agent's return"
    return Scale("observed", f"A score is 0 at {says} and 1 at the highest agent's, in each world; worlds count alike.", ends)
