"""Is a corpus whole? SQLite's own check of its pages, then whether the tables agree with each other."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import numpy as np

from bakeoff.tasks.documents.index import postings
from bakeoff.tasks.documents.index.directory import Directory


def problems_of(db: sqlite3.Connection) -> tuple[str, ...]:
    """What is wrong, in sentences, at most a hundred; `db` is inside a read transaction.

    Raises
    ------
    sqlite3.DatabaseError
        If the file is so damaged that it cannot be read at all.
    """
    found = [str(row[0]) for row in db.execute("PRAGMA quick_check")]
    if found != ["ok"]:
        return tuple(f"The file is damaged: {line}" for line in found)
    directory = Directory()
    try:
        directory.follow(db)
        return tuple(line for line, _ in zip(_disagreements(db, directory), range(100), strict=False))
    except (ValueError, IndexError) as error:
        return (f"The tables make no sense: {error}.",)


def _disagreements(db: sqlite3.Connection, directory: Directory) -> Iterator[str]:
    taken = 0
    for entry in sorted(directory.entries.values(), key=lambda entry: entry.first):
        if not entry.count:
            continue
        if entry.first < taken:
            yield f"{entry.name}: its chunks overlap those of another document."
        taken = entry.first + entry.count
    counts = {
        "chunks": "SELECT count(*) FROM chunks WHERE id BETWEEN ? AND ?",
        "vectors": "SELECT coalesce(sum(length(data)), 0) / (4 * ?3) FROM vectors WHERE id BETWEEN ?1 AND ?2",
    }
    for entry in directory.entries.values():
        last = entry.first + entry.count - 1
        if entry.count and db.execute(counts["chunks"], (entry.first, last)).fetchone()[0] != entry.count:
            yield f"{entry.name}: {entry.count} chunks are stated, others are there."
        pages, dimensions = db.execute("SELECT pages, dimensions FROM documents WHERE id = ?", (entry.id,)).fetchone()
        if dimensions and db.execute(counts["vectors"], (entry.first, last, dimensions)).fetchone()[0] != entry.count:
            yield f"{entry.name}: vectors are missing."
        if db.execute("SELECT count(*) FROM pages WHERE document = ? AND number > ?", (entry.id, pages)).fetchone()[0]:
            yield f"{entry.name}: it has pages after its last one."
    for table in ("pages", "readers"):
        if db.execute(f"SELECT count(*) FROM {table} WHERE document NOT IN (SELECT id FROM documents)").fetchone()[0]:
            yield f"The table {table} has rows of no document."
    total = sum(entry.count for entry in directory.entries.values())
    if db.execute("SELECT count(*) FROM chunks").fetchone()[0] != total:
        yield "There are chunks of no document."
    yield from _lexical_disagreements(db, directory)


def _lexical_disagreements(db: sqlite3.Connection, directory: Directory) -> Iterator[str]:
    """Each chunk's terms in the index must add up to its length, and no term may be entered for a chunk that is not there."""
    seen = np.zeros(len(directory.lengths), np.int64)
    rows = db.execute("SELECT shelf, data FROM postings")
    while batch := rows.fetchmany(20_000):
        numbers, times = postings.unpack(batch)
        if len(numbers) and int(numbers.max()) >= len(seen):
            yield "The lexical index holds chunks of no document."
            return
        np.add.at(seen, numbers, times)
    wrong = np.flatnonzero(seen != directory.lengths)
    if len(wrong):
        yield f"The lexical index and the lengths of {len(wrong)} chunks disagree."
