"""One Python function per command: what the command line calls, a notebook calls the same way."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bakeoff.adapt import adapted, command_of
from bakeoff.contract import Metric, Progress, quiet
from bakeoff.errors import BadStudy, BakeoffError, RunError, nearest
from bakeoff.run.engine import Event, Settings, Watch, execute, find_unfinished, prepare, watch_nothing
from bakeoff.run.ledger import Ledger, all_runs, find_run, to_json
from bakeoff.study import Study, read_study

if TYPE_CHECKING:
    from bakeoff.decide.load_record import LoadDocument
    from bakeoff.decide.record import Document


def shipped_studies() -> dict[str, Path]:
    """The studies that come with Bakeoff, by name."""
    folder = resources.files("bakeoff") / "studies"
    return {Path(str(file)).stem: Path(str(file)) for file in folder.iterdir() if str(file).endswith(".yaml")}


def find_study(study: str | Path | Study) -> tuple[Study, Path]:
    """A study by shipped name, by path or as it is, and the folder that its paths are relative to.

    Raises
    ------
    BadStudy
        If there is none of that name, or the file is wrong.
    """
    if isinstance(study, Study):
        return study, Path.cwd()
    shipped = shipped_studies()
    if str(study) in shipped:
        return read_study(shipped[str(study)]), Path.cwd()
    path = Path(study)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        if not path.is_file():
            raise BadStudy(f"There is no file {str(study)!r}.", fix="check the path; `bakeoff new` writes a study for your data")
        return read_study(path), path.resolve().parent
    hint = nearest(str(study), shipped)
    raise BadStudy(f"There is no study called {str(study)!r}.", fix=f"{hint} Or give the path of a .yaml file".strip())


def study_here(folder: Path | str = ".") -> Path:
    """The one study file of a folder, as `bakeoff new` writes it, for a `bakeoff run` that names none.

    Raises
    ------
    BadStudy
        If there is none, or more than one.
    """
    found = sorted(
        path for path in Path(folder).glob("*.yaml") if re.search(r"^study\s*:", path.read_text("utf-8", "replace"), re.M)
    )
    if len(found) == 1:
        return found[0]
    if not found:
        raise BadStudy(
            "There is no study in this folder.", fix="name one: `bakeoff run sentiment`, or write one: `bakeoff new text FILE`"
        )
    names = ", ".join(path.name for path in found[:5])
    raise BadStudy(f"There are {len(found)} studies in this folder: {names}.", fix=f"name one: `bakeoff run {found[0].name}`")


def run_study(
    study: str | Path | Study,
    *,
    runs: Path | str = "runs",
    resume: bool = False,
    budget_seconds: float | None = None,
    workers: int | None = None,
    approaches: Sequence[str] | None = None,
    seeds: int | None = None,
    data: Mapping[str, Any] | None = None,
    engine: Literal["local", "ray"] = "local",
    watch: Watch = watch_nothing,
) -> Document:
    """Run a study and return its verdict document; the report and the memo stand in its run folder.

    Parameters
    ----------
    study : str, Path or Study
        A shipped name, the path of a .yaml file (or, with `resume`, of a run folder), or a Study.
    runs : Path
        Folder of the run folders.
    resume : bool
        Finish the newest unfinished run of this study instead of starting a new one.
    budget_seconds : float or None
        Most time to take. Trials that do not fit are reported as not run.
    workers : int or None
        Trials at once; by default cores divided by threads. Timing always runs alone.
    approaches, seeds
        Only these approaches, or another number of seeds, than the study says.
    data : mapping or None
        Keys of the data section that become other ones: see `bakeoff.adapt.adapted`.
    engine : {'local', 'ray'}
        Where trials run: on this machine, or on the Ray cluster of ``RAY_ADDRESS`` (one of this machine is started without it).
    watch : Watch
        Called with an Event whenever something happens.

    Raises
    ------
    BakeoffError
        For everything a person can fix.
    KeyboardInterrupt
        On Ctrl-C, once the run is in a state that can be resumed.
    """
    settings = Settings(Path(runs), workers, budget_seconds, engine)
    began = time.monotonic()
    ledger = _ledger(study, settings, resume, approaches, seeds, data, watch)
    with ledger.locked():
        watch(Event("run", None, 0.0, str(ledger.folder), 0.0, None))
        before = _wall(ledger)
        spent = before["seconds"]
        command = before["command"] or command_of(study, approaches, seeds, data)
        try:
            if ledger.study().variants:
                from bakeoff.decide.foretold import foretell

                foretell(ledger)  # kept in the run: the report says what was said before training
            execute(ledger, settings, watch)
        finally:
            spent += time.monotonic() - began
            ledger.write("wall.json", to_json({"seconds": spent, "command": command}))
        watch(Event("report", None, 0.0, "comparing, deciding and writing the report", 1.0, None))
        return _conclude(ledger, watch)


def _ledger(
    study: str | Path | Study,
    settings: Settings,
    resume: bool,
    approaches: Sequence[str] | None,
    seeds: int | None,
    data: Mapping[str, Any] | None,
    watch: Watch,
) -> Ledger:
    if resume and not isinstance(study, Study) and (Path(study) / "study.yaml").is_file():
        ledger = Ledger.open(Path(study))
        if ledger.data() is None:
            raise RunError(f"{ledger.name} was stopped before its data was kept.", fix="run the study again, without --resume")
        return ledger
    wanted, base = find_study(study)
    wanted = adapted(wanted, data=data, approaches=approaches, seeds=seeds)
    if resume:
        return find_unfinished(wanted, settings.runs)
    from bakeoff.run.plan import needed_assets, plan

    plan(wanted)
    pull_assets(needed_assets(wanted), progress=lambda fraction, note: watch(Event("assets", None, fraction, note, 0.0, None)))
    return prepare(
        wanted,
        base=base,
        settings=settings,
        progress=lambda fraction, note: watch(Event("data", None, fraction, note, 0.0, None)),
        refuse=_refuse,
    )


def _refuse(study: Study, metrics: Mapping[str, Metric]) -> None:
    """Refuse limits, weights, values and prices that could not be decided with, before any minute is spent."""
    from bakeoff.decide.hosted import check_names
    from bakeoff.decide.limits import METRICS, check_measured, parse_limits
    from bakeoff.decide.values import central_weights, criterion_name
    from bakeoff.estimate.prices import resolve

    check_measured(parse_limits(study.limits, {*METRICS, *metrics}), study)
    check_names(study.hosted, resolve(study.prices))
    central_weights(study.weights)
    for name in study.values:
        criterion_name(name)
    resolve(study.prices)
    metric = metrics[study.metric or next(iter(metrics))]
    if study.margin >= metric.high - metric.low:
        hint = (
            f"did you mean {study.margin / 100:g}?"
            if metric.percent and study.margin < 100
            else f"give less than {metric.high:g}"
        )
        raise BadStudy(f"`margin` is {study.margin:g}, but {metric.title} goes from {metric.low:g} to {metric.high:g}.", fix=hint)


def _wall(ledger: Ledger) -> dict[str, Any]:
    """How long the run has taken so far (`seconds`) and what started it (`command`, empty when that is not known)."""
    file = ledger.folder / "wall.json"
    kept = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {"seconds": float(kept.get("seconds", 0.0)), "command": str(kept.get("command", ""))}


def _conclude(ledger: Ledger, watch: Watch = watch_nothing) -> Document:
    from bakeoff.decide.compose import compose

    about = _wall(ledger)
    document = compose(
        ledger,
        wall_seconds=about["seconds"],
        command=about["command"],
        progress=lambda fraction, note: watch(Event("progress", None, fraction, note, 1.0, None)),
    )
    _write(ledger, document)
    return document


def _write(ledger: Ledger, document: Document) -> None:
    """Report and memo first, the verdict last: a run is finished once its verdict stands."""
    from bakeoff.report.memo import memo
    from bakeoff.report.page import page

    ledger.write("report.html", page(document))
    ledger.write("memo.md", memo(document))
    ledger.write("verdict.json", document.model_dump_json(indent=1))


def load_document(run: str | Path, *, runs: Path | str = "runs") -> tuple[Ledger, Document]:
    """A finished run and its verdict document, with paths as they are on this machine.

    Raises
    ------
    RunError
        If the run is not finished, or its verdict is damaged.
    """
    from pydantic import ValidationError

    from bakeoff.decide.record import Document

    ledger = find_run(str(run), Path(runs))
    file = ledger.folder / "verdict.json"
    if not file.is_file():
        raise RunError(f"{ledger.name} has no verdict yet.", fix=f"finish it with `bakeoff run {ledger.folder} --resume`")
    try:
        document = Document.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(
            f"{file} is damaged at {where!r}: {first['msg']}.", fix="run `bakeoff report` with the version that made it"
        ) from error
    here = {"run": str(ledger.folder), "report": str(ledger.folder / "report.html"), "memo": str(ledger.folder / "memo.md")}
    return ledger, document.model_copy(update=here)


def build_report(run: str | Path, *, runs: Path | str = "runs", measure_again: bool = False) -> Document:
    """Write a run's report and memo again, from its verdict (or, with `measure_again`, from its answers)."""
    if measure_again:
        ledger = find_run(str(run), Path(runs))
        return _conclude(ledger)
    ledger, document = load_document(run, runs=runs)
    _write(ledger, document)
    return document


def decide_again(
    run: str | Path,
    *,
    runs: Path | str = "runs",
    limits: Sequence[str] | None = None,
    weights: Mapping[str, float] | None = None,
    values: Mapping[str, Any] | None = None,
    volume: float | None = None,
    prices: Mapping[str, Any] | None = None,
    horizon_days: float | None = None,
    save: bool = False,
) -> Document:
    """Decide on a finished run with other limits, weights, volume or prices, without running anything.

    With `save`, report, memo and verdict of the run are written anew; otherwise the run is left as it is.
    """
    from bakeoff.decide.redo import redecide

    ledger, document = load_document(run, runs=runs)
    decided = redecide(
        document, limits=limits, weights=weights, values=values, volume=volume, prices=prices, horizon_days=horizon_days
    )
    if save:
        _write(ledger, decided)
    return decided


def new_study(task: str, data: str | Path, **options: Any) -> Any:
    """Write a study for your own data, after looking at it: ``new_study('text', 'reviews.csv', target='label')``."""
    if task != "text":
        from bakeoff.registry import entries

        known = {"images": "bakeoff run image-classifier --data FOLDER", "control": "bakeoff run cartpole --data ENVIRONMENT"}
        fix = f"run a shipped study on your data: `{known[task]}`" if task in known else nearest(task, entries("bakeoff.tasks"))
        raise BakeoffError(f"`bakeoff new` cannot write a study for {task!r}.", fix=fix)
    from bakeoff.tasks.text.new import write_new_study

    return write_new_study(Path(data), **options)


def pull_assets(names: Sequence[str] | Mapping[str, str], *, progress: Progress = quiet) -> None:
    """Fetch weights and data ahead of time; names that are no catalogue entries (paths, hub:...) are resolved too.

    A mapping says of each name which kind of file is wanted: weights, data, safetensors, onnx or gguf.
    """
    from bakeoff.assets import catalogue, pull, resolve

    known = catalogue()
    pull([name for name in names if name in known], progress)
    kinds = names if isinstance(names, Mapping) else dict.fromkeys(names, "weights")
    for name, kind in kinds.items():
        if name not in known:
            resolve(name, kind=kind, progress=progress)


def list_runs(runs: Path | str = "runs") -> list[tuple[str, str]]:
    """Run names and what became of them, oldest first."""
    return [(ledger.name, "finished" if ledger.finished else "unfinished") for ledger in all_runs(Path(runs))]


def load_url(
    url: str,
    *,
    prompts: Path | str | None = None,
    run: str | Path | None = None,
    runs: Path | str = "runs",
    out: Path | str | None = None,
    command: str = "",
    **options: Any,
) -> LoadDocument:
    """Test a server under load: ``load_url('http://127.0.0.1:8000', limit='p95 latency <= 500 ms')``.

    Parameters
    ----------
    url : str
        An OpenAI-compatible server, or one with ``/v1/answer``.
    prompts : Path or None
        A file with one prompt a line (text, or JSON in a ``.jsonl``).
    run : str, Path or None
        Send the test items of this run instead. With neither, a small built-in set is sent.
    out : Path or None
        Folder to write ``load.json`` and ``load.html`` into.
    command : str
        What a person types to do the same again.
    **options
        As `bakeoff.load.session.load` takes them: model, protocol, limit, rate, scenarios, workers and more.

    Raises
    ------
    EndpointError
        If the server cannot be used at all.
    BakeoffError
        If an option is wrong.
    """
    import datetime

    from bakeoff.decide.load_record import LoadDocument
    from bakeoff.decide.record import Context, ServingResult
    from bakeoff.errors import needs
    from bakeoff.measure.machine import describe, load_average

    needs("httptools", "hdrh", extra="serve", why="A load test")
    from bakeoff.load import session
    from bakeoff.load.prompts import as_text, read_prompts

    if prompts is not None and run is not None:
        raise BakeoffError("Both a file of prompts and a run were given.", fix="give --prompts or --run, not both")
    inputs: Sequence[Any] = ()
    if prompts is not None:
        inputs = read_prompts(Path(prompts))
    elif run is not None:
        from bakeoff.run.probing import request_inputs

        ledger = find_run(str(run), Path(runs))
        inputs = [as_text(one) for one in request_inputs(ledger, len(ledger.splits().test))]
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    before = load_average()
    loaded = session.load(url, inputs=inputs, **options)
    machine = describe(threads=options.get("workers", 1))
    document = LoadDocument(
        url=loaded.url,
        model=loaded.model,
        protocol=loaded.protocol,
        started=started,
        command=command,
        seed=options.get("seed", 0),
        workers=options.get("workers", 1),
        settings={**loaded.settings, "kept": loaded.kept, "stopped": loaded.stopped},
        # Taken before the test: during it the load average is of the test itself.
        client=Context(
            threads=options.get("workers", 1), load_average=before, device=machine["device"], versions=machine["versions"]
        ),
        result=ServingResult(approach=loaded.model or loaded.url, **loaded.serving),
        histograms=loaded.histograms,
        valid=loaded.valid,
        says=list(loaded.says),
    )
    if out is not None:
        from bakeoff.report.load_page import load_page
        from bakeoff.run.ledger import write_whole

        write_whole(Path(out) / "load.json", document.model_dump_json(indent=1))
        write_whole(Path(out) / "load.html", load_page(document))
    return document


def serve_run(
    what: str,
    *,
    runs: Path | str = "runs",
    settings: Any = None,
    context: int = 2048,
    principals: Sequence[str] | None = None,
    ready: Callable[[Any], None] = lambda listening: None,
) -> bool:
    """Serve a saved approach over HTTP until the process is told to stop (SIGTERM or Ctrl-C).

    Parameters
    ----------
    what : str
        ``RUN`` or ``RUN:approach`` (a name, a path or ``latest``; by default the verdict's choice), or a bare language model:
        a name of the catalogue, ``hub:org/name``, or the path of a ``.gguf`` file; or a folder of PDFs that has been indexed.
    runs : Path
        Folder of the run folders.
    settings : bakeoff.serve.settings.ServerSettings or None
        Where to listen and what to take on.
    context : int
        Tokens that a bare language model holds.
    principals : sequence of str or None
        For a folder of documents: who asks, whoever sends the question. None answers as the owner, who may read everything.
    ready : callable
        Called with a `bakeoff.serve.server.Listening` once requests can be sent.

    Returns
    -------
    bool
        Whether every accepted request was finished.

    Raises
    ------
    BakeoffError
        For everything a person can fix: no such run or approach, nothing saved, a port that is taken.
    """
    from bakeoff.errors import needs
    from bakeoff.run.saved import find_saved, is_corpus, is_language_model, restore, task_of
    from bakeoff.serve.served import Served, accepted_by, model_id
    from bakeoff.serve.server import serve
    from bakeoff.serve.settings import ServerSettings, usual_body

    chosen = settings or ServerSettings(max_body_bytes=usual_body(task_of(what, Path(runs))))
    needs("starlette", "uvicorn", "httptools", "prometheus_client", extra="serve", why="`bakeoff serve`")
    chosen.token()  # refused before a model is loaded, which may take a minute
    if is_language_model(what):
        from bakeoff.models.llm import open_lm

        served = Served(model_id(what), lm=open_lm(what, context=context))
    elif is_corpus(what):
        from bakeoff.tasks.documents.cited import Cited
        from bakeoff.tasks.documents.corpus import Corpus

        answers = Cited.over(Corpus.open(Path(what)), principals)
        served = Served.of(model_id(Path(what).resolve().name), answers, accepts="any")
    else:
        ledger, name = find_saved(what, Path(runs))
        if not name:
            document = load_document(ledger.folder)[1]
            if document.verdict.choice is None:
                raise RunError(f"The verdict of {ledger.name} names no choice.", fix=f"name an approach: {what}:NAME")
            name = document.verdict.choice
        served = Served.of(name, restore(ledger, name), accepts=accepted_by(ledger.study().task))
    return serve(served, chosen, ready=ready)
