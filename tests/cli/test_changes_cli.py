"""`bakeoff run` of a study that tries changes: what is said before training, and that the ledger comes out of real trainings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bakeoff.testing import sentences

STUDY = """study: tried
task: text
data: {source: small.csv, text: text, target: label}
approaches: [{use: tfidf-linear, name: lin, settings: {strengths: [1.0]}}]
changes:
  base: lin
  try:
    words-only: {settings: {characters: [4, 5]}, expect: Pieces of words carry little here.}
seeds: 2
timing: {single_items: 20, single_seconds: 0.3, batch_seconds: 0.3}
"""


def bakeoff(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BAKEOFF_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "bakeoff", *arguments], cwd=folder, capture_output=True, text=True, env=environment, timeout=200
    )


def prepared(folder: Path, text: str = STUDY) -> Path:
    rows = ["text,label"] + [f'"{item.input}",{item.target}' for item in sentences(80)]
    (folder / "small.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "tried.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_study_with_changes_runs_says_before_training_what_it_can_see_and_ends_in_the_ledger(tmp_path: Path) -> None:
    done = bakeoff("run", "tried.yaml", "--json", folder=prepared(tmp_path))
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    said = next(i for i, line in enumerate(lines) if line.startswith("With ") and " 2 seeds and 1 change," in line)
    assert said < next(i for i, line in enumerate(lines) if "started" in line)
    document = json.loads(done.stdout)
    assert [one["name"] for one in document["approaches"]] == ["lin"] and document["verdict"]["choice"] == "lin"
    ledger = document["change_ledger"]
    assert ledger["foretold"]["says"] == lines[said] and ledger["base"] == "lin" and not ledger["compete"]
    (entry,) = ledger["entries"]
    assert entry["verdict"] in ("better", "worse", "inside the noise") and entry["seeds"] == [0, 1]
    assert entry["effect"]["low"] <= entry["effect"]["mid"] <= entry["effect"]["high"]
    assert entry["settings"] == [{"setting": "characters", "before": [2, 5], "after": [4, 5]}]
    assert entry["fit_ratio"]["mid"] > 0 and entry["p50_ratio"]["mid"] > 0 and entry["size_ratio"] > 0
    assert 'id="changes"' in Path(document["report"]).read_text(encoding="utf-8")
    assert "Pieces of words carry little here." in Path(document["memo"]).read_text(encoding="utf-8")


def test_a_change_of_nothing_is_refused_in_two_lines_before_anything_is_made(tmp_path: Path) -> None:
    done = bakeoff("run", "tried.yaml", folder=prepared(tmp_path, STUDY.replace("[4, 5]", "[2, 5]")))
    assert done.returncode != 0 and len(done.stderr.strip().splitlines()) == 2
    assert "'words-only' changes nothing" in done.stderr and not (tmp_path / "runs").exists()
