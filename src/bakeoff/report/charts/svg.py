"""The figure, the scales, the axes and the shapes that all charts share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from bakeoff.report.palette import Look
from bakeoff.report.text import clean, isolated, short

NARROW = 480
MOST_POINTS = 2_000
CHARACTER = 6.7
"""Estimated width of a character at 12 px in the widest usual system font."""


def n(value: float) -> str:
    """A coordinate with at most one decimal and no trailing zero: stable text, small files."""
    text = f"{value:.1f}"
    text = text[:-2] if text.endswith(".0") else text
    return "0" if text == "-0" else text


def text(x: float, y: float, shown: str, kind: str = "", anchor: str = "start") -> str:
    """A text element. `shown` is escaped; `kind` is its class: label, value, tick, note, strong."""
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{n(x)}" y="{n(y)}"{where}{named}>{escape(isolated(clean(shown)))}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<path class="{kind}" d="M{n(x1)} {n(y1)}L{n(x2)} {n(y2)}"/>'


def box(x: float, y: float, width: float, height: float, kind: str, radius: float = 0) -> str:
    """A rectangle; a negative width or height is drawn as 0."""
    round_ = f' rx="{n(radius)}"' if radius else ""
    return f'<rect class="{kind}" x="{n(x)}" y="{n(y)}" width="{n(max(0, width))}" height="{n(max(0, height))}"{round_}/>'


def marker(x: float, y: float, look: Look, radius: float = 5, *, hollow: bool = False, says: str = "") -> str:
    """An approach's marker: its shape in its colour. `says` is shown on hover."""
    kind = f"c{look.colour} {'hollow' if hollow else 'mark'}"
    r = radius
    s, t, w = r * 0.9, r * 1.2, r * 0.42
    hover = f"<title>{escape(clean(says))}</title>" if says else ""
    outlines = {
        "square": [(-s, -s), (s, -s), (s, s), (-s, s)],
        "diamond": [(0, -t), (t, 0), (0, t), (-t, 0)],
        "triangle": [(0, -t), (t, r * 0.9), (-t, r * 0.9)],
        "down": [(0, t), (t, -r * 0.9), (-t, -r * 0.9)],
        "hexagon": [(-t, 0), (-r * 0.6, -r), (r * 0.6, -r), (t, 0), (r * 0.6, r), (-r * 0.6, r)],
        "plus": [(-w, -t), (w, -t), (w, -w), (t, -w), (t, w), (w, w), (w, t), (-w, t), (-w, w), (-t, w), (-t, -w), (-w, -w)],
    }
    if look.shape == "circle":
        return f'<circle class="{kind}" cx="{n(x)}" cy="{n(y)}" r="{n(r)}">{hover}</circle>'
    if look.shape == "cross":
        turned = [((a - b) * 0.7071, (a + b) * 0.7071) for a, b in outlines["plus"]]
    else:
        turned = outlines[look.shape]
    path = "M" + "L".join(f"{n(x + a)} {n(y + b)}" for a, b in turned) + "Z"
    return f'<path class="{kind}" d="{path}">{hover}</path>'


def whisker(x1: float, x2: float, y: float, look: Look, *, vertical: bool = False) -> str:
    """An interval as a line with end caps: from `x1` to `x2` at `y`, or the other way round where vertical."""
    kind = f"c{look.colour} whisker"
    if vertical:
        return (
            f'<path class="{kind}" d="M{n(y)} {n(x1)}L{n(y)} {n(x2)}'
            f'M{n(y - 3)} {n(x1)}L{n(y + 3)} {n(x1)}M{n(y - 3)} {n(x2)}L{n(y + 3)} {n(x2)}"/>'
        )
    return (
        f'<path class="{kind}" d="M{n(x1)} {n(y)}L{n(x2)} {n(y)}'
        f'M{n(x1)} {n(y - 3)}L{n(x1)} {n(y + 3)}M{n(x2)} {n(y - 3)}L{n(x2)} {n(y + 3)}"/>'
    )


def beyond(x: float, y: float, look: Look, way: str, says: str = "") -> str:
    """An arrow at the end of an axis: the value lies further `way` (left, right, up or down) than the axis reaches."""
    tip = {"left": "M{a} {y}l8 -5v10z", "right": "M{b} {y}l-8 -5v10z", "up": "M{x} {d}l-5 8h10z", "down": "M{x} {c}l-5 -8h10z"}[
        way
    ]
    path = tip.format(a=n(x - 5), b=n(x + 5), c=n(y + 5), d=n(y - 5), x=n(x), y=n(y))
    return f'<path class="c{look.colour} mark" d="{path}"><title>{escape(clean(says))}</title></path>'


def named(x: float, y: float, name: str, look: Look, *, room: float, strong: bool = False, hollow: bool = False) -> str:
    """An approach's marker and name at the start of a row, cut to `room` pixels."""
    longest = max(4, int((room - 18) / (CHARACTER * 1.15 if strong else CHARACTER)))
    return marker(x + 6, y - 4, look, 4.5, hollow=hollow) + text(
        x + 18, y, short(name, longest), "label strong" if strong else "label"
    )


def label_width(names: Sequence[str], most: float = 214.0) -> float:
    """The room that a column of names needs, at most `most` pixels."""
    return min(most, 40 + max((len(name) for name in names), default=8) * CHARACTER * 1.15)


def figure(ident: str, width: float, height: float, title: str, says: str, body: Sequence[str]) -> Markup:
    """The finished ``<svg role="img">``.

    Parameters
    ----------
    ident : str
        Unique in the page; the ids of title and description are made from it.
    width, height : float, CSS pixels
    title : str
        What is drawn, in a few words.
    says : str
        The description: the same figures in words, for those who do not see the chart.
    body : sequence of str
        SVG elements, escaped already.
    """
    opening = (
        f'<svg role="img" class="chart" viewBox="0 0 {n(width)} {n(height)}" width="{n(width)}" height="{n(height)}" '
        f'aria-labelledby="{escape(ident)}-title" aria-describedby="{escape(ident)}-says">'
        f'<title id="{escape(ident)}-title">{escape(clean(title))}</title>'
        f'<desc id="{escape(ident)}-says">{escape(clean(says))}</desc>'
    )
    return Markup(opening + "".join(body) + "</svg>")


@dataclass(frozen=True)
class Scale:
    """Values to pixels. `ticks` are in the values' unit; on a log scale values at or under 0 sit at its start."""

    low: float
    high: float
    start: float
    end: float
    log: bool
    ticks: tuple[float, ...]

    def __call__(self, value: float) -> float:
        if self.log:
            value, low, high = math.log10(max(value, self.low)), math.log10(self.low), math.log10(self.high)
        else:
            low, high = self.low, self.high
        at = (value - low) / (high - low)
        return self.start + min(1.0, max(0.0, at)) * (self.end - self.start)


def linear(
    values: Sequence[float], start: float, end: float, *, most: int = 5, floor: float | None = None, top: float | None = None
) -> Scale:
    """A linear scale whose ends are round numbers around `values`, kept within [floor, top] where given."""
    known = [value for value in values if math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if high - low < 1e-9:
        pad = max(abs(high) * 0.05, 1e-3)
        low, high = low - pad, high + pad
    step = _step((high - low) / max(1, most - 1))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [round(i * step, 10) for i in range(first, last + 1)]
    low, high = ticks[0], ticks[-1]
    if floor is not None and low < floor < high:
        low, ticks = floor, [t for t in ticks if t >= floor]
    if top is not None and high > top > low:
        high, ticks = top, [t for t in ticks if t <= top]
    return Scale(low, high, start, end, False, tuple(ticks))


def logarithmic(values: Sequence[float], start: float, end: float, *, most: int = 5) -> Scale:
    """A log scale over the positive ones of `values`, padded a little; ticks at powers of ten, or 1-2-5 when few."""
    above = [value for value in values if value > 0 and math.isfinite(value)]
    low, high = (min(above), max(above)) if above else (0.1, 10.0)
    low, high = low / 1.3, high * 1.3
    if high / low < 4:
        low, high = low / 1.5, high * 1.5
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    tens = [10.0**e for e in exponents if low <= 10.0**e <= high]
    ticks = tens
    if len(tens) < 3:
        for parts in ((1, 3), (1, 2, 5)):
            ticks = [p * 10.0**e for e in exponents for p in parts if low <= p * 10.0**e <= high]
            if len(ticks) >= 3:
                break
    every = max(1, math.ceil(len(ticks) / most))
    return Scale(low, high, start, end, True, tuple(ticks[::every]))


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    for nice in (1, 2, 2.5, 5, 10):
        if rough <= nice * power * 1.0000001:
            return nice * power
    return 10 * power


def grid(scale: Scale, top: float, bottom: float, form: Callable[[float], str]) -> str:
    """Vertical grid lines from `top` to `bottom` with their tick texts underneath, as many as fit."""
    parts, free = [], -1e9
    for tick in scale.ticks:
        x, shown = scale(tick), form(tick)
        half = len(shown) * CHARACTER / 2
        parts.append(line(x, top, x, bottom, "grid"))
        if x - half > free:
            parts.append(text(x, bottom + 15, shown, "tick", "middle"))
            free = x + half + 4
    return "".join(parts)


def tick_percent(value: float) -> str:
    """A fraction as a tick: as many decimals as it needs, at most one."""
    return f"{value * 100:.1f}".removesuffix(".0") + "%"


def tick_usd(value: float) -> str:
    """Money as a tick: ``$0.001``, ``$10``, ``$2k``."""
    if value >= 1000:
        return f"${value / 1000:g}k" if value < 1e6 else f"${value / 1e6:g}M"
    return f"${value:.10f}".rstrip("0").rstrip(".") if value < 1 else f"${value:g}"


def tick_seconds(value: float) -> str:
    """A duration as a tick: ``0.1 ms``, ``10 ms``, ``2 s``, ``100 s``."""
    if value < 1:
        return f"{value * 1000:.4f}".rstrip("0").rstrip(".") + " ms"
    return f"{value:g} s"


def tick_flops(value: float) -> str:
    """Floating-point operations as a tick: ``10 MFLOP``, ``1 GFLOP``."""
    for unit, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g} {letter}FLOP"
    return f"{value:g} FLOP"


def tick_rate(value: float) -> str:
    """Requests per second as a tick: ``0.5/s``, ``200/s``, ``2k/s``."""
    return f"{tick_count(value)}/s"


def tick_count(value: float) -> str:
    """A whole number as a tick: ``250``, ``2k``, ``1M``."""
    for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"
