"""A reply as JSON: what `bakeoff ask --json` prints, what the endpoint sends, and what a study keeps of an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bakeoff.contract import Answer, Citation
from bakeoff.tasks.documents.records import Passage, Reply, Statement

BOX_DECIMALS = 2


def citation_json(citation: Citation) -> dict[str, Any]:
    """``document``, ``page`` (from 1), ``quote``, ``boxes`` as [x0, y0, x1, y1] in points from the page's top left."""
    boxes = [[round(float(edge), BOX_DECIMALS) for edge in box] for box in citation.boxes]
    return {"document": citation.document, "page": citation.page, "quote": citation.quote, "boxes": boxes}


def statement_json(statement: Statement) -> dict[str, Any]:
    """``text`` and ``citations``."""
    return {"text": statement.text, "citations": [citation_json(each) for each in statement.citations]}


def passages_json(passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """In rank order: ``document``, ``page`` (where it begins), ``pages`` (all that it stands on), ``score``, ``text``."""
    return [
        {"document": p.document, "page": p.page, "pages": pages_of(p), "score": round(p.score, 6), "text": p.chunk.text}
        for p in passages
    ]


def pages_of(passage: Passage) -> list[int]:
    """Every page that a passage stands on, from 1, ascending."""
    return sorted({piece.page for piece in passage.chunk.pieces}) or [passage.page]


def wording_json(reply: Reply) -> dict[str, Any] | None:
    """What a language model's part in a reply was, or None where it was not asked to word one.

    ``written``: statements that it wrote; ``kept``: those that are in the reply; ``dropped``: those that the verifier refused, and
    ``reasons``: reason (a key of `verify.REASONS`) to how many of them; ``fell_back``: none was kept, and the documents are quoted instead;
    ``declined``: it said that the passages hold no answer.
    """
    from bakeoff.tasks.documents.reply.generate import GeneratedReply

    if not isinstance(reply, GeneratedReply):
        return None
    reasons = Counter(reason for _, reason in reply.dropped)
    return {
        "written": reply.written,
        "kept": reply.written - len(reply.dropped),
        "dropped": len(reply.dropped),
        "reasons": dict(sorted(reasons.items(), key=lambda each: (-each[1], each[0]))),
        "fell_back": reply.fell_back,
        "declined": reply.declined,
    }


def wording_said(wording: Mapping[str, Any] | None) -> str:
    """`wording_json` in one or two sentences for people; '' where there is nothing to say: no model, or one that was not asked.

    >>> wording_said({"written": 3, "kept": 1, "dropped": 2, "reasons": {"number": 2}, "fell_back": False, "declined": False})
    'The language model wrote 3 statements; 2 were dropped (a number is not in the quote: 2).'
    """
    from bakeoff.tasks.documents.reply.verify import REASONS

    if not wording:
        return ""
    written, dropped = int(wording["written"]), int(wording["dropped"])
    said = []
    if written:
        statements = "1 statement" if written == 1 else f"{written} statements"
        left = "none was dropped" if written > 1 else "it was not dropped"
        if dropped:
            why = "; ".join(f"{REASONS.get(reason, reason)}: {count}" for reason, count in wording["reasons"].items())
            count = "it" if written == 1 else "all" if dropped == written else dropped
            left = f"{count} {'was' if dropped == 1 else 'were'} dropped ({why})"
        said.append(f"The language model wrote {statements}; {left}.")
    elif wording["fell_back"]:
        said.append("The language model wrote no statement.")
    if wording["declined"]:
        said.append("The language model said that the passages hold no answer.")
    if wording["fell_back"]:
        said.append("What is shown is quoted from the documents instead.")
    return " ".join(said)


def reply_json(question: str, reply: Reply) -> dict[str, Any]:
    """The whole reply: ``question``, ``abstained``, ``support``, ``statements``, ``wording``, ``dropped``, ``passages``, ``timings`` in seconds."""
    return {
        "question": question,
        "abstained": reply.abstained,
        "support": round(reply.support, 4),
        "statements": [statement_json(statement) for statement in reply.statements],
        "wording": wording_json(reply),
        "dropped": [{"text": text, "reason": reason} for text, reason in reply.dropped],
        "passages": passages_json(reply.passages),
        "timings": {step: round(seconds, 6) for step, seconds in reply.timings.items()},
    }


def answer_of(
    reply: Reply, *, seconds: float | None = None, tokens_in: int | None = None, tokens_out: int | None = None
) -> Answer:
    """The reply as a study's answer: its statements are the value; passages, support and a model's `wording_json` stand in the details, also where it abstained."""
    details: dict[str, Any] = {
        "passages": passages_json(reply.passages),
        "support": round(reply.support, 6),
        "dropped": len(reply.dropped),
        "timings": dict(reply.timings),
        "raw": " ".join(statement.text for statement in reply.statements),
    }
    wording = wording_json(reply)
    if wording is not None:
        details["wording"] = wording
    if reply.abstained:
        return Answer(abstained=True, seconds=seconds, tokens_in=tokens_in, tokens_out=tokens_out, details=details)
    return Answer(
        value={"statements": [statement_json(statement) for statement in reply.statements]},
        citations=tuple(citation for statement in reply.statements for citation in statement.citations),
        seconds=seconds,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        details=details,
    )
