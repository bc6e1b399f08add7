"""One address to one file: at most five seconds to reach it, then a stream that can break and go on.

The part already here is kept under the hash it must have, so whatever breaks (the line, the process, the machine) the
next try asks for the rest only. Whoever answers, the bytes are checked before anybody sees the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bakeoff.assets.store import BLOCK, flush_folder, writing
from bakeoff.errors import AssetError

if TYPE_CHECKING:
    import httpx

REACH_SECONDS = 5.0
"""Longest wait for an answer to begin: name look-up, connection, TLS, redirects and headers together."""

STALL_SECONDS = 30.0
"""Longest silence inside a stream before it counts as broken."""

TRIES = 6
"""Broken streams in a row that brought no new byte before a source is given up."""

_unreached: dict[str, float] = {}
FORGET_SECONDS = 60.0


class Unreachable(Exception):
    """A source that cannot give the file now; the message is one line. The next source is tried."""


class Refused(Unreachable):
    """A source that answered, but not with this file: not found, not allowed. Its other files may be there."""


class WrongBytes(Refused):
    """A source that answered with other bytes than the stated ones. They have been deleted."""


def host_of(url: str) -> str:
    """The host and port of an address, without a user name or password: what may be shown."""
    parts = urlsplit(url)
    return (parts.hostname or "this machine") + (f":{parts.port}" if parts.port else "")


def client(*, cert: str = "", proxy: str = "", verify: bool = True, client_cert: str = "") -> httpx.Client:
    """An HTTP client that follows the machine's proxies and trusted certificates.

    Parameters
    ----------
    cert, client_cert : str
        Paths of a bundle (or folder) of trusted certificates and of the client's own; '' uses the environment's
        (``SSL_CERT_FILE``, ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``), then httpx's.
    proxy : str
        Address of a proxy; '' uses the environment's.
    verify : bool
        False accepts any certificate. The bytes are still checked against their hash.
    """
    import ssl

    import httpx

    bundle = cert or next(
        (p for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if (p := os.environ.get(name))), ""
    )
    context: ssl.SSLContext | bool = verify
    try:
        if verify and (bundle or client_cert):
            folder = Path(bundle).is_dir()
            context = (
                ssl.create_default_context(cafile=None if folder else bundle, capath=bundle if folder else None)
                if bundle
                else httpx.create_ssl_context()
            )
            if client_cert:
                context.load_cert_chain(client_cert)
    except (OSError, ssl.SSLError) as error:
        raise AssetError(
            f"The certificates at {' and '.join(filter(None, (bundle, client_cert)))} cannot be used: {error}.",
            fix="correct pip's `cert` setting, SSL_CERT_FILE or REQUESTS_CA_BUNDLE",
        ) from error
    try:
        return httpx.Client(
            verify=context,
            proxy=proxy or None,
            follow_redirects=True,
            timeout=httpx.Timeout(STALL_SECONDS, connect=REACH_SECONDS),
            headers={"User-Agent": "bakeoff", "Accept-Encoding": "identity"},
        )
    except (ImportError, ValueError) as error:  # a proxy address that httpx cannot use
        raise AssetError(
            f"The proxy set here cannot be used: {_short(error)}", fix="correct HTTPS_PROXY, ALL_PROXY or pip's `proxy`"
        ) from error


@contextlib.contextmanager
def answer(
    http: httpx.Client, url: str, headers: Mapping[str, str] | None = None, *, again: bool = False
) -> Iterator[httpx.Response]:
    """GET `url`: the response once its headers are here, its body still to be read.

    `again` is for going on with a stream that broke: silence is then not remembered against the host.

    Raises
    ------
    Unreachable
        If no answer begins within REACH_SECONDS, or the host did not answer less than a minute ago.
    """
    import httpx

    host = host_of(url)
    if not again and time.monotonic() - _unreached.get(host, -FORGET_SECONDS) < FORGET_SECONDS:
        raise Unreachable(f"{host} did not answer a moment ago")
    box: dict[str, Any] = {}
    lock = threading.Lock()

    def ask() -> None:
        try:
            response = http.send(http.build_request("GET", url, headers=dict(headers or {})), stream=True)
        except Exception as error:
            box["error"] = error
            return
        with lock:
            if box.get("too late"):
                response.close()
            else:
                box["response"] = response

    # A name look-up cannot be timed out from outside, so the whole of reaching happens in a thread that can be left behind.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(REACH_SECONDS)
    with lock:
        response = box.get("response")
        box["too late"] = response is None
    if response is None:
        error = box.get("error")
        if error is not None and not isinstance(error, (httpx.HTTPError, httpx.InvalidURL, OSError)):
            raise error
        if not again and (error is None or isinstance(error, httpx.TransportError)):
            _unreached[host] = time.monotonic()
        raise Unreachable(f"{host} cannot be reached" + (f": {_short(error)}" if error else f" within {REACH_SECONDS:g} seconds"))
    try:
        yield response
    finally:
        response.close()


def _short(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]


def text(
    http: httpx.Client, url: str, *, headers: Mapping[str, str] | None = None, limit: int = 64 << 20
) -> tuple[str, str, str]:
    """A page as (text, content type, final address). At most `limit` bytes are read. Raises Unreachable."""
    import httpx

    body, deadline = bytearray(), time.monotonic() + 2 * STALL_SECONDS
    with answer(http, url, headers) as response:
        if response.status_code != 200:
            raise Refused(f"{host_of(url)} answered {response.status_code}{_reason(response.status_code)}")
        try:
            for block in response.iter_bytes():
                body += block
                if len(body) > limit or time.monotonic() > deadline:
                    raise Unreachable(f"{host_of(url)} sent a page that does not end")
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise Unreachable(f"{host_of(url)} broke off: {_short(error)}") from error
        return body.decode("utf-8", "replace"), response.headers.get("content-type", ""), str(response.url)


def _reason(status: int) -> str:
    return {401: " (not logged in)", 403: " (not allowed)", 404: " (not found)", 429: " (too many requests)"}.get(status, "")


def download(
    http: httpx.Client,
    url: str,
    part: Path,
    *,
    size: int,
    matches: Callable[[Path], str],
    limit: int = 0,
    headers: Mapping[str, str] | None = None,
    tick: Callable[[int], None] = lambda here: None,
) -> None:
    """Bring `part` to the full bytes of `url`, going on from what it already holds.

    Parameters
    ----------
    part : Path
        The half-done file. Kept when the source breaks, deleted when the bytes turn out wrong.
    size : int
        Exact size in bytes; 0 if not known.
    matches : callable
        Given the finished file, returns '' if its bytes are the right ones, otherwise one line that says why not.
    limit : int, default=0
        Most bytes to accept when the size is not known; 0 for no more than `size`.
    tick : callable
        Hears how many bytes are here.

    Raises
    ------
    Unreachable
        If the source cannot be reached or keeps breaking. `part` stays for the next try.
    WrongBytes
        If the bytes are not the right ones, twice when the first try built on an older part. `part` is gone.
    AssetError
        If the disk cannot be written.
    """
    for attempt in ("with what is here", "from the beginning"):
        resumed = part.exists() and part.stat().st_size > 0
        _fill(http, url, part, size, limit or size, dict(headers or {}), tick)
        wrong = matches(part)
        if not wrong:
            return
        part.unlink(missing_ok=True)
        # An old part of another version upstream spoils a good download, so it gets one clean try.
        if not resumed or attempt == "from the beginning":
            raise WrongBytes(f"{host_of(url)}: {wrong}")


def _fill(
    http: httpx.Client, url: str, part: Path, size: int, limit: int, headers: dict[str, str], tick: Callable[[int], None]
) -> None:
    fruitless, flowing = 0, False
    while True:
        here = part.stat().st_size if part.exists() else 0
        if size and here > size:
            part.unlink()
            here = 0
        if size and here == size:
            return
        try:
            total, broken = _stream(http, url, part, here, limit, headers, tick, again=flowing)
        except Refused:
            raise
        except Unreachable as problem:
            # Out of reach at the start costs one try; in the middle of a stream it may be a short cut of the line.
            if not flowing or fruitless >= TRIES:
                raise
            total, broken = 0, str(problem)
        now = part.stat().st_size if part.exists() else 0
        if not broken and now == (size or total or now):
            flush_folder(part.parent)
            return
        if not broken and size and total and total < size:
            part.unlink(missing_ok=True)
            raise WrongBytes(f"{host_of(url)}: the file has {total:,} bytes; expected {size:,}")
        flowing = flowing or now > here
        fruitless = 0 if now > here else fruitless + 1
        if fruitless >= TRIES:
            raise Unreachable(
                f"{host_of(url)} broke off at {now:,} of {size or total:,} bytes: {broken or 'the stream ended early'}"
            )
        time.sleep(min(0.05 * 2**fruitless, 2.0))


def _stream(
    http: httpx.Client,
    url: str,
    part: Path,
    here: int,
    limit: int,
    headers: dict[str, str],
    tick: Callable[[int], None],
    *,
    again: bool,
) -> tuple[int, str]:
    """One answer into `part` from byte `here` on: (size of the whole file as stated or 0, why it broke or '')."""
    import httpx

    asked = headers | ({"Range": f"bytes={here}-"} if here else {})
    with answer(http, url, asked, again=again) as response:
        status = response.status_code
        if status == 416 and here:
            part.unlink()
            return 0, "the part here was longer than the file"
        if status not in (200, 206):
            raise Refused(f"{host_of(url)} answered {status}{_reason(status)}")
        if status == 206 and not response.headers.get("content-range", "").startswith(f"bytes {here}-"):
            raise Refused(f"{host_of(url)} answered with another range than the one asked for")
        here = here if status == 206 else 0
        stated = response.headers.get("content-length", "")
        total = here + int(stated) if stated.isdigit() else 0
        if limit and total > limit:
            part.unlink(missing_ok=True)
            raise WrongBytes(f"{host_of(url)}: the file has {total:,} bytes; expected at most {limit:,}")
        broken = ""
        with writing(part), part.open("r+b" if here else "wb") as stream:
            stream.seek(here)
            try:
                # Blocks as they arrive: a fixed block size would lose the last one when the line breaks.
                for block in response.iter_bytes():
                    here += len(block)
                    if limit and here > limit:
                        break
                    stream.write(block)
                    tick(here)
            except (httpx.HTTPError, httpx.StreamError) as error:
                broken = _short(error)
            stream.flush()
            os.fsync(stream.fileno())
    if limit and here > limit:
        part.unlink(missing_ok=True)
        raise WrongBytes(f"{host_of(url)}: the file has more than the expected {limit:,} bytes")
    return total, broken


def says_sha256(expected: str, name: str) -> Callable[[Path], str]:
    """A `matches` for `download`: the file's SHA-256 must be `expected`."""

    def matches(path: Path) -> str:
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
        got = digest.hexdigest()
        return "" if got == expected else f"{name} has SHA-256 {got}; expected {expected}"

    return matches
