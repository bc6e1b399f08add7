"""The page of one load test: one HTML file, in the same manner as the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bakeoff.decide.load_record import LoadDocument
from bakeoff.decide.record import LoadStep, Percentiles, ServingResult
from bakeoff.report import format as form
from bakeoff.report import serving
from bakeoff.report.charts import load, strips, svg
from bakeoff.report.figure import Figure, both, listing
from bakeoff.report.page import LARGEST, POLICY, Fact, as_json, environment, thin_steps
from bakeoff.report.palette import Look
from bakeoff.report.serving import Served
from bakeoff.report.tables import Cell, Table
from bakeoff.report.text import clean, isolated, sentences, short

SERVER = Look(0, "circle")
_LOOKS = (Look(0, "circle"), Look(1, "square"), Look(2, "diamond"))
_SIZES = ((400, 400, True, True), (400, 400, False, True), (400, 60, False, True), (200, 20, False, False), (40, 0, False, False))
"""Times kept of requests one after the other, of every other step, and whether the requests in order of steps that are not drawn
so and the histograms are: tried in this order."""
STALL = 5.0
"""Times what is usual in a step: a slower request that is above the limit, too, makes its step worth a figure of its own."""

SECTIONS = (
    ("rates", "Rate against latency"),
    ("times", "How long an answer takes"),
    ("requests", "Every request"),
    ("order", "When requests were slow"),
    ("first", "Cold and warm"),
    ("validity", "Is it valid?"),
    ("steps", "Every step"),
    ("reproduce", "How to reproduce"),
)


def load_page(document: LoadDocument) -> str:
    """One load test as one HTML text of less than 1 MB.

    Parameters
    ----------
    document : LoadDocument
        The only source of every figure. Every text in it is shown as text.

    Returns
    -------
    str
        HTML that makes no request, carries its own content policy, reads without scripts and holds the document as
        JSON. Where that is too large, single times and histograms are left out, and the page says so.
    """
    made = ""
    for singles, loads, orders, histograms in _SIZES:
        kept = shortened(document, singles, loads, orders=orders, histograms=histograms)
        made = environment().get_template("load.html.j2").render(_context(kept, cut=kept != document))
        if len(made.encode("utf-8", "replace")) < LARGEST:
            break
    return made.encode("utf-8", "replace").decode("utf-8")


def shortened(document: LoadDocument, singles: int, loads: int, *, orders: bool, histograms: bool) -> LoadDocument:
    """The document with at most `singles` and `loads` times a step, and with its histograms or without.

    Without `orders`, only the steps of `in_order` keep their requests in order.
    """
    given, drawn = document.model_dump(), in_order(document.result)
    thin_steps(given["result"], singles, loads, over_time=True)
    for step, dumped in zip(_every(document.result), _every(given["result"]), strict=True):
        if not orders and not any(step is one for one in drawn):
            dumped["over_time"] = []
    if not histograms:
        given["histograms"] = {}
    return LoadDocument.model_validate(given)


def headline(document: LoadDocument) -> str:
    """The answer in a sentence: the highest rate within the limit, or why there is none."""
    if document.says:
        return sentences(document.says[0])[0]
    result = document.result
    if result.status != "done":
        return f"The load test {'failed' if result.status == 'failed' else 'did not run'}: {(result.failure or 'no reason was kept').rstrip('.')}."
    found, limit = result.highest_rate, serving.limit_of([_row(document)])
    if found is not None and limit.says:
        return f"It kept {limit.says} up to {form.rate(found.mid)}."
    single = result.single.total_seconds if result.single else Percentiles()
    if single.p50 is not None:
        return f"One request at a time took {form.seconds(single.p50)} (p50 of {single.n:,})."
    return "Nothing was measured."


def further(document: LoadDocument) -> list[str]:
    """What was found beyond the headline, in sentences."""
    if not document.says:
        return []
    rest = sentences(document.says[0])[1]
    return [*([rest] if rest else []), *document.says[1:]]


def _every(result: Any) -> list[Any]:
    """Every step of a `ServingResult`, or of one that was dumped, in one order."""
    if isinstance(result, ServingResult):
        return [step for step in (result.single, result.offline, *result.steps) if step is not None]
    return [step for step in (result["single"], result["offline"], *result["steps"]) if step is not None]


def _row(document: LoadDocument) -> Served:
    return Served("", SERVER, False, document.result)


def best_step(result: ServingResult) -> LoadStep | None:
    """The step at the highest rate that kept the limit, or else the fastest valid one."""
    valid = [s for s in result.steps if s.valid and s.rate_per_second]
    kept = [s for s in valid if s.outcome == "kept"]
    return max(kept or valid, key=lambda s: s.rate_per_second or 0.0, default=None)


def in_order(result: ServingResult) -> list[LoadStep]:
    """The steps that are drawn request by request: the one of `best_step`, and the worst other one that holds a stall.

    A step holds a stall where some request took more than `STALL` times as long as is usual in it and longer than the limit, or
    failed. Usual is the median or, where that is less, the quartile of the requests in order: a stall and the queue that it
    leaves can hold most of a short step and its median with it. (Of a queue that grows from nothing to the end of a step, the
    slowest is but four times the quartile.) The worst step is the one whose slowest is the most times the usual; valid ones go
    first.
    """
    best, limit = best_step(result), serving.limit_of([Served("", SERVER, False, result)]).seconds or 0.0
    found = [(worst, step) for step in serving.steps_of(result) if step is not best and (worst := _stall(step, limit))]
    stalled = max(found, key=lambda pair: pair[0], default=None)
    return [step for step in (best, stalled[1] if stalled else None) if step is not None and step.over_time]


def _stall(step: LoadStep, limit: float) -> tuple[bool, float, int] | None:
    times = sorted(math.inf if total is None else total for _, total in step.over_time)
    if not times:
        return None
    usual = min(step.total_seconds.p50 or math.inf, times[math.ceil(len(times) / 4) - 1])
    slowest = max((total for total in times if total < math.inf), default=0.0)
    many = slowest / usual if usual and slowest > max(STALL * usual, limit) else 0.0
    return (step.valid, many, step.errors) if 0 < usual < math.inf and (many or step.errors) else None


def facts(document: LoadDocument) -> list[Fact]:
    """What was found, in four figures."""
    result, made = document.result, []
    found, limit = serving.highest(result), serving.limit_of([_row(document)])
    if result.steps:
        made.append(Fact("Highest rate", found.text, f"within {limit.says}" + (f"; {found.note}" if found.note else "")))
    if single := result.single:
        total, token = single.total_seconds, single.first_token_seconds
        doubt = "" if single.valid else "invalid: "
        made.append(
            Fact(
                "Whole answer", form.seconds(total.p50), f"{doubt}p50; p95 {form.load_percentile(total, 'p95')}, n = {total.n:,}"
            )
        )
        if token.n:
            made.append(
                Fact(
                    "First token",
                    form.seconds(token.p50),
                    f"{doubt}p50; p95 {form.load_percentile(token, 'p95')}, n = {token.n:,}",
                )
            )
    if result.offline and result.offline.completed_per_second is not None:
        made.append(Fact("Throughput", form.rate(result.offline.completed_per_second), "with requests always in flight"))
    return made


def distribution(document: LoadDocument) -> Figure | None:
    """Cumulative distributions: one at a time, and at the highest rate within the limit, from the intended start and from dispatch."""
    result = document.result
    best = best_step(result)
    chosen = [("one at a time", result.single)] + ([(f"at {form.rate(best.rate_per_second)}", best)] if best else [])
    curves, says, rows = [], [], []
    for (name, step), look in zip(chosen, _LOOKS, strict=False):
        if step is None:
            continue
        share = step.completed / step.requests if step.requests else 1.0
        name = name if step.valid else f"{name}, invalid"
        for what, times in (
            ("whole answer", step.total_seconds),
            ("first token", step.first_token_seconds),
            ("from dispatch", step.service_seconds),
        ):
            if not times.n:
                continue
            if times.samples:
                curves.append(load.Times(name, look, what, tuple(sorted(times.samples)), share))
            marks = [form.load_percentile(times, p) for p in form.FEWEST]
            says.append(
                f"{name}, {what}: " + ", ".join(f"{p} {m}" for p, m in zip(form.FEWEST, marks, strict=True)) + f", n = {times.n}"
            )
            clock = {"whole answer": "intended start to end", "first token": "intended start to first token"}.get(
                what, "dispatch to end"
            )
            rows.append(
                [
                    Cell(f"{name}: {clock}"),
                    Cell(form.count(times.n), times.n, "num"),
                    *(Cell(form.load_percentile_range(times, p), getattr(times, p), "num") for p in form.FEWEST),
                ]
            )
    if not curves:
        return None
    caption = (
        "A curve is the share of requests that ended within a time: further left is faster, and what reaches far to the right at the top "
        "is the tail. Where the whole answer lies right of the same answer from dispatch, requests had to wait before they could be sent."
    )
    table = Table("Times and their clocks", ("Step and clock", "n", *form.FEWEST), rows)
    return both(
        "times-chart",
        caption,
        table,
        lambda i, w: load.cumulative(i, curves, [], width=w, title="Distribution of times", says=listing(says)),
    )


def requests(document: LoadDocument) -> Figure | None:
    """Every kept time of every step as a dot: a stall is a row of dots far to the right."""
    result = document.result
    steps = [("one at a time", result.single)] if result.single else []
    steps += [(form.rate(s.rate_per_second), s) for s in sorted(result.steps, key=lambda s: s.rate_per_second or 0.0)]
    steps += [("kept busy", result.offline)] if result.offline else []
    rows, says, table_rows = [], [], []
    for name, step in steps:
        if step is None or not step.total_seconds.n:
            continue
        times, word = step.total_seconds, serving.state(step)
        label = name if word == "not judged" else f"{name}, {word}"
        marks = tuple((p, getattr(times, p), times.low.get(p), times.high.get(p)) for p in form.FEWEST)
        rows.append(strips.Strip(label, SERVER, tuple(times.samples), marks, "n too small"))
        says.append(
            f"{label}: p50 {form.load_percentile(times, 'p50')}, p99 {form.load_percentile(times, 'p99')}, longest kept {form.seconds(max(times.samples, default=None))}"
        )
        table_rows.append(
            [
                Cell(label),
                Cell(form.count(times.n), times.n, "num"),
                *(Cell(form.load_percentile(times, p), getattr(times, p), "num") for p in form.FEWEST),
                Cell(form.seconds(max(times.samples, default=None)), max(times.samples, default=None), "num"),
            ]
        )
    if not rows:
        return None
    most = svg.MOST_POINTS // len(rows)
    drawn, sent = sum(min(len(r.samples), most) for r in rows), sum(s.total_seconds.n for _, s in steps if s is not None)
    sampled = (
        f" {drawn:,} of {sent:,} requests are drawn, evenly by size; the longest of each step always is." if drawn < sent else ""
    )
    caption = (
        "Each dot is one request, its total time from the intended start. Upright lines are percentiles. A stall of the server shows as a "
        f"row of dots far to the right of the others: every request that was due while it lasted.{sampled}"
    )
    table = Table("Total times of each step", ("Step", "n", *form.FEWEST, "Longest"), table_rows)
    return both(
        "requests-chart",
        caption,
        table,
        lambda i, w: strips.strips(i, rows, width=w, title="Every request of every step", says=listing(says)),
    )


def order(document: LoadDocument) -> list[Figure]:
    """Steps request by request, by the moment at which each was due: when the server was slow, and for how long."""
    limit, drawn = serving.limit_of([_row(document)]), in_order(document.result)
    return [_order(step, limit, f"order-chart-{place}", explained=place == 1) for place, step in enumerate(drawn, 1)]


def _order(step: LoadStep, limit: serving.Limit, ident: str, *, explained: bool) -> Figure:
    points, asked, word = step.over_time, serving.asked(step), serving.state(step)
    label = f"At {asked}" if step.rate_per_second is not None else asked.capitalize()
    label = label if word == "not judged" else f"{label}, {word}"
    ended = [(total, when) for when, total in points if total is not None]
    slowest, due = max(ended, default=(None, None), key=lambda pair: pair[0])
    median = form.load_percentile(step.total_seconds, "p50")
    figures = [
        f"median {median}",
        f"slowest answer {form.seconds(slowest)}, due at {form.seconds(due)}" if ended else "no request was answered",
        f"{step.errors:,} of {step.requests:,} failed",
    ]
    thinned = len(points) < step.requests
    caption = f"{label}: {'; '.join(figures)}."
    if thinned:
        caption += f" {len(points):,} of {step.requests:,} requests are drawn: of each run of consecutive ones the slowest, so that no stall is left out."
    if explained:
        caption += (
            " Where the server stands still, the next requests wait for it: times jump, and fall again because each later "
            "request waited less. Times that go on rising to the end are a queue that grows: more is asked than the server can do."
        )
    return both(
        ident,
        caption,
        _tenths(points, label, thinned=thinned),
        lambda i, w: load.timeline(
            i, label, points, SERVER, width=w, limit=limit.seconds, limit_says=f"limit: {limit.says}",
            title=f"Requests in order. {label}", says=listing(figures if not limit.seconds else [*figures, f"limit: {limit.says}"]),
        ),
    )  # fmt: skip


def _tenths(points: Sequence[tuple[float, float | None]], label: str, *, thinned: bool) -> Table:
    last = max(when for when, _ in points)
    tenths: list[list[float | None]] = [[] for _ in range(10 if last > 0 else 1)]
    for when, total in points:
        tenths[min(9, int(10 * when / last)) if last > 0 else 0].append(total)
    rows = []
    for place, totals in enumerate(tenths):
        answered = sorted(total for total in totals if total is not None)
        middle = math.ceil(len(totals) / 2) - 1
        times = Percentiles(
            n=len(totals), p50=answered[middle] if form.FEWEST["p50"] <= len(totals) and middle < len(answered) else None
        )
        slowest = max(answered, default=None)
        rows.append(
            [
                Cell(f"{form.seconds(last * place / 10)} to {form.seconds(last * (place + 1) / 10)}", place),
                Cell(form.count(len(totals)), len(totals), "num"),
                Cell(form.load_percentile(times, "p50"), times.p50, "num"),
                Cell(form.seconds(slowest), slowest, "num"),
                Cell(form.count(len(totals) - len(answered)), len(totals) - len(answered), "num"),
            ]
        )
    head = ("Due at", "Drawn" if thinned else "Requests", "Median", "Slowest", "Failed")
    return Table(f"{label}: tenths of the step" + (", of the requests drawn" if thinned else ""), head, rows)


def cold(document: LoadDocument) -> Table | None:
    """Start-up, the first request of all, and the warm ones after it."""
    result = document.result
    warm = result.single.total_seconds if result.single else Percentiles()
    rows = [
        [Cell(title), Cell(form.seconds(value), value, "num"), Cell(says)]
        for title, value, says in (
            ("Start-up", result.start_seconds, "from starting the process to its first healthy answer"),
            ("First request of all", result.first_request_seconds, "counted in no other figure"),
            ("Warm, p50", warm.p50, f"one at a time, n = {warm.n:,}"),
        )
        if value is not None
    ]
    return Table("Cold and warm", ("Which", "Time", "What it is"), rows) if rows else None


def _context(document: LoadDocument, *, cut: bool) -> dict[str, Any]:
    row, result = _row(document), document.result
    lead = headline(document)
    client = document.client
    parts: dict[str, Any] = {
        "rates": serving.rates([row], "rates-chart"),
        "times": distribution(document),
        "requests": requests(document),
        "order": order(document),
        "first": cold(document),
    }
    return {
        "l": document,
        "policy": POLICY,
        "sections": [(key, title) for key, title in SECTIONS if key not in parts or parts[key]],
        "title": f"Load test: {isolated(clean(short(lead, 90)))}",
        "lead": lead,
        "rest": further(document),
        "facts": facts(document),
        "intended": serving.INTENDED,
        **parts,
        "invalid": serving.invalid([row]),
        "steps": serving.steps_table([row]),
        "everything": serving.everything([Served("measured", SERVER, False, result)]),
        "looks": {},
        "day": document.started[:10],
        "settings": [(key, form.setting(value)) for key, value in document.settings.items()],
        "client_load": form.MISSING if client.load_average is None else form.number(client.load_average),
        "json": as_json(document),
        "cut": cut,
    }
