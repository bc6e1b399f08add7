"""Find a package file the way npm is set up here, without npm's installing anything.

Registry, certificates and proxy are the person's npm settings, as npm itself reports them; without npm on this machine its
environment variables and the person's ``.npmrc`` are read. What comes back is checked against the catalogue's SHA-256 whoever answered.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

from bakeoff.assets import download
from bakeoff.assets.catalogue import Archive
from bakeoff.assets.download import Unreachable
from bakeoff.assets.index import Found

if TYPE_CHECKING:
    import httpx

KEYS = ("registry", "cafile", "https-proxy", "proxy", "strict-ssl")


@dataclass(frozen=True)
class Settings:
    """What npm is told here. `registries` by scope (``@org``), '' for all others. Addresses may carry a login: never shown whole."""

    registries: Mapping[str, str]
    cert: str = ""
    proxy: str = ""
    verify: bool = True

    def registry(self, project: str) -> str:
        """The registry of a package: its scope's where it has one of its own."""
        scope = project.partition("/")[0] if project.startswith("@") else ""
        return self.registries.get(scope) or self.registries[""]


def settings() -> Settings:
    """npm's settings: as ``npm config list`` gives them, else from the environment and ``.npmrc``; no registry where none of them names one."""
    environment = tuple(
        sorted(
            (key, value) for key, value in os.environ.items() if key.lower().startswith("npm_config_") or key in ("HOME", "PATH")
        )
    )
    said = _npm_list(environment) or _read_here(dict(environment))
    registries = {"": str(said.get("registry") or "")}
    for key, value in said.items():
        if key.startswith("@") and key.endswith(":registry") and value:
            registries[key.removesuffix(":registry")] = str(value)
    return Settings(
        registries,
        cert=str(said.get("cafile") or ""),
        proxy=str(said.get("https-proxy") or said.get("proxy") or ""),
        verify=str(said.get("strict-ssl", True)).lower() != "false",
    )


@lru_cache(maxsize=8)
def _npm_list(environment: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    program = shutil.which("npm")
    if not program:
        return {}
    try:
        done = subprocess.run([program, "config", "list", "--json"], capture_output=True, text=True, timeout=60, check=False)
        found = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _read_here(environment: Mapping[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    low = {key.lower(): value for key, value in environment.items()}
    path = Path(low.get("npm_config_userconfig") or Path(environment.get("HOME") or Path.home()) / ".npmrc")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    for line in lines:
        key, equals, value = (part.strip() for part in line.partition("="))
        if equals and not key.startswith(("#", ";")) and (key in KEYS or re.fullmatch(r"@[^:]+:registry", key)):
            said[key] = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], ""), value.strip("\"'"))
    return said | {key: low[name] for key in KEYS if low.get(name := f"npm_config_{key.replace('-', '_')}")}


def find(archive: Archive, here: Settings, web: Any, *, offline: bool) -> tuple[list[Found], list[str]]:
    """Every address that a registry has for a package file, and one line for what did not answer.

    The version's own document names its file; the path that registries have in common is tried after it, for mirrors that
    serve files and no documents.

    Parameters
    ----------
    archive : Archive
        `project` is the package's name (``@scope/name``), `filename` ``name-1.2.3.tgz``.
    here : Settings
        From `settings`.
    web : callable
        ``web(address)`` gives the HTTP client for an address.
    offline : bool
        True finds nothing: npm keeps no folder of package files.
    """
    if offline:
        return [], []
    registry = here.registry(archive.project).rstrip("/") + "/"
    if registry == "/":
        return [], ["no package registry is set: install npm, or set NPM_CONFIG_REGISTRY to the registry's address"]
    base = archive.project.rpartition("/")[2]
    version = archive.filename.removeprefix(f"{base}-").removesuffix(".tgz")
    usual = urljoin(registry, f"{archive.project}/-/{quote(archive.filename)}")
    problems: list[str] = []
    stated = ""
    try:
        stated = _stated(web(registry), urljoin(registry, f"{quote(archive.project, safe='@')}/{quote(version)}"))
    except Unreachable as problem:
        problems.append(f"package registry {problem}")
        if not isinstance(problem, download.Refused):
            return [], problems
    return [Found(address) for address in dict.fromkeys((stated, usual)) if address], problems


def _stated(http: httpx.Client, url: str) -> str:
    """The address of the file that a version's document states, '' where it states none that is on the web."""
    page, _, final = download.text(http, url, headers={"Accept": "application/json"}, limit=4 << 20)
    try:
        address = urljoin(final, json.loads(page)["dist"]["tarball"])
    except (ValueError, KeyError, TypeError):
        return ""
    return address if address.startswith(("https://", "http://")) else ""
