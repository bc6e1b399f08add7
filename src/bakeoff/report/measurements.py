"""The charts of single measurements: learning, latency, reliability, break-even volumes, shares of wins."""

from __future__ import annotations

from bakeoff.decide.record import BreakEven, Document, Range
from bakeoff.report import format as form
from bakeoff.report.charts import bars, dots, lines, strips, svg
from bakeoff.report.figure import STRANGER, Figure, both, bounds, colours_of, listing, ticks
from bakeoff.report.tables import Cell, Table, name_cell, plain
from bakeoff.report.ties import ordered

MOST_ROWS = 20


def learning(document: Document) -> Figure | None:
    """The primary metric by training items."""
    study, colours = document.study, colours_of(document)
    made = [
        lines.Line(
            curve.approach,
            colours.get(curve.approach, STRANGER),
            tuple(
                lines.At(p.n_train, p.metric.mid, p.metric.low, p.metric.high)
                for p in sorted(curve.points, key=lambda p: p.n_train)
            ),
            curve.approach == document.verdict.choice,
        )
        for curve in document.curves
        if curve.points
    ]
    if not made:
        return None
    show = form.metric_form(study.metric, study)
    says = listing([f"{e.name}: " + ", ".join(f"{p.x:,.0f} items {show(p.y)}" for p in e.points) for e in made])
    table = Table(
        "The figures of this chart",
        ("Approach", "Training items", study.metric_title, "Training time"),
        [
            (
                name_cell(curve.approach, document),
                Cell(form.count(p.n_train), p.n_train, "num"),
                Cell(form.score(p.metric, study.metric, study), p.metric.mid, "num"),
                Cell(form.seconds(p.fit_seconds), p.fit_seconds, "num"),
            )
            for curve in document.curves
            for p in curve.points
        ],
    )
    low, high = bounds(document)
    return both(
        "learning",
        "Whiskers are 95% intervals. All points of a line were trained by the same settings; the number of items differs, and "
        "points before the last may rest on fewer seeds.",
        table,
        lambda i, w: lines.curves(
            i,
            made,
            width=w,
            x_title="Training items (log scale)",
            y_title=study.metric_title,
            y_form=ticks(document),
            title=f"{study.metric_title} by number of training items",
            says=says,
            y_floor=low,
            y_top=high,
        ),
    )


PERCENTILES = ("p50", "p90", "p95", "p99")


def latency(document: Document) -> Figure | None:
    """Every measured time, with percentiles and the cold start apart."""
    colours = colours_of(document)
    timed = [r for r in ordered(document) if r.latency_seconds.n or r.latency_seconds.samples or r.cold_start_seconds]
    if not timed:
        return None
    rows = []
    for r in timed:
        times = r.latency_seconds
        marks = tuple((p, getattr(times, p), times.low.get(p), times.high.get(p)) for p in PERCENTILES)
        shown = "n too small" if times.n else "no single times measured"
        rows.append(
            strips.Strip(
                r.name,
                colours[r.name],
                tuple(times.samples),
                marks,
                shown,
                r.cold_start_seconds,
                r.name == document.verdict.choice,
            )
        )
    total, most = sum(len(row.samples) for row in rows), svg.MOST_POINTS // len(rows)
    drawn = sum(min(len(row.samples), most) for row in rows)
    measured_n = sum(r.latency_seconds.n for r in timed)
    sampled = f" {drawn:,} of {max(total, measured_n):,} measured times are drawn." if drawn < max(total, measured_n) else ""
    says = listing(
        [
            f"{r.name}: "
            + ", ".join(f"{p} {form.percentile(r.latency_seconds, p)}" for p in PERCENTILES)
            + f", n = {r.latency_seconds.n}"
            for r in timed
        ]
    )
    table = Table(
        "Single-stream service time",
        ("Approach", "n", *PERCENTILES, "Cold start"),
        [
            (
                name_cell(r.name, document),
                Cell(form.count(r.latency_seconds.n), r.latency_seconds.n, "num"),
                *(Cell(form.percentile_range(r.latency_seconds, p), getattr(r.latency_seconds, p), "num") for p in PERCENTILES),
                Cell(form.seconds(r.cold_start_seconds), r.cold_start_seconds, "num"),
            )
            for r in timed
        ],
    )
    caption = (
        "Each dot is one answered item, one at a time, warm. Upright lines are percentiles (p50 solid and written out, the others"
        f" dashed), the lines under them their 95% intervals. × is the cold start, which is no part of the others.{sampled}"
    )
    return both("latency", caption, table, lambda i, w: strips.strips(i, rows, width=w, title="Time per item", says=says))


def reliability(document: Document) -> Figure | None:
    """What each approach said about its own certainty against how often it was right."""
    colours, made, rows = colours_of(document), [], []
    for r in ordered(document):
        parts = r.calibration
        bins = [b for b in parts.get("bins", []) if isinstance(b, dict) and {"confidence", "accuracy", "n"} <= b.keys()]
        if not bins:
            continue
        ece, floor = parts.get("ece") or {}, parts.get("floor") or {}
        above = parts.get("above_floor")
        words = "no sign it is off" if above is False else "above chance" if above else "floor unknown"
        ece_text = (
            form.interval(Range(**{k: ece[k] for k in ("mid", "low", "high", "n")}), form.decimal)
            if len(ece) >= 4
            else form.MISSING
        )
        made.append(
            lines.Reliability(
                r.name,
                colours[r.name],
                tuple(lines.Bin(b["confidence"], b["accuracy"], b.get("low"), b.get("high"), int(b["n"])) for b in bins),
                (f"ECE {form.decimal(ece.get('mid'))}", f"floor {form.decimal(floor.get('p95'))}", words),
                r.name == document.verdict.choice,
            )
        )
        rows.append(
            (
                name_cell(r.name, document),
                Cell(ece_text, ece.get("mid"), "num"),
                Cell(form.decimal(floor.get("mean")), floor.get("mean"), "num"),
                Cell(form.decimal(floor.get("p95")), floor.get("p95"), "num"),
                plain(words),
                Cell(form.decimal(parts.get("augrc")), parts.get("augrc"), "num"),
                plain(
                    "; ".join(f"{form.percent(b['confidence'], 0)} → {form.percent(b['accuracy'], 0)} (n {b['n']})" for b in bins)
                ),
            )
        )
    if not made:
        return None
    caption = (
        "On the dashed diagonal, items called 80% sure are right 80% of the time; below it the approach is too sure of itself. "
        "The floor is the error that a perfectly calibrated model would stay under in 95 of 100 tests of this size."
    )
    table = Table(
        "Expected calibration error (ECE) and the bins",
        ("Approach", "ECE", "Perfect model: mean", "Perfect model: 95%", "Reading", "AUGRC", "Said → right"),
        rows,
    )
    says = listing([f"{e.name}: {', '.join(e.shown)}" for e in made])
    return both(
        "reliability",
        caption,
        table,
        lambda i, w: lines.reliability(i, made, width=w, title="Reliability of stated certainty", says=says),
    )


def own_break_evens(document: Document) -> list[BreakEven]:
    """The break-evens that concern the choice; all of them where nothing was chosen or none does."""
    choice = document.verdict.choice
    return [b for b in document.break_evens if choice in (b.a, b.b)] or list(document.break_evens)


def break_even(document: Document) -> Figure | None:
    """Daily volumes at which it changes which of two approaches is cheaper, against the study's volume.

    The chart has those of the choice; the table beside it has all.
    """
    colours, choice = colours_of(document), document.verdict.choice
    own = own_break_evens(document)
    found = [(b, v) for b in own if (v := b.volume_per_day) is not None and form.finite(v.mid) and v.mid > 0][:MOST_ROWS]
    if not found:
        return None
    rows = [
        dots.Gap(
            f"against {b.b if b.a == choice else b.a}" if choice in (b.a, b.b) else f"{b.a} and {b.b}",
            colours.get(b.b if b.a == choice else b.a, STRANGER),
            v.mid,
            max(v.low, v.mid / 1000),
            min(v.high, v.mid * 1000),
            form.volume(v.mid),
            f"{form.rounded(v.low)} to {form.rounded(v.high)}",
        )
        for b, v in found
    ]
    says = listing(
        [f"{row.label} at {row.shown}, {row.verdict}" for row in rows]
        + [f"the study asks about {form.volume(document.study.volume_per_day)}"]
    )
    table = Table(
        "Break-even volumes",
        ("Pair", "Items a day", "In words"),
        [
            (
                plain(f"{b.a} and {b.b}"),
                Cell(
                    form.interval(b.volume_per_day, form.rounded) if b.volume_per_day else "none",
                    b.volume_per_day.mid if b.volume_per_day else None,
                    "num",
                ),
                plain(b.says),
            )
            for b in document.break_evens
        ],
    )
    who = f"{choice} or the other approach" if any(choice in (b.a, b.b) for b, _ in found) else "one approach or the other"
    caption = f"Each dot is the daily volume at which it changes whether {who} is cheaper; lines are 95% intervals."
    return both(
        "breakeven",
        caption,
        table,
        lambda i, w: dots.gaps(
            i,
            rows,
            width=w,
            form=svg.tick_count,
            zero=document.study.volume_per_day,
            zero_says=f"this study: {form.volume(document.study.volume_per_day)}",
            log=True,
            title="Break-even volumes",
            says=says,
        ),
    )


def win_shares(document: Document) -> Figure | None:
    """How often each approach wins over sampled weights and measurements."""
    colours, won = colours_of(document), document.sensitivity.win_shares
    if not won:
        return None
    order = sorted(won, key=lambda name: (-won[name], name))
    rows = [
        bars.Bar(name, colours.get(name, STRANGER), won[name], form.share(won[name]), name == document.verdict.choice)
        for name in order
    ]
    table = Table(
        "Share of samples in which each approach wins",
        ("Approach", "Share"),
        [(name_cell(row.name, document), Cell(form.percent(row.share), row.share, "num")) for row in rows],
    )
    return both(
        "shares",
        "Both the weights and the measured values are sampled. An approach that does not appear never won.",
        table,
        lambda i, w: bars.shares(
            i,
            rows,
            width=w,
            title="Share of sampled weights and measurements won",
            says=listing([f"{row.name}: {row.shown}" for row in rows]),
        ),
    )
