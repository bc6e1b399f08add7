"""Quality against arithmetic: how many floating-point operations an answer takes, and what they buy."""

from __future__ import annotations

from bakeoff.decide.front import front
from bakeoff.decide.record import ApproachResult, Document
from bakeoff.report import format as form
from bakeoff.report.charts import scatter, svg
from bakeoff.report.evidence import off_scale
from bakeoff.report.figure import Figure, both, bounds, colours_of, listing, ticks
from bakeoff.report.tables import Cell, Table, name_cell, plain, score_cell
from bakeoff.report.ties import ordered


def counted(document: Document) -> list[ApproachResult]:
    """Approaches whose operations were counted, in shown order."""
    return [r for r in ordered(document) if form.finite(r.flops_per_item)]


def on_arithmetic_front(document: Document) -> frozenset[str]:
    """Names of those that no other one equals in quality with less arithmetic, or beats with the same; by measured values."""
    study = document.study
    sign = 1.0 if study.higher_is_better else -1.0
    points = {
        r.name: (sign * r.metrics[study.metric].mid, -(r.flops_per_item or 0.0))
        for r in counted(document)
        if study.metric in r.metrics
    }
    return front(points)


def table(document: Document) -> Table | None:
    """Operations per item and per token, how they were counted and what is left out."""
    found = counted(document)
    if not found:
        return None
    study, best = document.study, on_arithmetic_front(document)
    rows = [
        (
            name_cell(r.name, document),
            Cell(form.flops(r.flops_per_item), r.flops_per_item, "num"),
            Cell(form.flops(r.flops_per_token), r.flops_per_token, "num"),
            score_cell(r, study.metric, document),
            plain("yes" if r.name in best else "no"),
            plain(r.flops_basis or form.MISSING),
            plain("; ".join(r.flops_leaves_out) or form.MISSING),
        )
        for r in found
    ]
    head = ("Approach", "Operations per item", "Per token", study.metric_title, "On this front", "Counted how", "Left out")
    return Table("Floating-point operations of one answer (a multiply-add is two)", head, rows)


def arithmetic(document: Document) -> Figure | None:
    """The primary metric against operations per item, with the front of these two filled."""
    study, colours, best = document.study, colours_of(document), on_arithmetic_front(document)
    found = [r for r in counted(document) if study.metric in r.metrics]
    drawn = [r for r in found if (r.flops_per_item or 0) > 0]
    shown = table(document)
    if len(drawn) < 2 or shown is None:
        return None
    show, off = form.metric_form(study.metric, study), off_scale(document)
    marks = []
    for r in drawn:
        x, y = r.flops_per_item or 0.0, r.metrics[study.metric]
        text = show(y.mid) if r.name in off else ""
        choice = r.name == document.verdict.choice
        marks.append(scatter.Point(r.name, colours[r.name], x, x, x, y.mid, y.low, y.high, r.name in best, choice, text))
    none = [r.name for r in found if not r.flops_per_item]
    caption = (
        "Filled: on the front of quality and arithmetic; no other approach is at least as good with no more operations and better in "
        "one of the two. Hollow: another one is. Judged by measured values; whiskers are the 95% intervals of quality. "
        "The ring marks the choice."
        + (f" Not drawn, because it takes no operations that are counted: {', '.join(none)}." if none else "")
    )
    words = listing(
        [
            f"{r.name}: {form.flops(r.flops_per_item)} per item, {study.metric_title.lower()} {form.score(r.metrics[study.metric], study.metric, study)}"
            + (", on the front" if r.name in best else "")
            for r in found
        ]
    )
    low, high = bounds(document)
    arrow = "↑" if study.higher_is_better else "↓"
    return both(
        "arithmetic",
        caption,
        shown,
        lambda i, w: scatter.front(
            i, marks, width=w, x_title="Operations per item (log scale)", y_title=f"{study.metric_title}, {arrow} better",
            x_form=svg.tick_flops, y_form=ticks(document), title=f"{study.metric_title} against operations per item", says=words,
            y_floor=low, y_top=high,
        ),
    )  # fmt: skip
