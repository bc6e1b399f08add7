"""The PostgreSQL store on a real server: the contract of all stores, the same bytes as the SQLite store, and what is particular to a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
import pytest

pytest.register_assert_rewrite("store_contract", "store_documents", "postgres_corpus")
pytest_plugins = ("postgres_corpus",)
from postgres_corpus import own_schema, run  # noqa: E402
from postgres_server import Server  # noqa: E402
from store_contract import NewStore, OpenAgain, StoreContract  # noqa: E402
from store_documents import VOCABULARY, as_bytes, made, made_of, question  # noqa: E402

from bakeoff.errors import BadData, RunError  # noqa: E402
from bakeoff.tasks.documents.corpus import open_store  # noqa: E402
from bakeoff.tasks.documents.index.store_postgres import PostgresStore  # noqa: E402
from bakeoff.tasks.documents.index.store_sqlite import SqliteStore  # noqa: E402
from bakeoff.tasks.documents.records import EVERYTHING, PageRef, Scope  # noqa: E402
from bakeoff.tasks.documents.store import Store  # noqa: E402


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def new_store(self, postgres: Server) -> Iterator[NewStore]:
        made: list[str] = []

        def new() -> Store:
            made.append(own_schema())
            return PostgresStore(postgres.url, create=True, schema=made[-1])

        yield new
        run(postgres, *(f"DROP SCHEMA {name} CASCADE" for name in made), "SELECT 1")

    @pytest.fixture
    def open_again(self, postgres: Server) -> OpenAgain:
        def again(store: Store) -> Store:
            assert isinstance(store, PostgresStore)
            return PostgresStore(postgres.url, schema=store.address.schema)

        return again


# The same answers as SQLite


def test_the_same_documents_give_the_same_bytes_as_in_sqlite(postgres: Server, schema: str, tmp_path: Path) -> None:
    sqlite = SqliteStore(tmp_path, create=True)
    server = PostgresStore(postgres.url, create=True, schema=schema)
    lists = (None, frozenset({"anna"}), frozenset({"board", "anna"}), frozenset[str](), None)
    documents = [made(f"{'ßbÄaz😀'[i % 6]}{i}.pdf", i, pages=2 + i % 9, readers=lists[i % 5]) for i in range(16)]
    ties = made_of("ties.pdf", ["tax paid in cash"] * 30, readers=frozenset({"anna"}))
    documents.append(replace(ties, vectors=np.repeat(documents[0].vectors[:1], 59, axis=0)))
    # Apart by less than float32 can tell, and by about the last decimal that counts.
    near = made("near.pdf", 40, pages=40)
    close = question(0).astype(np.float64) + np.arange(79)[:, None] * 3e-7 * np.random.default_rng(4).standard_normal((79, 16))
    documents.append(replace(near, vectors=(close / np.linalg.norm(close, axis=1, keepdims=True)).astype(np.float32)))
    documents.append(made_of("many.pdf", ["tax " * 700 + "debt", "x" * 3000 + " tax", "a\x00b tax \U0001f600"]))
    documents.append(made_of("n" * 4000 + "\x00.pdf", ["tax"], readers=frozenset({"p" * 4000})))
    for store in (sqlite, server):
        for document in documents:
            document.into(store)
        store.remove("a3.pdf")
        made("b1.pdf", 70, pages=11).into(store)
        store.set_readers("ß0.pdf", frozenset({"carl"}))
        store.remove("ties.pdf")
        documents[16].into(store)
    scopes = (
        EVERYTHING,
        Scope(principals=frozenset()),
        Scope(principals=frozenset({"anna", "p" * 4000})),
        Scope(principals=frozenset({"carl"}), without=frozenset(PageRef("near.pdf", page) for page in range(1, 30, 3))),
        Scope(documents=frozenset(document.facts.name for document in documents[::2])),
        Scope(without=frozenset({PageRef("ties.pdf", 2), PageRef("z4.pdf", 1), PageRef("gone.pdf", 1)})),
    )

    def told(store: SqliteStore | PostgresStore) -> Iterator[str]:
        rng = np.random.default_rng(8)
        with store.reading():
            for n in range(210):
                terms = [
                    str(word) for word in rng.choice([*VOCABULARY, "x" * 3000, "a\x00b", "unknown"], int(rng.integers(1, 9)))
                ]
                limit = int(rng.integers(1, 120))
                for scope in scopes:
                    found = [store.lexical(terms, scope, limit), store.dense(question(n % 150), scope, limit)]
                    yield json.dumps([[hit.key, hit.score, dict(hit.scores)] for hits in found for hit in hits])
        for scope in scopes:
            yield repr(store.documents(scope))

    hits = 0
    for one, other in zip(told(sqlite), told(server), strict=True):
        assert one == other
        hits += len(one)
    assert hits > 1_000_000
    assert server.check() == sqlite.check() == ()
    sqlite.close()
    server.close()


def test_numbers_of_removed_chunks_are_given_out_again(postgres: Server, corpus: str) -> None:
    rng = np.random.default_rng(5)
    with PostgresStore(postgres.url, schema=corpus) as store:
        for seed in range(12):
            made(f"{rng.integers(4)}.pdf", seed, pages=int(rng.integers(1, 9))).into(store)
        first, taken = run(postgres, f"SELECT max(first + count), count(*) FROM {corpus}.documents")[0]
        assert taken == 4 and int(str(first)) <= 5 * 17
        assert store.check() == ()


# Addresses, rights, and what is said when it cannot be used


def test_a_store_is_opened_by_its_address(postgres: Server, schema: str) -> None:
    with open_store(f"{postgres.url}&schema={schema}", create=True) as store:  # type: ignore[attr-defined]
        made("a.pdf", 1).into(store)
    with PostgresStore(postgres.url, schema=schema) as store:
        assert len(store.documents()) == 1
        assert repr(store) == f"PostgresStore('postgresql://owner@/corpora?host={postgres.home}&schema={schema}')"
        with open_store(store.address.shown) as again:  # type: ignore[attr-defined]
            assert again.documents() == store.documents()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://anna:hunter2@rest@host/db", "postgresql://anna:hunter2/rest@host/db", "postgresql://anna:hunter2@host:port/db",
        "postgresql://anna:hunter2@host/db?nonsense=hunter2", "postgresql://anna:hunter2?@host/db", "postgresql://anna:1222?hunter2@host/db", "postgresql://anna:hunter2%zz@host/db",
        "host=host password=hunter2",
    ],
)  # fmt: skip
def test_addresses_that_cannot_be_read_are_not_shown(url: str) -> None:
    with pytest.raises(BadData, match="cannot be read") as caught:
        PostgresStore(url)
    assert "hunter2" not in str(caught.value) and caught.value.fix
    assert caught.value.__cause__ is None and caught.value.__context__ is None


@pytest.mark.parametrize("name", ["", "Corpus", "a-b", "1a", "pg_a", 'a"; DROP SCHEMA x; --', "a" * 64, "é"])
def test_names_of_schemas(postgres: Server, name: str) -> None:
    with pytest.raises(BadData, match="cannot be kept in a schema"):
        PostgresStore(postgres.url, create=True, schema=name)


def test_a_password_is_used_and_never_shown(postgres: Server, corpus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run(
        postgres, "DROP ROLE IF EXISTS guarded", "CREATE ROLE guarded LOGIN PASSWORD 'hunter2@/:'",
        f"GRANT USAGE ON SCHEMA {corpus} TO guarded", f"GRANT SELECT ON ALL TABLES IN SCHEMA {corpus} TO guarded",
    )  # fmt: skip
    url = postgres.url_of("corpora", "guarded")
    with PostgresStore(url.replace("guarded@", "guarded:hunter2%40%2F%3A@"), schema=corpus) as store:
        assert len(store.documents()) == 4
        told = repr(store) + repr(store.address) + store.address.shown
    monkeypatch.setenv("PGPASSWORD", "hunter2@/:")
    PostgresStore(url, schema=corpus).close()
    monkeypatch.setenv("PGPASSWORD", "hunter2 wrong")
    for wrong in (url, url.replace("guarded@", "guarded:hunter2%20wrong@"), url.replace("corpora", "hunter2%20wrong")):
        with pytest.raises(RunError, match="password authentication failed") as caught:
            PostgresStore(wrong, schema=corpus)
        assert caught.value.__cause__ is None and caught.value.__context__ is None
        assert str(caught.value).count("\n") == 1
        if "hunter2%20wrong" not in wrong.partition("@")[2]:
            told += str(caught.value)
    assert "hunter2" not in told
    run(postgres, f"DROP OWNED BY {'guarded'}", "DROP ROLE guarded")


def test_no_server(postgres: Server) -> None:
    for url in (postgres.url.replace("bkf-pg-", "no-"), postgres.url_of("nothing"), "postgresql://a:hunter2@127.0.0.1:1/db"):
        with pytest.raises(RunError, match="cannot be used") as caught:
            PostgresStore(url, create=True)
        assert str(caught.value).count("\n") == 1 and "hunter2" not in str(caught.value)


def test_no_corpus_no_pgvector_something_else_and_a_newer_format(postgres: Server, schema: str) -> None:
    with pytest.raises(BadData, match="There is no corpus in"):
        PostgresStore(postgres.url, schema=schema)
    with pytest.raises(RunError, match="has no pgvector") as caught:
        PostgresStore(postgres.url_of("template1"), create=True)
    assert "CREATE EXTENSION vector" in caught.value.fix
    run(postgres, f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.documents (name text)")
    for create in (False, True):
        with pytest.raises(BadData, match="is not a corpus"):
            PostgresStore(postgres.url, schema=schema, create=create)
    run(postgres, f"DROP TABLE {schema}.documents")  # an administrator may have made the schema beforehand
    PostgresStore(postgres.url, schema=schema, create=True).close()
    run(postgres, f"UPDATE {schema}.state SET format = 2")
    for create in (False, True):
        with pytest.raises(BadData, match=r"made by a newer Bakeoff \(format 2; this one reads 1\)"):
            PostgresStore(postgres.url, schema=schema, create=create)


def test_pgvector_in_a_schema_of_its_own(postgres: Server) -> None:
    run(postgres, "CREATE DATABASE apart")
    with psycopg.connect(postgres.url_of("apart"), autocommit=True) as db:
        db.execute('CREATE SCHEMA "Ext ensions"')
        db.execute('CREATE EXTENSION vector SCHEMA "Ext ensions"')
    with PostgresStore(postgres.url_of("apart"), create=True) as store:
        document = made("a.pdf", 1).into(store)
        assert len(store.dense(question(1))) == len(document.chunks)
    run(postgres, "DROP DATABASE apart WITH (FORCE)")


def test_a_user_who_may_only_read_asks_and_one_who_owns_purges_what_may_be_purged(
    postgres: Server, corpus: str, schema: str
) -> None:
    run(
        postgres, "CREATE ROLE asker LOGIN", "CREATE ROLE keeper LOGIN", f"GRANT USAGE ON SCHEMA {corpus} TO asker",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {corpus} TO asker", "GRANT CREATE ON DATABASE corpora TO keeper",
    )  # fmt: skip
    with (
        PostgresStore(postgres.url_of("corpora", "asker"), schema=corpus) as asker,
        PostgresStore(postgres.url, schema=corpus) as owner,
    ):
        assert as_bytes(asker, EVERYTHING) == as_bytes(owner, EVERYTHING) and asker.check() == ()
        for call in (
            lambda: asker.remove("1.pdf"),
            lambda: asker.set_settings({"a": "b"}),
            asker.purge,
            lambda: made("x.pdf", 1).into(asker),
        ):
            with pytest.raises(RunError, match="permission denied") as caught:
                call()
            assert caught.value.fix
        assert as_bytes(asker, EVERYTHING) == as_bytes(owner, EVERYTHING)
        assert owner.left_by_purge == () and asker.left_by_purge == ()
    name = schema + "_kept"
    with PostgresStore(postgres.url_of("corpora", "keeper"), schema=name, create=True) as keeper:
        made("a.pdf", 1).into(keeper)
        keeper.remove("a.pdf")
        assert keeper.needs_purge
        keeper.purge()
        assert not keeper.needs_purge and "write-ahead log may hold removed bytes" in keeper.left_by_purge[0]
    run(postgres, *(f"DROP OWNED BY {role} CASCADE" for role in ("asker", "keeper")), "DROP ROLE asker", "DROP ROLE keeper")


def test_damage_is_named_as_such(postgres: Server, corpus: str) -> None:
    for statement in (
        "UPDATE chunks SET pieces = '[[1,2]]'", "UPDATE chunks SET kind = 'x'", "UPDATE pages SET data = '\\x00'", "UPDATE documents SET notes = '{'",
        "UPDATE chunks SET text = '\\xff'", "UPDATE postings SET data = '\\x0102'", "UPDATE postings SET shelf = 5000000 + shelf",
        "UPDATE vectors SET embedding = '[1]'", "DELETE FROM chunks WHERE ordinal = 2", "UPDATE documents SET lengths = '\\x00000000'",
        "UPDATE documents SET standing = '\\xffffffffffffffff'", "UPDATE documents SET first = -5 WHERE name = '1.pdf'", "DROP TABLE postings",
        "DELETE FROM state",
    ):  # fmt: skip
        name = f"{corpus}_harmed"
        run(postgres, f"DROP SCHEMA IF EXISTS {name} CASCADE")
        with PostgresStore(postgres.url, schema=name, create=True) as store:
            for i in range(2):
                made(f"{i}.pdf", i, pages=6).into(store)
            run(postgres, f"SET search_path = {name}, public", statement)
            store.close()
        with pytest.raises(BadData) as caught, PostgresStore(postgres.url, schema=name) as store:
            as_bytes(store, Scope(without=frozenset({PageRef("1.pdf", 4294967295)})))
            store.page("1.pdf", 1)
        assert "is damaged" in str(caught.value) or "is not a corpus" in str(caught.value), statement
    run(postgres, f"DROP SCHEMA {name} CASCADE")


def test_check_finds_tables_that_disagree(postgres: Server, corpus: str) -> None:
    harm = {
        "DELETE FROM chunks WHERE ordinal = 3": "11 chunks are stated",
        "DELETE FROM vectors WHERE ordinal = 10": "vectors are missing",
        "DELETE FROM postings WHERE key = 'tax'": "The lexical index and the lengths of",
        "INSERT INTO postings VALUES ('x', 9, '\\x000001')": "chunks of no document",
        "UPDATE postings SET data = '\\x0000' WHERE key = 'tax'": "make no sense",
        "UPDATE documents SET first = 0 WHERE name = '2.pdf'": "overlap",
        "INSERT INTO pages SELECT id, 7, '' FROM documents": "pages after its last",
        "UPDATE documents SET lengths = '\\x00' WHERE name = '1.pdf'": "make no sense",
    }
    with psycopg.connect(postgres.url) as db:
        from bakeoff.tasks.documents.index.postgres_check import problems_of

        for statement, says in harm.items():
            db.execute(f"SET LOCAL search_path = {corpus}, public")
            assert problems_of(db) == ()
            assert db.execute(statement).rowcount
            assert any(says in line for line in problems_of(db)), (statement, problems_of(db))
            db.rollback()
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        run(postgres, f"INSERT INTO {corpus}.chunks VALUES (99, 0, '', '', '', '')")
