"""The task as a whole: settings, splits that part no copies, checks, probes, views, what is shown; and the embedded drawings."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from picture_files import class_folders, encoded, pixels, put

from bakeoff.contract import Answer, Dataset, Item, Probes, ShowsPictures
from bakeoff.errors import BadData, BadStudy
from bakeoff.tasks.images import emoji
from bakeoff.tasks.images.corruptions import KINDS, corrupt
from bakeoff.tasks.images.data import read_settings
from bakeoff.tasks.images.pictures import Pictures
from bakeoff.tasks.images.task import ImagesTask
from bakeoff.tasks.text.task import TextTask


@pytest.fixture
def drawings(real_assets: Path) -> Path:
    """The fetched asset; its absence is a failure under CI, never a silent pass."""
    if not (real_assets / "emoji").is_dir():
        reason = "the drawings are not here: run `make test`, which fetches them"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return real_assets / "emoji"


def made(tmp_path: Path, **settings: object) -> tuple[Dataset, dict[str, object]]:
    root = class_folders(tmp_path / "pets", {"cat": 30, "dog": 30, "owl": 30})
    data = {"source": str(root), "size": 24, **settings}
    return ImagesTask().load(data, base=tmp_path), data


# -- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "says", "fix"),
    [
        ({"source": "x", "sise": 3}, "unknown key 'sise'", "'size'"),
        ({}, "no `source`", "add `source"),
        ({"source": "x", "size": 8}, "`data.size` is 8", "size"),
        ({"source": "x", "fit": "stretch"}, "crop or pad", "fit"),
        ({"source": "x", "test": 1.5}, "between 0 and 1", "test"),
        ({"source": "x", "limit": 3}, "`data.limit` is 3", "limit"),
    ],
)
def test_wrong_settings_are_answered_with_right_ones(data: dict[str, object], says: str, fix: str) -> None:
    with pytest.raises(BadStudy) as caught:
        read_settings(data)
    assert says in caught.value.what and fix in caught.value.fix


def test_settings_that_do_not_go_with_a_source_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadStudy, match="only asset:emoji has styles"):
        made(tmp_path, styles=["noto"])
    with pytest.raises(BadData, match="No data asset") as caught:
        ImagesTask().load({"source": "asset:emojis"}, base=tmp_path)
    assert "'emoji'" in caught.value.fix
    root = class_folders(tmp_path / "split" / "train", {"a": 6, "b": 6}).parent
    class_folders(root / "test", {"a": 3, "b": 3}, 50)
    with pytest.raises(BadStudy, match="its own test pictures"):
        ImagesTask().load({"source": str(root), "test": 0.5}, base=tmp_path)


def test_a_limit_keeps_classes_in_their_shares(tmp_path: Path) -> None:
    data, _ = made(tmp_path, limit=30)
    assert data.facts["class_counts"] == {"cat": 10, "dog": 10, "owl": 10}
    assert any("keeps 30 of 90" in note for note in data.notes)
    assert {item.id for item in made(tmp_path, limit=30, split_seed=1)[0].items} != {item.id for item in data.items}


# -- splits and checks -----------------------------------------------------------------------------------------------


def copies_added(root: Path) -> None:
    """Ten pictures put in again: five as they are, five saved as JPEG and a little brighter."""
    for i in range(5):
        put(root / "cat" / f"same-{i}.png", encoded(pixels(i + 1)))
        brighter = np.clip(pixels(i + 6).astype(float) * 1.1, 0, 255).astype(np.uint8)
        put(root / "cat" / f"near-{i}.jpg", encoded(brighter, "JPEG", quality=90, subsampling=0))


def test_copies_are_never_parted(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "pets", {"cat": 30, "dog": 30})
    copies_added(root)
    settings = {"source": str(root), "size": 24}
    task = ImagesTask()
    data = task.load(settings, base=tmp_path)
    about = Pictures.open(Path(data.material)).about
    assert len(about["exact"]) == 5 and len(about["near"]) >= 9
    for split_seed in range(4):
        splits = task.split(data, {**settings, "split_seed": split_seed}, seeds=[0, 1])
        for seed in (0, 1):
            part = {key: name for name in ("train", "valid") for key in getattr(splits, name)[seed]} | dict.fromkeys(
                splits.test, "test"
            )
            assert len(part) == 70
            for i in range(5):
                assert part[f"cat/{i}.png"] == part[f"cat/same-{i}.png"]
                assert part[f"cat/{i + 5}.png"] == part[f"cat/near-{i}.jpg"]
        found = {finding.code: finding.outcome for finding in task.check(data, splits)}
        assert found["BK001"] == found["BK002"] == found["BK008"] == "passed"


def test_leaks_of_a_published_split_are_found(tmp_path: Path) -> None:
    root = tmp_path / "split"
    class_folders(root / "train", {"cat": 30, "dog": 30})
    class_folders(root / "test", {"cat": 20, "dog": 20}, 100)
    put(root / "test" / "cat" / "same.png", encoded(pixels(3)))
    put(root / "test" / "dog" / "near.jpg", encoded(pixels(4), "JPEG", quality=90, subsampling=0))
    put(root / "test" / "dog" / "twice.png", encoded(pixels(101)))
    settings = {"source": str(root), "size": 24}
    task = ImagesTask()
    data = task.load(settings, base=tmp_path)
    splits = task.split(data, settings, seeds=[0])
    assert set(splits.test) == data.suggested_test and len(splits.test) == 43
    found = {finding.code: finding for finding in task.check(data, splits)}
    assert list(found) == ["BK001", "BK002", "BK004", "BK006", "BK007", "BK008", "BK009"]
    assert found["BK001"].outcome == "problem" and found["BK001"].details["pairs"] == [["test/cat/same.png", "train/cat/2.png"]]
    assert found["BK002"].outcome == "problem" and found["BK002"].details["pairs"][0][:2] == [
        "test/dog/near.jpg",
        "train/cat/3.png",
    ]
    assert found["BK008"].outcome == "tip" and found["BK008"].details["pairs"]
    assert found["BK009"].details["extra"] == 1


# -- views, probes, what is shown --------------------------------------------------------------------------------------


def test_confusion_is_the_text_task_s(tmp_path: Path) -> None:
    items = [Item(id=str(i), input="k", target="ab"[i % 2]) for i in range(4)]
    answers = {"x": [Answer(value="a"), Answer(value="a"), Answer(error="no"), Answer(value="z")]}
    found = ImagesTask().views(items, answers)
    assert found == TextTask().views(items, answers)
    assert found["confusion"]["x"] == {"labels": ["a", "b"], "counts": [[1, 0], [1, 0]], "other": [0, 1], "unanswered": [1, 0]}


def test_metrics_are_those_of_classification(tmp_path: Path) -> None:
    data, _ = made(tmp_path)
    assert next(iter(ImagesTask().metrics(data))) == "accuracy"


def test_spoilt_copies_of_test_pictures_name_their_base(tmp_path: Path) -> None:
    data, settings = made(tmp_path)
    task = ImagesTask()
    assert isinstance(task, Probes) and isinstance(task, ShowsPictures)
    splits = task.split(data, settings, seeds=[0])
    test = [item for item in data.items if item.id in splits.test]
    (found,) = task.probes(test, sets=[], generated=6, kinds=["jpeg-3", "grey"], base=tmp_path, material=Path(data.material))
    assert found.source == "generated" and set(found.kinds) == {"base", "jpeg-3", *(f"grey-{i}" for i in range(1, 6))}
    assert len(found.items) == 6 * 7
    bases = {item.id: item for item in found.items if item.meta["kind"] == "base"}
    store = Pictures.open(Path(data.material))
    for item in found.items:
        if item.meta["kind"] != "base":
            base = bases[item.meta["base"]]
            assert item.meta["keeps"] is True and item.target == base.target and item.input["picture"] == base.input
    spoilt = next(item for item in found.items if item.meta["kind"] == "jpeg-3")
    wanted = corrupt(store.picture(spoilt.input["picture"]), "jpeg", 3, key=spoilt.input["picture"])
    assert (store.picture(spoilt.input) == wanted).all()
    assert task.show(spoilt).endswith(".png (jpeg, severity 3)")
    again = task.probes(test[::-1], sets=[], generated=6, kinds=["grey", "jpeg-3"], base=tmp_path, material=Path(data.material))
    assert {item.id for item in again[0].items} == {item.id for item in found.items}


def test_probes_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    data, _ = made(tmp_path)
    task, here = ImagesTask(), {"base": tmp_path, "material": Path(data.material)}
    with pytest.raises(BadStudy, match="No corruption") as caught:
        task.probes(data.items, sets=[], generated=3, kinds=["gausian-noise"], **here)
    assert "gaussian-noise" in caught.value.fix
    with pytest.raises(BadStudy, match="No corruption"):
        task.probes(data.items, sets=[], generated=3, kinds=["jpeg-6"], **here)
    with pytest.raises(BadStudy, match="No set") as caught:
        task.probes(data.items, sets=["held-out-styl"], generated=0, kinds=[], **here)
    assert "held-out-style" in caught.value.fix
    with pytest.raises(BadStudy, match="no style is held out"):
        task.probes(data.items, sets=["held-out-style"], generated=0, kinds=[], **here)
    with pytest.raises(BadStudy, match="twice"):
        task.probes(data.items, sets=["held-out-style", "held-out-style"], generated=0, kinds=[], **here)


def test_items_are_shown_in_one_line_and_as_small_pictures(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "pets", {"cat": 8, "dog": 8})
    noise = np.random.default_rng(1).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    put(root / "cat" / "noise.png", encoded(noise))
    task = ImagesTask()
    data = task.load({"source": str(root), "size": 200}, base=tmp_path)
    shown = task.pictures(data.items, Path(data.material))
    assert set(shown) == {item.id for item in data.items}
    assert all(address.startswith("data:image/webp;base64,") and len(address) <= 4000 for address in shown.values())
    odd = replace(data.items[0], meta={"file": "a\nb\u202ec/" + "x" * 400})
    assert "\n" not in task.show(odd) and "\u202e" not in task.show(odd) and len(task.show(odd)) == 300
    assert task.show(data.items[0].asked()) == "cat/0.png"
    assert task.show(Item(id="1", input="data:image/png;base64,AAAA")) == "a picture sent to the endpoint"


# -- data sets of the hub's library --------------------------------------------------------------------------------------


def test_a_saved_data_set_is_read_with_its_splits(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})

    def split(start: int, n: int, label: int | None = None) -> object:
        cells = [{"bytes": encoded(pixels(start + i)), "path": None} for i in range(n)]
        return datasets.Dataset.from_dict(
            {"image": cells, "label": [i % 2 if label is None else label for i in range(n)]}, features
        )

    datasets.DatasetDict({"train": split(0, 20), "test": split(100, 10), "extra": split(200, 4)}).save_to_disk(
        str(tmp_path / "saved")
    )
    data = ImagesTask().load({"source": "saved", "size": 24}, base=tmp_path)
    assert len(data.items) == 30 and len(data.suggested_test) == 10 and data.facts["labels"] == ["cat", "dog"]
    assert any("extra" in note for note in data.notes)
    assert (Pictures.open(Path(data.material)).picture("train/000003") == pixels(3)).all()
    datasets.DatasetDict({"train": split(0, 20), "test": split(100, 10, -1)}).save_to_disk(str(tmp_path / "withheld"))
    withheld = ImagesTask().load({"source": "withheld", "size": 24}, base=tmp_path)
    assert len(withheld.items) == 20 and withheld.facts["left_out"] == 10 and not withheld.suggested_test
    plain = datasets.Dataset.from_dict({"image": [1, 2], "label": [0, 1]})
    plain.save_to_disk(str(tmp_path / "plain"))
    with pytest.raises(BadData, match="0 columns of pictures"):
        ImagesTask().load({"source": "plain"}, base=tmp_path)


# -- the embedded drawings -----------------------------------------------------------------------------------------------


def test_the_table_names_every_object_once_and_ten_classes_of_many() -> None:
    table = emoji.table()
    objects = [thing for things in table["classes"].values() for thing in things]
    assert len(table["classes"]) == 10 and len(objects) == len(set(objects))
    counts = {label: sum(1 for _, _, found, _ in emoji.drawn() if found == label) for label in table["classes"]}
    assert min(counts.values()) >= 100
    for style, about in table["styles"].items():
        assert set(about.get("lacks", ())) <= set(objects) and set(about.get("names", {})) <= set(objects), style
        assert about["licence"] in ("Apache-2.0", "MIT", "CC-BY-4.0", "CC-BY-SA-4.0") and about["author"]
    assert table["held_out"] in table["styles"]


def test_every_drawing_of_the_table_is_there_and_shows_something(drawings: Path) -> None:
    source = emoji.open_emoji(drawings, None, None)
    found = dict(source.read(source.records, 24, "pad"))
    assert len(found) == len(source.records) == sum(1 for _ in emoji.drawn())
    assert [
        record.key for record, shown in found.items() if isinstance(shown, str) or shown.shape != (24, 24, 3) or shown.std() < 5
    ] == []


def test_the_default_study_data(drawings: Path, tmp_path: Path) -> None:
    task, settings = ImagesTask(), {"source": "asset:emoji", "size": 32, "limit": 400}
    data = task.load(settings, base=tmp_path)
    assert len(data.items) == 400 and len(data.facts["labels"]) == 10 and data.facts["held_out_style"] == "openmoji"
    for licence in ("noto: Apache-2.0 (Google Inc)", "openmoji: CC-BY-SA-4.0", "twemoji: CC-BY-4.0", "fluent-emoji-flat: MIT"):
        assert licence in data.licence
    splits = task.split(data, settings, seeds=[0, 1])
    group = {item.id: item.group for item in data.items}
    tested = {group[key] for key in splits.test}
    for seed in (0, 1):
        assert not tested & {group[key] for key in (*splits.train[seed], *splits.valid[seed])}, "no object is learned and tested"
    assert all(item.meta["style"] != "openmoji" for item in data.items)
    test = [item for item in data.items if item.id in splits.test]
    (held,) = task.probes(test, sets=["held-out-style"], generated=0, kinds=[], base=tmp_path, material=Path(data.material))
    assert held.source == "written" and set(held.kinds) == {"openmoji-new-objects", "openmoji-known-objects"}
    for item in held.items:
        assert item.input.startswith("openmoji/") and (item.group in tested) == (item.meta["kind"] == "openmoji-new-objects")
    assert {item.target for item in held.items} == set(data.facts["labels"])
    store = Pictures.open(Path(data.material))
    assert len(held.items) == 341 and store.picture(held.items[0].input).shape == (32, 32, 3)


def test_styles_can_be_chosen_and_wrong_ones_are_answered(drawings: Path) -> None:
    two = emoji.open_emoji(drawings, ["noto", "twemoji"], "fxemoji")
    assert {record.style for record in two.records if record.part != "held-out"} == {"noto", "twemoji"}
    assert {record.style for record in two.records if record.part == "held-out"} == {"fxemoji"}
    assert not [record for record in emoji.open_emoji(drawings, None, "none").records if record.part]
    with pytest.raises(BadStudy, match="No style") as caught:
        emoji.open_emoji(drawings, ["notto"], None)
    assert "'noto'" in caught.value.fix
    with pytest.raises(BadStudy, match="No style is left"):
        emoji.open_emoji(drawings, ["openmoji"], None)


def test_kinds_without_a_severity_mean_all_five() -> None:
    assert len(KINDS) >= 10
    items = [Item(id=str(i), input=str(i), target="ab"[i % 2]) for i in range(10)]
    (found,) = ImagesTask().probes(items, sets=[], generated=2, kinds=[], base=Path())
    assert len(found.items) == 2 * (1 + 5 * len(KINDS))
