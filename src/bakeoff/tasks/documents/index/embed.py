"""Texts as vectors: the catalogue's MiniLM, any encoder from a hub or a folder, or an endpoint.

What stands under a heading is often meaningless without it, so a chunk is embedded with its context first. The figures of a table say nothing
to a sentence encoder and crowd out its words: of tables and their rows only the words and the years are embedded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from bakeoff.errors import BakeoffError
from bakeoff.tasks.documents.records import Chunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bakeoff.models.encoder import SentenceEncoder

DEFAULT = "minilm-int8"

_FIGURES = re.compile(r"(?<![\w-])[$€£¥]?\s?\(?[$€£¥]?\d[\d,.]*\)?\s?%?(?![\w-])|[$€£¥—–](?=\s|$)")
_UNITS = re.compile(r"\b[A-Z]{3} (?:thousand|million|billion|trillion)\b|\|")
_YEAR = re.compile(r"(?:19|20)\d\d")


@runtime_checkable
class Embedder(Protocol):
    """Anything that turns texts into vectors that can be compared by their dot product.

    `name` is what is stored with a corpus, so that questions are never compared with vectors of another model.
    """

    name: str
    dimensions: int

    def encode(self, texts: Sequence[str]) -> NDArray:
        """One row of length 1 for each text: array of shape (len(texts), dimensions), float32."""
        ...


class LocalEmbedder:
    """An ONNX sentence encoder on this machine. See `bakeoff.models.encoder`."""

    def __init__(self, name: str, encoder: SentenceEncoder) -> None:
        self.name, self._encoder = name, encoder
        self.dimensions = encoder.dimensions

    def encode(self, texts: Sequence[str]) -> NDArray:
        """One row of length 1 for each text. Texts of similar length are run together; that changes the speed, never the vectors."""
        return self._encoder.encode(texts)


def open_embedder(spec: str = DEFAULT) -> Embedder:
    """The embedder that a setting names.

    Parameters
    ----------
    spec : str
        A name in the catalogue (``minilm-int8``), ``hub:org/name``, a folder with an ``.onnx`` model and its tokenizer, or
        ``endpoint:URL#model`` for a server with OpenAI's ``/embeddings``, e.g. ``endpoint:http://localhost:8000/v1#bge-small``. Its key, if
        it needs one, is read from the environment variable OPENAI_API_KEY, or from the one named at the end: ``endpoint:URL#model@MY_KEY``.

    Raises
    ------
    BakeoffError
        If `spec` cannot be understood; AssetError if the model is missing, EndpointError if the server cannot be used.
    """
    if spec.startswith("endpoint:"):
        from bakeoff.tasks.documents.index.embed_endpoint import EndpointEmbedder

        url, sign, model = spec.removeprefix("endpoint:").partition("#")
        model, _, key_env = model.rpartition("@") if re.search(r"@[A-Z_][A-Z0-9_]*$", model) else (model, "", "OPENAI_API_KEY")
        if not sign or not url or not model:
            raise BakeoffError(
                "An embedding endpoint needs a URL and a model.", fix="give it as endpoint:http://localhost:8000/v1#model-name"
            )
        return EndpointEmbedder(url, model, key_env=key_env)
    from bakeoff.models.encoder import open_encoder

    return LocalEmbedder(spec, open_encoder(spec))


def text_to_embed(chunk: Chunk) -> str:
    """What of a chunk is embedded: its context and its text, of tables and rows without the figures and their units. Years are kept."""
    text = chunk.text
    if chunk.table is not None:
        text = " ".join(_UNITS.sub(" ", _FIGURES.sub(_only_years, text)).split())
    return f"{chunk.context}\n{text}" if chunk.context else text


def _only_years(match: re.Match[str]) -> str:
    return f" {match.group()} " if _YEAR.fullmatch(match.group().strip()) else " "
