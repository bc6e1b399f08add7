"""Two lines of Python that ask an agent of a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bakeoff
from bakeoff.contract import Item, Trial, quiet
from bakeoff.errors import BadData, RunError
from bakeoff.run.ledger import Ledger
from bakeoff.study import parse_study
from bakeoff.tasks.control.random_agent import RandomAgent
from bakeoff.tasks.control.worlds import World

STUDY = "study: agents\ntask: control\ndata: {environment: CartPole-v1}\napproaches: [random]\n"
STATE = [0.01, 0.02, 0.03, -0.04]


def run_of(folder: Path, *worlds: str) -> Ledger:
    """A run in which an agent is fitted and saved, as the bench does it."""
    ledger = Ledger.create(folder, parse_study(STUDY), "data")
    items = [Item(f"t{k}", {**World(name).named(), "share": 1.0}) for k, name in enumerate(worlds)]
    fitted = RandomAgent().fit(items, [], seed=0, progress=quiet)
    with ledger.model_folder(Trial("random", 0)) as model:
        fitted.save(model)
    return ledger


def test_two_lines_of_python_decide_and_play(tmp_path: Path) -> None:
    ledger = run_of(tmp_path / "runs", "CartPole-v1")
    agent = bakeoff.open_agent(ledger.folder, "random")
    assert agent.environments == ("CartPole-v1",)
    drawn = [agent.act(STATE, seed=seed) for seed in range(30)]
    assert set(drawn) == {0, 1} and drawn == [agent.act(np.array(STATE, np.float32), seed=seed) for seed in range(30)]
    said = agent.says(STATE, seed=3)
    assert said == (drawn[3], None, None)
    played = agent.play(3)
    assert [one.seed for one in played] == [2_000_000, 2_000_001, 2_000_002]
    assert all(one.total == one.length >= 5 and one.terminated for one in played)
    assert agent.play(1, seed=2_000_001) == [played[1]]
    again = bakeoff.open_agent(f"{ledger.folder}:random")
    assert again.play(3) == played


def test_what_cannot_be_asked_says_why(tmp_path: Path) -> None:
    ledger = run_of(tmp_path / "runs", "CartPole-v1")
    agent = bakeoff.open_agent(ledger.folder, "random")
    for wrong in ([1, 2, 3], [np.nan, 0, 0, 0], "left", None, [[1], [2], [3], [4]], [1e300, 0, 0, 0]):
        with pytest.raises(BadData, match="observation"):
            agent.act(wrong)
    for episodes in (0, -1, True, 2.5):
        with pytest.raises(BadData, match="`episodes`"):
            agent.play(episodes)  # type: ignore[arg-type]
    with pytest.raises(BadData, match="`seed`"):
        agent.play(1, seed=-1)
    with pytest.raises(BadData, match="no environment 'os:system'"):
        agent.act(STATE, environment="os:system")
    with pytest.raises(RunError, match="no verdict that names a choice"):
        bakeoff.open_agent(ledger.folder)
    with pytest.raises(RunError, match="no approach called 'randon'"):
        bakeoff.open_agent(ledger.folder, "randon")
    other = Ledger.create(
        tmp_path / "runs", parse_study("study: t\ntask: text\ndata: {source: x.csv}\napproaches: [majority]\n"), "d"
    )
    with pytest.raises(RunError, match="not of agents"):
        bakeoff.open_agent(other.folder, "majority")


def test_an_agent_of_several_environments_is_told_which(tmp_path: Path) -> None:
    agent = bakeoff.open_agent(run_of(tmp_path / "runs", "CartPole-v1", "Pendulum-v1").folder, "random")
    with pytest.raises(BadData, match="several environments") as caught:
        agent.act(STATE)
    assert "CartPole-v1, Pendulum-v1" in caught.value.fix
    assert agent.act(STATE, environment="CartPole-v1") in (0, 1)
    (torque,) = agent.act([1, 0, 0.5], environment="Pendulum-v1")
    assert -2 <= torque <= 2 and agent.says([1, 0, 0.5], environment="Pendulum-v1").action == pytest.approx([torque], abs=1e-6)
    assert agent.play(2, environment="Pendulum-v1")[0].length == 200


def test_deciding_loads_no_training_library(tmp_path: Path) -> None:
    ledger = run_of(tmp_path / "runs", "CartPole-v1")
    code = (
        f"import sys, bakeoff\nassert 'gymnasium' not in sys.modules\nagent = bakeoff.open_agent({str(ledger.folder)!r}, 'random')\n"
        f"agent.act({STATE})\nprint(sorted({{'torch', 'stable_baselines3', 'ray'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
