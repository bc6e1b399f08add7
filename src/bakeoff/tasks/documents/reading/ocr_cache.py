"""What OCR read on a picture, kept so that the same picture is read once.

A file per picture, in a folder that may be removed at any time. The words of a scanned page are as confidential as the page, and outlive its document
here. So they are locked with a key that is made of the picture itself (convergent encryption, Douceur et al. 2002): who has the picture can
read what stands on it, and whoever has the folder alone can read nothing. Key and file name are different hashes of the picture.

Each file is written beside its place and renamed: a process killed at any time leaves the old result or the new one. A file that
was changed or cut off does not pass its own check, and is as if it were not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bakeoff.tasks.documents.reading.ocr import Seen

LARGEST = 8_000_000
_SALT, _SEAL = 16, 32


class Address(NamedTuple):
    """Where a result is kept (hexadecimal digits), and the key that opens it."""

    name: str
    key: bytes


def default_folder() -> Path:
    """``ocr`` in BAKEOFF_HOME (default ``~/.cache/bakeoff``)."""
    return Path(os.environ.get("BAKEOFF_HOME") or "~/.cache/bakeoff").expanduser() / "ocr"


def address(picture: NDArray, scale: float, version: str) -> Address:
    """Of a picture (height, width, 3) at `scale` pixels per point, read by `version` of the reader."""
    import numpy as np

    digest = hashlib.sha256(f"{version}|{picture.shape}|{scale:.6f}|".encode())
    digest.update(np.ascontiguousarray(picture).data)
    secret = digest.digest()
    return Address(hmac.digest(secret, b"name", "sha256").hex(), hmac.digest(secret, b"key", "sha256"))


def get(folder: Path, where: Address) -> Seen | None:
    """What is kept there; None where nothing is, or nothing that can be trusted."""
    from bakeoff.tasks.documents.glyphs import SeenWord
    from bakeoff.tasks.documents.reading.ocr import Seen

    try:
        with _path(folder, where).open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError:
        return None
    salt, seal, locked = data[:_SALT], data[_SALT : _SALT + _SEAL], data[_SALT + _SEAL :]
    if len(data) > LARGEST or not hmac.compare_digest(seal, _sealed(where.key, salt, locked)):
        return None
    try:
        facts = json.loads(zlib.decompress(_mixed(where.key, salt, locked)))
        words = tuple(
            SeenWord(str(text), (float(x0), float(y0), float(x1), float(y1)), float(score))
            for text, x0, y0, x1, y1, score in facts["words"]
        )
        return Seen(words, int(facts["dropped"]))
    except (ValueError, TypeError, KeyError, zlib.error):
        return None


def put(folder: Path, where: Address, seen: Seen) -> None:
    """Keep a result. A folder that cannot be written costs time later, and nothing else."""
    words = [[word.text, *(round(value, 3) for value in word.box), round(word.score, 4)] for word in seen.words]
    packed = zlib.compress(json.dumps({"words": words, "dropped": seen.dropped}).encode(), 6)
    salt = os.urandom(_SALT)
    locked = _mixed(where.key, salt, packed)
    data = salt + _sealed(where.key, salt, locked) + locked
    if len(data) > LARGEST:
        return
    target = _path(folder, where)
    beside = target.with_name(f"{target.name}.{os.getpid()}.new")
    with contextlib.suppress(OSError):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            beside.write_bytes(data)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)


def _path(folder: Path, where: Address) -> Path:
    return folder / where.name[:2] / where.name[2:]


def _mixed(key: bytes, salt: bytes, data: bytes) -> bytes:
    """`data` with a key stream laid over it; twice gives it back. The salt makes each stream one that was never used before."""
    stream = hashlib.shake_256(b"stream" + key + salt).digest(len(data))
    return (int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(data), "big")


def _sealed(key: bytes, salt: bytes, locked: bytes) -> bytes:
    return hmac.digest(hmac.digest(key, b"seal", "sha256"), salt + locked, "sha256")
