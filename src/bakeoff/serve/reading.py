"""From bytes on a socket to a checked request. Everything that is wrong with a body ends here, as 4xx with what is wrong."""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from bakeoff.serve.problem import ClientGone, Problem
from bakeoff.serve.wire import UNSUPPORTED

if TYPE_CHECKING:
    from starlette.requests import Request

    from bakeoff.serve.settings import ServerSettings

Checked = TypeVar("Checked", bound=BaseModel)

LONGEST_SHOWN = 80


async def read_json(request: Request, settings: ServerSettings) -> Any:
    """The JSON body of a request.

    Raises
    ------
    Problem
        415 for another content type, 413 for too many bytes, 408 for a body that does not arrive in time, 400 for what is
        no JSON.
    ClientGone
        If the client hung up before its end.
    """
    _content_type(request)
    return parse(await _body(request, settings))


def parse(raw: bytes) -> Any:
    """JSON as RFC 8259 has it: UTF-8, finite numbers, texts that are Unicode, nested less than a thousand deep. 400 otherwise."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem(400, f"The body is not UTF-8: byte {error.start:,} cannot be read.", code="invalid_utf8") from error
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError as error:
        raise Problem(400, "The body is nested too deeply.", code="invalid_json") from error
    except json.JSONDecodeError as error:
        says = f"{error.msg} (line {error.lineno}, column {error.colno})"
        raise Problem(400, f"The body is not JSON: {says}.", code="invalid_json") from error
    except ValueError as error:  # a whole number of thousands of digits, or one of ours
        raise Problem(400, f"The body is not JSON: {error}", code="invalid_json") from error
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as error:
            raise Problem(400, "A text holds half of a surrogate pair, which is no character.", code="invalid_unicode") from error
    return value


def checked(model: type[Checked], value: Any) -> Checked:
    """`value` as the request that it should be.

    Raises
    ------
    Problem
        400 for a field that is not supported, 422 for a field of the wrong type or outside its range.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        first = next((one for one in found if one["loc"] and one["loc"][0] in UNSUPPORTED), found[0])
        same = [one for one in found if one["loc"][:1] == first["loc"][:1]]
        # Of a field that is a text or a list, each side has its complaint; the one that fits what was given is the last.
        listed = first["loc"] and isinstance(value, dict) and isinstance(value.get(first["loc"][0]), list)
        raise _wrong(same[-1] if listed else first) from error


def _wrong(found: Any) -> Problem:
    path = [
        str(part) for part in found["loc"] if not str(part).startswith(("function-", "constrained-", "list[")) and part != "str"
    ]
    field = path[0] if path else ""
    shown = _shown(found.get("input"))
    if field in UNSUPPORTED:
        return Problem(
            400,
            f"`{field}` is {shown}: this server does not support it, and the answer would not be what it asks for. Leave it out.",
            code="unsupported_parameter",
            param=field,
        )
    if not field:
        return Problem(422, f"The body is {shown}; it must be a JSON object.", code="invalid_request")
    where = ".".join(path)
    if found["type"] == "missing":
        return Problem(422, f"`{where}` is missing.", code="invalid_request", param=field)
    if found["type"] == "extra_forbidden":
        return Problem(422, f"There is no field `{where}`.", code="invalid_request", param=field)
    says = found["msg"].removeprefix("Value error, ")
    return Problem(422, f"`{where}` is {shown}: {says[:1].lower()}{says[1:]}.", code="invalid_request", param=field)


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else f"a list of {len(value):,}"
    if isinstance(value, str) and len(value) > LONGEST_SHOWN:
        return f"a text of {len(value):,} characters"
    return json.dumps(value, ensure_ascii=False)[:LONGEST_SHOWN]


def _content_type(request: Request) -> None:
    given = request.headers.get("content-type", "")
    kind, _, rest = given.partition(";")
    kind = kind.strip().lower()
    charset = rest.partition("charset=")[2].strip(' "').lower()
    # A page of another site may send text/plain or a form without asking first; JSON it may not.
    if kind != "application/json":
        says = f"The content type is {_shown(given)}" if given else "There is no content type"
        raise Problem(415, f"{says}; send application/json.", code="unsupported_media_type")
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise Problem(415, f"The charset is {_shown(charset)}; send UTF-8.", code="unsupported_media_type")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        raise Problem(415, f"The body is encoded as {_shown(encoding)}; send it as it is.", code="unsupported_media_type")


async def _body(request: Request, settings: ServerSettings) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and (len(declared) > 15 or int(declared) > settings.max_body_bytes):
        _too_large(settings)
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(settings.read_seconds):
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                if size > settings.max_body_bytes:
                    pieces.clear()
                    _too_large(settings)
                if not message.get("more_body", False):
                    return b"".join(pieces)
    except TimeoutError:
        raise Problem(
            408,
            f"The body did not arrive within {settings.read_seconds:g} s.",
            code="request_timeout",
            headers={"Connection": "close"},
        ) from None


def _too_large(settings: ServerSettings) -> NoReturn:
    raise Problem(
        413,
        f"The body is larger than {settings.max_body_bytes:,} bytes, the most that this server takes. Send fewer or shorter items.",
        code="body_too_large",
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is larger than any number.")
    return value
