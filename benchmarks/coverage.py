"""How often do Bakeoff's 95% intervals cover, and how often are identical approaches told apart?

    python benchmarks/coverage.py                       # every cell, a few minutes on one core
    python benchmarks/coverage.py --studies 500 --cells mean,difference

Each cell is one kind of study, simulated many times. An item is right when its latent difficulty is below the
approach's ability at that seed: difficulty is partly shared by all approaches, partly by all seeds of one
approach, partly by nothing; so approaches agree on most items, as real ones do. Ability varies between
seeds, half of it shared by the approaches (they share the training split). Clusters share part of the difficulty.

An interval covers when it holds the truth it claims: for one seed, this fitted model over the
population of items; for several, the approach over items and seeds. "Told apart" is a superior or inferior
verdict for any of the 15 pairs of six approaches that are the same.

Cells are "ok" in the band (93.5 to 96.5%; told apart at most 5%), "near" within two Monte-Carlo standard errors of it,
else ABOVE or BELOW. The last line is JSON. Exit code 3 if a cell is too bold: an interval BELOW, told apart ABOVE.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np

from bakeoff.measure.compare import compare
from bakeoff.measure.crossed import Crossed, cluster_df, crossed, interval_ends, linearised, score_interval, t_quantile, t_tail
from bakeoff.measure.intervals import Z95, mean_interval
from bakeoff.measure.paired_proportions import tango_interval, tango_z
from bakeoff.measure.resample import resampled

LOW, HIGH, APART = 93.5, 96.5, 5.0
KINDS = ("mean", "difference", "brier", "log_loss", "macro_f1", "macro_f1_difference", "told_apart")
CONTRASTS = ("mean_naive", "macro_f1_percentile")  # what Bakeoff does not print: all cells independent, Efron's percentiles
SHARED, OWN = 0.6, 0.2  # shares of an item's latent variance: all approaches, all seeds of one approach
CLASSES = (0.5, 0.3, 0.2)
CLUSTER = 5
CHUNK = 250


@dataclass(frozen=True)
class Cell:
    """One kind of study. `seed_sd` is the standard deviation of true accuracy between seeds; `icc` is latent."""

    n: int
    accuracy: float
    seeds: int
    seed_sd: float
    icc: float


@dataclass(frozen=True)
class Row:
    """What came of one cell: per cent, with its Monte-Carlo standard error."""

    kind: str
    cell: Cell
    percent: float
    error: float

    @property
    def verdict(self) -> str:
        if self.kind in CONTRASTS:
            return "contrast"
        low, high = (-1.0, APART) if self.kind == "told_apart" else (LOW, HIGH)
        if low <= self.percent <= high:
            return "ok"
        if low - 2 * self.error <= self.percent <= high + 2 * self.error:
            return "near"
        return "BELOW" if self.percent < low else "ABOVE"


@dataclass(frozen=True)
class Draw:
    """Simulated studies: latent margins (studies, approaches, seeds, items), right where above 0; abilities behind them."""

    margin: np.ndarray
    ability: np.ndarray
    labels: np.ndarray | None


def draw(rng: np.random.Generator, studies: int, cell: Cell, accuracies: tuple[float, ...]) -> Draw:
    """Simulate `studies` studies of approaches with these true accuracies over items and seeds."""

    n, many = cell.n, len(accuracies)
    labels = None
    if cell.icc:
        groups = n // CLUSTER
        labels = np.repeat(np.arange(groups), rng.multinomial(n - groups, np.full(groups, 1 / groups)) + 1)

    def difficulty(shape: tuple[int, ...]) -> np.ndarray:
        own = rng.standard_normal((*shape, n), dtype=np.float32)
        if labels is None:
            return own
        common = rng.standard_normal((*shape, labels[-1] + 1), dtype=np.float32)[..., labels]
        return np.float32(math.sqrt(1 - cell.icc)) * own + np.float32(math.sqrt(cell.icc)) * common

    latent = np.float32(math.sqrt(SHARED)) * difficulty((studies, 1, 1)) + np.float32(math.sqrt(OWN)) * difficulty(
        (studies, many, 1)
    )
    noise = rng.standard_normal((studies, many, cell.seeds, n), dtype=np.float32)
    noise *= np.float32(math.sqrt(1 - SHARED - OWN))
    noise += latent
    centre, sd = ability_of(np.asarray(accuracies), cell.seed_sd)
    wobble = math.sqrt(0.5) * (rng.standard_normal((studies, 1, cell.seeds)) + rng.standard_normal((studies, many, cell.seeds)))
    ability = centre[:, None] + sd[:, None] * wobble
    return Draw(ability[..., None].astype(np.float32) - noise, ability, labels)


def ability_of(accuracy: np.ndarray, seed_sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of latent ability with this mean accuracy over seeds."""
    from scipy.special import ndtri

    plain = ndtri(accuracy)
    sd = seed_sd / (np.exp(-(plain**2) / 2) / math.sqrt(2 * math.pi))
    return plain * np.sqrt(1 + sd**2), sd


def brier(margin: np.ndarray) -> np.ndarray:
    """A skewed score in [0, 1]: squared error of the probability given to the truth."""
    return (1 / (1 + np.exp(1.7 * margin))) ** 2


def log_loss(margin: np.ndarray) -> np.ndarray:
    """A skewed score without an upper end."""
    return np.logaddexp(0, -1.7 * margin)


def expected(score, ability: np.ndarray, spread: float = 1.0) -> np.ndarray:
    """Expectation of ``score(margin)`` for margin ~ Normal(ability, spread), by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    return (score(np.asarray(ability)[..., None] + spread * nodes) * weights).sum(-1) / weights.sum()


def student(table: Crossed) -> tuple[np.ndarray, np.ndarray]:
    half = t_quantile(table.df(), 0.975) * np.sqrt(table.variance())
    return table.mid - half, table.mid + half


def mean_ends(right: np.ndarray, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """`mean_interval` for 0/1 scores of shape (studies, seeds, items), all studies at once."""
    seeds, n = right.shape[1:]
    if seeds == 1 and labels is None:
        share = right.mean((1, 2))
        return score_interval(share, share * (1 - share) / n, Z95, least=n, most=n)
    table = crossed(linearised(right, labels), tails=labels is not None and seeds > 1, most_df=cluster_df(labels))
    low, high = score_interval(table.mid, table.variance(), t_quantile(table.df(), 0.975), least=table.n, most=n * seeds)
    for i in np.flatnonzero((right == right[:, :1]).all((1, 2)) & (seeds > 1)):
        one = mean_interval(right[i], labels)
        low[i], high[i] = one.low, one.high
    return low, high


def difference_ends(gap: np.ndarray, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`compare`'s interval and p for differences of 0/1 scores, all studies at once."""
    from scipy.special import ndtr

    n = gap.shape[2]
    table = crossed(linearised(gap, labels), most_df=cluster_df(labels))
    low, high = student(table)
    error = np.sqrt(table.variance())
    p = 2 * t_tail(table.df(careful=True), np.divide(np.abs(table.mid), error, out=np.zeros_like(error), where=error > 0))
    alike = (gap == gap[:, :1]).all((1, 2))
    if labels is None and alike.any():
        a, b = (gap[alike, 0] > 0).sum(-1), (gap[alike, 0] < 0).sum(-1)
        ends = tango_interval(a, b, n, Z95)
        some = a + b > 0
        low[alike], high[alike] = np.where(some, ends[0], 0), np.where(some, ends[1], 0)
        p[alike] = 2 * ndtr(-np.abs(tango_z(a, b, n, 0.0)))
    return low, high, np.minimum(p, 1)


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Macro F1 of confusion tables (..., truth, answer)."""
    hits = np.einsum("...ii->...i", counts)
    total = counts.sum(-1) + counts.sum(-2)
    return np.where(total > 0, 2 * hits / np.maximum(total, 1e-12), 0.0).mean(-1)


def true_macro_f1(accuracy: np.ndarray) -> np.ndarray:
    """Of an approach that is right with this probability in every class and errs to the two others alike."""
    k = len(CLASSES)
    wrong = (np.ones((k, k)) - np.eye(k)) / (k - 1)
    share = np.asarray(accuracy)[..., None, None]
    return macro_f1(np.asarray(CLASSES)[:, None] * (share * np.eye(k) + (1 - share) * wrong))


def macro_f1_tables(rng: np.random.Generator, sample: Draw, resamples: int) -> tuple[Crossed, Crossed, np.ndarray]:
    """What `bootstrap_crossed` finds for macro F1 of approach a and for a - b, all studies at once; percentiles of a's resamples."""
    right = sample.margin > 0
    studies, many, seeds, n = right.shape
    k = len(CLASSES)
    truth = rng.choice(k, p=CLASSES, size=(studies, 1, 1, n))
    slip = 1 + (rng.random((studies, 1, 1, n)) < 0.5)
    code = truth * k + np.where(right, truth, (truth + slip) % k)
    hot = (code.reshape(-1, n).T[..., None] == np.arange(k * k)).astype(np.float32).reshape(n, -1)
    picks = resampled(n, sample.labels, seed=int(rng.integers(2**31)), resamples=resamples)
    weights = np.stack([np.ones(n)] + [np.bincount(pick, minlength=n) for pick in picks]).astype(np.float32)
    f1 = macro_f1((weights @ hot).reshape(resamples + 1, studies, many, seeds, k, k))
    groups = n if sample.labels is None else int(sample.labels[-1]) + 1
    return (
        _boot(f1[:, :, 0], groups),
        _boot(f1[:, :, 0] - f1[:, :, 1], groups),
        np.quantile(f1[1:, :, 0].mean(-1), [0.025, 0.975], axis=0),
    )


def _boot(f1: np.ndarray, n: int) -> Crossed:
    seen, drawn = f1[0], f1[1:]
    seeds, scale = seen.shape[-1], n / (n - 1)
    item = drawn.mean(-1).var(0, ddof=1) * scale * n * seeds
    if seeds == 1:
        return Crossed(seen.mean(-1), item, np.zeros_like(item), np.zeros_like(item), n, 1)
    about = (drawn - drawn.mean(-1, keepdims=True)).var(0, ddof=1).mean(-1) * seeds / (seeds - 1) * scale
    return Crossed(seen.mean(-1), item, seen.var(-1, ddof=1) * n, about * n, n, seeds)


def covers(ends: tuple[np.ndarray, np.ndarray], truth: np.ndarray | float) -> np.ndarray:
    return (ends[0] - 1e-9 <= truth) & (truth <= ends[1] + 1e-9)


def run_cell(kinds: set[str], cell: Cell, studies: int, rng: np.random.Generator, resamples: int) -> list[Row]:
    """Simulate one cell; one row for each kind of interval asked for."""
    from scipy.special import ndtr

    hits: dict[str, list[np.ndarray]] = {}
    a, b = cell.accuracy, cell.accuracy - 0.02
    centre, sd = ability_of(np.asarray([a, b]), cell.seed_sd)
    for start in range(0, studies, CHUNK):
        size = min(CHUNK, studies - start)
        sample = draw(rng, size, cell, (a, b))
        right = (sample.margin > 0).astype(np.float64)
        if cell.seeds == 1:
            known = ndtr(sample.ability[..., 0])
            truth_a, truth_gap = known[:, 0], known[:, 0] - known[:, 1]
        else:
            truth_a, truth_gap = a, a - b
        if "mean" in kinds:
            hits.setdefault("mean", []).append(covers(mean_ends(right[:, 0], sample.labels), truth_a))
        if "mean_naive" in kinds:
            share = right[:, 0].mean((1, 2))
            half = Z95 * np.sqrt(share * (1 - share) / (cell.n * cell.seeds))
            hits.setdefault("mean_naive", []).append(covers((share - half, share + half), truth_a))
        if "difference" in kinds:
            hits.setdefault("difference", []).append(
                covers(difference_ends(right[:, 0] - right[:, 1], sample.labels)[:2], truth_gap)
            )
        for name, score in (("brier", brier), ("log_loss", log_loss)):
            if name in kinds:
                at = (sample.ability[:, 0, 0], 1.0) if cell.seeds == 1 else (centre[0], math.hypot(1.0, sd[0]))
                table = crossed(
                    linearised(score(sample.margin[:, 0].astype(np.float64)), sample.labels),
                    tails=True,
                    most_df=cluster_df(sample.labels),
                )
                bounds = (0.0, 1.0) if name == "brier" else (0.0, math.inf)
                ends = interval_ends(table.mid, table.variance(), t_quantile(table.df(), 0.975), bounds=bounds, least=table.n)
                hits.setdefault(name, []).append(covers(ends, expected(score, *at)))
        if kinds & {"macro_f1", "macro_f1_difference", "macro_f1_percentile"}:
            single, gap, percentiles = macro_f1_tables(rng, sample, resamples)
            if cell.seeds == 1:
                true_f1 = true_macro_f1(known)
                goals = true_f1[:, 0], true_f1[:, 0] - true_f1[:, 1]
            else:
                both = [expected(lambda ability: true_macro_f1(ndtr(ability)), centre[i], sd[i]) for i in (0, 1)]
                goals = both[0], both[0] - both[1]
            critical = t_quantile(single.df(), 0.975)
            ends = interval_ends(single.mid, single.variance(), critical, bounds=(0.0, 1.0), least=single.n)
            hits.setdefault("macro_f1", []).append(covers(ends, goals[0]))
            hits.setdefault("macro_f1_percentile", []).append(covers(tuple(percentiles), goals[0]))
            hits.setdefault("macro_f1_difference", []).append(covers(student(gap), goals[1]))
    return [_row(kind, cell, np.concatenate(parts)) for kind, parts in hits.items() if kind in kinds]


def run_family(cell: Cell, studies: int, rng: np.random.Generator, approaches: int = 6) -> Row:
    """How often any of the pairs of identical approaches is called superior or inferior, after Holm."""
    apart = []
    for start in range(0, studies, CHUNK):
        sample = draw(rng, min(CHUNK, studies - start), cell, (cell.accuracy,) * approaches)
        right = (sample.margin > 0).astype(np.float64)
        pairs = list(combinations(range(approaches), 2))
        least = np.min([difference_ends(right[:, i] - right[:, j], sample.labels)[2] for i, j in pairs], axis=0)
        apart.append(least * len(pairs) < 0.05)  # Holm rejects something exactly when its first step does
    return _row("told_apart", cell, np.concatenate(apart))


def _row(kind: str, cell: Cell, hits: np.ndarray) -> Row:
    share = float(hits.mean())
    return Row(kind, cell, 100 * share, 100 * math.sqrt(max(share * (1 - share), 1e-4) / len(hits)))


def grid(kinds: set[str], sizes: tuple[int, ...], accuracies: tuple[float, ...]) -> Iterator[tuple[set[str], Cell]]:
    """Which kinds to simulate at which cells. One seed says nothing about seeds: its cells differ by nothing else."""
    for icc in (0.0, 0.4):
        for seeds, seed_sd in ((1, 0.01), (3, 0.0), (3, 0.005), (3, 0.01), (5, 0.0), (5, 0.005), (5, 0.01)):
            for n in sizes:
                for accuracy in accuracies:
                    wanted = kinds & {"mean", "difference", "mean_naive"}
                    if (seeds, seed_sd) in ((1, 0.01), (3, 0.005)):
                        wanted |= kinds & {"brier", "log_loss", "macro_f1", "macro_f1_difference", "macro_f1_percentile"}
                    yield wanted, Cell(n, accuracy, seeds, seed_sd, icc)
        for seeds, seed_sd in ((1, 0.0), (3, 0.0), (3, 0.01), (5, 0.01)):
            for n in sizes:
                for accuracy in accuracies:
                    yield kinds & {"told_apart"}, Cell(n, accuracy, seeds, seed_sd, icc)


def agrees(rng: np.random.Generator, studies: int = 20) -> None:
    """The batched arithmetic above is what the public functions print; stop if it is not."""
    for cell in (
        Cell(100, 0.85, 1, 0, 0.0),
        Cell(100, 0.95, 3, 0.01, 0.0),
        Cell(100, 0.85, 1, 0, 0.4),
        Cell(100, 0.85, 3, 0.01, 0.4),
    ):
        sample = draw(rng, studies, cell, (cell.accuracy, cell.accuracy))
        right = (sample.margin > 0).astype(float)
        means = np.stack(mean_ends(right[:, 0], sample.labels), -1)
        gaps = np.stack(difference_ends(right[:, 0] - right[:, 1], sample.labels), -1)
        for i in range(studies):
            one = mean_interval(right[i, 0], sample.labels)
            pair = compare(right[i, 0], right[i, 1], clusters=sample.labels, margin=0.02)
            np.testing.assert_allclose(means[i], (one.low, one.high), atol=1e-9)
            np.testing.assert_allclose(gaps[i], (pair.difference.low, pair.difference.high, pair.p_raw), atol=1e-9)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000, help="simulated studies per cell (default 2000)")
    parser.add_argument("--cells", default=",".join(KINDS), help=f"kinds, comma-separated: {', '.join(KINDS + CONTRASTS)}")
    parser.add_argument("--sizes", default="100,200,500,1000", help="numbers of test items")
    parser.add_argument("--accuracies", default="0.6,0.75,0.85,0.95")
    parser.add_argument("--resamples", type=int, default=200, help="bootstrap resamples in macro F1 cells")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    kinds = set(given.cells.split(","))
    if unknown := kinds - {*KINDS, *CONTRASTS}:
        parser.error(f"unknown kinds: {', '.join(sorted(unknown))}")
    sizes = tuple(int(n) for n in given.sizes.split(","))
    accuracies = tuple(float(share) for share in given.accuracies.split(","))
    rng = np.random.default_rng(given.seed)
    agrees(rng)
    rows: list[Row] = []
    print(f"{'kind':<20} {'n':>5} {'acc':>5} {'seeds':>5} {'sd':>6} {'icc':>4}   per cent (Monte-Carlo error)")
    for wanted, cell in grid(kinds, sizes, accuracies):
        if not wanted:
            continue
        done = (
            [run_family(cell, given.studies, rng)]
            if "told_apart" in wanted
            else run_cell(wanted, cell, given.studies, rng, given.resamples)
        )
        for row in done:
            rows.append(row)
            print(
                f"{row.kind:<20} {cell.n:>5} {cell.accuracy:>5} {cell.seeds:>5} {cell.seed_sd:>6} {cell.icc:>4}   "
                f"{row.percent:5.1f} ({row.error:.1f}) {row.verdict}",
                flush=True,
            )
    summary = {
        kind: {
            "cells": len(of),
            "lowest": round(min(row.percent for row in of), 2),
            "mean": round(float(np.mean([row.percent for row in of])), 2),
            "highest": round(max(row.percent for row in of), 2),
            **{word: sum(row.verdict == word for row in of) for word in ("ok", "near", "BELOW", "ABOVE")},
        }
        for kind in KINDS + CONTRASTS
        if (of := [row for row in rows if row.kind == kind])
    }
    for kind, line in summary.items():
        print(kind, line)
    missed = [
        {"kind": row.kind, **asdict(row.cell), "percent": round(row.percent, 2)}
        for row in rows
        if row.verdict in ("BELOW", "ABOVE")
    ]
    print(
        json.dumps({"studies": given.studies, "band": [LOW, HIGH], "summary": summary, "missed": missed}, separators=(",", ":"))
    )
    bold = [row for row in rows if row.verdict == ("ABOVE" if row.kind == "told_apart" else "BELOW")]
    return 3 if bold else 0


if __name__ == "__main__":
    sys.exit(main())
