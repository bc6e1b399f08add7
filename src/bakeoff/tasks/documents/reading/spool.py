"""Pages on their way from the parsing process into a store: in a temporary file without a name, read one at a time.

The file has no name, so its bytes are gone with the process that made it, however that ends.
"""

from __future__ import annotations

import os
import struct
import tempfile

from bakeoff.errors import BakeoffError
from bakeoff.tasks.documents.reading import page_codec
from bakeoff.tasks.documents.records import Page

_LENGTH = struct.Struct("<I")


class Spool:
    """Encoded pages by number. Memory: 16 bytes a page.

    On disk a record is its length and its bytes, one after the other in the order of `add`; `replace` writes behind the last one.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="bakeoff-pages-", buffering=0)  # noqa: SIM115 (it lives as long as this object)
        self._places: list[tuple[int, int]] = []
        self._end = 0
        self.filling = 0

    def __len__(self) -> int:
        return len(self._places)

    def reader(self) -> int:
        """A new file descriptor that can read the spool and, where the system allows it, not write it."""
        try:
            return os.open(f"/dev/fd/{self._file.fileno()}", os.O_RDONLY)
        except OSError:
            return os.dup(self._file.fileno())

    def add(self, data: bytes) -> None:
        """Keep the next page."""
        self._places.append(self._write(data))

    def replace(self, index: int, data: bytes) -> None:
        """Keep another version of page `index` (from 0)."""
        self._places[index] = self._write(data)

    def page(self, index: int, filling: int | None = None) -> Page:
        """Page `index` (from 0), of filling number `filling` where it matters. Raises BakeoffError if it is not there any more."""
        if self._file.closed or filling not in (None, self.filling):
            raise BakeoffError("The pages of this document are gone: it was closed.", fix="read them inside of the `with` block")
        at, length = self._places[index]
        return page_codec.decode(os.pread(self._file.fileno(), length, at))

    def clear(self) -> None:
        """Forget all pages; their bytes are gone. What is added from now on is another filling."""
        self._places, self._end = [], 0
        self.filling += 1
        self._file.truncate(0)

    def close(self) -> None:
        """Forget all pages, for good."""
        self._places = []
        self._file.close()

    def _write(self, data: bytes) -> tuple[int, int]:
        record = _LENGTH.pack(len(data)) + data
        left, at = memoryview(record), self._end
        try:
            while left:
                written = os.pwrite(self._file.fileno(), left, at)
                left, at = left[written:], at + written
        except OSError as error:
            raise BakeoffError(
                f"The pages of a document could not be kept in {tempfile.gettempdir()}: {error.strerror}.",
                fix="free some space there, or set TMPDIR",
            ) from error
        place = self._end + _LENGTH.size, len(data)
        self._end = at
        return place
