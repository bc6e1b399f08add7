from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import BadStudy, BakeoffError
from bakeoff.study import Study, parse_study, read_study, write_study

GOOD = """\
study: mine
task: text
data: {source: reviews.csv}
approaches:
  - majority
  - use: tfidf-linear
    name: words
    settings: {min_documents: 3}
seeds: 2
limits:
  - p90 latency <= 50 ms
"""


def test_a_study_reads_and_writes_back_the_same() -> None:
    study = parse_study(GOOD)
    assert [spec.name for spec in study.approaches] == ["majority", "words"]
    assert parse_study(write_study(study)) == study


@pytest.mark.parametrize(
    ("text", "field", "line", "fix"),
    [
        (GOOD.replace("seeds: 2", "seedz: 2"), "'seedz'", 9, "'seeds'"),
        (GOOD.replace("    name: words", "    nam: words"), "nam", 7, "'name'"),
        (GOOD.replace("seeds: 2", "seeds: many"), "`seeds`", 9, "seeds"),
        (GOOD.replace("seeds: 2", "seeds: 0"), "`seeds`", 9, "seeds"),
        (GOOD.replace("task: text\n", ""), "`task`", 1, "task"),
        (GOOD.replace("approaches:", "aproaches:"), "'aproaches'", 4, "'approaches'"),
        (GOOD.replace("name: words", "name: majority"), "`approaches`", 4, "approaches"),
        (GOOD.replace("name: words", "name: ../../etc"), "name", 7, "name"),
        (GOOD + "timing: {singel_items: 3}\n", "singel_items", 12, "'single_items'"),
        (GOOD + "values: {accuracy: {worst: 1, best: 1}}\n", "values.accuracy", 12, "values"),
    ],
)
def test_what_is_wrong_is_named_with_field_line_and_fix(text: str, field: str, line: int, fix: str) -> None:
    with pytest.raises(BadStudy) as caught:
        parse_study(text, "mine.yaml")
    assert field in caught.value.what
    assert f"line {line}:" in caught.value.what
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    "text", ["", "[]", "3", "a: [", "\t- x: y\n\tz", "!!python/object/apply:os.system ['true']", "a: &a [*a]", "x: \x00"]
)
def test_no_study_is_refused_with_a_fix(text: str) -> None:
    with pytest.raises(BadStudy) as caught:
        parse_study(text)
    assert caught.value.fix


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(BadStudy):
        read_study(tmp_path / "no.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(BadStudy) as caught:
        read_study(tmp_path / "bytes.yaml")
    assert "UTF-8" in caught.value.fix


@given(st.text(max_size=300))
def test_any_text_is_a_study_or_an_error_with_a_fix(text: str) -> None:
    try:
        assert isinstance(parse_study(text), Study)
    except BakeoffError as error:
        assert error.what and error.fix


@given(position=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_is_a_study_or_an_error_with_a_fix(position: int, byte: int) -> None:
    changed = GOOD[:position] + chr(byte) + GOOD[position + 1 :]
    try:
        parse_study(changed)
    except BakeoffError as error:
        assert error.what and error.fix
