"""Costs, limits, front, sensitivity and verdict of a document, worked out from what was measured and nothing else.

The first decision after a run and every later one (``bakeoff decide``) are this one function, so a changed
limit, weight, volume or price gives what the run would have said with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bakeoff.contract import Interval
from bakeoff.decide import crossings, hosted, sentences
from bakeoff.decide.changes import would_change
from bakeoff.decide.choose import Candidate, Choice, Question, choose, front_of, kind_of
from bakeoff.decide.field import candidates_of
from bakeoff.decide.limits import METRICS, parse_limits
from bakeoff.decide.matrix import matrix_of
from bakeoff.decide.priced import costs_of, price, stored
from bakeoff.decide.record import ApproachResult, Document, Sensitivity, Verdict
from bakeoff.decide.values import anchors_for, central_weights, measured_by_somebody
from bakeoff.decide.weights import switches, win_shares
from bakeoff.errors import BadStudy
from bakeoff.estimate.prices import merged, resolve


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
    document = document.model_copy(update={"study": study})
    priced = [price(result, document, table, named) for result in document.approaches]
    costs, results = costs_of(priced), [one.result for one in priced]
    document = document.model_copy(update={"approaches": results})
    references, unknown = hosted.references(document, costs, table, named)
    kept = stored(table, priced, document)
    study = study.model_copy(update={"prices": kept | {"notes": [*kept["notes"], *unknown]}})
    document = document.model_copy(update={"study": study, "hosted": references})
    anchors = anchors_for(document, values)
    study = study.model_copy(update={"anchors": {name: anchor.model_dump() for name, anchor in sorted(anchors.items())}})
    document = document.model_copy(update={"study": study})

    central = central_weights(given_weights)
    candidates = candidates_of(document, anchors, parsed)
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
            "break_evens": crossings.between_approaches(costs, results, study.volume_per_day),
            "matrix": matrix_of(document, candidates, choice, question, anchors, sorted(unmeasured)),
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
                would_change=would_change(document, choice, rival, candidates, question, costs, anchors, shares) + changes[:3],
            ),
        }
    )


def _shares(candidates: Sequence[Candidate], choice: Choice, question: Question) -> dict[str, float]:
    """Win shares among the eligible; 0 for those that were left out."""
    gaps = {}
    for pair in question.pairs:
        found = pair.difference
        gaps[pair.a, pair.b] = Interval(found.mid, found.low, found.high, found.n)
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
