"""Several client processes that run one schedule together, for rates that one process cannot send.

Each worker is a program of its own, started once, that takes a step as a line of JSON and answers with a line of JSON.
Worker k of N sends requests k, k + N, k + 2N, ... of the one schedule, counted from a start that all share: the clock
is one for all processes of a machine. Outcomes are put together one by one, so percentiles and histograms are exactly
those that one process would have had. The requests of a worker that dies are kept as failed, and the step is invalid.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Literal

from bakeoff.contract import Json
from bakeoff.errors import BakeoffError, EndpointError
from bakeoff.load.result import Client, Outcome, Seen, StepResult, StepSpec, Watch, merge

if TYPE_CHECKING:
    from bakeoff.load.targets import Target

START_SECONDS = 60.0
SHARED_START_SECONDS = 0.5
GRACE_SECONDS = 30.0
NO_WORKER = "no_worker"
"""Kind of error of requests whose client process died."""


@dataclass(frozen=True)
class TargetSpec:
    """A target as data, so that another process can make it. The key is not in it: each worker reads its own environment.

    The fields are those of `targets.ChatTarget` and `targets.AnswerTarget`; `inputs` are prompts or items.
    """

    protocol: Literal["chat", "answer"]
    url: str
    inputs: Sequence[Json]
    model: str = ""
    system: str = ""
    max_tokens: int | None = None
    temperature: float | None = 0.0
    stream: bool = True
    key_env: str = ""
    extra: dict[str, Json] = field(default_factory=dict)

    def make(self) -> Target:
        """The target itself, in this process."""
        from bakeoff.load.targets import AnswerTarget, ChatTarget

        if self.protocol == "answer":
            return AnswerTarget(self.url, self.inputs, key_env=self.key_env)
        return ChatTarget(
            self.url,
            self.model,
            list(self.inputs),
            system=self.system,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            stream=self.stream,
            key_env=self.key_env,
            extra=self.extra,
        )


@dataclass(frozen=True)
class SharedStep(StepResult):
    """A step that workers ran together. `lost` says which of them died, and why: such a step is never valid."""

    lost: tuple[str, ...] = ()

    @cached_property
    def figures(self) -> dict[str, Json]:
        """As of any step; with a worker lost, not valid, and the reason first."""
        from bakeoff.load.summary import summarise

        found = dict(summarise(self))
        if self.lost:
            found["valid"] = False
            found["invalid_because"] = [*self.lost, *found.get("invalid_because", [])]
        return found


class Workers:
    """Client processes, started once and used for one step after another. A context manager.

    Parameters
    ----------
    target : TargetSpec
    count : int, default=1
        Processes, from 1 to 64.

    Raises
    ------
    BakeoffError
        If `count` is out of its range, or a process does not start.
    """

    def __init__(self, target: TargetSpec, count: int = 1) -> None:
        if not 1 <= count <= 64:
            raise BakeoffError(f"The load cannot be sent by {count} workers.", fix="give a number from 1 to 64")
        self._target, self._count = target, count
        self._crew: list[_Process] = []
        self._steps = 0

    def __enter__(self) -> Workers:
        self._crew = [_Process() for _ in range(self._count)]
        try:
            for process in self._crew:
                process.send({"target": asdict(self._target)})
            deadline = time.monotonic() + START_SECONDS
            for process in self._crew:
                said = process.next(deadline)
                if "ready" not in said:
                    raise _problem(said, process)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids, in the order of the workers."""
        return tuple(process.pid for process in self._crew)

    def run(self, spec: StepSpec, *, watch: Watch | None = None) -> StepResult:
        """Run one step, each worker its share, and return what one process would have.

        Parameters
        ----------
        spec : StepSpec
            Of the whole step: `worker` and `workers` are set here. `single_stream` is run by the first worker alone.
            `concurrency` (offline) is of all workers together, and at least one of each.
        watch : Watch or None
            Called in this process, about twice a second, with the figures of all workers together; may print. Returning True
            ends the step early.

        Raises
        ------
        EndpointError
            If the server cannot be reached at all.
        BakeoffError
            If every worker died.
        """
        self._steps += 1
        crew = self._crew[:1] if spec.scenario == "single_stream" else self._crew
        many = len(crew)
        start_at = time.perf_counter() + SHARED_START_SECONDS if many > 1 and not spec.warmup else None
        shares = []
        for number, process in enumerate(crew):
            concurrency = max(1, spec.concurrency // many + (number < spec.concurrency % many))
            share = replace(spec, worker=number, workers=many, concurrency=concurrency, start_at=start_at or spec.start_at)
            shares.append(share)
            process.send({"step": asdict(share), "number": self._steps})
        said = self._gather(crew, spec, watch)
        problems = [answer for answer in said if "problem" in answer]
        results = [StepResult.from_wire(answer["result"]) for answer in said if "result" in answer]
        if problems and (not results or problems[0].get("kind") == "EndpointError"):
            raise _problem(problems[0], crew[0])
        lost = tuple(
            f"client process {number + 1} of {many} died ({_why(answer)}), and its requests were not sent or not seen to end"
            for number, answer in enumerate(said)
            if "result" not in answer
        )
        if not results:
            raise BakeoffError(f"Every client process died: {lost[0]}.", fix="look for what ended them: memory, or a signal")
        if not lost:
            return results[0] if many == 1 else merge(results)
        start = min(result.start for result in results)
        gone = [_unsent(share, start) for share, answer in zip(shares, said, strict=True) if "result" not in answer]
        whole = merge([*results, *(replace(one, protocol=results[0].protocol, streams=results[0].streams) for one in gone)])
        plain = {one.name: getattr(whole, one.name) for one in fields(StepResult)}
        return SharedStep(**plain, lost=lost)

    def close(self) -> None:
        """End the processes."""
        for process in self._crew:
            process.end()
        self._crew = []

    def _gather(self, crew: Sequence[_Process], spec: StepSpec, watch: Watch | None) -> list[dict[str, Any]]:
        """The last word of each worker: a result, a problem, or how it ended."""
        known = spec.seconds if spec.seconds is not None else (spec.requests or 0) / (spec.rate or 1.0) * 2
        alone = (spec.requests or 0) * spec.timeout_seconds if spec.scenario != "server" and spec.seconds is None else 0.0
        deadline = time.monotonic() + known + alone + spec.timeout_seconds * (2 + spec.warmup) + GRACE_SECONDS
        said: list[dict[str, Any]] = [{} for _ in crew]
        seen: list[Seen | None] = [None for _ in crew]
        waiting, stopping = set(range(len(crew))), False
        while waiting:
            for number in sorted(waiting):
                try:
                    answer = crew[number].next(min(deadline, time.monotonic() + 0.25 / len(waiting)))
                except queue.Empty:
                    if time.monotonic() >= deadline:
                        crew[number].end()
                        said[number] = {"ended": "it did not answer in time"}
                        waiting.discard(number)
                    continue
                if "seen" in answer:
                    seen[number] = Seen(*answer["seen"])
                    stop = watch(_together(seen)) if watch is not None else None
                    if stop and not stopping:
                        stopping = True
                        for process in crew:
                            process.send({"stop": self._steps})
                    continue
                said[number] = answer
                waiting.discard(number)
        return said


def run_step_in_workers(target: TargetSpec, spec: StepSpec, workers: int, *, watch: Watch | None = None) -> StepResult:
    """Run one step with `workers` client processes of its own; see `Workers.run`."""
    with Workers(target, workers) as crew:
        return crew.run(spec, watch=watch)


class _Process:
    """One worker and the lines it says."""

    def __init__(self) -> None:
        self._said: queue.Queue[dict[str, Any]] = queue.Queue()
        self._ended: dict[str, Any] | None = None
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        # A session of its own: Ctrl-C reaches the parent only, which asks the workers to stop and still gets their results.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bakeoff.load.workers"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, what: dict[str, Json]) -> None:
        assert self._process.stdin is not None
        # A worker that is gone (or was ended here, its pipe closed) is found out when its answer is read.
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(what).encode() + b"\n")
            self._process.stdin.flush()

    def next(self, deadline: float) -> dict[str, Any]:
        """The next thing it says; how it ended, once it has. Raises queue.Empty at `deadline` (of time.monotonic)."""
        if self._ended is not None and self._said.empty():
            return self._ended
        return self._said.get(timeout=max(0.0, deadline - time.monotonic()))

    def end(self) -> None:
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self, lines: IO[bytes]) -> None:
        try:
            for line in lines:
                self._said.put(json.loads(line))
        except (ValueError, OSError):
            pass  # a line cut short by its death
        code = self._process.wait()
        self._ended = {"ended": f"signal {-code}" if code < 0 else f"exit code {code}"}
        self._said.put(self._ended)


def _problem(said: dict[str, Any], process: _Process) -> BakeoffError:
    if "problem" not in said:
        return BakeoffError(f"A client process ended at once ({_why(said)}).", fix="look at what it printed above")
    kind = EndpointError if said.get("kind") == "EndpointError" else BakeoffError
    return kind(said["problem"], fix=said.get("fix", ""))


def _why(said: dict[str, Any]) -> str:
    return str(said.get("ended") or said.get("problem") or "no reason known")


def _together(seen: Sequence[Seen | None]) -> Seen:
    there = [one for one in seen if one is not None]
    recent = sorted(one.recent_seconds for one in there if one.recent_seconds is not None)
    return Seen(
        max(one.elapsed for one in there),
        there[0].of_seconds,
        sum(one.sent for one in there),
        sum(one.completed for one in there),
        sum(one.errors for one in there),
        sum(one.in_flight for one in there),
        recent[len(recent) // 2] if recent else None,
    )


def _unsent(share: StepSpec, start: float) -> StepResult:
    """The part of the schedule that a dead worker had: every request of it failed. Closed arrivals have no schedule to keep."""
    outcomes: tuple[Outcome, ...] = ()
    if share.scenario == "server":
        from bakeoff.load.schedule import arrivals

        assert share.arrivals != "closed" and share.rate is not None
        due = arrivals(
            share.arrivals,
            share.rate,
            share.seconds,
            share.seed,
            requests=share.requests,
            worker=share.worker,
            workers=share.workers,
        )
        outcomes = tuple(
            Outcome(share.worker + i * share.workers, float(at), error=NO_WORKER, says="its client process died")
            for i, at in enumerate(due)
        )
    window = share.seconds or max((one.intended for one in outcomes), default=0.0)
    return StepResult(share, "", True, start, len(outcomes), window, outcomes, client=Client())


def serve_orders(orders: IO[bytes], say: int) -> None:
    """A worker: take orders as lines of JSON until there are no more, and write what came of each to the descriptor `say`."""
    from bakeoff.load.generator import run_step

    incoming: queue.Queue[dict[str, Any] | None] = queue.Queue()
    stopped = 0
    step = 0

    def listen() -> None:
        nonlocal stopped
        for line in orders:
            order = json.loads(line)
            if "stop" in order:
                stopped = order["stop"]
            else:
                incoming.put(order)
        stopped = step  # the parent is gone, so nobody waits for this step
        incoming.put(None)

    def tell(what: dict[str, Json]) -> None:
        rest = memoryview(json.dumps(what).encode() + b"\n")
        while rest:
            rest = rest[os.write(say, rest) :]

    def watch(seen: Seen) -> bool:
        tell({"seen": list(seen)})
        return stopped == step

    threading.Thread(target=listen, daemon=True).start()
    target: Target | None = None
    while (order := incoming.get()) is not None:
        try:
            if "target" in order:
                target = TargetSpec(**order["target"]).make()
                tell({"ready": os.getpid()})
            elif target is not None:
                step = order["number"]
                spec = StepSpec(**order["step"])
                tell({"result": run_step(target, spec, watch=watch).as_wire()})
        except BakeoffError as error:
            tell({"problem": error.what, "fix": error.fix, "kind": type(error).__name__})


if __name__ == "__main__":
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not get between the lines
    with contextlib.suppress(BrokenPipeError):
        serve_orders(sys.stdin.buffer, answers)
