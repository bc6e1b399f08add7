"""From a question to passages in rank order: candidates by words and by meaning, fused, reranked, and thinned.

Deterministic: the same corpus, question and settings give the same passages in the same order, ties broken by document name and ordinal.
What the asker may not read is left out by the store before anything is counted.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from bakeoff.errors import BadData
from bakeoff.tasks.documents.find.fuse import Fusion, fuse, ranked
from bakeoff.tasks.documents.find.glossary import ACCOUNTING
from bakeoff.tasks.documents.find.question import Question, read_question
from bakeoff.tasks.documents.find.rerank import Candidate, label_of, rerank
from bakeoff.tasks.documents.index.near_duplicates import collapse
from bakeoff.tasks.documents.records import EVERYTHING, Chunk, Hit, PageRef, Passage, Scope

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bakeoff.tasks.documents.find.cross_encoder import CrossEncoder
    from bakeoff.tasks.documents.index.embed import Embedder
    from bakeoff.tasks.documents.store import Store

Mode: TypeAlias = Literal["hybrid", "lexical", "dense"]


@dataclass(frozen=True, slots=True)
class RetrievalSettings:
    """How passages are found.

    Parameters
    ----------
    mode : {'hybrid', 'lexical', 'dense'}
    candidates : int, at least 1, default=200
        Taken from each of the two searches.
    weight : float in [0, 1], default=0.5
        Of the dense scores in the fusion.
    fusion : {'convex', 'reciprocal'}
        See `fuse`.
    rerank : {'features', 'none'} or str
        'features', 'none', or a cross-encoder for the order that features give: a folder, ``hub:org/name``, or a name in the catalogue.
    depth : int, at least 1, default=60
        Best candidates that are reranked; at least twice as many as passages are asked for.
    collapse : bool, default=True
        Of passages that say the same, keep the best.
    per_page : int, at least 1, default=3
        Passages of one page among the first; more only where there is nothing else.
    glossary : mapping of str to str
        Terms of art that are also searched by the words of their definition; see `glossary`. Empty for none.

    Raises
    ------
    BadData
        If one is out of its range.
    """

    mode: Mode = "hybrid"
    candidates: int = 200
    weight: float = 0.5
    fusion: Fusion = "convex"
    rerank: str = "features"
    depth: int = 60
    collapse: bool = True
    per_page: int = 3
    glossary: Mapping[str, str] = field(default_factory=lambda: ACCOUNTING)

    def __post_init__(self) -> None:
        for name, value, allowed in (("mode", self.mode, get_args(Mode)), ("fusion", self.fusion, get_args(Fusion))):
            if value not in allowed:
                raise BadData(f"`{name}` is {value!r}.", fix=f"use one of: {', '.join(allowed)}")
        for name, count in (("candidates", self.candidates), ("depth", self.depth), ("per_page", self.per_page)):
            if not 1 <= count <= 10_000:
                raise BadData(f"`{name}` is {count}; it must be 1 to 10000.", fix=f"correct `{name}`")
        if not 0 <= self.weight <= 1:
            raise BadData(f"`weight` is {self.weight}; it must be in [0, 1].", fix="correct `weight`")


@dataclass(frozen=True, slots=True)
class Found:
    """What was found for one question. `timings` are seconds by step, `cpu` the CPU seconds of the whole process meanwhile."""

    question: Question
    passages: tuple[Passage, ...]
    timings: Mapping[str, float] = field(default_factory=dict)
    cpu: Mapping[str, float] = field(default_factory=dict)


class Retriever:
    """Finds passages in a store.

    Parameters
    ----------
    store : Store
    embedder : Embedder or None
        The corpus' own; None only where `settings.mode` is 'lexical'.
    settings : RetrievalSettings

    Raises
    ------
    BadData
        If a mode that compares vectors has no embedder.
    """

    def __init__(self, store: Store, embedder: Embedder | None, settings: RetrievalSettings = RetrievalSettings()) -> None:
        if embedder is None and settings.mode != "lexical":
            raise BadData(f"Retrieval in mode {settings.mode!r} needs an embedding model.", fix="give one, or use mode 'lexical'")
        self._store, self._embedder, self.settings = store, embedder, settings
        self._cross: CrossEncoder | None = None
        if settings.rerank not in ("features", "none"):
            from bakeoff.tasks.documents.find.cross_encoder import open_cross_encoder

            self._cross = open_cross_encoder(settings.rerank)

    def retrieve(self, question: str, scope: Scope = EVERYTHING, limit: int = 10) -> tuple[Passage, ...]:
        """The `limit` best passages for a question, best first. Empty where nothing in scope shares a word or a vector with it."""
        return self.search(question, scope, limit).passages

    def search(self, question: str, scope: Scope = EVERYTHING, limit: int = 10) -> Found:
        """As `retrieve`, with the question as read and the time of each step.

        Steps: 'read', 'embed', 'dense', 'lexical', 'fuse', 'chunks', 'rerank', 'thin'; those that the mode leaves out are not there.
        """
        if limit < 1:
            raise BadData(f"`limit` is {limit}; it must be at least 1.", fix="ask for at least one passage")
        clock = _Clock()
        asked = read_question(question, self.settings.glossary)
        clock.lap("read")
        vector = None
        if self.settings.mode != "lexical" and self._embedder is not None and asked.content:
            vector = self._embedder.encode([asked.searched])[0]
            clock.lap("embed")
        depth = max(self.settings.depth, 2 * limit)
        candidates = self._candidates(asked.terms, vector, scope, depth, clock)
        if self.settings.rerank != "none":
            scored = rerank(asked, candidates)
            chunks = {each.hit.key: each.chunk for each in candidates}
            if self._cross is not None:
                scored = self._crossed(asked.content, ranked(scored)[:depth], chunks)
            candidates = [Candidate(hit, chunks[hit.key]) for hit in ranked(scored)]
            clock.lap("rerank")
        passages = tuple(_passage(each) for each in candidates)
        if self.settings.collapse:
            passages = collapse(passages)
        passages = thinned(passages, limit, self.settings.per_page)
        clock.lap("thin")
        return Found(asked, passages, clock.laps, clock.cpu)

    def _crossed(self, question: str, hits: Sequence[Hit], chunks: Mapping[tuple[str, int], Chunk]) -> list[Hit]:
        """The hits with the cross-encoder's score, which is kept as 'cross' too."""
        if self._cross is None:
            return list(hits)
        texts = [f"{chunks[hit.key].context}\n{chunks[hit.key].text}" for hit in hits]
        values = self._cross.scores(question, texts).tolist()
        return [Hit(hit.key, value, {**hit.scores, "cross": value}) for hit, value in zip(hits, values, strict=True)]

    def _candidates(
        self, terms: Sequence[str], vector: NDArray | None, scope: Scope, depth: int, clock: _Clock
    ) -> list[Candidate]:
        lexical: Sequence[Hit] = ()
        dense: Sequence[Hit] = ()
        if vector is not None:
            dense = self._store.dense(vector, scope, self.settings.candidates)
            clock.lap("dense")
        if self.settings.mode != "dense" and terms:
            lexical = self._store.lexical(terms, scope, self.settings.candidates)
            clock.lap("lexical")
        weight = {"hybrid": self.settings.weight, "lexical": 0.0, "dense": 1.0}[self.settings.mode]
        hits = fuse(lexical, dense, weight, self.settings.fusion, depth)
        clock.lap("fuse")
        chunks = self._store.chunks([hit.key for hit in hits], scope)
        clock.lap("chunks")
        return [Candidate(hit, chunk) for hit, chunk in zip(hits, chunks, strict=True)]


def thinned(passages: Sequence[Passage], limit: int, per_page: int) -> tuple[Passage, ...]:
    """The first `limit` with at most `per_page` of one page; where that leaves too few, the others in their order."""
    seen: Counter[PageRef] = Counter()
    first: list[Passage] = []
    later: list[Passage] = []
    for each in passages:
        place = PageRef(each.document, each.page)
        (first if seen[place] < per_page else later).append(each)
        seen[place] += 1
    return tuple([*first, *later][:limit])


def rank_pages(passages: Iterable[Passage]) -> list[PageRef]:
    """The pages that passages stand on, each once, in rank order; of a passage over a page's end, the page with most of it first."""
    pages: dict[PageRef, None] = {}
    for passage in passages:
        counts: Counter[int] = Counter()
        for piece in passage.chunk.pieces:
            counts[piece.page] += piece.length
        for number in sorted(counts, key=lambda page: (-counts[page], page)):
            pages.setdefault(PageRef(passage.document, number))
    return list(pages)


def _passage(each: Candidate) -> Passage:
    return Passage(each.hit.key[0], label_of(each.chunk), each.chunk, each.hit.score, each.hit.scores)


class _Clock:
    """Seconds and CPU seconds of the steps, each from the end of the one before."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self._last = time.perf_counter(), time.process_time()

    def lap(self, name: str) -> None:
        now = time.perf_counter(), time.process_time()
        self.laps[name], self.cpu[name] = now[0] - self._last[0], now[1] - self._last[1]
        self._last = now
