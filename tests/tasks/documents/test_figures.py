"""Pictures and drawings on pages that are known; and what only decorates a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_sheets import HEIGHT, WIDTH, Sheet, pages_from, words_of
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tables import boxed_paragraph, code, numbered_list, ruled, signatures, statement, two_columns_of_text

from bakeoff.tasks.documents.glyphs import Fill, RawFigure, RawImage, RawPage, Rule
from bakeoff.tasks.documents.layout.figures import find_figures
from bakeoff.tasks.documents.tabular.tables import find_tables


def found(page: RawPage) -> list[RawFigure]:
    """The figures of a page, checked for what must hold of all."""
    tables = find_tables(page)
    figures = find_figures(page, tables)
    used = {glyph for table in tables for cell in table.cells for glyph in cell.glyphs}
    for figure in figures:
        for glyphs in (figure.glyphs, figure.caption):
            assert len(set(glyphs)) == len(glyphs) and not used & set(glyphs) and all(page.visible[at] for at in glyphs)
            used.update(glyphs)
        assert figure.box[0] < figure.box[2] and figure.box[1] < figure.box[3]
    return figures


def bars(sheet: Sheet) -> None:
    """A chart of five bars on an axis, with labels under it and at its left."""
    sheet.prose(80)
    sheet.line(120, 300, 420, 300)
    sheet.line(120, 170, 120, 300)
    for at, high in enumerate((40, 70, 55, 95, 120)):
        sheet.fill(140 + 55 * at, 300 - high, 170 + 55 * at, 300, (0.2, 0.3, 0.7))
        sheet.centred(155 + 55 * at, 312, str(2018 + at), size=8)
    for at in range(3):
        sheet.text(115, 303 - 50 * at, str(50 * at), size=8, right=True)
    sheet.text(120, 335, "Figure 3: Sales by year, in millions of euros", size=9)
    sheet.prose(370)


def flow(sheet: Sheet) -> None:
    """Three boxes with words, and arrows between them."""
    for at, words in enumerate(("Receive claim", "Check claim", "Pay or refuse")):
        x = 80 + 160 * at
        sheet.canvas.roundRect(x, HEIGHT - 240, 110, 40, 8)
        sheet.centred(x + 55, 224, words)
        if at < 2:
            sheet.line(x + 110, 220, x + 160, 220)
            sheet.line(x + 154, 216, x + 160, 220)
            sheet.line(x + 154, 224, x + 160, 220)
    sheet.centred(295, 262, "Fig. 2. How a claim is handled.", size=9)
    sheet.prose(320)


def test_a_picture_with_its_caption(tmp_path: Path) -> None:
    def draw(sheet: Sheet) -> None:
        sheet.prose(80)
        sheet.picture(150, 170, 400, 330)
        sheet.text(150, 346, "Figure 12. A view of the plant at dusk, as seen", size=9)
        sheet.text(150, 357, "from the other bank of the river.", size=9)
        sheet.prose(400)

    (page,) = pages_from(tmp_path / "a.pdf", draw)
    (figure,) = found(page)
    assert figure.kind == "image" and figure.box == pytest.approx((150, 170, 400, 330), abs=1)
    assert words_of(page, figure.caption) == "Figure 12. A view of the plant at dusk, as seen from the other bank of the river."
    assert figure.glyphs == ()


def test_a_caption_above_and_a_small_line_below(tmp_path: Path) -> None:
    def draw(sheet: Sheet) -> None:
        sheet.text(150, 160, "Chart 4: Staff by country", font="Helvetica-Bold")
        sheet.picture(150, 170, 400, 290)
        sheet.picture(150, 400, 400, 520, seed=1)
        sheet.text(150, 532, "The board of directors", size=8)
        sheet.prose(570)
        sheet.prose(640)

    (page,) = pages_from(tmp_path / "a.pdf", draw)
    first, second = found(page)
    assert words_of(page, first.caption) == "Chart 4: Staff by country"
    assert words_of(page, second.caption) == "The board of directors"


def test_a_bar_chart(tmp_path: Path) -> None:
    (page,) = pages_from(tmp_path / "a.pdf", bars)
    (figure,) = found(page)
    assert figure.kind == "drawing"
    assert figure.box[0] <= 120 and figure.box[2] >= 390 and 150 < figure.box[1] < 182 and 300 < figure.box[3] < 325
    assert words_of(page, figure.caption) == "Figure 3: Sales by year, in millions of euros"
    assert set(words_of(page, figure.glyphs).split()) == {"2018", "2019", "2020", "2021", "2022", "0", "50", "100"}
    assert find_tables(page) == []


def test_a_flow_chart(tmp_path: Path) -> None:
    (page,) = pages_from(tmp_path / "a.pdf", flow)
    (figure,) = found(page)
    assert figure.kind == "drawing" and figure.box == pytest.approx((80, 200, 510, 240), abs=2)
    assert words_of(page, figure.glyphs) == "Receive claim Check claim Pay or refuse"
    assert words_of(page, figure.caption) == "Fig. 2. How a claim is handled."


def test_two_drawings_and_a_table_are_three_things(tmp_path: Path) -> None:
    def draw(sheet: Sheet) -> None:
        flow(sheet)
        sheet.canvas.translate(0, -250)
        bars(sheet)
        sheet.canvas.translate(0, 250)
        ruled(sheet, [["City", "People"], ["Berlin", "3,755,251"], ["Bremen", "569,352"]], y=70)

    (page,) = pages_from(tmp_path / "a.pdf", draw)
    assert [figure.kind for figure in found(page)] == ["drawing", "drawing"]
    assert len(find_tables(page)) == 1


def test_tiles_are_one_picture(tmp_path: Path) -> None:
    def draw(sheet: Sheet) -> None:
        for row in range(3):
            for column in range(2):
                sheet.picture(150 + 100 * column, 150 + 40 * row, 250 + 100 * column, 190 + 40 * row, seed=row * 2 + column)
        sheet.picture(150, 400, 350, 500, seed=9)

    (page,) = pages_from(tmp_path / "a.pdf", draw)
    assert [figure.box for figure in found(page)] == [
        pytest.approx((150, 150, 350, 270), abs=1),
        pytest.approx((150, 400, 350, 500), abs=1),
    ]


@pytest.mark.parametrize("turn", [90, 270])
def test_a_rotated_page(tmp_path: Path, turn: int) -> None:
    def draw(sheet: Sheet) -> None:
        flow(sheet)
        sheet.canvas.setPageRotation(turn)

    (page,) = pages_from(tmp_path / "a.pdf", draw)
    (figure,) = found(page)
    assert words_of(page, figure.caption) == "Fig. 2. How a claim is handled."
    # reportlab lays the paper across, so that the turned page is as high as it was: the drawing is 20 points under the edge of the paper.
    box = (WIDTH - 60, 80, WIDTH - 20, 510) if turn == 90 else (20, HEIGHT - 510, 60, HEIGHT - 80)
    assert figure.box == pytest.approx(box, abs=2)


def scan(sheet: Sheet) -> None:
    sheet.picture(0, 0, WIDTH, HEIGHT)


def scan_in_strips(sheet: Sheet) -> None:
    for row in range(6):
        sheet.picture(0, row * HEIGHT / 6, WIDTH, (row + 1) * HEIGHT / 6, seed=row)


def logo(sheet: Sheet) -> None:
    sheet.picture(480, 30, 540, 50)
    sheet.picture(72, 40, 92, 60, seed=1)
    sheet.line(72, 70, 540, 70)
    sheet.prose(100)


def bordered(sheet: Sheet) -> None:
    sheet.frame(20, 20, 592, 772)
    sheet.frame(24, 24, 588, 768)
    sheet.fill(20, 20, 592, 60)
    sheet.prose(120)


def underlined(sheet: Sheet) -> None:
    for row in range(12):
        sheet.text(72, 100 + 20 * row, "See our annual report for 2022 on our site.")
        sheet.line(72, 102 + 20 * row, 270, 102 + 20 * row)
    sheet.frame(300, 300, 310, 310)


def shaded_list(sheet: Sheet) -> None:
    for row in range(8):
        if row % 2:
            sheet.fill(60, 100 + 16 * row, 540, 116 + 16 * row)
        sheet.text(72, 112 + 16 * row, "A line of a long list of things to do before the end of the year.")


def tables_only(sheet: Sheet) -> None:
    ruled(sheet, [["City", "People"], ["Berlin", "3,755,251"], ["Bremen", "569,352"]], y=600)
    statement(sheet)


@pytest.mark.parametrize(
    "draw",
    [
        scan, scan_in_strips, logo, bordered, underlined, shaded_list, tables_only,
        boxed_paragraph, code, numbered_list, two_columns_of_text, signatures,
    ],
    ids=lambda draw: draw.__name__,
)  # fmt: skip
def test_no_figure(tmp_path: Path, draw) -> None:
    (page,) = pages_from(tmp_path / "a.pdf", draw)
    assert found(page) == []


def test_words_that_cannot_be_seen_are_in_no_figure(tmp_path: Path) -> None:
    (page,) = pages_from(tmp_path / "a.pdf", flow)
    hidden = replace(page, visible=np.zeros(len(page.chars), dtype=bool))
    (figure,) = found(hidden)
    assert figure.glyphs == () and figure.caption == ()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_any_page_gives_figures_that_hold_together(seed: int) -> None:
    """Shapes thrown at random, a few with values no page should have."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(0, 120)), int(rng.integers(0, 80))

    def boxes(count: int, most: float) -> np.ndarray:
        low = rng.random((count, 2)) * (560, 740)
        found_ = np.concatenate([low, low + rng.random((count, 2)) * most + 1], axis=1).astype(np.float32)
        found_[rng.random(count) < 0.02] = rng.choice([np.nan, np.inf, -1e8, 1e8])
        return found_

    glyphs = boxes(n, 9)
    page = RawPage(
        1, 612.0, 792.0, "".join(rng.choice(list("abc 123 Figure"), n)), glyphs, np.full(n, 10, dtype=np.float32),
        rng.choice([0.0, 0.0, 90.0], n).astype(np.float32), np.zeros(n, dtype=np.int16), ("F",), np.zeros(n, dtype=bool),
        np.zeros(n, dtype=bool), rng.random(n) < 0.9,
        tuple(Rule(tuple(box), bool(k % 2)) for k, box in enumerate(boxes(20, 60).tolist())),
        tuple(Fill(tuple(box), (9, 99, 199)) for box in boxes(20, 120).tolist()),
        boxes(m, 150), tuple(RawImage(tuple(box), (9, 9)) for box in boxes(6, 400).tolist()), np.zeros(n, dtype=bool),
    )  # fmt: skip
    found(page)
