"""A client for any OpenAI-compatible server, made for measuring: paid answers are kept, money has a ceiling, failures are answers.

What happens to one request, in order: the cache is looked at; the circuit breaker lets it through; the
rate limit gives it a place; its worst case is set aside in the purse; it is sent. A transient failure is
tried again, with backoff. Whatever happens, a `Reply` comes back: with a message, or with an `error`
that says in its first words what kind it is (docs/how-to/use-an-endpoint.md lists them).

The key is read from the environment for each request and goes into one header. It is never kept,
logged or shown, and is struck out of whatever the server echoes.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from bakeoff.contract import Json
from bakeoff.errors import BakeoffError, CostCeiling, EndpointError
from bakeoff.models.answer_cache import AnswerCache, StoredAnswer, answer_key
from bakeoff.models.chat_reply import BadReply, Message, read_message
from bakeoff.models.chat_transport import Failure, Success, Transport, checked_url
from bakeoff.models.rate_limit import Breaker, Clock, TokenBucket, backoff_seconds
from bakeoff.models.spending import Prices, Purse, prompt_tokens_at_most


@dataclass(frozen=True)
class Reply:
    """What came of one request: a `message`, or an `error`.

    `seconds` and `first_token_seconds` are of the one attempt that was answered, from dispatch; for a cached
    reply, as measured when it was fetched. `waited_seconds` is what failed attempts, backoff and the rate
    limit took before. `usd` is what the answer cost when it was paid, None where prices are unknown.
    """

    key: str
    message: Message | None = None
    error: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    usage: str = ""
    doubt: str = ""
    usd: float | None = None
    seconds: float | None = None
    first_token_seconds: float | None = None
    waited_seconds: float = 0.0
    attempts: int = 0
    cached: bool = False


class OpenAIClient:
    """Asks one model of one server.

    Parameters
    ----------
    base_url : str
        Up to and without ``/chat/completions``, e.g. ``http://localhost:8000/v1``. Without key, password or query.
    model : str
        The model's name at the server.
    cache : AnswerCache
        Where answers and accounts are kept.
    key_env : str, default='OPENAI_API_KEY'
        Name of the environment variable that holds the key. It may be unset, for servers that need none.
    prices : Prices or None
        None where unknown: money is then None, never 0.
    ceiling_usd : float or None
        Never to be passed by what is spent under `account`. Needs `prices`, and a token limit in each request.
    account : str or None
        What is spent under one account counts together, on disk. None makes one for this client alone.
    requests_per_minute : float or None
    concurrency : int, default=4
        Requests in flight at once, in `ask_all`.
    attempts : int, default=5
        Times that one request is sent at most.
    read_seconds, total_seconds : float
        Longest silence of the server, and longest time of one attempt.
    largest_bytes : int, default=4,000,000
        A longer response is given up.
    seed : int, default=0
        Of the jitter in backoff.

    Raises
    ------
    BakeoffError
        For a setting that cannot be used; says which.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        cache: AnswerCache,
        key_env: str = "OPENAI_API_KEY",
        prices: Prices | None = None,
        ceiling_usd: float | None = None,
        account: str | None = None,
        requests_per_minute: float | None = None,
        concurrency: int = 4,
        attempts: int = 5,
        read_seconds: float = 30.0,
        total_seconds: float = 60.0,
        largest_bytes: int = 4_000_000,
        seed: int = 0,
        clock: Clock | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        self.base_url, host = checked_url(base_url)
        if not model or not isinstance(model, str):
            raise BakeoffError(
                "An endpoint needs the name of a `model`.", fix="add `model: <name at the server>` to its settings"
            )
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key_env or ""):
            # What was given may be the key itself: it must not be shown.
            raise BakeoffError(
                "`key_env` is not the name of an environment variable.",
                fix="put the key in a variable and give its name, e.g. OPENAI_API_KEY",
            )
        for name, value, least in (
            ("concurrency", concurrency, 1),
            ("attempts", attempts, 1),
            ("largest_bytes", largest_bytes, 1),
        ):
            if not isinstance(value, int) or value < least:
                raise BakeoffError(
                    f"`{name}` is {value!r}; it must be a whole number, at least {least}.", fix=f"correct `{name}`"
                )
        for name, seconds in (("read_seconds", read_seconds), ("total_seconds", total_seconds)):
            if not 0 < seconds <= 86_400:
                raise BakeoffError(f"`{name}` is {seconds!r}; it must be above 0 and at most 86400.", fix=f"correct `{name}`")
        if ceiling_usd is not None and prices is None:
            raise BakeoffError(
                "`ceiling_usd` cannot be kept without prices.",
                fix="add `usd_per_million_in` and `usd_per_million_out`, as the provider lists them",
            )
        self.model, self.key_env, self.concurrency, self.attempts = model, key_env, concurrency, attempts
        self.cache, self.prices, self.ceiling_usd = cache, prices, ceiling_usd
        self.account = account or f"client-{uuid.uuid4()}"
        self._total_seconds = total_seconds
        self._seed, self._clock = seed, clock or Clock()
        self._bucket = TokenBucket(requests_per_minute, clock=self._clock)
        self.breaker = breaker or Breaker(clock=self._clock)
        self._purse = Purse(cache, self.account, ceiling_usd)
        self._transport = Transport(
            self.base_url,
            host,
            key_env=key_env,
            read_seconds=read_seconds,
            total_seconds=total_seconds,
            largest_bytes=largest_bytes,
            clock=self._clock,
        )
        self._never = threading.Event()

    def __repr__(self) -> str:
        return f"OpenAIClient({self.base_url!r}, {self.model!r}, key_env={self.key_env!r})"

    def ask(self, body: Mapping[str, Json], *, repeat: int = 0, stop: threading.Event | None = None) -> Reply:
        """One reply to one chat-completions request. Never raises for what the server does.

        Parameters
        ----------
        body : Mapping
            The request without ``model``; ``stream: true`` gives the time to the first token.
        repeat : int, default=0
            The same request with another number is another question, with an answer of its own.
        stop : threading.Event or None
            When set, nothing more is sent; a request that is under way is still read to its end and kept.

        Raises
        ------
        BakeoffError
            When the answer cache cannot be used: going on would pay for answers that are then lost.
        """
        stop = stop or self._never
        whole = self._completed(body)
        key = answer_key(self.base_url, self.model, whole, repeat)
        stored = self.cache.get(key)
        if stored is not None:
            return self._from_cache(key, stored, whole)
        if stop.is_set():
            return Reply(key, error="stopped: the run was asked to stop")
        with self.cache.alone(key, stop=stop, patience=max(900.0, self._total_seconds * self.attempts)):
            stored = self.cache.get(key)
            return self._from_cache(key, stored, whole) if stored is not None else self._fetch(key, whole, stop)

    def ask_all(self, bodies: Iterable[Mapping[str, Json]], *, repeat: int = 0) -> Generator[Reply, None, None]:
        """Replies in the order of `bodies`, each as soon as it is ready, with `concurrency` requests in flight.

        Reads at most ``4 * concurrency`` requests ahead. Closing the iterator waits for the requests in flight, so
        that what was paid is kept; those not yet sent are not sent.
        """
        stop = threading.Event()
        waiting: deque[Future[Reply]] = deque()
        source = iter(bodies)
        pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="bakeoff-endpoint")
        more = True
        try:
            while True:
                while more and len(waiting) < 4 * self.concurrency:
                    try:
                        body = next(source)
                    except StopIteration:
                        more = False
                        break
                    waiting.append(pool.submit(self.ask, body, repeat=repeat, stop=stop))
                    if waiting[0].done():
                        break
                if not waiting:
                    return
                reply = waiting.popleft().result()
                yield reply
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def spent_usd(self) -> float:
        """USD spent and set aside under this client's account, requests of unknown end at their worst."""
        return self.cache.spent_usd(self.account)

    def close(self) -> None:
        """Close the connections and the cache's file. The client can be used again."""
        self._transport.close()
        self.cache.close()

    def _completed(self, body: Mapping[str, Json]) -> dict[str, Json]:
        whole = {"model": self.model, **body}
        if whole.get("stream"):
            whole.setdefault("stream_options", {"include_usage": True})
        return whole

    def _from_cache(self, key: str, stored: StoredAnswer, whole: Mapping[str, Json]) -> Reply:
        try:
            message = read_message(stored.body)
        except (BadReply, AttributeError) as error:
            return Reply(key, error=f"bad answer: {error}", cached=True)
        usd = stored.usd
        if usd is None and self.prices and stored.tokens_in is not None and stored.tokens_out is not None:
            usd = self.prices.usd(stored.tokens_in, stored.tokens_out)
        return Reply(
            key,
            message,
            tokens_in=stored.tokens_in,
            tokens_out=stored.tokens_out,
            usage=stored.usage,
            usd=usd,
            seconds=stored.seconds,
            first_token_seconds=stored.first_token_seconds,
            attempts=stored.attempts,
            cached=True,
        )

    def _fetch(self, key: str, whole: dict[str, Json], stop: threading.Event) -> Reply:
        began = self._clock.monotonic()
        failure = Failure("stopped: the run was asked to stop")
        for attempt in range(1, self.attempts + 1):
            try:
                probe = self.breaker.admit(stop)
            except EndpointError as error:
                return self._failed(key, f"server unreachable: {error.what}", attempt - 1, began)
            payment: int | None = None
            sent: float | None = None
            outcome: Success | Failure | None = None
            try:
                if not self._bucket.acquire(stop):
                    return self._failed(key, failure.says, attempt - 1, began)
                worst = self._worst(whole)
                if worst is not None:
                    payment = self._purse.reserve(key, worst, stop)
                    if payment is None:
                        return self._failed(key, failure.says, attempt - 1, began)
                sent = self._clock.monotonic()
                outcome = self._transport.send(key, whole)
                if isinstance(outcome, Success):
                    return self._keep(key, outcome, payment, worst, attempt, sent - began)
            except CostCeiling as error:
                return self._failed(key, f"cost ceiling reached: {error.what}", attempt - 1, began)
            finally:
                self._account_for(outcome, payment, 0 if sent is None or worst is None else worst, probe, attempt)
            failure = outcome
            if not failure.retry or attempt == self.attempts:
                return self._failed(key, failure.says, attempt, began)
            if failure.pause:
                self._bucket.hold(failure.pause)
            pause = max(failure.pause or 0.0, backoff_seconds(attempt, seed=f"{self._seed}:{key}"))
            if self._clock.wait(pause, stop):
                return self._failed(key, failure.says, attempt, began)
        return self._failed(key, failure.says, self.attempts, began)

    def _failed(self, key: str, says: str, attempts: int, began: float) -> Reply:
        return Reply(key, error=self._transport.struck(says), attempts=attempts, waited_seconds=self._clock.monotonic() - began)

    def _worst(self, whole: Mapping[str, Json]) -> int | None:
        """The most that one attempt can cost, in billionths of a USD; None where prices are unknown."""
        if self.prices is None:
            return None
        limits = [value for name in ("max_tokens", "max_completion_tokens") if isinstance(value := whole.get(name), int)]
        if not limits and self.ceiling_usd is not None:
            raise BakeoffError(
                "`ceiling_usd` cannot be kept for a request without a limit on its tokens.", fix="add `max_tokens`"
            )
        return self.prices.nano(prompt_tokens_at_most(whole), max(limits, default=0) * max(1, int(whole.get("n") or 1)))

    def _keep(self, key: str, got: Success, payment: int | None, worst: int | None, attempt: int, waited: float) -> Reply:
        usd, nano = None, 0
        if self.prices is not None:
            usd = self.prices.usd(got.usage.tokens_in, got.usage.tokens_out)
            # Where the server's count is not believed, an estimate is good enough to show, but not to spend more by.
            nano = self.prices.nano(got.usage.tokens_in, got.usage.tokens_out) if got.usage.source == "reported" else worst or 0
        stored = StoredAnswer(
            self._transport.struck_json(got.body),
            got.usage.tokens_in,
            got.usage.tokens_out,
            got.usage.source,
            got.seconds,
            got.first_token_seconds,
            usd,
            attempt,
            self._clock.time(),
        )
        self.cache.put(key, stored, payment=payment, nano=nano)
        return Reply(
            key,
            read_message(stored.body),
            tokens_in=got.usage.tokens_in,
            tokens_out=got.usage.tokens_out,
            usage=got.usage.source,
            doubt=got.usage.doubt,
            usd=usd,
            seconds=got.seconds,
            first_token_seconds=got.first_token_seconds,
            waited_seconds=max(0.0, waited),
            attempts=attempt,
        )

    def _account_for(self, outcome: Success | Failure | None, payment: int | None, worst: int, probe: bool, attempt: int) -> None:
        """Tell the breaker and the purse how an attempt ended. `worst` is 0 where nothing was sent."""
        if isinstance(outcome, Success):
            self.breaker.success()
            if payment is not None:
                self._purse.landed()
            return
        if outcome is None:
            self.breaker.abandon(probe=probe)
        elif outcome.retry or outcome.counts:
            self.breaker.failure(outcome.says, probe=probe, counts=outcome.counts or attempt == self.attempts)
        else:
            # The server is there; it was this request that it did not like.
            self.breaker.success()
        if payment is not None:
            unknown = worst > 0 and (outcome is None or outcome.paid)
            self._purse.settle(payment, worst if unknown else 0, state="unknown" if unknown else "unpaid")
