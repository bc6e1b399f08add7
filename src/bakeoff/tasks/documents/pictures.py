"""Pictures of pages, for people who want to see where it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bakeoff.errors import BadData
from bakeoff.tasks.documents.records import EVERYTHING, Scope

if TYPE_CHECKING:
    from bakeoff.tasks.documents.corpus import Corpus

WIDTH = 1100
"""Pixels across: sharp at the width at which a page is read, and under 200 kB for a page of text."""

LARGEST_PIXELS = 4_000_000
LARGEST_BYTES = 3_000_000
LONGEST_SECONDS = 40.0


class Picture(NamedTuple):
    """A drawn page: its size in points and its WebP bytes, empty where it could not be drawn."""

    document: str
    page: int
    width: float
    height: float
    webp: bytes


def picture_of(corpus: Corpus, document: str, number: int, scope: Scope = EVERYTHING) -> Picture:
    """Draw one page of a document in scope.

    Its file must still be the one that was indexed (same bytes): what is marked on a picture must be what stands there.

    Raises
    ------
    BadData
        If there is no such page in scope.
    """
    page = corpus.store.page(document, number, scope)
    bare = Picture(document, number, page.width, page.height, b"")
    path = corpus.folder / document if corpus.folder else None
    facts = next(facts for facts in corpus.store.documents(scope) if facts.name == document)
    from bakeoff.tasks.documents.corpus import hash_file

    try:
        if path is None or not path.is_file() or hash_file(path) != facts.id:
            return bare
        return bare._replace(webp=_drawn(path, number, page.width, page.height))
    except (OSError, BadData):
        return bare


def _drawn(path: Path, number: int, width: float, height: float) -> bytes:
    """The page as WebP, drawn by a process that can be killed; empty where it cannot be drawn."""
    scale = WIDTH / max(width, 1.0)
    scale *= min(1.0, (LARGEST_PIXELS / max(1.0, width * height * scale * scale)) ** 0.5)
    command = [sys.executable, "-m", "bakeoff.tasks.documents.reading.draw_child", str(path), str(number), f"{scale:.6f}"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LONGEST_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return b""
    return done.stdout if done.returncode == 0 and len(done.stdout) <= LARGEST_BYTES else b""
