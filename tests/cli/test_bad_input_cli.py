"""Bad input through the command line: two lines, exit 1, no traceback, and nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bakeoff.cli.main import main
from bakeoff.testing import sentences

ROWS = [(item.input, item.target) for item in sentences(60)]
STUDY = """study: mine
task: text
data: {source: mine.csv, text: text, target: label}
approaches: [majority]
seeds: 1
timing: {single_items: 5, single_seconds: 0.2, batch_seconds: 0.2}
"""


def csv(rows: list[tuple[str, str]], header: str = "text,label") -> bytes:
    return "\n".join([header, *(f'"{text}",{label}' for text, label in rows)]).encode() + b"\n"


def listing(folder: Path) -> dict[str, bytes | None]:
    return {str(f.relative_to(folder)): f.read_bytes() if f.is_file() else None for f in sorted(folder.rglob("*"))}


def two_lines(said: str, *words: str) -> None:
    lines = said.splitlines()
    assert len(lines) == 2 and lines[0].startswith("error: ") and lines[1].startswith("  fix: "), said
    assert len(lines[0]) > 15 and len(lines[1]) > 10
    assert "Traceback" not in said and all(c.isprintable() for line in lines for c in line)
    for word in words:
        assert word.lower() in said.lower(), f"{word!r} is not in {said!r}"


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line in this process, in a folder of its own: (exit code, standard output, standard error)."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bakeoff", *arguments])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


FILES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "missing column": (csv(ROWS, "text,lable"), ("label", "lable")),
    "duplicate column": (csv(ROWS, "text,text"), ("text",)),
    "one class": (csv([(t, "good") for t, _ in ROWS]), ("one label",)),
    "empty text": (csv([*ROWS, ("", "positive")]), ("line 62", "drop_empty_texts")),
    "NUL byte": (csv(ROWS).replace(b"number 7", b"number\x007"), ("NUL", "line 9")),
    "latin-1": (csv([*ROWS, ("café", "positive")]).decode().encode("latin-1"), ("UTF-8", "encoding")),
    "UTF-16": (csv(ROWS).decode().encode("utf-16-le"), ("UTF-16",)),
    "labels by case": (csv([*ROWS, ("one more", "Positive")]), ("case or spaces",)),
    "labels by space": (csv([*ROWS, ("one more", "positive ")]), ("case or spaces",)),
    "NaN labels": (csv([*ROWS, ("one more", "NaN")]), ("line 62", "drop_unlabelled")),
    "3 rows": (csv(ROWS[:3]), ("3 labelled texts",)),
    "all duplicates": (csv([("the same", label) for _, label in ROWS]), ("only 1 of 60",)),
    "nothing": (b"", ("empty",)),
}


@pytest.mark.parametrize("case", FILES)
def test_bad_data(call: Callable[..., tuple[int, str, str]], case: str) -> None:
    content, words = FILES[case]
    Path("mine.csv").write_bytes(content)
    Path("mine.yaml").write_text(STUDY)
    before = listing(Path())
    for arguments in (
        ("run", "mine.yaml"),
        ("run", "mine.yaml", "--json"),
        ("new", "text", "mine.csv", "--target", "label", "--out", "made"),
    ):
        code, out, err = call(*arguments)
        if arguments[0] == "new" and code == 0:
            # `new` looks at columns; what only a whole reading shows is said by `run`.
            assert case in ("all duplicates",), case
            continue
        assert (code, out) == (1, ""), (case, arguments, out, err)
        two_lines(err, *(words if arguments[0] == "run" else ()))
        assert listing(Path()) == before


STUDIES = {
    "unknown key": (STUDY.replace("seeds:", "seed:"), ("line 5", "'seed'", "'seeds'")),
    "unknown approach": (STUDY.replace("[majority]", "[majorty]"), ("majorty", "'majority'")),
    "unknown setting": (STUDY.replace("[majority]", "[{use: tfidf-linear, settings: {word: [1, 2]}}]"), ("'word'", "'words'")),
    "unknown task": (STUDY.replace("task: text", "task: texts"), ("'texts'", "'text'")),
    "unknown data key": (STUDY.replace("text: text", "txt: text"), ("txt",)),
    "no YAML": ("study: [", ("YAML",)),
    "a list": ("- a\n- b\n", ("mapping",)),
    "nothing": ("", ("mapping",)),
    "missing key": (STUDY.replace("task: text\n", ""), ("`task` is missing",)),
    "path out": (STUDY.replace("mine.csv", "not-there.csv"), ("not-there.csv",)),
    "unknown metric": (STUDY + "metric: acuracy\n", ("acuracy", "'accuracy'")),
    "unknown limit": (STUDY + "limits: [acuracy >= 3%]\n", ("acuracy",)),
    "unknown weight": (STUDY + "weights: {qualty: 3}\n", ("qualty", "'quality'")),
    "unknown value": (STUDY + "values: {qualty: {worst: 0, best: 1}}\n", ("qualty",)),
    "unknown price": (STUDY + "prices: {machin: small}\n", ("machin",)),
    "two of a name": (STUDY.replace("[majority]", "[majority, majority]"), ("majority", "name")),
    "python tag": (STUDY + "question: !!python/object/apply:os.system [echo owned]\n", ("line",)),
}


@pytest.mark.parametrize("case", STUDIES)
def test_bad_studies(call: Callable[..., tuple[int, str, str]], case: str) -> None:
    text, words = STUDIES[case]
    Path("mine.csv").write_bytes(csv(ROWS))
    Path("mine.yaml").write_text(text)
    before = listing(Path())
    code, out, err = call("run", "mine.yaml", "--quiet")
    assert (code, out) == (1, ""), err
    two_lines(err, *words)
    assert listing(Path()) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "sentimnt"), ("sentimnt", "'sentiment'")),
        (("run", "none.yaml"), ("none.yaml",)),
        (("run", "mine.yaml", "--approaches", "majorty"), ("'majority'",)),
        (("run", "mine.yaml", "--budget", "soon"), ("soon", "10m")),
        (("run", "mine.yaml", "--resume"), ("resume",)),
        (("run", "mine.yaml", "--runs", "mine.csv"), ("mine.csv", "--runs")),
        (("run", ".", "--resume"), ("study",)),
        (("show", "tfidf"), ("tfidf", "'tfidf-linear'")),
        (("decide", "latest"), ("no run",)),
        (("report", "somewhere"), ("somewhere",)),
        (("new", "pictures", "mine.csv"), ("pictures", "text")),
        (("new", "text", "none.csv"), ("none.csv",)),
        (("assets", "pull", "minilmm"), ("minilmm", "'minilm'")),
        (("assets", "pull"), ("name",)),
    ],
)
def test_bad_arguments(call: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    Path("mine.csv").write_bytes(csv(ROWS))
    Path("mine.yaml").write_text(STUDY)
    before = listing(Path())
    code, out, err = call(*arguments)
    assert (code, out) == (1, ""), err
    two_lines(err, *words)
    assert listing(Path()) == before


@pytest.mark.parametrize(
    "content", [b"x" * 1_000_000, b"\xf0\x9f\x99\x82" * 250_000, b"word " * 200_000], ids=["word", "emoji", "words"]
)
def test_a_cell_of_a_megabyte_is_a_text_like_any_other(call: Callable[..., tuple[int, str, str]], content: bytes) -> None:
    Path("mine.csv").write_bytes(csv(ROWS) + b'"' + content + b'",positive\n')
    Path("mine.yaml").write_text(STUDY)
    code, out, err = call("run", "mine.yaml", "--quiet")
    if code:
        two_lines(err)
        return
    assert "majority" in out and err == ""
    (run,) = Path("runs").iterdir()
    assert (run / "report.html").stat().st_size < 1_000_000


# -- disks ----------------------------------------------------------------------------------------------------------


class Disk:
    """A small file system of memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def set(self, options: str) -> bool:
        return (
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"remount,{options}", "tmpfs", str(self.folder)], capture_output=True
            ).returncode
            == 0
        )


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700m", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here: needs root, with the right to mount")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def prepare(folder: Path, study: str = STUDY) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.csv").write_bytes(csv(ROWS))
    (folder / "mine.yaml").write_text(study)


def run_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bakeoff.cli.main", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)


def test_a_read_only_folder(disk: Disk) -> None:
    prepare(disk.folder)
    assert disk.set("ro")
    before = listing(disk.folder)
    for arguments in (("run", "mine.yaml"), ("new", "text", "mine.csv", "--name", "other")):
        done = run_in(disk.folder, *arguments)
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        two_lines(done.stderr.replace("\r", ""), "read-only")
    assert listing(disk.folder) == before


def test_a_disk_that_is_full_from_the_start(disk: Disk) -> None:
    prepare(disk.folder)
    assert disk.set("size=1m")
    for free in (100_000, 0):
        space = os.statvfs(disk.folder).f_bavail * os.statvfs(disk.folder).f_frsize
        with (disk.folder / f"ballast{free}").open("wb", buffering=0) as ballast:
            ballast.write(b"x" * max(0, space - free))
        before = listing(disk.folder)
        done = run_in(disk.folder, "run", "mine.yaml")
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        two_lines(done.stderr, "full", "--runs")
        assert listing(disk.folder) == before
    done = run_in(disk.folder, "new", "text", "mine.csv", "--name", "other")
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    two_lines(done.stderr, "space")
    assert listing(disk.folder) == before


SLOW_STUDY = STUDY.replace("[majority]", "[majority, tfidf-linear]").replace("seeds: 1", "seeds: 3")


def test_a_disk_that_fills_up_in_the_middle_of_a_run(disk: Disk) -> None:
    prepare(disk.folder, SLOW_STUDY)
    command = [sys.executable, "-m", "bakeoff.cli.main", "run", "mine.yaml", "--workers", "1"]
    process = subprocess.Popen(command, cwd=disk.folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if ": done" in line:
            break
    used = os.statvfs(disk.folder)
    assert disk.set(f"size={(used.f_blocks - used.f_bfree) * used.f_frsize + 4096}")
    out, err = process.communicate(timeout=200)
    lines = [line for line in err.splitlines() if not line.startswith("[")]
    assert process.returncode == 1 and out == "", err
    two_lines("\n".join(lines), "full", "--resume")
    (run,) = (disk.folder / "runs").iterdir()
    assert not (run / "verdict.json").exists() and not list(run.rglob(".*.tmp"))
    assert disk.set("size=700m")
    done = run_in(disk.folder, "run", "mine.yaml", "--resume", "--json", "--quiet")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    document = json.loads(done.stdout)
    assert {a["status"] for a in document["approaches"]} == {"done"}
    assert document["run"] == str(run)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere; as root the read-only file system is tested")
def test_a_folder_without_the_right_to_write(tmp_path: Path) -> None:
    prepare(tmp_path / "theirs")
    (tmp_path / "theirs").chmod(0o555)
    done = run_in(tmp_path / "theirs", "run", "mine.yaml")
    (tmp_path / "theirs").chmod(0o755)
    assert (done.returncode, done.stdout) == (1, "")
    two_lines(done.stderr, "read-only")
