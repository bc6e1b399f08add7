from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_shapes import prepared, shapes

from bakeoff.contract import quiet
from bakeoff.errors import BadStudy
from bakeoff.tasks.images.hog_linear import BINS, CELLS, GRID, HogLinear, features


def stripes(size: int, angle: float) -> np.ndarray:
    """Black and white waves whose gradient runs at `angle` degrees."""
    rows, columns = np.mgrid[:size, :size]
    along = columns * np.cos(np.radians(angle)) + rows * np.sin(np.radians(angle))
    grey = (127 + 100 * np.sin(along / 2)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, -1)[None]


@pytest.mark.parametrize("size", [8, 24, 30, 64])
def test_features_have_one_length_whatever_the_size(size: int) -> None:
    x, _ = shapes(3, max(size, 16))
    x = x[:, :size, :size]
    assert features(x, colour=False).shape == (3, (CELLS - 1) ** 2 * 4 * BINS)
    assert features(x, colour=True).shape == (3, (CELLS - 1) ** 2 * 4 * BINS + 6 * GRID**2)
    assert features(x[:0], colour=True).shape == (0, features(x, colour=True).shape[1])


@pytest.mark.parametrize("angle", [0, 40, 90, 140])
def test_a_direction_lies_in_its_bin(angle: float) -> None:
    found = features(stripes(64, angle), colour=False).reshape(-1, BINS).mean(0)
    expected = angle / 180 * BINS
    share = np.zeros(BINS)
    share[int(expected) % BINS] += 1 - expected % 1
    share[(int(expected) + 1) % BINS] += expected % 1
    assert found.argmax() == share.argmax()
    assert found[share > 0].sum() > 0.9 * found.sum()


def test_edges_do_not_depend_on_brightness_or_on_which_side_is_dark() -> None:
    x = stripes(64, 30).astype(int)
    darker = (x // 2).astype(np.uint8)
    plain = features(x.astype(np.uint8), colour=False)
    assert np.abs(features(darker, colour=False) - plain).max() < 0.05
    assert np.allclose(features((255 - x).astype(np.uint8), colour=False), plain, atol=1e-6)


def test_blocks_are_cut_and_have_length_one_at_most() -> None:
    x, _ = shapes(10, 32)
    lengths = np.linalg.norm(features(x, colour=False).reshape(10, -1, 4 * BINS), axis=-1)
    assert lengths.max() <= 1 + 1e-6


def test_colour_is_told_apart_only_where_it_is_asked() -> None:
    red, blue = (np.full((1, 32, 32, 3), colour, dtype=np.uint8) for colour in ((200, 0, 0), (0, 0, 200)))
    assert np.array_equal(features(red, colour=False), features(blue, colour=False))
    assert not np.allclose(features(red, colour=True), features(blue, colour=True))


def test_a_picture_has_the_same_features_alone_and_among_others() -> None:
    x, _ = shapes(70, 24)
    together = features(x, colour=True)
    assert np.array_equal(together[-1:], features(x[-1:], colour=True))


def test_it_learns_shapes_and_chooses_c_on_validation(tmp_path: Path) -> None:
    items = prepared(tmp_path / "p", 240, 32)
    made = HogLinear()
    made.read_from(tmp_path / "p")
    made.fit(items[:120], items[120:180], seed=0, progress=quiet)
    right = [answer.value == item.target for answer, item in zip(made.answer(items[180:]), items[180:], strict=True)]
    assert np.mean(right) > 0.85
    tried = {row["C"]: row["log_loss"] for row in made.chosen_["tried"]}
    assert tried[made.chosen_["C"]] == min(tried.values()) and len(tried) == len(made.strengths)


def test_two_classes_and_no_validation_work(tmp_path: Path) -> None:
    items = prepared(tmp_path / "p", 60, 24, kinds=("disc", "bar"))
    made = HogLinear()
    made.read_from(tmp_path / "p")
    made.fit(items[:40], [], seed=0, progress=quiet)
    assert made.coef_.shape[0] == 2 and len(made.chosen_["tried"]) == 1
    right = [answer.value == item.target for answer, item in zip(made.answer(items[40:]), items[40:], strict=True)]
    assert np.mean(right) > 0.8


@pytest.mark.parametrize("wrong", [(), (0,), (-1, 1)])
def test_strengths_that_cannot_be_tried_are_refused(wrong: tuple[float, ...], tmp_path: Path) -> None:
    items = prepared(tmp_path / "p", 20)
    made = HogLinear(strengths=wrong)
    made.read_from(tmp_path / "p")
    with pytest.raises(BadStudy) as caught:
        made.fit(items, [], seed=0, progress=quiet)
    assert caught.value.fix
