"""Opening a PDF, reading what a page holds, and drawing it.

pdfium does the work, through pypdfium2 5. It is not thread-safe: one process uses it from one thread. Files are hostile, and a fault in a C++
library ends the process: `parse` runs this in a child that can be killed.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.errors import BadData, needs
from bakeoff.tasks.documents.glyphs import RawPage
from bakeoff.tasks.documents.reading.raw_glyphs import read_glyphs
from bakeoff.tasks.documents.reading.raw_page import OpenPage, user_units
from bakeoff.tasks.documents.reading.raw_paths import no_drawings, read_drawings
from bakeoff.tasks.documents.records import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_PIXELS = 64_000_000

_held: OpenPage | None = None
"""The page that was read last: `visible.judge` comes next and needs it again."""


def open_pdf(path: Path, password: str | None = None) -> Any:
    """Open a PDF file.

    Parameters
    ----------
    path : Path
    password : str, default=None
        For encrypted files.

    Returns
    -------
    pypdfium2.PdfDocument
        ``len(pdf)`` is the number of pages; it may be 0. Close it when done.

    Raises
    ------
    BadData
        If the file is missing, no PDF, damaged beyond what pdfium repairs, or encrypted with another password.
    MissingExtra
        If pypdfium2 is not installed.
    """
    needs("pypdfium2", extra="documents", why="Reading PDFs")
    import pypdfium2
    import pypdfium2.raw as pdfium

    path = Path(path)
    try:
        pdf = pypdfium2.PdfDocument(path, password=password)
    except FileNotFoundError as problem:
        raise BadData(f"There is no file {path}.", fix="Check the path.") from problem
    except OSError as problem:
        raise BadData(
            f"{path.name} cannot be read: {problem.strerror or problem}.", fix="Check the file's permissions."
        ) from problem
    except pypdfium2.PdfiumError as problem:
        if getattr(problem, "err_code", None) == pdfium.FPDF_ERR_PASSWORD:
            what = "is encrypted, and the password is wrong" if password else "is encrypted"
            raise BadData(f"{path.name} {what}.", fix="Give the password that opens it.") from problem
        raise BadData(
            f"{path.name} is no PDF that can be opened: {problem}", fix="Open it in a viewer and save it again, or leave it out."
        ) from problem
    if pdf.get_formtype() == pdfium.FORMTYPE_ACRO_FORM:
        # Field values that have no appearance yet are given one, as a viewer does.
        pdf.init_forms()
    units = _user_units(path, password)
    if units:
        user_units[pdf] = units
    return pdf


def read_page(pdf: Any, index: int, drawings: bool = True) -> RawPage:
    """What a page holds, as displayed. Whether it can be seen is not decided yet: `visible` is all True.

    Parameters
    ----------
    pdf : pypdfium2.PdfDocument
        From `open_pdf`.
    index : int
        From 0. The page's number is ``index + 1``.
    drawings : bool, default=True
        Read rules, fills, paths and images too; False leaves them empty and is quicker.

    Raises
    ------
    BadData
        If the page does not exist, cannot be loaded, has no size, or holds more characters than are read.
    """
    import numpy as np

    page = opened(pdf, index)
    glyphs = read_glyphs(page)
    italic = np.array([font.italic for font in glyphs.font_list], dtype=bool)
    drawn = read_drawings(page) if drawings else no_drawings()
    return RawPage(
        number=index + 1,
        width=page.width,
        height=page.height,
        chars=glyphs.chars,
        boxes=glyphs.boxes,
        sizes=glyphs.sizes,
        angles=glyphs.angles,
        fonts=glyphs.fonts,
        font_names=tuple(font.name for font in glyphs.font_list),
        bold=glyphs.bold,
        italic=italic[glyphs.fonts] if len(italic) else np.zeros(0, dtype=bool),
        visible=np.ones(len(glyphs.chars), dtype=bool),
        rules=drawn.rules,
        fills=drawn.fills,
        paths=drawn.paths,
        images=drawn.images,
        soft_hyphens=glyphs.soft_hyphens,
    )


def render(pdf: Any, index: int, scale: float = 1.0, box: Box | None = None) -> NDArray:
    """Draw a page as a reader sees it, annotations and form fields included.

    Parameters
    ----------
    pdf : pypdfium2.PdfDocument
    index : int
        From 0.
    scale : float, default=1.0
        Pixels per point: 1.0 is 72 dpi.
    box : (x0, y0, x1, y1) in points from the top left of the page, default=None
        Draw only this part. It is cut to the page. None draws all of it.

    Returns
    -------
    array of shape (height, width, 3), uint8
        Red, green, blue. Pixel (0, 0) is the top left corner of the box (or page).

    Raises
    ------
    BadData
        If the page cannot be loaded, the box lies off the page, or the picture would have more than `MOST_PIXELS` pixels.
    """
    page = opened(pdf, index)
    x0, y0, x1, y1 = box if box is not None else (0.0, 0.0, page.width, page.height)
    x0, y0, x1, y1 = max(0.0, x0), max(0.0, y0), min(page.width, x1), min(page.height, y1)
    if not (x0 < x1 and y0 < y1 and 0 < scale < math.inf):
        raise BadData(
            f"There is nothing to draw in {box} at scale {scale}.", fix="Give a box that lies on the page and a scale above 0."
        )
    import numpy as np

    return np.ascontiguousarray(draw(page, scale, (x0, y0, x1, y1))[:, :, :3])


def draw(page: OpenPage, scale: float, box: Box) -> NDArray:
    """`render` of a page that is open, with the objects of it that are active, in four bytes a pixel (the last is always 255).

    The box lies on the page. Raises BadData as `render` does.
    """
    import ctypes

    import numpy as np
    import pypdfium2.raw as pdfium

    x0, y0, x1, y1 = box
    width, height = max(1, math.ceil((x1 - x0) * scale - 1e-6)), max(1, math.ceil((y1 - y0) * scale - 1e-6))
    if width * height > MOST_PIXELS:
        raise BadData(
            f"Page {page.index + 1} at scale {scale:g} would be {width} by {height} pixels; at most {MOST_PIXELS:,} are drawn.",
            fix="Draw it at a smaller scale, or a part of it.",
        )
    pixels = np.full((height, width, 4), 255, dtype=np.uint8)
    bitmap = pdfium.FPDFBitmap_CreateEx(width, height, pdfium.FPDFBitmap_BGRx, pixels.ctypes.data_as(ctypes.c_void_p), width * 4)
    if not bitmap:
        raise BadData(f"There is no memory to draw page {page.index + 1} at scale {scale:g}.", fix="Draw it at a smaller scale.")
    try:
        # pdfium's points: those of the page, without its unit.
        across = page.width / max(pdfium.FPDF_GetPageWidthF(page.page.raw), 1e-6)
        down = page.height / max(pdfium.FPDF_GetPageHeightF(page.page.raw), 1e-6)
        matrix = pdfium.FS_MATRIX(scale * across, 0, 0, scale * down, -x0 * scale, -y0 * scale)
        clip = pdfium.FS_RECTF(0, 0, width, height)
        pdfium.FPDF_RenderPageBitmapWithMatrix(
            bitmap, page.page.raw, matrix, clip, pdfium.FPDF_ANNOT | pdfium.FPDF_REVERSE_BYTE_ORDER
        )
    finally:
        pdfium.FPDFBitmap_Destroy(bitmap)
    pixels[:, :, 3] = 255
    return pixels


def opened(pdf: Any, index: int) -> OpenPage:
    """The page, loaded; the last one is kept, because reading, judging and drawing follow each other."""
    global _held
    if _held is not None:
        if _held.document() is pdf and _held.index == index and _held.is_open():
            return _held
        release()
    _held = OpenPage(pdf, index)
    return _held


def release() -> None:
    """Let go of the page that was read last."""
    global _held
    if _held is not None:
        _held.close()
        _held = None


def _user_units(path: Path, password: str | None) -> dict[int, float]:
    """Pages whose unit is not a point. pdfium knows nothing of them; where the file cannot be read for it, there are none."""
    needs("pikepdf", extra="documents", why="Reading PDFs")
    import pikepdf

    try:
        with pikepdf.open(path, password=password or "", suppress_warnings=True) as other:
            found = {}
            for index, page in enumerate(other.pages):
                unit = float(page.obj.get("/UserUnit", 1))
                if unit != 1 and 0.001 <= unit <= 75_000:
                    found[index] = unit
            return found
    except (pikepdf.PdfError, OSError, ValueError, TypeError, AttributeError, RuntimeError):
        return {}
