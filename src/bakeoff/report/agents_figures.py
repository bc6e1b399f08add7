"""Learning curves on both clocks, time to the threshold, and the performance profile, as figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bakeoff.decide.record import Document
from bakeoff.report import format as form
from bakeoff.report.agents_given import (
    World,
    about,
    amount,
    control,
    listed,
    looks_of,
    mapping,
    named,
    names,
    number,
    span,
    steps,
    whole,
)
from bakeoff.report.charts import courses, svg
from bakeoff.report.figure import STRANGER, Figure, both, listing
from bakeoff.report.tables import Cell, Table, plain

MOST_MULTIPLES = 10
MOST_ROWS = 14
"""Of small multiples on a page, over all environments (the first always has its own): each row is dozens of lines."""
LOG_FROM = 10.0
"""Where the longest training is this many times the shortest, the clock is drawn on a log scale."""


class Clock(NamedTuple):
    """One of the two ways to count what learning costs."""

    key: str
    title: str
    tick: Callable[[float], str]
    write: Callable[[float | None], str]


BOTH = (
    Clock("steps", "Steps of the environment", svg.tick_count, steps),
    Clock("cpu_seconds", "CPU seconds of training", svg.tick_seconds, form.seconds),
)


def points(at: Any, values: Any) -> tuple[courses.Point, ...]:
    """Pairs of finite numbers from two lists."""
    found = []
    for x, y in zip(listed(at), listed(values), strict=False):
        place, value = number(x), number(y)
        if place is not None and value is not None:
            found.append((place, value))
    return tuple(found)


def band(at: Any, low: Any, high: Any) -> tuple[tuple[float, float, float], ...]:
    """Triples of finite numbers from three lists; whatever lacks an end is left out."""
    found = []
    for x, under, over in zip(listed(at), listed(low), listed(high), strict=False):
        place, least, most = number(x), number(under), number(over)
        if place is not None and least is not None and most is not None:
            found.append((place, least, most))
    return tuple(found)


def _seeds(held: Mapping[str, Any]) -> tuple[tuple[courses.Point, ...], ...]:
    made = []
    for seed in listed(held.get("seeds")):
        pairs = [tuple(each) for each in listed(mapping(seed).get("points")) if isinstance(each, list | tuple) and len(each) == 2]
        made.append(points([x for x, _ in pairs], [y for _, y in pairs]))
    return tuple(line for line in made if line)


def _axis(clock: Clock, ends: Sequence[float]) -> courses.Axis:
    above = [end for end in ends if end > 0]
    log = bool(above) and max(above) / min(above) >= LOG_FROM
    return courses.Axis(clock.title + (", log scale" if log else ""), clock.tick, log, low=None if log else 0.0)


def _chart(world: World, tall: float) -> courses.Chart:
    says = "" if world.threshold is None else f"solved from {amount(world.threshold)}"
    return courses.Chart("Validation return", _tick, level=world.threshold, level_says=says, tall=tall)


def _tick(value: float) -> str:
    return svg.tick_count(value) if abs(value) >= 1000 else f"{value:g}".replace("-", form.MINUS)


def curves(document: Document, world: World, place: int) -> Figure | None:
    """The interquartile mean over seeds with its band, all approaches, on both clocks."""
    colours = looks_of(document)
    panels, rows = [], []
    for clock in BOTH:
        traces, ends = [], []
        for name in names(document):
            here = about(document, name, world.key)
            held = mapping(mapping(here.get("curves")).get(clock.key))
            look, strong = colours.get(name, STRANGER), name == document.verdict.choice
            line = points(held.get("at"), held.get("iqm"))
            if line:
                ends.append(line[-1][0])
                traces.append(
                    courses.Trace(name, look, line, band(held.get("at"), held.get("low"), held.get("high")), strong=strong)
                )
                if clock is BOTH[0]:
                    rows.append(_figures(document, name, here))
            elif (level := span(here.get("iqm"))) is not None:
                traces.append(courses.Trace(name, look, level=level.mid, strong=strong))
        panels.append(courses.Panel(_axis(clock, ends), tuple(traces)))
    if not any(trace.points for panel in panels for trace in panel.traces):
        return None
    still = [trace.name for trace in panels[0].traces if trace.level is not None]
    caption = (
        "The interquartile mean over seeds of the return on validation episodes, with its 95% band (bootstrap over seeds). CPU time is that of training "
        "alone: evaluations are left out."
        + (f" Dashed: {', '.join(still)}, which {'do' if len(still) > 1 else 'does'} not learn, by test return." if still else "")
        + (" On a log scale, what happened at 0 stands at the left edge." if any(panel.axis.log for panel in panels) else "")
    )
    head = ("Approach", "Steps trained", "CPU time trained", "Best evaluation", "Last evaluation", "Seeds")
    says = listing([f"{row[0].text}: last {row[4].text} after {row[1].text} steps and {row[2].text}" for row in rows])
    return both(
        f"courses-{place}", caption, Table("Where each training ended", head, rows),
        lambda i, w: courses.overlaid(i, panels, _chart(world, 240), width=w, title="Return while learning, on both clocks", says=says),
    )  # fmt: skip


def _figures(document: Document, name: str, here: Mapping[str, Any]) -> tuple[Cell, ...]:
    held = mapping(here.get("curves"))
    ends = [listed(mapping(held.get(clock.key)).get("at")) for clock in BOTH]
    last = [number(end[-1]) if end else None for end in ends]
    best, final = (mapping(here.get(key)) for key in ("best", "last"))
    return (
        named(name, document),
        *(Cell(clock.write(value), value, "num") for clock, value in zip(BOTH, last, strict=True)),
        *(Cell(amount(number(each.get("mean"))), number(each.get("mean")), "num") for each in (best, final)),
        Cell(form.count(whole(best.get("n"))), whole(best.get("n")), "num"),
    )


def each_seed(document: Document, world: World, place: int) -> Figure | None:
    """Small multiples: every seed as a faint line behind the interquartile mean and its band, all on the same scales."""
    colours = looks_of(document)
    kept = []
    for name in names(document):
        held = mapping(about(document, name, world.key).get("curves"))
        if any(_seeds(mapping(held.get(clock.key))) for clock in BOTH):
            kept.append((name, held))
    if not kept or (place > 0 and (place + 1) * len(kept) > MOST_ROWS):
        return None
    kept = kept[:MOST_MULTIPLES]
    axes = {
        clock.key: _axis(
            clock, [max((x for line in _seeds(mapping(held.get(clock.key))) for x, _ in line), default=0.0) for _, held in kept]
        )
        for clock in BOTH
    }
    rows, table = [], []
    for name, held in kept:
        look, panels = colours.get(name, STRANGER), []
        for clock in BOTH:
            one = mapping(held.get(clock.key))
            trace = courses.Trace(
                name,
                look,
                points(one.get("at"), one.get("iqm")),
                band(one.get("at"), one.get("low"), one.get("high")),
                _seeds(one),
            )
            panels.append(courses.Panel(axes[clock.key], (trace,)))
        rows.append(courses.Row(name, look, tuple(panels), name == document.verdict.choice))
        for seed in listed(mapping(held.get("steps")).get("seeds")):
            line = _seeds({"seeds": [seed]})
            if line:
                final, best = line[0][-1], max(line[0], key=lambda point: point[1])
                table.append(
                    (
                        plain(name), Cell(str(mapping(seed).get("seed", "")), number(mapping(seed).get("seed")), "num"),
                        Cell(steps(final[0]), final[0], "num"), Cell(amount(best[1]), best[1], "num"), Cell(amount(final[1]), final[1], "num"),
                    )
                )  # fmt: skip
    caption = (
        "Each faint line is one seed, the heavy one their interquartile mean with its 95% band. All rows have the same scales."
    )
    says = listing([f"{row.name}: {len(row.panels[0].traces[0].faint)} seeds" for row in rows])
    return both(
        f"seeds-{place}", caption, Table("Each seed", ("Approach", "Seed", "Steps", "Best evaluation", "Last evaluation"), table),
        lambda i, w: courses.multiples(i, rows, _chart(world, 104), width=w, title="Return of every seed while learning", says=says),
    )  # fmt: skip


def time_to_threshold(document: Document, world: World, place: int) -> Figure | None:
    """Share of agents that have solved it by then, Kaplan-Meier, with a tick where an agent ended without."""
    if world.threshold is None:
        return None
    colours = looks_of(document)
    panels, rows = [], []
    for clock in BOTH:
        traces, ends = [], []
        for name in names(document):
            held = mapping(mapping(about(document, name, world.key).get("time")).get(clock.key))
            curve = [mapping(each) for each in listed(held.get("curve"))]
            line = points([each.get("at") for each in curve], [each.get("share") for each in curve])
            times = [mapping(each) for each in listed(held.get("times"))]
            seen = [at for each in times if (at := number(each.get("at"))) is not None]
            if not seen:
                continue
            last = max(seen)
            ends.append(last)
            line = line or ((0.0, 0.0),)
            line = (*line, (last, line[-1][1])) if last > line[-1][0] else line
            cut = [at for each in times if each.get("reached") is False and (at := number(each.get("at"))) is not None]
            edges = band(
                [each.get("at") for each in curve], [each.get("low") for each in curve], [each.get("high") for each in curve]
            )
            traces.append(
                courses.Trace(
                    name, colours.get(name, STRANGER), line, edges if len(names(document)) <= 3 else (),
                    marks=tuple((at, _held(line, at)) for at in cut), steps=True, strong=name == document.verdict.choice,
                )
            )  # fmt: skip
            if clock is BOTH[0]:
                rows.append(_times(document, name, world))
        panels.append(courses.Panel(_axis(clock, [*ends, *_firsts(traces)]), tuple(traces)))
    if not any(panel.traces for panel in panels):
        return None
    chart = courses.Chart("Share of seeds that have solved it", svg.tick_percent, floor=0.0, top=1.0, values=(0.0, 1.0))
    caption = (
        f"Kaplan-Meier: the share of seeds whose validation return had reached {amount(world.threshold)} by then. An upright tick is a seed that was last "
        "seen without: its training ended, and nothing is assumed about what would have come."
    )
    head = ("Approach", "Got there", "Steps (median)", "CPU time (median)")
    says = listing([f"{row[0].text}: {row[1].text}, {row[2].text} steps, {row[3].text}" for row in rows])
    return both(
        f"threshold-{place}", caption, Table("Time to the threshold, with 95% intervals", head, rows),
        lambda i, w: courses.overlaid(i, panels, chart, width=w, title="Time until it is solved, on both clocks", says=says),
    )  # fmt: skip


def _firsts(traces: Sequence[courses.Trace]) -> list[float]:
    """When the first seed of each approach got there: the shortest times that the clock must show."""
    return [min((x for x, y in trace.points if y > 0), default=0.0) for trace in traces]


def _held(line: Sequence[courses.Point], at: float) -> float:
    return [y for x, y in line if x <= at][-1] if line and line[0][0] <= at else 0.0


def _times(document: Document, name: str, world: World) -> tuple[Cell, ...]:
    held = mapping(about(document, name, world.key).get("time"))
    cells = []
    for clock in BOTH:
        found = mapping(mapping(held.get(clock.key)).get("median"))
        mid, low, high = (number(found.get(key)) for key in ("mid", "low", "high"))
        if mid is None:
            cells.append(Cell("not reached by half", None, "num"))
        else:
            end = "beyond" if high is None else clock.write(high)
            cells.append(Cell(clock.write(mid) + (f" ({clock.write(low)} to {end})" if low is not None else ""), mid, "num"))
    one = mapping(held.get("steps"))
    reached, n = whole(one.get("reached")), whole(one.get("n"))
    return named(name, document), Cell(f"{reached} of {n}", reached, "num"), *cells


def profile(document: Document) -> Figure | None:
    """Share of agents and episodes above each level (Agarwal et al. 2021)."""
    held = mapping(control(document).get("profile"))
    taus, said = listed(held.get("taus")), mapping(held.get("approaches"))
    colours, traces = looks_of(document), []
    for name in [each for each in names(document) if each in said]:
        one = mapping(said[name])
        line = points(taus, one.get("share"))
        if line:
            traces.append(
                courses.Trace(
                    name, colours.get(name, STRANGER), line, band(taus, one.get("low"), one.get("high")), steps=False,
                    strong=name == document.verdict.choice,
                )
            )  # fmt: skip
    if not traces:
        return None
    unit = "Return" if held.get("unit") == "return" else "Score"
    known = [value for each in taus if (value := number(each)) is not None]
    some = [known[round(k * (len(known) - 1) / 4)] for k in range(5)] if len(known) >= 5 else known
    rows = [
        (
            named(trace.name, document),
            *(Cell(form.percent(share, 0), share, "num") for share in (dict(trace.points).get(tau) for tau in some)),
        )
        for trace in traces
    ]
    caption = (
        f"How many of all test episodes of all seeds have a {unit.lower()} above a level; a line that lies higher everywhere is better at every level. Bands "
        "are 95%, over seeds."
    )
    panel = courses.Panel(courses.Axis(f"{unit} above", _tick), tuple(traces))
    chart = courses.Chart("Share of episodes", svg.tick_percent, floor=0.0, top=1.0, values=(0.0, 1.0))
    says = listing(
        [
            f"{row[0].text}: " + ", ".join(f"{c.text} above {amount(t)}" for c, t in zip(row[1:], some, strict=False))
            for row in rows
        ]
    )
    table = Table("Share of episodes above a level", ("Approach", *(f"above {amount(tau)}" for tau in some)), rows)
    return both(
        "profile",
        caption,
        table,
        lambda i, w: courses.overlaid(i, [panel], chart, width=w, title="Performance profile", says=says),
    )
