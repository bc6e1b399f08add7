"""A saved approach, taken out of its run: as fitted on the first seed with all training items, ready to answer."""

from __future__ import annotations

from pathlib import Path

from bakeoff.contract import Approach, Saves, Trial
from bakeoff.errors import RunError, nearest
from bakeoff.run import plan
from bakeoff.run.ledger import Ledger, find_run


def is_language_model(what: str) -> bool:
    """Whether `what` names a bare language model rather than a run: of the catalogue, of the hub, or a GGUF file."""
    if what.startswith("hub:") or what.endswith(".gguf"):
        return True
    from bakeoff.assets import catalogue

    asset = catalogue().get(what)
    return asset is not None and asset.kind == "weights"


def is_corpus(what: str) -> bool:
    """Whether `what` is a folder of documents that has been indexed."""
    from bakeoff.tasks.documents.corpus import FOLDER

    return (Path(what) / FOLDER).is_dir()


def find_saved(what: str, runs: Path) -> tuple[Ledger, str]:
    """The run and the approach that ``RUN[:approach]`` names; the approach is '' where none is named.

    Raises
    ------
    RunError
        If there is no such run.
    """
    run, mark, name = what.rpartition(":")
    if mark and run and not Path(what).is_dir():
        return find_run(run, runs), name
    return find_run(what, runs), ""


def task_of(what: str, runs: Path) -> str:
    """The task of the run that `what` names; '' for a language model or a folder of documents. Raises RunError as `find_saved`."""
    return "" if is_language_model(what) or is_corpus(what) else find_saved(what, runs)[0].study().task


def restore(ledger: Ledger, name: str) -> Approach:
    """The approach called `name` of a run, as its first seed left it.

    The run need not be finished: what is saved can be restored.

    Raises
    ------
    RunError
        If no approach of the run is called so, it cannot be saved, its trial has failed, or it is not fitted yet.
    BakeoffError
        If a package or a model that it needs is missing, or the saved model is damaged.
    """
    study = ledger.study()
    names = [spec.name for spec in study.approaches]
    if name not in names:
        raise RunError(f"{ledger.name} has no approach called {name!r}.", fix=nearest(name, names))
    spec = study.spec(name)
    made = plan.make(study.task, spec)
    if not isinstance(made, Saves):
        raise RunError(f"{name!r} ({spec.use}) keeps no model: it has no `save` and `restore`.", fix=_others(ledger, names, name))
    trial = Trial(name, 0)
    folder = ledger.trial_folder(trial) / "model"
    if not folder.is_dir():
        failure = ledger.measures(trial).get("failure")
        why = f"its first trial failed: {failure['what']}" if failure else "it was not fitted yet"
        raise RunError(
            f"There is no saved model of {name!r} in {ledger.name}: {why}",
            fix=_others(ledger, names, name) or f"finish the run: `bakeoff run {ledger.folder} --resume`",
        )
    return made.restore(folder)


def saved(ledger: Ledger) -> list[str]:
    """The approaches of a run that have a saved model, in the study's order."""
    names = [spec.name for spec in ledger.study().approaches]
    return [name for name in names if (ledger.trial_folder(Trial(name, 0)) / "model").is_dir()]


def _others(ledger: Ledger, names: list[str], name: str) -> str:
    there = [other for other in saved(ledger) if other != name]
    return f"these have one: {', '.join(there)}" if there else ""
