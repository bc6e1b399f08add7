"""Malformed files: a clear error or pages for each, and never a process that hangs."""

from __future__ import annotations

import resource
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pdf_mutator
import pytest

from bakeoff.errors import BadData
from bakeoff.tasks.documents.reading import page_codec
from bakeoff.tasks.documents.reading.limits import Limits
from bakeoff.tasks.documents.reading.parse import Parsed, parse_file, parse_many

SHORT = Limits(page_seconds=3, opening_seconds=5, document_seconds=20, memory_mb=400)
FAST = 40
ALL = 340


def outcomes(seeds: Iterable[int], folder: Path) -> Counter[str]:
    """What becomes of each file; fails on anything that is neither pages nor an error that a person understands."""
    paths = []
    for seed in seeds:
        path = folder / f"{seed:04d}-{pdf_mutator.way_of(seed)}.pdf"
        path.write_bytes(pdf_mutator.malformed(seed))
        paths.append(path)
    counts: Counter[str] = Counter()
    seen = []
    for path, result in parse_many(paths, limits=SHORT, ocr="never"):
        seen.append(path)
        if isinstance(result, Parsed):
            pages = list(result.pages())
            assert len(pages) == result.n_pages >= 1, path.name
            assert [page.number for page in pages] == list(range(1, len(pages) + 1)), path.name
            assert all(page_codec.encode(page) for page in pages)
            counts["lost pages" if any("could not be read" in note for note in result.notes) else "pages"] += 1
        else:
            assert isinstance(result, BadData)
            assert result.fix and result.what.endswith("."), path.name
            assert "Error" not in result.what and "Traceback" not in result.what, str(result)
            counts["error"] += 1
    assert seen == paths
    return counts


def test_forty_malformed_files_give_pages_or_a_clear_error(tmp_path: Path) -> None:
    counts = outcomes(range(FAST), tmp_path)
    assert sum(counts.values()) == FAST
    assert counts["error"] >= 3 and counts["pages"] >= 10  # the mutator neither spares nor ruins them all


@pytest.mark.slow
def test_all_malformed_files_give_pages_or_a_clear_error(tmp_path: Path) -> None:
    counts = outcomes(range(FAST, ALL), tmp_path)
    assert sum(counts.values()) == ALL - FAST


def drawing_itself(times: int) -> bytes:
    """Two pages; the first draws a form that draws itself so many times, so that a reader without a limit draws for ever."""
    body = b"BT /F1 9 Tf 20 300 Td (Inside of the form) Tj ET " + b"/X Do " * times
    form = b"/Type /XObject /Subtype /Form /BBox [0 0 300 400] /Resources << /Font << /F1 3 0 R >> /XObject << /X 5 0 R >> >>"
    pages = b"/Kids [6 0 R 8 0 R] /Count 2 /MediaBox [0 0 300 400]"
    return pdf_mutator.object_file(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages %s /Resources << /Font << /F1 3 0 R >> /XObject << /X 5 0 R >> >> >>" % pages,
            3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            5: pdf_mutator.stream(body, form),
            6: b"<< /Type /Page /Parent 2 0 R /Contents 7 0 R >>",
            7: pdf_mutator.stream(b"BT /F1 9 Tf 20 370 Td (Before the form) Tj ET /X Do"),
            8: b"<< /Type /Page /Parent 2 0 R /Contents 9 0 R >>",
            9: pdf_mutator.stream(b"BT /F1 9 Tf 20 370 Td (The page after it) Tj ET"),
        }
    )


def test_a_form_that_draws_itself_once_is_read(tmp_path: Path) -> None:
    path = tmp_path / "once.pdf"
    path.write_bytes(drawing_itself(1))
    with parse_file(path, limits=SHORT, ocr="never") as parsed:
        first, second = parsed.pages()
    assert "Before the form" in first.text and "Inside of the form" in first.text
    assert second.text == "The page after it"


@pytest.mark.parametrize("times", [2, 3])
def test_a_form_that_draws_itself_twice_costs_its_page_and_no_more_memory_than_allowed(tmp_path: Path, times: int) -> None:
    """Each level draws twice as much as the one above: without a wall PDFium takes tens of gigabytes."""
    path = tmp_path / "twice.pdf"
    path.write_bytes(drawing_itself(times))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with parse_file(path, limits=SHORT, ocr="never") as parsed:
        first, second = parsed.pages()
    assert not first.text and any("could not be read" in note for note in first.notes)
    assert second.text == "The page after it"
    assert any("1 of 2 pages could not be read" in note for note in parsed.notes)
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    assert largest <= max(before * 1024, 1.5 * SHORT.memory_mb * 1_000_000)


def test_the_mutator_gives_the_same_bytes_for_the_same_seed() -> None:
    assert pdf_mutator.malformed(7) == pdf_mutator.malformed(7)
    assert len({pdf_mutator.malformed(seed) for seed in range(ALL)}) >= 300
