"""What every store of a corpus promises, whatever keeps the bytes.

Four promises. *Whole or not at all*: a document is added, replaced, or removed in one transaction; a process killed anywhere leaves the
corpus as before or as after. *One answer*: two stores with the same documents give the same hits in the same order. *As if it were not
there*: what is out of a `Scope` is in no result, no statistic and no tie-break. *Gone means gone*: after `purge` the bytes of removed
documents are in none of the store's files.

Both scores are defined here, so that they do not depend on who computes them:

- lexical: BM25 (Robertson and Zaragoza 2009, without the constant factor k1 + 1) with k1 = 1.2 and b = 0.75; ``idf = ln(1 + (N - df + 0.5) / (df + 0.5))``, N, df and the mean
  length over the chunks in scope; a term that the question repeats counts once; a chunk's length is its number of terms.
- dense: the cosine of two vectors of length 1; the values are stored as float32, products and sums are float64.

Hits are ordered by score (rounded to 6 decimals, highest first), then by document name, then by ordinal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from bakeoff.tasks.documents.records import EVERYTHING, Chunk, DocumentFacts, Hit, Page, Scope

if TYPE_CHECKING:
    from numpy.typing import NDArray

K1, B = 1.2, 0.75
DECIMALS = 6


@runtime_checkable
class Store(Protocol):
    """Where a corpus is kept. Readers and one writer may use it at the same time, from several processes."""

    def add(
        self,
        facts: DocumentFacts,
        pages: Iterable[Page],
        chunks: Sequence[Chunk],
        terms: Sequence[Sequence[str]],
        vectors: NDArray | None,
    ) -> None:
        """Add a document, or replace the one of the same name, in one transaction.

        Parameters
        ----------
        facts : DocumentFacts
        pages : iterable of Page
            Taken one at a time; a corpus of any size needs the memory of one page.
        chunks : sequence of Chunk, length n
            With ordinals 0 to n - 1.
        terms : sequence of n sequences of str
            What each chunk is found by (`terms.terms_of` of its context and text), repeats included.
        vectors : array of shape (n, dimensions), float32, rows of length 1, or None
            None where the corpus has no embedding model.

        Raises
        ------
        BadData
            If lengths do not agree, or the vectors are not of the corpus' dimensions.
        """
        ...

    def remove(self, name: str) -> bool:
        """Remove a document. False where there is none of that name."""
        ...

    def set_readers(self, name: str, readers: frozenset[str] | None) -> None:
        """Change who may read a document; at once, for every later question. Raises BadData for an unknown name."""
        ...

    def purge(self) -> None:
        """Make the bytes of everything removed or replaced so far disappear from every file of the store."""
        ...

    def documents(self, scope: Scope = EVERYTHING) -> Sequence[DocumentFacts]:
        """The documents in scope, by name."""
        ...

    def page(self, document: str, number: int, scope: Scope = EVERYTHING) -> Page:
        """One page. Raises BadData where it does not exist or is out of scope, in the same words for both."""
        ...

    def chunks(self, keys: Sequence[tuple[str, int]], scope: Scope = EVERYTHING) -> Sequence[Chunk]:
        """Chunks by (document name, ordinal), in the order asked. Raises BadData as `page` does."""
        ...

    def lexical(self, terms: Sequence[str], scope: Scope = EVERYTHING, limit: int = 100) -> Sequence[Hit]:
        """The `limit` best chunks in scope by BM25, scores above 0 only. `Hit.scores` is {'lexical': score}."""
        ...

    def dense(self, vector: NDArray, scope: Scope = EVERYTHING, limit: int = 100) -> Sequence[Hit]:
        """The `limit` best chunks in scope by cosine with `vector`, shape (dimensions,). `Hit.scores` is {'dense': score}."""
        ...

    def settings(self) -> Mapping[str, str]:
        """What the corpus was made with: embedding model, its dimensions, chunk settings, thresholds. Kept with the documents."""
        ...

    def set_settings(self, changes: Mapping[str, str]) -> None:
        """Change some of them, in one transaction."""
        ...

    def reading(self) -> AbstractContextManager[Any]:
        """While it lasts, everything read is of one moment, whatever a writer commits meanwhile. May be nested."""
        ...

    def close(self) -> None:
        """Release files and connections. A closed store cannot be used again."""
        ...
