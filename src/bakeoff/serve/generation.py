"""What the model thread does for one generation: from a prompt to pieces of text with their log-probabilities."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from bakeoff.contract import Answer, Item, Streams
from bakeoff.errors import BakeoffError
from bakeoff.models.llm import Message
from bakeoff.serve.answers import kept
from bakeoff.serve.model_thread import unanswered
from bakeoff.serve.problem import Problem

if TYPE_CHECKING:
    from bakeoff.models.llm import LocalLM


@dataclass(frozen=True)
class Sampling:
    """How to draw tokens; the ranges are those of `LocalLM.generate`. `max_tokens` None: as many as the context holds."""

    max_tokens: int | None
    temperature: float
    top_p: float
    seed: int
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None


class Chance(NamedTuple):
    """One token of the answer: its text, its log-probability, and the likeliest tokens in its place."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...]


class Written(NamedTuple):
    """What one step added to the answer. `finished` is None until the last, then ``stop`` or ``length``."""

    text: str
    chances: tuple[Chance, ...]
    tokens_in: int
    tokens_out: int
    finished: str | None


def write(lm: LocalLM, prompt: str | Sequence[Message], sampling: Sampling) -> Iterator[Written]:
    """Generate, one step per token. To be called, and gone through, in the model thread.

    The log-probabilities of a token come with the text that it is part of: a token whose text is held back, because it
    could still become a stop text, waits with it, and is left out where the stop text is.

    Raises
    ------
    Problem
        400, where the prompt is empty, does not fit in the context, or cannot be put into the model's chat template.
    """
    try:
        tokens = lm.tokenize(prompt, special=True) if isinstance(prompt, str) else lm.chat_tokens(prompt)
    except BakeoffError as error:
        raise Problem(400, error.what, code="invalid_prompt", param=_field(prompt)) from error
    if len(tokens) >= lm.context_length:
        raise Problem(
            400,
            f"The prompt has {len(tokens):,} tokens; the model's context holds {lm.context_length:,}, prompt and answer together. "
            "Shorten it.",
            code="context_length_exceeded",
            param=_field(prompt),
        )
    try:
        pieces = lm.generate(
            tokens,
            max_tokens=lm.context_length if sampling.max_tokens is None else sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed,
            stop=sampling.stop,
            top_logprobs=sampling.top_logprobs,
        )
    except BakeoffError as error:
        raise Problem(400, error.what, code="invalid_prompt", param=_field(prompt)) from error
    return _steps(lm, pieces, wanted=sampling.top_logprobs is not None)


def _steps(lm: LocalLM, pieces: Iterator, *, wanted: bool) -> Iterator[Written]:
    held: deque[tuple[int, Chance]] = deque()  # where in the text each token begins that is not given out yet
    begun = given = 0
    try:
        for piece in pieces:
            given += len(piece.text)
            ready: list[Chance] = []
            ends = lm.ends(piece.token)
            if wanted and piece.logprob is not None and not ends:
                text = lm.detokenize([piece.token])
                held.append((begun, Chance(text, piece.logprob, piece.top)))
                begun += len(text)
            # Where generation ended by itself nothing was cut, so every token is part of the answer.
            everything = piece.finished == "length" or (piece.finished is not None and ends)
            while held and (everything or held[0][0] < given):
                ready.append(held.popleft()[1])
            yield Written(piece.text, tuple(ready), piece.tokens_in, piece.tokens_out, piece.finished)
    finally:
        close = getattr(pieces, "close", None)
        if close:
            close()


def write_answer(approach: Streams, item: Item) -> Iterator[str | Answer]:
    """The pieces of an approach's answer, then the Answer. To be gone through in the model thread."""
    stream = approach.stream(item)
    try:
        for piece in stream:
            if isinstance(piece, str):
                yield piece
            else:
                yield kept(piece)
                return
        raise unanswered("the approach ended without an answer")
    finally:
        close = getattr(stream, "close", None)
        if close:
            close()


def _field(prompt: object) -> str:
    return "prompt" if isinstance(prompt, str) else "messages"
