"""A small chat server for tests of what stands on the load engine: models, keys, refusals, a queue, and /v1/answer."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Toy:
    """How it behaves, and what it has seen. With `one_at_a_time` requests wait for one another; `wait` is a service time.

    From request number `stall_at` on it waits `stall_seconds` once. `status` other than 200 refuses every request.
    """

    wait: float = 0.004
    one_at_a_time: bool = True
    models: tuple[str, ...] | None = ("toy",)
    key: str = ""
    status: int = 200
    openapi: tuple[str, ...] = ()
    chat: bool = True
    seen: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""


@contextmanager
def toy_server(toy: Toy) -> Iterator[Toy]:
    """The server in a thread; `toy.url` is its address without a path."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response, StreamingResponse
    from starlette.routing import Route

    turn = asyncio.Lock()

    def refused(request: Request) -> Response | None:
        if toy.key and request.headers.get("authorization") != f"Bearer {toy.key}":
            return JSONResponse({"error": {"message": "no such key"}}, 401)
        return None

    async def serve() -> None:
        if toy.one_at_a_time:
            async with turn:
                await asyncio.sleep(toy.wait)
        else:
            await asyncio.sleep(toy.wait)

    async def chat(request: Request) -> Response:
        body = await request.json()
        toy.seen.append(body)
        if (no := refused(request)) is not None:
            return no
        if toy.status != 200:
            return JSONResponse({"error": {"message": "not today"}}, toy.status)

        def event(**more: Any) -> str:
            return f"data: {json.dumps({'id': 'x', 'object': 'chat.completion.chunk', 'model': 'toy', **more})}\n\n"

        async def stream() -> AsyncIterator[str]:
            await serve()
            for word in ("very ", "good"):
                yield event(choices=[{"index": 0, "delta": {"content": word}, "finish_reason": None}])
            yield event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
            yield event(choices=[], usage={"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7})
            yield "data: [DONE]\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def answer(request: Request) -> Response:
        body = await request.json()
        toy.seen.append(body)
        await serve()
        return JSONResponse(
            {"answers": [{"value": "good", "probabilities": None, "seconds": None, "error": None} for _ in body["items"]]}
        )

    async def models(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        return JSONResponse({"object": "list", "data": [{"id": name, "object": "model"} for name in toy.models or ()]})

    async def openapi(request: Request) -> Response:
        return JSONResponse({"openapi": "3.1.0", "paths": {path: {} for path in toy.openapi}})

    routes = [Route("/v1/answer", answer, methods=["POST"])]
    if toy.chat:
        routes.append(Route("/v1/chat/completions", chat, methods=["POST"]))
    if toy.models is not None:
        routes.append(Route("/v1/models", models))
    if toy.openapi:
        routes.append(Route("/openapi.json", openapi))
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    toy.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    config = uvicorn.Config(Starlette(routes=routes), log_level="error", timeout_keep_alive=30, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.01)
        yield toy
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
