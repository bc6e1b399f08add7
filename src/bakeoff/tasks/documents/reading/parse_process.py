"""The parsing process as its starter sees it: start it, give it orders, listen, and kill it at the first limit.

It runs in a session of its own, so that a kill reaches all that it may have started and Ctrl-C does not reach it. Orders go in by one pipe; that
pipe's end is also how it learns that its starter is gone. Of the environment it gets only what Python needs: no keys, no tokens.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from bakeoff.errors import BakeoffError
from bakeoff.models.threads import environment
from bakeoff.tasks.documents.reading import parse_wire
from bakeoff.tasks.documents.reading.limits import Limits

SECONDS_TO_START = 120.0
SECONDS_TO_END = 10.0
SECONDS_BETWEEN_LOOKS = 0.2
"""How often the memory of the parsing process is looked at."""
KEPT = (
    "BAKEOFF_HOME", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH", "PYTHONHOME", "PYTHONPATH", "TMPDIR", "TZ",
    "VIRTUAL_ENV",
)  # fmt: skip


class Stopped(Exception):
    """The parsing process is no more. The text says why, as the end of a sentence: 'it took longer than 20 seconds'."""


class ParseProcess:
    """A process that parses, started when it is first given an order, and again after each kill.

    Parameters
    ----------
    limits : Limits
        Its memory is held here; how long an answer may take is said with each question.
    spool : int
        A file descriptor that it may read: the pages of the document in hand.
    folder : str
        An existing folder for its temporary copies.

    A context manager: when it ends, so does the process, whatever the reason.
    """

    def __init__(self, limits: Limits, spool: int, folder: str) -> None:
        self.limits = limits
        self._spool, self._folder = spool, folder
        self._process: subprocess.Popen[bytes] | None = None
        self._records = parse_wire.Records()
        self._said: list[tuple[int, bytes]] = []
        self._memory: Callable[[], int] = lambda: 0
        self._looked = 0.0

    def __enter__(self) -> ParseProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int | None:
        """Its process id, None while there is none."""
        return self._process.pid if self._process else None

    def order(self, **order: Any) -> None:
        """Tell it what to do next, starting it where there is none.

        Raises
        ------
        Stopped
            If it ended before it could be told.
        BakeoffError
            If it cannot be started at all.
        """
        if self._process is None:
            self._start()
        assert self._process is not None and self._process.stdin is not None  # for the type checker: _start sets both
        try:
            self._process.stdin.write(json.dumps(order).encode("ascii") + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self._stopped() from None

    def hear(self, deadline: float, late: str) -> tuple[int, bytes]:
        """The next record: (kind, payload).

        Parameters
        ----------
        deadline : float
            On the clock of `time.monotonic`. Nobody waits longer: the process is killed.
        late : str
            What to say then.

        Raises
        ------
        Stopped
            If it was killed (late, too much memory, nonsense) or has ended by itself.
        """
        while not self._said:
            if self._process is None or self._process.stdout is None:
                raise Stopped("the parsing process was not running")
            now = time.monotonic()
            if now >= deadline:
                self.kill()
                raise Stopped(late)
            self._watch_memory(now)
            pipe = self._process.stdout.fileno()
            if not select.select([pipe], [], [], min(SECONDS_BETWEEN_LOOKS, deadline - now))[0]:
                continue
            piece = os.read(pipe, 1 << 20)
            if not piece:
                raise self._stopped()
            try:
                self._said.extend(self._records.feed(piece))
            except parse_wire.Nonsense as nonsense:
                self.kill()
                raise Stopped(f"the parsing process said what it must not ({nonsense})") from None
        return self._said.pop(0)

    def kill(self) -> int | None:
        """End it and all that it started, at once. Returns its exit status, None where there was no process."""
        process, self._process = self._process, None
        self._records, self._said = parse_wire.Records(), []
        if process is None:
            return None
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)  # not waited for yet, so the number is still its own
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        return code

    def bytes_used(self) -> int:
        """Its resident memory, 0 where it is not known."""
        return self._memory()

    def _start(self) -> None:
        with tempfile.TemporaryFile() as errors:
            start = {"limits": asdict(self.limits), "spool": self._spool, "folder": self._folder}
            kept = {name: os.environ[name] for name in KEPT if name in os.environ}
            try:
                self._process = subprocess.Popen(
                    # -P: what lies in the working folder (a folder of strangers' files) is no module of ours.
                    [sys.executable, "-P", "-m", "bakeoff.tasks.documents.reading.parse_child", json.dumps(start)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    pass_fds=(self._spool,),
                    env={**kept, **environment(1), "PYTHONHASHSEED": "0"},
                    start_new_session=True,
                )
            except OSError as error:
                raise BakeoffError(
                    f"No process could be started to parse with: {error.strerror}.", fix="end other programs, then repeat"
                ) from error
            self._memory = _memory_of(self._process.pid)
            try:
                kind, _ = self.hear(
                    time.monotonic() + SECONDS_TO_START, f"the parsing process did not start in {SECONDS_TO_START:.0f} seconds"
                )
            except Stopped as stopped:
                errors.seek(0)
                last = errors.read(100_000).decode("utf-8", "replace").strip().splitlines()[-1:]
                raise BakeoffError(
                    f"The parsing process did not start: {' '.join(last) or stopped}.",
                    fix="see that `python -m bakeoff.tasks.documents.reading.parse_child` starts",
                ) from None
        if kind != parse_wire.READY:
            self.kill()
            raise BakeoffError("The parsing process did not start as it should.", fix="install Bakeoff again")

    def _watch_memory(self, now: float) -> None:
        if now - self._looked < SECONDS_BETWEEN_LOOKS:
            return
        self._looked = now
        if self._memory() > self.limits.memory_mb * 1_000_000:
            self.kill()
            raise Stopped(f"it needed more than {self.limits.memory_mb:,} MB of memory")

    def _stopped(self) -> Stopped:
        """Why it ended by itself, once it has."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS_TO_END)  # it has closed its pipe; what does not end now is killed
        code = self.kill()
        if code == parse_wire.OUT_OF_MEMORY:
            return Stopped(f"it needed more than {self.limits.memory_mb:,} MB of memory")
        if code is not None and code < 0:
            name = signal.Signals(-code).name if -code in {int(one) for one in signal.Signals} else str(-code)
            return Stopped(f"the parsing process ended with {name}, from a fault in the file or for want of memory")
        return Stopped(f"the parsing process ended by itself (status {code})")


def _memory_of(pid: int) -> Callable[[], int]:
    """A function that gives the resident bytes of a process, and 0 once it has ended."""
    import psutil

    try:
        watched = psutil.Process(pid)
    except psutil.Error:
        return lambda: 0

    def resident() -> int:
        try:
            return int(watched.memory_info().rss)
        except psutil.Error:
            return 0

    return resident
