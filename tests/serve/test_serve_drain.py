"""Stopping: SIGTERM under load loses no accepted request, streams are finished, and it ends in time. Real processes, real signals."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from small_server import Gated, Small, Streaming, request_bytes, running, wait_until

CHAT = "/v1/chat/completions"
PROGRAM = [sys.executable, str(Path(__file__).parent / "small_server.py")]
BODY = json.dumps({"items": ["good"]})


class Process:
    """A server in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr and self.process.stderr.read()
        self.url = str(json.loads(line)["url"])
        self.port = urlsplit(self.url).port or 0

    def end(self) -> int:
        return self.process.wait(60)


@contextmanager
def process(*arguments: str) -> Iterator[Process]:
    made = Process(*arguments)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.kill()
        made.process.communicate()


def send_until_refused(port: int, counts: Counter[str], lock: threading.Lock, *, keep: bool) -> None:
    """Ask again and again, on one connection or on a new one each time, until the port takes no more connections."""
    connection: http.client.HTTPConnection | None = None
    while True:
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.connect()
            except ConnectionRefusedError:
                return
            except OSError:
                # Reset while the kernel shook hands: it was never accepted.
                connection = None
                continue
        try:
            connection.request("POST", "/v1/answer", BODY, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            outcome = "ok" if reply.status == 200 and b'"value":"good"' in reply.read() else f"status {reply.status}"
            again = keep and reply.getheader("Connection", "").lower() != "close"
        except OSError as error:
            outcome, again = f"lost: {type(error).__name__}", False
        except http.client.HTTPException as error:
            outcome, again = f"lost: {type(error).__name__}", False
        with lock:
            counts[outcome] += 1
        if not again:
            connection.close()
            connection = None


def test_sigterm_under_load_loses_no_accepted_request() -> None:
    counts: Counter[str] = Counter()
    lock = threading.Lock()
    with process("slow", "--seconds", "0.01", "--lame-duck", "0.5") as server:
        senders = [
            threading.Thread(target=send_until_refused, args=(server.port, counts, lock), kwargs={"keep": number % 2 == 0})
            for number in range(12)
        ]
        for sender in senders:
            sender.start()
        wait_until(lambda: counts["ok"] > 50)
        before = counts["ok"]
        server.process.send_signal(signal.SIGTERM)
        for sender in senders:
            sender.join(60)
        assert server.end() == 0
    assert set(counts) == {"ok"}, counts
    assert counts["ok"] > before  # it went on answering while it drained


def test_while_it_drains_health_says_so_and_answers_end_their_connection() -> None:
    with process("instant", "--lame-duck", "1.5") as server, httpx.Client(base_url=server.url) as client:
        assert client.get("/healthz").status_code == 200
        server.process.send_signal(signal.SIGINT)
        wait_until(lambda: client.get("/healthz").status_code == 503)
        health = client.get("/healthz")
        assert health.json()["status"] == "draining"
        reply = client.post("/v1/answer", json={"items": ["good"]})
        assert reply.status_code == 200 and reply.headers["connection"] == "close"
        assert server.end() == 0


def test_a_stream_is_finished_before_it_leaves() -> None:
    with process("streaming", "--seconds", "0.15", "--lame-duck", "0") as server:
        body = {"messages": [{"role": "user", "content": "x"}], "stream": True}
        with httpx.stream("POST", server.url + CHAT, json=body, timeout=30) as reply:
            lines = reply.iter_lines()
            while "w0" not in next(lines):
                pass
            server.process.send_signal(signal.SIGTERM)
            rest = "\n".join(lines)
        assert "w9" in rest and rest.rstrip().endswith("[DONE]")
        assert server.end() == 0


def test_the_time_to_drain_is_bounded_and_clients_are_told() -> None:
    with process("slow", "--seconds", "30", "--lame-duck", "0", "--drain", "0.5") as server:
        found: list[httpx.Response] = []
        asking = threading.Thread(
            target=lambda: found.append(httpx.post(server.url + "/v1/answer", json={"items": ["x"]}, timeout=20))
        )
        asking.start()
        wait_until(lambda: httpx.get(server.url + "/healthz").json()["in_flight"] == 2)
        server.process.send_signal(signal.SIGTERM)
        assert server.end() == 1
        asking.join(10)
        assert found[0].status_code == 503 and found[0].json()["error"]["code"] == "stopping"


def test_a_second_signal_leaves_at_once() -> None:
    with process("slow", "--seconds", "60", "--lame-duck", "30") as server:
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: httpx.get(server.url + "/healthz").status_code == 503)
        server.process.send_signal(signal.SIGTERM)
        assert server.end() == 128 + signal.SIGTERM


def test_what_the_kernel_has_accepted_is_answered_too() -> None:
    approach = Gated()
    with running(approach, window_ms=0) as server:
        held: list[Any] = []
        asking = threading.Thread(target=lambda: held.append(server.post("/v1/answer", {"items": ["first"]})))
        asking.start()
        assert approach.began.wait(10)
        # Connected, but silent until the server has stopped listening.
        late = [server.connect() for _ in range(5)]
        server.listening.drain()
        wait_until(lambda: _refused(server.port))
        for client in late:
            client.sendall(request_bytes("/v1/answer", BODY.encode()))
        approach.gate.set()
        for client in late:
            reply = client.recv(65_536)
            client.close()
            assert reply.startswith(b"HTTP/1.1 200 ") and b"connection: close" in reply.lower()
        asking.join(30)
        assert held[0].status_code == 200


def _refused(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) != 0


def test_an_idle_connection_does_not_hold_it_up() -> None:
    with running(Small(), drain_seconds=20) as server:
        server.answer("good")
        idle = server.connect()
        began = time.monotonic()
        server.listening.drain()
        server.thread.join(15)
        assert not server.thread.is_alive() and time.monotonic() - began < 15
        assert server.result == [True]
        assert idle.recv(100) == b""
        idle.close()


def test_a_client_that_never_reads_is_cut_off_when_the_time_is_over() -> None:
    with running(Streaming(words=300, size=8000), drain_seconds=0.3) as server:
        client = server.connect(receive_buffer=4096)
        body = json.dumps({"messages": [{"role": "user", "content": "x"}], "stream": True}).encode()
        client.sendall(request_bytes(CHAT, body))
        wait_until(lambda: server.metric("bakeoff_in_flight_requests") == 2)
        server.listening.drain()
        server.thread.join(15)
        assert server.result == [False]
        client.close()
