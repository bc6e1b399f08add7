"""The floor: actions drawn at random, each as likely as any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.tasks.control.agent import NO_WEIGHTS, Agent
from bakeoff.tasks.control.worlds import World, random_action

if TYPE_CHECKING:
    import numpy as np

    from bakeoff.tasks.control.agent import Weights
    from bakeoff.tasks.control.course import Course
    from bakeoff.tasks.control.episodes import Observations, Policy


@dataclass
class RandomAgent(Agent):
    """Uniform over a Discrete action space, and over a Box within its bounds (or within -1000 to 1000 where it has none)."""

    def _learn(self, world: World, course: Course, seed: int, folder: Path | None) -> None:
        import numpy as np

        course.evaluate(0, self._policy(world, {}), {NO_WEIGHTS: np.zeros(1)})

    def _policy(self, world: World, weights: Weights) -> Policy:
        return _Uniform(self._spaces(world)[1])


class _Uniform:
    def __init__(self, space: Any) -> None:
        self.space = space

    def act(self, observations: Observations, draws: Sequence[np.random.Generator]) -> Sequence[Any]:
        return [random_action(self.space, draw) for draw in draws]
