"""Small approaches, and a server for them on a real socket, in a thread or (run as a program) in a process of its own::

python tests/serve/small_server.py instant --queue 100      # prints {"url", "models", "pid"}
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx

from bakeoff.contract import Answer, Item
from bakeoff.errors import BakeoffError
from bakeoff.serve.served import Served
from bakeoff.serve.server import Listening, serve
from bakeoff.serve.settings import ServerSettings


class Small:
    """Answers 'good' where the text says so. Notes the batches that it was asked."""

    def __init__(self, seconds: float = 0.0, *, notes: bool = True) -> None:
        self.seconds, self.notes = seconds, notes
        self.batches: list[list[str]] = []

    def fit(self, train: Any, valid: Any = (), *, seed: int = 0, progress: Any = None) -> Small:
        return self

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        asked = list(items)
        if self.notes:
            self.batches.append([item.input for item in asked])
        if self.seconds:
            time.sleep(self.seconds)
        for item in asked:
            yield self.one(item)

    def one(self, item: Item) -> Answer:
        good = "good" in item.input
        return Answer("good" if good else "bad", probabilities={"bad": 0.9 - 0.8 * good, "good": 0.1 + 0.8 * good})


class Gated(Small):
    """Answers only once it is let to."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.began = threading.Event()

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        self.began.set()
        self.gate.wait(30)
        yield from super().answer(items)


class Unruly(Small):
    """Does what the text says: raises, gives too few or too many answers, or something that is no answer."""

    def answer(self, items: Iterable[Item]) -> Iterator[Any]:
        for item in items:
            text = item.input
            if text == "raise":
                raise RuntimeError("out of cheese")
            if text == "fixable":
                raise BakeoffError("The text is too odd.", fix="send another")
            if text == "die":
                raise SystemExit("gone for good")
            if text == "few":
                return
            if text == "many":
                yield self.one(item)
            yield {
                "odd": {"not": "an answer"},
                "nan": Answer(float("nan")),
                "chances": Answer("good", probabilities={"good": 0.9, "bad": 0.9}),
                "none": Answer(),
                "object": Answer(object()),
                "surrogate": Answer("half \ud800"),
                "error": Answer(error="no idea"),
                "abstain": Answer(abstained=True),
                "list": Answer([1, {"a": None}]),
                "counted": Answer("good", seconds=0.5, tokens_in=7, tokens_out=2),
            }.get(text, self.one(item))


class Streaming(Small):
    """Writes ten words, waiting before each; notes how many it really wrote."""

    def __init__(self, seconds: float = 0.0, words: int = 10, size: int = 1) -> None:
        super().__init__(seconds)
        self.words, self.size = words, size
        self.written = 0
        self.closed = threading.Event()

    def stream(self, item: Item) -> Iterator[str | Answer]:
        said = ""
        try:
            for number in range(self.words):
                if item.input == "break" and number == 3:
                    raise RuntimeError("the pen broke")
                time.sleep(self.seconds)
                piece = f"w{number} " * self.size
                self.written += 1
                said += piece
                yield piece
            answer = Answer(error="gave up") if item.input == "fail" else Answer("good", tokens_in=3, tokens_out=self.words)
            yield answer
        finally:
            self.closed.set()


class Running:
    """A server in a thread."""

    def __init__(self, listening: Listening, thread: threading.Thread, result: list[Any]) -> None:
        self.listening, self.thread, self.result = listening, thread, result
        self.url = listening.url
        self.port = urlsplit(self.url).port or 0
        self.client = httpx.Client(base_url=self.url, timeout=30)

    def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return self.client.post(path, json=body, **more)

    def answer(self, *texts: str) -> list[dict[str, Any]]:
        reply = self.post("/v1/answer", {"items": list(texts)})
        assert reply.status_code == 200, reply.text
        found: list[dict[str, Any]] = reply.json()["answers"]
        return found

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.partition("{")[0].partition(" ")[0] == name)

    def connect(self, *, receive_buffer: int | None = None) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        if receive_buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        made.settimeout(30)
        made.connect(("127.0.0.1", self.port))
        return made

    def raw(self, data: bytes) -> bytes:
        """Everything that comes back for these bytes, until the server closes."""
        with self.connect() as made:
            made.sendall(data)
            found = b""
            while piece := made.recv(65_536):
                found += piece
        return found


@contextlib.contextmanager
def running(served: Any, **settings: Any) -> Iterator[Running]:
    """A server for an approach (or a Served) until the block ends; it must end well."""
    what = served if isinstance(served, Served) else Served("small", served)
    chosen = ServerSettings(**{"port": 0, "lame_duck_seconds": 0.0, "drain_seconds": 10, **settings})
    there: list[Listening] = []
    result: list[Any] = []
    begun = threading.Event()

    def ready(listening: Listening) -> None:
        there.append(listening)
        begun.set()

    def run() -> None:
        try:
            result.append(serve(what, chosen, ready=ready))
        except BaseException as error:
            result.append(error)
        finally:
            begun.set()

    thread = threading.Thread(target=run)
    thread.start()
    begun.wait(30)
    if not there:
        raise result[0]
    server = Running(there[0], thread, result)
    try:
        yield server
    finally:
        server.client.close()
        there[0].drain()
        thread.join(40)
        assert not thread.is_alive(), "the server did not end"


def request_bytes(path: str, body: bytes, *, more: str = "", length: int | None = None) -> bytes:
    """A POST as it goes over the wire."""
    size = len(body) if length is None else length
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n{more}\r\n"
    return head.encode() + body


def wait_until(true: Any, seconds: float = 10.0) -> None:
    """Wait for something that must become true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.01)


def main() -> None:
    """A server in this process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("approach", choices=["instant", "slow", "streaming"])
    parser.add_argument("--seconds", type=float, default=0.01)
    parser.add_argument("--queue", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lame-duck", type=float, default=0.5)
    parser.add_argument("--drain", type=float, default=20.0)
    given = parser.parse_args()
    made = {"instant": Small(notes=False), "slow": Small(given.seconds, notes=False), "streaming": Streaming(given.seconds)}[
        given.approach
    ]
    settings = ServerSettings(
        port=0, max_queue=given.queue, max_batch=given.batch, lame_duck_seconds=given.lame_duck, drain_seconds=given.drain
    )

    def ready(listening: Listening) -> None:
        print(json.dumps({"url": listening.url, "models": listening.models, "pid": listening.pid}), flush=True)

    complete = serve(Served("small", made), settings, ready=ready)
    sys.stdout.flush()
    os._exit(0 if complete else 1)


if __name__ == "__main__":
    main()
