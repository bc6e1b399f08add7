"""`bakeoff run STUDY`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Literal

import click

from bakeoff.errors import BakeoffError

UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


def seconds(text: str | None) -> float | None:
    """'90s', '10m', '1.5h' as seconds."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|)\s*", text)
    if not match or float(match[1]) <= 0:
        raise BakeoffError(f"--budget {text!r} is no time.", fix="write it like 90s, 10m or 1h")
    return float(match[1]) * UNITS[match[2]]


def short(path: Path) -> str:
    """The path from here where it lies below, else whole."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _foretell(folder: Path) -> None:
    """Before anything is trained: what a study that tries changes can be expected to see."""
    from bakeoff.run.ledger import Ledger

    ledger = Ledger.open(folder)
    if ledger.study().variants:
        from bakeoff.decide.foretold import foretell

        foretold = foretell(ledger)
        if foretold is not None:
            click.echo(f"\n{foretold.says}\n", err=True)


@click.command("run")
@click.argument("study", required=False)
@click.option("--resume", is_flag=True, help="Finish the newest unfinished run of this study (or the run folder given as STUDY).")
@click.option("--budget", metavar="TIME", help="Most time to take, like 10m; what does not fit is reported as not run.")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of run folders.")
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Trials at once; timing always runs alone.  [default: cores / threads]"
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where trials run: ray spreads them over the cluster of RAY_ADDRESS, or over one that it starts on this machine.",
)
@click.option("--approaches", metavar="NAMES", help="Only these approaches of the study, separated by commas.")
@click.option("--seeds", type=click.IntRange(1, 100), help="Number of seeds instead of the study's.")
@click.option(
    "--data",
    multiple=True,
    metavar="SOURCE|KEY=VALUE",
    help="Ask the study's question of other data: a file, a folder, hub:org/name, an environment; or set one key of its data section. May be given again.",
)
@click.option("--check", is_flag=True, help="Exit with 3 if the choice does not keep the study's limits.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else, to standard output.")
@click.option("--quiet", is_flag=True, help="No progress.")
def run_command(
    study: str | None, resume: bool, budget: str | None, runs: Path, workers: int | None, approaches: str | None, seeds: int | None,
    data: tuple[str, ...], engine: Literal["local", "ray"],
    check: bool, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Run STUDY: the name of a shipped study, or a path to a .yaml file (default: the one in this folder).

    Ctrl-C stops and keeps what is done; --resume goes on from there.
    """
    from bakeoff.adapt import data_of
    from bakeoff.cli.progress import watching
    from bakeoff.run.engine import Event
    from bakeoff.verbs import find_study, run_study, study_here

    study = study or str(study_here())
    only = tuple(name.strip() for name in approaches.split(",")) if approaches else None
    other = data_of(find_study(study)[0], data) if data else None
    begun: list[str] = []
    with watching(quiet=quiet) as watch:

        def told(event: Event) -> None:
            if event.kind == "run":
                begun.append(event.note)
            watch(event)
            if event.kind == "run" and not quiet:
                _foretell(Path(event.note))

        try:
            document = run_study(
                study,
                runs=runs,
                resume=resume,
                budget_seconds=seconds(budget),
                workers=workers,
                approaches=only,
                seeds=seeds,
                data=other,
                engine=engine,
                watch=told,
            )
        except KeyboardInterrupt:
            more = ""
            if begun:
                again = shlex.join(["bakeoff", "run", short(Path(begun[0])), "--resume"])
                more = f" What is done is kept: `{again}` goes on from here."
            click.echo(f"\nStopped.{more}", err=True)
            raise SystemExit(130) from None
    if as_json:
        click.echo(document.model_dump_json(indent=1))
    else:
        from rich.console import Console

        from bakeoff.report.table import terminal

        console = Console()
        console.print(terminal(document))
        report, memo = short(Path(document.report)), short(Path(document.memo))
        console.print(f"\nReport  {report}\nMemo    {memo}", highlight=False, soft_wrap=True, markup=False)
    if check and document.verdict.kind in ("none_within_limits", "nothing_ran"):
        raise SystemExit(3)
