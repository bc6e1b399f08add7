"""`bakeoff decide RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bakeoff.errors import BakeoffError


def pairs(given: tuple[str, ...], option: str) -> dict[str, float]:
    """('quality=3', 'cost=1') as a mapping."""
    found = {}
    for text in given:
        name, sign, value = text.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            sign = ""
        if not sign:
            raise BakeoffError(f"{option} {text!r} is not understood.", fix=f"write it like {option} name=3")
    return found


@click.command("decide")
@click.argument("run", default="latest")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="LIMIT",
    help="A limit, like 'p95 latency <= 50 ms'; may be given again. Replaces the study's.",
)
@click.option("--no-limits", is_flag=True, help="Decide without any limit.")
@click.option(
    "--weight",
    "weights",
    multiple=True,
    metavar="NAME=W",
    help="How much a criterion counts, like quality=3; may be given again.",
)
@click.option("--volume", type=click.FloatRange(min=0, min_open=True), help="Items per day.")
@click.option("--machine", help="A machine of the price table that the approaches would run on.")
@click.option("--usd-per-hour", type=click.FloatRange(min=0), help="Price of the machine per hour.")
@click.option(
    "--price",
    "more_prices",
    multiple=True,
    metavar="NAME=USD",
    help="Another entry of the price table, like labelling_usd_per_item=0.05; may be given again.",
)
@click.option(
    "--horizon-days", type=click.FloatRange(min=0, min_open=True), help="Days over which training and labelling are spread."
)
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of run folders.")
@click.option("--save", is_flag=True, help="Write the run's verdict, report and memo anew.")
@click.option("--check", is_flag=True, help="Exit with 3 if nothing keeps the limits.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def decide_command(
    run: str, limits: tuple[str, ...], no_limits: bool, weights: tuple[str, ...], volume: float | None, machine: str | None,
    usd_per_hour: float | None, more_prices: tuple[str, ...], horizon_days: float | None, runs: Path, save: bool, check: bool, as_json: bool,
) -> None:  # fmt: skip
    """Decide on RUN (default: the latest) again, with other limits, weights, volume or prices. Nothing runs."""
    from bakeoff.verbs import decide_again

    prices: dict[str, Any] = dict(pairs(more_prices, "--price"))
    if machine is not None:
        prices["machine"] = machine
    if usd_per_hour is not None:
        prices["machine"] = {"usd_per_hour": usd_per_hour}
    document = decide_again(
        run,
        runs=runs,
        limits=[] if no_limits else list(limits) or None,
        weights=pairs(weights, "--weight") or None,
        volume=volume,
        prices=prices or None,
        horizon_days=horizon_days,
        save=save,
    )
    if as_json:
        click.echo(document.model_dump_json(indent=1))
    else:
        from rich.console import Console

        from bakeoff.report.table import terminal

        Console().print(terminal(document))
    if check and document.verdict.kind in ("none_within_limits", "nothing_ran"):
        raise SystemExit(3)
