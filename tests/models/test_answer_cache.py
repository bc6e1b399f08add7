"""The cache of endpoint answers: what is kept stays, for everybody, and trouble with the file is explained."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bakeoff.errors import BakeoffError
from bakeoff.models.answer_cache import AnswerCache, StoredAnswer, answer_key

KEY = answer_key("http://h/v1", "m", {"messages": []}, 0)


def stored(text: str = "positive") -> StoredAnswer:
    return StoredAnswer({"choices": [{"message": {"content": text}}]}, 12, 3, "reported", 0.25, 0.125, 0.5, 1, 1_700_000_000.0)


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A Python process that runs `code` with the cache module imported."""
    head = "import sys, threading\nfrom bakeoff.models.answer_cache import *\n"
    return subprocess.Popen([sys.executable, "-c", head + code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def test_an_answer_comes_back_as_it_was_kept(home: Path) -> None:
    cache = AnswerCache()
    assert cache.get(KEY) is None
    cache.put(KEY, stored())
    cache.close()
    assert AnswerCache().get(KEY) == stored()
    assert (home / "answers.sqlite").stat().st_mode & 0o077 == 0


def test_the_first_answer_stays() -> None:
    cache = AnswerCache()
    cache.put(KEY, stored("first"))
    cache.put(KEY, stored("second"))
    assert cache.get(KEY) == stored("first")
    assert len(cache) == 1


def test_text_that_sqlite_or_utf8_cannot_hold_is_kept() -> None:
    cache = AnswerCache()
    cache.put(KEY, stored("\x00 \ud800 ☃"))
    kept = cache.get(KEY)
    assert kept is not None
    assert kept.body["choices"][0]["message"]["content"] == "\x00 \ud800 ☃"


def test_the_address_is_the_whole_question_and_nothing_else() -> None:
    body = {"messages": [{"role": "user", "content": "é"}], "max_tokens": 4}
    shuffled = dict(reversed(body.items()))
    base = answer_key("http://h/v1", "m", body, 0)
    assert len(base) == 64
    assert base == answer_key("http://h/v1", "m", shuffled, 0)
    others = [
        answer_key("http://g/v1", "m", body, 0),
        answer_key("http://h/v1", "n", body, 0),
        answer_key("http://h/v1", "m", body | {"max_tokens": 5}, 0),
        answer_key("http://h/v1", "m", body, 1),
    ]
    assert len({base, *others}) == 5


def test_processes_and_threads_write_at_once(home: Path) -> None:
    code = """
cache = AnswerCache()
def write(thread):
    for n in range(10):
        key = answer_key("u", "m", {"n": n, "t": thread, "p": sys.argv[1]}, 0)
        cache.put(key, StoredAnswer({"n": n}, 1, 1, "reported", 0.1, None, None, 1, 0.0))
        payment = cache.reserve("run", key, 10, None)
        cache.settle(payment, 7)
threads = [threading.Thread(target=write, args=(t,)) for t in range(2)]
[t.start() for t in threads]; [t.join() for t in threads]
"""
    writers = [child(code, number) for number in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    for writer in writers:
        writer.communicate()
    assert len(AnswerCache()) == 60
    assert AnswerCache().spent_nano("run") == 60 * 7


def test_a_reservation_counts_until_it_is_settled_and_a_ceiling_holds() -> None:
    cache = AnswerCache()
    first = cache.reserve("run", KEY, 60, 100)
    assert first is not None
    assert cache.reserve("run", KEY, 41, 100) is None
    assert cache.reserve("other", KEY, 41, 100) is not None
    cache.settle(first, 10)
    assert cache.spent_nano("run") == 10
    cache.settle(first, 0)  # a payment is settled once
    assert cache.spent_nano("run") == 10
    second = cache.reserve("run", KEY, 90, 100)
    assert second is not None
    cache.put(KEY, stored(), payment=second, nano=25)
    assert cache.spent_nano("run") == 35
    assert cache.spent_usd("run") == pytest.approx(35e-9)


def test_what_was_set_aside_by_a_killed_process_stays_set_aside() -> None:
    process = child("AnswerCache().reserve('run', 'k', 70, 100); print('set', flush=True); threading.Event().wait()")
    assert process.stdout is not None
    assert process.stdout.readline() == "set\n"
    process.kill()
    process.communicate()
    assert AnswerCache().spent_nano("run") == 70
    assert AnswerCache().reserve("run", KEY, 31, 100) is None


def test_one_thread_at_a_time_fetches_an_answer() -> None:
    cache = AnswerCache()
    cache.get(KEY)
    inside, most = [0], [0]
    guard = threading.Lock()

    def fetch() -> None:
        with cache.alone(KEY, stop=threading.Event(), patience=20):
            with guard:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            time.sleep(0.01)
            with guard:
                inside[0] -= 1

    threads = [threading.Thread(target=fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_killed_process_lets_go_of_its_key_at_once() -> None:
    process = child(
        """
cache = AnswerCache(); cache.get('x')
with cache.alone(sys.argv[1], stop=threading.Event(), patience=5):
    print('held', flush=True); threading.Event().wait()
""",
        KEY,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    cache = AnswerCache()
    cache.get(KEY)
    entered = threading.Event()

    def fetch() -> None:
        with cache.alone(KEY, stop=threading.Event(), patience=60):
            entered.set()

    waiting = threading.Thread(target=fetch)
    waiting.start()
    assert not entered.wait(0.3)
    with cache.alone("f" * 64, stop=threading.Event(), patience=0.5):
        pass  # another key is free meanwhile
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert entered.wait(20)
    waiting.join()


def test_waiting_for_a_key_ends_when_the_run_is_stopped() -> None:
    cache, stop = AnswerCache(), threading.Event()
    cache.get(KEY)
    with cache.alone(KEY, stop=threading.Event(), patience=1):
        stop.set()
        with cache.alone(KEY, stop=stop, patience=1000):
            pass


def test_a_file_that_is_no_database(home: Path) -> None:
    home.mkdir()
    (home / "answers.sqlite").write_bytes(b"not a database, but long enough to be looked at as one" * 40)
    with pytest.raises(BakeoffError, match="damaged") as caught:
        AnswerCache().get(KEY)
    assert "mv " in caught.value.fix


def test_a_file_that_was_cut(home: Path) -> None:
    cache = AnswerCache()
    for number in range(200):
        cache.put(answer_key("u", "m", {"n": number}, 0), stored("x" * 500))
    cache.close()
    file = home / "answers.sqlite"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(BakeoffError, match="damaged"):
        for number in range(200):
            AnswerCache().get(answer_key("u", "m", {"n": number}, 0))


def test_an_answer_that_was_spoilt(home: Path) -> None:
    AnswerCache().put(KEY, stored())
    with sqlite3.connect(home / "answers.sqlite") as db:
        db.execute("UPDATE answers SET body = '{'")
    db.close()
    with pytest.raises(BakeoffError, match="damaged"):
        AnswerCache().get(KEY)


def test_a_file_that_another_program_holds(home: Path) -> None:
    AnswerCache().put(KEY, stored())
    other = sqlite3.connect(home / "answers.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    cache = AnswerCache(wait_seconds=0.1)
    assert cache.get(KEY) == stored()
    with pytest.raises(BakeoffError, match="locked") as caught:
        cache.put("b" * 64, stored())
    assert caught.value.fix
    other.execute("ROLLBACK")
    other.close()
    cache.put("b" * 64, stored())


def test_a_full_disk_keeps_what_was_kept() -> None:
    cache = AnswerCache()
    cache.put(KEY, stored())
    # SQLite's own limit on pages gives the error of a full disk.
    cache._open().execute("PRAGMA max_page_count = 1")
    with pytest.raises(BakeoffError, match="full"):
        for number in range(50):
            cache.put(answer_key("u", "m", {"n": number}, 0), stored("x" * 4000))
    assert cache.get(KEY) == stored()
    cache.close()
    assert AnswerCache().get(KEY) == stored()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "answers.sqlite", tmp_path / "folder"):
        with pytest.raises(BakeoffError) as caught:
            AnswerCache(path).put(KEY, stored())
        assert caught.value.fix


def test_a_read_only_file_is_named(home: Path) -> None:
    cache = AnswerCache()
    cache.put(KEY, stored())
    cache._open().execute("PRAGMA query_only = ON")
    with pytest.raises(BakeoffError, match="cannot be written"):
        cache.put("b" * 64, stored())


def test_a_file_of_a_newer_program(home: Path) -> None:
    AnswerCache().put(KEY, stored())
    with sqlite3.connect(home / "answers.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(BakeoffError, match="newer"):
        AnswerCache().get(KEY)


def test_nothing_but_answers_and_figures_is_stored(home: Path) -> None:
    AnswerCache().put(KEY, stored())
    with sqlite3.connect(home / "answers.sqlite") as db:
        tables = {
            name: [row[1] for row in db.execute(f"PRAGMA table_info({name})")]
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        row = db.execute("SELECT body FROM answers").fetchone()
    db.close()
    assert set(tables) == {"answers", "payments", "accounts"}
    assert json.loads(row[0]) == stored().body


def test_what_is_written_reaches_the_disk_before_put_returns() -> None:
    cache = AnswerCache()
    db = cache._open()
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
