"""The application: the routes, their documents, and the layer around them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route, Router

from bakeoff.serve import page
from bakeoff.serve.desk import Desk
from bakeoff.serve.edge import LOCAL_NAMES, App, Edge
from bakeoff.serve.openapi import document
from bakeoff.serve.problem import as_json
from bakeoff.serve.routes import Routes

if TYPE_CHECKING:
    from starlette.requests import Request

_AUTHORITY = re.compile(r"[A-Za-z0-9.\-:\[\]]{1,255}")


def application(desk: Desk, *, token: str | None) -> App:
    """The ASGI application of one server."""
    served, settings = desk.served, desk.settings
    routes = Routes(desk)
    openapi = as_json(document(served, settings, token=token is not None))

    async def show_openapi(request: Request) -> Response:
        return Response(openapi, media_type="application/json")

    async def show_page(request: Request) -> Response:
        # The address is the one that the reader came by: on a machine with several, only that one surely works for them.
        host = request.headers.get("host", "")
        url = f"http://{host}" if _AUTHORITY.fullmatch(host) else f"http://{settings.host}:{settings.port}"
        asked, status, more = await routes.asked(request)
        return Response(
            page.page(served, settings, url, asked).encode("utf-8", "replace"),
            status,
            media_type="text/html",
            headers={**page.headers(served, settings), **more},
        )

    listed = [
        *([Route("/v1/answer", routes.answer, methods=["POST"])] if served.approach is not None else []),
        Route("/v1/chat/completions", routes.chat, methods=["POST"]),
        Route("/v1/completions", routes.completion, methods=["POST"]),
        Route("/v1/models", routes.models, methods=["GET"]),
        Route("/v1/models/{id:path}", routes.model, methods=["GET"]),
        Route("/healthz", routes.health, methods=["GET"]),
        Route("/metrics", routes.metrics, methods=["GET"]),
        Route("/openapi.json", show_openapi, methods=["GET"]),
        Route("/", show_page, methods=["GET"]),
    ]
    router = Router(listed, redirect_slashes=False)

    async def inner(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        scope["app"] = router  # so that Starlette raises for 404 and 405 instead of writing a page of its own
        await router(scope, receive, send)

    hosts = None
    if settings.local and settings.check_host:
        hosts = LOCAL_NAMES | {settings.host.lower()}
    return Edge(
        inner, state=desk.state, meter=desk.meter, token=token, hosts=hosts, routes=frozenset(route.path for route in listed)
    )
