"""Figures of the made corpus: bar and line charts and flow charts as vector paths, and diagrams as raster images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bakeoff.tasks.documents.made.made_look import GREY, INK, Colour
from bakeoff.tasks.documents.made.made_pages import Writer
from bakeoff.tasks.documents.made.made_text import plain

PALETTE: tuple[Colour, ...] = ((0.15, 0.31, 0.47), (0.83, 0.52, 0.20), (0.36, 0.55, 0.42), (0.60, 0.36, 0.45))


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws inside one figure. Coordinates are points from the figure's top left."""

    writer: Writer
    x: float
    y: float
    width: float
    height: float

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 8.0,
        bold: bool = False,
        colour: Colour = INK,
        align: Literal["left", "right", "centre"] = "left",
    ) -> None:
        """One line with its baseline at `y`."""
        self.writer.text_at(
            self.x + x, self.y + y, text, size=size, family=self.writer.look.heads, bold=bold, align=align, colour=colour
        )

    def bar(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A filled rectangle."""
        self.writer.fill(self.x + x0, self.y + y0, self.x + x1, self.y + y1, colour)

    def lines(
        self,
        points: Sequence[tuple[float, float]],
        *,
        colour: Colour = INK,
        thickness: float = 0.8,
        closed: bool = False,
        fill: Colour | None = None,
    ) -> None:
        """A path through the points."""
        canvas = self.writer.canvas
        path = canvas.beginPath()
        for number, (x, y) in enumerate(points):
            (path.lineTo if number else path.moveTo)(self.x + x, self.writer.up(self.y + y))
        if closed:
            path.close()
        canvas.setStrokeColorRGB(*colour)
        canvas.setLineWidth(thickness)
        if fill is not None:
            canvas.setFillColorRGB(*fill)
        canvas.drawPath(path, stroke=1, fill=int(fill is not None))

    def arrow(self, points: Sequence[tuple[float, float]], colour: Colour = INK) -> None:
        """A path that ends in an arrow head."""
        self.lines(points, colour=colour)
        (x0, y0), (x1, y1) = points[-2:]
        angle = math.atan2(y1 - y0, x1 - x0)
        wings = [(x1 - 5.5 * math.cos(angle + turn), y1 - 5.5 * math.sin(angle + turn)) for turn in (-0.4, 0.4)]
        self.lines([(x1, y1), *wings], colour=colour, closed=True, fill=colour)

    def rounded(
        self, x: float, y: float, width: float, height: float, *, fill: Colour, stroke: Colour = INK, radius: float = 5.0
    ) -> None:
        """A rectangle with round corners."""
        canvas = self.writer.canvas
        canvas.setFillColorRGB(*fill)
        canvas.setStrokeColorRGB(*stroke)
        canvas.setLineWidth(0.8)
        canvas.roundRect(self.x + x, self.writer.up(self.y + y + height), width, height, radius, stroke=1, fill=1)

    def image(self, picture: Any, x: float, y: float, width: float, height: float) -> None:
        """A raster picture (PIL)."""
        from reportlab.lib.utils import ImageReader

        self.writer.canvas.drawImage(ImageReader(picture), self.x + x, self.writer.up(self.y + y + height), width, height)


def draw_figure(
    writer: Writer,
    key: str,
    height: float,
    draw: Callable[[Pen], None],
    caption: str,
    *,
    kind: Literal["image", "drawing"] = "drawing",
    width: float = 1.0,
) -> None:
    """Set a figure with its caption below it, both on one page."""
    writer.skip(4)
    writer.need(height + writer.look.points * 4.2)
    frame = writer.frame
    wide = frame.width * width
    left = frame.x + (frame.width - wide) / 2
    draw(Pen(writer, left, writer.y, wide, height))
    writer.figures.append((writer.page, key, writer.box(left, writer.y, left + wide, writer.y + height), plain(caption), kind))
    writer.y += height + 5
    writer.paragraph(
        caption,
        size=writer.look.points * 0.88,
        family=writer.look.heads,
        italic=True,
        align="centre",
        after=writer.look.after * 1.5,
        keep=True,
    )


def bar_chart(
    pen: Pen,
    series: Mapping[str, Sequence[float]],
    categories: Sequence[str],
    labels: Mapping[tuple[str, int], str],
    *,
    axis: str,
) -> None:
    """Grouped bars, each with its label above it. `labels` maps (series, index of category) to marked-up text."""
    left, right, top, bottom = 46.0, pen.width - 8.0, 26.0, pen.height - 24.0
    highest = max(max(values) for values in series.values())
    step = _round_step(highest / 4)
    steps = math.ceil(highest * 1.08 / step)
    for tick in range(steps + 1):
        y = bottom - (bottom - top) * tick / steps
        pen.lines([(left, y), (right, y)], colour=(0.84, 0.85, 0.87), thickness=0.4)
        pen.text(left - 5, y + 2.6, f"{tick * step:,.10g}", size=7, align="right", colour=GREY)
    group = (right - left) / len(categories)
    wide = group * 0.72 / len(series)
    for number, (name, values) in enumerate(series.items()):
        colour = PALETTE[number % len(PALETTE)]
        for index, value in enumerate(values):
            x = left + group * index + group * 0.14 + wide * number
            y = bottom - (bottom - top) * value / (steps * step)
            pen.bar(x, y, x + wide * 0.9, bottom, colour)
            pen.text(x + wide * 0.45, y - 3, labels[name, index], size=7, align="centre")
        if len(series) > 1:
            at = left + number * 110
            pen.bar(at, 6, at + 8, 14, colour)
            pen.text(at + 12, 13, name, size=7.5)
    for index, category in enumerate(categories):
        pen.text(left + group * (index + 0.5), bottom + 12, category, size=7.5, align="centre")
    pen.lines([(left, bottom), (right, bottom)], thickness=0.8)
    pen.text(0, 13, axis, size=7, colour=GREY)


def line_chart(
    pen: Pen, points: Sequence[tuple[float, float]], *, across: str, up: str, notes: Sequence[tuple[float, float, str]] = ()
) -> None:
    """One curve with axes from 0; `notes` are (x, y, text) in the axes' own units."""
    left, right, top, bottom = 44.0, pen.width - 16.0, 14.0, pen.height - 30.0
    most_x, most_y = max(x for x, _ in points), max(y for _, y in points)
    step_x, step_y = _round_step(most_x / 5), _round_step(most_y / 4)
    end_x, end_y = step_x * math.ceil(most_x / step_x), step_y * math.ceil(most_y * 1.05 / step_y)

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (right - left) * x / end_x, bottom - (bottom - top) * y / end_y

    for tick in range(round(end_y / step_y) + 1):
        x0, y0 = at(0, tick * step_y)
        pen.lines([(x0, y0), (right, y0)], colour=(0.86, 0.87, 0.89), thickness=0.4)
        pen.text(x0 - 5, y0 + 2.6, f"{tick * step_y:,.10g}", size=7, align="right", colour=GREY)
    for tick in range(round(end_x / step_x) + 1):
        x0, y0 = at(tick * step_x, 0)
        pen.text(x0, y0 + 11, f"{tick * step_x:,.10g}", size=7, align="centre", colour=GREY)
    pen.lines([(left, top), (left, bottom), (right, bottom)], thickness=0.8)
    pen.lines([at(x, y) for x, y in points], colour=PALETTE[0], thickness=1.6)
    for x, y, text in notes:
        px, py = at(x, y)
        pen.bar(px - 2, py - 2, px + 2, py + 2, PALETTE[1])
        pen.text(px + 5, py - 5, text, size=7.5)
    pen.text((left + right) / 2, bottom + 24, across, size=7.5, align="centre")
    pen.text(0, 8, up, size=7.5)


def flow_chart(pen: Pen, nodes: Mapping[str, tuple[float, float, str, str]], edges: Sequence[tuple[str, str, str]]) -> None:
    """Boxes and decisions joined by arrows.

    Parameters
    ----------
    nodes : mapping of name to (x, y, kind, text)
        Centre as a share of the figure's width and height; kind is 'step', 'end' or 'choice'; a '|' in the text begins a new line.
    edges : sequence of (from, to, label)
    """
    size = 7.8
    half: dict[str, tuple[float, float]] = {}
    for name, (_, _, kind, text) in nodes.items():
        rows = text.split("|")
        from bakeoff.tasks.documents.made import made_fonts

        wide = max(made_fonts.width(plain(row), pen.writer.look.heads.regular, size) for row in rows)
        half[name] = (wide / 2 + (26 if kind == "choice" else 9), len(rows) * size * 0.62 + (13 if kind == "choice" else 6))
    for source, target, label in edges:
        x0, y0, x1, y1 = (
            nodes[source][0] * pen.width,
            nodes[source][1] * pen.height,
            nodes[target][0] * pen.width,
            nodes[target][1] * pen.height,
        )
        if abs(x0 - x1) < 1:
            sign = 1 if y1 > y0 else -1
            pen.arrow([(x0, y0 + sign * half[source][1]), (x1, y1 - sign * half[target][1])])
            pen.text(x0 + 4, (y0 + sign * half[source][1] + y1 - sign * half[target][1]) / 2 + 3, label, size=7)
        elif abs(y0 - y1) < 1:
            sign = 1 if x1 > x0 else -1
            pen.arrow([(x0 + sign * half[source][0], y0), (x1 - sign * half[target][0], y1)])
            pen.text((x0 + sign * half[source][0] + x1 - sign * half[target][0]) / 2, y0 - 3, label, size=7, align="centre")
        else:
            sign = 1 if x1 > x0 else -1
            down = 1 if y1 > y0 else -1
            pen.arrow([(x0 + sign * half[source][0], y0), (x1, y0), (x1, y1 - down * half[target][1])])
            pen.text(x0 + sign * (half[source][0] + 4), y0 - 3, label, size=7, align="left" if sign > 0 else "right")
    for name, (cx, cy, kind, text) in nodes.items():
        x, y = cx * pen.width, cy * pen.height
        wide, high = half[name]
        if kind == "choice":
            pen.lines([(x, y - high), (x + wide, y), (x, y + high), (x - wide, y)], closed=True, fill=(0.99, 0.95, 0.87))
        else:
            pen.rounded(
                x - wide,
                y - high,
                2 * wide,
                2 * high,
                fill=(0.90, 0.93, 0.97) if kind == "step" else (0.90, 0.95, 0.90),
                radius=4 if kind == "step" else high,
            )
        rows = text.split("|")
        for number, row in enumerate(rows):
            pen.text(x, y + (number - (len(rows) - 1) / 2) * size * 1.2 + size * 0.34, row, size=size, align="centre")


def raster_diagram(
    width: int,
    height: int,
    boxes: Sequence[tuple[int, int, int, int, str]],
    arrows: Sequence[tuple[int, int, int, int]],
    labels: Sequence[tuple[int, int, str]],
) -> Any:
    """A block diagram as pixels (a PIL picture): the words in it are in the picture alone."""
    import reportlab
    from PIL import Image, ImageDraw, ImageFont

    font_file = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"
    font, small = ImageFont.truetype(str(font_file), 26), ImageFont.truetype(str(font_file), 22)
    picture = Image.new("RGB", (width, height), (250, 250, 248))
    pen = ImageDraw.Draw(picture)
    for x, y, wide, high, text in boxes:
        pen.rounded_rectangle((x, y, x + wide, y + high), radius=12, fill=(222, 232, 243), outline=(40, 60, 90), width=3)
        rows = text.split("|")
        for number, row in enumerate(rows):
            pen.text(
                (x + wide / 2, y + high / 2 + (number - (len(rows) - 1) / 2) * 32), row, font=font, fill=(20, 25, 35), anchor="mm"
            )
    for x0, y0, x1, y1 in arrows:
        pen.line((x0, y0, x1, y1), fill=(60, 70, 90), width=4)
        angle = math.atan2(y1 - y0, x1 - x0)
        wings = [(x1 - 18 * math.cos(angle + turn), y1 - 18 * math.sin(angle + turn)) for turn in (-0.4, 0.4)]
        pen.polygon([(x1, y1), *wings], fill=(60, 70, 90))
    for x, y, text in labels:
        pen.text((x, y), text, font=small, fill=(60, 60, 70), anchor="mm")
    return picture


def _round_step(value: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= value * 0.999)
