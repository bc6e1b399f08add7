"""For tests of parsing: PDFs of numbered pages, and a watch that no process and no file is left behind."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pdf_mutator
import psutil
import pytest

from bakeoff.tasks.documents.reading.parse import Parsed

CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def pages_file(count: int, *, lines: int = 1) -> bytes:
    """A PDF of so many pages of 300 by 400 points, each with its number and `lines` lines of text."""
    kids = b" ".join(b"%d 0 R" % (10 + 2 * n) for n in range(count))
    objects = {
        1: CATALOG,
        2: b"<< /Type /Pages /Kids [%s] /Count %d /MediaBox [0 0 300 400] /Resources << /Font << /F1 3 0 R >> >> >>"
        % (kids, count),
        3: FONT,
    }
    for n in range(count):
        body = b"".join(b"(Line %d of this page is like the others) Tj 0 -11 Td " % (line + 1) for line in range(lines))
        objects[10 + 2 * n] = b"<< /Type /Page /Parent 2 0 R /Contents %d 0 R >>" % (11 + 2 * n)
        objects[11 + 2 * n] = pdf_mutator.stream(b"BT /F1 9 Tf 20 370 Td (Page number %d) Tj 0 -20 Td %s ET" % (n + 1, body))
    return pdf_mutator.object_file(objects)


def locked(path: Path, *, user: str, owner: str) -> Path:
    """A PDF that is locked with AES-256."""
    import io

    import pikepdf

    with pikepdf.open(io.BytesIO(pages_file(2))) as pdf:
        pdf.save(path, encryption=pikepdf.Encryption(owner=owner, user=user, R=6))
    return path


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def texts(parsed: Parsed) -> list[str]:
    return [page.text for page in parsed.pages()]


def children() -> list[psutil.Process]:
    """The parsing processes of this process that live."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if child.status() != psutil.STATUS_ZOMBIE and any("parse_child" in part for part in child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """After each test: no process, and no file in the folder for temporary ones."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    assert children() == []
    assert list(folder.iterdir()) == []
