"""Under load: what a server keeps up with and how long an answer takes from the moment it was due.

Shared by the report (several approaches) and the page of one load test (one server), so that a figure reads the same in both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bakeoff.decide.limits import parse_limit
from bakeoff.decide.record import Document, LoadStep, Percentiles, ServingResult
from bakeoff.errors import BakeoffError
from bakeoff.report import format as form
from bakeoff.report.charts import load
from bakeoff.report.figure import STRANGER, Figure, both, colours_of, listing
from bakeoff.report.palette import Look
from bakeoff.report.tables import STATUS, Cell, Table, plain
from bakeoff.report.ties import ordered

INTENDED = (
    "Times run from the intended start: the moment at which the schedule says that a request is due. A request that is sent "
    "late because others were still waiting counts that wait too."
)


class Served(NamedTuple):
    """One server with the name and looks it has in this document."""

    name: str
    look: Look
    strong: bool
    result: ServingResult


class Limit(NamedTuple):
    """The limit on total time: which percentile, how many seconds, and the words (``p95 at most 500 ms``)."""

    percentile: str
    seconds: float | None
    says: str


def served(document: Document) -> list[Served]:
    """The document's servers in shown order; those of approaches that the document does not list come last."""
    colours, choice = colours_of(document), document.verdict.choice
    place = {r.name: index for index, r in enumerate(ordered(document))}
    rows = sorted(document.serving, key=lambda s: (place.get(s.approach, len(place)), s.approach))
    return [Served(s.approach, colours.get(s.approach, STRANGER), s.approach == choice, s) for s in rows]


def limit_of(rows: Sequence[Served]) -> Limit:
    """The limit that the rates were judged against; p95 without a bound where none can be read."""
    said = next((row.result.limit for row in rows if row.result.limit), "")
    if said:
        try:
            read = parse_limit(said)
        except BakeoffError:
            return Limit("p95", None, said)
        name = re.match(r"p(?:50|90|95|99)\b", read.measure)
        if name:
            return Limit(name[0], read.bound, f"{name[0]} at most {form.setting(read.bound * 1000)} ms")
    return Limit("p95", None, said)


def state(step: LoadStep) -> str:
    """What became of the limit in a step, in a word; an invalid step is nothing but invalid."""
    return step.outcome.replace("_", " ") if step.valid else "invalid"


def because(step: LoadStep) -> str:
    """Why a step is invalid, as one phrase; empty where it is valid."""
    return "; ".join(reason.rstrip(". ") for reason in step.invalid_because)


def steps_of(result: ServingResult) -> list[LoadStep]:
    """Every step: one at a time, the rates as they were tried, kept busy."""
    return [s for s in (result.single, *result.steps, result.offline) if s is not None]


def _by_rate(result: ServingResult) -> list[LoadStep]:
    return sorted((s for s in result.steps if s.rate_per_second), key=lambda s: s.rate_per_second or 0.0)


def asked(step: LoadStep) -> str:
    """The rate that was asked for, or what takes its place."""
    if step.rate_per_second is None:
        return {"single_stream": "one at a time", "offline": "kept busy"}.get(step.scenario, step.scenario)
    return form.rate(step.rate_per_second)


def rates(rows: Sequence[Served], ident: str = "rates") -> Figure | None:
    """Latency at each rate that was tried, with the limit and what became of it."""
    limit = limit_of(rows)
    made, says = [], []
    for row in rows:
        steps = _by_rate(row.result)
        if not steps:
            continue
        points, words = [], []
        for step in steps:
            times, rate = step.total_seconds, step.rate_per_second or 0.0
            shown = form.load_percentile(times, limit.percentile)
            said = f"{row.name or 'server'} at {form.rate(rate)}: {limit.percentile} {shown}, {state(step)}"
            tail = getattr(times, limit.percentile)
            endless = tail is None and times.n >= form.FEWEST[limit.percentile]
            points.append(load.AtRate(rate, times.p50, tail, state(step), said, endless))
            words.append(f"{form.rate(rate)} {limit.percentile} {shown} {state(step)}")
        made.append(load.Rates(row.name, row.look, tuple(points), row.strong))
        says.append(f"{row.name}: " + ", ".join(words))
    if not made or not any(p.tail is not None or p.median is not None for r in made for p in r.steps):
        return None
    table = steps_table([row for row in rows if row.result.steps], only_rates=True)
    endless = any(p.endless for r in made for p in r.steps)
    caption = (
        f"Each sign is one rate, sent for a while by a fixed schedule: the {limit.percentile} of the total time from the intended start"
        f"{', judged against the limit with 95% confidence' if limit.seconds else ''}. Invalid: the figures of that step say "
        "nothing about the server, and the table says why."
        + (" An arrow at the top: so many requests failed that the percentile falls on one of them." if endless else "")
    )
    if limit.seconds:
        says.insert(0, f"limit: {limit.says}")
    return both(
        ident,
        caption,
        table,
        lambda i, w: load.rates(
            i, made, width=w, tail=limit.percentile, limit=limit.seconds, limit_says=f"limit: {limit.says}",
            title="Latency at each rate of requests", says=listing(says),
        ),
    )  # fmt: skip


def distribution(rows: Sequence[Served], ident: str = "times") -> Figure | None:
    """Cumulative distribution of single-stream times: to the first token and to the end; the first request apart."""
    curves, firsts, says, table_rows = [], [], [], []
    for row in rows:
        single, first = row.result.single, row.result.first_request_seconds
        if first is not None and first > 0:
            firsts.append(load.First(row.name, row.look, first))
        if single is not None:
            share = single.completed / single.requests if single.requests else 1.0
            name = row.name if single.valid else f"{row.name} (invalid)"
            for what, times in (("whole answer", single.total_seconds), ("first token", single.first_token_seconds)):
                if times.samples:
                    curves.append(load.Times(name, row.look, what, tuple(sorted(times.samples)), share, row.strong))
        if single is None and first is None:
            continue
        total = single.total_seconds if single else Percentiles()
        token = single.first_token_seconds if single else Percentiles()
        says.append(
            f"{row.name}{'' if single is None or single.valid else ', invalid'}: first token p50 {form.load_percentile(token, 'p50')}, whole answer p50 {form.load_percentile(total, 'p50')}, "
            f"p95 {form.load_percentile(total, 'p95')}, n = {total.n}, first request of all {form.seconds(first)}"
        )
        table_rows.append(
            [
                _name(row, "" if single is None or single.valid else "invalid"),
                Cell(form.count(total.n), total.n, "num"),
                *(_time(token, p) for p in ("p50", "p95")),
                *(_time(total, p) for p in ("p50", "p95", "p99")),
                Cell(form.seconds(first), first, "num"),
            ]
        )
    if not curves:
        return None
    head = (
        "Approach", "n", "First token p50", "First token p95", "Whole answer p50", "Whole answer p95", "Whole answer p99",
        "First request of all",
    )  # fmt: skip
    caption = (
        "Requests one after the other, warm. A curve is the share of requests that ended within a time: further left is faster, and "
        "a long foot to the right at the top is the tail. "
        + ("× in the lane below is the first request of all, which is no part of the curves." if firsts else "")
        + (
            " A curve that stops short of 100% belongs to a server that let requests fail."
            if any(c.share < 1 for c in curves)
            else ""
        )
    )
    return both(
        ident,
        caption,
        Table("Times of single requests", head, table_rows),
        lambda i, w: load.cumulative(i, curves, firsts, width=w, title="Distribution of single-stream times", says=listing(says)),
    )


def _name(row: Served, note: str = "") -> Cell:
    return Cell(row.name, row.name.lower(), "name", row.look, row.strong, note)


def _time(times: Percentiles, name: str) -> Cell:
    return Cell(form.load_percentile_range(times, name), getattr(times, name), "num")


def _short_time(times: Percentiles | None, name: str) -> Cell:
    if times is None:
        return Cell(form.MISSING, None, "num")
    return Cell(form.load_percentile(times, name), getattr(times, name), "num")


def highest(result: ServingResult) -> Cell:
    """The highest rate that kept the limit, and the lowest that broke it; in words where none kept it."""
    found = result.highest_rate
    if found is not None:
        if form.finite(found.high) and found.high > found.mid:
            return Cell(form.rate(found.mid), found.mid, "num", note=f"broke at {form.rate(found.high)}")
        return Cell(form.rate(found.mid), found.mid, "num", note="none tried broke it")
    judged = [s for s in result.steps if s.valid and s.outcome != "not_judged"]
    if not result.steps:
        return Cell(form.MISSING, None, "num")
    lowest = min((s.rate_per_second for s in judged if s.rate_per_second), default=None)
    if lowest is not None and any(s.outcome == "broken" for s in judged):
        return Cell("none kept it", None, "num", note=f"tried from {form.rate(lowest)}")
    return Cell("undecided", None, "num")


def validity(result: ServingResult) -> Cell:
    """Whether every step is valid; which ones are not, and why the first is not."""
    steps = steps_of(result)
    wrong = [s for s in steps if not s.valid]
    if not steps:
        return Cell(form.MISSING)
    if not wrong:
        return Cell("valid")
    return Cell(f"invalid {_where(wrong)}", note=because(wrong[0]) or "no reason was kept")


def _where(steps: Sequence[LoadStep]) -> str:
    return ", ".join(("at " if s.rate_per_second is not None else "") + asked(s) for s in steps)


def _all_valid(result: ServingResult) -> Cell:
    steps = steps_of(result)
    wrong = [s for s in steps if not s.valid]
    return Cell(
        form.MISSING if not steps else "yes" if not wrong else "not all", note=f"invalid: {_where(wrong)}" if wrong else ""
    )


def energy(result: ServingResult) -> Cell:
    """Energy per item, or that it could not be measured and why."""
    if result.status != "done":
        return Cell(form.MISSING, None, "num")
    if result.joules_per_item is not None:
        return Cell(form.interval(result.joules_per_item, form.joules), result.joules_per_item.mid, "num")
    return Cell("could not be measured", None, "num", note=result.energy_says)


def throughput(result: ServingResult) -> Cell:
    """Completed requests per second while there are always some in flight (the offline scenario)."""
    value = result.offline.completed_per_second if result.offline else None
    return Cell(form.rate(value), value, "num", note="invalid" if result.offline and not result.offline.valid else "")


def summary(rows: Sequence[Served]) -> Table:
    """What a choice of server is made on, one row per approach."""
    head = (
        "Approach", "Highest rate in the limit", "Valid", "First token p50", "First token p95", "Whole answer p50", "Whole answer p95", "Throughput",
        "Peak memory",
    )  # fmt: skip
    made = []
    for row in rows:
        r = row.result
        failed = "" if r.status == "done" else STATUS[r.status] + (f": {r.failure}" if r.failure else "")
        total, token = (r.single.total_seconds, r.single.first_token_seconds) if r.single else (None, None)
        doubt = "invalid" if r.single and not r.single.valid else ""
        made.append(
            [
                _name(row, failed),
                highest(r),
                _all_valid(r),
                *(_short_time(token, p)._replace(note=doubt) for p in ("p50", "p95")),
                *(_short_time(total, p)._replace(note=doubt) for p in ("p50", "p95")),
                throughput(r),
                Cell(form.size(r.peak_bytes), r.peak_bytes, "num"),
            ]
        )
    chosen = frozenset(i for i, row in enumerate(rows) if row.strong)
    return Table("Behind an HTTP endpoint; times are of requests one after the other", head, made, chosen)


def everything(rows: Sequence[Served]) -> Table:
    """All that was measured behind the endpoints, one row per measure and one column per approach."""
    made: list[list[Cell]] = []

    def add(title: str, cell: Callable[[ServingResult], Cell]) -> None:
        cells = [cell(row.result) for row in rows]
        if any(c.text not in (form.MISSING, "") for c in cells):
            made.append([plain(title), *cells])

    def single(pick: Callable[[LoadStep], Percentiles], name: str) -> Callable[[ServingResult], Cell]:
        return lambda r: _time(pick(r.single), name) if r.single else Cell(form.MISSING, None, "num")

    add("Status", lambda r: plain(STATUS[r.status] + (f": {r.failure}" if r.failure else "")))
    add("Protocol", lambda r: plain(r.protocol or form.MISSING))
    add("Highest rate within the limit", highest)
    add(
        "Requests behind that rate", lambda r: Cell(form.count(r.highest_rate.n) if r.highest_rate else form.MISSING, None, "num")
    )
    for p in ("p50", "p95", "p99"):
        add(f"First token, {p}", single(lambda s: s.first_token_seconds, p))
    for p in ("p50", "p90", "p95", "p99"):
        add(f"Whole answer, {p}", single(lambda s: s.total_seconds, p))
    for p in ("p50", "p95"):
        add(f"From dispatch, {p}", single(lambda s: s.service_seconds, p))
    for p in ("p50", "p95"):
        add(f"Time per output token, {p}", single(lambda s: s.seconds_per_output_token, p))
        add(f"Between tokens, {p}", single(lambda s: s.between_tokens_seconds, p))
    add("Throughput, kept busy", throughput)
    add("Errors", lambda r: plain(_failed(r)))
    add("Start-up of the server", lambda r: Cell(form.seconds(r.start_seconds), None, "num"))
    add("First request of all", lambda r: Cell(form.seconds(r.first_request_seconds), None, "num"))
    add("Peak memory of the server", lambda r: Cell(form.size(r.peak_bytes), None, "num"))
    add("Energy per item", energy)
    add("Steps", validity)
    add("Measured on", lambda r: plain(_context(r)))
    return Table("Everything measured behind the endpoint", ("Measure", *(row.name for row in rows)), made)


def _failed(result: ServingResult) -> str:
    """Which steps had errors, and how many of their requests; not one sum over steps of different lengths."""
    steps = steps_of(result)
    wrong = [f"{_where([s])} {s.errors:,} of {s.requests:,}" for s in steps if s.errors]
    return "; ".join(wrong) or ("none" if steps else form.MISSING)


def _errors(step: LoadStep) -> Cell:
    kinds = ", ".join(f"{kind}: {n:,}" for kind, n in step.error_kinds.items())
    return Cell(form.count(step.errors), step.errors, "num", note=kinds)


def _context(result: ServingResult) -> str:
    c = result.context
    if c is None:
        return form.MISSING
    return f"{c.device}, {c.threads} thread(s), load {'unknown' if c.load_average is None else form.number(c.load_average)}"


def steps_table(rows: Sequence[Served], *, only_rates: bool = False) -> Table:
    """Every step: what was asked, what was sent and finished, the times, and whether it is valid."""
    named = len(rows) > 1
    head = [*(("Approach",) if named else ()), "Rate asked", "Sent", "Finished", "Requests", "Errors", "p50", "p90", "p95", "p99",
            "First token p50", "From dispatch p95", "Client late, p99", "Limit", "Why invalid"]  # fmt: skip
    made = []
    for row in rows:
        for step in _by_rate(row.result) if only_rates else steps_of(row.result):
            cells = [
                Cell(asked(step), step.rate_per_second, "num"),
                Cell(form.rate(step.achieved_per_second), step.achieved_per_second, "num"),
                Cell(form.rate(step.completed_per_second), step.completed_per_second, "num"),
                Cell(form.count(step.requests), step.requests, "num"),
                _errors(step),
                *(_short_time(step.total_seconds, p) for p in ("p50", "p90", "p95", "p99")),
                _short_time(step.first_token_seconds, "p50"),
                _short_time(step.service_seconds, "p95"),
                Cell(form.seconds(step.dispatch_delay_p99_seconds), step.dispatch_delay_p99_seconds, "num"),
                Cell(state(step), state(step)),
                Cell(because(step) or form.MISSING),
            ]
            made.append([_name(row), *cells] if named else [cells[0]._replace(kind="text", sort=None), *cells[1:]])
    title = (
        "Every rate tried; total times from the intended start"
        if only_rates
        else "Every step; total times from the intended start"
    )
    return Table(title, head, made)


def invalid(rows: Sequence[Served]) -> list[str]:
    """Every invalid step in a sentence with its reason."""
    return [
        (f"{row.name}, " if row.name else "") + f"{asked(s)}: {because(s) or 'no reason was kept'}."
        for row in rows
        for s in steps_of(row.result)
        if not s.valid
    ]


def energy_note(rows: Sequence[Served]) -> str:
    """That energy could not be measured and why, where no server has it; empty otherwise."""
    if not rows or any(row.result.joules_per_item is not None for row in rows):
        return ""
    reasons = list(dict.fromkeys(row.result.energy_says for row in rows if row.result.energy_says))
    said = " ".join(r.rstrip(".") + "." for r in reasons)
    return said if "could not be measured" in said else f"Energy could not be measured{f': {said}' if said else '.'}"
