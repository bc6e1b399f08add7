"""What every agent shares: one policy for each environment of the study, episodes and single decisions, both kinds of weights, saving.

A training item is an allotment of training (``share`` of the budget); a validation or test item is an episode to play, by its seed. Asked about an
``observation`` instead, an agent answers what it would do.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bakeoff.contract import Answer, Flops, Item, Json, Progress, Requires
from bakeoff.errors import BadData, BadStudy, RunError, shown
from bakeoff.tasks.control.course import Course
from bakeoff.tasks.control.episodes import Episode, Policy, plain, play
from bakeoff.tasks.control.worlds import Fault, World, as_observation, flat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Weights = Mapping[str, NDArray[Any]]

KEEPS = ("best", "last")
NO_WEIGHTS = "none"
"""What an agent that has no weights calls the one number that it keeps instead."""


class Agent(ABC):
    """An approach to the control task. Subclasses say how they learn (`_learn`) and what their weights do (`_policy`).

    They are dataclasses; the base reads these of their settings, where they have them: ``steps`` (the budget, in steps of the environment),
    ``evaluations`` (how often validation episodes are played on the way) and ``keep`` (``best`` or ``last``: whose weights answer).

    Attributes
    ----------
    worlds_ : list of World
        The environments that were learned, in the order of the items; one policy each.
    kept_ : dict
        Per world's key: ``best`` and ``last``, the weights.
    course_ : dict
        Per world's key: the `Course` of the training, while the agent is in the process that trained it.
    curve_ : list of dict
        The rows of all courses; with several worlds each has its ``environment``.
    chosen_ : dict
        What was chosen on validation, and what else the report should know.
    """

    requires: ClassVar[Requires] = Requires(("gymnasium", "safetensors"), extra="control")
    steps: int = 0
    evaluations: int = 1
    keep: str = "best"
    worlds_: list[World]
    kept_: dict[str, dict[str, dict[str, Any]]]
    course_: dict[str, Course]
    curve_: list[dict[str, Any]]
    chosen_: dict[str, Any]
    folder_: Path | None = None

    def checkpoint_in(self, folder: Path) -> None:
        """Keep the state of a training in `folder`, and go on from what is there (`contract.KeepsCheckpoints`)."""
        self.folder_ = folder

    def fit(self, train: Sequence[Item], valid: Sequence[Item], *, seed: int, progress: Progress) -> Agent:
        """Learn a policy for each environment of `train`, within the share of the budget that its items allot.

        Raises
        ------
        BadStudy
            If the agent cannot act in an environment (its actions are of another kind), or a setting is out of range.
        RunError
            If an environment fails while it is learned: only this seed's trial is lost.
        """
        if self.keep not in KEEPS:
            raise BadStudy(f"keep is {self.keep!r}.", fix="use best or last")
        shares: dict[str, float] = {}
        worlds: dict[str, World] = {}
        for item in train:
            world = World.of(item.input)
            worlds.setdefault(world.key, world)
            shares[world.key] = shares.get(world.key, 0.0) + float(item.input.get("share", 1.0))
        if not worlds:
            raise BadData("There is nothing to learn from.", fix="give training items")
        self._forget()
        self.worlds_, self.kept_, self.course_, self.curve_, self.chosen_ = list(worlds.values()), {}, {}, [], {}
        for place, (key, world) in enumerate(worlds.items()):
            seeds = [int(item.input["seed"]) for item in valid if World.of(item.input).key == key]

            def part(fraction: float, note: str = "", place: int = place, world: World = world) -> None:
                named = f"{world.id}: {note}" if len(worlds) > 1 else note
                progress((place + min(1.0, fraction)) / len(worlds), named)

            budget = max(1, round(self.steps * min(1.0, shares[key])))
            course = Course(world, seeds, budget, evaluations=self.evaluations, progress=part)
            self._fit_one(world, course, seed, self._folder_of(key, len(worlds)))
            self.course_[key] = course
            best, last = course.weights[course.best], course.weights[-1]
            self.kept_[key] = {"best": best, "last": last}
            extra = {"environment": world.key} if len(worlds) > 1 else {}
            self.curve_ += [{**row, **extra} for row in course.rows]
            self._tell(key if len(worlds) > 1 else "", course)
        progress(1.0, "ready to act")
        return self

    def _forget(self) -> None:
        """Drop what was made of other weights."""
        self._policies: dict[tuple[str, str], Policy] = {}
        self._known: dict[str, tuple[Any, Any]] = {}

    def _fit_one(self, world: World, course: Course, seed: int, folder: Path | None) -> None:
        env = world.open()
        try:
            self._check(world, env.observation_space, env.action_space)
        finally:
            env.close()
        course.start()
        self._learn(world, course, seed, folder)
        if not course.rows or not course.weights[-1] or not course.weights[course.best]:
            raise RunError(f"{type(self).__name__} ended without an evaluation.", fix="report this as a fault of the agent")

    def _tell(self, key: str, course: Course) -> None:
        best, last = course.rows[course.best], course.rows[-1]
        told: dict[str, Json] = {
            "trained_steps": int(last["step"]), "best_step": int(best["step"]), "best_return": best["return"],
            "last_return": last["return"], "train_cpu_seconds": round(course.cpu_seconds, 3),
            **course.said,
        }  # fmt: skip
        if key:
            self.chosen_[key] = told
        else:
            self.chosen_ |= told

    def _folder_of(self, key: str, count: int) -> Path | None:
        import hashlib

        if self.folder_ is None:
            return None
        folder = self.folder_ if count == 1 else self.folder_ / hashlib.sha256(key.encode()).hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    # -- answering ----------------------------------------------------------------------------------------------

    def policy(self, world: World, *, which: str = "") -> Policy:
        """The policy learned for a world: its best or last weights (`keep` says which where `which` is '').

        Raises
        ------
        BadData
            If the world was not learned.
        """
        if world.key not in self.kept_:
            raise BadData(f"No policy was learned for {world.key}.", fix=f"ask about {', '.join(w.key for w in self.worlds_)}")
        if not hasattr(self, "_policies"):
            self._forget()
        at = (world.key, which or self.keep)
        if at not in self._policies:
            self._policies[at] = self._policy(world, self.kept_[at[0]][at[1]])
        return self._policies[at]

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        """Play each item's episode, or say what to do about its observation. What an environment does wrong is that item's error."""
        asked = list(items)
        for (observes, _), some in groupby(asked, key=_kind):
            together = list(some)
            answers = self._decisions if observes else self._episodes
            yield from answers(together, alone=len(asked) == 1)

    def _episodes(self, items: Sequence[Item], *, alone: bool) -> Iterator[Answer]:
        """One episode for each item, all of one world."""
        started = time.perf_counter()
        seeds: list[int | BadData] = []
        for item in items:
            try:
                seeds.append(_seed(item.input))
            except BadData as error:
                seeds.append(error)
        told = 0
        try:
            world = self._world(items[0].input)
            episodes = play(world, self.policy(world), [seed for seed in seeds if isinstance(seed, int)])
            for seed in seeds:
                played = next(episodes) if isinstance(seed, int) else Fault(f"{seed.what} {seed.fix}")
                seconds = time.perf_counter() - started if alone else None
                yield Answer(error=played.what) if isinstance(played, Fault) else _as_answer(played, seconds)
                told += 1
        except BadData as error:
            for _ in items[told:]:
                yield Answer(error=f"{error.what} {error.fix}")

    def _decisions(self, items: Sequence[Item], *, alone: bool) -> Iterator[Answer]:
        import numpy as np

        for item in items:
            started = time.perf_counter()
            try:
                world = self._world(item.input)
                space, policy = self._space(world), self.policy(world)
                rows = flat(space, [as_observation(space, item.input["observation"])])
                draw = np.random.default_rng(_seed({"seed": item.input.get("seed") or 0}))
            except BadData as error:
                yield Answer(error=f"{error.what} {error.fix}")
                continue
            action = plain(policy.act(rows, [draw])[0])
            said: dict[str, Json] = {}
            probabilities = None
            says = getattr(policy, "says", None)
            if says is not None:
                held = says(rows)
                if "probabilities" in held:
                    probabilities = {
                        str(name): float(p) for name, p in zip(self._actions(world), held["probabilities"][0], strict=True)
                    }
                if "value" in held:
                    said["value"] = float(held["value"][0])
            seconds = time.perf_counter() - started if alone else None
            yield Answer(value=action, probabilities=probabilities, seconds=seconds, details=said)

    def _world(self, asked: Mapping[str, Json]) -> World:
        """The learned world that an item names. Never one made of what was asked: an item may come from anybody, and opening one runs code."""
        known = ", ".join(world.key for world in self.worlds_)
        if "environment" not in asked:
            if len(self.worlds_) == 1:
                return self.worlds_[0]
            raise BadData("Several environments were learned.", fix=f"add `environment`: one of {known}")
        key = _key(asked)
        for world in self.worlds_:
            if world.key == key:
                return world
        raise BadData(f"No policy was learned for {shown(key)}.", fix=f"ask about {known}")

    def _spaces(self, world: World) -> tuple[Any, Any]:
        """Observation and action space of a world; the environment is opened once for it, and closed."""
        if not hasattr(self, "_known"):
            self._forget()
        if world.key not in self._known:
            env = world.open()
            self._known[world.key] = env.observation_space, env.action_space
            env.close()
        return self._known[world.key]

    def _space(self, world: World) -> Any:
        return self._spaces(world)[0]

    def _actions(self, world: World) -> list[int]:
        space = self._spaces(world)[1]
        return [int(space.start) + k for k in range(int(space.n))]

    def flops(self, items: Sequence[Item]) -> Flops:
        """Of one decision: two for each weight of the policy that answers, unless a subclass counts better."""
        sizes = [
            sum(int(each.size) for name, each in kept[self.keep].items() if name != NO_WEIGHTS) for kept in self.kept_.values()
        ]
        return Flops(
            2.0 * max(sizes, default=0), basis="formula: 2 x weights of the policy, one decision", leaves_out=("the environment",)
        )

    def explain(self, items: Sequence[Item], answers: Sequence[Answer]) -> Mapping[str, Json]:
        """Films of kept checkpoints, the loop at one step, and maps of the policy: see `bakeoff.tasks.control.show`."""
        from bakeoff.tasks.control.show import shown

        return shown(self, items)

    # -- keeping ------------------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write ``agent.safetensors`` (best and last weights of each world) and ``agent.json``."""
        import numpy as np
        from safetensors.numpy import save_file

        tensors: dict[str, NDArray[Any]] = {}
        for place, world in enumerate(self.worlds_):
            for which, weights in self.kept_[world.key].items():
                tensors |= {f"{place}.{which}.{name}": np.ascontiguousarray(each) for name, each in weights.items()}
        save_file(tensors, str(folder / "agent.safetensors"))
        about = {
            "worlds": [world.named() for world in self.worlds_],
            "chosen": self.chosen_,
            "curve": self.curve_,
            "beside": self._beside(),
        }
        (folder / "agent.json").write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")

    def restore(self, folder: Path) -> Agent:
        """Read what `save` wrote.

        Raises
        ------
        RunError
            If the folder holds no such agent.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        self._forget()
        try:
            about = json.loads((folder / "agent.json").read_text(encoding="utf-8"))
            tensors = load_file(str(folder / "agent.safetensors"))
            self.worlds_ = [World.of(each) for each in about["worlds"]]
            self.kept_ = {world.key: {which: {} for which in KEEPS} for world in self.worlds_}
            for name, each in tensors.items():
                place, which, key = name.split(".", 2)
                self.kept_[self.worlds_[int(place)].key][which][key] = each
            self.chosen_, self.curve_, self.course_ = dict(about["chosen"]), list(about["curve"]), {}
            self._take(about["beside"])
            if not self.worlds_ or not all(each for kept in self.kept_.values() for each in kept.values()):
                raise ValueError("weights are missing")
        except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, SafetensorError) as error:
            raise RunError(f"{folder} holds no saved agent.", fix="run the study again") from error
        return self

    def _beside(self) -> Mapping[str, Json]:
        """JSON that `_policy` needs besides the weights."""
        return {}

    def _take(self, beside: Mapping[str, Json]) -> None:  # noqa: B027  nothing to take back by default
        """Take back what `_beside` gave."""

    # -- what subclasses say ------------------------------------------------------------------------------------

    def _check(self, world: World, observations: Any, actions: Any) -> None:  # noqa: B027  all spaces by default
        """Raise BadStudy where the agent cannot act in such spaces. By default it can act in all that the task knows."""

    @abstractmethod
    def _learn(self, world: World, course: Course, seed: int, folder: Path | None) -> None:
        """Train within ``course.budget`` steps; call ``course.evaluate`` before the first step, whenever ``course.due``, and at the end.

        With a `folder`, keep what is needed to go on (`Course.keep`) and begin with what is found there (`Course.found`).
        """

    @abstractmethod
    def _policy(self, world: World, weights: Weights) -> Policy:
        """What weights do, in NumPy: loading no training library, so that answering is light."""


def _key(asked: Mapping[str, Json]) -> str:
    """The key of the world that an item names; '' where it names none, or nothing that could be one."""
    try:
        return World.of(asked).key
    except (KeyError, TypeError, ValueError):
        return ""


def _kind(item: Item) -> tuple[bool, str]:
    return "observation" in item.input, _key(item.input)


def _seed(asked: Mapping[str, Json]) -> int:
    """The seed of an episode.

    Raises
    ------
    BadData
        If there is none, or it is no whole number from 0 to 2**31 - 1.
    """
    given = asked.get("seed")
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 2**31:
        raise BadData(f"The seed of an episode is {shown(given)}.", fix="give a whole number from 0 to 2147483647")
    return given


def _as_answer(played: Episode, seconds: float | None) -> Answer:
    details: dict[str, Json] = {"length": played.length, "terminated": played.terminated}
    if played.hidden is not None:
        details["hidden"] = played.hidden
    return Answer(value=played.total, seconds=seconds, details=details)
