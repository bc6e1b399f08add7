"""Folders and archives (tar, gzip, bzip2, xz, zip) as one thing: names of files, and their bytes one after the other.

Nothing is unpacked to disk, so a path that climbs out, a link or a device has nowhere to go: such members are listed as left out. What an
archive may unpack to is bounded.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tarfile
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from bakeoff.errors import BadData, shown
from bakeoff.tasks.images.readers_source import MOST_PICTURES

ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip")
DEEPEST = 12
LARGEST_MEMBER = 256 << 20
"""Most bytes of one file: a published CIFAR file has 150 million."""

_ROOM, _GROWTH = 256 << 20, 30
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """A file by its path with forward slashes, its size in bytes, and why it cannot be used ('' where it can)."""

    path: str
    size: int
    reason: str = ""


class Tree:
    """Files by path, from a folder or an archive. `entries` are in the order in which they are read."""

    name: str
    entries: tuple[Entry, ...]

    def read(self, paths: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """The bytes of these files, each once, in the tree's own order."""
        raise NotImplementedError

    def digest(self, paths: Collection[str]) -> str:
        """SHA-256 over the names and bytes of these files, or of the archive that holds them."""
        raise NotImplementedError


def open_tree(path: Path) -> Tree:
    """A folder or an archive.

    Raises
    ------
    BadData
        If it is neither, cannot be read, is damaged, or unpacks to more than an archive of its size should.
    """
    if path.is_dir():
        return FolderTree(path)
    try:
        with path.open("rb") as file:
            start = file.read(6)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BadData(
            f"{shown(str(path), 200)} cannot be read: {why}.", fix="check the path; it is relative to the study file"
        ) from error
    if start.startswith(b"PK"):
        return ZipTree(path)
    if path.name.lower().endswith(ENDINGS) or start[:2] == b"\x1f\x8b" or start == b"\xfd7zXZ\x00":
        return TarTree(path)
    raise BadData(
        f"{shown(path.name)} is no folder and no archive that can be read.",
        fix=f"name a folder of class folders, or an archive of one ({', '.join(ENDINGS)})",
    )


class FolderTree(Tree):
    """A folder of this machine. Links are followed once, and never to a folder that is read already."""

    def __init__(self, folder: Path) -> None:
        self.name, self.folder, self._root = folder.resolve().name, folder, folder.resolve()
        self._followed: set[tuple[int, int]] = set()
        entries = []
        for entry in self._walk(folder, "", 0):
            entries.append(entry)
            if len(entries) > MOST_PICTURES:
                raise BadData(f"{shown(self.name)} holds more than {MOST_PICTURES:,} files.", fix="name a sample of it")
        self.entries = tuple(entries)

    def _walk(self, folder: Path, at: str, depth: int) -> Iterator[Entry]:
        if depth > DEEPEST:
            yield Entry(at, 0, f"more than {DEEPEST} folders deep")
            return
        try:
            names = sorted(inner.name for inner in folder.iterdir())
        except OSError as error:
            yield Entry(at or ".", 0, f"the folder cannot be read ({error.strerror})")
            return
        for name in names:
            inner, path = folder / name, f"{at}/{name}" if at else name
            try:
                found = inner.stat()
            except OSError as error:
                yield Entry(
                    path, 0, f"a link that leads nowhere ({error.strerror})" if inner.is_symlink() else str(error.strerror)
                )
                continue
            if stat.S_ISDIR(found.st_mode):
                if inner.is_symlink() and self._known(inner, found):
                    yield Entry(path, 0, "a link back to a folder that is read already")
                else:
                    yield from self._walk(inner, path, depth + 1)
            elif stat.S_ISREG(found.st_mode):
                yield Entry(path, found.st_size)
            else:
                yield Entry(path, 0, "neither a file nor a folder")

    def _known(self, link: Path, found: os.stat_result) -> bool:
        """Whether a linked folder lies in the root or around it, or was followed before: links to links could go on for ever."""
        target, inode = link.resolve(), (found.st_dev, found.st_ino)
        if target.is_relative_to(self._root) or self._root.is_relative_to(target) or inode in self._followed:
            return True
        self._followed.add(inode)
        return False

    def read(self, paths: Collection[str]) -> Iterator[tuple[str, bytes]]:
        wanted = frozenset(paths)
        for entry in self.entries:
            if entry.path in wanted:
                try:
                    with (self.folder / entry.path).open("rb") as file:
                        yield entry.path, file.read(LARGEST_MEMBER)
                except OSError:  # gone or closed since it was listed: what reads it says that it is empty
                    yield entry.path, b""

    def digest(self, paths: Collection[str]) -> str:
        whole = hashlib.sha256()
        for path, data in self.read(paths):
            whole.update(path.encode("utf-8", "surrogateescape") + b"\0" + hashlib.sha256(data).digest())
        return whole.hexdigest()


class _ArchiveTree(Tree):
    def __init__(self, path: Path) -> None:
        self.path = path
        ending = next((ending for ending in sorted(ENDINGS, key=len, reverse=True) if path.name.lower().endswith(ending)), "")
        self.name = path.name[: len(path.name) - len(ending)] if ending else path.stem
        self.most = _ROOM + _GROWTH * path.stat().st_size
        with self._told():
            self.entries = tuple(self._list())

    def digest(self, paths: Collection[str]) -> str:
        whole = hashlib.sha256()
        with self.path.open("rb") as file:
            while block := file.read(_BLOCK):
                whole.update(block)
        return whole.hexdigest()

    def read(self, paths: Collection[str]) -> Iterator[tuple[str, bytes]]:
        wanted = set(paths)
        with self._told():
            for path, data in self._read(frozenset(wanted)):
                if path in wanted:  # a name that comes twice counts once
                    wanted.remove(path)
                    yield path, data

    def _list(self) -> Iterator[Entry]:
        raise NotImplementedError

    def _read(self, wanted: frozenset[str]) -> Iterator[tuple[str, bytes]]:
        raise NotImplementedError

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Every parser's complaint as BadData: damaged bytes reach all corners of them."""
        try:
            yield
        except BadData:
            raise
        except RuntimeError as error:  # zipfile's word for an archive with a password
            raise BadData(
                f"{shown(self.path.name)} cannot be opened: {shown(str(error))}.", fix="save it without a password"
            ) from error
        except (
            OSError,
            EOFError,
            ValueError,
            ArithmeticError,
            LookupError,
            MemoryError,
            tarfile.TarError,
            zipfile.BadZipFile,
        ) as error:
            raise self._damaged(error) from error
        except Exception as error:
            if type(error).__module__ in ("zlib", "lzma", "_lzma", "struct"):
                raise self._damaged(error) from error
            raise

    def _damaged(self, error: BaseException) -> BadData:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return BadData(f"{shown(self.path.name)} is damaged: {shown(reason, 100)}.", fix="fetch or pack the archive again")

    def _too_much(self) -> BadData:
        return BadData(
            f"{shown(self.path.name)} unpacks to more than {self.most >> 20:,} MiB, which is more than pictures of its size should.",
            fix="unpack it yourself, if you trust it, and name the folder",
        )


def _odd(name: str) -> str:
    """Why a member's name is not one of a plain file below the archive's root; '' where it is."""
    parts = PurePosixPath(name).parts
    if not name or name.startswith("/") or ".." in parts or "\\" in name or ":" in name[:2] or any(ord(c) < 32 for c in name):
        return "a path that leads out of the archive"
    return f"more than {DEEPEST} folders deep" if len(parts) > DEEPEST + 1 else ""


def _plain(name: str) -> str:
    return "/".join(part for part in PurePosixPath(name).parts if part != ".")


class ZipTree(_ArchiveTree):
    """A zip. Only what its directory states of a member is read of it."""

    def _list(self) -> Iterator[Entry]:
        with zipfile.ZipFile(self.path) as package:
            whole = 0
            for count, entry in enumerate(package.infolist()):
                if count > MOST_PICTURES:
                    raise BadData(f"{shown(self.path.name)} holds more than {MOST_PICTURES:,} files.", fix="pack a sample of it")
                if entry.is_dir():
                    continue
                mode = entry.external_attr >> 16 if entry.create_system == 3 else 0
                reason = _odd(entry.filename) or ("a link or a device" if stat.S_IFMT(mode) not in (0, stat.S_IFREG) else "")
                whole += entry.file_size
                if whole > self.most:
                    raise self._too_much()
                yield Entry(
                    _plain(entry.filename) if not reason else entry.filename, entry.file_size, reason or _large(entry.file_size)
                )

    def _read(self, wanted: frozenset[str]) -> Iterator[tuple[str, bytes]]:
        with zipfile.ZipFile(self.path) as package:
            for entry in package.infolist():
                if not entry.is_dir() and not _odd(entry.filename) and _plain(entry.filename) in wanted:
                    with package.open(entry) as file:
                        yield _plain(entry.filename), file.read(min(entry.file_size, LARGEST_MEMBER))


class TarTree(_ArchiveTree):
    """A tar, read as a stream from its beginning to its end, whatever it is packed with."""

    def _members(self) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
        with self.path.open("rb") as raw, _unpacked(raw) as plain:
            stream: Any = _Bounded(plain, self.most, self._too_much)
            with tarfile.open(fileobj=stream, mode="r|") as bundle:
                for count, entry in enumerate(bundle):
                    if count > MOST_PICTURES:
                        raise BadData(
                            f"{shown(self.path.name)} holds more than {MOST_PICTURES:,} files.", fix="pack a sample of it"
                        )
                    bundle.members = []  # type: ignore[attr-defined]  # the stream is never gone back in; a million headers would fill the memory
                    yield bundle, entry

    def _list(self) -> Iterator[Entry]:
        for _, entry in self._members():
            if entry.isdir():
                continue
            reason = _odd(entry.name) or ("" if entry.isreg() else "a link or a device")
            yield Entry(entry.name if reason else _plain(entry.name), entry.size, reason or _large(entry.size))

    def _read(self, wanted: frozenset[str]) -> Iterator[tuple[str, bytes]]:
        for bundle, entry in self._members():
            if entry.isreg() and not _odd(entry.name) and _plain(entry.name) in wanted:
                file = bundle.extractfile(entry)
                if file is not None:
                    yield _plain(entry.name), file.read(LARGEST_MEMBER)


def _large(size: int) -> str:
    return f"more than {LARGEST_MEMBER >> 20} MiB" if size > LARGEST_MEMBER else ""


@contextlib.contextmanager
def _unpacked(raw: IO[bytes]) -> Iterator[Any]:
    import bz2
    import gzip
    import lzma

    start = raw.read(6)
    raw.seek(0)
    if start.startswith(b"\x1f\x8b"):
        yield gzip.GzipFile(fileobj=raw)
    elif start.startswith(b"BZh"):
        yield bz2.BZ2File(raw)
    elif start.startswith(b"\xfd7zXZ"):
        yield lzma.LZMAFile(raw)  # noqa: SIM115 the raw file is closed by whoever opened it
    else:
        yield raw


class _Bounded:
    """A readable stream that fails instead of giving more than `most` bytes in all."""

    def __init__(self, stream: Any, most: int, failure: Any) -> None:
        self.stream, self.left, self.failure = stream, most, failure

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > self.left + 1:
            size = self.left + 1
        block: bytes = self.stream.read(size)
        self.left -= len(block)
        if self.left < 0:
            raise self.failure()
        return block
