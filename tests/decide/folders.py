"""Run folders written by hand, for the tests of what is made of them."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bakeoff.contract import Answer, Dataset, Finding, Item, Splits, Trial
from bakeoff.run.ledger import Ledger
from bakeoff.study import parse_study

TIMING = {
    "single": {"seconds": [0.01 + 0.00001 * i for i in range(120)]},
    "batch": {"batch_items": [100, 100, 100], "batch_seconds": [1.0, 1.1, 0.9]},
    "cold_start_seconds": 0.5,
    "peak_bytes": 200_000_000,
    "context": {"threads": 1, "load_average": 0.5, "device": "a processor", "versions": {}},
}


def answers(targets: Sequence[str], accuracy: float, *, seed: int = 0, labels: Sequence[str] = ("good", "bad")) -> list[Answer]:
    """Answers that are right on this share of the items (to the nearest item), with honest probabilities."""
    order = list(range(len(targets)))
    random.Random(seed).shuffle(order)
    right = set(order[: round(accuracy * len(targets))])
    found = []
    for index, target in enumerate(targets):
        value = target if index in right else labels[(labels.index(target) + 1) % len(labels)]
        rest = (1 - accuracy) / (len(labels) - 1)
        found.append(Answer(value, {label: accuracy if label == value else rest for label in labels}, 0.01))
    return found


def folder(
    where: Path,
    targets: Sequence[str],
    given: Mapping[Trial, Sequence[Answer] | str],
    *,
    groups: Sequence[str] | None = None,
    use: Mapping[str, str] | None = None,
    **study: Any,
) -> Ledger:
    """A finished run: `given` maps trials to the answers of the test items, or to why the trial failed.

    `use` maps an approach's name to what it uses (`tfidf-linear` where it is not there); study keys follow.
    """
    names = list(dict.fromkeys(trial.approach for trial in given))
    about = {
        "study": "mine",
        "question": "Which one?",
        "task": "text",
        "data": {"source": "x.csv"},
        "approaches": [{"use": (use or {}).get(name, "tfidf-linear"), "name": name} for name in names],
        "seeds": 1 + max(trial.seed for trial in given),
        **study,
    }
    ledger = Ledger.create(where / "runs", parse_study(json.dumps(about)), "hash")
    items = [Item(f"t{i:04d}", f"text {i}", target, groups[i] if groups else None) for i, target in enumerate(targets)] + [
        Item(f"l{i:04d}", f"learn {i}", target) for i, target in enumerate(targets)
    ]
    ids = [item.id for item in items[: len(targets)]]
    learn = tuple(item.id for item in items[len(targets) :])
    seeds = range(about["seeds"])
    counts = {label: 2 * list(targets).count(label) for label in sorted(set(targets))}
    dataset = Dataset(tuple(items), "mine", facts={"class_counts": counts, "labels": sorted(set(targets))})
    splits = Splits(tuple(ids), dict.fromkeys(seeds, learn[:-5]), dict.fromkeys(seeds, learn[-5:]))
    hashes = {name: {"x": "0", "y": "1"} for name in ("train", "valid", "test")}
    ledger.write_data(dataset, splits, hashes, [Finding("BK001", "Exact duplicates across splits", "passed", "None.")])
    machine = {"device": "a processor", "load_average": 0.5, "versions": {}}
    environment = {
        "bakeoff": "0",
        "python": "3.11",
        "platform": "x",
        "threads": 1,
        "started": "2026-01-01T00:00:00",
        "machine": machine,
    }
    ledger.write("environment.json", json.dumps(environment))
    for trial, said in given.items():
        if isinstance(said, str):
            ledger.write_measures(trial, {"failure": {"what": said, "fix": "", "job": "trial", "known": False}})
            continue
        ledger.write_answers(trial, ids, said)
        n_train = round(trial.fraction * (len(learn) - 5))
        fit = {"seconds": 12.0, "peak_bytes": 300_000_000, "model_bytes": 1_000_000, "n_train": n_train, "chosen": {}}
        measures: dict[str, Any] = {"fit": fit, "answer": {"peak_bytes": 200_000_000}}
        if trial.seed == 0 and trial.fraction == 1.0:
            measures["timing"] = TIMING
        ledger.write_measures(trial, measures)
    return ledger
