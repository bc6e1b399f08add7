"""A page that pdfium has opened: where its points lie as displayed, and what is drawn on it in order.

Annotations that have an appearance (values of form fields, stamps, notes) are made part of the page first, in memory only: pdfium then reads
and draws them like everything else, over what they cover. Replacement text (``/ActualText``) is taken off: it can say anything, and a reader
sees the glyphs.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bakeoff.errors import BadData
from bakeoff.tasks.documents.reading.raw_native import address, fill_by_object, natives, per_index, per_object

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_OBJECTS = 300_000
MOST_CHARACTERS = 300_000
MOST_ANNOTATIONS = 10_000
DEEPEST_FORM, MOST_MARKS = 12, 64

TEXT, PATH, IMAGE, SHADING, FORM = 1, 2, 3, 4, 5
"""pdfium's numbers for the types of page objects."""

user_units: weakref.WeakKeyDictionary[Any, dict[int, float]] = weakref.WeakKeyDictionary()
"""Pages whose unit is not 1/72 inch, by open document. pdfium does not read /UserUnit, so `raw.open_pdf` looks it up."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What is drawn on a page, in the order of drawing, forms opened up.

    `handles` are pdfium's objects, `types` their types; object i stands in the coordinate system ``frames[frame_of[i]]``, a matrix
    (a, b, c, d, e, f) to the page's own coordinates. `complete` is False where the page holds more than is read.
    """

    handles: tuple[int, ...]
    types: NDArray
    frame_of: NDArray
    frames: NDArray
    complete: bool

    def of_type(self, kind: int) -> NDArray:
        """Indices of the objects of one type."""
        import numpy as np

        return np.flatnonzero(self.types == kind)


class OpenPage:
    """One loaded page, its text, and its objects. Close it before its document.

    `matrix` leads from the page's own coordinates to points as displayed; `drawn` is what is on it; `glyphs` is what
    `raw_glyphs.read_glyphs` found, once it has.

    Parameters
    ----------
    pdf : pypdfium2.PdfDocument
    index : int
        From 0.

    Raises
    ------
    BadData
        If the page does not exist or cannot be loaded, or its size cannot be.
    """

    def __init__(self, pdf: Any, index: int) -> None:
        self.document, self.index = weakref.ref(pdf), index
        self.page = _load(pdf, index)
        if _flattened(self.page):
            self.page.close()
            self.page = _load(pdf, index)
        self.handle = address(self.page)
        self.matrix, self.width, self.height = _frame(self.page, user_units.get(pdf, {}).get(index, 1.0), index)
        self.drawn = _drawn(self.handle, _object_count(self.page))
        _take_off_replacements(self.drawn)
        self.glyphs: Any = None
        self._text: Any = None

    @property
    def text(self) -> int:
        """Address of pdfium's text page, made at the first call."""
        if self._text is None:
            self._text = self.page.get_textpage()
        return address(self._text)

    def character_count(self) -> int:
        """How many characters pdfium finds, those that it puts in included. Raises BadData where they are too many to read."""
        import pypdfium2.raw as pdfium

        _ = self.text
        count = max(0, int(pdfium.FPDFText_CountChars(self._text.raw)))
        if count > MOST_CHARACTERS:
            raise BadData(
                f"Page {self.index + 1} holds {count:,} characters; at most {MOST_CHARACTERS:,} of a page are read.",
                fix="Print the page to a new PDF, or leave the file out.",
            )
        return count

    def is_open(self) -> bool:
        """Whether neither the page nor its document was closed."""
        return bool(self.page.raw)

    def close(self) -> None:
        """Give the page back to pdfium. Safe to call twice, and after the document was closed."""
        self._text = None
        if self.page.raw:
            self.page.close()


def displayed(matrix: NDArray, boxes: NDArray) -> NDArray:
    """Boxes (x0, y0, x1, y1), corners in any order, under a matrix (a, b, c, d, e, f): the boxes that bound them, (n, 4), float64, in order."""
    import numpy as np

    a, b, c, d, e, f = (float(value) for value in matrix)
    x0, y0, x1, y1 = boxes.T.astype(float)
    found = np.empty((len(boxes), 4))
    for column, (across, up, shift) in enumerate(((a, c, e), (b, d, f))):
        one, two, three, four = across * x0, across * x1, up * y0, up * y1
        found[:, column] = np.minimum(one, two) + np.minimum(three, four) + shift
        found[:, column + 2] = np.maximum(one, two) + np.maximum(three, four) + shift
    return found


def times(first: NDArray, then: NDArray) -> NDArray:
    """The matrix that applies `first` and then `then`; each (a, b, c, d, e, f), or many of them in rows."""
    import numpy as np

    a, b, c, d, e, f = np.moveaxis(np.asarray(first, dtype=float), -1, 0)
    p, q, r, s, u, v = np.moveaxis(np.asarray(then, dtype=float), -1, 0)
    parts = [a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + u, e * q + f * s + v]
    return np.stack(np.broadcast_arrays(*parts), axis=-1)


def _load(pdf: Any, index: int) -> Any:
    from pypdfium2 import PdfiumError

    if not 0 <= index < len(pdf):
        raise BadData(f"There is no page {index + 1}: the document has {len(pdf)}.", fix="Ask for a page that exists.")
    try:
        return pdf[index]
    except PdfiumError as problem:
        raise BadData(
            f"Page {index + 1} cannot be loaded: {problem}", fix="Repair the file, or print it to a new PDF."
        ) from problem


def _flattened(page: Any) -> bool:
    """Make annotations part of the page. True where that changed it, so that it must be loaded again."""
    import pypdfium2.raw as pdfium

    worth_it = False
    for at in range(min(max(pdfium.FPDFPage_GetAnnotCount(page.raw), 0), MOST_ANNOTATIONS) - 1, -1, -1):
        annotation = pdfium.FPDFPage_GetAnnot(page.raw, at)
        if not annotation:
            continue
        kind, flags = pdfium.FPDFAnnot_GetSubtype(annotation), pdfium.FPDFAnnot_GetFlags(annotation)
        layered = bool(pdfium.FPDFAnnot_HasKey(annotation, b"OC"))
        pdfium.FPDFPage_CloseAnnot(annotation)
        if flags & (pdfium.FPDF_ANNOT_FLAG_HIDDEN | pdfium.FPDF_ANNOT_FLAG_NOVIEW):
            # Flattening would show what is for printing only.
            pdfium.FPDFPage_RemoveAnnot(page.raw, at)
        elif layered:
            # Flattening would forget the layer. Left as they are, annotations are drawn rightly, and their text is not read.
            return False
        else:
            # Links have no appearance of their own; pages that hold nothing else are common, and loading twice is not free.
            worth_it = worth_it or kind != pdfium.FPDF_ANNOT_LINK
    return worth_it and pdfium.FPDFPage_Flatten(page.raw, pdfium.FLAT_NORMALDISPLAY) == pdfium.FLATTEN_SUCCESS


def _frame(page: Any, unit: float, index: int) -> tuple[NDArray, float, float]:
    """The matrix from the page's own coordinates to points as displayed, and the displayed width and height."""
    import numpy as np
    import pypdfium2.raw as pdfium

    box = pdfium.FS_RECTF()
    pdfium.FPDF_GetPageBoundingBox(page.raw, box)
    left, bottom, right, top = (
        min(box.left, box.right),
        min(box.bottom, box.top),
        max(box.left, box.right),
        max(box.bottom, box.top),
    )
    turn = pdfium.FPDFPage_GetRotation(page.raw) % 4
    matrix = np.array(
        [
            (1, 0, 0, -1, -left, top),
            (0, 1, 1, 0, -bottom, -left),
            (-1, 0, 0, 1, right, -bottom),
            (0, -1, -1, 0, top, right),
        ][turn],
        dtype=float,
    )
    width, height = (right - left, top - bottom) if turn % 2 == 0 else (top - bottom, right - left)
    width, height = width * unit, height * unit
    if not (np.isfinite([width, height]).all() and 0 < width < 1e7 and 0 < height < 1e7):
        raise BadData(
            f"Page {index + 1} has no usable size ({width:g} by {height:g} points).", fix="Print the page to a new PDF."
        )
    return matrix * unit, width, height


def _object_count(page: Any) -> int:
    import pypdfium2.raw as pdfium

    return max(0, int(pdfium.FPDFPage_CountObjects(page.raw)))


def _drawn(page: int, count: int) -> Drawn:
    import numpy as np

    handles: list[int] = []
    types: list[int] = []
    frame_of: list[int] = []
    frames = [np.array((1.0, 0, 0, 1, 0, 0))]
    left = MOST_OBJECTS
    complete = True

    def visit(name: str, parent: int, n: int, frame: int, depth: int) -> None:
        nonlocal left, complete
        complete = complete and n <= left
        n = min(n, left)
        left -= n
        found = list(filter(None, per_index(name, parent, range(n))))
        kinds = list(per_object("FPDFPageObj_GetType", found))
        if FORM not in kinds:
            handles.extend(found)
            types.extend(kinds)
            frame_of.extend([frame] * len(found))
            return
        for handle, kind in zip(found, kinds, strict=True):
            handles.append(handle)
            types.append(kind)
            frame_of.append(frame)
            if kind != FORM:
                continue
            if depth >= DEEPEST_FORM:
                complete = False
                continue
            own = fill_by_object("FPDFPageObj_GetMatrix", [handle], 6, "f4")[0]
            frames.append(times(own, frames[frame]))
            visit(
                "FPDFFormObj_GetObject", handle, max(0, natives()["FPDFFormObj_CountObjects"](handle)), len(frames) - 1, depth + 1
            )

    visit("FPDFPage_GetObject", page, count, 0, 0)
    return Drawn(tuple(handles), np.array(types, dtype=np.int8), np.array(frame_of, dtype=np.int32), np.array(frames), complete)


def _take_off_replacements(drawn: Drawn) -> None:
    import numpy as np
    import pypdfium2.raw as pdfium

    texts = [drawn.handles[i] for i in drawn.of_type(TEXT).tolist()]
    counts = np.fromiter(per_object("FPDFPageObj_CountMarks", texts), np.int32, len(texts))
    for at in np.flatnonzero(counts > 0).tolist():
        handle, marks = texts[at], int(counts[at])
        obj = ctypes.cast(handle, pdfium.FPDF_PAGEOBJECT)
        for number in range(min(marks, MOST_MARKS)):
            mark = pdfium.FPDFPageObj_GetMark(obj, number)
            if mark and pdfium.FPDFPageObjMark_GetParamValueType(mark, b"ActualText"):
                pdfium.FPDFPageObjMark_RemoveParam(obj, mark, b"ActualText")


def handles_of(drawn: Drawn, indices: NDArray | Sequence[int]) -> list[int]:
    """pdfium's objects at these indices."""
    return [drawn.handles[i] for i in indices]
