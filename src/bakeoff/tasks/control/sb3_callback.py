"""A Stable-Baselines3 callback that lets a `Course` follow the training: evaluations, checkpoints, and an end once it is solved."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.tasks.control.episodes import Episode, play
from bakeoff.tasks.control.sb3_state import exported, state_of
from bakeoff.tasks.control.worlds import Fault

if TYPE_CHECKING:
    from bakeoff.tasks.control.course import Course
    from bakeoff.tasks.control.episodes import Policy

SPEAKS = 0.01
"""Part of the budget between two reports of progress, at least."""
SOLVED_FROM, SOLVED_EPISODES = 900_000, 100
"""Seeds and number of the episodes that a claim to be solved is put to: neither training nor validation nor test episodes begin from these.

A validation round alone would not do: it is asked again and again, and the first of many rounds above a threshold is above it partly by luck.
"""


@functools.cache
def following_class() -> type:
    """The callback, made on first use: it inherits from ``stable_baselines3``'s BaseCallback, which this module does not import by itself.

    ``Following(course, policy, envs, folder=None, threshold=None)``:

    - between two rollouts (weights change nowhere else) it evaluates where `Course.due`, and at the end of the training;
    - with a `folder` every evaluation keeps all that is needed to go on (`sb3_state.state_of`);
    - with a `threshold` the training ends once the mean return of the validation episodes reaches it and that of 100 further episodes does too; these
      weights then count as the best. Stable-Baselines3 takes one more step of each environment, which nothing is learned from.

    `policy` makes a NumPy policy from exported weights; `envs` is a `sb3_envs.guarded`, watched while it steps. Attribute ``solved``: whether
    the threshold was reached.
    """
    from stable_baselines3.common.callbacks import BaseCallback

    class Following(BaseCallback):
        def __init__(
            self,
            course: Course,
            policy: Callable[[Any], Policy],
            envs: Any,
            *,
            folder: Path | None = None,
            threshold: float | None = None,
        ) -> None:
            super().__init__()
            self.course, self.policy, self.envs, self.folder, self.threshold = course, policy, envs, folder, threshold
            self.solved = False
            self._said = 0

        def _on_rollout_start(self) -> None:
            step = int(self.model.num_timesteps)
            if self.course.due(step):
                self._look(step)
            elif step - self._said >= SPEAKS * self.course.budget:
                self._said = step
                self.course.progress(min(1.0, step / self.course.budget), f"{step:,} of {self.course.budget:,} steps")
            self.envs.watch()

        def _on_step(self) -> bool:
            return not self.solved

        def _on_rollout_end(self) -> None:
            self.envs.rest()

        def _on_training_end(self) -> None:
            self.envs.rest()
            step = int(self.model.num_timesteps)
            if not self.solved and (not self.course.rows or step > self.course.rows[-1]["step"]):
                self._look(step)

        def _look(self, step: int) -> None:
            weights = exported(self.model)
            policy = self.policy(weights)
            self.course.evaluate(step, policy, weights)
            self._said = step
            if self._solves(policy):
                self.solved, self.course.best = True, len(self.course.rows) - 1
            if self.folder is not None:
                arrays, beside = state_of(self.model)
                self.course.keep(self.folder, arrays, {**beside, "solved": self.solved})

        def _solves(self, policy: Policy) -> bool:
            if self.threshold is None or not self.course.seeds or self.course.rows[-1]["return"] < self.threshold:
                return False
            with self.course.aside():
                played = list(play(self.course.world, policy, range(SOLVED_FROM, SOLVED_FROM + SOLVED_EPISODES)))
            for each in played:
                if isinstance(each, Fault):
                    raise each
            return math.fsum(each.total for each in played if isinstance(each, Episode)) / len(played) >= self.threshold

    return Following
