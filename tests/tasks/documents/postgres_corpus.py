"""Fixtures for tests on the shared PostgreSQL server: a schema of the test's own, and a corpus in it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import psycopg
import pytest
from postgres_server import Server, shared_server
from store_documents import four_documents

from bakeoff.tasks.documents.index.store_postgres import PostgresStore

_number = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Server:
    return shared_server()


@pytest.fixture
def schema(postgres: Server) -> Iterator[str]:
    """The name of a schema of the test's own."""
    name = own_schema()
    yield name
    run(postgres, f"DROP SCHEMA IF EXISTS {name} CASCADE")


@pytest.fixture
def corpus(postgres: Server, schema: str) -> str:
    """The name of the schema of a corpus of four documents."""
    with PostgresStore(postgres.url, create=True, schema=schema) as store:
        four_documents(store)
    return schema


def own_schema() -> str:
    """A name that no other test has."""
    return f"test_{next(_number)}"


def run(postgres: Server, *statements: str) -> list[tuple[object, ...]]:
    """Run statements as the administrator; the rows of the last."""
    with psycopg.connect(postgres.url, autocommit=True) as db:
        for statement in statements:
            cursor = db.execute(statement)
        return cursor.fetchall() if cursor.description else []
