"""Embedders: what of a chunk is embedded, the real model, and a server that stalls, lies and breaks off."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from bakeoff.errors import BakeoffError, EndpointError
from bakeoff.models.rate_limit import Clock
from bakeoff.tasks.documents.index.embed import Embedder, open_embedder, text_to_embed
from bakeoff.tasks.documents.index.embed_endpoint import BATCH, EndpointEmbedder
from bakeoff.tasks.documents.records import Chunk, Piece

Reply = tuple[int, Any]
KEY = "sk-secret-0123456789"


class NoWaiting(Clock):
    """Waits are counted, not waited."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def wait(self, seconds: float, stop: Event) -> bool:
        self.waits.append(seconds)
        return False


class Server:
    """Answers ``/v1/embeddings`` as `reply` says; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.reply: Callable[[int, list[str]], Reply] = lambda number, texts: (200, vectors(texts))
        self.headers: dict[str, str] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.asked.append({"path": self.path, **body})
                server.keys.append(self.headers.get("Authorization"))
                status, reply = server.reply(len(server.asked), body["input"])
                raw = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
                self.send_response(status)
                for name, value in server.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def vectors(texts: list[str], dimensions: int = 3) -> dict[str, Any]:
    rows = [{"index": at, "embedding": [len(text) + 1.0, 1.0, *[0.5] * (dimensions - 2)]} for at, text in enumerate(texts)]
    return {"data": rows[::-1]}


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def make(server: Server, **more: Any) -> EndpointEmbedder:
    return EndpointEmbedder(server.url, "bge", clock=NoWaiting(), **more)


def test_an_endpoint_gives_unit_vectors_in_the_order_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    embedder = open_embedder(f"endpoint:{server.url}#org/bge-small@MY_KEY")
    assert isinstance(embedder, Embedder)
    assert (embedder.name, embedder.dimensions) == (f"endpoint:{server.url}#org/bge-small", 3)
    texts = ["x" * length for length in range(2 * BATCH + 5, 0, -1)]
    found = embedder.encode(texts)
    assert found.shape == (len(texts), 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found[:, 0] / found[:, 1], [len(text) + 1 for text in texts], rtol=1e-5)
    assert [len(each["input"]) for each in server.asked] == [1, BATCH, BATCH, 5]
    assert {each["path"] for each in server.asked} == {"/v1/embeddings"}
    assert {each["model"] for each in server.asked} == {"org/bge-small"}
    assert set(server.keys) == {f"Bearer {KEY}"}
    assert embedder.encode([]).shape == (0, 3)


def test_no_key_is_sent_where_there_is_none_and_an_empty_text_is_not_sent_empty(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    make(server).encode([""])
    assert set(server.keys) == {None}
    assert server.asked[-1]["input"] == [" "]


@pytest.mark.parametrize("status", [429, 500, 503, 408])
def test_a_passing_failure_is_tried_again(server: Server, status: int) -> None:
    server.reply = lambda number, texts: (status, {}) if number == 1 else (200, vectors(texts))
    server.headers = {"Retry-After": "2"}
    clock = NoWaiting()
    assert EndpointEmbedder(server.url, "bge", clock=clock).dimensions == 3
    assert clock.waits == [2.0]


def test_a_lasting_failure_ends_after_the_attempts_given(server: Server) -> None:
    server.reply = lambda number, texts: (500, {})
    with pytest.raises(EndpointError, match="HTTP 500"):
        make(server, attempts=3)
    assert len(server.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 307])
def test_what_no_waiting_helps_against_is_not_tried_again_and_shows_no_key(
    server: Server, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.reply = lambda number, texts: (status, {"error": {"message": f"bad key {KEY}"}})
    server.headers = {"Location": "http://127.0.0.1:9/elsewhere"}
    with pytest.raises(EndpointError, match=f"HTTP {status}") as caught:
        make(server)
    assert KEY not in str(caught.value)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "reply",
    [
        {"data": []},
        {"data": [{"embedding": [1.0, 2.0, 3.0]}, {"embedding": [1.0, 2.0, 3.0]}]},
        {"data": [{"index": 0, "embedding": []}]},
        {"data": [{"index": 9, "embedding": [1.0, 2.0, 3.0]}]},
        {"data": [{"index": 0, "embedding": "AAAA"}]},
        {"data": [{"index": 0, "embedding": [0.0, 0.0, 0.0]}]},
        {"data": [{"index": 0, "embedding": [math.nan, 1.0, 1.0]}]},
        {"data": [{"index": 0, "embedding": [math.inf, 1.0, 1.0]}]},
        {"data": [7]},
        {"vectors": []},
        [],
        b"not json",
        b"[" * 100_000,
    ],
)
def test_what_are_no_vectors_is_refused(server: Server, reply: Any) -> None:
    embedder = make(server)
    server.reply = lambda number, texts: (200, reply)
    with pytest.raises(EndpointError, match=r"gave (something|a vector)"):
        embedder.encode(["one"])


def test_vectors_of_other_dimensions_are_refused(server: Server) -> None:
    embedder = make(server)
    server.reply = lambda number, texts: (200, vectors(texts, 4))
    with pytest.raises(EndpointError, match="4 dimensions after vectors of 3"):
        embedder.encode(["one"])


def test_a_server_that_is_not_there_is_an_error_with_its_address() -> None:
    with pytest.raises(EndpointError, match="ConnectError"):
        EndpointEmbedder("http://127.0.0.1:9/v1", "bge", attempts=2, clock=NoWaiting())


@pytest.mark.parametrize(
    "spec",
    ["endpoint:", "endpoint:http://localhost:1/v1", "endpoint:#model", "endpoint:ftp://a/v1#m", "endpoint:http://u:p@a/v1#m"],
)
def test_an_endpoint_that_cannot_be_understood_is_refused(spec: str) -> None:
    with pytest.raises(BakeoffError):
        open_embedder(spec)


def chunk(kind: Any, text: str, table: int | None = None) -> Chunk:
    return Chunk(0, kind, text, "Report\nNotes", (Piece(0, len(text), 1, 0),), table)


def test_running_text_is_embedded_whole_and_of_tables_only_words_and_years() -> None:
    assert (
        text_to_embed(chunk("text", "Sales were $5,363 million (up 3%).")) == "Report\nNotes\nSales were $5,363 million (up 3%)."
    )
    row = chunk("row", "Net sales | 2022 | $ 14,694 USD million | Level 1 | (2.5) % | COVID-19", 0)
    assert text_to_embed(row) == "Report\nNotes\nNet sales 2022 Level COVID-19"
    whole = chunk("text", "\t2022\t2021\nCash\t5,510\t(1,292)\nForm 10-K", 0)
    assert text_to_embed(whole) == "Report\nNotes\n2022 2021 Cash Form 10-K"
    bare = Chunk(0, "text", "Words.", "", (Piece(0, 6, 1, 0),))
    assert text_to_embed(bare) == "Words."


@pytest.mark.model
def test_the_catalogues_model_puts_like_near_like_whatever_stands_beside_it(real_assets: Path) -> None:
    embedder = open_embedder("minilm-int8")
    assert isinstance(embedder, Embedder)
    texts = ["How many people work there?", "The company has 3,000 employees.", "Rain is expected in the north.", "word " * 400]
    found = embedder.encode(texts)
    assert found.shape == (4, embedder.dimensions)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert found[0] @ found[1] > found[0] @ found[2]
    assert np.array_equal(embedder.encode(texts[1:2])[0], found[1])
