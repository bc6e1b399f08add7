"""Documents made for tests of stores, and what a store must say of them: scores by a plain reading of the definitions in `store`."""

from __future__ import annotations

import base64
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bakeoff.errors import BadData
from bakeoff.tasks.documents.reading import page_codec
from bakeoff.tasks.documents.records import EVERYTHING, Block, Chunk, DocumentFacts, Hit, Page, PageRef, Piece, Scope, Span
from bakeoff.tasks.documents.store import DECIMALS, K1, B, Store

DIMENSIONS = 16
VOCABULARY = [
    "revenue",
    "net",
    "income",
    "total",
    "assets",
    "cash",
    "debt",
    "lease",
    "segment",
    "profit",
    "margin",
    "dividend",
    "share",
    "capital",
    "tax",
    "audit",
    "goodwill",
    "swap",
    "covenant",
    "clause",
    "party",
    "notice",
    "breach",
    "damages",
    "2021",
    "2022",
    "5363",
    "9.1.1",
    "23.5",
    "fy2023",
    "été",
    "収益",
    "not",
]


@dataclass(frozen=True)
class Made:
    """A document to add. Its pages have one chunk each, and one more chunk goes from each page to the next."""

    facts: DocumentFacts
    pages: tuple[Page, ...]
    chunks: tuple[Chunk, ...]
    terms: tuple[tuple[str, ...], ...]
    vectors: NDArray

    def into(self, store: Store) -> Made:
        """Add it to a store."""
        store.add(self.facts, iter(self.pages), self.chunks, self.terms, self.vectors)
        return self


def made(
    name: str,
    seed: int,
    *,
    pages: int = 3,
    readers: frozenset[str] | None = None,
    words: Sequence[str] = VOCABULARY,
    length: int = 25,
) -> Made:
    """A document of random words, the same for the same arguments."""
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(words, int(rng.integers(length // 2, 2 * length)))) for _ in range(pages)]
    return made_of(name, texts, readers=readers, seed=seed)


def made_of(name: str, texts: Sequence[str], *, readers: frozenset[str] | None = None, seed: int = 0) -> Made:
    """A document with these texts on its pages."""
    pages = tuple(page_of(number, text) for number, text in enumerate(texts, start=1))
    chunks: list[Chunk] = []
    for page in pages:
        whole = Piece(0, len(page.text), page.number, 0)
        chunks.append(Chunk(len(chunks), "text", page.text, f"{name}\nPart {page.number}", (whole,)))
    for one, other in itertools.pairwise(pages):
        half = len(one.text) // 2
        end, start = one.text[half:], other.text[: len(other.text) // 2]
        pieces = (Piece(0, len(end), one.number, half), Piece(len(end) + 1, len(start), other.number, 0))
        chunks.append(Chunk(len(chunks), "row", f"{end} {start}", f"{name}\nTable", pieces, table=0))
    terms = tuple(tuple(chunk.text.split()) for chunk in chunks)
    rng = np.random.default_rng(seed + 1000)
    vectors = rng.standard_normal((len(chunks), DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    facts = DocumentFacts(f"{seed:064x}", name, f"Title of {name}", len(pages), readers, ("a note",), {"size": str(seed)})
    return Made(facts, pages, tuple(chunks), terms, vectors)


def page_of(number: int, text: str) -> Page:
    """A page of one paragraph, each character 6 points wide."""
    left = 6.0 * np.arange(len(text), dtype=np.float32)
    boxes = np.stack([left, np.full_like(left, 10), left + 6, np.full_like(left, 22)], axis=1)
    width = max(612.0, 6.0 * len(text))
    return Page(number, width, 792.0, text, boxes, (Block("paragraph", Span(0, len(text)), (0.0, 10.0, width, 22.0)),))


def question(seed: int) -> NDArray:
    """A vector of length 1."""
    vector = np.random.default_rng(seed).standard_normal(DIMENSIONS).astype(np.float32)
    return vector / np.linalg.norm(vector)


def in_scope(document: Made, chunk: Chunk, scope: Scope) -> bool:
    """What `records.Scope` says, read plainly."""
    facts = document.facts
    if scope.documents is not None and facts.name not in scope.documents:
        return False
    if scope.principals is not None and facts.readers is not None and not facts.readers & scope.principals:
        return False
    return not any(PageRef(facts.name, piece.page) in scope.without for piece in chunk.pieces)


def expected_lexical(
    documents: Sequence[Made], terms: Sequence[str], scope: Scope = EVERYTHING
) -> list[tuple[tuple[str, int], float]]:
    """BM25 as `store` defines it, by loops."""
    inside = [
        ((document.facts.name, chunk.ordinal), Counter(words))
        for document in documents
        for chunk, words in zip(document.chunks, document.terms, strict=True)
        if in_scope(document, chunk, scope)
    ]
    n = len(inside)
    if not n:
        return []
    mean = sum(words.total() for _, words in inside) / n
    scored = []
    for key, words in inside:
        score = 0.0
        for term in sorted(set(terms)):
            if words[term]:
                df = sum(1 for _, other in inside if other[term])
                idf = math.log(1 + (n - df + 0.5) / (df + 0.5))
                score += idf * words[term] / (words[term] + K1 * (1 - B + B * words.total() / mean))
        if round(score, DECIMALS) > 0:
            scored.append((key, round(score, DECIMALS)))
    return sorted(scored, key=lambda pair: (-pair[1], pair[0]))


def expected_dense(documents: Sequence[Made], vector: NDArray, scope: Scope = EVERYTHING) -> list[tuple[tuple[str, int], float]]:
    """Cosines, each product exact and the sum correctly rounded."""
    scored = []
    for document in documents:
        for chunk, row in zip(document.chunks, document.vectors.tolist(), strict=True):
            if in_scope(document, chunk, scope):
                cosine = math.fsum(a * b for a, b in zip(row, vector.tolist(), strict=True))
                scored.append(((document.facts.name, chunk.ordinal), round(cosine, DECIMALS) + 0.0))
    return sorted(scored, key=lambda pair: (-pair[1], pair[0]))


def pairs(hits: Sequence[Hit]) -> list[tuple[tuple[str, int], float]]:
    """Keys and scores of hits."""
    return [(hit.key, hit.score) for hit in hits]


def as_bytes(store: Store, scope: Scope, *, seeds: int = 4, limit: int = 20) -> bytes:
    """All that an asker can learn from a store, as one JSON text."""
    told: list[Any] = [[facts.name, facts.id, facts.title, facts.pages, list(facts.notes)] for facts in store.documents(scope)]
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        terms = [str(word) for word in rng.choice(VOCABULARY, 5)]
        for hits in (store.lexical(terms, scope, limit), store.dense(question(seed), scope, limit)):
            told.append([[hit.key, hit.score, dict(hit.scores)] for hit in hits])
            told.append([[chunk.text, chunk.context] for chunk in store.chunks([hit.key for hit in hits], scope)])
    return json.dumps(told, ensure_ascii=False).encode()


def same_page(one: Page, other: Page) -> bool:
    """Whether two pages are the same, boxes to the codec's step."""
    return page_codec.encode(one) == page_codec.encode(other)


def refusal(call: Callable[[], object]) -> str:
    """What a refused call says."""
    with pytest.raises(BadData) as caught:
        call()
    assert caught.value.fix
    return str(caught.value)


def four_documents(store: Store) -> None:
    """Fill a new store with what most tests of one corpus begin with."""
    for i in range(4):
        made(f"{i}.pdf", i, pages=6).into(store)
    store.set_settings({"embedder": "none"})


def forms(text: str) -> dict[str, bytes]:
    """The bytes that a text could stand as."""
    plain = text.encode()
    return {
        "UTF-8": plain, "UTF-16": text.encode("utf-16-le"), "UTF-16 other": text.encode("utf-16-be"), "UTF-32": text.encode("utf-32-le"),
        "reversed": plain[::-1], "hex": plain.hex().encode(), "JSON": json.dumps(text)[1:-1].encode(), "lower": text.lower().encode(),
        **{f"base64 at {at}": base64.b64encode(b" " * at + plain)[4 : 4 + len(plain)] for at in range(3)},
    }  # fmt: skip


def traces(document: Made) -> dict[str, bytes]:
    """Pieces of all that was kept of a document: names, words, and runs of the bytes that its pages and vectors were kept as."""
    texts = [document.facts.name, document.facts.title, document.facts.id, *document.facts.notes, *document.facts.meta.values()]
    texts += [chunk.text for chunk in document.chunks] + [chunk.context for chunk in document.chunks]
    texts += sorted({term for terms in document.terms for term in terms}) + sorted(document.facts.readers or ())
    own = [text for text in texts if re.search(r"canary\d|c0ffee", text)]  # half a word at the end of a chunk may be anybody's
    found = {f"{text[:30]} as {form}": data for text in own for form, data in forms(text).items()}
    blobs = [page_codec.encode(page) for page in document.pages] + [document.vectors.astype("<f4").tobytes()]
    for n, blob in enumerate(blobs):
        for at in range(40, len(blob) - 24, 97):
            found[f"bytes {at} of blob {n}"] = blob[at : at + 24]
    return found


def canary(seed: int, name: str = "") -> Made:
    """A document whose every word, name and number is its own."""
    words = [f"canary{seed}wörd{i}x" for i in range(60)]
    document = made(
        name or f"canary{seed} name.pdf", 900 + seed, pages=5, words=words, readers=frozenset({f"canary{seed} reader"})
    )
    facts = replace(
        document.facts,
        id=f"{seed:02}c0ffee" * 8,
        title=f"canary{seed} title",
        notes=(f"canary{seed} note",),
        meta={"k": f"canary{seed} meta"},
    )
    return replace(document, facts=facts)
