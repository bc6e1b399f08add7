"""Kill a run again and again, resume it each time, and compare what is left with a run that nobody killed.

    python benchmarks/kill_resume.py --kills 20 --seed 0

A study with `majority`, `tfidf-linear` and `endpoint` (against the scripted server in ``tests/fake_openai.py``, which
counts requests by their Idempotency-Key) is started as `bakeoff run`, killed with SIGKILL at a random moment, resumed
with `--resume`, killed again, and in the end left to finish. Half of the kills take the main process alone: its workers
must notice, finish what is in flight, keep it and leave. The other half take the whole tree at once.

What must hold, and what `Outcome` reports:

- the finished run has the same answers (value, probabilities, error, abstention), pairs and verdict as an unkilled one;
- no request whose answer was in the answer cache at a kill is ever sent again;
- where only main processes were killed, no request is ever sent twice;
- otherwise a request may be sent again only if it was in flight at the moment of a kill, so at most `concurrency` per kill,
  and it carries the same Idempotency-Key, by which a server can tell that it has answered it already;
- nothing half-written is left behind.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bakeoff.contract import Trial
from bakeoff.run.ledger import Ledger, all_runs
from bakeoff.testing import sentences

CONCURRENCY = 4
SERVER = Path(__file__).parents[1] / "tests" / "fake_openai.py"
STUDY = """study: killed
question: Good or bad?
task: text
data: {{source: killed.csv, text: text, target: label}}
approaches:
  - majority
  - tfidf-linear
  - {{use: endpoint, name: asked, settings: {{base_url: "{url}", model: fake-1, concurrency: {concurrency}, choose_on: 10,
      usd_per_million_in: 1, usd_per_million_out: 2}}}}
seeds: {seeds}
timing: {{single_items: 20, single_seconds: 0.3, batch_seconds: 0.3}}
"""


PHASES = (("data", 2), ("fit", 4), ("answer", 7), ("timing", 4), ("report", 3))
"""What a run does, in its order, and the share of the kills that is meant for each."""


@dataclass
class Outcome:
    """What a sequence of kills and resumptions came to.

    `phases` counts the kills by what the run was doing; `repeated` is the number of further times that a request was sent;
    `allowed` how many of these were in flight when everything was killed. `wrong` is empty if all that must hold holds.
    """

    kills: int = 0
    main_only: int = 0
    restarts: int = 0
    """Times that the study was started anew, because it was killed before its folder stood there (the first start counts)."""
    phases: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    repeated: int = 0
    allowed: int = 0
    wrong: list[str] = field(default_factory=list)


@contextmanager
def fake_server(delay: float) -> Iterator[int]:
    """The scripted server as a process of its own; gives its port."""
    with subprocess.Popen([sys.executable, str(SERVER), "--delay", str(delay)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def received(port: int) -> Counter[str]:
    """How often each request came in, by Idempotency-Key."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats", timeout=10) as reply:
        return Counter(json.load(reply)["received_by_key"])


def stored(home: Path) -> set[str]:
    """Keys of the answers that are on disk."""
    path = home / "answers.sqlite"
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path, timeout=30)) as db:
        try:
            return {row[0] for row in db.execute("SELECT key FROM answers")}
        except sqlite3.OperationalError:  # killed before the tables were made
            return set()


def write_study(folder: Path, port: int, *, items: int, seeds: int) -> Path:
    """The study and its data."""
    rows = ["text,label"] + [f'"{item.input}",{item.target}' for item in sentences(items)]
    (folder / "killed.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    text = STUDY.format(url=f"http://127.0.0.1:{port}/v1", concurrency=CONCURRENCY, seeds=seeds)
    (folder / "killed.yaml").write_text(text, encoding="utf-8")
    return folder / "killed.yaml"


def start(study: Path, home: Path, runs: Path, *, resume: bool) -> subprocess.Popen[str]:
    """`bakeoff run`, in a session of its own."""
    command = [sys.executable, "-m", "bakeoff.cli.main", "run", str(study), "--runs", str(runs), "--workers", "2", "--json"]
    return subprocess.Popen(
        [*command, *(["--resume"] if resume else [])], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "BAKEOFF_HOME": str(home), "BAKEOFF_THREADS": "1", "OMP_NUM_THREADS": "1"}, start_new_session=True,
    )  # fmt: skip


def phase(runs: Path) -> str:
    """What the newest run is doing, judged from its folder."""
    known = all_runs(runs)
    if not known:
        return "data"
    ledger = known[-1]
    study = ledger.study()
    kept = [ledger.measures(Trial(spec.name, seed)) for seed in range(study.seeds) for spec in study.approaches]
    if (ledger.folder / "report.html").exists():
        return "report"
    if not all("answer" in measures for measures in kept):
        return "answer" if any("fit" in measures and "answer" not in measures for measures in kept) else "fit"
    timed = [ledger.measures(Trial(spec.name, 0)) for spec in study.approaches if spec.use != "endpoint"]
    return "report" if all("timing" in measures for measures in timed) else "timing"


def _wait(process: subprocess.Popen[str], target: str, runs: Path, port: int, requests: int, draw: random.Random) -> bool:
    """Wait for the moment of a kill; False if the run ended before it came."""
    order = [name for name, _ in PHASES]
    if target == "answer":
        asked = len(received(port))
        until = asked + draw.randint(1, max(1, (requests - asked) // 3))
        while len(received(port)) < until and process.poll() is None and order.index(phase(runs)) <= order.index("answer"):
            time.sleep(0.005)
        return process.poll() is None
    while order.index(phase(runs)) < order.index(target) and process.poll() is None:
        time.sleep(0.02)
    moment = time.monotonic() + draw.uniform(0.0, 0.8 if target == "timing" else 0.4)
    while time.monotonic() < moment and process.poll() is None:
        time.sleep(0.01)
    return process.poll() is None


def kill(process: subprocess.Popen[str], *, tree: bool) -> None:
    """SIGKILL to the main process, or to it and everything under it at one moment (all are stopped first)."""
    main = psutil.Process(process.pid)
    if tree:
        everyone = [main]
        main.suspend()
        everyone += main.children(recursive=True)
        for one in everyone:
            one.suspend()
        for one in everyone:
            one.kill()
        psutil.wait_procs(everyone[1:], timeout=30)
    else:
        main.kill()
    process.communicate()


def records(ledger: Ledger) -> dict[str, Any]:
    """What a run answered and decided, timings apart. Everything that speed or price may move is left out."""
    document = json.loads((ledger.folder / "verdict.json").read_text(encoding="utf-8"))
    study = ledger.study()
    answers = {
        trial.folder: {name: (a.value, a.probabilities, a.error, a.abstained) for name, a in ledger.answers(trial).items()}
        for trial in (Trial(spec.name, seed) for seed in range(study.seeds) for spec in study.approaches)
    }
    return {
        "answers": answers,
        "pairs": document["pairs"],
        "verdict": (document["verdict"]["kind"], document["verdict"]["choice"]),
        "metrics": {a["name"]: (a["status"], a["metrics"], a["errors"], a["abstained"]) for a in document["approaches"]},
        "splits": (ledger.folder / "splits.json").read_text(encoding="utf-8"),
    }


def finish(process: subprocess.Popen[str], outcome: Outcome) -> bool:
    """Let a run end; True if it ended well."""
    out, err = process.communicate(timeout=300)
    if process.returncode == 0:
        json.loads(out)
        return True
    outcome.wrong.append(f"exit {process.returncode}: {err[-600:]}")
    return False


def kill_and_resume(
    kills: int, seed: int, folder: Path, *, items: int = 160, seeds: int = 2, delay: float = 0.02, only: str = ""
) -> Outcome:
    """One unkilled run, one sequence of `kills`, and the comparison.

    `only` is ``'main'`` or ``'tree'`` to kill one way only; by default the ways alternate. Each kill waits for its phase (see
    `PHASES`; within answering for a request drawn at random) and then for a random moment, so that kills fall into all
    phases on a machine of any speed.
    """
    outcome, draw = Outcome(), random.Random(seed)
    with fake_server(delay) as port:
        study = write_study(folder, port, items=items, seeds=seeds)
        if not finish(start(study, folder / "calm-home", folder / "calm", resume=False), outcome):
            return outcome
        (calm,) = all_runs(folder / "calm")
        once = received(port)
        outcome.requests = len(once)
        if outcome.requests < 10 or set(once.values()) != {1}:
            outcome.wrong.append(f"the unkilled run sent {sum(once.values())} requests of {len(once)} kinds")

    home, runs = folder / "home", folder / "runs"
    targets = list(range(len(PHASES)))
    plan = sorted(draw.choices(targets, [share for _, share in PHASES], k=max(0, kills - len(PHASES))) + targets[:kills])
    with fake_server(delay) as port:
        study = write_study(folder, port, items=items, seeds=seeds)
        kept: dict[str, int] = {}
        forgiven: set[str] = set()
        for number, place in enumerate(plan):
            resume = bool(all_runs(runs))
            outcome.restarts += not resume
            process = start(study, home, runs, resume=resume)
            if not _wait(process, PHASES[place][0], runs, port, outcome.requests, draw):
                if not finish(process, outcome):
                    outcome.wrong.append("a run ended before it was killed")
                    return outcome
                # Take the verdict away again, as if it had been killed just before it was written.
                (all_runs(runs)[-1].folder / "verdict.json").unlink()
                continue
            tree = only == "tree" or (only != "main" and number % 2 == 1)
            outcome.phases[phase(runs)] += 1
            before = received(port)
            kill(process, tree=tree)
            outcome.kills += 1
            outcome.main_only += not tree
            now = stored(home)
            kept |= {key: before[key] for key in now if key not in kept}
            if tree:
                in_flight = {key for key in received(port) if key not in now}
                forgiven |= in_flight
                if len(in_flight) > CONCURRENCY * seeds:  # as many trials ask at once as there are seeds
                    outcome.wrong.append(f"{len(in_flight)} requests were in flight at a kill")
        resume = bool(all_runs(runs))
        outcome.restarts += not resume
        if not finish(start(study, home, runs, resume=resume), outcome):
            outcome.wrong.append("the last resumption did not finish")
            return outcome
        final = received(port)

    ledgers = all_runs(runs)
    if len(ledgers) != 1:
        outcome.wrong.append(f"{len(ledgers)} runs instead of one that was resumed")
    outcome.repeated = sum(final.values()) - len(final)
    again = {key for key, count in final.items() if count > 1}
    outcome.allowed = len(forgiven)
    if again - forgiven:
        outcome.wrong.append(
            f"{len(again - forgiven)} requests were sent again though they had not been in flight at a kill of everything"
        )
    paid_twice = [key for key, count in kept.items() if final[key] > max(count, 1)]
    if paid_twice:
        outcome.wrong.append(f"{len(paid_twice)} stored answers were fetched again")
    if {*final} != stored(home):
        outcome.wrong.append("requests and stored answers do not match")
    mine, other = records(ledgers[-1]), records(calm)
    outcome.wrong += [f"{name} differ from the unkilled run's" for name in mine if mine[name] != other[name]]
    litter = [
        str(f.relative_to(runs)) for f in runs.rglob("*") if f.name.endswith(".tmp") or f.name.startswith((".model-", ".new-"))
    ]
    if [name for name in litter if not name.startswith(".new-")]:
        outcome.wrong.append(f"left behind: {litter}")
    return outcome


def main() -> None:
    """Run it and print one line of figures and one JSON document."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=20)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", choices=["main", "tree"], default="")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = kill_and_resume(given.kills, given.seed, Path(folder), only=given.only)
    print(
        f"{found.kills} kills ({found.main_only} of the main process alone) in {dict(found.phases)}; {found.requests} requests, "
        f"{found.repeated} sent again of {found.allowed} that were in flight when everything was killed"
    )
    print(json.dumps({"kills": found.kills, "main_only": found.main_only, "phases": found.phases, "requests": found.requests,
                      "repeated": found.repeated, "in_flight": found.allowed, "wrong": found.wrong}))  # fmt: skip
    sys.exit(bool(found.wrong))


if __name__ == "__main__":
    main()
