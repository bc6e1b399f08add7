"""Tables on pages whose cells are known: ruled, half ruled, unruled; and all that only looks like one."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_sheets import PROSE, Sheet, grid_of, headers_of, pages_from, words_of
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.tasks.documents.glyphs import Fill, RawImage, RawPage, Rule
from bakeoff.tasks.documents.tabular.table_labels import unit_in
from bakeoff.tasks.documents.tabular.tables import find_tables

CITIES = [
    ["City", "Founded", "People"],
    ["Berlin", "1237", "3,755,251"],
    ["Hamburg", "808", "1,910,160"],
    ["Bremen", "782", "569,352"],
]


def ruled(sheet: Sheet, texts: list[list[str]], x: float = 72, y: float = 100, wide: float = 110, high: float = 20) -> None:
    """A grid with a line around every cell."""
    rows, columns = len(texts), len(texts[0])
    for row in range(rows + 1):
        sheet.line(x, y + row * high, x + columns * wide, y + row * high)
    for column in range(columns + 1):
        sheet.line(x + column * wide, y, x + column * wide, y + rows * high)
    for row, line in enumerate(texts):
        for column, words in enumerate(line):
            sheet.text(x + column * wide + 4, y + row * high + 14, words)


def statement(sheet: Sheet, top: float = 150, heads: bool = True) -> None:
    """A financial statement without lines: currency signs and brackets apart from their figures, groups, a label over two lines."""
    if heads:
        sheet.centred(306, top - 50, "Example plc and Subsidiaries", font="Helvetica-Bold")
        sheet.centred(306, top - 36, "Consolidated Statements of Income", font="Helvetica-Bold")
        sheet.centred(306, top - 22, "($ in millions, except per share amounts)")
        sheet.centred(450, top, "Years ended June 30,", font="Helvetica-Bold")
        sheet.line(352, top + 3, 548, top + 3)
        for x, year in ((390, "2023"), (460, "2022"), (530, "2021")):
            sheet.text(x, top + 15, year, font="Helvetica-Bold", right=True)
    y = top + 30
    rows: list[tuple[float, str, list[str]]] = [
        (72, "Net sales", ["$|14,694", "$|14,544", "$|12,861"]),
        (72, "Cost of sales", ["(11,969|)", "(11,724|)", "(10,129|)"]),
        (72, "Operating expenses:", []),
        (84, "Selling and administrative expenses", ["(1,246|)", "(1,284|)", "(1,292|)"]),
        (84, "Research and development expenses", ["(101|)", "(96|)", "(100|)"]),
        (72, "Operating income as a share of net", []),
        (72, "sales of the year", ["10.3|%", "8.5|%", "10.3|%"]),
        (72, "Net income", ["$|1,058", "$|815", "$|951"]),
        (72, "Basic earnings per share", ["$|0.709", "—", "$|0.604"]),
    ]
    for x, label, values in rows:
        wrapped = label == "sales of the year"
        y -= 3 if wrapped else 0
        sheet.text(x, y, label)
        for right, value in zip((390, 460, 530), values, strict=False):
            before, _, after = value.partition("|")
            if before == "$":
                sheet.text(right - 38, y, "$")
                sheet.text(right, y, after, right=True)
            else:
                sheet.text(right, y, before, right=True)
                sheet.text(right + 0.5, y, after)
        y += 14


STATEMENT = [
    ["", "Years ended June 30,", "", ""],
    ["", "2023", "2022", "2021"],
    ["Net sales", "$ 14,694", "$ 14,544", "$ 12,861"],
    ["Cost of sales", "(11,969)", "(11,724)", "(10,129)"],
    ["Operating expenses:", "", "", ""],
    ["Selling and administrative expenses", "(1,246)", "(1,284)", "(1,292)"],
    ["Research and development expenses", "(101)", "(96)", "(100)"],
    ["Operating income as a share of net sales of the year", "10.3%", "8.5%", "10.3%"],
    ["Net income", "$ 1,058", "$ 815", "$ 951"],
    ["Basic earnings per share", "$ 0.709", "—", "$ 0.604"],
]


def one(page: RawPage) -> tuple[list[list[str]], set[str]]:
    """The one table of a page: its grid and its headers."""
    (table,) = find_tables(page)
    check(page)
    return grid_of(page, table), headers_of(page, table)


def check(page: RawPage) -> None:
    """What holds of the tables of every page."""
    used: set[int] = set()
    for table in find_tables(page):
        assert table.rows >= 1 and table.columns >= 2
        places: set[tuple[int, int]] = set()
        for cell in table.cells:
            assert cell.glyphs == tuple(dict.fromkeys(cell.glyphs)) and not used & set(cell.glyphs)
            used.update(cell.glyphs)
            assert all(page.visible[at] for at in cell.glyphs)
            covered = {(cell.row + r, cell.column + c) for r in range(cell.rows) for c in range(cell.columns)}
            assert not covered & places and all(r < table.rows and c < table.columns for r, c in covered)
            places |= covered
            assert cell.box[0] <= cell.box[2] and cell.box[1] <= cell.box[3]
        assert not used & set(table.caption)


def test_a_ruled_table(tmp_path: Path) -> None:
    (page,) = pages_from(tmp_path / "a.pdf", lambda sheet: ruled(sheet, CITIES))
    grid, heads = one(page)
    assert grid == CITIES
    assert heads == {"City", "Founded", "People", "Berlin", "Hamburg", "Bremen"}
    (table,) = find_tables(page)
    assert table.box == pytest.approx((72, 100, 402, 180), abs=1)
    assert next(cell.box for cell in table.cells if (cell.row, cell.column) == (1, 2)) == pytest.approx(
        (292, 120, 402, 140), abs=1
    )


def test_missing_lines_are_spans(tmp_path: Path) -> None:
    def draw(sheet: Sheet) -> None:
        for y in (100, 120, 140, 160):
            sheet.line(72 if y != 120 else 172, y, 372, y)
        for x in (72, 172, 272, 372):
            sheet.line(x, 120 if x == 272 else 100, x, 160)
        sheet.text(76, 124, "Region")
        sheet.text(176, 114, "Sales of the year")
        sheet.text(176, 134, "2022")
        sheet.text(276, 134, "2021")
        for x, words in ((76, "North"), (176, "12"), (276, "11")):
            sheet.text(x, 154, words)

    (page,) = pages_from(tmp_path / "a.pdf", draw)
    (table,) = find_tables(page)
    spans = {words_of(page, cell.glyphs): (cell.row, cell.column, cell.rows, cell.columns, cell.header) for cell in table.cells}
    assert spans == {
        "Region": (0, 0, 2, 1, True),
        "Sales of the year": (0, 1, 1, 2, True),
        "2022": (1, 1, 1, 1, True),
        "2021": (1, 2, 1, 1, True),
        "North": (2, 0, 1, 1, True),
        "12": (2, 1, 1, 1, False),
        "11": (2, 2, 1, 1, False),
    }
    check(page)


def test_cells_of_several_lines_and_empty_cells(tmp_path: Path) -> None:
    def draw(sheet: Sheet) -> None:
        ruled(sheet, [["Term", "Meaning"], ["", ""], ["Lien", ""]], wide=200, high=40)
        sheet.text(76, 154, "Escrow")
        sheet.text(276, 154, "Money that a third party")
        sheet.text(276, 166, "holds until a deal is done")

    (page,) = pages_from(tmp_path / "a.pdf", draw)
    grid, _ = one(page)
    assert grid == [["Term", "Meaning"], ["Escrow", "Money that a third party holds until a deal is done"], ["Lien", ""]]


def test_columns_ruled_and_rows_not(tmp_path: Path) -> None:
    def draw(sheet: Sheet) -> None:
        for y in (100, 120, 180):
            sheet.line(72, y, 372, y)
        for x in (72, 172, 272, 372):
            sheet.line(x, 100, x, 180)
        for row, line in enumerate(
            [["Year", "Goods", "Services"], ["2021", "120", "33"], ["2022", "141", "35"], ["2023", "156", "39"]]
        ):
            for column, words in enumerate(line):
                sheet.text(76 + 100 * column, 114 + (0 if row == 0 else 4) + 18 * row, words)

    (page,) = pages_from(tmp_path / "a.pdf", draw)
    grid, heads = one(page)
    assert grid == [["Year", "Goods", "Services"], ["2021", "120", "33"], ["2022", "141", "35"], ["2023", "156", "39"]]
    assert {"Year", "Goods", "Services"} <= heads


def test_level_rules_only(tmp_path: Path) -> None:
    rows = [
        ["Model", "Maker", "Place"],
        ["Alpha", "Northwind", "Oslo"],
        ["Beta", "Contoso", "Turin"],
        ["Gamma", "Fabrikam", "Ghent"],
    ]

    def draw(sheet: Sheet) -> None:
        sheet.prose(60)
        for y in (150, 168, 222):
            sheet.line(72, y, 420, y)
        for row, line in enumerate(rows):
            for column, words in enumerate(line):
                sheet.text(76 + 130 * column, 163 + 18 * row, words, font="Helvetica-Bold" if row == 0 else "Helvetica")
        sheet.prose(260)

    (page,) = pages_from(tmp_path / "a.pdf", draw)
    grid, heads = one(page)
    assert grid == rows and heads == {"Model", "Maker", "Place", "Alpha", "Beta", "Gamma"}


def test_a_statement_without_lines(tmp_path: Path) -> None:
    (page,) = pages_from(tmp_path / "a.pdf", statement)
    grid, heads = one(page)
    assert grid == STATEMENT
    assert {"Years ended June 30,", "2023", "Operating expenses:", "Net sales"} <= heads and "$ 14,694" not in heads
    (table,) = find_tables(page)
    (years,) = [cell for cell in table.cells if words_of(page, cell.glyphs) == "Years ended June 30,"]
    (group,) = [cell for cell in table.cells if words_of(page, cell.glyphs) == "Operating expenses:"]
    assert (years.column, years.columns) == (1, 3) and (group.column, group.columns) == (0, 4)
    assert table.unit == "USD million" and words_of(page, table.caption) == "Consolidated Statements of Income"


def test_header_over_two_years_without_a_rule_spans_them(tmp_path: Path) -> None:
    def draw(sheet: Sheet) -> None:
        sheet.text(72, 100, "Table 7: Stores")
        sheet.centred(395, 120, "June 30,")
        for x, words in ((360, "2023"), (450, "2022")):
            sheet.text(x, 132, words, right=True)
        for row, (label, one_, two) in enumerate(
            (("Open", "1,355", "1,308"), ("Closed", "12", "9"), ("Total", "1,367", "1,317"))
        ):
            for x, words in ((360, one_), (450, two)):
                sheet.text(x, 146 + 14 * row, words, right=True)
            sheet.text(72, 146 + 14 * row, label)

    (page,) = pages_from(tmp_path / "a.pdf", draw)
    (table,) = find_tables(page)
    assert grid_of(page, table)[:3] == [["", "June 30,", ""], ["", "2023", "2022"], ["Open", "1,355", "1,308"]]
    assert next(cell for cell in table.cells if words_of(page, cell.glyphs) == "June 30,").columns == 2
    assert words_of(page, table.caption) == "Table 7: Stores" and table.unit == ""


def test_shaded_rows_keep_labels_of_two_lines_together(tmp_path: Path) -> None:
    def draw(sheet: Sheet) -> None:
        sheet.text(300, 100, "2022", right=True)
        sheet.text(400, 100, "2021", right=True)
        sheet.fill(70, 104, 410, 130)
        sheet.text(72, 114, "Receivables (Net of allowance for")
        sheet.text(72, 126, "Credit losses)")
        sheet.text(300, 126, "1,875", right=True)
        sheet.text(400, 126, "1,935", right=True)
        sheet.text(72, 140, "Other")
        sheet.text(300, 140, "80", right=True)
        sheet.text(400, 140, "136", right=True)
        sheet.fill(70, 144, 410, 158)
        sheet.text(72, 154, "Total")
        sheet.text(300, 154, "1,955", right=True)
        sheet.text(400, 154, "2,071", right=True)

    (page,) = pages_from(tmp_path / "a.pdf", draw)
    grid, _ = one(page)
    assert grid == [
        ["", "2022", "2021"],
        ["Receivables (Net of allowance for Credit losses)", "1,875", "1,935"],
        ["Other", "80", "136"],
        ["Total", "1,955", "2,071"],
    ]


def test_two_tables_on_a_page(tmp_path: Path) -> None:
    def draw(sheet: Sheet) -> None:
        ruled(sheet, CITIES)
        sheet.prose(220)
        statement(sheet, top=380)

    (page,) = pages_from(tmp_path / "a.pdf", draw)
    first, second = find_tables(page)
    check(page)
    assert grid_of(page, first) == CITIES and grid_of(page, second) == STATEMENT


def test_a_table_beside_text(tmp_path: Path) -> None:
    def draw(sheet: Sheet) -> None:
        for row, line in enumerate(textwrap.wrap(" ".join(PROSE), 46)[:10]):
            sheet.text(60, 100 + 14 * row, line)
        for row, (label, value, other) in enumerate(
            (("Stores", "1,355", "1,308"), ("Staff", "53,000", "40,500"), ("Cities", "48", "47"))
        ):
            sheet.text(330, 114 + 14 * row, label)
            sheet.text(460, 114 + 14 * row, value, right=True)
            sheet.text(540, 114 + 14 * row, other, right=True)

    (page,) = pages_from(tmp_path / "a.pdf", draw)
    grid, _ = one(page)
    assert grid == [["Stores", "1,355", "1,308"], ["Staff", "53,000", "40,500"], ["Cities", "48", "47"]]


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_rotated_page(tmp_path: Path, turn: int) -> None:
    def draw(sheet: Sheet) -> None:
        statement(sheet)
        sheet.canvas.setPageRotation(turn)

    (page,) = pages_from(tmp_path / "a.pdf", draw)
    grid, _ = one(page)
    assert grid == STATEMENT


@pytest.mark.parametrize("ruled_too", [False, True])
def test_a_table_printed_sideways(tmp_path: Path, ruled_too: bool) -> None:
    def draw(sheet: Sheet) -> None:
        sheet.canvas.translate(sheet.height * 0.75, 0)
        sheet.canvas.rotate(90)
        (ruled(sheet, CITIES, y=300) if ruled_too else statement(sheet, top=350))

    (page,) = pages_from(tmp_path / "a.pdf", draw)
    grid, _ = one(page)
    assert grid == (CITIES if ruled_too else STATEMENT)
    (table,) = find_tables(page)
    inside = page.boxes[[at for cell in table.cells for at in cell.glyphs]]
    assert (inside[:, 0] >= table.box[0] - 1).all() and (inside[:, 3] <= table.box[3] + 1).all()
    assert table.box[3] - table.box[1] > table.box[2] - table.box[0]


def test_what_cannot_be_seen_is_in_no_cell(tmp_path: Path) -> None:
    (page,) = pages_from(tmp_path / "a.pdf", lambda sheet: ruled(sheet, CITIES))
    at = page.chars.index("Hamburg")
    hidden = replace(page, visible=~np.isin(np.arange(len(page.chars)), range(at, at + 7)))
    (table,) = find_tables(hidden)
    assert grid_of(hidden, table)[2] == ["", "808", "1,910,160"]
    assert find_tables(replace(page, visible=np.zeros(len(page.chars), dtype=bool))) == []


def prose(sheet: Sheet) -> None:
    for start in (80, 160, 240, 320):
        sheet.prose(start)


def numbered_list(sheet: Sheet) -> None:
    for row in range(8):
        sheet.text(72, 100 + 14 * row, f"{row + 1}.")
        sheet.text(96, 100 + 14 * row, f"Send the form to office {row + 3} before the end of the month.")
        sheet.text(72, 300 + 14 * row, "•")
        sheet.text(96, 300 + 14 * row, f"In 202{row} the fee was {row}.50 for each of them.")


def contents(sheet: Sheet) -> None:
    sheet.centred(306, 80, "Table of Contents", font="Helvetica-Bold")
    for row, (title, number) in enumerate(
        (("Business", 4), ("Risk Factors", 14), ("Properties", 25), ("Legal Proceedings", 25), ("Controls", 110))
    ):
        sheet.text(72, 100 + 14 * row, f"Item {row + 1}.")
        sheet.text(120, 100 + 14 * row, title)
        sheet.text(540, 100 + 14 * row, str(number), right=True)


def contents_with_dots(sheet: Sheet) -> None:
    for row, (title, number) in enumerate((("Introduction", 1), ("Methods", 3), ("Results", 9), ("Discussion", 17))):
        sheet.text(72, 100 + 14 * row, title + " " + ". " * 60)
        sheet.text(540, 100 + 14 * row, str(number), right=True)


def code(sheet: Sheet) -> None:
    sheet.frame(70, 90, 400, 190)
    for row, line in enumerate(
        ("def total(rows):", "    sum = 0", "    for row in rows:", "        sum += row  # 12", "    x = 10", "    return sum")
    ):
        sheet.text(76, 104 + 14 * row, line, font="Courier")


def two_columns_of_text(sheet: Sheet) -> None:
    words = (" ".join(PROSE) * 6).split()
    for row in range(30):
        for column in range(2):
            start = (column * 30 + row) * 7
            sheet.text(60 + 260 * column, 80 + 12 * row, " ".join(words[start : start + 7])[:46])


def boxed_paragraph(sheet: Sheet) -> None:
    sheet.frame(60, 68, 560, 136)
    sheet.prose(80)
    sheet.fill(60, 190, 560, 260)
    sheet.prose(204)


def bordered_page(sheet: Sheet) -> None:
    sheet.frame(20, 20, 592, 772)
    sheet.line(20, 60, 592, 60)
    sheet.prose(80)
    sheet.prose(200)


def one_column(sheet: Sheet) -> None:
    ruled(sheet, [["First"], ["Second"], ["Third"]], wide=300)


def signatures(sheet: Sheet) -> None:
    for row, name in enumerate(("A. Example", "B. Sample", "C. Instance")):
        sheet.line(300, 120 + 50 * row, 520, 120 + 50 * row)
        sheet.text(300, 132 + 50 * row, name)
        sheet.text(72, 132 + 50 * row, "Date: March 3, 2023")


@pytest.mark.parametrize(
    "draw",
    [
        prose,
        numbered_list,
        contents,
        contents_with_dots,
        code,
        two_columns_of_text,
        boxed_paragraph,
        bordered_page,
        one_column,
        signatures,
    ],
    ids=lambda draw: draw.__name__,
)
def test_no_table(tmp_path: Path, draw) -> None:
    (page,) = pages_from(tmp_path / "a.pdf", draw)
    assert find_tables(page) == []


@pytest.mark.parametrize(
    ("said", "figures", "unit"),
    [
        ("($ in millions, except per share amounts)", "", "USD million"),
        ("(in thousands)", "1,234", "thousand"),
        ("(In thousands)", "$ 1,234", "USD thousand"),
        ("(€ in millions)", "", "EUR million"),
        ("EUR thousand", "", "EUR thousand"),
        ("(in millions of euros)", "", "EUR million"),
        ("in £ billions", "", "GBP billion"),
        ("(Dollars in millions)", "", "USD million"),
        ("(Amounts in US$ thousands, unless otherwise stated)", "", "USD thousand"),
        ("(Millions, except percentages)", "", "million"),
        ("(shares in thousands)", "$ 3", "thousand"),
        ("(in percent)", "", "%"),
        ("(%)", "", "%"),
        ("Consolidated Balance Sheets (in thousands of dollars)", "", "USD thousand"),
        ("Net sales rose by 3 million units", "$ 3", ""),
        ("Authorized (9,000 million shares)", "$ 3", ""),
        ("Years ended June 30,", "$ 3", ""),
    ],
)
def test_units(said: str, figures: str, unit: str) -> None:
    assert unit_in(said, figures) == unit


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_any_page_gives_tables_that_hold_together(seed: int) -> None:
    """Glyphs, lines and fills thrown at random, some of them in rows and columns, some with values no page should have."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 400))
    x = rng.choice([72.0, 200.0, 300.0, 410.0], n) + rng.integers(0, 12, n) * 5.0
    y = rng.integers(4, 40, n) * 14.0
    boxes = np.stack([x, y, x + 5.0, y + 10.0], axis=1).astype(np.float32)
    boxes[rng.random(n) < 0.02] = rng.choice([np.nan, np.inf, -1e9])
    lines = [float(v) for v in rng.integers(50, 550, 60)]
    rules = tuple(Rule((a, b, a + c, b + 0.5), True) for a, b, c in zip(lines[:20], lines[20:40], lines[40:], strict=True))
    rules += tuple(Rule((a, b, a + 0.5, b + c), False) for a, b, c in zip(lines[40:], lines[:20], lines[20:40], strict=True))
    page = RawPage(
        1, 612.0, 792.0, "".join(rng.choice(list("0123456789,.$()%-—abc AB:•"), n)), boxes,
        rng.choice([8.0, 10.0, 10.0, 0.0, np.nan, 500.0], n).astype(np.float32), rng.choice([0.0, 0.0, 0.0, 90.0], n).astype(np.float32),
        np.zeros(n, dtype=np.int16), ("F",), rng.random(n) < 0.2, np.zeros(n, dtype=bool), rng.random(n) < 0.95, rules,
        tuple(Fill((a, b, a + c, b + 12.0), (200, 220, 255)) for a, b, c in zip(lines[:9], lines[9:18], lines[18:27], strict=True)),
        np.zeros((0, 4), dtype=np.float32), (RawImage((0.0, 0.0, 10.0, 10.0), (1, 1)),), np.zeros(n, dtype=bool),
    )  # fmt: skip
    check(page)
