"""Reads responses into outcomes. What a server sends is taken as hostile: nothing here raises, nothing grows without bound.

A reader ends its outcome exactly once, as whole or as one kind of failure; whatever comes afterwards changes nothing.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from bakeoff.load.result import Outcome
from bakeoff.load.sse import EventParser
from bakeoff.models.chat_reply import clean, server_error, shown

MOST_TEXT = 4_000
"""Characters of a reply that are kept."""

MOST_GAPS = 4_096
"""Gaps between tokens that are kept of one request."""

_MOST_ERROR_BYTES = 65_536
_MOST_TOKENS = 100_000_000


class _Reader(ABC):
    """What readers share: the status, a body kept whole where it is an error or plain JSON, and the one end."""

    __slots__ = ("_body", "_kept", "_secret", "ended", "outcome")

    def __init__(self, outcome: Outcome, secret: str) -> None:
        self.outcome = outcome
        self.ended = False
        self._secret = secret if len(secret) >= 8 else ""
        self._body: list[bytes] = []
        self._kept = 0

    def headers(self, status: int, media_type: bytes) -> None:
        """Note the status."""
        self.outcome.status = status

    def body(self, piece: bytes, now: float) -> None:
        """Keep the piece; of an error only the beginning."""
        if self._refused() and self._kept >= _MOST_ERROR_BYTES:
            return
        self._body.append(piece)
        self._kept += len(piece)

    def end(self, now: float) -> None:
        """Decide by the whole body."""
        if self.ended:
            return
        if self._refused():
            self.fail(f"http_{self.outcome.status}", self._reason(), now)
            return
        found = self._json(b"".join(self._body), now)
        if found is not None:
            self._take(found, now)

    def fail(self, kind: str, says: str, now: float) -> None:
        """End as a failure."""
        if self.ended:
            return
        self._close(now)
        self.outcome.error = kind
        self.outcome.says = shown(self._struck(says))

    @abstractmethod
    def _take(self, found: dict[str, Any], now: float) -> None:
        """Read a whole JSON body into the outcome."""

    def _whole(self, text: str, now: float) -> None:
        self._close(now)
        self.outcome.text = clean(self._struck(text)[:MOST_TEXT])

    def _close(self, now: float) -> None:
        self.ended = True
        self.outcome.ended = now
        self._body = []

    def _refused(self) -> bool:
        status = self.outcome.status
        return status is None or not 200 <= status < 300

    def _reason(self) -> str:
        raw = b"".join(self._body)[:_MOST_ERROR_BYTES]
        try:
            found = json.loads(raw)
            error = server_error(found) if isinstance(found, dict) else None
        except (ValueError, RecursionError):
            error = None
        return str(error) if error else raw.decode("utf-8", "replace")

    def _json(self, raw: bytes, now: float) -> dict[str, Any] | None:
        """The JSON object in `raw`; None, and a failure, where there is none."""
        try:
            found = json.loads(str(raw, "utf-8"))
        except (ValueError, RecursionError):
            self.fail("bad_json", raw[:400].decode("utf-8", "replace"), now)
            return None
        if not isinstance(found, dict):
            self.fail("bad_reply", "JSON, but not an object", now)
            return None
        if found.get("error"):
            self.fail("server_error", str(server_error(found)), now)
            return None
        return found

    def _struck(self, text: str) -> str:
        return text.replace(self._secret, "[key]") if self._secret else text


class ChatReader(_Reader):
    """Reads a chat completion, streamed or whole.

    The first token is the first event with text: of the answer, of its reasoning, a refusal or a tool call. An event may hold
    more than one token; where the server reports no usage, events are counted instead and `Outcome.counted` says so.
    """

    __slots__ = ("_events", "_finished", "_last", "_pieces", "_size", "_stream")

    def __init__(self, outcome: Outcome, *, stream: bool, secret: str = "") -> None:
        super().__init__(outcome, secret)
        self._stream = stream
        self._events = EventParser()
        self._finished = False
        self._last = 0.0
        self._pieces: list[str] = []
        self._size = 0

    def headers(self, status: int, media_type: bytes) -> None:
        """Note the status; a server may answer whole although a stream was asked for."""
        self.outcome.status = status
        if media_type.startswith(b"application/json"):
            self._stream = False

    def body(self, piece: bytes, now: float) -> None:
        """Read the events that this piece completes."""
        if not self._stream or self._refused():
            super().body(piece, now)
            return
        for kind, data in self._events.feed(piece):
            self._event(kind, data, now)
            if self.ended:
                return

    def end(self, now: float) -> None:
        """The response is whole: without a last word ("[DONE]", a finish reason) the stream was cut short."""
        if self.ended:
            return
        if not self._stream or self._refused():
            super().end(now)
        elif self._finished:
            self._finish(now)
        elif self.outcome.events:
            self.fail("cut_short", "the stream ended without [DONE] and without a finish reason", now)
        else:
            self.fail("empty", "the stream held no event with text", now)

    def _event(self, kind: bytes, data: bytes, now: float) -> None:
        if data.strip() == b"[DONE]":
            self._finish(now)
            return
        chunk = self._json(data, now)
        if chunk is None:
            return
        if kind == b"error":
            self.fail("server_error", data.decode("utf-8", "replace"), now)
            return
        usage = chunk.get("usage")
        if usage is not None:
            self._usage(usage)
        choices = chunk.get("choices")
        if choices is None and usage is None:
            self.fail("bad_reply", "an event without `choices`", now)
        elif choices:
            self._follow(choices, now)

    def _follow(self, choices: Any, now: float) -> None:
        if not isinstance(choices, list):
            self.fail("bad_reply", "`choices` is not a list", now)
            return
        for choice in choices:
            delta = (choice.get("delta") or {}) if isinstance(choice, dict) else None
            if not isinstance(delta, dict):
                self.fail("bad_reply", "a choice without a delta", now)
                return
            if choice.get("index", 0) != 0:
                continue
            if choice.get("finish_reason"):
                self._finished = True
            content = delta.get("content")
            if content is not None and not isinstance(content, str):
                self.fail("bad_reply", "`content` is not text", now)
                return
            if content:
                self._token(now)
                if self._size < MOST_TEXT:
                    self._pieces.append(content)
                    self._size += len(content)
            elif delta.get("reasoning_content") or delta.get("reasoning") or delta.get("refusal") or delta.get("tool_calls"):
                self._token(now)

    def _token(self, now: float) -> None:
        outcome = self.outcome
        outcome.events += 1
        if outcome.first_token is None:
            outcome.first_token = now
        elif len(outcome.gaps) < MOST_GAPS:
            outcome.gaps.append(now - self._last)
        self._last = now

    def _finish(self, now: float) -> None:
        if not self.outcome.events:
            self.fail("empty", "the stream held no event with text", now)
            return
        if self.outcome.tokens_out is None:
            self.outcome.tokens_out, self.outcome.counted = self.outcome.events, True
        self._whole("".join(self._pieces), now)

    def _usage(self, usage: Any) -> None:
        if isinstance(usage, Mapping):
            self.outcome.tokens_in = _count(usage.get("prompt_tokens"))
            self.outcome.tokens_out = _count(usage.get("completion_tokens"))

    def _take(self, found: dict[str, Any], now: float) -> None:
        choices = found.get("choices")
        message = choices[0].get("message") if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
        if not isinstance(message, dict):
            self.fail("bad_reply", "no `choices` with a message", now)
            return
        text = message.get("content") or message.get("reasoning_content") or message.get("refusal") or ""
        if not isinstance(text, str):
            self.fail("bad_reply", "`content` is not text", now)
        elif not text and not message.get("tool_calls"):
            self.fail("empty", "the message held no text", now)
        else:
            self._usage(found.get("usage"))
            self._whole(text, now)


class AnswerReader(_Reader):
    """Reads ``{"answers": [{"value", "error", ...}]}``. An answer with an error is a failed request."""

    __slots__ = ("_items",)

    def __init__(self, outcome: Outcome, *, items: int = 1, secret: str = "") -> None:
        super().__init__(outcome, secret)
        self._items = items

    def _take(self, found: dict[str, Any], now: float) -> None:
        answers = found.get("answers")
        if not isinstance(answers, list) or not all(isinstance(one, dict) for one in answers):
            self.fail("bad_reply", "no list of `answers`", now)
            return
        if len(answers) != self._items:
            self.fail("bad_reply", f"{len(answers)} answers to {self._items} items", now)
            return
        for one in answers:
            if one.get("error"):
                self.fail("server_error", str(one["error"])[:800], now)
                return
        values = [one.get("value") for one in answers]
        shown_value = values[0] if len(values) == 1 else values
        self._whole(shown_value if isinstance(shown_value, str) else json.dumps(shown_value, ensure_ascii=False), now)


def _count(value: Any) -> int | None:
    """A count of tokens as it was reported, or None where it cannot be one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS else None
