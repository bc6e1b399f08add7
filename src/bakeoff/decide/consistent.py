"""How far each approach agrees with itself: asked again, at the same time as others, in other formats, after small changes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from bakeoff.contract import Interval, Trial
from bakeoff.decide.evidence import Evidence
from bakeoff.decide.probed import answers_to
from bakeoff.decide.record import Agreement, ApproachResult, ConsistencyResult, Formats, Range
from bakeoff.decide.served import damaged
from bakeoff.measure import consistency, robustness


def consistency_of(evidence: Evidence, results: list[ApproachResult]) -> list[ConsistencyResult]:
    """One entry for each approach of which anything of this was measured; empty where the study asks for none of it.

    Raises
    ------
    RunError
        If what the run folder holds about an approach is not what the bench writes.
    """
    found = []
    for result in results:
        kept = evidence.measures[Trial(result.name, 0)].get("consistency")
        same = _kept_under_changes(evidence, result.name)
        if kept is None and same is None:
            continue
        try:
            parts = _parts(kept or {})
        except (ValidationError, TypeError, AttributeError) as error:
            raise damaged(evidence, result.name, "consistency", error) from error
        if same is None and not any(parts.values()):
            continue
        made = ConsistencyResult(approach=result.name, **parts, kept_under_changes=same)
        found.append(made.model_copy(update={"says": _says(made)}))
    return found


def _says(made: ConsistencyResult) -> str:
    told = consistency.says(made.alone, made.concurrent, made.formats)
    kept = made.kept_under_changes
    if kept is not None:
        told += (
            f" Changes to test items that should make no difference left the answer as it was in {consistency.percent(kept.mid)} of cases "
            f"(95% interval {consistency.percent(kept.low)} to {consistency.percent(kept.high)}, {kept.n:,} items changed)."
        )
    return told.strip()


def _parts(kept: dict[str, Any]) -> dict[str, Any]:
    kinds: dict[str, type[BaseModel]] = {"alone": Agreement, "concurrent": Agreement, "formats": Formats}
    return {name: None if kept.get(name) is None else kind.model_validate(kept[name]) for name, kind in kinds.items()}


def _kept_under_changes(evidence: Evidence, name: str) -> Range | None:
    """Share of changed test items whose answer stays; an original and its copies count as one draw."""
    for probes in evidence.ledger.probes():
        if probes.source == "generated" and (answers := answers_to(evidence, name, probes)) is not None:
            share: Interval | None = robustness.kept_share(probes.items, answers)
            if share is not None:
                return Range(mid=share.mid, low=share.low, high=share.high, n=share.n)
    return None
