"""Predicted break-evens, replayed: a real study, real servers, and real load at half and at twice each volume."""

from __future__ import annotations

import csv
import json
import os
import random
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import steady

REPLAY = Path(__file__).parents[2] / "benchmarks" / "break_even_replay.py"
SLOW_SECONDS, PEAK = 0.040, 4.0


def study(folder: Path) -> Path:
    """Two approaches of 40 ms and 4 ms an answer, on machines of $0.10 and $0.25 an hour, and a price line that meets the first
    at 4 requests per second at the busiest time."""
    with (folder / "reviews.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        draw = random.Random(0)
        for number in range(400):
            words = ["".join(draw.choices(string.ascii_lowercase, k=9)) for _ in range(3)]  # so that no two texts are alike
            label = ("good", "bad")[number % 2]
            rows.writerow([f"{words[0]} {label} {words[1]} {words[2]} {number}", label])
    a_day = 4.0 / PEAK * 86_400
    per_million = 0.10 * 24 / a_day / 100 * 1e6  # 100 tokens read: 5 words of 20 tokens each
    wanted = {
        "study": "replay", "task": "text", "data": {"source": "reviews.csv", "text": "text", "target": "label"}, "seeds": 1,
        "approaches": [
            "majority",
            {"use": "steady", "name": "slow", "settings": {"seconds": SLOW_SECONDS, "wrong_every": 20, "tokens": True, "shots": 2}},
            {"use": "steady", "name": "quick", "settings": {"seconds": 0.004, "wrong_every": 9}},
        ],
        "timing": {"single_items": 50, "single_seconds": 3, "batch_seconds": 2},
        "serving": {
            "approaches": ["slow", "quick"], "limit": "p95 latency <= 250 ms", "single_requests": 50, "single_seconds": 2, "offline_seconds": 2,
            "rates": 4, "rate_seconds": 4, "highest_rate": 120,
        },
        "hosted": ["listed"],
        "prices": {
            "machine": {"usd_per_hour": 0.10, "name": "small"}, "machine_for": {"quick": {"usd_per_hour": 0.25, "name": "large"}},
            "models": {"listed": {"usd_per_million_in": per_million, "usd_per_million_out": 0.0}}, "peak_factor": PEAK,
        },
    }  # fmt: skip
    path = folder / "replay.yaml"
    path.write_text(json.dumps(wanted), encoding="utf-8")
    return path


@pytest.mark.slow
def test_half_and_twice_every_break_even_are_on_the_predicted_side(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    variables = {**os.environ, **steady.install(tmp_path / "site"), "BAKEOFF_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "bakeoff.cli.main", "run", str(study(tmp_path)), "--runs", str(tmp_path / "runs"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=280)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    held = {one["approach"]: one["highest_rate"]["mid"] for one in document["serving"]}
    # One answer at a time of 40 ms: 25 a second is the most that there can be.
    assert held["slow"] < 1 / SLOW_SECONDS and held["quick"] > held["slow"]
    assert any("what holds under load for slow and quick" in note for note in document["study"]["prices"]["notes"])

    out = tmp_path / "replay.json"
    options = ["--step-seconds", "4", "--most-seconds", "40", "--most", "3", "--json", str(out)]
    replayed = subprocess.run(
        [sys.executable, str(REPLAY), document["run"], *options], capture_output=True, text=True, env=variables, timeout=280
    )
    assert replayed.returncode in (0, 1), replayed.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    results = [(point["a"]["name"], point["b"]["name"], point["factor"], point["result"]) for point in found["points"]]
    assert replayed.returncode == 0 and not any(result == "FAIL" for *_, result in results), replayed.stdout
    price_line = {(a, factor): result for a, b, factor, result in results if b == "listed (list price)"}
    assert price_line["slow", 0.5] == price_line["slow", 2.0] == "pass", replayed.stdout
    assert sum(result == "pass" for *_, result in results) >= 3, replayed.stdout
    # The tokens are the ones that the server counted, not those of the verdict.
    listed = next(point["b"] for point in found["points"] if point["b"]["name"] == "listed (list price)")
    assert listed["measured_usd"] == pytest.approx(listed["predicted_usd"], rel=0.02)
    assert all(step["requests"] >= 59 for step in found["steps"] if step["outcome"] == "kept")
