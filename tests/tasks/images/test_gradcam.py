"""Grad-CAM and the edge map: by hand where that is possible, and on networks whose answer lies in a known place."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_networks as tiny
import torch
from torch import nn

from bakeoff.errors import BadData
from bakeoff.tasks.images.edges import edge_map
from bakeoff.tasks.images.gradcam import grad_cam, last_maps


class Named(nn.Module):
    """A convolution whose map is the picture itself, and one class per colour: Grad-CAM can be worked out by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(3, 3, 1, bias=False)
        self.look.weight.data = torch.eye(3).view(3, 3, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.look(x).mean((2, 3))


def test_it_is_the_published_sum_of_maps_weighed_by_mean_gradients() -> None:
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = grad_cam(Named(), x, [0, 2], size=8)
    for one, picture, label in zip(found, x.numpy(), [0, 2], strict=True):
        assert np.allclose(one, picture[label] / picture[label].max(), atol=1e-6)


def test_what_speaks_against_the_class_is_cut_off() -> None:
    one = Named()
    one.look.weight.data *= -1
    assert not grad_cam(one, torch.rand(1, 3, 8, 8) * 0 + 0.5, [0], size=8).any()


def test_it_marks_the_shape_and_not_the_ground() -> None:
    network = tiny.trained("normalised", 4, 0)
    pictures, codes = tiny.drawn(24, 4, 7)
    said = network(tiny.tensor(pictures)).argmax(1)
    assert (said.numpy() == codes).mean() > 0.8
    maps = grad_cam(network, tiny.tensor(pictures), said.tolist(), size=32)
    assert maps.shape == (24, 32, 32)
    assert maps.min() >= 0 and maps.max() == pytest.approx(1)
    shape = pictures.sum(3) < 3 * 255
    inside = np.mean([m[s].mean() for m, s in zip(maps, shape, strict=True)])
    outside = np.mean([m[~s].mean() for m, s in zip(maps, shape, strict=True)])
    assert inside > 1.5 * outside


def test_the_network_is_left_as_it_was() -> None:
    network = tiny.made("plain", 3, 0).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    grad_cam(network, torch.rand(2, 3, 32, 32), [0, 1], size=32)
    assert network.training and all(module.training for module in network.modules())
    assert all(one.grad is None for one in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())


def test_frozen_networks_have_maps_too() -> None:
    network = tiny.made("normalised", 3, 0).requires_grad_(False)
    assert grad_cam(network, torch.rand(2, 3, 32, 32), [0, 1], size=32).any()


def test_the_map_is_the_last_one_that_is_not_too_coarse() -> None:
    units = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4), nn.Conv2d(8, 5, 3, padding=1), nn.ReLU(inplace=True)]
    coarse = [nn.MaxPool2d(4), nn.Conv2d(5, 7, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(7, 2)]
    layer = last_maps(nn.Sequential(*units, *coarse), torch.rand(1, 3, 32, 32))
    assert (layer.name, layer.channels, layer.high, layer.wide) == ("4", 5, 8, 8)
    small = last_maps(
        nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Flatten(), nn.Linear(16, 2)), torch.rand(1, 3, 4, 4)
    )
    assert (small.high, small.wide) == (2, 2)


def test_a_shared_module_is_read_at_its_last_call() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.act, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Linear(6, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.act(self.second(self.act(self.first(x)))).mean((2, 3)))

    layer = last_maps(Shared(), torch.rand(1, 3, 16, 16))
    assert (layer.name, layer.call, layer.channels) == ("act", 1, 6)
    assert grad_cam(Shared(), torch.rand(3, 3, 16, 16), [0, 1, 0], size=16).shape == (3, 16, 16)


def test_a_network_without_convolutions_is_refused() -> None:
    with pytest.raises(BadData, match="no convolution"):
        last_maps(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2)), torch.rand(1, 3, 8, 8))


def test_edges_lie_where_brightness_changes() -> None:
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[:, 8:] = 255
    found = edge_map(picture)
    assert found.shape == (16, 16) and found.max() == 1
    assert (found[:, 7:9] == 1).all() and not found[:, :7].any() and not found[:, 9:].any()
    assert not edge_map(np.full((8, 8, 3), 77, np.uint8)).any()
