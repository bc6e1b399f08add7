"""Written sets of hard inputs: the shipped one for sentiment, or the user's own file, with labels brought to the study's.

``docs/reference/edge-cases.md`` says how the shipped set was made, what its labels mean and what it cannot show.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from bakeoff.contract import Item, Json, ProbeSet
from bakeoff.errors import BadData, BadStudy, nearest, shown
from bakeoff.measure.robustness import BASE
from bakeoff.tasks.text.labels import MISSING, as_label
from bakeoff.tasks.text.readers import KINDS as FILE_KINDS
from bakeoff.tasks.text.readers import open_table
from bakeoff.tasks.text.tables import Table

Side = Literal["positive", "negative"]
FOLDER = Path(__file__).parent / "edge_sets"
GENERATED = "changed-test-items"
"""Name of the set that `bakeoff.tasks.text.perturb` makes."""
MOST_INPUTS = 10_000
LONGEST_TEXT = 100_000
NEEDED = ("text", "kind", "label")
OPTIONAL = ("id", "base", "keeps", "why")

KINDS: Mapping[str, str] = {
    BASE: "plain sentences that others were made from",
    "negation": "one negation decides",
    "negated-copy": "a plain sentence with its judgement turned by negation",
    "double-negation": "two negations that cancel or do not",
    "irony": "mock praise, mock blame, and the same words meant",
    "mixed": "praise and blame together; one prevails, or neither does",
    "comparison": "the judgement rests on which of two is the better",
    "hedging": "a judgement behind perhaps, seems, I suppose",
    "slang": "slang and trade words",
    "numbers": "figures carry the judgement",
    "entity-swap": "another person, place or thing in a plain sentence",
    "wish-or-condition": "what would be, could have been, is wished for",
    "reported-opinion": "somebody else's opinion, taken up or rejected",
    "past-and-now": "what was and what is",
    "code-switch": "two languages in one sentence",
    "other-language": "a language other than English",
    "emoji-only": "emoji and nothing else",
    "emoji-and-text": "the emoji decides, or the text decides what the emoji means",
    "typos": "misspelt, or chat spelling",
    "look-alikes": "look-alike, invisible, full-width and mathematical characters",
    "case-and-spacing": "capitals, letters set apart, no spaces, line breaks",
    "markup": "HTML, Markdown or JSON around and inside",
    "empty": "nothing to judge: blanks or punctuation",
    "very-long": "more than 2,000 characters",
    "prompt-injection": "an instruction inside the text",
    "label-words": "the words positive and negative in other meanings",
    "rare-words": "rare words of judgement",
    "understatement": "understatement and litotes",
    "question": "questions that judge, and questions that ask",
    "implied": "facts from which the judgement follows",
    "field": "good and bad depend on what the thing is for",
}
"""The kinds of the shipped set, in a few words each."""

_SIDES: Mapping[str, Side] = {
    **dict.fromkeys(
        [
            "positive",
            "pos",
            "good",
            "favourable",
            "favorable",
            "satisfied",
            "happy",
            "like",
            "liked",
            "love",
            "loved",
            "praise",
            "recommended",
            "thumbs up",
            "very positive",
            "very good",
            "extremely positive",
            "strongly positive",
            "positiv",
            "positivo",
            "positiva",
            "positif",
            "positief",
            "positive review",
            "4 stars",
            "5 stars",
            "4 star",
            "5 star",
            "4 5 stars",
            "4 or 5 stars",
            "four stars",
            "five stars",
        ],
        "positive",
    ),
    **dict.fromkeys(
        [
            "negative",
            "neg",
            "bad",
            "unfavourable",
            "unfavorable",
            "dissatisfied",
            "unsatisfied",
            "unhappy",
            "dislike",
            "disliked",
            "hate",
            "hated",
            "complaint",
            "not recommended",
            "thumbs down",
            "very negative",
            "very bad",
            "extremely negative",
            "strongly negative",
            "negativ",
            "negativo",
            "negativa",
            "negatif",
            "négatif",
            "negatief",
            "negative review",
            "1 star",
            "1 stars",
            "2 stars",
            "2 star",
            "1 2 stars",
            "1 or 2 stars",
            "one star",
            "two stars",
        ],
        "negative",
    ),
}
_NUMBERED: Mapping[frozenset[str], Mapping[str, Side]] = {
    frozenset({"0", "1"}): {"1": "positive", "0": "negative"},
    frozenset({"-1", "1"}): {"1": "positive", "-1": "negative"},
    frozenset({"-1", "0", "1"}): {"1": "positive", "-1": "negative"},
    frozenset({"1", "5"}): {"5": "positive", "1": "negative"},
}
"""Labels that are bare numbers are understood only as these whole sets, and a note says what they were taken for."""

_BROKEN = re.compile("[\0\ud800-\udfff]")


class _Probe(NamedTuple):
    """One row as read; `place` says where, for messages."""

    id: str
    text: str
    kind: str
    label: str | None
    base: str | None
    keeps: bool | None
    why: str
    place: str


def shipped() -> list[str]:
    """Names of the sets that come with Bakeoff."""
    return sorted(path.stem for path in FOLDER.glob("*.jsonl"))


def side_of(label: str) -> Side | None:
    """Whether the name of a label means good or bad, by a fixed table; None where it says neither.

    Case, spaces, hyphens and underscores do not count. Bare numbers say neither: see `load_edge_set`.
    """
    return _SIDES.get(" ".join(re.split(r"[\s_-]+", unicodedata.normalize("NFKC", label).casefold().strip())))


def load_edge_set(name_or_path: str, labels: Sequence[str], base: Path) -> ProbeSet:
    """A shipped set by name, or a file of hard inputs, with its labels in the study's own names.

    Parameters
    ----------
    name_or_path : str
        One of `shipped`, or a JSONL, CSV, TSV, JSON or Parquet file with the columns ``text``, ``kind`` and ``label`` (blank or null:
        no right answer), and optionally ``id``, ``base`` (the id of the input that this one was made from), ``keeps`` (whether the
        answer to the base must stay the same; else it must where the labels are equal) and ``why``.
    labels : sequence of str
        The study's labels. Labels of the set that are among them stay. Others are matched by whether they mean good or bad
        (`side_of`; 1 and 0 count as good and bad where there is nothing else), if one label alone means the same.
    base : Path
        Folder that relative paths start from.

    Raises
    ------
    BadStudy
        If there is no such set, or its labels cannot be matched: says which, and how to give an own set.
    BadData
        With the line, for a file that cannot be used.
    """
    own = name_or_path not in shipped()
    path = _own_path(name_or_path, base) if own else FOLDER / f"{name_or_path}.jsonl"
    table = open_table(path)
    probes, ignored = _read(table)
    probes = _with_bases(probes)
    name = re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("-.") or "own-set"
    matched, notes = _matched({probe.label for probe in probes if probe.label is not None}, labels, name_or_path, own)
    if ignored:
        notes.append(f"Columns of {path.name} that are not read: {', '.join(shown(column, 30) for column in ignored[:5])}.")
    items = tuple(_item(probe, matched) for probe in probes)
    hard = [item for item in items if item.meta["kind"] != "base"]
    open_ended = sum(item.target is None for item in hard)
    if open_ended:
        notes.append(f"{open_ended:,} of {len(hard):,} inputs have no right answer: nothing is judged there.")
    kinds = dict.fromkeys(probe.kind for probe in probes)
    return ProbeSet(
        name=name,
        source="written",
        items=items,
        kinds={kind: KINDS.get(kind, kind) if not own else kind for kind in kinds},
        notes=tuple(notes),
    )


def load_edge_sets(names: Sequence[str], labels: Sequence[str], base: Path) -> list[ProbeSet]:
    """Several sets (see `load_edge_set`).

    Raises
    ------
    BadStudy
        Also if two of them go by one name.
    """
    found = [load_edge_set(name, labels, base) for name in names]
    taken: dict[str, str] = {GENERATED: "the changed test items"}
    for one, given in zip(found, names, strict=True):
        if one.name in taken:
            raise BadStudy(
                f"`edge_cases.sets`: {shown(given, 120)} and {taken[one.name]} are both called {one.name!r}.",
                fix="give one file another name",
            )
        taken[one.name] = shown(given, 120)
    return found


def _own_path(given: str, base: Path) -> Path:
    how = "give one of: " + ", ".join(shipped()) + "; or the path of a JSONL or CSV file with the columns text, kind and label"
    if "\0" in given or not given.strip():
        raise BadStudy(f"`edge_cases.sets` has {shown(given)}, which is no name and no path.", fix=how)
    path = base / given
    if path.suffix.lower() not in FILE_KINDS:
        near = nearest(given, shipped())
        raise BadStudy(f"No set of edge cases is called {shown(given)}.", fix=f"{near} {how}" if near.startswith("did") else how)
    try:
        there = path.exists()
    except OSError:
        there = False
    if not there:
        raise BadStudy(
            f"`edge_cases.sets` names {shown(given, 200)}, and there is no such file.",
            fix="check the path; it is relative to the study file",
        )
    return path


# --- rows -----------------------------------------------------------------------------------------------------------


def _read(table: Table) -> tuple[list[_Probe], list[str]]:
    columns = {name.strip().lower(): i for i, name in enumerate(table.columns)}
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise BadData(
            f"{shown(table.name, 120)} has no column {missing[0]!r}; it has {', '.join(shown(name, 30) for name in table.columns[:8])}.",
            fix=f"name the columns {', '.join(NEEDED)} (optional: {', '.join(OPTIONAL)})",
        )
    probes: list[_Probe] = []
    for row in table.rows():
        if len(probes) == MOST_INPUTS:
            raise BadData(f"{shown(table.name, 120)} has more than {MOST_INPUTS:,} inputs.", fix="keep fewer")
        cells = {name: row.cells[i] for name, i in columns.items() if name in NEEDED + OPTIONAL}
        probes.append(_probe(cells, f"{shown(table.name, 120)}, {table.unit} {row.line}", f"{table.unit}-{row.line}"))
    if not probes:
        raise BadData(f"{shown(table.name, 120)} has no inputs.", fix="give rows with text, kind and label")
    return probes, [name for name in table.columns if name.strip().lower() not in NEEDED + OPTIONAL]


def _probe(cells: Mapping[str, Json], place: str, number: str) -> _Probe:
    text = cells["text"]
    if not isinstance(text, str):
        raise BadData(f"{place}: the text is {shown(text)}, not text.", fix='write a string; "" for an input without text')
    if len(text) > LONGEST_TEXT:
        raise BadData(f"{place}: the text has {len(text):,} characters; the most is {LONGEST_TEXT:,}.", fix="shorten it")
    strange = next((name for name, cell in cells.items() if isinstance(cell, (dict, list, bytes))), None)
    if strange is not None:
        raise BadData(f"{place}: `{strange}` is {shown(cells[strange])}.", fix="give one value")
    broken = next((name for name, cell in cells.items() if isinstance(cell, str) and _BROKEN.search(cell)), None)
    if broken is not None:
        raise BadData(f"{place}: `{broken}` holds a NUL character or half a character (a lone surrogate).", fix="remove it")
    name = as_label(cells.get("id")) or number
    if len(name) > 200 or not name.isprintable():
        raise BadData(
            f"{place}: {shown(name)} is no id (over 200 characters, or unprintable).", fix="give short plain ids, or none"
        )
    kind, label = as_label(cells["kind"]), as_label(cells["label"])
    if not kind or len(kind) > 64 or not kind.isprintable():
        raise BadData(
            f"{place}: the kind is {shown(cells['kind'])}.", fix="name the kind of input in at most 64 characters, e.g. negation"
        )
    if len(label) > 200 or not label.isprintable():
        raise BadData(f"{place}: {shown(label)} is no label.", fix="give one of the study's labels, or leave it blank")
    return _Probe(
        id=name,
        text=text,
        kind=kind,
        label=None if label.lower() in MISSING else label,
        base=as_label(cells.get("base")) or None,
        keeps=_yes_or_no(cells.get("keeps"), place),
        why=as_label(cells.get("why"))[:500],
        place=place,
    )


def _yes_or_no(cell: Json, place: str) -> bool | None:
    given = as_label(cell).lower()
    if given in MISSING:
        return None
    if given in ("true", "yes", "1"):
        return True
    if given in ("false", "no", "0"):
        return False
    raise BadData(f"{place}: `keeps` is {shown(cell)}.", fix="write true or false, or leave it blank")


def _with_bases(probes: Sequence[_Probe]) -> list[_Probe]:
    """The same, checked against the inputs they came from; where nothing is said, equal labels mean that the answer must stay."""
    by_id: dict[str, _Probe] = {}
    for probe in probes:
        if probe.id in by_id:
            raise BadData(
                f"{probe.place}: the id {shown(probe.id)} comes twice; first in {by_id[probe.id].place}.",
                fix="give every input its own id",
            )
        by_id[probe.id] = probe
    return [_with_base(probe, by_id) for probe in probes]


def _with_base(probe: _Probe, by_id: Mapping[str, _Probe]) -> _Probe:
    if probe.base is None:
        if probe.keeps is not None:
            raise BadData(
                f"{probe.place}: `keeps` needs a `base`.", fix="name the input that it was made from, or leave `keeps` blank"
            )
        return probe
    source = by_id.get(probe.base)
    if source is None:
        raise BadData(
            f"{probe.place}: there is no input with the id {shown(probe.base)}.",
            fix=nearest(probe.base, list(by_id)[:1000])[:200],
        )
    if source.base is not None:
        raise BadData(
            f"{probe.place}: the base {shown(probe.base)} was itself made from another input.",
            fix="name the one that both came from",
        )
    if probe.keeps and probe.label != source.label:
        raise BadData(
            f"{probe.place}: the answer to {shown(probe.base)} must stay, but the labels are {shown(source.label)} and {shown(probe.label)}.",
            fix="correct the label, or write false for `keeps`",
        )
    return probe._replace(keeps=probe.label == source.label if probe.keeps is None else probe.keeps)


def _item(probe: _Probe, matched: Mapping[str, str]) -> Item:
    meta: dict[str, Json] = {"kind": probe.kind}
    if probe.base is not None:
        meta |= {"base": probe.base, "keeps": probe.keeps}
    if probe.why:
        meta["why"] = probe.why
    return Item(id=probe.id, input=probe.text, target=None if probe.label is None else matched[probe.label], meta=meta)


# --- labels ---------------------------------------------------------------------------------------------------------


def _matched(given: set[str], labels: Sequence[str], name: str, own: bool) -> tuple[dict[str, str], list[str]]:
    """Label of the set -> label of the study, and notes on what was taken for what."""
    numbered = _NUMBERED.get(frozenset(labels), {})
    sides: dict[str, list[str]] = {}
    for label in labels:
        side = side_of(label) or numbered.get(label)
        if side:
            sides.setdefault(side, []).append(label)
    matched: dict[str, str] = {}
    for label in sorted(given):
        same = sides.get(side_of(label) or "", [])
        if own and label in labels:
            matched[label] = label
        elif len(same) == 1:
            matched[label] = same[0]
    lost = sorted(given - set(matched))
    if lost:
        raise BadStudy(
            f"The edge cases {shown(name, 120)} have the labels {', '.join(shown(label, 30) for label in sorted(given)[:6])}; of the study's labels "
            f"({', '.join(shown(label, 30) for label in list(labels)[:6])}{', ...' if len(labels) > 6 else ''}) none, or more than one, means {shown(lost[0], 30)}.",
            fix="give an own set in `edge_cases.sets`: a JSONL or CSV file with the columns text, kind and label, in the study's labels",
        )
    notes = []
    other = {label: to for label, to in matched.items() if label != to}
    if other:
        notes.append(
            "Labels of the set in the study's names: " + ", ".join(f"{label} is {to!r}" for label, to in other.items()) + "."
        )
    if numbered and other:
        notes.append(
            "The study's labels are bare numbers: if the larger one does not mean good, these results are upside down; give an own set then."
        )
    return matched, notes
