"""The parsing process: what a crash, a hang, a limit or a lie costs, and that nothing is left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pdf_mutator
import psutil
import pytest
from parsing import CATALOG, FONT, children, locked, nothing_left, pages_file, texts, write

from bakeoff.errors import BadData, BakeoffError
from bakeoff.tasks.documents.reading import parse_wire as wire
from bakeoff.tasks.documents.reading.limits import Limits
from bakeoff.tasks.documents.reading.parse import parse_file, parse_many

__all__ = ["nothing_left"]  # a fixture that watches over every test here


def at_page(number: int, do: Callable[[psutil.Process], None]) -> Callable[[float, str], None]:
    """A progress that does something to the parsing process, once, when page `number` has come."""

    def progress(_: float, note: str = "") -> None:
        if note.startswith(f"page {number} of "):
            (child,) = children()
            do(child)

    return progress


def killed(child: psutil.Process) -> None:
    child.kill()


def test_a_crash_costs_one_page_at_most(tmp_path: Path) -> None:
    path = write(tmp_path / "long.pdf", pages_file(60, lines=12))
    with parse_file(path, progress=at_page(2, killed)) as parsed:
        found = texts(parsed)
        pages = list(parsed.pages())
    lost = [page for page in pages if not page.text]
    assert len(found) == 60 and len(lost) <= 1
    assert all(f"Page number {page.number}" in page.text for page in pages if page not in lost)
    for page in lost:
        assert "SIGKILL" in page.notes[0] and (page.width, page.height) in ((300.0, 400.0), (612.0, 792.0))
        assert f"1 of 60 pages could not be read: {page.number}." in parsed.notes


def test_a_process_that_hangs_is_killed_at_the_limit(tmp_path: Path) -> None:
    path = write(tmp_path / "long.pdf", pages_file(60, lines=12))
    started = time.monotonic()
    with parse_file(path, limits=Limits(page_seconds=2.0), progress=at_page(2, lambda child: child.suspend())) as parsed:
        pages = list(parsed.pages())
    assert len(pages) == 60
    assert sum(not page.text for page in pages) <= 3  # one, and what a busy machine may add
    assert time.monotonic() - started < 60  # not a speed: it did not wait for a process that never goes on


def test_a_process_that_crashes_at_every_page_is_given_up(tmp_path: Path) -> None:
    def always(_: float, note: str = "") -> None:
        for child in children():
            child.kill()

    path = write(tmp_path / "long.pdf", pages_file(400, lines=25))
    with pytest.raises(BadData, match="given up after 3 failures") as caught:
        parse_file(path, limits=Limits(failures=2), progress=always)
    assert "print it to PDF" in caught.value.fix


def test_a_page_that_needs_too_much_memory_is_given_up_alone(tmp_path: Path) -> None:
    import zlib

    heavy = pdf_mutator.stream(zlib.compress(b"0 0 m 9 9 l S\n" * 3_000_000, 1), b"/Filter /FlateDecode")
    light = pdf_mutator.stream(b"BT /F1 9 Tf 20 150 Td (a light page) Tj ET")
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 200] /Resources << /Font << /F1 5 0 R >> >> /Contents %d 0 R >>"
    objects = {
        1: CATALOG,
        2: b"<< /Type /Pages /Kids [3 0 R 4 0 R 3 0 R] /Count 3 >>",
        3: page % 6,
        4: page % 7,
        5: FONT,
        6: light,
        7: heavy,
    }
    with parse_file(write(tmp_path / "heavy.pdf", pdf_mutator.object_file(objects)), limits=Limits(memory_mb=300)) as parsed:
        first, second, third = parsed.pages()
    assert first.text == third.text == "a light page" and second.text == ""
    assert "memory" in second.notes[0] and (second.width, second.height) == (300.0, 200.0)
    assert "1 of 3 pages could not be read: 2." in parsed.notes


def test_ctrl_c_and_errors_of_the_caller_end_the_process(tmp_path: Path) -> None:
    path = write(tmp_path / "long.pdf", pages_file(30))
    for error in (KeyboardInterrupt, RuntimeError):

        def raising(_: float, note: str = "", error: type[BaseException] = error) -> None:
            raise error

        with pytest.raises(error):
            parse_file(path, progress=raising)
        assert children() == []


def test_a_generator_that_is_closed_ends_the_process(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.pdf", pages_file(2)) for n in range(3)]
    reading = parse_many(files)
    next(reading)
    assert len(children()) == 1
    reading.close()  # type: ignore[attr-defined]
    assert children() == []


def test_the_process_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    path = write(tmp_path / "long.pdf", pages_file(3000, lines=25))
    program = textwrap.dedent(
        """
        import os, signal, sys, psutil
        from pathlib import Path
        from bakeoff.tasks.documents.reading.parse import parse_file
        def progress(share, note=""):
            print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        parse_file(Path(sys.argv[1]), progress=progress)
        """
    )
    ended = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    pids = [int(word) for word in ended.stdout.split()]
    assert len(pids) == 1
    deadline = time.monotonic() + 30
    while alive(pids[0]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pids[0])


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="this system does not show the environment of a process")
def test_the_process_has_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    shown: list[str] = []
    look = at_page(1, lambda child: shown.append(Path(f"/proc/{child.pid}/environ").read_text() + " ".join(child.cmdline())))
    path = locked(tmp_path / "locked.pdf", user="open-sesame", owner="master")
    parse_file(path, password="open-sesame", progress=look).close()
    assert "OMP_NUM_THREADS=1" in shown[0] and "secret" not in shown[0] and "sesame" not in shown[0]


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "growing.pdf", pages_file(3))

    def grow(_: float, note: str = "") -> None:
        with path.open("ab") as file:
            file.write(b"%more\n")

    with pytest.raises(BadData, match="changed while it was read"):
        parse_file(path, progress=grow)


def test_records_are_bounded_and_put_together_from_any_pieces() -> None:
    data = bytes([wire.REFUSED]) + (5).to_bytes(4, "little") + b"hello" + bytes([wire.DONE]) + bytes(4)
    for size in (1, 2, 7, 100):
        records = wire.Records()
        found = [record for at in range(0, len(data), size) for record in records.feed(data[at : at + size])]
        assert found == [(wire.REFUSED, b"hello"), (wire.DONE, b"")]
    for wrong in (bytes([99]) + bytes(4), bytes([wire.PAGE]) + b"\xff" * 4, bytes([wire.DONE]) + b"\1\0\0\0"):
        with pytest.raises(wire.Nonsense):
            list(wire.Records().feed(wrong))
    for payload in (b"", bytes(15), (3).to_bytes(4, "little") + (99).to_bytes(4, "little") + bytes(8)):
        with pytest.raises(wire.Nonsense):
            wire.read_beat(payload)
    for payload in (b"[1]", b"{", b"[" * 90_000, b"\xff"):
        with pytest.raises(wire.Nonsense):
            wire.read_json(payload)


LIES = {
    "silence": "time.sleep(600)",
    "the end": "",
    "rubbish": "out(b'\\xff' * 1000)",
    "an endless stream": "while True: out(b'\\x03' + (16).to_bytes(4, 'little') + bytes(16))",
    "pages before the document": "say(4, bytes(4) + b'BkPg')",
    "a page that is none": "opened(2); say(4, bytes(4) + b'BkPg\\x01' + bytes(40))",
    "pages without number": "opened(0)",
    "a number that is no number": "opened('many')",
    "notes that are no notes": "say(2, json.dumps({'pages': 1, 'title': [], 'notes': 5}).encode())",
    "the end too soon": "opened(3); say(6)",
    "beats of another page": "opened(3); beat(2, 1); time.sleep(600)",
}


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Put a program of the test in the place of the parsing process: it has heard its first order, `order`, when `program` begins."""
    path = folder / "stand-in"
    helpers = textwrap.dedent(
        """
        import json, os, sys, time
        # parse_child stands in the arguments, as in those of the real one
        def out(data):
            os.write(1, data)
        def say(kind, payload=b""):
            out(bytes([kind]) + len(payload).to_bytes(4, "little") + payload)
        def opened(pages):
            say(2, json.dumps({"pages": pages, "title": "", "notes": []}).encode())
        def beat(page, step):
            say(3, page.to_bytes(4, "little") + step.to_bytes(4, "little") + bytes(8))
        say(1)
        order = json.loads(sys.stdin.readline())
        """
    )
    path.write_text(f"#!{sys.executable}\n{helpers}\n{textwrap.dedent(program)}\n")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))


@pytest.mark.parametrize("lie", LIES)
def test_a_process_that_lies_gains_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str) -> None:
    stand_in(tmp_path, monkeypatch, LIES[lie])
    path = write(tmp_path / "a.pdf", pages_file(2))
    with pytest.raises(BadData) as caught:
        parse_file(path, limits=Limits(failures=1, page_seconds=0.5, opening_seconds=0.5, document_seconds=20))
    assert "a.pdf" in caught.value.what


PAGE = """
from bakeoff.tasks.documents.reading import page_codec
from bakeoff.tasks.documents.records import Page
import numpy as np
def page(number, text):
    say(4, (number - 1).to_bytes(4, "little") + page_codec.encode(Page(number, 9.0, 9.0, text, np.zeros((len(text), 4), np.float32))))
"""


@pytest.mark.parametrize("step", [wire.OCR, wire.TABLES, wire.FIGURES])
def test_a_page_that_hangs_in_a_step_it_can_do_without_keeps_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    program = f"""
opened(1)
beat(0, {step})
if not order["skip"]:
    time.sleep(600)
page(1, json.dumps(order["skip"]))
say(6)
sys.stdin.readline()
say(6)
"""
    stand_in(tmp_path, monkeypatch, PAGE + program)
    with parse_file(write(tmp_path / "a.pdf", pages_file(1)), limits=Limits(page_seconds=0.5, ocr_seconds=0.5)) as parsed:
        (text,) = texts(parsed)
    assert f'"{step}": "it took longer than ' in text and not any("could not be read" in note for note in parsed.notes)


def test_a_file_that_crashes_the_library_when_opened_is_tried_as_a_repaired_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = """
if not order["repair"]:
    os.abort()
opened(1)
page(1, "from the copy")
say(6)
sys.stdin.readline()
say(6)
"""
    stand_in(tmp_path, monkeypatch, PAGE + program)
    with parse_file(write(tmp_path / "a.pdf", pages_file(1))) as parsed:
        assert texts(parsed) == ["from the copy"]


def test_a_process_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'ImportError: libfoo is missing' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(BakeoffError, match="libfoo is missing"):
        parse_file(write(tmp_path / "a.pdf", pages_file(1)))
