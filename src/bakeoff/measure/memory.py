"""How much memory does it take, and how much disk?

The kernel's own high-water mark is the only peak that misses nothing. On Linux that is ``VmHWM`` of this process and not
``ru_maxrss``: the latter survives exec, so a small child started by a 400 MB parent reports 400 MB (a test shows it).
``VmHWM`` starts afresh with each program, and can be reset where the kernel allows it, so that one block of code is
measured and not everything before it. What the figure covers is always said.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from bakeoff.contract import Json
from bakeoff.errors import BakeoffError

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Memory:
    """Bytes of physical memory of this process.

    Parameters
    ----------
    peak_bytes : int
        Highest resident set size (RSS).
    covers : str
        ``block`` when the mark was reset at the start of the block, ``process`` when it holds everything since the start
        of the process, so that the block's own peak may be lower.
    source : str
        ``VmHWM`` (Linux), ``ru_maxrss`` (macOS and other Unix) or ``peak_wset`` (Windows).
    before_bytes, after_bytes : int
        RSS at the start and end of the block.
    after_unique_bytes : int or None
        Unique set size (USS) at the end: what ending the process would free. None where the system does not tell.
    """

    peak_bytes: int
    covers: str
    source: str
    before_bytes: int
    after_bytes: int
    after_unique_bytes: int | None

    def as_json(self) -> dict[str, Json]:
        """The fields by name."""
        return asdict(self)


class PeakMemory:
    """Measure the peak memory of a block::

        with PeakMemory() as peak:
            approach.fit(...)
        peak.result.peak_bytes

    Children of the process are not counted. Blocks must not be nested: an inner one resets the outer one's mark.
    """

    def __init__(self) -> None:
        self._result: Memory | None = None

    @property
    def result(self) -> Memory:
        """What was measured.

        Raises
        ------
        BakeoffError
            While the block has not ended.
        """
        if self._result is None:
            raise BakeoffError(
                "The peak memory is known only after the block has ended.", fix="read `result` after the `with` block"
            )
        return self._result

    def __enter__(self) -> PeakMemory:
        import psutil

        self._result = None
        self._process = psutil.Process()
        self._covers = "block" if _reset_peak() else "process"
        self._before = int(self._process.memory_info().rss)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        import psutil

        peak, source = peak_bytes()
        after = int(self._process.memory_info().rss)
        try:
            unique: int | None = int(self._process.memory_full_info().uss)
        except (psutil.Error, AttributeError, NotImplementedError):
            unique = None
        # The kernel counts RSS per thread in batches, so the mark may lag a reading by some pages.
        self._result = Memory(max(peak, self._before, after), self._covers, source, self._before, after, unique)


def peak_bytes() -> tuple[int, str]:
    """Highest RSS of this process in bytes (since its start, or since the last reset), and where the figure is from."""
    marked = _high_water_mark()
    if marked is not None:
        return marked, "VmHWM"
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset), "peak_wset"
    import resource

    # Linux and the BSDs count in kilobytes, macOS in bytes (getrusage(2) of each).
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024), "ru_maxrss"


def folder_bytes(path: Path) -> int:
    """Bytes of the files in a folder (or of one file), each counted once however many links lead to it.

    Links to files are followed, as caches of models are made of them. Links to folders are not, as they can go in circles.

    Raises
    ------
    BakeoffError
        If there is nothing at `path`.
    """
    if not path.exists():
        raise BakeoffError(f"There is nothing at {path} to take the size of.", fix="check the path")
    files = [path] if path.is_file() else [Path(top) / name for top, _, names in os.walk(path) for name in names]
    sizes: dict[tuple[int, int], int] = {}
    for file in files:
        try:
            found = file.stat()
        except FileNotFoundError:
            continue  # a link that leads nowhere holds no bytes
        if file.is_file():
            # Some file systems give no inode numbers; the path then tells files apart.
            sizes[(found.st_dev, found.st_ino or hash(file))] = found.st_size
    return sum(sizes.values())


def _high_water_mark() -> int | None:
    try:
        lines = STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def _reset_peak() -> bool:
    """Set the mark back to the present size: 5 into clear_refs (proc(5), Linux 4.0 and later). False where not allowed."""
    if _high_water_mark() is None:
        return False
    try:
        CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True
