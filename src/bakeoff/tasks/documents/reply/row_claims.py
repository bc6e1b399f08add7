"""Whether a statement says what one row of a table says: its whole label, one or more of its values, each with its own column headers.

A row in a sentence is a small language: the headings of the row's group, its label, and pairs of a header and a value, joined by a few words that
say nothing themselves ("was", "in", "for the", ":"). Everything else is refused: a shortened label or a missing group widens what is said, a value
beside another column's header is another claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from bakeoff.tasks.documents.reply.evidence import RowUnit, Value, header_key
from bakeoff.tasks.documents.reply.verify_facts import Token, tokens_of, unit_of, word_set

_GLUE = tuple(
    tuple(each.split())
    for each in [
        "was",
        "were",
        "is",
        "are",
        "of",
        "in",
        "for",
        "at",
        "on",
        "the",
        "a",
        "an",
        "as of",
        "during",
        "and",
        "amounted to",
        "totaled",
        "totalled",
        "stood at",
        "came to",
        "equals",
        "equaled",
        "compared to",
        "\n    compared with",
        "with",
        "against",
        "year",
        "|",
        ":",
        ",",
        ".",
        "=",
        ";",
    ]
)
_MOST_GLUE = 5
_MOST_STEPS = 4_000
_IN_WHAT = word_set(
    "in millions thousands billions million thousand billion $ USD US usd us dollars except per share data amounts and of"
)
_NAMES = re.compile(r"[^\W\d_]{2}|^(?:19|20)\d\d$")
_NOTE_MARKS = frozenset(f"{number}|" for number in range(1, 30)) | frozenset("abcdefghij")
_SINGULAR = {"years": "year", "months": "month", "quarters": "quarter", "weeks": "week"}


class Item(NamedTuple):
    """A part of a row found in a statement: 'group', 'label', 'header' or 'value', and which."""

    kind: str
    which: int


def claims(statement: str, unit: RowUnit) -> bool:
    """Whether the statement says what the row says.

    Parameters
    ----------
    statement : str
        One sentence, or the row as text ("Revenue | 2022 | 5,363 USD million").
    unit : RowUnit
    """
    if unit.printed and " ".join(statement.split()).rstrip(".") == unit.printed.rstrip("."):
        return True
    unit = _with_label(unit)
    if not unit.values or not unit.named or not any(unit.label):
        return False
    patterns = list(_patterns(unit))
    # "June 30, | 2023" is a header in two lines, and one date.
    for value in unit.values:
        # "(2022)" after a label is a header, where it is one, and no negative figure.
        header = " ".join(value.path)
        if _NAMES.search(header):
            statement = statement.replace(f"({header})", header)
    for text in dict.fromkeys((statement, " ".join(statement.replace(" | ", " ").split()))):
        if any(_is_sound(items, unit) for items in _readings(tokens_of(text, accounting=True), 0, patterns, (), 0, [0])):
            return True
    return False


def _with_label(unit: RowUnit) -> RowUnit:
    """A row with no cell marked as its label is labelled by its first cell, where that is words."""
    if any(unit.label) or not unit.values:
        return unit
    first = unit.values[0]
    if any(token.kind in ("number", "date") for token in tokens_of(first.text, accounting=True)):
        return unit
    return replace(unit, label=(first.text,), values=unit.values[1:])


def _patterns(unit: RowUnit) -> Iterator[tuple[Item, tuple[tuple[Token, ...], ...]]]:
    """Each part of the row with the token sequences that stand for it."""
    for index, group in enumerate(unit.groups):
        yield Item("group", index), _spellings(group)
    if unit.label:
        yield Item("label", 0), _spellings(" ".join(unit.label))
    for index, value in enumerate(unit.values):
        headers = header_words(value.path)
        if headers:
            whole = _spellings(" ".join(headers))
            apart = tuple(token for header in headers for token in _trimmed(tokens_of(header, accounting=True)))
            yield Item("header", index), tuple(dict.fromkeys([*whole, apart, *_calendar_year(whole)]))
        yield Item("value", index), value_tokens(value)


def header_words(path: Sequence[str]) -> list[str]:
    """The headers over a value that say what it is; a line such as "(in millions)" is its unit."""
    return [header for header in path if not _only_unit(header)]


def _only_unit(header: str) -> bool:
    words = [token.key for token in tokens_of(header) if token.kind != "sign" or token.key == "$"]
    return bool(words) and header.strip().startswith("(") and all(word.lower() in _IN_WHAT for word in words)


def _calendar_year(spellings: Sequence[tuple[Token, ...]]) -> Iterator[tuple[Token, ...]]:
    """A year ended 31 December is the calendar year."""
    for tokens in spellings:
        words = [_SINGULAR.get(token.key.lower(), token.key.lower()) for token in tokens]
        date = tokens[-1] if tokens else None
        if (
            date is not None
            and date.kind == "date"
            and date.key.endswith("-12-31")
            and len(date.key) == 10
            and words[:-1] == ["year", "ended"]
        ):
            yield (Token("number", f"{date.key[:4]}|", 0, 0),)


def value_tokens(value: Value) -> tuple[tuple[Token, ...], ...]:
    """The token sequences that stand for a value: with its unit, always."""
    whole = _trimmed(tokens_of(f"{value.text} {value.unit}".strip(), accounting=True))
    # A unit that is words ("kg") follows the figure; one that did not melt into it must be said.
    found = [tuple(whole)]
    if len(whole) == 1 and unit_of(whole[0]) == "USD":
        # "$" claims less than "USD". Without any currency a figure would be another one.
        found.append((Token("number", whole[0].key.removesuffix("USD") + "$", 0, 0),))
    return tuple(dict.fromkeys(found))


def _spellings(words: str) -> tuple[tuple[Token, ...], ...]:
    """A label or header, with and without a note mark or colon at its end. "(5)" in it may be a note or a negative figure."""
    found: list[tuple[Token, ...]] = []
    for accounting in (False, True):
        whole = _trimmed(tokens_of(words, accounting=accounting))
        found.append(tuple(whole))
        if not accounting and len(whole) > 3 and whole[-1].key == ")" and whole[-3].key == "(" and whole[-2].key in _NOTE_MARKS:
            found.append(tuple(whole[:-3]))
    return tuple(dict.fromkeys(each for each in found if each))


def _trimmed(tokens: Sequence[Token]) -> list[Token]:
    """Tokens without the signs at their end that say nothing; a cell that is only a dash stays a dash."""
    kept = list(tokens)
    while len(kept) > 1 and kept[-1].kind == "sign" and kept[-1].key in ":,.|*":
        kept.pop()
    return kept


def _readings(
    asked: Sequence[Token],
    at: int,
    patterns: Sequence[tuple[Item, tuple[tuple[Token, ...], ...]]],
    items: tuple[Item, ...],
    glue: int,
    steps: list[int],
) -> Iterator[tuple[Item, ...]]:
    """All ways to read the statement as parts of the row and words that say nothing, longest parts first."""
    steps[0] += 1
    if steps[0] > _MOST_STEPS or len(items) > 60:
        return
    if at == len(asked):
        yield items
        return
    options: list[tuple[int, Item]] = []
    for item, spellings in patterns:
        for spelling in spellings:
            if len(spelling) <= len(asked) - at and all(_alike(asked[at + index], token) for index, token in enumerate(spelling)):
                options.append((len(spelling), item))
    for size, item in sorted(set(options), key=lambda option: -option[0]):
        yield from _readings(asked, at + size, patterns, (*items, item), 0, steps)
    if glue < _MOST_GLUE:
        for words in _GLUE:
            if [token.key.lower() for token in asked[at : at + len(words)]] == list(words):
                yield from _readings(asked, at + len(words), patterns, items, glue + 1, steps)


def _alike(statement: Token, row: Token) -> bool:
    if statement.kind != row.kind:
        return False
    if statement.key == row.key:
        return True
    if statement.kind != "word":
        return False
    one, other = statement.key, row.key
    # "US" is not "us": words in capitals keep them.
    if len(one) > 1 and one.isupper() != other.isupper() and min(len(one), len(other)) <= 5:
        return False
    one, other = one.lower(), other.lower()
    return _SINGULAR.get(one, one) == _SINGULAR.get(other, other)


def _is_sound(items: Sequence[Item], unit: RowUnit) -> bool:
    """The label once, every group before the first value, and every value beside its own header, all in one order."""
    kinds = [item.kind for item in items]
    if kinds.count("value") == 0 or kinds.count("label") != (1 if unit.label else 0):
        return False
    first = kinds.index("value")
    if unit.label and kinds.index("label") > first:
        return False
    groups = [item.which for item in items if item.kind == "group"]
    if sorted(groups) != list(range(len(unit.groups))) or groups != sorted(groups) or "group" in kinds[first:]:
        return False
    pairs = [item for item in items if item.kind in ("header", "value")]
    named = [bool(header_words(unit.values[item.which].path)) for item in pairs if item.kind == "value"]
    if not all(named):
        return not unit.columns_named and not unit.hidden and len(unit.values) == 1 and [item.kind for item in pairs] == ["value"]
    if len(pairs) % 2 or any(header_key(unit.values[item.which].path) in unit.ambiguous for item in pairs):
        return False
    for order in (("header", "value"), ("value", "header")):
        if all(
            (pairs[at].kind, pairs[at + 1].kind) == order and _same_column(unit, pairs[at].which, pairs[at + 1].which)
            for at in range(0, len(pairs), 2)
        ):
            return True
    return False


def _same_column(unit: RowUnit, one: int, other: int) -> bool:
    """The same column, or one that has the same headers or the same value, which reads alike."""
    first, second = unit.values[one], unit.values[other]
    return one == other or first.path == second.path or (first.text, first.unit) == (second.text, second.unit)
