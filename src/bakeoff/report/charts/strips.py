"""Every measured time as a dot on a log axis, with percentiles. A mean would hide the tail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bakeoff.report import format as form
from bakeoff.report.charts import svg
from bakeoff.report.palette import Look

_SPREAD = (0.0, 0.62, -0.38, 0.24, -0.76, 0.86, -0.14, 0.48, -0.58, 0.1, -0.9, 0.72, -0.28, 0.36)
"""Where successive dots sit across the row: a fixed sequence, so that the picture is the same each time."""


@dataclass(frozen=True)
class Strip:
    """One approach's times in seconds.

    `marks` are percentiles as (name, seconds or None where n is too small, low, high); `shown` is the text beside them.
    """

    name: str
    look: Look
    samples: tuple[float, ...]
    marks: tuple[tuple[str, float | None, float | None, float | None], ...]
    shown: str
    cold: float | None = None
    strong: bool = False


def thin(samples: Sequence[float], most: int) -> tuple[float, ...]:
    """At most `most` of the samples, evenly spaced in order of size, the smallest and the largest always kept."""
    ordered = sorted(samples)
    if len(ordered) <= most or most < 2:
        return tuple(ordered[: max(most, 0)])
    return tuple(ordered[round(i * (len(ordered) - 1) / (most - 1))] for i in range(most))


def strips(ident: str, rows: Sequence[Strip], *, width: int, title: str, says: str) -> Markup:
    """One row of dots per approach on a shared log axis; ticks at the percentiles; a cold start as a cross apart."""
    narrow = width < svg.NARROW
    most = svg.MOST_POINTS // max(1, len(rows))
    step = 70.0 if narrow else 54.0
    label = 0.0 if narrow else svg.label_width([row.name for row in rows])
    values = [v for row in rows for v in row.samples]
    values += [v for row in rows for mark in row.marks for v in mark[1:] if v is not None]
    values += [row.cold for row in rows if row.cold is not None]
    scale = svg.logarithmic(values, label + 12, width - 12, most=4 if narrow else 7)
    top, bottom = 6.0, 6.0 + step * len(rows)
    body = [svg.grid(scale, top, bottom, svg.tick_seconds)]
    for index, row in enumerate(rows):
        at = top + step * index
        y = at + (48 if narrow else 32)
        if index:
            body.append(svg.line(0, at, width, at, "hair"))
        body.append(
            svg.named(
                2, at + (17 if narrow else 36), row.name, row.look, room=(width if narrow else label) - 8, strong=row.strong
            )
        )
        kept = thin(row.samples, most)
        if kept:
            path = "".join(f"M{svg.n(scale(v))} {svg.n(y + _SPREAD[i % len(_SPREAD)] * 9)}h0" for i, v in enumerate(kept))
            body.append(f'<path class="c{row.look.colour} grain" d="{path}"/>')
        last = -1e9
        for name, value, low, high in row.marks:
            if value is None:
                continue
            x = scale(value)
            if low is not None and high is not None:
                body.append(svg.line(scale(low), y + 15, scale(high), y + 15, f"c{row.look.colour} whisker"))
            body.append(svg.line(x, y - 13, x, y + 13, f"c{row.look.colour} stop" + ("" if name == "p50" else " dashed")))
            shown = form.seconds(value) if name == "p50" else f"{name} {form.seconds(value)}"
            if x - last > 66:
                body.append(svg.text(x, y - 16, shown, "tick halo", "middle"))
                last = x
        if row.cold is not None:
            x = scale(row.cold)
            body.append(f'<path class="c{row.look.colour} stop" d="M{svg.n(x - 4)} {svg.n(y - 4)}l8 8m0 -8l-8 8"/>')
            if abs(x - last) > 80:
                body.append(svg.text(min(x, width - 36), y - 16, f"{form.seconds(row.cold)} cold", "tick halo", "middle"))
        if not row.samples and all(mark[1] is None for mark in row.marks):
            body.append(svg.text(label + 14, y + 4, row.shown, "note"))
    return svg.figure(ident, width, bottom + 24, title, says, body)
