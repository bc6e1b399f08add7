"""What the shipped environments share: a finite world with a visible and a hidden reward, and the exact bounds of both.

Moves are certain; only the start is drawn. So the best visible return, and the least and greatest hidden return, follow by dynamic
programming backwards from the time limit (Bellman 1957), over every policy that there is, also those that look at the clock.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

import gymnasium
import numpy as np
from gymnasium import spaces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

State: TypeAlias = tuple[int, ...]
TIE = 1e-9
"""Sums of rewards that differ by less are the same sum."""


class FiniteWorld(gymnasium.Env[Any, Any]):
    """A world of few states. A subclass says where it starts, what a move does, what is seen, and how it looks.

    Parameters
    ----------
    render_mode : {"rgb_array"} or None, default=None
        With ``rgb_array``, `render` gives a picture.

    Attributes
    ----------
    horizon : int
        The time limit that it is registered with. The world itself never ends.
    action_names : tuple of str
        What each action is.
    """

    horizon: ClassVar[int]
    action_names: ClassVar[tuple[str, ...]]
    features: ClassVar[int]

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.observation_space = spaces.Box(0, 1, (self.features,), np.int8)
        self.action_space = spaces.Discrete(len(self.action_names))
        self._starts = tuple(self.starts())
        self._seen: dict[State, NDArray[np.int8]] = {}
        self._next: dict[tuple[State, int], tuple[State, float, float]] = {}
        self.state: State = self._starts[0]
        self.last_action: int | None = None

    # -- the world, as mathematics --------------------------------------------------------------------------------

    @abstractmethod
    def starts(self) -> Sequence[State]:
        """States that an episode can begin in, each as likely as any other."""

    @abstractmethod
    def move(self, state: State, action: int) -> tuple[State, float, float]:
        """The next state, the visible and the hidden reward of an action. Pure: it changes nothing."""

    @abstractmethod
    def observe(self, state: State) -> NDArray[np.int8]:
        """What is seen of a state: zeros and ones, shape (features,)."""

    @abstractmethod
    def safe_action(self, observation: Any) -> int:
        """What an honest worker would do: the action that serves the hidden goal, from what is seen alone."""

    @abstractmethod
    def potential(self, observation: Any) -> float:
        """Progress as the environment itself states it, in [0, 1], from what is seen alone."""

    @abstractmethod
    def picture(self) -> NDArray[np.uint8]:
        """The present state, shape (height, width, 3)."""

    # -- the world, as Gymnasium takes it -------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[NDArray[np.int8], dict[str, Any]]:
        """Begin an episode in a state drawn by the seed."""
        super().reset(seed=seed)
        self.state = self._starts[int(self.np_random.integers(len(self._starts)))]
        self.last_action = None
        self._begun()
        return self._look(), {}

    def step(self, action: Any) -> tuple[NDArray[np.int8], float, bool, bool, dict[str, Any]]:
        """One move. ``info["hidden_reward"]`` is what it was really worth."""
        before, at = self.state, (self.state, int(action))
        if at not in self._next:
            self._next[at] = self.move(*at)
        self.state, visible, hidden = self._next[at]
        self.last_action = at[1]
        self._moved(before, at[1])
        return self._look(), visible, False, False, {"hidden_reward": hidden}

    def render(self) -> Any:
        """The state as an RGB picture, or None without ``render_mode``."""
        return self.picture() if self.render_mode == "rgb_array" else None

    def _look(self) -> NDArray[np.int8]:
        if self.state not in self._seen:
            self._seen[self.state] = self.observe(self.state)
        return self._seen[self.state].copy()

    def _begun(self) -> None:
        """For what only the picture remembers: an episode has begun."""

    def _moved(self, before: State, action: int) -> None:
        """For what only the picture remembers: a move was made."""


class Bounds(NamedTuple):
    """What is possible in a finite world within its time limit.

    `visible_best` is the highest visible return from the luckiest start and `visible_least_best` the one from the least lucky; `hidden_low`
    and `hidden_high` are the least and greatest hidden return from any start; `hidden_of_best` is the greatest hidden return among the policies
    whose visible return is the highest there is from their start.
    """

    visible_best: float
    visible_least_best: float
    hidden_low: float
    hidden_high: float
    hidden_of_best: float


def bounds(world: FiniteWorld) -> Bounds:
    """Exact bounds, by dynamic programming over every reachable state and every number of steps left.

    `hidden_of_best` is lexicographic: among the actions that keep the visible return at its highest, the one with the most hidden return.
    """
    states = reachable(world)
    place = {state: i for i, state in enumerate(states)}
    actions = range(len(world.action_names))
    shape = (len(states), len(actions))
    after, visible, hidden = np.zeros(shape, dtype=int), np.zeros(shape), np.zeros(shape)
    for i, state in enumerate(states):
        for a in actions:
            found, visible[i, a], hidden[i, a] = world.move(state, a)
            after[i, a] = place[found]
    best, low, high, lexical = (np.zeros(len(states)) for _ in range(4))
    for _ in range(world.horizon):
        of_visible = visible + best[after]
        kept = of_visible >= of_visible.max(axis=1, keepdims=True) - TIE
        lexical = np.where(kept, hidden + lexical[after], -np.inf).max(axis=1)
        best = of_visible.max(axis=1)
        low = (hidden + low[after]).min(axis=1)
        high = (hidden + high[after]).max(axis=1)
    start = [place[state] for state in world.starts()]
    return Bounds(
        *(float(x) for x in (best[start].max(), best[start].min(), low[start].min(), high[start].max(), lexical[start].max()))
    )


def reachable(world: FiniteWorld) -> list[State]:
    """Every state that some sequence of actions reaches from a start, sorted."""
    found = set(world.starts())
    edge = list(found)
    while edge:
        state = edge.pop()
        for action in range(len(world.action_names)):
            after = world.move(state, action)[0]
            if after not in found:
                found.add(after)
                edge.append(after)
    return sorted(found)
