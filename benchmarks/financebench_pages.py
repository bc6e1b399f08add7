"""Is the page that answers a question among the first five? Bakeoff's retrieval beside LangChain's and LlamaIndex's defaults.

    python benchmarks/financebench_pages.py FOLDER [--corpus DIR] [--development FILE.jsonl] [--without langchain,llamaindex]

FOLDER holds ``questions.jsonl`` (FinanceBench's layout: evidence pages count from 0) and ``pdfs/``. All documents are one corpus, and every
question is asked of all of it. The corpus is read and embedded once; `--corpus` keeps it for the next run.
`--development` takes more questions on the same corpus, in the layout of `bakeoff.tasks.documents.quality.question_file`.

- *hybrid*, *lexical*, *dense*: Bakeoff's retrieval in its three modes, with its defaults otherwise. *hybrid, as fused*: without the
  reranking. *hybrid, no glossary*: without the definitions of accounting terms.
- *langchain*: the text of each page as pypdfium2 gives it, ``RecursiveCharacterTextSplitter(1000, 200)``, ``InMemoryVectorStore``.
- *llamaindex*: the same pages, ``SentenceSplitter(1024, 200)``, an in-memory ``VectorStoreIndex``.

Both peers embed with the same model as Bakeoff and are asked the question as it stands. Five passages may stand on two pages, so "the first five" is counted
twice: five passages, and five different pages; the peers are given the better of the two, question by question, Bakeoff the pages. A question counts as
found where one of its gold pages is there; `recall` is the mean share of its gold pages that are.

Differences are paired by question. Their intervals are Tango's score intervals over questions, and, as questions on one document are not
independent, Student's t over documents, which with four documents can show little. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bakeoff.measure.compare import Comparison, compare
from bakeoff.measure.paired_proportions import mcnemar
from bakeoff.tasks.documents.corpus import Corpus
from bakeoff.tasks.documents.find.retrieve import RetrievalSettings, Retriever, rank_pages
from bakeoff.tasks.documents.index.embed import Embedder, open_embedder
from bakeoff.tasks.documents.quality.question_file import Question, read_questions
from bakeoff.tasks.documents.records import PageRef

DEPTHS = (1, 3, 5, 10)
PASSAGES = 40
MARGIN = 0.15
"""What the hybrid is asked to be ahead of LangChain by."""


@dataclass(frozen=True)
class Ranked:
    """One question's answer: the page of each passage in order, and how long it took."""

    passages: tuple[PageRef, ...]
    pages: tuple[PageRef, ...]
    seconds: float
    texts: tuple[str, ...] = ()


Finder = Callable[[str], Ranked]


def ours(corpus: Corpus, embedder: Embedder, settings: RetrievalSettings) -> Finder:
    """Bakeoff's retrieval."""
    retriever = Retriever(corpus.store, None if settings.mode == "lexical" else embedder, settings)

    def find(question: str) -> Ranked:
        began = time.perf_counter()
        passages = retriever.retrieve(question, limit=PASSAGES)
        seconds = time.perf_counter() - began
        places = tuple(PageRef(passage.document, passage.page) for passage in passages)
        return Ranked(
            places, tuple(rank_pages(passages)), seconds, tuple(" ".join(passage.chunk.text.split()) for passage in passages)
        )

    return find


def page_texts(pdfs: Path) -> list[tuple[PageRef, str]]:
    """The text of every page as LangChain's PyPDFium2Loader gives it."""
    import pypdfium2

    found = []
    for path in sorted(pdfs.glob("*.pdf")):
        pdf = pypdfium2.PdfDocument(path)
        for index in range(len(pdf)):
            text = pdf[index].get_textpage().get_text_range()
            found.append((PageRef(path.name, index + 1), text.replace("\r\n", "\n")))
        pdf.close()
    return found


def langchain(pages: Sequence[tuple[PageRef, str]], embedder: Embedder) -> Finder:
    """LangChain's default pipeline."""
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import InMemoryVectorStore
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    class Same(Embeddings):
        """The embedder that Bakeoff uses."""

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            vectors: list[list[float]] = embedder.encode(texts).tolist()
            return vectors

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
    documents = splitter.split_documents([Document(text, metadata={"place": place}) for place, text in pages])
    store = InMemoryVectorStore(Same())
    store.add_documents(documents)

    def find(question: str) -> Ranked:
        began = time.perf_counter()
        found = store.similarity_search(question, k=PASSAGES)
        seconds = time.perf_counter() - began
        places = tuple(PageRef(*each.metadata["place"]) for each in found)
        return Ranked(places, tuple(dict.fromkeys(places)), seconds)

    return find


def llamaindex(pages: Sequence[tuple[PageRef, str]], embedder: Embedder) -> Finder:
    """LlamaIndex's default pipeline. Tokens are those of the embedding model: its own counter would be fetched from the network."""
    from llama_index.core import VectorStoreIndex
    from llama_index.core.base.embeddings.base import BaseEmbedding
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.schema import Document

    from bakeoff.tasks.documents.reply.sentences import word_pieces

    class Same(BaseEmbedding):
        """The embedder that Bakeoff uses."""

        def _get_query_embedding(self, query: str) -> list[float]:
            return self._get_text_embeddings([query])[0]

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return self._get_query_embedding(query)

        def _get_text_embedding(self, text: str) -> list[float]:
            return self._get_text_embeddings([text])[0]

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            vectors: list[list[float]] = embedder.encode(texts).tolist()
            return vectors

    def counted(text: str) -> list[int]:
        return [0] * word_pieces(text)

    documents = [
        Document(
            text=text,
            metadata={"file_name": place.document, "page_label": str(place.page)},
            excluded_embed_metadata_keys=["file_name", "page_label"],
        )
        for place, text in pages
        if text.strip()
    ]
    nodes = SentenceSplitter(chunk_size=1024, chunk_overlap=200, tokenizer=counted).get_nodes_from_documents(documents)
    index = VectorStoreIndex(nodes, embed_model=Same(embed_batch_size=256))
    retriever = index.as_retriever(similarity_top_k=PASSAGES)

    def find(question: str) -> Ranked:
        began = time.perf_counter()
        found = retriever.retrieve(question)
        seconds = time.perf_counter() - began
        places = tuple(PageRef(each.node.metadata["file_name"], int(each.node.metadata["page_label"])) for each in found)
        return Ranked(places, tuple(dict.fromkeys(places)), seconds)

    return find


def hits(questions: Sequence[Question], found: Sequence[Ranked], depth: int, *, passages_too: bool) -> list[int]:
    """For each question whether a gold page is among the first `depth` pages (or passages, where these count too)."""
    result = []
    for question, ranked in zip(questions, found, strict=True):
        seen = set(ranked.pages[:depth]) | (set(ranked.passages[:depth]) if passages_too else set())
        result.append(int(bool(seen & set(question.pages))))
    return result


def scores(questions: Sequence[Question], found: Sequence[Ranked], *, peer: bool) -> dict[str, float]:
    """Figures of one way of finding."""
    first = [
        next((1 / rank for rank, page in enumerate(ranked.pages, 1) if page in question.pages), 0.0)
        for question, ranked in zip(questions, found, strict=True)
    ]
    shares = [
        len(set(ranked.pages[:5]) & set(question.pages)) / len(question.pages)
        for question, ranked in zip(questions, found, strict=True)
    ]
    figures = {f"page@{depth}": float(np.mean(hits(questions, found, depth, passages_too=peer))) for depth in DEPTHS}
    passages = [
        any(page in question.pages for page in ranked.passages[:5]) for question, ranked in zip(questions, found, strict=True)
    ]
    return {
        **figures,
        "passage@5": float(np.mean(passages)),
        "recall@5": float(np.mean(shares)),
        "mrr": float(np.mean(first)),
        "seconds": float(np.median([ranked.seconds for ranked in found])),
    }


def report(title: str, questions: Sequence[Question], finders: Mapping[str, Finder], peers: Sequence[str]) -> dict[str, object]:
    """Ask every question of everybody, print, and return the figures."""
    found = {name: [find(question.question) for question in questions] for name, find in finders.items()}
    figures = {name: scores(questions, ranked, peer=name in peers) for name, ranked in found.items()}
    print(f"\n{title}: {len(questions)} questions on {len({q.document for q in questions})} documents")
    print(f"{'':22}" + "".join(f"{name:>11}" for name in next(iter(figures.values()))))
    for name, row in figures.items():
        print(f"{name:22}" + "".join(f"{value:11.3f}" for value in row.values()))
    pairs = []
    base = hits(questions, found["hybrid"], 5, passages_too=False)
    for name in figures:
        if name == "hybrid":
            continue
        other = hits(questions, found[name], 5, passages_too=name in peers)
        pairs.append(_pair(name, base, other, [question.document for question in questions]))
    _misses(questions, found["hybrid"], found.get("langchain"))
    return {"questions": len(questions), "figures": figures, "differences": pairs}


def _pair(name: str, a: Sequence[int], b: Sequence[int], documents: Sequence[str]) -> dict[str, object]:
    """The hybrid against another, at page@5."""
    plain: Comparison = compare(a, b, margin=MARGIN)
    only_a, only_b = sum(x > y for x, y in zip(a, b, strict=True)), sum(y > x for x, y in zip(a, b, strict=True))
    exact = mcnemar(only_a, only_b).p
    low, mid, high = plain.difference.low, plain.difference.mid, plain.difference.high
    says = f"hybrid - {name}: {100 * mid:+.0f} points ({100 * low:+.0f} to {100 * high:+.0f}), {only_a} against {only_b}, exact McNemar p = {exact:.3g}"
    pair: dict[str, object] = {
        "other": name,
        "mid": mid,
        "low": low,
        "high": high,
        "only_hybrid": only_a,
        "only_other": only_b,
        "p": exact,
    }
    if len(set(documents)) > 1:
        inside = compare(a, b, clusters=documents, margin=MARGIN).difference
        says += f"; by document ({100 * inside.low:+.0f} to {100 * inside.high:+.0f}, {len(set(documents))} documents)"
        pair["by_document"] = [inside.low, inside.high]
    print(says)
    return pair


def _misses(questions: Sequence[Question], found: Sequence[Ranked], peer: Sequence[Ranked] | None) -> None:
    """Each question that the hybrid misses, with what it put in front."""
    for at, (question, ranked) in enumerate(zip(questions, found, strict=True)):
        if set(ranked.pages[:5]) & set(question.pages):
            continue
        place = next((rank for rank, page in enumerate(ranked.pages, 1) if page in question.pages), None)
        gold = ", ".join(f"{page.document} p. {page.page}" for page in question.pages)
        print(
            f"missed: {question.question}\n  gold: {gold}, "
            + (f"at rank {place}" if place else f"not among the pages of {PASSAGES} passages")
        )
        for page, text in list(zip(ranked.passages, ranked.texts, strict=True))[:3]:
            print(f"  instead: {page.document} p. {page.page}: {text[:100]}")
        if peer and set(peer[at].pages[:5]) & set(question.pages):
            print("  langchain has it")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--development", type=Path)
    parser.add_argument("--without", default="")
    parser.add_argument("--embedder", default="minilm-int8")
    given = parser.parse_args()
    questions = read_questions(given.folder / "questions.jsonl")
    embedder = open_embedder(given.embedder)
    with tempfile.TemporaryDirectory() as scratch:
        began = time.perf_counter()
        with Corpus.create(
            given.folder / "pdfs", embedder=given.embedder, store=str(given.corpus or Path(scratch) / "corpus")
        ) as corpus:
            made = corpus.index(ocr="never")
            print(
                f"corpus: {made.pages} pages and {made.chunks} chunks read in {time.perf_counter() - began:.0f} s, {made.seconds}"
            )
            for problem in made.problems:
                print(f"not read: {problem.name}: {problem.what}")
            finders: dict[str, Finder] = {
                "hybrid": ours(corpus, embedder, RetrievalSettings()),
                "lexical": ours(corpus, embedder, RetrievalSettings(mode="lexical")),
                "dense": ours(corpus, embedder, RetrievalSettings(mode="dense")),
                "hybrid, as fused": ours(corpus, embedder, RetrievalSettings(rerank="none")),
                "hybrid, no glossary": ours(corpus, embedder, RetrievalSettings(glossary={})),
            }
            left_out = set(given.without.split(","))
            pages = page_texts(given.folder / "pdfs") if left_out != {"langchain", "llamaindex"} else []
            for name, make in (("langchain", langchain), ("llamaindex", llamaindex)):
                if name not in left_out:
                    began = time.perf_counter()
                    finders[name] = make(pages, embedder)
                    print(f"{name}: {time.perf_counter() - began:.0f} s")
            peers = ("langchain", "llamaindex")
            result = {"test": report("FinanceBench", questions, finders, peers)}
            if given.development:
                result["development"] = report("Development", read_questions(given.development), finders, peers)
    print(json.dumps({"benchmark": "financebench_pages", "embedder": given.embedder, **result}))


if __name__ == "__main__":
    main()
