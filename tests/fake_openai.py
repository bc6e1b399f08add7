"""A scripted OpenAI-compatible server on real sockets, which counts and charges what it serves.

In a test::

    with FakeOpenAI(script=lambda number, body: "stall" if number == 3 else "ok") as server:
        client = OpenAIClient(server.url, "fake-1", ...)

As a process of its own, for tests that kill its client::

    python tests/fake_openai.py --port 0 --delay 0.02      # prints its port; GET /stats tells what it counted
"""

from __future__ import annotations

import argparse
import json
import math
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BEHAVIOURS = {
    "ok": "the right label, as a stream or whole, as asked",
    "stall": "the request is read and nothing is sent for `stall_seconds`",
    "trickle": "one byte of the status line at a time, for ever",
    "slow": "a good answer, one piece each `delay` seconds",
    "429": "HTTP 429 with Retry-After: 0",
    "429 date": "HTTP 429 with Retry-After as a date",
    "quota": "HTTP 429 that no waiting helps against",
    "500": "HTTP 500",
    "400": "HTTP 400",
    "401": "HTTP 401 that echoes the key",
    "404": "HTTP 404",
    "redirect": "HTTP 307 to another host",
    "broken": "the stream ends in the middle, after it was charged",
    "no done": "a whole stream without [DONE]",
    "hang after done": "a whole stream, but the connection never ends",
    "stream error": "an error object in the middle of the stream",
    "disconnect": "the connection closes without a response, after it was charged",
    "usage missing": "no usage",
    "usage negative": "negative counts",
    "usage text": "counts that are words",
    "usage absurd": "a billion tokens",
    "usage zero": "0 tokens",
    "nonsense": "text that names no label",
    "both": "text that names every label",
    "html": "the label inside HTML, with a script",
    "refusal": "content null and a refusal",
    "null": "content null",
    "tool": "a tool call in place of content",
    "two": "two choices that differ",
    "empty": "an empty list of choices",
    "huge": "a body of 100 MB",
    "utf8": "bytes that are not UTF-8",
    "bomb": "JSON nested 100,000 deep",
    "garbage": "JSON that is cut off",
    "array": "JSON that is no object",
    "page": "an HTML page with status 200",
    "gzip": "a compressed body nobody asked for",
    "number": "content that is a number",
    "echo key": "the Authorization header, in the answer's text",
    "surrogate": "a lone surrogate in the answer's text",
}
NEVER_CHARGED = {"429", "429 date", "quota", "500", "400", "401", "404", "redirect"}


def default_rule(text: str) -> str:
    """The right label of a text: positive where it says "good"."""
    return "positive" if "good" in text else "negative"


class FakeOpenAI:
    """The server. `script` names the behaviour of each request: given its number (from 0) and its body.

    Counts: `received`, `delivered` (answers sent to their end), both by Idempotency-Key; `charged_in` and
    `charged_out` in tokens, for everything that was worked on, whether it arrived or not.
    """

    def __init__(
        self,
        script: Callable[[int, dict[str, Any]], str] | None = None,
        *,
        rule: Callable[[str], str] = default_rule,
        delay: float = 0.0,
        stall_seconds: float = 5.0,
        port: int = 0,
        logprobs: Callable[[str], list[dict[str, Any]]] | None = None,
    ) -> None:
        self.script, self.rule, self.delay, self.stall_seconds, self.logprobs = script, rule, delay, stall_seconds, logprobs
        self.lock = threading.Lock()
        self.received: Counter[str] = Counter()
        self.delivered: Counter[str] = Counter()
        self.behaviours: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.charged_in = self.charged_out = self.number = self.in_flight = self.most_in_flight = self.connections = 0
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Handler, bind_and_activate=False)
        # Without the protocol, Nagle's algorithm adds 44 ms to small answers.
        self._server.socket.close()
        self._server.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._server.request_queue_size = 64
        self._server.server_bind()
        self._server.server_activate()
        self._server.daemon_threads = True
        self._server.fake = self  # type: ignore[attr-defined]
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> FakeOpenAI:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.block_on_close = False
        self._server.server_close()

    def serve(self) -> None:
        """Serve in this thread until interrupted."""
        self._server.serve_forever(0.02)

    def stats(self) -> dict[str, Any]:
        """What was counted, as JSON."""
        with self.lock:
            return {
                "received": sum(self.received.values()),
                "delivered": sum(self.delivered.values()),
                "distinct_keys": len(self.received),
                "received_by_key": dict(self.received),
                "delivered_by_key": dict(self.delivered),
                "behaviours": dict(self.behaviours),
                "charged_in": self.charged_in,
                "charged_out": self.charged_out,
                "most_in_flight": self.most_in_flight,
                "connections": self.connections,
            }

    def usd(self, price_in: float, price_out: float) -> float:
        """What the client owes, at prices per million tokens."""
        return (self.charged_in * price_in + self.charged_out * price_out) / 1e6


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.fake: FakeOpenAI = self.server.fake  # type: ignore[attr-defined]
        with self.fake.lock:
            self.fake.connections += 1

    def log_message(self, *_: object) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def do_GET(self) -> None:
        self._whole(200, self.fake.stats() if self.path == "/stats" else {})

    def do_POST(self) -> None:
        fake = self.fake
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers.get("Idempotency-Key", "")
        with fake.lock:
            number, fake.number = fake.number, fake.number + 1
            behaviour = fake.script(number, body) if fake.script else "ok"
            fake.received[key] += 1
            fake.behaviours[behaviour] += 1
            fake.bodies.append(body)
            fake.headers.append(dict(self.headers))
            fake.in_flight += 1
            fake.most_in_flight = max(fake.most_in_flight, fake.in_flight)
        try:
            fake.closing.wait(fake.delay)
            if self._behave(behaviour, body):
                with fake.lock:
                    fake.delivered[key] += 1
        finally:
            with fake.lock:
                fake.in_flight -= 1

    def _behave(self, behaviour: str, body: dict[str, Any]) -> bool:
        """Act; True when an answer was sent to its end."""
        fake = self.fake
        if behaviour not in BEHAVIOURS:
            raise ValueError(behaviour)
        text = str(body["messages"][-1]["content"])
        said = {
            "nonsense": "Purple monkey dishwasher.",
            "both": "It is positive, or negative.",
            "html": "<b>" + fake.rule(text) + "</b><script>alert(1)</script>",
            "echo key": "the header was " + self.headers.get("Authorization", ""),
            "surrogate": fake.rule(text) + " \ud800",
        }.get(behaviour, fake.rule(text))
        usage: Any = {
            "prompt_tokens": math.ceil(len(json.dumps(body["messages"])) / 4),
            "completion_tokens": max(1, math.ceil(len(said) / 4)),
        }
        if behaviour not in NEVER_CHARGED:
            with fake.lock:
                fake.charged_in += usage["prompt_tokens"]
                fake.charged_out += usage["completion_tokens"]
        usage = {
            "usage missing": None,
            "usage negative": {"prompt_tokens": -5, "completion_tokens": 1},
            "usage text": {"prompt_tokens": "many", "completion_tokens": "few"},
            "usage absurd": {"prompt_tokens": 10**9, "completion_tokens": 10**9},
            "usage zero": {"prompt_tokens": 0, "completion_tokens": 0},
        }.get(behaviour, usage)
        if behaviour in ("stall", "disconnect", "trickle"):
            self.close_connection = True
            if behaviour == "stall":
                fake.closing.wait(fake.stall_seconds)
            while behaviour == "trickle" and not fake.closing.wait(0.02):
                self.wfile.write(b"H")
            return False
        if behaviour.isdigit() or behaviour in ("429 date", "quota", "redirect"):
            return self._refuse(behaviour)
        if behaviour in ("huge", "utf8", "bomb", "garbage", "array", "page", "gzip"):
            return self._raw(behaviour)
        message: dict[str, Any] = {"role": "assistant", "content": said}
        if behaviour in ("refusal", "null", "tool", "number"):
            message["content"] = 7 if behaviour == "number" else None
        if behaviour == "refusal":
            message["refusal"] = "I cannot help with that."
        if behaviour == "tool":
            message["tool_calls"] = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        if fake.logprobs and body.get("logprobs"):
            choices[0]["logprobs"] = {"content": fake.logprobs(text)}
        if behaviour == "two":
            choices.append({"index": 1, "message": {"role": "assistant", "content": "neither"}, "finish_reason": "stop"})
        if behaviour == "empty":
            choices = []
        whole = {"id": "x", "object": "chat.completion", "model": body["model"], "choices": choices, "usage": usage}
        return self._stream(behaviour, whole) if body.get("stream") else self._whole(200, whole, broken=behaviour == "broken")

    def _refuse(self, behaviour: str) -> bool:
        headers = {}
        if behaviour == "429":
            headers["Retry-After"] = "0"
        if behaviour == "429 date":
            headers["Retry-After"] = self.date_time_string(time.time() + 2)
        if behaviour == "redirect":
            headers["Location"] = "http://elsewhere.invalid/v1/chat/completions"
        status = {"429 date": 429, "quota": 429, "redirect": 307}.get(behaviour) or int(behaviour)
        error = {"message": f"refused with {status}: {self.headers.get('Authorization', '')}", "type": "fake"}
        if behaviour == "quota":
            error["code"] = "insufficient_quota"
        self._whole(status, {"error": error}, headers)
        return False

    def _raw(self, behaviour: str) -> bool:
        kind, encoding = "application/json", None
        content = {
            "utf8": b'{"choices": [{"message": {"content": "\xff\xfe"}}]}',
            "bomb": b'{"a":' + b"[" * 100_000,
            "garbage": b'{"choices": [{"mess',
            "array": b"[1, 2]",
            "page": b"<html><body>positive</body></html>",
            "gzip": b"\x1f\x8b",
        }.get(behaviour, b"")
        if behaviour == "page":
            kind = "text/html"
        if behaviour == "gzip":
            encoding = "gzip"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if encoding:
            self.send_header("Content-Encoding", encoding)
        if behaviour == "huge":
            # No length is given, so that only counting helps.
            self.close_connection = True
            self.send_header("Connection", "close")
            self.end_headers()
            for _ in range(1600):
                self.wfile.write(b" " * 65_536)
            return True
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        return True

    def _whole(self, status: int, body: Any, headers: dict[str, str] | None = None, *, broken: bool = False) -> bool:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = self.close_connection or broken
        self.wfile.write(content[: len(content) // 2] if broken else content)
        return not broken

    def _stream(self, behaviour: str, whole: dict[str, Any]) -> bool:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for choice in whole["choices"]:
            message = choice["message"]
            content = message.get("content")
            self._chunk({"choices": [{"index": choice["index"], "delta": {"role": "assistant"}}]})
            pieces: list[Any] = [content[:3], content[3:]] if isinstance(content, str) else [content]
            for place, piece in enumerate(pieces):
                if place and behaviour == "broken":
                    self.close_connection = True
                    return False
                if place and behaviour == "stream error":
                    self._chunk({"error": {"message": "overloaded", "code": 503}})
                    self._piece(b"")
                    return False
                if behaviour == "slow":
                    self.fake.closing.wait(self.fake.delay)
                delta = {"content": piece} | {name: message[name] for name in ("refusal", "tool_calls") if name in message}
                chunk: dict[str, Any] = {"index": choice["index"], "delta": delta}
                if not place and "logprobs" in choice:
                    chunk["logprobs"] = choice["logprobs"]
                self._chunk({"choices": [chunk]})
            self._chunk({"choices": [{"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]}]})
        if whole["usage"] is not None:
            self._chunk({"choices": [], "usage": whole["usage"]})
        if behaviour != "no done":
            self._piece(b"data: [DONE]\n\n")
        if behaviour == "hang after done":
            self.fake.closing.wait(self.fake.stall_seconds)
            self.close_connection = True
            return True
        self._piece(b"")
        return True

    def _chunk(self, event: dict[str, Any]) -> None:
        self._piece(b"data: " + json.dumps(event).encode() + b"\n\n")

    def _piece(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")


def mixed(weights: dict[str, float], seed: int) -> Callable[[int, dict[str, Any]], str]:
    """A script that draws each request's behaviour from `weights`; the same seed gives the same sequence."""
    draw = random.Random(seed)
    names, chances = list(weights), list(weights.values())
    return lambda number, body: draw.choices(names, chances)[0]


def main() -> None:
    """Serve as a process of its own."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    options.add_argument("--mix", default="", help='JSON of behaviour -> weight, e.g. {"ok": 9, "500": 1}')
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    server = FakeOpenAI(mixed(json.loads(given.mix), given.seed) if given.mix else None, delay=given.delay, port=given.port)
    print(server.port, flush=True)
    try:
        server.serve()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
