from __future__ import annotations

import pytest
import torch
from drawn_shapes import shapes

from bakeoff.errors import BadStudy
from bakeoff.tasks.images.networks import look_at, resnet9, small_cnn, whitening


@pytest.mark.parametrize("size", [16, 32, 33, 64, 96])
def test_any_size_gives_logits_in_two_steps(size: int) -> None:
    for network in (small_cnn(5, size), resnet9(5, size, width=0.25)):
        network.eval()
        x = torch.rand((2, 3, size, size))
        maps = network.features(x)
        assert maps.ndim == 4 and maps.shape[0] == 2
        assert network(x).shape == (2, 5) and torch.equal(network(x), network.classify(maps))


def test_settings_change_the_network() -> None:
    def count(network: torch.nn.Module) -> int:
        return sum(each.numel() for each in network.parameters())

    assert count(small_cnn(10, 32, blocks=2)) < count(small_cnn(10, 32)) < count(small_cnn(10, 32, width=2.0))
    assert count(resnet9(10, 32, width=0.5)) * 3 < count(resnet9(10, 32))
    assert small_cnn(10, 32, dropout=0.5).dropout.p == 0.5


def test_whitened_patches_are_uncorrelated_with_variance_one() -> None:
    draw = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.avg_pool2d(torch.randn((200, 3, 24, 24), generator=draw), 3, stride=1)
    filters = whitening(smooth, 3, 27)
    answers = torch.nn.functional.conv2d(smooth, filters).transpose(0, 1).reshape(27, -1)
    covariance = answers @ answers.T / answers.shape[1]
    # The floor under small eigenvalues leaves weak directions below variance 1: the strong ones are whole.
    strong = covariance[:10, :10]
    assert (strong.diagonal() - 1).abs().max() < 0.05
    assert (covariance - torch.diag(covariance.diagonal())).abs().max() < 0.02


def test_looking_sets_colours_and_frozen_filters_and_training_leaves_them() -> None:
    x, _ = shapes(60, 32)
    network = resnet9(3, 32, width=0.25)
    before = network.whiten.weight.clone()
    look_at(network, torch.from_numpy(x))
    assert not torch.equal(before, network.whiten.weight) and not network.whiten.weight.requires_grad
    mean = x.astype("float64").mean((0, 1, 2)) / 255
    assert torch.allclose(network.mean.flatten().double(), torch.from_numpy(mean), atol=1e-3)
    assert {"mean", "spread", "whiten.weight"} <= set(network.state_dict())


def test_pictures_without_any_colour_or_contrast_give_numbers() -> None:
    network = resnet9(3, 32, width=0.25)
    look_at(network, torch.full((10, 32, 32, 3), 255, dtype=torch.uint8))
    assert bool(torch.isfinite(network(torch.ones((2, 3, 32, 32)))).all())


@pytest.mark.parametrize(
    "make",
    [
        lambda: small_cnn(10, 32, blocks=5),
        lambda: small_cnn(10, 32, dropout=1.0),
        lambda: small_cnn(10, 32, width=0),
        lambda: small_cnn(1, 32),
        lambda: small_cnn(10, 4),
        lambda: resnet9(10, 8),
        lambda: resnet9(10, 32, width=-1),
    ],
)
def test_settings_out_of_range_are_refused(make: object) -> None:
    with pytest.raises(BadStudy) as caught:
        make()  # type: ignore[operator]
    assert caught.value.fix
