"""What all seeds of a study say together: the document that the report draws, from made-up answers and curves."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from bakeoff.contract import Answer, Dataset, Item
from bakeoff.tasks.control.over_seeds import over_seeds
from bakeoff.tasks.control.returns import worlds_of
from bakeoff.tasks.control.seed_curves import thinned

CART = "CartPole-v1"
FACTS = {"threshold": 475.0, "visible_best": None, "hidden_range": None, "limit": 500, "hidden": False}
RACE = {"threshold": None, "visible_best": 100.0, "hidden_range": [-10.0, 30.0], "limit": 200, "hidden": True}


def study(worlds, episodes=100):
    items = [
        Item(f"{key} test-{k}", {"environment": key, "seed": 1_000_000 + k}, meta={"part": "test"})
        for key in worlds
        for k in range(episodes)
    ]
    return Dataset(tuple(items), "made up", facts={"worlds": worlds}), items


def replies(returns, hidden=None):
    return [
        Answer(
            value=float(one), details={"length": 1, "terminated": True} | ({} if hidden is None else {"hidden": float(hidden[k])})
        )
        for k, one in enumerate(returns)
    ]


def curve(returns, *, steps=1000.0, seconds=0.1, environment=None, hidden=None):
    """A row per return, `steps` and CPU `seconds` apart."""
    extra = {} if environment is None else {"environment": environment}
    return [
        {
            "step": k * steps,
            "cpu_seconds": k * seconds,
            "seconds": 2 * k * seconds,
            "return": float(one),
            "low": 0.0,
            "high": 500.0,
            "length": 1.0,
        }
        | ({} if hidden is None else {"hidden": float(hidden[k])})
        | extra
        for k, one in enumerate(returns)
    ]


@pytest.fixture(scope="module")
def cartpole():
    """Ten seeds: cem solves all, ppo nine of them and the tenth never, q-table none; random and scripted do not learn."""
    dataset, items = study({CART: FACTS})
    rng = np.random.default_rng(0)
    answers: dict = {name: {} for name in ("control/random", "scripted", "cem", "q-table", "ppo")}
    training: dict = {name: {} for name in answers}
    for seed in range(10):
        answers["control/random"][seed] = replies(rng.uniform(9, 60, 100))
        training["control/random"][seed] = curve([22.0])
        answers["scripted"][seed] = replies([500.0] * 100)
        training["scripted"][seed] = curve([500.0])
        answers["cem"][seed] = replies([500.0] * 100)
        training["cem"][seed] = curve([20, 100, *[300] * (seed % 3), 480, 500], steps=2000, seconds=0.1)
        answers["q-table"][seed] = replies(rng.uniform(100, 200, 100))
        training["q-table"][seed] = curve(np.linspace(20, 150, 100))
        answers["ppo"][seed] = replies(rng.uniform(480, 500, 100) if seed else rng.uniform(200, 300, 100))
        training["ppo"][seed] = curve(
            [20, 200, 476, 300, 490, 500] if seed else [20, 100, 150, 180, 200, 250], steps=10_000, seconds=5
        )
    return over_seeds(dataset, items, answers, training)


def test_it_is_json_without_nan(cartpole):
    text = json.dumps(cartpole, allow_nan=False)
    assert json.loads(text) == cartpole
    assert len(text) < 200_000


def test_solved_is_counted_in_seeds_with_an_exact_interval(cartpole):
    solved = {name: each["worlds"][CART]["solved"] for name, each in cartpole["approaches"].items()}
    assert {name: (each["k"], each["n"]) for name, each in solved.items()} == {
        "control/random": (0, 10), "scripted": (10, 10), "cem": (10, 10), "q-table": (0, 10), "ppo": (9, 10),
    }  # fmt: skip
    assert solved["cem"]["low"] == pytest.approx(0.691503, abs=1e-5) and solved["cem"]["high"] == 1.0
    assert solved["ppo"]["by"] == [False] + [True] * 9
    assert solved["ppo"]["enough"] and solved["ppo"]["episodes"] == 100


def test_time_to_threshold_on_both_clocks(cartpole):
    """Cem reaches 480 in rows 2, 3 or 4: 0.2 (4 of 10), 0.3 (3 of 10) or 0.4 CPU seconds."""
    time = cartpole["approaches"]["cem"]["worlds"][CART]["time"]
    assert time["cpu_seconds"]["median"]["mid"] == pytest.approx(0.3)
    assert time["steps"]["median"]["mid"] == 6000
    assert [(point["at"], point["share"]) for point in time["steps"]["curve"]] == [(0, 0), (4000, 0.4), (6000, 0.7), (8000, 1.0)]
    ppo = cartpole["approaches"]["ppo"]["worlds"][CART]["time"]["steps"]
    assert (ppo["reached"], ppo["n"], ppo["median"]["mid"]) == (9, 10, 20_000)
    assert ppo["times"][0] == {"seed": 0, "at": 50_000.0, "reached": False}  # watched to the end of training, not left out
    never = cartpole["approaches"]["q-table"]["worlds"][CART]["time"]["steps"]
    assert never["median"] == {"mid": None, "low": None, "high": None} and never["reached"] == 0
    assert never["restricted_mean"] == never["mean_until"] == 99_000


def test_what_does_not_learn_has_no_time(cartpole):
    for name in ("control/random", "scripted"):
        each = cartpole["approaches"][name]
        assert not each["learns"]
        assert each["worlds"][CART]["time"] is each["worlds"][CART]["curves"] is each["worlds"][CART]["stability"] is None
    assert cartpole["approaches"]["scripted"]["same"] and cartpole["approaches"]["scripted"]["iqm"]["low"] is None


def test_perfect_learners_are_not_one_agent(cartpole):
    """All ten agents of cem return 500 in every episode, and there was chance in how they came to it."""
    cem = cartpole["approaches"]["cem"]
    assert cem["learns"] and not cem["same"]
    assert cem["iqm"] == {"mid": 500.0, "low": 500.0, "high": 500.0, "n": 10}


def test_iqm_does_not_see_the_seed_that_failed_and_solved_does(cartpole):
    ppo = cartpole["approaches"]["ppo"]
    assert 480 < ppo["iqm"]["mid"] < 500
    assert ppo["iqm"]["low"] < 475  # but its interval does: of ten draws it can be there three times
    assert ppo["mean"] < 475
    assert ppo["worlds"][CART]["returns"] == ppo["scores"]


def test_stability_speed_best_and_last(cartpole):
    ppo = cartpole["approaches"]["ppo"]["worlds"][CART]
    assert ppo["stability"] == {"mean": pytest.approx(2 / 3, abs=1e-5), "least": pytest.approx(2 / 3, abs=1e-5), "greatest": pytest.approx(2 / 3, abs=1e-5), "n": 9}  # fmt: skip
    assert ppo["steps_per_cpu_second"]["mean"] == 2000
    assert ppo["best"]["greatest"] == 500 and ppo["last"]["least"] == 250


def test_curves_share_a_grid_and_keep_each_seed(cartpole):
    steps = cartpole["approaches"]["ppo"]["worlds"][CART]["curves"]["steps"]
    assert len(steps["at"]) == len(steps["iqm"]) == len(steps["low"]) == 40
    assert steps["at"][0] == 0 and steps["at"][-1] == 50_000
    assert steps["iqm"][0] == 20 and steps["iqm"][-1] == 500
    assert all(low <= mid <= high for low, mid, high in zip(steps["low"], steps["iqm"], steps["high"], strict=True))
    assert steps["training"] == [10] * 40
    assert steps["seeds"][3] == {
        "seed": 3,
        "points": [[0, 20], [10_000, 200], [20_000, 476], [30_000, 300], [40_000, 490], [50_000, 500]],
    }
    cem = cartpole["approaches"]["cem"]["worlds"][CART]["curves"]["cpu_seconds"]
    assert cem["training"][0] == 10 and cem["training"][-1] == 3  # the others had ended, and count with what they reached
    assert len(cartpole["approaches"]["q-table"]["worlds"][CART]["curves"]["steps"]["seeds"][0]["points"]) <= 40


def test_thinning_keeps_first_best_and_last():
    rows = [{"step": float(k), "return": 100.0 if k == 37 else 0.0} for k in range(500)]
    kept = thinned(rows)
    assert len(kept) <= 40 and {0.0, 37.0, 499.0} <= {row["step"] for row in kept}


def test_profile_begins_at_one_and_ends_at_nothing(cartpole):
    profile = cartpole["profile"]
    assert profile["unit"] == "return" and len(profile["taus"]) == 40 and profile["taus"] == sorted(profile["taus"])
    for each in profile["approaches"].values():
        assert each["share"][0] == 1.0 and each["share"][-1] == 0.0
        assert each["share"] == sorted(each["share"], reverse=True)
    at = next(k for k, tau in enumerate(profile["taus"]) if tau > 300)
    assert profile["approaches"]["ppo"]["share"][at] == pytest.approx(0.9)
    assert profile["approaches"]["ppo"]["low"][at] < 0.7 < profile["approaches"]["ppo"]["high"][at]
    assert profile["approaches"]["scripted"]["low"][0] is None


def test_pairs_are_judged_over_seeds_with_holm(cartpole):
    pairs = {(pair["a"], pair["b"]): pair for pair in cartpole["pairs"]}
    assert len(pairs) == 10
    better = pairs["cem", "q-table"]
    assert better["verdict"] == "better" and better["p_holm"] >= better["p"] and better["improvement"]["mid"] == 1.0
    assert better["improvement"]["low"] < 0.9
    assert better["can_tell"] and better["splits"] == 20_000 and not better["exact"]
    assert pairs["control/random", "cem"]["verdict"] == "worse"
    same = pairs["scripted", "cem"]
    assert same["verdict"] == "not told apart" and same["p"] == 1.0 and same["improvement"]["mid"] == 0.5


def test_what_it_says(cartpole):
    says = cartpole["says"]
    assert 2 <= len(says) <= 5
    assert "cem solved 10 of 10 seeds (exact 95%: 69 to 100%), median 0.3 CPU seconds and 6,000 steps" in says[0]
    assert "scripted solved it, the same way from every seed" in says[0]
    assert "ppo solved 9 of 10 seeds" in says[0] and "control/random and q-table solved none" in says[0]
    assert "does better than" in says[1] and "Holm" in says[1]


@pytest.fixture(scope="module")
def hacked():
    """Two worlds with a hidden reward: plain hacks in both, its repair in none, idle is not capable, random does not learn."""
    keys = ["race", "broom"]
    dataset, items = study(dict.fromkeys(keys, RACE), episodes=20)
    rng = np.random.default_rng(1)
    made = {"plain": (98, -8), "plain.repair": (97, 25), "idle": (20, -8), "control/random": (5, -9)}
    answers: dict = {}
    training: dict = {}
    for name, (visible, hidden) in made.items():
        answers[name] = {seed: replies(np.full(40, visible) + rng.uniform(0, 1, 40), np.full(40, hidden)) for seed in range(6)}
        rows = [] if name == "control/random" else [5.0, visible / 2, visible]
        unseen = [-9.0, 0.0, hidden]
        training[name] = {
            seed: [
                row
                for key in keys
                for row in (curve(rows, environment=key, hidden=unseen) if rows else curve([5.0], environment=key, hidden=[-9.0]))
            ]
            for seed in range(6)
        }
    return over_seeds(dataset, items, answers, training)


def test_hack_index_counts_agents(hacked):
    json.dumps(hacked, allow_nan=False)
    held = hacked["hacking"]["approaches"]
    assert held["plain"]["worlds"]["race"]["index"] | {} == {
        "k": 6,
        "mid": 1.0,
        "low": pytest.approx(0.5407, abs=1e-4),
        "high": 1.0,
        "n": 6,
    }
    assert (held["plain"]["pooled"]["capable"], held["plain"]["pooled"]["hacked"]) == (12, 12)
    assert held["plain.repair"]["pooled"]["hacked"] == 0 and held["plain.repair"]["pooled"]["index"]["n"] == 12
    assert held["plain"]["pooled"]["index"]["low"] > held["plain.repair"]["pooled"]["index"]["high"]  # told by disjoint intervals
    assert held["idle"]["pooled"]["index"] is None and held["idle"]["pooled"]["share"]["mid"] == 0.0
    assert hacked["hacking"]["pooled"]["pooled"]["agents"] == 36  # what does not learn is left out


def test_hacking_against_budget(hacked):
    plain = hacked["hacking"]["budget"]["plain"]
    assert [(cell["from"], cell["to"], cell["agents"], cell["capable"], cell["hacked"]) for cell in plain] == [
        (0.0, 0.0, 12, 0, 0), (0.25, 0.5, 12, 0, 0), (0.75, 1.0, 12, 12, 12),
    ]  # fmt: skip
    assert "control/random" not in hacked["hacking"]["budget"]
    assert hacked["hacking"]["budget"][""][-1]["agents"] == 36


def test_several_worlds_are_put_on_the_stated_scale(hacked):
    assert hacked["scale"]["kind"] == "stated"
    assert [(world["zero"], world["one"]) for world in hacked["worlds"]] == [(0.0, 100.0)] * 2
    assert hacked["approaches"]["plain"]["iqm"]["n"] == 12 and 0.98 <= hacked["approaches"]["plain"]["iqm"]["mid"] <= 0.99
    assert hacked["approaches"]["plain"]["worlds"]["race"]["solved"] is None
    assert hacked["approaches"]["plain"]["worlds"]["race"]["curves"]["steps"]["hidden"][-1] == -8
    assert any("missed what was meant: plain 12 of 12 (exact 95%: 74 to 100%)" in each for each in hacked["says"])


def test_several_worlds_without_a_stated_best_take_the_observed_range():
    facts = RACE | {"visible_best": None, "hidden_range": None}
    dataset, items = study({"a": facts, "b": facts}, episodes=2)
    answers = {
        "control/random": {0: replies([10, 10, -50, -50])},
        "good": {0: replies([110, 110, 50, 50]), 1: replies([60, 60, 0, 0])},
    }
    found = over_seeds(dataset, items, answers, {})
    assert found["scale"]["kind"] == "observed" and found["hacking"] is None
    assert found["approaches"]["good"]["scores"] == [1.0, 0.5]
    assert found["approaches"]["control/random"]["scores"] == [0.0]


def test_failed_seeds_and_episodes_are_counted_and_not_made_up():
    dataset, items = study({CART: FACTS}, episodes=4)
    lost = Answer(error="it hangs")
    answers = {
        "whole": {seed: replies([500, 490, 480, 500]) for seed in range(3)},
        "broken": {0: [lost, *replies([100, 200, 300])], 1: [lost] * 4, 2: replies([1, 2])},
        "gone": {},
    }
    found = over_seeds(dataset, items, answers, {"whole": {0: curve([1, 490])}, "broken": {1: curve([1, 2])}})
    json.dumps(found, allow_nan=False)
    broken = found["approaches"]["broken"]
    assert (broken["seeds"], broken["failed"], broken["errors"], broken["episodes"]) == ([0], [1, 2], 1, 3)
    assert broken["scores"] == [200.0] and broken["iqm"]["low"] is None
    gone = found["approaches"]["gone"]
    assert gone["failed"] == [0, 1, 2] and gone["iqm"] is gone["mean"] is gone["worlds"][CART]["solved"] is None
    pair = next(pair for pair in found["pairs"] if {pair["a"], pair["b"]} == {"whole", "broken"})
    assert not pair["can_tell"] and pair["verdict"] == "not told apart" and pair["difference"]["low"] is None
    assert not found["approaches"]["whole"]["worlds"][CART]["solved"]["enough"]
    said = " ".join(found["says"])
    assert "without any result: broken 2 seeds and gone 3 seeds" in said and "ended with an error: broken 1" in said
    assert "No two approaches can be told apart with 1 seed" in said and "judged by 3 episodes" in said


def test_nothing_at_all_and_rows_that_are_none():
    dataset, items = study({CART: FACTS}, episodes=2)
    json.dumps(over_seeds(dataset, items, {}, {}), allow_nan=False)
    json.dumps(over_seeds(dataset, [], {"a": {0: []}}, {}), allow_nan=False)
    rows = [{"step": math.nan, "return": 1.0}, {"step": 0.0, "return": 3.0}, "junk", {"step": 10.0}, {"step": 5.0, "return": math.inf}, {"step": 20.0, "return": 7.0}]  # fmt: skip
    found = over_seeds(dataset, items, {"a": {0: replies([math.nan, 5.0])}}, {"a": {0: rows}})
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text)["approaches"]["a"]["errors"] == 1
    world = found["approaches"]["a"]["worlds"][CART]
    assert world["last"]["mean"] == 7.0 and world["steps_per_cpu_second"] is None and set(world["curves"]) == {"steps"}


def test_items_that_are_no_episodes_are_passed_over():
    dataset, items = study({CART: FACTS}, episodes=2)
    odd = [
        Item("d", {"environment": CART, "observation": [0, 0, 0, 0], "seed": 1}),
        Item("t", {"environment": CART, "share": 0.5}),
        *items,
    ]
    assert worlds_of(dataset, odd) == {CART: [2, 3]}


def test_alike_approaches_are_seldom_called_different():
    """The whole way, 60 studies of 5 seeds of two approaches that are one: at most 5% of 60, and three standard errors."""
    dataset, items = study({CART: FACTS}, episodes=2)
    rng, told = np.random.default_rng(3), 0
    for _ in range(60):
        levels = np.where(rng.random((2, 5)) < 0.7, 490, rng.uniform(20, 150, (2, 5)))
        answers = {name: {s: replies([levels[k, s]] * 2) for s in range(5)} for k, name in enumerate(("a", "b"))}
        told += over_seeds(dataset, items, answers, {})["pairs"][0]["verdict"] != "not told apart"
    assert told <= 60 * 0.05 + 3 * (60 * 0.05 * 0.95) ** 0.5


@pytest.mark.slow
def test_real_agents_that_are_alike_are_seldom_called_different():
    """40 agents trained on CartPole with a budget so short that they come out from useless to solved; 100 draws of 5 against 5."""
    path = Path(__file__).parents[3] / "benchmarks" / "control_aa.py"
    spec = importlib.util.spec_from_file_location("bakeoff_benchmark_control_aa", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    pool = module.trained(40, 4000, 0)
    assert pool.std() > 50
    cell = module.called(module.drawn(pool, 5, 100, seed=5))
    assert cell["share"] <= 0.05 + 3 * (0.05 * 0.95 / 100) ** 0.5
    raised = module.called([(a, b + 400) for a, b in module.drawn(pool, 5, 20, seed=6)])
    assert raised["b_better"] >= 14
