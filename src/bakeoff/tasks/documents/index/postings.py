"""The lexical index: in which chunks a term stands and how often, kept so that one document can be added or taken out cheaply.

Chunk numbers are cut into shelves of 2,048. For each term and shelf there is one row of bytes, three for each chunk that holds the term: its
place on the shelf (2 bytes) and how often (1 byte; more than 255 times is written as several threes). So a document touches only the rows of its
own terms and shelves, a frequent term of 100,000 chunks is read in some 50 rows, and nothing has to be built before the first question.
"""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bakeoff.tasks.documents.store import K1, B

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHELF = 2048
RECORD = np.dtype([("at", "<u2"), ("times", "u1")])


def packed(first: int, terms: Sequence[Sequence[str]]) -> dict[str, list[tuple[int, bytes]]]:
    """The rows (shelf, data) of each different term of chunks numbered from `first` on, terms and shelves in order."""
    found: dict[str, dict[int, bytearray]] = {}
    for number, chunk in enumerate(terms, start=first):
        shelf, place = divmod(number, SHELF)
        at = place.to_bytes(2, "little")
        for term, times in Counter(chunk).items():
            data = found.setdefault(term, {}).setdefault(shelf, bytearray())
            while times > 255:
                data += at + b"\xff"
                times -= 255
            data += at + bytes((times,))
    return {term: [(shelf, bytes(data)) for shelf, data in sorted(found[term].items())] for term in sorted(found)}


def without(shelf: int, data: bytes, first: int, count: int) -> bytes:
    """A row's data without the chunks from `first` on, `count` of them. Raises ValueError where it is no whole records."""
    records = np.frombuffer(data, RECORD)
    place = records["at"].astype(np.int64) + shelf * SHELF
    return records[(place < first) | (place >= first + count)].tobytes()


def add_terms(db: sqlite3.Connection, first: int, terms: Sequence[Sequence[str]]) -> list[str]:
    """Enter a document's chunks, numbered from `first` on, into the index; the document's different terms, sorted."""
    found = packed(first, terms)
    db.executemany(
        "INSERT INTO postings VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET data = CAST(data || excluded.data AS BLOB)",
        ((term, shelf, data) for term, rows in found.items() for shelf, data in rows),
    )
    return list(found)


def take_terms(db: sqlite3.Connection, first: int, count: int, terms: Iterable[str]) -> None:
    """Take a document's chunks out of the index. `terms` are what `add_terms` returned for it."""
    if not count:
        return
    shelves = range(first // SHELF, (first + count - 1) // SHELF + 1)
    for term in terms:
        for shelf, data in db.execute(
            "SELECT shelf, data FROM postings WHERE term = ? AND shelf BETWEEN ? AND ?", (term, shelves[0], shelves[-1])
        ).fetchall():
            left = without(shelf, data, first, count)
            if left:
                db.execute("UPDATE postings SET data = ? WHERE term = ? AND shelf = ?", (left, term, shelf))
            else:
                db.execute("DELETE FROM postings WHERE term = ? AND shelf = ?", (term, shelf))


def read_term(db: sqlite3.Connection, term: str) -> tuple[NDArray, NDArray]:
    """Numbers of the chunks that hold a term, int64, each once, and how often, int64.

    Raises
    ------
    ValueError
        If the rows are no whole records.
    """
    rows = db.execute("SELECT shelf, data FROM postings WHERE term = ?", (term,)).fetchall()
    return unpack(rows)


def unpack(rows: Sequence[tuple[int, bytes]]) -> tuple[NDArray, NDArray]:
    """Numbers and times from rows of (shelf, data). For rows of one term, each number once."""
    records = np.frombuffer(b"".join(data for _, data in rows), RECORD)
    shelves = np.repeat([shelf * SHELF for shelf, _ in rows], [len(data) // RECORD.itemsize for _, data in rows])
    numbers = records["at"] + shelves.astype(np.int64)
    times = records["times"].astype(np.int64)
    if (records["times"] == 255).any():
        numbers, place = np.unique(numbers, return_inverse=True)
        times = np.bincount(place, weights=times).astype(np.int64)
    return numbers, times


def bm25(
    terms: Iterable[str], postings: Mapping[str, tuple[NDArray, NDArray]], inside: NDArray, lengths: NDArray
) -> tuple[NDArray, NDArray]:
    """BM25 of the chunks in scope that hold at least one of the terms, as `store` defines it.

    The weight of a term that stands `tf` times in a chunk of `length` terms is ``idf * tf / (tf + k1 * (1 - b + b * length / mean))``:
    Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond", equation 3.15, without the constant factor
    (k1 + 1) that some write. Computed in float64, terms in sorted order, so that the same documents give the same bits whatever their numbers.

    Parameters
    ----------
    terms : iterable of str
        Repeats count once.
    postings : mapping of term to (numbers, times)
        Chunks that hold it, each once, in scope or not, and how often.
    inside : array of shape (n,), bool
        Whether chunk i is in scope.
    lengths : array of shape (n,)
        Number of terms of chunk i.

    Returns
    -------
    numbers : array of shape (m,), int64, ascending
    scores : array of shape (m,), float64
    """
    n = int(np.count_nonzero(inside))
    total = int(lengths[inside].sum(dtype=np.int64))
    scores = np.zeros(len(inside))
    if n and total:
        soft = K1 * (1 - B + B * (lengths / (total / n)))
        for term in sorted(set(terms)):
            numbers, times = postings.get(term, _NONE)
            kept = inside[numbers]
            numbers, times = numbers[kept], times[kept]
            if len(numbers):
                scores[numbers] += idf(n, len(numbers)) * (times / (times + soft[numbers]))
    found = np.flatnonzero(scores)
    return found, scores[found]


def idf(n: int, df: int) -> float:
    """``ln(1 + (n - df + 0.5) / (df + 0.5))``: never negative, however frequent the term."""
    return math.log1p((n - df + 0.5) / (df + 0.5))


_NONE: tuple[Any, Any] = (np.empty(0, np.int64), np.empty(0, np.int64))
