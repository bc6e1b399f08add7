"""Lines with bands in panels side by side: learning curves on two clocks, shares that have reached a level, profiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from bakeoff.report.charts import svg
from bakeoff.report.palette import Look
from bakeoff.report.text import clean

Point = tuple[float, float]

GAP, LEFT, ENTRY = 40.0, 50.0, 20.0


@dataclass(frozen=True)
class Trace:
    """One line. `band` is (x, low, high) along it; `faint` are thin lines behind it; `marks` are points at which something was cut off.

    `steps`: each point holds until the next. `level` draws one dashed line across the panel instead of points.
    """

    name: str
    look: Look
    points: tuple[Point, ...] = ()
    band: tuple[tuple[float, float, float], ...] = ()
    faint: tuple[tuple[Point, ...], ...] = ()
    marks: tuple[Point, ...] = ()
    steps: bool = False
    level: float | None = None
    strong: bool = False


@dataclass(frozen=True)
class Axis:
    """A clock or a level along the bottom."""

    title: str
    form: Callable[[float], str]
    log: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Panel:
    """Lines over one axis. `absent` is said where there are none."""

    axis: Axis
    traces: tuple[Trace, ...]
    absent: str = "not measured"


@dataclass(frozen=True)
class Chart:
    """What all panels of a chart share: the upright axis, and a level that is drawn dotted across them with its name."""

    title: str
    form: Callable[[float], str]
    floor: float | None = None
    top: float | None = None
    level: float | None = None
    level_says: str = ""
    tall: float = 220.0
    values: tuple[float, ...] = field(default=())


@dataclass(frozen=True)
class Row:
    """One approach's panels, for small multiples."""

    name: str
    look: Look
    panels: tuple[Panel, ...]
    strong: bool = False


def overlaid(ident: str, panels: Sequence[Panel], chart: Chart, *, width: int, title: str, says: str) -> Markup:
    """Every approach in the same panels, with one legend above them."""
    names: dict[str, Trace] = {}
    for trace in (each for panel in panels for each in panel.traces):
        names.setdefault(trace.name, trace)
    body, y = _legend(list(names.values()), width)
    made, tall = _panels(panels, [panels], chart, y + 6, width)
    return svg.figure(ident, width, y + 6 + tall, title, says, [*body, *made])


def multiples(ident: str, rows: Sequence[Row], chart: Chart, *, width: int, title: str, says: str) -> Markup:
    """A row of panels for each approach, all on the same scales, so that rows compare."""
    body, y = [], 0.0
    every = [row.panels for row in rows]
    narrow = width < svg.NARROW
    for index, row in enumerate(rows):
        body.append(svg.named(0, y + 15, row.name, row.look, room=width, strong=row.strong))
        # Names of axes are written once where rows stand under each other as one grid, and everywhere on a phone.
        made, tall = _panels(
            row.panels, every, chart, y + 22, width, head=narrow or index == 0, foot=narrow or index == len(rows) - 1
        )
        body += made
        y += 22 + tall + 6
    return svg.figure(ident, width, y, title, says, body)


def _legend(traces: Sequence[Trace], width: int) -> tuple[list[str], float]:
    body: list[str] = []
    x, y = 0.0, 14.0
    for trace in traces:
        wide = min(width, 34 + len(trace.name) * svg.CHARACTER * (1.15 if trace.strong else 1.0))
        if x and x + wide > width:
            x, y = 0.0, y + ENTRY
        body.append(svg.named(x, y, trace.name, trace.look, room=width - x, strong=trace.strong, hollow=trace.level is not None))
        x += wide + 10
    return body, y + 8


def _panels(
    panels: Sequence[Panel],
    every: Sequence[Sequence[Panel]],
    chart: Chart,
    y: float,
    width: int,
    *,
    head: bool = True,
    foot: bool = True,
) -> tuple[list[str], float]:
    across = 1 if width < svg.NARROW else len(panels)
    wide = (width - GAP * (across - 1)) / across
    body: list[str] = []
    one = chart.tall + (26 if head else 6) + (36 if foot else 20)
    for index, panel in enumerate(panels):
        x, top = (index % across) * (wide + GAP), y + (index // across) * one
        alike = [row[index] for row in every if index < len(row)]
        body += _panel(panel, alike, every, chart, x, top, wide, head, foot)
    return body, one * -(-len(panels) // across)


def _values(panels: Sequence[Panel]) -> list[float]:
    traces = [trace for panel in panels for trace in panel.traces]
    found = [y for trace in traces for line in (trace.points, *trace.faint) for _, y in line]
    found += [end for trace in traces for _, low, high in trace.band for end in (low, high)]
    return found + [trace.level for trace in traces if trace.level is not None]


def _panel(
    panel: Panel,
    alike: Sequence[Panel],
    every: Sequence[Sequence[Panel]],
    chart: Chart,
    x: float,
    y: float,
    wide: float,
    head: bool,
    foot: bool,
) -> list[str]:
    top = y + (26 if head else 6)
    left, right, bottom = x + LEFT, x + wide - 6, top + chart.tall
    values = [*_values([panel for row in every for panel in row]), *chart.values]
    if chart.level is not None:
        values.append(chart.level)
    ys = svg.linear(values, bottom, top, most=5, floor=chart.floor, top=chart.top)
    xs = _across(panel.axis, [value for each in alike for value in _xs(each)], left, right)
    body = [svg.text(x, y + 12, chart.title, "head")] if head else []
    body += [svg.text(right, bottom + 33, panel.axis.title, "note", "end")] if foot else []
    for tick in ys.ticks:
        body.append(svg.line(left, ys(tick), right, ys(tick), "grid"))
        body.append(svg.text(left - 8, ys(tick) + 4, chart.form(tick), "tick", "end"))
    body.append(svg.line(left, bottom, right, bottom, "axis"))
    free = -1e9
    for tick in xs.ticks:
        at, shown = xs(tick), panel.axis.form(tick)
        half = len(shown) * svg.CHARACTER / 2
        body.append(svg.line(at, bottom, at, bottom + 4, "axis"))
        if at - half > free and at + half < right + 16:
            body.append(svg.text(at, bottom + 17, shown, "tick", "middle"))
            free = at + half + 6
    if not any(trace.points or trace.faint or trace.level is not None for trace in panel.traces):
        return [*body, svg.text(left + 8, top + 18, panel.absent, "note")]
    if chart.level is not None:
        body.append(svg.line(left, ys(chart.level), right, ys(chart.level), "ceiling"))
    for trace in panel.traces:
        body += _band(trace, xs, ys)
    for trace in panel.traces:
        thin = "".join(_faint(line, xs, ys) for line in trace.faint)
        body += [f'<path class="c{trace.look.colour} faint" d="{thin}"/>'] if thin else []
    for trace in panel.traces:
        body += _line(trace, xs, ys, left, right)
    if chart.level is not None and head:
        # At the left end, under the line: there learning has seldom begun, and above it end the lines of those that are done.
        at = ys(chart.level)
        body.append(svg.text(left + 6, at + 14 if bottom - at > 24 else at - 5, chart.level_says, "note halo"))
    return body


def _xs(panel: Panel) -> list[float]:
    return [at for trace in panel.traces for line in (trace.points, trace.marks, *trace.faint) for at, _ in line]


def _across(axis: Axis, values: Sequence[float], start: float, end: float) -> svg.Scale:
    known = [*values, *(each for each in (axis.low, axis.high) if each is not None)]
    if axis.log and any(value > 0 for value in known):
        made = svg.logarithmic(known, start, end, most=5)
        return svg.Scale(made.low, max(known), start, end, True, tuple(tick for tick in made.ticks if tick <= max(known)))
    made = svg.linear(known or [0.0, 1.0], start, end, most=5)
    low, high = (axis.low if axis.low is not None else min(known, default=0.0)), max(known, default=1.0)
    if high <= low:
        return made
    return svg.Scale(low, high, start, end, False, tuple(tick for tick in made.ticks if low <= tick <= high))


def _path(points: Sequence[Point], xs: svg.Scale, ys: svg.Scale, steps: bool) -> str:
    parts: list[str] = []
    for index, (x, y) in enumerate(points):
        if steps and index:
            parts.append(f"H{svg.n(xs(x))}V{svg.n(ys(y))}")
        else:
            parts.append(f"{'L' if index else 'M'}{svg.n(xs(x))} {svg.n(ys(y))}")
    return "".join(parts)


def _faint(points: Sequence[Point], xs: svg.Scale, ys: svg.Scale) -> str:
    """A thin line in whole pixels, each from the last: there are many of them, and a page must stay small."""
    parts, last = [], (0, 0)
    for index, (x, y) in enumerate(points):
        at = round(xs(x)), round(ys(y))
        if index == 0:
            parts.append(f"M{at[0]} {at[1]}l")
        elif at != last:
            step = f"{at[0] - last[0]} {at[1] - last[1]}"
            parts.append(step if step.startswith("-") or parts[-1].endswith("l") else f" {step}")
        last = at
    return "".join(parts) if len(parts) > 1 else ""


def _band(trace: Trace, xs: svg.Scale, ys: svg.Scale) -> list[str]:
    if len(trace.band) < 2:
        return []
    over: list[Point] = []
    under: list[Point] = []
    for index, (x, low, high) in enumerate(trace.band):
        if trace.steps and index:
            over.append((x, trace.band[index - 1][2]))
            under.append((x, trace.band[index - 1][1]))
        over.append((x, high))
        under.append((x, low))
    path = "M" + "L".join(f"{svg.n(xs(x))} {svg.n(ys(y))}" for x, y in [*over, *reversed(under)]) + "Z"
    return [f'<path class="c{trace.look.colour} cloud" d="{path}"/>']


def _line(trace: Trace, xs: svg.Scale, ys: svg.Scale, left: float, right: float) -> list[str]:
    colour = f"c{trace.look.colour}"
    if trace.level is not None:
        at = ys(trace.level)
        return [
            f'<path class="{colour} trace dashed" d="M{svg.n(left)} {svg.n(at)}H{svg.n(right)}"><title>{escape(clean(trace.name))}</title></path>',
            svg.marker(right, at, trace.look, 4, hollow=True, says=trace.name),
        ]
    if not trace.points:
        return []
    path = _path(trace.points, xs, ys, trace.steps)
    body = [f'<path class="{colour} trace" d="{path}"><title>{escape(clean(trace.name))}</title></path>']
    for x, y in trace.marks:
        body.append(f'<path class="{colour} stop" d="M{svg.n(xs(x))} {svg.n(ys(y) - 9)}v18"/>')
    body.append(svg.marker(xs(trace.points[-1][0]), ys(trace.points[-1][1]), trace.look, 4, says=trace.name))
    return body
