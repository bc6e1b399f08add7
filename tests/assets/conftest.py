"""A hub and a package index on loopback, tiny assets, and a cache of the test's own."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ORIGINAL = dict(os.environ)


@dataclass
class Route:
    """What one address answers. `cuts` holds, for each request in turn, after how many body bytes the line breaks."""

    body: bytes
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    status: int = 200
    kind: str = "application/octet-stream"
    slow: float = 0.0


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self):
        # Without the protocol number Nagle's delay would stay on.
        self.socket.close()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.socket.bind(("127.0.0.1", 0))
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request, client_address):
        pass

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def reset(self):
        self.routes: dict[str, Route] = {}
        self.log: list[tuple[str, str]] = []
        self.seen_headers: list[dict[str, str]] = []

    def asked(self, ending):
        return [ranged for path, ranged in self.log if path.endswith(ending)]

    def offer(self, project, filename, body, *, digest=True, html=False, **options):
        """Put a package file on the index."""
        self.routes[f"/files/{filename}"] = Route(body, **options)
        path = f"/simple/{project}/"
        sha = hashlib.sha256(body).hexdigest()
        if html:
            self.routes[path] = Route(f'<a href="../../files/{filename}#sha256={sha}">x</a>'.encode(), kind="text/html")
        else:
            entry = {
                "filename": filename,
                "url": f"../../files/{filename}",
                "hashes": {"sha256": sha} if digest else {},
                "size": len(body),
            }
            self.routes[path] = Route(json.dumps({"files": [entry]}).encode(), kind="application/vnd.pypi.simple.v1+json")

    def hub(self, repository, name, body, **options):
        """Put a file on the hub."""
        self.routes[f"/{repository}/resolve/main/{name}"] = Route(body, **options)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        path, ranged = self.path.partition("?")[0], self.headers.get("Range", "")
        server.log.append((path, ranged))
        server.seen_headers.append(dict(self.headers))
        route = server.routes.get(path, Route(b"no", status=404))
        body, status, extra = route.body, route.status, {}
        start = int(ranged[6:-1]) if ranged and route.ranges and status == 200 else 0
        if start:
            status, extra = 206, {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
            if start >= len(body):
                status, extra = 416, {}
        rest = body[start:]
        self.send_response(status)
        for key, value in {**extra, "Content-Length": str(len(rest)), "Content-Type": route.kind, "Connection": "close"}.items():
            self.send_header(key, value)
        self.end_headers()
        cut = route.cuts.pop(0) if route.cuts else len(rest)
        sent = 0
        while sent < min(cut, len(rest)):
            block = rest[sent : min(sent + 4096, cut)]
            self.wfile.write(block)
            self.wfile.flush()
            sent += len(block)
            if route.slow:
                threading.Event().wait(route.slow)
        self.close_connection = True


@pytest.fixture(scope="session")
def _server():
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(_server):
    _server.reset()
    return _server


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch, _server):
    _server.reset()
    for name in list(os.environ):
        if name.upper().startswith(("PIP_", "HF_", "BAKEOFF_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", _server.url)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", _server.url + "/simple")


def sha(data):
    return hashlib.sha256(data).hexdigest()


def wheel(members):
    """A zip of name -> bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in members.items():
            package.writestr(name, data)
    return out.getvalue()


def tarball(members, links=()):
    """A tar.gz of name -> bytes, and of (name, target) symbolic links."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as bundle:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            bundle.addfile(info, io.BytesIO(data))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            bundle.addfile(info)
    return out.getvalue()


class Catalogue:
    """Writes a catalogue of one's own and points BAKEOFF_CATALOGUE at it."""

    def __init__(self, path: Path, monkeypatch):
        self.path, self.text = path, ""
        monkeypatch.setenv("BAKEOFF_CATALOGUE", str(path))
        path.write_text("")

    def archive(self, key, project, filename, body=None):
        self.text += f'[archives.{key}]\nproject = "{project}"\nfilename = "{filename}"\n'
        if body is not None:
            self.text += f'size = {len(body)}\nsha256 = "{sha(body)}"\n'
        self.path.write_text(self.text)

    def asset(self, name, files, kind="weights"):
        """`files`: name -> (right bytes, hub repository or '', list of 'from' tables as TOML)."""
        self.text += f'[assets.{name}]\nkind = "{kind}"\nlicence = "MIT"\ndescription = "d"\nhome = "the shelf"\n'
        for file, (body, hub, pieces) in files.items():
            self.text += f'[[assets.{name}.files]]\nname = "{file}"\nsize = {len(body)}\nsha256 = "{sha(body)}"\n'
            self.text += (f'hub = "{hub}"\n' if hub else "") + f"from = [{', '.join(pieces)}]\n"
        self.path.write_text(self.text)


@pytest.fixture
def own(tmp_path, monkeypatch):
    return Catalogue(tmp_path / "own.toml", monkeypatch)


@pytest.fixture
def make():
    """The makers of archives and hashes, as one thing to ask for."""

    class Make:
        pass

    Make.sha, Make.wheel, Make.tarball, Make.Route = staticmethod(sha), staticmethod(wheel), staticmethod(tarball), Route
    return Make


@pytest.fixture
def real_index(monkeypatch, _own_cache):
    """The person's own pip settings again, and no hub: what a package mirror is reached with."""
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    for name, value in ORIGINAL.items():
        if name.startswith("PIP_") or name.lower().endswith("_proxy"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def told():
    """A Progress that keeps what it hears."""

    class Told(list):
        def __call__(self, fraction, note=""):
            self.append((fraction, note))

        @property
        def lines(self):
            return [note for _, note in self]

    return Told()
