"""A page's text and the box of each of its characters, built in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bakeoff.tasks.documents.layout import hyphens
from bakeoff.tasks.documents.layout.blocks import Line
from bakeoff.tasks.documents.layout.ink import Ink
from bakeoff.tasks.documents.layout.lines import SPACE
from bakeoff.tasks.documents.records import Box, Span

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PUT_IN = {" ": SPACE, "\t": -(1 << 40), "\n": -(1 << 40) - 1}
"""Separators, as numbers that no space glyph has (see `Segments.sequence`)."""


class PageText:
    """Text that grows at its end, and knows of each character which one of the Ink it is."""

    def __init__(self, ink: Ink, words: hyphens.Words) -> None:
        self._ink, self._words = ink, words
        self._parts: list[NDArray] = []
        self.length = 0

    def put(self, separator: str) -> None:
        """Add a space, a tab or a line break that is not printed."""
        import numpy as np

        self._parts.append(np.array([_PUT_IN[separator]], dtype=np.int64))
        self.length += 1

    def add(self, lines: Sequence[Line]) -> Span:
        """Add the lines of one block or cell, joined: by a space, or where a word was broken by nothing."""
        start = self.length
        for number, line in enumerate(lines):
            sequence = line.sequence
            if number + 1 < len(lines):
                separator, cut = hyphens.between(line.text, lines[number + 1].text, self._soft(line), self._words)
                if cut:
                    sequence = sequence[:-1]
                self._append(sequence)
                if separator:
                    self.put(separator)
            else:
                self._append(sequence)
        return Span(start, self.length)

    def sequence(self) -> NDArray:
        """All characters, as in `Segments.sequence`."""
        import numpy as np

        return np.concatenate(self._parts) if self._parts else np.zeros(0, dtype=np.int64)

    def finish(self) -> tuple[str, NDArray]:
        """The text, and the box of each of its characters: shape (length, 4), float32, NaN for what was put in."""
        import numpy as np

        sequence = self.sequence()
        printed = sequence >= 0
        codes = np.full(len(sequence), ord(" "), dtype="<u4")
        codes[printed] = self._ink.codes[sequence[printed]]
        codes[sequence == _PUT_IN["\t"]] = ord("\t")
        codes[sequence == _PUT_IN["\n"]] = ord("\n")
        boxes = np.full((len(sequence), 4), np.nan, dtype=np.float32)
        boxes[printed] = self._ink.boxes[sequence[printed]]
        spaces = (sequence < SPACE) & (sequence > _PUT_IN["\t"])
        boxes[spaces] = self._ink.spaces[-2 - sequence[spaces]]
        return codes.tobytes().decode("utf-32-le"), boxes

    def box(self, span: Span, boxes: NDArray) -> Box:
        """The box around some characters."""
        import numpy as np

        rows = boxes[span.start : span.end]
        rows = rows[~np.isnan(rows[:, 0])]
        if not len(rows):
            return (0.0, 0.0, 0.0, 0.0)
        return (float(rows[:, 0].min()), float(rows[:, 1].min()), float(rows[:, 2].max()), float(rows[:, 3].max()))

    def _append(self, sequence: NDArray) -> None:
        self._parts.append(sequence)
        self.length += len(sequence)

    def _soft(self, line: Line) -> bool:
        return len(line.sequence) > 0 and int(line.sequence[-1]) >= 0 and bool(self._ink.soft[int(line.sequence[-1])])
