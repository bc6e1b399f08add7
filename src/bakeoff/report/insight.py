"""Looking inside: each network's surest mistakes, where it looked (or why that is withheld), calibration, bias and variance, doubted labels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bakeoff.decide.record import Document, Range
from bakeoff.report import format as form
from bakeoff.report.charts import dots, lines, svg
from bakeoff.report.figure import STRANGER, Figure, both, colours_of, listing
from bakeoff.report.mistakes import DATA_PICTURE
from bakeoff.report.palette import Look
from bakeoff.report.tables import Cell, Table, name_cell, plain
from bakeoff.report.ties import ordered

MOST_DOUBTS = 24
DEGREE = re.compile(r"(.+)-([1-9])")
"""A kind of changed input with its severity, such as ``gaussian-noise-3``."""
HIDING = (("gradcam", "Where Grad-CAM points"), ("edges", "Where the edges are"), ("random", "Anywhere, same shape"))


class Picture(NamedTuple):
    """One answered picture: what is true, what was said with which probability, and its pictures as addresses ('' where there is none)."""

    ident: str
    target: str
    said: str
    sure: str
    right: bool
    picture: str
    gradcam: str
    edges: str


class Inside(NamedTuple):
    """One approach. `verdict` is the outcome of the check of its maps: ``shown``, ``withheld``, or '' where none was made."""

    name: str
    look: Look
    failed: str
    verdict: str
    why: str
    where: str
    cascade: Table | None
    maps: Sequence[Picture]
    worst: Sequence[Picture]
    hiding: Figure | None


class Doubted(NamedTuple):
    """A training picture whose label is doubted."""

    ident: str
    given: str
    suggested: str
    picture: str


class Insight(NamedTuple):
    """All that the section shows; a part that the document has nothing for is empty or None."""

    inside: Sequence[Inside]
    calibration: Table | None
    severity: Figure | None
    bias: Figure | None
    bias_note: str
    doubts: Sequence[Doubted]
    doubts_say: str


def insight(document: Document) -> Insight | None:
    """The section's content; None where the document has nothing for it. Whatever is not as a task promises is left out."""
    colours = colours_of(document)
    explained = document.views.get("explained")
    inside, rows = [], []
    if isinstance(explained, Mapping):
        for place, result in enumerate(ordered(document)):
            view = explained.get(result.name)
            if isinstance(view, Mapping) and any(key in view for key in ("failed", "worst", "maps", "gradcam")):
                inside.append(_inside(document, result.name, colours.get(result.name, STRANGER), view, place))
            if isinstance(view, Mapping) and (row := _calibrated(document, result.name, view.get("calibration"))):
                rows.append(row)
    calibration = (
        Table(
            "The same test answers before and after the temperature that was fitted on validation",
            ("Approach", "Temperature", "Log loss before", "after", "Calibration error before", "after", "n"),
            rows,
        )
        if rows
        else None
    )
    bias, note = bias_variance(document)
    doubts, say = _doubts(document)
    severity = severities(document)
    if not (inside or calibration or severity or bias or doubts or say):
        return None
    return Insight(inside, calibration, severity, bias, note, doubts, say)


def _inside(document: Document, name: str, look: Look, view: Mapping[str, Any], place: int) -> Inside:
    found = view.get("gradcam")
    cam = found if isinstance(found, Mapping) else {}
    verdict = "" if "shown" not in cam else "shown" if cam["shown"] is True else "withheld"
    maps = [p for p in _pictures(view.get("maps")) if p.edges or p.gradcam]
    if verdict != "shown":
        maps = [p._replace(gradcam="") for p in maps]  # a map that did not pass is never shown, whatever the document holds
    size, layer = cam.get("map"), cam.get("layer")
    where = ""
    if isinstance(size, list) and len(size) == 2 and all(_number(side) is not None for side in size):
        where = f"Read at {layer}, a map of {size[0]} by {size[1]} places; checked on {cam.get('pictures')} test pictures against {cam.get('copies')} copies with random weights."
    failed = view.get("failed")
    return Inside(
        name, look, str(failed) if failed else "", verdict, str(cam.get("why", "")), where, _cascade(cam.get("cascade")), maps,
        _pictures(view.get("worst")), _hiding(name, look, view.get("hiding"), place),
    )  # fmt: skip


def _pictures(given: Any) -> list[Picture]:
    made = []
    for row in given if isinstance(given, list) else ():
        if not isinstance(row, Mapping):
            continue
        shown = {key: _address(row.get(key)) for key in ("picture", "gradcam", "edges")}
        sure = _number(row.get("sure"))
        if shown["picture"]:
            said = "" if sure is None else form.percent(sure, 0)
            made.append(
                Picture(
                    str(row.get("id", "")),
                    str(row.get("target", "")),
                    str(row.get("said", "")),
                    said,
                    row.get("right") is True,
                    **shown,
                )
            )
    return made


def _address(given: Any) -> str:
    return given if isinstance(given, str) and DATA_PICTURE.fullmatch(given) else ""


def _number(given: Any) -> float | None:
    fine = isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
    return float(given) if fine else None


def _range(given: Any) -> Range | None:
    if not isinstance(given, Mapping):
        return None
    ends = [_number(given.get(key)) for key in ("mid", "low", "high")]
    n = given.get("n")
    if any(end is None for end in ends) or not isinstance(n, int):
        return None
    mid, low, high = (end for end in ends if end is not None)
    return Range(mid=mid, low=low, high=high, n=n)


def _cascade(given: Any) -> Table | None:
    rows = []
    for step in given if isinstance(given, list) else ():
        rank, ssim = (_number(step.get(key)) for key in ("rank", "ssim")) if isinstance(step, Mapping) else (None, None)
        if rank is not None and ssim is not None:
            rows.append((plain(str(step.get("down_to", ""))), Cell(f"{rank:.2f}", rank, "num"), Cell(f"{ssim:.2f}", ssim, "num")))
    head = ("Random from the output down to", "Rank correlation", "Structural similarity")
    return (
        Table("How much of the map is left as weights are drawn anew, layer by layer (1 is all of it)", head, rows)
        if rows
        else None
    )


def _hiding(name: str, look: Look, given: Any, place: int) -> Figure | None:
    if not isinstance(given, Mapping):
        return None
    found = {title: span for key, title in HIDING if (span := _range(given.get(key))) is not None}
    before = _number(given.get("before"))
    if len(found) < 2 or before is None:
        return None
    rows = [dots.Row(title, look if "Grad-CAM" in title else STRANGER) for title in found]
    panel = dots.Panel(
        "Probability lost", "95% interval over pictures",
        {title: dots.Dot(v.mid, v.low, v.high, form.percent(v.mid, 0)) for title, v in found.items()}, svg.tick_percent,
    )  # fmt: skip
    table = Table(
        "The figures of this chart",
        ("A quarter is hidden", "Probability lost", "n"),
        [
            (plain(t), Cell(form.interval(v, form.percent), v.mid, "num"), Cell(form.count(v.n), v.n, "num"))
            for t, v in found.items()
        ],
    )
    caption = (
        f"What the right class loses, on average, when a quarter of the picture takes its mean colour; with nothing hidden it has {form.percent(before, 0)}. "
        "A map that points at what the network uses costs it more than edges or chance do."
    )
    says = listing([f"{title}: {form.interval(v, form.percent)}" for title, v in found.items()])
    return both(
        f"hiding-{place}",
        caption,
        table,
        lambda i, w: dots.panels(i, rows, [panel], width=w, title=f"Hiding a quarter of the picture: {name}", says=says),
    )


def _calibrated(document: Document, name: str, given: Any) -> tuple[Cell, ...] | None:
    if not isinstance(given, Mapping):
        return None
    parts: list[Mapping[str, Any]] = [
        found if isinstance(found := given.get(key), Mapping) else {} for key in ("before", "after")
    ]
    figures = [_number(part.get(key)) for key in ("log_loss", "ece") for part in parts]
    t, n = _number(given.get("temperature")), _number(given.get("n"))
    if t is None or any(f is None for f in figures):
        return None
    shown = [form.decimal, form.decimal, form.percent, form.percent]
    cells = (Cell(say(f), f, "num") for say, f in zip(shown, figures, strict=True))
    return name_cell(name, document), Cell(f"{t:.2f}", t, "num"), *cells, Cell(form.count(n), n, "num")


def severities(document: Document) -> Figure | None:
    """Share right by severity of the corruption, averaged over kinds that have every severity; None with fewer than two severities.

    The interval is the mean of the kinds' intervals: right where kinds err together, and too wide where they do not.
    """
    colours, made, rows = colours_of(document), [], []
    for result in ordered(document):
        kinds: dict[str, dict[int, Range]] = {}
        for edge in document.edge_sets:
            for found in edge.results.get(result.name, []):
                if edge.source == "generated" and found.accuracy and (named := DEGREE.fullmatch(found.kind)):
                    kinds.setdefault(named[1], {})[int(named[2])] = found.accuracy
        degrees = sorted({degree for per in kinds.values() for degree in per})
        whole = [per for per in kinds.values() if len(per) == len(degrees)]
        if len(degrees) < 2 or not whole:
            continue
        points = []
        for degree in degrees:
            mid, low, high = (sum(getattr(per[degree], end) for per in whole) / len(whole) for end in ("mid", "low", "high"))
            points.append(lines.At(degree, mid, low, high))
            n = sum(per[degree].n for per in whole)
            says = f"{form.percent(mid)} ({form.percent(low)} to {form.percent(high)})"
            cells = (Cell(says, mid, "num"), Cell(form.count(len(whole)), len(whole), "num"), Cell(form.count(n), n, "num"))
            rows.append((name_cell(result.name, document), Cell(str(degree), degree, "num"), *cells))
        strong = result.name == document.verdict.choice
        made.append(lines.Line(result.name, colours.get(result.name, STRANGER), tuple(points), strong))
    if not made:
        return None
    table = Table("Share right by severity", ("Approach", "Severity", "Right", "Kinds", "n"), rows)
    says = listing([f"{e.name}: " + ", ".join(f"severity {p.x:g} {form.percent(p.y)}" for p in e.points) for e in made])
    caption = (
        "Mean over the kinds of corruption that were asked at every severity; each kind stands under Hard cases. Whiskers are the mean of the kinds' 95% "
        "intervals, which is too wide where kinds err apart."
    )
    return both("severity", caption, table, lambda i, w: lines.curves(
        i, made, width=w, x_title="Severity", y_title="Right", y_form=svg.tick_percent, title="Share right by severity of the corruption",
        says=says, y_floor=0.0, y_top=1.0, steps=True,
    ))  # fmt: skip


def bias_variance(document: Document) -> tuple[Figure | None, str]:
    """Bias and variance of the Brier score by training size, and what the figures at the full size say in words."""
    views = document.views.get("bias_variance")
    if not isinstance(views, Mapping):
        return None, ""
    colours, drawn, rows, said = colours_of(document), [], [], []
    for result in ordered(document):
        points = sorted(_sizes(views.get(result.name)), key=lambda p: p[0])
        if not points:
            continue
        look = colours.get(result.name, STRANGER)
        for key, dashed in (("bias", False), ("variance", True)):
            drawn.append((result.name, key, look, dashed, [(n, parts[key]) for n, _, parts in points]))
        for n, seeds, parts in points:
            figures = (Cell(form.interval(parts[k], form.decimal), parts[k].mid, "num") for k in ("loss", "bias", "variance"))
            rows.append(
                (name_cell(result.name, document), Cell(form.count(n), n, "num"), Cell(str(seeds), seeds, "num"), *figures)
            )
        last = points[-1][2]
        share = max(0.0, min(1.0, last["variance"].mid / last["loss"].mid)) if last["loss"].mid > 0 else 0.0
        said.append(f"{result.name}: {form.percent(share, 0)} of its loss at {points[-1][0]:,} training items is variance")
    if not rows:
        return None, ""
    table = Table("Brier score, split", ("Approach", "Training items", "Seeds", "Loss", "Squared bias", "Variance"), rows)
    note = (
        ". ".join(said)
        + ". Variance falls with more data or an average over several trainings; bias asks for another method or cleaner labels."
    )
    if max(len(values) for *_, values in drawn) < 2:
        return _bias_dots(document, drawn, table), note
    made = [
        lines.Line(f"{name} {key}", look, tuple(lines.At(n, v.mid, v.low, v.high) for n, v in values), dashed=dashed)
        for name, key, look, dashed, values in drawn
    ]
    says = listing([f"{line.name}: " + ", ".join(f"{p.x:,.0f} items {p.y:.3f}" for p in line.points) for line in made])
    return both("bias", BIAS_CAPTION, table, lambda i, w: lines.curves(
        i, made, width=w, x_title="Training items (log scale)", y_title="Part of the Brier score", y_form=lambda v: f"{v:g}",
        title="Bias and variance by number of training items", says=says, y_floor=0.0,
    )), note  # fmt: skip


BIAS_CAPTION = (
    "Solid: squared bias, what all trainings get wrong alike (label noise is part of it). Dashed: variance, what changes with the seed. They add up to the "
    "Brier score. Whiskers are 95% intervals over test items. Trainings share their pool of items, so fresh data would vary more."
)


def _bias_dots(document: Document, drawn: Sequence[Any], table: Table) -> Figure:
    names = list(dict.fromkeys(name for name, *_ in drawn))
    colours = colours_of(document)
    rows = [dots.Row(name, colours.get(name, STRANGER), strong=name == document.verdict.choice) for name in names]
    panels = []
    for key, title in (("bias", "Squared bias"), ("variance", "Variance")):
        values = {name: part[0][1] for name, of, _, _, part in drawn if of == key}
        panels.append(dots.Panel(
            title, "95% interval", {n: dots.Dot(v.mid, v.low, v.high, form.decimal(v.mid)) for n, v in values.items()}, lambda v: f"{v:g}", floor=0.0
        ))  # fmt: skip
    caption = (
        BIAS_CAPTION.removeprefix("Solid: squared")
        .replace("bias, what", "Squared bias is what", 1)
        .replace("Dashed: variance, what", "Variance is what")
    )
    says = listing([f"{p.title}: " + ", ".join(f"{n} {d.shown}" for n, d in p.dots.items()) for p in panels])
    return both(
        "bias", caption.strip(), table, lambda i, w: dots.panels(i, rows, panels, width=w, title="Bias and variance", says=says)
    )


def _sizes(given: Any) -> list[tuple[int, int, dict[str, Range]]]:
    made = []
    for row in given if isinstance(given, list) else ():
        brier = row.get("brier") if isinstance(row, Mapping) else None
        if not isinstance(brier, Mapping) or not isinstance(row.get("n_train"), int) or not isinstance(row.get("seeds"), int):
            continue
        parts = {key: span for key in ("loss", "bias", "variance") if (span := _range(brier.get(key))) is not None}
        if len(parts) == 3 and row["n_train"] > 0:
            made.append((row["n_train"], row["seeds"], parts))
    return made


def _doubts(document: Document) -> tuple[list[Doubted], str]:
    view = document.views.get("label_doubts")
    if not isinstance(view, Mapping) or not isinstance(view.get("candidates"), list):
        return [], ""
    made = []
    for row in view["candidates"]:
        if isinstance(row, Mapping) and all(key in row for key in ("id", "given", "suggested")):
            made.append(Doubted(str(row["id"]), str(row["given"]), str(row["suggested"]), _address(row.get("picture"))))
    of, n = _number(view.get("of")), len(made)
    among = "" if of is None else f" of {of:,.0f} training pictures"
    if not made:
        return [], f"None{among} has a label that the others speak against." if of is not None else ""
    more = f"; the {MOST_DOUBTS} surest are shown" if n > MOST_DOUBTS else ""
    return (
        made[:MOST_DOUBTS],
        f"{n:,}{among} {'have' if n > 1 else 'has'} a label that the others speak against{more}. Look at them before trusting any score: nothing was changed.",
    )
