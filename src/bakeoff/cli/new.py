"""`bakeoff new TASK DATA`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bakeoff.errors import BakeoffError


def settings(given: tuple[str, ...]) -> dict[str, Any]:
    """('encoding=cp1252', 'limit=5000') as a mapping; values are read as in a study file."""
    import yaml

    found = {}
    for text in given:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise BakeoffError(f"--set {text!r} is not understood.", fix="write it like --set encoding=cp1252")
        try:
            found[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            found[key.strip()] = value
    return found


@click.command("new")
@click.argument("task")
@click.argument("data")
@click.option("--target", help="Column of the labels (guessed, and said, when left out).")
@click.option("--text", help="Column of the texts.")
@click.option("--group", help="Column whose equal values stay together (author, document).")
@click.option("--name", help="Name of the study (default: from the file).")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="Folder for the study file.  [default: here]")
@click.option(
    "--set",
    "more",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another key of the study's data section, like encoding=cp1252 or drop_unlabelled=true; may be given again.",
)
@click.option("--force", is_flag=True, help="Overwrite a study file of that name.")
def new_command(
    task: str,
    data: str,
    target: str | None,
    text: str | None,
    group: str | None,
    name: str | None,
    out: Path,
    more: tuple[str, ...],
    force: bool,
) -> None:
    """Look at DATA and write a study for it. TASK is `text`.

    Then: bakeoff run NAME.yaml
    """
    from bakeoff.verbs import new_study

    study, notes = new_study(
        task, data, target=target, text=text, group=group, name=name, out_dir=out, settings=settings(more), force=force
    )
    for note in notes:
        click.echo(f"- {note}")
    path = out / f"{study.study}.yaml"
    click.echo(f"\nWrote {path}. Look it over, then:\n  bakeoff run {path}")
