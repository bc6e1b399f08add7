"""What a run did not test, one sentence each: the last words of the memo."""

from __future__ import annotations

from bakeoff.contract import Trial
from bakeoff.decide import beside
from bakeoff.decide.evidence import Evidence
from bakeoff.decide.hosted import asked_here
from bakeoff.decide.record import ApproachResult, Document, LoadStep
from bakeoff.decide.values import is_floor
from bakeoff.run import plan, probing

ELSEWHERE = {
    "text": "Texts from another source, a later time or another language",
    "documents": "Documents and questions of another kind, a later time or another language",
    "images": "Pictures from another camera or hand, another place or a later time",
    "control": "Another environment, or the same one with other physics or other people in it,",
}
"""What else the items of a task may be, where figures of this run say nothing."""
ANYWHERE = "Items from another source or a later time"


def not_tested(evidence: Evidence, document: Document) -> list[str]:
    """What a reader may take for tested and is not; what failed and what was left out come after what no run tests."""
    about, results = evidence.about, document.approaches
    found = [
        f"Other data: every figure is about {about['name']} ({len(evidence.items):,} test items). {ELSEWHERE.get(evidence.study.task, ANYWHERE)} "
        "may give another answer.",
        *_load(document),
        "Prices: they come from the dated table in this report, not from a bill.",
        _attacks(document),
    ]
    for result in results:
        found += _of(evidence, result)
    found += _changes(document)
    asked = evidence.study.learning_curve
    for name in asked.approaches:
        missing = [share for share in sorted(asked.fractions) if not evidence.seeds(name, share)]
        if missing:
            shares = ", ".join(f"{share:.3g}" for share in missing)
            found.append(f"{name} with fewer labels: the training on a share of {shares} of them failed or did not run.")
    if any(len(result.seeds) == 1 for result in results):
        single = [result.name for result in results if len(result.seeds) == 1]
        found.append(
            f"Another training of {', '.join(single)}: one seed only, so the luck of a single run is not in the interval."
        )
    unasked = [name for name in evidence.study.hosted if not asked_here(results, name)]
    if unasked:
        found.append(f"The quality and speed of {', '.join(unasked)}: no question was sent there.")
    elif not any(result.use == "endpoint" for result in results):
        found.append("Large hosted models: no endpoint was part of this study (see the how-to on endpoints for adding one).")
    return found


def _changes(document: Document) -> list[str]:
    """What the ledger of changes leaves open: changes together, and those that were not compared."""
    ledger = document.change_ledger
    if ledger is None:
        return []
    lost = [entry.approach for entry in ledger.entries if entry.effect is None]
    found = [f"The changes {', '.join(lost)}: they failed, did not run, or answered too little to be compared."] if lost else []
    if len(ledger.entries) > 1:
        found.append(f"Changes to {ledger.base} together: each was tried alone, and two that help apart need not help together.")
    return found


def _load(document: Document) -> list[str]:
    """What was not measured about load: all of it, or what a load test of this kind cannot show."""
    served = [one for one in document.serving if one.status == "done" and (one.single or one.steps)]
    if not served:
        found = ["Load: latency was measured one request at a time. How it grows when many arrive at once was not measured."]
    else:
        held = [step.seconds for one in served for step in one.steps]
        each = f"each rate was held for at most {max(held):.0f} seconds, " if held else "no rate was held, "
        found = [
            f"Longer load: {each}with client and server on one machine. Hours of it, bursts beyond Poisson arrivals, a network in between, "
            "and several machines behind a balancer were not measured."
        ]
        without = [
            result.name
            for result in document.approaches
            if result.status == "done"
            and not (result.remote or is_floor(result))
            and beside.serving(document, result.name) is None
        ]
        if without:
            found.append(f"Load on {', '.join(without)}: not put behind an endpoint in this study.")
    ran = {result.name for result in document.approaches if result.status == "done"}
    for one in document.serving:
        if one.status == "failed":
            found.append(f"Load on {one.approach}: the load test failed ({(one.failure or 'no reason given').rstrip('.')}).")
        elif one.status == "not_run" and one.approach in ran:
            found.append(f"Load on {one.approach}: the load test did not run in the time given.")
        found += _invalid(one.approach, [step for step in (one.single, one.offline, *one.steps) if step is not None])
    return found


def _invalid(name: str, steps: list[LoadStep]) -> list[str]:
    lost = [step for step in steps if not step.valid]
    if not lost:
        return []
    said = (reason.partition(":")[0].rstrip(".") for step in lost for reason in step.invalid_because)
    why = list(dict.fromkeys(one[:1].lower() + one[1:] for one in said))
    because = f" ({'; '.join(why[:2])})" if why else ""
    return [f"{len(lost)} of {len(steps)} load steps of {name}: they are invalid{because}, and count for nothing."]


def _attacks(document: Document) -> str:
    kinds = {kind for one in document.edge_sets if one.source == "written" for kind in one.kinds}
    beyond = " beyond those among the edge cases" if any("injection" in kind for kind in kinds) else ""
    return f"Deliberate attacks{beyond}, and whether mistakes fall harder on some groups of people than on others."


def _of(evidence: Evidence, result: ApproachResult) -> list[str]:
    """What is missing of one approach."""
    if result.status != "done":
        why = "it failed: " + (result.failure or "") if result.status == "failed" else "it did not run in the time given"
        return [f"{result.name}: {why}."]
    if evidence.metric.name not in result.metrics:
        return [
            f"{result.name}: nothing that it answered can be scored by the {evidence.metric.title}, so it could not be chosen."
        ]
    unasked = _unasked(evidence, result)
    wanted = len(plan.seeds_of(evidence.study, evidence.spec(result.name)))
    lost = wanted - len(result.seeds)
    beside_only = unasked and (evidence.measures[Trial(result.name, 0)].get("failure") or {}).get("job") == "trial"
    if not result.failure or (beside_only and not lost):
        return unasked
    which = f"{lost} of its {wanted} trainings failed" if lost else "its timing failed"
    return [f"{result.name}: {which} ({result.failure}), so its figures come from what is left.", *unasked]


def _unasked(evidence: Evidence, result: ApproachResult) -> list[str]:
    """Whether the approach stopped short of the hard inputs and repeats that the study asks for, and why if that is known."""
    first = Trial(result.name, 0)
    measures = evidence.measures[first]
    if not probing.wanted(evidence.study, first) or "probes" in measures or "answer" not in measures:
        return []
    failure = measures.get("failure") or {}
    why = f" ({str(failure['what']).rstrip('.')})" if failure.get("job") == "trial" else ""
    return [f"{result.name} beside the test: it was not asked everything that the study asks of hard inputs and of repeats{why}."]
