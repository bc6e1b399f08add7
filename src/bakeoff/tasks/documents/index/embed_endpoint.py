"""Vectors from a server that speaks OpenAI's embeddings API.

Whatever the server does has an end: a longest time, a largest response, a largest number of attempts. Redirects are not followed. The key
is read from the environment for each request, goes into one header, and is never kept or shown.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import httpx

from bakeoff.errors import BakeoffError, EndpointError
from bakeoff.models.chat_transport import RETRIED, checked_url, is_loopback
from bakeoff.models.rate_limit import Clock, backoff_seconds, retry_after_seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH = 64
"""Texts in one request."""

LONGEST_TEXT = 8_192
"""Characters of each text that are sent: servers refuse the whole batch where one text is over the model's length."""

LARGEST_BYTES = 64_000_000
MOST_DIMENSIONS = 16_384


class EndpointEmbedder:
    """An embedding model behind ``POST URL/embeddings``.

    Parameters
    ----------
    url : str
        Up to and without ``/embeddings``, e.g. ``http://localhost:8000/v1``. Without key, password or query.
    model : str
        The model's name at the server.
    key_env : str, default='OPENAI_API_KEY'
        Name of the environment variable that holds the key. It may be unset.
    attempts : int, default=4
        Times that one request is sent at most.
    seconds : float, default=60
        Longest silence of the server, and longest wait between two attempts.

    Raises
    ------
    BakeoffError
        For a setting that cannot be used.
    EndpointError
        If the server cannot be used: it is asked once for its dimensions.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key_env: str = "OPENAI_API_KEY",
        attempts: int = 4,
        seconds: float = 60.0,
        clock: Clock | None = None,
    ) -> None:
        base, host = checked_url(url)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key_env):
            # What was given may be the key itself: it must not be shown.
            raise BakeoffError(
                "The key of an embedding endpoint is named by an environment variable.", fix="give the variable's name"
            )
        if attempts < 1 or seconds <= 0:
            raise BakeoffError(
                f"An embedding endpoint has {attempts} attempts and {seconds} seconds; both must be above 0.", fix="correct them"
            )
        self._url, self._model, self._key_env = base.removesuffix("/embeddings") + "/embeddings", model, key_env
        self._attempts, self._seconds, self._clock = attempts, seconds, clock or Clock()
        self._client = httpx.Client(
            timeout=httpx.Timeout(seconds, connect=min(5.0, seconds)), follow_redirects=False, trust_env=not is_loopback(host)
        )
        self.name = f"endpoint:{base}#{model}"
        self.dimensions = 0
        self.dimensions = int(self.encode(["dimensions"]).shape[1])

    def encode(self, texts: Sequence[str]) -> NDArray:
        """One row of length 1 for each text, in batches of `BATCH`.

        Raises
        ------
        EndpointError
            If the server does not answer after all attempts, or answers with something other than one finite, nonzero vector of
            the model's dimensions for each text.
        """
        import numpy as np

        rows = [np.zeros((0, self.dimensions), dtype=np.float32)] if self.dimensions else []
        # Texts of one length together: servers pad each batch to its longest.
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        for begin in range(0, len(order), BATCH):
            rows.append(self._batch([texts[at][:LONGEST_TEXT] or " " for at in order[begin : begin + BATCH]]))
        out = np.empty_like(joined := np.concatenate(rows))
        out[order] = joined
        return out

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _batch(self, texts: list[str]) -> NDArray:
        content = json.dumps({"model": self._model, "input": texts, "encoding_format": "float"}).encode("ascii")
        why, pause = "", None
        for attempt in range(1, self._attempts + 1):
            if attempt > 1:
                wait = backoff_seconds(attempt - 1, seed=self.name) if pause is None else min(pause, self._seconds)
                self._clock.wait(wait, threading.Event())
            try:
                status, pause, body = self._send(content)
            except httpx.HTTPError as error:
                why, pause = type(error).__name__, None
                continue
            if status == 200:
                return self._vectors(body, len(texts))
            why = f"HTTP {status}"
            if status not in RETRIED and status < 500:
                break
        hint = (
            f"check the key in {self._key_env}" if why in ("HTTP 401", "HTTP 403") else "check its address and the model's name"
        )
        raise EndpointError(f"The embedding endpoint {self._url} gave no vectors: {why}.", fix=hint)

    def _send(self, content: bytes) -> tuple[int, float | None, bytes]:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if secret := os.environ.get(self._key_env, "").strip():
            if not (secret.isascii() and secret.isprintable() and " " not in secret):
                raise BakeoffError(f"The key in {self._key_env} holds spaces or characters that no key has.", fix="set it again")
            headers["Authorization"] = f"Bearer {secret}"
        began = time.monotonic()
        with self._client.stream("POST", self._url, content=content, headers=headers) as response:
            pause = retry_after_seconds(response.headers.get("retry-after"), now=self._clock.time())
            if response.status_code != 200:
                return response.status_code, pause, b""
            body = bytearray()
            for piece in response.iter_bytes():
                body += piece
                if len(body) > LARGEST_BYTES:
                    raise self._unusable(f"an answer over {LARGEST_BYTES:,} bytes")
                # A server that sends a byte a minute defeats every read timeout.
                if time.monotonic() - began > 2 * self._seconds:
                    raise httpx.ReadTimeout("no complete answer")
            return 200, pause, bytes(body)

    def _vectors(self, body: bytes, count: int) -> NDArray:
        import numpy as np

        try:
            data: Any = json.loads(body)["data"]
            placed: list[Any] = [None] * count
            for position, each in enumerate(data):
                placed[each.get("index", position)] = each["embedding"]
            vectors = np.asarray(placed, dtype=np.float32)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
            raise self._unusable(f"something other than {count} vectors of numbers") from None
        if vectors.ndim != 2 or len(data) != count or not 0 < vectors.shape[1] <= MOST_DIMENSIONS:
            raise self._unusable(f"something other than {count} vectors of numbers")
        if self.dimensions and vectors.shape[1] != self.dimensions:
            raise self._unusable(f"vectors of {vectors.shape[1]} dimensions after vectors of {self.dimensions}")
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not (lengths > 0).all():
            raise self._unusable("a vector without a direction")
        unit: NDArray = (vectors / lengths).astype(np.float32)
        return unit

    def _unusable(self, what: str) -> EndpointError:
        return EndpointError(f"The embedding endpoint {self._url} gave {what}.", fix="check that it serves an embedding model")
