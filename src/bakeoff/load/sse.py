"""Server-sent events out of bytes, as they come (WHATWG HTML, section 9.2.6).

Works on bytes, so that nothing is decoded that is not an event, and takes pieces cut anywhere: within a line end, within a
character. It never raises: what is no event is passed over, as the standard says.
"""

from __future__ import annotations

_BOM = b"\xef\xbb\xbf"


class EventParser:
    """Feed it pieces of a stream; it gives the events that each piece completes."""

    __slots__ = ("_data", "_event", "_line", "_skip_newline", "_started")

    def __init__(self) -> None:
        self._line: list[bytes] = []  # pieces of a line whose end has not come
        self._data: list[bytes] = []
        self._event = b""
        self._skip_newline = False
        self._started = False

    def feed(self, piece: bytes) -> list[tuple[bytes, bytes]]:
        """The events that `piece` completes, each as (event type, data); the type is empty where none was sent.

        An event is complete at its blank line. A carriage return ends a line at once; a line feed after it, even in the next
        piece, belongs to it.
        """
        if self._skip_newline and piece:
            self._skip_newline = False
            if piece[:1] == b"\n":
                piece = piece[1:]
        if b"\r" in piece:
            self._skip_newline = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in piece:
            if piece:
                self._line.append(piece)
            return []
        if self._line:
            self._line.append(piece)
            piece = b"".join(self._line)
        lines = piece.split(b"\n")
        last = lines.pop()
        self._line = [last] if last else []
        if not self._started:
            self._started = True
            lines[0] = lines[0].removeprefix(_BOM)
        found: list[tuple[bytes, bytes]] = []
        for line in lines:
            if not line:
                if self._data:
                    found.append((self._event, self._data[0] if len(self._data) == 1 else b"\n".join(self._data)))
                    self._data = []
                self._event = b""
            elif line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line.startswith(b"event:"):
                self._event = line[6:].removeprefix(b" ")
            elif line == b"data":
                self._data.append(b"")
            elif line == b"event":
                self._event = b""
        return found
