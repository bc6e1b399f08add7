"""What a question asks about, apart from how it wants to be answered.

"If the quick ratio is not useful here, then state that and explain why" or "Answer in USD millions" says nothing about the passage that is
looked for, and its words find the wrong ones. Such sentences are left out of the search; where they name a source ("relying on the statement of cash
flows") the source is kept. What a question consists of is never left out as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bakeoff.tasks.documents.find.glossary import ACCOUNTING, definitions
from bakeoff.tasks.documents.index.terms import terms_of
from bakeoff.tasks.documents.reply.sentences import sentence_spans

LONGEST = 4_000
"""Characters of a question that are read."""

_CONDITION = re.compile(
    r"(?:if|when|where|should|in case)\b.*\b(?:state|say|answer|explain|respond|reply|indicate|return|write|tell|note|specify)\b",
    re.IGNORECASE,
)
_INSTRUCTION = re.compile(
    r"(?:please\s+|kindly\s+)?(?:answer|give|respond|reply|state|express|round|provide|report|return|use|rely|base|assume|present|write|show your|"
    r"do not|don't|make sure|keep|be (?:brief|concise|specific)|think|explain your|justify|cite|quote|limit|format)\b",
    re.IGNORECASE,
)
_SOURCE = re.compile(
    r"\b(?:(?:rely|relying|based|basing|base|drawing)\s+(?:\w+ly\s+|only\s+)?(?:up)?on|according to|using|use|"
    r"(?:shown|found|given|stated|reported|presented|disclosed|outlined|provided|contained|listed)\s+(?:\w+ly\s+)?(?:in|within|on|by))\s+(.+)",
    re.IGNORECASE,
)
_QUANTITY = re.compile(
    r"\b(?:how (?:much|many|large|big|high|low|long|old|often)|what (?:percent|percentage|share|proportion|amount|number|quantity|fraction)|"
    r"by how much|ratio|margin|rate|average|total|usd|dollars?|millions?|billions?|value of|cost of|amount of|number of)\b|[%$€£¥]",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\b(?:why|what (?:drove|caused|led|explains?)|reasons?|drivers?|explain|describe|how (?:does|do|did|is|are|was|were)\b(?! much| many))",
    re.IGNORECASE,
)
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


@dataclass(frozen=True, slots=True)
class Question:
    """A question, read.

    Parameters
    ----------
    text : str
        As asked.
    content : str
        Without instructions.
    searched : str
        What is embedded: the content, and the definitions of its terms of art.
    terms : tuple of str
        Of what is searched, each once, in order.
    years, numbers : frozenset of str
        Years, and all other terms that are numbers.
    quantity : bool
        It asks for a figure.
    reason : bool
        It asks for a cause or a description.
    """

    text: str
    content: str
    searched: str
    terms: tuple[str, ...]
    years: frozenset[str]
    numbers: frozenset[str]
    quantity: bool
    reason: bool


def read_question(text: str, glossary: Mapping[str, str] = ACCOUNTING) -> Question:
    """Read a question of any length; an empty one has no terms. `glossary` holds the terms of art that are also searched by definition."""
    text = " ".join(text[:LONGEST].split())
    content = content_of(text)
    searched = " ".join([content, *definitions(content, glossary)])
    terms = tuple(dict.fromkeys(terms_of(searched)))
    figures = frozenset(term for term in terms_of(content) if term[0].isdigit() and term.replace(".", "").isdigit())
    years = frozenset(term for term in figures if _YEAR.fullmatch(term))
    reason = _REASON.search(content) is not None
    return Question(
        text, content, searched, terms, years, figures - years, _QUANTITY.search(content) is not None and not reason, reason
    )


def content_of(text: str) -> str:
    """A question without the sentences that say how to answer it.

    Examples
    --------
    >>> content_of("What is the margin? If it is not useful, then state that and explain why.")
    'What is the margin?'
    >>> content_of("What is EBITDA? Answer in USD millions, relying on the income statement.")
    'What is EBITDA? the income statement.'
    >>> content_of("State the purpose of the directory.")
    'State the purpose of the directory.'
    """
    sentences = [text[span.start : span.end] for span in sentence_spans(text)]
    asks = [not (_CONDITION.match(each) or _INSTRUCTION.match(each)) or each.endswith("?") for each in sentences]
    if not any(asks):
        return text
    kept = []
    for sentence, asking in zip(sentences, asks, strict=True):
        if asking:
            kept.append(sentence)
        elif not _CONDITION.match(sentence) and (source := _SOURCE.search(sentence)):
            named = source[1]
            while inner := _SOURCE.search(named):
                named = inner[1]
            kept.append(named)
    return " ".join(kept)
