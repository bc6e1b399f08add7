"""Tabular Q-learning (Watkins 1989) in plain NumPy: a table of what each action is worth in each state met, learned in environments side by side.

Observations become states by cutting each number into bins; whole numbers are used as they are. Where an episode is cut off by a time limit,
what would have come is still counted (the value of the next state); where it has ended by its own rules, nothing comes any more.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bakeoff.errors import BadStudy, shown
from bakeoff.tasks.control.agent import Agent
from bakeoff.tasks.control.course import failed
from bakeoff.tasks.control.data import VALID_FROM
from bakeoff.tasks.control.repairs import Plain, repair_of
from bakeoff.tasks.control.worlds import Fault, World, features_of, flat, reset, step, watched

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bakeoff.contract import Json
    from bakeoff.tasks.control.agent import Weights
    from bakeoff.tasks.control.course import Course
    from bakeoff.tasks.control.episodes import Observations, Policy

UNBOUNDED = 1e3
"""A bound further out is none."""
LOOKED = 2000
"""Steps of random actions that are looked at to bound what has no bounds; they count against the budget (at most a tenth of it)."""
WHOLE = 255
"""Whole numbers that span no more than this get a bin each."""

Cuts = int | Sequence[int]


@dataclass
class QTable(Agent):
    """Tabular Q-learning for Discrete actions.

    The target of a step is r + gamma * max_a Q(s', a), without the second term where the episode has terminated, with it where it was truncated. Actions
    are drawn epsilon-greedily in training; the greedy one answers. A state that was never met gets the action that is best on average over those that were.

    Parameters
    ----------
    steps : int, default=200_000
        The training budget, in steps of the environment.
    evaluations : int, default=10
    keep : {'best', 'last'}, default='best'
        Which checkpoint answers; best by the validation episodes' visible return, unless a repair chooses otherwise.
    envs : int in 1..1024, default=8
        Environments side by side.
    bins : int or list of int, each in 1..1000, default=10
        Bins of each number of the observation that is not a whole one.
    low, high : list of float or None, default=None
        Where the bins begin and end, one for each number; beyond, the outermost bin. By default the observation space's own bounds, and where it has
        none, the least and greatest value that random actions met.
    gamma : float in [0, 1), default=0.99
        What a reward one step later is worth.
    learning_rate, learning_rate_last : float in (0, 1], default=0.5 and 0.05
        At the first and the last step; in between it falls in a straight line.
    epsilon, epsilon_last : float in [0, 1], default=1.0 and 0.02
        Share of random actions at first, and from `epsilon_share` of the budget on; in between it falls in a straight line.
    epsilon_share : float in (0, 1], default=0.5
    repair : {'none', 'shaping', 'safe-kl', 'hidden-stop', 'clipped-model'}, default='none'
        Against a reward that gets hacked: see `bakeoff.tasks.control.repairs`.
    shaping_scale : float, default=1.0
        Of the potential of ``shaping``.
    kl_temperature : float above 0, default=0.2
        What a nat of divergence from the safe policy costs, in rewards, with ``safe-kl``.
    stop_drop : float in [0, 1], default=0.1
        Fall of the audited hidden return, in shares of its range, that stops ``hidden-stop``.
    audits : int in 2..100_000, default=20
        Audited episodes of ``clipped-model``.
    """

    steps: int = 200_000
    evaluations: int = 10
    keep: str = "best"
    envs: int = 8
    bins: Cuts = 10
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    gamma: float = 0.99
    learning_rate: float = 0.5
    learning_rate_last: float = 0.05
    epsilon: float = 1.0
    epsilon_last: float = 0.02
    epsilon_share: float = 0.5
    repair: str = "none"
    shaping_scale: float = 1.0
    kl_temperature: float = 0.2
    stop_drop: float = 0.1
    audits: int = 20

    _bootstraps_truncated: ClassVar[bool] = True
    """Never False but in the test that shows what that would do."""

    # -- learning -----------------------------------------------------------------------------------------------

    def _check(self, world: World, observations: Any, actions: Any) -> None:
        from gymnasium import spaces

        if not isinstance(actions, spaces.Discrete):
            raise BadStudy(
                f"q-table cannot take the actions {actions}: a table has a column for each action.",
                fix="use an environment with Discrete actions, or ppo",
            )
        for name, fits, says in (
            ("gamma", 0 <= self.gamma < 1, "in [0, 1)"),
            ("learning_rate", 0 < self.learning_rate <= 1, "in (0, 1]"),
            ("learning_rate_last", 0 < self.learning_rate_last <= 1, "in (0, 1]"),
            ("epsilon", 0 <= self.epsilon <= 1, "in [0, 1]"),
            ("epsilon_last", 0 <= self.epsilon_last <= 1, "in [0, 1]"),
            ("epsilon_share", 0 < self.epsilon_share <= 1, "in (0, 1]"),
            ("kl_temperature", self.kl_temperature > 0, "above 0"),
            ("stop_drop", 0 <= self.stop_drop <= 1, "in [0, 1]"),
            ("audits", 2 <= self.audits <= 100_000, "2 to 100,000"),
            ("envs", 1 <= self.envs <= 1024, "1 to 1,024"),
            ("steps", self.steps >= 1, "1 or more"),
        ):
            if not fits:
                raise BadStudy(f"{name} is {getattr(self, name)!r}.", fix=f"give a number {says}")
        env = world.open()
        try:
            repair_of(self, env)
        finally:
            env.close()
        try:
            self._listed("bins", self.bins, features_of(observations))
        except (ValueError, NotImplementedError) as error:
            if isinstance(error, BadStudy):
                raise
            raise BadStudy(
                f"q-table cannot read the observations {observations}.", fix="use a Box or a Discrete space"
            ) from error
        for name in ("low", "high"):
            if getattr(self, name) is not None:
                self._listed(name, getattr(self, name), features_of(observations))

    @staticmethod
    def _listed(name: str, given: Any, features: int) -> list[float]:
        """One number for each feature."""
        many = [given] * features if isinstance(given, int | float) else list(given)
        if len(many) != features:
            raise BadStudy(f"{name} has {len(many)} numbers, and an observation has {features}.", fix="give one for each, or one")
        if name == "bins" and not all(isinstance(each, int) and 1 <= each <= 1000 for each in many):
            raise BadStudy(f"bins is {shown(str(given))}.", fix="give whole numbers from 1 to 1000")
        return [float(each) for each in many]

    def _learn(self, world: World, course: Course, seed: int, folder: Path | None) -> None:
        import numpy as np

        envs = [world.open() for _ in range(self.envs)]
        try:
            with watched() as alive:
                draw = np.random.default_rng(seed)
                repair = repair_of(self, envs[0])
                found = course.found(folder) if folder is not None else None
                if found is None:
                    taken = repair.begin(envs, course.budget, draw, alive)
                    grid, looked = self._grid(envs[0], course.budget - taken, draw, alive)
                    table, done = _Table(grid, int(envs[0].action_space.n)), taken + looked
                else:
                    state, beside = found
                    draw.bit_generator.state = beside["draw"]
                    table = _Table.of(state)
                    repair.take(state, course)
                    repair.told = dict(beside["told"])
                    done = int(beside["step"])
                self._rounds(world, course, envs, table, repair, draw, done, folder, alive)
        except Fault as fault:
            raise failed(world, fault) from fault
        finally:
            for env in envs:
                with contextlib.suppress(Exception):
                    env.close()
        if not hasattr(self, "_facts"):
            self._facts: dict[str, dict[str, Json]] = {}
        self._facts[world.key] = {"states_met": len(table.place), "repair": self.repair, **repair.told}

    def _tell(self, key: str, course: Course) -> None:
        super()._tell(key, course)
        (self.chosen_[key] if key else self.chosen_).update(self._facts[course.world.key])

    def _rounds(
        self, world: World, course: Course, envs: list[Any], table: _Table, repair: Plain, draw: np.random.Generator, done: int,
        folder: Path | None, alive: Any,
    ) -> None:  # fmt: skip
        """Learn, evaluate, keep; every stretch between two evaluations begins with fresh episodes, so that one can be gone on from there."""
        resumed = bool(course.rows)
        while True:
            if not resumed:
                weights = table.weights(repair.temperature)
                course.evaluate(0 if not course.rows else done, self._policy(world, weights), weights)
                stop = repair.looked(course)
                if stop or (done >= course.budget and len(course.rows) > 1):
                    return
                if folder is not None:
                    beside = {"draw": draw.bit_generator.state, "told": repair.told, "step": done}
                    course.keep(folder, {**table.state(), **repair.state()}, json.loads(json.dumps(beside)))
            resumed = False
            done = self._stretch(course, envs, table, repair, draw, done, alive)

    def _stretch(
        self, course: Course, envs: list[Any], table: _Table, repair: Plain, draw: np.random.Generator, done: int, alive: Any
    ) -> int:
        """Learn until an evaluation is due, or the budget is spent; how many steps were done in all."""
        import numpy as np

        space, first = envs[0].observation_space, int(envs[0].action_space.start)
        now = [reset(env, int(draw.integers(VALID_FROM)))[0] for env in envs]
        rows = flat(space, now)
        at = table.find(rows, now, repair)
        while done < course.budget:
            alive()
            part = min(1.0, done / course.budget)
            rate = self.learning_rate + part * (self.learning_rate_last - self.learning_rate)
            epsilon = self.epsilon + min(1.0, part / self.epsilon_share) * (self.epsilon_last - self.epsilon)
            count = min(len(envs), course.budget - done)
            at, rows = at[:count], rows[:count]
            before = now[:count]
            actions = table.prefers(at, draw)
            strays = draw.random(count) < epsilon
            actions[strays] = draw.integers(table.actions, size=int(strays.sum()))
            visible, ended, over = np.zeros(count), np.zeros(count, dtype=bool), []
            after: list[Any] = []
            for i, action in enumerate(actions.tolist()):
                then, visible[i], ended[i], truncated, _ = step(envs[i], first + action)
                after.append(then)
                if ended[i] or truncated:
                    over.append(i)
            next_rows = flat(space, after)
            to = table.find(next_rows, after, repair)
            worth = repair.rewards(visible, before, rows, actions, after, next_rows, ended)
            stops = ended.copy()
            if not self._bootstraps_truncated:
                stops[over] = True
            table.learn(at, actions, worth + self.gamma * np.where(stops, 0.0, table.values(to, repair.temperature)), rate)
            now = after
            if over:
                for i in over:
                    now[i] = reset(envs[i], int(draw.integers(VALID_FROM)))[0]
                next_rows[over] = flat(space, [now[i] for i in over])
                to[over] = table.find(next_rows[over], [now[i] for i in over], repair)
            at, rows = to, next_rows
            done += count
            if course.due(done):
                break
        return done

    def _grid(self, env: Any, budget: int, draw: np.random.Generator, alive: Any) -> tuple[_Grid, int]:
        """Where the bins lie, and how many steps it took to find out."""
        import numpy as np
        from gymnasium import spaces

        space, features = env.observation_space, features_of(env.observation_space)
        box = isinstance(space, spaces.Box)
        low = space.low.reshape(-1).astype(np.float64) if box else np.zeros(features)
        high = space.high.reshape(-1).astype(np.float64) if box else np.ones(features)
        bins = np.array(self._listed("bins", self.bins, features))
        whole = np.full(features, not box or space.dtype.kind in "iu") & (high - low <= WHOLE)
        for name, bound in (("low", low), ("high", high)):
            if getattr(self, name) is not None:
                bound[:] = self._listed(name, getattr(self, name), features)
        bins[whole] = (high - low)[whole] + 1
        low[whole] -= 0.5
        high[whole] += 0.5
        open_low, open_high = ~(low > -UNBOUNDED), ~(high < UNBOUNDED)
        looked = 0
        if open_low.any() or open_high.any():
            seen, looked = self._met(env, min(LOOKED, max(1, budget // 10)), draw, alive)
            low, high = np.where(open_low, seen.min(axis=0), low), np.where(open_high, seen.max(axis=0), high)
        return _Grid(low, np.where(high > low, high, low + 1.0), bins), looked

    @staticmethod
    def _met(env: Any, most: int, draw: np.random.Generator, alive: Any) -> tuple[NDArray[Any], int]:
        """Observations that random actions met, and how many steps that took."""
        found, done = [], True
        for _ in range(most):
            alive()
            if done:
                found.append(reset(env, int(draw.integers(VALID_FROM)))[0])
            action = int(env.action_space.start + draw.integers(env.action_space.n))
            observation, _, terminated, truncated, _ = step(env, action)
            found.append(observation)
            done = terminated or truncated
        return flat(env.observation_space, found), most

    # -- answering ----------------------------------------------------------------------------------------------

    def _policy(self, world: World, weights: Weights) -> Policy:
        return TablePolicy(weights, int(self._spaces(world)[1].start))


class _Grid:
    """From rows of numbers to one whole number each, the same for rows that fall into the same bins."""

    def __init__(self, low: NDArray[Any], high: NDArray[Any], bins: NDArray[Any]) -> None:
        import numpy as np

        self.low, self.high, self.bins = (np.asarray(each, dtype=np.float64) for each in (low, high, bins))
        self._scale, self._top = self.bins / (self.high - self.low), self.bins - 1
        if float(np.log2(self.bins).sum()) < 62:
            self._weights = np.concatenate([[1.0], np.cumprod(self.bins[:-1])]).astype(np.int64)
        else:
            # Too many states to number: each gets a random number of 64 bits instead, and two alike are as good as never drawn.
            self._weights = np.random.default_rng(0).integers(-(2**62), 2**62, size=len(self.bins)) * 2 + 1

    def keys(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        """Shape (n,), for rows of shape (n, features). Beyond the bounds lies the outermost bin."""
        import numpy as np

        codes = np.minimum(np.maximum((rows - self.low) * self._scale, 0), self._top)
        return codes.astype(np.int64) @ self._weights


class _Table:
    """Action values of the states that were met, and what a repair adds to them when an action is chosen."""

    def __init__(self, grid: _Grid, actions: int) -> None:
        import numpy as np

        self.grid, self.actions = grid, actions
        self.place: dict[int, int] = {}
        self.q = np.zeros((256, actions))
        self.bias = np.zeros((256, actions))

    @classmethod
    def of(cls, state: Mapping[str, NDArray[Any]]) -> _Table:
        """From what `state` gave."""
        made = cls(_Grid(state["low"], state["high"], state["bins"]), int(state["q"].shape[1]))
        made.q, made.bias = state["q"].copy(), state["bias"].copy()
        made.place = {int(key): i for i, key in enumerate(state["keys"])}
        return made

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything, in the order in which the states were met."""
        import numpy as np

        keys = np.fromiter(self.place, dtype=np.int64, count=len(self.place))
        return {
            "q": self.q,
            "bias": self.bias,
            "keys": keys,
            "low": self.grid.low,
            "high": self.grid.high,
            "bins": self.grid.bins,
        }

    def weights(self, temperature: float) -> dict[str, NDArray[Any]]:
        """What a `TablePolicy` needs: states sorted by key."""
        import numpy as np

        held = self.state()
        order = np.argsort(held["keys"])
        table = (self.q + self.bias)[: len(order)][order]
        return {"keys": held["keys"][order], "table": table, "temperature": np.array([temperature]),
                "low": held["low"], "high": held["high"], "bins": held["bins"]}  # fmt: skip

    def find(self, rows: NDArray[Any], observations: Sequence[Any], repair: Plain) -> NDArray[np.intp]:
        """Rows of the table for observations; those never met get new ones, of zeros."""
        import numpy as np

        places = []
        for i, key in enumerate(self.grid.keys(rows).tolist()):
            place = self.place.get(key)
            if place is None:
                place = self.place[key] = len(self.place)
                if place == len(self.q):
                    self.q = np.concatenate([self.q, np.zeros_like(self.q)])
                    self.bias = np.concatenate([self.bias, np.zeros_like(self.bias)])
                added = repair.bias(observations[i], self.actions)
                if added is not None:
                    self.bias[place] = added
            places.append(place)
        return np.array(places, dtype=np.intp)

    def prefers(self, at: NDArray[np.intp], draw: np.random.Generator) -> NDArray[np.intp]:
        """The best action of each state; among equals one at random, lest the first be all that is ever tried."""
        liked = self.q[at] + self.bias[at]
        liked = liked + (liked == liked.max(axis=1, keepdims=True)) * draw.random(liked.shape) * 1e-9 * (1 + abs(liked).max())
        return liked.argmax(axis=1)

    def values(self, at: NDArray[np.intp], temperature: float) -> NDArray[np.float64]:
        """What each state is worth."""
        return _worth(self.q[at] + self.bias[at], temperature)

    def learn(self, at: NDArray[np.intp], actions: NDArray[np.intp], targets: NDArray[np.float64], rate: float) -> None:
        """Move values towards targets; where several copies took one action in one state, towards the mean of theirs."""
        import numpy as np

        cells = at * self.actions + actions
        off = targets - self.q[at, actions]
        if len(set(cells.tolist())) < len(cells):
            alike = cells[:, None] == cells[None, :]
            off = (alike @ off) / alike.sum(axis=1)
        self.q[at, actions] += rate * np.asarray(off)


def _worth(liked: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    import numpy as np

    top = liked.max(axis=1)
    if not temperature:
        return top
    return top + temperature * np.log(np.exp((liked - top[:, None]) / temperature).sum(axis=1))


class TablePolicy:
    """The greedy policy of a table (`episodes.Policy`, `episodes.Looks`).

    Parameters
    ----------
    weights : mapping of name to array
        ``keys`` of shape (states,), sorted, ``table`` of shape (states, actions), ``temperature`` (one number), and per feature ``low``, ``high``, ``bins``.
    first : int
        The action of the table's first column.
    """

    def __init__(self, weights: Weights, first: int = 0) -> None:
        self.grid = _Grid(weights["low"], weights["high"], weights["bins"])
        self.keys, self.table, self.first = weights["keys"], weights["table"], first
        self.temperature = float(weights["temperature"][0])
        self.best = self.table.argmax(axis=1)
        self.default = int(self.table.mean(axis=0).argmax()) if len(self.table) else 0

    def act(self, observations: Observations, draws: Sequence[np.random.Generator]) -> Sequence[int]:
        """The action with the highest value, the first of equals; for states never met the one that is best on average."""
        at, met = self._find(observations)
        return [self.first + (int(self.best[i]) if known else self.default) for i, known in zip(at, met, strict=True)]

    def says(self, observations: Observations) -> Mapping[str, NDArray[Any]]:
        """``value``, shape (n,): of states never met, the mean over those that were."""
        import numpy as np

        if not len(self.table):
            return {"value": np.zeros(len(observations))}
        worth = _worth(self.table, self.temperature)
        at, met = self._find(observations)
        return {"value": np.where(met, worth[at], worth.mean())}

    def _find(self, observations: Observations) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        import numpy as np

        keys = self.grid.keys(np.asarray(observations))
        if not len(self.keys):
            return np.zeros(len(keys), dtype=np.intp), np.zeros(len(keys), dtype=bool)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return at, self.keys[at] == keys
