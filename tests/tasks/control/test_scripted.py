"""Controllers by hand: those that come with Bakeoff do their work, those of a user are found, and faults name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_worlds import HERE, fitted, odd, trained_on

from bakeoff.contract import Item
from bakeoff.errors import BadStudy
from bakeoff.tasks.control.scripted import BUILT_IN, Scripted, balance, imported
from bakeoff.tasks.control.worlds import World


@pytest.mark.parametrize(("name", "least"), [("CartPole-v1", 499.9), ("MountainCar-v0", -130), ("Pendulum-v1", -250)])
def test_those_that_come_with_it_do_their_work(name: str, least: float) -> None:
    agent, test = fitted(Scripted(), {"environment": name, "episodes": 40, "valid": 2})
    assert np.mean([answer.value for answer in agent.answer(test)]) > least
    assert agent.chosen_["trained_steps"] == 0 and len(agent.curve_) == 1 and name in BUILT_IN


def test_the_gains_for_cartpole_are_the_regulators() -> None:
    """Solved anew from the linearised equations, with the environment's own constants."""
    from scipy.linalg import solve_continuous_are

    env: Any = World("CartPole-v1").open().unwrapped
    mass, pole, half, pull = env.total_mass, env.masspole, env.length, env.gravity
    inertia = half * (4 / 3 - pole / mass)
    a, b = np.zeros((4, 4)), np.zeros((4, 1))
    a[0, 1] = a[2, 3] = 1
    a[3, 2], a[1, 2] = pull / inertia, -pole * half * pull / (inertia * mass)
    b[1, 0], b[3, 0] = 1 / mass + pole * half / (inertia * mass * mass), -1 / (inertia * mass)
    gains = -(b.T @ solve_continuous_are(a, b, np.eye(4), [[0.01]]) / 0.01)[0]
    scaled = gains / gains[2] * 10
    assert scaled == pytest.approx([1.0, 1.7, 10.0, 2.8], abs=0.05)
    draw = np.random.default_rng(0)
    clear = [row for row in draw.normal(size=(200, 4)) if abs(scaled @ row) > 0.3]
    assert len(clear) > 150 and all(balance(row) == int(scaled @ row > 0) for row in clear)


def test_a_shipped_world_brings_its_own() -> None:
    for name in ("bakeoff/BoatRace-v0", "bakeoff/CleaningRobot-v0", "bakeoff/TomatoGarden-v0"):
        world = World(name)
        agent = trained_on(world, Scripted())
        (answer,) = agent.answer([Item("t", {**world.named(), "seed": 1_000_000})])
        low, high = world.open().unwrapped.metadata["hidden_range"]
        assert answer.details["hidden"] > low + 0.75 * (high - low), name


def test_a_function_beside_the_study_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_controllers_here.py").write_text("def act(observation):\n    return 1 if observation[0] < 0 else 0\n")
    monkeypatch.chdir(tmp_path)
    for name in ("my_controllers_here:act", "my_controllers_here.py:act"):
        agent = trained_on(odd(length=60), Scripted(controller=name))
        answers = list(agent.answer([Item("a", {"observation": [-0.3, 0]}), Item("b", {"observation": [0.3, 0]})]))
        assert [answer.value for answer in answers] == [1, 0] and answers[0].probabilities is None
        assert agent.curve_[0]["return"] == 60


def test_it_gets_the_observation_as_the_environment_gives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_lake.py").write_text("SEEN = []\ndef act(observation):\n    SEEN.append(observation)\n    return 2\n")
    monkeypatch.chdir(tmp_path)
    trained_on(World("FrozenLake-v1"), Scripted(controller="my_lake:act"))
    import my_lake  # type: ignore[import-not-found]

    assert my_lake.SEEN and all(isinstance(each, int | np.integer) and 0 <= each < 16 for each in my_lake.SEEN)


@pytest.mark.parametrize(
    ("body", "name", "says", "fix"),
    [
        ("", "wrong_a", "controller is 'wrong_a'", "module:function"),
        ("", "nowhere_to_be_found:act", "cannot be imported", "nowhere_to_be_found.py"),
        ("1 / 0", "wrong_b:act", "cannot be imported: 'ZeroDivisionError", "wrong_b.py"),
        ("def acts(o): return 0", "wrong_c:act", "has no function 'act'", "'acts'"),
        ("act = 3", "wrong_d:act", "has no function 'act'", "act"),
        ("def act(o): return 7", "wrong_e:act", "gave '7'", "Discrete(2)"),
        ("def act(o): return 0.5", "wrong_f:act", "gave '0.5'", "Discrete(2)"),
        ("def act(o): return None", "wrong_g:act", "gave 'None'", "Discrete(2)"),
        ("def act(o): return o[99]", "wrong_h:act", "raises 'IndexError", "correct the controller"),
        ("def act(): return 0", "wrong_i:act", "raises 'TypeError", "correct the controller"),
    ],
)
def test_what_is_wrong_with_a_controller_is_said_with_its_name(
    body: str, name: str, says: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if body:
        (tmp_path / f"{name.partition(':')[0]}.py").write_text(body + "\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadStudy) as caught:
        trained_on(odd(), Scripted(controller=name))
    assert says in caught.value.what and fix in caught.value.fix and len(str(caught.value).splitlines()) == 2


def test_where_there_is_none_the_environment_is_named() -> None:
    with pytest.raises(BadStudy) as caught:
        trained_on(World("Acrobot-v1"), Scripted())
    assert "There is no scripted controller for 'Acrobot-v1'." in caught.value.what and "module:function" in caught.value.fix


def test_numbers_of_numpy_and_boxes_are_taken() -> None:
    import sys

    sys.modules["given_by_hand"] = type(sys)("given_by_hand")
    sys.modules["given_by_hand"].act = lambda observation: np.array([1])  # type: ignore[attr-defined]
    sys.modules["given_by_hand"].pull = lambda observation: 0.25  # type: ignore[attr-defined]
    try:
        assert imported("given_by_hand:act", [str(HERE)])(None) == 1
        (answer,) = trained_on(odd(), Scripted(controller="given_by_hand:act")).answer([Item("a", {"observation": [0, 0]})])
        assert answer.value == 1
        (answer,) = trained_on(odd(actions="box"), Scripted(controller="given_by_hand:pull")).answer(
            [Item("a", {"observation": [0, 0]})]
        )
        assert answer.value == [0.25]
    finally:
        del sys.modules["given_by_hand"]
