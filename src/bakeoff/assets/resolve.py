"""From a setting to a path: ``minilm``, ``hub:org/name``, or a folder or file of one's own."""

from __future__ import annotations

import os
from pathlib import Path

from bakeoff.assets import hub
from bakeoff.assets.catalogue import PICKLES, catalogue
from bakeoff.assets.fetch import fetch
from bakeoff.contract import Progress, quiet
from bakeoff.errors import AssetError, nearest

KINDS = ("weights", "data", "safetensors", "onnx", "gguf")


def resolve(spec: str, *, kind: str, progress: Progress = quiet) -> Path:
    """The folder or file that a setting names, fetched first if it is not here.

    Parameters
    ----------
    spec : str
        A name of the catalogue (its folder); ``hub:org/name``, ``hub:org/name@revision`` (a folder) or
        ``hub:org/name:file`` (that file); or a path of a folder or file (as it is, ``~`` expanded).
    kind : str
        'weights' or 'data'; or 'safetensors', 'onnx' or 'gguf' for weights in one format.

    Raises
    ------
    AssetError
        If there is no such thing, it is of another kind, it is a pickle, or it cannot be fetched.
    """
    if kind not in KINDS:
        raise AssetError(f"Nothing is of kind {kind!r}.", fix=nearest(kind, KINDS))
    if spec.startswith("hub:"):
        return hub.snapshot(spec, kind=kind, progress=progress)
    known = catalogue()
    if spec in known:
        general = "data" if kind == "data" else "weights"
        if known[spec].kind != general:
            raise AssetError(f"{spec!r} is {known[spec].kind}, not {general}.", fix=_named(general))
        return fetch(spec, progress=progress)
    path = Path(spec).expanduser()
    if not path.exists():
        looks_like_path = os.sep in spec or "/" in spec or spec.startswith((".", "~"))
        what = (
            f"There is no folder or file {spec!r}."
            if looks_like_path
            else f"No {kind} are called {spec!r}, and there is no such path."
        )
        raise AssetError(
            what, fix="check the path; it starts from the working folder" if looks_like_path else nearest(spec, known)
        )
    _refuse_pickles(path, kind)
    return path


def _named(kind: str) -> str:
    return f"use one of: {', '.join(name for name, asset in catalogue().items() if asset.kind == kind)}"


def _refuse_pickles(path: Path, kind: str) -> None:
    """Raise AssetError if a path holds only pickles, or a pickle under another name."""
    files = [path] if path.is_file() else sorted(p for p in path.iterdir() if p.is_file())
    safe = [p for p in files if p.suffix.lower() in hub.FORMATS]
    pickles = [p for p in files if p.name.lower().endswith(PICKLES)]
    if pickles and (path.is_file() or (kind != "data" and not safe)):
        raise AssetError(
            f"{path} holds pickled weights ({pickles[0].name}), which can run code when they are loaded.",
            fix="save them as .safetensors, .onnx or .gguf and name that",
        )
    for weights in safe:
        with weights.open("rb") as stream:
            start = stream.read(9)
        if not _looks_right(weights.suffix.lower(), start):
            raise AssetError(
                f"{weights} does not begin like a {weights.suffix} file; it may be a pickle under another name.",
                fix="save the weights again, or fetch them from where they were published",
            )


def _looks_right(suffix: str, start: bytes) -> bool:
    if suffix == ".gguf":
        return start[:4] == b"GGUF"
    if suffix == ".safetensors":  # eight bytes of header length, then JSON
        return start[8:9] == b"{"
    # ONNX is a protocol buffer; a pickle begins with 0x80 and its protocol number, torch's zip with PK.
    return not (start[:2] == b"PK" or (start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")))
