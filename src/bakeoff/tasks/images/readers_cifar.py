"""CIFAR-10 and CIFAR-100 as Krizhevsky (2009) published them: the Python version and the binary version, as a folder or the archive itself.

The Python version is a pickle, and a pickle can run whatever it names. It is read by an unpickler that knows four names, none of which does
anything but note its arguments; the arrays are then taken from the noted bytes.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from bakeoff.errors import BadData, shown
from bakeoff.tasks.images.decode import Fit
from bakeoff.tasks.images.readers_archive import Tree
from bakeoff.tasks.images.readers_source import PictureSource, Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bakeoff.tasks.images.decode import Pixels

SIDE = 32
BYTES = 3 * SIDE * SIDE
LICENCE = "unstated (cite Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009)"


@dataclass(frozen=True)
class _Layout:
    """One of the four published forms: its files by part, where the names of the labels are, and the key or column of the label."""

    name: str
    files: Mapping[str, tuple[str, ...]]
    meta: str
    names: str
    labels: str
    columns: int
    classes: int

    @property
    def binary(self) -> bool:
        return self.files["test"][0].endswith(".bin")


LAYOUTS = (
    _Layout("CIFAR-10", {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}, "batches.meta", "label_names", "labels", 1, 10),
    _Layout("CIFAR-10", {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}, "batches.meta.txt", "", "", 1, 10),
    _Layout("CIFAR-100", {"train": ("train",), "test": ("test",)}, "meta", "fine_label_names", "fine_labels", 2, 100),
    _Layout("CIFAR-100", {"train": ("train.bin",), "test": ("test.bin",)}, "fine_label_names.txt", "", "", 2, 100),
)  # fmt: skip


def is_cifar(tree: Tree) -> bool:
    """Whether a folder or an archive holds one of the published forms of CIFAR."""
    return _found(tree) is not None


def open_cifar(tree: Tree) -> PictureSource:
    """The pictures of a published form of CIFAR, with its own test split; 32 by 32 pixels. CIFAR-100 with its 100 fine labels.

    Raises
    ------
    BadData
        If the tree holds none, a file of it is missing or not as published, or a pickle names anything but arrays and plain containers.
    """
    import numpy as np

    found = _found(tree)
    if found is None:
        raise BadData(
            f"{shown(tree.name)} holds no published form of CIFAR.", fix="name the folder or archive as it was published"
        )
    layout, paths = found
    wanted = [name for files in layout.files.values() for name in files]
    missing = [name for name in wanted if name not in paths]
    if missing:
        raise BadData(f"{shown(tree.name)} lacks {', '.join(missing)}.", fix="unpack the archive again, whole")
    read = {
        PurePosixPath(path).name: data
        for path, data in tree.read([paths[name] for name in (*wanted, layout.meta) if name in paths])
    }
    names, notes = _names(layout, read)
    records: list[Record] = []
    batches: list[NDArray[np.uint8]] = []
    for part, files in layout.files.items():
        for file in files:
            pixels, codes = _binary(read[file], file, layout) if layout.binary else _python(read[file], file, layout)
            batches.append(pixels)
            base = sum(record.part == part for record in records)
            records += [
                Record(f"{part}/{base + i:05d}", names[code], part, file=f"{file} row {i}", row=len(records) + i)
                for i, code in enumerate(codes)
            ]
    held = np.concatenate(batches)  # shape (n, 3072): red, green, blue, each row by row

    def pictures(asked: Sequence[Record], size: int, fit: Fit) -> Iterator[tuple[Record, Pixels | str]]:
        for record in asked:
            picture = np.ascontiguousarray(held[record.row].reshape(3, SIDE, SIDE).transpose(1, 2, 0))
            yield record, picture if size == SIDE else _resized(picture, size)

    return PictureSource(
        name=layout.name, records=tuple(records), digest=tree.digest([paths[name] for name in wanted]), read=pictures,
        licence=LICENCE, size=SIDE, notes=(*notes, "The published test split is kept as it is."),
    )  # fmt: skip


def _found(tree: Tree) -> tuple[_Layout, dict[str, str]] | None:
    folders: dict[str, dict[str, str]] = {}
    for entry in tree.entries:
        path = PurePosixPath(entry.path)
        if not entry.reason and len(path.parts) <= 3:
            folders.setdefault(str(path.parent), {})[path.name] = entry.path
    for layout in LAYOUTS:
        for paths in folders.values():
            if all(any(name in paths for name in files) for files in layout.files.values()) and (
                layout.binary or layout.meta in paths
            ):
                return layout, paths
    return None


def _names(layout: _Layout, read: Mapping[str, bytes]) -> tuple[list[str], list[str]]:
    data = read.get(layout.meta)
    if data is None:
        return [str(i) for i in range(layout.classes)], [f"{layout.meta} is missing, so the labels are numbers."]
    if layout.binary:
        names = [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    else:
        names = [_as_text(name) for name in _of(restricted_load(data, layout.meta), layout.names, list, layout.meta)]
    if len(names) != layout.classes or len(set(names)) != layout.classes:
        raise _odd(layout.meta, f"it names {len(set(names))} labels; {layout.classes} are expected")
    return names, []


def _binary(data: bytes, file: str, layout: _Layout) -> tuple[NDArray[np.uint8], list[int]]:
    import numpy as np

    row = layout.columns + BYTES
    if not data or len(data) % row:
        raise _odd(file, f"{len(data):,} bytes are no whole number of pictures of {row:,} bytes")
    rows = np.frombuffer(data, dtype=np.uint8).reshape(-1, row)
    return rows[:, layout.columns :], _codes([int(code) for code in rows[:, layout.columns - 1]], len(rows), file, layout)


def _python(data: bytes, file: str, layout: _Layout) -> tuple[NDArray[np.uint8], list[int]]:
    import numpy as np

    batch = restricted_load(data, file)
    pixels = _of(batch, "data", np.ndarray, file)
    if pixels.ndim != 2 or pixels.shape[1] != BYTES:
        raise _odd(file, f"its pictures have the shape {pixels.shape}; (n, {BYTES}) is expected")
    return pixels, _codes(_of(batch, layout.labels, list, file), len(pixels), file, layout)


def _codes(codes: list[Any], n: int, file: str, layout: _Layout) -> list[int]:
    if len(codes) != n or not all(type(code) is int and 0 <= code < layout.classes for code in codes):
        raise _odd(file, f"its labels are not {n:,} numbers from 0 to {layout.classes - 1}")
    return codes


def _of(found: Any, key: str, kind: type, file: str) -> Any:
    """What a batch holds under a key, which Python 2 wrote as bytes."""
    held = found.get(key, found.get(key.encode())) if isinstance(found, dict) else None
    if not isinstance(held, kind):
        raise _odd(file, f"it holds no {shown(key)}")
    return held


def _as_text(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _odd(file: str, says: str) -> BadData:
    return BadData(f"{shown(file)} is not as published: {says}.", fix="fetch the data set again from where it is published")


def _resized(picture: Pixels, size: int) -> Pixels:
    import numpy as np
    from PIL import Image

    return np.array(Image.fromarray(picture).resize((size, size), Image.Resampling.LANCZOS), dtype=np.uint8)


# --- pickles, read and never run --------------------------------------------------------------------------------------


def restricted_load(data: bytes, file: str) -> Any:
    """What a pickle of builtin containers, texts, numbers and byte arrays holds. Arrays come back as uint8 arrays.

    Nothing that the pickle names is imported or called: the four names that numpy's arrays need stand for notes of their arguments.

    Raises
    ------
    BadData
        For any other name, an array of another type, or damaged bytes.
    """

    class Array:
        """What numpy would be told of an array: (version, shape, dtype, in Fortran order, bytes)."""

        state: Any = None

        def __setstate__(self, state: Any) -> None:
            self.state = state

    class Kind:
        """What numpy would be told of an array's type."""

        code: Any = None

        def __init__(self, code: Any = None, *rest: Any) -> None:
            self.code = code

        def __setstate__(self, state: Any) -> None:
            """Byte order and the like, which a type of one byte does not have."""

    def reconstruct(*told: Any) -> Array:
        return Array()

    def encode(text: Any = "", *told: Any) -> bytes:
        return text.encode("latin-1") if isinstance(text, str) else b""

    known = {
        ("numpy.core.multiarray", "_reconstruct"): reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): reconstruct,
        ("numpy", "ndarray"): Array,
        ("numpy", "dtype"): Kind,
        ("_codecs", "encode"): encode,
    }

    # The unpickler written in Python: its memo is a mapping, where that of the one in C grows to whatever index a file names.
    class Reader(pickle._Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) not in known:
                raise BadData(
                    f"{shown(file)} is a pickle that asks for {shown(f'{module}.{name}')}: it is refused, since that could run code.",
                    fix="do not use this file; fetch the data set again from where it is published",
                )
            return known[module, name]

    try:
        found = Reader(io.BytesIO(data), encoding="bytes").load()
        return _settled(found, Array, Kind, file) if not isinstance(found, dict) else {
            key: _settled(value, Array, Kind, file) for key, value in found.items()
        }  # fmt: skip
    except BadData:
        raise
    except RecursionError as error:
        raise _odd(file, "it is nested too deeply") from error
    except Exception as error:  # damaged or hostile bytes reach every corner of a pickle's little machine
        raise _odd(file, f"it is no pickle that can be read ({type(error).__name__})") from error


def _settled(value: Any, array: type, kind: type, file: str) -> Any:
    import numpy as np

    if not isinstance(value, array):
        return value
    _, shape, dtype, fortran, held = value.state  # type: ignore[attr-defined]
    code = getattr(dtype, "code", None)
    if not isinstance(dtype, kind) or code not in ("u1", b"u1", "|u1", b"|u1", "uint8", b"uint8"):
        raise _odd(file, f"an array of type {shown(str(code), 20)}; bytes are expected")
    if not isinstance(held, bytes):
        raise _odd(file, "an array without its bytes")
    return np.frombuffer(held, dtype=np.uint8).reshape(tuple(int(n) for n in shape), order="F" if fortran else "C")
