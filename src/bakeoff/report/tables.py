"""The report's tables: cells with the text shown, the value to sort by, and the kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bakeoff.decide.record import ApproachResult, Document
from bakeoff.report import format as form
from bakeoff.report.palette import Look, looks
from bakeoff.report.ties import letters, measured, ordered, seen_from

STATUS = {"done": "done", "failed": "failed", "not_run": "not run"}


class Cell(NamedTuple):
    """One cell. `kind` is ``text``, ``num`` or ``name``; `sort` is None for cells that sort last."""

    text: str
    sort: float | str | None = None
    kind: str = "text"
    look: Look | None = None
    strong: bool = False
    note: str = ""

    @property
    def parts(self) -> tuple[str, str]:
        """A number and its interval apart: ``('88.6%', '86.5 to 90.7')``; the interval may be empty."""
        if self.kind != "num" or not self.text.endswith(")") or " (" not in self.text:
            return self.text, ""
        mid, _, rest = self.text[:-1].partition(" (")
        return mid, rest


@dataclass(frozen=True)
class Table:
    """Caption, column titles and rows. The first cell of each row is its header."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    chosen: frozenset[int] = field(default=frozenset())


def plain(text: str) -> Cell:
    """A text cell that sorts by its text."""
    return Cell(text, text.lower())


def name_cell(name: str, document: Document) -> Cell:
    """An approach's name with its marker."""
    found = looks(result.name for result in document.approaches)
    return Cell(name, name.lower(), "name", found.get(name, Look(6, "circle")), name == document.verdict.choice)


def score_cell(result: ApproachResult, metric: str, document: Document) -> Cell:
    """A metric with its interval, sorted by its value; with its n where approaches differ in it."""
    value = result.metrics.get(metric)
    shown = form.score(value, metric, document.study)
    note = f"n = {value.n:,}" if value and common_n(document) is None else ""
    return Cell(shown, value.mid if value else None, "num", note=note)


COST_NOTE = (
    "Cost per 1,000 is that of a machine that is busy all the time (or of answers bought); cost a day is at the stated "
    "volume, with the hours in which a reserved machine waits."
)
"""The two do not convert into each other: a lead who multiplies one finds a different bill."""


def common_n(document: Document) -> int | None:
    """The n that all figures of all metrics rest on, or None where it differs or nothing was measured."""
    found = {value.n for result in document.approaches for value in result.metrics.values()}
    return found.pop() if len(found) == 1 else None


def comparison(document: Document) -> Table:
    """The table under the verdict: what a choice is made on, sorted but not ranked."""
    study = document.study
    found = letters(document)
    compared = len(found) > 1
    limits = any(result.limits for result in document.approaches)
    head = ["Approach", study.metric_title]
    if compared:
        head.append("Tie group")
    if limits:
        head.append("Limits")
    head += ["Cost per 1,000", "Cost a day", "p50", "p90", "Peak memory", "Training"]
    rows, chosen = [], set()
    for index, r in enumerate(ordered(document)):
        if r.name == document.verdict.choice:
            chosen.add(index)
        cells = [name_cell(r.name, document)._replace(note=r.failure or ""), _quality(r, document)]
        if compared:
            cells.append(Cell(" ".join(found.get(r.name, ())) or form.MISSING))
        if limits:
            cells.append(limits_cell(r, document.study.limits))
        cells += [
            Cell(
                form.usd(r.usd_per_1000.mid) if r.usd_per_1000 else form.MISSING,
                r.usd_per_1000.mid if r.usd_per_1000 else None,
                "num",
            ),
            Cell(
                form.usd(r.usd_per_day.mid) if r.usd_per_day else form.MISSING,
                r.usd_per_day.mid if r.usd_per_day else None,
                "num",
            ),
            Cell(form.percentile(r.latency_seconds, "p50"), r.latency_seconds.p50, "num"),
            Cell(form.percentile(r.latency_seconds, "p90"), r.latency_seconds.p90, "num"),
            Cell(form.size(r.peak_bytes), r.peak_bytes, "num"),
            Cell(form.seconds(r.fit_seconds), r.fit_seconds, "num"),
        ]
        rows.append(cells)
    n = common_n(document)
    return Table(
        f"Every approach on the same {n:,} test items" if n else "Every approach on the test items", head, rows, frozenset(chosen)
    )


def _quality(result: ApproachResult, document: Document) -> Cell:
    if result.status != "done" and document.study.metric not in result.metrics:
        return Cell(STATUS[result.status], None, "num")
    return score_cell(result, document.study.metric, document)


def limits_cell(result: ApproachResult, limits: Sequence[str] = ()) -> Cell:
    """Whether the limits are met, and how sure that is of the least likely one; unknown where none could be judged.

    `limits` are the study's: one of them that was not measured keeps an approach outside, and it is that which is said.
    """
    if not result.limits:
        return Cell("unknown" if result.status == "done" else form.MISSING)
    unmeasured = [limit for limit in limits if limit not in result.limits]
    if unmeasured and not result.within_limits and min(result.limits.values()) >= 0.5:
        return Cell("outside", note=f"not measured: {', '.join(unmeasured)}")
    return Cell("within" if result.within_limits else "outside", note=f"{form.share(min(result.limits.values()))} sure")


def _metrics(document: Document) -> list[str]:
    """All metrics of the document, the primary one first, others in the order met."""
    names = [document.study.metric]
    for result in document.approaches:
        names += [metric for metric in result.metrics if metric not in names]
    return names


def metric_title(metric: str) -> str:
    """A metric's name as a heading: ``macro_f1`` is ``Macro F1``."""
    words = metric.replace("_", " ").replace("-", " ").split()
    return (
        " ".join("F1" if w.lower() == "f1" else "ECE" if w.lower() == "ece" else w for w in words)
        .capitalize()
        .replace("f1", "F1")
        .replace("Ece", "ECE")
    )


def everything(document: Document) -> Table:
    """All that was measured, one row per measure and one column per approach."""
    results, study = ordered(document), document.study
    rows: list[list[Cell]] = []

    def add(title: str, cells: Sequence[Cell]) -> None:
        if any(cell.text not in (form.MISSING, "") for cell in cells):
            rows.append([plain(title), *cells])

    def num(text: str) -> Cell:
        return Cell(text, kind="num")

    add("Status", [plain(STATUS[r.status] + (f": {r.failure}" if r.failure else "")) for r in results])
    for metric in _metrics(document):
        title = study.metric_title if metric == study.metric else metric_title(metric)
        add(f"{title}, n", [num(f"{form.score(r.metrics.get(metric), metric, study)}{_n(r, metric)}") for r in results])
        show = form.metric_form(metric, study)
        add(
            f"{title} at each seed",
            [num(" · ".join(show(v) for v in r.per_seed.get(metric, [])) or form.MISSING) for r in results],
        )
    add("Seeds", [num(", ".join(map(str, r.seeds)) or form.MISSING) for r in results])
    for title, key in (("Items", "items"), ("Answered", "answered"), ("Errors", "errors"), ("Abstained", "abstained")):
        add(title, [num(form.count(getattr(r, key))) for r in results])
    add("Kinds of error", [plain(", ".join(f"{k}: {n}" for k, n in r.error_kinds.items()) or form.MISSING) for r in results])
    for p in ("p50", "p90", "p95", "p99"):
        add(f"Time per item, {p}", [num(form.percentile_range(r.latency_seconds, p)) for r in results])
    add("Times measured, n", [num(form.count(r.latency_seconds.n)) for r in results])
    add("Throughput, items a second", [num(form.interval(r.throughput_per_second, form.number)) for r in results])
    add("Cold start", [num(form.seconds(r.cold_start_seconds)) for r in results])
    add("Peak memory", [num(form.size(r.peak_bytes)) for r in results])
    add("Model on disk", [num(form.size(r.model_bytes)) for r in results])
    add("Training", [num(form.seconds(r.fit_seconds)) for r in results])
    add("Tokens in, mean", [num(form.number(r.tokens_in)) for r in results])
    add("Tokens out, mean", [num(form.number(r.tokens_out)) for r in results])
    add("Cost per 1,000", [num(form.usd_range(r.usd_per_1000)) for r in results])
    add("Cost a day", [num(form.usd_range(r.usd_per_day)) for r in results])
    add("Machines at peak", [num(form.count(r.replicas)) for r in results])
    add("Paid to endpoints in this run", [num(form.usd(r.paid_usd)) for r in results])
    for limit in dict.fromkeys(limit for r in results for limit in r.limits):
        add(f"Sure that {limit}", [num(form.share(r.limits.get(limit))) for r in results])
    add("Within limits", [plain("yes" if r.within_limits else "no") if r.limits else plain(form.MISSING) for r in results])
    add("On the front", [plain("yes" if r.on_front else "no") if r.metrics else plain(form.MISSING) for r in results])
    add("Wins, share of samples", [num(form.percent(r.win_share)) for r in results])
    add("Measured on", [plain(_context(r)) for r in results])
    return Table("Everything measured", ("Measure", *(r.name for r in results)), rows)


def _n(result: ApproachResult, metric: str) -> str:
    return f", n = {result.metrics[metric].n:,}" if metric in result.metrics else ""


def _context(result: ApproachResult) -> str:
    if result.context is None:
        return form.MISSING
    load = form.number(result.context.load_average) if result.context.load_average is not None else "unknown"
    return f"{result.context.device}, {result.context.threads} thread(s), load {load}"


def differs(document: Document) -> Table | None:
    """Settings that differ, one row each; an approach without the setting has a dash."""
    if not document.differs:
        return None
    names = [r.name for r in ordered(document) if any(r.name in values for values in document.differs.values())]
    rows = [
        [plain(key), *(Cell(form.setting(values[name])) if name in values else Cell(form.MISSING) for name in names)]
        for key, values in document.differs.items()
    ]
    return Table("Settings that differ", ("Setting", *names), rows)


def settings(document: Document) -> list[tuple[ApproachResult, list[tuple[str, str]], list[tuple[str, str]]]]:
    """Each approach with its settings as run, and what was chosen on validation."""

    def pairs(given: dict[str, Any]) -> list[tuple[str, str]]:
        return [(key, form.setting(value)) for key, value in given.items() if key != "parts"]  # of a network: see report.agents

    return [(r, pairs(r.settings), pairs(r.chosen)) for r in ordered(document)]


WORDS = {
    "superior": ("▲", "superior"),
    "inferior": ("▼", "inferior"),
    "non-inferior": ("≥", "non-inferior"),
    "at most margin better": ("≤", "non-superior"),
    "equivalent": ("=", "equivalent"),
    "undecided": ("?", "undecided"),
}


class Square(NamedTuple):
    """One cell of the pairs matrix."""

    symbol: str
    word: str
    shown: str
    kind: str


def pairs_matrix(document: Document) -> tuple[list[str], list[list[Square | None]]] | None:
    """Row against column for every pair; None on the diagonal and where a pair was not compared."""
    names, seen = measured(document), seen_from(document)
    if not seen:
        return None
    percent = document.study.percent
    rows: list[list[Square | None]] = []
    for a in names:
        row: list[Square | None] = []
        for b in names:
            found = seen.get((a, b))
            if found is None:
                row.append(None)
                continue
            symbol, word = WORDS[found.verdict]
            row.append(Square(symbol, word, form.difference(found.mid, percent_points=percent), found.verdict.replace(" ", "-")))
        rows.append(row)
    return names, rows


def pairs_table(document: Document) -> Table | None:
    """Every pair with its difference, both p values, McNemar's counts and the items that would settle it."""
    if not document.pairs:
        return None
    study = document.study
    rows = []
    for pair in document.pairs:
        exact = pair.mcnemar
        rows.append(
            [
                plain(f"{pair.a} − {pair.b}"),
                Cell(form.difference_range(pair.difference, study), pair.difference.mid, "num"),
                plain(pair.verdict),
                Cell(p_value(pair.p), pair.p, "num"),
                Cell(p_value(pair.p_raw), pair.p_raw, "num"),
                Cell(
                    f"{exact.only_a} / {exact.only_b}" if exact else form.MISSING,
                    kind="num",
                    note=f"p {p_value(exact.p)}" if exact else "",
                ),
                Cell(form.percent(pair.a_beats_b, 0), pair.a_beats_b, "num"),
                Cell(form.count(pair.n_to_settle), pair.n_to_settle, "num"),
                plain(pair.says),
            ]
        )
    unit = "points" if study.percent else study.metric_title
    head = (
        "Pair",
        f"Difference ({unit})",
        "Verdict",
        "p (Holm)",
        "p (raw)",
        "Only one right",
        "Ahead, share of seeds",
        "Items to settle",
        "In words",
    )
    return Table(f"Every pair on {study.metric_title}", head, rows)


def p_value(value: float) -> str:
    """A p value with three decimals; small ones as a bound: ``< 0.001``."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
