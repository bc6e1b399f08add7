"""From a file, a folder, a hub data set: to named columns and rows, read as a stream, never guessed silently.

A `Table` streams its rows from the beginning each time it is asked, so only the columns that a study
needs are ever held. Limits, all stated in the errors that keep them: a file of 1 GiB (JSON arrays 256 MiB),
5,000,000 rows, 1,000 columns, 10,000,000 characters in one cell.

Text is UTF-8, or UTF-16 / UTF-32 with its byte order mark, or what ``encoding:`` says. Bytes that do not
fit are an error that names the place, never a replacement character.
"""

from __future__ import annotations

import csv
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bakeoff.errors import BadData, shown
from bakeoff.tasks.text.encodings import checked_encoding, open_text
from bakeoff.tasks.text.records import json_table, parquet_table
from bakeoff.tasks.text.tables import (
    LARGEST_CELL,
    LARGEST_FILE,
    LARGEST_JSON,
    MOST_ROWS,
    Row,
    Table,
    check_columns,
    could_not_finish,
)

SAMPLE_ROWS = 1_000
DELIMITERS: Mapping[str, str] = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
KINDS: Mapping[str, str] = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
PARTS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}
_HEADER_WORDS = frozenset(
    [
        "text",
        "sentence",
        "review",
        "content",
        "body",
        "message",
        "comment",
        "tweet",
        "document",
        "label",
        "labels",
        "target",
        "class",
        "category",
        "sentiment",
        "id",
    ]
)


@dataclass(frozen=True)
class Source:
    """Tables by published split. A source without published splits has one part, 'train'."""

    name: str
    parts: Mapping[str, tuple[Table, ...]]
    licence: str = "unstated"


def open_table(path: Path, *, encoding: str | None = None, delimiter: str | None = None, header: bool | None = None) -> Table:
    """Look at one file and return its table. Reads a text file once to check encoding, quotes and NUL bytes.

    Parameters
    ----------
    path : Path
        CSV, TSV, JSONL, JSON (an array of objects) or Parquet, told by its ending.
    encoding : str or None
        Name of a text encoding; None means UTF-8, or what the byte order mark says.
    delimiter : str or None
        One character; None means tab for TSV, and found out for CSV.
    header : bool or None
        Whether the first row names the columns; None means found out (CSV and TSV only).

    Raises
    ------
    BadData
        If the file is missing, too large, empty, of another kind, badly encoded, or broken.
    """
    kind = KINDS.get(path.suffix.lower())
    size = _regular_file_size(path)
    if kind is None:
        fix = (
            "save the sheet as CSV (UTF-8)"
            if path.suffix.lower() in (".xlsx", ".xls", ".ods")
            else f"use one of: {', '.join(KINDS)}"
        )
        raise BadData(f"{shown(str(path), 200)}: files that end in {path.suffix or 'nothing'!r} cannot be read.", fix=fix)
    if size == 0:
        raise BadData(f"{shown(str(path), 200)} is empty (0 bytes).", fix="give a file with a header row and labelled rows")
    largest = LARGEST_JSON if kind == "json" else LARGEST_FILE
    if size > largest:
        raise BadData(
            f"{shown(str(path), 200)} has {size:,} bytes; the largest that can be read is {largest:,}.",
            fix="sample the file, or split it",
        )
    if kind == "parquet":
        return parquet_table(path)
    found = checked_encoding(path, encoding)
    if kind in ("csv", "tsv"):
        return _delimited(path, found, "\t" if kind == "tsv" and delimiter is None else delimiter, header)
    return json_table(path, found, lines=kind == "jsonl")


def open_folder(folder: Path, **settings: Any) -> Source:
    """Tables of a folder: its train / valid / test files (published splits), or its only data file.

    A folder that ``datasets`` saved to disk is read with it (extra ``hub``). `settings` are those of `open_table`.
    """
    if (folder / "dataset_dict.json").is_file() or (folder / "dataset_info.json").is_file():
        from bakeoff.tasks.text.hub import open_saved

        return open_saved(folder)
    files = [
        f for place in (folder, folder / "data") if place.is_dir() for f in sorted(place.iterdir()) if f.suffix.lower() in KINDS
    ]
    files = [f for f in files if f.is_file() and not f.name.startswith((".", "_"))]
    parts: dict[str, list[Path]] = {}
    for file in files:
        word = re.split(r"[-_.]", file.stem.lower())[0]
        if word in PARTS:
            parts.setdefault(PARTS[word], []).append(file)
    if "train" not in parts and len(files) == 1:
        parts = {"train": files}
    if "train" not in parts:
        has = ", ".join(shown(f.name) for f in files[:6]) or "no data file"
        raise BadData(
            f"Folder {shown(str(folder), 200)} has no train file (it has {has}).",
            fix="name one file, or call the files train.*, valid.* and test.*",
        )
    return open_parts(folder.name, parts, **settings)


def open_parts(name: str, parts: Mapping[str, Sequence[Path]], **settings: Any) -> Source:
    """Tables of files by split. What the first train file has for a header, the others are read with."""
    first = open_table(parts["train"][0], **settings)
    rest = {**settings, "header": first.named if settings.get("header") is None else settings["header"]}
    tables = {"train": (first, *(open_table(path, **rest) for path in parts["train"][1:]))}
    for part in ("valid", "test"):
        if part in parts:
            tables[part] = tuple(open_table(path, **rest) for path in parts[part])
    return Source(name=name, parts=tables)


def _regular_file_size(path: Path) -> int:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BadData(
            f"{shown(str(path), 200)} cannot be read: {why}.", fix="check the path; it is relative to the study file"
        ) from error
    if not stat.S_ISREG(found.st_mode):
        raise BadData(f"{shown(str(path), 200)} is not a regular file.", fix="give the path of a data file")
    return found.st_size


# --- CSV and TSV ----------------------------------------------------------------------------------------------------


def _delimited(path: Path, encoding: str, delimiter: str | None, header: bool | None) -> Table:
    notes = []
    if delimiter is None:
        delimiter = _sniff(path, encoding)
        notes.append(f"{path.name}: the cells are separated by {DELIMITERS[delimiter]}.")
    elif len(delimiter) != 1 or delimiter in '"\r\n':
        raise BadData(f"`delimiter` is {shown(delimiter)}.", fix="give one character, e.g. ';'")
    quoting = csv.QUOTE_MINIMAL
    try:
        # Quoted cells that hold a tab and a line break are two stray quotes far more often than one cell.
        stray = any("\t" in cell and "\n" in cell for _, row in _records(path, encoding, delimiter, quoting) for cell in row)
        if delimiter == "\t" and stray:
            raise csv.Error("a quoted cell runs over tabs and lines")
    except csv.Error as error:
        if delimiter != "\t" or "field larger" in str(error):
            raise _broken(path, error, getattr(error, "line", None)) from error
        quoting = csv.QUOTE_NONE
        notes.append(f"{path.name}: quotation marks do not pair up, so they are read as part of the text.")
    try:
        sample = list(islice(_records(path, encoding, delimiter, quoting), SAMPLE_ROWS + 1))
    except csv.Error as error:
        raise _broken(path, error, getattr(error, "line", None)) from error
    if not sample:
        raise BadData(f"{shown(str(path), 200)} has no rows.", fix="give a file with a header row and labelled rows")
    first = [name.strip() for name in sample[0][1]]
    if header is None:
        header, why = _has_header([row for _, row in sample])
        if not header:
            notes.append(f"{path.name}: no header row ({why}), so the columns are called 'column 1' to 'column {len(first)}'.")
    columns = (
        tuple(name or f"column {i}" for i, name in enumerate(first, 1))
        if header
        else tuple(f"column {i + 1}" for i in range(len(first)))
    )
    check_columns(path, columns)
    if header and len(sample) == 1:
        raise BadData(
            f"{shown(str(path), 200)} has a header row and no rows under it.",
            fix="add labelled rows; without a header set `header: false`",
        )

    def rows() -> Iterator[Row]:
        try:
            for count, (line, cells) in enumerate(_records(path, encoding, delimiter, quoting)):
                if count == 0 and header:
                    continue
                if len(cells) != len(columns):
                    raise BadData(
                        f"{shown(str(path), 200)}, line {line}: {len(cells)} cells where the table has {len(columns)} columns.",
                        fix="put cells that hold the separator into double quotes, or set `delimiter` under `data`",
                    )
                if count > MOST_ROWS:
                    raise BadData(f"{shown(str(path), 200)} has more than {MOST_ROWS:,} rows.", fix="sample the file")
                yield Row(line, tuple(cells))
        except (csv.Error, OSError, UnicodeError) as error:
            raise could_not_finish(path, error) from error

    return Table(path.name, columns, rows, named=header, notes=tuple(notes))


def _records(path: Path, encoding: str, delimiter: str, quoting: int) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line on which each begins; blank lines are passed over. A csv.Error carries its row's `line`."""
    if csv.field_size_limit() < LARGEST_CELL:
        csv.field_size_limit(LARGEST_CELL)
    with open_text(path, encoding) as stream:
        reader = csv.reader(stream, delimiter=delimiter, quoting=quoting, strict=True)  # type: ignore[arg-type]
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                error.line = line  # type: ignore[attr-defined]
                raise
            if row is None:
                return
            if any(len(cell) > LARGEST_CELL for cell in row):
                raise BadData(
                    f"{shown(str(path), 200)}, line {line}: a cell has more than {LARGEST_CELL:,} characters.",
                    fix="shorten or remove it",
                )
            if row:
                yield line, row


def _broken(path: Path, error: Exception, line: int | None) -> BadData:
    says = str(error)
    if "field larger" in says:
        return BadData(
            f"{shown(str(path), 200)}, line {line}: a cell has more than {LARGEST_CELL:,} characters, or a quotation mark is never closed.",
            fix="shorten it, or close the quotation mark",
        )
    return BadData(
        f"{shown(str(path), 200)}, the row that begins on line {line}: quotation marks do not pair up ({says}).",
        fix='close the quotation mark, and double those inside a quoted cell ("")',
    )


def _sniff(path: Path, encoding: str) -> str:
    """The delimiter that splits the first rows into the same number of cells, more than one, most often."""
    with open_text(path, encoding) as stream:
        if not any(line.strip() for line in stream):
            raise BadData(f"{shown(str(path), 200)} has no rows.", fix="give a file with a header row and labelled rows")
    best, score = "", 0.0
    for delimiter in DELIMITERS:
        rows: list[list[str]] = []
        try:
            rows.extend(row for _, row in islice(_records(path, encoding, delimiter, csv.QUOTE_MINIMAL), 200))
        except csv.Error:
            # The rows before a broken one are enough to go by; the break itself is reported by the whole reading.
            rows = rows or _split_roughly(path, encoding, delimiter)
        if not rows or len(rows[0]) < 2:
            continue
        same = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
        if same > score + 1e-9:
            best, score = delimiter, same
    if not best:
        raise BadData(
            f"{shown(str(path), 200)} has one column only (no commas, tabs, semicolons or bars in its first row).",
            fix="give a file with a text column and a label column, or set `delimiter` under `data`",
        )
    return best


def _split_roughly(path: Path, encoding: str, delimiter: str) -> list[list[str]]:
    with open_text(path, encoding) as stream:
        return [line.rstrip("\r\n").split(delimiter) for line in islice(stream, 200)]


def _has_header(sample: Sequence[Sequence[str]]) -> tuple[bool, str]:
    """Whether the first row names columns; if not, why. A name does not come again below in a column that repeats itself."""
    first, rest = sample[0], [row for row in sample[1:] if len(row) == len(sample[0])]
    if not rest:
        return True, ""
    for i, cell in enumerate(first):
        below = Counter(row[i].strip() for row in rest)
        if cell.strip() and below[cell.strip()] and len(below) <= max(2, len(rest) // 2):
            return False, f"{shown(cell.strip(), 30)} in the first row comes again below it"
        if _number(cell) and all(_number(value) for value in below):
            return False, f"{shown(cell.strip(), 30)} in the first row is a number like those below it"
    if not _HEADER_WORDS & {cell.strip().lower() for cell in first} and any(len(cell) > 200 for cell in first):
        return False, "its first row holds a long text"
    return True, ""


def _number(cell: str) -> bool:
    return re.fullmatch(r"\s*[-+]?\d+(\.\d+)?\s*", cell) is not None
