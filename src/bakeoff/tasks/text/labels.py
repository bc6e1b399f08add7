"""What a label is, and which labels are refused: the same one written twice, one class alone, measurements."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from bakeoff.contract import Item, Json
from bakeoff.errors import BadData, shown

MOST_CLASSES = 100
MOST_NUMBERS = 20
MISSING = frozenset({"", "nan", "null", "n/a", "#n/a", "<na>"})


def as_label(cell: Json) -> str:
    """A label, group or id as text: 1.0 is '1', True is 'true', missing is ''."""
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def labels_of(items: Sequence[Item]) -> list[str]:
    """The labels of the items, sorted: numbers by size and before names, names by spelling."""
    return sorted(
        {item.target for item in items},
        key=lambda label: (not looks_numeric(label), float(label) if looks_numeric(label) else 0.0, label),
    )


def some_places(places: Sequence[str]) -> str:
    """The first five places, and how many more there are."""
    more = f" and {len(places) - 5:,} more" if len(places) > 5 else ""
    return ", ".join(places[:5]) + more


def clean_labels(raw: Sequence[Json], places: Sequence[str], column: str, notes: list[str]) -> list[str]:
    """Labels as text without outer spaces, '' where missing, one for each of `raw`.

    Raises
    ------
    BadData
        If two labels differ by case or spaces only, if there is one class, more than 100, or numbers that look measured.
    """
    strange = next((i for i, label in enumerate(raw) if isinstance(label, (dict, list, bytes))), None)
    if strange is not None:
        raise BadData(
            f"Column {shown(column)}, {places[strange]}: one label is expected, not {shown(raw[strange])}.",
            fix="give a column of single labels",
        )
    labels = [as_label(label) for label in raw]
    labels = ["" if label.lower() in MISSING or label == "NA" else label for label in labels]
    written: dict[str, Counter[str]] = {}
    for given, label in zip(raw, labels, strict=True):
        if label:
            written.setdefault(_alike(label), Counter())[given if isinstance(given, str) else label] += 1
    for forms in written.values():
        if len(forms) > 1:
            most, *others = (form for form, _ in forms.most_common())
            first = next(
                place
                for given, place in zip(raw, places, strict=True)
                if (given if isinstance(given, str) else as_label(given)) == others[0]
            )
            raise BadData(
                f"Column {shown(column)} writes one label in {len(forms)} ways that differ by case or spaces: "
                f"{', '.join(f'{shown(form, 30)} ({count:,} rows)' for form, count in forms.most_common(4))}; see {first}.",
                fix=f"write {shown(most.strip(), 30)} in every one of these rows, or name them apart if they are two labels",
            )
    broken = next((i for i, label in enumerate(labels) if not label.isprintable() or len(label) > 200), None)
    if broken is not None:
        raise BadData(
            f"Column {shown(column)}, {places[broken]}: {shown(labels[broken])} is no label (over 200 characters, or unprintable).",
            fix="name the column of the labels: --target NAME",
        )
    _check_classes(Counter(label for label in labels if label), column)
    stripped = sum(isinstance(given, str) and bool(label) and given != label for given, label in zip(raw, labels, strict=True))
    if stripped:
        notes.append(f"Took spaces off the ends of {stripped:,} labels in column {shown(column)}.")
    return labels


def _alike(label: str) -> str:
    """What stays of a label when case, spaces, invisible characters and the way a number is written are left out."""
    folded = unicodedata.normalize("NFKC", label).casefold()
    bare = "".join(char for char in folded if unicodedata.category(char) not in ("Cf", "Zs", "Cc", "Zl", "Zp"))
    try:
        return repr(float(bare)) if "_" not in bare else bare
    except ValueError:
        return bare


def _check_classes(counts: Mapping[str, int], column: str) -> None:
    if len(counts) == 1:
        raise BadData(
            f"Column {shown(column)} has one label only: {shown(next(iter(counts)))}.",
            fix="give rows of at least two classes, or name another column: --target NAME",
        )
    numbers = [label for label in counts if looks_numeric(label)]
    if (
        counts
        and len(numbers) == len(counts)
        and (len(counts) > MOST_NUMBERS or (len(counts) > 10 and any("." in label for label in counts)))
    ):
        raise BadData(
            f"Column {shown(column)} holds {len(counts):,} different numbers: that looks like a measurement, not classes.",
            fix="name another column (--target NAME), or cut the numbers into named classes in the file",
        )
    if len(counts) > MOST_CLASSES:
        raise BadData(
            f"Column {shown(column)} has {len(counts):,} different labels in {sum(counts.values()):,} rows; the most is {MOST_CLASSES}.",
            fix="name the column of the labels (--target NAME), or join rare ones in the file",
        )


def looks_numeric(label: str) -> bool:
    """Whether the label reads as a number."""
    try:
        float(label)
    except ValueError:
        return False
    return True
