"""Hosted models by list price: what the same work would cost elsewhere. Their quality was not measured, and the table says so."""

from __future__ import annotations

from bakeoff.decide.record import Document
from bakeoff.report import format as form
from bakeoff.report.charts import dots, svg
from bakeoff.report.figure import STRANGER, Figure, both, colours_of, listing, ticks
from bakeoff.report.palette import Look
from bakeoff.report.tables import Cell, Table, plain, score_cell
from bakeoff.report.ties import ordered

UNMEASURED = "not measured"
_HOSTED = Look(6, "hexagon")


def table(document: Document) -> Table | None:
    """Every hosted model with its price, and that its quality is unknown."""
    if not document.hosted:
        return None
    rows = [
        [
            plain(h.model),
            Cell(UNMEASURED),
            Cell(form.usd(h.usd_per_1000), h.usd_per_1000, "num"),
            Cell(form.usd(h.usd_per_day), h.usd_per_day, "num"),
            Cell(form.usd(h.usd_per_million_in), h.usd_per_million_in, "num"),
            Cell(form.usd(h.usd_per_million_out), h.usd_per_million_out, "num"),
            Cell(form.number(h.tokens_in), h.tokens_in, "num"),
            Cell(form.number(h.tokens_out), h.tokens_out, "num"),
            plain(h.as_of),
            plain(h.source),
        ]
        for h in document.hosted
    ]
    head = (
        "Hosted model", "Quality", "Cost per 1,000", "Cost a day", "Per million in", "Per million out", "Tokens in", "Tokens out",
        "Price of",
        "Source of the price",
    )  # fmt: skip
    return Table(
        f"Hosted models by list price, at {form.volume(document.study.volume_per_day)}; quality not measured", head, rows
    )


def tokens_note(document: Document) -> str:
    """Where the token counts come from; empty where no hosted model was asked for."""
    said = dict.fromkeys(h.tokens_from.rstrip(".") for h in document.hosted if h.tokens_from)
    return f"Tokens: {'; '.join(said)}." if said else ""


def break_evens(document: Document) -> Table | None:
    """Every break-even between a hosted model and an approach."""
    rows = [
        [
            plain(f"{b.a} and {b.b}"),
            Cell(
                form.interval(b.volume_per_day, form.rounded) if b.volume_per_day else "none",
                b.volume_per_day.mid if b.volume_per_day else None,
                "num",
            ),
            plain(b.says),
        ]
        for h in document.hosted
        for b in h.break_evens
    ]
    return Table("Break-even volumes against hosted models", ("Pair", "Items a day", "In words"), rows) if rows else None


def hosted(document: Document) -> Figure | None:
    """Cost a day of the approaches and of hosted models on one axis; the quality of the hosted ones is said to be unknown."""
    shown = table(document)
    priced = [r for r in ordered(document) if r.usd_per_day and r.usd_per_day.mid > 0]
    if shown is None or not priced:
        return None
    study, colours = document.study, colours_of(document)
    rows = [dots.Row(r.name, colours.get(r.name, STRANGER), strong=r.name == document.verdict.choice) for r in priced]
    rows += [dots.Row(h.model, _HOSTED, hollow=True) for h in document.hosted]
    cost = {
        r.name: dots.Dot(r.usd_per_day.mid, r.usd_per_day.low, r.usd_per_day.high, form.usd(r.usd_per_day.mid))
        for r in priced
        if r.usd_per_day
    }
    cost |= {h.model: dots.Dot(h.usd_per_day, shown=form.usd(h.usd_per_day)) for h in document.hosted if h.usd_per_day > 0}
    show = form.metric_form(study.metric, study)
    quality = {
        r.name: dots.Dot(v.mid, v.low, v.high, show(v.mid)) for r in priced if (v := r.metrics.get(study.metric)) is not None
    }
    low, high = (0.0, 1.0) if study.percent else (None, None)
    columns = [
        dots.Panel("Cost a day", f"dollars at {form.volume(study.volume_per_day)}, log scale", cost, svg.tick_usd, log=True),
        dots.Panel(
            study.metric_title, "95% interval", quality, ticks(document), floor=low, top=high,
            absent={h.model: UNMEASURED for h in document.hosted},
        ),
    ]  # fmt: skip
    head = ("Approach or model", study.metric_title, "Cost per 1,000", "Cost a day")
    both_table = Table(
        "Cost a day of the approaches and of hosted models",
        head,
        [
            *(
                [
                    Cell(r.name, r.name.lower()),
                    score_cell(r, study.metric, document),
                    Cell(form.usd_range(r.usd_per_1000), r.usd_per_1000.mid if r.usd_per_1000 else None, "num"),
                    Cell(form.usd_range(r.usd_per_day), r.usd_per_day.mid if r.usd_per_day else None, "num"),
                ]
                for r in priced
            ),
            *(
                [
                    plain(h.model),
                    Cell(UNMEASURED, None, "num"),
                    Cell(form.usd(h.usd_per_1000), h.usd_per_1000, "num"),
                    Cell(form.usd(h.usd_per_day), h.usd_per_day, "num"),
                ]
                for h in document.hosted
            ),
        ],
    )
    says = listing(
        [f"{r.name}: {form.usd(r.usd_per_day.mid)} a day" for r in priced if r.usd_per_day]
        + [f"{h.model} (list price, quality not measured): {form.usd(h.usd_per_day)} a day" for h in document.hosted]
    )
    caption = (
        "Hollow: list prices of hosted models for the same number of items. They were not asked here: "
        "nothing is known about how often they are right, how long they take, or what a discount would do."
    )
    return both(
        "hosted",
        caption,
        both_table,
        lambda i, w: dots.panels(i, rows, columns, width=w, title="Cost a day, with hosted models by list price", says=says),
    )
