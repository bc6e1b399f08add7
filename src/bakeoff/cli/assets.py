"""`bakeoff assets`: what there is, fetch it ahead of time, check it. Each function calls the room and shows what it said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from bakeoff import assets
from bakeoff.assets.catalogue import asset_named
from bakeoff.contract import Progress, quiet
from bakeoff.errors import AssetError


class Row(NamedTuple):
    """One line of the list of assets. `megabytes` is of all files; `status` is present, missing or corrupt."""

    name: str
    kind: str
    megabytes: float
    licence: str
    status: str
    description: str
    home: str


def list_rows() -> list[Row]:
    """A row for every asset, data last, in the catalogue's order."""
    rows = [
        Row(a.name, a.kind, round(a.size / 1e6, 1), a.licence, assets.status(a.name), a.description, a.home)
        for a in assets.catalogue().values()
    ]
    return sorted(rows, key=lambda row: row.kind == "data")


def pull_command(names: Iterable[str], out: Callable[[str], None], progress: Progress = quiet) -> None:
    """`bakeoff assets pull NAME...`: size and licence of each, then its folder. AssetError if one cannot be had or none is named."""
    wanted = list(names)
    if not wanted:
        raise AssetError("Nothing was named to pull.", fix=f"name some of: {', '.join(assets.catalogue())}")
    for name in wanted:
        asset = asset_named(name)
        out(f"{name}: {asset.size / 1e6:.1f} MB, {asset.licence}, {asset.home}")
    for name, folder in assets.pull(wanted, progress).items():
        out(f"{name}: {folder}")


def check_command(names: Iterable[str], out: Callable[[str], None]) -> bool:
    """`bakeoff assets check [NAME...]`: hash what is cached again (all of it if none is named). True if every byte is right."""
    wanted = list(names) or [name for name in assets.catalogue() if assets.status(name) != "missing"]
    right = True
    for name in wanted:
        problems = assets.check(name)
        for line in problems:
            out(line)
        if not problems:
            out(f"{name}: right")
        right = right and not problems
    if not wanted:
        out(f"nothing is cached in {assets.where()}")
    return right
