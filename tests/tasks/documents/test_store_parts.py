"""The parts of the SQLite store: the lexical index, the scan of vectors, and what is held in memory."""

from __future__ import annotations

import math
import operator
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

pytest.register_assert_rewrite("store_documents")
from store_documents import as_bytes, made, question  # noqa: E402

from bakeoff.tasks.documents.index import postings  # noqa: E402
from bakeoff.tasks.documents.index.store_schema import FILE  # noqa: E402
from bakeoff.tasks.documents.index.store_sqlite import SqliteStore  # noqa: E402
from bakeoff.tasks.documents.index.vector_cache import SLAB, exact_cosines  # noqa: E402
from bakeoff.tasks.documents.records import EVERYTHING, Chunk, DocumentFacts, Scope  # noqa: E402

WORDS = [f"word{i}" for i in range(400)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A corpus of four documents, closed."""
    folder = tmp_path / "corpus"
    with SqliteStore(folder, create=True) as store:
        for i in range(4):
            made(f"{i}.pdf", i, pages=6).into(store)
        store.set_settings({"embedder": "none"})
    return folder


def test_postings_are_what_was_entered(tmp_path: Path) -> None:
    """Documents enter and leave at random, over the edges of shelves; the index is compared with a dictionary."""
    rng = np.random.default_rng(1)
    with closing(store_schema_db(tmp_path)) as db:
        held: dict[int, tuple[list[list[str]], list[str]]] = {}
        for first in range(0, 12 * 700, 700):
            terms = [
                [str(word) for word in rng.choice(WORDS, int(rng.integers(0, 12)))] for _ in range(int(rng.integers(1, 700)))
            ]
            terms[0] = ["often"] * int(rng.integers(200, 900))
            held[first] = terms, postings.add_terms(db, first, terms)
            if rng.random() < 0.4:
                gone = int(rng.choice(list(held)))
                postings.take_terms(db, gone, len(held[gone][0]), held.pop(gone)[1])
        model: dict[str, dict[int, int]] = {}
        for first, (terms, different) in held.items():
            assert different == sorted({term for chunk in terms for term in chunk})
            for number, chunk in enumerate(terms, start=first):
                for term in chunk:
                    here = model.setdefault(term, {})
                    here[number] = here.get(number, 0) + 1
        for term in [*WORDS, "often", "absent"]:
            numbers, times = postings.read_term(db, term)
            assert dict(zip(numbers.tolist(), times.tolist(), strict=True)) == model.get(term, {})
            assert len(set(numbers.tolist())) == len(numbers)
        for first, (terms, different) in held.items():
            postings.take_terms(db, first, len(terms), different)
        assert db.execute("SELECT count(*) FROM postings").fetchone() == (0,)


def store_schema_db(folder: Path) -> sqlite3.Connection:
    SqliteStore(folder, create=True).close()
    return sqlite3.connect(folder / FILE)


def test_scan_is_exact_among_near_ties(tmp_path: Path) -> None:
    """20,000 vectors whose cosines differ by less than float32 can tell: the order is that of exact arithmetic."""
    rng = np.random.default_rng(2)
    n, dimensions = 20_000, 48
    asked = rng.standard_normal(dimensions).astype(np.float32)
    asked /= np.linalg.norm(asked)
    rows = asked + 0.4 * rng.standard_normal((n, dimensions)).astype(np.float32) / np.sqrt(dimensions)
    # Ten thousand are nearer to the question than the others, and near ties of each other: the cut goes through the midst of them.
    rows[5000:15000] = asked + 0.1 * rows[100] + 3e-7 * rng.standard_normal((10_000, dimensions))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    exact = np.array([math.fsum(map(operator.mul, row, asked.tolist())) for row in rows.tolist()])
    with SqliteStore(tmp_path, create=True) as store:
        for start, end in ((0, 7000), (7000, 7001), (7001, n)):
            chunks = [Chunk(i, "text", "", "", ()) for i in range(end - start)]
            store.add(DocumentFacts("0" * 64, f"{start:05}", "", 1), [], chunks, [[]] * len(chunks), rows[start:end])
        names = np.array([0] * 7000 + [1] + [2] * (n - 7001))
        order = np.lexsort((np.arange(n), -np.round(exact, 6)))
        for limit in (1, 10, 100, 3000):
            for scope, inside in ((EVERYTHING, names >= 0), (Scope(documents=frozenset({"00000", "07000"})), names < 2)):
                expected = [(int(i), round(float(exact[i]), 6)) for i in order[inside[order]][:limit]]
                hits = store.dense(asked, scope, limit)
                assert [(int(hit.key[0]) + hit.key[1], hit.score) for hit in hits] == expected
        assert store._vectors.bytes == 3 * SLAB * dimensions * 4


def test_a_vector_scores_the_same_wherever_it_stands() -> None:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((101, 384)).astype(np.float32)
    vector = rng.standard_normal(384).astype(np.float32)
    whole = exact_cosines(rows, vector)
    for some in (slice(0, 1), slice(3, 4), slice(7, 90), slice(None, None, -3)):
        assert exact_cosines(rows[some], vector).tobytes() == whole[some].tobytes()


def test_vectors_of_removed_documents_are_overwritten_in_memory(folder: Path) -> None:
    with SqliteStore(folder) as store:
        document = made("other.pdf", 9).into(store)
        store.dense(question(1))
        row = document.vectors[3].tobytes()
        assert any(row in slab.tobytes() for slab in store._vectors._slabs)
        store.remove(document.facts.name)
        store.dense(question(1))
        assert not any(row in slab.tobytes() for slab in store._vectors._slabs)


def test_threads_share_a_store(folder: Path) -> None:
    with SqliteStore(folder) as store:
        alone = {seed: as_bytes(store, Scope(documents=frozenset({f"{seed % 4}.pdf"}))) for seed in range(8)}
        with ThreadPoolExecutor(8) as pool:
            together = dict(
                pool.map(lambda seed: (seed, as_bytes(store, Scope(documents=frozenset({f"{seed % 4}.pdf"})))), range(8))
            )
        assert together == alone
