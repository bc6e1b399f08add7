"""One HTTP/1.1 connection: requests out as they are, responses parsed by httptools and handed on as they come.

httptools is llhttp, the parser of Node.js. Each piece of a response is stamped when it was read from the socket. A response
ends where its length or its chunks say, or with the connection; one that ends in any other way has failed.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Protocol, cast

from bakeoff.load.result import Outcome
from bakeoff.models.chat_reply import shown

if TYPE_CHECKING:
    from bakeoff.load.http import Pool

LARGEST_RESPONSE = 4_000_000
"""Bytes of one response, headers included."""


class Reader(Protocol):
    """Reads one response. Never raises; `ended` turns True when its outcome is decided."""

    outcome: Outcome
    ended: bool

    def headers(self, status: int, media_type: bytes) -> None:
        """The status and the Content-Type."""

    def body(self, piece: bytes, now: float) -> None:
        """A piece of the body, read at `now` (seconds from the pool's zero)."""

    def end(self, now: float) -> None:
        """The response is whole. `ended` is True afterwards."""

    def fail(self, kind: str, says: str, now: float) -> None:
        """There will be no more. `ended` is True afterwards; does nothing if it was before."""


class Exchange:
    """One request on its way."""

    __slots__ = ("connection", "deadline", "done", "opening", "reader", "request")

    def __init__(self, request: bytes, reader: Reader, deadline: float) -> None:
        self.request = request
        self.reader: Reader | None = reader
        self.deadline = deadline
        self.connection: Connection | None = None
        self.opening: asyncio.Task[None] | None = None
        self.done = False


class Connection(asyncio.BufferedProtocol):
    """One connection: idle, in use by one exchange, or draining the end of a response whose outcome is decided."""

    def __init__(self, pool: Pool) -> None:
        from httptools import HttpResponseParser

        self._pool = pool
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.Transport
        self.exchange: Exchange | None = None
        self.busy = False
        self.closed = False
        self.idle_since = 0.0
        self._now = 0.0
        self._size = 0
        self._status = 0
        self._media_type = b""
        self._framed = False
        self._in_body = False
        self._whole = False
        self._extra = False
        self._keeps = False

    def send(self, exchange: Exchange) -> None:
        """Write the request of `exchange` now."""
        self.exchange = exchange
        exchange.connection = self
        self.busy = True
        self._size = 0
        self._status = 0
        self._in_body = self._whole = self._extra = False
        self._transport.write(exchange.request)

    def drop(self) -> None:
        """Cut the connection. Its exchange, if any, is the caller's business."""
        self.closed = True
        self.exchange = None
        self._transport.abort()

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport and turn Nagle's algorithm off."""
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pool.connections.add(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """One buffer for all connections: what is read is used up before anything else is read."""
        return self._pool.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what was read, and end the exchange if that decided it."""
        pool = self._pool
        self._now = now = pool.now()
        if self.closed:
            return
        if not self.busy:
            self.drop()  # a server that speaks without being asked
            return
        self._size += nbytes
        exchange = self.exchange
        reader = exchange.reader if exchange is not None else None
        if self._size > LARGEST_RESPONSE:
            if reader is not None:
                reader.fail("too_large", f"larger than {LARGEST_RESPONSE:,} bytes", now)
            self._broken(exchange)
            return
        try:
            self._parser.feed_data(pool.buffer[:nbytes])
        except pool.parser_errors as error:
            if not self._whole:
                if reader is not None:
                    reader.fail("bad_http", shown(error), now)
                self._broken(exchange)
                return
            self._extra = True
        if self._whole:
            self._free(exchange, now)
        elif exchange is not None and reader is not None and reader.ended:
            # Decided before the response is whole ("[DONE]" has come, the rest has not).
            self.exchange = None
            pool.finish(exchange)
            pool.drain(self)

    def eof_received(self) -> bool:
        """Let the transport close."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """A response that ends with the connection is whole; any other exchange has failed."""
        self.closed = True
        pool = self._pool
        pool.connections.discard(self)
        exchange, self.exchange = self.exchange, None
        if exchange is None or exchange.reader is None:
            return
        now = pool.now()
        if exc is None and self._in_body and not self._framed:
            exchange.reader.end(now)
        else:
            where = "in the middle of the response" if self._status else "before the response began"
            why = f" ({shown(exc, 80)})" if exc is not None else ""
            exchange.reader.fail("reset", f"the connection was closed {where}{why}", now)
        pool.finish(exchange)

    # httptools calls these.

    def on_message_begin(self) -> None:
        """A response begins; a second one was not asked for."""
        if self._whole:
            self._extra = True
            return
        self._framed = False
        self._media_type = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep what says where the body ends and what it is."""
        length = len(name)
        if self._whole or length not in (12, 14, 17):
            return
        name = name.lower()
        if name in (b"content-length", b"transfer-encoding"):
            self._framed = True
        elif name == b"content-type":
            self._media_type = value.lower()

    def on_headers_complete(self) -> None:
        """Tell the reader the status. Interim responses (1xx) are passed over."""
        if self._whole:
            return
        status = self._parser.get_status_code()
        if status >= 200:
            self._status = status
            self._in_body = True
            if self.exchange is not None and self.exchange.reader is not None:
                self.exchange.reader.headers(status, self._media_type)

    def on_body(self, piece: bytes) -> None:
        """Hand on a piece of the body."""
        exchange = self.exchange
        if not self._whole and exchange is not None and exchange.reader is not None and not exchange.reader.ended:
            exchange.reader.body(piece, self._now)

    def on_message_complete(self) -> None:
        """The response is whole."""
        if self._whole or not self._in_body:
            return
        self._whole = True
        self._keeps = self._parser.should_keep_alive()  # known only here: the parser forgets it afterwards
        exchange = self.exchange
        if exchange is not None and exchange.reader is not None and not exchange.reader.ended:
            exchange.reader.end(self._now)

    def _broken(self, exchange: Exchange | None) -> None:
        self.drop()
        if exchange is not None:
            self._pool.finish(exchange)

    def _free(self, exchange: Exchange | None, now: float) -> None:
        self.exchange = None
        if self._extra or not self._keeps:
            self.drop()
        else:
            self.busy = False
            self._pool.release(self, now)
        if exchange is not None:
            self._pool.finish(exchange)
