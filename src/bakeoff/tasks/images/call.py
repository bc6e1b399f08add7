"""Ask a classifier of pictures directly: a path, bytes, a Pillow image or an array in, a label and its probabilities out."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from bakeoff.contract import Approach, Item
from bakeoff.errors import BadData
from bakeoff.tasks.images.decode import BadPicture, Fit, decode, from_address, read_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bakeoff.tasks.images.decode import Pixels

Picture: TypeAlias = Any
"""A path (str or Path), a ``data:`` address (str), the bytes of a file, a Pillow image, or an array."""
TOGETHER = 64


@dataclass(frozen=True)
class Label:
    """What a picture shows.

    Attributes
    ----------
    label : str
        The most probable class; printing a `Label` gives it with its probability.
    probabilities : dict of label to float
        Of all classes, calibrated, most probable first; sums to 1.
    """

    label: str
    probabilities: dict[str, float]

    @property
    def probability(self) -> float:
        """Of `label`, in [0, 1]."""
        return self.probabilities[self.label]

    def __str__(self) -> str:
        return f"{self.label} ({self.probability:.2f})"


class PictureCall:
    """A classifier as a function: ``classify("mouse.png")`` is a `Label`.

    Attributes
    ----------
    labels : list of str
    size : int
        Pixels a side that it looks at; pictures of any size are given.
    """

    def __init__(
        self, labels: list[str], size: int, fit: Fit, probabilities: Callable[[NDArray[np.uint8]], NDArray[np.float64]]
    ) -> None:
        self.labels, self.size, self.fit, self._probabilities = list(labels), size, fit, probabilities

    def __call__(self, picture: Picture) -> Label:
        """Classify one picture.

        Raises
        ------
        BadPicture
            If it cannot be read as a picture; `what` says why.
        """
        return self.all([picture])[0]

    def all(self, pictures: Iterable[Picture]) -> list[Label]:
        """Classify many, in their order, some at a time. Raises as for one, at the first that cannot be read."""
        import numpy as np

        found: list[Label] = []
        batch: list[Pixels] = []

        def flush() -> None:
            if batch:
                found.extend(self._label(row) for row in self._probabilities(np.stack(batch)))
                batch.clear()

        for picture in pictures:
            batch.append(pixels_of(picture, self.size, self.fit))
            if len(batch) == TOGETHER:
                flush()
        flush()
        return found

    def _label(self, row: NDArray[np.float64]) -> Label:
        order = sorted(range(len(row)), key=lambda place: (-row[place], place))
        return Label(self.labels[order[0]], {self.labels[place]: float(row[place]) for place in order})

    def __repr__(self) -> str:
        return f"PictureCall({len(self.labels)} labels, {self.size} x {self.size} pixels)"


def caller_of(approach: Approach) -> PictureCall:
    """A fitted or restored approach of the images task as a function.

    Raises
    ------
    BadData
        If it is no classifier of pictures.
    """
    if all(hasattr(approach, name) for name in ("labels_", "size_", "fit_", "probabilities")):
        known: Any = approach
        return PictureCall(known.labels_, known.size_, known.fit_, known.probabilities)
    if all(hasattr(approach, name) for name in ("labels_", "size_", "fit_")):
        return _asking(approach)
    raise BadData(
        f"{type(approach).__name__} is no classifier of pictures.", fix="name a run of the images task, or an exported .onnx file"
    )


def _asking(approach: Any) -> PictureCall:
    """An approach that has no arrays of probabilities of its own (an endpoint): asked by items, one certain label each."""
    import numpy as np

    from bakeoff.tasks.images.endpoint import png_address

    def probabilities(x: NDArray[np.uint8]) -> NDArray[np.float64]:
        rows = np.zeros((len(x), len(approach.labels_)))
        items = [Item(str(place), png_address(picture, 0)) for place, picture in enumerate(x)]
        for row, answer in zip(rows, approach.answer(items), strict=True):
            if not answer.answered:
                raise BadData(f"The approach gave no answer: {answer.error or 'it declined'}.", fix="see its settings")
            for label, chance in (answer.probabilities or {answer.value: 1.0}).items():
                row[approach.labels_.index(label)] = chance
        return rows

    return PictureCall(approach.labels_, approach.size_, approach.fit_, probabilities)


def pixels_of(picture: Picture, size: int, fit: Fit) -> Pixels:
    """Any of the kinds of `Picture` as an array (size, size, 3), uint8, prepared as the study's own pictures were.

    Arrays are uint8 of shape (height, width), (height, width, 3) or (height, width, 4): grey, RGB or RGBA.

    Raises
    ------
    BadPicture
        If it is none of them, or no picture.
    """
    if isinstance(picture, str) and picture.startswith("data:"):
        return from_address(picture, size, fit)
    if isinstance(picture, str | Path):
        return read_file(Path(picture).expanduser(), size, fit)
    if isinstance(picture, bytes | bytearray | memoryview):
        return decode(bytes(picture), size, fit)
    if type(picture).__module__.startswith("PIL.") and hasattr(picture, "save"):
        return decode(_file_of(picture), size, fit)
    if hasattr(picture, "__array_interface__"):
        return decode(_file_of(_image_of(picture)), size, fit)
    raise BadPicture(
        f"this is a {type(picture).__name__}, not a picture", fix="give a path, bytes, a Pillow image or an array of uint8"
    )


def _image_of(given: Any) -> Any:
    import numpy as np
    from PIL import Image

    array = np.asarray(given)
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))) or not array.size:
        raise BadPicture(
            f"an array of {array.dtype} and shape {array.shape} is no picture",
            fix="give uint8 of shape (height, width), (height, width, 3) or (height, width, 4)",
        )
    return Image.fromarray(np.ascontiguousarray(array))


def _file_of(image: Any) -> bytes:
    """A Pillow image as the bytes of a file that loses nothing, so that it is prepared by the same code as any file."""
    from PIL import ImageOps

    held = io.BytesIO()
    try:
        upright = ImageOps.exif_transpose(image) or image
        kind = "PNG" if upright.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else "TIFF"
        upright.save(held, kind, **({"compress_level": 1} if kind == "PNG" else {}))
    except (OSError, ValueError, KeyError) as error:
        raise BadPicture(f"an image of mode {image.mode} cannot be used", fix='convert it: image.convert("RGB")') from error
    return held.getvalue()
