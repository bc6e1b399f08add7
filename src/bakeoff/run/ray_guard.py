"""Ends what a cluster of our own leaves behind where the bench is killed: ``python -m bakeoff.run.ray_guard``, fed by the bench.

Ray's daemons end with the process that started them, except two of its agents, which would linger for minutes. The guard reads which processes
there are, waits until its standard input ends, however that comes about, gives them a moment, and kills those that are still there.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator

SECONDS_TO_LEAVE = 5.0


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Guard all processes that descend from this one now, until the block ends, or this process does.

    Entered once the cluster runs; left once it was told to end.
    """
    import psutil

    family = []
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "ray" in " ".join([one.name(), *one.cmdline()]).lower():
                family.append([one.pid, one.create_time()])
    guard = subprocess.Popen(
        [sys.executable, "-m", "bakeoff.run.ray_guard"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        if guard.stdin is not None:
            guard.stdin.write(json.dumps(family).encode() + b"\n")
            guard.stdin.flush()
        yield
    finally:
        with contextlib.suppress(OSError):
            if guard.stdin is not None:
                guard.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            guard.wait(3 * SECONDS_TO_LEAVE)


def main() -> None:
    """Wait for the end of standard input, then for the processes that were named, then for nobody."""
    import psutil

    family = json.loads(sys.stdin.readline() or "[]")
    sys.stdin.read()
    there = []
    for pid, created in family:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if abs(process.create_time() - created) < 0.01:  # a number is used again
                there.append(process)
    _, left = psutil.wait_procs(there, timeout=SECONDS_TO_LEAVE)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()


if __name__ == "__main__":
    main()
