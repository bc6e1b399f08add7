"""One page, from the file to a `Page`: the order of the steps, and what becomes of a page when one of them fails.

A step that finds tables, figures or words on a picture may fail: the page is kept without, and says so. A page whose hidden text could not
be told from what a reader sees is not kept at all: text that nobody can see must never be found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from bakeoff.errors import BadData
from bakeoff.tasks.documents.glyphs import RawFigure, RawPage, RawTable, SeenWord
from bakeoff.tasks.documents.layout import figures, structure
from bakeoff.tasks.documents.reading import ocr, raw, visible
from bakeoff.tasks.documents.reading import parse_wire as wire
from bakeoff.tasks.documents.reading.limits import Limits
from bakeoff.tasks.documents.reading.parse_open import OpenDocument
from bakeoff.tasks.documents.records import Page
from bakeoff.tasks.documents.tabular import tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

Mode: TypeAlias = Literal["auto", "never", "always"]
T = TypeVar("T")

FEW_CHARACTERS = 20
"""A page with fewer characters that a reader can see is looked at as a picture."""
MOSTLY = 0.5
"""Share of a page that pictures must cover for the page to be a scan."""
MANY_PATHS = 100
"""Vector paths on a page without text: letters may have been drawn as outlines."""
UNREADABLE = 0.5
"""Share of visible characters without a meaning (private use, unassigned, U+FFFD) from which a page is read as a picture instead."""
FIGURES_READ = 8
"""Pictures on one page whose words are read."""
LEAST_FIGURE = (72.0, 36.0)
"""Width and height, in points, of pictures that are worth reading."""
USUAL_SIZE = (612.0, 792.0)


@dataclass(frozen=True)
class PageJob:
    """How to read pages: whether to use OCR, where its results are kept, the limits, the steps to leave out with the reason for it, where to
    say which step has begun, and what the pages before have taught."""

    mode: Mode
    cache: Path | None
    limits: Limits
    skip: Mapping[int, str]
    beat: Callable[[int, float, float], None]
    memory: structure.Memory


def read(document: OpenDocument, index: int, job: PageJob) -> Page:
    """Page `index` (from 0), whatever it takes; an empty page with a note where nothing helps."""
    job.beat(wire.LOADING, 0.0, 0.0)
    width, height = _size(document, index)
    job.beat(wire.READING, width, height)
    notes: list[str] = []
    try:
        found = _raw(document, index, job.limits, notes)
        job.beat(wire.HIDDEN, found.width, found.height)
        found = visible.judge(document.pdf, index, found)
    except Unreadable as why:
        return empty(index, width, height, str(why))
    except MemoryError:
        raise
    except Exception as error:  # a fault of the file or of ours: this page is lost, the others are not
        return empty(index, width, height, _fault(error))
    return _assembled(document, index, found, job, notes)


def empty(index: int, width: float, height: float, why: str) -> Page:
    """A page that could not be read. `why` ends the sentence; sizes of 0 become those of a US letter page."""
    import numpy as np

    size = (width, height) if width > 0 and height > 0 else USUAL_SIZE
    return Page(
        index + 1,
        float(size[0]),
        float(size[1]),
        "",
        np.zeros((0, 4), np.float32),
        notes=(f"This page could not be read: {why}.",),
    )


class Unreadable(Exception):
    """A page is over a limit; the text says which."""


def _size(document: OpenDocument, index: int) -> tuple[float, float]:
    try:
        width, height = document.pdf.get_page_size(index)
    except MemoryError:
        raise
    except Exception:  # it will be said once more, with its reason, when the page is read
        return 0.0, 0.0
    return (float(width), float(height)) if 0 < width < 1e6 and 0 < height < 1e6 else (0.0, 0.0)


def _raw(document: OpenDocument, index: int, limits: Limits, notes: list[str]) -> RawPage:
    try:
        found = raw.read_page(document.pdf, index)
    except BadData:
        if not document.repair():
            raise
        notes.append("The file is damaged here; a repaired copy was read.")
        found = raw.read_page(document.pdf, index)
    if len(found.chars) > limits.page_characters:
        raise Unreadable(f"it holds {len(found.chars):,} characters, the limit is {limits.page_characters:,}")
    most = max((one.pixels[0] * one.pixels[1] for one in found.images), default=0)
    if most > limits.image_pixels:
        # Before anything is drawn: drawing would unpack it.
        if document.hide_large_pictures():
            found = raw.read_page(document.pdf, index)
        if any(one.pixels[0] * one.pixels[1] > limits.image_pixels for one in found.images):
            raise Unreadable(
                f"it holds a picture of {most / 1e6:,.0f} million pixels, the limit is {limits.image_pixels / 1e6:,.0f} million"
            )
        notes.append(
            f"A picture of {most / 1e6:,.0f} million pixels was not unpacked; the limit is {limits.image_pixels / 1e6:,.0f} million."
        )
    return found


def _assembled(document: OpenDocument, index: int, found: RawPage, job: PageJob, notes: list[str]) -> Page:
    unreadable = _without_meaning(found)
    readable = found if unreadable is None else replace(found, visible=found.visible & ~unreadable)
    scanned = _is_scan(readable)
    words: Sequence[SeenWord] = ()
    if unreadable is not None:
        notes.append(
            f"{int(unreadable.sum()):,} characters have no meaning in the file (a font without a table of characters); they were left out."
        )
    if job.mode == "always" or (job.mode == "auto" and (scanned or unreadable is not None)):
        words = _try(
            job,
            wire.OCR,
            notes,
            "Words on pictures were not read",
            lambda: _words_of_page(document, index, readable, job, notes),
            (),
        )
    elif scanned and job.mode == "never" and readable.images:
        notes.append("The page looks like a scan; OCR is off.")
    sheets: list[RawTable] = _try(job, wire.TABLES, notes, "Tables were not looked for", lambda: tables.find_tables(readable), [])
    drawn: list[RawFigure] = _try(
        job, wire.FIGURES, notes, "Figures were not looked for", lambda: figures.find_figures(readable, sheets), []
    )
    if scanned:
        drawn = [one for one in drawn if _share((one.box,), readable) < MOSTLY]  # the scan itself is no figure of the page
    elif job.mode == "auto":
        drawn = _try(
            job,
            wire.OCR,
            notes,
            "Words in pictures were not read",
            lambda: _read_figures(document, index, readable, drawn, job),
            drawn,
        )
    job.beat(wire.ORDERING, found.width, found.height)
    try:
        page = _ordered(readable, sheets, drawn, words, job, notes)
    except MemoryError:
        raise
    except Exception as error:  # the last step, whose failure is the page's
        return empty(index, found.width, found.height, _fault(error))
    hidden = page.hidden - (0 if unreadable is None else _printed(unreadable, found))
    job.beat(wire.KEEPING, found.width, found.height)
    return replace(page, hidden=max(0, hidden), notes=(*page.notes, *notes), **_clean(page))


def _ordered(
    page: RawPage,
    sheets: Sequence[RawTable],
    drawn: Sequence[RawFigure],
    words: Sequence[SeenWord],
    job: PageJob,
    notes: list[str],
) -> Page:
    try:
        return structure.assemble(page, sheets, drawn, words, memory=job.memory)
    except MemoryError:
        raise
    except Exception as error:
        if not sheets and not drawn:
            raise
        page_alone = structure.assemble(page, [], [], words, memory=job.memory)
        notes.append(f"Tables and figures were left out: {_fault(error)}.")
        return page_alone


def _try(job: PageJob, step: int, notes: list[str], without: str, do: Callable[[], T], otherwise: T) -> T:
    """What a step finds, or what is taken instead where it fails or is to be left out; that is noted."""
    if step in job.skip:
        notes.append(f"{without}: {job.skip[step]}.")
        return otherwise
    job.beat(step, 0.0, 0.0)
    try:
        return do()
    except MemoryError:
        raise
    except BadData as error:
        notes.append(f"{without}: {error.what.rstrip('.')} ({error.fix}).")
    except Exception as error:  # a fault of the file or of ours costs this step, not the page
        notes.append(f"{without}: {_fault(error)}.")
    return otherwise


def _fault(error: Exception) -> str:
    what = error.what if isinstance(error, BadData) else f"{type(error).__name__}: {error}"
    return what[:200].rstrip(". ")


def _words_of_page(document: OpenDocument, index: int, page: RawPage, job: PageJob, notes: list[str]) -> list[SeenWord]:
    problem = ocr.problem()
    if problem:
        raise problem
    scale = ocr.scale_for(page.width, page.height, job.limits.image_pixels)
    seen = ocr.read_cached(raw.render(document.pdf, index, scale), scale, job.cache)
    if seen.dropped:
        notes.append(f"{seen.dropped} words that OCR was not sure of (confidence under {ocr.LEAST_CONFIDENCE}) were left out.")
    return list(seen.words)


def _read_figures(document: OpenDocument, index: int, page: RawPage, drawn: list[RawFigure], job: PageJob) -> list[RawFigure]:
    """The same figures, raster images without text of their own with the words that OCR reads in them."""
    done, left = [], FIGURES_READ
    for one in drawn:
        box = max(0.0, one.box[0]), max(0.0, one.box[1]), min(page.width, one.box[2]), min(page.height, one.box[3])
        wide, high = box[2] - box[0], box[3] - box[1]
        if one.kind == "image" and not one.glyphs and wide >= LEAST_FIGURE[0] and high >= LEAST_FIGURE[1] and left:
            problem = ocr.problem()
            if problem:
                raise problem
            left -= 1
            scale = ocr.scale_for(wide, high, job.limits.image_pixels)
            seen = ocr.read_cached(raw.render(document.pdf, index, scale, box), scale, job.cache)
            words = tuple(replace(word, box=_moved(word.box, box)) for word in seen.words)
            one = replace(one, seen=words)
        done.append(one)
    return done


def _moved(box: tuple[float, ...], by: tuple[float, ...]) -> tuple[float, float, float, float]:
    return box[0] + by[0], box[1] + by[1], box[2] + by[0], box[3] + by[1]


def _visible(page: RawPage) -> int:
    """Characters that a reader can see, spaces apart."""
    return _printed(page.visible, page)


def _printed(which: NDArray, page: RawPage) -> int:
    return sum(not page.chars[place].isspace() for place in which.nonzero()[0].tolist())


def _is_scan(page: RawPage) -> bool:
    """Whether what a reader sees is a picture: next to no visible text, and pictures (or outlines) where text would be."""
    if _visible(page) >= FEW_CHARACTERS:
        return False
    all_hidden = len(page.chars) >= FEW_CHARACTERS and bool(page.images)
    return all_hidden or len(page.paths) >= MANY_PATHS or _share([one.box for one in page.images], page) >= MOSTLY


def _share(boxes: Sequence[tuple[float, float, float, float]], page: RawPage) -> float:
    """How much of the page these boxes cover together, in [0, 1], to 1/64 of each side."""
    import numpy as np

    grid = np.zeros((64, 64), bool)
    for x0, y0, x1, y1 in boxes[:10_000]:
        left, right = (round(64 * min(1.0, max(0.0, x / page.width))) for x in (x0, x1))
        top, bottom = (round(64 * min(1.0, max(0.0, y / page.height))) for y in (y0, y1))
        grid[top:bottom, left:right] = True
    return float(grid.mean())


def _without_meaning(page: RawPage) -> NDArray | None:
    """Which visible characters mean nothing, where that is most of them; else None."""
    import unicodedata

    import numpy as np

    lost = (
        np.fromiter(
            (c == "\ufffd" or unicodedata.category(c) in ("Co", "Cn", "Cc", "Cs") for c in page.chars), bool, len(page.chars)
        )
        & page.visible
    )
    seen = _visible(page)
    return lost if seen >= FEW_CHARACTERS and lost.sum() >= UNREADABLE * seen else None


def _clean(page: Page) -> dict[str, Any]:
    """The text without what no store can keep: NUL and halves of surrogate pairs become U+FFFD, one for one."""
    if page.text.isascii() and "\0" not in page.text:
        return {}
    return {"text": "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in page.text)}
