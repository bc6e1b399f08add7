"""Checks on environments: each finds its fault, passes where there is none, and says what it means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from odd_worlds import NAME, Odd, loaded

from bakeoff.contract import Finding
from bakeoff.measure.checks import TITLES as ALL_TITLES
from bakeoff.tasks.control.checks import MOST_STEPS, TRIED, run_checks
from bakeoff.tasks.control.task import ControlTask

TITLES = {code: title for code, title in ALL_TITLES.items() if "BK030" <= code <= "BK035"}


def findings(data: dict[str, Any] | None = None, **kwargs: Any) -> dict[str, Finding]:
    dataset, splits, _ = loaded(data or {"environment": NAME, "kwargs": kwargs, "episodes": 10, "valid": 2})
    found = ControlTask().check(dataset, splits)
    assert [each.code for each in found] == list(TITLES) and all(each.title == TITLES[each.code] for each in found)
    return {each.code: each for each in found}


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "Blackjack-v1", "MountainCar-v0"])
def test_sound_environments_of_gymnasium_pass(name: str) -> None:
    found = findings({"environment": name, "episodes": 10, "valid": 2})
    assert {code: each.outcome for code, each in found.items()} == {
        **dict.fromkeys(TITLES, "passed"), "BK033": "not_applicable",
    }, {code: each.says for code, each in found.items() if each.outcome != "passed"}  # fmt: skip


def test_shipped_worlds_pass_all() -> None:
    names = ["bakeoff/BoatRace-v0", "bakeoff/CleaningRobot-v0", "bakeoff/TomatoGarden-v0"]
    found = findings({"environments": names, "episodes": 10, "valid": 2})
    assert {each.outcome for each in found.values()} == {"passed"}, [each.says for each in found.values()]


def test_bk030_an_environment_that_does_not_repeat_itself_is_a_problem() -> None:
    said = findings(wrong="global")["BK030"]
    assert (
        said.outcome == "problem"
        and f"{NAME} " in said.says
        and "np_random" in said.says
        and min(said.details["differs"].values()) == 0
    )


def test_bk030_state_left_over_from_the_last_episode_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = Odd.reset

    def reset(self: Odd, *, seed: int | None = None, options: Any = None) -> Any:
        kept = getattr(self, "place", None)
        seen, info = inner(self, seed=seed)
        if kept is not None:
            self.place = kept / 4
        return (self._seen(), info) if kept is not None else (seen, info)

    monkeypatch.setattr(Odd, "reset", reset)
    assert findings()["BK030"].outcome == "problem"


def test_bk030_a_reward_alone_that_differs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    inner, count = Odd.step, iter(range(10**9))

    def step(self: Odd, action: Any) -> Any:
        seen, _, *rest = inner(self, action)
        return (seen, float(next(count)), *rest)

    monkeypatch.setattr(Odd, "step", step)
    said = findings()["BK030"]
    assert said.outcome == "problem" and list(said.details["differs"].values()) == [1]


class Warned(gymnasium.Env[Any, Any]):
    """Sound, but for a Box of actions that is not symmetric, of which Gymnasium's checker warns."""

    observation_space: Any = spaces.Box(0, 1, (1,), np.float32)
    action_space: Any = spaces.Box(0, 7, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.count = 0
        return np.array([self.np_random.uniform()], np.float32), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        return np.array([self.np_random.uniform()], np.float32), 0.0, False, self.count > 8, {}


class Refused(Warned):
    """Takes no heed of the seed, which Gymnasium's checker refuses."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return super().reset(seed=None)


def test_bk031_what_gymnasium_refuses_is_a_problem_and_what_it_warns_of_a_tip() -> None:
    refused = findings({"environment": "test_control_checks:Refused", "episodes": 4, "valid": 1})["BK031"]
    assert refused.outcome == "problem" and "test_control_checks:Refused" in refused.says and refused.details["refused"]
    warned = findings({"environment": "test_control_checks:Warned", "episodes": 4, "valid": 1})["BK031"]
    assert warned.outcome == "tip" and "symmetric" in warned.says and "WARN" not in warned.says and "\x1b" not in warned.says


def test_bk031_warnings_about_gymnasiums_own_are_details() -> None:
    said = findings({"environment": "CartPole-v1", "episodes": 4, "valid": 1})["BK031"]
    assert said.outcome == "passed" and "infinity" in str(said.details["warned"])


def test_bk032_an_episode_in_two_parts_is_a_problem() -> None:
    dataset, splits, items = loaded({"environment": NAME, "episodes": 4, "valid": 2})
    apart = next(each for each in run_checks(dataset, splits) if each.code == "BK032")
    assert apart.outcome == "passed" and apart.details == {"valid": 2, "test": 4}
    first = items[splits.test[0]]
    for seed in (items[splits.valid[0][0]].input["seed"], items[splits.test[1]].input["seed"], 17):
        changed = replace(first, input={**first.input, "seed": seed})
        others = tuple(changed if item.id == first.id else item for item in dataset.items)
        said = next(each for each in run_checks(replace(dataset, items=others), splits) if each.code == "BK032")
        assert said.outcome == "problem" and f"seed {seed}" in said.says


@pytest.mark.parametrize(
    ("kwargs", "outcome", "says"),
    [
        ({}, "not_applicable", "No environment carries a hidden reward"),
        ({"hidden": True}, "tip", "lacks visible_best and hidden_range"),
        ({"hidden": True, "best": 20}, "tip", "lacks hidden_range"),
        ({"hidden": True, "best": 20, "span": [-20, 0]}, "passed", "has its range"),
        ({"hidden": True, "best": 5, "span": [-20, 0]}, "problem", "more than its visible_best of 5"),
        ({"hidden": True, "best": 20, "span": [-3, 0]}, "problem", "outside of -3 to 0"),
        ({"hidden": True, "best": 20, "span": [0, 0]}, "problem", "states the hidden range 0 to 0"),
    ],
)
def test_bk033_what_is_stated_of_the_rewards_is_held_against_episodes(kwargs: dict[str, Any], outcome: str, says: str) -> None:
    said = findings(**kwargs)["BK033"]
    assert said.outcome == outcome and says in said.says


def test_bk034_a_clock_that_calls_itself_an_end_is_a_tip() -> None:
    said = findings(wrong="clock", length=9)["BK034"]
    assert said.outcome == "tip" and "after 9 steps" in said.says and "truncated" in said.says
    assert findings(length=9)["BK034"].outcome == "passed"


def test_bk035_seeds_that_all_give_one_episode_are_a_tip() -> None:
    said = findings(wrong="same")["BK035"]
    assert said.outcome == "tip" and NAME in said.says
    assert findings()["BK035"].outcome == "passed"


def test_an_environment_that_fails_later_leaves_checks_that_could_not_run() -> None:
    """At seed 1,000,000 it raises: the checks that play there say so, and are never shown as passed."""
    found = findings(wrong="raises", only=1_000_000)
    assert {code for code, each in found.items() if each.outcome == "could_not_run"} == {"BK033", "BK034", "BK035"}
    assert all("the boat sank" in found[code].says for code in ("BK033", "BK034", "BK035"))


def test_long_episodes_are_followed_only_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    inner = Odd.step
    monkeypatch.setattr(Odd, "step", lambda self, action: steps.append(1) or inner(self, action))
    dataset, splits, _ = loaded({"environment": NAME, "kwargs": {"length": 5_000, "wrong": "same"}, "episodes": 10, "valid": 2})
    steps.clear()
    run_checks(dataset, splits)
    assert 0 < len(steps) <= (3 + TRIED) * MOST_STEPS + 100
