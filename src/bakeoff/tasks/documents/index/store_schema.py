"""The one file of a corpus: its tables, how it is opened, and what SQLite's errors mean to a person.

    state      one row: generation (counts every change), removals, and whether removed bytes may still stand in the file
    settings   what the corpus was made with
    documents  one row each; its chunks are numbers first to first + count - 1 of the corpus
    readers    who may read a restricted document
    pages      page_codec bytes
    chunks     text, context, where it stands
    vectors    float32, little-endian, up to `VECTORS_PER_ROW` chunks in a row
    postings   the lexical index: for a term and a shelf of chunk numbers, where it stands and how often (see `postings`)

Numbers of removed chunks are given out again, so they stay dense: arrays over all chunks can be addressed by them. Numbers of
documents are never given out again, so what was once read under one stays true.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from bakeoff.errors import BadData, BakeoffError, RunError

FILE = "corpus.sqlite"
VERSION = 1
APPLICATION = 0x42616B65  # "Bake" in ASCII, in the header of the file, so that it is known for what it is
PAGE_BYTES = 8192
VECTORS_PER_ROW = 1024

_TABLES = (
    """CREATE TABLE state (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        generation INTEGER NOT NULL, removals INTEGER NOT NULL, unpurged INTEGER NOT NULL)""",
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE documents (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, sha256 TEXT NOT NULL, title TEXT NOT NULL,
        pages INTEGER NOT NULL, notes TEXT NOT NULL, meta TEXT NOT NULL, restricted INTEGER NOT NULL, changed INTEGER NOT NULL,
        first INTEGER NOT NULL, count INTEGER NOT NULL, dimensions INTEGER, lengths BLOB NOT NULL, standing BLOB NOT NULL,
        terms TEXT NOT NULL)""",
    "CREATE INDEX documents_changed ON documents (changed)",
    """CREATE TABLE readers (document INTEGER NOT NULL, principal TEXT NOT NULL,
        PRIMARY KEY (document, principal)) WITHOUT ROWID""",
    """CREATE TABLE pages (id INTEGER PRIMARY KEY, document INTEGER NOT NULL, number INTEGER NOT NULL, data BLOB NOT NULL,
        UNIQUE (document, number))""",
    """CREATE TABLE chunks (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL, context TEXT NOT NULL,
        pieces TEXT NOT NULL, tables INTEGER, figure INTEGER)""",
    "CREATE TABLE vectors (id INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    """CREATE TABLE postings (term TEXT NOT NULL, shelf INTEGER NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (term, shelf)) WITHOUT ROWID""",
    "INSERT INTO state VALUES (1, 0, 0, 0)",
)

_AGAIN = "index the folder again into a new one, or put the file back from a copy"


def create(path: Path, busy_seconds: float) -> None:
    """Make the file with empty tables, or finish one that was killed while it was made. Nothing happens to a finished one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with meaning(path, busy_seconds):
        db = _connect(path, "rwc", busy_seconds)
        try:
            if _is_ours(db, path):
                return
            db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            if db.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                raise RunError(
                    f"{path.parent} is on a file system that cannot hold a corpus (SQLite's write-ahead log does not work there).",
                    fix="put the corpus on a local disk",
                )
            with transaction(db, "IMMEDIATE"):
                if _is_ours(db, path):  # another process was first
                    return
                for statement in _TABLES:
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {VERSION}")
                db.execute(f"PRAGMA application_id = {APPLICATION}")
        finally:
            db.close()


def open_reader(path: Path, busy_seconds: float, *, read_only: bool) -> sqlite3.Connection:
    """A connection that cannot write. Works on a folder that cannot be written to, where the corpus was closed cleanly."""
    if not path.exists():
        raise BadData(f"There is no corpus in {path.parent}.", fix=f"make one: bakeoff index {path.parent}")
    with meaning(path, busy_seconds):
        first: sqlite3.Error | None = None
        for mode in ("ro", "still") if read_only else ("rw", "ro", "still"):
            db = _connect(path, mode, busy_seconds)
            try:
                ours = _is_ours(db, path)
            except sqlite3.OperationalError as error:
                db.close()
                first = first or error
                if _primary(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                    raise
                continue
            except BakeoffError:
                db.close()
                raise
            if not ours:
                db.close()
                raise BadData(f"There is no corpus in {path.parent}.", fix=f"make one: bakeoff index {path.parent}")
            db.execute("PRAGMA query_only = ON")
            db.execute("PRAGMA cache_size = -16384")
            return db
        raise first or RunError(f"{path} cannot be opened.", fix="check who may read it")


def open_writer(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """A connection that writes: durable at each commit, and freed bytes are overwritten with zeros."""
    with meaning(path, busy_seconds):
        db = _connect(path, "rw", busy_seconds)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA secure_delete = ON")
        db.execute("PRAGMA cache_size = -65536")
        return db


def copy(path: Path, there: Path, busy_seconds: float, *, read_only: bool) -> None:
    """Write what the file holds now to another place: all of it under its name, or nothing."""
    if there.exists():
        raise BadData(f"{there} exists.", fix="name another folder, or delete the corpus in it")
    there.parent.mkdir(parents=True, exist_ok=True)
    half = there.with_name(there.name + ".part")
    half.unlink(missing_ok=True)
    try:
        with closing(open_reader(path, busy_seconds, read_only=read_only)) as db, meaning(there, busy_seconds):
            db.execute("PRAGMA query_only = OFF")
            db.execute("VACUUM INTO ?", (str(half),))
        with meaning(there, busy_seconds), closing(_connect(half, "rw", busy_seconds)) as db:
            db.execute("PRAGMA journal_mode = WAL")
        _sync(half, os.O_RDWR)
        half.replace(there)
        _sync(there.parent, os.O_RDONLY)
    finally:
        half.unlink(missing_ok=True)


@contextmanager
def transaction(db: sqlite3.Connection, kind: str = "DEFERRED") -> Iterator[None]:
    """Commit at the end, or undo everything if anything is raised, Ctrl-C included."""
    db.execute(f"BEGIN {kind}")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # where SQLite has undone it already, for want of space, there is nothing to undo
            if db.in_transaction:
                db.execute("ROLLBACK")
        raise


@contextmanager
def space_given_back(db: sqlite3.Connection) -> Iterator[None]:
    """If the disk runs full, shorten the log again: what was undone still stands in it, and may be what fills the disk."""
    try:
        yield
    except sqlite3.Error as error:
        if _primary(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            with suppress(sqlite3.Error):
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        raise


@contextmanager
def meaning(path: Path, busy_seconds: float) -> Iterator[None]:
    """Turn SQLite's errors into what happened and what to do.

    Raises
    ------
    RunError
        If the file is locked, read-only, cannot be opened, or its disk is full or failing.
    BadData
        If the file is damaged, or something given to it is no Unicode text.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _said(error, path, busy_seconds) from error
    except UnicodeDecodeError as error:
        raise damaged(path, "a text in it is not Unicode") from error
    except UnicodeEncodeError as error:
        raise BadData(
            "A text given to the corpus is not Unicode (half a surrogate pair).", fix="replace such halves by U+FFFD"
        ) from error


def _said(error: sqlite3.Error, path: Path, busy_seconds: float) -> BakeoffError | sqlite3.Error:
    code = _primary(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return RunError(
            f"Another process has kept the corpus {path.parent} in use for {busy_seconds:g} seconds.",
            fix="wait until it is done, or end it, and try again; nothing was changed",
        )
    if code == sqlite3.SQLITE_FULL:
        return RunError(
            f"The disk of the corpus {path.parent} is full.",
            fix="free some space (or, for a purge, set SQLITE_TMPDIR to a larger disk); nothing was changed",
        )
    if code == sqlite3.SQLITE_READONLY:
        return RunError(
            f"The corpus {path.parent} cannot be written to.",
            fix="check the rights of the folder and its files, or open it with read_only=True",
        )
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return RunError(
            f"{path} cannot be opened ({error}).",
            fix="check who may read it; a corpus in a folder that cannot be written to must have been closed by its last writer",
        )
    if code == sqlite3.SQLITE_IOERR:
        return RunError(
            f"The disk of the corpus {path.parent} fails or is full ({error}).",
            fix="free some space or check the disk; nothing was changed",
        )
    damaged = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "decode to UTF-8" in str(error)
    if damaged or (isinstance(error, sqlite3.OperationalError) and str(error).startswith("no such")):
        return BadData(f"{path} is damaged ({error}).", fix=_AGAIN)
    return error


def damaged(path: Path, what: str) -> BadData:
    """What is said of a file that SQLite can read and that makes no sense."""
    return BadData(f"{path} is damaged ({what}).", fix=_AGAIN)


def _primary(error: sqlite3.Error) -> int:
    """The error's primary code: its extended code tells apart more than a person can act on."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _connect(path: Path, mode: str, busy_seconds: float) -> sqlite3.Connection:
    # "still": no other process can be writing, because nobody can; SQLite then needs no files beside this one.
    options = "mode=ro&immutable=1" if mode == "still" else f"mode={mode}"
    if mode == "still" and _log_holds_something(path):
        raise RunError(
            f"The corpus {path.parent} was not closed by its last writer, and its folder cannot be written to.",
            fix="open it once where it can be written to, or copy the whole folder to such a place",
        )
    db = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?{options}",
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA cell_size_check = ON")
    except BaseException:
        db.close()
        raise
    return db


def _sync(place: Path, how: int) -> None:
    handle = os.open(place, how)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _log_holds_something(path: Path) -> bool:
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def _is_ours(db: sqlite3.Connection, path: Path) -> bool:
    """True for a finished corpus, False for an empty file. Raises BadData for anything else."""
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application == APPLICATION and version > VERSION:
        raise BadData(
            f"{path} was made by a newer Bakeoff (format {version}; this one reads {VERSION}).",
            fix="pip install --upgrade bakeoff",
        )
    if application == APPLICATION and version == VERSION:
        return True
    if application == 0 and version == 0 and tables == 0:
        return False
    raise BadData(f"{path} is not a corpus of Bakeoff.", fix="name another folder")
