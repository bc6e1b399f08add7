"""What each change to one approach was worth: hypothesis, paired effect with its interval, cost and verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from bakeoff.decide.change_record import ChangedSetting, ChangeEntry, ChangeLedger
from bakeoff.decide.foretold import inside
from bakeoff.decide.parts import Range
from bakeoff.decide.record import Document
from bakeoff.report import format as form
from bakeoff.report.charts import dots
from bakeoff.report.figure import STRANGER, Figure, both, colours_of, listing
from bakeoff.report.tables import STATUS, Cell, Table, plain

SYMBOLS = {"better": "▲", "worse": "▼", "inside the noise": "○", "not measured": "–"}
UNSEEN = "not measured"


class Cost(NamedTuple):
    """One ratio to the base in words, and what it rests on."""

    shown: str
    sub: str


class Line(NamedTuple):
    """One change, ready to be shown. `settings` are (setting, before, after)."""

    entry: ChangeEntry
    settings: Sequence[tuple[str, str, str]]
    effect: str
    ends: str
    symbol: str
    verdict: str
    note: str
    ahead: str
    seeds: str
    fit: Cost
    p50: Cost
    size: str


class Ledger(NamedTuple):
    """The section: what was tried, what could be seen, the chart, one line per change, and all that was measured of them."""

    says: Sequence[str]
    foretold: str
    figure: Figure | None
    lines: Sequence[Line]
    unit: str
    everything: Table | None


def change_ledger(document: Document) -> Ledger | None:
    """The section; None where the study tried no changes."""
    found = document.change_ledger
    if found is None or not found.entries:
        return None
    return Ledger(
        summary(document, found),
        found.foretold.says if found.foretold else "",
        figure(document, found),
        [_line(document, entry) for entry in found.entries],
        "points" if document.study.percent else document.study.metric_title,
        everything(document),
    )


def summary(document: Document, found: ChangeLedger) -> list[str]:
    """What was tried and what came of it, and what the result is good for."""
    counts = Counter[str](entry.verdict for entry in found.entries)
    tried = len(found.entries)
    outcome = ", ".join(f"{counts[word]} {word}" for word in SYMBOLS if counts[word])
    said = [
        f"{tried} change{'s' * (tried != 1)} to {found.base}, {'each alone, ' * (tried > 1)}on the same items and seeds: {outcome}.",
    ]
    if found.compete:
        said.append("The changes compete: they stand in every table above and could be chosen.")
        return said
    better = [entry.approach for entry in found.entries if entry.verdict == "better"]
    said.append(
        "They were no candidates for the choice: it is made among the approaches that the study lists, so that trying many changes "
        "cannot win by luck."
    )
    if better:
        whose = f"{', '.join(better)} {'is' if len(better) == 1 else 'are'} better than {found.base}"
        said.append(f"{whose}: to use {'it' if len(better) == 1 else 'them'}, change {found.base} in the study and run it again.")
    return said


def figure(document: Document, found: ChangeLedger) -> Figure | None:
    """The effect of each change with its interval against the base, in the order of the study."""
    kept = [(entry, entry.effect) for entry in found.entries if entry.effect is not None and form.finite(entry.effect.mid)]
    if not kept:
        return None
    study, look = document.study, colours_of(document).get(found.base, STRANGER)
    rows = [
        dots.Gap(entry.name, look, effect.mid, effect.low, effect.high, form.difference_range(effect, study), entry.verdict)
        for entry, effect in kept
    ]
    unit = "points" if study.percent else study.metric_title
    caption = (
        f"The change minus {found.base}, in {unit} of {inside(study.metric_title)}, paired by item and by seed, with 95% intervals. The band is the "
        f"margin of ±{form.margin(study)}. The verdict counts that {len(found.entries)} changes were tried (Holm), so it can be inside the "
        "noise where the interval just misses 0."
        if len(found.entries) > 1
        else f"The change minus {found.base}, in {unit} of {inside(study.metric_title)}, paired by item and by seed, with its 95% interval. The band "
        f"is the margin of ±{form.margin(study)}."
    )
    table = Table(
        "The figures of this chart",
        ("Change", f"Effect ({unit})", "Verdict", "p (Holm)", "Could be seen"),
        [
            (
                plain(entry.name),
                Cell(form.difference_range(effect, study), effect.mid, "num", note=f"n = {effect.n:,}"),
                plain(entry.verdict),
                Cell(form.number(entry.p), entry.p, "num"),
                Cell(_amount(document, entry.detectable), entry.detectable, "num"),
            )
            for entry, effect in kept
        ],
    )

    def tick(value: float) -> str:
        return form.difference(value, percent_points=True).removesuffix(".0") if study.percent else f"{value:g}"

    better, worse = ("better", "worse") if study.higher_is_better else ("worse", "better")
    title = f"What each change to {found.base} was worth"
    says = listing([f"{row.label}: {row.shown}, {row.verdict}" for row in rows])
    return both(
        "ledger",
        caption,
        table,
        lambda i, w: dots.gaps(
            i,
            rows,
            width=w,
            form=tick,
            zero=0.0,
            zero_says=f"as {found.base}",
            band=study.margin,
            title=title,
            says=says,
            left_says=worse,
            right_says=better,
        ),
    )


def everything(document: Document) -> Table | None:
    """What was measured of the base and of each change that is no candidate; the candidates stand in the tables above."""
    if not document.changed or document.change_ledger is None:
        return None
    study = document.study
    base = [result for result in document.approaches if result.name == document.change_ledger.base]
    rows = [
        [
            plain(result.name),
            Cell(
                form.score(result.metrics.get(study.metric), study.metric, study)
                if result.status == "done"
                else STATUS[result.status],
                kind="num",
            ),
            Cell(form.percentile(result.latency_seconds, "p50"), kind="num"),
            Cell(form.size(result.peak_bytes), kind="num"),
            Cell(form.size(result.model_bytes), kind="num"),
            Cell(form.seconds(result.fit_seconds), kind="num"),
            Cell(form.count(result.errors), kind="num"),
        ]
        for result in (*base, *document.changed)
    ]
    head = ("Approach", study.metric_title, "p50", "Peak memory", "Model on disk", "Training", "Errors")
    return Table("The base and its changes, each by itself", head, rows)


def table(document: Document) -> Table | None:
    """The ledger as a short table, for the memo."""
    found = document.change_ledger
    if found is None or not found.entries:
        return None
    rows = [
        [
            plain(line.entry.name),
            plain("; ".join(f"{setting}: {before} → {after}" for setting, before, after in line.settings)),
            plain(line.entry.expect or form.MISSING),
            Cell(f"{line.effect} ({line.ends})" if line.ends else line.effect, kind="num"),
            Cell(line.verdict, note=line.note),
            Cell(line.fit.shown, kind="num"),
            Cell(line.p50.shown, kind="num"),
        ]
        for line in (_line(document, entry) for entry in found.entries)
    ]
    unit = "points" if document.study.percent else document.study.metric_title
    head = ("Change", "From → to", "Expected", f"Effect ({unit})", "Verdict", "Training", "Time per item")
    return Table(f"Changes to {found.base}", head, rows)


def _line(document: Document, entry: ChangeEntry) -> Line:
    study, effect = document.study, entry.effect
    shown, ends, ahead, seeds = UNSEEN, "", form.MISSING, ""
    if effect is not None and form.finite(effect.mid):
        percent = study.percent
        shown = form.difference(effect.mid, percent_points=percent)
        ends = f"{form.difference(effect.low, percent_points=percent)} to {form.difference(effect.high, percent_points=percent)}"
        ahead = _ahead(entry)
        seeds = " · ".join(form.difference(value, percent_points=percent) for value in entry.per_seed)
    return Line(
        entry,
        [_setting(changed) for changed in entry.settings],
        shown,
        ends,
        SYMBOLS[entry.verdict],
        entry.verdict,
        _note(document, entry),
        ahead,
        seeds,
        _times(entry.fit_ratio),
        _times(entry.p50_ratio),
        form.MISSING if entry.size_ratio is None else f"× {entry.size_ratio:.2f}",
    )


def _setting(changed: ChangedSetting) -> tuple[str, str, str]:
    return changed.setting, form.setting(changed.before), form.setting(changed.after)


def _note(document: Document, entry: ChangeEntry) -> str:
    """What stands beside the verdict, so that nobody reads noise as no effect."""
    if entry.verdict == "not measured":
        return entry.says
    if entry.within_margin:
        return f"shown to be less than {form.margin(document.study)}"
    if entry.verdict == "inside the noise" and entry.detectable is not None:
        alone = "; alone it would count" if (entry.p_raw or 1.0) < 0.05 else ""
        return f"less than about {_amount(document, entry.detectable)} would not be seen{alone}"
    return ""


def _amount(document: Document, value: float | None) -> str:
    if value is None:
        return form.MISSING
    return f"{value * 100:.1f} points" if document.study.percent else form.decimal(value)


def _ahead(entry: ChangeEntry) -> str:
    """At how many of the shared seeds the change is ahead; ties count half."""
    if entry.beats_base is None or not entry.seeds:
        return form.MISSING
    return f"{entry.beats_base * len(entry.seeds):g} of {len(entry.seeds)}"


def _times(ratio: Range | None) -> Cost:
    if ratio is None or not form.finite(ratio.mid):
        return Cost(form.MISSING, "")
    ends = f"{ratio.low:.2f} to {ratio.high:.2f}" if ratio.n > 1 else ""
    return Cost(f"× {ratio.mid:.2f}", ends)
