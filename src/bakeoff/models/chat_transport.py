"""One attempt over the wire: a request goes out, and a success or a failure comes back, never an exception.

Whatever the server does has an end: 5 s to connect, a longest silence, a longest time for the whole, a
largest size. Redirects are not followed. The key is read from the environment for each request and goes
into one header; it is never kept or shown, and is struck out of whatever the server echoes.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import ssl
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from bakeoff.contract import Json
from bakeoff.errors import BakeoffError
from bakeoff.models.chat_reply import (
    BadReply,
    Events,
    Merged,
    Message,
    ServerSaid,
    Usage,
    read_json,
    read_message,
    read_usage,
    server_error,
    shown,
)
from bakeoff.models.rate_limit import Clock, retry_after_seconds

RETRIED = frozenset({408, 409, 425, 429})
HOPELESS = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
LARGEST_ERROR = 65_536
DRAIN_SECONDS = 0.5


@dataclass(frozen=True)
class Failure:
    """One attempt that failed. `paid` says whether the server may bill it; `counts` whether the breaker adds it up at once."""

    says: str
    retry: bool = False
    pause: float | None = None
    paid: bool = False
    counts: bool = False


@dataclass(frozen=True)
class Success:
    """One attempt that was answered. Times are in seconds from dispatch."""

    body: dict[str, Json]
    message: Message
    usage: Usage
    seconds: float
    first_token_seconds: float | None


class _Line:
    """One connection to the server, kept open between requests, that another thread can cut."""

    def __init__(self, *, read_seconds: float, direct: bool, verify: ssl.SSLContext | bool) -> None:
        self._socket: Any = None
        self.cut = False
        self.client = httpx.Client(
            timeout=httpx.Timeout(read_seconds, connect=5.0),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=30.0),
            follow_redirects=False,
            trust_env=not direct,
            verify=verify,
        )

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """httpx's trace hook: remembers the socket under the newest connection."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")

    def hang_up(self) -> None:
        """Make a read that another thread waits in fail now. A server that sends a byte a minute defeats every read timeout."""
        self.cut = True
        if self._socket is not None:
            # Not SSLSocket.shutdown, which takes the TLS object away from under the reader.
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class Transport:
    """Sends chat-completions requests to one server, over connections that are kept open. Safe to share between threads.

    Parameters
    ----------
    base_url, host : str
        As `checked_url` returns them.
    key_env : str
        Name of the environment variable that holds the key, if there is one.
    read_seconds, total_seconds : float
        Longest silence, and longest time of one attempt.
    largest_bytes : int
        A longer response is given up.
    """

    def __init__(
        self,
        base_url: str,
        host: str,
        *,
        key_env: str,
        read_seconds: float,
        total_seconds: float,
        largest_bytes: int,
        clock: Clock,
    ) -> None:
        self._url, self._host, self._key_env = base_url + "/chat/completions", host, key_env
        self._read_seconds, self._total_seconds, self._largest, self._clock = (
            min(read_seconds, total_seconds),
            total_seconds,
            largest_bytes,
            clock,
        )
        self._lines: deque[_Line] = deque()
        self._certificates: ssl.SSLContext | None = None
        # Connections do not outlive a transport that nobody closed.
        weakref.finalize(self, _close_all, self._lines)
        self._key()

    def close(self) -> None:
        """Close the connections that no request is using."""
        _close_all(self._lines)

    def send(self, key: str, whole: Mapping[str, Json]) -> Success | Failure:
        """Send the request `whole`, with `key` as its Idempotency-Key, and read the answer to its end."""
        try:
            line = self._lines.pop()
        except IndexError:
            line = _Line(read_seconds=self._read_seconds, direct=is_loopback(self._host), verify=self._verify())
        line.cut = False
        watchdog = threading.Timer(self._total_seconds, line.hang_up)
        watchdog.daemon = True
        watchdog.start()
        try:
            outcome = self._exchange(line, key, whole)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as error:
            outcome = Failure(f"connection failed: {shown(error, 120) or type(error).__name__}", retry=True, counts=True)
        except httpx.TimeoutException:
            outcome = Failure(f"timed out: no data for {self._read_seconds:g} s", retry=True, paid=True)
        except (httpx.HTTPError, OSError) as error:
            outcome = Failure(f"connection broken: {shown(error, 120) or type(error).__name__}", retry=True, paid=True)
        except ServerSaid as error:
            outcome = Failure(f"server error: {error}", retry=error.code not in HOPELESS, paid=True)
        except BadReply as error:
            outcome = Failure(f"bad answer: {error}", paid=True)
        finally:
            watchdog.cancel()
        if line.cut and isinstance(outcome, Failure):
            outcome = Failure(f"timed out: no complete answer within {self._total_seconds:g} s", retry=True, paid=True)
        if line.cut:
            line.client.close()
        else:
            self._lines.append(line)
        return outcome

    def _exchange(self, line: _Line, key: str, whole: Mapping[str, Json]) -> Success | Failure:
        began = time.perf_counter()
        content = json.dumps(whole).encode("ascii")
        request = line.client.build_request(
            "POST", self._url, content=content, headers=self._headers(key), extensions={"trace": line.watch}
        )
        response = line.client.send(request, stream=True)
        try:
            if response.status_code != 200:
                return self._refusal(response)
            kind = response.headers.get("content-type", "application/json").split(";")[0].strip().lower()
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                return Failure("bad answer: compressed, though that was not asked for", paid=True)
            first: float | None = None
            if kind == "text/event-stream":
                body, first, seconds = self._read_stream(line, response, began)
            elif kind == "application/json" or kind.endswith("+json"):
                body = read_json(b"".join(self._pieces(response)))
                seconds = time.perf_counter() - began
            else:
                return Failure(f"bad answer: the content type is {shown(kind, 60)}, not JSON", paid=True)
        finally:
            response.close()
        message = read_message(body)
        asked = sum(len(json.dumps(part.get("content"), ensure_ascii=False)) for part in whole.get("messages", ()))
        return Success(body, message, read_usage(body, asked_characters=asked, message=message), seconds, first)

    def _pieces(self, response: httpx.Response) -> Iterator[bytes]:
        declared = response.headers.get("content-length", "")
        size = int(declared) if declared.isdigit() and len(declared) < 16 else 0
        if size <= self._largest:
            size = 0
            for piece in response.iter_raw():
                size += len(piece)
                if size > self._largest:
                    break
                yield piece
        if size > self._largest:
            raise BadReply(f"larger than {self._largest:,} bytes")

    def _read_stream(self, line: _Line, response: httpx.Response, began: float) -> tuple[dict[str, Json], float | None, float]:
        events, merged, first = Events(), Merged(), None
        pieces = self._pieces(response)
        for piece in pieces:
            for data in events.feed(piece):
                if data.strip() == "[DONE]":
                    seconds = time.perf_counter() - began
                    self._drain(line, pieces)
                    return merged.body(), first, seconds
                if merged.add(read_json(data.encode("utf-8", "surrogatepass"))) and first is None:
                    first = time.perf_counter() - began
        if merged.finish is None:
            raise httpx.RemoteProtocolError("the stream ended before the answer did")
        return merged.body(), first, time.perf_counter() - began

    def _drain(self, line: _Line, pieces: Iterator[bytes]) -> None:
        # A response read to its very end leaves the connection open for the next request.
        impatience = threading.Timer(DRAIN_SECONDS, line.hang_up)
        impatience.daemon = True
        impatience.start()
        try:
            with suppress(httpx.HTTPError, BadReply, OSError):
                for _ in pieces:
                    pass
        finally:
            impatience.cancel()

    def _refusal(self, response: httpx.Response) -> Failure:
        status = response.status_code
        if 300 <= status < 400:
            host = shown(_host_named(response.headers.get("location", "")), 80)
            return Failure(
                f"redirected: HTTP {status} to {host}; redirects are not followed, so that the key goes nowhere else", counts=True
            )
        raw = b""
        for piece in response.iter_raw():
            raw += piece
            if len(raw) > LARGEST_ERROR:
                break
        try:
            error = server_error(read_json(raw))
        except BadReply:
            error = None
        says, code = (str(error), error.code) if error else (shown(raw.decode("utf-8", "replace"), 120), "")
        pause = retry_after_seconds(response.headers.get("retry-after"), now=self._clock.time())
        text = f"HTTP {status}" + (f": {says}" if says else "")
        if status == 429 and code in HOPELESS:
            return Failure(f"not allowed: {text}", counts=True)
        if status == 429:
            return Failure(f"rate limited: {text}", retry=True, pause=pause)
        if status in RETRIED or status >= 500:
            return Failure(f"server error: {text}", retry=True, pause=pause)
        if status in (401, 403):
            return Failure(f"not allowed: {text} (the key is read from {self._key_env})", counts=True)
        if status == 404:
            return Failure(f"not found: {text} (check `base_url` and `model`)", counts=True)
        return Failure(f"bad request: {text}")

    def _headers(self, key: str) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "Idempotency-Key": key}
        secret = self._key()
        if secret:
            headers["Authorization"] = f"Bearer {secret}"
        return headers

    def _verify(self) -> ssl.SSLContext | bool:
        # Reading the certificates takes tens of milliseconds: once for all lines, and never where there is no TLS.
        if not self._url.startswith("https:"):
            return False
        if self._certificates is None:
            self._certificates = httpx.create_ssl_context()
        return self._certificates

    def _key(self) -> str:
        secret = os.environ.get(self._key_env, "").strip()
        if secret and not (secret.isascii() and secret.isprintable() and " " not in secret):
            raise BakeoffError(
                f"The key in {self._key_env} holds spaces or characters that no key has.", fix=f"set {self._key_env} again"
            )
        return secret

    def struck(self, text: str) -> str:
        """`text` without the key. Keys under 8 characters are placeholders ("EMPTY") that may be ordinary words."""
        secret = self._key()
        return text.replace(secret, "[key]") if len(secret) >= 8 else text

    def struck_json(self, body: dict[str, Json]) -> dict[str, Json]:
        """`body` without the key, wherever in it a server put it."""
        secret = self._key()
        text = json.dumps(body)
        echoed = json.dumps(secret)[1:-1]
        if len(secret) < 8 or echoed not in text:
            return body
        struck: dict[str, Json] = json.loads(text.replace(echoed, "[key]"))
        return struck


def _close_all(lines: deque[_Line]) -> None:
    with suppress(IndexError):
        while True:
            lines.pop().client.close()


def _host_named(location: str) -> str:
    try:
        return urlsplit(location).hostname or "itself"
    except ValueError:
        return "no address"


def is_loopback(host: str) -> bool:
    """True for this machine's own addresses: proxies and missing keys are no matter there."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_url(given: str) -> tuple[str, str]:
    """`given` without a last slash or ``/chat/completions``, and its host. BakeoffError, which shows no secret, where it is no base URL."""
    example = "give it as e.g. http://localhost:8000/v1"
    if not isinstance(given, str) or not given.strip():
        raise BakeoffError("An endpoint needs the `base_url` of a server.", fix=example)
    try:
        parts = urlsplit(given.strip())
        host, _ = parts.hostname, parts.port
        httpx.URL(given.strip())
    except (ValueError, httpx.InvalidURL):
        raise BakeoffError("`base_url` is not a URL.", fix=example) from None
    if parts.scheme not in ("http", "https") or not host:
        raise BakeoffError("`base_url` must start with http:// or https:// and name a host.", fix=example)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BakeoffError(
            "`base_url` must hold no user, password, query or fragment: it is stored with the results.",
            fix="put the key in an environment variable and name it in `key_env`",
        )
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    return f"{parts.scheme}://{parts.netloc}{path}", host
