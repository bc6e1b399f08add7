"""Which items each approach got wrong: confusion matrices and the items themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bakeoff.decide.record import Document, Mistake
from bakeoff.report import format as form
from bakeoff.report.tables import Cell, Table, name_cell
from bakeoff.report.ties import ordered

MOST_LABELS = 12
NO_ANSWER = ("(error)", "(abstained)")
OTHER = "(all other labels)"
FOLDED, OUTSIDE, UNANSWERED = -1, -2, -3
LONGEST_ITEM, LONGEST_ANSWER = 600, 160
DATA_PICTURE = re.compile(r"data:image/(?:webp|png|jpeg);base64,[A-Za-z0-9+/]+={0,2}")
"""The only addresses that a picture on the page may have."""


class Square(NamedTuple):
    """One cell of a confusion matrix. `row` and `column` are places among the document's labels, or FOLDED.

    A column may also be OUTSIDE (answers that are none of the labels) or UNANSWERED (abstentions and errors).
    """

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
    if not isinstance(labels, list) or not labels or not isinstance(counts, list) or len(counts) != len(labels):
        return None
    if not all(_whole_numbers(row, len(labels)) for row in counts):
        return None
    beside = [
        (column, title, view[key])
        for column, title, key in ((OUTSIDE, "(other answer)", "other"), (UNANSWERED, "(no answer)", "unanswered"))
        if _whole_numbers(view.get(key), len(labels)) and any(view[key])
    ]
    totals = [sum(row) + sum(given[i] for _, _, given in beside) for i, row in enumerate(counts)]
    groups = _groups(counts)
    squares = []
    for rows in groups:
        total = sum(totals[i] for i in rows) or 1
        own = rows[0] if len(rows) == 1 else FOLDED
        line = []
        for some in groups:
            n = sum(counts[i][j] for i in rows for j in some)
            single = len(some) == 1 and own != FOLDED
            line.append(Square(n, n / total, single and rows == some, own if single else FOLDED, some[0] if single else FOLDED))
        for column, _, given in beside:
            n = sum(given[i] for i in rows)
            line.append(Square(n, n / total, False, own, column))
        squares.append(line)
    names = [str(labels[group[0]]) if len(group) == 1 else OTHER for group in groups]
    return Matrix(
        approach,
        names,
        [*names, *(title for _, title, _ in beside)],
        squares,
        [sum(totals[i] for i in rows) for rows in groups],
        len(labels) - len(groups) + 1 if len(groups) < len(labels) else 0,
        sum(counts[i][i] for i in range(len(labels))),
        sum(totals),
    )


def _whole_numbers(given: Any, length: int) -> bool:
    return isinstance(given, list) and len(given) == length and all(isinstance(n, int) and n >= 0 for n in given)


def _groups(counts: list[list[int]]) -> list[list[int]]:
    """Labels shown by themselves, in their own order, and the ones with fewest mistakes together at the end."""
    labels = range(len(counts))
    if len(counts) <= MOST_LABELS:
        return [[i] for i in labels]
    wrong = [sum(counts[i]) + sum(row[i] for row in counts) - 2 * counts[i][i] for i in labels]
    keep = sorted(sorted(labels, key=lambda i: (-wrong[i], i))[: MOST_LABELS - 1])
    return [*([i] for i in keep), [i for i in labels if i not in keep]]


def pictures(document: Document) -> dict[str, str]:
    """The small picture of each item that has one, as an address that makes no request."""
    given = document.views.get("pictures")
    if not isinstance(given, Mapping):
        return {}
    return {str(key): address for key, address in given.items() if isinstance(address, str) and DATA_PICTURE.fullmatch(address)}


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
