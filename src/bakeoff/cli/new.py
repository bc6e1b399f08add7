"""`bakeoff new TASK DATA`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("new")
@click.argument("task")
@click.argument("data")
@click.option("--target", help="Column of the labels (guessed, and said, when left out).")
@click.option("--text", help="Column of the texts.")
@click.option("--group", help="Column whose equal values stay together (author, document).")
@click.option("--name", help="Name of the study (default: from the file).")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="Folder for the study file.  [default: here]")
@click.option("--force", is_flag=True, help="Overwrite a study file of that name.")
def new_command(
    task: str, data: str, target: str | None, text: str | None, group: str | None, name: str | None, out: Path, force: bool
) -> None:
    """Look at DATA and write a study for it. TASK is `text`.

    Then: bakeoff run NAME.yaml
    """
    from bakeoff.verbs import new_study

    study, notes = new_study(task, data, target=target, text=text, group=group, name=name, out_dir=out, force=force)
    for note in notes:
        click.echo(f"- {note}")
    path = out / f"{study.study}.yaml"
    click.echo(f"\nWrote {path}. Look it over, then:\n  bakeoff run {path}")
