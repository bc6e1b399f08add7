"""The official `openai` client, unchanged: whole and streamed, with usage, log-probabilities, seeds and errors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from small_server import Gated, Running, Small, Streaming, running

from bakeoff.serve.served import Served

MESSAGES: list[Any] = [{"role": "user", "content": "good"}]


def client_of(server: Running, **more: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url + "/v1", api_key="none", **{"max_retries": 0, "timeout": 60, **more})


@pytest.fixture(scope="module")
def small() -> Iterator[tuple[Running, openai.OpenAI]]:
    with running(Streaming(words=4)) as server, client_of(server) as client:
        yield server, client


def test_the_models(small: tuple[Running, openai.OpenAI]) -> None:
    assert [model.id for model in small[1].models.list()] == ["small"]
    assert small[1].models.retrieve("small").owned_by == "bakeoff"


def test_a_chat_whole_and_streamed(small: tuple[Running, openai.OpenAI]) -> None:
    whole = small[1].chat.completions.create(model="small", messages=MESSAGES)
    assert whole.choices[0].message.content == "w0 w1 w2 w3 " and whole.choices[0].finish_reason == "stop"
    assert whole.usage and whole.usage.total_tokens == 7
    assert whole.model_extra and whole.model_extra["bakeoff"]["value"] == "good"
    with small[1].chat.completions.create(
        model="small", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "w0 w1 w2 w3 "
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens == 4
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"


def test_a_text_completion(small: tuple[Running, openai.OpenAI]) -> None:
    assert small[1].completions.create(model="small", prompt="x").choices[0].text == "w0 w1 w2 w3 "
    streamed = small[1].completions.create(model="small", prompt="x", stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed) == "w0 w1 w2 w3 "


def test_its_errors_are_the_ones_it_knows(small: tuple[Running, openai.OpenAI]) -> None:
    _, client = small
    with pytest.raises(openai.NotFoundError, match="did you mean 'small'"):
        client.chat.completions.create(model="smal", messages=MESSAGES)
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="small", messages=MESSAGES, n=3)
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "n")
    with pytest.raises(openai.UnprocessableEntityError, match="gave up"):
        client.chat.completions.create(model="small", messages=[{"role": "user", "content": "fail"}])
    with pytest.raises(openai.APIError, match="gave up"):
        list(client.chat.completions.create(model="small", messages=[{"role": "user", "content": "fail"}], stream=True))


def test_it_waits_as_long_as_a_full_queue_says_and_then_succeeds() -> None:
    approach = Gated()
    with running(approach, max_queue=1, window_ms=0) as server, client_of(server) as asking:
        import threading

        held = [threading.Thread(target=server.answer, args=("x",)) for _ in range(2)]
        held[0].start()
        assert approach.began.wait(10)
        held[1].start()
        from small_server import wait_until

        wait_until(lambda: server.metric("bakeoff_queue_items") == 1)
        with pytest.raises(openai.RateLimitError) as refused:
            asking.chat.completions.create(model="small", messages=MESSAGES)
        assert int(refused.value.response.headers["retry-after"]) >= 1
        threading.Timer(0.3, approach.gate.set).start()
        patient = asking.with_options(max_retries=5)
        assert patient.chat.completions.create(model="small", messages=MESSAGES).choices[0].message.content == "good"
        for one in held:
            one.join()


def test_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMALL_TOKEN", "correct-horse-battery-staple")
    with running(Small(), token_env="SMALL_TOKEN") as server, client_of(server) as client:
        with pytest.raises(openai.AuthenticationError):
            client.models.list()
        right = client.with_options(api_key="correct-horse-battery-staple")
        assert right.chat.completions.create(model="small", messages=MESSAGES).choices[0].message.content == "good"


@pytest.mark.model
def test_a_real_language_model(real_assets: Path) -> None:
    from bakeoff.models.llm import open_lm

    name = "smollm2-135m-instruct"
    ask: list[Any] = [{"role": "user", "content": "What is the capital of France? One word."}]
    with running(Served(name, lm=open_lm(name, context=512))) as server, client_of(server) as client:
        whole = client.chat.completions.create(
            model=name, messages=ask, temperature=0, max_tokens=12, logprobs=True, top_logprobs=3
        )
        said = whole.choices[0].message.content or ""
        assert "Paris" in said and "<|im" not in said
        assert whole.usage and whole.usage.prompt_tokens > 10 and 1 <= whole.usage.completion_tokens <= 12
        logprobs = whole.choices[0].logprobs
        assert logprobs and logprobs.content
        assert "".join(token.token for token in logprobs.content) == said
        for token in logprobs.content:
            assert token.logprob <= 0 and len(token.top_logprobs) == 3
            assert sum(math.exp(top.logprob) for top in token.top_logprobs) <= 1 + 1e-6
        streamed = client.chat.completions.create(
            model=name, messages=ask, temperature=0, max_completion_tokens=12, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(streamed)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == said
        assert chunks[-1].usage == whole.usage
        sampled = [
            client.completions.create(model=name, prompt="Once upon a time", temperature=1, top_p=0.9, seed=seed, max_tokens=8)
            for seed in (5, 5, 6)
        ]
        assert sampled[0].choices[0].text == sampled[1].choices[0].text != sampled[2].choices[0].text
        stopped = client.completions.create(model=name, prompt="1, 2, 3, 4,", temperature=0, max_tokens=20, stop=[" 6"])
        assert stopped.choices[0].text == " 5," and stopped.choices[0].finish_reason == "stop"
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model=name, messages=[{"role": "user", "content": "word " * 600}])
        assert refused.value.code == "context_length_exceeded"
