"""The field that a choice is made from: the approaches that ran, with their figures and how likely each limit is met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bakeoff.decide.choose import Candidate
from bakeoff.decide.limits import Limit, probability_met
from bakeoff.decide.record import Document
from bakeoff.decide.values import figure, figures, is_floor
from bakeoff.study import Anchor


def candidates_of(document: Document, anchors: Mapping[str, Anchor], limits: Sequence[Limit]) -> list[Candidate]:
    """Every approach that finished and has a figure by the primary metric, in the order of the document."""
    found = []
    for result in document.approaches:
        if result.status == "done" and document.study.metric in result.metrics:
            met = {limit.text: probability_met(limit, figure(result, limit.measure, document)) for limit in limits}
            found.append(Candidate(result.name, figures(result, document, anchors), met, is_floor(result)))
    return found
