"""Run the test suite in two processes, one for each of two cores: ``python scripts/run_tests.py [PYTEST ARGUMENTS]``.

What starts processes and servers of its own is in one half (`RUNS`), the rest in the other, and what is about clocks (`ALONE`) runs when both have ended:
a load test on a crowded machine is rightly not valid. With a path among the arguments, only that is run, in one process. The second
half's output is shown when the first has ended; the exit status is that of a part that failed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
RUNS = ("cli", "decide", "run", "serve")
ALONE = ("load",)
NOTHING = 5
"""Pytest's exit status where no test was chosen, as `-k` may do in one of the parts."""


def main(arguments: list[str]) -> int:
    pytest = [sys.executable, "-m", "pytest", *arguments]
    if any(not each.startswith("-") and Path(each.partition("::")[0]).exists() for each in arguments):
        return subprocess.run(pytest).returncode
    first = [str(TESTS / name) for name in RUNS]
    second = sorted(
        str(path)
        for path in TESTS.iterdir()
        if path.name not in (*RUNS, *ALONE) and (any(path.rglob("test_*.py")) if path.is_dir() else path.name.startswith("test_"))
    )
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        other = subprocess.Popen([*pytest, *second], stdout=said, stderr=subprocess.STDOUT)
        try:
            ended = subprocess.run([*pytest, *first]).returncode
            other.wait()
        except BaseException:
            other.terminate()
            raise
        said.seek(0)
        sys.stdout.write(said.read())
    last = subprocess.run([*pytest, *(str(TESTS / name) for name in ALONE)]).returncode
    codes = (ended, other.returncode, last)
    failed = [code for code in codes if code not in (0, NOTHING)]
    return failed[0] if failed else 0 if 0 in codes else NOTHING


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
