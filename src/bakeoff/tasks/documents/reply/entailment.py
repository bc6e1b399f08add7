"""A model of entailment as a further gate: it can refuse a statement that the verifier accepted, and never lets one in.

A cross-encoder trained on natural language inference reads the evidence and the statement together and gives three probabilities. Any such model
as ONNX will do: a folder with one ``.onnx`` file, its ``tokenizer.json`` and the ``config.json`` that says which output is entailment.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bakeoff.errors import AssetError, needs
from bakeoff.models.threads import threads

LONGEST = 384
"""Tokens read of evidence and statement together; the evidence is cut, not the statement."""

LONGEST_TEXT = 20_000


class Entailment:
    """An NLI cross-encoder.

    Parameters
    ----------
    folder : Path
        With one ``.onnx`` file (or one called ``model.onnx``), ``tokenizer.json``, and ``config.json`` whose ``id2label`` names entailment.

    Raises
    ------
    AssetError
        If a file is missing, cannot be read, or is no such model.
    """

    def __init__(self, folder: Path) -> None:
        needs("onnxruntime", "tokenizers", extra="documents", why="An entailment model")
        import onnxruntime
        from tokenizers import Tokenizer

        found = sorted(Path(folder).rglob("*.onnx"))
        exact = [path for path in found if path.name == "model.onnx"] or found
        if len(exact) != 1 or not (Path(folder) / "tokenizer.json").is_file():
            raise AssetError(
                f"{folder} holds no entailment model.", fix="give a folder with one .onnx file, tokenizer.json and config.json"
            )
        self._place = _entailment_output(Path(folder) / "config.json")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads(), 1, 4
        try:
            self._session = onnxruntime.InferenceSession(str(exact[0]), options, providers=["CPUExecutionProvider"])
            self._tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        except Exception as error:  # both libraries raise plain exceptions of their own making
            raise AssetError(
                f"The entailment model in {folder} cannot be loaded: {error}", fix="export the model again"
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST, strategy="only_first")
        self._inputs = {given.name for given in self._session.get_inputs()}
        self.name = Path(folder).name

    def __call__(self, premise: str, hypothesis: str) -> float:
        """Probability in [0, 1] that the premise entails the hypothesis. 0 where the hypothesis alone is too long to be read."""
        import numpy as np

        try:
            read = self._tokenizer.encode(premise[:LONGEST_TEXT], hypothesis[:LONGEST_TEXT])
        except Exception:  # the tokenizer's own, where the second text alone is longer than the limit
            return 0.0
        feed: dict[str, Any] = {
            "input_ids": np.array([read.ids], dtype=np.int64),
            "attention_mask": np.array([read.attention_mask], dtype=np.int64),
            "token_type_ids": np.array([read.type_ids], dtype=np.int64),
        }
        scores = np.asarray(
            self._session.run(None, {name: array for name, array in feed.items() if name in self._inputs})[0], dtype=float
        )[0]
        if self._place >= len(scores) or not np.isfinite(scores).all():
            return 0.0
        weights = np.exp(scores - scores.max())
        return float(weights[self._place] / weights.sum())


def open_entailment(spec: str) -> Entailment:
    """The entailment model that a setting names: ``hub:org/name``, or a folder. Raises AssetError."""
    from bakeoff.assets import resolve

    return Entailment(resolve(spec, kind="onnx"))


def _entailment_output(file: Path) -> int:
    try:
        labels = json.loads(file.read_text(encoding="utf-8"))["id2label"]
        places = [int(place) for place, label in labels.items() if str(label).lower() == "entailment"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AssetError(
            f"{file} does not say which output is entailment: {error!r}.", fix="keep the model's config.json beside it"
        ) from error
    if len(places) != 1:
        raise AssetError(f"{file} names {len(places)} outputs 'entailment'.", fix="use a model with one such label")
    return places[0]
