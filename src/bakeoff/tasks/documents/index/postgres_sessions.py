"""The two connections of one open store: one for questions, one for changes. Each is made again when it was lost."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from bakeoff.errors import RunError
from bakeoff.tasks.documents.index import postgres_schema
from bakeoff.tasks.documents.index.postgres_schema import Address, damaged, meaning

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.sql import Composed


class State(NamedTuple):
    """The row that says whether anything changed. `identity` was drawn when the tables were made."""

    format: int
    identity: str
    generation: int
    removals: int
    unpurged: int


class Sessions:
    """Connections to one corpus. Not shared between threads; its owner has the lock.

    Raises
    ------
    BadData
        If there is no corpus, or it is damaged or of a newer version.
    RunError
        If the server cannot be used.
    """

    def __init__(self, address: Address, *, create: bool, busy_seconds: float, timeout_seconds: float) -> None:
        self.address = address
        self._closed = False
        self._writer: Connection | None = None
        self._reader = postgres_schema.connect(address)
        try:
            with meaning(address, busy_seconds):
                opened = postgres_schema.open_corpus(self._reader, address, create=create, busy_seconds=busy_seconds)
        except BaseException:
            self._reader.close()
            raise
        self._begin = postgres_schema.reading(address, opened.extension, busy_seconds, timeout_seconds)
        self.begin_change: Composed = postgres_schema.writing(address, busy_seconds, opened.extension, timeout_seconds)

    def reader(self) -> Connection:
        """The connection for questions, in whatever state it is, made again if it was lost."""
        self.usable()
        if self._reader.closed or self._reader.broken:
            self._reader.close()
            self._reader = postgres_schema.connect(self.address)
        return self._reader

    @property
    def reader_in_use(self) -> Connection:
        """The connection of the question under way: where it was lost, the moment that it saw is lost too, and using it says so."""
        return self._reader

    def writer(self) -> Connection:
        """The connection for changes, in no transaction, made again if it was lost."""
        import psycopg

        self.usable()
        if self._writer is not None:
            try:
                self._writer.execute("SELECT 1")
                return self._writer
            except psycopg.Error:
                self._writer.close()
                self._writer = None
        self._writer = postgres_schema.connect(self.address)
        return self._writer

    def begin_question(self) -> tuple[Connection, State]:
        """Begin a transaction of one moment. A connection that was lost since the last question is first noticed here."""
        import psycopg

        db = self.reader()
        try:
            return db, self._begun(db)
        except psycopg.OperationalError:
            if not db.broken:
                raise
        db = self.reader()
        return db, self._begun(db)

    def _begun(self, db: Connection) -> State:
        import psycopg

        try:
            cursor = db.execute(self._begin, prepare=False)
            while cursor.nextset():
                pass
            row = cursor.fetchone()
            if row is None:
                raise damaged(self.address, "its state is missing")
            if row[0] > postgres_schema.VERSION:
                raise damaged(self.address, f"it became one of a newer format, {row[0]}")
        except BaseException:
            with suppress(psycopg.Error):
                db.execute("ROLLBACK")
            raise
        return State(*row)

    def usable(self) -> None:
        """Raises RunError once closed."""
        if self._closed:
            raise RunError(f"The corpus {self.address.shown} was closed.", fix="open it again")

    def close(self) -> None:
        """Close both. Harmless when repeated."""
        self._closed = True
        self._reader.close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
