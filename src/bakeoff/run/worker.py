"""One trial in its own process: ``python -m bakeoff.run.worker``, started by the bench.

Three jobs. *trial*: fit, save, answer the test items and whatever else the study asks (`bakeoff.run.probing`). *timing*: load
the saved model in a fresh process, alone on the machine, and measure cold start, single-stream latency, batch
throughput and peak memory. *serving*: put it behind an endpoint, alone on the machine, under load (`bakeoff.run.serving`).

The bench talks to it by one pipe each way: events go out as JSON lines; the other pipe says nothing and only
ends. When it ends the bench is gone: a worker that is answering (or that asks a server while it is fitted)
finishes what is in flight, because a paid answer is never thrown away, and leaves; one that is training leaves at once.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

from bakeoff import registry
from bakeoff.contract import (
    Answer,
    Approach,
    CountsFlops,
    Explains,
    Item,
    KeepsCheckpoints,
    ReadsMaterial,
    Saves,
    TimesOthers,
    Trial,
)
from bakeoff.errors import BakeoffError
from bakeoff.run import plan, probing
from bakeoff.run.checked import checked
from bakeoff.run.ledger import FolderError, Ledger, encodable, to_json
from bakeoff.study import Study

SECONDS_TO_LEAVE = 60.0
"""How long a worker may take to finish what is in flight once the bench is gone."""
SECONDS_BETWEEN_NEWS = 0.2
LONGEST_NOTE = 300
FLOPS_ITEMS = 64
MOST_FAILURES = 20
"""How often an approach may raise while answering before its remaining items are given up as errors."""


@dataclass
class Bench:
    """The worker's side of the two pipes."""

    events: TextIO
    leaving: threading.Event
    patient: bool = False
    """Whether something may be in flight that should be finished before leaving."""

    def tell(self, **event: Any) -> None:
        """Send one event; if nobody listens any more, leave."""
        try:
            self.events.write(to_json(event) + "\n")
            self.events.flush()
        except (OSError, ValueError):
            self.leaving.set()

    def watch(self, handle: int) -> None:
        """Wait (in a thread) until the bench has gone."""
        while os.read(handle, 64):
            pass
        self.leaving.set()
        if self.patient:
            time.sleep(SECONDS_TO_LEAVE)
        leave(75)


class Left(BaseException):
    """The bench has gone, and what was in flight is done. No approach can take it for a failure of its own."""


class TooMany(Exception):
    """More answers than items: which answer belongs to which item cannot be known."""


def leave(code: int) -> NoReturn:
    """End this process now, with everything that it started: threads that never end, and processes of its group."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    if code == 75 and os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(code)


def main(arguments: Sequence[str]) -> int:
    """Run the job described by the one JSON argument. Returns the exit code: 0 done, 1 failed (and recorded), 75 left."""
    order = json.loads(arguments[0])
    bench = Bench(os.fdopen(order["events"], "w", encoding="utf-8"), threading.Event())
    threading.Thread(target=bench.watch, args=(order["alive"],), daemon=True).start()
    for handle in (order["events"], order["alive"]):
        os.set_inheritable(handle, False)
    ledger = Ledger(Path(order["run"]))
    trial = Trial(order["approach"], order["seed"], order["fraction"])
    study = ledger.study()
    try:
        # A worker of a bench that was killed may still be finishing this trial: wait until it has left.
        with ledger.locked(f"trials/{trial.folder}/.lock", wait_seconds=SECONDS_TO_LEAVE + 30):
            ledger.tidy(trial)
            if order["job"] == "timing":
                run_timing(ledger, study, trial, bench, spawned=order["spawned"])
            elif order["job"] == "serving":
                from bakeoff.run.serving import run_serving

                run_serving(ledger, study, trial, bench.tell)
            else:
                run_trial(ledger, study, trial, bench)
    except Left:
        return 75
    except FolderError as error:
        bench.tell(event="folder", what=error.what, fix=error.fix)
        return 1
    except Exception as error:  # whatever an approach raises is this trial's outcome, kept and shown; the other trials go on
        _log_traceback()
        known = isinstance(error, BakeoffError)
        failure = {
            "what": error.what if isinstance(error, BakeoffError) else f"{type(error).__name__}: {error}"[:500],
            "fix": error.fix if isinstance(error, BakeoffError) else f"see {ledger.trial_folder(trial) / 'log.txt'}",
            "job": order["job"], "known": known,
        }  # fmt: skip
        try:
            ledger.write_measures(trial, {**ledger.measures(trial), "failure": failure})
        except FolderError as full:
            bench.tell(event="folder", what=full.what, fix=full.fix)
            return 1
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
    if finished(study, trial, measures):
        return  # the worker that we waited for has finished it
    splits, items = ledger.splits(), ledger.items()
    approach = plan.make(study.task, spec)
    model = ledger.trial_folder(trial) / "model"
    if "fit" in measures and model.is_dir() and isinstance(approach, Saves):
        approach = approach.restore(model)
        _hand_over(ledger, approach)
    else:
        targets = {name: item.target for name, item in items.items()}
        train = [items[name] for name in plan.share(splits.train[trial.seed], targets, trial.fraction)]
        valid = [items[name] for name in splits.valid[trial.seed]]
        counts = {"n_train": len(train), "n_valid": len(valid)}
        bench.tell(event="stage", stage="fit")
        _hand_over(ledger, approach)
        if isinstance(approach, KeepsCheckpoints):
            approach.checkpoint_in(ledger.checkpoint_folder(trial))
        approach, measures["fit"] = _fit(approach, train, valid, trial, bench)
        measures["fit"] |= {**counts, "context": context(threads)}
        if isinstance(approach, Saves) and trial.seed == 0 and trial.fraction == 1.0:
            with ledger.model_folder(trial) as folder:
                approach.save(folder)
            measures["fit"]["model_bytes"] = _bytes_of(model)
        ledger.write_measures(trial, measures)
        ledger.drop_checkpoint(trial)
    if "answer" not in measures:
        asked = [items[name].asked() for name in splits.test]
        bench.tell(event="stage", stage="answer")
        started = time.perf_counter()
        answers = answer_all(approach, asked, bench)
        seconds = time.perf_counter() - started
        ledger.write_answers(trial, splits.test, answers)
        measures["answer"] = {"seconds": seconds, "items": len(answers), "peak_bytes": _peak(), "context": context(threads)}
        ledger.write_measures(trial, measures)
    if probing.wanted(study, trial):
        bench.tell(event="stage", stage="probe")
        measures |= probing.probe(ledger, study, trial, approach, lambda one, asked: answer_all(one, asked, bench, "probe"))
        ledger.write_measures(trial, measures)
    if trial.seed == 0 and trial.fraction == 1.0 and "explained" not in measures and isinstance(approach, Explains):
        bench.tell(event="stage", stage="explain")
        measures["explained"] = _explained(approach, [items[name] for name in splits.test], ledger.answers(trial))
        ledger.write_measures(trial, measures)


def _explained(approach: Explains, items: Sequence[Item], answers: Mapping[str, Answer]) -> Mapping[str, Any]:
    try:
        return approach.explain(items, [answers[item.id] for item in items])
    except Exception as error:  # an explanation that fails costs a section of the report, not the run
        _log_traceback()
        return {"failed": f"{type(error).__name__}: {error}"[:500]}


def _hand_over(ledger: Ledger, approach: Approach) -> None:
    if isinstance(approach, ReadsMaterial):
        approach.read_from(_material(ledger))


def _material(ledger: Ledger) -> Path:
    """What the items are asked about, as the task prepared it."""
    folder = Path((ledger.data() or {}).get("material") or "")
    if not folder.parts or not folder.is_dir():
        raise BakeoffError(
            "What the questions are asked about is no longer where it was prepared.", fix="run the study again, without --resume"
        )
    return folder


def finished(study: Study, trial: Trial, measures: Mapping[str, Any]) -> bool:
    """Whether the trial's own job has nothing left to do."""
    return "answer" in measures and ("probes" in measures or not probing.wanted(study, trial))


def _fit(approach: Approach, train: list[Item], valid: list[Item], trial: Trial, bench: Bench) -> tuple[Any, dict[str, Any]]:
    last = [0.0]

    def progress(fraction: float, note: str = "") -> None:
        if bench.leaving.is_set():
            raise Left
        now = time.monotonic()
        if now - last[0] > SECONDS_BETWEEN_NEWS:
            last[0] = now
            bench.tell(event="progress", stage="fit", fraction=_share(fraction), note=str(note)[:LONGEST_NOTE])

    started, cpu = time.perf_counter(), time.process_time()
    bench.patient = _asks_a_server(approach)
    try:
        fitted = approach.fit(train, valid, seed=trial.seed, progress=progress)
    finally:
        bench.patient = False
    measured = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu, "peak_bytes": _peak()}
    return fitted, {
        **measured,
        "settings": plan.settings_of(fitted),
        "chosen": getattr(fitted, "chosen_", {}),
        "curve": getattr(fitted, "curve_", []),
    }


def answer_all(approach: Approach, asked: Sequence[Item], bench: Bench, stage: str = "answer") -> list[Answer]:
    """One answer per item, whatever the approach does: what it raises becomes the error of the item it was at.

    Raises
    ------
    Left
        If the bench has gone; the approach's iterator was closed first, so that it could finish what was in flight.
    """
    answers: list[Answer] = []
    failures, last = 0, 0.0
    bench.patient = True
    try:
        while len(answers) < len(asked):
            stream: Any = None
            try:
                stream = iter(approach.answer(asked[len(answers) :]))
                for answer in stream:
                    if len(answers) == len(asked):
                        raise TooMany(f"the approach gave more answers than the {len(asked)} items it was asked")
                    answers.append(checked(answer))
                    now = time.monotonic()
                    if now - last > SECONDS_BETWEEN_NEWS:
                        last = now
                        note = f"{len(answers)} of {len(asked)} answers"
                        bench.tell(event="progress", stage=stage, fraction=len(answers) / len(asked), note=note)
                    if bench.leaving.is_set():
                        raise Left
                missing = len(asked) - len(answers)
                answers.extend([Answer(error="the approach gave no answer for this item")] * missing)
            except (Left, TooMany):
                raise
            except BakeoffError:
                raise  # it knows what is wrong and how to fix it: nothing is gained by asking again
            except Exception as error:  # an approach's own failure is an outcome to be counted, whatever it is
                _log_traceback()
                if len(answers) == len(asked):
                    break
                failures += 1
                answers.append(Answer(error=encodable(f"{type(error).__name__}: {error}"[:500])))
                if failures >= MOST_FAILURES:
                    rest = len(asked) - len(answers)
                    answers.extend([Answer(error=f"not tried: the approach had failed {failures} times")] * rest)
            finally:
                close = getattr(stream, "close", None)
                if close:
                    close()
    finally:
        bench.patient = False
    return answers


def run_timing(ledger: Ledger, study: Study, trial: Trial, bench: Bench, *, spawned: float) -> None:
    """Measure the saved model as a server would hold it. `spawned` is the bench's monotonic clock at process start."""
    from bakeoff.measure import timing

    spec = study.spec(trial.approach)
    measures = ledger.measures(trial)
    if (measures.get("failure") or {}).get("job") == "timing":
        del measures["failure"]
    splits, items = ledger.splits(), ledger.items()
    asked = [items[name].asked() for name in splits.test]
    del items
    task = registry.task(study.task)
    if isinstance(task, TimesOthers):
        asked = list(task.timed(asked)) or asked
    bench.tell(event="stage", stage="timing")
    approach = plan.make(study.task, spec)
    started = time.perf_counter()
    approach = approach.restore(ledger.trial_folder(trial) / "model")
    _hand_over(ledger, approach)
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
    # After everything that is timed: an instrument that counts operations slows what it looks at.
    measures["timing"]["flops"] = _flops(approach, asked[:FLOPS_ITEMS])
    ledger.write_measures(trial, measures)


def _flops(approach: Any, items: Sequence[Item]) -> dict[str, Any] | None:
    if not isinstance(approach, CountsFlops):
        return None
    try:
        return asdict(approach.flops(items))
    except Exception:  # a count that fails costs a figure, not the run
        _log_traceback()
        return None


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


def _asks_a_server(approach: Any) -> bool:
    return bool(getattr(approach, "remote", False)) or hasattr(approach, "base_url")


def _share(fraction: Any) -> float:
    """What an approach says of its progress, as a number in [0, 1] whatever it says."""
    try:
        return min(1.0, max(0.0, float(fraction))) if math.isfinite(float(fraction)) else 0.0
    except (TypeError, ValueError):
        return 0.0


def _log_traceback() -> None:
    with contextlib.suppress(OSError, ValueError):  # the log's disk may be full
        traceback.print_exc()


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
