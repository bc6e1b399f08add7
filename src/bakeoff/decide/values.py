"""What was measured about an approach, and how much each level of it is worth.

A value function is anchored on levels that a person can argue about: the worst that is still acceptable
(worth 0) and the level that fully satisfies (worth 1), on a linear or a logarithmic scale. The levels never
come from the candidates: if they did, adding a bad candidate would change the winner (Belton and Gear 1983).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bakeoff.contract import Interval
from bakeoff.decide import beside
from bakeoff.decide.record import ApproachResult, Document
from bakeoff.errors import BadStudy, nearest
from bakeoff.measure.intervals import proportion
from bakeoff.study import Anchor

FLOORS = frozenset({"majority", "random", "chance", "prior"})
"""Approaches that learn nothing from an item: what everything else must beat."""


@dataclass(frozen=True)
class Criterion:
    """Something that counts in the choice. `says` is its name in a sentence; `weight` is the default share of 1."""

    says: str
    weight: float
    anchor: Anchor | None
    unit: str


CRITERIA: Mapping[str, Criterion] = {
    "quality": Criterion("quality", 0.5, None, "the metric's own"),
    "cost": Criterion("cost", 0.2, Anchor(worst=1.0, best=0.001, scale="log"), "USD per 1,000 items at the stated volume"),
    "latency": Criterion("latency", 0.2, Anchor(worst=1.0, best=0.010, scale="log"), "seconds, 90th percentile"),
    "memory": Criterion("memory", 0.1, Anchor(worst=8e9, best=1e8, scale="log"), "bytes, peak"),
    "model_size": Criterion("model size", 0.0, Anchor(worst=1e10, best=1e7, scale="log"), "bytes on disk"),
    "train_time": Criterion("training time", 0.0, Anchor(worst=36_000, best=10, scale="log"), "seconds"),
    "cold_start": Criterion("cold start", 0.0, Anchor(worst=60, best=0.1, scale="log"), "seconds"),
    "throughput": Criterion("throughput", 0.0, Anchor(worst=1, best=1000, scale="log"), "items per second"),
    "errors": Criterion("errors", 0.0, Anchor(worst=0.1, best=0.0, scale="linear"), "share of items"),
    "abstained": Criterion("abstentions", 0.0, Anchor(worst=0.2, best=0.0, scale="linear"), "share of items"),
    "served_rate": Criterion("rate within the limit", 0.0, Anchor(worst=1, best=100, scale="log"), "requests per second"),
    "first_token": Criterion("time to first token", 0.0, Anchor(worst=1.0, best=0.1, scale="log"), "seconds, 90th percentile"),
    "edge_cases": Criterion(
        "accuracy on edge cases", 0.0, Anchor(worst=0.5, best=1.0, scale="linear"), "share of written inputs"
    ),
    "flips": Criterion(
        "stability under small changes", 0.0, Anchor(worst=0.3, best=0.0, scale="linear"), "share of changed inputs"
    ),
    "consistency": Criterion("consistency", 0.0, Anchor(worst=0.9, best=1.0, scale="linear"), "share of items"),
}
_MEASURE = {
    "latency": "p90 latency", "memory": "memory", "model_size": "model size", "train_time": "train time",
    "cold_start": "cold start", "throughput": "throughput", "errors": "errors", "abstained": "abstained",
    "served_rate": "served rate", "first_token": "p90 first token", "edge_cases": "edge accuracy", "flips": "flips",
    "consistency": "consistency",
}  # fmt: skip


def value(anchor: Anchor, level: float) -> float:
    """Worth of `level`, in [0, 1]: 0 at `anchor.worst` or beyond, 1 at `anchor.best` or beyond. NaN is worth 0."""
    if math.isnan(level):
        return 0.0
    if anchor.scale == "log":
        # A level of 0 (free, instant) is beyond any anchor on a log scale.
        if level <= 0:
            return 1.0 if anchor.best < anchor.worst else 0.0
        share = math.log(level / anchor.worst) / math.log(anchor.best / anchor.worst)
    else:
        share = (level - anchor.worst) / (anchor.best - anchor.worst)
    return min(1.0, max(0.0, share))


def figure(result: ApproachResult, measure: str, document: Document) -> Interval | None:
    """One measured figure in its own unit, or None where it was not measured.

    Parameters
    ----------
    measure : str
        A key of `limits.MEASURES`, or the name of a metric in `result.metrics`.
    document : Document
        Where what was measured beside the test stands: under load, on hard inputs, when asked again.

    Notes
    -----
    Shares of errors and abstentions have a Wilson interval over the items asked. Sizes and single timings
    (cold start, training) have no spread: their interval is a point.
    """
    if measure in result.metrics:
        return beside.interval(result.metrics[measure])
    if measure.endswith(" latency"):
        return beside.percentile(result.latency_seconds, measure.removesuffix(" latency"))
    if measure.endswith(" first token"):
        return beside.first_token(document, result.name, measure.removesuffix(" first token"))
    if measure in beside.FIGURES:
        return beside.FIGURES[measure](document, result.name)
    asked = result.answered + result.errors + result.abstained
    if measure in ("errors", "abstained"):
        return proportion(result.errors if measure == "errors" else result.abstained, asked) if asked else None
    ranges = {
        "cost per 1000": result.usd_per_1000,
        "cost per day": result.usd_per_day,
        "throughput": result.throughput_per_second,
    }
    if measure in ranges:
        return beside.interval(ranges[measure])
    point = {
        "memory": result.peak_bytes, "model size": result.model_bytes,
        "cold start": result.cold_start_seconds, "train time": result.fit_seconds,
    }.get(measure)  # fmt: skip
    return None if point is None else Interval(float(point), float(point), float(point), 1)


def answered_share(result: ApproachResult) -> float:
    """Share of the items asked that got an answer, in [0, 1]; 1 where nothing was counted."""
    asked = result.answered + result.errors + result.abstained
    return result.answered / asked if asked else 1.0


def scored_share(result: ApproachResult) -> float:
    """Share of the items asked that the primary metric scores: those answered and, where declining can be right, declined ones."""
    asked = result.answered + result.errors + result.abstained
    scored = result.answered + (result.abstained if result.abstentions_scored else 0)
    return scored / asked if asked else 1.0


def figures(result: ApproachResult, document: Document, anchors: Mapping[str, Anchor]) -> dict[str, Interval]:
    """Every criterion that was measured for one approach, in the criterion's unit.

    Quality is measured on the items that were answered; an item without an answer counts here at the worst
    acceptable level, so that declining the hard items is not rewarded. Cost is USD per 1,000 items at the
    stated volume: the money of a whole day, reserved machines included.
    """
    found: dict[str, Interval] = {}
    quality = figure(result, document.study.metric, document)
    if quality is not None:
        share, worst = scored_share(result), anchors["quality"].worst
        found["quality"] = Interval(
            worst + share * (quality.mid - worst),
            worst + share * (quality.low - worst),
            worst + share * (quality.high - worst),
            quality.n,
        )
    if result.usd_per_day is not None:
        scale = 1000 / document.study.volume_per_day
        day = result.usd_per_day
        found["cost"] = Interval(day.mid * scale, day.low * scale, day.high * scale, day.n)
    for criterion, measure in _MEASURE.items():
        measured = figure(result, measure, document)
        if measured is not None:
            found[criterion] = measured
    return found


def anchors_for(document: Document, given: Mapping[str, Any] | None = None) -> dict[str, Anchor]:
    """The anchors of every criterion: defaults, then those stored with the document, then `given`.

    The default for quality is, at worst, the floor approach's score (always answering the most common label); at best,
    1 for a score and 0 for a loss, or what a careful person reaches where raters were compared (`rater_ceiling`).

    Raises
    ------
    BadStudy
        For an unknown criterion or an unusable anchor, and where quality is not a score from 0 to 1 and no anchor says what is good.
    """
    anchors = {name: criterion.anchor for name, criterion in CRITERIA.items() if criterion.anchor}
    for name, levels in {**document.study.anchors, **(given or {})}.items():
        try:
            anchors[criterion_name(name)] = levels if isinstance(levels, Anchor) else Anchor.model_validate(levels)
        except ValueError as error:
            raise BadStudy(
                f"`values.{name}` is {levels!r}, which is no anchor.", fix="write {worst: ..., best: ..., scale: linear}"
            ) from error
    if "quality" not in anchors:
        anchors["quality"] = _quality_anchor(document)
    return anchors


def _quality_anchor(document: Document) -> Anchor:
    study, facts = document.study, document.data.facts
    scores = [result.metrics[study.metric].mid for result in document.approaches if study.metric in result.metrics]
    floors = [
        result.metrics[study.metric].mid for result in document.approaches if is_floor(result) and study.metric in result.metrics
    ]
    if not study.higher_is_better:
        worst = floors[0] if floors else _blind_loss(study.metric, facts)
        return Anchor(worst=worst if worst > 0 else 1.0, best=0.0, scale="linear")
    if any(not 0 <= score <= 1 for score in scores):
        if floors:
            best = _stated_best(facts, max(scores))
            worst = floors[0] if floors[0] < best else min(scores)
            # Nothing beat the floor, or all came out alike: a level apart keeps the scale, and all stand at its top.
            return Anchor(worst=worst if worst < best else best - max(1.0, abs(best)), best=best, scale="linear")
        raise BadStudy(
            f"{study.metric} is not a score from 0 to 1, so what is good enough has to be said.",
            fix=f"add values: {{quality: {{worst: ..., best: ...}}}}, two levels of {study.metric}",
        )
    counts = facts.get("class_counts") if study.metric == "accuracy" else None
    share = max(counts.values()) / sum(counts.values()) if isinstance(counts, dict) and sum(counts.values()) else 0.0
    worst = floors[0] if floors else share
    ceiling = facts.get("rater_ceiling") if study.metric == "accuracy" else None
    ceiling = ceiling.get("mid") if isinstance(ceiling, dict) else ceiling
    best = float(ceiling) if isinstance(ceiling, int | float) and worst < ceiling <= 1 else 1.0
    return Anchor(worst=worst if worst < best else 0.0, best=best, scale="linear")


def _stated_best(facts: Mapping[str, Any], otherwise: float) -> float:
    """The return from which an environment counts as solved, or the highest that it states; else the best of the candidates.

    The last breaks the rule that levels are not taken from the candidates: where nobody knows what is good, "as good as the best that
    was seen" is what is left, and a study's `values` can always say better.
    """
    worlds = facts.get("worlds")
    if isinstance(worlds, dict) and len(worlds) == 1:
        (about,) = worlds.values()
        for name in ("threshold", "visible_best"):
            if isinstance(about.get(name), int | float):
                return float(about[name])
    return otherwise


def _blind_loss(metric: str, facts: Mapping[str, Any]) -> float:
    """The loss of always answering with the labels' shares, as the floor approach does: entropy, or Gini's index; else 1."""
    counts = facts.get("class_counts")
    if not isinstance(counts, dict) or not (total := sum(counts.values())) or metric not in ("log_loss", "brier"):
        return 1.0
    shares = [count / total for count in counts.values() if count > 0]
    return -math.fsum(p * math.log(p) for p in shares) if metric == "log_loss" else 1 - math.fsum(p * p for p in shares)


def central_weights(given: Mapping[str, float] | None = None) -> dict[str, float]:
    """Weights of every criterion, summing to 1.

    Weights that are given and add up to less than 1 are shares of the whole, and the other criteria share what is left as
    they do by default. Weights that add up to 1 or more are taken in proportion, and only they count.

    Raises
    ------
    BadStudy
        For an unknown criterion, a negative weight, or nothing above 0.
    """
    named = {criterion_name(name): weight for name, weight in (given or {}).items()}
    for name, weight in named.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight) or weight < 0:
            raise BadStudy(f"`weights.{name}` is {weight!r}: a weight is a number, 0 or more.", fix="e.g. 0.3")
    total = math.fsum(named.values())
    rest = {name: criterion.weight for name, criterion in CRITERIA.items() if name not in named}
    left, shared = 1.0 - total, math.fsum(rest.values())
    if left > 1e-9 and shared > 0:
        weights = {name: named.get(name, rest.get(name, 0.0) * left / shared) for name in CRITERIA}
    elif total > 0:
        weights = {name: named.get(name, 0.0) for name in CRITERIA}
    else:
        raise BadStudy("No criterion has a weight above 0.", fix="give one, e.g. weights: {quality: 1}")
    total = math.fsum(weights.values())
    return weights if abs(total - 1) < 1e-9 else {name: weight / total for name, weight in weights.items()}


def criterion_name(name: str) -> str:
    """The criterion meant by `name`. A wrong name is answered with the right ones (BadStudy)."""
    spelled = name.strip().lower().replace(" ", "_").replace("-", "_")
    if spelled not in CRITERIA:
        raise BadStudy(f"No criterion is called {name!r}.", fix=nearest(spelled, CRITERIA))
    return spelled


def is_floor(result: ApproachResult) -> bool:
    """True for an approach that looks at no item."""
    return result.use in FLOORS


def measured_by_somebody(all_figures: Iterable[Mapping[str, Interval]]) -> frozenset[str]:
    """The criteria that at least one approach was measured on."""
    return frozenset(name for found in all_figures for name in found)
