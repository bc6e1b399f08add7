"""A corpus in PostgreSQL: its tables, how a server is reached, and what its errors mean to a person.

One schema holds one corpus, in the tables of `store_schema` with these differences: chunks and vectors are one row each, named by document and
ordinal; vectors are pgvector's. Whatever comes from documents or people is kept as bytes (text as UTF-8): so a NUL, a database in another encoding
and a locale's order of letters change nothing. The server takes no statistics of such columns: they would keep removed words.

A password is used and forgotten: it is in no message, no `repr` and no table.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, urlencode

from bakeoff.errors import BadData, BakeoffError, RunError

if TYPE_CHECKING:
    from psycopg import Connection, Error
    from psycopg.sql import Composed

VERSION = 1
OLDEST = 13
"""Major version of PostgreSQL: the oldest that pgvector still supports."""
CONTENT = ("settings", "documents", "readers", "pages", "chunks", "vectors", "postings")
"""Tables that hold something of a document or a person."""
LONGEST_KEY = 1024
LOCK = 0x42616B65  # "Bake" in ASCII: the class of the advisory locks of writers

_TABLES = """
CREATE TABLE {s}.state (
    one int PRIMARY KEY CHECK (one = 1), format int NOT NULL, identity text NOT NULL,
    generation bigint NOT NULL, removals bigint NOT NULL, unpurged int NOT NULL);
CREATE TABLE {s}.settings (name bytea PRIMARY KEY, value bytea NOT NULL);
CREATE TABLE {s}.documents (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key bytea NOT NULL UNIQUE, name bytea NOT NULL, sha256 bytea NOT NULL,
    title bytea NOT NULL, pages int NOT NULL, notes bytea NOT NULL, meta bytea NOT NULL, restricted boolean NOT NULL,
    changed bigint NOT NULL, first bigint NOT NULL, count int NOT NULL, dimensions int, lengths bytea NOT NULL,
    standing bytea NOT NULL, terms bytea NOT NULL);
CREATE INDEX documents_changed ON {s}.documents (changed);
CREATE TABLE {s}.readers (document bigint NOT NULL REFERENCES {s}.documents ON DELETE CASCADE, principal bytea NOT NULL);
CREATE INDEX readers_document ON {s}.readers (document);
CREATE TABLE {s}.pages (
    document bigint NOT NULL REFERENCES {s}.documents ON DELETE CASCADE, number int NOT NULL, data bytea NOT NULL,
    PRIMARY KEY (document, number));
CREATE TABLE {s}.chunks (
    document bigint NOT NULL REFERENCES {s}.documents ON DELETE CASCADE, ordinal int NOT NULL, kind bytea NOT NULL, text bytea NOT NULL,
    context bytea NOT NULL, pieces bytea NOT NULL, tables int, figure int, PRIMARY KEY (document, ordinal));
CREATE TABLE {s}.vectors (
    document bigint NOT NULL REFERENCES {s}.documents ON DELETE CASCADE, ordinal int NOT NULL, embedding {e}.vector NOT NULL,
    PRIMARY KEY (document, ordinal)) WITH (toast_tuple_target = 8160);
CREATE TABLE {s}.postings (key bytea NOT NULL, shelf int NOT NULL, data bytea NOT NULL, PRIMARY KEY (key, shelf))
    WITH (toast_tuple_target = 8160, fillfactor = 80);
ALTER TABLE {s}.pages ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE {s}.vectors ALTER COLUMN embedding SET STORAGE EXTERNAL;
ALTER TABLE {s}.postings ALTER COLUMN data SET STORAGE EXTERNAL;
"""
_UNCOUNTED = """SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %s AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid NOT IN ('int4'::regtype, 'int8'::regtype)
    ORDER BY 1, 2"""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a corpus lies. `shown` is what may be printed; `conninfo` may hold a password."""

    conninfo: str = field(repr=False)
    shown: str
    schema: str


class Opened(NamedTuple):
    """A corpus that was found: the format of its tables, the name it was given when made, and the schema of pgvector."""

    format: int
    identity: str
    extension: str


def address_of(url: str, schema: str) -> Address:
    """Read ``postgresql://user@host:port/database``, with ``?schema=NAME`` or libpq's own parameters.

    Raises
    ------
    BadData
        If it cannot be read, or `schema` is not a plain name.
    """
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    base, _, query = url.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    schema = dict(pairs).get("schema", schema)
    rest = urlencode([pair for pair in pairs if pair[0] != "schema"])
    try:
        given = conninfo_to_dict(base + (f"?{rest}" if rest else ""))
        # A raw @ or / in a password makes libpq take half of it for the host, which would then be printed.
        unreadable = not base.startswith(("postgresql://", "postgres://")) or "@" in str(given.get("host", ""))
        unreadable |= bool(re.search(r"[^\d,]", str(given.get("port", ""))))
    except ProgrammingError:
        unreadable = True
    if unreadable:
        raise BadData(
            "The address of the PostgreSQL store cannot be read (it is not shown: it may hold a password).",
            fix="write postgresql://user@host:5432/database; in a user name or password @ : / ? # % are %40 %3A %2F %3F %23 %25",
        )
    if not re.fullmatch(r"(?!pg_)[a-z_][a-z0-9_]{0,62}", schema):
        raise BadData(
            f"A corpus cannot be kept in a schema called {schema!r}.",
            fix="use small letters, digits and _, at most 63, not beginning with a digit or pg_",
        )
    user, host, port, database = (str(given.get(name) or "") for name in ("user", "host", "port", "dbname"))
    # A host that begins with / is the folder of a socket, which an address can only name behind the question mark.
    behind = {
        name: value for name, value in (("host", host * host.startswith("/")), ("schema", schema)) if value not in ("", "bakeoff")
    }
    shown = f"postgresql://{user + '@' if user else ''}{'' if 'host' in behind else host}{':' + port if port else ''}/{database}"
    shown += f"?{urlencode(behind, safe='/')}" if behind else ""
    kept = {
        "connect_timeout": "10", "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3",
        "fallback_application_name": "bakeoff", **given, "client_encoding": "UTF8",
    }  # fmt: skip
    return Address(make_conninfo(**kept), shown, schema)


def connect(address: Address) -> Connection:
    """A connection that begins no transaction by itself, and prepares nothing on the server, so that it works through a pooler.

    Raises
    ------
    RunError
        If the server cannot be reached, or does not let us in. The password is not in the message.
    """
    import psycopg

    failed = ""
    try:
        db: Connection = psycopg.connect(address.conninfo, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        failed = (str(error).strip() or type(error).__name__).splitlines()[0].strip()
    if failed:  # raised out of the block: the error beneath holds the connection's parameters
        password = psycopg.conninfo.conninfo_to_dict(address.conninfo).get("password")
        if password:
            failed = failed.replace(str(password), "***")
        raise RunError(
            f"The PostgreSQL server of {address.shown} cannot be used: {failed}.".replace("..", "."),
            fix="check that it runs, the address, and the password (in PGPASSWORD, a pgpass file, or the address)",
        )
    return db


def open_corpus(db: Connection, address: Address, *, create: bool, busy_seconds: float) -> Opened:
    """Find the corpus, or make its tables in one transaction if there is none and `create` is set.

    Raises
    ------
    BadData
        If there is no corpus, or it is of a newer version, or the schema holds something else.
    RunError
        If the server is too old, or its database has no pgvector.
    """
    if db.info.server_version < OLDEST * 10_000:
        raise RunError(
            f"The server of {address.shown} runs PostgreSQL {db.info.server_version // 10_000}; {OLDEST} or newer is needed.",
            fix="upgrade the server",
        )
    extension = _extension(db, address)
    found = _state(db, address)
    if found is None and create:
        with transaction(db, writing(address, busy_seconds)):
            if _state(db, address) is None:  # another process was first
                _make(db, address, extension)
        found = _state(db, address)
    if found is None:
        raise BadData(f"There is no corpus in {address.shown}.", fix=f"make one: bakeoff index DIR --store '{address.shown}'")
    version, identity = found
    if version > VERSION:
        raise BadData(
            f"{address.shown} was made by a newer Bakeoff (format {version}; this one reads {VERSION}).",
            fix="pip install --upgrade bakeoff",
        )
    return Opened(version, identity, extension)


def _extension(db: Connection, address: Address) -> str:
    row = db.execute(
        "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'"
    ).fetchone()
    if row is not None:
        return str(row[0])
    there = db.execute("SELECT FROM pg_available_extensions WHERE name = 'vector'").fetchone() is not None
    install = "" if there else f"install it on the server (Debian: postgresql-{db.info.server_version // 10_000}-pgvector), then "
    raise RunError(
        f"The database of {address.shown} has no pgvector.",
        fix=f"{install}let an administrator of the database run: CREATE EXTENSION vector;",
    )


def _state(db: Connection, address: Address) -> tuple[int, str] | None:
    """(format, identity); None where nothing is. Raises BadData for a schema that holds something else."""
    from psycopg import sql

    tables = "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm')"
    here = {row[0] for row in db.execute(tables, (address.schema,))}
    if not here:
        return None
    columns = "SELECT count(*) FROM information_schema.columns WHERE table_schema = %s AND table_name = 'state' AND column_name IN ('format', 'identity')"
    if not {"state", *CONTENT} <= here or db.execute(columns, (address.schema,)).fetchone() != (2,):
        raise BadData(
            f"The schema {address.schema!r} of {address.shown} is not a corpus of Bakeoff, or one that this user may not see.",
            fix="name another schema (?schema=NAME), or ask for the right to read it",
        )
    row = db.execute(sql.SQL("SELECT format, identity FROM {}.state").format(sql.Identifier(address.schema))).fetchone()
    if row is None:
        raise damaged(address, "its state is missing")
    return int(row[0]), str(row[1])


def _make(db: Connection, address: Address, extension: str) -> None:
    from psycopg import sql

    name = sql.Identifier(address.schema)
    if db.execute("SELECT FROM pg_namespace WHERE nspname = %s", (address.schema,)).fetchone() is None:
        db.execute(sql.SQL("CREATE SCHEMA {}").format(name))
    db.execute(sql.SQL(_TABLES).format(s=name, e=sql.Identifier(extension)), prepare=False)
    for table, column in db.execute(_UNCOUNTED, (address.schema,)).fetchall():
        db.execute(
            sql.SQL("ALTER TABLE {}.{} ALTER COLUMN {} SET STATISTICS 0").format(
                name, sql.Identifier(table), sql.Identifier(column)
            )
        )
    row = (VERSION, secrets.token_hex(16))
    db.execute(sql.SQL("INSERT INTO {}.state VALUES (1, %s, %s, 0, 0, 0)").format(name), row)


# Transactions


def reading(address: Address, extension: str, busy_seconds: float, timeout_seconds: float) -> Composed:
    """Statements that begin a question: one moment for all that follows, and no change.

    The lock is taken before the moment is fixed (LOCK TABLE takes no snapshot), so that whoever waits here for a purge holds nothing back.
    """
    return _begin(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = pg_catalog, {s}, {e}, pg_temp;"
        " SET LOCAL lock_timeout = {busy}; SET LOCAL statement_timeout = {timeout}; LOCK TABLE {s}.state IN ACCESS SHARE MODE;"
        " SELECT format, identity, generation, removals, unpurged FROM {s}.state",
        address,
        extension,
        busy_seconds,
        timeout_seconds,
    )


def writing(address: Address, busy_seconds: float, extension: str = "pg_catalog", timeout_seconds: float = 0) -> Composed:
    """Statements that begin a change: one writer at a time, durable when it is committed, whatever the server does otherwise.

    Sequential scans are turned off because the planner, without statistics of terms, takes a few for many.
    """
    return _begin(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL search_path = pg_catalog, {s}, {e}, pg_temp;"
        " SET LOCAL lock_timeout = {busy}; SET LOCAL statement_timeout = {timeout}; SET LOCAL enable_seqscan = off;"
        " SET LOCAL idle_in_transaction_session_timeout = '10min';"
        " SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';"
        " SELECT pg_advisory_xact_lock({lock}, {key})",
        address,
        extension,
        busy_seconds,
        timeout_seconds,
    )


def _begin(text: str, address: Address, extension: str, busy_seconds: float, timeout_seconds: float) -> Composed:
    from psycopg import sql

    key = int.from_bytes(hashlib.sha256(address.schema.encode()).digest()[:4], "big", signed=True)
    return sql.SQL(text).format(
        s=sql.Identifier(address.schema),
        e=sql.Identifier(extension),
        busy=sql.Literal(max(1, round(busy_seconds * 1000))),
        timeout=sql.Literal(max(0, round(timeout_seconds * 1000))),
        lock=sql.Literal(LOCK),
        key=sql.Literal(key),
    )


@contextmanager
def transaction(db: Connection, begin: Composed) -> Iterator[None]:
    """Commit at the end, or undo everything if anything is raised, Ctrl-C included.

    Raises
    ------
    RunError
        If the connection is lost while it is committed, so that nobody here can know whether it was.
    """
    import psycopg

    try:
        db.execute(begin, prepare=False)
        yield
    except BaseException:
        with suppress(psycopg.Error):  # where the connection is lost, the server undoes it
            db.execute("ROLLBACK")
        raise
    try:
        db.execute("COMMIT")
    except psycopg.OperationalError as error:
        if not db.broken:
            raise
        raise RunError(
            "The connection to the PostgreSQL server was lost while a change was made final: it is there as a whole or not at all.",
            fix="look whether it is there; if not, make it again",
        ) from error


# What goes wrong


@contextmanager
def meaning(address: Address, busy_seconds: float) -> Iterator[None]:
    """Turn PostgreSQL's errors into what happened and what to do.

    Raises
    ------
    RunError
        If the server is gone, busy, full, read-only, too slow, or denies a right.
    BadData
        If tables are damaged, or something given to them is no Unicode text.
    """
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        said = _said(error, address, busy_seconds)
        if said is None:
            raise
        raise said from error
    except UnicodeEncodeError as error:
        raise BadData(
            "A text given to the corpus is not Unicode (half a surrogate pair).", fix="replace such halves by U+FFFD"
        ) from error


def _said(error: Error, address: Address, busy_seconds: float) -> BakeoffError | None:
    from psycopg import errors

    primary = (error.diag.message_primary or str(error).strip() or type(error).__name__).splitlines()[0]
    where = address.shown
    if isinstance(error, errors.LockNotAvailable):
        return RunError(
            f"Another process has kept the corpus {where} in use for {busy_seconds:g} seconds.",
            fix="wait until it is done, or end it, and try again; nothing was changed",
        )
    if isinstance(error, errors.QueryCanceled):
        return RunError(
            f"The server of {where} stopped what was asked of it ({primary}).",
            fix="ask again when it is less busy, or open the store with a larger timeout_seconds; nothing was changed",
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return RunError(f"{where}: {primary}.", fix="let the owner of the schema grant this right, or connect as another user")
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return RunError(f"The corpus {where} cannot be written to ({primary}).", fix="connect to the primary server")
    if isinstance(error, (errors.DiskFull, errors.OutOfMemory, errors.ConfigurationLimitExceeded, errors.IoError)):
        return RunError(f"The server of {where} is out of room, or its disk fails ({primary}).", fix="free some space there; nothing was changed")  # fmt: skip
    if isinstance(error, (errors.ProgramLimitExceeded, errors.NumericValueOutOfRange)):
        return BadData(f"The corpus {where} cannot keep this ({primary}).", fix="use shorter names, or smaller numbers")
    if isinstance(error, (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName, errors.DataCorrupted,
                          errors.IndexCorrupted, errors.UndefinedFunction, errors.UndefinedObject, errors.DataException)):  # fmt: skip
        return damaged(address, primary)
    if isinstance(error, (errors.OperationalError, errors.InternalError)) or "closed" in primary:
        return RunError(
            f"The PostgreSQL server of {where} failed or is gone ({primary}).", fix="check the server, then try again; what was not finished was undone"
        )  # fmt: skip
    return None


def damaged(address: Address, what: str) -> BadData:
    """What is said of tables that can be read and make no sense."""
    return BadData(
        f"{address.shown} is damaged ({what}).",
        fix="index the folder again into a new schema, or restore the schema from a backup",
    )


# What is kept


def key_of(text: str) -> bytes:
    """What a text is found by in an index: itself, or its hash where it is too long for one (0xFF is in no UTF-8)."""
    data = text.encode()
    return data if len(data) <= LONGEST_KEY else b"\xff" + hashlib.sha256(data).digest()
