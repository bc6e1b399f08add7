"""What other libraries are told of a passage beside its words: where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bakeoff.tasks.documents.boxes import citations_of
from bakeoff.tasks.documents.reply_json import citation_json

if TYPE_CHECKING:
    from bakeoff.tasks.documents.corpus import Corpus
    from bakeoff.tasks.documents.records import Passage, Scope


def metadata_of(corpus: Corpus, passage: Passage, scope: Scope) -> dict[str, Any]:
    """``document``, ``page`` (from 1), ``score``, ``context``, and ``boxes``: page number (as text, for JSON) to boxes in points from the top left."""
    chunk = passage.chunk
    pages = [corpus.store.page(passage.document, number, scope) for number in {piece.page for piece in chunk.pieces}]
    places = citations_of(chunk, 0, len(chunk.text), passage.document, pages)
    return {
        "document": passage.document,
        "page": passage.page,
        "score": passage.score,
        "context": chunk.context,
        "boxes": {str(place.page): citation_json(place)["boxes"] for place in places},
    }
