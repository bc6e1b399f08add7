"""Classify a picture with what a run learned, and take a classifier out of a run as one file.

>>> from bakeoff import open_classifier
>>> print(open_classifier("latest")("mouse.png"))                 # doctest: +SKIP
mouse (0.97)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bakeoff.errors import BadData, RunError, needs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bakeoff.run.ledger import Ledger
    from bakeoff.tasks.images.call import PictureCall


class ExportedFile(NamedTuple):
    """A file that `export_classifier` wrote, and how it was checked.

    `difference` is the largest difference of a logit from torch's over `pictures` pictures.
    """

    path: Path
    bytes: int
    difference: float
    pictures: int


def open_classifier(what: str | Path, *, runs: str | Path = "runs") -> PictureCall:
    """A classifier of pictures as a function.

    Parameters
    ----------
    what : str or path
        ``RUN`` or ``RUN:approach`` of the images task (a name, a path or ``latest``; by default the verdict's choice), or an ``.onnx``
        file that `export_classifier` wrote, which needs only numpy, Pillow and ONNX Runtime.
    runs : path
        Folder of the run folders.

    Returns
    -------
    PictureCall
        ``classify(picture)`` takes a path, bytes, a Pillow image or an array and gives a `Label`: ``.label``, ``.probability`` and
        ``.probabilities``; ``classify.all(pictures)`` takes many.

    Raises
    ------
    BakeoffError
        If there is no such run, approach or file, or it is of another task.
    """
    from bakeoff.tasks.images.call import PictureCall, caller_of

    needs("PIL", extra="images", why="Reading pictures")
    path = Path(what).expanduser()
    if path.suffix == ".onnx":
        from bakeoff.tasks.images.onnx_export import OnnxPictures

        found = OnnxPictures.open(path)
        return PictureCall(found.labels, found.size, found.fit, found.probabilities)
    return caller_of(_restored(str(what), Path(runs))[1])


def export_classifier(what: str | Path, to: str | Path, *, runs: str | Path = "runs") -> ExportedFile:
    """Write a network classifier of a run as one ONNX file: preprocessing, labels, size and calibration are in it.

    It is checked against torch on up to 64 of the study's own pictures, where they are still on this machine, and on drawn
    patterns otherwise.

    Parameters
    ----------
    what : str or path
        ``RUN`` or ``RUN:approach``: images/cnn, images/resnet9 or images/transfer.
    to : path
        The file, ending in ``.onnx``; it must not exist.
    runs : path
        Folder of the run folders.

    Raises
    ------
    BakeoffError
        As `open_classifier`; if the file exists; ExportRefused if the approach is no network or the graph does not answer as torch.
    """
    from bakeoff.tasks.images.onnx_export import export_classifier as export

    target = Path(to).expanduser()
    if target.suffix != ".onnx":
        raise BadData(f"{target} does not end in .onnx.", fix="give a name like classifier.onnx")
    if target.exists():
        raise BadData(f"{target} exists.", fix="give another name, or remove it")
    ledger, approach = _restored(str(what), Path(runs))
    made = export(approach, _pictures(ledger, approach.size_))
    draft = target.with_name(f".{target.name}.draft")
    try:
        draft.write_bytes(made.onnx)
        draft.replace(target)
    except OSError as error:
        raise BadData(f"{target} cannot be written: {error.strerror}.", fix="choose a folder that exists and is yours") from error
    return ExportedFile(target, len(made.onnx), made.difference, made.pictures)


def _restored(what: str, runs: Path) -> tuple[Ledger, Any]:
    from bakeoff.run.saved import find_saved, restore

    ledger, name = find_saved(what, runs)
    task = ledger.study().task
    if task != "images":
        raise RunError(f"{ledger.name} is a run of the {task} task, not of pictures.", fix="name a run of the images task")
    return ledger, restore(ledger, name or _chosen(ledger, what))


def _chosen(ledger: Ledger, what: str) -> str:
    """The approach that the verdict chose."""
    from pydantic import ValidationError

    from bakeoff.decide.record import Document

    try:
        choice = Document.model_validate_json((ledger.folder / "verdict.json").read_bytes()).verdict.choice
    except (OSError, ValidationError):
        choice = None
    if choice is None:
        raise RunError(f"{ledger.name} has no verdict that names a choice.", fix=f"name an approach: {what}:NAME")
    return str(choice)


def _pictures(ledger: Ledger, size: int) -> NDArray[np.uint8]:
    import numpy as np

    from bakeoff.tasks.images.pictures import ARRAY, Pictures

    material = Path(str((ledger.data() or {}).get("material") or ""))
    if (material / ARRAY).is_file():
        held = Pictures.open(material)
        if held.size == size and len(held.keys):
            return np.asarray(held.array[:: max(1, len(held.array) // 64)][:64])
    return drawn_patterns(size)


def drawn_patterns(size: int, n: int = 32) -> NDArray[np.uint8]:
    """Pictures to check a graph with where no real ones are at hand: waves, edges and noise, shape (n, size, size, 3). Deterministic."""
    import numpy as np

    draw = np.random.default_rng(0)
    high, wide = np.mgrid[0:size, 0:size] / size
    made = []
    for number in range(n):
        a, b, phase = draw.uniform(-12, 12), draw.uniform(-12, 12), draw.uniform(0, 6.3, 3)
        waves = np.sin((a * high + b * wide)[..., None] + phase)
        values = np.sign(waves) if number % 3 == 1 else waves + (number % 3) * draw.normal(0, 0.3, (size, size, 3))
        made.append(np.clip(127.5 + 110 * values, 0, 255).astype(np.uint8))
    return np.stack(made)
