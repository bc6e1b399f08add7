"""Data sets of the Hugging Face hub with a picture and a class in each row, and folders that ``datasets`` saved (extra ``hub``).

Only data is read: a data set that needs its own loading script is refused by ``datasets`` itself. Pictures are taken as bytes and decoded here,
so that the same bounds hold as for any other file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.errors import AssetError, BadData, needs, shown
from bakeoff.tasks.images.decode import BadPicture, Fit, decode
from bakeoff.tasks.images.readers_source import MOST_PICTURES, PARTS, PictureSource, Record

if TYPE_CHECKING:
    from bakeoff.tasks.images.decode import Pixels


def open_hub(name: str) -> PictureSource:
    """A data set of the hub: ``org/name``, or ``org/name@config`` where it has several configurations.

    Raises
    ------
    MissingExtra
        If ``datasets`` is not installed.
    AssetError
        If the hub is out of reach and the data set is not in the local cache.
    BadData
        If it cannot be loaded, has no train split, no column of pictures or no column of classes.
    """
    needs("datasets", extra="hub", why=f"Data set {shown('hub:' + name)}")
    path, _, config = name.partition("@")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", path) or ".." in path:
        raise BadData(f"{shown('hub:' + name)} is no name of a data set.", fix="write hub:org/name, or hub:org/name@config")
    import datasets

    from bakeoff.assets.hub import reachable

    offline = not reachable()
    try:
        loaded = datasets.load_dataset(
            path, config or None, download_config=datasets.DownloadConfig(local_files_only=offline, max_retries=1)
        )
    except Exception as error:  # every failure of the library is about the data set or the way to it
        if offline:
            raise AssetError(
                f"The hub is out of reach and {shown('hub:' + name)} is not in the local cache.",
                fix="connect and run once, or name a local folder as `source`",
            ) from error
        raise BadData(
            f"{shown('hub:' + name)} cannot be loaded: {shown(' '.join(str(error).split()) or type(error).__name__, 160)}.",
            fix="check the name and the configuration",
        ) from error
    return source_of(loaded, name)


def is_saved(folder: Path) -> bool:
    """Whether ``datasets.save_to_disk`` wrote this folder."""
    return (folder / "dataset_dict.json").is_file() or (folder / "dataset_info.json").is_file()


def open_saved(folder: Path) -> PictureSource:
    """A folder written by ``datasets.save_to_disk``, with or without splits. Raises as `open_hub`."""
    needs("datasets", extra="hub", why=f"Folder {shown(folder.name)} (saved by datasets)")
    import datasets

    try:
        loaded = datasets.load_from_disk(str(folder))
    except Exception as error:
        raise BadData(
            f"{shown(str(folder), 200)} cannot be loaded: {shown(' '.join(str(error).split()), 160)}.",
            fix="save the data set again",
        ) from error
    return source_of(loaded, folder.name)


def source_of(loaded: Any, name: str) -> PictureSource:
    """A data set, or a mapping of splits, that ``datasets`` loaded. Raises BadData."""
    import datasets

    splits: Mapping[str, Any] = loaded if isinstance(loaded, Mapping) else {"train": loaded}
    kept: dict[str, Any] = {}
    for split, rows in splits.items():
        if split in PARTS and PARTS[split] not in kept:
            kept[PARTS[split]] = rows
    if "train" not in kept:
        raise BadData(
            f"Data set {shown(name)} has no train split (it has {shown(', '.join(splits))}).", fix="name another data set"
        )
    left = [split for split, rows in splits.items() if not any(rows is held for held in kept.values())]
    picture, label = _columns(kept["train"], name)
    records: list[Record] = []
    left_out: list[tuple[str, str]] = []
    whole = hashlib.sha256()
    held: list[tuple[Any, int]] = []
    for part, rows in kept.items():
        if rows.num_rows + len(held) > MOST_PICTURES:
            raise BadData(f"{shown(name)} has more than {MOST_PICTURES:,} rows.", fix="export a sample of it")
        missing = [column for column in (picture, label) if column not in rows.column_names]
        if missing:
            raise BadData(f"The {part} split of {shown(name)} has no column {shown(missing[0])}.", fix="name another data set")
        names = rows.features[label].names
        raw = rows.cast_column(picture, datasets.Image(decode=False))
        for row, cells in enumerate(raw):
            code, cell = cells[label], cells[picture]
            key = f"{part}/{row:06d}" if len(kept) > 1 else f"{row:06d}"
            held.append((raw, row))
            whole.update(f"{key} {code} ".encode() + hashlib.sha256(_bytes(cell)).digest())
            if code is None or not 0 <= code < len(names):  # -1 is how published test splits say that the label is withheld
                left_out.append((key, "it has no label"))
                continue
            records.append(
                Record(key, str(names[code]), part if len(kept) > 1 else "", file=f"{part} row {row}", row=len(held) - 1)
            )

    def read(asked: Sequence[Record], size: int, fit: Fit) -> Iterator[tuple[Record, Pixels | str]]:
        for record in asked:
            rows, row = held[record.row]
            try:
                yield record, decode(_bytes(rows[row][picture]), size, fit)
            except BadPicture as error:
                yield record, error.what

    notes = [f"Left out the splits {', '.join(left)}."] if left else []
    notes += [f"The published {part} split is kept as it is." for part in ("valid", "test") if part in kept]
    licence = str(getattr(kept["train"].info, "license", "") or "unstated")[:100]
    return PictureSource(
        name=name, records=tuple(records), digest=whole.hexdigest(), read=read, licence=licence,
        notes=tuple(notes), left_out=tuple(left_out), facts={"columns": {"picture": picture, "label": label}},
    )  # fmt: skip


def _columns(rows: Any, name: str) -> tuple[str, str]:
    """The only column of pictures, and the only one of classes (or the one called label or labels among several)."""
    import datasets

    pictures = [column for column, feature in rows.features.items() if isinstance(feature, datasets.Image)]
    classes = [column for column, feature in rows.features.items() if isinstance(feature, datasets.ClassLabel)]
    called = [column for column in classes if column in ("label", "labels", "fine_label")]
    chosen = classes if len(classes) == 1 else called[:1]
    if len(pictures) != 1 or not chosen:
        has = ", ".join(shown(column, 30) for column in list(rows.features)[:10])
        raise BadData(
            f"Data set {shown(name)} has {len(pictures)} columns of pictures and {len(classes)} of classes (its columns: {has}).",
            fix="export the pictures to a folder of class folders",
        )
    return pictures[0], chosen[0]


def _bytes(cell: Any) -> bytes:
    """The bytes of a picture, none where a row has none: in the row itself, or in the file that ``datasets`` keeps beside it."""
    if not isinstance(cell, Mapping):
        return b""
    if cell.get("bytes"):
        return bytes(cell["bytes"])
    path = cell.get("path")
    try:
        return Path(path).read_bytes() if path and Path(path).is_file() and Path(path).stat().st_size <= 1 << 26 else b""
    except OSError:
        return b""
