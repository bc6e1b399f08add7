"""Controllers written by hand: what somebody who knows the environment would do without learning anything."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.contract import Flops, Item
from bakeoff.errors import BadStudy, nearest, shown
from bakeoff.tasks.control.agent import NO_WEIGHTS, Agent
from bakeoff.tasks.control.worlds import World, fault_said, importable

if TYPE_CHECKING:
    import numpy as np

    from bakeoff.tasks.control.agent import Weights
    from bakeoff.tasks.control.course import Course
    from bakeoff.tasks.control.episodes import Observations, Policy

    Controller = Callable[[Any], Any]


def balance(observation: Any) -> int:
    """CartPole: push towards where the pole falls, by a proportional-derivative rule on position and angle.

    The gains of (position, velocity, angle, angular velocity) are those of the linear-quadratic regulator (Kalman 1960) for the equations of Barto,
    Sutton and Anderson (1983), linearised with the pole upright, with equal weight on all four and 0.01 on the force, scaled so that the angle's is 10.
    Only the sign of the feedback is used, since the force is 10 N to the left or to the right.
    """
    place, speed, angle, turning = (float(each) for each in observation)
    return int(1.0 * place + 1.7 * speed + 10.0 * angle + 2.8 * turning > 0)


def climb(observation: Any) -> int:
    """MountainCar: push the way the car already moves, which adds energy at every step (Moore 1990 describes the task)."""
    return 2 if float(observation[1]) >= 0 else 0


def swing_up(observation: Any) -> Any:
    """Pendulum: pump energy until it is that of the upright rest (Astrom and Furuta 2000), near the top hold by a proportional-derivative rule.

    Energy in joules against the upright rest, for a rod of 1 kg and 1 m with gravity 10: a sixth of the squared speed, plus 5 (cosine - 1).
    """
    import numpy as np

    cosine, sine, speed = (float(each) for each in observation)
    energy = speed * speed / 6 + 5 * (cosine - 1)
    if cosine > 0.95 and abs(speed) < 3:
        torque = -(10 * math.atan2(sine, cosine) + 2 * speed)
    else:
        torque = math.copysign(2.0, -energy * speed if speed else 1.0)
    return np.array([max(-2.0, min(2.0, torque))], dtype=np.float32)


BUILT_IN: Mapping[str, Controller] = {
    "CartPole-v0": balance,
    "CartPole-v1": balance,
    "MountainCar-v0": climb,
    "Pendulum-v1": swing_up,
}
"""Environment id to the controller that comes with Bakeoff."""
OWN_METHOD = "safe_action"
"""An environment that knows a safe controller has it as this method: observation to action, from what is seen alone."""


@dataclass
class Scripted(Agent):
    """A controller written by hand.

    Parameters
    ----------
    controller : str, default=''
        ``module:function``, a function from an observation to an action that keeps nothing between calls. The module is looked for beside the
        environment's own (the study's folder), in the folder where Bakeoff was started, and on the Python path. With '' it is the environment's
        own ``safe_action``, or the one that comes with Bakeoff for CartPole, MountainCar-v0 and Pendulum-v1.
    """

    controller: str = ""

    def _check(self, world: World, observations: Any, actions: Any) -> None:
        self._found(world)

    def _learn(self, world: World, course: Course, seed: int, folder: Path | None) -> None:
        import numpy as np

        course.evaluate(0, self._policy(world, {}), {NO_WEIGHTS: np.zeros(1)})

    def _policy(self, world: World, weights: Weights) -> Policy:
        return _Controlled(self._found(world), *self._spaces(world), self.controller or "of the environment")

    def flops(self, items: Sequence[Item]) -> Flops:
        """None of a network; what the controller itself computes is not counted."""
        return Flops(0.0, basis="it has no weights", leaves_out=("the controller's own arithmetic", "the environment"))

    def _found(self, world: World) -> Controller:
        """The controller for a world.

        Raises
        ------
        BadStudy
            If there is none, or the one named cannot be imported.
        """
        if self.controller:
            return imported(self.controller, (world.folder, str(Path.cwd())))
        env = world.open()
        own = getattr(env.unwrapped, OWN_METHOD, None)
        if callable(own):
            return own  # it may read what its environment knows, which therefore stays open
        env.close()
        if world.id not in BUILT_IN:
            raise BadStudy(
                f"There is no scripted controller for {shown(world.id)}.",
                fix="set `controller: module:function` (observation to action) for scripted, or leave scripted out",
            )
        return BUILT_IN[world.id]


def imported(name: str, folders: Sequence[str] = ()) -> Controller:
    """The function that ``module:function`` names, its module looked for in `folders` first.

    Raises
    ------
    BadStudy
        If it is not of this form, cannot be imported, or is no function.
    """
    module, mark, attribute = name.partition(":")
    if not (mark and module and attribute):
        raise BadStudy(f"controller is {shown(name)}.", fix="write module:function, for example my_controllers:act")
    module = module.removesuffix(".py")
    try:
        with importable(folders[0] if folders else ""), importable(folders[1] if len(folders) > 1 else ""):
            held = importlib.import_module(module)
    except Exception as error:
        raise BadStudy(
            f"The controller {shown(name)} cannot be imported: {fault_said(error)}.",
            fix=f"put {module}.py beside the study, or install it",
        ) from error
    found = getattr(held, attribute, None)
    if not callable(found):
        functions = [each for each in vars(held) if callable(getattr(held, each)) and not each.startswith("_")]
        raise BadStudy(
            f"{module} has no function {shown(attribute)}.",
            fix=nearest(attribute, functions) or f"define {attribute} in {module}",
        )
    return found


class _Controlled:
    """A function from an observation to an action as a policy. What it does wrong is said with its name."""

    def __init__(self, controller: Controller, observations: Any, actions: Any, name: str) -> None:
        self.controller, self.observations, self.actions, self.name = controller, observations, actions, name

    def act(self, observations: Observations, draws: Sequence[np.random.Generator]) -> Sequence[Any]:
        return [self._one(row) for row in observations]

    def _one(self, row: Any) -> Any:
        import numpy as np
        from gymnasium import spaces

        try:
            action = self.controller(spaces.unflatten(self.observations, row))
            if isinstance(self.actions, spaces.Discrete):
                plain = np.asarray(action)
                action = int(plain.item()) if plain.dtype.kind in "iub" and plain.size == 1 else action
            else:
                action = np.asarray(action, dtype=self.actions.dtype).reshape(self.actions.shape)
        except Exception as error:
            raise BadStudy(
                f"The controller {shown(self.name)} raises {fault_said(error)}.", fix="correct the controller"
            ) from error
        if not self.actions.contains(action):
            raise BadStudy(f"The controller {shown(self.name)} gave {shown(str(action))}.", fix=f"return one of {self.actions}")
        return action
