"""Are the verdicts of the change ledger true? Replays of studies whose answer is known.

    OMP_NUM_THREADS=1 python benchmarks/change_ledger.py [--replays 200] [--trained 100]

1. A/A: two identical set-ups under different seeds. At most 5% of replays may call them different.
2. A planted change of +5 points at the size of a study of pictures (630 items in 90 groups, 3 seeds). At least 80% have to find it.
3. What is foretold: at the difference that `bakeoff.measure.detectable` names, 80% of drawn studies have to find it.

Scores are drawn (right or wrong by a latent normal with parts that items of a group share, that recur at every seed, and that one
training brings), and, for 1 and 2, also come from really trained small networks: 1,200 training items, one hidden layer, another
initialisation and order at each seed. There the change is planted by turning answers right, with a probability that adds 5 points.
Intervals are exact (Clopper-Pearson). About 2 minutes of one core.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
from scipy.special import ndtri

from bakeoff.measure.compare import compare, family
from bakeoff.measure.detectable import Wobble, detectable, forecast
from bakeoff.measure.intervals import proportion

GROUPS, EACH, SEEDS, PLANTED = 90, 7, 3, 0.05


def drawn(rng: np.random.Generator, recurring: float, alike: float, change: float, arms: int = 2, seeds: int = SEEDS) -> list:
    """Tables of right answers (seeds, items) of set-ups that differ by `change` from the first one; about 12% discordant."""
    labels = np.repeat(np.arange(GROUPS), EACH)

    def part(share: float) -> np.ndarray:
        return np.sqrt(share) * rng.normal(size=GROUPS)[labels] + np.sqrt(1 - share) * rng.normal(size=len(labels))

    hard, tables = part(0.4), []
    for arm in range(arms):
        own, threshold = part(alike), ndtri(0.8 + (change if arm == 1 else 0.0))
        rows = [
            np.sqrt(0.85) * hard + np.sqrt(0.15) * (np.sqrt(recurring) * own + np.sqrt(1 - recurring) * part(alike)) < threshold
            for _ in range(seeds)
        ]
        tables.append(np.array(rows, dtype=float))
    return tables


def trained(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One study with really trained networks: two tables of the same set-up under other seeds, and the group of each item."""
    from sklearn.neural_network import MLPClassifier

    labels = np.repeat(np.arange(GROUPS), EACH)
    centres = rng.normal(size=(10, 12)) * 0.75

    def items(groups: int) -> tuple[np.ndarray, np.ndarray]:
        kinds = rng.integers(0, 10, groups)
        own = centres[kinds] + 0.55 * rng.normal(size=(groups, 12))
        return np.repeat(own, EACH, 0) + 0.55 * rng.normal(size=(groups * EACH, 12)), np.repeat(kinds, EACH)

    x, y = items(171)
    tests, truth = items(GROUPS)
    rows = []
    for _ in range(2 * SEEDS):
        network = MLPClassifier((24,), max_iter=12, learning_rate_init=0.01, random_state=int(rng.integers(2**31)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows.append((network.fit(x, y).predict(tests) == truth).astype(float))
    return np.array(rows[:SEEDS]), np.array(rows[SEEDS:]), labels


def improved(rng: np.random.Generator, table: np.ndarray) -> np.ndarray:
    """The table with wrong answers turned right, half by item and half by answer, so that 5 points are added on average."""
    chance = PLANTED / (1 - table.mean())
    luck = np.where(rng.random(table.shape) < 0.5, rng.random(table.shape[1])[None, :], rng.random(table.shape))
    return np.where((table == 0) & (luck < chance), 1.0, table)


def say(what: str, hits: int, of: int, wanted: str) -> None:
    """One line with an exact interval."""
    share = proportion(hits, of, method="clopper-pearson")
    print(f"{what:<74} {share.mid:6.1%} ({share.low:.1%} to {share.high:.1%}) of {of}; wanted: {wanted}", flush=True)


def main() -> None:
    """Run the replays and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replays", type=int, default=200)
    parser.add_argument("--trained", type=int, default=100)
    given = parser.parse_args()
    clusters = np.repeat(np.arange(GROUPS), EACH).tolist()

    def test(a: np.ndarray, b: np.ndarray) -> bool:
        return compare(b, a, clusters=clusters, margin=0.02).p < 0.05

    rng = np.random.default_rng(0)
    for recurring in (0.0, 0.1, 0.4):
        hits = sum(test(*drawn(rng, recurring, 0.1, 0.0)) for _ in range(given.replays))
        say(f"A/A, drawn, {recurring:.0%} recurring: called different", hits, given.replays, "at most 5%")
    for recurring in (0.0, 0.1, 0.4):
        hits = sum(test(*drawn(rng, recurring, 0.1, PLANTED)) for _ in range(given.replays))
        say(f"+5 points, drawn, {recurring:.0%} recurring: found", hits, given.replays, "at least 80%")
    for seeds in (SEEDS, 5):
        found = false = 0
        for _ in range(given.replays):
            base, *rest = drawn(rng, 0.1, 0.1, PLANTED, arms=6, seeds=seeds)
            judged = [one.p < 0.05 for one in family([compare(one, base, clusters=clusters, margin=0.02) for one in rest])]
            found, false = found + judged[0], false + any(judged[1:])
        say(f"+5 points among five changes (Holm), drawn, {seeds} seeds: found", found, given.replays, "no bar: shown")
        say("the other four, which change nothing: any called different", false, given.replays, "at most 5%")
    studies = [trained(rng) for _ in range(given.trained)]
    level = np.mean([a.mean() for a, _, _ in studies])
    apart = np.mean([(a != b).mean() for a, b, _ in studies])
    print(f"trained networks: accuracy {level:.3f}, discordance of two trainings {apart:.3f}")
    say("A/A, trained networks: called different", sum(test(a, b) for a, b, _ in studies), given.trained, "at most 5%")
    hits = sum(test(a, improved(rng, b)) for a, b, _ in studies)
    say("+5 points, trained networks: found", hits, given.trained, "at least 80%")
    for wobble in (Wobble(0.12, 0.0, 0.1), Wobble(0.12, 0.1, 0.1, 0.0001), Wobble(0.12, 0.4, 0.1, 0.0004)):
        spread = forecast(wobble, GROUPS * EACH, SEEDS, clusters)
        size = detectable(spread) or 1.0
        hits = 0
        for _ in range(given.replays):
            hits += (
                compare(normal_scores(rng, wobble, size), np.zeros((SEEDS, GROUPS * EACH)), clusters=clusters, margin=0.02).p
                < 0.05
            )
        what = f"foretold {size * 100:.1f} points, {wobble.recurring:.0%} recurring, sd by seed {wobble.by_seed**0.5 * 100:.0f}: found"
        say(what, hits, given.replays, "80%")


def normal_scores(rng: np.random.Generator, wobble: Wobble, size: float) -> np.ndarray:
    """Paired differences (seeds, items) with exactly these variances and this mean."""
    labels = np.repeat(np.arange(GROUPS), EACH)

    def part(variance: float) -> np.ndarray:
        own, each = rng.normal(size=GROUPS)[labels], rng.normal(size=len(labels))
        return np.sqrt(variance) * (np.sqrt(wobble.alike) * own + np.sqrt(1 - wobble.alike) * each)

    recurring = part(wobble.discordance * wobble.recurring)
    rows = [part(wobble.discordance * (1 - wobble.recurring)) + wobble.by_seed**0.5 * rng.normal() for _ in range(SEEDS)]
    return size + recurring + np.array(rows)


if __name__ == "__main__":
    main()
