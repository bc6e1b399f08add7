"""Whatever is sent ends as 4xx with what is wrong: never 500, never a hang, and the server goes on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from small_server import Running, Small, request_bytes, running, wait_until

CHAT, TEXT, ANSWER = "/v1/chat/completions", "/v1/completions", "/v1/answer"
USER = {"role": "user", "content": "good"}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(Small(), max_body_bytes=200_000, max_queue=100) as made:
        yield made
        assert made.answer("good")[0]["value"] == "good"
        assert 'status="500"' not in made.client.get("/metrics").text


@pytest.fixture(scope="module")
def impatient() -> Iterator[Running]:
    with running(Small(), read_seconds=0.7) as made:
        yield made


BODIES: list[tuple[str, bytes, int, str]] = [
    (ANSWER, b"", 400, "not JSON"),
    (ANSWER, b"{", 400, "line 1, column 2"),
    (ANSWER, b'{"items": ["a"]} x', 400, "not JSON"),
    (ANSWER, b'{"items": [NaN]}', 400, "NaN"),
    (ANSWER, b'{"items": ["a"], "model": -Infinity}', 400, "-Infinity"),
    (ANSWER, b'{"items": [1e999]}', 400, "larger than any number"),
    (ANSWER, b'{"items": [' + b"9" * 5000 + b"]}", 400, "not JSON"),
    (ANSWER, b'{"items": ["\xff\xfe"]}', 400, "not UTF-8"),
    (ANSWER, '{"items": ["a"]}'.encode("utf-16"), 400, "not UTF-8"),
    (ANSWER, b'{"items": ["\\ud800"]}', 400, "surrogate"),
    (ANSWER, b"[" * 100_000, 400, "nested too deeply"),
    (ANSWER, b'{"a":' * 30_000 + b"1" + b"}" * 30_000, 400, "nested too deeply"),
    (ANSWER, b'{"items": [' + b"[" * 900 + b"]" * 900 + b"]}", 422, "items.0"),
    (ANSWER, b"null", 422, "must be a JSON object"),
    (ANSWER, b"[]", 422, "must be a JSON object"),
    (ANSWER, b'"items"', 422, "must be a JSON object"),
    (ANSWER, b"{}", 422, "`items` is missing"),
    (ANSWER, b'{"items": "good"}', 422, "`items`"),
    (ANSWER, b'{"items": {"0": "good"}}', 422, "`items`"),
    (ANSWER, b'{"items": ["a", 5]}', 422, "`items.1` is not a text"),
    (ANSWER, b'{"items": [null]}', 422, "`items.0`"),
    (ANSWER, b'{"items": ["a"], "itmes": 1}', 422, "no field `itmes`"),
    (ANSWER, b'{"items": ["a"], "model": 5}', 422, "`model`"),
    (ANSWER, b'{"items": ["a"], "model": "smal"}', 404, "did you mean 'small'"),
    (ANSWER, b'{"items": ["a"], "model": "\\u0000"}', 404, "small"),
    (ANSWER, json.dumps({"items": ["x"] * 10_000}).encode(), 422, "10,000 items"),
    (ANSWER, json.dumps({"items": ["x" * 300_000]}).encode(), 413, "larger than 200,000 bytes"),
    (CHAT, b'{"messages": []}', 422, "`messages`"),
    (CHAT, b'{"messages": "hello"}', 422, "`messages`"),
    (CHAT, b'{"messages": [{"role": "user"}]}', 422, "content` is missing"),
    (CHAT, b'{"messages": [{"role": "system", "content": "x"}]}', 422, "no message of the user"),
    (CHAT, b'{"messages": [{"role": "wizard", "content": "x"}]}', 422, "messages.0.role"),
    (CHAT, b'{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}', 422, "messages.0.content"),
]  # fmt: skip

FIELDS: list[tuple[str, dict[str, Any], int, str]] = [
    (CHAT, {"model": "gpt-4"}, 404, "No model is called 'gpt-4' here"),
    (CHAT, {"temperature": "hot"}, 422, "`temperature`"),
    (CHAT, {"temperature": -1}, 422, "`temperature`"),
    (CHAT, {"temperature": True}, 422, "`temperature`"),
    (CHAT, {"max_tokens": 0}, 422, "`max_tokens`"),
    (CHAT, {"max_tokens": 1.5}, 422, "`max_tokens`"),
    (CHAT, {"max_tokens": "5"}, 422, "`max_tokens`"),
    (CHAT, {"seed": 2**64}, 422, "`seed`"),
    (CHAT, {"stop": ["x"] * 17}, 422, "`stop`"),
    (CHAT, {"stream": "yes"}, 422, "`stream`"),
    (CHAT, {"stream_options": 1}, 422, "`stream_options`"),
    (CHAT, {"n": 2}, 400, "`n` is 2"),
    (CHAT, {"tools": [{"type": "function"}]}, 400, "`tools`"),
    (CHAT, {"response_format": {"type": "json_schema"}}, 400, "`response_format`"),
    (CHAT, {"logit_bias": {"50256": -100}}, 400, "`logit_bias`"),
    (CHAT, {"presence_penalty": 0.5}, 400, "`presence_penalty`"),
    (CHAT, {"modalities": ["audio"]}, 400, "`modalities`"),
    (TEXT, {"prompt": [1, 2, 3]}, 422, "`prompt"),
    (TEXT, {"prompt": ["a", "b"]}, 422, "`prompt"),
    (TEXT, {"echo": True}, 400, "`echo`"),
    (TEXT, {"echo": 0}, 400, "`echo`"),
    (TEXT, {"ignore_eos": 0.0}, 400, "`ignore_eos`"),
    (TEXT, {"best_of": 3}, 400, "`best_of`"),
    (TEXT, {"suffix": "x"}, 400, "`suffix`"),
]


@pytest.mark.parametrize(("path", "body", "status", "says"), BODIES)
def test_bodies(server: Running, path: str, body: bytes, status: int, says: str) -> None:
    reply = server.client.post(path, content=body, headers={"content-type": "application/json"})
    _refused(reply, status, says)


@pytest.mark.parametrize(("path", "fields", "status", "says"), FIELDS)
def test_fields(server: Running, path: str, fields: dict[str, Any], status: int, says: str) -> None:
    body = {"messages": [USER], **fields} if path == CHAT else {"prompt": "good", **fields}
    reply = server.client.post(path, json=body)
    _refused(reply, status, says)
    assert reply.json()["error"]["param"] in fields


def _refused(reply: Any, status: int, says: str) -> None:
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert says in error["message"] and len(error["message"]) < 500


def test_what_changes_nothing_is_taken(server: Running) -> None:
    harmless = {
        "n": 1, "tools": [], "presence_penalty": 0, "logit_bias": {}, "response_format": {"type": "text"}, "user": "me", "store": True,
        "metadata": {"a": "b"}, "service_tier": "auto", "parallel_tool_calls": False, "top_k": -1, "temperature": None, "max_tokens": 5.0,
        "stop": None, "seed": -3, "logprobs": True, "stream_options": None,
    }  # fmt: skip
    reply = server.post(CHAT, {"messages": [USER], **harmless})
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "multipart/form-data; boundary=application/json"}, 415),
        ({}, 415),
        ({"content-type": "application/json; charset=latin-1"}, 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415),
        ({"content-type": "application/json", "host": "evil.example"}, 403),
        ({"content-type": "application/json", "host": ""}, 403),
        ({"content-type": "Application/JSON; charset=UTF-8"}, 200),
        ({"content-type": "application/json", "host": "localhost:1234"}, 200),
        ({"content-type": "application/json", "host": "[::1]"}, 200),
    ],
)
def test_headers(server: Running, headers: dict[str, str], status: int) -> None:
    reply = server.client.post(ANSWER, content=b'{"items": ["good"]}', headers=headers)
    assert reply.status_code == status, reply.text
    assert status == 200 or reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", ANSWER, 405),
        ("PUT", CHAT, 405),
        ("DELETE", "/v1/models", 405),
        ("POST", "/healthz", 405),
        ("GET", "/v2", 404),
        ("GET", "/v1/models/", 404),
        ("GET", "/v1/models/%00%ff", 404),
        ("GET", "/../../etc/passwd", 404),
        ("OPTIONS", ANSWER, 405),
    ],
)
def test_paths_and_methods(server: Running, method: str, path: str, status: int) -> None:
    reply = server.client.request(method, path)
    assert reply.status_code == status and reply.json()["error"]["message"]
    if status == 405:
        assert reply.headers["allow"]
    assert "access-control-allow-origin" not in reply.headers  # a page of another site must not get in


def test_a_body_of_10_megabytes_gets_an_answer_and_not_a_reset(server: Running) -> None:
    body = b'{"items": ["' + b"x" * 10_000_000 + b'"]}'
    with server.connect() as client:
        # Like many clients this one reads nothing before it has sent everything.
        client.sendall(request_bytes(ANSWER, body))
        found = b""
        while piece := client.recv(65_536):
            found += piece
    assert found.startswith(b"HTTP/1.1 413 ") and b"larger than 200,000 bytes" in found


def test_the_limit_holds_for_a_body_that_does_not_tell_its_size(server: Running) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"items": ["'
        for _ in range(100):
            yield b"x" * 100_000

    reply = server.client.post(ANSWER, content=pieces(), headers={"content-type": "application/json"})
    _refused(reply, 413, "larger than 200,000 bytes")


def test_a_body_that_does_not_arrive_in_time_is_408(impatient: Running) -> None:
    found = impatient.raw(request_bytes(ANSWER, b'{"items":', length=5000))
    assert found.startswith(b"HTTP/1.1 408 ") and b"did not arrive within 0.7 s" in found


def test_a_body_that_drips_is_408(impatient: Running) -> None:
    with impatient.connect() as client:
        client.sendall(request_bytes(ANSWER, b"{", length=5000))
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.1):
                try:
                    client.sendall(b" ")
                except OSError:
                    return

        dripping = threading.Thread(target=drip)
        dripping.start()
        found = client.recv(65_536)
        stop.set()
        dripping.join()
    assert found.startswith(b"HTTP/1.1 408 ")


def test_a_head_that_does_not_arrive_in_time_is_408(impatient: Running) -> None:
    found = impatient.raw(b"POST /v1/answer HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    assert found.startswith(b"HTTP/1.1 408 ") and json.loads(found.split(b"\r\n\r\n")[1])["error"]["code"] == "request_timeout"


def test_a_connection_that_asks_nothing_is_closed(impatient: Running) -> None:
    assert impatient.raw(b"") == b""


def test_a_second_head_that_does_not_arrive_in_time_is_408(impatient: Running) -> None:
    whole = request_bytes(ANSWER, b'{"items": ["good"]}')
    with impatient.connect() as client:
        client.sendall(whole)
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        client.sendall(whole[:40])
        assert client.recv(65_536).startswith(b"HTTP/1.1 408 ")


def test_a_head_without_end_is_431(server: Running) -> None:
    with server.connect() as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        found = b""
        try:
            for number in range(200):
                client.sendall(b"X-%d: %s\r\n" % (number, b"a" * 1000))
                time.sleep(0.0005)
            found = client.recv(65_536)
        except OSError:
            pass
    assert not found or found.startswith(b"HTTP/1.1 431 ")
    # Whether the client still reads why is up to its system; that the connection ended is what counts.
    wait_until(lambda: server.metric("bakeoff_in_flight_requests") == 1)


@pytest.mark.parametrize("line", [b"\x00\xff\x80\r\n\r\n", b"GET\r\n\r\n", b"HELO localhost\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_what_is_no_http_is_400(server: Running, line: bytes) -> None:
    assert server.raw(line).startswith(b"HTTP/1.1 400 ")


def test_pipelined_requests_are_answered_in_order(server: Running) -> None:
    one, two = (request_bytes(ANSWER, json.dumps({"items": [text]}).encode()) for text in ("good", "dull"))
    with server.connect() as client:
        client.sendall(one + two)
        found = b""
        while found.count(b"answers") < 2:
            found += client.recv(65_536)
    assert found.index(b'"value":"good"') < found.index(b'"value":"bad"')


def test_a_large_body_in_one_piece_is_no_long_head(server: Running) -> None:
    with server.connect() as client:
        body = json.dumps({"items": ["x" * 150_000]}).encode()
        for _ in range(2):
            client.sendall(request_bytes(ANSWER, body))
            assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
