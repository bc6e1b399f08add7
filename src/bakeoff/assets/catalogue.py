"""What there is to fetch: names, licences, sizes, hashes, and where each byte can come from.

The list itself is ``catalogue.toml``. Nothing here reads the cache or the network.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from bakeoff.errors import AssetError, nearest

KINDS = ("weights", "data")
REGISTRIES = ("pip", "npm")

_FIX = "correct the file that BAKEOFF_CATALOGUE names, or reinstall bakeoff"

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill")
"""Endings of files that run code when they are loaded. None is ever fetched."""


@dataclass(frozen=True)
class Archive:
    """A package file on a package index. `sha256` and `size` (bytes) are '' and 0 when not stated.

    `registry` says which: 'pip' for the index that pip is set up for, 'npm' for the registry that npm is.
    """

    project: str
    filename: str
    size: int = 0
    sha256: str = ""
    registry: str = "pip"


@dataclass(frozen=True)
class Piece:
    """Bytes inside an archive: a member of it or, with `inner`, a member of the archive that the member is.

    `size` is the exact number of bytes.
    """

    archive: Archive
    member: str
    size: int
    inner: str = ""


@dataclass(frozen=True)
class File:
    """One file of an asset: its path in the cached folder, its exact size in bytes, and its SHA-256.

    With `convert` (``torch``) the pieces make a checkpoint of `raw_size` bytes and `raw_sha256`, which is read without running
    anything in it and kept as safetensors; size and hash are of what is kept.
    """

    name: str
    size: int
    sha256: str
    hub: str = ""
    hub_path: str = ""
    pieces: tuple[Piece, ...] = ()
    convert: str = ""
    raw_size: int = 0
    raw_sha256: str = ""


@dataclass(frozen=True)
class Asset:
    """Weights or data under one name. `kind` is 'weights' or 'data'; `licence` an SPDX name; `home` the page upstream."""

    name: str
    kind: str
    licence: str
    description: str
    home: str
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def archives(self) -> tuple[Archive, ...]:
        """The package files that hold it, each once, in order."""
        return tuple(dict.fromkeys(piece.archive for file in self.files for piece in file.pieces))


def safe_path(name: str, what: str) -> str:
    """`name` if it is a plain relative path with forward slashes.

    Raises
    ------
    AssetError
        If it is empty, absolute, contains ``..``, a backslash, a colon or a control character, or ends like a pickle.
    """
    parts = PurePosixPath(name).parts
    odd = not name or name.startswith("/") or ".." in parts or any(c in '\\:*?"<>|' or ord(c) < 32 for c in name)
    if odd or "/".join(parts) != name:
        raise AssetError(
            f"{what} has the path {name!r}, which is not a plain relative path.", fix="do not use this catalogue or source"
        )
    return name


def parse(text: str) -> Mapping[str, Asset]:
    """A catalogue in TOML (see ``catalogue.toml``) as assets by name.

    Raises
    ------
    AssetError
        If it is not TOML, an entry lacks a field, a hash is not 64 hexadecimal digits, a path leaves its folder, a file
        is a pickle, or the pieces' sizes do not add up to their file's.
    """
    try:
        document = tomllib.loads(text)
        archives = {key: _archive(key, entry) for key, entry in document.get("archives", {}).items()}
        assets = {name: _asset(name, entry, archives) for name, entry in document.get("assets", {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AssetError(f"The catalogue of assets cannot be read: {error!r}.", fix=_FIX) from error
    return MappingProxyType(assets)


def _archive(key: str, entry: Mapping[str, Any]) -> Archive:
    archive = Archive(**entry)
    if archive.registry not in REGISTRIES:
        raise AssetError(
            f"The catalogue's archive {key!r} names the registry {archive.registry!r}; known are {' and '.join(REGISTRIES)}.",
            fix=_FIX,
        )
    if archive.registry == "npm" and not re.fullmatch(r"(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*", archive.project):
        raise AssetError(
            f"The catalogue's archive {key!r} has {archive.project!r}, which is no name of an npm package.", fix=_FIX
        )
    return archive


def _asset(name: str, entry: Mapping[str, Any], archives: Mapping[str, Archive]) -> Asset:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name) or entry["kind"] not in KINDS:
        raise AssetError(f"The catalogue's entry {name!r} ({entry['kind']}) is not a name of {' or '.join(KINDS)}.", fix=_FIX)
    files = tuple(_file(name, file, archives) for file in entry["files"])
    return Asset(name, entry["kind"], entry["licence"], entry["description"], entry["home"], files)


def _file(asset: str, entry: Mapping[str, Any], archives: Mapping[str, Archive]) -> File:
    name, size, sha256 = safe_path(entry["name"], f"A file of {asset!r}"), int(entry["size"]), entry["sha256"]
    if not re.fullmatch(r"[0-9a-f]{64}", sha256) or size < 0:
        raise AssetError(f"The catalogue states no proper size and SHA-256 for {asset}/{name}.", fix=_FIX)
    if name.lower().endswith(PICKLES) or name == "manifest.json":
        raise AssetError(f"The catalogue lists {asset}/{name}, a kind of file that is never fetched.", fix=_FIX)
    given, convert = entry.get("from", []), str(entry.get("convert", ""))
    joined, raw = (int(entry["raw_size"]), str(entry["raw_sha256"])) if convert else (size, "")
    if convert not in ("", "torch") or (convert and not re.fullmatch(r"[0-9a-f]{64}", raw)):
        raise AssetError(f"The catalogue does not say properly how {asset}/{name} is converted.", fix=_FIX)
    pieces = tuple(
        Piece(archives[p["archive"]], p["member"], p["size"] if len(given) > 1 else joined, p.get("inner", "")) for p in given
    )
    for piece in pieces:
        safe_path(piece.member, f"A member for {asset}/{name}")
        safe_path(piece.inner or piece.member, f"An inner member for {asset}/{name}")
    if pieces and sum(piece.size for piece in pieces) != joined:
        raise AssetError(f"The pieces of {asset}/{name} do not add up to its size.", fix=_FIX)
    return File(
        name, size, sha256, entry.get("hub", ""), entry.get("hub_path", name), pieces, convert, joined if convert else 0, raw
    )


def catalogue() -> Mapping[str, Asset]:
    """Every asset that can be fetched by name. Read-only.

    ``BAKEOFF_CATALOGUE`` may name a TOML file of one's own in the same form; its entries are added, and win.

    Raises
    ------
    AssetError
        If that file cannot be read.
    """
    own = os.environ.get("BAKEOFF_CATALOGUE", "")
    if not own:
        return _built_in()
    try:
        text = Path(own).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AssetError(f"The catalogue {own} cannot be read: {error}.", fix="correct or unset BAKEOFF_CATALOGUE") from error
    return MappingProxyType({**_built_in(), **parse(text)})


@cache
def _built_in() -> Mapping[str, Asset]:
    return parse(package_files("bakeoff.assets").joinpath("catalogue.toml").read_text(encoding="utf-8"))


def asset_named(name: str) -> Asset:
    """One asset of the catalogue. A wrong name is answered with the right ones (AssetError)."""
    known = catalogue()
    if name not in known:
        raise AssetError(f"No weights or data are called {name!r}.", fix=nearest(name, known))
    return known[name]
