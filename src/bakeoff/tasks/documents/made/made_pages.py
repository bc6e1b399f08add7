"""Sets text on PDF pages and remembers where each character of a stated fact was printed.

A small typesetter over reportlab's canvas: justified lines with hyphenation, numbered clauses, columns, footnotes, running heads, and
pages that are stored turned by a quarter or a half, cropped, or with an origin that is not 0. It is no general one; it exists so that
truth boxes come from what was drawn and not from reading the file back. Lengths are points; y runs down from the top of the page as
displayed. The same calls give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from bakeoff.tasks.documents.made import made_fonts
from bakeoff.tasks.documents.made.made_fonts import Family
from bakeoff.tasks.documents.made.made_lines import Line, font_of, set_lines, width_of
from bakeoff.tasks.documents.made.made_look import GREY, Colour, Heading, Look, Sheet
from bakeoff.tasks.documents.made.made_text import Fragment, Mark, words
from bakeoff.tasks.documents.records import Box

LOOSEST = 0.75
"""A justified line may widen its spaces by this many ems; above it the line stays ragged."""


@dataclass(slots=True)
class _Frame:
    x: float
    top: float
    width: float
    floor: float
    notes: list[tuple[str, list[Line]]] = field(default_factory=list)


class Writer:
    """One PDF being written. Close it with `save`."""

    def __init__(self, path: Path | None, look: Look, *, title: str, author: str = "") -> None:
        from reportlab.pdfgen.canvas import Canvas

        made_fonts.register()
        self.look, self.title = look, title
        self.canvas: Any = Canvas(str(path or "unwritten.pdf"), pagesize=look.page, invariant=1, pageCompression=1)
        self.canvas.setTitle(title)
        self.canvas.setAuthor(author)
        self.canvas.setProducer("Bakeoff made corpus")
        self.page = 0
        self.sheet = Sheet()
        self.section = ""
        self.marks: list[Mark] = []
        self.headings: list[Heading] = []
        self.figures: list[tuple[int, str, Box, str, str]] = []
        self.texts: list[list[str]] = []
        self.notes = 0
        self._note_texts: dict[int, str] = {}
        self._lines = 0
        self._frames: list[_Frame] = []
        self._at = 0
        self._media: list[tuple[float, float, float, float]] = []
        self.y = 0.0

    # --- pages ---------------------------------------------------------------------------------------------------------

    @property
    def shown(self) -> tuple[float, float]:
        """Width and height of the page as displayed."""
        width, height = self.look.page
        return (height, width) if self.sheet.landscape else (width, height)

    @property
    def laid(self) -> tuple[float, float]:
        """Width and height of the layout, which may stand sideways on the page."""
        width, height = self.shown
        return (height, width) if self.sheet.turn else (width, height)

    @property
    def frame(self) -> _Frame:
        """Where text now goes."""
        if not self._frames:
            self._begin()
        return self._frames[self._at]

    def use(self, sheet: Sheet) -> None:
        """End this page; the following ones are of another kind."""
        self.end_page()
        self.sheet = sheet

    def end_page(self) -> None:
        """Finish this page, if one was begun."""
        if not self._frames:
            return
        self._finish_frame()
        self.canvas.restoreState()
        width, height = self.shown
        flat = (height, width) if self.sheet.rotate in (90, 270) else (width, height)
        left, top, right, bottom = self.sheet.trim
        x, y = self.sheet.origin
        self.canvas.setPageSize((flat[0] + left + right, flat[1] + top + bottom))
        self.canvas.setPageRotation(self.sheet.rotate)
        self.canvas._cropBox = (
            [x + left, y + bottom, x + left + flat[0], y + bottom + flat[1]] if self.sheet.traits() - {"sideways"} else None
        )
        self._media.append((x, y, x + flat[0] + left + right, y + flat[1] + top + bottom))
        self.canvas.showPage()
        self._frames = []

    def save(self) -> None:
        """Write the file."""
        from reportlab.pdfbase import pdfdoc

        self.end_page()
        for page, media in zip(self.canvas._doc.Pages.pages, self._media, strict=True):
            page.MediaBox = pdfdoc.PDFArray([round(value, 2) for value in media])
        self.canvas.save()

    def _begin(self) -> None:
        self.page += 1
        self.texts.append([])
        sheet, canvas = self.sheet, self.canvas
        width, height = self.shown
        left, top, right, bottom = self.look.margins
        canvas.saveState()
        matrix = {
            0: (1, 0, 0, 1, 0, 0),
            90: (0, 1, -1, 0, height, 0),
            180: (-1, 0, 0, -1, width, height),
            270: (0, -1, 1, 0, 0, width),
        }
        a, b, c, d, e, f = matrix[sheet.rotate]
        canvas.transform(a, b, c, d, e + sheet.origin[0] + sheet.trim[0], f + sheet.origin[1] + sheet.trim[3])
        turn, self._frames = sheet.turn, [_Frame(left, top, width - left - right, height - bottom)]
        if self.look.furniture is not None:
            self.sheet = replace(sheet, turn=0)
            self.look.furniture(self)
            self.sheet = sheet
        if turn:
            # The margins stay where a reader sees them; the layout inside them is turned.
            canvas.transform(*((0, -1, 1, 0, 0, height) if turn == 90 else (0, 1, -1, 0, width, 0)))
            left, top, right, bottom = (top, right, bottom, left) if turn == 90 else (bottom, left, top, right)
        laid_width, laid_height = self.laid
        columns = sheet.columns or self.look.columns
        gap = self.look.gutter
        each = (laid_width - left - right - gap * (columns - 1)) / columns
        self._frames = [_Frame(left + i * (each + gap), top, each, laid_height - bottom) for i in range(columns)]
        self._at = 0
        self.y = top

    def next_frame(self) -> None:
        """Go on in the next column or on the next page."""
        self.frame  # noqa: B018  begins a page where there is none
        self._finish_frame()
        if self._at + 1 < len(self._frames):
            self._at += 1
            self.y = self.frame.top
        else:
            self._frames[self._at].notes = []
            self.end_page()
            self._begin()

    def room(self) -> float:
        """Points left in this column."""
        return self.frame.floor - self.y

    def need(self, height: float) -> None:
        """Go on in the next column if this much does not fit here."""
        if self.room() < height and self.y > self.frame.top + 0.1:
            self.next_frame()

    def skip(self, height: float) -> None:
        """Leave some space, unless at the top of a column."""
        if self.y > self.frame.top + 0.1:
            self.y += height

    def _finish_frame(self) -> None:
        frame = self._frames[self._at]
        if not frame.notes:
            return
        size = self.look.points * 0.8
        y = frame.floor + 5
        self.rule(frame.x, y - 1, frame.x + min(120.0, frame.width), 0.5, GREY)
        y += size * 1.1
        for label, lines in frame.notes:
            self.text_at(frame.x, y - 2.2, label, size=size * 0.75)
            for line in lines:
                self.draw_line(
                    line, frame.x + 11, y, frame.width - 11, size=size, family=self.look.body, justified=self.look.justified
                )
                y += size * 1.2
        frame.notes = []

    # --- coordinates ---------------------------------------------------------------------------------------------------

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Box:
        """A box of the layout as a box of the displayed page."""
        width, height = self.laid
        if self.sheet.turn == 90:
            return (height - y1, x0, height - y0, x1)
        if self.sheet.turn == 270:
            return (y0, width - x1, y1, width - x0)
        return (x0, y0, x1, y1)

    def up(self, y: float) -> float:
        """The canvas' y for a y that runs down."""
        return self.laid[1] - y

    # --- lines ---------------------------------------------------------------------------------------------------------

    def parsed(self, text: str, *, bold: bool = False, italic: bool = False, marks: Sequence[Mark] = ()) -> list[list[Fragment]]:
        """Words of marked-up text, with footnotes numbered; its marks are remembered."""
        found, opened = words(text, marks, bold=bold, italic=italic)
        self.marks += opened
        numbered = []
        for word in found:
            parts = []
            for fragment in word:
                if fragment.note is not None:
                    self.notes += 1
                    self._note_texts[self.notes] = fragment.note
                    fragment = replace(fragment, text=str(self.notes), bold=False, italic=False, note=str(self.notes))
                parts.append(fragment)
            numbered.append(parts)
        return numbered

    def broken(self, found: Sequence[list[Fragment]], width: float, family: Family, size: float) -> list[Line]:
        """Words set into lines of a width; words are broken only where lines are justified."""
        return set_lines(found, width, family, size, breaking=self.look.justified)

    def draw_line(
        self,
        line: Line,
        x: float,
        y: float,
        width: float,
        *,
        size: float,
        family: Family,
        align: Literal["left", "right", "centre"] = "left",
        justified: bool = False,
        colour: Colour | None = None,
    ) -> None:
        """Print one line with its baseline at `y`, and remember where the characters of its marks stand."""
        extra = 0.0
        gaps = len(line.words) - 1
        if justified and not line.last and gaps > 0 and 0 < (width - line.width) / gaps < LOOSEST * size:
            extra = (width - line.width) / gaps
        if align != "left":
            x += (width - line.width) * (1.0 if align == "right" else 0.5)
        self._lines += 1
        self.texts[-1] += ["".join(fragment.text for fragment in word) for word in line.words]
        text = self.canvas.beginText()
        text.setTextOrigin(x, self.up(y))
        text.setFillColorRGB(*(colour or self.look.ink))
        text.setWordSpace(extra)
        traits = self.sheet.traits() | ({"two columns"} if len(self._frames) > 1 else set())
        for number, word in enumerate(line.words):
            for place, fragment in enumerate(word):
                font, points = font_of(fragment, family, size)
                rise = size * 0.33 if fragment.raised else 0.0
                space = " " if place == len(word) - 1 and number < gaps else ""
                text.setFont(font, points)
                text.setRise(rise)
                text.textOut(fragment.text + space)
                table = made_fonts.advances(font)
                if fragment.marks:
                    ascent, descent = made_fonts.heights(font)
                    top, bottom = y - rise - ascent * points, y - rise - descent * points
                    at = x
                    for index, char in enumerate(fragment.text):
                        box = self.box(at, top, at + table[char] * points, bottom)
                        at += table[char] * points
                        for mark, start in fragment.marks:
                            mark.found.append((start + index, self.page, self._lines, box))
                    for mark, _ in fragment.marks:
                        mark.traits |= traits
                x += sum(table[char] for char in fragment.text) * points
                if space:
                    x += table[" "] * points + extra
        text.setRise(0)
        text.setWordSpace(0)
        self.canvas.drawText(text)

    def text_at(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float | None = None,
        family: Family | None = None,
        bold: bool = False,
        italic: bool = False,
        align: Literal["left", "right", "centre"] = "left",
        colour: Colour | None = None,
        marks: Sequence[Mark] = (),
    ) -> float:
        """Print one unbroken line with its baseline at `y`, aligned to `x`; returns its width."""
        family, size = family or self.look.body, size or self.look.points
        found = self.parsed(text, bold=bold, italic=italic, marks=marks)
        space = made_fonts.width(" ", family.face(bold, italic), size)
        width = sum(width_of(word, family, size) for word in found) + space * max(0, len(found) - 1)
        x -= {"left": 0.0, "right": width, "centre": width / 2}[align]
        self.draw_line(Line(found, width, True), x, y, width, size=size, family=family, colour=colour)
        return width

    def rule(self, x0: float, y: float, x1: float, thickness: float = 0.6, colour: Colour | None = None) -> None:
        """A horizontal line."""
        self.canvas.setStrokeColorRGB(*(colour or self.look.ink))
        self.canvas.setLineWidth(thickness)
        self.canvas.line(x0, self.up(y), x1, self.up(y))

    def fill(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A filled rectangle without an outline."""
        self.canvas.setFillColorRGB(*colour)
        self.canvas.rect(x0, self.up(y1), x1 - x0, y1 - y0, stroke=0, fill=1)

    # --- blocks --------------------------------------------------------------------------------------------------------

    def paragraph(
        self,
        text: str,
        *,
        label: str = "",
        indent: float = 0.0,
        hang: float = 0.0,
        size: float | None = None,
        family: Family | None = None,
        bold: bool = False,
        italic: bool = False,
        align: Literal["left", "right", "centre"] = "left",
        colour: Colour | None = None,
        after: float | None = None,
        keep: bool = False,
        leading: float | None = None,
        ragged: bool = False,
    ) -> None:
        """Set a paragraph. A `label` (a number, a bullet) stands `hang` to the left of the text, which is indented by `indent`.

        `keep` holds all lines together; `ragged` leaves their right edge as it falls.
        """
        family, size = family or self.look.body, size or self.look.points
        step = size * (leading or self.look.leading)
        found = self.parsed(text, bold=bold, italic=italic)
        lines = self.broken(found, self.frame.width - indent, family, size)
        if keep:
            self.need(step * len(lines))
        elif len(lines) > 1:
            self.need(step * min(len(lines), 2))
        for number, line in enumerate(lines):
            notes = self._notes_of(line)
            self.need(step + (self._notes_height(notes) if notes else 0.0))
            if len(lines) > 3 and number == len(lines) - 2 and self.room() < 2 * step:
                self.next_frame()
            if notes:
                self._add_notes(notes)
            self.y += step
            frame, base = self.frame, self.y - step * 0.24
            if number == 0 and label:
                self.text_at(frame.x + indent - hang, base, label, size=size, family=family, bold=bold, colour=colour)
            self.draw_line(
                line,
                frame.x + indent,
                base,
                frame.width - indent,
                size=size,
                family=family,
                align=align,
                justified=self.look.justified and align == "left" and not ragged,
                colour=colour,
            )
        self.y += self.look.after if after is None else after

    def _notes_of(self, line: Line) -> list[str]:
        return [fragment.note for word in line.words for fragment in word if fragment.note is not None]

    def _note_lines(self, number: str) -> list[Line]:
        size = self.look.points * 0.8
        return self.broken(self.parsed(self._note_texts[int(number)]), self.frame.width - 11, self.look.body, size)

    def _notes_height(self, numbers: Iterable[str]) -> float:
        size = self.look.points * 0.8
        before = len(self.marks)
        rows = sum(len(self._note_lines(number)) for number in numbers)
        del self.marks[before:]
        return rows * size * 1.2 + (0 if self.frame.notes else 12)

    def _add_notes(self, numbers: Iterable[str]) -> None:
        size = self.look.points * 0.8
        for number in numbers:
            lines = self._note_lines(number)
            self.frame.floor -= len(lines) * size * 1.2 + (0 if self.frame.notes else 12)
            self.frame.notes.append((number, lines))

    def heading(
        self,
        text: str,
        *,
        level: int = 1,
        label: str = "",
        hang: float = 0.0,
        size: float | None = None,
        space: float | None = None,
    ) -> None:
        """Set a heading that stays with the text after it, and note it for the contents."""
        points = size or self.look.points * {1: 1.25, 2: 1.08}.get(level, 1.0)
        self.skip(points * (0.9 if level == 1 else 0.55) if space is None else space)
        self.need(points * 1.3 + self.look.points * self.look.leading * 3)
        self.frame  # noqa: B018  begins a page where there is none
        self.paragraph(
            text,
            label=label,
            indent=hang,
            hang=hang,
            size=points,
            family=self.look.heads,
            bold=level < 3,
            italic=level == 3,
            colour=self.look.accent,
            after=points * 0.28,
            keep=True,
            leading=1.2,
            ragged=True,
        )
        plain = " ".join("".join(fragment.text for fragment in word) for word in words(text)[0])
        self.headings.append(Heading(level, label, plain, self.page))
        if level == 1:
            self.section = plain
