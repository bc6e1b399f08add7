"""The charts that a verdict rests on."""

from __future__ import annotations

import sample

from bakeoff.report import evidence


def test_what_one_person_reaches_is_drawn_and_said_where_raters_were_compared() -> None:
    document = sample.document()
    facts = {**document.data.facts, "rater_ceiling": {"mid": 0.946, "low": 0.942, "high": 0.949, "n": 298}}
    rated = document.model_copy(update={"data": document.data.model_copy(update={"facts": facts})})
    figure = evidence.evidence(rated)
    assert figure is not None and "one person alone agrees with the label on 94.6% (94.2% to 94.9%)" in figure.caption
    assert "ceiling" in str(figure.wide) and "ceiling" in str(figure.narrow)
    without = document.data.model_copy(update={"facts": {}})
    assert evidence.ceiling(document.model_copy(update={"data": without})) is None
