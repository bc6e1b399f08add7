"""Stable-Baselines3's vectorised environments, with a guard: what an environment does wrong ends the training as a fault with a name.

Truncation is not termination: an episode that a time limit cuts off would have gone on, so the value of its last state counts
(Pardo et al., Time Limits in Reinforcement Learning, 2018). Stable-Baselines3 adds it where ``infos[i]["TimeLimit.truncated"]`` is true, from
``infos[i]["terminal_observation"]``; both are told here at every step.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

from bakeoff.tasks.control.worlds import LONGEST_STEP_SECONDS, Fault, World, features_of, flat, reset, step, watched

if TYPE_CHECKING:
    import numpy as np


def guarded(world: World, count: int, *, hang_seconds: float = LONGEST_STEP_SECONDS) -> Any:
    """`count` environments of a world, stepped one after another in this process: an instance of `guarded_class`."""
    return guarded_class()(world, count, hang_seconds=hang_seconds)


@functools.cache
def guarded_class() -> type:
    """The class, made on first use: it inherits from ``stable_baselines3``'s DummyVecEnv, which this module does not import by itself.

    It differs from DummyVecEnv in what can go wrong, and in what agents may see:

    - an exception, a NaN, an observation of another shape, and inside `watch` a step that hangs, raise `worlds.Fault`;
    - of an environment's info nothing is passed on (an agent never sees a hidden reward) but how the episode ended;
    - an observation that is no row of floats becomes one, as `worlds.flat` makes it, and Discrete actions count from 0.
    """
    import numpy as np
    from stable_baselines3.common.vec_env import DummyVecEnv

    class Guarded(DummyVecEnv):
        def __init__(self, world: World, count: int, *, hang_seconds: float = LONGEST_STEP_SECONDS) -> None:
            super().__init__([lambda: _plain(world.open())] * count)
            self.hang_seconds = hang_seconds
            self._shape = self.observation_space.shape
            self._rows: np.ndarray = self.buf_obs[None]
            self._watching = contextlib.ExitStack()
            self._alive: Any = _nothing

        def watch(self) -> None:
            """From here on a reset or step that takes longer than `hang_seconds` raises `Fault`, until `rest`."""
            self._alive = self._watching.enter_context(watched(self.hang_seconds))

        def rest(self) -> None:
            """Stop watching: what takes time now is not the environments."""
            self._alive = _nothing
            self._watching.close()

        def reset(self) -> Any:
            self.watch()
            try:
                for place, env in enumerate(self.envs):
                    self._alive()
                    self._rows[place] = self._fits(reset(env, self._seeds[place])[0])
            finally:
                self.rest()
            # Seeds are for one reset: later episodes come from the environment's own generator.
            self._reset_seeds()
            return self._rows.copy()

        def step_wait(self) -> Any:
            infos: list[dict[str, Any]] = []
            alive, rows, actions = self._alive, self._rows, self.actions
            for place, env in enumerate(self.envs):
                alive()
                observation, self.buf_rews[place], terminated, truncated, _ = step(env, actions[place])
                self._fits(observation)
                self.buf_dones[place] = done = terminated or truncated
                info: dict[str, Any] = {"TimeLimit.truncated": truncated and not terminated}
                if done:
                    info["terminal_observation"] = np.array(observation)
                    alive()
                    observation = self._fits(reset(env, None)[0])
                infos.append(info)
                rows[place] = observation
            return rows.copy(), self.buf_rews.copy(), self.buf_dones.copy(), infos

        def _fits(self, observation: Any) -> Any:
            # A row of another length would fail later without a name, a single number would fill the whole row unseen.
            if getattr(observation, "shape", None) != self._shape and np.shape(observation) != self._shape:
                raise Fault(f"an observation has the shape {np.shape(observation)} where its space says {self._shape}")
            return observation

        def close(self) -> None:
            self.rest()
            for env in self.envs:
                with contextlib.suppress(Exception):
                    env.close()

    return Guarded


def _nothing() -> None:
    """Nobody is watching."""


def _plain(env: Any) -> Any:
    """The environment between a Box of float32 in one dimension and actions that Stable-Baselines3 can take; itself, where it is so already."""
    import numpy as np
    from gymnasium import ObservationWrapper, spaces

    space, actions = env.observation_space, env.action_space
    if isinstance(actions, spaces.Discrete) and int(actions.start) != 0:
        env = _from_zero()(env)
    if isinstance(space, spaces.Box) and space.dtype == np.float32 and len(space.shape) == 1:
        return env

    class Row(ObservationWrapper):
        def __init__(self) -> None:
            super().__init__(env)
            self.observation_space = spaces.Box(-np.inf, np.inf, (features_of(space),), np.float32)

        def observation(self, observation: Any) -> Any:
            if isinstance(space, spaces.Box) and np.shape(observation) != space.shape:
                raise Fault(f"an observation has the shape {np.shape(observation)} where its space says {space.shape}")
            return flat(space, [observation])[0]

    return Row()


@functools.cache
def _from_zero() -> type:
    """Actions 0 to n - 1 for a Discrete space that counts from elsewhere. Made on first use, as `guarded_class` is."""
    from gymnasium import ActionWrapper, spaces

    class FromZero(ActionWrapper):
        def __init__(self, env: Any) -> None:
            super().__init__(env)
            self._start = int(env.action_space.start)
            self.action_space = spaces.Discrete(int(env.action_space.n))

        def action(self, action: Any) -> int:
            return self._start + int(action)

    return FromZero
