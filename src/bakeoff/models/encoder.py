"""A sentence encoder: text in, one vector out. ONNX Runtime on the CPU, mean pooling, unit length.

Does an embedding depend on the texts it was encoded with? Models whose activations are quantised while they run
(``DynamicQuantizeLinear``) share one scale per batch, so yes: those are run one text at a time. The catalogue's int8
model keeps floating-point activations; its embeddings were the same to the last bit alone and in padded batches of 32.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.errors import AssetError, BakeoffError, needs
from bakeoff.models.threads import threads

if TYPE_CHECKING:
    import numpy as np

LONGEST = 256
"""Tokens read of each text: what all-MiniLM-L6-v2 was trained for."""

CHARACTERS_PER_TOKEN = 64
"""More characters than this per token are cut before tokenising, so that a 1 MB text costs no more than a long one."""


class SentenceEncoder:
    """A BERT-like encoder: an ``.onnx`` file and its ``tokenizer.json``.

    Parameters
    ----------
    path : Path
        A folder with one ``.onnx`` file (or one called ``model.onnx``) and the tokenizer, or the ``.onnx`` file itself,
        whose tokenizer lies beside it or one folder above it, as repositories of sentence encoders lay them out.
    longest : int, default=256
        Tokens read of each text, special tokens included.

    Raises
    ------
    AssetError
        If a file is missing, cannot be read, or is no encoder of tokens.
    """

    def __init__(self, path: Path, *, longest: int = LONGEST) -> None:
        needs("onnxruntime", "tokenizers", extra="text", why="A sentence encoder")
        if longest < 3:
            raise BakeoffError(f"longest is {longest}; it must be at least 3 tokens.", fix="set longest to 256")
        import onnxruntime
        from tokenizers import Tokenizer

        model = Path(path) if Path(path).is_file() else _model_file(Path(path))
        vocabulary = _vocabulary_of(Path(path), model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
            self._tokenizer = Tokenizer.from_file(str(vocabulary))
        except Exception as error:  # both libraries raise plain exceptions of their own making
            raise AssetError(f"The encoder in {path} cannot be loaded: {error}", fix="fetch the model again") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(longest)
        self._longest = longest
        self._inputs = {given.name for given in self._session.get_inputs()}
        shape = self._session.get_outputs()[0].shape
        unknown = self._inputs - {"input_ids", "attention_mask", "token_type_ids"}
        if unknown or len(shape) != 3 or not isinstance(shape[-1], int):
            wants = f"wants {', '.join(sorted(unknown))}" if unknown else f"gives a first output of shape {shape}"
            raise AssetError(
                f"{model} {wants}: it is no encoder with one vector per token.",
                fix="export the encoder itself (feature extraction), without a head or a pooling layer",
            )
        self.dimensions = shape[-1]
        self.depends_on_batch = b"DynamicQuantizeLinear" in model.read_bytes()

    def encode(self, texts: Sequence[str], batch_size: int = 32, normalise: bool = True) -> np.ndarray:
        """One vector per text.

        Parameters
        ----------
        texts : sequence of str, length n_texts
            Any text, empty too. Beyond `longest` tokens it is not read.
        batch_size : int, default=32
            Texts in one run, of similar length. It changes the speed, never the vectors.
        normalise : bool, default=True
            Scale each vector to length 1.

        Returns
        -------
        array of shape (n_texts, dimensions), float32
        """
        import numpy as np

        if batch_size < 1:
            raise BakeoffError(f"batch_size is {batch_size}; it must be at least 1.", fix="set batch_size to 32")
        out = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        if not texts:
            return out
        tokens = [each.ids for each in self._tokenizer.encode_batch([self._readable(text) for text in texts])]
        order = sorted(range(len(texts)), key=lambda i: len(tokens[i]))
        size = 1 if self.depends_on_batch else batch_size
        for begin in range(0, len(order), size):
            rows = order[begin : begin + size]
            out[rows] = self._pooled([tokens[i] for i in rows])
        if normalise:
            out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
        return out

    def _readable(self, text: str) -> str:
        return text[: self._longest * CHARACTERS_PER_TOKEN].encode("utf-8", "replace").decode("utf-8")

    def _pooled(self, tokens: Sequence[Sequence[int]]) -> np.ndarray:
        """Mean over the tokens of each text (Reimers & Gurevych 2019), shape (n_texts, dimensions)."""
        import numpy as np

        ids = np.zeros((len(tokens), max(len(row) for row in tokens)), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, given in enumerate(tokens):
            ids[row, : len(given)] = given
            mask[row, : len(given)] = 1
        feed: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states = self._session.run(None, {name: array for name, array in feed.items() if name in self._inputs})[0]
        weights = mask[:, :, None].astype(np.float32)
        return (states * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0)


def open_encoder(spec: str, *, longest: int = LONGEST) -> SentenceEncoder:
    """The encoder that a setting names: a catalogue name (``minilm-int8``), ``hub:org/name``, or a folder. Raises AssetError."""
    from bakeoff.assets import resolve

    return SentenceEncoder(resolve(spec, kind="onnx"), longest=longest)


def _vocabulary_of(path: Path, model: Path) -> Path:
    folders = [path] if path.is_dir() else [model.parent, model.parent.parent]
    found = next((file for folder in folders if (file := folder / "tokenizer.json").is_file()), None)
    if found is None:
        raise AssetError(f"{path} has no tokenizer.json.", fix="give a folder with an .onnx model and its tokenizer.json")
    return found


def _model_file(folder: Path) -> Path:
    found = sorted(folder.rglob("*.onnx"))
    exact = [path for path in found if path.name == "model.onnx"]
    if len(exact or found) != 1:
        says = "no .onnx model" if not found else f"{len(found)} .onnx models and not one called model.onnx"
        raise AssetError(f"{folder} has {says}.", fix="give a folder with one .onnx model and its tokenizer.json")
    return (exact or found)[0]
