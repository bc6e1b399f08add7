"""What became of the requests of one step: one outcome each, none lost, none counted twice.

All times are seconds of one monotonic clock (``time.perf_counter``), counted from the start of the step's schedule. A
stamp that was not taken is None, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from bakeoff.contract import Json
from bakeoff.errors import BakeoffError

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram

Scenario: TypeAlias = Literal["single_stream", "server", "offline"]
Arrivals: TypeAlias = Literal["poisson", "constant", "closed"]

ERROR_KINDS: Mapping[str, str] = {
    "connect": "no connection could be opened",
    "no_sockets": "this client ran out of sockets or file descriptors",
    "reset": "the connection broke before the answer was whole",
    "timeout": "no whole answer within the time limit",
    "bad_http": "the response was not HTTP/1.1",
    "too_large": "the response was larger than allowed",
    "bad_json": "the response was not JSON",
    "bad_reply": "the response was JSON, but not an answer",
    "server_error": "the server reported an error inside a response that began well",
    "cut_short": "the stream ended before the answer did",
    "empty": "the response held no token",
}
"""Kinds of failed requests. A refused request is ``http_`` and its status, e.g. ``http_429``."""


@dataclass(frozen=True)
class StepSpec:
    """One step: which requests are sent, and when.

    Parameters
    ----------
    scenario : {'single_stream', 'server', 'offline'}
        `single_stream` sends the next request when the last has ended. `server` sends on an absolute-time schedule,
        whatever the server does (open loop). `offline` keeps `concurrency` requests in flight.
    arrivals : {'poisson', 'constant', 'closed'}
        'closed' for `single_stream` and `offline`, one of the others for `server`.
    rate : float or None
        Requests per second of all workers together; for `server` only.
    seconds : float or None
        No request starts later than this. At least one of `seconds` and `requests` is needed.
    requests : int or None
        At most this many requests, of all workers together.
    seed : int
        Of the arrivals.
    timeout_seconds : float
        From dispatch to the end of the answer. A request that takes longer has failed.
    concurrency : int
        Requests in flight, for `offline`: of this worker alone.
    worker, workers : int
        Worker `worker` of `workers` (from 0) sends every `workers`-th request of the one schedule.
    warmup : int
        Requests sent one after another before the schedule starts. Kept apart and in no figure.
    first : int
        Number of the first request, so that steps after one another need not send the same prompts again.
    start_at : float or None
        ``time.perf_counter()`` at which the schedule starts, so that workers share one start (the clock is one for all
        processes of a machine). None for as soon as the warm-up is over.
    bound_seconds : float or None
        The latency limit that the step is judged against, where there is one: how late the client may be depends on it.
    connections : int or None
        Connections opened before the start. None for a guess from rate and concurrency; more are opened as needed.
    """

    scenario: Scenario
    arrivals: Arrivals = "closed"
    rate: float | None = None
    seconds: float | None = None
    requests: int | None = None
    seed: int = 0
    timeout_seconds: float = 60.0
    concurrency: int = 1
    worker: int = 0
    workers: int = 1
    warmup: int = 0
    first: int = 0
    start_at: float | None = None
    bound_seconds: float | None = None
    connections: int | None = None

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise BakeoffError(problem[0], fix=problem[1])


def _problem(spec: StepSpec) -> tuple[str, str] | None:
    if spec.scenario not in ("single_stream", "server", "offline"):
        return f"No scenario is called {spec.scenario!r}.", "use single_stream, server or offline"
    if spec.arrivals not in ("poisson", "constant", "closed"):
        return f"No arrival process is called {spec.arrivals!r}.", "use poisson, constant or closed"
    if (spec.scenario == "server") == (spec.arrivals == "closed"):
        return f"Scenario {spec.scenario} does not go with {spec.arrivals} arrivals.", (
            "server needs poisson or constant arrivals; the others need closed"
        )
    if spec.scenario == "server" and not (spec.rate is not None and 0 < spec.rate < float("inf")):
        return f"Scenario server needs a rate above 0, not {spec.rate}.", "give requests per second"
    if spec.seconds is None and spec.requests is None:
        return "A step needs an end.", "give `seconds`, `requests` or both"
    if spec.seconds is not None and not 0 < spec.seconds < float("inf"):
        return f"`seconds` must be above 0, not {spec.seconds}.", "give the length of the step"
    if not 0 < spec.timeout_seconds < float("inf"):
        return f"`timeout_seconds` must be above 0, not {spec.timeout_seconds}.", "give a time limit for one request"
    if spec.requests is not None and spec.requests < 1:
        return f"`requests` must be at least 1, not {spec.requests}.", "give a number of requests"
    if spec.concurrency < 1 or spec.workers < 1 or not 0 <= spec.worker < spec.workers:
        return (
            f"There is no worker {spec.worker} of {spec.workers} with {spec.concurrency} requests in flight.",
            "count workers from 0, and give at least one request in flight",
        )
    if spec.warmup < 0 or spec.first < 0 or spec.seed < 0 or (spec.connections is not None and spec.connections < 0):
        return "`warmup`, `first`, `seed` and `connections` must not be negative.", "give 0 or more"
    return None


@dataclass(slots=True)
class Outcome:
    """One request. It ends as exactly one of two: whole (`error` is None) or failed.

    Parameters
    ----------
    index : int
        Its number in the schedule, counted over all workers from `StepSpec.first`; the prompt is ``index % number of
        prompts``. The warm-up counts down from there.
    intended : float
        When it should have left.
    dispatched : float or None
        When this client acted on it: wrote it to an open connection, or began to open one if none was idle.
    first_token : float or None
        Arrival of the first event with text. None where the answer is not streamed.
    ended : float or None
        When the answer was whole, or had failed.
    status : int or None
        Of HTTP.
    error : str or None
        A key of `ERROR_KINDS` or ``http_NNN``.
    says : str
        What the server or the system said about the error, at most 200 characters.
    tokens_in, tokens_out : int or None
        As the server's ``usage`` counts them. Where it reports none, `tokens_out` is the number of events with text.
    counted : bool
        True where `tokens_out` is such a count of events.
    events : int
        Events with text.
    text : str or None
        The reply, at most `readers.MOST_TEXT` characters. For /v1/answer the value as text (JSON where it is not a string).
    gaps : list of float
        Seconds between events with text, in order. Empty once the step holds as many as it may; all are in its histogram.
    """

    index: int
    intended: float
    dispatched: float | None = None
    first_token: float | None = None
    ended: float | None = None
    status: int | None = None
    error: str | None = None
    says: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    counted: bool = False
    events: int = 0
    text: str | None = None
    gaps: list[float] = field(default_factory=list)

    @property
    def total(self) -> float | None:
        """From intended start to end; None where it failed."""
        return None if self.error or self.ended is None else self.ended - self.intended


class Seen(NamedTuple):
    """How a step is getting on, for a progress line. `recent_seconds` is the median total of the last (at most 64) answers."""

    elapsed: float
    of_seconds: float | None
    sent: int
    completed: int
    errors: int
    in_flight: int
    recent_seconds: float | None


Watch: TypeAlias = Callable[[Seen], bool | None]
"""Called about twice a second inside the event loop. Return True to send no more (what is in flight is waited for).

It must return within about 0.1 ms: whatever it does delays the requests that are due. Do not print from it; hand the
figures to another process (a pipe) that prints.
"""


@dataclass(frozen=True)
class Client:
    """What the client measured about itself. Workers merged: the sum of `cpu_seconds`, the worst of the others.

    Parameters
    ----------
    timer_p50, timer_p99 : float or None
        How late a timer that ticks 100 times a second was, in seconds: the floor of this client's precision, and its worst.
    cpu_seconds : float
        Processor time of the step in this process, waiting for exact moments included.
    first_in_line : bool
        The system ran this client before other processes (`clock.at_once`).
    """

    timer_p50: float | None = None
    timer_p99: float | None = None
    cpu_seconds: float = 0.0
    first_in_line: bool = False


@dataclass(frozen=True)
class StepResult:
    """A step that was run.

    Parameters
    ----------
    spec : StepSpec
    protocol : str
        'chat' or 'answer'.
    streams : bool
        Whether answers come piece by piece, so that there are first tokens.
    start : float
        ``time.perf_counter()`` of time 0 of all outcomes.
    planned : int
        Requests of the schedule (of this worker) that were due; for closed arrivals those sent.
    window_seconds : float
        Length of the schedule: `seconds`, or the moment of the last request; less if `stopped`.
    outcomes : tuple of Outcome
        In order of intended start. One for each of `planned`.
    warm : tuple of Outcome
        The warm-up.
    gap_counts : mapping of int to int
        Counts of all gaps between events with text, by microseconds cut to 11 bits (within 0.1%).
    client : Client
    stopped : bool
        `watch` ended the step early.
    prompts : int
        Different prompts that the target has; with fewer than requests, prompts were sent again.
    """

    spec: StepSpec
    protocol: str
    streams: bool
    start: float
    planned: int
    window_seconds: float
    outcomes: tuple[Outcome, ...]
    warm: tuple[Outcome, ...] = ()
    gap_counts: Mapping[int, int] = field(default_factory=dict)
    client: Client = Client()
    stopped: bool = False
    prompts: int = 0

    @cached_property
    def figures(self) -> dict[str, Json]:
        """Exactly the fields of `decide.record.LoadStep` (``outcome`` is left at 'not_judged')."""
        from bakeoff.load.summary import summarise

        return summarise(self)

    def as_json(self) -> dict[str, Json]:
        """A copy of `figures`."""
        return dict(self.figures)

    @property
    def valid(self) -> bool:
        """False where the client was the bottleneck."""
        return bool(self.figures["valid"])

    def histograms(self) -> dict[str, HdrHistogram]:
        """`total`, `first_token`, `service`, `between_tokens` of whole answers: microseconds, 3 significant digits.

        They merge by ``HdrHistogram.add``. Measures without a value are left out. Failed requests have no time and are in
        none: read the percentiles, in which they count, from `as_json`.
        """
        from bakeoff.load.summary import histograms

        return histograms(self)

    def notes(self) -> tuple[str, ...]:
        """What a reader must know about the figures, one sentence each (tokens counted by events, prompts sent again, ...)."""
        from bakeoff.load.summary import notes

        return notes(self)

    def as_wire(self) -> dict[str, Json]:
        """JSON from which `from_wire` makes the same result: for handing a worker's result to another process."""
        rows = {name: [getattr(one, name) for one in self.outcomes] for name in OUTCOME_FIELDS}
        warm = {name: [getattr(one, name) for one in self.warm] for name in OUTCOME_FIELDS}
        plain = {
            name: getattr(self, name)
            for name in ("protocol", "streams", "start", "planned", "window_seconds", "stopped", "prompts")
        }
        return {
            **plain,
            "spec": asdict(self.spec),
            "client": asdict(self.client),
            "outcomes": rows,
            "warm": warm,
            "gap_counts": [[int(gap), int(count)] for gap, count in self.gap_counts.items()],
        }

    @staticmethod
    def from_wire(given: Mapping[str, Any]) -> StepResult:
        """The result that `as_wire` was called on."""

        def rows(columns: Mapping[str, Sequence[Any]]) -> tuple[Outcome, ...]:
            return tuple(
                Outcome(**dict(zip(OUTCOME_FIELDS, row, strict=True)))
                for row in zip(*(columns[name] for name in OUTCOME_FIELDS), strict=True)
            )

        return StepResult(
            spec=StepSpec(**given["spec"]),
            protocol=given["protocol"],
            streams=given["streams"],
            start=given["start"],
            planned=given["planned"],
            window_seconds=given["window_seconds"],
            outcomes=rows(given["outcomes"]),
            warm=rows(given["warm"]),
            gap_counts={int(gap): int(count) for gap, count in given["gap_counts"]},
            client=Client(**given["client"]),
            stopped=given["stopped"],
            prompts=given["prompts"],
        )


OUTCOME_FIELDS = tuple(one.name for one in fields(Outcome))


def merge(results: Sequence[StepResult]) -> StepResult:
    """The results of workers that ran one step together, as one result.

    Times are moved to the earliest start. Workers are expected to differ in `worker` only (and, offline, in `concurrency`,
    which is added up).

    Raises
    ------
    BakeoffError
        If there are none, or they ran different steps.
    """
    if not results:
        raise BakeoffError("There are no results to merge.", fix="give at least one worker's result")
    first = results[0]
    plain = replace(first.spec, worker=0, workers=1, concurrency=1, start_at=None, warmup=0, connections=None)
    start = min(one.start for one in results)
    outcomes: list[Outcome] = []
    warm: list[Outcome] = []
    gaps: dict[int, int] = {}
    for one in results:
        if replace(one.spec, worker=0, workers=1, concurrency=1, start_at=None, warmup=0, connections=None) != plain:
            raise BakeoffError("Workers of one step must have run the same step.", fix="merge the results of one step")
        later = one.start - start
        outcomes += [_moved(outcome, later) for outcome in one.outcomes]
        warm += [_moved(outcome, later) for outcome in one.warm]
        for gap, count in one.gap_counts.items():
            gaps[gap] = gaps.get(gap, 0) + count
    outcomes.sort(key=lambda one: (one.intended, one.index))
    timers50 = [one.client.timer_p50 for one in results if one.client.timer_p50 is not None]
    timers99 = [one.client.timer_p99 for one in results if one.client.timer_p99 is not None]
    return StepResult(
        spec=replace(
            first.spec,
            worker=0,
            workers=1,
            concurrency=sum(one.spec.concurrency for one in results) if first.spec.scenario == "offline" else 1,
            warmup=sum(one.spec.warmup for one in results),
        ),
        protocol=first.protocol,
        streams=first.streams,
        start=start,
        planned=sum(one.planned for one in results),
        window_seconds=max(one.window_seconds + one.start - start for one in results),
        outcomes=tuple(outcomes),
        warm=tuple(warm),
        gap_counts=gaps,
        client=Client(max(timers50, default=None), max(timers99, default=None), sum(one.client.cpu_seconds for one in results)),
        stopped=any(one.stopped for one in results),
        prompts=first.prompts,
    )


def _moved(outcome: Outcome, later: float) -> Outcome:
    if later == 0:
        return outcome

    def moved(stamp: float | None) -> float | None:
        return None if stamp is None else stamp + later

    return replace(
        outcome,
        intended=outcome.intended + later,
        dispatched=moved(outcome.dispatched),
        first_token=moved(outcome.first_token),
        ended=moved(outcome.ended),
    )
