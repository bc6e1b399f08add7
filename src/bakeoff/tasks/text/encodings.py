"""The bytes of a text file: which encoding they are in, and where they stop being text.

A file is UTF-8, or UTF-16 / UTF-32 with its byte order mark, or what the study says. Bytes that do not fit
are an error that names the place: a replacement character would be a silent change of the data.
"""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import NoReturn, TextIO

from bakeoff.errors import BadData, shown

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_TEXT = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "save the sheet as CSV (UTF-8)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save the sheet as CSV (UTF-8)"),
    (b"\x1f\x8b", "gzip-compressed", "unpack it first: gunzip"),
    (b"%PDF", "a PDF", "export the table as CSV"),
    (b"PAR1", "a Parquet file", "give it the ending .parquet"),
)


def checked_encoding(path: Path, given: str | None) -> str:
    """The encoding that every byte of the file fits, or BadData with the place that does not."""
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
    except OSError as error:
        raise BadData(f"{shown(str(path), 200)} cannot be read: {error.strerror}.", fix="check its permissions") from error
    for magic, what, fix in _NOT_TEXT:
        if head.startswith(magic):
            raise BadData(f"{shown(str(path), 200)} is {what}, not a text table.", fix=fix)
    marked = next((name for mark, name in _BOMS if head.startswith(mark)), None)
    encoding = _text_encoding(given) if given else marked or "utf-8"
    decoder = codecs.getincrementaldecoder(encoding)()
    offset, line = 0, 1
    with path.open("rb") as stream:
        while True:
            chunk = stream.read(1 << 20)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeError as error:
                before, at = b"", offset
                if isinstance(error, UnicodeDecodeError):
                    before = error.object[: error.start]
                    at = offset + len(chunk) - len(error.object) + error.start
                line += before.decode(encoding, "ignore").count("\n")
                _badly_encoded(path, encoding, at, line, head)
            if "\0" in text:
                line += text.count("\n", 0, text.index("\0"))
                if head[1:200:2].count(0) > 20 or head[0:200:2].count(0) > 20:
                    order = "le" if head[1:200:2].count(0) > 20 else "be"
                    raise BadData(
                        f"{shown(str(path), 200)} looks like UTF-16 without its byte order mark (NUL bytes from line {line}).",
                        fix=f"save it as UTF-8, or set `encoding: utf-16-{order}` under `data`",
                    )
                raise BadData(
                    f"{shown(str(path), 200)}, line {line}: there is a NUL byte in the text.",
                    fix="export the file again, or remove them: tr -d '\\000' < old > new",
                )
            if not chunk:
                return encoding
            offset += len(chunk)
            line += text.count("\n")


def _text_encoding(given: str) -> str:
    try:
        known = codecs.lookup(given)
        "a,\n".encode(known.name).decode(known.name)
    except (LookupError, ValueError, TypeError) as error:
        raise BadData(
            f"`encoding` is {shown(given)}, which is no text encoding.", fix="use one such as utf-8, utf-16, cp1252 or shift_jis"
        ) from error
    if known.name in ("unicode_escape", "raw_unicode_escape", "idna", "punycode", "utf-7"):
        raise BadData(
            f"`encoding` is {shown(given)}, which is not an encoding of files.",
            fix="use one such as utf-8, utf-16, cp1252 or shift_jis",
        )
    return known.name


def _badly_encoded(path: Path, encoding: str, at: int, line: int, head: bytes) -> NoReturn:
    with path.open("rb") as stream:
        stream.seek(at)
        byte = stream.read(1)
    has = f"0x{byte[0]:02x}" if byte else "the end of the file"
    other = "cp1252" if encoding.startswith("utf") else "utf-8"
    raise BadData(
        f"{shown(str(path), 200)}, line {line}: byte {at:,} ({has}) is not {encoding.upper().removesuffix('-SIG')}.",
        fix=f"save the file as UTF-8, or set its encoding under `data`, e.g. `encoding: {other}`, and look at the texts",
    )


def open_text(path: Path, encoding: str) -> TextIO:
    stream = path.open(encoding=encoding, newline="")
    if stream.read(1) != "\ufeff":
        stream.seek(0)
    return stream
