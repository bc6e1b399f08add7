"""One client's connection, with the patience of a server that strangers talk to.

uvicorn waits for ever for the head of a request, reads a head of any length, and keeps what a client does not read for as
long as it likes. Here the head must arrive within `read_seconds` and 64 KiB, and a client that lets its answer lie for
`write_seconds` is hung up on, which ends its generation too.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from bakeoff.serve.problem import Problem

LARGEST_HEAD = 64 << 10
WRITE_BUFFER = 64 << 10
REASONS = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class Connection(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's protocol with limits. `read_seconds` and `write_seconds` are set on a subclass, one per server."""

    read_seconds = 10.0
    write_seconds = 30.0

    def connection_made(self, transport: Any) -> None:
        """Start the clock for the first request."""
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and watch over a head that is not whole yet."""
        cycle = self.cycle
        before = self._between_requests()
        super().data_received(data)
        if self.transport.is_closing():
            self._stop(head=True)
        elif not self._between_requests() or self.cycle is not cycle:
            self._stop(head=True)
            self._head_bytes = 0
        else:
            self._head_bytes = self._head_bytes + len(data) if before else 0
            if self._head_bytes > LARGEST_HEAD:
                self._refuse(
                    Problem(431, f"The head of the request is larger than {LARGEST_HEAD:,} bytes.", code="head_too_large")
                )
            elif self._head_timer is None:
                self._expect_head()

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        self._stop(write=True)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop(head=True, write=True)
        super().connection_lost(exc)

    @property
    def untouched(self) -> bool:
        """Whether no request has come by this connection yet."""
        return self.cycle is None

    def _between_requests(self) -> bool:
        # A response may be complete before its request is: then what comes is the rest of that body, and no head.
        return self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body)

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self.read_seconds, self._head_late)

    def _head_late(self) -> None:
        self._head_timer = None
        if not self._between_requests() or self.transport.is_closing():
            return
        if self._head_bytes:
            says = f"The head of the request did not arrive within {self.read_seconds:g} s."
            self._refuse(Problem(408, says, code="request_timeout"))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        self._stop(head=True)
        body = problem.encoded()
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (problem.status, REASONS[problem.status], len(body)) + body)
        self.transport.close()

    def _stop(self, *, head: bool = False, write: bool = False) -> None:
        if head and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        if write and self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
