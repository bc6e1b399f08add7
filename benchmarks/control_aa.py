"""A/A on agents: are two groups of seeds of one approach called different, and what do 5 and 10 seeds find?

    python benchmarks/control_aa.py [--agents 400] [--first-seed 0] [--comparisons 200] [--budget 4000] [--simulated 300] [--out FILE]

`--agents` agents are really trained on CartPole-v1 by the product's cross-entropy search (`control/cem`), each from a seed of its own, with a budget so
short that they come out from useless to solved. An agent's figure is its mean return over 30 test episodes, the same for all. Then

- A/A: `--comparisons` times two groups of 5 (and of 10) are drawn from the pool without replacement, and `bakeoff.measure.seeds_apart` says whether they
  differ; then five times as many. Groups are drawn anew each time, so that comparisons share agents: with 400 agents every fourth comparison of 5 against 5
  has one in common with a given other. The share of false alarms is not biased by that, but known less well than from as many fresh agents.
- Fresh: the pool in its order, cut into disjoint groups of 5 against 5 (and of 10 against 10): no agent is used twice.
- Planted: b's returns are raised by a number of points (and cut at 500, where CartPole ends), or b are really trained with twice the budget.
- Simulated returns of known shapes: level of the test, coverage of the interval of a difference, coverage of the bootstrap of an interquartile mean;
  exponential times that are stopped early: coverage of Kaplan and Meier's intervals.

Beside the product's rule stands what is often done: a difference of "mean and standard error" whose 1.96-intervals do not overlap 0, and the best seed.
The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.contract import Item, quiet
from bakeoff.measure.intervals import proportion
from bakeoff.measure.over_runs import interquartile_mean, iqm_interval
from bakeoff.measure.seeds_apart import seeds_apart
from bakeoff.measure.survival import kaplan_meier

HIGHEST = 500.0
EPISODES = 30
SHAPES = {
    "normal": lambda rng, n: rng.normal(300, 50, n),
    "three times as wide": lambda rng, n: rng.normal(300, 150, n),
    "heavy tails": lambda rng, n: 300 + 30 * rng.standard_t(1.5, n),
    "two peaks": lambda rng, n: np.where(rng.random(n) < 0.7, 500 - np.abs(rng.normal(0, 3, n)), rng.uniform(20, 150, n)),
    "capped": lambda rng, n: np.minimum(500.0, rng.normal(480, 60, n)),
    "ties": lambda rng, n: np.where(rng.random(n) < 0.5, 500.0, np.round(rng.uniform(300, 500, n), -1)),
}


def trained(agents: int, budget: int, first_seed: int) -> np.ndarray:
    """Mean test return of each of so many agents, shape (agents,)."""
    from bakeoff.tasks.control.cem import CEM

    said = {"environment": "CartPole-v1"}
    train = [Item("train-0", {**said, "share": 1.0})]
    valid = [Item(f"valid-{k}", {**said, "seed": 500_000 + k}) for k in range(5)]
    test = [Item(f"test-{k}", {**said, "seed": 1_000_000 + k}) for k in range(EPISODES)]
    found = []
    for seed in range(first_seed, first_seed + agents):
        agent = CEM(steps=budget, evaluations=4, keep="last", stop_when_solved=False).fit(train, valid, seed=seed, progress=quiet)
        found.append(float(np.mean([float(answer.value) for answer in agent.answer(test)])))
    return np.asarray(found)


def naive(a: np.ndarray, b: np.ndarray) -> bool:
    """Two means more than 1.96 standard errors apart, with the normal's 1.96 whatever the number of seeds."""
    error = (a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)) ** 0.5
    return bool(abs(a.mean() - b.mean()) > 1.96 * error)


def called(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """How often groups are called different, and by the usual recipe; and b better, worse."""
    told = naively = up = 0
    for a, b in pairs:
        each = seeds_apart(a, b)
        told += each.told_apart()
        up += each.told_apart() and each.difference.mid < 0
        naively += naive(a, b)
    share, usual = proportion(told, len(pairs)), proportion(naively, len(pairs))
    return {
        "comparisons": len(pairs), "told_apart": told, "share": share.mid, "low": share.low, "high": share.high, "b_better": up,
        "by_1.96_standard_errors": usual.mid,
    }  # fmt: skip


def drawn(pool: np.ndarray, n: int, comparisons: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Groups of n against n, without replacement within a comparison."""
    rng = np.random.default_rng(seed)
    places = [rng.permutation(len(pool))[: 2 * n] for _ in range(comparisons)]
    return [(pool[each[:n]], pool[each[n:]]) for each in places]


def simulated(n: int, repeats: int) -> dict[str, Any]:
    """Level, and coverage of both intervals, at n seeds; coverage is of the interquartile mean of the whole distribution."""
    whole = {name: np.sort(draw(np.random.default_rng(5), 400_000)) for name, draw in SHAPES.items()}
    true = {name: float(each[100_000:300_000].mean()) for name, each in whole.items()}
    found: dict[str, Any] = {}
    for name, draw in SHAPES.items():
        rng = np.random.default_rng(11)
        told = covered = plain = wide = 0
        for _ in range(repeats):
            a, b = draw(rng, n), draw(rng, n)
            each = seeds_apart(a, b)
            told += each.told_apart()
            covered += each.difference.low <= 0 <= each.difference.high
            one = iqm_interval([a])
            wide += one.low <= true[name] <= one.high
            one = iqm_interval([a], percentiles="plain")
            plain += one.low <= true[name] <= one.high
        found[name] = {
            "level": told / repeats,
            "difference": covered / repeats,
            "iqm": wide / repeats,
            "iqm_plain": plain / repeats,
        }
    for a_name, b_name in (("normal", "three times as wide"), ("two peaks", "capped"), ("ties", "capped")):
        rng = np.random.default_rng(12)
        covered = 0
        for _ in range(repeats):
            each = seeds_apart(SHAPES[a_name](rng, n), SHAPES[b_name](rng, n)).difference
            covered += each.low <= true[a_name] - true[b_name] <= each.high
        found[f"{a_name} against {b_name}"] = {"difference": covered / repeats}
    return found


def survived(n: int, studies: int) -> dict[str, float]:
    """Exponential times of mean 1 for n agents, stopped at uniform times from 0.2 to 3: how often what is said about them holds."""
    rng = np.random.default_rng(n)
    held = dict.fromkeys(("stopped", "share at 0.5", "median", "median without an upper end", "restricted mean"), 0.0)
    for _ in range(studies):
        times, stop = rng.exponential(1.0, n), rng.uniform(0.2, 3.0, n)
        found = kaplan_meier(np.minimum(times, stop), times <= stop)
        k = int(np.searchsorted(found.at, 0.5, side="right")) - 1
        low, high = (found.low[k], found.high[k]) if k >= 0 else (0.025 ** (1 / n), 1.0)
        middle, until = found.median(), min(1.0, found.last)
        mean = found.restricted_mean(until)
        held["stopped"] += float((times > stop).mean())
        held["share at 0.5"] += not (low > np.exp(-0.5) or high < np.exp(-0.5))
        held["median"] += (middle.low or 0.0) <= np.log(2) <= (np.inf if middle.high is None else middle.high)
        held["median without an upper end"] += middle.high is None
        held["restricted mean"] += mean.low <= 1 - np.exp(-until) <= mean.high
    return {name: float(count / studies) for name, count in held.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=400)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--comparisons", type=int, default=200)
    parser.add_argument("--budget", type=int, default=4000)
    parser.add_argument("--more", type=int, default=40, help="agents with twice the budget")
    parser.add_argument("--simulated", type=int, default=300)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    cpu = time.process_time()
    pool = trained(given.agents, given.budget, given.first_seed)
    ends = np.quantile(pool, [0, 0.25, 0.5, 0.75, 1])
    document: dict[str, Any] = {
        "agents": given.agents, "budget": given.budget, "returns": pool.tolist(), "iqm": interquartile_mean(pool), "quartiles": ends.tolist(),
    }  # fmt: skip
    print(f"{given.agents} agents of {given.budget:,} steps: returns {ends[0]:.0f} to {ends[4]:.0f}, quartiles {ends[1]:.0f}, {ends[2]:.0f}, {ends[3]:.0f}; "
          f"{time.process_time() - cpu:.0f} CPU seconds", flush=True)  # fmt: skip
    more = trained(given.more, 2 * given.budget, 10_000) if given.more else np.zeros(0)
    if len(more):
        document["more"] = more.tolist()
        print(f"{len(more)} agents of {2 * given.budget:,} steps: IQM {interquartile_mean(more):.0f} against {interquartile_mean(pool):.0f}; "
              f"{time.process_time() - cpu:.0f} CPU seconds", flush=True)  # fmt: skip
    document["cells"] = {}

    def tell(name: str, pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
        if pairs:
            cell = document["cells"][name] = called(pairs)
            print(f"{name}: {cell['told_apart']} of {cell['comparisons']} told apart ({100 * cell['share']:.1f}%, {100 * cell['low']:.1f} to "
                  f"{100 * cell['high']:.1f}%), b better {cell['b_better']}; 1.96 standard errors: {100 * cell['by_1.96_standard_errors']:.1f}%", flush=True)  # fmt: skip

    for n in (5, 10):
        same = drawn(pool, n, given.comparisons, seed=n)
        tell(f"A/A, {n} against {n}, drawn", same)
        tell(f"A/A, {n} against {n}, {5 * given.comparisons:,} drawn", drawn(pool, n, 5 * given.comparisons, seed=1))
        cuts = [pool[start : start + 2 * n] for start in range(0, len(pool) - 2 * n + 1, 2 * n)]
        tell(f"A/A, {n} against {n}, fresh agents", [(each[:n], each[n:]) for each in cuts])
        for points in (50, 100, 200):
            tell(f"+{points} points planted, {n} against {n}", [(a, np.minimum(HIGHEST, b + points)) for a, b in same])
        if len(more) >= n:
            rng = np.random.default_rng(n + 1)
            mixed = [(a, more[rng.permutation(len(more))[:n]]) for a, _ in same]
            tell(f"twice the budget, {n} against {n}", mixed)
    best = [(a.max(), b.max()) for a, b in drawn(pool, 5, given.comparisons, seed=5)]
    document["best_of_5_apart_by"] = float(np.median([abs(a - b) for a, b in best]))
    document["best_of_5_above_iqm_by"] = float(np.median([a for a, _ in best]) - interquartile_mean(pool))
    print(f"best of 5 seeds: {document['best_of_5_above_iqm_by']:.0f} points above the pool's IQM (median)")
    document["simulated"] = {}
    for n in (5, 10) if given.simulated else ():
        document["simulated"][str(n)] = cells = simulated(n, given.simulated)
        for name, cell in cells.items():
            said = ", ".join(f"{key} {100 * value:.1f}%" for key, value in cell.items())
            print(f"simulated, {n} seeds, {given.simulated} times, {name}: {said}", flush=True)
    document["times"] = {str(n): survived(n, 2000) for n in (5, 10, 30)}
    for n, cell in document["times"].items():
        print(
            f"time to the threshold, {n} agents, 2,000 times: "
            + ", ".join(f"{key} {100 * value:.1f}%" for key, value in cell.items()),
            flush=True,
        )
    document["cpu_seconds"] = round(time.process_time() - cpu)
    if given.out:
        given.out.write_text(json.dumps(document, indent=1), encoding="utf-8")
    print(json.dumps(document))


if __name__ == "__main__":
    main()
