"""Environments that do something wrong: two lines each while they are looked at, an outcome of one episode while they are played."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from odd_worlds import HERE, NAME, fitted, odd, trained_on

from bakeoff.errors import BadData, BadStudy, BakeoffError, RunError
from bakeoff.tasks.control import worlds
from bakeoff.tasks.control.cem import CEM
from bakeoff.tasks.control.episodes import Episode, play
from bakeoff.tasks.control.random_agent import RandomAgent
from bakeoff.tasks.control.scripted import Scripted
from bakeoff.tasks.control.task import ControlTask
from bakeoff.tasks.control.worlds import Fault, Hang, World, looked_at

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"wrong": "raises", "at": 0}, "its reset raises 'ValueError: the sea is rough'"),
    ({"wrong": "raises", "at": 5}, "its step raises 'ZeroDivisionError: the boat sank'"),
    ({"wrong": "nan reward"}, "it gave the reward nan"),
    ({"wrong": "nan observation"}, "an observation holds NaN or infinity"),
    ({"wrong": "nan observation", "at": 0}, "its first observation holds NaN or infinity"),
    ({"wrong": "four"}, "its step does not return (observation, reward, terminated, truncated, info)"),
    ({"wrong": "text"}, "its step does not return (observation, reward, terminated, truncated, info)"),
    ({"wrong": "bare", "at": 0}, "its reset does not return (observation, info)"),
    ({"wrong": "outside", "at": 0}, "its first observation is not in its observation space"),
    ({"actions": "multi"}, "its actions are MultiDiscrete"),
    ({"wrong": "endless"}, "had not ended after 10,000 steps, and no limit is stated"),
]


def two_lines(error: BakeoffError) -> str:
    said = str(error)
    assert len(said.splitlines()) == 2 and said.splitlines()[1].startswith("  Fix: "), said
    return said


@pytest.mark.parametrize(("kwargs", "says"), WRONG)
def test_it_is_refused_in_two_lines_before_anything_is_trained(kwargs: dict[str, Any], says: str) -> None:
    with pytest.raises(BadData) as caught:
        ControlTask().load({"environment": NAME, "kwargs": kwargs}, base=HERE)
    assert NAME in two_lines(caught.value) and says in caught.value.what


def test_one_that_never_ends_is_fine_with_a_limit() -> None:
    with pytest.raises(BadData) as caught:
        looked_at(odd(wrong="endless"))
    assert "max_steps" in caught.value.fix
    assert looked_at(odd(max_steps=7, wrong="endless")).limit == 7
    agent, test = fitted(
        RandomAgent(), {"environment": NAME, "kwargs": {"wrong": "endless"}, "max_steps": 7, "episodes": 3, "valid": 1}
    )
    assert [(a.details["length"], a.details["terminated"]) for a in agent.answer(test)] == [(7, False)] * 3


def test_one_that_cuts_itself_off_states_its_limit_by_that() -> None:
    """No time limit around it, never terminated, but `truncated` from inside: it does end."""
    assert looked_at(odd(length=9)).limit == worlds.LONGEST_EPISODE


def test_one_that_hangs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "LONGEST_STEP_SECONDS", 0.1)
    for at in (0, 3):
        began = time.monotonic()
        with pytest.raises(BadData) as caught:
            looked_at(odd(wrong="hangs", at=at, seconds=60))
        assert "cannot be used: it hangs: one reset or step took more than 0.1 seconds." in two_lines(caught.value)
        assert time.monotonic() - began < 30  # not a timing: it must not have slept its minute out


def test_an_episode_that_hangs_is_lost_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "LONGEST_STEP_SECONDS", 0.2)
    world = odd(wrong="hangs", only=2, seconds=60)
    played = list(play(world, RandomAgent()._policy(world, {}), [1, 2, 3]))
    assert [isinstance(each, Episode) for each in played] == [True, False, True] and isinstance(played[1], Hang)


def test_where_all_episodes_hang_the_second_one_ends_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "LONGEST_STEP_SECONDS", 0.2)
    world = odd(wrong="hangs", seconds=60)
    waited = time.monotonic()
    played = list(play(world, RandomAgent()._policy(world, {}), range(20)))
    assert all(isinstance(each, Hang) for each in played) and len(played) == 20
    assert time.monotonic() - waited < 20 * 0.2  # each alone would take at least as long


@pytest.mark.parametrize(
    ("kwargs", "says"), [each for each in WRONG if each[0].get("wrong") in ("raises", "nan reward", "nan observation", "four")]
)
def test_one_seed_that_fails_leaves_the_others_unharmed(kwargs: dict[str, Any], says: str) -> None:
    world = odd(only=11, **kwargs)
    policy = RandomAgent()._policy(world, {})
    played = list(play(world, policy, [10, 11, 12]))
    assert isinstance(played[1], Fault) and says in played[1].what
    sound = odd(length=20)
    assert [played[0], played[2]] == list(play(sound, RandomAgent()._policy(sound, {}), [10, 12]))


def test_a_test_episode_that_fails_is_an_error_and_no_return() -> None:
    agent, test = fitted(RandomAgent(), {"environment": NAME, "kwargs": {"wrong": "raises", "only": 1_000_001}, "episodes": 3})
    answers = list(agent.answer(test))
    assert [a.answered for a in answers] == [True, False, True]
    assert answers[1].error == "its step raises 'ZeroDivisionError: the boat sank'" and answers[1].value is None
    metric = ControlTask().metrics(_facts())["return"].per_item
    assert metric is not None and metric(test[1], answers[1]) is None


@pytest.mark.parametrize("agent", [RandomAgent(), CEM(steps=2_000, population=4)], ids=["random", "cem"])
def test_one_that_fails_while_it_is_learned_or_chosen_by_ends_the_trial_in_words(agent: Any) -> None:
    with pytest.raises(RunError) as caught:
        trained_on(odd(wrong="raises", only=500_001), agent)
    said = two_lines(caught.value)
    assert "the boat sank" in said and "the other seeds are unharmed" in said


def test_one_that_fails_in_training_alone_ends_it_in_words() -> None:
    with pytest.raises(RunError, match="it gave the reward nan"):
        trained_on(odd(wrong="nan reward"), CEM(steps=2_000, population=4), valid=())


def test_one_that_hangs_in_training_ends_it_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "LONGEST_STEP_SECONDS", 0.2)
    with pytest.raises(RunError, match="it hangs"):
        trained_on(odd(wrong="hangs", seconds=60), CEM(steps=2_000, population=4), valid=())


@pytest.mark.parametrize(
    ("name", "says", "fix"),
    [
        ("CartPol-v1", "No environment is called 'CartPol-v1'", "'CartPole-v1'"),
        ("CartPole-v99", "No environment is called 'CartPole-v99'", "'CartPole-v1'"),
        ("bakeoff/BoatRac-v0", "No environment is called", "'bakeoff/BoatRace-v0'"),
        ("nowhere_at_all:Thing", "cannot be imported", "beside the study file"),
        ("odd_worlds:Nothing", "has no 'Nothing'", "Odd"),
        ("odd_worlds:NOT_AN_ENVIRONMENT", "makes a dict, which is no Gymnasium environment", "gymnasium.Env"),
    ],
)
def test_a_wrong_name_is_answered_with_a_right_one(name: str, says: str, fix: str) -> None:
    with pytest.raises(BadData) as caught:
        ControlTask().load({"environment": name}, base=HERE)
    assert says in two_lines(caught.value) and fix in caught.value.fix


def test_arguments_that_it_does_not_take_and_a_module_that_fails_are_said(tmp_path: Path) -> None:
    with pytest.raises(BadData) as caught:
        looked_at(odd(depth=3))
    assert "cannot be made" in two_lines(caught.value) and "depth" in caught.value.what and "kwargs" in caught.value.fix
    (tmp_path / "broken_module.py").write_text("1 / 0\n", encoding="utf-8")
    with pytest.raises(BadData) as caught:
        ControlTask().load({"environment": "broken_module:Thing"}, base=tmp_path)
    assert "fails when it is imported: 'ZeroDivisionError" in two_lines(caught.value)


def test_a_package_that_is_missing_is_named() -> None:
    with pytest.raises(BadData) as caught:
        looked_at(World("phys2d/CartPole-v1"))
    assert "jax" in two_lines(caught.value) and "install" in caught.value.fix


def test_agents_that_cannot_act_there_say_so_in_two_lines() -> None:
    with pytest.raises(BadStudy) as caught:
        trained_on(odd(actions="multi"), CEM(steps=100, population=4))
    assert "cem cannot take the actions MultiDiscrete" in two_lines(caught.value)
    with pytest.raises(BadStudy) as caught:
        trained_on(odd(), Scripted())
    assert "no scripted controller" in two_lines(caught.value)


def _facts() -> Any:
    from bakeoff.contract import Dataset

    facts = {"visible_best": None, "threshold": None, "hidden": False, "hidden_range": None}
    return Dataset((), "odd", facts={"worlds": {NAME: facts}})
