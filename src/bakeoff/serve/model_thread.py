"""The one thread that uses the model, and the bounded queue in front of it.

Models are not for two threads at once, so everything that touches one happens here, in the order in which it came:
batches of items for the approach, and turns (one generation each). The event loop only puts work in and takes events
out; it never waits for this thread.

An item that makes the approach raise is tried alone, so that one client's bad item never spoils a batch that others
share. A dropped order (its client hung up, or its time is up) leaves the queue at once and is not computed any further.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from bakeoff.contract import Answer, Approach, Item
from bakeoff.errors import BakeoffError
from bakeoff.serve.answers import kept
from bakeoff.serve.metrics import Meter
from bakeoff.serve.problem import Problem, named

log = logging.getLogger("bakeoff.serve")

MOST_LOGGED = 20
"""Failures of the approach that go to the log; the rest are only counted, so that no client can fill the disk."""
RECENT = 0.2
"""Weight of the newest measurement in the running mean of seconds per place."""
LONGEST_RETRY_SECONDS = 60
LARGEST_LAG = 4 << 20
"""Characters that a reader may be behind the model. Neither may wait for the other: the model has other clients to serve."""


class Answered(NamedTuple):
    """The answer to one item of an order."""

    place: int
    answer: Answer


class Ended(NamedTuple):
    """A turn is over; nothing more comes. `problem` says why, where it ended badly."""

    problem: Problem | None = None


class Order:
    """One request's side of the queue: the model thread tells it events, and its handler awaits them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.dropped = False
        self._told = self._taken = 0  # characters; each is written by one thread only

    def tell(self, event: Any) -> None:
        """Hand over an event, from the model thread. A dropped order or a closed loop takes none."""
        if self.dropped:
            return
        self._told += _size(event)
        if self._told - self._taken > LARGEST_LAG:
            self.dropped = True
            event = Problem(408, "The stream was read too slowly; the rest of it was dropped.", code="reader_too_slow")
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.inbox.put_nowait, event)

    async def next(self) -> Any:
        """The next event, for the event loop."""
        event = await self.inbox.get()
        self._taken += _size(event)
        return event


class ItemWork:
    """One item that waits for its answer."""

    __slots__ = ("arrived", "index", "item", "order")

    def __init__(self, order: Order, index: int, item: Item) -> None:
        self.order, self.index, self.item = order, index, item
        self.arrived = time.monotonic()


class TurnWork:
    """One generation that waits for its turn. `start` is called in the model thread; what it yields is told to the order."""

    __slots__ = ("arrived", "order", "start")

    def __init__(self, order: Order, start: Callable[[], Iterator[Any]]) -> None:
        self.order, self.start = order, start
        self.arrived = time.monotonic()


Work: TypeAlias = ItemWork | TurnWork


class ModelThread:
    """Computes what is in the queue until it is stopped.

    Parameters
    ----------
    approach : Approach or None
        Answers the items; None where only a language model is served.
    window_seconds, max_batch, max_queue
        See `ServerSettings`.
    """

    def __init__(self, approach: Approach | None, *, window_seconds: float, max_batch: int, max_queue: int) -> None:
        self._approach = approach
        self._window, self._max_batch, self._max_queue = window_seconds, max_batch, max_queue
        self._waiting: deque[Work] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._working: Sequence[Work] = ()
        self._since: float | None = None
        self._mean_seconds = 0.05
        self._logged = 0
        self.died = ""
        self.meter: Meter | None = None
        self._thread = threading.Thread(target=self._run, name="bakeoff-model", daemon=True)

    # -- called from the event loop -----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def submit(self, works: Sequence[Work]) -> None:
        """Put the work of one request at the end of the queue: all of it or nothing.

        Raises
        ------
        Problem
            429 with Retry-After where it does not fit; 503 where nobody would do it.
        """
        with self._changed:
            if self.died or self._stopping:
                raise gone(self.died)
            if len(self._waiting) + len(works) > self._max_queue:
                seconds = self._retry_seconds()
                raise Problem(
                    429,
                    f"The queue is full: {len(self._waiting):,} of {self._max_queue:,} places are taken. Try again in about {seconds} s.",
                    code="queue_full",
                    headers={"Retry-After": str(seconds)},
                )
            self._waiting.extend(works)
            self._changed.notify()

    def drop(self, order: Order) -> None:
        """Free the places of an order, and let what is being computed for it end at the next token or item."""
        order.dropped = True
        with self._changed:
            if any(work.order is order for work in self._waiting):
                self._waiting = deque(work for work in self._waiting if work.order is not order)
                self._changed.notify()

    def stop(self, seconds: float) -> bool:
        """Finish what waits, then end. False where that took longer than `seconds`."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Items and generations that wait."""
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        """Whether work that is put in will be done."""
        return not self.died and self._thread.is_alive()

    def silent_seconds(self) -> float:
        """How long the model has been computing without giving anything; 0 while it is idle."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def _retry_seconds(self) -> int:
        ahead = (len(self._waiting) + len(self._working)) * self._mean_seconds
        return max(1, min(LONGEST_RETRY_SECONDS, math.ceil(ahead)))

    # -- the thread itself --------------------------------------------------------------------------------------

    def _run(self) -> None:
        why = ""
        try:
            while True:
                with self._changed:
                    works = self._take()
                    self._working = works
                if not works:
                    return
                began = time.monotonic()
                self._since = began
                try:
                    if isinstance(works[0], TurnWork):
                        self._turn(works[0])
                    else:
                        self._batch([work for work in works if isinstance(work, ItemWork)])
                finally:
                    self._since = None
                self._measure(works, time.monotonic() - began)
        except BaseException as error:  # whatever ended the thread, those who wait must hear of it
            why = f"{type(error).__name__}: {error}"[:200]
            log.critical("the model thread died: %s", why, exc_info=error)
        finally:
            with self._changed:
                self.died = why
                left = [*self._working, *self._waiting]
                self._waiting.clear()
                self._working = ()
                self._stopping = True
            for order in {id(work.order): work.order for work in left}.values():
                order.tell(Ended(gone(why)))

    def _take(self) -> Sequence[Work]:
        """The next work, with the lock held: one turn, or a batch of items. Empty once the queue is empty and it must stop."""
        while True:
            while not self._waiting and not self._stopping:
                self._changed.wait()
            if not self._waiting:
                return ()
            first = self._waiting[0]
            if isinstance(first, TurnWork):
                return (self._waiting.popleft(),)
            ready = 0
            for work in self._waiting:
                if ready == self._max_batch or isinstance(work, TurnWork):
                    break
                ready += 1
            left = first.arrived + self._window - time.monotonic()
            if ready == self._max_batch or ready < len(self._waiting) or left <= 0 or self._stopping:
                return [self._waiting.popleft() for _ in range(ready)]
            self._changed.wait(left)

    def _measure(self, works: Sequence[Work], seconds: float) -> None:
        self._mean_seconds += RECENT * (seconds / len(works) - self._mean_seconds)
        if self.meter is not None:
            self.meter.model_seconds.labels("turn" if isinstance(works[0], TurnWork) else "batch").observe(seconds)

    def _batch(self, works: list[ItemWork]) -> None:
        if self.meter is not None:
            self.meter.batch_items.observe(len(works))
        left = deque(works)
        try:
            self._ask(left)
        except Exception as error:
            self._log("the approach raised", error)
            if len(left) == 1:
                self._give(left.popleft(), Answer(error=_says(error)))
                return
            for work in left:
                if not work.order.dropped:
                    self._alone(work)

    def _alone(self, work: ItemWork) -> None:
        left = deque([work])
        try:
            self._ask(left)
        except Exception as error:
            if left:
                self._give(left.popleft(), Answer(error=_says(error)))

    def _log(self, what: str, error: Exception) -> None:
        self._logged += 1
        if self._logged <= MOST_LOGGED:
            last = "; further failures are only counted, in /metrics" if self._logged == MOST_LOGGED else ""
            log.warning("%s: %s%s", what, named(error), last)

    def _ask(self, left: deque[ItemWork]) -> None:
        """Ask the approach for all of `left` at once; each answer leaves as soon as it is there and takes its work out of `left`."""
        if self._approach is None:
            raise BakeoffError("No approach is served here.", fix="ask the language model")
        stream = iter(self._approach.answer([work.item for work in left]))
        last: Any = None
        given = False
        try:
            for answer in stream:
                self._since = time.monotonic()
                if given:
                    last = Answer(error="the approach gave more answers than it was asked for: which is whose cannot be known")
                    break
                if len(left) == 1:
                    last, given = answer, True  # held back until it is known to be the last
                    continue
                self._give(left.popleft(), answer)
                if all(work.order.dropped for work in left):
                    left.clear()
                    return
        finally:
            close = getattr(stream, "close", None)
            if close:
                close()
        if given:
            self._give(left.popleft(), last)
        while left:
            self._give(left.popleft(), Answer(error="the approach gave no answer for this item"))

    def _give(self, work: ItemWork, given: Any) -> None:
        answer = kept(given)
        if self.meter is not None:
            self.meter.items.inc()
            self.meter.tokens(answer.tokens_in, answer.tokens_out)
            if answer.error is not None:
                self.meter.item_errors.inc()
        work.order.tell(Answered(work.index, answer))

    def _turn(self, work: TurnWork) -> None:
        stream: Iterator[Any] | None = None
        end = Ended()
        try:
            if work.order.dropped:
                return
            stream = work.start()
            for event in stream:
                self._since = time.monotonic()
                work.order.tell(event)
                if work.order.dropped:
                    break
        except Problem as problem:
            end = Ended(problem)
        except Exception as error:
            self._log("a turn failed", error)
            end = Ended(unanswered(_says(error)))
        finally:
            close = getattr(stream, "close", None)
            if close:
                with contextlib.suppress(Exception):
                    close()
        work.order.tell(end)


def _size(event: Any) -> int:
    return len(event) if isinstance(event, str) else len(getattr(event, "text", ""))


def gone(why: str) -> Problem:
    """503: nobody is there to compute."""
    message = f"The model has stopped working ({why}). The server must be started again." if why else "The server is stopping."
    return Problem(503, message, code="model_dead" if why else "stopping")


def unanswered(says: str) -> Problem:
    """422: the request was understood, but no answer to it could be made."""
    return Problem(422, f"No answer could be made: {says}", code="unanswered")


def _says(error: BaseException) -> str:
    return error.what if isinstance(error, BakeoffError) else f"{type(error).__name__}: {error}"[:500]
