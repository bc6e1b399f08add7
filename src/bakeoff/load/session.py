"""The whole test of one server: reach it, wait out its cold start, then each scenario in turn.

Nothing overlaps: while one step is measured nothing else is sent. What a step shows of the client is kept beside what it
shows of the server, and a test can be stopped between two requests without losing what was measured.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from bakeoff.contract import Json
from bakeoff.errors import BakeoffError, nearest
from bakeoff.load import sentences
from bakeoff.load.judge import LatencyLimit, outcome, parse_limit
from bakeoff.load.prompts import BUILT_IN, as_text
from bakeoff.load.reach import Reached, reach, refuse_if_failed
from bakeoff.load.result import Seen, StepResult, StepSpec
from bakeoff.load.schedule import representative_seed
from bakeoff.load.sweep import Observed, Sweep, highest_rate, per_second, requests_for
from bakeoff.load.workers import TargetSpec, Workers

SCENARIOS = ("single_stream", "offline", "server")
DEFAULT_LIMIT = "p95 latency <= 500 ms"
LIMITS_WAITED, SHORTEST_WAIT = 10.0, 5.0
SETTLE_TRIES = 5


class Told(NamedTuple):
    """Where a test stands: the step, seconds left of all steps (None while unknown), and the requests of this step."""

    what: str
    seconds_left: float | None
    seen: Seen | None


Tell: TypeAlias = Callable[[Told], None]


@dataclass(frozen=True)
class Loaded:
    """What was measured of one server.

    Parameters
    ----------
    url, protocol, model : str
        As they were asked.
    serving : dict
        The fields of `decide.record.ServingResult`, without `approach`.
    histograms : dict of str to str
        '<step>/<measure>' -> HdrHistogram V2, compressed, base64; microseconds. Steps are 'single_stream', 'offline' and
        'server-1', 'server-2', ... in the order in which they ran.
    kept : bool or None
        Whether the limit was kept: at the rate asked for, or at any rate of the sweep. None where there was no limit, or it
        was not settled.
    valid : bool
        False where the client was the bottleneck of a figure that is reported.
    stopped : bool
        The test was stopped before its end.
    says : tuple of str
        What was found, in sentences.
    settings : dict
        How it was asked.
    """

    url: str
    protocol: str
    model: str
    serving: dict[str, Json]
    histograms: dict[str, str] = field(default_factory=dict)
    kept: bool | None = None
    valid: bool = True
    stopped: bool = False
    says: tuple[str, ...] = ()
    settings: dict[str, Json] = field(default_factory=dict)


def load(
    url: str,
    *,
    model: str = "",
    protocol: str = "auto",
    inputs: Sequence[Json] = (),
    system: str = "",
    limit: str | None = DEFAULT_LIMIT,
    rate: float | None = None,
    arrivals: Literal["poisson", "constant"] = "poisson",
    scenarios: Sequence[str] = SCENARIOS,
    single_requests: int | None = 200,
    single_seconds: float = 15.0,
    offline_requests: int | None = None,
    offline_seconds: float = 8.0,
    rates: int = 8,
    rate_requests: int | None = None,
    rate_seconds: float = 15.0,
    most_rate: float = 2000.0,
    search_seconds: float | None = None,
    first_guess: float | None = None,
    concurrency: int = 8,
    warmup: int = 5,
    seed: int = 0,
    workers: int = 1,
    max_tokens: int | None = None,
    temperature: float | None = 0.0,
    timeout_seconds: float = 60.0,
    key_env: str = "",
    tell: Tell | None = None,
    stop: Callable[[], bool] | None = None,
) -> Loaded:
    """Test one server: the first request apart, a warm-up, then single stream, offline and server.

    Parameters
    ----------
    url, model, protocol, key_env
        As `reach.reach` takes them.
    inputs : sequence of Json, default=a small set of our own
        Prompts (texts, or lists of messages) or, for `/v1/answer`, items. Sent in turn, round and round.
    system : str, default=''
        Put before prompts that are texts.
    limit : str or None, default='p95 latency <= 500 ms'
        On the time from the intended start to the end of the answer.
    rate : float or None, default=None
        Requests per second of the server scenario. None looks for the highest rate that keeps the limit.
    arrivals : {'poisson', 'constant'}
    scenarios : sequence of {'single_stream', 'offline', 'server'}
    single_requests, single_seconds, offline_requests, offline_seconds
        The most of each; a step ends with whichever comes first.
    rates, rate_seconds, rate_requests : int, float, int or None
        Most steps of the search, the usual length of one, and the most requests of one.
    most_rate : float
        No higher rate is tried.
    search_seconds : float or None
        Once the search has begun a second step, no step is begun that would end later than this. None for no bound.
    first_guess : float or None
        Where the search starts. None takes it from the scenarios before.
    concurrency : int
        Requests in flight in the offline scenario.
    warmup : int
        Requests, one after another, in no figure.
    seed : int
        Of the arrivals; each step of a search has its own, counted up from it, whose schedule really asks for its rate (to within 2%).
    workers : int
        Client processes.
    max_tokens, temperature
        Of each chat request; None leaves them out.
    timeout_seconds : float
        For one whole request. In a search a request is given up earlier: at ten times the limit, but not before 5 s.
    tell : callable or None
        Told about twice a second. The load is sent from another process then, so that telling delays no request.
    stop : callable or None
        Asked now and then; once it is True nothing more is sent, and what was measured is returned.

    Raises
    ------
    EndpointError
        If the server cannot be reached or refuses the first request (`reach`).
    BakeoffError
        If an option is wrong.
    """
    for name in scenarios:
        if name not in SCENARIOS:
            raise BakeoffError(f"No scenario is called {name!r}.", fix=nearest(name, SCENARIOS))
    read = parse_limit(limit) if limit else None
    if "server" in scenarios and rate is None and read is None:
        raise BakeoffError("The server scenario has neither a rate nor a limit.", fix="give --rate or --limit")
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise BakeoffError(f"No load can be sent at {rate:g} requests per second.", fix="give a rate above 0")
    reached = reach(url, model=model, protocol=protocol, key_env=key_env)
    asked = tuple(inputs) or BUILT_IN
    target = TargetSpec(
        reached.protocol,
        reached.url,
        asked if reached.protocol == "answer" else [one if isinstance(one, list) else as_text(one) for one in asked],
        model=reached.model,
        system=system,
        max_tokens=max_tokens,
        temperature=temperature,
        key_env=key_env,
    )
    with ExitStack() as stack:
        crew = stack.enter_context(Workers(target, workers)) if workers > 1 or tell is not None else None
        test = _Test(reached, target, crew, timeout_seconds, tell, stop)
        planned = {
            "single_stream": single_seconds,
            "offline": offline_seconds,
            "server": rate_seconds * (1 if rate is not None else rates),
        }
        test.left = {name: planned[name] for name in SCENARIOS if name in scenarios}
        test.first_request(key_env)
        test.warm(warmup)
        if "single_stream" in scenarios:
            test.step("single_stream", StepSpec(
                "single_stream", seconds=single_seconds, requests=single_requests, timeout_seconds=timeout_seconds, first=test.sent
            ))  # fmt: skip
        if "offline" in scenarios:
            test.step("offline", StepSpec(
                "offline", seconds=offline_seconds, requests=offline_requests, concurrency=concurrency,
                timeout_seconds=timeout_seconds, first=test.sent,
            ))  # fmt: skip
        swept = None
        if "server" in scenarios and rate is not None:
            test.at_rate(StepSpec(
                "server", arrivals, rate=rate, seconds=rate_seconds, requests=rate_requests, seed=seed,
                timeout_seconds=timeout_seconds, first=test.sent, bound_seconds=read.seconds if read is not None else None,
            ), read)  # fmt: skip
        elif "server" in scenarios and read is not None:
            swept = test.search(
                read,
                arrivals=arrivals,
                seed=seed,
                steps=rates,
                seconds=rate_seconds,
                requests=rate_requests,
                most_rate=most_rate,
                most_seconds=math.inf if search_seconds is None else search_seconds,
                guess=first_guess,
            )
    settings: dict[str, Json] = {
        "arrivals": arrivals, "scenarios": [name for name in SCENARIOS if name in scenarios], "prompts": len(asked),
        "built_in_prompts": not inputs, "concurrency": concurrency, "warmup": warmup, "timeout_seconds": timeout_seconds,
        "max_tokens": max_tokens, "temperature": temperature, "rate": rate, "rate_seconds": rate_seconds,
        "rates": rates if rate is None else None, "most_rate": most_rate if rate is None else None,
    }  # fmt: skip
    return test.loaded(read, swept, settings)


class _Test:
    """One test under way: what has been measured so far, and how to measure the next."""

    def __init__(
        self,
        reached: Reached,
        target: TargetSpec,
        crew: Workers | None,
        timeout_seconds: float,
        tell: Tell | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        self._reached, self._crew, self._timeout, self._tell, self._stop = reached, crew, timeout_seconds, tell, stop
        self._target = None if crew is not None else target.make()
        self.left: dict[str, float] = {}
        self.sent = 0
        self.stopped = False
        self.results: dict[str, StepResult] = {}
        self.outcomes: dict[str, str] = {}
        self._first: StepResult | None = None

    def first_request(self, key_env: str) -> None:
        """The first request of all. Raises EndpointError where the server refuses it."""
        spec = StepSpec("single_stream", requests=1, timeout_seconds=self._timeout)
        self._first = self._run(spec, "first request")
        if self._first is not None:
            for one in self._first.outcomes[:1]:
                refuse_if_failed(one, self._reached, key_env)

    def warm(self, requests: int) -> None:
        """Requests in no figure."""
        if requests > 0:
            spec = StepSpec("single_stream", requests=requests, timeout_seconds=self._timeout, first=self.sent)
            self._run(spec, "warm-up")

    def step(self, name: str, spec: StepSpec, *, what: str = "") -> StepResult | None:
        """Run a step and keep it as `name`; None where the test is stopped and nothing was sent."""
        result = self._run(spec, what or name.replace("_", " "))
        if result is not None and result.outcomes:
            self.results[name] = result
        if spec.scenario != "server":
            self.left.pop(spec.scenario, None)
        return result

    def at_rate(self, spec: StepSpec, limit: LatencyLimit | None) -> None:
        """The server scenario at one rate, judged where there is a limit."""
        result = self.step("server-1", spec, what=per_second(spec.rate or 0.0))
        self.left.pop("server", None)
        if result is not None and limit is not None and result.valid and not result.stopped and result.outcomes:
            seen = _observed(result)
            self.outcomes["server-1"] = outcome(seen.times, limit.seconds, limit.quantile, starts=seen.starts)

    def search(
        self,
        limit: LatencyLimit,
        *,
        arrivals: Literal["poisson", "constant"],
        seed: int,
        steps: int,
        seconds: float,
        requests: int | None,
        most_rate: float,
        most_seconds: float,
        guess: float | None,
    ) -> Sweep:
        """The server scenario at one rate after another."""
        began = time.monotonic()
        patience = min(self._timeout, max(LIMITS_WAITED * limit.seconds, SHORTEST_WAIT))
        done, at = 0, seed - 1

        def run_step(rate: float, wanted: int) -> Observed | None:
            nonlocal done, at
            count = min(wanted, requests or wanted)
            if done and time.monotonic() - began + count / rate > most_seconds:
                return None
            done += 1
            self.left["server"] = requests_for(rate, limit, seconds) / rate + (steps - done) * seconds
            at = representative_seed(arrivals, rate, count, at + 1)
            spec = StepSpec(
                "server",
                arrivals,
                rate=rate,
                requests=count,
                seed=at,
                timeout_seconds=patience,
                first=self.sent,
                bound_seconds=limit.seconds,
            )
            result = self.step(f"server-{done}", spec, what=f"{per_second(rate)} (step {done} of at most {steps})")
            if result is None or not result.outcomes:
                return None
            if any(one.error == "timeout" for one in result.outcomes):
                self._settle(limit)
            return _observed(result)

        first = min(guess if guess is not None else self._guess(), most_rate)
        found = highest_rate(
            run_step,
            quantile=limit.quantile,
            bound_seconds=limit.seconds,
            first_guess=first,
            most_steps=steps,
            step_seconds=seconds,
            most_rate=most_rate,
        )
        self.left.pop("server", None)
        for number, tried in enumerate(found.steps, 1):
            self.outcomes[f"server-{number}"] = tried.outcome
        return found

    def loaded(self, limit: LatencyLimit | None, swept: Sweep | None, settings: dict[str, Json]) -> Loaded:
        """Everything measured, as plain data."""
        steps: dict[str, dict[str, Any]] = {}
        for name, result in self.results.items():
            steps[name] = {**result.as_json(), "outcome": self.outcomes.get(name, "not_judged")}
        server = [step for name, step in steps.items() if name.startswith("server-")]
        top = None
        if swept is not None and swept.highest is not None:
            high = swept.broken_at if swept.broken_at is not None else swept.highest
            top = {"mid": swept.highest, "low": swept.highest, "high": high, "n": swept.n}
        first = next((one.total for one in self._first.outcomes), None) if self._first is not None else None
        serving: dict[str, Json] = {
            "status": "done",
            "protocol": self._reached.protocol,
            "limit": limit.text if limit is not None else "",
            "first_request_seconds": first,
            "single": steps.get("single_stream"),
            "offline": steps.get("offline"),
            "steps": server,
            "highest_rate": top,
        }
        histograms = {
            f"{name}/{measure}": histogram.encode().decode("ascii")
            for name, result in self.results.items()
            for measure, histogram in result.histograms().items()
        }
        alone = [step for name, step in steps.items() if not name.startswith("server-")]
        # A search may end at a rate that this client cannot send; it is the rates below that are reported.
        judged = [step for step in server if step["valid"]] if swept is not None else server
        valid = all(step["valid"] for step in [*alone, *judged]) and (bool(judged) or not server)
        kept = _kept(swept, server, limit)
        says = sentences.all_of(
            steps,
            swept,
            limit,
            first_request=first,
            concurrency=settings["concurrency"],
            stopped=self.stopped,
            inputs=settings["prompts"],
            counted=any(one.counted for result in self.results.values() for one in result.outcomes),
        )
        return Loaded(
            self._reached.url,
            self._reached.protocol,
            self._reached.model,
            serving,
            histograms,
            kept,
            valid,
            self.stopped,
            says,
            settings,
        )

    def _run(self, spec: StepSpec, what: str) -> StepResult | None:
        if self._is_stopped():
            return None

        def watch(seen: Seen) -> bool:
            if self._tell is not None:
                self._tell(Told(what, self._seconds_left(spec, seen), seen))
            return self._stop is not None and self._stop()

        if self._tell is not None:
            self._tell(Told(what, self._seconds_left(spec, None), None))
        if self._crew is not None:
            result = self._crew.run(spec, watch=watch)
        else:
            from bakeoff.load.generator import run_step

            assert self._target is not None
            result = run_step(self._target, spec, watch=watch if self._stop is not None else None)
        self.sent += result.planned
        self.stopped = self.stopped or result.stopped
        return result

    def _is_stopped(self) -> bool:
        self.stopped = self.stopped or (self._stop is not None and self._stop())
        return self.stopped

    def _seconds_left(self, spec: StepSpec, seen: Seen | None) -> float | None:
        if not self.left:
            return None
        elapsed = seen.elapsed if seen is not None and (spec.requests or 0) != 1 else 0.0
        return max(0.0, sum(self.left.values()) - elapsed)

    def _guess(self) -> float:
        """Seven tenths of what it can do at most, as far as that is known."""
        offline = self.results.get("offline")
        if offline is not None and offline.as_json()["completed_per_second"]:
            return max(0.1, 0.7 * float(offline.as_json()["completed_per_second"]))
        known = [self.results.get("single_stream"), self._first]
        for result in known:
            times = [one.total for one in result.outcomes if one.total is not None] if result is not None else []
            if times:
                return max(0.1, 0.7 / max(statistics.median(times), 1e-4))
        return 1.0

    def _settle(self, limit: LatencyLimit) -> None:
        """After a step in which requests were given up: wait until the server has worked off what it was sent."""
        for _ in range(SETTLE_TRIES):
            spec = StepSpec("single_stream", requests=1, timeout_seconds=self._timeout, first=self.sent)
            result = self._run(spec, "waiting for the server to recover")
            if result is None or any(one.total is not None and one.total <= limit.seconds for one in result.outcomes):
                return


def _observed(result: StepResult) -> Observed:
    times = [math.nan if one.total is None else one.total for one in result.outcomes]
    because = tuple(str(one) for one in result.as_json()["invalid_because"])
    if result.stopped:
        because = ("the test was stopped", *because)
    return Observed([one.intended for one in result.outcomes], times, result.valid and not result.stopped, because, result)


def _kept(swept: Sweep | None, server: Sequence[dict[str, Any]], limit: LatencyLimit | None) -> bool | None:
    if limit is None or not server:
        return None
    if swept is not None:
        return True if swept.highest is not None else False if swept.broken_at is not None else None
    return {"kept": True, "broken": False}.get(server[-1]["outcome"])
