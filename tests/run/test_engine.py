"""The bench from a CSV file to the verdict document, in real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from bakeoff.contract import Trial
from bakeoff.errors import BakeoffError, RunError
from bakeoff.run.ledger import Ledger
from bakeoff.testing import sentences
from bakeoff.verbs import build_report, decide_again, load_document, run_study

STUDY = """
study: tiny
question: Good or bad?
task: text
data: {source: reviews.csv, text: text, target: label}
approaches: [majority, tfidf-linear]
seeds: 2
learning_curve: {approaches: [tfidf-linear], fractions: [0.5]}
timing: {single_items: 60, single_seconds: 2, batch_seconds: 1}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    rows = ["text,label"] + [f'"{item.input}",{item.target}' for item in sentences(240)]
    (tmp_path / "reviews.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "tiny.yaml").write_text(STUDY, encoding="utf-8")
    return tmp_path / "tiny.yaml"


def without_clocks(ledger: Ledger) -> dict[str, object]:
    """What a run answered, timings apart."""
    found: dict[str, object] = {}
    for folder in sorted((ledger.folder / "trials").glob("*/*")):
        seed, _, fraction = folder.name.partition("-")
        trial = Trial(folder.parent.name, int(seed), float(fraction or 1))
        found[trial.folder] = [
            (name, a.value, a.probabilities, a.error, a.abstained) for name, a in ledger.answers(trial).items()
        ]
    return found


def test_a_run_ends_in_a_document_a_report_and_a_memo(study: Path, tmp_path: Path) -> None:
    events = []
    document = run_study(study, runs=tmp_path / "runs", watch=events.append)
    assert document.verdict.choice == "tfidf-linear"
    assert {a.name: a.status for a in document.approaches} == {"majority": "done", "tfidf-linear": "done"}
    words = document.approaches[1]
    assert words.metrics["accuracy"].mid > 0.9 and len(words.per_seed["accuracy"]) == 2
    assert words.latency_seconds.p50 and words.throughput_per_second and words.peak_bytes and words.model_bytes
    assert words.cold_start_seconds and words.context and words.context.threads == 1
    assert words.usd_per_1000 and words.usd_per_1000.mid > 0
    assert document.pairs[0].verdict == "inferior"
    assert document.curves[0].points[0].n_train < document.data.train
    for file in (document.report, document.memo, Path(document.run) / "verdict.json"):
        assert Path(file).stat().st_size > 1000
    printed = json.loads(document.model_dump_json())
    schema = json.loads((Path(__file__).parents[2] / "docs" / "reference" / "verdict.schema.json").read_text())
    jsonschema.validate(printed, schema)
    assert document.reproduce.command == f"bakeoff run {study}"
    assert {event.kind for event in events} >= {"started", "done", "timing", "report"}
    assert all(0 <= event.overall <= 1 for event in events)


def test_the_same_study_gives_the_same_answers(study: Path, tmp_path: Path) -> None:
    first, second = (run_study(study, runs=tmp_path / name, workers=n) for name, n in (("one", 1), ("two", 2)))
    assert without_clocks(Ledger.open(Path(first.run))) == without_clocks(Ledger.open(Path(second.run)))
    assert [(p.a, p.b, p.difference, p.p, p.verdict) for p in first.pairs] == [
        (p.a, p.b, p.difference, p.p, p.verdict) for p in second.pairs
    ]


def test_deciding_again_runs_nothing_and_changes_nothing_unless_saved(study: Path, tmp_path: Path) -> None:
    document = run_study(study, runs=tmp_path / "runs")
    before = {f: f.read_bytes() for f in Path(document.run).rglob("*") if f.is_file()}
    decided = decide_again(document.run, limits=["accuracy >= 99.99%", "memory <= 1 MB"], volume=5_000_000)
    assert decided.verdict.kind == "none_within_limits"
    assert decided.study.volume_per_day == 5_000_000
    assert {f: f.read_bytes() for f in Path(document.run).rglob("*") if f.is_file()} == before
    decide_again(document.run, volume=123, save=True)
    _, kept = load_document(document.run)
    assert kept.study.volume_per_day == 123
    build_report(document.run)
    again = build_report(document.run, measure_again=True)
    assert again.study.volume_per_day == document.study.volume_per_day
    assert again.pairs == document.pairs


def test_a_run_folder_opens_elsewhere(study: Path, tmp_path: Path) -> None:
    document = run_study(study, runs=tmp_path / "runs", approaches=["majority"], seeds=1)
    moved = tmp_path / "another place"
    Path(document.run).rename(moved)
    study.unlink()
    assert load_document(moved)[1].report == str(moved / "report.html")
    assert build_report(moved, measure_again=True).approaches[0].metrics == document.approaches[0].metrics


def test_one_failing_approach_leaves_the_others_unharmed(study: Path, tmp_path: Path) -> None:
    text = STUDY.replace("[majority, tfidf-linear]", "[majority, {use: tfidf-linear, name: broken, settings: {words: [3, 1]}}]")
    study.write_text(text.replace("learning_curve: {approaches: [tfidf-linear], fractions: [0.5]}\n", ""))
    document = run_study(study, runs=tmp_path / "runs")
    assert {a.name: a.status for a in document.approaches} == {"majority": "done", "broken": "failed"}
    assert document.approaches[1].failure
    assert any("broken" in sentence for sentence in document.not_tested)


def test_a_spent_budget_says_what_did_not_run(study: Path, tmp_path: Path) -> None:
    document = run_study(study, runs=tmp_path / "runs", budget_seconds=0.05)
    assert document.verdict.kind == "nothing_ran"
    assert {a.status for a in document.approaches} == {"not_run"}


def test_there_is_nothing_to_resume(study: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        run_study(study, runs=tmp_path / "runs", resume=True)
    assert "--resume" in caught.value.fix


def test_bad_data_writes_nothing(study: Path, tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("text,label\nfine,good\n", encoding="utf-8")
    with pytest.raises(BakeoffError):
        run_study(study, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_ctrl_c_leaves_a_run_that_can_be_resumed(study: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bakeoff.cli.main", "run", str(study), "--runs", str(tmp_path / "runs")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ}) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "done" in line:
                break
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(60) == 130
    assert "--resume" in said and "Traceback" not in said
    folder = next((tmp_path / "runs").iterdir())
    assert not (folder / "verdict.json").exists()
    document = run_study(study, runs=tmp_path / "runs", resume=True)
    assert Path(document.run) == folder
    fresh = run_study(study, runs=tmp_path / "fresh")
    assert without_clocks(Ledger.open(folder)) == without_clocks(Ledger.open(Path(fresh.run)))
