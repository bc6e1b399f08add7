"""Pages drawn with reportlab for the tests of tables and figures, read back through `raw`; and records.Page made from what was found."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from bakeoff.tasks.documents.glyphs import RawPage, RawTable
from bakeoff.tasks.documents.reading.raw import open_pdf, read_page
from bakeoff.tasks.documents.records import Block, Cell, Page, Span, Table
from bakeoff.tasks.documents.tabular.table_words import main_angle, upright

WIDTH, HEIGHT = 612.0, 792.0
PROSE = (
    "The company sells its goods in many markets and reports what it earned in each of them once a year",
    "to its owners, who in 2022 held 1,448 million shares of it. In 2021 the board had set aside $21 million",
    "for doubtful debts, of which $4 million were used, and it expects to use most of the remaining sum by",
    "the end of 2024. Sales rose by 12% in the first half of the year and fell by 3% in the second, because",
    "fewer customers renewed their contracts than in the 53 weeks before. Nothing else of note took place.",
)


class Sheet:
    """A page with y running down, as the records have it."""

    def __init__(self, width: float = WIDTH, height: float = HEIGHT) -> None:
        self.buffer = io.BytesIO()
        self.height = height
        self.canvas = Canvas(self.buffer, pagesize=(width, height), invariant=1)

    def text(self, x: float, y: float, words: str, size: float = 10, font: str = "Helvetica", right: bool = False) -> None:
        """Words with their baseline at `y`, from `x` on, or up to it."""
        self.canvas.setFont(font, size)
        draw = self.canvas.drawRightString if right else self.canvas.drawString
        draw(x, self.height - y, words)

    def centred(self, x: float, y: float, words: str, size: float = 10, font: str = "Helvetica") -> None:
        """Words centred on `x`."""
        self.text(x - stringWidth(words, font, size) / 2, y, words, size, font)

    def line(self, x0: float, y0: float, x1: float, y1: float, width: float = 0.7) -> None:
        """A stroke."""
        self.canvas.setLineWidth(width)
        self.canvas.line(x0, self.height - y0, x1, self.height - y1)

    def fill(self, x0: float, y0: float, x1: float, y1: float, rgb: tuple[float, float, float] = (0.8, 0.9, 1.0)) -> None:
        """A filled rectangle."""
        self.canvas.setFillColorRGB(*rgb)
        self.canvas.rect(x0, self.height - y1, x1 - x0, y1 - y0, stroke=0, fill=1)
        self.canvas.setFillColorRGB(0, 0, 0)

    def frame(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """A stroked rectangle."""
        self.canvas.setLineWidth(0.8)
        self.canvas.rect(x0, self.height - y1, x1 - x0, y1 - y0, stroke=1, fill=0)

    def picture(self, x0: float, y0: float, x1: float, y1: float, seed: int = 0) -> None:
        """A raster image of noise."""
        from PIL import Image

        pixels = np.random.default_rng(seed).integers(0, 255, (24, 24, 3), dtype=np.uint8)
        self.canvas.drawImage(ImageReader(Image.fromarray(pixels)), x0, self.height - y1, x1 - x0, y1 - y0)

    def prose(self, y: float, x: float = 72, lines: Sequence[str] = PROSE, size: float = 10, leading: float = 12) -> float:
        """Running text; returns the next baseline."""
        for line in lines:
            self.text(x, y, line, size)
            y += leading
        return y

    def saved(self) -> bytes:
        """The file."""
        self.canvas.save()
        return self.buffer.getvalue()


def pages_from(path: Path, draw: Callable[[Sheet], None], **page: float) -> list[RawPage]:
    """Draw, save to `path`, read back. `draw` may call ``sheet.canvas.showPage()``."""
    sheet = Sheet(**page)
    draw(sheet)
    path.write_bytes(sheet.saved())
    pdf = open_pdf(path)
    try:
        return [read_page(pdf, index) for index in range(len(pdf))]
    finally:
        pdf.close()


def words_of(page: RawPage, glyphs: Sequence[int]) -> str:
    """Glyphs as words, in the direction that they run: a space where there is a gap or a new line."""
    page = upright(page, main_angle(page))
    said, last = "", None
    for at in glyphs:
        x0, _, x1, _ = (float(edge) for edge in page.boxes[at])
        if last is not None and (x0 - last > 0.15 * page.sizes[at] or x0 < last - 2):
            said += " "
        said += page.chars[at]
        last = x1
    return " ".join(said.split())


def grid_of(page: RawPage, table: RawTable) -> list[list[str]]:
    """The texts of a table's cells, '' where a cell is empty or another one reaches."""
    rows = [["" for _ in range(table.columns)] for _ in range(table.rows)]
    for cell in table.cells:
        rows[cell.row][cell.column] = words_of(page, cell.glyphs)
    return rows


def headers_of(page: RawPage, table: RawTable) -> set[str]:
    """The texts of its header cells that are not empty."""
    return {words_of(page, cell.glyphs) for cell in table.cells if cell.header and cell.glyphs}


def page_of(raw: RawPage, tables: Sequence[RawTable], before: str = "", after: str = "") -> Page:
    """A records.Page that holds the tables, with a paragraph before and after them where given."""
    text, boxes, blocks, found = "", [], [], []

    def put(said: str, box: tuple[float, float, float, float] | None = None) -> Span:
        nonlocal text
        start = len(text)
        text += said
        boxes.extend([box or (np.nan,) * 4] * len(said))
        return Span(start, len(text))

    def paragraph(said: str, kind: str, y: float) -> Span:
        span = put(said, (72.0, y, 500.0, y + 10))
        blocks.append(Block(kind, span, (72.0, y, 500.0, y + 10)))  # type: ignore[arg-type]
        put("\n")
        return span

    if before:
        paragraph(before, "paragraph", 200.0)
    for table in tables:
        caption = paragraph(words_of(raw, table.caption), "caption", table.box[1] - 12) if table.caption else None
        cells, start = [], len(text)
        for cell in table.cells:
            box = (
                tuple(
                    float(raw.boxes[list(cell.glyphs), k].min() if k < 2 else raw.boxes[list(cell.glyphs), k].max())
                    for k in range(4)
                )
                if cell.glyphs
                else None
            )
            span = put(words_of(raw, cell.glyphs), box)  # type: ignore[arg-type]
            cells.append(Cell(cell.row, cell.column, span, cell.box, cell.rows, cell.columns, cell.header))
            put("\t")
        span = Span(start, len(text))
        blocks.append(Block("table", span, table.box))
        found.append(Table(span, table.box, table.rows, table.columns, tuple(cells), caption, table.unit))
        put("\n")
    if after:
        paragraph(after, "paragraph", 600.0)
    return Page(
        raw.number, raw.width, raw.height, text, np.asarray(boxes, dtype=np.float32).reshape(-1, 4), tuple(blocks), tuple(found)
    )
