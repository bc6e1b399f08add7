"""What a study of changes can be expected to see: said before anything is trained, and kept for the report.

How much paired differences will vary is not known yet. An earlier run of the same data that tried changes to the same approach
says it best; else the usual values of `bakeoff.measure.detectable` stand in, and the sentence says so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from bakeoff.decide.change_record import ChangeLedger, Foretold, Spread
from bakeoff.decide.evidence import Evidence, gather
from bakeoff.measure.crossed import Crossed
from bakeoff.measure.detectable import TYPICAL, Wobble, chance, detectable, forecast, wobble_of
from bakeoff.run import plan
from bakeoff.run.ledger import Ledger, all_runs, to_json

FILE = "foretold.json"
ALPHA = 0.05
MORE_SEEDS = (3, 5, 7, 10)
WORTH_SAYING = 0.8
"""More seeds are named where they bring what can be seen down to this share of it."""
MOST_RUNS = 50
"""Earlier runs that are looked at, the newest first."""


def foretell(ledger: Ledger, evidence: Evidence | None = None) -> Foretold | None:
    """What the changes of this run could show, written into its folder the first time and read from there afterwards.

    None where the study tries no changes.
    """
    study = ledger.study()
    if study.changes is None or not study.variants:
        return None
    file = ledger.folder / FILE
    if file.is_file():
        try:
            return Foretold.model_validate_json(file.read_bytes())
        except ValidationError:
            pass  # damaged, or of another version: it is worked out again
    made = _worked_out(evidence or gather(ledger))
    ledger.write(FILE, to_json(made.model_dump()))
    return made


def as_crossed(spread: Spread) -> Crossed:
    """Mean squares as the document keeps them, for the functions of `bakeoff.measure`."""
    item_df = None if spread.item_df is None else np.asarray(spread.item_df)
    return Crossed(
        np.asarray(0.0),
        np.asarray(spread.item),
        np.asarray(spread.seed),
        np.asarray(spread.interaction),
        spread.units,
        spread.seeds,
        item_df,
    )


def _worked_out(evidence: Evidence) -> Foretold:
    study, metric, n = evidence.study, evidence.metric, len(evidence.items)
    base = study.changes.base if study.changes else ""
    seeds = len(plan.seeds_of(study, study.spec(base)))
    groups = None if evidence.clusters is None else len(set(evidence.clusters))
    shared: dict[str, Any] = {"items": n, "groups": groups, "seeds": seeds, "changes": len(study.variants)}
    about = _size(evidence, seeds)
    earlier, wobble = _earlier(evidence)
    basis: Literal["typical", "earlier run"] = "typical" if wobble is None else "earlier run"
    if wobble is None and metric.per_item is not None and metric.percent:
        wobble = TYPICAL
    if wobble is None or (groups or n) < 2:
        why = f"the {metric.title} is no share of right answers" if wobble is None else "there are too few test items"
        says = f"With {about}: how small a change can be seen is not known before training, because {why}."
        return Foretold(**shared, basis="unknown", says=says)
    alpha, most = ALPHA / len(study.variants), metric.high - metric.low

    def spread(count: int) -> Crossed:
        return forecast(wobble, n, count, evidence.clusters)

    smallest = detectable(spread(seeds), alpha=alpha, most=most)
    half = None if smallest is None else chance(spread(seeds), smallest / 2, alpha=alpha)
    more, then = None, None
    for count in MORE_SEEDS:
        if count > seeds:
            found = detectable(spread(count), alpha=alpha, most=most)
            if found is not None and (smallest is None or found <= WORTH_SAYING * smallest):
                more, then = count, found
                break
    says = _says(evidence, about, smallest, half, more, then)
    if basis == "typical":
        says += (
            f" Assumed, since no earlier run of this data tried changes to {base}: a change turns {TYPICAL.discordance:.0%} of the answers "
            "right or wrong."
        )
    else:
        says += f" How much answers vary is taken from the run {earlier}."
    if seeds == 1:
        says += " With one seed the luck of a single training counts as the change: three or more can tell them apart."
    return Foretold(
        **shared,
        detectable=smallest,
        half_found=half,
        more_seeds=more,
        detectable_then=then,
        discordance=TYPICAL.discordance if basis == "typical" else None,
        basis=basis,
        earlier=earlier,
        says=says,
    )


def _size(evidence: Evidence, seeds: int) -> str:
    """ "620 test items in 90 groups, 3 seeds and 5 changes"."""
    n, tried = len(evidence.items), len(evidence.study.variants)
    grouped = "" if evidence.clusters is None else f" in {len(set(evidence.clusters)):,} groups"
    return (
        f"{n:,} test item{'s' * (n != 1)}{grouped}, {seeds} seed{'s' * (seeds != 1)} and " + f"{tried} change{'s' * (tried != 1)}"
    )


def amount(evidence: Evidence, value: float) -> str:
    """A difference by the primary metric without its sign: "3.4 points", "0.012"."""
    return f"{value * 100:.1f} points" if evidence.metric.percent else f"{value:.3g}"


def _says(
    evidence: Evidence, about: str, smallest: float | None, half: float | None, more: int | None, then: float | None
) -> str:
    if smallest is None or half is None:
        says = f"With {about}, no change, however large, is found in 4 of 5 studies."
    else:
        worth, lesser = amount(evidence, smallest), amount(evidence, smallest / 2)
        says = (
            f"With {about}, a change worth {worth} of {inside(evidence.metric.title)} is found in 4 of 5 studies, one worth {lesser} in "
            f"{_of_ten(half)}; a smaller one will most likely not be seen."
        )
    if more is not None and then is not None:
        says += f" With {more} seeds it would be {amount(evidence, then)}."
    return says


def inside(title: str) -> str:
    """A title inside a sentence: "Accuracy" is "accuracy", "F1 of ..." stays."""
    return title[:1].lower() + title[1:] if title[1:2].islower() else title


def _of_ten(share: float) -> str:
    tenths = round(share * 10)
    return "fewer than 1 of 10" if tenths == 0 else f"about {tenths} of 10"


def _earlier(evidence: Evidence) -> tuple[str | None, Wobble | None]:
    """The newest earlier run of the same items, metric and base that tried changes, and how much its differences varied."""
    study, own = evidence.study, evidence.ledger
    base = study.spec(study.changes.base) if study.changes else None
    runs = [run for run in all_runs(own.folder.parent) if run.name < own.name and run.finished]
    for run in list(reversed(runs))[:MOST_RUNS]:
        try:
            about, before = run.data(), run.study()
            if about is None or before.changes is None or before.task != study.task:
                continue
            if {key: about["hashes"].get(key) for key in ("all", "test")} != {
                key: evidence.about["hashes"].get(key) for key in ("all", "test")
            }:
                continue
            found = json.loads(Path(run.folder / "verdict.json").read_text(encoding="utf-8"))
            if (
                base is None
                or before.spec(before.changes.base).use != base.use
                or found["study"]["metric"] != evidence.metric.name
            ):
                continue
            kept = ChangeLedger.model_validate(found["change_ledger"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # of another version, or damaged: it says nothing
        spreads: Sequence[Crossed] = [as_crossed(entry.spread) for entry in kept.entries if entry.spread is not None]
        wobble = wobble_of(spreads, len(evidence.items))
        if wobble is not None and wobble.discordance > 0:
            return run.name, wobble
    return None, None
