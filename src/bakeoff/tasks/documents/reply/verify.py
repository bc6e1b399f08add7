"""The verifier: a statement is accepted when its quotes are on their pages and one sentence or one table row says what it says.

It does not ask whether a statement is likely. It asks whether each of its sentences is, token by token, a sentence or a row that is quoted, up to a
closed list of edits that cannot change the meaning (`derive`, `row_claims`). So a changed number, date, name, unit or negation, a swapped role, a
dropped condition, or a subject from one place with a number from another has nothing to follow from. The price is that free paraphrase is refused too.

A model of entailment can be added as a further gate (`entails`); it can refuse, and never lets anything in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bakeoff.errors import BadData
from bakeoff.tasks.documents.reply.derive import follows
from bakeoff.tasks.documents.reply.evidence import PageOf, Place, Quote, RowUnit, SentenceUnit, Unit, find, whole_sentences
from bakeoff.tasks.documents.reply.evidence_read import Reader
from bakeoff.tasks.documents.reply.row_claims import claims
from bakeoff.tasks.documents.reply.verify_facts import LONGEST_TEXT, odd_characters, tokens_of
from bakeoff.tasks.documents.reply.verify_reasons import explain

Reason: TypeAlias = Literal[
    "ok", "empty", "too_long", "no_quote", "quote_not_found", "bad_character", "number", "unit", "date", "name", "negation", "quantifier",
    "direction", "unsupported", "left_out", "order", "stitched", "out_of_context", "not_in_quote", "not_entailed",
]  # fmt: skip

REASONS: dict[str, str] = {
    "ok": "supported",
    "empty": "there is nothing to check",
    "too_long": "longer than a statement can be",
    "no_quote": "no quote was given",
    "quote_not_found": "a quote does not stand, word for word, on the page that it is said to be from",
    "bad_character": "it holds a character that cannot be seen, or that looks like another one, and the quote does not",
    "number": "a number is not in the quote",
    "unit": "a number is in the quote with another unit or magnitude",
    "date": "a date or period is not in the quote",
    "name": "a name is not in the quote",
    "negation": "a negation was added or left out",
    "quantifier": "how much or how surely it holds was changed (all, some, at least, may, must)",
    "direction": "a direction or comparison was turned round",
    "unsupported": "a word is not in the quote",
    "left_out": "words of the quoted sentence or row that may limit it were left out",
    "order": "the words are there, in another order",
    "stitched": "its parts come from different places, and no single one says all of it",
    "out_of_context": "it is an item of a list, without the words that introduce the list",
    "not_in_quote": "the sentence or row around the quote would support it, the quote alone does not",
    "not_entailed": "the entailment model does not hold it for supported",
}
"""What each reason means, for people."""

LONGEST_STATEMENT = 4_000
MOST_QUOTES = 30

_POINTS_BACK = re.compile(
    r"(?i)\b(?:it|its|itself|they|their|theirs|them|this|these|those|that|such|he|him|his|she|her|hers|former|latter|same|said|there|so|here|one)\b"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the verifier says: `accepted`, the `reason` (a key of `REASONS`, 'ok' when accepted), and `detail`, the words it is about."""

    accepted: bool
    reason: Reason
    detail: str = ""

    def __bool__(self) -> bool:
        return self.accepted


def verify(
    statement: str,
    quotes: Sequence[Quote],
    page_of: PageOf,
    *,
    entails: Callable[[str, str], float] | None = None,
    entailed_from: float = 0.5,
) -> Verdict:
    """Check a statement against the quotes that it cites.

    Parameters
    ----------
    statement : str
        One or more sentences, or a row as text. Each sentence must be supported by one sentence or row that is quoted.
    quotes : sequence of Quote
        Each must stand verbatim on its page; one that does not refuses the statement.
    page_of : callable
        ``page_of(document, number) -> Page``; BadData where there is no such page.
    entails : callable or None
        ``entails(premise, hypothesis)`` -> probability in [0, 1] that the premise entails it. A further gate, never a way in.
    entailed_from : float
        The least such probability, in [0, 1].

    Returns
    -------
    Verdict

    Examples
    --------
    >>> from bakeoff.tasks.documents.records import Page
    >>> page = Page(1, 612, 792, "In 2022, sales rose 5% to $5.4 billion.", None)
    >>> verify("Sales rose 5% to $5,400 million in 2022.", [Quote("a.pdf", 1, page.text)], lambda document, number: page)
    Verdict(accepted=True, reason='ok', detail='')
    >>> verify("Sales rose 6% to $5.4 billion in 2022.", [Quote("a.pdf", 1, page.text)], lambda document, number: page).reason
    'number'
    """
    text = statement.strip()
    if not any(each.isalnum() for each in text):
        return Verdict(False, "empty")
    if len(text) > LONGEST_STATEMENT:
        return Verdict(False, "too_long", f"{len(text)} characters")
    if not quotes or len(quotes) > MOST_QUOTES:
        return Verdict(False, "no_quote", "" if not quotes else f"{len(quotes)} quotes")
    placed = _places(quotes, page_of)
    if isinstance(placed, Verdict):
        return placed
    hidden = _unseen(text, quotes)
    if hidden:
        return Verdict(False, "bad_character", hidden)
    units = Reader(page_of, placed).units()
    sentences = [text[span.start : span.end] for span in whole_sentences(text)] or [text]
    used: list[Unit] = []
    for sentence in sentences:
        unit = _support(sentence, units)
        if unit is None:
            # A row's text may hold a full stop that looks like the end of a sentence.
            whole = _support(text, units) if len(sentences) > 1 else None
            if whole is None:
                return _refused(sentence, units)
            used, sentences = [whole], [text]
            break
        used.append(unit)
    if apart := _is_stitched(sentences, used, quotes):
        return Verdict(False, "stitched", apart)
    if entails is not None:
        for sentence, unit in zip(sentences, used, strict=True):
            sure = entails(unit_text(unit), sentence)
            if not sure >= entailed_from:
                return Verdict(False, "not_entailed", f"{sure:.2f}")
    return Verdict(True, "ok")


def unit_text(unit: Unit) -> str:
    """The evidence as text: the sentence with its context, or the row with its headings."""
    if isinstance(unit, SentenceUnit):
        return unit.text
    parts = [*unit.groups, *unit.label]
    for value in unit.values:
        parts += [*value.path, f"{value.text} {value.unit}".strip()]
    return " | ".join(part for part in parts if part) or unit.printed


def _places(quotes: Sequence[Quote], page_of: PageOf) -> list[Place] | Verdict:
    found: list[Place] = []
    for quote in quotes:
        try:
            page = page_of(quote.document, quote.page)
        except BadData:
            return Verdict(False, "quote_not_found", f"{quote.document} has no page {quote.page}")
        places = find(quote, page)
        if not places:
            return Verdict(False, "quote_not_found", quote.text[:200])
        found += places
    return found


def _unseen(text: str, quotes: Sequence[Quote]) -> str:
    """A character of the statement that nobody can see or tell apart, unless the quotes hold it as often."""
    there: dict[str, int] = {}
    for quote in quotes:
        for each, count in odd_characters(quote.text).items():
            there[each] = there.get(each, 0) + count
    return next((f"U+{ord(each):04X}" for each, count in odd_characters(text).items() if count > there.get(each, 0)), "")


def _support(sentence: str, units: Sequence[Unit]) -> Unit | None:
    tokens = tokens_of(sentence[:LONGEST_TEXT])
    for unit in units:
        if follows(tokens, unit) if isinstance(unit, SentenceUnit) else claims(sentence, unit):
            return unit
    return None


def _is_stitched(sentences: Sequence[str], used: Sequence[Unit], quotes: Sequence[Quote]) -> str:
    """Sentences that are true apart may say something false together: "Beta was sued. It paid a fine." with "it" from elsewhere."""
    if len(sentences) < 2:
        return ""
    if len({unit.document for unit in used}) > 1:
        return "sentences of different documents in one statement"
    flat = [" ".join(quote.text.split()) for quote in quotes]
    for before, sentence, one, other in zip(sentences, sentences[1:], used, used[1:], strict=False):
        if one is not other and _POINTS_BACK.search(sentence) and not any(f"{before[-80:]} {sentence}" in text for text in flat):
            return sentence[:200]
    return ""


def _refused(sentence: str, units: Sequence[Unit]) -> Verdict:
    shown = [
        unit
        if isinstance(unit, RowUnit)
        else SentenceUnit(unit.document, unit.text, (True,) * len(unit.text), unit.lead, unit.fragment)
        for unit in units
    ]
    if _support(sentence, [unit for unit in shown if isinstance(unit, SentenceUnit)]) is not None:
        return Verdict(False, "not_in_quote", sentence[:200])
    items = [
        SentenceUnit(unit.document, unit.text[unit.lead :], (True,) * (len(unit.text) - unit.lead))
        for unit in units
        if isinstance(unit, SentenceUnit) and unit.lead
    ]
    if _support(sentence, items) is not None:
        return Verdict(False, "out_of_context", sentence[:200])
    reason, detail = explain(
        sentence, [unit_text(unit) for unit in units], [isinstance(unit, RowUnit) and unit.hidden for unit in units]
    )
    return Verdict(False, reason, detail)  # type: ignore[arg-type]
