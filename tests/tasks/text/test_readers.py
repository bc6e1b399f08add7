"""Each format gives the same rows; encodings, separators and headers are found out and said."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bakeoff.errors import AssetError, BadData
from bakeoff.tasks.text.hub import open_hub
from bakeoff.tasks.text.readers import open_folder, open_table

ROWS = [(f"text {i}, with “quotes” and é", "good" if i % 3 else "bad") for i in range(12)]
FORMATS = {
    "csv": lambda: "text,label\n" + "".join(f'"{t}",{x}\n' for t, x in ROWS),
    "tsv": lambda: "text\tlabel\n" + "".join(f"{t}\t{x}\n" for t, x in ROWS),
    "jsonl": lambda: "".join(json.dumps({"text": t, "label": x}) + "\n" for t, x in ROWS),
    "json": lambda: json.dumps([{"text": t, "label": x} for t, x in ROWS]),
}


def write(folder: Path, ending: str) -> Path:
    path = folder / f"data.{ending}"
    if ending == "parquet":
        pq.write_table(
            pa.table({"text": [t for t, _ in ROWS], "label": pa.array([x for _, x in ROWS]).dictionary_encode()}), path
        )
    else:
        path.write_text(FORMATS[ending](), encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", [*FORMATS, "parquet"])
def test_every_format_gives_the_same_rows_twice(ending: str, tmp_path: Path) -> None:
    table = open_table(write(tmp_path, ending))
    assert table.columns == ("text", "label")
    assert [row.cells for row in table.rows()] == ROWS
    assert [row.cells for row in table.rows()] == ROWS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json"])
def test_utf_8_and_marked_encodings_need_no_setting(encoding: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"data.{ending}"
    path.write_bytes(FORMATS[ending]().encode(encoding))
    table = open_table(path)
    assert table.columns == ("text", "label") and [row.cells for row in table.rows()] == ROWS


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "utf-16-be", "mac_roman"])
def test_other_encodings_are_read_when_named(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(FORMATS["csv"]().encode(encoding))
    with pytest.raises(BadData):
        open_table(path)
    assert [row.cells for row in open_table(path, encoding=encoding).rows()] == ROWS


@pytest.mark.parametrize("delimiter, said", [(",", "commas"), (";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_the_separator_is_found_out_and_said(delimiter: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(f"text{delimiter}label\n" + "".join(f'"{t}"{delimiter}{x}\n' for t, x in ROWS))
    table = open_table(path)
    assert [row.cells for row in table.rows()] == ROWS
    assert any(said in note for note in table.notes)


def test_texts_full_of_commas_do_not_hide_semicolons(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text;label\n" + "".join(f"a, b, {i}, c;{i % 2}\n" for i in range(20)))
    assert open_table(path).columns == ("text", "label")
    path.write_text("".join(f"a, b{', c' * (i % 3)};{i % 2}\n" for i in range(20)))
    assert [row.cells for row in open_table(path).rows()][1] == ("a, b, c", "1")


@pytest.mark.parametrize(
    "content, named",
    [
        ("a fine film\t1\nan awful one\t0\nso so\t1\nbad bad\t0\n", False),
        ("0\tan awful one\n1\ta fine film\n0\tnot good\n", False),
        ("fine\tpos\nawful\tneg\nnice\tpos\nbad\tneg\n", False),
        ("sentence\tlabel\nfine\t1\nawful\t0\n", True),
        ("sentence\tlabel\nfine\tpos\nawful\tneg\n", True),
        ("words\t2024\nfine\tpos\nawful\tneg\n", True),
    ],
)
def test_a_first_row_that_is_data_is_not_taken_for_a_header(content: str, named: bool, tmp_path: Path) -> None:
    path = tmp_path / "data.tsv"
    path.write_text(content)
    table = open_table(path)
    assert table.named is named
    assert len(list(table.rows())) == content.count("\n") - named
    assert named or (table.columns == ("column 1", "column 2") and any("no header row" in note for note in table.notes))


def test_header_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "data.tsv"
    path.write_text("fine\tpos\nawful\tneg\nnice\tpos\n")
    assert open_table(path, header=True).columns == ("fine", "pos")
    path.write_text("sentence\tlabel\nfine\tpos\n")
    assert len(list(open_table(path, header=False).rows())) == 2


def test_stray_quotes_in_tsv_are_text(tmp_path: Path) -> None:
    path = tmp_path / "data.tsv"
    path.write_text('text\tlabel\n"starts only\t1\nends only"\t0\nsays "hi"\t1\nplain\t0\n')
    table = open_table(path)
    assert [row.cells[0] for row in table.rows()] == ['"starts only', 'ends only"', 'says "hi"', "plain"]
    assert any("quotation marks do not pair up" in note for note in table.notes)


def test_json_lines_in_a_json_file_and_rows_without_a_key(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text('{"text": "a", "label": 1}\n\n{"text": "b", "extra": NaN}\n')
    table = open_table(path)
    assert table.columns == ("text", "label", "extra")
    assert [(row.line, row.cells) for row in table.rows()] == [(1, ("a", 1, None)), (3, ("b", None, None))]


def test_a_folder_of_published_splits(tmp_path: Path) -> None:
    for part in ("train-00000-of-00002", "train-00001-of-00002", "validation", "test"):
        pq.write_table(pa.table({"text": [part], "label": ["x"]}), tmp_path / f"{part}.parquet")
    (tmp_path / "README.md").write_text("not data")
    source = open_folder(tmp_path)
    assert {part: [table.name for table in tables] for part, tables in source.parts.items()} == {
        "train": ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"],
        "valid": ["validation.parquet"],
        "test": ["test.parquet"],
    }


def test_other_files_are_read_with_the_header_of_train(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("fine\tpos\nawful\tneg\nnice\tpos\nbad\tneg\n")
    (tmp_path / "test.tsv").write_text("unseen\tpos\nother\tneg\n")
    source = open_folder(tmp_path)
    assert [row.cells for row in source.parts["test"][0].rows()] == [("unseen", "pos"), ("other", "neg")]


def test_a_folder_with_one_file_is_that_file(tmp_path: Path) -> None:
    write(tmp_path, "csv")
    assert list(open_folder(tmp_path).parts) == ["train"]


def test_a_folder_saved_by_datasets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    parts = {
        "train": datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}, features=features),
        "test": datasets.Dataset.from_dict({"text": ["c"], "label": [-1]}, features=features),
        "unsupervised": datasets.Dataset.from_dict({"text": ["d"], "label": [0]}, features=features),
    }
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))
    source = open_folder(tmp_path / "saved")
    assert [row.cells for row in source.parts["train"][0].rows()] == [("a", "no"), ("b", "yes")]
    assert [row.cells for row in source.parts["test"][0].rows()] == [("c", None)]
    assert "unsupervised" in source.parts["train"][0].notes[0]


def test_the_hub_out_of_reach_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(AssetError, match="out of reach") as caught:
        open_hub("nobody/no-such-data-set")
    assert "local file" in caught.value.fix
    for name in ("../etc", "a/b/c", "", "a b"):
        with pytest.raises(BadData, match="no name of a data set"):
            open_hub(name)


@pytest.mark.parametrize("name", ["BAKEOFF_OFFLINE", "HF_HUB_OFFLINE"])
def test_a_hub_data_set_keeps_away_from_the_network_when_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    pytest.importorskip("datasets")
    from huggingface_hub import constants

    from bakeoff.assets import hub

    asked: list[object] = []

    def connect(*where: object, **options: object) -> socket.socket:
        asked.append(where)
        return socket.socket()

    monkeypatch.setattr(hub.socket, "create_connection", connect)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for other in ("BAKEOFF_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(other, raising=False)
    assert hub.reachable() and len(asked) == 1
    monkeypatch.setenv(name, "1")
    assert not hub.reachable() and len(asked) == 1
