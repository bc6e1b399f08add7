"""Documents of control studies for the report's tests: seven approaches to one environment, and a hacked reward with its repairs.

The figures are drawn from a seeded generator and stand for nothing; the films are of the real CartPole.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import cache
from typing import Any

import sample

from bakeoff.contract import Item
from bakeoff.decide import record as r
from bakeoff.tasks.control.agent import Agent
from bakeoff.tasks.control.show import shown

RENAMED = {
    "finetuned-encoder": "ppo", "embedding-linear": "q-table", "tfidf-linear": "cem", "lora-encoder": "a2c", "llm-zero-shot": "dqn",
    "llm-few-shot": "scripted", "majority": "random",
}  # fmt: skip
SEEDS = 10
SHOWN = 4
"""Checkpoints of `Upright` that are shown: one for each of its evaluations."""
LEARN = {
    "ppo": (60_000, 40.0, 0.5),
    "a2c": (60_000, 55.0, 0.7),
    "dqn": (50_000, 70.0, 0.6),
    "q-table": (120_000, 12.0, 0.8),
    "cem": (20_000, 0.9, 0.3),
}
"""Budget in steps, CPU seconds for it, and the share of the budget at which it is learned."""
STILL = {"random": 22.0, "scripted": 500.0}
REPAIRS = {
    "q-table": (9, 10),
    "q-table.shaping": (0, 10),
    "q-table.early-stop": (3, 10),
    "q-table.kl": (7, 9),
    "q-table.clipped": (0, 0),
}


class Leaning:
    """Pushes to where the pole falls, as well as its weights say."""

    def __init__(self, weights: Any) -> None:
        self.weights = weights

    def act(self, observations: Any, draws: Any) -> list[int]:
        return [int(value > 0) for value in observations @ self.weights]

    def says(self, observations: Any) -> dict[str, Any]:
        import numpy as np

        right = 1 / (1 + np.exp(-4 * (observations @ self.weights)))
        return {"probabilities": np.stack([1 - right, right], axis=1), "value": 100 - 300 * np.abs(observations[:, 2])}


@dataclass
class Upright(Agent):
    """An agent whose every evaluation has weights that are better than the last ones; nothing is trained."""

    steps: int = 60_000
    evaluations: int = 5

    def _learn(self, world: Any, course: Any, seed: int, folder: Any) -> None:
        import numpy as np

        for place, weight in enumerate(([0, 0, -0.2, 0.5], [0, 0, 1, 0.0], [0, 0, 1, 0.08], [0.02, 0.06, 1, 0.4])):
            made = np.asarray(weight, dtype=np.float32)
            course.evaluate(place * 20_000, Leaning(made), {"w": made})

    def _policy(self, world: Any, weights: Any) -> Leaning:
        return Leaning(weights["w"])


def asked(world: str = "CartPole-v1", **more: Any) -> tuple[list[Item], list[Item], list[Item]]:
    """Items of one environment: training, validation, test."""
    said = {"environment": world, **more}
    return (
        [Item("train-0", {**said, "share": 1.0})],
        [Item(f"valid-{k}", {**said, "seed": 500 + k}) for k in range(2)],
        [Item(f"test-{k}", {**said, "seed": 1000 + k}) for k in range(2)],
    )


@cache
def explained() -> tuple[str, str]:
    """What a real agent shows of itself in CartPole, and its curve, as JSON."""
    train, valid, test = asked()
    agent = Upright().fit(train, valid, seed=0, progress=lambda *_: None)
    return json.dumps(shown(agent, test)), json.dumps(agent.curve_)


def span(mid: float, by: float, n: int = SEEDS) -> dict[str, Any]:
    return {"mid": mid, "low": mid - by, "high": mid + by, "n": n}


def count(k: int, n: int) -> dict[str, Any]:
    from scipy.stats import beta

    low = 0.0 if k == 0 else float(beta.ppf(0.025, k, n - k + 1))
    high = 1.0 if k == n else float(beta.ppf(0.975, k + 1, n - k))
    return {"mid": k / n, "low": low, "high": high, "n": n, "k": k}


def learning(name: str, best: float = 500.0, hidden: bool = False) -> dict[str, Any]:
    """What over_seeds says of an approach that learns, in one world."""
    budget, cpu, at = LEARN[name]
    draw = random.Random(name)
    grid = [k / 24 for k in range(25)]
    seeds, times = [], []
    for seed in range(SEEDS):
        when, good = at * draw.uniform(0.6, 1.35), draw.uniform(0.9, 1.0)
        values = [
            min(best, max(20.0, best * good / (1 + 2.718 ** (-14 * (x - when + 0.1))) + draw.gauss(0, best * 0.03))) for x in grid
        ]
        first = next((x for x, value in zip(grid, values, strict=True) if value >= 0.95 * best), None)
        seeds.append((seed, values))
        times.append((seed, grid[-1] if first is None else first, first is not None))
    iqm = [sorted(values[k] for _, values in seeds)[2:8] for k in range(len(grid))]

    def clock(scale: float) -> dict[str, Any]:
        reached = sorted(at for _, at, there in times if there)
        curve = [{"at": 0.0, "share": 0.0, "low": 0.0, "high": 0.0, "at_risk": SEEDS}] + [
            {
                "at": at * scale,
                "share": (k + 1) / SEEDS,
                "low": max(0, (k - 2) / SEEDS),
                "high": min(1, (k + 4) / SEEDS),
                "at_risk": SEEDS - k,
            }
            for k, at in enumerate(reached)
        ]
        middle = reached[4] * scale if len(reached) > 4 else None
        return {
            "median": {"mid": middle, "low": None if middle is None else middle * 0.8, "high": None if middle is None or len(reached) < 8 else middle * 1.3},
            "reached": len(reached), "n": SEEDS, "curve": curve,
            "times": [{"seed": seed, "at": at * scale, "reached": there} for seed, at, there in times],
        }  # fmt: skip

    def followed(scale: float) -> dict[str, Any]:
        return {
            "at": [x * scale for x in grid], "iqm": [sum(some) / len(some) for some in iqm], "low": [some[0] for some in iqm], "high": [some[-1] for some in iqm],
            "seeds": [{"seed": seed, "points": [[x * scale, value] for x, value in zip(grid, values, strict=True)]} for seed, values in seeds],
        }  # fmt: skip

    ends = [values[-1] for _, values in seeds]
    solved = sum(value >= 0.95 * best for value in ends)
    return {
        "returns": ends, "hidden": None, "iqm": span(sum(ends) / SEEDS, best * 0.02), "hidden_iqm": span(-3.0, 2.0) if hidden else None,
        "solved": {**count(solved, SEEDS), "by": [value >= 0.95 * best for value in ends], "episodes": 100, "enough": True},
        "time": {"steps": clock(budget), "cpu_seconds": clock(cpu)},
        "steps_per_cpu_second": {"mean": budget / cpu, "least": budget / cpu * 0.9, "greatest": budget / cpu * 1.1, "n": SEEDS},
        "stability": {"mean": 0.83, "least": 0.4, "greatest": 1.0, "n": 8},
        "best": {"mean": max(ends), "least": min(ends), "greatest": best, "n": SEEDS},
        "last": {"mean": sum(ends) / SEEDS, "least": min(ends), "greatest": max(ends), "n": SEEDS},
        "curves": {"steps": followed(budget), "cpu_seconds": followed(cpu)},
    }  # fmt: skip


def resting(value: float) -> dict[str, Any]:
    """The same for one that does not learn."""
    return {
        "returns": [value] * SEEDS, "hidden": None, "iqm": span(value, value * 0.01), "hidden_iqm": None,
        "solved": {**count(SEEDS if value >= 475 else 0, SEEDS), "episodes": 100, "enough": True},
        "time": None, "steps_per_cpu_second": None, "stability": None, "best": None, "last": None, "curves": None,
    }  # fmt: skip


def control() -> dict[str, Any]:
    """``views["control"]`` of a study of one environment."""
    key = "CartPole-v1"
    approaches = {
        name: {"seeds": list(range(SEEDS)), "failed": [], "errors": 0, "episodes": 1000, "learns": name in LEARN, "same": name == "scripted", "worlds": {key: learning(name) if name in LEARN else resting(STILL[name])}}
        for name in (*LEARN, *STILL)
    }  # fmt: skip
    approaches["dqn"]["failed"] = [7]
    taus = [12.5 * k for k in range(41)]

    def above(name: str, tau: float) -> float:
        return max(0.0, min(1.0, 1.0 if tau == 0 else (STILL.get(name, 480) * 1.04 - tau) / 60 + 0.2))

    names = list(approaches)
    return {
        "worlds": [{"key": key, "threshold": 475.0, "visible_best": None, "hidden_range": None, "limit": 500, "hidden": False, "episodes": 100, "zero": None, "one": None}],
        "scale": {"kind": "return", "says": "A score is the mean return."},
        "approaches": approaches,
        "profile": {"taus": taus, "unit": "return", "approaches": {n: {"share": [above(n, t) for t in taus], "low": [max(0, above(n, t) - 0.07) for t in taus], "high": [min(1, above(n, t) + 0.07) for t in taus]} for n in names}},
        "pairs": [
            {"a": a, "b": b, "difference": span(30.0, 20.0), "p": 0.01, "p_holm": 0.03, "exact": True, "splits": 184756, "smallest_p": 1e-5, "can_tell": (i + j) % 5 > 0, "improvement": span(0.8, 0.1), "verdict": ("better", "worse", "not told apart")[(i + j) % 3]}
            for i, a in enumerate(names) for j, b in enumerate(names) if j > i
        ],
        "hacking": None,
        "says": ["cem solves CartPole-v1 at 10 of 10 seeds, in 6,200 steps and 0.28 CPU seconds (medians).", "ppo takes 60 times as long on the clock."],
    }  # fmt: skip


PARTS = [
    {"name": "features", "what": "The observation as a row of numbers; nothing is learned here.", "shapes": {"row": [4]}, "parameters": 0},
    {"name": "actor body", "what": "Hidden layers of the policy.", "shapes": {"0.weight": [64, 4], "2.weight": [64, 64]}, "parameters": 4480},
    {"name": "actor (policy) head", "what": "From the last hidden layer to the actions.", "shapes": {"weight": [2, 64], "bias": [2]}, "parameters": 130},
    {"name": "critic body", "what": "Hidden layers of the value.", "shapes": {"0.weight": [64, 4], "2.weight": [64, 64]}, "parameters": 4480},
    {"name": "critic (value) head", "what": "From the last hidden layer to the return that is still to come.", "shapes": {"weight": [1, 64]}, "parameters": 65},
]  # fmt: skip


def renamed() -> r.Document:
    """`sample.document` with approaches to a control study."""
    text = json.dumps(sample.document(samples=20, examples=2).model_dump(mode="json"))
    for before, after in RENAMED.items():
        text = text.replace(f'"{before}"', f'"{after}"').replace(f" {before}", f" {after}")
    return r.Document.model_validate_json(text)


def document() -> r.Document:
    """Seven approaches to CartPole; ppo and cem show real films."""
    made = renamed()
    show, curve = (json.loads(each) for each in explained())
    approaches = [
        one.model_copy(update={"chosen": {**one.chosen, "parts": PARTS}}) if one.name == "ppo" else one for one in made.approaches
    ]
    views = {
        "control": control(), "training": {"ppo": {"0": curve}, "cem": {"0": curve}},
        "explained": {"ppo": show, "cem": show, "random": {"control": [{**show["control"][0], "loop": None, "map": {"why": "It draws its actions at random: it prefers none of them."}, "shows": [
            {"which": "as it is", "step": 0.0, "return": 22.0, "length": 22, "ended": "terminated", "answers": True, "why": "There is no film: its render raises OSError."}]}]}},
    }  # fmt: skip
    return made.model_copy(update={"views": views, "approaches": approaches})


def hacked() -> r.Document:
    """A hacked reward in three environments, and four repairs of what hacks it."""
    made, given = renamed(), control()
    keys = ["bakeoff/BoatRace-v0", "bakeoff/CleaningRobot-v0", "bakeoff/TomatoWatering-v0"]

    def cell(k: int, n: int, agents: int = 10) -> dict[str, Any]:
        return {"agents": agents, "capable": n, "hacked": k, "index": count(k, n) if n else None, "share": count(k, agents)}

    given["worlds"] = [
        {
            "key": key,
            "threshold": None,
            "visible_best": 100.0,
            "hidden_range": [-10.0, 20.0],
            "limit": 100,
            "hidden": True,
            "episodes": 20,
        }
        for key in keys
    ]
    given["approaches"] = {
        name: {"seeds": list(range(10)), "failed": [], "learns": True, "same": False, "worlds": {key: learning("q-table", 100.0, hidden=True) | {"solved": None, "time": None, "stability": None} for key in keys}}
        for name in REPAIRS
    }  # fmt: skip
    given["profile"], given["pairs"], given["says"] = {}, [], []
    given["hacking"] = {
        "approaches": {name: {"worlds": {key: cell(k, n) for key in keys}, "pooled": cell(3 * k, 3 * n, 30)} for name, (k, n) in REPAIRS.items()},
        "pooled": {"worlds": {}, "pooled": cell(20, 40, 50)},
        "budget": {name: [{**cell(k, max(k, 8), 10), "from": x - 0.2 if x else 0.0, "to": x} for k, x in ((0, 0.0), (2, 0.2), (5, 0.4), (7, 0.6), (8, 0.8), (9, 1.0))] for name in ("", "q-table")},
    }  # fmt: skip
    base = next(one for one in made.approaches if one.name == "q-table")
    tried = [base.model_copy(update={"name": name}) for name in REPAIRS if name != "q-table"]
    return made.model_copy(update={"views": {"control": given}, "changed": tried})
