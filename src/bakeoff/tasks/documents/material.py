"""A corpus prepared for a study: its PDF files, and their pages read once for every approach.

A study compares what is done with the pages, so reading them is not done again by each approach. The prepared folder lies in
``BAKEOFF_HOME/corpora`` under a name that follows from the bytes of the files and the version of the reader; it is made beside and moved
into place, so that it is there whole or not at all.

    files/NAME.pdf    the documents, as given
    corpus/           their pages, in a store without chunks
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bakeoff.contract import Progress, quiet
from bakeoff.errors import BadData, BakeoffError
from bakeoff.tasks.documents.corpus import READER, Problem, Source, find_pdfs, hash_file
from bakeoff.tasks.documents.records import DocumentFacts, Page

FILES, PAGES = "files", "corpus"


@dataclass(frozen=True, slots=True)
class Prepared:
    """One prepared document: its facts, its file, and its pages, read one at a time."""

    facts: DocumentFacts
    path: Path
    pages: Callable[[], Iterator[Page]]


def corpora_home() -> Path:
    """The folder of prepared corpora: ``BAKEOFF_HOME/corpora`` (default ``~/.cache/bakeoff/corpora``). It need not exist."""
    home = os.environ.get("BAKEOFF_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "bakeoff") / "corpora"


def prepare(
    folder: Path, *, ocr: Literal["auto", "never", "always"] = "auto", password: str | None = None, progress: Progress = quiet
) -> tuple[Path, list[Problem]]:
    """Read every PDF under `folder` once and keep the pages.

    Returns
    -------
    path, problems
        The prepared folder, and the files that could not be read.

    Raises
    ------
    BadData
        If there is no folder, or no file in it that can be read.
    """
    from bakeoff.tasks.documents.index.store_sqlite import SqliteStore
    from bakeoff.tasks.documents.reading.parse import parse_file

    if not folder.is_dir():
        raise BadData(f"There is no folder {folder}.", fix="give the folder that holds the PDF files")
    sources = list(find_pdfs(folder))
    if not sources:
        raise BadData(f"{folder} holds no PDF file.", fix="give a folder with files that end in .pdf")
    kept = corpora_home() / _key(sources, ocr)
    problems: list[Problem] = []
    if (kept / "whole").is_file():
        return kept, problems
    kept.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=kept.parent))
    try:
        store = SqliteStore(draft / PAGES, create=True)
        try:
            for count, source in enumerate(sources):
                progress(count / len(sources), f"reading {source.name}")
                problem = _read(source, store, draft, ocr, password, parse_file)
                problems += [problem] if problem else []
            if not store.documents():
                first = problems[0]
                raise BadData(f"No file of {folder} could be read; {first.name}: {first.what}", fix=first.fix)
        finally:
            store.close()
        (draft / "whole").write_text("", encoding="utf-8")
        try:
            draft.rename(kept)
        except OSError:
            if not (kept / "whole").is_file():
                raise
        return kept, problems
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def documents_of(material: Path) -> list[Prepared]:
    """The documents of a prepared folder, by name. Their pages are read from it when they are asked for."""
    from bakeoff.tasks.documents.index.store_sqlite import SqliteStore

    store = SqliteStore(material / PAGES, read_only=True)
    try:
        found = list(store.documents())
    finally:
        store.close()

    def pages_of(facts: DocumentFacts) -> Callable[[], Iterator[Page]]:
        def pages() -> Iterator[Page]:
            opened = SqliteStore(material / PAGES, read_only=True)
            try:
                for number in range(1, facts.pages + 1):
                    yield opened.page(facts.name, number)
            finally:
                opened.close()

        return pages

    return [Prepared(facts, material / FILES / facts.name, pages_of(facts)) for facts in found]


def _read(source: Source, store, draft: Path, ocr, password, parse_file) -> Problem | None:  # type: ignore[no-untyped-def]
    try:
        with parse_file(source.path, password=password, ocr=ocr) as parsed:
            facts = DocumentFacts(
                id=parsed.sha256,
                name=source.name,
                title=parsed.title,
                pages=parsed.n_pages,
                notes=tuple(parsed.notes),
                meta={"reader": READER},
            )
            store.add(facts, parsed.pages(), (), (), None)
    except BakeoffError as error:
        return Problem(source.name, error.what, error.fix)
    to = draft / FILES / source.name
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source.path, to)
    return None


def _key(sources: list[Source], ocr: str) -> str:
    digest = hashlib.sha256(f"{READER} {ocr}\n".encode())
    for source in sources:
        digest.update(f"{source.name}\0{hash_file(source.path)}\n".encode())
    return digest.hexdigest()[:32]
