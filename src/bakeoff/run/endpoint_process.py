"""`bakeoff serve` as a child process: started, waited for, measured, and never left behind."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

from bakeoff.errors import RunError
from bakeoff.models.threads import environment

SECONDS_TO_START = 120.0
SECONDS_TO_STOP = 40.0


class EndpointProcess:
    """The endpoint of one saved approach, exactly as `bakeoff serve RUN:approach` gives it::

        with EndpointProcess(folder, "tfidf-linear", threads=1, options=["--window-ms", "2"]) as endpoint:
            requests.post(endpoint.url + "/v1/answer", ...)

    Attributes
    ----------
    url : str
        Where it listens; loopback.
    start_seconds : float
        From starting the process to its word that it is ready, model loaded.
    log : Path
        Where its log goes.
    """

    def __init__(self, run: Path, approach: str, *, threads: int, options: list[str], log: Path) -> None:
        self.url = ""
        self.start_seconds = 0.0
        self._command = [
            sys.executable, "-m", "bakeoff.cli.main", "serve", f"{run}:{approach}", "--port", "0", "--json", "--until-eof",
            "--threads", str(threads), *options,
        ]  # fmt: skip
        self._environment = {**os.environ, **environment(threads), "PYTHONUNBUFFERED": "1"}
        self.log = log

    def __enter__(self) -> EndpointProcess:
        began = time.monotonic()
        with self.log.open("ab") as log:
            # It stops when its standard input ends: however this process dies, nothing is left listening.
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=self._environment
            )
        try:
            line = self._first_line(began + SECONDS_TO_START)
            self.start_seconds = time.monotonic() - began
            self.url = str(json.loads(line)["url"]).rstrip("/")
        except (ValueError, KeyError, TypeError) as error:
            self.stop()
            raise RunError("The endpoint did not start.", fix=f"see the end of {self.log}") from error
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process that holds the model."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    @property
    def ended(self) -> str:
        """How it ended, in words; '' while it runs."""
        code = self._process.poll()
        if code is None:
            return ""
        return f"{f'signal {-code}' if code < 0 else f'exit code {code}'}{' (often: out of memory)' if code == -9 else ''}"

    def peak_bytes(self) -> int | None:
        """Highest resident memory since it started, or None where the system does not tell of another process."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return None

    def stop(self) -> int:
        """Ask it to drain and end; kill it if it does not. Returns its exit code."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _first_line(self, deadline: float) -> bytes:
        out = self._process.stdout
        if out is None:
            return b""
        found = b""
        while b"\n" not in found and len(found) < 65_536:
            ready, _, _ = select.select([out], [], [], max(0.0, min(1.0, deadline - time.monotonic())))
            if ready:
                chunk = os.read(out.fileno(), 4096)
                if not chunk:
                    break
                found += chunk
            elif time.monotonic() > deadline:
                raise RunError(
                    f"The endpoint did not become ready within {SECONDS_TO_START:.0f} seconds.", fix=f"see the end of {self.log}"
                )
        return found.split(b"\n", 1)[0]
