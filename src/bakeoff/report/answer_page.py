"""The page of one answer from a corpus: each statement beside the printed page that says it, with its words marked."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from bakeoff.report import format as form
from bakeoff.report.page import POLICY, environment
from bakeoff.report.text import clean, isolated, short

MOST_NEAREST = 3
"""Passages shown where the corpus has no answer, or beside it."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class PagePicture:
    """A page as a picture.

    Parameters
    ----------
    document : str
    page : int
        From 1.
    width, height : float
        Of the page in points: what boxes are measured in.
    webp : bytes
        '' where the page could not be drawn (its file is gone): the words are shown alone then.
    """

    document: str
    page: int
    width: float
    height: float
    webp: bytes = b""


@dataclass(frozen=True, slots=True)
class Mark:
    """A highlighted box in percent of the page's picture."""

    left: str
    top: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Source:
    """A cited page: its number in the text, its quotes, its picture and what is marked on it."""

    number: int
    document: str
    page: int
    quotes: tuple[str, ...]
    picture: str
    ratio: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """A statement and the numbers of its sources."""

    text: str
    sources: tuple[int, ...]


def answer_page(reply: Mapping[str, Any], pictures: Sequence[PagePicture], *, corpus: str = "") -> str:
    """One reply as one HTML text.

    Parameters
    ----------
    reply : mapping
        As `bakeoff.tasks.documents.reply_json.reply_json` gives it. Every text in it is shown as text.
    pictures : sequence of PagePicture
        Of the cited pages or, where the corpus has no answer, of the nearest passages' pages.
    corpus : str
        What the corpus is called.

    Returns
    -------
    str
        HTML that makes no request, carries its own content policy and reads without scripts.
    """
    drawn = {(picture.document, picture.page): picture for picture in pictures}
    said, sources = _cited(reply, drawn)
    nearest = [_near(passage, drawn) for passage in reply["passages"][:MOST_NEAREST]] if reply["abstained"] else []
    made = (
        environment()
        .get_template("answer.html.j2")
        .render(
            policy=POLICY,
            title=f"{isolated(clean(short(reply['question'], 80)))}",
            question=reply["question"],
            corpus=corpus,
            abstained=reply["abstained"],
            said=said,
            sources=sources,
            nearest=nearest,
            passages=[
                (place, passage["document"], passage["page"], f"{passage['score']:.3f}", passage["text"])
                for place, passage in enumerate(reply["passages"], 1)
            ],
            dropped=reply["dropped"],
            timings=[(step, form.seconds(seconds)) for step, seconds in reply["timings"].items()],
            support=f"{reply['support']:.2f}",
            json=_as_json(reply),
        )
    )
    return made.encode("utf-8", "replace").decode("utf-8")


def cited_pages(reply: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The (document, page) pairs whose pictures `answer_page` wants, in the order in which they are shown."""
    if reply["abstained"]:
        wanted = [(passage["document"], passage["page"]) for passage in reply["passages"][:MOST_NEAREST]]
    else:
        wanted = [(each["document"], each["page"]) for statement in reply["statements"] for each in statement["citations"]]
    return list(dict.fromkeys(wanted))


def _cited(reply: Mapping[str, Any], drawn: Mapping[tuple[str, int], PagePicture]) -> tuple[list[Said], list[Source]]:
    numbers: dict[tuple[str, int], int] = {}
    quotes: dict[tuple[str, int], list[str]] = {}
    boxes: dict[tuple[str, int], list[Box]] = {}
    said = []
    for statement in reply["statements"]:
        marks = []
        for citation in statement["citations"]:
            key = (citation["document"], citation["page"])
            marks.append(numbers.setdefault(key, len(numbers) + 1))
            if citation["quote"] not in quotes.setdefault(key, []):
                quotes[key].append(citation["quote"])
            boxes.setdefault(key, []).extend(tuple(box) for box in citation["boxes"])
        said.append(Said(statement["text"], tuple(dict.fromkeys(marks))))
    sources = [_source(number, key, quotes[key], boxes[key], drawn.get(key)) for key, number in numbers.items()]
    return said, sources


def _near(passage: Mapping[str, Any], drawn: Mapping[tuple[str, int], PagePicture]) -> Source:
    key = (passage["document"], passage["page"])
    return _source(0, key, [passage["text"]], [], drawn.get(key))


def _source(
    number: int, key: tuple[str, int], quotes: Sequence[str], boxes: Sequence[Box], picture: PagePicture | None
) -> Source:
    shown = picture is not None and picture.webp and picture.width > 0 and picture.height > 0
    return Source(
        number,
        *key,
        tuple(quotes),
        f"data:image/webp;base64,{base64.b64encode(picture.webp).decode('ascii')}" if shown and picture else "",
        f"{picture.width:.2f} / {picture.height:.2f}" if shown and picture else "",
        tuple(_mark(box, picture) for box in boxes) if shown and picture else (),
    )


def _mark(box: Box, picture: PagePicture) -> Mark:
    """The box a little wider than its letters, as a marker pen leaves it."""
    pad = 1.2
    x0, y0 = max(0.0, box[0] - pad), max(0.0, box[1] - pad)
    x1, y1 = min(picture.width, box[2] + pad), min(picture.height, box[3] + pad)
    return Mark(*(f"{max(0.0, share):.3f}%" for share in (
        100 * x0 / picture.width, 100 * y0 / picture.height, 100 * (x1 - x0) / picture.width, 100 * (y1 - y0) / picture.height
    )))  # fmt: skip


def _as_json(reply: Mapping[str, Any]) -> Markup:
    def finite(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if isinstance(value, Mapping):
            return {str(key): finite(each) for key, each in value.items()}
        return [finite(each) for each in value] if isinstance(value, list | tuple) else value

    text = json.dumps(finite(reply), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
