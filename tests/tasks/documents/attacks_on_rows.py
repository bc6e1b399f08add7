"""False statements about rows of tables: another column, row, unit, sign or period, a label cut short, something added."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

from statement_base import YEAR, Base, Made, Maker, Row, flat, header_of, label_of, pick, row_says

from bakeoff.tasks.documents.reply.row_parts import RowValue


def _row_attack(base: Base, rng: random.Random, change: Callable[[Row, RowValue], tuple[str, str, str] | None]) -> Iterator[Made]:
    for row in pick(rng, base.rows):
        value = rng.choice(row.parts.values)
        changed = change(row, value)
        if changed is not None:
            yield row_says(*changed, rng), row.quote(row.parts.values), row.parts.text


def row_wrong_column(base: Base, rng: random.Random) -> Iterator[Made]:
    def change(row: Row, value: RowValue) -> tuple[str, str, str] | None:
        others = [
            each for each in row.parts.values if flat(each.text) != flat(value.text) and header_of(each) != header_of(value)
        ]
        # The header must not stand over that value anywhere in the row.
        others = [
            each
            for each in others
            if not any(header_of(each) == header_of(one) and flat(one.text) == flat(value.text) for one in row.parts.values)
        ]
        return (label_of(row), header_of(rng.choice(others)), flat(value.text)) if others else None

    yield from _row_attack(base, rng, change)


def row_wrong_label(base: Base, rng: random.Random) -> Iterator[Made]:
    for row in pick(rng, base.rows):
        value = rng.choice(row.parts.values)
        others = [
            each
            for each in base.rows
            if (each.document, each.page) == (row.document, row.page) and label_of(each) != label_of(row)
        ]
        others = [each for each in others if all(flat(one.text) != flat(value.text) for one in each.parts.values)]
        if others:
            other = rng.choice(others)
            quotes = (
                (*row.quote(row.parts.values), *other.quote(other.parts.values))
                if rng.random() < 0.6
                else row.quote(row.parts.values)
            )
            yield row_says(label_of(other), header_of(value), flat(value.text), rng), quotes, row.parts.text


def row_number_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    def change(row: Row, value: RowValue) -> tuple[str, str, str] | None:
        text = flat(value.text)
        places = [index for index, each in enumerate(text) if each.isdigit()]
        if not places:
            return None
        at = rng.choice(places)
        new = text[:at] + rng.choice([each for each in "123456789" if each != text[at]]) + text[at + 1 :]
        return (label_of(row), header_of(value), new) if new not in row.parts.text else None

    yield from _row_attack(base, rng, change)


def row_unit_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    def change(row: Row, value: RowValue) -> tuple[str, str, str] | None:
        text = flat(value.text)
        fits = [
            (old, new) for old, new in (("USD million", "USD billion"), ("USD million", "USD thousand"), ("USD million", "EUR million"), ("USD million", "USD"), ("USD million", "%"),
                ("EUR thousand", "EUR million"), ("EUR", "USD"), ("%", "percentage points"), ("%", ""), (" kg", " lb"), (" kW", " hp"), (" l/h", " m³/h"), ("hours", "days"),
                ("months", "years"), ("$", "€"), ("$", ""), (" m", " ft"), ("dB(A)", "dB"), ("USD million", ""), (" %", " million"), ("USD", "CAD"))
            if old in text and not (old in ("$", "%") and ("USD" in text or "%" in header_of(value)))
        ]  # fmt: skip
        if not fits:
            return None
        old, new = rng.choice(fits)
        return label_of(row), header_of(value), flat(text.replace(old, new, 1))

    yield from _row_attack(base, rng, change)


def row_sign_flipped(base: Base, rng: random.Random) -> Iterator[Made]:
    def change(row: Row, value: RowValue) -> tuple[str, str, str] | None:
        text = flat(value.text)
        if re.match(r"^\$? ?\(\$? ?\d", text):
            return label_of(row), header_of(value), text.replace("(", "", 1).replace(")", "", 1)
        if re.match(r"^\$? ?\d[\d,.]*( [A-Z%]|%|$)", text) and not re.match(r"^0\b", text):
            figure = re.match(r"^\$? ?[\d,.]*\d", text)
            return (
                (label_of(row), header_of(value), rng.choice((f"({figure[0]})", f"-{figure[0]}")) + text[figure.end() :])
                if figure
                else None
            )
        return None

    yield from _row_attack(base, rng, change)


def row_label_shortened(base: Base, rng: random.Random) -> Iterator[Made]:
    """A label without its first or last words, or a group left out."""

    def change(row: Row, value: RowValue) -> tuple[str, str, str] | None:
        if row.parts.groups and rng.random() < 0.6:
            return ": ".join(flat(each.text) for each in row.parts.label), header_of(value), flat(value.text)
        words = label_of(row).split(" ")
        if len(words) < 3:
            return None
        cut = rng.randrange(1, len(words) - 1)
        short = " ".join(words[cut:]) if rng.random() < 0.5 else " ".join(words[:-cut])
        # A note mark is no part of a label.
        if re.fullmatch(r"\W*\(?\w?\W*", label_of(row).replace(short, "", 1)):
            return None
        return short[0].upper() + short[1:], header_of(value), flat(value.text)

    yield from _row_attack(base, rng, change)


def row_header_dropped(base: Base, rng: random.Random) -> Iterator[Made]:
    """A value without what its column is called, in a row with other values."""
    for row in pick(rng, base.rows):
        value = rng.choice(row.parts.values)
        if len({flat(each.text) for each in row.parts.values}) > 1:
            yield f"{label_of(row)} was {flat(value.text)}.", row.quote(row.parts.values), row.parts.text


def row_header_changed(base: Base, rng: random.Random) -> Iterator[Made]:
    """A period or column that the table does not have."""

    def change(row: Row, value: RowValue) -> tuple[str, str, str] | None:
        header = header_of(value)
        year = YEAR.search(header)
        new = (
            header.replace(year[0], str(int(year[0]) + rng.choice((-7, -5, 4, 6))))
            if year
            else rng.choice(("Total", "Average", "All others", "Fiscal 2019"))
        )
        return (label_of(row), new, flat(value.text)) if new not in row.parts.text else None

    yield from _row_attack(base, rng, change)


def row_extended(base: Base, rng: random.Random) -> Iterator[Made]:
    """A true row with something added that it does not say."""
    tails = (
        ", an increase",
        ", not including taxes",
        ", the highest ever",
        " on average",
        " or more",
        " per quarter",
        " after tax",
        ", as expected",
        " at least",
        " approximately",
    )
    for row in pick(rng, base.rows):
        value = rng.choice(row.parts.values)
        yield (
            f"{label_of(row)} was {flat(value.text)} in {header_of(value)}{rng.choice(tails)}.",
            row.quote(row.parts.values),
            row.parts.text,
        )


def row_two_values(base: Base, rng: random.Random) -> Iterator[Made]:
    """Two values of a row with their headers exchanged."""
    for row in pick(rng, base.rows):
        values = list(row.parts.values)
        if len(values) < 2:
            continue
        one, other = rng.sample(values, 2)
        if flat(one.text) == flat(other.text) or header_of(one) == header_of(other):
            continue
        ways = (
            f"{label_of(row)} was {flat(one.text)} in {header_of(other)} and {flat(other.text)} in {header_of(one)}.",
            f"{label_of(row)} | {header_of(one)} | {flat(other.text)} | {header_of(other)} | {flat(one.text)}",
            f"{label_of(row)} rose from {flat(one.text)} in {header_of(one)} to {flat(other.text)} in {header_of(other)}, by half.",
        )
        yield rng.choice(ways), row.quote(row.parts.values), row.parts.text


ATTACKS: dict[str, Maker] = {
    each.__name__: each
    for each in (
        row_wrong_column, row_wrong_label, row_number_changed, row_unit_changed, row_sign_flipped, row_label_shortened,
        row_header_dropped, row_header_changed, row_extended, row_two_values,
    )
}  # fmt: skip
