"""A chunk and a document's facts as rows of a database, and back; what a store cannot keep is refused here, before anything is written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from bakeoff.errors import BadData
from bakeoff.tasks.documents.records import Chunk, DocumentFacts, Piece

if TYPE_CHECKING:
    from numpy.typing import NDArray

KINDS: frozenset[str] = frozenset(get_args(get_type_hints(Chunk)["kind"]))
NORM_TOLERANCE = 1e-3
"""How far from 1 the length of a stored or asked vector may be: beyond what float16 or int8 models leave after normalising."""


def checked(
    facts: DocumentFacts, chunks: Sequence[Chunk], terms: Sequence[Sequence[str]], vectors: NDArray | None
) -> NDArray | None:
    """The vectors as float32, once all that was given for a document agrees.

    Raises
    ------
    BadData
        If lengths, ordinals or pages do not agree, or a vector is not finite or not of length 1.
    """
    import numpy as np

    name = facts.name
    if not name:
        raise BadData("A document needs a name.", fix="use its path relative to the indexed folder")
    if len(terms) != len(chunks):
        raise BadData(
            f"{name}: {len(chunks)} chunks but {len(terms)} lists of terms.", fix="give one list of terms for each chunk"
        )
    for ordinal, chunk in enumerate(chunks):
        if chunk.ordinal != ordinal:
            raise BadData(f"{name}: chunk {ordinal} calls itself {chunk.ordinal}.", fix="number chunks from 0 in their order")
        if chunk.kind not in KINDS:
            raise BadData(f"{name}: chunk {ordinal} is of kind {chunk.kind!r}.", fix=f"use one of: {', '.join(sorted(KINDS))}")
        for piece in chunk.pieces:
            if (
                not 1 <= piece.page <= facts.pages
                or min(piece.start, piece.length, piece.at) < 0
                or piece.start + piece.length > len(chunk.text)
            ):
                raise BadData(
                    f"{name}: chunk {ordinal} has a piece outside of its text or its document ({piece}).",
                    fix="make the chunks again",
                )
    if vectors is None:
        return None
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or len(vectors) != len(chunks) or (len(chunks) and not vectors.shape[1]):
        raise BadData(f"{name}: {len(chunks)} chunks but vectors of shape {vectors.shape}.", fix="give one row for each chunk")
    rows = np.ascontiguousarray(vectors, dtype=np.float32)
    if len(rows):
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
        bad = np.flatnonzero(~(np.abs(lengths - 1) <= NORM_TOLERANCE))
        if len(bad):
            raise BadData(
                f"{name}: the vector of chunk {bad[0]} has length {lengths[bad[0]]:.4g}, not 1.",
                fix="divide each vector by its length",
            )
    return rows


def chunk_row(chunk: Chunk) -> tuple[str, str, str, str, int | None, int | None]:
    """(kind, text, context, pieces, table, figure)."""
    pieces = json.dumps([[p.start, p.length, p.page, p.at] for p in chunk.pieces], separators=(",", ":"))
    return chunk.kind, chunk.text, chunk.context, pieces, chunk.table, chunk.figure


def chunk_of(ordinal: int, row: Sequence[Any]) -> Chunk:
    """What `chunk_row` was made of. Raises ValueError or TypeError for a row that makes no sense."""
    kind, text, context, pieces, table, figure = row
    if kind not in KINDS:
        raise ValueError(f"a chunk of kind {kind!r}")
    where = tuple(Piece(*map(int, piece)) for piece in json.loads(pieces))
    return Chunk(ordinal, kind, text, context, where, table, figure)


def facts_row(facts: DocumentFacts) -> tuple[str, str, str, int, str, str, int]:
    """(name, sha256, title, pages, notes, meta, restricted)."""
    notes, meta = (
        json.dumps(value, separators=(",", ":"), ensure_ascii=False) for value in (list(facts.notes), dict(facts.meta))
    )
    return facts.name, facts.id, facts.title, facts.pages, notes, meta, facts.readers is not None


def facts_of(row: Sequence[Any], readers: frozenset[str] | None) -> DocumentFacts:
    """What `facts_row` was made of. Raises ValueError or TypeError for a row that makes no sense."""
    name, sha256, title, pages, notes, meta = row[:6]
    return DocumentFacts(sha256, name, title, pages, readers, tuple(json.loads(notes)), dict(json.loads(meta)))


def pages_of(chunk: Chunk) -> set[int]:
    """The pages that a chunk stands on; one without pieces counts as standing where `Chunk.page` says."""
    return {piece.page for piece in chunk.pieces} or {chunk.page}


def no_page(document: str, number: int) -> BadData:
    """The same words whether the page does not exist or may not be seen."""
    return BadData(f"There is no page {number} of {document!r} here.", fix="ask for a document and page that the corpus lists")


def no_chunk(document: str, ordinal: int) -> BadData:
    """The same words whether the chunk does not exist or may not be seen."""
    return BadData(f"There is no chunk {ordinal} of {document!r} here.", fix="ask for chunks that a search has found")
