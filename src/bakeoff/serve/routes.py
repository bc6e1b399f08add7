"""The routes: each reads a request, puts its work in the queue, and writes what comes back."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from bakeoff import __version__
from bakeoff.contract import Answer, Streams
from bakeoff.models.llm import Message
from bakeoff.serve import answers
from bakeoff.serve.asked_page import LONGEST_ASKED, Asked
from bakeoff.serve.desk import Asking, Desk, Step
from bakeoff.serve.generation import Sampling, write, write_answer
from bakeoff.serve.model_thread import Answered, ItemWork, Order, TurnWork, Work
from bakeoff.serve.observations import ObservationCheck, Seen, read_form
from bakeoff.serve.page import can_act, can_ask
from bakeoff.serve.pictures import PictureCheck
from bakeoff.serve.problem import Problem, as_json
from bakeoff.serve.reading import checked, read_json
from bakeoff.serve.replies import DONE, ChatShape, Shape, TextShape, event
from bakeoff.serve.wire import AnswerRequest, ChatRequest, CompletionRequest

if TYPE_CHECKING:
    from starlette.requests import Request

    from bakeoff.serve.edge import Receive, Send

DEFAULT_COMPLETION_TOKENS = 16
"""As OpenAI's text completions have it."""
STALLED_TIMES = 2.0
"""A model that gives nothing for this many time limits has stalled: every request that waits for it has ended as 504."""


def json_response(value: Any, status: int = 200) -> Response:
    """JSON."""
    return Response(as_json(value), status, media_type="application/json")


class EventStream(Response):
    """Server-sent events about one asking, which is closed whatever happens."""

    def __init__(self, asking: Asking, pieces: AsyncIterator[bytes]) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"}, media_type="text/event-stream")
        del self.headers["content-length"]
        self._asking, self._pieces = asking, pieces

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Send them as they come; a slow reader holds up nobody but itself."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._asking.close()


class Routes:
    """The handlers of one server."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._pictures = PictureCheck()
        self._observations = ObservationCheck(desk.served.observed) if desk.served.accepts == "observation" else None

    # -- answers ------------------------------------------------------------------------------------------------

    async def answer(self, request: Request) -> Response:
        """POST /v1/answer"""
        desk = self._desk
        body = checked(AnswerRequest, await read_json(request, desk.settings))
        model = desk.model(body.model, approach=True)
        items = await self._read_items(body.items)
        asking = desk.ask(request, lambda order: [ItemWork(order, i, desk.item(given)) for i, given in enumerate(items)])
        found: dict[int, Any] = {}
        try:
            while len(found) < len(items):
                told = await asking.next()
                if isinstance(told, Answered):
                    found[told.place] = answers.wire(told.answer)
        finally:
            asking.close()
        return json_response({"model": model, "answers": [found[i] for i in range(len(items))]})

    async def asked(self, request: Request) -> tuple[Asked | Seen | None, int, dict[str, str]]:
        """What the form of the page at `/` asks, the answer to it, the status of that page, and headers that go with it.

        Another site's page can make a browser send such a request, though not read the answer: it is not asked for it.
        """
        served, settings = self._desk.served, self._desk.settings
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return None, 200, {}
        if can_act(served, settings) and self._observations is not None:
            read = read_form(served.observed, request.query_params)
            if read is None:
                return None, 200, {}
            seen, given = read
            try:
                item = self._observations.one(given, "What was filled in", "ask")
            except Problem as problem:
                return seen._replace(problem=problem.message.replace("`", "")), problem.status, {}
            answer, says, status, more = await self._answered(request, item)
            return seen._replace(answer=answer, problem=says), status, more
        text = request.query_params.get("ask", "")
        if not text.strip() or not can_ask(served, settings):
            return None, 200, {}
        if len(text) > LONGEST_ASKED:
            return Asked(text[:LONGEST_ASKED], problem=f"The text has more than {LONGEST_ASKED:,} characters."), 422, {}
        answer, says, status, more = await self._answered(request, text)
        return Asked(text, answer, says), status, more

    async def _answered(self, request: Request, given: Any) -> tuple[Answer | None, str, int, dict[str, str]]:
        """The answer to one item of the page or why there is none, the status of the page, and its headers."""
        try:
            asking = self._desk.ask(request, lambda order: [ItemWork(order, 0, self._desk.item(given))])
            try:
                told = await asking.next()
                while not isinstance(told, Answered):
                    told = await asking.next()
            finally:
                asking.close()
        except Problem as problem:
            return None, problem.message, problem.status, dict(problem.headers)
        return told.answer, "", 200 if told.answer.error is None else 422, {}

    async def _read_items(self, items: Sequence[Any]) -> Sequence[Any]:
        """The items of a request as the approach is asked them. Raises Problem for the first that is none."""
        most = self._desk.settings.max_queue
        if len(items) > most:
            raise Problem(
                422, f"There are {len(items):,} items; this server takes at most {most:,} in one request.", code="too_many_items", param="items"
            )  # fmt: skip
        if self._desk.served.accepts == "text":
            wrong = next((i for i, given in enumerate(items) if not isinstance(given, str)), None)
            if wrong is not None:
                raise Problem(
                    422, f"`items.{wrong}` is not a text. An item of this task is a text.", code="invalid_request", param="items"
                )
        if self._desk.served.accepts == "picture":
            await self._pictures(items)
        return items if self._observations is None else await self._observations(items)

    # -- completions --------------------------------------------------------------------------------------------

    async def chat(self, request: Request) -> Response:
        """POST /v1/chat/completions"""
        body = checked(ChatRequest, await read_json(request, self._desk.settings))
        model = self._desk.model(body.model)
        if self._desk.models[model] == "approach":
            text = next((message.text for message in reversed(body.messages) if message.role == "user"), None)
            if text is None:
                raise Problem(
                    422, "There is no message of the user, and so nothing to answer.", code="invalid_request", param="messages"
                )
            if self._desk.served.accepts == "picture":
                await self._pictures([text], "messages")
            return await self._reply(request, body, ChatShape(model), self._about(text, "messages"))
        most = body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens
        wanted = bool(body.logprobs or body.top_logprobs)
        sampling = _sampling(body, most, (body.top_logprobs or 0) if wanted else None)
        messages = [Message("system" if m.role == "developer" else m.role, m.text) for m in body.messages]
        return await self._reply(request, body, ChatShape(model, logprobs=wanted), self._generation(messages, sampling))

    async def completion(self, request: Request) -> Response:
        """POST /v1/completions"""
        body = checked(CompletionRequest, await read_json(request, self._desk.settings))
        model = self._desk.model(body.model)
        if self._desk.models[model] == "approach":
            if self._desk.served.accepts == "picture":
                await self._pictures([body.text], "prompt")
            return await self._reply(request, body, TextShape(model), self._about(body.text, "prompt"))
        most = DEFAULT_COMPLETION_TOKENS if body.max_tokens is None else body.max_tokens
        shape = TextShape(model, logprobs=body.logprobs is not None)
        return await self._reply(request, body, shape, self._generation(body.text, _sampling(body, most, body.logprobs)))

    def _about(self, text: str, field: str) -> Any:
        """The work of answering one text: a turn where the approach streams, else a place in a batch."""
        given = text if self._observations is None else self._observations.text(text, field)
        approach, item = self._desk.served.approach, self._desk.item(given)
        if isinstance(approach, Streams):
            streaming: Streams = approach
            return lambda order: [TurnWork(order, lambda: write_answer(streaming, item))]
        return lambda order: [ItemWork(order, 0, item)]

    def _generation(self, prompt: str | Sequence[Message], sampling: Sampling) -> Any:
        def works(order: Order) -> Sequence[Work]:
            return [TurnWork(order, lambda: write(self._desk.served.lm, prompt, sampling))]  # type: ignore[arg-type]

        return works

    async def _reply(self, request: Request, body: ChatRequest | CompletionRequest, shape: Shape, works: Any) -> Response:
        asking = self._desk.ask(request, works)
        streams = False
        try:
            steps = asking.steps()
            if body.stream:
                # The head goes out with the first step, so that what fails before it has a status of its own.
                first = await anext(steps)
                streams = True
                return EventStream(asking, _events(first, steps, shape, with_usage=body.with_usage))
            taken = [step async for step in steps]
        finally:
            if not streams:
                asking.close()
        last = taken[-1]
        chances = [chance for step in taken for chance in step.chances]
        text = "".join(step.text for step in taken)
        return json_response(shape.whole(text, last.finish or "stop", last.usage, chances, last.answer))

    # -- about the server ---------------------------------------------------------------------------------------

    async def models(self, request: Request) -> Response:
        """GET /v1/models"""
        return json_response({"object": "list", "data": [self._model(name) for name in self._desk.models]})

    async def model(self, request: Request) -> Response:
        """GET /v1/models/{id}"""
        return json_response(self._model(self._desk.model(request.path_params["id"])))

    def _model(self, name: str) -> dict[str, Any]:
        began = int(time.time() - (time.monotonic() - self._desk.state.began))
        return {"id": name, "object": "model", "created": began, "owned_by": "bakeoff", "bakeoff": self._desk.models[name]}

    async def health(self, request: Request) -> Response:
        """GET /healthz"""
        desk = self._desk
        status, says = "ok", "Ready."
        if not desk.thread.alive:
            status, says = (
                "dead",
                f"The model thread has died: {desk.thread.died}" if desk.thread.died else "The model thread has ended.",
            )
        elif desk.state.draining:
            status, says = "draining", "The server was told to stop; send new requests elsewhere."
        elif desk.thread.silent_seconds() > STALLED_TIMES * desk.settings.request_seconds:
            status, says = "stalled", f"The model has given nothing for {desk.thread.silent_seconds():.0f} s."
        found = {
            "status": status, "models": list(desk.models), "queue": desk.thread.waiting, "in_flight": desk.state.in_flight,
            "uptime_seconds": round(time.monotonic() - desk.state.began, 3), "version": __version__, "says": says,
        }  # fmt: skip
        return json_response(found, 200 if status == "ok" else 503)

    async def metrics(self, request: Request) -> Response:
        """GET /metrics"""
        page, kind = self._desk.meter.page(request.headers.get("accept", ""))
        return Response(page, headers={"content-type": kind})


async def _events(first: Step, steps: AsyncIterator[Step], shape: Shape, *, with_usage: bool) -> AsyncIterator[bytes]:
    head = b"".join(event(chunk) for chunk in shape.begin())
    step = first
    try:
        while True:
            chunk = event(shape.piece(step.text, step.chances)) if step.text or step.chances else b""
            if head or chunk:
                yield head + chunk
            head = b""
            if step.finish:
                break
            step = await anext(steps)
        yield event(shape.last(step.finish, step.answer))
        if with_usage:
            yield event(shape.counts(step.usage))
        yield DONE
    except Problem as problem:
        yield event(problem.body())


def _sampling(body: ChatRequest | CompletionRequest, max_tokens: int | None, top_logprobs: int | None) -> Sampling:
    return Sampling(
        max_tokens=max_tokens,
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        seed=secrets.randbits(63) if body.seed is None else body.seed,
        stop=body.stops,
        top_logprobs=top_logprobs,
    )
