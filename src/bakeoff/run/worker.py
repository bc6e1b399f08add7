"""One trial in its own process: ``python -m bakeoff.run.worker``, started by the bench.

Two jobs. *trial*: fit, save, answer the test items. *timing*: load the saved model in a fresh process, alone on
the machine, and measure cold start, single-stream latency, batch throughput and peak memory.

The bench talks to it by one pipe each way: events go out as JSON lines; the other pipe says nothing and only
ends. When it ends the bench is gone: a worker that is answering finishes what is in flight (a paid answer
is never thrown away) and leaves; one that is training leaves at once.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from bakeoff.contract import Answer, Approach, Item, Saves, Trial
from bakeoff.errors import BakeoffError
from bakeoff.run import plan
from bakeoff.run.ledger import Ledger, to_json
from bakeoff.study import Study

SECONDS_TO_LEAVE = 60.0
"""How long a worker may take to finish what is in flight once the bench is gone."""
SECONDS_BETWEEN_NEWS = 0.2
MOST_FAILURES = 20
"""How often an approach may raise while answering before its remaining items are given up as errors."""


@dataclass
class Bench:
    """The worker's side of the two pipes."""

    events: TextIO
    leaving: threading.Event
    answering: bool = False

    def tell(self, **event: Any) -> None:
        """Send one event; if nobody listens any more, leave."""
        try:
            self.events.write(to_json(event) + "\n")
            self.events.flush()
        except (BrokenPipeError, ValueError):
            self.leaving.set()

    def watch(self, handle: int) -> None:
        """Wait (in a thread) until the bench has gone."""
        while os.read(handle, 64):
            pass
        self.leaving.set()
        if not self.answering:
            os._exit(75)
        time.sleep(SECONDS_TO_LEAVE)
        os._exit(75)


class Left(Exception):
    """The bench has gone, and what was in flight is done."""


def main(arguments: Sequence[str]) -> int:
    """Run the job described by the one JSON argument. Returns the exit code: 0 done, 1 failed (and recorded), 75 left."""
    order = json.loads(arguments[0])
    bench = Bench(os.fdopen(order["events"], "w", encoding="utf-8"), threading.Event())
    threading.Thread(target=bench.watch, args=(order["alive"],), daemon=True).start()
    ledger = Ledger(Path(order["run"]))
    trial = Trial(order["approach"], order["seed"], order["fraction"])
    study = ledger.study()
    try:
        with ledger.locked(f"trials/{trial.folder}/.lock", wait_seconds=SECONDS_TO_LEAVE):
            if order["job"] == "timing":
                run_timing(ledger, study, trial, bench, spawned=order["spawned"])
            else:
                run_trial(ledger, study, trial, bench)
    except Left:
        return 75
    except Exception as error:  # whatever an approach raises is this trial's outcome, kept and shown; the other trials go on
        traceback.print_exc()
        known = isinstance(error, BakeoffError)
        failure = {
            "what": error.what if isinstance(error, BakeoffError) else f"{type(error).__name__}: {error}"[:500],
            "fix": error.fix if isinstance(error, BakeoffError) else f"see {ledger.trial_folder(trial) / 'log.txt'}",
            "job": order["job"], "known": known,
        }  # fmt: skip
        ledger.write_measures(trial, {**ledger.measures(trial), "failure": failure})
        bench.tell(event="failed", **failure)
        return 1
    bench.tell(event="done")
    return 0


def context(threads: int) -> dict[str, Any]:
    """Where a figure was measured: kept beside every one."""
    from bakeoff.measure.machine import describe

    return describe(threads=threads)


def run_trial(ledger: Ledger, study: Study, trial: Trial, bench: Bench) -> None:
    """Fit and answer, skipping what an earlier, killed process has finished."""
    spec = study.spec(trial.approach)
    threads = spec.threads or study.threads
    measures = {k: v for k, v in ledger.measures(trial).items() if k != "failure"}
    splits, items = ledger.splits(), ledger.items()
    approach = plan.make(study.task, spec)
    model = ledger.trial_folder(trial) / "model"
    if "fit" in measures and model.is_dir() and isinstance(approach, Saves):
        approach = approach.restore(model)
    else:
        targets = {name: item.target for name, item in items.items()}
        train = [items[name] for name in plan.share(splits.train[trial.seed], targets, trial.fraction)]
        valid = [items[name] for name in splits.valid[trial.seed]]
        bench.tell(event="stage", stage="fit")
        approach, measures["fit"] = _fit(approach, train, valid, trial, bench)
        measures["fit"] |= {"n_train": len(train), "n_valid": len(valid), "context": context(threads)}
        if isinstance(approach, Saves) and trial.seed == 0 and trial.fraction == 1.0:
            with ledger.model_folder(trial) as folder:
                approach.save(folder)
            measures["fit"]["model_bytes"] = _bytes_of(model)
        ledger.write_measures(trial, measures)
    asked = [items[name].asked() for name in splits.test]
    bench.tell(event="stage", stage="answer")
    started = time.perf_counter()
    answers = answer_all(approach, asked, bench)
    seconds = time.perf_counter() - started
    ledger.write_answers(trial, splits.test, answers)
    measures["answer"] = {"seconds": seconds, "items": len(answers), "peak_bytes": _peak(), "context": context(threads)}
    ledger.write_measures(trial, measures)


def _fit(approach: Approach, train: list[Item], valid: list[Item], trial: Trial, bench: Bench) -> tuple[Any, dict[str, Any]]:
    last = [0.0]

    def progress(fraction: float, note: str = "") -> None:
        now = time.monotonic()
        if now - last[0] > SECONDS_BETWEEN_NEWS or fraction >= 1:
            last[0] = now
            bench.tell(event="progress", stage="fit", fraction=fraction, note=note)

    started, cpu = time.perf_counter(), time.process_time()
    fitted = approach.fit(train, valid, seed=trial.seed, progress=progress)
    measured = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu, "peak_bytes": _peak()}
    return fitted, {**measured, "settings": plan.settings_of(fitted), "chosen": getattr(fitted, "chosen_", {})}


def answer_all(approach: Approach, asked: Sequence[Item], bench: Bench) -> list[Answer]:
    """One answer per item, whatever the approach does: what it raises becomes the error of the item it was at.

    Raises
    ------
    Left
        If the bench has gone; the approach's iterator was closed first, so that it could finish what was in flight.
    """
    answers: list[Answer] = []
    failures, last = 0, 0.0
    bench.answering = True
    try:
        while len(answers) < len(asked):
            stream = iter(approach.answer(asked[len(answers) :]))
            try:
                for answer in stream:
                    answers.append(checked(answer))
                    if len(answers) == len(asked):
                        break
                    now = time.monotonic()
                    if now - last > SECONDS_BETWEEN_NEWS:
                        last = now
                        note = f"{len(answers)} of {len(asked)} answers"
                        bench.tell(event="progress", stage="answer", fraction=len(answers) / len(asked), note=note)
                    if bench.leaving.is_set():
                        raise Left
                else:
                    missing = len(asked) - len(answers)
                    answers.extend([Answer(error="the approach gave no answer for this item")] * missing)
            except Left:
                raise
            except Exception as error:  # an approach's own failure is an outcome to be counted, whatever it is
                traceback.print_exc()
                failures += 1
                answers.append(Answer(error=f"{type(error).__name__}: {error}"[:500]))
                if failures >= MOST_FAILURES:
                    rest = len(asked) - len(answers)
                    answers.extend([Answer(error=f"not tried: the approach had failed {failures} times")] * rest)
            finally:
                close = getattr(stream, "close", None)
                if close:
                    close()
    finally:
        bench.answering = False
    return answers


def checked(answer: Any) -> Answer:
    """The answer if it keeps the contract, else an answer whose error says what is wrong with it."""
    if not isinstance(answer, Answer):
        return Answer(error=f"the approach yielded {type(answer).__name__}, not an Answer")
    if answer.probabilities is not None:
        values = list(answer.probabilities.values())
        if not values or not all(math.isfinite(p) and -1e-6 <= p <= 1 + 1e-6 for p in values) or abs(sum(values) - 1) > 1e-3:
            return replace(answer, value=None, probabilities=None, error="the approach gave probabilities that do not sum to 1")
    if answer.error is not None and answer.abstained:
        return replace(answer, abstained=False)
    try:
        to_json([answer.value, answer.details])
    except TypeError as error:
        return replace(answer, value=None, details={}, error=f"the approach gave an answer that cannot be kept: {error}")
    return answer


def run_timing(ledger: Ledger, study: Study, trial: Trial, bench: Bench, *, spawned: float) -> None:
    """Measure the saved model as a server would hold it. `spawned` is the bench's monotonic clock at process start."""
    from bakeoff.measure import timing

    spec = study.spec(trial.approach)
    measures = {k: v for k, v in ledger.measures(trial).items() if k != "failure"}
    splits, items = ledger.splits(), ledger.items()
    asked = [items[name].asked() for name in splits.test]
    del items
    bench.tell(event="stage", stage="timing")
    approach = plan.make(study.task, spec)
    started = time.perf_counter()
    approach = approach.restore(ledger.trial_folder(trial) / "model")
    load_seconds = time.perf_counter() - started
    one(approach, asked[0])
    cold_start_seconds = time.monotonic() - spawned
    limits = study.timing
    single = timing.single_stream(
        lambda item: one(approach, item),
        asked,
        warmup=limits.warmup,
        max_items=limits.single_items,
        max_seconds=limits.single_seconds,
    )
    bench.tell(event="progress", stage="timing", fraction=0.6, note="one at a time")
    batch = timing.offline(lambda batch: _consume(approach.answer(batch)), asked, max_seconds=limits.batch_seconds)
    measures["timing"] = {
        "load_seconds": load_seconds, "cold_start_seconds": cold_start_seconds, "single": asdict(single), "batch": asdict(batch),
        "peak_bytes": _peak(), "context": context(spec.threads or study.threads),
    }  # fmt: skip
    ledger.write_measures(trial, measures)


def one(approach: Approach, item: Item) -> Answer:
    """The answer to one item, alone."""
    for answer in approach.answer([item]):
        return answer
    return Answer(error="the approach gave no answer for this item")


def _consume(answers: Iterable[Answer] | Iterator[Answer]) -> list[Answer]:
    return list(answers)


def _peak() -> int | None:
    from bakeoff.measure.memory import peak_bytes

    return peak_bytes()[0]


def _bytes_of(folder: Path) -> int:
    from bakeoff.measure.memory import folder_bytes

    return folder_bytes(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
