"""What the bench costs on top of what it runs.

The same work twice in one go: once by `bakeoff run`, one trial at a time, and once by plain scripts, one per trial and one per
timing, that read the same items, fit, answer and time with no bench around them. Printed is the ratio of the two walls.

    python benchmarks/overhead.py [--study sentiment] [--approaches majority,tfidf-linear,finetuned-encoder] [--seeds 1] [--rounds 1]

The last line is one JSON document. Compare only the ratio; the seconds are this machine's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLAIN = """
import json, sys, time
from bakeoff import registry
from bakeoff.contract import Item, quiet
order = json.loads(sys.argv[1])
items = {}
for line in open(order["items"], encoding="utf-8"):
    row = json.loads(line)
    items[row["id"]] = Item(row["id"], row["input"], row["target"], row["group"], row["meta"])
made = registry.approach(order["task"], order["use"])(**order["settings"])
asked = [items[name].asked() for name in order["test"]]
from pathlib import Path
folder = Path(order["model"])
if order["job"] == "trial":
    made = made.fit([items[n] for n in order["train"]], [items[n] for n in order["valid"]], seed=order["seed"], progress=quiet)
    if order["seed"] == 0 and order["fraction"] == 1:
        folder.mkdir(parents=True)
        made.save(folder)
    answers = list(made.answer(asked))
    json.dump([[a.value, a.probabilities] for a in answers], open(folder.parent / f"{order['seed']}-{order['fraction']}.json", "w"))
else:
    from bakeoff.measure import timing
    made = made.restore(folder)
    limits = order["timing"]
    next(iter(made.answer(asked[:1])))
    timing.single_stream(lambda i: next(iter(made.answer([i]))), asked, warmup=limits["warmup"], max_items=limits["single_items"],
                         max_seconds=limits["single_seconds"])
    timing.offline(lambda b: list(made.answer(b)), asked, max_seconds=limits["batch_seconds"])
"""


def plain(run: Path, scratch: Path) -> float:
    """Seconds of the plain scripts that do what the run in `run` did."""
    from bakeoff.contract import Trial
    from bakeoff.models.threads import environment
    from bakeoff.run.ledger import Ledger
    from bakeoff.run.plan import plan, share

    ledger = Ledger.open(run)
    study, splits = ledger.study(), ledger.splits()
    targets = {name: item.target for name, item in ledger.items().items()}
    jobs = [(trial, "trial") for trial in plan(study)] + [(Trial(spec.name, 0), "timing") for spec in study.approaches]
    spent = 0.0
    for trial, job in jobs:
        spec = study.spec(trial.approach)
        order = {
            "items": str(ledger.folder / "items.jsonl"), "task": study.task, "use": spec.use, "settings": dict(spec.settings), "job": job,
            "seed": trial.seed, "fraction": trial.fraction, "test": splits.test, "valid": splits.valid[trial.seed],
            "train": share(splits.train[trial.seed], targets, trial.fraction), "timing": study.timing.model_dump(),
            "model": str(scratch / trial.approach / "model"),
        }  # fmt: skip
        (scratch / trial.approach).mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", PLAIN, json.dumps(order)],
            check=True,
            env={**os.environ, **environment(study.threads), "PYTHONHASHSEED": "0"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        spent += time.perf_counter() - began
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default="sentiment")
    parser.add_argument("--approaches", default="majority,tfidf-linear,embedding-linear,finetuned-encoder")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    from bakeoff.verbs import run_study

    rows = []
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as scratch:
            began = time.perf_counter()
            document = run_study(
                given.study, runs=Path(scratch) / "runs", workers=1, approaches=given.approaches.split(","), seeds=given.seeds
            )
            bench = time.perf_counter() - began
            alone = plain(Path(document.run), Path(scratch) / "plain")
        rows.append({"bench_seconds": bench, "plain_seconds": alone, "ratio": bench / alone})
        print(f"bench {bench:.1f} s, the same without it {alone:.1f} s, ratio {bench / alone:.4f}, load {os.getloadavg()[0]:.2f}")
    print(json.dumps({"benchmark": "overhead", "approaches": given.approaches, "seeds": given.seeds, "rounds": rows}))


if __name__ == "__main__":
    main()
