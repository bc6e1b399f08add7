"""The client against a server that misbehaves in every way that the fake one can, on real sockets."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from bakeoff.errors import BakeoffError
from bakeoff.models.answer_cache import AnswerCache
from bakeoff.models.openai_client import OpenAIClient
from bakeoff.models.spending import Prices, prompt_tokens_at_most
from fake_clock import FakeClock
from fake_openai import FakeOpenAI, mixed

SECRET = "sk-Secret-0123456789abcdef"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


@pytest.fixture
def connect() -> Iterator[Callable[..., OpenAIClient]]:
    made: list[OpenAIClient] = []

    def make(url: str, **settings: Any) -> OpenAIClient:
        settings = {"cache": AnswerCache(), "clock": FakeClock(), "read_seconds": 5.0} | settings
        made.append(OpenAIClient(url, "fake-1", **settings))
        return made[-1]

    yield make
    for client in made:
        client.close()


def body(text: str = "good", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 8, "stream": True} | more


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


ENDS = {
    "ok": "positive",
    "slow": "positive",
    "no done": "positive",
    "html": "<b>positive</b><script>alert(1)</script>",
    "usage missing": "positive",
    "usage negative": "positive",
    "usage text": "positive",
    "usage absurd": "positive",
    "usage zero": "positive",
    "two": "positive",
    "surrogate": "positive ?",
    "refusal": None,
    "null": None,
    "tool": None,
    "429": "rate limited: HTTP 429",
    "quota": "not allowed: HTTP 429",
    "500": "server error: HTTP 500",
    "400": "bad request: HTTP 400",
    "401": "not allowed: HTTP 401",
    "404": "not found: HTTP 404",
    "redirect": "redirected: HTTP 307 to elsewhere.invalid",
    "broken": "connection broken: ",
    "disconnect": "connection broken: ",
    "empty": "bad answer: `choices` is empty",
    "huge": "bad answer: larger than",
    "utf8": "bad answer: not UTF-8",
    "bomb": "bad answer: JSON nested too deeply",
    "garbage": "bad answer: not JSON",
    "array": "bad answer: JSON, but not an object",
    "page": "bad answer: the content type is text/html",
    "gzip": "bad answer: compressed",
    "number": "bad answer: `content` is not text",
}
RETRIED = {"429", "500", "broken", "disconnect"}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("behaviour", sorted(ENDS))
def test_every_behaviour_ends_as_a_reply(behaviour: str, stream: bool, connect: Callable[..., OpenAIClient]) -> None:
    with FakeOpenAI(lambda number, asked: behaviour) as server:
        client = connect(server.url, attempts=3)
        reply = client.ask(body(stream=stream))
        expected = ENDS[behaviour]
        if expected is None or not expected.partition(": ")[1]:
            assert reply.message is not None and reply.error is None
            assert reply.message.text == expected
            assert reply.seconds is not None and reply.seconds > 0
            assert (reply.first_token_seconds is not None) == (stream and behaviour not in ("null", "tool"))
            assert reply.usage == ("estimated" if behaviour.startswith("usage") else "reported")
            assert client.ask(body(stream=stream)).cached
        else:
            assert reply.message is None and reply.error is not None
            assert reply.error.startswith(expected)
            assert reply.usd is None and reply.tokens_in is None
            assert len(client.cache) == 0
        assert sum(server.received.values()) == (3 if behaviour in RETRIED else 1)
        assert reply.attempts == (3 if behaviour in RETRIED else 1)


def test_a_stream_that_turns_into_an_error_is_tried_again(connect: Callable[..., OpenAIClient]) -> None:
    with FakeOpenAI(lambda number, asked: ["stream error", "broken", "disconnect", "ok"][number]) as server:
        reply = connect(server.url).ask(body())
        assert reply.message is not None and reply.message.text == "positive"
        assert reply.attempts == 4
        assert len(server.received) == 1  # one Idempotency-Key for all attempts


def test_waits_follow_backoff_and_retry_after(connect: Callable[..., OpenAIClient]) -> None:
    with FakeOpenAI(lambda number, asked: ["500", "429 date", "ok"][number]) as server:
        clock = FakeClock(date=time.time())
        reply = connect(server.url, clock=clock, seed=7).ask(body())
        assert reply.attempts == 3
        first, second = clock.waits[0], clock.waits[1]
        assert 0 <= first <= 0.5
        assert 0 < second <= 3
        assert reply.waited_seconds >= first + second
        again = FakeClock(date=time.time())
        with FakeOpenAI(lambda number, asked: ["500", "ok"][number], port=0) as other:
            connect(other.url, clock=again, seed=7).ask(body("something else"))
        assert again.waits[0] != first  # jitter differs between requests


def test_a_pause_that_the_server_asks_for_holds_every_thread(connect: Callable[..., OpenAIClient]) -> None:
    with FakeOpenAI(lambda number, asked: "429 date" if number == 0 else "ok") as server:
        clock = FakeClock(date=time.time())
        client = connect(server.url, clock=clock)
        client.ask(body())
        assert clock.now > 0.5


@pytest.mark.parametrize(
    ("behaviour", "says"), [("stall", "timed out: no data for 0.2 s"), ("trickle", "timed out: no complete answer within 0.4 s")]
)
def test_silence_and_a_trickle_both_end(behaviour: str, says: str, connect: Callable[..., OpenAIClient]) -> None:
    with FakeOpenAI(lambda number, asked: behaviour, stall_seconds=30) as server:
        reply = connect(server.url, attempts=2, read_seconds=0.2, total_seconds=0.4).ask(body())
        assert reply.error == says
        assert reply.attempts == 2


def test_an_answer_that_is_whole_is_not_lost_to_a_connection_that_hangs(connect: Callable[..., OpenAIClient]) -> None:
    with FakeOpenAI(lambda number, asked: "hang after done" if number == 0 else "ok", stall_seconds=30) as server:
        client = connect(server.url)
        first = client.ask(body())
        assert first.message is not None and first.seconds is not None and first.seconds < 0.5
        assert client.ask(body("other")).message is not None


def test_connections_are_kept_open_between_streams(connect: Callable[..., OpenAIClient]) -> None:
    with FakeOpenAI() as server:
        client = connect(server.url)
        for number in range(6):
            assert client.ask(body(f"good {number}")).error is None
        assert server.connections == 1


def test_replies_come_in_order_and_concurrency_is_kept(connect: Callable[..., OpenAIClient]) -> None:
    with FakeOpenAI(rule=lambda text: text, delay=0.02) as server:
        client = connect(server.url, concurrency=3)
        texts = [f"text {number}" for number in range(30)]
        replies = list(client.ask_all(body(text) for text in texts))
        assert [reply.message.text if reply.message else None for reply in replies] == texts
        assert 2 <= server.most_in_flight <= 3


def test_the_rate_limit_spaces_requests(connect: Callable[..., OpenAIClient]) -> None:
    with FakeOpenAI() as server:
        clock = FakeClock()
        client = connect(server.url, clock=clock, requests_per_minute=30)
        for number in range(5):
            client.ask(body(f"good {number}"))
        assert clock.now == pytest.approx(8)
        client.ask(body("good 0"))  # from the cache: no place is needed
        assert clock.now == pytest.approx(8)


def test_no_stored_answer_is_fetched_twice(connect: Callable[..., OpenAIClient]) -> None:
    with FakeOpenAI(delay=0.01) as server:
        client = connect(server.url, concurrency=8)
        bodies = [body(f"good {number % 5}") for number in range(40)]
        first = list(client.ask_all(bodies))
        assert sum(server.received.values()) == 5
        assert sum(not reply.cached for reply in first) == 5
        second = connect(server.url)
        assert all(reply.cached for reply in second.ask_all(bodies))
        assert sum(server.received.values()) == 5
        originals = {reply.key: reply for reply in first if not reply.cached}
        for reply in client.ask_all(bodies):
            kept = originals[reply.key]
            assert (reply.seconds, reply.first_token_seconds, reply.tokens_in) == (
                kept.seconds,
                kept.first_token_seconds,
                kept.tokens_in,
            )
        assert not client.ask(bodies[0], repeat=1).cached  # another repeat is another question
        assert server.received.most_common(1)[0][1] == 1


def test_closing_waits_for_what_is_in_flight_and_keeps_it(connect: Callable[..., OpenAIClient]) -> None:
    with FakeOpenAI(delay=0.1) as server:
        client = connect(server.url, concurrency=4)
        replies = client.ask_all(body(f"good {number}") for number in range(100))
        assert next(replies).error is None
        replies.close()
        assert sum(server.delivered.values()) == sum(server.received.values()) == len(client.cache)
        assert len(client.cache) <= 12


def test_a_stopped_client_sends_nothing(connect: Callable[..., OpenAIClient]) -> None:
    stop = threading.Event()
    stop.set()
    with FakeOpenAI() as server:
        assert connect(server.url).ask(body(), stop=stop).error == "stopped: the run was asked to stop"
        assert not server.received


def test_unknown_prices_are_none_and_a_price_of_zero_is_zero(connect: Callable[..., OpenAIClient]) -> None:
    with FakeOpenAI() as server:
        assert connect(server.url).ask(body("a")).usd is None
        assert connect(server.url, prices=Prices(0, 0)).ask(body("b")).usd == 0.0
        paid = connect(server.url, prices=Prices(3, 5)).ask(body("c"))
        assert paid.tokens_in is not None and paid.tokens_out is not None
        assert paid.usd == pytest.approx((3 * paid.tokens_in + 5 * paid.tokens_out) / 1e6)
        later = connect(server.url, prices=Prices(30, 50)).ask(body("c"))
        assert later.cached and later.usd == paid.usd  # what it cost when it was paid
        assert connect(server.url, prices=Prices(3, 5)).ask(body("a")).usd == pytest.approx(paid.usd, rel=0.2)


CHARGED_MIX = {
    "ok": 6,
    "broken": 2,
    "disconnect": 2,
    "usage absurd": 1,
    "usage zero": 1,
    "usage missing": 1,
    "500": 1,
    "garbage": 1,
    "empty": 1,
}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_ceiling_is_never_passed_by_the_servers_own_account(seed: int, connect: Callable[..., OpenAIClient]) -> None:
    ceiling, price_in, price_out = 0.02, 10.0, 30.0
    with FakeOpenAI(mixed(CHARGED_MIX, seed), delay=0.001) as server:
        client = connect(server.url, concurrency=8, prices=Prices(price_in, price_out), ceiling_usd=ceiling)
        replies = list(client.ask_all(body(f"good {number} of seed {seed}") for number in range(120)))
        kinds = Counter((reply.error or "answer").split(":")[0] for reply in replies)
        assert sum(kinds.values()) == 120
        assert kinds["answer"] > 0 and kinds["cost ceiling reached"] > 0
        assert 0 < server.usd(price_in, price_out) <= client.spent_usd() <= ceiling
        sent = sum(server.received.values())
        assert (
            connect(server.url, prices=Prices(price_in, price_out), ceiling_usd=ceiling, account=client.account)
            .ask(body("new"))
            .error
        )
        assert sum(server.received.values()) == sent


@pytest.mark.parametrize(
    "way", ["broken", "disconnect", "stream error", "usage zero", "usage missing", "usage negative", "garbage", "empty"]
)
def test_no_single_way_to_lose_or_hide_a_charge_passes_the_account(way: str, connect: Callable[..., OpenAIClient]) -> None:
    # One way at a time: what is counted too high for one would hide what is counted too low for another.
    with FakeOpenAI(lambda number, asked: "ok" if number % 4 == 0 else way) as server:
        client = connect(server.url, concurrency=4, attempts=2, prices=Prices(10, 30), ceiling_usd=0.05)
        replies = list(client.ask_all(body(f"good {number}") for number in range(40)))
        assert any(str(reply.error).startswith("cost ceiling reached") for reply in replies)
        assert 0 < server.usd(10, 30) <= client.spent_usd() <= 0.05


def test_a_ceiling_waits_for_requests_in_flight_before_it_refuses(connect: Callable[..., OpenAIClient]) -> None:
    # Room for one worst case and a half: each request gives most of its own back, so all ten must go through.
    prices = Prices(10, 10)
    worst = prices.usd(prompt_tokens_at_most(body("good 0")), 8)
    with FakeOpenAI(delay=0.01) as server:
        client = connect(server.url, concurrency=4, prices=prices, ceiling_usd=1.5 * worst + 10 * prices.usd(20, 4))
        replies = list(client.ask_all(body(f"good {number}") for number in range(10)))
        assert [reply.error for reply in replies] == [None] * 10


def test_a_ceiling_of_zero_sends_nothing_and_the_cache_still_answers(connect: Callable[..., OpenAIClient]) -> None:
    with FakeOpenAI() as server:
        connect(server.url, prices=Prices(1, 1)).ask(body("known"))
        client = connect(server.url, prices=Prices(1, 1), ceiling_usd=0)
        assert client.ask(body("known")).error is None
        assert str(client.ask(body("new")).error).startswith("cost ceiling reached: 0.000000 USD of 0 are spent")
        assert sum(server.received.values()) == 1


def test_a_ceiling_needs_a_limit_on_tokens(connect: Callable[..., OpenAIClient]) -> None:
    with FakeOpenAI() as server, pytest.raises(BakeoffError, match="without a limit"):
        connect(server.url, prices=Prices(1, 1), ceiling_usd=1).ask({"messages": [{"role": "user", "content": "x"}]})


def test_a_server_out_of_reach_trips_the_breaker(connect: Callable[..., OpenAIClient]) -> None:
    port = free_port()
    clock = FakeClock()
    client = connect(f"http://127.0.0.1:{port}/v1", clock=clock, concurrency=8)
    replies = list(client.ask_all(body(f"good {number}") for number in range(300)))
    assert len(replies) == 300
    kinds = Counter(str(reply.error).split(":")[0] for reply in replies)
    assert set(kinds) <= {"connection failed", "server unreachable"}
    assert kinds["server unreachable"] >= 280
    refused = next(reply.error for reply in replies if str(reply.error).startswith("server unreachable"))
    assert "failures in a row" in str(refused) and "next probe" in str(refused)
    assert sum(reply.attempts for reply in replies) < 60
    with FakeOpenAI(port=port) as server:
        clock.now += 1000
        assert client.ask(body("good 0")).error is None
        assert client.breaker.state == "closed"
        assert sum(server.received.values()) == 1


def test_a_refused_key_ends_the_rest_quickly(connect: Callable[..., OpenAIClient]) -> None:
    with FakeOpenAI(lambda number, asked: "401") as server:
        replies = list(connect(server.url, concurrency=2).ask_all(body(f"good {number}") for number in range(200)))
        assert all(reply.error for reply in replies)
        assert 5 <= sum(server.received.values()) <= 10
        assert "OPENAI_API_KEY" in str(replies[0].error)


def test_the_key_is_sent_and_never_shown(
    home: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], connect: Callable[..., OpenAIClient]
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    script = ["echo key", "401", "500", "400", "ok", "429", "broken"]
    with FakeOpenAI(lambda number, asked: script[number % len(script)]) as server:
        for stream in (True, False):
            client = connect(server.url, attempts=1)
            shown += [repr(client), str(vars(client))]
            shown += [repr(client.ask(body(f"text {number}", stream=stream))) for number in range(14)]
        assert {headers.get("Authorization") for headers in server.headers} == {f"Bearer {SECRET}"}
        assert "[key]" in "".join(shown)
    for file in home.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file
    assert SECRET not in "".join(shown)
    assert SECRET not in caplog.text
    assert SECRET not in "".join(capfd.readouterr())


def test_no_key_is_sent_where_there_is_none(monkeypatch: pytest.MonkeyPatch, connect: Callable[..., OpenAIClient]) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with FakeOpenAI() as server:
        assert connect(server.url).ask(body()).error is None
        assert "Authorization" not in server.headers[0]


def test_a_spoilt_key_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, connect: Callable[..., OpenAIClient]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-R0tten\nX-Evil: 1")
    with pytest.raises(BakeoffError) as caught:
        connect("http://127.0.0.1:9/v1")
    assert "R0tten" not in "".join(traceback.format_exception(caught.value))


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch, connect: Callable[..., OpenAIClient]) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with FakeOpenAI() as server:
        assert connect(server.url).ask(body()).error is None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"base_url": ""}, "base_url"),
        ({"base_url": "localhost:8000"}, "http://"),
        ({"base_url": "file:///etc/passwd"}, "http://"),
        ({"base_url": "http://[bad"}, "not a URL"),
        ({"base_url": "http://h:99999/v1"}, "not a URL"),
        ({"base_url": f"http://user:{SECRET}@h/v1"}, "no user, password"),
        ({"base_url": f"http://h/v1?api-key={SECRET}"}, "no user, password"),
        ({"model": ""}, "model"),
        ({"key_env": SECRET}, "key_env"),
        ({"concurrency": 0}, "concurrency"),
        ({"attempts": 0}, "attempts"),
        ({"read_seconds": 0}, "read_seconds"),
        ({"total_seconds": float("nan")}, "total_seconds"),
        ({"requests_per_minute": -1}, "requests_per_minute"),
        ({"ceiling_usd": 1.0}, "without prices"),
        ({"ceiling_usd": -1.0, "prices": Prices(1, 1)}, "ceiling_usd"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any], says: str) -> None:
    settings = {"base_url": "http://h/v1", "model": "m", "cache": AnswerCache()} | settings
    with pytest.raises(BakeoffError, match=says) as caught:
        OpenAIClient(settings.pop("base_url"), settings.pop("model"), **settings)
    assert caught.value.fix
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("price", [-1, float("nan"), float("inf"), "3", True])
def test_prices_that_are_none(price: Any) -> None:
    with pytest.raises(BakeoffError, match="usd_per_million_in"):
        Prices(price, 1)


@pytest.mark.parametrize("given", ["http://h/v1", "http://h/v1/", " http://h/v1/chat/completions "])
def test_base_urls_that_mean_the_same(given: str) -> None:
    assert OpenAIClient(given, "m", cache=AnswerCache()).base_url == "http://h/v1"


def test_the_fake_server_as_a_process_of_its_own(connect: Callable[..., OpenAIClient]) -> None:
    file = Path(__file__).parents[1] / "fake_openai.py"
    process = subprocess.Popen([sys.executable, str(file), "--port", "0", "--delay", "0.001"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        replies = list(connect(f"http://127.0.0.1:{port}/v1").ask_all(body(f"good {number}") for number in range(10)))
        assert [reply.error for reply in replies] == [None] * 10
        with urlopen(f"http://127.0.0.1:{port}/stats") as response:
            stats = json.load(response)
        assert stats["received"] == stats["delivered"] == stats["distinct_keys"] == 10
    finally:
        process.kill()
        process.communicate()


class NowhereHandler(BaseHTTPRequestHandler):
    """Redirects to an address that httpx reads and urllib does not."""

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(307)
        self.send_header("Location", "http://[")
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_a_redirect_to_no_address_is_a_reply_too(connect: Callable[..., OpenAIClient]) -> None:
    with HTTPServer(("127.0.0.1", 0), NowhereHandler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        reply = connect(f"http://127.0.0.1:{server.server_port}/v1", attempts=1).ask(body())
    assert reply.message is None and reply.error.startswith("redirected: HTTP 307 to no address")
