"""LangChain's standard pipeline, as its own tutorial puts it together: recursive splitter, in-memory vector store, four passages, one prompt.

Chunks of 1,000 characters with 200 of overlap, four of them by cosine, and the prompt that the tutorial pulls (``rlm/rag-prompt``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from bakeoff.contract import Requires
from bakeoff.tasks.documents.peer import Found, Peer, Split, out_of_scope
from bakeoff.tasks.documents.records import Scope

PROMPT = (
    "You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer the question. "
    "If you don't know the answer, just say that you don't know. Use three sentences maximum and keep the answer concise.\n"
    "Question: {question} \nContext: {context} \nAnswer:"
)


@dataclass
class LangChainPipeline(Peer):
    """LangChain's defaults, with the study's embedder and language model.

    Parameters
    ----------
    model : str
        A catalogue name, `hub:org/name` or the path of a `.gguf` file.
    embedder : str
        A catalogue name, `hub:org/name`, or a folder with an ONNX model and a tokenizer.
    chunk_size, chunk_overlap : int
        Of `RecursiveCharacterTextSplitter`, in characters.
    k : int
        Passages given to the model.
    context, max_tokens : int
        Tokens that prompt and answer may have together, and most tokens written.
    """

    requires: ClassVar[Requires] = Requires(
        ("langchain_core", "langchain_text_splitters", "pypdfium2", "cyllama", "onnxruntime", "tokenizers"), extra="langchain"
    )

    def cut(self, pages: Sequence[Split]) -> list[Split]:
        """`RecursiveCharacterTextSplitter` on each page."""
        from langchain_text_splitters import RecursiveCharacterTextSplitter

        splitter = RecursiveCharacterTextSplitter(chunk_size=self.chunk_size, chunk_overlap=self.chunk_overlap)
        return [Split(page.document, page.page, text) for page in pages for text in splitter.split_text(page.text)]

    def build(self) -> None:
        """An `InMemoryVectorStore` over the vectors that are there already."""
        from langchain_core.documents import Document
        from langchain_core.embeddings import Embeddings
        from langchain_core.vectorstores import InMemoryVectorStore

        embed, ready = self._embed, iter(self.vectors_.tolist())

        class Ours(Embeddings):
            """The study's embedder behind LangChain's interface; the documents' vectors were computed before."""

            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                return [next(ready) for _ in texts]

            def embed_query(self, text: str) -> list[float]:
                found: list[float] = embed()([text])[0].tolist()
                return found

        self._store: Any = InMemoryVectorStore(Ours())
        self._store.add_documents(
            [Document(split.text, metadata={"document": split.document, "page": split.page}) for split in self.splits_]
        )

    def find(self, question: str, scope: Scope) -> list[Found]:
        """`similarity_search_with_score` for the question as it is asked."""
        left_out = out_of_scope(scope)
        found = self._store.similarity_search_with_score(
            question, k=self.k, filter=lambda given: not left_out(given.metadata["document"], given.metadata["page"])
        )
        return [Found(Split(d.metadata["document"], d.metadata["page"], d.page_content), float(score)) for d, score in found]

    def prompt(self, question: str, found: Sequence[Found]) -> str:
        """The tutorial's prompt, passages joined by empty lines."""
        from langchain_core.prompts import PromptTemplate

        context = "\n\n".join(each.split.text for each in found)
        return PromptTemplate.from_template(PROMPT).format(question=question, context=context)
