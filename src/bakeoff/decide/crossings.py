"""Break-even volumes, as the document lists them: between every two approaches, and against anything else that has a daily cost."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from bakeoff.decide import sentences
from bakeoff.decide.priced import as_range
from bakeoff.decide.record import ApproachResult, BreakEven
from bakeoff.decide.values import is_floor
from bakeoff.estimate.break_even import break_evens
from bakeoff.estimate.cost import DailyCost

MOST_CROSSINGS = 4
"""Of one pair in the document; the last sentence says how many more there are."""
LOOK_UP_TO = 1000
"""Break-evens are looked for up to this many times the stated volume."""


def useful(costs: Mapping[str, DailyCost], results: Sequence[ApproachResult]) -> list[str]:
    """Names of the approaches with a daily cost, the floor apart: nobody would run it to save money."""
    return sorted(result.name for result in results if result.name in costs and not is_floor(result))


def between_approaches(costs: Mapping[str, DailyCost], results: Sequence[ApproachResult], volume: float) -> list[BreakEven]:
    """Every pair's break-evens, up to 1,000 times the stated volume."""
    pairs = itertools.combinations(useful(costs, results), 2)
    return [told for a, b in pairs for told in between(a, costs[a], b, costs[b], volume)]


def between(a: str, cost_a: DailyCost, b: str, cost_b: DailyCost, volume: float, says: str = "") -> list[BreakEven]:
    """The break-evens of two daily costs, at most four, or one entry without a volume that says why there is none.

    `a` and `b` are the names in the document, the costs' own names those in its sentences; `says` is added to each.
    """
    found = break_evens(cost_a, cost_b, up_to=LOOK_UP_TO * volume, most=MOST_CROSSINGS)
    shown = len(found.crossings)
    if not shown:
        return [BreakEven(a=a, b=b, volume_per_day=None, says=sentences.break_even(found, None, 0) + says)]
    return [
        BreakEven(a=a, b=b, volume_per_day=as_range(crossing.volume), says=sentences.break_even(found, position, shown) + says)
        for position, crossing in enumerate(found.crossings)
    ]
