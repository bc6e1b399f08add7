"""Answers worded by a language model from the passages found, each statement verified against its quotes before anybody sees it.

What the model writes and the passages do not bear out is dropped and counted. Where nothing survives, the passages are quoted instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from bakeoff.contract import Requires
from bakeoff.tasks.documents.cited import Cited


@dataclass
class CitedLLM(Cited):
    """As `cited`, the statements worded by a language model and verified.

    Parameters
    ----------
    retrieval, embedder, rerank, chunk_tokens, chunk_overlap, chunk_least, passages, statements, declines :
        As for `cited`; fewer passages by default, for a model must read them.
    model : str
        A catalogue name, `hub:org/name` or the path of a `.gguf` file; or `endpoint:URL#model` for a server.
    context, max_tokens : int
        Tokens that prompt and answer may have together, and most tokens written, for a local model.
    """

    passages: int = 5
    model: str = "smollm2-135m-instruct"
    context: int = 2048
    max_tokens: int = 128

    asset_kind: ClassVar[str] = "weights"
    requires: ClassVar[Requires] = Requires((*Cited.requires.modules, "cyllama"), extra="documents,llm")

    def assets(self) -> Sequence[str]:
        """The embedding model and the language model."""
        return [*super().assets(), *([] if self.model.startswith("endpoint:") else [self.model])]

    def _streamed(self) -> dict[str, Any]:
        return {**self._how(), "model": self._chat()}

    def _chat(self) -> Any:
        if not hasattr(self, "_kept"):
            from bakeoff.tasks.documents.reply.chat_model import open_chat

            self._kept = open_chat(self.model, context=self.context, max_tokens=self.max_tokens)
        return self._kept
