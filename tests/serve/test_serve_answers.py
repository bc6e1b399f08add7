"""What the routes give, and that nothing an approach does breaks them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import pytest
from small_server import Running, Small, Streaming, Unruly, running

from bakeoff import __version__
from bakeoff.contract import Answer, Item
from bakeoff.serve.served import Served, model_id
from bakeoff.serve.wire import AnswerResponse, ChatResponse, CompletionResponse, Health, Models

NOTHING = {"value": None, "probabilities": None, "seconds": None, "abstained": False}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(Unruly()) as made:
        yield made


def test_items_are_answered_in_their_order(server: Running) -> None:
    reply = server.post("/v1/answer", {"items": ["good", "dull", "so good"]})
    assert reply.status_code == 200 and reply.headers["content-type"] == "application/json"
    AnswerResponse.model_validate(reply.json())
    body = reply.json()
    assert body["model"] == "small"
    assert [answer["value"] for answer in body["answers"]] == ["good", "bad", "good"]
    assert body["answers"][0]["probabilities"]["good"] == pytest.approx(0.9)
    assert body["answers"][0]["seconds"] is None  # not measured for this item alone, so not made up


def test_no_items_no_answers(server: Running) -> None:
    assert server.answer() == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("raise", "out of cheese"),
        ("fixable", "The text is too odd."),
        ("few", "no answer for this item"),
        ("many", "more answers than it was asked for"),
        ("odd", "not an Answer"),
        ("nan", "nan"),
        ("chances", "do not sum to 1"),
        ("none", "neither a value, nor an abstention, nor an error"),
        ("object", "cannot be written as JSON"),
        ("error", "no idea"),
    ],
)
def test_a_failure_of_the_approach_is_that_items_error(server: Running, text: str, says: str) -> None:
    (answer,) = server.answer(text)
    assert says in answer.pop("error")
    assert answer == NOTHING
    chat = server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": text}]})
    assert chat.status_code == 422 and says in chat.json()["error"]["message"]
    assert chat.json()["error"]["code"] == "unanswered"
    assert server.answer("good")[0]["value"] == "good"


def test_a_bad_item_spoils_no_other_of_its_batch(server: Running) -> None:
    found = server.answer("good", "raise", "dull", "fixable", "good")
    assert [answer["value"] for answer in found] == ["good", None, "bad", None, "good"]
    assert [bool(answer["error"]) for answer in found] == [False, True, False, True, False]


def test_what_json_holds_is_given_as_it_is(server: Running) -> None:
    found = server.answer("abstain", "list", "counted", "surrogate")
    assert (found[0]["abstained"], found[0]["value"], found[0]["error"]) == (True, None, None)
    assert found[1]["value"] == [1, {"a": None}]
    assert found[2]["seconds"] == 0.5
    assert found[3]["value"] == "half ?"


def test_the_last_message_of_the_user_is_the_item_and_the_label_the_reply(server: Running) -> None:
    parts = [{"type": "text", "text": "quite "}, {"type": "text", "text": "good"}]
    messages = [
        {"role": "system", "content": "good good good"},
        {"role": "user", "content": "good"},
        {"role": "assistant", "content": "good"},
        {"role": "user", "content": "dull"},
    ]
    first = server.post("/v1/chat/completions", {"model": "small", "messages": messages}).json()
    ChatResponse.model_validate(first)
    assert first["choices"][0]["message"]["content"] == "bad"
    assert first["bakeoff"] == {"value": "bad", "probabilities": {"bad": 0.9, "good": 0.1}, "abstained": False}
    assert first["usage"] is None  # nobody counted tokens, so none are claimed
    second = server.post("/v1/chat/completions", {"messages": [*messages, {"role": "user", "content": parts}]}).json()
    assert second["choices"][0]["message"]["content"] == "good"
    counted = server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "counted"}]}).json()
    assert counted["usage"] == {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    listed = server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "list"}]}).json()
    assert json.loads(listed["choices"][0]["message"]["content"]) == [1, {"a": None}]
    abstained = server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "abstain"}]}).json()
    assert (abstained["choices"][0]["message"]["content"], abstained["bakeoff"]["abstained"]) == ("", True)


def test_a_text_completion_answers_its_prompt(server: Running) -> None:
    for prompt in ("good", ["good"]):
        found = server.post("/v1/completions", {"prompt": prompt}).json()
        CompletionResponse.model_validate(found)
        assert (found["object"], found["choices"][0]["text"], found["bakeoff"]["value"]) == ("text_completion", "good", "good")


def test_models_health_and_metrics(server: Running) -> None:
    models = server.client.get("/v1/models").json()
    Models.model_validate(models)
    assert [(m["id"], m["bakeoff"]) for m in models["data"]] == [("small", "approach")]
    assert server.client.get("/v1/models/small").json() == models["data"][0]
    missing = server.client.get("/v1/models/smal")
    assert missing.status_code == 404 and "did you mean 'small'" in missing.json()["error"]["message"]
    health = server.client.get("/healthz")
    Health.model_validate(health.json())
    assert (health.status_code, health.json()["status"], health.json()["version"]) == (200, "ok", __version__)
    before = {name: server.metric(name) for name in ("bakeoff_items_total", "bakeoff_item_errors_total")}
    server.answer("good", "error")
    assert server.metric("bakeoff_items_total") == before["bakeoff_items_total"] + 2
    assert server.metric("bakeoff_item_errors_total") == before["bakeoff_item_errors_total"] + 1
    text = server.client.get("/metrics").text
    assert 'bakeoff_requests_total{route="/v1/answer",status="200"}' in text
    assert "bakeoff_batch_items_bucket" in text and "bakeoff_model_up 1.0" in text
    server.client.get("/a/path/of/its/own")
    assert "/a/path" not in server.client.get("/metrics").text


def test_the_page_shows_lines_that_work_and_fetches_nothing(server: Running) -> None:
    page = server.client.get("/")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert server.url in page.text and "<script" not in page.text and "src=" not in page.text
    odd = server.client.get("/", headers={"host": 'localhost:1"><script>'})
    assert odd.status_code in (200, 400, 403) and "<script>" not in odd.text


def test_a_streaming_approach_replies_with_what_it_writes() -> None:
    with running(Streaming()) as server:
        found = server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}).json()
        assert found["choices"][0]["message"]["content"] == "".join(f"w{n} " for n in range(10))
        assert found["bakeoff"]["value"] == "good"
        assert found["usage"] == {"prompt_tokens": 3, "completion_tokens": 10, "total_tokens": 13}
        for text in ("fail", "break"):
            failed = server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": text}]})
            assert failed.status_code == 422


def test_items_of_other_tasks_are_any_json() -> None:
    class Sum(Small):
        def one(self, item):  # type: ignore[no-untyped-def]
            from bakeoff.contract import Answer

            return Answer(sum(item.input["row"]))

    with running(Served("sums", Sum(), accepts="any")) as server:
        assert server.post("/v1/answer", {"items": [{"row": [1, 2]}]}).json()["answers"][0]["value"] == 3


def test_names_of_models() -> None:
    assert model_id("hub:Org/Name@main") == "Org/Name"
    assert model_id("/some/where/Tiny Model.Q4.gguf") == "Tiny-Model.Q4"
    assert model_id("smollm2-135m-instruct") == "smollm2-135m-instruct"


def test_failures_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with running(Unruly()) as server:
        for _ in range(30):
            server.answer("raise")
        assert server.metric("bakeoff_item_errors_total") == 30
    said = [one for one in caplog.records if one.name == "bakeoff.serve"]
    assert len(said) == 20 and "only counted" in said[-1].message


def test_what_was_asked_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    class Quoting:
        def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
            for item in items:
                raise ValueError(f"cannot read {item.input!r}")
            yield Answer("never")

    with running(Quoting()) as server:
        assert "my secret illness" in json.dumps(server.answer("my secret illness"))
    said = [one for one in caplog.records if one.name == "bakeoff.serve"]
    assert said and "ValueError at test_serve_answers.py" in said[0].getMessage()
    assert "secret" not in caplog.text
