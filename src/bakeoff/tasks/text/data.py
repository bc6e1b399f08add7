"""From the study's `data` section to labelled texts, with every guess said and every doubt refused.

What is wrong with labels is refused here, before anything is trained: missing ones, one class only, ones that
differ by case or spaces alone, and numbers that look measured rather than named. Texts are kept as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bakeoff.contract import Dataset, Item, Json, Progress, quiet
from bakeoff.errors import BadData, BadStudy, nearest, shown
from bakeoff.measure import splits
from bakeoff.tasks.text import columns, readers
from bakeoff.tasks.text.labels import as_label, clean_labels, labels_of, some_places
from bakeoff.tasks.text.tables import LARGEST_CELL, Row, Table

FEWEST_ITEMS = 10
FEWEST_PER_CLASS = 3
ASSETS = ("product-reviews",)


def _name(given: Any) -> Any:
    """Column names that YAML reads as numbers are names all the same."""
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


ColumnName = Annotated[str, BeforeValidator(_name), Field(min_length=1)]
Share = Annotated[float, Field(gt=0, lt=1, strict=True)]


class TextData(BaseModel):
    """The `data` section of a text study. Only `source` is required.

    `source` is a file, a folder, ``hub:org/name`` or ``asset:product-reviews``; `test` and `valid` are a
    share in (0, 1) or the path of a file with a published split.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[str, Field(min_length=1)]
    text: ColumnName | None = None
    target: ColumnName | None = None
    group: ColumnName | None = None
    id: ColumnName | None = None
    test: Share | str | None = None
    valid: Share | str | None = None
    split_seed: Annotated[int, Field(ge=0, strict=True)] = 0
    limit: Annotated[int, Field(ge=FEWEST_ITEMS, strict=True)] | None = None
    drop_unlabelled: Annotated[bool, Field(strict=True)] = False
    drop_empty_texts: Annotated[bool, Field(strict=True)] = False
    encoding: str | None = None
    delimiter: str | None = None
    header: Annotated[bool, Field(strict=True)] | None = None
    name: Annotated[str, Field(max_length=200)] | None = None
    licence: Annotated[str, Field(max_length=200)] | None = None


def read_settings(data: Mapping[str, Json]) -> TextData:
    """Check the `data` section of a study.

    Raises
    ------
    BadStudy
        For an unknown key (near ones are offered), a missing `source`, or a value out of range.
    """
    try:
        return TextData.model_validate(dict(data))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "data"
        if first["type"] == "extra_forbidden":
            raise BadStudy(f"`data` has an unknown key {shown(key)}.", fix=nearest(key, TextData.model_fields)) from error
        if first["type"] == "missing":
            raise BadStudy("`data` has no `source`.", fix="add `source: FILE` under `data`") from error
        allowed = {"test": "a share between 0 and 1, or a path", "valid": "a share between 0 and 1, or a path"}
        says = allowed.get(key) or first["msg"][:1].lower() + first["msg"][1:]
        raise BadStudy(f"`data.{key}` is {shown(first.get('input'))}: {says}.", fix=f"correct `{key}` under `data`") from error


def load_text(settings: TextData, *, base: Path, progress: Progress = quiet) -> Dataset:
    """Read the items that the settings name. Items are texts (str) with a label (str) as target.

    Parameters
    ----------
    settings : TextData
    base : Path
        Folder that relative paths start from: the study file's.

    Returns
    -------
    Dataset
        `notes` say what was guessed and dropped. `facts` has ``labels`` (sorted), ``class_counts``, ``rows``
        (read, before any was dropped), ``different_texts``, ``mean_words``, ``groups`` (None without groups) and
        ``columns``.

    Raises
    ------
    BadData
        With the rows and the fix, for everything named in this module's docstring.
    """
    if settings.source.startswith("asset:"):
        dataset = _asset(settings)
        progress(0.7, "read")
    else:
        dataset = _from_tables(_open(settings, base), settings, progress)
    _check_texts(dataset, settings)
    _check_amounts(dataset)
    for part, ids in (("test", dataset.suggested_test), ("valid", dataset.suggested_valid)):
        if ids and isinstance(getattr(settings, part), float):
            raise BadStudy(
                f"`data.{part}` is {getattr(settings, part)}, but the source comes with its own {part} items.",
                fix=f"leave `{part}` out, or name one file as `source`",
            )
    dataset = _limited(dataset, settings)
    progress(1.0, "checked")
    return replace(dataset, facts={**_facts(dataset.items), **dataset.facts})


# --- sources --------------------------------------------------------------------------------------------------------


def _asset(settings: TextData) -> Dataset:
    name = settings.source.removeprefix("asset:")
    if name not in ASSETS:
        raise BadData(f"No data asset for text is called {shown(name)}.", fix=nearest(name, ASSETS))
    _refuse_keys(settings, ("text", "target", "group", "id", "encoding", "delimiter", "header"))
    from bakeoff.assets import fetch
    from bakeoff.tasks.text.reviews import load_reviews

    return load_reviews(fetch(name))


def _refuse_keys(settings: TextData, keys: Sequence[str]) -> None:
    """BadStudy if a key is set, or `test` or `valid` is a path, that this source would have to ignore."""
    given = [key for key in keys if getattr(settings, key) is not None]
    given += [key for key in ("test", "valid") if isinstance(getattr(settings, key), str)]
    if given:
        raise BadStudy(
            f"`data.{given[0]}` does not go with {shown(settings.source)}, whose columns or files are known.",
            fix=f"leave `{given[0]}` out",
        )


def _open(settings: TextData, base: Path) -> readers.Source:
    if settings.source.startswith("hub:"):
        from bakeoff.tasks.text.hub import open_hub

        _refuse_keys(settings, ("encoding", "delimiter", "header"))
        return open_hub(settings.source.removeprefix("hub:"))
    if "\0" in settings.source:
        raise BadStudy("`data.source` holds a NUL character.", fix="correct `source` under `data`")
    reading = {"encoding": settings.encoding, "delimiter": settings.delimiter, "header": settings.header}
    path = base / settings.source
    named = {part: base / given for part in ("test", "valid") if isinstance(given := getattr(settings, part), str)}
    if not _is_folder(path):
        return readers.open_parts(path.name, {"train": [path], **{part: [file] for part, file in named.items()}}, **reading)
    if named:
        part = next(iter(named))
        raise BadStudy(
            f"`data.{part}` names a file while `source` is a folder.", fix="name the train file as `source`, or leave it out"
        )
    return readers.open_folder(path, **reading)


def _is_folder(path: Path) -> bool:
    """False also where the path cannot be looked at: reading it as a file then says why."""
    try:
        return path.is_dir()
    except OSError:
        return False


@dataclass
class _Read:
    """Rows as read, with the place of each; labels are still as they were written."""

    ids: list[str]
    texts: list[str]
    labels: list[Json]
    groups: list[str | None]
    places: list[str]
    lines: list[int]
    parts: list[str]


def _from_tables(source: readers.Source, settings: TextData, progress: Progress) -> Dataset:
    tables = [(part, table) for part, tables in source.parts.items() for table in tables]
    chosen = columns.choose_columns(
        tables[0][1], text=settings.text, target=settings.target, group=settings.group, id=settings.id
    )
    notes = [*chain.from_iterable(table.notes for _, table in tables), *chosen.notes]
    read = _Read([], [], [], [], [], [], [])
    counts: Counter[str] = Counter()
    for part, table in tables:
        if table is not tables[0][1]:
            _same_columns(table, chosen)
        for row in _wanted(table, chosen):
            counts[part] += 1
            place = f"{table.unit} {row.line}" + (f" of {shown(table.name)}" if len(tables) > 1 else "")
            text, label, group, name = row.cells
            given = as_label(name)
            read.ids.append(given if chosen.id else f"{part}-{counts[part]}" if len(source.parts) > 1 else str(counts[part]))
            read.texts.append(_as_text(text, chosen.text, place))
            read.labels.append(label)
            read.groups.append(as_label(group) or None)
            read.places.append(place)
            read.lines.append(row.line)
            read.parts.append(part)
            if len(read.ids) % 10_000 == 0:
                progress(0.5, f"{len(read.ids):,} rows read")
    progress(0.6, f"{len(read.ids):,} rows read")
    if chosen.id:
        _check_ids(read, chosen.id)
    labels = clean_labels(read.labels, read.places, chosen.target, notes)
    keep = _labelled(read, labels, settings, notes)
    keep = _with_text(read, keep, chosen.text, settings, notes)
    if chosen.group and (lone := sum(read.groups[i] is None for i in keep)):
        notes.append(f"{lone:,} rows have no {shown(chosen.group)}; each is a group of its own.")
    items = tuple(
        Item(id=read.ids[i], input=read.texts[i], target=labels[i], group=read.groups[i], meta={"line": read.lines[i]})
        for i in keep
    )
    published = {part: frozenset(read.ids[i] for i in keep if read.parts[i] == part) for part in ("test", "valid")}
    for part, ids in published.items():
        if part in source.parts:
            seeds = " for every seed" if part == "valid" else ""
            notes.append(f"The published {part} split is kept as it is{seeds}: {len(ids):,} items.")
    _mojibake(read.texts, notes)
    return Dataset(
        items=items,
        name=settings.name or source.name,
        licence=settings.licence or source.licence,
        notes=tuple(notes),
        facts={
            "rows": len(read.ids),
            "columns": {"text": chosen.text, "target": chosen.target, "group": chosen.group, "id": chosen.id},
        },
        suggested_test=published["test"],
        suggested_valid=published["valid"],
    )


def _same_columns(table: Table, chosen: columns.Columns) -> None:
    for role in ("text", "target", "group", "id"):
        name = getattr(chosen, role)
        if name is not None and name not in table.columns:
            raise BadData(
                f"{shown(table.name)} has no column {shown(name)}, which is the `{role}` of the train file.",
                fix=f"give the files the same columns; it has: {', '.join(shown(c, 40) for c in table.columns[:12])}",
            )


def _wanted(table: Table, chosen: columns.Columns) -> Iterator[Row]:
    """Rows with four cells: text, target, group, id."""
    places = [
        None if name is None else table.columns.index(name) for name in (chosen.text, chosen.target, chosen.group, chosen.id)
    ]
    for line, cells in table.rows():
        yield Row(line, tuple(None if place is None else cells[place] for place in places))


def _as_text(cell: Json, column: str, place: str) -> str:
    if cell is None:
        return ""
    if isinstance(cell, (dict, list, bytes)):
        raise BadData(
            f"Column {shown(column)}, {place}: a text is expected, not {shown(cell)}.", fix="give a column of plain texts"
        )
    text = str(cell)
    if len(text) > LARGEST_CELL:
        raise BadData(f"Column {shown(column)}, {place}: a text of more than {LARGEST_CELL:,} characters.", fix="shorten it")
    if "\0" in text:
        raise BadData(
            f"Column {shown(column)}, {place}: there is a NUL character in the text.", fix="remove it, and export the file again"
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadData(
            f"Column {shown(column)}, {place}: half a character (a lone surrogate).", fix="export the file again as UTF-8"
        ) from error
    return text


def _check_ids(read: _Read, column: str) -> None:
    twice = [name for name, count in Counter(read.ids).items() if count > 1 or not name]
    if twice:
        where = [place for name, place in zip(read.ids, read.places, strict=True) if name == twice[0]]
        what = f"{shown(twice[0])} names {len(where):,} rows" if twice[0] else f"{len(where):,} rows have none"
        raise BadData(
            f"Column {shown(column)} is to be the `id`, but {what} ({some_places(where)}).",
            fix="give unique ids, or leave `id` out: rows are then numbered",
        )


# --- dropping --------------------------------------------------------------------------------------------------------


def _labelled(read: _Read, labels: Sequence[str], settings: TextData, notes: list[str]) -> list[int]:
    keep = [i for i, label in enumerate(labels) if label]
    missing = [read.places[i] for i, label in enumerate(labels) if not label]
    if missing and not settings.drop_unlabelled:
        raise BadData(
            f"{len(missing):,} of {len(labels):,} rows have no label ({some_places(missing)}).",
            fix="label them, or set `drop_unlabelled: true` under `data`",
        )
    if missing:
        notes.append(f"Dropped {len(missing):,} rows without a label ({some_places(missing)}).")
    return keep


def _with_text(read: _Read, keep: Sequence[int], column: str, settings: TextData, notes: list[str]) -> list[int]:
    empty = [read.places[i] for i in keep if not read.texts[i].strip()]
    if empty and not settings.drop_empty_texts:
        raise BadData(
            f"{len(empty):,} of {len(keep):,} rows have no text in column {shown(column)} ({some_places(empty)}).",
            fix="remove them, or set `drop_empty_texts: true` under `data`",
        )
    if empty:
        notes.append(f"Dropped {len(empty):,} rows without a text ({some_places(empty)}).")
    return [i for i in keep if read.texts[i].strip()]


# --- the whole ------------------------------------------------------------------------------------------------------


def _check_texts(dataset: Dataset, settings: TextData) -> None:
    different = len({" ".join(item.input.split()).casefold() for item in dataset.items})
    if len(dataset.items) >= FEWEST_ITEMS and different < FEWEST_ITEMS:
        raise BadData(
            f"Only {different} of {len(dataset.items):,} texts differ: the rest are copies.",
            fix="name the column of the texts (--text NAME), or add real texts",
        )
    groups = {item.group for item in dataset.items if item.group is not None}
    if settings.group and len(groups) < 2 and all(item.group is not None for item in dataset.items):
        raise BadData(
            f"Every row has the same {shown(settings.group)}, so nothing can be held apart.",
            fix="name another column as `group`, or leave it out",
        )


def _check_amounts(dataset: Dataset) -> None:
    counts = Counter(item.target for item in dataset.items)
    if len(dataset.items) < FEWEST_ITEMS:
        raise BadData(
            f"There are {len(dataset.items)} labelled texts; a study needs at least {FEWEST_ITEMS}, and hundreds to tell approaches apart.",
            fix="label more items",
        )
    if len(counts) < 2:
        raise BadData("Only one class is left after dropping rows.", fix="give rows of at least two classes")
    rare = sorted((count, label) for label, count in counts.items() if count < FEWEST_PER_CLASS)
    if rare:
        named = ", ".join(f"{shown(label, 30)} ({count})" for count, label in rare[:5])
        raise BadData(
            f"{len(rare)} of {len(counts)} classes have fewer than {FEWEST_PER_CLASS} items: {named}.",
            fix="add items of these classes or remove them: train, validation and test need one each",
        )


def _limited(dataset: Dataset, settings: TextData) -> Dataset:
    """At most `limit` items, each published split and each class in its share."""
    n, items = settings.limit, dataset.items
    if n is None or n >= len(items):
        return dataset
    parts = [
        [i for i, item in enumerate(items) if item.id in dataset.suggested_test],
        [i for i, item in enumerate(items) if item.id in dataset.suggested_valid],
    ]
    published = {i for part in parts for i in part}
    parts.append([i for i in range(len(items)) if i not in published])
    keep: set[int] = set()
    for part in parts:
        share = max(1, round(n * len(part) / len(items)))
        keep.update(splits.sample_items(items, part, share, seed=settings.split_seed) if part else [])
    kept = tuple(item for i, item in enumerate(items) if i in keep)
    ids = frozenset(item.id for item in kept)
    limited = replace(
        dataset,
        items=kept,
        notes=(*dataset.notes, f"`limit` keeps {len(kept):,} of {len(items):,} items, each class in its share."),
        suggested_test=dataset.suggested_test & ids,
        suggested_valid=dataset.suggested_valid & ids,
    )
    _check_amounts(limited)
    return limited


def _facts(items: Sequence[Item]) -> dict[str, Json]:
    counts = Counter(item.target for item in items)
    groups = {item.group for item in items if item.group is not None}
    return {
        "labels": labels_of(items),
        "class_counts": {label: counts[label] for label in labels_of(items)},
        "rows": len(items),
        "different_texts": len({item.input for item in items}),
        "mean_words": round(sum(len(item.input.split()) for item in items) / len(items), 1),
        "groups": len(groups) or None,
    }


def _mojibake(texts: Sequence[str], notes: list[str]) -> None:
    lost = sum("\ufffd" in text for text in texts)
    if lost:
        notes.append(f"{lost:,} texts hold the replacement character U+FFFD: letters were lost before this file was written.")
    twice = sum("Ã©" in text or "â€" in text or "Ã¼" in text for text in texts)
    if twice:
        notes.append(
            f"{twice:,} texts hold 'Ã©' or 'â€', as UTF-8 does when it was read as another encoding before this file was written."
        )
