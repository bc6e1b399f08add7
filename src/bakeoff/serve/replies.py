"""Replies in OpenAI's two shapes, chat and text completion, whole or as server-sent events."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from bakeoff.contract import Answer
from bakeoff.serve.answers import sent
from bakeoff.serve.generation import Chance
from bakeoff.serve.problem import as_json

DONE = b"data: [DONE]\n\n"


def event(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + as_json(value) + b"\n\n"


class Shape(Protocol):
    """How one kind of reply is written."""

    def whole(
        self, text: str, finish: str, usage: dict[str, int] | None, chances: Sequence[Chance], answer: Answer | None
    ) -> Any:
        """The reply as one JSON object."""
        ...

    def begin(self) -> Iterable[Any]:
        """What a stream begins with."""
        ...

    def piece(self, text: str, chances: Sequence[Chance]) -> Any:
        """A chunk of text."""
        ...

    def last(self, finish: str, answer: Answer | None) -> Any:
        """The chunk that says why the reply ended."""
        ...

    def counts(self, usage: dict[str, int] | None) -> Any:
        """The chunk with the token counts."""
        ...


def _beside(answer: Answer | None) -> dict[str, Any]:
    if answer is None:
        return {}
    chances = None if answer.probabilities is None else dict(answer.probabilities)
    return {"bakeoff": {"value": answer.value, "probabilities": chances, "abstained": answer.abstained, **sent(answer)}}


class ChatShape:
    """``chat.completion`` and its chunks. `logprobs`: whether they were asked for."""

    def __init__(self, model: str, *, logprobs: bool = False) -> None:
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}
        self._logprobs = logprobs

    def whole(
        self, text: str, finish: str, usage: dict[str, int] | None, chances: Sequence[Chance], answer: Answer | None
    ) -> Any:
        """See `Shape`."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": self._chances(chances)}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": usage, **_beside(answer)}

    def begin(self) -> Iterable[Any]:
        """The role."""
        yield self._chunk({"role": "assistant", "content": "", "refusal": None})

    def piece(self, text: str, chances: Sequence[Chance]) -> Any:
        """See `Shape`."""
        return self._chunk({"content": text}, logprobs=self._chances(chances))

    def last(self, finish: str, answer: Answer | None) -> Any:
        """See `Shape`."""
        return {**self._chunk({}, finish), **_beside(answer)}

    def counts(self, usage: dict[str, int] | None) -> Any:
        """See `Shape`."""
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage}

    def _chunk(self, delta: dict[str, Any], finish: str | None = None, *, logprobs: Any = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}

    def _chances(self, chances: Sequence[Chance]) -> Any:
        if not self._logprobs:
            return None
        return {
            "content": [
                {**_token(c.text, c.logprob), "top_logprobs": [_token(text, logprob) for text, logprob in c.top]} for c in chances
            ],
            "refusal": None,
        }


class TextShape:
    """``text_completion``, whole or in chunks. `logprobs`: whether they were asked for."""

    def __init__(self, model: str, *, logprobs: bool = False) -> None:
        self._head = {
            "id": f"cmpl-{uuid.uuid4().hex}", "object": "text_completion", "created": int(time.time()), "model": model
        }  # fmt: skip
        self._logprobs = logprobs
        self._offset = 0

    def whole(
        self, text: str, finish: str, usage: dict[str, int] | None, chances: Sequence[Chance], answer: Answer | None
    ) -> Any:
        """See `Shape`."""
        return {**self._head, "choices": [self._choice(text, finish, self._chances(chances))], "usage": usage, **_beside(answer)}

    def begin(self) -> Iterable[Any]:
        """Nothing: a text has no role."""
        return ()

    def piece(self, text: str, chances: Sequence[Chance]) -> Any:
        """See `Shape`."""
        return {**self._head, "choices": [self._choice(text, None, self._chances(chances))]}

    def last(self, finish: str, answer: Answer | None) -> Any:
        """See `Shape`."""
        return {**self._head, "choices": [self._choice("", finish, None)], **_beside(answer)}

    def counts(self, usage: dict[str, int] | None) -> Any:
        """See `Shape`."""
        return {**self._head, "choices": [], "usage": usage}

    def _choice(self, text: str, finish: str | None, logprobs: Any) -> dict[str, Any]:
        return {"index": 0, "text": text, "finish_reason": finish, "logprobs": logprobs}

    def _chances(self, chances: Sequence[Chance]) -> Any:
        if not self._logprobs:
            return None
        offsets = []
        for chance in chances:
            offsets.append(self._offset)
            self._offset += len(chance.text)
        return {
            "tokens": [c.text for c in chances],
            "token_logprobs": [c.logprob for c in chances],
            "top_logprobs": [dict(c.top) for c in chances],
            "text_offset": offsets,
        }


def _token(text: str, logprob: float) -> dict[str, Any]:
    # A token that is only part of a character has bytes that its text does not show.
    return {"token": text, "logprob": logprob, "bytes": None if "\ufffd" in text else list(text.encode("utf-8", "replace"))}
