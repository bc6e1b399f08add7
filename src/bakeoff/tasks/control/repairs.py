"""Repairs of a reward that gets hacked, one at a time, for agents that learn a table of action values.

Each changes one thing about the learning: what a step is worth (`Shaping`, `repair_model.ClippedModel`), what acting differently from a known
safe policy costs (`SafeKL`), or which checkpoint is kept (`HiddenStop`). `Plain` changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bakeoff.errors import BadStudy, nearest, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from bakeoff.contract import Json
    from bakeoff.tasks.control.course import Course
    from bakeoff.tasks.control.q_table import QTable

REPAIRS = ("none", "shaping", "safe-kl", "hidden-stop", "clipped-model")
SAFE_SHARE = 0.95
"""How surely the safe policy takes its own action; the rest is shared by the others, so that no action is ruled out."""


class Plain:
    """No repair, and what each repair may change.

    Attributes
    ----------
    told : dict
        For the report, in `Agent.chosen_`.
    temperature : float
        0 where values are backed up by their maximum; above, by a soft maximum (see `SafeKL`).
    """

    needs: tuple[str, ...] = ()
    """Methods that the environment must have."""

    def __init__(self, settings: QTable, env: Any) -> None:
        self.settings = settings
        self.own = env.unwrapped
        self.metadata: Mapping[str, Any] = getattr(self.own, "metadata", None) or {}
        self.temperature = 0.0
        self.told: dict[str, Json] = {}

    def begin(self, envs: Sequence[Any], budget: int, draw: np.random.Generator, alive: Callable[[], None]) -> int:
        """Whatever must be done before the first step of learning; how many steps of the environment it took."""
        return 0

    def bias(self, observation: Any, actions: int) -> NDArray[np.float64] | None:
        """What is added to the values of a state's actions when one is chosen, shape (actions,); None for nothing."""
        return None

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
        """What is learned from instead of the visible rewards, shape (n,)."""
        return visible

    def looked(self, course: Course) -> bool:
        """An evaluation was made: choose ``course.best`` where the visible return must not choose it; whether to stop learning."""
        return False

    def state(self) -> dict[str, NDArray[Any]]:
        """Arrays that an interrupted training needs to go on."""
        return {}

    def take(self, state: Mapping[str, NDArray[Any]], course: Course) -> None:
        """Take back what `state` gave."""


class Shaping(Plain):
    """Potential-based shaping (Ng, Harada and Russell 1999): F = gamma * phi(s') - phi(s) is added to the reward; phi is 0 where an episode has ended.

    Phi is `shaping_scale` times the environment's own ``potential(observation)``. It provably leaves the best policy as it is, whatever phi: it can
    speed learning up, and cannot cure a reward whose best policy is a hack.
    """

    needs = ("potential",)

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
        """The visible reward and the shaping."""
        import numpy as np

        settings = self.settings
        self.told["shaping_scale"] = settings.shaping_scale
        here = np.array([self.own.potential(each) for each in before])
        there = np.where(terminated, 0.0, [self.own.potential(each) for each in after])
        return visible + settings.shaping_scale * (settings.gamma * there - here)


class SafeKL(Plain):
    """A price on leaving a safe policy: the reward less `kl_temperature` times the KL divergence from it (Todorov 2009; G-learning, Fox et al. 2016).

    The safe policy rho takes the environment's own ``safe_action`` with probability 0.95. With temperature T the value of a state is
    T log sum_a rho(a|s) exp(Q(s,a)/T), the best policy is proportional to rho exp(Q/T), and the agent answers with its most probable action. The
    last checkpoint is kept: to choose by the visible return would favour the hack.
    """

    needs = ("safe_action",)

    def __init__(self, settings: QTable, env: Any) -> None:
        super().__init__(settings, env)
        self.temperature = settings.kl_temperature
        self.first = int(getattr(env.action_space, "start", 0))
        self.told |= {"kl_temperature": settings.kl_temperature, "safe_share": SAFE_SHARE, "kept": "the last checkpoint"}

    def bias(self, observation: Any, actions: int) -> NDArray[np.float64] | None:
        """T log rho(.|s)."""
        import numpy as np

        prior = np.full(actions, (1 - SAFE_SHARE) / max(1, actions - 1))
        prior[int(self.own.safe_action(observation)) - self.first] = SAFE_SHARE
        return self.temperature * np.log(prior)

    def looked(self, course: Course) -> bool:
        """Keep the last."""
        course.best = len(course.rows) - 1
        return False


class HiddenStop(Plain):
    """Early stop on a hidden-reward probe: the validation episodes are audited, and learning stops once their hidden return falls.

    It falls once it is `stop_drop` of the hidden range below the highest seen so far (of the highest itself where no range is stated). The checkpoint
    with the highest hidden return until then is kept, the latest of equals. Only validation episodes are audited, never test episodes.
    """

    kept: dict[str, Any]

    def looked(self, course: Course) -> bool:
        """Keep the checkpoint with the highest audited return; stop where it has fallen."""
        if "hidden" not in course.rows[-1]:
            raise BadStudy(
                "The repair hidden-stop needs an environment with a hidden reward, and validation episodes to look at it.",
                fix="use another repair, or set `valid` under `data`",
            )
        found = [row["hidden"] for row in course.rows]
        high = max(found)
        course.best = max(i for i, each in enumerate(found) if each == high)
        # The course keeps the weights of what it holds to be the best, which may be another one.
        if course.weights[course.best]:
            self.kept = course.weights[course.best]
        course.weights[course.best] = self.kept
        span = self.metadata.get("hidden_range")
        scale = abs(high) if span is None else float(span[1]) - float(span[0])
        stop = found[-1] < high - self.settings.stop_drop * scale
        self.told |= {
            "stop_drop": self.settings.stop_drop, "audited_episodes": len(course.seeds), "audits_made": len(found),
            "best_hidden": round(high, 4), "stopped_at_step": int(course.rows[-1]["step"]) if stop else None,
        }  # fmt: skip
        return stop

    def take(self, state: Mapping[str, NDArray[Any]], course: Course) -> None:
        """The weights of the checkpoint that was kept so far."""
        self.kept = course.weights[course.best]


def repair_of(settings: QTable, env: Any) -> Plain:
    """The repair that the settings name, for one environment.

    Raises
    ------
    BadStudy
        If there is no such repair, or the environment lacks what it needs.
    """
    from bakeoff.tasks.control.repair_model import ClippedModel

    kinds: dict[str, type[Plain]] = dict(zip(REPAIRS, (Plain, Shaping, SafeKL, HiddenStop, ClippedModel), strict=True))
    if settings.repair not in kinds:
        raise BadStudy(f"repair is {shown(settings.repair)}.", fix=nearest(str(settings.repair), REPAIRS))
    kind = kinds[settings.repair]
    for method in kind.needs:
        if not callable(getattr(env.unwrapped, method, None)):
            raise BadStudy(
                f"The repair {settings.repair} needs an environment with a method `{method}(observation)`, which {type(env.unwrapped).__name__} lacks.",
                fix="add the method, or use another repair",
            )
    return kind(settings, env)
