"""The same inputs again and again: does a server give the same answer, alone and while it is answering others?

Only what comes back matters here, not when: requests wait for each other (a closed loop), and nothing is retried or kept, so
that every reply is really the server's. The order is seeded and the same at every concurrency. In it two repeats of an
item stand side by side, which is where a kept prefix or a shared batch can show, and otherwise the items are mixed.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from bakeoff.contract import Json
from bakeoff.errors import BakeoffError
from bakeoff.load.prompts import as_text
from bakeoff.load.targets import AnswerTarget, ChatTarget, request_body
from bakeoff.models.chat_reply import BadReply, clean, read_json, read_message, server_error, shown
from bakeoff.models.chat_transport import is_loopback

LARGEST_REPLY = 4_000_000
"""Bytes of one reply."""

GIVE_UP = 10
"""After so many failures in a row, with no reply in between, the rest is not asked: each could take the whole timeout."""

NOT_ASKED = "not asked"

Parse = Callable[[str], str | None]


@dataclass(frozen=True)
class Repeats:
    """Replies to every item, in the order of the items and of the repeats: rows are items, columns repeats.

    Parameters
    ----------
    raw : tuple of tuples of str or None
        Replies as they came. Chat: the text. ``/v1/answer``: value, probabilities and abstention as JSON, without times. None
        where there is no reply.
    parsed : tuple of tuples of str or None
        The answer read from each; None where there is none.
    errors : tuple of tuples of str or None
        Why there is no reply, e.g. ``http 503: busy``, ``timed out``; None where there is one.
    """

    raw: tuple[tuple[str | None, ...], ...]
    parsed: tuple[tuple[str | None, ...], ...]
    errors: tuple[tuple[str | None, ...], ...]

    @property
    def error_kinds(self) -> dict[str, int]:
        """Failures by kind, the part of the reason before the colon."""
        return dict(Counter(says.split(":")[0] for row in self.errors for says in row if says is not None))


def repeat(
    url: str,
    items: Sequence[Json],
    *,
    model: str = "",
    protocol: Literal["chat", "answer"] = "chat",
    repeats: int = 5,
    concurrency: int = 1,
    seed: int = 0,
    timeout_seconds: float = 60.0,
    parse: Parse | None = None,
    temperature: float | None = 0.0,
    max_tokens: int | None = None,
    key_env: str = "",
    extra: Mapping[str, Json] | None = None,
) -> Repeats:
    """Ask a running server the same items `repeats` times each. A request that fails is an error in the result.

    Parameters
    ----------
    url : str
        e.g. ``http://127.0.0.1:8000/v1``.
    items : sequence of Json
        Inputs. In a chat: a text, or a list of messages; anything else is sent as JSON text.
    model : str
        Its name at the server (chat).
    protocol : 'chat' or 'answer'
        An OpenAI-compatible chat endpoint, or Bakeoff's own ``/v1/answer``.
    repeats : int, default=5
        At least 1.
    concurrency : int, default=1
        Requests in flight, at least 1; at 2 or more, repeats of one item overlap.
    seed : int, default=0
        Of the order of asking.
    timeout_seconds : float, default=60.0
        Longest time of one request.
    parse : callable from str to str or None, or None
        Reads the answer from a reply. By default, the value that a Bakeoff server sends beside its reply (None for an
        abstention), and from other servers the text without white space around it.
    temperature : float or None, default=0.0
        As it is sent; None leaves it to the server.
    max_tokens : int or None, default=None
    key_env : str, default=''
        Environment variable with the bearer token; '' for none. It is struck out of what the server echoes.
    extra : mapping, default={}
        Further fields of the request body (chat).

    Raises
    ------
    BakeoffError
        For a URL, numbers or items that cannot be used, or a key that is not set. Not for what the server does: after
        `GIVE_UP` failures in a row the rest is 'not asked'.
    """
    if repeats < 1 or concurrency < 1 or not timeout_seconds > 0:
        raise BakeoffError(
            f"repeats is {repeats}, concurrency {concurrency}, timeout_seconds {timeout_seconds}; the first two must be at least 1, "
            "the last above 0.",
            fix="leave them out",
        )
    if not items or isinstance(items, str):
        raise BakeoffError("There is nothing to ask again.", fix="give a list of at least one item")
    asked = [one if isinstance(one, list) else as_text(one) for one in items]
    if protocol == "chat":
        address = ChatTarget(url, model, asked, stream=False).url
        common: dict[str, Json] = {"model": model, "stream": False}
        common |= {} if temperature is None else {"temperature": temperature}
        common |= {} if max_tokens is None else {"max_tokens": max_tokens}
        bodies = [
            {**common, "messages": [{"role": "user", "content": one}] if isinstance(one, str) else one, **(extra or {})}
            for one in asked
        ]
    elif protocol == "answer":
        address, bodies = AnswerTarget(url, items).url, [{"items": [one]} for one in items]
    else:
        raise BakeoffError(f"No protocol is called {protocol!r}.", fix="use chat or answer")
    key = _key(key_env)
    asking = _Asking(
        address, [request_body(body) for body in bodies], _read_chat if protocol == "chat" else _read_answer, parse, key
    )
    order = list(in_order(len(items), repeats, seed))
    asyncio.run(asking.all(order, concurrency, timeout_seconds))

    def table(part: int) -> tuple[tuple[str | None, ...], ...]:
        return tuple(tuple(asking.found[item, turn][part] for turn in range(repeats)) for item in range(len(items)))

    return Repeats(table(0), table(1), table(2))


def in_order(items: int, repeats: int, seed: int) -> Iterator[tuple[int, int]]:
    """(item, repeat) of every request: pairs of repeats of one item side by side, the pairs of all items mixed."""
    pairs = [
        [(item, turn) for turn in range(begin, min(begin + 2, repeats))]
        for item in range(items)
        for begin in range(0, repeats, 2)
    ]
    random.Random(seed).shuffle(pairs)
    for pair in pairs:
        yield from pair


Found = tuple[str | None, str | None, str | None]
Reader = Callable[[dict[str, Any]], tuple[str, str | None]]


class _Asking:
    """The requests of one call, and what came back: `found[item, repeat]` is (raw, parsed, error)."""

    def __init__(self, url: str, bodies: Sequence[bytes], reader: Reader, parse: Parse | None, key: str) -> None:
        self._url, self._bodies, self._read, self._parse, self._key = url, bodies, reader, parse, key
        self._failed_in_a_row = 0
        self._last = ""
        self.found: dict[tuple[int, int], Found] = {}

    async def all(self, order: Sequence[tuple[int, int]], concurrency: int, timeout_seconds: float) -> None:
        """Ask in this order, `concurrency` at a time."""
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        headers |= {"Authorization": f"Bearer {self._key}"} if self._key else {}
        waiting = iter(order)
        async with httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(timeout_seconds),
            limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
            follow_redirects=False,
            # A proxy must not stand between this machine and itself.
            trust_env=not is_loopback(httpx.URL(self._url).host),
        ) as client:

            async def one_after_another() -> None:
                for which in waiting:
                    self.found[which] = await self._once(client, self._bodies[which[0]], timeout_seconds)

            await asyncio.gather(*(one_after_another() for _ in range(min(concurrency, len(order)))))

    async def _once(self, client: httpx.AsyncClient, body: bytes, timeout_seconds: float) -> Found:
        if self._failed_in_a_row >= GIVE_UP:
            return None, None, f"{NOT_ASKED}: {GIVE_UP} requests in a row had failed, the last with {self._last}"
        try:
            async with asyncio.timeout(timeout_seconds):
                status, raw = await self._exchange(client, body)
            found = self._reply(status, raw)
        except (TimeoutError, httpx.TimeoutException):
            found = None, None, "timed out"
        except BadReply as error:
            found = None, None, f"bad reply: {error}"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            found = None, None, f"connection failed: {shown(error, 120) or type(error).__name__}"
        if found[2] is None:
            self._failed_in_a_row = 0
            return found
        self._failed_in_a_row += 1
        self._last = self._struck(found[2])
        return None, None, self._last

    async def _exchange(self, client: httpx.AsyncClient, body: bytes) -> tuple[int, bytes]:
        raw = b""
        async with client.stream("POST", self._url, content=body) as response:
            async for piece in response.aiter_raw():
                raw += piece
                if len(raw) > LARGEST_REPLY:
                    raise BadReply(f"larger than {LARGEST_REPLY:,} bytes")
            return response.status_code, raw

    def _reply(self, status: int, raw: bytes) -> Found:
        if status != 200:
            try:
                error = server_error(read_json(raw))
            except BadReply:
                error = None
            return None, None, f"http {status}: {error or shown(raw.decode('utf-8', 'replace'), 120)}"
        text, value = self._read(read_json(raw))
        text, value = self._struck(text), None if value is None else self._struck(value)
        return text, self._parse(text) if self._parse else value, None

    def _struck(self, text: str) -> str:
        # Keys under 8 characters are placeholders ("EMPTY") that may be ordinary words.
        return text.replace(self._key, "[key]") if len(self._key) >= 8 else text


def _read_chat(body: dict[str, Any]) -> tuple[str, str | None]:
    message = read_message(body)
    text = message.text if message.text is not None else message.refusal
    if text is None:
        raise BadReply("a message without text")
    beside = body.get("bakeoff")
    if isinstance(beside, Mapping) and "value" in beside:
        return text, _value(beside)
    return text, text.strip()


def _read_answer(body: dict[str, Any]) -> tuple[str, str | None]:
    failed = server_error(body)
    if failed:
        raise failed
    answers = body.get("answers")
    if not isinstance(answers, list) or len(answers) != 1 or not isinstance(answers[0], Mapping) or "value" not in answers[0]:
        raise BadReply("not the one answer that was asked for")
    answer = answers[0]
    if answer.get("error") is not None:
        raise BadReply(f"the approach could not answer, {shown(answer['error'], 120)}")
    said = {name: answer.get(name) for name in ("value", "probabilities", "abstained")}
    return _as_json(said), _value(answer)


def _value(answer: Mapping[str, Any]) -> str | None:
    """The value as JSON, so that the label "1" is not the number 1; None for an abstention."""
    return None if answer.get("abstained") or answer["value"] is None else _as_json(answer["value"])


def _as_json(value: Json) -> str:
    return clean(json.dumps(value, sort_keys=True, ensure_ascii=False))


def _key(name: str) -> str:
    secret = os.environ.get(name, "").strip() if name else ""
    if name and not (secret and secret.isascii() and secret.isprintable() and " " not in secret):
        raise BakeoffError(f"The environment variable {name} holds no usable key.", fix=f"set {name}")
    return secret
