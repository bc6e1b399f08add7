"""`bakeoff report RUN`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("run", default="latest")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of run folders.")
@click.option(
    "--measure-again", is_flag=True, help="Compute every figure again from the kept answers, instead of from the verdict."
)
@click.option("--open", "open_it", is_flag=True, help="Open the report in the browser.")
def report_command(run: str, runs: Path, measure_again: bool, open_it: bool) -> None:
    """Write the report and the memo of RUN again (default: the latest)."""
    from bakeoff.verbs import build_report

    document = build_report(run, runs=runs, measure_again=measure_again)
    click.echo(f"Report  {document.report}\nMemo    {document.memo}")
    if open_it:
        click.launch(document.report)
