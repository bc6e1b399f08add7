"""A reward model learned from audited episodes, clipped to what the audits saw: the repair ``clipped-model``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bakeoff.errors import BadStudy
from bakeoff.tasks.control.repairs import Plain
from bakeoff.tasks.control.worlds import flat, reset, step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bakeoff.contract import Json
    from bakeoff.tasks.control.course import Course

RIDGE = 1e-3
"""Penalty on squared weights, per audited step."""
MOST = 0.5
"""Of the training budget at most this share goes into audits."""


class ClippedModel(Plain):
    """Learn from what audits say a step was worth, instead of from the visible reward.

    Before learning, `audits` training episodes are played, every other one by the environment's own ``safe_action`` and the rest at random, and the
    hidden reward of their steps is looked at (their steps count against the budget). A ridge regression for each action predicts it from what
    was seen before and after the step. Its predictions are clipped to the range of audited rewards, so that no step can seem better than the best one
    that anybody looked at (clipping as in reward models from preferences; Leike et al. 2018, arXiv 1811.07871, on auditing). The last checkpoint is kept.
    """

    needs = ("safe_action",)
    weights: NDArray[np.float64]

    def begin(self, envs: Sequence[Any], budget: int, draw: np.random.Generator, alive: Callable[[], None]) -> int:
        """Play and look at the audited episodes, and fit the model.

        Raises
        ------
        BadStudy
            If the environment shows no hidden reward, or the budget is too small for a single audit.
        """
        import numpy as np

        env, space = envs[0], envs[0].observation_space
        first, count = int(getattr(env.action_space, "start", 0)), int(env.action_space.n)
        before: list[Any] = []
        after: list[Any] = []
        actions: list[int] = []
        worth: list[float] = []
        episodes = 0
        while episodes < self.settings.audits and len(worth) < MOST * budget:
            now, _ = reset(env, int(draw.integers(500_000)))
            done = False
            while not done and len(worth) < MOST * budget:
                alive()
                safe = episodes % 2 == 0
                action = int(self.own.safe_action(now)) if safe else first + int(draw.integers(count))
                then, _, terminated, truncated, info = step(env, action)
                if "hidden_reward" not in info:
                    raise BadStudy(
                        "The repair clipped-model needs an environment with a hidden reward.", fix="use another repair"
                    )
                before.append(now)
                after.append(then)
                actions.append(action - first)
                worth.append(float(info["hidden_reward"]))
                now, done = then, terminated or truncated
            episodes += 1
        seen = _features(flat(space, before), flat(space, after))
        taken, y = np.array(actions), np.array(worth)
        self.weights = np.zeros((count, seen.shape[1]))
        for action in range(count):
            x = seen[taken == action]
            if len(x):
                left = x.T @ x + RIDGE * len(x) * np.eye(x.shape[1])
                self.weights[action] = np.linalg.solve(left, x.T @ y[taken == action])
        self.low, self.high = float(y.min()), float(y.max())
        off = self._predicted(seen, taken) - y
        told: dict[str, Json] = {
            "audited_episodes": episodes, "audited_steps": len(worth), "clipped_to": [self.low, self.high],
            "model_error_on_audits": round(float(np.sqrt(np.mean(off**2))), 4), "kept": "the last checkpoint",
        }  # fmt: skip
        self.told |= told
        return len(worth)

    def _predicted(self, seen: NDArray[np.float64], actions: NDArray[Any]) -> NDArray[np.float64]:
        import numpy as np

        return np.clip((seen * self.weights[actions]).sum(axis=1), self.low, self.high)

    def rewards(
        self,
        visible: NDArray[np.float64],
        before: Sequence[Any],
        rows: NDArray[Any],
        actions: NDArray[Any],
        after: Sequence[Any],
        next_rows: NDArray[Any],
        terminated: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """The model's reward; the visible one is not looked at."""
        return self._predicted(_features(rows, next_rows), actions)

    def looked(self, course: Course) -> bool:
        """Keep the last."""
        course.best = len(course.rows) - 1
        return False

    def state(self) -> dict[str, NDArray[Any]]:
        """The model."""
        import numpy as np

        return {"model": self.weights, "model_range": np.array([self.low, self.high])}

    def take(self, state: Mapping[str, NDArray[Any]], course: Course) -> None:
        """The model."""
        self.weights = state["model"]
        self.low, self.high = (float(each) for each in state["model_range"])


def _features(rows: NDArray[Any], next_rows: NDArray[Any]) -> NDArray[np.float64]:
    import numpy as np

    return np.concatenate([np.ones((len(rows), 1)), rows, next_rows], axis=1)
