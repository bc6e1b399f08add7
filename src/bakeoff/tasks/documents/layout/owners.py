"""What each character of a page belongs to: a table cell, a caption, a figure, or the running text.

A character belongs to one thing only. Cells come first, captions second, figures last, and of two of one kind the one given first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakeoff.tasks.documents.glyphs import RawFigure, RawPage, RawTable, SeenWord
from bakeoff.tasks.documents.layout.ink import FLOW
from bakeoff.tasks.documents.records import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOSTLY = 0.5
"""A word that OCR read is left out where this share of its box is covered by characters of the file, or by a word of a figure."""


@dataclass(frozen=True, slots=True, eq=False)
class Owners:
    """Owners are numbered from 0: all cells, then captions, then figures.

    Parameters
    ----------
    of : array of shape (n_glyphs,), int64
        FLOW or an owner.
    whole : array of shape (n_owners,), bool
        Lines of this owner are not cut at gaps.
    cells : list of lists
        Owner of each cell of each table.
    table_captions, figure_captions, figures : lists of int
        Owner of each table's caption, each figure's caption (-1 where there is none), and each figure's words.
    words : list of (SeenWord, owner)
        Words that OCR read, without those that stand on the page already.
    """

    of: NDArray
    whole: NDArray
    cells: list[list[int]]
    table_captions: list[int]
    figure_captions: list[int]
    figures: list[int]
    words: list[tuple[SeenWord, int]]


def owners_of(page: RawPage, tables: Sequence[RawTable], figures: Sequence[RawFigure], seen: Sequence[SeenWord]) -> Owners:
    """Decide what each character belongs to. Indices that are not on the page are passed over."""
    import numpy as np

    of = np.full(len(page.chars), FLOW, dtype=np.int64)
    count = 0

    def claim(glyphs: Sequence[int]) -> int:
        nonlocal count
        rows = np.asarray(glyphs, dtype=np.int64).reshape(-1)
        rows = rows[(rows >= 0) & (rows < len(of))]
        of[rows[of[rows] == FLOW]] = count
        count += 1
        return count - 1

    cells = [[claim(cell.glyphs) for cell in table.cells] for table in tables]
    table_captions = [claim(table.caption) if len(table.caption) else -1 for table in tables]
    figure_captions = [claim(figure.caption) if len(figure.caption) else -1 for figure in figures]
    whole = np.zeros(count + len(figures), dtype=bool)
    whole[:count] = True
    found = [claim(figure.glyphs) for figure in figures]
    return Owners(of, whole, cells, table_captions, figure_captions, found, _unread(page, figures, found, seen))


def _unread(
    page: RawPage, figures: Sequence[RawFigure], owners: Sequence[int], seen: Sequence[SeenWord]
) -> list[tuple[SeenWord, int]]:
    import numpy as np

    inside = [(word, owner) for figure, owner in zip(figures, owners, strict=True) for word in figure.seen if word.text.strip()]
    outside = [word for word in seen if word.text.strip()]
    if not inside and not outside:
        return []
    printed = np.array([not character.isspace() for character in page.chars], dtype=bool) & page.visible
    glyphs = np.asarray(page.boxes[printed], dtype=float).reshape(-1, 4)
    inside = [(word, owner) for word, owner in inside if _covered(word.box, glyphs) < MOSTLY]
    taken = np.concatenate([glyphs, np.array([word.box for word, _ in inside], dtype=float).reshape(-1, 4)])
    return inside + [(word, FLOW) for word in outside if _covered(word.box, taken) < MOSTLY]


def _covered(box: Box, others: NDArray) -> float:
    """Share of a box that others cover, those that overlap each other counted twice."""
    import numpy as np

    x0, y0, x1, y1 = box
    if not (x1 > x0 and y1 > y0) or not len(others):
        return 0.0
    width = np.minimum(x1, others[:, 2]) - np.maximum(x0, others[:, 0])
    height = np.minimum(y1, others[:, 3]) - np.maximum(y0, others[:, 1])
    return float((np.clip(width, 0, None) * np.clip(height, 0, None)).sum() / ((x1 - x0) * (y1 - y0)))
