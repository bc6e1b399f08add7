"""A study whose approaches are also served, put under load, asked hard inputs and asked again: real processes, real sockets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import psutil
import pytest

from bakeoff.contract import Item, ProbeSet, Trial
from bakeoff.decide.record import Document
from bakeoff.errors import BadStudy, BakeoffError
from bakeoff.run import plan
from bakeoff.run.endpoint_process import EndpointProcess
from bakeoff.run.engine import _serving_ended
from bakeoff.run.ledger import Ledger
from bakeoff.run.serving import _why_it_ended
from bakeoff.study import parse_study
from bakeoff.testing import sentences
from bakeoff.verbs import build_report, decide_again, run_study

STUDY = """
study: served
task: text
data: {source: reviews.csv, text: text, target: label}
approaches: [majority, tfidf-linear]
seeds: 1
timing: {single_items: 60, single_seconds: 2, batch_seconds: 1}
serving: {approaches: [tfidf-linear], limit: p95 latency <= 200 ms, single_requests: 60, single_seconds: 2, offline_seconds: 1, rates: 2, rate_seconds: 2, highest_rate: 60}
edge_cases: {sets: [hard.jsonl], generated: 4, kinds: [upper, typo-swap]}
consistency: {items: 6, repeats: 3, concurrency: 3}
hosted: [gpt-4o-mini]
"""
HARD = [
    {"id": "h1", "kind": "negation", "text": "Not good at all.", "label": "negative"},
    {"id": "h2", "kind": "negation", "text": "Not bad at all.", "label": "positive"},
    {"id": "h3", "kind": "empty", "text": "", "label": None},
]


def folder_with_study(folder: Path) -> Path:
    rows = ["text,label"] + [f'"{item.input}",{item.target}' for item in sentences(240)]
    (folder / "reviews.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "hard.jsonl").write_text("\n".join(json.dumps(row) for row in HARD) + "\n", encoding="utf-8")
    (folder / "served.yaml").write_text(STUDY, encoding="utf-8")
    return folder / "served.yaml"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    folder = tmp_path_factory.mktemp("served")
    return run_study(folder_with_study(folder), runs=folder / "runs")


def test_a_served_approach_is_measured_under_load(document: Document) -> None:
    (served,) = document.serving
    assert (served.approach, served.status, served.failure) == ("tfidf-linear", "done", None)
    assert served.start_seconds and served.first_request_seconds and served.peak_bytes
    assert served.single and served.single.requests >= 44 and served.single.total_seconds.p90
    assert served.single.first_token_seconds.p50 and served.single.errors == 0
    assert served.offline and served.offline.completed_per_second and served.offline.completed_per_second > 10
    assert 1 <= len(served.steps) <= 2 and all(step.scenario == "server" for step in served.steps)
    for step in (served.single, served.offline, *served.steps):
        assert step.completed + step.errors == step.requests
    assert served.energy_says and served.context and served.context.threads == 1


def test_hard_inputs_are_answered_by_every_approach(document: Document) -> None:
    written, generated = document.edge_sets
    assert (written.source, written.items, written.judged) == ("written", 3, 2)
    assert set(written.results) == {"majority", "tfidf-linear"} == set(generated.results)
    assert {result.kind for result in generated.results["tfidf-linear"]} >= {"upper", "typo-swap"}
    assert generated.overall["majority"].flips == 0 and generated.overall["majority"].pairs > 0
    ledger = Ledger.open(Path(document.run))
    trial = Trial("tfidf-linear", 0)
    assert {one.name for one in ledger.probes()} == {written.name, generated.name}
    assert set(ledger.probe_answers(trial, written.name)) == {"h1", "h2", "h3"}


def test_the_same_question_is_asked_again(document: Document) -> None:
    by_name = {one.approach: one for one in document.consistency}
    words = by_name["tfidf-linear"]
    assert words.alone and words.alone.repeats == 3 and words.alone.parsed and words.alone.parsed.mid == 1.0
    assert words.concurrent and words.concurrent.concurrency == 3 and words.formats is None
    assert words.says and words.kept_under_changes


def test_the_document_is_valid_and_decided_again_alike(document: Document) -> None:
    schema = json.loads((Path(__file__).parents[2] / "docs" / "reference" / "verdict.schema.json").read_text())
    jsonschema.validate(json.loads(document.model_dump_json()), schema)
    assert json.loads(decide_again(document.run).model_dump_json()) == json.loads(document.model_dump_json())
    assert [one.model for one in document.hosted] == ["gpt-4o-mini"] or not document.hosted
    assert document.matrix.rows and set(document.matrix.totals) <= {"majority", "tfidf-linear"}
    again = build_report(document.run, measure_again=True)
    assert (again.serving, again.edge_sets, again.consistency) == (document.serving, document.edge_sets, document.consistency)
    assert "Under load" in Path(document.report).read_text(encoding="utf-8")


def test_nothing_is_left_listening(document: Document) -> None:
    left = [p for p in psutil.process_iter(["cmdline"]) if document.run in " ".join(p.info["cmdline"] or ())]
    assert not left


def test_a_run_killed_while_it_serves_is_finished_by_resume(tmp_path: Path) -> None:
    study = folder_with_study(tmp_path)
    command = [sys.executable, "-m", "bakeoff.cli.main", "run", str(study), "--runs", str(tmp_path / "runs"), "--json", "--quiet"]
    first = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 120
    serving: list[psutil.Process] = []
    while not serving and time.monotonic() < deadline:
        time.sleep(0.05)
        serving = [
            p
            for p in psutil.process_iter(["cmdline"])
            if {"serve", "--until-eof"} <= set(p.info["cmdline"] or ()) and str(tmp_path) in " ".join(p.info["cmdline"])
        ]
    assert serving and first.poll() is None
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    _gone, alive = psutil.wait_procs(serving, timeout=60)
    assert not alive
    done = subprocess.run([*command, "--resume"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [one["status"] for one in document["serving"]] == ["done"] and len(document["edge_sets"]) == 2


def test_an_endpoint_that_does_not_start_is_an_outcome(tmp_path: Path) -> None:
    with (
        pytest.raises(BakeoffError, match="did not start"),
        EndpointProcess(tmp_path / "no-run", "nobody", threads=1, options=[], log=tmp_path / "log.txt"),
    ):
        pass
    assert "error" in (tmp_path / "log.txt").read_text()


def study(text: str) -> object:
    return parse_study("study: x\ntask: text\ndata: {source: a.csv}\n" + text)


def test_what_cannot_be_served_is_refused_before_anything_runs() -> None:
    with pytest.raises(BadStudy, match="cannot be served"):
        plan.plan(
            study(
                "approaches: [majority, {use: endpoint, settings: {model: m, base_url: 'http://127.0.0.1:1'}}]\nserving: {approaches: [endpoint]}"
            )
        )  # type: ignore[arg-type]
    with pytest.raises(BadStudy, match="called 'nobody'"):
        plan.plan(study("approaches: [majority]\nserving: {approaches: [nobody]}"))  # type: ignore[arg-type]
    with pytest.raises(BakeoffError, match="fast please"):
        plan.plan(study("approaches: [majority]\nserving: {limit: fast please}"))  # type: ignore[arg-type]
    assert plan.served(study("approaches: [majority, tfidf-linear]\nserving: {}")) == ("majority", "tfidf-linear")  # type: ignore[arg-type]


def test_probes_are_kept_whole(tmp_path: Path) -> None:
    one = ProbeSet(
        "a set/../x",
        "written",
        (Item("a", "text\u0000", None, None, {"kind": "k", "base": "b", "keeps": True}),),
        {"k": "what"},
        ("n",),
    )
    ledger = Ledger(tmp_path)
    assert ledger.probes() == ()
    ledger.write_probes([one])
    assert ledger.probes() == (one,)
    assert ledger.probe_answers(Trial("a", 0), one.name) == {}


@pytest.mark.parametrize(
    ("found", "failure", "code", "status", "why"),
    [
        ({"status": "done"}, None, -9, "done", None),
        (None, None, -9, "failed", "code -9"),
        (None, {"job": "serving", "what": "no lock"}, 1, "failed", "no lock"),
        ({"status": "failed", "failure": "before"}, {"job": "serving", "what": "no lock"}, 1, "failed", "no lock"),
        ({"status": "failed", "failure": "before"}, None, 0, "failed", "before"),
    ],
)
def test_how_a_serving_job_ended_costs_nothing_else(
    tmp_path: Path, found: dict[str, str] | None, failure: dict[str, str] | None, code: int, status: str, why: str | None
) -> None:
    ledger, trial = Ledger(tmp_path), Trial("a", 0)
    kept = {"fit": {"seconds": 1.0}, "answer": {"items": 3}, **({"serving": found} if found else {})}
    ledger.write_measures(trial, {**kept, **({"failure": failure} if failure else {})})
    worker = SimpleNamespace(trial=trial, job="serving")
    _serving_ended(ledger, worker, code, ledger.measures(trial))  # type: ignore[arg-type]
    left = ledger.measures(trial)
    assert left["fit"] == kept["fit"] and left["answer"] == kept["answer"] and "failure" not in left
    assert left["serving"]["status"] == status and (why is None or why in left["serving"]["failure"])


def test_an_endpoint_that_dies_under_load_is_named_as_what_failed() -> None:
    endpoint = SimpleNamespace(ended="signal 9 (often: out of memory)", log=Path("log.txt"))
    with pytest.raises(BakeoffError, match="ended with signal 9"), _why_it_ended(endpoint):  # type: ignore[arg-type]
        raise ConnectionError("refused")
    with pytest.raises(BakeoffError, match="ended with signal 9"), _why_it_ended(endpoint):  # type: ignore[arg-type]
        pass
    endpoint.ended = ""
    with pytest.raises(ConnectionError), _why_it_ended(endpoint):  # type: ignore[arg-type]
        raise ConnectionError("refused")
