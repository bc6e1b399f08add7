"""Whatever an approach does in its process, it ends as counted outcomes, and the others are unharmed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest
import unruly

from bakeoff.contract import Answer, Dataset, Splits, Trial
from bakeoff.errors import BakeoffError
from bakeoff.run.checked import checked
from bakeoff.run.ledger import Ledger
from bakeoff.run.processes import LARGEST_LOG, LOG_KEPT
from bakeoff.run.worker import Bench, Left, TooMany, answer_all, run_trial
from bakeoff.study import parse_study
from bakeoff.testing import sentences

TEST_ITEMS = 24
HANGING = ("hangs", "hangsinanswer", "hangswhentimed")


def write_study(folder: Path, approaches: list[str]) -> Path:
    rows = ["text,label"] + [f'"{item.input}",{item.target}' for item in sentences(100)]
    (folder / "small.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    text = {
        "study": "unruly", "task": "text", "data": {"source": "small.csv", "text": "text", "target": "label"},
        "approaches": approaches, "seeds": 1, "timing": {"single_items": 5, "single_seconds": 0.2, "batch_seconds": 0.2},
    }  # fmt: skip
    (folder / "unruly.yaml").write_text(json.dumps(text), encoding="utf-8")
    return folder / "unruly.yaml"


def run(study: Path, variables: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "bakeoff.cli.main",
        "run",
        str(study),
        "--runs",
        str(study.parent / "runs"),
        "--json",
        *options,
    ]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables}, timeout=300)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One run of every approach that ends by itself; majority last, after all the harm is done."""
    folder = tmp_path_factory.mktemp("unruly")
    (folder / "site").mkdir()
    variables = unruly.install(folder / "site") | {"BAKEOFF_HOME": str(folder / "home"), "BAKEOFF_THREADS": "1"}
    study = write_study(folder, [*(name for name in unruly.names() if name not in HANGING), "majority"])
    done = run(study, variables, "--workers", "2")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    document = json.loads(done.stdout)
    return {"approaches": {a["name"]: a for a in document["approaches"]}, "run": Path(document["run"]), "folder": folder / "site"}


def answers(outcome: dict[str, Any], name: str) -> list[Answer]:
    found = list(Ledger.open(outcome["run"]).answers(Trial(name, 0)).values())
    assert len(found) in (0, TEST_ITEMS)
    return found


def test_the_others_are_unharmed(outcome: dict[str, Any]) -> None:
    for name in ("tame", "majority"):
        assert outcome["approaches"][name]["status"] == "done", outcome["approaches"][name]
        assert len(answers(outcome, name)) == TEST_ITEMS and all(a.answered for a in answers(outcome, name))


def test_every_approach_has_an_outcome_and_the_counts_add_up(outcome: dict[str, Any]) -> None:
    for name, found in outcome["approaches"].items():
        assert found["status"] in ("done", "failed"), name
        if found["status"] == "failed":
            assert found["failure"], name
            continue
        given = answers(outcome, name)
        assert found["errors"] == sum(a.error is not None for a in given), name
        assert found["abstained"] == sum(a.abstained for a in given), name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("raisesinfit", "no fit today"),
        ("toomany", "more answers than the 24 items"),
        ("exits", "exit code 3"),
        ("sysexits", "exit code 0"),
        ("killed", "out of memory"),
        ("outofmemory", "MemoryError"),
        ("leaveschild", "exit code 0"),
        ("closespipes", ""),
    ],
)
def test_a_trial_that_cannot_be_believed_has_failed(outcome: dict[str, Any], name: str, says: str) -> None:
    assert outcome["approaches"][name]["status"] == "failed"
    assert says in outcome["approaches"][name]["failure"]
    assert answers(outcome, name) == []


@pytest.mark.parametrize(
    ("name", "errors", "says"),
    [
        ("toofew", 19, "no answer for this item"),
        ("notanswers", 24, "not an Answer"),
        ("badprobabilities", 24, "probabilities"),
        ("badfigures", 24, "that"),
        ("novalue", 24, "the approach gave"),
        ("alwaysraises", 24, "not even a generator"),
        ("surrogates", 12, "lone"),
    ],
)
def test_what_is_no_answer_is_an_error_of_its_item(outcome: dict[str, Any], name: str, errors: int, says: str) -> None:
    wrong = [a for a in answers(outcome, name) if a.error is not None]
    assert len(wrong) == errors == outcome["approaches"][name]["errors"]
    assert says in wrong[0].error and not any(a.answered for a in wrong)


def test_an_approach_that_fails_at_one_item_goes_on_with_the_next(outcome: dict[str, Any]) -> None:
    ledger = Ledger.open(outcome["run"])
    items = ledger.items()
    for name, answer in ledger.answers(Trial("raisesatone", 0)).items():
        assert (answer.error is not None) == ("7." in items[name].input)


@pytest.mark.parametrize("name", ["numpyscalars", "loud", "threads", "stdin", "modifies", "strangeprogress"])
def test_bad_manners_cost_nothing(outcome: dict[str, Any], name: str) -> None:
    given = answers(outcome, name)
    assert len(given) == TEST_ITEMS and all(a.answered for a in given), outcome["approaches"][name]
    assert {type(a.value) for a in given} == {str}


def test_numpy_scalars_are_kept_as_numbers(outcome: dict[str, Any]) -> None:
    first = answers(outcome, "numpyscalars")[0]
    assert first.probabilities == {"negative": 0.25, "positive": 0.75}
    assert (first.seconds, first.tokens_in, first.details["logits"]) == (0.5, 3, [0, 1, 2])


def test_training_items_are_counted_before_an_approach_can_lose_them(outcome: dict[str, Any]) -> None:
    ledger = Ledger.open(outcome["run"])
    assert ledger.measures(Trial("modifies", 0))["fit"]["n_train"] == ledger.measures(Trial("tame", 0))["fit"]["n_train"] > 0


def test_an_explanation_is_kept_and_a_failed_one_costs_nothing_else(outcome: dict[str, Any]) -> None:
    ledger = Ledger.open(outcome["run"])
    well, badly = (ledger.measures(Trial(name, 0))["explained"] for name in ("explainswell", "explainsbadly"))
    assert well == {"right": TEST_ITEMS // 2, "of": TEST_ITEMS}
    assert badly == {"failed": "RuntimeError: no words for it"}
    assert all(outcome["approaches"][name]["status"] == "done" for name in ("explainswell", "explainsbadly"))
    document = json.loads((outcome["run"] / "verdict.json").read_text(encoding="utf-8"))
    assert document["views"]["explained"] == {"explainswell": well, "explainsbadly": badly}
    assert "pictures" not in document["views"]


class GoesOn:
    """Trains in five steps, writes each down, and is interrupted once in the third."""

    steps_done: ClassVar[list[int]] = []

    def checkpoint_in(self, folder: Path) -> None:
        self.folder = folder

    def fit(self, train: Any, valid: Any, *, seed: int, progress: Any) -> Any:
        kept = self.folder / "step.json"
        begun = json.loads(kept.read_text()) if kept.is_file() else 0
        for step in range(begun, 5):
            self.steps_done.append(step)
            if step == 2 and self.steps_done.count(2) == 1:
                raise Left
            kept.write_text(json.dumps(step + 1))
        self.label_ = train[0].target
        return self

    def answer(self, items: Any) -> Any:
        yield from (Answer(self.label_) for _ in items)


def test_an_interrupted_training_goes_on_from_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = parse_study("{study: small, task: text, data: {source: x.csv}, approaches: [majority], seeds: 1}")
    items = sentences(40)
    dataset, names = Dataset(tuple(items), "small"), [item.id for item in items]
    ledger = Ledger.create(tmp_path, study, "0" * 64)
    ledger.write_data(dataset, Splits(tuple(names[:10]), {0: tuple(names[10:30])}, {0: tuple(names[30:])}), {}, [])
    monkeypatch.setattr("bakeoff.run.plan.make", lambda task, spec: GoesOn())
    monkeypatch.setattr("bakeoff.run.plan.settings_of", lambda approach: {})
    trial, checkpoint = Trial("majority", 0), ledger.trial_folder(Trial("majority", 0)) / "checkpoint"
    with pytest.raises(Left):
        run_trial(ledger, study, trial, silent())
    assert json.loads((checkpoint / "step.json").read_text()) == 2 and ledger.answers(trial) == {}
    run_trial(ledger, study, trial, silent())
    assert GoesOn.steps_done == [0, 1, 2, 2, 3, 4]
    assert len(ledger.answers(trial)) == 10 and not checkpoint.exists()


def test_a_log_does_not_grow_without_end(outcome: dict[str, Any]) -> None:
    log = outcome["run"] / "trials" / "loud" / "0" / "log.txt"
    assert LOG_KEPT < log.stat().st_size < LARGEST_LOG + 8_000_000 and log.read_bytes().endswith(b"x\n")


def test_no_process_outlives_its_worker(outcome: dict[str, Any]) -> None:
    child = int((outcome["folder"] / "child").read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_budget_ends_what_hangs(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    done = run(write_study(tmp_path, ["hangs"]), unruly.install(tmp_path / "site"), "--budget", "4s")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["verdict"]["kind"] == "nothing_ran" and document["approaches"][0]["status"] == "not_run"


def test_a_budget_ends_a_timing_that_hangs(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    done = run(write_study(tmp_path, ["hangswhentimed"]), unruly.install(tmp_path / "site"), "--budget", "12s")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["approaches"]
    assert found["status"] == "done" and found["latency_seconds"]["p50"] is None


def silent() -> Bench:
    """A Bench without pipes."""
    return Bench(io.StringIO(), threading.Event())


def test_a_problem_with_a_fix_ends_the_trial_at_once() -> None:
    class Full(unruly.Tame):
        asked = 0

        def answer(self, items: Any) -> Any:
            self.asked += 1
            raise BakeoffError("The answer cache is full.", fix="free some space")
            yield

    approach = Full()
    with pytest.raises(BakeoffError, match="cache is full"):
        answer_all(approach, sentences(5), silent())
    assert approach.asked == 1


def test_leaving_closes_what_is_in_flight_first() -> None:
    closed = []
    bench = silent()

    class Paid(unruly.Tame):
        def answer(self, items: Any) -> Any:
            try:
                for _ in items:
                    bench.leaving.set()
                    yield Answer("a")
            finally:
                closed.append(True)

    with pytest.raises(Left):
        answer_all(Paid(), sentences(5), bench)
    assert closed == [True] and not bench.patient


def test_one_answer_too_many_is_one_too_many() -> None:
    class Six(unruly.Tame):
        def answer(self, items: Any) -> Any:
            yield from [Answer("a")] * 6

    with pytest.raises(TooMany):
        answer_all(Six(), sentences(5), silent())


@pytest.mark.parametrize(
    "answer", [Answer("a"), Answer(abstained=True), Answer(error="no"), Answer(0), Answer(False), Answer([])]
)
def test_good_answers_pass_as_they_are(answer: Answer) -> None:
    assert checked(answer) == answer


def test_an_error_is_never_an_abstention_too() -> None:
    assert checked(Answer(error="no", abstained=True)) == Answer(error="no")
