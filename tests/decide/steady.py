"""Approaches that take a stated time for every answer, and how to install them for a process under test."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff.contract import Answer, Item, Progress, quiet


@dataclass
class Steady:
    """Reads the label off the text, in `seconds`. With `shots` it says that it is prompted, and counts words as tokens."""

    seconds: float = 0.01
    wrong_every: int = 0
    tokens: bool = False
    shots: int = 0

    def fit(self, train: Sequence[Item], valid: Sequence[Item] = (), *, seed: int = 0, progress: Progress = quiet) -> Steady:
        self.labels_ = sorted({str(item.target) for item in train})
        return self

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        for item in items:
            time.sleep(self.seconds)
            words = str(item.input).split()
            number = int(words[-1])
            label = next((word for word in words if word in self.labels_), self.labels_[0])
            if self.wrong_every and number % self.wrong_every == 0:
                label = next(other for other in self.labels_ if other != label)
            counts: dict[str, Any] = {"tokens_in": 20 * len(words), "tokens_out": 2} if self.tokens else {}
            yield Answer(label, **counts)

    def save(self, folder: Path) -> None:
        (folder / "labels.json").write_text(json.dumps(self.labels_), encoding="utf-8")

    def restore(self, folder: Path) -> Steady:
        self.labels_ = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
        return self


def install(folder: Path) -> dict[str, str]:
    """Put this module and its entry point into `folder`; returns the environment variables of a process that sees them."""
    info = folder / "steady-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "steady.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: steady\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[bakeoff.approaches]\ntext/steady = steady:Steady\n", encoding="utf-8")
    return {"PYTHONPATH": str(folder)}
