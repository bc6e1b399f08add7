"""`--engine ray`: trials as tasks of a Ray cluster; all else as ever, and what is measured alone is measured here.

``RAY_ADDRESS`` names a running cluster (``auto`` for the one of this machine); without it a cluster of this machine is started, and gone at
the end. A task runs the worker process of the local engine on its node (`bakeoff.run.ray_task`), and sends the trial's files back, so the run folder
is written by the bench alone and no filesystem is shared. Ray retries nothing by itself: a trial whose node is lost begins once more, from its last
checkpoint.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bakeoff.contract import Trial
from bakeoff.errors import RunError, needs, shown
from bakeoff.run import ray_guard, shipping
from bakeoff.run.ledger import Ledger
from bakeoff.run.processes import SECONDS_TO_LEAVE, Pool, Worker
from bakeoff.run.worker import SECONDS_TO_LEAVE as SECONDS_OF_A_WORKER
from bakeoff.run.worker import finished
from bakeoff.study import Study

SESSION = "bakeoff-ray-"
OBJECT_STORE_BYTES = 256 << 20
"""Shared memory of a cluster of our own; what is larger goes to the disk."""
ATTEMPTS = 2
"""How often a trial is begun at most, where its node or the task's process is lost."""
SECONDS_TO_CONNECT = 5.0
SECONDS_BETWEEN_CHECKPOINTS = 15.0
"""About how much of a training is lost at most when its node is, or the bench."""

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # or tasks that ask for no GPU could not see the one that the local engine uses
    "RAY_memory_monitor_refresh_ms": "0",  # it would kill the task, which is small, for the memory of others
    "RAY_DISABLE_DOCKER_CPU_WARNING": "1",
}
"""Variables of a cluster of our own. No usage statistics are sent anywhere."""


@dataclass(eq=False)
class Remote(Worker):
    """A trial on the cluster. `seconds` counts from when its task began."""

    stream: Any = None
    threads: int = 1
    attempt: int = 1
    ended: int | None = None
    """Exit code, where it is known without asking the cluster."""


@dataclass
class Cluster:
    """A connection to Ray. `ours`: it was started here, and ends with `close`."""

    ray: Any
    ours: bool
    cores: int
    _close: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def close(self) -> None:
        """Leave the cluster; one of our own ends."""
        self._close.close()


def connect(threads: int) -> Cluster:
    """Connect to the cluster that ``RAY_ADDRESS`` names, to the one that this process is in already, or start one on this machine.

    Parameters
    ----------
    threads : int
        Cores that one trial takes, at least.

    Raises
    ------
    MissingExtra
        If Ray is not installed.
    RunError
        If the cluster cannot be reached or started, or no node has that many cores.
    """
    needs("ray", extra="ray", why="`--engine ray`")
    address = os.environ.get("RAY_ADDRESS", "").strip()
    with contextlib.ExitStack() as stack:
        before = signal.getsignal(signal.SIGTERM)
        if threading.current_thread() is threading.main_thread():
            stack.callback(signal.signal, signal.SIGTERM, before)  # Ray sets one of its own
        if address and address not in ("local", "auto"):
            _reach(address)
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        ours = address in ("", "local")
        if ours:
            _secure()
        import ray

        joined = ray.is_initialized()
        if not joined:
            stack.callback(_shut_down, ray)
            if ours:
                _start(ray, stack, max(os.cpu_count() or 1, threads))
            else:
                _join(ray, address)
            _hush(ray, stack)
        nodes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
        if max(nodes, default=0) < threads:
            raise RunError(
                f"No node of the Ray cluster has {threads} cores, which a trial takes; the largest has {max(nodes, default=0)}.",
                fix="set fewer `threads` in the study, or add a larger node",
            )
        return Cluster(ray, ours and not joined, sum(count // threads for count in nodes), stack.pop_all())
    raise AssertionError  # for the type checker: nothing swallows an error above


@functools.cache
def _token() -> str:
    """The secret of this process's clusters: Ray keeps the first that it reads."""
    return secrets.token_hex(32)


def _secure() -> None:
    """Ray listens on every address of the machine, and whoever reaches it can run code: so a cluster of ours asks for a token."""
    import sys

    if "RAY_AUTH_MODE" not in os.environ and "ray" not in sys.modules:
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=_token())


def _start(ray: Any, stack: contextlib.ExitStack, cores: int) -> None:
    # What is entered last is left first: the session ends, then the guard sees to it, then the folder goes.
    folder = stack.enter_context(shipping.scratch(SESSION))
    guard = stack.enter_context(contextlib.ExitStack())
    stack.callback(_shut_down, ray)
    held = {name: os.environ.get(name) for name in QUIET}
    os.environ.update({name: value for name, value in QUIET.items() if held[name] is None})
    try:
        ray.init(
            address="local",
            num_cpus=cores,
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=str(folder),
        )
        guard.enter_context(ray_guard.guarded())
    except Exception as error:  # Ray raises whatever its parts do
        raise RunError(f"Ray cannot be started on this machine: {_said(error)}", fix="run without --engine ray") from error
    finally:
        for name, value in held.items():
            if value is None:
                os.environ.pop(name, None)


def _join(ray: Any, address: str) -> None:
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # a cluster that is not there, of another version, or that asks for a token
        raise RunError(
            f"The Ray cluster at {shown(address)} cannot be joined: {_said(error)}",
            fix="start one with `ray start --head`, or unset RAY_ADDRESS: a cluster of this machine is then started",
        ) from error


def _reach(address: str) -> None:
    """Refuse at once what Ray itself would try to reach for two minutes."""
    fix = "set RAY_ADDRESS to HOST:PORT of a running cluster, or unset it: a cluster of this machine is then started"
    if "://" in address:
        raise RunError(
            f"RAY_ADDRESS is {shown(address)}: a bench cannot work through a Ray client.",
            fix="run it on a node, with RAY_ADDRESS=auto",
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise RunError(f"RAY_ADDRESS is {shown(address)}, which is no HOST:PORT.", fix=fix)
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_CONNECT).close()
    except OSError as error:
        raise RunError(f"The Ray cluster at {shown(address)} cannot be reached: {error.strerror or error}.", fix=fix) from error


def _hush(ray: Any, stack: contextlib.ExitStack) -> None:
    """Ray prints to standard output what happened to a lost worker, and no option turns it off; we say it ourselves, and that stream is for --json."""
    inside: Any = getattr(getattr(ray, "_private", None), "worker", None)
    before = getattr(inside, "print_to_stdstream", None)
    if before is not None:
        stack.callback(setattr, inside, "print_to_stdstream", before)
        inside.print_to_stdstream = _say_nothing


def _say_nothing(*_: Any, **__: Any) -> None:
    """In the place of a function that prints."""


def _shut_down(ray: Any) -> None:
    with contextlib.suppress(Exception):
        ray.shutdown()


def _said(error: BaseException) -> str:
    return " ".join(str(error).split())[:300].rstrip(".") + "."


class RayPool(Pool):
    """A `Pool` whose trials run on a cluster; every other job runs here, alone, once the cluster is left.

    Parameters
    ----------
    ledger : Ledger
    study : Study
    cluster : Cluster
        Left, and ended where it is ours, before the first job that is no trial, and by `stop`.
    """

    def __init__(self, ledger: Ledger, study: Study, cluster: Cluster) -> None:
        super().__init__(ledger)
        self._study, self._cluster = study, cluster
        self._shared: Any = None
        self._task: Any = None

    @classmethod
    def open(cls, ledger: Ledger, study: Study) -> RayPool:
        """Connect as `connect` does, and raise as it does."""
        return cls(ledger, study, connect(max([study.threads, *(spec.threads or 0 for spec in study.approaches)])))

    @property
    def places(self) -> int:
        """Trials that fit on the cluster at once."""
        return max(1, self._cluster.cores)

    def start(self, trial: Trial, job: str, threads: int) -> Worker:
        """Send a trial to the cluster, or start another job here."""
        if job != "trial":
            self._cluster.close()
            return super().start(trial, job, threads)
        worker = Remote(trial, job, None, -1, -1, time.monotonic(), self._ledger.trial_folder(trial) / "log.txt", threads=threads)  # type: ignore[arg-type]
        with self._locked(trial):  # a worker of a bench that was killed may still be finishing this very trial
            if finished(self._study, trial, self._ledger.measures(trial)):
                worker.ended = 0
            else:
                self._submit(worker)
        self.running.append(worker)
        return worker

    def _locked(self, trial: Trial) -> contextlib.AbstractContextManager[None]:
        return self._ledger.locked(f"trials/{trial.folder}/.lock", wait_seconds=SECONDS_OF_A_WORKER + 30)

    def _submit(self, worker: Remote) -> None:
        from bakeoff import __version__
        from bakeoff.run.ray_task import work

        ray, trial = self._cluster.ray, worker.trial
        if self._task is None:
            self._shared = ray.put({"run": shipping.of_run(self._ledger), "code": shipping.code_beside(self._ledger)})
            self._task = ray.remote(num_returns="streaming", max_retries=0)(work)
        order = {
            "name": self._ledger.name, "approach": trial.approach, "seed": trial.seed, "fraction": trial.fraction, "threads": worker.threads,
            "version": __version__, "cwd": str(Path.cwd()), "checkpoint_seconds": SECONDS_BETWEEN_CHECKPOINTS,
            "variables": {name: value for name, value in os.environ.items() if name.startswith("BAKEOFF_")},
        }  # fmt: skip
        before = shipping.packed(self._ledger.trial_folder(trial))
        before.pop("log.txt", None)  # it stays here; what comes back is put behind it
        worker.started, worker.stage, worker.fraction = time.monotonic(), "start", 0.0
        options = {"num_cpus": worker.threads, "name": f"{trial.approach} seed {trial.seed}"}
        worker.stream = self._task.options(**options).remote(order, self._shared, before)

    def listen(self, seconds: float) -> Iterator[tuple[Worker, Mapping[str, Any]]]:
        """Yield what trials, here and there, said within `seconds`."""
        remote = [worker for worker in self.running if isinstance(worker, Remote)]
        if not remote:
            yield from super().listen(seconds)
            return
        for worker in remote:
            if worker.ended is not None:
                yield worker, self._gone(worker, worker.ended)
        streams = {worker.stream: worker for worker in remote if worker.stream is not None and worker in self.running}
        if not streams:
            return
        ready, _ = self._cluster.ray.wait(list(streams), num_returns=1, timeout=seconds)
        for stream in ready:
            event = self._next(streams[stream])
            if event is not None:
                yield streams[stream], event

    def _next(self, worker: Remote) -> Mapping[str, Any] | None:
        """The next word of a trial; None for what only this class wants to know."""
        from ray.exceptions import RayError, RayTaskError, TaskCancelledError

        try:
            event: Mapping[str, Any] = self._cluster.ray.get(next(worker.stream))
        except TaskCancelledError:
            return self._gone(worker, 75)
        except RayTaskError as error:
            if isinstance(error, TaskCancelledError) or isinstance(error.cause, TaskCancelledError | KeyboardInterrupt):
                return self._gone(worker, 75)
            cause = error.cause or error
            fix = (
                "install Bakeoff and what the study needs on every node"
                if isinstance(cause, ImportError)
                else "see Ray's own logs"
            )
            return self._failed(worker, f"The Ray task failed: {type(cause).__name__}: {_said(cause)}", fix)
        except (RayError, StopIteration) as error:
            return self._lost(worker, error)
        kind = event["event"]
        if kind == "began":
            worker.started = time.monotonic()
            return None
        if kind == "checkpoint":
            shipping.keep_checkpoint(self._ledger, worker.trial, event["files"])
            return None
        if kind == "refused":
            return self._failed(worker, event["what"], event["fix"])
        if kind == "landed":
            with self._locked(worker.trial):
                shipping.land(self._ledger, worker.trial, event["files"], there=event["there"])
                if event["code"] == 0:
                    self._ledger.drop_checkpoint(worker.trial)
            return self._gone(worker, int(event["code"]))
        return event

    def _lost(self, worker: Remote, error: BaseException) -> Mapping[str, Any]:
        """A node or the task's process is gone without a word: once more, then it is the trial's failure."""
        if worker.attempt >= ATTEMPTS:
            why = type(error).__name__
            return self._failed(
                worker,
                f"The Ray node or process of this trial was lost {ATTEMPTS} times ({why}).",
                "look after the nodes, then continue with --resume",
            )
        worker.attempt += 1
        try:
            self._submit(worker)
        except Exception as again:  # the cluster itself is gone
            return self._failed(worker, f"The Ray cluster was lost: {_said(again)}", "continue with --resume")
        return {"event": "progress", "fraction": 0.0, "note": "its node was lost; begun once more"}

    def _failed(self, worker: Remote, what: str, fix: str) -> Mapping[str, Any]:
        failure = {"what": what, "fix": fix, "job": "trial", "known": True}
        with self._locked(worker.trial):
            self._ledger.write_measures(worker.trial, {**self._ledger.measures(worker.trial), "failure": failure})
        return self._gone(worker, 1)

    def _gone(self, worker: Remote, code: int) -> Mapping[str, Any]:
        worker.stream = None
        self.running.remove(worker)
        return {"event": "ended", "code": code}

    def stop(self, worker: Worker | None = None) -> None:
        """Cancel one trial (or all, and leave the cluster): its worker is asked to leave, and killed with its task if it does not."""
        leaving = [one for one in ([worker] if worker else self.running) if isinstance(one, Remote)]
        try:
            for force, seconds in ((False, SECONDS_TO_LEAVE + 5), (True, 5.0)):
                self._cancel([one for one in leaving if one in self.running], force=force, seconds=seconds)
        finally:
            for one in leaving:
                if one in self.running:
                    self._gone(one, 75)
            if worker is None or not isinstance(worker, Remote):
                super().stop(worker)
            if worker is None:
                self._cluster.close()

    def _cancel(self, workers: list[Remote], *, force: bool, seconds: float) -> None:
        ray = self._cluster.ray
        for one in workers:
            if one.stream is not None:
                with contextlib.suppress(Exception):  # a task that has just ended cannot be cancelled
                    ray.cancel(one.stream, force=force)
        deadline = time.monotonic() + seconds
        while any(one in self.running and one.stream is not None for one in workers) and time.monotonic() < deadline:
            streams = {one.stream: one for one in workers if one.stream is not None}
            ready, _ = ray.wait(list(streams), num_returns=1, timeout=0.2)
            for stream in ready:
                try:
                    event = ray.get(next(stream))
                except BaseException as error:  # cancelled, lost or at its end: it is gone
                    self._gone(streams[stream], 75)
                    if not isinstance(error, Exception):
                        raise
                    continue
                if event["event"] == "checkpoint":
                    shipping.keep_checkpoint(self._ledger, streams[stream].trial, event["files"])
