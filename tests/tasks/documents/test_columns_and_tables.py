"""Two columns of text with a table in one of them: each column keeps its own lines, whatever stands at the same height in the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from drawn_sheets import Sheet, grid_of, pages_from, words_of

from bakeoff.tasks.documents.layout.structure import assemble
from bakeoff.tasks.documents.records import Page
from bakeoff.tasks.documents.tabular.tables import find_tables

LEFT, RIGHT = 72.0, 322.0
SAYS = [
    "the carrier shall hand over the goods in",
    "the state in which it received them and",
    "answers for each loss that a careful one",
    "would have prevented on the way between",
    "the two places that the letter names and",
    "for delay that follows from such a loss",
]
"""Lines of about one width, none of which ends a sentence."""


def column(sheet: Sheet, x: float, y: float, lines: int, last: str = "") -> None:
    """Running text, 12 points apart; `last` takes the place of its last line."""
    for number in range(lines):
        words = last if last and number == lines - 1 else SAYS[number % len(SAYS)]
        sheet.text(x, y + 12 * number, words)


def boxed(sheet: Sheet, x: float, y: float) -> None:
    """A ruled table of three columns, 215 points wide and 60 high."""
    rows = [["Item", "Weight", "Price"], ["Crates", "12.5", "1,032.3"], ["Sacks", "7.25", "632.5"]]
    for row in range(4):
        sheet.line(x, y + 20 * row, x + 215, y + 20 * row)
    for edge in (0, 85, 150, 215):
        sheet.line(x + edge, y, x + edge, y + 60)
    for row, words in enumerate(rows):
        for at, word in zip((4, 89, 154), words, strict=True):
            sheet.text(x + at, y + 20 * row + 14, word)


def read(path: Path, draw: Callable[[Sheet], None]) -> Page:
    (raw,) = pages_from(path / "page.pdf", draw)
    return assemble(raw, find_tables(raw), [])


@pytest.mark.parametrize(("table_at", "text_at"), [(LEFT, RIGHT), (RIGHT, LEFT)], ids=["table left", "table right"])
def test_the_caption_of_a_table_in_one_column_takes_no_line_of_the_other(tmp_path: Path, table_at: float, text_at: float) -> None:
    def draw(sheet: Sheet) -> None:
        column(sheet, table_at, 100, 20)
        sheet.text(table_at, 364, "Table 4", font="Helvetica-Bold")  # on the baseline of a line of the other column
        boxed(sheet, table_at, 372)
        column(sheet, table_at, 460, 6, "and for delay.")
        column(sheet, text_at, 100, 37, "and for delay.")

    (raw,) = pages_from(tmp_path / "page.pdf", draw)
    (table,) = find_tables(raw)
    assert words_of(raw, table.caption) == "Table 4"
    assert grid_of(raw, table)[1] == ["Crates", "12.5", "1,032.3"]
    page = assemble(raw, [table], [])
    (other,) = [block for block in page.blocks if abs(block.box[0] - text_at) < 2]
    said = page.text[other.span.start : other.span.end]
    assert said == " ".join([*(SAYS[number % len(SAYS)] for number in range(36)), "and for delay."])


def test_a_caption_wider_than_its_table_stays_whole(tmp_path: Path) -> None:
    def draw(sheet: Sheet) -> None:
        sheet.text(LEFT, 92, "Table 4. Weights and prices of all goods that the carrier took over")
        boxed(sheet, LEFT, 100)

    (raw,) = pages_from(tmp_path / "page.pdf", draw)
    (table,) = find_tables(raw)
    assert words_of(raw, table.caption).endswith("that the carrier took over")


def test_a_table_in_the_other_column_hides_no_caption(tmp_path: Path) -> None:
    def draw(sheet: Sheet) -> None:
        column(sheet, LEFT, 100, 8)
        boxed(sheet, LEFT, 220)  # ends at 280, below the caption of the table beside it and above that table
        column(sheet, LEFT, 310, 8)
        column(sheet, RIGHT, 100, 12)
        sheet.text(RIGHT, 274, "Table 5. Goods in transit")
        boxed(sheet, RIGHT, 284)
        column(sheet, RIGHT, 370, 6)

    (raw,) = pages_from(tmp_path / "page.pdf", draw)
    captions = [words_of(raw, table.caption) for table in find_tables(raw)]
    assert "Table 5. Goods in transit" in captions


@pytest.mark.parametrize(
    ("last", "first", "joined"),
    [
        ("answers for each loss that a careful one", "would have prevented on the way between", True),
        (
            "answers for each loss that",
            "would have prevented on the way between",
            True,
        ),  # the line before the break is not stretched
        ("a loss", "would have prevented on the way between", False),  # too short to be broken there
        ("answers for each loss, as a careful one.", "would have prevented on the way between", False),
        ("answers for each loss that the careful one", "Carrier of that kind would have seen it.", True),
        (
            "answers for each loss that",
            "Carrier of that kind would have seen it.",
            False,
        ),  # a new paragraph, as far as one can tell
        ("answers for each loss that the careful one", "Carrier of that kind would have seen it", False),
    ],
)
def test_a_paragraph_goes_on_in_the_next_column_where_it_did_not_end(tmp_path: Path, last: str, first: str, joined: bool) -> None:
    def draw(sheet: Sheet) -> None:
        column(sheet, LEFT, 112, 40, last)
        sheet.text(RIGHT, 100, first)
        column(sheet, RIGHT, 130, 37, "")

    page = read(tmp_path, draw)
    assert (f"{last} {first}" in page.text) is joined
    assert (f"{last}\n{first}" in page.text) is not joined


def test_clauses_that_stand_side_by_side_are_no_table(tmp_path: Path) -> None:
    def draw(sheet: Sheet) -> None:
        for x, number in ((LEFT, 1), (RIGHT, 3)):
            sheet.text(x, 100, f"{number}.", font="Helvetica-Bold")
            sheet.text(x + 31, 100, "Delivery and its proof", font="Helvetica-Bold")
            sheet.text(x, 118, f"{number}.1")
            column(sheet, x + 31, 118, 9, "and for delay.")

    (raw,) = pages_from(tmp_path / "page.pdf", draw)
    assert find_tables(raw) == []
    page = assemble(raw, [], [])
    left, right = page.text.split("3. Delivery")
    assert left.startswith("1. Delivery") and left.count("delay.") == right.count("delay.") == 1


def test_figures_numbered_like_clauses_are_still_a_table(tmp_path: Path) -> None:
    def draw(sheet: Sheet) -> None:
        sheet.text(LEFT, 92, "Country", font="Helvetica-Bold")
        for x, year in ((300, "2021"), (380, "2022")):
            sheet.text(x, 92, year, font="Helvetica-Bold", right=True)
        for number, (name, one, two) in enumerate(
            [("Norway", "3.1", "2.9"), ("Sweden", "4.2", "4.4"), ("Denmark", "2.7", "2.5")]
        ):
            sheet.text(LEFT, 110 + 14 * number, name)
            sheet.text(300, 110 + 14 * number, one, right=True)
            sheet.text(380, 110 + 14 * number, two, right=True)

    (raw,) = pages_from(tmp_path / "page.pdf", draw)
    (table,) = find_tables(raw)
    assert ["Sweden", "4.2", "4.4"] in grid_of(raw, table)
