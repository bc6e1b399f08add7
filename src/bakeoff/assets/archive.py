"""Take named bytes out of a package archive. Nothing is unpacked, installed, imported or run.

Only the member that the catalogue names is read, as a stream, and at most as many bytes as the catalogue states, so a
path that climbs out, a link, a device or a bomb has nowhere to go. Every parser error becomes an AssetError.
"""

from __future__ import annotations

import contextlib
import gzip
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from bakeoff.assets.catalogue import Piece, safe_path
from bakeoff.assets.store import BLOCK
from bakeoff.errors import AssetError

INNER_LIMIT = 256 << 20
"""Most bytes of an archive inside an archive."""


class _Bounded:
    """A readable stream that fails instead of giving more than `limit` bytes in all: a bomb's walls."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self.stream, self.left = stream, limit

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > self.left + 1:
            size = self.left + 1
        block = self.stream.read(size)
        self.left -= len(block)
        if self.left < 0:
            raise AssetError("it unpacks to more bytes than any package of its size should")
        return block


@contextlib.contextmanager
def piece_stream(archive: Path, piece: Piece, scratch: Path) -> Iterator[IO[bytes]]:
    """The bytes of one piece, as a stream to be read in order.

    Parameters
    ----------
    archive : Path
        A wheel or zip, or a tar (plain, gzip, bzip2 or xz), told apart by its bytes.
    piece : Piece
        What to read.
    scratch : Path
        A folder for an inner archive while it is read.

    Raises
    ------
    AssetError
        If the archive is damaged, holds no such member, or the member is a link, a folder or a device.
    """
    with _open_member(archive, piece.member) as outer:
        if not piece.inner:
            yield outer
            return
        with tempfile.NamedTemporaryFile(dir=scratch, suffix=".inner") as inner:
            left = INNER_LIMIT
            while block := outer.read(min(BLOCK, left + 1)):
                left -= len(block)
                if left < 0:
                    raise AssetError(f"{piece.member} is larger than an inner archive may be.")
                _write(inner, block)
            _write(inner, b"", flush=True)
            with _open_member(Path(inner.name), piece.inner) as stream:
                yield stream


@contextlib.contextmanager
def _open_member(path: Path, member: str) -> Iterator[IO[bytes]]:
    safe_path(member, "A member of an archive")
    with path.open("rb") as raw:
        start = raw.read(4)
        raw.seek(0)
        if start.startswith(b"PK"):
            with zipfile.ZipFile(raw) as package:
                entry = package.getinfo(member)
                if entry.is_dir() or (entry.create_system == 3 and _is_odd(entry.external_attr >> 16)):
                    raise AssetError(f"{member} is a link, a folder or a device.")
                with package.open(entry) as stream:
                    yield stream
            return
        # gzip grows a byte to at most about 1,030; real packages stay far below 20, and text rarely passes it.
        bounds = (64 << 20) + 20 * path.stat().st_size
        with _decompressed(raw, start) as plain, tarfile.open(fileobj=_Bounded(plain, bounds), mode="r|") as bundle:  # type: ignore[call-overload]
            for entry in bundle:
                if entry.name != member:
                    continue
                content = bundle.extractfile(entry) if entry.isreg() else None
                if content is None:
                    raise AssetError(f"{member} is a link, a folder or a device.")
                yield content
                return
        raise KeyError(member)


def _decompressed(raw: IO[bytes], start: bytes) -> contextlib.AbstractContextManager[IO[bytes]]:
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
    if start.startswith(b"BZh"):
        import bz2

        return bz2.BZ2File(raw)
    if start.startswith(b"\xfd7zX"):
        import lzma

        return lzma.LZMAFile(raw)
    return contextlib.nullcontext(raw)


def _is_odd(mode: int) -> bool:
    return stat.S_IFMT(mode) not in (0, stat.S_IFREG)


def extract(
    archive: Path, piece: Piece, target: IO[bytes], scratch: Path, tick: Callable[[int], None] = lambda written: None
) -> None:
    """Append exactly ``piece.size`` bytes of one piece to `target`.

    Raises
    ------
    AssetError
        If the archive is damaged or not the kind of thing described in `piece_stream`, or the piece is longer or shorter
        than stated. What was written must then be thrown away.
    """
    written = 0
    try:
        with piece_stream(archive, piece, scratch) as stream:
            while block := stream.read(min(BLOCK, piece.size - written + 1)):
                written += len(block)
                if written > piece.size:
                    break
                _write(target, block)
                tick(written)
    except AssetError as error:
        raise AssetError(f"{piece.archive.filename} is refused: {error.what}", fix=_FIX) from error
    except _Full as error:
        raise error.cause from None
    except KeyError as error:
        raise AssetError(f"{piece.archive.filename} does not hold {piece.inner or piece.member}.", fix=_FIX) from error
    except (
        Exception
    ) as error:  # damaged bytes reach every corner of the parsers: zlib, struct, Unicode, index and overflow errors
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AssetError(f"{piece.archive.filename} is damaged: {reason}.", fix=_FIX) from error
    if written != piece.size:
        more = "more than " if written > piece.size else ""
        size = min(written, piece.size)
        raise AssetError(f"{piece.inner or piece.member} has {more}{size:,} bytes; expected {piece.size:,}.", fix=_FIX)


_FIX = "do not use this mirror; put the asset's files in a folder and name it in BAKEOFF_ASSETS_DIR"


class _Full(Exception):
    """A failed write, kept apart from the parsers' own OSErrors."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _write(target: IO[bytes], block: bytes, *, flush: bool = False) -> None:
    try:
        target.write(block)
        if flush:
            target.flush()
    except OSError as error:
        raise _Full(error) from error
