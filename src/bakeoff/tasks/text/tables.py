"""What every reader gives: named columns, and rows as a stream that can be begun again. And the limits all readers keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bakeoff.contract import Json
from bakeoff.errors import BadData, shown

LARGEST_FILE = 1 << 30
LARGEST_JSON = 1 << 28
LARGEST_CELL = 10_000_000
MOST_ROWS = 5_000_000
MOST_COLUMNS = 1_000


class Row(NamedTuple):
    """One row: the line or row number where it begins, counted from 1, and its cells in the table's column order."""

    line: int
    cells: tuple[Json, ...]


@dataclass(frozen=True)
class Table:
    """Columns and rows of one file. `rows()` streams from the beginning, and raises BadData where the file is bad.

    `named` is False where the file has no header row; its columns are then 'column 1', 'column 2', ...
    `unit` says what a row's number counts, for messages: 'line' or 'row'.
    """

    name: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[Row]]
    named: bool = True
    unit: str = "line"
    notes: tuple[str, ...] = ()


def check_columns(path: Path, columns: Sequence[str]) -> None:
    """BadData if there are too many columns, or two of one name."""
    if len(columns) > MOST_COLUMNS:
        raise BadData(
            f"{shown(str(path), 200)} has {len(columns):,} columns; the most is {MOST_COLUMNS:,}.",
            fix="keep the columns that the study needs",
        )
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise BadData(
            f"{shown(str(path), 200)} has {columns.count(twice[0])} columns called {shown(twice[0])}.",
            fix="give every column its own name (or, without a header row, set `header: false` under `data`)",
        )


def could_not_finish(path: Path, error: Exception) -> BadData:
    """The error of a file that was fine when it was looked at and cannot be read to its end."""
    return BadData(
        f"{shown(str(path), 200)} could not be read to its end: {shown(str(error), 120)}.",
        fix="check the disk and the file, then run again",
    )
