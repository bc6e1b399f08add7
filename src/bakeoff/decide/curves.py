"""Learning curves, and from how many labels a costlier approach is ahead of a cheaper one."""

from __future__ import annotations

import statistics

from bakeoff.contract import Trial
from bakeoff.decide.evidence import Evidence
from bakeoff.decide.record import Curve, CurvePoint
from bakeoff.decide.results import metric_range
from bakeoff.errors import BakeoffError
from bakeoff.measure.compare import compare


def curves_of(evidence: Evidence) -> list[Curve]:
    """The learning curve of each approach that the study asked for one of and that has at least two points."""
    asked = evidence.study.learning_curve
    found = []
    for name in asked.approaches:
        points = []
        for fraction in (*sorted(asked.fractions), 1.0):
            seeds = evidence.seeds(name, fraction)
            fits = [evidence.measures[Trial(name, seed, fraction)]["fit"] for seed in seeds]
            figure = metric_range(evidence, name, evidence.metric, seeds, fraction) if seeds else None
            if figure is None:
                continue
            points.append(
                CurvePoint(
                    n_train=round(statistics.mean(fit["n_train"] for fit in fits)),
                    metric=figure[0],
                    fit_seconds=statistics.median(fit["seconds"] for fit in fits),
                )
            )
        if len(points) >= 2:
            found.append(Curve(approach=name, points=points))
    return found


def say(evidence: Evidence, curves: list[Curve]) -> list[str]:
    """One sentence per pair of curves: from how many labels the one is really ahead of the other, if it is.

    At each share of the training items the two are compared on the same items and the seeds both have; "ahead"
    means that the 95% interval of the difference excludes zero there and at every larger share.
    """
    if evidence.metric.per_item is None:
        return []
    sentences = []
    names = [curve.approach for curve in curves]
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            sentence = _pair(evidence, first, second)
            if sentence:
                sentences.append(sentence)
    return sentences


def _pair(evidence: Evidence, first: str, second: str) -> str | None:
    metric = evidence.metric
    signs: list[tuple[int, int]] = []
    for fraction in (*sorted(evidence.study.learning_curve.fractions), 1.0):
        seeds = sorted(set(evidence.seeds(first, fraction)) & set(evidence.seeds(second, fraction)))
        if not seeds:
            continue
        a, b = (evidence.scores(name, metric, seeds, fraction) for name in (first, second))
        try:
            gap = compare(
                a, b, clusters=evidence.clusters, margin=evidence.study.margin, higher_is_better=metric.higher_is_better
            ).difference
        except BakeoffError:
            continue
        better = 1 if metric.higher_is_better else -1
        n_train = round(statistics.mean(evidence.measures[Trial(first, s, fraction)]["fit"]["n_train"] for s in seeds))
        signs.append((n_train, better if gap.low > 0 else -better if gap.high < 0 else 0))
    if len(signs) < 2:
        return None
    last = signs[-1][1]
    if last == 0:
        return (
            f"With up to {signs[-1][0]:,} labels, the curves of {first} and {second} cannot be told apart at the full size: "
            "more test items or more labels would be needed."
        )
    ahead, behind = (first, second) if last > 0 else (second, first)
    trainings = min(evidence.study.learning_curve.seeds, evidence.study.seeds)
    each = "one training at each smaller size" if trainings == 1 else f"{trainings} trainings at each smaller size"
    start = signs[-1][0]
    for n_train, sign in reversed(signs):
        if sign != last:
            break
        start = n_train
    if start == signs[0][0]:
        return f"{ahead} is ahead of {behind} at every size tried, from {start:,} labels on ({each})."
    earlier = [sign for n, sign in signs if n < start]
    before = "is behind" if earlier[-1] == -last else "cannot be told apart from it"
    smaller = max(n for n, _ in signs if n < start)
    return f"{ahead} is ahead of {behind} from {start:,} labels on; at {smaller:,} it {before} ({each})."
