"""The places that quotes point to, and what must be read there: whole sentences with their context, whole table rows with their headers.

A quote is a pointer, not the evidence itself. "sublet the premises" is verbatim in "The Tenant shall not sublet the premises" and says the opposite.
So each quote is found in its page's text, character by character, and widened to the sentence it stands in; a sentence that begins on the page
before, or an item of a list whose first words are above ("The Tenant shall not:"), is put together first. A quote in a table stands for its
row, with the headings of its group and columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bakeoff.tasks.documents.records import Chunk, Page, Span, chunk_spans
from bakeoff.tasks.documents.reply.sentences import sentence_spans

PageOf = Callable[[str, int], Page]
"""``page_of(document, number)``; raises BadData where there is no such page (or the asker may not see it)."""


def remembering(page_of: PageOf) -> PageOf:
    """The same pages, each fetched once: for the time of one answer."""
    known: dict[tuple[str, int], Page] = {}

    def page(document: str, number: int) -> Page:
        if (document, number) not in known:
            known[document, number] = page_of(document, number)
        return known[document, number]

    return page


LONGEST_QUOTE = 6_000
MOST_PLACES = 12
"""A quote that stands in more places of a page than this is tried at the first ones only."""

MOST_LINKS = 40
"""Blocks (or pages) that are looked through for the beginning of a list or of a table that goes on."""

LONGEST_OPEN = 2_000
"""Characters after which an open bracket or quotation is taken for a slip."""

MOST_IN_UNIT = 12_000
"""Characters of a sentence; a longer one is no sentence."""


@dataclass(frozen=True, slots=True)
class Quote:
    """Words that a statement rests on, and where they are said to stand.

    Parameters
    ----------
    document : str
        The document's name.
    page : int
        From 1.
    text : str
        As printed; white space may differ (a line break for a space).
    spans : tuple of Span
        Where it stands in `Page.text`, when that is known; several for the cells of a row, whose texts joined by spaces are `text`. Without them it
        is looked for.
    """

    document: str
    page: int
    text: str
    spans: tuple[Span, ...] = ()


def quotes_of(chunk: Chunk, start: int, end: int, document: str, page_of: PageOf) -> tuple[Quote, ...]:
    """Characters `start` to `end` of a chunk as quotes, one per page, as `boxes.citations_of` makes citations of them."""
    spans: dict[int, list[Span]] = {}
    for number, span in chunk_spans(chunk, start, end):
        spans.setdefault(number, []).append(span)
    found = []
    for number, parts in spans.items():
        text = page_of(document, number).text
        trimmed = [stripped(text, span) for span in parts]
        kept = tuple(span for span in trimmed if span.end > span.start)
        found.append(Quote(document, number, " ".join(text[span.start : span.end] for span in kept), kept))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Place:
    """A quote that was found: ranges of its page's text."""

    document: str
    page: int
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class SentenceUnit:
    """A sentence with what it needs to be understood, as one text.

    `quoted` tells for each character whether a quote covers it; `lead` is how many characters at the start introduce a list.
    A `fragment` has a beginning or an end that was not found: nothing follows from it.
    """

    document: str
    text: str
    quoted: tuple[bool, ...]
    lead: int = 0
    fragment: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a row: the headers over it from the outermost on, the text of its cell, and the unit that holds for it."""

    path: tuple[str, ...]
    text: str
    unit: str


@dataclass(frozen=True, slots=True)
class RowUnit:
    """A row of a table with its headings, as far as quotes cover it.

    Parameters
    ----------
    groups, label : tuple of str
        Headings of its group from the outermost on; its label. `named` tells whether quotes cover them.
    values : tuple of Value
        Those whose cell and headers are quoted; `hidden` tells that there are others.
    printed : str
        The row as it stands on the page, without headers, where quotes cover all of it; else ''.
    columns_named : bool
        Its table has column headers.
    ambiguous : frozenset of header keys
        Headers that stand over two different values of the row, quoted or not: what they mean for one of them would be a guess.
    """

    document: str
    groups: tuple[str, ...]
    label: tuple[str, ...]
    values: tuple[Value, ...]
    printed: str = ""
    named: bool = True
    hidden: bool = False
    columns_named: bool = True
    ambiguous: frozenset[tuple[str, ...]] = frozenset()


def header_key(path: Sequence[str]) -> tuple[str, ...]:
    """Headers that differ in case, spaces or signs alone have one key."""
    return tuple(re.sub(r"[\W_]+", "", header).casefold() for header in path)


Unit = SentenceUnit | RowUnit


def find(quote: Quote, page: Page) -> list[Place]:
    """Where a quote stands on its page: verbatim, but for white space. Empty where it does not.

    Parameters
    ----------
    quote : Quote
        With `spans`, only these are looked at, and each must hold its words.
    page : Page
        The quote's own.
    """
    wanted = " ".join(quote.text.split())
    if not wanted or len(quote.text) > LONGEST_QUOTE or page.number != quote.page:
        return []
    if quote.spans:
        if any(not 0 <= span.start < span.end <= len(page.text) for span in quote.spans):
            return []
        there = " ".join(" ".join(page.text[span.start : span.end].split()) for span in quote.spans)
        return [Place(quote.document, quote.page, tuple(quote.spans))] if there == wanted else []
    flat, at = _flat(page.text)
    found: list[Place] = []
    begin = flat.find(wanted)
    while begin >= 0 and len(found) < MOST_PLACES:
        found.append(Place(quote.document, quote.page, (Span(at[begin], at[begin + len(wanted) - 1] + 1),)))
        begin = flat.find(wanted, begin + 1)
    return found


def _flat(text: str) -> tuple[str, list[int]]:
    """The text with each run of white space as one space, and where each of its characters stands in `text`."""
    flat: list[str] = []
    at: list[int] = []
    for index, each in enumerate(text):
        if each.isspace():
            if flat and flat[-1] == " ":
                continue
            each = " "
        flat.append(each)
        at.append(index)
    return "".join(flat), at


_STRAIGHT_QUOTE = re.compile(r'(?<![0-9])"')
_NO_END = re.compile(r"(?:^|[\s(])(?:[a-z]|v|vs|cf|approx|No|Nos|Art|Sec|Par|Ex)\.$")


def whole_sentences(text: str) -> list[Span]:
    """The sentences of a text, line breaks taken as spaces. What may be one sentence is not cut: better too much evidence than half of it.

    So a stop inside brackets or quoted speech ends no sentence, nor does one after an abbreviation.
    """
    found: list[Span] = []
    for here in sentence_spans(text.replace("\n", " ")):
        before = text[found[-1].start : found[-1].end] if found else ""
        if found and len(before) < LONGEST_OPEN and (_NO_END.search(before[-12:]) or _is_open(before)):
            found[-1] = Span(found[-1].start, here.end)
        else:
            found.append(here)
    return found


def _is_open(text: str) -> bool:
    """Whether a bracket or a quotation is still open at a text's end."""
    brackets = text.count("(") - text.count(")") + text.count("[") - text.count("]")
    # An inch mark is no quotation.
    straight = len(_STRAIGHT_QUOTE.findall(text))
    return brackets > 0 or text.count("“") > text.count("”") or straight % 2 == 1


def stripped(text: str, span: Span) -> Span:
    """A span without the white space at its ends."""
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return Span(start, end)
