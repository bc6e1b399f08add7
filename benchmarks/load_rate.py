"""How many requests per second one client process sends open-loop without being its own bottleneck.

A scripted streaming server on loopback, in a process of its own, that serves every request at once in a known time. For each rate:
the rate achieved, how late the client was (dispatch delay, p99), whether the step was flagged, and the client's CPU time per
request, timers included.

    python benchmarks/load_rate.py [--rates 1000,2000] [--seconds 15] [--service-ms 75] [--rounds 3]

The last line is one JSON document. On a machine that does other things at the same time steps are flagged, as they should be.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "load"))


def measure(url: str, rate: float, seconds: float, seed: int) -> dict[str, Any]:
    """One step at `rate`."""
    from bakeoff.load.generator import run_step
    from bakeoff.load.prompts import BUILT_IN
    from bakeoff.load.result import StepSpec
    from bakeoff.load.targets import ChatTarget
    from bakeoff.measure.machine import load_average

    before = load_average()
    target = ChatTarget(url, "scripted", list(BUILT_IN), max_tokens=2)
    run_step(target, StepSpec("single_stream", requests=20))
    result = run_step(target, StepSpec("server", "poisson", rate=rate, seconds=seconds, seed=seed))
    figures = result.as_json()
    return {
        "rate": rate,
        "seconds": seconds,
        "requests": figures["requests"],
        "errors": figures["errors"],
        "achieved_share": figures["achieved_per_second"] / (result.planned / result.window_seconds),
        "achieved_per_second": figures["achieved_per_second"],
        "total_p50_ms": figures["total_seconds"]["p50"] * 1e3 if figures["total_seconds"]["p50"] else None,
        "dispatch_delay_p99_ms": figures["dispatch_delay_p99_seconds"] * 1e3,
        "cpu_us_per_request": result.client.cpu_seconds / max(1, figures["requests"]) * 1e6,
        "valid": figures["valid"],
        "invalid_because": figures["invalid_because"],
        "load_average_before": before,
    }


def main() -> None:
    """Print a row for each rate and round, then everything as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rates", default="1000,2000")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--service-ms", type=float, default=75.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    from scripted_server import Law, serving

    rows = []
    print("  asked/s  sent/s   share  n       errors  p50 ms  late p99 ms  CPU us/request  valid")
    with serving(Law(kind="constant", seconds=given.service_ms / 1e3, queues=0)) as url:
        for number in range(given.rounds):
            for rate in (float(one) for one in given.rates.split(",")):
                row = measure(url, rate, given.seconds, seed=number)
                rows.append(row)
                print(
                    f"  {rate:7.0f}  {row['achieved_per_second']:6.0f}  {row['achieved_share']:6.2%}  {row['requests']:<6}  {row['errors']:<6}"
                    f"  {row['total_p50_ms'] or float('nan'):6.1f}  {row['dispatch_delay_p99_ms']:11.3f}  {row['cpu_us_per_request']:14.0f}"
                    f"  {'yes' if row['valid'] else 'no: ' + row['invalid_because'][0]}",
                    flush=True,
                )
    print(json.dumps({"service_ms": given.service_ms, "rows": rows}))


if __name__ == "__main__":
    main()
