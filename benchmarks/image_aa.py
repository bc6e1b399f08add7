"""A/A on pictures: are two identical set-ups called different, and is a planted change of five points found?

    python benchmarks/image_aa.py [--networks 30] [--replays 1000] [--items 600] [--seeds 1 3 5] [--out FILE]

How cheap the replays are: for each of `--networks` seeds two small networks are really trained by the product's own `training.train`, the same set-up
on the same split (which differs from seed to seed) from different first weights and orders. Their answers to a common pool of test pictures
are kept, right or wrong. A replay draws `--seeds` of those pairs, `--items` of the pictures, and which network of each pair is "a"; what it calls the
two is the verdict of `bakeoff.measure.compare` on those per-item scores, as a study gives it. The planted change makes items of "b" right that
were wrong, the same items for all seeds, with the chance that lifts the accuracy of "b" over all items by five points.
Replays share networks and pictures, so that 1,000 of them say less than 1,000 studies would. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from bakeoff.contract import quiet
from bakeoff.measure.compare import compare
from bakeoff.measure.intervals import proportion

SIDE = 16
MARGIN = 0.02
PLANTED = 0.05


def pictures(n: int, seed: int) -> tuple[Any, Any]:
    """Discs, bars and rings of any colour on any ground, noisy enough that a small network errs; (n, 16, 16, 3) uint8 and (n,)."""
    import numpy as np

    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    kinds = draw.integers(0, 3, n)
    x = np.empty((n, SIDE, SIDE, 3), dtype=np.uint8)
    for index, kind in enumerate(kinds):
        ground, colour = draw.integers(0, 256, (2, 3))
        middle, radius = draw.uniform(0.35, 0.65, 2) * SIDE, draw.uniform(0.2, 0.36) * SIDE
        away = np.hypot(rows - middle[0], columns - middle[1])
        bar = (np.abs(rows - middle[0]) < radius / 3) & (np.abs(columns - middle[1]) < radius * 1.2)
        seen = bar if kind == 0 else (away < radius) & (away >= (radius * 0.6 if kind == 2 else 0))
        x[index] = np.clip(np.where(seen[..., None], colour, ground) + draw.normal(0, 30, (SIDE, SIDE, 3)), 0, 255)
    return x, kinds.astype(np.int64)


def outcomes(networks: int, pool: int) -> Any:
    """Right (1) or wrong (0) of two networks of the same set-up for each seed; shape (networks, 2, pool)."""
    import numpy as np
    import torch

    from bakeoff.tasks.images.networks import look_at, small_cnn
    from bakeoff.tasks.images.training import Recipe, train

    recipe = Recipe(epochs=12, batch_size=50, learning_rate=0.01, precision="float32")
    x, y = pictures(1800, seed=1)
    x_test, y_test = pictures(pool, seed=2)
    found = np.zeros((networks, 2, pool))
    for seed in range(networks):
        order = np.random.default_rng(seed).permutation(len(x))
        learn, held = order[:1000], order[1500:]
        for which in range(2):
            first = 1000 * (which + 1) + seed
            torch.manual_seed(first)
            network = small_cnn(3, SIDE, blocks=2, width=0.5)
            look_at(network, torch.from_numpy(x[learn]))
            train(network, x[learn], y[learn], x[held], y[held], recipe, labels=3, seed=first, progress=quiet)
            with torch.inference_mode():
                logits = network(torch.from_numpy(x_test).permute(0, 3, 1, 2).float() / 255)
            found[seed, which] = logits.argmax(1).numpy() == y_test
    return found


def replay(found: Any, replays: int, items: int, seeds: int, *, seed: int) -> dict[str, int]:
    """How often identical set-ups are called no different, and a planted change is found, in the right direction."""
    import numpy as np

    draw = np.random.default_rng(seed)
    counts = {"no difference": 0, "found": 0, "found the wrong way": 0}
    for _ in range(replays):
        pairs = draw.choice(len(found), seeds, replace=False)
        columns = draw.choice(found.shape[2], items, replace=False)
        first = draw.integers(0, 2, seeds)
        a, b = found[pairs, first][:, columns], found[pairs, 1 - first][:, columns]
        counts["no difference"] += compare(a, b, margin=MARGIN).verdict not in ("superior", "inferior")
        mended = draw.random(items) < PLANTED / (1 - b.mean())
        verdict = compare(a, np.maximum(b, mended), margin=MARGIN).verdict
        counts["found"] += verdict == "inferior"
        counts["found the wrong way"] += verdict == "superior"
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=30)
    parser.add_argument("--replays", type=int, default=1000)
    parser.add_argument("--pool", type=int, default=3000)
    parser.add_argument("--items", type=int, default=600)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 3, 5])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    cpu = time.process_time()
    found = outcomes(given.networks, given.pool)
    accuracy = found.mean((1, 2))
    spread = found.mean(2).std()
    if found.mean() > 1 - 2 * PLANTED:
        raise SystemExit("The networks err too seldom for five points to be planted.")
    print(f"{found.shape[0] * 2} networks: accuracy {found.mean():.1%} on average, {accuracy.min():.1%} to {accuracy.max():.1%} by split, "
          f"standard deviation {100 * spread:.1f} points, {time.process_time() - cpu:.0f} CPU seconds")  # fmt: skip
    document: dict[str, Any] = {"accuracy": found.mean(), "networks": 2 * given.networks, "replays": given.replays, "cells": []}
    for seeds in given.seeds:
        counts = replay(found, given.replays, given.items, seeds, seed=seeds)
        cell: dict[str, Any] = {"seeds": seeds, "items": given.items} | counts
        for name in ("no difference", "found"):
            share = proportion(counts[name], given.replays)
            cell[name] = {"share": share.mid, "low": share.low, "high": share.high}
        document["cells"].append(cell)
        same, planted = cell["no difference"], cell["found"]
        print(f"{seeds} seed{'s' if seeds > 1 else ''}, {given.items} items: identical called no different in {same['share']:.1%} "
              f"({same['low']:.1%} to {same['high']:.1%}); +5 points found in {planted['share']:.1%} "
              f"({planted['low']:.1%} to {planted['high']:.1%}), the wrong way {counts['found the wrong way']} times")  # fmt: skip
    if given.out:
        given.out.write_text(json.dumps(document, indent=1), encoding="utf-8")
    print(json.dumps(document))


if __name__ == "__main__":
    main()
