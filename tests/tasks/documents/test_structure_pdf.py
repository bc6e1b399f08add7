"""Structure of real PDFs: made with reportlab, read with pdfium."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from bakeoff.tasks.documents.layout.structure import assemble, mark_furniture
from bakeoff.tasks.documents.reading import raw
from bakeoff.tasks.documents.records import Page

HEIGHT = 792.0
TEXT = [
    "The",
    "company",
    "makes",
    "packaging",
    "for",
    "food",
    "and",
    "drink",
    "and",
    "sells",
    "it",
    "to",
    "customers",
    "in",
    "many",
    "countries.",
    "Its",
    "costs",
    "depend",
    "on",
    "the",
    "price",
    "of",
    "resin",
    "and",
    "of",
    "energy,",
    "which",
    "rose",
    "in",
    "the",
    "first",
    "half",
    "of",
    "the",
    "year",
    "and",
    "fell",
    "in",
    "the",
    "second.",
    "Net",
    "sales",
    "grew",
    "because",
    "prices",
    "were",
    "passed",
    "on",
    "with",
    "a",
    "delay,",
    "and",
    "volumes",
    "were",
    "lower",
    "in",
    "most",
    "regions.",
    "Management",
    "expects",
    "demand",
    "to",
    "recover",
    "slowly,",
    "while",
    "interest",
    "on",
    "its",
    "debt",
    "stays",
    "higher",
    "than",
    "before.",
]

Draw = Callable[[Canvas], None]


def read(tmp_path: Path, *pages: Draw) -> list[Page]:
    path = tmp_path / "made.pdf"
    canvas = Canvas(str(path), pagesize=(612, HEIGHT), pageCompression=0)
    for draw in pages:
        draw(canvas)
        canvas.showPage()
    canvas.save()
    pdf = raw.open_pdf(path)
    try:
        return [assemble(raw.read_page(pdf, index), [], []) for index in range(len(pages))]
    finally:
        pdf.close()


def wrapped(first: int, lines: int, width: float, font: str, size: float) -> list[str]:
    made: list[str] = []
    at = first
    for _ in range(lines):
        line = TEXT[at % len(TEXT)]
        at += 1
        while stringWidth(f"{line} {TEXT[at % len(TEXT)]}", font, size) <= width:
            line += f" {TEXT[at % len(TEXT)]}"
            at += 1
        made.append(line)
    made[-1] = made[-1].rstrip(".,") + "."
    return [made[0][0].upper() + made[0][1:], *made[1:]]


def write(
    canvas: Canvas,
    x: float,
    y: float,
    lines: list[str],
    size: float = 10,
    font: str = "Times-Roman",
    justify: float | None = None,
    leading: float = 1.2,
) -> None:
    for number, line in enumerate(lines):
        text = canvas.beginText(x, HEIGHT - y - number * leading * size)
        text.setFont(font, size)
        spread = justify is not None and number + 1 < len(lines)
        text.setWordSpace(((justify or 0) - stringWidth(line, font, size)) / max(line.count(" "), 1) if spread else 0)
        text.textOut(line)
        canvas.drawText(text)


def texts(page: Page) -> list[str]:
    assert page.boxes.shape == (len(page.text), 4)
    return [page.text[block.span.start : block.span.end] for block in page.blocks]


def kinds(page: Page) -> list[str]:
    return [block.kind for block in page.blocks]


@pytest.mark.parametrize("font", ["Times-Roman", "Helvetica", "Courier"])
@pytest.mark.parametrize("justified", [True, False])
@pytest.mark.parametrize("columns", [1, 2, 3])
def test_columns(tmp_path: Path, font: str, justified: bool, columns: int) -> None:
    width = (532 - 18 * (columns - 1)) / columns
    parts = [wrapped(17 * number, 30, width, font, 9) for number in range(columns)]

    def draw(canvas: Canvas) -> None:
        for row in range(30):
            for number, part in enumerate(parts):
                write(canvas, 40 + number * (width + 18), 80 + 11 * row, part[row : row + 1], 9, font)

    def draw_justified(canvas: Canvas) -> None:
        for number, part in enumerate(parts):
            write(canvas, 40 + number * (width + 18), 80, part, 9, font, justify=width)

    (page,) = read(tmp_path, draw_justified if justified else draw)
    assert " ".join(texts(page)) == " ".join(line for part in parts for line in part)
    assert texts(page) == [" ".join(part) for part in parts]


def test_a_page_with_everything(tmp_path: Path) -> None:
    """Title, heading over two columns, a list, notes at the foot: the text in order, each block of its kind."""
    left, right = wrapped(0, 12, 250, "Times-Roman", 10), wrapped(40, 12, 250, "Times-Roman", 10)
    below = wrapped(11, 5, 532, "Times-Roman", 10)

    def draw(canvas: Canvas) -> None:
        write(canvas, 40, 90, ["Annual Report 2022"], 24, "Helvetica-Bold")
        write(canvas, 40, 130, ["1.2 Results of Operations"], 12, "Helvetica-Bold")
        write(canvas, 40, 160, left, justify=250)
        write(canvas, 322, 160, right, justify=250)
        write(canvas, 40, 330, ["Outlook"], 10, "Times-Bold")
        write(canvas, 40, 350, below)
        write(canvas, 50, 430, ["•"])
        write(canvas, 64, 430, ["prices that follow costs"])
        write(canvas, 50, 446, ["•"])
        write(canvas, 64, 446, ["volumes that recover"])
        write(canvas, 40, 718, ["1"], 5)
        write(canvas, 44, 722, ["Restated for the disposal of the business in Argentina."], 7.5)

    (page,) = read(tmp_path, draw)
    assert kinds(page) == ["heading", "heading", "paragraph", "paragraph", "heading", "paragraph", "list", "list", "footnote"]
    assert texts(page)[2:4] == [" ".join(left), " ".join(right)]
    assert texts(page)[6:] == [
        "• prices that follow costs",
        "• volumes that recover",
        "1 Restated for the disposal of the business in Argentina.",
    ]
    (marked,) = mark_furniture([page])
    assert [block.level for block in marked.blocks if block.kind == "heading"] == [1, 2, 3]


def test_hyphens(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        write(
            canvas,
            40,
            100,
            [
                "The board sets the compen-",
                "sation of its long-",
                "term members under non-",
                "GAAP rules and the admin\u00ad",
                "istration follows them.",
            ],
        )

    (page,) = read(tmp_path, draw)
    assert (
        page.text
        == "The board sets the compensation of its long-term members under non-GAAP rules and the administration follows them."
    )


def test_turned_text_and_raised_marks(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        write(canvas, 100, 100, wrapped(0, 5, 400, "Helvetica", 10), font="Helvetica")
        canvas.saveState()
        canvas.translate(50, 300)
        canvas.rotate(90)
        canvas.setFont("Helvetica", 9)
        canvas.drawString(0, 0, "Thousands of tonnes")
        canvas.restoreState()
        text = canvas.beginText(100, HEIGHT - 200)
        text.setFont("Helvetica", 10)
        text.textOut("Total 5,363")
        text.setFont("Helvetica", 6)
        text.setRise(4)
        text.textOut("2")
        text.setFont("Helvetica", 10)
        text.setRise(0)
        text.textOut(" and CO")
        text.setFont("Helvetica", 6)
        text.setRise(-2)
        text.textOut("2")
        canvas.drawText(text)

    (page,) = read(tmp_path, draw)
    assert texts(page)[1:] == ["Total 5,363 2 and CO2", "Thousands of tonnes"]
    turned = page.blocks[-1].box
    assert turned[3] - turned[1] == pytest.approx(stringWidth("Thousands of tonnes", "Helvetica", 9), abs=1.5)


def test_faked_bold_and_letter_spacing(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for shift in (0, 0.3):
            write(canvas, 40 + shift, 100, ["Offered for sale"], 12)
        for letter_space, y in ((1.5, 130), (4.0, 160), (-0.4, 190)):
            text = canvas.beginText(40, HEIGHT - y)
            text.setFont("Helvetica", 12)
            text.setCharSpace(letter_space)
            text.textOut("SPACED OUT LETTERS OF A TITLE")
            canvas.drawText(text)

    (page,) = read(tmp_path, draw)
    assert texts(page) == ["Offered for sale", *["SPACED OUT LETTERS OF A TITLE"] * 3]


def test_each_glyph_an_object_of_its_own(tmp_path: Path) -> None:
    lines = wrapped(0, 10, 500, "Times-Roman", 10)

    def draw(canvas: Canvas) -> None:
        for number, line in enumerate(lines):
            at = 40.0
            for letter in line:
                if letter != " ":
                    write(canvas, at, 100 + 12 * number, [letter])
                at += stringWidth(letter, "Times-Roman", 10)

    (page,) = read(tmp_path, draw)
    assert texts(page) == [" ".join(lines)]


def test_headers_and_footers(tmp_path: Path) -> None:
    def draw(number: int) -> Draw:
        def page(canvas: Canvas) -> None:
            write(canvas, 40, 40, ["Bakeoff plc"], 8)
            write(canvas, 480, 40, ["Annual Report"], 8)
            write(canvas, 40, 100, wrapped(7 * number, 30, 532, "Times-Roman", 10))
            write(canvas, 300, 760, [str(number + 10)], 8)

        return page

    pages = mark_furniture(read(tmp_path, *(draw(number) for number in range(1, 6))))
    for number, page in enumerate(pages, 1):
        assert kinds(page) == ["header", "paragraph", "footer"]
        assert texts(page)[0] == "Bakeoff plc Annual Report"
        assert texts(page)[2] == str(number + 10)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_boxes_hold_their_characters_on_turned_pages(tmp_path: Path, turn: int) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setPageRotation(turn)
        write(canvas, 100, 300, ["Where a word stands"], 14)

    (page,) = read(tmp_path, draw)
    assert page.text == "Where a word stands"
    at = page.text.index("word")
    box = page.boxes[at : at + 4]
    before, wide = stringWidth("Where a ", "Times-Roman", 14), stringWidth("word", "Times-Roman", 14)
    # reportlab swaps the sides of the sheet where it is turned by a quarter.
    x0, x1 = 100 + before, 100 + before + wide
    expected = {0: (x0, x1), 90: (x0, x1), 180: (612 - x1, 612 - x0), 270: (792 - x1, 792 - x0)}[turn]
    side = 0 if turn % 180 == 0 else 1
    found = (float(np.min(box[:, side])), float(np.max(box[:, side + 2])))
    assert found == pytest.approx(expected, abs=0.7)
