"""Pieces of lines in reading order, put together into lines and blocks, with tables and figures as units among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bakeoff.tasks.documents.layout import bidi
from bakeoff.tasks.documents.layout.blocks import ENDS, LEADERS, TABULAR_GAP, Group, Line, grouped, is_label
from bakeoff.tasks.documents.layout.columns import Items, Row, reading_order
from bakeoff.tasks.documents.layout.hyphens import HYPHENS
from bakeoff.tasks.documents.layout.ink import FLOW, Ink, turned_back
from bakeoff.tasks.documents.layout.lines import SPACE, Segments
from bakeoff.tasks.documents.records import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray


FARTHEST_LABEL = 6.0
"""In font sizes: how far behind its number the text of a clause or list item begins."""

MOST_LABELS = 500


class Flow:
    """The order in which a page is read.

    Parameters
    ----------
    ink : Ink
    segments : Segments
    width, height : float
        Of the page.

    Attributes
    ----------
    turn : int
        Direction of most of the text. Text in other directions comes last, as blocks of its own.
    height : float
        Of the page, when it is turned so that most of its text is upright.
    body : float
        Font size of most of the running text.
    """

    def __init__(self, ink: Ink, segments: Segments, width: float, height: float) -> None:
        import numpy as np

        self._ink, self._segments = ink, segments
        lengths = np.diff(segments.starts)
        turns, place = np.unique(segments.turn, return_inverse=True)
        self.turn = int(turns[np.bincount(place, weights=lengths).argmax()]) if len(turns) else 0
        self.height = width if self.turn in (90, 270) else height
        self._top = float(turned_back(np.array([[0, 0, width, height]]), self.turn)[0, 1]) if self.turn % 90 == 0 else 0.0
        self._boxes = segments.boxes - np.array([0, self._top, 0, self._top])
        self._base = segments.base - self._top
        flow = (segments.owner == FLOW) & (segments.turn == self.turn)
        halves = np.rint(segments.size * 2).astype(int)
        self.body = (
            float(np.bincount(halves[flow], weights=lengths[flow]).argmax()) / 2 if flow.any() and halves.max() < 10_000 else 0.0
        )
        self.body = self.body or (float(np.median(segments.size)) if len(segments) else 10.0)
        self._x0, self._y0, self._x1, self._y1 = self._boxes.T.tolist()
        self._bases, self._sizes = self._base.tolist(), segments.size.tolist()
        self._bold, self._italic = segments.bold.tolist(), segments.italic.tolist()
        self._bounds = segments.starts.tolist()
        self.right_to_left, self._any_right_to_left = False, bidi.has_right_to_left(ink.codes)
        if self._any_right_to_left:
            letters = "".join(segments.texts)
            backwards = sum(bidi.is_right_to_left(letter) for letter in letters)
            self.right_to_left = backwards > 0.5 * sum(map(str.isalpha, letters))
        self._of_owner: dict[int, list[int]] = {}
        owned = np.flatnonzero(segments.owner >= 0)
        owned = owned[np.lexsort((self._boxes[owned, 0], self._base[owned], segments.turn[owned], segments.owner[owned]))]
        for index, owner in zip(owned.tolist(), segments.owner[owned].tolist(), strict=True):
            self._of_owner.setdefault(owner, []).append(index)

    def owned(self, owner: int) -> list[Line]:
        """The lines of a cell or caption, from top to bottom."""
        return [self._line([index]) for index in self._of_owner.get(owner, ())]

    def place(self, owner: int) -> Box:
        """The box around an owner's lines, on the page."""
        import numpy as np

        pieces = self._of_owner.get(owner, [])
        chosen = np.concatenate([self._segments.sequence[self._bounds[index] : self._bounds[index + 1]] for index in pieces])
        boxes = self._ink.boxes[chosen[chosen >= 0]]
        return (float(boxes[:, 0].min()), float(boxes[:, 1].min()), float(boxes[:, 2].max()), float(boxes[:, 3].max()))

    def labels(self, owner: int) -> list[list[Line]]:
        """The words in a figure: lines that stand closely under each other, of one size, are one label."""
        found: list[list[Line]] = []
        for line in self.owned(owner):
            above = next((label for label in found[-24:] if _same_label(label[-1], line)), None)
            if above is None:
                found.append([line])
            else:
                above.append(line)
        return found

    def groups(self, units: Sequence[tuple[Group, Box]]) -> list[Group]:
        """All blocks of the main direction in reading order, units among them; then those of other directions.

        Parameters
        ----------
        units : sequence of (Group, box)
            What stays whole, and where it stands on the page. Groups without lines that are no tables only keep their place free.
        """
        import numpy as np

        segments = self._segments
        flow = segments.owner == FLOW
        found = self._ordered(np.flatnonzero(flow & (segments.turn == self.turn)), units, 0)
        _continued(found)
        for turn in np.unique(segments.turn[flow]).tolist():
            if turn != self.turn:
                found += self._ordered(np.flatnonzero(flow & (segments.turn == turn)), (), 1 + len(found))
        return found

    def _ordered(self, pieces: NDArray, units: Sequence[tuple[Group, Box]], region: int) -> list[Group]:
        import numpy as np

        heads, joined = self._labels_joined(pieces)
        boxes, base = self._boxes[heads].copy(), self._base[heads]
        for at, tail in joined.items():
            boxes[at, :2] = np.minimum(boxes[at, :2], self._boxes[tail, :2].min(axis=0))
            boxes[at, 2:] = np.maximum(boxes[at, 2:], self._boxes[tail, 2:].max(axis=0))
        n = len(heads)
        if units:
            places = np.array([box for _, box in units], dtype=float).reshape(-1, 4)
            more = turned_back(places, self.turn) - np.array([0, self._top, 0, self._top])
            more = np.array([self._tight(box, boxes) for box in more]).reshape(-1, 4)
            boxes, base = np.concatenate([boxes, more]), np.concatenate([base, more[:, 1]])
        if self.right_to_left:
            boxes = np.stack([-boxes[:, 2], boxes[:, 1], -boxes[:, 0], boxes[:, 3]], axis=1)
        parts = [[index, *joined.get(at, ())] for at, index in enumerate(heads.tolist())]
        counts = np.zeros((4, len(base)), dtype=np.int64)
        for at, row in enumerate(parts):
            text = " ".join(self._segments.texts[index] for index in row)
            spaces = text.count(" ")
            goes_on = text[0].isalpha() and not text[0].isupper()
            counts[:, at] = len(text) - spaces, sum(map(str.isalpha, text)), spaces + 1, goes_on
        items = Items(boxes, base, np.arange(len(base)) >= n, counts[0], counts[1], counts[2], counts[3].astype(bool))
        found: list[Group] = []
        for number, rows in enumerate(reading_order(items, self.height, self.body), region):
            lines: list[Line] = []
            for row in rows:
                if row[0] < n:
                    lines.append(self._line([index for item in row for index in parts[item]]))
                    continue
                found += grouped(lines, number)
                lines = []
                group = units[row[0] - n][0]
                group.region = number
                found.append(group)
            found += grouped(lines, number)
        return found

    def _labels_joined(self, pieces: NDArray) -> tuple[NDArray, dict[int, list[int]]]:
        """Pieces without those that follow a list mark or clause number on its line, and these by the place of the piece that they follow.

        A number that is set apart from its text must not look like a column of its own.
        """
        import numpy as np

        marks = [at for at, index in enumerate(pieces.tolist()) if is_label(self._segments.texts[index])]
        joined: dict[int, int] = {}
        boxes, base = self._boxes[pieces], self._base[pieces]
        for at in marks[:MOST_LABELS]:
            gap = boxes[:, 0] - boxes[at, 2] if not self.right_to_left else boxes[at, 0] - boxes[:, 2]
            beside = (gap > 0) & (gap < FARTHEST_LABEL * self.body) & (np.abs(base - base[at]) < 0.3 * self.body)
            beside[list(joined)] = False
            near = np.flatnonzero(beside)
            if len(near):
                text = int(near[np.argmin(gap[near])])
                if text not in joined and text not in marks:
                    joined[text] = at
        keep = np.ones(len(pieces), dtype=bool)
        keep[list(joined)] = False
        place = np.cumsum(keep) - 1
        tails: dict[int, list[int]] = {}
        for text, at in joined.items():
            tails.setdefault(int(place[at]), []).append(int(pieces[text]))
        return pieces[keep], tails

    def _tight(self, box: NDArray, texts: NDArray) -> NDArray:
        """A unit's box; a point where running text stands all over it: it is behind the text, and divides nothing."""
        import numpy as np

        x, y = (texts[:, 0] + texts[:, 2]) / 2, (texts[:, 1] + texts[:, 3]) / 2
        inside = (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])
        if inside.sum() <= 2:
            return box
        return np.array([box[0], box[1], box[0], box[1]])

    def _line(self, row: Row) -> Line:
        import numpy as np

        if len(row) == 1:
            index = row[0]
            sequence = self._segments.sequence[self._bounds[index] : self._bounds[index + 1]]
            text = self._segments.texts[index]
            x0, y0, x1, y1 = self._x0[index], self._y0[index], self._x1[index], self._y1[index]
            base, size, bold, italic = self._bases[index], self._sizes[index], self._bold[index], self._italic[index]
            tabular = False
        else:
            row = sorted(row, key=lambda index: self._x0[index])
            parts: list[NDArray] = []
            for index in row:
                parts += [_space(), self._segments.sequence[self._bounds[index] : self._bounds[index + 1]]]
            sequence = np.concatenate(parts[1:])
            text = " ".join(self._segments.texts[index] for index in row)
            x0, x1 = self._x0[row[0]], max(self._x1[index] for index in row)
            y0, y1 = min(self._y0[index] for index in row), max(self._y1[index] for index in row)
            longest = max(row, key=lambda index: len(self._segments.texts[index]))
            base, size = self._bases[longest], self._sizes[longest]
            lengths = [len(self._segments.texts[index]) for index in row]
            bold, italic = (
                sum(shares[index] * length for index, length in zip(row, lengths, strict=True)) / sum(lengths)
                for shares in (self._bold, self._italic)
            )
            first = 1 if is_label(self._segments.texts[row[0]]) else 0
            gaps = [self._x0[b] - self._x1[a] for a, b in zip(row[first:-1], row[first + 1 :], strict=True)]
            tabular = any(gap > TABULAR_GAP * size for gap in gaps)
        if "..." in text or "…" in text or "___" in text or ". . ." in text:
            tabular = tabular or LEADERS.search(text) is not None
        if self._any_right_to_left:
            order = bidi.logical_order(text, self.right_to_left)
            sequence, text = sequence[np.array(order, dtype=np.int64)], "".join(text[index] for index in order)
            if self.right_to_left:
                x0, x1 = -x1, -x0
        end = text.find(" ")
        if self._any_right_to_left:
            word = (x1 - x0) * (end if end > 0 else len(text)) / len(text)
        else:
            word = float(self._ink.upright[sequence[end - 1], 2]) - x0 if end > 0 else x1 - x0
        return Line(sequence, text, x0, y0, x1, y1, base, size, bold, italic, tabular, first_word=word)


def _space() -> NDArray:
    import numpy as np

    return np.array([SPACE], dtype=np.int64)


def _same_label(above: Line, line: Line) -> bool:
    step, size = line.base - above.base, max(above.size, line.size)
    shared = min(above.x1, line.x1) - max(above.x0, line.x0)
    return (
        0.6 * size < step < 1.5 * size
        and abs(above.size - line.size) < 0.1 * size
        and shared > 0.5 * min(above.x1 - above.x0, line.x1 - line.x0)
    )


def _continued(groups: list[Group]) -> None:
    """Join a paragraph that goes on at the top of the next column, in place."""
    number = 1
    while number < len(groups):
        above, below = groups[number - 1], groups[number]
        if _goes_on(above, below):
            above.lines += below.lines
            above.region = below.region
            del groups[number]
        else:
            number += 1


def _goes_on(above: Group, below: Group) -> bool:
    if above.unit >= 0 or below.unit >= 0 or above.region == below.region or below.kind != "paragraph" or not above.lines:
        return False
    last, first = above.lines[-1], below.lines[0]
    beside = first.y0 < last.y0 and (first.x0 > last.x1 or first.x1 < last.x0)
    if not beside or last.tabular or first.tabular or abs(last.size - first.size) > 0.06 * last.size:
        return False
    if ENDS.search(last.text):
        return False
    left, right = min(line.x0 for line in above.lines), max(line.x1 for line in above.lines)
    several = len(above.lines) > 1
    if first.text[:1].islower() or last.text[-1:] in HYPHENS:
        # Where a program broke a paragraph in two, the last line before the break is often not stretched to the edge.
        return last.x1 > right - 3 * last.size or (several and last.x1 > (left + right) / 2)
    # A name may come first in the next column: then everything else must speak for one paragraph.
    plain = max(last.bold, first.bold) < 0.5 and not below.text[:1].isdigit()
    return several and plain and last.x1 > right - 0.5 * last.size and last.text[-1:].isalnum() and bool(ENDS.search(below.text))
