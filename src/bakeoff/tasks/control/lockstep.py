"""Many copies of an environment, stepped side by side while something is learned from them.

Where the environment brings a form that steps all copies in one call (`vector_entry_point` of its Gymnasium registration), that one is used: for
CartPole it is about six times as fast. Otherwise the copies are stepped one after another, those that have ended left alone.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from bakeoff.tasks.control.data import VALID_FROM
from bakeoff.tasks.control.worlds import Fault, World, fault_said, flat, reset, step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Stage(Protocol):
    """n copies of an environment, one episode each at a time."""

    threshold: float | None
    """The return from which an episode counts as solved, where the environment states it."""

    def begin(self, draw: np.random.Generator) -> NDArray[Any]:
        """Reset all copies, their seeds drawn from `draw` below those of validation; observations as rows, shape (n, features)."""
        ...

    def step(
        self, actions: NDArray[Any], running: NDArray[np.bool_], alive: Callable[[], None]
    ) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.bool_]]:
        """Take a step where `running`: the next rows, rewards (n,), and whether the episode ended (n,). Elsewhere they mean nothing.

        Raises
        ------
        Fault
            If the environment raises, or gives NaN.
        """
        ...

    def close(self) -> None:
        """Close every copy."""
        ...


def open_stage(world: World, copies: int) -> Stage:
    """`copies` of an environment, in one piece where it offers that.

    Raises
    ------
    BadData
        If the environment cannot be opened.
    """
    env = world.open()
    threshold = getattr(env.spec, "reward_threshold", None)
    made = None if ":" in world.id else _in_one_piece(world, env, copies)
    if made is not None:
        with contextlib.suppress(Exception):
            env.close()
        made.threshold = threshold
        return made
    envs = [env]
    try:
        while len(envs) < copies:
            envs.append(world.open())
    except BaseException:
        for each in envs:
            with contextlib.suppress(Exception):
                each.close()
        raise
    return _OneAfterAnother(envs, threshold)


def _in_one_piece(world: World, env: Any, copies: int) -> _InOnePiece | None:
    import gymnasium
    from gymnasium.vector import AutoresetMode

    spec = gymnasium.registry.get(world.id)
    if spec is None or spec.vector_entry_point is None or spec.additional_wrappers:
        return None
    limit = world.max_steps or spec.max_episode_steps
    kwargs = dict(world.kwargs) | ({} if world.max_steps is None else {"max_episode_steps": world.max_steps})
    try:
        made = gymnasium.make_vec(world.id, num_envs=copies, vectorization_mode="vector_entry_point", **kwargs)
    except Exception:  # it needs a package that is not here, or takes other arguments: the other form does
        return None
    alike = made.single_observation_space == env.observation_space and made.single_action_space == env.action_space
    resets = made.metadata.get("autoreset_mode") in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP)
    if not alike or not resets or limit is None:
        made.close()
        return None
    return _InOnePiece(made, limit)


class _InOnePiece:
    """Gymnasium's vector form. A copy that has ended begins anew by itself; whoever steps looks at `running` ones alone."""

    def __init__(self, env: Any, limit: int) -> None:
        self.env, self.limit, self.count = env, limit, 0
        self.threshold: float | None = None

    def begin(self, draw: np.random.Generator) -> NDArray[Any]:
        self.count = 0
        try:
            observations, _ = self.env.reset(seed=int(draw.integers(VALID_FROM)))
        except Exception as error:
            raise Fault(f"its reset raises {fault_said(error)}") from error
        return self._rows(observations)

    def step(
        self, actions: NDArray[Any], running: NDArray[np.bool_], alive: Callable[[], None]
    ) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.bool_]]:
        import numpy as np

        try:
            observations, rewards, terminated, truncated, _ = self.env.step(actions)
        except Fault:
            raise
        except Exception as error:
            raise Fault(f"its step raises {fault_said(error)}") from error
        self.count += 1
        rewards = np.asarray(rewards, dtype=np.float64)
        if not math.isfinite(float(rewards.sum())):
            raise Fault("it gave a reward that is NaN or infinite")
        ended = np.asarray(terminated | truncated, dtype=bool) | (self.count >= self.limit)
        return self._rows(observations), rewards, ended

    def _rows(self, observations: Any) -> NDArray[Any]:
        rows = flat(self.env.single_observation_space, list(observations)) if observations.ndim != 2 else observations
        if not math.isfinite(float(rows.sum())):
            raise Fault("an observation holds NaN or infinity")
        return rows

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.env.close()


class _OneAfterAnother:
    """Separate environments; only those whose episode goes on are stepped."""

    def __init__(self, envs: list[Any], threshold: float | None) -> None:
        self.envs, self.threshold = envs, threshold
        self.rows: NDArray[Any]

    def begin(self, draw: np.random.Generator) -> NDArray[Any]:
        space = self.envs[0].observation_space
        self.rows = flat(space, [reset(env, int(draw.integers(VALID_FROM)))[0] for env in self.envs])
        return self.rows

    def step(
        self, actions: NDArray[Any], running: NDArray[np.bool_], alive: Callable[[], None]
    ) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.bool_]]:
        import numpy as np

        rewards, ended = np.zeros(len(self.envs)), np.zeros(len(self.envs), dtype=bool)
        discrete = actions.ndim == 1 and actions.dtype.kind == "i" and self.envs[0].action_space.shape == ()
        observed: list[Any] = []
        places = np.flatnonzero(running)
        for place in places:
            alive()
            action = int(actions[place]) if discrete else actions[place]
            observation, rewards[place], terminated, truncated, _ = step(self.envs[place], action)
            ended[place] = terminated or truncated
            observed.append(observation)
        self.rows[places] = flat(self.envs[0].observation_space, observed)
        return self.rows, rewards, ended

    def close(self) -> None:
        for env in self.envs:
            with contextlib.suppress(Exception):
                env.close()
