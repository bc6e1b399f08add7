"""The HTTP client of the load generator: every way in which a server can fail ends as exactly one outcome, and nothing hangs."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from scripted_server import raw_server

from bakeoff.errors import EndpointError
from bakeoff.load.clock import ExactLoop
from bakeoff.load.connection import LARGEST_RESPONSE, Connection, Exchange
from bakeoff.load.generator import run_step
from bakeoff.load.http import Origin, Pool
from bakeoff.load.readers import ChatReader
from bakeoff.load.result import ERROR_KINDS, Outcome, StepResult, StepSpec
from bakeoff.load.targets import AnswerTarget, ChatTarget

TOKEN = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
WHOLE = b'{"choices": [{"message": {"content": "hi"}}]}'


DRIP = [piece for byte in STREAM for piece in (bytes([byte]), 0.02)]


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


def plain(status: bytes, body: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s" % (status, more, len(body), body)


CHUNKED = STREAM + b"Transfer-Encoding: chunked\r\n\r\n"
GOOD = CHUNKED + chunk(TOKEN) + chunk(END) + b"0\r\n\r\n"


def ask(url: str, *, requests: int = 3, timeout: float = 5.0, **more: Any) -> StepResult:
    spec = StepSpec("single_stream", requests=requests, timeout_seconds=timeout)
    return run_step(ChatTarget(url, "m", ["hello"], **more), spec)


@pytest.mark.parametrize(
    "script",
    [
        [GOOD],
        [GOOD[:20], 0.01, GOOD[20:150], 0.01, GOOD[150:]],
        [bytes([byte]) for byte in GOOD],
        [b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD],
        [CHUNKED + chunk(TOKEN), chunk(END), 0.02, b"0\r\n\r\n"],
        [STREAM + b"Content-Length: %d\r\n\r\n" % len(TOKEN + END), TOKEN, END],
        [STREAM + b"\r\n" + TOKEN + END, "close"],
        [STREAM + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(TOKEN + END) + b"0\r\n\r\n", "close"],
        [STREAM.replace(b"1.1", b"1.0") + b"\r\n" + TOKEN + END, "close"],
        [CHUNKED + chunk(TOKEN + END), "reset"],
        [CHUNKED + chunk(TOKEN) + chunk(TOKEN[:30]) + chunk(TOKEN[30:] + END) + b"0\r\nTrailer: x\r\n\r\n"],
        [GOOD + GOOD],
    ],
    ids=[
        "whole",
        "cut",
        "bytes",
        "continue",
        "late-end",
        "length",
        "until-close",
        "then-close",
        "http10",
        "reset-after-done",
        "chunks",
        "twice",
    ],
)
def test_however_a_good_stream_is_framed_it_is_one_answer(script: Any) -> None:
    with raw_server(script) as url:
        got = ask(url)
    assert [(one.error, one.text in ("hi", "hihi")) for one in got.outcomes] == [(None, True)] * 3
    assert all(one.dispatched <= one.first_token <= one.ended for one in got.outcomes)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([plain(b"500 Oops", b"{}")], "http_500"),
        ([plain(b"429 Too Many", b'{"error": {"message": "slow down"}}', b"Retry-After: 9\r\n")], "http_429"),
        ([plain(b"307 Elsewhere", b"", b"Location: http://127.0.0.1:1/\r\n")], "http_307"),
        ([plain(b"204 Nothing", b"")], "bad_json"),
        ([plain(b"200 OK", b"nonsense")], "bad_json"),
        (["reset"], "reset"),
        (["close"], "reset"),
        ([CHUNKED + chunk(TOKEN), "reset"], "reset"),
        ([CHUNKED + chunk(TOKEN), "close"], "reset"),
        ([STREAM + b"Content-Length: 999\r\n\r\n" + TOKEN, "close"], "reset"),
        ([STREAM + b"\r\n" + TOKEN, "close"], "cut_short"),
        ([CHUNKED + chunk(TOKEN) + b"0\r\n\r\n"], "cut_short"),
        ([CHUNKED + b"zz\r\nnot a chunk"], "bad_http"),
        ([b"SSH-2.0-OpenSSH_9.6\r\n"], "bad_http"),
        ([b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"], "bad_http"),
        ([STREAM + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"], "bad_http"),
        ([CHUNKED + chunk(b"data: {broken\n\n"), "hang"], "bad_json"),
        ([CHUNKED + chunk(b'data: {"error": {"message": "oom"}}\n\n') + b"0\r\n\r\n"], "server_error"),
        ([CHUNKED, *([chunk(b": " + b"x" * 60_000 + b"\n")] * 80), "hang"], "too_large"),
    ],
)  # fmt: skip
def test_each_failure_is_one_outcome_of_its_kind(script: Any, kind: str) -> None:
    with raw_server(script) as url:
        got = ask(url, requests=2)
    assert [one.error for one in got.outcomes] == [kind, kind]
    assert kind in ERROR_KINDS or kind.startswith("http_")
    assert all(one.ended is not None and one.total is None for one in got.outcomes)
    figures = got.as_json()
    assert (figures["requests"], figures["completed"], figures["errors"], figures["error_kinds"]) == (2, 0, 2, {kind: 2})
    assert figures["total_seconds"]["p50"] is None and figures["total_seconds"]["samples"] == []


@pytest.mark.parametrize("script", [["hang"], [STREAM, "hang"], [CHUNKED + chunk(TOKEN), "hang"], DRIP])
def test_silence_and_dripping_end_at_the_time_limit(script: Any) -> None:
    with raw_server(script) as url:
        got = ask(url, requests=2, timeout=0.15)
    for one in got.outcomes:
        assert one.error == "timeout" and one.ended is not None and one.dispatched is not None
        assert one.ended - one.dispatched >= 0.15


def test_a_refused_connection_after_the_start_is_an_outcome() -> None:
    with raw_server([GOOD, "close"]) as url:
        target = ChatTarget(url, "m", ["x"])
        assert run_step(target, StepSpec("single_stream", requests=1)).outcomes[0].error is None
    with pytest.raises(EndpointError, match="No connection") as found:
        run_step(target, StepSpec("single_stream", requests=1))
    assert found.value.fix


def test_a_server_that_leaves_during_the_step_is_refused_connections() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]

    def leave(_: Any) -> None:
        listening.close()

    spec = StepSpec("server", "constant", rate=8, seconds=1.2, timeout_seconds=0.3, connections=1)
    got = run_step(ChatTarget(f"http://127.0.0.1:{port}/v1", "m", ["x"]), spec, watch=leave)
    kinds = {one.error for one in got.outcomes}
    assert len(got.outcomes) == 10 and kinds <= {"timeout", "reset", "connect"} and "connect" in kinds


def test_an_answer_endpoint_is_asked_the_same_way() -> None:
    body = b'{"answers": [{"value": "yes", "probabilities": null, "seconds": 0.1, "error": null}]}'
    with raw_server([plain(b"200 OK", body)]) as url:
        got = run_step(AnswerTarget(url, ["a", "b"]), StepSpec("offline", requests=20, concurrency=4))
    assert [one.text for one in got.outcomes] == ["yes"] * 20
    assert got.as_json()["first_token_seconds"]["n"] == 0 and got.as_json()["tokens_out"] is None


def test_connections_are_used_again() -> None:
    with raw_server([GOOD]) as url:
        loop = ExactLoop()
        ended: list[Outcome] = []
        pool = Pool(loop, Origin("http", "127.0.0.1", int(url.split(":")[2].split("/")[0])), 5.0, ended.append)
        request = ChatTarget(url, "m", ["x"]).requests()[0]

        async def talk() -> None:
            await pool.open(1)
            for number in range(20):
                pool.dispatch(request, ChatReader(Outcome(number, 0.0), stream=True))
                while len(ended) <= number:
                    await asyncio.sleep(0.001)
            await pool.close()

        loop.run_until_complete(talk())
        loop.close()
    assert pool.opened == 1 and not pool.connections


def test_a_key_is_in_the_request_and_nowhere_in_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_KEY", "sk-very-secret-key")
    body = b'{"error": {"message": "no such key: sk-very-secret-key"}}'
    with raw_server([plain(b"401 No", body)]) as url:
        got = ask(url, requests=1, key_env="LOAD_KEY")
    assert got.outcomes[0].says == "no such key: [key]"
    assert "secret" not in str(got.as_wire()) + str(got.notes()) + repr(got)


def test_https_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        capture_output=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with raw_server([GOOD], tls=context) as url:
        https = url.replace("http:", "https:")
        with pytest.raises(EndpointError, match="certificate"):
            ask(https)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        got = ask(https)
    assert [(one.error, one.text) for one in got.outcomes] == [(None, "hi")] * 3


class _Transport(asyncio.Transport):
    """Takes what is written and tells its connection when it is cut, as a transport does."""

    def __init__(self) -> None:
        super().__init__()
        self.cut = False

    def write(self, data: Any) -> None:
        pass

    def abort(self) -> None:
        self.cut = True


def test_mutated_responses_never_raise_and_give_exactly_one_outcome() -> None:
    rng = random.Random(11)
    seeds = [
        GOOD,
        GOOD + GOOD,
        b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD,
        STREAM + b"\r\n" + TOKEN + END,
        STREAM + b"Content-Length: %d\r\n\r\n" % len(TOKEN + END) + TOKEN + END,
        plain(b"200 OK", WHOLE),
        plain(b"503 Busy", b'{"error": {"message": "busy"}}'),
    ]
    bits = [
        b"\r\n",
        b"\r\n\r\n",
        b"\0",
        b"\xff",
        b"0\r\n\r\n",
        b"HTTP/1.1 ",
        b"{",
        b'"',
        b":",
        b"99999999999999999999",
        b"-1",
        b"data: ",
    ]
    loop = ExactLoop()
    loop.set_exception_handler(lambda _, context: pytest.fail(str(context)))
    kinds: set[str | None] = set()
    for round_ in range(4000):
        ended: list[Outcome] = []
        pool = Pool(loop, Origin("http", "h", 1), 5.0, ended.append)
        connection, transport = Connection(pool), _Transport()
        connection.connection_made(transport)
        reader = ChatReader(Outcome(round_, 0.0), stream=True)
        connection.send(Exchange(b"", reader, 5.0))
        response = bytearray(rng.choice(seeds))
        for _ in range(round_ % 5):
            at, change = rng.randrange(len(response)), rng.random()
            if change < 0.4:
                response[at] = rng.randrange(256)
            elif change < 0.7:
                response[at:at] = rng.choice(bits)
            else:
                del response[at : at + rng.randint(1, 20)]
        at = 0
        while at < len(response) and not transport.cut:
            piece = response[at : at + rng.choice([1, 3, 17, 400, 4000])]
            connection.get_buffer(-1)[: len(piece)] = piece
            connection.buffer_updated(len(piece))
            at += len(piece)
        connection.connection_lost(rng.choice([None, ConnectionResetError("gone")]))
        assert len(ended) == 1 and ended[0] is reader.outcome and reader.ended, bytes(response)
        outcome = ended[0]
        assert outcome.ended is not None and (outcome.error is None) == (outcome.text is not None)
        assert outcome.error is None or outcome.error in ERROR_KINDS or outcome.error.startswith("http_")
        kinds.add(outcome.error)
    loop.close()
    assert {None, "bad_http", "bad_json", "reset", "cut_short"} <= kinds


def test_a_large_response_is_bounded() -> None:
    assert LARGEST_RESPONSE <= 8_000_000
    loop = ExactLoop()
    ended: list[Outcome] = []
    pool = Pool(loop, Origin("http", "h", 1), 5.0, ended.append)
    connection, transport = Connection(pool), _Transport()
    connection.connection_made(transport)
    connection.send(Exchange(b"", ChatReader(Outcome(0, 0.0), stream=True), 5.0))
    for piece in [STREAM, *[b"X-Header: " + b"x" * 60_000 + b"\r\n"] * 200]:
        if not transport.cut:
            connection.get_buffer(-1)[: len(piece)] = piece
            connection.buffer_updated(len(piece))
    assert transport.cut and ended[0].error in ("too_large", "bad_http")
    loop.close()
