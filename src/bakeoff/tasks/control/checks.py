"""Checks on the environments and episodes of a study before anything is trained, BK030 to BK035 (see `bakeoff.measure.checks` for the manner)."""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bakeoff.contract import Dataset, Finding, Item, Outcome, Splits
from bakeoff.measure import checks
from bakeoff.measure.checks import coded, listed
from bakeoff.tasks.control.data import VALID_FROM
from bakeoff.tasks.control.worlds import World, fault_said, random_action, reset, step, watched

MOST_STEPS = 500
"""Of an episode that is played to be checked."""
TRIED = 8
"""Episodes of random actions a world, from its first test seeds."""
ROUNDING = 1e-6
"""A return may be beyond what is stated by this share of the range."""


@dataclass(frozen=True)
class Walk:
    """One episode of random actions as far as it was followed: first observation, rewards, returns, how it ended."""

    observations: tuple[Any, ...]
    rewards: tuple[float, ...]
    hidden: float | None
    terminated: bool
    truncated: bool

    @property
    def length(self) -> int:
        """Steps."""
        return len(self.rewards)


def run_checks(dataset: Dataset, splits: Splits) -> Sequence[Finding]:
    """The findings on a control study. A check that fails is ``could_not_run`` with its reason, never passed.

    An environment is played for at most a few thousand steps with random actions. Nothing is said of the agents.
    """
    worlds = {World.of(item.input).key: World.of(item.input) for item in dataset.items}
    by_id = {item.id: item for item in dataset.items}
    tests = [by_id[name] for name in splits.test]
    facts: Mapping[str, Mapping[str, Any]] = dataset.facts["worlds"]
    walks: dict[str, list[Walk]] = {}

    def walked() -> dict[str, list[Walk]]:
        if not walks:
            for key, world in worlds.items():
                seeds = [int(item.input["seed"]) for item in tests if World.of(item.input).key == key][:TRIED]
                walks[key] = [_walk(world, seed) for seed in seeds]
        return walks

    asked = (
        partial(same_from_seed, worlds), partial(passes_gymnasium, worlds), partial(seeds_apart, dataset.items),
        coded("BK033")(lambda: stated_ranges(facts, walked())), coded("BK034")(lambda: cut_is_not_end(walked())),
        coded("BK035")(lambda: different_episodes(walked())),
    )  # fmt: skip
    return checks.run_checks(asked)


@coded("BK030")
def same_from_seed(worlds: Mapping[str, World]) -> Finding:
    """BK030: do a second reset and a second copy, with the same seed and actions, give the same observations and rewards?"""
    differs: dict[str, int] = {}
    for key, world in worlds.items():
        first, again, other = (*_twice(world, 0), _walk(world, 0))
        places = [place for each in (again, other) if (place := _first_difference(first, each)) is not None]
        if places:
            differs[key] = min(places)
    if not differs:
        return _finding("BK030", "passed", "Each environment repeats an episode exactly from its seed.", worlds=len(worlds))
    named = listed([f"{key} at step {place:,}" for key, place in differs.items()])
    says = (
        f"Two episodes from the same seed and actions differ: {named}. A run cannot be repeated, and agents do not meet the same episodes: "
        "draw from `self.np_random` alone, and set everything anew in `reset`."
    )
    return _finding("BK030", "problem", says, differs=differs)


@coded("BK031")
def passes_gymnasium(worlds: Mapping[str, World]) -> Finding:
    """BK031: what `gymnasium.utils.env_checker.check_env` says, rendering left out.

    What it refuses is a problem; what it warns of a tip, and in an environment of Gymnasium itself only a detail.
    """
    from gymnasium.utils.env_checker import check_env

    refused: dict[str, str] = {}
    own: set[str] = set()
    warned: dict[str, list[str]] = {}
    for key, world in worlds.items():
        env = world.open()
        try:
            with warnings.catch_warnings(record=True) as heard, watched() as alive:
                warnings.simplefilter("always")
                alive()
                if type(env.unwrapped).__module__.startswith("gymnasium.envs."):
                    own.add(key)
                check_env(env.unwrapped, skip_render_check=True, skip_close_check=True)
        except Exception as error:
            refused[key] = fault_said(error)
        finally:
            with contextlib.suppress(Exception):
                env.close()
        said = list(dict.fromkeys(" ".join(_uncoloured(str(each.message)).split()) for each in heard))
        if said:
            warned[key] = said
    if refused:
        says = f"Gymnasium's checker refuses {listed([f'{key}: {why}' for key, why in refused.items()])}. What is measured in it may not be what it states."
        return _finding("BK031", "problem", says, refused=refused, warned=warned)
    if theirs := {key: said for key, said in warned.items() if key not in own}:
        says = (
            f"Gymnasium's checker warns: {listed([f'{key}: {said[0][:200]}' for key, said in theirs.items()])}. It may be fine."
        )
        return _finding("BK031", "tip", says, warned=warned)
    return _finding("BK031", "passed", "Gymnasium's checker refuses nothing.", worlds=len(worlds), warned=warned)


@coded("BK032")
def seeds_apart(items: Sequence[Item]) -> Finding:
    """BK032: is each seed of an environment in one part only, once, and are those of training below those of validation?"""
    parts: dict[tuple[str, int], list[str]] = {}
    for item in items:
        if "seed" in item.input:
            parts.setdefault((World.of(item.input).key, int(item.input["seed"])), []).append(str(item.meta["part"]))
    shared = [f"{key} seed {seed} ({' and '.join(sorted(found))})" for (key, seed), found in parts.items() if len(found) > 1]
    low = [f"{key} seed {seed}" for (key, seed), found in parts.items() if seed < VALID_FROM and set(found) != {"train"}]
    if shared or low:
        says = (
            f"Episodes that an agent may have trained on or was chosen by are tested: {listed(shared + low)}. "
            "The return of the test is then no measure of episodes that it has not seen."
        )
        return _finding("BK032", "problem", says, shared=shared[:100], low=low[:100])
    counts = Counter(found[0] for found in parts.values())
    return _finding("BK032", "passed", "No episode is both trained on, chosen by or tested.", **counts)


@coded("BK033")
def stated_ranges(facts: Mapping[str, Mapping[str, Any]], walks: Mapping[str, Sequence[Walk]]) -> Finding:
    """BK033: are `visible_best` and `hidden_range` stated where there is a hidden reward, and do random episodes keep to them?"""
    missing: dict[str, list[str]] = {}
    wrong: list[str] = []
    for key, said in facts.items():
        span: Any = said.get("hidden_range")
        best: float | None = said.get("visible_best")
        if said.get("hidden"):
            lacks = [name for name, value in (("visible_best", best), ("hidden_range", span)) if value is None]
            missing |= {key: lacks} if lacks else {}
        if span is not None and not span[0] < span[1]:
            wrong.append(f"{key} states the hidden range {span[0]:g} to {span[1]:g}")
            continue
        for walk in walks.get(key, ()):
            over = walk.hidden is not None and span is not None and not _within(walk.hidden, span[0], span[1])
            if over and (walk.terminated or walk.truncated):
                wrong.append(f"{key} gave the hidden return {walk.hidden:.6g}, outside of {span[0]:g} to {span[1]:g}")
                break
            if (
                best is not None
                and sum(walk.rewards) > best + ROUNDING * max(1.0, abs(best))
                and (walk.terminated or walk.truncated)
            ):
                wrong.append(f"{key} gave the return {sum(walk.rewards):.6g}, more than its visible_best of {best:g}")
                break
    if wrong:
        says = f"What an environment states of its rewards is not so: {listed(wrong)}. Shares of the best return, and the hack index, are wrong by it."
        return _finding("BK033", "problem", says, wrong=wrong)
    if missing:
        named = listed([f"{key} lacks {' and '.join(lacks)}" for key, lacks in missing.items()])
        says = f"There is a hidden reward without what it is measured against: {named} in its `metadata`. Its return is shown, but no hack index."
        return _finding("BK033", "tip", says, missing=missing)
    if not any(said.get("hidden") for said in facts.values()):
        return _finding("BK033", "not_applicable", "No environment carries a hidden reward.")
    return _finding("BK033", "passed", "Each hidden reward has its range, and random episodes keep to it.", worlds=len(facts))


@coded("BK034")
def cut_is_not_end(walks: Mapping[str, Sequence[Walk]]) -> Finding:
    """BK034: does an environment call it ``terminated`` when only its time is over?

    A tip where all of several random episodes end at the very same step and call themselves terminated: a learner then takes the value of what would
    come next for zero, and learns from a clock that it cannot see (Pardo et al. 2018, "Time limits in reinforcement learning").
    """
    fixed: dict[str, int] = {}
    for key, found in walks.items():
        lengths = {walk.length for walk in found}
        if len(found) >= 3 and all(walk.terminated for walk in found) and len(lengths) == 1 and max(lengths) > 1:
            fixed[key] = max(lengths)
    if fixed:
        named = listed([f"{key} after {length:,} steps" for key, length in fixed.items()])
        says = (
            f"Every random episode says that it terminated at the same step: {named}. If that is a time limit, return `truncated` there: a learner "
            "takes what comes after `terminated` as worth nothing."
        )
        return _finding("BK034", "tip", says, fixed=fixed)
    return _finding("BK034", "passed", "No environment calls its time limit an end.", episodes=sum(map(len, walks.values())))


@coded("BK035")
def different_episodes(walks: Mapping[str, Sequence[Walk]]) -> Finding:
    """BK035: do different seeds begin different episodes? A tip where all begin alike and the same actions lead to the same rewards."""
    same = [
        key
        for key, found in walks.items()
        if len(found) > 1 and all(_first_difference(found[0], other) is None for other in found[1:])
    ]
    if same:
        says = (
            f"All seeds give the same episode in {listed(same)}. To an agent without chance the test is one episode played many times: its interval over "
            "episodes says nothing, the one over seeds of training does."
        )
        return _finding("BK035", "tip", says, same=same)
    return _finding("BK035", "passed", "Different seeds give different episodes.", worlds=len(walks))


def _finding(code: str, outcome: Outcome, says: str, **details: Any) -> Finding:
    return Finding(code, checks.TITLES[code], outcome, says, details)


def _walk(world: World, seed: int) -> Walk:
    """An episode from a seed, in a new copy. Its actions are the same for every seed."""
    env = world.open()
    try:
        return _walk_in(env, seed)
    finally:
        with contextlib.suppress(Exception):
            env.close()


def _twice(world: World, seed: int) -> tuple[Walk, Walk]:
    """The same seed twice in one copy, the first episode left wherever it stands."""
    env = world.open()
    try:
        return _walk_in(env, seed), _walk_in(env, seed)
    finally:
        with contextlib.suppress(Exception):
            env.close()


def _walk_in(env: Any, seed: int) -> Walk:
    import numpy as np

    draw = np.random.default_rng(0)
    with watched() as alive:
        observation, _ = reset(env, seed)
        observations, hidden, shows = [_copied(observation)], 0.0, False
        rewards: list[float] = []
        terminated = truncated = False
        while not (terminated or truncated) and len(rewards) < MOST_STEPS:
            alive()
            observation, reward, terminated, truncated, info = step(env, random_action(env.action_space, draw))
            observations.append(_copied(observation))
            rewards.append(reward)
            if "hidden_reward" in info:
                shows, hidden = True, hidden + float(info["hidden_reward"])
    return Walk(tuple(observations), tuple(rewards), hidden if shows else None, terminated, truncated)


def _copied(observation: Any) -> Any:
    """Some environments give the same array again, changed."""
    import copy

    return copy.deepcopy(observation)


def _first_difference(one: Walk, other: Walk) -> int | None:
    """The first step (0 is the reset) at which two episodes differ; None where they are the same."""
    for place, (a, b) in enumerate(zip(one.observations, other.observations, strict=False)):
        if not _same(a, b) or (place and one.rewards[place - 1] != other.rewards[place - 1]):
            return place
    if one.length != other.length or (one.terminated, one.truncated) != (other.terminated, other.truncated):
        return min(one.length, other.length)
    return None


def _same(a: Any, b: Any) -> bool:
    import numpy as np

    if isinstance(a, Mapping):
        return isinstance(b, Mapping) and a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list):
        return isinstance(b, tuple | list) and len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return bool(np.array_equal(a, b))


def _within(value: float, low: float, high: float) -> bool:
    slack = ROUNDING * max(1.0, high - low)
    return low - slack <= value <= high + slack


def _uncoloured(text: str) -> str:
    """A warning of Gymnasium without its colours for terminals and its heading."""
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text).removeprefix("WARN: ")
