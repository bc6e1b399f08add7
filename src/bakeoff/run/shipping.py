"""The files of a run that a trial needs on another machine, and what comes back: names and bytes, whole, nothing that can run by itself.

A node gets the study, the items and the splits, what the trial had done before, and the Python modules beside the study (an environment of one's
own). It sends back what the trial's folder holds. So no filesystem need be shared.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from bakeoff.contract import Trial
from bakeoff.errors import RunError
from bakeoff.run.ledger import Ledger, disk_error, write_whole

RUN_FILES = ("study.yaml", "environment.json", "data.json", "items.jsonl", "splits.json", "probes.json")
LARGEST_CODE = 4_000_000
"""Bytes of Python modules beside a study that are sent along."""
LARGEST_CHECKPOINT = 512_000_000
"""Bytes of a checkpoint that are sent; a trial with a larger one begins anew where it is interrupted."""

Files = dict[str, bytes]
"""File contents by path below a folder, with slashes."""


def packed(folder: Path, *, without: tuple[str, ...] = ()) -> Files:
    """The files below a folder; hidden ones, and those below the folders named in `without`, are left out."""
    found: Files = {}
    for file in sorted(folder.rglob("*")) if folder.is_dir() else []:
        parts = file.relative_to(folder).parts
        if file.is_file() and parts[0] not in without and not any(part.startswith(".") for part in parts):
            found["/".join(parts)] = file.read_bytes()
    return found


def snapshot(folder: Path) -> Files | None:
    """As `packed`, of a folder that is being written: None where something changed meanwhile, or it is too large.

    What is given is what a kill at that moment would have left.
    """

    def look() -> dict[str, tuple[int, int]]:
        seen = {}
        for file in folder.rglob("*"):
            about = file.stat()
            seen[str(file)] = (about.st_size, about.st_mtime_ns)
        return seen

    try:
        before = look()
        if sum(size for size, _ in before.values()) > LARGEST_CHECKPOINT:
            return None
        found = packed(folder)
        return found if look() == before else None
    except OSError:
        return None  # a file was replaced while it was read: another moment will do


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files below a folder.

    Raises
    ------
    RunError
        If a name leads out of the folder, or the disk is full.
    """
    for name, content in files.items():
        path = folder / _inside(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise disk_error(error, path) from error


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if (
        path.is_absolute()
        or not path.parts
        or any(part in ("..", ".") or part.startswith(".") or "\\" in part for part in path.parts)
    ):
        raise RunError(
            f"A trial sent a file called {name!r}, which lies nowhere in its folder.", fix="check the machine that it ran on"
        )
    return path


def of_run(ledger: Ledger) -> Files:
    """What every trial of a run needs."""
    return {name: (ledger.folder / name).read_bytes() for name in RUN_FILES if (ledger.folder / name).is_file()}


def code_beside(ledger: Ledger) -> dict[str, Files]:
    """Python modules that items name by folder (the environments of a study's own), by that folder; at most `LARGEST_CODE` bytes.

    The modules that lie in the folder itself, and the packages that items name.

    Raises
    ------
    RunError
        If there are more bytes than that.
    """
    wanted: dict[str, set[str]] = {}
    for item in ledger.items().values():
        given = item.input
        if isinstance(given, Mapping) and isinstance(given.get("folder"), str) and given["folder"]:
            module = str(given.get("environment", "")).partition(":")[0].split(".")[0]
            wanted.setdefault(given["folder"], set()).add(module)
    found: dict[str, Files] = {}
    for folder, modules in wanted.items():
        home = Path(folder)
        here = {file.name: file.read_bytes() for file in sorted(home.glob("*.py")) if file.is_file()}
        for module in sorted(modules):
            if module and (home / module / "__init__.py").is_file():
                inside = packed(home / module, without=("__pycache__",))
                here |= {f"{module}/{name}": content for name, content in inside.items() if not name.endswith(".pyc")}
        if sum(map(len, here.values())) > LARGEST_CODE:
            raise RunError(
                f"The Python files in {folder} are larger than {LARGEST_CODE:,} bytes.",
                fix="put the environment's module into a folder of its own, with the study",
            )
        found[folder] = here
    return found


def same_there(folder: str, files: Mapping[str, bytes]) -> bool:
    """Whether this machine has these very files in that folder."""
    try:
        return bool(files) and all((Path(folder) / name).read_bytes() == content for name, content in files.items())
    except OSError:
        return False


def land(ledger: Ledger, trial: Trial, files: Mapping[str, bytes], *, there: str = "") -> None:
    """Put what a trial left on its node into the run: its measures last, for they say that the rest is there.

    Parameters
    ----------
    ledger, trial
        Where. The caller holds the trial's lock.
    files : mapping of str to bytes
        The trial's folder.
    there : str
        The run's folder on the node: where measures name it, it becomes the one here.

    Raises
    ------
    RunError
        If a file lies outside, or cannot be written.
    """
    home = ledger.trial_folder(trial)
    names = {name: _inside(name) for name in files}
    for name, path in names.items():
        if name not in ("measures.json", "log.txt") and path.parts[0] != "model":
            write_whole(home / path, files[name])
    model = {name.removeprefix("model/"): content for name, content in files.items() if name.startswith("model/")}
    if model:
        with ledger.model_folder(trial) as folder:
            unpack(model, folder)
    if "log.txt" in files:
        try:
            with (home / "log.txt").open("ab") as log:
                log.write(files["log.txt"])
        except OSError as error:
            raise disk_error(error, home / "log.txt") from error
    if "measures.json" in files:
        kept = files["measures.json"]
        if there:
            kept = kept.replace(
                json.dumps(there)[1:-1].encode(), json.dumps(str(ledger.folder), ensure_ascii=False)[1:-1].encode()
            )
        write_whole(home / "measures.json", kept)


def keep_checkpoint(ledger: Ledger, trial: Trial, files: Mapping[str, bytes]) -> None:
    """Replace what a trial goes on from after an interruption; the old one or the new one is there, or, for an instant, none."""
    home = ledger.trial_folder(trial)
    final = home / "checkpoint"
    try:
        home.mkdir(parents=True, exist_ok=True)
        for old in home.glob(".checkpoint-*"):
            shutil.rmtree(old, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix=".checkpoint-", dir=home))
        unpack(files, draft / "new")
        if final.exists():
            final.replace(draft / "old")
        (draft / "new").replace(final)
        shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise disk_error(error, final) from error


@contextlib.contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """An empty folder for as long as the block lasts. Those that killed processes left behind are removed first.

    The path is short: sockets, whose paths may have about a hundred characters, lie in it.
    """
    base = Path("/tmp") if os.access("/tmp", os.W_OK) else Path(tempfile.gettempdir())
    for old in base.glob(f"{prefix}*"):
        with _held(old / ".alive") as ours:
            if ours:
                shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    with _held(folder / ".alive", make=True):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _held(file: Path, *, make: bool = False) -> Iterator[bool]:
    """Hold a lock on a file that ends with this process; False where another process holds it, or there is none."""
    try:
        handle = os.open(file, os.O_RDWR | (os.O_CREAT if make else 0), 0o600)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
    finally:
        os.close(handle)
