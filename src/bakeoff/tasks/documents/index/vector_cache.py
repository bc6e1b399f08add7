"""The vectors of a corpus in memory, scanned whole for each question: exact, and as quick as memory can be read.

A copy of the `vectors` table, made at the first question that needs it and followed document by document after that. There is no
file: the first question over 100,000 vectors of 384 numbers takes some 100 ms longer than the next, about what it would take to check that a cache file
is whole, and a file would be one more place from which removed documents have to disappear.

The scan is a matrix product in float32. Its rounding depends on where a row stands in the matrix, so it only chooses candidates, with
a margin that its rounding cannot exceed; the candidates' cosines are computed again in float64, each alone. So the result is that of an exact scan, and
what other documents are in the corpus changes no bit of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bakeoff.tasks.documents.index.directory import Entry
from bakeoff.tasks.documents.index.store_schema import VECTORS_PER_ROW
from bakeoff.tasks.documents.store import DECIMALS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLAB = 8192
"""Chunks in one block of memory: small enough to grow by, large enough that the product is as quick as over one matrix."""


class VectorCache:
    """Rows of float32 by chunk number. Not shared between threads; its owner has the lock."""

    def __init__(self) -> None:
        self.dimensions = 0
        self._slabs: list[NDArray] = []
        self._held: dict[int, Entry] = {}

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return sum(slab.nbytes for slab in self._slabs)

    def forget(self) -> None:
        """Give the memory back, vectors overwritten."""
        for slab in self._slabs:
            slab[:] = 0
        self._slabs, self._held, self.dimensions = [], {}, 0

    def follow(self, db: sqlite3.Connection, entries: dict[int, Entry]) -> None:
        """Hold the vectors of just these documents.

        Raises
        ------
        ValueError
            If the file does not hold what it should.
        """
        for id in [id for id in self._held if id not in entries]:
            self._write(self._held.pop(id), None)
        missing = [entry for id, entry in entries.items() if id not in self._held and entry.count]
        if not missing:
            return
        row = db.execute("SELECT dimensions FROM documents WHERE count > 0 AND dimensions IS NOT NULL LIMIT 1").fetchone()
        if row is None:
            return
        if not self._held and row[0] != self.dimensions:
            self.forget()
            self.dimensions = int(row[0])
        if not 0 < self.dimensions == row[0]:
            raise ValueError("vectors of several dimensions")
        for entry, data in _stored(db, sorted(missing, key=lambda entry: entry.first)):
            if len(data) != entry.count * self.dimensions * 4:
                raise ValueError(f"the vectors of document {entry.id}")
            self._write(entry, np.frombuffer(data, "<f4").reshape(entry.count, self.dimensions))
            self._held[entry.id] = entry

    def nearest(self, vector: NDArray, inside: NDArray, limit: int) -> tuple[NDArray, NDArray]:
        """Chunks in scope that can be among the `limit` best by cosine, and their cosines in float64.

        Parameters
        ----------
        vector : array of shape (dimensions,), float32, length 1
        inside : array of shape (n,), bool
            Whether chunk i is in scope; all of these are held.

        Returns
        -------
        numbers : array of shape (m,), int64, ascending, m at least the smaller of `limit` and the chunks in scope
        cosines : array of shape (m,), float64
        """
        if not len(self._slabs) or limit < 1:
            return np.empty(0, np.int64), np.empty(0)
        numbers, rough = [], []
        for at, slab in enumerate(self._slabs):
            here = np.flatnonzero(inside[at * SLAB : (at + 1) * SLAB])
            if len(here):
                numbers.append(here + at * SLAB)
                few = len(here) * 8 < SLAB
                rough.append(slab[here] @ vector if few else (slab[: here[-1] + 1] @ vector)[here])
        if not numbers:
            return np.empty(0, np.int64), np.empty(0)
        every, scores = np.concatenate(numbers), np.concatenate(rough)
        if len(every) > limit:
            least = np.partition(scores, len(scores) - limit)[len(scores) - limit]
            every = every[scores >= least - margin(self.dimensions)]
        return every, exact_cosines(self._rows(every), vector)

    def _rows(self, numbers: NDArray) -> NDArray:
        rows = np.empty((len(numbers), self.dimensions), np.float32)
        for at in np.unique(numbers // SLAB).tolist():
            here = numbers // SLAB == at
            rows[here] = self._slabs[at][numbers[here] - at * SLAB]
        return rows

    def _write(self, entry: Entry, rows: NDArray | None) -> None:
        while len(self._slabs) * SLAB < entry.first + entry.count:
            self._slabs.append(np.zeros((SLAB, self.dimensions), np.float32))
        done = 0
        while done < entry.count:
            at, place = divmod(entry.first + done, SLAB)
            fits = min(SLAB - place, entry.count - done)
            self._slabs[at][place : place + fits] = 0 if rows is None else rows[done : done + fits]
            done += fits


def _stored(db: sqlite3.Connection, entries: Sequence[Entry]) -> Iterator[tuple[Entry, bytes]]:
    """Each document with the bytes of its vectors. `entries` are in the order of their chunks."""
    ranged = "SELECT id, data FROM vectors WHERE id BETWEEN ? AND ? ORDER BY id"
    if len(entries) <= 100:
        for entry in entries:
            yield entry, b"".join(data for _, data in db.execute(ranged, (entry.first, entry.first + entry.count - 1)))
        return
    rows = db.execute(ranged, (entries[0].first, entries[-1].first + entries[-1].count - 1))
    row = rows.fetchone()
    for entry in entries:
        parts = []
        while row is not None and row[0] < entry.first + entry.count:
            if row[0] >= entry.first:  # what lies between belongs to documents that are held already
                parts.append(row[1])
            row = rows.fetchone()
        yield entry, b"".join(parts)


def exact_cosines(rows: NDArray, vector: NDArray) -> NDArray:
    """The dot product of each row with `vector`: float32 values, products and sums in float64, each row by itself.

    Products of float32 numbers are exact in float64, so two ways of adding them up differ by some 1e-16, far below the sixth decimal.

    Parameters
    ----------
    rows : array of shape (n, dimensions), float32
    vector : array of shape (dimensions,), float32

    Returns
    -------
    array of shape (n,), float64
    """
    wide, cosines = vector.astype(np.float64), np.empty(len(rows))
    for start in range(0, len(rows), 4096):  # so that a corpus of copies, all of them candidates, needs no more memory
        part = np.ascontiguousarray(rows[start : start + 4096])
        cosines[start : start + 4096] = np.add.reduce(part * wide, axis=1)
    return cosines


def margin(dimensions: int) -> float:
    """How much lower a chunk's float32 cosine can be than the last of the best, and the chunk still belong to them.

    A float32 dot product of `dimensions` terms is off by at most ``dimensions * 2**-24 * sum(|a||b|)`` in first order (Higham 2002, section 3.1), the sum at
    most 1 (and a little) for vectors of length 1. Twice that, for both sides of the comparison, and one step of rounding for ties.
    """
    return 2.1 * dimensions * 2.0**-24 + 10.0**-DECIMALS


def vector_rows(first: int, vectors: NDArray) -> Iterable[tuple[int, bytes]]:
    """Rows of the `vectors` table: (number of the first chunk, float32 little-endian)."""
    for start in range(0, len(vectors), VECTORS_PER_ROW):
        yield first + start, vectors[start : start + VECTORS_PER_ROW].astype("<f4").tobytes()
