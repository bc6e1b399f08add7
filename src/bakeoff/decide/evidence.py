"""Read a run folder once, into what the rest of `decide` works on: answers and scores, aligned by item id.

Scores are matrices of shape (n_seeds, n_items), NaN where an approach gave no scorable answer; rows follow
the approach's seeds and columns the test items, in one fixed order for every approach.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff import registry
from bakeoff.contract import Answer, Dataset, Item, Metric, Task, Trial
from bakeoff.errors import RunError, nearest
from bakeoff.run import plan
from bakeoff.run.ledger import Ledger
from bakeoff.study import ApproachSpec, Study

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """Everything that a run has shown.

    `answers` holds, per trial that was answered, its answers in the order of `items`; `clusters` one label per item, or
    None where every item stands for itself.
    """

    ledger: Ledger
    study: Study
    task: Task
    dataset: Dataset
    about: Mapping[str, Any]
    items: tuple[Item, ...]
    clusters: tuple[str, ...] | None
    metrics: Mapping[str, Metric]
    metric: Metric
    measures: Mapping[Trial, Mapping[str, Any]]
    answers: Mapping[Trial, tuple[Answer, ...]]

    def seeds(self, name: str, fraction: float = 1.0) -> list[int]:
        """The seeds at which an approach was answered."""
        return sorted(t.seed for t in self.answers if t.approach == name and t.fraction == fraction)

    def shared_seeds(self, a: str, b: str) -> tuple[list[int], list[int]]:
        """The seeds at which two approaches are compared: row for row the same ones, unless one of them has a single seed.

        A seed that failed for one of them is left out for both: its split and its training have no counterpart.
        """
        first, second = self.seeds(a), self.seeds(b)
        if len(first) > 1 and len(second) > 1:
            first = second = sorted(set(first) & set(second))
        return first, second

    def answered(self, name: str, *, always: bool = False) -> NDArray[np.bool_]:
        """Which items an approach answered at some seed, or at every one; shape (n_items,).

        Where the primary metric scores abstentions, declining is an answer like another.
        """
        declining = self.metric.abstentions
        rows = [
            [answer.answered or (declining and answer.error is None) for answer in self.answers[Trial(name, seed)]]
            for seed in self.seeds(name)
        ]
        table = np.array(rows, dtype=bool)
        return np.asarray(table.all(axis=0) if always else table.any(axis=0))

    def scores(self, name: str, metric: Metric, seeds: Sequence[int], fraction: float = 1.0) -> Scores:
        """Scores by a mean metric, shape (n_seeds, n_items)."""
        if metric.per_item is None:
            raise TypeError(f"{metric.name} is not a mean of scores")
        rows = []
        for seed in seeds:
            given = (metric.per_item(i, a) for i, a in zip(self.items, self.answers[Trial(name, seed, fraction)], strict=True))
            rows.append([np.nan if score is None else score for score in given])
        return np.array(rows, dtype=float)

    def whole(self, name: str, metric: Metric, seeds: Sequence[int], fraction: float = 1.0) -> Any:
        """A whole metric as a function of item positions, giving one figure per seed."""
        trials = [Trial(name, seed, fraction) for seed in seeds]
        fast = getattr(metric.whole, "resampler", None)
        if fast is not None:
            each = [fast(self.items, self.answers[trial]) for trial in trials]
            return lambda positions: np.array([one(positions[None, :])[0] for one in each])
        whole = metric.whole
        if whole is None:
            raise TypeError(f"{metric.name} is not a function of all items")

        def slow(positions: NDArray[np.intp]) -> Scores:
            items = [self.items[p] for p in positions]
            return np.array([whole(items, [self.answers[t][p] for p in positions]) for t in trials])

        return slow

    def spec(self, name: str) -> ApproachSpec:
        """The approach as the study states it."""
        return self.study.spec(name)


def gather(ledger: Ledger) -> Evidence:
    """Read a run folder.

    Raises
    ------
    RunError
        If the run has no data yet, or the study names a metric that the task does not have.
    """
    study = ledger.study()
    about = ledger.data()
    if about is None:
        raise RunError(f"{ledger.name} was stopped before its data was kept.", fix="run the study again")
    by_id, splits = ledger.items(), ledger.splits()
    task: Task = registry.task(study.task)
    dataset = Dataset(tuple(by_id.values()), about["name"], about["licence"], tuple(about["notes"]), about["facts"])
    metrics = task.metrics(dataset)
    if study.metric and study.metric not in metrics:
        raise RunError(f"The task {study.task!r} has no metric {study.metric!r}.", fix=nearest(study.metric, metrics))
    items = tuple(by_id[name] for name in splits.test)
    trials = plan.plan(study)
    measures = {trial: ledger.measures(trial) for trial in trials}
    answers = {}
    for trial in trials:
        if "answer" not in measures[trial]:
            continue
        given = ledger.answers(trial)
        answers[trial] = tuple(given.get(item.id, Answer(error="no answer was kept")) for item in items)
    grouped = any(item.group is not None for item in items)
    return Evidence(
        ledger=ledger,
        study=study,
        task=task,
        dataset=dataset,
        about=about,
        items=items,
        clusters=tuple(item.group or f"item {item.id}" for item in items) if grouped else None,
        metrics=metrics,
        metric=metrics[study.metric] if study.metric else next(iter(metrics.values())),
        measures=measures,
        answers=answers,
    )
