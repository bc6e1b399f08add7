"""What is good enough where the measure is a return, on no scale from 0 to 1."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bakeoff.decide.values import _quality_anchor
from bakeoff.errors import BadStudy


def document(scores: dict[str, float], **facts: Any) -> Any:
    """As much of a document as is looked at: approaches by what they use, with their mean return."""
    results = [SimpleNamespace(use=name, metrics={"return": SimpleNamespace(mid=score)}) for name, score in scores.items()]
    study = SimpleNamespace(metric="return", higher_is_better=True)
    return SimpleNamespace(
        study=study, approaches=results, data=SimpleNamespace(facts={"worlds": {"World-v0": facts}} if facts else {})
    )


def levels(scores: dict[str, float], **facts: Any) -> tuple[float, float]:
    found = _quality_anchor(document(scores, **facts))
    return found.worst, found.best


def test_from_the_floor_to_what_the_environment_states() -> None:
    assert levels({"random": 23, "cem": 500}, threshold=475.0, visible_best=500.0) == (23, 475)
    assert levels({"random": 3, "cem": 20}, threshold=None, visible_best=36.0) == (3, 36)
    assert levels({"random": 3, "cem": 20}) == (3, 20), "where nobody states anything, the best that was seen"


def test_a_run_in_which_nothing_beats_the_floor_is_still_decided() -> None:
    worst, best = levels({"random": -1053.3, "cem": -1059.1})
    assert worst == -1059.1 and best == -1053.3
    worst, best = levels({"random": 10.0, "cem": 10.0})
    assert worst < best == 10.0


def test_without_a_floor_the_levels_have_to_be_said() -> None:
    with pytest.raises(BadStudy, match="has to be said"):
        levels({"cem": 500.0, "ppo": 400.0})
