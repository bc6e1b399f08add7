"""What the peers' standard pipelines share here: the corpus's plain text as their loaders give it, our embedder, our language model.

A peer gets the same files, the same embedding model and the same language model as every other approach; splitter, index, number of
passages, prompt and the way of putting them together are its own defaults.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bakeoff.contract import Answer, Citation, Item, Progress
from bakeoff.errors import BakeoffError, RunError
from bakeoff.tasks.documents.asked import question_of
from bakeoff.tasks.documents.records import Scope
from bakeoff.tasks.documents.writer import Writer, Written, declines

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Split:
    """A piece of a page as a peer's splitter cut it."""

    document: str
    page: int
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """A piece and its score."""

    split: Split
    score: float


@dataclass
class Peer(ABC):
    """The bench's side of a peer's pipeline. A subclass cuts, indexes, finds and words; see `langchain_peer`, `llamaindex_peer`.

    Parameters
    ----------
    model : str
        A catalogue name, `hub:org/name` or the path of a `.gguf` file.
    embedder : str
        A catalogue name, `hub:org/name`, or a folder with an ONNX model and a tokenizer.
    chunk_size, chunk_overlap : int
        Of the pipeline's splitter; a subclass says in what.
    k : int
        Passages given to the model.
    context, max_tokens : int
        Tokens that prompt and answer may have together, and most tokens written.
    """

    model: str = "smollm2-135m-instruct"
    embedder: str = "minilm-int8"
    chunk_size: int = 1000
    chunk_overlap: int = 200
    k: int = 4
    context: int = 2048
    max_tokens: int = 96

    asset_kind: ClassVar[str] = "gguf"

    def assets(self) -> Sequence[str]:
        """The language model, where there is one."""
        return [self.model] if self.model else []

    def read_from(self, material: Path) -> None:
        """Remember the prepared corpus."""
        self._material = material

    def fit(self, train: Sequence[Item], valid: Sequence[Item], *, seed: int, progress: Progress) -> Any:
        """Cut, embed and index every page. Nothing is learned from the questions: these pipelines have no threshold."""
        material = getattr(self, "_material", None)
        if material is None:
            raise BakeoffError("There is no corpus to read.", fix="call read_from with a prepared corpus first")
        splits = self.cut(list(pages_of(material)))
        progress(0.2, f"embedding {len(splits):,} pieces")
        self._hold(splits, self._embed()([split.text for split in splits]))
        self.chosen_ = {"chunks": len(splits)}
        return self

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        """One reply per question; its citations are the pieces that the model was given, for the pipeline states no others."""
        for item in items:
            started = time.perf_counter()
            try:
                question, scope = question_of(item.input)
                found = self.find(question, scope)
                written = self.word(question, found)
            except BakeoffError as error:
                yield Answer(error=error.what, seconds=time.perf_counter() - started)
                continue
            yield _answer(written, found, time.perf_counter() - started)

    def save(self, folder: Path) -> None:
        """The pieces and their vectors."""
        import numpy as np
        from safetensors.numpy import save_file

        lines = [json.dumps([split.document, split.page, split.text], ensure_ascii=False) for split in self.splits_]
        (folder / "pieces.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        save_file({"vectors": np.ascontiguousarray(self.vectors_, dtype=np.float32)}, folder / "vectors.safetensors")

    def restore(self, folder: Path) -> Any:
        """Read what `save` wrote and index it again."""
        from safetensors.numpy import load_file

        try:
            with (folder / "pieces.jsonl").open(encoding="utf-8") as lines:
                splits = [Split(*json.loads(line)) for line in lines]
            vectors = load_file(folder / "vectors.safetensors")["vectors"]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RunError(f"{folder} holds no saved pieces: {error}", fix="run the study again") from error
        self.chosen_ = {"chunks": len(splits)}
        self._hold(splits, vectors)
        return self

    @abstractmethod
    def cut(self, pages: Sequence[Split]) -> list[Split]:
        """Pages into pieces."""

    @abstractmethod
    def build(self) -> None:
        """Make the pipeline's index of `splits_` and `vectors_`."""

    @abstractmethod
    def find(self, question: str, scope: Scope) -> list[Found]:
        """The pieces for a question, best first; none from a page that is out of scope."""

    @abstractmethod
    def prompt(self, question: str, found: Sequence[Found]) -> str:
        """The pipeline's own prompt."""

    def word(self, question: str, found: Sequence[Found]) -> Written:
        """The language model's reply to the pipeline's prompt."""
        if not hasattr(self, "_writer"):
            self._writer = Writer(self.model, context=self.context, max_tokens=self.max_tokens)
        return self._writer.write(self.prompt(question, found))

    def _hold(self, splits: list[Split], vectors: NDArray) -> None:
        self.splits_, self.vectors_ = splits, vectors
        self.build()

    def _embed(self) -> Any:
        if not hasattr(self, "_encode"):
            from bakeoff.tasks.documents.index.embed import open_embedder

            self._encode = open_embedder(self.embedder).encode
        return self._encode


def pages_of(material: Path) -> Iterator[Split]:
    """Each page's text as pypdfium2 gives it, which is what the peers' own PDF loaders read with (or do no better)."""
    from bakeoff.tasks.documents.material import documents_of
    from bakeoff.tasks.documents.reading.raw import open_pdf

    for document in documents_of(material):
        pdf = open_pdf(document.path)
        try:
            for index in range(len(pdf)):
                page = pdf[index]
                yield Split(document.facts.name, index + 1, page.get_textpage().get_text_range())
                page.close()
        finally:
            pdf.close()


def out_of_scope(scope: Scope) -> Any:
    """A test of (document, page): whether a question must not look at it."""
    left_out = {(page.document, page.page) for page in scope.without}
    return lambda document, page: (document, page) in left_out


def _answer(written: Written, found: Sequence[Found], seconds: float) -> Answer:
    citations = tuple(Citation(each.split.document, each.split.page, each.split.text) for each in found)
    details: Mapping[str, Any] = {
        "passages": [
            {
                "document": each.split.document,
                "page": each.split.page,
                "pages": [each.split.page],
                "score": round(float(each.score), 6),
                "text": each.split.text,
            }
            for each in found
        ],
        "support": 0.0,
        "raw": written.text,
    }
    counts = {
        "tokens_in": written.tokens_in,
        "tokens_out": written.tokens_out,
        "first_token_seconds": written.first_token_seconds,
    }
    if declines(written.text):
        return Answer(abstained=True, seconds=seconds, details=details, **counts)  # type: ignore[arg-type]
    cited = [{"document": c.document, "page": c.page, "quote": c.quote, "boxes": []} for c in citations]
    return Answer(
        value={"statements": [{"text": written.text, "citations": cited}]},
        citations=citations,
        seconds=seconds,
        details=details,
        **counts,  # type: ignore[arg-type]
    )
