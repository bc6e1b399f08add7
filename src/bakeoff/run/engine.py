"""The bench: run a study's trials, resume them, time them alone.

Trials may overlap (as many processes as there are cores); timing never does. Only this process decides what
runs next, and all it knows it reads from the ledger, so killing it at any moment loses at most the trials that
were running.
"""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bakeoff import registry
from bakeoff.contract import Finding, Item, Metric, Probes, ProbeSet, Progress, Task, Trial, quiet
from bakeoff.errors import BadStudy, RunError, nearest, needs
from bakeoff.run import plan
from bakeoff.run.ledger import FolderError, Ledger, all_runs, to_json
from bakeoff.run.processes import Pool, Worker
from bakeoff.run.worker import finished
from bakeoff.study import Study, write_study

SHARE_FOR_TRIALS = 0.8
"""The part of a time budget after which no trial goes on, so that timing and the report still fit."""
FEWEST_FREE_BYTES = 500_000_000


class Event(NamedTuple):
    """Something that a person watching may want to see. `seconds_left` is None while nothing is known."""

    kind: str
    trial: Trial | None
    fraction: float
    note: str
    overall: float
    seconds_left: float | None


Watch = Callable[[Event], None]

NOTES = {"timing": "alone on the machine", "serving": "behind an endpoint, under load"}


def watch_nothing(event: Event) -> None:
    """A Watch that says nothing."""


@dataclass
class Settings:
    """How to run, as opposed to what.

    `workers` is the number of trials at once (default: cores divided by the study's threads); `budget_seconds` bounds
    the whole run; trials that do not fit in it are reported as not run. `engine`: where trials run, in processes of this
    machine or as tasks of a Ray cluster (`bakeoff.run.ray_engine`).
    """

    runs: Path = Path("runs")
    workers: int | None = None
    budget_seconds: float | None = None
    engine: Literal["local", "ray"] = "local"


@dataclass
class Clock:
    """What is done and how long it took, for the time left."""

    trials: tuple[Trial, ...]
    workers: int
    alone_seconds: Mapping[str, float]
    alone: list[str]
    took: dict[Trial, float] = field(default_factory=dict)
    alone_took: dict[str, list[float]] = field(default_factory=dict)

    def skip(self, job: str) -> None:
        """One of the jobs that run alone is over, whatever became of it."""
        if job in self.alone:
            self.alone.remove(job)

    def expected(self, trial: Trial) -> float | None:
        """Seconds that a trial should take, judged from those of its approach that are done."""
        known = [seconds / (0.15 + 0.85 * t.fraction) for t, seconds in self.took.items() if t.approach == trial.approach]
        return (sum(known) / len(known)) * (0.15 + 0.85 * trial.fraction) if known else None

    def left(self, running: list[Worker]) -> tuple[float, float | None]:
        """(share done, seconds left or None)."""
        remaining = 0.0
        going = {worker.trial: worker for worker in running if worker.job == "trial"}
        guess = sum(self.took.values()) / len(self.took) if self.took else None
        for trial in self.trials:
            if trial in self.took:
                continue
            expected = self.expected(trial)
            worker = going.get(trial)
            if worker and worker.stage == "fit" and worker.fraction > 0.05:
                expected = max(expected or 0.0, worker.seconds / worker.fraction)
            expected = expected if expected is not None else guess
            if expected is None:
                return len(self.took) / max(1, len(self.trials)), None
            remaining += max(0.0, expected - (worker.seconds if worker else 0.0))
        spent = sum(self.took.values()) / self.workers
        left = remaining / self.workers
        for job, prior in self.alone_seconds.items():
            known = self.alone_took.get(job, [])
            # Approaches differ a thousandfold in speed, so the first few tell little: the prior counts as two of them.
            left += self.alone.count(job) * (sum(known) + 2 * prior) / (len(known) + 2)
            spent += sum(known)
        return spent / max(1e-9, spent + left), left


def refuse_nothing(study: Study, metrics: Mapping[str, Metric]) -> None:
    """Takes every question."""


def prepare(
    study: Study,
    *,
    base: Path,
    settings: Settings,
    progress: Progress = quiet,
    refuse: Callable[[Study, Mapping[str, Metric]], None] = refuse_nothing,
) -> Ledger:
    """Read the data, check it, split it, and write a new run folder that is ready to run.

    `refuse` is given the study and the task's metrics; it raises where the question cannot be decided.

    Raises
    ------
    BakeoffError
        For anything wrong with the study or its data; nothing has been written then.
    """
    plan.plan(study)
    if settings.engine == "ray":
        needs("ray", extra="ray", why="`--engine ray`")
    task: Task = registry.task(study.task)
    free = shutil.disk_usage(_existing(settings.runs)).free
    if free < FEWEST_FREE_BYTES:
        raise RunError(
            f"The disk is nearly full: {free / 1e6:.0f} MB free, a run needs {FEWEST_FREE_BYTES / 1e6:.0f} MB.",
            fix="free some space, or choose another disk with --runs DIR",
        )
    dataset = task.load(study.data, base=base, progress=progress)
    metrics = task.metrics(dataset)
    if study.metric and study.metric not in metrics:
        raise BadStudy(f"The task {study.task!r} has no metric {study.metric!r}.", fix=nearest(study.metric, metrics))
    refuse(study, metrics)
    splits = task.split(dataset, study.data, seeds=range(study.seeds))
    from bakeoff.measure.checks import hashes

    by_id = {item.id: item for item in dataset.items}
    kept = {"all": hashes(dataset.items), "test": hashes([by_id[name] for name in splits.test])}
    for seed in splits.train:
        kept[f"train seed {seed}"] = hashes([by_id[name] for name in splits.train[seed]])
        kept[f"valid seed {seed}"] = hashes([by_id[name] for name in splits.valid[seed]])
    findings: list[Finding] = list(task.check(dataset, splits))
    probes = _probes(task, study, [by_id[name] for name in splits.test], base, dataset.material)
    draft = Ledger.draft(settings.runs, study)
    try:
        draft.write_probes(probes)
        draft.write_data(dataset, splits, kept, findings)
        _write_environment(draft, study)
        return draft.publish(study, kept["all"]["x"] + kept["all"]["y"])
    except BaseException:
        draft.discard()  # nothing half-written: this run never began
        raise


def _probes(task: Task, study: Study, test: list[Item], base: Path, material: str) -> list[ProbeSet]:
    asked = study.edge_cases
    if asked is None:
        return []
    if not isinstance(task, Probes):
        raise BadStudy(f"The task {study.task!r} has no edge cases.", fix="leave `edge_cases` out of the study")
    beside = Path(material) if material else None
    return list(task.probes(test, sets=asked.sets, generated=asked.generated, kinds=asked.kinds, base=base, material=beside))


def find_unfinished(study: Study, runs: Path) -> Ledger:
    """The newest run of this very study that has no verdict yet.

    Raises
    ------
    RunError
        If there is none to resume.
    """
    text = write_study(study)
    for ledger in reversed(all_runs(runs)):
        if not ledger.finished and ledger.data() is not None and write_study(ledger.study()) == text:
            return ledger
    raise RunError(f"There is no unfinished run of {study.study!r} under {runs} to resume.", fix="run it without --resume")


def execute(ledger: Ledger, settings: Settings, watch: Watch = watch_nothing) -> None:
    """Run every trial that the ledger does not hold yet, then time each approach alone. The caller holds the run's lock.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, after the workers have left; the run can be resumed.
    FolderError
        If the run folder cannot be written any more; the run can be resumed once it can.
    """
    study = ledger.study()
    trials = plan.plan(study)
    began = time.monotonic()
    budget = settings.budget_seconds
    ledger.tidy()
    done = {trial for trial in trials if finished(study, trial, ledger.measures(trial))}
    alone = [("timing", Trial(spec.name, 0)) for spec in study.approaches]
    alone += [("serving", Trial(name, 0)) for name in plan.served(study)]
    waiting = [trial for trial in trials if trial not in done]
    pool, places = _pool(ledger, study, settings, waiting)
    workers = settings.workers or places
    clock = Clock(trials, workers, _expected_alone(study), [job for job, _ in alone])
    clock.took.update(dict.fromkeys(done, 0.0))
    try:
        stop_at = began + SHARE_FOR_TRIALS * budget if budget else None
        _run_trials(ledger, study, waiting, pool, clock, workers, stop_at, watch)
        _run_alone(ledger, study, alone, pool, clock, began + budget if budget else None, watch)
    finally:
        pool.stop()


def _pool(ledger: Ledger, study: Study, settings: Settings, waiting: list[Trial]) -> tuple[Pool, int]:
    """Where trials run, and how many at once. No cluster is asked for where no trial waits."""
    if settings.engine == "ray" and waiting:
        from bakeoff.run.ray_engine import RayPool

        made = RayPool.open(ledger, study)
        return made, made.places
    return Pool(ledger), max(1, (os.cpu_count() or 1) // study.threads)


def _run_trials(
    ledger: Ledger,
    study: Study,
    waiting: list[Trial],
    pool: Pool,
    clock: Clock,
    workers: int,
    stop_at: float | None,
    watch: Watch,
) -> None:
    while waiting or pool.running:
        late = stop_at is not None and time.monotonic() > stop_at
        if late:
            waiting.clear()
            for worker in list(pool.running):
                pool.stop(worker)
                watch(_event("stopped", worker.trial, "the time budget is spent", clock, pool))
            return
        while waiting and len(pool.running) < workers:
            trial = waiting.pop(0)
            pool.start(trial, "trial", study.spec(trial.approach).threads or study.threads)
            watch(_event("started", trial, "", clock, pool))
        _listen(ledger, pool, clock, watch)


def _expected_alone(study: Study) -> dict[str, float]:
    """Seconds that each kind of job that runs alone is expected to take, before any of them is known."""
    serving = study.serving
    under_load = 0.0
    if serving is not None:
        under_load = 0.7 * serving.single_seconds + serving.offline_seconds + 0.7 * serving.rates * serving.rate_seconds + 12
    return {"timing": study.timing.single_seconds * 0.6 + study.timing.batch_seconds * 0.6 + 3, "serving": under_load}


def _run_alone(
    ledger: Ledger,
    study: Study,
    jobs: list[tuple[str, Trial]],
    pool: Pool,
    clock: Clock,
    stop_at: float | None,
    watch: Watch,
) -> None:
    """Time and serve, one after the other: nothing else runs on the machine meanwhile."""
    for job, trial in jobs:
        if not _to_do(ledger, study, job, trial):
            clock.skip(job)
            continue
        if stop_at is not None and time.monotonic() > stop_at:
            return
        pool.start(trial, job, study.spec(trial.approach).threads or study.threads)
        watch(_event(job, trial, NOTES[job], clock, pool))
        while pool.running:
            _listen(ledger, pool, clock, watch)
            if stop_at is not None and time.monotonic() > stop_at:
                pool.stop()
                watch(_event("stopped", trial, "the time budget is spent", clock, pool))
        clock.skip(job)


def _to_do(ledger: Ledger, study: Study, job: str, trial: Trial) -> bool:
    measures = ledger.measures(trial)
    use = registry.approach(study.task, study.spec(trial.approach).use)
    there = "answer" in measures and (ledger.trial_folder(trial) / "model").is_dir()
    # A remote answer is timed when it is paid for: asking again to time it would pay twice.
    if not there or getattr(use, "remote", False):
        return False
    if job == "serving":
        return bool(measures.get("serving", {}).get("status") != "done")
    return "timing" not in measures


def _listen(ledger: Ledger, pool: Pool, clock: Clock, watch: Watch) -> None:
    for worker, event in pool.listen(0.2):
        kind = event.get("event")
        if kind == "stage":
            worker.stage, worker.fraction = str(event["stage"]), 0.0
        elif kind == "progress":
            worker.fraction = event["fraction"]
            watch(_event("progress", worker.trial, f"{worker.stage}: {event['note']}", clock, pool, worker.fraction))
        elif kind == "folder":
            raise FolderError(event["what"], fix=event["fix"])
        elif kind == "ended":
            _ended(ledger, worker, int(event["code"]), clock, pool, watch)


def _ended(ledger: Ledger, worker: Worker, code: int, clock: Clock, pool: Pool, watch: Watch) -> None:
    measures = ledger.measures(worker.trial)
    if worker.job == "serving":
        _serving_ended(ledger, worker, code, measures)
        measures = ledger.measures(worker.trial)
        clock.alone_took.setdefault(worker.job, []).append(worker.seconds)
        broken = measures.get("serving", {}).get("failure")
        watch(_event("failed" if broken else "done", worker.trial, broken or f"{worker.seconds:.0f} s", clock, pool, 1.0))
        return
    wanted = "timing" if worker.job == "timing" else "answer"
    if wanted not in measures and (measures.get("failure") or {}).get("job") != worker.job:
        # It died without a word (out of memory, a crash in a library): an outcome like any other, kept and shown.
        signal = f"signal {-code}" if code < 0 else f"exit code {code}"
        what = f"The process ended with {signal}" + (" (often: out of memory)" if code == -9 else "") + "."
        failure = {"what": what, "fix": f"see {ledger.trial_folder(worker.trial) / 'log.txt'}", "job": worker.job, "known": False}
        measures = {**measures, "failure": failure}
        ledger.write_measures(worker.trial, measures)
    if worker.job == "trial":
        clock.took[worker.trial] = worker.seconds
    else:
        clock.alone_took.setdefault(worker.job, []).append(worker.seconds)
    failed = measures.get("failure")
    failed = failed if failed and failed["job"] == worker.job else None
    note = failed["what"] if failed else f"{worker.seconds:.0f} s"
    watch(_event("failed" if failed else "done", worker.trial, note, clock, pool, 1.0))


def _serving_ended(ledger: Ledger, worker: Worker, code: int, measures: Mapping[str, Any]) -> None:
    """A serving job that died without a word is no failure of the approach: it answered, it was only not served."""
    failure = measures.get("failure") or {}
    ours = failure.get("job") == "serving"
    found = measures.get("serving") or {}
    if not ours and (found.get("status") == "done" or (found and code == 0)):
        return  # what was measured is kept, however the process ended after it
    if found and not ours and found.get("failure"):
        return
    kept = {k: v for k, v in measures.items() if not (k == "failure" and ours)}
    if found.get("status") != "done":
        what = failure["what"] if ours else f"The serving process ended with code {code}."
        kept["serving"] = {"status": "failed", "failure": what}
    ledger.write_measures(worker.trial, kept)


def _event(kind: str, trial: Trial, note: str, clock: Clock, pool: Pool, fraction: float = 0.0) -> Event:
    overall, left = clock.left(pool.running)
    return Event(kind, trial, fraction, note, overall, left)


def _write_environment(ledger: Ledger, study: Study) -> None:
    from bakeoff import __version__
    from bakeoff.measure.machine import describe

    about = {
        "bakeoff": __version__, "python": platform.python_version(), "platform": platform.platform(), "threads": study.threads,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "machine": describe(),
    }  # fmt: skip
    ledger.write("environment.json", to_json(about))


def _existing(folder: Path) -> Path:
    folder = folder.resolve()
    while not folder.exists():
        folder = folder.parent
    return folder
