"""Near copies: what is found of planted ones, what is falsely reported of different ones, on made pictures and on real drawings."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from bakeoff.tasks.images import near_pictures
from bakeoff.tasks.images.near_pictures import chained, likeness, near_groups, near_pairs, thumbnail

WAYS = ("saved again", "resized", "cut", "brightness", "mirrored")


def scene(seed: int, side: int = 64) -> np.ndarray:
    """A made picture: shapes of many colours on a ground that fades from one colour to another."""
    draw = np.random.default_rng(seed)
    first, last = draw.integers(0, 256, (2, 3))
    fade = np.linspace(0, 1, side)[:, None, None]
    ground = np.broadcast_to(first * (1 - fade) + last * fade, (side, side, 3)).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(ground))
    pen = ImageDraw.Draw(picture)
    for _ in range(int(draw.integers(3, 9))):
        x, y, wide, high = (
            draw.integers(0, side),
            draw.integers(0, side),
            draw.integers(6, side // 2),
            draw.integers(6, side // 2),
        )
        box = (int(x - wide / 2), int(y - high / 2), int(x + wide / 2), int(y + high / 2))
        (pen.ellipse if draw.random() < 0.5 else pen.rectangle)(box, fill=tuple(int(v) for v in draw.integers(0, 256, 3)))
    return np.array(picture)


def copy_of(pixels: np.ndarray, way: str, draw: np.random.Generator) -> np.ndarray:
    picture, side = Image.fromarray(pixels), len(pixels)
    if way == "saved again":
        held = io.BytesIO()
        picture.save(held, "JPEG", quality=int(draw.integers(30, 80)))
        picture = Image.open(held)
    elif way == "resized":
        picture = picture.resize((side * 2 // 3, side * 2 // 3), Image.Resampling.BILINEAR)
    elif way == "cut":
        left, top, right, bottom = draw.uniform(0.02, 0.06, 4) * side
        picture = picture.crop((round(left), round(top), round(side - right), round(side - bottom)))
    elif way == "brightness":
        picture = ImageEnhance.Brightness(picture).enhance(float(draw.choice([0.7, 0.85, 1.15, 1.3])))
    else:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.array(picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS))


def planted(different: np.ndarray, n: int = 50) -> tuple[set[tuple[int, int]], list[tuple[int, int, float]]]:
    """`n` copies put after different pictures: the pairs that are there, and the pairs that are found."""
    draw = np.random.default_rng(11)
    chosen = draw.choice(len(different), n, replace=False)
    copies = np.stack([copy_of(different[row], WAYS[i % len(WAYS)], draw) for i, row in enumerate(chosen)])
    there = {(int(row), len(different) + i) for i, row in enumerate(chosen)}
    return there, near_pairs(np.concatenate([different, copies]))


def test_planted_copies_of_made_pictures_are_found_and_different_ones_are_not() -> None:
    different = np.stack([scene(seed) for seed in range(500)])
    there, found = planted(different)
    pairs = {(i, j) for i, j, _ in found}
    false = {row for pair in pairs - there for row in pair if row < len(different)}
    assert len(there & pairs) >= 45, f"{len(there & pairs)} of {len(there)} planted copies were found"
    assert len(false) <= 0.01 * len(different), f"{len(false)} of {len(different)} different pictures were reported"


def test_planted_copies_of_real_drawings_are_found_and_other_objects_and_styles_are_not(real_assets: Path, home: Path) -> None:
    if not (real_assets / "emoji").is_dir():
        reason = "the drawings are not here: run `make test`, which fetches them"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from bakeoff.tasks.images.emoji import open_emoji

    source = open_emoji(real_assets / "emoji", ["twemoji", "fluent-emoji-flat"], "none")
    different = np.stack([pixels for _, pixels in source.read(source.records, 64, "pad")])
    assert len(different) > 650, "two styles of the same objects: another style is no copy"
    there, found = planted(different)
    pairs = {(i, j) for i, j, _ in found}
    false = {row for pair in pairs - there for row in pair if row < len(different)}
    assert len(there & pairs) >= 45, f"{len(there & pairs)} of {len(there)} planted copies were found"
    assert len(false) <= 0.01 * len(different), f"{len(false)} of {len(different)} different drawings were reported"


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_copying_is_found(way: str) -> None:
    draw = np.random.default_rng(5)
    different = np.stack([scene(seed) for seed in range(1000, 1040)])
    copies = np.stack([copy_of(pixels, way, draw) for pixels in different])
    found = {(i, j) for i, j, _ in near_pairs(different, copies)}
    assert sum((i, i) in found for i in range(40)) >= 34, way


def test_two_smooth_skies_are_no_copies() -> None:
    rows = np.linspace(0, 1, 64)[:, None, None]
    grain = np.random.default_rng(1)
    skies = [
        np.clip(
            np.array([90, 140, 220]) * (1 - rows) + np.array([200, 220, 250]) * rows + grain.normal(0, 4, (64, 64, 3)), 0, 255
        )
        for _ in range(2)
    ]
    one, other = (thumbnail(sky.astype(np.uint8)) for sky in skies)
    assert near_pairs(np.stack(skies).astype(np.uint8)) == []
    assert likeness(one, one) == pytest.approx(1.0, abs=1e-4)
    assert near_pictures._slid(one, other, (1.0,))[0] >= near_pictures.ALIKE, "the pictures as a whole are alike"
    assert likeness(one, other) == 0.0, "their details are not"


def test_pictures_that_show_nothing_are_not_compared() -> None:
    blank = np.full((4, 64, 64, 3), 255, dtype=np.uint8)
    assert near_pairs(blank) == [] and near_groups(blank) == []


def test_copies_of_copies_are_one_group_and_the_order_does_not_matter() -> None:
    draw = np.random.default_rng(2)
    pictures = [scene(seed) for seed in range(20)]
    pictures += [
        copy_of(pictures[3], "saved again", draw),
        copy_of(pictures[3], "brightness", draw),
        copy_of(pictures[7], "mirrored", draw),
    ]
    assert near_groups(np.stack(pictures)) == [[3, 20, 21], [7, 22]]
    assert near_groups(np.stack(pictures[::-1])) == [[0, 15], [1, 2, 19]]


def test_chains_are_joined() -> None:
    assert chained([("a", "b"), ("c", "d"), ("b", "c"), ("x", "y")]) == [["a", "b", "c", "d"], ["x", "y"]]
    assert chained([]) == []


def test_where_all_pictures_look_alike_the_work_ends() -> None:
    draw = np.random.default_rng(4)
    alike = np.stack([np.clip(scene(1) + draw.normal(0, 6, (64, 64, 3)), 0, 255).astype(np.uint8) for _ in range(60)])
    signatures = near_pictures._signatures(near_pictures._small(alike))
    verified = list(near_pictures._candidates(signatures, None))
    assert len(verified) <= 2 * len(alike) * near_pictures.MOST_CANDIDATES < len(alike) ** 2
    assert near_groups(alike[:12]) == [list(range(12))]
