"""What every approach to pictures shares: labels, arrays, calibration, answering one by one and in batches, saving."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.contract import Answer, Item, Progress
from bakeoff.errors import BadData, RunError
from bakeoff.tasks.images.decode import BadPicture, Fit
from bakeoff.tasks.images.pictures import Pictures, pictures_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Batch = NDArray[np.uint8]
    Scores = NDArray[np.float64]

ANSWERED_TOGETHER = 128
"""Pictures that are scored at once where many are asked; it changes the speed, never the answers."""


class PictureClassifier(ABC):
    """An approach to the images task. Subclasses learn (`_learn`), score (`_scores`) and keep what they learned (`_keep`, `_recall`).

    Attributes
    ----------
    labels_ : list of str
        Sorted; columns of every score.
    temperature_ : float
        Divides the scores before the softmax; fitted on validation pictures (Guo et al. 2017), 1 where there are none.
    chosen_ : dict
        What was chosen on validation, for the report.
    curve_ : list of dict
        One row per epoch: ``epoch``, ``train_loss``, ``train_accuracy``, ``valid_loss``, ``valid_accuracy``, ``seconds``. Empty where nothing is
        trained in epochs.
    """

    store_: Pictures | None = None
    labels_: list[str]
    size_: int
    fit_: Fit
    temperature_: float
    chosen_: dict[str, Any]
    curve_: list[dict[str, float]]

    def read_from(self, material: Path) -> None:
        """Open the study's prepared pictures."""
        self.store_ = Pictures.open(material)

    def fit(self, train: Sequence[Item], valid: Sequence[Item], *, seed: int, progress: Progress) -> PictureClassifier:
        """Learn from `train`; choose, stop and calibrate on `valid`.

        Raises
        ------
        BadData
            If the training items hold fewer than two classes.
        """
        import numpy as np

        from bakeoff.measure.calibration import fit_temperature

        if self.store_ is None:
            raise BadData("The pictures were not handed over.", fix="call read_from(folder) first")
        self.labels_ = sorted({str(item.target) for item in train})
        if len(self.labels_) < 2:
            raise BadData("Pictures of at least two classes are needed to learn from.", fix="give pictures of another class")
        place = {label: index for index, label in enumerate(self.labels_)}
        usable = [item for item in valid if item.target in place]
        self.size_, self.fit_ = self.store_.size, self.store_.fit
        self.chosen_ = {}
        self.curve_ = []
        self.temperature_ = 1.0
        x, y = self.store_.take([item.input for item in train]), np.array([place[item.target] for item in train])
        x_valid = self.store_.take([item.input for item in usable])
        y_valid = np.array([place[item.target] for item in usable], dtype=np.int64)
        self._learn(x, y, x_valid, y_valid, seed=seed, progress=progress)
        if len(usable) >= len(self.labels_):
            self.temperature_ = float(fit_temperature(_softmax(self._scored(x_valid)), y_valid))
            self.chosen_["temperature"] = round(self.temperature_, 4)
        return self

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        """Label with class probabilities. A picture that cannot be read is that item's error."""
        import numpy as np

        asked = list(items)
        for start in range(0, len(asked), ANSWERED_TOGETHER):
            some = asked[start : start + ANSWERED_TOGETHER]
            started = time.perf_counter()
            found: list[Any] = [self._picture(item) for item in some]
            good = [each for each in found if not isinstance(each, str)]
            chances: Iterator[Any] = iter(self.probabilities(np.stack(good)) if good else ())
            seconds = time.perf_counter() - started if len(asked) == 1 else None
            for each in found:
                if isinstance(each, str):
                    yield Answer(error=each)
                    continue
                row = next(chances)
                yield Answer(
                    value=self.labels_[int(row.argmax())],
                    probabilities=dict(zip(self.labels_, (float(p) for p in row), strict=True)),
                    seconds=seconds,
                )

    def probabilities(self, x: Batch) -> Scores:
        """Calibrated class probabilities of pictures of shape (n, size, size, 3); shape (n, len(labels_)), rows sum to 1."""
        return _softmax(self._scored(x) / self.temperature_)

    def _scored(self, x: Batch) -> Scores:
        import numpy as np

        parts = [self._scores(x[start : start + ANSWERED_TOGETHER]) for start in range(0, len(x), ANSWERED_TOGETHER)]
        return np.concatenate(parts).astype(np.float64)

    def _picture(self, item: Item) -> Any:
        try:
            return pictures_of(item.input, self.size_, self.fit_, self.store_)
        except BadPicture as error:
            return f"the picture cannot be used: {error.what}"

    def save(self, folder: Path) -> None:
        """Write ``picture.safetensors`` and ``picture.json``."""
        from safetensors.numpy import save_file

        tensors, beside = self._keep()
        save_file(dict(tensors), str(folder / "picture.safetensors"))
        about = {
            "labels": self.labels_, "temperature": self.temperature_, "size": self.size_, "fit": self.fit_, "chosen": self.chosen_,
            "curve": self.curve_, "beside": dict(beside),
        }  # fmt: skip
        (folder / "picture.json").write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")

    def restore(self, folder: Path) -> PictureClassifier:
        """Read what `save` wrote.

        Raises
        ------
        RunError
            If the folder holds no such model.
        """
        from safetensors.numpy import load_file

        try:
            about = json.loads((folder / "picture.json").read_text(encoding="utf-8"))
            tensors = load_file(str(folder / "picture.safetensors"))
        except (OSError, ValueError) as error:
            raise RunError(f"{folder} holds no saved classifier of pictures.", fix="run the study again") from error
        self.labels_, self.temperature_ = list(about["labels"]), float(about["temperature"])
        self.size_, self.fit_ = int(about["size"]), about["fit"]
        self.chosen_, self.curve_ = dict(about["chosen"]), list(about["curve"])
        self._recall(tensors, about["beside"])
        return self

    @abstractmethod
    def _learn(
        self, x: Batch, y: NDArray[np.int64], x_valid: Batch, y_valid: NDArray[np.int64], *, seed: int, progress: Progress
    ) -> None:
        """Learn from pictures (n, size, size, 3) uint8 and codes (n,) into `labels_`; set `chosen_` and `curve_`."""

    @abstractmethod
    def _scores(self, x: Batch) -> Scores:
        """Logits, shape (n, len(labels_))."""

    @abstractmethod
    def _keep(self) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]:
        """What was learned: arrays by name, and JSON beside them."""

    @abstractmethod
    def _recall(self, tensors: Mapping[str, NDArray[Any]], beside: Mapping[str, Any]) -> None:
        """Take back what `_keep` gave. `labels_`, `size_` and `fit_` are already there."""


def _softmax(scores: Scores) -> Scores:
    import numpy as np

    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
