"""HTTP/1.1 with as little between the clock and the socket as asyncio allows.

Request bytes are ready before they are due; a connection that is open takes them at once. Connections are kept alive and used
last in, first out, so that few are in use and those are warm. https works the same, with certificates checked. Redirects and
proxies are not followed, compression is not asked for, and nothing is retried.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections import deque
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from bakeoff.errors import EndpointError, needs
from bakeoff.load.clock import ExactLoop
from bakeoff.load.connection import Connection, Exchange, Reader
from bakeoff.load.result import Outcome
from bakeoff.models.chat_reply import shown

READ_BYTES = 65_536
DRAIN_SECONDS = 0.5
"""How long the rest of a response may take to come after its last word, for the connection to be used again."""
IDLE_SECONDS = 4.0
"""A connection unused for longer is not used again: servers close idle ones (uvicorn after 5 s), and one that is closed
while a request is on its way to it would count as an error of the server."""

_NO_SOCKETS = {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM}


class Origin(NamedTuple):
    """Where to connect."""

    scheme: str
    host: str
    port: int

    @property
    def header(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.scheme == "https" else 80
        return host if self.port == usual else f"{host}:{self.port}"


def origin_of(url: str) -> Origin:
    """The scheme, host and port of a URL that has been checked."""
    parts = urlsplit(url)
    return Origin(parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))


class Pool:
    """The connections to one server, and the exchanges on them.

    Parameters
    ----------
    loop : ExactLoop
    origin : Origin
    timeout_seconds : float
        For each exchange, from dispatch to its end.
    on_done : callable
        Called once with the outcome of each exchange.
    """

    def __init__(self, loop: ExactLoop, origin: Origin, timeout_seconds: float, on_done: Callable[[Outcome], None]) -> None:
        needs("httptools", extra="serve", why="the load generator")
        from httptools import HttpParserError, HttpParserUpgrade

        self.parser_errors = (HttpParserError, HttpParserUpgrade)
        self.buffer = memoryview(bytearray(READ_BYTES))
        self.zero = 0.0
        self.connections: set[Connection] = set()
        self.opened = 0
        self._loop, self._origin, self._timeout, self._on_done = loop, origin, timeout_seconds, on_done
        self._idle: deque[Connection] = deque()
        self._draining: deque[tuple[float, Connection]] = deque()
        self._under_way: deque[Exchange] = deque()
        self._expiry: asyncio.TimerHandle | None = None
        self._tidy: asyncio.TimerHandle | None = None
        self._address = ""
        self._tls: ssl.SSLContext | None = None
        if origin.scheme == "https":
            import httpx

            self._tls = httpx.create_ssl_context()

    def now(self) -> float:
        """Seconds since `zero`, by ``time.perf_counter``."""
        return self._loop.time() - self.zero

    def move_zero(self, zero: float) -> None:
        """Count time from `zero` from now on; nothing may be under way."""
        moved = zero - self.zero
        self.zero = zero
        self._under_way.clear()
        for connection in self._idle:
            connection.idle_since -= moved
        self._draining = deque((until - moved, connection) for until, connection in self._draining)

    async def open(self, connections: int) -> None:
        """Open connections ahead of time; fewer than asked for is no error, none at all is.

        Raises
        ------
        EndpointError
            If not a single one can be opened within ten seconds (or `timeout_seconds`, if that is less).
        """
        limit = min(10.0, self._timeout)
        try:
            first = await asyncio.wait_for(self._connect(), limit)
        except (OSError, TimeoutError) as error:
            why = "no answer" if isinstance(error, TimeoutError) else shown(error, 120)
            raise EndpointError(
                f"No connection to {self._origin.host} port {self._origin.port} could be opened: {why}.",
                fix="start the server, or correct the address",
            ) from None
        self._keep(first)
        for start in range(1, connections, 32):
            batch = [asyncio.wait_for(self._connect(), limit) for _ in range(start, min(start + 32, connections))]
            for opened in await asyncio.gather(*batch, return_exceptions=True):
                if isinstance(opened, Connection):
                    self._keep(opened)
        self._tidy = self._loop.call_later(1.0, self._tidy_up)

    def dispatch(self, request: bytes, reader: Reader) -> None:
        """Send `request` now: on an open connection, or on a new one if none is idle."""
        now = self.now()
        exchange = Exchange(request, reader, now + self._timeout)
        reader.outcome.dispatched = now
        self._under_way.append(exchange)
        if self._expiry is None:
            self._expiry = self._loop.call_at(self.zero + exchange.deadline, self._expire)
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.closed:
                continue
            if now - connection.idle_since > IDLE_SECONDS:
                idle.append(connection)  # all others are older; they are closed in a quiet moment
                break
            connection.send(exchange)
            return
        exchange.opening = self._loop.create_task(self._send_on_new(exchange))

    def release(self, connection: Connection, now: float) -> None:
        """The connection may be used again."""
        connection.idle_since = now
        self._idle.append(connection)

    def drain(self, connection: Connection) -> None:
        """The outcome is decided, the rest of the response is not here: wait a moment for it."""
        self._draining.append((self.now() + DRAIN_SECONDS, connection))

    def finish(self, exchange: Exchange) -> None:
        """Report the outcome of `exchange`, once."""
        if exchange.done or exchange.reader is None:
            return
        exchange.done = True
        outcome = exchange.reader.outcome
        exchange.reader = exchange.connection = exchange.opening = None
        exchange.request = b""
        self._on_done(outcome)

    async def close(self) -> None:
        """Cut everything."""
        for handle in (self._expiry, self._tidy):
            if handle is not None:
                handle.cancel()
        opening = [one.opening for one in self._under_way if one.opening is not None]
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        for connection in tuple(self.connections):
            connection.drop()
        # Transports close their sockets in the next round of the loop.
        for _ in range(100):
            if self.connections:
                await asyncio.sleep(0)

    def _keep(self, connection: Connection) -> None:
        if not connection.closed:
            self.release(connection, self.now())

    async def _connect(self) -> Connection:
        self.opened += 1
        transport, connection = await self._loop.create_connection(
            lambda: Connection(self),
            self._address or self._origin.host,
            self._origin.port,
            ssl=self._tls,
            server_hostname=self._origin.host if self._tls else None,
        )
        # A name is looked up once: each further look-up takes a thread and its time.
        self._address = transport.get_extra_info("peername")[0]
        return connection

    async def _send_on_new(self, exchange: Exchange) -> None:
        try:
            connection = await self._connect()
        except (OSError, UnicodeError) as error:
            if exchange.reader is not None:
                kind = "no_sockets" if getattr(error, "errno", None) in _NO_SOCKETS else "connect"
                exchange.reader.fail(kind, shown(error), self.now())
            self.finish(exchange)
            return
        exchange.opening = None
        if exchange.done:
            self._keep(connection)
        elif connection.closed:
            if exchange.reader is not None:
                exchange.reader.fail("reset", "the connection was closed before the request was sent", self.now())
            self.finish(exchange)
        else:
            connection.send(exchange)

    def _expire(self) -> None:
        self._expiry = None
        under_way, now = self._under_way, self.now()
        while under_way and (under_way[0].done or under_way[0].deadline <= now):
            exchange = under_way.popleft()
            if exchange.done or exchange.reader is None:
                continue
            exchange.reader.fail("timeout", f"no whole answer within {self._timeout:g} s", now)
            if exchange.connection is not None:
                exchange.connection.drop()
            if exchange.opening is not None:
                exchange.opening.cancel()
            self.finish(exchange)
        if under_way:
            self._expiry = self._loop.call_at(self.zero + under_way[0].deadline, self._expire)

    def _tidy_up(self) -> None:
        """Close a few connections that have been idle for too long. Never many at once: that takes time from requests."""
        now = self.now()
        for _ in range(8):
            if not (self._idle and (self._idle[0].closed or now - self._idle[0].idle_since > IDLE_SECONDS)):
                break
            self._idle.popleft().drop()
        while self._draining and self._draining[0][0] <= now:
            _, connection = self._draining.popleft()
            if connection.busy and connection.exchange is None and not connection.closed:
                connection.drop()
        self._tidy = self._loop.call_later(1.0, self._tidy_up)
