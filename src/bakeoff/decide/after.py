"""Checks that need the answers: is each approach better than the floor, did it fail, were there enough items and seeds?"""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import chain

import numpy as np

from bakeoff.contract import Finding, Trial
from bakeoff.decide import beside
from bakeoff.decide.evidence import Evidence
from bakeoff.decide.record import Document, LoadStep, ServingResult
from bakeoff.decide.values import is_floor
from bakeoff.measure import checks, serving_checks
from bakeoff.measure.compare import compare


def after_run(evidence: Evidence, document: Document) -> list[Finding]:
    """The findings, one per check: approaches that passed are summed up, those that did not are named one by one."""
    results = document.approaches
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
        *_beside(document, done),
    ]
    return list(chain.from_iterable(_summed(checks.run_checks(group)) for group in asked))


def _beside(document: Document, done: list[str]) -> list[list[partial[Finding]]]:
    """Checks on load tests, edge cases, small changes and repeats; each group is empty where the study asked for none of it."""
    served = [one for one in document.serving if one.status == "done"]
    steps = {one.approach: [step for step in (one.single, one.offline, *one.steps) if step is not None] for one in served}
    level, than = _edge_level(document, done)
    floors = {result.name for result in document.approaches if is_floor(result)}
    return [
        [
            partial(serving_checks.load_valid, name, len(found), [_why(step) for step in found if not step.valid])
            for name, found in steps.items()
        ],
        [partial(serving_checks.load_errors, one.approach, *_load_errors(one, steps[one.approach]), one.limit) for one in served],
        [
            partial(serving_checks.edge_cases, name, *_edge_counts(document, name), level, than)
            for name in done
            if level is not None and name not in floors
        ],
        [
            partial(serving_checks.flips, name, beside.flips(document, name))
            for name in done
            if document.edge_sets and name not in floors
        ],
        [
            partial(
                serving_checks.asked_again,
                one.approach,
                *(beside.interval(part.parsed) if part else None for part in (one.alone, one.concurrent)),
            )
            for one in document.consistency
        ],
    ]


def _why(step: LoadStep) -> str:
    rate = f" at {step.rate_per_second:.3g}/s" if step.rate_per_second is not None else ""
    return f"{step.scenario.replace('_', ' ')}{rate}: {'; '.join(reason.rstrip('.') for reason in step.invalid_because) or 'no reason given'}"


def _load_errors(served: ServingResult, steps: list[LoadStep]) -> tuple[int, Counter[str]]:
    """Requests and failed ones by kind, of the steps that the server was shown to keep up with, and one at a time."""
    kept = [step for step in steps if step.valid and (step.scenario == "single_stream" or step.outcome == "kept")]
    kinds: Counter[str] = Counter()
    for step in kept:
        kinds.update(step.error_kinds)
        unnamed = step.errors - sum(step.error_kinds.values())
        kinds.update({"other": unnamed} if unnamed > 0 else {})
    return sum(step.requests for step in kept), kinds


def _edge_counts(document: Document, name: str) -> tuple[int, int]:
    found = [one.overall[name] for one in document.edge_sets if one.source == "written" and name in one.overall]
    return sum(one.right for one in found), sum(one.judged for one in found)


def _edge_level(document: Document, done: list[str]) -> tuple[float | None, str]:
    """What needs no text to reach on the written sets: the floor's accuracy there, or guessing; None without written sets."""
    if not any(one.source == "written" and one.overall for one in document.edge_sets):
        return None, ""
    for result in document.approaches:
        if result.name in done and is_floor(result):
            right, judged = _edge_counts(document, result.name)
            if judged:
                return right / judged, result.name
    labels = document.data.facts.get("labels") or document.data.facts.get("class_counts") or ()
    return (1 / len(labels), "guessing") if len(labels) > 1 else (None, "")


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
