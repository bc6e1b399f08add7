"""Where requests meet the model thread: an asking is one request's work, its deadline, and the watch on its client."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from bakeoff.contract import Answer, Item
from bakeoff.errors import nearest
from bakeoff.serve import answers
from bakeoff.serve.edge import State
from bakeoff.serve.generation import Chance, Written
from bakeoff.serve.metrics import Meter
from bakeoff.serve.model_thread import Answered, Ended, ModelThread, Order, Work, unanswered
from bakeoff.serve.problem import ClientGone, Problem
from bakeoff.serve.served import Served
from bakeoff.serve.settings import ServerSettings

if TYPE_CHECKING:
    from starlette.requests import Request


class Step(NamedTuple):
    """What is added to the text of a reply. The last one has `finish`, and the `usage` where it is known."""

    text: str
    chances: tuple[Chance, ...] = ()
    finish: str | None = None
    usage: dict[str, int] | None = None
    answer: Answer | None = None


class Desk:
    """Everything that the routes share."""

    def __init__(self, served: Served, settings: ServerSettings, state: State) -> None:
        self.served, self.settings, self.state = served, settings, state
        self.models = served.models
        self.thread = ModelThread(
            served.approach,
            window_seconds=settings.window_ms / 1000,
            max_batch=settings.max_batch,
            max_queue=settings.max_queue,
        )
        self.meter = Meter(
            queue=lambda: self.thread.waiting, in_flight=lambda: self.state.in_flight, up=lambda: self.thread.alive
        )
        self.thread.meter = self.meter
        self.open: set[Asking] = set()

    def model(self, name: str | None, *, approach: bool = False) -> str:
        """The id that a request means; its first model where it names none. With `approach`, only an approach will do.

        Raises
        ------
        Problem
            404 for a model that is not here.
        """
        fit = [known for known, kind in self.models.items() if kind == "approach" or not approach]
        if name is None and fit:
            return fit[0]
        if name in fit:
            return name
        here = nearest(name, fit) if name is not None and fit else "This server holds a language model; ask /v1/chat/completions."
        what = "No approach is served here." if name is None else f"No model is called {name[:200]!r} here;"
        raise Problem(404, f"{what} {here}", code="model_not_found", param="model")

    def item(self, given: Any) -> Item:
        """An item as the approach is asked it, under an id that no other has."""
        return Item(f"served-{secrets.token_hex(8)}", given)

    def ask(self, request: Request, works: Callable[[Order], Sequence[Work]]) -> Asking:
        """Put the work of a request in the queue. Whoever asks must `close` the asking.

        Raises
        ------
        Problem
            429 where the queue is full, 503 where nobody works on it.
        """
        return Asking(self, request, works)

    def give_up(self) -> None:
        """End every open request with 503: the time to drain is over."""
        for asking in list(self.open):
            asking.end(Problem(503, "The server stopped before this request was done.", code="stopping"))


class Asking:
    """One request's work, from the queue to its last event."""

    def __init__(self, desk: Desk, request: Request, works: Callable[[Order], Sequence[Work]]) -> None:
        self._desk = desk
        loop = asyncio.get_running_loop()
        self.order = Order(loop)
        desk.thread.submit(works(self.order))
        desk.open.add(self)
        self._timer = loop.call_later(desk.settings.request_seconds, self._late)
        self._watch = loop.create_task(self._until_gone(request))

    async def _until_gone(self, request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self._desk.meter.dropped.labels("client_gone").inc()
        self.end(ClientGone())

    def _late(self) -> None:
        seconds = self._desk.settings.request_seconds
        self._desk.meter.dropped.labels("timeout").inc()
        self.end(
            Problem(
                504, f"No whole answer within {seconds:g} s; the request was dropped. Try again, or ask for less.", code="timeout"
            )
        )

    def end(self, why: Problem | ClientGone) -> None:
        """Free its place, stop its work, and let whoever awaits its next event have `why`."""
        self._desk.thread.drop(self.order)
        self.order.inbox.put_nowait(why)

    async def next(self) -> Any:
        """The next event from the model thread. Raises Problem or ClientGone where the asking ended otherwise."""
        event = await self.order.next()
        if isinstance(event, Problem | ClientGone):
            raise event
        if isinstance(event, Ended) and event.problem is not None:
            raise event.problem
        return event

    def close(self) -> None:
        """Let go of everything; what is still in work is dropped. Safe to call twice."""
        self._timer.cancel()
        self._watch.cancel()
        self._desk.open.discard(self)
        if not self.order.dropped:
            self._desk.thread.drop(self.order)

    async def steps(self) -> AsyncIterator[Step]:
        """The events of one reply as steps, whatever made them: a batch, a streaming approach, or a language model.

        Raises
        ------
        Problem
            422 where the approach could not answer; and as `next`.
        """
        spoke = False
        while True:
            event = await self.next()
            if isinstance(event, Ended):
                raise unanswered("the model gave nothing")
            if isinstance(event, str):
                spoke = spoke or bool(event)
                yield Step(event)
            elif isinstance(event, Written):
                counts = answers.token_counts(event.tokens_in, event.tokens_out) if event.finished else None
                if event.finished:
                    self._desk.meter.tokens(event.tokens_in, event.tokens_out)
                yield Step(event.text, event.chances, event.finished, counts)
                if event.finished:
                    return
            else:
                answer = event.answer if isinstance(event, Answered) else event
                if not isinstance(event, Answered):
                    self._count(answer)
                if answer.error is not None:
                    raise unanswered(answer.error)
                yield Step("" if spoke else answers.said(answer), (), "stop", answers.usage(answer), answer)
                return

    def _count(self, answer: Answer) -> None:
        meter = self._desk.meter
        meter.items.inc()
        meter.tokens(answer.tokens_in, answer.tokens_out)
        if answer.error is not None:
            meter.item_errors.inc()
