"""How a server behaves: every limit it keeps, checked before anything is loaded or bound."""

from __future__ import annotations

import dataclasses
import math
import os
from dataclasses import dataclass

from bakeoff.errors import BakeoffError

SHORTEST_TOKEN = 16
USUAL_BODY = 1 << 20
PHOTOGRAPH_BODY = 16 << 20
"""A photograph of a telephone has 2 to 10 MB, and a third more as a ``data:`` address."""


def usual_body(task: str) -> int:
    """Largest request body in bytes where nothing else is said: 1 MiB, for the images task 16 MiB."""
    return PHOTOGRAPH_BODY if task == "images" else USUAL_BODY


@dataclass(frozen=True)
class ServerSettings:
    """Where the server listens and what it takes on.

    Parameters
    ----------
    host : str
        Address to listen on. Anything but this machine's own addresses needs a token.
    port : int
        0 to 65535; 0 takes a free one.
    window_ms : float
        How long the first waiting item waits for company before its batch is computed, 0 to 1000.
    max_batch : int
        Most items computed together, 1 to 1024. A batch that is full never waits.
    max_queue : int
        Most items that wait, and so the most in one request. More are refused with 429.
    request_seconds : float
        Longest that a request may wait and be worked on; then it ends as 504.
    read_seconds : float
        Longest that the head of a request, and then its body, may take to arrive; then 408.
    max_body_bytes : int
        Largest request body; more is refused with 413. `usual_body` says what suits a task.
    drain_seconds : float
        Longest that requests in work may take to finish once the server was told to stop.
    lame_duck_seconds : float
        How long a server that was told to stop still takes new requests, while `/healthz` already says 503.
    token_env : str
        Environment variable with the bearer token; '' asks for none. The token itself is never kept here.
    no_token : bool
        Listen on other than this machine's own addresses without a token all the same.
    check_host : bool
        On this machine's own addresses, refuse requests whose Host header names another host, so that no web page
        can reach the server through a name of its own (DNS rebinding).
    """

    host: str = "127.0.0.1"
    port: int = 8321
    window_ms: float = 2.0
    max_batch: int = 32
    max_queue: int = 1024
    request_seconds: float = 30.0
    read_seconds: float = 10.0
    max_body_bytes: int = USUAL_BODY
    drain_seconds: float = 30.0
    lame_duck_seconds: float = 0.5
    token_env: str = ""
    no_token: bool = False
    check_host: bool = True

    def __post_init__(self) -> None:
        for name, low, high in (
            ("port", 0, 65_535), ("window_ms", 0, 1000), ("max_batch", 1, 1024), ("max_queue", 1, 1_000_000),
            ("request_seconds", 0.001, 86_400), ("read_seconds", 0.001, 3600), ("max_body_bytes", 1, 1 << 30),
            ("drain_seconds", 0, 3600), ("lame_duck_seconds", 0, 600),
        ):  # fmt: skip
            given = getattr(self, name)
            if not (isinstance(given, int | float) and math.isfinite(given) and low <= given <= high):
                raise BakeoffError(
                    f"{name} is {given!r}; it must be from {low:g} to {high:g}.",
                    fix=f"leave it out (it is then {_default(name)!r}), or give a number in that range",
                )
        if not self.host or any(c.isspace() for c in self.host):
            raise BakeoffError(f"host is {self.host!r}, which is no address.", fix="use 127.0.0.1")

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the server."""
        from bakeoff.models.chat_transport import is_loopback

        return is_loopback(self.host)

    def token(self) -> str | None:
        """The bearer token that requests must carry, or None.

        Raises
        ------
        BakeoffError
            If the variable is empty, its token is too short or could not stand in a header, or the server would be open
            to other machines without one.
        """
        if not self.token_env:
            if not self.local and not self.no_token:
                raise BakeoffError(
                    f"{self.host} can be reached from other machines, and no token is asked for.",
                    fix="put a secret in a variable and name it: --token-env BAKEOFF_TOKEN (or --no-token to leave it open)",
                )
            return None
        token = os.environ.get(self.token_env, "").strip()
        if not token:
            raise BakeoffError(
                f"The variable {self.token_env} is empty.",
                fix=f"export {self.token_env}=$(openssl rand -hex 32), then serve again",
            )
        if len(token) < SHORTEST_TOKEN or not (token.isascii() and token.isprintable() and " " not in token):
            raise BakeoffError(
                f"The token in {self.token_env} is too short, or holds spaces or characters that no header takes.",
                fix=f"use at least {SHORTEST_TOKEN} letters and digits: export {self.token_env}=$(openssl rand -hex 32)",
            )
        return token


def _default(name: str) -> object:
    return next(field.default for field in dataclasses.fields(ServerSettings) if field.name == name)
