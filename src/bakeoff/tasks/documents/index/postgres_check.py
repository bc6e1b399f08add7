"""Is a corpus in PostgreSQL whole? Whether its tables agree with each other, and whether the server keeps what it has committed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from bakeoff.tasks.documents.index import postings
from bakeoff.tasks.documents.index.directory import Directory
from bakeoff.tasks.documents.index.postgres_rows import asked

if TYPE_CHECKING:
    from psycopg import Connection

_COUNTS = """SELECT d.name, d.count, d.dimensions, d.pages, coalesce(c.n, 0), coalesce(v.n, 0), coalesce(p.last, 0), coalesce(c.last, -1), coalesce(v.last, -1)
    FROM documents d
    LEFT JOIN (SELECT document, count(*) AS n, max(ordinal) AS last FROM chunks GROUP BY document) c ON c.document = d.id
    LEFT JOIN (SELECT document, count(*) AS n, max(ordinal) AS last FROM vectors GROUP BY document) v ON v.document = d.id
    LEFT JOIN (SELECT document, max(number) AS last FROM pages GROUP BY document) p ON p.document = d.id
    ORDER BY d.name"""


def problems_of(db: Connection) -> tuple[str, ...]:
    """What is wrong, in sentences, at most a hundred; `db` is inside a read transaction."""
    directory = Directory()
    try:
        directory.follow(asked(db))
        return tuple(line for line, _ in zip(_problems(db, directory), range(100), strict=False))
    except (ValueError, IndexError) as error:
        return (f"The tables make no sense: {error}.",)


def _problems(db: Connection, directory: Directory) -> Iterator[str]:
    unsafe = db.execute("SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY 1")
    for (name,) in unsafe.fetchall():
        yield f"The server runs with {name} = off: a loss of power may damage the corpus."
    taken = 0
    for entry in sorted(directory.entries.values(), key=lambda entry: entry.first):
        if entry.count:
            if entry.first < taken:
                yield f"{entry.name}: its chunks overlap those of another document."
            taken = entry.first + entry.count
    for data, count, dimensions, pages, chunks, vectors, last_page, last_chunk, last_vector in db.execute(
        _COUNTS, binary=True
    ).fetchall():
        name = data.decode()
        if chunks != count or last_chunk != count - 1:
            yield f"{name}: {count} chunks are stated, others are there."
        stated = count if dimensions else 0
        if vectors != stated or last_vector != stated - 1:
            yield f"{name}: vectors are missing, or too many."
        if last_page > pages:
            yield f"{name}: it has pages after its last one."
    yield from _lexical_problems(db, directory)


def _lexical_problems(db: Connection, directory: Directory) -> Iterator[str]:
    """Each chunk's terms in the index must add up to its length, and no term may be entered for a chunk that is not there."""
    seen = np.zeros(len(directory.lengths), np.int64)
    with db.cursor(name="bakeoff_check", binary=True) as rows:  # on the server: the index may be larger than the memory here
        rows.execute("SELECT shelf, data FROM postings")
        while batch := rows.fetchmany(20_000):
            numbers, times = postings.unpack(batch)
            if len(numbers) and int(numbers.max()) >= len(seen):
                yield "The lexical index holds chunks of no document."
                return
            np.add.at(seen, numbers, times)
    wrong = np.flatnonzero(seen != directory.lengths)
    if len(wrong):
        yield f"The lexical index and the lengths of {len(wrong)} chunks disagree."
