"""What endpoints answered, kept so that no answer is paid for twice, and what was paid, so that a ceiling holds.

One SQLite file, ``answers.sqlite`` in BAKEOFF_HOME, in write-ahead mode with full synchronisation: what
`put` returned from is there after a SIGKILL or a power cut. Many threads and processes may use it at once.

An answer's address is the SHA-256 of the server, the model, the full request and the repeat number.
No request, header or key is ever stored; only the address, the response and its figures.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff.contract import Json
from bakeoff.errors import BakeoffError

SCHEMA = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, body TEXT NOT NULL, tokens_in INTEGER, tokens_out INTEGER, usage TEXT NOT NULL,
    seconds REAL NOT NULL, first_token_seconds REAL, usd REAL, attempts INTEGER NOT NULL, fetched REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payments (
    id INTEGER PRIMARY KEY, account TEXT NOT NULL, key TEXT NOT NULL, nano INTEGER NOT NULL, state TEXT NOT NULL, at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS accounts (account TEXT PRIMARY KEY, nano INTEGER NOT NULL) WITHOUT ROWID;
"""

_flights_guard = threading.Lock()
_flights: dict[tuple[str, str], list[Any]] = {}
_lock_files: dict[str, int] = {}


@dataclass(frozen=True)
class StoredAnswer:
    """One response, with the figures of the request that fetched it.

    `usage` is ``'reported'`` (by the server) or ``'estimated'`` (by us). `usd` is what it cost when it was
    paid, None where prices were unknown. `fetched` is in seconds since 1970 UTC. `seconds` and
    `first_token_seconds` were measured when it was fetched.
    """

    body: Json
    tokens_in: int | None
    tokens_out: int | None
    usage: str
    seconds: float
    first_token_seconds: float | None
    usd: float | None
    attempts: int
    fetched: float


def answer_key(base_url: str, model: str, body: Mapping[str, Json], repeat: int) -> str:
    """The address of an answer: 64 hexadecimal digits, the SHA-256 of canonical JSON (sorted keys, no spaces, ASCII)."""
    whole = {"endpoint": base_url, "model": model, "body": body, "repeat": repeat}
    return hashlib.sha256(json.dumps(whole, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def default_path() -> Path:
    """``answers.sqlite`` in BAKEOFF_HOME (default ``~/.cache/bakeoff``)."""
    return Path(os.environ.get("BAKEOFF_HOME") or "~/.cache/bakeoff").expanduser() / "answers.sqlite"


class AnswerCache:
    """Answers by address, and accounts of what was spent. Safe to share between threads; one per process and path is enough.

    Parameters
    ----------
    path : Path or None
        The SQLite file; None means `default_path`. It is made, readable by its owner alone, when first needed.
    wait_seconds : float, default=30
        How long to wait for another process that is writing.

    Every method raises BakeoffError, with the fix, for a file that is corrupted, locked, read-only, newer
    than this program, or on a full disk.
    """

    def __init__(self, path: Path | None = None, *, wait_seconds: float = 30.0) -> None:
        self.path = Path(path) if path else default_path()
        self.wait_seconds = wait_seconds
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    def get(self, key: str) -> StoredAnswer | None:
        """The answer at `key`, or None."""
        with self._using() as db:
            row = db.execute(
                "SELECT body, tokens_in, tokens_out, usage, seconds, first_token_seconds, usd, attempts, fetched FROM answers WHERE key = ?",
                (key,),
            ).fetchone()
        if row is None:
            return None
        try:
            body = json.loads(row[0])
        except (ValueError, TypeError, RecursionError):
            raise self._corrupted(f"answer {key[:12]} is not JSON") from None
        return StoredAnswer(body, *row[1:])

    def put(self, key: str, answer: StoredAnswer, *, payment: int | None = None, nano: int = 0) -> None:
        """Keep `answer`, and in the same transaction settle its payment at `nano` billionths of a USD. The first answer stays."""
        body = json.dumps(answer.body)
        with self._writing() as db:
            db.execute(
                "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    body,
                    answer.tokens_in,
                    answer.tokens_out,
                    answer.usage,
                    answer.seconds,
                    answer.first_token_seconds,
                    answer.usd,
                    answer.attempts,
                    answer.fetched,
                ),
            )
            if payment is not None:
                self._settle(db, payment, nano, "paid")

    def __len__(self) -> int:
        """How many answers are kept."""
        with self._using() as db:
            return int(db.execute("SELECT count(*) FROM answers").fetchone()[0])

    def reserve(self, account: str, key: str, nano: int, ceiling: int | None) -> int | None:
        """Set `nano` billionths of a USD aside on `account` before a request is sent; None when that would pass `ceiling`.

        The reservation is on disk when this returns. If the process is killed before `settle` or `put`, it
        stays: a request whose end is unknown counts at its worst.
        """
        with self._writing() as db:
            spent = self._spent(db, account)
            if ceiling is not None and spent + nano > ceiling:
                return None
            db.execute(
                "INSERT INTO accounts VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET nano = nano + excluded.nano",
                (account, nano),
            )
            made = db.execute(
                "INSERT INTO payments (account, key, nano, state, at) VALUES (?, ?, ?, 'open', ?)",
                (account, key, nano, time.time()),
            )
            return made.lastrowid

    def settle(self, payment: int, nano: int, *, state: str = "paid") -> None:
        """Replace a reservation by what was really spent (0 gives all of it back). `state`: ``paid``, ``unpaid`` or ``unknown``."""
        with self._writing() as db:
            self._settle(db, payment, nano, state)

    def spent_nano(self, account: str) -> int:
        """Billionths of a USD spent and set aside on `account`, with requests of unknown end at their worst."""
        with self._using() as db:
            return self._spent(db, account)

    def spent_usd(self, account: str) -> float:
        """USD spent and set aside on `account`, with requests of unknown end at their worst."""
        return self.spent_nano(account) / 1e9

    @contextmanager
    def alone(self, key: str, *, stop: threading.Event, patience: float) -> Iterator[None]:
        """Hold `key`: nobody else, thread or process, fetches the same answer meanwhile. A killed holder lets go at once.

        Goes on without the hold when `stop` is set, or after `patience` seconds (a holder that was suspended).
        """
        until = time.monotonic() + patience
        flight_key = (str(self.path), key)
        with _flights_guard:
            flight = _flights.setdefault(flight_key, [threading.Lock(), 0])
            flight[1] += 1
        held = False
        try:
            while not held and not stop.is_set() and time.monotonic() < until:
                held = flight[0].acquire(timeout=0.05)
            with self._alone_among_processes(key, stop, until):
                yield
        finally:
            if held:
                flight[0].release()
            with _flights_guard:
                flight[1] -= 1
                if not flight[1]:
                    _flights.pop(flight_key, None)

    @contextmanager
    def _alone_among_processes(self, key: str, stop: threading.Event, until: float) -> Iterator[None]:
        # One byte of a lock file per key: the kernel releases it when its holder dies, however it dies.
        try:
            import fcntl
        except ImportError:
            yield
            return
        name = str(self.path.with_suffix(".lock"))
        with _flights_guard:
            if name not in _lock_files:
                # Never closed: closing any descriptor of a file drops all of a process's record locks on it.
                with self._explaining():
                    _lock_files[name] = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            descriptor = _lock_files[name]
        place = int(key[:15], 16)
        held = False
        pause = 0.01
        while not held and not stop.is_set() and time.monotonic() < until:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
                held = True
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EAGAIN):
                    break
                stop.wait(pause)
                pause = min(pause * 1.5, 0.25)
        try:
            yield
        finally:
            if held:
                with suppress(OSError):
                    fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, place)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    @staticmethod
    def _spent(db: sqlite3.Connection, account: str) -> int:
        row = db.execute("SELECT nano FROM accounts WHERE account = ?", (account,)).fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def _settle(db: sqlite3.Connection, payment: int, nano: int, state: str) -> None:
        row = db.execute("SELECT account, nano FROM payments WHERE id = ? AND state = 'open'", (payment,)).fetchone()
        if row is None:
            return
        db.execute("UPDATE payments SET nano = ?, state = ? WHERE id = ?", (nano, state, payment))
        db.execute("UPDATE accounts SET nano = nano + ? WHERE account = ?", (nano - row[1], row[0]))

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explaining():
            yield self._open()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._using() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise

    def _open(self) -> sqlite3.Connection:
        # A connection must not cross a fork.
        if self._connection is not None and self._process == os.getpid():
            return self._connection
        self.path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        db = sqlite3.connect(self.path, timeout=self.wait_seconds, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        self._connection, self._process = db, os.getpid()
        weakref.finalize(self, db.close).atexit = False
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        until = time.monotonic() + self.wait_seconds
        while True:
            # Two processes that switch a new file to write-ahead mode together: one is told "locked" without any wait.
            try:
                db.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.02)
        db.execute("PRAGMA synchronous = FULL")
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found > SCHEMA:
            raise BakeoffError(
                f"{self.path} was written by a newer Bakeoff (format {found}; this one reads {SCHEMA}).",
                fix="upgrade Bakeoff, or set BAKEOFF_HOME to another folder",
            )
        if found < SCHEMA:
            db.execute("BEGIN IMMEDIATE")
            for statement in _TABLES.split(";"):
                if statement.strip():
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {SCHEMA}")
            db.execute("COMMIT")

    def _corrupted(self, why: str) -> BakeoffError:
        return BakeoffError(
            f"The answer cache {self.path} is damaged: {why}.",
            fix=f"restore it from a backup, or move it away (its paid answers will be fetched again): mv {self.path} {self.path}.damaged",
        )

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._explain(error) from error

    def _explain(self, error: Exception) -> BakeoffError:
        says = str(error).lower()
        number = getattr(error, "errno", None)
        if "full" in says or number in (errno.ENOSPC, errno.EDQUOT):
            return BakeoffError(
                f"The disk of the answer cache {self.path} is full.", fix="free some space, then resume: kept answers are kept"
            )
        if "locked" in says or "busy" in says:
            return BakeoffError(
                f"The answer cache {self.path} has been locked by another program for {self.wait_seconds:g} s.",
                fix="close the program that holds it open, then resume",
            )
        if (
            "readonly" in says
            or "unable to open" in says
            or number in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR)
        ):
            return BakeoffError(
                f"The answer cache {self.path} cannot be written: {error}.",
                fix="make it writable, or set BAKEOFF_HOME to a folder that is",
            )
        if isinstance(error, sqlite3.DatabaseError):
            return self._corrupted(str(error))
        return BakeoffError(
            f"The answer cache {self.path} cannot be used: {error}.", fix="check its disk, or set BAKEOFF_HOME to another folder"
        )
