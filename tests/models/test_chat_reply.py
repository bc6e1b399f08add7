"""Reading responses as if they were hostile."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.models.chat_reply import (
    BadReply,
    Events,
    Merged,
    Message,
    ServerSaid,
    clean,
    read_json,
    read_message,
    read_usage,
    shown,
)


def completion(content: Any = "positive", **choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"content": content}, "finish_reason": "stop", **choice}]}


@pytest.mark.parametrize(
    "raw",
    [b"", b"x", b"[1]", b"3", b'{"a": NaN}', b'{"a": Infinity}', b"\xff", b'{"a":' * 50_000, b'{"a": ' + b"9" * 5000 + b"}"],
)
def test_what_is_no_json_object(raw: bytes) -> None:
    with pytest.raises(BadReply):
        read_json(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(BadReply):
        assert isinstance(read_json(raw), dict)


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n", codec="utf-8"), min_size=1), max_size=5), st.data())
def test_events_are_the_same_however_they_are_cut(texts: list[str], data: st.DataObject) -> None:
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    raw = "".join(f": comment{end}event: x{end}data: {text}{end}{end}" for text in texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    events = Events()
    found = [one for low, high in zip([0, *cuts], [*cuts, len(raw)], strict=True) for one in events.feed(raw[low:high])]
    # A lone carriage return at the very end may be the first half of a line end: it is not looked at yet.
    found += list(events.feed(b"\n"))
    assert found == texts


def test_several_data_lines_are_one_event_and_an_open_event_is_none() -> None:
    events = Events()
    assert list(events.feed(b'data: {"a":\ndata:1}\n\ndata: open')) == ['{"a":\n1}']
    with pytest.raises(BadReply):
        list(events.feed(b"\xff"))


def test_a_stream_is_merged_into_the_whole_document() -> None:
    merged = Merged()
    assert not merged.add({"id": "x", "choices": [{"index": 0, "delta": {"role": "assistant"}}]})
    assert merged.add(
        {"choices": [{"index": 0, "delta": {"content": "posi"}, "logprobs": {"content": [{"token": "posi", "logprob": -0.1}]}}]}
    )
    assert not merged.add({"choices": [{"index": 1, "delta": {"content": "other"}}]})
    assert merged.add({"choices": [{"index": 0, "delta": {"content": "tive"}, "finish_reason": "stop"}]})
    assert not merged.add({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
    whole = merged.body()
    message = read_message(whole)
    assert (message.text, message.finish_reason, message.choices) == ("positive", "stop", 2)
    assert message.logprobs[0].alternatives == {"posi": -0.1}
    assert whole["usage"]["prompt_tokens"] == 3


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": "x"},
        {"choices": [3]},
        {"choices": [{"delta": 3}]},
        {"choices": [{"delta": {"content": 3}}]},
        {"error": "busy"},
    ],
)
def test_chunks_that_are_none(chunk: dict[str, Any]) -> None:
    with pytest.raises(BadReply):
        Merged().add(chunk)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [3]},
        {"choices": [{}]},
        {"choices": [{"message": "x"}]},
        completion(3),
        completion([3]),
        completion([{"type": "text"}]),
    ],
)
def test_completions_that_are_none(body: dict[str, Any]) -> None:
    with pytest.raises(BadReply):
        read_message(body)


def test_content_in_parts_and_errors_in_place_of_content() -> None:
    assert (
        read_message(completion([{"type": "text", "text": "posi"}, {"type": "image"}, {"type": "text", "text": "tive"}])).text
        == "positive"
    )
    with pytest.raises(ServerSaid) as caught:
        read_message({"error": {"message": "full\x1b[31m", "code": "overloaded"}})
    assert caught.value.code == "overloaded" and "\x1b" not in str(caught.value)


def rows(*chances: float) -> dict[str, Any]:
    tops = [
        {"token": f"t{number}", "logprob": math.log(chance) if chance > 0 else -9999.0} for number, chance in enumerate(chances)
    ]
    return {"content": [{"token": "t0", "logprob": tops[0]["logprob"], "top_logprobs": tops}]}


def test_log_probabilities_are_taken_only_where_they_can_be_true() -> None:
    assert read_message(completion(logprobs=rows(0.75, 0.25, 0.0))).logprobs[0].alternatives["t0"] == pytest.approx(
        math.log(0.75)
    )
    wrong: list[Any] = [
        rows(0.9, 0.9),
        rows(2.0),
        {"content": [{"token": "a", "logprob": "x"}]},
        {"content": [{"token": "a", "logprob": -(10**400)}]},
        {"content": [{"token": "a", "logprob": 10**400}]},
        {"content": [{"token": "a", "logprob": math.nan}]},
        {"content": [{"token": "a", "logprob": True}]},
        {"content": [{"token": 3, "logprob": -1}]},
        {"content": [{"token": "a", "logprob": -1, "top_logprobs": 3}]},
        {"content": [{"token": "a", "logprob": -1, "top_logprobs": [3]}]},
        {"content": [3]},
        {"content": "abc"},
        [],
        "x",
        None,
    ]
    for one in wrong:
        assert read_message(completion(logprobs=one)).logprobs == ()


@pytest.mark.parametrize(
    "usage",
    [
        None,
        7,
        {},
        {"prompt_tokens": 10},
        {"prompt_tokens": -1, "completion_tokens": 1},
        {"prompt_tokens": 10.5, "completion_tokens": 1},
        {"prompt_tokens": True, "completion_tokens": 1},
        {"prompt_tokens": 0, "completion_tokens": 1},
        {"prompt_tokens": 10, "completion_tokens": 0},
        {"prompt_tokens": 4001, "completion_tokens": 1},
        {"prompt_tokens": 10, "completion_tokens": 865},
        {"prompt_tokens": 10, "completion_tokens": 10**30},
    ],
)
def test_usage_that_cannot_be_true_is_estimated_and_says_why(usage: Any) -> None:
    found = read_usage({"usage": usage}, asked_characters=40, message=Message("positive"))
    assert (found.tokens_in, found.tokens_out, found.source) == (10, 2, "estimated")
    assert found.doubt


def test_usage_that_can_be_true_is_taken() -> None:
    usage: dict[str, Any] = {"prompt_tokens": 4000, "completion_tokens": 864}
    found = read_usage({"usage": usage}, asked_characters=40, message=Message("positive"))
    assert (found.tokens_in, found.tokens_out, found.source, found.doubt) == (4000, 864, "reported", "")
    hidden = usage | {"completion_tokens": 5000, "completion_tokens_details": {"reasoning_tokens": 4990}}
    assert read_usage({"usage": hidden}, asked_characters=40, message=Message("positive")).tokens_out == 5000


@given(st.text(alphabet=st.characters()))
def test_foreign_text_is_one_short_printable_line(text: str) -> None:
    line = shown(text, 50)
    assert len(line) <= 50 and line.isprintable()
    line.encode()
    clean(text).encode()
    json.dumps(clean(text))
