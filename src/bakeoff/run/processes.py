"""Start trial processes, listen to them, and never leave one behind.

Each worker gets one pipe to speak through (JSON lines) and one that only tells it whether the bench is alive.
It runs in its own session, so Ctrl-C reaches the bench alone, which then asks the workers to leave.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bakeoff.contract import Trial
from bakeoff.models.threads import environment
from bakeoff.run.ledger import Ledger, disk_error

SECONDS_TO_LEAVE = 30.0
LONGEST_LINE = 1_000_000
LARGEST_LOG = 4_000_000
LOG_KEPT = 200_000


@dataclass
class Worker:
    """A running trial process."""

    trial: Trial
    job: str
    process: subprocess.Popen[bytes]
    events: int
    alive: int
    started: float
    log: Path
    stage: str = "start"
    fraction: float = 0.0
    waiting: bytearray = field(default_factory=bytearray)

    @property
    def seconds(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.started


class Pool:
    """The running workers of one run.

    Parameters
    ----------
    ledger : Ledger
    variables : mapping of str to str
        Variables of the workers' environment, besides this process's own.
    cwd : Path or None
        Where they run; None for where this process does.
    """

    def __init__(self, ledger: Ledger, *, variables: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
        self._ledger = ledger
        self._variables, self._cwd = dict(variables or {}), cwd
        self._selector = selectors.DefaultSelector()
        self.running: list[Worker] = []

    def start(self, trial: Trial, job: str, threads: int) -> Worker:
        """Start a worker; its output goes to the trial's ``log.txt``.

        Raises
        ------
        RunError
            If the trial's folder cannot be written.
        """
        home = self._ledger.trial_folder(trial)
        try:
            home.mkdir(parents=True, exist_ok=True)
            log = (home / "log.txt").open("ab")
        except OSError as error:
            raise disk_error(error, home) from error
        events_read, events_write = os.pipe()
        alive_read, alive_write = os.pipe()
        now = time.monotonic()
        order = {
            "run": str(self._ledger.folder), "approach": trial.approach, "seed": trial.seed, "fraction": trial.fraction, "job": job,
            "events": events_write, "alive": alive_read, "spawned": now,
        }  # fmt: skip
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "bakeoff.run.worker", json.dumps(order)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(events_write, alive_read),
                cwd=self._cwd,
                env={
                    **os.environ,
                    **self._variables,
                    **environment(threads),
                    "PYTHONHASHSEED": "0",
                    "PYTHONUNBUFFERED": "1",
                    "BAKEOFF_RUN": self._ledger.name,
                },
                start_new_session=True,
            )
        os.close(events_write)
        os.close(alive_read)
        os.set_blocking(events_read, False)
        worker = Worker(trial, job, process, events_read, alive_write, now, home / "log.txt")
        self._selector.register(events_read, selectors.EVENT_READ, worker)
        self.running.append(worker)
        return worker

    def listen(self, seconds: float) -> Iterator[tuple[Worker, Mapping[str, Any]]]:
        """Yield what workers said within `seconds`; ``{"event": "ended", "code": c}`` is each one's last."""
        for key, _ in self._selector.select(seconds):
            worker: Worker = key.data
            yield from ((worker, event) for event in self._read(worker))
        for worker in list(self.running):
            _shorten(worker.log)
            # A process that it started may hold its end of the pipe open for ever: its own end counts, not the pipe's.
            if worker in self.running and worker.process.poll() is not None:
                yield from ((worker, event) for event in self._read(worker))
                if worker in self.running:
                    yield worker, {"event": "ended", "code": self._close(worker)}

    def _read(self, worker: Worker) -> Iterator[Mapping[str, Any]]:
        with contextlib.suppress(BlockingIOError):
            while True:
                chunk = os.read(worker.events, 65536)
                if not chunk:
                    yield from self._lines(worker)
                    yield {"event": "ended", "code": self._close(worker)}
                    return
                worker.waiting += chunk
                if len(worker.waiting) > LONGEST_LINE:
                    worker.waiting.clear()
                yield from self._lines(worker)

    @staticmethod
    def _lines(worker: Worker) -> Iterator[Mapping[str, Any]]:
        while (end := worker.waiting.find(b"\n")) >= 0:
            line = bytes(worker.waiting[:end])
            del worker.waiting[: end + 1]
            with contextlib.suppress(ValueError):
                yield json.loads(line)

    def _close(self, worker: Worker) -> int:
        self._selector.unregister(worker.events)
        os.close(worker.events)
        with contextlib.suppress(OSError):
            os.close(worker.alive)
        self.running.remove(worker)
        try:
            return worker.process.wait(timeout=SECONDS_TO_LEAVE)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            return worker.process.wait()
        finally:
            with contextlib.suppress(OSError):  # whatever it started goes with it: a worker leads a group of its own
                os.killpg(worker.process.pid, signal.SIGKILL)

    def stop(self, worker: Worker | None = None) -> None:
        """Ask one worker (or all) to leave; what does not leave in time is killed."""
        leaving = [worker] if worker else list(self.running)
        for one in leaving:
            with contextlib.suppress(OSError):
                os.close(one.alive)
        deadline = time.monotonic() + SECONDS_TO_LEAVE
        for one in leaving:
            # Its pipe must be emptied while we wait, or a worker that still speaks could never leave.
            while one in self.running and time.monotonic() < deadline:
                if one.process.poll() is not None:
                    break
                for _ in self.listen(0.05):
                    pass
            if one in self.running:
                one.process.kill()
                self._close(one)


def _shorten(log: Path) -> None:
    """Keep the end of a log that has grown too long. Its writer appends, so it goes on behind what is kept."""
    with contextlib.suppress(OSError):
        size = log.stat().st_size
        if size <= LARGEST_LOG:
            return
        with log.open("rb+") as file:
            file.seek(size - LOG_KEPT)
            end = file.read(LOG_KEPT)
            file.truncate(0)
            file.seek(0)
            file.write(b"[what stood here was cut: the log had grown too long]\n" + end)
