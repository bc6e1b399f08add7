"""The command line as people and programs use it: help, exit codes, JSON, pipes, terminals and strange folders."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bakeoff.cli.main import VERBS
from bakeoff.testing import sentences

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "verdict.schema.json"
STUDY = """study: small
question: Good or bad?
task: text
data: {source: small.csv, text: text, target: label}
approaches: [majority, tfidf-linear]
seeds: 1
timing: {single_items: 20, single_seconds: 0.3, batch_seconds: 0.3}
"""
COLOUR = re.compile(rb"\x1b\[([0-9;]*;)?(3[0-7]|9[0-7]|4[0-7]|38;|48;)")
PROGRAM = [sys.executable, "-m", "bakeoff"]


def write_study(folder: Path, text: str = STUDY) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["text,label"] + [f'"{item.input}",{item.target}' for item in sentences(80)]
    (folder / "small.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "small.yaml").write_text(text, encoding="utf-8")
    return folder


def bakeoff(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    return subprocess.run(
        [*PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, env={**environment, **variables}, timeout=200
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A folder whose name is trouble, and a finished run in it."""
    folder = write_study(tmp_path_factory.mktemp("cli") / "my data [bold] ünïcode 数据 'q'")
    return folder, bakeoff("run", "small.yaml", folder=folder, BAKEOFF_HOME=str(folder / "home"))


# -- help and wrong usage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [(), *((verb,) for verb in VERBS), ("assets", "pull"), ("assets", "check"), ("assets", "list")]
)
def test_every_command_has_help(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = bakeoff(*arguments, "--help", folder=tmp_path, COLUMNS="80")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("Usage: ") and "--help" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    if not arguments:
        assert all(verb in done.stdout for verb in VERBS)


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("rnu", "sentiment"), "'run'"),
        (("decid",), "'decide'"),
        (("run", "small.yaml", "--ressume"), "--resume"),
        (("decide", "--limits", "x"), "--limit"),
        (("show",), "NAME"),
        (("run", "a", "b"), "unexpected"),
        (("run", "small.yaml", "--workers", "0"), "--workers"),
        (("run", "small.yaml", "--seeds", "many"), "--seeds"),
        (("list", "runz"), "'runs'"),
        (("assets", "pul"), "'pull'"),
        (("decide", "--volume", "-1"), "--volume"),
    ],
)
def test_wrong_usage_is_answered_with_what_is_near(tmp_path: Path, arguments: tuple[str, ...], near: str) -> None:
    done = bakeoff(*arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert near in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_version(tmp_path: Path) -> None:
    from bakeoff import __version__

    assert bakeoff("--version", folder=tmp_path).stdout == f"bakeoff, version {__version__}\n"


# -- a run ----------------------------------------------------------------------------------------------------------


def test_a_run_ends_with_verdict_table_and_paths(ran: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = ran
    assert done.returncode == 0, done.stderr
    assert "tfidf-linear" in done.stdout and "majority" in done.stdout
    report = re.search(r"^Report  (.+)$", done.stdout, re.MULTILINE)
    memo = re.search(r"^Memo    (.+)$", done.stdout, re.MULTILINE)
    assert report and memo and (folder / report[1]).is_file() and (folder / memo[1]).is_file()
    assert report[1].startswith("runs/")
    assert "\x1b" not in done.stdout + done.stderr
    assert ": done" in done.stderr


def test_json_is_one_valid_document_and_nothing_else(ran: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = ran
    for arguments in (
        ("run", "small.yaml", "--json", "--approaches", "majority"),
        ("decide", "--json"),
        ("decide", "--json", "--volume", "5"),
    ):
        done = bakeoff(*arguments, folder=folder)
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
        assert Path(document["run"], "verdict.json").is_file() and Path(document["report"]).is_file()


def test_what_a_json_error_looks_like(tmp_path: Path) -> None:
    done = bakeoff("run", "small.yaml", "--json", folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "") and len(done.stderr.splitlines()) == 2


def test_quiet_says_nothing_on_standard_error(ran: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = ran
    done = bakeoff("run", "small.yaml", "--quiet", "--approaches", "majority", "--seeds", "1", folder=folder)
    assert done.returncode == 0 and done.stderr == "" and "Report" in done.stdout


# -- deciding again, listing, showing -------------------------------------------------------------------------------


@pytest.fixture
def first(ran: tuple[Path, subprocess.CompletedProcess[str]]) -> tuple[Path, str]:
    """The folder, and the path of the run of both approaches."""
    folder, done = ran
    found = re.search(r"^Report  (.+)/report.html$", done.stdout, re.MULTILINE)
    assert found
    return folder, found[1]


def decided(folder: Path, *arguments: str) -> dict[str, Any]:
    done = bakeoff("decide", *arguments, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_decide_takes_limits_weights_volume_and_prices(first: tuple[Path, str]) -> None:
    folder, run = first
    before = {f: f.read_bytes() for f in Path(run).rglob("*") if f.is_file()}
    assert (
        decided(folder, run, "--limit", "accuracy >= 99.999%", "--limit", "memory <= 1 MB")["verdict"]["kind"]
        == "none_within_limits"
    )
    assert decided(folder, run, "--no-limits")["study"]["limits"] == []
    assert decided(folder, run, "--weight", "quality=3", "--weight", "cost=1")["study"]["weights"] == {
        "quality": 3.0,
        "cost": 1.0,
    }
    assert decided(folder, run, "--volume", "123456")["study"]["volume_per_day"] == 123456
    assert decided(folder, run, "--horizon-days", "30")["study"]["horizon_days"] == 30
    cheap, dear = (
        decided(folder, run, "--usd-per-hour", price)["approaches"][1]["usd_per_1000"]["mid"] for price in ("0.01", "100")
    )
    assert 0 < cheap < dear
    assert {f: f.read_bytes() for f in Path(run).rglob("*") if f.is_file()} == before


def test_check_exits_with_3_where_no_limit_is_kept(first: tuple[Path, str]) -> None:
    folder, run = first
    done = bakeoff("decide", run, "--limit", "memory <= 1 MB", "--check", folder=folder)
    assert done.returncode == 3 and "Traceback" not in done.stderr and done.stdout
    assert bakeoff("decide", run, "--limit", "memory <= 100 GB", "--check", folder=folder).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--limit", "speed <= 3"), "speed"),
        (("--weight", "quality"), "write it like --weight"),
        (("--weight", "qualty=1"), "quality"),
        (("--machine", "no-such"), "no-such"),
    ],
)
def test_what_decide_does_not_understand(first: tuple[Path, str], arguments: tuple[str, ...], word: str) -> None:
    folder, run = first
    done = bakeoff("decide", run, *arguments, folder=folder)
    assert (done.returncode, done.stdout) == (1, "") and word in done.stderr
    assert [line[:6] for line in done.stderr.splitlines()] == ["error:", "  fix:"]


def test_list_and_show(first: tuple[Path, str]) -> None:
    folder, run = first
    for arguments in (("list",), ("list", "runs"), ("list", "assets"), ("assets", "list"), ("doctor",), ("show", "sentiment"),
                      ("show", "tfidf-linear"), ("show", "minilm"), ("show", run), ("show", Path(run).name), ("report", run)):  # fmt: skip
        done = bakeoff(*arguments, folder=folder)
        assert done.returncode == 0 and done.stdout.strip() and done.stderr == "", (arguments, done.stderr)
    listed = json.loads(bakeoff("list", "--json", folder=folder).stdout)
    assert set(listed) == {"studies", "tasks", "approaches", "assets", "runs"}
    assert {"name": Path(run).name, "about": "finished"} in listed["runs"]
    assert {row["state"] for row in json.loads(bakeoff("doctor", "--json", folder=folder).stdout)} <= {"ok", "missing", "absent"}


# -- pipes and terminals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [("list",), ("--help",), ("show", "latest"), ("decide", "--json"), ("doctor",), ("assets", "list")]
)
def test_a_closed_pipe_is_no_error(first: tuple[Path, str], arguments: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        [*PROGRAM, *arguments], cwd=first[0], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ}
    )
    assert process.stdout and process.stderr
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    process.wait(60)
    assert said == ""


@pytest.mark.parametrize("arguments", [("show", "latest"), ("list",), ("assets", "list"), ("doctor",)])
def test_a_narrow_terminal(first: tuple[Path, str], arguments: tuple[str, ...]) -> None:
    from rich.cells import cell_len

    done = bakeoff(*arguments, folder=first[0], COLUMNS="60")
    assert done.returncode == 0 and max(cell_len(line) for line in done.stdout.splitlines()) <= 60


def on_a_terminal(folder: Path, *arguments: str, stop_at: bytes = b"", columns: int = 100, **variables: str) -> tuple[int, bytes]:
    """Run on a pseudo-terminal; with `stop_at` Ctrl-C is typed once that has been shown. (exit code, everything that was written)"""
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "CI")}
    process = subprocess.Popen(
        [*PROGRAM, *arguments], cwd=folder, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0), env={**environment, "TERM": "xterm-256color", **variables},
    )  # fmt: skip
    os.close(slave)
    shown, deadline, typed = b"", time.monotonic() + 200, False
    while time.monotonic() < deadline:
        if master in select.select([master], [], [], 0.2)[0]:
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        if stop_at and not typed and stop_at in shown:
            os.write(master, b"\x03")
            typed = True
    code = process.wait(60)
    os.close(master)
    return code, shown


def screen(written: bytes) -> list[str]:
    """What stands on the screen in the end, for the few control sequences that rich uses."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written.decode("utf-8", "replace")):
        if token == "\r":
            column = 0
        elif token == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif token.startswith("\x1b["):
            count = int(re.sub(r"\D", "", token) or 1)
            if token.endswith("A"):
                row = max(0, row - count)
            elif token.endswith("K"):
                lines[row] = "" if token == "\x1b[2K" else lines[row][:column]
        else:
            lines[row] = lines[row][:column].ljust(column) + token + lines[row][column + len(token) :]
            column += len(token)
    return [line.rstrip() for line in lines]


def test_a_terminal_shows_bars_and_is_left_clean(tmp_path: Path) -> None:
    code, written = on_a_terminal(write_study(tmp_path / "t"), "run", "small.yaml")
    assert code == 0
    assert "━".encode() in written and b"tfidf-linear (seed 0)" in written and b"alone on the machine" in written
    assert written.count(b"\x1b[?25l") == written.count(b"\x1b[?25h") == 1, "the cursor is shown again"
    left = screen(written)
    assert not any("━" * 5 in line and "all" in line for line in left), left
    assert any("done" in line and "tfidf-linear" in line for line in left)
    assert any(line.startswith("Report  ") for line in left)


def test_no_color(tmp_path: Path) -> None:
    code, written = on_a_terminal(
        write_study(tmp_path / "t"), "run", "small.yaml", "--approaches", "majority", NO_COLOR="1", columns=60
    )
    assert code == 0 and not COLOUR.search(written)
    code, written = on_a_terminal(tmp_path, "run", "none.yaml", NO_COLOR="1")
    assert code == 1 and b"error:" in written and not COLOUR.search(written)
    code, written = on_a_terminal(tmp_path, "run", "none.yaml")
    assert code == 1 and COLOUR.search(written)


def test_ctrl_c_on_a_terminal(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "t")
    code, written = on_a_terminal(folder, "run", "small.yaml", stop_at=b"majority (seed 0)")
    assert code == 130 and b"--resume" in written and b"Traceback" not in written
    assert written.count(b"\x1b[?25l") == written.count(b"\x1b[?25h")
    done = bakeoff("run", "small.yaml", "--resume", "--json", folder=folder)
    assert done.returncode == 0 and json.loads(done.stdout)["verdict"]["choice"]


def test_ctrl_c_before_anything_is_kept_promises_nothing(tmp_path: Path) -> None:
    folder = write_study(tmp_path / "t")
    os.mkfifo(folder / "slow.csv")
    (folder / "small.yaml").write_text(STUDY.replace("small.csv", "slow.csv"))
    process = subprocess.Popen(
        [*PROGRAM, "run", "small.yaml"], cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode in (1, 130) and "Traceback" not in said and "--resume" not in said
    assert not (folder / "runs").exists() or not list((folder / "runs").iterdir())


def test_run_without_a_name_takes_the_one_study_of_the_folder(tmp_path: Path) -> None:
    from bakeoff.errors import BadStudy
    from bakeoff.verbs import study_here

    with pytest.raises(BadStudy) as none:
        study_here(tmp_path)
    assert "bakeoff new" in none.value.fix
    (tmp_path / "other.yaml").write_text("key: value\n")
    (tmp_path / "mine.yaml").write_text("# mine\nstudy: mine\n")
    assert study_here(tmp_path).name == "mine.yaml"
    (tmp_path / "yours.yaml").write_text("study: yours\n")
    with pytest.raises(BadStudy) as several:
        study_here(tmp_path)
    assert "mine.yaml" in several.value.what and "bakeoff run mine.yaml" in several.value.fix
