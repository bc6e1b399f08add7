"""Two approaches of a run compared by its primary metric, on the items that both answered and the seeds that both have."""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.decide.evidence import Evidence
from bakeoff.errors import BakeoffError
from bakeoff.measure.compare import Comparison, compare, compare_whole


def compared(evidence: Evidence, a: str, b: str) -> Comparison | None:
    """a minus b, as a family of one; None where there are too few items that both answered.

    Then there is no pair, and check BK010 or BK011 says why.
    """
    metric = evidence.metric
    shared: dict[str, Any] = {
        "clusters": evidence.clusters,
        "margin": evidence.study.margin,
        "higher_is_better": metric.higher_is_better,
    }
    seeds_a, seeds_b = evidence.shared_seeds(a, b)
    if not seeds_a or not seeds_b:
        return None
    try:
        if metric.per_item is not None:
            return compare(evidence.scores(a, metric, seeds_a), evidence.scores(b, metric, seeds_b), **shared)
        return _compare_whole(evidence, (a, seeds_a), (b, seeds_b), shared)
    except BakeoffError:
        return None


def _compare_whole(evidence: Evidence, a: tuple[str, list[int]], b: tuple[str, list[int]], shared: dict[str, Any]) -> Comparison:
    """By a metric of all items at once, on the items that both answered at every seed: else they would sit different tests."""
    kept = np.flatnonzero(evidence.answered(a[0], always=True) & evidence.answered(b[0], always=True))
    if len(kept) < 2:
        raise BakeoffError("Fewer than two items were answered by both.", fix="look at the errors and abstentions")
    first, second = (evidence.whole(name, evidence.metric, seeds) for name, seeds in (a, b))
    clusters = evidence.clusters and tuple(evidence.clusters[i] for i in kept)
    return compare_whole(
        lambda positions: first(kept[positions]),
        lambda positions: second(kept[positions]),
        len(kept),
        seed=0,
        **{**shared, "clusters": clusters},
    )
