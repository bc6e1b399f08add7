"""`write_new_study` looks, says what it found, and writes a study that runs; all of it or nothing."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
import yaml

from bakeoff import registry
from bakeoff.errors import BadData, BakeoffError, RunError
from bakeoff.study import read_study
from bakeoff.tasks.text.new import MOST_TO_TRAIN, write_new_study
from bakeoff.tasks.text.task import TextTask

WORDS = [
    "able",
    "baker",
    "candle",
    "dozen",
    "ember",
    "fable",
    "garden",
    "harbor",
    "island",
    "jacket",
    "kettle",
    "ladder",
    "marble",
    "needle",
    "orchid",
    "pepper",
]


def write(path: Path, *, text: str = "text", label: str = "label", n: int = 40, classes: int = 2, words: int = 1) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        rows = (
            (" ".join([WORDS[i % 16], *[WORDS[i * 7 % 15]] * words, str(i)]), f"class {i % classes}", f"a{i % 8}")
            for i in range(n)
        )
        csv.writer(stream).writerows([(text, label, "author"), *rows])
    return path


def test_the_study_is_written_said_and_loads(tmp_path: Path) -> None:
    study, notes = write_new_study(write(tmp_path / "My Reviews.csv"), group="author", out_dir=tmp_path)
    path = tmp_path / "my-reviews.yaml"
    assert read_study(path) == study and study.study == "my-reviews"
    assert study.data == {"source": "My Reviews.csv", "text": "text", "target": "label", "group": "author"}
    assert {spec.use for spec in study.approaches} <= set(registry.approaches("text")) and study.approaches[0].use == "majority"
    assert {spec.name: spec.seeds for spec in study.approaches if spec.use == "prompted-llm"} == {
        "llm-zero-shot": 1,
        "llm-few-shot": 1,
    }
    assert "use: endpoint" in path.read_text() and "endpoint" not in {spec.use for spec in study.approaches}
    said = " ".join(notes)
    assert "40 texts" in said and "'class 0' 20" in said and "labels are in column 'label'" in said
    loaded = TextTask().load(study.data, base=tmp_path)
    assert len(loaded.items) == 40 and loaded.items[0].group == "a0"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["My Reviews.csv", "my-reviews.yaml"]


def test_elsewhere_the_source_is_absolute_and_below_it_is_relative(tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    (tmp_path / "data").mkdir()
    path = write(tmp_path / "data" / "a.csv")
    assert write_new_study(path, out_dir=tmp_path / "studies")[0].data["source"] == str(path.resolve())
    assert write_new_study(path, out_dir=tmp_path)[0].data["source"] == "data/a.csv"


HOSTILE = [
    "a: b",
    "#x",
    "- y",
    "'\"",
    "{z}",
    "no",
    "1",
    "*a",
    "!!python/object:os.system",
    "tab\there",
    "line\nbreak",
    "é 👩‍🔧 \u2028",
    "%",
    "a" * 200,
]


@pytest.mark.parametrize("column", HOSTILE)
def test_hostile_column_names_stay_data(column: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", label=column)
    study, notes = write_new_study(path, target=column.strip(), text="text", out_dir=tmp_path, name="x")
    assert study.data["target"] == column.strip()
    assert TextTask().load(study.data, base=tmp_path).facts["class_counts"] == {"class 0": 20, "class 1": 20}
    assert all("\n" not in note for note in notes)


def test_hostile_file_names_give_a_usable_study_name(tmp_path: Path) -> None:
    for name, expected in (
        ("…: {x}.csv", "x"),
        ("日本.csv", "texts"),
        ("-" * 80 + ".csv", "texts"),
        ("A" * 99 + ".csv", "a" * 64),
    ):
        study, _ = write_new_study(write(tmp_path / name), out_dir=tmp_path, force=True)
        assert study.study == expected and study.data["source"] == name
        assert read_study(tmp_path / f"{expected}.yaml") == study


def test_it_does_not_write_over_a_study_unless_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv")
    (tmp_path / "a.yaml").write_text("mine")
    with pytest.raises(RunError, match="exists already") as caught:
        write_new_study(path, out_dir=tmp_path)
    assert "--force" in caught.value.fix and (tmp_path / "a.yaml").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 2
    study, _ = write_new_study(path, out_dir=tmp_path, force=True)
    assert read_study(tmp_path / "a.yaml") == study and len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv")
    with pytest.raises(RunError, match="cannot be written"):
        write_new_study(path, out_dir=tmp_path / "nowhere")
    with pytest.raises(RunError, match="cannot be written"):
        write_new_study(path, out_dir=path)


def test_bad_data_is_refused_as_it_would_be_when_run(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", n=3)
    with pytest.raises(BadData, match="3 labelled texts"):
        write_new_study(path, out_dir=tmp_path)
    with pytest.raises(BakeoffError, match="no column 'lable'"):
        write_new_study(path, target="lable", out_dir=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_further_settings_are_used_and_written_down(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        ("text;label\n" + "".join(f"{WORDS[i % 16]} {i} é;{['yes', 'no', ''][i % 3]}\n" for i in range(60))).encode("cp1252")
    )
    study, notes = write_new_study(path, out_dir=tmp_path, settings={"encoding": "cp1252", "drop_unlabelled": True})
    assert study.data["encoding"] == "cp1252" and study.data["drop_unlabelled"] is True
    assert any("Dropped 20 rows" in note for note in notes)


def test_the_approaches_suit_the_data(tmp_path: Path) -> None:
    many, says = write_new_study(write(tmp_path / "many.csv", n=120, classes=20), out_dir=tmp_path)
    assert "llm-few-shot" not in {spec.name for spec in many.approaches} and any("llm-few-shot" in note for note in says)
    _, says = write_new_study(write(tmp_path / "long.csv", words=300), out_dir=tmp_path)
    assert any("read only their beginning" in note for note in says)
    large, says = write_new_study(write(tmp_path / "large.csv", n=MOST_TO_TRAIN + 100), out_dir=tmp_path)
    assert large.data["limit"] == MOST_TO_TRAIN and any("limit" in note for note in says)


def test_every_approach_it_names_can_be_made_with_the_settings_it_gives(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "".join(f"{WORDS[i % 16]} {i},{i % 2}\n" for i in range(40)))
    study, notes = write_new_study(path, out_dir=tmp_path)
    assert study.question == "Is a text 0 or 1?" and any("bare numbers" in note for note in notes)
    written = (tmp_path / "a.yaml").read_text()
    named = re.search(r"wording: (\{.*?\})", written)
    assert named and yaml.safe_load(named[1]) == {"0": "name1", "1": "name2"}
    commented = [yaml.safe_load(line.lstrip(" #-")) for line in written.splitlines() if line.startswith("  # - {use")]
    assert [one["use"] for one in commented] == ["endpoint"]
    for one in [*commented, *(spec.model_dump() for spec in study.approaches)]:
        registry.approach("text", one["use"])(**one["settings"])


def test_few_shot_has_an_example_for_every_class(tmp_path: Path) -> None:
    for classes, shots in ((2, 4), (6, 6)):
        study, _ = write_new_study(write(tmp_path / "a.csv", n=60, classes=classes), out_dir=tmp_path, force=True)
        assert study.spec("llm-few-shot").settings["shots"] == shots
