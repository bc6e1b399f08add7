"""Confident learning: the thresholds and counts by hand, and flipped labels found again."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff.errors import BadData
from bakeoff.measure.confident_learning import candidates, confident_joint

# Thresholds: label 0 has mean (.9 + .8 + .1) / 3 = .6, label 1 has (.7 + .5 + .9) / 3 = .7.
CHANCES = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.5, 0.5], [0.1, 0.9]])
GIVEN = np.array([0, 0, 0, 1, 1, 1])


def test_the_joint_counts_only_who_reaches_a_threshold() -> None:
    assert confident_joint(CHANCES, GIVEN).tolist() == [[2, 1], [0, 2]]


def test_a_candidate_belongs_confidently_to_another_label() -> None:
    (found,) = candidates(CHANCES, GIVEN)
    assert (found.item, found.suggested) == (2, 1)
    assert found.margin == pytest.approx(0.8)


def test_flipped_labels_are_found_from_good_probabilities() -> None:
    draw = np.random.default_rng(0)
    n, k = 2000, 6
    true = draw.integers(0, k, n)
    flipped = draw.random(n) < 0.05
    given = np.where(flipped, (true + draw.integers(1, k, n)) % k, true)
    logits = draw.normal(0, 1, (n, k)) + 4.5 * np.eye(k)[true]
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = candidates(chances, given)
    hits = flipped[[each.item for each in found]]
    assert hits.mean() >= 0.7
    assert hits.sum() / flipped.sum() >= 0.6
    assert [each.margin for each in found] == sorted((each.margin for each in found), reverse=True)
    right = [true[each.item] == each.suggested for each in found if flipped[each.item]]
    assert np.mean(right) > 0.9


def test_without_flips_hardly_anything_is_a_candidate() -> None:
    draw = np.random.default_rng(1)
    true = draw.integers(0, 4, 1000)
    logits = draw.normal(0, 1, (1000, 4)) + 5 * np.eye(4)[true]
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert len(candidates(chances, true)) <= 10


def test_a_label_that_nobody_carries_is_never_suggested() -> None:
    chances = np.array([[0.1, 0.1, 0.8], [0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])
    assert all(each.suggested != 2 for each in candidates(chances, [0, 1, 0, 1]))


@pytest.mark.parametrize(
    ("chances", "given"),
    [
        ([[0.5, 0.6]], [0]),
        ([[0.5, 0.5]], [2]),
        ([[0.5, 0.5]], [0, 1]),
        ([[1.0]], [0]),
        ([[float("nan"), 1.0]], [0]),
        ([[-0.5, 1.5]], [0]),
    ],
)
def test_what_is_no_table_of_probabilities_is_refused(chances: list, given: list) -> None:
    with pytest.raises(BadData):
        candidates(chances, given)
