"""What every record is made of: a strict, frozen part, and a figure with its interval."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of a document: unknown fields are refused, and nothing changes once it is made."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Range(Part):
    """A figure with its 95% interval in its own unit, and the number of items (or measured times) behind it."""

    mid: float
    low: float
    high: float
    n: int
