"""Which items each approach got wrong: counts over all test items, and examples to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bakeoff.contract import Answer, Item, ShowsAnswers, Task, Trial
from bakeoff.decide.evidence import Evidence
from bakeoff.decide.record import Mistake, Mistakes

MOST_EXAMPLES = 60
LONGEST_SHOWN = 300
LONGEST_SAID = 80


def mistakes_of(evidence: Evidence, names: list[str]) -> Mistakes:
    """Disagreements at the first seed that every named approach has, the most telling ones first.

    Right and wrong are by the primary metric where it gives each item 0 or 1, else by the task's first metric that does
    (accuracy beside macro F1 or log loss). The result is empty for a task without one. An error or an abstention is
    neither right nor wrong.
    """
    shared = set.intersection(*(set(evidence.seeds(name)) for name in names)) if names else set()
    if not shared:
        return Mistakes()
    seed = min(shared)
    answers = {name: evidence.answers[Trial(name, seed)] for name in names}
    score = _right_or_wrong(evidence, answers)
    if score is None:
        return Mistakes()
    by_all = by_none = 0
    only, only_right = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    disagreements: list[tuple[float, Mistake]] = []
    for index, item in enumerate(evidence.items):
        scores = {name: score(item, answers[name][index]) for name in names}
        wrong = [name for name, value in scores.items() if value is not None and value < 0.5]
        right = [name for name, value in scores.items() if value is not None and value >= 0.5]
        by_none += len(right) == len(names)
        by_all += len(wrong) == len(names)
        if len(wrong) == 1:
            only[wrong[0]] += 1
        if len(right) == 1 and len(names) > 1:
            only_right[right[0]] += 1
        if wrong:
            # An even split between approaches tells the most about how they differ.
            evenness = abs(len(wrong) - len(names) / 2)
            disagreements.append((evenness, _mistake(evidence, item, {name: answers[name][index] for name in names}, wrong)))
    disagreements.sort(key=lambda pair: (pair[0], pair[1].id))
    chosen = [mistake for _, mistake in disagreements[:MOST_EXAMPLES]]
    return Mistakes(
        by_all=by_all, by_none=by_none, only=only, only_right=only_right, examples=chosen, shown_of=len(disagreements)
    )


def _right_or_wrong(evidence: Evidence, answers: Mapping[str, Sequence[Answer]]) -> Callable[[Item, Answer], float | None] | None:
    """The score per item of the first metric, the primary one before others, that is 1 for right and 0 for wrong."""
    for metric in (evidence.metric, *evidence.metrics.values()):
        score = metric.per_item
        if score is None or not metric.higher_is_better:
            continue
        found = {score(item, answer) for one in answers.values() for item, answer in zip(evidence.items, one, strict=True)}
        if found <= {0, 1, None}:
            return score
    return None


def _mistake(evidence: Evidence, item: Item, answers: dict[str, Answer], wrong: list[str]) -> Mistake:
    return Mistake(
        id=item.id,
        shown=shown(evidence, item),
        target=wanted(evidence.task, item),
        answers={name: said(answer, evidence.task) for name, answer in answers.items()},
        wrong=wrong,
    )


def shown(evidence: Evidence, item: Item) -> str:
    """An item as one line of text, at most 300 characters."""
    text = evidence.task.show(item)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def wanted(task: Task, item: Item) -> str:
    """What is right, in at most 80 characters."""
    return (task.show_target(item) if isinstance(task, ShowsAnswers) else str(item.target))[:LONGEST_SAID]


def said(answer: Answer, task: Task | None = None) -> str:
    """What an approach said, in at most 80 characters: its value, or that there is none."""
    if answer.error is not None:
        return "(error)"
    if answer.abstained:
        return "(abstained)"
    return (task.show_answer(answer) if isinstance(task, ShowsAnswers) else str(answer.value))[:LONGEST_SAID]
