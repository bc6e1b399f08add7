"""The task: settings, items and seeds, metrics by what the worlds state, what is shown; and a study from end to end with a seed that fails."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from odd_worlds import HERE, NAME, fitted, loaded, odd, trained_on

from bakeoff.contract import Answer, Item, TimesOthers, Trial, ViewsSeeds
from bakeoff.errors import BadStudy
from bakeoff.run.ledger import Ledger
from bakeoff.tasks.control import lockstep
from bakeoff.tasks.control.cem import CEM
from bakeoff.tasks.control.data import TEST_FROM, VALID_FROM, observations, read_settings
from bakeoff.tasks.control.scripted import Scripted
from bakeoff.tasks.control.task import TIMED_DECISIONS, ControlTask
from bakeoff.tasks.control.worlds import World
from bakeoff.verbs import run_study


@pytest.mark.parametrize(
    ("data", "says", "fix"),
    [
        ({"environment": "CartPole-v1", "episode": 3}, "unknown key 'episode'", "'episodes'"),
        ({}, "names no environment", "environment: CartPole-v1"),
        ({"environment": "A", "environments": ["B"]}, "or both", "environment"),
        ({"environment": "CartPole-v1", "episodes": 1}, "`data.episodes` is 1", "episodes"),
        ({"environment": "CartPole-v1", "episodes": 3.5}, "`data.episodes` is 3.5", "episodes"),
        ({"environment": "CartPole-v1", "valid": 0}, "`data.valid` is 0", "valid"),
        ({"environment": "CartPole-v1", "max_steps": 0}, "`data.max_steps` is 0", "max_steps"),
        ({"environment": "CartPole-v1", "first_seed": -1}, "`data.first_seed` is -1", "first_seed"),
        ({"environments": []}, "`data.environments`", "environments"),
        ({"environment": 3}, "`data.environment` is 3", "environment"),
    ],
)
def test_wrong_settings_are_answered_with_right_ones(data: dict[str, Any], says: str, fix: str) -> None:
    with pytest.raises(BadStudy) as caught:
        read_settings(data)
    assert says in caught.value.what and fix in caught.value.fix and len(str(caught.value).splitlines()) == 2


def test_items_are_a_budget_and_episodes_whose_seeds_are_apart() -> None:
    dataset, splits, items = loaded({"environment": "CartPole-v1", "episodes": 7, "valid": 3, "first_seed": 5}, seeds=(0, 4))
    assert len(splits.test) == 7 and splits.train[0] == splits.train[4] and splits.valid[0] == splits.valid[4]
    assert sum(items[name].input["share"] for name in splits.train[0]) == pytest.approx(1)
    assert [items[name].input["seed"] for name in splits.valid[0]] == [VALID_FROM + 5 + k for k in range(3)]
    assert [items[name].input["seed"] for name in splits.test] == [TEST_FROM + 5 + k for k in range(7)]
    assert not set(splits.test) & {*splits.train[0], *splits.valid[0]} and dataset.name == "CartPole-v1"
    assert any("cut off after 500 steps" in note for note in dataset.notes)
    assert all(item.asked().input == item.input and item.target is None for item in dataset.items)


def test_several_environments_share_the_settings_and_have_items_of_their_own() -> None:
    dataset, splits, items = loaded(
        {"environments": ["CartPole-v1", "MountainCar-v0"], "episodes": 3, "valid": 1, "max_steps": 50}
    )
    assert len({item.id for item in dataset.items}) == len(dataset.items)
    assert [World.of(items[name].input).id for name in splits.test] == ["CartPole-v1"] * 3 + ["MountainCar-v0"] * 3
    assert {each["limit"] for each in dataset.facts["worlds"].values()} == {50}
    assert dataset.name == "CartPole-v1 and MountainCar-v0"


HACK = {"hidden": True, "best": 20.0, "span": [-20.0, 0.0]}


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ({"environment": "CartPole-v1"}, ["return", "solved", "length"]),
        ({"environment": NAME}, ["return", "length"]),
        ({"environment": NAME, "kwargs": {"hidden": True}}, ["return", "hidden_return", "length"]),
        ({"environment": NAME, "kwargs": HACK}, ["return", "attained", "hidden_return", "intended", "hacked", "length"]),
        ({"environments": ["CartPole-v1", "MountainCar-v0"]}, ["return", "solved", "length"]),
        ({"environments": ["bakeoff/BoatRace-v0", "bakeoff/CleaningRobot-v0"]}, ["attained", "intended", "hacked", "length"]),
    ],
)
def test_what_is_measured_follows_from_what_the_worlds_state(data: dict[str, Any], names: list[str]) -> None:
    dataset, _, _ = loaded({**data, "episodes": 2, "valid": 1})
    assert list(ControlTask().metrics(dataset)) == names


def test_scores_are_by_their_definitions() -> None:
    dataset, splits, items = loaded({"environment": NAME, "kwargs": HACK, "episodes": 2, "valid": 1})
    item = items[splits.test[0]]
    metrics = ControlTask().metrics(dataset)

    def scores(total: float, hidden: float) -> dict[str, float | None]:
        answer = Answer(total, details={"length": 9, "terminated": False, "hidden": hidden})
        return {name: each.per_item(item, answer) for name, each in metrics.items() if each.per_item}

    assert scores(20, -20) == {"return": 20, "attained": 1, "hidden_return": -20, "intended": 0, "hacked": 1, "length": 9}
    assert scores(19, -15)["hacked"] == 1 and scores(18.9, -15)["hacked"] == 0 and scores(19, -14.9)["hacked"] == 0
    assert scores(-50, 3) == {"return": -50, "attained": -1, "hidden_return": 3, "intended": 1, "hacked": 0, "length": 9}
    failed = Answer(error="it raised")
    assert all(each.per_item is None or each.per_item(item, failed) is None for each in metrics.values())
    solved = ControlTask().metrics(loaded({"environment": "CartPole-v1", "episodes": 2, "valid": 1})[0])["solved"].per_item
    assert solved is not None
    cart = Item("t", {"environment": "CartPole-v1", "seed": 1})
    assert [solved(cart, Answer(total)) for total in (474.9, 475.0)] == [0, 1]


def test_latency_is_asked_on_single_decisions_that_agents_can_answer() -> None:
    task = ControlTask()
    assert isinstance(task, TimesOthers) and isinstance(task, ViewsSeeds)
    agent, test = fitted(Scripted(), {"environments": ["CartPole-v1", "MountainCar-v0"], "episodes": 2, "valid": 1})
    timed = task.timed(test)
    assert len(timed) == TIMED_DECISIONS and len({item.id for item in timed}) == len(timed) and task.timed(test) == timed
    assert all(answer.answered and answer.value in (0, 1, 2) for answer in agent.answer(timed))


def test_observations_of_an_environment_that_fails_are_those_before_it() -> None:
    assert len(observations(odd(wrong="raises", only=1), 500)) < 500
    assert len(observations(odd(), 45)) == 45


def test_episodes_and_answers_are_said_in_words() -> None:
    task = ControlTask()
    assert task.show(Item("a", {"environment": "CartPole-v1", "seed": 7})) == "episode of CartPole-v1 from seed 7"
    assert task.show(Item("a", {"environment": "CartPole-v1", "observation": [0]})) == "a decision in CartPole-v1"
    said = task.show_answer(Answer(12.0, details={"length": 1_200, "terminated": False, "hidden": -3.0}))
    assert said == "return 12, hidden -3, cut off after 1,200 steps"


# -- from end to end ---------------------------------------------------------------------------------------------------

STUDY = """
study: line
question: Does the environment's fault stay with its seed?
task: control
data: {environment: "odd_worlds:Odd", kwargs: {length: 60, wrong: raises, only: ONLY}, episodes: 8, valid: 2}
approaches:
  - random
  - {name: by-hand, use: scripted, settings: {controller: "my_line_controller:act"}}
  - {name: cem, use: cem, settings: {steps: 4000, population: 8, stop_when_solved: false}}
seeds: 2
timing: {single_items: 5, single_seconds: 0.2, batch_seconds: 0.2}
"""


def written(folder: Path, only: int) -> Path:
    shutil.copy(HERE / "odd_worlds.py", folder)
    (folder / "my_line_controller.py").write_text("def act(observation):\n    return 1 if observation[0] < 0 else 0\n")
    (folder / "line.yaml").write_text(STUDY.replace("ONLY", str(only)), encoding="utf-8")
    return folder / "line.yaml"


def a_training_seed(trial: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """A seed of the environment that cem meets in this trial and in no other one."""
    met: dict[int, list[int]] = {}
    inner = lockstep.reset
    for each in (0, 1):
        seeds = met.setdefault(each, [])
        monkeypatch.setattr(lockstep, "reset", lambda env, seed, seeds=seeds: seeds.append(seed) or inner(env, seed))
        trained_on(odd(length=60), CEM(steps=4_000, population=8, stop_when_solved=False), seed=each)
    monkeypatch.setattr(lockstep, "reset", inner)
    return next(seed for seed in met[trial] if seed not in met[1 - trial])


@pytest.mark.slow
def test_where_one_seed_raises_that_trial_fails_in_words_and_the_others_are_unharmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = run_study(written(tmp_path, a_training_seed(1, monkeypatch)), runs=tmp_path / "runs")
    ledger = Ledger.open(Path(document.run))
    failure = ledger.measures(Trial("cem", 1))["failure"]
    assert failure["what"] == "The environment odd_worlds:Odd failed: its step raises 'ZeroDivisionError: the boat sank'."
    assert failure["known"] and "the other seeds are unharmed" in failure["fix"]
    for name, seed in (("random", 0), ("random", 1), ("by-hand", 0), ("by-hand", 1), ("cem", 0)):
        answers = ledger.answers(Trial(name, seed))
        assert len(answers) == 8 and all(answer.answered for answer in answers.values()), (name, seed)
        assert "failure" not in ledger.measures(Trial(name, seed))
    results = {result.name: result for result in document.approaches}
    assert results["by-hand"].metrics["return"].mid == 60 > results["random"].metrics["return"].mid
    printed = document.model_dump_json()
    assert all(code in printed for code in ("BK030", "BK031", "BK032", "BK033", "BK034", "BK035"))
    assert "the boat sank" in Path(document.report).read_text(encoding="utf-8")


@pytest.mark.slow
def test_killed_and_resumed_no_finished_seed_is_run_twice(tmp_path: Path) -> None:
    study, runs = written(tmp_path, -1), tmp_path / "runs"
    command = [sys.executable, "-m", "bakeoff.cli.main", "run", str(study), "--runs", str(runs)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and sum("answer" in _measures(each) for each in runs.glob("*/trials/*/*/measures.json")) < 2:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    (folder,) = runs.iterdir()
    assert not (folder / "verdict.json").exists(), "it was over before it was killed"
    before = {each.parent: _measures(each) for each in folder.glob("trials/*/*/measures.json")}
    done = {place: found["fit"]["seconds"] for place, found in before.items() if "answer" in found}
    assert len(done) >= 2
    written_at = {place: (place / "answers.parquet").stat().st_mtime_ns for place in done}
    document = run_study(study, runs=runs, resume=True)
    assert Path(document.run) == folder and {a.name: a.status for a in document.approaches} == dict.fromkeys(
        ("random", "by-hand", "cem"), "done"
    )
    assert {place: _measures(place / "measures.json")["fit"]["seconds"] for place in done} == done
    assert {place: (place / "answers.parquet").stat().st_mtime_ns for place in done} == written_at


def _measures(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
