"""Which labels are probably wrong: confident learning (Northcutt, Jiang and Chuang 2021) from out-of-fold probabilities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bakeoff.errors import BadData


class Candidate(NamedTuple):
    """An item whose label is doubted: its place (`item`), the label suggested instead, and by how much that one is ahead (0 to 1)."""

    item: int
    suggested: int
    margin: float


def confident_joint(probabilities: ArrayLike, given: ArrayLike) -> NDArray[np.int64]:
    """Counts of items by given label (rows) and by the label that they confidently belong to (columns), shape (k, k).

    An item confidently belongs to a label if its probability of it reaches the mean probability of that label among the items
    that carry it; of several such labels, to the most probable. Items that reach no label's threshold are not counted.

    Parameters
    ----------
    probabilities : array-like of float, shape (n, k), rows sum to 1
        Of models that did not learn from the item they are about (cross-validation).
    given : array-like of int, shape (n,)
        Codes of the labels as they stand.

    Raises
    ------
    BadData
        If shapes or codes do not match.
    """
    chances, codes = _checked(probabilities, given)
    believed = _believed(chances, codes)
    counts = np.zeros((chances.shape[1],) * 2, dtype=np.int64)
    np.add.at(counts, (codes[believed >= 0], believed[believed >= 0]), 1)
    return counts


def candidates(probabilities: ArrayLike, given: ArrayLike) -> list[Candidate]:
    """Label errors to look at, the surest first.

    An item is a candidate if it confidently belongs to another label than its own (`confident_joint`). Ranked by the
    normalised margin: the probability of the label it belongs to less that of its own.

    Parameters, errors
        As for `confident_joint`.

    Returns
    -------
    list of Candidate
        At most n; ties by index.
    """
    chances, codes = _checked(probabilities, given)
    believed = _believed(chances, codes)
    rows = np.flatnonzero((believed >= 0) & (believed != codes))
    margins = chances[rows, believed[rows]] - chances[rows, codes[rows]]
    order = np.lexsort((rows, -margins))
    return [Candidate(int(rows[i]), int(believed[rows[i]]), float(margins[i])) for i in order]


def _believed(chances: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The label that each item confidently belongs to, -1 where there is none, shape (n,)."""
    k = chances.shape[1]
    own = [chances[codes == label, label] for label in range(k)]
    thresholds = np.array([some.mean() if len(some) else np.inf for some in own])
    reached = np.where(chances >= thresholds - 1e-12, chances, -1.0)
    best = reached.argmax(axis=1)
    return np.where(reached.max(axis=1) >= 0, best, -1)


def _checked(probabilities: ArrayLike, given: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    chances, codes = np.asarray(probabilities, dtype=np.float64), np.asarray(given, dtype=np.int64)
    if chances.ndim != 2 or codes.shape != chances.shape[:1] or not len(codes) or chances.shape[1] < 2:
        raise BadData(
            f"Label errors need probabilities (items, two or more labels) and a code per item, not {chances.shape} and {codes.shape}.",
            fix="give one row and one code per item",
        )
    if codes.min() < 0 or codes.max() >= chances.shape[1]:
        raise BadData(f"Codes of labels must lie in 0 to {chances.shape[1] - 1}.", fix="number the labels as the columns are")
    if not np.isfinite(chances).all() or (chances < 0).any() or not np.allclose(chances.sum(axis=1), 1.0, atol=1e-4):
        raise BadData("Each row of probabilities must be finite, not negative, and sum to 1.", fix="divide each row by its sum")
    return chances, codes
