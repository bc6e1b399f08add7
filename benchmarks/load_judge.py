"""How often a step of load is judged right, and how well the search finds the highest rate, on simulated M/M/1 queues.

One server with exponential service times and Poisson arrivals, started empty. The 95th percentile of its response time is
ln 20 / (capacity - rate), so the highest rate that keeps a limit is known. No sockets and no clock: Lindley's recursion.

    python benchmarks/load_judge.py [--steps 300] [--searches 60]

The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

CAPACITY = 20.0
Times = NDArray[np.float64]


def queue(rate: float, n: int, rng: np.random.Generator) -> tuple[Times, Times]:
    """Arrivals and response times of n requests, in seconds."""
    arrivals = np.cumsum(rng.exponential(1 / rate, n))
    services = rng.exponential(1 / CAPACITY, n)
    times, free = np.empty(n), 0.0
    for i, (at, service) in enumerate(zip(arrivals, services, strict=True)):
        free = max(at, free) + service
        times[i] = free - at
    return arrivals, times


def judged(share: float, n: int, steps: int, *, bound: float = 0.5) -> dict[str, Any]:
    """Shares of steps called kept, undecided and broken, at `share` of the true highest rate, with and without dependence."""
    from bakeoff.load.judge import _at_most, outcome

    rate = share * (CAPACITY - math.log(20) / bound)
    ours: Counter[str] = Counter()
    plain: Counter[str] = Counter()
    for seed in range(steps):
        arrivals, times = queue(rate, n, np.random.default_rng(seed))
        ours[outcome(times, bound, 0.95, starts=arrivals)] += 1
        over = int((times > bound).sum())
        plain[
            "kept" if _at_most(over, n, 0.05) <= 0.05 else "broken" if 1 - _at_most(over - 1, n, 0.05) <= 0.05 else "undecided"
        ] += 1
    kinds = ("kept", "undecided", "broken")
    return {
        "share": share, "n": n, **{kind: ours[kind] / steps for kind in kinds},
        **{f"{kind}_if_independent": plain[kind] / steps for kind in kinds},
    }  # fmt: skip


def searched(bound: float, seconds: float, most: int, guess: float, searches: int) -> dict[str, Any]:
    """How the bracket of a search lies about the true highest rate."""
    from bakeoff.load.sweep import Observed, highest_rate

    true = CAPACITY - math.log(20) / bound
    found = []
    for seed in range(searches):
        rng = np.random.default_rng(seed)
        found.append(
            highest_rate(
                lambda rate, n, rng=rng: Observed(*queue(rate, n, rng)), quantile=0.95, bound_seconds=bound, first_guess=guess,
                most_steps=most, step_seconds=seconds, most_rate=400.0,
            )
        )  # fmt: skip
    highest = np.array([one.highest or 0.0 for one in found]) / true
    lowest = np.array([one.broken_at or math.inf for one in found]) / true
    return {
        "limit_services": bound * CAPACITY, "step_seconds": seconds, "most_steps": most, "first_guess": guess / true,
        "holds": float(((highest <= 1) & (lowest >= 1)).mean()), "too_high": float((highest > 1).mean()),
        "too_low": float((lowest < 1).mean()), "none": float((highest == 0).mean()), "quartiles": np.quantile(highest, [0.25, 0.5, 0.75]).tolist(),
        "largest": float(highest.max()), "steps": float(np.mean([len(one.steps) for one in found])),
    }  # fmt: skip


def main() -> None:
    """Print both tables, then everything as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--searches", type=int, default=60)
    given = parser.parse_args()
    print(
        "steps, by their rate as a share of the true highest: called kept / undecided / broken; in brackets if requests were independent"
    )
    steps = [judged(share, n, given.steps) for n in (200, 600) for share in (0.7, 0.85, 1.0, 1.1, 1.2)]
    for row in steps:
        cells = "  ".join(f"{row[k]:5.0%} ({row[k + '_if_independent']:4.0%})" for k in ("kept", "undecided", "broken"))
        print(f"  n {row['n']:4}  rate x {row['share']:<4}  {cells}")
    print("searches: limit in mean services, step, most steps, first guess; bracket holds the truth; highest rate / truth")
    searches = [
        searched(0.5, 15.0, 6, 14.0, given.searches),
        searched(0.5, 15.0, 8, 5.0, given.searches),
        searched(1.0, 15.0, 6, 20.0, given.searches),
        searched(0.5, 30.0, 8, 14.0, given.searches),
    ]
    for row in searches:
        low, mid, high = row["quartiles"]
        print(
            f"  {row['limit_services']:3.0f}  {row['step_seconds']:3.0f} s  {row['most_steps']}  x {row['first_guess']:.2f}   holds {row['holds']:4.0%}"
            f"  too high {row['too_high']:4.0%}  too low {row['too_low']:4.0%}  none {row['none']:4.0%}  {low:.2f} {mid:.2f} {high:.2f}"
            f"  largest {row['largest']:.2f}  steps {row['steps']:.1f}"
        )
    print(json.dumps({"steps": steps, "searches": searches}))


if __name__ == "__main__":
    main()
