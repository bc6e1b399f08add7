"""Asking a server the same again: every reply is the server's own, overlap is real, and nothing it does raises or hangs."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import BakeoffError
from bakeoff.load.repeat import GIVE_UP, in_order, repeat
from fake_openai import BEHAVIOURS, FakeOpenAI

TEXTS = [f"a {'good' if i % 2 else 'poor'} thing, number {i}" for i in range(6)]


class Scripted(FakeOpenAI):
    """Replies with what `rule` returns for the text; counts how often requests about the same text overlapped."""

    def __init__(self, rule, **given):
        self.now, self.gate = Counter(), threading.Lock()
        self.same_at_once = self.other_at_once = 0

        def watched(text: str) -> str:
            with self.gate:
                self.same_at_once += self.now[text] > 0
                self.other_at_once += any(n for other, n in self.now.items() if other != text)
                self.now[text] += 1
            time.sleep(0.01)
            said = rule(text)
            with self.gate:
                self.now[text] -= 1
            return said

        super().__init__(rule=watched, **given)


def asked(server: FakeOpenAI) -> list[str]:
    return [body["messages"][-1]["content"] for body in server.bodies]


@given(st.integers(1, 12), st.integers(1, 7), st.integers(0, 5))
def test_the_order_holds_every_request_once_with_repeats_side_by_side(items, repeats, seed):
    order = list(in_order(items, repeats, seed))
    assert sorted(order) == [(item, turn) for item in range(items) for turn in range(repeats)]
    assert order == list(in_order(items, repeats, seed))
    beside = sum(a[0] == b[0] for a, b in itertools.pairwise(order))
    assert beside >= items * (repeats // 2)


def test_replies_come_back_in_the_order_of_items_and_repeats():
    with FakeOpenAI() as server:
        found = repeat(server.url, TEXTS, model="m", repeats=3, seed=1)
        assert found.raw == tuple((("negative", "positive")[i % 2],) * 3 for i in range(6))
        assert found.parsed == found.raw and set(found.errors) == {(None, None, None)} and found.error_kinds == {}
        assert Counter(asked(server)) == dict.fromkeys(TEXTS, 3)
        assert server.most_in_flight == 1
        body = server.bodies[0]
        assert body["model"] == "m" and body["temperature"] == 0.0 and body["stream"] is False and "max_tokens" not in body
        first = asked(server)
        server.bodies.clear()
        repeat(server.url, TEXTS, model="m", repeats=3, seed=1)
        assert asked(server) == first
        server.bodies.clear()
        repeat(server.url, TEXTS, model="m", repeats=3, seed=2, temperature=None, max_tokens=7, extra={"top_p": 0.5})
        assert asked(server) != first
        assert "temperature" not in server.bodies[0] and server.bodies[0]["max_tokens"] == 7 and server.bodies[0]["top_p"] == 0.5


def test_requests_about_the_same_item_and_about_others_overlap():
    with Scripted(lambda text: "x") as server:
        repeat(server.url, TEXTS, model="m", repeats=4, concurrency=4)
        assert server.same_at_once >= 6 and server.other_at_once >= 6 and 2 <= server.most_in_flight <= 4
    with Scripted(lambda text: "x") as server:
        repeat(server.url, TEXTS, model="m", repeats=2, concurrency=1)
        assert server.same_at_once == server.other_at_once == 0


def test_a_server_that_changes_its_mind_is_seen():
    lock, count = threading.Lock(), Counter()

    def wavers(text: str) -> str:
        with lock:
            count[text] += 1
            return f" Positive{'.' * (count[text] % 2)}\n" if "good" in text else ["positive", "negative"][count[text] % 2]

    with FakeOpenAI(rule=wavers) as server:
        found = repeat(server.url, TEXTS, model="m", repeats=4, parse=lambda text: text.strip(" .\n").lower())
    assert [len(set(row)) for row in found.raw] == [2] * 6
    assert [len(set(row)) for row in found.parsed] == [2, 1] * 3


@pytest.mark.parametrize("behaviour", sorted(set(BEHAVIOURS) - {"ok", "trickle", "stall", "slow", "huge"}))
def test_nothing_a_server_does_raises(behaviour):
    with FakeOpenAI(script=lambda number, body: behaviour if number % 2 else "ok", stall_seconds=0.2) as server:
        found = repeat(server.url, TEXTS[:2], model="m", repeats=2, timeout_seconds=2)
    cells = [(r, e) for raws, errors in zip(found.raw, found.errors, strict=True) for r, e in zip(raws, errors, strict=True)]
    assert all((r is None) == (e is not None) for r, e in cells)
    assert sum(e is None for _, e in cells) >= 2
    for row in found.raw:
        for text in row:
            assert text is None or text.encode("utf-8")
    fails = {"429", "500", "400", "401", "404", "redirect", "disconnect", "null", "tool", "empty", "utf8", "bomb", "garbage"}
    if behaviour in fails:
        assert sum(e is not None for _, e in cells) == 2, cells


def test_a_stall_or_a_trickle_ends_at_the_time_limit_and_is_no_retry():
    for behaviour in ("stall", "trickle"):
        with FakeOpenAI(script=lambda number, body, b=behaviour: b if number == 0 else "ok", stall_seconds=30) as server:
            found = repeat(server.url, TEXTS[:2], model="m", repeats=2, timeout_seconds=0.3)
            assert found.error_kinds == {"timed out": 1} and len(server.bodies) == 4


def test_a_reply_that_is_too_large_is_given_up():
    with FakeOpenAI(script=lambda number, body: "huge" if number == 0 else "ok") as server:
        found = repeat(server.url, TEXTS[:1], model="m", repeats=2, timeout_seconds=20)
    assert found.error_kinds == {"bad reply": 1} and "larger" in next(e for e in found.errors[0] if e)


def test_a_server_that_only_fails_is_given_up_after_a_while():
    with FakeOpenAI(script=lambda number, body: "500") as server:
        found = repeat(server.url, TEXTS, model="m", repeats=5)
        assert len(server.bodies) == GIVE_UP
    assert found.error_kinds == {"http 500": GIVE_UP, "not asked": 30 - GIVE_UP}
    assert all("http 500" in says for row in found.errors for says in row)
    gone = repeat(server.url, TEXTS[:2], model="m", repeats=2, timeout_seconds=1)
    assert gone.error_kinds == {"connection failed": 4}


def test_failures_in_between_do_not_end_the_asking():
    with FakeOpenAI(script=lambda number, body: "ok" if number % 5 == 4 else "500") as server:
        repeat(server.url, TEXTS, model="m", repeats=5)
        assert len(server.bodies) == 30


def test_the_key_is_sent_and_never_shown(monkeypatch):
    monkeypatch.setenv("REPEAT_KEY", "sk-secret-1234567")
    with FakeOpenAI(script=lambda number, body: "echo key" if number % 2 else "401") as server:
        found = repeat(server.url, TEXTS[:2], model="m", repeats=2, key_env="REPEAT_KEY")
        assert all(headers.get("Authorization") == "Bearer sk-secret-1234567" for headers in server.headers)
    assert "sk-secret" not in json.dumps([found.raw, found.parsed, found.errors])
    assert "[key]" in json.dumps([found.raw, found.errors])
    monkeypatch.setenv("REPEAT_KEY", "two words")
    with pytest.raises(BakeoffError, match="REPEAT_KEY"):
        repeat("http://127.0.0.1:1/v1", TEXTS, model="m", key_env="REPEAT_KEY")


@pytest.mark.parametrize(
    "given_",
    [
        {"repeats": 0},
        {"concurrency": 0},
        {"timeout_seconds": 0.0},
        {"timeout_seconds": float("nan")},
        {"items": []},
        {"items": "text"},
        {"items": [[{"no": "role"}]]},
        {"url": "ftp://127.0.0.1/v1"},
        {"protocol": "grpc"},
        {"extra": {"top_p": float("nan")}},
    ],
)
def test_settings_that_cannot_be(given_):
    with pytest.raises(BakeoffError) as error:
        repeat(**{"url": "http://127.0.0.1:1/v1", "items": TEXTS, "model": "m", **given_})
    assert error.value.fix


class Answers:
    """A `/v1/answer` (and a chat that tells its value beside the text) on a real socket; `say(number, item)` -> the answer."""

    def __init__(self, say):
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        numbers = iter(range(10_000))

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/v1/answer":
                    reply = {"answers": [say(next(numbers), item) for item in body["items"]]}
                else:
                    beside = say(next(numbers), body["messages"][-1]["content"])
                    message = {"role": "assistant", "content": "some words"}
                    reply = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "bakeoff": beside}
                raw = json.dumps(reply).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def test_times_are_no_part_of_an_answer_but_probabilities_are():
    def say(number, item):
        p = 0.75 if item["n"] == 0 else 0.5 + number / 1000
        return {"value": "a", "probabilities": {"b": 1 - p, "a": p}, "seconds": number / 10, "abstained": False, "error": None}

    with Answers(say) as server:
        found = repeat(server.url, [{"n": 0}, {"n": 1}], protocol="answer", repeats=3)
    assert len(set(found.raw[0])) == 1 and len(set(found.raw[1])) == 3
    assert set(found.parsed[0]) == set(found.parsed[1]) == {'"a"'}


def test_abstentions_and_errors_of_the_approach():
    def say(number, item):
        if item == "err":
            return {"value": None, "probabilities": None, "seconds": None, "abstained": False, "error": "no luck"}
        return {"value": None, "probabilities": None, "seconds": 0.1, "abstained": True, "error": None}

    with Answers(say) as server:
        found = repeat(server.url, ["err", "abstains"], protocol="answer", repeats=2)
        assert found.raw[0] == (None, None) and "no luck" in found.errors[0][0]
        assert found.parsed[1] == (None, None) and None not in found.raw[1] and found.errors[1] == (None, None)
        chat = repeat(server.url, ["abstains"], model="m", repeats=2)
        assert chat.raw == (("some words",) * 2,) and chat.parsed == ((None, None),)
    with Answers(lambda number, item: {"value": 1, "probabilities": None, "abstained": False}) as server:
        assert repeat(server.url, ["x"], model="m", repeats=1).parsed == (("1",),)
