"""A corpus as a LangChain retriever, for chains that are there already (extra ``langchain``)."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from bakeoff.tasks.documents.found import metadata_of
from bakeoff.tasks.documents.records import EVERYTHING, Scope


class CorpusRetriever(BaseRetriever):
    """Finds passages of a corpus.

    Parameters
    ----------
    corpus : bakeoff.tasks.documents.corpus.Corpus
        Open for as long as the retriever is used.
    k : int, default=4
        Passages found.
    scope : Scope
        Who asks, and what may be looked at.

    Each document's `metadata` has ``document``, ``page`` (from 1), ``score``, ``context`` (title and headings), and ``boxes`` by page, in points from
    the page's top left.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    corpus: Any
    k: int = 4
    scope: Scope = EVERYTHING

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        found = self.corpus.find(query, scope=self.scope, limit=self.k)
        return [Document(passage.chunk.text, metadata=metadata_of(self.corpus, passage, self.scope)) for passage in found]
