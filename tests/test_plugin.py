"""A plugin package is really installed, and is then like a built-in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent / "plugin_package"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process in which the plugin is installed (by pip, offline, into a folder of its own)."""
    target = tmp_path_factory.mktemp("plugins")
    source = tmp_path_factory.mktemp("source")
    for file in PLUGIN.rglob("*"):  # a copy, so that building leaves nothing in the checkout
        if file.is_file() and "__pycache__" not in file.parts and ".egg-info" not in str(file):
            (source / file.relative_to(PLUGIN)).parent.mkdir(parents=True, exist_ok=True)
            (source / file.relative_to(PLUGIN)).write_bytes(file.read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        str(target),
    ]
    subprocess.run([*command, str(source)], check=True, capture_output=True, text=True)
    return {**os.environ, "PYTHONPATH": str(target)}


def bakeoff(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "bakeoff.cli.main", *arguments], capture_output=True, text=True, env=environment)


def test_it_is_listed_with_its_package(installed: dict[str, str]) -> None:
    listed = json.loads(bakeoff("list", "approaches", "--json", environment=installed).stdout)["approaches"]
    (row,) = [row for row in listed if row["name"] == "text/shouting"]
    assert row["about"] == "Whether a text shouts, and what that meant in training."
    assert row["from"] == "from bakeoff-shouting"


def test_without_it_there_is_no_such_approach() -> None:
    shown = bakeoff("show", "shouting", environment={**os.environ})
    assert shown.returncode == 1 and "shouting" in shown.stderr


def test_plugins_can_be_left_out(installed: dict[str, str]) -> None:
    listed = bakeoff("list", "approaches", "--json", environment={**installed, "BAKEOFF_PLUGINS": "0"}).stdout
    assert "shouting" not in listed


def test_it_runs_in_a_study_like_a_built_in(installed: dict[str, str], tmp_path: Path) -> None:
    rows = ["text,label"] + [f'"{"GREAT!" if i % 2 else "meh"} thing {i}",{"up" if i % 2 else "down"}' for i in range(120)]
    (tmp_path / "shouts.csv").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "loud.yaml").write_text(
        "{study: loud, task: text, data: {source: shouts.csv}, approaches: [majority, shouting], seeds: 1, "
        "timing: {single_items: 20, single_seconds: 1, batch_seconds: 1}}"
    )
    done = bakeoff(
        "run", str(tmp_path / "loud.yaml"), "--runs", str(tmp_path / "runs"), "--json", "--quiet", environment=installed
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    accuracy = {a["name"]: a["metrics"]["accuracy"]["mid"] for a in document["approaches"]}
    assert accuracy["shouting"] == 1.0 > accuracy["majority"]


def test_it_passes_the_conformance_suite(installed: dict[str, str], tmp_path: Path) -> None:
    test = tmp_path / "test_shouting.py"
    test.write_text(
        "import pytest\nfrom bakeoff.testing import RULES, Bench\nfrom shouting import Shouting\n\n"
        "@pytest.fixture(scope='module')\ndef bench():\n    return Bench.for_text(Shouting)\n\n"
        "@pytest.mark.parametrize('rule', RULES)\ndef test_rule(bench, rule):\n    bench.check(rule)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
    done = subprocess.run(command, capture_output=True, text=True, env=installed, cwd=tmp_path)
    assert done.returncode == 0 and "13 passed" in done.stdout, done.stdout
