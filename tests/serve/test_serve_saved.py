"""What was saved by a run is what is served: the same answers as in the process that fitted it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_server import running

from bakeoff.contract import Item, Trial
from bakeoff.errors import BakeoffError, RunError
from bakeoff.run import plan
from bakeoff.run.ledger import Ledger
from bakeoff.run.saved import find_saved, is_language_model, restore, saved
from bakeoff.serve.served import Served
from bakeoff.study import parse_study
from bakeoff.testing import STRANGE_TEXTS, sentences

STUDY = """study: small
task: text
data: {source: small.csv}
approaches:
  - majority
  - {use: tfidf-linear, name: words}
  - {use: tfidf-linear, name: never-run}
  - {use: endpoint, name: far, settings: {base_url: "http://localhost:1/v1", model: m}}
"""


@pytest.fixture
def run(tmp_path: Path) -> Ledger:
    """A run in which two approaches are fitted and saved, as the bench does it."""
    study = parse_study(STUDY)
    ledger = Ledger.create(tmp_path / "runs", study, "data")
    for name in ("majority", "words"):
        fitted = plan.make("text", study.spec(name)).fit(
            sentences(60), sentences(12, start=60), seed=0, progress=lambda f, n="": None
        )
        with ledger.model_folder(Trial(name, 0)) as folder:
            fitted.save(folder)
    return ledger


def test_a_served_approach_answers_as_it_does_in_its_own_process(run: Ledger) -> None:
    asked = [*sentences(30, start=100), *(Item(f"odd {n}", text) for n, text in enumerate(STRANGE_TEXTS))]
    for name in ("majority", "words"):
        approach = restore(run, name)
        own = list(approach.answer([item.asked() for item in asked]))
        with running(Served.of(name, restore(run, name)), max_batch=7) as server:
            found = server.answer(*[item.input for item in asked])
        assert [answer["value"] for answer in found] == [answer.value for answer in own]
        for theirs, ours in zip(found, own, strict=True):
            assert theirs["probabilities"] == pytest.approx(dict(ours.probabilities or {}))


def test_what_cannot_be_restored_says_why(run: Ledger) -> None:
    assert saved(run) == ["majority", "words"]
    with pytest.raises(RunError, match="no approach called 'word'") as wrong:
        restore(run, "word")
    assert "'words'" in wrong.value.fix
    with pytest.raises(RunError, match="not fitted yet") as missing:
        restore(run, "never-run")
    assert "majority, words" in missing.value.fix
    run.write_measures(Trial("never-run", 0), {"failure": {"what": "It had no memory left.", "fix": ""}})
    with pytest.raises(RunError, match="It had no memory left"):
        restore(run, "never-run")
    with pytest.raises(RunError, match="no saved model of 'far'"):
        restore(run, "far")
    (run.trial_folder(Trial("majority", 0)) / "model" / "majority.json").write_text("{", encoding="utf-8")
    with pytest.raises(BakeoffError, match="not a saved majority"):
        restore(run, "majority")


def test_a_run_and_an_approach_are_found_by_name_path_and_latest(run: Ledger) -> None:
    runs = run.folder.parent
    for what, name in (
        ("latest", ""),
        (run.name, ""),
        (str(run.folder), ""),
        ("latest:words", "words"),
        (f"{run.folder}:words", "words"),
    ):
        ledger, found = find_saved(what, runs)
        assert (ledger.name, found) == (run.name, name)
    odd = runs / "odd:name"
    run.folder.rename(odd)
    assert find_saved(str(odd), runs)[1] == ""
    with pytest.raises(RunError, match="no run 'nothing'"):
        find_saved("nothing:words", runs)


def test_what_is_a_language_model() -> None:
    assert all(map(is_language_model, ("smollm2-135m-instruct", "hub:a/b", "some/file.gguf")))
    assert not any(map(is_language_model, ("latest", "latest:words", "sst2", "20260101-000000-x-12345678")))


@pytest.mark.model
def test_an_approach_with_a_language_model_serves_both(real_assets: Path, tmp_path: Path) -> None:
    settings = "{shots: 0, formats: bare, search_items: 0, context: 512, mode: text, max_tokens: 6}"
    study = parse_study(
        f"study: s\ntask: text\ndata: {{source: x.csv}}\napproaches: [{{use: prompted-llm, name: llm, settings: {settings}}}]"
    )
    ledger = Ledger.create(tmp_path / "runs", study, "data")
    fitted = plan.make("text", study.spec("llm")).fit(sentences(8), (), seed=0, progress=lambda f, n="": None)
    with ledger.model_folder(Trial("llm", 0)) as folder:
        fitted.save(folder)
    texts = [item.input for item in sentences(4, start=50)]
    own = list(fitted.answer([Item(str(n), text) for n, text in enumerate(texts)]))
    served = Served.of("llm", restore(ledger, "llm"))
    assert served.models == {"llm": "approach", "smollm2-135m-instruct": "language_model"} and served.streams
    with running(served) as server:
        assert [answer["value"] for answer in server.answer(*texts)] == [answer.value for answer in own]
        for text, answer in zip(texts, own, strict=True):
            body = {"model": "llm", "messages": [{"role": "user", "content": text}], "stream": True}
            chunks = [
                json.loads(line[6:])
                for line in server.post("/v1/chat/completions", body).text.splitlines()
                if line.startswith("data: {")
            ]
            said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
            assert said == answer.details["raw"] and chunks[-1]["bakeoff"]["value"] == answer.value
        direct = server.post(
            "/v1/completions", {"model": "smollm2-135m-instruct", "prompt": "1, 2, 3,", "max_tokens": 3, "temperature": 0}
        ).json()
        assert direct["choices"][0]["text"].startswith(" 4")
