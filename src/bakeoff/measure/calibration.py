"""Do probabilities mean what they say? Reliability, expected calibration error and its floor, abstaining, temperature.

Brier and log loss come first (``classification.py``): they are proper scores. The expected calibration error (ECE) is
easier to read and easier to misread: with few items it is far from 0 even for a perfectly calibrated model, because
the accuracy in each bin is noisy. So an ECE is never given without `perfect_floor`: what a perfect model would show.

*Confidence* is the probability that an approach gave to the label it answered; *correct* says whether that label is right.
Bins hold equally many items (equal mass), items of equal confidence share a bin, and an ECE lies in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bakeoff.contract import Answer, Interval, Item, Json
from bakeoff.errors import BadData
from bakeoff.measure.classification import SMALLEST_PROBABILITY, is_distribution

BINS = 10
TEMPERATURES = (0.05, 20.0)
GRID = 61
LARGEST_CHUNK = 4_000_000


@dataclass(frozen=True)
class Bin:
    """One bin of a reliability chart: mean confidence, and accuracy with its 95% Wilson interval (`low`, `high`)."""

    confidence: float
    accuracy: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Floor:
    """The ECE of a perfectly calibrated model with the same confidences and n: its mean and 95th percentile over `draws`."""

    mean: float
    p95: float
    n: int
    draws: int


@dataclass(frozen=True)
class RiskCoverage:
    """What abstaining on the least sure answers would do.

    `coverage` is the share answered; `risk` the error rate among those; `joint_risk` the share of *all* items that are
    answered and wrong (generalised risk). The first point answers the surest items (or tied group), the last all.
    `augrc` is the area under `joint_risk` over coverage, in [0, 0.5], lower is better (Traub et al. 2024, arXiv 2407.01032).
    """

    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]
    joint_risk: NDArray[np.float64]
    augrc: float


def top_label(items: Sequence[Item], answers: Sequence[Answer]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidence and correctness of the answered items that have a target and a valid distribution, in order.

    Returns
    -------
    confidences : ndarray of float, shape (m,), in [0, 1]
    correct : ndarray of bool, shape (m,)
    """
    pairs = [
        (answer.probabilities.get(answer.value, 0.0), answer.value == item.target)
        for item, answer in zip(items, answers, strict=True)
        if answer.answered
        and item.target is not None
        and answer.probabilities is not None
        and is_distribution(answer.probabilities)
    ]
    return np.array([c for c, _ in pairs], dtype=np.float64), np.array([right for _, right in pairs], dtype=np.bool_)


def ece(confidences: ArrayLike, correct: ArrayLike, n_bins: int = BINS) -> float:
    """Expected calibration error of the top label with equal-mass bins; nan when there are no items.

    The mean over bins of |mean confidence - accuracy|, weighted by items (Naeini et al. 2015; equal mass after
    Nguyen and O'Connor 2015).

    Parameters
    ----------
    confidences : array-like of float, shape (n,), in [0, 1]
    correct : array-like of bool, shape (n,)
    n_bins : int, default=10
        Most bins; fewer where confidences tie.

    Raises
    ------
    BadData
        If the shapes differ, a confidence is not in [0, 1], or `n_bins` is below 1.
    """
    sure, right = _checked(confidences, correct, n_bins)
    if not len(sure):
        return math.nan
    order = np.argsort(sure, kind="stable")
    return float(_gaps((right - sure)[order][None, :], _starts(sure[order], n_bins))[0])


def ece_interval(
    confidences: ArrayLike, correct: ArrayLike, n_bins: int = BINS, *, draws: int = 500, seed: int = 0
) -> Interval | None:
    """The ECE with a 95% interval for the ECE of endless items in the same bins; None with fewer than two items.

    Plain resampling fails here: the noise in each bin only ever adds to an ECE, so percentile and basic bootstrap
    intervals miss the true value far too often. Instead the ECE is simulated (`draws` times a size, binomial in each bin)
    for bin gaps in the observed proportions at every size, and the interval holds the sizes for which the observed ECE
    lies in the middle 95%: a confidence interval by test inversion (Davison and Hinkley 1997, section 5.5). `mid` is the
    plain ECE, which noise makes too large; where the interval would end below it, it is widened to `mid`. Supposes
    independent items.
    """
    sure, right = _checked(confidences, correct, n_bins)
    n = len(sure)
    if n < 2:
        return None
    order = np.argsort(sure, kind="stable")
    starts = _starts(sure[order], n_bins)
    sizes = np.diff(np.append(starts, n))
    hits, stated = np.add.reduceat(right[order], starts), np.add.reduceat(sure[order], starts) / sizes
    gaps, weights = hits / sizes - stated, sizes / n
    mid = float(np.abs(gaps) @ weights)
    shape = gaps / mid if mid > 0 else np.ones_like(gaps)
    rng = np.random.default_rng(seed)
    spread = math.sqrt(float((weights**2 / sizes).sum())) / 2
    grid = np.linspace(0.0, min(1.0, mid + 5 * spread), GRID)
    inside = np.zeros(GRID, dtype=bool)
    for at, size in enumerate(grid):
        chances = np.clip(stated + size * shape, 0.0, 1.0)
        simulated = np.abs(rng.binomial(sizes, chances, size=(draws, len(sizes))) / sizes - stated) @ weights
        small, large = np.quantile(simulated, [0.025, 0.975])
        inside[at] = small <= mid <= large
    held = np.flatnonzero(inside)
    # One step outwards on each side: the true end lies between two points of the grid.
    low, high = (float(grid[max(held[0] - 1, 0)]), float(grid[min(held[-1] + 1, GRID - 1)])) if len(held) else (mid, mid)
    return Interval(mid, min(low, mid), max(high, mid), n)


def perfect_floor(confidences: ArrayLike, n_bins: int = BINS, draws: int = 1000, seed: int = 0) -> Floor | None:
    """The ECE that a perfectly calibrated model with these confidences would show at this n; None without items.

    Simulated: each item is right with exactly the probability stated, `draws` times (the consistency resampling of
    Broecker and Smith 2007, applied to the ECE). An ECE below `p95` is no sign of miscalibration.
    """
    sure, _ = _checked(confidences, np.zeros(np.shape(confidences), dtype=bool), n_bins)
    n = len(sure)
    if not n:
        return None
    sure = np.sort(sure)
    starts, rng = _starts(sure, n_bins), np.random.default_rng(seed)
    step = max(1, LARGEST_CHUNK // n)
    parts = [_gaps((rng.random((min(step, draws - done), n)) < sure) - sure, starts) for done in range(0, draws, step)]
    values = np.concatenate(parts)
    return Floor(float(values.mean()), float(np.quantile(values, 0.95)), n, draws)


def reliability(confidences: ArrayLike, correct: ArrayLike, n_bins: int = BINS) -> list[Bin]:
    """The equal-mass bins of a reliability chart, least sure first; at most `n_bins`, none without items."""
    sure, right = _checked(confidences, correct, n_bins)
    if not len(sure):
        return []
    order = np.argsort(sure, kind="stable")
    sure, right = sure[order], right[order]
    edges = [*_starts(sure, n_bins).tolist(), len(sure)]
    found = []
    for start, stop in pairwise(edges):
        n, hits = stop - start, int(right[start:stop].sum())
        found.append(Bin(float(sure[start:stop].mean()), hits / n, *_wilson(hits, n), n))
    return found


def summary(
    items: Sequence[Item], answers: Sequence[Answer], *, n_bins: int = BINS, draws: int = 1000, seed: int = 0
) -> dict[str, Json]:
    """All of it for one approach, JSON-able; empty where no answer has probabilities.

    Keys: `ece` (`mid`, `low`, `high`, `n`), `floor` (`mean`, `p95`), `above_floor` (bool), `bins` (list of `confidence`,
    `accuracy`, `low`, `high`, `n`), `augrc`, `n`.
    """
    sure, right = top_label(items, answers)
    interval, floor = ece_interval(sure, right, n_bins, seed=seed), perfect_floor(sure, n_bins, draws, seed)
    if interval is None or floor is None:
        return {}
    return {
        "ece": interval._asdict(),
        "floor": {"mean": floor.mean, "p95": floor.p95},
        "above_floor": interval.mid > floor.p95,
        "bins": [
            {"confidence": b.confidence, "accuracy": b.accuracy, "low": b.low, "high": b.high, "n": b.n}
            for b in reliability(sure, right, n_bins)
        ],
        "augrc": risk_coverage(sure, right).augrc,
        "n": len(sure),
    }


def risk_coverage(confidences: ArrayLike, correct: ArrayLike) -> RiskCoverage:
    """The risk-coverage curve and AUGRC of answering the surest items first. Items of equal confidence enter together.

    The area is by the trapezoid rule from (0, 0), which for AUGRC equals
    ``(1 - AUROC) * accuracy * (1 - accuracy) + (1 - accuracy)**2 / 2``, AUROC being that of confidence for correctness.

    Raises
    ------
    BadData
        If there are no items, or the shapes or ranges are wrong.
    """
    sure, right = _checked(confidences, correct, 1)
    if not len(sure):
        raise BadData("There are no items to draw a risk-coverage curve from.", fix="give at least one answer with probabilities")
    order = np.argsort(-sure, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(sure[order]) != 0, True)) + 1
    wrong = np.cumsum(1 - right[order])[ends - 1]
    coverage, joint = ends / len(sure), wrong / len(sure)
    area = np.trapezoid if hasattr(np, "trapezoid") else np.trapz  # type: ignore[attr-defined,unused-ignore]
    return RiskCoverage(coverage, wrong / ends, joint, float(area(np.insert(joint, 0, 0.0), np.insert(coverage, 0, 0.0))))


def fit_temperature(probabilities: ArrayLike, truth: ArrayLike) -> float:
    """The temperature T that minimises log loss of ``p ** (1 / T)``, normalised (Guo et al. 2017). Fit it on validation only.

    Above 1 softens, below 1 sharpens; 1 leaves probabilities as they are. The search is bounded to [0.05, 20], and a bound
    is what comes back when all (or none) of the answers are right.

    Parameters
    ----------
    probabilities : array-like of float, shape (n, n_labels), rows sum to 1
    truth : array-like of int, shape (n,), codes of the true labels

    Raises
    ------
    BadData
        If shapes do not match or there is nothing to fit.
    """
    logs, codes = (
        np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), SMALLEST_PROBABILITY)),
        np.asarray(truth, dtype=np.int64),
    )
    if logs.ndim != 2 or codes.shape != logs.shape[:1] or not len(codes) or codes.min() < 0 or codes.max() >= logs.shape[1]:
        raise BadData(
            f"A temperature needs probabilities (n, labels) and n codes, not {logs.shape} and {codes.shape}.",
            fix="give one row and one code per item",
        )
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        scaled = logs / math.exp(log_temperature)
        top = scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(scaled - top).sum(axis=1)) + top[:, 0] - scaled[np.arange(len(codes)), codes]).mean())

    # The loss is convex in 1 / T, so it has one valley in log T.
    low, high = (math.log(t) for t in TEMPERATURES)
    return math.exp(float(minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-5}).x))


def apply_temperature(probabilities: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Probabilities (n, n_labels) at another temperature; the order of labels within a row never changes.

    Raises
    ------
    BadData
        If `temperature` is not above 0.
    """
    if not temperature > 0:
        raise BadData(f"A temperature must be above 0, not {temperature}.", fix="use what fit_temperature returned")
    scaled = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), SMALLEST_PROBABILITY)) / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def _checked(confidences: ArrayLike, correct: ArrayLike, n_bins: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    sure, right = np.asarray(confidences, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if sure.ndim != 1 or sure.shape != right.shape:
        raise BadData(f"Confidences have shape {sure.shape}, correctness {right.shape}.", fix="give two flat lists of one length")
    if not ((sure >= 0) & (sure <= 1)).all() or n_bins < 1:
        raise BadData("A confidence is not in [0, 1], or there are no bins.", fix="give probabilities, and at least one bin")
    return sure, right


def _starts(sure: NDArray[np.float64], n_bins: int) -> NDArray[np.int64]:
    """First index of each bin of sorted confidences. A cut inside a run of ties moves to the end of the run."""
    cuts = np.arange(1, n_bins) * len(sure) // n_bins
    cuts = np.searchsorted(sure, sure[cuts[cuts > 0] - 1], side="right")
    return np.unique(np.concatenate([[0], cuts[cuts < len(sure)]])).astype(np.int64)


def _gaps(differences: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """ECE of each row of sorted (correct - confidence): |sum within bin| summed over bins, over n."""
    return np.abs(np.add.reduceat(differences, starts, axis=1)).sum(axis=1) / differences.shape[1]


def _wilson(hits: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = hits / n
    centre, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
    # At the ends rounding would leave the interval a hair away from a share of exactly 0 or 1.
    return low if hits else 0.0, high if hits < n else 1.0
