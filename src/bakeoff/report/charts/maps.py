"""What a policy prefers and what it expects, over two dimensions: filled areas, drawn row by row as few runs as there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bakeoff.report.charts import svg

LEVELS = 8
"""Shades of a value map."""
ARROWS = {"left": "←", "right": "→", "up": "↑", "down": "↓", "north": "↑", "south": "↓", "east": "→", "west": "←"}
MOST_GLYPHS = 15
"""Cells a side, up to which each cell names its action."""


@dataclass(frozen=True)
class Side:
    """One dimension: its name, its ends, how many cells, and whether they are counted."""

    name: str
    low: float
    high: float
    n: int
    whole: bool = False


@dataclass(frozen=True)
class Field:
    """One map. `rows` hold a class each (a place in `names`, or a shade from 0 to `LEVELS` - 1), the first row at the bottom unless `cells`.

    `names` are the legend's words: one an action, or two for a shaded map, its lowest and its highest value.
    """

    title: str
    rows: Sequence[Sequence[int]]
    names: Sequence[str]
    shaded: bool


def maps(
    ident: str,
    fields: Sequence[Field],
    x: Side,
    y: Side,
    path: Sequence[tuple[float, float]],
    *,
    cells: bool,
    form: Callable[[float], str],
    width: int,
    title: str,
    says: str,
) -> Markup:
    """Maps side by side (below one another when narrow), each with its legend and the states that one episode went through."""
    across = 1 if width < svg.NARROW else 2
    wide = (width - 40) / 2 if across == 2 else float(width)
    body: list[str] = []
    top = tall = 0.0
    for index, field in enumerate(fields):
        column = index % across
        if index and column == 0:
            top += tall
        made, tall = _map(field, x, y, path, cells, form, column * (wide + 40), top, wide)
        body += made
    return svg.figure(ident, width, top + tall, title, says, body)


def _map(
    field: Field, x: Side, y: Side, path: Sequence[tuple[float, float]], cells: bool, form: Callable[[float], str],
    at: float, top: float, wide: float,
) -> tuple[list[str], float]:  # fmt: skip
    left, right = at + 56, at + wide - 8
    high = right - left if cells and x.n == y.n else min(right - left, 300.0) * (y.n / x.n if cells else 0.8)
    high = min(high, 320.0)
    if cells:
        right = left + min(right - left, high * x.n / y.n)
    body = [svg.text(at, top + 13, field.title, "head")]
    legend, used = _legend(field, at, top + 34, wide)
    body += legend
    first = top + 34 + used
    last = first + high
    dx, dy = (right - left) / x.n, high / y.n
    body += _runs(field, left, first if cells else last, dx, dy if cells else -dy)
    if cells and max(x.n, y.n) <= MOST_GLYPHS and not field.shaded:
        for r, row in enumerate(field.rows):
            for c, action in enumerate(row):
                glyph = ARROWS.get(field.names[action].lower(), field.names[action][:1])
                body.append(svg.text(left + (c + 0.5) * dx, first + (r + 0.5) * dy + 5, glyph, "glyph halo", "middle"))
    body.append(svg.box(left, first, right - left, high, "frame"))
    for px, py in path:
        if cells:
            cx, cy = left + (px + 0.5) * dx, first + (py + 0.5) * dy
        else:
            cx = left + (px - x.low) / (x.high - x.low or 1) * (right - left)
            cy = last - (py - y.low) / (y.high - y.low or 1) * high
        if left <= cx <= right and first <= cy <= last and not (cells and not field.shaded):
            body.append(f'<circle class="went" cx="{svg.n(cx)}" cy="{svg.n(cy)}" r="2.2"/>')
    marks = ((x.low, left, "start"), (x.high, right, "end"))
    body += [svg.text(px, last + 16, form(value), "tick", anchor) for value, px, anchor in marks]
    body.append(svg.text((left + right) / 2, last + 32, svg.short(x.name, int((right - left) / 6)), "note", "middle"))
    ends = ((y.low, first if cells else last), (y.high, last if cells else first))
    body += [svg.text(left - 6, py + (11 if py == first else 0), form(value), "tick", "end") for value, py in ends]
    turned = f'<g transform="translate({svg.n(at + 12)} {svg.n((first + last) / 2)}) rotate(-90)">'
    body.append(turned + svg.text(0, 0, svg.short(y.name, int(high / 6)), "note", "middle") + "</g>")
    return body, last + 48 - top


def _runs(field: Field, left: float, base: float, dx: float, dy: float) -> list[str]:
    """One path for each class, in cells rather than pixels: rectangles, each as wide and then as high as it can be."""
    rows, done = [list(row) for row in field.rows], [[False] * len(row) for row in field.rows]
    paths: dict[int, list[str]] = {}
    for r, row in enumerate(rows):
        for c, kind in enumerate(row):
            if done[r][c]:
                continue
            end = c
            while end < len(row) and row[end] == kind and not done[r][end]:
                end += 1
            last = r
            while last < len(rows) and rows[last][c:end] == row[c:end] and not any(done[last][c:end]):
                last += 1
            for each in range(r, last):
                done[each][c:end] = [True] * (end - c)
            paths.setdefault(kind, []).append(f"M{c} {r}h{end - c}v{last - r}h-{end - c}z")
    named = "shade s" if field.shaded else "area a"
    drawn = "".join(f'<path class="{named}{kind % 12}" d="{"".join(parts)}"/>' for kind, parts in sorted(paths.items()))
    return [
        f'<g transform="translate({svg.n(left)} {svg.n(base)}) scale({dx:.4f} {dy:.4f})" shape-rendering="crispEdges">{drawn}</g>'
    ]


def _legend(field: Field, at: float, y: float, wide: float) -> tuple[list[str], float]:
    body: list[str] = []
    if field.shaded:
        step = 15.0
        low, high = field.names
        start = at + len(low) * svg.CHARACTER + 8
        body.append(svg.text(at, y + 4, low, "tick"))
        body += [
            f'<path class="shade s{k}" d="M{svg.n(start + k * step)} {svg.n(y - 7)}h{step}v13h-{step}z"/>' for k in range(LEVELS)
        ]
        body.append(svg.text(start + LEVELS * step + 8, y + 4, high, "tick"))
        return body, 16.0
    x, used = at, 0.0
    for place, name in enumerate(field.names):
        room = 30 + len(name) * svg.CHARACTER
        if x > at and x + room > at + wide:
            x, used = at, used + 20
        body.append(f'<path class="area a{place % 12}" d="M{svg.n(x)} {svg.n(y + used - 7)}h13v13h-13z"/>')
        body.append(svg.text(x + 19, y + used + 4, svg.short(name, int((wide - 24) / svg.CHARACTER)), "tick"))
        x += room
    return body, used + 16
