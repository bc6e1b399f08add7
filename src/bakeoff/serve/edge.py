"""The outermost layer of the application: what holds for every request, whichever route it takes.

Counts it, asks for the token, checks the Host header, lets a client that still sends read why it was refused, and says
`Connection: close` once the server drains.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from starlette.exceptions import HTTPException

from bakeoff.serve.metrics import Meter
from bakeoff.serve.problem import ClientGone, Problem, named

log = logging.getLogger("bakeoff.serve")

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

OPEN = frozenset({"/healthz"})
"""Paths that need no token: a load balancer has none."""
DISCARDED_BYTES, DISCARDED_SECONDS = 64 << 20, 2.0
"""How much of a refused body is still read, so that the client is there to read the answer, and for how long."""
HUNG_UP = 499
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class State:
    """What the server is doing right now."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.draining = False
        self.in_flight = 0


class Edge:
    """ASGI application around `app`.

    Parameters
    ----------
    token : str or None
        Bearer token that every request but those to `OPEN` must carry.
    hosts : frozenset of str or None
        Names that the Host header may give; None takes any.
    routes : frozenset of str
        Paths that are counted under their own name; others count as ``other``.
    """

    def __init__(
        self, app: App, *, state: State, meter: Meter, token: str | None, hosts: frozenset[str] | None, routes: frozenset[str]
    ) -> None:
        self._app, self._state, self._meter, self._hosts, self._routes = app, state, meter, hosts, routes
        self._digest = None if token is None else hashlib.sha256(token.encode("ascii")).digest()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        talk = _Talk(self._state, receive, send)
        path = scope["path"]
        route = "/v1/models/{id}" if path.startswith("/v1/models/") else path if path in self._routes else "other"
        began = time.perf_counter()
        self._state.in_flight += 1
        try:
            try:
                self._check(scope, path)
                await self._app(scope, talk.receive, talk.send)
            except Problem as problem:
                await talk.refuse(problem)
            except HTTPException as refused:
                says = f"There is no {path[:200]} here; /openapi.json lists what there is." if refused.status_code == 404 else ""
                says = says or f"{scope['method'][:20]} is not allowed here."
                code = "not_found" if refused.status_code == 404 else "method_not_allowed"
                await talk.refuse(Problem(refused.status_code, says, code=code, headers=refused.headers))
            except ClientGone:
                talk.status = HUNG_UP
            except Exception as error:  # a bug here: answered as 500, counted in /metrics, and named in the log
                log.error("a request failed inside the server: %s", named(error))
                if talk.status is None:
                    await talk.refuse(Problem(500, "Something went wrong inside the server; its log says what.", code="internal"))
                else:
                    raise
        finally:
            self._state.in_flight -= 1
            self._meter.requests.labels(route, str(talk.status or HUNG_UP)).inc()
            self._meter.request_seconds.labels(route).observe(time.perf_counter() - began)

    def _check(self, scope: MutableMapping[str, Any], path: str) -> None:
        headers = dict(scope["headers"])
        if self._hosts is not None and host_named(headers.get(b"host", b"").decode("latin-1")) not in self._hosts:
            raise Problem(
                403, "The Host header names another host than this machine. Use 127.0.0.1 or localhost.", code="wrong_host"
            )
        if self._digest is None or path in OPEN:
            return
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        # Digests are compared, so that neither the length nor the first wrong character shows in the time it takes.
        right = hmac.compare_digest(hashlib.sha256(given.strip()).digest(), self._digest)
        if scheme.lower() != b"bearer" or not right:
            says = "The token is wrong" if given else "There is no token"
            raise Problem(
                401, f"{says}; send `Authorization: Bearer ...`.", code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"}
            )


def host_named(header: str) -> str:
    """The name in a Host header, without port and brackets."""
    header = header.strip().lower()
    return header[1:].partition("]")[0] if header.startswith("[") else header.partition(":")[0]


class _Talk:
    """One request and its response, watched."""

    def __init__(self, state: State, receive: Receive, send: Send) -> None:
        self._state, self._receive, self._send = state, receive, send
        self._arrived = False
        self.status: int | None = None

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._arrived = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", []), (b"x-content-type-options", b"nosniff")]
            refused = message["status"] >= 400
            if refused and not self._arrived and message["status"] != 408:
                await self._discard()
            if self._state.draining or (refused and not self._arrived):
                headers = [(name, value) for name, value in headers if name.lower() != b"connection"]
                headers.append((b"connection", b"close"))
            self.status = message["status"]
            message = {**message, "headers": headers}
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        body = problem.encoded()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in problem.headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def _discard(self) -> None:
        # Closing a socket that holds unread bytes resets it, and the client would never see the answer.
        size = 0
        try:
            async with asyncio.timeout(DISCARDED_SECONDS):
                while not self._arrived and size < DISCARDED_BYTES:
                    size += len((await self.receive()).get("body", b""))
        except TimeoutError:
            pass
