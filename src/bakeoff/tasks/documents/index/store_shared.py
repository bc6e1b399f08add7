"""What a store in SQLite and a store in PostgreSQL do alike: the same checks in the same words, and the same numbers for chunks.

Both kinds of connection take these statements: none of them has a parameter, in whose form the two differ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from bakeoff.errors import BadData, RunError
from bakeoff.tasks.documents.index.chunk_rows import NORM_TOLERANCE
from bakeoff.tasks.documents.index.directory import Directory, Entry
from bakeoff.tasks.documents.records import DocumentFacts, Page, Scope

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Closes(ABC):
    """Closed at the end of a ``with`` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections."""


def numbered(facts: DocumentFacts, pages: Iterable[Page]) -> Iterator[Page]:
    """The pages, each with a number that the document has and that came only once. Raises BadData otherwise."""
    seen: set[int] = set()
    for page in pages:
        if not 1 <= page.number <= facts.pages:
            raise BadData(f"{facts.name}: page {page.number} of {facts.pages}.", fix="state how many pages the document has")
        if page.number in seen:
            raise BadData(f"{facts.name}: page {page.number} was given twice.", fix="give each page once")
        seen.add(page.number)
        yield page


def question_vector(vector: NDArray, dimensions: int) -> NDArray:
    """A question's vector as float32, of length 1 and of the corpus' dimensions (0: it has no vectors). Raises BadData otherwise."""
    asked = np.ascontiguousarray(vector, dtype=np.float32)
    if asked.ndim != 1 or (dimensions and asked.shape != (dimensions,)):
        raise BadData(
            f"The question's vector has shape {asked.shape}; the corpus has {dimensions} dimensions.",
            fix="use the corpus' own embedding model",
        )
    if not abs(float(np.linalg.norm(asked.astype(np.float64))) - 1) <= NORM_TOLERANCE:
        raise BadData("The question's vector is not of length 1.", fix="divide it by its length")
    return asked


def readable(directory: Directory, document: str, scope: Scope) -> Entry | None:
    """The directory's entry of a document, or None where it does not exist or is out of scope: the caller says the same of both."""
    entry = directory.by_name.get(document)
    if entry is None or (scope.documents is not None and document not in scope.documents):
        return None
    if scope.principals is not None and entry.readers is not None and not entry.readers & scope.principals:
        return None
    return entry


def next_generation(db: Any) -> int:
    """Count a change. Raises RunError where the corpus has lost its state."""
    row = db.execute("UPDATE state SET generation = generation + 1 RETURNING generation").fetchone()
    if row is None:
        raise RunError("The state of the corpus is missing.", fix="restore it from a backup, or index the folder again")
    return int(row[0])


def room_for(db: Any, count: int) -> int:
    """The lowest chunk number from which on `count` numbers are free, so that numbers stay dense however often documents are replaced."""
    free = 0
    for first, taken in db.execute("SELECT first, count FROM documents WHERE count > 0 ORDER BY first"):
        if first - free >= count:
            break
        free = first + taken
    return free


def dimensions_of(db: Any, name: str, rows: NDArray | None, count: int) -> int | None:
    """The dimensions of a document's vectors, once they agree with those of the corpus. Raises BadData where they do not."""
    mine = None if rows is None or not count else int(rows.shape[1])
    other = db.execute("SELECT dimensions FROM documents WHERE count > 0 LIMIT 1").fetchone()
    if count and other is not None and other[0] != mine:
        here, there = ("no vectors" if size is None else f"vectors of {size} dimensions" for size in (mine, other[0]))
        raise BadData(
            f"{name}: it has {here}; the corpus has {there}.",
            fix="use the corpus' own embedding model, or index the folder again into a new corpus",
        )
    return mine
