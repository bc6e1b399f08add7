"""Spoilt pictures: deterministic, worse by degree, and never another shape."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bakeoff.errors import BadData
from bakeoff.tasks.images.corruptions import KINDS, SEVERITIES, corrupt


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Discs and bars of random colours on light ground, 48 pixels a side."""
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:48, :48]
    made = []
    for _ in range(12):
        picture = np.full((48, 48, 3), draw.integers(200, 256, 3), dtype=np.uint8)
        y, x, r = [*draw.integers(12, 36, 2).tolist(), int(draw.integers(6, 14))]
        picture[(rows - y) ** 2 + (columns - x) ** 2 < r * r] = draw.integers(0, 200, 3)
        picture[:, int(draw.integers(0, 40)) :][:, :5] = draw.integers(0, 200, 3)
        made.append(picture)
    return np.stack(made)


@pytest.mark.parametrize("kind", KINDS)
def test_each_degree_is_further_from_the_picture_than_the_one_before(kind: str, pictures: np.ndarray) -> None:
    distances = []
    for severity in SEVERITIES:
        spoilt = np.stack([corrupt(p, kind, severity, key=str(i)) for i, p in enumerate(pictures)])
        assert spoilt.shape == pictures.shape and spoilt.dtype == np.uint8
        distances.append(float(((spoilt.astype(float) - pictures) ** 2).mean()))
    assert distances[0] > 0
    assert all(late > early for early, late in itertools.pairwise(distances)), distances


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_key_gives_the_same_picture_and_the_picture_is_left_alone(kind: str, pictures: np.ndarray) -> None:
    before = pictures[0].copy()
    assert (corrupt(pictures[0], kind, 3, key="a") == corrupt(pictures[0], kind, 3, key="a")).all()
    assert (pictures[0] == before).all()


@pytest.mark.parametrize("kind", ["gaussian-noise", "shot-noise", "salt-and-pepper", "occlusion"])
def test_another_key_draws_anew(kind: str, pictures: np.ndarray) -> None:
    assert (corrupt(pictures[0], kind, 4, key="a") != corrupt(pictures[0], kind, 4, key="b")).any()


def test_grey_at_the_last_degree_has_no_colour(pictures: np.ndarray) -> None:
    grey = corrupt(pictures[0], "grey", 5).astype(int)
    assert (np.ptp(grey, axis=2) <= 1).all()


@pytest.mark.parametrize(("kind", "severity"), [("fog", 1), ("jpeg", 0), ("jpeg", 6)])
def test_what_does_not_exist_is_refused(kind: str, severity: int, pictures: np.ndarray) -> None:
    with pytest.raises(BadData):
        corrupt(pictures[0], kind, severity)
