"""A reply as JSON, and what is said of a language model's part in it."""

from __future__ import annotations

import pytest

from bakeoff.contract import Citation
from bakeoff.tasks.documents.records import Chunk, Passage, Piece, Reply, Statement
from bakeoff.tasks.documents.reply.generate import GeneratedReply
from bakeoff.tasks.documents.reply_json import answer_of, pages_of, reply_json, wording_json, wording_said

CHUNK = Chunk(0, "text", "It goes on over the page.", "", (Piece(0, 10, 4, 90), Piece(11, 14, 5, 0)))
PASSAGE = Passage("lease.pdf", "Lease", CHUNK, 0.5)
SAID = Statement("It goes on.", (Citation("lease.pdf", 4, "It goes on", ((1.0, 2.0, 3.0, 4.0),)),))
REFUSED = (("It costs 7.", "number"), ("It costs 8.", "number"), ("Anna pays.", "name"))
WORDED = GeneratedReply((SAID,), passages=(PASSAGE,), dropped=REFUSED, written=4)


def test_a_passage_over_several_pages_names_them_all() -> None:
    assert pages_of(PASSAGE) == [4, 5]
    for record in (reply_json("?", WORDED)["passages"], answer_of(WORDED).details["passages"]):
        assert record == [{"document": "lease.pdf", "page": 4, "pages": [4, 5], "score": 0.5, "text": CHUNK.text}]


def test_a_model_s_part_is_counted() -> None:
    expected = {
        "written": 4, "kept": 1, "dropped": 3, "reasons": {"number": 2, "name": 1}, "fell_back": False, "declined": False
    }  # fmt: skip
    assert wording_json(WORDED) == reply_json("?", WORDED)["wording"] == answer_of(WORDED).details["wording"] == expected


def test_a_quoted_reply_has_no_such_part() -> None:
    quoted = Reply((SAID,), passages=(PASSAGE,))
    assert reply_json("?", quoted)["wording"] is None and "wording" not in answer_of(quoted).details
    assert wording_said(None) == ""


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (GeneratedReply((SAID,), written=1), "The language model wrote 1 statement; it was not dropped."),
        (GeneratedReply((SAID,), written=2), "The language model wrote 2 statements; none was dropped."),
        (
            WORDED,
            "The language model wrote 4 statements; 3 were dropped (a number is not in the quote: 2; a name is not in the quote: 1).",
        ),
        (
            GeneratedReply((SAID,), dropped=REFUSED[:2], written=2, fell_back=True),
            "The language model wrote 2 statements; all were dropped (a number is not in the quote: 2). "
            "What is shown is quoted from the documents instead.",
        ),
        (
            GeneratedReply((), dropped=REFUSED[:1], written=1, abstained=True),
            "The language model wrote 1 statement; it was dropped (a number is not in the quote: 1).",
        ),
        (
            GeneratedReply((SAID,), fell_back=True),
            "The language model wrote no statement. What is shown is quoted from the documents instead.",
        ),
        (GeneratedReply((), abstained=True, declined=True), "The language model said that the passages hold no answer."),
        (GeneratedReply((), abstained=True), ""),  # support was too low, and it was not asked
    ],
)
def test_it_is_said_in_a_sentence(reply: GeneratedReply, says: str) -> None:
    assert wording_said(wording_json(reply)) == says
