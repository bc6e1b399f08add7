"""The nouns of the documents task: a page and what stands on it, a chunk and where each character of it stands, a reply.

One coordinate system everywhere: points (1/72 inch) from the top left of the page *as a reader sees it*, after its rotation and
its crop box. Pages count from 1. One text everywhere: `Page.text` is all that a reader can see on the page, in reading order, with
hyphens at line ends undone; tables, cells, headings, chunks and quotes are ranges of it. So a quote is always verbatim, and its
boxes are always known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from bakeoff.contract import Citation

if TYPE_CHECKING:
    from numpy.typing import NDArray

Box: TypeAlias = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in points from the page's top left, x0 <= x1 and y0 <= y1."""

BlockKind: TypeAlias = Literal["heading", "paragraph", "list", "footnote", "caption", "table", "figure", "header", "footer"]

FURNITURE: tuple[BlockKind, ...] = ("header", "footer")
"""Blocks that repeat from page to page. They stand in `Page.text` and can be cited; they are not put into chunks."""


class Span(NamedTuple):
    """Characters `start` to `end` (end not included) of a page's text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Block:
    """A run of a page's text that belongs together. Blocks do not overlap, and come in reading order.

    `level` is 1 for the outermost headings, 2 and more for those under them, and 0 for all other kinds.
    """

    kind: BlockKind
    span: Span
    box: Box
    level: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table. Its text is ``page.text[span.start:span.end]``; an empty cell has an empty span.

    Parameters
    ----------
    row, column : int
        Place in the grid, from 0.
    rows, columns : int
        How many rows and columns it spans, at least 1.
    header : bool
        It names a row or a column and holds no value of its own.
    """

    row: int
    column: int
    span: Span
    box: Box
    rows: int = 1
    columns: int = 1
    header: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table on one page, in the page's text row by row and cell by cell.

    Parameters
    ----------
    span : Span
        From its first character to its last.
    caption : Span or None
        The line that names it, where there is one.
    unit : str
        What its figures are in ("USD million"), as the page says it near the table; '' where it does not.
    continues : bool
        It goes on from the last table of the page before, whose column headers also hold here.
    """

    span: Span
    box: Box
    rows: int
    columns: int
    cells: tuple[Cell, ...]
    caption: Span | None = None
    unit: str = ""
    continues: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture (`image`) or a cluster of vector paths (`drawing`). `words` is the text inside it, `caption` what names it."""

    kind: Literal["image", "drawing"]
    box: Box
    caption: Span | None = None
    words: Span | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """What a reader can see on one page.

    Parameters
    ----------
    number : int
        From 1.
    width, height : float
        Points, as displayed.
    text : str
        All visible text in reading order. Lines of a paragraph are joined by one space, blocks by a line break.
    boxes : array of shape (len(text), 4), float32
        The box of each character; NaN where a character is not printed on the page (a space or line break put in between).
    source : {'text', 'ocr', 'mixed'}
        Whether the characters are the file's own or were read off a picture.
    hidden : int
        Characters that the file holds and a reader cannot see. They are in no text.
    notes : tuple of str
        What could not be read, in words for people.
    """

    number: int
    width: float
    height: float
    text: str
    boxes: NDArray
    blocks: tuple[Block, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    source: Literal["text", "ocr", "mixed"] = "text"
    hidden: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """`length` characters of a chunk from `start` on are the characters from `at` on of page `page`."""

    start: int
    length: int
    page: int
    at: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is searched and found as one.

    Parameters
    ----------
    ordinal : int
        Its place in the document, from 0.
    kind : {'text', 'row', 'figure'}
        Running text, a row of a table ("Revenue | 2022 | 5,363 USD million"), or a figure's caption and words.
    text : str
        What is read and quoted. Characters that no piece covers (separators, units carried from a header) are not on the page.
    context : str
        What it stands under (title of the document, headings, caption): searched with the text, never quoted.
    pieces : tuple of Piece
        Where its characters stand, in order, not overlapping.
    table, figure : int or None
        Index in its first page's `tables` or `figures`.
    """

    ordinal: int
    kind: Literal["text", "row", "figure"]
    text: str
    context: str
    pieces: tuple[Piece, ...]
    table: int | None = None
    figure: int | None = None

    @property
    def page(self) -> int:
        """The page that it begins on."""
        return self.pieces[0].page if self.pieces else 1


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """A document, without its pages.

    `id` is the SHA-256 of the file's bytes, in hex. `name` is what people call it and is unique in a corpus: its path relative to the indexed
    folder. `readers` are the principals that may read it; None means everybody.
    """

    id: str
    name: str
    title: str
    pages: int
    readers: frozenset[str] | None = None
    notes: tuple[str, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)


class PageRef(NamedTuple):
    """One page of one document, by the document's name."""

    document: str
    page: int


@dataclass(frozen=True, slots=True)
class Scope:
    """What a question may look at.

    What is out of scope counts in no statistic and changes no byte of an answer: it is as if it were not there.

    Parameters
    ----------
    principals : frozenset of str or None
        Who asks (a user and the groups they are in). None asks as the owner of the corpus, who may read everything; an
        empty set may read only what everybody may.
    without : frozenset of PageRef
        Pages to leave out: for measuring what happens when the answer is not there.
    documents : frozenset of str or None
        Only these documents, by name. None for all.
    """

    principals: frozenset[str] | None = None
    without: frozenset[PageRef] = frozenset()
    documents: frozenset[str] | None = None


EVERYTHING = Scope()


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found. `key` is (document name, ordinal); `scores` are the parts that made `score`, by name."""

    key: tuple[str, int]
    score: float
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passage:
    """A found chunk with its words: what an answer is made from, and what a reader is shown."""

    document: str
    title: str
    chunk: Chunk
    score: float
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def page(self) -> int:
        """The page that it begins on."""
        return self.chunk.page


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of a reply, and the quotes that support it. Extracted statements are their own quotes."""

    text: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the corpus says to one question.

    Parameters
    ----------
    statements : tuple of Statement
        Empty when it abstained.
    abstained : bool
        The corpus does not support an answer; `passages` are the nearest.
    passages : tuple of Passage
        In rank order.
    support : float
        How well the best passage supports an answer, in [0, 1]; compared with the threshold chosen on validation.
    dropped : tuple of (statement, reason)
        Statements that a model wrote and the verifier refused.
    timings : mapping of step to seconds
    """

    statements: tuple[Statement, ...] = ()
    abstained: bool = False
    passages: tuple[Passage, ...] = ()
    support: float = 0.0
    dropped: tuple[tuple[str, str], ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)


def chunk_spans(chunk: Chunk, start: int, end: int) -> list[tuple[int, Span]]:
    """The (page, span) ranges that characters `start` to `end` of a chunk's text stand on, in order; separators have none."""
    found = []
    for piece in chunk.pieces:
        low, high = max(start, piece.start), min(end, piece.start + piece.length)
        if low < high:
            at = piece.at + low - piece.start
            found.append((piece.page, Span(at, at + high - low)))
    return found
