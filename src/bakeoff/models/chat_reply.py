"""Reading what a chat-completions server sent, as if it were hostile: JSON, server-sent events, usage, log-probabilities.

A stream is merged into the same document that the server would have sent without streaming, so that
everything after this file reads one form. Nothing here touches the network.
"""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bakeoff.contract import Json

MOST_TOKENS_PER_CHARACTER = 100
"""A server that reports more tokens than this many times the characters is not believed."""


class BadReply(Exception):
    """A response that is no chat completion; the message says why."""


class ServerSaid(BadReply):
    """An error object in place of a completion; ``code`` is the server's own word for it, if any."""

    def __init__(self, says: str, code: str = "") -> None:
        super().__init__(says)
        self.code = code


def read_json(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`. BadReply for anything else: not UTF-8, not an object, nested too deeply, NaN, absurd numbers."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadReply("not UTF-8") from None
    try:
        found = json.loads(text, parse_constant=_no_constant)
        # Also proves that it can be written again.
        json.dumps(found)
    except RecursionError:
        raise BadReply("JSON nested too deeply") from None
    except ValueError:
        raise BadReply("not JSON") from None
    if not isinstance(found, dict):
        raise BadReply("JSON, but not an object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def server_error(body: Mapping[str, Any]) -> ServerSaid | None:
    """The error that a response carries (``{"error": {...}}``), or None."""
    error = body.get("error")
    if not error:
        return None
    if isinstance(error, Mapping):
        return ServerSaid(
            shown(error.get("message") or error.get("type") or "unexplained"),
            str(error.get("code") or error.get("type") or "")[:60],
        )
    return ServerSaid(shown(error))


def shown(value: Any, most: int = 200) -> str:
    """At most `most` characters of foreign text on one line, without control characters or lone surrogates."""
    text = clean(value if isinstance(value, str) else str(value)[: 4 * most])[: 4 * most]
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= most else text[: most - 1] + "…"


def clean(text: str) -> str:
    """`text` with lone surrogates replaced, so that it can be written as UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


class Events:
    """Decodes server-sent events piece by piece (WHATWG HTML section 9.2). Only the ``data`` fields are kept."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._rest = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[str]:
        """The data of every event that `piece` completes. BadReply where it is not UTF-8."""
        try:
            self._rest += self._decoder.decode(piece)
        except UnicodeDecodeError:
            raise BadReply("not UTF-8") from None
        # A carriage return at the very end may be half of a line end.
        held = self._rest.endswith("\r")
        lines = (self._rest[:-1] if held else self._rest).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = lines.pop() + ("\r" if held else "")
        for line in lines:
            if line.startswith("data:"):
                self._data.append(line[5:].removeprefix(" "))
            elif not line and self._data:
                data, self._data = "\n".join(self._data), []
                yield data


@dataclass
class Merged:
    """Joins the chunks of a stream into the completion they stand for. Only choice 0 is followed."""

    content: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    logprobs: list[Json] = field(default_factory=list)
    finish: str | None = None
    tool_calls: bool = False
    started: bool = False
    choices: int = 0
    usage: Json = None
    facts: dict[str, Json] = field(default_factory=dict)

    def add(self, chunk: Mapping[str, Any]) -> bool:
        """Take one chunk; True when it brought text. BadReply where it is no chunk, ServerSaid where it is an error."""
        failed = server_error(chunk)
        if failed:
            raise failed
        for name in ("id", "model", "system_fingerprint"):
            if isinstance(chunk.get(name), str):
                self.facts.setdefault(name, chunk[name][:200])
        if chunk.get("usage") is not None:
            self.usage = chunk["usage"]
        choices = chunk.get("choices", [])
        if not isinstance(choices, list):
            raise BadReply("`choices` is not a list")
        brought = False
        for choice in choices:
            if not isinstance(choice, Mapping):
                raise BadReply("a choice is not an object")
            number = choice.get("index", 0)
            self.choices = max(self.choices, number + 1 if isinstance(number, int) and 0 <= number < 1000 else 1)
            if number == 0:
                brought = self._follow(choice) or brought
        return brought

    def _follow(self, choice: Mapping[str, Any]) -> bool:
        self.started = True
        delta = choice.get("delta") or {}
        if not isinstance(delta, Mapping):
            raise BadReply("a delta is not an object")
        if choice.get("finish_reason"):
            self.finish = str(choice["finish_reason"])[:40]
        self.tool_calls = self.tool_calls or bool(delta.get("tool_calls"))
        logprobs = choice.get("logprobs")
        if isinstance(logprobs, Mapping) and isinstance(logprobs.get("content"), list):
            self.logprobs += logprobs["content"]
        for name, kept in (("content", self.content), ("refusal", self.refusal)):
            piece = delta.get(name)
            if piece is not None and not isinstance(piece, str):
                raise BadReply(f"`{name}` is not text")
            if piece:
                kept.append(piece)
        return bool(delta.get("content") or delta.get("refusal"))

    def body(self) -> dict[str, Json]:
        """The completion as a server that does not stream would have sent it."""
        message: dict[str, Json] = {"role": "assistant", "content": "".join(self.content) if self.content else None}
        if self.refusal:
            message["refusal"] = "".join(self.refusal)
        if self.tool_calls:
            message["tool_calls"] = [{"type": "function"}]
        choice: dict[str, Json] = {"index": 0, "message": message, "finish_reason": self.finish}
        if self.logprobs:
            choice["logprobs"] = {"content": self.logprobs}
        others: list[Json] = [
            {"index": index, "message": {"role": "assistant", "content": None}} for index in range(1, min(self.choices, 2))
        ]
        return {
            **self.facts,
            "object": "chat.completion",
            "choices": [choice, *others] if self.started else [],
            "usage": self.usage,
        }


@dataclass(frozen=True)
class Message:
    """What the first choice says. `text` is None where there is none (a refusal, a tool call, null content)."""

    text: str | None
    refusal: str | None = None
    tool_calls: bool = False
    finish_reason: str | None = None
    choices: int = 1
    logprobs: tuple[TokenChances, ...] = ()


@dataclass(frozen=True)
class TokenChances:
    """One written token, and the log-probabilities of the tokens that could have stood there, the written one included."""

    token: str
    alternatives: Mapping[str, float]


def read_message(body: Mapping[str, Any]) -> Message:
    """The first choice of a chat completion. BadReply where there is none, ServerSaid where there is an error instead."""
    failed = server_error(body)
    if failed:
        raise failed
    choices = body.get("choices")
    if not isinstance(choices, list):
        raise BadReply("no `choices`")
    if not choices:
        raise BadReply("`choices` is empty")
    first = choices[0]
    message = first.get("message") if isinstance(first, Mapping) else None
    if not isinstance(message, Mapping):
        raise BadReply("the first choice has no `message`")
    finish, refusal = first.get("finish_reason"), message.get("refusal")
    return Message(
        text=_text(message.get("content")),
        refusal=clean(refusal) if isinstance(refusal, str) and refusal else None,
        tool_calls=bool(message.get("tool_calls") or message.get("function_call")),
        finish_reason=shown(finish, 40) if isinstance(finish, str) else None,
        choices=len(choices),
        logprobs=_logprobs(first.get("logprobs")),
    )


def _text(content: Any) -> str | None:
    if content is None:
        return None
    if isinstance(content, str):
        return clean(content)
    if isinstance(content, list) and all(isinstance(part, Mapping) for part in content):
        parts = [part.get("text") for part in content if part.get("type") == "text"]
        if all(isinstance(part, str) for part in parts):
            return clean("".join(parts))
    raise BadReply("`content` is not text")


def _logprobs(given: Any) -> tuple[TokenChances, ...]:
    """The log-probabilities as they were sent, or () where any of them cannot be one."""
    rows = given.get("content") if isinstance(given, Mapping) else None
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        return ()
    read: list[TokenChances] = []
    for row in rows:
        if not isinstance(row, Mapping) or not isinstance(row.get("token"), str):
            return ()
        tops = row.get("top_logprobs") or []
        if not isinstance(tops, list):
            return ()
        chances: dict[str, float] = {}
        for one in [*tops, row]:
            value = one.get("logprob") if isinstance(one, Mapping) else None
            token = one.get("token") if isinstance(one, Mapping) else None
            usable = isinstance(token, str) and isinstance(value, int | float) and not isinstance(value, bool)
            # Compared before it is converted: an integer of 400 digits has no float.
            if not usable or not (value == -math.inf or -1e300 < value <= 1e-3):  # type: ignore[operator]
                return ()
            chances.setdefault(str(token), float(value))  # type: ignore[arg-type]
        if sum(math.exp(value) for value in chances.values()) > 1.02:
            return ()
        read.append(TokenChances(row["token"], chances))
    return tuple(read)


@dataclass(frozen=True)
class Usage:
    """Tokens read and written. `source` is ``'reported'``, or ``'estimated'`` with `doubt` saying why the report was not used."""

    tokens_in: int
    tokens_out: int
    source: str
    doubt: str = ""


def read_usage(body: Mapping[str, Any], *, asked_characters: int, message: Message) -> Usage:
    """The tokens that a response reports, where they can be true; otherwise an estimate, marked as one.

    Not believed: a missing, negative, fractional or non-numeric count; 0 tokens for text that is there; more than 100
    tokens per character (for the answer 64 more, for tokens that end it; 100,000 more where reasoning tokens are
    reported, which are billed and not shown). The estimate is one token per four characters, rounded up.
    """
    text = (message.text or "") + (message.refusal or "")
    estimated = Usage(max(1, math.ceil(asked_characters / 4)), math.ceil(len(text) / 4), "estimated")
    usage = body.get("usage")
    if usage is None:
        return Usage(estimated.tokens_in, estimated.tokens_out, "estimated", "the server reported no usage")
    if not isinstance(usage, Mapping):
        return Usage(estimated.tokens_in, estimated.tokens_out, "estimated", "the reported usage is not an object")
    counts: list[int] = []
    for name, characters in (("prompt_tokens", asked_characters), ("completion_tokens", len(text))):
        count = usage.get(name)
        most = MOST_TOKENS_PER_CHARACTER * max(characters, 1) + (
            0 if name == "prompt_tokens" else 100_000 if _reasons(usage) else 64
        )
        if isinstance(count, bool) or not isinstance(count, int) or not (1 if characters else 0) <= count <= most:
            doubt = f"the server reported {shown(count, 30)} {name} for {characters} characters"
            return Usage(estimated.tokens_in, estimated.tokens_out, "estimated", doubt)
        counts.append(count)
    return Usage(counts[0], counts[1], "reported")


def _reasons(usage: Mapping[str, Any]) -> bool:
    details = usage.get("completion_tokens_details")
    return isinstance(details, Mapping) and isinstance(details.get("reasoning_tokens"), int) and details["reasoning_tokens"] > 0
