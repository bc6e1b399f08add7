"""A study asked of other data, with fewer approaches, with another number of seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakeoff.adapt import adapted, command_of, data_of
from bakeoff.errors import BadStudy
from bakeoff.study import Study, parse_study

STUDY = """study: pictures
question: Which way of telling ten kinds of thing apart is best?
task: images
data: {source: "asset:emoji", styles: [noto], size: 32, limit: 100, name: Drawings, licence: many}
approaches: [majority, hog-linear, cnn]
learning_curve: {approaches: [cnn, majority]}
seeds: 3
edge_cases: {sets: [held-out-style], generated: 5}
"""


@pytest.fixture
def study() -> Study:
    return parse_study(STUDY)


def test_another_source_takes_with_it_what_described_the_old_one(study: Study) -> None:
    found = adapted(study, data={"source": "/photos"})
    assert found.data == {"source": "/photos", "size": 32, "limit": 100}
    assert found.edge_cases is not None and found.edge_cases.sets == () and found.edge_cases.generated == 5
    assert found.question == "Which approach is best on /photos?" and found.approaches == study.approaches
    assert study.data["styles"] == ["noto"], "the study itself is as it was"


def test_a_key_alone_changes_that_key(study: Study) -> None:
    found = adapted(study, data={"limit": 50})
    assert found.data == {**study.data, "limit": 50}
    assert found.question == study.question and found.edge_cases == study.edge_cases
    assert adapted(study, data={"source": "asset:emoji", "size": 64}).data["styles"] == ["noto"], (
        "the same source is no other one"
    )


def test_fewer_approaches_and_seeds(study: Study) -> None:
    found = adapted(study, approaches=["cnn"], seeds=1)
    assert [spec.name for spec in found.approaches] == ["cnn"] and found.seeds == 1
    assert found.learning_curve.approaches == ("cnn",)
    with pytest.raises(BadStudy):
        adapted(study, approaches=["cmm"])


def test_what_is_typed_is_read(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "a=b").mkdir()
    assert data_of(study, ["photos"]) == {"source": str(tmp_path / "photos")}
    assert data_of(study, ["source=photos", "limit=20", "fit=pad"]) == {
        "source": str(tmp_path / "photos"),
        "limit": 20,
        "fit": "pad",
    }
    assert data_of(study, ["hub:some/pictures"]) == {"source": "hub:some/pictures"}
    assert data_of(study, ["a=b"]) == {"source": str(tmp_path / "a=b")}, "a path that is there is a path"
    assert data_of(study, ["styles=[noto, twemoji]"]) == {"styles": ["noto", "twemoji"]}
    control = parse_study("study: c\ntask: control\ndata: {environments: [A-v0, B-v0]}\napproaches: [random]\n")
    assert adapted(control, data=data_of(control, ["CartPole-v1"])).data == {"environment": "CartPole-v1"}
    with pytest.raises(BadStudy, match="has no key"):
        data_of(parse_study("study: c\ntask: text\ndata: {rows: 3}\napproaches: [majority]\n"), ["x.csv"])


def test_the_command_says_it_again() -> None:
    assert command_of("pictures", ["cnn"], 2, {"source": "my photos"}) == (
        "bakeoff run pictures --data 'source=my photos' --approaches cnn --seeds 2"
    )
