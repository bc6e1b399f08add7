"""Which items each approach got wrong: confusion matrices and the items themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bakeoff.decide.record import Document, Mistake
from bakeoff.report import format as form
from bakeoff.report.tables import Cell, Table, name_cell
from bakeoff.report.ties import ordered

MOST_LABELS = 12
NO_ANSWER = ("(error)", "(abstained)")
OTHER = "(all other labels)"
LONGEST_ITEM, LONGEST_ANSWER = 600, 160


class Square(NamedTuple):
    """One cell of a confusion matrix. `row` and `column` are places in the document's own lists, or -1 where folded."""

    n: int
    share: float
    right: bool
    row: int
    column: int


class Matrix(NamedTuple):
    """One approach's confusion matrix: rows are what is true, columns are what was said."""

    approach: str
    rows: Sequence[str]
    columns: Sequence[str]
    squares: Sequence[Sequence[Square]]
    totals: Sequence[int]
    folded: int
    right: int
    n: int


def confusions(document: Document) -> list[Matrix]:
    """The matrices that the task gave, in shown order. Past 12 labels the ones with fewest mistakes are folded into one.

    A view that is no matrix of counts is left out: tasks may be plugins, and a report must not fail on one.
    """
    views = document.views.get("confusion")
    if not isinstance(views, Mapping):
        return []
    return [made for r in ordered(document) if (made := _matrix(r.name, views.get(r.name))) is not None]


def _matrix(approach: str, view: Any) -> Matrix | None:
    if not isinstance(view, Mapping):
        return None
    labels, counts = view.get("labels"), view.get("counts")
    if not isinstance(labels, list) or not isinstance(counts, list) or not labels or len(counts) != len(labels):
        return None
    across = len(counts[0]) if isinstance(counts[0], list) else 0
    whole = all(isinstance(row, list) and len(row) == across and all(isinstance(c, int) for c in row) for row in counts)
    if not whole or across < len(labels):
        return None
    said = view.get("columns")
    columns = (
        list(said) if isinstance(said, list) and len(said) == across else [*labels, *["(other answer)"] * (across - len(labels))]
    )
    keep, keep_columns = _kept(counts, len(labels), across)
    folded = len(labels) - len(keep)
    row_groups = [[i] for i in keep] + ([[i for i in range(len(labels)) if i not in keep]] if folded else [])
    column_groups = [[i] for i in keep_columns] + (
        [[i for i in range(across) if i not in keep_columns]] if len(keep_columns) < across else []
    )
    squares, totals = [], []
    for rows in row_groups:
        total = sum(counts[i][j] for i in rows for j in range(across))
        line = []
        for some in column_groups:
            n = sum(counts[i][j] for i in rows for j in some)
            single = len(rows) == 1 and len(some) == 1
            line.append(
                Square(
                    n, n / total if total else 0.0, single and rows == some, rows[0] if single else -1, some[0] if single else -1
                )
            )
        squares.append(line)
        totals.append(total)
    return Matrix(
        approach,
        [str(labels[g[0]]) if len(g) == 1 else OTHER for g in row_groups],
        [str(columns[g[0]]) if len(g) == 1 else OTHER for g in column_groups],
        squares,
        totals,
        folded,
        sum(counts[i][i] for i in range(len(labels))),
        sum(totals),
    )


def _kept(counts: list[list[int]], labels: int, across: int) -> tuple[list[int], list[int]]:
    """The rows and columns shown by themselves: those with most mistakes, in their own order."""
    if labels <= MOST_LABELS:
        return list(range(labels)), list(range(min(across, labels + MOST_LABELS)))
    wrong = [sum(counts[i]) + sum(row[i] for row in counts) - 2 * counts[i][i] for i in range(labels)]
    keep = sorted(sorted(range(labels), key=lambda i: (-wrong[i], i))[: MOST_LABELS - 1])
    return keep, keep


def only_table(document: Document) -> Table | None:
    """How many items only this approach got wrong, and how many only it got right."""
    found = document.mistakes
    names = [r.name for r in ordered(document) if r.name in found.only or r.name in found.only_right]
    if not names:
        return None
    rows = [
        [
            name_cell(name, document),
            Cell(form.count(found.only.get(name)), found.only.get(name), "num"),
            Cell(form.count(found.only_right.get(name)), found.only_right.get(name), "num"),
        ]
        for name in names
    ]
    return Table("Items that set one approach apart", ("Approach", "Only this one wrong", "Only this one right"), rows)


def _by_outcome(group: tuple[str, str]) -> tuple[int, str]:
    return ("right", "wrong", "none").index(group[0]), group[1]


class Said(NamedTuple):
    """One answer to an item, who gave it, and its outcome: ``right``, ``wrong`` or ``none`` (an error is no wrong answer)."""

    answer: str
    outcome: str
    approaches: Sequence[str]


class Shown(NamedTuple):
    """One item as listed: its place in the document, its text, what is true, and the answers by who gave them."""

    place: int
    mistake: Mistake
    said: Sequence[Said]


def listed(document: Document) -> list[Shown]:
    """The examples with equal answers put together, right ones first."""
    order = {r.name: place for place, r in enumerate(ordered(document))}
    made = []
    for index, mistake in enumerate(document.mistakes.examples):
        groups: dict[tuple[str, str], list[str]] = {}
        for name in sorted(mistake.answers, key=lambda name: (order.get(name, len(order)), name)):
            answer = mistake.answers[name]
            outcome = "none" if answer in NO_ANSWER else "wrong" if name in mistake.wrong else "right"
            groups.setdefault((outcome, answer), []).append(name)
        said = [Said(answer, outcome, groups[outcome, answer]) for outcome, answer in sorted(groups, key=_by_outcome)]
        made.append(Shown(index, mistake, said))
    return made
