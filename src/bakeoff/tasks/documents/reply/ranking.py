"""What the passages found could say to a question, best first: candidates and the scores that order them."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakeoff.tasks.documents.find.question import Question, read_question
from bakeoff.tasks.documents.index.terms import terms_of
from bakeoff.tasks.documents.records import Passage
from bakeoff.tasks.documents.reply.candidates import Candidate, candidates_of
from bakeoff.tasks.documents.reply.evidence import PageOf

if TYPE_CHECKING:
    from bakeoff.tasks.documents.index.embed import Embedder

MOST_CANDIDATES = 400
"""Sentences and rows that are compared; a passage holds ten or so."""

WEIGHTS: Mapping[str, float] = {
    "said": 1.0,
    "headed": 0.45,
    "passage": 0.75,
    "kind": 0.32,
    "fragment": -0.28,
    "figures": 0.3,
    "near": 0.1,
    "alone": 0.15,
    "defines": 0.4,
    "meaning": 0.5,
}
"""Of the parts of a candidate's score, each in [0, 1]. All but the last two were fitted on the made corpus (listwise logistic, four folds of documents)."""

_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][\w&.'-]*")
_WHEN = re.compile(
    r"\b(?:when|what (?:date|day|year|month)|(?:which|in what) (?:year|quarter|month)|how long|expir|deadline)\b", re.IGNORECASE
)
_WHO = re.compile(r"\b(?:who|whom|whose|which (?:company|person|party|firm|auditor))\b", re.IGNORECASE)
_DATED = re.compile(
    r"\b(?:1[89]|20)\d\d\b|\b(?:January|February|March|April|May|June|July|August|September|October|November|December|days?|months?|years?)\b"
)
_DEFINES = re.compile(r"^\s*(?:what (?:is|are|does|do)|define|what .* mean|meaning of|definition of)\b", re.IGNORECASE)
_DEFINITION = re.compile(
    r"[\"“”]\s*(?:\([^)]*\)\s*)?(?:means?|refers? to|is defined|shall mean|has the meaning)\b|\b(?:is|are) defined as\b|\bmeans\b|\brefers to\b"
)


@dataclass(frozen=True, slots=True)
class Ranking:
    """A question, the passages found for it, and what could be quoted from them.

    Parameters
    ----------
    question : Question
    passages : tuple of Passage
        Best first.
    candidates : tuple of Candidate
        Best first.
    scores : tuple of float
        Of the candidates; 0 for one that shares no term with the question.
    """

    question: Question
    passages: tuple[Passage, ...]
    candidates: tuple[Candidate, ...]
    scores: tuple[float, ...]


def rank(question: str, passages: Sequence[Passage], page_of: PageOf, embedder: Embedder | None = None) -> Ranking:
    """Read a question and put all that the passages could say to it in order; ties by passage, then by place.

    Parameters
    ----------
    question : str
    passages : sequence of Passage
        Best first.
    page_of : callable
        ``page_of(document, number) -> Page``.
    embedder : Embedder or None
        Compares candidates with the question by meaning too, at the cost of embedding each of them.
    """
    asked = read_question(question)
    candidates = candidates_of(asked, passages, page_of)[:MOST_CANDIDATES]
    scores = _scores(asked, passages, candidates, embedder) if candidates else []
    order = sorted(range(len(candidates)), key=lambda at: (-round(scores[at], 9), candidates[at].rank, candidates[at].place))
    return Ranking(asked, tuple(passages), tuple(candidates[at] for at in order), tuple(scores[at] for at in order))


def answers_in_kind(question: Question, text: str) -> float:
    """Whether a text holds the kind of thing that a question asks for: 1, 0, or 0.5 where the question does not say."""
    if _WHEN.search(question.content):
        return 1.0 if _DATED.search(text) else 0.0
    if question.quantity:
        figures = {term for term in terms_of(text) if term[0].isdigit()}
        return 1.0 if figures - question.years - question.numbers else 0.0
    if _WHO.search(question.content):
        return 1.0 if _NAME.search(text) else 0.0
    return 0.5


def _scores(
    question: Question, passages: Sequence[Passage], candidates: Sequence[Candidate], embedder: Embedder | None
) -> list[float]:
    wanted = set(question.terms)
    figures = question.years | question.numbers
    contexts = [frozenset(terms_of(each.context)) for each in candidates]
    counts = {term: sum(term in each.terms for each in candidates) for term in wanted}
    rarity = {term: math.log(1 + (len(candidates) - count + 0.5) / (count + 0.5)) for term, count in counts.items()}
    # A term that no candidate holds tells them apart in nothing, but all of them fall short by it.
    whole = sum(rarity.values()) or 1.0
    top = max((passage.score for passage in passages), default=0.0)
    meaning = _cosines(question, candidates, embedder)
    defines = _DEFINES.match(question.content) is not None and not question.quantity
    found = []
    for index, (each, context) in enumerate(zip(candidates, contexts, strict=True)):
        own = sum(rarity[term] for term in wanted & each.terms)
        headed = sum(rarity[term] for term in (wanted & context) - each.terms)
        if not own + headed:
            found.append(0.0)
            continue
        known = each.terms | context
        parts = {
            "said": own / whole,
            "headed": headed / whole,
            "passage": passages[each.rank].score / top if top > 0 else 1 / (1 + each.rank),
            "kind": answers_in_kind(question, each.text),
            "fragment": 1.0 if _is_fragment(each) else 0.0,
            "figures": len(figures & known) / len(figures) if figures else 0.0,
            "near": _near(question.terms, each.text),
            "alone": 1.0 if each.alone else 0.0,
            "defines": 1.0 if defines and _DEFINITION.search(each.text) else 0.0,
            "meaning": meaning[index],
        }
        found.append(sum(WEIGHTS[name] * value for name, value in parts.items()))
    return found


def _cosines(question: Question, candidates: Sequence[Candidate], embedder: Embedder | None) -> list[float]:
    if embedder is None:
        return [0.0] * len(candidates)
    vectors = embedder.encode([question.content, *(each.text for each in candidates)])
    return [max(0.0, float(value)) for value in vectors[1:] @ vectors[0]]


def _near(terms: Sequence[str], text: str) -> float:
    """Share of the question's neighbouring terms that are neighbours in the text too."""
    pairs = set(itertools.pairwise(terms))
    said = terms_of(text)
    return len(pairs & set(itertools.pairwise(said))) / len(pairs) if pairs else 0.0


def _is_fragment(candidate: Candidate) -> bool:
    """A heading or a line without an end: quoted only where nothing better is there."""
    return candidate.kind == "sentence" and not re.search(r"[.!?;。！？][\"'”’)\]]*$", candidate.text)
