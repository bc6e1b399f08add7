"""Answers that are quoted: the sentences and table rows of the passages found that best answer the question, word for word.

Nothing is written. A candidate is a sentence of a passage (with the words that introduce it, where it is an item of a list) or a row of a table with
its headings (only the columns that the question names, where it names some). Candidates are ranked by what of the question they say, and by how
well their passage was found; those that say the same as a better one are left out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bakeoff.errors import BadData
from bakeoff.tasks.documents.records import Passage, Reply, Statement
from bakeoff.tasks.documents.reply.candidates import Candidate
from bakeoff.tasks.documents.reply.evidence import PageOf, remembering
from bakeoff.tasks.documents.reply.ranking import Ranking, rank
from bakeoff.tasks.documents.reply.support import DEFAULT, SupportModel, features

if TYPE_CHECKING:
    from bakeoff.tasks.documents.index.embed import Embedder

LEAST_OF_BEST = 0.8
"""A further statement must score this share of the best one's score."""

SAME = 0.8
"""Two statements that share this much of their terms say the same."""


def extract(
    question: str,
    passages: Sequence[Passage],
    page_of: PageOf,
    *,
    threshold: float,
    most: int = 4,
    embedder: Embedder | None = None,
    model: SupportModel = DEFAULT,
) -> Reply:
    """Answer from the passages alone, in their own words, or abstain.

    Parameters
    ----------
    question : str
    passages : sequence of Passage
        Best first.
    page_of : callable
        ``page_of(document, number) -> Page``.
    threshold : float in [0, 1]
        It abstains where support is below.
    most : int, at least 1, default=4
        Statements at most.
    embedder : Embedder or None
        Compares candidates with the question by meaning too.
    model : SupportModel
        What support is computed with.

    Returns
    -------
    Reply
        Each statement with its citations; its words are theirs. Abstained, with the passages as the nearest, where support is below the threshold.
        `timings` has 'extract', in seconds.

    Raises
    ------
    BadData
        If `most` or `threshold` is out of its range.
    """
    started = time.perf_counter()
    if most < 1 or not 0 <= threshold <= 1:
        raise BadData(f"`most` is {most} and `threshold` {threshold}.", fix="most is at least 1, and threshold in [0, 1]")
    page_of = remembering(page_of)
    ranking = rank(question, passages, page_of, embedder)
    support = model.support(features(question, passages)) if passages else 0.0
    chosen = choose(ranking, most) if passages and support >= threshold else []
    statements = tuple(Statement(each.text, each.citations(page_of)) for each in chosen)
    return Reply(
        statements=statements,
        abstained=not statements,
        passages=tuple(passages),
        support=support,
        timings={"extract": time.perf_counter() - started},
    )


def choose(ranking: Ranking, most: int) -> list[Candidate]:
    """The candidates that best answer the question, best first. Empty where none shares a term with it."""
    chosen: list[Candidate] = []
    for candidate, score in zip(ranking.candidates, ranking.scores, strict=True):
        if len(chosen) == most or score <= 0 or score < LEAST_OF_BEST * ranking.scores[0]:
            break
        if not any(_same(candidate, other) for other in chosen):
            chosen.append(candidate)
    return chosen


def _same(one: Candidate, other: Candidate) -> bool:
    if len(one.parts) > 1 and len(other.parts) > 1 and one.parts[0] == other.parts[0] and one.parts != other.parts:
        # Items of one list, or rows of one group, share what stands before them.
        return False
    if one.text in other.text or other.text in one.text:
        return True
    both = one.terms | other.terms
    return len(one.terms & other.terms) >= SAME * len(both) and _digits(one) == _digits(other)


def _digits(candidate: Candidate) -> frozenset[str]:
    return frozenset(term for term in candidate.terms if term[0].isdigit())
