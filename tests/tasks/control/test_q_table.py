"""Tabular Q-learning: bins, spaces, budget, resuming, and that it learns CartPole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from bakeoff.contract import Item, quiet
from bakeoff.errors import BadStudy
from bakeoff.tasks.control.course import Course
from bakeoff.tasks.control.q_table import QTable, TablePolicy, _Grid
from bakeoff.tasks.control.worlds import World

SMALL: dict[str, Any] = {"steps": 3_000, "evaluations": 3, "envs": 4}


def fit(agent: QTable, name: str = "CartPole-v1", seed: int = 0, valid: int = 3, share: float = 1.0) -> QTable:
    train = [Item("train", {"environment": name, "share": share})]
    agent.fit(train, [Item(f"v{k}", {"environment": name, "seed": 500_000 + k}) for k in range(valid)], seed=seed, progress=quiet)
    return agent


def episodes(name: str, count: int) -> list[Item]:
    return [Item(f"t{k}", {"environment": name, "seed": 1_000_000 + k}) for k in range(count)]


def test_it_learns_cartpole() -> None:
    agent = fit(QTable(steps=60_000, evaluations=6, bins=[6, 8, 16, 12]), valid=10)
    assert np.mean([each.value for each in agent.answer(episodes("CartPole-v1", 20))]) > 150, "random play makes about 22"


def test_rows_in_the_same_bins_are_the_same_state_and_beyond_lies_the_outermost() -> None:
    grid = _Grid(np.array([0.0, -1.0]), np.array([1.0, 1.0]), np.array([4, 2]))
    keys = grid.keys(np.array([[0.1, -0.5], [0.2, -0.1], [0.3, -0.5], [0.1, 0.5], [-9.0, -9.0], [9.0, 9.0]]))
    assert keys[0] == keys[1] == keys[4] and len({*keys.tolist()}) == 4
    assert sorted({int(k) for x in range(4) for y in range(2) for k in grid.keys(np.array([[x / 4 + 0.1, y - 0.5]]))}) == list(
        range(8)
    )


def test_more_states_than_can_be_numbered_are_still_told_apart() -> None:
    many = np.random.default_rng(0).integers(0, 2, size=(3_000, 200))
    grid = _Grid(np.full(200, -0.5), np.full(200, 1.5), np.full(200, 2))
    assert len(set(grid.keys(many).tolist())) == len({row.tobytes() for row in many})


@pytest.mark.parametrize("name", ["FrozenLake-v1", "Taxi-v4", "Blackjack-v1", "MountainCar-v0", "bakeoff/BoatRace-v0"])
def test_it_acts_in_every_kind_of_observation(name: str) -> None:
    agent = fit(QTable(**SMALL), name)
    space = agent._spaces(World(name))[1]
    assert all(each.answered for each in agent.answer(episodes(name, 3)))
    if name == "Blackjack-v1":
        return  # a tuple is no observation that can be sent alone
    item = Item("d", {"environment": name, "observation": _sample(agent._spaces(World(name))[0])})
    assert space.contains(next(iter(agent.answer([item]))).value)


def _sample(space: Any) -> Any:
    space.seed(0)
    if isinstance(space, spaces.Discrete):
        return int(space.sample())
    return space.sample().tolist() if isinstance(space, spaces.Box) else space.to_jsonable([space.sample()])[0]


@pytest.mark.parametrize("steps", [1, 7, 1_003])
def test_the_budget_is_spent_and_never_more(steps: int) -> None:
    agent = fit(QTable(steps=steps, envs=4, evaluations=2))
    assert agent.chosen_["trained_steps"] == steps and agent.curve_[0]["step"] == 0


def test_a_share_of_the_training_is_a_share_of_the_budget() -> None:
    assert fit(QTable(**SMALL), share=0.25).chosen_["trained_steps"] == 750


def test_the_same_seed_learns_the_same_table_and_another_does_not() -> None:
    tables = [fit(QTable(**SMALL), seed=seed).kept_["CartPole-v1"]["last"]["table"] for seed in (0, 0, 1)]
    assert np.array_equal(tables[0], tables[1]) and not np.array_equal(tables[0], tables[2])


def test_what_is_saved_answers_as_before(tmp_path: Path) -> None:
    agent = fit(QTable(**SMALL))
    agent.save(tmp_path)
    again = QTable(**SMALL).restore(tmp_path)
    asked = episodes("CartPole-v1", 5)
    assert [each.value for each in agent.answer(asked)] == [each.value for each in again.answer(asked)]


@pytest.mark.parametrize("repair", ["none", "shaping", "safe-kl", "hidden-stop", "clipped-model"])
def test_broken_off_and_gone_on_ends_the_same(tmp_path: Path, repair: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "bakeoff/BoatRace-v0"
    settings = {**SMALL, "repair": repair, "stop_drop": 1.0}
    whole = fit(QTable(**settings), name)
    first = QTable(**settings)
    first.checkpoint_in(tmp_path)
    kept = Course.keep

    def stops(self: Course, *args: Any) -> None:
        kept(self, *args)
        if len(self.rows) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Course, "keep", stops)
    with pytest.raises(KeyboardInterrupt):
        fit(first, name)
    monkeypatch.setattr(Course, "keep", kept)
    second = QTable(**settings)
    second.checkpoint_in(tmp_path)
    fit(second, name)
    for which in ("best", "last"):
        a, b = (each.kept_[name][which] for each in (whole, second))
        assert all(np.array_equal(a[key], b[key]) for key in a)
    ignore = {"train_cpu_seconds"}
    assert {k: v for k, v in whole.chosen_.items() if k not in ignore} == {
        k: v for k, v in second.chosen_.items() if k not in ignore
    }


def test_a_state_never_met_gets_the_action_that_is_best_on_average() -> None:
    one = np.array([1.0])
    weights = {"keys": np.array([0, 1]), "table": np.array([[3.0, 0, 0], [0, 0, 4.0]]), "temperature": one * 0,
               "low": one * -0.5, "high": one * 9.5, "bins": one * 10}  # fmt: skip
    policy = TablePolicy(weights, first=5)
    rows = np.array([[0], [1], [7]], dtype=np.float32)
    assert policy.act(rows, []) == [5, 7, 7]
    assert policy.says(rows)["value"].tolist() == [3.0, 4.0, 3.5]


def test_copies_that_took_the_same_action_move_the_value_to_the_mean_of_their_targets() -> None:
    from bakeoff.tasks.control.q_table import _Table

    table = _Table(_Grid(np.zeros(1), np.ones(1), np.ones(1)), 2)
    table.learn(np.array([0, 0, 1]), np.array([1, 1, 0]), np.array([2.0, 4.0, 8.0]), 0.5)
    assert table.q[:2].tolist() == [[0.0, 1.5], [4.0, 0.0]]


@pytest.mark.parametrize(
    ("settings", "name", "says"),
    [
        ({}, "Pendulum-v1", "Discrete"),
        ({"bins": [3, 3]}, "CartPole-v1", "4"),
        ({"bins": 0}, "CartPole-v1", "1 to 1000"),
        ({"low": [0.0]}, "CartPole-v1", "low has 1"),
        ({"gamma": 1.0}, "CartPole-v1", r"\[0, 1\)"),
        ({"learning_rate": 0}, "CartPole-v1", r"\(0, 1\]"),
        ({"envs": 0}, "CartPole-v1", "1 to 1,024"),
        ({"repair": "shapping"}, "CartPole-v1", "shaping"),
        ({"repair": "safe-kl"}, "CartPole-v1", "safe_action"),
        ({"repair": "shaping"}, "CartPole-v1", "potential"),
    ],
)
def test_what_cannot_be_is_refused_in_two_lines(settings: dict[str, Any], name: str, says: str) -> None:
    with pytest.raises(BadStudy, match=says) as caught:
        fit(QTable(**{**SMALL, **settings}), name)
    assert caught.value.fix
