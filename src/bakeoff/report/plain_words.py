"""What load, hard inputs and hosted prices mean to who decides: sentences for the memo's first page, without jargon."""

from __future__ import annotations

from bakeoff.decide.changes import FEWEST_OF_A_KIND
from bakeoff.decide.record import ApproachResult, Document, EdgeSet
from bakeoff.report import format as form
from bakeoff.report.hard_cases import SMALL
from bakeoff.report.serving import Served, limit_of, served

MOST_HOSTED, MOST_KINDS = 3, 5
_OFTEN = {"p50": "half of them", "p90": "9 in 10 of them", "p95": "19 in 20 of them", "p99": "99 in 100 of them"}


def _chosen(document: Document) -> ApproachResult | None:
    return next((r for r in document.approaches if r.name == document.verdict.choice), None)


def holds(document: Document) -> str:
    """Up to which rate the choice kept the limit, and how many machines the busiest time takes; empty where not served."""
    chosen = _chosen(document)
    row: Served | None = next((s for s in served(document) if chosen and s.name == chosen.name), None)
    if chosen is None or row is None:
        return ""
    limit, found = limit_of([row]), row.result.highest_rate
    if row.result.status != "done":
        return f"It could not be tried behind a server: {(row.result.failure or 'no reason was kept').rstrip('.')}."
    if limit.seconds is None or not row.result.steps:
        return ""
    within = f"{_OFTEN[limit.percentile]} answered within {form.setting(limit.seconds * 1000)} ms"
    if found is None:
        said = f"Behind a server on one machine, no rate was found at which it had {within}."
    else:
        least = "" if form.finite(found.high) and found.high > found.mid else "at least "
        said = f"Behind a server on one machine it kept up with {least}{form.number(found.mid)} requests a second, {within}."
    if chosen.replicas:
        volume = f"the busiest time of {form.count(document.study.volume_per_day)} items a day"
        many = chosen.replicas > 1
        said += f" For {volume}, {chosen.replicas:,} machines are needed." if many else f" One machine is enough for {volume}."
    return said


def hard(document: Document) -> list[str]:
    """How the choice does on hard inputs: written ones and changed copies, a sentence each."""
    chosen = _chosen(document)
    if chosen is None:
        return []
    sets = sorted(document.edge_sets, key=lambda edge: edge.source != "written")
    return [said for edge in sets if (said := _hard(chosen, edge))]


def _hard(chosen: ApproachResult, edge: EdgeSet) -> str:
    whole = edge.overall.get(chosen.name)
    if whole is None:
        return ""
    said = ""
    if edge.source == "written" and whole.accuracy is not None:
        a = whole.accuracy
        said = f"On the {whole.judged:,} hard inputs of the set {edge.name}, it was right on "
        if whole.judged < SMALL:
            return said + f"{whole.right}: too few to say how often it would be on others."
        said += f"{a.mid * 100:.0f} of 100 (likely between {a.low * 100:.0f} and {a.high * 100:.0f})."
        kinds = [k for k in edge.results.get(chosen.name, []) if k.judged >= FEWEST_OF_A_KIND and k.accuracy is not None]
        if len(kinds) > 1:
            worst = min(kinds, key=lambda k: (k.right / k.judged, k.kind))
            what = edge.kinds.get(worst.kind, "")
            said += f" Hardest for it: {worst.kind}{f' ({what})' if what else ''}, right on {worst.right} of {worst.judged}."
        said += _better(chosen, edge)
    elif whole.flip_rate is not None:
        f = whole.flip_rate
        alike = ", because copies of one item are alike" if f.n < whole.pairs else ""
        said = (
            f"Changes that should not matter ({_some(edge)}) changed its answer on {whole.flips:,} of {whole.pairs:,} changed test "
            f"items: {f.mid * 100:.0f} of 100 (likely between {f.low * 100:.0f} and {f.high * 100:.0f}{alike})."
        )
    return said


def _better(chosen: ApproachResult, edge: EdgeSet) -> str:
    """Who was right on more of the hard inputs than the choice: what a lead must hear even where the choice is clear."""
    own = edge.overall[chosen.name].accuracy
    others = [(one.accuracy, name) for name, one in edge.overall.items() if name != chosen.name and one.accuracy is not None]
    best, name = max(others, key=lambda found: (found[0].mid, found[1]), default=(None, ""))
    if own is None or best is None or best.mid <= own.mid:
        return ""
    return (
        f" On the whole set {name} was right on more: {best.mid * 100:.0f} of 100 (likely between {best.low * 100:.0f} and "
        f"{best.high * 100:.0f})."
    )


def _some(edge: EdgeSet) -> str:
    kinds = list(edge.kinds)
    return ", ".join(kinds[:MOST_KINDS]) + (" and others" if len(kinds) > MOST_KINDS else "") or "small ones"


def hosted(document: Document) -> str:
    """The cheapest hosted models at list price, for comparison; empty where none was asked for."""
    found = sorted(document.hosted, key=lambda h: (h.usd_per_day, h.model))[:MOST_HOSTED]
    if not found:
        return ""
    prices = ", ".join(f"{h.model} {form.usd(h.usd_per_day)} a day" for h in found)
    return f"For comparison, the list price of hosted models for the same items: {prices}. How often they would be right was not measured."
