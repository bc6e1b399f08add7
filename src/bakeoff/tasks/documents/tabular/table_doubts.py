"""What only looks like a table: lists, tables of contents, running text with numbers in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from bakeoff.tasks.documents.tabular.table_columns import Column
from bakeoff.tasks.documents.tabular.table_draft import Aids
from bakeoff.tasks.documents.tabular.table_rowing import Row
from bakeoff.tasks.documents.tabular.table_words import Line

_LEADERS = re.compile(r"(?:\s*\.){4,}\s*$")
_MARKER = re.compile(r"(?:[•‣▪●○◦\-–—*·]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)])")
_CLAUSE = re.compile(r"\d{1,3}(?:\.|(?:\.\d{1,3})+\.?)")
_FARTHEST_TEXT = 6.0
"""In font sizes: how far behind its number the text of a clause begins."""

_CONTENTS = re.compile(r"(?:table\s*of\s*)?contents|index(?: to .*)?|page(?: no\.?)?", re.IGNORECASE)


def is_table(grouped: Sequence[Row], rows: Sequence[Line], columns: Sequence[Column], left: float, em: float, aids: Aids) -> bool:
    """Enough rows and columns, white space between them, and none of what only looks like a table."""
    body = [row for row in grouped if row.kind == "data"]
    numeric = [column for column in columns if column.numeric]
    if len(columns) < 2 or not body:
        return False
    full = [row for row in body if sum(value.value for line in row.lines for value in line.phrases) >= 2]
    shaded = sum(aids.shades(line) for line in rows) >= 1
    headed = any(row.kind == "header" for row in grouped)
    if looks_like_contents(body, grouped) or _clauses_side_by_side(rows, em):
        return False
    if len(numeric) == 1:
        if len(body) < (2 if headed and shaded else 3):
            return False
        anchors = [value.anchor for line in rows for value in line.values]
        flush = median(abs(anchor - median(anchors)) for anchor in anchors) < 0.6 * em
        if not (flush or headed or shaded):
            return False
    elif len(full) < 2 and not (headed and body and (shaded or len(numeric) >= 3)) and not (shaded and len(numeric) >= 2):
        return False
    if all(is_list_mark(row.lines[0].phrases[0].text) for row in body) and len(columns) <= 2:
        return False
    return _white_space(rows, left, em) and not _reads_as_text(body, left)


def _white_space(rows: Sequence[Line], left: float, em: float) -> bool:
    """Whether labels keep clear of the figures. In running text, words stand right before a number."""
    close = clear = 0
    for line in rows:
        for one, other in pairwise(line.phrases):
            if other.value and not one.value:
                near = other.x0 - one.x1 < 0.9 * em and not _LEADERS.search(one.text)
                close, clear = close + near, clear + (not near)
    return close <= 0.34 * (close + clear) if close + clear >= 3 else close == 0 or clear > close


def _reads_as_text(body: Sequence[Row], left: float) -> bool:
    """Whether the rows are lines of sentences: long, most begun in lower case or ended by a full stop."""
    labels = [" ".join(p.text for line in row.lines for p in line.phrases if not p.value) for row in body]
    long = [label for label in labels if len(label) > 60]
    sentences = [label for label in long if label[:1].islower() or label.rstrip().endswith((".", ";"))]
    return len(body) >= 2 and len(sentences) > 0.5 * len(body)


def _clauses_side_by_side(rows: Sequence[Line], em: float) -> bool:
    """Whether all rows are numbers of clauses, each with its text behind it: two columns of a contract whose lines happen to align."""
    for line in rows:
        phrases = line.phrases
        if not phrases[0].value or phrases[-1].value:
            return False
        for number, text in pairwise(phrases):
            if number.value and (text.value or not _CLAUSE.fullmatch(number.text) or text.x0 - number.x1 > _FARTHEST_TEXT * em):
                return False
    return bool(rows)


def is_list_mark(text: str) -> bool:
    """Whether a phrase is a bullet, or a list's number or letter.

    Examples
    --------
    >>> [is_list_mark(text) for text in ("•", "(a)", "12.", "A2", "2022")]
    [True, True, True, False, False]
    """
    return bool(_MARKER.fullmatch(text.strip()))


def looks_like_contents(body: Sequence[Row], grouped: Sequence[Row]) -> bool:
    """A table of contents: one column of page numbers that rise. It leads to what it names and says nothing of it, so it is no table here."""
    texts = [next((p.text for line in reversed(row.lines) for p in reversed(line.phrases) if p.value), "") for row in body]
    numbers = [int(text) for text in texts if text.isdigit() and len(text) <= 4]
    if len(numbers) < 3 or len(numbers) < 0.8 * sum(bool(text) for text in texts):
        return False
    leaders = sum(bool(_LEADERS.search(p.text)) for row in body for line in row.lines for p in line.phrases)
    rising = sum(b >= a for a, b in pairwise(numbers))
    named = any(row.kind == "header" for row in grouped)
    headed = any(_CONTENTS.fullmatch(p.text.strip()) for row in grouped for line in row.lines for p in line.phrases)
    return rising >= 0.85 * (len(numbers) - 1) and (leaders > 0.4 * len(body) or headed or (len(numbers) >= 5 and not named))
