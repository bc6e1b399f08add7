"""The documents task: an item is a question over a corpus of PDFs, an answer is statements with citations, or an abstention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from bakeoff.contract import Answer, Dataset, Finding, Item, Json, Metric, Progress, Splits, quiet
from bakeoff.tasks.documents.data import load_documents, read_settings, split_questions

LONGEST_SHOWN = 300


class DocumentsTask:
    """Questions that a corpus of PDFs answers, or does not.

    `Item.input` is the question, or ``{"question", "without"}`` where pages are left out; `Item.target` holds the accepted answers, their
    kind and unit, the gold pages with quotes, and whether the corpus answers it at all; `Item.group` is the document. See
    `bakeoff.tasks.documents.quality.question_file`.
    """

    name = "documents"

    def load(self, data: Mapping[str, Json], *, base: Path, progress: Progress = quiet) -> Dataset:
        """Prepare the corpus and read the questions: see `bakeoff.tasks.documents.data.load_documents`.

        Raises
        ------
        BadStudy
            For unknown keys and values out of range.
        BadData
            For a folder, a file or a question that cannot be used.
        """
        return load_documents(read_settings(data), base=base, progress=progress)

    def split(self, dataset: Dataset, data: Mapping[str, Json], *, seeds: Sequence[int]) -> Splits:
        """Test once, train and valid for each seed; what is learned from train and valid is the threshold for declining."""
        settings = read_settings(data)
        return split_questions(dataset.items, seeds=seeds, test=settings.test, split_seed=settings.split_seed)

    def metrics(self, dataset: Dataset) -> Mapping[str, Metric]:
        """`bakeoff.tasks.documents.quality.evaluate.metrics`; the share of right outcomes first."""
        from bakeoff.tasks.documents.quality.evaluate import metrics

        return metrics()

    def check(self, dataset: Dataset, splits: Splits) -> Sequence[Finding]:
        """Questions asked twice over splits (BK001, BK002), or twice in the test (BK009)."""
        from functools import partial

        from bakeoff.measure import checks

        tested = set(splits.test)
        asked = {item.id: _question(item) for item in dataset.items}
        test = [(name, text) for name, text in asked.items() if name in tested]
        texts = {"test": test, "train or valid": [(name, text) for name, text in asked.items() if name not in tested]}
        return checks.run_checks(
            [
                partial(checks.exact_leak, texts),
                partial(checks.near_leak, texts),
                partial(checks.duplicates_within, test),
            ]
        )

    def views(self, items: Sequence[Item], answers: Mapping[str, Sequence[Answer]]) -> Mapping[str, Json]:
        """How often each approach declined, by whether the corpus answers the question.

        Returns
        -------
        dict
            ``{'confusion': {approach: {'labels', 'counts', 'other', 'unanswered'}}}`` with the labels 'in the corpus' and 'not in the
            corpus': rows are what is true, columns whether it answered or declined. ``'by_kind'``: approach -> kind of question ->
            [right, asked].
        """
        from bakeoff.tasks.documents.quality.evaluate import metrics

        right = next(iter(metrics().values())).per_item
        labels = ["in the corpus", "not in the corpus"]
        confusion: dict[str, Json] = {}
        by_kind: dict[str, Json] = {}
        for approach, given in answers.items():
            counts, unanswered = [[0, 0], [0, 0]], [0, 0]
            asked: Counter[str] = Counter()
            scored: Counter[str] = Counter()
            for item, answer in zip(items, given, strict=True):
                row = 0 if item.target["answerable"] else 1
                if answer.error is not None:
                    unanswered[row] += 1
                else:
                    counts[row][1 if answer.abstained else 0] += 1
                score = right(item, answer) if right else None
                if score is not None:
                    kind = str(item.meta.get("about") or item.target.get("kind") or "other")
                    asked[kind] += 1
                    scored[kind] += round(score)
            confusion[approach] = {"labels": labels, "counts": counts, "other": [0, 0], "unanswered": unanswered}
            by_kind[approach] = {kind: [scored[kind], asked[kind]] for kind in sorted(asked)}
        return {"confusion": confusion, "by_kind": by_kind}

    def show(self, item: Item) -> str:
        """The question on one line; pages left out are said."""
        text = " ".join(_question(item).split())
        left_out = item.input.get("without") if isinstance(item.input, dict) else None
        if left_out:
            text += f" (without {', '.join(f'{name} p. {page}' for name, page in left_out[:3])})"
        return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1].rstrip() + "…"

    def show_answer(self, answer: Answer) -> str:
        """The statements as one text."""
        value = answer.value
        if isinstance(value, Mapping) and isinstance(value.get("statements"), list):
            return " ".join(str(each.get("text", "")) for each in value["statements"] if isinstance(each, Mapping))
        return str(value)

    def show_target(self, item: Item) -> str:
        """The accepted answer, or that the corpus has none."""
        target = item.target or {}
        return str(target["answers"][0]) if target.get("answers") else "not in the corpus"


def _question(item: Item) -> str:
    return str(item.input["question"] if isinstance(item.input, dict) else item.input)
