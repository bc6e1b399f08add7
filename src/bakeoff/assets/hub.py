"""Files on a model hub: one file by its hash, or a whole repository of safe files.

Plain HTTPS, so the hub's own package is not needed. ``HF_ENDPOINT`` names another hub, ``HF_TOKEN`` logs in,
``HF_HUB_OFFLINE=1`` or ``BAKEOFF_OFFLINE=1`` keeps away from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from bakeoff.assets import download, store
from bakeoff.assets.catalogue import PICKLES, safe_path
from bakeoff.contract import Progress, quiet
from bakeoff.errors import AssetError

if TYPE_CHECKING:
    import httpx

FORMATS = (".safetensors", ".onnx", ".gguf")
"""Weights that cannot run code, in order of preference."""

SAFE = (*FORMATS, ".json", ".txt", ".model", ".vocab")
"""The only endings that a snapshot takes."""

DATA = (".csv", ".tsv", ".jsonl", ".parquet", ".json", ".txt")


@dataclass(frozen=True)
class Remote:
    """One file of a repository, as the hub lists it. `digest` is ``sha256:...`` or ``git:...`` (a git blob's SHA-1), or ''."""

    name: str
    size: int
    digest: str


REACH_SECONDS = 3.0
"""How long the hub may take to accept a connection before it counts as out of reach."""


def offline() -> str:
    """The environment variable that forbids the hub, or '' if none does."""
    for name in ("BAKEOFF_OFFLINE", "HF_HUB_OFFLINE"):
        if os.environ.get(name, "").strip().lower() in ("1", "true", "yes", "on"):
            return name
    return ""


def reachable() -> bool:
    """Whether the hub takes a connection within `REACH_SECONDS`. In a thread, because looking up a name cannot be given a limit."""
    from huggingface_hub import constants

    if offline() or constants.HF_HUB_OFFLINE:
        return False
    address = urlsplit(constants.ENDPOINT)
    reached = threading.Event()

    def knock() -> None:
        try:
            port = address.port or (443 if address.scheme == "https" else 80)
            socket.create_connection((address.hostname or "", port), timeout=REACH_SECONDS).close()
        except (OSError, ValueError):
            return
        reached.set()

    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    thread.join(REACH_SECONDS)
    return reached.is_set()


def endpoint() -> str:
    """The hub's address."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def login() -> dict[str, str]:
    """The header that logs in, if ``HF_TOKEN`` is set."""
    token = os.environ.get("HF_TOKEN", "").strip()
    return {"Authorization": f"Bearer {token}"} if token else {}


def file_url(repository: str, path: str, revision: str = "main") -> str:
    """The address of one file."""
    return f"{endpoint()}/{quote(repository)}/resolve/{quote(revision, safe='')}/{quote(path)}"


@dataclass(frozen=True)
class Spec:
    """``hub:org/name[@revision][:file]`` taken apart."""

    repository: str
    revision: str
    file: str

    @classmethod
    def parse(cls, text: str) -> Spec:
        """Take a spec apart; AssetError if it is not one."""
        found = re.fullmatch(r"hub:([\w.-]+/[\w.-]+)(?:@([\w./-]+))?(?::(.+))?", text)
        if not found or ".." in text:
            raise AssetError(
                f"{text!r} is not a hub name.", fix="write hub:org/name, hub:org/name@revision or hub:org/name:file.gguf"
            )
        repository, revision, file = found.group(1), found.group(2) or "main", found.group(3) or ""
        if file.lower().endswith(PICKLES):
            raise AssetError(
                f"{text!r} is a pickle, which can run code when it is loaded.", fix="name a .safetensors, .onnx or .gguf file"
            )
        return cls(repository, revision, safe_path(file, f"{text!r}") if file else "")

    def folder(self, kind: str) -> Path:
        """Where its snapshot of one kind is kept."""
        tail = f"@{self.revision}:{self.file or kind}"
        mark = hashlib.sha256(f"{self.repository}{tail}".encode()).hexdigest()[:10]
        plain = re.sub(r"[^\w.-]", "-", f"{self.repository.replace('/', '--')}-{self.revision}")
        return store.where() / "hub" / f"{plain}-{mark}"


def snapshot(text: str, *, kind: str, progress: Progress = quiet) -> Path:
    """The safe files of a repository, cached under the commit they came from.

    Parameters
    ----------
    text : str
        ``hub:org/name[@revision][:file]``. With a file, only that one and the small text files beside it are taken.
    kind : str
        'weights' (the best of safetensors, ONNX, GGUF that is there), one of those three names, or 'data'.

    Returns
    -------
    Path
        The cached folder, or the file in it when one was named. Once fetched, a revision stays what it was: delete the
        folder to follow a branch that moved.

    Raises
    ------
    AssetError
        If the hub is off or out of reach and nothing is cached, the repository is unknown or closed, holds weights only as
        pickles or several to choose from, or a file's bytes are not those that the hub states.
    """
    spec = Spec.parse(text)
    final = spec.folder(kind)
    if f".{kind}" in FORMATS and not spec.file and _holds(spec.folder("weights"), f".{kind}"):
        return spec.folder("weights")  # fetched ahead of time, when the format that is needed was not known
    cached = store.read_manifest(final)
    if not (cached and store.untouched(final, _hashes(cached))):
        with store.locked(f"hub-{final.name}", progress, text):
            cached = store.read_manifest(final)
            if not (cached and store.untouched(final, _hashes(cached))):
                _bring(spec, text, kind, final, progress)
    return final / spec.file if spec.file else final


def _holds(folder: Path, ending: str) -> bool:
    cached = store.read_manifest(folder)
    return bool(cached) and any(name.endswith(ending) for name in cached["files"]) and store.untouched(folder, _hashes(cached))


def _hashes(manifest: Any) -> dict[str, str]:
    return {name: entry["sha256"] for name, entry in manifest["files"].items()}


def _bring(spec: Spec, text: str, kind: str, final: Path, progress: Progress) -> None:
    off = offline()
    if off:
        raise AssetError(
            f"{text} is not in the cache, and {off} is set.", fix=f"unset {off} once to fetch it, or name a local folder"
        )
    with download.client() as http:
        try:
            commit, remotes = _listing(http, spec)
            chosen = choose(text, remotes, kind, spec.file)
            staging = store.work("staging", f"hub-{final.name}")
            store.clear_strays(staging, {remote.name for remote in chosen})
            hashes, total = {}, sum(remote.size for remote in chosen) or 1
            done = 0
            for remote in chosen:
                tick = _tick(progress, done, total, remote.name)
                hashes[remote.name] = _one(http, spec, commit, remote, staging / remote.name, tick)
                done += remote.size
        except download.Unreachable as problem:
            raise AssetError(
                f"{text} could not be fetched: {problem}.",
                fix="check the name and the line, set HF_TOKEN if it is closed, or name a local folder",
            ) from problem
    store.write_manifest(staging, {"source": f"hub:{spec.repository}", "commit": commit, "kind": kind}, hashes)
    store.publish(staging, final)


def _tick(progress: Progress, done: int, total: int, name: str) -> Callable[[int], None]:
    return lambda here: progress(min(1.0, (done + here) / total), f"{name}: {here / 1e6:.1f} MB")


def _listing(http: httpx.Client, spec: Spec) -> tuple[str, list[Remote]]:
    url = f"{endpoint()}/api/models/{quote(spec.repository)}/revision/{quote(spec.revision, safe='')}?blobs=true"
    page, _, _ = download.text(http, url, headers=login())
    try:
        document = json.loads(page)
        remotes = []
        for entry in document["siblings"]:
            lfs = entry.get("lfs") or {}
            digest = f"sha256:{lfs['sha256']}" if "sha256" in lfs else f"git:{entry['blobId']}" if entry.get("blobId") else ""
            remotes.append(Remote(entry["rfilename"], int(lfs.get("size") or entry.get("size") or 0), digest))
        return str(document["sha"]), remotes
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise download.Refused(f"{download.host_of(url)} answered with something that is not a list of files") from error


def choose(text: str, remotes: list[Remote], kind: str, file: str) -> list[Remote]:
    """The files of a repository that a snapshot takes. Raises AssetError as `snapshot` does; touches nothing."""
    # A file called as our own manifest would be overwritten by it, and the folder then never count as right.
    safe = [r for r in remotes if r.name.lower().endswith(SAFE if kind != "data" else DATA) and r.name != store.MANIFEST]
    for remote in safe:
        safe_path(remote.name, f"A file of {text}")
    if kind == "data" and not file:
        if not safe:
            raise AssetError(f"{text} holds no CSV, TSV, JSON, Parquet or text file.", fix="name a repository that does")
        return safe
    beside = [r for r in safe if not r.name.lower().endswith(FORMATS)]
    if file:
        if file not in {r.name for r in safe}:
            raise AssetError(f"{text}: there is no such file of a safe kind.", fix=f"it holds {_some(r.name for r in safe)}")
        return [r for r in safe if r.name == file] + [r for r in beside if r.name != file and r.size < (64 << 20)]
    wanted = [f".{kind}"] if f".{kind}" in FORMATS else list(FORMATS)
    for ending in wanted:
        weights = [r for r in safe if r.name.lower().endswith(ending)]
        top = [r for r in weights if "/" not in r.name] or weights
        if not top:
            continue
        plain = [r for r in top if r.name.rpartition("/")[2] == "model.onnx"]
        if len(plain) == 1:  # repositories of encoders hold it beside versions for single processors
            top = plain
        if len(top) > 1 and not (ending == ".safetensors" and any(r.name.endswith(".safetensors.index.json") for r in beside)):
            raise AssetError(f"{text} holds several: {_some(r.name for r in top)}.", fix=f"name one, as in {text}:{top[0].name}")
        return top + beside
    pickles = [r.name for r in remotes if r.name.lower().endswith(PICKLES)]
    if pickles:
        raise AssetError(
            f"{text} holds its weights only as pickles ({_some(pickles)}), which can run code when they are loaded.",
            fix="name a revision or repository with .safetensors, .onnx or .gguf",
        )
    raise AssetError(f"{text} holds no {' or '.join(wanted)} file.", fix=f"it holds {_some(r.name for r in remotes)}")


def _some(names: Any) -> str:
    listed = sorted(names)
    return ", ".join(listed[:6]) + (f" and {len(listed) - 6} more" if len(listed) > 6 else "")


def _one(http: httpx.Client, spec: Spec, commit: str, remote: Remote, target: Path, tick: Callable[[int], None]) -> str:
    """Bring one file of a snapshot to `target`, checked; its SHA-256."""
    with store.writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    if not (target.is_file() and not _differs(remote, target)):
        key = hashlib.sha256(f"{spec.repository}@{commit}:{remote.name}".encode()).hexdigest()
        part = store.work("downloads") / f"{key}.part"
        url = file_url(spec.repository, remote.name, commit)
        download.download(
            http,
            url,
            part,
            size=remote.size,
            limit=remote.size or 4 << 30,
            matches=lambda path: _differs(remote, path),
            headers=login(),
            tick=tick,
        )
        with store.writing(target):
            part.replace(target)
    return store.sha256(target)


def _differs(remote: Remote, path: Path) -> str:
    """'' if a file holds what the hub states, otherwise one line."""
    sort, _, expected = remote.digest.partition(":")
    if sort == "sha256":
        got = store.sha256(path)
    elif sort == "git":
        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
        with path.open("rb") as stream:
            while block := stream.read(store.BLOCK):
                digest.update(block)
        got = digest.hexdigest()
    else:
        return ""
    return "" if got == expected else f"{remote.name} has {sort} hash {got}; expected {expected}"
