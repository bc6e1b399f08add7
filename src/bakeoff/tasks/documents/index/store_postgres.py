"""A corpus in a PostgreSQL server with pgvector: many readers on many machines, with the answers and the promises of the SQLite store.

Each change is one transaction under one writer's lock; each question is one read-only transaction of one moment (REPEATABLE READ). Scores are computed by the
code that the SQLite store uses (`postings.bm25`, `vector_cache.exact_cosines`), so the same documents give the same hits to the bit. pgvector orders
the chunks in scope by their cosine in float32, exactly and without an index, and gives the candidates; no vector is kept in this process. What is kept
is who may read what and how long each chunk is (`directory`), 12 bytes a chunk, and is never asked before the corpus' generation was compared.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from bakeoff.errors import BadData, RunError, needs
from bakeoff.tasks.documents.index import (
    chunk_rows,
    postgres_dense,
    postgres_purge,
    postgres_rows,
    postgres_schema,
    postings,
    store_shared,
)
from bakeoff.tasks.documents.index.chunk_rows import no_chunk, no_page
from bakeoff.tasks.documents.index.directory import Directory, is_out
from bakeoff.tasks.documents.index.postgres_check import problems_of
from bakeoff.tasks.documents.index.postgres_schema import damaged, meaning, transaction
from bakeoff.tasks.documents.index.postgres_sessions import Sessions, State
from bakeoff.tasks.documents.index.vector_cache import exact_cosines
from bakeoff.tasks.documents.reading import page_codec
from bakeoff.tasks.documents.records import EVERYTHING, Chunk, DocumentFacts, Hit, Page, Scope

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from psycopg import Connection

BUSY_SECONDS = 30.0
TIMEOUT_SECONDS = 300.0


class PostgresStore(store_shared.Closes):
    """A `store.Store` in one schema of a PostgreSQL database.

    Any number of processes may open the same corpus: one writes at a time, all others read. One object may be used by several threads, which take turns; for
    questions in parallel open several. A connection that was lost is made again at the next call.

    Parameters
    ----------
    url : str
        ``postgresql://user@host:5432/database``, as libpq reads it; ``?schema=NAME`` names the schema. Leave the password out and set PGPASSWORD or a pgpass
        file: an address on a command line is seen by others.
    create : bool, default=False
        Make the schema and its tables if they do not exist. The extension `vector` must be there.
    schema : str, default='bakeoff'
        Where the address names none.
    busy_seconds : float, default=30
        How long to wait for another process that writes or purges.
    timeout_seconds : float, default=300
        How long one statement may take; 0 for any time. A purge may take longer.

    Raises
    ------
    BadData
        If there is no corpus, or it is damaged or of a newer version, or the address cannot be read.
    RunError
        If the server cannot be used. Every method may raise it.
    """

    def __init__(
        self,
        url: str,
        *,
        create: bool = False,
        schema: str = "bakeoff",
        busy_seconds: float = BUSY_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        needs("psycopg", extra="postgres", why="A corpus in PostgreSQL")
        self.address = postgres_schema.address_of(url, schema)
        self.left_by_purge: tuple[str, ...] = ()
        self._busy_seconds = busy_seconds
        self._lock = threading.RLock()
        self._asking = False
        self._now: State | None = None
        self._followed: State | None = None
        self._directory = Directory()
        self._dimensions = 0
        self._sessions = Sessions(self.address, create=create, busy_seconds=busy_seconds, timeout_seconds=timeout_seconds)

    def __repr__(self) -> str:
        return f"PostgresStore({self.address.shown!r})"

    # Changes

    def add(
        self,
        facts: DocumentFacts,
        pages: Iterable[Page],
        chunks: Sequence[Chunk],
        terms: Sequence[Sequence[str]],
        vectors: NDArray | None,
    ) -> None:
        """See `store.Store.add`. `pages` is drawn from inside the transaction: other writers wait for it, readers do not."""
        rows = chunk_rows.checked(facts, chunks, terms, vectors)
        with self._writing() as db:
            self._take_out(db, facts.name)
            dimensions = postgres_rows.dimensions_of(db, facts.name, rows, len(chunks))
            first = store_shared.room_for(db, len(chunks))
            different = postgres_rows.add_terms(db, first, terms)
            generation = store_shared.next_generation(db)
            document = postgres_rows.add_document(db, facts, chunks, terms, (generation, first, dimensions), different)
            for page in store_shared.numbered(facts, pages):
                db.execute("INSERT INTO pages VALUES (%s, %s, %b)", (document, page.number, page_codec.encode(page)))
            postgres_rows.add_chunks(db, document, chunks)
            if rows is not None:
                postgres_rows.add_vectors(db, document, rows)

    def remove(self, name: str) -> bool:
        """See `store.Store.remove`. The bytes go with `purge`."""
        with self._writing() as db:
            return self._take_out(db, name)

    def set_readers(self, name: str, readers: frozenset[str] | None) -> None:
        """See `store.Store.set_readers`."""
        with self._writing() as db:
            row = db.execute("SELECT id FROM documents WHERE key = %b", (postgres_schema.key_of(name),)).fetchone()
            if row is None:
                raise BadData(f"There is no document {name!r} in the corpus.", fix="name a document as the corpus lists it")
            changes = (readers is not None, store_shared.next_generation(db), row[0])
            db.execute("UPDATE documents SET restricted = %s, changed = %s WHERE id = %s", changes)
            db.execute("DELETE FROM readers WHERE document = %s", row)
            db.execute("UPDATE state SET unpurged = 1")
            postgres_rows.set_readers(db, row[0], readers)

    def set_settings(self, changes: Mapping[str, str]) -> None:
        """See `store.Store.set_settings`."""
        with self._writing() as db:
            for name, value in sorted(changes.items()):
                db.execute(
                    "INSERT INTO settings VALUES (%b, %b) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    (name.encode(), value.encode()),
                )
            db.execute("UPDATE state SET unpurged = 1")

    def purge(self) -> None:
        """See `store.Store.purge`, as far as a server allows it: see `postgres_purge`. Takes as long as writing the corpus anew; readers and writers wait.

        Tables hold nothing removed when this returns. What of the server's log was out of reach is said in `left_by_purge`. A purge that was killed has changed
        no document; `needs_purge` stays true until one has run to its end.

        Raises
        ------
        RunError
            If other sessions keep reading the corpus as it was before, or the user does not own the tables.
        """
        with self._lock, meaning(self.address, self._busy_seconds):
            self._sessions.usable()
            if self._asking:
                raise RunError(
                    "A corpus cannot be purged while a question to it is open.",
                    fix="purge after the `with store.reading()` block",
                )
            with self._writing() as gate:
                # Holds off readers before they fix what they see: an older view would keep removed rows alive.
                gate.execute("LOCK TABLE state IN ACCESS EXCLUSIVE MODE")
                gate.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
                db = self._sessions.reader()
                postgres_purge.rewrite_tables(db, self.address, self._busy_seconds)
                left = postgres_purge.overwrite_log(db)
                gate.execute("UPDATE state SET unpurged = 0")
            self.left_by_purge = left

    @property
    def needs_purge(self) -> bool:
        """Whether rows of removed or replaced things may still stand in the tables."""
        with self.reading():
            return bool(self._now and self._now.unpurged)

    # Questions

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A block in which all questions see the corpus of one moment, whatever others write meanwhile. Other threads wait, and so does a purge."""
        import psycopg

        with self._lock:
            if self._asking:
                yield self._sessions.reader_in_use
                return
            with meaning(self.address, self._busy_seconds):
                db, self._now = self._sessions.begin_question()
            self._asking = True
            try:
                yield db
            finally:
                self._asking = False
                with suppress(psycopg.Error):  # nothing was written: there is nothing that could be lost
                    db.execute("ROLLBACK")

    def documents(self, scope: Scope = EVERYTHING) -> Sequence[DocumentFacts]:
        """See `store.Store.documents`. Pages that the scope leaves out change nothing here."""
        with self._looking() as db:
            found = {entry.id: entry for entry in self._directory.readable(scope)}
            rows = db.execute(
                "SELECT id, name, sha256, title, pages, notes, meta FROM documents WHERE id = ANY(%b)",
                (list(found),),
                binary=True,
            ).fetchall()
            if len(rows) != len(found):
                raise ValueError("documents are missing")
            texts = ((id, [value.decode() if isinstance(value, bytes) else value for value in row]) for id, *row in rows)
            facts = [chunk_rows.facts_of(row, found[id].readers) for id, row in texts]
            return sorted(facts, key=lambda each: each.name)

    def page(self, document: str, number: int, scope: Scope = EVERYTHING) -> Page:
        """See `store.Store.page`."""
        with self._looking() as db:
            entry = store_shared.readable(self._directory, document, scope)
            if entry is None or is_out(scope, document, (number,)):
                raise no_page(document, number)
            row = db.execute(
                "SELECT data FROM pages WHERE document = %s AND number = %s", (entry.id, number), binary=True
            ).fetchone()
            if row is None:
                raise no_page(document, number)
            try:
                return page_codec.decode(row[0])
            except BadData as error:
                raise damaged(self.address, error.what) from error

    def chunks(self, keys: Sequence[tuple[str, int]], scope: Scope = EVERYTHING) -> Sequence[Chunk]:
        """See `store.Store.chunks`."""
        with self._looking() as db:
            places = []
            for document, ordinal in keys:
                entry = store_shared.readable(self._directory, document, scope)
                places.append((entry.id, ordinal) if entry is not None and 0 <= ordinal < entry.count else None)
            asked = sorted({place for place in places if place is not None})
            rows = db.execute(
                "SELECT c.document, c.ordinal, c.kind, c.text, c.context, c.pieces, c.tables, c.figure"
                " FROM unnest(%b::int8[], %b::int4[]) AS k(document, ordinal) JOIN chunks c ON c.document = k.document AND c.ordinal = k.ordinal",
                ([id for id, _ in asked], [ordinal for _, ordinal in asked]),
                binary=True,
            )
            there = {(row[0], row[1]): (*(text.decode() for text in row[2:6]), *row[6:]) for row in rows}
            found = []
            for (document, ordinal), place in zip(keys, places, strict=True):
                if place is None:
                    raise no_chunk(document, ordinal)
                chunk = chunk_rows.chunk_of(ordinal, there[place])
                if is_out(scope, document, chunk_rows.pages_of(chunk)):
                    raise no_chunk(document, ordinal)
                found.append(chunk)
            return found

    def lexical(self, terms: Sequence[str], scope: Scope = EVERYTHING, limit: int = 100) -> Sequence[Hit]:
        """See `store.Store.lexical`."""
        with self._looking() as db:
            inside = self._directory.inside(scope, postgres_rows.asked(db))
            db.execute("SET LOCAL enable_seqscan = off")  # see `postgres_schema.writing`
            found = postgres_rows.read_terms(db, dict.fromkeys(terms))
            numbers, scores = postings.bm25(found, found, inside, self._directory.lengths)
            return self._directory.hits(numbers, scores, limit, "lexical", above=0.0)

    def dense(self, vector: NDArray, scope: Scope = EVERYTHING, limit: int = 100) -> Sequence[Hit]:
        """See `store.Store.dense`. Nothing where the corpus has no vectors.

        Raises
        ------
        BadData
            If `vector` is not of the corpus' dimensions, or not of length 1.
        """
        with self._looking() as db:
            asked = store_shared.question_vector(vector, self._dimensions)
            if not self._dimensions or limit < 1:
                return ()
            numbers, rows = postgres_dense.nearest(db, self._directory, asked, scope, limit)
            return self._directory.hits(numbers, exact_cosines(rows, asked), limit, "dense")

    def settings(self) -> Mapping[str, str]:
        """See `store.Store.settings`."""
        with self._looking() as db:
            rows = db.execute("SELECT name, value FROM settings ORDER BY name", binary=True)
            return {name.decode(): value.decode() for name, value in rows}

    def check(self) -> tuple[str, ...]:
        """What is wrong with the corpus, in sentences; nothing where all is well. Reads everything but the insides of texts, pages and vectors."""
        with self.reading() as db, meaning(self.address, self._busy_seconds):
            return problems_of(db)

    def close(self) -> None:
        """See `store.Store.close`."""
        with self._lock:
            self._sessions.close()

    # Inside

    @contextmanager
    def _looking(self) -> Iterator[Connection]:
        """A read transaction with the directory brought up to it."""
        with self.reading() as db, meaning(self.address, self._busy_seconds):
            try:
                if self._now != self._followed:
                    self._follow(db)
                yield db
            except (ValueError, TypeError, IndexError, KeyError) as error:
                if isinstance(error, UnicodeEncodeError):
                    raise
                raise damaged(self.address, str(error)) from error

    def _follow(self, db: Connection) -> None:
        before, self._followed = self._followed, None  # if anything below fails, the next question starts anew
        if before is None or self._now is None or before.identity != self._now.identity:  # the tables were dropped and made again
            self._directory = Directory()
        self._directory.follow(postgres_rows.asked(db))
        row = db.execute("SELECT dimensions FROM documents WHERE count > 0 AND dimensions IS NOT NULL LIMIT 1").fetchone()
        self._dimensions = row[0] if row else 0
        self._followed = self._now

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._lock, meaning(self.address, self._busy_seconds):
            db = self._sessions.writer()
            with transaction(db, self._sessions.begin_change):
                yield db

    def _take_out(self, db: Connection, name: str) -> bool:
        row = db.execute(
            "SELECT id, first, count, terms FROM documents WHERE key = %b", (postgres_schema.key_of(name),), binary=True
        ).fetchone()
        if row is None:
            return False
        document, first, count, terms = row
        postgres_rows.take_terms(db, first, count, json.loads(terms))
        db.execute("DELETE FROM documents WHERE id = %s", (document,))  # and with it its pages, chunks, vectors and readers
        db.execute("UPDATE state SET generation = generation + 1, removals = removals + 1, unpurged = 1")
        return True
