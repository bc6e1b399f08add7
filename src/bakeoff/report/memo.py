"""The memo: two pages of Markdown. The first for who decides, without jargon; the second for who builds."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bakeoff.decide.record import ApproachResult, Document
from bakeoff.decide.values import is_floor, scored_share
from bakeoff.report import (
    agents,
    agreement,
    arithmetic,
    change_ledger,
    decision,
    evidence,
    hard_cases,
    hosted,
    measurements,
    plain_words,
    serving,
    tables,
    ties,
)
from bakeoff.report import format as form
from bakeoff.report.charts import svg
from bakeoff.report.mistakes import listed
from bakeoff.report.page import OUTCOMES, checks, checks_say
from bakeoff.report.tables import Table
from bakeoff.report.text import clip, isolated, sentences, short

BAR = 36
MOST_ITEMS = 12

_SPECIAL = re.compile(r"[\\`*\[\]|~]")
_EDGE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINE_START = re.compile(r"^(#{1,6}(?=\s|$)|[+-](?=\s|$)|>|[=-]+\s*$)")
_NUMBERED = re.compile(r"^(\s*\d+)([.)])(?=\s|$)")

_AT_MOST, _LEVEL = r"\s*(?:<=?|at most|below)\s*", r"(\d[\d.,]*\s?(?:µs|us|ms|s|min|h)\b)"
_AT_LEAST, _SHARE = r"\s*(?:>=?|at least|above)\s*", r"(\d[\d.,]*\s?%)"
_PLAIN = (
    (r"`([^`]+)`", r'"\1"'),
    *(
        (rf"\bp{p} {measure}{_AT_MOST}{_LEVEL}", rf"a {words} of at most \1 for {often}")
        for p, often in ((50, "half of the items"), (90, "9 in 10 items"), (95, "19 in 20 items"), (99, "99 in 100 items"))
        for measure, words in (("latency", "waiting time"), ("first token", "wait for the first word"))
    ),
    (rf"\bserved rate{_AT_LEAST}([\d.,]+)/s", r"at least \1 requests a second"),
    (rf"\bedge accuracy{_AT_LEAST}{_SHARE}", r"at least \1 of hard inputs right"),
    (rf"\bflips{_AT_MOST}{_SHARE}", r"at most \1 of answers turned by small changes"),
    (rf"\bconsistency{_AT_LEAST}{_SHARE}", r"the same answer again to at least \1 of questions"),
    (r"\bp50 latency\b", "the typical waiting time"),
    (r"\bp90 latency\b", "the waiting time of 9 in 10 items"),
    (r"\bp95 latency\b", "the waiting time of 19 in 20 items"),
    (r"\bp99 latency\b", "the waiting time of 99 in 100 items"),
    (r"\bp50\b", "the typical time"),
    (r"\bp90\b", "the time of 9 in 10 items"),
    (r"\bp95\b", "the time of 19 in 20 items"),
    (r"\bp99\b", "the time of 99 in 100 items"),
    (r"\bp[- ]values?\b", "chance figure"),
    (r"\b(95% )?(CIs?|confidence intervals?)\b", "likely range"),
    (r"\b(macro|micro|weighted)[ _-]?F1\b", "balanced score"),
    (r"\bF1\b", "balanced score"),
    (r"\bnon-inferior to\b", "no worse, by more than the margin, than"),
    (r"\bnon-inferior\b", "no worse by more than the margin"),
    (r"\bstatistically significant\b", "real"),
    (r"\b(log[ _-]loss|Brier score|ECE)\b", "error of its stated certainty"),
    (r"\blatency\b", "waiting time"),
    (r"\bPareto front\b", "set of best trade-offs"),
    (r"\s*<=\s*", " at most "),
    (r"\s*>=\s*", " at least "),
)

PROMPTED = frozenset({"prompted-llm", "endpoint"})
"""Approaches that prompt a language model, by what they use."""

ADVICE = {
    "clear": "Use {choice}.",
    "good_enough": "Use {choice}: it is good enough by what was asked for beforehand.",
    "undecided": "Use {choice} for now, and know that the test does not settle it.",
    "none_within_limits": "Use none of them as they are: none keeps within the limits that were set.",
    "none_recommended": "Use none of them as they are: none is better than always giving the same answer.",
    "no_choice": "Settle nothing on quality yet: the test could not tell the best ones apart.",
    "alone": "Use {choice} for now, and know that there was no other to compare it with.",
    "unrivalled": "Use {choice} for now, and know that no other approach here could be chosen instead.",
    "no_better_than_floor": "Use none of them yet: {choice} is ahead, but its lead over always giving the same answer may be chance.",
    "nothing_ran": "Decide nothing yet: nothing was measured.",
}


def memo(document: Document) -> str:
    """The memo as Markdown. Every text from the data is shown as text: no HTML, link or formula in it acts.

    Parameters
    ----------
    document : Document
        The only source of every figure.

    Returns
    -------
    str
        CommonMark with tables (GitHub flavour), ending in a newline.
    """
    made = _environment().get_template("memo.md.j2").render(_context(document))
    return re.sub(r"\n{3,}", "\n\n", made).strip().encode("utf-8", "replace").decode("utf-8") + "\n"


def escape(value: Any) -> Markup:
    """Text for Markdown: one line in which no character starts markup, HTML, an entity or a link."""
    if isinstance(value, Markup):
        return value
    line = " ".join(clip(value, 2_000).split())
    line = _SPECIAL.sub(lambda m: "\\" + m[0], line)
    line = _EDGE.sub(r"\\_", line)
    line = re.sub(r"&(?=#?\w+;)", "&amp;", line)
    line = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", line)
    line = re.sub(r"(?i)\b(https?|ftp|mailto|javascript|data|xmpp):(?=\S)", r"\1\\:", line)
    line = re.sub(r"(?i)\bwww\.", r"www\\.", line)
    line = _LINE_START.sub(r"\\\1", line)
    return Markup(_NUMBERED.sub(r"\1\\\2", line))


def verbatim(value: Any, longest: int = 160) -> Markup:
    """Somebody else's text as a code span of one line, safe inside a table cell."""
    line = " ".join(clip(value, longest).split()) or " "
    ticks = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return Markup(f"{ticks}{pad}{isolated(line)}{pad}{ticks}".replace("|", "\\|"))


def fenced(value: Any, language: str = "") -> Markup:
    """A code block whose fence is longer than any run of backticks in it."""
    text = clip(value, 20_000).rstrip("\n")
    ticks = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return Markup(f"{ticks}{language}\n{text}\n{ticks}")


def plain(text: Any) -> str:
    """The text without the field's jargon, for the first page."""
    said = str(text)
    for jargon, words in _PLAIN:
        said = re.sub(jargon, words, said, flags=re.IGNORECASE if "CI" not in jargon and "ECE" not in jargon else 0)
    return said


def table(given: Table) -> Markup:
    """A table in GitHub's flavour; numbers are right-aligned."""
    if not given.rows:
        return Markup()
    head = "| " + " | ".join(escape(title) for title in given.head) + " |"
    rule = "| " + " | ".join("---:" if cell.kind == "num" else "---" for cell in given.rows[0]) + " |"
    rows = []
    for row in given.rows:
        cells = [
            f"**{escape(c.text)}**" if c.strong else f"{escape(c.text)}" + (f" ({escape(c.note)})" if c.note else "") for c in row
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return Markup("\n".join([head, rule, *rows]))


def text_chart(document: Document) -> str:
    """The chart that supports the verdict in characters: a dot for each measured value on its 95% interval."""
    names, study = ties.measured(document), document.study
    if not names:
        return ""
    by_name, off, found = {r.name: r for r in document.approaches}, evidence.off_scale(document), ties.letters(document)
    show = form.metric_form(study.metric, study)
    values = [v for n in names if n not in off for v in _ends(by_name[n], study.metric)]
    scale = svg.linear(values, 0, BAR - 1, floor=0.0 if study.percent else None, top=1.0 if study.percent else None)
    wide = min(28, max(len(name) for name in names))
    lines = [
        f"{study.metric_title}, {show(scale.low)} to {show(scale.high)}   ● measured   ├─┤ 95% interval   letters: tie groups",
        "",
    ]
    for name in names:
        value = by_name[name].metrics[study.metric]
        bar = [" "] * BAR
        if name in off:
            bar[0 if value.mid < scale.low else -1] = "◀" if value.mid < scale.low else "▶"
        else:
            low, mid, high = (round(scale(v)) for v in (value.low, value.mid, value.high))
            bar[low : high + 1] = ["─"] * (high + 1 - low)
            bar[low], bar[high], bar[mid] = "├", "┤", "●"
        chosen = "  ← choice" if name == document.verdict.choice else ""
        score = f"{form.score(value, study.metric, study):<24}"
        lines.append(f"{short(name, wide):<{wide}}  {''.join(bar)}  {score} {' '.join(found[name])}{chosen}".rstrip())
    return "\n".join(lines)


def _ends(result: ApproachResult, metric: str) -> tuple[float, float, float]:
    value = result.metrics[metric]
    return value.low, value.mid, value.high


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("bakeoff.report", "templates"),
        autoescape=True,
        finalize=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        verbatim=verbatim,
        fenced=fenced,
        plain=plain,
        grid=table,
        count=form.count,
        seconds=form.seconds,
        setting=form.setting,
        clip=clip,
    )
    return made


def _quality(result: ApproachResult, document: Document) -> str:
    """The primary metric without its name where it is plainly a share of right answers."""
    study, value = document.study, result.metrics.get(document.study.metric)
    if value is None:
        return form.MISSING
    if _counts_right(document):
        share = scored_share(result)
        return f"{value.mid * 100:.1f} of 100" + (f" answered ({1 - share:.1%} left open)" if share < 0.995 else "")
    return form.metric_form(study.metric, study)(value.mid)


def _counts_right(document: Document) -> bool:
    return document.study.percent and "accuracy" in document.study.metric.lower()


def _business_table(document: Document) -> Table:
    tied, title = ties.tied_with(document), "Right answers" if _counts_right(document) else plain(document.study.metric_title)
    rows = []
    for r in ties.ordered(document):
        state = "" if r.status == "done" else tables.STATUS[r.status]
        rows.append(
            [
                tables.name_cell(r.name, document),
                tables.Cell(state or _quality(r, document), kind="num"),
                tables.Cell(form.usd(r.usd_per_day.mid) if r.usd_per_day else form.MISSING, kind="num"),
                tables.Cell(form.seconds(r.latency_seconds.p50), kind="num"),
                tables.Cell(", ".join(tied.get(r.name, [])) or form.MISSING),
            ]
        )
    return Table("", ("Approach", title, "Cost a day", "Typical wait", "Not told apart from"), rows)


def _sure(document: Document) -> list[str]:
    """How sure the choice is, in sentences without jargon."""
    study, verdict = document.study, document.verdict
    chosen = next((r for r in document.approaches if r.name == verdict.choice), None)
    said = []
    value = chosen.metrics.get(study.metric) if chosen else None
    if value is not None and chosen is not None:
        show = form.metric_form(study.metric, study)
        if _counts_right(document):
            answered = " that it answered" if scored_share(chosen) < 0.995 else ""
            said.append(
                f"{chosen.name} was right on {value.mid * 100:.1f} of 100 test items{answered}. On other items of the same kind, expect "
                f"between {value.low * 100:.1f} and {value.high * 100:.1f}."
            )
        else:
            said.append(
                f"{plain(study.metric_title)} of {chosen.name}: {show(value.mid)}; expect between {show(value.low)} and {show(value.high)}."
            )
        if top := evidence.ceiling(document):
            said.append(f"For comparison: {top[1]}")
        tied = ties.tied_with(document).get(chosen.name, [])
        if tied:
            said.append(f"On {value.n:,} test items it could not be told apart from: {', '.join(tied)}.")
        elif len(ties.measured(document)) > 1:
            said.append(f"On {value.n:,} test items it was told apart from every other approach.")
    if verdict.sure is not None and chosen is not None and len(document.sensitivity.win_shares) > 1:
        said.append(f"It comes first in {form.share(verdict.sure)} of the ways to weigh quality, cost and speed that were tried.")
    said += plain_words.hard(document)
    problems = sum(c.outcome == "problem" for c in document.checks)
    unknown = sum(c.outcome == "could_not_run" for c in document.checks)
    if problems or unknown:
        found = [f"{problems} found a problem"] * (problems > 0) + [f"{unknown} could not be run"] * (unknown > 0)
        said.append(f"Of {len(document.checks)} checks of the test itself, {' and '.join(found)}: see Checks, below.")
    return said or ["Nothing was chosen, so there is nothing to be sure of."]


def _cost(document: Document) -> list[str]:
    chosen = next((r for r in document.approaches if r.name == document.verdict.choice), None)
    asked = f"{form.count(document.study.volume_per_day)} items a day"
    if chosen is None or chosen.usd_per_day is None:
        if chosen is None and any(r.usd_per_day for r in document.approaches):
            return [f"Nothing was chosen. The table above says what each approach would cost for {asked}."]
        return [f"{'Nothing was chosen, and no' if chosen is None else 'No'} cost a day is known, for {asked}."]
    usd = chosen.usd_per_day
    low, high = form.usd(usd.low), form.usd(usd.high)
    said = [f"{form.usd(usd.mid)} a day for {asked}" + (f" (likely between {low} and {high})." if low != high else ".")]
    if served := plain_words.holds(document):
        said.append(served)
    elif chosen.replicas:
        said.append(f"That is {chosen.replicas:,} machine{'s' if chosen.replicas > 1 else ''} at the busiest time.")
    if elsewhere := plain_words.hosted(document):
        said.append(elsewhere)
    return said


def _advice(document: Document) -> str:
    """Which advice suits the verdict: its kind, or why it is undecided or nothing is recommended."""
    verdict, seen = document.verdict, ties.seen_from(document)
    if verdict.kind == "none_within_limits":
        return verdict.kind if document.study.limits else "none_recommended"
    if verdict.choice is None:
        return "nothing_ran" if verdict.kind == "nothing_ran" else "no_choice"
    if verdict.kind != "undecided":
        return verdict.kind
    if len(ties.measured(document)) < 2:
        return "alone"
    for floor in (r.name for r in document.approaches if is_floor(r) and r.name in ties.measured(document)):
        found = seen.get((verdict.choice, floor))
        if found is None or found.verdict != "superior":
            return "no_better_than_floor"
    others = (r for r in document.approaches if r.name != verdict.choice and r.status == "done" and not is_floor(r))
    return "undecided" if any(r.within_limits for r in others) else "unrivalled"


def language_models(document: Document) -> str | None:
    """Whether this needs a language model, in a sentence; None where none was measured, or one is the choice."""
    by_name = {result.name: result for result in document.approaches}
    choice = by_name.get(document.verdict.choice or "")
    if choice is None or choice.use in PROMPTED:
        return None
    known = set(ties.measured(document))
    best = next((r.name for r in ties.ordered(document) if r.use in PROMPTED and r.name in known), None)
    found = ties.seen_from(document).get((choice.name, best)) if best else None
    if best is None or found is None:
        return None
    study = document.study
    scale, unit, digits = (100.0, " points", 1) if study.percent else (1.0, "", 3)
    turn = scale if study.higher_is_better else -scale
    mid, ends = turn * found.mid, sorted((turn * found.low, turn * found.high))
    gap = f"{abs(mid):.{digits}f}{unit} ({ends[0]:.{digits}f} to {ends[1]:.{digits}f})"
    ahead = f"{choice.name} is {'ahead of' if mid >= 0 else 'behind'} the best of them, {best}, by {gap}"
    if found.verdict == "superior":
        said = f"A language model is not needed for this: {ahead}."
    elif found.verdict == "inferior":
        said = f"A language model is more often right here: {ahead}. The table shows what speaks against it."
    elif found.verdict in ("equivalent", "non-inferior"):
        said = f"A language model would not be better by more than the {form.margin(study)} that matter: {ahead}."
    else:
        said = f"Whether a language model would be better is not settled: {ahead}."
    large = any(r.use == "endpoint" and r.name in known for r in document.approaches)
    return said + ("" if large else " That is about the small ones tested here; larger ones were not.")


def _asked_for(document: Document) -> dict[str, Any]:
    """Tables of the engineer's page that are there only where the study asked for them."""
    rows = serving.served(document)
    return {
        "served": serving.summary(rows) if rows else None,
        "steps": serving.steps_table([row for row in rows if row.result.steps], only_rates=True) if rows else None,
        "endpoint": serving.everything(rows) if rows else None,
        "intended": serving.INTENDED,
        "limit": serving.limit_of(rows).says if rows else "",
        "energy": serving.energy_note(rows),
        "hard": [(h, hard_cases.as_table(h.right), hard_cases.as_table(h.flipped)) for h in hard_cases.hard_cases(document)],
        "ledger": change_ledger.change_ledger(document),
        "changes_tried": change_ledger.table(document),
        "agreement": agreement.table(document) if document.consistency else None,
        "formats": agreement.formats(document),
        "arithmetic": arithmetic.table(document),
        "hosted": hosted.table(document),
        "hosted_tokens": hosted.tokens_note(document),
        "hosted_break_evens": hosted.break_evens(document),
        "decision": decision.table(document),
    }


def _context(document: Document) -> dict[str, Any]:
    verdict = document.verdict
    lead, rest = sentences(verdict.sentence)
    advice = ADVICE[_advice(document)]
    return {
        "d": document,
        "lead": lead,
        "rest": rest,
        "advice": advice.replace("{choice}", verdict.choice or ""),
        "language_models": language_models(document),
        "sure": _sure(document),
        "agents": agents.memo_lines(document),
        "cost": _cost(document),
        "business": _business_table(document),
        "tied": any(ties.tied_with(document).values()),
        "chart": text_chart(document),
        "prices": [f"{name}: {form.setting(value)}" for name, value in document.study.prices.items() if name != "notes"],
        "price_notes": document.study.prices.get("notes", []),
        "order_note": ties.order_note(document),
        "cost_note": tables.COST_NOTE if any(r.usd_per_1000 for r in document.approaches) else "",
        "comparison": tables.comparison(document),
        "differs": tables.differs(document),
        "items": listed(document)[:MOST_ITEMS],
        "pairs": tables.pairs_table(document),
        "curve": figure.table if (figure := measurements.learning(document)) else None,
        "break_even": figure.table if (figure := measurements.break_even(document)) else None,
        "checks": checks(document),
        "checks_say": checks_say(document),
        "outcomes": OUTCOMES,
        "changes": list(dict.fromkeys([*verdict.would_change, *document.sensitivity.changes])),
        "volume": form.volume(document.study.volume_per_day),
        "only": [
            (r.name, document.mistakes.only.get(r.name, 0), document.mistakes.only_right.get(r.name, 0))
            for r in ties.ordered(document)
        ],
        **_asked_for(document),
        "load": form.MISSING if document.reproduce.load_average is None else form.setting(document.reproduce.load_average),
    }
