"""Widens quotes to what they stand in: the whole sentence with the words that introduce it, the whole row with its headings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bakeoff.errors import BadData
from bakeoff.tasks.documents.records import Block, Cell, Page, Span, Table
from bakeoff.tasks.documents.reply.evidence import (
    MOST_IN_UNIT,
    MOST_LINKS,
    PageOf,
    Place,
    RowUnit,
    SentenceUnit,
    Unit,
    Value,
    header_key,
    whole_sentences,
)
from bakeoff.tasks.documents.reply.row_parts import Printed, RowParts, rows_apart


@dataclass(slots=True)
class Reader:
    """Reads the evidence around places; keeps what it read for one statement.

    Parameters
    ----------
    page_of : callable
    places : sequence of Place
        All places of all quotes of the statement: what they cover together counts as quoted.
    """

    page_of: PageOf
    places: Sequence[Place]
    _covered: dict[tuple[str, int], list[Span]] = field(default_factory=dict)
    _rows: dict[tuple[str, int, int], list[RowParts]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for place in self.places:
            self._covered.setdefault((place.document, place.page), []).extend(place.spans)

    def units(self) -> list[Unit]:
        """The sentences and rows that the places stand in, each once, in order of the places."""
        found: list[Unit] = []
        for place in self.places:
            page = self.page_of(place.document, place.page)
            for span in place.spans:
                for unit in self._around(place.document, page, span):
                    if unit not in found:
                        found.append(unit)
        return found

    def _around(self, document: str, page: Page, span: Span) -> list[Unit]:
        found: list[Unit] = []
        outside: list[Span] = [span]
        for index, table in enumerate(page.tables):
            if span.start < table.span.end and table.span.start < span.end:
                found += self._table_units(document, page, index, span)
                outside = [part for each in outside for part in _minus(each, table.span)]
        for part in outside:
            if page.text[part.start : part.end].strip():
                found += self._sentences(document, page, part)
        return found

    # Sentences

    def _sentences(self, document: str, page: Page, span: Span) -> list[Unit]:
        found: list[Unit] = []
        blocks = blocks_of(page)
        for index, block in enumerate(blocks):
            if not (block.span.start < span.end and span.start < block.span.end) or block.kind == "table":
                continue
            sentences = _sentences_in(page, block.span)
            for number, sentence in enumerate(sentences):
                if sentence.start < span.end and span.start < sentence.end:
                    found.append(
                        self._sentence(document, page, blocks, index, sentence, number == 0, number == len(sentences) - 1)
                    )
        return found

    def _sentence(
        self, document: str, page: Page, blocks: Sequence[Block], index: int, sentence: Span, first: bool, last: bool
    ) -> SentenceUnit:
        segments: list[tuple[Page, Span]] = [(page, sentence)]
        block = blocks[index]
        running = block.kind in _RUNNING
        lead = 0
        text = page.text[sentence.start : sentence.end]
        begun = not (first and running and _bare_item(text)[:1].islower())
        ended = not (last and block.kind == "paragraph" and _BREAKS_OFF.search(text))
        # A heading names what is said below it, and says nothing.
        ended = ended and not (block.kind == "heading" and not _ENDS.search(text))
        if first and running:
            # Other pages are read only where this one leaves a sentence open.
            above = self._before(document, page, index) if text[:1].islower() or text[:1] in ",;)" else None
            if above is not None and _goes_on(above[0].text[above[1].start : above[1].end], text):
                segments.insert(0, above)
                begun = True
            opening = self._lead_in(document, page, index)
            if opening is not None and opening not in segments:
                segments.insert(0, opening)
                lead, begun = 1, True
        if last and running:
            below = None if _ENDS.search(text) else self._after(document, page, index)
            if below is not None and _goes_on(text, below[0].text[below[1].start : below[1].end]):
                segments.append(below)
                ended = True
        whole: list[str] = []
        quoted: list[bool] = []
        for number, (where, part) in enumerate(segments):
            if number:
                whole.append(" ")
                quoted.append(True)
            whole.append(where.text[part.start : part.end])
            quoted += self._mask(document, where.number, part)
            if lead == 1 and number == 0:
                lead = len(quoted)
        words, shown = "".join(whole)[:MOST_IN_UNIT], tuple(quoted[:MOST_IN_UNIT])
        return SentenceUnit(document, words, shown, lead if len(segments) > 1 else 0, not (begun and ended))

    def _mask(self, document: str, page: int, span: Span) -> list[bool]:
        covered = [False] * (span.end - span.start)
        for each in self._covered.get((document, page), ()):
            for index in range(max(each.start, span.start), min(each.end, span.end)):
                covered[index - span.start] = True
        return covered

    def _before(self, document: str, page: Page, index: int) -> tuple[Page, Span] | None:
        """The last sentence of the running text before a block, on this page or the one before."""
        blocks = blocks_of(page)
        for block in reversed(blocks[:index]):
            if block.kind in _RUNNING:
                return page, _sentences_in(page, block.span)[-1]
            if block.kind == "heading":
                return None
        return self._edge(document, page.number - 1, last=True)

    def _after(self, document: str, page: Page, index: int) -> tuple[Page, Span] | None:
        blocks = blocks_of(page)
        for block in blocks[index + 1 :]:
            if block.kind in _RUNNING:
                return page, _sentences_in(page, block.span)[0]
            if block.kind == "heading":
                return None
        return self._edge(document, page.number + 1, last=False)

    def _edge(self, document: str, number: int, last: bool) -> tuple[Page, Span] | None:
        page = self._page(document, number)
        if page is None:
            return None
        running = [block for block in blocks_of(page) if block.kind in _RUNNING]
        if not running:
            return None
        spans = _sentences_in(page, running[-1 if last else 0].span)
        return page, spans[-1 if last else 0]

    def _page(self, document: str, number: int) -> Page | None:
        if number < 1:
            return None
        try:
            return self.page_of(document, number)
        except BadData:
            return None

    def _lead_in(self, document: str, page: Page, index: int) -> tuple[Page, Span] | None:
        """The sentence that introduces the list that a block is an item of ("The Tenant shall not:"), or None."""
        here, blocks, at = page, blocks_of(page), index
        item = _is_item(page, blocks[index])
        for _ in range(MOST_LINKS):
            at -= 1
            while at < 0:
                before = self._page(document, here.number - 1)
                if before is None:
                    return None
                here, blocks = before, blocks_of(before)
                at = len(blocks) - 1
                if not blocks:
                    return None
            block = blocks[at]
            text = here.text[block.span.start : block.span.end].rstrip()
            # What introduces a list may be set as a heading.
            if block.kind in (*_RUNNING, "heading") and _OPENS_LIST.search(text):
                return here, _sentences_in(here, block.span)[-1]
            if block.kind == "heading":
                return None
            if block.kind in ("table", "figure"):
                # It was that which the words before introduced.
                return None
            if block.kind not in _RUNNING:
                continue
            # The rest of an item that was cut in two.
            if text.lstrip()[:1].islower() and not _is_item(here, block):
                continue
            # A block is an item by its own mark, or because the one before it ends like one.
            if not item and not _ITEM_END.search(text):
                return None
            item = _is_item(here, block)
            if not item and not _ITEM_END.search(text):
                return None
        return None

    # Rows

    def _table_units(self, document: str, page: Page, index: int, span: Span) -> list[Unit]:
        table = page.tables[index]
        found: list[Unit] = []
        prose = [cell for cell in table.cells if _inside(span, cell.span) and _is_prose(page, table, cell)]
        for cell in prose:
            for sentence in _sentences_in(page, cell.span):
                if sentence.start < span.end and span.start < sentence.end:
                    text = page.text[sentence.start : sentence.end]
                    found.append(SentenceUnit(document, text, tuple(self._mask(document, page.number, sentence))))
        found += self._row_units(document, page, index, span)
        return found

    def _row_units(self, document: str, page: Page, index: int, span: Span) -> list[RowUnit]:
        table = page.tables[index]
        touched = {
            cell.row for cell in table.cells if not cell.header and cell.span.start < span.end and span.start < cell.span.end
        }
        key = (document, page.number, index)
        if touched and key not in self._rows:
            self._rows[key] = rows_apart(page, index, lambda number: self.page_of(document, number))
        found = []
        for row in self._rows.get(key, ()):
            if row.number in touched and ((unit := self._row_unit(document, page, table, row)).values or unit.printed):
                found.append(unit)
        return found

    def _row_unit(self, document: str, page: Page, table: Table, row: RowParts) -> RowUnit:
        """A row as far as quotes cover it. Headers carried from an earlier page need no quote of their own."""

        def shown(printed: Sequence[Printed]) -> bool:
            return all(each.page != page.number or self._is_covered(document, page.number, each.span) for each in printed)

        values = []
        for each in row.values:
            if shown([*each.path, each.value]):
                values.append(Value(tuple(_words(part) for part in each.path), _words(each.value), each.unit))
        line = sorted(cell.span for cell in table.cells if cell.row == row.number and cell.span.end > cell.span.start)
        whole = all(self._is_covered(document, page.number, span) for span in line)
        return RowUnit(
            document,
            tuple(_words(each) for each in row.groups),
            tuple(_words(each) for each in row.label),
            tuple(values),
            printed=" ".join(" ".join(page.text[span.start : span.end].split()) for span in line) if whole else "",
            named=shown([*row.groups, *row.label]),
            hidden=len(values) < len(row.values),
            columns_named=any(each.path for each in row.values),
            ambiguous=_ambiguous(row),
        )

    def _is_covered(self, document: str, page: int, span: Span) -> bool:
        return any(each.start <= span.start and span.end <= each.end for each in self._covered.get((document, page), ()))


def blocks_of(page: Page) -> tuple[Block, ...]:
    """The page's blocks; where it has none, its lines as paragraphs."""
    if page.blocks:
        return page.blocks
    found, at = [], 0
    for line in page.text.split("\n"):
        if line.strip():
            found.append(Block("paragraph", Span(at, at + len(line)), (0.0, 0.0, 0.0, 0.0)))
        at += len(line) + 1
    return tuple(found)


_RUNNING = ("paragraph", "list")
_OPENS_LIST = re.compile(r"[:：—–]\s*$")
_ITEM = re.compile(r"\s*(?:[•●▪◦‣·*\-–—]\s|\(?(?:[0-9]{1,3}|[a-zA-Z]|[ivxlcIVXLC]{1,6})[.)]\s)")
_ITEM_END = re.compile(r"(?:[;,]|;\s*(?:and|or)|,\s*(?:and|or))\s*$")
_BREAKS_OFF = re.compile(
    r"(?:[,(-]|\b(?:a|an|the|of|in|on|at|to|for|by|from|with|and|or|not|no|is|are|was|were|be|that|which|as|its|our|their|if|than))\s*$",
    re.IGNORECASE,
)
_ENDS = re.compile(r"[.!?:;。！？][\"'”’)\]]*\s*$")


def _sentences_in(page: Page, span: Span) -> list[Span]:
    found = whole_sentences(page.text[span.start : span.end])
    return [Span(span.start + each.start, span.start + each.end) for each in found] or [span]


def _bare_item(text: str) -> str:
    """The text of an item without its mark."""
    match = _ITEM.match(text)
    return text[match.end() :].lstrip() if match else text.lstrip()


def _is_item(page: Page, block: Block) -> bool:
    return block.kind == "list" or _ITEM.match(page.text, block.span.start, block.span.end) is not None


def _goes_on(before: str, after: str) -> bool:
    """Whether two stretches of running text are one sentence: the first does not end, or the second does not begin."""
    return bool(before) and bool(after) and not _ENDS.search(before) and (after[0].islower() or after[0] in ",;)")


def _is_prose(page: Page, table: Table, cell: Cell) -> bool:
    """A cell that is running text which a parser took for a table: a whole sentence, alone in its row, under no column header."""
    text = page.text[cell.span.start : cell.span.end].strip()
    if cell.header or len(text.split()) < 8 or not text[:1].isupper() or not _ENDS.search(text):
        return False
    for other in table.cells:
        if other is cell or other.span.end <= other.span.start:
            continue
        if other.row < cell.row + cell.rows and cell.row < other.row + other.rows:
            return False
        if (
            other.header
            and other.row < cell.row
            and other.column < cell.column + cell.columns
            and cell.column < other.column + other.columns
        ):
            return False
    return True


def _minus(span: Span, hole: Span) -> list[Span]:
    parts = [Span(span.start, min(span.end, hole.start)), Span(max(span.start, hole.end), span.end)]
    return [part for part in parts if part.start < part.end]


def _inside(span: Span, other: Span) -> bool:
    return span.start < other.end and other.start < span.end


def _ambiguous(row: RowParts) -> frozenset[tuple[str, ...]]:
    values: dict[tuple[str, ...], str] = {}
    found = set()
    for each in row.values:
        key = header_key([_words(part) for part in each.path])
        if values.setdefault(key, each.text) != each.text:
            found.add(key)
    return frozenset(found)


def _words(printed: Printed) -> str:
    return " ".join(printed.text.split())
