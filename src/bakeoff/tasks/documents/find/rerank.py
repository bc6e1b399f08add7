"""The candidates of a question in a better order, by what can be seen in question and passage. No model and no weights file.

Each feature is in [0, 1]; a passage's score is their weighted mean. Weights were chosen on development questions (docs/explanation/finding-passages.md).

- *fused*: lexical and dense score, as fused.
- *coverage*: share of the question's terms in the passage or its context; rare terms (among the candidates) count more.
- *pairs*: share of the question's neighbouring terms that stand near each other in the passage.
- *numbers*: share of the question's years and numbers in the passage or its context.
- *document*: how well the passage's document is the one that the question names.
- *heading*: how much of the innermost heading, or of the caption, the question says.
- *kind*: a row or a table for a question that asks for a figure, running text for one that asks for a reason.
- *page*: how well the other candidates on its page fit.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from bakeoff.tasks.documents.find.names import named_documents
from bakeoff.tasks.documents.find.question import Question
from bakeoff.tasks.documents.index.terms import TermFinder, terms_of
from bakeoff.tasks.documents.records import Chunk, Hit

NEAR = 4
"""Terms apart at which two terms of a question still stand near each other."""

SUPPORTERS = 3
"""Other candidates of a page that count for it."""

WEIGHTS: Mapping[str, float] = {
    "fused": 1.0,
    "coverage": 0.5,
    "pairs": 0.3,
    "numbers": 0.1,
    "document": 0.6,
    "heading": 0.1,
    "kind": 0.1,
    "page": 0.3,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A hit with its chunk."""

    hit: Hit
    chunk: Chunk


def label_of(chunk: Chunk) -> str:
    """What the chunk's document is called: the first line of its context."""
    return chunk.context.partition("\n")[0]


def features(question: Question, candidates: Sequence[Candidate]) -> list[dict[str, float]]:
    """The features of each candidate, in the order given; all in [0, 1]."""
    if not candidates:
        return []
    finder = TermFinder(question.terms)
    places = [finder.places(each.chunk.text) for each in candidates]
    contexts = {each.chunk.context: finder.places(each.chunk.context).keys() for each in candidates}
    sets = [text.keys() | contexts[each.chunk.context] for each, text in zip(candidates, places, strict=True)]

    labels = {each.hit.key[0]: label_of(each.chunk) for each in candidates}
    named = named_documents(question.content, labels)
    named_terms = {term for word in named.words for term in terms_of(word)}
    asked = [term for term in question.terms if term not in named_terms]
    pairs = list(itertools.pairwise(asked))
    rarity = _rarity(asked, sets)
    total = sum(rarity.values()) or 1.0
    top = max((each.hit.score for each in candidates), default=1.0) or 1.0
    fused = [max(each.hit.score / top, 0.0) for each in candidates]
    pages = _page_support(candidates, fused)
    searched = frozenset(asked)
    headings = {context: _heading(searched, context, finder) for context in contexts}
    wanted = question.years | question.numbers
    found = []
    for each, text, known, score, page in zip(candidates, places, sets, fused, pages, strict=True):
        found.append(
            {
                "fused": score,
                "coverage": sum(rarity[term] for term in asked if term in known) / total,
                "pairs": _near_pairs(pairs, text),
                "numbers": len(wanted & known) / len(wanted) if wanted else 0.0,
                "document": named.strength[each.hit.key[0]],
                "heading": headings[each.chunk.context],
                "kind": _kind(question, each.chunk),
                "page": page,
            }
        )
    return found


def rerank(question: Question, candidates: Sequence[Candidate], weights: Mapping[str, float] = WEIGHTS) -> list[Hit]:
    """The candidates' hits with their new score, a weighted mean of the features, in [0, 1]; in the order given.

    `scores` keeps what was in it and gains the features.
    """
    total = sum(weights.values())
    return [
        Hit(
            each.hit.key, sum(weights.get(name, 0.0) * value for name, value in seen.items()) / total, {**each.hit.scores, **seen}
        )
        for each, seen in zip(candidates, features(question, candidates), strict=True)
    ]


def _rarity(terms: Sequence[str], sets: Sequence[Set[str]]) -> dict[str, float]:
    """Inverse document frequency over the candidates, as BM25 has it."""
    n = len(sets)
    counts = {term: sum(term in known for known in sets) for term in terms}
    # A term that none has cannot tell them apart ("fy2022", where all write "2022").
    return {term: math.log(1 + (n - count + 0.5) / (count + 0.5)) if count else 0.0 for term, count in counts.items()}


def _near_pairs(pairs: Sequence[tuple[str, str]], places: Mapping[str, Sequence[int]]) -> float:
    """Share of the pairs that stand near each other; `places` as `TermFinder` gives them."""
    near = sum(1 for one, other in pairs if one in places and other in places and _within(places[one], places[other]))
    return near / len(pairs) if pairs else 0.0


def _within(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two ascending lists hold values at most `NEAR` apart."""
    i = j = 0
    while i < len(one) and j < len(other):
        if abs(one[i] - other[j]) <= NEAR:
            return True
        if one[i] < other[j]:
            i += 1
        else:
            j += 1
    return False


def _heading(wanted: Set[str], context: str, finder: TermFinder) -> float:
    _, _, rest = context.partition("\n")
    best = 0.0
    for line in filter(None, rest.split("\n")):
        innermost = line.rpartition(" > ")[2]
        if asked := len(finder.places(innermost).keys() & wanted):
            best = max(best, asked / len(set(terms_of(innermost))))
    return best


def _kind(question: Question, chunk: Chunk) -> float:
    if question.quantity:
        return 1.0 if chunk.kind == "row" or chunk.table is not None else 0.0
    if question.reason:
        return 1.0 if chunk.kind == "text" and chunk.table is None else 0.0
    return 0.5


def _page_support(candidates: Sequence[Candidate], fused: Sequence[float]) -> list[float]:
    on_page: dict[tuple[str, int], list[float]] = defaultdict(list)
    for each, score in zip(candidates, fused, strict=True):
        on_page[each.hit.key[0], each.chunk.page].append(score)
    for scores in on_page.values():
        scores.sort(reverse=True)
    found = []
    for each, score in zip(candidates, fused, strict=True):
        others = on_page[each.hit.key[0], each.chunk.page]
        best = others[: SUPPORTERS + 1]
        # Its own score does not count for it.
        rest = sum(best) - (score if score >= best[-1] else best[-1]) if len(best) > SUPPORTERS else sum(best) - score
        found.append(rest / SUPPORTERS)
    return found
