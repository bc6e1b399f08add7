"""Do the citations carry the statements, and do their boxes show the quoted words?

Citation recall and precision follow ALCE (Gao et al. 2023, arXiv 2305.14627), with one change: ALCE asks an entailment model whether passages
support a statement; here a judge without a model decides, `supports`, because a figure that another model gives cannot be checked by
reading. Another judge can be put in its place.

- A statement has recall 1 if it has citations and all their quotes together support it, else 0.
- A citation has precision 1 if its statement has recall 1 and it is not irrelevant: alone it supports the statement, or without it the others
  do not. A citation of a statement with recall 0 has precision 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bakeoff.tasks.documents.boxes import overlap
from bakeoff.tasks.documents.quality.evaluate_values import contains, dates, normal_words, quantities, same_quantity, share_of
from bakeoff.tasks.documents.quality.question_file import Question
from bakeoff.tasks.documents.records import Box, Page

if TYPE_CHECKING:
    from bakeoff.tasks.documents.made.made_truth import Place

Support = Callable[[str, Sequence[str]], bool]
PageText = Callable[[str, int], str]

SUPPORTED = 0.8
"""Share of a statement's content words that must stand in the quotes, where it is not a verbatim part of them."""

_NEGATIONS = frozenset(["no", "not", "never", "neither", "nor", "none", "nothing", "without", "cannot", "unless", "except"])
_PLAIN = frozenset(
    [
        "of",
        "to",
        "in",
        "on",
        "at",
        "by",
        "for",
        "from",
        "with",
        "and",
        "or",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "being",
        "it",
        "its",
        "this",
        "that",
        "these",
        "those",
        "as",
        "which",
        "who",
        "has",
        "have",
        "had",
        "will",
        "shall",
        "may",
        "must",
        "into",
        "than",
        "then",
        "so",
        "such",
        "their",
        "his",
        "her",
        "our",
        "your",
        "also",
    ]
)


@dataclass(frozen=True)
class Judged:
    """What was found about one reply. A share is None where there was nothing to take it of."""

    recall: float | None
    precision: float | None
    statements: int
    citations: int


def supports(statement: str, quotes: Sequence[str]) -> bool:
    """Whether quotes carry a statement, judged by words alone.

    They do if the statement stands in one of them word for word. Else every number (with its unit) and date of the statement must be in the
    quotes, a negation in one must be in the other, and so must `SUPPORTED` of the statement's content words. This cannot see that a sentence
    says something else in the same words; it is a bound that a reader can check, not an understanding.
    """
    words = normal_words(statement)
    if not words:
        return False
    parts = [normal_words(quote) for quote in quotes]
    if any(contains(part, words) for part in parts):
        return True
    together = " ".join(quotes)
    there = quantities(together)
    if not all(any(same_quantity(found, said) for found in there) for said in quantities(statement)):
        return False
    known = dates(together)
    if not all(date in known for date in dates(statement)):
        return False
    every = [word for part in parts for word in part]
    if _negated(words) and not _negated(every):
        return False
    content = [word for word in words if word not in _PLAIN]
    return share_of(content, every) >= SUPPORTED


def judge(reply: Mapping[str, Any], *, support: Support | None = None, page_text: PageText | None = None) -> Judged:
    """Citation recall over a reply's statements, and precision over its citations.

    Parameters
    ----------
    reply : mapping
        With ``statements``, each with ``text`` and ``citations`` (``document``, ``page``, ``quote``).
    support : function of (statement, quotes) to bool, or None
        None for `supports`.
    page_text : function of (document, page) to text, or None
        With it, a citation counts only if its quote stands on its page.
    """
    decide = support or supports
    recalls: list[bool] = []
    precise: list[bool] = []
    for statement in reply["statements"]:
        cited = list(statement.get("citations", ()))
        quotes = [str(citation["quote"]) if page_text is None or on_page(citation, page_text) else "" for citation in cited]
        real = [quote for quote in quotes if quote]
        recall = bool(real) and decide(str(statement["text"]), real)
        recalls.append(recall)
        for number, quote in enumerate(quotes):
            others = [other for place, other in enumerate(quotes) if place != number and other]
            needed = (
                recall
                and bool(quote)
                and (decide(str(statement["text"]), [quote]) or not others or not decide(str(statement["text"]), others))
            )
            precise.append(needed)
    return Judged(
        sum(recalls) / len(recalls) if recalls else None,
        sum(precise) / len(precise) if precise else None,
        len(recalls),
        len(precise),
    )


def on_page(citation: Mapping[str, Any], page_text: PageText) -> bool:
    """Whether a citation's quote stands on the page that it names, word for word (spacing aside)."""
    quote = _squeezed(str(citation["quote"]))
    return bool(quote) and quote in _squeezed(page_text(str(citation["document"]), int(citation["page"])))


def gold_share(question: Question, reply: Mapping[str, Any]) -> float | None:
    """Share of a reply's citations that name a gold page. None where there is no gold, or nothing was cited."""
    pages = set(question.pages)
    cited = [
        (citation["document"], citation["page"])
        for statement in reply["statements"]
        for citation in statement.get("citations", ())
    ]
    return sum(page in pages for page in cited) / len(cited) if pages and cited else None


# --- boxes -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BoxScore:
    """How a citation's boxes agree with where the words were printed. `iou` in [0, 1]; `exact` where the text inside them is the quote."""

    iou: float
    exact: bool


def box_score(found: Iterable[Box], place: Place, page: Page) -> BoxScore:
    """Compare the boxes of a citation with a place of the made corpus.

    Parameters
    ----------
    found : iterable of Box
        The citation's, in points from the top left of the displayed page.
    place : Place
        Where the words were printed, and what they are.
    page : Page
        As parsed, for the text inside the boxes.
    """
    boxes = [tuple(map(float, box)) for box in found]
    return BoxScore(overlap(boxes, place.boxes), _squeezed(text_inside(boxes, page)) == _squeezed(place.quote))  # type: ignore[arg-type]


def text_inside(boxes: Sequence[Sequence[float]], page: Page) -> str:
    """The characters of a page whose centres lie in the boxes, in the order of the page's text; gaps become one space."""
    import numpy as np

    rows = np.asarray(page.boxes, dtype=float)
    centres = (rows[:, :2] + rows[:, 2:]) / 2
    inside = np.zeros(len(rows), dtype=bool)
    for x0, y0, x1, y1 in boxes:
        inside |= (centres[:, 0] >= x0) & (centres[:, 0] <= x1) & (centres[:, 1] >= y0) & (centres[:, 1] <= y1)
    found: list[str] = []
    last = -1
    for at in np.flatnonzero(inside).tolist():
        if found and at != last + 1:
            found.append(" ")
        found.append(page.text[at])
        last = at
    return "".join(found)


def _negated(words: Iterable[str]) -> bool:
    return any(word in _NEGATIONS or word.endswith("n't") for word in words)


def _squeezed(text: str) -> str:
    """Without any white space: where a line ends is no part of a quote."""
    return re.sub(r"\s+", "", text)
