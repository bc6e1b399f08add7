"""Three short PDFs whose every word is known, for tests of what is built on top of reading them."""

from __future__ import annotations

from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

TEXTS: dict[str, list[list[str]]] = {
    "lease.pdf": [
        [
            "Lease of 12 Harbour Street",
            "The tenant shall pay a yearly rent of 48,000 euros in four equal parts.",
            "The landlord shall keep the roof and the outer walls in repair.",
            "The lease ends on 31 March 2031.",
        ],
        ["Deposit", "The tenant has paid a deposit of 12,000 euros, which bears no interest."],
    ],
    "policy.pdf": [
        [
            "Travel policy",
            "Employees travel in second class on trains.",
            "Flights need the approval of the head of department.",
            "Receipts are kept for seven years.",
        ]
    ],
    "secret/merger.pdf": [["Project Falcon", "The board has agreed to buy Northwind Traders for 90 million euros."]],
}


def write_pdf(path: Path, pages: list[list[str]]) -> Path:
    """One line of text per paragraph, the first of each page as its heading."""
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas = Canvas(str(path), pagesize=A4, invariant=1)
    for lines in pages:
        for number, line in enumerate(lines):
            canvas.setFont("Helvetica-Bold" if number == 0 else "Helvetica", 16 if number == 0 else 11)
            canvas.drawString(72, 760 - 34 * number, line)
        canvas.showPage()
    canvas.save()
    return path


def write_corpus(folder: Path) -> Path:
    """The three documents under `folder`."""
    for name, pages in TEXTS.items():
        write_pdf(folder / name, pages)
    return folder
