"""Learning curves, and reliability (what was said against what came true)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from bakeoff.report.charts import svg
from bakeoff.report.palette import Look


class At(NamedTuple):
    """One point of a line: x, y and y's interval."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """One approach's points in order of x."""

    name: str
    look: Look
    points: tuple[At, ...]
    strong: bool = False
    dashed: bool = False


def curves(
    ident: str,
    lines: Sequence[Line],
    *,
    width: int,
    x_title: str,
    y_title: str,
    y_form: Callable[[float], str],
    title: str,
    says: str,
    y_floor: float | None = None,
    y_top: float | None = None,
    steps: bool = False,
) -> Markup:
    """Lines with intervals on a log x axis (where `steps`, one of equal steps), each with its name at its right end (or under the chart when narrow)."""
    narrow = width < svg.NARROW
    tail = 0.0 if narrow else svg.label_width([line.name for line in lines])
    legend = 20.0 * len(lines) if narrow else 0.0
    height = 330.0 + legend
    left, right, top, bottom = 52.0, width - tail - 12, 34.0, 330.0 - 48
    sizes = sorted({p.x for line in lines for p in line.points})
    room = 0.06 * max(1.0, sizes[-1] - sizes[0])
    xs = svg.Scale(sizes[0] - room, sizes[-1] + room, left, right, False, ()) if steps else svg.logarithmic(sizes, left, right)
    ys = svg.linear(
        [v for line in lines for p in line.points for v in (p.y, p.low, p.high)], bottom, top, floor=y_floor, top=y_top
    )
    body = [svg.text(0, 14, y_title, "head"), svg.text(right, 330 - 8, x_title, "head", "end")]
    for tick in ys.ticks:
        body.append(svg.line(left, ys(tick), right, ys(tick), "grid"))
        body.append(svg.text(left - 8, ys(tick) + 4, y_form(tick), "tick", "end"))
    body.append(svg.line(left, bottom, right, bottom, "axis"))
    last = -1e9
    for size in sizes:
        x = xs(size)
        body.append(svg.line(x, bottom, x, bottom + 4, "axis"))
        if x - last > 44:
            body.append(svg.text(x, bottom + 17, f"{size:,.0f}", "tick", "middle"))
            last = x
    for index, each in enumerate(lines):
        shift = (index - (len(lines) - 1) / 2) * 4
        where = [(xs(p.x) + shift, p) for p in each.points]
        path = "M" + "L".join(f"{svg.n(x)} {svg.n(ys(p.y))}" for x, p in where)
        body.append(f'<path class="c{each.look.colour} trace{" dashed" if each.dashed else ""}" d="{path}"/>')
        for x, p in where:
            body.append(svg.whisker(ys(p.low), ys(p.high), x, each.look, vertical=True))
            body.append(svg.marker(x, ys(p.y), each.look, 4.5, says=f"{each.name}, {p.x:,.0f}: {y_form(p.y)}"))
    if narrow:
        for index, each in enumerate(lines):
            body.append(svg.named(left, 330 + 16 + 20 * index, each.name, each.look, room=width - left, strong=each.strong))
    else:
        ends = spread([ys(each.points[-1].y) + 4 for each in lines], 17)
        for each, y in zip(lines, ends, strict=True):
            body.append(svg.named(right + 12, y, each.name, each.look, room=tail, strong=each.strong))
    return svg.figure(ident, width, height, title, says, body)


def spread(wanted: Sequence[float], apart: float) -> list[float]:
    """Positions at least `apart` from each other, in the order of `wanted` and with the least squared move.

    Neighbours that are too close form a block around their mean (pool adjacent violators).
    """
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    blocks: list[tuple[float, int]] = []
    for place, index in enumerate(order):
        blocks.append((wanted[index] - place * apart, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (late, m), (early, k) = blocks.pop(), blocks.pop()
            blocks.append(((late * m + early * k) / (m + k), m + k))
    settled = [start for start, size in blocks for _ in range(size)]
    placed = [0.0] * len(wanted)
    for place, index in enumerate(order):
        placed[index] = settled[place] + place * apart
    return placed


class Bin(NamedTuple):
    """One reliability bin: mean stated confidence, share right with its interval, and how many items."""

    said: float
    right: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Reliability:
    """One approach's bins and the words under its panel."""

    name: str
    look: Look
    bins: tuple[Bin, ...]
    shown: tuple[str, ...]
    strong: bool = False


def reliability(ident: str, lines: Sequence[Reliability], *, width: int, title: str, says: str) -> Markup:
    """Small multiples, one per approach: the diagonal is a perfect match of what is said and what comes true."""
    most = 2 if width < svg.NARROW else 4
    across = min(max(2, -(-len(lines) // max(1, -(-len(lines) // most)))), most)
    least = min((v for each in lines for b in each.bins for v in (b.said, b.right, 1.0 if b.low is None else b.low)), default=0.0)
    zero = 0.5 if least >= 0.5 else 0.0
    gap = 22.0
    side = (width - gap * (across - 1)) / across
    words = max((len(each.shown) for each in lines), default=0)
    tall = 26 + side + 18 + 16 * words + 14
    down = -(-len(lines) // across)
    body = []
    for index, each in enumerate(lines):
        x, y = (index % across) * (side + gap), (index // across) * tall
        body.append(svg.named(x, y + 16, each.name, each.look, room=side, strong=each.strong))
        start, end, top, bottom = x + 4, x + side - 4, y + 28, y + 26 + side - 6
        xs = svg.Scale(zero, 1, start, end, False, (zero, 1))
        ys = svg.Scale(zero, 1, bottom, top, False, (zero, 1))
        body.append(svg.box(start, top, end - start, bottom - top, "frame"))
        body.append(svg.line(start, bottom, end, top, "reference"))
        for b in each.bins:
            if b.low is not None and b.high is not None:
                body.append(svg.whisker(ys(b.low), ys(b.high), xs(b.said), each.look, vertical=True))
            body.append(
                svg.marker(xs(b.said), ys(b.right), each.look, 4, says=f"said {b.said:.0%}, right {b.right:.0%}, n = {b.n}")
            )
        body.append(svg.text(start, bottom + 14, f"{zero:.0%}", "tick"))
        body.append(svg.text(end, bottom + 14, "100% sure", "tick", "end"))
        for row, shown in enumerate(each.shown):
            body.append(svg.text(start, bottom + 32 + 16 * row, svg.short(shown, int(side / 6.4)), "note"))
    return svg.figure(ident, width, tall * down, title, says, body)
