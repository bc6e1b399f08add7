"""The report: one HTML file that opens from disk with the network off and reads without scripts."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pydantic import BaseModel

from bakeoff.decide.record import Check, Document
from bakeoff.report import (
    agents,
    agents_seen,
    agreement,
    arithmetic,
    change_ledger,
    decision,
    evidence,
    hard_cases,
    hosted,
    insight,
    measurements,
    mistakes,
    serving,
    tables,
    ties,
    training,
)
from bakeoff.report import format as form
from bakeoff.report.charts import strips, svg
from bakeoff.report.palette import DARK, LIGHT, Look, looks
from bakeoff.report.text import clean, clip, isolated, sentences, short

LARGEST = 1_000_000
"""Bytes: a page is under this, whatever the document holds, apart from the pictures of its items and the films of its agents."""

LARGEST_OF_AGENTS = 2_000_000
"""Bytes of the page of a study of agents that would otherwise lose its views: curves on two clocks, and maps, for each approach and repair."""

PICTURE = re.compile(r"data:image/(?:webp|png|jpeg);base64,[A-Za-z0-9+/]+={0,2}")
MOST_PICTURES = 1_000_000
"""Bytes of pictures that a page may hold besides. With more of them, they are cut like any long text."""

MOST_STEPS = 8
"""Rates of one server on a page that is too large otherwise."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'"

SECTIONS = (
    ("evidence", "The evidence"),
    ("agents", "Agents"),
    ("comparison", "Side by side"),
    ("changes", "What each change was worth"),
    ("differs", "What differs"),
    ("mistakes", "Which items each got wrong"),
    ("hard", "Hard cases"),
    ("insight", "Looking inside"),
    ("training", "How training went"),
    ("learning", "How much data it takes"),
    ("latency", "How long one item takes"),
    ("load", "Under load"),
    ("agreement", "Does it agree with itself?"),
    ("calibration", "Does it know when it is unsure?"),
    ("arithmetic", "Quality against arithmetic"),
    ("cost", "Cost and break-even"),
    ("hosted", "Hosted, by list price"),
    ("decision", "Decision matrix"),
    ("sensitivity", "What would change the choice"),
    ("pairs", "Which differences are real"),
    ("checks", "Checks"),
    ("untested", "What was not tested"),
    ("reproduce", "How to reproduce"),
    ("data", "The data"),
)

ASKED_FOR = frozenset(
    {"agents", "changes", "hard", "insight", "training", "load", "agreement", "arithmetic", "hosted", "decision"}
)
"""Sections that a page has only where the study asked for them; the others say what was not measured."""

KINDS = {
    "clear": ("●", "Clear"),
    "good_enough": ("◐", "Good enough"),
    "undecided": ("○", "Undecided"),
    "none_within_limits": ("⊘", "None within the limits"),
    "nothing_ran": ("⊘", "Nothing ran"),
}

OUTCOMES = {
    "problem": ("!", "Problem"),
    "could_not_run": ("?", "Could not run"),
    "tip": ("→", "Tip"),
    "passed": ("✓", "Passed"),
    "not_applicable": ("–", "Not applicable"),
}


class Size(NamedTuple):
    """How much of a document is put on a page: characters of one text, times of one approach, items.

    `singles` are the times of requests one after the other, `loads` those of every other step and clock; `over_time` is
    whether steps keep their requests in order, which no figure of the report needs.
    """

    text: int
    samples: int
    examples: int
    views: bool
    singles: int
    loads: int
    over_time: bool = False


_SIZES = (
    Size(4_000, 400, 60, True, 400, 400, over_time=True),
    Size(4_000, 400, 60, True, 400, 400),
    Size(4_000, 400, 60, True, 200, 0),
    Size(1_000, 200, 60, True, 100, 0),
    Size(400, 100, 30, True, 60, 0),
    Size(200, 40, 10, False, 40, 0),
    Size(80, 0, 0, False, 20, 0),
)


def page(document: Document) -> str:
    """The whole report as one HTML text of less than 1 MB (of agents at most 2 MB), pictures of items and films apart.

    Parameters
    ----------
    document : Document
        The only source: no figure is shown that is not in it. Every text in it is shown as text.

    Returns
    -------
    str
        HTML that makes no request, carries its own content policy, and holds the document as JSON. Where the
        document is too large for that, long texts, single times and items are cut, and the page says so.
    """
    made = larger = ""
    for step, size in enumerate(_SIZES):
        kept = shortened(document, size)
        if step == 0:
            whole = kept == document
        cut = "" if kept == document else "order" if whole and step == 1 else "more"
        if larger and not size.views:
            made = larger
            break
        made = environment().get_template("page.html.j2").render(_context(kept, cut=cut))
        bytes_ = len(made.encode("utf-8", "replace")) - picture_bytes(kept) - agents_seen.media_bytes(kept.views)
        if bytes_ < LARGEST:
            break
        larger = made if kept.views.get("control") and bytes_ < LARGEST_OF_AGENTS else ""
    return made.encode("utf-8", "replace").decode("utf-8")


def picture_bytes(document: Document) -> int:
    """Bytes of all pictures in the views."""

    def walk(value: Any) -> int:
        if isinstance(value, str):
            return len(value) if value.startswith("data:image/") and PICTURE.fullmatch(value) else 0
        if isinstance(value, dict):
            return sum(walk(each) for each in value.values())
        return sum(walk(each) for each in value) if isinstance(value, list) else 0

    return walk(document.views)


def shortened(document: Document, size: Size) -> Document:
    """The document with long texts clipped, times thinned and items cut to `size`; equal to it where nothing is too long."""

    views = agents_seen.bounded(document.views)
    document = document.model_copy(update={"views": views if size.over_time else agents_seen.thinned(views)})
    pictured = picture_bytes(document) <= MOST_PICTURES

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            if value.startswith("data:") and agents_seen.FILM.fullmatch(value):
                return value  # bounded already
            if pictured and value.startswith("data:image/") and PICTURE.fullmatch(value):
                return value
            return value if len(value) <= size.text else f"{value[: size.text]} … ({len(value):,} characters)"
        if isinstance(value, dict):
            return {walk(key): walk(each) for key, each in value.items()}
        return [walk(each) for each in value] if isinstance(value, list) else value

    given = walk(document.model_dump())
    for result in (*given["approaches"], *given["changed"]):
        result["latency_seconds"]["samples"] = list(strips.thin(result["latency_seconds"]["samples"], size.samples))
    given["mistakes"]["examples"] = given["mistakes"]["examples"][: size.examples]
    for server in given["serving"]:
        thin_steps(server, size.singles, size.loads, over_time=size.over_time)
        if not size.views:  # a search ends near its answer: the last rates tried are the ones that count
            server["steps"] = server["steps"][-MOST_STEPS:]
    for edge in given["edge_sets"]:
        edge["flips"], edge["wrong_by_all"] = edge["flips"][: size.examples], edge["wrong_by_all"][: size.examples]
        if not size.examples:
            edge["results"] = {}
    if not size.views:
        given["views"] = {}
    return Document.model_validate(given)


def thin_steps(server: dict[str, Any], singles: int, loads: int, *, over_time: bool) -> None:
    """Thin a dumped `ServingResult` in place.

    `singles` times of the first-token and total clocks one at a time are kept, `loads` of all else, and the requests in their
    order or none of them.
    """
    for step in (server["single"], server["offline"], *server["steps"]):
        if step is None:
            continue
        if not over_time:
            step["over_time"] = []
        for key, times in step.items():
            if isinstance(times, dict) and "samples" in times:
                shown = step is server["single"] and key in ("total_seconds", "first_token_seconds")
                times["samples"] = list(strips.thin(times["samples"], singles if shown else loads))


def sections(document: Document) -> list[tuple[str, str]]:
    """The sections of this document's page, in order: key and title."""
    has = {
        "agents": bool(document.views.get("control")),
        "changes": document.change_ledger is not None and bool(document.change_ledger.entries),
        "hard": bool(document.edge_sets),
        "insight": insight.insight(document) is not None,
        "training": bool(training.courses(document)),
        "load": bool(document.serving),
        "agreement": bool(document.consistency),
        "arithmetic": bool(arithmetic.counted(document)),
        "hosted": bool(document.hosted),
        "decision": bool(document.matrix.rows),
    }
    return [(key, title) for key, title in SECTIONS if key not in ASKED_FOR or has[key]]


def as_json(document: BaseModel) -> Markup:
    """The document as JSON that can stand in a ``<script>``: ASCII, no ``< > &``, figures that are not finite as null.

    Pictures are on the page already: their addresses are not repeated.
    """

    def finite(value: Any) -> Any:
        if isinstance(value, str) and value.startswith(("data:image/", "data:video/")):
            return "(on the page)"
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if isinstance(value, dict):
            return {str(key): finite(each) for key, each in value.items()}
        return [finite(each) for each in value] if isinstance(value, list | tuple) else value

    text = json.dumps(
        finite(document.model_dump(mode="python")), ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=str
    )
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


@cache
def environment() -> Environment:
    """The templates with their filters; shared with the page of a load test."""
    made = Environment(
        loader=PackageLoader("bakeoff.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        user=_user,
        clip=clip,
        attribute=lambda value: isolated(clean(value)),
        short=short,
        count=form.count,
        seconds=form.seconds,
        setting=form.setting,
    )
    made.globals.update(swatch=_swatch, palette_css=_palette_css, source=_source, missing=form.MISSING)
    return made


def _user(value: Any, longest: int = 2_000) -> Markup:
    """Text that somebody else wrote, isolated from the direction of the text around it."""
    return Markup("<bdi>{}</bdi>").format(clip(value, longest))


def _source(name: str) -> Markup:
    loader = environment().loader
    return Markup(loader.get_source(environment(), name)[0]) if loader else Markup()


def _palette_css(theme: str) -> Markup:
    return Markup("".join(f"--c{index}:{colour};" for index, colour in enumerate(LIGHT if theme == "light" else DARK)))


def _swatch(look: Look) -> Markup:
    return Markup(
        f'<svg class="swatch" viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">{svg.marker(7, 7, look, 5)}</svg>'
    )


class Fact(NamedTuple):
    """One of the figures under the verdict."""

    title: str
    value: str
    note: str


def facts(document: Document) -> list[Fact]:
    """What the choice is, in four figures; empty where nothing was chosen."""
    study, verdict = document.study, document.verdict
    chosen = next((r for r in document.approaches if r.name == verdict.choice), None)
    if chosen is None:
        return []
    made = []
    if value := chosen.metrics.get(study.metric):
        show = form.metric_form(study.metric, study)
        made.append(Fact(study.metric_title, show(value.mid), f"{show(value.low)} to {show(value.high)}, n = {value.n:,}"))
    if chosen.usd_per_day:
        made.append(Fact("Cost a day", form.usd(chosen.usd_per_day.mid), f"at {form.volume(study.volume_per_day)}"))
    times = chosen.latency_seconds
    if times.p50 is not None:
        tail = f"p90 {form.percentile(times, 'p90')}"
        made.append(Fact("Time per item", form.seconds(times.p50), f"p50; {tail}, n = {times.n:,}"))
    if verdict.sure is not None:
        made.append(Fact("Wins", form.share(verdict.sure), "of sampled weights and measurements"))
    return made


def checks(document: Document) -> list[tuple[Check, str, str]]:
    """Checks with their symbol and word: problems first, then those that could not run."""
    order = list(OUTCOMES)
    found = sorted(document.checks, key=lambda check: (order.index(check.outcome), check.code))
    return [(check, *OUTCOMES[check.outcome]) for check in found]


def checks_say(document: Document) -> str:
    """How the checks came out, in words: ``1 problem, 1 could not run, 2 passed``."""
    counts = [(sum(c.outcome == o for c in document.checks), word.lower()) for o, (_, word) in OUTCOMES.items()]
    return ", ".join(f"{n} {word + 's' if n > 1 and word in ('problem', 'tip') else word}" for n, word in counts if n)


def _kind(document: Document) -> tuple[str, str]:
    if document.verdict.kind == "none_within_limits" and not document.study.limits:
        return KINDS["none_within_limits"][0], "None recommended"
    return KINDS[document.verdict.kind]


def _serving(document: Document) -> dict[str, Any] | None:
    rows = serving.served(document)
    if not rows:
        return None
    return {
        "limit": serving.limit_of(rows),
        "intended": serving.INTENDED,
        "summary": serving.summary(rows),
        "energy": serving.energy_note(rows),
        "rates": serving.rates(rows),
        "times": serving.distribution(rows),
        "invalid": serving.invalid(rows),
        "everything": serving.everything(rows),
        "steps": serving.steps_table(rows),
    }


def _asked_for(document: Document) -> dict[str, Any]:
    """What the sections of `ASKED_FOR` show; None where the document has nothing for one."""
    found = agreement.results(document)
    return {
        "agents": agents.agents(document),
        "ledger": change_ledger.change_ledger(document),
        "hard": hard_cases.hard_cases(document),
        "insight": insight.insight(document),
        "training": training.training(document),
        "load": _serving(document),
        "agree": {
            "figure": agreement.agreement(document),
            "table": agreement.table(document),
            "says": [(c.approach, c.says) for c in found if c.says],
            "formats": agreement.formats(document),
        }
        if found
        else None,
        "flops": {"figure": arithmetic.arithmetic(document), "table": operations}
        if (operations := arithmetic.table(document))
        else None,
        "hosted": {
            "figure": hosted.hosted(document),
            "table": listed,
            "tokens": hosted.tokens_note(document),
            "break_evens": hosted.break_evens(document),
        }
        if (listed := hosted.table(document))
        else None,
        "decision": decision.decision(document),
    }


def _pairs(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(key, form.setting(value)) for key, value in given.items()]


def _heaviest(weight: tuple[str, float]) -> tuple[float, str]:
    return -weight[1], weight[0]


def _context(document: Document, *, cut: str) -> dict[str, Any]:
    lead, rest = sentences(document.verdict.sentence)
    return {
        "d": document,
        "policy": POLICY,
        "sections": sections(document),
        "title": f"{isolated(clean(document.study.name))}: {short(lead, 90)}",
        "lead": lead,
        "rest": rest,
        "kind": _kind(document),
        "facts": facts(document),
        "fig": {
            "evidence": evidence.evidence(document),
            "tradeoff": evidence.tradeoff(document),
            "learning": measurements.learning(document),
            "latency": measurements.latency(document),
            "reliability": measurements.reliability(document),
            "breakeven": measurements.break_even(document),
            "shares": measurements.win_shares(document),
            "differences": evidence.differences(document),
        },
        "order_note": ties.order_note(document),
        "cost_note": tables.COST_NOTE if any(r.usd_per_1000 for r in document.approaches) else "",
        "break_evens": measurements.own_break_evens(document),
        "comparison": tables.comparison(document),
        "everything": tables.everything(document),
        "differs": tables.differs(document),
        "settings": tables.settings(document),
        "confusions": mistakes.confusions(document),
        "only": mistakes.only_table(document),
        "items": mistakes.listed(document),
        "pictures": mistakes.pictures(document),
        "longest": (mistakes.LONGEST_ITEM, mistakes.LONGEST_ANSWER),
        "matrix": tables.pairs_matrix(document),
        "pairs": tables.pairs_table(document),
        "looks": looks(r.name for r in document.approaches),
        "day": document.reproduce.started[:10],
        "prices": _pairs(document.study.prices),
        "weights": [
            (name, form.percent(weight, 0)) for name, weight in sorted(document.sensitivity.weights.items(), key=_heaviest)
        ],
        "anchors": _pairs(document.study.anchors),
        "data_facts": _pairs(document.data.facts),
        "changes": list(dict.fromkeys([*document.sensitivity.changes, *document.verdict.would_change])),
        "margin": form.margin(document.study),
        "volume": form.volume(document.study.volume_per_day),
        "checks": checks(document),
        "checks_say": checks_say(document),
        "json": as_json(document),
        "cut": cut,
        **_asked_for(document),
    }
