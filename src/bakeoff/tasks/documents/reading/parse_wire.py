"""What the parsing process says to the one that started it: short, bounded records on a pipe.

    kind (1 byte) | length (4 bytes) | payload

The parsing process has read a stranger's file; whoever made that file may by now be the one who speaks. So every record has a kind that is
known, a length that is bounded by its kind before a byte of it is read, and a content that the listener checks again.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

READY, OPENED, BEAT, PAGE, REFUSED, DONE = range(1, 7)
"""Started; the document is open (JSON); a step of a page has begun; a page; the document cannot be read (JSON); all is said."""

LARGEST = {READY: 0, OPENED: 100_000, BEAT: 16, PAGE: 32_000_000, REFUSED: 20_000, DONE: 0}
"""Bytes of payload that each kind of record may have."""

STEPS = (
    "loading",
    "reading text",
    "looking for hidden text",
    "OCR",
    "finding tables",
    "finding figures",
    "ordering text",
    "keeping",
)
"""What is done with a page, in order: where it stood when it was given up is said to people in these words."""
LOADING, READING, HIDDEN, OCR, TABLES, FIGURES, ORDERING, KEEPING = range(len(STEPS))

OUT_OF_MEMORY = 77
"""Exit status of a parsing process that could get no more memory."""

_HEAD = struct.Struct("<BI")
_BEAT = struct.Struct("<IIff")


class Beat(NamedTuple):
    """The parsing process has begun `step` of page `page` (from 0); width and height in points, 0 while they are not known."""

    page: int
    step: int
    width: float
    height: float


class Nonsense(Exception):
    """What came is no record."""


def send(pipe: int, kind: int, payload: bytes = b"") -> None:
    """Write one record, whole. Blocks while the listener does not listen.

    Raises
    ------
    ValueError
        If the payload is larger than its kind allows.
    """
    if len(payload) > LARGEST[kind]:
        raise ValueError(f"{len(payload)} bytes are more than record {kind} may have")
    left = memoryview(_HEAD.pack(kind, len(payload)) + payload)
    while left:
        left = left[os.write(pipe, left) :]


def send_json(pipe: int, kind: int, **facts: Any) -> None:
    """Write one record of facts."""
    send(pipe, kind, json.dumps(facts).encode("ascii"))


def send_beat(pipe: int, beat: Beat) -> None:
    """Say where the work stands."""
    send(pipe, BEAT, _BEAT.pack(*beat))


def read_beat(payload: bytes) -> Beat:
    """The beat in a record. Raises Nonsense for anything else."""
    if len(payload) != _BEAT.size:
        raise Nonsense("a beat of a wrong length")
    beat = Beat(*_BEAT.unpack(payload))
    if beat.step >= len(STEPS):
        raise Nonsense("a step that there is not")
    return beat


def read_json(payload: bytes) -> dict[str, Any]:
    """The facts in a record. Raises Nonsense for anything else."""
    try:
        facts = json.loads(payload)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise Nonsense("facts that are no facts")
    return facts


class Records:
    """Puts records together from the pieces that a pipe gives. Holds at most one record, and so at most what `LARGEST` allows."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def feed(self, piece: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield each record that `piece` completes. Raises Nonsense for a kind or length that cannot be."""
        self._waiting += piece
        while len(self._waiting) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._waiting)
            if length > LARGEST.get(kind, -1):
                raise Nonsense(f"a record of kind {kind} and {length} bytes")
            if len(self._waiting) < _HEAD.size + length:
                return
            payload = bytes(self._waiting[_HEAD.size : _HEAD.size + length])
            del self._waiting[: _HEAD.size + length]
            yield kind, payload
