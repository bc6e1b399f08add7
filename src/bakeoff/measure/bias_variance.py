"""Bias and variance of a learner: how much of its loss is the same in every training, and how much is luck.

Several trainings (seeds) answer the same items. What their average says is compared with what is right (bias), and each
with their average (variance). Three losses, each with the decomposition that adds up exactly:

- 0-1 loss: Domingos (2000). The "average" is the label that most trainings say. Where it is right, variance costs; where it is
  wrong, variance helps, and that gain is subtracted.
- Brier score: the usual one, corrected for few trainings, so that neither part hangs on how many there are.
- log loss: Heskes (1998), used for networks by Yang et al. (2020). The average is the normalised geometric mean.

Noise in the labels cannot be told apart from bias without several labels per item: it is part of the bias here. Trainings of
one study draw on the same pool of items, so their training sets overlap: the variance over fresh data would be larger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bakeoff.contract import Answer, Item, Json
from bakeoff.errors import BadData
from bakeoff.measure.classification import SMALLEST_PROBABILITY, is_distribution
from bakeoff.measure.intervals import mean_interval

LEAST_SEEDS = 3
"""With two trainings a variance is one squared difference: too little to print."""


class Parts(NamedTuple):
    """One loss, per item, shape (n,): ``loss == bias + variance`` for each item; `variance` is negative where it helps."""

    loss: NDArray[np.float64]
    bias: NDArray[np.float64]
    variance: NDArray[np.float64]


def zero_one(probabilities: ArrayLike, truth: ArrayLike) -> Parts:
    """Domingos's decomposition of the error rate.

    `bias` is 1 where the label that most trainings say is wrong (ties go to the label with the larger mean probability), else 0.
    `variance` is the share of trainings that say another label where that one is right; where it is wrong, minus the share
    that is right all the same.

    Parameters
    ----------
    probabilities : array-like of float, shape (trainings, n, labels), rows sum to 1
    truth : array-like of int, shape (n,), codes of the true labels

    Raises
    ------
    BadData
        If the shapes do not match or there are fewer than two trainings.
    """
    given, codes = _checked(probabilities, truth)
    said = given.argmax(axis=2)  # Shape: (trainings, n)
    votes = np.stack([(said == label).mean(axis=0) for label in range(given.shape[2])], axis=1)
    main = (votes + 1e-6 * given.mean(axis=0)).argmax(axis=1)
    right = (said == codes).mean(axis=0)
    bias = (main != codes).astype(np.float64)
    loss = 1.0 - right
    return Parts(loss, bias, loss - bias)


def brier(probabilities: ArrayLike, truth: ArrayLike) -> Parts:
    """Decomposition of the squared error of probabilities (summed over labels, 0 to 2): squared bias and variance.

    With `s` trainings the average over them still varies by a `s`-th of the variance: that much is taken off the squared bias and
    added to the variance, which makes both unbiased. One item's squared bias can therefore be below 0.

    Parameters and errors as for `zero_one`.
    """
    given, codes = _checked(probabilities, truth)
    right = np.eye(given.shape[2])[codes]
    loss = ((given - right) ** 2).sum(axis=2).mean(axis=0)
    variance = given.var(axis=0, ddof=1).sum(axis=1)
    return Parts(loss, loss - variance, variance)


def log_loss(probabilities: ArrayLike, truth: ArrayLike) -> Parts:
    """Decomposition of the log loss (nats): of the normalised geometric mean, and the mean divergence of each training from it.

    The variance from few trainings is too small in expectation; a jackknife over trainings takes off the part that falls with their
    number (Quenouille 1956). Probabilities of 0 count as the smallest that is told from it.

    Parameters and errors as for `zero_one`.
    """
    given, codes = _checked(probabilities, truth)
    logs = np.log(np.maximum(given, SMALLEST_PROBABILITY))
    loss = -logs[:, np.arange(len(codes)), codes].mean(axis=0)
    s = len(logs)
    whole = _geometric_spread(logs)
    if s > 2:
        left_out = np.mean([_geometric_spread(np.delete(logs, i, axis=0)) for i in range(s)], axis=0)
        variance = np.maximum(s * whole - (s - 1) * left_out, 0.0)
    else:
        variance = whole * s / (s - 1)
    return Parts(loss, loss - variance, variance)


def _geometric_spread(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean divergence from the normalised geometric mean, shape (n,): minus the log of what that mean summed to."""
    middle = logs.mean(axis=0)
    top = middle.max(axis=1, keepdims=True)
    return np.asarray(-(np.log(np.exp(middle - top).sum(axis=1)) + top[:, 0]))


LOSSES = {"zero_one": zero_one, "brier": brier, "log_loss": log_loss}


def of_answers(
    items: Sequence[Item], answers: Sequence[Sequence[Answer]], *, clusters: Sequence[Json] | None = None
) -> dict[str, Json]:
    """The decomposition of one approach at one training size, JSON-able; empty where it cannot be made.

    Parameters
    ----------
    items : sequence of Item, length n
        With their targets.
    answers : sequence of sequence of Answer
        One sequence of length n per training, in the items' order. Items that a training did not answer with probabilities
        over all labels, and items whose target no training can say, are left out for all.
    clusters : sequence, length n, default=None
        Items that share a source, for the intervals.

    Returns
    -------
    dict
        `seeds`, `n`, and per loss of `LOSSES` the means `loss`, `bias` and `variance`, each ``{"mid", "low", "high", "n"}`` (95%
        over items; the trainings are held fixed). Empty with fewer than `LEAST_SEEDS` trainings or two items.
    """
    if len(answers) < LEAST_SEEDS:
        return {}
    kept, rows = [], []
    labels = sorted({label for some in answers for answer in some for label in answer.probabilities or ()})
    place = {label: index for index, label in enumerate(labels)}
    for index, item in enumerate(items):
        chances = [some[index].probabilities if some[index].answered else None for some in answers]
        if item.target in place and all(c is not None and is_distribution(c) for c in chances):
            kept.append(index)
            rows.append([[c.get(label, 0.0) for label in labels] for c in chances if c is not None])
    if len(kept) < 2:
        return {}
    given = np.array(rows, dtype=np.float64).swapaxes(0, 1)
    given /= given.sum(axis=2, keepdims=True)
    truth = np.array([place[str(items[i].target)] for i in kept])
    sources = [clusters[i] for i in kept] if clusters is not None else None
    made: dict[str, Json] = {"seeds": len(answers), "n": len(kept)}
    for name, split in LOSSES.items():
        parts = split(given, truth)
        made[name] = {key: _range(values, sources) for key, values in parts._asdict().items()}
    return made


def _range(values: NDArray[np.float64], clusters: Sequence[Json] | None) -> Mapping[str, Json]:
    found = mean_interval(values, clusters)
    return {"mid": float(found.mid), "low": float(found.low), "high": float(found.high), "n": len(values)}


def _checked(probabilities: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    given, codes = np.asarray(probabilities, dtype=np.float64), np.asarray(truth, dtype=np.int64)
    if given.ndim != 3 or codes.shape != given.shape[1:2] or len(given) < 2 or not len(codes):
        raise BadData(
            f"A decomposition needs probabilities (trainings, items, labels) of two or more trainings and a code per item, not {given.shape} and {codes.shape}.",
            fix="give one table of probabilities per seed",
        )
    if codes.min() < 0 or codes.max() >= given.shape[2]:
        raise BadData(f"Codes of true labels must lie in 0 to {given.shape[2] - 1}.", fix="number the labels as the columns are")
    return given, codes
