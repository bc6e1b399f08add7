"""What Bakeoff costs on top of Stable-Baselines3: the training speed of the same PPO, A2C or DQN with it and without it.

Training through Bakeoff is ``agent.fit`` with one evaluation and no checkpoint folder, the time of evaluations left out
(`Course.cpu_seconds`, which the report shows). Training without it is a plain script: Stable-Baselines3's class with the same settings and
seed on its DummyVecEnv of ``gymnasium.make``, and ``learn``. Both run in this process by turns, A B A B, after one unmeasured turn of each; a
pair is neighbours, and turns are short because the load of a machine drifts. Measured are CPU seconds. The ratio is the mean of A
over the mean of B, its interval a paired bootstrap over pairs (10,000 draws, 2.5th to 97.5th percentile).

``--checker`` keeps Gymnasium's passive environment checker in the plain script, as ``gymnasium.make`` has it by default; without it the
plain script is as fast as it can be.

    python benchmarks/sb3_overhead.py [--agent ppo] [--steps 6000] [--pairs 24] [--checker] [--most 1.03]

The last line is one JSON document. Compare only the ratio; the seconds are this machine's. Ends with 1 where the ratio is above `--most`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

ENVIRONMENT = "CartPole-v1"


def through(agent: Any, seed: int) -> float:
    """CPU seconds of a training through Bakeoff, without evaluations."""
    from bakeoff.contract import Item, quiet

    train = [Item("train-0", {"environment": ENVIRONMENT, "share": 1.0})]
    valid = [Item("valid-0", {"environment": ENVIRONMENT, "seed": 500_000})]
    agent.fit(train, valid, seed=seed, progress=quiet)
    return float(agent.chosen_["train_cpu_seconds"])


def without(agent: Any, seed: int, *, checker: bool) -> float:
    """CPU seconds of the plain script: the model is made and learns."""
    import gymnasium
    import stable_baselines3
    from stable_baselines3.common.vec_env import DummyVecEnv

    count, keywords, total = agent._plan(agent.steps)
    began = time.process_time()
    envs = DummyVecEnv([lambda: gymnasium.make(ENVIRONMENT, disable_env_checker=not checker)] * count)
    made = getattr(stable_baselines3, agent.algorithm)(
        "MlpPolicy", envs, seed=seed, device="cpu", policy_kwargs={"net_arch": list(agent.hidden)}, **keywords
    )
    made.learn(total)
    envs.close()
    return time.process_time() - began


def interval(ours: list[float], theirs: list[float], *, draws: int = 10_000) -> tuple[float, float, float]:
    """Ratio of the means and its 95% interval by a paired bootstrap; deterministic."""
    import numpy as np

    a, b = np.asarray(ours), np.asarray(theirs)
    picked = np.random.default_rng(0).integers(len(a), size=(draws, len(a)))
    low, high = np.percentile(a[picked].mean(axis=1) / b[picked].mean(axis=1), [2.5, 97.5])
    return float(a.mean() / b.mean()), float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent", choices=("ppo", "a2c", "dqn"), default="ppo")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--checker", action="store_true")
    parser.add_argument("--most", type=float, default=1.03)
    given = parser.parse_args()
    import torch

    from bakeoff.models.threads import threads
    from bakeoff.tasks.control import sb3_agents

    torch.set_num_threads(threads())
    agent = getattr(sb3_agents, given.agent.upper())(steps=given.steps, evaluations=1)
    steps = agent._plan(given.steps)[2]
    short = getattr(sb3_agents, given.agent.upper())(steps=min(given.steps, 3000), evaluations=1)
    through(short, 0)
    without(short, 0, checker=given.checker)
    ours, whole, theirs = [], [], []
    for pair in range(given.pairs):
        began = time.process_time()
        ours.append(through(agent, pair))
        whole.append(time.process_time() - began)
        theirs.append(without(agent, pair, checker=given.checker))
        print(
            f"pair {pair}: through Bakeoff {1e6 * ours[-1] / steps:.1f}, plain {1e6 * theirs[-1] / steps:.1f} CPU microseconds a step,"
            f" ratio {ours[-1] / theirs[-1]:.4f}, load {os.getloadavg()[0]:.2f}",
            flush=True,
        )
    ratio, low, high = interval(ours, theirs)
    told, told_low, told_high = interval(whole, theirs)
    print(f"{' '.join(['python', *sys.argv])}: {given.pairs} pairs of {steps:,} steps, {threads()} thread, CPU seconds")
    print(
        f"training: ratio {ratio:.4f} ({low:.4f} to {high:.4f}); with opening, evaluations and the rest of fit {told:.4f} ({told_low:.4f} to {told_high:.4f})"
    )
    print(
        json.dumps(
            {
                "benchmark": "sb3_overhead", "agent": given.agent, "environment": ENVIRONMENT, "steps": steps, "pairs": given.pairs,
                "checker": given.checker, "threads": threads(), "load": os.getloadavg()[0], "through_cpu_seconds": ours, "plain_cpu_seconds": theirs,
                "ratio": ratio, "low": low, "high": high, "whole_ratio": told, "whole_low": told_low, "whole_high": told_high,
            }
        )
    )  # fmt: skip
    if ratio > given.most:
        sys.exit(1)


if __name__ == "__main__":
    main()
