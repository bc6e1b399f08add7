"""What can be quoted from a passage: its sentences, the rows of its table, the words of its figure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bakeoff.contract import Citation
from bakeoff.errors import BadData
from bakeoff.tasks.documents.boxes import line_boxes
from bakeoff.tasks.documents.find.question import Question, read_question
from bakeoff.tasks.documents.index.terms import terms_of
from bakeoff.tasks.documents.records import Chunk, Page, Passage, Span, chunk_spans
from bakeoff.tasks.documents.reply.evidence import PageOf, Quote, stripped, whole_sentences
from bakeoff.tasks.documents.reply.row_parts import Printed, RowParts, RowValue, rows_apart
from bakeoff.tasks.documents.reply.verify_facts import PLAIN
from bakeoff.tasks.documents.tabular.table_rows import SEPARATOR

LONGEST_SENTENCE = 1_500
"""Characters: what is longer is no sentence, and is not quoted as one."""

MOST_COLUMNS = 8
"""Values of a row that are quoted together where the question names no column."""

_OPENS_LIST = re.compile(r"[:：]\s*$")
_ITEM = re.compile(r"\s*(?:[•●▪◦‣·*\-–—]\s|\(?(?:[0-9]{1,3}|[a-zA-Z]|[ivxlcIVXLC]{1,6})[.)]\s)")
_ITEM_END = re.compile(r"(?:[;,]|;\s*(?:and|or)|,\s*(?:and|or))\s*$")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A statement that could be made: its text, and where each part of it is printed.

    Parameters
    ----------
    text : str
    document : str
    parts : tuple of (page number, Span)
        In order; their words are the text, but for separators and for units that are not printed beside a value.
    rank : int
        Of its passage, from 0.
    place : tuple of int
        Where it stands in its passage, for reading order.
    context : str
        What it stands under.
    kind : str
        'sentence', 'row' or 'figure'.
    terms : frozenset of str
        Of its text.
    alone : bool
        Its passage is this row or figure and nothing else.
    """

    text: str
    document: str
    parts: tuple[tuple[int, Span], ...]
    rank: int
    place: tuple[int, ...]
    context: str
    kind: str
    terms: frozenset[str] = field(default_factory=frozenset)
    alone: bool = False

    def quotes(self, page_of: PageOf) -> tuple[Quote, ...]:
        """Its words as quotes, one per page, verbatim."""
        found = []
        for number, spans in self._by_page().items():
            text = page_of(self.document, number).text
            found.append(Quote(self.document, number, " ".join(text[span.start : span.end] for span in spans), tuple(spans)))
        return tuple(found)

    def citations(self, page_of: PageOf) -> tuple[Citation, ...]:
        """Where it stands: one citation per page, with a box for each printed line of each part."""
        found = []
        for number, spans in self._by_page().items():
            page = page_of(self.document, number)
            quote = " ".join(page.text[span.start : span.end] for span in spans)
            found.append(Citation(self.document, number, quote, line_boxes(page.boxes, spans) if page.boxes is not None else ()))
        return tuple(found)

    def _by_page(self) -> dict[int, list[Span]]:
        pages: dict[int, list[Span]] = {}
        for number, span in self.parts:
            if span.end > span.start:
                pages.setdefault(number, []).append(span)
        return pages


def candidates_of(question: Question, passages: Sequence[Passage], page_of: PageOf) -> list[Candidate]:
    """All candidates of the passages, in their order; each place of a page is in one candidate only.

    A row that was found by itself and in its table is the one that was found by itself: the table's rank is not the row's.
    """
    found: dict[tuple[str, tuple[tuple[int, Span], ...]], Candidate] = {}
    for rank, passage in enumerate(passages):
        for candidate in _of_passage(question, rank, passage, page_of):
            key = (candidate.document, candidate.parts)
            known = found.get(key)
            if candidate.parts and (known is None or (candidate.alone and not known.alone)):
                found[key] = candidate
    return sorted(found.values(), key=lambda candidate: (candidate.rank, candidate.place))


def candidates_near(rank: int, passage: Passage, page_of: PageOf, quote: str | None) -> Iterator[Candidate]:
    """What of a passage a quote touches: sentences, and rows by their single values, by pairs of values, and whole.

    Parameters
    ----------
    rank : int
    passage : Passage
    page_of : callable
    quote : str or None
        It must stand in the passage's text, white space and the shape of quotation marks and dashes aside; for a row its parts must. None takes all.
    """
    shown = plain(passage.chunk.text)
    wanted = [part for part in (plain(each) for each in (quote or "").split("|")) if part]
    if quote is not None and (not wanted or not all(part in shown for part in wanted)):
        return
    nothing = read_question("")
    for candidate in _of_passage(nothing, rank, passage, page_of):
        if candidate.kind != "row":
            said = plain(candidate.text)
            if quote is None or any(part in said or said in part or _share_words(part, said) for part in wanted):
                yield candidate
    if passage.chunk.table is not None:
        for row in _held_rows(passage, page_of):
            for count in (1, 2, len(row.values)):
                for values in itertools.combinations(row.values[:MOST_COLUMNS], min(count, MOST_COLUMNS, len(row.values))):
                    yield _row_of(rank, passage, row, values)


def _share_words(part: str, said: str) -> bool:
    """Whether a quote over a sentence's end holds some of this sentence: its last words, or its first."""
    words = said.split(" ")
    for size in range(min(len(words), 12), 2, -1):
        if part.startswith(" ".join(words[-size:])) or part.endswith(" ".join(words[:size])):
            return True
    return False


def plain(text: str) -> str:
    """A text with single spaces, straight quotes and plain dashes, for finding what a model copied."""
    return " ".join(text.translate(PLAIN).split())


def _of_passage(question: Question, rank: int, passage: Passage, page_of: PageOf) -> Iterator[Candidate]:
    chunk = passage.chunk
    if chunk.table is not None:
        rows = list(_rows(question, rank, passage, page_of))
        if rows:
            yield from rows
            return
    if chunk.kind == "figure":
        parts = tuple(chunk_spans(chunk, 0, len(chunk.text)))
        text = " ".join(chunk.text.split())
        yield Candidate(text, passage.document, parts, rank, (0,), chunk.context, "figure", frozenset(terms_of(text)), True)
        return
    yield from _sentences(rank, passage, page_of)


def _sentences(rank: int, passage: Passage, page_of: PageOf) -> Iterator[Candidate]:
    """Sentences of running text. An item of a list comes with the sentence that introduces it, which may turn its meaning round."""
    chunk = passage.chunk
    opening: tuple[int, int] | None = None
    for start, end in _lines(chunk.text):
        line = chunk.text[start:end]
        item = _ITEM.match(line) is not None or _ITEM_END.search(line) is not None
        if not item and opening is not None and not _OPENS_LIST.search(chunk.text[opening[0] : opening[1]]):
            opening = None
        spans = whole_sentences(line)
        for number, span in enumerate(spans):
            ranges = [(start + span.start, start + span.end)]
            if number == 0 and opening is not None and (item or _follows_opening(chunk, opening, start)):
                ranges.insert(0, opening)
            candidate = _quoted(chunk, ranges, rank, passage, page_of)
            # What introduces a list says something only with its items, where these are here.
            introduces = number == len(spans) - 1 and _OPENS_LIST.search(line) and chunk.text[end:].strip()
            if candidate is not None and not introduces:
                yield candidate
        if spans and _OPENS_LIST.search(line):
            opening = (start + spans[-1].start, start + spans[-1].end)
        elif not item:
            opening = None


def _follows_opening(chunk: Chunk, opening: tuple[int, int], start: int) -> bool:
    return not chunk.text[opening[1] : start].strip()


def _lines(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for line in text.split("\n"):
        if line.strip():
            yield at, at + len(line)
        at += len(line) + 1


def _quoted(chunk: Chunk, ranges: Sequence[tuple[int, int]], rank: int, passage: Passage, page_of: PageOf) -> Candidate | None:
    """The candidate made of ranges of a chunk, in the words of the pages themselves; None where they are not all printed."""
    parts: list[tuple[int, Span]] = []
    words: list[str] = []
    for start, end in ranges:
        if end - start > LONGEST_SENTENCE:
            return None
        here = chunk_spans(chunk, start, end)
        for number, span in here:
            text = page_of(passage.document, number).text
            span = stripped(text, span)
            if span.end > span.start:
                parts.append((number, span))
                words.append(text[span.start : span.end])
    text = " ".join(" ".join(words).split())
    if not any(each.isalnum() for each in text) or "".join(text.split()) != "".join(
        "".join(chunk.text[a:b] for a, b in ranges).split()
    ):
        return None
    return Candidate(
        text, passage.document, tuple(parts), rank, (ranges[-1][0],), chunk.context, "sentence", frozenset(terms_of(text))
    )


def _rows(question: Question, rank: int, passage: Passage, page_of: PageOf) -> Iterator[Candidate]:
    """Rows of the passage's table that the passage holds some of."""
    for row in _held_rows(passage, page_of):
        yield _row_of(rank, passage, row, _columns(question, row))


def _held_rows(passage: Passage, page_of: PageOf) -> Iterator[RowParts]:
    chunk = passage.chunk
    try:
        page = page_of(passage.document, chunk.page)
    except BadData:
        return
    if chunk.table is None or chunk.table >= len(page.tables):
        return
    held = [span for number, span in chunk_spans(chunk, 0, len(chunk.text)) if number == page.number]
    for row in rows_apart(page, chunk.table, lambda number: page_of(passage.document, number)):
        own = [*row.label, *(value.value for value in row.values)]
        if row.values and any(_overlaps(each, page, held) for each in own):
            yield row


def _row_of(rank: int, passage: Passage, row: RowParts, values: Sequence[RowValue]) -> Candidate:
    printed: list[Printed] = [*row.groups, *row.label]
    words = [_flat(each.text) for each in printed]
    for value in values:
        printed += [*value.path, value.value]
        words += [*(_flat(each.text) for each in value.path), _flat(value.text)]
    parts = tuple((each.page, each.span) for each in printed)
    text = SEPARATOR.join(word for word in words if word)
    alone = passage.chunk.kind == "row"
    return Candidate(
        text, passage.document, parts, rank, (row.number,), passage.chunk.context, "row", frozenset(terms_of(text)), alone
    )


def _columns(question: Question, row: RowParts) -> Sequence[RowValue]:
    """The columns whose headers hold a year or figure that the question names; all of them where none does."""
    wanted = question.years | question.numbers
    named = [value for value in row.values if wanted & {term for part in value.path for term in terms_of(part.text)}]
    return named or row.values[:MOST_COLUMNS]


def _overlaps(printed: Printed, page: Page, spans: Sequence[Span]) -> bool:
    return printed.page == page.number and any(printed.span.start < span.end and span.start < printed.span.end for span in spans)


def _flat(text: str) -> str:
    return " ".join(text.split())
