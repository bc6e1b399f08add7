"""A corpus as a LlamaIndex retriever, for query engines that are there already (extra ``llamaindex``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from bakeoff.tasks.documents.found import metadata_of
from bakeoff.tasks.documents.records import EVERYTHING, Scope

if TYPE_CHECKING:
    from bakeoff.tasks.documents.corpus import Corpus


class CorpusRetriever(BaseRetriever):
    """Finds passages of a corpus.

    Parameters
    ----------
    corpus : Corpus
        Open for as long as the retriever is used.
    k : int, default=4
        Passages found.
    scope : Scope
        Who asks, and what may be looked at.

    Each node's metadata has ``document``, ``page`` (from 1), ``score``, ``context`` and ``boxes`` by page, in points from the page's top left.
    """

    def __init__(self, corpus: Corpus, *, k: int = 4, scope: Scope = EVERYTHING) -> None:
        self._corpus, self._k, self._scope = corpus, k, scope
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._corpus.find(query_bundle.query_str, scope=self._scope, limit=self._k)
        return [
            NodeWithScore(
                node=TextNode(
                    id_=f"{passage.document}:{passage.chunk.ordinal}",
                    text=passage.chunk.text,
                    metadata=metadata_of(self._corpus, passage, self._scope),
                    excluded_embed_metadata_keys=["boxes", "score"],
                    excluded_llm_metadata_keys=["boxes", "score"],
                ),
                score=passage.score,
            )
            for passage in found
        ]
