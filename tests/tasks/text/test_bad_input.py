"""Every bad file ends as two lines, what and fix: never a traceback, never a hang, nothing half-written."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bakeoff.errors import BadData, BadStudy, BakeoffError
from bakeoff.tasks.text.new import write_new_study
from bakeoff.tasks.text.task import TextTask

WORDS = [
    "sound",
    "screen",
    "battery",
    "price",
    "box",
    "cable",
    "button",
    "menu",
    "lens",
    "zoom",
    "case",
    "strap",
    "light",
    "weight",
    "manual",
    "charger",
]


def rows(n: int = 40) -> list[tuple[str, str]]:
    return [
        (f"the {WORDS[i % 16]} and the {WORDS[(i * 7 + i // 16) % 16]} number {i}", "good" if i % 2 else "bad") for i in range(n)
    ]


def csv_text(pairs: list[tuple[str, str]], header: str = "text,label") -> str:
    return header + "\n" + "".join(f"{text},{label}\n" for text, label in pairs)


def load(path: Path, **data: object):
    return TextTask().load({"source": path.name, **data}, base=path.parent)


def refused(path: Path, *says: str, **data: object) -> BakeoffError:
    """The error of loading `path`, checked to be two printable lines that say `says`."""
    with pytest.raises(BakeoffError) as caught:
        load(path, **data)
    error = caught.value
    for line in (error.what, error.fix):
        assert line.strip() and len(line) < 1000
        assert all(char.isprintable() for char in line), line
    for word in says:
        assert word.lower() in f"{error.what} {error.fix}".lower(), f"{word!r} is not in {error}"
    return error


LONE_QUOTE = 'text,label\n"never closed,good\n' + "".join(f"{t},{x}\n" for t, x in rows())

CASES: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "empty file": ("a.csv", b"", ("empty", "0 bytes")),
    "byte order mark only": ("a.csv", b"\xef\xbb\xbf", ("no rows",)),
    "blank lines only": ("a.csv", b"\n\n\n", ("no rows",)),
    "header only": ("a.csv", b"text,label\n", ("no rows under it",)),
    "one column": ("a.csv", b"text\nhello\nthere\n", ("one column",)),
    "duplicate columns": ("a.csv", b"text,label,text\na,b,c\n", ("2 columns called 'text'",)),
    "ragged row": ("a.csv", csv_text([*rows(20), ("a, b", "good")]).encode(), ("line 22", "3 cells", "2 columns")),
    "unclosed quote": ("a.csv", LONE_QUOTE.encode(), ("line 2", "quotation")),
    "text after a quote": ("a.csv", b'text,label\n"a "b" c",good\n', ("line 2", "quotation")),
    "one class": ("a.csv", csv_text([(t, "good") for t, _ in rows()]).encode(), ("one label only", "'good'")),
    "empty texts": (
        "a.csv",
        csv_text([*rows(), ("  ", "good"), ("", "bad")]).encode(),
        ("2 of 42", "line 42, line 43", "drop_empty_texts"),
    ),
    "missing labels": (
        "a.csv",
        csv_text([*rows(), ("x y", ""), ("y z", "NaN")]).encode(),
        ("2 of 42", "line 42", "drop_unlabelled"),
    ),
    "labels by case": (
        "a.csv",
        csv_text([*rows(), ("some text", "Good")]).encode(),
        ("case or spaces", "'good' (20 rows)", "'Good' (1 rows)"),
    ),
    "labels by outer space": ("a.csv", csv_text([*rows(), ("some text", "good ")]).encode(), ("case or spaces", "'good '")),
    "labels by inner space": (
        "a.csv",
        csv_text([(t, "very good" if x == "good" else x) for t, x in rows()] + [("some text", "very  good")]).encode(),
        ("case or spaces", "line 42"),
    ),
    "labels by number format": (
        "a.csv",
        csv_text([(t, "1" if x == "good" else "0") for t, x in rows()] + [("t", "1.0")]).encode(),
        ("case or spaces",),
    ),
    "three rows": ("a.csv", csv_text(rows(3)).encode(), ("3 labelled texts", "at least 10")),
    "rare class": ("a.csv", csv_text([*rows(), ("odd one", "odd"), ("odd two", "odd")]).encode(), ("'odd' (2)",)),
    "all duplicates": ("a.csv", csv_text([("same text", x) for _, x in rows()]).encode(), ("only 1 of 40 texts differ",)),
    "all duplicates by case": (
        "a.csv",
        csv_text([("Same  Text" if i % 2 else "same text", x) for i, (_, x) in enumerate(rows())]).encode(),
        ("1 of 40",),
    ),
    "measured labels": (
        "a.csv",
        csv_text([(t, f"{i * 1.37:.2f}") for i, (t, _) in enumerate(rows())]).encode(),
        ("measurement",),
    ),
    "too many classes": (
        "a.csv",
        csv_text([(t, f"class-{i}") for i, (t, _) in enumerate(rows(150))]).encode(),
        ("150 different labels",),
    ),
    "NUL byte": ("a.csv", csv_text(rows()).encode().replace(b"number 7", b"number\x007"), ("line 9", "NUL")),
    "latin-1 bytes": (
        "a.csv",
        csv_text([*rows(5), ("caf\xe9 sol", "good"), *rows()]).encode("latin-1"),
        ("line 7", "0xe9", "UTF-8", "encoding: cp1252"),
    ),
    "UTF-16 without mark": ("a.csv", csv_text(rows()).encode("utf-16-le"), ("UTF-16", "encoding: utf-16-le")),
    "truncated UTF-16": ("a.csv", csv_text(rows()).encode("utf-16")[:-1], ("UTF-16",)),
    "truncated UTF-8": ("a.csv", csv_text(rows()).encode() + "é".encode()[:1], ("line 42", "0xc3", "UTF-8")),
    "Excel file called CSV": ("a.csv", b"PK\x03\x04" + b"\x14\x00" * 50, ("Excel", "CSV (UTF-8)")),
    "gzip called CSV": ("a.csv", b"\x1f\x8b\x08" + b"\x00" * 50, ("gzip",)),
    "Excel": ("a.xlsx", b"PK\x03\x04", (".xlsx", "CSV")),
    "no ending": ("data", b"text,label\n", ("nothing", ".csv")),
    "JSONL: not JSON": ("a.jsonl", b'{"text": "a", "label": "x"}\n{"text": \n', ("line 2", "not valid JSON")),
    "JSONL: not objects": ("a.jsonl", b'["a", "b"]\n', ("line 1", "not a JSON object")),
    "JSONL: a key twice": ("a.jsonl", b'{"text": "a", "text": "b", "label": "x"}\n', ("line 1", "'text' comes twice")),
    "JSONL: deep": ("a.jsonl", b"[" * 200_000 + b"\n", ("line 1",)),
    "JSONL: huge number": ("a.jsonl", b'{"text": "a", "label": ' + b"9" * 10_000 + b"}\n", ("line 1", "too long")),
    "JSONL: nested text": ("a.jsonl", b"".join(b'{"text": ["a"], "label": "%d"}\n' % (i % 2) for i in range(20)), ("text",)),
    "JSONL: listed labels": (
        "a.jsonl",
        b"".join(b'{"text": "text %d", "label": ["x"]}\n' % i for i in range(20)),
        ("one label is expected",),
    ),
    "JSONL: lone surrogate": (
        "a.jsonl",
        b"".join(b'{"text": "text \\ud800 %d", "label": "%d"}\n' % (i, i % 2) for i in range(20)),
        ("line 1", "surrogate"),
    ),
    "JSONL: NUL escape": (
        "a.jsonl",
        b"".join(b'{"text": "t \\u0000 %d", "label": "%d"}\n' % (i, i % 2) for i in range(20)),
        ("line 1", "NUL"),
    ),
    "JSON: an object of columns": ("a.json", b'{"text": ["a"],\n "label": ["b"]}', ("line 1", "not valid JSON")),
    "JSON: empty array": ("a.json", b"[]", ("no rows",)),
    "Parquet: not one": ("a.parquet", b"PAR1 and then nothing of use", ("not a readable Parquet",)),
    "control characters in labels": ("a.csv", csv_text([(t, x + "\x1b[31m") for t, x in rows()]).encode(), ("no label",)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_file_is_refused_in_two_lines(case: str, tmp_path: Path) -> None:
    name, content, says = CASES[case]
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, *says)


@pytest.mark.parametrize("case", CASES)
def test_new_refuses_it_too_and_writes_nothing(case: str, tmp_path: Path) -> None:
    name, content, _ = CASES[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BakeoffError):
        write_new_study(tmp_path / name, out_dir=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_missing_file_folder_and_special_file(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere.csv", "no such file")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "no train file", "no data file")
    os.mkfifo(tmp_path / "pipe.csv")
    refused(tmp_path / "pipe.csv", "not a regular file")


def test_missing_columns_are_answered_with_near_ones(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_text(rows()))
    refused(tmp_path / "a.csv", "no column 'lable'", "did you mean 'label'?", target="lable")
    refused(tmp_path / "a.csv", "no column 'zzzz'", "'text', 'label'", text="zzzz")
    refused(tmp_path / "a.csv", "both `text` and `target`", text="label", target="label")


def test_a_hostile_column_name_stays_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"line\nbreak\x1b[31m",text\n' + "".join(f"{x},{t}\n" for t, x in rows()))
    refused(path, "no column 'nope'", target="nope")


def test_megabyte_cells_are_read_and_larger_ones_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(csv_text([*rows(), ("x" * 1_000_000, "good")]))
    assert max(len(item.input) for item in load(path).items) == 1_000_000
    path.write_text(csv_text([*rows(), ("x" * 10_000_001, "good")]))
    refused(path, "line 42", "10,000,000 characters")


def test_quoted_line_breaks_are_one_cell(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_text([(f'"{t}\nsecond ""line"", here"', x) for t, x in rows()]))
    items = load(tmp_path / "a.csv").items
    assert len(items) == 40 and items[0].input.endswith('\nsecond "line", here')
    assert items[3].meta["line"] == 8


def test_unknown_and_wrong_settings(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(csv_text(rows()))
    assert isinstance(refused(path, "unknown key 'targt'", "did you mean 'target'", targt="label"), BadStudy)
    for key, value in {"test": 1.5, "valid": 0, "limit": 3, "split_seed": -1, "drop_unlabelled": "yes", "header": 1}.items():
        refused(path, f"`data.{key}`", **{key: value})
    refused(path, "no text encoding", encoding="no-such-code")
    refused(path, "encoding", encoding="rot13")
    refused(path, "delimiter", delimiter=",,")
    with pytest.raises(BadStudy, match="no `source`"):
        TextTask().load({}, base=tmp_path)
    with pytest.raises(BadData, match="No data asset"):
        TextTask().load({"source": "asset:product-review"}, base=tmp_path)
    for ignored in (
        {"source": "asset:product-reviews", "text": "x"},
        {"source": "hub:a/b", "test": "t.csv"},
        {"source": "hub:a/b", "header": True},
    ):
        with pytest.raises(BadStudy, match="does not go with"):
            TextTask().load(ignored, base=tmp_path)
    for source in ("x" * 5000 + ".csv", "a\0b.csv", "a.csv/b.csv"):
        with pytest.raises(BakeoffError) as caught:
            TextTask().load({"source": source}, base=tmp_path)
        assert caught.value.fix and caught.value.what.isprintable()


def test_parquet_with_two_columns_of_one_name(tmp_path: Path) -> None:
    table = pa.table([pa.array(["a"] * 12), pa.array(["b"] * 12)], names=["text", "text"])
    pq.write_table(table, tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "2 columns called 'text'")


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(csv_text(rows()))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("permissions do not bind this user")
    refused(path, "cannot be read")


def test_duplicate_ids_and_a_single_group(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label,author,key\n" + "".join(f"{t},{x},ann,{i // 2}\n" for i, (t, x) in enumerate(rows())))
    refused(path, "'key'", "names 2 rows", "line 2, line 3", id="key")
    refused(path, "same 'author'", group="author")


def mutated(content: bytes, dice: random.Random) -> bytes:
    """A few random edits of the kinds that break files: flipped, lost, doubled and hostile bytes, cuts and joins."""
    found = bytearray(content)
    hostile = [
        b"\x00",
        b'"',
        b"\n",
        b"\r",
        b",",
        b"\t",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"{",
        b"}",
        b"[",
        b"\\u0000",
        b"\\ud800",
        b"NaN",
        b"1e999",
    ]
    for _ in range(dice.choice((1, 1, 2, 5, 30))):
        at = dice.randrange(len(found) + 1)
        match dice.randrange(6):
            case 0:
                found[at:at] = dice.choice(hostile)
            case 1:
                del found[at : at + dice.choice((1, 3, 50))]
            case 2:
                found[at:at] = found[at : at + dice.choice((5, 200))]
            case 3:
                found[at : at + 1] = bytes([dice.randrange(256)])
            case 4:
                del found[dice.choice((at, len(found) // 2)) :]
            case _:
                found[at : at + 4] = dice.choice(hostile) * dice.choice((1, 40))
    return bytes(found)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "utf-16", "parquet"])
def test_fuzz_always_items_or_an_error_with_a_fix(kind: str, tmp_path: Path) -> None:
    pairs = [(f'"{t}, ""quoted""\nand more é"', x) for t, x in rows(24)]
    plain = [{"text": t + " é", "label": x, "more": [1, {"a": None}]} for t, x in rows(24)]
    content = {
        "csv": csv_text(pairs).encode(),
        "tsv": csv_text(pairs).replace(",", "\t").encode(),
        "jsonl": "\n".join(json.dumps(row) for row in plain).encode(),
        "json": json.dumps(plain).encode(),
        "utf-16": csv_text(pairs).encode("utf-16"),
    }
    path = tmp_path / f"a.{'csv' if kind == 'utf-16' else kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"text": [row["text"] for row in plain], "label": [row["label"] for row in plain]}), path)
        content["parquet"] = path.read_bytes()
    dice = random.Random(f"fuzz {kind}")
    outcomes = {"items": 0, "refused": 0}
    signal.alarm(120)
    try:
        for _ in range(150):
            path.write_bytes(mutated(content[kind], dice))
            try:
                dataset = load(path)
            except BakeoffError as error:
                outcomes["refused"] += 1
                assert error.what.isprintable() and error.fix.isprintable() and error.fix, error
            else:
                outcomes["items"] += 1
                assert all(isinstance(item.input, str) and item.input.strip() and item.target for item in dataset.items)
                assert len({item.id for item in dataset.items}) == len(dataset.items)
                json.dumps([item.input for item in dataset.items], ensure_ascii=False).encode("utf-8")
    finally:
        signal.alarm(0)
    assert outcomes["refused"] > 5, outcomes
    assert outcomes["items"] > 0 or kind == "parquet", outcomes
