"""What would change the answer, one sentence each: more items, another limit, another volume, other inputs.

What depends on the decision is found by trying it: the choice is made again with that one thing changed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bakeoff.decide import beside, sentences
from bakeoff.decide.choose import SURE, Candidate, Choice, Question, choose, relation
from bakeoff.decide.field import candidates_of
from bakeoff.decide.limits import parse_limit, probability_met
from bakeoff.decide.priced import as_range
from bakeoff.decide.record import ApproachResult, BreakEven, Document, KindResult
from bakeoff.decide.values import figure
from bakeoff.estimate.cost import SECONDS_PER_DAY, DailyCost
from bakeoff.study import Anchor

FEWEST_OF_A_KIND = 5
"""Of fewer hard inputs of one kind nothing is said."""
MANY_WRONG = 0.25
"""Share of one kind of hard input that has to be wrong to be worth a sentence."""
MANY_FLIPS = 0.1
FAR = 100.0
"""Break-evens further than this factor from the stated volume are not mentioned."""


def would_change(
    document: Document,
    choice: Choice,
    rival: str | None,
    candidates: Sequence[Candidate],
    question: Question,
    costs: Mapping[str, DailyCost],
    anchors: Mapping[str, Anchor],
    shares: Mapping[str, float],
) -> list[str]:
    """What would change the answer, weights apart. `shares` are the win shares, `rival` the approach that the answer turns on."""
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
            replace(
                c, met={**c.met, limit.text: probability_met(limit, figure(_result(document, c.name), limit.measure, document))}
            )
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
    told += _other_volumes(document, choice, question, costs, anchors)
    return (
        told
        + _under_load(document, winner.name, costs)
        + _on_hard_inputs(document, winner.name)
        + _bought_instead(document, winner.name)
    )


def _other_volumes(
    document: Document, choice: Choice, question: Question, costs: Mapping[str, DailyCost], anchors: Mapping[str, Anchor]
) -> list[str]:
    """The nearest volumes, up to 100 times less or more, at which another approach would be chosen."""

    def winner_at(volume: float) -> str | None:
        results = [
            r.model_copy(update={"usd_per_day": as_range(costs[r.name].usd_per_day(volume))}) if r.name in costs else r
            for r in document.approaches
        ]
        study = document.study.model_copy(update={"volume_per_day": volume})
        there = document.model_copy(update={"study": study, "approaches": results})
        return choose(candidates_of(there, anchors, question.limits), question).winner

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


def _under_load(document: Document, winner: str, costs: Mapping[str, DailyCost]) -> list[str]:
    """From which rate on one machine is no longer shown to keep the limit of the load test."""
    found, rate = beside.serving(document, winner), beside.served_rate(document, winner)
    if found is None or rate is None:
        return []
    above = [step for step in found.steps if (step.rate_per_second or 0.0) > rate.mid * 1.001]
    if not above:
        return []
    says = f"At more than {_rate(rate.mid)} requests a second, one machine with {winner} is not shown to keep {found.limit}"
    if rate.high > rate.mid:
        says += f", and at {_rate(rate.high)} it broke it"
    cost = costs.get(winner)
    if cost is not None and cost.items_per_second is not None:
        most = sentences.volume(rate.mid / cost.peak_factor * SECONDS_PER_DAY)
        says += f": above about {most} requests a day (busiest rate {cost.peak_factor:g} times the mean) it takes more machines"
    return [says + "."]


def _rate(per_second: float) -> str:
    """To three digits, as the report shows the same rate."""
    return f"{float(f'{per_second:.3g}'):,.10g}"


def _on_hard_inputs(document: Document, winner: str) -> list[str]:
    """The kinds of hard input on which the choice is wrong most, and how often a small change turns its answer."""
    told = []
    kinds: list[tuple[float, str, KindResult]] = []
    for one in document.edge_sets:
        if one.source == "written":
            for found in one.results.get(winner, []):
                wrong = found.judged - found.right
                if found.judged >= FEWEST_OF_A_KIND and wrong >= MANY_WRONG * found.judged:
                    kinds.append((-wrong / found.judged, found.kind, found))
    if kinds:
        worst = [
            f"on {kind.replace('_', ' ')} in {found.judged - found.right} of {found.judged}"
            for _, kind, found in sorted(kinds, key=lambda one: one[:2])[:3]
        ]
        told.append(
            f"If such inputs are common in your data, test on them: among the hard inputs, {winner} is wrong {sentences.joined(worst)}."
        )
    turned = beside.flips(document, winner)
    if turned and turned.mid > MANY_FLIPS:
        told.append(
            f"Small changes that should make no difference turn {turned.mid:.0%} ({turned.low:.0%} to {turned.high:.0%}) of the answers of {winner}."
        )
    return told


def _bought_instead(document: Document, winner: str) -> list[str]:
    """The break-even with a hosted model that is nearest to the stated volume, quality left aside."""
    volume = document.study.volume_per_day
    near: list[tuple[float, BreakEven]] = []
    for reference in document.hosted:
        for one in reference.break_evens:
            if one.a == winner and one.volume_per_day is not None and one.volume_per_day.mid > 0:
                apart = abs(math.log(one.volume_per_day.mid / volume))
                if apart <= math.log(FAR):
                    near.append((apart, one))
    return [min(near, key=lambda pair: (pair[0], pair[1].b))[1].says] if near else []


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
