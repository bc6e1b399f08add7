"""Find a package file the way pip is set up here, without running pip's builds.

`pip download` of a source archive runs the package's own build code to learn its name, so the index is asked directly
(PEP 503 and 691). Index, extra indexes, find-links, certificates, proxy and trusted hosts are the person's pip settings.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit

from bakeoff.assets import download
from bakeoff.assets.catalogue import Archive
from bakeoff.assets.download import Unreachable

if TYPE_CHECKING:
    import httpx

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"


@dataclass(frozen=True)
class Settings:
    """What pip is told here. Addresses may carry a name and password, so none is ever shown whole."""

    indexes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    cert: str = ""
    client_cert: str = ""
    proxy: str = ""
    trusted: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Found:
    """Where a package file is: a web address or a local path, with the SHA-256 and size that the index states ('' and 0 if none)."""

    address: str
    sha256: str = ""
    size: int = 0


@lru_cache(maxsize=8)
def _pip_list(environment: tuple[tuple[str, str], ...]) -> str:
    # `pip config list` is pip's own, stable reading of its many files. Only ``PIP_*`` and HOME matter to it, hence the key.
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


@lru_cache(maxsize=1)
def _pip_default_index() -> str:
    # Asked in a process of its own: importing pip's inside changes this process's logging.
    script = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"
    try:
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def settings() -> Settings:
    """pip's settings in pip's order of precedence: files (global, user, site), the `download` section, the environment."""
    keys = tuple(
        sorted((k, v) for k, v in os.environ.items() if k.startswith("PIP_") or k in ("HOME", "XDG_CONFIG_HOME", "APPDATA"))
    )
    said = {"global": {}, "download": {}, ":env:": {}}  # type: dict[str, dict[str, str]]
    for line in _pip_list(keys).splitlines():
        section, _, rest = line.partition(".") if not line.startswith(":env:") else (":env:", ".", line[6:])
        key, _, value = rest.partition("=")
        if section in said:
            try:
                said[section][key.strip()] = str(ast.literal_eval(value))
            except (ValueError, SyntaxError):
                continue
    if not said[":env:"]:  # without pip there are no files of its own to read, but the variables still count
        said[":env:"] = {k[4:].lower().replace("_", "-"): v for k, v in os.environ.items() if k.startswith("PIP_")}
    merged: dict[str, str] = {}
    for section in ("global", "download", ":env:"):
        merged |= {key: value for key, value in said[section].items() if value.strip()}
    main: tuple[str, ...] = ()
    if merged.get("no-index", "").lower() not in ("1", "true", "yes", "on"):
        main = (merged.get("index-url") or _pip_default_index(), *merged.get("extra-index-url", "").split())
    return Settings(
        indexes=tuple(dict.fromkeys(url for url in main if url)),
        links=tuple(merged.get("find-links", "").split()),
        cert=merged.get("cert", ""),
        client_cert=merged.get("client-cert", ""),
        proxy=merged.get("proxy", ""),
        trusted=frozenset(merged.get("trusted-host", "").split()),
    )


def local_path(address: str) -> Path | None:
    """The path an address means on this machine (``file://`` or a plain path), or None for a web address."""
    if address.startswith("file:"):
        from urllib.request import url2pathname  # brings ssl with it

        return Path(url2pathname(urlsplit(address).path))
    return None if re.match(r"[a-z][a-z0-9+.-]*://", address) else Path(address).expanduser()


def find(archive: Archive, here: Settings, web: Any, *, offline: bool) -> tuple[list[Found], list[str]]:
    """Every place that offers a package file, in order, and one line for each index that did not answer.

    Parameters
    ----------
    archive : Archive
        The file looked for, by its exact name.
    here : Settings
        From `settings`.
    web : callable
        ``web(address)`` gives the HTTP client for an address.
    offline : bool
        True looks only at folders of this machine.
    """
    found: list[Found] = []
    problems: list[str] = []
    project = re.sub(r"[-_.]+", "-", archive.project).lower()
    pages = [(link, local_path(link)) for link in here.links]
    pages += [(url, local_path(url)) for url in (f"{index.rstrip('/')}/{project}/" for index in here.indexes)]
    for url, folder in sorted(pages, key=lambda page: page[1] is None):
        if folder is not None:
            found += _in_folder(archive, folder)
        elif not offline:
            try:
                found += _on_page(archive, web(url), url)
            except Unreachable as problem:
                problems.append(f"package index {problem}")
    stated = archive.sha256
    return [f for f in found if not stated or not f.sha256 or f.sha256 == stated], problems


def _in_folder(archive: Archive, folder: Path) -> list[Found]:
    if (folder / archive.filename).is_file():
        return [Found(str(folder / archive.filename))]
    page = folder / "index.html" if folder.is_dir() else folder
    if page.suffix.lower() not in (".html", ".htm") or not page.is_file():
        return []
    found = _links(page.read_text(encoding="utf-8", errors="replace"), page.resolve().as_uri(), archive.filename)
    return [Found(str(path), f.sha256) for f in found if (path := local_path(f.address)) and path.is_file()]


def _on_page(archive: Archive, http: httpx.Client, url: str) -> list[Found]:
    page, kind, final = download.text(http, url, headers={"Accept": ACCEPT})
    if "json" not in kind:
        found = _links(page, final, archive.filename)
    else:
        import json

        try:
            entries = [entry for entry in json.loads(page)["files"] if entry["filename"] == archive.filename]
            found = [
                Found(urljoin(final, e["url"]), e.get("hashes", {}).get("sha256", ""), int(e.get("size") or 0)) for e in entries
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unreachable(f"{download.host_of(url)} answered with a page that is not an index") from error
    return [Found(_with_login(f.address, url), f.sha256, f.size) for f in found]


def _with_login(address: str, index: str) -> str:
    """`address` with the index's own name and password, if it is on the index's host and brings none."""
    file, home = urlsplit(address), urlsplit(index)
    if (
        "@" in file.netloc
        or "@" not in home.netloc
        or (file.scheme, file.hostname, file.port) != (home.scheme, home.hostname, home.port)
    ):
        return address
    return urlunsplit(file._replace(netloc=f"{home.netloc.rpartition('@')[0]}@{file.netloc}"))


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if tag == "a" and href:
            self.links.append(href)


def _links(page: str, base: str, filename: str) -> list[Found]:
    anchors = _Anchors()
    anchors.feed(page)
    found = []
    for href in anchors.links:
        address, fragment = urldefrag(urljoin(base, href))
        if unquote(urlsplit(address).path).rpartition("/")[2] == filename:
            digest = re.search(r"sha256=([0-9a-f]{64})", fragment)
            found.append(Found(address, digest.group(1) if digest else ""))
    return found
