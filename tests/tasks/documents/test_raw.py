"""Characters and drawings of pages whose content is known to the point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pikepdf
import pytest
from known_pages import HEIGHT, WIDTH, content, drawn
from pikepdf import Array, Dictionary, Name
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

from bakeoff.errors import BadData
from bakeoff.tasks.documents.glyphs import RawPage
from bakeoff.tasks.documents.reading import raw
from bakeoff.tasks.documents.reading.raw_page import MOST_CHARACTERS

Truth = list[tuple[str, tuple[float, float, float, float]]]


def truth(text: str, font: str, size: float, x: float, y: float) -> Truth:
    """Characters of a string set at (x, y), with their boxes from the font's metrics, y downwards from the page's top."""
    ascent, descent = pdfmetrics.getAscentDescent(font, size)
    found = []
    for at, char in enumerate(text):
        left = x + pdfmetrics.stringWidth(text[:at], font, size)
        found.append((char, (left, HEIGHT - y - ascent, left + pdfmetrics.stringWidth(char, font, size), HEIGHT - y - descent)))
    return found


def check(page: RawPage, expected: Truth, tolerance: float = 0.02) -> None:
    assert page.chars == "".join(char for char, _ in expected)
    np.testing.assert_allclose(page.boxes, np.array([box for _, box in expected]), atol=tolerance)


@pytest.fixture(autouse=True)
def _let_go() -> Any:
    yield
    raw.release()


FONTS = ["Helvetica", "Times-Italic", "Courier-Bold", "Vera"]


@pytest.fixture(scope="module", autouse=True)
def _embedded_font() -> None:
    pdfmetrics.registerFont(TTFont("Vera", "Vera.ttf"))


@pytest.mark.parametrize("font", FONTS)
def test_boxes_reach_from_descent_to_ascent_and_are_as_wide_as_the_advance(tmp_path: Path, font: str) -> None:
    text = "Quarterly Agreement (g) 5,363 | .'"

    def draw(page: Any) -> None:
        page.setFont(font, 12)
        page.drawString(40, 200, text)

    page = raw.read_page(drawn(tmp_path / "a.pdf", draw), 0)
    # pdfium rounds the widths of fonts in the file to a thousandth of an em, and adds them up along a string.
    check(page, truth(text, font, 12, 40, 200), tolerance=0.25 if font == "Vera" else 0.02)
    assert (page.number, page.width, page.height) == (1, WIDTH, HEIGHT)
    np.testing.assert_allclose(page.sizes, 12, atol=1e-4)
    assert set(page.angles.tolist()) == {0.0}
    assert page.visible.all() and page.visible.dtype == bool
    assert font in page.font_names[page.fonts[0]] or "Vera" in page.font_names[page.fonts[0]]
    assert page.bold.all() == ("Bold" in font) and page.italic.all() == ("Italic" in font)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("unit", [1.0, 2.5])
@pytest.mark.parametrize("crop", [None, (30, 20, 380, 290)])
def test_pages_are_read_as_displayed(tmp_path: Path, turn: int, unit: float, crop: tuple[float, ...] | None) -> None:
    """Rotated, cropped and scaled pages: the boxes are those of the page as a viewer shows it, and the picture agrees."""
    text = "Due 31 May"

    def draw(page: Any) -> None:
        page.setFont("Helvetica", 14)
        page.drawString(60, 220, text)

    def change(pdf: pikepdf.Pdf) -> None:
        page = pdf.pages[0].obj
        page.Rotate = turn
        if unit != 1:
            page.UserUnit = unit
        if crop:
            page.CropBox = Array(list(crop))

    pdf = drawn(tmp_path / "a.pdf", draw, change)
    page = raw.read_page(pdf, 0)
    x0, y0, x1, y1 = crop or (0, 0, WIDTH, HEIGHT)
    width, height = x1 - x0, y1 - y0
    expected = []
    for char, (left, top, right, bottom) in truth(text, "Helvetica", 14, 60, 220):
        left, right, top, bottom = left - x0, right - x0, top - (HEIGHT - y1), bottom - (HEIGHT - y1)
        box = {
            0: (left, top, right, bottom),
            90: (height - bottom, left, height - top, right),
            180: (width - right, height - bottom, width - left, height - top),
            270: (top, width - right, bottom, width - left),
        }[turn]
        expected.append((char, tuple(unit * value for value in box)))
    check(page, expected, tolerance=0.03 * unit)
    assert (page.width, page.height) == pytest.approx(
        (width * unit, height * unit) if turn % 180 == 0 else (height * unit, width * unit)
    )
    np.testing.assert_allclose(page.angles, turn, atol=0.01)
    np.testing.assert_allclose(page.sizes, 14 * unit, rtol=1e-5)
    ink_stands_in_boxes(pdf, page)


def ink_stands_in_boxes(pdf: Any, page: RawPage, scale: float = 2.0) -> None:
    """All ink of the page is in the characters' boxes, and each box of a letter has some."""
    picture = raw.render(pdf, page.number - 1, scale)
    assert picture.shape == (int(np.ceil(page.height * scale - 1e-6)), int(np.ceil(page.width * scale - 1e-6)), 3)
    ink = (picture < 128).any(axis=2)
    inside = np.zeros_like(ink)
    for char, (x0, y0, x1, y1) in zip(page.chars, page.boxes.tolist(), strict=True):
        area = (slice(max(0, int(y0 * scale) - 1), int(y1 * scale) + 2), slice(max(0, int(x0 * scale) - 1), int(x1 * scale) + 2))
        inside[area] = True
        assert char.isspace() or ink[area].any()
    assert not (ink & ~inside).any()


@pytest.mark.parametrize("angle", [90, 180, 270, 30])
def test_turned_text_is_bounded(tmp_path: Path, angle: int) -> None:
    def draw(page: Any) -> None:
        page.translate(200, 150)
        page.rotate(angle)
        page.setFont("Helvetica", 20)
        page.drawString(10, 0, "Agy")

    pdf = drawn(tmp_path / "a.pdf", draw)
    page = raw.read_page(pdf, 0)
    ascent, descent = pdfmetrics.getAscentDescent("Helvetica", 20)
    turn = np.radians(angle)
    for at, char in enumerate("Agy"):
        left = 10 + pdfmetrics.stringWidth("Agy"[:at], "Helvetica", 20)
        right = left + pdfmetrics.stringWidth(char, "Helvetica", 20)
        corners = np.array([(x, y) for x in (left, right) for y in (descent, ascent)])
        x = 200 + corners[:, 0] * np.cos(turn) - corners[:, 1] * np.sin(turn)
        y = HEIGHT - 150 - corners[:, 0] * np.sin(turn) - corners[:, 1] * np.cos(turn)
        np.testing.assert_allclose(page.boxes[at], [x.min(), y.min(), x.max(), y.max()], atol=0.03)
    np.testing.assert_allclose(page.angles, 360 - angle, atol=0.01)
    np.testing.assert_allclose(page.sizes, 20, rtol=1e-5)
    ink_stands_in_boxes(pdf, page)


def test_skewed_and_squeezed_text_is_bounded(tmp_path: Path) -> None:
    ascent, descent = pdfmetrics.getAscentDescent("Helvetica", 20)
    wide = pdfmetrics.stringWidth("M", "Helvetica", 20)
    skewed = raw.read_page(content(tmp_path / "a.pdf", b"BT /F1 20 Tf 1 0 0.5 1 50 100 Tm (M) Tj ET"), 0)
    expected = (50 + 0.5 * descent, 200 - ascent, 50 + wide + 0.5 * ascent, 200 - descent)
    np.testing.assert_allclose(skewed.boxes[0], expected, atol=0.02)
    squeezed = raw.read_page(content(tmp_path / "b.pdf", b"BT /F1 20 Tf 50 Tz 3 Tc 1 0 0 1 50 100 Tm (MM) Tj ET"), 0)
    np.testing.assert_allclose(squeezed.boxes[:, 0], [50, 50 + wide / 2 + 1.5], atol=0.02)
    np.testing.assert_allclose(squeezed.boxes[:, 2], [50 + wide / 2, 50 + wide + 1.5], atol=0.02)


def test_spaces_that_are_not_in_the_file_are_not_made_up(tmp_path: Path) -> None:
    page = raw.read_page(
        content(tmp_path / "a.pdf", b"BT /F1 12 Tf 40 200 Td [(Net) -2000 (sales)] TJ 0 -20 Td (in 2022) Tj ET"), 0
    )
    assert page.chars == "Netsalesin 2022"


def test_text_in_forms_inside_forms_is_read_where_it_is_shown(tmp_path: Path) -> None:
    def change(pdf: pikepdf.Pdf, page: Dictionary) -> None:
        def form(stream: bytes, **more: Any) -> Any:
            made = pdf.make_stream(stream)
            made.update({"/Type": Name.XObject, "/Subtype": Name.Form, "/BBox": Array([0, 0, 400, 300])})
            made["/Resources"] = Dictionary(Font=page.Resources.Font, XObject=Dictionary(more))
            return made

        inner = form(b"BT /F1 10 Tf 5 5 Td (Inner) Tj ET 0 0 20 10 re f")
        page.Resources.XObject.Fm1 = form(b"q 1 0 0 1 20 30 cm /Fm2 Do Q", **{"/Fm2": inner})

    page = raw.read_page(content(tmp_path / "a.pdf", b"q 2 0 0 2 50 60 cm /Fm1 Do Q", change), 0)
    assert page.chars == "Inner"
    ascent, descent = pdfmetrics.getAscentDescent("Helvetica", 20)
    np.testing.assert_allclose(page.boxes[0, [0, 1, 3]], (100, 300 - 130 - ascent, 300 - 130 - descent), atol=0.03)
    np.testing.assert_allclose(page.sizes, 20, rtol=1e-5)
    assert [fill.box for fill in page.fills] == [pytest.approx((90, 160, 130, 180), abs=0.02)]


def test_a_form_that_draws_itself_does_not_hang(tmp_path: Path) -> None:
    def change(pdf: pikepdf.Pdf, page: Dictionary) -> None:
        form = pdf.make_indirect(pdf.make_stream(b"BT /F1 10 Tf (again) Tj ET /Fm1 Do"))
        form.update({"/Type": Name.XObject, "/Subtype": Name.Form, "/BBox": Array([0, 0, 400, 300])})
        form["/Resources"] = Dictionary(Font=page.Resources.Font, XObject=Dictionary(Fm1=form))
        page.Resources.XObject.Fm1 = form

    page = raw.read_page(content(tmp_path / "a.pdf", b"/Fm1 Do", change), 0)
    assert page.chars.startswith("again") and len(page.chars) < MOST_CHARACTERS


def test_form_fields_are_read_and_drawn(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        page.drawString(50, 260, "Name:")
        page.acroForm.textfield(name="tenant", value="Miriam Blum", x=50, y=200, width=200, height=30)

    pdf = drawn(tmp_path / "a.pdf", draw)
    page = raw.read_page(pdf, 0)
    assert page.chars.replace(" ", "") == "Name:MiriamBlum"
    boxes = page.boxes[page.chars.index("M") :]
    x0, y0, x1, y1 = boxes.min(0)[0], boxes.min(0)[1], boxes.max(0)[2], boxes.max(0)[3]
    assert 50 <= x0 < x1 <= 250 and 70 <= y0 < y1 <= 100
    assert (raw.render(pdf, 0, 2.0)[140:200, 100:500] < 128).any()


def test_form_fields_without_an_appearance_get_one(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        page.drawString(50, 260, "Name:")
        page.acroForm.textfield(name="tenant", value="Miriam Blum", x=50, y=200, width=200, height=30)

    def change(pdf: pikepdf.Pdf) -> None:
        for field in pdf.pages[0].obj.Annots:
            del field["/AP"]
        pdf.Root.AcroForm.NeedAppearances = True

    assert raw.read_page(drawn(tmp_path / "a.pdf", draw, change), 0).chars.replace(" ", "") == "Name:MiriamBlum"


def to_unicode(pdf: pikepdf.Pdf, page: Dictionary, mapping: dict[int, str]) -> None:
    """Say that the codes of /F1 stand for these characters."""
    rows = "".join(f"<{code:02x}> <{text.encode('utf-16-be').hex()}>\n" for code, text in mapping.items())
    cmap = f"begincmap\n1 begincodespacerange <00> <ff> endcodespacerange\n{len(mapping)} beginbfchar\n{rows}endbfchar\nendcmap"
    page.Resources.Font.F1.ToUnicode = pdf.make_stream(cmap.encode())


def test_ligatures_are_taken_apart_with_their_boxes(tmp_path: Path) -> None:
    mapping = {ord("a"): "ffi", ord("b"): "\ufb02", ord("c"): "ce"}
    page = raw.read_page(
        content(
            tmp_path / "a.pdf",
            b"BT /F1 30 Tf 40 200 Td (Xabc) Tj ET",
            lambda pdf, page: to_unicode(pdf, page, {ord("X"): "X", **mapping}),
        ),
        0,
    )
    assert page.chars == "Xffiflce"
    wide = {char: pdfmetrics.stringWidth(char, "Helvetica", 30) for char in "Xabc"}
    starts = 40 + wide["X"] + np.arange(4) * wide["a"] / 3
    np.testing.assert_allclose(page.boxes[1:4, 0], starts[:3], atol=0.02)
    np.testing.assert_allclose(page.boxes[1:4, 2], starts[1:], atol=0.02)
    np.testing.assert_allclose(page.boxes[4:6, 2] - page.boxes[4:6, 0], wide["b"] / 2, atol=0.02)
    np.testing.assert_allclose(page.boxes[7, 2], 40 + sum(wide.values()), atol=0.02)


def test_characters_beyond_the_first_plane_are_one_character(tmp_path: Path) -> None:
    mapping = {ord("a"): "\U0001f4c8", ord("b"): "𝑥"}
    page = raw.read_page(
        content(tmp_path / "a.pdf", b"BT /F1 30 Tf 40 200 Td (ab) Tj ET", lambda pdf, page: to_unicode(pdf, page, mapping)), 0
    )
    assert page.chars == "\U0001f4c8𝑥"
    assert page.boxes.shape == (2, 4) and page.boxes[0, 2] == pytest.approx(page.boxes[1, 0], abs=0.02)


def test_glyphs_without_a_meaning_are_marked(tmp_path: Path) -> None:
    mapping = {
        ord("a"): "\ue123",
        ord("b"): "\x01",
        ord("c"): "\ud800".encode("utf-16-be", "surrogatepass").decode("latin-1")[:0] or "\uf0b7",
        ord("d"): "d",
    }
    page = raw.read_page(
        content(tmp_path / "a.pdf", b"BT /F1 30 Tf 40 200 Td (abcd) Tj ET", lambda pdf, page: to_unicode(pdf, page, mapping)), 0
    )
    assert page.chars == "\ufffd\ufffd•d"


def test_glyphs_that_the_font_does_not_map_are_not_taken_for_letters(tmp_path: Path) -> None:
    """A composite font without ToUnicode whose codes are glyph numbers: pdfium would hand out the numbers as letters."""

    def change(pdf: pikepdf.Pdf, page: Dictionary) -> None:
        path = Path(pdfmetrics.getFont("Vera").face.filename)
        descendant = Dictionary(
            Type=Name.Font, Subtype=Name.CIDFontType2, BaseFont=Name("/AAAAAA+Odd"), CIDToGIDMap=Name.Identity, DW=600,
            CIDSystemInfo=Dictionary(Registry=pikepdf.String("Adobe"), Ordering=pikepdf.String("Identity"), Supplement=0),
            FontDescriptor=Dictionary(
                Type=Name.FontDescriptor, FontName=Name("/AAAAAA+Odd"), Flags=4, Ascent=900, Descent=-200, CapHeight=700, ItalicAngle=0, StemV=80,
                FontBBox=Array([0, -200, 1000, 900]), FontFile2=pdf.make_stream(path.read_bytes()),
            ),
        )  # fmt: skip
        page.Resources.Font.F1 = Dictionary(
            Type=Name.Font,
            Subtype=Name.Type0,
            BaseFont=Name("/AAAAAA+Odd"),
            Encoding=Name("/Identity-H"),
            DescendantFonts=Array([pdf.make_indirect(descendant)]),
        )

    page = raw.read_page(content(tmp_path / "a.pdf", b"BT /F1 30 Tf 40 200 Td <00410042004300440045> Tj ET", change), 0)
    assert set(page.chars) <= {"\ufffd"} and len(page.chars) == 5


def test_hyphens_at_line_ends_are_marked(tmp_path: Path) -> None:
    page = raw.read_page(
        content(tmp_path / "a.pdf", b"BT /F1 12 Tf 40 200 Td (the agree-) Tj 0 -14 Td (ment of well-known) Tj ET"), 0
    )
    assert page.chars == "the agree-ment of well-known"
    assert np.flatnonzero(page.soft_hyphens).tolist() == [page.chars.index("-")]


def test_replacement_text_is_not_what_the_page_says(tmp_path: Path) -> None:
    stream = b"BT /F1 12 Tf 40 200 Td /Span <</ActualText (We owe nothing)>> BDC (Due) Tj EMC /P <</MCID 0>> BDC ( now) Tj EMC ET"
    assert raw.read_page(content(tmp_path / "a.pdf", stream), 0).chars == "Due now"
    empty = b"BT /F1 12 Tf 40 200 Td /Span <</ActualText ()>> BDC (Due) Tj EMC ( now) Tj ET"
    assert raw.read_page(content(tmp_path / "b.pdf", empty), 0).chars == "Due now"

    def named(pdf: pikepdf.Pdf, page: Dictionary) -> None:
        page.Resources.Properties = Dictionary(M1=pdf.make_indirect(Dictionary(ActualText=pikepdf.String("We owe nothing"))))

    by_name = b"BT /F1 12 Tf 40 200 Td /Span /M1 BDC (Due) Tj EMC ( now) Tj ET"
    assert raw.read_page(content(tmp_path / "c.pdf", by_name, named), 0).chars == "Due now"


def test_right_to_left_text_is_in_logical_order(tmp_path: Path) -> None:
    shalom = "שלום"
    mapping = {ord("a") + at: char for at, char in enumerate(reversed(shalom))}
    page = raw.read_page(
        content(tmp_path / "a.pdf", b"BT /F1 30 Tf 40 200 Td (abcd) Tj ET", lambda pdf, page: to_unicode(pdf, page, mapping)), 0
    )
    assert page.chars == shalom
    assert (np.diff(page.boxes[:, 0]) < 0).all()


def test_what_cannot_be_drawn_or_read_is_said(tmp_path: Path) -> None:
    pdf = content(tmp_path / "a.pdf", b"BT /F1 12 Tf 40 200 Td (Hello) Tj ET")
    with pytest.raises(BadData, match="no page 3"):
        raw.read_page(pdf, 2)
    with pytest.raises(BadData, match="at most"):
        raw.render(pdf, 0, 100.0)
    with pytest.raises(BadData, match="nothing to draw"):
        raw.render(pdf, 0, 1.0, (500, 0, 600, 100))
    with pytest.raises(BadData, match="no file"):
        raw.open_pdf(tmp_path / "none.pdf")
    (tmp_path / "text.pdf").write_text("no PDF")
    with pytest.raises(BadData, match="no PDF"):
        raw.open_pdf(tmp_path / "text.pdf")


def test_encrypted_files_ask_for_their_password(tmp_path: Path) -> None:
    content(tmp_path / "a.pdf", b"BT /F1 12 Tf 40 200 Td (Hello) Tj ET").close()
    with pikepdf.open(tmp_path / "a.pdf") as pdf:
        pdf.pages[0].obj.UserUnit = 2
        pdf.save(tmp_path / "b.pdf", encryption=pikepdf.Encryption(user="open", owner="own"))
    with pytest.raises(BadData, match="is encrypted"):
        raw.open_pdf(tmp_path / "b.pdf")
    with pytest.raises(BadData, match="password is wrong"):
        raw.open_pdf(tmp_path / "b.pdf", "shut")
    page = raw.read_page(raw.open_pdf(tmp_path / "b.pdf", "open"), 0)
    assert (page.chars, page.width) == ("Hello", 800)


def test_an_empty_page_is_empty(tmp_path: Path) -> None:
    page = raw.read_page(content(tmp_path / "a.pdf", b""), 0)
    assert page.chars == "" and page.boxes.shape == (0, 4) and page.paths.shape == (0, 4)
    assert page.boxes.dtype == np.float32 and page.fonts.dtype == np.int16


def test_numbers_that_cannot_be_stay_out(tmp_path: Path) -> None:
    stream = b"99999999999999 0 0 1 0 0 cm BT /F1 1e30 Tf 1e20 0 0 1e20 1e30 0 Tm (Huge) Tj ET 0 0 1e30 1e30 re f 1e30 1e30 m -1e30 2 l S"
    page = raw.read_page(content(tmp_path / "a.pdf", stream), 0)
    assert np.isfinite(page.boxes).all()
    assert all(np.isfinite(rule.box).all() for rule in page.rules)


def test_pages_are_read_again_after_another_was(tmp_path: Path) -> None:
    with pikepdf.new() as pdf:
        for at in range(3):
            content(tmp_path / f"{at}.pdf", b"BT /F1 12 Tf 40 200 Td (Page %d) Tj ET" % at).close()
            with pikepdf.open(tmp_path / f"{at}.pdf") as other:
                pdf.pages.extend(other.pages)
        pdf.save(tmp_path / "all.pdf")
    pdf = raw.open_pdf(tmp_path / "all.pdf")
    assert [raw.read_page(pdf, index).chars for index in (0, 2, 1, 1, 0)] == ["Page 0", "Page 2", "Page 1", "Page 1", "Page 0"]
    pdf.close()
    other = raw.open_pdf(tmp_path / "1.pdf")
    assert raw.read_page(other, 0).chars == "Page 1"
