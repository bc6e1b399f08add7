"""Directions of edges, counted cell by cell (HOG), under a logistic regression: what a network must beat.

Histograms of oriented gradients (Dalal and Triggs 2005) were the standard before convolutional networks learned their own features: they see
outlines and are blind to small shifts. Colour is no part of them, so means and spreads of colour on a coarse grid can stand beside.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bakeoff.contract import Flops, Item, Progress, Requires
from bakeoff.errors import BadStudy
from bakeoff.tasks.images.classifier import PictureClassifier

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CELLS = 8
"""Cells a side; a block is two by two of them, and blocks overlap by one cell."""
BINS = 9
"""Directions in half a turn."""
GRID = 4
"""Fields a side for the colour statistics."""
TOGETHER = 64
"""Pictures at once: their maps of directions then take some 10 MB at 64 pixels a side."""


@dataclass
class HogLinear(PictureClassifier):
    """HOG features, standardised, with logistic regression; the regularisation is chosen on validation by log loss.

    Parameters
    ----------
    colour : bool
        Mean and spread of lightness and of two colour axes on a grid of 4 by 4 fields, beside the edges.
    strengths : sequence of float
        Values of C (inverse regularisation) tried; without validation pictures the middle one is taken.
    """

    colour: bool = True
    strengths: Sequence[float] = (0.0001, 0.0003, 0.001, 0.003, 0.01)

    requires: ClassVar[Requires] = Requires(("sklearn", "safetensors", "PIL"), extra="images")

    def flops(self, items: Sequence[Item]) -> Flops:
        """Of the linear layer, by formula; the features themselves are not counted."""
        return Flops(
            per_item=2.0 * self.coef_.size,
            basis=f"formula: 2 x {self.coef_.shape[1]:,} features x {self.coef_.shape[0]} classes",
            leaves_out=(
                "gradients, histograms and colour statistics, which are most of its time",
                "reading and resizing the picture",
            ),
        )

    def _learn(self, x: Any, y: Any, x_valid: Any, y_valid: Any, *, seed: int, progress: Progress) -> None:
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import log_loss

        strengths = [float(each) for each in self.strengths]
        if not strengths or min(strengths) <= 0:
            raise BadStudy(
                "hog-linear needs at least one value of C above 0.", fix="give `strengths` at least one positive number"
            )
        started = time.perf_counter()
        found = features(x, colour=self.colour)
        self.mean_, self.spread_ = found.mean(0), np.maximum(found.std(0), 1e-3)
        rows = (found - self.mean_) / self.spread_
        held = (features(x_valid, colour=self.colour) - self.mean_) / self.spread_ if len(x_valid) else None
        progress(0.2, f"{rows.shape[1]:,} features")
        if held is None:
            strengths = [sorted(strengths)[len(strengths) // 2]]
        best: Any = None
        tried: list[dict[str, float]] = []
        known = list(range(len(self.labels_)))
        rows = rows.astype(np.float32)  # the solver keeps this kind, at half the time
        # From strong to weak regularisation, each solution the beginning of the next: the same optimum in a fraction of the steps.
        model = LogisticRegression(max_iter=200, tol=1e-3, warm_start=True, random_state=seed)
        for index, strength in enumerate(sorted(strengths)):
            model.set_params(C=strength).fit(rows, y)
            loss = float(log_loss(y_valid, model.predict_proba(held), labels=known)) if held is not None else 0.0
            tried.append({"C": strength, "log_loss": round(loss, 5)})
            if best is None or loss < best[0]:
                best = (loss, strength, *_a_row_each(model.coef_.copy(), model.intercept_.copy()))
            progress(0.2 + 0.8 * (index + 1) / len(strengths), f"C = {strength:g}")
        self.coef_, self.intercept_ = (each.astype(np.float64) for each in best[2:])
        self.chosen_ |= {
            "C": best[1], "features": int(rows.shape[1]), "tried": tried, "search_seconds": round(time.perf_counter() - started, 3),
        }  # fmt: skip

    def _scores(self, x: NDArray[np.uint8]) -> NDArray[np.float64]:
        import numpy as np

        rows = (features(x, colour=self.colour) - self.mean_) / self.spread_
        return np.asarray(rows @ self.coef_.T + self.intercept_)

    def _keep(self) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]:
        return {"coef": self.coef_, "intercept": self.intercept_, "mean": self.mean_, "spread": self.spread_}, {}

    def _recall(self, tensors: Mapping[str, NDArray[Any]], beside: Mapping[str, Any]) -> None:
        self.coef_, self.intercept_ = tensors["coef"], tensors["intercept"]
        self.mean_, self.spread_ = tensors["mean"], tensors["spread"]


def features(x: NDArray[np.uint8], *, colour: bool) -> NDArray[np.float64]:
    """HOG of 8 by 8 cells, and where asked the colour statistics. A picture's features do not depend on the others in the batch.

    Gradients by central differences in the colour channel where they are strongest; directions shared between the two nearest of nine bins,
    places between the four nearest cells; blocks of two by two cells brought to length 1, cut at 0.2 and brought to length 1 again
    (the L2-Hys of Dalal and Triggs).

    Parameters
    ----------
    x : array of shape (n, size, size, 3), uint8
        `size` at least 8; it need not be a multiple of 8.
    colour : bool

    Returns
    -------
    array of shape (n, 1764), with colour (n, 1860)
    """
    import numpy as np

    width = (CELLS - 1) ** 2 * 4 * BINS + (6 * GRID**2 if colour else 0)
    parts = [_some_features(x[start : start + TOGETHER], colour) for start in range(0, len(x), TOGETHER)]
    return np.concatenate(parts) if parts else np.zeros((0, width))


def _some_features(x: NDArray[np.uint8], colour: bool) -> NDArray[np.float64]:
    import numpy as np

    n, side = x.shape[:2]
    values = x.astype(np.float32) / 255.0
    across, down = np.zeros_like(values), np.zeros_like(values)
    across[:, :, 1:-1] = values[:, :, 2:] - values[:, :, :-2]
    down[:, 1:-1] = values[:, 2:] - values[:, :-2]
    strength = np.sqrt(across**2 + down**2)
    channel = strength.argmax(-1)[..., None]
    across, down, strength = (np.take_along_axis(each, channel, -1)[..., 0] for each in (across, down, strength))
    bins = np.arctan2(down, across) / np.pi % 1.0 * BINS  # half a turn: an edge is the same edge from dark to light
    lower = np.floor(bins)
    share = bins - lower
    first = lower.astype(np.int64) % BINS
    maps = np.zeros((n, BINS, side, side), dtype=np.float32)
    np.put_along_axis(maps, first[:, None], (strength * (1 - share))[:, None], 1)
    after = ((first + 1) % BINS)[:, None]
    np.put_along_axis(maps, after, np.take_along_axis(maps, after, 1) + (strength * share)[:, None], 1)
    weights = _cell_weights(side)
    cells = (weights @ maps @ weights.T).transpose(0, 2, 3, 1)  # (n, CELLS, CELLS, BINS)
    blocks = np.concatenate([cells[:, :-1, :-1], cells[:, :-1, 1:], cells[:, 1:, :-1], cells[:, 1:, 1:]], axis=-1)
    blocks = np.minimum(blocks / np.sqrt((blocks**2).sum(-1, keepdims=True) + 1e-4), 0.2)
    blocks = blocks / np.sqrt((blocks**2).sum(-1, keepdims=True) + 1e-4)
    found = blocks.reshape(n, -1)
    if colour:
        found = np.concatenate([found, _colours(values)], axis=1)
    return found.astype(np.float64)


def _cell_weights(side: int) -> NDArray[np.float32]:
    """How much a row of pixels counts for each row of cells: all at the cell's middle, nothing one cell further; (CELLS, side)."""
    import numpy as np

    pixels = (np.arange(side) + 0.5) * CELLS / side
    return np.maximum(0.0, 1.0 - np.abs(pixels[None] - (np.arange(CELLS) + 0.5)[:, None])).astype(np.float32)


def _colours(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean and spread of lightness, red against green and yellow against blue, field by field; (n, 6 x GRID x GRID)."""
    import numpy as np

    red, green, blue = (values[..., channel] for channel in range(3))
    axes = np.stack([(red + green + blue) / 3, red - green, (red + green) / 2 - blue], axis=1)  # (n, 3, side, side)
    side = values.shape[1]
    owner = np.arange(side) * GRID // side
    share = (owner[None] == np.arange(GRID)[:, None]).astype(np.float32)
    share /= share.sum(1, keepdims=True)
    mean = share @ axes @ share.T
    spread = np.sqrt(np.maximum(share @ axes**2 @ share.T - mean**2, 0.0))
    return np.concatenate([mean.reshape(len(values), -1), spread.reshape(len(values), -1)], axis=1)


def _a_row_each(coef: Any, intercept: Any) -> tuple[Any, Any]:
    """Weights of shape (classes, features): scikit-learn gives two classes one row between them."""
    import numpy as np

    if len(coef) > 1:
        return np.ascontiguousarray(coef), intercept
    return np.concatenate([-coef / 2, coef / 2]), np.concatenate([-intercept / 2, intercept / 2])
