"""Five minutes at 80% of capacity: does the server's memory grow, and is a request lost?

Starts `bakeoff serve` in a process of its own, finds the highest rate that keeps a limit, warms up, then sends 80% of that rate
(Poisson, open loop) and reads the server's resident memory once a second. Printed: memory after the warm-up and at the end (medians of
30 seconds each), its growth, and every request that was not answered, by kind. SIGTERM ends it, while requests are still coming in:
each that it accepted must still be answered.

    python benchmarks/soak.py [--serve RUN:APPROACH] [--seconds 300] [--limit 'p95 latency <= 100 ms'] [--most-rate 400] [--capacity N]

Without --serve a small study is run first (TF-IDF on made sentences) and its approach is served. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

STUDY = """study: soak
task: text
data: {source: soak.csv, text: text, target: label}
approaches: [tfidf-linear]
seeds: 1
timing: {single_items: 20, single_seconds: 0.5, batch_seconds: 0.5}
"""
SHARE = 0.8


def small_run(folder: Path) -> str:
    """A finished run with one small approach, as RUN:APPROACH."""
    from bakeoff.testing import sentences
    from bakeoff.verbs import run_study

    rows = ["text,label"] + [f'"{item.input}",{item.target}' for item in sentences(400)]
    (folder / "soak.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "soak.yaml").write_text(STUDY, encoding="utf-8")
    document = run_study(folder / "soak.yaml", runs=folder / "runs")
    return f"{document.run}:tfidf-linear"


class Memory:
    """Resident bytes of a process, once a second, with the time of each reading."""

    def __init__(self, pid: int) -> None:
        import psutil

        self._process = psutil.Process(pid)
        self.readings: list[tuple[float, int]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        import psutil

        while not self._over.wait(1.0):
            try:
                self.readings.append((time.monotonic(), self._process.memory_info().rss))
            except psutil.Error:
                return

    def stop(self) -> None:
        """No more readings."""
        self._over.set()
        self._thread.join()

    def between(self, start: float, end: float) -> float | None:
        """Median of the readings in these seconds of time.monotonic; None where there are none."""
        found = [rss for at, rss in self.readings if start <= at <= end]
        return statistics.median(found) if found else None


def steady(url: str, model: str, rate: float, seconds: float, seed: int, inputs: list[str], after: Any = None) -> Any:
    """One step at `rate`, sent from a process of its own. `after` is called with what has been seen so far."""
    from bakeoff.load.result import StepSpec
    from bakeoff.load.workers import TargetSpec, run_step_in_workers

    target = TargetSpec("chat", url, inputs, model=model, max_tokens=32)
    spec = StepSpec("server", "poisson", rate=rate, seconds=seconds, seed=seed, timeout_seconds=30.0)
    return run_step_in_workers(target, spec, 1, watch=after)


def drained(process: subprocess.Popen[str], url: str, model: str, rate: float, inputs: list[str]) -> dict[str, Any]:
    """SIGTERM in the middle of a step: what became of the requests. Those that found no server any more were not accepted."""
    sent: list[float] = []

    def after(seen: Any) -> None:
        if seen.elapsed > 2.0 and not sent:
            sent.append(seen.elapsed)
            process.send_signal(signal.SIGTERM)

    result = steady(url, model, rate, 5.0, 99, inputs, after)
    kinds = Counter(one.error or "answered" for one in result.outcomes)
    refused = kinds["connect"] + kinds["http_503"]
    return {
        "answered": kinds["answered"],
        "not_accepted": refused,
        "accepted_and_lost": len(result.outcomes) - kinds["answered"] - refused,
        "kinds": dict(kinds),
        "exit_code": process.wait(60),
    }


def looked_for(url: str, model: str, inputs: list[str], given: argparse.Namespace) -> tuple[float, str]:
    """Requests per second that the server can take, and how that was found."""
    from bakeoff.load import session

    found = session.load(
        url, model=model, inputs=inputs, limit=given.limit, scenarios=["offline", "server"], offline_seconds=5.0,
        rates=6, rate_seconds=8.0, most_rate=given.most_rate, max_tokens=32,
    )  # fmt: skip
    for sentence in found.says:
        print(f"  {sentence}")
    top = found.serving["highest_rate"]
    if top:
        return top["mid"], "highest rate that kept the limit"
    return 0.7 * found.serving["offline"][
        "completed_per_second"
    ], "seven tenths of the offline rate: no rate was shown to keep the limit"


def main() -> None:
    """Print what was found, then everything as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--serve", help="RUN:APPROACH, or what else `bakeoff serve` takes")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--warm-seconds", type=float, default=30.0)
    parser.add_argument("--limit", default="p95 latency <= 100 ms")
    parser.add_argument("--most-rate", type=float, default=400.0)
    parser.add_argument("--capacity", type=float, help="requests per second, where it is known: nothing is looked for")
    given = parser.parse_args()
    from bakeoff.testing import sentences

    with tempfile.TemporaryDirectory() as folder:
        what = given.serve or small_run(Path(folder))
        command = [sys.executable, "-m", "bakeoff.cli.main", "serve", what, "--port", "0", "--json", "--until-eof"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            url, model = ready["url"], ready["models"][0]
            inputs = [item.input for item in sentences(2000, start=1000)]
            capacity, basis = (given.capacity, "as given") if given.capacity else looked_for(url, model, inputs, given)
            rate = SHARE * capacity
            print(f"  capacity {capacity:.1f}/s ({basis}); soaking at {rate:.1f}/s for {given.seconds:.0f} s")
            steady(url, model, rate, given.warm_seconds, 1, inputs)
            memory = Memory(ready["pid"])
            began = time.monotonic()
            result = steady(url, model, rate, given.seconds, 2, inputs)
            ended = time.monotonic()
            memory.stop()
            edge = min(30.0, given.seconds / 4)
            before, after = memory.between(began, began + edge), memory.between(ended - edge, ended)
            growth = after / before - 1 if before and after else None
            figures = result.as_json()
            kinds = figures["error_kinds"]
            print(f"  memory {(before or 0) / 1e6:.1f} MB after the warm-up, {(after or 0) / 1e6:.1f} MB at the end: "
                  + (f"{growth:+.2%}" if growth is not None else "not read"))  # fmt: skip
            print(f"  {figures['requests']} requests, {figures['completed']} answered, {figures['errors']} lost {kinds or ''}")
            stopped = drained(process, url, model, rate, inputs)
            print(
                f"  SIGTERM under load: {stopped['answered']} answered, {stopped['not_accepted']} not accepted any more, "
                f"{stopped['accepted_and_lost']} accepted and lost; exit code {stopped['exit_code']}"
            )
        finally:
            process.kill()
            process.communicate()
    times = figures["total_seconds"]
    print(
        json.dumps(
            {
                "served": given.serve or "tfidf-linear",
                "capacity_per_second": capacity,
                "capacity_basis": basis,
                "rate_per_second": rate,
                "seconds": given.seconds,
                "rss_before": before,
                "rss_after": after,
                "growth": growth,
                "readings": len(memory.readings),
                "requests": figures["requests"],
                "answered": figures["completed"],
                "lost": figures["errors"],
                "error_kinds": kinds,
                "p50_ms": (times["p50"] or 0) * 1e3 or None,
                "p99_ms": (times["p99"] or 0) * 1e3 or None,
                "valid": figures["valid"],
                "invalid_because": figures["invalid_because"],
                "sigterm": stopped,
            }
        )
    )


if __name__ == "__main__":
    main()
