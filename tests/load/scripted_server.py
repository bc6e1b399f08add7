"""Servers whose times are known beforehand, for tests of the load generator.

`serving(Law(...))` is a streaming chat server in a process of its own, with exact timers: request i in order of arrival takes
the i-th service time of its law, first come first served. `truth` says what a perfect client would have measured, from the
schedule and the service times alone (Lindley's recursion): it never looks at the server or at the client.

`raw_server` answers with bytes that a test gives, cut and spaced as the test says, and breaks off where it says.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.load.clock import ExactLoop, at_once

MOST_DRAWS = 200_000


@dataclass(frozen=True)
class Law:
    """How long the server takes.

    Service of request i: `seconds` on average (by `kind`), ten times as long for every 20th where `stragglers`. The first of
    `tokens` tokens comes after `first_share` of it, the last at its end, the others evenly between.

    There are `queues` single servers, first come first served, and request i goes to one of them that was drawn beforehand:
    a Poisson stream that is split so is `queues` independent Poisson streams, so with exponential times each is an M/M/1
    queue. More of them give more requests per second at the same load. With 0 queues all requests are served at once.

    No request begins while the server stalls, from `stall_at` (seconds after the first arrival) on for `stall_seconds`.
    """

    kind: str = "constant"
    seconds: float = 0.05
    queues: int = 1
    tokens: int = 2
    first_share: float = 0.5
    stragglers: bool = False
    stall_at: float = 0.0
    stall_seconds: float = 0.0
    seed: int = 0

    def services(self, n: int) -> NDArray[np.float64]:
        """The service times of the first n requests; shape (n,), seconds."""
        rng = np.random.default_rng(self.seed)
        drawn = rng.exponential(self.seconds, n) if self.kind == "exponential" else np.full(n, self.seconds)
        if self.stragglers:
            drawn[19::20] *= 10
        return drawn

    def assigned(self, n: int) -> NDArray[np.int64]:
        """The queue of each of the first n requests; shape (n,)."""
        return np.random.default_rng([self.seed, 1]).integers(0, max(self.queues, 1), n)

    def rate(self, load: float) -> float:
        """Requests per second that keep each queue busy for the share `load` of the time."""
        mean = self.seconds * (1 + 9 / 20 if self.stragglers else 1)
        return load * self.queues / mean

    def offsets(self, service: float) -> list[float]:
        """When its tokens come, in seconds after its service begins."""
        if self.tokens == 1:
            return [service]
        first = self.first_share * service
        return [first + (service - first) * number / (self.tokens - 1) for number in range(self.tokens)]


@dataclass(frozen=True)
class Truth:
    """Seconds from intended start, of each request in order; shape (n,) each."""

    first_token: NDArray[np.float64]
    total: NDArray[np.float64]
    service: NDArray[np.float64]


def truth(law: Law, arrivals: NDArray[np.float64]) -> Truth:
    """What a perfect client would measure for requests that arrive at `arrivals` (seconds, in order)."""
    services = law.services(len(arrivals))
    first, total, free = [], [], [-np.inf] * max(law.queues, 1)
    stall = arrivals[0] + law.stall_at if len(arrivals) else 0.0
    for arrived, service, queue in zip(arrivals, services, law.assigned(len(arrivals)), strict=True):
        begin = max(arrived, free[queue]) if law.queues else arrived
        if stall <= begin < stall + law.stall_seconds:
            begin = stall + law.stall_seconds
        free[queue] = begin + service
        tokens = law.offsets(service)
        first.append(begin + tokens[0] - arrived)
        total.append(begin + tokens[-1] - arrived)
    return Truth(np.array(first), np.array(total), services)


def true_percentile(times: NDArray[np.float64], quantile: float) -> float:
    """The percentile by nearest rank."""
    return float(np.sort(times)[int(np.ceil(quantile * len(times) - 1e-9)) - 1])


@contextmanager
def serving(law: Law) -> Iterator[str]:
    """The server in a process of its own; gives its base URL."""
    process = subprocess.Popen(
        [sys.executable, __file__, json.dumps(asdict(law))], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None and process.stdin is not None
        port = int(process.stdout.readline())
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()


class _Server:
    def __init__(self, law: Law) -> None:
        self.law = law
        self.loop = asyncio.get_running_loop()
        self.services = law.services(MOST_DRAWS).tolist()
        self.number = 0
        self.queues = law.assigned(MOST_DRAWS).tolist()
        self.free = [-np.inf] * max(law.queues, 1)
        self.stall = np.inf

    def arrived(self, connection: _Connection, path: bytes) -> None:
        now, law, loop = self.loop.time(), self.law, self.loop
        if self.number == 0:
            self.stall = now + law.stall_at
        service, queue = self.services[self.number], self.queues[self.number]
        self.number += 1
        begin = max(now, self.free[queue]) if law.queues else now
        if self.stall <= begin < self.stall + law.stall_seconds:
            begin = self.stall + law.stall_seconds
        self.free[queue] = begin + service
        if path == b"/v1/answer":
            loop.call_at(begin + service, connection.send, ANSWER)
            return
        last = law.tokens - 1
        for place, offset in enumerate(law.offsets(service)):
            loop.call_at(begin + offset, connection.send, (STREAM if place == 0 else b"") + (TOKEN if place < last else LAST))


def _chunk(*events: Any) -> bytes:
    text = "".join(f"data: {one if isinstance(one, str) else json.dumps(one)}\n\n" for one in events).encode()
    return b"%x\r\n%s\r\n" % (len(text), text)


_PIECE = {"choices": [{"index": 0, "delta": {"content": "token "}, "finish_reason": None}]}
_STOP = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
TOKEN = _chunk(_PIECE)
LAST = b""  # made in `_main`: it holds the number of tokens
_BODY = b'{"answers": [{"value": "yes", "probabilities": {"yes": 1.0}, "seconds": 0.0, "error": null}]}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)


class _Connection(asyncio.Protocol):
    def __init__(self, server: _Server) -> None:
        self.server = server
        self.rest = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.rest += data
        head, split, body = self.rest.partition(b"\r\n\r\n")
        found = re.search(rb"Content-Length: (\d+)", head)
        if split and found and len(body) >= int(found[1]):
            self.rest = body[int(found[1]) :]
            self.server.arrived(self, head.split(b" ", 2)[1])

    def send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)


async def _main(law: Law) -> None:
    global LAST
    usage = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": law.tokens}}
    LAST = _chunk(_PIECE, _STOP, usage, "[DONE]") + b"0\r\n\r\n"
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.bind(("127.0.0.1", 0))
    server = _Server(law)
    listening = await server.loop.create_server(lambda: _Connection(server), sock=sock, backlog=1024)
    print(sock.getsockname()[1], flush=True)
    await listening.serve_forever()


Step = bytes | float | str
"""Bytes to send, seconds to wait, or 'close' / 'reset' / 'hang'."""


@contextmanager
def raw_server(script: Sequence[Step], *, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server in a thread that answers every request on every connection by `script`; gives its base URL."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(64)
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def talk(plain: socket.socket) -> None:
        with plain, suppress(OSError), tls.wrap_socket(plain, server_side=True) if tls else plain as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not stop.is_set():
                if not _read_request(connection):
                    return
                for step in script:
                    if step == "reset":
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                        return
                    if step == "close":
                        return
                    if step == "hang":
                        stop.wait(30)
                    elif isinstance(step, float):
                        stop.wait(step)
                    elif isinstance(step, bytes):
                        connection.sendall(step)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                thread = threading.Thread(target=talk, args=(connection,), daemon=True)
                thread.start()
                threads.append(thread)

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    finally:
        stop.set()
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join(5)
        for thread in threads:
            thread.join(5)


def _read_request(connection: socket.socket) -> bool:
    rest = b""
    while True:
        piece = connection.recv(65_536)
        if not piece:
            return False
        rest += piece
        head, split, body = rest.partition(b"\r\n\r\n")
        found = re.search(rb"Content-Length: (\d+)", head)
        if split and found and len(body) >= int(found[1]):
            return True


if __name__ == "__main__":

    def leave_with_the_test() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=leave_with_the_test, daemon=True).start()
    gc.freeze()
    gc.disable()
    loop = ExactLoop()
    with at_once():
        loop.run_until_complete(_main(Law(**json.loads(sys.argv[1]))))
