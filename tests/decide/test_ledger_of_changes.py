"""The ledger of changes in a verdict document: what is compared with what, who takes part in the choice, and what was foretold."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from folders import answers, folder

from bakeoff.contract import Answer, Trial
from bakeoff.decide import foretold
from bakeoff.decide.change_record import ChangeEntry
from bakeoff.decide.compose import compose
from bakeoff.decide.record import Document
from bakeoff.run.ledger import Ledger

TRUTH = ["good" if i % 5 < 3 else "bad" for i in range(300)]
GROUPS = [f"g{i // 5}" for i in range(300)]
BASE = {"use": "tfidf-linear", "name": "lin"}
TRY: dict[str, Any] = {
    "better": {"settings": {"words": [1, 3]}, "expect": " Longer phrases <b>help</b>. "},
    "worse": {"settings": {"characters": [4, 5], "min_documents": 9}},
    "same": {"settings": {"min_documents": 3}},
}


def turned(base: list[Answer], share: float, *, seed: int, right: bool) -> list[Answer]:
    """The same answers with this share of all items turned right (or wrong), where they were not."""
    wanted = [i for i, (one, truth) in enumerate(zip(base, TRUTH, strict=True)) if (one.value == truth) is not right]
    chosen = set(random.Random(seed).sample(wanted, round(share * len(base))))
    other = {"good": "bad", "bad": "good"}
    return [Answer(other[str(one.value)]) if i in chosen else one for i, one in enumerate(base)]


def given() -> dict[Trial, Any]:
    found: dict[Trial, Any] = {}
    for seed in range(3):
        base = answers(TRUTH, 0.7, seed=1)
        found[Trial("lin", seed)] = base
        found[Trial("lin.better", seed)] = turned(base, 0.1, seed=2, right=True)
        found[Trial("lin.worse", seed)] = turned(base, 0.1, seed=3, right=False)
        swapped = turned(base, 0.05, seed=4 + seed, right=True)
        found[Trial("lin.same", seed)] = turned(swapped, 0.05, seed=9 + seed, right=False)
    return found


def made(where: Path, trials: dict[Trial, Any] | None = None, *, compete: bool = False, **study: Any) -> tuple[Ledger, Document]:
    changes = {"base": "lin", "try": TRY, "compete": compete}
    approaches = [{"use": "majority", "name": "majority"}, BASE]
    floor = {Trial("majority", seed): [Answer("good")] * len(TRUTH) for seed in range(3)}
    ledger = folder(
        where,
        TRUTH,
        {**floor, **(trials or given())},
        **{"groups": GROUPS, "approaches": approaches, "changes": changes, **study},
    )
    return ledger, compose(ledger)


def entry(document: Document, name: str) -> ChangeEntry:
    assert document.change_ledger is not None
    return next(one for one in document.change_ledger.entries if one.name == name)


def test_each_change_has_its_hypothesis_effect_cost_and_verdict(tmp_path: Path) -> None:
    _, document = made(tmp_path)
    better, worse, same = (entry(document, name) for name in TRY)
    assert (better.verdict, worse.verdict, same.verdict) == ("better", "worse", "inside the noise")
    assert better.effect is not None and better.effect.mid == pytest.approx(0.1) and better.effect.n == 300
    assert 0 < better.effect.low < 0.1 < better.effect.high and better.p is not None and better.p < 0.05
    assert better.expect == "Longer phrases <b>help</b>." and better.beats_base == 1.0
    assert [(one.setting, tuple(one.before), tuple(one.after)) for one in better.settings] == [("words", (1, 2), (1, 3))]
    assert [one.setting for one in worse.settings] == ["characters", "min_documents"] and worse.beats_base == 0.0
    assert better.fit_ratio is not None and (better.fit_ratio.mid, better.fit_ratio.n) == (1.0, 3) and better.size_ratio == 1.0
    assert better.p50_ratio is not None and better.p50_ratio.low <= 1.0 <= better.p50_ratio.high
    assert better.per_seed == pytest.approx([0.1, 0.1, 0.1])
    assert better.says.startswith("lin.better is better than lin by 10.0 points (")
    assert worse.says.startswith("lin.worse is worse than lin by 10.0 points (")


def test_noise_is_never_told_as_no_effect(tmp_path: Path) -> None:
    _, document = made(tmp_path)
    same = entry(document, "same")
    assert same.detectable is not None and same.effect is not None
    assert same.detectable > same.effect.high - same.effect.mid  # it has to clear the interval's half, and then some
    assert "not no effect" in same.says and "most likely not be seen" in same.says


def test_holm_counts_the_changes_and_not_the_other_pairs(tmp_path: Path) -> None:
    _, document = made(tmp_path)
    raw = sorted(one.p_raw for one in (entry(document, name) for name in TRY) if one.p_raw is not None)
    assert min(entry(document, name).p or 1 for name in TRY) == pytest.approx(3 * raw[0])
    assert [(pair.a, pair.b) for pair in document.pairs] == [("majority", "lin")]
    assert document.pairs[0].p == document.pairs[0].p_raw


def test_changes_take_no_part_in_the_choice_unless_they_compete(tmp_path: Path) -> None:
    _, document = made(tmp_path / "apart")
    assert [result.name for result in document.approaches] == ["majority", "lin"] and document.verdict.choice == "lin"
    assert [result.name for result in document.changed] == ["lin.better", "lin.worse", "lin.same"]
    _, competing = made(tmp_path / "in", compete=True)
    assert len(competing.approaches) == 5 and competing.changed == [] and competing.verdict.choice == "lin.better"
    assert len(competing.pairs) == 10 and entry(competing, "better").verdict == "better"


def test_a_change_that_failed_is_named_and_left_out_of_the_family(tmp_path: Path) -> None:
    trials = given()
    for seed in range(3):
        trials[Trial("lin.worse", seed)] = "ValueError: boom"
    _, document = made(tmp_path, trials)
    lost = entry(document, "worse")
    assert (lost.status, lost.verdict, lost.effect) == ("failed", "not measured", None)
    assert "boom" in lost.says and any(said.startswith("The changes lin.worse:") for said in document.not_tested)
    better = entry(document, "better")
    assert better.p_raw is not None and better.p == pytest.approx(2 * better.p_raw)


def test_a_whole_metric_is_compared_too_and_is_not_foretold(tmp_path: Path) -> None:
    _, document = made(tmp_path, metric="macro_f1")
    assert entry(document, "better").verdict == "better"
    told = document.change_ledger and document.change_ledger.foretold
    assert told is not None and told.basis == "unknown" and "not known before training" in told.says


def test_what_is_foretold_names_its_size_and_its_assumption_and_is_kept(tmp_path: Path) -> None:
    ledger, document = made(tmp_path)
    told = document.change_ledger and document.change_ledger.foretold
    assert told is not None and (told.items, told.groups, told.seeds, told.changes) == (300, 60, 3, 3)
    assert told.says.startswith("With 300 test items in 60 groups, 3 seeds and 3 changes, a change worth ")
    assert "Assumed, since no earlier run" in told.says and told.discordance == 0.1
    assert told.detectable is not None and told.detectable_then is not None and told.detectable_then < told.detectable
    file = ledger.folder / foretold.FILE
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), "says": "Said before."}), "utf-8")
    assert (foretold.foretell(ledger) or told).says == "Said before."
    file.write_text("{", "utf-8")
    assert foretold.foretell(ledger) == told


def test_an_earlier_run_of_the_same_data_says_how_much_answers_vary(tmp_path: Path) -> None:
    first, document = made(tmp_path)
    first.write("verdict.json", document.model_dump_json())
    _, again = made(tmp_path)
    told = again.change_ledger and again.change_ledger.foretold
    assert told is not None and (told.basis, told.earlier) == ("earlier run", first.name)
    seen = [one.detectable for one in (document.change_ledger.entries if document.change_ledger else []) if one.detectable]
    assert told.detectable is not None and min(seen) / 2 < told.detectable < 2 * max(seen)
    first.write("verdict.json", "damaged")
    assert foretold.foretell(made(tmp_path)[0]).basis == "typical"  # type: ignore[union-attr]


def test_one_seed_says_that_luck_counts_as_the_change(tmp_path: Path) -> None:
    one = {trial: said for trial, said in given().items() if trial.seed == 0}
    _, document = made(tmp_path, one, seeds=1)
    told = document.change_ledger and document.change_ledger.foretold
    assert told is not None and told.seeds == 1 and "luck of a single training" in told.says
