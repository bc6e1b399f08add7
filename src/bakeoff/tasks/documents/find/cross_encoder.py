"""A model that reads question and passage together and says how well one answers the other: better than features, and far slower.

Any BERT-like cross-encoder as ONNX, as sentence-transformers exports them (Nogueira and Cho 2019 for the idea): a folder with one ``.onnx`` file
and its ``tokenizer.json``, ``hub:org/name``, or a name in the catalogue. It runs on one thread unless the bench says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.errors import AssetError, needs

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST = 512
"""Tokens of question and passage together; the longer of the two is cut."""

LONGEST_QUESTION = 512
"""Characters of a question that are read."""

CHARACTERS_PER_TOKEN = 64
BATCH = 16


class CrossEncoder:
    """Scores pairs of texts.

    Parameters
    ----------
    folder : Path
        With one ``.onnx`` file, or one called ``model.onnx``, and ``tokenizer.json`` beside it or one folder above.

    Raises
    ------
    AssetError
        If a file is missing, cannot be read, or does not give one score, or two classes, for each pair.
    """

    def __init__(self, folder: Path) -> None:
        needs("onnxruntime", "tokenizers", extra="documents", why="A cross-encoder")
        import onnxruntime
        from tokenizers import Tokenizer

        from bakeoff.models.threads import threads

        model, vocabulary = _files(Path(folder))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
            self._tokenizer = Tokenizer.from_file(str(vocabulary))
        except Exception as error:  # both libraries raise plain exceptions of their own making
            raise AssetError(f"The cross-encoder in {folder} cannot be loaded: {error}", fix="fetch the model again") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(LONGEST, strategy="longest_first")
        self._inputs = {given.name for given in self._session.get_inputs()}
        shape = self._session.get_outputs()[0].shape
        unknown = self._inputs - {"input_ids", "attention_mask", "token_type_ids"}
        if unknown or len(shape) not in (1, 2) or (len(shape) == 2 and isinstance(shape[1], int) and shape[1] not in (1, 2)):
            wants = f"wants {', '.join(sorted(unknown))}" if unknown else f"gives an output of shape {shape}"
            raise AssetError(
                f"{model} {wants}: it is no cross-encoder.",
                fix="export a model for sequence classification with one or two labels",
            )

    def scores(self, question: str, passages: Sequence[str]) -> NDArray:
        """How well each passage answers the question, in [0, 1]: array of shape (n_passages,), float64.

        The logistic function of a single output; of two classes, the probability of the second.
        """
        import numpy as np

        out = np.zeros(len(passages))
        if not passages:
            return out
        asked = question[:LONGEST_QUESTION]
        pairs = [(asked, passage[: LONGEST * CHARACTERS_PER_TOKEN]) for passage in passages]
        encoded = self._tokenizer.encode_batch(pairs)
        # Longest last: rows of one batch are padded to its longest.
        order = sorted(range(len(passages)), key=lambda at: len(encoded[at].ids))
        for begin in range(0, len(order), BATCH):
            rows = order[begin : begin + BATCH]
            out[rows] = self._run([encoded[at] for at in rows])
        return out

    def _run(self, encoded: Sequence[Any]) -> NDArray:
        import numpy as np

        length = max(len(each.ids) for each in encoded)
        feed = {
            name: np.zeros((len(encoded), length), dtype=np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")
        }
        for row, each in enumerate(encoded):
            for name, values in (
                ("input_ids", each.ids),
                ("attention_mask", each.attention_mask),
                ("token_type_ids", each.type_ids),
            ):
                feed[name][row, : len(values)] = values
        logits = np.asarray(
            self._session.run(None, {name: feed[name] for name in feed if name in self._inputs})[0], dtype=np.float64
        )
        logits = logits.reshape(len(encoded), -1)
        # The second of two classes against the first is the logistic function of their difference.
        margin = logits[:, 0] if logits.shape[1] == 1 else logits[:, -1] - logits[:, 0]
        result: NDArray = 1 / (1 + np.exp(-np.clip(np.nan_to_num(margin), -60, 60)))
        return result


def open_cross_encoder(spec: str) -> CrossEncoder:
    """The cross-encoder that a setting names: a catalogue name, ``hub:org/name``, or a folder. Raises AssetError."""
    from bakeoff.assets import resolve

    return CrossEncoder(resolve(spec, kind="onnx"))


def _files(folder: Path) -> tuple[Path, Path]:
    found = sorted(folder.rglob("*.onnx")) if folder.is_dir() else [folder]
    chosen = [path for path in found if path.name == "model.onnx"] or found
    if len(chosen) != 1:
        raise AssetError(f"{folder} has {len(chosen)} .onnx models to choose from.", fix="give a folder with one .onnx model")
    vocabulary = next(
        (path for at in (chosen[0].parent, chosen[0].parent.parent) if (path := at / "tokenizer.json").is_file()), None
    )
    if vocabulary is None:
        raise AssetError(f"{folder} has no tokenizer.json.", fix="put the model's tokenizer.json beside it")
    return chosen[0], vocabulary
