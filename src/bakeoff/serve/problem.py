"""What can go wrong with a request, in the shape that OpenAI's clients read: ``{"error": {message, type, param, code}}``."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class Problem(Exception):
    """A request that ends without what it asked for.

    Parameters
    ----------
    status : int
        HTTP status, 400 or more.
    message : str
        One or two sentences: what is wrong, and what to do.
    code : str
        A short name that programs can test for; documented in ``docs/reference/server.md``.
    param : str or None
        The field of the request that it is about.
    headers : mapping
        Headers that go with it.
    """

    def __init__(
        self, status: int, message: str, *, code: str, param: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        kind = TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def encoded(self) -> bytes:
        """The body as bytes."""
        return as_json(self.body())


class ClientGone(Exception):
    """The client hung up: nobody is there to be answered."""


def as_json(value: Any) -> bytes:
    """JSON that any reader takes: UTF-8, no NaN or infinity, no lone surrogate."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")


def named(error: BaseException) -> str:
    """An error by its type and place, for a log: its message may quote what was asked, which belongs into no log."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"{type(error).__name__} at {where}"
