"""Answers that are quoted from the corpus, word for word, each with the place it stands: no language model.

Passages are found by words, by meaning, or by both (`retrieval`); the sentences and table rows that best answer the question are the
answer. What the corpus does not support is declined: the least support that counts is chosen on the training and validation questions.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from bakeoff.contract import Answer, Item, Progress, Requires
from bakeoff.errors import BadData, BakeoffError, RunError
from bakeoff.tasks.documents.asked import question_of
from bakeoff.tasks.documents.reply_json import answer_of

if TYPE_CHECKING:
    from bakeoff.tasks.documents.corpus import Corpus, IndexReport
    from bakeoff.tasks.documents.records import Reply, Scope

INDEX = "index"


@dataclass
class Cited:
    """Found passages, and the sentences and rows of them that answer, verbatim.

    Parameters
    ----------
    retrieval : {'hybrid', 'lexical', 'dense'}
        Passages by BM25, by the cosine of embeddings, or by both, fused.
    embedder : str
        A catalogue name (`minilm-int8`), `hub:org/name`, a folder with an ONNX model and a tokenizer, or `endpoint:URL#model`.
        Not used where `retrieval` is lexical.
    rerank : str
        `features`, `none`, or a cross-encoder: a folder with an ONNX model and a tokenizer, or `hub:org/name`.
    chunk_tokens, chunk_overlap, chunk_least : int
        Longest passage of running text in word pieces, how many are repeated in the next, and how many a passage holds before a heading begins
        a new one: see `bakeoff.tasks.documents.index.chunk_settings.ChunkSettings`.
    passages : int
        Passages found for a question.
    statements : int
        Most statements of an answer.
    declines : float
        Share of the unanswerable questions of training and validation that the chosen threshold must decline, in (0, 1).
    """

    retrieval: Literal["hybrid", "lexical", "dense"] = "hybrid"
    embedder: str = "minilm-int8"
    rerank: str = "features"
    chunk_tokens: int = 210
    chunk_overlap: int = 40
    chunk_least: int = 60
    passages: int = 10
    statements: int = 3
    declines: float = 0.95

    corpus_: Corpus | None = field(default=None, init=False, repr=False)
    _asker: frozenset[str] | None = field(default=None, init=False, repr=False)
    chosen_: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    example: ClassVar[str] = "What does the contract say about notice?"
    asset_kind: ClassVar[str] = "onnx"
    requires: ClassVar[Requires] = Requires(
        ("pypdfium2", "pikepdf", "snowballstemmer", "onnxruntime", "tokenizers"), extra="documents"
    )

    def assets(self) -> Sequence[str]:
        """The embedding model, where there is one."""
        return [] if self.retrieval == "lexical" or self.embedder.startswith("endpoint:") else [self.embedder]

    def read_from(self, material: Path) -> None:
        """Remember the prepared corpus."""
        self._material = material

    def fit(self, train: Sequence[Item], valid: Sequence[Item], *, seed: int, progress: Progress) -> Cited:
        """Cut the pages into chunks, embed and index them; choose the threshold on the questions of `train` and `valid`."""
        material = getattr(self, "_material", None)
        if material is None:
            raise BakeoffError("There is no corpus to read.", fix="call read_from with a prepared corpus first")
        home = Path(tempfile.mkdtemp(prefix="bakeoff-corpus-"))
        weakref.finalize(self, shutil.rmtree, home, ignore_errors=True)
        self.corpus_, report = self._index(material, home / INDEX, lambda done, note: progress(0.7 * done, note))
        self.chosen_ = {
            "chunks": report.chunks,
            "pages": report.pages,
            "seconds": {k: round(v, 2) for k, v in report.seconds.items()},
        }
        self._choose([*train, *valid], lambda done: progress(0.7 + 0.3 * done, "choosing the threshold"))
        return self

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        """One reply per question, each timed alone."""
        for item in items:
            started = time.perf_counter()
            try:
                question, scope = self._asked(item.input)
                reply = self._reply(question, scope)
            except BakeoffError as error:
                yield Answer(error=error.what, seconds=time.perf_counter() - started)
                continue
            yield answer_of(reply, seconds=time.perf_counter() - started, **self._counts())

    def stream(self, item: Item) -> Iterator[str | Answer]:
        """Each statement once it is verified, and last the Answer."""
        from bakeoff.tasks.documents.records import Reply

        started = time.perf_counter()
        first: float | None = None
        try:
            question, scope = self._asked(item.input)
            for each in self._fitted().ask_streaming(question, scope=scope, **self._streamed()):
                if isinstance(each, Reply):
                    yield answer_of(each, seconds=time.perf_counter() - started, **self._counts())
                else:
                    yield (each.text if first is None else " " + each.text)
                    first = first or time.perf_counter() - started
        except BakeoffError as error:
            yield Answer(error=error.what, seconds=time.perf_counter() - started)

    def save(self, folder: Path) -> None:
        """The index, as a store of its own, and the threshold in it."""
        corpus = self._fitted()
        copy_to: Callable[[Path], None] = corpus.store.copy_to  # type: ignore[attr-defined]
        copy_to(folder / INDEX)
        (folder / "cited.json").write_text(
            json.dumps({"chosen": self.chosen_, "embedder": self._embeds_with()}), encoding="utf-8"
        )

    def restore(self, folder: Path) -> Cited:
        """Open what `save` wrote, for reading."""
        from bakeoff.tasks.documents.index.store_sqlite import SqliteStore

        try:
            kept = json.loads((folder / "cited.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{folder} holds no saved index: {error}", fix="run the study again") from error
        self.chosen_ = dict(kept["chosen"])
        self.corpus_ = self._corpus(SqliteStore(folder / INDEX, read_only=True))
        return self

    @classmethod
    def over(cls, corpus: Corpus, principals: Iterable[str] | None = None, **settings: Any) -> Cited:
        """An approach that answers from a corpus that is there already, with the corpus' own threshold: nothing is fitted.

        `principals` are who asks, whoever sends the question; None answers as the owner of the corpus, who may read everything.
        """
        made = cls(embedder="", **settings)
        made.corpus_ = corpus
        made._asker = None if principals is None else frozenset(principals)
        return made

    def _asked(self, given: Any) -> tuple[str, Scope]:
        question, scope = question_of(given)
        return question, replace(scope, principals=self._asker)

    def _reply(self, question: str, scope: Scope) -> Reply:
        return self._fitted().ask(question, scope=scope, **self._streamed())

    def _how(self) -> dict[str, Any]:
        return {"passages": self.passages, "statements": self.statements}

    def _streamed(self) -> dict[str, Any]:
        return self._how()

    def _counts(self) -> dict[str, int | None]:
        return {}

    def _fitted(self) -> Corpus:
        if self.corpus_ is None:
            raise BakeoffError("This approach has no index yet.", fix="fit it, or restore a saved one")
        return self.corpus_

    def _embeds_with(self) -> str:
        return "" if self.retrieval == "lexical" else self.embedder

    def _corpus(self, store: Any) -> Corpus:
        from bakeoff.tasks.documents.corpus import Corpus
        from bakeoff.tasks.documents.find.retrieve import RetrievalSettings

        return Corpus(store, embedder=self._embeds_with(), settings=RetrievalSettings(mode=self.retrieval, rerank=self.rerank))

    def _index(self, material: Path, folder: Path, progress: Progress) -> tuple[Corpus, IndexReport]:
        from bakeoff.tasks.documents.corpus import IndexReport
        from bakeoff.tasks.documents.index.chunk_settings import KEY, ChunkSettings
        from bakeoff.tasks.documents.index.store_sqlite import SqliteStore
        from bakeoff.tasks.documents.material import documents_of

        cut = ChunkSettings(self.chunk_tokens, self.chunk_overlap, self.chunk_least)
        store = SqliteStore(folder, create=True)
        store.set_settings({"embedder": self._embeds_with(), KEY: cut.as_text()})
        corpus, report = self._corpus(store), IndexReport()
        documents = documents_of(material)
        for count, document in enumerate(documents):
            progress(count / len(documents), f"indexing {document.facts.name}")
            report.chunks += corpus.put(document.facts, document.pages, report)
            report.pages += document.facts.pages
        return corpus, report

    def _choose(self, items: Sequence[Item], progress: Callable[[float], None]) -> None:
        """From which support it answers: chosen on questions that the corpus answers and questions that it does not.

        The model of support itself is not learned here: a hundred or two questions are too few for it, and a threshold on questions that
        the model has seen declines less than it promises. See docs/explanation/verified-answers.md.
        """
        from bakeoff.tasks.documents.reply.abstain import choose_threshold

        corpus = self._fitted()
        rows, known = self._seen(items, progress)
        if len(set(known)) < 2:
            self.chosen_["threshold"] = "the default: training and validation have no unanswerable questions, or no others"
            return
        model, _ = corpus.support()
        found = choose_threshold([model.support(row) for row in rows], known, declines=self.declines)
        corpus.store.set_settings({"threshold": repr(found.value)})
        self.chosen_["threshold"] = round(found.value, 4)
        self.chosen_["chosen on"] = f"{len(known)} questions, {len(known) - sum(known)} of them unanswerable"

    def _seen(self, items: Sequence[Item], progress: Callable[[float], None]) -> tuple[list[dict[str, float]], list[bool]]:
        """What speaks for an answer to each question, and whether the corpus has one."""
        from bakeoff.tasks.documents.reply.support import features

        rows, known = [], []
        for count, item in enumerate(items):
            progress(count / len(items))
            try:
                question, scope = question_of(item.input)
            except BadData:
                continue
            rows.append(features(question, self._fitted().find(question, scope=scope, limit=self.passages)))
            known.append(bool(item.target["answerable"]))
        return rows, known
