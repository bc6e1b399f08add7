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

    `also` is a second position on the same row (the 90th percentile beside the median), joined by a thin line; `tag`
    stands after the text, in a column of its own.
    """

    mid: float | None
    low: float | None = None
    high: float | None = None
    shown: str = ""
    also: float | None = None
    tag: str = ""


@dataclass(frozen=True)
class Row:
    """A row's name and looks; `strong` is the choice, `hollow` one that was not measured here."""

    name: str
    look: Look
    strong: bool = False
    note: str = ""
    hollow: bool = False


@dataclass(frozen=True)
class Panel:
    """One aligned column of dots with its own scale.

    `dots` are by row name; rows without one say `absent`. `band` is a shaded range of values, `off` the
    rows that the scale leaves out: an arrow at its end stands for them. `share` is how
    much of the width the panel takes, against the others. `mark` is a level drawn as a dashed line, such as a ceiling.
    """

    title: str
    unit: str
    dots: dict[str, Dot]
    form: Callable[[float], str]
    log: bool = False
    band: tuple[float, float] | None = None
    off: frozenset[str] = frozenset()
    share: float = 1.0
    floor: float | None = None
    top: float | None = None
    absent: dict[str, str] = field(default_factory=dict)
    mark: float | None = None

    def values(self) -> list[float]:
        """All values that the scale must hold."""
        kept = [dot for name, dot in self.dots.items() if name not in self.off]
        found = [v for dot in kept for v in (dot.mid, dot.low, dot.high, dot.also) if v is not None]
        found += self.band or ()
        found += [self.mark] if self.mark is not None else []
        return [value for value in found if not self.log or value > 0]

    def scale(self, start: float, end: float, most: int) -> svg.Scale:
        """The panel's scale between two pixels."""
        if self.log:
            return svg.logarithmic(self.values(), start, end, most=most)
        return svg.linear(self.values(), start, end, most=most, floor=self.floor, top=self.top)


def panels(ident: str, rows: Sequence[Row], columns: Sequence[Panel], *, width: int, title: str, says: str) -> Markup:
    """Aligned dot-and-interval panels, sharing one row per approach.

    Wide, the panels stand side by side and each figure is written in a column right of its panel; narrow,
    they stand under each other.
    """
    if width < svg.NARROW:
        return _stacked(ident, rows, columns, width=width, title=title, says=says)
    label, gap = svg.label_width([row.name for row in rows]), 26.0
    unit = (width - label - gap * len(columns)) / max(1.0, sum(panel.share for panel in columns))
    bottom = HEAD + ROW * len(rows)
    body = [_bands(rows, width, HEAD)]
    for index, row in enumerate(rows):
        body.append(
            svg.named(6, HEAD + ROW * index + 21, row.name, row.look, room=label - 8, strong=row.strong, hollow=row.hollow)
        )
    x = label + gap
    for panel in columns:
        body.append(_panel(rows, panel, x, unit * panel.share, HEAD, bottom))
        x += unit * panel.share + gap
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
    tags = max((len(dot.tag) for dot in panel.dots.values()), default=0) * svg.CHARACTER
    wide = max((len(dot.shown) for dot in panel.dots.values()), default=0) * 7.4 + 12 + tags
    scale = panel.scale(x + 6, x + width - wide - 6, 5 if width - wide > 180 else 3)
    body = [svg.text(x, 14, panel.title, "head"), svg.text(x, 30, panel.unit, "note")]
    if panel.band:
        low, high = scale(panel.band[0]), scale(panel.band[1])
        body.append(svg.box(low, top, high - low, bottom - top, "band"))
    body.append(svg.grid(scale, top, bottom, panel.form))
    if panel.mark is not None:
        body.append(svg.line(scale(panel.mark), top, scale(panel.mark), bottom, "ceiling"))
    for index, row in enumerate(rows):
        y, end = top + ROW * index + ROW / 2, x + width
        body.append(_dot(panel, row, scale, y))
        if dot := panel.dots.get(row.name):
            body.append(svg.text(end - tags, y + 4, dot.shown, "value strong" if row.strong else "value", "end"))
            if dot.tag:
                body.append(svg.text(end - tags + 5, y + 4, dot.tag, "note"))
    return "".join(body)


def _dot(panel: Panel, row: Row, scale: svg.Scale, y: float) -> str:
    dot = panel.dots.get(row.name)
    if dot is None or dot.mid is None:
        return svg.text(scale.start, y + 4, panel.absent.get(row.name, "not measured"), "note")
    says = f"{row.name}: {dot.shown}"
    if row.name in panel.off:
        way = "left" if dot.mid < scale.low else "right"
        return svg.beyond(scale.start if way == "left" else scale.end, y, row.look, way, says)
    parts = []
    if dot.also is not None:
        parts.append(svg.line(scale(dot.mid), y, scale(dot.also), y, f"c{row.look.colour} reach"))
        parts.append(svg.line(scale(dot.also), y - 5, scale(dot.also), y + 5, f"c{row.look.colour} stop"))
    if dot.low is not None and dot.high is not None:
        parts.append(svg.whisker(scale(dot.low), scale(dot.high), y, row.look))
    parts.append(svg.marker(scale(dot.mid), y, row.look, 5, hollow=row.hollow, says=says))
    return "".join(parts)


def _stacked(ident: str, rows: Sequence[Row], columns: Sequence[Panel], *, width: int, title: str, says: str) -> Markup:
    body, y, step = [], 0.0, 38.0
    for panel in columns:
        top, bottom = y + 42, y + 42 + step * len(rows)
        scale = panel.scale(8, width - 8, 4)
        body += [svg.text(0, y + 14, panel.title, "head"), svg.text(0, y + 31, panel.unit, "note")]
        if panel.band:
            low, high = scale(panel.band[0]), scale(panel.band[1])
            body.append(svg.box(low, top, high - low, bottom - top, "band"))
        body.append(svg.grid(scale, top, bottom, panel.form))
        if panel.mark is not None:
            body.append(svg.line(scale(panel.mark), top, scale(panel.mark), bottom, "ceiling"))
        for index, row in enumerate(rows):
            at, dot = top + step * index, panel.dots.get(row.name)
            shown = f"{dot.shown} {dot.tag}".rstrip() if dot else ""
            if row.strong:
                body.append(svg.box(0, at, width, step, "chosen", 3))
            room = width - 16 - len(shown) * 7.4
            body.append(svg.named(2, at + 15, row.name, row.look, room=room, strong=row.strong, hollow=row.hollow))
            body.append(_dot(panel, row, scale, at + 27))
            body.append(svg.text(width - 4, at + 15, shown, "value strong" if row.strong else "value", "end"))
        y = bottom + 46
    return svg.figure(ident, width, max(40.0, y - 18), title, says, body)


@dataclass(frozen=True)
class Gap:
    """One row of `gaps`: what is compared, the figure with its interval, and the words beside it. `off` is off the scale."""

    label: str
    look: Look
    mid: float
    low: float
    high: float
    shown: str
    verdict: str = ""
    off: bool = False


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
    label = 0.0 if narrow else svg.label_width([row.label for row in rows], 290.0)
    beside = 0.0 if narrow else max((max(len(row.shown), len(row.verdict)) for row in rows), default=8) * 7.0 + 14
    step, top = (56.0 if narrow else 40.0), 40.0
    bottom = top + step * len(rows)
    values = [v for row in rows if not row.off for v in (row.low, row.mid, row.high)] + [zero]
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
            body.append(svg.text(20, at + 30, f"{row.shown}  {row.verdict}", "value halo"))
            y = at + 44
        else:
            body.append(svg.named(2, y + 4, row.label, row.look, room=label - 4))
            body.append(svg.text(width, y - 2 if row.verdict else y + 4, row.shown, "value", "end"))
            if row.verdict:
                body.append(svg.text(width, y + 13, row.verdict, "note", "end"))
        if row.off:
            way = "left" if row.mid < scale.low else "right"
            body.append(svg.beyond(start if way == "left" else end, y, row.look, way, f"{row.label}: {row.shown}"))
            continue
        body.append(svg.whisker(scale(row.low), scale(row.high), y, row.look))
        body.append(svg.marker(scale(row.mid), y, row.look, 5, says=f"{row.label}: {row.shown}"))
    return svg.figure(ident, width, bottom + FOOT, title, says, body)
