"""The cache: one folder per asset, with the hash of every file beside it.

    BAKEOFF_HOME/assets/NAME/...            the files of one asset
    BAKEOFF_HOME/assets/NAME/manifest.json  their sizes, SHA-256 and modification times
    BAKEOFF_HOME/assets/.work/...           half-done downloads, staging and locks; safe to delete when nothing runs

A folder appears under its name only when every file in it has been checked and flushed to disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from bakeoff.assets.catalogue import Asset, File
from bakeoff.contract import Progress
from bakeoff.errors import AssetError

BLOCK = 1 << 20
MANIFEST = "manifest.json"
KEEP_PARTS_SECONDS = 7 * 24 * 3600


def where() -> Path:
    """The folder of all assets: ``BAKEOFF_HOME/assets`` (default ``~/.cache/bakeoff/assets``). It need not exist."""
    home = os.environ.get("BAKEOFF_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".cache" / "bakeoff") / "assets"


def work(*parts: str) -> Path:
    """A folder for work in progress under `where()`, made if missing."""
    folder = where().joinpath(".work", *parts)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


class CannotWrite(AssetError):
    """The cache cannot be written; no other source would help."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failed write (full disk, read-only folder, file in the way) into an AssetError."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(
            f"Cannot write to {path}: {error.strerror or error}.",
            fix="free some space there, or set BAKEOFF_HOME to a folder that can be written",
        ) from error


def sha256(path: Path, tick: Callable[[int], None] = lambda read: None) -> str:
    """SHA-256 of a file as 64 hexadecimal digits. `tick` hears the bytes read so far. Raises OSError."""
    digest, read = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
            read += len(block)
            tick(read)
    return digest.hexdigest()


def flush_folder(folder: Path) -> None:
    """Flush a folder's list of names to disk, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_durably(path: Path, text: str) -> None:
    """Write a small file so that a crash leaves the old one or the new one, never half of it."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        with scratch.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(path)
        flush_folder(path.parent)


@contextlib.contextmanager
def locked(name: str, progress: Progress, what: str = "") -> Iterator[None]:
    """Hold the lock called `name` (shown as `what`) against every other process. Freed by the system if this process dies."""
    path = work("locks") / f"{name}.lock"
    with writing(path):
        stream = path.open("a+b")
    with stream:
        told = False
        while not _try_lock(stream.fileno(), path):
            if not told:
                progress(0.0, f"{what or name}: waiting for another process that is fetching it")
            told = True
            time.sleep(0.05)
        yield


def _try_lock(handle: int, path: Path) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(handle, 0, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        raise CannotWrite(
            f"The file system of {path} has no locks: {error.strerror or error}.",
            fix="set BAKEOFF_HOME to a folder on a local disk",
        ) from error
    return True


def read_manifest(folder: Path) -> Mapping[str, Any]:
    """The manifest of a cached folder, or an empty mapping if there is none that can be read."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("files"), dict) else {}


def write_manifest(folder: Path, extra: Mapping[str, Any], hashes: Mapping[str, str]) -> None:
    """Record the files of a folder as checked just now: size, SHA-256 and modification time of each."""
    files = {}
    for name, digest in hashes.items():
        stat = (folder / name).stat()
        files[name] = {"size": stat.st_size, "sha256": digest, "mtime_ns": stat.st_mtime_ns}
    write_durably(folder / MANIFEST, json.dumps({**extra, "files": files}, indent=1, sort_keys=True) + "\n")


def untouched(folder: Path, files: Mapping[str, str]) -> bool:
    """Whether every file has the recorded hash, and the size and modification time it had when it was hashed."""
    recorded = read_manifest(folder).get("files", {})
    for name, digest in files.items():
        entry = recorded.get(name)
        if not isinstance(entry, dict) or entry.get("sha256") != digest:
            return False
        try:
            stat = (folder / name).stat()
        except OSError:
            return False
        if (stat.st_size, stat.st_mtime_ns) != (entry.get("size"), entry.get("mtime_ns")):
            return False
    return True


def hashes_of(asset: Asset) -> dict[str, str]:
    """The stated SHA-256 of every file of an asset, by file name."""
    return {file.name: file.sha256 for file in asset.files}


def is_right(path: Path, file: File) -> bool:
    """Whether `path` holds exactly the stated bytes (size first, then the hash)."""
    try:
        return path.is_file() and path.stat().st_size == file.size and sha256(path) == file.sha256
    except OSError:
        return False


def clear_strays(staging: Path, wanted: Container[str]) -> None:
    """Delete what an interrupted fetch left in `staging` of an older catalogue or commit: a stray shard would be loaded."""
    for path in [p for p in staging.rglob("*") if p.is_file() and p.relative_to(staging).as_posix() not in wanted]:
        path.unlink()


def publish(staging: Path, final: Path) -> None:
    """Put a finished folder in place of whatever stood there, at once."""
    with writing(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        flush_folder(staging)
        if final.exists() or final.is_symlink():
            old = work("old") / f"{final.name}.{os.getpid()}.{time.time_ns()}"
            final.rename(old)
            staging.rename(final)
            if old.is_symlink() or not old.is_dir():
                old.unlink()
            else:
                shutil.rmtree(old, ignore_errors=True)
        else:
            staging.rename(final)
        flush_folder(final.parent)


def sweep(now: float) -> None:
    """Delete half-done downloads that nobody has touched for a week."""
    downloads = where() / ".work" / "downloads"
    for path in downloads.glob("*") if downloads.is_dir() else ():
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > KEEP_PARTS_SECONDS:
                path.unlink()
