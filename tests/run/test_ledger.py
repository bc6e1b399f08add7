from __future__ import annotations

import errno
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bakeoff.contract import Answer, Citation, Trial
from bakeoff.errors import RunError
from bakeoff.run import ledger as ledgers
from bakeoff.run.ledger import Ledger, all_runs, find_run, to_json, write_whole
from bakeoff.study import parse_study

STUDY = parse_study("{study: mine, task: text, data: {source: x.csv}, approaches: [majority]}")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "runs", STUDY, "hash")


def test_answers_come_back_as_they_were(ledger: Ledger) -> None:
    answers = [
        Answer("good", {"good": 0.75, "bad": 0.25}, 0.5, 0.1, 7, 3, 0.002, details={"raw": "Good."}),
        Answer(error="timed out"),
        Answer(abstained=True),
        Answer(["a", {"b": 1}], citations=(Citation("a.pdf", 3, "so it is", ((1.0, 2.0, 3.0, 4.0),)),)),
    ]
    trial = Trial("majority", 0)
    ledger.write_answers(trial, ["1", "2", "3", "4"], answers)
    assert list(ledger.answers(trial).values()) == answers


def test_a_trial_without_answers_has_none(ledger: Ledger) -> None:
    assert ledger.answers(Trial("majority", 0)) == {}
    assert ledger.measures(Trial("majority", 0)) == {}


def test_same_question_same_hash_and_every_run_its_own_folder(tmp_path: Path) -> None:
    runs = [Ledger.create(tmp_path, STUDY, "hash") for _ in range(3)]
    assert len({run.folder for run in runs}) == 3
    assert len({run.name[-8:] for run in runs}) == 1
    assert [run.folder for run in all_runs(tmp_path)] == sorted(run.folder for run in runs)


def test_runs_are_found_by_name_path_and_latest(ledger: Ledger) -> None:
    runs = ledger.folder.parent
    assert find_run(ledger.name, runs).folder == ledger.folder
    assert find_run(str(ledger.folder), runs).folder == ledger.folder
    assert find_run("latest", runs).folder == ledger.folder
    with pytest.raises(RunError) as caught:
        find_run(ledger.name[:-1], runs)
    assert ledger.name in caught.value.fix


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "verdict.json"
    write_whole(file, "before")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ledgers.os, "fsync", full)
    with pytest.raises(RunError) as caught:
        write_whole(file, "after")
    assert "full" in caught.value.what and caught.value.fix
    assert file.read_text() == "before"
    assert [f.name for f in tmp_path.iterdir()] == ["verdict.json"]


def test_a_really_full_disk() -> None:
    with pytest.raises(RunError) as caught:
        write_whole(Path("/dev/full/verdict.json"), "x")
    assert caught.value.fix
    file = Path("/dev/full")
    if file.exists():
        with pytest.raises(OSError) as raw, file.open("w") as full:
            full.write("x")
        assert "full" in ledgers.disk_error(raw.value, file).what


def test_a_folder_that_cannot_be_written_is_two_lines(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    with pytest.raises(RunError) as caught:
        Ledger.create(tmp_path / "runs", STUDY, "hash")
    assert "\n" not in caught.value.what and "--runs" in caught.value.fix


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_every_disk_error_has_a_fix(code: int, tmp_path: Path) -> None:
    found = ledgers.disk_error(OSError(code, "said"), tmp_path)
    assert found.fix and str(tmp_path) in found.what


def test_a_second_process_is_refused_while_the_first_works(ledger: Ledger) -> None:
    code = f"""
from pathlib import Path
from bakeoff.run.ledger import Ledger
from bakeoff.errors import RunError
try:
    with Ledger(Path({str(ledger.folder)!r})).locked(): print("in")
except RunError as error: print(error.fix)
"""
    with ledger.locked():
        held = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    free = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "wait" in held and free.strip() == "in"


def test_a_model_that_fails_to_save_leaves_no_model(ledger: Ledger) -> None:
    trial = Trial("majority", 0)
    with pytest.raises(ValueError), ledger.model_folder(trial) as folder:
        (folder / "half.json").write_text("{")
        raise ValueError
    assert list(ledger.trial_folder(trial).iterdir()) == []
    with ledger.model_folder(trial) as folder:
        (folder / "whole.json").write_text("{}")
    assert (ledger.trial_folder(trial) / "model" / "whole.json").is_file()


def test_json_is_what_any_reader_takes() -> None:
    text = to_json({"nan": math.nan, "inf": np.inf, "np": np.float32(0.5), "array": np.arange(2), "tuple": (1, 2), 3: None})
    assert json.loads(text) == {"nan": None, "inf": None, "np": 0.5, "array": [0, 1], "tuple": [1, 2], "3": None}
    with pytest.raises(TypeError):
        to_json({"x": object()})


def test_damage_is_said(ledger: Ledger) -> None:
    (ledger.folder / "data.json").write_text("{broken")
    with pytest.raises(RunError) as caught:
        ledger.data()
    assert "damaged" in caught.value.what


def test_the_logs_of_a_training_outlive_its_checkpoint(ledger: Ledger) -> None:
    trial = Trial("cnn", 0)
    folder = ledger.checkpoint_folder(trial)
    (folder / "epoch.ckpt").write_bytes(b"weights")
    (folder / "logs").mkdir()
    (folder / "logs" / "metrics.csv").write_text("epoch\n1\n", encoding="utf-8")
    ledger.drop_checkpoint(trial)
    assert not folder.exists()
    assert (ledger.trial_folder(trial) / "logs" / "metrics.csv").read_text(encoding="utf-8") == "epoch\n1\n"
    (ledger.checkpoint_folder(trial) / "logs").mkdir()
    ledger.drop_checkpoint(trial)
    assert not list((ledger.trial_folder(trial) / "logs").iterdir()), "a second training's logs take the place of the first's"
