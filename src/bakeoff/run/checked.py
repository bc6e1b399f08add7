"""What an approach yields, held to the contract before it is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bakeoff.contract import Answer, Citation
from bakeoff.run.ledger import encodable, to_json

NUMBERS = ("seconds", "first_token_seconds", "usd")
COUNTS = ("tokens_in", "tokens_out")


def checked(answer: Any) -> Answer:
    """The answer if it keeps the contract, else an answer whose error says what is wrong with it.

    Numbers that are numpy scalars become Python's own; nothing else is repaired.
    """
    if not isinstance(answer, Answer):
        return Answer(error=f"the approach yielded {type(answer).__name__}, not an Answer")
    try:
        return _kept(answer)
    except _Wrong as wrong:
        return Answer(error=f"the approach gave {wrong}")


class _Wrong(Exception):
    """What is wrong with an answer, as the object of a sentence."""


def _kept(answer: Answer) -> Answer:
    figures = {name: _number(name, getattr(answer, name)) for name in (*NUMBERS, *COUNTS)}
    error = None if answer.error is None else encodable(str(answer.error)[:2000])
    abstained = bool(answer.abstained) and error is None
    if not isinstance(answer.details, Mapping) or not all(isinstance(c, Citation) for c in answer.citations):
        raise _Wrong("details or citations of another type than the contract's")
    try:
        to_json([answer.value, answer.details])
    except (TypeError, ValueError, RecursionError) as problem:
        raise _Wrong(f"an answer that cannot be kept: {problem}") from problem
    if error is None and not abstained and (answer.value is None or _not_a_number(answer.value)):
        raise _Wrong("neither a value, nor an abstention, nor an error")
    chances = _probabilities(answer.probabilities)
    return replace(answer, probabilities=chances, error=error, abstained=abstained, **figures)


def _number(name: str, given: Any) -> Any:
    if given is None:
        return None
    try:
        value = float(given)
    except (TypeError, ValueError) as problem:
        raise _Wrong(f"{name} that are no number") from problem
    if not math.isfinite(value) or value < 0 or (name in COUNTS and (value != int(value) or value >= 2**63)):
        raise _Wrong(f"{name} that cannot be: {value:g}")
    return int(value) if name in COUNTS else value


def _probabilities(given: Any) -> dict[str, float] | None:
    if given is None:
        return None
    try:
        chances = {encodable(str(label)): float(chance) for label, chance in given.items()}
    except (AttributeError, TypeError, ValueError) as problem:
        raise _Wrong("probabilities that are no mapping of labels to numbers") from problem
    right = all(math.isfinite(p) and -1e-6 <= p <= 1 + 1e-6 for p in chances.values())
    if not chances or not right or abs(sum(chances.values()) - 1) > 1e-3:
        raise _Wrong("probabilities that do not sum to 1")
    return chances


def _not_a_number(value: Any) -> bool:
    try:
        return not math.isfinite(value)
    except TypeError:
        return False
    except OverflowError:
        return False
