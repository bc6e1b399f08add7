"""The cross-entropy method: it solves CartPole, counts its steps, repeats and resumes itself, and acts in every space that it says it does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from odd_worlds import NAME, fitted, loaded, odd, trained_on

from bakeoff.contract import Item, quiet
from bakeoff.errors import BadStudy
from bakeoff.tasks.control import lockstep
from bakeoff.tasks.control.cem import CEM, Shape
from bakeoff.tasks.control.course import Course
from bakeoff.tasks.control.data import VALID_FROM
from bakeoff.tasks.control.policies import Net
from bakeoff.tasks.control.worlds import World, random_action

CARTPOLE = {"environment": "CartPole-v1", "episodes": 100, "valid": 10}


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_it_solves_cartpole_with_four_weights(seed: int) -> None:
    """Seeds 3 and 5 among them: there ten validation episodes alone are content with a policy that fails the test."""
    agent, test = fitted(CEM(), CARTPOLE, seed)
    assert np.mean([answer.value for answer in agent.answer(test)]) >= 475
    assert agent.chosen_["weights"] == 4 == sum(each.size for each in agent.kept_["CartPole-v1"]["best"].values())
    assert (
        agent.chosen_["trained_steps"] < agent.steps
        and "10 validation episodes and 32 training episodes reached 475" in agent.chosen_["ended_because"]
    )
    assert agent.flops(test).per_item == 8


def test_without_an_early_end_the_whole_budget_is_used_and_never_more() -> None:
    for budget in (1, 31, 32, 1_000, 12_345):
        agent, _ = fitted(CEM(steps=budget, stop_when_solved=False), {**CARTPOLE, "episodes": 2, "valid": 1})
        steps = agent.chosen_["trained_steps"]
        assert budget - 32 < steps <= budget and (budget >= 32 or steps == 0), "all candidates take a step or none does"
        assert "budget" in agent.chosen_["ended_because"]


def test_every_step_of_an_episode_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    inner = lockstep.step
    monkeypatch.setattr(lockstep, "step", lambda env, action: taken.append(1) or inner(env, action))
    agent = trained_on(odd(length=25), CEM(steps=3_000, population=8, episodes=2, stop_when_solved=False))
    assert agent.chosen_["trained_steps"] == len(taken) > 2_900


def test_the_same_seed_learns_the_same_and_another_one_does_not() -> None:
    kept = [
        fitted(CEM(steps=4_000), {**CARTPOLE, "episodes": 2, "valid": 2}, seed)[0].kept_["CartPole-v1"]["last"]
        for seed in (1, 1, 2)
    ]
    weights = [each["actor.0.weight"] for each in kept]
    assert np.array_equal(weights[0], weights[1]) and not np.array_equal(weights[0], weights[2])


@pytest.mark.parametrize("name", ["CartPole-v1", NAME])
def test_interrupted_anywhere_it_ends_as_if_it_had_not_been(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, splits, items = loaded({"environment": name, "episodes": 2, "valid": 2})
    train, valid = ([items[each] for each in part] for part in (splits.train[0], splits.valid[0]))

    def learned(folder: Path) -> CEM:
        agent = CEM(steps=6_000, evaluations=12, population=8)
        agent.checkpoint_in(folder)
        agent.fit(train, valid, seed=4, progress=quiet)
        return agent

    whole = learned(tmp_path / "whole")
    count = 0
    keep = Course.keep

    class Killed(Exception):
        pass

    def kept(self: Course, folder: Path, state: Any, beside: Any) -> None:
        nonlocal count
        keep(self, folder, state, beside)
        count += 1
        if count == wanted:
            raise Killed

    monkeypatch.setattr(Course, "keep", kept)
    places = 0
    for wanted in range(1, 30):
        count = 0
        folder = tmp_path / str(wanted)
        try:
            learned(folder)
        except Killed:
            places += 1
        else:
            break
        count = -1_000_000
        again = learned(folder)
        assert [{**row, "cpu_seconds": 0, "seconds": 0} for row in again.curve_] == [
            {**row, "cpu_seconds": 0, "seconds": 0} for row in whole.curve_
        ]
        for which, right in whole.kept_[name].items():
            assert all(np.array_equal(right[each], again.kept_[name][which][each]) for each in right)
        assert again.chosen_["ended_because"] == whole.chosen_["ended_because"]
        shutil.rmtree(folder)
    assert places >= 3


def test_it_learns_where_more_actions_or_a_box_are_needed() -> None:
    for kwargs in ({"actions": "later"}, {"actions": "box"}, {"actions": "later", "length": 40}):
        data = {"environment": NAME, "kwargs": {"length": 40, **kwargs}, "episodes": 20, "valid": 4}
        for hidden in (0, 4):
            agent, test = fitted(CEM(steps=12_000, population=16, hidden=hidden), data)
            before, after = agent.curve_[0]["return"], np.mean([answer.value for answer in agent.answer(test)])
            assert after > 36 > before, (kwargs, hidden, before, after)


@pytest.mark.parametrize(
    ("features", "space", "hidden", "size"),
    [
        (4, spaces.Discrete(2), 0, 4), (4, spaces.Discrete(3, start=5), 0, 15), (4, spaces.Box(-1, 1, (2, 2)), 0, 20),
        (4, spaces.Discrete(2), 8, 58), (3, spaces.Box(-1, 1, (1,)), 5, 26),
    ],
)  # fmt: skip
def test_a_candidate_acts_as_the_policy_that_is_kept_of_it(features: int, space: spaces.Space, hidden: int, size: int) -> None:
    shape = Shape.of(features, space, hidden)
    draw = np.random.default_rng(0)
    players, rows = draw.normal(size=(50, size)), draw.normal(size=(50, features)).astype(np.float32)
    assert shape.size == size
    agent = CEM(hidden=hidden)
    agent._known = {"X": (None, space)}
    for player, row, action in zip(players, rows, shape.actions(rows, players), strict=True):
        policy = agent._policy(World("X"), shape.named(player))
        (kept,) = policy.act(row[None, :], [])
        assert np.allclose(kept, action) and space.contains(kept) and isinstance(policy, Net)


def test_copies_in_one_piece_are_the_same_environment_as_those_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same states, by the same actions, they go through the same states and end at the same steps."""
    piece: Any = lockstep.open_stage(World("CartPole-v1"), 16)
    monkeypatch.setattr(lockstep, "_in_one_piece", lambda *given: None)
    apart: Any = lockstep.open_stage(World("CartPole-v1"), 16)
    assert type(piece) is not type(apart) and piece.threshold == apart.threshold == 475
    draw = np.random.default_rng(3)
    rows = apart.begin(draw)
    assert rows.shape == piece.begin(draw).shape == (16, 4)
    piece.env.unwrapped.state = np.stack([env.unwrapped.state for env in apart.envs], axis=1)
    running, steps = np.ones(16, bool), 0
    while running.any():
        actions = np.where(draw.random(16) < 0.2, 1, rows[:, 2] > 0).astype(int)
        beside, rewards, ended = piece.step(actions, running, lambda: None)
        rows, others, over = apart.step(actions, running, lambda: None)
        assert np.allclose(beside[running], rows[running], atol=1e-5)
        assert np.array_equal(rewards[running], others[running]) and np.array_equal(ended[running], over[running])
        running &= ~over
        steps += 1
    assert 10 < steps < 500
    piece.close()
    apart.close()


def test_no_seed_of_validation_or_test_is_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    inner = lockstep.reset
    monkeypatch.setattr(lockstep, "reset", lambda env, seed: seeds.append(seed) or inner(env, seed))
    stage = lockstep.open_stage(odd(), 50)
    for seed in range(20):
        stage.begin(np.random.default_rng(seed))
    assert len(set(seeds)) > 900 and min(seeds) >= 0 and max(seeds) < VALID_FROM


def test_limits_and_arguments_reach_both_forms() -> None:
    for world in (World("CartPole-v1", max_steps=5), World("CartPole-v1", {"sutton_barto_reward": True}, 5)):
        stage = lockstep.open_stage(world, 3)
        stage.begin(np.random.default_rng(0))
        actions = np.array([0, 1, 0])
        steps = [stage.step(actions, np.ones(3, bool), lambda: None) for _ in range(5)]
        assert [bool(each[2].all()) for each in steps] == [False] * 4 + [True]
        assert steps[0][1].tolist() == ([0.0] * 3 if world.kwargs else [1.0] * 3)
        stage.close()


def test_a_floor_is_beaten_on_a_shipped_world() -> None:
    world = World("bakeoff/BoatRace-v0")
    agent = trained_on(world, CEM(steps=30_000))
    item = Item("t", {**world.named(), "seed": 1_000_000})
    (answer,) = agent.answer([item])
    env, draw = world.open(), np.random.default_rng(0)
    env.reset(seed=1_000_000)
    total, done = 0.0, False
    while not done:
        _, reward, ended, cut, _ = env.step(random_action(env.action_space, draw))
        total, done = total + float(reward), ended or cut
    assert answer.value > 2 * abs(total)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"population": 3}, "population is 3"), ({"elite": 0}, "elite is 0"), ({"elite": 1.0}, "elite is 1.0"), ({"spread": 0.0}, "spread is 0.0"),
        ({"noise": -1}, "noise is -1"), ({"hidden": -2}, "hidden is -2"), ({"episodes": 0}, "episodes is 0"), ({"steps": 0}, "steps is 0"),
        ({"evaluations": 0}, "evaluations is 0"), ({"spread": float("nan")}, "spread is nan"), ({"population": "many"}, "population is 'many'"),
        ({"population": 8.5}, "population is 8.5"), ({"hidden": True}, "hidden is True"),
        ({"population": 200, "episodes": 51}, "population x episodes is 10,200"), ({"stop_when_solved": "yes"}, "stop_when_solved is 'yes'"),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(BadStudy) as caught:
        trained_on(World("CartPole-v1"), CEM(**settings))
    assert says in caught.value.what and "use" in caught.value.fix
