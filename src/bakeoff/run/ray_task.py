"""What runs on a node of a Ray cluster: the very worker process that the local engine starts, listened to, and its files sent back.

A task is a generator: what it yields goes to the bench as it comes. The worker is told that its bench is gone by the end of a pipe, as it is
locally, so it leaves when the task is cancelled, when the task's process dies, and when the bench or its machine does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bakeoff.contract import Trial
from bakeoff.errors import BakeoffError
from bakeoff.run import shipping
from bakeoff.run.ledger import Ledger
from bakeoff.run.processes import Pool

SCRATCH = "bakeoff-trial-"
SECONDS_BETWEEN_NEWS = 0.5


def work(order: Mapping[str, Any], shared: Mapping[str, Any], before: shipping.Files) -> Iterator[dict[str, Any]]:
    """Run one trial in a folder of its own.

    Parameters
    ----------
    order : mapping
        ``name`` (of the run), ``approach``, ``seed``, ``fraction``, ``threads``, ``version`` (of Bakeoff), ``variables`` (of the environment), ``cwd``,
        ``checkpoint_seconds`` (how often a checkpoint is sent).
    shared : mapping
        ``run`` (files of the run) and ``code`` (modules beside the study, by their folder).
    before : mapping of str to bytes
        What the trial's folder holds already: the checkpoint of an interrupted training, or a model that has yet to answer.

    Yields
    ------
    dict
        What the worker says (see `bakeoff.run.worker`); ``checkpoint`` with ``files``; ``refused`` with ``what`` and ``fix``, where this
        machine cannot run it; and last ``landed`` with ``files``, ``there`` (the run's folder here) and the exit ``code``.
    """
    try:
        yield {"event": "began"}
        _check(order, shared)
        with shipping.scratch(SCRATCH) as home:
            yield from _worked(order, shared, before, home)
    except BakeoffError as error:
        yield {"event": "refused", "what": error.what, "fix": error.fix}


def _check(order: Mapping[str, Any], shared: Mapping[str, Any]) -> None:
    import json

    from bakeoff import __version__

    if order["version"] != __version__:
        raise BakeoffError(
            f"Bakeoff {__version__} is installed on {os.uname().nodename}, and {order['version']} on the bench.",
            fix="install the same version on every node",
        )
    material = str(json.loads(shared["run"]["data.json"]).get("material") or "")
    if material and not Path(material).is_dir():
        raise BakeoffError(
            f"The material that the items are asked about is not on {os.uname().nodename}: {material}.",
            fix="put it on a filesystem that the nodes share, or run without --engine ray",
        )


def _worked(order: Mapping[str, Any], shared: Mapping[str, Any], before: shipping.Files, home: Path) -> Iterator[dict[str, Any]]:
    trial = Trial(order["approach"], order["seed"], order["fraction"])
    ledger = Ledger(home / order["name"])
    shipping.unpack(shared["run"], ledger.folder)
    shipping.unpack(before, ledger.trial_folder(trial))
    cwd = Path(order["cwd"])
    pool = Pool(ledger, variables=_variables(order, shared["code"], home), cwd=cwd if cwd.is_dir() else home)
    told, kept, last = 0.0, time.monotonic(), None
    checkpoint = ledger.trial_folder(trial) / "checkpoint"
    try:
        pool.start(trial, "trial", order["threads"])
        while True:
            for _, event in pool.listen(0.2):
                kind = event.get("event")
                if kind == "ended":
                    files = shipping.packed(ledger.trial_folder(trial), without=("checkpoint",))
                    yield {"event": "landed", "files": files, "there": str(ledger.folder), "code": event["code"]}
                    return
                if kind == "folder":
                    raise BakeoffError(f"{os.uname().nodename}: {event['what']}", fix=event["fix"])
                if kind == "progress":
                    if time.monotonic() - told < SECONDS_BETWEEN_NEWS:
                        continue
                    told = time.monotonic()
                yield dict(event)
            if time.monotonic() - kept >= order["checkpoint_seconds"]:
                kept = time.monotonic()
                found = shipping.snapshot(checkpoint)
                if found and found != last:
                    last = found
                    yield {"event": "checkpoint", "files": found}
    finally:
        pool.stop()


def _variables(order: Mapping[str, Any], code: Mapping[str, shipping.Files], home: Path) -> dict[str, str]:
    """Variables of the worker: the bench's own ``BAKEOFF_``, and where the modules beside the study are found."""
    found = dict(order["variables"])
    if not Path(found.get("BAKEOFF_HOME", "/")).is_dir():
        del found["BAKEOFF_HOME"]  # a path of the bench's machine; this one has its own
    paths: list[str] = []
    for number, (folder, files) in enumerate(code.items()):
        if shipping.same_there(folder, files):
            continue
        copy = home / f"code-{number}"
        shipping.unpack(files, copy)
        # The folder's own name comes along, behind the copy: what is on the path already is not put before it.
        paths += [str(copy), folder]
    if paths:
        found["PYTHONPATH"] = os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH", "")])])
    return found
