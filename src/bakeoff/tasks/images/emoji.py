"""The embedded default: real drawings of everyday things, each object drawn by up to seven studios in their own style.

What shows what is a table of our own (``emoji.toml``); the drawings come with the asset ``emoji``, as SVG, and are rendered here. An object
is one group, so that no object is both learned and tested in whatever style, and one style is held out whole.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.errors import BadData, BadStudy, nearest
from bakeoff.tasks.images.decode import BadPicture, Fit, decode
from bakeoff.tasks.images.readers_source import PictureSource, Record

if TYPE_CHECKING:
    from bakeoff.tasks.images.decode import Pixels

SIZE = 64
RENDERER = 1
"""Counted up when the same drawing comes out as other pixels."""


@cache
def table() -> Mapping[str, Any]:
    """``emoji.toml``: the classes with their objects, the styles with their licences, and the style that is held out."""
    return tomllib.loads(package_files("bakeoff.tasks.images").joinpath("emoji.toml").read_text(encoding="utf-8"))


def drawn() -> Iterator[tuple[str, str, str, str]]:
    """(style, object, class, the name that the style's set has for it) of every drawing of the table."""
    known = table()
    for style, about in known["styles"].items():
        lacks, names = frozenset(about.get("lacks", ())), about.get("names", {})
        for label, objects in known["classes"].items():
            for thing in objects:
                if thing not in lacks:
                    yield style, thing, label, names.get(thing, thing)


def open_emoji(folder: Path, styles: Sequence[str] | None, held_out: str | None) -> PictureSource:
    """The drawings of an asset's folder as a source of pictures.

    Parameters
    ----------
    folder : Path
        The fetched asset ``emoji``.
    styles : sequence of str or None
        Those to use, the held-out one apart; None for all.
    held_out : str or None
        The style that is kept for probes; None for the table's, 'none' for none.

    Raises
    ------
    BadStudy
        For a style that does not exist, or where none is left to learn from.
    """
    known = table()["styles"]
    held_out = table()["held_out"] if held_out is None else held_out
    for given in (*(styles or ()), *(() if held_out == "none" else (held_out,))):
        if given not in known:
            raise BadStudy(f"No style of drawing is called {given!r}.", fix=nearest(given, known))
    used = [style for style in (styles or known) if style != held_out]
    if not used:
        raise BadStudy("No style is left to learn from.", fix="name another style in `styles`, or `held_out_style: none`")
    records: list[Record] = []
    names: list[str] = []
    for style, thing, label, name in drawn():
        if style in used or style == held_out:
            part = "held-out" if style == held_out else ""
            records.append(Record(f"{style}/{thing}", label, part, thing, style, f"{style}/{thing}.svg", len(names)))
            names.append(name)

    def read(wanted: Sequence[Record], size: int, fit: Fit) -> Iterator[tuple[Record, Pixels | str]]:
        drawings: Mapping[str, Any] = {}
        last = ""
        for record in wanted:
            if record.style != last:
                drawings, last = _drawings(folder, record.style), record.style
            try:
                yield record, render(_svg(drawings, names[record.row], size), size)
            except (BadPicture, ValueError, KeyError) as error:
                yield record, f"it cannot be rendered ({type(error).__name__})"

    shown = [style for style in known if style in used or style == held_out]
    licences = {style: f"{known[style]['licence']} ({known[style]['author']})" for style in shown}
    said = [f"The style {held_out} is held out: nothing is learned from it."] if held_out != "none" else []
    return PictureSource(
        name="emoji",
        records=tuple(records),
        digest=_digest(folder, shown),
        read=read,
        licence=", ".join(f"{style}: {licence}" for style, licence in licences.items()),
        size=SIZE,
        notes=(f"Drawings of {len({r.group for r in records}):,} objects in {len(used)} styles.", *said),
        facts={"styles": licences, "held_out_style": None if held_out == "none" else held_out},
    )


def render(svg: str, size: int) -> Pixels:
    """A drawing on white, shape (size, size, 3) uint8.

    Raises
    ------
    ValueError
        If it is no SVG.
    """
    import resvg_py

    return decode(bytes(resvg_py.svg_to_bytes(svg_string=svg)), size, "pad")


def _drawings(folder: Path, style: str) -> Mapping[str, Any]:
    try:
        found = json.loads((folder / style / "icons.json").read_text(encoding="utf-8"))
        if isinstance(found["icons"], dict):
            return dict(found)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise BadData(f"{folder / style} holds no drawings.", fix="run `bakeoff assets check emoji`")


def _svg(drawings: Mapping[str, Any], name: str, size: int) -> str:
    icon = drawings["icons"][name]
    left, top, wide, high = (float(icon.get(key, drawings.get(key, otherwise))) for key, otherwise in _FRAME)
    space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {space} width="{size}" height="{size}" viewBox="{left:g} {top:g} {wide:g} {high:g}">{icon["body"]}</svg>'


_FRAME = (("left", 0), ("top", 0), ("width", 16), ("height", 16))


def _digest(folder: Path, styles: Sequence[str]) -> str:
    """Of the table, the renderer and the sets' own stated hashes, which `assets.fetch` has checked."""
    from bakeoff.assets.store import read_manifest, sha256

    stated = read_manifest(folder).get("files", {})
    hashes = [
        (stated.get(f"{style}/icons.json") or {}).get("sha256") or sha256(folder / style / "icons.json") for style in styles
    ]
    return hashlib.sha256(json.dumps([RENDERER, table(), hashes], sort_keys=True).encode()).hexdigest()
