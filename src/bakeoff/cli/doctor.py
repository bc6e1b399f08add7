"""`bakeoff doctor`."""

from __future__ import annotations

import json
from typing import Any

import click


def findings() -> list[dict[str, Any]]:
    """What is installed, what is missing and what to type, as rows: what, state (ok, missing), says."""
    import importlib.util
    import shutil

    from bakeoff import __version__, registry
    from bakeoff.errors import BakeoffError
    from bakeoff.measure.machine import describe

    machine = describe()
    rows: list[dict[str, Any]] = [
        {"what": "bakeoff", "state": "ok", "says": __version__},
        {
            "what": "machine",
            "state": "ok",
            "says": f"{machine['device']}, {machine['memory_bytes'] / 2**30:.0f} GiB, load {machine['load_average']}",
        },
    ]
    free = shutil.disk_usage(".").free
    rows.append({"what": "disk", "state": "ok" if free > 2e9 else "missing", "says": f"{free / 1e9:.1f} GB free here"})
    for name, entry in sorted(registry.entries("bakeoff.approaches").items()):
        try:
            entry.load()
            rows.append({"what": name, "state": "ok", "says": "can run"})
        except BakeoffError as error:
            rows.append({"what": name, "state": "missing", "says": f"{error.what} {error.fix}"})
    from bakeoff.cli.assets import list_rows

    for asset in list_rows():
        state = "ok" if asset.status == "present" else "missing" if asset.status == "corrupt" else "absent"
        fix = "" if state == "ok" else f"; bakeoff assets pull {asset.name}"
        rows.append({"what": f"asset {asset.name}", "state": state, "says": f"{asset.status}, {asset.megabytes:,.0f} MB{fix}"})
    browser = shutil.which("chromium")
    rows.append({"what": "chromium", "state": "ok" if browser else "absent", "says": "for Bakeoff's own browser tests only"})
    hub = importlib.util.find_spec("huggingface_hub") is not None
    rows.append(
        {
            "what": "hub",
            "state": "ok" if hub else "absent",
            "says": "hub:org/name can be used" if hub else "pip install 'bakeoff[hub]'",
        }
    )
    return rows


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor_command(as_json: bool) -> None:
    """What is installed, what is missing, what to type."""
    found = findings()
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2), show_header=False)
    for row in found:
        mark = {"ok": "[green]ok[/]", "missing": "[red]missing[/]"}.get(row["state"], "[dim]absent[/]")
        table.add_row(mark, row["what"], str(row["says"]).replace("[", "\\["))
    Console().print(table)
