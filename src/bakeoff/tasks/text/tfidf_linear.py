"""Words and characters, counted: TF-IDF n-grams under a logistic regression.

The baseline that is hardest to beat for its price. Word n-grams catch phrases, character n-grams
catch typos and endings; the strength of the regularisation is chosen on validation by log loss.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from bakeoff.contract import Answer, Flops, Item, Progress, Requires
from bakeoff.errors import BadData


@dataclass
class TfidfLinear:
    """Word and character n-grams with logistic regression, tuned on validation.

    Parameters
    ----------
    words, characters : (int, int)
        Shortest and longest n-gram, counted in words and in characters within words.
    strengths : sequence of float
        Values of C (inverse regularisation) tried; the one with the lowest validation log loss stays.
    min_documents : int
        An n-gram must occur in this many training texts.
    most_features : int
        Cap on each of the two vocabularies, by frequency.
    longest : int
        Characters read of each text; the rest is ignored (a 1 MB cell costs no more than this).
    """

    words: tuple[int, int] = (1, 2)
    characters: tuple[int, int] = (2, 5)
    strengths: Sequence[float] = (0.5, 1, 2, 4, 8, 16, 32)
    min_documents: int = 2
    most_features: int = 200_000
    longest: int = 20_000

    requires: ClassVar[Requires] = Requires(("sklearn", "safetensors"), extra="text")

    def fit(self, train: Sequence[Item], valid: Sequence[Item], *, seed: int, progress: Progress) -> TfidfLinear:
        """Learn vocabulary and weights from `train`; choose C on `valid`."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import log_loss

        texts, targets = [self._read(item) for item in train], [item.target for item in train]
        if len(set(targets)) < 2:
            raise BadData(
                "tfidf-linear needs at least two classes in the training items.", fix="give more items, or items of another class"
            )
        if not self.strengths:
            raise BadData("tfidf-linear was given no value of C to try.", fix="give `strengths` at least one number")
        few = self.min_documents if len(texts) >= 50 else 1
        union = self._features(few)
        try:
            matrix = union.fit_transform(texts)
        except ValueError as error:
            raise BadData(
                f"tfidf-linear found no words in the training texts: {error}.", fix="check that `text` names the right column"
            ) from error
        labels = sorted(set(targets))
        usable = [item for item in valid if item.target in labels]
        tried: list[dict[str, float]] = []
        best: Any = None
        started = time.perf_counter()
        held_out = union.transform([self._read(item) for item in usable]) if usable else None
        for index, strength in enumerate(self.strengths):
            model = LogisticRegression(C=strength, max_iter=1000, random_state=seed).fit(matrix, targets)
            loss = float(log_loss([i.target for i in usable], model.predict_proba(held_out), labels=labels)) if usable else 0.0
            tried.append({"C": float(strength), "log_loss": loss})
            if best is None or loss < best[0]:
                best = (loss, strength, model)
            progress((index + 1) / len(self.strengths), f"C = {strength:g}")
            if not usable:
                break
        self.chosen_ = {
            "C": float(best[1]),
            "features": int(matrix.shape[1]),
            "tried": tried,
            "search_seconds": time.perf_counter() - started,
        }
        self.features_, self.linear_ = union, best[2]
        return self

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        """Label with class probabilities, one at a time for one item and together for a list."""
        batch = list(items)
        if not batch:
            return
        classes = [str(label) for label in self.linear_.classes_]
        started = time.perf_counter()
        rows = self.linear_.predict_proba(self.features_.transform([self._read(item) for item in batch]))
        seconds = time.perf_counter() - started if len(batch) == 1 else None
        for row in rows:
            yield Answer(
                value=classes[int(row.argmax())],
                probabilities=dict(zip(classes, (float(p) for p in row), strict=True)),
                seconds=seconds,
            )

    def flops(self, items: Sequence[Item]) -> Flops:
        """Operations per answer, from the non-zeros of these items; see `bakeoff.tasks.text.flops.of_tfidf`."""
        from bakeoff.tasks.text.flops import of_tfidf

        matrix = self.features_.transform([self._read(item) for item in items]) if items else None
        return of_tfidf([] if matrix is None else matrix.getnnz(axis=1).tolist(), len(self.linear_.coef_))

    def save(self, folder: Path) -> None:
        """Write the vocabularies and classes as JSON, the weights as safetensors.

        Not skops: reading it imports torch and pandas where they are installed, which would double this model's memory.
        """
        import numpy as np
        from safetensors.numpy import save_file

        parts = dict(self.features_.transformer_list)
        vocabularies = {name: {term: int(column) for term, column in part.vocabulary_.items()} for name, part in parts.items()}
        about = {"classes": [str(label) for label in self.linear_.classes_], "vocabularies": vocabularies}
        (folder / "vocabulary.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
        tensors = {f"idf.{name}": part.idf_ for name, part in parts.items()}
        tensors |= {"coef": self.linear_.coef_, "intercept": self.linear_.intercept_}
        # safetensors writes an array's memory as it lies: a transposed view would come back scrambled.
        save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, folder / "weights.safetensors")

    def restore(self, folder: Path) -> TfidfLinear:
        """Read what `save` wrote."""
        import numpy as np
        from safetensors.numpy import load_file
        from sklearn.linear_model import LogisticRegression

        about = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "weights.safetensors")
        union = self._features(1, about["vocabularies"])
        for name, part in union.transformer_list:
            part.idf_ = tensors[f"idf.{name}"]
        linear = LogisticRegression()
        linear.classes_ = np.array(about["classes"])
        linear.coef_, linear.intercept_ = tensors["coef"], tensors["intercept"]
        linear.n_features_in_ = linear.coef_.shape[1]
        self.features_, self.linear_ = union, linear
        return self

    def _features(self, few: int, vocabularies: dict[str, dict[str, int]] | None = None) -> Any:
        """The two vectorizers side by side; with known vocabularies when restored."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import FeatureUnion

        known = vocabularies or {}
        shared: dict[str, Any] = {"sublinear_tf": True, "max_features": self.most_features, "min_df": few}
        words = TfidfVectorizer(
            ngram_range=tuple(self.words), token_pattern=r"(?u)\b\w+\b|[^\w\s]", vocabulary=known.get("words"), **shared
        )
        characters = TfidfVectorizer(
            analyzer="char_wb", ngram_range=tuple(self.characters), vocabulary=known.get("characters"), **shared
        )
        return FeatureUnion([("words", words), ("characters", characters)])

    def _read(self, item: Item) -> str:
        return str(item.input)[: self.longest]
