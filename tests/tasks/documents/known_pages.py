"""PDFs whose one page is drawn by reportlab or written stream by stream, opened by `raw`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pikepdf
from pikepdf import Dictionary, Name
from reportlab.pdfgen import canvas

from bakeoff.tasks.documents.reading import raw

WIDTH, HEIGHT = 400, 300


def drawn(path: Path, draw: Callable[[Any], None], change: Callable[[pikepdf.Pdf], None] | None = None) -> Any:
    """A page that reportlab draws, changed by pikepdf, opened by us."""
    page = canvas.Canvas(str(path), pagesize=(WIDTH, HEIGHT))
    draw(page)
    page.save()
    if change is not None:
        with pikepdf.open(path, allow_overwriting_input=True) as pdf:
            change(pdf)
            pdf.save(path)
    return raw.open_pdf(path)


def content(path: Path, stream: bytes, change: Callable[[pikepdf.Pdf, Dictionary], None] | None = None) -> Any:
    """A page with exactly this content stream; /F1 is Helvetica."""
    with pikepdf.new() as pdf:
        pdf.add_blank_page(page_size=(WIDTH, HEIGHT))
        page = pdf.pages[0].obj
        helvetica = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica, Encoding=Name.WinAnsiEncoding)
        page.Resources = Dictionary(Font=Dictionary(F1=helvetica), XObject=Dictionary())
        if change is not None:
            change(pdf, page)
        page.Contents = pdf.make_stream(stream)
        pdf.save(path)
    return raw.open_pdf(path)
