"""What is asked of a server, and how its answers are read.

A target knows its requests and makes a reader for each response. Readers take whatever a server sends as hostile: they never
raise, keep bounded amounts, and end every outcome exactly once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Protocol

from bakeoff.contract import Json
from bakeoff.errors import BakeoffError
from bakeoff.load.connection import Reader
from bakeoff.load.http import origin_of
from bakeoff.load.readers import AnswerReader, ChatReader
from bakeoff.load.result import Outcome
from bakeoff.models.chat_reply import clean
from bakeoff.models.chat_transport import checked_url


class Target(Protocol):
    """A server and the requests to send to it."""

    protocol: str
    """'chat' or 'answer'."""
    streams: bool
    """Answers come piece by piece, so that there are first tokens."""
    url: str
    """The full address, without any secret."""
    prompts: int
    """Different requests; request i is number ``i % prompts``."""

    def requests(self) -> Sequence[bytes]:
        """Every different request, whole, as it goes over the wire (with the key, so not to be kept or shown)."""
        ...

    def reader(self, outcome: Outcome) -> Reader:
        """A reader that fills `outcome`."""
        ...


class ChatTarget:
    """An OpenAI-compatible chat-completions server.

    Parameters
    ----------
    base_url : str
        e.g. ``http://127.0.0.1:8000/v1``; ``/v1`` is added where there is no path.
    model : str
    prompts : sequence of str, or of lists of messages ({'role', 'content'})
        Request i sends prompt ``i % len(prompts)``.
    system : str, default=''
        Put before prompts that are strings.
    max_tokens : int or None, default=None
    temperature : float or None, default=0.0
        None leaves it to the server.
    stream : bool, default=True
        With a last chunk that holds the usage (``stream_options.include_usage``).
    key_env : str, default=''
        Environment variable that holds the bearer token; '' for none. It is read when a step starts, goes into one header,
        and is struck out of whatever the server echoes.
    extra : mapping, default={}
        Further fields of the request body; they override the others.

    Raises
    ------
    BakeoffError
        For a URL that cannot be used, no prompts, or a prompt that is neither text nor messages.
    """

    protocol = "chat"

    def __init__(
        self,
        base_url: str,
        model: str,
        prompts: Sequence[str | Sequence[Mapping[str, Json]]],
        *,
        system: str = "",
        max_tokens: int | None = None,
        temperature: float | None = 0.0,
        stream: bool = True,
        key_env: str = "",
        extra: Mapping[str, Json] | None = None,
    ) -> None:
        base, _ = checked_url(base_url)
        self.url = (base if origin_path(base) else base + "/v1") + "/chat/completions"
        self.model, self.streams, self.key_env = model, stream, key_env
        if not prompts or isinstance(prompts, str):
            raise BakeoffError("A load test needs prompts to send.", fix="give a list of at least one prompt")
        self.prompts = len(prompts)
        common: dict[str, Json] = {"model": model, "stream": stream}
        if stream:
            common["stream_options"] = {"include_usage": True}
        if max_tokens is not None:
            common["max_tokens"] = max_tokens
        if temperature is not None:
            common["temperature"] = temperature
        more = dict(extra or {})
        if "stream" in more or "messages" in more:
            raise BakeoffError("`extra` must not set `stream` or `messages`.", fix="use the parameters of those names")
        self._bodies = [request_body({**common, "messages": _messages(prompt, system), **more}) for prompt in prompts]

    def requests(self) -> Sequence[bytes]:
        """Every different request, with its headers."""
        accept = "text/event-stream" if self.streams else "application/json"
        return _posts(self.url, self._bodies, accept, _key(self.key_env, self.url))

    def reader(self, outcome: Outcome) -> Reader:
        """A reader of streamed or whole completions."""
        return ChatReader(outcome, stream=self.streams, secret=os.environ.get(self.key_env, "").strip())


class AnswerTarget:
    """Bakeoff's own ``/v1/answer``.

    Parameters
    ----------
    url : str
        e.g. ``http://127.0.0.1:8000`` or ``http://127.0.0.1:8000/v1/answer``.
    items : sequence of Json
        Inputs, one item each. Request i sends `per_request` items from number ``i * per_request`` on, round and round.
    per_request : int, default=1
    key_env : str, default=''

    Raises
    ------
    BakeoffError
        For a URL that cannot be used, no items, or `per_request` below 1.
    """

    protocol = "answer"
    streams = False

    def __init__(self, url: str, items: Sequence[Json], *, per_request: int = 1, key_env: str = "") -> None:
        base, _ = checked_url(url)
        base = base.removesuffix("/v1/answer").removesuffix("/v1")
        self.url, self.key_env, self.per_request = base + "/v1/answer", key_env, per_request
        if not items or isinstance(items, str):
            raise BakeoffError("A load test needs items to send.", fix="give a list of at least one input")
        if per_request < 1:
            raise BakeoffError(f"A request holds at least one item, not {per_request}.", fix="give `per_request` of 1 or more")
        self.prompts = len(items)
        self._bodies = [
            request_body({"items": [items[(index * per_request + offset) % len(items)] for offset in range(per_request)]})
            for index in range(len(items))
        ]

    def requests(self) -> Sequence[bytes]:
        """Every different request, with its headers."""
        return _posts(self.url, self._bodies, "application/json", _key(self.key_env, self.url))

    def reader(self, outcome: Outcome) -> Reader:
        """A reader of lists of answers."""
        return AnswerReader(outcome, items=self.per_request, secret=os.environ.get(self.key_env, "").strip())


def origin_path(url: str) -> str:
    """What follows the host in a URL without query or fragment; '' for nothing."""
    rest = url.split("://", 1)[-1]
    return rest[rest.index("/") :] if "/" in rest else ""


def _messages(prompt: str | Sequence[Mapping[str, Json]], system: str) -> list[Mapping[str, Json]]:
    if isinstance(prompt, str):
        before: list[Mapping[str, Json]] = [{"role": "system", "content": system}] if system else []
        return [*before, {"role": "user", "content": prompt}]
    messages = list(prompt)
    if not messages or not all(isinstance(one, Mapping) and "role" in one for one in messages):
        raise BakeoffError("A prompt is a text or a list of messages.", fix='e.g. [{"role": "user", "content": "Hello"}]')
    return messages


def request_body(body: Mapping[str, Json]) -> bytes:
    """A request as JSON. Raises BakeoffError for what JSON cannot hold."""
    try:
        return clean(json.dumps(body, ensure_ascii=False, allow_nan=False)).encode("utf-8")
    except (TypeError, ValueError) as error:
        raise BakeoffError(
            f"A request cannot be written as JSON: {error}.", fix="send texts, numbers, lists and objects"
        ) from None


def _posts(url: str, bodies: Sequence[bytes], accept: str, key: str) -> list[bytes]:
    origin = origin_of(url)
    lines = [
        f"POST {origin_path(url)} HTTP/1.1",
        f"Host: {origin.header}",
        "Content-Type: application/json",
        f"Accept: {accept}",
        "Accept-Encoding: identity",
        "User-Agent: bakeoff-load",
        *([f"Authorization: Bearer {key}"] if key else []),
    ]
    head = "\r\n".join(lines).encode("ascii", "strict")
    return [head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body for body in bodies]


def _key(name: str, url: str) -> str:
    if not name:
        return ""
    secret = os.environ.get(name, "").strip()
    if not secret:
        raise BakeoffError(
            f"The environment variable {name}, which should hold the key for {url}, is not set.", fix=f"set {name}"
        )
    if not (secret.isascii() and secret.isprintable() and " " not in secret):
        raise BakeoffError(f"The key in {name} holds spaces or characters that no key has.", fix=f"set {name} again")
    return secret
