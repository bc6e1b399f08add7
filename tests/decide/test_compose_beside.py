"""From a run folder with load tests, hard inputs and repeats to the document: nothing lost, nothing made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from candidates import served
from folders import answers, folder

from bakeoff.contract import Answer, Item, ProbeSet, Trial
from bakeoff.decide.compose import compose
from bakeoff.decide.probed import MOST_FLIPS, varied
from bakeoff.decide.record import Document, Flip
from bakeoff.decide.redo import redecide
from bakeoff.errors import RunError
from bakeoff.run.ledger import Ledger

FLOOR = {"majority": "majority"}
TRUTH = ["good" if i % 5 < 3 else "bad" for i in range(300)]
AGREED = {
    "items": 20,
    "repeats": 5,
    "concurrency": 1,
    "raw": None,
    "parsed": {"mid": 1.0, "low": 0.83, "high": 1.0, "n": 20},
    "errors": 0,
}


def probes(generated: int = 30) -> tuple[ProbeSet, ProbeSet]:
    """A written set with two kinds, one input without a right answer, and changed copies of test items."""
    negated = [Item(f"n{i}", f"not good {i}", "bad", meta={"kind": "negation"}) for i in range(8)]
    mixed = [Item(f"m{i}", f"good and bad {i}", "good" if i else None, meta={"kind": "mixed"}) for i in range(6)]
    bases = [Item(f"b{i}", f"text {i}", TRUTH[i], meta={"kind": "base"}) for i in range(generated)]
    typos = [
        Item(f"t{i}", f"txet {i}", TRUTH[i], meta={"kind": "typos", "base": f"b{i}", "keeps": True}) for i in range(generated)
    ]
    case = [Item(f"c{i}", f"TEXT {i}", TRUTH[i], meta={"kind": "case", "base": f"b{i}", "keeps": True}) for i in range(generated)]
    return (
        ProbeSet("sentiment", "written", (*negated, *mixed), {"negation": "a not", "mixed": "both"}, ("written for this test",)),
        ProbeSet("mine", "generated", (*bases, *typos, *case), {"typos": "letters swapped", "case": "upper case"}),
    )


def other(label: str) -> str:
    return "bad" if label == "good" else "good"


def run(where: Path, *, serving: dict[str, Any] | None = None, **study: Any) -> Ledger:
    """`a` is right on all but negation and flips on every third typo; `b` always says good on hard inputs; `majority` too."""
    given = {
        Trial("majority", 0): [Answer("good", {"good": 0.6, "bad": 0.4}, 0.001)] * 300,
        Trial("a", 0): answers(TRUTH, 0.9),
        Trial("b", 0): answers(TRUTH, 0.8, seed=1),
    }
    ledger = folder(
        where,
        TRUTH,
        given,
        use=FLOOR,
        serving={"approaches": ["a", "b"]},
        edge_cases={"sets": ["sentiment"], "generated": 30},
        **study,
    )
    written, made = probes()
    ledger.write_probes((written, made))
    for name in ("majority", "a", "b"):
        for one in (written, made):
            said = []
            for item in one.items:
                kind = item.meta["kind"]
                value = "good"
                if name == "a":
                    value = item.target or "good"
                    if kind == "negation" or (kind == "typos" and int(item.id[1:]) % 3 == 0):
                        value = other(value)
                said.append(Answer(value) if (name, item.id) != ("a", "n0") else Answer(error="timeout"))
            ledger.write_probe_answers(Trial(name, 0), one.name, [item.id for item in one.items], said)
    measures = ledger.measures(Trial("a", 0))
    kept = served("a", 40.0, 55.0).model_dump(mode="json", exclude={"approach"}) if serving is None else serving
    timing = {**measures["timing"], "flops": {"per_item": 5e6, "per_token": None, "basis": "counted", "leaves_out": ["reading"]}}
    consistency = {"alone": AGREED, "concurrent": {**AGREED, "concurrency": 4}, "formats": None}
    ledger.write_measures(Trial("a", 0), {**measures, "timing": timing, "serving": kept, "consistency": consistency})
    return ledger


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return compose(run(tmp_path_factory.mktemp("runs"), hosted=["gpt-4o-mini"]))


def check_of(made: Document, code: str) -> list[tuple[str, str]]:
    return [(check.outcome, check.says) for check in made.checks if check.code == code]


def test_everything_stands_in_the_document_and_deciding_again_keeps_it(made: Document) -> None:
    assert [(one.approach, one.status) for one in made.serving] == [("a", "done"), ("b", "not_run")]
    assert made.serving[0].highest_rate.mid == 40.0 and made.serving[1].limit == "p95 latency <= 500 ms"
    a = next(one for one in made.approaches if one.name == "a")
    assert (a.flops_per_item, a.flops_basis, a.flops_leaves_out) == (5e6, "counted", ["reading"])
    assert next(one for one in made.approaches if one.name == "b").flops_per_item is None
    assert made.study.hosted == ["gpt-4o-mini"] and made.hosted == []  # nobody is prompted here, so there are no tokens
    assert made.matrix.rows and redecide(made) == made
    read = Document.model_validate_json(made.model_dump_json())
    assert redecide(read) == read


def test_edge_sets_by_kind(made: Document) -> None:
    written, changed = made.edge_sets
    assert (written.source, written.items, written.judged, written.notes) == ("written", 14, 13, ["written for this test"])
    kinds = {one.kind: one for one in written.results["a"]}
    assert (kinds["negation"].judged, kinds["negation"].right, kinds["negation"].unanswered) == (8, 0, 1)
    assert (kinds["mixed"].n, kinds["mixed"].judged, kinds["mixed"].right) == (6, 5, 5)
    assert written.overall["a"].right == 5 and written.overall["b"].right == 5
    # n0 got no answer from a: that is not right, but it is not wrong either.
    assert written.wrong_by_all == [f"not good {i}" for i in range(1, 8)]
    assert "base" not in changed.kinds and {one.kind for one in changed.results["a"]} == {"typos", "case"}
    assert (changed.items, changed.overall["a"].pairs, changed.overall["a"].flips, changed.flips_of) == (60, 60, 10, 10)
    flip = changed.flips[0]
    assert (flip.approach, flip.kind, flip.base, flip.before, flip.after) == ("a", "typos", "text 0", "good", "bad")


def test_consistency_joins_repeats_and_changes(made: Document) -> None:
    found = {one.approach: one for one in made.consistency}
    assert found["a"].concurrent.concurrency == 4 and found["a"].formats is None
    # 10 of 60 changed copies flip; an original and its two copies count as one draw.
    kept = found["a"].kept_under_changes
    assert kept.mid == pytest.approx(50 / 60) and kept.n == 30 and kept.low < kept.mid < kept.high
    assert "20" in found["a"].says and "left the answer as it was in 83% of cases" in found["a"].says
    assert found["b"].alone is None and found["b"].kept_under_changes.mid == 1.0


def test_the_checks_read_them(made: Document) -> None:
    assert (
        [outcome for outcome, _ in check_of(made, "BK014")] == ["passed"] == [outcome for outcome, _ in check_of(made, "BK015")]
    )
    edge = check_of(made, "BK016")
    assert {outcome for outcome, _ in edge} == {"tip"} and all("majority gets 38.5%" in says for _, says in edge)
    flipped = check_of(made, "BK017")
    assert [outcome for outcome, says in flipped if says.startswith("16.7%")] == ["tip"]
    assert [outcome for outcome, _ in check_of(made, "BK018")] == ["passed"]


def test_what_was_not_tested_says_what_the_load_test_cannot_show(made: Document) -> None:
    told = " ".join(made.not_tested)
    assert "one request at a time. How it grows" not in told and "at most 15 seconds" in told and "a network in between" in told
    assert "Load on b: the load test did not run" in told and "Load on majority" not in told  # nobody would serve the floor
    assert "gpt-4o-mini" in told


def test_invalid_and_failed_load_tests_are_said(tmp_path: Path) -> None:
    kept = served("a", 40.0, 55.0).model_dump(mode="json", exclude={"approach"})
    kept["steps"][1] |= {"valid": False, "invalid_because": ["The client was late."], "outcome": "not_judged"}
    kept["steps"][0] |= {"errors": 5, "error_kinds": {"timeout": 4}, "completed": 195}
    made = compose(run(tmp_path, serving=kept))
    assert any("1 of 3 load steps of a: they are invalid (the client was late)" in said for said in made.not_tested)
    assert [(outcome, says.endswith("server at 55/s: The client was late.")) for outcome, says in check_of(made, "BK014")] == [
        ("tip", True)
    ]
    ((outcome, says),) = check_of(made, "BK015")
    assert outcome == "problem" and "5 of 400" in says and "timeout (4); other (1)" in says
    failed = compose(run(tmp_path / "failed", serving={"status": "failed", "failure": "it did not start"}))
    assert failed.serving[0].failure == "it did not start" and failed.verdict.choice == "a"
    told = " ".join(failed.not_tested)
    assert "Load on a: the load test failed (it did not start)" in told and "How it grows when many arrive" in told
    assert not check_of(failed, "BK014")


def test_damaged_measures_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        compose(run(tmp_path, serving={"status": "done", "steps": "many"}))
    assert "measures.json" in caught.value.what and "serving" in caught.value.what and caught.value.fix
    ledger = run(tmp_path / "other")
    ledger.write_measures(Trial("a", 0), {**ledger.measures(Trial("a", 0)), "consistency": {"alone": {"items": "x"}}})
    with pytest.raises(RunError, match="consistency"):
        compose(ledger)


def test_nothing_asked_nothing_there(tmp_path: Path) -> None:
    made = compose(folder(tmp_path, TRUTH, {Trial("a", 0): answers(TRUTH, 0.9), Trial("b", 0): answers(TRUTH, 0.7, seed=1)}))
    assert (made.serving, made.edge_sets, made.consistency, made.hosted) == ([], [], [], [])
    assert not [check for check in made.checks if check.code > "BK013"]
    assert any("How it grows when many arrive" in said for said in made.not_tested)
    old = made.model_dump(mode="json")
    for key in ("serving", "edge_sets", "consistency", "hosted", "matrix"):
        del old[key]
    del old["study"]["hosted"]
    assert redecide(Document.model_validate(old)).model_dump(mode="json") == made.model_dump(mode="json")


def test_flips_are_picked_from_every_kind_and_approach() -> None:
    def flip(approach: str, kind: str, number: int) -> Flip:
        return Flip(approach=approach, id=f"{kind}{number}", kind=kind, base="", shown="", before="good", after="bad")

    many = [flip("a", "typos", i) for i in range(200)] + [flip("a", "case", 0), flip("b", "typos", 0), flip("b", "emoji", 0)]
    chosen = varied(many, MOST_FLIPS)
    assert len(chosen) == MOST_FLIPS and {(one.approach, one.kind) for one in chosen} == {(o.approach, o.kind) for o in many}
    assert [one.id for one in chosen if one.approach == "a"][:3] == ["typos0", "typos1", "typos2"]
    assert varied(many[:5], MOST_FLIPS) == many[:5]


def test_what_was_left_unasked_or_failed_is_said_for_what_it_was(tmp_path: Path) -> None:
    ledger = run(tmp_path)
    for name in ("majority", "a"):
        ledger.write_measures(Trial(name, 0), {**ledger.measures(Trial(name, 0)), "probes": {"sets": ["sentiment", "mine"]}})
    measures = ledger.measures(Trial("b", 0))
    failure = {"what": "It broke on emoji.", "fix": "", "job": "trial", "known": True}
    ledger.write_measures(Trial("b", 0), {**measures, "failure": failure})
    told = compose(ledger).not_tested
    assert [said for said in told if "b beside the test" in said and "(It broke on emoji)" in said]
    assert not [said for said in told if "its timing failed" in said or "a beside the test" in said]
    ledger.write_measures(Trial("b", 0), {"failure": failure})
    (ledger.trial_folder(Trial("b", 0)) / "answers.parquet").unlink()
    told = compose(ledger).not_tested
    assert [said for said in told if said.startswith("b: it failed: It broke on emoji")]
    assert not [said for said in told if "Load on b" in said]  # it failed before; time had nothing to do with it


def test_money_paid_for_hard_inputs_is_money_paid(tmp_path: Path) -> None:
    ledger = run(tmp_path)
    written = ledger.probes()[0]
    said = [Answer("good", usd=0.25, details={"cached": True} if i else {}) for i, _ in enumerate(written.items)]
    ledger.write_probe_answers(Trial("a", 0), written.name, [item.id for item in written.items], said)
    paid = {one.name: one.paid_usd for one in compose(ledger).approaches}
    assert paid == {"majority": 0.0, "a": 0.25, "b": 0.0}
