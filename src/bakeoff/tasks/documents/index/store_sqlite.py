"""A corpus in one SQLite file: the only truth, with nothing beside it that could disagree.

Each change is one transaction in the write-ahead log, synced at its commit: a process killed anywhere leaves the corpus as before
or as after. Each question is one read transaction: it sees the corpus of one moment, whatever is written meanwhile. What is kept in memory
(who may read what, and the vectors) is a copy that follows the file's generation and is never asked before that was compared. Why it is built
so, and what was measured: ``docs/decisions/0007-one-truth-for-a-corpus.md``.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bakeoff.errors import BadData, RunError
from bakeoff.tasks.documents.index import chunk_rows, postings, store_schema, store_shared
from bakeoff.tasks.documents.index.chunk_rows import no_chunk, no_page
from bakeoff.tasks.documents.index.directory import Directory, is_out, standing_of, state_of
from bakeoff.tasks.documents.index.store_check import problems_of
from bakeoff.tasks.documents.index.store_schema import damaged, meaning, space_given_back, transaction
from bakeoff.tasks.documents.index.vector_cache import VectorCache, vector_rows
from bakeoff.tasks.documents.reading import page_codec
from bakeoff.tasks.documents.records import EVERYTHING, Chunk, DocumentFacts, Hit, Page, Scope

if TYPE_CHECKING:
    from numpy.typing import NDArray

BUSY_SECONDS = 30.0


class SqliteStore(store_shared.Closes):
    """A `store.Store` in ``folder/corpus.sqlite``.

    Several processes may open the same folder: one writes at a time (others wait `busy_seconds` for their turn), all others read. One object may be used by
    several threads, which take turns; for questions in parallel open several.

    Parameters
    ----------
    folder : Path
        On a local disk: SQLite's write-ahead log does not work over network file systems.
    create : bool, default=False
        Make folder and corpus if they do not exist.
    read_only : bool, default=False
        Never write. Works where the folder cannot be written to.
    busy_seconds : float, default=30
        How long to wait for another process that writes.

    Raises
    ------
    BadData
        If there is no corpus in the folder, or the file is damaged, no corpus, or of a newer version.
    RunError
        If the file is locked, cannot be read or written, or the disk is full. Every method may raise it.
    """

    def __init__(
        self, folder: Path, *, create: bool = False, read_only: bool = False, busy_seconds: float = BUSY_SECONDS
    ) -> None:
        self.folder = Path(folder)
        self.path = self.folder / store_schema.FILE
        self._busy_seconds = busy_seconds
        self._read_only = read_only
        self._lock = threading.RLock()
        self._directory = Directory()
        self._vectors = VectorCache()
        self._writer: sqlite3.Connection | None = None
        self._closed = False
        if create and not read_only:
            try:
                store_schema.create(self.path, busy_seconds)
            except OSError as error:
                raise RunError(
                    f"The corpus folder {self.folder} cannot be made ({error}).", fix="choose a folder that can be written to"
                ) from error
        self._reader = store_schema.open_reader(self.path, busy_seconds, read_only=read_only)

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
            dimensions = store_shared.dimensions_of(db, facts.name, rows, len(chunks))
            first = store_shared.room_for(db, len(chunks))
            different = postings.add_terms(db, first, terms)
            generation = store_shared.next_generation(db)
            inserted = db.execute(
                "INSERT INTO documents (name, sha256, title, pages, notes, meta, restricted, changed, first, count, dimensions, lengths, standing, terms)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *chunk_rows.facts_row(facts), generation, first, len(chunks), dimensions, np.array([len(each) for each in terms], "<u4").tobytes(),
                    standing_of([chunk_rows.pages_of(chunk) for chunk in chunks]), json.dumps(different, separators=(",", ":"), ensure_ascii=False),
                ),
            )  # fmt: skip
            document = int(inserted.lastrowid or 0)
            _set_readers(db, document, facts.readers)
            for page in store_shared.numbered(facts, pages):
                db.execute(
                    "INSERT INTO pages (document, number, data) VALUES (?, ?, ?)",
                    (document, page.number, page_codec.encode(page)),
                )
            db.executemany(
                "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((first + chunk.ordinal, *chunk_rows.chunk_row(chunk)) for chunk in chunks),
            )
            if rows is not None:
                db.executemany("INSERT INTO vectors VALUES (?, ?)", vector_rows(first, rows))

    def remove(self, name: str) -> bool:
        """See `store.Store.remove`. The bytes go with `purge`."""
        with self._writing() as db:
            return self._take_out(db, name)

    def set_readers(self, name: str, readers: frozenset[str] | None) -> None:
        """See `store.Store.set_readers`."""
        with self._writing() as db:
            row = db.execute("SELECT id FROM documents WHERE name = ?", (name,)).fetchone()
            if row is None:
                raise BadData(f"There is no document {name!r} in the corpus.", fix="name a document as the corpus lists it")
            changes = (readers is not None, store_shared.next_generation(db), row[0])
            db.execute("UPDATE documents SET restricted = ?, changed = ? WHERE id = ?", changes)
            db.execute("DELETE FROM readers WHERE document = ?", row)
            db.execute("UPDATE state SET unpurged = 1")
            _set_readers(db, row[0], readers)

    def set_settings(self, changes: Mapping[str, str]) -> None:
        """See `store.Store.set_settings`."""
        with self._writing() as db:
            db.executemany(
                "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", sorted(changes.items())
            )
            db.execute("UPDATE state SET unpurged = 1")

    def purge(self) -> None:
        """See `store.Store.purge`. Writes the whole file anew (`VACUUM`) and empties the log, so it takes as long as copying the corpus twice.

        The copy on the way lies in SQLite's temporary folder (SQLITE_TMPDIR), holds only what stays, and is deleted however the process ends. A purge that
        was killed has changed no document; `needs_purge` stays true until one has run to its end.

        Raises
        ------
        RunError
            If other processes keep reading the corpus as it was before: what they read cannot be overwritten under them.
        """
        with self._lock:
            if self._usable().in_transaction:
                raise RunError(
                    "A corpus cannot be purged while a question to it is open.",
                    fix="purge after the `with store.reading()` block",
                )
            db = self._open_writer()
            with meaning(self.path, self._busy_seconds), space_given_back(db):
                db.execute("VACUUM")
                busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
                if not busy:
                    with transaction(db, "IMMEDIATE"):
                        db.execute("UPDATE state SET unpurged = 0")
                    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    return
            raise RunError(
                f"Another process keeps reading the corpus {self.folder} as it was, so removed bytes still stand in its log.",
                fix="end or wait for the readers, then purge again",
            )

    @property
    def needs_purge(self) -> bool:
        """Whether bytes of removed or replaced things may still stand in the file."""
        with self.reading() as db:
            return bool(state_of(db).unpurged)

    def copy_to(self, folder: Path) -> None:
        """Write the corpus as it is now into another folder, as one file without removed bytes. Raises BadData where there is one already."""
        with self._lock:
            self._usable()
            store_schema.copy(self.path, Path(folder) / store_schema.FILE, self._busy_seconds, read_only=self._read_only)

    # Questions

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A block in which all questions see the corpus of one moment, whatever others write meanwhile. Other threads wait."""
        with self._lock:
            db = self._usable()
            if db.in_transaction:
                yield db
                return
            with meaning(self.path, self._busy_seconds):
                db.execute("BEGIN")
                state_of(db)  # SQLite fixes what a transaction sees at its first read, not at its beginning
            try:
                yield db
            finally:
                with suppress(sqlite3.Error):  # nothing was written: there is nothing that could be lost
                    db.execute("ROLLBACK")

    def documents(self, scope: Scope = EVERYTHING) -> Sequence[DocumentFacts]:
        """See `store.Store.documents`. Pages that the scope leaves out change nothing here."""
        with self._looking() as db:
            found = sorted(self._directory.readable(scope), key=lambda entry: entry.name)
            one = "SELECT name, sha256, title, pages, notes, meta FROM documents WHERE id = ?"
            return [chunk_rows.facts_of(db.execute(one, (entry.id,)).fetchone(), entry.readers) for entry in found]

    def page(self, document: str, number: int, scope: Scope = EVERYTHING) -> Page:
        """See `store.Store.page`."""
        with self._looking() as db:
            entry = store_shared.readable(self._directory, document, scope)
            if entry is None or is_out(scope, document, (number,)):
                raise no_page(document, number)
            row = db.execute("SELECT data FROM pages WHERE document = ? AND number = ?", (entry.id, number)).fetchone()
            if row is None:
                raise no_page(document, number)
            try:
                return page_codec.decode(row[0])
            except BadData as error:
                raise damaged(self.path, error.what) from error

    def chunks(self, keys: Sequence[tuple[str, int]], scope: Scope = EVERYTHING) -> Sequence[Chunk]:
        """See `store.Store.chunks`."""
        found = []
        with self._looking() as db:
            for document, ordinal in keys:
                entry = store_shared.readable(self._directory, document, scope)
                if entry is None or not 0 <= ordinal < entry.count:
                    raise no_chunk(document, ordinal)
                row = db.execute(
                    "SELECT kind, text, context, pieces, tables, figure FROM chunks WHERE id = ?", (entry.first + ordinal,)
                ).fetchone()
                chunk = chunk_rows.chunk_of(ordinal, row)
                if is_out(scope, document, chunk_rows.pages_of(chunk)):
                    raise no_chunk(document, ordinal)
                found.append(chunk)
        return found

    def lexical(self, terms: Sequence[str], scope: Scope = EVERYTHING, limit: int = 100) -> Sequence[Hit]:
        """See `store.Store.lexical`."""
        with self._looking() as db:
            inside = self._directory.inside(scope, db)
            found = {term: postings.read_term(db, term) for term in dict.fromkeys(terms)}
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
            self._vectors.follow(db, self._directory.entries)
            asked = store_shared.question_vector(vector, self._vectors.dimensions)
            inside = self._directory.inside(scope, db)
            numbers, scores = self._vectors.nearest(asked, inside, limit)
            return self._directory.hits(numbers, scores, limit, "dense")

    def settings(self) -> Mapping[str, str]:
        """See `store.Store.settings`."""
        with self._looking() as db:
            return dict(db.execute("SELECT name, value FROM settings ORDER BY name"))

    def check(self) -> tuple[str, ...]:
        """What is wrong with the corpus, in sentences; nothing where all is well. Reads everything but the pages' insides."""
        with self.reading() as db, meaning(self.path, self._busy_seconds):
            return problems_of(db)

    def close(self) -> None:
        """See `store.Store.close`. The last process to close a corpus leaves one file."""
        with self._lock:
            self._closed = True
            self._vectors.forget()
            self._reader.close()
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    # Inside

    @contextmanager
    def _looking(self) -> Iterator[sqlite3.Connection]:
        """A read transaction with the directory brought up to it."""
        with self.reading() as db, meaning(self.path, self._busy_seconds):
            try:
                self._directory.follow(db)
                yield db
            except (ValueError, TypeError, IndexError, KeyError) as error:
                if isinstance(error, UnicodeEncodeError):
                    raise
                raise damaged(self.path, str(error)) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, meaning(self.path, self._busy_seconds):
            self._usable()
            db = self._open_writer()
            with space_given_back(db), transaction(db, "IMMEDIATE"):
                yield db

    def _usable(self) -> sqlite3.Connection:
        if self._closed:
            raise RunError(f"The corpus {self.folder} was closed.", fix="open it again")
        return self._reader

    def _open_writer(self) -> sqlite3.Connection:
        if self._read_only:
            raise RunError(f"The corpus {self.folder} was opened for reading only.", fix="open it without read_only=True")
        if self._writer is None:
            self._writer = store_schema.open_writer(self.path, self._busy_seconds)
        return self._writer

    def _take_out(self, db: sqlite3.Connection, name: str) -> bool:
        row = db.execute("SELECT id, first, count, terms FROM documents WHERE name = ?", (name,)).fetchone()
        if row is None:
            return False
        document, first, count, terms = row
        chunks = (first, first + count - 1)
        postings.take_terms(db, first, count, json.loads(terms))
        db.execute("DELETE FROM chunks WHERE id BETWEEN ? AND ?", chunks)
        db.execute("DELETE FROM vectors WHERE id BETWEEN ? AND ?", chunks)
        db.execute("DELETE FROM pages WHERE document = ?", (document,))
        db.execute("DELETE FROM readers WHERE document = ?", (document,))
        db.execute("DELETE FROM documents WHERE id = ?", (document,))
        db.execute("UPDATE state SET generation = generation + 1, removals = removals + 1, unpurged = 1")
        return True


def _set_readers(db: sqlite3.Connection, document: int, readers: frozenset[str] | None) -> None:
    db.executemany("INSERT INTO readers VALUES (?, ?)", ((document, principal) for principal in sorted(readers or ())))
