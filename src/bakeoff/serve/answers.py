"""From what an approach yields to what a client reads. Nothing an approach yields can break the response."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bakeoff.contract import Answer
from bakeoff.serve.problem import as_json

LONGEST_ERROR = 2000

MOST_PASSAGES = 100
"""Passages of one answer that are sent."""

COUNTS = ("written", "kept", "dropped")


def kept(given: Any) -> Answer:
    """`given` as an Answer that JSON can hold; an Answer with an error that says why where it is none.

    Numpy scalars become Python's own. Probabilities that are no numbers or do not sum to 1 make it an error, as they do
    when a study is run.
    """
    if not isinstance(given, Answer):
        return Answer(error=f"the approach yielded {type(given).__name__}, not an Answer")
    if given.error is not None:
        return Answer(error=str(given.error)[:LONGEST_ERROR], seconds=_seconds(given.seconds))
    try:
        value = _plain(given.value)
        as_json(value)
        chances = None if given.probabilities is None else _chances(given.probabilities)
        read, written = _count(given.tokens_in), _count(given.tokens_out)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        return Answer(error=f"the approach gave an answer that cannot be sent: {error}"[:LONGEST_ERROR])
    if value is None and not given.abstained:
        return Answer(error="the approach gave neither a value, nor an abstention, nor an error")
    return Answer(
        value=value,
        probabilities=chances,
        seconds=_seconds(given.seconds),
        first_token_seconds=_seconds(given.first_token_seconds),
        tokens_in=read,
        tokens_out=written,
        abstained=bool(given.abstained),
        details=_details(given.details),
    )


def wire(answer: Answer) -> dict[str, Any]:
    """An answer as `/v1/answer` gives it."""
    return {
        "value": answer.value,
        "probabilities": None if answer.probabilities is None else dict(answer.probabilities),
        "seconds": answer.seconds,
        "abstained": answer.abstained,
        "error": answer.error,
        **sent(answer),
    }


def sent(answer: Answer) -> dict[str, Any]:
    """What stands beside the value where the approach has it: the passages it looked at, nearest first, a model's part in the words,
    and what an agent expects from the state it sees.

    Statements that the verifier refused are sent as counts, never as words: who reads an endpoint sees nothing that no page says.
    """
    found = {name: answer.details[name] for name in ("passages", "wording") if name in answer.details}
    return found | ({"state_value": answer.details["value"]} if "value" in answer.details else {})


def said(answer: Answer) -> str:
    """The answer as the text of a chat: a label as it is, anything else as JSON, nothing for an abstention."""
    if answer.abstained or answer.value is None:
        return ""
    return answer.value if isinstance(answer.value, str) else as_json(answer.value).decode("utf-8")


def usage(answer: Answer) -> dict[str, int] | None:
    """Token counts where the approach counted them; None where it did not, never 0 for what was not counted."""
    if answer.tokens_in is None or answer.tokens_out is None:
        return None
    return token_counts(answer.tokens_in, answer.tokens_out)


def token_counts(read: int, written: int) -> dict[str, int]:
    """OpenAI's `usage`."""
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _details(given: Any) -> dict[str, Any]:
    """The details that are passed on, each in the shape that the OpenAPI document states; one of another shape is left out."""
    details: dict[str, Any] = {}
    if not isinstance(given, Mapping):
        return details
    if "raw" in given:
        details["raw"] = str(given["raw"])
    for name, read in (("passages", _passages), ("wording", _wording), ("value", _expected)):
        if given.get(name) is None:
            continue
        try:
            details[name] = read(given[name])
        except (TypeError, ValueError, KeyError, OverflowError):
            continue
    return details


def _passages(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for each in list(given)[:MOST_PASSAGES]:
        score = float(each["score"])
        if not math.isfinite(score):
            raise ValueError(f"a score of {score}")
        page = int(each["page"])
        pages = [int(number) for number in each.get("pages") or (page,)]
        found.append({"document": str(each["document"]), "page": page, "pages": pages, "score": score, "text": str(each["text"])})
    return found


def _wording(given: Mapping[str, Any]) -> dict[str, Any]:
    reasons = {str(reason): _number(count) for reason, count in given["reasons"].items()}
    counts = {name: _number(given[name]) for name in COUNTS}
    return {**counts, "reasons": reasons, "fell_back": bool(given["fell_back"]), "declined": bool(given["declined"])}


def _expected(given: Any) -> float:
    if isinstance(given, str | bool) or not math.isfinite(float(given)):
        raise ValueError(f"{given} is no number")
    return float(given)


def _number(given: Any) -> int:
    count = _count(given)
    if count is None:
        raise ValueError("a count is missing")
    return count


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no number")
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):  # numpy, without importing it
        return _plain(value.tolist())
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _chances(given: Any) -> dict[str, float]:
    chances = {str(label): float(chance) for label, chance in given.items()} if isinstance(given, Mapping) else {}
    right = all(math.isfinite(p) and -1e-6 <= p <= 1 + 1e-6 for p in chances.values())
    if not chances or not right or abs(sum(chances.values()) - 1) > 1e-3:
        raise ValueError("probabilities that do not sum to 1")
    return {label: min(1.0, max(0.0, p)) for label, p in chances.items()}


def _seconds(given: Any) -> float | None:
    try:
        value = None if given is None else float(given)
    except (TypeError, ValueError):
        return None
    return value if value is not None and math.isfinite(value) and value >= 0 else None


def _count(given: Any) -> int | None:
    if given is None:
        return None
    if int(given) != given or given < 0:
        raise ValueError(f"a token count of {given}")
    return int(given)
