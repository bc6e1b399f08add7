"""Small pictures whose class can be seen: discs, bars and rings of any colour on any ground. For tests; the same ones each time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bakeoff.contract import Item
from bakeoff.tasks.images.pictures import Pictures

KINDS = ("bar", "disc", "ring")


def shapes(n: int, size: int = 24, seed: int = 0, kinds: Sequence[str] = KINDS) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, size, size, 3) uint8 and their classes (n,), in turn."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    x, y = [], []
    for index in range(n):
        ground, colour = draw.integers(0, 256, (2, 3))
        while np.abs(ground - colour).max() < 90:
            ground, colour = draw.integers(0, 256, (2, 3))
        middle, radius = draw.uniform(0.4, 0.6, 2) * size, draw.uniform(0.22, 0.34) * size
        away = np.hypot(rows + 0.5 - middle[0], columns + 0.5 - middle[1])
        which = kinds[index % len(kinds)]
        if which == "bar":
            seen = (np.abs(rows + 0.5 - middle[0]) < radius / 3) & (np.abs(columns + 0.5 - middle[1]) < radius * 1.2)
        else:
            seen = (away < radius) & (away >= (radius * 0.6 if which == "ring" else 0))
        picture = np.where(seen[..., None], colour, ground) + draw.normal(0, 6, (size, size, 3))
        x.append(np.clip(picture, 0, 255).astype(np.uint8))
        y.append(index % len(kinds))
    return np.stack(x), np.array(y)


def prepared(folder: Path, n: int, size: int = 24, seed: int = 0, kinds: Sequence[str] = KINDS) -> list[Item]:
    """The same pictures as a study has them: written to `folder`, and an item for each."""
    x, y = shapes(n, size, seed, kinds)
    Pictures.write(folder, ((f"p{index}", picture) for index, picture in enumerate(x)), n, size)
    return [Item(f"p{index}", f"p{index}", kinds[code]) for index, code in enumerate(y)]
