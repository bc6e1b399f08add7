"""Checks that need the answers: is each approach better than the floor, did it fail, were there enough items and seeds?"""

from __future__ import annotations

from functools import partial
from itertools import chain

import numpy as np

from bakeoff.contract import Finding, Trial
from bakeoff.decide.evidence import Evidence
from bakeoff.decide.record import ApproachResult
from bakeoff.decide.values import is_floor
from bakeoff.measure import checks
from bakeoff.measure.compare import compare


def after_run(evidence: Evidence, results: list[ApproachResult]) -> list[Finding]:
    """The findings, one per check: approaches that passed are summed up, those that did not are named one by one."""
    done = [result.name for result in results if result.status == "done"]
    floors = [result.name for result in results if result.status == "done" and is_floor(result)]
    asked: list[list[partial[Finding]]] = [
        [_enough_items(evidence, done)],
        [partial(checks.single_seed, evidence.study.seeds)],
        [_floor_check(evidence, name, floor) for floor in floors[:1] for name in done if name not in floors],
        *(
            [partial(check, name, _answers(evidence, name)) for name in done]
            for check in (checks.errors, checks.abstentions, checks.bad_probabilities)
        ),
    ]
    return list(chain.from_iterable(_summed(checks.run_checks(group)) for group in asked))


def _enough_items(evidence: Evidence, done: list[str]) -> partial[Finding]:
    if _is_right_or_wrong(evidence):
        return partial(checks.too_few_items, len(evidence.items), evidence.study.margin, _discordance(evidence, done))
    says = f"The count is worked out for shares of right answers; the primary metric is the {evidence.metric.title}."
    return partial(Finding, "BK003", checks.TITLES["BK003"], "not_applicable", says)


def _is_right_or_wrong(evidence: Evidence) -> bool:
    metric = evidence.metric
    if metric.per_item is None or not metric.percent:
        return False
    given = (metric.per_item(i, a) for answers in evidence.answers.values() for i, a in zip(evidence.items, answers, strict=True))
    return all(score is None or score in (0, 1) for score in given)


def _floor_check(evidence: Evidence, name: str, floor: str) -> partial[Finding]:
    check = partial(_against_floor, evidence, name, floor)
    check.code = "BK005"  # type: ignore[attr-defined]  # so that a check that could not run still has its name
    return check


def _against_floor(evidence: Evidence, name: str, floor: str) -> Finding:
    """An approach against one that looks at no item, on the items that both answered."""
    metric = evidence.metric
    if metric.per_item is None:
        return Finding("BK005", "Worse than the floor", "not_applicable", f"{metric.title} has no score per item.")
    seeds = evidence.shared_seeds(name, floor)
    a, b = (evidence.scores(one, metric, rows) for one, rows in zip((name, floor), seeds, strict=True))
    gap = compare(
        a, b, clusters=evidence.clusters, margin=evidence.study.margin, higher_is_better=metric.higher_is_better
    ).difference
    gap = gap._replace(n=int((evidence.answered(name) & evidence.answered(floor)).sum()))
    turned = gap if metric.higher_is_better else gap._replace(mid=-gap.mid, low=-gap.high, high=-gap.low)
    return checks.worse_than_floor(name, floor, turned)


def _discordance(evidence: Evidence, done: list[str]) -> float:
    """Share of items on which the two most accurate approaches disagree; the usual 10% when there are none to look at."""
    metric = evidence.metric
    if metric.per_item is None or len(done) < 3:
        return checks.TYPICAL_DISCORDANCE
    scored = {name: evidence.scores(name, metric, evidence.seeds(name)[:1])[0] for name in done}
    rows = {name: row for name, row in scored.items() if not np.isnan(row).all()}
    best = sorted(rows, key=lambda name: float(np.nanmean(rows[name])), reverse=metric.higher_is_better)[:2]
    if len(best) < 2:
        return checks.TYPICAL_DISCORDANCE
    first, second = (rows[name] for name in best)
    both = ~np.isnan(first) & ~np.isnan(second)
    if not both.any():
        return checks.TYPICAL_DISCORDANCE
    return min(max(float(np.mean(first[both] != second[both])), 0.01), 0.99)


def _answers(evidence: Evidence, name: str) -> list:
    return [answer for seed in evidence.seeds(name) for answer in evidence.answers[Trial(name, seed)]]


def _summed(findings: list[Finding]) -> list[Finding]:
    """One line for all that passed, then every other finding."""
    passed = [f for f in findings if f.outcome == "passed"]
    others = [f for f in findings if f.outcome not in ("passed", "not_applicable")]
    if len(passed) > 1:
        first = passed[0]
        others.insert(0, Finding(first.code, first.title, "passed", f"{len(passed)} of {len(findings)} approaches passed."))
    else:
        others = passed + others
    return others
