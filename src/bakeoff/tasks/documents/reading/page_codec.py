"""A page as bytes: how parsed pages come out of the parsing process, wait in a spool file, and stand in a store.

    magic and version | lengths | facts (JSON, deflated) | boxes of characters (deflated)

Coordinates are whole numbers of 1/32 point (0.0004 inch, finer than any screen shows). Along a line of text the next character begins
where the last one ended, at the same height: what is kept is the gap, the width, the step down and the change of height, most of
them 0. With bytes of one rank put together, deflate makes about two bytes a character of that, text included.

Bytes may come from anywhere: `decode` believes no length before it was checked, and allocates at most what deflate can
make of the bytes given (1,032 times their length), never more than `LARGEST_FACTS` and 17 bytes for each of `MOST_CHARACTERS`.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any, NoReturn, get_args

from bakeoff.errors import BadData
from bakeoff.tasks.documents.records import Block, BlockKind, Box, Cell, Figure, Page, Span, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"BkPg\x01"
"""The last byte is the version of the format."""
UNITS = 32
"""Steps per point."""
MOST_CHARACTERS = 1_000_000
LARGEST_FACTS = 16_000_000
FARTHEST = float(1 << 20)
"""Coordinates are at most this many points from the origin (a page is at most 14,400 user units wide)."""
DEFLATE_RATIO = 1032
"""The most that deflate expands (zlib's own technical notes): what claims more is no deflate stream of ours."""

_LENGTHS = struct.Struct("<III")
_KINDS = frozenset(get_args(BlockKind))
_SOURCES = frozenset(("text", "ocr", "mixed"))
_FIGURES = frozenset(("image", "drawing"))
_FIX = "parse the document again"


def encode(page: Page) -> bytes:
    """The bytes of a page. The same page always gives the same bytes.

    Boxes are rounded to 1/32 point; `decode` gives a page that encodes to the same bytes again. A row of `boxes` with any NaN becomes NaN as a
    whole.

    Raises
    ------
    BadData
        If the page cannot be kept: text and boxes of different lengths, coordinates that are infinite or the wrong way round, a span
        outside of the text, a text that is not Unicode (half a surrogate pair), or more than `MOST_CHARACTERS`.
    """
    length = len(page.text)
    if length > MOST_CHARACTERS:
        _refuse(f"page {page.number} has {length:,} characters; at most {MOST_CHARACTERS:,} can be kept", "split the page")
    facts = {
        "n": int(page.number), "w": float(page.width), "h": float(page.height), "t": page.text, "s": page.source, "x": int(page.hidden), "o": list(page.notes),
        "b": [[b.kind, *_ints(b.span), *_steps(b.box), int(b.level)] for b in page.blocks],
        "a": [_table_facts(t) for t in page.tables],
        "f": [[f.kind, *_steps(f.box), _maybe(f.caption), _maybe(f.words)] for f in page.figures],
    }  # fmt: skip
    _page(facts, page.boxes)  # what could not be read again is refused here, where the page is still known
    head = json.dumps(facts, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")
    if len(head) > LARGEST_FACTS:
        _refuse(f"page {page.number} needs {len(head):,} bytes; at most {LARGEST_FACTS:,} can be kept", "split the page")
    printed, coordinates = _pack_boxes(page.boxes, length, page.number)
    packed_head, packed_boxes = zlib.compress(head, 6), zlib.compress(coordinates, 6)
    return MAGIC + _LENGTHS.pack(len(head), len(packed_head), printed) + packed_head + packed_boxes


def decode(data: bytes) -> Page:
    """The page that `encode` made these bytes of.

    Raises
    ------
    BadData
        If they are anything else: cut off, changed, of another version, or made to harm.
    """
    start = len(MAGIC) + _LENGTHS.size
    if data[: len(MAGIC)] != MAGIC or len(data) < start:
        newer = data[: len(MAGIC) - 1] == MAGIC[:-1] and len(data) >= start
        _refuse("a stored page is of another version of the format" if newer else "a stored page does not begin as pages do")
    head_length, packed_length, printed = _LENGTHS.unpack_from(data, len(MAGIC))
    if head_length > LARGEST_FACTS or start + packed_length > len(data) or printed > MOST_CHARACTERS:
        _refuse("a stored page claims more than its bytes can hold")
    head = _inflate(data[start : start + packed_length], head_length)
    try:
        facts = json.loads(head.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        _refuse("the facts of a stored page cannot be read")
    if not isinstance(facts, dict) or not isinstance(facts.get("t"), str) or len(facts["t"]) > MOST_CHARACTERS:
        _refuse("a stored page has no text, or one that is too long")
    length = len(facts["t"])
    if printed > length:
        _refuse("a stored page has more boxes than characters")
    coordinates = _inflate(data[start + packed_length :], (length + 7) // 8 + 16 * printed)
    return _page(facts, _unpack_boxes(coordinates, length, printed))


def _refuse(what: str, fix: str = _FIX) -> NoReturn:
    raise BadData(what[0].upper() + what[1:] + ".", fix=fix)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _inflate(packed: bytes, length: int) -> bytes:
    if length > DEFLATE_RATIO * len(packed):
        _refuse("a stored page claims more than its bytes can hold")
    stream = zlib.decompressobj()
    try:
        # One byte more than expected, so that a stream that goes on is seen to go on.
        plain = stream.decompress(packed, length + 1)
    except zlib.error:
        _refuse("the bytes of a stored page are damaged")
    if len(plain) != length or not stream.eof or stream.unused_data:
        _refuse("the bytes of a stored page are damaged")
    return plain


def _pack_boxes(boxes: NDArray, length: int, number: int) -> tuple[int, bytes]:
    import numpy as np

    rows = np.asarray(boxes, dtype=np.float64)
    if rows.shape != (length, 4):
        _refuse(f"page {number}: {length} characters but boxes of shape {rows.shape}", "give one box to each character")
    here = ~np.isnan(rows).any(axis=1)
    rows = rows[here]
    if not (np.abs(rows) <= FARTHEST).all() or (rows[:, :2] > rows[:, 2:]).any():
        _refuse(f"page {number}: a character's box is infinite or the wrong way round", "give boxes as x0, y0, x1, y1 in points")
    x0, y0, x1, y1 = np.rint(rows * UNITS).astype(np.int64).T
    steps = np.empty((4, len(rows)), dtype=np.int64)
    steps[0] = np.diff(x0, prepend=0)
    steps[0, 1:] = x0[1:] - x1[:-1]
    steps[1] = x1 - x0
    steps[2] = np.diff(y0, prepend=0)
    steps[3] = np.diff(y1 - y0, prepend=0)
    # Zigzag (0, -1, 1, -2, ... become 0, 1, 2, 3, ...): small steps of either sign have three empty bytes.
    whole = ((steps << 1) ^ (steps >> 63)).astype("<u4")
    planes = whole.view(np.uint8).reshape(4, -1, 4).transpose(0, 2, 1)
    return len(rows), np.packbits(here).tobytes() + planes.tobytes()


def _unpack_boxes(data: bytes, length: int, printed: int) -> NDArray:
    import numpy as np

    flags = (length + 7) // 8
    here = np.unpackbits(np.frombuffer(data, np.uint8, flags))
    if int(here.sum()) != printed or here[length:].any():
        _refuse("a stored page does not say which of its characters have boxes")
    planes = np.frombuffer(data, np.uint8, 16 * printed, flags).reshape(4, 4, printed)
    whole = np.ascontiguousarray(planes.transpose(0, 2, 1)).view("<u4").reshape(4, printed).astype(np.int64)
    gaps, widths, down, taller = (whole >> 1) ^ -(whole & 1)
    x1, y0 = np.cumsum(gaps + widths), np.cumsum(down)
    boxes = np.stack([x1 - widths, y0, x1, y0 + np.cumsum(taller)], axis=1)
    if printed and (np.abs(boxes).max() > FARTHEST * UNITS or (boxes[:, :2] > boxes[:, 2:]).any()):
        _refuse("a stored page has boxes that no page has")
    every = np.full((length, 4), np.nan, dtype=np.float32)
    every[here[:length].astype(bool)] = boxes / UNITS
    return every


def _steps(box: Box) -> list[int]:
    if not all(abs(value) <= FARTHEST for value in box):
        _refuse(f"a box is infinite: {box}", "give boxes as x0, y0, x1, y1 in points")
    return [round(float(value) * UNITS) for value in box]


def _maybe(span: Span | None) -> list[int] | None:
    return None if span is None else _ints(span)


def _ints(span: Span) -> list[int]:
    return [int(span.start), int(span.end)]  # NumPy's integers are no JSON


def _table_facts(table: Table) -> list[Any]:
    cells = [
        [int(c.row), int(c.column), *_ints(c.span), *_steps(c.box), int(c.rows), int(c.columns), int(c.header)]
        for c in table.cells
    ]
    return [
        *table.span,
        *_steps(table.box),
        table.rows,
        table.columns,
        _maybe(table.caption),
        table.unit,
        int(table.continues),
        cells,
    ]


def _page(facts: dict[str, Any], boxes: NDArray) -> Page:
    """The page of these facts, each of which is checked. A value of a wrong type, or a missing one, is refused as damage."""
    text, number, hidden, source = facts.get("t"), facts.get("n"), facts.get("x"), facts.get("s")
    size = [facts.get("w"), facts.get("h")]
    notes, blocks, tables, figures = (_list(facts.get(key)) for key in "obaf")
    fine = (
        isinstance(text, str)
        and _count(number, 1)
        and _count(hidden)
        and isinstance(source, str)
        and source in _SOURCES
        and all(isinstance(side, float) and 0 < side <= FARTHEST for side in size)
        and all(isinstance(note, str) for note in notes)
    )
    if not fine:
        _refuse("the number, size, source, hidden characters or notes of a page make no sense")
    length = len(text)  # type: ignore[arg-type]
    try:
        page = Page(
            number=number,  # type: ignore[arg-type]
            width=size[0],  # type: ignore[arg-type]
            height=size[1],  # type: ignore[arg-type]
            text=text,  # type: ignore[arg-type]
            boxes=boxes,
            blocks=tuple(_block(length, *row) for row in blocks),
            tables=tuple(_table(length, *row) for row in tables),
            figures=tuple(_figure(length, *row) for row in figures),
            source=source,  # type: ignore[arg-type]
            hidden=hidden,  # type: ignore[arg-type]
            notes=tuple(notes),
        )
        "".join((page.text, *page.notes, *(table.unit for table in page.tables))).encode("utf-8")
    except TypeError:  # a row with too many or too few values, or none at all
        _refuse("a block, table or figure of a page makes no sense")
    except UnicodeEncodeError:
        _refuse("a text of a page is not Unicode", "replace halves of surrogate pairs by U+FFFD")
    return page


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        _refuse("the facts of a stored page are not complete")
    return value


def _count(value: Any, least: int = 0) -> bool:
    return type(value) is int and least <= value < 1 << 31


def _span(length: int, start: Any, end: Any) -> Span:
    if not (_count(start) and _count(end) and start <= end <= length):
        _refuse(f"characters {start!r:.20} to {end!r:.20} are not in a text of {length}")
    return Span(start, end)


def _box(*steps: Any) -> Box:
    if (
        not all(type(step) is int and abs(step) <= FARTHEST * UNITS for step in steps)
        or steps[0] > steps[2]
        or steps[1] > steps[3]
    ):
        _refuse("a box is infinite or the wrong way round", "give boxes as x0, y0, x1, y1 in points")
    x0, y0, x1, y1 = (step / UNITS for step in steps)
    return x0, y0, x1, y1


def _or_none(length: int, value: Any) -> Span | None:
    return None if value is None else _span(length, *value)


def _block(length: int, kind: Any, start: Any, end: Any, x0: Any, y0: Any, x1: Any, y1: Any, level: Any) -> Block:
    if not isinstance(kind, str) or kind not in _KINDS or not _count(level):
        _refuse(f"a block of kind {kind!r:.20} at level {level!r:.20} makes no sense")
    return Block(kind, _span(length, start, end), _box(x0, y0, x1, y1), level)  # type: ignore[arg-type]


def _table(
    length: int,
    start: Any,
    end: Any,
    x0: Any,
    y0: Any,
    x1: Any,
    y1: Any,
    rows: Any,
    columns: Any,
    caption: Any,
    unit: Any,
    goes_on: Any,
    cells: Any,
) -> Table:
    if not (_count(rows, 1) and _count(columns, 1) and isinstance(unit, str) and _flag(goes_on)):
        _refuse("a table's size, unit or continuation makes no sense")
    found = tuple(_cell(length, rows, columns, *cell) for cell in _list(cells))
    return Table(
        _span(length, start, end), _box(x0, y0, x1, y1), rows, columns, found, _or_none(length, caption), unit, bool(goes_on)
    )


def _cell(
    length: int,
    below: int,
    beside: int,
    row: Any,
    column: Any,
    start: Any,
    end: Any,
    x0: Any,
    y0: Any,
    x1: Any,
    y1: Any,
    rows: Any,
    columns: Any,
    header: Any,
) -> Cell:
    counts = _count(row) and _count(column) and _count(rows, 1) and _count(columns, 1) and _flag(header)
    if not counts or row + rows > below or column + columns > beside:
        _refuse(f"a cell at row {row!r:.20}, column {column!r:.20} is not in a table of {below} by {beside}")
    return Cell(row, column, _span(length, start, end), _box(x0, y0, x1, y1), rows, columns, bool(header))


def _figure(length: int, kind: Any, x0: Any, y0: Any, x1: Any, y1: Any, caption: Any, words: Any) -> Figure:
    if not isinstance(kind, str) or kind not in _FIGURES:
        _refuse(f"a figure of kind {kind!r:.20} makes no sense")
    return Figure(kind, _box(x0, y0, x1, y1), _or_none(length, caption), _or_none(length, words))  # type: ignore[arg-type]


def _flag(value: Any) -> bool:
    return type(value) is int and value in (0, 1)
