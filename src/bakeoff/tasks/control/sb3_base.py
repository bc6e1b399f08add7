"""What DQN, A2C and PPO share: environments with a guard, a course that follows, checkpoints, an early end, a NumPy policy, checked settings."""

from __future__ import annotations

import inspect
import math
import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bakeoff.contract import Flops, Item, Json, Progress, Requires
from bakeoff.errors import BadStudy, RunError, nearest, needs, shown
from bakeoff.models.threads import threads
from bakeoff.tasks.control.agent import Agent
from bakeoff.tasks.control.course import failed
from bakeoff.tasks.control.policies import Net, check_spaces
from bakeoff.tasks.control.worlds import LONGEST_STEP_SECONDS, Fault, World

if TYPE_CHECKING:
    from bakeoff.tasks.control.agent import Weights
    from bakeoff.tasks.control.course import Course
    from bakeoff.tasks.control.episodes import Policy

SCHEDULES = ("constant", "linear")
REFUSED = frozenset({
    # Set here, or not possible with a policy that answers in NumPy from safetensors.
    "policy", "env", "policy_kwargs", "verbose", "seed", "device", "tensorboard_log", "_init_setup_model", "use_sde", "sde_sample_freq",
    "rollout_buffer_class", "rollout_buffer_kwargs", "replay_buffer_class", "replay_buffer_kwargs", "optimize_memory_usage",
})  # fmt: skip
"""Keywords of Stable-Baselines3's classes that `settings` does not take."""


@dataclass(frozen=True)
class Range:
    """What a setting may be: from `low` to `high`; a whole number, unless `real`. With `above` the lower end itself is refused."""

    low: float
    high: float
    real: bool = False
    above: bool = False

    def holds(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float if self.real else int) or not math.isfinite(value):
            return False
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        kind = "a number" if self.real else "a whole number"
        low, high = (f"{int(end):,}" for end in (self.low, self.high))
        return f"{kind} {'above' if self.above else 'from'} {low} {'and up to' if self.above else 'to'} {high}"


MANY = Range(1, 10_000_000)
UNIT = Range(0, 1, real=True)
WIDTH = Range(1, 4096)
COMMON = {
    "steps": Range(20, 1_000_000_000), "evaluations": Range(1, 10_000), "learning_rate": Range(0, 1, real=True, above=True), "gamma": UNIT,
}  # fmt: skip


class SB3Agent(Agent):
    """What the three share: environments with a guard, a `Course` that follows, checkpoints, an early end, a NumPy policy.

    Subclasses are dataclasses. They name SB3's class (`algorithm`), what their network's outputs and activation are (`kind`, `activation`), and what
    their settings may be (`ranges`); `_plan` makes keywords of them.
    """

    requires: ClassVar[Requires] = Requires(("gymnasium", "stable_baselines3", "torch", "safetensors"), extra="control")
    algorithm: ClassVar[str] = ""
    kind: ClassVar[str] = "logits"
    activation: ClassVar[str] = "tanh"
    ranges: ClassVar[Mapping[str, Range]] = {}
    hang_seconds: ClassVar[float] = LONGEST_STEP_SECONDS
    hidden: Sequence[int] = (64, 64)
    stop_when_solved: bool = False
    settings: Mapping[str, Json] = {}
    _parts: list[dict[str, Json]]

    def fit(self, train: Sequence[Item], valid: Sequence[Item], *, seed: int, progress: Progress) -> Agent:
        """Check the settings, then learn: see `Agent.fit`."""
        self._check_settings()
        return super().fit(train, valid, seed=seed, progress=progress)

    def _learn(self, world: World, course: Course, seed: int, folder: Path | None) -> None:
        """Train; see `Agent._learn`.

        An interrupted training goes on from its last evaluation: parameters, optimiser, counts, the place in every schedule and the replay buffer are as
        they were, and no step up to there is paid for again. It does not end bit for bit as an uninterrupted one would, because the environments
        begin new episodes and the generators new streams there (both from the seed and the step).
        """
        import numpy as np
        import stable_baselines3  # noqa: F401  here, so that importing it is not counted as training
        import torch

        from bakeoff.tasks.control.data import VALID_FROM
        from bakeoff.tasks.control.sb3_callback import following_class
        from bakeoff.tasks.control.sb3_envs import guarded
        from bakeoff.tasks.control.sb3_state import diverged, parts, take

        torch.set_num_threads(threads())
        course.start()
        found = course.found(folder) if folder is not None else None
        counts: Mapping[str, int] = found[1]["counts"] if found else {}
        done = int(counts.get("num_timesteps", 0))
        draw = np.random.default_rng([seed, done])
        count, keywords, total = self._plan(course.budget)
        envs = guarded(world, count, hang_seconds=self.hang_seconds)
        model = None
        try:
            threshold = self._threshold(world, envs)
            model = self._model(envs, keywords, int(draw.integers(2**31 - 1)))
            envs.seed(int(draw.integers(VALID_FROM - count)))
            self._parts = parts(model)
            if found:
                take(model, *found)
                self._go_on(model, total)
                if found[1]["solved"]:
                    return
            if done < total:
                follower = following_class()(
                    course, lambda weights: self._policy(world, weights), envs, folder=folder, threshold=threshold
                )
                model.learn(total - done, callback=follower, reset_num_timesteps=not found, log_interval=None)
        except Fault as fault:
            raise failed(world, fault) from fault
        except ValueError as error:
            # PyTorch's distributions refuse NaN with a ValueError.
            if model is None or not diverged(model):
                raise
            raise RunError(f"{self.algorithm} diverged: its network holds NaN.", fix="use a smaller learning_rate") from error
        finally:
            envs.close()

    def _model(self, envs: Any, keywords: Mapping[str, Any], seed: int) -> Any:
        settings = self._known_settings()
        try:
            with warnings.catch_warnings():
                # With a small share of the budget a rollout need not be a whole number of batches.
                warnings.filterwarnings("ignore", message="You have specified a mini-batch size")
                return _class_of(self.algorithm)(
                    "MlpPolicy",
                    envs,
                    seed=seed,
                    device="cpu",
                    policy_kwargs={"net_arch": [int(width) for width in self.hidden]},
                    **keywords,
                    **settings,
                )
        except (TypeError, ValueError, AssertionError) as error:
            raise BadStudy(
                f"{self.algorithm} cannot be made with these settings: {shown(str(error), 200)}.", fix="correct the settings"
            ) from error

    def _known_settings(self) -> dict[str, Any]:
        name = self.algorithm
        if not isinstance(self.settings, Mapping):
            raise BadStudy(f"settings is {shown(self.settings)}.", fix=f"use a mapping of keywords of stable_baselines3's {name}")
        known = [key for key in inspect.signature(_class_of(name).__init__).parameters if key != "self"]
        for key, value in self.settings.items():
            if key in self.ranges:
                raise BadStudy(f"settings has {key!r}, which {name} takes itself.", fix=f"write {key} beside settings, not in it")
            if key in REFUSED:
                raise BadStudy(f"settings has {key!r}, which cannot be set.", fix="remove it; the layers' widths are `hidden`")
            if key not in known:
                free = [each for each in known if each not in REFUSED and each not in self.ranges]
                raise BadStudy(f"stable_baselines3's {name} knows no {shown(key)}.", fix=nearest(str(key), free))
            if value is not None and not isinstance(value, bool | int | float):
                raise BadStudy(f"settings.{key} is {shown(value)}.", fix="use a number, true, false or null")
        return dict(self.settings)

    def _threshold(self, world: World, envs: Any) -> float | None:
        if not self.stop_when_solved:
            return None
        stated = getattr(envs.envs[0].spec, "reward_threshold", None)
        if stated is None:
            raise BadStudy(f"stop_when_solved is set, but {world.id} states no reward_threshold.", fix="remove stop_when_solved")
        return float(stated)

    def _go_on(self, model: Any, total: int) -> None:
        """Set a restored model's place in its schedules."""
        model._update_current_progress_remaining(model.num_timesteps, total)

    def _check_settings(self) -> None:
        """Raise BadStudy for a setting out of its range, before anything is opened."""
        for key, allowed in self.ranges.items():
            if not allowed.holds(getattr(self, key)):
                raise BadStudy(f"{key} is {shown(getattr(self, key))}.", fix=f"use {allowed}")
        if isinstance(self.hidden, str) or not isinstance(self.hidden, Sequence) or not 1 <= len(self.hidden) <= 8:
            raise BadStudy(f"hidden is {shown(self.hidden)}.", fix="use a list of 1 to 8 widths, for example [64, 64]")
        if not all(WIDTH.holds(width) for width in self.hidden):
            raise BadStudy(f"hidden is {shown(list(self.hidden))}.", fix=f"let each width be {WIDTH}")
        if not isinstance(self.stop_when_solved, bool):
            raise BadStudy(f"stop_when_solved is {shown(self.stop_when_solved)}.", fix="use true or false")
        needs("stable_baselines3", "torch", extra="control", why=self.algorithm)
        self._known_settings()

    def _check(self, world: World, observations: Any, actions: Any) -> None:
        check_spaces(self.algorithm, observations, actions)

    def _policy(self, world: World, weights: Weights) -> Policy:
        from gymnasium import spaces

        actions = self._spaces(world)[1]
        kind = "gaussian" if isinstance(actions, spaces.Box) else self.kind
        return Net(weights, actions, kind=kind, activation=self.activation)

    def _tell(self, key: str, course: Course) -> None:
        super()._tell(key, course)
        told = self.chosen_[key] if key else self.chosen_
        told["parts"] = self._parts
        # A training is shorter than its budget by up to one rollout, since only whole ones are learned from: ending early is told apart.
        told["stopped_when_solved"] = self.stop_when_solved and course.rows[-1]["step"] < self._plan(course.budget)[2]

    def parts(self, world: World | None = None) -> list[dict[str, Json]]:
        """The network's parts by name, with shapes and numbers of parameters (`sb3_state.parts`), of the first world or the one given."""
        told = self.chosen_ if len(self.worlds_) == 1 else self.chosen_[(world or self.worlds_[0]).key]
        return list(told["parts"])

    def flops(self, items: Sequence[Item]) -> Flops:
        """Of one decision: a multiplication and an addition for each weight of the actor, and an addition for each bias."""
        sizes = [
            sum(
                each.size * (2 if name.endswith(".weight") else 1)
                for name, each in kept[self.keep].items()
                if name.startswith("actor.")
            )
            for kept in self.kept_.values()
        ]
        return Flops(
            float(max(sizes, default=0)),
            basis="formula: 2 x weights + biases of the actor, one decision",
            leaves_out=(
                "the environment",
                "activation functions",
                "the probabilities and the value that are told beside the action",
            ),
        )

    @abstractmethod
    def _plan(self, budget: int) -> tuple[int, dict[str, Any], int]:
        """Number of environments, keywords of the SB3 class, and the steps to train: at most `budget`, whole rollouts only."""


class OnPolicy(SB3Agent):
    """A2C and PPO: rollouts of `n_steps` in each of `n_envs`, then an update from them."""

    n_envs: int = 8
    n_steps: int = 5
    schedule: str = "constant"

    def _check_settings(self) -> None:
        super()._check_settings()
        if self.schedule not in SCHEDULES:
            raise BadStudy(f"schedule is {shown(self.schedule)}.", fix=nearest(str(self.schedule), SCHEDULES))

    def _check(self, world: World, observations: Any, actions: Any) -> None:
        import numpy as np
        from gymnasium import spaces

        super()._check(world, observations, actions)
        if isinstance(actions, spaces.Box) and not bool(np.isfinite([actions.low, actions.high]).all()):
            raise BadStudy(
                f"{self.algorithm} cannot act in {world.id}: its actions {actions} have no bounds.",
                fix="state the bounds of the actions",
            )

    def _scheduled(self, first: float) -> Any:
        """A setting as SB3 takes it: constant, or falling to 0 over the budget."""
        return _falling(first) if self.schedule == "linear" else first

    def _rollout(self, budget: int) -> tuple[int, int, int]:
        """(environments, steps in each, steps to train): a rollout at most as long as the budget."""
        count = min(self.n_envs, max(1, budget // 2))
        steps = min(self.n_steps, max(1, budget // count))
        return count, steps, budget // (count * steps) * count * steps


def _falling(first: float) -> Any:
    """From `first` to 0: Stable-Baselines3 asks with the part of the training that is left, from 1 to 0."""

    def at(left: float) -> float:
        return first * left

    return at


def _class_of(name: str) -> Any:
    import stable_baselines3

    return getattr(stable_baselines3, name)
