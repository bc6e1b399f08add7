"""Letters that pdfium takes for a second print: read again where they stand beside their twin, and only there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pdf_mutator
import pytest

from bakeoff.tasks.documents.glyphs import RawPage
from bakeoff.tasks.documents.layout.structure import assemble
from bakeoff.tasks.documents.reading.raw import open_pdf, read_page
from bakeoff.tasks.documents.reading.visible import judge

SIZE = 20.0
WIDTHS = {"e": 0.444, "f": 0.278, "c": 0.444, "t": 0.278, "o": 0.5, "r": 0.389}
"""Advances of Times-Italic, in ems, whose f reaches far over its neighbours."""


def letters(
    word: str, *, x: float = 40.0, y: float = 100.0, kern: float = 0.03, matrix: str = "1 0 0 1", font: str = "F1"
) -> bytes:
    """Each letter as an object of its own; f's stand `kern` ems closer together than they are wide."""
    a, b, _, _ = (float(value) for value in matrix.split())
    body = b""
    for at, letter in enumerate(word):
        body += f"BT /{font} {SIZE:g} Tf {matrix} {x:.3f} {y:.3f} Tm ({letter}) Tj ET\n".encode()
        far = SIZE * (WIDTHS[letter] - (kern if word[at : at + 2] == "ff" else 0.0))
        x, y = x + a * far, y + b * far
    return body


def read(path: Path, content: bytes, extra: bytes = b"") -> RawPage:
    fonts = b"/Resources << /Font << /F1 10 0 R /F2 11 0 R >> >>"
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Contents 4 0 R %s %s >>" % (fonts, extra)
    path.write_bytes(
        pdf_mutator.object_file(
            {
                1: b"<< /Type /Catalog /Pages 2 0 R >>",
                2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
                3: page,
                4: pdf_mutator.stream(content),
                10: b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Italic >>",
                11: b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>",
            }
        )
    )
    pdf = open_pdf(path)
    try:
        return judge(pdf, 0, read_page(pdf, 0))
    finally:
        pdf.close()


@pytest.mark.parametrize("kern", [0.02, 0.05, 0.09])
def test_a_double_letter_set_one_by_one_is_read_whole(tmp_path: Path, kern: float) -> None:
    page = read(tmp_path / "a.pdf", letters("effect", kern=kern))
    assert "".join(page.chars) == "effect" and page.visible.all()
    first, second = (page.boxes[at] for at in (1, 2))
    assert second[0] - first[0] == pytest.approx(SIZE * (0.278 - kern), abs=0.01)
    assert second[2] - second[0] == pytest.approx(SIZE * 0.278, abs=0.01)
    assert second[1] == first[1] and second[3] == first[3]
    assert assemble(page, [], []).text == "effect"


@pytest.mark.parametrize(
    ("matrix", "extra"),
    [("0 1 -1 0", b""), ("1 0 0 1", b"/Rotate 90"), ("1 0 0 1", b"/Rotate 180")],
    ids=["upwards", "90", "180"],
)
def test_it_stands_right_on_turned_pages_too(tmp_path: Path, matrix: str, extra: bytes) -> None:
    page = read(tmp_path / "a.pdf", letters("offer", matrix=matrix), extra)
    assert "".join(page.chars) in ("offer", "reffo") and page.visible.all()
    assert assemble(page, [], []).text == "offer"
    middles = (page.boxes[:, :2] + page.boxes[:, 2:]) / 2
    if page.chars[0] == "r":  # pdfium's own order on a page that is turned upside down
        middles = middles[::-1]
    steps = np.abs(np.diff(middles, axis=0)).sum(axis=1) / SIZE
    assert steps == pytest.approx([(0.5 + 0.278) / 2, 0.248, (0.278 + 0.444) / 2, (0.444 + 0.389) / 2], abs=0.01)


def test_a_second_print_of_one_letter_stays_left_out(tmp_path: Path) -> None:
    """How bold is imitated: each letter once more, a little to the right."""
    content = b"".join(
        letters(letter, x=40 + 12 * at + shift, kern=0) for at, letter in enumerate("fort") for shift in (0.0, 0.03 * SIZE)
    )
    page = read(tmp_path / "a.pdf", content)
    assert "".join(page.chars) == "fort"


def test_nothing_is_put_where_a_space_or_nothing_stands(tmp_path: Path) -> None:
    space = f"BT /F1 {SIZE:g} Tf 1 0 0 1 {40 + 0.278 * SIZE:.3f} 100 Tm ( ) Tj ET\n".encode()
    empty = f"BT /F1 {SIZE:g} Tf 1 0 0 1 {40 + 0.278 * SIZE:.3f} 100 Tm () Tj ET\n".encode()
    page = read(tmp_path / "a.pdf", letters("f") + space + empty + letters("or", x=40 + 0.6 * SIZE))
    assert "".join(page.chars).split() == ["f", "or"] or "".join(page.chars) == "for"
    assert "".join(page.chars).count("f") == 1


def test_a_letter_that_is_covered_is_not_seen(tmp_path: Path) -> None:
    cover = b"1 1 1 rg 30 90 240 40 re f\n"
    page = read(tmp_path / "a.pdf", letters("effect") + cover)
    assert not page.visible.any()
