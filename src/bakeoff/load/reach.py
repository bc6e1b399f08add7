"""Is the server there, what does it speak, and which model is to be asked? Asked once, before any load.

A load test of a wrong address is an hour of errors, so each of these ends in two lines: what is wrong, what to do.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from bakeoff.errors import BakeoffError, EndpointError, nearest
from bakeoff.load.result import ERROR_KINDS, Outcome
from bakeoff.models.chat_reply import shown
from bakeoff.models.chat_transport import checked_url, is_loopback

CONNECT_SECONDS = 5.0
LARGEST_LIST = 8_000_000


@dataclass(frozen=True)
class Reached:
    """A server that answers.

    Parameters
    ----------
    url : str
        Base of the requests: without ``/chat/completions``, with ``/v1`` where that is where they go.
    protocol : {'chat', 'answer'}
    model : str
        '' for ``/v1/answer``, which has one approach.
    models : tuple of str
        What ``/v1/models`` lists; empty where it lists nothing.
    """

    url: str
    protocol: Literal["chat", "answer"]
    model: str
    models: tuple[str, ...] = ()


def reach(url: str, *, model: str = "", protocol: str = "auto", key_env: str = "", timeout_seconds: float = 10.0) -> Reached:
    """Find out what to ask the server at `url`.

    Parameters
    ----------
    url : str
        ``http://host:port``, with or without ``/v1``, ``/v1/chat/completions`` or ``/v1/answer``. Without a scheme it is http.
    model : str, default=''
        '' for the only one that the server lists.
    protocol : {'auto', 'chat', 'answer'}
        'auto': what the address names; else chat completions where the server has them (its models or its OpenAPI
        document say so), else ``/v1/answer``.
    key_env : str, default=''
        Environment variable that holds the bearer token.

    Raises
    ------
    EndpointError
        If nothing answers there, the key is refused, the path is wrong, or the model is not the server's.
    BakeoffError
        If an option is wrong.
    """
    if protocol not in ("auto", "chat", "answer"):
        raise BakeoffError(f"No protocol is called {protocol!r}.", fix=nearest(protocol, ["auto", "chat", "answer"]))
    if key_env and not os.environ.get(key_env):
        raise BakeoffError(f"The environment variable {key_env} is not set.", fix=f"export {key_env}=... or leave --key-env out")
    given = url.strip() if "://" in url else f"http://{url.strip()}"
    base, host = checked_url(given)
    named = "answer" if urlsplit(base).path.endswith("/answer") else "chat" if given.rstrip("/").endswith("/completions") else ""
    base = base.removesuffix("/answer")
    if not urlsplit(base).path:
        base += "/v1"
    with httpx.Client(
        timeout=httpx.Timeout(timeout_seconds, connect=CONNECT_SECONDS),
        headers=_headers(key_env),
        trust_env=not is_loopback(host),
        follow_redirects=False,
    ) as client:
        listed = _get(client, f"{base}/models", base, key_env)
        paths = _paths(_get(client, f"{base.removesuffix('/v1')}/openapi.json", base, key_env))
    models = _models(listed)
    has_chat = any(path.endswith("/chat/completions") for path in paths)
    has_answer = any(path.endswith("/v1/answer") for path in paths)
    wanted = protocol if protocol != "auto" else named
    if not wanted:
        if has_chat or models or (listed is not None and not paths):
            wanted = "chat"
        elif has_answer:
            wanted = "answer"
        else:
            raise EndpointError(
                f"The server at {base} answers, but lists no model and describes neither /v1/chat/completions nor /v1/answer.",
                fix="check the path of the URL, or say how to ask with --protocol chat --model NAME, or --protocol answer",
            )
    if paths and ((wanted == "chat" and not has_chat and has_answer) or (wanted == "answer" and not has_answer and has_chat)):
        other = "answer" if wanted == "chat" else "chat"
        raise EndpointError(f"The server at {base} does not speak {wanted!r}.", fix=f"use --protocol {other}")
    if wanted == "answer":
        return Reached(base, "answer", "", models)
    return Reached(base, "chat", _chosen(model, models, base), models)


def refuse_if_failed(outcome: Outcome, reached: Reached, key_env: str = "") -> None:
    """EndpointError if the very first request failed, with what to do about it.

    A server that is busy or loading (429, 503) is not refused: that is what a load test is to see.
    """
    kind = outcome.error
    if kind is None or kind in ("http_429", "http_503"):
        return
    said = f" It said: {shown(outcome.says)!r}." if outcome.says else ""
    path = "/answer" if reached.protocol == "answer" else "/chat/completions"
    where = f"{reached.url}{path}"
    if kind in ("http_401", "http_403"):
        raise _refused(where, kind[5:], key_env)
    if kind == "http_404":
        names = f" The server lists: {', '.join(reached.models[:10])}." if reached.models else ""
        raise EndpointError(f"{where} is not found (404).{said}{names}", fix="check the path of the URL, --protocol and --model")
    if kind.startswith("http_"):
        raise EndpointError(f"The first request to {where} was refused with status {kind[5:]}.{said}", fix=_fix_for(kind))
    if kind == "timeout":
        raise EndpointError(
            f"The first request to {where} had no whole answer within the time limit.",
            fix="give more time with --timeout SECONDS, or ask for less with --max-tokens N",
        )
    raise EndpointError(
        f"The first request to {where} failed: {ERROR_KINDS.get(kind, kind)}.{said}",
        fix="try one request by hand (curl); a server that is still loading needs a moment",
    )


def _fix_for(kind: str) -> str:
    if kind in ("http_400", "http_413", "http_422"):
        return "the server does not take this request: other --prompts, a smaller --max-tokens, or --protocol"
    return "look at the server's log; --protocol, --model and the path decide what it is asked"


def _headers(key_env: str) -> dict[str, str]:
    key = os.environ.get(key_env, "").strip() if key_env else ""
    return {"Authorization": f"Bearer {key}"} if key else {}


def _get(client: httpx.Client, url: str, base: str, key_env: str) -> Any:
    """The JSON at `url`, or None where the server has none there."""
    try:
        with client.stream("GET", url) as response:
            if response.status_code in (401, 403):
                raise _refused(base, str(response.status_code), key_env)
            if response.is_redirect:
                raise EndpointError(
                    f"{base} redirects to another address.", fix="give the final address; redirects are not followed under load"
                )
            if response.status_code != 200:
                return None
            body = b""
            for piece in response.iter_bytes():
                body += piece
                if len(body) > LARGEST_LIST:
                    return None
        return json.loads(body)
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise EndpointError(
            f"Nothing answers at {base}: {_reason(error)}.",
            fix="check host and port, and that the server runs; `bakeoff serve RUN` starts one and prints its address",
        ) from None
    except httpx.TimeoutException:
        raise EndpointError(
            f"The server at {base} does not answer in time.", fix="look whether it is still loading, or hangs"
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise EndpointError(
            f"What answers at {base} does not speak HTTP: {_reason(error)}.", fix="check the port, and http against https"
        ) from None
    except (ValueError, RecursionError):
        return None


def _refused(where: str, status: str, key_env: str) -> EndpointError:
    if key_env:
        return EndpointError(f"{where} refuses the key in {key_env} (status {status}).", fix="check the key")
    return EndpointError(
        f"{where} wants a key (status {status}).", fix="put it into an environment variable and name that: --key-env NAME"
    )


def _reason(error: Exception) -> str:
    text = shown(str(error), 120)
    if "refused" in text.lower():
        return "the connection is refused"
    if "name or service not known" in text.lower() or "nodename" in text.lower() or "resolution" in text.lower():
        return "there is no host of that name"
    return text or type(error).__name__


def _models(listed: Any) -> tuple[str, ...]:
    rows: Iterable[Any] = listed.get("data", []) if isinstance(listed, dict) and isinstance(listed.get("data"), list) else []
    return tuple(shown(row["id"]) for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str))


def _paths(document: Any) -> tuple[str, ...]:
    paths = document.get("paths") if isinstance(document, dict) else None
    return tuple(str(path) for path in paths) if isinstance(paths, dict) else ()


def _chosen(model: str, models: tuple[str, ...], base: str) -> str:
    if model:
        if models and model not in models:
            raise EndpointError(
                f"The server at {base} has no model {model!r}; it has: {', '.join(models[:20])}.", fix=nearest(model, models)
            )
        return model
    if len(models) == 1:
        return models[0]
    if models:
        raise EndpointError(f"The server at {base} has {len(models)} models.", fix=f"name one: --model {' or '.join(models[:5])}")
    raise EndpointError(f"The server at {base} does not list its models.", fix="name one with --model NAME")
