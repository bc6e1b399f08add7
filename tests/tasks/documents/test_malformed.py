"""Malformed files: a clear error or pages for each, and never a process that hangs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pdf_mutator
import pytest

from bakeoff.errors import BadData
from bakeoff.tasks.documents.reading import page_codec
from bakeoff.tasks.documents.reading.limits import Limits
from bakeoff.tasks.documents.reading.parse import Parsed, parse_many

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


def test_the_mutator_gives_the_same_bytes_for_the_same_seed() -> None:
    assert pdf_mutator.malformed(7) == pdf_mutator.malformed(7)
    assert len({pdf_mutator.malformed(seed) for seed in range(ALL)}) >= 300
