"""The PostgreSQL store among others on one server: writers, questions and purges at the same time, lost connections, and what is left after a purge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import psycopg
import pytest

pytest.register_assert_rewrite("store_contract", "store_documents", "postgres_corpus")
pytest_plugins = ("postgres_corpus",)
from postgres_corpus import run  # noqa: E402
from postgres_server import Server  # noqa: E402
from store_documents import Made, as_bytes, canary, forms, made, made_of, pairs, traces  # noqa: E402

from bakeoff.errors import BadData, RunError  # noqa: E402
from bakeoff.tasks.documents.index.store_postgres import PostgresStore  # noqa: E402
from bakeoff.tasks.documents.records import EVERYTHING, Page, Scope  # noqa: E402

# One writer, one moment


def test_a_second_writer_waits_then_says_so(postgres: Server, corpus: str) -> None:
    with PostgresStore(postgres.url, schema=corpus) as one, PostgresStore(postgres.url, schema=corpus, busy_seconds=0.05) as two:
        told = as_bytes(two, EVERYTHING)

        def pages() -> Iterator[Page]:
            with pytest.raises(RunError, match=r"in use for 0\.05 seconds") as caught:
                two.remove("1.pdf")
            assert str(caught.value).count("\n") == 1
            assert as_bytes(two, EVERYTHING) == told == as_bytes(one, EVERYTHING)
            yield from made("new.pdf", 9).pages

        new = made("new.pdf", 9)
        one.add(new.facts, pages(), new.chunks, new.terms, new.vectors)
        assert two.remove("1.pdf") is True
        assert [facts.name for facts in one.documents()] == ["0.pdf", "2.pdf", "3.pdf", "new.pdf"]


def test_one_block_of_reading_sees_one_moment(postgres: Server, corpus: str) -> None:
    with PostgresStore(postgres.url, schema=corpus) as store, PostgresStore(postgres.url, schema=corpus) as writer:
        with store.reading():
            writer.remove("1.pdf")  # before the first question of the block
            assert len(store.documents()) == 4
            told = as_bytes(store, EVERYTHING)
            made("0.pdf", 50, pages=9).into(writer)
            store.remove("2.pdf")
            assert as_bytes(store, EVERYTHING) == told
            assert store.page("1.pdf", 1).number == 1
        assert as_bytes(store, EVERYTHING) == as_bytes(writer, EVERYTHING) != told
        assert len(store.documents()) == 2
        with pytest.raises(KeyboardInterrupt), store.reading():
            raise KeyboardInterrupt
        store.remove("0.pdf")
        assert len(store.documents()) == 1


def test_a_lost_connection_is_made_again(postgres: Server, corpus: str) -> None:
    with PostgresStore(postgres.url, schema=corpus) as store:
        told = as_bytes(store, EVERYTHING)
        store.set_settings({"a": "b"})
        ended = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = 'bakeoff' AND datname = 'corpora'"
        assert run(postgres, ended) == [(2,)]
        assert as_bytes(store, EVERYTHING) == told
        store.set_settings({"a": "c"})
        with pytest.raises(RunError, match="failed or is gone"), store.reading():
            run(postgres, ended)
            store.lexical(["tax"])
        new = made("new.pdf", 3)

        def pages() -> Iterator[Page]:
            run(postgres, ended)
            yield from new.pages

        with pytest.raises(RunError, match="failed or is gone"):
            store.add(new.facts, pages(), new.chunks, new.terms, new.vectors)
        assert as_bytes(store, EVERYTHING) == told and store.settings()["a"] == "c"
        new.into(store)


def test_a_schema_made_anew_under_an_open_store_is_seen_for_what_it_is(postgres: Server, corpus: str) -> None:
    with PostgresStore(postgres.url, schema=corpus) as store:
        as_bytes(store, EVERYTHING)
        run(postgres, f"DROP SCHEMA {corpus} CASCADE")
        with pytest.raises(BadData, match="is damaged"):
            store.documents()
        with PostgresStore(postgres.url, schema=corpus, create=True) as new:
            for i in range(6):
                made(f"{i}.pdf", 80 + i).into(new)
            assert as_bytes(store, EVERYTHING) == as_bytes(new, EVERYTHING)


def test_a_statement_that_takes_too_long_is_stopped(postgres: Server, corpus: str) -> None:
    with PostgresStore(postgres.url, schema=corpus, timeout_seconds=0.1) as store:
        told = as_bytes(store, EVERYTHING)
        with psycopg.connect(postgres.url) as db:
            db.execute(f"LOCK TABLE {corpus}.chunks IN ACCESS EXCLUSIVE MODE")
            for call in (lambda: store.chunks([("1.pdf", 1)]), lambda: made("1.pdf", 8).into(store)):
                with pytest.raises(RunError, match="stopped what was asked"):
                    call()
        assert as_bytes(store, EVERYTHING) == told


def test_halves_of_surrogate_pairs_are_refused(postgres: Server, corpus: str) -> None:
    with PostgresStore(postgres.url, schema=corpus) as store:
        told = as_bytes(store, EVERYTHING)
        for bad in (made_of("x\ud800.pdf", ["tax"]), replace(made("x.pdf", 1, pages=1), terms=(("a\udfff",),))):
            with pytest.raises(BadData, match="not Unicode"):
                bad.into(store)
        assert list(store.lexical(["tax"], Scope(documents=frozenset({"\ud800"})))) == []
        with pytest.raises(BadData, match="not Unicode"):
            store.lexical(["\ud800"])
        assert as_bytes(store, EVERYTHING) == told


def test_vectors_of_many_dimensions_and_more_than_are_kept(postgres: Server, schema: str) -> None:
    with PostgresStore(postgres.url, schema=schema, create=True) as store:
        rng = np.random.default_rng(1)
        rows = rng.standard_normal((5, 4096)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        document = made("a.pdf", 1)
        store.add(document.facts, document.pages, document.chunks, document.terms, rows)
        assert pairs(store.dense(rows[3], limit=1)) == [(("a.pdf", 3), 1.0)]
        store.remove("a.pdf")
        with pytest.raises(BadData, match="pgvector keeps 16000"):
            store.add(document.facts, document.pages, document.chunks, document.terms, np.eye(5, 16_001, dtype=np.float32))


# Gone means gone


def files(postgres: Server, since: float) -> bytes:
    """Every byte of every file of the server that was written after `since`."""
    found = [path for path in sorted(postgres.data.rglob("*")) if path.is_file() and path.stat().st_mtime > since]
    return b"\0".join(path.read_bytes() for path in found)


def needles(document: Made, seed: int) -> set[bytes]:
    """What a document would be known by: the mark that all its words and names bear, in many encodings, and some of its pages' and vectors' bytes."""
    marks = {data for text in (f"canary{seed}w", f"canary{seed} ", f"{seed:02}c0ffee") for data in forms(text).values()}
    blobs = [data for what, data in traces(document).items() if what.startswith("bytes ")]
    return marks | set(blobs)


def test_after_purge_nothing_removed_is_in_any_file_of_the_server(postgres: Server, corpus: str) -> None:
    old, replaced, kept = canary(1), canary(2), canary(3)
    marker = postgres.data / "global" / "pg_control"
    run(postgres, "CHECKPOINT")
    since = marker.stat().st_mtime - 0.001
    with PostgresStore(postgres.url, schema=corpus) as store, PostgresStore(postgres.url, schema=corpus) as other:
        for document in (old, replaced, kept):
            document.into(store)
            run(postgres, "CHECKPOINT", "ANALYZE")  # on disk, and what the server would remember of columns
        for i in range(6):
            made(f"{i}.pdf", 20 + i, pages=3 + i).into(store)
            other.lexical(["tax"])
        store.set_readers("0.pdf", frozenset({"canary9 reader"}))
        store.set_settings({"note": "canary9 setting"})
        store.remove(old.facts.name)
        store.remove(replaced.facts.name)
        store.set_readers("0.pdf", None)
        store.set_settings({"note": ""})
        assert store.needs_purge
        staying = needles(kept, 3)
        gone = (needles(old, 1) | needles(replaced, 2) | {b"canary9 "}) - staying
        before = files(postgres, since)
        assert sum(data in before for data in gone) > 35  # else this test could not fail
        told = as_bytes(store, EVERYTHING)

        store.purge()
        assert not store.needs_purge and store.left_by_purge == ()
        left = files(postgres, since)
        assert [trace for trace in gone if trace in left] == []
        assert sum(data in left for data in staying) > 15
        assert as_bytes(store, EVERYTHING) == told == as_bytes(other, EVERYTHING) and store.check() == ()


def test_the_server_keeps_no_statistics_of_words(postgres: Server, corpus: str) -> None:
    run(postgres, "ANALYZE")
    kept = {name for (name,) in run(postgres, f"SELECT attname FROM pg_stats WHERE schemaname = '{corpus}'")}
    assert kept <= {
        "one", "format", "generation", "removals", "unpurged", "id", "pages", "changed", "first", "count", "dimensions", "document", "number",
        "ordinal", "tables", "figure", "shelf",
    }  # fmt: skip
    assert "shelf" in kept


def test_purge_says_when_a_session_sees_the_corpus_as_it_was(postgres: Server, corpus: str) -> None:
    with (
        PostgresStore(postgres.url, schema=corpus, busy_seconds=0.2) as store,
        PostgresStore(postgres.url, schema=corpus) as other,
    ):
        with other.reading():
            store.remove("1.pdf")
            with pytest.raises(RunError, match="in use for"):
                store.purge()
            assert store.needs_purge
        with psycopg.connect(postgres.url) as stranger:  # a dump, or somebody at a prompt, in no table of ours
            stranger.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            stranger.execute("SELECT 1")
            store.remove("2.pdf")
            with pytest.raises(RunError, match="keeps seeing"):
                store.purge()
            assert store.needs_purge and len(store.documents()) == 2
        store.purge()
        assert not store.needs_purge
        with store.reading(), pytest.raises(RunError, match="while a question"):
            store.purge()


def test_questions_wait_for_a_purge_and_hold_nothing_back(postgres: Server, corpus: str) -> None:
    import threading

    with PostgresStore(postgres.url, schema=corpus) as store, PostgresStore(postgres.url, schema=corpus) as other:
        told, stop, errors = as_bytes(store, EVERYTHING), threading.Event(), list[BaseException]()

        def ask() -> None:
            try:
                while not stop.is_set():
                    assert as_bytes(other, EVERYTHING) == told
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            for _ in range(3):
                store.set_settings({"a": "b"})
                store.purge()
        finally:
            stop.set()
            thread.join()
        assert errors == [] and not store.needs_purge
