"""What was removed is in no file, whatever it was kept as."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

pytest.register_assert_rewrite("store_documents")
from store_documents import as_bytes, canary, forms, four_documents, made, question, traces  # noqa: E402

from bakeoff.errors import BadData, RunError  # noqa: E402
from bakeoff.tasks.documents.index.store_schema import FILE  # noqa: E402
from bakeoff.tasks.documents.index.store_sqlite import SqliteStore  # noqa: E402
from bakeoff.tasks.documents.records import EVERYTHING  # noqa: E402

WORDS = [f"word{i}" for i in range(400)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A corpus of four documents, closed."""
    folder = tmp_path / "corpus"
    with SqliteStore(folder, create=True) as store:
        four_documents(store)
    return folder


def file_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows_of(folder: Path) -> list[tuple[object, ...]]:
    """Every row of every table."""
    with closing(sqlite3.connect(folder / FILE)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [row for table in tables for row in db.execute(f"SELECT * FROM {table}")]


def test_after_purge_nothing_removed_is_in_any_file(folder: Path) -> None:
    old, replaced, kept = canary(1), canary(2, "replaced.pdf"), canary(3)
    after = made("replaced.pdf", 5)
    with SqliteStore(folder) as store, SqliteStore(folder, read_only=True) as other:
        for document in (old, replaced, kept):
            document.into(store)
            store.dense(question(1))
        for i in range(6):  # pages of the file are cut, merged and reused while the canaries are in it
            made(f"{i}.pdf", 20 + i, pages=3 + i, words=WORDS).into(store)
            other.lexical(["word1"])
        store.set_readers("0.pdf", frozenset({"canary9 reader"}))
        store.set_settings({"note": "canary9 setting"})
        store.remove(old.facts.name)
        after.into(store)
        store.set_readers("0.pdf", None)
        store.set_settings({"note": ""})
        assert store.needs_purge

        gone = {**traces(old), **{what: data for what, data in traces(replaced).items() if "replaced.pdf" not in what}}
        gone |= {
            f"{text} as {form}": data for text in ("canary9 reader", "canary9 setting") for form, data in forms(text).items()
        }
        staying = set(traces(kept).values())
        gone = {what: data for what, data in gone.items() if data not in staying}
        before = b"".join(file_bytes(folder).values())
        assert sum(data in before for data in gone.values()) > 200  # else this test could not fail

        store.purge()
        assert not store.needs_purge
        left = file_bytes(folder)
        assert left[FILE + "-wal"] == b""
        everything = b"\0".join(left.values())
        assert [what for what, trace in gone.items() if trace in everything] == []
        assert sum(data in left[FILE] for data in traces(kept).values()) > 100
        assert store.check() == ()
    assert list(file_bytes(folder)) == [FILE]
    told = repr(rows_of(folder))
    assert not re.search("canary[129]", told) and "canary3 title" in told


def canaries(folder: Path) -> set[int]:
    return {int(seed) for data in file_bytes(folder).values() for seed in re.findall(rb"canary(\d+)w", data)}


def test_purge_finds_what_sqlite_leaves_in_unused_parts_of_pages(tmp_path: Path) -> None:
    """Overwriting freed rows is not enough: cut and merged pages keep copies of rows. SQLite 3.40 leaves words of two removed documents here."""
    rng = np.random.default_rng(2)
    held: dict[str, int] = {}
    with SqliteStore(tmp_path, create=True) as store:
        for seed in range(150):
            name = f"{rng.integers(12)}.pdf"
            if name in held and rng.random() < 0.5:
                store.remove(name)
                del held[name]
            elif name not in held:
                canary(seed, name).into(store)
                held[name] = seed
            if seed % 10 == 9:
                store._open_writer().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store.purge()
        assert canaries(tmp_path) == set(held.values())
        assert store.check() == ()


def test_purge_says_when_a_reader_holds_the_log(folder: Path) -> None:
    with SqliteStore(folder, busy_seconds=0.1) as store, SqliteStore(folder, read_only=True) as other:
        with other.reading():
            store.remove("1.pdf")
            with pytest.raises(RunError, match="keeps reading"):
                store.purge()
            assert store.needs_purge
        store.purge()
        assert not store.needs_purge
        with store.reading(), pytest.raises(RunError, match="while a question"):
            store.purge()


def test_copy_holds_what_the_corpus_holds_and_nothing_removed(folder: Path, tmp_path: Path) -> None:
    with SqliteStore(folder) as store:
        old = canary(1).into(store)
        store.remove(old.facts.name)
        store.copy_to(tmp_path / "deep" / "copy")
        told = as_bytes(store, EVERYTHING)
        with pytest.raises(BadData, match="exists"):
            store.copy_to(tmp_path / "deep" / "copy")
    assert not any(trace in file_bytes(tmp_path / "deep")[FILE] for trace in traces(old).values())
    with SqliteStore(tmp_path / "deep" / "copy") as copy:
        assert as_bytes(copy, EVERYTHING) == told and copy.check() == ()
        assert copy._reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
