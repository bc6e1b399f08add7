"""A document cut into what is searched and found as one: stretches of running text, tables, rows of tables, figures.

- Running text is cut between sentences, by headings first and by size second. A chunk ends at a page's end unless a paragraph goes on over it.
- A table is one chunk where it is small and several by rows where it is not, and each of its rows is one more: "Revenue | 2022 | 5,363 USD million".
- A figure is its caption and the words in it. The sentence that mentions it is searched with it.
- Headers and footers are left out. All else that stands on a page is in at least one chunk.

What a chunk stands under (name and title of the document, headings, caption, unit) is its context: searched with it and never quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from bakeoff.tasks.documents.index.chunk_parts import Part, balanced, cut, joined, part_of
from bakeoff.tasks.documents.index.chunk_settings import ChunkSettings
from bakeoff.tasks.documents.records import FURNITURE, Block, Chunk, Figure, Page, Piece, Span, Table
from bakeoff.tasks.documents.reply.sentences import sentence_spans, word_pieces
from bakeoff.tasks.documents.tabular.table_rows import RowReader, RowText

DEEPEST_PATH, LONGEST_HEADING = 4, 120
"""Headings kept in a context, and characters kept of each: a heading that was misread must not drown the text."""

LONGEST_INTRODUCTION = 60
"""Word pieces of the sentence before a table, or about a figure, that are kept in its context."""

MOST_PENDING = 12
"""A run of text this many times the size of a chunk is cut before its end is seen, so that memory stays small."""

SMALLEST_FIGURE = 0.05
"""Share of the page that a picture without caption and words must cover to be searchable by the text around it."""

MOST_ABOUT = 64
"""Figures of a page whose sentence is looked for: a hostile page has thousands."""

SHORTEST_JOINED = 6
"""Letters of a name that may be found inside a title written apart ("AMERICANEXPRESS", "American Express")."""

_ENDS = re.compile(r"[.!?:;。！？…][\"'”’)\]]*$")
_MENTION = re.compile(
    r"\b(?:fig(?:ure|\.)?|chart|graph|diagram|exhibit|plate|illustration)\s*([0-9]+(?:[.-][0-9]+)*|[A-Z]\b)", re.IGNORECASE
)


def make_chunks(title: str, name: str, pages: Iterable[Page], settings: ChunkSettings = ChunkSettings()) -> list[Chunk]:
    """Cut a document into chunks.

    Parameters
    ----------
    title, name : str
        The document's title ('' where it has none) and its name in the corpus; both are searched with every chunk.
    pages : iterable of Page
        In order. Taken one at a time; one is held.
    settings : ChunkSettings

    Returns
    -------
    list of Chunk
        With ordinals from 0, and at least one piece each. For every piece, ``chunk.text[start:start + length]`` is
        ``page.text[at:at + length]`` of its page.
    """
    walk = _Walk(document_context(title, name), settings)
    for page in pages:
        walk.read(page)
    walk.flush()
    return walk.chunks


def document_context(title: str, name: str) -> str:
    """What every chunk of a document is found by: its title and, where that does not say the same, its name in words."""
    words = re.findall(r"[^\W_]+", PurePosixPath(name).stem)
    title = " ".join(title.split())[:LONGEST_HEADING]
    stem, said = " ".join(words), [word.casefold() for word in re.findall(r"[^\W_]+", title)]
    joined_stem = "".join(words).casefold()
    same = {word.casefold() for word in words} <= set(said) or (
        len(joined_stem) >= SHORTEST_JOINED and joined_stem in "".join(said)
    )
    return title if same else f"{stem}: {title}" if title else stem


@dataclass
class _Walk:
    context: str
    settings: ChunkSettings
    chunks: list[Chunk] = field(default_factory=list)
    run: list[Part] = field(default_factory=list)
    path: list[tuple[int, str]] = field(default_factory=list)
    reader: RowReader = field(default_factory=RowReader)
    last_page: int = 0
    pending: int = 0
    fresh: bool = True

    def read(self, page: Page) -> None:
        """Put one page into chunks, except what may go on over its end."""
        rows = self.reader.read(page)
        blocks = [block for block in _blocks(page) if block.kind not in FURNITURE]
        captions = {table.caption for table in page.tables} | {figure.caption for figure in page.figures}
        tables, figures = dict(enumerate(page.tables)), dict(enumerate(page.figures))
        notes: list[Part] = []
        goes_on = self._goes_on(page, blocks)
        self.fresh = True
        if self.run and not goes_on:
            self.flush()
        for at, block in enumerate(blocks):
            if block.kind == "table" and (index := _index_of(block, tables)) is not None:
                self._table(page, index, tables.pop(index), rows[index])
            elif block.kind == "figure" and (index := _index_of(block, figures)) is not None:
                self._figure(page, index, figures.pop(index))
            elif block.kind == "heading":
                self._heading(page, block)
                self.fresh = False
            elif block.kind == "footnote":
                notes += self._parts(page, block.span)
            elif block.span not in captions:
                self._text(page, block.span, goes_on and at == 0)
                self.fresh = self.fresh and block.span.end - block.span.start <= LONGEST_HEADING
        for index, table in tables.items():
            self._table(page, index, table, rows[index])
        for index, figure in figures.items():
            self._figure(page, index, figure)
        if notes:
            body, self.run = self.run, notes
            self.flush()
            self._add(body)
        self.last_page = page.number

    def flush(self) -> None:
        """Make chunks of all running text read so far."""
        run, self.run, self.pending = self.run, [], 0
        for group in balanced(run, self.settings.tokens, self.settings.overlap):
            self._emit("text", joined(group), group[0].path)

    def _emit(
        self,
        kind: Literal["text", "row", "figure"],
        part: Part,
        path: Sequence[str],
        extra: str = "",
        table: int | None = None,
        figure: int | None = None,
    ) -> None:
        if part.pieces:
            context = "\n".join(each for each in (self.context, " > ".join(path), extra) if each)
            self.chunks.append(Chunk(len(self.chunks), kind, part.text, context, part.pieces, table, figure))

    def _add(self, parts: Iterable[Part]) -> None:
        for part in parts:
            self.run.append(part)
            self.pending += part.tokens

    def _heading(self, page: Page, block: Block) -> None:
        text = " ".join(page.text[block.span.start : block.span.end].split())[:LONGEST_HEADING]
        if self.run and self.pending >= self.settings.least and not self.run[-1].heading:
            self.flush()
        level = max(block.level, 1)
        while self.path and self.path[-1][0] >= level:
            self.path.pop()
        self._add(cut(part_of(page, block.span, self._path(), heading=True), self.settings.tokens))
        self.path.append((level, text))

    def _path(self) -> tuple[str, ...]:
        return tuple(text for _, text in self.path[-DEEPEST_PATH:])

    def _parts(self, page: Page, span: Span) -> list[Part]:
        text = page.text[span.start : span.end]
        found: list[Part] = []
        for number, sentence in enumerate(sentence_spans(text)):
            where = Span(span.start + sentence.start, span.start + sentence.end)
            found += cut(part_of(page, where, self._path(), opens=number == 0), self.settings.tokens)
        return found

    def _text(self, page: Page, span: Span, goes_on: bool) -> None:
        parts = self._parts(page, span)
        if goes_on and parts and self.run:
            last = self.run.pop()
            self.pending -= last.tokens
            between = "" if last.text.endswith(("-", "\u2010")) else " "
            first = parts[0]
            moved = Part(first.text, first.pieces, last.path, False)
            whole = _glued(last, moved, between)
            parts[:1] = cut(whole, self.settings.tokens)
        self._add(parts)
        if self.pending > MOST_PENDING * self.settings.tokens:
            last = self.run.pop()
            self.flush()
            self._add([last])

    def _goes_on(self, page: Page, blocks: Sequence[Block]) -> bool:
        """Whether the first block of this page is the rest of a paragraph of the page before."""
        if not self.run or page.number != self.last_page + 1 or not blocks or blocks[0].kind not in ("paragraph", "list"):
            return False
        last, text = self.run[-1], page.text[blocks[0].span.start : blocks[0].span.end].lstrip()
        if last.heading or not text or _ENDS.search(last.text):
            return False
        return last.text[-1] in ",-–—" or not (text[0].isupper() or text[0] in "•-–—▪*")

    def _introduction(self) -> str:
        """The sentence before a table, for one that has no caption."""
        if not self.run:
            return ""
        text = self.run[-1].text
        return text if word_pieces(text) <= LONGEST_INTRODUCTION else ""

    def _table(self, page: Page, index: int, table: Table, rows: Sequence[RowText]) -> None:
        carried = rows[0].context if rows else table.unit
        extra = (
            carried if table.caption is not None or table.continues else "\n".join(filter(None, (self._introduction(), carried)))
        )
        if self.pending >= self.settings.least:
            self.flush()
        # A table that opens its page under a title of its own (a balance sheet) is in no section that ran on the page before.
        path = () if self.fresh and table.caption is not None and not table.continues else self._path()
        lines = [part_of(page, table.caption, path)] if table.caption is not None else []
        lines += [part for line in _lines(page, table) for part in cut(line, self.settings.tokens)]
        head = ""
        for group in balanced([line for line in lines if line.text], 2 * self.settings.tokens, 0):
            self._emit("text", joined(group, "\n"), path, "\n".join(filter(None, (extra, head))), table=index)
            head = head or " ".join(_column_names(page, table))[:LONGEST_HEADING]
        for row in rows:
            for part in cut(_row_part(row, page.number), 2 * self.settings.tokens):
                self._emit("row", part, path, extra, table=index)

    def _figure(self, page: Page, index: int, figure: Figure) -> None:
        printed = [part_of(page, span) for span in (figure.caption, figure.words) if span is not None]
        printed = [part for part in printed if part.text]
        about = _sentence_about(page, figure) if index < MOST_ABOUT else None
        if not printed:
            x0, y0, x1, y1 = figure.box
            if about is None or (x1 - x0) * (y1 - y0) < SMALLEST_FIGURE * page.width * page.height:
                return
            printed, about = [about], None
        for part in cut(joined(printed, "\n"), 2 * self.settings.tokens):
            self._emit("figure", part, self._path(), about.text if about else "", figure=index)


def _blocks(page: Page) -> Sequence[Block]:
    """The page's blocks; for a page without any, one paragraph that holds all of its text."""
    if page.blocks or not page.text.strip():
        return page.blocks
    return (Block("paragraph", Span(0, len(page.text)), (0.0, 0.0, page.width, page.height)),)


def _index_of(block: Block, waiting: dict[int, Table] | dict[int, Figure]) -> int | None:
    """Which of the page's tables or figures a block is: the one whose characters it shares."""
    for index, each in waiting.items():
        span = each.span if isinstance(each, Table) else each.words
        if span is not None and span.start < block.span.end and block.span.start < span.end:
            return index
    return None


def _glued(last: Part, first: Part, between: str) -> Part:
    shift = len(last.text) + len(between)
    pieces = (*last.pieces, *(Piece(each.start + shift, each.length, each.page, each.at) for each in first.pieces))
    return Part(last.text + between + first.text, pieces, last.path, last.opens, False, last.before)


def _lines(page: Page, table: Table) -> list[Part]:
    """A table's text, one part for each row of its grid."""
    starts: dict[int, int] = {}
    for cell in table.cells:
        if cell.span.end > cell.span.start:
            starts[cell.row] = min(starts.get(cell.row, cell.span.start), cell.span.start)
    marks = sorted({table.span.start, *(start for start in starts.values() if table.span.start < start < table.span.end)})
    ends = [*marks[1:], table.span.end]
    return [part_of(page, Span(start, end)) for start, end in zip(marks, ends, strict=True)]


def _column_names(page: Page, table: Table) -> list[str]:
    return [
        page.text[cell.span.start : cell.span.end]
        for cell in table.cells
        if cell.header and cell.column > 0 and cell.span.end > cell.span.start
    ]


def _row_part(row: RowText, page: int) -> Part:
    """A row as a part. Headings carried from an earlier page that come first are words of ours here: a chunk begins on its own page."""
    pieces = [Piece(start, length, number, span.start) for start, length, number, span in row.parts if length > 0]
    while pieces and pieces[0].page != page:
        pieces.pop(0)
    return Part(row.text, tuple(pieces))


def _sentence_about(page: Page, figure: Figure) -> Part | None:
    """The sentence of the page that mentions a figure's number, else the one that ends nearest above it."""
    caption = page.text[figure.caption.start : figure.caption.end] if figure.caption is not None else ""
    label = _MENTION.search(caption)
    wanted = label[1].casefold() if label else None
    nearest: Part | None = None
    for block in page.blocks:
        if block.kind not in ("paragraph", "list"):
            continue
        for sentence in sentence_spans(page.text[block.span.start : block.span.end]):
            part = part_of(page, Span(block.span.start + sentence.start, block.span.start + sentence.end))
            if wanted and any(found.casefold() == wanted for found in _MENTION.findall(part.text)):
                return _short(part)
            if block.box[3] <= figure.box[1] + 1:
                nearest = part
    return _short(nearest) if nearest else None


def _short(part: Part) -> Part:
    return next(iter(cut(part, LONGEST_INTRODUCTION)), part)
