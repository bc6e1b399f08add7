"""How well the passages found support an answer to a question: boosted trees over how each demand of the question is met.

What is looked at is in `answerable.features`. The trees (gradient boosting, Friedman 2001) were fitted on made corpora by
``scripts/train_answerability.py`` and are shipped as numbers in ``weights/answerability.json``; ``weights/README.md`` is their model card. Their sum
is turned into a probability by Platt's scaling, fitted on documents that the trees had not seen.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from bakeoff.errors import BadData
from bakeoff.tasks.documents.reply.answerable import FEATURES, features

__all__ = ["DEFAULT", "FEATURES", "Ensemble", "SupportModel", "Tree", "features"]

WEIGHTS = "weights/answerability.json"
MOST_TREES, MOST_NODES = 2_000, 1_023
"""Larger models are refused: a corpus can be handed on, and its settings with it."""


class Tree(NamedTuple):
    """A binary tree, node by node. `feature` is the place of the feature that is compared, -1 at a leaf; `left` is taken where it is <= `threshold`.

    Children stand after their parent. `value` is what a leaf adds.
    """

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]

    def at(self, row: tuple[float, ...]) -> float:
        """The value of the leaf that a row of features falls into."""
        node = 0
        while self.feature[node] >= 0:
            node = self.left[node] if row[self.feature[node]] <= self.threshold[node] else self.right[node]
        return self.value[node]


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Trees that are added up.

    Parameters
    ----------
    names : tuple of str
        Of the features, in the order that trees count them.
    start : float
        What the sum begins with, in log-odds.
    trees : tuple of Tree
    slope, offset : float
        Of the calibration: support is ``1 / (1 + exp(-(slope * sum + offset)))``. `slope` is above 0.
    fitted_on : str
        What it was fitted on, in words.
    """

    names: tuple[str, ...]
    start: float
    trees: tuple[Tree, ...]
    slope: float = 1.0
    offset: float = 0.0
    fitted_on: str = ""

    def total(self, seen: Mapping[str, float]) -> float:
        """The sum of the trees for what was seen, in log-odds before calibration."""
        row = tuple(seen[name] for name in self.names)
        return self.start + math.fsum(tree.at(row) for tree in self.trees)


@dataclass(frozen=True, slots=True)
class SupportModel:
    """A model of support.

    Parameters
    ----------
    ensemble : Ensemble or None
        None for the one that is shipped, which is read when it is first needed.
    """

    ensemble: Ensemble | None = None

    def support(self, seen: Mapping[str, float]) -> float:
        """Support in [0, 1]: the probability that the question has its answer among what was found.

        Parameters
        ----------
        seen : mapping of str to float
            As `features` gives it.
        """
        kept = self._kept()
        score = kept.slope * kept.total(seen) + kept.offset
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, score))))

    @property
    def fitted_on(self) -> str:
        """What it was fitted on, in words."""
        return self._kept().fitted_on

    def to_json(self) -> str:
        """As JSON, to be kept with a corpus."""
        kept = self._kept()
        record = {name: getattr(kept, name) for name in kept.__slots__ if name != "trees"}
        # Short keys, one row of numbers for each part of a tree: the file is mostly this.
        record["trees"] = [list(map(list, tree)) for tree in kept.trees]
        return json.dumps(record, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> SupportModel:
        """What `to_json` wrote. Raises BadData for anything else."""
        return cls(_ensemble(text))

    def _kept(self) -> Ensemble:
        return self.ensemble or _shipped()


def _ensemble(text: str) -> Ensemble:
    try:
        kept = json.loads(text)
        names = tuple(str(each) for each in kept["names"])
        trees = tuple(_tree(each, len(names)) for each in kept["trees"][: MOST_TREES + 1])
        start, slope, offset = (float(kept[name]) for name in ("start", "slope", "offset"))
        told = str(kept.get("fitted_on", ""))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise BadData(f"This is no saved model of support: {error!r}.", fix="train it again") from error
    if set(names) - set(FEATURES):
        raise BadData("This model of support is for other features than this version has.", fix="train it again")
    if not trees or len(trees) > MOST_TREES or not all(map(math.isfinite, (start, slope, offset))) or not slope > 0:
        raise BadData("This model of support has no trees, too many, or a slope that is not above 0.", fix="train it again")
    return Ensemble(names, start, trees, slope, offset, told)


def _tree(given: list[list[float]], width: int) -> Tree:
    """A tree from its rows of numbers. Raises ValueError for one that is none, or that would not end."""
    feature, threshold, left, right, value = given
    tree = Tree(
        tuple(int(each) for each in feature),
        tuple(float(each) for each in threshold),
        tuple(int(each) for each in left),
        tuple(int(each) for each in right),
        tuple(float(each) for each in value),
    )
    size = len(tree.feature)
    if not 1 <= size <= MOST_NODES or any(len(row) != size for row in tree):
        raise ValueError("a tree of the wrong size")
    for node, each in enumerate(tree.feature):
        if not -1 <= each < width or not math.isfinite(tree.threshold[node]) or not math.isfinite(tree.value[node]):
            raise ValueError("a node that compares nothing that is known")
        if each >= 0 and not (node < tree.left[node] < size and node < tree.right[node] < size):
            raise ValueError("a tree that does not end")
    return tree


@cache
def _shipped() -> Ensemble:
    return _ensemble(files("bakeoff.tasks.documents.reply").joinpath(WEIGHTS).read_text(encoding="utf-8"))


DEFAULT = SupportModel()
"""The shipped model, used where a corpus has none of its own. ``benchmarks/abstention.py`` says how it does on documents that it was not fitted on."""
