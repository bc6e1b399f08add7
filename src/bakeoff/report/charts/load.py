"""What a server does under load: latency at each rate, times as distributions and in their order. Log axes, no means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from bakeoff.report import format as form
from bakeoff.report.charts import svg
from bakeoff.report.charts.scatter import Box, place
from bakeoff.report.palette import Look

STATES = ("kept", "undecided", "broken", "invalid", "not judged")
_SIGNS = {
    "kept": ("circle", False),
    "undecided": ("diamond", True),
    "broken": ("cross", False),
    "invalid": ("square", True),
    "not judged": ("circle", True),
}

_FAILED = Look(1, "cross")


class AtRate(NamedTuple):
    """One step: the rate asked for, the median and the judged percentile in seconds, and what became of the limit.

    `tail` is None where the percentile falls on a failed request (it lies above any time) or too few were sent.
    """

    rate: float
    median: float | None
    tail: float | None
    state: str
    says: str
    endless: bool = False


@dataclass(frozen=True)
class Rates:
    """One server's steps."""

    name: str
    look: Look
    steps: tuple[AtRate, ...]
    strong: bool = False


def rates(
    ident: str,
    rows: Sequence[Rates],
    *,
    width: int,
    tail: str,
    limit: float | None,
    limit_says: str,
    title: str,
    says: str,
) -> Markup:
    """Rate against latency, both on log axes: the judged percentile as a line, the median dashed, the limit across.

    A step's sign says what became of the limit. Lines join valid steps only; an invalid step stands alone, hollow. An
    arrow at the top is a percentile that falls on a failed request; where too few were sent for the percentile, the
    sign stands on the median.
    """
    narrow = width < svg.NARROW
    states = [s for s in STATES if any(step.state == s for row in rows for step in row.steps)]
    named = [row for row in rows if row.name]
    legend = 22.0 * len(named) if narrow else 0.0
    tall = 380.0 if narrow else 430.0
    left, right, top, bottom = 58.0, width - 14.0, 62.0, tall - 50
    times = [v for row in rows for step in row.steps for v in (step.median, step.tail) if v is not None]
    ys = svg.logarithmic([*times, *([limit] if limit else [])], bottom, top + 10, most=5)
    first = left + 8 if narrow else left + min(170.0, 24 + 7.2 * max(len(row.name) for row in rows))
    xs = svg.logarithmic([step.rate for row in rows for step in row.steps], first, right - 8, most=4 if narrow else 7)
    body = [
        svg.text(0, 14, f"Total time: {tail} line, p50 dashed" if narrow else f"Total time from the intended start: {tail} line, p50 dashed", "head"),
        svg.text(right, tall - 8, "Requests per second asked for (log scale)", "head", "end"),
    ]  # fmt: skip
    body += _signs(states, 36)
    for tick in ys.ticks:
        body.append(svg.line(left, ys(tick), right, ys(tick), "grid"))
        body.append(svg.text(left - 8, ys(tick) + 4, svg.tick_seconds(tick), "tick", "end"))
    body.append(svg.grid(xs, bottom, bottom + 4, svg.tick_rate))
    body.append(svg.line(left, bottom, right, bottom, "axis"))
    taken: list[Box] = []
    if limit:
        body.append(svg.line(left, ys(limit), right, ys(limit), "reference"))
    marks: list[str] = []
    for row in rows:
        valid = sorted((s for s in row.steps if s.state != "invalid"), key=lambda s: s.rate)
        medians, tails = _slowest([(s.rate, s.median) for s in valid]), _slowest([(s.rate, s.tail) for s in valid])
        body.append(_join([(xs(rate), ys(seconds)) for rate, seconds in medians], f"c{row.look.colour} reach dashed"))
        body.append(_join([(xs(rate), ys(seconds)) for rate, seconds in tails], f"c{row.look.colour} trace"))
        for step in row.steps:
            x = xs(step.rate)
            if step.tail is None and not step.endless:
                if step.median is not None:
                    marks.append(sign(x, ys(step.median), step.state, row.look.colour, step.says))
                    taken.append((x - 7, ys(step.median) - 7, x + 7, ys(step.median) + 7))
                continue
            if step.tail is None:
                marks.append(svg.beyond(x, top + 4, row.look, "up", step.says))
                taken.append((x - 7, top - 3, x + 7, top + 11))
                continue
            y = ys(step.tail)
            marks.append(sign(x, y, step.state, row.look.colour, step.says))
            taken.append((x - 7, y - 7, x + 7, y + 7))
    if limit:
        body.append(_beside(limit_says, ys(limit), left, right, taken))
    body += marks
    if narrow:
        for index, row in enumerate(named):
            body.append(svg.named(left - 6, tall + 14 + 22 * index, row.name, row.look, room=width - left, strong=row.strong))
    else:
        for row in named:
            drawn = [(s.rate, at) for s in row.steps if (at := s.median if s.tail is None else s.tail) is not None]
            if drawn:
                rate, at = min(drawn)
                name = svg.short(row.name, 26) + (" (p50)" if all(s.tail is None for s in row.steps) else "")
                body.append(place(name, xs(rate), ys(at), taken, left, right, top, bottom, row.strong, before=True))
    return svg.figure(ident, width, tall + legend, title, says, body)


def _beside(words: str, y: float, left: float, right: float, taken: list[Box]) -> str:
    """The limit's words at the end of its line, above or below, where the fewest marks are."""
    wide = 6.2 * len(words)
    found: list[tuple[int, int, float, float, str, Box]] = []
    for anchor, x in (("start", left + 4), ("end", right - 2)):
        for at in (y - 6, y + 15):
            start = x if anchor == "start" else x - wide
            room = (start, at - 11, start + wide, at + 3)
            hits = sum(_meet(room, box) for box in taken)
            found.append((hits, len(found), x, at, anchor, room))
    _, _, x, at, anchor, room = min(found)
    taken.append(room)
    return svg.text(x, at, words, "note halo", anchor)


def sign(x: float, y: float, state: str, colour: int, says: str = "") -> str:
    """The sign of what became of the limit, in an approach's colour."""
    shape, hollow = _SIGNS[state]
    return svg.marker(x, y, Look(colour, shape), 6 if shape == "cross" else 5, hollow=hollow, says=says)


def _signs(states: Sequence[str], y: float) -> list[str]:
    parts, x = [], 0.0
    for state in states:
        shape, hollow = _SIGNS[state]
        parts.append(svg.marker(x + 6, y - 4, Look(6, shape), 5, hollow=hollow))
        parts.append(svg.text(x + 17, y, state, "note"))
        x += 30 + 6.6 * len(state)
    return parts


def _slowest(points: Sequence[tuple[float, float | None]]) -> list[tuple[float, float]]:
    """One point for each rate, in order: a rate that was tried again is joined at its slower time."""
    found: dict[float, float] = {}
    for rate, seconds in points:
        if seconds is not None:
            found[rate] = max(seconds, found.get(rate, 0.0))
    return sorted(found.items())


def _join(points: Sequence[tuple[float, float]], kind: str) -> str:
    if len(points) < 2:
        return ""
    return f'<path class="{kind}" fill="none" d="M{"L".join(f"{svg.n(x)} {svg.n(y)}" for x, y in points)}"/>'


DASHES = {"whole answer": "", "first token": " dashed", "from dispatch": " dotted"}


@dataclass(frozen=True)
class Times:
    """One cumulative curve: times in order of size, what they are (a key of `DASHES`), and the share of requests that ended.

    `share` is below 1 where requests failed: the curve then never reaches the top, because a failed request has no end.
    """

    name: str
    look: Look
    what: str
    samples: tuple[float, ...]
    share: float = 1.0
    strong: bool = False


@dataclass(frozen=True)
class First:
    """The first request of all: a mark of its own, no part of any curve."""

    name: str
    look: Look
    seconds: float


def cumulative(ident: str, curves: Sequence[Times], firsts: Sequence[First], *, width: int, title: str, says: str) -> Markup:
    """Share of requests that ended within a time, as steps on a log axis; first requests as crosses in a lane of their own."""
    narrow = width < svg.NARROW
    names = list(dict.fromkeys((c.name, c.look, c.strong) for c in curves if c.name))
    across = 1 if narrow else 3
    foot = 22.0 * -(-len(names) // across)
    lane = 24.0 if firsts else 0.0
    tall = 360.0 + lane
    left, right, top, bottom = 52.0, width - 14.0, 58.0, 360.0 - 50
    xs = svg.logarithmic(
        [v for c in curves for v in c.samples] + [f.seconds for f in firsts], left, right, most=4 if narrow else 7
    )
    ys = svg.Scale(0, 1, bottom, top, False, (0, 0.25, 0.5, 0.75, 1) if narrow else (0, 0.25, 0.5, 0.75, 0.95, 1))
    body = [
        svg.text(0, 14, "Share of requests within a time", "head"),
        svg.text(
            right, tall - 6, "Seconds since the request was due (log scale)" if not narrow else "Time (log scale)", "head", "end"
        ),
    ]
    kinds = [what for what in DASHES if any(c.what == what for c in curves)]
    x = 0.0
    for what in kinds:
        body.append(f'<path class="c6 trace{DASHES[what]}" d="M{svg.n(x)} 32h{18 if narrow else 26}"/>')
        body.append(svg.text(x + (23 if narrow else 32), 36, what, "note"))
        x += 33 + 5.9 * len(what) if narrow else 46 + 6.6 * len(what)
    if firsts and not narrow:
        body.append(f'<path class="c6 stop" d="M{svg.n(x + 2)} 28l8 8m0 -8l-8 8"/>')
        body.append(svg.text(x + 16, 36, "first request of all", "note"))
    for tick in ys.ticks:
        body.append(svg.line(left, ys(tick), right, ys(tick), "grid"))
        if tick != 1 or narrow:
            body.append(svg.text(left - 8, ys(tick) + 4, svg.tick_percent(tick), "tick", "end"))
    body.append(svg.line(left, bottom, right, bottom, "axis"))
    for tick in xs.ticks:
        body.append(svg.line(xs(tick), top, xs(tick), bottom + lane + 4, "grid"))
        body.append(svg.text(xs(tick), bottom + lane + 17, svg.tick_seconds(tick), "tick", "middle"))
    most = svg.MOST_POINTS // max(1, len(curves))
    for c in curves:
        body.append(
            f'<path class="c{c.look.colour} trace{DASHES[c.what]}" d="{_steps(c, xs, ys, most)}"><title>{svg.escape(svg.clean(f"{c.name}: {c.what}"))}</title></path>'
        )
    for f in firsts:
        x, y = xs(f.seconds), bottom + lane / 2
        body.append(
            f'<path class="c{f.look.colour} stop" d="M{svg.n(x - 4)} {svg.n(y - 4)}l8 8m0 -8l-8 8"><title>{svg.escape(svg.clean(f"{f.name}: first request of all"))}</title></path>'
        )
    if firsts:
        body.append(svg.text(left - 8, bottom + lane / 2 + 4, "first", "tick", "end"))
    cell = (width - left) / across
    for index, (name, look, strong) in enumerate(names):
        where = left + cell * (index % across), tall + 18 + 22 * (index // across)
        body.append(svg.named(where[0] - 6, where[1], name, look, room=cell - 10, strong=strong))
    return svg.figure(ident, width, tall + foot + 4, title, says, body)


def _steps(curve: Times, xs: svg.Scale, ys: svg.Scale, most: int) -> str:
    n = len(curve.samples)
    kept = [round(i * (n - 1) / max(1, min(n, most) - 1)) for i in range(min(n, most))]
    path = [f"M{svg.n(xs(curve.samples[0]))} {svg.n(ys(0))}"] if n else []
    for place_ in kept:
        path.append(f"H{svg.n(xs(curve.samples[place_]))}V{svg.n(ys((place_ + 1) / n * curve.share))}")
    return "".join(path)


def timeline(
    ident: str,
    name: str,
    points: Sequence[tuple[float, float | None]],
    look: Look,
    *,
    width: int,
    limit: float | None,
    limit_says: str,
    title: str,
    says: str,
) -> Markup:
    """One mark for each request: when it was due against its total time on a log axis, the limit across.

    `points` are pairs of seconds in the order of the first, the second None where the request failed: those are crosses at
    the top edge, above every time.
    """
    narrow = width < svg.NARROW
    ended = [(when, total) for when, total in points if total is not None]
    failed = [when for when, total in points if total is None]
    tall = 320.0 if narrow else 340.0
    left, right, top, bottom = 58.0, width - 14.0, 58.0, tall - 50
    ys = svg.logarithmic([total for _, total in ended] + ([limit] if limit else []), bottom, top + (28 if failed else 14), most=5)
    xs = svg.linear(
        [0.0, *(when for when, _ in points)], left + 8, right - 8, most=5 if narrow else 9, floor=0.0, top=points[-1][0] or None
    )
    body = [
        svg.text(
            0, 14, f"{name}: total time" if narrow else f"{name}: total time of each request from its intended start", "head"
        ),
        svg.text(
            right,
            tall - 8,
            "Due at (seconds of the step)" if narrow else "Moment it was due, in seconds of the step",
            "head",
            "end",
        ),
        f'<path class="c{look.colour} dot" d="M6 32h0"/>',
        svg.text(17, 36, "answered", "note"),
    ]
    if failed:
        body += [svg.marker(96, 32, _FAILED, 6), svg.text(108, 36, "failed", "note")]
    for tick in ys.ticks:
        body.append(svg.line(left, ys(tick), right, ys(tick), "grid"))
        body.append(svg.text(left - 8, ys(tick) + 4, svg.tick_seconds(tick), "tick", "end"))
    body.append(svg.grid(xs, bottom, bottom + 4, lambda value: f"{value:g} s"))
    body.append(svg.line(left, bottom, right, bottom, "axis"))
    taken = [(xs(when) - 3, ys(total) - 3, xs(when) + 3, ys(total) + 3) for when, total in ended]
    if limit:
        body.append(svg.line(left, ys(limit), right, ys(limit), "reference"))
    if ended:
        path = "".join(f"M{svg.n(xs(when))} {svg.n(ys(total))}h0" for when, total in ended)
        body.append(f'<path class="c{look.colour} dot" d="{path}"/>')
    body += [svg.marker(xs(when), top + 4, _FAILED, 6) for when in failed]
    fixed: list[Box] = []
    if limit:
        body.append(_beside(limit_says, ys(limit), left, right, taken))
        fixed = [taken[-1], (left, ys(limit) - 1, right, ys(limit) + 1)]
    if ended:
        total, when = max(ended, key=lambda point: point[1])[::-1]
        body.append(_named(form.seconds(total), xs(when), ys(total), left, right, taken, fixed))
    return svg.figure(ident, width, tall, title, says, body)


def _named(words: str, x: float, y: float, left: float, right: float, taken: Sequence[Box], fixed: Sequence[Box]) -> str:
    """Words beside a mark, where the fewest of `taken` are; none where they would stand on one of `fixed`."""
    wide = 6.4 * len(words)
    found: list[tuple[int, int, float, float, str]] = []
    for anchor, start in (("start", x + 6), ("end", x - 6 - wide)):
        for base in (y - 5, y + 4, y + 14):
            room = (start, base - 10, start + wide, base + 3)
            if left <= start and start + wide <= right and not any(_meet(room, box) for box in fixed):
                found.append(
                    (sum(_meet(room, box) for box in taken), len(found), x + (6 if anchor == "start" else -6), base, anchor)
                )
    if not found:
        return ""
    _, _, at, base, anchor = min(found)
    return svg.text(at, base, words, "tick halo", anchor)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
