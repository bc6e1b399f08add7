"""The run folder: the only code that writes it.

Every file appears whole or not at all (written beside, flushed to disk, renamed), so a run killed at any
moment can be resumed, and what is there can be believed. Nothing in it is executable: JSON, YAML, Parquet,
and models in safetensors, ONNX or JSON.

    study.yaml  environment.json  data.json  items.jsonl  splits.json  probes.json
    trials/<approach>/<seed>/  measures.json  answers.parquet  probe-<set>.parquet  model/  log.txt
    verdict.json  report.html  memo.md
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bakeoff.contract import Answer, Citation, Dataset, Item, ProbeSet, Splits, Trial
from bakeoff.errors import RunError
from bakeoff.study import Study, read_study, write_study

RUN_NAME = re.compile(r"^\d{8}-\d{6}-.+-[0-9a-f]{8}$")


SECONDS_BEFORE_A_DRAFT_IS_STALE = 3600.0


class FolderError(RunError):
    """The run folder takes no more: the disk is full or read-only. It ends the run; it is no approach's failure."""


def disk_error(error: OSError, path: Path) -> RunError:
    """A failed write as what happened and how to fix it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FolderError(f"The disk is full: {path} could not be written.", fix="free some space, then continue with --resume")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return FolderError(f"{path} cannot be written: the folder is read-only.", fix="choose another folder with --runs DIR")
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG):
        return RunError(f"{path} cannot be written: {os.strerror(error.errno)}.", fix="choose another folder with --runs DIR")
    return RunError(f"{path} cannot be written: {error.strerror or error}.", fix="check the disk, then continue with --resume")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there whole or not at all, even if the power fails.

    Raises
    ------
    RunError
        If the disk is full or the folder read-only; nothing is left behind then.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise disk_error(error, path) from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def to_json(value: Any) -> str:
    """JSON text that any reader takes: no NaN or infinity (they become null), numpy scalars as numbers."""
    return encodable(json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":")))


def encodable(text: str) -> str:
    """The text with a question mark for every lone surrogate, which no file can hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return _plain(value.item())
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    raise TypeError(f"{type(value).__name__} cannot be kept as JSON")


@dataclass(frozen=True)
class Ledger:
    """One run folder."""

    folder: Path

    # -- making and finding -------------------------------------------------------------------------------------

    @classmethod
    def create(cls, runs: Path, study: Study, data_hash: str) -> Ledger:
        """A new run folder under `runs`, named by time, study and a hash of study and data."""
        return cls.draft(runs, study).publish(study, data_hash)

    @classmethod
    def draft(cls, runs: Path, study: Study) -> Ledger:
        """A run folder under a hidden name: nobody sees it before `publish`, so no run is ever seen half made.

        Drafts that a killed process left behind are removed here.

        Raises
        ------
        RunError
            If the folder cannot be written; nothing is left behind then.
        """
        there = runs.exists()
        try:
            runs.mkdir(parents=True, exist_ok=True)
            for old in runs.glob(".new-*"):
                if time.time() - old.stat().st_mtime > SECONDS_BEFORE_A_DRAFT_IS_STALE:
                    shutil.rmtree(old, ignore_errors=True)
            ledger = cls(Path(tempfile.mkdtemp(prefix=".new-", dir=runs)))
        except OSError as error:
            if not there:
                with contextlib.suppress(OSError):
                    runs.rmdir()
            raise disk_error(error, runs) from error
        try:
            write_whole(ledger.folder / "study.yaml", write_study(study))
        except RunError:
            ledger.discard()
            raise
        return ledger

    def publish(self, study: Study, data_hash: str) -> Ledger:
        """Give a draft its name. The run exists from here on."""
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
        rest = f"{study.study}-{run_hash(study, data_hash)}"
        try:
            self.folder.chmod(0o755)
            for extra in range(1000):
                folder = self.folder.parent / f"{stamp[:-6]}{int(stamp[-6:]) + extra:06d}-{rest}"
                try:
                    self.folder.replace(folder)
                except OSError as error:
                    if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                        continue  # a run of the same second has that name
                    raise
                _sync_folder(folder.parent)
                return Ledger(folder.resolve())
        except OSError as error:
            self.discard()
            raise disk_error(error, self.folder) from error
        raise RunError(f"{self.folder.parent} holds a thousand runs of this second.", fix="choose another folder with --runs DIR")

    def discard(self) -> None:
        """Remove a draft: that run never began."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @classmethod
    def open(cls, folder: Path) -> Ledger:
        """An existing run folder. Raises RunError if it is none."""
        if not (folder / "study.yaml").is_file():
            raise RunError(
                f"{folder} is not a run folder: it has no study.yaml.",
                fix="give a folder that `bakeoff run` made; `bakeoff list` shows them",
            )
        return cls(folder.resolve())

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def finished(self) -> bool:
        """True once there is a verdict."""
        return (self.folder / "verdict.json").is_file()

    def study(self) -> Study:
        """The study as run."""
        return read_study(self.folder / "study.yaml")

    @contextlib.contextmanager
    def locked(self, what: str = ".lock", *, wait_seconds: float = 0.0) -> Iterator[None]:
        """Hold the run (or one trial of it): two processes never write the same place.

        Raises
        ------
        RunError
            If another process holds it for longer than `wait_seconds`.
        """
        import fcntl

        path = self.folder / what
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise disk_error(error, path) from error
        deadline = time.monotonic() + wait_seconds
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise RunError(
                            f"Another process is working on {self.name}.", fix="wait until it has ended, or stop it first"
                        ) from None
                    time.sleep(0.05)
            yield
        finally:
            os.close(handle)

    # -- what the run is about ----------------------------------------------------------------------------------

    def write_data(self, dataset: Dataset, splits: Splits, hashes: Mapping[str, Any], findings: Sequence[Any]) -> None:
        """Keep the items, the splits and what was learned about the data. `data.json` comes last: it marks the rest whole."""
        rows = (
            to_json({"id": i.id, "input": i.input, "target": i.target, "group": i.group, "meta": dict(i.meta)})
            for i in dataset.items
        )
        write_whole(self.folder / "items.jsonl", "\n".join(rows) + "\n")
        write_whole(self.folder / "splits.json", to_json({"test": splits.test, "train": splits.train, "valid": splits.valid}))
        about = {
            "name": dataset.name, "licence": dataset.licence, "notes": dataset.notes, "facts": dataset.facts, "items": len(dataset.items), "material": dataset.material,
            "hashes": hashes, "findings": [asdict(finding) for finding in findings],
        }  # fmt: skip
        write_whole(self.folder / "data.json", to_json(about))

    def data(self) -> dict[str, Any] | None:
        """What `write_data` kept about the data, or None if the run was killed before it was whole."""
        return self._read_json("data.json")

    def items(self) -> dict[str, Item]:
        """All items by id."""
        found = {}
        with (self.folder / "items.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                found[row["id"]] = Item(row["id"], row["input"], row["target"], row["group"], row["meta"])
        return found

    def splits(self) -> Splits:
        """The splits as run."""
        kept = self._read_json("splits.json")
        if kept is None:
            raise RunError(f"{self.name} has no splits.json.", fix="run the study again")
        return Splits(
            tuple(kept["test"]),
            {int(seed): tuple(ids) for seed, ids in kept["train"].items()},
            {int(seed): tuple(ids) for seed, ids in kept["valid"].items()},
        )

    def write_probes(self, sets: Sequence[ProbeSet]) -> None:
        """Keep the inputs that are asked beside the test. Written before `write_data`, which marks the rest whole."""
        rows = [
            {
                "name": one.name, "source": one.source, "kinds": dict(one.kinds), "notes": one.notes,
                "items": [{"id": i.id, "input": i.input, "target": i.target, "group": i.group, "meta": dict(i.meta)} for i in one.items],
            }
            for one in sets
        ]  # fmt: skip
        write_whole(self.folder / "probes.json", to_json(rows))

    def probes(self) -> tuple[ProbeSet, ...]:
        """The inputs that are asked beside the test; empty when the study asks for none."""
        return tuple(
            ProbeSet(
                one["name"],
                one["source"],
                tuple(Item(i["id"], i["input"], i["target"], i["group"], i["meta"]) for i in one["items"]),
                one["kinds"],
                tuple(one["notes"]),
            )
            for one in self._read_json("probes.json") or []
        )

    # -- trials -------------------------------------------------------------------------------------------------

    def trial_folder(self, trial: Trial) -> Path:
        """Where a trial is kept."""
        return self.folder / "trials" / trial.folder

    def measures(self, trial: Trial) -> dict[str, Any]:
        """What was measured so far: stages ``fit``, ``answer``, ``timing``, or ``failure``. Empty when nothing was."""
        return self._read_json(f"trials/{trial.folder}/measures.json") or {}

    def write_measures(self, trial: Trial, measures: Mapping[str, Any]) -> None:
        """Replace a trial's measures."""
        write_whole(self.trial_folder(trial) / "measures.json", to_json(measures))

    def tidy(self, trial: Trial | None = None) -> None:
        """Remove what a killed writer left half-written: the run's own files, or one trial's. Hold its lock meanwhile."""
        home = self.folder if trial is None else self.trial_folder(trial)
        for file in home.glob(".*.tmp"):
            with contextlib.suppress(OSError):
                file.unlink()
        for folder in home.glob(".model-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def checkpoint_folder(self, trial: Trial) -> Path:
        """A folder that outlives a killed trial, for what it needs to go on; made if it is not there."""
        folder = self.trial_folder(trial) / "checkpoint"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, folder) from error
        return folder

    def drop_checkpoint(self, trial: Trial) -> None:
        """Remove what a trial kept to go on from: it is done. Its ``logs``, if it wrote any, stay beside it for people."""
        folder, kept = self.trial_folder(trial) / "checkpoint", self.trial_folder(trial) / "logs"
        if (folder / "logs").is_dir():
            shutil.rmtree(kept, ignore_errors=True)
            with contextlib.suppress(OSError):
                (folder / "logs").replace(kept)
        shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def model_folder(self, trial: Trial) -> Iterator[Path]:
        """An empty folder to save a model into; it becomes ``model/`` whole, when the block ends well."""
        home = self.trial_folder(trial)
        try:
            home.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=".model-", dir=home))
        except OSError as error:
            raise disk_error(error, home) from error
        try:
            try:
                yield scratch
                for file in scratch.rglob("*"):
                    if file.is_file():
                        _sync_folder(file)
                final = home / "model"
                if final.exists():
                    shutil.rmtree(final)
                scratch.chmod(0o755)
                scratch.replace(final)
                _sync_folder(home)
            except OSError as error:
                raise disk_error(error, home) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def write_answers(self, trial: Trial, ids: Sequence[str], answers: Sequence[Answer], file: str = "answers.parquet") -> None:
        """Keep a trial's answers, one row per item."""
        import pyarrow
        import pyarrow.parquet

        columns: dict[str, list[Any]] = {
            "id": list(ids),
            "value": [to_json(a.value) for a in answers],
            "probabilities": [None if a.probabilities is None else to_json(a.probabilities) for a in answers],
            "seconds": [a.seconds for a in answers],
            "first_token_seconds": [a.first_token_seconds for a in answers],
            "tokens_in": [a.tokens_in for a in answers],
            "tokens_out": [a.tokens_out for a in answers],
            "usd": [a.usd for a in answers],
            "citations": [to_json([asdict(c) for c in a.citations]) if a.citations else None for a in answers],
            "abstained": [a.abstained for a in answers],
            "error": [a.error for a in answers],
            "details": [to_json(a.details) if a.details else None for a in answers],
        }
        table = pyarrow.table(columns, schema=_answer_schema())
        sink = pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(table, sink, compression="zstd")
        write_whole(self.trial_folder(trial) / file, sink.getvalue().to_pybytes())

    def write_probe_answers(self, trial: Trial, name: str, ids: Sequence[str], answers: Sequence[Answer]) -> None:
        """Keep a trial's answers to the probe set called `name`."""
        self.write_answers(trial, ids, answers, _probe_file(name))

    def probe_answers(self, trial: Trial, name: str) -> dict[str, Answer]:
        """A trial's answers to a probe set by item id; empty when it has none."""
        return self.answers(trial, _probe_file(name))

    def answers(self, trial: Trial, file: str = "answers.parquet") -> dict[str, Answer]:
        """A trial's answers by item id; empty when it has none."""
        import pyarrow.parquet

        path = self.trial_folder(trial) / file
        if not path.is_file():
            return {}
        found = {}
        for row in pyarrow.parquet.read_table(path, schema=_answer_schema()).to_pylist():
            citations = tuple(
                Citation(c["document"], c["page"], c["quote"], tuple(tuple(box) for box in c["boxes"]))
                for c in json.loads(row["citations"] or "[]")
            )
            found[row["id"]] = Answer(
                json.loads(row["value"]), json.loads(row["probabilities"]) if row["probabilities"] else None, row["seconds"],
                row["first_token_seconds"], row["tokens_in"], row["tokens_out"], row["usd"], citations, row["abstained"], row["error"],
                json.loads(row["details"]) if row["details"] else {},
            )  # fmt: skip
        return found

    # -- small things -------------------------------------------------------------------------------------------

    def write(self, name: str, content: str) -> Path:
        """Write one of the run's own files whole."""
        write_whole(self.folder / name, content)
        return self.folder / name

    def _read_json(self, name: str) -> Any:
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise RunError(f"{path} is damaged: {error}.", fix="run the study again") from error


def run_hash(study: Study, data_hash: str) -> str:
    """Eight hex digits of the study and its data: the same question gives the same ones."""
    return hashlib.sha256((write_study(study) + data_hash).encode()).hexdigest()[:8]


def all_runs(runs: Path) -> list[Ledger]:
    """The run folders under `runs`, oldest first."""
    if not runs.is_dir():
        return []
    return [Ledger(f.resolve()) for f in sorted(runs.iterdir()) if RUN_NAME.match(f.name) and (f / "study.yaml").is_file()]


def find_run(given: str, runs: Path) -> Ledger:
    """A run by path, by name, or ``latest``."""
    known = all_runs(runs)
    if given == "latest":
        if not known:
            raise RunError(f"There is no run under {runs}.", fix="start one with `bakeoff run sentiment`")
        return known[-1]
    for ledger in known:
        if ledger.name == given:
            return ledger
    if not Path(given).is_dir():
        from bakeoff.errors import nearest

        raise RunError(
            f"There is no run {given!r}.", fix=nearest(given, [k.name for k in known]) or "`bakeoff list runs` shows the runs"
        )
    return Ledger.open(Path(given))


def _probe_file(name: str) -> str:
    return f"probe-{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.parquet"


def _answer_schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            ("id", pa.string()), ("value", pa.string()), ("probabilities", pa.string()), ("seconds", pa.float64()),
            ("first_token_seconds", pa.float64()), ("tokens_in", pa.int64()), ("tokens_out", pa.int64()), ("usd", pa.float64()),
            ("citations", pa.string()), ("abstained", pa.bool_()), ("error", pa.string()), ("details", pa.string()),
        ]
    )  # fmt: skip
