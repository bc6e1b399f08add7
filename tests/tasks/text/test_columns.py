"""Columns are guessed with a stated reason, or asked for with candidates; never tossed up."""

from __future__ import annotations

from pathlib import Path

import pytest

from bakeoff.errors import BadData
from bakeoff.tasks.text.columns import choose_columns
from bakeoff.tasks.text.readers import open_table
from bakeoff.tasks.text.tables import Table

WORDS = [
    "the",
    "sound",
    "of",
    "this",
    "small",
    "player",
    "is",
    "far",
    "better",
    "than",
    "its",
    "price",
    "would",
    "let",
    "anybody",
    "expect",
]


def table(tmp_path: Path, **columns: list[str]) -> Table:
    path = tmp_path / "data.csv"
    rows = zip(*columns.values(), strict=True)
    path.write_text(",".join(columns) + "\n" + "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows))
    return open_table(path)


def texts(n: int = 60, words: int = 9) -> list[str]:
    return [" ".join(WORDS[(i * 5 + k) % 16] for k in range(words)) + f" {i}" for i in range(n)]


def labels(n: int = 60) -> list[str]:
    return [("yes", "no", "maybe")[i % 3] for i in range(n)]


@pytest.mark.parametrize("text, target", [("text", "label"), ("review", "sentiment"), ("Sentence", "Class"), ("body", "topic")])
def test_known_names(text: str, target: str, tmp_path: Path) -> None:
    found = choose_columns(
        table(tmp_path, **{"nr": [str(i) for i in range(60)], text: texts(), target: labels()}), text=None, target=None
    )
    assert (found.text, found.target) == (text, target)
    assert len(found.notes) == 2 and all(note.startswith("Guessed") and "by its name" in note for note in found.notes)


def test_contents_decide_where_names_do_not(tmp_path: Path) -> None:
    data = table(tmp_path, key=[f"k{i}" for i in range(60)], aa=texts(), bb=labels(), cc=[str(i * 1.5) for i in range(60)])
    found = choose_columns(data, text=None, target=None)
    assert (found.text, found.target) == ("aa", "bb")
    assert "3 different values" in found.notes[0] and "longest texts" in found.notes[1]


def test_what_is_named_is_not_guessed(tmp_path: Path) -> None:
    data = table(tmp_path, text=texts(), other=texts(), label=labels(), second=labels())
    found = choose_columns(data, text="other", target="second", group="label")
    assert (found.text, found.target, found.group, found.notes) == ("other", "second", "label", ())
    half = choose_columns(data, text=None, target="second")
    assert half.text == "text" and len(half.notes) == 1


def test_two_columns_of_labels_are_asked_about(tmp_path: Path) -> None:
    data = table(tmp_path, text=texts(), first=labels(), second=labels())
    with pytest.raises(BadData, match=r"which column is the `target`.*'first' .3 different values.*'second'") as caught:
        choose_columns(data, text=None, target=None)
    assert "--target 'first'" in caught.value.fix
    with pytest.raises(BadData, match=r"which column is the `target`"):
        choose_columns(table(tmp_path, text=texts(), label=labels(), target=labels()), text=None, target=None)


def test_two_columns_of_texts_are_asked_about(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"which column is the `text`.*'review'.*'comment'") as caught:
        choose_columns(table(tmp_path, review=texts(), comment=texts(), label=labels()), text=None, target=None)
    assert "--text" in caught.value.fix
    short_title = table(tmp_path, title=texts(words=2), story=texts(words=14), label=labels())
    assert choose_columns(short_title, text=None, target=None).text == "story"


def test_no_text_at_all(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no column of texts"):
        choose_columns(table(tmp_path, a=[str(i) for i in range(60)], label=labels()), text=None, target=None)


def test_columns_by_number_in_a_file_without_header(tmp_path: Path) -> None:
    path = tmp_path / "data.tsv"
    path.write_text("".join(f"{t}\t{x}\n" for t, x in zip(texts(), labels(), strict=True)))
    found = choose_columns(open_table(path), text="1", target="2")
    assert (found.text, found.target) == ("column 1", "column 2")
    with pytest.raises(BadData, match="no header row"):
        choose_columns(open_table(path), text="text", target=None)
