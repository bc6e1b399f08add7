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
from bakeoff.tasks.documents.reply.verify import REASONS
from bakeoff.tasks.documents.reply_json import wording_said

MOST_NEAREST = 3
"""Passages shown where the corpus has no answer, or beside it."""

CELL = " | "
"""What stands between the cells of a row that is a statement."""

LONGEST_KEPT = 30
"""Letters of a last word that is kept on one line with the numbers of its sources."""

MOST_LINES = 3
"""Line breaks of a quote that are shown as they are. The words of a figure stand on many short lines."""

BREAK_AFTER = Markup("_<wbr>")
"""A long file name may be broken after an underscore."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class FigurePicture:
    """A figure cut out of a page: its box on the page in points from the top left, and its picture."""

    box: Box
    webp: bytes


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
    figures : tuple of FigurePicture
        Figures that a quote stands in.
    """

    document: str
    page: int
    width: float
    height: float
    webp: bytes = b""
    figures: tuple[FigurePicture, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """A highlighted box in percent of the page's picture."""

    left: str
    top: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Crop:
    """A figure as the page shows it: its picture, its shape, and what is marked in it."""

    picture: str
    ratio: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A cited page: its number in the text, its quotes, its picture and what is marked on it. `where` names the page, or the pages of a passage."""

    number: int
    document: str
    page: int
    where: str
    quotes: tuple[str, ...]
    picture: str
    ratio: str
    marks: tuple[Mark, ...]
    figures: tuple[Crop, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A statement and the numbers of its sources, which never stand on a line without its `last` word.

    `cells` are the parts of a row of a table, none for a sentence.
    """

    head: str
    last: str
    sources: tuple[int, ...]
    cells: tuple[str, ...] = ()


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
    nearest = _nearest(reply["passages"][:MOST_NEAREST], drawn) if reply["abstained"] else []
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
                (place, passage["document"], pages_said(passage["pages"]), f"{passage['score']:.3f}", passage["text"])
                for place, passage in enumerate(reply["passages"], 1)
            ],
            wording=wording_said(reply["wording"]),
            dropped=[(each["text"], REASONS.get(each["reason"], each["reason"])) for each in reply["dropped"]],
            timings=[(step, form.seconds(seconds)) for step, seconds in reply["timings"].items()],
            support=f"{reply['support']:.2f}",
            json=_as_json(reply),
            break_after=BREAK_AFTER,
            most_lines=MOST_LINES,
        )
    )
    return made.encode("utf-8", "replace").decode("utf-8")


def pages_said(pages: Sequence[int]) -> str:
    """``7``, ``7-8`` or ``7, 9``: the pages of a passage."""
    if len(pages) > 1 and list(pages) == list(range(pages[0], pages[-1] + 1)):
        return f"{pages[0]}–{pages[-1]}"
    return ", ".join(str(page) for page in pages)


def cited_boxes(reply: Mapping[str, Any], document: str, page: int) -> list[Box]:
    """Every box that the statements cite on one page, in points from its top left."""
    return [
        (box[0], box[1], box[2], box[3])
        for statement in reply["statements"]
        for each in statement["citations"]
        if (each["document"], each["page"]) == (document, page)
        for box in each["boxes"]
    ]


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
        cells = tuple(statement["text"].split(CELL))
        head, _, last = statement["text"].rstrip().rpartition(" ")
        if len(last) > LONGEST_KEPT:
            head, last = statement["text"], ""
        said.append(Said(head, last, tuple(dict.fromkeys(marks)), cells if len(cells) > 1 else ()))
    sources = [_source(number, key, quotes[key], boxes[key], drawn.get(key)) for key, number in numbers.items()]
    return said, sources


def _nearest(passages: Sequence[Mapping[str, Any]], drawn: Mapping[tuple[str, int], PagePicture]) -> list[Source]:
    """Passages that begin on one page are shown beside one picture of it."""
    together: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for passage in passages:
        together.setdefault((passage["document"], passage["page"]), []).append(passage)
    return [
        _source(
            0, key, [each["text"] for each in found], [], drawn.get(key), sorted({n for each in found for n in each["pages"]})
        )
        for key, found in together.items()
    ]


def _source(
    number: int,
    key: tuple[str, int],
    quotes: Sequence[str],
    boxes: Sequence[Box],
    picture: PagePicture | None,
    pages: Sequence[int] = (),
) -> Source:
    shown = picture is not None and picture.webp and picture.width > 0 and picture.height > 0
    return Source(
        number,
        *key,
        f"pages {pages_said(pages)}" if len(pages) > 1 else f"page {key[1]}",
        tuple(quotes),
        _address(picture.webp) if shown and picture else "",
        f"{picture.width:.2f} / {picture.height:.2f}" if shown and picture else "",
        tuple(_mark(box, (0.0, 0.0, picture.width, picture.height)) for box in boxes) if shown and picture else (),
        tuple(_crop(figure, boxes) for figure in picture.figures) if shown and picture else (),
    )


def _address(webp: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(webp).decode('ascii')}"


def _crop(figure: FigurePicture, boxes: Sequence[Box]) -> Crop:
    x0, y0, x1, y1 = figure.box
    inside = [box for box in boxes if x0 <= (box[0] + box[2]) / 2 <= x1 and y0 <= (box[1] + box[3]) / 2 <= y1]
    return Crop(_address(figure.webp), f"{x1 - x0:.2f} / {y1 - y0:.2f}", tuple(_mark(box, figure.box) for box in inside))


def _mark(box: Box, frame: Box) -> Mark:
    """The box a little wider than its letters, as a marker pen leaves it, in percent of the frame that is shown."""
    pad = 1.2
    left, top, width, height = frame[0], frame[1], frame[2] - frame[0], frame[3] - frame[1]
    x0, y0 = max(0.0, box[0] - pad - left), max(0.0, box[1] - pad - top)
    x1, y1 = min(width, box[2] + pad - left), min(height, box[3] + pad - top)
    shares = (x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height)
    return Mark(*(f"{100 * max(0.0, share):.3f}%" for share in shares))


def _as_json(reply: Mapping[str, Any]) -> Markup:
    def finite(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if isinstance(value, Mapping):
            return {str(key): finite(each) for key, each in value.items()}
        return [finite(each) for each in value] if isinstance(value, list | tuple) else value

    text = json.dumps(finite(reply), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
