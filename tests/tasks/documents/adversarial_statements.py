"""Statements that are false, made from true sentences and rows the way mistakes and attacks make them; and true ones, worded in other ways.

A seeded generator. Each false statement comes with quotes that look right. A change that leaves a statement true by accident is thrown away
(`_honest`): the new value must not be one that the page gives for the same thing, the changed words must differ in meaning, and what comes out must
not be a sentence of the pages.
"""

from __future__ import annotations

import random

import attacks_on_places
import attacks_on_rows
import attacks_on_words
from statement_base import Base, Case, Made, base_of, plain
from true_statements import WORDINGS

from bakeoff.tasks.documents.reply.evidence import Quote

__all__ = ["ATTACKS", "WORDINGS", "Base", "Case", "adversarial", "base_of", "truthful"]

ATTACKS = {**attacks_on_places.ATTACKS, **attacks_on_words.ATTACKS, **attacks_on_rows.ATTACKS}
"""By the name of the function that makes them."""


def adversarial(base: Base, count: int, seed: int = 0) -> list[Case]:
    """`count` false statements, the kinds in turn as far as they apply."""
    rng = random.Random(seed)
    made: list[Case] = []
    seen: set[tuple[str, tuple[Quote, ...]]] = set()
    kinds = list(ATTACKS.items())
    misses = 0
    while len(made) < count and misses < 200 * len(kinds):
        name, attack = kinds[len(made) % len(kinds)] if misses == 0 else rng.choice(kinds)
        case = next((case for case in attack(base, rng) if _honest(base, case)), None)
        if case is None or (case[0], case[1]) in seen:
            misses += 1
            continue
        misses = 0
        seen.add((case[0], case[1]))
        made.append(Case(case[0], case[1], name, False, case[2]))
    return made


def truthful(base: Base, count: int, seed: int = 0) -> list[Case]:
    """`count` true statements, the kinds in turn as far as they apply."""
    rng = random.Random(seed)
    made: list[Case] = []
    seen: set[tuple[str, tuple[Quote, ...]]] = set()
    kinds = list(WORDINGS.items())
    turn = misses = 0
    while len(made) < count and misses < 200 * len(kinds):
        name, wording = kinds[turn % len(kinds)]
        turn += 1
        case = next(iter(wording(base, rng)), None)
        if case is None or (case[0], case[1]) in seen:
            misses += 1
            continue
        misses = 0
        seen.add((case[0], case[1]))
        made.append(Case(case[0], case[1], name, True, case[2]))
    return made


def _honest(base: Base, case: Made) -> bool:
    statement, quotes, original = case
    if not quotes or statement == original or (plain(statement) in base.said and not statement.startswith("\0")):
        return original.startswith("\0") and statement != original
    return True
