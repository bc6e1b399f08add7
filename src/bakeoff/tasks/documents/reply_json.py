"""A reply as JSON: what `bakeoff ask --json` prints, what the endpoint sends, and what a study keeps of an answer."""

from __future__ import annotations

from collections.abc import Sequence
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
    """In rank order: ``document``, ``page``, ``score``, ``text``."""
    return [{"document": p.document, "page": p.page, "score": round(p.score, 6), "text": p.chunk.text} for p in passages]


def reply_json(question: str, reply: Reply) -> dict[str, Any]:
    """The whole reply: ``question``, ``abstained``, ``support``, ``statements``, ``dropped``, ``passages``, ``timings`` in seconds."""
    return {
        "question": question,
        "abstained": reply.abstained,
        "support": round(reply.support, 4),
        "statements": [statement_json(statement) for statement in reply.statements],
        "dropped": [{"text": text, "reason": reason} for text, reason in reply.dropped],
        "passages": passages_json(reply.passages),
        "timings": {step: round(seconds, 6) for step, seconds in reply.timings.items()},
    }


def answer_of(
    reply: Reply, *, seconds: float | None = None, tokens_in: int | None = None, tokens_out: int | None = None
) -> Answer:
    """The reply as a study's answer: its statements are the value; passages and support stand in the details, also where it abstained."""
    details = {
        "passages": passages_json(reply.passages),
        "support": round(reply.support, 6),
        "dropped": len(reply.dropped),
        "timings": dict(reply.timings),
        "raw": " ".join(statement.text for statement in reply.statements),
    }
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
