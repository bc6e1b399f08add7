"""Pictures of pages and of the figures on them, from real files, in a process of their own."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from bakeoff.errors import BadData
from bakeoff.tasks.documents.corpus import Corpus
from bakeoff.tasks.documents.pictures import CROP_WIDTH, WIDTH, figures_at, picture_of
from bakeoff.verbs_documents import write_page

WIDE, HIGH = A4
FIGURE = (100.0, HIGH - 500.0, 480.0, HIGH - 300.0)
"""The drawing, in points from the top left: 380 by 200, red, with the words of two nodes in it."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    canvas = Canvas(str(tmp_path / "manual.pdf"), pagesize=A4, invariant=1)
    canvas.setFont("Helvetica", 11)
    canvas.drawString(72, 760, "The start-up of a meter is drawn in Figure 3. It needs no tools.")
    canvas.setFillColorRGB(0.9, 0.2, 0.2)
    canvas.rect(100, 300, 380, 200, stroke=1, fill=1)
    canvas.setFillColorRGB(1, 1, 1)
    canvas.rect(120, 320, 150, 60, stroke=1, fill=1)
    canvas.rect(310, 320, 150, 60, stroke=1, fill=1)
    canvas.setFillColorRGB(0, 0, 0)
    canvas.drawString(130, 350, "Wait 17 minutes")
    canvas.drawString(320, 350, "Press the button")
    canvas.drawString(100, 280, "Figure 3. Starting a meter")
    canvas.save()
    return tmp_path


def test_a_cited_figure_is_cut_out_with_its_caption(folder: Path) -> None:
    with Corpus.create(folder, embedder="") as corpus:
        corpus.index()
        page = corpus.store.page("manual.pdf", 1)
        at = page.text.index("17 minutes")
        x0, y0, x1, y1 = page.boxes[at].tolist()
        picture = picture_of(corpus, "manual.pdf", 1, cited=[(x0, y0, x1, y1)])
        assert picture_of(corpus, "manual.pdf", 1).figures == ()
    (cut,) = picture.figures
    whole = np.asarray(Image.open(io.BytesIO(picture.webp)).convert("RGB"))
    crop = np.asarray(Image.open(io.BytesIO(cut.webp)).convert("RGB"))
    assert whole.shape[1] == pytest.approx(WIDTH, abs=1) and crop.shape[1] == pytest.approx(CROP_WIDTH, abs=1)
    assert cut.box[0] <= FIGURE[0] and cut.box[1] <= FIGURE[1] and cut.box[2] >= FIGURE[2] and cut.box[3] >= FIGURE[3] + 15
    red = (crop[..., 0] > 200) & (crop[..., 1] < 90)
    expected = (380 * 200 - 2 * 150 * 60) / ((cut.box[2] - cut.box[0]) * (cut.box[3] - cut.box[1]))
    assert red.mean() == pytest.approx(expected, rel=0.05)


def test_words_beside_a_figure_cut_nothing_out(folder: Path) -> None:
    with Corpus.create(folder, embedder="") as corpus:
        corpus.index()
        page = corpus.store.page("manual.pdf", 1)
        at = page.text.index("no tools")
        x0, y0, x1, y1 = page.boxes[at].tolist()
        assert figures_at(page, [(x0, y0, x1, y1)]) == []


def test_the_page_of_an_answer_shows_the_figure_it_quotes(folder: Path) -> None:
    with Corpus.create(folder, embedder="") as corpus:
        corpus.index()
        question = "How many minutes does Figure 3, starting a meter, say to wait?"
        reply = corpus.ask(question, threshold=0.0)
        assert "17 minutes" in " ".join(statement.text for statement in reply.statements)
        shown = write_page(corpus, question, reply, folder / "answer.html").read_text(encoding="utf-8")
    assert shown.count('class="crop"') == 1


def test_a_changed_file_is_not_drawn(folder: Path) -> None:
    with Corpus.create(folder, embedder="") as corpus:
        corpus.index()
        with (folder / "manual.pdf").open("ab") as file:
            file.write(b"\n")
        assert picture_of(corpus, "manual.pdf", 1, cited=[FIGURE])[4:] == (b"", ())
        with pytest.raises(BadData):
            picture_of(corpus, "manual.pdf", 2)
