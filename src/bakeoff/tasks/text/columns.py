"""Which column is the text and which is the label: said by the study, or guessed and told, or asked.

A guess is made from names first and contents second, and every guess becomes a note with its reason. Where
two columns fit equally well nothing is guessed: the error names the candidates and what to type.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from bakeoff.contract import Json
from bakeoff.errors import BadData, nearest, shown
from bakeoff.tasks.text.readers import SAMPLE_ROWS
from bakeoff.tasks.text.tables import Table

TEXT_NAMES = (
    "text",
    "sentence",
    "review",
    "review_text",
    "content",
    "body",
    "message",
    "comment",
    "tweet",
    "document",
    "utterance",
    "query",
)
TARGET_NAMES = (
    "label",
    "target",
    "class",
    "labels",
    "label_text",
    "sentiment",
    "category",
    "intent",
    "topic",
    "rating",
    "stars",
    "y",
)
MOST_GUESSED_CLASSES = 30


@dataclass(frozen=True)
class Columns:
    """The columns to read, and sentences about those that were guessed."""

    text: str
    target: str
    group: str | None
    id: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Look:
    """What the first rows of one column hold. `characters` is the mean length of its cells, `distinct` how many differ."""

    name: str
    characters: float
    distinct: int
    filled: int
    numeric: bool
    words: float

    def __str__(self) -> str:
        return f"{shown(self.name, 40)} ({self.distinct} different values, {self.characters:.0f} characters)"


def choose_columns(
    table: Table, *, text: str | None, target: str | None, group: str | None = None, id: str | None = None
) -> Columns:
    """Check the columns that were named, and guess those that were not, from names and the first 1,000 rows.

    Raises
    ------
    BadData
        If a named column is not there (near names are offered), if one column is named twice, or if
        a guess would be a toss-up (candidates are offered).
    """
    named = {"text": text, "target": target, "group": group, "id": id}
    found = {role: _find(table, role, name) for role, name in named.items() if name is not None}
    twice = [
        name for name, count in Counter(found.values()).items() if count > 1 and name in (found.get("text"), found.get("target"))
    ]
    if twice:
        roles = " and ".join(f"`{role}`" for role, name in found.items() if name == twice[0])
        raise BadData(f"Column {shown(twice[0])} is given as both {roles}.", fix=f"columns are: {_listed(table.columns)}")
    looks = [look for look in _look(table) if look.name not in found.values()]
    notes = []
    if "target" not in found and "text" not in found:
        unlike = [look for look in looks if look.name.strip().lower() not in TARGET_NAMES]
        text_first = _text(table, unlike, asking=False)
        looks = [look for look in looks if look.name != text_first]
        found["target"], why = _target(table, looks)
        notes.append(f"Guessed: the labels are in column {shown(found['target'])} ({why}).")
        looks = [look for look in _look(table) if look.name not in found.values()]
    elif "target" not in found:
        found["target"], why = _target(table, looks)
        notes.append(f"Guessed: the labels are in column {shown(found['target'])} ({why}).")
        looks = [look for look in looks if look.name != found["target"]]
    if "text" not in found:
        guess = _text(table, looks, asking=True)
        found["text"] = guess
        why = "by its name" if guess.strip().lower() in TEXT_NAMES else "the longest texts"
        notes.append(f"Guessed: the texts are in column {shown(guess)} ({why}).")
    return Columns(text=found["text"], target=found["target"], group=found.get("group"), id=found.get("id"), notes=tuple(notes))


def _find(table: Table, role: str, name: str) -> str:
    if name in table.columns:
        return name
    if not table.named and f"column {name}" in table.columns:
        return f"column {name}"
    if not table.named:
        raise BadData(
            f"{shown(table.name)} has no header row, so there is no `{role}` column {shown(name)}.",
            fix=f"set `header: true` if its first row does name the columns; otherwise they are: {_listed(table.columns)}",
        )
    raise BadData(f"{shown(table.name)} has no column {shown(name)} for `{role}`.", fix=_near(name, table.columns))


def _near(name: str, columns: Sequence[str]) -> str:
    """Near names, or the first few of all names; each safe to print on one line."""
    near = nearest(name, columns)
    if near.startswith("did you mean"):
        return near
    return f"columns are: {_listed(columns)}"


def _listed(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - 12} more" if len(columns) > 12 else ""
    return ", ".join(shown(column, 40) for column in columns[:12]) + more


def _look(table: Table) -> list[_Look]:
    sample = [row.cells for row in islice(table.rows(), SAMPLE_ROWS)]
    looks = []
    for i, name in enumerate(table.columns):
        cells = [_plain(row[i]) for row in sample if _plain(row[i])]
        size = max(1, len(cells))
        looks.append(
            _Look(
                name=name,
                characters=sum(map(len, cells)) / size,
                distinct=len(set(cells)),
                filled=len(cells),
                numeric=bool(cells) and all(_numeric(cell) for cell in cells),
                words=sum(len(cell.split()) for cell in cells) / size,
            )
        )
    return looks


def _plain(cell: Json) -> str:
    if cell is None or isinstance(cell, (dict, list)):
        return ""
    return str(cell).strip()


def _numeric(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _text(table: Table, looks: Sequence[_Look], *, asking: bool) -> str:
    """The column of texts. With `asking` a toss-up is an error; without it, the likeliest."""
    texts = [look for look in looks if not look.numeric and look.filled]
    if not texts:
        raise BadData(
            f"{shown(table.name)} has no column of texts besides the labels (columns are: {_listed(table.columns)}).",
            fix="name the columns: --text NAME --target NAME (in a study, `data: {text: NAME, target: NAME}`)",
        )
    by_name = [look for wanted in TEXT_NAMES for look in texts if look.name.strip().lower() == wanted]
    if by_name and (by_name[0].name.strip().lower() == "text" or len(by_name) == 1):
        return by_name[0].name
    longest = sorted(by_name or texts, key=lambda look: -look.characters)
    if len(longest) > 1 and asking and longest[1].characters * 2 > longest[0].characters:
        raise _question(table, "text", longest[:4])
    return longest[0].name


def _target(table: Table, looks: Sequence[_Look]) -> tuple[str, str]:
    by_name = [look for wanted in TARGET_NAMES for look in looks if look.name.strip().lower() == wanted]
    if by_name and (len(by_name) == 1 or by_name[0].name.strip().lower() in ("label", "target", "class")):
        strong = [look for look in by_name if look.name.strip().lower() in ("label", "target", "class")]
        if len(strong) > 1:
            raise _question(table, "target", strong)
        return by_name[0].name, f"by its name; {by_name[0].distinct} different values in the first {by_name[0].filled:,} rows"
    if by_name:
        raise _question(table, "target", by_name)
    repeating = [
        look
        for look in looks
        if 2 <= look.distinct <= min(MOST_GUESSED_CLASSES, look.filled // 3)
        and look.words <= 5
        and not look.name.startswith("__")
    ]
    if len(repeating) == 1:
        return (
            repeating[0].name,
            f"the only column whose values repeat: {repeating[0].distinct} different values in the first {repeating[0].filled:,} rows",
        )
    raise _question(table, "target", repeating or sorted(looks, key=lambda look: look.distinct)[:6])


def _question(table: Table, role: str, candidates: Sequence[_Look]) -> BadData:
    if not candidates:
        return BadData(
            f"{shown(table.name)} has no column that could be the `{role}`.", fix=f"columns are: {_listed(table.columns)}"
        )
    example = candidates[0].name
    return BadData(
        f"{shown(table.name)}: which column is the `{role}`? It could be {', '.join(str(look) for look in candidates[:6])}.",
        fix=f"say which: --{role} {shown(example, 40)} (in a study, `data: {{{role}: {shown(example, 40)}}}`)",
    )
