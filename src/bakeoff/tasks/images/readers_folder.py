"""A folder of class folders, as it lies on a disk or in an archive: ``cat/1.jpg``, or ``train/cat/1.jpg`` and ``test/cat/2.jpg``.

The class is the folder directly below the root (or below train, valid and test); folders inside a class are part of it. Whatever is there
and cannot be used is listed with its reason.
"""

from __future__ import annotations

import io
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from bakeoff.errors import BadData, shown
from bakeoff.tasks.images.decode import LARGEST_BYTES, BadPicture, Fit, decode
from bakeoff.tasks.images.readers_archive import Tree
from bakeoff.tasks.images.readers_source import MOST_PICTURES, PARTS, PictureSource, Record

if TYPE_CHECKING:
    from bakeoff.tasks.images.decode import Pixels

ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff")

SIZES = (32, 64, 96)
"""Sizes that pictures are brought to where a study does not say: the pretrained backbone and a CPU want no more than the last."""

PEEKED = 25


def open_class_folders(tree: Tree) -> PictureSource:
    """The pictures of a tree of class folders.

    Raises
    ------
    BadData
        If it holds no picture in a class folder, no train folder beside valid or test, more than a million pictures, or an unprintable label.
    """
    left_out: list[tuple[str, str]] = []
    paths: list[str] = []
    seen: set[str] = set()
    for entry in tree.entries:
        reason = entry.reason or _unusable(entry.path, entry.size)
        if not reason and _text(entry.path) in seen:
            reason = "the archive holds another file of this name"
        if reason:
            left_out.append((_text(entry.path), reason))
        else:
            seen.add(_text(entry.path))
            paths.append(entry.path)
    if len(paths) > MOST_PICTURES:
        raise BadData(
            f"{shown(tree.name)} holds {len(paths):,} pictures; the most is {MOST_PICTURES:,}.", fix="name a sample of it"
        )
    notes: list[str] = []
    root = _root(paths)
    if root:
        notes.append(f"Everything lies in {shown('/'.join(root))}; its folders are the classes.")
    published = _published(paths, len(root))
    records: list[Record] = []
    for path in paths:
        parts = PurePosixPath(path).parts[len(root) :]
        part = PARTS.get(parts[0].lower(), "") if published else ""
        if published and not part:
            left_out.append((_text(path), "it lies in none of train, valid and test"))
            continue
        inner = parts[1:] if published else parts
        if len(inner) < 2:
            left_out.append((_text(path), "it lies in no class folder"))
            continue
        records.append(Record(_text("/".join(parts)), _label(inner[0]), part, file=_text(path), row=len(records)))
    if not records:
        held = f"{len(left_out):,} files that cannot be used" if left_out else "no files"
        more = f" (the first: {shown(left_out[0][0])}, {left_out[0][1]})" if left_out else ""
        raise BadData(
            f"{shown(tree.name)} holds no picture in a class folder, but {held}{more}.",
            fix="put the pictures of each class in a folder called like the class",
        )
    if published and not any(record.part == "train" for record in records):
        raise BadData(
            f"{shown(tree.name)} has no picture in its train folder.", fix="put the class folders of training into train/"
        )
    if published:
        counts = {part: sum(record.part == part for record in records) for part in ("train", "valid", "test")}
        notes += [
            f"The published {part} split is kept as it is: {n:,} pictures." for part, n in counts.items() if n and part != "train"
        ]
    wanted = {record.file for record in records}
    used = [path for path in paths if _text(path) in wanted]

    def read(asked: Sequence[Record], size: int, fit: Fit) -> Iterator[tuple[Record, Pixels | str]]:
        by_file = {record.file: record for record in asked}
        for path, data in tree.read([path for path in used if _text(path) in by_file]):
            record = by_file.pop(_text(path))
            try:
                yield record, decode(data, size, fit)
            except BadPicture as error:
                yield record, error.what
        for record in by_file.values():
            yield record, "it is gone"

    size, why = _suits(data for _, data in islice(tree.read(used), PEEKED))
    return PictureSource(
        name=tree.name,
        records=tuple(records),
        digest=tree.digest(used),
        read=read,
        size=size,
        notes=(*notes, *why),
        left_out=tuple(left_out),
    )


def _suits(some: Iterable[bytes]) -> tuple[int, list[str]]:
    """The least of `SIZES` that keeps what the smaller sides of some pictures hold, and a note where that is not the largest."""
    sides = [side for data in some if (side := _side(data))]
    middle = sorted(sides)[len(sides) // 2] if sides else SIZES[-1]
    size = next((size for size in SIZES if middle <= size * 5 // 4), SIZES[-1])
    said = (
        f"The first pictures are about {middle} pixels a side, so they are brought to {size}; `size` under `data` changes that."
    )
    return size, [said] if size < SIZES[-1] else []


def _side(data: bytes) -> int:
    """The smaller side as the picture's header states it, 0 where it has none."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")) as picture:
                return int(min(picture.size))
    except Exception:  # what is wrong with a picture is said where it is decoded
        return 0


def _unusable(path: str, size: int) -> str:
    parts = PurePosixPath(path).parts
    if any(part.startswith((".", "__MACOSX")) for part in parts) or parts[-1] in ("Thumbs.db", "desktop.ini"):
        return "a hidden file"
    if not path.lower().endswith(ENDINGS):
        return f"it ends in {shown(PurePosixPath(path).suffix or 'nothing', 20)}, not like a picture"
    if size > LARGEST_BYTES:
        return f"the file has more than {LARGEST_BYTES:,} bytes"
    return "" if size else "the file is empty"


def _root(paths: Sequence[str]) -> tuple[str, ...]:
    """Folders around the class folders: as long as all pictures lie in one folder, and in folders inside it."""
    root: tuple[str, ...] = ()
    split = [PurePosixPath(path).parts for path in paths]
    while split and all(len(parts) > len(root) + 2 for parts in split) and len({parts[len(root)] for parts in split}) == 1:
        root = (*root, split[0][len(root)])
    return root


def _published(paths: Sequence[str], at: int) -> bool:
    """Whether the folders are those of a published split: train, and valid or test beside it, with class folders in train."""
    depths: dict[str, int] = {}
    for path in paths:
        parts = PurePosixPath(path).parts[at:]
        part = PARTS.get(parts[0].lower()) if len(parts) > 1 else None
        if part:
            depths[part] = max(depths.get(part, 0), len(parts))
    return len(depths) > 1 and ("train" not in depths or depths["train"] > 2)


def _label(name: str) -> str:
    label = unicodedata.normalize("NFC", _text(name)).strip()
    if not label or not label.isprintable() or len(label) > 200:
        raise BadData(
            f"The folder {shown(name)} is no label (empty, unprintable or over 200 characters).", fix="rename the folder"
        )
    return label


def _text(path: str) -> str:
    """A path as text that can be written: bytes that are no UTF-8 are spelt out."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
