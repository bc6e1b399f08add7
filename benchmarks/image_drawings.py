"""The figures that docs/reference/images-task.md quotes: how far styles of drawing differ, and what the search for near copies finds.

python benchmarks/image_drawings.py            the drawings of asset:emoji and made pictures
python benchmarks/image_drawings.py FOLDER     besides, how many test pictures of a source are nearly the same as a training picture
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "tasks" / "images"))

from test_near_pictures import planted, scene

from bakeoff import assets
from bakeoff.tasks.images.emoji import open_emoji
from bakeoff.tasks.images.task import ImagesTask


def drawings(size: int) -> tuple[list[tuple[str, str]], np.ndarray]:
    """(style, object) and pictures of shape (n, size, size, 3) of every drawing."""
    source = open_emoji(assets.fetch("emoji"), None, "none")
    found = [(record, pixels) for record, pixels in source.read(source.records, size, "pad") if not isinstance(pixels, str)]
    return [(record.style, str(record.group)) for record, _ in found], np.stack([pixels for _, pixels in found])


def style_differences() -> None:
    """For each style: the mean, over its objects, of the mean root mean square difference to the other styles' drawings, in [0, 1]."""
    named, pictures = drawings(32)
    by_object: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    for (style, thing), pixels in zip(named, pictures, strict=True):
        by_object[thing][style] = pixels.astype(np.float64) / 255
    for style in dict.fromkeys(style for style, _ in named):
        means = [
            np.mean([np.sqrt(((drawn[style] - other) ** 2).mean()) for name, other in drawn.items() if name != style])
            for drawn in by_object.values()
            if style in drawn and len(drawn) > 1
        ]
        print(f"{style:20} {len(means):4} objects, difference {np.mean(means):.3f}")


def copies(name: str, different: np.ndarray) -> None:
    there, found = planted(different)
    pairs = {(i, j) for i, j, _ in found}
    false = {row for pair in pairs - there for row in pair if row < len(different)}
    print(
        f"{name}: {len(there & pairs)} of {len(there)} found, {len(false)} of {len(different):,} reported ({len(false) / len(different):.1%})"
    )


if __name__ == "__main__":
    style_differences()
    copies("made", np.stack([scene(seed) for seed in range(500)]))
    copies("drawings", drawings(64)[1])
    if len(sys.argv) > 1:
        task, data = ImagesTask(), {"source": sys.argv[1]}
        dataset = task.load(data, base=Path())
        for finding in task.check(dataset, task.split(dataset, data, seeds=[0]))[:2]:
            print(finding.code, finding.says)
