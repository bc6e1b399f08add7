"""Pages made for measuring citation boxes: every sentence on them is a known quote with known boxes.

Each page takes one of the layouts that make boxes hard (stored turned by 90, 180 or 270 degrees, sideways on the page, cropped with an
origin that is not 0, two columns, tables with cells of several lines), in one of three typefaces, with words broken at line ends and
sentences that go on over columns and pages.
"""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path

from bakeoff.errors import needs
from bakeoff.tasks.documents.made.made_look import Look, Sheet
from bakeoff.tasks.documents.made.made_pages import Writer
from bakeoff.tasks.documents.made.made_truth import Place, Truth, places_of

SHEETS = (
    Sheet(),
    Sheet(rotate=90),
    Sheet(rotate=180),
    Sheet(rotate=270),
    Sheet(columns=2),
    Sheet(rotate=90, landscape=True, columns=2),
    Sheet(trim=(24, 36, 18, 30), origin=(-60, 45)),
    Sheet(rotate=180, trim=(15, 20, 40, 25), origin=(33, -21), columns=2),
    Sheet(rotate=270, landscape=True, trim=(10, 50, 20, 5), origin=(7, 11)),
    Sheet(turn=90),
    Sheet(turn=270),
    Sheet(rotate=90, turn=270),
)


def make_box_set(folder: Path, *, seed: int = 0, rounds: int = 1) -> Truth:
    """Write PDFs whose every sentence and cell is a place of known boxes, and ``truth.json`` beside them.

    Parameters
    ----------
    folder : Path
    seed : int, default=0
    rounds : int, default=1
        How often each of the layouts in `SHEETS` is filled, in each of three files. One round gives more than 1,000 boxes.

    Raises
    ------
    MissingExtra
        If reportlab is not installed.
    """
    needs("reportlab", extra="documents", why="Making pages with known boxes")
    from bakeoff.tasks.documents.made.made_fonts import SANS, SERIF, VERA

    folder.mkdir(parents=True, exist_ok=True)
    sentences = _sentences(seed)
    looks = {
        "boxes-serif.pdf": Look(body=SERIF, heads=SERIF, points=10.6),
        "boxes-sans.pdf": Look(body=SANS, heads=SANS, points=9.4, leading=1.42),
        "boxes-embedded.pdf": Look(body=VERA, heads=VERA, points=8.8, leading=1.5),
    }
    places: list[Place] = []
    pages, hashes = {}, {}
    for name, look in looks.items():
        writer = Writer(folder / name, look, title=f"Known boxes ({name})", author="Invented by Bakeoff")
        rng = random.Random(f"bakeoff box set {seed} {name}")
        for number in range(rounds):
            for layout, sheet in enumerate(SHEETS):
                writer.use(sheet)
                _fill_page(writer, rng, sentences, f"{number}.{layout}")
        writer.save()
        places += places_of(name, writer.marks)
        pages[name] = writer.page
        hashes[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    truth = Truth(tuple(places), hashes, pages)
    truth.write(folder / "truth.json")
    return truth


def _fill_page(writer: Writer, rng: random.Random, sentences: list[str], key: str) -> None:
    """A page and a little more, so that its last paragraph goes on over the break."""
    from bakeoff.tasks.documents.made.made_tables import Row, TableSpec, draw_table

    writer.heading(f"Part {key}")
    first, placed = writer.page if writer.room() else 0, 0
    while writer.page <= first and placed < 60:
        placed += 1
        chosen = rng.sample(sentences, rng.randrange(2, 5))
        text = " ".join(f"[[{key}.{placed}.{place}: {sentence}]]" for place, sentence in enumerate(chosen))
        writer.paragraph(text, label=f"{placed}.", indent=24, hang=24)
        if placed == 2:
            rows = [
                Row((f"Item {row}", _short(rng.choice(sentences)), f"{rng.randrange(1000, 99000) / 10:,.1f}"))
                for row in range(1, 5)
            ]
            draw_table(
                writer,
                TableSpec(
                    f"{key}.table",
                    (20, 50, 30),
                    [[("Item", 1), ("Remark", 1), ("Amount", 1)]],
                    rows,
                    caption=f"Table {key}",
                    aligns=("left", "left", "right"),
                ),
            )


def _short(sentence: str) -> str:
    return " ".join(sentence.split()[:9]).rstrip(",;")


def _sentences(seed: int) -> list[str]:
    """Sentences of the shared clauses, which have the long words that are broken at line ends."""
    from bakeoff.tasks.documents.made.made_documents import _terms
    from bakeoff.tasks.documents.made.made_facts import world
    from bakeoff.tasks.documents.made.made_script import script
    from bakeoff.tasks.documents.made.made_text import fill, plain

    values = world(seed)
    terms = {**values, **_terms(values, seed)["halden"]}
    found: list[str] = []
    for block in re.split(r"\n\s*\n", script("boilerplate")):
        kept = " ".join(line for line in block.splitlines() if not line.startswith(("?", "=", "#")))
        text = plain(fill(re.sub(r"^1\) ", "", kept), terms, random.Random(seed))).strip()
        found += [sentence.strip() for sentence in re.split(r"(?<=[.])\s+(?=[A-Z])", text) if 40 < len(sentence) < 400]
    return found
