"""Hard inputs: what each approach made of them, by kind, and which answers flipped."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields
from typing import Any

from bakeoff.contract import Answer, Interval, ProbeSet, Trial
from bakeoff.decide.evidence import Evidence
from bakeoff.decide.mistakes import said, shown
from bakeoff.decide.record import EdgeSet, Flip, KindResult
from bakeoff.measure import robustness

MOST_FLIPS = 60


def answers_to(evidence: Evidence, name: str, probes: ProbeSet) -> dict[str, Answer] | None:
    """An approach's answer to every input of a set; None where it was not asked."""
    given = evidence.ledger.probe_answers(Trial(name, 0), probes.name)
    if not given:
        return None
    return {item.id: given.get(item.id, Answer(error="no answer was kept")) for item in probes.items}


def edge_sets_of(evidence: Evidence, names: list[str]) -> list[EdgeSet]:
    """Every set of hard inputs that the run asked, with the results of the named approaches; empty where it asked none."""
    return [_edge_set(evidence, names, probes) for probes in evidence.ledger.probes()]


def _edge_set(evidence: Evidence, names: list[str], probes: ProbeSet) -> EdgeSet:
    hard = [item for item in probes.items if item.meta.get("kind") != robustness.BASE]
    asked = {name: found for name in names if (found := answers_to(evidence, name, probes)) is not None}
    results = {
        name: [_kind_result(one) for one in robustness.by_kind(probes.items, found) if one.kind != robustness.BASE]
        for name, found in asked.items()
    }
    flipped = [_flip(evidence, name, one) for name, found in asked.items() for one in robustness.flips(probes.items, found)]
    return EdgeSet(
        name=probes.name,
        source=probes.source,
        items=len(hard),
        judged=sum(item.target is not None for item in hard),
        kinds={kind: says for kind, says in probes.kinds.items() if kind != robustness.BASE},
        results=results,
        overall={name: _kind_result(robustness.overall(probes.items, found)) for name, found in asked.items()},
        flips=varied(flipped, MOST_FLIPS),
        flips_of=len(flipped),
        wrong_by_all=[shown(evidence, item) for item in robustness.wrong_by_all(probes.items, list(asked.values()))],
        notes=list(probes.notes),
    )


def varied(flipped: list[Flip], most: int) -> list[Flip]:
    """At most `most` of them: the first of every approach and kind, then the second of each, and so on."""
    seen: dict[tuple[str, str], int] = defaultdict(int)
    ranked: list[tuple[int, int]] = []
    for position, one in enumerate(flipped):
        ranked.append((seen[one.approach, one.kind], position))
        seen[one.approach, one.kind] += 1
    chosen = sorted(position for _, position in sorted(ranked)[:most])
    return [flipped[position] for position in chosen]


def _flip(evidence: Evidence, name: str, found: robustness.Flip) -> Flip:
    target = found.changed.target
    return Flip(
        approach=name,
        id=found.changed.id,
        kind=str(found.changed.meta.get("kind", "")),
        base=shown(evidence, found.base),
        shown=shown(evidence, found.changed),
        expected=None if target is None else str(target)[:80],
        before=said(found.before),
        after=said(found.after),
    )


def _kind_result(found: robustness.KindResult) -> KindResult:
    def plain(value: Any) -> Any:
        return value._asdict() if isinstance(value, Interval) else value

    return KindResult.model_validate({field.name: plain(getattr(found, field.name)) for field in fields(found)})
