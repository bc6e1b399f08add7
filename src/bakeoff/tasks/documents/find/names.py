"""Which documents a question names: "Pepsi" is PEPSICO_2022_10K.pdf, "AMEX" is a report of the American Express Company.

Only the documents' labels are looked at (title and name in words), and only what sets them apart: a word that all labels share names none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from bakeoff.tasks.documents.index.terms import FUNCTION_WORDS, normalise

LONGEST_NAME = 4
"""Words of the question that may together be one name."""

SHORTEST_PREFIX = 4
"""Letters that a shortened name must at least have ("Ulta" for "UltaBeauty")."""

EXACT, INITIALS, PREFIX, LOWER = 1.0, 0.8, 0.7, 0.5

SURE = 0.6
"""From this strength on a document is taken to be meant."""

WRONG_YEAR = 0.7
"""What is left of a name's strength where the year of the question is in the name of another document that is meant as well."""

_WORD = re.compile(r"[^\W_]+")
_CASE_BORDER = re.compile(r"(?<=[a-z])(?=[A-Z])")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_ACRONYM = re.compile(r"[A-Z]{3,6}")


class Named(NamedTuple):
    """`strength` of each document's being meant, in [0, 1]; `words` of the question that name the likeliest, normalised."""

    strength: dict[str, float]
    words: frozenset[str]


def named_documents(question: str, labels: Mapping[str, str]) -> Named:
    """How strongly a question names each document.

    Parameters
    ----------
    question : str
    labels : mapping of document name to str
        What each document is called, in words (`chunk.document_context`).

    Returns
    -------
    Named
        Strength 1 for an exact name that no other document has; 0 for documents that are not named.
    """
    asked = _WORD.findall(re.sub(r"['’]s\b", "", question))
    plain = [normalise(word) for word in asked]
    # Names are written with capitals, unless somebody types without any.
    proper = [word[:1].isupper() for word in asked] if any(word[:1].isupper() for word in asked) else [True] * len(asked)
    acronyms = {word.lower() for word in asked if _ACRONYM.fullmatch(word)}
    parts = _spans(plain, proper)
    found = {name: _matches(parts, acronyms, _read_label(label)) for name, label in labels.items()}
    strength: dict[str, float] = {}
    for name, spans in found.items():
        most = 0.0
        for span, value in spans.items():
            # Weaker by the documents that match on the same words at least as well.
            rivals = sum(1 for other, matched in found.items() if other != name and matched.get(span, 0.0) >= value)
            most = max(most, value * (1 - rivals / max(len(found) - 1, 1)))
        strength[name] = most
    years = set(_YEAR.findall(normalise(question)))
    fitting = {name for name, value in strength.items() if value and years & set(_YEAR.findall(labels[name]))}
    if fitting:
        # Of several reports of one company, the one whose name has the year.
        strength = {name: value if name in fitting else value * WRONG_YEAR for name, value in strength.items()}
    best = max(strength.values(), default=0.0)
    meant = {span for name, matched in found.items() if strength[name] >= min(best, SURE) > 0 for span in matched}
    return Named(strength, _words_of(plain, meant))


def _words_of(asked: Sequence[str], spans: set[str]) -> frozenset[str]:
    used: set[str] = set()
    for size in range(1, LONGEST_NAME + 1):
        for at in range(len(asked) - size + 1):
            if "".join(asked[at : at + size]) in spans:
                used.update(asked[at : at + size])
    return frozenset(used)


class _Label(NamedTuple):
    """A label's words, normalised, and what up to `LONGEST_NAME` of them in a row are when joined."""

    words: tuple[str, ...]
    joined: frozenset[str]


@lru_cache(maxsize=1024)
def _read_label(label: str) -> _Label:
    """Labels are few and asked about again; their length is bounded where they are made."""
    words = tuple(normalise(word) for word in _WORD.findall(_CASE_BORDER.sub(" ", label)))
    sizes = range(1, LONGEST_NAME + 1)
    return _Label(words, frozenset("".join(words[at : at + size]) for size in sizes for at in range(len(words) - size + 1)))


class _Span(NamedTuple):
    """Words of the question in a row, joined: what they are worth as a whole name, and whether they may be the beginning of one."""

    name: str
    exact: float
    begins: bool


def _spans(asked: Sequence[str], proper: Sequence[bool]) -> list[_Span]:
    found = []
    for size in range(1, LONGEST_NAME + 1):
        for at in range(len(asked) - size + 1):
            part = asked[at : at + size]
            if part[0] in FUNCTION_WORDS or part[-1] in FUNCTION_WORDS:
                continue
            name = "".join(part)
            if name[0].isdigit() or len(name) < 3:
                continue
            # "policy" alone may be a word; "Policy" and "debian policy" are names.
            exact = EXACT if proper[at] or size > 1 else LOWER
            found.append(_Span(name, exact, proper[at] and len(name) >= SHORTEST_PREFIX))
    return found


def _matches(spans: Sequence[_Span], acronyms: Iterable[str], label: _Label) -> dict[str, float]:
    """What of the question names a label: words as joined in the question, and how well."""
    found: dict[str, float] = {}
    for name, exact, begins in spans:
        if name in label.joined:
            found[name] = exact
        elif begins and any(word.startswith(name) for word in label.words):
            found[name] = PREFIX
    for acronym in acronyms:
        if acronym not in found and _abbreviates(acronym, label.words):
            found[acronym] = INITIALS
    return found


def _abbreviates(acronym: str, label: Sequence[str]) -> bool:
    """Initials of words in a row ("IBM"), or two beginnings of at least two letters, the first that of a word ("AMEX", "FedEx")."""
    words = [word for word in label if word not in FUNCTION_WORDS]
    initials = "".join(word[0] for word in words)
    if acronym in initials:
        return True
    run = "".join(words)
    starts = {0}
    for word in words[:-1]:
        starts.add(max(starts) + len(word))
    for cut in range(2, len(acronym) - 1):
        for start in starts:
            if run.startswith(acronym[:cut], start) and run.find(acronym[cut:], start + cut + 1) >= 0:
                return True
    return False
