"""Checks that need the answers: is each approach better than the floor, did it fail, were there enough items and seeds?"""

from __future__ import annotations

from functools import partial
from itertools import chain

import numpy as np

from bakeoff.contract import Finding, Trial
from bakeoff.decide.evidence import Evidence
from bakeoff.decide.record import ApproachResult
from bakeoff.measure import checks
from bakeoff.measure.compare import compare


def after_run(evidence: Evidence, results: list[ApproachResult]) -> list[Finding]:
    """The findings, one per check: approaches that passed are summed up, those that did not are named one by one."""
    done = [result.name for result in results if result.status == "done"]
    asked = [
        [partial(checks.too_few_items, len(evidence.items), evidence.study.margin, _discordance(evidence, done))],
        [partial(checks.single_seed, evidence.study.seeds)],
        [_floor_check(evidence, name, done) for name in done[1:]],
        *(
            [partial(check, name, _answers(evidence, name)) for name in done]
            for check in (checks.errors, checks.abstentions, checks.bad_probabilities)
        ),
    ]
    return list(chain.from_iterable(_summed(checks.run_checks(group)) for group in asked))


def _floor_check(evidence: Evidence, name: str, done: list[str]) -> partial[Finding]:
    check = partial(_against_floor, evidence, name, done[0])
    check.code = "BK005"  # type: ignore[attr-defined]  # so that a check that could not run still has its name
    return check


def _against_floor(evidence: Evidence, name: str, floor: str) -> Finding:
    """The first approach of a study is its floor: the contract's tasks list them so."""
    metric = evidence.metric
    if metric.per_item is None:
        return Finding("BK005", "Worse than the floor", "not_applicable", f"{metric.title} has no score per item.")
    a, b = (evidence.scores(one, metric, evidence.seeds(one)) for one in (name, floor))
    gap = compare(
        a, b, clusters=evidence.clusters, margin=evidence.study.margin, higher_is_better=metric.higher_is_better
    ).difference
    turned = gap if metric.higher_is_better else gap._replace(mid=-gap.mid, low=-gap.high, high=-gap.low)
    return checks.worse_than_floor(name, floor, turned)


def _discordance(evidence: Evidence, done: list[str]) -> float:
    """Share of items on which the two most accurate approaches disagree; the usual 10% when there are none to look at."""
    metric = evidence.metric
    if metric.per_item is None or len(done) < 3:
        return checks.TYPICAL_DISCORDANCE
    rows = {name: evidence.scores(name, metric, evidence.seeds(name)[:1])[0] for name in done}
    best = sorted(done, key=lambda name: float(np.nanmean(rows[name])), reverse=metric.higher_is_better)[:2]
    first, second = (rows[name] for name in best)
    if not (np.isin(first, (0, 1)) | np.isnan(first)).all():
        return checks.TYPICAL_DISCORDANCE
    share = float(np.mean(first != second))
    return min(max(share, 0.01), 0.99)


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
