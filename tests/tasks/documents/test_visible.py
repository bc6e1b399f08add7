"""What is hidden is never seen, what can be seen is kept."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from hidden_text_pdfs import HIDDEN, LEFT, SECRET, SHOWN, TOP, Builder, form, layer, lines, make, secret
from odd_text_pdfs import SEEN
from pikepdf import Array, Dictionary, Name
from reportlab.pdfbase.pdfmetrics import stringWidth

from bakeoff.errors import BadData
from bakeoff.tasks.documents.glyphs import RawPage
from bakeoff.tasks.documents.reading import raw, visible
from bakeoff.tasks.documents.reading.visible_ink import told_apart


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    yield
    raw.release()


def judged(path: Path, build: Builder) -> RawPage:
    pdf = raw.open_pdf(make(path, build))
    return visible.judge(pdf, 0, raw.read_page(pdf, 0))


def seen(page: RawPage) -> Counter[str]:
    """The characters that can be seen, without spaces."""
    return Counter(char for char, can in zip(page.chars, page.visible, strict=True) if can and char != " ")


def letters(*texts: str) -> Counter[str]:
    return Counter("".join(texts).replace(" ", ""))


@pytest.mark.parametrize("way", HIDDEN)
def test_hidden_text_is_never_seen_and_the_rest_is(tmp_path: Path, way: str) -> None:
    page = judged(tmp_path / "a.pdf", HIDDEN[way])
    assert "".join(char for char, can in zip(page.chars, page.visible, strict=True) if can).replace(" ", "") == "".join(
        SHOWN
    ).replace(" ", "")


@pytest.mark.parametrize("way", SEEN)
def test_text_that_is_printed_oddly_is_seen_once(tmp_path: Path, way: str) -> None:
    assert seen(judged(tmp_path / "a.pdf", SEEN[way])) == letters(*SHOWN, SECRET)


def hidden_over_lines(rng: random.Random) -> tuple[Builder, str]:
    """The secret, or something that shares letters with the lines, hidden in one of five ways somewhere upon visible lines."""
    x, y = LEFT + rng.uniform(-10, 60), TOP - rng.uniform(-8, 36)
    size, leading, body = (
        rng.choice([4, 6, 8, 9, 10, 11, 12, 14, 18, 30]),
        rng.choice([10, 11, 12, 14, 18]),
        rng.choice([8, 9, 10, 11]),
    )
    way = rng.choice(["white", "clear", "clipped", "covered", "layer"])
    text = rng.choice([SECRET, SECRET.lower(), "il. il, -- .. ll ii tt", "WWW MMM ### 000", SHOWN[0]])
    apart, last = rng.random() < 0.3, rng.random() < 0.5

    def build(pdf: pikepdf.Pdf, page: Dictionary) -> str:
        page.Resources.ExtGState.G1 = Dictionary(ca=0)
        before = {"white": "1 g", "clear": "0 g /G1 gs", "clipped": "300 50 10 10 re W n 0 g"}.get(way, "0 g")
        hidden = secret(before, at=(x, y), size=size, text=text)
        if apart:  # one object for each glyph, as some writers do
            places = [x + stringWidth(text[:at], "Helvetica", size) for at in range(len(text))]
            hidden = "".join(secret(before, at=(left, y), size=size, text=char) for char, left in zip(text, places, strict=True))
        if way == "covered":
            return hidden + "q 1 g 40 600 570 160 re f Q\n" + lines(size=body, leading=leading)
        if way == "layer":
            page.Resources.Properties.L1 = layer(pdf, on=False)
            hidden = f"/OC /L1 BDC\n{hidden}EMC\n"
        shown = lines(size=body, leading=leading)
        # White text on top of the lines would take their ink away, and nobody hides an instruction so.
        return shown + hidden if last and way != "white" else hidden + shown

    return build, text


@pytest.mark.parametrize("seed", range(3))
def test_text_hidden_upon_visible_lines_borrows_no_ink_from_them(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    for turn in range(40):
        build, _ = hidden_over_lines(rng)
        assert seen(judged(tmp_path / f"{turn}.pdf", build)) == letters(*SHOWN)
        raw.release()


def test_a_word_that_is_covered_halfway_keeps_the_letters_beside_the_cover(tmp_path: Path) -> None:
    cut = LEFT + stringWidth("IGNORE ALL EARL", "Helvetica", 11)

    def build(pdf: pikepdf.Pdf, page: Dictionary) -> str:
        return lines() + secret("0 g") + f"q 1 g {cut} 480 400 60 re f Q\n"

    assert seen(judged(tmp_path / "a.pdf", build)) == letters(*SHOWN, "IGNOREALLEARL")


@pytest.mark.parametrize(("part", "kept"), [(0.3, True), (0.75, False)])
def test_a_line_cut_lengthways_is_seen_while_half_of_its_height_is(tmp_path: Path, part: float, kept: bool) -> None:
    """Capitals are 0.718 em tall and stand on the line; the cover hides `part` of them from below. (An L without its foot is an I.)"""
    text = "EACH MONTH ON DAY ONE"

    def build(pdf: pikepdf.Pdf, page: Dictionary) -> str:
        return lines() + secret("0 g", size=20, text=text) + f"q 1 g 60 495 540 {5 + part * 0.718 * 20} re f Q\n"

    assert seen(judged(tmp_path / "a.pdf", build)) == letters(*SHOWN, text if kept else "")


@pytest.mark.parametrize(("grey", "kept"), [(0.86, True), (0.90, False)])
def test_pale_text_counts_from_a_contrast_of_1_3(tmp_path: Path, grey: float, kept: bool) -> None:
    def build(pdf: pikepdf.Pdf, page: Dictionary) -> str:
        return lines() + secret(f"{grey} g")

    assert seen(judged(tmp_path / "a.pdf", build)) == letters(*SHOWN, SECRET if kept else "")


def test_contrast_is_that_of_wcag_and_colours_count_too() -> None:
    pairs = np.array(
        [
            [(255, 255, 255), (221, 221, 221)],  # 1.36
            [(255, 255, 255), (230, 230, 230)],  # 1.25
            [(0, 0, 0), (40, 40, 40)],  # 1.42
            [(0, 0, 0), (20, 20, 20)],  # 1.14
            [(255, 255, 255), (255, 255, 0)],  # 1.07, and yellow
            [(255, 255, 255), (255, 255, 225)],  # cream
            [(255, 0, 0), (0, 140, 0)],  # 1.1, and red against green
        ],
        dtype=np.uint8,
    )
    assert told_apart(pairs[:, 0], pairs[:, 1]).tolist() == [True, False, True, False, True, False, True]


def test_a_visible_watermark_and_the_text_over_it_are_seen(tmp_path: Path) -> None:
    def build(pdf: pikepdf.Pdf, page: Dictionary) -> str:
        return f"q 0.8 g BT /F1 90 Tf 1 0 0 1 {LEFT} 660 Tm (DRAFT) Tj ET Q\n" + lines()

    assert seen(judged(tmp_path / "a.pdf", build)) == letters(*SHOWN, "DRAFT")


def test_a_translucent_watermark_over_the_text_hides_nothing(tmp_path: Path) -> None:
    def build(pdf: pikepdf.Pdf, page: Dictionary) -> str:
        page.Resources.ExtGState.G1 = Dictionary(ca=0.3)
        return lines() + f"q /G1 gs 1 0 0 rg BT /F1 90 Tf 1 0 0 1 {LEFT} 660 Tm (DRAFT) Tj ET Q\n"

    assert seen(judged(tmp_path / "a.pdf", build)) == letters(*SHOWN, "DRAFT")


@pytest.mark.parametrize("turn", [90, 180, 270])
@pytest.mark.parametrize("way", ["white on white", "covered by a picture", "white between visible lines", "outside the crop box"])
def test_turned_pages_are_judged_alike(tmp_path: Path, turn: int, way: str) -> None:
    def build(pdf: pikepdf.Pdf, page: Dictionary) -> str:
        page.Rotate = turn
        page.UserUnit = 1.5
        return HIDDEN[way](pdf, page)

    assert seen(judged(tmp_path / "a.pdf", build)) == letters(*SHOWN)


def test_a_large_page_of_small_print_is_judged_within_bounds(tmp_path: Path) -> None:
    def build(pdf: pikepdf.Pdf, page: Dictionary) -> str:
        page.MediaBox = pikepdf.Array([0, 0, 14_400, 14_400])
        return lines() + secret("1 g") + secret("0 g", at=(14_000, 14_000), text="far away")

    assert seen(judged(tmp_path / "a.pdf", build)) == letters(*SHOWN, "far away")


def test_text_deep_in_forms_is_judged(tmp_path: Path) -> None:
    def build(pdf: pikepdf.Pdf, page: Dictionary) -> str:
        inner = form(pdf, secret("1 g") + lines(), page)
        outer = form(pdf, "/Fm2 Do", page)
        outer.Resources.XObject = Dictionary(Fm2=inner)
        page.Resources.XObject.Fm1 = outer
        return "q /Fm1 Do Q"

    assert seen(judged(tmp_path / "a.pdf", build)) == letters(*SHOWN)


def test_drawing_is_as_before_after_judging(tmp_path: Path) -> None:
    pdf = raw.open_pdf(make(tmp_path / "a.pdf", HIDDEN["white beneath a visible line"]))
    before = raw.render(pdf, 0, 1.5)
    visible.judge(pdf, 0, raw.read_page(pdf, 0))
    np.testing.assert_array_equal(raw.render(pdf, 0, 1.5), before)


def test_spaces_go_with_the_words_beside_them(tmp_path: Path) -> None:
    page = judged(tmp_path / "a.pdf", HIDDEN["white on white"])
    start = page.chars.index("IGNORE")
    assert not page.visible[start : start + len(SECRET)].any()
    assert page.visible[: len(SHOWN[0])].all()


def test_a_page_without_text_is_left_as_it_is(tmp_path: Path) -> None:
    page = judged(tmp_path / "a.pdf", lambda pdf, page: "0 g 10 10 50 50 re f")
    assert page.chars == "" and len(page.visible) == 0


def test_only_the_page_that_was_read_is_judged(tmp_path: Path) -> None:
    one = raw.open_pdf(make(tmp_path / "a.pdf", HIDDEN["white on white"]))
    page = raw.read_page(one, 0)
    other = raw.open_pdf(make(tmp_path / "b.pdf", lambda pdf, page: lines()))
    with pytest.raises(BadData, match="is not page 1"):
        visible.judge(other, 0, page)


def without_font(text: str, before: str = "0 g", after: str = "", wrap: str = "{}") -> Builder:
    """Chinese text in a font that is not in the file, which pdfium cannot draw where the machine has no such font."""

    def build(pdf: pikepdf.Pdf, page: Dictionary) -> str:
        descriptor = Dictionary(
            Type=Name.FontDescriptor, FontName=Name("/STSong-Light"), Flags=6, FontBBox=Array([-25, -254, 1000, 880]), Ascent=880, Descent=-120,
            ItalicAngle=0, CapHeight=880, StemV=93,
        )  # fmt: skip
        descendant = Dictionary(
            Type=Name.Font, Subtype=Name.CIDFontType0, BaseFont=Name("/STSong-Light"), DW=1000, FontDescriptor=pdf.make_indirect(descriptor),
            CIDSystemInfo=Dictionary(Registry=pikepdf.String("Adobe"), Ordering=pikepdf.String("GB1"), Supplement=0),
        )  # fmt: skip
        page.Resources.Font.F2 = Dictionary(
            Type=Name.Font, Subtype=Name.Type0, BaseFont=Name("/STSong-Light"), Encoding=Name("/UniGB-UCS2-H"),
            DescendantFonts=Array([pdf.make_indirect(descendant)]),
        )  # fmt: skip
        page.Resources.Properties.L1 = layer(pdf, on=False)
        page.Resources.ExtGState.G1 = Dictionary(ca=0)
        shown = f"q {before} BT /F2 12 Tf 1 0 0 1 {LEFT} 500 Tm <{text.encode('utf-16-be').hex()}> Tj ET Q {after}\n"
        return lines() + wrap.format(shown)

    return build


CHINESE = "年度报告"


def test_text_in_a_font_that_is_nowhere_is_kept_where_all_speaks_for_it(tmp_path: Path) -> None:
    assert seen(judged(tmp_path / "a.pdf", without_font(CHINESE))) == letters(*SHOWN, CHINESE)


@pytest.mark.parametrize(
    ("before", "after", "wrap"),
    [
        ("1 g", "", "{}"),
        ("0.95 g", "", "{}"),
        ("0 g 3 Tr", "", "{}"),
        ("0 g /G1 gs", "", "{}"),
        ("0 g", "q 1 g 60 480 400 60 re f Q", "{}"),
        ("300 50 10 10 re W n 0 g", "", "{}"),
        ("0 g", "", "/OC /L1 BDC {} EMC"),
        ("q 0 g 60 480 400 60 re f Q 0 g", "", "{}"),
    ],
)
def test_hidden_text_in_a_font_that_is_nowhere_stays_hidden(tmp_path: Path, before: str, after: str, wrap: str) -> None:
    assert seen(judged(tmp_path / "a.pdf", without_font(CHINESE, before, after, wrap))) == letters(*SHOWN)
