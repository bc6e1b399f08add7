"""What kind of block a group of lines is: heading (and its level), caption, footnote, list, paragraph.

A heading's level is its class of looks, from 1 (twice the size of the text) to 12 (text size, italic, numbered in depth). Classes do not
depend on which others a page has, so they mean the same on every page; `furniture` makes them 1, 2, 3 ... over a whole document.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bakeoff.tasks.documents.layout.blocks import Group, Line

CAPTION = re.compile(
    r"(?:fig(?:ure|\.)|table|chart|graph|diagram|scheme|plate|listing|abb(?:ildung|\.)|tab(?:elle|\.)|tableau|figura|tabla|illustration)\s*((?:[A-Z][.-]?)?\d+(?:[.-]\d+)*[a-z]?|[IVXL]+|[A-Z])\b\s*(?P<mark>[.:|)–—-]?)\s*(?P<rest>.?)",
    re.IGNORECASE,
)
NOTE_MARK = re.compile(r"(?:\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})\)|\d{1,2}(?=\D)|[*†‡§¶#]{1,3}|[a-z](?=\s+[A-Z])|[⁰¹²³⁴-⁹]{1,2})\s?\S")
SECTION = re.compile(
    r"(?:part|item|chapter|section|article|appendix|annex|schedule|note|exhibit|title|book|volume|§)\s+(?:[0-9]+[A-Z]?|[IVXLC]+|[A-Z])\b",
    re.IGNORECASE,
)
DECIMAL = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,5})\.?\s+\D")
PART = re.compile(r"(?:part|book|title|volume)\s+(?:[IVXLC]+|[0-9]+|one|two|three|four|five)\b", re.IGNORECASE)

LONGEST_HEADING, LONGEST_SENTENCE = 160, 320
SMALL_TYPE = 0.93
"""Share of the text's size from which on type is small."""


@dataclass(frozen=True, slots=True)
class Looks:
    """How running text looks on a page: its size, and whether most of it is bold or italic (then neither marks a heading)."""

    size: float
    bold: bool = False
    italic: bool = False


def looks_of(lines: Sequence[Line], sizes: dict[float, int] | None = None) -> Looks:
    """How running text looks: the size that most characters have, in half points.

    Parameters
    ----------
    lines : sequence of Line
    sizes : dict of size to number of characters, default=None
        Of the pages before: a page with little text looks like those.
    """
    total, bold, italic = 0, 0.0, 0.0
    counts = dict(sizes or {})
    for line in lines:
        n = len(line.text)
        total, bold, italic = total + n, bold + line.bold * n, italic + line.italic * n
        half = round(line.size * 2) / 2
        counts[half] = counts.get(half, 0) + n
    if not counts:
        return Looks(10.0)
    return Looks(max(counts, key=lambda size: (counts[size], -size)), bold > 0.5 * total, italic > 0.5 * total)


def classify(groups: Sequence[Group], looks: Looks, height: float) -> None:
    """Decide the kind of each group that is a paragraph or a list so far, in place.

    Parameters
    ----------
    groups : sequence of Group
        In reading order.
    looks : Looks
    height : float
        Of the page.
    """
    for number, group in enumerate(groups):
        if group.unit >= 0 or group.kind not in ("paragraph", "list"):
            continue
        before = groups[number - 1] if number else None
        after = groups[number + 1] if number + 1 < len(groups) else None
        if _is_caption(group, looks):
            group.kind = "caption"
        elif _is_footnote(group, before, looks, height):
            group.kind = "footnote"
        elif level := _heading_level(group, after, looks):
            group.kind, group.level = "heading", level


def _is_caption(group: Group, looks: Looks) -> bool:
    text = group.text[:400]
    found = CAPTION.match(text)
    if found is None or len(group.text) > 400 or group.lines[0].tabular:
        return False
    if found["mark"] in (":", "|", ".") and (not found["rest"] or not found["rest"].islower()):
        return True
    short = len(text) <= 150 and not text.rstrip().endswith(".")
    other = group.size < SMALL_TYPE * looks.size or group.lines[0].bold > 0.5 or group.lines[0].italic > 0.9
    return short and not found["rest"].islower() and (other or found["mark"] != "" or len(text) < 100)


def _is_footnote(group: Group, before: Group | None, looks: Looks, height: float) -> bool:
    first = group.lines[0]
    if group.size > SMALL_TYPE * looks.size or first.tabular or not group.lines:
        return False
    follows = before is not None and before.kind == "footnote" and 0 <= first.y0 - before.lines[-1].y0 < 4 * first.size
    low = first.y0 > 0.5 * height or (before is not None and before.kind == "table")
    letters = sum(map(str.isalpha, group.text))
    return follows or (low and NOTE_MARK.match(group.text) is not None and letters >= (20 if group.text[0].isdigit() else 5))


def _heading_level(group: Group, after: Group | None, looks: Looks) -> int:
    """The class of looks of a heading, or 0 for what is none."""
    text, lines = group.text, group.lines
    if len(text) > LONGEST_SENTENCE or len(lines) > 4 or any(line.tabular for line in lines):
        return 0
    letters = [letter for letter in text if letter.isalpha()]
    if (
        len(letters) < 2
        or len(letters) < 0.5 * len(text.replace(" ", ""))
        or text[-1] in ",;"
        or (text[0] == "(" and text[-1] == ")")
    ):
        return 0
    words = len(text.split())
    ratio = group.size / looks.size
    bold = not looks.bold and all(line.bold > 0.85 for line in lines)
    italic = not looks.italic and all(line.italic > 0.85 for line in lines)
    caps = (
        len(letters) >= 4
        and all(letter.isupper() for letter in letters if letter.isupper() or letter.islower())
        and any(map(str.isupper, letters))
    )
    sentence = len(text) > LONGEST_HEADING or (text.endswith((".", "!", "?")) and words > 8)
    # A whole sentence in bold above running text that is not: how filings put the risks that they describe.
    stated = bold and after is not None and after.unit < 0 and after.lines[0].bold < 0.5 and after.kind == "paragraph"
    decimal = DECIMAL.match(text)
    section = SECTION.match(text)
    depth = decimal[1].count(".") if decimal else 0
    if sentence and stated and letters[0].isupper():
        return 7
    if (
        sentence
        or (group.kind == "list" and not (bold or caps or ratio >= 1.06))
        or (lines[0].text[:1].islower() and not decimal)
    ):
        return 0
    if ratio >= 1.06 and words <= 30:
        level = 1 if ratio >= 1.9 else 2 if ratio >= 1.45 else 3 if ratio >= 1.18 else 4
    elif ratio < 0.88 and not bold:
        return 0
    elif bold and words <= 25:
        level = 5 if caps else 7 if italic else 6
    elif caps and words <= 14 and ratio >= 0.95 and not text.endswith("."):
        level = 6
    elif italic and words <= 12 and not text.endswith((".", ":")):
        level = 8
    elif (section or depth) and words <= 12 and ratio >= 0.97 and not text.endswith(".") and len(lines) == 1 and _titled(text):
        level = 7
    else:
        return 0
    return max(1, level - 1) if PART.match(text) else level + min(depth, 4)


def _titled(text: str) -> bool:
    """Whether most long words begin with a capital letter."""
    long = [word for word in re.findall(r"[^\W\d_]+", text) if len(word) > 3]
    return bool(long) and sum(word[0].isupper() for word in long) >= 0.6 * len(long)
