"""What every reader of pictures hands over: records first, then the pictures of those that are wanted, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from bakeoff.contract import Json
from bakeoff.tasks.images.decode import Fit

if TYPE_CHECKING:
    from bakeoff.tasks.images.decode import Pixels

PARTS: Mapping[str, str] = {
    "train": "train", "training": "train",
    "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Names of published splits, as folders and data sets call them."""

MOST_PICTURES = 1_000_000

Read: TypeAlias = "Callable[[Sequence[Record], int, Fit], Iterator[tuple[Record, Pixels | str]]]"
"""``read(records, size, fit)``: each record once, in any order, with its picture of shape (size, size, 3) or the reason why there is none."""


@dataclass(frozen=True, slots=True)
class Record:
    """One picture that a source has, not read yet.

    Parameters
    ----------
    key : str
        Unique in the source; becomes the item's id and input.
    label : str
    part : {'', 'train', 'valid', 'test', 'held-out'}
        A published split, '' where there is none; 'held-out' is for probes only.
    group : str or None
        What is never split apart: the object that is shown.
    style, file : str
        For people: how it is drawn, and the path in its source.
    row : int
        For the reader: where the picture lies.
    """

    key: str
    label: str
    part: str = ""
    group: str | None = None
    style: str = ""
    file: str = ""
    row: int = 0


@dataclass(frozen=True)
class PictureSource:
    """A source that was opened: what is in it, and how to read it.

    `digest` changes with every byte that counts. `left_out` names what is no usable picture, with the reason; `size` is the size
    that suits the source, in pixels a side.
    """

    name: str
    records: Sequence[Record]
    digest: str
    read: Read
    licence: str = "unstated"
    size: int = 96
    notes: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)
