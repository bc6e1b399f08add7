"""The OpenAPI document is true: schemathesis tries what it says and what it forbids, and holds every reply against it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import schemathesis
import schemathesis.specs.openapi.checks  # registers the checks that know OpenAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from small_server import Running, Small, running

from bakeoff.models.llm_cache import CachedLM
from bakeoff.serve.openapi import PROBLEMS, document
from bakeoff.serve.served import Served
from bakeoff.serve.settings import ServerSettings
from models.fake_lm import FakeRuntime

EXAMPLES = 80
CHECKS = tuple(CHECKS.get_all())
"""Every check that there is: statuses, headers and bodies as documented, wrong data refused, right data taken, and the rest."""


class Terse(FakeRuntime):
    """Ends at an "a", which it likes: what it writes is short, however much it may write."""

    def is_end(self, token: int) -> bool:
        return token == ord("a") or super().is_end(token)


def both() -> Served:
    return Served("small", Small(), CachedLM(Terse(context=100_000, likes={"a": 9.0}, bos=True)), "tiny")


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(both(), window_ms=0, max_queue=50) as made:
        yield made


OPERATIONS = [
    f"{method.upper()} {path}"
    for path, operations in document(both(), ServerSettings(), token=False)["paths"].items()
    for method in operations
    if method != "parameters"
]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_reply_is_as_the_document_says(server: Running, operation: str, mode: GenerationMode) -> None:
    method, path = operation.split(" ")
    told = schemathesis.openapi.from_dict(server.client.get("/openapi.json").json())
    told.config.update(base_url=server.url)
    cases = told[path][method].as_strategy(generation_mode=mode)
    seen: Counter[int] = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def every_case(case: Any) -> None:
        reply = case.call(timeout=20)
        seen[reply.status_code] += 1
        assert reply.status_code < 500, reply.text
        case.validate_response(reply, checks=CHECKS)

    try:
        every_case()
    except Unsatisfiable:
        # Where there is no body, nothing that can be sent is wrong: any text may be a model's name.
        assert mode is GenerationMode.NEGATIVE and method == "GET"
        return
    if method == "POST":
        assert (seen[200] > 0) is (mode is GenerationMode.POSITIVE), seen


def test_it_says_every_status_and_no_other(server: Running) -> None:
    told = server.client.get("/openapi.json").json()
    assert told["openapi"] == "3.1.0"
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            if method == "post":
                assert {"200", "400", "413", "415", "422", "429", "503", "504"} <= set(operation["responses"]), path
            assert "500" not in operation.get("responses", {})
    assert set(told["components"]["schemas"]) >= {"AnswerRequest", "ChatRequest", "Error", "Health"}
    assert all(
        PROBLEMS[int(status)]
        for o in told["paths"].values()
        for status in o.get("post", {}).get("responses", {})
        if status != "200"
    )


def test_it_describes_what_is_served() -> None:
    alone = document(Served("tiny", lm=object()), ServerSettings(), token=True)
    assert "/v1/answer" not in alone["paths"] and "AnswerRequest" not in alone["components"]["schemas"]
    assert alone["paths"]["/v1/models"]["get"]["security"] and "401" in alone["paths"]["/v1/models"]["get"]["responses"]
    assert "security" not in alone["paths"]["/healthz"]["get"]
    several = document(both(), ServerSettings(), token=False)
    assert several["components"]["schemas"]["ChatRequest"]["properties"]["model"]["enum"] == ["small", "tiny", None]
    assert "securitySchemes" not in several["components"] and "401" not in json.dumps(several["paths"])


def test_chunks_have_one_shape(server: Running) -> None:
    chunk = {
        "type": "object", "required": ["id", "object", "created", "model", "choices"],
        "properties": {"object": {"const": "chat.completion.chunk"}, "choices": {"maxItems": 1}},
    }  # fmt: skip
    body = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "stream": True, "max_tokens": 5, "logprobs": True}
    for line in server.post("/v1/chat/completions", body).text.splitlines():
        if line.startswith("data: {"):
            jsonschema.validate(json.loads(line[6:]), chunk)


def test_every_check_of_schemathesis_runs() -> None:
    names = {check.__name__ for check in CHECKS}
    assert len(names) > 10
    assert {
        "status_code_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "positive_data_acceptance",
    } <= names
