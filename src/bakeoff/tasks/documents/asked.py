"""What an item of the documents task asks: a question, and pages to leave out where it is asked as if they were not there."""

from __future__ import annotations

from bakeoff.contract import Json
from bakeoff.errors import BadData
from bakeoff.tasks.documents.records import EVERYTHING, PageRef, Scope

LONGEST_QUESTION = 4000


def question_of(given: Json) -> tuple[str, Scope]:
    """The question and its scope.

    Parameters
    ----------
    given : str or mapping
        A question, or ``{"question": ..., "without": [[document, page], ...]}``.

    Raises
    ------
    BadData
        For anything else, an empty question, or one of more than 4,000 characters.
    """
    if isinstance(given, str):
        return _checked(given), EVERYTHING
    if not isinstance(given, dict) or not isinstance(given.get("question"), str) or set(given) - {"question", "without"}:
        raise BadData(
            "An item of the documents task is a question.",
            fix='send a text, or {"question": "...", "without": [["file.pdf", 3]]}',
        )
    return _checked(given["question"]), Scope(without=frozenset(_page(each) for each in given.get("without") or ()))


def _page(given: Json) -> PageRef:
    if isinstance(given, list | tuple) and len(given) == 2 and isinstance(given[0], str) and isinstance(given[1], int):
        return PageRef(given[0], given[1])
    raise BadData(f"`without` names pages as [document, page], not {str(given)[:60]}.", fix='write it like [["file.pdf", 3]]')


def _checked(question: str) -> str:
    if not question.strip():
        raise BadData("The question is empty.", fix="ask in a sentence, or in a few words")
    if len(question) > LONGEST_QUESTION:
        raise BadData(f"The question has {len(question):,} characters; {LONGEST_QUESTION:,} are the most.", fix="shorten it")
    return question
