"""From the study's `data` section to labelled pictures, each decoded once, with everything that was left out listed.

The prepared pictures lie in ``BAKEOFF_HOME/pictures`` under a name that follows from the bytes of the source, the size and the way they were
brought to it: a second run decodes nothing, and a changed file makes another folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bakeoff.contract import Dataset, Item, Json, Progress, quiet
from bakeoff.errors import BadData, BadStudy, nearest, needs, shown
from bakeoff.measure import splits
from bakeoff.tasks.images.pictures import Pictures
from bakeoff.tasks.images.readers_source import PictureSource, Record

if TYPE_CHECKING:
    from bakeoff.tasks.images.decode import Pixels

FEWEST_ITEMS = 10
FEWEST_PER_CLASS = 3
MOST_CLASSES = 1000
ASSETS = ("emoji",)
READER = 1
"""Counted up when the same files come out as other pixels or other facts."""

MOST_LISTED = 200
WORTH_DECODING = 1000
"""Up to so many pictures are decoded before the source is judged: what is wrong with a file is then part of what is said."""
Share = Annotated[float, Field(gt=0, lt=1, strict=True)]


class ImagesData(BaseModel):
    """The `data` section of a study of pictures. Only `source` is required.

    `source` is a folder of class folders, an archive of one, CIFAR as published, ``hub:org/name`` or ``asset:emoji``. `size` is in pixels a
    side; `test` and `valid` are shares in (0, 1).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[str, Field(min_length=1)]
    size: Annotated[int, Field(ge=16, le=512, strict=True)] | None = None
    fit: Literal["crop", "pad"] = "crop"
    styles: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    held_out_style: str | None = None
    test: Share | None = None
    valid: Share | None = None
    split_seed: Annotated[int, Field(ge=0, strict=True)] = 0
    limit: Annotated[int, Field(ge=FEWEST_ITEMS, strict=True)] | None = None
    name: Annotated[str, Field(max_length=200)] | None = None
    licence: Annotated[str, Field(max_length=400)] | None = None


def read_settings(data: Mapping[str, Json]) -> ImagesData:
    """Check the `data` section of a study.

    Raises
    ------
    BadStudy
        For an unknown key (near ones are offered), a missing `source`, or a value out of range.
    """
    try:
        return ImagesData.model_validate(dict(data))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "data"
        if first["type"] == "extra_forbidden":
            raise BadStudy(f"`data` has an unknown key {shown(key)}.", fix=nearest(key, ImagesData.model_fields)) from error
        if first["type"] == "missing":
            raise BadStudy("`data` has no `source`.", fix='add `source: FOLDER` (or "asset:emoji") under `data`') from error
        allowed = {
            "test": "a share between 0 and 1", "valid": "a share between 0 and 1", "size": "a number of pixels from 16 to 512",
            "fit": "crop or pad", "styles": "a list of styles",
        }  # fmt: skip
        says = allowed.get(key) or first["msg"][:1].lower() + first["msg"][1:]
        raise BadStudy(f"`data.{key}` is {shown(first.get('input'))}: {says}.", fix=f"correct `{key}` under `data`") from error


def load_images(settings: ImagesData, *, base: Path, progress: Progress = quiet) -> Dataset:
    """Open the source, prepare its pictures, and give them as items.

    Parameters
    ----------
    settings : ImagesData
    base : Path
        Folder that relative paths start from: the study file's.

    Returns
    -------
    Dataset
        `facts` has ``labels`` (sorted), ``class_counts``, ``pictures``, ``groups`` (None without), ``size``, ``left_out`` (how many files could not
        be used) and ``left_out_files`` (path and reason of the first 200), and what the source adds (``styles``).

    Raises
    ------
    BadStudy
        For settings that do not go with the source.
    BadData
        For a source that cannot be read, holds one class only, or a class with fewer than three pictures.
    """
    needs("numpy", "PIL", "cv2", extra="images", why="Reading pictures")
    source = _open(settings, base, progress)
    for part in ("test", "valid"):
        if getattr(settings, part) and any(record.part == part for record in source.records):
            raise BadStudy(
                f"`data.{part}` is {getattr(settings, part)}, but the source comes with its own {part} pictures.",
                fix=f"leave `{part}` out",
            )
    learned_from = [record for record in source.records if record.part != "held-out"]
    if len(learned_from) > WORTH_DECODING:
        _check_amounts(learned_from, lost=source.left_out)
    chosen = _limited(source.records, settings)
    size = settings.size or source.size
    folder = _prepared(source, chosen, size, settings, progress)
    kept = Pictures.open(folder)
    broken: dict[str, str] = dict(kept.about["broken"])
    readable = frozenset(kept.keys)
    records = [record for record in chosen if record.key in readable and record.part != "held-out"]
    by_key = {record.key: record.file or record.key for record in chosen}
    undecoded = [(by_key.get(key, key), reason) for key, reason in broken.items()]
    left_out = [*source.left_out, *undecoded]
    _check_amounts(records, lost=[*undecoded, *source.left_out])
    notes = [*source.notes, *_told(left_out)]
    if len(chosen) < len(source.records):
        every = sum(record.part != "held-out" for record in source.records)
        notes.append(
            f"`limit` keeps {sum(record.part != 'held-out' for record in chosen):,} of {every:,} pictures, each class in its share."
        )
    counts = Counter(record.label for record in records)
    groups = {record.group for record in records if record.group}
    progress(1.0, "checked")
    return Dataset(
        items=tuple(
            Item(id=r.key, input=r.key, target=r.label, group=r.group, meta={"style": r.style, "file": r.file or r.key}) for r in records
        ),
        name=settings.name or source.name,
        licence=settings.licence or source.licence,
        notes=tuple(notes),
        facts={
            "labels": sorted(counts), "class_counts": {label: counts[label] for label in sorted(counts)}, "pictures": len(records),
            "groups": len(groups) or None, "size": size, "left_out": len(left_out),
            "left_out_files": [list(pair) for pair in left_out[:MOST_LISTED]], **source.facts,
        },
        suggested_test=frozenset(record.key for record in records if record.part == "test"),
        suggested_valid=frozenset(record.key for record in records if record.part == "valid"),
        material=str(folder),
    )  # fmt: skip


# --- sources --------------------------------------------------------------------------------------------------------


def _open(settings: ImagesData, base: Path, progress: Progress) -> PictureSource:
    given = settings.source
    if given.startswith("asset:"):
        return _asset(settings, progress)
    for key in ("styles", "held_out_style"):
        if getattr(settings, key) is not None:
            raise BadStudy(
                f"`data.{key}` does not go with {shown(given)}: only asset:emoji has styles.", fix=f"leave `{key}` out"
            )
    if given.startswith("hub:"):
        from bakeoff.tasks.images.readers_hub import open_hub

        return open_hub(given.removeprefix("hub:"))
    if "\0" in given:
        raise BadStudy("`data.source` holds a NUL character.", fix="correct `source` under `data`")
    from bakeoff.tasks.images.readers_archive import open_tree
    from bakeoff.tasks.images.readers_cifar import is_cifar, open_cifar
    from bakeoff.tasks.images.readers_folder import open_class_folders
    from bakeoff.tasks.images.readers_hub import is_saved, open_saved

    path = (base / given).expanduser()
    if is_saved(path):
        return open_saved(path)
    progress(0.02, f"looking through {path.name}")
    tree = open_tree(path)
    return open_cifar(tree) if is_cifar(tree) else open_class_folders(tree)


def _asset(settings: ImagesData, progress: Progress) -> PictureSource:
    name = settings.source.removeprefix("asset:")
    if name not in ASSETS:
        raise BadData(f"No data asset for pictures is called {shown(name)}.", fix=nearest(name, ASSETS))
    needs("resvg_py", extra="images", why="Rendering the drawings of asset:emoji")
    from bakeoff.assets import fetch
    from bakeoff.tasks.images.emoji import open_emoji

    def part(fraction: float, note: str = "") -> None:
        progress(0.3 * fraction, note)

    return open_emoji(fetch(name, progress=part), settings.styles, settings.held_out_style)


# --- preparing ------------------------------------------------------------------------------------------------------


def home() -> Path:
    """Where prepared pictures are kept: ``BAKEOFF_HOME/pictures`` (default ``~/.cache/bakeoff/pictures``)."""
    given = os.environ.get("BAKEOFF_HOME")
    return (Path(given).expanduser() if given else Path.home() / ".cache" / "bakeoff") / "pictures"


def _prepared(source: PictureSource, chosen: Sequence[Record], size: int, settings: ImagesData, progress: Progress) -> Path:
    """The folder of the prepared pictures, made if it is not there yet."""
    told = [
        READER, size, settings.fit, source.digest, source.name,
        [[record.key, record.label, record.part, record.group, record.style] for record in chosen],
    ]  # fmt: skip
    folder = home() / hashlib.sha256(json.dumps(told, ensure_ascii=True).encode()).hexdigest()[:32]
    about: dict[str, Any] = {
        "source": source.name, "licence": source.licence, "reader": READER, "broken": [], "held_out": {}, "near": [], "exact": [],
    }  # fmt: skip
    Pictures.write(
        folder, _decoded(source, chosen, size, settings, about, progress), len(chosen), size, fit=settings.fit, about=about
    )
    return folder


def _decoded(
    source: PictureSource, chosen: Sequence[Record], size: int, settings: ImagesData, about: dict[str, Any], progress: Progress
) -> Iterator[tuple[str, Pixels]]:
    """Pictures as they are read. What is learned of them on the way (broken ones, copies, the held-out style) is put into `about`."""
    import numpy as np

    from bakeoff.tasks.images import near_pictures

    keys: list[str] = []
    small: list[Any] = []
    exact: dict[bytes, list[str]] = {}
    for count, (record, found) in enumerate(source.read(chosen, size, settings.fit), 1):
        if isinstance(found, str):
            about["broken"].append([record.key, found])
            continue
        if record.part == "held-out":
            about["held_out"].setdefault(record.style, []).append(
                {"key": record.key, "target": record.label, "object": record.group}
            )
        else:
            keys.append(record.key)
            small.append(near_pictures.thumbnail(found))
            exact.setdefault(hashlib.blake2b(found.tobytes(), digest_size=16).digest(), []).append(record.key)
        if count % 200 == 0:
            progress(0.3 + 0.5 * count / len(chosen), f"{count:,} of {len(chosen):,} pictures decoded")
        yield record.key, found
    progress(0.8, "looking for copies")
    about["exact"] = [group for group in exact.values() if len(group) > 1]
    if keys:
        about["near"] = [[keys[i], keys[j], round(alike, 4)] for i, j, alike in near_pictures.near_pairs(np.stack(small))]


# --- checks and limits ----------------------------------------------------------------------------------------------


def _check_amounts(records: Sequence[Record], lost: Sequence[tuple[str, str]]) -> None:
    """Whether there is enough to learn from and to test on; `lost` are the files that could not be used, each with its reason."""
    counts = Counter(record.label for record in records)
    without = _without(lost)
    if not counts:
        raise BadData(
            f"No picture could be read{without}.",
            fix="open one of them in an image viewer; if it shows nothing, replace the files",
        )
    if len(counts) == 1:
        raise BadData(
            f"All pictures are of one class, {shown(next(iter(counts)))}{without}.",
            fix="give pictures of at least two classes, a folder for each",
        )
    if len(records) < FEWEST_ITEMS:
        raise BadData(
            f"There are {len(records)} usable pictures{without}; a study needs at least {FEWEST_ITEMS}, and hundreds to tell approaches apart.",
            fix="add pictures",
        )
    if len(counts) > MOST_CLASSES:
        raise BadData(
            f"There are {len(counts):,} classes; the most is {MOST_CLASSES:,}.", fix="name a folder whose folders are classes"
        )
    rare = sorted((count, label) for label, count in counts.items() if count < FEWEST_PER_CLASS)
    if rare:
        named = ", ".join(f"{shown(label, 30)} ({count})" for count, label in rare[:5])
        raise BadData(
            f"{len(rare)} of {len(counts)} classes have fewer than {FEWEST_PER_CLASS} usable pictures{without}: {named}.",
            fix="add pictures of these classes or remove them: train, validation and test need one each",
        )
    if any(record.part == "test" for record in records):
        unseen = sorted(set(counts) - {record.label for record in records if record.part not in ("test", "valid")})
        if unseen:
            raise BadData(
                f"The class {shown(unseen[0])} is in the published test, but not in train.", fix="add it to train, or remove it"
            )


def _without(lost: Sequence[tuple[str, str]]) -> str:
    """What could not be used, in brackets: the first two files with their reasons."""
    if not lost:
        return ""
    first = "; ".join(f"{shown(file, 60)}: {reason}" for file, reason in lost[:2])
    more = f"; and {len(lost) - 2:,} more" if len(lost) > 2 else ""
    return f" ({len(lost):,} could not be used: {first}{more})"


def _limited(records: Sequence[Record], settings: ImagesData) -> Sequence[Record]:
    """At most `limit` pictures, each published split and each class in its share. What is held out for probes is not counted."""
    n = settings.limit
    learned = [i for i, record in enumerate(records) if record.part != "held-out"]
    if n is None or n >= len(learned):
        return records
    as_items = [Item(id=record.key, input=record.key, target=record.label) for record in records]
    keep = {i for i, record in enumerate(records) if record.part == "held-out"}
    for part in ("", "train", "valid", "test"):
        of_part = [i for i in learned if records[i].part == part]
        if of_part:
            share = max(1, round(n * len(of_part) / len(learned)))
            keep.update(splits.sample_items(as_items, of_part, share, seed=settings.split_seed))
    return [replace(record) for i, record in enumerate(records) if i in keep]


def _told(left_out: Sequence[tuple[str, str]]) -> list[str]:
    if not left_out:
        return []
    shown_ = "; ".join(f"{shown(file, 80)}: {reason}" for file, reason in left_out[:5])
    more = f"; and {len(left_out) - 5:,} more" if len(left_out) > 5 else ""
    return [f"Left out {len(left_out):,} file{'s' if len(left_out) > 1 else ''} ({shown_}{more})."]
