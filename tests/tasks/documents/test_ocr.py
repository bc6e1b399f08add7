"""Words on pictures: read, placed, kept, and kept from others."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bakeoff.errors import BadData
from bakeoff.tasks.documents.glyphs import SeenWord
from bakeoff.tasks.documents.reading import ocr, ocr_cache
from bakeoff.tasks.documents.reading.parse import parse_file

LINES = ("Supplier shall deliver 4,250 units", "Rotterdam by 17 March 2023")
SIZE = (300.0, 90.0)


def drawn(scale: float, *, upside_down: bool = False) -> NDArray:
    """A surface of 300 by 90 points with two printed lines, as pixels."""
    import pypdfium2
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas = Canvas(out, pagesize=SIZE)
    canvas.setFont("Helvetica", 14)
    canvas.drawString(20, 60, LINES[0])
    canvas.drawString(20, 30, LINES[1])
    canvas.save()
    with pypdfium2.PdfDocument(out.getvalue()) as pdf:
        page = pdf[0]
        picture = page.render(scale=scale, rev_byteorder=True).to_numpy()[:, :, :3].copy()
        page.close()
    return picture[::-1, ::-1].copy() if upside_down else picture


def scan(path: Path, *, text: str = "", mode: int = 0) -> Path:
    """A PDF of one page that is a picture of the two lines, with `text` as text on top (rendering mode 3 is invisible)."""
    from PIL import Image
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path), pagesize=SIZE)
    canvas.drawImage(ImageReader(Image.fromarray(drawn(3.0))), 0, 0, *SIZE)
    if text:
        line = canvas.beginText(20, 10)
        line.setTextRenderMode(mode)
        line.textOut(text)
        canvas.drawText(line)
    canvas.save()
    return path


def place_of(text: str) -> tuple[float, float, float, float]:
    """Where reportlab's own metrics say that a word of the first line stands, from its baseline to its capitals."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    start = 20 + stringWidth(LINES[0][: LINES[0].index(text)], "Helvetica", 14)
    return start, 90 - 60 - 10, start + stringWidth(text, "Helvetica", 14), 90 - 60


@pytest.mark.parametrize("scale", [2.0, 200 / 72])
def test_words_are_read_with_their_boxes_in_points(scale: float) -> None:
    words = ocr.read_words(drawn(scale), scale)
    text = [word.text for word in words]
    assert " ".join(text) == " ".join(LINES)
    for wanted in ("deliver", "4,250"):
        x0, y0, x1, y1 = place_of(wanted)
        box = words[text.index(wanted)].box
        assert abs(box[0] - x0) < 4 and abs(box[2] - x1) < 4
        assert box[1] < y0 + 3 and box[3] > y1 - 3 and box[3] - box[1] < 25
    assert all(ocr.LEAST_CONFIDENCE <= word.score <= 1 for word in words)


def test_a_page_that_was_scanned_upside_down_is_read_where_its_words_stand() -> None:
    words = ocr.read_words(drawn(2.5, upside_down=True), 2.5)
    assert " ".join(word.text for word in words) == " ".join(LINES)
    x0, y0, x1, _y1 = place_of("deliver")
    box = next(word.box for word in words if word.text == "deliver")
    assert abs(box[0] - (SIZE[0] - x1)) < 4 and abs(box[2] - (SIZE[0] - x0)) < 4 and box[1] < SIZE[1] - y0 < SIZE[1] - 10


def test_a_blank_picture_has_no_words_and_a_wrong_one_is_refused() -> None:
    assert ocr.read_words(np.full((100, 100, 3), 255, np.uint8), 1.0) == []
    for wrong in (np.zeros((10, 10), np.uint8), np.zeros((10, 10, 3), np.float32), np.zeros((0, 10, 3), np.uint8)):
        with pytest.raises(BadData):
            ocr.read_words(wrong, 1.0)


def test_the_scale_is_200_dpi_and_less_for_large_pages() -> None:
    assert ocr.scale_for(612, 792, 40_000_000) == pytest.approx(200 / 72)
    assert ocr.scale_for(14_400, 14_400, 40_000_000) * 14_400 <= ocr.LONGEST_SIDE
    assert 612 * 792 * ocr.scale_for(612, 792, 100_000) ** 2 <= 100_001


def test_what_was_read_is_kept_and_says_nothing_without_the_picture(tmp_path: Path) -> None:
    picture = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
    where = ocr_cache.address(picture, 2.0, "v1")
    seen = ocr.Seen((SeenWord("confidential", (1.0, 2.0, 3.5, 4.0), 0.93),), 2)
    assert ocr_cache.get(tmp_path, where) is None
    ocr_cache.put(tmp_path, where, seen)
    assert ocr_cache.get(tmp_path, where) == seen
    other = picture.copy()
    other[0, 0, 0] += 1
    assert ocr_cache.get(tmp_path, ocr_cache.address(other, 2.0, "v1")) is None
    assert ocr_cache.get(tmp_path, ocr_cache.address(picture, 2.0, "v2")) is None
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    kept = file.read_bytes()
    ocr_cache.put(tmp_path, where, seen)
    assert file.read_bytes() != kept  # a new salt: no two files share a key stream
    for data in (kept, file.read_bytes()):
        assert b"confid" not in data and b"words" not in data


def test_a_kept_result_that_was_changed_is_not_believed(tmp_path: Path) -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    where = ocr_cache.address(picture, 1.0, "v")
    ocr_cache.put(tmp_path, where, ocr.Seen((SeenWord("word", (0.0, 0.0, 1.0, 1.0), 0.9),), 0))
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    sound = file.read_bytes()
    for at in range(len(sound)):
        file.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        assert ocr_cache.get(tmp_path, where) is None
    for length in range(len(sound)):
        file.write_bytes(sound[:length])
        assert ocr_cache.get(tmp_path, where) is None


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    where = ocr_cache.address(np.zeros((4, 4, 3), np.uint8), 1.0, "v")
    ocr_cache.put(blocked, where, ocr.Seen((), 0))
    assert ocr_cache.get(blocked, where) is None


def test_a_scan_is_read_by_ocr_once(tmp_path: Path) -> None:
    path, cache = scan(tmp_path / "scan.pdf"), tmp_path / "cache"
    for _ in range(2):
        with parse_file(path, cache=cache) as parsed:
            (page,) = parsed.pages()
        assert page.source == "ocr"
        for word in ("Supplier", "4,250", "Rotterdam"):
            assert word in page.text
        start = page.text.index("deliver")
        x0, _, x1, _ = place_of("deliver")
        box = page.boxes[start : start + 7]
        assert abs(float(box[0, 0]) - x0) < 4 and abs(float(box[-1, 2]) - x1) < 4
        assert "1 of 1 pages hold words that were read off pictures (OCR)." in parsed.notes
        files = [file for file in cache.rglob("*") if file.is_file()]
        assert len(files) == 1
        before = files[0].stat().st_mtime_ns
    assert files[0].stat().st_mtime_ns == before  # the second time it was read from there


def test_a_hidden_text_layer_over_a_scan_does_not_stand_for_what_is_seen(tmp_path: Path) -> None:
    path = scan(tmp_path / "lies.pdf", text="The price is one million dollars and nobody sees it", mode=3)
    with parse_file(path) as parsed:
        (page,) = parsed.pages()
    assert "Rotterdam" in page.text and "million" not in page.text
    assert page.source == "ocr" and page.hidden > 0


def test_with_ocr_off_a_scan_is_empty_and_says_so(tmp_path: Path) -> None:
    with parse_file(scan(tmp_path / "scan.pdf"), ocr="never") as parsed:
        (page,) = parsed.pages()
    assert page.text == "" and any("OCR is off" in note for note in page.notes)


def test_words_in_a_picture_beside_text_are_found_where_they_stand(tmp_path: Path) -> None:
    from PIL import Image
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    path = tmp_path / "figure.pdf"
    canvas = Canvas(str(path), pagesize=(400, 400))
    canvas.drawString(50, 350, "The picture below shows the terms of delivery.")
    canvas.drawImage(ImageReader(Image.fromarray(drawn(3.0))), 50, 100, *SIZE)
    canvas.save()
    with parse_file(path) as parsed:
        (page,) = parsed.pages()
    assert page.source == "mixed" and "terms of delivery" in page.text and "Rotterdam" in page.text
    (figure,) = page.figures
    assert figure.words is not None and "4,250" in page.text[figure.words.start : figure.words.end]
    start = page.text.index("deliver 4,250")
    x0, y0, _, y1 = place_of("deliver")
    box = page.boxes[start]
    assert abs(float(box[0]) - (50 + x0)) < 4 and y0 + 210 - 5 < float(box[1]) < float(box[3]) < y1 + 210 + 10


def test_without_the_ocr_package_pages_say_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['rapidocr'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with parse_file(scan(tmp_path / "scan.pdf")) as parsed:
        (page,) = parsed.pages()
    assert page.text == "" and any("OCR needs rapidocr" in note and "pip install 'bakeoff[ocr]'" in note for note in page.notes)
