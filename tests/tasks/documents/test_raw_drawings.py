"""Lines, fills, other paths and pictures of pages whose content is known, and the pictures of whole pages and parts of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from known_pages import WIDTH, content, drawn

from bakeoff.tasks.documents.boxes import overlap
from bakeoff.tasks.documents.reading import raw


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    yield
    raw.release()


def test_lines_fills_paths_and_images(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        page.setLineWidth(2)
        page.line(50, 250, 350, 250)  # level
        page.line(50, 100, 50, 250)  # upright
        page.line(60, 60, 90, 95)  # slanted
        page.setFillColorRGB(0.8, 0.9, 1.0)
        page.rect(100, 150, 120, 40, stroke=0, fill=1)
        page.rect(100, 120, 120, 0.5, stroke=0, fill=1)  # a thin filled rectangle is a line
        page.setFillColorRGB(1, 1, 1)
        page.rect(0, 0, WIDTH, 1, stroke=0, fill=1)  # white on white paper
        page.rect(250, 150, 60, 40, stroke=1, fill=0)
        page.circle(330, 60, 20)
        page.drawInlineImage(picture, 20, 20, 30, 15)

    from PIL import Image

    picture = Image.new("RGB", (64, 32), (200, 30, 30))
    page = raw.read_page(drawn(tmp_path / "a.pdf", draw), 0)
    rules = {(tuple(round(value, 1) for value in rule.box), rule.horizontal) for rule in page.rules}
    assert rules == {
        ((50, 49, 350, 51), True),
        ((49, 50, 51, 200), False),
        ((100, 179.5, 220, 180), True),
        ((250, 109, 310, 111), True),
        ((250, 149, 310, 151), True),
        ((249, 110, 251, 150), False),
        ((309, 110, 311, 150), False),
    }
    assert [(fill.box, fill.rgb) for fill in page.fills] == [((100, 110, 220, 150), (204, 230, 255))]
    paths = sorted(tuple(round(value, 0) for value in box) for box in page.paths.tolist())
    assert paths == [(59, 204, 91, 241), (249, 109, 311, 151), (309, 219, 351, 261)]
    assert [(image.box, image.pixels) for image in page.images] == [((20, 265, 50, 280), (64, 32))]
    bare = raw.read_page(raw.open_pdf(tmp_path / "a.pdf"), 0, drawings=False)
    assert bare.rules == bare.fills == bare.images == () and len(bare.paths) == 0


def test_a_page_of_many_rectangles_in_one_path_is_taken_apart(tmp_path: Path) -> None:
    stream = b"0.5 g " + b"".join(b"%d %d 30 12 re " % (20 + 40 * (k % 9), 20 + 20 * (k // 9)) for k in range(90)) + b"f"
    page = raw.read_page(content(tmp_path / "a.pdf", stream), 0)
    assert (len(page.fills) == 90 and {fill.rgb for fill in page.fills} == {(128, 128, 128)}) or {
        fill.rgb for fill in page.fills
    } == {(127, 127, 127)}
    assert overlap([page.fills[0].box], [(20, 268, 50, 280)]) > 0.95


def test_a_part_of_a_page_is_that_part_of_its_picture(tmp_path: Path) -> None:
    def draw(page: Any) -> None:
        page.setFillColorRGB(1, 0, 0)
        page.rect(100, 150, 120, 40, stroke=0, fill=1)

    pdf = drawn(tmp_path / "a.pdf", draw)
    whole = raw.render(pdf, 0, 2.0)
    part = raw.render(pdf, 0, 2.0, (90, 100, 150, 160))
    np.testing.assert_array_equal(part, whole[200:320, 180:300])
    assert whole.dtype == np.uint8 and tuple(whole[260, 240]) == (255, 0, 0) and tuple(whole[10, 10]) == (255, 255, 255)


def test_rules_are_displayed_with_their_page(tmp_path: Path) -> None:
    def turned(pdf: Any, page: Any) -> None:
        page.Rotate = 90
        page.UserUnit = 2

    page = raw.read_page(content(tmp_path / "a.pdf", b"1 w 50 100 m 250 100 l S 0 1 0 rg 100 200 40 20 re f", turned), 0)
    assert [(rule.box, rule.horizontal) for rule in page.rules] == [(pytest.approx((199, 100, 201, 500)), False)]
    assert [(fill.box, fill.rgb) for fill in page.fills] == [(pytest.approx((400, 200, 440, 280)), (0, 255, 0))]


def test_a_picture_is_cut_to_its_clipping_path(tmp_path: Path) -> None:
    stream = b"q 20 20 100 50 re W n 200 0 0 100 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 /F /AHx ID 80> EI Q"
    page = raw.read_page(content(tmp_path / "a.pdf", stream), 0)
    assert [image.box for image in page.images] == [pytest.approx((20, 230, 120, 280))]


def test_white_lines_count_on_a_coloured_ground_only(tmp_path: Path) -> None:
    stream = b"0.2 0.3 0.6 rg 50 150 200 60 re f 1 G 1 w 60 180 m 240 180 l S 60 50 m 240 50 l S"
    page = raw.read_page(content(tmp_path / "a.pdf", stream), 0)
    assert [rule.box for rule in page.rules] == [pytest.approx((60, 119.5, 240, 120.5))]


def test_what_is_fully_transparent_or_off_the_page_is_left_out(tmp_path: Path) -> None:
    def see_through(pdf: Any, page: Any) -> None:
        page.Resources.ExtGState = pdf.make_indirect({"/G1": {"/ca": 0, "/CA": 0}})

    stream = b"q /G1 gs 0 g 50 150 200 60 re f 1 w 60 180 m 240 180 l S Q 500 20 50 50 re f -90 -90 m -20 -90 l S"
    page = raw.read_page(content(tmp_path / "a.pdf", stream, see_through), 0)
    assert page.fills == page.rules == () and len(page.paths) == 0


def test_a_path_of_very_many_segments_is_one_box(tmp_path: Path) -> None:
    zigzag = b" ".join(b"%d %d l" % (10 + k % 300, 20 + 13 * k % 200) for k in range(6_000))
    page = raw.read_page(content(tmp_path / "a.pdf", b"0 G 1 w 10 20 m " + zigzag + b" S"), 0)
    assert len(page.paths) == 1 and page.rules == ()
    assert overlap([tuple(page.paths[0].tolist())], [(10, 80, 309, 280)]) > 0.75  # the tips of its corners reach further


@pytest.mark.parametrize("size", [(595.28, 841.89), (300.99, 200.5), (61.9, 45.95)])
@pytest.mark.parametrize("turn", [0, 270])
def test_pictures_of_pages_of_odd_sizes_are_to_scale(tmp_path: Path, size: tuple[float, float], turn: int) -> None:
    """A square near the far corner lies where its box says, to half a pixel of a picture at 288 dpi."""
    x, y = size[0] - 12.25, size[1] - 12.25

    def resized(pdf: Any, page: Any) -> None:
        page.MediaBox = [0, 0, size[0], size[1]]
        page.Rotate = turn

    pdf = content(tmp_path / "a.pdf", b"0 g %.2f %.2f 10 10 re f %.2f 2 10 10 re f" % (x, y, x), resized)
    page = raw.read_page(pdf, 0)
    picture = raw.render(pdf, 0, 4.0)
    rows, columns = np.flatnonzero((picture < 128).any(axis=(1, 2))), np.flatnonzero((picture < 128).any(axis=(0, 2)))
    boxes = np.array([fill.box for fill in page.fills])
    expected = np.array([boxes[:, 0].min(), boxes[:, 1].min(), boxes[:, 2].max(), boxes[:, 3].max()])
    np.testing.assert_allclose([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], 4 * expected, atol=1.01)
