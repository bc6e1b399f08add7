"""The charts that a verdict rests on: quality, cost and time; the trade-off; the paired differences."""

from __future__ import annotations

from bakeoff.decide.record import ApproachResult, Document, Range
from bakeoff.report import format as form
from bakeoff.report.charts import dots, scatter, svg
from bakeoff.report.figure import Figure, both, bounds, colours_of, listing, ticks
from bakeoff.report.tables import WORDS, Cell, Table, name_cell, plain, score_cell
from bakeoff.report.ties import letters, measured, ordered, seen_from

MOST_GAPS = 20


def evidence(document: Document) -> Figure | None:
    """Quality, cost and time of every approach on aligned rows: the chart that supports the verdict."""
    names = measured(document)
    if not names:
        return None
    study, colours = document.study, colours_of(document)
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
    low, high = bounds(document)
    off = off_scale(document)
    top_mark = ceiling(document)
    columns = [
        dots.Panel(
            study.metric_title,
            "95% interval" + (", letter = tie group" if len(names) > 1 else ""),
            quality,
            ticks(document),
            band=(min(leader, edge), max(leader, edge)),
            floor=low,
            top=high,
            off=off,
            share=1.35,
            absent=absent,
            mark=top_mark[0] if top_mark else None,
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
    says = listing([f"{name}: {_summary(by_name[name], document)}" for name in names])
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
        + (f" The dashed line: {top_mark[1]}" if top_mark else "")
    )
    title = f"{study.metric_title}, cost and time of each approach"
    return both("evidence", caption, table, lambda i, w: dots.panels(i, rows, columns, width=w, title=title, says=says))


def ceiling(document: Document) -> tuple[float, str] | None:
    """What one person reaches on this data, and the sentence that says so; None where raters were not compared.

    Only for accuracy: it is the share of items on which a person agrees with the label.
    """
    known = document.data.facts.get("rater_ceiling")
    if document.study.metric != "accuracy" or not isinstance(known, dict) or not isinstance(known.get("mid"), int | float):
        return None
    ends = (known.get("low"), known.get("high"))
    between = f" ({ends[0]:.1%} to {ends[1]:.1%})" if all(isinstance(e, int | float) for e in ends) else ""
    says = f"one person alone agrees with the label on {float(known['mid']):.1%}{between} of these items."
    return float(known["mid"]), says


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
    study, colours = document.study, colours_of(document)
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
    says = listing([f"{name}: {_summary(by_name[name], document)}{', on the front' if name in front else ''}" for name in kept])
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
    low, high = bounds(document)
    arrow = "↑" if study.higher_is_better else "↓"
    return both(
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
            y_form=ticks(document),
            title=f"{study.metric_title} against {'cost' if by_cost else 'time'}",
            says=says,
            y_floor=low,
            y_top=high,
        ),
    )


def differences(document: Document) -> Figure | None:
    """Paired differences with their intervals: the choice against each other, or every pair where there is no choice."""
    study, colours = document.study, colours_of(document)
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
    says = listing([f"{row.label}: {row.shown}, {row.verdict}" for row in rows])
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
    return both(
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
