"""Pictures of pages, for people who want to see where it stands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bakeoff.errors import BadData
from bakeoff.tasks.documents.records import EVERYTHING, Box, Figure, Page, Scope

if TYPE_CHECKING:
    from bakeoff.tasks.documents.corpus import Corpus

WIDTH = 1100
"""Pixels across: sharp at the width at which a page is read, and under 200 kB for a page of text."""

CROP_WIDTH = 900
"""Pixels across of a figure cut out of its page."""

MOST_FIGURES = 3
"""Figures cut out of one page."""

LEAST_FIGURE, MOST_OF_PAGE = 24.0, 0.7
"""A smaller figure (points a side) is an icon; one that covers more of its page is the page, which is shown anyhow."""

MARGIN = 4.0
"""Points of page left around a figure."""

LARGEST_PIXELS = 4_000_000
LARGEST_BYTES = 3_000_000
LONGEST_SECONDS = 40.0


class Cutting(NamedTuple):
    """A figure cut out of its page with its caption: where on the page (points from the top left), and its WebP bytes."""

    box: Box
    webp: bytes


class Picture(NamedTuple):
    """A drawn page: its size in points and its WebP bytes, empty where it could not be drawn; the figures that were asked for."""

    document: str
    page: int
    width: float
    height: float
    webp: bytes
    figures: tuple[Cutting, ...] = ()


def picture_of(corpus: Corpus, document: str, number: int, scope: Scope = EVERYTHING, cited: Sequence[Box] = ()) -> Picture:
    """Draw one page of a document in scope, and the figures that `cited` boxes (points from the top left) lie in.

    Its file must still be the one that was indexed (same bytes): what is marked on a picture must be what stands there.

    Raises
    ------
    BadData
        If there is no such page in scope.
    """
    page = corpus.store.page(document, number, scope)
    bare = Picture(document, number, page.width, page.height, b"")
    path = corpus.folder / document if corpus.folder else None
    facts = next(facts for facts in corpus.store.documents(scope) if facts.name == document)
    from bakeoff.tasks.documents.corpus import hash_file

    try:
        if path is None or not path.is_file() or hash_file(path) != facts.id:
            return bare
        webp = _drawn(path, number, (0.0, 0.0, page.width, page.height), WIDTH)
        cut = [Cutting(box, _drawn(path, number, box, CROP_WIDTH, whole=False)) for box in figures_at(page, cited)]
        return bare._replace(webp=webp, figures=tuple(each for each in cut if each.webp))
    except (OSError, BadData):
        return bare


def figures_at(page: Page, cited: Sequence[Box]) -> list[Box]:
    """Where the figures stand that a cited box has its middle in, each with its caption; the most cited first.

    Returns
    -------
    list of (x0, y0, x1, y1)
        At most `MOST_FIGURES`, in points from the page's top left. None smaller than an icon, none as large as the page.
    """
    found: dict[Box, int] = {}
    for figure in page.figures:
        x0, y0, x1, y1 = box = _with_caption(page, figure)
        large = (x1 - x0) * (y1 - y0) > MOST_OF_PAGE * page.width * page.height
        if large or min(x1 - x0, y1 - y0) < LEAST_FIGURE:
            continue
        inside = sum(x0 <= (a + c) / 2 <= x1 and y0 <= (b + d) / 2 <= y1 for a, b, c, d in cited)
        if inside:
            found[box] = inside
    return sorted(found, key=lambda box: -found[box])[:MOST_FIGURES]


def _with_caption(page: Page, figure: Figure) -> Box:
    boxes = [figure.box, *_caption_boxes(page, figure)]
    return (
        max(0.0, min(box[0] for box in boxes) - MARGIN),
        max(0.0, min(box[1] for box in boxes) - MARGIN),
        min(page.width, max(box[2] for box in boxes) + MARGIN),
        min(page.height, max(box[3] for box in boxes) + MARGIN),
    )


def _caption_boxes(page: Page, figure: Figure) -> Iterator[Box]:
    if figure.caption is not None:
        for x0, y0, x1, y1 in page.boxes[figure.caption.start : figure.caption.end].tolist():
            if x0 == x0:  # a space that was put in between has no box: NaN
                yield x0, y0, x1, y1


def _drawn(path: Path, number: int, box: Box, across: int, *, whole: bool = True) -> bytes:
    """A part of the page as WebP, drawn by a process that can be killed; empty where it cannot be drawn."""
    width, height = max(1.0, box[2] - box[0]), max(1.0, box[3] - box[1])
    scale = across / width
    scale *= min(1.0, (LARGEST_PIXELS / (width * height * scale * scale)) ** 0.5)
    command = [sys.executable, "-m", "bakeoff.tasks.documents.reading.draw_child", str(path), str(number), f"{scale:.6f}"]
    if not whole:
        command += [f"{edge:.3f}" for edge in box]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LONGEST_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return b""
    return done.stdout if done.returncode == 0 and len(done.stdout) <= LARGEST_BYTES else b""
