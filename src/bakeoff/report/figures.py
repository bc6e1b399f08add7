"""The report's charts: which figures of the document go into which mark, and the table beside each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from bakeoff.decide.record import ApproachResult, Document, Range
from bakeoff.report import format as form
from bakeoff.report.charts import bars, dots, lines, scatter, strips, svg
from bakeoff.report.palette import Look, looks
from bakeoff.report.tables import WORDS, Cell, Table, name_cell, plain, score_cell
from bakeoff.report.ties import letters, measured, ordered, seen_from

WIDE, NARROW = 860, 328
MOST_GAPS = 20


@dataclass(frozen=True)
class Figure:
    """A chart in its wide and its narrow drawing, its caption, and the table with the same figures."""

    ident: str
    wide: Markup
    narrow: Markup
    caption: str
    table: Table


def _both(ident: str, caption: str, table: Table, draw: Callable[[str, int], Markup]) -> Figure:
    return Figure(ident, draw(f"{ident}-w", WIDE), draw(f"{ident}-n", NARROW), caption, table)


def _looks(document: Document) -> dict[str, Look]:
    return looks(result.name for result in document.approaches)


def _tick(document: Document) -> Callable[[float], str]:
    return svg.tick_percent if document.study.percent else lambda value: f"{value:g}"


def _bounds(document: Document) -> tuple[float | None, float | None]:
    return (0.0, 1.0) if document.study.percent else (None, None)


def _list(parts: list[str]) -> str:
    return "; ".join(parts) + "." if parts else ""


def evidence(document: Document) -> Figure | None:
    """Quality, cost and time of every approach on aligned rows: the chart that supports the verdict."""
    names = measured(document)
    if not names:
        return None
    study, colours = document.study, _looks(document)
    results = ordered(document)
    by_name = {result.name: result for result in results}
    found = letters(document)
    rows = [dots.Row(result.name, colours[result.name], strong=result.name == document.verdict.choice) for result in results]
    absent = {result.name: {"failed": "failed", "not_run": "not run"}.get(result.status, "not measured") for result in results}
    show = form.metric_form(study.metric, study)
    quality = {}
    for name in names:
        value = by_name[name].metrics[study.metric]
        tie = " ".join(found[name]) if len(names) > 1 else ""
        quality[name] = dots.Dot(value.mid, value.low, value.high, show(value.mid), tag=tie)
    leader = by_name[names[0]].metrics[study.metric].mid
    edge = leader - study.margin if study.higher_is_better else leader + study.margin
    low, high = _bounds(document)
    off = off_scale(document)
    columns = [
        dots.Panel(
            study.metric_title,
            "95% interval" + (", letter = tie group" if len(names) > 1 else ""),
            quality,
            _tick(document),
            band=(min(leader, edge), max(leader, edge)),
            floor=low,
            top=high,
            off=off,
            share=1.35,
            absent=absent,
        )
    ]
    cost = {r.name: _cost_dot(r.usd_per_1000) for r in results if r.usd_per_1000 is not None and r.usd_per_1000.mid > 0}
    if cost:
        columns.append(dots.Panel("Cost per 1,000", "dollars, log scale", cost, svg.tick_usd, log=True, absent=absent))
    time = {
        r.name: dots.Dot(r.latency_seconds.p50, shown=form.seconds(r.latency_seconds.p50), also=r.latency_seconds.p90)
        for r in results
        if r.latency_seconds.p50 is not None and r.latency_seconds.p50 > 0
    }
    if time:
        columns.append(
            dots.Panel("Time per item", "p50, line to p90, log scale", time, svg.tick_seconds, log=True, absent=absent)
        )
    says = _list([f"{name}: {_summary(by_name[name], document)}" for name in names])
    table = Table(
        "The figures of this chart",
        ("Approach", study.metric_title, "Cost per 1,000", "p50", "p90"),
        [
            (
                name_cell(r.name, document),
                score_cell(r, study.metric, document),
                Cell(form.usd_range(r.usd_per_1000), r.usd_per_1000.mid if r.usd_per_1000 else None, "num"),
                Cell(form.percentile(r.latency_seconds, "p50"), r.latency_seconds.p50, "num"),
                Cell(form.percentile(r.latency_seconds, "p90"), r.latency_seconds.p90, "num"),
            )
            for r in results
        ],
    )
    side = "below the highest" if study.higher_is_better else "above the lowest"
    caption = (
        "Dots are measured values, lines their 95% intervals. The shaded band is the study's margin: "
        f"{form.margin(study)} {side} measured value."
        + (" Approaches that share a letter could not be told apart." if len(names) > 1 else "")
        + _off_note(off, document)
    )
    title = f"{study.metric_title}, cost and time of each approach"
    return _both("evidence", caption, table, lambda i, w: dots.panels(i, rows, columns, width=w, title=title, says=says))


def off_scale(document: Document) -> frozenset[str]:
    """Approaches so far behind that showing them to scale would hide the intervals of the others (usually the floor).

    Further from the best than 12 margins and than 2.5 times the median's distance; never so many that one is left.
    """
    names, study = measured(document), document.study
    values = {r.name: r.metrics[study.metric].mid for r in document.approaches if r.name in names}
    if len(names) < 3:
        return frozenset()
    gaps = {name: abs(values[name] - values[names[0]]) for name in names}
    far = max(12 * study.margin, 2.5 * sorted(gaps.values())[len(names) // 2])
    return frozenset(name for name in names if gaps[name] > far and name != document.verdict.choice)


def _off_note(off: frozenset[str], document: Document) -> str:
    if not off:
        return ""
    study = document.study
    show = form.metric_form(study.metric, study)
    said = [f"{r.name} ({show(r.metrics[study.metric].mid)})" for r in ordered(document) if r.name in off]
    return f" Off the scale, at the arrow: {', '.join(said)}."


def _cost_dot(value: Range | None) -> dots.Dot:
    return dots.Dot(None) if value is None else dots.Dot(value.mid, value.low, value.high, form.usd(value.mid))


def _summary(result: ApproachResult, document: Document) -> str:
    study = document.study
    parts = [f"{study.metric_title.lower()} {form.score(result.metrics.get(study.metric), study.metric, study)}"]
    if result.usd_per_1000:
        parts.append(f"{form.usd(result.usd_per_1000.mid)} per 1,000")
    if result.latency_seconds.p50 is not None:
        parts.append(f"p50 {form.seconds(result.latency_seconds.p50)}")
    return ", ".join(parts)


def tradeoff(document: Document) -> Figure | None:
    """Quality against cost per 1,000 (or median time where no cost is known), with the front filled."""
    study, colours = document.study, _looks(document)
    by_name = {result.name: result for result in document.approaches}
    names = measured(document)
    money = [n for n in names if (usd := by_name[n].usd_per_1000) is not None and usd.mid > 0]
    timed = [n for n in names if by_name[n].latency_seconds.p50]
    kept = money if len(money) > 1 else timed
    if len(kept) < 2:
        return None
    by_cost, off, show = kept is money, off_scale(document), form.metric_form(study.metric, study)
    marks = []
    for name in kept:
        result, y = by_name[name], by_name[name].metrics[study.metric]
        usd, time = result.usd_per_1000, result.latency_seconds
        if by_cost and usd is not None:
            x, x_low, x_high = usd.mid, usd.low, usd.high
        else:
            x = time.p50 or 0.0
            x_low, x_high = time.low.get("p50", x), time.high.get("p50", x)
        marks.append(
            scatter.Point(
                name,
                colours[name],
                x,
                x_low,
                x_high,
                y.mid,
                y.low,
                y.high,
                result.on_front,
                name == document.verdict.choice,
                show(y.mid) if name in off else "",
            )
        )
    front = [name for name in kept if by_name[name].on_front]
    x_title = "Cost per 1,000 items (dollars, log scale)" if by_cost else "Median time per item (log scale)"
    says = _list([f"{name}: {_summary(by_name[name], document)}{', on the front' if name in front else ''}" for name in kept])
    caption = (
        "Filled: on the front, no other approach is at least as good in everything and better in something. "
        "Hollow: another one is. The ring marks the choice." + _off_note(off & set(kept), document)
    )
    table = Table(
        "The figures of this chart",
        ("Approach", study.metric_title, "Cost per 1,000" if by_cost else "p50", "On the front"),
        [
            (
                name_cell(p.name, document),
                Cell(show(p.y), p.y, "num"),
                Cell(form.usd(p.x) if by_cost else form.seconds(p.x), p.x, "num"),
                plain("yes" if p.front else "no"),
            )
            for p in marks
        ],
    )
    low, high = _bounds(document)
    arrow = "↑" if study.higher_is_better else "↓"
    return _both(
        "tradeoff",
        caption,
        table,
        lambda i, w: scatter.front(
            i,
            marks,
            width=w,
            x_title=x_title if w > svg.NARROW else x_title.split(" (")[0],
            y_title=f"{study.metric_title}, {arrow} better",
            x_form=svg.tick_usd if by_cost else svg.tick_seconds,
            y_form=_tick(document),
            title=f"{study.metric_title} against {'cost' if by_cost else 'time'}",
            says=says,
            y_floor=low,
            y_top=high,
        ),
    )


def differences(document: Document) -> Figure | None:
    """Paired differences with their intervals: the choice against each other, or every pair where there is no choice."""
    study, colours = document.study, _looks(document)
    seen, names = seen_from(document), measured(document)
    subject = document.verdict.choice if document.verdict.choice in names else None
    wanted = (
        [(subject, b) for b in names if b != subject]
        if subject
        else [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    )
    kept = [(a, b, seen[a, b]) for a, b in wanted if (a, b) in seen][:MOST_GAPS]
    if not kept:
        return None
    unit = "points" if study.percent else study.metric_title
    off = off_scale(document)
    off = off if len({a for a, _, _ in kept} | {b for _, b, _ in kept}) - len(off) > 1 else frozenset()
    rows = [
        dots.Gap(
            f"against {b}" if subject else f"{a} − {b}",
            colours[b if subject else a],
            s.mid,
            s.low,
            s.high,
            form.difference_range(Range(mid=s.mid, low=s.low, high=s.high, n=s.pair.difference.n), study),
            WORDS[s.verdict][1],
            off=bool(off & {a, b}),
        )
        for a, b, s in kept
    ]
    who = f"{subject} minus each other approach" if subject else "Paired differences"
    says = _list([f"{row.label}: {row.shown}, {row.verdict}" for row in rows])
    caption = f"{who}, in {unit}, on the same items. The band is the margin of ±{form.margin(study)}. An interval across 0 cannot say which is better."
    caption += " An arrow stands for a difference off the scale." if any(row.off for row in rows) else ""
    table = Table(
        "The figures of this chart",
        ("Pair", f"Difference ({unit})", "Verdict"),
        [
            (plain(f"{a} − {b}"), Cell(row.shown, row.mid, "num"), plain(row.verdict))
            for (a, b, _), row in zip(kept, rows, strict=True)
        ],
    )

    def tick(value: float) -> str:
        return form.difference(value, percent_points=True).removesuffix(".0") if study.percent else f"{value:g}"

    better, worse = ("better", "worse") if study.higher_is_better else ("worse", "better")
    return _both(
        "differences",
        caption,
        table,
        lambda i, w: dots.gaps(
            i,
            rows,
            width=w,
            form=tick,
            zero=0.0,
            zero_says="no difference",
            band=study.margin,
            title=who,
            says=says,
            left_says=f"{subject} {worse}" if subject else "",
            right_says=f"{subject} {better}" if subject else "",
        ),
    )


def learning(document: Document) -> Figure | None:
    """The primary metric by training items."""
    study, colours = document.study, _looks(document)
    made = [
        lines.Line(
            curve.approach,
            colours.get(curve.approach, Look(6, "circle")),
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
    says = _list([f"{e.name}: " + ", ".join(f"{p.x:,.0f} items {show(p.y)}" for p in e.points) for e in made])
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
    low, high = _bounds(document)
    return _both(
        "learning",
        "Whiskers are 95% intervals. Both ends of a line were trained by the same settings; only the number of items differs.",
        table,
        lambda i, w: lines.curves(
            i,
            made,
            width=w,
            x_title="Training items (log scale)",
            y_title=study.metric_title,
            y_form=_tick(document),
            title=f"{study.metric_title} by number of training items",
            says=says,
            y_floor=low,
            y_top=high,
        ),
    )


PERCENTILES = ("p50", "p90", "p95", "p99")


def latency(document: Document) -> Figure | None:
    """Every measured time, with percentiles and the cold start apart."""
    colours = _looks(document)
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
    says = _list(
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
    return _both("latency", caption, table, lambda i, w: strips.strips(i, rows, width=w, title="Time per item", says=says))


def reliability(document: Document) -> Figure | None:
    """What each approach said about its own certainty against how often it was right."""
    colours, made, rows = _looks(document), [], []
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
    says = _list([f"{e.name}: {', '.join(e.shown)}" for e in made])
    return _both(
        "reliability",
        caption,
        table,
        lambda i, w: lines.reliability(i, made, width=w, title="Reliability of stated certainty", says=says),
    )


def break_even(document: Document) -> Figure | None:
    """Daily volumes at which two approaches cost the same, against the study's volume."""
    colours = _looks(document)
    found = [(b, v) for b in document.break_evens if (v := b.volume_per_day) is not None and v.mid > 0]
    if not found:
        return None
    rows = [
        dots.Gap(
            f"{b.a} = {b.b}",
            colours.get(b.a, Look(6, "circle")),
            v.mid,
            max(v.low, 1e-9),
            v.high,
            form.volume(v.mid),
            form.interval(v, form.number),
        )
        for b, v in found
    ]
    rows = [
        dots.Gap(r.label, r.look, r.mid, r.low, r.high, r.shown, f"{form.number(r.low)} to {form.number(r.high)}") for r in rows
    ]
    says = _list(
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
                    form.interval(b.volume_per_day, form.number) if b.volume_per_day else "none",
                    b.volume_per_day.mid if b.volume_per_day else None,
                    "num",
                ),
                plain(b.says),
            )
            for b in document.break_evens
        ],
    )
    return _both(
        "breakeven",
        "Each dot is the daily volume at which two approaches cost the same; lines are 95% intervals. The upright line is this study's volume.",
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
    colours, won = _looks(document), document.sensitivity.win_shares
    if not won:
        return None
    order = sorted(won, key=lambda name: (-won[name], name))
    rows = [
        bars.Bar(name, colours.get(name, Look(6, "circle")), won[name], form.share(won[name]), name == document.verdict.choice)
        for name in order
    ]
    table = Table(
        "Share of samples in which each approach wins",
        ("Approach", "Share"),
        [(name_cell(row.name, document), Cell(form.percent(row.share), row.share, "num")) for row in rows],
    )
    return _both(
        "shares",
        "Both the weights and the measured values are sampled. An approach that does not appear never won.",
        table,
        lambda i, w: bars.shares(
            i,
            rows,
            width=w,
            title="Share of sampled weights and measurements won",
            says=_list([f"{row.name}: {row.shown}" for row in rows]),
        ),
    )
