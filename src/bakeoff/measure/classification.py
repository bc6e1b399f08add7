"""How good are labels? Accuracy, precision, recall, F1, the confusion matrix, Brier and log loss.

Three rules hold everywhere in this file.

- Only answers are scored. An abstention or an error has no label, so it is left out here and counted elsewhere.
- The labels of the task are the classes. A predicted label that is none of them is a wrong answer with a column of
  its own in the confusion matrix; it is never a class to be averaged over.
- Nought over nought. Precision of a class never predicted, recall of a class never seen and F1 of a class with neither
  are 0 when asked for by name; an average leaves out a class that is neither seen nor predicted.

Brier is the multi-class sum over classes (Brier 1950), in [0, 2], so a binary task's Brier is twice the one-sided
figure. Log loss is in nats, with probabilities clipped from below at 2.2e-16 (as scikit-learn does for float64).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.contract import Answer, Item, Json, Metric
from bakeoff.errors import BadData, BakeoffError

Which = Literal[
    "macro_f1",
    "weighted_f1",
    "macro_precision",
    "weighted_precision",
    "macro_recall",
    "weighted_recall",
    "f1",
    "precision",
    "recall",
]
Resampler = Callable[[NDArray[np.integer]], NDArray[np.float64]]

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
SUM_TOLERANCE = 1e-3
LARGEST_CHUNK = 4_000_000
MOST_LABELS_APART = 12
"""With more labels than this, precision, recall and F1 of each one alone are left out: figures nobody could read."""


@dataclass(frozen=True)
class Confusion:
    """How often each true label (row) got each predicted label (column).

    `columns` are the labels in the same order, then any predicted label that is none of them, sorted.
    `counts` has shape (len(labels), len(columns)).
    """

    labels: tuple[str, ...]
    columns: tuple[str, ...]
    counts: NDArray[np.int64]

    def as_json(self) -> dict[str, Json]:
        """``{'labels', 'columns', 'counts'}`` with counts as lists of rows."""
        return {"labels": list(self.labels), "columns": list(self.columns), "counts": self.counts.tolist()}


@dataclass(frozen=True)
class ClassScores:
    """Precision, recall and F1 in [0, 1] of one class, with how often it is true (`support`) and predicted."""

    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


def accuracy(truth: Sequence[str], predicted: Sequence[str]) -> float:
    """Share of predicted labels that are right, in [0, 1]; nan when there are none."""
    _same_length(truth, predicted)
    return sum(t == p for t, p in zip(truth, predicted, strict=True)) / len(truth) if len(truth) else math.nan


def confusion(truth: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> Confusion:
    """The confusion matrix, rows = truth.

    Raises
    ------
    BadData
        If a true label is not one of `labels`.
    """
    _same_length(truth, predicted)
    unknown = sorted({str(p) for p in set(predicted) - set(labels)})
    columns = (*labels, *unknown)
    rows = _codes(truth, labels)
    place = {label: code for code, label in enumerate(columns)}
    cells = rows * len(columns) + np.array([place[p if p in place else str(p)] for p in predicted], dtype=np.int64)
    counts = np.bincount(cells, minlength=len(labels) * len(columns)).reshape(len(labels), len(columns))
    return Confusion(tuple(labels), columns, counts)


def confusion_counts(items: Sequence[Item], answers: Mapping[str, Sequence[Answer]], labels: Sequence[str]) -> dict[str, Json]:
    """Confusion matrices of approaches on the same items, as JSON: what classification tasks give as the view ``confusion``.

    Returns
    -------
    dict
        ``{approach: {'labels', 'counts', 'other', 'unanswered'}}``: `labels` as given; `counts` is rows = true label, columns =
        predicted label; `other` and `unanswered` have one number per true label: answers that are none of the labels, and abstentions and
        errors. A row's counts, other and unanswered add up to the items of that label.
    """
    place = {label: i for i, label in enumerate(labels)}
    found: dict[str, Json] = {}
    for approach, given in answers.items():
        counts = [[0] * len(labels) for _ in labels]
        other, unanswered = [0] * len(labels), [0] * len(labels)
        for item, answer in zip(items, given, strict=True):
            row = place[item.target]
            if not answer.answered:
                unanswered[row] += 1
            elif isinstance(answer.value, str) and answer.value in place:
                counts[row][place[answer.value]] += 1
            else:
                other[row] += 1
        found[approach] = {"labels": list(labels), "counts": counts, "other": other, "unanswered": unanswered}
    return found


def per_class(truth: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> dict[str, ClassScores]:
    """Precision, recall and F1 of each label. Nought over nought is 0."""
    found = confusion(truth, predicted, labels).counts
    right, support = np.diagonal(found), found.sum(axis=1)
    guessed = found[:, : len(labels)].sum(axis=0)
    precision, recall, f1 = (_ratio(which, right, support, guessed).tolist() for which in ("precision", "recall", "f1"))
    return {
        label: ClassScores(precision[i], recall[i], f1[i], int(support[i]), int(guessed[i])) for i, label in enumerate(labels)
    }


def whole_from_codes(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], n_labels: int, which: Which, label: int = 0
) -> float:
    """One figure of all answers, from integer codes.

    Parameters
    ----------
    truth, predicted : ndarray of int, shape (n,)
        Codes in 0 .. n_labels - 1. A `predicted` code of `n_labels` or more stands for a label the task does not have.
    n_labels : int
    which : str
        ``macro_f1``, ``weighted_f1`` (by true frequency), ``macro_precision``, ``macro_recall`` (over classes seen or
        predicted), or ``f1``, ``precision``, ``recall`` of the class `label`.
    label : int, default=0
        Code of the class, for the last three.

    Returns
    -------
    float
        In [0, 1]; nan when n is 0.
    """
    return float(_resampler(truth, predicted, n_labels, which, label)(np.arange(len(truth))[None, :])[0])


@dataclass(frozen=True)
class ClassStatistic:
    """A figure of all items and answers, and its fast path for the bootstrap. It is a ``Metric.whole``.

    ``statistic(items, answers)`` gives the figure. ``statistic.resampler(items, answers)`` gives a function from item
    indices of shape (R, n) to R figures: what the same call would give on each resampled study, at the cost of a count.

    Parameters
    ----------
    which : str
        See `whole_from_codes`.
    labels : tuple of str
        The task's labels.
    label : str, default=''
        The class, for ``f1``, ``precision`` and ``recall``.
    """

    which: Which
    labels: tuple[str, ...]
    label: str = ""

    def __call__(self, items: Sequence[Item], answers: Sequence[Answer]) -> float:
        """The figure in [0, 1] over answered items; nan when nothing was answered."""
        return float(self.resampler(items, answers)(np.arange(len(items))[None, :])[0])

    def resampler(self, items: Sequence[Item], answers: Sequence[Answer]) -> Resampler:
        """A function from indices into `items`, shape (R, n), to the figure of each row, shape (R,).

        Draws of an unanswered item count for nothing, as in the figure itself. A row without any answered item is nan.

        Raises
        ------
        BadData
            If an answered item's target is not one of the labels.
        """
        _same_length(items, answers)
        scored = np.array([_scored(item, answer) for item, answer in zip(items, answers, strict=True)], dtype=bool)
        place = {label: code for code, label in enumerate(self.labels)}
        truth = np.full(len(items), -1, dtype=np.int64)
        truth[scored] = _codes([item.target for item, keep in zip(items, scored, strict=True) if keep], self.labels)
        predicted = np.array([_code_of(answer.value, place) for answer in answers], dtype=np.int64)
        return _resampler(
            truth,
            predicted,
            len(self.labels),
            self.which,
            place[self.label] if self.which in ("f1", "precision", "recall") else 0,
        )


def macro_f1_resampler(items: Sequence[Item], answers: Sequence[Answer], labels: Sequence[str]) -> Resampler:
    """``ClassStatistic('macro_f1', labels).resampler(items, answers)``."""
    return ClassStatistic("macro_f1", tuple(labels)).resampler(items, answers)


def brier(truth: Sequence[str], probabilities: Sequence[Mapping[str, float]]) -> float:
    """Mean multi-class Brier score: the sum over classes of squared error, in [0, 2], lower is better (Brier 1950).

    Raises
    ------
    BadData
        If a mapping is not a probability distribution (`is_distribution`).
    """
    _same_length(truth, probabilities)
    return _mean([_brier_one(t, _checked(p)) for t, p in zip(truth, probabilities, strict=True)])


def log_loss(truth: Sequence[str], probabilities: Sequence[Mapping[str, float]]) -> float:
    """Mean of -ln(probability of the truth) in nats, probabilities clipped at 2.2e-16 (so at most 36.04).

    Raises
    ------
    BadData
        If a mapping is not a probability distribution (`is_distribution`).
    """
    _same_length(truth, probabilities)
    return _mean([_log_loss_one(t, _checked(p)) for t, p in zip(truth, probabilities, strict=True)])


def is_distribution(probabilities: Mapping[str, float]) -> bool:
    """True when every value is in [0, 1] and they sum to 1 within 0.001 (room for rounding in transit)."""
    values = list(probabilities.values())
    return bool(values) and all(0 <= v <= 1 for v in values) and abs(math.fsum(values) - 1) <= SUM_TOLERANCE


def metrics(labels: Sequence[str]) -> dict[str, Metric]:
    """The metrics of a task whose answers are one of `labels`; accuracy first.

    `accuracy`, `macro_f1`, `weighted_f1`, `brier`, `log_loss`, `macro_precision`, `macro_recall`, `weighted_precision` (the
    weighted recall is the accuracy); with at most 12 labels also `f1[label]`, `precision[label]` and `recall[label]` of each. Every `whole` is a `ClassStatistic`, so it has a `resampler`. Items without a target, answers
    without a value and (for `brier` and `log_loss`) answers without a valid distribution give None.

    Raises
    ------
    BadData
        If there are fewer than two labels, or one is given twice.
    """
    names = tuple(labels)
    if len(names) < 2 or len(set(names)) < len(names):
        raise BadData(
            f"A classification task needs at least two different labels, not {list(names)[:5]}.", fix="check the target column"
        )
    found = [
        Metric("accuracy", "Accuracy", True, per_item=_accuracy_item, percent=True),
        Metric("macro_f1", "Macro F1", True, whole=ClassStatistic("macro_f1", names)),
        Metric("weighted_f1", "Weighted F1", True, whole=ClassStatistic("weighted_f1", names)),
        Metric("brier", "Brier score (0 to 2)", False, per_item=partial(_probability_item, _brier_one), high=2.0),
        Metric(
            "log_loss",
            "Log loss (nats)",
            False,
            per_item=partial(_probability_item, _log_loss_one),
            high=-math.log(SMALLEST_PROBABILITY),
        ),
    ]
    averages: tuple[tuple[Which, str], ...] = (
        ("macro_precision", "Macro precision"),
        ("macro_recall", "Macro recall"),
        ("weighted_precision", "Weighted precision"),
    )
    found += [Metric(which, title, True, whole=ClassStatistic(which, names)) for which, title in averages]
    if len(names) <= MOST_LABELS_APART:
        kinds: tuple[tuple[Which, str], ...] = (("f1", "F1"), ("precision", "Precision"), ("recall", "Recall"))
        found += [
            Metric(f"{which}[{label}]", f"{title} of {label}", True, whole=ClassStatistic(which, names, label))
            for label in names
            for which, title in kinds
        ]
    return {metric.name: metric for metric in found}


def _scored(item: Item, answer: Answer) -> bool:
    return answer.answered and item.target is not None


def _accuracy_item(item: Item, answer: Answer) -> float | None:
    return float(answer.value == item.target) if _scored(item, answer) else None


def _probability_item(score: Callable[[str, Mapping[str, float]], float], item: Item, answer: Answer) -> float | None:
    """A broken distribution is None here and counted by check BK013: one bad answer must not stop a comparison."""
    if not _scored(item, answer) or answer.probabilities is None or not is_distribution(answer.probabilities):
        return None
    return score(item.target, answer.probabilities)


def _brier_one(truth: str, probabilities: Mapping[str, float]) -> float:
    others = math.fsum(p * p for label, p in probabilities.items() if label != truth)
    return others + (1 - probabilities.get(truth, 0.0)) ** 2


def _log_loss_one(truth: str, probabilities: Mapping[str, float]) -> float:
    return -math.log(max(probabilities.get(truth, 0.0), SMALLEST_PROBABILITY)) + 0.0


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _checked(probabilities: Mapping[str, float]) -> Mapping[str, float]:
    if not is_distribution(probabilities):
        raise BadData(f"{dict(probabilities)} is not a probability distribution.", fix="give values in [0, 1] that sum to 1")
    return probabilities


def _same_length(first: Sequence[object], second: Sequence[object]) -> None:
    if len(first) != len(second):
        raise BakeoffError(
            f"{len(first)} items, but {len(second)} answers.", fix="give exactly one answer per item, in the same order"
        )


def _code_of(value: Json, place: Mapping[str, int]) -> int:
    return place.get(value, len(place)) if isinstance(value, str) else len(place)


def _codes(truth: Sequence[Json], labels: Sequence[str]) -> NDArray[np.int64]:
    place = {label: code for code, label in enumerate(labels)}
    codes = np.array([_code_of(label, place) for label in truth], dtype=np.int64)
    if len(codes) and codes.max() == len(labels):
        wrong = truth[int(codes.argmax())]
        raise BadData(
            f"The true label {wrong!r} is none of the task's labels {list(labels)[:10]}.", fix="give every label that occurs"
        )
    return codes


def _ratio(which: str, right: NDArray, support: NDArray, guessed: NDArray) -> NDArray[np.float64]:
    above, below = (2 * right, support + guessed) if which == "f1" else (right, guessed if which == "precision" else support)
    return np.divide(above, below, out=np.zeros(np.shape(right)), where=below > 0)


def _resampler(truth: NDArray, predicted: NDArray, n_labels: int, which: Which, label: int) -> Resampler:
    """Counts of the distinct (truth, predicted) cells hold all there is to know, so each resample is one bincount.

    A truth of -1 is not scored: its cells have numbers below 0 and belong to no class.
    """
    predicted = np.minimum(predicted, n_labels)
    pairs, cell = np.unique(truth * (n_labels + 1) + predicted, return_inverse=True)
    is_scored = pairs >= 0
    row, column = np.divmod(np.where(is_scored, pairs, 0), n_labels + 1)
    seen = ((row[:, None] == np.arange(n_labels)) & is_scored[:, None]).astype(np.float64)
    guessed = ((column[:, None] == np.arange(n_labels)) & is_scored[:, None]).astype(np.float64)
    of_class = np.hstack([seen * guessed, seen, guessed])
    name = which.removeprefix("macro_").removeprefix("weighted_")

    def figures(indices: NDArray[np.integer]) -> NDArray[np.float64]:
        indices = np.atleast_2d(indices)
        rows, drawn = indices.shape
        result = np.full(rows, math.nan)
        step = max(1, LARGEST_CHUNK // max(drawn, len(pairs), 1))
        for start in range(0, rows, step):
            part = cell[indices[start : start + step]] + np.arange(len(indices[start : start + step]))[:, None] * len(pairs)
            counts = np.bincount(part.ravel(), minlength=part.shape[0] * len(pairs)).reshape(part.shape[0], len(pairs))
            right, support, chosen = np.split(counts @ of_class, 3, axis=1)
            scores, total = _ratio(name, right, support, chosen), support.sum(axis=1)
            if which == name:
                value = scores[:, label]
            else:
                weight = support if which.startswith("weighted") else (support + chosen > 0).astype(np.float64)
                value = (scores * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1)
            result[start : start + step] = np.where(total > 0, value, math.nan)
        return result

    return figures
