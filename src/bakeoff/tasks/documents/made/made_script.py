"""Reads a document's script (the text files in ``made/``) and sets it with a Writer.

A script is blocks between empty lines. A block begins with what it is:

=========== ==================================================================================
``# ``      a numbered heading; ``#! `` one without number; ``## ``, ``### `` the levels below
``1) ``     a numbered clause under the heading; ``a) ``, ``i) `` items below it; ``* `` a bullet
``> ``      an indented note
``@table``  ``key | style | relative widths | alignments (lrc) | caption | unit | line about units``, then
            rows: ``^`` head, ``=`` section, ``+`` total, anything else a plain row; cells between ``|``,
            a head cell ``text :: 2`` spans two columns
``@figure`` ``name | height | kind | caption``: drawn by the function of that name
``@sheet``  how the following pages are stored: ``rotate=90 landscape columns=2 trim=10,20,30,40 origin=5,5 turn=90``
``@page``   a new page; ``@column`` a new column; ``@space 12``; ``@title``, ``@centre``, ``@small``, ``@signature``
``? ``      a question, on a line of its own: see `questions_of`
=========== ==================================================================================
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from bakeoff.errors import BadData
from bakeoff.tasks.documents.made import made_fonts
from bakeoff.tasks.documents.made.made_figures import Pen, draw_figure
from bakeoff.tasks.documents.made.made_look import GREY, Heading, Sheet
from bakeoff.tasks.documents.made.made_pages import Writer
from bakeoff.tasks.documents.made.made_tables import Row, TableSpec, draw_table
from bakeoff.tasks.documents.made.made_text import fill
from bakeoff.tasks.documents.quality.question_file import KINDS, Kind

Draw = Callable[[Pen], None]
_ALIGN: dict[str, Any] = {"l": "left", "r": "right", "c": "centre"}
BESIDE_TABLE = 150.0
"""Points that must be left for a heading that a table follows, so that it does not stand alone at the foot of a page."""
_INDENT = {"1": 31.0, "a": 55.0, "i": 79.0}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the script asks it: of one fact, or (`fact` is '') of nothing that the corpus says."""

    fact: str
    about: str
    kind: Kind
    answers: tuple[str, ...]
    unit: str
    wordings: tuple[str, ...]


def script(name: str) -> str:
    """The text of one script."""
    return files("bakeoff.tasks.documents").joinpath(f"made/{name}.txt").read_text(encoding="utf-8")


def questions_of(text: str, values: Mapping[str, object], rng: random.Random) -> list[Asked]:
    """The questions of a script.

    ``? fact [about] | kind | answer ; other answer | unit | wording || other wording`` asks for a fact, and
    ``?- [about] kind | wording || other wording`` for something that is nowhere in the corpus.
    """
    found = []
    for line in text.splitlines():
        if not line.startswith("?"):
            continue
        parts = [part.strip() for part in fill(line.lstrip("?-"), values, rng).replace("||", "\0").split("|")]
        if len(parts) != (2 if line.startswith("?-") else 5):
            raise BadData(
                f"A question of a script has {len(parts)} parts: {line[:80]!r}.",
                fix="write fact | kind | answers | unit | wordings",
            )
        wordings = tuple(part.strip() for part in parts[-1].split("\0"))
        if line.startswith("?-"):
            about, _, kind = parts[0].partition("] ")
            found.append(Asked("", about.lstrip("["), _kind(kind), (), "", wordings))
            continue
        fact, _, about = parts[0].partition(" [")
        answers = tuple(answer.strip() for answer in parts[2].split(";"))
        found.append(Asked(fact, about.rstrip("]") or "text", _kind(parts[1]), answers, parts[3], wordings))
    return found


def _kind(text: str) -> Kind:
    if text not in KINDS:
        raise BadData(f"A question of a script is of kind {text!r}.", fix=f"use one of: {', '.join(KINDS)}")
    return text


def play(
    writer: Writer,
    text: str,
    values: Mapping[str, object],
    rng: random.Random,
    figures: Mapping[str, Draw] | None = None,
    contents: Sequence[Heading] = (),
) -> None:
    """Set a script.

    Parameters
    ----------
    writer : Writer
    text : str
        The script, questions included (they are passed over).
    values : mapping
        What ``{name}`` stands for.
    rng : random.Random
        Chooses among wordings.
    figures : mapping of name to function, or None
    contents : sequence of Heading
        What ``@contents`` lists: the headings of an earlier setting of the same script.
    """
    player = _Player(writer, figures or {}, contents)
    blocks = []
    for block in re.split(r"\n\s*\n", text):
        kept = "\n".join(line for line in block.splitlines() if not line.startswith(("?", "%"))).strip("\n")
        if kept.strip():
            blocks.append(fill(kept, values, rng))
    for number, block in enumerate(blocks):
        if block.startswith("#") and any(after.startswith("@table") for after in blocks[number + 1 : number + 2]):
            writer.need(BESIDE_TABLE)
        player.block(block)


class _Player:
    def __init__(self, writer: Writer, figures: Mapping[str, Draw], contents: Sequence[Heading]) -> None:
        self.writer, self.figures, self.contents = writer, figures, contents
        self.clause = self.sub = self.item = self.roman = 0

    def block(self, text: str) -> None:
        writer = self.writer
        word, _, rest = text.partition(" ")
        rest = rest.strip()
        if word == "#":
            self.clause, self.sub, self.item = self.clause + 1, 0, 0
            writer.heading(rest, label=f"{self.clause}.", hang=_INDENT["1"])
        elif word == "#!":
            writer.heading(rest)
        elif word == "##":
            writer.heading(rest, level=2)
        elif word == "##.":
            self.sub += 1
            writer.heading(rest, level=2, label=f"{self.clause}.{self.sub}", hang=_INDENT["1"])
        elif word == "###":
            writer.heading(rest, level=3)
        elif word == "1)":
            self.sub, self.item = self.sub + 1, 0
            writer.paragraph(rest, label=f"{self.clause}.{self.sub}", indent=_INDENT["1"], hang=_INDENT["1"])
        elif word == "a)":
            self.item, self.roman = self.item + 1, 0
            writer.paragraph(rest, label=f"({chr(96 + self.item)})", indent=_INDENT["a"], hang=24, after=writer.look.after * 0.6)
        elif word == "i)":
            self.roman += 1
            label = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii")[self.roman - 1]
            writer.paragraph(rest, label=f"({label})", indent=_INDENT["i"], hang=24, after=writer.look.after * 0.6)
        elif word == "*":
            for line in re.split(r"\n\* ", rest):
                writer.paragraph(line, label="•", indent=16, hang=12, after=writer.look.after * 0.5)
            writer.y += writer.look.after * 0.4
        elif word == ">":
            writer.paragraph(rest, indent=_INDENT["1"], size=writer.look.points * 0.95)
        elif word.startswith("@"):
            self._command(word[1:], rest)
        else:
            *lines, last = text.split(" \\\n")
            for line in lines:
                writer.paragraph(line, after=0)
            writer.paragraph(last)

    def _command(self, word: str, rest: str) -> None:
        writer = self.writer
        if word == "table":
            self._table(rest)
        elif word == "figure":
            name, height, kind, caption = (part.strip() for part in rest.split("|", 3))
            draw_figure(writer, name, float(height), self.figures[name], caption, kind=kind)  # type: ignore[arg-type]
        elif word == "sheet":
            writer.use(_sheet(rest))
        elif word == "page":
            writer.end_page()
        elif word == "column":
            writer.next_frame()
        elif word == "space":
            writer.frame  # noqa: B018  begins a page where there is none
            writer.y += float(rest)
        elif word == "contents":
            self._contents()
        elif word == "restart":
            self.clause = self.sub = 0
        elif word == "title":
            writer.paragraph(
                rest,
                size=writer.look.points * 1.9,
                family=writer.look.heads,
                bold=True,
                colour=writer.look.accent,
                after=8,
                keep=True,
                leading=1.15,
            )
        elif word == "centre":
            writer.paragraph(rest, align="centre", keep=True)
        elif word == "small":
            writer.paragraph(rest, size=writer.look.points * 0.84, colour=GREY)
        elif word == "signature":
            self._signature(rest)
        else:
            raise BadData(f"A script has no command @{word}.", fix="correct the script")

    def _contents(self) -> None:
        writer = self.writer
        writer.paragraph(
            "Contents", size=writer.look.points * 1.5, family=writer.look.heads, bold=True, colour=writer.look.accent, after=10
        )
        size = writer.look.points
        dot = made_fonts.width(".", writer.look.body.regular, size)
        for heading in self.contents:
            if heading.level > 2:
                continue
            writer.need(size * 1.5)
            writer.y += size * (1.9 if heading.level == 1 else 1.45)
            frame, left = writer.frame, 22.0 if heading.level == 2 else 0.0
            used = writer.text_at(frame.x + left, writer.y, f"{heading.label} {heading.text}".strip(), bold=heading.level == 1)
            number = str(heading.page)
            wide = made_fonts.width(number, writer.look.body.regular, size)
            dots = int((frame.width - left - used - wide - 14) / (2 * dot))
            if dots > 2:
                writer.text_at(frame.x + frame.width - wide - 7, writer.y, "." + " ." * dots, align="right", colour=GREY)
            writer.text_at(frame.x + frame.width, writer.y, number, align="right")

    def _signature(self, text: str) -> None:
        writer = self.writer
        writer.need(74)
        writer.skip(16)
        writer.paragraph(text, after=26)
        frame = writer.frame
        writer.rule(frame.x, writer.y, frame.x + 190, 0.6)
        writer.y += 2
        writer.paragraph("Authorised signatory", size=writer.look.points * 0.84, colour=GREY)

    def _table(self, text: str) -> None:
        first, *lines = text.split("\n")
        key, style, shares, aligns, caption, unit, unit_line = (part.strip() for part in (first + " | | |").split("|")[:7])
        head: list[list[tuple[str, int]]] = []
        rows: list[Row] = []
        for line in lines:
            cells = [cell.strip() for cell in line.lstrip("^=+").split("|")]
            if line.startswith("^"):
                head.append([(cell.partition("::")[0].strip(), int(cell.partition("::")[2] or 1)) for cell in cells])
            elif line.startswith("="):
                rows.append(Row((cells[0],), "section"))
            else:
                rows.append(Row(tuple(cells), "total" if line.startswith("+") else "row"))
        widths = [float(share) for share in shares.split()]
        for row in rows:
            if row.kind != "section" and len(row.cells) != len(widths):
                raise BadData(
                    f"A row of table {key!r} has {len(row.cells)} cells for {len(widths)} columns: {row.cells}.",
                    fix="correct the script",
                )
        draw_table(
            self.writer,
            TableSpec(
                key,
                widths,
                head,
                rows,
                caption=caption,
                unit=unit,
                unit_line=unit_line,
                style=style,  # type: ignore[arg-type]
                aligns=[_ALIGN[letter] for letter in aligns],
            ),
        )


def _sheet(text: str) -> Sheet:
    given: dict[str, Any] = {}
    for word in text.split():
        name, _, value = word.partition("=")
        numbers = [float(part) for part in value.split(",")] if value else []
        if name in ("rotate", "turn", "columns"):
            given[name] = int(value)
        elif name in ("trim", "origin"):
            given[name] = tuple(numbers)
        elif name == "landscape":
            given[name] = True
        else:
            raise BadData(f"A sheet has no setting {name!r}.", fix="correct the script")
    return Sheet(**given)
