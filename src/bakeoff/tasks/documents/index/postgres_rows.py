"""Rows of a corpus in PostgreSQL: what is sent in bulk, the lexical index, and the bytes of pgvector's vectors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from bakeoff.errors import BadData
from bakeoff.tasks.documents.index import chunk_rows, postings, store_shared
from bakeoff.tasks.documents.index.directory import standing_of
from bakeoff.tasks.documents.index.postgres_schema import key_of

if TYPE_CHECKING:
    import sqlite3

    from numpy.typing import NDArray
    from psycopg import Connection

    from bakeoff.tasks.documents.records import Chunk, DocumentFacts

MOST_DIMENSIONS = 16_000
"""Of pgvector's type."""
BATCH = 5000
"""Rows of the lexical index in one statement."""
_TEXTS = frozenset({"name", "principal"})


class Asked:
    """What `directory.Directory` asks a database with: its statements are SQL that both databases speak, but for the sign of a parameter."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """A cursor over the answer; names and principals, kept as bytes, are texts again."""
        cursor = self._db.execute(statement.replace("?", "%s"), parameters, binary=True)
        texts = [i for i, column in enumerate(cursor.description or ()) if column.name in _TEXTS]
        if not texts:
            return cursor
        return _Rows([tuple(value.decode() if i in texts else value for i, value in enumerate(row)) for row in cursor])


class _Rows(list[tuple[Any, ...]]):
    def fetchall(self) -> list[tuple[Any, ...]]:
        return self


def asked(db: Connection) -> sqlite3.Connection:
    """`db` as `directory.Directory` takes it."""
    return cast("sqlite3.Connection", Asked(db))


# A document


def add_document(
    db: Connection,
    facts: DocumentFacts,
    chunks: Sequence[Chunk],
    terms: Sequence[Sequence[str]],
    place: tuple[int, int, int | None],
    different: Sequence[str],
) -> int:
    """Enter a document and its readers; its number. `place` is (generation, first chunk's number, dimensions); `different` its different terms."""
    name, sha256, title, pages, notes, meta, restricted = chunk_rows.facts_row(facts)
    generation, first, dimensions = place
    entered = db.execute(
        "INSERT INTO documents (key, name, sha256, title, pages, notes, meta, restricted, changed, first, count, dimensions, lengths, standing, terms)"
        " VALUES (%b, %b, %b, %b, %s, %b, %b, %s, %s, %s, %s, %s, %b, %b, %b) RETURNING id",
        (
            key_of(name), name.encode(), sha256.encode(), title.encode(), pages, notes.encode(), meta.encode(), restricted, generation,
            first, len(chunks), dimensions, np.array([len(each) for each in terms], "<u4").tobytes(),
            standing_of([chunk_rows.pages_of(chunk) for chunk in chunks]),
            json.dumps(different, separators=(",", ":"), ensure_ascii=False).encode(),
        ),
    ).fetchone()  # fmt: skip
    document = int(entered[0]) if entered else 0
    set_readers(db, document, facts.readers)
    return document


def set_readers(db: Connection, document: int, readers: frozenset[str] | None) -> None:
    """Enter who may read a document that has no readers entered."""
    principals = [principal.encode() for principal in sorted(readers or ())]
    db.execute("INSERT INTO readers SELECT %s, unnest(%b::bytea[])", (document, principals))


def dimensions_of(db: Connection, name: str, rows: NDArray | None, count: int) -> int | None:
    """As `store_shared.dimensions_of`; also raises BadData where pgvector keeps no vectors of so many."""
    if rows is not None and count and rows.shape[1] > MOST_DIMENSIONS:
        raise BadData(
            f"{name}: its vectors have {rows.shape[1]} dimensions; pgvector keeps {MOST_DIMENSIONS}.",
            fix="use another embedding model",
        )
    return store_shared.dimensions_of(db, name, rows, count)


# The lexical index: the rows of `postings`, found by `key_of` a term


def add_terms(db: Connection, first: int, terms: Sequence[Sequence[str]]) -> list[str]:
    """Enter a document's chunks, numbered from `first` on, into the index; the document's different terms, sorted."""
    found = postings.packed(first, terms)
    rows = [(key_of(term), shelf, data) for term, kept in found.items() for shelf, data in kept]
    for batch in _batches(rows):
        db.execute(
            "INSERT INTO postings SELECT * FROM unnest(%b::bytea[], %b::int4[], %b::bytea[])"
            " ON CONFLICT (key, shelf) DO UPDATE SET data = postings.data || excluded.data",
            _columns(batch),
        )
    return list(found)


def take_terms(db: Connection, first: int, count: int, terms: Sequence[str]) -> None:
    """Take a document's chunks out of the index. `terms` are what `add_terms` returned for it."""
    if not count:
        return
    shelves = (first // postings.SHELF, (first + count - 1) // postings.SHELF)
    for batch in _batches([key_of(term) for term in terms]):
        rows = db.execute(
            "SELECT p.key, p.shelf, p.data FROM postings p JOIN unnest(%b::bytea[]) AS k(key) ON p.key = k.key WHERE p.shelf BETWEEN %b AND %b",
            (batch, *shelves),
            binary=True,
        ).fetchall()
        changed: list[tuple[Any, ...]] = []
        emptied: list[tuple[Any, ...]] = []
        for key, shelf, data in rows:
            left = postings.without(shelf, data, first, count)
            if left:
                changed.append((key, shelf, left))
            else:
                emptied.append((key, shelf))
        if changed:
            db.execute(
                "UPDATE postings p SET data = n.data FROM unnest(%b::bytea[], %b::int4[], %b::bytea[]) AS n(key, shelf, data)"
                " WHERE p.key = n.key AND p.shelf = n.shelf",
                _columns(changed),
            )
        if emptied:
            db.execute(
                "DELETE FROM postings p USING unnest(%b::bytea[], %b::int4[]) AS n(key, shelf) WHERE p.key = n.key AND p.shelf = n.shelf",
                _columns(emptied),
            )


def read_terms(db: Connection, terms: Iterable[str]) -> dict[str, tuple[NDArray, NDArray]]:
    """Of each term the chunks that hold it and how often, as `postings.bm25` takes them.

    Raises
    ------
    ValueError
        If the rows are no whole records.
    """
    keys = {key_of(term): term for term in terms}
    rows = db.execute("SELECT key, shelf, data FROM postings WHERE key = ANY(%b)", (list(keys),), binary=True)
    found: dict[str, list[tuple[int, bytes]]] = {term: [] for term in keys.values()}
    for key, shelf, data in rows:
        found[keys[bytes(key)]].append((shelf, data))
    return {term: postings.unpack(rows) for term, rows in found.items()}


# Chunks and vectors


def add_chunks(db: Connection, document: int, chunks: Sequence[Chunk]) -> None:
    """Send a document's chunks."""
    with db.cursor().copy(
        "COPY chunks (document, ordinal, kind, text, context, pieces, tables, figure) FROM STDIN (FORMAT BINARY)"
    ) as copy:
        copy.set_types(["int8", "int4", "bytea", "bytea", "bytea", "bytea", "int4", "int4"])
        for chunk in chunks:
            *texts, table, figure = chunk_rows.chunk_row(chunk)
            copy.write_row((document, chunk.ordinal, *(str(text).encode() for text in texts), table, figure))


def add_vectors(db: Connection, document: int, rows: NDArray) -> None:
    """Send a document's vectors, shape (n, dimensions), float32: to the bit what was given."""
    with db.cursor().copy("COPY vectors (document, ordinal, embedding) FROM STDIN (FORMAT BINARY)") as copy:
        # On the wire a field is its bytes, whatever its type: pgvector's own form is sent as if it were bytes.
        copy.set_types(["int8", "int4", "bytea"])
        for ordinal, data in enumerate(_wire(rows)):
            copy.write_row((document, ordinal, data))


def _wire(rows: NDArray) -> Iterator[bytes]:
    head = len(rows[0]).to_bytes(2, "big") + b"\0\0" if len(rows) else b""
    for start in range(0, len(rows), 1024):
        for row in rows[start : start + 1024].astype(">f4"):
            yield head + row.tobytes()


def unwire(data: Sequence[bytes], dimensions: int) -> NDArray:
    """Vectors from pgvector's binary form (dimensions and a zero as 2 bytes each, then float32, all big-endian): shape (n, dimensions).

    Raises
    ------
    ValueError
        If one is not of these dimensions.
    """
    whole = np.frombuffer(b"".join(data), np.uint8)
    if any(len(each) != 4 + 4 * dimensions for each in data):
        raise ValueError("vectors of several dimensions")
    rows = whole.reshape(len(data), 4 + 4 * dimensions)
    return np.ascontiguousarray(rows[:, 4:]).view(">f4").astype(np.float32)


def _batches(rows: Sequence[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(rows), BATCH):
        yield list(rows[start : start + BATCH])


def _columns(rows: Sequence[tuple[Any, ...]]) -> tuple[list[Any], ...]:
    return tuple(list(column) for column in zip(*rows, strict=True))
