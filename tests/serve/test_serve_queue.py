"""Batching, the bounded queue, time limits and clients that hang up: all against a model that answers only when it is let to."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from small_server import Gated, Running, Small, Streaming, request_bytes, running, wait_until

from bakeoff.contract import Item
from bakeoff.serve.model_thread import ItemWork, ModelThread, Order

CHAT = "/v1/chat/completions"


def chat(text: str = "good", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


def ask(server: Running, *texts: str) -> httpx.Response:
    return httpx.post(server.url + "/v1/answer", json={"items": list(texts)}, timeout=30)


def computed(approach: Small, asked: list[list[str]], **settings: Any) -> list[str]:
    """The values of items that are put into a model thread one order after the other, with nothing between them."""

    async def run() -> list[str]:
        thread = ModelThread(approach, **{"max_queue": 100, **settings})
        thread.start()
        orders = [Order(asyncio.get_running_loop()) for _ in asked]
        for order, texts in zip(orders, asked, strict=True):
            thread.submit([ItemWork(order, place, Item(text, text)) for place, text in enumerate(texts)])
        found = [
            (await asyncio.wait_for(o.next(), 30)).answer.value for o, texts in zip(orders, asked, strict=True) for _ in texts
        ]
        assert thread.stop(30)
        return found

    return asyncio.run(run())


def test_items_that_arrive_within_the_window_are_computed_together() -> None:
    approach = Small()
    assert computed(approach, [["good"], ["dull", "good"], ["good"]], window_seconds=0.5, max_batch=32) == [
        "good",
        "bad",
        "good",
        "good",
    ]
    assert list(map(len, approach.batches)) == [4]


def test_a_full_batch_never_waits_and_none_is_larger() -> None:
    approach = Small()
    # The window is an hour: had a full batch waited for it, nothing would have come.
    computed(approach, [["a"] * 3, ["b"] * 5], window_seconds=3600, max_batch=4)
    assert approach.batches == [list("aaab"), list("bbbb")]


def test_no_window_no_wait() -> None:
    approach = Small()
    computed(approach, [["a"]], window_seconds=0, max_batch=4)
    assert approach.batches == [["a"]]


def test_what_waited_while_the_model_computed_does_not_wait_again() -> None:
    approach = Gated()
    with running(approach, window_ms=200, max_batch=100) as server, ThreadPoolExecutor(8) as pool:
        first = pool.submit(ask, server, "first")
        assert approach.began.wait(10)
        rest = [pool.submit(ask, server, f"rest {n}") for n in range(5)]
        wait_until(lambda: server.metric("bakeoff_queue_items") == 5)
        approach.gate.set()
        assert all(done.result(30).status_code == 200 for done in [first, *rest])
    assert list(map(len, approach.batches)) == [1, 5]


def test_a_full_queue_is_429_with_a_time_to_come_back_and_takes_nothing_in() -> None:
    approach = Gated()
    with running(approach, window_ms=0, max_batch=2, max_queue=3) as server, ThreadPoolExecutor(8) as pool:
        held: list[Future[httpx.Response]] = [pool.submit(ask, server, "a")]
        assert approach.began.wait(10)
        held.append(pool.submit(ask, server, "b", "c"))
        wait_until(lambda: server.metric("bakeoff_queue_items") == 2)
        refused = ask(server, "d", "e")
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "queue_full"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert server.client.get("/healthz").json()["queue"] == 2  # all of a request or nothing
        held.append(pool.submit(ask, server, "f"))
        wait_until(lambda: server.metric("bakeoff_queue_items") == 3)
        assert server.post(CHAT, chat()).status_code == 429
        approach.gate.set()
        assert [done.result(30).status_code for done in held] == [200] * 3
        assert ask(server, "g").status_code == 200
    assert sorted(text for batch in approach.batches for text in batch) == list("abcfg")


def test_more_items_than_the_queue_holds_can_never_be_taken() -> None:
    with running(Small(), max_queue=5) as server:
        refused = ask(server, *["x"] * 6)
        assert refused.status_code == 422 and "at most 5" in refused.json()["error"]["message"]


def test_health_and_metrics_answer_while_the_model_computes() -> None:
    approach = Gated()
    with running(approach) as server, ThreadPoolExecutor(1) as pool:
        held = pool.submit(ask, server, "x")
        assert approach.began.wait(10)
        for _ in range(5):
            assert server.client.get("/healthz", timeout=5).status_code == 200
            assert server.client.get("/metrics", timeout=5).status_code == 200
        assert not held.done()
        approach.gate.set()
        assert held.result(30).status_code == 200


def test_a_request_that_waits_too_long_is_504_and_its_work_is_dropped() -> None:
    approach = Gated()
    with running(approach, request_seconds=0.3, window_ms=0) as server, ThreadPoolExecutor(2) as pool:
        running_one = pool.submit(ask, server, "computed")
        assert approach.began.wait(10)
        waiting_one = ask(server, "never computed", "nor this")
        assert waiting_one.status_code == 504
        error = waiting_one.json()["error"]
        assert (error["code"], error["type"]) == ("timeout", "server_error") and "0.3 s" in error["message"]
        assert running_one.result(30).status_code == 504
        assert server.client.get("/healthz").json()["queue"] == 0
        approach.gate.set()
        wait_until(lambda: ask(server, "next").status_code == 200)
    assert [batch for batch in approach.batches if "never computed" in batch] == []


def test_a_model_that_gives_nothing_for_long_makes_the_server_unhealthy() -> None:
    approach = Gated()
    with running(approach, request_seconds=0.1) as server:
        assert ask(server, "x").status_code == 504
        wait_until(lambda: server.client.get("/healthz").status_code == 503)
        assert server.client.get("/healthz").json()["status"] == "stalled"
        approach.gate.set()
        wait_until(lambda: server.client.get("/healthz").status_code == 200)


def test_a_client_that_hangs_up_frees_its_place() -> None:
    approach = Gated()
    with running(approach, window_ms=0) as server, ThreadPoolExecutor(1) as pool:
        held = pool.submit(ask, server, "x")
        assert approach.began.wait(10)
        with server.connect() as client:
            client.sendall(request_bytes("/v1/answer", json.dumps({"items": ["gone"] * 50}).encode()))
            wait_until(lambda: server.metric("bakeoff_queue_items") == 50)
        wait_until(lambda: server.metric("bakeoff_queue_items") == 0)
        approach.gate.set()
        assert held.result(30).status_code == 200
        assert server.metric("bakeoff_dropped_requests_total") == 1
    assert [batch for batch in approach.batches if "gone" in batch] == []


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_hangs_up_ends_its_generation_at_the_next_token(stream: bool) -> None:
    approach = Streaming(seconds=0.02, words=500)
    with running(approach) as server:
        with server.connect() as client:
            client.sendall(request_bytes(CHAT, json.dumps(chat(stream=stream)).encode()))
            wait_until(lambda: approach.written > 3)
        assert approach.closed.wait(10)
        assert approach.written < 250
        wait_until(lambda: server.metric("bakeoff_in_flight_requests") == 1)  # that of the metrics alone


def test_a_stream_that_takes_too_long_ends_with_an_error_event() -> None:
    approach = Streaming(seconds=0.05, words=500)
    with running(approach, request_seconds=0.5) as server:
        reply = server.post(CHAT, chat(stream=True))
        events = [line[6:] for line in reply.text.splitlines() if line.startswith("data: ")]
        assert reply.status_code == 200 and "w0" in reply.text
        assert json.loads(events[-1])["error"]["code"] == "timeout"
        assert approach.closed.wait(10) and approach.written < 100


def test_generations_and_items_take_turns_in_the_order_in_which_they_came() -> None:
    class Both(Streaming):
        def answer(self, items):  # type: ignore[no-untyped-def]
            for answer in super().answer(items):
                order.append("item")
                yield answer

        def stream(self, item):  # type: ignore[no-untyped-def]
            if item.input == "first":
                gate.wait(30)
            order.append(item.input)
            yield from super().stream(item)

    order: list[str] = []
    gate = threading.Event()
    with running(Both(), window_ms=0) as server, ThreadPoolExecutor(8) as pool:
        held = [pool.submit(server.post, CHAT, chat("first"))]
        wait_until(lambda: server.metric("bakeoff_in_flight_requests") == 2)
        for number, path in enumerate(("item", "second", "item", "third")):
            held.append(pool.submit(ask, server, "x") if path == "item" else pool.submit(server.post, CHAT, chat(path)))
            wait_until(lambda number=number: server.metric("bakeoff_queue_items") == number + 1)
        gate.set()
        assert [done.result(30).status_code for done in held] == [200] * 5
    assert order == ["first", "item", "second", "item", "third"]


def test_a_model_thread_that_dies_says_so_and_leaves_nobody_waiting() -> None:
    class Dying(Gated):
        def answer(self, items):  # type: ignore[no-untyped-def]
            yield from super().answer(items)
            raise SystemExit("gone for good")

    approach = Dying()
    with running(approach, window_ms=0) as server, ThreadPoolExecutor(2) as pool:
        held = [pool.submit(ask, server, "computed")]
        assert approach.began.wait(10)
        held.append(pool.submit(server.post, CHAT, chat()))
        wait_until(lambda: server.metric("bakeoff_queue_items") == 1)
        approach.gate.set()
        for reply in (done.result(30) for done in held):
            assert reply.status_code == 503 and reply.json()["error"]["code"] == "model_dead"
        health = server.client.get("/healthz")
        assert (health.status_code, health.json()["status"]) == (503, "dead")
        assert "gone for good" in health.json()["says"]
        assert ask(server, "good").status_code == 503
        assert server.metric("bakeoff_model_up") == 0
