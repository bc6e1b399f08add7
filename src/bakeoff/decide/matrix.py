"""The decision matrix: criteria by approaches, what each level is worth, and the weighted sums that the choice is made from.

Below the criteria that count stand those that were measured and have no weight: a reader may give them one. Nothing here
decides: `choose` has done so, and these are its own figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bakeoff.decide import sentences
from bakeoff.decide.choose import Candidate, Choice, Question
from bakeoff.decide.record import Document, Matrix, MatrixCell, MatrixRow, StudySummary
from bakeoff.decide.values import CRITERIA
from bakeoff.decide.weights import total_value
from bakeoff.study import Anchor

SHOWN_WITHOUT_WEIGHT = (
    "edge_cases", "flips", "consistency", "served_rate", "first_token", "latency", "cost", "memory", "cold_start", "train_time",
    "model_size",
)  # fmt: skip
_WHY = {
    "limits": "because it misses a limit",
    "floor": "because it is not shown to be better than always giving the same answer",
    "worse": "because its quality is shown to be worse than the best by more than the margin",
}


def matrix_of(
    document: Document,
    candidates: Sequence[Candidate],
    choice: Choice,
    question: Question,
    anchors: Mapping[str, Anchor],
    unmeasured: Sequence[str] = (),
) -> Matrix:
    """The matrix of one decision.

    Parameters
    ----------
    anchors : mapping of criterion to Anchor
    unmeasured : sequence of str
        Criteria that should count and that nobody has measured.
    """
    if not candidates:
        return Matrix()
    in_play = sorted((name for name, w in question.weights.items() if w > 0), key=lambda name: list(CRITERIA).index(name))
    rows = [_row(name, question.weights[name], document, candidates, choice, anchors) for name in in_play]
    for name in SHOWN_WITHOUT_WEIGHT:
        if name not in in_play and any(name in candidate.figures for candidate in candidates):
            rows.append(_row(name, 0.0, document, candidates, choice, anchors))
    flops = {r.name: r.flops_per_item for r in document.approaches if r.flops_per_item is not None}
    if flops:
        cells = {c.name: MatrixCell(level=flops.get(c.name)) for c in candidates}
        rows.append(MatrixRow(criterion="flops", title="Arithmetic", unit="operations per item", weight=0.0, cells=cells))
    totals = {c.name: total_value(choice.values[c.name], question.weights) for c in candidates}
    return Matrix(rows=rows, totals=totals, says=_says(totals, choice, candidates, unmeasured))


def _row(
    name: str,
    weight: float,
    document: Document,
    candidates: Sequence[Candidate],
    choice: Choice,
    anchors: Mapping[str, Anchor],
) -> MatrixRow:
    cells = {}
    for candidate in candidates:
        measured = candidate.figures.get(name)
        cells[candidate.name] = (
            MatrixCell(level=measured.mid, value=choice.values[candidate.name][name]) if measured else MatrixCell()
        )
    return MatrixRow(
        criterion=name,
        title=_title(name, document.study),
        unit=_unit(name, document.study),
        weight=weight,
        worst=anchors[name].worst,
        best=anchors[name].best,
        cells=cells,
    )


def _title(name: str, study: StudySummary) -> str:
    if name == "quality":
        return study.metric_title or study.metric
    says = CRITERIA[name].says
    return says[:1].upper() + says[1:]


def _unit(name: str, study: StudySummary) -> str:
    return ("share of items" if study.percent else study.metric) if name == "quality" else CRITERIA[name].unit


def _says(totals: Mapping[str, float], choice: Choice, candidates: Sequence[Candidate], unmeasured: Sequence[str]) -> str:
    """Who leads, and what the sums leave out, in one sentence."""
    floors = {candidate.name for candidate in candidates if candidate.floor}
    order = sorted(totals, key=lambda name: (-totals[name], name != choice.winner, name))
    first, second = order[0], order[1] if len(order) > 1 else None
    # Two decimals, unless they hide which of the first two is ahead.
    hidden = second is not None and totals[first] != totals[second] and f"{totals[first]:.2f}" == f"{totals[second]:.2f}"
    shown = {name: f"{total:.{4 if hidden else 2}f}" for name, total in totals.items()}
    told = f"{first}{' (the floor)' if first in floors else ''} has the highest weighted sum, {shown[first]}"
    if second is not None:
        level = "level with" if totals[second] == totals[first] else "before"
        told += f", {level} {second}{' (the floor)' if second in floors else ''} with {shown[second]}"
    if first != choice.winner:
        why = _WHY.get(choice.left_out.get(first, ""), "because another one is as good in everything and better in something")
        chosen = f" and {choice.winner} ({shown[choice.winner]}) is" if choice.winner else " and nothing is"
        told += f", but it is not chosen {why},{chosen}"
    out = ["limits", "whether a difference is real", "every row with weight 0"]
    out += [f"{CRITERIA[name].says}, which nobody measured" for name in unmeasured]
    return f"{told}; the sums leave out {sentences.joined(out)}."
