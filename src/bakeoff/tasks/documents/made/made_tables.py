"""Tables of the made corpus: ruled, borderless and striped, with cells of several lines, going on from page to page."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bakeoff.tasks.documents.made import made_fonts
from bakeoff.tasks.documents.made.made_lines import Line
from bakeoff.tasks.documents.made.made_look import GREY
from bakeoff.tasks.documents.made.made_pages import Writer
from bakeoff.tasks.documents.made.made_text import Mark, plain

Align = Literal["left", "right", "centre"]
Style = Literal["ruled", "rules", "striped"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row. A `section` names the rows below it; a `total` stands under a rule."""

    cells: tuple[str, ...]
    kind: Literal["row", "section", "total"] = "row"


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table to be set.

    Parameters
    ----------
    key : str
        Names the table in the truth.
    shares : sequence of float
        Relative widths of the columns.
    head : sequence of rows of (text, columns spanned)
    rows : sequence of Row
        The first cell of a row is its label.
    unit : str
        What the figures are in; printed by the caller's caption or head.
    """

    key: str
    shares: Sequence[float]
    head: Sequence[Sequence[tuple[str, int]]]
    rows: Sequence[Row]
    caption: str = ""
    unit: str = ""
    unit_line: str = ""
    style: Style = "ruled"
    aligns: Sequence[Align] = ()
    size: float = 9.2
    width: float = 1.0
    indent: float = 0.0


def draw_table(writer: Writer, spec: TableSpec) -> list[Mark]:
    """Set a table where the writer stands, and return the marks of its cells, row by row."""
    return _Setter(writer, spec).run()


class _Setter:
    def __init__(self, writer: Writer, spec: TableSpec) -> None:
        self.writer, self.spec = writer, spec
        self.family = writer.look.heads if spec.style != "rules" else writer.look.body
        self.step = spec.size * 1.22
        self.pad = 4.5 if spec.style != "rules" else 3.0
        self.lift = {"ruled": 3.6, "striped": 3.4, "rules": 1.9}[spec.style]
        rest: list[Align] = ["right"] * (len(spec.shares) - 1)
        self.aligns: Sequence[Align] = spec.aligns or ["left", *rest]
        self.marks: list[Mark] = []
        self.labels = _column_labels(spec)
        # A closing bracket hangs to the right of a column of figures, so that the digits stay in line.
        hangs = any(cell.rstrip("]").endswith(")") for row in spec.rows for cell in row.cells[1:])
        self.hang = made_fonts.width(")", self.family.regular, spec.size) if hangs else 0.0
        self._place_columns()

    def _place_columns(self) -> None:
        frame, spec = self.writer.frame, self.spec
        total = (frame.width - spec.indent) * spec.width
        edges = [
            frame.x + spec.indent,
            *itertools.accumulate((share / sum(spec.shares) * total for share in spec.shares), initial=0.0),
        ]
        self.edges = [edges[0] + edge for edge in edges[1:]]

    def run(self) -> list[Mark]:
        writer, spec = self.writer, self.spec
        writer.skip(3)
        first = 4 * self.step + (22 if spec.caption else 0)
        writer.need(min(first + 3 * (self.step + 2 * self.lift), writer.frame.floor - writer.frame.top))
        self._place_columns()
        self._caption(spec.caption)
        self._head()
        section, shade = "", 0
        continued = False
        for row in spec.rows:
            cells = self._cells(row, section, continued)
            height = max(len(lines) for lines in cells) * self.step + 2 * self.lift
            # A total without the rows that it sums, or a section without its first row, is not left alone.
            keep = height * (2.2 if row.kind == "section" else 1.0)
            if writer.room() < keep:
                self._foot()
                writer.next_frame()
                self._place_columns()
                self._caption(f"{spec.caption} (continued)" if spec.caption else "")
                self._head()
                continued = True
                for mark in self._row_marks:
                    mark.traits.add("continued table")
            if row.kind == "section":
                section, shade = plain(row.cells[0]), 0
            self._row(row, cells, height, shade)
            shade += 1
        self._foot()
        writer.y += 9
        return self.marks

    def _caption(self, text: str) -> None:
        writer, spec = self.writer, self.spec
        if text:
            writer.paragraph(
                text,
                indent=spec.indent,
                size=spec.size + 0.4,
                family=writer.look.heads,
                bold=True,
                after=2.5,
                colour=writer.look.accent,
            )
        if spec.unit_line:
            writer.paragraph(
                spec.unit_line,
                indent=spec.indent,
                size=spec.size - 0.6,
                family=writer.look.heads,
                italic=True,
                after=2.5,
                colour=GREY,
            )

    def _head(self) -> None:
        writer, spec = self.writer, self.spec
        top = writer.y
        rows = []
        for cells in spec.head:
            at, row = 0, []
            for text, span in cells:
                width = self.edges[at + span] - self.edges[at] - 2 * self.pad
                found = writer.parsed(text, bold=True)
                row.append((at, span, writer.broken(found, width, self.family, spec.size)))
                at += span
            rows.append(row)
        heights = [max((len(lines) for _, _, lines in row), default=1) * self.step + 2 * self.lift for row in rows]
        if spec.style == "striped":
            writer.fill(self.edges[0], top, self.edges[-1], top + sum(heights), writer.look.accent)
        elif spec.style == "ruled":
            writer.fill(self.edges[0], top, self.edges[-1], top + sum(heights), (0.91, 0.92, 0.94))
        colour = (1.0, 1.0, 1.0) if spec.style == "striped" else None
        for row, height in zip(rows, heights, strict=True):
            for at, span, lines in row:
                align: Align = "centre" if span > 1 else self.aligns[at]
                y = writer.y + height - self.lift - len(lines) * self.step
                for line in lines:
                    y += self.step
                    self._line(line, at, span, y, align, colour)
                if span > 1 and lines and spec.style == "rules":
                    writer.rule(self.edges[at] + self.pad, writer.y + height, self.edges[at + span], 0.4)
            writer.y += height
            if spec.style == "ruled":
                self._grid(writer.y - height, writer.y, [(at, span) for at, span, _ in row])
        if spec.style == "rules":
            writer.rule(self.edges[0], writer.y, self.edges[-1], 0.9)

    def _cells(self, row: Row, section: str, continued: bool) -> list[list[Line]]:
        writer, spec = self.writer, self.spec
        label = plain(row.cells[0])
        self._row_marks: list[Mark] = []
        found = []
        for at, text in enumerate(row.cells):
            own: list[Mark] = []
            if at > 0 and plain(text).strip() and row.kind != "section":
                mark = Mark(
                    f"{spec.key}/{label}/{self.labels[at]}",
                    kind="cell",
                    row=" / ".join(filter(None, (section, label))),
                    column=self.labels[at],
                    unit=spec.unit,
                )
                own.append(mark)
                self._row_marks.append(mark)
            width = (self.edges[at + 1] if row.kind != "section" else self.edges[-1]) - self.edges[at] - 2 * self.pad
            pieces = writer.parsed(text, bold=row.kind != "row", marks=own)
            found.append(writer.broken(pieces, width, self.family, spec.size))
            for mark in own:
                if len(found[-1]) > 1:
                    mark.traits.add("multi-line cell")
                if continued:
                    mark.traits.add("continued table")
        writer.marks += self._row_marks
        self.marks += self._row_marks
        return found

    def _row(self, row: Row, cells: list[list[Line]], height: float, shade: int) -> None:
        writer, spec = self.writer, self.spec
        if spec.style == "striped" and shade % 2 == 1 and row.kind == "row":
            writer.fill(self.edges[0], writer.y, self.edges[-1], writer.y + height, (0.945, 0.95, 0.96))
        if row.kind == "total" and spec.style != "ruled":
            for at in range(1, len(row.cells)):
                if plain(row.cells[at]).strip():
                    writer.rule(self.edges[at] + self.pad * 2.2, writer.y + 0.6, self.edges[at + 1] - self.hang, 0.5)
        for at, lines in enumerate(cells):
            y = writer.y + self.lift
            for line in lines:
                y += self.step
                self._line(line, at, 1, y, self.aligns[at], None)
        writer.y += height
        if spec.style == "ruled":
            self._grid(
                writer.y - height,
                writer.y,
                [(0, len(self.edges) - 1)] if row.kind == "section" else [(at, 1) for at in range(len(row.cells))],
            )

    def _line(self, line: Line, at: int, span: int, y: float, align: Align, colour: tuple[float, float, float] | None) -> None:
        writer = self.writer
        left, right = self.edges[at] + self.pad, self.edges[at + span] - self.pad
        if align == "right":
            last = line.words[-1][-1].text if line.words else ""
            right -= 0.0 if last.endswith(")") else self.hang
        writer.draw_line(
            line, left, y - self.step * 0.24, right - left, size=self.spec.size, family=self.family, align=align, colour=colour
        )

    def _grid(self, top: float, bottom: float, cells: Sequence[tuple[int, int]]) -> None:
        writer = self.writer
        writer.canvas.setStrokeColorRGB(0.55, 0.56, 0.6)
        writer.canvas.setLineWidth(0.5)
        for at, span in cells:
            writer.canvas.rect(
                self.edges[at], writer.up(bottom), self.edges[at + span] - self.edges[at], bottom - top, stroke=1, fill=0
            )

    def _foot(self) -> None:
        if self.spec.style != "ruled":
            self.writer.rule(self.edges[0], self.writer.y + 0.5, self.edges[-1], 0.9)


def _column_labels(spec: TableSpec) -> list[str]:
    """What names each column: the texts above it, from the top."""
    parts: list[list[str]] = [[] for _ in spec.shares]
    for row in spec.head:
        at = 0
        for text, span in row:
            for column in range(at, at + span):
                if plain(text).strip():
                    parts[column].append(plain(text).strip())
            at += span
    return [" / ".join(part) for part in parts]
