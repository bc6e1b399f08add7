"""Listening, draining and leaving: a served model on a socket until it is told to stop.

The first SIGTERM or SIGINT begins the drain. For a short lame-duck time the server still takes requests, while `/healthz`
says 503 and every answer carries `Connection: close`, so that clients and load balancers go elsewhere by themselves.
Then it stops listening, takes in the connections that the kernel has already accepted for it, finishes everything, and
leaves. A second signal leaves at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bakeoff.errors import BakeoffError, needs
from bakeoff.serve.page import example
from bakeoff.serve.served import Served
from bakeoff.serve.settings import ServerSettings

BACKLOG = 2048
SIGNALS = (signal.SIGTERM, signal.SIGINT)
SECONDS_FOR_LATE_REQUESTS = 0.25
"""How long a connection that has asked nothing yet may still do so after the server stopped listening."""
SECONDS_TO_TELL = 1.0
"""How long clients may take to read that the server stopped before their request was done."""


@dataclass(frozen=True)
class Listening:
    """A server that is ready. `drain` tells it to stop, from any thread, as a signal would; `example` is something to ask it."""

    url: str
    models: tuple[str, ...]
    pid: int
    drain: Callable[[], None]
    example: str


def serve(served: Served, settings: ServerSettings, *, ready: Callable[[Listening], None]) -> bool:
    """Serve until told to stop. `ready` is called once, when requests can be sent.

    Returns
    -------
    bool
        True where every accepted request was finished; False where the time to drain was over before.

    Raises
    ------
    BakeoffError
        If the packages are missing, the address cannot be bound, or the server would be open to others without a token.
    """
    needs("starlette", "uvicorn", "httptools", "prometheus_client", extra="serve", why="`bakeoff serve`")
    token = settings.token()
    listener = bind(settings)
    try:
        return _Running(served, settings, listener, token, ready).run()
    finally:
        listener.close()


def bind(settings: ServerSettings) -> socket.socket:
    """A listening socket, with Nagle's delay off where the platform takes it from the listener.

    Raises
    ------
    BakeoffError
        If the port is taken or not allowed, or the host is not of this machine.
    """
    host, port = settings.host, settings.port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        raise BakeoffError(f"There is no address {host!r}: {error}.", fix="use --host 127.0.0.1") from error
    # Without the protocol, asyncio leaves Nagle's algorithm on, which adds 44 ms to small answers.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise BakeoffError(
                f"Port {port} of {host} is taken.", fix="choose another with --port, or 0 for any free one"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise BakeoffError(f"Port {port} needs rights that you do not have.", fix="choose a port above 1023") from error
        raise BakeoffError(f"{host}:{port} cannot be bound: {error.strerror}.", fix="use --host 127.0.0.1") from error
    return listener


class _Running:
    """One server, from its first request to its last."""

    def __init__(
        self,
        served: Served,
        settings: ServerSettings,
        listener: socket.socket,
        token: str | None,
        ready: Callable[[Listening], None],
    ) -> None:
        from bakeoff.serve.app import application
        from bakeoff.serve.desk import Desk
        from bakeoff.serve.edge import State

        self._settings, self._listener, self._ready = settings, listener, ready
        self._state = State()
        self._desk = Desk(served, settings, self._state)
        self._app = application(self._desk, token=token)
        self._complete = True

    def run(self) -> bool:
        import uvicorn

        from bakeoff.serve.connection import Connection

        settings = self._settings
        limits = {"read_seconds": settings.read_seconds, "write_seconds": settings.request_seconds}
        config = uvicorn.Config(
            self._app,
            http=type("Connection", (Connection,), limits),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=None,
        )
        self._desk.thread.start()
        try:
            _server(self, config).run(sockets=[self._listener])
        finally:
            self._complete = self._desk.thread.stop(1.0) and self._complete
        return self._complete

    # -- called by the server, in its loop ----------------------------------------------------------------------

    def begun(self, begin_drain: Callable[[], None]) -> None:
        """The socket is served: say so."""
        loop = asyncio.get_running_loop()
        host, port = self._settings.host, self._listener.getsockname()[1]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

        def drain() -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(begin_drain)

        self._ready(Listening(url, tuple(self._desk.models), os.getpid(), drain, example(self._desk.served)))

    async def lame_duck(self) -> None:
        """Say that the server is about to stop, and wait for clients to hear it."""
        self._state.draining = True
        await asyncio.sleep(self._settings.lame_duck_seconds)

    async def drained(self, busy: Callable[[], bool], abort: Callable[[], None]) -> None:
        """Wait until nothing is in work; once the time is over, tell those who still wait and hang up."""
        self._state.draining = True
        if not await _until_not(busy, self._settings.drain_seconds):
            self._complete = False
            self._desk.give_up()
            if not await _until_not(busy, SECONDS_TO_TELL):
                abort()


async def _until_not(busy: Callable[[], bool], seconds: float) -> bool:
    deadline = asyncio.get_running_loop().time() + seconds
    while busy():
        if asyncio.get_running_loop().time() >= deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def _server(running: _Running, config: Any) -> Any:
    """uvicorn's server with our own way to stop: its own dies of the signal, and resets what the kernel had accepted."""
    import uvicorn

    class Server(uvicorn.Server):
        _draining: asyncio.Task[None] | None = None
        _told = False

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            loop = asyncio.get_running_loop()
            for number in SIGNALS:
                loop.add_signal_handler(number, self._signalled, number)
            try:
                yield
            finally:
                for number in SIGNALS:
                    loop.remove_signal_handler(number)

        def _signalled(self, number: int) -> None:
            if self._told:
                os._exit(128 + number)
            self._told = True
            self.begin_drain()

        def begin_drain(self) -> None:
            if self._draining is None:
                self._draining = asyncio.get_running_loop().create_task(self._drain())

        async def _drain(self) -> None:
            await running.lame_duck()
            self.should_exit = True

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            running.begun(self.begin_drain)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            # A second handle on the socket keeps it open while what the kernel had accepted is taken in.
            spares = [sock.dup() for sock in sockets or []]
            for server in self.servers:
                server.close()
            for spare in spares:
                await self._take_in(spare)
                spare.close()
            connections: Any = self.server_state.connections
            await _until_not(lambda: any(c.untouched for c in connections), SECONDS_FOR_LATE_REQUESTS)
            for connection in list(connections):
                connection.shutdown()

            def abort() -> None:
                for connection in list(connections):
                    connection.transport.abort()

            await running.drained(lambda: bool(connections or self.server_state.tasks), abort)

        async def _take_in(self, listener: socket.socket) -> None:
            loop = asyncio.get_running_loop()
            taken = []
            with contextlib.suppress(OSError):
                while True:
                    taken.append(listener.accept()[0])
            listener.close()
            for client in taken:
                client.setblocking(False)
                with contextlib.suppress(OSError):
                    await loop.connect_accepted_socket(self._connection, client)

        def _connection(self) -> asyncio.Protocol:
            made: Any = self.config.http_protocol_class
            return made(config=self.config, server_state=self.server_state, app_state={}, _loop=asyncio.get_running_loop())

    return Server(config)
