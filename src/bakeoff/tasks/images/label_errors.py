"""Pictures whose label is probably wrong: out-of-fold probabilities over features, what their siblings are labelled, confident learning."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from bakeoff.contract import Item
from bakeoff.errors import BadData
from bakeoff.measure.confident_learning import Candidate, candidates

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bakeoff.tasks.images.decode import Pixels

FOLDS = 5
HOG_SIDE = 48
BACKBONE = "efficientnet-lite0"
MOST_FOR_BACKBONE = 20_000
"""Some 5 ms each on one thread: more would take longer than what they are looked at beside."""


class Doubt(NamedTuple):
    """A picture whose label is doubted: the item's id, its label, the label suggested instead, and how far that is ahead (0 to 1)."""

    id: str
    given: str
    suggested: str
    margin: float


def doubted(
    items: Sequence[Item],
    pictures: NDArray[np.uint8],
    *,
    features: NDArray[np.float64] | None = None,
    folds: int = FOLDS,
    seed: int = 0,
) -> list[Doubt]:
    """Items whose label is probably wrong, the surest first.

    Parameters
    ----------
    items : sequence of Item, length n
        Training items with their targets. Items of one group are never learned from and asked about in the same fold.
    pictures : array of shape (n, size, size, 3), uint8
        What is used where there are no features.
    features : array of shape (n, d), default=None
        What is known of the pictures (a pretrained backbone's output: `backbone_features`). Histograms of gradients and colours where None.
    folds : int, default=5
        Lowered where a class has fewer items or there are fewer groups.
    seed : int, default=0

    Raises
    ------
    BadData
        If there are fewer than two classes, or a class has only one group: there is nothing to learn it from.
    """
    import numpy as np

    labels = sorted({str(item.target) for item in items})
    place = {label: index for index, label in enumerate(labels)}
    given = np.array([place[str(item.target)] for item in items], dtype=np.int64)
    used = hog_features(pictures) if features is None else np.asarray(features, dtype=np.float64)
    if used.ndim != 2 or len(used) != len(items):
        raise BadData(
            f"Features must have one row per item ({len(items)}), not the shape {used.shape}.", fix="give a table (n, d)"
        )
    groups = [item.group if item.group is not None else f"item:{item.id}" for item in items]
    chances = with_siblings(out_of_fold(used, given, groups, folds=folds, seed=seed), given, groups)
    return [_doubt(items, labels, found) for found in candidates(chances, given)]


def _doubt(items: Sequence[Item], labels: Sequence[str], found: Candidate) -> Doubt:
    item = items[found.item]
    return Doubt(item.id, str(item.target), labels[found.suggested], found.margin)


def out_of_fold(
    features: NDArray[np.float64], given: NDArray[np.int64], groups: Sequence[str], *, folds: int = FOLDS, seed: int = 0
) -> NDArray[np.float64]:
    """Probabilities of each item by a logistic regression that saw neither it nor its group, shape (n, k).

    The strength of the penalty is the one of four with the least out-of-fold log loss over all items; it is chosen on the same folds,
    which favours no single item noticeably, as thousands of answers choose among four.

    Parameters
    ----------
    features : array of shape (n, d)
    given : array of int, shape (n,)
        Codes 0 to k - 1, each of them there.
    groups : sequence of str, length n

    Raises
    ------
    BadData
        If a class has only one group.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

    from bakeoff.models.threads import threads

    k = int(given.max()) + 1
    of_class = [{group for group, code in zip(groups, given, strict=True) if code == label} for label in range(k)]
    fewest = min(len(some) for some in of_class)
    if k < 2 or fewest < 2:
        raise BadData(
            "Label errors cannot be looked for: every class needs pictures of at least two objects, and there must be two classes.",
            fix="add pictures of the smallest class",
        )
    dealer = StratifiedGroupKFold(n_splits=max(2, min(folds, fewest)), shuffle=True, random_state=seed)
    parts = list(dealer.split(features, given, groups))
    best, least = np.full((len(given), k), 1.0 / k), np.inf
    for strength in (0.003, 0.03, 0.3, 3.0):
        chances = np.full((len(given), k), 1.0 / k)
        for train, held in parts:
            scaler = StandardScaler().fit(features[train])
            with threadpool_limits(threads()):
                model = LogisticRegression(C=strength, max_iter=300, tol=1e-3).fit(
                    scaler.transform(features[train]), given[train]
                )
                chances[np.ix_(held, model.classes_)] = model.predict_proba(scaler.transform(features[held]))
            absent = np.setdiff1d(np.arange(k), model.classes_)
            chances[np.ix_(held, absent)] = 0.0
        loss = float(-np.log(np.maximum(chances[np.arange(len(given)), given], 1e-6)).mean())
        if loss < least:
            best, least = chances, loss
    return best


def with_siblings(chances: NDArray[np.float64], given: NDArray[np.int64], groups: Sequence[str]) -> NDArray[np.float64]:
    """Probabilities (n, k) with what the other items of each item's group are labelled, as far as groups have one label in these data.

    How far is estimated: `a` is the share of an item's siblings with its label, beyond what the frequency of labels explains. A sibling
    labelled `j` then says "j" with weight ``a + (1 - a) * frequency(j)``, and any other label ``l`` with ``(1 - a) * frequency(l)``; siblings
    and picture count as independent (naive Bayes). Where groups say nothing about labels, `a` is 0 and nothing changes. An item's own
    label is never used for itself.
    """
    import numpy as np

    n, k = chances.shape
    codes = {group: index for index, group in enumerate(dict.fromkeys(groups))}
    group = np.array([codes[name] for name in groups])
    counts = np.zeros((len(codes), k))
    np.add.at(counts, (group, given), 1)
    siblings = counts[group]
    siblings[np.arange(n), given] -= 1  # Shape: (n, k), the labels of the others
    total = siblings.sum()
    if not total:
        return chances
    frequency = np.bincount(given, minlength=k) / n
    same = siblings[np.arange(n), given].sum() / total
    by_luck = (siblings.sum(axis=1) * frequency[given]).sum() / total
    a = float(np.clip((same - by_luck) / max(1 - by_luck, 1e-9), 0.0, 0.99))
    # One sibling labelled j multiplies the odds of j by (a + (1 - a) f) / ((1 - a) f), and leaves all others alike.
    weight = np.log((a + (1 - a) * frequency) / ((1 - a) * np.maximum(frequency, 1e-9)))
    raised = np.log(np.maximum(chances, 1e-12)) + siblings * weight
    raised = np.exp(raised - raised.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def backbone_features(pictures: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """What EfficientNet-lite0 makes of pictures at 128 pixels a side, shape (n, 1280); None where it is not on this machine.

    Nothing is fetched for it: where a study has `transfer`, the weights are here. Also None for more than `MOST_FOR_BACKBONE` pictures.
    """
    import numpy as np

    from bakeoff import assets

    if len(pictures) > MOST_FOR_BACKBONE or find_spec("torch") is None or assets.status(BACKBONE) != "present":
        return None
    from bakeoff.tasks.images.transfer import features_of

    return np.asarray(features_of(pictures, BACKBONE), dtype=np.float64)


def hog_features(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Histograms of gradients (Dalal and Triggs 2005) in 6 by 6 cells and 9 directions, and colours in 3 by 3 cells, shape (n, 351)."""
    import numpy as np

    return np.stack([_histograms(one) for one in pictures])


def _histograms(pixels: Pixels) -> NDArray[np.float64]:
    import numpy as np
    from PIL import Image

    small = np.asarray(Image.fromarray(pixels).resize((HOG_SIDE, HOG_SIDE), Image.Resampling.BILINEAR), dtype=np.float64) / 255
    down, across = np.gradient(small, axis=(0, 1))
    size = np.hypot(down, across)
    channel = size.argmax(axis=2)[..., None]  # the channel with the steepest slope, as Dalal and Triggs
    size = np.take_along_axis(size, channel, 2)[..., 0]
    way = np.arctan2(np.take_along_axis(down, channel, 2), np.take_along_axis(across, channel, 2))[..., 0] % np.pi
    at = way / np.pi * 9
    low = np.floor(at).astype(int) % 9
    share = at - np.floor(at)
    cells = HOG_SIDE // 8
    bins = np.zeros((HOG_SIDE, HOG_SIDE, 9))
    np.put_along_axis(bins, low[..., None], (size * (1 - share))[..., None], 2)
    np.put_along_axis(bins, ((low + 1) % 9)[..., None], (size * share)[..., None], 2)
    found = bins.reshape(cells, 8, cells, 8, 9).sum(axis=(1, 3)).reshape(-1)
    found = np.sqrt(found / (np.abs(found).sum() + 1e-6))
    colours = small.reshape(3, 16, 3, 16, 3).mean(axis=(1, 3)).reshape(-1)
    return np.concatenate([found, colours])
