"""Parsing documents: what is read, what is refused and in which words, and what the pages wait in."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pdf_mutator
import psutil
import pytest
from parsing import CATALOG, children, locked, nothing_left, pages_file, texts, write

from bakeoff.errors import BadData, BakeoffError
from bakeoff.tasks.documents.reading.limits import Limits
from bakeoff.tasks.documents.reading.parse import Parsed, parse_file, parse_many
from bakeoff.tasks.documents.reading.parse_facts import choose_title, plain
from bakeoff.tasks.documents.reading.spool import Spool

__all__ = ["nothing_left"]  # a fixture that watches over every test here


def test_pages_come_in_order_with_the_document_facts(tmp_path: Path) -> None:
    import hashlib

    data = pages_file(3)
    said: list[tuple[float, str]] = []
    with parse_file(
        write(tmp_path / "three_pages.pdf", data), progress=lambda share, note="": said.append((share, note))
    ) as parsed:
        assert parsed.n_pages == 3 and parsed.sha256 == hashlib.sha256(data).hexdigest()
        assert [text.split("\n")[0].startswith(f"Page number {n}") for n, text in enumerate(texts(parsed), 1)] == [True] * 3
        assert texts(parsed) == texts(parsed)  # they can be read again
        assert parsed.notes == ()
    assert [note for _, note in said] == ["page 1 of 3", "page 2 of 3", "page 3 of 3"]
    assert said[-1][0] == 1.0 and all(a[0] < b[0] for a, b in itertools.pairwise(said))


def test_pages_are_gone_once_closed(tmp_path: Path) -> None:
    parsed = parse_file(write(tmp_path / "a.pdf", pages_file(1)))
    reading = parsed.pages()
    parsed.close()
    for attempt in (lambda: next(reading), lambda: next(parsed.pages())):
        with pytest.raises(BakeoffError, match="closed"):
            attempt()


def test_one_glyph_per_object_is_read_as_text(tmp_path: Path) -> None:
    letters = "Every letter of this sentence is an object of its own."
    content = b"".join(b"BT /F1 10 Tf %d 100 Td (%s) Tj ET\n" % (10 + 5 * i, c.encode()) for i, c in enumerate(letters))
    with parse_file(write(tmp_path / "glyphs.pdf", pdf_mutator.one_page(content))) as parsed:
        (text,) = texts(parsed)
    assert "".join(text.split()) == "".join(letters.split())


def test_a_picture_that_would_not_fit_into_memory_is_not_unpacked(tmp_path: Path) -> None:
    import zlib

    side = 30_000  # 2.7 GB once unpacked
    image = pdf_mutator.stream(
        zlib.compress(bytes(10_000_000), 9),
        b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /FlateDecode"
        % (side, side),
    )
    content = b"BT /F1 9 Tf 10 180 Td (This text stands beside the picture.) Tj ET q 200 0 0 100 20 20 cm /I1 Do Q BT /F1 9 Tf 30 60 Td (This stands on it.) Tj ET"
    covered = b"BT /F1 9 Tf 30 60 Td (This is under it.) Tj ET " + content
    with parse_file(
        write(tmp_path / "bomb.pdf", pdf_mutator.one_page(covered, b"/XObject << /I1 10 0 R >>", {10: image})), ocr="never"
    ) as parsed:
        (page,) = parsed.pages()
    assert "stands beside the picture" in page.text and "under it" not in page.text
    assert any("900 million pixels was not unpacked" in note for note in page.notes)


def test_locked_documents_say_what_they_need(tmp_path: Path) -> None:
    path = locked(tmp_path / "locked.pdf", user="secret", owner="master")
    with pytest.raises(BadData, match="a password is needed") as caught:
        parse_file(path)
    assert "password=" in caught.value.fix
    with pytest.raises(BadData, match=r"password given for locked\.pdf is wrong"):
        parse_file(path, password="guess")
    for password in ("secret", "master"):
        with parse_file(path, password=password) as parsed:
            assert "Page number 2" in texts(parsed)[1]


def test_a_document_that_only_its_owner_may_change_opens(tmp_path: Path) -> None:
    with parse_file(locked(tmp_path / "owner.pdf", user="", owner="master")) as parsed:
        assert "Page number 1" in texts(parsed)[0]


def test_a_damaged_file_is_repaired_and_says_so(tmp_path: Path) -> None:
    whole = pages_file(3)
    head_lost = whole[whole.index(b"1 0 obj") :]
    with parse_file(write(tmp_path / "head.pdf", head_lost)) as parsed:
        assert parsed.n_pages == 3 and "Page number 3" in texts(parsed)[2]
        assert any("repaired copy" in note for note in parsed.notes)


def test_a_file_without_its_end_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    whole = pages_file(40)
    with parse_file(write(tmp_path / "cut.pdf", whole[: whole.index(b"trailer")])) as parsed:
        assert "Page number 40" in texts(parsed)[39]
        assert any("end of the file is missing" in note for note in parsed.notes)
    with pytest.raises(BadData, match="damaged and cannot be repaired"):
        parse_file(write(tmp_path / "stump.pdf", whole[:300]))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is empty"), (b"PK\x03\x04" + bytes(100), "ZIP archive or an Office"), (b"  <!DOCTYPE html><html>", "HTML page"), (b"plain words\n" * 50, "not a PDF"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "JPEG picture"), (b"%PDF-1.7\n%%EOF\n", "damaged"),
        (pdf_mutator.object_file({1: CATALOG, 2: b"<< /Type /Pages /Kids [] /Count 0 >>"}), "has no pages"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_refused_in_plain_words(tmp_path: Path, data: bytes, what: str) -> None:
    with pytest.raises(BadData, match=what) as caught:
        parse_file(write(tmp_path / "other.pdf", data))
    assert caught.value.what.startswith("other.pdf") and caught.value.fix


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pdf")
    for path, what in (
        (tmp_path, "is a folder"),
        (tmp_path / "none.pdf", "cannot be read"),
        (tmp_path / "pipe.pdf", "not an ordinary file"),
    ):
        with pytest.raises(BadData, match=what):
            parse_file(path)


def test_limits_on_the_whole_document(tmp_path: Path) -> None:
    path = write(tmp_path / "many.pdf", pages_file(12) + b"%" * 1_100_000)
    with pytest.raises(BadData, match="12 pages; the limit is 11"):
        parse_file(path, limits=Limits(pages=11))
    with pytest.raises(BadData, match="1 MB; the limit is 1 MB"):
        parse_file(path, limits=Limits(file_mb=1))
    with pytest.raises(BadData, match=r"longer than 0\.01 seconds"):
        parse_file(path, limits=Limits(document_seconds=0.01))
    with pytest.raises(BadData, match=r"No page of many.pdf could be read. Page 1: it holds \d+ characters, the limit is 5"):
        parse_file(path, limits=Limits(page_characters=5))


@pytest.mark.parametrize(
    "wrong",
    [{"memory_mb": 10}, {"page_seconds": 0}, {"pages": float("nan")}, {"failures": -1}, {"file_mb": "5"}, {"image_pixels": True}],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BakeoffError, match=next(iter(wrong))):
        Limits(**wrong)


def test_scripts_and_files_inside_are_named_and_not_opened(tmp_path: Path) -> None:
    import io

    import pikepdf

    def make(name: str, **root: Any) -> Path:
        with pikepdf.open(io.BytesIO(pages_file(1))) as pdf:
            action = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")
            pdf.Root.Names = pikepdf.Dictionary(JavaScript=pikepdf.Dictionary(Names=[pikepdf.String("run"), action]))
            pdf.attachments["inside.pdf"] = pages_file(5)
            for key, value in root.items():
                pdf.Root["/" + key] = value
            pdf.save(tmp_path / name)
        return tmp_path / name

    with parse_file(make("files.pdf")) as parsed:
        assert parsed.n_pages == 1
        assert any("JavaScript, which was not run" in note for note in parsed.notes)
        assert any("files inside" in note and "(1)" in note for note in parsed.notes)
    with parse_file(make("portfolio.pdf", Collection=pikepdf.Dictionary(View=pikepdf.Name.D))) as parsed:
        assert any("portfolio" in note for note in parsed.notes)
    form = pikepdf.Dictionary(Fields=[], XFA=pikepdf.String("<xdp/>"))
    with parse_file(make("form.pdf", AcroForm=form, NeedsRendering=True)) as parsed:
        assert any("XFA" in note for note in parsed.notes)


def test_many_files_share_a_process_until_one_breaks_it(tmp_path: Path) -> None:
    good = write(tmp_path / "good.pdf", pages_file(2))
    bad = write(tmp_path / "bad.pdf", b"no document")
    seen, pids = [], []
    for path, result in parse_many([good, bad, good, good]):
        seen.append((path.name, result.n_pages if isinstance(result, Parsed) else "refused"))
        pids.append([child.pid for child in children()])
        if isinstance(result, Parsed):
            assert [f"Page number {n}" in text for n, text in enumerate(texts(result), 1)] == [True, True]
        if len(seen) == 3:
            for child in children():
                child.kill()
    assert seen == [("good.pdf", 2), ("bad.pdf", "refused"), ("good.pdf", 2), ("good.pdf", 2)]
    assert pids[2] != pids[3] and len(pids[3]) == 1


def test_the_pages_of_one_file_are_gone_when_the_next_is_asked_for(tmp_path: Path) -> None:
    reading = parse_many([write(tmp_path / "a.pdf", pages_file(3)), write(tmp_path / "b.pdf", pages_file(3))])
    _, first = next(reading)
    next(reading)
    assert isinstance(first, Parsed)
    with pytest.raises(BakeoffError, match="closed"):
        next(first.pages())
    reading.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("metadata", "headings", "title"),
    [
        ("Annual Report 2022", ["Results"], "Annual Report 2022"), ("", ["Results of the year"], "Results of the year"), ("", [], "acme 10k 2022"),
        ("", ["UNITED STATES", "Table of Contents", "FORM 10-K", "Acme Corporation", "Risks"], "Acme Corporation"), ("", ["Contents"], "acme 10k 2022"),
        ("Microsoft Word - draft7.doc", ["Results"], "Results"), ("Microsoft Word - Master Services Agreement", [], "Master Services Agreement"),
        ("untitled", ["Untitled"], "acme 10k 2022"), ("report.indd", [], "acme 10k 2022"), ("  A \x00 title\nin\u202e lines ", [], "A title in lines"),
        ("12/31/2022 000-111", [], "acme 10k 2022"), ("\u5e74\u5ea6\u62a5\u544a", [], "\u5e74\u5ea6\u62a5\u544a"),
    ],
)  # fmt: skip
def test_the_title_is_one_that_a_person_would_use(metadata: str, headings: list[str], title: str) -> None:
    assert choose_title(metadata, headings, Path("in/acme_10k_2022.pdf")) == title


def test_words_from_a_file_are_one_plain_line() -> None:
    assert plain("a\x1b[31m\n\u2028b\u200b c" + "x" * 500, 20) == "a [31m b cxxxxxxxxxx"[:20]


def test_the_spool_gives_back_what_was_put_in_and_nothing_else(nothing_left: Path) -> None:
    import numpy as np

    from bakeoff.tasks.documents.reading import page_codec
    from bakeoff.tasks.documents.records import Page

    def page(number: int, text: str) -> bytes:
        return page_codec.encode(Page(number, 10.0, 10.0, text, np.zeros((len(text), 4), np.float32)))

    spool = Spool()
    for number in (1, 2, 3):
        spool.add(page(number, f"page {number}"))
    spool.replace(1, page(2, "another second page"))
    assert [spool.page(index).text for index in range(3)] == ["page 1", "another second page", "page 3"]
    assert list(nothing_left.iterdir()) == []  # it has no name that somebody could find
    reader = spool.reader()
    try:
        with pytest.raises(OSError):
            os.write(reader, b"x")
    finally:
        os.close(reader)
    spool.clear()
    assert len(spool) == 0
    spool.close()
    with pytest.raises(BakeoffError):
        spool.page(0)


@pytest.mark.slow
def test_five_thousand_pages_in_bounded_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "long.pdf", pages_file(5000, lines=3))
    most = [0]

    def watch(_: float, note: str = "") -> None:
        if note.endswith("00 of 5000"):
            most[0] = max(most[0], sum(child.memory_info().rss for child in children()))

    before = psutil.Process().memory_info().rss
    with parse_file(path, ocr="never", progress=watch) as parsed:
        assert parsed.n_pages == 5000 and parsed.notes == ()
        for number, page in enumerate(parsed.pages(), 1):
            assert page.number == number and f"Page number {number}" in page.text
    assert 0 < most[0] < 500_000_000
    assert psutil.Process().memory_info().rss - before < 100_000_000
