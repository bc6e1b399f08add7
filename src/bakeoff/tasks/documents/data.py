"""From the study's `data` section to questions over a prepared corpus."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bakeoff.contract import Dataset, Item, Json, Progress, Splits, quiet
from bakeoff.errors import BadData, BadStudy, nearest

TEST_SHARE, VALID_SHARE = 0.6, 0.5
EVERY_REMOVED = 3
MADE = "made"
"""The `source` that stands for the default corpus, made on first use."""


class DocumentsData(BaseModel):
    """The `data` section of a documents study. Only `source` is required.

    `source` is a folder of PDF files, or ``made``: the default corpus. `questions` is a file of questions, or ``generated``: made
    from the tables, definitions and headings of the corpus itself.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[str, Field(min_length=1)]
    questions: str | None = None
    ocr: Literal["auto", "never", "always"] = "auto"
    test: Annotated[float, Field(gt=0, lt=1, strict=True)] = TEST_SHARE
    split_seed: Annotated[int, Field(ge=0, strict=True)] = 0
    limit: Annotated[int, Field(ge=4, strict=True)] | None = None
    seed: Annotated[int, Field(ge=0, strict=True)] = 0
    name: Annotated[str, Field(max_length=200)] | None = None
    licence: Annotated[str, Field(max_length=200)] | None = None


def read_settings(data: Mapping[str, Json]) -> DocumentsData:
    """Check the `data` section. Raises BadStudy for unknown keys (near ones are offered) and values out of range."""
    try:
        return DocumentsData.model_validate(dict(data))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "data"
        if first["type"] == "extra_forbidden":
            raise BadStudy(f"`data` has an unknown key {key!r}.", fix=nearest(key, DocumentsData.model_fields)) from error
        if first["type"] == "missing":
            raise BadStudy("`data` has no `source`.", fix="add `source: FOLDER` under `data`, or `source: made`") from error
        says = first["msg"][:1].lower() + first["msg"][1:]
        raise BadStudy(
            f"`data.{key}` is {str(first.get('input'))[:60]!r}: {says}.", fix=f"correct `{key}` under `data`"
        ) from error


def load_documents(settings: DocumentsData, *, base: Path, progress: Progress = quiet) -> Dataset:
    """Prepare the corpus and read the questions about it.

    Raises
    ------
    BadStudy
        If a folder of files comes without questions.
    BadData
        If the folder or the questions cannot be read, or a question names a document that the corpus does not hold.
    """
    from bakeoff.tasks.documents import material
    from bakeoff.tasks.documents.quality.question_file import as_items, read_questions

    if settings.source == MADE:
        from bakeoff.tasks.documents.made.corpus_made import make_corpus

        folder = material.corpora_home() / f"made-{settings.seed}"
        made = make_corpus(folder, seed=settings.seed)
        # As many questions again whose answer was taken out would drown the others: every third one is asked so, too.
        questions = [*made.questions, *made.removed[::EVERY_REMOVED]]
        name, licence = settings.name or "the default corpus", settings.licence or "Apache-2.0 and the licence of FHS 3.0"
    else:
        folder = base / settings.source
        if settings.questions is None:
            raise BadStudy(
                f"`data` names the folder {settings.source} and no questions.",
                fix="add `questions: FILE.jsonl`, or `questions: generated`",
            )
        name, licence = settings.name or folder.name, settings.licence or "unstated"
        questions = [] if settings.questions == "generated" else read_questions(base / settings.questions)
    prepared, problems = material.prepare(folder, ocr=settings.ocr, progress=progress)
    documents = material.documents_of(prepared)
    notes = [f"{problem.name} was left out: {problem.what}" for problem in problems]
    if settings.questions == "generated":
        from bakeoff.tasks.documents.quality.questions import generate_questions

        questions = list(generate_questions([(d.facts, list(d.pages())) for d in documents], seed=settings.seed))
        notes.append(f"The {len(questions)} questions were made from the corpus' own tables, definitions and headings.")
    known = {document.facts.name for document in documents}
    unread = {problem.name: problem for problem in problems}
    for question in questions:
        for gold in question.gold:
            if gold.document in unread:
                problem = unread[gold.document]
                raise BadData(
                    f"Question {question.id!r} is about {gold.document}, which could not be read: {problem.what}", fix=problem.fix
                )
            if gold.document not in known:
                raise BadData(
                    f"Question {question.id!r} names {gold.document!r}, which is not in the corpus.",
                    fix=nearest(gold.document, known),
                )
    items: Sequence[Item] = as_items(questions)
    if settings.limit is not None and settings.limit < len(items):
        items = sorted(random.Random(settings.seed).sample(list(items), settings.limit), key=lambda item: item.id)
        notes.append(f"{settings.limit} of the questions were drawn at random.")
    return Dataset(
        tuple(items),
        name=name,
        licence=licence,
        notes=tuple(notes),
        facts=_facts(items, documents, prepared),
        material=str(prepared),
    )


def split_questions(items: Sequence[Item], *, seeds: Sequence[int], test: float, split_seed: int) -> Splits:
    """Test once; the rest halved into train and valid for each seed. Questions of one group (document) are never split apart.

    With fewer than six groups, whole groups cannot be divided into three parts that mean anything: single questions are drawn then.
    """
    groups = {item.group for item in items}
    by_group = len(groups) >= 6

    def drawn(some: Sequence[Item], share: float, seed: str) -> set[str]:
        keys = sorted({item.group or item.id if by_group else item.id for item in some}, key=lambda key: _order(seed, str(key)))
        members: dict[str, list[str]] = {}
        for item in some:
            members.setdefault(item.group or item.id if by_group else item.id, []).append(item.id)
        chosen: set[str] = set()
        for key in keys:
            # A group that would overshoot by more than it falls short is left to the other side.
            if chosen and len(chosen) + len(members[key]) - share * len(some) > share * len(some) - len(chosen):
                continue
            chosen.update(members[key])
        return chosen

    tested = drawn(items, test, f"test {split_seed}")
    rest = [item for item in items if item.id not in tested]
    train: dict[int, tuple[str, ...]] = {}
    valid: dict[int, tuple[str, ...]] = {}
    for seed in seeds:
        held = drawn(rest, VALID_SHARE, f"valid {split_seed} {seed}")
        valid[seed] = tuple(item.id for item in rest if item.id in held)
        train[seed] = tuple(item.id for item in rest if item.id not in held)
    return Splits(tuple(item.id for item in items if item.id in tested), train, valid)


def _order(seed: str, key: str) -> str:
    return hashlib.sha256(f"{seed}\0{key}".encode()).hexdigest()


def _facts(items: Sequence[Item], documents: Sequence[Any], prepared: Path) -> dict[str, Json]:
    answerable = sum(bool(item.target["answerable"]) for item in items)
    return {
        "documents": len(documents),
        "pages": sum(document.facts.pages for document in documents),
        "questions": len(items),
        "answerable": answerable,
        "unanswerable": len(items) - answerable,
        "corpus": prepared.name,
    }
