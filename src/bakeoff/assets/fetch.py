"""Bring an asset of the catalogue into the cache: from what is here, a local folder, the hub, or package mirrors.

Sources are tried in that order, file by file; one that cannot help adds one line to the story and the next is tried.
Whatever the source, a file counts only with its stated size and SHA-256.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bakeoff.assets import archive as archives
from bakeoff.assets import download, hub, index, npm, store
from bakeoff.assets.catalogue import Archive, Asset, File, asset_named
from bakeoff.contract import Progress, quiet
from bakeoff.errors import AssetError

if TYPE_CHECKING:
    import httpx

Status = Literal["present", "missing", "corrupt"]

UNKNOWN_ARCHIVE_LIMIT = 4 << 30
"""Most bytes of an archive whose size neither the catalogue nor the index states."""


def fetch(name: str, *, progress: Progress = quiet) -> Path:
    """The cached folder of an asset, fetched first if it is not there.

    A folder that is there is trusted if every file has the size and modification time it had when it was hashed, and
    hashed again otherwise; a spoilt file is fetched again. Processes that fetch at the same time wait for one another.

    Parameters
    ----------
    name : str
        A name of `catalogue`.
    progress : Progress
        Hears the fraction of the asset's bytes that are here, and one line for each source that could not help.

    Raises
    ------
    AssetError
        If the name is unknown, no source has the right bytes, or the cache cannot be written.
    """
    return _fetch(asset_named(name), progress, frozenset())


def pull(names: Iterable[str], progress: Progress = quiet) -> dict[str, Path]:
    """Fetch several assets; a package file that several of them share is downloaded once. Raises AssetError."""
    assets = [asset_named(name) for name in dict.fromkeys(names)]
    uses = Counter(archive for asset in assets for archive in asset.archives)
    shared = frozenset(archive for archive, count in uses.items() if count > 1)
    total, done, found = sum(asset.size for asset in assets) or 1, 0, {}
    try:
        for asset in assets:
            found[asset.name] = _fetch(asset, _within(progress, done / total, asset.size / total), shared)
            done += asset.size
    finally:
        for archive in shared:
            (store.where() / ".work" / "downloads" / _key(archive)).unlink(missing_ok=True)
    return found


def _within(progress: Progress, start: float, share: float) -> Progress:
    def part(fraction: float, note: str = "") -> None:
        progress(start + share * fraction, note)

    return part


def file(name: str, filename: str, *, progress: Progress = quiet) -> Path:
    """One file of an asset, fetched with the rest of it if needed. A wrong file name is answered with the right ones."""
    asset = asset_named(name)
    if filename not in {file.name for file in asset.files}:
        raise AssetError(f"{name} has no file {filename!r}.", fix=f"use one of: {', '.join(file.name for file in asset.files)}")
    return fetch(name, progress=progress) / filename


def status(name: str) -> Status:
    """Whether an asset is 'present' and right, 'missing', or 'corrupt'. Hashes only what changed since it was last hashed."""
    asset = asset_named(name)
    folder = store.where() / name
    if store.untouched(folder, store.hashes_of(asset)):
        return "present"
    if not folder.exists():
        return "missing"
    return "present" if all(store.is_right(folder / file.name, file) for file in asset.files) else "corrupt"


def check(name: str) -> tuple[str, ...]:
    """Hash every cached file of an asset again: one line for each that is missing or wrong; empty if all are right."""
    asset, problems = asset_named(name), []
    folder = store.where() / name
    for file in asset.files:
        path = folder / file.name
        try:
            got = store.sha256(path)
        except OSError as error:
            problems.append(f"{name}/{file.name}: {error.strerror or error}")
            continue
        if got != file.sha256:
            problems.append(f"{name}/{file.name} has SHA-256 {got}; expected {file.sha256}")
    return tuple(problems)


@dataclass
class _Job:
    """One fetch under way: what is wanted, where it is put together, who listens, and why each source failed."""

    asset: Asset
    staging: Path
    progress: Progress
    shared: frozenset[Archive]
    lines: list[str] = field(default_factory=list)
    done: int = 0
    joined: int = 0
    shown: float = 0.0
    spoke: float = 0.0

    def say(self, line: str) -> None:
        if line not in self.lines:
            self.lines.append(line)
            self.progress(self.shown, f"{self.asset.name}: {line}")

    def tick(self, weight: int, total: int, note: str) -> Callable[[int], None]:
        """A listener for bytes here of `total`, worth `weight` bytes of the asset."""

        def hear(here: int) -> None:
            self.shown = max(
                self.shown, min(1.0, (self.done + self.joined + weight * min(1.0, here / (total or 1))) / (self.asset.size or 1))
            )
            now = time.monotonic()
            if now - self.spoke >= 0.1 or here >= total:
                self.spoke = now
                self.progress(self.shown, f"{self.asset.name}: {note}, {here / 1e6:.1f} of {total / 1e6:.1f} MB")

        return hear

    def place(self, scratch: Path, file: File) -> None:
        """Move a checked file to its place in the staging folder."""
        target = self.staging / file.name
        with store.writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            scratch.replace(target)
        self.done += file.size
        self.joined = 0

    def copy(self, source: Path, file: File) -> bool:
        """Copy a file from elsewhere on this machine if it is the right one."""
        if not store.is_right(source, file):
            return False
        scratch = store.work("downloads") / f"{self.asset.name}.{file.sha256}.copy"
        with store.writing(scratch), source.open("rb") as here, scratch.open("wb") as there:
            shutil.copyfileobj(here, there, store.BLOCK)
            there.flush()
            os.fsync(there.fileno())
        if not store.is_right(scratch, file):  # it changed while it was copied
            return False
        self.place(scratch, file)
        return True


def _fetch(asset: Asset, progress: Progress, shared: frozenset[Archive]) -> Path:
    final, hashes = store.where() / asset.name, store.hashes_of(asset)
    if store.untouched(final, hashes):
        return final
    with store.locked(asset.name, progress):
        if store.untouched(final, hashes):
            return final
        if final.is_dir() and all(store.is_right(final / file.name, file) for file in asset.files):
            with contextlib.suppress(AssetError):  # a cache that is right but cannot be written is hashed again next time
                store.write_manifest(final, _told(asset), hashes)
            return final
        job = _Job(asset, store.work("staging", asset.name), progress, shared)
        store.clear_strays(job.staging, hashes)
        missing = [file for file in asset.files if not _here(job, file, final)]
        for source in (_from_folders, _from_hub, _from_mirrors):
            missing = source(job, missing) if missing else []
        if missing:
            raise AssetError(
                f"{asset.name} could not be fetched: {'; '.join(job.lines) or 'no source holds it'}.",
                fix=f"put {', '.join(f.name for f in missing[:3])}{' ...' if len(missing) > 3 else ''} (from {asset.home}) in a folder "
                "and set BAKEOFF_ASSETS_DIR to it",
            )
        store.write_manifest(job.staging, _told(asset), hashes)
        store.publish(job.staging, final)
        store.sweep(time.time())
        progress(1.0, f"{asset.name}: here, {asset.size / 1e6:.1f} MB, {asset.licence}")
    return final


def _told(asset: Asset) -> dict[str, str]:
    return {"name": asset.name, "kind": asset.kind, "licence": asset.licence, "home": asset.home}


def _here(job: _Job, file: File, final: Path) -> bool:
    """Whether a file is already in the staging folder, or somewhere in the cache and now copied."""
    if store.is_right(job.staging / file.name, file):
        job.done += file.size
        return True
    if job.copy(final / file.name, file):
        return True
    for manifest in sorted(store.where().glob(f"*/{store.MANIFEST}")):
        for name, entry in store.read_manifest(manifest.parent).get("files", {}).items():
            if isinstance(entry, dict) and entry.get("sha256") == file.sha256 and job.copy(manifest.parent / name, file):
                return True
    return False


def _folders() -> list[Path]:
    return [Path(part).expanduser() for part in os.environ.get("BAKEOFF_ASSETS_DIR", "").split(os.pathsep) if part]


def _from_folders(job: _Job, missing: list[File]) -> list[File]:
    left = []
    for file in missing:
        places = [p for folder in _folders() for p in (folder / job.asset.name / file.name, folder / file.name)]
        if any(job.copy(place, file) for place in places):
            continue
        left.append(file)
        for place in places:
            if place.is_file():
                job.say(f"{place} has SHA-256 {store.sha256(place)}; expected {file.sha256}")
    return left


def _from_hub(job: _Job, missing: list[File]) -> list[File]:
    wanted = [file for file in missing if file.hub]
    if not wanted:
        return missing
    off = hub.offline()
    if off:
        job.say(f"the hub is off ({off})")
        return missing
    got: set[str] = set()
    with download.client() as http:
        for file in wanted:
            note = f"{file.name} from {download.host_of(hub.endpoint())}"
            try:
                _hub_file(job, http, file, note)
                got.add(file.name)
            except download.Refused as problem:
                job.say(f"hub {problem}")
            except download.Unreachable as problem:
                job.say(f"hub {problem}")
                break
    return [file for file in missing if file.name not in got]


def _hub_file(job: _Job, http: httpx.Client, file: File, note: str) -> None:
    part = store.work("downloads") / f"{file.sha256}.part"
    with store.locked(file.sha256, job.progress, file.name):
        download.download(
            http,
            hub.file_url(file.hub, file.hub_path),
            part,
            size=file.size,
            matches=download.says_sha256(file.sha256, file.name),
            headers=hub.login(),
            tick=job.tick(file.size, file.size, note),
        )
        job.place(part, file)


def _from_mirrors(job: _Job, missing: list[File]) -> list[File]:
    wanted = [file for file in missing if file.pieces]
    if not wanted:
        return missing
    uses = Counter(piece.archive for file in wanted for piece in file.pieces)
    got: set[str] = set()
    mirror = _Mirror(job)
    try:
        for file in wanted:
            try:
                _join(job, mirror, file, uses)
                got.add(file.name)
            except download.Unreachable as problem:
                job.say(str(problem))
            except store.CannotWrite:
                raise
            except AssetError as problem:
                job.say(problem.what.rstrip("."))
    finally:
        mirror.close()
    return [file for file in missing if file.name not in got]


def _join(job: _Job, mirror: _Mirror, file: File, uses: Counter[Archive]) -> None:
    """Put one file together from its pieces, going on from those that are already joined."""
    joined = store.work("downloads") / f"{job.asset.name}.{file.sha256}.join"
    end = 0
    for piece in file.pieces:
        start, end = end, end + piece.size
        uses[piece.archive] -= 1
        here = joined.stat().st_size if joined.exists() else 0
        job.joined = start
        if here < end:
            with store.locked(_key(piece.archive), job.progress, piece.archive.filename):
                source, ours = mirror.bring(piece.archive)
                try:
                    with store.writing(joined), joined.open("r+b" if joined.exists() else "wb") as stream:
                        stream.truncate(start)
                        stream.seek(start)
                        archives.extract(source, piece, stream, store.work("downloads"))
                        stream.flush()
                        os.fsync(stream.fileno())
                except store.CannotWrite:
                    raise
                except AssetError:
                    # What a damaged archive gave must not count as a finished piece, nor the archive as a good one, next time.
                    os.truncate(joined, start)
                    if not start:
                        joined.unlink()
                    if ours:
                        source.unlink(missing_ok=True)
                    raise
                if ours and not uses[piece.archive] and piece.archive not in job.shared:
                    source.unlink(missing_ok=True)
    if file.convert:
        _check_joined(joined, file.name, file.raw_size, file.raw_sha256)
        raw = joined
        joined = raw.with_suffix(".converted")
        try:
            from bakeoff.assets.torch_checkpoint import convert_checkpoint

            convert_checkpoint(raw, joined)
        finally:
            raw.unlink()
    _check_joined(joined, file.name, file.size, file.sha256)
    job.place(joined, file)


def _check_joined(path: Path, name: str, size: int, sha256: str) -> None:
    got = store.sha256(path) if path.stat().st_size == size else ""
    if got != sha256:
        path.unlink()
        raise download.WrongBytes(f"package mirror: {name} has SHA-256 {got or 'of another size'}; expected {sha256}")


def _key(archive: Archive) -> str:
    return archive.sha256 or hashlib.sha256(f"{archive.project}/{archive.filename}".encode()).hexdigest()


class _Mirror:
    """The package indexes, asked once per file, with one HTTP client per way of trusting a host."""

    def __init__(self, job: _Job) -> None:
        self.job = job
        self.settings: index.Settings | None = None
        self.npm: npm.Settings | None = None
        self.clients: dict[bool | str, httpx.Client] = {}
        self.checked: dict[Path, tuple[int, int]] = {}

    def close(self) -> None:
        for client in self.clients.values():
            client.close()

    def web(self, address: str) -> httpx.Client:
        settings = self.settings or index.settings()
        host = download.host_of(address)
        verify = not ({host, host.partition(":")[0]} & settings.trusted)
        if verify not in self.clients:
            self.clients[verify] = download.client(
                cert=settings.cert, client_cert=settings.client_cert, proxy=settings.proxy, verify=verify
            )
        return self.clients[verify]

    def npm_web(self, address: str) -> httpx.Client:
        if "npm" not in self.clients:
            settings = self.npm or npm.settings()
            self.clients["npm"] = download.client(cert=settings.cert, proxy=settings.proxy, verify=settings.verify)
        return self.clients["npm"]

    def bring(self, archive: Archive) -> tuple[Path, bool]:
        """A checked package file: its path, and whether it is ours to delete. Raises Unreachable."""
        kept = store.work("downloads") / _key(archive)
        for path, ours in ((kept, True), *((folder / archive.filename, False) for folder in _folders())):
            if self._right(path, archive.sha256):
                return path, ours
        off = os.environ.get("BAKEOFF_OFFLINE") and hub.offline()
        places, problems = self._find(archive, offline=bool(off))
        for problem in problems:
            self.job.say(problem)
        reasons = []
        for place in places:
            try:
                return self._from(place, archive, kept)
            except download.Unreachable as problem:
                reasons.append(f"package mirror {problem}")
        nothing = (
            f"package mirrors are off ({off})"
            if off
            else problems[-1]
            if problems
            else f"no package index offers {archive.filename}"
        )
        raise download.Unreachable("; ".join(reasons) or nothing)

    def _find(self, archive: Archive, *, offline: bool) -> tuple[list[index.Found], list[str]]:
        if archive.registry == "npm":
            if offline:
                return [], []
            self.npm = self.npm or npm.settings()
            return npm.find(archive, self.npm, self.npm_web, offline=offline)
        if self.settings is None:
            self.settings = index.settings()
        if not self.settings.indexes and not self.settings.links:
            raise download.Unreachable("no package index is known (set PIP_INDEX_URL)")
        return index.find(archive, self.settings, self.web, offline=offline)

    def _from(self, place: index.Found, archive: Archive, kept: Path) -> tuple[Path, bool]:
        expected = archive.sha256 or place.sha256
        local = index.local_path(place.address)
        if local is not None:
            if not self._right(local, expected):
                raise download.WrongBytes(f"{local} has SHA-256 {store.sha256(local)}; expected {expected}")
            return local, False
        size = archive.size or place.size
        weight = sum(piece.size for file in self.job.asset.files for piece in file.pieces if piece.archive == archive)
        part = kept.with_name(kept.name + ".part")
        download.download(
            self.npm_web(place.address) if archive.registry == "npm" else self.web(place.address),
            place.address,
            part,
            size=size,
            limit=size or UNKNOWN_ARCHIVE_LIMIT,
            matches=download.says_sha256(expected, archive.filename) if expected else lambda path: "",
            tick=self.job.tick(weight, size, f"{archive.filename} from a package mirror"),
        )
        with store.writing(kept):
            part.replace(kept)
        self._remember(kept)
        return kept, True

    def _right(self, path: Path, expected: str) -> bool:
        if not path.is_file():
            return False
        stat = path.stat()
        if self.checked.get(path) != (stat.st_size, stat.st_mtime_ns):
            # Without a stated hash a kept or local archive is taken as it is: its files' own hashes decide.
            if expected and store.sha256(path) != expected:
                return False
            self._remember(path)
        return True

    def _remember(self, path: Path) -> None:
        stat = path.stat()
        self.checked[path] = (stat.st_size, stat.st_mtime_ns)
