"""Changes as trials: run like any other approach, and refused where they change nothing."""

from __future__ import annotations

import pytest

from bakeoff.errors import BadStudy
from bakeoff.run.plan import changed, plan, served
from bakeoff.study import parse_study

TEXT = """study: s
task: text
data: {source: a.csv}
approaches: [majority, {use: tfidf-linear, name: lin, settings: {min_documents: 1}}]
seeds: 2
changes:
  base: lin
  try:
    wide: {settings: {words: [1, 3], most_features: 5000}}
    rare: {settings: {min_documents: 3}}
"""


def test_changes_run_at_the_seeds_of_the_base_behind_the_approaches() -> None:
    trials = [(trial.approach, trial.seed) for trial in plan(parse_study(TEXT))]
    assert trials == [(name, seed) for seed in (0, 1) for name in ("majority", "lin", "lin.wide", "lin.rare")]


def test_what_a_change_changes_is_told_from_what_the_base_has() -> None:
    study = parse_study(TEXT)
    assert changed(study, "lin.wide") == {"words": ((1, 2), (1, 3)), "most_features": (200_000, 5000)}
    assert changed(study, "lin.rare") == {"min_documents": (1, 3)}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("min_documents: 3", "min_document: 3", "did you mean 'min_documents'"),
        ("min_documents: 3", "min_documents: 1", "'rare' changes nothing: 'lin' has min_documents: 1 already"),
        ("min_documents: 3", "longest: 20000", "'rare' changes nothing: 'lin' has longest: 20000 already"),
        ("{min_documents: 3}", "{most_features: 5000, words: [1, 3]}", "'wide' and 'rare' are the same one"),
        ("min_documents: 3", "min_documents: many", "Setting 'min_documents' of 'lin.rare'"),
    ],
)
def test_a_change_that_cannot_be_or_changes_nothing_is_refused_before_anything_runs(old: str, new: str, says: str) -> None:
    with pytest.raises(BadStudy) as refused:
        plan(parse_study(TEXT.replace(old, new, 1)))
    assert says in str(refused.value) and "Fix:" in str(refused.value)


def test_changes_are_put_under_load_only_where_they_are_named_or_compete() -> None:
    assert served(parse_study(TEXT + "serving: {}\n")) == ("majority", "lin")
    assert served(parse_study(TEXT + "serving: {approaches: [lin.wide]}\n")) == ("lin.wide",)
    competing = TEXT.replace("  base: lin\n", "  base: lin\n  compete: true\n")
    assert served(parse_study(competing + "serving: {}\n")) == ("majority", "lin", "lin.wide", "lin.rare")
