"""A small environment that can do wrong what environments do wrong, each by one keyword. Named by entry point: ``odd_worlds:Odd``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from bakeoff.contract import Dataset, Item, Splits, quiet
from bakeoff.tasks.control.task import ControlTask
from bakeoff.tasks.control.worlds import World

HERE = Path(__file__).parent
NAME = "odd_worlds:Odd"


class Odd(gymnasium.Env[Any, Any]):
    """A place on a line, moved left or right and shaken. Out of reach (beyond 1) the episode terminates; after `length` steps it is cut off.

    `wrong` is what it does wrong at step `at` (0 is the reset), in every episode or only in that of seed `only`.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}

    def __init__(
        self, wrong: str = "", at: int = 3, only: int | None = None, length: int = 20, hidden: bool = False,
        best: float | None = None, span: Sequence[float] | None = None, actions: str = "discrete", seconds: float = 0.5,
        render_mode: str | None = None,
    ) -> None:  # fmt: skip
        self.wrong, self.at, self.only, self.length, self.hidden, self.seconds = wrong, at, only, length, hidden, seconds
        self.render_mode = render_mode
        self.observation_space: Any = spaces.Box(-2, 2, (2,), np.float32)
        self.action_space: Any = {
            "discrete": spaces.Discrete(2), "later": spaces.Discrete(3, start=5), "box": spaces.Box(-1, 1, (1,), np.float32),
            "multi": spaces.MultiDiscrete([2, 2]),
        }[actions]  # fmt: skip
        self.metadata = dict(type(self).metadata)
        if best is not None:
            self.metadata["visible_best"] = best
        if span is not None:
            self.metadata["hidden_range"] = tuple(span)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.seeded, self.count = seed, 0
        self.place = 0.0 if self.wrong == "same" else float(self.np_random.uniform(-0.5, 0.5))
        if self._now("raises"):
            raise ValueError("the sea is\nrough")
        if self._now("hangs"):
            time.sleep(self.seconds)
        if self._now("bare"):
            return self._seen()
        if self.wrong == "global":
            self.place = float(np.random.random())
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        if self._now("raises"):
            raise ZeroDivisionError("the boat sank")
        if self._now("hangs"):
            time.sleep(self.seconds)
        first = float(np.asarray(action).reshape(-1)[0])
        shaken = 0.0 if self.wrong == "same" else float(self.np_random.normal(0, 0.05))
        self.place = float(np.clip(self.place + 0.1 * (1 if first in (1, 6) else -1) + shaken, -2, 2))
        terminated, truncated = abs(self.place) > 1, self.count >= self.length
        if self.wrong == "clock":
            terminated, truncated = self.count >= self.length, False
        if self.wrong == "endless":
            terminated = truncated = False
        info = {"hidden_reward": -1.0} if self.hidden else {}
        reward = float("nan") if self._now("nan reward") else 1.0
        if self._now("four"):
            return self._seen(), reward, terminated, info
        if self._now("text"):
            return self._seen(), "much", terminated, truncated, info
        return self._seen(), reward, terminated, truncated, info

    def render(self) -> Any:
        return np.full((8, 12, 3), int(120 + 50 * self.place), np.uint8)

    def _now(self, wrong: str) -> bool:
        return self.wrong == wrong and self.count == self.at and self.only in (None, self.seeded)

    def _seen(self) -> Any:
        if self._now("outside"):
            return np.array([99.0, 0.0], np.float32)
        if self._now("nan observation"):
            return np.array([np.nan, 0.0], np.float32)
        return np.array([self.place, 0 if self.wrong == "same" else self.count / 50], np.float32)


NOT_AN_ENVIRONMENT = dict


def odd(max_steps: int | None = None, **kwargs: Any) -> World:
    """The environment above, as an item names it."""
    return World(NAME, kwargs, max_steps, str(HERE))


def loaded(data: dict[str, Any], base: Path = HERE, seeds: Sequence[int] = (0,)) -> tuple[Dataset, Splits, dict[str, Item]]:
    """A study's data as the bench sees it: data set, splits, items by id."""
    dataset = ControlTask().load(data, base=base)
    return dataset, ControlTask().split(dataset, data, seeds=seeds), {item.id: item for item in dataset.items}


def fitted(agent: Any, data: dict[str, Any], seed: int = 0, progress: Any = quiet) -> tuple[Any, list[Item]]:
    """An agent that has learned in these worlds, and the test items."""
    _, splits, items = loaded(data)
    train, valid, test = ([items[name] for name in names] for names in (splits.train[0], splits.valid[0], splits.test))
    return agent.fit(train, valid, seed=seed, progress=progress), test


def trained_on(world: World, agent: Any, seed: int = 0, valid: Sequence[int] = (500_000, 500_001)) -> Any:
    """An agent that has learned in one world, without the task's look at it first."""
    train = [Item("train-0", {**world.named(), "share": 1.0})]
    return agent.fit(train, [Item(f"v{each}", {**world.named(), "seed": each}) for each in valid], seed=seed, progress=quiet)
