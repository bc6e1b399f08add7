"""CIFAR as published, in all four forms; and pickles that ask for anything else, which are refused before anything of them runs."""

from __future__ import annotations

import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from bakeoff.contract import Dataset, quiet
from bakeoff.errors import BadData
from bakeoff.tasks.images.data import load_images, read_settings
from bakeoff.tasks.images.pictures import Pictures
from bakeoff.tasks.images.readers_cifar import restricted_load

NAMES = [f"name{i}" for i in range(10)]
FINE = [f"fine{i}" for i in range(100)]


def load(source: Path, **settings: object) -> Dataset:
    return load_images(read_settings({"source": str(source), **settings}), base=Path("/"), progress=quiet)


def rows(seed: int, n: int, classes: int) -> tuple[np.ndarray, list[int]]:
    draw = np.random.default_rng(seed)
    return draw.integers(0, 256, (n, 3072), dtype=np.uint8), [i % classes for i in range(n)]


def python_form(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for file, seed in (*((f"data_batch_{i}", i) for i in range(1, 6)), ("test_batch", 9)):
        data, labels = rows(seed, 20, 10)
        batch = {b"data": data, b"labels": labels, b"filenames": [b"x.png"] * 20, b"batch_label": b"one"}
        (folder / file).write_bytes(pickle.dumps(batch, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": [name.encode() for name in NAMES]}, protocol=2))
    return folder


def binary_form(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for file, seed in (*((f"data_batch_{i}.bin", i) for i in range(1, 6)), ("test_batch.bin", 9)):
        data, labels = rows(seed, 20, 10)
        (folder / file).write_bytes(np.column_stack([np.array(labels, dtype=np.uint8), data]).tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    return folder


def test_the_python_and_the_binary_version_give_the_same_pictures(tmp_path: Path) -> None:
    one, other = (
        load(python_form(tmp_path / "p" / "cifar-10-batches-py")),
        load(binary_form(tmp_path / "b" / "cifar-10-batches-bin")),
    )
    assert one.name == other.name == "CIFAR-10" and len(one.items) == 120 and one.facts["labels"] == NAMES
    assert [(item.id, item.target) for item in one.items] == [(item.id, item.target) for item in other.items]
    assert one.suggested_test == {f"test/{i:05d}" for i in range(20)} and not one.suggested_valid
    first, second = Pictures.open(Path(one.material)), Pictures.open(Path(other.material))
    assert first.size == 32 and (first.take(first.keys) == second.take(first.keys)).all()
    wanted = rows(2, 20, 10)[0][3].reshape(3, 32, 32).transpose(1, 2, 0)
    assert (first.picture("train/00023") == wanted).all(), "second batch, fourth picture: red, green and blue planes"
    assert load(tmp_path / "b", size=48).facts["size"] == 48


def test_the_published_archive_is_read_as_it_is(tmp_path: Path) -> None:
    python_form(tmp_path / "cifar-10-batches-py")
    archive = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as bundle:
        bundle.add(tmp_path / "cifar-10-batches-py", "cifar-10-batches-py")
    assert len(load(archive).items) == 120
    assert len(load(archive, limit=60).items) == 60


def test_cifar_100_has_its_fine_labels(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for file, seed, n in (("train", 1, 300), ("test", 2, 100)):
        data, fine = rows(seed, n, 100)
        batch = {"data": data, "fine_labels": fine, "coarse_labels": [0] * n}
        (folder / file).write_bytes(pickle.dumps(batch, protocol=2))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": FINE, "coarse_label_names": ["c"] * 20}, protocol=2))
    found = load(folder)
    assert found.name == "CIFAR-100" and len(found.facts["labels"]) == 100 and len(found.items) == 400
    binary = tmp_path / "cifar-100-binary"
    binary.mkdir()
    for file, seed, n in (("train.bin", 1, 300), ("test.bin", 2, 100)):
        data, fine = rows(seed, n, 100)
        labels = np.array([[7, code] for code in fine], dtype=np.uint8)
        (binary / file).write_bytes(np.column_stack([labels, data]).tobytes())
    (binary / "fine_label_names.txt").write_text("\n".join(FINE))
    assert [item.target for item in load(binary).items] == [item.target for item in found.items]


class _Runs:
    def __init__(self, call: object, *given: object) -> None:
        self.call, self.given = call, given

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call, self.given


@pytest.mark.parametrize("call", [os.system, eval, os.getcwd, print, getattr, np.load, type])
def test_a_pickle_that_names_anything_else_is_refused_and_nothing_runs(tmp_path: Path, call: object) -> None:
    ran = tmp_path / "ran"
    folder = python_form(tmp_path / "cifar-10-batches-py")
    (folder / "data_batch_3").write_bytes(pickle.dumps({b"data": _Runs(call, f"touch {ran}")}, protocol=2))
    with pytest.raises(BadData, match="could run code"):
        load(folder)
    assert not ran.exists()


@pytest.mark.parametrize(
    "held",
    [
        np.array([1.5, 2.5]),
        np.array([{}], dtype=object),
        np.zeros((3, 5), dtype=np.uint8),
        "text",
        None,
        [1, 2],
    ],
    ids=["floats", "objects", "another shape", "text", "nothing", "a list"],
)
def test_a_batch_that_is_not_as_published_is_refused(tmp_path: Path, held: object) -> None:
    folder = python_form(tmp_path / "cifar-10-batches-py")
    (folder / "test_batch").write_bytes(pickle.dumps({b"data": held, b"labels": [0, 1, 2]}, protocol=2))
    with pytest.raises(BadData, match="test_batch"):
        load(folder)


def test_damaged_files_are_refused_in_two_lines(tmp_path: Path) -> None:
    folder = binary_form(tmp_path / "bin")
    whole = (folder / "test_batch.bin").read_bytes()
    for body, says in ((whole[:-1], "no whole number"), (b"", "no whole number"), (b"\xff" + whole[1:], "from 0 to 9")):
        (folder / "test_batch.bin").write_bytes(body)
        with pytest.raises(BadData, match=says) as caught:
            load(folder)
        assert len(str(caught.value).splitlines()) == 2
    good = pickle.dumps({b"data": rows(1, 4, 10)[0]}, protocol=2)
    for cut in range(0, len(good) - 1, 371):
        with pytest.raises(BadData, match="no pickle that can be read"):
            restricted_load(good[:cut], "batch")


def test_a_pickle_may_not_reserve_memory_or_recurse_without_end() -> None:
    with pytest.raises(BadData):
        restricted_load(
            b"\x80\x02" + b"K\x01r\xff\xff\xff\xff" + b"j\xfe\xff\xff\xff.", "memo"
        )  # a memo of four thousand million
    with pytest.raises(BadData):
        restricted_load(b"\x80\x04\x8e" + (1 << 60).to_bytes(8, "little") + b"x.", "bytes")
    nested = b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."
    assert isinstance(restricted_load(nested, "lists"), list), "nesting is a chain of containers and no recursion"


def test_arrays_of_new_and_old_numpy_come_back_as_bytes() -> None:
    data, labels = rows(3, 2, 10)
    for protocol in (0, 1, 2, 3, 4):
        found = restricted_load(pickle.dumps({"data": data, "labels": labels}, protocol=protocol), "batch")
        key = "data" if "data" in found else b"data"
        assert (found[key] == data).all() and found[key].dtype == np.uint8
    order = np.asfortranarray(data.reshape(2, 1024, 3)[:, :, 0])
    assert (restricted_load(pickle.dumps({"data": order}, protocol=2), "batch")["data"] == order).all()
