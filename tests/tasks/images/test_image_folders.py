"""Folders and archives of class folders: what is read, what is left out and why, and what is refused in two lines."""

from __future__ import annotations

import io
import itertools
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from picture_files import class_folders, encoded, huge_png, pixels, png, put
from PIL import Image

from bakeoff.contract import Dataset, quiet
from bakeoff.errors import BadData
from bakeoff.tasks.images.data import load_images, read_settings
from bakeoff.tasks.images.pictures import Pictures
from bakeoff.tasks.images.readers_archive import open_tree


def load(source: Path, **settings: object) -> Dataset:
    return load_images(read_settings({"source": str(source), "size": 24, **settings}), base=Path("/"), progress=quiet)


def refused(source: Path, **settings: object) -> str:
    with pytest.raises(BadData) as caught:
        load(source, **settings)
    assert caught.value.fix and len(str(caught.value).splitlines()) == 2
    return caught.value.what


def packed(folder: Path, kind: str) -> Path:
    """The folder's files as an archive beside it, inside one folder of the archive."""
    target = folder.with_name(folder.name + kind)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if kind == ".zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
            for path in files:
                package.write(path, f"data/{path.relative_to(folder)}")
    else:
        with tarfile.open(target, {".tar": "w", ".tar.gz": "w:gz", ".tar.xz": "w:xz", ".tar.bz2": "w:bz2"}[kind]) as bundle:
            for path in files:
                bundle.add(path, f"data/{path.relative_to(folder)}")
    return target


def test_class_folders_are_items_with_their_pictures(tmp_path: Path) -> None:
    data = load(class_folders(tmp_path / "pets", {"cat": 6, "dog": 7}))
    assert [item.target for item in data.items] == ["cat"] * 6 + ["dog"] * 7
    assert data.items[0].id == data.items[0].input == "cat/0.png" and data.items[0].meta["file"] == "cat/0.png"
    assert data.name == "pets" and data.facts["class_counts"] == {"cat": 6, "dog": 7} and data.facts["left_out"] == 0
    store = Pictures.open(Path(data.material))
    assert store.size == 24 and (store.picture("cat/0.png") == pixels(1)).all()
    assert data.suggested_test == frozenset()


def test_published_splits_are_kept(tmp_path: Path) -> None:
    root = tmp_path / "split"
    class_folders(root / "train", {"a": 5, "b": 5})
    class_folders(root / "val", {"a": 2, "b": 2}, 20)
    class_folders(root / "Test", {"a": 3, "b": 3}, 40)
    data = load(root)
    assert data.suggested_test == {f"Test/{c}/{i}.png" for c in "ab" for i in range(3)}
    assert data.suggested_valid == {f"val/{c}/{i}.png" for c in "ab" for i in range(2)}
    assert {item.target for item in data.items} == {"a", "b"}
    assert any("published test split" in note for note in data.notes)


def test_a_class_called_train_is_a_class_where_nothing_is_published(tmp_path: Path) -> None:
    data = load(class_folders(tmp_path / "vehicles", {"train": 6, "bus": 6}))
    assert data.facts["class_counts"] == {"bus": 6, "train": 6} and not data.suggested_test


def test_folders_inside_a_class_belong_to_it(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "pets", {"cat/persian": 4, "cat/siamese": 4, "dog": 5})
    assert load(root).facts["class_counts"] == {"cat": 8, "dog": 5}


def test_everything_unusable_is_listed_with_its_reason(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "odd", {"cat": 6, "dog": 6})
    put(root / "cat" / "empty.jpg", b"")
    put(root / "cat" / "words.png", b"this is a text file, not a picture")
    put(root / "cat" / "huge.png", huge_png())
    put(root / "cat" / "cut.jpg", encoded(pixels(90), "JPEG")[:200])
    put(root / "dog" / "notes.txt", b"hello")
    put(root / "dog" / ".DS_Store", b"x")
    put(root / "loose.png", png(91))
    (root / "dog" / "loop").symlink_to(root, target_is_directory=True)
    (root / "dog" / "gone.png").symlink_to(root / "nowhere.png")
    os.mkfifo(root / "dog" / "pipe.png")
    data = load(root)
    reasons = dict(data.facts["left_out_files"])
    assert len(data.items) == 12 and data.facts["left_out"] == len(reasons) == 10
    assert reasons["cat/empty.jpg"] == "the file is empty"
    assert "no picture of a known kind" in reasons["cat/words.png"]
    assert "more than 50,000,000 pixels" in reasons["cat/huge.png"]
    assert "cannot be decoded" in reasons["cat/cut.jpg"]
    assert "ends in '.txt'" in reasons["dog/notes.txt"] and reasons["dog/.DS_Store"] == "a hidden file"
    assert reasons["loose.png"] == "it lies in no class folder"
    assert "link back" in reasons["dog/loop"] and "leads nowhere" in reasons["dog/gone.png"]
    assert reasons["dog/pipe.png"] == "neither a file nor a folder"
    assert any("Left out 10 files" in note and "5 more" in note for note in data.notes)
    again = load(root)
    assert again.facts["left_out_files"] == data.facts["left_out_files"] and again.material == data.material


def test_cmyk_16_bit_animated_and_transparent_pictures_are_read(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "kinds", {"a": 6, "b": 6})
    plain = Image.fromarray(pixels(70))
    put(root / "a" / "cmyk.jpg", encoded(plain.convert("CMYK"), "JPEG"))
    deep = Image.fromarray(np.full((24, 24), 40_000, dtype=np.uint16))
    put(root / "a" / "deep.png", encoded(deep))
    put(root / "b" / "film.gif", encoded(plain, "GIF", save_all=True, append_images=[Image.fromarray(pixels(71))]))
    clear = Image.new("RGBA", (24, 24), (0, 0, 0, 0))
    put(root / "b" / "clear.png", encoded(clear))
    data = load(root)
    assert data.facts["left_out"] == 0 and len(data.items) == 16
    store = Pictures.open(Path(data.material))
    assert (store.picture("b/clear.png") == 255).all()
    assert abs(int(store.picture("a/deep.png")[0, 0, 0]) - 156) <= 1


def test_names_of_any_script_are_read(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "été", {"кошка": 6, "犬": 6})
    os.rename(root / "犬" / "0.png", os.fsencode(root / "犬") + b"/caf\xe9.png")  # noqa: PTH104 a name that is no UTF-8
    data = load(root)
    assert data.facts["labels"] == ["кошка", "犬"] and data.name == "été" and len(data.items) == 12
    assert "犬/caf\\xe9.png" in {item.id for item in data.items}


def test_too_little_is_refused_in_two_lines(tmp_path: Path) -> None:
    assert "one class" in refused(class_folders(tmp_path / "one", {"cat": 12}))
    assert "'dog' (1)" in refused(class_folders(tmp_path / "rare", {"cat": 12, "dog": 1}))
    assert "There are 6 usable pictures" in refused(class_folders(tmp_path / "few", {"cat": 3, "dog": 3}))
    assert "no picture in a class folder" in refused(put(tmp_path / "flat" / "1.png", png(1)).parent)
    (tmp_path / "void").mkdir()
    assert "no files" in refused(tmp_path / "void")
    assert "No such file" in refused(tmp_path / "nowhere")
    assert "no archive" in refused(put(tmp_path / "plain.txt", b"hello"))
    broken = tmp_path / "broken"
    for i in range(12):
        put(broken / "ab"[i % 2] / f"{i}.png", b"nothing")
    assert "No picture could be read (12 could not be used: " in refused(broken)


def test_a_published_test_with_a_class_that_train_lacks_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "split"
    class_folders(root / "train", {"a": 5, "b": 5})
    class_folders(root / "test", {"a": 3, "b": 3, "c": 3}, 40)
    assert "'c' is in the published test" in refused(root)


@pytest.mark.parametrize("kind", [".tar", ".tar.gz", ".tar.xz", ".tar.bz2", ".zip"])
def test_an_archive_is_read_as_its_folder(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "pets"
    class_folders(root / "train", {"cat": 5, "dog": 5})
    class_folders(root / "test", {"cat": 3, "dog": 3}, 30)
    put(root / "train" / "cat" / "empty.png", b"")
    folder, archive = load(root), load(packed(root, kind))
    assert [item.id for item in archive.items] == [item.id for item in folder.items]
    assert archive.suggested_test == folder.suggested_test and archive.name == "pets" and archive.facts["left_out"] == 1
    one, other = Pictures.open(Path(folder.material)), Pictures.open(Path(archive.material))
    assert (one.take(one.keys) == other.take(one.keys)).all()


def test_members_that_leave_the_archive_are_listed_and_never_written(tmp_path: Path) -> None:
    archive = tmp_path / "bad.tar"
    with tarfile.open(archive, "w") as bundle:
        for i in range(12):
            info = tarfile.TarInfo(f"{'ab'[i % 2]}/{i}.png")
            info.size = len(png(i))
            bundle.addfile(info, io.BytesIO(png(i)))
        for name in ("../out.png", "/etc/out.png", "a/../../out.png"):
            info = tarfile.TarInfo(name)
            info.size = len(png(99))
            bundle.addfile(info, io.BytesIO(png(99)))
        link = tarfile.TarInfo("a/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        bundle.addfile(link)
    data = load(archive)
    reasons = dict(data.facts["left_out_files"])
    assert len(data.items) == 12 and len(reasons) == 4
    assert reasons["../out.png"] == "a path that leads out of the archive" and reasons["a/link.png"] == "a link or a device"
    assert not (tmp_path / "out.png").exists() and not (tmp_path.parent / "out.png").exists()


def test_a_name_that_comes_twice_in_an_archive_counts_once(tmp_path: Path) -> None:
    archive = tmp_path / "twice.tar"
    with tarfile.open(archive, "w") as bundle:
        for i in (*range(12), 3):
            info = tarfile.TarInfo(f"{'ab'[i % 2]}/{i}.png")
            info.size = len(png(i))
            bundle.addfile(info, io.BytesIO(png(i)))
    data = load(archive)
    assert len({item.id for item in data.items}) == len(data.items) == 12
    assert data.facts["left_out_files"] == [["b/3.png", "the archive holds another file of this name"]]


def test_links_are_followed_once_and_a_maze_of_links_ends(tmp_path: Path) -> None:
    class_folders(tmp_path / "elsewhere" / "owls", {"": 6})
    root = class_folders(tmp_path / "pets", {"cat": 6, "dog": 6})
    (root / "owl").symlink_to(tmp_path / "elsewhere" / "owls", target_is_directory=True)
    (root / "owl again").symlink_to(tmp_path / "elsewhere" / "owls", target_is_directory=True)
    rooms = [tmp_path / "maze" / str(i) for i in range(14)]
    for room in rooms:
        room.mkdir(parents=True)
    for here, there in itertools.pairwise(rooms):
        for door in range(10):  # ten ways on from each of 14 rooms: without care, 10^13 folders
            (here / f"door {door}").symlink_to(there, target_is_directory=True)
    (root / "maze").symlink_to(rooms[0], target_is_directory=True)
    data = load(root)
    assert data.facts["class_counts"] == {"cat": 6, "dog": 6, "owl": 6}
    assert dict(data.facts["left_out_files"])["owl again"] == "a link back to a folder that is read already"
    assert data.facts["left_out"] < 150


def test_archives_that_are_damaged_or_bombs_are_refused(tmp_path: Path) -> None:
    good = packed(class_folders(tmp_path / "pets", {"a": 6, "b": 6}), ".tar.gz").read_bytes()
    assert "damaged" in refused(put(tmp_path / "cut.tar.gz", good[: len(good) // 2]))
    assert "damaged" in refused(put(tmp_path / "odd.zip", b"PK\x03\x04 and then nothing"))
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        for i in range(3):
            package.writestr(f"a/{i}.png", bytes(120 << 20))
    assert "unpacks to more than" in refused(bomb)


def test_a_changed_file_is_prepared_anew(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "pets", {"a": 6, "b": 6})
    before = load(root)
    put(root / "a" / "0.png", png(77))
    after = load(root)
    assert before.material != after.material
    assert (Pictures.open(Path(after.material)).picture("a/0.png") == pixels(77)).all()
    assert load(root, fit="pad").material != after.material and load(root, size=32).material != after.material


def test_a_tree_gives_the_same_bytes_from_a_folder_and_an_archive(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "pets", {"a": 3})
    folder, archive = open_tree(root), open_tree(packed(root, ".tar.xz"))
    assert dict(folder.read(["a/1.png"])) == {"a/1.png": png(2)}
    assert dict(archive.read(["data/a/1.png"])) == {"data/a/1.png": png(2)}
