"""DQN, A2C and PPO: Stable-Baselines3's own classes (Raffin et al., JMLR 2021), on the CPU, with RL Zoo's settings for CartPole-v1 to start from.

They train in PyTorch and answer in NumPy: a decision loads no training library and takes the same actions as the model's own
``predict(deterministic=True)``. Observations are taken as they come (no normalisation), as a row of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bakeoff.contract import Json
from bakeoff.errors import BadStudy
from bakeoff.tasks.control.sb3_base import COMMON, MANY, UNIT, OnPolicy, Range, SB3Agent
from bakeoff.tasks.control.worlds import World


@dataclass
class PPO(OnPolicy):
    """Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347): stable_baselines3.PPO.

    Parameters
    ----------
    steps : int, default=100_000
        Budget in steps of the environment, 20 to 1e9; whole rollouts of n_envs x n_steps within it are trained.
    evaluations : int, default=20
        Validation rounds over the budget, 1 to 10,000, besides the one before training.
    keep : {'best', 'last'}, default='best'
        Whose weights answer: those with the highest validation return, or the last.
    n_envs, n_steps : int, default=8, 32
        Environments side by side (1 to 256) and steps in each (1 to 10,000,000) before an update; at least two steps together.
    batch_size : int, default=256
        Steps in a gradient step, at least 2.
    n_epochs : int, default=20
        Passes over a rollout, 1 to 1,000.
    learning_rate : float, default=0.001
        Of Adam, above 0 and up to 1; at the start, where `schedule` is linear.
    clip_range : float, default=0.2
        How far the ratio of new to old probability may be from 1, above 0 and up to 10; at the start, where `schedule` is linear.
    schedule : {'linear', 'constant'}, default='linear'
        Linear lets the learning rate and the clip range fall to 0 over the budget.
    gamma, gae_lambda : float in [0, 1], default=0.98, 0.8
        Discount of a step; weight of longer returns in the advantage (Schulman et al. 2016).
    ent_coef : float, default=0.0
        Weight of the policy's entropy in the loss, 0 to 100.
    hidden : sequence of int, default=(64, 64)
        Widths of the hidden layers (tanh) of actor and critic each, 1 to 8 of 1 to 4096.
    stop_when_solved : bool, default=False
        End once the mean return of a validation round reaches the environment's ``reward_threshold``, and that of 100 further episodes
        does too (the first round above a threshold is so partly by luck). They are neither validation nor test episodes.
    settings : mapping
        Any further keyword of stable_baselines3.PPO whose value is a number, a truth value or None (vf_coef, max_grad_norm, target_kl, ...).
    """

    algorithm: ClassVar[str] = "PPO"

    steps: int = 100_000
    evaluations: int = 20
    keep: str = "best"
    n_envs: int = 8
    n_steps: int = 32
    batch_size: int = 256
    n_epochs: int = 20
    learning_rate: float = 0.001
    clip_range: float = 0.2
    schedule: str = "linear"
    gamma: float = 0.98
    gae_lambda: float = 0.8
    ent_coef: float = 0.0
    hidden: Sequence[int] = (64, 64)
    stop_when_solved: bool = False
    settings: Mapping[str, Json] = field(default_factory=dict)

    ranges: ClassVar[Mapping[str, Range]] = {
        **COMMON, "n_envs": Range(1, 256), "n_steps": MANY, "batch_size": Range(2, 10_000_000), "n_epochs": Range(1, 1000),
        "clip_range": Range(0, 10, real=True, above=True), "gae_lambda": UNIT, "ent_coef": Range(0, 100, real=True),
    }  # fmt: skip

    def _check_settings(self) -> None:
        super()._check_settings()
        if self.n_envs * self.n_steps < 2:
            raise BadStudy("n_envs x n_steps is 1.", fix="let a rollout have at least two steps")

    def _plan(self, budget: int) -> tuple[int, dict[str, Any], int]:
        count, steps, total = self._rollout(budget)
        return count, {
            "n_steps": steps, "batch_size": min(self.batch_size, count * steps), "n_epochs": self.n_epochs, "gamma": self.gamma,
            "gae_lambda": self.gae_lambda, "ent_coef": self.ent_coef,
            "learning_rate": self._scheduled(self.learning_rate), "clip_range": self._scheduled(self.clip_range),
        }, total  # fmt: skip


@dataclass
class A2C(OnPolicy):
    """Advantage actor-critic (Mnih et al. 2016, arXiv 1602.01783, without the threads): stable_baselines3.A2C, with RMSprop.

    Parameters
    ----------
    steps : int, default=100_000
        Budget in steps of the environment, 20 to 1e9; whole rollouts of n_envs x n_steps within it are trained.
    evaluations : int, default=20
        Validation rounds over the budget, 1 to 10,000, besides the one before training.
    keep : {'best', 'last'}, default='best'
        Whose weights answer: those with the highest validation return, or the last.
    n_envs, n_steps : int, default=8, 5
        Environments side by side (1 to 256) and steps in each (1 to 10,000,000) before an update.
    learning_rate : float, default=0.0007
        Above 0 and up to 1; at the start, where `schedule` is linear.
    schedule : {'constant', 'linear'}, default='constant'
        Linear lets the learning rate fall to 0 over the budget.
    gamma, gae_lambda : float in [0, 1], default=0.99, 1.0
        Discount of a step; weight of longer returns in the advantage.
    ent_coef : float, default=0.0
        Weight of the policy's entropy in the loss, 0 to 100.
    hidden : sequence of int, default=(64, 64)
        Widths of the hidden layers (tanh) of actor and critic each, 1 to 8 of 1 to 4096.
    stop_when_solved : bool, default=False
        End once the mean return of a validation round reaches the environment's ``reward_threshold``, and that of 100 further episodes
        does too (the first round above a threshold is so partly by luck). They are neither validation nor test episodes.
    settings : mapping
        Any further keyword of stable_baselines3.A2C whose value is a number, a truth value or None (vf_coef, use_rms_prop, ...).
    """

    algorithm: ClassVar[str] = "A2C"

    steps: int = 100_000
    evaluations: int = 20
    keep: str = "best"
    n_envs: int = 8
    n_steps: int = 5
    learning_rate: float = 0.0007
    schedule: str = "constant"
    gamma: float = 0.99
    gae_lambda: float = 1.0
    ent_coef: float = 0.0
    hidden: Sequence[int] = (64, 64)
    stop_when_solved: bool = False
    settings: Mapping[str, Json] = field(default_factory=dict)

    ranges: ClassVar[Mapping[str, Range]] = {
        **COMMON, "n_envs": Range(1, 256), "n_steps": MANY, "gae_lambda": UNIT, "ent_coef": Range(0, 100, real=True),
    }  # fmt: skip

    def _plan(self, budget: int) -> tuple[int, dict[str, Any], int]:
        count, steps, total = self._rollout(budget)
        return count, {
            "n_steps": steps, "gamma": self.gamma, "gae_lambda": self.gae_lambda, "ent_coef": self.ent_coef,
            "learning_rate": self._scheduled(self.learning_rate),
        }, total  # fmt: skip


@dataclass
class DQN(SB3Agent):
    """Deep Q-network (Mnih et al., Nature 2015) with a target network and a replay buffer: stable_baselines3.DQN. Discrete actions only.

    Parameters
    ----------
    steps : int, default=50_000
        Budget in steps of the environment, 20 to 1e9; whole rounds of `train_freq` within it are trained.
    evaluations : int, default=20
        Validation rounds over the budget, 1 to 10,000, besides the one before training.
    keep : {'best', 'last'}, default='best'
        Whose weights answer: those with the highest validation return, or the last.
    learning_rate : float, default=0.0023
        Of Adam, above 0 and up to 1.
    batch_size : int, default=64
        Transitions in a gradient step, 1 to 10,000,000.
    buffer_size : int, default=100_000
        Transitions that are remembered, 1 to 10,000,000; no more are stored than the budget has steps.
    learning_starts : int, default=1000
        Steps with random actions before the first update, 0 to 10,000,000.
    gamma : float in [0, 1], default=0.99
        Discount of a step.
    target_update_interval : int, default=10
        Steps between two copies of the Q network to the target network, 1 to 10,000,000.
    train_freq, gradient_steps : int, default=256, 128
        Steps between two rounds of updates (1 to 10,000,000), and updates in a round (1 to 10,000,000).
    exploration_fraction, exploration_final_eps : float in [0, 1], default=0.16, 0.04
        Part of the budget over which the share of random actions falls from 1, and to which.
    hidden : sequence of int, default=(256, 256)
        Widths of the hidden layers (ReLU), 1 to 8 of 1 to 4096.
    stop_when_solved : bool, default=False
        End once the mean return of a validation round reaches the environment's ``reward_threshold``, and that of 100 further episodes
        does too (the first round above a threshold is so partly by luck). They are neither validation nor test episodes.
    settings : mapping
        Any further keyword of stable_baselines3.DQN whose value is a number, a truth value or None (tau, max_grad_norm, n_steps, ...).
    """

    algorithm: ClassVar[str] = "DQN"
    kind: ClassVar[str] = "q"
    activation: ClassVar[str] = "relu"

    steps: int = 50_000
    evaluations: int = 20
    keep: str = "best"
    learning_rate: float = 0.0023
    batch_size: int = 64
    buffer_size: int = 100_000
    learning_starts: int = 1000
    gamma: float = 0.99
    target_update_interval: int = 10
    train_freq: int = 256
    gradient_steps: int = 128
    exploration_fraction: float = 0.16
    exploration_final_eps: float = 0.04
    hidden: Sequence[int] = (256, 256)
    stop_when_solved: bool = False
    settings: Mapping[str, Json] = field(default_factory=dict)

    ranges: ClassVar[Mapping[str, Range]] = {
        **COMMON, "batch_size": MANY, "buffer_size": MANY, "learning_starts": Range(0, 10_000_000), "target_update_interval": MANY,
        "train_freq": MANY, "gradient_steps": MANY, "exploration_fraction": UNIT, "exploration_final_eps": UNIT,
    }  # fmt: skip

    def _check(self, world: World, observations: Any, actions: Any) -> None:
        from gymnasium import spaces

        if not isinstance(actions, spaces.Discrete):
            raise BadStudy(f"DQN cannot act in {world.id}: its actions are {actions}.", fix="use ppo or a2c, or Discrete actions")
        super()._check(world, observations, actions)

    def _plan(self, budget: int) -> tuple[int, dict[str, Any], int]:
        frequency = min(self.train_freq, budget)
        total = budget // frequency * frequency
        return 1, {
            "learning_rate": self.learning_rate, "batch_size": self.batch_size, "buffer_size": min(self.buffer_size, total),
            "learning_starts": self.learning_starts, "gamma": self.gamma, "target_update_interval": self.target_update_interval,
            "train_freq": frequency, "gradient_steps": self.gradient_steps, "exploration_fraction": self.exploration_fraction,
            "exploration_final_eps": self.exploration_final_eps,
        }, total  # fmt: skip

    def _go_on(self, model: Any, total: int) -> None:
        super()._go_on(model, total)
        model.exploration_rate = model.exploration_schedule(model._current_progress_remaining)
