"""Reading order, blocks, tables and figures: from pieces of text to a page."""

from __future__ import annotations

import numpy as np
import pytest
from raw_pages import Paper, blocks, check, paragraph, read, width_of

from bakeoff.tasks.documents.glyphs import RawCell, RawFigure, RawTable, SeenWord
from bakeoff.tasks.documents.layout.structure import Memory, assemble, mark_furniture
from bakeoff.tasks.documents.records import Page, Span


def test_two_columns_are_read_one_after_the_other() -> None:
    paper = Paper()
    left, right = paragraph(0, 20, 250), paragraph(500, 20, 250)
    paper.lines(40, 100, left)
    paper.lines(310, 103, right)
    assert [text for _, text in blocks(read(paper))] == [" ".join(left), " ".join(right)]


@pytest.mark.parametrize("glyph_spaces", [True, False])
def test_two_columns_printed_line_by_line_across(glyph_spaces: bool) -> None:
    """The content stream says nothing about order; a narrow gutter and equal baselines are all there is."""
    paper = Paper()
    left, right = paragraph(0, 20, 250), paragraph(500, 20, 250)
    for number in range(20):
        paper.print(40, 100 + 12 * number, left[number], glyph_spaces=glyph_spaces)
        paper.print(304, 100 + 12 * number, right[number], glyph_spaces=glyph_spaces)
    assert [text for _, text in blocks(read(paper))] == [" ".join(left), " ".join(right)]


def test_three_columns() -> None:
    paper = Paper()
    parts = [paragraph(1000 * number, 25, 160) for number in range(3)]
    for number, part in enumerate(parts):
        paper.lines(40 + 178 * number, 120, part, 9)
    assert [text for _, text in blocks(read(paper))] == [" ".join(part) for part in parts]


def test_a_heading_across_columns_divides_them() -> None:
    paper = Paper()
    parts = [paragraph(1000 * number, 12, 250) for number in range(4)]
    paper.lines(40, 100, parts[0])
    paper.lines(310, 100, parts[1])
    paper.print(150, 270, "A heading that crosses both columns", 16, bold=True)
    paper.lines(40, 300, parts[2])
    paper.lines(310, 300, parts[3])
    assert blocks(read(paper)) == [
        ("paragraph", " ".join(parts[0])),
        ("paragraph", " ".join(parts[1])),
        ("heading", "A heading that crosses both columns"),
        ("paragraph", " ".join(parts[2])),
        ("paragraph", " ".join(parts[3])),
    ]


def test_one_column_above_two() -> None:
    paper = Paper()
    top, left, right = paragraph(0, 8, 520), paragraph(500, 15, 250), paragraph(900, 15, 250)
    paper.lines(40, 100, top)
    paper.lines(40, 220, left)
    paper.lines(310, 220, right)
    assert [text for _, text in blocks(read(paper))] == [" ".join(part) for part in (top, left, right)]


def test_a_paragraph_goes_on_in_the_next_column() -> None:
    paper = Paper()
    left, right = paragraph(0, 10, 250), paragraph(500, 10, 250)
    left[-1] = left[-1][: len(left[-1]) - 6] + "compen-"
    right[0] = "sation" + right[0][6:]
    paper.lines(40, 100, left)
    paper.lines(310, 100, right)
    found = blocks(read(paper))
    assert len(found) == 1
    assert "compensation" in found[0][1]


def test_a_header_above_two_columns_belongs_to_neither() -> None:
    paper = Paper()
    left, right = paragraph(0, 20, 250), paragraph(500, 20, 250)
    paper.print(40, 30, "Annual report", 8)
    paper.print(540, 30, "17", 8)
    paper.lines(40, 100, left)
    paper.lines(310, 100, right)
    assert [text for _, text in blocks(read(paper))] == ["Annual report 17", " ".join(left), " ".join(right)]


def test_notes_in_the_margin_are_read_before_what_they_stand_beside() -> None:
    paper = Paper()
    first, second = paragraph(0, 8, 380), paragraph(500, 8, 380)
    first[-1], second[-1] = first[-1][:30].strip() + ".", second[-1][:30].strip() + "."
    paper.lines(180, 100, first)
    paper.lines(180, 220, second)
    paper.lines(40, 100, ["Revenue", "recognition"], 9)
    paper.lines(40, 220, ["Leases of", "buildings"], 9)
    assert [text for _, text in blocks(read(paper))] == [
        "Revenue recognition",
        " ".join(first),
        "Leases of buildings",
        " ".join(second),
    ]


def test_a_list_of_contents_is_read_across() -> None:
    paper = Paper()
    rows = [
        ("Business", "3"),
        ("Risk factors that may affect us", "11"),
        ("Properties", "24"),
        ("Legal proceedings", "25"),
        ("Signatures", "99"),
    ]
    for number, (title, at) in enumerate(rows):
        paper.print(60, 100 + 14 * number, title)
        paper.print(520, 100 + 14 * number, at)
    assert [text for _, text in blocks(read(paper))] == [f"{title} {at}" for title, at in rows]


def test_terms_and_their_meanings_are_read_across() -> None:
    paper = Paper()
    y = 100.0
    expected = []
    for number, term in enumerate(["EBITDA", "Leverage", "Net debt", "Free cash flow"]):
        meaning = paragraph(100 * number, 3, 360)
        meaning[-1] = meaning[-1][:40].strip() + "."
        paper.print(40, y, term)
        paper.lines(180, y, meaning)
        expected.append(" ".join([term, *meaning]))
        y += 50
    assert read(paper).text.replace("\n", " ") == " ".join(expected)


def test_paragraphs_are_told_by_space_indents_and_short_lines() -> None:
    paper = Paper()
    one, two, three, four = (paragraph(1000 * number, 4, 500) for number in range(4))
    one[-1] = one[-1][:40].strip() + "."
    three[-1] = three[-1].rsplit(" ", 1)[0] + "."
    paper.lines(40, 100, one)
    paper.lines(40, 148, two)  # the line before is short
    paper.lines(40, 206, three)  # more space
    paper.print(55, 254, four[0])  # set in
    paper.lines(40, 266, four[1:])
    assert blocks(read(paper)) == [("paragraph", " ".join(part)) for part in (one, two, three, four)]


def test_headings_have_levels_that_mean_the_same_on_every_page() -> None:
    def page(number: int, headings: list[tuple[str, float, bool]]) -> Page:
        paper = Paper(number=number)
        y = 120.0
        for text, size, bold in headings:
            paper.print(40, y, text, size, bold=bold)
            paper.lines(40, y + 24, paragraph(int(y), 5, 500))
            y += 110
        return read(paper)

    first = page(1, [("Annual report", 24, True), ("Operations", 14, True), ("Rigid packaging", 10, True)])
    second = page(2, [("Flexibles", 10, True), ("Finance", 14, True)])
    marked = mark_furniture([first, second])
    assert [[(block.level) for block in each.blocks if block.kind == "heading"] for each in marked] == [[1, 2, 3], [3, 2]]


@pytest.mark.parametrize(
    ("text", "how", "kind"),
    [
        ("Item 7. Management’s Discussion", {"bold": True}, "heading"),
        ("RISK FACTORS", {}, "heading"),
        ("2.1 Scope of Consolidation", {}, "heading"),
        ("Changes in demand may harm our results and we may not be able to react to them in time.", {"bold": True}, "heading"),
        ("an ordinary line of text that is short", {}, "paragraph"),
        ("(in millions)", {"bold": True}, "paragraph"),
        ("5,363 4,210 99", {"bold": True}, "paragraph"),
        ("Figure 3: Sales by region", {}, "caption"),
        ("Table 2. Maturities of debt", {"size": 9}, "caption"),
        ("Figure 3 shows how sales fell.", {}, "paragraph"),
    ],
)
def test_kinds(text: str, how: dict[str, object], kind: str) -> None:
    paper = Paper()
    paper.lines(40, 100, paragraph(0, 6, 500))
    paper.print(40, 190, text, **how)  # type: ignore[arg-type]
    paper.lines(40, 214, paragraph(300, 6, 500))
    assert blocks(read(paper))[1] == (kind, text)


def test_lists() -> None:
    paper = Paper()
    paper.lines(40, 100, [*paragraph(0, 3, 500), "and the following are due:"])
    paper.print(50, 152, "•")
    long = paragraph(500, 3, 470)
    paper.lines(64, 152, long)
    paper.print(50, 190, "• the second item of the list")
    paper.print(50, 204, "(a) the third, which has a letter")
    paper.print(50, 218, "12. the fourth, which has a number")
    found = blocks(read(paper))
    assert found[1:] == [
        ("list", " ".join(["•", *long])),
        ("list", "• the second item of the list"),
        ("list", "(a) the third, which has a letter"),
        ("list", "12. the fourth, which has a number"),
    ]


def test_clause_numbers_are_no_column() -> None:
    paper = Paper()
    expected = []
    for side, x in enumerate((40, 320)):
        for clause in range(4):
            text = paragraph(100 * side + 17 * clause, 5, 215)
            y = 100 + 80 * clause
            paper.print(x, y, f"{3 + side}.{clause + 1}")
            paper.lines(x + 30, y, text)
            expected.append(" ".join([f"{3 + side}.{clause + 1}", *text]))
    assert [text for _, text in blocks(read(paper))] == expected


def test_what_a_clause_says_goes_on_below_its_number() -> None:
    """The second line is set in and begins with no small letter, which alone would begin a paragraph."""
    paper = Paper()
    first = paragraph(0, 1, 440)[0].rstrip(".")
    paper.print(40, 100, "4.6")
    paper.lines(70, 100, [first, "€310,000 in the year."])
    assert [text for _, text in blocks(read(paper))] == [f"4.6 {first} €310,000 in the year."]


def test_a_mark_within_a_paragraph_begins_no_list() -> None:
    paper = Paper()
    lines = [f"{line} with" for line in paragraph(0, 2, 470)] + [
        "(b) of the agreement that was made before the end of the year and its annex"
    ]
    paper.lines(40, 100, lines)
    assert blocks(read(paper)) == [("paragraph", " ".join(lines))]


def test_footnotes() -> None:
    paper = Paper()
    paper.lines(40, 100, paragraph(0, 30, 500))
    paper.print(40, 690, "1", 5)
    paper.print(44, 693, "Restated for the sale of the business in Argentina, see", 8)
    paper.print(40, 703, "the last note of this report for more.", 8)
    paper.print(40, 718, "* Not audited by anybody at all.", 8)
    assert [kind for kind, _ in blocks(read(paper))] == ["paragraph", "footnote", "footnote"]


def test_hyphens_at_line_ends_are_undone_and_have_no_character() -> None:
    paper = Paper()
    texts = [
        "The board decides on compen-",
        "sation and on all long-",
        "term debt that is non-",
        "GAAP for a while un\u00ad",
        "til the end of the year",
    ]
    paper.lines(40, 100, texts)
    page = read(paper)
    assert (
        page.text
        == "The board decides on compensation and on all long-term debt that is non-GAAP for a while until the end of the year"
    )
    where = page.text.index("compensation") + len("compen")
    assert page.boxes[where, 1] > page.boxes[where - 1, 1]
    assert not np.isnan(page.boxes[where - 1 : where + 1]).any()


def test_the_memory_of_earlier_pages_decides_spellings() -> None:
    memory = Memory()
    before, paper = Paper(), Paper(number=2)
    before.print(40, 100, "There was no goodwill-based accounting of wholesale markets")
    read(before, memory=memory)
    paper.lines(40, 100, ["some text about goodwill-", "based rules for whole-", "sale markets in some place"])
    assert read(paper, memory=memory).text == "some text about goodwill-based rules for wholesale markets in some place"


def table_page() -> tuple[Paper, RawTable]:
    paper = Paper()
    paper.lines(40, 100, paragraph(0, 5, 500))
    caption = paper.print(40, 190, "Table 1: Revenue in USD million")
    cells = []
    for row, texts in enumerate(
        [["", "2022", "2021"], ["Net sales of rigid pack-\naging", "5,363", "4,210"], ["Total", "", "9,000"]]
    ):
        for column, text in enumerate(texts):
            glyphs = paper.lines(60 + 160 * column, 220 + 26 * row, text.split("\n")) if text else []
            box = (55.0 + 160 * column, 210.0 + 26 * row, 210.0 + 160 * column, 236.0 + 26 * row)
            cells.append(RawCell(row, column, tuple(glyphs), box, header=row == 0 or column == 0))
    paper.lines(40, 320, paragraph(300, 5, 500))
    return paper, RawTable((55, 210, 530, 290), 3, 3, tuple(cells), tuple(caption), "USD million")


def test_a_table_stands_in_the_text_row_by_row() -> None:
    paper, raw = table_page()
    page = check(assemble(paper.page(), [raw], []))
    assert [kind for kind, _ in blocks(page)] == ["paragraph", "caption", "table", "paragraph"]
    table = page.tables[0]
    assert (
        page.text[table.span.start : table.span.end] == "\t2022\t2021\nNet sales of rigid packaging\t5,363\t4,210\nTotal\t\t9,000"
    )
    assert [page.text[cell.span.start : cell.span.end] for cell in table.cells] == [
        "", "2022", "2021", "Net sales of rigid packaging", "5,363", "4,210", "Total", "", "9,000",
    ]  # fmt: skip
    assert table.caption is not None
    assert page.text[table.caption.start : table.caption.end] == "Table 1: Revenue in USD million"
    assert (table.unit, table.rows, table.columns, table.box) == ("USD million", 3, 3, (55, 210, 530, 290))
    assert page.blocks[2].box == table.box
    assert page.blocks[1].span == table.caption
    cell = table.cells[4]
    assert page.boxes[cell.span.start, 0] == pytest.approx(220)


def test_a_table_beside_text_and_one_without_text() -> None:
    paper = Paper()
    left = paragraph(0, 15, 250)
    paper.lines(40, 100, left)
    cells = []
    for row in range(5):
        for column in range(2):
            glyphs = paper.print(320 + 120 * column, 110 + 30 * row, f"cell {row}{column}")
            cells.append(
                RawCell(
                    row, column, tuple(glyphs), (315.0 + 120 * column, 95.0 + 30 * row, 430.0 + 120 * column, 125.0 + 30 * row)
                )
            )
    empty = RawTable((40, 400, 300, 500), 1, 1, (RawCell(0, 0, (), (40, 400, 300, 500)),))
    page = check(assemble(paper.page(), [RawTable((315, 95, 550, 245), 5, 2, tuple(cells)), empty], []))
    assert [kind for kind, _ in blocks(page)] == ["paragraph", "table"]
    assert page.text.startswith(" ".join(left) + "\ncell 00\tcell 01\ncell 10")
    assert page.tables[1].span == Span(len(page.text), len(page.text))


def test_a_figure_has_its_words_and_its_caption() -> None:
    paper = Paper()
    paper.lines(40, 100, paragraph(0, 5, 500))
    glyphs = [*paper.lines(100, 230, ["Data", "source"], 8), *paper.lines(300, 230, ["Trained", "model"], 8)]
    caption = paper.print(40, 320, "Figure 1: How a model is made")
    paper.lines(40, 350, paragraph(300, 5, 500))
    figure = RawFigure(
        "drawing", (80, 200, 500, 300), tuple(glyphs), (SeenWord("OCR", (420, 240, 450, 250), 0.9),), tuple(caption)
    )
    page = check(assemble(paper.page(), [], [figure]))
    assert [kind for kind, _ in blocks(page)] == ["paragraph", "figure", "caption", "paragraph"]
    made = page.figures[0]
    assert made.words is not None
    assert made.caption is not None
    assert page.text[made.words.start : made.words.end] == "Data source\nTrained model\nOCR"
    assert page.text[made.caption.start : made.caption.end] == "Figure 1: How a model is made"
    assert page.source == "mixed"


def test_a_picture_behind_the_text_divides_nothing() -> None:
    paper = Paper()
    lines = paragraph(0, 20, 500)
    paper.lines(40, 100, lines)
    page = check(assemble(paper.page(), [], [RawFigure("image", (0, 0, 600, 800)), RawFigure("image", (100, 600, 300, 700))]))
    assert blocks(page) == [("paragraph", " ".join(lines))]
    assert page.figures[0].words is None


def words_of(lines: list[str], x: float, y: float) -> list[SeenWord]:
    found = []
    for number, line in enumerate(lines):
        at = x
        for word in line.split(" "):
            found.append(SeenWord(word, (at, y + 12 * number - 8, at + width_of(word), y + 12 * number + 2), 0.9))
            at += width_of(word) + 2.5
    return found


def test_a_scanned_page_is_read_like_any_other() -> None:
    left, right = paragraph(0, 15, 250), paragraph(500, 15, 250)
    seen = [*words_of(left, 40, 100), *words_of(right, 310, 100)]
    page = check(assemble(Paper().page(), [], [], seen))
    assert page.source == "ocr"
    assert [text for _, text in blocks(page)] == [" ".join(left), " ".join(right)]
    widths = page.boxes[:3, 2] - page.boxes[:3, 0]
    assert widths == pytest.approx([widths[0]] * 3, abs=1e-3)


def test_words_that_are_text_already_are_not_read_twice() -> None:
    paper = Paper()
    lines = paragraph(0, 4, 400)
    paper.lines(40, 100, lines)
    seen = [*words_of(lines, 40, 100), SeenWord("Stamped here", (300, 600, 380, 612), 0.8)]
    page = check(assemble(paper.page(), [], [], seen))
    assert page.source == "mixed"
    assert blocks(page) == [("paragraph", " ".join(lines)), ("paragraph", "Stamped here")]


def test_a_right_to_left_page_begins_in_its_right_column() -> None:
    letters = "אבגדהוזחטיכלמנסעפצקרשת"
    paper = Paper()

    def column(first: int) -> list[str]:
        return [" ".join(letters[(first + 7 * row + word) % 18 :][:4] for word in range(9)) for row in range(15)]

    left, right = column(3), column(11)
    for x, lines in ((40, left), (310, right)):
        for row, line in enumerate(lines):
            paper.print(x + 230 - width_of(line), 100 + 12 * row, line[::-1])
    assert read(paper).text.replace("\n", " ") == " ".join([*right, *left])
