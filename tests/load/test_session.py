"""The whole test of a server over real sockets: what is measured, what is said, and what a wrong address or key ends in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bakeoff.decide.record import ServingResult
from bakeoff.errors import BadData, BakeoffError, EndpointError
from bakeoff.load.prompts import BUILT_IN, read_prompts
from bakeoff.load.reach import reach
from bakeoff.load.sentences import all_of, duration
from bakeoff.load.session import Loaded, Told, load
from load.toy_chat import Toy, toy_server

SHORT: dict[str, Any] = {
    "single_requests": 60, "single_seconds": 3.0, "offline_requests": 60, "offline_seconds": 3.0, "rate_seconds": 0.5,
    "rates": 2, "concurrency": 4, "timeout_seconds": 5.0, "warmup": 2,
}  # fmt: skip


def record(loaded: Loaded) -> ServingResult:
    return ServingResult(approach="toy", **loaded.serving)


# -- what is measured -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole() -> tuple[Toy, Loaded]:
    with toy_server(Toy(wait=0.01)) as toy:
        return toy, load(toy.url, limit="p90 latency <= 2 s", most_rate=40.0, first_guess=20.0, **SHORT)


def test_every_scenario_is_measured_and_the_whole_is_a_serving_result(whole: tuple[Toy, Loaded]) -> None:
    _, loaded = whole
    result = record(loaded)
    assert result.protocol == "chat" and loaded.model == "toy" and result.limit == "p90 latency <= 2 s"
    assert result.single is not None and result.single.scenario == "single_stream" and result.single.requests == 60
    assert result.single.total_seconds.p90 is not None and result.single.total_seconds.p90 > 0.01
    assert result.single.first_token_seconds.n == 60
    assert result.offline is not None and result.offline.requests == 60
    assert result.first_request_seconds is not None and result.first_request_seconds > 0.01
    assert [step.rate_per_second for step in result.steps][:1] == [20.0]
    assert len({step.seed for step in result.steps}) == len(result.steps)
    assert result.steps[0].tokens_out == 2 * result.steps[0].requests


def test_requests_of_the_first_answer_and_the_warm_up_are_in_no_figure(whole: tuple[Toy, Loaded]) -> None:
    toy, loaded = whole
    steps = [loaded.serving["single"], loaded.serving["offline"], *loaded.serving["steps"]]
    assert len(toy.seen) == sum(step["requests"] for step in steps) + 1 + 2


def test_inputs_are_sent_in_turn_and_asked_as_said(whole: tuple[Toy, Loaded]) -> None:
    toy, _ = whole
    asked = [body["messages"][-1]["content"] for body in toy.seen[3:63]]
    start = BUILT_IN.index(asked[0])
    assert asked == [BUILT_IN[(start + i) % len(BUILT_IN)] for i in range(60)]
    assert all(body["model"] == "toy" and body["stream"] is True for body in toy.seen)


def test_each_step_has_histograms_that_hold_its_answers(whole: tuple[Toy, Loaded]) -> None:
    from hdrh.histogram import HdrHistogram

    _, loaded = whole
    assert {"single_stream/total", "offline/total", "server-1/total", "server-1/first_token"} <= set(loaded.histograms)
    read = HdrHistogram.decode(loaded.histograms["single_stream/total"])
    assert read.get_total_count() == 60
    assert read.get_value_at_percentile(50) == pytest.approx(loaded.serving["single"]["total_seconds"]["p50"] * 1e6, rel=2e-3)


def test_what_is_said_is_what_was_measured(whole: tuple[Toy, Loaded]) -> None:
    _, loaded = whole
    said = "\n".join(loaded.says)
    single = loaded.serving["single"]["total_seconds"]
    assert f"One request at a time, half of all answers are there within {duration(single['p50'])}" in said
    assert f"The very first request took {duration(loaded.serving['first_request_seconds'])}" in said
    assert "24 different inputs were sent round and round" in said
    assert loaded.valid or "not valid" in said


def test_one_rate_is_judged_against_the_limit() -> None:
    with toy_server(Toy(wait=0.03)) as toy:
        options = {**SHORT, "rate_seconds": 1.0, "rate": 25.0, "scenarios": ["server"]}
        kept = load(toy.url, limit="p50 latency <= 5 s", **options)
        broken = load(toy.url, limit="p50 latency <= 5 ms", **options)
    step = record(broken).steps[0]
    assert step.rate_per_second == 25.0 and record(broken).single is None and record(broken).highest_rate is None
    # On a machine that is busy with other things the client may be too late for anything to be judged.
    assert (step.outcome, broken.kept) == (("broken", False) if step.valid else ("not_judged", None))
    assert record(kept).steps[0].outcome == ("kept" if record(kept).steps[0].valid else "not_judged")
    assert any("5 ms at 25 requests per second" in sentence for sentence in broken.says)


def test_answers_of_v1_answer_are_measured_without_first_tokens() -> None:
    with toy_server(Toy(wait=0.002, chat=False, models=None, openapi=("/v1/answer",))) as toy:
        options = {**SHORT, "scenarios": ["single_stream"]}
        loaded = load(toy.url, inputs=["fine", {"text": "odd"}], **options)
    assert loaded.protocol == "answer" and loaded.model == ""
    step = record(loaded).single
    assert step is not None and step.errors == 0 and step.first_token_seconds.n == 0
    assert {json.dumps(body["items"]) for body in toy.seen} == {'["fine"]', '[{"text": "odd"}]'}


def test_failures_count_and_are_named() -> None:
    with toy_server(Toy(status=429)) as toy:
        loaded = load(toy.url, rate=50.0, limit="p95 latency <= 1 s", **{**SHORT, "scenarios": ["server"], "rate_seconds": 0.5})
    step = record(loaded).steps[0]
    assert step.errors == step.requests > 0 and step.error_kinds == {"http_429": step.requests}
    assert step.total_seconds.p50 is None
    assert any("failed and count as over every limit" in one and "status 429" in one for one in loaded.says)


def test_being_told_and_several_workers() -> None:
    news: list[Told] = []
    with toy_server(Toy(wait=0.005)) as toy:
        loaded = load(toy.url, rate=30.0, limit=None, workers=2, tell=news.append, **{**SHORT, "rate_seconds": 1.2})
    assert record(loaded).steps[0].requests > 30 and record(loaded).steps[0].outcome == "not_judged" and loaded.kept is None
    assert {"first request", "warm-up", "single stream", "offline", "30 requests per second"} <= {one.what for one in news}
    left = [one.seconds_left for one in news if one.seconds_left is not None]
    assert left[0] > left[-1] >= 0


def test_a_test_that_is_stopped_keeps_what_it_has() -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(toy.seen) > 20

    with toy_server(Toy(wait=0.02)) as toy:
        loaded = load(toy.url, stop=stop, **{**SHORT, "single_seconds": 30.0, "single_requests": None})
    result = record(loaded)
    assert loaded.stopped and asked
    assert result.single is not None and result.single.requests >= 18 and result.offline is None and result.steps == []
    assert any("stopped before its end" in one for one in loaded.says)


# -- what ends in two lines -----------------------------------------------------------------------------------------


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(EndpointError) as caught:
        load("http://127.0.0.1:9")
    assert "Nothing answers at http://127.0.0.1:9" in caught.value.what and "bakeoff serve" in caught.value.fix


def test_a_key_that_is_missing_wrong_or_right(monkeypatch: pytest.MonkeyPatch) -> None:
    with toy_server(Toy(key="sk-right")) as toy:
        with pytest.raises(EndpointError, match="wants a key") as caught:
            load(toy.url)
        assert "--key-env" in caught.value.fix
        with pytest.raises(BakeoffError, match="TOY_KEY is not set"):
            load(toy.url, key_env="TOY_KEY")
        monkeypatch.setenv("TOY_KEY", "sk-wrong")
        with pytest.raises(EndpointError, match="refuses the key in TOY_KEY") as caught:
            load(toy.url, key_env="TOY_KEY")
        assert "sk-wrong" not in str(caught.value)
        monkeypatch.setenv("TOY_KEY", "sk-right")
        loaded = load(toy.url, key_env="TOY_KEY", **{**SHORT, "scenarios": ["single_stream"]})
    assert loaded.serving["single"]["errors"] == 0 and "sk-right" not in repr(loaded)


def test_a_model_that_the_server_does_not_have() -> None:
    with toy_server(Toy(models=("good-small", "good-large"))) as toy:
        with pytest.raises(EndpointError) as caught:
            load(toy.url, model="good-smal")
        assert "it has: good-small, good-large" in caught.value.what and "'good-small'" in caught.value.fix
        with pytest.raises(EndpointError, match="has 2 models") as caught:
            load(toy.url)
        assert "--model good-small" in caught.value.fix
        assert reach(toy.url, model="good-large").model == "good-large"


def test_a_path_that_is_not_the_servers() -> None:
    with toy_server(Toy(models=None)) as toy, pytest.raises(EndpointError, match=r"not found \(404\)") as caught:
        load(f"{toy.url}/v2", model="toy", protocol="chat")
    assert "check the path" in caught.value.fix


@pytest.mark.parametrize(("status", "says"), [(400, "status 400"), (500, "status 500"), (403, "wants a key")])
def test_a_first_request_that_is_refused_ends_the_test(status: int, says: str) -> None:
    with toy_server(Toy(status=status)) as toy, pytest.raises(EndpointError, match=says):
        load(toy.url)
    assert len(toy.seen) == 1


@pytest.mark.parametrize(
    "options",
    [{"scenarios": ["serverr"]}, {"protocol": "grpc"}, {"limit": "fast"}, {"limit": None}, {"rate": 0.0}, {"rate": float("inf")}],
)
def test_wrong_options_are_refused_before_anything_is_sent(options: dict[str, Any]) -> None:
    with pytest.raises(BakeoffError) as caught:
        load("http://127.0.0.1:9", **options)
    assert not isinstance(caught.value, EndpointError) and caught.value.fix


# -- reaching -------------------------------------------------------------------------------------------------------


def test_the_protocol_is_found_out() -> None:
    both = ("/v1/chat/completions", "/v1/answer")
    with toy_server(Toy(openapi=both)) as toy:
        assert reach(toy.url).protocol == "chat"
        assert reach(f"{toy.url}/v1/answer").protocol == "answer"
        assert reach(toy.url, protocol="answer").protocol == "answer"
        for ending in ("", "/", "/v1", "/v1/", "/v1/chat/completions"):
            assert reach(toy.url + ending).url == f"{toy.url}/v1"
        assert reach(toy.url.removeprefix("http://")).url == f"{toy.url}/v1"
    with toy_server(Toy(models=None, openapi=("/v1/answer",))) as toy:
        assert reach(toy.url).protocol == "answer"
        with pytest.raises(EndpointError, match="does not speak 'chat'"):
            reach(toy.url, protocol="chat", model="toy")
    with toy_server(Toy(models=None)) as toy:
        with pytest.raises(EndpointError, match="neither /v1/chat/completions nor /v1/answer"):
            reach(toy.url)
        assert reach(toy.url, protocol="chat", model="any").model == "any"


@pytest.mark.parametrize("url", ["", "ftp://host", "http://user:secret@host/v1", "http://"])
def test_what_is_no_address_is_refused_without_showing_a_secret(url: str) -> None:
    with pytest.raises(BakeoffError) as caught:
        reach(url)
    assert "secret" not in str(caught.value)


# -- inputs and words -----------------------------------------------------------------------------------------------


def test_prompts_are_read_from_lines(tmp_path: Path) -> None:
    plain, rows = tmp_path / "some.txt", tmp_path / "some.jsonl"
    plain.write_text("\ufeffone\n\n  two  \r\nthree", encoding="utf-8")
    assert read_prompts(plain) == ("one", "two", "three")
    chat = [{"role": "user", "content": "hello"}]
    rows.write_text("\n".join(json.dumps(one) for one in ("one", {"prompt": "two"}, {"text": "3"}, {"messages": chat}, chat)))
    assert read_prompts(rows) == ("one", "two", "3", chat, chat)


@pytest.mark.parametrize("line", ["{", "5", "[]", "null", '{"question": "x"}', '{"prompt": 5}', '[{"role": "user"}]', '""'])
def test_a_line_that_is_no_prompt_names_its_place(tmp_path: Path, line: str) -> None:
    file = tmp_path / "some.jsonl"
    file.write_text(f'"good"\n{line}\n', encoding="utf-8")
    with pytest.raises(BadData, match="line 2"):
        read_prompts(file)


def test_files_without_prompts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData):
        read_prompts(tmp_path / "missing.txt")
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(BadData, match="holds no prompt"):
        read_prompts(tmp_path / "empty.txt")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0481, "48.1 ms"), (2.034, "2.03 s"), (3.1e-4, "310 us"), (0.9999, "1 s"), (1234.5, "1,234 s"), (0.0, "0 us")],
)
def test_durations_have_three_figures(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_test_without_a_step_says_little() -> None:
    assert all_of({}, None, None, first_request=0.5, concurrency=8, stopped=True, inputs=24, counted=False) == (
        "The very first request took 500 ms; it is in no other figure.",
        "The test was stopped before its end; the figures are of what was sent until then.",
    )
