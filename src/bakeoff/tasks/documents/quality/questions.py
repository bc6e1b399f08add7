"""Questions from a corpus' own structure, for corpora that come without any.

A table cell is asked for by its row and column, a defined term by its name, a numbered section by its heading. The answer is what stands
there, so no judgement is needed and none is claimed: such questions measure whether a system finds and quotes the right place, not whether
it understands. A question is kept only if its answer is the same wherever its words lead.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bakeoff.errors import BadData
from bakeoff.tasks.documents.quality.evaluate_values import dates, normal_words, quantities
from bakeoff.tasks.documents.quality.question_file import Gold, Kind, Question
from bakeoff.tasks.documents.records import Cell, DocumentFacts, Page, Span, Table

LONGEST_LABEL = 90
LONGEST_VALUE = 60
SHORTEST_TEXT, LONGEST_TEXT = 25, 400
NEARBY = 200
"""Characters around the start of a table in which its unit is told."""
MOST_CANDIDATES = 2000
"""Candidates that are kept of one document; more are thinned out evenly, so that memory is bounded for a corpus of any size."""

_DEFINED = re.compile(
    r"[“\"](?P<term>[A-Z][^”\"]{1,60})[”\"]\s+(?:means|shall mean|has the meaning of|refers to|is defined as)[\s,:]+(?P<text>[^“”\"]{20,400}?[.;])(?=\s|$)"
)
_NUMBERED = re.compile(
    r"^(?P<number>(?:Item |Section |Article |Clause )?\d{1,3}[A-Z]?(?:\.\d{1,3}){0,3}\.?)\s+(?P<heading>\S.{2,})$"
)
_EXCEPTIONS = re.compile(r"\b(?:unless|except|other than)\b", re.IGNORECASE)
_SENTENCE = re.compile(r".{25,400}?[.](?=\s+[A-Z(“]|\s*$)", re.DOTALL)


@dataclass(slots=True)
class _Candidate:
    """A question with every place that its words lead to. `narrow` is its wording with the table's caption, for when the short one is ambiguous."""

    about: str
    wording: str
    narrow: str
    answer: str
    kind: Kind
    unit: str
    gold: list[Gold] = field(default_factory=list)


def generate_questions(
    documents: Iterable[tuple[DocumentFacts, Sequence[Page]]], *, most: int = 200, seed: int = 0
) -> list[Question]:
    """Make questions of a corpus.

    Parameters
    ----------
    documents : iterable of (DocumentFacts, pages)
        Taken one at a time, in any order: the result does not depend on it.
    most : int, default=200
        Questions at most, spread over documents and kinds of structure.
    seed : int, default=0
        Chooses which ones. The same corpus and seed give the same questions.

    Raises
    ------
    BadData
        If nothing can be asked: no table with named rows and columns, no definition, no numbered section.
    """
    by_document: dict[str, list[_Candidate]] = {}
    for facts, pages in documents:
        found = _unambiguous(_candidates(facts, pages))
        if len(found) > MOST_CANDIDATES:
            found = random.Random(f"{seed} {facts.name}").sample(found, MOST_CANDIDATES)
        if found:
            by_document[facts.name] = found
    if not by_document:
        raise BadData(
            "No questions can be made of this corpus: it has no tables with named rows and columns, definitions or numbered sections.",
            fix="write a file of questions, or use the default corpus",
        )
    chosen = _spread(by_document, most, random.Random(f"questions {seed}"))
    return [
        Question(
            f"generated-{number:03d}",
            item.wording,
            item.kind,
            (item.answer,),
            item.unit,
            tuple(dict.fromkeys(item.gold)),
            about=item.about,
            group=name,
        )
        for number, (name, item) in enumerate(chosen, 1)
    ]


def _candidates(facts: DocumentFacts, pages: Sequence[Page]) -> list[_Candidate]:
    title = _clean(facts.title) or facts.name
    found: list[_Candidate] = []
    heads: tuple[int, dict[int, str]] | None = None
    for page in pages:
        for table in page.tables:
            own = _column_heads(page, table)
            if not own and table.continues and heads is not None and heads[0] == table.columns:
                own = heads[1]
            heads = (table.columns, own)
            found += _cells(facts, title, page, table, own)
        found += _definitions(facts, title, page)
        found += _sections(facts, title, page)
    return found


def _cells(facts: DocumentFacts, title: str, page: Page, table: Table, heads: dict[int, str]) -> Iterator[_Candidate]:
    labels = _row_labels(page, table)
    caption = _clean(_of(page, table.caption)) if table.caption is not None else ""
    # "In £ million unless stated otherwise": then the table's unit is not that of every cell.
    mixed = _EXCEPTIONS.search(page.text, max(0, table.span.start - NEARBY), table.span.start + NEARBY) is not None
    for cell in table.cells:
        value, row, column = _clean(_of(page, cell.span)), labels.get(cell.row, ""), heads.get(cell.column, "")
        if (
            cell.header
            or not re.search(r"\d", value)
            or len(value) > LONGEST_VALUE
            or not _names(row)
            or not (column and len(column) <= LONGEST_LABEL)
        ):
            continue
        if cell.column == 0 or row == value or column == value:
            continue
        year = re.search(r"\b(?:19|20)\d\d\b", column)
        asked = f"what was “{row}” in {column}" if year else f"what is “{column}” for “{row}”"
        narrow = f"According to the table “{caption}” in {title}, {asked}?" if caption and len(caption) <= LONGEST_LABEL else ""
        kind: Kind = "date" if dates(value) else "number" if _is_number(value) else "text"
        unit = table.unit if kind == "number" and not mixed and not any(found.unit for found in quantities(value)) else ""
        yield _Candidate(
            "table", f"According to {title}, {asked}?", narrow, value, kind, unit, [Gold(facts.name, page.number, value)]
        )


def _definitions(facts: DocumentFacts, title: str, page: Page) -> Iterator[_Candidate]:
    for match in _DEFINED.finditer(page.text):
        answer, term = _clean(match["text"]).rstrip(".;"), _clean(match["term"])
        if len(answer) >= SHORTEST_TEXT:
            quote = _clean(match[0])
            yield _Candidate(
                "definition", f"How does {title} define “{term}”?", "", answer, "text", "", [Gold(facts.name, page.number, quote)]
            )


def _sections(facts: DocumentFacts, title: str, page: Page) -> Iterator[_Candidate]:
    for block, after in zip(page.blocks, page.blocks[1:], strict=False):
        if block.kind != "heading" or after.kind not in ("paragraph", "list"):
            continue
        match = _NUMBERED.match(_clean(_of(page, block.span)))
        sentence = _SENTENCE.match(_of(page, after.span))
        if match is None or sentence is None or len(match["heading"]) > LONGEST_LABEL:
            continue
        answer = _clean(sentence[0])
        number, heading = match["number"].rstrip("."), match["heading"].rstrip(".")
        if SHORTEST_TEXT <= len(answer) <= LONGEST_TEXT:
            asked = f"What does {title} say first under {number}, “{heading}”?"
            yield _Candidate("section", asked, "", answer, "text", "", [Gold(facts.name, page.number, answer)])


def _unambiguous(candidates: list[_Candidate]) -> list[_Candidate]:
    """Candidates whose words lead to one answer; places that give the same one are joined. Where the short wording is ambiguous the caption may settle it."""
    kept: dict[str, _Candidate] = {}
    again: list[_Candidate] = []
    for group in _grouped(candidates, lambda item: item.wording).values():
        if len({_key(item.answer) for item in group}) == 1:
            group[0].gold = [gold for item in group for gold in item.gold]
            kept[group[0].wording] = group[0]
        else:
            again += [item for item in group if item.narrow]
    for group in _grouped(again, lambda item: item.narrow).values():
        if len({_key(item.answer) for item in group}) == 1:
            first = group[0]
            first.gold = [gold for item in group for gold in item.gold]
            first.wording = first.narrow
            kept[first.wording] = first
    return [kept[wording] for wording in sorted(kept)]


def _grouped(candidates: Iterable[_Candidate], by: object) -> dict[str, list[_Candidate]]:
    groups: dict[str, list[_Candidate]] = {}
    for item in candidates:
        groups.setdefault(_key(by(item)), []).append(item)  # type: ignore[operator]
    return groups


def _spread(by_document: dict[str, list[_Candidate]], most: int, rng: random.Random) -> list[tuple[str, _Candidate]]:
    """Take one of each kind of structure of each document in turn, until there are enough."""
    piles = {}
    for name in sorted(by_document):
        for about in ("table", "definition", "section"):
            pile = [item for item in by_document[name] if item.about == about]
            rng.shuffle(pile)
            if pile:
                piles[name, about] = pile
    chosen: list[tuple[str, _Candidate]] = []
    while piles and len(chosen) < most:
        for key in list(piles):
            chosen.append((key[0], piles[key].pop()))
            if not piles[key]:
                del piles[key]
            if len(chosen) == most:
                break
    return chosen


def _column_heads(page: Page, table: Table) -> dict[int, str]:
    """The header texts above each column, from the top, for the header rows at the table's start."""
    first = min((cell.row for cell in table.cells if not cell.header and not _empty(page, cell)), default=0)
    filled: dict[int, int] = {}
    for cell in table.cells:
        filled[cell.row] = filled.get(cell.row, 0) + (not _empty(page, cell))
    heads: dict[int, list[str]] = {}
    for cell in sorted(table.cells, key=lambda cell: (cell.row, cell.column)):
        text = _clean(_of(page, cell.span)).rstrip(",;:")
        # A row with a single text at its left names the rows below it ("Current assets"), not the columns.
        section = filled[cell.row] == 1 and (cell.column == 0 or cell.columns == table.columns)
        if cell.header and cell.row < first and text and not section:
            for column in range(cell.column, cell.column + cell.columns):
                heads.setdefault(column, []).append(text)
    return {column: ", ".join(dict.fromkeys(texts)) for column, texts in heads.items()}


def _row_labels(page: Page, table: Table) -> dict[int, str]:
    """What names each row: the header cells in it, or the cell of its first column."""
    found: dict[int, list[str]] = {}
    for cell in sorted(table.cells, key=lambda cell: (cell.row, cell.column)):
        text = _clean(_of(page, cell.span))
        if text and (cell.header or cell.column == 0):
            for row in range(cell.row, cell.row + cell.rows):
                found.setdefault(row, []).append(text)
    return {row: ", ".join(texts) for row, texts in found.items()}


def _names(label: str) -> bool:
    return len(label) <= LONGEST_LABEL and len(re.findall(r"[^\W\d_]", label)) >= 3


def _is_number(value: str) -> bool:
    return bool(quantities(value)) and len(re.findall(r"[^\W\d_]", value)) <= len(re.findall(r"\d", value)) + 8


def _empty(page: Page, cell: Cell) -> bool:
    return not _of(page, cell.span).strip()


def _of(page: Page, span: Span) -> str:
    return page.text[span.start : span.end]


def _clean(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _key(text: str) -> str:
    return " ".join(normal_words(text))
