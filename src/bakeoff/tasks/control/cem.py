"""The cross-entropy method: a policy of a few weights, drawn, tried and redrawn around the best of them.

A generation of candidates is drawn from a normal distribution over the weights, each plays an episode, and the distribution moves to the best of
them (de Boer, Kroese, Mannor and Rubinstein 2005, "A tutorial on the cross-entropy method", section 3). Noise that falls to nothing is added to its
spread, so that it does not close too early (Szita and Lorincz 2006, "Learning Tetris using the noisy cross-entropy method").
No gradient, no network library: all candidates of a generation step side by side in NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.contract import Item, Progress
from bakeoff.errors import BadStudy, shown
from bakeoff.tasks.control.agent import Agent
from bakeoff.tasks.control.course import failed
from bakeoff.tasks.control.lockstep import Stage, open_stage
from bakeoff.tasks.control.policies import Net, check_spaces
from bakeoff.tasks.control.worlds import Fault, World, features_of, watched

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bakeoff.tasks.control.agent import Weights
    from bakeoff.tasks.control.course import Course
    from bakeoff.tasks.control.episodes import Policy

    Array = NDArray[np.float64]

NOISY_GENERATIONS = 10
"""Generations over which the added noise falls evenly to none."""
MOST_COPIES = 10_000
REAL = ("elite", "spread", "noise")
RANGES = {
    "steps": (1, 1_000_000_000), "evaluations": (1, 10_000), "population": (4, 10_000), "episodes": (1, 1_000), "hidden": (0, 4_096),
    "elite": (0.01, 0.9), "spread": (1e-6, 1e6), "noise": (0, 1e6),
}  # fmt: skip
"""What each setting may be; all but those of `REAL` are whole numbers."""


@dataclass
class CEM(Agent):
    """A linear policy, or a small network, by the cross-entropy method.

    With two actions the policy is the sign of ``w . observation``: four weights for CartPole. With more actions it is the highest of
    ``W observation + b``; in a Box it is ``W observation + b``, clipped to the bounds.

    Every step of an episode that a candidate plays counts into the budget. Where Gymnasium steps all copies of an environment in one call, a copy
    whose episode has ended is stepped along until the last one ends: nobody looks at those steps and they are not counted, but
    their CPU time is.

    Parameters
    ----------
    steps : int, default=200_000
        The budget, in steps of the environment. A generation that reaches it is cut there for all candidates at once, and ranked as it stands.
    evaluations : int, default=50
        Of the distribution's mean on validation episodes, over the whole budget.
    keep : {'best', 'last'}, default='best'
    population : int, default=32
        Candidates of a generation, at least 4.
    elite : float, default=0.25
        Share of them that the next generation is drawn around, in (0, 1); all that tie with the last of them are taken too.
    episodes : int, default=1
        That each candidate plays; its score is their mean return.
    spread : float, default=1.0
        Standard deviation of each weight at the start, above 0.
    noise : float, default=0.5
        Added to each weight's variance after the first generation, falling to none over ten.
    hidden : int, default=0
        Width of one hidden layer (tanh); 0 for a linear policy.
    stop_when_solved : bool, default=True
        End once every validation episode reaches the return from which the environment counts as solved, where it states one, and so does every
        episode of one more round on training seeds, whose steps count. Without that round a few validation episodes stop it too soon: the
        policy that was stopped for them is the luckiest of several.
    """

    steps: int = 200_000
    evaluations: int = 50
    keep: str = "best"
    population: int = 32
    elite: float = 0.25
    episodes: int = 1
    spread: float = 1.0
    noise: float = 0.5
    hidden: int = 0
    stop_when_solved: bool = True

    def fit(self, train: Sequence[Item], valid: Sequence[Item], *, seed: int, progress: Progress) -> Agent:
        """Check the settings, then learn: see `Agent.fit`."""
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not (whole or (isinstance(value, float) and name in REAL)) or not low <= value <= high:
                kind = "a number" if name in REAL else "a whole number"
                raise BadStudy(f"{name} is {shown(value)}.", fix=f"use {kind} from {low:,g} to {high:,g}")
        if self.population * self.episodes > MOST_COPIES:
            raise BadStudy(
                f"population x episodes is {self.population * self.episodes:,}.",
                fix=f"use at most {MOST_COPIES:,}: all are played side by side",
            )
        if not isinstance(self.stop_when_solved, bool):
            raise BadStudy(f"stop_when_solved is {shown(self.stop_when_solved)}.", fix="use true or false")
        return super().fit(train, valid, seed=seed, progress=progress)

    def _check(self, world: World, observations: Any, actions: Any) -> None:
        check_spaces("cem", observations, actions)

    def _learn(self, world: World, course: Course, seed: int, folder: Path | None) -> None:
        import numpy as np

        observations, actions = self._spaces(world)
        shape = Shape.of(features_of(observations), actions, self.hidden)
        draw = np.random.default_rng(seed)
        mean, spread = np.zeros(shape.size), np.full(shape.size, float(self.spread))
        step = generation = 0
        confirmed = False
        held = course.found(folder) if folder is not None else None
        if held is not None:
            state, beside = held
            mean, spread, step, generation = state["mean"], state["spread"], int(beside["step"]), int(beside["generation"])
            confirmed, draw.bit_generator.state = bool(beside["confirmed"]), beside["draw"]
        else:
            self._evaluate(world, course, 0, shape.named(mean))
        stage = open_stage(world, self.population * self.episodes)
        threshold = stage.threshold if self.stop_when_solved else None
        try:
            whole = True
            while whole and not confirmed and step < course.budget:
                candidates = mean + spread * draw.standard_normal((self.population, shape.size))
                players = np.repeat(candidates, self.episodes, axis=0)
                returns, taken, whole = self._returns(world, stage, shape, players, draw, course.budget - step)
                if not taken:
                    break  # what is left of the budget is less than one step of every candidate
                scores = returns.reshape(self.population, self.episodes).mean(axis=1)
                best = candidates[scores >= np.sort(scores)[-max(2, round(self.elite * self.population))]]
                added = self.noise * max(0.0, 1 - generation / NOISY_GENERATIONS)
                mean, spread = best.mean(axis=0), np.sqrt(best.var(axis=0) + added)
                step, generation = step + taken, generation + 1
                if course.due(step) or not whole or step >= course.budget:
                    self._evaluate(world, course, step, shape.named(mean))
                    if threshold is not None and _solved(course, threshold) and whole:
                        same = np.tile(mean, (len(players), 1))
                        returns, taken, whole = self._returns(world, stage, shape, same, draw, course.budget - step)
                        step, confirmed = step + taken, bool(returns.min() >= threshold)
                    if folder is not None:
                        beside = {
                            "step": step,
                            "generation": generation,
                            "confirmed": confirmed,
                            "draw": draw.bit_generator.state,
                        }
                        course.keep(folder, {"mean": mean, "spread": spread}, beside)
        finally:
            stage.close()
        if course.rows[-1]["step"] < step:
            self._evaluate(world, course, step, shape.named(mean))  # what the last steps confirmed, with all steps counted
        why = f"its budget of {course.budget:,} steps was spent"
        if confirmed:
            why = f"all {len(course.seeds):,} validation episodes and {self.population * self.episodes:,} training episodes reached {threshold:g}"
        course.said |= {"weights": shape.size, "generations": generation, "ended_because": why}

    def _evaluate(self, world: World, course: Course, step: int, weights: Weights) -> None:
        course.evaluate(step, self._policy(world, weights), weights)

    def _returns(
        self, world: World, stage: Stage, shape: Shape, players: Array, draw: np.random.Generator, most: int
    ) -> tuple[Array, int, bool]:
        """Return of each player's episode, shape (n,), the steps they took together, and whether all episodes ended.

        They are cut off all at once where a further step of each would be more than `most`.
        """
        import numpy as np

        totals = np.zeros(len(players))
        running = np.ones(len(players), dtype=bool)
        taken = 0
        try:
            with watched() as alive:
                alive()
                rows = stage.begin(draw)
                while running.any() and taken + int(running.sum()) <= most:
                    alive()
                    rows, rewards, ended = stage.step(shape.actions(rows, players), running, alive)
                    taken += int(running.sum())
                    totals += np.where(running, rewards, 0.0)
                    running &= ~ended
        except Fault as fault:
            raise failed(world, fault) from fault
        return totals, taken, not running.any()

    def _policy(self, world: World, weights: Weights) -> Policy:
        import numpy as np
        from gymnasium import spaces

        actions = self._spaces(world)[1]
        full = dict(weights)
        if "actor.0.bias" not in full:  # two actions: the second where w . observation is above 0, else the first
            full["actor.0.weight"] = np.concatenate([np.zeros_like(full["actor.0.weight"]), full["actor.0.weight"]])
            full["actor.0.bias"] = np.zeros(2)
        return Net(full, actions, kind="gaussian" if isinstance(actions, spaces.Box) else "scores")


def _solved(course: Course, threshold: float) -> bool:
    """Whether every episode of the last evaluation reached the threshold."""
    return bool(course.seeds) and course.rows[-1]["low"] >= threshold


@dataclass(frozen=True)
class Shape:
    """How a row of numbers is a policy.

    Parameters
    ----------
    features, outputs, hidden : int
        Widths; ``hidden`` is 0 for a linear policy.
    signs : bool
        Two actions and no hidden layer: one output without a bias, whose sign decides.
    space : gymnasium.spaces.Discrete or Box
        Of the actions.
    """

    features: int
    outputs: int
    hidden: int
    signs: bool
    space: Any

    @classmethod
    def of(cls, features: int, space: Any, hidden: int) -> Shape:
        """The policy between an observation of `features` numbers and an action of `space`."""
        import numpy as np
        from gymnasium import spaces

        if isinstance(space, spaces.Box):
            return cls(features, int(np.prod(space.shape)), hidden, False, space)
        signs = int(space.n) == 2 and not hidden
        return cls(features, 1 if signs else int(space.n), hidden, signs, space)

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(outputs, inputs) of each layer."""
        if self.hidden:
            return [(self.hidden, self.features), (self.outputs, self.hidden)]
        return [(self.outputs, self.features)]

    @property
    def size(self) -> int:
        """Numbers in a row."""
        return sum(rows * columns + (0 if self.signs else rows) for rows, columns in self.layers)

    def parts(self, players: Array) -> list[tuple[Array, Array | None]]:
        """Weights, shape (n, outputs, inputs), and biases, shape (n, outputs), of each layer, from rows of shape (n, size)."""
        found: list[tuple[Array, Array | None]] = []
        at = 0
        for rows, columns in self.layers:
            weight = players[:, at : at + rows * columns].reshape(len(players), rows, columns)
            at += rows * columns
            bias = None if self.signs else players[:, at : at + rows]
            at += 0 if self.signs else rows
            found.append((weight, bias))
        return found

    def named(self, row: Array) -> dict[str, Array]:
        """One row as the weights of a `policies.Net`; without a bias where the sign decides."""
        found = {}
        for place, (weight, bias) in enumerate(self.parts(row[None, :])):
            found[f"actor.{place}.weight"] = weight[0].copy()
            if bias is not None:
                found[f"actor.{place}.bias"] = bias[0].copy()
        return found

    def actions(self, observations: NDArray[Any], players: Array) -> NDArray[Any]:
        """What each player does about its own observation: shape (n,) for Discrete, (n, *space.shape) for a Box."""
        import numpy as np
        from gymnasium import spaces

        if self.signs:
            return int(self.space.start) + (np.einsum("ij,ij->i", observations, players) > 0).astype(np.int64)
        now: NDArray[Any] = np.asarray(observations, dtype=np.float64)
        for place, (weight, bias) in enumerate(self.parts(players)):
            now = np.einsum("ij,ikj->ik", np.tanh(now) if place else now, weight) + bias
        if isinstance(self.space, spaces.Box):
            shaped = now.reshape(len(now), *self.space.shape)
            return np.clip(shaped, self.space.low, self.space.high).astype(self.space.dtype)
        return int(self.space.start) + now.argmax(axis=1)
