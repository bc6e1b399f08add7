"""Tables over several pages, and their rows as text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_sheets import Sheet, page_of, pages_from
from test_tables import CITIES, ruled, statement

from bakeoff.tasks.documents.records import Page
from bakeoff.tasks.documents.tabular.table_join import join_next, join_pages
from bakeoff.tasks.documents.tabular.table_rows import RowReader, RowText, rows_of, unit_of_value
from bakeoff.tasks.documents.tabular.tables import find_tables

MORE = [["Kiel", "1233", "246,000"], ["Ulm", "854", "126,000"], ["Trier", "-17", "110,000"]]


def pages(path: Path, *drawings, before: dict[int, str] | None = None, after: dict[int, str] | None = None) -> list[Page]:
    """One page per drawing, with what was found on it."""

    def draw(sheet: Sheet) -> None:
        for drawing in drawings:
            drawing(sheet)
            sheet.canvas.showPage()

    raws = pages_from(path, draw)
    return [page_of(raw, find_tables(raw), (before or {}).get(raw.number, ""), (after or {}).get(raw.number, "")) for raw in raws]


def verbatim(rows: list[RowText], book: list[Page]) -> None:
    """Every part stands on its page, letter by letter, in order."""
    for row in rows:
        at = 0
        for start, length, number, span in row.parts:
            assert start >= at and length == span.end - span.start
            assert row.text[start : start + length] == book[number - 1].text[span.start : span.end]
            at = start + length


def test_rows_say_group_label_header_value_and_unit(tmp_path: Path) -> None:
    book = pages(tmp_path / "a.pdf", statement)
    rows = rows_of(book[0], book[0].tables[0])
    verbatim(rows, book)
    span = "Years ended June 30,"
    assert [row.text for row in rows] == [
        f"Net sales | {span} | 2023 | $ 14,694 USD million | {span} | 2022 | $ 14,544 USD million | {span} | 2021 | $ 12,861 USD million",
        f"Cost of sales | {span} | 2023 | (11,969) USD million | {span} | 2022 | (11,724) USD million | {span} | 2021 | (10,129) USD million",
        "Operating expenses: | Selling and administrative expenses | "
        f"{span} | 2023 | (1,246) USD million | {span} | 2022 | (1,284) USD million | {span} | 2021 | (1,292) USD million",
        "Operating expenses: | Research and development expenses | "
        f"{span} | 2023 | (101) USD million | {span} | 2022 | (96) USD million | {span} | 2021 | (100) USD million",
        f"Operating income as a share of net sales of the year | {span} | 2023 | 10.3% | {span} | 2022 | 8.5% | {span} | 2021 | 10.3%",
        f"Net income | {span} | 2023 | $ 1,058 USD million | {span} | 2022 | $ 815 USD million | {span} | 2021 | $ 951 USD million",
        f"Basic earnings per share | {span} | 2023 | $ 0.709 USD | {span} | 2022 | — | {span} | 2021 | $ 0.604 USD",
    ]
    assert {row.context for row in rows} == {"Consolidated Statements of Income (USD million)"}
    assert [row.row for row in rows] == [2, 3, 5, 6, 7, 8, 9]


def test_a_table_without_row_labels_names_each_cell(tmp_path: Path) -> None:
    people = [["Office", "Name", "Place"], ["Chair", "A. Example", "Zug"], ["Chair", "B. Sample", "Bern"]]
    book = pages(tmp_path / "a.pdf", lambda sheet: ruled(sheet, people))
    rows = rows_of(book[0], book[0].tables[0])
    assert [row.text for row in rows] == [
        "Office | Chair | Name | A. Example | Place | Zug",
        "Office | Chair | Name | B. Sample | Place | Bern",
    ]


def test_a_table_goes_on_without_headers(tmp_path: Path) -> None:
    book = pages(
        tmp_path / "a.pdf",
        lambda sheet: ruled(sheet, CITIES, y=600),
        lambda sheet: ruled(sheet, MORE, y=60),
        lambda sheet: ruled(sheet, [["Mainz", "-13", "220,000"], ["Worms", "-14", "83,000"]], y=60),
    )
    joined = join_pages(book)
    assert [page.tables[0].continues for page in joined] == [False, True, True]
    reader = RowReader()
    read = [rows for page in joined for rows in reader.read(page)]
    assert [row.text for rows in read for row in rows] == [
        "Berlin | Founded | 1237 | People | 3,755,251",
        "Hamburg | Founded | 808 | People | 1,910,160",
        "Bremen | Founded | 782 | People | 569,352",
        "Kiel | Founded | 1233 | People | 246,000",
        "Ulm | Founded | 854 | People | 126,000",
        "Trier | Founded | -17 | People | 110,000",
        "Mainz | Founded | -13 | People | 220,000",
        "Worms | Founded | -14 | People | 83,000",
    ]
    for rows in read:
        verbatim(rows, joined)
    assert rows_of(joined[2], joined[2].tables[0], earlier=joined[:2]) == read[2]
    assert rows_of(joined[1], joined[1].tables[0], earlier=joined[0]) == read[1]


def test_repeated_headers_are_recognised_and_others_are_not_joined(tmp_path: Path) -> None:
    book = pages(
        tmp_path / "a.pdf",
        lambda sheet: ruled(sheet, CITIES, y=600),
        lambda sheet: ruled(sheet, [CITIES[0], *MORE], y=60),
        lambda sheet: ruled(sheet, [["Town", "In 2022", "Debt"], *MORE], y=60),
    )
    joined = join_pages(book)
    assert [page.tables[0].continues for page in joined] == [False, True, False]
    assert rows_of(joined[1], joined[1].tables[0], joined[0])[0].text == "Kiel | Founded | 1233 | People | 246,000"


def test_a_first_row_that_only_looked_like_headers_is_one_of_values(tmp_path: Path) -> None:
    people = [["Name", "Office", "Place"], ["A. Example", "Chair", "Zug"], ["B. Sample", "Treasurer", "Bern"]]
    more = [["C. Instance", "Clerk", "Chur"], ["D. Specimen", "Clerk", "Thun"], ["E. Model", "Clerk", "Biel"]]
    first, second = join_pages(
        pages(tmp_path / "a.pdf", lambda sheet: ruled(sheet, people, y=640), lambda sheet: ruled(sheet, more, y=60))
    )
    assert second.tables[0].continues
    assert [row.text for row in rows_of(second, second.tables[0], first)] == [
        "C. Instance | Office | Clerk | Place | Chur",
        "D. Specimen | Office | Clerk | Place | Thun",
        "E. Model | Office | Clerk | Place | Biel",
    ]


def test_groups_and_units_go_on(tmp_path: Path) -> None:
    def second(sheet: Sheet) -> None:
        for row, (x, label, value, other, third) in enumerate(
            ((84, "Marketing expenses", "7", "8", "9"), (72, "Net result", "1", "2", "3"))
        ):
            sheet.text(x, 60 + 14 * row, label)
            for right, words in ((390, value), (460, other), (530, third)):
                sheet.text(right, 60 + 14 * row, words, right=True)

    def first(sheet: Sheet) -> None:
        sheet.text(72, 600, "Table 2: Result (in millions of euros)")
        for right, year in ((390, "2023"), (460, "2022"), (530, "2021")):
            sheet.text(right, 620, year, right=True)
        for row, (x, label, *values) in enumerate(
            ((72, "Sales", "50", "40", "30"), (72, "Expenses:"), (84, "Wages and salaries", "11", "12", "13"))
        ):
            sheet.text(x, 634 + 14 * row, str(label))
            for right, words in zip((390, 460, 530), values, strict=False):
                sheet.text(right, 634 + 14 * row, str(words), right=True)

    joined = join_pages(pages(tmp_path / "a.pdf", first, second))
    reader = RowReader()
    rows = [row.text for page in joined for each in reader.read(page) for row in each]
    assert rows == [
        "Sales | 2023 | 50 EUR million | 2022 | 40 EUR million | 2021 | 30 EUR million",
        "Expenses: | Wages and salaries | 2023 | 11 EUR million | 2022 | 12 EUR million | 2021 | 13 EUR million",
        "Expenses: | Marketing expenses | 2023 | 7 EUR million | 2022 | 8 EUR million | 2021 | 9 EUR million",
        "Net result | 2023 | 1 EUR million | 2022 | 2 EUR million | 2021 | 3 EUR million",
    ]
    assert joined[1].tables[0].unit == "EUR million"


@pytest.mark.parametrize("where", ["before", "after", "columns", "gap"])
def test_what_does_not_go_on(tmp_path: Path, where: str) -> None:
    long = "A paragraph of running text that stands between the two tables, so that they have nothing to do with each other."
    more = [[*row, "x"] for row in MORE] if where == "columns" else MORE
    book = pages(
        tmp_path / "a.pdf",
        lambda sheet: ruled(sheet, CITIES, y=500),
        lambda sheet: ruled(sheet, more, y=260),
        before={2: long} if where == "before" else None,
        after={1: long} if where == "after" else None,
    )
    if where == "gap":
        book = [book[0], replace(book[1], number=3)]
    assert not join_pages(book)[1].tables[0].continues
    assert join_next(None, book[0]) is book[0]


def test_a_continued_table_makes_no_row_of_an_earlier_one(tmp_path: Path) -> None:
    book = pages(
        tmp_path / "a.pdf", lambda sheet: ruled(sheet, CITIES, y=600), lambda sheet: None, lambda sheet: ruled(sheet, MORE, y=60)
    )
    joined = join_pages(book)
    assert not joined[2].tables[0].continues
    assert RowReader().read(Page(1, 612.0, 792.0, "", np.zeros((0, 4), dtype=np.float32))) == []


@pytest.mark.parametrize(
    ("value", "names", "unit", "written"),
    [
        ("5,363", "Revenue 2022", "USD million", "USD million"),
        ("(5,363)", "Revenue 2022", "USD million", "USD million"),
        ("—", "Revenue 2022", "USD million", ""),
        ("26.1%", "Gross margin 2022", "USD million", ""),
        ("0.705", "Diluted earnings per share", "USD million", "USD"),
        ("0.705", "Diluted earnings per share", "million", ""),
        ("1,380", "Weighted-average common shares outstanding Basic", "USD million", ""),
        ("$1,552.8", "Network volumes (Billions) 2022", "USD million", "USD billion"),
        ("133.3", "Cards-in-force (millions)", "USD million", "million"),
        ("$23,496", "Average spending (dollars)", "USD million", "USD"),
        ("12", "Change 2022 vs. 2021", "%", "%"),
        ("Chair", "Office", "USD million", ""),
        ("689", "Cash 2023", "", ""),
    ],
)
def test_the_unit_of_a_value(value: str, names: str, unit: str, written: str) -> None:
    assert unit_of_value(value, names, unit) == written
