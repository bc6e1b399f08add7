"""How good are cited answers? Retrieval, correctness and abstention, as functions of one question and one reply.

A reply is a mapping: ``abstained`` (bool), ``statements`` (each ``text`` and ``citations``), ``passages`` in rank order (each
``document``, ``page``, ``text``, and ``pages`` where it runs over several). `reply_of` makes one of a contract Answer, and what
``bakeoff ask --json`` prints is one. What each figure claims, and what it does not, is on the page ``docs/explanation/measuring-cited-answers.md``.

Gold places of one part say the same, so any of them will do; parts are all needed. Retrieval therefore counts *parts found*: recall is
the share of parts found, and a place that repeats a part already found gains nothing (subtopic recall, Zhai et al. 2003; the gain of
alpha-nDCG at alpha = 1, Clarke et al. 2008). With one part it is the usual recall@k and nDCG@k with binary gains (Järvelin and Kekäläinen 2002).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bakeoff.contract import Answer, Interval, Item, Metric
from bakeoff.errors import BadData
from bakeoff.tasks.documents.quality import evaluate_citations
from bakeoff.tasks.documents.quality.evaluate_values import contains, normal_words, says, share_of, token_f1
from bakeoff.tasks.documents.quality.question_file import Gold, Question, question_of

Reply = Mapping[str, Any]
Level = Literal["page", "passage"]

READ_WORDS = 200
"""Words of an answer that are read for being right, over all its statements. Whoever pours out whole pages is not thereby right."""

HELD = 0.8
"""A passage holds a gold quote when it stands on its page and has the quote, or this share of the quote's words."""


def reply_of(answer: Answer) -> dict[str, Any]:
    """The reply in a contract Answer: its statements, whether it abstained, and its passages."""
    value = answer.value if isinstance(answer.value, Mapping) else {}
    return {
        "abstained": answer.abstained,
        "statements": list(value.get("statements", ())),
        "passages": list(answer.details.get("passages", ())),
        "support": answer.details.get("support"),
    }


# --- retrieval ---------------------------------------------------------------------------------------------------------


def page_rank(reply: Reply) -> list[tuple[str, int]]:
    """The pages of a reply's passages, each once, by the rank of the first passage on it. A passage of several pages gives each in order."""
    pages: dict[tuple[str, int], None] = {}
    for passage in reply["passages"]:
        for page in passage.get("pages") or [passage["page"]]:
            pages.setdefault((passage["document"], int(page)))
    return list(pages)


def holds(passage: Mapping[str, Any], gold: Gold) -> bool:
    """Whether a passage gives a gold place: it is on its page, and has its quote or `HELD` of the quote's words.

    Where the gold place has no quote, its page alone counts.
    """
    pages = passage.get("pages") or [passage["page"]]
    if passage["document"] != gold.document or gold.page not in pages:
        return False
    quote = normal_words(gold.quote)
    if not quote:
        return True
    text = normal_words(str(passage.get("text", "")))
    return contains(text, quote) or (len(quote) >= 5 and share_of(quote, text) >= HELD)


def gains(question: Question, reply: Reply, level: Level) -> list[int]:
    """For each rank, from the first, how many parts of the gold it is the first to find."""
    missing = {gold.part for gold in question.gold}
    found = []
    ranked: Sequence[Any] = page_rank(reply) if level == "page" else reply["passages"]
    for entry in ranked:
        if level == "page":
            parts = {gold.part for gold in question.gold if (gold.document, gold.page) == entry}
        else:
            parts = {gold.part for gold in question.gold if holds(entry, gold)}
        found.append(len(parts & missing))
        missing -= parts
    return found


def recall_at(question: Question, reply: Reply, k: int, level: Level = "page") -> float | None:
    """Share of the gold's parts found among the first `k` pages (or passages). None where the question has no gold."""
    parts = {gold.part for gold in question.gold}
    return sum(gains(question, reply, level)[:k]) / len(parts) if parts else None


def reciprocal_rank(question: Question, reply: Reply, level: Level = "page") -> float | None:
    """One over the rank of the first gold page (or passage), 0 where none was found. Its mean is MRR (Voorhees 1999)."""
    if not question.gold:
        return None
    return next((1.0 / rank for rank, gain in enumerate(gains(question, reply, level), 1) if gain), 0.0)


def ndcg_at(question: Question, reply: Reply, k: int, level: Level = "page") -> float | None:
    """nDCG of the first `k`: gains discounted by log2(rank + 1), over the best order of the gold's own places."""
    if not question.gold:
        return None
    got = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains(question, reply, level)[:k], 1))
    return got / sum(gain / math.log2(rank + 1) for rank, gain in enumerate(_best_gains(question, level)[:k], 1))


def _best_gains(question: Question, level: Level) -> list[int]:
    """Gains of the best order: greedily the page with most parts not yet found (exact where pages hold one part each)."""
    places: dict[Any, set[int]] = {}
    for number, gold in enumerate(question.gold):
        places.setdefault((gold.document, gold.page) if level == "page" else number, set()).add(gold.part)
    missing = {gold.part for gold in question.gold}
    found = []
    while missing:
        best = max(places.values(), key=lambda parts: len(parts & missing))
        found.append(len(best & missing))
        missing -= best
    return found


# --- the answer --------------------------------------------------------------------------------------------------------


def answer_texts(reply: Reply) -> list[str]:
    """The statements' texts, cut after `READ_WORDS` words in all."""
    left, found = READ_WORDS, []
    for statement in reply["statements"]:
        words = str(statement["text"]).split()
        if left <= 0:
            break
        found.append(" ".join(words[:left]) if len(words) > left else str(statement["text"]))
        left -= len(words)
    return found


def is_right(question: Question, reply: Reply, tolerance: float = 0.0) -> bool:
    """Whether an answer gives an accepted answer (`evaluate_values.says` of one statement, or for names and texts of all together).

    To a yes-or-no question an answer that opens with neither is right when it brings the sentence that decides: a statement with the words of
    a gold quote. An answer that was cut from the corpus cannot say yes; it can show where it stands.
    """
    texts = answer_texts(reply)
    together = " ".join(texts)
    if any(
        says(text, answer, question.kind, question.unit, tolerance)
        for answer in question.answers
        for text in ([*texts, together] if question.kind in ("name", "text") else texts)
    ):
        return True
    if question.kind != "yes-no" or any(normal_words(text)[:1] in (["yes"], ["no"]) for text in texts[:1]):
        return False
    quotes = [normal_words(gold.quote) for gold in question.gold if gold.quote]
    return any(share_of(quote, normal_words(text)) >= HELD for quote in quotes for text in texts)


def best_f1(question: Question, reply: Reply) -> float | None:
    """The best token F1 of a statement with an accepted answer; None where the question has none."""
    if not question.answers:
        return None
    return max((token_f1(text, answer) for text in answer_texts(reply) for answer in question.answers), default=0.0)


@dataclass(frozen=True)
class Abstention:
    """How often it answered and declined, for questions that the corpus answers and for those it does not."""

    answerable_answered: int
    answerable_declined: int
    unanswerable_answered: int
    unanswerable_declined: int

    @property
    def declined_rightly(self) -> float:
        """Share of the unanswerable questions that were declined; nan where there are none."""
        n = self.unanswerable_answered + self.unanswerable_declined
        return self.unanswerable_declined / n if n else math.nan

    @property
    def declined_wrongly(self) -> float:
        """Share of the answerable questions that were declined; nan where there are none."""
        n = self.answerable_answered + self.answerable_declined
        return self.answerable_declined / n if n else math.nan


def abstention(questions: Sequence[Question], replies: Sequence[Reply]) -> Abstention:
    """Count answers and abstentions. Raises BadData if there are not as many replies as questions."""
    if len(questions) != len(replies):
        raise BadData(f"{len(questions)} questions and {len(replies)} replies.", fix="give one reply for each question")
    counts = {(answerable, declined): 0 for answerable in (True, False) for declined in (True, False)}
    for question, reply in zip(questions, replies, strict=True):
        counts[question.answerable, bool(reply["abstained"])] += 1
    return Abstention(counts[True, False], counts[True, True], counts[False, False], counts[False, True])


def is_correct(question: Question, reply: Reply, tolerance: float = 0.0) -> bool:
    """A right answer to a question that the corpus answers, or an abstention from one that it does not."""
    if reply["abstained"]:
        return not question.answerable
    return question.answerable and is_right(question, reply, tolerance)


# --- over many questions -----------------------------------------------------------------------------------------------


def clustered(
    scores: Sequence[float | None], questions: Sequence[Question], bounds: tuple[float, float] = (0.0, 1.0)
) -> Interval:
    """Mean and 95% interval of per-question scores, resampling documents: questions about one document share its difficulties.

    Scores that are None are left out. Raises BakeoffError where nothing is left to make an interval from.
    """
    from bakeoff.measure.intervals import mean_interval

    kept = [(score, question.document) for score, question in zip(scores, questions, strict=True) if score is not None]
    return mean_interval([score for score, _ in kept], [document for _, document in kept], bounds=bounds)


def metrics(
    page_text: evaluate_citations.PageText | None = None, support: evaluate_citations.Support | None = None
) -> Mapping[str, Metric]:
    """The metrics of the documents task, the primary one first.

    Parameters
    ----------
    page_text : function of (document, page) to text, or None
        With it a citation whose quote is not on its page supports nothing. Without, quotes are taken as given.
    support : function of (statement, quotes) to bool, or None
        Who judges whether quotes support a statement. None for `evaluate_citations.supports`.
    """

    def of(score: Callable[[Question, Reply], float | bool | None]) -> Callable[[Item, Answer], float | None]:
        def per_item(item: Item, answer: Answer) -> float | None:
            found = score(question_of(item), reply_of(answer))
            return None if found is None else float(found)

        return per_item

    def cited(which: Literal["precision", "recall", "gold"]) -> Callable[[Item, Answer], float | None]:
        def score(question: Question, reply: Reply) -> float | None:
            if which == "gold":
                return evaluate_citations.gold_share(question, reply)
            judged = evaluate_citations.judge(reply, support=support, page_text=page_text)
            return judged.precision if which == "precision" else judged.recall

        return of(score)

    def share(
        name: str, title: str, score: Callable[[Item, Answer], float | None], *, abstentions: bool = False, higher: bool = True
    ) -> Metric:
        def per_item(item: Item, answer: Answer) -> float | None:
            if answer.error is not None or (answer.abstained and not abstentions):
                return None
            return score(item, answer)

        return Metric(name, title, higher, per_item=per_item, low=0.0, high=1.0, percent=True, abstentions=abstentions)

    found = (
        share("correct", "Right answer, or rightly none", of(is_correct), abstentions=True),
        share("answered_right", "Right among the answered", of(lambda q, r: q.answerable and is_right(q, r))),
        share(
            "abstained_right",
            "Unanswerable questions declined",
            of(lambda q, r: None if q.answerable else bool(r["abstained"])),
            abstentions=True,
        ),
        share(
            "abstained_wrong",
            "Answerable questions declined",
            of(lambda q, r: bool(r["abstained"]) if q.answerable else None),
            abstentions=True,
            higher=False,
        ),
        share("page_recall_5", "Gold page in the first 5", of(lambda q, r: recall_at(q, r, 5)), abstentions=True),
        share(
            "passage_recall_5", "Gold passage in the first 5", of(lambda q, r: recall_at(q, r, 5, "passage")), abstentions=True
        ),
        share("mrr", "Reciprocal rank of the gold page", of(reciprocal_rank), abstentions=True),
        share("ndcg_10", "nDCG of the first 10 pages", of(lambda q, r: ndcg_at(q, r, 10)), abstentions=True),
        share("citation_precision", "Citations that are needed", cited("precision")),
        share("citation_recall", "Statements that their citations support", cited("recall")),
        share("citation_gold", "Citations of a gold page", cited("gold")),
        share("token_f1", "Words shared with the accepted answer", of(best_f1)),
    )
    return {metric.name: metric for metric in found}
