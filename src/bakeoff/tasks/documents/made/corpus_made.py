"""The default corpus: the room of a matter, with contracts, reports, minutes, a manual and a filing, made on the spot.

All companies, people and figures are invented; one document is real (the Filesystem Hierarchy Standard, shipped with its licence). Because the
pages are set here, it is known to the point where each stated fact, table cell and figure stands, which no real corpus can offer. The same
seed gives the same bytes.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from bakeoff.contract import Progress, quiet
from bakeoff.errors import needs
from bakeoff.tasks.documents.made.made_truth import Place, Truth, places_of
from bakeoff.tasks.documents.quality.question_file import Question

if TYPE_CHECKING:
    from bakeoff.tasks.documents.made.made_documents import Document
    from bakeoff.tasks.documents.made.made_look import Heading
    from bakeoff.tasks.documents.made.made_pages import Writer
    from bakeoff.tasks.documents.made.made_script import Asked, Draw

TRUTH_FILE, QUESTION_FILE, WITHOUT_FILE = "truth.json", "questions.jsonl", "questions-without-gold.jsonl"
AUTHOR = "Invented by Bakeoff"
REAL_LICENCE, REAL_PAGES = "fhs-3.0.LICENCE.txt", 50


@dataclass(frozen=True)
class MadeCorpus:
    """What was made.

    Parameters
    ----------
    files : tuple of Path
        The PDFs, by name.
    questions : tuple of Question
        With their answers; some have none in the corpus.
    truth : Truth
    removed : tuple of Question
        The answerable questions once more, with every page that answers them taken out: abstaining is right.
    """

    files: tuple[Path, ...]
    questions: tuple[Question, ...]
    truth: Truth
    removed: tuple[Question, ...] = ()


def make_corpus(folder: Path, *, seed: int = 0, progress: Progress = quiet) -> MadeCorpus:
    """Write the corpus into a folder: the PDFs, ``truth.json``, ``questions.jsonl`` and ``questions-without-gold.jsonl``.

    Parameters
    ----------
    folder : Path
        Made if it does not exist. Files of the same names are replaced.
    seed : int, default=0
        Another seed gives the same documents with other people, dates and figures.
    progress : Progress

    Raises
    ------
    MissingExtra
        If reportlab is not installed.
    """
    needs("reportlab", extra="documents", why="Making the default corpus")
    from bakeoff.tasks.documents.made.made_questions import REAL, giving_away, real_questions, script_questions
    from bakeoff.tasks.documents.quality.question_file import without_gold, write_questions

    folder.mkdir(parents=True, exist_ok=True)
    places: list[Place] = []
    pages: dict[str, int] = {}
    texts: dict[str, list[str]] = {}
    asked: list[tuple[str, Asked]] = []
    planned = _planned(seed)
    for number, plan in enumerate(planned):
        progress(number / (len(planned) + 1), plan.document.title)
        writer = _write(folder / plan.document.file, plan, seed)
        places += places_of(plan.document.file, writer.marks, writer.figures)
        pages[plan.document.file] = writer.page
        texts[plan.document.file] = [" ".join(words) for words in writer.texts]
        asked += [(plan.document.file, ask) for ask in plan.asked]
    for name in (REAL, REAL_LICENCE):
        (folder / name).write_bytes(files("bakeoff.tasks.documents").joinpath(f"made/{name}").read_bytes())
    pages[REAL] = REAL_PAGES
    paths = sorted(folder / name for name in pages)
    truth = Truth(tuple(places), {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}, pages)
    made = script_questions(asked, truth, seed)
    questions = [*made, *real_questions()]
    removed = without_gold(questions, giving_away(made, truth, texts))
    truth.write(folder / TRUTH_FILE)
    write_questions(questions, folder / QUESTION_FILE)
    write_questions(removed, folder / WITHOUT_FILE)
    progress(1.0, f"{len(paths)} documents")
    return MadeCorpus(tuple(paths), tuple(questions), truth, tuple(removed))


@dataclass(frozen=True)
class _Plan:
    """A document with everything that its script needs."""

    document: Document
    text: str
    values: Mapping[str, str]
    figures: Mapping[str, Draw]
    asked: Sequence[Asked]


def _planned(seed: int) -> list[_Plan]:
    from bakeoff.tasks.documents.made.made_documents import documents, expanded, figures
    from bakeoff.tasks.documents.made.made_facts import world
    from bakeoff.tasks.documents.made.made_reports import reports
    from bakeoff.tasks.documents.made.made_script import questions_of

    values = world(seed)
    plans = []
    for document in documents(values, seed):
        text, own = expanded(document.name), {**values, **document.terms}
        plans.append(_Plan(document, text, own, figures(document.name, own), questions_of(text, own, _rng(seed, document.file))))
    for document, report, drawn, asked in reports(values, seed):
        text, own = expanded(document.name), {**values, **report}
        plans.append(_Plan(document, text, own, drawn, [*questions_of(text, own, _rng(seed, document.file)), *asked]))
    return plans


def _rng(seed: int, file: str) -> random.Random:
    return random.Random(f"bakeoff made corpus {seed} wording {file}")


def _write(path: Path, plan: _Plan, seed: int) -> Writer:
    """Set a document. One with a table of contents is set twice: the first time says on which pages its headings stand."""
    from bakeoff.tasks.documents.made.made_pages import Writer
    from bakeoff.tasks.documents.made.made_script import play

    headings: Sequence[Heading] = ()
    for _ in range(2 if "\n@contents" in plan.text else 1):
        writer = Writer(path, plan.document.look, title=plan.document.title, author=AUTHOR)
        play(writer, plan.text, plan.values, _rng(seed, plan.document.file), plan.figures, headings)
        headings = writer.headings
    writer.save()
    return writer
