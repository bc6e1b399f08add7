"""From a language model's label scores to probabilities that can be believed.

A small model prefers some labels whatever the text says (Zhao et al. 2021, "Calibrate before use"). A scale and a bias
per label, fitted on validation, take most of that away: bias-corrected temperature scaling (Alexandari et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

BIAS_SPREAD = 10.0
"""Standard deviation of the prior on a label's bias, in nats: weak, because small models can be off by many."""


@dataclass(frozen=True)
class Calibration:
    """``softmax(scale * score + bias)``; `bias` has one entry per label, in the labels' order."""

    scale: float
    bias: tuple[float, ...]

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities, shape (n_items, n_labels), rows summing to 1, from scores (natural logs) of the same shape."""
        return _softmax(self.scale * _centred(scores) + self.bias)


def untouched(n_labels: int) -> Calibration:
    """The calibration that changes nothing."""
    return Calibration(1.0, (0.0,) * n_labels)


def contextual(scores: np.ndarray) -> Calibration:
    """From the scores (n_texts, n_labels) of texts that mean nothing: they should favour no label (Zhao et al. 2021)."""
    return Calibration(1.0, tuple(float(-b) for b in _centred(scores).mean(axis=0)))


def fit(scores: np.ndarray, targets: np.ndarray) -> Calibration:
    """The scale and biases with the highest posterior on labelled items.

    Parameters
    ----------
    scores : array of shape (n_items, n_labels)
        Log-probabilities of the labels.
    targets : int array of shape (n_items,)
        Index of the right label.

    The priors are log(scale) ~ N(0, 1) and bias ~ N(0, `BIAS_SPREAD`), so that a label no item has is not ruled out.
    """
    import numpy as np
    from scipy.optimize import minimize

    centred, n_labels = _centred(scores), scores.shape[1]
    right = np.eye(n_labels)[targets]

    def loss(given: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = np.exp(given[0]) * centred
        chances = _softmax(scaled + given[1:])
        missed = chances - right
        value = -np.log(np.maximum((chances * right).sum(axis=1), 1e-300)).sum()
        value += given[0] ** 2 / 2 + (given[1:] ** 2).sum() / (2 * BIAS_SPREAD**2)
        slope = np.concatenate([[(missed * scaled).sum() + given[0]], missed.sum(axis=0) + given[1:] / BIAS_SPREAD**2])
        return float(value), slope

    best = minimize(loss, np.zeros(n_labels + 1), jac=True, method="L-BFGS-B", bounds=[(-6, 6)] + [(-100, 100)] * n_labels).x
    return Calibration(float(np.exp(best[0])), tuple(float(b) for b in best[1:]))


def crossfitted(scores: np.ndarray, targets: np.ndarray, *, folds: int = 4) -> np.ndarray:
    """Probabilities (n_items, n_labels) of each item by a calibration fitted on the other folds: what choosing may look at.

    Items go to folds in turn within each label, so that every fold has its share of every label.
    """
    import numpy as np

    place = np.zeros(len(targets), dtype=int)
    for label in np.unique(targets):
        rows = np.flatnonzero(targets == label)
        place[rows] = (np.arange(len(rows)) + label) % folds
    chances = np.empty_like(scores, dtype=float)
    for fold in range(folds):
        held, rest = place == fold, place != fold
        made = fit(scores[rest], targets[rest]) if rest.any() else untouched(scores.shape[1])
        chances[held] = made.probabilities(scores[held])
    return chances


def log_loss(chances: np.ndarray, targets: Sequence[int] | np.ndarray) -> float:
    """Mean negative natural log of the probability given to the right label."""
    import numpy as np

    return float(-np.log(np.maximum(chances[np.arange(len(targets)), targets], 1e-15)).mean())


def _centred(scores: np.ndarray) -> np.ndarray:
    import numpy as np

    given = np.asarray(scores, dtype=float)
    return given - given.mean(axis=1, keepdims=True)


def _softmax(scores: np.ndarray) -> np.ndarray:
    import numpy as np

    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
