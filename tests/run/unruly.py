"""Approaches that break the contract, each in its own way, and how to install them for a process under test."""

from __future__ import annotations

import contextlib
import inspect
import math
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.contract import Answer, Item, Progress, quiet


class Tame:
    """Answers with the first label it was shown. What the others break."""

    def fit(self, train: Sequence[Item], valid: Sequence[Item] = (), *, seed: int = 0, progress: Progress = quiet) -> Any:
        self.label_ = sorted({item.target for item in train})[0]
        return self

    def answer(self, items: Iterable[Item]) -> Iterator[Any]:
        for place, item in enumerate(items):
            yield self.one(place, item)

    def one(self, place: int, item: Item) -> Any:
        return Answer(self.label_)


class ExplainsBadly(Tame):
    """Answers well and cannot say why."""

    def explain(self, items: Sequence[Item], answers: Sequence[Answer]) -> Any:
        raise RuntimeError("no words for it")


class ExplainsWell(Tame):
    def explain(self, items: Sequence[Item], answers: Sequence[Answer]) -> Any:
        return {"right": sum(item.target == answer.value for item, answer in zip(items, answers, strict=True)), "of": len(items)}


class RaisesInFit(Tame):
    def fit(self, train: Sequence[Item], valid: Sequence[Item] = (), *, seed: int = 0, progress: Progress = quiet) -> Any:
        raise RuntimeError("no fit today")


class RaisesAtOne(Tame):
    """Fails at the items whose number ends in 7, wherever they stand."""

    def one(self, place: int, item: Item) -> Any:
        if "7." in item.input:
            raise KeyError(item.id)
        return Answer(self.label_)


class AlwaysRaises(Tame):
    def answer(self, items: Iterable[Item]) -> Iterator[Any]:
        raise RuntimeError("not even a generator")


class TooFew(Tame):
    def answer(self, items: Iterable[Item]) -> Iterator[Any]:
        yield from [Answer(self.label_)] * 5


class TooMany(Tame):
    def answer(self, items: Iterable[Item]) -> Iterator[Any]:
        while True:
            yield Answer(self.label_)


class NotAnswers(Tame):
    def one(self, place: int, item: Item) -> Any:
        return [self.label_, None, 3.0, ("positive", 0.5)][place % 4]


class BadProbabilities(Tame):
    def one(self, place: int, item: Item) -> Any:
        nan = math.nan
        return Answer(
            self.label_,
            [{"negative": 1.0, "positive": 1.0}, {}, {"negative": nan, "positive": 1.0}, [0.5, 0.5], {"negative": "x"}][
                place % 5
            ],
        )  # type: ignore[arg-type]


class BadFigures(Tame):
    def one(self, place: int, item: Item) -> Any:
        wrong: list[dict[str, Any]] = [
            {"seconds": math.nan},
            {"seconds": -1.0},
            {"tokens_in": "many"},
            {"usd": math.inf},
            {"tokens_out": 2**70},
        ]
        return Answer(self.label_, **wrong[place % 5])


class NoValue(Tame):
    def one(self, place: int, item: Item) -> Any:
        return Answer([None, math.nan, np.float64("nan"), {1, 2}, object()][place % 5] if place % 5 < 3 else object())


class NumpyScalars(Tame):
    """Right in all but type: everything is numpy's own."""

    def one(self, place: int, item: Item) -> Any:
        chances = {np.str_("negative"): np.float32(0.25), np.str_("positive"): np.float32(0.75)}
        return Answer(
            np.str_(self.label_), chances, seconds=np.float32(0.5), tokens_in=np.int64(3), details={"logits": np.arange(3)}
        )  # type: ignore[arg-type]


class Surrogates(Tame):
    def one(self, place: int, item: Item) -> Any:
        return Answer("positive \ud800") if place % 2 else Answer(error="lone \udfff")


class Loud(Tame):
    def one(self, place: int, item: Item) -> Any:
        print("x" * 400_000)
        return Answer(self.label_)


class Threads(Tame):
    """Leaves threads that no interpreter would outlive."""

    def fit(self, train: Sequence[Item], valid: Sequence[Item] = (), *, seed: int = 0, progress: Progress = quiet) -> Any:
        threading.Thread(target=lambda: time.sleep(100_000), daemon=False).start()
        return super().fit(train, valid)


class Exits(Tame):
    def one(self, place: int, item: Item) -> Any:
        os._exit(3)


class SysExits(Tame):
    def one(self, place: int, item: Item) -> Any:
        sys.exit(0)


class Killed(Tame):
    def one(self, place: int, item: Item) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


class OutOfMemory(Tame):
    def fit(self, train: Sequence[Item], valid: Sequence[Item] = (), *, seed: int = 0, progress: Progress = quiet) -> Any:
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
        self.label_ = bytearray(64 << 30)
        return self


class Stdin(Tame):
    def one(self, place: int, item: Item) -> Any:
        with contextlib.suppress(OSError):
            os.write(0, b"x")
        try:
            input()
        except EOFError:
            return Answer(self.label_)
        raise RuntimeError("there was something to read")


class Modifies(Tame):
    def fit(self, train: Sequence[Item], valid: Sequence[Item] = (), *, seed: int = 0, progress: Progress = quiet) -> Any:
        super().fit(train, valid)
        for item in train:
            object.__setattr__(item, "input", "gone")
        train.clear()  # type: ignore[attr-defined]
        return self

    def answer(self, items: Iterable[Item]) -> Iterator[Any]:
        for item in items:
            object.__setattr__(item, "id", "other")
            yield Answer(self.label_)


class LeavesChild(Tame):
    """Dies while a process that it forked lives on and holds all of its files open."""

    def one(self, place: int, item: Item) -> Any:
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(100_000,))
        child.start()
        Path(os.environ["UNRULY_NOTES"], "child").write_text(str(child.pid))
        os._exit(0)


class StrangeProgress(Tame):
    def fit(self, train: Sequence[Item], valid: Sequence[Item] = (), *, seed: int = 0, progress: Progress = quiet) -> Any:
        for fraction, note in ((math.nan, ""), (1e9, "x" * 5_000_000), ("half", None), (None, "\ud800 [red]\x1b[31m"), (-1, 7)):
            time.sleep(0.25)
            progress(fraction, note)  # type: ignore[arg-type]
        return super().fit(train, valid)


class ClosesPipes(Tame):
    def one(self, place: int, item: Item) -> Any:
        os.closerange(3, 64)
        return Answer(self.label_)


class Hangs(Tame):
    def fit(self, train: Sequence[Item], valid: Sequence[Item] = (), *, seed: int = 0, progress: Progress = quiet) -> Any:
        time.sleep(100_000)


class HangsInAnswer(Tame):
    def one(self, place: int, item: Item) -> Any:
        time.sleep(100_000)


class HangsWhenTimed(Tame):
    def one(self, place: int, item: Item) -> Any:
        if hasattr(self, "restored_"):
            time.sleep(100_000)
        return Answer("negative")

    def save(self, folder: Path) -> None:
        (folder / "model.json").write_text("{}")

    def restore(self, folder: Path) -> Any:
        self.restored_ = True
        return self


def names() -> list[str]:
    """The approaches here, as a study names them."""
    return [name.lower() for name, found in globals().items() if inspect.isclass(found) and issubclass(found, Tame)]


def install(folder: Path) -> dict[str, str]:
    """Put this module and its entry points into `folder`; returns the environment variables of a process that sees them."""
    (folder / "unruly.py").write_text(Path(__file__).read_text(encoding="utf-8"), encoding="utf-8")
    info = folder / "unruly-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: unruly\nVersion: 1.0\n")
    points = [
        f"text/{name.lower()} = unruly:{name}"
        for name, found in globals().items()
        if inspect.isclass(found) and issubclass(found, Tame)
    ]
    (info / "entry_points.txt").write_text("[bakeoff.approaches]\n" + "\n".join(points) + "\n")
    return {"PYTHONPATH": str(folder), "UNRULY_NOTES": str(folder)}
