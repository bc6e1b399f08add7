"""The process that parses: ``python -m bakeoff.tasks.documents.reading.parse_child``, started by `parse_process`.

It reads strangers' files, so it is made to be killed: it holds nothing that is not also elsewhere, and writes nothing but temporary copies and the
cache of OCR. Orders come as JSON lines on standard input; when that ends, the starter is gone, and this process ends with all that it started.
What it finds goes out as records (`parse_wire`).
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import struct
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from bakeoff.errors import BakeoffError
from bakeoff.tasks.documents.reading import page_codec
from bakeoff.tasks.documents.reading import parse_wire as wire
from bakeoff.tasks.documents.reading.limits import Limits, grant_time, hold
from bakeoff.tasks.documents.records import Page


def main(arguments: Sequence[str]) -> int:
    """Obey orders until there are no more. The one argument is JSON: limits, the spool's file descriptor, the folder for copies."""
    start = json.loads(arguments[0])
    pipe = os.dup(1)
    os.set_inheritable(pipe, False)
    os.dup2(2, 1)  # what a library prints is no record
    limits = Limits(**start["limits"])
    hold(limits)
    orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders, start["folder"]), daemon=True).start()

    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    wire.send(pipe, wire.READY)
    while True:
        order = orders.get()
        try:
            if order["job"] == "parse":
                parse(order, limits, Path(start["folder"]), pipe)
            else:
                finish(order, limits, start["spool"], pipe)
            wire.send(pipe, wire.DONE)
        except MemoryError:
            os._exit(wire.OUT_OF_MEMORY)
        except BakeoffError as error:
            wire.send_json(pipe, wire.REFUSED, what=error.what[:2000], fix=error.fix[:2000])
        except BrokenPipeError:
            _leave(start["folder"])  # nobody listens any more: the starter is gone
        except Exception as error:  # not foreseen: said to the one who asked, who decides; the next order may fare better
            what = f"The document could not be read: {type(error).__name__}: {error}"[:500]
            wire.send_json(pipe, wire.REFUSED, what=what, fix="leave it out, and report this")


def parse(order: dict[str, Any], limits: Limits, folder: Path, pipe: int) -> None:
    """Open a document, say what it is, and send its pages from the one that was asked for on."""
    from bakeoff.tasks.documents.layout import structure
    from bakeoff.tasks.documents.reading import parse_page
    from bakeoff.tasks.documents.reading.parse_open import OpenDocument

    grant_time(limits.document_seconds)
    document = OpenDocument(Path(order["path"]), order["password"], folder, limits, repair=order["repair"])
    try:
        wire.send_json(pipe, wire.OPENED, pages=len(document), title=document.title, notes=document.notes)
        if len(document) > limits.pages:
            return
        size, memory = (0.0, 0.0), structure.Memory()
        for index in range(order["start"], len(document)):

            def beat(step: int, width: float, height: float, index: int = index) -> None:
                nonlocal size
                size = width or size[0], height or size[1]
                wire.send_beat(pipe, wire.Beat(index, step, *size))

            skip = {int(step): reason for step, reason in order["skip"].items()} if index == order["start"] else {}
            cache = Path(order["cache"]) if order["cache"] else None
            page = parse_page.read(document, index, parse_page.PageJob(order["ocr"], cache, limits, skip, beat, memory))
            try:
                data = page_codec.encode(page)
            except BakeoffError as error:
                data = page_codec.encode(parse_page.empty(index, *size, error.what.rstrip(".")))
            wire.send(pipe, wire.PAGE, struct.pack("<I", index) + data)
    finally:
        document.close()


def finish(order: dict[str, Any], limits: Limits, spool: int, pipe: int) -> None:
    """Look at the pages of a document together; send again those that this changes.

    They are read from the spool twice, so that memory does not grow with the document: once to learn what repeats, once to mark it.
    """
    from bakeoff.tasks.documents.layout import furniture
    from bakeoff.tasks.documents.tabular import tables

    grant_time(limits.document_seconds)
    marker = furniture.Marker()
    for page in _spooled(spool, order["pages"]):
        marker.add(page)
    found, levels = marker.finish(), marker.levels
    before: Page | None = None
    for old in _spooled(spool, order["pages"]):
        marked = furniture.apply(old, found.get(old.number, {}), levels)
        before = new = tables.join_next(before, marked)
        if (old.blocks, old.tables, old.figures, old.notes) != (new.blocks, new.tables, new.figures, new.notes):
            # The text stays what it was: quotes and boxes were made of it.
            kept = replace(new, number=old.number, text=old.text, boxes=old.boxes)
            wire.send(pipe, wire.PAGE, struct.pack("<I", old.number - 1) + page_codec.encode(kept))


def _spooled(spool: int, count: int) -> Iterator[Page]:
    at = 0
    for _ in range(count):
        (size,) = struct.unpack("<I", os.pread(spool, 4, at))
        yield page_codec.decode(os.pread(spool, size, at + 4))
        at += 4 + size


def _listen(orders: queue.SimpleQueue[dict[str, Any]], folder: str) -> None:
    """Take orders, in a thread, until there can be no more; then leave, whatever is going on."""
    waiting = b""
    # Not sys.stdin: a thread that waits in it holds a lock that Python wants when it ends.
    while piece := os.read(0, 1 << 16):
        *lines, waiting = (waiting + piece).split(b"\n")
        for line in lines:
            orders.put(json.loads(line))
    _leave(folder)


def _leave(folder: str) -> NoReturn:
    shutil.rmtree(folder, ignore_errors=True)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(75)


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
    except BaseException:  # its last words; the starter reads them
        traceback.print_exc()
        status = 1
    sys.stderr.flush()
    os._exit(status)  # nothing here is worth tidying up, and a fault while tidying up would hang
