"""The text task: an item is a text, an answer is one of the study's labels, with probabilities where there are any."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from bakeoff.contract import Answer, Dataset, Finding, Item, Json, Metric, ProbeSet, Progress, Splits, quiet
from bakeoff.measure import splits as splitting
from bakeoff.tasks.text.data import load_text, read_settings
from bakeoff.tasks.text.labels import labels_of

LONGEST_SHOWN = 300


class TextTask:
    """Labels for texts: two classes or many.

    `Item.input` is the text (str), `Item.target` the label (str), `Item.meta['line']` where the row began in its file.
    """

    name = "text"

    def load(self, data: Mapping[str, Json], *, base: Path, progress: Progress = quiet) -> Dataset:
        """Read and check what the `data` section names: see `bakeoff.tasks.text.data.load_text`.

        Raises
        ------
        BadStudy
            For unknown keys and values out of range.
        BadData
            For files, columns and labels that cannot be used.
        """
        return load_text(read_settings(data), base=base, progress=progress)

    def split(self, dataset: Dataset, data: Mapping[str, Json], *, seeds: Sequence[int]) -> Splits:
        """Test once, train and valid for each seed: see `bakeoff.measure.splits.split_items`."""
        settings = read_settings(data)
        return splitting.split_items(
            dataset.items,
            seeds=seeds,
            test=settings.test if isinstance(settings.test, float) else splitting.TEST_SHARE,
            valid=settings.valid if isinstance(settings.valid, float) else splitting.VALID_SHARE,
            split_seed=settings.split_seed,
            published_test=dataset.suggested_test,
            published_valid=dataset.suggested_valid,
        )

    def metrics(self, dataset: Dataset) -> Mapping[str, Metric]:
        """`bakeoff.measure.classification.metrics` of the data's labels; accuracy first."""
        from bakeoff.measure.classification import metrics

        return metrics(labels_of(dataset.items))

    def check(self, dataset: Dataset, splits: Splits) -> Sequence[Finding]:
        """BK001, 2, 4, 6, 7, 8 and 9 of `bakeoff.measure.checks`: leaks, rare classes, labels, imbalance, copies.

        Leaks are looked for between test and everything else, which is train and valid of every seed together.
        Whether the test is large enough (BK003) hangs on the study's margin, which a task does not know.
        """
        from bakeoff.measure import checks

        tested = set(splits.test)
        test = [item for item in dataset.items if item.id in tested]
        rest = [item for item in dataset.items if item.id not in tested]
        trained = set(next(iter(splits.train.values()), ()))
        texts = {"test": [(item.id, item.input) for item in test], "train or valid": [(item.id, item.input) for item in rest]}
        labels = [item.target for item in dataset.items]
        return checks.run_checks(
            [
                partial(checks.exact_leak, texts),
                partial(checks.near_leak, texts),
                partial(
                    checks.few_per_class, [item.target for item in rest if item.id in trained], [item.target for item in test]
                ),
                partial(checks.labels_alike, labels),
                partial(checks.imbalance, labels),
                partial(checks.conflicting_labels, [(item.id, item.input, item.target) for item in dataset.items]),
                partial(checks.duplicates_within, texts["test"]),
            ]
        )

    def views(self, items: Sequence[Item], answers: Mapping[str, Sequence[Answer]]) -> Mapping[str, Json]:
        """Confusion matrices: ``{'confusion': ...}`` as `bakeoff.measure.classification.confusion_counts` gives them."""
        from bakeoff.measure.classification import confusion_counts

        return {"confusion": confusion_counts(items, answers, labels_of(items))}

    def probes(
        self,
        test: Sequence[Item],
        *,
        sets: Sequence[str],
        generated: int,
        kinds: Sequence[str],
        base: Path,
        material: Path | None = None,
    ) -> Sequence[ProbeSet]:
        """Written sets (`bakeoff.tasks.text.edge_cases`), then changed copies of test items (`bakeoff.tasks.text.perturb`).

        Raises
        ------
        BadStudy
            For a set or kind that does not exist, a set named twice, or a set whose labels are not the study's.
        BadData
            For a file of edge cases that cannot be used.
        """
        from bakeoff.tasks.text import edge_cases, perturb

        perturb.check_kinds(kinds)
        found = edge_cases.load_edge_sets(sets, labels_of(test), base)
        return [*found, perturb.perturbed(test, generated, kinds)] if generated else found

    def show(self, item: Item) -> str:
        """The text on one line, at most 300 characters; control and direction characters become spaces."""
        start = str(item.input)[: LONGEST_SHOWN * 4]
        plain = "".join(
            " " if unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") or char in _DIRECTIONS else char for char in start
        )
        line = " ".join(plain.split())
        return (
            line
            if len(line) <= LONGEST_SHOWN and len(start) == len(str(item.input))
            else line[: LONGEST_SHOWN - 1].rstrip() + "…"
        )


_DIRECTIONS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
