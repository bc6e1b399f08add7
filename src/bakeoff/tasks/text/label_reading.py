"""Finding the one label that a model's free text means, or finding that it means none.

Strict on purpose: a text that names two labels, or negates one, or names none, is an abstention and not a guess.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence

from bakeoff.models.chat_reply import TokenChances

LONGEST_READ = 4_000
_NEGATIONS = frozenset(
    {"not", "no", "non", "never", "neither", "nor", "isnt", "wasnt", "arent", "cannot", "cant", "doesnt", "without"}
)
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL | re.IGNORECASE)


def plain(text: str) -> str:
    """`text` for comparing: NFKC, case-folded, every run of punctuation and spaces one space. Apostrophes go without a trace."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("'", "").replace("’", "")
    return " ".join("".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in folded).split())


def read_label(text: str, names: Mapping[str, str]) -> str | None:
    """The label that `text` means, or None where it means none or several.

    Parameters
    ----------
    text : str
        What the model wrote; a leading ``<think>`` block is passed over, and at most 4,000 characters are read.
    names : Mapping of str to str
        The name by which the model was told of each label -> the label.

    In order: the whole text is a name; it is one apart from case, spaces and punctuation; it is a JSON object
    whose ``label`` is one; exactly one label is named in it, and not negated.
    """
    text = _THOUGHT.sub("", text[: 8 * LONGEST_READ], count=1).strip()[:LONGEST_READ]
    if text in names:
        return names[text]
    if text.lower().startswith("<think>"):
        return None
    inner = _json_label(text)
    if inner is not None:
        return read_label(inner, names) if not inner.lstrip().startswith("{") else None
    alike: dict[str, set[str]] = {}
    for name, label in names.items():
        alike.setdefault(plain(name), set()).add(label)
    whole = plain(text)
    if whole in alike and whole:
        return _only(alike[whole])
    return _only(_mentioned(whole, alike))


def _only(labels: set[str]) -> str | None:
    return next(iter(labels)) if len(labels) == 1 else None


def _json_label(text: str) -> str | None:
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start or text[:start].strip("`json \n"):
        return None
    try:
        found = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return None
    label = found.get("label") if isinstance(found, dict) else None
    return label if isinstance(label, str) else None


def _mentioned(whole: str, alike: Mapping[str, set[str]]) -> set[str]:
    """The labels named in `whole`, longest names first, so that "very good" is not also "good". Empty where one is negated."""
    words = whole.split()
    found: set[str] = set()
    for name in sorted((name for name in alike if name), key=lambda name: (-len(name.split()), name)):
        parts = name.split()
        place = 0
        while place + len(parts) <= len(words):
            if words[place : place + len(parts)] == parts:
                if place and words[place - 1] in _NEGATIONS:
                    return set()
                found |= alike[name]
                words[place : place + len(parts)] = ["\0"] * len(parts)
            place += 1
    return found


def label_probabilities(text: str, logprobs: Sequence[TokenChances], names: Mapping[str, str]) -> dict[str, float] | None:
    """Probabilities of the labels from the alternatives of the token at which the answer begins, or None.

    Given only where the server's own figures settle it: every label begins with a token of its own among the
    alternatives, and at most 1% falls on tokens that could begin several. What falls on other tokens is left
    out, and the rest made to sum to 1.
    """
    starts = {plain(name): label for name, label in names.items()}
    if len(starts) < len(names) or "" in starts:
        return None
    at = _first_word(text, logprobs)
    if at is None:
        return None
    mass = dict.fromkeys(names.values(), 0.0)
    unclear = 0.0
    seen: set[str] = set()
    for token, value in logprobs[at].alternatives.items():
        piece = plain(token)
        if not piece:
            continue
        fits = {label for name, label in starts.items() if name.startswith(piece)}
        if len(fits) > 1:
            unclear += math.exp(value)
        elif fits:
            label = fits.pop()
            seen.add(label)
            mass[label] += math.exp(value)
    total = sum(mass.values())
    if seen != set(mass) or total <= 0 or unclear > 0.01:
        return None
    return {label: value / total for label, value in mass.items()}


def _first_word(text: str, logprobs: Sequence[TokenChances]) -> int | None:
    """Which token holds the first letter of the answer: after spaces, quotes, and in JSON after the key ``label``."""
    key = re.match(r'\s*\{\s*"label"\s*:', text)
    skipped = key.end() if key else 0
    place = 0
    for index, one in enumerate(logprobs):
        end = place + len(one.token)
        if end > skipped and plain(one.token):
            return index if place >= skipped or not plain(one.token[: skipped - place]) else None
        place = end
    return None
