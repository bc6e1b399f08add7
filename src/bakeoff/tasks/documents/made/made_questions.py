"""The questions of the made corpus: asked in its scripts, answered by its truth, and written by hand for the one real document."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import PurePosixPath

from bakeoff.errors import BadData
from bakeoff.tasks.documents.made.made_script import Asked
from bakeoff.tasks.documents.made.made_truth import Place, Truth
from bakeoff.tasks.documents.quality.evaluate_values import normal_words, says
from bakeoff.tasks.documents.quality.question_file import Gold, Question, read_questions
from bakeoff.tasks.documents.records import PageRef

REAL = "fhs-3.0.pdf"
MOST_NUMBERS = {"text": 54, "confusable": 44, "statement": 44, "table": 44}


def script_questions(asked: Sequence[tuple[str, Asked]], truth: Truth, seed: int) -> list[Question]:
    """Questions with their gold places.

    Parameters
    ----------
    asked : sequence of (document, Asked)
    truth : Truth
        Says where each fact stands. All places of a fact say the same, so they are one part of the gold.
    seed : int
        Chooses among the wordings of a question. Each wording of a question without an answer is a question of its own.

    Raises
    ------
    BadData
        If a question asks for a fact that stands nowhere, or whose places do not give the answer.
    """
    rng = random.Random(f"bakeoff made corpus {seed} questions")
    by_fact: dict[str, list[Place]] = {}
    for place in truth.places:
        by_fact.setdefault(place.fact, []).append(place)
    found: list[Question] = []
    counts: dict[str, int] = {}
    absent: set[str] = set()

    def name(document: str) -> str:
        counts[document] = counts.get(document, 0) + 1
        return f"{PurePosixPath(document).stem}-{counts[document]:02d}"

    for document, ask in _chosen(asked, rng):
        if not ask.fact:
            for wording in ask.wordings:
                if wording in absent:
                    continue
                absent.add(wording)
                found.append(
                    Question(name(document), _asking(wording), ask.kind, about=ask.about, answerable=False, group=document)
                )
            continue
        places = by_fact.get(ask.fact, [])
        if not places:
            raise BadData(f"A question asks for {ask.fact!r}, which stands nowhere in the made corpus.", fix="correct the script")
        gold = tuple(Gold(place.document, place.page, place.quote) for place in _telling(places, ask))
        wording = _asking(rng.choice(ask.wordings))
        found.append(
            Question(
                name(document),
                wording,
                ask.kind,
                ask.answers,
                ask.unit,
                tuple(dict.fromkeys(gold)),
                about=ask.about,
                group=document,
            )
        )
    return found


def _chosen(asked: Sequence[tuple[str, Asked]], rng: random.Random) -> list[tuple[str, Asked]]:
    """Keep every question but those for numbers of the commonest sorts, of which `MOST_NUMBERS` are drawn."""
    dropped: set[int] = set()
    for about, most in MOST_NUMBERS.items():
        places = [place for place, (_, ask) in enumerate(asked) if ask.fact and ask.kind == "number" and ask.about == about]
        dropped |= set(rng.sample(places, max(0, len(places) - most)))
    return [pair for place, pair in enumerate(asked) if place not in dropped]


def _telling(places: Sequence[Place], ask: Asked) -> list[Place]:
    """The places that give the answer: a statement that goes on over a page break may give it on one of its pages alone."""
    if ask.kind == "yes-no":
        return list(places)
    telling = []
    for place in places:
        text = f"{place.quote} {place.unit}" if place.kind == "cell" else place.quote
        if any(says(text, answer, ask.kind, ask.unit) for answer in ask.answers):
            telling.append(place)
    if telling:
        return telling
    # An answer that is itself cut by the page break: both pages are needed to read it, and either leads there.
    by_occurrence: dict[int, list[Place]] = {}
    for place in places:
        by_occurrence.setdefault(place.occurrence, []).append(place)
    for parts in by_occurrence.values():
        whole = " ".join(part.quote for part in sorted(parts, key=lambda part: part.start))
        if any(says(whole, answer, ask.kind, ask.unit) for answer in ask.answers):
            telling += parts
    if not telling:
        raise BadData(
            f"The places of {ask.fact!r} do not give the answer {ask.answers[0]!r}: {places[0].quote[:80]!r}.",
            fix="correct the script",
        )
    return telling


def giving_away(questions: Sequence[Question], truth: Truth, texts: Mapping[str, Sequence[str]]) -> dict[str, list[PageRef]]:
    """Every page that gives a question's answer away: the gold's, all other places of the same statements, and pages that print a telling answer.

    An answer is telling when it is rare enough to be no coincidence: a date, an amount or a name of at least five characters. More pages than
    need be may be taken out; what matters is that none is left.

    Parameters
    ----------
    questions : sequence of Question
    truth : Truth
    texts : mapping of document to the text of each of its pages
    """
    by_page: dict[tuple[str, int], set[str]] = {}
    pages_of: dict[str, set[PageRef]] = {}
    for place in truth.places:
        by_page.setdefault((place.document, place.page), set()).add(place.fact)
        pages_of.setdefault(place.fact, set()).add(PageRef(place.document, place.page))
    quotes: dict[tuple[str, int, str], set[str]] = {}
    for place in truth.places:
        quotes.setdefault((place.document, place.page, place.quote), set()).add(place.fact)
    found = {}
    for question in questions:
        pages = set(question.pages)
        for gold in question.gold:
            for fact in quotes.get((gold.document, gold.page, gold.quote), ()):
                pages |= pages_of[fact]
        for answer in question.answers:
            if len(re.sub(r"\W", "", answer)) < 5 and not re.search(r"\d[.,]\d", answer):
                continue
            printed = re.sub(r"\s+(?:GBP|USD)\s+(?:million|thousand)$", "", answer)
            pattern = re.compile(r"(?<![\w.,])" + re.escape(printed) + r"(?![\w]|[.,]\d)", re.IGNORECASE)
            pages |= {
                PageRef(document, number)
                for document, each in texts.items()
                for number, text in enumerate(each, 1)
                if pattern.search(text)
            }
        found[question.id] = sorted(pages)
    return found


def real_questions() -> list[Question]:
    """The questions about the Filesystem Hierarchy Standard, written by hand."""
    with as_file(files("bakeoff.tasks.documents").joinpath("made/fhs_questions.jsonl")) as path:
        return read_questions(path, layout="bakeoff")


def lexical_overlap(question: Question, truth: Truth | None = None) -> float:
    """Share of a question's content words that stand in the nearest of its gold quotes, in [0, 1]: how far it repeats what it asks for.

    With `truth`, the labels of a cell's row and column count as part of its quote.
    """
    words = set(normal_words(question.question)) - _COMMON
    if not words or not question.gold:
        return 0.0
    quotes = [gold.quote for gold in question.gold]
    if truth is not None:
        places = {(gold.document, gold.page, gold.quote) for gold in question.gold}
        found = (place for place in truth.places if (place.document, place.page, place.quote) in places)
        quotes += [f"{place.row} {place.column} {place.quote}" for place in found if place.kind == "cell"]
    return max(len(words & set(normal_words(quote))) for quote in quotes) / len(words)


_COMMON = frozenset(
    [
        "what",
        "which",
        "who",
        "whom",
        "whose",
        "when",
        "where",
        "how",
        "why",
        "is",
        "are",
        "was",
        "were",
        "be",
        "do",
        "does",
        "did",
        "has",
        "have",
        "had",
        "of",
        "in",
        "on",
        "at",
        "to",
        "for",
        "by",
        "from",
        "with",
        "under",
        "and",
        "or",
        "not",
        "it",
        "its",
        "much",
        "many",
        "long",
        "there",
        "that",
        "this",
        "may",
        "can",
        "must",
        "as",
        "after",
        "before",
        "into",
        "than",
        "up",
        "one",
    ]
)


def _asking(wording: str) -> str:
    return re.sub(r"\s+", " ", wording).strip()
