"""Prepared pictures: every picture of a study decoded once, in one array on disk that all trials share.

What an item names (`Item.input`) is one of

- a key of the prepared pictures (``"noto/mouse"``, ``"train/cat/0001.jpg"``);
- ``{"picture": KEY, "corruption": KIND, "severity": 1 to 5}``: a prepared picture, spoilt on purpose (`corruptions.corrupt`);
- a ``data:image/...;base64,`` address: what a client of the endpoint sends.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.contract import Json
from bakeoff.errors import BadData
from bakeoff.tasks.images.decode import BadPicture, Fit, from_address

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bakeoff.tasks.images.decode import Pixels

ARRAY, INDEX = "pictures.npy", "pictures.json"


class Pictures:
    """A folder of prepared pictures, read by memory map: many processes share one copy.

    Attributes
    ----------
    size : int
        Pixels a side.
    fit : {'crop', 'pad'}
        How pictures that were not square were brought to it; served pictures are treated alike.
    about : mapping
        What the reader noted beside (styles, held-out keys with their labels, sources). JSON.
    """

    def __init__(self, array: NDArray[np.uint8], keys: Sequence[str], fit: Fit, about: Mapping[str, Json]) -> None:
        self.array, self.keys, self.fit, self.about = array, tuple(keys), fit, about
        self._row = {key: row for row, key in enumerate(self.keys)}

    @classmethod
    def open(cls, folder: Path) -> Pictures:
        """Prepared pictures as `write` left them.

        Raises
        ------
        BadData
            If the folder holds none.
        """
        import numpy as np

        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            array = np.load(folder / ARRAY, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise BadData(f"{folder} holds no prepared pictures.", fix="run the study again, without --resume") from error
        if array.ndim != 4 or array.shape[1] != array.shape[2] or array.shape[3] != 3 or len(index["keys"]) != len(array):
            raise BadData(
                f"{folder} holds pictures that do not fit their index.", fix="remove that folder and run the study again"
            )
        return cls(array, index["keys"], index["fit"], index["about"])

    @staticmethod
    def write(
        folder: Path,
        pictures: Iterable[tuple[str, Pixels]],
        n: int,
        size: int,
        *,
        fit: Fit = "crop",
        about: Mapping[str, Json] | None = None,
    ) -> None:
        """Write at most `n` pictures as they come; the folder appears whole or not at all. An existing folder is left as it is.

        Parameters
        ----------
        pictures : iterable of (key, array of shape (size, size, 3), uint8)
            Keys are unique.
        n : int
            How many there are at most: room is made for them; what is not used is cut off.
        """
        import numpy as np

        if (folder / INDEX).is_file():
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
        try:
            held = np.lib.format.open_memmap(draft / "all.npy", mode="w+", dtype=np.uint8, shape=(n, size, size, 3))
            keys: list[str] = []
            for key, pixels in pictures:
                held[len(keys)] = pixels
                keys.append(key)
            held.flush()
            if len(keys) == n:
                (draft / "all.npy").replace(draft / ARRAY)
            else:
                np.save(draft / ARRAY, held[: len(keys)], allow_pickle=False)
                (draft / "all.npy").unlink()
            del held
            index = {"keys": keys, "fit": fit, "about": dict(about or {})}
            (draft / INDEX).write_text(json.dumps(index, ensure_ascii=False), encoding="utf-8")
            for name in (ARRAY, INDEX):
                with (draft / name).open("rb") as file:
                    os.fsync(file.fileno())
            draft.chmod(0o755)
            try:
                draft.replace(folder)
            except OSError:
                if not (folder / INDEX).is_file():  # another process was quicker, with the same pictures
                    raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    @property
    def size(self) -> int:
        """Pixels a side."""
        return int(self.array.shape[1])

    def take(self, keys: Sequence[str]) -> NDArray[np.uint8]:
        """Prepared pictures by key, shape (len(keys), size, size, 3)."""
        return self.array[[self._row[key] for key in keys]]

    def picture(self, given: Json) -> Pixels:
        """One picture as an item names it, shape (size, size, 3).

        Raises
        ------
        BadPicture
            If there is no such key, or the address holds no picture.
        """
        if isinstance(given, str):
            row = self._row.get(given)
            return self.array[row] if row is not None else from_address(given, self.size, self.fit)
        if isinstance(given, Mapping) and given.get("picture") in self._row:
            from bakeoff.tasks.images.corruptions import corrupt

            return corrupt(
                self.array[self._row[given["picture"]]],
                str(given.get("corruption")),
                int(given.get("severity", 1)),
                key=given["picture"],
            )
        raise BadPicture(
            "this names no picture of the study", fix="give a key of the study's pictures, or a data:image/...;base64, address"
        )


def pictures_of(given: Any, size: int, fit: Fit, store: Pictures | None) -> Pixels:
    """One picture, with prepared pictures at hand or (behind an endpoint) without them.

    Raises
    ------
    BadPicture
        As `Pictures.picture` and `decode.from_address`.
    """
    if store is not None:
        return store.picture(given)
    if not isinstance(given, str):
        raise BadPicture("this is no picture", fix="send data:image/png;base64,... (or jpeg, webp)")
    return from_address(given, size, fit)
