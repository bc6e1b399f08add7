"""Questions about a corpus, with their answers and the places where those stand: one JSON object per line.

    {"id": "q1", "question": "What is the annual rent?", "kind": "number", "answers": ["£412,500"], "unit": "GBP",
     "gold": [{"document": "lease.pdf", "page": 4, "quote": "a rent of £412,500 a year"}]}
    {"id": "q2", "question": "Who insures the lifts?", "kind": "name", "answerable": false}

Pages count from 1. The layout of FinanceBench (Islam et al. 2023, arXiv 2311.11944), whose evidence pages count from 0, is read as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from bakeoff.contract import Item, Json
from bakeoff.errors import BadData, nearest
from bakeoff.tasks.documents.records import PageRef

Kind: TypeAlias = Literal["number", "date", "name", "text", "yes-no"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Layout: TypeAlias = Literal["auto", "bakeoff", "financebench"]

LONGEST_LINE = 1_000_000
MOST_QUESTIONS = 200_000
_FIELDS = ("id", "question", "kind", "answers", "unit", "gold", "answerable", "about", "without", "group")
_GOLD_FIELDS = ("document", "page", "quote", "part")
_BANK_FIELDS = ("id", "doc", "question", "answer", "evidence")


@dataclass(frozen=True, slots=True)
class Gold:
    """One place that states the answer, or a part of it.

    Parameters
    ----------
    document : str
        Its name in the corpus.
    page : int
        From 1.
    quote : str
        Words on that page, as a reader sees them. '' where only the page is known.
    part : int
        Places of one part say the same: any one of them will do. Places of different parts are all needed.
    """

    document: str
    page: int
    quote: str = ""
    part: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what is right.

    Parameters
    ----------
    id : str
        Unique in the file.
    question : str
    kind : {'number', 'date', 'name', 'text', 'yes-no'}
        How an answer is compared.
    answers : tuple of str
        Accepted answers; any one of them is right. Empty where nothing in the corpus answers it.
    unit : str
        What a number is in ("EUR million"), where the accepted answer does not say it itself.
    gold : tuple of Gold
    answerable : bool
        The corpus answers it. Where it does not, abstaining is right.
    about : str
        What sort of question it is, for break-downs: 'text', 'table', 'definition', 'figure', 'footnote', ...
    without : tuple of PageRef
        Pages that are taken out of the corpus before it is asked.
    group : str
        What its items are resampled by. '' for the document of its first gold place.
    """

    id: str
    question: str
    kind: Kind = "text"
    answers: tuple[str, ...] = ()
    unit: str = ""
    gold: tuple[Gold, ...] = ()
    answerable: bool = True
    about: str = ""
    without: tuple[PageRef, ...] = ()
    group: str = ""

    @property
    def document(self) -> str:
        """What it is grouped by: its group, or the document of its first gold place, or itself where it has neither."""
        return self.group or (self.gold[0].document if self.gold else f"question {self.id}")

    @property
    def pages(self) -> tuple[PageRef, ...]:
        """The gold pages, each once."""
        return tuple(dict.fromkeys(PageRef(gold.document, gold.page) for gold in self.gold))


def read_questions(path: Path, *, layout: Layout = "auto", suffix: str = ".pdf") -> list[Question]:
    """Read a file of questions.

    Parameters
    ----------
    path : Path
        JSON lines, UTF-8. Empty lines are passed over.
    layout : {'auto', 'bakeoff', 'financebench'}
        'auto' looks at each line: one with ``evidence`` or ``doc`` is FinanceBench's.
    suffix : str, default='.pdf'
        Put behind FinanceBench's document names, which have none.

    Raises
    ------
    BadData
        Naming the line, the field, the value given and the values allowed.
    """
    try:
        # Not splitlines: a text may hold other line breaks, which JSON does not escape.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise BadData(
            f"The questions in {path} cannot be read: {problem}.", fix="give a UTF-8 file with one JSON object per line"
        ) from problem
    found: list[Question] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path.name}, line {number}"
        if len(line) > LONGEST_LINE or len(found) >= MOST_QUESTIONS:
            raise BadData(
                f"{where}: more than {LONGEST_LINE:,} characters in a line, or {MOST_QUESTIONS:,} questions.",
                fix="split the file",
            )
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as problem:
            raise BadData(f"{where} is no JSON: {problem}.", fix="write one JSON object per line") from problem
        if not isinstance(record, dict):
            raise BadData(f"{where} is {type(record).__name__}, not an object.", fix='write {"id": ..., "question": ..., ...}')
        bank = layout == "financebench" or (layout == "auto" and ("evidence" in record or "doc" in record))
        question = _from_bank(record, where, suffix) if bank else _from_record(record, where)
        if question.id in seen:
            raise BadData(
                f"{where}: the id {question.id!r} was given on line {seen[question.id]} already.",
                fix="give each question its own id",
            )
        seen[question.id] = number
        found.append(question)
    if not found:
        raise BadData(f"{path} holds no questions.", fix="give a file with one JSON object per line")
    return found


def write_questions(questions: Iterable[Question], path: Path) -> None:
    """Write questions so that `read_questions` reads them back equal."""
    path.write_text(
        "".join(json.dumps(as_record(question), ensure_ascii=False) + "\n" for question in questions), encoding="utf-8"
    )


def as_record(question: Question) -> dict[str, Json]:
    """A question as the JSON object of its line."""
    record: dict[str, Json] = {
        "id": question.id,
        "question": question.question,
        "kind": question.kind,
        "answers": list(question.answers),
    }
    if question.unit:
        record["unit"] = question.unit
    record["gold"] = [
        {"document": gold.document, "page": gold.page, "quote": gold.quote, **({"part": gold.part} if gold.part else {})}
        for gold in question.gold
    ]
    record["answerable"] = question.answerable
    if question.about:
        record["about"] = question.about
    if question.without:
        record["without"] = [list(page) for page in question.without]
    if question.group:
        record["group"] = question.group
    return record


def as_item(question: Question) -> Item:
    """A question as an item of a study: `target` is what is right, `group` the document that answers it.

    `input` is the question's text, or ``{"question", "without"}`` where pages are taken out.
    """
    asked: Json = question.question
    if question.without:
        asked = {"question": question.question, "without": [list(page) for page in question.without]}
    record = as_record(question)
    target = {name: record.get(name, "") for name in ("answers", "kind", "unit", "gold", "answerable")}
    return Item(question.id, asked, target=target, group=question.document, meta={"about": question.about})


def as_items(questions: Iterable[Question]) -> tuple[Item, ...]:
    """Questions as items."""
    return tuple(as_item(question) for question in questions)


def question_of(item: Item) -> Question:
    """The question of an item that still has its target.

    Raises
    ------
    BadData
        If the item has no target, or a target of another task.
    """
    asked = item.input if isinstance(item.input, Mapping) else {"question": item.input}
    if not isinstance(item.target, Mapping):
        raise BadData(f"Item {item.id!r} has no answers to compare with.", fix="score items that kept their target")
    record = {**asked, **item.target, "id": item.id, "about": str(item.meta.get("about", "")), "group": item.group or ""}
    return _from_record(record, f"item {item.id!r}")


def without_gold(questions: Iterable[Question], all_pages: Mapping[str, Sequence[PageRef]] | None = None) -> list[Question]:
    """Each answerable question once more, with the pages that answer it taken out: now abstaining is right.

    Parameters
    ----------
    questions : iterable of Question
    all_pages : mapping of question id to pages, or None
        Every page that gives the answer away, where that is more than the gold pages.
    """
    found = []
    for question in questions:
        pages = tuple((all_pages or {}).get(question.id, question.pages))
        if question.answerable and pages and not question.without:
            found.append(
                replace(
                    question,
                    id=f"{question.id}/without",
                    answers=(),
                    gold=(),
                    answerable=False,
                    without=pages,
                    group=question.document,
                )
            )
    return found


def _from_record(record: Mapping[str, Any], where: str) -> Question:
    unknown = [name for name in record if name not in _FIELDS]
    if unknown:
        raise BadData(f"{where} has an unknown field {unknown[0]!r}.", fix=nearest(unknown[0], _FIELDS))
    identity = _text(record, "id", where)
    kind = record.get("kind", "text")
    if kind not in KINDS:
        raise BadData(f"{where}: kind is {kind!r}.", fix=f"use one of: {', '.join(KINDS)}")
    answers = record.get("answers", [])
    if isinstance(answers, str):
        answers = [answers]
    if not isinstance(answers, list) or not all(isinstance(answer, str) and answer.strip() for answer in answers):
        raise BadData(f"{where}: answers is {_short(answers)}.", fix='give a list of texts, such as ["£412,500"]')
    given = record.get("gold", [])
    if not isinstance(given, list):
        raise BadData(f"{where}: gold is {_short(given)}.", fix='give a list of {"document", "page", "quote"}')
    gold = tuple(_gold(entry, f"{where}, gold {number}", number) for number, entry in enumerate(given, 1))
    answerable = record.get("answerable", True)
    if not isinstance(answerable, bool):
        raise BadData(f"{where}: answerable is {_short(answerable)}.", fix="use true or false")
    if answerable and not answers:
        raise BadData(f"{where}: an answerable question has no answers.", fix='add "answers", or "answerable": false')
    if not answerable and (answers or gold):
        raise BadData(
            f"{where}: a question without an answer in the corpus has answers or gold.",
            fix='leave them out, or say "answerable": true',
        )
    without = tuple(_page(entry, where) for entry in record.get("without") or [])
    group, about, unit = (_optional(record, name, where) for name in ("group", "about", "unit"))
    return Question(
        identity, _text(record, "question", where), kind, tuple(answers), unit, gold, answerable, about, without, group
    )


def _gold(entry: Any, where: str, number: int) -> Gold:
    if not isinstance(entry, Mapping):
        raise BadData(f"{where} is {_short(entry)}.", fix='give {"document", "page", "quote"}')
    unknown = [name for name in entry if name not in _GOLD_FIELDS]
    if unknown:
        raise BadData(f"{where} has an unknown field {unknown[0]!r}.", fix=nearest(unknown[0], _GOLD_FIELDS))
    part = entry.get("part", 0)
    if not isinstance(part, int) or isinstance(part, bool):
        raise BadData(f"{where}: part is {_short(part)}.", fix="give a whole number, the same for places that say the same")
    document, page = _page([entry.get("document"), entry.get("page")], where)
    return Gold(document, page, _optional(entry, "quote", where), part)


def _page(entry: Any, where: str) -> PageRef:
    if not isinstance(entry, list | tuple) or len(entry) != 2 or not isinstance(entry[0], str) or not entry[0]:
        raise BadData(f"{where}: a page is {_short(entry)}.", fix='name a document and a page, such as "lease.pdf" and 4')
    document, page = entry
    if isinstance(page, bool) or not isinstance(page, int) or page < 1:
        raise BadData(
            f"{where}: page is {_short(page)}; pages count from 1.", fix="give the page as a reader counts, the first one 1"
        )
    return PageRef(document, page)


def _from_bank(record: Mapping[str, Any], where: str, suffix: str) -> Question:
    """FinanceBench: evidence pages count from 0, and the answer is one free text."""
    identity = str(record.get("id") or record.get("financebench_id") or "")
    if not identity:
        raise BadData(f"{where}: id is missing.", fix="give each question its own id")
    answer = _text(record, "answer", where)
    evidence = record.get("evidence", [])
    if not isinstance(evidence, list):
        raise BadData(
            f"{where}: evidence is {_short(evidence)}.", fix='give a list of {"doc", "page", "text"}, pages counted from 0'
        )
    gold = []
    for part, entry in enumerate(evidence):
        entry = entry if isinstance(entry, Mapping) else {}
        name = (
            entry.get("doc")
            or entry.get("doc_name")
            or entry.get("evidence_doc_name")
            or record.get("doc")
            or record.get("doc_name")
        )
        page = entry.get("page", entry.get("evidence_page_num"))
        if not isinstance(name, str) or isinstance(page, bool) or not isinstance(page, int) or page < 0:
            raise BadData(
                f"{where}, evidence {part + 1}: document {_short(name)}, page {_short(page)}.",
                fix="give a name and a page counted from 0",
            )
        text = entry.get("text", entry.get("evidence_text", ""))
        gold.append(
            Gold(name if name.lower().endswith(suffix) else name + suffix, page + 1, text if isinstance(text, str) else "", part)
        )
    about = record.get("type") or record.get("question_type") or ""
    group = record.get("doc") or record.get("doc_name") or ""
    asked = _text(record, "question", where)
    said = re.search(r"\bin (USD|EUR|GBP) (thousand|million|billion)s?\b", asked)
    unit = f"{said[1]} {said[2]}" if said else ""
    return Question(identity, asked, _kind_of(answer), (answer,), unit, tuple(gold), True, str(about), (), str(group))


def _kind_of(answer: str) -> Kind:
    """FinanceBench does not say: a bare figure is a number, an answer that opens with yes or no is that, all else text."""
    if re.fullmatch(r"\W*[A-Z]{0,3}\W*-?[\d.,]+\s*%?\s*(?:thousand|million|billion|USD|x)?\W*", answer.strip(), re.IGNORECASE):
        return "number"
    return "yes-no" if re.match(r"(?i)\s*(yes|no)\b", answer) else "text"


def _text(record: Mapping[str, Any], name: str, where: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadData(
            f"{where}: {name} is {_short(value) if name in record else 'missing'}.",
            fix=f'give "{name}" as a text that is not empty',
        )
    return value


def _optional(record: Mapping[str, Any], name: str, where: str) -> str:
    value = record.get(name, "")
    if not isinstance(value, str):
        raise BadData(f"{where}: {name} is {_short(value)}.", fix=f'give "{name}" as a text, or leave it out')
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
