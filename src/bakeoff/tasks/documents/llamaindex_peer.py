"""LlamaIndex's standard pipeline: sentence splitter, in-memory vector index, two passages, its question-answering prompt.

Chunks of 1,024 tokens with 200 of overlap, the two best by cosine, and the default text prompt of its query engine (compact mode).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from bakeoff.contract import Requires
from bakeoff.tasks.documents.peer import Found, Peer, Split, out_of_scope
from bakeoff.tasks.documents.records import Scope


@dataclass
class LlamaIndexPipeline(Peer):
    """LlamaIndex's defaults, with the study's embedder and language model.

    Parameters
    ----------
    model : str
        A catalogue name, `hub:org/name` or the path of a `.gguf` file.
    embedder : str
        A catalogue name, `hub:org/name`, or a folder with an ONNX model and a tokenizer.
    chunk_size, chunk_overlap : int
        Of `SentenceSplitter`, in tokens (words of up to six letters, and marks).
    k : int
        Passages given to the model.
    context, max_tokens : int
        Tokens that prompt and answer may have together, and most tokens written.
    """

    chunk_size: int = 1024
    k: int = 2
    context: int = 4096

    requires: ClassVar[Requires] = Requires(
        ("llama_index", "pypdfium2", "cyllama", "onnxruntime", "tokenizers"), extra="llamaindex"
    )

    def cut(self, pages: Sequence[Split]) -> list[Split]:
        """`SentenceSplitter` on each page. Tokens are counted as words and marks: its own counter would be fetched from the network."""
        from llama_index.core.node_parser import SentenceSplitter

        splitter = SentenceSplitter(chunk_size=self.chunk_size, chunk_overlap=self.chunk_overlap, tokenizer=_tokens)
        return [
            Split(page.document, page.page, text) for page in pages for text in splitter.split_text(page.text) if text.strip()
        ]

    def build(self) -> None:
        """A `VectorStoreIndex` over `SimpleVectorStore`, with the vectors that are there already."""
        from llama_index.core.schema import TextNode
        from llama_index.core.vector_stores import SimpleVectorStore

        nodes = [
            TextNode(id_=str(i), text=split.text, metadata={"document": split.document, "page": split.page}, embedding=vector)
            for i, (split, vector) in enumerate(zip(self.splits_, self.vectors_.tolist(), strict=True))
        ]
        self._store: Any = SimpleVectorStore()
        self._store.add(nodes)

    def find(self, question: str, scope: Scope) -> list[Found]:
        """The store's own query. Pages that are out of scope are passed over, so that as many passages come as without them."""
        from llama_index.core.vector_stores import VectorStoreQuery

        left_out = out_of_scope(scope)
        inside = (
            [str(i) for i, split in enumerate(self.splits_) if not left_out(split.document, split.page)]
            if scope.without
            else None
        )
        query = VectorStoreQuery(query_embedding=self._embed()([question])[0].tolist(), similarity_top_k=self.k, node_ids=inside)
        result = self._store.query(query)
        return [
            Found(self.splits_[int(i)], float(score))
            for i, score in zip(result.ids or [], result.similarities or [], strict=True)
        ]

    def prompt(self, question: str, found: Sequence[Found]) -> str:
        """The default prompt of its query engine."""
        from llama_index.core.prompts.default_prompts import DEFAULT_TEXT_QA_PROMPT

        context = "\n\n".join(f"page: {each.split.page}\ndocument: {each.split.document}\n\n{each.split.text}" for each in found)
        return str(DEFAULT_TEXT_QA_PROMPT.format(context_str=context, query_str=question))


def _tokens(text: str) -> list[str]:
    import re

    return re.findall(r"\w{1,6}|[^\w\s]", text)
