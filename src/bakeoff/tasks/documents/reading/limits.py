"""How much one document may cost: memory, time, pages, pixels. A PDF is somebody else's program; these are its walls.

Time and memory are watched from outside, by the process that started the parsing one and can kill it (`parse_process`).
The operating system's own limits, set here, stand behind that for the case that nobody is left to watch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from bakeoff.errors import BakeoffError

LEAST_MEMORY_MB = 300
"""Python, NumPy and PDFium need about a third of this before they have seen a page."""
SECONDS_BEYOND = 60
"""Processor seconds that the system grants a document beyond `document_seconds`, before it ends the process itself."""


@dataclass(frozen=True)
class Limits:
    """What parsing one document may cost.

    Parameters
    ----------
    memory_mb : int, default=1500
        Of the parsing process, in units of 1,000,000 bytes. Reading pictures as text (OCR) takes about 700 of them.
    page_seconds : float, default=20
        Wall-clock time of one page. The page that passes it is given up, alone.
    ocr_seconds : float, default=40
        Added for a page of which pictures are read.
    document_seconds : float, default=1800
        Wall-clock time of the whole document. A document that passes it is refused as a whole.
    opening_seconds : float, default=60
        Until the number of pages is known, repair of a damaged file included.
    pages : int, default=10_000
    file_mb : int, default=500
        Size of the file, in units of 1,000,000 bytes.
    image_pixels : int, default=40_000_000
        Width times height of a picture inside of the file, and of every picture that is made of a page. Larger ones inside of a file are
        never unpacked: they are shown as a grey surface.
    page_characters : int, default=400_000
        Characters on one page, visible or not. A page of more is given up, alone.
    failures : int, default=20
        How often the parsing process may be started again after it was killed or has crashed.

    Raises
    ------
    BakeoffError
        If a limit is not a positive number, or the memory is less than an empty process needs.
    """

    memory_mb: int = 1500
    page_seconds: float = 20.0
    ocr_seconds: float = 40.0
    document_seconds: float = 1800.0
    opening_seconds: float = 60.0
    pages: int = 10_000
    file_mb: int = 500
    image_pixels: int = 40_000_000
    page_characters: int = 400_000
    failures: int = 20

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = {"memory_mb": LEAST_MEMORY_MB, "failures": 0}.get(field.name, 0)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or value < least or (value == 0 and field.name != "failures"):
                above = f"at least {least}" if least or field.name == "failures" else "above 0"
                raise BakeoffError(
                    f"The limit {field.name} is {value!r}; it must be a number {above}.", fix=f"give {field.name} another value"
                )


def hold(limits: Limits) -> None:
    """Set the system's limits for this process and all that it starts: memory, size of written files, no core dumps.

    What a system does not know is passed over (macOS counts no memory here): the watcher outside holds it everywhere.
    """
    import resource

    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 3 * limits.file_mb * 1_000_000)
    # Data, not address space: shared libraries and the stacks of threads that sleep reserve addresses without using memory.
    _lower(resource.RLIMIT_DATA, limits.memory_mb * 1_000_000)


def grant_time(seconds: float) -> None:
    """From now on this process may use `seconds` of processor time, and a minute more, before the system ends it."""
    import resource
    import time

    _lower(resource.RLIMIT_CPU, math.ceil(time.process_time() + seconds) + SECONDS_BEYOND, hard=False)


def _lower(which: int, value: int, *, hard: bool = True) -> None:
    import contextlib
    import resource

    highest = resource.getrlimit(which)[1]
    soft = value if highest == resource.RLIM_INFINITY else min(value, highest)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(which, (soft, soft if hard else highest))
