"""The OpenAPI 3.1 document: built from the models that requests are checked with, for exactly what is served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from bakeoff import __version__
from bakeoff.serve import wire
from bakeoff.serve.asked_page import LONGEST_ASKED
from bakeoff.serve.observations import LONGEST_JSON
from bakeoff.serve.page import can_act, can_ask
from bakeoff.serve.served import Served
from bakeoff.serve.settings import ServerSettings

PROBLEMS = {
    400: "The body is no JSON, a parameter is not supported, the prompt does not fit, or an item is no picture or no observation.",
    401: "The bearer token is missing or wrong.",
    403: "The Host header names another host than this machine.",
    404: "There is no such model or path.",
    405: "The path takes another method.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not declared as JSON in UTF-8.",
    422: "A field has the wrong type or is outside its range, or no answer could be made.",
    429: "The queue is full; `Retry-After` says when to try again.",
    503: "The server is stopping, or its model has died.",
    504: "The answer took longer than the time limit.",
}
POSTED = (400, 404, 408, 413, 415, 422, 429, 503, 504)
EVENT = {
    "description": "One server-sent event, with `stream: true`. The last is [DONE]; an error ends the stream without it.",
    "type": "object",
    "properties": {"data": {"type": "string", "description": "A chunk as JSON, an error as JSON, or [DONE]."}},
    "required": ["data"],
}
REQUESTS = (wire.AnswerRequest, wire.ChatRequest, wire.CompletionRequest)
RESPONSES = (
    wire.AnswerResponse, wire.ChatResponse, wire.CompletionResponse, wire.Model, wire.Models, wire.Health, wire.Error,
)  # fmt: skip


def document(served: Served, settings: ServerSettings, *, token: bool) -> dict[str, Any]:
    """The document. `token`: whether requests must carry one."""
    models = served.models
    always = [400, 403] if settings.local and settings.check_host else [400]
    locked = [*always, 401] if token else always
    paths: dict[str, Any] = {}
    if served.approach is not None:
        paths["/v1/answer"] = {"post": _post("answer", "Answer items.", "AnswerRequest", "AnswerResponse", locked, stream=False)}
    paths |= {
        "/v1/chat/completions": {
            "post": _post("chat", "Answer the last message, or go on with a chat.", "ChatRequest", "ChatResponse", locked)
        },
        "/v1/completions": {
            "post": _post("complete", "Answer a text, or go on with it.", "CompletionRequest", "CompletionResponse", locked)
        },
        "/v1/models": {"get": _get("list_models", "The models.", {200: _json("Models")}, locked)},
        "/v1/models/{id}": {
            "get": _get("get_model", "One model.", {200: _json("Model")}, [*locked, 404])
            | {"parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}]}
        },
        "/healthz": {
            "get": _get("health", "Whether to send requests here.", {200: _json("Health"), 503: _json("Health")}, always)
        },
        "/metrics": {
            "get": _get("metrics", "Counters for Prometheus.", {200: _text("text/plain", "application/openmetrics-text")}, locked)
        },
        "/openapi.json": {"get": _get("openapi", "This document.", {200: _any()}, locked)},
        "/": {"get": _page(served, settings, locked)},
    }
    if token:
        for path, operations in paths.items():
            if path != "/healthz":
                for operation in operations.values():
                    operation["security"] = [{"token": []}]
    components: dict[str, Any] = {"schemas": _schemas(served, settings, list(models))}
    if token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bakeoff server", "version": __version__, "description": f"Serves {', '.join(models)}."},
        "paths": paths,
        "components": components,
    }


def _schemas(served: Served, settings: ServerSettings, models: list[str]) -> dict[str, Any]:
    template = "#/components/schemas/{model}"
    _, asked = models_json_schema([(model, "validation") for model in REQUESTS], ref_template=template)
    _, given = models_json_schema([(model, "serialization") for model in RESPONSES], ref_template=template)
    schemas: dict[str, Any] = {**asked["$defs"], **given["$defs"]}
    for name in ("AnswerRequest", "ChatRequest", "CompletionRequest"):
        if name == "AnswerRequest" and served.approach is None:
            del schemas[name]
            continue
        known = [served.name] if name == "AnswerRequest" else models
        schemas[name]["properties"]["model"] = {
            "enum": [*known, None], "default": None, "description": f"Which model; {models[0]} where it is left out.",
        }  # fmt: skip
    if served.approach is not None:
        what: dict[str, Any] = {} if served.accepts == "any" else {"type": "string"}
        if served.accepts == "picture":
            what |= {"pattern": "^data:", "description": "A picture: data:image/png;base64,... (or jpeg, webp, gif, bmp, tiff)."}
        if served.accepts == "observation":
            what = served.observed.schema()
        schemas["AnswerRequest"]["properties"]["items"] |= {"items": what, "maxItems": settings.max_queue}
        schemas["ChatRequest"]["properties"]["messages"]["contains"] = {
            "properties": {"role": {"const": "user"}}, "required": ["role"],
        }  # fmt: skip
    return schemas


def _post(name: str, says: str, asks: str, gives: str, locked: list[int], *, stream: bool = True) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{gives}"}}}
    if stream:
        content["text/event-stream"] = {"schema": EVENT}
    return {
        "operationId": name,
        "summary": says,
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{asks}"}}}},
        "responses": {"200": {"description": "The answer.", "content": content}, **_problems(sorted({*POSTED, *locked}))},
    }


def _get(name: str, says: str, responses: Mapping[int, Any], locked: list[int]) -> dict[str, Any]:
    found = {str(status): response for status, response in responses.items()}
    return {"operationId": name, "summary": says, "responses": {**found, **_problems(sorted(locked))}}


def _page(served: Served, settings: ServerSettings, locked: list[int]) -> dict[str, Any]:
    """The page for people. Where it has a form, what that could not answer is said on the page itself."""
    made = _get("page", "How to ask this server, and a form to ask it.", {200: _text("text/html")}, locked)
    asks = can_ask(served, settings)
    if asks or can_act(served, settings):
        made["parameters"] = [_text_parameter()] if asks else _observation_parameters(served)
        for status in (422, 429, 503, 504) if asks else (400, 422, 429, 503, 504):
            made["responses"][str(status)] = {"description": PROBLEMS[status], "content": _text("text/html")["content"]}
        made["responses"]["429"]["headers"] = _problems([429])["429"]["headers"]
    return made


def _text_parameter() -> dict[str, Any]:
    schema = {"type": "string", "maxLength": LONGEST_ASKED}
    return {"name": "ask", "in": "query", "description": "A text to answer on the page.", "schema": schema}


def _observation_parameters(served: Served) -> list[dict[str, Any]]:
    """The fields of the forms for observations: see `observations.read_form`."""
    senses = served.observed.senses
    found: list[dict[str, Any]] = []
    if len(senses) > 1:
        schema = {"type": "integer", "minimum": 0, "maximum": len(senses) - 1}
        found.append({"name": "world", "in": "query", "description": "Which environment, from 0.", "schema": schema})
    for number in range(max(len(sense.fields) for sense in senses)):
        named = " or ".join(dict.fromkeys(sense.fields[number] for sense in senses if number < len(sense.fields)))
        found.append({"name": f"x{number}", "in": "query", "description": named, "schema": {"type": "number"}})
    if any(not sense.fields for sense in senses):
        schema = {"type": "string", "maxLength": LONGEST_JSON}
        found.append({"name": "ask", "in": "query", "description": "An observation, as JSON.", "schema": schema})
    return found


def _problems(statuses: list[int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status in statuses:
        found[str(status)] = {"description": PROBLEMS[status], **_json("Error", describe=False)}
        if status == 429:
            found["429"]["headers"] = {
                "Retry-After": {"required": True, "description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
            }
        if status == 401:
            found["401"]["headers"] = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
    return found


def _json(name: str, *, describe: bool = True) -> dict[str, Any]:
    content = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}
    return {"description": f"{name}.", **content} if describe else content


def _any() -> dict[str, Any]:
    return {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}}


def _text(*kinds: str) -> dict[str, Any]:
    return {"description": "A page.", "content": {kind: {"schema": {"type": "string"}} for kind in kinds}}
