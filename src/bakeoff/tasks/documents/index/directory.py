"""Which chunks a corpus holds and who may read them, in memory: what a scope is worked out from, and how hits are ordered.

Kept in step with the file by its generation: what changed since is read again, nothing else. It holds no text of any document, and it is not
shared between threads; its owner has the lock.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bakeoff.tasks.documents.records import Hit, PageRef, Scope
from bakeoff.tasks.documents.store import DECIMALS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCOPES_KEPT = 16
STANDING = np.dtype([("chunk", "<u4"), ("page", "<u4")])
"""One row of `documents.standing`: a chunk (by its ordinal) has characters on a page."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A document: its chunks are numbers `first` to ``first + count - 1`` of the corpus. `readers` is None where everybody may read it."""

    id: int
    name: str
    first: int
    count: int
    readers: frozenset[str] | None


class State(NamedTuple):
    """The row that says whether anything changed."""

    generation: int
    removals: int
    unpurged: int


def state_of(db: sqlite3.Connection) -> State:
    """The state of the corpus in the transaction that `db` is in."""
    return State(*db.execute("SELECT generation, removals, unpurged FROM state").fetchone())


class Directory:
    """Documents and their chunks as of one generation."""

    def __init__(self) -> None:
        self.state: State | None = None
        self.entries: dict[int, Entry] = {}
        self.by_name: dict[str, Entry] = {}
        self.lengths: NDArray = np.zeros(0, np.uint32)
        self._owner: NDArray = np.full(0, -1, np.int64)  # id of the document whose chunk it is; -1 where there is none
        self._inside: OrderedDict[Scope, NDArray] = OrderedDict()

    def follow(self, db: sqlite3.Connection) -> None:
        """Bring it to the generation that `db`, inside a transaction, sees.

        Raises
        ------
        ValueError
            If what the file says makes no sense.
        """
        now = state_of(db)
        before = self.state
        if now == before:
            return
        self.state = None  # if anything below fails, the next question starts anew
        if before is None or now.generation < before.generation:  # the file was put back from a copy
            before = None
            self.entries, self.by_name = {}, {}
            self.lengths, self._owner = np.zeros(0, np.uint32), np.full(0, -1, np.int64)
        self._inside.clear()
        if before is not None and now.removals != before.removals:
            here = {row[0] for row in db.execute("SELECT id FROM documents")}
            for id in [id for id in self.entries if id not in here]:
                self._forget(self.entries[id])
        since = -1 if before is None else before.generation
        rows = db.execute(
            "SELECT id, name, restricted, first, count, lengths FROM documents WHERE changed > ? ORDER BY id", (since,)
        ).fetchall()
        readers: dict[int, set[str]] = {}
        readable: Iterable[tuple[int, str]] = db.execute("SELECT document, principal FROM readers")
        if len(rows) <= 100:
            one = "SELECT document, principal FROM readers WHERE document = ?"
            readable = (pair for row in rows for pair in db.execute(one, row[:1]))
        for id, principal in readable:
            readers.setdefault(id, set()).add(principal)
        self._grow(max((first + count for _, _, _, first, count, _ in rows), default=0))
        for id, name, restricted, first, count, lengths in rows:
            entry = Entry(id, name, first, count, frozenset(readers.get(id, ())) if restricted else None)
            if first < 0 or count < 0 or len(lengths) != 4 * count:
                raise ValueError(f"the chunks of document {id}")
            if id in self.entries:
                self._forget(self.entries[id])
            self.entries[id] = self.by_name[name] = entry
            self._owner[first : first + count] = id
            self.lengths[first : first + count] = np.frombuffer(lengths, "<u4")
        self.state = now

    def readable(self, scope: Scope) -> list[Entry]:
        """The documents of a scope, in no order; pages left out are not looked at."""
        asker = scope.principals
        found: Iterable[Entry] = self.entries.values()
        if scope.documents is not None:
            found = (self.by_name[name] for name in scope.documents if name in self.by_name)
        return [entry for entry in found if asker is None or entry.readers is None or entry.readers & asker]

    def inside(self, scope: Scope, db: sqlite3.Connection) -> NDArray:
        """Whether chunk i is in scope: array of shape (n,), bool, not to be written to."""
        known = self._inside.get(scope)
        if known is not None:
            self._inside.move_to_end(scope)
            return known
        if scope.documents is None and scope.principals is None:
            inside = self._owner >= 0
        else:
            inside = np.zeros(len(self._owner), dtype=bool)
            for entry in self.readable(scope):
                inside[entry.first : entry.first + entry.count] = True
        left_out: dict[str, list[int]] = {}
        for document, page in scope.without:
            left_out.setdefault(document, []).append(page)
        for name, pages in left_out.items():
            if name in self.by_name:
                found = self.by_name[name]
                data = db.execute("SELECT standing FROM documents WHERE id = ?", (found.id,)).fetchone()[0]
                standing = np.frombuffer(data, STANDING)
                gone = standing["chunk"][np.isin(standing["page"], pages)].astype(np.int64)
                if len(gone) and int(gone.max()) >= found.count:
                    raise ValueError(f"the pages of document {found.id}")
                inside[found.first + gone] = False
        self._inside[scope] = inside
        if len(self._inside) > SCOPES_KEPT:
            self._inside.popitem(last=False)
        return inside

    def hits(self, numbers: NDArray, scores: NDArray, limit: int, name: str, *, above: float | None = None) -> tuple[Hit, ...]:
        """The best chunks in the order that all stores promise: rounded score, document name, ordinal.

        Parameters
        ----------
        numbers, scores : arrays of shape (m,)
            Chunks that the directory holds, each once.
        limit : int
            At most this many.
        name : str
            What the score is called in `Hit.scores`.
        above : float or None
            Only rounded scores above this.
        """
        rounded = np.round(scores, DECIMALS) + 0.0  # without this, what rounds to nothing from below would be written "-0.0"
        if above is not None:
            kept = rounded > above
            numbers, rounded = numbers[kept], rounded[kept]
        if limit < 1 or not len(numbers):
            return ()
        if len(numbers) > limit:
            kept = rounded >= np.partition(rounded, len(rounded) - limit)[len(rounded) - limit]
            numbers, rounded = numbers[kept], rounded[kept]
        # Ties are cut by document name: only the documents that are in the running are sorted.
        owner = self._owner[numbers]
        ids, place = np.unique(owner, return_inverse=True)
        entries = [self.entries[id] for id in ids.tolist()]
        order = sorted(range(len(entries)), key=lambda i: entries[i].name)
        rank = np.empty(len(entries), np.int64)
        rank[order] = np.arange(len(entries))
        firsts = np.array([entry.first for entry in entries], np.int64)
        ordinals = numbers - firsts[place]
        best = np.lexsort((ordinals, rank[place], -rounded))[:limit].tolist()
        return tuple(Hit((entries[place[i]].name, int(ordinals[i])), score := float(rounded[i]), {name: score}) for i in best)

    def _forget(self, entry: Entry) -> None:
        del self.entries[entry.id]
        if self.by_name.get(entry.name) is entry:
            del self.by_name[entry.name]
        self._owner[entry.first : entry.first + entry.count] = -1
        self.lengths[entry.first : entry.first + entry.count] = 0

    def _grow(self, size: int) -> None:
        more = size - len(self._owner)
        if more > 0:
            self._owner = np.concatenate([self._owner, np.full(more, -1, np.int64)])
            self.lengths = np.concatenate([self.lengths, np.zeros(more, np.uint32)])


def standing_of(pages: Sequence[Iterable[int]]) -> bytes:
    """`documents.standing` for the pages that each chunk has characters on."""
    pairs = [(ordinal, page) for ordinal, numbers in enumerate(pages) for page in sorted(set(numbers))]
    return np.array(pairs, dtype=STANDING).tobytes()


def is_out(scope: Scope, document: str, pages: Iterable[int]) -> bool:
    """Whether any of a document's pages is left out of the scope."""
    return any(PageRef(document, page) in scope.without for page in pages)
