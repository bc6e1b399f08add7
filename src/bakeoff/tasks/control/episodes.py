"""Playing episodes: many side by side with one policy, each from its own seed, alone or together with the same result."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from bakeoff.contract import Json
from bakeoff.tasks.control.worlds import Fault, Hang, World, features_of, flat, reset, step, watched

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Observations = NDArray[np.float32]

TOGETHER = 32
"""Episodes at once. It changes the speed, never the episodes: whatever a policy draws, it draws from the episode's own generator."""


MOST_NOTED = 512
"""Numbers of an observation that are noted step by step; of larger ones (pictures) the frames show more."""


class Policy(Protocol):
    """What an agent has learned: from observations to actions."""

    def act(self, observations: Observations, draws: Sequence[np.random.Generator]) -> Sequence[Any]:
        """Actions as the environment takes them, one for each row of `observations`, shape (n, features).

        `draws` holds a generator per row, for policies that choose at random; row i may draw only from ``draws[i]``.
        """
        ...


class Looks(Protocol):
    """A policy that can say more than what it would do."""

    def says(self, observations: Observations) -> Mapping[str, NDArray[Any]]:
        """``probabilities`` of shape (n, actions) and ``value`` of shape (n,), each only where the policy has it."""
        ...


@dataclass(frozen=True)
class Episode:
    """One episode.

    Parameters
    ----------
    seed : int
        Of the environment's reset, and of whatever the policy draws.
    total : float
        The visible return: the sum of rewards, undiscounted.
    length : int
        Steps.
    terminated : bool
        It ended by the environment's own rules; False where a time limit cut it off.
    hidden : float or None
        The hidden return, where the environment has one.
    steps : tuple of mapping
        What happened at each step, where it was asked for: ``observation`` (list), ``action``, ``reward``, ``next`` (list), and ``hidden`` (the hidden
        reward) where there is one.
    frames : tuple of arrays of shape (height, width, 3), uint8
        Where they were asked for: the state before each step, and the last one.
    """

    seed: int
    total: float
    length: int
    terminated: bool
    hidden: float | None = None
    steps: tuple[Mapping[str, Json], ...] = ()
    frames: tuple[Any, ...] = field(default=(), repr=False)


def play(world: World, policy: Policy, seeds: Sequence[int], *, together: int = TOGETHER) -> Iterator[Episode | Fault]:
    """An episode from each seed, in their order. A fault of the environment is the outcome of that episode alone.

    Parameters
    ----------
    world : World
    policy : Policy
    seeds : sequence of int
    together : int
        How many are played side by side.

    Raises
    ------
    BadData
        If the environment cannot be opened.
    """
    envs: list[Any] = []
    try:
        for start in range(0, len(seeds), together):
            some = seeds[start : start + together]
            while len(envs) < len(some):
                envs.append(world.open())
            yield from _side_by_side(envs, policy, some)
    finally:
        for env in envs:
            with contextlib.suppress(Exception):
                env.close()


def _side_by_side(envs: Sequence[Any], policy: Policy, seeds: Sequence[int]) -> list[Episode | Fault]:
    import numpy as np

    found: list[Episode | Fault | None] = [None] * len(seeds)
    totals, hidden = [0.0] * len(seeds), [0.0] * len(seeds)
    shows, lengths = [False] * len(seeds), [0] * len(seeds)
    draws = [np.random.default_rng(seed) for seed in seeds]
    now: dict[int, Any] = {}
    # A step that hangs costs half a minute, so the second one ends all episodes beside it too.
    hung = 0
    try:
        with watched() as alive:
            for i, seed in enumerate(seeds):
                alive()
                try:
                    now[i] = reset(envs[i], int(seed))[0]
                except Fault as fault:
                    found[i] = fault
                    hung += isinstance(fault, Hang)
                    if hung > 1:
                        raise
            while now:
                alive()
                running = list(now)
                rows = flat(envs[running[0]].observation_space, [now[i] for i in running])
                actions = policy.act(rows, [draws[i] for i in running])
                for i, action in zip(running, actions, strict=True):
                    try:
                        observation, reward, terminated, truncated, info = step(envs[i], action)
                    except Fault as fault:
                        found[i] = fault
                        del now[i]
                        hung += isinstance(fault, Hang)
                        if hung > 1:
                            raise
                        continue
                    totals[i] += reward
                    lengths[i] += 1
                    if "hidden_reward" in info:
                        shows[i] = True
                        hidden[i] += float(info["hidden_reward"])
                    if terminated or truncated:
                        found[i] = Episode(int(seeds[i]), totals[i], lengths[i], terminated, hidden[i] if shows[i] else None)
                        del now[i]
                    else:
                        now[i] = observation
    except Fault as fault:
        found = [fault if each is None else each for each in found]
    return [each for each in found if each is not None]


def filmed(world: World, policy: Policy, seed: int, *, most_steps: int, every: int = 1, render: bool = True) -> Episode:
    """One episode with what happened at each step, and a picture before every `every`-th step, at most `most_steps` steps of it.

    Observations of more than `MOST_NOTED` numbers are not noted: they are None in `steps`.

    Raises
    ------
    Fault
        If the environment fails, or cannot render.
    """
    import numpy as np

    env = world.open(render=render)
    draws = [np.random.default_rng(seed)]
    frames: list[Any] = []
    steps: list[dict[str, Json]] = []
    total = hidden = 0.0
    shows = terminated = False
    try:
        with watched() as alive:
            observation, _ = reset(env, seed)
            noted = features_of(env.observation_space) <= MOST_NOTED
            for count in range(most_steps):
                alive()
                if render and count % every == 0:
                    frames.append(_frame(env))
                action = policy.act(flat(env.observation_space, [observation]), draws)[0]
                before = plain(observation) if noted else None  # now: some environments give the same array again, changed
                observation, reward, terminated, truncated, info = step(env, action)
                total += reward
                steps.append(
                    {
                        "observation": before,
                        "action": plain(action),
                        "reward": reward,
                        "next": plain(observation) if noted else None,
                    }
                )
                if "hidden_reward" in info:
                    shows, hidden = True, hidden + float(info["hidden_reward"])
                    steps[-1]["hidden"] = float(info["hidden_reward"])
                if terminated or truncated:
                    break
            if render:
                frames.append(_frame(env))
    finally:
        with contextlib.suppress(Exception):
            env.close()
    return Episode(seed, total, len(steps), terminated, hidden if shows else None, tuple(steps), tuple(frames))


def _frame(env: Any) -> Any:
    import numpy as np

    try:
        frame = np.asarray(env.render())
    except Exception as error:
        raise Fault(f"its render raises {type(error).__name__}") from error
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise Fault(f"its render gives no RGB picture but an array of shape {frame.shape} and kind {frame.dtype}")
    return frame


def plain(value: Any) -> Json:
    """An observation or action as JSON."""
    import numpy as np

    if isinstance(value, np.ndarray):
        return [plain(each) for each in value.tolist()] if value.ndim else plain(value.item())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value
