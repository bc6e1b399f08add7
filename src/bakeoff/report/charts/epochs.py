"""What was followed during training: one row of panels per approach, thin lines by epoch, the best epoch marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bakeoff.report.charts import svg
from bakeoff.report.palette import Look

TALL, HEAD, FOOT = 150.0, 42.0, 46.0


@dataclass(frozen=True)
class Line:
    """One figure of one training: points (epoch, value) in order, whether it is drawn dashed, and the point to mark."""

    name: str
    points: tuple[tuple[float, float], ...]
    dashed: bool = False
    best: tuple[float, float] | None = None


@dataclass(frozen=True)
class Panel:
    """One figure of all trainings of an approach. `share`: the figure is a share, so its axis ends at 0 and 1."""

    title: str
    lines: tuple[Line, ...]
    form: Callable[[float], str]
    share: bool = False


@dataclass(frozen=True)
class Row:
    """One approach's panels; `strong` is the choice."""

    name: str
    look: Look
    panels: tuple[Panel, ...]
    strong: bool = False


def rows(ident: str, given: Sequence[Row], *, width: int, title: str, says: str) -> Markup:
    """Panels side by side (below one another when narrow). Each panel's values have the same scale in every row, so rows compare."""
    across = 1 if width < svg.NARROW else max(len(row.panels) for row in given)
    gap = 44.0
    wide = (width - gap * (across - 1)) / across
    body, y = [], 0.0
    most = max((p[0] for row in given for panel in row.panels for line in panel.lines for p in line.points), default=1.0)
    for row in given:
        body.append(svg.named(0, y + 15, row.name, row.look, room=width, strong=row.strong))
        y += 20
        for index, panel in enumerate(row.panels):
            column = index % across
            if index and column == 0:
                y += HEAD + TALL + FOOT
            values = [p[1] for other in given for line in other.panels[index].lines for p in line.points]
            body += _panel(panel, row.look, values, most, column * (wide + gap), y, wide)
        y += HEAD + TALL + FOOT
    return svg.figure(ident, width, y - 8, title, says, body)


def _panel(panel: Panel, look: Look, values: Sequence[float], most: float, x: float, y: float, wide: float) -> list[str]:
    left, right, top, bottom = x + 46, x + wide - 8, y + 34, y + 34 + TALL
    if not panel.lines:
        return [svg.text(x, y + 16, panel.title, "head"), svg.text(left, top + 20, "not followed", "note")]
    ys = svg.linear(
        [*values, *((0.0,) if not panel.share else ())], bottom, top, most=6, floor=0.0, top=1.0 if panel.share else None
    )
    xs = svg.Scale(min(1.0, most - 1), most, left, right, False, ())
    body = [svg.text(x, y + 16, panel.title, "head"), svg.text(right, bottom + 34, "Epoch", "note", "end")]
    for tick in ys.ticks:
        body.append(svg.line(left, ys(tick), right, ys(tick), "grid"))
        body.append(svg.text(left - 8, ys(tick) + 4, panel.form(tick), "tick", "end"))
    body.append(svg.line(left, bottom, right, bottom, "axis"))
    for epoch in _epochs(most):
        body.append(svg.line(xs(epoch), bottom, xs(epoch), bottom + 4, "axis"))
        body.append(svg.text(xs(epoch), bottom + 17, f"{epoch:,}", "tick", "middle"))
    for line in sorted(panel.lines, key=lambda line: not line.dashed):
        path = "M" + "L".join(f"{svg.n(xs(e))} {svg.n(ys(v))}" for e, v in line.points)
        body.append(f'<path class="c{look.colour} thin{" apart" if line.dashed else ""}" d="{path}"/>')
    for line in panel.lines:
        if line.best is not None:
            says = f"{line.name}, epoch {line.best[0]:,.0f}: {panel.form(round(line.best[1], 4))}"
            body.append(svg.marker(xs(line.best[0]), ys(line.best[1]), look, 4, says=says))
    return body


def _epochs(most: float) -> list[int]:
    """About four round epochs with the first and the last."""
    rough = most / 4
    power = 10 ** math.floor(math.log10(max(rough, 1)))
    step = max(1, next((s * power for s in (1, 2, 5, 10) if s * power >= rough), 1))
    last = round(most)
    inner = [epoch for epoch in range(step, last, step) if last - epoch > step / 2]
    return sorted({1, *(epoch for epoch in inner if epoch - 1 > step / 2), last})
