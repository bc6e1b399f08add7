"""The floor: the most common label, whatever the picture shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bakeoff.contract import Progress, Requires
from bakeoff.tasks.images.classifier import PictureClassifier

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass
class Majority(PictureClassifier):
    """Answers the most common training label, with the training shares as probabilities (one added to each count)."""

    requires: ClassVar[Requires] = Requires(("safetensors", "PIL"), extra="images")

    def _learn(self, x: Any, y: Any, x_valid: Any, y_valid: Any, *, seed: int, progress: Progress) -> None:
        import numpy as np

        counts = np.bincount(y, minlength=len(self.labels_)) + 1
        self.logits_ = np.log(counts / counts.sum())

    def _scores(self, x: NDArray[np.uint8]) -> NDArray[np.float64]:
        import numpy as np

        return np.tile(self.logits_, (len(x), 1))

    def _keep(self) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]:
        return {"logits": self.logits_}, {}

    def _recall(self, tensors: Mapping[str, NDArray[Any]], beside: Mapping[str, Any]) -> None:
        self.logits_ = tensors["logits"]
