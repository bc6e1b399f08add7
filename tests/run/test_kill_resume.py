"""Killed with SIGKILL at random moments and resumed: the same verdict and records, and no answer is paid for twice.

The strict claims, asserted by ``benchmarks/kill_resume.py`` and here: the finished run equals an unkilled one (timings apart);
a request whose answer was kept is never sent again; where only the main process is killed none is sent twice, because its
workers finish what is in flight before they leave; where everything is killed at one moment, the only requests that may be sent
again are those that were in flight then (at most `concurrency` in each asking trial), with the same Idempotency-Key.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bakeoff.contract import Answer, Trial
from bakeoff.errors import RunError
from bakeoff.run.ledger import SECONDS_BEFORE_A_DRAFT_IS_STALE, Ledger, all_runs
from bakeoff.testing import sentences
from bakeoff.verbs import run_study


def _program() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "kill_resume.py"
    spec = importlib.util.spec_from_file_location("kill_resume", path)
    assert spec and spec.loader
    found = importlib.util.module_from_spec(spec)
    sys.modules["kill_resume"] = found
    spec.loader.exec_module(found)
    return found


program = _program()
SMALL = """study: small
task: text
data: {source: small.csv, text: text, target: label}
approaches: [majority, tfidf-linear]
seeds: 1
timing: {single_items: 5, single_seconds: 0.2, batch_seconds: 0.2}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    rows = ["text,label"] + [f'"{item.input}",{item.target}' for item in sentences(80)]
    (tmp_path / "small.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "small.yaml").write_text(SMALL, encoding="utf-8")
    return tmp_path / "small.yaml"


def check(found: Any, least: int, phases: int) -> None:
    """Nothing was wrong, and the kills did come: how many, and in how many phases, depends on the machine's speed."""
    assert found.wrong == []
    assert found.kills >= least and len(found.phases) >= phases, found
    assert found.requests > 30 and set(found.phases) & {"fit", "answer"}, found


def test_five_kills_one_in_each_phase(tmp_path: Path) -> None:
    check(program.kill_and_resume(5, 0, tmp_path), 3, 2)


def test_main_process_killed_while_its_workers_ask(tmp_path: Path) -> None:
    found = program.kill_and_resume(3, 1, tmp_path, only="main")
    check(found, 2, 1)
    assert (found.main_only, found.repeated, found.allowed) == (found.kills, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_twenty_kills(tmp_path: Path, seed: int) -> None:
    check(program.kill_and_resume(20, seed, tmp_path), 14, 3)


def undo(ledger: Ledger, trial: Trial, *stages: str) -> None:
    measures = ledger.measures(trial)
    ledger.write_measures(trial, {name: value for name, value in measures.items() if name not in stages})


def test_every_step_that_a_kill_can_leave_undone_is_done_again(small: Path, tmp_path: Path) -> None:
    """States that a kill leaves for microseconds only, made by hand."""
    document = run_study(small, runs=tmp_path / "runs")
    ledger = Ledger.open(Path(document.run))
    words, floor = Trial("tfidf-linear", 0), Trial("majority", 0)
    before = {trial: ledger.answers(trial) for trial in (words, floor)}
    undo(ledger, words, "answer", "timing")  # answers were written, measures were not
    (ledger.trial_folder(words) / ".answers.parquet.99999.tmp").write_bytes(b"PAR1 cut off")
    (ledger.trial_folder(words) / ".model-abc").mkdir()
    (ledger.trial_folder(words) / ".model-abc" / "half.safetensors").write_bytes(b"x")
    undo(ledger, floor, "fit", "answer", "timing")  # the model was saved, that it was fitted is not known
    (ledger.folder / ".verdict.json.99999.tmp").write_bytes(b"{")
    for name in ("verdict.json", "memo.md", "report.html"):
        (ledger.folder / name).unlink()
    again = run_study(small, runs=tmp_path / "runs", resume=True)
    assert again.run == document.run
    assert {trial: ledger.answers(trial) for trial in (words, floor)} == before
    assert again.pairs == document.pairs and again.verdict.choice == document.verdict.choice
    assert {a.name: a.status for a in again.approaches} == {"majority": "done", "tfidf-linear": "done"}
    assert [f for f in ledger.folder.rglob("*") if f.name.endswith(".tmp") or f.name.startswith(".model-")] == []


def test_a_kept_answer_is_never_made_again(small: Path, tmp_path: Path) -> None:
    document = run_study(small, runs=tmp_path / "runs", approaches=["majority"])
    ledger, trial = Ledger.open(Path(document.run)), Trial("majority", 0)
    marked = [Answer("marked")] * len(ledger.splits().test)
    ledger.write_answers(trial, ledger.splits().test, marked)
    (ledger.folder / "verdict.json").unlink()
    run_study(document.run, runs=tmp_path / "runs", resume=True)
    assert list(ledger.answers(trial).values()) == marked


def test_two_resumptions_at_once(small: Path, tmp_path: Path) -> None:
    document = run_study(small, runs=tmp_path / "runs", approaches=["majority"])
    ledger = Ledger.open(Path(document.run))
    (ledger.folder / "verdict.json").unlink()
    wall = (ledger.folder / "wall.json").read_bytes()
    command = [sys.executable, "-m", "bakeoff.cli.main", "run", str(ledger.folder), "--resume"]
    with ledger.locked():
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines() == [
        f"error: Another process is working on {ledger.name}.",
        "  fix: wait until it has ended, or stop it first",
    ]
    assert (ledger.folder / "wall.json").read_bytes() == wall and not ledger.finished


def test_a_run_is_seen_once_its_data_is_whole(small: Path, tmp_path: Path) -> None:
    draft = Ledger.draft(
        tmp_path / "runs",
        program.Ledger.open(Path(run_study(small, runs=tmp_path / "other", approaches=["majority"]).run)).study(),
    )
    assert draft.folder.parent == tmp_path / "runs" and all_runs(tmp_path / "runs") == []
    with pytest.raises(RunError, match="no unfinished run"):
        run_study(small, runs=tmp_path / "runs", resume=True)
    old = time.time() - SECONDS_BEFORE_A_DRAFT_IS_STALE - 1
    os.utime(draft.folder, (old, old))
    run_study(small, runs=tmp_path / "runs", approaches=["majority"])
    assert not draft.folder.exists()
    assert [f.name for f in (tmp_path / "runs").iterdir()] == [all_runs(tmp_path / "runs")[0].name]


def test_a_folder_without_data_is_refused(small: Path, tmp_path: Path) -> None:
    document = run_study(small, runs=tmp_path / "runs", approaches=["majority"])
    (Path(document.run) / "data.json").unlink()
    with pytest.raises(RunError) as caught:
        run_study(document.run, runs=tmp_path / "runs", resume=True)
    assert "before its data" in caught.value.what and caught.value.fix


def test_the_record_says_all_of_the_time(small: Path, tmp_path: Path) -> None:
    document = run_study(small, runs=tmp_path / "runs", approaches=["majority"])
    (Path(document.run) / "verdict.json").unlink()
    again = run_study(document.run, runs=tmp_path / "runs", resume=True)
    assert again.reproduce.wall_seconds > document.reproduce.wall_seconds > 0
    assert json.loads((Path(document.run) / "wall.json").read_text())["seconds"] == again.reproduce.wall_seconds
