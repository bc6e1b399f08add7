"""Running headers, footers and page numbers."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff.tasks.documents.layout import furniture
from bakeoff.tasks.documents.layout.furniture import Marker, apply, normalised
from bakeoff.tasks.documents.layout.structure import mark_furniture
from bakeoff.tasks.documents.records import Block, BlockKind, Page, Span

Piece = tuple[str, float, BlockKind]
"""A text, the height of its top, its kind."""


def page(number: int, pieces: list[Piece], height: float = 800.0) -> Page:
    text = ""
    blocks = []
    for words, top, kind in pieces:
        text += "\n" if text else ""
        blocks.append(
            Block(kind, Span(len(text), len(text) + len(words)), (50, top, 550, top + 12), 3 if kind == "heading" else 0)
        )
        text += words
    return Page(number, 600, height, text, np.full((len(text), 4), np.nan, np.float32), tuple(blocks))


def body(number: int) -> Piece:
    return (f"Text of page {number} that is only here, and says {number * number} things.", 200.0, "paragraph")


def marks(pages: list[Page]) -> list[list[str]]:
    """For each page, the texts that are furniture, with their kind."""
    return [
        [
            f"{block.kind}: {each.text[block.span.start : block.span.end]}"
            for block in each.blocks
            if block.kind in ("header", "footer")
        ]
        for each in mark_furniture(pages)
    ]


def test_headers_and_page_numbers() -> None:
    pages = [
        page(n, [("Annual report 2022", 30, "heading"), body(n), (f"Page {n + 4} of 99", 770, "paragraph")]) for n in range(1, 8)
    ]
    assert marks(pages) == [["header: Annual report 2022", f"footer: Page {n + 4} of 99"] for n in range(1, 8)]


@pytest.mark.parametrize("count", [1, 2])
def test_short_documents_have_none(count: int) -> None:
    assert (
        marks([page(n, [("Title", 30, "paragraph"), body(n), (str(n), 770, "paragraph")]) for n in range(1, count + 1)])
        == [[]] * count
    )


def test_left_and_right_pages_differ() -> None:
    heads = ["Bakeoff plc", "Notes to the accounts"]
    pages = [page(n, [(heads[n % 2], 30 if n % 2 else 34, "paragraph"), body(n)]) for n in range(1, 9)]
    assert marks(pages) == [[f"header: {heads[n % 2]}"] for n in range(1, 9)]


def test_roman_numerals_are_page_numbers() -> None:
    numerals = ["i", "ii", "iii", "iv", "v", "vi", "vii"]
    pages = [page(n, [body(n), (f"– {numeral} –", 770, "paragraph")]) for n, numeral in enumerate(numerals, 1)]
    assert marks(pages) == [[f"footer: – {numeral} –"] for numeral in numerals]


def test_a_page_number_where_the_text_ends_early() -> None:
    pages = [page(n, [body(n), (str(n - 1), 300.0 + 40 * n, "paragraph")]) for n in range(1, 9)]
    assert marks(pages) == [[f"footer: {n - 1}"] for n in range(1, 9)]


def test_numbers_that_do_not_count_with_the_pages_are_no_page_numbers() -> None:
    totals = [5363, 4210, 99, 17, 1201, 8]
    assert marks([page(n, [body(n), (str(total), 770, "paragraph")]) for n, total in enumerate(totals, 1)]) == [[]] * 6


def test_numbered_headings_at_the_top_of_pages_stay_headings() -> None:
    counting = [page(n, [(f"NOTE {n + 2}", 30, "heading"), body(n)]) for n in range(1, 8)]
    assert marks(counting) == [[]] * 7
    jumping = [page(n, [(f"Risk {n * n}", 30, "heading"), body(n)]) for n in range(1, 8)]
    assert marks(jumping) == [[]] * 7


def test_a_chapter_title_counts_from_its_third_page_on() -> None:
    pages = [page(n, [(f"Chapter {1 if n < 6 else 2}", 30, "paragraph"), body(n)]) for n in range(1, 12)]
    assert marks(pages) == [[f"header: Chapter {1 if n < 6 else 2}"] for n in range(1, 12)]


def test_a_page_without_its_header_breaks_nothing() -> None:
    pages = [page(n, ([] if n in (4, 5) else [("Bakeoff plc", 30, "paragraph")]) + [body(n)]) for n in range(1, 10)]
    assert [len(found) for found in marks(pages)] == [1, 1, 1, 0, 0, 1, 1, 1, 1]


def test_what_repeats_in_the_text_is_no_furniture() -> None:
    pages = [page(n, [body(n), ("See the accompanying notes.", 400, "paragraph")]) for n in range(1, 8)]
    assert marks(pages) == [[]] * 7


def test_what_stands_at_another_height_is_no_furniture() -> None:
    pages = [page(n, [("Overview", 20 + 12 * n, "heading"), body(n)]) for n in range(1, 6)]
    assert marks(pages) == [[]] * 5


def test_rows_that_go_on_below_are_no_header() -> None:
    """The head of a table that was not found, repeated on each page: no white space follows it."""
    pages = [
        page(
            n,
            [("Name Country", 30, "paragraph"), *((f"Row {n} {row} of many", 43.0 + 13 * row, "paragraph") for row in range(20))],
        )
        for n in range(1, 7)
    ]
    assert marks(pages) == [[]] * 6


def test_tables_and_figures_are_never_furniture() -> None:
    pages = [page(n, [("Same words", 30, "table"), body(n), ("Same figure", 770, "figure")]) for n in range(1, 7)]
    assert marks(pages) == [[]] * 6


def test_levels_are_counted_over_the_document_without_running_headers() -> None:
    def made(number: int) -> Page:
        each = page(number, [("Bakeoff plc", 30, "heading"), ("A heading", 100, "heading"), body(number)])
        classes = {0: 2, 1: 6}
        return Page(
            each.number,
            600,
            800,
            each.text,
            each.boxes,
            tuple(Block(b.kind, b.span, b.box, classes.get(i, 0)) for i, b in enumerate(each.blocks)),
        )

    for each in mark_furniture([made(n) for n in range(1, 6)]):
        assert [(block.kind, block.level) for block in each.blocks] == [("header", 0), ("heading", 1), ("paragraph", 0)]


def test_one_pass_with_bounded_memory() -> None:
    """The marker sees each page once, and forgets what it cannot use any more."""
    marker = Marker()
    kept = []
    for number in range(1, 3001):
        marker.add(
            page(number, [("Annual report", 30, "paragraph"), body(number), (f"unique {number} {number * 7}", 770, "paragraph")])
        )
        kept.append(sum(len(run.seen) for runs in marker._runs.values() for run in runs))
    assert max(kept[100:]) <= max(kept[:100])
    found = marker.finish()
    assert set(found) == set(range(1, 3001))
    assert all(blocks == {0: "header"} for blocks in found.values())
    first = apply(page(1, [("Annual report", 30, "paragraph"), body(1)]), found[1])
    assert [block.kind for block in first.blocks] == ["header", "paragraph"]


@pytest.mark.parametrize(
    ("text", "words", "numbers"),
    [
        ("Page 3 of 12", "page # of #", (3, 12)),
        ("xiv", "#", (14,)),
        ("  Amcor   PLC ", "amcor plc", ()),
        ("iiii", "iiii", ()),
        ("F-12", "f-#", (12,)),
        ("1.234", "#", (1, 234)),
        ("9" * 400, "#", ()),
    ],
)
def test_normalised(text: str, words: str, numbers: tuple[int, ...]) -> None:
    assert normalised(text) == (words, numbers)


def test_the_longest_texts_are_passed_over() -> None:
    long = "word " * 200
    assert furniture.summary_of(page(1, [(long, 30, "paragraph")])).candidates == ()
