"""The SQLite store: the contract of all stores, and what is particular to one file."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.register_assert_rewrite("store_contract", "store_documents")
from store_contract import NewStore, OpenAgain, StoreContract  # noqa: E402
from store_documents import as_bytes, four_documents, made, made_of  # noqa: E402

from bakeoff.errors import BadData, RunError  # noqa: E402
from bakeoff.tasks.documents.index.store_schema import FILE  # noqa: E402
from bakeoff.tasks.documents.index.store_sqlite import SqliteStore  # noqa: E402
from bakeoff.tasks.documents.records import EVERYTHING, Page, PageRef, Scope  # noqa: E402
from bakeoff.tasks.documents.store import Store  # noqa: E402


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def new_store(self, tmp_path: Path) -> NewStore:
        made: list[Path] = []

        def new() -> Store:
            made.append(tmp_path / f"corpus {len(made)}")
            return SqliteStore(made[-1], create=True)

        return new

    @pytest.fixture
    def open_again(self) -> OpenAgain:
        def again(store: Store) -> Store:
            assert isinstance(store, SqliteStore)
            return SqliteStore(store.folder, read_only=True)

        return again


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A corpus of four documents, closed."""
    folder = tmp_path / "corpus"
    with SqliteStore(folder, create=True) as store:
        four_documents(store)
    return folder


# Files


def test_a_closed_corpus_is_one_file(folder: Path) -> None:
    assert [path.name for path in folder.iterdir()] == [FILE]


def test_writes_are_synced_and_freed_bytes_overwritten(folder: Path) -> None:
    with SqliteStore(folder) as store:
        writer = store._open_writer()
        assert store._reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert writer.execute("PRAGMA synchronous").fetchone() == (2,)
        assert writer.execute("PRAGMA secure_delete").fetchone() == (1,)


def test_numbers_of_removed_chunks_are_given_out_again(folder: Path) -> None:
    rng = np.random.default_rng(5)
    with SqliteStore(folder) as store:
        most = 0
        for seed in range(60):
            made(f"{rng.integers(4)}.pdf", seed, pages=int(rng.integers(1, 9))).into(store)
            with store.reading() as db:
                first, count = db.execute("SELECT max(first + count), sum(count) FROM documents").fetchone()
                assert first <= 4 * 17 + 17
                most = max(most, first - count)
        assert most > 0  # there were gaps, and they were filled
        assert store.check() == ()


# What is said when it cannot be used


@pytest.mark.parametrize("read_only", [False, True])
def test_no_corpus(tmp_path: Path, read_only: bool) -> None:
    for folder in (tmp_path / "nothing", tmp_path):
        with pytest.raises(BadData, match="There is no corpus in"):
            SqliteStore(folder, read_only=read_only)
        assert not (folder / FILE).exists()
    (tmp_path / FILE).touch()
    with pytest.raises(BadData, match="There is no corpus in"):
        SqliteStore(tmp_path, read_only=read_only)
    SqliteStore(tmp_path, create=True).close()
    SqliteStore(tmp_path, read_only=read_only).close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be made"):
        SqliteStore(tmp_path / "file" / "corpus", create=True)


def test_a_newer_format_is_named(folder: Path) -> None:
    with closing(sqlite3.connect(folder / FILE)) as db:
        db.execute("PRAGMA user_version = 2")
    for options in ({}, {"create": True}, {"read_only": True}):
        with pytest.raises(BadData, match=r"made by a newer Bakeoff \(format 2; this one reads 1\)") as caught:
            SqliteStore(folder, **options)
        assert "upgrade" in caught.value.fix


def test_files_that_are_no_corpus(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        db.execute("CREATE TABLE notes (text)")
    for options in ({}, {"create": True}, {"read_only": True}):
        with pytest.raises(BadData, match="is not a corpus"):
            SqliteStore(tmp_path, **options)
    (tmp_path / FILE).write_bytes(b"%PDF-1.7 " * 1000)
    for options in ({}, {"create": True}, {"read_only": True}):
        with pytest.raises(BadData, match="is damaged"):
            SqliteStore(tmp_path, **options)


def use(folder: Path) -> bytes:
    """Read and change all that there is."""
    with SqliteStore(folder) as store:
        told = as_bytes(store, EVERYTHING) + repr(store.check()).encode() + repr(store.settings()).encode()
        for facts in store.documents():
            for number in range(1, facts.pages + 1):
                store.page(facts.name, number)
        made("1.pdf", 70).into(store)
        store.remove("2.pdf")
        store.purge()
        return told


def test_a_damaged_file_is_named_as_such_and_nothing_else_is_raised(folder: Path, tmp_path: Path) -> None:
    whole = (folder / FILE).read_bytes()
    sound = use(folder)
    rng = np.random.default_rng(11)
    refused = 0
    for n in range(60):
        there = tmp_path / f"damaged {n}"
        there.mkdir()
        data = bytearray(whole)
        if n % 4 == 0:
            data = data[: int(rng.integers(1, len(data)))]
        elif n % 4 == 1:
            at = int(rng.integers(len(data) - 600))
            data[at : at + 600] = rng.bytes(600)
        else:
            for at in rng.integers(0 if n % 8 == 2 else 100, len(data), 40):
                data[at] ^= 1 << int(rng.integers(8))
        (there / FILE).write_bytes(data)
        try:
            told = use(there)
        except (BadData, RunError) as error:
            assert error.fix and str(there) in error.what, error
            refused += 1
        else:
            assert b"damaged" in told or b"tables" in told or b"disagree" in told or len(told) > len(sound) // 2
    assert refused > 20


def test_check_finds_tables_that_disagree(folder: Path, tmp_path: Path) -> None:
    harm = {
        "DELETE FROM chunks WHERE id = 3": "11 chunks are stated",
        "DELETE FROM vectors WHERE id = (SELECT max(id) FROM vectors)": "vectors are missing",
        "DELETE FROM postings WHERE term = 'tax'": "The lexical index and the lengths of",
        "INSERT INTO postings VALUES ('x', 9, x'000001')": "chunks of no document",
        "UPDATE postings SET data = x'0000' WHERE term = 'tax'": "make no sense",
        "UPDATE documents SET first = 0 WHERE name = '2.pdf'": "overlap",
        "INSERT INTO readers VALUES (99, 'x')": "readers has rows of no document",
        "INSERT INTO pages (document, number, data) VALUES (1, 7, '')": "pages after its last",
        "UPDATE documents SET lengths = x'00' WHERE id = 1": "make no sense",
        "INSERT INTO chunks VALUES (900, 'text', '', '', '[]', NULL, NULL)": "chunks of no document",
    }
    for n, (statement, says) in enumerate(harm.items()):
        there = tmp_path / f"harmed {n}"
        shutil.copytree(folder, there)
        with closing(sqlite3.connect(there / FILE)) as db, db:
            assert db.execute(statement).rowcount
        with SqliteStore(there, read_only=True) as store:
            assert any(says in line for line in store.check()), (statement, store.check())
    with SqliteStore(folder, read_only=True) as store:
        assert store.check() == ()


def test_nonsense_in_rows_is_damage_and_no_crash(folder: Path, tmp_path: Path) -> None:
    for n, statement in enumerate((
        "UPDATE chunks SET pieces = '[[1,2]]'", "UPDATE chunks SET kind = 'x'", "UPDATE pages SET data = x'00'", "UPDATE documents SET notes = '{'",
        "UPDATE postings SET data = x'0102'", "UPDATE postings SET shelf = 5000000 + shelf", "UPDATE vectors SET data = x'00'",
        "UPDATE documents SET lengths = x'00000000'", "UPDATE documents SET standing = x'ffffffffffffffff'", "UPDATE documents SET first = -5 WHERE id = 1",
        "DROP TABLE postings",
    )):  # fmt: skip
        there = tmp_path / f"nonsense {n}"
        shutil.copytree(folder, there)
        with closing(sqlite3.connect(there / FILE)) as db, db:
            db.execute(statement)
        with pytest.raises(BadData, match="is damaged"), SqliteStore(there, read_only=True) as store:
            as_bytes(store, Scope(without=frozenset({PageRef("1.pdf", 4294967295)})))
            store.page("1.pdf", 1)


def test_a_second_writer_waits_then_says_so(folder: Path) -> None:
    with SqliteStore(folder) as one, SqliteStore(folder, busy_seconds=0.05) as two:
        told = as_bytes(two, EVERYTHING)

        def pages() -> Iterator[Page]:
            with pytest.raises(RunError, match=r"in use for 0\.05 seconds") as caught:
                two.remove("1.pdf")
            assert str(caught.value).count("\n") == 1
            assert as_bytes(two, EVERYTHING) == told  # readers are not in the way, and see nothing of it
            yield from made("new.pdf", 9).pages

        new = made("new.pdf", 9)
        one.add(new.facts, pages(), new.chunks, new.terms, new.vectors)
        assert two.remove("1.pdf") is True
        assert [facts.name for facts in one.documents()] == ["0.pdf", "2.pdf", "3.pdf", "new.pdf"]


def test_one_block_of_reading_sees_one_moment(folder: Path) -> None:
    with SqliteStore(folder) as store, SqliteStore(folder) as writer:
        with store.reading():
            told = as_bytes(store, EVERYTHING)
            writer.remove("1.pdf")
            made("0.pdf", 50, pages=9).into(writer)
            store.remove("2.pdf")
            assert as_bytes(store, EVERYTHING) == told
            assert store.page("1.pdf", 1).number == 1
        assert as_bytes(store, EVERYTHING) == as_bytes(writer, EVERYTHING) != told
        assert len(store.documents()) == 2


def test_an_interrupt_in_a_block_of_reading_ends_it(folder: Path) -> None:
    with SqliteStore(folder) as store:
        with pytest.raises(KeyboardInterrupt), store.reading():
            raise KeyboardInterrupt
        store.remove("1.pdf")
        assert len(store.documents()) == 3


def test_read_only_refuses_to_write_and_sees_what_others_write(folder: Path) -> None:
    with SqliteStore(folder, read_only=True) as reader, SqliteStore(folder) as writer:
        for call in (
            lambda: made("x.pdf", 1).into(reader), lambda: reader.remove("1.pdf"), reader.purge,
            lambda: reader.set_settings({"a": "b"}), lambda: reader.set_readers("1.pdf", None),
        ):  # fmt: skip
            with pytest.raises(RunError, match="opened for reading only"):
                call()
        writer.remove("1.pdf")
        assert len(reader.documents()) == 3


UNWRITABLE = """
import os, sys
from pathlib import Path
from bakeoff.errors import BakeoffError
from bakeoff.tasks.documents.index.store_sqlite import SqliteStore

folder, want = Path(sys.argv[1]), sys.argv[2]
try:
    os.open(folder / "probe", os.O_CREAT | os.O_WRONLY)
    sys.exit("the folder can be written to")
except PermissionError:
    pass
for read_only in (True, False):
    try:
        with SqliteStore(folder, read_only=read_only) as store:
            print(len(store.documents()), len(store.lexical(["tax"], limit=999)), store.check(), flush=True)
            if not read_only:
                store.remove("1.pdf")
    except BakeoffError as error:
        print(type(error).__name__, error)
"""


def without_rights() -> None:
    """In a child of root: give up what lets root write everywhere. Anybody else has no such rights."""
    import ctypes

    libc = ctypes.CDLL(None)
    for right in (1, 2, 3):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, out of what the next program may have
        if os.getuid() == 0 and libc.prctl(24, right, 0, 0, 0):
            os._exit(77)


def test_a_folder_that_cannot_be_written_to(folder: Path, tmp_path: Path) -> None:
    unclosed = tmp_path / "unclosed"
    with SqliteStore(folder) as store:
        made("new.pdf", 7).into(store)
        unclosed.mkdir()
        for name in (FILE, FILE + "-wal"):
            shutil.copy(folder / name, unclosed / name)
    told = {}
    for place in (folder, unclosed):
        for path in (*place.iterdir(), place):
            path.chmod(path.stat().st_mode & ~0o222)
        done = subprocess.run(
            [sys.executable, "-c", UNWRITABLE, str(place), ""],
            capture_output=True,
            text=True,
            preexec_fn=without_rights,
            check=False,
            timeout=60,
        )
        place.chmod(0o755)
        if done.returncode == 77:
            pytest.fail("the rights of root cannot be given up here")
        assert done.returncode == 0, done.stderr
        told[place.name] = done.stdout
    expected = len(SqliteStore(folder, read_only=True).lexical(["tax"], limit=999))
    lines = told["corpus"].splitlines()
    assert lines[:2] == [f"5 {expected} ()"] * 2
    assert lines[2].startswith("RunError") and "cannot be written to" in lines[2]
    assert told["unclosed"].count("was not closed by its last writer") == 2


FULL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from store_documents import as_bytes, made
from bakeoff.errors import BakeoffError
from bakeoff.tasks.documents.records import EVERYTHING
from bakeoff.tasks.documents.index.store_sqlite import SqliteStore

with SqliteStore(Path(sys.argv[1])) as store:
    told = as_bytes(store, EVERYTHING)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), -1))
    try:
        made("big.pdf", 1, pages=200, length=200).into(store)
    except BakeoffError as error:
        print(type(error).__name__, error)
    assert as_bytes(store, EVERYTHING) == told
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    made("big.pdf", 1, pages=200, length=200).into(store)
    assert store.check() == () and len(store.documents()) == 5
"""


def test_no_more_room_for_the_file(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(folder), str(Path(__file__).parent), "700000"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("RunError The disk of the corpus") and done.stdout.count("\n") == 2


def test_a_full_disk_is_named(folder: Path) -> None:
    with SqliteStore(folder) as store:
        told = as_bytes(store, EVERYTHING)
        store._open_writer().execute("PRAGMA max_page_count = 60")
        with pytest.raises(RunError, match="is full"):
            made("big.pdf", 1, pages=200, length=200).into(store)
        assert as_bytes(store, EVERYTHING) == told
        store._open_writer().execute("PRAGMA max_page_count = 100000")
        made("big.pdf", 1, pages=200, length=200).into(store)
        assert store.check() == ()


def test_halves_of_surrogate_pairs_are_refused(folder: Path) -> None:
    with SqliteStore(folder) as store:
        told = as_bytes(store, EVERYTHING)
        for bad in (made_of("x\ud800.pdf", ["tax"]), replace(made("x.pdf", 1, pages=1), terms=(("a\udfff",),))):
            with pytest.raises(BadData, match="not Unicode"):
                bad.into(store)
        assert list(store.lexical(["tax"], Scope(documents=frozenset({"\ud800"})))) == []
        with pytest.raises(BadData, match="not Unicode"):
            store.lexical(["\ud800"])
        assert as_bytes(store, EVERYTHING) == told
