"""The floor: the most common training label, whatever the text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bakeoff.contract import Answer, Flops, Item, Progress, quiet
from bakeoff.errors import BakeoffError

FILE = "majority.json"


class Majority:
    """Always answers the most common training label: the floor that others must beat.

    Its probabilities are the labels' shares among the training items, which no constant answer can better in
    expected log loss. Of equally common labels it takes the first by spelling.
    """

    def fit(self, train: Sequence[Item], valid: Sequence[Item] = (), *, seed: int = 0, progress: Progress = quiet) -> Majority:
        """Count the labels of `train`. Nothing is chosen on `valid`, and nothing is random."""
        counts = Counter(str(item.target) for item in train)
        if not counts:
            raise BakeoffError("There are no training items.", fix="give more items, or a smaller test share")
        self.shares_ = {label: counts[label] / len(train) for label in sorted(counts)}
        self.value_ = max(self.shares_, key=self.shares_.__getitem__)
        progress(1.0, "counted")
        return self

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        """The same label and probabilities for every item."""
        for _ in items:
            yield Answer(value=self.value_, probabilities=dict(self.shares_))

    def flops(self, items: Sequence[Item]) -> Flops:
        """None: the answer is looked up."""
        return Flops(per_item=0.0, basis="the answer is the same for every item: nothing is computed")

    def save(self, folder: Path) -> None:
        """Write ``majority.json``: label -> share."""
        (folder / FILE).write_text(json.dumps(self.shares_, ensure_ascii=False), encoding="utf-8")

    def restore(self, folder: Path) -> Majority:
        """Read what `save` wrote.

        Raises
        ------
        BakeoffError
            If the file is missing or is not shares by label.
        """
        try:
            shares = json.loads((folder / FILE).read_text(encoding="utf-8"))
            self.shares_ = {str(label): float(share) for label, share in shares.items()}
            self.value_ = max(self.shares_, key=self.shares_.__getitem__)
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise BakeoffError(f"{folder / FILE} is not a saved majority: {error}.", fix="run the study again") from error
        return self
