"""What is sent: lines of a file, or a small set of our own.

Prompts should be many and varied. A server that has seen a prompt before may answer it from a cache, in whole or
(prefix caching) in part, and then the figures are of the cache.
"""

from __future__ import annotations

import json
from pathlib import Path

from bakeoff.contract import Json
from bakeoff.errors import BadData

LARGEST_FILE = 64_000_000
MOST_PROMPTS = 100_000

BUILT_IN: tuple[str, ...] = (
    "The handle broke off after two weeks, and nobody answers my emails.",
    "Name three things to check before buying a used bicycle.",
    "Arrived a day early, works as described. Would buy again.",
    "Explain in one sentence why the sky is blue.",
    "Not what I expected, but after a while I would not want to be without it.",
    "Write a polite reply to a customer whose parcel is late. Keep it to four sentences and do not promise a date.",
    "It is fine, I suppose.",
    "What is the difference between a lease and a loan? Answer for somebody who has never signed either.",
    "The first one was faulty; the second one, which they sent without any fuss, has run every day since March.",
    "Translate into plain English: the party of the second part shall indemnify and hold harmless the party of the first part.",
    "Battery lasts about five hours, the box says twelve. Otherwise a decent little speaker with clear voices.",
    "List four vegetables that grow in the shade.",
    "Terrible.",
    "A train leaves at 9:40 and arrives at 13:05. How long does the journey take?",
    "I bought this for my father, who is 84 and had never used a tablet. He calls me every evening now, so I cannot complain, "
    "although the manual is a joke and the charger gets hotter than I like.",
    "Summarise: The council met on Tuesday to discuss the new bridge. Costs have risen by a fifth since the plan was approved, "
    "mostly because of steel. A vote was put off until autumn.",
    "Great sound, poor fit.",
    "Give a title for a talk about repairing old radios.",
    "Five stars for the service, two for the product, and one for the instructions.",
    "Which is heavier, a litre of water or a litre of olive oil, and why?",
    "Smells of plastic even after a month of airing. I have given it away.",
    "Suggest a dinner from eggs, potatoes and one onion.",
    "Does exactly what it should, quietly.",
    "Write two sentences that a weather report might say before a storm.",
)
"""Reviews to classify and short tasks to answer, from one word to a paragraph; written for this project."""


def read_prompts(path: Path) -> tuple[Json, ...]:
    """One prompt a line: plain text, or (``.jsonl``) a string, a list of messages, or an object with a ``prompt``, ``text``,
    ``input`` or ``messages`` field. Empty lines are skipped.

    Raises
    ------
    BadData
        If the file cannot be read, holds no prompt, or a line is something else.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BadData(
                f"{path} is larger than {LARGEST_FILE:,} bytes.", fix="give fewer prompts; they are sent round and round"
            )
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadData(f"{path} cannot be read: {error}.", fix="check the path, and save the file as UTF-8") from error
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    whole = path.suffix.lower() in (".jsonl", ".ndjson", ".json")
    prompts = tuple(_prompt(line, f"{path}, line {number}") if whole else line.strip() for number, line in lines[:MOST_PROMPTS])
    if not prompts:
        raise BadData(f"{path} holds no prompt.", fix="write one prompt a line")
    return prompts


def as_text(value: Json) -> str:
    """An item's input as the text of a prompt: itself where it is a text, else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _prompt(line: str, where: str) -> Json:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        raise BadData(
            f"{where} is not JSON.", fix='write one JSON value a line, like "Is this good?" or {"prompt": "..."}'
        ) from None
    if isinstance(given, dict):
        for name in ("prompt", "messages", "text", "input"):
            if name in given:
                given = given[name]
                break
        else:
            raise BadData(f"{where} has none of the fields prompt, text, input, messages.", fix="name the text `prompt`")
    if isinstance(given, str) and given.strip():
        return given
    if isinstance(given, list) and given and all(_is_message(one) for one in given):
        return given
    raise BadData(f"{where} is no prompt.", fix="give a text, or messages with `role` and `content`")


def _is_message(value: Json) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str) and "content" in value
