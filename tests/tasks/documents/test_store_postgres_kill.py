"""Kill the writing client, or the server under it, anywhere: the corpus is as before or as after the change, and nothing that was finished is lost.

A child makes the same changes each time (see `CHANGES`) and says so after each. The client is ended by SIGKILL in one of two ways: *step*, at a given call
inside the client library, between any two messages of the protocol; *time*, from outside after a given time. The server is ended by SIGKILL of all its
processes, or by its own immediate stop (SIGQUIT), after a given time; it then recovers from its log.

Children are forked from one warm process. Run as a program, this file is that process.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import psycopg
import pytest

pytest.register_assert_rewrite("store_documents")
sys.path.insert(0, str(Path(__file__).parent))  # when run as a program by another name
from postgres_server import Server, server  # noqa: E402
from store_documents import as_bytes, made  # noqa: E402

from bakeoff.errors import RunError  # noqa: E402
from bakeoff.tasks.documents.index import postings  # noqa: E402
from bakeoff.tasks.documents.index.store_postgres import PostgresStore  # noqa: E402
from bakeoff.tasks.documents.records import EVERYTHING  # noqa: E402

CHANGES: tuple[Callable[[PostgresStore], object], ...] = (
    lambda store: made("new.pdf", 50, pages=9, readers=frozenset({"anna"})).into(store),
    lambda store: made("c.pdf", 51, pages=7).into(store),
    lambda store: store.set_readers("a.pdf", frozenset({"carl", "board"})),
    lambda store: store.remove("b.pdf"),
    lambda store: store.set_settings({"threshold": "0.75", "embedder": "other"}),
    lambda store: made("d.pdf", 52, pages=2).into(store),
    lambda store: store.remove("new.pdf"),
    lambda store: store.purge(),
)
ASKED = (
    "SELECT d.name, d.key, d.sha256, d.title, d.pages, d.notes, d.meta, d.restricted, d.count, d.dimensions, d.lengths, d.standing, d.terms"
    " FROM documents d ORDER BY name",
    "SELECT d.name, p.number, p.data FROM pages p FULL JOIN documents d ON d.id = p.document ORDER BY 1, 2",
    "SELECT d.name, c.ordinal, c.kind, c.text, c.context, c.pieces, c.tables, c.figure FROM chunks c FULL JOIN documents d ON d.id = c.document ORDER BY 1, 2",
    "SELECT d.name, v.ordinal, v.embedding::text FROM vectors v FULL JOIN documents d ON d.id = v.document ORDER BY 1, 2",
    "SELECT d.name, r.principal FROM readers r FULL JOIN documents d ON d.id = r.document ORDER BY 1, 2",
    "SELECT * FROM settings ORDER BY 1",
)
GONE = 3
"""How a child says that the server went away under it."""


def base(url: str, schema: str) -> None:
    with PostgresStore(url, schema=schema, create=True) as store:
        for i, name in enumerate(("a.pdf", "b.pdf", "c.pdf", "d.pdf")):
            made(name, i, pages=5).into(store)
        store.set_settings({"embedder": "one"})


def digest(url: str, schema: str) -> str:
    """A hash of all that a corpus holds, whatever numbers its rows have."""
    with PostgresStore(url, schema=schema) as store:
        assert store.check() == ()
        told = hashlib.sha256(as_bytes(store, EVERYTHING, limit=1000))
    with psycopg.connect(url) as db:
        db.execute(f"SET search_path = {schema}, public")
        for question in ASKED:
            told.update(repr(db.execute(question).fetchall()).encode())
        numbers = {
            first + i: (name, i)
            for name, first, count in db.execute("SELECT name, first, count FROM documents")
            for i in range(count)
        }
        for (key,) in db.execute("SELECT DISTINCT key FROM postings ORDER BY 1").fetchall():
            rows = db.execute("SELECT shelf, data FROM postings WHERE key = %s", (key,)).fetchall()
            found = zip(*(each.tolist() for each in postings.unpack(rows)), strict=True)
            told.update(repr((key, sorted((numbers[n], times) for n, times in found))).encode())
    return told.hexdigest()


# The process that is forked from


def serve() -> None:
    """Read one order a line, fork, let the child work and end as ordered, and say how it ended and what it had finished."""
    for line in sys.stdin:
        order = json.loads(line)
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            try:
                work(order, write)
            except RunError:
                os._exit(GONE)
            except BaseException:
                import traceback

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        os.close(write)
        if order["way"] == "time":
            time.sleep(order["at"])
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        with os.fdopen(read, "rb") as pipe:
            done = len(pipe.read())
        ended = {"done": done, "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}
        print(json.dumps({**ended, "exit": 0 if ended["signal"] else os.WEXITSTATUS(status)}), flush=True)


def work(order: dict[str, Any], write: int) -> None:
    steps, at = 0, order["at"]

    def step(frame: FrameType, event: str, what: Any) -> None:
        nonlocal steps
        if "psycopg" in frame.f_code.co_filename:
            steps += 1
            if steps == at:
                os.kill(os.getpid(), signal.SIGKILL)

    store = PostgresStore(order["url"], schema=order["schema"], busy_seconds=10)
    if order["way"] in ("step", "count"):
        sys.setprofile(step)
    for change in CHANGES[order.get("first", 0) :]:
        change(store)
        os.write(write, b".")
    sys.setprofile(None)
    store.close()
    if order["way"] == "count":
        Path(order["count"]).write_text(str(steps))


@dataclass
class Forked:
    process: subprocess.Popen[str]

    def send(self, **order: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def told(self) -> dict[str, Any]:
        assert self.process.stdout
        return dict(json.loads(self.process.stdout.readline()))


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture(scope="module")
def forked(postgres: Server) -> Iterator[Forked]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    yield Forked(process)
    assert process.stdin and process.stdout
    process.stdin.close()
    process.wait(30)
    process.stdout.close()


@pytest.fixture(scope="module")
def story(postgres: Server, forked: Forked, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the corpus holds after each number of changes, and how many steps and how much time all of them take."""
    base(postgres.url, "walked")
    states = [digest(postgres.url, "walked")]
    for change in CHANGES:
        with PostgresStore(postgres.url, schema="walked") as store:
            change(store)
        states.append(digest(postgres.url, "walked"))
    # Purging changes nothing that can be asked; every other change does.
    assert [one == other for one, other in itertools.pairwise(states)] == [n == len(CHANGES) - 1 for n in range(len(CHANGES))]
    count = tmp_path_factory.mktemp("story") / "steps"
    base(postgres.url, "counted")
    forked.send(url=postgres.url, schema="counted", way="count", at=-1, count=str(count))
    assert forked.told() == {"done": len(CHANGES), "signal": 0, "exit": 0}
    assert digest(postgres.url, "counted") == states[-1]
    base(postgres.url, "timed")
    started = time.monotonic()
    forked.send(url=postgres.url, schema="timed", way="none", at=0)
    forked.told()
    return {"states": states, "steps": int(count.read_text()), "seconds": time.monotonic() - started}


def settle(url: str) -> None:
    """Wait until the server has noticed that a killed client is gone, and ended or undone what it was doing for it."""
    with psycopg.connect(url, autocommit=True) as db:
        others = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        while db.execute(others).fetchone() != (0,):
            time.sleep(0.005)


def look(url: str, schema: str, told: dict[str, Any], states: list[str], what: str) -> str:
    """Compare what is there with what must be, then go on from there as if nothing had happened."""
    done = told["done"]
    now = digest(url, schema)
    assert now in states[done : done + 2], what
    with PostgresStore(url, schema=schema) as store:
        for change in CHANGES[done:]:
            change(store)
        assert not store.needs_purge
    assert digest(url, schema) == states[-1], what
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"DROP SCHEMA {schema} CASCADE")
    return "purging" if done == len(CHANGES) - 1 else "before" if now == states[done] else "after"


def kill_the_client(points: int, seed: int, postgres: Server, forked: Forked, story: dict[str, Any], least: int) -> Counter[str]:
    """At so many points, and more (up to twice as many) until `least` were killed before the story had ended by itself."""
    rng = np.random.default_rng(seed)
    found, seconds = Counter[str](), story["seconds"]
    for n in range(2 * points):
        if n >= points and found["killed"] >= least:
            break
        way = ("step", "step", "time")[n % 3]
        at = int(rng.integers(1, story["steps"])) if way == "step" else float(rng.random() * seconds)
        schema = f"client_{seed}_{n}"
        base(postgres.url, schema)
        forked.send(url=postgres.url, schema=schema, way=way, at=at)
        told = forked.told()
        what = f"{way} {at}: {told}"
        assert told["exit"] == 0 and (told["signal"] == signal.SIGKILL or told["done"] == len(CHANGES)), what
        settle(postgres.url)
        if not told["signal"]:
            told["done"] -= 1
            seconds *= 0.9 if way == "time" else 1.0
        found[f"{way}: {look(postgres.url, schema, told, story['states'], what)}"] += 1
        found["killed"] += bool(told["signal"])
        found[f"in change {told['done']}"] += 1
    return found


def test_20_points_of_the_client(postgres: Server, forked: Forked, story: dict[str, Any]) -> None:
    found = kill_the_client(20, 0, postgres, forked, story, least=15)
    assert found["killed"] >= 15 and found["step: before"] >= 5, found


@pytest.mark.slow
def test_100_points_of_the_client(postgres: Server, forked: Forked, story: dict[str, Any]) -> None:
    found = kill_the_client(100, 1, postgres, forked, story, least=85)
    print(json.dumps(found, sort_keys=True))
    assert found["killed"] >= 85 and {f"in change {n}" for n in (0, 1, 3, 5, 6, 7)} <= set(found), found


def kill_the_server(points: int, seed: int, postgres: Server, forked: Forked, story: dict[str, Any], least: int) -> Counter[str]:
    """As `kill_the_client`, of the server; the clock is the only way in."""
    rng = np.random.default_rng(seed)
    found, seconds = Counter[str](), story["seconds"]
    for n in range(3 * points):
        if n >= points and found["ended"] >= least:
            break
        schema, how = f"server_{seed}_{n}", (signal.SIGKILL, signal.SIGQUIT)[n % 2]
        base(postgres.url, schema)
        open_all_along = PostgresStore(postgres.url, schema=schema)
        at = float(rng.random() * seconds)
        forked.send(url=postgres.url, schema=schema, way="none", at=0)
        time.sleep(at)
        postgres.end(how)
        told = forked.told()
        what = f"{how.name} {at}: {told}"
        assert told["signal"] == 0 and (told["exit"] == GONE or told["done"] == len(CHANGES)), what
        postgres.start()
        found["ended"] += told["exit"] == GONE
        seconds *= 1.0 if told["exit"] == GONE else 0.85
        told["done"] = min(told["done"], len(CHANGES) - 1)
        told_again = as_bytes(open_all_along, EVERYTHING)  # its connection is made again
        with PostgresStore(postgres.url, schema=schema) as new:
            assert as_bytes(new, EVERYTHING) == told_again
        open_all_along.close()
        found[look(postgres.url, schema, told, story["states"], what)] += 1
    return found


def test_5_points_of_the_server(postgres: Server, forked: Forked, story: dict[str, Any]) -> None:
    found = kill_the_server(5, 0, postgres, forked, story, least=3)
    assert found["ended"] >= 3, found


@pytest.mark.slow
def test_30_points_of_the_server(postgres: Server, forked: Forked, story: dict[str, Any]) -> None:
    found = kill_the_server(30, 1, postgres, forked, story, least=20)
    print(json.dumps(found, sort_keys=True))
    assert found["ended"] >= 20 and found["before"] >= 5, found


if __name__ == "__main__":
    serve()
