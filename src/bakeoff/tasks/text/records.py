"""Rows that are records: JSON objects, one a line or in an array, and Parquet."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bakeoff.contract import Json
from bakeoff.errors import BadData, shown
from bakeoff.tasks.text.encodings import open_text
from bakeoff.tasks.text.tables import LARGEST_CELL, MOST_COLUMNS, MOST_ROWS, Row, Table, check_columns, could_not_finish


def json_table(path: Path, encoding: str, *, lines: bool) -> Table:
    if not lines:
        with open_text(path, encoding) as stream:
            lines = next((char for char in iter(lambda: stream.read(1), "") if not char.isspace()), "") == "{"
    read = _json_lines if lines else _json_array
    columns: dict[str, None] = {}
    count = 0
    for count, (_, record) in enumerate(read(path, encoding), 1):
        columns.update(dict.fromkeys(record))
        if len(columns) > MOST_COLUMNS or count > MOST_ROWS:
            raise BadData(
                f"{shown(str(path), 200)} has more than {MOST_ROWS:,} rows or {MOST_COLUMNS:,} different keys.",
                fix="sample the file, or remove keys",
            )
    if not count:
        raise BadData(f"{shown(str(path), 200)} has no rows.", fix="give one JSON object per row, with a text and a label")
    names = tuple(columns)

    def rows() -> Iterator[Row]:
        try:
            for line, record in read(path, encoding):
                yield Row(line, tuple(record.get(name) for name in names))
        except (OSError, UnicodeError) as error:
            raise could_not_finish(path, error) from error

    return Table(path.name, names, rows, unit="line" if lines else "row")


def _json_lines(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Json]]]:
    with open_text(path, encoding) as stream:
        for line, text in enumerate(iter(lambda: stream.readline(LARGEST_CELL * 4), ""), 1):
            if text.strip():
                yield line, _record(_parsed(path, text, f"line {line}"), path, f"line {line}")


def _json_array(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Json]]]:
    with open_text(path, encoding) as stream:
        given = _parsed(path, stream.read(), "")
    if not isinstance(given, list):
        raise BadData(
            f"{shown(str(path), 200)} is not an array of objects.", fix='write [{"text": ..., "label": ...}, ...], or JSONL'
        )
    for row, record in enumerate(given, 1):
        yield row, _record(record, path, f"row {row}")


def _parsed(path: Path, text: str, place: str) -> Json:
    def once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
            raise BadData(
                f"{shown(str(path), 200)}{place and ', ' + place}: the key {shown(twice)} comes twice.",
                fix="give every key its own name",
            )
        return found

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        where = place or f"line {error.lineno}"
        raise BadData(
            f"{shown(str(path), 200)}, {where}: this is not valid JSON ({error.msg}, column {error.colno}).",
            fix="write one JSON object per row",
        ) from error
    except (RecursionError, ValueError) as error:
        raise BadData(
            f"{shown(str(path), 200)}{place and ', ' + place}: nested too deeply, or a number that is too long.",
            fix="write flat JSON objects",
        ) from error


def _record(given: Json, path: Path, place: str) -> dict[str, Json]:
    if not isinstance(given, dict):
        raise BadData(
            f"{shown(str(path), 200)}, {place}: {shown(given)} is not a JSON object.",
            fix='write {"text": ..., "label": ...} for each row',
        )
    return given


def parquet_table(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        columns, count = tuple(file.schema_arrow.names), file.metadata.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadData(
            f"{shown(str(path), 200)} is not a readable Parquet file: {shown(str(error), 120)}.", fix="write the file again"
        ) from error
    finally:
        if "file" in locals():
            file.close()
    check_columns(path, columns)
    if count > MOST_ROWS:
        raise BadData(f"{shown(str(path), 200)} has {count:,} rows; the most is {MOST_ROWS:,}.", fix="sample the file")
    if not count:
        raise BadData(f"{shown(str(path), 200)} has no rows.", fix="give a file with labelled rows")

    def rows() -> Iterator[Row]:
        try:
            with pq.ParquetFile(path) as again:
                row = 0
                for batch in again.iter_batches(batch_size=4096, use_threads=False):
                    for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                        row += 1
                        yield Row(row, cells)
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise could_not_finish(path, error) from error

    return Table(path.name, columns, rows, unit="row")
