"""Costs, limits, front, sensitivity and verdict of a document, worked out from what was measured and nothing else.

The first decision after a run and every later one (``bakeoff decide``) are this one function, so a changed
limit, weight, volume or price gives what the run would have said with it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bakeoff.contract import Interval
from bakeoff.decide import sentences
from bakeoff.decide.choose import SURE, Candidate, Choice, Question, choose, front_of, kind_of, relation
from bakeoff.decide.limits import METRICS, Limit, parse_limit, parse_limits, probability_met
from bakeoff.decide.record import ApproachResult, BreakEven, Document, Range, Sensitivity, StudySummary, Verdict
from bakeoff.decide.values import anchors_for, answered_share, central_weights, figure, figures, is_floor, measured_by_somebody
from bakeoff.decide.weights import switches, win_shares
from bakeoff.errors import BadStudy
from bakeoff.estimate.break_even import break_evens
from bakeoff.estimate.cost import GIB, DailyCost, bought, on_machine, smallest_that_fits
from bakeoff.estimate.prices import Machine, ModelPrice, Prices, merged, resolve

MOST_CROSSINGS = 4
"""Of one pair in the document; the last sentence says how many more there are."""
LOOK_UP_TO = 1000
"""Break-evens are looked for up to this many times the stated volume."""


def redecide(
    document: Document,
    *,
    limits: Sequence[str] | None = None,
    weights: Mapping[str, float] | None = None,
    values: Mapping[str, Any] | None = None,
    volume: float | None = None,
    prices: Mapping[str, Any] | None = None,
    horizon_days: float | None = None,
) -> Document:
    """The same document, decided again. What is None stays as the document has it; nothing is measured.

    Parameters
    ----------
    limits : sequence of str, default=None
        Replace all limits; empty for none.
    weights : Mapping of criterion to float, default=None
        Replace the study's weights; see `values.central_weights`.
    values : Mapping of criterion to {worst, best, scale}, default=None
        Anchors laid over the document's.
    volume : float, default=None
        Items per day, above 0.
    prices : Mapping, default=None
        As a study's `prices`, laid over the prices stored with the run.
    horizon_days : float, default=None
        Days over which one-off costs are spread, above 0.

    Returns
    -------
    Document
        ``redecide(redecide(d)) == redecide(d)``.

    Raises
    ------
    BakeoffError
        For a limit, criterion, anchor or price that is not understood.
    """
    study = document.study
    for name, given in (("volume", volume), ("horizon_days", horizon_days)):
        if given is not None and not 0 < given < math.inf:
            raise BadStudy(f"`{name}` is {given!r}: it must be above 0.", fix="e.g. 10000 items a day, or 365 days")
    metrics = {*METRICS, study.metric, *(name for result in document.approaches for name in result.metrics)}
    parsed = parse_limits(study.limits if limits is None else limits, metrics)
    given_weights = study.weights if weights is None else dict(weights)
    table = resolve(merged(study.prices, prices or {}))
    study = study.model_copy(
        update={
            "limits": [limit.text for limit in parsed],
            "volume_per_day": study.volume_per_day if volume is None else float(volume),
            "horizon_days": study.horizon_days if horizon_days is None else float(horizon_days),
            "weights": dict(given_weights),
        }
    )
    # A price that the study names itself goes before the bill; the package's table only helps where there is no bill.
    named = frozenset((study.prices | dict(prices or {})).get("models") or {}) | frozenset(study.prices.get("models") or {})
    priced = [_priced(result, study, document, table, named) for result in document.approaches]
    costs = {result.name: cost for result, cost, _ in priced if cost is not None}
    study = study.model_copy(update={"prices": _stored(table, priced, costs)})
    results = [result for result, _, _ in priced]
    document = document.model_copy(update={"study": study, "approaches": results})
    anchors = anchors_for(document, values)
    study = study.model_copy(update={"anchors": {name: anchor.model_dump() for name, anchor in sorted(anchors.items())}})
    document = document.model_copy(update={"study": study})

    central = central_weights(given_weights)
    candidates = _candidates(document, anchors, parsed)
    measured = measured_by_somebody(candidate.figures for candidate in candidates)
    in_play = {name: weight for name, weight in central.items() if weight > 0 and name in measured}
    if candidates and not in_play:
        raise BadStudy("Nothing that was measured has a weight.", fix="give quality a weight above 0")
    total = math.fsum(in_play.values())
    question = Question(
        weights={name: weight / total for name, weight in in_play.items()},
        anchors=anchors,
        margin=study.margin,
        higher_is_better=study.higher_is_better,
        pairs=tuple(pair for pair in document.pairs if pair.metric == study.metric),
        limits=parsed,
        quality_metric=study.metric,
    )
    choice = choose(candidates, question)
    shares = _shares(candidates, choice, question)
    sure = shares.get(choice.winner, 0.0) if choice.winner else None
    kind, rival = kind_of(choice, candidates, question, sure or 0.0)
    unmeasured = {name: weight for name, weight in central.items() if weight > 0 and name not in measured} if candidates else {}
    eligible_values = {name: choice.values[name] for name in choice.ranked}
    changes = [sentences.switch(s) for s in switches(eligible_values, question.weights, choice.winner)] if choice.winner else []
    by_share = sorted((name for name in shares if name != choice.winner), key=lambda name: (-shares[name], name))
    front = front_of(candidates, question)
    met = {candidate.name: candidate for candidate in candidates}
    return document.model_copy(
        update={
            "approaches": [_judged(result, met.get(result.name), front, shares) for result in results],
            "break_evens": _break_evens(costs, results, study.volume_per_day),
            "sensitivity": Sensitivity(
                weights=central,
                win_shares=shares,
                next_best=by_share[0] if choice.winner and by_share else None,
                changes=changes + sentences.left_out_criteria(unmeasured),
            ),
            "verdict": Verdict(
                sentence=sentences.verdict(document, choice, kind, rival, candidates, question),
                choice=choice.winner,
                kind=kind,
                sure=sure,
                would_change=_would_change(document, choice, rival, candidates, question, costs, anchors, shares) + changes[:3],
            ),
        }
    )


def cost_of(
    result: ApproachResult, document: Document, prices: Prices, named: frozenset[str] = frozenset()
) -> tuple[DailyCost | None, list[str], Machine | ModelPrice | None]:
    """The daily cost of one approach, sentences about what it rests on, and the price used; (None, why, None) if it has none.

    `named` are the hosted models whose price the study states: it is used even where the answers were billed.
    """
    study, data, name = document.study, document.data, result.name
    shots = result.settings.get("shots")
    # An approach that is only prompted reads labels to choose its prompt and to show examples, and learns from no others.
    labelled = data.valid + (shots if isinstance(shots, int) else data.train)
    review = 1.0 - answered_share(result)
    if result.remote:
        model = prices.model(str(result.settings.get("model", "")))
        known = model is not None and result.tokens_in is not None
        if model and known and (model.name in named or result.usd_per_1000 is None):
            usd = model.usd_per_item(result.tokens_in or 0.0, result.tokens_out or 0.0)
            per_item = Interval(usd, usd, usd, max(1, result.items))
            return (
                bought(name, per_item, prices, horizon_days=study.horizon_days, labelled_items=labelled, review_share=review),
                [],
                model,
            )
        if result.usd_per_1000 is None:
            return None, [f"{name} has no price: add prices: {{models: {{{result.settings.get('model', 'MODEL')}: ...}}}}."], None
        bill = result.usd_per_1000
        per_item = Interval(bill.mid / 1000, bill.low / 1000, bill.high / 1000, bill.n)
        return (
            bought(name, per_item, prices, horizon_days=study.horizon_days, labelled_items=labelled, review_share=review),
            [],
            None,
        )
    rate, notes = figure(result, "throughput"), []
    if rate is None:
        one = figure(result, "p50 latency")
        if one is None or one.low <= 0:
            return None, [f"{name} has no price: its speed was not measured."], None
        rate = Interval(1 / one.mid, 1 / one.high, 1 / one.low, one.n)
        notes.append(f"{name} is priced by its median time for one item, because its throughput was not measured.")
    if not rate.low > 0:
        return None, [f"{name} has no price: its speed is too uncertain."], None
    machine = prices.machine_for.get(name, prices.machine)
    gpu = result.context is not None and any(word in result.context.device.lower() for word in ("cuda", "nvidia", "gpu"))
    if gpu and not machine.gpu and name not in prices.machine_for:
        return (
            None,
            [
                f"{name} has no price: it was measured on {result.context.device if result.context else 'a GPU'}; give that machine's price in prices.machine_for."
            ],
            None,
        )
    if result.peak_bytes and machine.memory_gib and result.peak_bytes > machine.memory_gib * GIB:
        larger = smallest_that_fits(list(prices.machines.values()), result.peak_bytes, bool(machine.gpu))
        needs = f"{name} needs {sentences.size(result.peak_bytes)}, more than {machine.name} has"
        if larger is None:
            return None, [f"{needs}, and no machine in the price table is large enough: it has no price."], None
        machine = larger
        notes.append(f"{needs}: it is priced on {machine.name}.")
    cost = on_machine(
        name,
        rate,
        machine,
        prices,
        horizon_days=study.horizon_days,
        fit_seconds=result.fit_seconds,
        labelled_items=labelled,
        review_share=review,
    )
    return cost, notes, machine


def _priced(
    result: ApproachResult, study: StudySummary, document: Document, prices: Prices, named: frozenset[str]
) -> tuple[ApproachResult, DailyCost | None, tuple[list[str], Machine | ModelPrice | None]]:
    if result.status != "done":
        return result.model_copy(update={"usd_per_day": None, "replicas": None}), None, ([], None)
    cost, notes, used = cost_of(result, document.model_copy(update={"study": study}), prices, named)
    if cost is None:
        return result.model_copy(update={"usd_per_1000": None, "usd_per_day": None, "replicas": None}), None, (notes, None)
    billed = result.remote and used is None
    update = {
        "usd_per_1000": result.usd_per_1000 if billed else _range(cost.usd_per_1000()),
        "usd_per_day": _range(cost.usd_per_day(study.volume_per_day)),
        "replicas": cost.replicas(study.volume_per_day) or None,
    }
    return result.model_copy(update=update), cost, (notes, used)


def _stored(
    prices: Prices,
    priced: Sequence[tuple[ApproachResult, DailyCost | None, tuple[list[str], Machine | ModelPrice | None]]],
    costs: Mapping[str, DailyCost],
) -> dict[str, Any]:
    used = [found for _, _, (_, found) in priced if found is not None]
    machines = {one.name: one for one in used if isinstance(one, Machine) and prices.machines.get(one.name) == one}
    stored = prices.to_json(
        tuple(machines.values()), tuple({one.name: one for one in used if isinstance(one, ModelPrice)}.values())
    )
    notes = [note for _, _, (found, _) in priced for note in found]
    left_out = dict.fromkeys(part for cost in costs.values() for part in cost.leaves_out)
    stored["notes"] = [*notes, *(f"Not counted: {part}." for part in left_out)]
    return stored


def _candidates(document: Document, anchors: Mapping[str, Any], limits: Sequence[Limit]) -> list[Candidate]:
    found = []
    for result in document.approaches:
        if result.status == "done" and document.study.metric in result.metrics:
            met = {limit.text: probability_met(limit, figure(result, limit.measure)) for limit in limits}
            found.append(Candidate(result.name, figures(result, document, anchors), met, is_floor(result)))
    return found


def _shares(candidates: Sequence[Candidate], choice: Choice, question: Question) -> dict[str, float]:
    """Win shares among the eligible; 0 for those that were left out."""
    gaps = {(pair.a, pair.b): _interval(pair.difference) for pair in question.pairs}
    eligible = {candidate.name: candidate.figures for candidate in candidates if candidate.name in choice.eligible}
    return dict.fromkeys(sorted(choice.left_out), 0.0) | win_shares(eligible, question.weights, question.anchors, gaps=gaps)


def _judged(
    result: ApproachResult, candidate: Candidate | None, front: frozenset[str], shares: Mapping[str, float]
) -> ApproachResult:
    if candidate is None:
        return result.model_copy(update={"limits": {}, "within_limits": False, "on_front": False, "win_share": None})
    update = {
        "limits": {text: p for text, p in candidate.met.items() if p is not None},
        "within_limits": candidate.within,
        "on_front": candidate.name in front,
        "win_share": shares.get(candidate.name),
    }
    return result.model_copy(update=update)


def _break_evens(costs: Mapping[str, DailyCost], results: Sequence[ApproachResult], volume: float) -> list[BreakEven]:
    """Every pair's break-evens, the floor apart: nobody would run it to save money."""
    names = sorted(result.name for result in results if result.name in costs and not is_floor(result))
    told = []
    for a, b in itertools.combinations(names, 2):
        found = break_evens(costs[a], costs[b], up_to=LOOK_UP_TO * volume, most=MOST_CROSSINGS)
        shown = len(found.crossings)
        for position in range(shown):
            says = sentences.break_even(found, position, shown)
            told.append(BreakEven(a=a, b=b, volume_per_day=_range(found.crossings[position].volume), says=says))
        if not shown:
            told.append(BreakEven(a=a, b=b, volume_per_day=None, says=sentences.break_even(found, None, 0)))
    return told


def _would_change(
    document: Document,
    choice: Choice,
    rival: str | None,
    candidates: Sequence[Candidate],
    question: Question,
    costs: Mapping[str, DailyCost],
    anchors: Mapping[str, Any],
    shares: Mapping[str, float],
) -> list[str]:
    """What would change the answer, weights apart: more items, another limit, another volume."""
    by_name, told = {candidate.name: candidate for candidate in candidates}, []
    for limit in question.limits:
        rest = tuple(one for one in question.limits if one != limit)
        kept = [replace(c, met={text: p for text, p in c.met.items() if text != limit.text}) for c in candidates]
        other = choose(kept, replace(question, limits=rest)).winner
        if other and other != choice.winner:
            told.append(f"Without the limit `{limit.text}`, {other} would be chosen.")
    if choice.winner is None:
        return told
    winner = by_name[choice.winner]
    settle = sentences.settles(document.study, winner.name, rival, relation(question, winner, by_name[rival])) if rival else None
    told = ([settle] if settle else []) + told
    for text, p in winner.met.items():
        if p is not None and p < SURE:
            told.append(
                f"Measuring {winner.name} on more items could show that it misses `{text}`: it is {p:.0%} likely to keep it."
            )
    for name in sorted(name for name, why in choice.left_out.items() if why == "worse"):
        text = _least(document, name)
        limit = parse_limit(text, [document.study.metric])
        judged = [
            replace(c, met={**c.met, limit.text: probability_met(limit, figure(_result(document, c.name), limit.measure))})
            for c in candidates
        ]
        if choose(judged, replace(question, limits=(*question.limits, limit))).winner == name:
            told.append(
                f"If the quality of {name} is good enough (say so with the limit `{limit.text}`), {name} would be chosen."
            )
    runner = max((name for name in shares if name != winner.name), key=lambda name: (shares[name], name), default=None)
    if runner and shares[winner.name] < SURE and shares[runner] >= 0.1:
        told.append(
            f"It is close: with weights and figures varied within reason, {winner.name} comes first in {shares[winner.name]:.0%} of cases and {runner} in {shares[runner]:.0%}."
        )
    return told + _other_volumes(document, choice, question, costs, anchors)


def _other_volumes(
    document: Document, choice: Choice, question: Question, costs: Mapping[str, DailyCost], anchors: Mapping[str, Any]
) -> list[str]:
    """The nearest volumes, up to 100 times less or more, at which another approach would be chosen."""

    def winner_at(volume: float) -> str | None:
        results = [
            r.model_copy(update={"usd_per_day": _range(costs[r.name].usd_per_day(volume))}) if r.name in costs else r
            for r in document.approaches
        ]
        study = document.study.model_copy(update={"volume_per_day": volume})
        there = document.model_copy(update={"study": study, "approaches": results})
        return choose(_candidates(there, anchors, question.limits), question).winner

    told = []
    for direction, words in ((-1, "fewer"), (1, "more")):
        same = document.study.volume_per_day
        for step in range(1, 17):
            volume = document.study.volume_per_day * 10 ** (direction * step / 8)
            if winner_at(volume) == choice.winner:
                same = volume
                continue
            changed = volume
            for _ in range(12):
                middle = math.sqrt(same * changed)
                same, changed = (middle, changed) if winner_at(middle) == choice.winner else (same, middle)
            other = winner_at(changed)
            told.append(f"At about {sentences.volume(changed)} items a day or {words}, {other or 'no approach'} would be chosen.")
            break
    return told


def _least(document: Document, name: str) -> str:
    """The limit on quality that this approach just keeps."""
    level = _result(document, name).metrics[document.study.metric].mid
    if document.study.higher_is_better:
        return f"{document.study.metric} >= " + (
            f"{math.floor(level * 1000) / 10:g}%" if document.study.percent else f"{math.floor(level * 1000) / 1000:g}"
        )
    return f"{document.study.metric} <= " + (
        f"{math.ceil(level * 1000) / 10:g}%" if document.study.percent else f"{math.ceil(level * 1000) / 1000:g}"
    )


def _result(document: Document, name: str) -> ApproachResult:
    return next(result for result in document.approaches if result.name == name)


def _interval(found: Range) -> Interval:
    return Interval(found.mid, found.low, found.high, found.n)


def _range(interval: Interval) -> Range:
    return Range(mid=interval.mid, low=interval.low, high=interval.high, n=interval.n)
