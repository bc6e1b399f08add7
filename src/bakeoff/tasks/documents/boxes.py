"""Boxes of characters, joined into the boxes that a reader is shown: one for each printed line of a quote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bakeoff.contract import Citation
from bakeoff.tasks.documents.records import Box, Chunk, Page, Span, chunk_spans

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARED = 0.4
"""Two boxes stand on one line when they share this much of the smaller one's height (or width, for text that runs upwards)."""

WIDEST_GAP = 3.0
"""Characters of one line are at most this many character heights apart; beyond it they are two boxes (cells, columns)."""


def line_boxes(boxes: NDArray, spans: Iterable[Span]) -> tuple[Box, ...]:
    """The boxes of some characters of a page, one per printed line, in order.

    Parameters
    ----------
    boxes : array of shape (n_characters, 4)
        `Page.boxes`. Characters with NaN boxes (put in, not printed) are passed over.
    spans : iterable of Span
        A new span always begins a new box.
    """
    import numpy as np

    found: list[Box] = []
    for span in spans:
        rows = np.asarray(boxes[span.start : span.end], dtype=float)
        current: Box | None = None
        for x0, y0, x1, y1 in rows[~np.isnan(rows).any(axis=1)].tolist():
            here = (x0, y0, x1, y1)
            if current is not None and (_goes_on_sideways(current, here) or _goes_on_upright(current, here)):
                current = (min(current[0], x0), min(current[1], y0), max(current[2], x1), max(current[3], y1))
                continue
            if current is not None:
                found.append(current)
            current = here
        if current is not None:
            found.append(current)
    return tuple(found)


def citations_of(chunk: Chunk, start: int, end: int, document: str, pages: Sequence[Page]) -> tuple[Citation, ...]:
    """Where characters `start` to `end` of a chunk stand: one citation per page, its quote the words on that page.

    Parameters
    ----------
    chunk : Chunk
        Of `document`.
    start, end : int
        Range of the chunk's text.
    document : str
        The document's name.
    pages : sequence of Page
        At least the pages that the range touches, in any order.
    """
    by_number = {page.number: page for page in pages}
    spans: dict[int, list[Span]] = {}
    for number, span in chunk_spans(chunk, start, end):
        spans.setdefault(number, []).append(span)
    found = []
    for number, parts in spans.items():
        page = by_number[number]
        quote = " ".join(page.text[span.start : span.end].strip() for span in parts)
        found.append(Citation(document, number, quote, line_boxes(page.boxes, parts)))
    return tuple(found)


def overlap(one: Sequence[Box], other: Sequence[Box], resolution: float = 0.5) -> float:
    """Intersection over union of two sets of boxes, each taken as the area it covers. 0 where both are empty.

    Computed on a grid of `resolution` points, so boxes of one set that overlap count once.
    """
    import numpy as np

    every = [*one, *other]
    if not one or not other:
        return 0.0
    left, top = min(box[0] for box in every), min(box[1] for box in every)
    width = int((max(box[2] for box in every) - left) / resolution) + 2
    height = int((max(box[3] for box in every) - top) / resolution) + 2
    masks = np.zeros((2, height, width), dtype=bool)
    for mask, boxes in zip(masks, (one, other), strict=True):
        for x0, y0, x1, y1 in boxes:
            rows = slice(round((y0 - top) / resolution), round((y1 - top) / resolution))
            mask[rows, round((x0 - left) / resolution) : round((x1 - left) / resolution)] = True
    union = (masks[0] | masks[1]).sum()
    return float((masks[0] & masks[1]).sum() / union) if union else 0.0


def _goes_on_sideways(current: Box, here: Box) -> bool:
    if current[3] - current[1] > 3 * (here[3] - here[1]):
        return False  # a run of turned text is taller than its letters: its neighbour is another run, not the same line
    height = min(current[3] - current[1], here[3] - here[1])
    shared = min(current[3], here[3]) - max(current[1], here[1])
    gap = here[0] - current[2]
    taller = max(current[3] - current[1], here[3] - here[1])
    return shared > SHARED * height and -taller < gap < WIDEST_GAP * taller


def _goes_on_upright(current: Box, here: Box) -> bool:
    """Text turned by a quarter: the next character stands right above or below, in the same narrow column."""
    width = min(current[2] - current[0], here[2] - here[0])
    shared = min(current[2], here[2]) - max(current[0], here[0])
    gap = max(here[1] - current[3], current[1] - here[3])
    wider = max(current[2] - current[0], here[2] - here[0])
    narrow = (current[2] - current[0]) <= 1.6 * (here[2] - here[0]) or (current[3] - current[1]) > 2 * (current[2] - current[0])
    return narrow and shared > 0.6 * width and -0.3 * wider < gap < 0.25 * wider
