"""Workers are started, heard and never left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bakeoff.contract import Trial
from bakeoff.errors import RunError
from bakeoff.run import processes
from bakeoff.run.ledger import FolderError, Ledger
from bakeoff.run.processes import Pool, Worker
from bakeoff.study import parse_study

STUDY = parse_study("{study: mine, task: text, data: {source: x.csv}, approaches: [majority]}")
TRIAL = Trial("majority", 0)
SPEAKS = """
import json, os, sys, time
order = json.loads(sys.argv[1])
def say(text): os.write(order["events"], text.encode())
"""


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    made = Pool(Ledger.create(tmp_path / "runs", STUDY, "hash"))
    yield made
    made.stop()


@pytest.fixture
def started(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Worker]:
    """Starts a worker whose program is the given Python text instead of the real one."""
    real = subprocess.Popen

    def popen(command: list[str], **more: Any) -> Any:
        return real([sys.executable, "-c", SPEAKS + program[0], command[-1]], **more)

    program = [""]
    monkeypatch.setattr(processes.subprocess, "Popen", popen)

    def start(text: str) -> Worker:
        program[0] = text
        return pool.start(TRIAL, "trial", 1)

    return start


def heard(pool: Pool, seconds: float = 30) -> list[dict[str, Any]]:
    """Everything that is said until all workers have ended."""
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + seconds
    while pool.running and time.monotonic() < deadline:
        found += [dict(event) for _, event in pool.listen(0.1)]
    assert not pool.running
    return found


def test_what_a_worker_says_comes_in_order_and_its_end_last(pool: Pool, started: Callable[[str], Worker]) -> None:
    started("for i in range(200): say(json.dumps({'event': 'progress', 'fraction': i / 200}) + chr(10))\nsys.exit(7)")
    events = heard(pool)
    assert [e["fraction"] for e in events[:-1]] == [i / 200 for i in range(200)]
    assert events[-1] == {"event": "ended", "code": 7}


def test_what_is_no_event_is_passed_over(pool: Pool, started: Callable[[str], Worker]) -> None:
    started("say('nonsense\\n{\"event\": \"cut'); say(' off\\n'); say(json.dumps({'event': 'done'}) + chr(10) + '{\"event\": ')")
    assert heard(pool) == [{"event": "done"}, {"event": "ended", "code": 0}]


def test_a_line_without_end_does_not_fill_the_memory(pool: Pool, started: Callable[[str], Worker]) -> None:
    worker = started("[say('x' * 60_000) for _ in range(100)]; say(chr(10) + json.dumps({'event': 'done'}) + chr(10))")
    events = []
    while pool.running:
        events += [event for _, event in pool.listen(0.1)]
        assert len(worker.waiting) <= processes.LONGEST_LINE + 65536
    assert {"event": "done"} in events


def test_the_end_of_a_process_counts_though_its_child_holds_the_pipe(pool: Pool, started: Callable[[str], Worker]) -> None:
    worker = started(
        "child = os.fork()\nif not child: time.sleep(100_000)\nsay(json.dumps({'child': child}) + chr(10)); os._exit(3)"
    )
    events = heard(pool)
    assert events[-1] == {"event": "ended", "code": 3}
    child = events[0]["child"]
    deadline = time.monotonic() + 10
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    assert worker.process.returncode == 3


def test_a_worker_learns_that_the_bench_has_gone(pool: Pool, started: Callable[[str], Worker]) -> None:
    worker = started("say('{}' + chr(10)); os.read(order['alive'], 1); os._exit(75)")
    list(pool.listen(10))
    pool.stop()
    assert not pool.running and worker.process.returncode == 75


def test_what_does_not_leave_is_killed(pool: Pool, started: Callable[[str], Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "SECONDS_TO_LEAVE", 0.5)
    deaf = started(
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: say('{}' + chr(10)); time.sleep(0.01)"
    )
    list(pool.listen(10))
    pool.stop(deaf)
    assert not pool.running and deaf.process.returncode == -signal.SIGKILL


def test_a_long_log_keeps_its_end(pool: Pool, started: Callable[[str], Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LARGEST_LOG", 50_000)
    monkeypatch.setattr(processes, "LOG_KEPT", 1000)
    worker = started(
        "[print('line', i, flush=True) or time.sleep(0.00002) for i in range(30_000)]; say('{}' + chr(10)); print('the end')"
    )
    heard(pool)
    said = worker.log.read_text()
    assert said.endswith("the end\n") and len(said) < 400_000
    assert "was cut" in said.splitlines()[0]


def test_no_handle_is_left_open(pool: Pool, started: Callable[[str], Worker]) -> None:
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(5):
        started("pass")
        heard(pool)
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_a_worker_gets_its_threads_its_account_and_no_input(pool: Pool, started: Callable[[str], Worker]) -> None:
    started(
        "say(json.dumps({'in': sys.stdin.read(), 'run': os.environ['BAKEOFF_RUN'], 'omp': os.environ['OMP_NUM_THREADS'], "
        "'session': os.getsid(0) == os.getpid()}) + chr(10))"
    )
    said = heard(pool)[0]
    assert said == {"in": "", "run": pool._ledger.name, "omp": "1", "session": True}


def test_a_folder_that_cannot_be_written_is_a_problem_with_a_fix(pool: Pool) -> None:
    (pool._ledger.folder / "trials").write_text("no folder")
    with pytest.raises(RunError) as caught:
        pool.start(TRIAL, "trial", 1)
    assert caught.value.fix and not isinstance(caught.value, FolderError)
