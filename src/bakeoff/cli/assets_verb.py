"""`bakeoff assets list|pull|check`."""

from __future__ import annotations

import sys

import click


@click.group("assets")
def assets_command() -> None:
    """Fetch the weights and data that a study needs ahead of time, or check what is here."""


@assets_command.command("pull")
@click.argument("names", nargs=-1)
@click.option("--study", help="Everything that this study needs.")
@click.option("--quiet", is_flag=True, help="No progress.")
def pull(names: tuple[str, ...], study: str | None, quiet: bool) -> None:
    """Fetch assets by NAME (size and licence are shown), so that runs work offline."""
    from bakeoff.cli.assets import pull_command

    wanted = list(names)
    if study:
        from bakeoff.assets import catalogue
        from bakeoff.run.plan import needed_assets
        from bakeoff.verbs import find_study

        wanted += [name for name in needed_assets(find_study(study)[0]) if name in catalogue()]
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    if quiet or not sys.stderr.isatty():
        pull_command(wanted, click.echo)
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("fetching", total=1.0)
        pull_command(
            wanted, click.echo, lambda fraction, note: bars.update(bar, completed=fraction, description=note.replace("[", "\\["))
        )


@assets_command.command("check")
@click.argument("names", nargs=-1)
def check(names: tuple[str, ...]) -> None:
    """Hash what is cached again, all of it or the NAMES given. Exits with 1 if a byte is wrong."""
    from bakeoff.cli.assets import check_command

    if not check_command(names, click.echo):
        raise SystemExit(1)


@assets_command.command("list")
def list_assets() -> None:
    """What the catalogue has, and what of it is here."""
    from rich.console import Console
    from rich.table import Table

    from bakeoff.cli.assets import list_rows

    table = Table(box=None, padding=(0, 2))
    for title in ("name", "MB", "licence", "here"):
        table.add_column(title, justify="right" if title == "MB" else "left", no_wrap=True)
    table.add_column("what", no_wrap=True, overflow="ellipsis")
    for row in list_rows():
        table.add_row(row.name, f"{row.megabytes:,.1f}", row.licence, row.status, row.description)
    Console().print(table)
