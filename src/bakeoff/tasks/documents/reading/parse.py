"""Parse PDFs: each in a process that can be killed, within limits, page by page into a spool.

A page that crashes the process or takes too long costs that page: the process is started again after it. A document
that cannot be read at all is a `BadData` that says what to do.
"""

from __future__ import annotations

import math
import os
import struct
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from bakeoff.contract import Progress, quiet
from bakeoff.errors import BadData, BakeoffError, needs
from bakeoff.tasks.documents.reading import ocr_cache, page_codec
from bakeoff.tasks.documents.reading import parse_wire as wire
from bakeoff.tasks.documents.reading.limits import Limits
from bakeoff.tasks.documents.reading.parse_facts import Seen, choose_title, look, plain, unchanged
from bakeoff.tasks.documents.reading.parse_process import ParseProcess, Stopped
from bakeoff.tasks.documents.reading.spool import Spool
from bakeoff.tasks.documents.records import Page

Mode = Literal["auto", "never", "always"]

CAN_DO_WITHOUT = (wire.OCR, wire.TABLES, wire.FIGURES)
"""Steps that a page is tried without once, where it was given up in one of them."""
TITLE_PAGES = 3
NOT_READ = "This page could not be read"
MOST_NOTES = 50
LONGEST_NOTE = 400
SECONDS_PER_PAGE_TO_FINISH = 0.2
FILES_PER_PROCESS = 200


class Parsed:
    """A document that was parsed. Its pages are in a temporary file that goes when this is closed; use it in a ``with`` block.

    Attributes
    ----------
    sha256 : str
        Of the file's bytes, in hexadecimal digits.
    title : str
        From its metadata, else its first heading, else its file's name.
    notes : tuple of str
        What could not be read and what was not run, in words for people.
    n_pages : int
        At least 1.
    """

    def __init__(self, sha256: str, title: str, notes: tuple[str, ...], spool: Spool, *, last: bool) -> None:
        self.sha256, self.title, self.notes, self.n_pages = sha256, title, notes, len(spool)
        self._spool, self._filling, self._last = spool, spool.filling, last

    def pages(self) -> Iterator[Page]:
        """All pages in order, one in memory at a time. Raises BakeoffError once this is closed."""
        for index in range(self.n_pages):
            yield self._spool.page(index, self._filling)

    def close(self) -> None:
        """Remove the pages."""
        if self._last:
            self._spool.close()
        elif self._spool.filling == self._filling:
            self._spool.clear()

    def __enter__(self) -> Parsed:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def parse_file(
    path: Path,
    *,
    password: str | None = None,
    limits: Limits = Limits(),
    ocr: Mode = "auto",
    progress: Progress = quiet,
    cache: Path | None = None,
) -> Parsed:
    """Parse one PDF, in a process of its own that ends with this call, whatever way it ends.

    Parameters
    ----------
    path : Path
    password : str, default=None
        For a locked document: the user's or the owner's.
    limits : Limits
    ocr : {'auto', 'never', 'always'}
        Read words on pictures: 'auto' where a page is a scan, has no text that means anything, or shows raster figures; 'always' on every page.
    progress : Progress
        Called after each page.
    cache : Path, default=None
        Folder for what OCR read; None means ``ocr`` in BAKEOFF_HOME. It holds nothing that can be read without the picture itself.

    Returns
    -------
    Parsed
        To be closed.

    Raises
    ------
    BadData
        If it is no PDF, empty, locked, damaged beyond repair, without pages, over a limit as a whole, or changed meanwhile.
    MissingExtra
        If pypdfium2 or pikepdf is not installed.
    BakeoffError
        If no process can be started, or the temporary folder is full.
    """
    _check(ocr)
    spool = Spool()
    try:
        with _Parser(limits, spool, ocr, cache) as parser:
            return parser.parse(Path(path), password, progress, last=True)
    except BaseException:
        spool.close()
        raise


def parse_many(
    paths: Iterable[Path],
    *,
    password: str | None = None,
    limits: Limits = Limits(),
    ocr: Mode = "auto",
    progress: Progress = quiet,
    cache: Path | None = None,
) -> Iterator[tuple[Path, Parsed | BadData]]:
    """Parse PDFs one after the other, many in one process, which saves starting one for each.

    The process is started again after every crash, kill and `FILES_PER_PROCESS` files. One process for many files means that a file
    that takes the process over could change what is read from the files after it; use `parse_file` where files of one corpus must not trust
    each other.

    Yields
    ------
    (path, Parsed or BadData)
        In the order of `paths`. A Parsed holds until the next one is asked for.
    """
    _check(ocr)
    spool = Spool()
    try:
        with _Parser(limits, spool, ocr, cache) as parser:
            for number, path in enumerate(paths):
                if number and (number % FILES_PER_PROCESS == 0 or parser.process.bytes_used() > 0.5e6 * limits.memory_mb):
                    parser.process.kill()
                spool.clear()
                result: Parsed | BadData
                try:
                    result = parser.parse(Path(path), password, progress, last=False)
                except BadData as error:
                    result = error
                yield Path(path), result
    finally:
        spool.close()


def _check(ocr: str) -> None:
    if ocr not in ("auto", "never", "always"):
        raise BakeoffError(f"ocr is {ocr!r}; it can be 'auto', 'never' or 'always'.", fix="use one of them")
    needs("pypdfium2", "pikepdf", extra="documents", why="Reading PDFs")


class _Parser:
    """A parsing process, its spool and its folder, for one document after the other."""

    def __init__(self, limits: Limits, spool: Spool, ocr: Mode, cache: Path | None) -> None:
        self.limits, self.spool, self.ocr = limits, spool, ocr
        self.cache = cache or ocr_cache.default_folder()
        self._folder = tempfile.TemporaryDirectory(prefix="bakeoff-parse-", ignore_cleanup_errors=True)
        self._reader = spool.reader()
        self.process = ParseProcess(limits, self._reader, self._folder.name)

    def __enter__(self) -> _Parser:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        os.close(self._reader)
        self._folder.cleanup()

    def parse(self, path: Path, password: str | None, progress: Progress, *, last: bool) -> Parsed:
        """One document into the empty spool, which goes with it if it is the `last`."""
        path = path.absolute()
        seen = look(path, self.limits)
        run = _Run(self, path, password, progress)
        try:
            run.read_pages()
            run.finish()
        except BaseException:
            self.process.kill()  # it may be in the middle of anything
            raise
        return run.result(seen, last)


class _Run:
    """The parsing of one document, through as many processes as it takes."""

    def __init__(self, parser: _Parser, path: Path, password: str | None, progress: Progress) -> None:
        self.parser, self.path, self.password, self.progress = parser, path, password, progress
        self.process, self.limits, self.spool = parser.process, parser.limits, parser.spool
        self.ends = time.monotonic() + self.limits.document_seconds
        self.pages = 0
        self.metadata_title = ""
        self.headings: list[str] = []
        self.notes: list[str] = []
        self.failures = self.by_ocr = 0
        self.lost: list[int] = []
        self.why_lost = ""
        self.repair = False
        self.skip: dict[int, str] = {}
        self.beat: wire.Beat | None = None

    def read_pages(self) -> None:
        """All pages into the spool, starting the process again after each failure."""
        while True:
            try:
                self.process.order(
                    job="parse", path=str(self.path), password=self.password, start=len(self.spool), repair=self.repair,
                    skip=self.skip, ocr=self.parser.ocr, cache=str(self.parser.cache),
                )  # fmt: skip
                self._listen()
                return
            except Stopped as stopped:
                self._give_up(str(stopped))
                if self.pages and len(self.spool) == self.pages:
                    return

    def finish(self) -> None:
        """Running headers, and tables that go on: what only all pages together can tell."""
        patience = max(self.limits.page_seconds, SECONDS_PER_PAGE_TO_FINISH * self.pages)
        deadline = time.monotonic() + patience
        late = f"it took longer than {patience:g} seconds"
        last = -1
        try:
            self.process.order(job="finish", pages=self.pages)
            while True:
                kind, payload = self.process.hear(deadline, late)
                if kind == wire.DONE:
                    return
                if kind == wire.REFUSED:
                    raise Stopped(self._refusal(payload).what.rstrip("."))
                index, page, data = self._page_in(kind, payload)
                if not last < index < self.pages or page.number != index + 1:
                    raise Stopped("the parsing process said what it must not")
                last = index
                self.spool.replace(index, data)
        except Stopped as stopped:
            self.process.kill()
            self.notes.append(f"Running headers and tables that go on over a page's end were not looked for: {stopped}.")

    def result(self, seen: Seen, last: bool) -> Parsed:
        """The document, if its file is still the one that was read first."""
        if not unchanged(self.path, seen):
            raise BadData(f"{self.path.name} was changed while it was read.", fix="repeat when nobody writes it any more")
        if len(self.lost) == self.pages:
            raise BadData(
                f"No page of {self.path.name} could be read. Page 1: {self.why_lost}",
                fix="open it in a PDF viewer and print it to PDF, or leave it out",
            )
        if self.lost:
            some = ", ".join(map(str, self.lost[:20])) + (", ..." if len(self.lost) > 20 else "")
            self.notes.append(f"{len(self.lost)} of {self.pages} pages could not be read: {some}.")
        if self.by_ocr:
            self.notes.append(f"{self.by_ocr} of {self.pages} pages hold words that were read off pictures (OCR).")
        title = choose_title(self.metadata_title, self.headings, self.path)
        return Parsed(seen.sha256, title, tuple(self.notes[:MOST_NOTES]), self.spool, last=last)

    def _listen(self) -> None:
        """Take what the process says of the document, until it has said all."""
        opened = longer = False
        self.beat = None
        deadline, late = self._deadline(self.limits.opening_seconds)
        while True:
            kind, payload = self.process.hear(deadline, late)
            if kind == wire.OPENED and not opened:
                opened = True
                self._opened(payload)
                deadline, late = self._deadline(self.limits.page_seconds)
            elif kind == wire.BEAT and opened:
                beat = self._beat_in(payload)
                if self.beat is None:
                    longer = False
                    deadline, late = self._deadline(self.limits.page_seconds)
                if beat.step == wire.OCR and not longer:
                    longer = True
                    deadline, late = self._deadline(self.limits.page_seconds + self.limits.ocr_seconds)
                self.beat = beat
            elif kind == wire.PAGE and opened:
                self._keep(payload)
                self.beat = None
                deadline, late = self._deadline(self.limits.page_seconds)
            elif kind == wire.REFUSED:
                raise self._refusal(payload)
            elif kind == wire.DONE and opened and len(self.spool) == self.pages:
                return
            else:
                raise Stopped("the parsing process said what it must not")

    def _deadline(self, seconds: float) -> tuple[float, str]:
        now = time.monotonic()
        if now + seconds < self.ends:
            return now + seconds, f"it took longer than {seconds:g} seconds"
        return self.ends, f"the document took longer than {self.limits.document_seconds:g} seconds"

    def _opened(self, payload: bytes) -> None:
        facts = self._facts(payload)
        pages, title, notes = facts.get("pages"), facts.get("title"), facts.get("notes")
        if type(pages) is not int or pages < 1 or (self.pages and pages != self.pages):
            raise Stopped("the parsing process said what it must not (a number of pages)")
        if not isinstance(title, str) or not isinstance(notes, list):
            raise Stopped("the parsing process said what it must not (a title or notes)")
        if pages > self.limits.pages:
            raise BadData(
                f"{self.path.name} has {pages:,} pages; the limit is {self.limits.pages:,}.",
                fix="split the file, or raise the limit pages",
            )
        if not self.pages:
            self.pages, self.metadata_title = pages, title
            self.notes = [plain(str(note), LONGEST_NOTE) for note in notes[:MOST_NOTES]]

    def _beat_in(self, payload: bytes) -> wire.Beat:
        try:
            beat = wire.read_beat(payload)
        except wire.Nonsense as nonsense:
            raise Stopped(f"the parsing process said what it must not ({nonsense})") from None
        if beat.page != len(self.spool) or beat.page >= self.pages:
            raise Stopped("the parsing process said what it must not (a page out of order)")
        return beat

    def _page_in(self, kind: int, payload: bytes) -> tuple[int, Page, bytes]:
        if kind != wire.PAGE or len(payload) < 4:
            raise Stopped("the parsing process said what it must not")
        try:
            return struct.unpack_from("<I", payload)[0], page_codec.decode(payload[4:]), payload[4:]
        except BadData as error:
            raise Stopped(f"the parsing process said what it must not ({error.what.rstrip('.')})") from None

    def _keep(self, payload: bytes) -> None:
        index, page, data = self._page_in(wire.PAGE, payload)
        if index != len(self.spool) or index >= self.pages or page.number != index + 1:
            raise Stopped("the parsing process said what it must not (a page out of order)")
        self.spool.add(data)
        self.skip = {}
        self.by_ocr += page.source != "text"
        for note in page.notes:
            if not page.text and note.startswith(NOT_READ):
                self._count_as_lost(page.number, note)
        if index < TITLE_PAGES and not self.headings:
            headings = [block for block in page.blocks if block.kind == "heading"]
            top = min((block.level for block in headings), default=0)
            self.headings = [page.text[block.span.start : block.span.end] for block in headings if block.level == top]
        self.progress(min(1.0, (index + 1) / self.pages), f"page {index + 1} of {self.pages}")

    def _give_up(self, why: str) -> None:
        """After the process was lost: decide what to do without, or raise BadData."""
        self.process.kill()
        self.failures += 1
        name, beat = self.path.name, self.beat
        self.beat = None
        if time.monotonic() >= self.ends:
            raise BadData(
                f"{name} took longer than {self.limits.document_seconds:g} seconds: {len(self.spool):,} of {self.pages or '?'} pages were read.",
                fix="split the file, or raise the limit document_seconds",
            )
        if not self.pages:
            if self.repair:
                raise BadData(
                    f"{name} cannot be opened: {why}.", fix="open it in a PDF viewer and print it to PDF, or leave it out"
                )
            self.repair = True
            return
        if self.failures > self.limits.failures:
            raise BadData(
                f"{name} was given up after {self.failures} failures; the last, at page {len(self.spool) + 1}: {why}.",
                fix="open it in a PDF viewer and print it to PDF, or leave it out",
            )
        if len(self.spool) == self.pages:
            return
        if beat is not None and beat.step in CAN_DO_WITHOUT and beat.step not in self.skip:
            self.skip = {**self.skip, beat.step: why}
            return
        self._lose_page(beat, why)

    def _lose_page(self, beat: wire.Beat | None, why: str) -> None:
        import numpy as np

        index = len(self.spool)
        size = (612.0, 792.0)
        if beat is not None and all(math.isfinite(side) and 0 < side < page_codec.FARTHEST for side in beat[2:]):
            size = beat.width, beat.height
        where = f" while {wire.STEPS[beat.step]}" if beat is not None else ""
        note = plain(f"{NOT_READ}: {why}{where}.", LONGEST_NOTE)
        page = Page(index + 1, *size, "", np.zeros((0, 4), np.float32), notes=(note,))
        self.spool.add(page_codec.encode(page))
        self._count_as_lost(page.number, note)
        self.skip = {}

    def _count_as_lost(self, number: int, note: str) -> None:
        self.lost.append(number)
        self.why_lost = self.why_lost or plain(note.removeprefix(f"{NOT_READ}: "), LONGEST_NOTE)

    def _refusal(self, payload: bytes) -> BadData:
        facts = self._facts(payload)
        what, fix = (plain(str(facts.get(key, "")), LONGEST_NOTE) for key in ("what", "fix"))
        return BadData(what or f"{self.path.name} cannot be read.", fix=fix)

    def _facts(self, payload: bytes) -> dict[str, Any]:
        try:
            return wire.read_json(payload)
        except wire.Nonsense as nonsense:
            raise Stopped(f"the parsing process said what it must not ({nonsense})") from None
