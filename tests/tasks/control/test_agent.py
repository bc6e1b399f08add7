"""What all agents share: fitting, answering episodes and observations, several worlds, best and last, saving, and items from strangers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_worlds import HERE, NAME, fitted, loaded, odd

from bakeoff.contract import Approach, CountsFlops, Explains, Item, KeepsCheckpoints, Saves, quiet
from bakeoff.errors import BadData, BadStudy, RunError
from bakeoff.tasks.control.agent import Agent
from bakeoff.tasks.control.cem import CEM
from bakeoff.tasks.control.policies import Net
from bakeoff.tasks.control.random_agent import RandomAgent
from bakeoff.tasks.control.scripted import Scripted
from bakeoff.tasks.control.worlds import World

ODD = {"environment": NAME, "episodes": 6, "valid": 2}


@dataclass
class Worsens(Agent):
    """Learns to balance on the line first, and then to walk off it."""

    steps: int = 100
    evaluations: int = 2
    keep: str = "best"

    def _learn(self, world: World, course: Any, seed: int, folder: Path | None) -> None:
        for step, pull in ((0, 1.0), (50, -1.0), (100, 1.0)):
            weights = {"actor.0.weight": np.array([[0.0, 0.0], [pull, 0.0]]), "actor.0.bias": np.array([0.0, 0.6 * max(pull, 0)])}
            course.evaluate(step, self._policy(world, weights), weights)

    def _policy(self, world: World, weights: Any) -> Any:
        return Net(weights, self._spaces(world)[1], kind="logits")


def test_agents_are_approaches_with_these_abilities() -> None:
    for agent in (RandomAgent(), CEM(), Scripted(), Worsens()):
        for ability in (Approach, Saves, KeepsCheckpoints, Explains, CountsFlops):
            assert isinstance(agent, ability)


def test_best_and_last_are_kept_and_the_setting_says_which_answers() -> None:
    data = {**ODD, "kwargs": {"length": 60}}
    best, test = fitted(Worsens(), data)
    last, _ = fitted(Worsens(keep="last"), data)
    assert (
        [row["step"] for row in best.curve_] == [0, 50, 100]
        and best.chosen_["best_step"] == 50
        and best.chosen_["trained_steps"] == 100
    )
    assert best.chosen_["best_return"] == 60 > best.chosen_["last_return"]
    returns = {agent.keep: np.mean([each.value for each in agent.answer(test)]) for agent in (best, last)}
    assert returns["best"] == 60 > returns["last"]
    with pytest.raises(BadStudy, match="keep is 'worst'"):
        fitted(Worsens(keep="worst"), data)


def test_fitting_again_forgets_what_was_learned_before() -> None:
    again, fresh = CEM(steps=800, population=4), CEM(steps=800, population=4)
    asked = [Item("a", {"observation": [0.5, 0.0]}), Item("b", {"observation": [-0.5, 0.3]})]
    box = {**ODD, "kwargs": {"actions": "box"}}
    first = [answer.value for answer in fitted(again, box, seed=1)[0].answer(asked)]
    second = [answer.value for answer in fitted(again, box, seed=2)[0].answer(asked)]
    assert first != second == [answer.value for answer in fitted(fresh, box, seed=2)[0].answer(asked)]


def test_the_share_of_training_items_is_the_share_of_the_budget() -> None:
    _, splits, items = loaded(ODD)
    budgets: list[int] = []

    class Notes(Worsens):
        def _learn(self, world: World, course: Any, seed: int, folder: Path | None) -> None:
            budgets.append(course.budget)
            super()._learn(world, course, seed, folder)

    train = [items[name] for name in splits.train[0]]
    for count in (20, 10, 1):
        Notes(steps=200).fit(train[:count], [], seed=0, progress=quiet)
    assert budgets == [200, 100, 10]
    with pytest.raises(BadData, match="nothing to learn from"):
        Notes().fit([], [], seed=0, progress=quiet)


@pytest.mark.parametrize("agent", [RandomAgent(), Worsens(), CEM(steps=600, population=4)], ids=["random", "worsens", "cem"])
def test_answers_are_in_order_and_the_same_alone_together_and_restored(agent: Any, tmp_path: Path) -> None:
    agent, test = fitted(agent, ODD)
    together = list(agent.answer(test))
    alone = [next(iter(agent.answer([item]))) for item in test]
    assert [a.value for a in together] == [a.value for a in alone] and all(a.seconds is None for a in together)
    assert all(a.seconds is not None and a.seconds > 0 for a in alone)
    assert [a.details for a in together] == [a.details for a in alone]
    assert [a.value for a in agent.answer(test[::-1])] == [a.value for a in together][::-1]
    agent.save(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["agent.json", "agent.safetensors"]
    again = type(agent)().restore(tmp_path)
    assert list(again.answer(test)) == together
    assert (again.chosen_, again.curve_, again.worlds_) == (agent.chosen_, agent.curve_, agent.worlds_)


def test_several_environments_have_a_policy_each() -> None:
    data = {"environments": ["CartPole-v1", "MountainCar-v0"], "episodes": 4, "valid": 1}
    heard: list[tuple[float, str]] = []
    agent, test = fitted(Scripted(), data, progress=lambda fraction, note="": heard.append((fraction, note)))
    assert [world.id for world in agent.worlds_] == ["CartPole-v1", "MountainCar-v0"] and len(test) == 8
    assert set(agent.chosen_) == {"CartPole-v1", "MountainCar-v0"} == {row["environment"] for row in agent.curve_}
    fractions = [fraction for fraction, _ in heard]
    assert fractions == sorted(fractions) and fractions[-1] == 1 and any("MountainCar-v0: " in note for _, note in heard)
    mixed = [test[0], test[4], test[1], test[5]]
    answers = list(agent.answer(mixed))
    assert [a.value for a in answers] == [next(iter(agent.answer([item]))).value for item in mixed]
    assert answers[0].value == answers[2].value == 500 and -200 < answers[1].value < -80
    (unnamed,) = agent.answer([Item("x", {"observation": [0, 0]})])
    assert not unnamed.answered and "CartPole-v1, MountainCar-v0" in str(unnamed.error)
    (named,) = agent.answer([Item("x", {"environment": "MountainCar-v0", "observation": [0, 0.01]})])
    assert named.value == 2


def test_an_observation_is_answered_with_an_action() -> None:
    agent, _ = fitted(Worsens(), ODD)
    asked = [Item("a", {"observation": [0.5, 0.0]}), Item("b", {"observation": [-0.5, 0.0], "environment": NAME})]
    left, right = agent.answer(asked)
    assert (left.value, right.value) == (0, 1) and left.seconds is None
    assert (
        left.probabilities is not None
        and set(left.probabilities) == {"0", "1"}
        and sum(left.probabilities.values()) == pytest.approx(1)
    )
    assert left.probabilities["0"] == pytest.approx(1 / (1 + np.exp(-0.5)))
    (alone,) = agent.answer(asked[:1])
    assert alone.seconds is not None and (alone.value, alone.probabilities) == (left.value, left.probabilities)
    json.dumps([left.value, left.probabilities, dict(left.details)])


def test_a_random_decision_is_that_of_its_seed() -> None:
    agent, _ = fitted(RandomAgent(), {**ODD, "kwargs": {"actions": "later"}})
    several = [next(iter(agent.answer([Item("a", {"observation": [0, 0], "seed": seed})]))).value for seed in range(40)]
    assert set(several) == {5, 6, 7}
    assert several == [next(iter(agent.answer([Item("a", {"observation": [0, 0], "seed": seed})]))).value for seed in range(40)]


def test_a_box_action_is_answered_as_numbers() -> None:
    agent, test = fitted(CEM(steps=300, population=4), {**ODD, "kwargs": {"actions": "box"}})
    (answer,) = agent.answer([Item("a", {"observation": [0.1, 0.2]})])
    assert (
        isinstance(answer.value, list) and len(answer.value) == 1 and -1 <= answer.value[0] <= 1 and answer.probabilities is None
    )
    assert all(each.answered for each in agent.answer(test))


STRANGE: Sequence[tuple[dict[str, Any], str]] = [
    ({"observation": [1, 2, 3]}, "is none of this environment"),
    ({"observation": "left"}, "cannot be read"),
    ({"observation": [0, 0], "seed": -1}, "seed of an episode is -1"),
    ({"observation": [0, 0], "seed": "x"}, "seed of an episode is 'x'"),
    ({"observation": [0, 0], "environment": "CartPole-v1"}, "No policy was learned for 'CartPole-v1'"),
    ({"observation": [0, 0], "environment": NAME, "kwargs": 3}, "No policy was learned"),
    ({"environment": "CartPole-v1", "seed": 1}, "No policy was learned for 'CartPole-v1'"),
    ({"environment": NAME, "folder": str(HERE)}, "seed of an episode is None"),
    ({"environment": NAME, "seed": 1.5}, "seed of an episode is 1.5"),
    ({"environment": NAME, "seed": 2**40}, "seed of an episode is"),
]


@pytest.mark.parametrize(("asked", "says"), STRANGE)
def test_a_bad_item_is_an_error_of_its_own_and_never_raises(asked: dict[str, Any], says: str) -> None:
    agent, test = fitted(Worsens(), ODD)
    good, bad, after = agent.answer([test[0], Item("strange", asked), Item("after", {"observation": [0, 0]})])
    assert good.answered and after.answered and not bad.answered and says in str(bad.error), bad


def test_an_item_cannot_make_the_agent_open_what_was_not_learned(tmp_path: Path) -> None:
    """What is served comes from anybody: an entry point or folder of theirs must never be imported."""
    agent, _ = fitted(Worsens(), ODD)
    (tmp_path / "odd_worlds_of_a_stranger.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n", encoding="utf-8")
    for asked in (
        {"environment": "odd_worlds_of_a_stranger:Thing", "folder": str(tmp_path), "observation": [0, 0]},
        {"environment": "odd_worlds_of_a_stranger:Thing", "folder": str(tmp_path), "seed": 3},
        {"environment": "os:mkdir", "kwargs": {"path": str(tmp_path / "ran")}, "observation": [0, 0]},
    ):
        (answer,) = agent.answer([Item("x", asked)])
        assert not answer.answered
    (answer,) = agent.answer([Item("x", {"environment": NAME, "max_steps": 1, "folder": str(tmp_path), "seed": 3})])
    assert answer.answered and answer.details["length"] > 1, "the learned world is played, with its own limit"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "agent.json").unlink(),
        lambda folder: (folder / "agent.json").write_text("{}"),
        lambda folder: (folder / "agent.json").write_text("[]"),
        lambda folder: (folder / "agent.json").write_text("no json"),
        lambda folder: (folder / "agent.safetensors").unlink(),
        lambda folder: (folder / "agent.safetensors").write_bytes(b"x" * 40),
        lambda folder: (folder / "agent.safetensors").write_bytes((folder / "agent.safetensors").read_bytes()[:-7]),
        lambda folder: _change(folder, worlds=[]),
        lambda folder: _change(folder, worlds=3),
        lambda folder: _change(folder, worlds=[{"kwargs": {}}]),
        lambda folder: _change(folder, worlds=[odd().named(), odd(length=3).named()]),
        lambda folder: _change(folder, chosen=None),
    ],
)
def test_a_damaged_folder_is_refused_in_words(damage: Any, tmp_path: Path) -> None:
    agent, _ = fitted(Worsens(), ODD)
    agent.save(tmp_path)
    damage(tmp_path)
    with pytest.raises(RunError, match="holds no saved agent"):
        Worsens().restore(tmp_path)


def test_weights_of_another_form_are_refused_when_they_are_asked(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    agent, test = fitted(Worsens(), ODD)
    agent.save(tmp_path)
    held = load_file(str(tmp_path / "agent.safetensors"))
    save_file(
        {name: each[:, :1].copy() if each.ndim == 2 else each for name, each in held.items()}, str(tmp_path / "agent.safetensors")
    )
    answers = list(Worsens().restore(tmp_path).answer(test))
    assert len(answers) == len(test) and all("takes observations of 1 numbers" in str(each.error) for each in answers)


def test_flops_are_those_of_one_decision() -> None:
    agent, test = fitted(Worsens(), ODD)
    assert agent.flops(test).per_item == 2 * (4 + 2)
    for without in (RandomAgent(), Scripted()):
        assert fitted(without, {"environment": "CartPole-v1", "episodes": 2, "valid": 1})[0].flops(test).per_item == 0


def _change(folder: Path, **values: Any) -> None:
    file = folder / "agent.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
