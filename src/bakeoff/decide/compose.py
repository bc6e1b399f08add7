"""From a run folder to the verdict document: measure, compare, then decide."""

from __future__ import annotations

import json
import math
from itertools import combinations
from typing import Any

import numpy as np

from bakeoff.contract import Finding, Progress, Trial, quiet
from bakeoff.decide import curves, mistakes
from bakeoff.decide.after import after_run
from bakeoff.decide.consistent import consistency_of
from bakeoff.decide.evidence import Evidence, gather
from bakeoff.decide.ledger_of_changes import change_ledger_of
from bakeoff.decide.looks import looks_of
from bakeoff.decide.paired import compared
from bakeoff.decide.probed import edge_sets_of
from bakeoff.decide.record import (
    ApproachResult,
    Check,
    DataSummary,
    Document,
    McNemar,
    Pair,
    Reproduce,
    StudySummary,
    Verdict,
)
from bakeoff.decide.redo import redecide
from bakeoff.decide.results import as_range, result_of
from bakeoff.decide.sentences import places
from bakeoff.decide.served import served_of
from bakeoff.decide.untested import not_tested
from bakeoff.measure.compare import Comparison, family, mcnemar
from bakeoff.run.ledger import Ledger
from bakeoff.study import write_study


def compose(ledger: Ledger, *, wall_seconds: float = 0.0, command: str = "", progress: Progress = quiet) -> Document:
    """The verdict document of a run, from what its folder holds.

    Parameters
    ----------
    wall_seconds : float
        How long the run took, all resumptions together, for the record.
    command : str
        What a person types to run it again.
    """
    evidence = gather(ledger)
    names = [spec.name for spec in evidence.study.candidates]
    results = []
    for index, name in enumerate(names):
        results.append(result_of(evidence, name))
        progress((index + 1) / (len(names) + 1), f"intervals of {name}")
    done = [result.name for result in results if result.status == "done"]
    change_ledger, changed = change_ledger_of(evidence, results, progress)
    pairs = pairs_of(evidence, done)
    found_curves = curves.curves_of(evidence)
    wrong = mistakes.mistakes_of(evidence, done)
    views = evidence.task.views(evidence.items, {name: evidence.answers[Trial(name, evidence.seeds(name)[0])] for name in done})
    document = Document(
        run=str(ledger.folder),
        report=str(ledger.folder / "report.html"),
        memo=str(ledger.folder / "memo.md"),
        study=_study(evidence),
        data=_data(evidence),
        verdict=Verdict(sentence="", choice=None, kind="nothing_ran"),
        approaches=results,
        pairs=pairs,
        checks=[],
        curves=found_curves,
        curves_say=curves.say(evidence, found_curves),
        change_ledger=change_ledger,
        changed=changed,
        differs=_differs(results),
        mistakes=wrong,
        views={**views, **looks_of(evidence, done, [mistake.id for mistake in wrong.examples])},
        serving=served_of(evidence, results),
        edge_sets=edge_sets_of(evidence, done),
        consistency=consistency_of(evidence, results),
        reproduce=_reproduce(evidence, wall_seconds, command),
    )
    document = document.model_copy(update={"checks": _checks(evidence, document), "not_tested": not_tested(evidence, document)})
    return redecide(document)


def pairs_of(evidence: Evidence, names: list[str]) -> list[Pair]:
    """Every pair of approaches, compared on the same items; Holm over all of them."""
    couples: list[tuple[str, str]] = []
    found: list[Comparison] = []
    for a, b in combinations(names, 2):
        comparison = compared(evidence, a, b)
        if comparison is not None:
            couples.append((a, b))
            found.append(comparison)
    judged = family(found) if found else []
    return [_pair(evidence, a, b, comparison) for (a, b), comparison in zip(couples, judged, strict=True)]


def _pair(evidence: Evidence, a: str, b: str, found: Comparison) -> Pair:
    always = evidence.metric.per_item is None
    both = evidence.answered(a, always=always) & evidence.answered(b, always=always)
    # The statistics count groups where items come in groups; people label items.
    per_group = 1.0 if evidence.clusters is None else len(evidence.items) / max(1, len(set(evidence.clusters)))
    further = None if found.n_to_settle is None else math.ceil(found.n_to_settle * per_group)
    return Pair(
        a=a,
        b=b,
        metric=evidence.metric.name,
        difference=as_range(found.difference, int(both.sum())),
        p=found.p,
        p_raw=found.p_raw,
        mcnemar=_mcnemar(evidence, a, b),
        verdict=found.verdict,
        n_to_settle=further,
        needs_seeds=found.needs_seeds,
        a_good_enough=found.a_good_enough,
        b_good_enough=found.b_good_enough,
        a_beats_b=found.a_beats_b,
        says=_says(evidence, a, b, found, further),
    )


def _says(evidence: Evidence, a: str, b: str, found: Comparison, further: int | None) -> str:
    """The comparison in one sentence."""
    percent = evidence.metric.percent
    scale, unit = (100, " points") if percent else (1, "")
    gap = found.difference
    count = 1 if percent else places(gap.low, gap.mid, gap.high)
    ends = f"{gap.low * scale:+.{count}f} to {gap.high * scale:+.{count}f}"
    mid = f"{abs(gap.mid) * scale:.{count}f}"
    margin = f"{found.margin * scale:g}{unit}"
    if found.verdict in ("superior", "inferior"):
        # "better by 7 (4 to 10)", also where a is worse or the metric is a loss: the ends are those of what is said.
        low, high = (gap.low, gap.high) if gap.mid > 0 else (-gap.high, -gap.low)
        turned = f"{low * scale:.{count}f} to {high * scale:.{count}f}"
        return f"{a} is {'better' if found.verdict == 'superior' else 'worse'} than {b} by {mid}{unit} ({turned})."
    if found.verdict == "equivalent":
        return f"{a} and {b} differ by less than {margin} ({ends}): the same for this purpose."
    if found.verdict == "non-inferior":
        return f"{a} is not worse than {b} by {margin} or more ({ends})."
    if found.needs_seeds:
        return f"{a} and {b}: not settled ({ends}); the spread between trainings is too large, so more seeds are needed."
    more = f"; about {further:,} more test items would settle it" if further else ""
    return f"{a} and {b}: not settled ({ends}){more}."


def _mcnemar(evidence: Evidence, a: str, b: str) -> McNemar | None:
    shared = sorted(set(evidence.seeds(a)) & set(evidence.seeds(b)))
    if not shared or evidence.metric.per_item is None or evidence.clusters is not None:
        return None  # with clusters the items are not independent, and McNemar's test would be too sure
    first, second = (evidence.scores(name, evidence.metric, shared[:1])[0] for name in (a, b))
    both = ~np.isnan(first) & ~np.isnan(second)
    if not np.isin(first[both], (0, 1)).all() or not np.isin(second[both], (0, 1)).all():
        return None
    only_a, only_b = int((first[both] > second[both]).sum()), int((first[both] < second[both]).sum())
    return McNemar(only_a=only_a, only_b=only_b, p=mcnemar(only_a, only_b).p)


def _study(evidence: Evidence) -> StudySummary:
    study, metric = evidence.study, evidence.metric
    return StudySummary(
        name=study.study,
        question=study.question,
        task=study.task,
        metric=metric.name,
        metric_title=metric.title,
        higher_is_better=metric.higher_is_better,
        percent=metric.percent,
        margin=study.margin,
        limits=list(study.limits),
        volume_per_day=study.volume,
        horizon_days=study.horizon_days,
        prices=dict(study.prices),
        anchors={name: anchor.model_dump() for name, anchor in study.values.items()},
        weights=dict(study.weights),
        hosted=list(study.hosted),
    )


def _data(evidence: Evidence) -> DataSummary:
    about, splits = evidence.about, evidence.ledger.splits()
    first = min(splits.train)
    groups = None if evidence.clusters is None else len(set(evidence.clusters))
    grouped = f"The {len(splits.test):,} test items come in {groups} groups; intervals and tests count a group as one draw."
    return DataSummary(
        name=about["name"],
        licence=about["licence"],
        items=about["items"],
        train=len(splits.train[first]),
        valid=len(splits.valid[first]),
        test=len(splits.test),
        test_groups=groups,
        notes=[*about["notes"], *([grouped] if groups else [])],
        facts=dict(about["facts"]),
        hashes={f"{split} {axis}": value for split, both in about["hashes"].items() for axis, value in both.items()},
    )


def _checks(evidence: Evidence, document: Document) -> list[Check]:
    before = [Finding(f["code"], f["title"], f["outcome"], f["says"]) for f in evidence.about["findings"]]
    return [Check(code=f.code, title=f.title, outcome=f.outcome, says=f.says) for f in (*before, *after_run(evidence, document))]


def _differs(results: list[ApproachResult]) -> dict[str, dict[str, Any]]:
    """Settings that two or more approaches have and that are not the same everywhere."""
    by_setting: dict[str, dict[str, Any]] = {}
    for result in results:
        for setting, value in result.settings.items():
            by_setting.setdefault(setting, {})[result.name] = value
    return {
        setting: values
        for setting, values in by_setting.items()
        if len(values) > 1 and len({json.dumps(v, sort_keys=True, default=str) for v in values.values()}) > 1
    }


def _reproduce(evidence: Evidence, wall_seconds: float, command: str) -> Reproduce:
    environment = json.loads((evidence.ledger.folder / "environment.json").read_text(encoding="utf-8"))
    machine = environment["machine"]
    return Reproduce(
        command=command or f"bakeoff run {evidence.study.study}",
        bakeoff=environment["bakeoff"],
        python=environment["python"],
        platform=environment["platform"],
        device=str(machine.get("device", "unknown")),
        threads=environment["threads"],
        load_average=machine.get("load_average"),
        seeds=list(range(evidence.study.seeds)),
        versions=dict(machine.get("versions", {})),
        study_yaml=write_study(evidence.study),
        started=environment["started"],
        wall_seconds=wall_seconds,
    )
