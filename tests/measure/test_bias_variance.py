"""Bias and variance: exact sums, published cases, and simulations whose parts are known."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff.contract import Answer, Item
from bakeoff.errors import BadData
from bakeoff.measure import bias_variance as bv


def dirichlet(draw: np.random.Generator, means: np.ndarray, strength: float, trainings: int) -> np.ndarray:
    """Probabilities (trainings, n, k) around `means` (n, k), with known variance m (1 - m) / (strength + 1)."""
    gammas = draw.gamma(np.broadcast_to(means * strength, (trainings, *means.shape)))
    return gammas / gammas.sum(axis=2, keepdims=True)


@pytest.mark.parametrize("split", bv.LOSSES.values(), ids=bv.LOSSES)
def test_the_parts_add_up_to_the_loss_of_every_item(split) -> None:
    draw = np.random.default_rng(0)
    given = dirichlet(draw, draw.dirichlet(np.ones(4), 50), 3.0, 5)
    truth = draw.integers(0, 4, 50)
    parts = split(given, truth)
    assert np.allclose(parts.bias + parts.variance, parts.loss, atol=1e-12)


def test_the_losses_are_the_plain_ones() -> None:
    draw = np.random.default_rng(1)
    given = dirichlet(draw, draw.dirichlet(np.full(3, 9.0), 40), 9.0, 4)
    truth = draw.integers(0, 3, 40)
    own = given[:, np.arange(40), truth]
    assert np.allclose(bv.zero_one(given, truth).loss, (given.argmax(2) != truth).mean(0))
    assert np.allclose(bv.brier(given, truth).loss, ((given - np.eye(3)[truth]) ** 2).sum(2).mean(0))
    assert np.allclose(bv.log_loss(given, truth).loss, -np.log(own).mean(0))


def test_variance_costs_where_the_main_label_is_right_and_helps_where_it_is_wrong() -> None:
    """Domingos (2000): five trainings say 0 0 0 1 2; where 0 is right, two fifths are lost; where 1 is, one fifth is won."""
    said = np.eye(3)[np.array([0, 0, 0, 1, 2])][:, None, :]
    given = np.repeat(said, 2, axis=1)
    parts = bv.zero_one(given, [0, 1])
    assert np.allclose(parts.bias, [0, 1])
    assert np.allclose(parts.variance, [0.4, -0.2])
    assert np.allclose(parts.loss, [0.4, 0.8])


@pytest.mark.parametrize("trainings", [2, 3, 8])
def test_brier_parts_are_unbiased_whatever_the_number_of_trainings(trainings: int) -> None:
    draw = np.random.default_rng(2)
    means, strength = draw.dirichlet(np.ones(4), 4000), 4.0
    truth = draw.integers(0, 4, 4000)
    parts = bv.brier(dirichlet(draw, means, strength, trainings), truth)
    known_variance = (means * (1 - means) / (strength + 1)).sum(1).mean()
    known_bias = ((means - np.eye(4)[truth]) ** 2).sum(1).mean()
    assert parts.variance.mean() == pytest.approx(known_variance, rel=0.03)
    assert parts.bias.mean() == pytest.approx(known_bias, rel=0.02)


def test_log_loss_of_few_trainings_comes_close_to_that_of_many() -> None:
    """With normal logits the geometric mean over endless trainings is the softmax of the mean logits."""
    draw = np.random.default_rng(3)
    centre, truth = draw.normal(0, 1, (3000, 4)), draw.integers(0, 4, 3000)

    def trained(n: int) -> np.ndarray:
        logits = centre + draw.normal(0, 0.7, (n, 3000, 4))
        return np.exp(logits) / np.exp(logits).sum(2, keepdims=True)

    main = np.exp(centre) / np.exp(centre).sum(1, keepdims=True)
    known_bias = -np.log(main[np.arange(3000), truth]).mean()
    known_variance = bv.log_loss(trained(200), truth).variance.mean()
    few = bv.log_loss(trained(4), truth)
    assert few.bias.mean() == pytest.approx(known_bias, rel=0.02)
    assert few.variance.mean() == pytest.approx(known_variance, rel=0.12)


def test_trainings_that_agree_have_no_variance() -> None:
    given = np.repeat(np.random.default_rng(4).dirichlet(np.ones(3), 20)[None], 4, axis=0)
    for split in bv.LOSSES.values():
        assert np.allclose(split(given, np.zeros(20, dtype=int)).variance, 0.0, atol=1e-9)


def answers(chances: np.ndarray) -> list[Answer]:
    return [Answer(value="ab"[int(row.argmax())], probabilities=dict(zip("ab", map(float, row), strict=True))) for row in chances]


def test_of_answers_leaves_out_what_one_training_did_not_answer() -> None:
    draw = np.random.default_rng(5)
    items = [Item(id=str(i), input=str(i), target="ab"[i % 2]) for i in range(30)]
    given = [answers(draw.dirichlet(np.ones(2), 30)) for _ in range(3)]
    given[1][4] = Answer(error="broken")
    given[2][7] = Answer(value="a")
    found = bv.of_answers(items, given)
    assert found["seeds"] == 3 and found["n"] == 28
    for name in bv.LOSSES:
        figure = found[name]
        assert figure["bias"]["mid"] + figure["variance"]["mid"] == pytest.approx(figure["loss"]["mid"])
        assert figure["loss"]["low"] <= figure["loss"]["mid"] <= figure["loss"]["high"]


def test_two_trainings_and_answers_without_probabilities_are_not_enough() -> None:
    items = [Item(id=str(i), input="", target="a") for i in range(5)]
    two = [answers(np.full((5, 2), 0.5))] * 2
    assert bv.of_answers(items, two) == {}
    assert bv.of_answers(items, [[Answer(value="a")] * 5] * 3) == {}


@pytest.mark.parametrize(
    ("shape", "truth"), [((3, 4), [0, 1, 0]), ((1, 2, 2), [0, 1]), ((2, 2, 2), [0, 2]), ((2, 2, 2), [0]), ((2, 0, 2), [])]
)
def test_what_cannot_be_split_is_refused(shape: tuple[int, ...], truth: list[int]) -> None:
    with pytest.raises(BadData):
        bv.brier(np.full(shape, 0.5), truth)
