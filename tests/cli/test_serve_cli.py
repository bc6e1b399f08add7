"""`bakeoff serve` as people and programs start it: real processes on real ports."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import httpx
import pytest

from bakeoff.cli.main import program
from bakeoff.cli.serve import _hold_to
from bakeoff.errors import BakeoffError
from bakeoff.models.threads import VARIABLES
from bakeoff.testing import sentences
from bakeoff.verbs import load_document, run_study

PROGRAM = [sys.executable, "-m", "bakeoff.cli.main", "serve"]
STUDY = """study: small
task: text
data: {source: small.csv, text: text, target: label}
approaches: [majority, {use: tfidf-linear, threads: 2}]
seeds: 1
timing: {single_items: 20, single_seconds: 0.3, batch_seconds: 0.3}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run."""
    made = tmp_path_factory.mktemp("serve")
    rows = ["text,label"] + [f'"{item.input}",{item.target}' for item in sentences(80)]
    (made / "small.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (made / "small.yaml").write_text(STUDY, encoding="utf-8")
    run_study(made / "small.yaml", runs=made / "runs")
    return made


class Started:
    """A server as it was started, and the first line that it printed."""

    def __init__(self, folder: Path, *arguments: str, stdin: Any = subprocess.DEVNULL, **variables: str) -> None:
        environment = {**{k: v for k, v in os.environ.items() if k != "BAKEOFF_THREADS"}, **variables}
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=folder,
            env=environment,
            text=True,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.first = self.process.stdout.readline()
        assert self.first, self.process.communicate()[1]

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture
def start(folder: Path) -> Iterator[Any]:
    made: list[Started] = []

    def started(*arguments: str, **more: Any) -> Started:
        made.append(Started(folder, *arguments, **more))
        return made[-1]

    yield started
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def test_one_line_of_json_then_answers_then_a_clean_end(start: Any) -> None:
    server = start("latest:tfidf-linear", "--port", "0", "--json")
    told = json.loads(server.first)
    assert set(told) == {"url", "models", "pid"}
    assert told["models"] == ["tfidf-linear"] and told["pid"] == server.process.pid
    reply = httpx.post(told["url"] + "/v1/answer", json={"items": ["The phone is great, number 3."]}).json()
    assert reply["answers"][0]["value"] == "positive"
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == (0, "", "")


def test_without_an_approach_the_choice_of_the_verdict_is_served_and_the_curl_line_works(folder: Path, start: Any) -> None:
    run = next((folder / "runs").glob("2*"))
    choice = json.loads((run / "verdict.json").read_text(encoding="utf-8"))["verdict"]["choice"]
    server = start("--port", "0")
    assert server.first.startswith(f"Serving {choice} at http://127.0.0.1:")
    line = server.process.stdout.readline().strip()
    words = shlex.split(line)
    assert words[:2] == ["try", "curl"]
    headers = dict([words[words.index("-H") + 1].split(": ")])
    reply = httpx.post(words[2], content=words[words.index("-d") + 1], headers=headers)
    assert reply.status_code == 200 and reply.json()["choices"][0]["message"]["content"] in ("negative", "positive")
    server.process.send_signal(signal.SIGINT)
    assert server.end()[0] == 0


def test_it_ends_when_the_program_that_started_it_has_gone(start: Any) -> None:
    server = start("latest:majority", "--port", "0", "--json", "--until-eof", stdin=subprocess.PIPE)
    assert httpx.get(json.loads(server.first)["url"] + "/healthz").status_code == 200
    server.process.stdin.close()
    server.process.stdin = None
    # As a bench does it: it lets go, and sends SIGTERM too. That is one wish, not two.
    server.process.send_signal(signal.SIGTERM)
    assert server.end()[0] == 0


def test_the_threads_are_those_of_the_study(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def held(*arguments: Any) -> str | None:
        for name in ("BAKEOFF_THREADS", *VARIABLES):
            monkeypatch.setenv(name, "")
            monkeypatch.delenv(name)
        _hold_to(*arguments, folder / "runs")
        assert os.environ["OMP_NUM_THREADS"] == os.environ["BAKEOFF_THREADS"]
        return os.environ["BAKEOFF_THREADS"]

    assert held(None, "latest:tfidf-linear") == "2"
    assert held(None, "latest:majority") == "1"
    choice = load_document("latest", runs=folder / "runs")[1].verdict.choice
    assert held(None, "latest") == ("2" if choice == "tfidf-linear" else "1")
    assert held(None, "smollm2-135m-instruct") == "1"
    assert held(3, "latest:majority") == "3"
    monkeypatch.setenv("BAKEOFF_THREADS", "5")
    _hold_to(None, "latest:majority", folder / "runs")
    assert os.environ["BAKEOFF_THREADS"] == "5"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("latest:majorty",), "no approach called 'majorty'"),
        (("nothing",), "no run 'nothing'"),
        (("nothing.gguf",), "nothing.gguf"),
        (("latest:majority", "--host", "0.0.0.0"), "can be reached from other machines"),
        (("latest:majority", "--token-env", "NO_SUCH_TOKEN"), "NO_SUCH_TOKEN is empty"),
    ],
)
def test_what_a_person_can_fix(folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(BakeoffError, match=re.escape(says)) as refused:
        program.main(["serve", *arguments], standalone_mode=False)
    assert refused.value.fix


def test_a_port_that_is_taken_is_two_lines(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = subprocess.run(
            [*PROGRAM, "latest:majority", "--port", port], cwd=folder, text=True, capture_output=True, timeout=60
        )
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 2 and f"Port {port} of 127.0.0.1 is taken" in lines[0] and "--port" in lines[1]


@pytest.mark.parametrize("arguments", [("--port", "70000"), ("--max-batch", "0"), ("--windw-ms", "2"), ("a", "b")])
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError):
        program.main(["serve", *arguments], standalone_mode=False)


def test_sigterm_under_load_with_a_saved_approach(start: Any) -> None:
    server = start("latest:tfidf-linear", "--port", "0", "--json")
    url = json.loads(server.first)["url"]
    outcomes: list[int | str] = []

    def ask() -> None:
        with httpx.Client(timeout=30) as client:
            while True:
                try:
                    outcomes.append(client.post(url + "/v1/answer", json={"items": ["good"] * 5}).status_code)
                except httpx.ConnectError:
                    return
                except httpx.HTTPError as error:
                    outcomes.append(type(error).__name__)

    askers = [threading.Thread(target=ask) for _ in range(6)]
    for asker in askers:
        asker.start()
    while len(outcomes) < 30:
        threading.Event().wait(0.01)
    server.process.send_signal(signal.SIGTERM)
    for asker in askers:
        asker.join(60)
    assert server.end()[0] == 0
    assert set(outcomes) == {200}
