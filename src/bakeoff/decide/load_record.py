"""The document of one load test: what `bakeoff load --json` prints and its page is made from."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from bakeoff.decide.record import Context, ServingResult, _Part

LOAD_SCHEMA_VERSION = 1


class LoadDocument(_Part):
    """A server, how it was asked, and what was measured."""

    schema_version: int = LOAD_SCHEMA_VERSION
    url: str
    model: str = ""
    protocol: str = Field(description="'chat' (OpenAI-compatible, streaming) or 'answer' (/v1/answer).")
    started: str
    command: str = ""
    seed: int = 0
    workers: int = 1
    settings: dict[str, Any] = Field(default_factory=dict)
    client: Context
    result: ServingResult
    histograms: dict[str, str] = Field(
        default_factory=dict, description="'<step>/<measure>' -> HdrHistogram V2, compressed, base64; values in microseconds."
    )
    valid: bool = True
    says: list[str] = Field(default_factory=list, description="What was found, in sentences.")
