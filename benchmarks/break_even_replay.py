"""Are the predicted break-evens there? Replays each of a run's at half and at twice its volume, against real servers.

A prediction is arithmetic on rates found during the run. Here the load of each side is sent again: the busiest rate of the day, as
Poisson arrivals, to `bakeoff serve RUN:approach`. A Poisson stream that is split at random over k machines is k Poisson streams of a k-th
of the rate, so k machines are enough when one server keeps the study's limit at rate / k. The fewest such k, times the price of a
machine, is the measured cost. For a hosted model it is the tokens that the server's own `usage` counts for the same prompts, times
its list price. The cheaper side by these measured costs has to be the one that was predicted.

    python benchmarks/break_even_replay.py RUN [--runs runs] [--step-seconds 10] [--most-seconds 180] [--most 12] [--json FILE]

Both sides of a pair must have been served in the run, or one of them be a hosted reference. Where a machine's share of the load is
so small that the percentile would take hours, a higher rate is sent: what keeps the limit there keeps it at less. Schedules are Poisson
with the count that the rate says, to within 2%. Costs within 1% are a tie and show nothing. Exits with 1 if a replayed point is on the other side. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bakeoff.contract import Trial
from bakeoff.decide import hosted
from bakeoff.decide.priced import costs_of, price
from bakeoff.decide.record import Document
from bakeoff.errors import BakeoffError
from bakeoff.estimate.break_even import TIE
from bakeoff.estimate.cost import SECONDS_PER_DAY, DailyCost
from bakeoff.estimate.prices import ModelPrice, resolve
from bakeoff.load.generator import run_step
from bakeoff.load.judge import LatencyLimit, parse_limit
from bakeoff.load.result import StepResult, StepSpec
from bakeoff.load.schedule import arrivals
from bakeoff.load.sweep import Observed, judged, requests_for
from bakeoff.load.workers import TargetSpec
from bakeoff.measure.timing import samples_needed
from bakeoff.run.endpoint_process import EndpointProcess
from bakeoff.run.probing import spread_items
from bakeoff.verbs import load_document

FACTORS = (0.5, 2.0)
MOST_TEXTS = 2000
MOST_TOKENS = 64
TIMEOUT_SECONDS = 30.0
TOKENS_FROM = 24
TRIES_ABOVE = 4
REALISED = 0.02


@dataclass(frozen=True)
class Sent:
    """One step of load: `rate` requests per second to one server."""

    approach: str
    rate: float
    requests: int
    seconds: float
    outcome: str
    why: str = ""


@dataclass(frozen=True)
class Side:
    """One side at one volume: US dollars a day, and the machines behind it (None where answers are bought)."""

    name: str
    predicted_usd: float
    measured_usd: float | None
    predicted_machines: int | None = None
    measured_machines: int | None = None


@dataclass(frozen=True)
class Point:
    """One predicted break-even, replayed at `factor` of its volume."""

    a: Side
    b: Side
    break_even: float
    factor: float
    volume: float
    busiest_per_second: float
    predicted: str
    measured: str
    result: str


@dataclass
class Server:
    """One approach behind a real endpoint, and what it was already seen to keep."""

    name: str
    endpoint: EndpointProcess
    target: TargetSpec
    limit: LatencyLimit
    step_seconds: float
    most_seconds: float
    sent: list[Sent] = field(default_factory=list)
    requests: int = 0
    seed: int = 0

    def fewest(self, rate: float, predicted: int) -> int | None:
        """The fewest machines whose share of `rate` one server keeps the limit at; None where it could not be settled."""
        machines = max(1, predicted)
        kept = self.keeps(rate / machines)
        if kept is None:
            return None
        if kept:
            while machines > 1 and (kept := self.keeps(rate / (machines - 1))):
                machines -= 1
            return None if kept is None else machines
        for more in range(1, TRIES_ABOVE + 1):
            kept = self.keeps(rate / (machines + more))
            if kept is not False:
                return machines + more if kept else None
        return None

    def keeps(self, rate: float) -> bool | None:
        """Whether one server keeps the limit at this rate, with 95% confidence; None where no valid step could settle it.

        A rate below one that was kept is kept, and one above a rate that was not kept is not.
        """
        known = [one for one in self.sent if one.outcome in ("kept", "broken")]
        if any(one.outcome == "kept" and one.rate >= rate * (1 - 1e-9) for one in known):
            return True
        if any(one.outcome == "broken" and one.rate <= rate * (1 + 1e-9) for one in known):
            return False
        enough = samples_needed(self.limit.quantile, 1)
        easy = enough / (3 * self.step_seconds)
        if rate < easy and self._step(easy, enough) == "kept":
            return True
        wanted = max(requests_for(rate, self.limit, self.step_seconds), enough)
        for _ in range(2):
            if wanted > rate * self.most_seconds:
                return None
            outcome = self._step(rate, wanted)
            if outcome == "undecided":
                wanted *= 3
            elif outcome != "not_judged":
                return outcome == "kept"
        # Not shown to keep it is not kept: that is how the run found its rates. A client that was too slow shows nothing.
        return False if self.sent[-1].outcome == "undecided" else None

    def tokens(self) -> tuple[float, float] | None:
        """Mean tokens read and written for each question, as the server's own usage counts them; None where it counts none."""
        result = self._run(StepSpec("single_stream", requests=TOKENS_FROM, timeout_seconds=TIMEOUT_SECONDS, first=self.requests))
        whole = [one for one in result.outcomes if one.error is None and one.tokens_in is not None and one.tokens_out is not None]
        if not whole:
            return None
        return statistics.fmean(one.tokens_in or 0 for one in whole), statistics.fmean(one.tokens_out or 0 for one in whole)

    def _step(self, rate: float, requests: int) -> str:
        spec = StepSpec(
            "server", "poisson", rate=rate, requests=requests, seed=self._seed(rate, requests), timeout_seconds=TIMEOUT_SECONDS,
            warmup=3, first=self.requests, bound_seconds=self.limit.seconds,
        )  # fmt: skip
        result = self._run(spec)
        times = [math.nan if one.total is None else one.total for one in result.outcomes]
        because = tuple(str(one) for one in result.figures["invalid_because"])
        found = judged(rate, Observed([one.intended for one in result.outcomes], times, result.valid, because), self.limit)
        self.sent.append(Sent(self.name, rate, found.n, result.window_seconds, found.outcome, "; ".join(because)))
        return found.outcome

    def _seed(self, rate: float, requests: int) -> int:
        """The next seed whose schedule really has the rate asked for, to within 2%: a short step of a lucky seed would ask less."""
        while True:
            self.seed += 1
            window = float(arrivals("poisson", rate, None, self.seed, requests=requests)[-1])
            if abs(requests / window / rate - 1) <= REALISED:
                return self.seed

    def _run(self, spec: StepSpec) -> StepResult:
        result = run_step(self.target.make(), spec)
        self.requests += len(result.outcomes)
        return result


class Replay:
    """A finished run, its costs worked out as its verdict did, and the servers started so far."""

    def __init__(self, run: str, runs: Path, step_seconds: float, most_seconds: float, stack: ExitStack) -> None:
        self.ledger, self.document = load_document(run, runs=runs)
        self.step_seconds, self.most_seconds, self.stack = step_seconds, most_seconds, stack
        self.prices = resolve(self.document.study.prices)
        named = frozenset(self.document.study.prices.get("models") or {})
        self.costs = costs_of([price(result, self.document, self.prices, named) for result in self.document.approaches])
        self.servers: dict[str, Server] = {}
        self.log = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "serve.log"

    def server(self, name: str) -> Server:
        """The server of an approach, started when it is first asked for. One at a time has the machine."""
        if name not in self.servers:
            study = self.ledger.study()
            settings = study.serving
            if settings is None:
                raise BakeoffError("This run put nothing under load.", fix="run a study with a `serving` section")
            threads = study.spec(name).threads or study.threads
            options = [
                "--window-ms", f"{settings.window_ms:g}", "--max-batch", str(settings.max_batch),
                "--request-seconds", f"{TIMEOUT_SECONDS:g}", "--runs", str(self.ledger.folder.parent),
            ]  # fmt: skip
            endpoint = self.stack.enter_context(
                EndpointProcess(self.ledger.folder, name, threads=threads, options=options, log=self.log)
            )
            inputs = [item.input for item in spread_items(self.ledger, MOST_TEXTS)]
            target = TargetSpec("chat", endpoint.url, inputs, model=name, max_tokens=MOST_TOKENS)
            self.servers[name] = Server(name, endpoint, target, parse_limit(settings.limit), self.step_seconds, self.most_seconds)
        return self.servers[name]

    def pairs(self) -> list[tuple[str, str, float, str]]:
        """(a, b, volume per day, hosted model or '') of every finite predicted break-even whose sides can be replayed."""
        served = {one.approach for one in self.document.serving if one.status == "done" and one.highest_rate is not None}
        found = [
            (one.a, one.b, one.volume_per_day.mid, "")
            for one in self.document.break_evens
            if one.volume_per_day is not None and {one.a, one.b} <= served
        ]
        for reference in self.document.hosted:
            found += [
                (one.a, one.b, one.volume_per_day.mid, reference.model)
                for one in reference.break_evens
                if one.volume_per_day is not None and one.a in served
            ]
        return found

    def price_line(self, model: str, *, measured: bool) -> DailyCost | None:
        """A hosted model's daily cost: with the tokens of the verdict, or with those that a server counts now."""
        reference = next(one for one in self.document.hosted if one.model == model)
        source = hosted.tokens_of(self.document.approaches)
        if source is None or reference.usd_per_million_in is None or reference.usd_per_million_out is None:
            return None
        read, written = reference.tokens_in, reference.tokens_out
        if measured and (self.ledger.trial_folder(Trial(source.of.name, 0)) / "model").is_dir():
            counted = self.tokens(source.of.name)
            if counted is None:
                return None
            read, written = counted[0], max(1.0, counted[1])
        listed = ModelPrice(model, reference.usd_per_million_in, reference.usd_per_million_out)
        return hosted.daily_cost(model, listed, read, written, source.of, self.document, self.prices)

    def tokens(self, name: str) -> tuple[float, float] | None:
        """As `Server.tokens`, asked once."""
        if not hasattr(self, "_tokens"):
            self._tokens = self.server(name).tokens()
        return self._tokens

    def side(self, name: str, model: str, volume: float, rate: float) -> Side:
        """One side at one volume, predicted and measured."""
        if model:
            predicted, measured = (self.price_line(model, measured=one) for one in (False, True))
            return Side(
                f"{model} (list price)",
                predicted.usd_per_day(volume).mid if predicted else math.nan,
                measured.usd_per_day(volume).mid if measured else None,
            )
        cost = self.costs[name]
        machines = cost.replicas(volume)
        needed = self.server(name).fewest(rate, machines)
        rest = volume * (cost.usd_per_item.mid + cost.review_usd_per_item) + cost.once.total / cost.horizon_days
        usd = None if needed is None else needed * cost.usd_per_replica_day + rest
        return Side(name, cost.usd_per_day(volume).mid, usd, machines, needed)

    def point(self, a: str, b: str, break_even: float, model: str, factor: float) -> Point:
        """One predicted break-even at one factor of its volume."""
        volume = break_even * factor
        rate = volume / SECONDS_PER_DAY * self.prices.peak_factor
        one, other = self.side(a, "", volume, rate), self.side(b, model, volume, rate)
        predicted = cheaper(one.name, one.predicted_usd, other.name, other.predicted_usd)
        measured = cheaper(one.name, one.measured_usd, other.name, other.measured_usd)
        result = (
            "not settled"
            if not measured
            else "tie"
            if "tie" in (predicted, measured)
            else "pass"
            if predicted == measured
            else "FAIL"
        )
        return Point(one, other, break_even, factor, volume, rate, predicted, measured, result)


def cheaper(a: str, usd_a: float | None, b: str, usd_b: float | None) -> str:
    """The name of the cheaper one; 'tie' within 1%; '' where one of the two is not known."""
    if usd_a is None or usd_b is None:
        return ""
    if abs(usd_a - usd_b) <= TIE * max(usd_a, usd_b):
        return "tie"
    return a if usd_a < usd_b else b


def replay(
    run: str, runs: Path, *, step_seconds: float, most_seconds: float, most: int, tell: Callable[[str], None] = print
) -> tuple[list[Point], list[Sent], Document]:
    """Replay the break-evens of a run; the nearest to its stated volume first, at most `most` of them."""
    with ExitStack() as stack:
        made = Replay(run, runs, step_seconds, most_seconds, stack)
        stated = made.document.study.volume_per_day
        pairs = sorted(made.pairs(), key=lambda pair: abs(math.log(pair[2] / stated)))
        if len(pairs) > most:
            tell(f"{len(pairs) - most} of {len(pairs)} break-evens are further from the stated volume and are not replayed.")
        points = []
        for a, b, volume, model in pairs[:most]:
            # The larger volume first: what is kept there need not be sent again at the smaller one.
            for factor in sorted(FACTORS, reverse=True):
                points.append(made.point(a, b, volume, model, factor))
                tell(said(points[-1]))
        sent = [one for server in made.servers.values() for one in server.sent]
        return points, sent, made.document


def said(point: Point) -> str:
    """One point as lines of text."""

    def side(one: Side) -> str:
        machines = (
            "" if one.predicted_machines is None else f", {one.predicted_machines} -> {one.measured_machines or '?'} machines"
        )
        usd = "not settled" if one.measured_usd is None else f"${one.measured_usd:.4g}"
        return f"{one.name}: ${one.predicted_usd:.4g} predicted, {usd} measured{machines}"

    return (
        f"{point.result:>11}  {point.factor:g}x of {point.break_even:,.0f} a day = {point.volume:,.0f} ({point.busiest_per_second:.3g}/s at the busiest)  "
        f"cheaper: {point.predicted} predicted, {point.measured or 'not settled'} measured\n"
        f"             {side(point.a)}\n             {side(point.b)}"
    )


def main() -> int:
    """Print every point and every step; 1 if a point is on the other side."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", help="a run's name, its path or 'latest'")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--step-seconds", type=float, default=10.0, help="usual length of a step of load")
    parser.add_argument("--most-seconds", type=float, default=180.0, help="longest step of load")
    parser.add_argument("--most", type=int, default=12, help="most break-evens to replay")
    parser.add_argument("--json", type=Path, help="write the document here too")
    given = parser.parse_args()
    try:
        points, sent, document = replay(
            given.run, given.runs, step_seconds=given.step_seconds, most_seconds=given.most_seconds, most=given.most
        )
    except BakeoffError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\nLoad that was sent, one server at a time:")
    for one in sent:
        print(
            f"  {one.approach:<24} {one.rate:8.3g}/s  n = {one.requests:<6} {one.seconds:6.1f} s  {one.outcome} {one.why}".rstrip()
        )
    counts = {word: sum(point.result == word for point in points) for word in ("pass", "FAIL", "tie", "not settled")}
    print("\n" + ", ".join(f"{count} {word}" for word, count in counts.items()) + f" of {len(points)} points")
    found = {
        "run": document.run, "limit": next((one.limit for one in document.serving), ""), "counts": counts,
        "points": [asdict(point) for point in points], "steps": [asdict(one) for one in sent],
    }  # fmt: skip
    text = json.dumps(found)
    if given.json:
        given.json.write_text(text, encoding="utf-8")
    print(text)
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
