"""Open a PDF that may be locked, damaged or made to harm. Runs in the parsing process only.

PDFium first, because it reads most damaged files as other readers do. What it cannot open is read by qpdf (through pikepdf), which looks for
objects where the file's own index is wrong, and writes a sound copy. A copy is never kept: its name is removed as soon as it is open.

Nothing in a document is ever run: the PDFium used here is built without JavaScript, files inside of the document are counted and not unpacked,
and links are not followed.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.errors import BadData
from bakeoff.tasks.documents.reading import raw
from bakeoff.tasks.documents.reading.limits import Limits

if TYPE_CHECKING:
    import pypdfium2

GREY = 128
REPAIRED = "The file is damaged; a repaired copy was read."


class OpenDocument:
    """An open PDF, and what it takes to go on when it turns out worse than it looked.

    Parameters
    ----------
    path : Path
    password : str or None
    folder : Path
        For the moment in which a copy has a name.
    limits : Limits
    repair : bool
        Do not try the file as it is.

    Raises
    ------
    BadData
        If no page of it can be read: a password is needed or wrong, it is damaged beyond repair, it has no pages.
    """

    def __init__(self, path: Path, password: str | None, folder: Path, limits: Limits, *, repair: bool = False) -> None:
        self._path, self._password, self._folder, self._limits = path, password, folder, limits
        self._repaired = self._greyed = False
        self.notes: list[str] = []
        self.pdf: pypdfium2.PdfDocument = self._open(repair)

    def __len__(self) -> int:
        return len(self.pdf)

    @property
    def title(self) -> str:
        """The title in the metadata, as it stands there; '' where there is none."""
        try:
            return str(self.pdf.get_metadata_value("Title"))[:2000]
        except Exception:  # whatever stands there, a title is not worth a document
            return ""

    def close(self) -> None:
        """Let go of the file."""
        raw.release()
        self.pdf.close()

    def repair(self) -> bool:
        """Go on with a repaired copy that has the same pages. False if that was done before, or gives no such copy."""
        return not self._repaired and self._exchange(None)

    def hide_large_pictures(self) -> bool:
        """Go on with a copy in which pictures over the limit are one grey point each, which covers what they covered."""
        return not self._greyed and self._exchange(self._grey)

    def _open(self, repair: bool) -> pypdfium2.PdfDocument:
        refused: BadData | None = None
        if not repair:
            try:
                pdf = raw.open_pdf(self._path, self._password)
                if len(pdf) > 0:
                    self._note_what_is_there(pdf)
                    return pdf
                pdf.close()
            except BadData as error:
                refused = error
        pdf = self._copy(None, refused)
        self._repaired = True
        self._note_what_is_there(pdf)
        if repair or refused:
            self.notes.append(REPAIRED)
        return pdf

    def _note_what_is_there(self, pdf: Any) -> None:
        import pypdfium2.raw as pdfium

        def count(what: Callable[[Any], int]) -> int:
            try:
                return max(0, int(what(pdf)))
            except Exception:  # a document that cannot count its parts has none that are noted
                return 0

        files = count(pdfium.FPDFDoc_GetAttachmentCount)
        if files:
            kind = (
                "is a portfolio: what it holds are files, which were" if self._is_portfolio() else "has files inside, which were"
            )
            self.notes.append(f"The document {kind} not read ({files}). Save them with a PDF viewer and index them.")
        if count(pdfium.FPDFDoc_GetJavaScriptActionCount):
            self.notes.append("The document holds JavaScript, which was not run.")
        if count(pdfium.FPDF_GetFormType) in (pdfium.FORMTYPE_XFA_FULL, pdfium.FORMTYPE_XFA_FOREGROUND):
            self.notes.append(
                "The document is an XFA form: its fields were not filled in. Print it to PDF with a viewer that shows it, and index that."
            )
        with contextlib.suppress(OSError), self._path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 2048))
            if b"%%EOF" not in file.read():
                self.notes.append("The end of the file is missing; what could be found of it was read.")

    def _is_portfolio(self) -> bool:
        import pikepdf

        try:
            with pikepdf.open(self._path, password=self._password or "", suppress_warnings=True) as pdf:
                return "/Collection" in pdf.Root
        except (pikepdf.PdfError, ValueError, TypeError, RuntimeError, OSError):
            return False

    def _exchange(self, change: Callable[[Any], None] | None) -> bool:
        """Put a copy in the place of the open document, if it has as many pages."""
        try:
            copy = self._copy(change, None)
        except BadData:
            copy = None
        self._repaired = True
        self._greyed = self._greyed or change is not None
        if copy is None:
            return False
        if len(copy) != len(self.pdf):
            copy.close()
            return False
        self.close()
        self.pdf = copy
        return True

    def _copy(self, change: Callable[[Any], None] | None, refused: BadData | None) -> Any:
        """A sound copy, open. It has no password and, when this returns, no name."""
        import pikepdf

        name = self._path.name
        copy = self._folder / f"copy-{os.getpid()}.pdf"
        try:
            with pikepdf.open(self._with_head(), password=self._password or "", suppress_warnings=True) as pdf:
                if change:
                    change(pdf)
                pages = len(pdf.pages)
                pdf.save(copy)
            if pages:
                return raw.open_pdf(copy)
        except pikepdf.PasswordError:
            raise locked(name, self._password) from None
        except BadData:
            raise _beyond_repair(name, "a repaired copy cannot be opened either") from None
        except MemoryError:
            raise
        except Exception as error:  # qpdf's own errors, and what a binding to it raises for values it did not expect
            if refused is not None and re.search(r"password|encrypt|security", f"{refused} {error}", re.I):
                fix = "open it with the program it was locked for, and print it to PDF"
                raise BadData(f"{name} is locked in a way that cannot be opened with a password.", fix=fix) from None
            raise _beyond_repair(name, "no page can be found in it") from None
        finally:
            copy.unlink(missing_ok=True)
        raise BadData(f"{name} has no pages.", fix="get the file again, or leave it out")

    def _with_head(self) -> Path | io.BytesIO:
        """The file, with the first line that it should have: qpdf misses an object at the very start."""
        with self._path.open("rb") as file:
            if b"%PDF-" in file.read(1024):
                return self._path
            file.seek(0)
            return io.BytesIO(b"%PDF-1.7\n" + file.read(self._limits.file_mb * 1_000_000))

    def _grey(self, pdf: Any) -> None:
        import pikepdf

        for thing in pdf.objects:
            if not isinstance(thing, pikepdf.Stream) or thing.get("/Subtype") != "/Image":
                continue
            try:
                pixels = int(thing.get("/Width", 0)) * int(thing.get("/Height", 0))
            except (TypeError, ValueError):
                pixels = self._limits.image_pixels + 1
            if pixels > self._limits.image_pixels:
                for key in [key for key in thing.keys() if key not in ("/Type", "/Subtype", "/Length")]:  # noqa: SIM118 (a Stream is no dict)
                    del thing[key]
                thing.write(bytes([GREY]))
                thing.Width = thing.Height = 1
                thing.BitsPerComponent = 8
                thing.ColorSpace = pikepdf.Name.DeviceGray


def locked(name: str, password: str | None) -> BadData:
    """What to say of a document that does not open with this password."""
    if password:
        return BadData(
            f"The password given for {name} is wrong.",
            fix="give the password that opens the document (the user password or the owner's)",
        )
    return BadData(
        f"{name} is locked: a password is needed to read it.",
        fix="give its password: --password-env VAR, or password=... in Python",
    )


def _beyond_repair(name: str, why: str) -> BadData:
    return BadData(
        f"{name} is damaged and cannot be repaired: {why}.",
        fix="get the file again, or open it in a PDF viewer and print it to PDF",
    )
