"""Small picture files for tests: made here, of every odd kind that a folder may hold."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def pixels(seed: int, side: int = 24) -> np.ndarray:
    """A picture of blocks of colour, different for every seed."""
    draw = np.random.default_rng(seed)
    return np.kron(draw.integers(0, 256, (6, 6, 3)), np.ones((side // 6, side // 6, 1))).astype(np.uint8)


def encoded(picture: Image.Image | np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    held = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(held, kind, **options)
    return held.getvalue()


def png(seed: int) -> bytes:
    return encoded(pixels(seed))


def huge_png(side: int = 20_000) -> bytes:
    """A valid header of side by side pixels and a few compressed bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def class_folders(root: Path, classes: dict[str, int], start: int = 0) -> Path:
    """A folder for each class with so many PNG files."""
    seed = start
    for name, count in classes.items():
        for i in range(count):
            seed += 1
            put(root / name / f"{i}.png", png(seed))
    return root
