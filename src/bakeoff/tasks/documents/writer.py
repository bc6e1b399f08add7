"""A local language model that writes a reply to a prompt: what the closed-book approach and the peers' pipelines ask."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bakeoff.models.llm import LocalLM

UNSURE = (
    "i don't know", "i do not know", "i don’t know", "not mentioned", "not provided", "does not provide", "cannot be determined",
    "no information", "not specified", "unable to", "not possible to determine", "does not mention", "doesn't mention",
)  # fmt: skip
"""How language models say that they decline. A reply whose first sentence holds one of these is an abstention."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote, tokens read and written, and seconds until the first token."""

    text: str
    tokens_in: int
    tokens_out: int
    first_token_seconds: float | None


class Writer:
    """One language model, opened when it is first asked.

    Parameters
    ----------
    model : str
        A catalogue name, ``hub:org/name`` or the path of a ``.gguf`` file.
    context : int
        Tokens that prompt and reply may have together. Longer prompts are cut in their middle.
    max_tokens : int
        Most tokens written.
    """

    def __init__(self, model: str, *, context: int, max_tokens: int) -> None:
        self.model, self.context, self.max_tokens = model, context, max_tokens
        self._lm: LocalLM | None = None

    @property
    def lm(self) -> LocalLM:
        """The loaded model."""
        if self._lm is None:
            from bakeoff.models.llm import open_lm

            self._lm = open_lm(self.model, context=self.context)
        return self._lm

    def write(self, prompt: str, *, system: str = "") -> Written:
        """The model's reply to one user message at temperature 0.

        A prompt that does not fit loses its middle: the instruction before the passages and the question after them stay.
        """
        from bakeoff.models.llm import Message

        started = time.perf_counter()
        head = [Message("system", system)] if system else []
        tokens = self.lm.chat_tokens([*head, Message("user", prompt)])
        room = min(self.context, self.lm.context_length) - self.max_tokens - 1
        while len(tokens) > room:
            keep = int(len(prompt) * room / len(tokens) * 0.97)
            prompt = prompt[: keep * 2 // 3] + "\n...\n" + prompt[len(prompt) - keep // 3 :]
            tokens = self.lm.chat_tokens([*head, Message("user", prompt)])
        first, pieces = None, []
        for piece in self.lm.generate(tokens, max_tokens=self.max_tokens, temperature=0.0):
            first = time.perf_counter() - started if first is None else first
            pieces.append(piece.text)
        return Written("".join(pieces).strip(), len(tokens), len(pieces), first)


def declines(text: str) -> bool:
    """Whether a reply says that there is no answer: empty, or its first sentence holds one of `UNSURE`."""
    first = text.strip().split(". ")[0].lower()
    return not text.strip() or any(phrase in first for phrase in UNSURE)
