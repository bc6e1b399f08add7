"""Removed bytes out of a PostgreSQL server, as far as it lets anybody take them out.

What is done: every table is written anew (`VACUUM FULL`), which the server's own count proves complete; then, where the user may, the write-ahead log
is switched, a checkpoint lets go of its old segments, and the segments that the server keeps to use again are overwritten (a switch fills the rest of a segment
with zeros). What nobody can do from here: archived log, base backups, standbys and logical replicas that lag, the server's message log, and blocks that a
file system has freed and not overwritten.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from bakeoff.errors import RunError
from bakeoff.tasks.documents.index.postgres_schema import CONTENT, Address

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.errors import Diagnostic

_SEGMENTS = "SELECT count(*) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{{24}}$' AND {}"
MOST_SEGMENTS = 1024
"""Segments of the log that are overwritten at most: 16 GB where they have the usual size."""


def rewrite_tables(db: Connection, address: Address, busy_seconds: float) -> None:
    """Write each table with something of a document in it anew, without a removed row.

    `db` is in no transaction; another connection holds readers and writers of the corpus off.

    Raises
    ------
    RunError
        If another session still sees the database as it was before, after `busy_seconds`.
    """
    from psycopg import sql

    kept: list[int] = []

    def listen(notice: Diagnostic) -> None:
        # "DETAIL: 3 dead row versions cannot be removed yet." in whatever language the server speaks.
        count = re.search(r"\d+", notice.message_detail or "")
        if notice.severity_nonlocalized == "INFO" and count:
            kept.append(int(count.group()))

    db.add_notice_handler(listen)
    try:
        db.execute(f"SET lock_timeout = {max(1, round(busy_seconds * 1000))}")
        db.execute("SET statement_timeout = 0")
        for table in CONTENT:
            rewrite = sql.SQL("VACUUM (FULL, VERBOSE) {}.{}").format(sql.Identifier(address.schema), sql.Identifier(table))
            deadline = time.monotonic() + busy_seconds
            while True:
                kept.clear()
                db.execute(rewrite)
                if kept and not any(kept):
                    break
                if not kept or time.monotonic() >= deadline:
                    raise RunError(
                        f"Another session of the server keeps seeing {address.shown} as it was, so removed rows still stand in its tables.",
                        fix="end or wait for long transactions (see pg_stat_activity, pg_prepared_xacts, pg_replication_slots), then purge again",
                    )
                time.sleep(0.05)
    finally:
        db.remove_notice_handler(listen)
        if not db.closed:
            db.execute("RESET lock_timeout")
            db.execute("RESET statement_timeout")


def overwrite_log(db: Connection) -> tuple[str, ...]:
    """Take removed bytes out of the write-ahead log; what could not be reached, in sentences."""
    from psycopg import errors

    left = []
    row = db.execute("SELECT current_setting('archive_mode')").fetchone()
    archived = row is not None and row[0] != "off"
    if archived:
        left.append("The server archives its write-ahead log: what the archive holds stays there until it is deleted.")
    try:
        row = db.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        db.execute("CHECKPOINT")
        old = db.execute(_SEGMENTS.format("name <= %s"), row).fetchone()
        if old and old[0]:
            left.append(
                "The server keeps old segments of its write-ahead log, which may hold removed bytes (wal_keep_size, a replication slot, or an archive that lags)."
            )
        if not archived:  # else each would be archived
            _overwrite_kept_segments(db)
    except (errors.InsufficientPrivilege, errors.FeatureNotSupported) as error:
        left.append(
            "The server's write-ahead log may hold removed bytes until it reuses it"
            f" (this user may not clear it: {error.diag.message_primary}; a superuser may)."
        )
    return tuple(left)


def _overwrite_kept_segments(db: Connection) -> None:
    row = db.execute(_SEGMENTS.format("name > pg_walfile_name(pg_current_wal_lsn())")).fetchone()
    ahead = row[0] if row else 0
    for _ in range(1 + min(MOST_SEGMENTS, ahead)):  # one more than lie ahead: the last of them is filled when it is left
        # A segment in which nothing stands is not switched, hence the message.
        db.execute("SELECT pg_logical_emit_message(false, 'bakeoff', 'purge')")
        db.execute("SELECT pg_switch_wal()")
