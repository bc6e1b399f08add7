"""The load generator, and one other public load tool, against servers whose times are known.

A scripted streaming server answers by a law: constant service times, an M/M/1 queue at 50% and at 90% load, and a server that stalls
once for five seconds. For each, what a perfect client would have seen follows from the arrivals and the service times alone
(Lindley's recursion), and is printed beside what was measured: by `bakeoff.load`, and by AIPerf if it is there.

Both ask a fresh server with the same service times, at the same rate, by Poisson arrivals. They draw their own arrivals, so each has
its own truth: for `bakeoff.load` from its schedule, for AIPerf from the moments at which it records that a request became due
(``credit_issued_ns``). Errors are relative to that truth.

    python benchmarks/load_truth.py [--tool-python VENV/bin/python] [--tokenizer FOLDER] [--seconds 30] [--seed 0]

AIPerf is looked up beside `--tool-python`, else on PATH; where it is not found that is said, and only our own figures are printed.
It needs a tokenizer even where the server counts tokens: give a folder with one, if it may not download its own. The last line is one
JSON document.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "load"))

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


def cases(seconds: float) -> list[tuple[str, dict[str, Any], float, float]]:
    """Name, law, rate and length of each case."""
    return [
        ("constant 20 ms, 50% load", {"kind": "constant", "seconds": 0.02}, 25.0, seconds),
        ("M/M/1, mean 20 ms, 50% load", {"kind": "exponential", "seconds": 0.02}, 25.0, seconds),
        ("M/M/1, mean 20 ms, 90% load", {"kind": "exponential", "seconds": 0.02}, 45.0, seconds),
        (
            "constant 50 ms, 10/s, one stall of 5 s",
            {"kind": "constant", "seconds": 0.05, "stall_at": 10.0, "stall_seconds": 5.0},
            10.0,
            60.0,
        ),
    ]


@contextmanager
def serving(law: Any) -> Iterator[str]:
    """The scripted server, whose events also have the fields that clients other than ours look at."""
    arguments = [sys.executable, __file__, "--serve", json.dumps(asdict(law))]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


def serve(law: str) -> None:
    """Run the server in this process."""
    import scripted_server as scripted

    from bakeoff.load.clock import at_once

    plain = scripted._chunk
    more = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}
    scripted._chunk = lambda *events: plain(*({**more, **one} if isinstance(one, dict) else one for one in events))
    scripted.TOKEN = scripted._chunk(scripted._PIECE)
    gc.freeze()
    gc.disable()
    loop = scripted.ExactLoop()
    with at_once():
        loop.run_until_complete(scripted._main(scripted.Law(**json.loads(law))))


def ours(url: str, law: Any, rate: float, seconds: float, seed: int) -> dict[str, Any]:
    """What `bakeoff.load` measures, with the truth of its schedule."""
    from bakeoff.load.generator import run_step
    from bakeoff.load.prompts import BUILT_IN
    from bakeoff.load.result import StepSpec
    from bakeoff.load.schedule import arrivals
    from bakeoff.load.targets import ChatTarget

    target = ChatTarget(f"{url}/v1", "scripted", list(BUILT_IN), max_tokens=2)
    result = run_step(target, StepSpec("server", "poisson", rate=rate, seconds=seconds, seed=seed))
    totals = [one.total for one in result.outcomes if one.total is not None]
    firsts = [one.first_token - one.intended for one in result.outcomes if one.first_token is not None]
    figures = result.as_json()
    return {
        **compared(law, arrivals("poisson", rate, seconds, seed), totals, firsts),
        "errors": figures["errors"],
        "valid": figures["valid"],
        "invalid_because": figures["invalid_because"],
    }


def aiperf(command: str, tokenizer: str, url: str, law: Any, rate: float, seconds: float, seed: int) -> dict[str, Any]:
    """What AIPerf measures (time from its sending a request), with the truth of the arrivals that it records."""
    from bakeoff.load.prompts import BUILT_IN

    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.jsonl"
        inputs.write_text("\n".join(json.dumps({"text": one}) for one in BUILT_IN) + "\n", encoding="utf-8")
        out = Path(folder) / "out"
        done = subprocess.run(
            [command, "profile", "--model", "scripted", "--url", url, "--endpoint-type", "chat", "--streaming",
             "--request-rate", str(rate), "--arrival-pattern", "poisson", "--request-count", str(round(rate * seconds)),
             "--random-seed", str(seed + 1), "--tokenizer", tokenizer, "--use-server-token-count", "--input-file", str(inputs),
             "--custom-dataset-type", "single_turn", "--ui", "none", "--artifact-dir", str(out), "--export-level", "records",
             "--no-server-metrics", "--no-gpu-telemetry"],
            capture_output=True, text=True, timeout=seconds * 3 + 120, env=environment,
        )  # fmt: skip
        found = out / "profile_export.jsonl"
        if done.returncode != 0 or not found.is_file():
            return {"failed": (done.stdout + done.stderr)[-600:]}
        rows = [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()]
    rows.sort(key=lambda row: row["metadata"]["request_start_ns"])
    due = np.array([row["metadata"]["credit_issued_ns"] for row in rows], dtype=np.float64) / 1e9
    sent = np.array([row["metadata"]["request_start_ns"] for row in rows], dtype=np.float64) / 1e9
    good = [row["metrics"] for row in rows if not row.get("error")]
    return {
        **compared(
            law,
            due - due[0],
            [row["request_latency"]["value"] / 1e3 for row in good],
            [row["time_to_first_token"]["value"] / 1e3 for row in good],
        ),
        "errors": len(rows) - len(good),
        "sent_late_p99_ms": float(np.quantile(sent - due, 0.99) * 1e3),
    }


def compared(law: Any, arrivals: NDArray[np.float64], totals: Sequence[float], firsts: Sequence[float]) -> dict[str, Any]:
    """Percentiles measured and true, in ms, and the relative error."""
    from scripted_server import true_percentile, truth

    right = truth(law, arrivals)
    found: dict[str, Any] = {"n": len(arrivals), "measured": len(totals)}
    for name, measured, true in (("total", totals, right.total), ("first_token", firsts, right.first_token)):
        for label, quantile in QUANTILES.items():
            got = true_percentile(np.asarray(measured), quantile) * 1e3 if len(measured) else float("nan")
            expected = true_percentile(true, quantile) * 1e3
            found[f"{name}_{label}"] = {"measured_ms": got, "true_ms": expected, "error": got / expected - 1}
    return found


def show(who: str, row: dict[str, Any]) -> None:
    """Two lines: total and first token, as measured / true (error)."""
    if "failed" in row:
        print(f"  {who:8}  failed: {row['failed']}")
        return
    for name in ("total", "first_token"):
        cells = [
            f"{c['measured_ms']:8.1f} / {c['true_ms']:8.1f} ({c['error']:+7.1%})" for c in (row[f"{name}_{q}"] for q in QUANTILES)
        ]
        flag = "" if row.get("valid", True) or name != "total" else "  flagged: " + row["invalid_because"][0]
        print(f"  {who:8}  {name:11}  {'  '.join(cells)}  n {row['n']}{flag}")
    sys.stdout.flush()


def main() -> None:
    """Every case with both, then everything as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tool-python", help="Python of an environment in which aiperf is installed")
    parser.add_argument("--tokenizer", default="builtin")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return
    from scripted_server import Law

    from bakeoff.measure.machine import load_average

    beside = Path(given.tool_python).parent / "aiperf" if given.tool_python else None
    tool = str(beside) if beside and beside.is_file() else None if beside else shutil.which("aiperf")
    version = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout.strip() if tool else None
    print(
        f"AIPerf {version}"
        if tool
        else "AIPerf was not found, so it was not run: `pip install aiperf` in an environment of its own."
    )
    print("milliseconds as measured / true (error), p50, p95 and p99")
    rows = []
    for name, settings, rate, seconds in cases(given.seconds):
        law = Law(**settings)
        print(name)
        row: dict[str, Any] = {"case": name, "rate": rate, "seconds": seconds, "load_average_before": load_average()}
        with serving(law) as url:
            row["bakeoff"] = ours(url, law, rate, seconds, given.seed)
        show("bakeoff", row["bakeoff"])
        if tool:
            with serving(law) as url:
                row["aiperf"] = aiperf(tool, given.tokenizer, url, law, rate, seconds, given.seed)
            show("aiperf", row["aiperf"])
        rows.append(row)
    print(json.dumps({"aiperf": version, "seed": given.seed, "rows": rows}))


if __name__ == "__main__":
    main()
