"""Data sets of the Hugging Face hub, and folders that its ``datasets`` library saved (extra ``hub``).

Only data is read: a data set that needs its own loading script is refused by ``datasets`` itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bakeoff.contract import Json
from bakeoff.errors import AssetError, BadData, needs, shown
from bakeoff.tasks.text.readers import PARTS, Source
from bakeoff.tasks.text.tables import MOST_ROWS, Row, Table


def open_hub(name: str) -> Source:
    """A data set of the hub: ``org/name``, or ``org/name@config`` where it has several configurations.

    Splits called train, validation (valid, dev) and test are kept as published; others are left out and
    said in the notes. Class numbers become class names where the data set names them.

    Raises
    ------
    MissingExtra
        If ``datasets`` is not installed.
    AssetError
        If the hub is out of reach (found out in at most 3 seconds) and the data set is not in the local cache.
    BadData
        If the data set cannot be loaded or has no train split.
    """
    needs("datasets", extra="hub", why=f"Data set {shown('hub:' + name)}")
    path, _, config = name.partition("@")
    if (
        path.count("/") > 1
        or not path.replace("/", "").replace("-", "").replace("_", "").replace(".", "").isalnum()
        or ".." in path
    ):
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
                fix="connect and run once, or name a local file or folder as `source`",
            ) from error
        raise BadData(
            f"{shown('hub:' + name)} cannot be loaded: {shown(_one_line(error), 160)}.",
            fix="check the name and the configuration",
        ) from error
    return _source(loaded, name)


def open_saved(folder: Path) -> Source:
    """A folder written by ``datasets.save_to_disk``, with or without splits."""
    needs("datasets", extra="hub", why=f"Folder {shown(folder.name)} (saved by datasets)")
    import datasets

    try:
        loaded = datasets.load_from_disk(str(folder))
    except Exception as error:
        raise BadData(
            f"{shown(str(folder), 200)} cannot be loaded: {shown(_one_line(error), 160)}.",
            fix="save the data set again, or export it as Parquet",
        ) from error
    return _source(loaded, folder.name)


def _source(loaded: Any, name: str) -> Source:
    splits: Mapping[str, Any] = loaded if isinstance(loaded, Mapping) else {"train": loaded}
    parts: dict[str, tuple[Table, ...]] = {}
    left_out = [split for split in splits if split not in PARTS]
    for split, rows in splits.items():
        if split in PARTS:
            parts.setdefault(PARTS[split], (_table(rows, f"{name} ({split})", left_out),))
    if "train" not in parts:
        raise BadData(
            f"Data set {shown(name)} has no train split (it has {shown(', '.join(splits))}).",
            fix="export the split that you want as Parquet",
        )
    return Source(name, parts, licence=str(getattr(next(iter(splits.values())).info, "license", "") or "unstated")[:100])


def _table(rows: Any, name: str, left_out: list[str]) -> Table:
    import datasets

    if rows.num_rows > MOST_ROWS:
        raise BadData(f"{shown(name)} has {rows.num_rows:,} rows; the most is {MOST_ROWS:,}.", fix="export a sample of it")
    columns = tuple(rows.column_names)
    classes = {name: feature for name, feature in rows.features.items() if isinstance(feature, datasets.ClassLabel)}

    def cell(column: str, value: Json) -> Json:
        # -1 is how published test splits say that the label is withheld.
        if column in classes:
            return classes[column].names[value] if value is not None and 0 <= value < len(classes[column].names) else None
        return value

    def stream() -> Iterator[Row]:
        for number, record in enumerate(rows, 1):
            yield Row(number, tuple(cell(column, record[column]) for column in columns))

    notes = (f"{name}: left out the splits {', '.join(left_out)}.",) if left_out else ()
    return Table(name, columns, stream, unit="row", notes=notes)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
