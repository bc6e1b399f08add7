"""A corpus behind LangChain's and LlamaIndex's own retriever interfaces."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_corpus import write_corpus

from bakeoff.tasks.documents.corpus import Corpus
from bakeoff.tasks.documents.records import PageRef, Scope


@pytest.fixture
def corpus(tmp_path: Path):
    with Corpus.create(write_corpus(tmp_path / "papers"), embedder="") as made:
        made.index()
        yield made


WITHOUT = Scope(without=frozenset({PageRef("lease.pdf", 1)}))


def test_langchain_gets_documents_with_their_places(corpus: Corpus) -> None:
    from bakeoff.tasks.documents.langchain_retriever import CorpusRetriever

    first, *_ = CorpusRetriever(corpus=corpus, k=2).invoke("What is the yearly rent?")
    assert "48,000 euros" in first.page_content and first.metadata["document"] == "lease.pdf" and first.metadata["page"] == 1
    assert first.metadata["boxes"]["1"][0][2] > first.metadata["boxes"]["1"][0][0]
    kept = CorpusRetriever(corpus=corpus, k=5, scope=WITHOUT).invoke("What is the yearly rent?")
    assert all((found.metadata["document"], found.metadata["page"]) != ("lease.pdf", 1) for found in kept)


def test_llamaindex_gets_nodes_with_their_places(corpus: Corpus) -> None:
    from bakeoff.tasks.documents.llamaindex_retriever import CorpusRetriever

    first, *_ = CorpusRetriever(corpus, k=2).retrieve("What is the yearly rent?")
    assert "48,000 euros" in first.node.get_content() and first.node.metadata["page"] == 1 and first.score > 0
    kept = CorpusRetriever(corpus, k=5, scope=WITHOUT).retrieve("What is the yearly rent?")
    assert all((found.node.metadata["document"], found.node.metadata["page"]) != ("lease.pdf", 1) for found in kept)
