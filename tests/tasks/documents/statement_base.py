"""What statements are made from: the sentences, list items and rows of some pages, and how they are written."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bakeoff.errors import BadData
from bakeoff.tasks.documents.records import Page, Span
from bakeoff.tasks.documents.reply.evidence import Quote, whole_sentences
from bakeoff.tasks.documents.reply.row_parts import Printed, RowParts, RowValue, rows_apart

Made = tuple[str, tuple[Quote, ...], str]
Maker = Callable[["Base", random.Random], Iterator[Made]]

NUMBER = re.compile(r"(?<![\w.,/-])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w])|(?<![\w.,/-])\d+(?:\.\d+)?(?![\w]|,\d|\.\d|-\w)")
NAME = re.compile(
    r"\b[A-Z][\w&-]+(?: (?:[A-Z][\w&-]+|&|of|and(?= [A-Z])))*(?: [A-Z][\w&-]+)|\b[A-Z]{2,6}\b|(?<=[a-z,] )[A-Z][a-z]{3,}\b"
)
_OPENERS = """The In If No All Any A An It As On At For This Neither Only Unless Some Either However Our We Its These"""
OPENERS = frozenset(_OPENERS.split())
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")  # fmt: skip
YEAR = re.compile(r"\b(?:19|20)\d\d\b")


@dataclass(frozen=True)
class Sentence:
    """A true sentence and where it stands. `lead`: it is an item of a list that this text introduces."""

    document: str
    page: int
    span: Span
    text: str
    lead: Span | None = None

    @property
    def quote(self) -> Quote:
        return Quote(self.document, self.page, self.text)


@dataclass(frozen=True)
class Row:
    """A true row and where it stands."""

    document: str
    page: int
    parts: RowParts

    def quote(self, values: Sequence[RowValue]) -> tuple[Quote, ...]:
        """The group, the label, and these values with their headers, as quotes, one per page."""
        printed = [*self.parts.groups, *self.parts.label, *(part for value in values for part in (*value.path, value.value))]
        return quotes_at(self.document, printed)


@dataclass(frozen=True)
class Case:
    """One statement to check. `base` is what it was made from."""

    statement: str
    quotes: tuple[Quote, ...]
    kind: str
    true: bool
    base: str


@dataclass
class Base:
    """What statements are made from."""

    pages: Mapping[tuple[str, int], Page]
    sentences: list[Sentence] = field(default_factory=list)
    items: list[Sentence] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    roles: Mapping[str, Sequence[tuple[str, str, str]]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    said: set[str] = field(default_factory=set)

    def page_of(self, document: str, number: int) -> Page:
        """As a store gives pages."""
        if (document, number) not in self.pages:
            raise BadData("no such page")
        return self.pages[document, number]


def base_of(
    pages: Mapping[tuple[str, int], Page],
    roles: Mapping[str, Sequence[tuple[str, str, str]]] | None = None,
    *,
    least_words: int = 5,
    most_words: int = 60,
) -> Base:
    """All whole sentences of the running text of pages, list items with what introduces them, and all rows with headers and values."""
    base = Base(pages, roles=roles or {})
    for (document, number), page in pages.items():
        opening: Span | None = None
        for block in page.blocks:
            text = page.text[block.span.start : block.span.end]
            if block.kind == "list" and opening is not None and not text.rstrip().endswith(":"):
                base.items.append(Sentence(document, number, block.span, text, opening))
                continue
            opening = _last_sentence(text, block.span) if text.rstrip().endswith(":") else None
            if (
                block.kind != "paragraph"
                or opening is not None
                or not text[:1].isupper()
                or not re.search(r"[.!?][\"”')]?$", text.rstrip())
            ):
                continue
            for span in whole_sentences(text):
                words = text[span.start : span.end]
                if (
                    least_words <= len(words.split()) <= most_words
                    and words[0].isupper()
                    and words[-1] in ".!"
                    and "\n" not in words
                ):
                    where = Span(block.span.start + span.start, block.span.start + span.end)
                    base.sentences.append(Sentence(document, number, where, words))
        for index in range(len(page.tables)):
            for parts in rows_apart(page, index, lambda before, document=document: base.page_of(document, before)):
                headers = [re.sub(r"\W", "", header_of(value)).lower() for value in parts.values]
                # Two columns under one header: what the row says in a sentence would be a guess.
                if parts.label and parts.values and all(headers) and len(set(headers)) == len(headers):
                    base.rows.append(Row(document, number, parts))
    base.said = {plain(each.text) for each in base.sentences}
    found = {name for each in base.sentences for name in NAME.findall(each.text) if name.split()[0] not in OPENERS}
    base.names = sorted(found)
    return base


def _last_sentence(text: str, span: Span) -> Span:
    return Span(span.start + whole_sentences(text)[-1].start, span.end)


def pick(rng: random.Random, items: Sequence) -> Iterator:
    """The items in a random order, a few of them: an attack needs one that it fits."""
    yield from rng.sample(list(items), min(len(items), 60))


def plain(text: str) -> str:
    return re.sub(r"[^\w%$€.]+", " ", text).strip(" .").lower()


def changed_in(base: Base, rng: random.Random, change: Callable[[str], str | None]) -> Iterator[Made]:
    for sentence in pick(rng, base.sentences):
        changed = change(sentence.text)
        if changed and changed != sentence.text:
            yield changed, (sentence.quote,), sentence.text


def quotes_at(document: str, printed: Sequence[Printed]) -> tuple[Quote, ...]:
    pages: dict[int, list[Printed]] = {}
    for each in printed:
        pages.setdefault(each.page, []).append(each)
    return tuple(
        Quote(document, number, " ".join(" ".join(each.text.split()) for each in parts), tuple(each.span for each in parts))
        for number, parts in pages.items()
    )


def row_says(label: str, header: str, value: str, rng: random.Random) -> str:
    """A row in a sentence, one way or another."""
    ways = (
        f"{label} was {value} in {header}.", f"{label} for {header} was {value}.", f"In {header}, {label} was {value}.", f"{label} | {header} | {value}", f"{label} ({header}): {value}",
        f"{label}, {header}: {value}", f"{label} amounted to {value} for {header}.",
    )  # fmt: skip
    return rng.choice(ways[:4] + ways[5:])


def label_of(row: Row) -> str:
    return ": ".join(" ".join(each.text.split()) for each in (*row.parts.groups, *row.parts.label))


def header_of(value: RowValue) -> str:
    return " ".join(" ".join(each.text.split()) for each in value.path)


def flat(text: str) -> str:
    return " ".join(text.split())
