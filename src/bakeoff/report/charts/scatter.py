"""Quality against cost: who is on the front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bakeoff.report.charts import svg
from bakeoff.report.palette import Look


@dataclass(frozen=True)
class Point:
    """One approach: x and y with their intervals (low, high); `front` is filled, others are hollow.

    `off` is the words for a point that lies lower or higher than the y axis reaches: an arrow at its end stands for it.
    """

    name: str
    look: Look
    x: float
    x_low: float
    x_high: float
    y: float
    y_low: float
    y_high: float
    front: bool
    strong: bool = False
    off: str = ""


def front(
    ident: str,
    marks: Sequence[Point],
    *,
    width: int,
    x_title: str,
    y_title: str,
    x_form: Callable[[float], str],
    y_form: Callable[[float], str],
    title: str,
    says: str,
    y_floor: float | None = None,
    y_top: float | None = None,
) -> Markup:
    """Points on a log x axis with both intervals and their names beside them.

    Names are placed in the first free of eight places around each point; where none is free the name stands right.
    """
    height = 380.0 if width >= svg.NARROW else 340.0
    left, right, top, bottom = 52.0, width - 16.0, 34.0, height - 48.0
    xs = svg.logarithmic([v for p in marks for v in (p.x, p.x_low, p.x_high)], left, right, most=6 if width >= svg.NARROW else 4)
    ys = svg.linear(
        [v for p in marks if not p.off for v in (p.y, p.y_low, p.y_high)], bottom, top, most=5, floor=y_floor, top=y_top
    )
    body = [svg.text(0, 14, y_title, "head"), svg.text(right, height - 8, x_title, "head", "end")]
    for tick in ys.ticks:
        body.append(svg.line(left, ys(tick), right, ys(tick), "grid"))
        body.append(svg.text(left - 8, ys(tick) + 4, y_form(tick), "tick", "end"))
    for tick in xs.ticks:
        body.append(svg.line(xs(tick), bottom, xs(tick), bottom + 4, "axis"))
        body.append(svg.text(xs(tick), bottom + 17, x_form(tick), "tick", "middle"))
    body.append(svg.line(left, bottom, right, bottom, "axis"))
    taken = [(xs(p.x) - 8, ys(p.y) - 8, xs(p.x) + 8, ys(p.y) + 8) for p in marks]
    labels = []
    for p in marks:
        if p.off:
            continue
        x, y = xs(p.x), ys(p.y)
        body.append(svg.whisker(xs(p.x_low), xs(p.x_high), y, p.look))
        body.append(svg.whisker(ys(p.y_low), ys(p.y_high), x, p.look, vertical=True))
    for p in sorted(marks, key=lambda p: (p.strong, p.front, p.name)):
        if not p.off:
            body.append(svg.marker(xs(p.x), ys(p.y), p.look, 5.5, hollow=not p.front, says=p.name))
    for p in sorted(marks, key=lambda p: (not p.strong, p.name)):
        x, y = xs(p.x), ys(p.y)
        if p.off:
            body.append(svg.beyond(x, bottom - 6, p.look, "down", f"{p.name}: {p.off}"))
            labels.append(place(f"{svg.short(p.name, 26)}, {p.off}", x, bottom - 8, taken, left, right, top, bottom, p.strong))
            continue
        if p.strong:
            body.append(f'<circle class="ring" cx="{svg.n(x)}" cy="{svg.n(y)}" r="11"/>')
        name = svg.short(p.name, 26)
        labels.append(place(name, x, y, taken, left, right, top, bottom, p.strong))
    return svg.figure(ident, width, height, title, says, body + labels)


Box = tuple[float, float, float, float]


def place(
    name: str,
    x: float,
    y: float,
    taken: list[Box],
    left: float,
    right: float,
    top: float,
    bottom: float,
    strong: bool,
    *,
    before: bool = False,
) -> str:
    """The name in the first of eight places around (x, y) that is inside the frame and free; `taken` grows by its box.

    `before` tries the places left of the point first, for the first point of a line.
    """
    wide = len(name) * 7.2
    places: tuple[tuple[float, float, str], ...] = (
        (x + 13, y + 4, "start"),
        (x - 13, y + 4, "end"),
        (x + 9, y - 11, "start"),
        (x - 9, y - 11, "end"),
        (x + 9, y + 19, "start"),
        (x - 9, y + 19, "end"),
        (x, y - 16, "middle"),
        (x, y + 26, "middle"),
    )
    if before:
        places = (places[1], places[3], places[5], *places)
    chosen = places[0]
    for at_x, at_y, anchor in places:
        start = at_x - (wide if anchor == "end" else wide / 2 if anchor == "middle" else 0)
        room = (start, at_y - 11, start + wide, at_y + 3)
        inside = room[0] >= left and room[2] <= right and room[1] >= top - 16 and room[3] <= bottom
        if inside and not any(_overlap(room, other) for other in taken):
            chosen = (at_x, at_y, anchor)
            taken.append(room)
            break
    return svg.text(chosen[0], chosen[1], name, "label halo strong" if strong else "label halo", chosen[2])


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
