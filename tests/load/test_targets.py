"""Requests as they go over the wire, and what the readers make of responses."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from bakeoff.errors import BakeoffError
from bakeoff.load.readers import MOST_TEXT, AnswerReader, ChatReader
from bakeoff.load.result import Outcome
from bakeoff.load.sse import EventParser
from bakeoff.load.targets import AnswerTarget, ChatTarget
from bakeoff.models.chat_reply import Events

KEY = "sk-test-0123456789"


def parts(request: bytes) -> tuple[list[str], Any]:
    head, _, body = request.partition(b"\r\n\r\n")
    return head.decode("ascii").split("\r\n"), json.loads(body)


def test_a_chat_request_is_what_an_openai_server_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_KEY", KEY)
    target = ChatTarget(
        "http://127.0.0.1:8000", "small", ["Grüße", [{"role": "user", "content": "x"}]],
        system="Be brief.", max_tokens=7, key_env="LOAD_KEY", extra={"top_p": 0.5},
    )  # fmt: skip
    first, second = target.requests()
    head, body = parts(first)
    assert head[0] == "POST /v1/chat/completions HTTP/1.1"
    assert "Host: 127.0.0.1:8000" in head
    assert f"Authorization: Bearer {KEY}" in head
    assert body == {
        "model": "small",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 7,
        "temperature": 0.0,
        "top_p": 0.5,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Grüße"}],
    }
    assert parts(second)[1]["messages"] == [{"role": "user", "content": "x"}]
    length = next(int(line.split(": ")[1]) for line in head if line.startswith("Content-Length"))
    assert length == len(first.partition(b"\r\n\r\n")[2])
    assert KEY not in repr(vars(target)) and KEY not in target.url


def test_addresses() -> None:
    assert ChatTarget("http://a:1/openai/v1/", "m", ["x"]).url == "http://a:1/openai/v1/chat/completions"
    assert ChatTarget("http://a:1/v1/chat/completions", "m", ["x"]).url == "http://a:1/v1/chat/completions"
    for given in ("http://a:1", "http://a:1/", "http://a:1/v1", "http://a:1/v1/answer"):
        assert AnswerTarget(given, ["x"]).url == "http://a:1/v1/answer"
    assert "Host: [::1]:8" in parts(AnswerTarget("http://[::1]:8", ["x"]).requests()[0])[0]
    assert "Host: example.org" in parts(ChatTarget("https://example.org/v1", "m", ["x"]).requests()[0])[0]


def test_answer_requests_go_round_the_items() -> None:
    target = AnswerTarget("http://a:1", ["a", "b", "c"], per_request=2)
    assert [parts(one)[1]["items"] for one in target.requests()] == [["a", "b"], ["c", "a"], ["b", "c"]]


@pytest.mark.parametrize(
    "make",
    [
        lambda: ChatTarget("ftp://a", "m", ["x"]),
        lambda: ChatTarget("http://user:pw@a/v1", "m", ["x"]),
        lambda: ChatTarget("http://a/v1", "m", []),
        lambda: ChatTarget("http://a/v1", "m", "one prompt"),
        lambda: ChatTarget("http://a/v1", "m", [["not a message"]]),  # type: ignore[list-item]
        lambda: ChatTarget("http://a/v1", "m", ["x"], extra={"stream": False}),
        lambda: ChatTarget("http://a/v1", "m", ["x"], temperature=float("nan")),
        lambda: ChatTarget("http://a/v1", "m", ["x"], key_env="NO_SUCH_VARIABLE").requests(),
        lambda: AnswerTarget("http://a", []),
        lambda: AnswerTarget("http://a", ["x"], per_request=0),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_fix(make: Any) -> None:
    with pytest.raises(BakeoffError) as found:
        make()
    assert found.value.fix


def test_a_key_that_would_break_the_header_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD_KEY", "abc\r\nX-Evil: 1")
    with pytest.raises(BakeoffError) as found:
        ChatTarget("http://a/v1", "m", ["x"], key_env="LOAD_KEY").requests()
    assert "Evil" not in str(found.value)


# Readers


def event(**delta: Any) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":5}}\n\n'
DONE = b"data: [DONE]\n\n"


def read(
    *pieces: bytes, status: int = 200, media: bytes = b"text/event-stream", stream: bool = True, secret: str = ""
) -> Outcome:
    """The outcome of a response whose pieces come at 1 s, 2 s, ... and which ends a second after the last."""
    outcome = Outcome(0, 0.0)
    reader = ChatReader(outcome, stream=stream, secret=secret)
    reader.headers(status, media)
    for second, piece in enumerate(pieces, 1):
        if not reader.ended:
            reader.body(piece, float(second))
    reader.end(float(len(pieces) + 1))
    assert reader.ended
    return outcome


def test_a_stream_is_stamped_at_its_tokens() -> None:
    got = read(
        b": hello\n\n" + event(role="assistant", content=""),
        event(content="a"),
        event(content="b"),
        event(content="c"),
        STOP,
        USAGE,
        DONE,
    )
    assert (got.error, got.text, got.first_token, got.gaps, got.ended) == (None, "abc", 2.0, [1.0, 1.0], 7.0)
    assert (got.tokens_in, got.tokens_out, got.counted, got.events) == (11, 5, False, 3)


def test_without_usage_events_are_counted_and_said_so() -> None:
    got = read(event(content="a"), event(content="b"), STOP, DONE)
    assert (got.tokens_in, got.tokens_out, got.counted) == (None, 2, True)


@pytest.mark.parametrize(
    "delta", [{"reasoning_content": "hm"}, {"reasoning": "hm"}, {"tool_calls": [{"index": 0}]}, {"refusal": "no"}]
)
def test_reasoning_tool_calls_and_refusals_are_tokens_too(delta: Any) -> None:
    got = read(event(content=""), event(**delta), event(content="x"), STOP)
    assert (got.first_token, got.events, got.text, got.error) == (2.0, 2, "x", None)


def test_only_the_first_choice_counts() -> None:
    other = b'data: {"choices":[{"index":1,"delta":{"content":"other"}}]}\n\n'
    got = read(other, event(content="x"), DONE)
    assert (got.first_token, got.text) == (2.0, "x")


def test_nothing_after_the_end_changes_an_outcome() -> None:
    got = read(event(content="x") + DONE + b"data: {broken\n\n" + event(content="y"), b"\xff\xff")
    assert (got.error, got.text, got.ended) == (None, "x", 1.0)


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ((event(content="a"),), "cut_short"),
        ((STOP, DONE), "empty"),
        ((DONE,), "empty"),
        ((), "empty"),
        ((b"data: {not json\n\n",), "bad_json"),
        ((b"data: \xff\xfe\n\n",), "bad_json"),
        ((b"data: " + b"[" * 100_000 + b"\n\n",), "bad_json"),
        ((b"data: " + b"9" * 5_000 + b"\n\n",), "bad_json"),
        ((b"data: [1]\n\n",), "bad_reply"),
        ((b"data: {}\n\n",), "bad_reply"),
        ((b'data: {"choices": 3}\n\n',), "bad_reply"),
        ((b'data: {"choices": ["x"]}\n\n',), "bad_reply"),
        ((b'data: {"choices": [{"delta": "x"}]}\n\n',), "bad_reply"),
        ((b'data: {"choices": [{"delta": {"content": 7}}]}\n\n',), "bad_reply"),
        ((event(content="a"), b'data: {"error": {"message": "out of memory"}}\n\n'), "server_error"),
        ((event(content="a"), b'event: error\ndata: {"message": "overloaded"}\n\n'), "server_error"),
    ],
)
def test_each_broken_stream_is_one_kind_of_failure(pieces: tuple[bytes, ...], kind: str) -> None:
    got = read(*pieces)
    assert got.error == kind
    assert got.ended is not None and got.total is None and len(got.says) <= 200


def test_a_refusal_keeps_the_servers_words_and_not_the_key() -> None:
    body = json.dumps({"error": {"message": f"bad key {KEY} given"}}).encode()
    got = read(body[:9], body[9:], status=401, media=b"application/json", secret=KEY)
    assert (got.error, got.status, got.says) == ("http_401", 401, "bad key [key] given")
    assert read(b"<html>no", status=502, media=b"text/html").says == "<html>no"
    assert read(event(content=f"it is {KEY}!"), DONE, secret=KEY).text == "it is [key]!"


def test_a_whole_answer_where_a_stream_was_asked_for_has_no_first_token() -> None:
    body = json.dumps(
        {"choices": [{"message": {"content": "yes"}}], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    ).encode()
    for stream in (True, False):
        got = read(body[:5], body[5:], media=b"application/json; charset=utf-8", stream=stream)
        assert (got.error, got.text, got.first_token, got.tokens_out, got.counted) == (None, "yes", None, 1, False)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"choices": []}, "bad_reply"),
        ({"choices": [{"message": {"content": ["x"]}}]}, "bad_reply"),
        ({"choices": [{"message": {"content": ""}}]}, "empty"),
        ({"error": "no"}, "server_error"),
    ],
)
def test_whole_answers_that_are_none(body: Any, kind: str) -> None:
    assert read(json.dumps(body).encode(), media=b"application/json", stream=False).error == kind


@pytest.mark.parametrize(
    "counts", [{"completion_tokens": -1}, {"completion_tokens": True}, {"completion_tokens": 1e3}, [], "x", {}]
)
def test_a_usage_that_is_no_count_is_not_believed(counts: Any) -> None:
    got = read(
        event(content="a"), event(content="b"), STOP, b"data: " + json.dumps({"choices": [], "usage": counts}).encode() + b"\n\n"
    )
    assert (got.error, got.tokens_out, got.counted) == (None, 2, True)


def test_the_text_is_bounded_and_can_be_written() -> None:
    got = read(*[event(content="x" * 999)] * 9, event(content="\ud800"), DONE)
    assert got.text is not None and len(got.text) == MOST_TEXT and got.events == 10
    lone = read(event(content="\ud800"), DONE)
    assert lone.text is not None and lone.text.encode("utf-8") == b"?"


def answered(body: Any, *, items: int = 1, status: int = 200) -> Outcome:
    outcome = Outcome(0, 0.0)
    reader = AnswerReader(outcome, items=items)
    reader.headers(status, b"application/json")
    reader.body(body if isinstance(body, bytes) else json.dumps(body).encode(), 1.0)
    reader.end(2.0)
    return outcome


def test_answers() -> None:
    assert answered({"answers": [{"value": "yes", "error": None}]}).text == "yes"
    assert answered({"answers": [{"value": {"a": 1}}]}).text == '{"a": 1}'
    assert answered({"answers": [{"value": "a"}, {"value": "b"}]}, items=2).text == '["a", "b"]'
    assert answered({"answers": [{"value": None, "error": "too long"}]}).error == "server_error"
    assert answered({"answers": [{"value": "a"}]}, items=2).error == "bad_reply"
    assert answered({"answers": "a"}).error == "bad_reply"
    assert answered({"answers": [3]}).error == "bad_reply"
    assert answered(b"").error == "bad_json"
    assert answered({"error": {"message": "busy"}}, status=429).error == "http_429"


# Server-sent events


def reference(stream: bytes) -> list[tuple[bytes, bytes]]:
    """The standard's algorithm over a whole stream (WHATWG HTML, 9.2.6), in the most literal form."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    found, data, kind = [], b"", b""
    for line in text.split(b"\n")[:-1]:
        if line == b"":
            if data:
                found.append((kind, data[:-1]))
            data = kind = b""
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data += value + b"\n"
        elif field == b"event":
            kind = value
    return found


SAMPLES = [
    b": comment\n\ndata: one\n\ndata: two\ndata: three\n\n",
    b"\xef\xbb\xbfdata:bom\r\n\r\nevent: error\r\nid: 7\r\nretry: 5\r\ndata:  two spaces\r\n\r\ndata\r\n\r\n",
    b"data: cr\rdata: cr2\r\revent: x\r\rdata: y\r\r",
    "data: Gr\u00fc\u00dfe \U0001f600\n\ndata:\ndata:\n\nnonsense\n\ndata: last without its blank line\n".encode(),
    USAGE + DONE,
]


def test_events_are_the_same_however_the_stream_is_cut() -> None:
    rng = random.Random(5)
    alphabet = [b"\r", b"\n", b"\r\n", b":", b" ", b"data", b"event", b"\xff", b"\xef\xbb\xbf", b"{}", b"\0"]
    for round_ in range(1500):
        stream = bytearray(rng.choice(SAMPLES) * rng.randint(1, 2))
        for _ in range(round_ % 6):
            at = rng.randrange(len(stream) + 1)
            stream[at : at + rng.randint(0, 3)] = rng.choice(alphabet)
        whole, parser = bytes(stream), EventParser()
        got: list[tuple[bytes, bytes]] = []
        at = 0
        while at < len(whole):
            step = rng.choice([1, 1, 2, 3, 10, 50])
            got += parser.feed(whole[at : at + step])
            at += step
        assert got == reference(whole), whole


@pytest.mark.parametrize("sample", [SAMPLES[0], SAMPLES[3], SAMPLES[4]])
def test_events_agree_with_the_other_reader_of_the_package(sample: bytes) -> None:
    assert [data.decode() for _, data in EventParser().feed(sample)] == list(Events().feed(sample))


def test_an_event_ends_with_a_carriage_return_at_once() -> None:
    assert EventParser().feed(b"data: x\r\r") == [(b"", b"x")]


def test_a_line_that_never_ends_is_held_in_linear_time() -> None:
    parser = EventParser()
    assert not any(parser.feed(b"data: " if number == 0 else b"x" * 10) for number in range(100_000))
    assert len(parser.feed(b"\n\n")[0][1]) == 999_990
