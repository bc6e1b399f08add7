"""Changes in a study file: what they become, what is refused, and that a study writes back the same."""

from __future__ import annotations

import pytest

from bakeoff.errors import BadStudy
from bakeoff.study import parse_study, write_study

TEXT = """study: s
task: text
data: {source: a.csv}
approaches: [majority, {use: tfidf-linear, name: lin, settings: {min_documents: 1, words: [1, 1]}, threads: 2}]
changes:
  base: lin
  try:
    pairs: {settings: {words: [1, 2]}, expect: "Pairs of words help: more."}
    common: {settings: {min_documents: 5, longest: 500}}
"""


def test_a_change_is_the_base_with_other_settings_and_no_candidate() -> None:
    study = parse_study(TEXT)
    assert [spec.name for spec in study.approaches] == ["majority", "lin", "lin.pairs", "lin.common"]
    pairs, common = study.spec("lin.pairs"), study.spec("lin.common")
    assert dict(pairs.settings) == {"min_documents": 1, "words": [1, 2]} and (pairs.use, pairs.threads) == ("tfidf-linear", 2)
    assert dict(common.settings) == {"min_documents": 5, "words": [1, 1], "longest": 500}
    assert study.variants == {"lin.pairs": "pairs", "lin.common": "common"}
    assert [spec.name for spec in study.candidates] == ["majority", "lin"]
    competing = parse_study(TEXT.replace("  base: lin\n", "  base: lin\n  compete: true\n"))
    assert competing.candidates == competing.approaches


def test_a_study_with_changes_writes_back_the_same() -> None:
    study = parse_study(TEXT)
    written = write_study(study)
    assert parse_study(written) == study and write_study(parse_study(written)) == written
    assert "lin.pairs" not in written and "Pairs of words help" in written


def test_a_narrowed_study_keeps_only_the_changes_that_are_left() -> None:
    study = parse_study(TEXT)
    some = study.model_copy(update={"approaches": (study.spec("lin"), study.spec("lin.common"))})
    read = parse_study(write_study(some))
    assert [spec.name for spec in read.approaches] == ["lin", "lin.common"] and read.variants == some.variants
    alone = study.model_copy(update={"approaches": (study.spec("lin.common"),)})
    read = parse_study(write_study(alone))
    assert read.changes is None and [spec.name for spec in read.candidates] == ["lin.common"]
    assert read.spec("lin.common") == study.spec("lin.common")


@pytest.mark.parametrize(
    ("old", "new", "says", "line"),
    [
        ("base: lin", "base: lni", "did you mean 'lin'?", 5),
        ("  try:", "  tyr:", "did you mean 'try'?", 7),
        (", expect:", ", expct:", "did you mean 'expect'?", 8),
        ("common:", "Common:", "match pattern", 9),
        ("{settings: {min_documents: 5, longest: 500}}", "{settings: {}}", "at least 1 item", 9),
        ("{settings: {min_documents: 5, longest: 500}}", "{expect: nothing}", "add a line `settings: ...`", 9),
        ("[majority,", "[{use: majority, name: lin.pairs},", "is called 'lin.pairs' already", 5),
    ],
)
def test_what_is_wrong_with_a_change_is_named(old: str, new: str, says: str, line: int) -> None:
    with pytest.raises(BadStudy) as refused:
        parse_study(TEXT.replace(old, new, 1))
    assert says in str(refused.value) and f"line {line}" in str(refused.value)


def test_a_change_may_be_called_like_a_part_of_a_study() -> None:
    """What the author names is no key: a misspelt key below it is still answered with the right ones."""
    with pytest.raises(BadStudy, match="did you mean 'settings'"):
        parse_study(TEXT.replace("common: {settings:", "timing: {setings:"))
