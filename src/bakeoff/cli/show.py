"""`bakeoff list` and `bakeoff show NAME`."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import click

from bakeoff.errors import BakeoffError, nearest

KINDS = ("studies", "tasks", "approaches", "assets", "runs")


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of run folders.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(kind: str | None, runs: Path, as_json: bool) -> None:
    """List studies, tasks, approaches, assets and runs, or one kind of them."""
    found = {name: rows(name, runs) for name in ([kind] if kind else KINDS)}
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for name, entries in found.items():
        console.print(f"\n[bold]{name.capitalize()}[/]")
        table = Table(box=None, padding=(0, 2), show_header=False)
        for entry in entries:
            shown = ("about", "from") if name != "assets" else ("megabytes", "status", "licence", "description")
            table.add_row(f"[cyan]{entry['name']}[/]", *(_plain(str(entry[key])) for key in shown if key in entry))
        console.print(table if entries else "  (none)")


def rows(kind: str, runs: Path) -> list[dict[str, Any]]:
    """What there is of one kind: name first, then a line about it."""
    from bakeoff import registry, verbs

    if kind == "studies":
        from bakeoff.study import read_study

        return [{"name": name, "about": read_study(path).question} for name, path in sorted(verbs.shipped_studies().items())]
    if kind == "tasks":
        return [{"name": name, "about": _first_line(entry)} for name, entry in sorted(registry.entries("bakeoff.tasks").items())]
    if kind == "approaches":
        found = sorted(registry.entries("bakeoff.approaches").items())
        return [
            {"name": name, "about": _first_line(entry), "from": "" if entry.package == "bakeoff" else f"from {entry.package}"}
            for name, entry in found
        ]
    if kind == "assets":
        from bakeoff.cli.assets import list_rows

        return [row._asdict() for row in list_rows()]
    return [{"name": name, "about": state} for name, state in verbs.list_runs(runs)]


def _first_line(entry: Any) -> str:
    try:
        found = entry.load()
    except BakeoffError as error:
        return f"(not usable: {error.what} {error.fix})"
    return (inspect.getdoc(found) or "").split("\n", 1)[0]


@click.command("show")
@click.argument("name")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of run folders.")
def show_command(name: str, runs: Path) -> None:
    """Show one study, approach, asset or run by NAME."""
    from bakeoff import registry, verbs
    from bakeoff.run.plan import settings_with_defaults

    shipped = verbs.shipped_studies()
    if name in shipped:
        click.echo(shipped[name].read_text(encoding="utf-8"))
        return
    entries = registry.entries("bakeoff.approaches")
    named = {short: full for full in entries for short in (full, full.split("/", 1)[1])}
    if name in named:
        found = entries[named[name]].load()
        click.echo(f"{named[name]}\n\n{inspect.getdoc(found) or ''}\n\nSettings and their defaults:")
        for setting, default in settings_with_defaults(found).items():
            click.echo(f"  {setting} = {default}")
        return
    from bakeoff.assets import catalogue

    assets = {row["name"]: row for row in rows("assets", runs)}
    if name in catalogue():
        click.echo(json.dumps(assets[name], indent=1))
        return
    known_runs = dict(verbs.list_runs(runs))
    if name in known_runs or name == "latest" or Path(name).is_dir():
        from rich.console import Console

        from bakeoff.report.table import terminal

        _, document = verbs.load_document(name, runs=runs)
        Console().print(terminal(document))
        return
    raise BakeoffError(f"There is nothing called {name!r}.", fix=nearest(name, [*shipped, *named, *assets, *known_runs]))


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
