"""What can be said of a document without opening it: whether it is a PDF, its fingerprint, and what to call it."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bakeoff.errors import BadData
from bakeoff.tasks.documents.reading.limits import Limits

LONGEST_TITLE = 300
_PIECE = 1 << 20
_HEAD = 64 * 1024
_OTHERS = (
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"{\\rtf", "a Rich Text document"),
    (b"%!PS", "a PostScript file"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "an XML file"),
    (b"\x7fELF", "a program"),
    (b"\x1f\x8b", "a gzip archive"),
)
_NO_TITLE = re.compile(
    r"untitled|no title|title|document\d*|(microsoft )?(word|excel|powerpoint)( document)?|slide \d+|presentation\d*|\(?anonymous\)?",
    re.I,
)
_COVER = re.compile(
    r"united states( of america)?|(u\.?s\.? )?securities and exchange commission|(table of )?contents|abstract|introduction|overview|summary|confidential|draft"
    r"|form [\d\w-]{1,8}|exhibits?( [\d.]+)?|notices?|copyright.*|page \d+|washington,? d\.?c\.?.*|part [ivx\d]+|chapter [ivx\d]+|schedule \d+|annex \w+",
    re.I,
)
"""Headings that stand on many documents and name none of them."""
_PROGRAM = re.compile(r"^(microsoft (office )?(word|excel|powerpoint)|print|openoffice|libreoffice)\s*-\s*", re.I)
_FILE_NAME = re.compile(r"\.(pdf|docx?|xlsx?|pptx?|rtf|odt|indd|qxd|tex|dvi|html?|txt|tmp)$", re.I)


class Seen(NamedTuple):
    """A file as it was when it was looked at."""

    sha256: str
    size_bytes: int
    changed: tuple[int, int, int]


def look(path: Path, limits: Limits) -> Seen:
    """Check that `path` may be a PDF, and read its fingerprint.

    Raises
    ------
    BadData
        If it does not exist, is no ordinary file, cannot be read, is empty, is larger than the limit, or is plainly something else.
    """
    name = path.name
    try:
        kind = path.stat()
        if stat.S_ISDIR(kind.st_mode):
            raise BadData(f"{name} is a folder, not a PDF.", fix="name a file, or index the folder")
        if not stat.S_ISREG(kind.st_mode):
            raise BadData(f"{name} is not an ordinary file.", fix="copy its content into a file")
        if kind.st_size == 0:
            raise BadData(f"{name} is empty (0 bytes).", fix="get the file again: the download or copy may have failed")
        if kind.st_size > limits.file_mb * 1_000_000:
            size = f"{kind.st_size / 1e6:,.0f} MB; the limit is {limits.file_mb:,} MB"
            raise BadData(f"{name} has {size}.", fix="split the file, or raise the limit file_mb")
        digest = hashlib.sha256()
        with path.open("rb") as file:
            piece = head = file.read(_HEAD)
            while piece:
                digest.update(piece)
                piece = file.read(_PIECE)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise BadData(f"{name} cannot be read: {error.strerror}.", fix="check the path and that you may read it") from error
    _refuse_others(name, head)
    return Seen(digest.hexdigest(), after.st_size, identity(after))


def identity(facts: os.stat_result) -> tuple[int, int, int]:
    """What changes when a file is written or replaced."""
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def unchanged(path: Path, seen: Seen) -> bool:
    """Whether the file is still the one that was looked at."""
    try:
        return identity(path.stat()) == seen.changed
    except OSError:
        return False


def _refuse_others(name: str, head: bytes) -> None:
    if b"%PDF-" in head[:1024]:
        return
    start = head.lstrip()[:32].lower()
    for mark, kind in _OTHERS:
        if head.startswith(mark) or start.startswith(mark):
            raise BadData(f"{name} is not a PDF: it begins like {kind}.", fix="convert it to PDF, or leave it out")
    # A PDF whose first bytes are lost still holds objects and can often be repaired.
    if b" obj" not in head:
        raise BadData(f"{name} is not a PDF: it does not begin with %PDF-.", fix="convert it to PDF, or leave it out")


def plain(text: str, longest: int) -> str:
    """A text from a file as one line for people: no control characters, no runs of spaces, at most `longest` characters."""
    shown = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") else c for c in text[: 4 * longest])
    return " ".join(shown.split())[:longest].strip()


def choose_title(metadata: str, headings: Sequence[str], path: Path) -> str:
    """What to call a document: the title in its metadata if a person wrote it, else a top heading that names it, else its file's name.

    Programs write file names ("Microsoft Word - draft7.doc"), "untitled" and the like into the metadata; those are no titles. Nor are headings that
    any document could have ("Table of contents").
    """
    for text in (_PROGRAM.sub("", plain(metadata, LONGEST_TITLE)), *(plain(heading, LONGEST_TITLE) for heading in headings)):
        letters = sum(c.isalpha() for c in text)
        sensible = letters >= 3 and letters * 3 >= len(text) and not _NO_TITLE.fullmatch(text) and not _FILE_NAME.search(text)
        if sensible and not _COVER.fullmatch(text.rstrip(" .:")):
            return text
    return plain(path.stem.replace("_", " "), LONGEST_TITLE) or path.name
