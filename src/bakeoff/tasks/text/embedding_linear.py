"""Sentence embeddings under a logistic regression: what a small pretrained encoder already knows, untouched.

Cheap to train (seconds), strong with few labels, and a few milliseconds an answer on one core.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bakeoff.contract import Answer, Flops, Item, Progress, Requires
from bakeoff.errors import BadData, RunError

if TYPE_CHECKING:
    import numpy as np

    from bakeoff.models.encoder import SentenceEncoder


@dataclass
class EmbeddingLinear:
    """Logistic regression on the vectors of a frozen sentence encoder.

    Parameters
    ----------
    model : str
        A catalogue name (`minilm-int8`), `hub:org/name`, or a folder with an ONNX model and a tokenizer.
    strengths : sequence of float
        Values of C (inverse regularisation) tried; the one with the lowest validation log loss stays.
    longest : int
        Tokens read of each text.
    batch_size : int
        Texts encoded together; changes the speed, never the answers.
    """

    model: str = "minilm-int8"
    strengths: Sequence[float] = (0.1, 0.3, 1, 3, 10, 30, 100)
    longest: int = 256
    batch_size: int = 32

    asset_kind: ClassVar[str] = "onnx"
    requires: ClassVar[Requires] = Requires(("sklearn", "safetensors", "onnxruntime", "tokenizers"), extra="text")

    def assets(self) -> Sequence[str]:
        """The encoder."""
        return [self.model]

    def fit(self, train: Sequence[Item], valid: Sequence[Item], *, seed: int, progress: Progress) -> EmbeddingLinear:
        """Encode the texts, learn weights on `train`, choose C on `valid`."""
        import numpy as np
        from sklearn.linear_model import LogisticRegression

        labels = sorted({item.target for item in train})
        if len(labels) < 2:
            raise BadData(
                "embedding-linear needs at least two classes in the training items.",
                fix="give more items, or items of another class",
            )
        self._open()
        usable = [item for item in valid if item.target in labels]
        x, x_valid = self._encode(train, progress, 0.0, 0.8), self._encode(usable, progress, 0.8, 0.9)
        y = np.array([labels.index(item.target) for item in train])
        y_valid = np.array([labels.index(item.target) for item in usable], dtype=int)
        started, tried, best = time.perf_counter(), [], None
        for index, strength in enumerate(self.strengths if usable else [1.0]):
            model = LogisticRegression(C=strength, max_iter=2000, random_state=seed).fit(x, y)
            weights, bias = _for_every_class(model)
            loss = 0.0
            if usable:
                chances = _softmax(_scores(x_valid, weights, bias))[np.arange(len(usable)), y_valid]
                loss = float(-np.log(np.maximum(chances, 1e-15)).mean())
            tried.append({"C": float(strength), "log_loss": loss})
            if best is None or loss < best[0]:
                best = (loss, strength, weights, bias)
            progress(0.9 + 0.1 * (index + 1) / len(self.strengths), f"C = {strength:g}")
        if best is None:
            raise BadData("embedding-linear was given no value of C to try.", fix="give `strengths` at least one number")
        self.labels_, self.weights_, self.bias_ = labels, best[2], best[3]
        self.chosen_: dict[str, Any] = {
            "C": float(best[1]),
            "tried": tried,
            "search_seconds": time.perf_counter() - started,
            "dimensions": int(x.shape[1]),
        }
        return self

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        """Label with class probabilities, one at a time for one item and together for a list."""
        batch = list(items)
        if not batch:
            return
        self._open()
        started = time.perf_counter()
        chances = _softmax(_scores(self._vectors([str(item.input) for item in batch]), self.weights_, self.bias_))
        seconds = time.perf_counter() - started if len(batch) == 1 else None
        for row in chances:
            yield Answer(
                value=self.labels_[int(row.argmax())],
                probabilities=dict(zip(self.labels_, (float(p) for p in row), strict=True)),
                seconds=seconds,
            )

    def flops(self, items: Sequence[Item]) -> Flops:
        """Operations per answer, over the tokens really read; see `bakeoff.tasks.text.flops.of_onnx_encoder`."""
        from bakeoff.assets import resolve
        from bakeoff.tasks.text.flops import of_onnx_encoder

        texts = [str(item.input) for item in items]
        return of_onnx_encoder(self._open(), resolve(self.model, kind="onnx"), texts, len(self.weights_))

    def save(self, folder: Path) -> None:
        """Write ``linear.safetensors`` and ``linear.json``; the encoder is named by its setting, not copied."""
        from safetensors.numpy import save_file

        save_file({"weights": self.weights_, "bias": self.bias_}, str(folder / "linear.safetensors"))
        about = {"model": self.model, "labels": self.labels_, "chosen": self.chosen_}
        (folder / "linear.json").write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")

    def restore(self, folder: Path) -> EmbeddingLinear:
        """Read what `save` wrote.

        Raises
        ------
        RunError
            If it was saved over another encoder or its parts do not fit together.
        """
        from safetensors.numpy import load_file

        about = json.loads((folder / "linear.json").read_text(encoding="utf-8"))
        if about["model"] != self.model:
            raise RunError(
                f"{folder} was trained over the encoder {about['model']!r}, not {self.model!r}.",
                fix=f"set model to {about['model']}",
            )
        found = load_file(str(folder / "linear.safetensors"))
        self.labels_, self.chosen_ = list(about["labels"]), about["chosen"]
        self.weights_, self.bias_ = found["weights"], found["bias"]
        if self.weights_.ndim != 2 or not self.weights_.shape[0] == len(self.bias_) == len(self.labels_):
            raise RunError(f"{folder} does not hold the weights of {len(self.labels_)} labels.", fix="run the study again")
        return self

    def _open(self) -> SentenceEncoder:
        if not hasattr(self, "_encoder"):
            from bakeoff.models.encoder import open_encoder

            self._encoder = open_encoder(self.model, longest=self.longest)
        return self._encoder

    def _vectors(self, texts: Sequence[str]) -> np.ndarray:
        import numpy as np

        return self._open().encode(texts, batch_size=self.batch_size).astype(np.float64)

    def _encode(self, items: Sequence[Item], progress: Progress, begin: float, end: float) -> np.ndarray:
        """Vectors of the items, in chunks so that progress moves. Chunks do not change the vectors."""
        import numpy as np

        size, parts = max(self.batch_size, 1) * 8, []
        for at in range(0, len(items), size):
            parts.append(self._vectors([str(item.input) for item in items[at : at + size]]))
            progress(begin + (end - begin) * min(1.0, (at + size) / len(items)), f"encoded {min(at + size, len(items)):,} texts")
        return np.vstack(parts) if parts else np.zeros((0, self._open().dimensions))


def _for_every_class(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Weights (n_classes, n_features) and bias (n_classes,): two classes become a row of nought and a row for the second."""
    import numpy as np

    if len(model.coef_) > 1:
        return np.ascontiguousarray(model.coef_), np.ascontiguousarray(model.intercept_)
    zeros = np.zeros_like(model.coef_)
    return np.vstack([zeros, model.coef_]), np.concatenate([[0.0], model.intercept_])


def _scores(vectors: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Scores (n_texts, n_classes). Row by row: one product over all rows rounds differently with the number of rows."""
    import numpy as np

    return np.array([weights @ row for row in vectors]).reshape(len(vectors), len(bias)) + bias


def _softmax(scores: np.ndarray) -> np.ndarray:
    import numpy as np

    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
