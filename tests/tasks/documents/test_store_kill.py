"""Kill a writer anywhere: the corpus is as before or as after the change it was making, and nothing that it had finished is lost.

A child makes the same changes each time (see `CHANGES`) and says so after each. It is ended in one of three ways:

- *step*: SIGKILL at a given instruction of SQLite's own machine, inside a change;
- *time*: SIGKILL from outside after a given time, wherever it is then;
- *byte*: the system ends it (SIGXFSZ) in the middle of a write, where a file passes a given size: pages of the log and of the file are torn.

Children are forked from one warm process, so that a point costs some tens of milliseconds. Run as a program, this file is that process.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.register_assert_rewrite("store_documents")
sys.path.insert(0, str(Path(__file__).parent))  # when run as a program by another name
from store_documents import as_bytes, made  # noqa: E402

from bakeoff.tasks.documents.index import postings  # noqa: E402
from bakeoff.tasks.documents.index.store_schema import FILE  # noqa: E402
from bakeoff.tasks.documents.index.store_sqlite import SqliteStore  # noqa: E402
from bakeoff.tasks.documents.records import EVERYTHING  # noqa: E402

SECRET = "canary-of-the-removed"
SECRET_DOCUMENT = replace(made("b.pdf", 1, pages=4), terms=tuple((SECRET, "tax") for _ in range(7)))

CHANGES: tuple[Callable[[SqliteStore], object], ...] = (
    lambda store: made("new.pdf", 50, pages=9, readers=frozenset({"anna"})).into(store),
    lambda store: made("c.pdf", 51, pages=7).into(store),
    lambda store: store.set_readers("a.pdf", frozenset({"carl", "board"})),
    lambda store: store.remove("b.pdf"),
    lambda store: store.purge(),
    lambda store: store.set_settings({"threshold": "0.75", "embedder": "other"}),
    lambda store: made("d.pdf", 52, pages=2).into(store),
    lambda store: store.remove("new.pdf"),
    lambda store: store.purge(),
)


def base(folder: Path) -> None:
    with SqliteStore(folder, create=True) as store:
        for name, seed in (("a.pdf", 0), ("c.pdf", 2), ("d.pdf", 3)):
            made(name, seed, pages=5).into(store)
        SECRET_DOCUMENT.into(store)
        store.set_settings({"embedder": "one"})


def digest(folder: Path) -> str:
    """A hash of all that a corpus holds, whatever numbers its rows have."""
    with SqliteStore(folder) as store:
        assert store.check() == ()
        told = hashlib.sha256(as_bytes(store, EVERYTHING, limit=1000))
        told.update(json.dumps(sorted(store.settings().items())).encode())
    with closing(sqlite3.connect(folder / FILE)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        documents = db.execute("SELECT * FROM documents ORDER BY name").fetchall()
        firsts = {}
        for id, name, *facts, _changed, first, count, dimensions, lengths, standing, terms in documents:
            chunks = db.execute(
                "SELECT id - ?1, kind, text, context, pieces, tables, figure FROM chunks WHERE id BETWEEN ?1 AND ?1 + ?2 - 1 ORDER BY id",
                (first, count),
            ).fetchall()
            vectors = db.execute(
                "SELECT id - ?1, data FROM vectors WHERE id BETWEEN ?1 AND ?1 + ?2 - 1 ORDER BY id", (first, count)
            ).fetchall()
            pages = db.execute("SELECT number, data FROM pages WHERE document = ? ORDER BY number", (id,)).fetchall()
            readers = db.execute("SELECT principal FROM readers WHERE document = ? ORDER BY 1", (id,)).fetchall()
            told.update(
                repr((name, facts, count, dimensions, lengths, standing, terms, chunks, vectors, pages, readers)).encode()
            )
            firsts.update({first + i: (name, i) for i in range(count)})
        for (term,) in db.execute("SELECT DISTINCT term FROM postings ORDER BY term").fetchall():
            numbers, times = postings.read_term(db, term)
            told.update(
                repr((term, sorted((firsts[n], t) for n, t in zip(numbers.tolist(), times.tolist(), strict=True)))).encode()
            )
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
        print(
            json.dumps({"done": done, "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, "exit": status}), flush=True
        )


def work(order: dict[str, Any], write: int) -> None:
    folder, at = Path(order["folder"]), order["at"]
    if order["way"] == "byte":
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (at, at))
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        if steps == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    store = SqliteStore(folder, create=order.get("create", False), busy_seconds=5)
    if order["way"] in ("step", "count"):
        store._open_writer().set_progress_handler(step, 1)
    for change in CHANGES[order.get("first", 0) :]:
        change(store)
        os.write(write, b".")
    store.close()
    if order["way"] == "count":
        Path(order["count"]).write_text(str(steps))


@pytest.fixture(scope="module")
def forked() -> Iterator[Callable[..., dict[str, Any]]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    server = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert server.stdin and server.stdout

    def ask(**order: Any) -> dict[str, Any]:
        assert server.stdin and server.stdout
        server.stdin.write(json.dumps(order) + "\n")
        server.stdin.flush()
        return dict(json.loads(server.stdout.readline()))

    yield ask
    server.stdin.close()
    server.wait(30)
    server.stdout.close()


@pytest.fixture(scope="module")
def story(forked: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the corpus holds after each number of changes, and how long, how many steps and how many bytes all of them take."""
    folder = tmp_path_factory.mktemp("story")
    base(folder / "base")
    shutil.copytree(folder / "base", folder / "walked")
    states = [digest(folder / "walked")]
    for change in CHANGES:
        with SqliteStore(folder / "walked") as store:
            change(store)
        states.append(digest(folder / "walked"))
    shutil.copytree(folder / "base", folder / "counted")
    told = forked(folder=str(folder / "counted"), way="count", at=-1, count=str(folder / "steps"))
    assert told == {"done": len(CHANGES), "signal": 0, "exit": 0}
    assert digest(folder / "counted") == states[-1]
    # Purging changes nothing that can be asked; every other change does.
    assert [one == other for one, other in itertools.pairwise(states)] == [n in (4, 8) for n in range(len(CHANGES))]
    shutil.copytree(folder / "base", folder / "timed")
    started = time.monotonic()
    forked(folder=str(folder / "timed"), way="none", at=0)
    return {
        "base": folder / "base",
        "states": states,
        "steps": int((folder / "steps").read_text()),
        "seconds": time.monotonic() - started,
    }


def kill_at_points(
    points: int, seed: int, forked: Callable[..., dict[str, Any]], story: dict[str, Any], folder: Path, least: int = 0
) -> Counter[str]:
    """End the writer at so many points; what they were, and what was found: 'before' or 'after' the change under way.

    More points follow, up to twice as many, until `least` were ended by SIGKILL: on a machine that was busier when the story was timed than it
    is now, a kill by the clock comes too late.
    """
    rng = np.random.default_rng(seed)
    states, found, seconds = story["states"], Counter[str](), story["seconds"]
    for n in range(2 * points):
        if n >= points and found["by SIGKILL"] >= least:
            break
        way = ("step", "time", "byte", "step", "time")[n % 5]
        at: float = {
            "step": int(rng.integers(1, story["steps"])),
            "time": float(rng.random() * seconds),
            "byte": int(rng.integers(33_000, 700_000)),  # below, the file that processes share cannot be made, and nothing begins
        }[way]
        here = folder / f"point {n}"
        shutil.copytree(story["base"], here)
        told = forked(folder=str(here), way=way, at=at)
        done, what = told["done"], f"{way} {at}: {told}"
        assert told["signal"] in (0, {"byte": signal.SIGXFSZ}.get(way, signal.SIGKILL)) and not (
            told["exit"] and not told["signal"]
        ), what
        now = digest(here)
        if not told["signal"]:
            assert done == len(CHANGES) and now == states[-1], what
            found[f"{way}: was through"] += 1
            seconds *= 0.9 if way == "time" else 1.0
            continue
        assert now in states[done : done + 2], what
        after = now == states[min(done + 1, len(CHANGES))]
        found[f"{way}: {'purging' if done in (4, 8) else 'after' if after else 'before'}"] += 1
        found[f"in change {done}"] += 1
        found["by SIGKILL" if told["signal"] == signal.SIGKILL else "by SIGXFSZ"] += 1
        # It can go on from there as if nothing had happened, and what was removed does not come back by a half purge.
        with SqliteStore(here) as store:
            for change in CHANGES[done:]:
                change(store)
            assert not store.needs_purge
            assert not any(SECRET.encode() in path.read_bytes() for path in here.iterdir()), what
        assert digest(here) == states[-1], what
        shutil.rmtree(here)
    return found


def test_30_points(forked: Callable[..., dict[str, Any]], story: dict[str, Any], tmp_path: Path) -> None:
    found = kill_at_points(30, 0, forked, story, tmp_path, least=15)
    assert found["by SIGKILL"] >= 15 and found["by SIGXFSZ"] >= 2, found


@pytest.mark.slow
def test_200_points(forked: Callable[..., dict[str, Any]], story: dict[str, Any], tmp_path: Path) -> None:
    found = kill_at_points(320, 1, forked, story, tmp_path, least=200)
    print(json.dumps(found, sort_keys=True))
    assert found["by SIGKILL"] >= 200 and {f"in change {n}" for n in (0, 1, 3, 4, 6, 7, 8)} <= set(found), found
    assert min(found[f"{way}: before"] for way in ("step", "time", "byte")) >= 10, found


def test_killed_while_a_corpus_is_made(forked: Callable[..., dict[str, Any]], story: dict[str, Any], tmp_path: Path) -> None:
    """No corpus, an empty one, or one with whole changes: never a folder that cannot be used."""
    rng = np.random.default_rng(2)
    for n in range(8):
        here = tmp_path / f"new {n}"
        way, at = (("time", float(rng.random() * 0.02)), ("byte", int(rng.integers(1, 40_000))))[n % 2]
        told = forked(folder=str(here), way=way, at=at, create=True, first=len(CHANGES))
        assert told["signal"] in (0, signal.SIGKILL, signal.SIGXFSZ), (way, at, told)
        with SqliteStore(here, create=True) as store:
            assert store.check() == () and list(store.documents()) == []
            made("a.pdf", 0).into(store)
        with SqliteStore(here) as store:
            assert [facts.name for facts in store.documents()] == ["a.pdf"]


if __name__ == "__main__":
    serve()
