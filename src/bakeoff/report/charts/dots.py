"""Dot and interval, one row per approach or pair. The mark that most of the report is read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from bakeoff.report.charts import svg
from bakeoff.report.palette import Look

ROW, HEAD, FOOT = 34.0, 44.0, 24.0


@dataclass(frozen=True)
class Dot:
    """One figure of a panel: where the marker is, its interval, and the text beside it.

    `also` is a second position on the same row (the 90th percentile beside the median), joined by a thin line.
    """

    mid: float | None
    low: float | None = None
    high: float | None = None
    shown: str = ""
    also: float | None = None


@dataclass(frozen=True)
class Row:
    """A row's name and looks; `strong` is the choice."""

    name: str
    look: Look
    strong: bool = False
    note: str = ""


@dataclass(frozen=True)
class Panel:
    """One aligned column of dots with its own scale.

    `dots` are by row name; rows without one say `absent`. `band` is a shaded range of values with its words.
    """

    title: str
    unit: str
    dots: dict[str, Dot]
    form: Callable[[float], str]
    log: bool = False
    band: tuple[float, float, str] | None = None
    reference: tuple[float, str] | None = None
    floor: float | None = None
    top: float | None = None
    absent: dict[str, str] = field(default_factory=dict)

    def values(self) -> list[float]:
        """All values that the scale must hold."""
        found = [v for dot in self.dots.values() for v in (dot.mid, dot.low, dot.high, dot.also) if v is not None]
        if self.band:
            found += [self.band[0], self.band[1]]
        if self.reference:
            found.append(self.reference[0])
        return [value for value in found if not self.log or value > 0]


def panels(ident: str, rows: Sequence[Row], columns: Sequence[Panel], *, width: int, title: str, says: str) -> Markup:
    """Aligned dot-and-interval panels, sharing one row per approach.

    Wide, the panels stand side by side and each figure is written in a column right of its panel; narrow,
    they stand under each other.
    """
    if width < svg.NARROW:
        return _stacked(ident, rows, columns, width=width, title=title, says=says)
    label = min(208.0, 34 + max((len(row.name) for row in rows), default=8) * svg.CHARACTER)
    gap = 26.0
    each = (width - label - gap * len(columns)) / max(1, len(columns))
    bottom = HEAD + ROW * len(rows)
    body = [_bands(rows, width, HEAD)]
    for index, row in enumerate(rows):
        body.append(svg.named(6, HEAD + ROW * index + 21, row.name, row.look, room=label - 8, strong=row.strong))
    for index, panel in enumerate(columns):
        x = label + gap + index * (each + gap)
        body.append(_panel(rows, panel, x, each, HEAD, bottom))
    return svg.figure(ident, width, bottom + FOOT, title, says, body)


def _bands(rows: Sequence[Row], width: float, top: float) -> str:
    parts = []
    for index, row in enumerate(rows):
        y = top + ROW * index
        if row.strong:
            parts.append(svg.box(0, y, width, ROW, "chosen", 3))
        elif index and not rows[index - 1].strong:
            parts.append(svg.line(0, y, width, y, "hair"))
    return "".join(parts)


def _panel(rows: Sequence[Row], panel: Panel, x: float, width: float, top: float, bottom: float) -> str:
    wide = max((len(dot.shown) for dot in panel.dots.values()), default=0) * 7.2 + 10
    plot_end = x + width - wide
    make = svg.logarithmic if panel.log else svg.linear
    most = 4 if plot_end - x > 130 else 3
    if panel.log:
        scale = make(panel.values(), x + 6, plot_end - 6, most=most)
    else:
        scale = svg.linear(panel.values(), x + 6, plot_end - 6, most=most, floor=panel.floor, top=panel.top)
    body = [svg.text(x, 14, panel.title, "head"), svg.text(x, 30, panel.unit, "note")]
    if panel.band:
        low, high, _ = panel.band
        body.append(svg.box(scale(low), top, scale(high) - scale(low), bottom - top, "band"))
    body.append(svg.grid(scale, top, bottom, panel.form))
    if panel.reference:
        at = scale(panel.reference[0])
        body.append(svg.line(at, top, at, bottom, "reference"))
    for index, row in enumerate(rows):
        body.append(_dot(panel, row, scale, top + ROW * index + ROW / 2, x, x + width))
    return "".join(body)


def _dot(panel: Panel, row: Row, scale: svg.Scale, y: float, x: float, end: float) -> str:
    dot = panel.dots.get(row.name)
    if dot is None or dot.mid is None:
        return svg.text(x + 6, y + 4, panel.absent.get(row.name, "not measured"), "note")
    parts = []
    if dot.also is not None:
        parts.append(svg.line(scale(dot.mid), y, scale(dot.also), y, f"c{row.look.colour} reach"))
        parts.append(svg.line(scale(dot.also), y - 5, scale(dot.also), y + 5, f"c{row.look.colour} stop"))
    if dot.low is not None and dot.high is not None:
        parts.append(svg.whisker(scale(dot.low), scale(dot.high), y, row.look))
    parts.append(svg.marker(scale(dot.mid), y, row.look, 5, says=f"{row.name}: {dot.shown}"))
    parts.append(svg.text(end, y + 4, dot.shown, "value strong" if row.strong else "value", "end"))
    return "".join(parts)


def _stacked(ident: str, rows: Sequence[Row], columns: Sequence[Panel], *, width: int, title: str, says: str) -> Markup:
    body, y, step = [], 0.0, 38.0
    for panel in columns:
        top, bottom = y + 42, y + 42 + step * len(rows)
        make_log = panel.log
        scale = (
            svg.logarithmic(panel.values(), 8, width - 8, most=4)
            if make_log
            else svg.linear(panel.values(), 8, width - 8, most=4, floor=panel.floor, top=panel.top)
        )
        body += [svg.text(0, y + 14, panel.title, "head"), svg.text(0, y + 31, panel.unit, "note")]
        if panel.band:
            body.append(svg.box(scale(panel.band[0]), top, scale(panel.band[1]) - scale(panel.band[0]), bottom - top, "band"))
        body.append(svg.grid(scale, top, bottom, panel.form))
        if panel.reference:
            body.append(svg.line(scale(panel.reference[0]), top, scale(panel.reference[0]), bottom, "reference"))
        for index, row in enumerate(rows):
            at = top + step * index
            if row.strong:
                body.append(svg.box(0, at, width, step, "chosen", 3))
            room = width - 16 - len(panel.dots[row.name].shown if row.name in panel.dots else "") * 7.2
            body.append(svg.named(2, at + 15, row.name, row.look, room=room, strong=row.strong))
            dot = panel.dots.get(row.name)
            if dot is None or dot.mid is None:
                body.append(svg.text(width - 4, at + 15, panel.absent.get(row.name, "not measured"), "note", "end"))
                continue
            shown = Dot(dot.mid, dot.low, dot.high, "", dot.also)
            bare = Panel(panel.title, panel.unit, {row.name: shown}, panel.form, panel.log)
            body.append(_dot(bare, row, scale, at + 27, 0, width))
            body.append(svg.text(width - 4, at + 15, dot.shown, "value strong" if row.strong else "value", "end"))
        y = bottom + 46
    return svg.figure(ident, width, max(40.0, y - 18), title, says, body)


@dataclass(frozen=True)
class Gap:
    """One row of `gaps`: what is compared, the figure with its interval, and the words beside it."""

    label: str
    look: Look
    mid: float
    low: float
    high: float
    shown: str
    verdict: str = ""
    sub: str = ""


def gaps(
    ident: str,
    rows: Sequence[Gap],
    *,
    width: int,
    form: Callable[[float], str],
    zero: float,
    zero_says: str,
    title: str,
    says: str,
    band: float | None = None,
    log: bool = False,
    left_says: str = "",
    right_says: str = "",
) -> Markup:
    """Figures with intervals against one reference value `zero`, with a band of plus and minus `band` around it.

    Paired differences against no difference (the band is the margin), or break-even volumes against the stated one.
    """
    narrow = width < svg.NARROW
    label = 0.0 if narrow else min(250.0, 36 + max((len(row.label) for row in rows), default=8) * svg.CHARACTER)
    beside = 0.0 if narrow else max((max(len(row.shown), len(row.verdict)) for row in rows), default=8) * 7.0 + 14
    step, top = (56.0 if narrow else 40.0), 40.0
    bottom = top + step * len(rows)
    values = [v for row in rows for v in (row.low, row.mid, row.high)] + [zero]
    if band:
        values += [zero - band, zero + band]
    start, end = label + 8, width - beside - 8
    scale = svg.logarithmic(values, start, end) if log else svg.linear(values, start, end)
    body = []
    if band:
        body.append(svg.box(scale(zero - band), top, scale(zero + band) - scale(zero - band), bottom - top, "band"))
    body.append(svg.grid(scale, top, bottom, form))
    body.append(svg.line(scale(zero), top - 4, scale(zero), bottom, "reference"))
    at_zero = scale(zero)
    anchor = "start" if at_zero < start + 90 else "end" if at_zero > end - 90 else "middle"
    body.append(svg.text(at_zero, top - 9, zero_says, "note", anchor))
    if left_says and at_zero - start > 170:
        body.append(svg.text(start, top - 26, "← " + left_says, "note"))
    if right_says and end - at_zero > 120:
        body.append(svg.text(end, top - 26, right_says + " →", "note", "end"))
    for index, row in enumerate(rows):
        at = top + step * index
        y = at + (40 if narrow else step / 2)
        if index:
            body.append(svg.line(0, at, width, at, "hair"))
        if narrow:
            body.append(svg.named(2, at + 15, row.label, row.look, room=width - 8, strong=False))
            body.append(svg.text(20, at + 30, f"{row.shown}  {row.verdict}", "value"))
            y = at + 44
        else:
            body.append(svg.named(2, y + 4, row.label, row.look, room=label - 4))
            body.append(svg.text(width, y - 2 if row.verdict else y + 4, row.shown, "value", "end"))
            if row.verdict:
                body.append(svg.text(width, y + 13, row.verdict, "note", "end"))
        body.append(svg.whisker(scale(row.low), scale(row.high), y, row.look))
        body.append(svg.marker(scale(row.mid), y, row.look, 5, says=f"{row.label}: {row.shown}"))
    return svg.figure(ident, width, bottom + FOOT, title, says, body)
