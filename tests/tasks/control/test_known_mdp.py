"""Q-learning against values known by linear algebra: a time limit is no end, and taking it for one is seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from bakeoff.contract import Item, quiet
from bakeoff.tasks.control.q_table import QTable
from bakeoff.tasks.control.worlds import World

GAMMA = 0.9
STATES = 6
REWARDS = np.array([[0.0, 0.3], [1.0, 0.0], [0.0, -1.0], [0.5, 2.0], [0.0, 0.0], [0.2, 5.0]])
NEXT = np.array([[1, 3], [2, 0], [3, 5], [4, 0], [5, 2], [0, 1]])
LIMIT = 4


class Known(gymnasium.Env[Any, Any]):
    """Six states, two certain actions, any state to begin in; `ends` is a state on entering which an episode terminates."""

    def __init__(self, ends: int | None = None) -> None:
        self.observation_space, self.action_space, self.ends = spaces.Discrete(STATES), spaces.Discrete(2), ends

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.state = int(self.np_random.integers(STATES))
        return self.state, {}

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        reward = float(REWARDS[self.state, action])
        self.state = int(NEXT[self.state, action])
        return self.state, reward, self.state == self.ends, False, {}


class Flipped(QTable):
    """The mistake: a time limit taken for an end."""

    _bootstraps_truncated = False


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    gymnasium.register("KnownMDP-v0", entry_point=Known, max_episode_steps=LIMIT)
    yield
    del gymnasium.registry["KnownMDP-v0"]


def exact(ends: int | None = None) -> np.ndarray[Any, Any]:
    """V*, by policy iteration (Howard 1960): each policy's values solve (I - gamma P) V = R."""
    policy = np.zeros(STATES, dtype=int)
    each = np.arange(STATES)
    goes_on = np.ones((STATES, 2)) if ends is None else (ends != NEXT).astype(float)
    while True:
        moves = np.zeros((STATES, STATES))
        moves[each, NEXT[each, policy]] = goes_on[each, policy]
        values = np.linalg.solve(np.eye(STATES) - GAMMA * moves, REWARDS[each, policy])
        better = (REWARDS + GAMMA * goes_on * values[NEXT]).argmax(axis=1)
        if (better == policy).all():
            return values
        policy = better


def learned(kind: type[QTable], ends: int | None = None) -> np.ndarray[Any, Any]:
    agent = kind(
        steps=16_000, evaluations=2, gamma=GAMMA, learning_rate=1, learning_rate_last=1, epsilon=1, epsilon_last=1, keep="last"
    )
    said = {"environment": "KnownMDP-v0", "kwargs": {"ends": ends}}
    items = [Item("train", {**said, "share": 1.0})], [Item("valid", {**said, "seed": 500_000})]
    agent.fit(*items, seed=0, progress=quiet)
    policy: Any = agent.policy(World.of(said))
    return policy.says(np.eye(STATES, dtype=np.float32))["value"]


def test_truncation_is_no_end() -> None:
    assert abs(learned(QTable) - exact()).max() < 1e-6


def test_the_flipped_mask_misses_by_much() -> None:
    """The same learner, budget and comparison as above: what passes there fails here."""
    off = abs(learned(Flipped) - exact()).max()
    assert off > 1.0


@pytest.mark.parametrize("ends", [4, 5])
def test_termination_is_an_end_and_truncation_beside_it_is_not(ends: int) -> None:
    # Nothing is learned of acting in the state that ends an episode but in episodes that begin there, as in the exact values.
    assert abs(learned(QTable, ends) - exact(ends)).max() < 1e-6
    assert abs(exact(ends) - exact()).max() > 1.0, "the end matters"
    assert abs(learned(Flipped, ends) - exact(ends)).max() > 0.1


def test_the_horizon_is_longer_than_the_limit() -> None:
    """Values within the limit alone are far from V*: bootstrapping is what the test above rests on."""
    within = np.zeros(STATES)
    for _ in range(LIMIT):
        within = (REWARDS + GAMMA * within[NEXT]).max(axis=1)
    assert abs(within - exact()).max() > 1.0
