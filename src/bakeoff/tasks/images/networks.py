"""Two networks for small pictures. Both take pictures of shape (n, 3, side, side) in [0, 1] and give logits (n, labels).

Each is made of two steps that others may call one by one: ``features`` (the last maps, which Grad-CAM weighs) and ``classify`` (from those
maps to logits). What they know of the training pictures before training (mean and spread of each colour, the whitening filters) is set
by `look_at` and saved with the weights.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from bakeoff.errors import BadStudy

if TYPE_CHECKING:
    import torch

LARGE = 40
"""From this side on the first layer goes in steps of two pixels: what follows then costs a quarter."""
PATCHES = 200_000
"""Patches at most from which the whitening filters are computed."""


def small_cnn(labels: int, size: int, *, blocks: int = 3, width: float = 1.0, dropout: float = 0.25) -> torch.nn.Module:
    """Convolution, batch normalisation, ReLU and max pooling, `blocks` times; mean over the last maps; dropout; one linear layer.

    Parameters
    ----------
    labels : int
        At least 2.
    size : int
        Pixels a side, at least 8.
    blocks : int
        1 to 4; each halves the side and doubles the channels.
    width : float
        Times 32 channels in the first block; above 0.
    dropout : float in [0, 1)
        Of the averaged maps, before the linear layer.

    Raises
    ------
    BadStudy
        For settings outside these ranges.
    """
    _check(labels, size, width)
    if blocks not in (1, 2, 3, 4):
        raise BadStudy(f"blocks is {blocks!r}.", fix="use 1 to 4 convolution blocks")
    if not 0 <= dropout < 1:
        raise BadStudy(f"dropout is {dropout!r}.", fix="use a number from 0 to below 1")
    return _classes()["cnn"](labels, size, blocks, width, dropout)


def resnet9(labels: int, size: int, *, width: float = 1.0) -> torch.nn.Module:
    """David Page's ResNet-9 (2018, "How to train your ResNet") with a frozen whitening layer in front, as in Jordan's airbench.

    Whitening, 1 x 1 convolution, three stages of convolution and max pooling of which the first and the last end in a residual pair,
    global max pooling, a linear layer without bias times 1/8 (arXiv 2404.00498). Pooling comes before the normalisation, which then
    works on a quarter of the numbers.

    Parameters
    ----------
    labels, size : int
        As for `small_cnn`; `size` at least 16.
    width : float
        Times 32, 64, 128 and 256 channels (Page's own are twice that).

    Raises
    ------
    BadStudy
        For settings outside these ranges.
    """
    _check(labels, size, width)
    if size < 16:
        raise BadStudy(f"resnet9 needs pictures of at least 16 pixels a side, not {size}.", fix="set `size` to 32 or more")
    return _classes()["resnet9"](labels, size, width)


def look_at(network: torch.nn.Module, x: torch.Tensor) -> None:
    """Set what a network knows of its pictures before it is trained.

    Parameters
    ----------
    network : torch module
        Of this file.
    x : tensor of shape (n, side, side, 3), uint8
        Training pictures.
    """
    import torch

    some: Any = x[:: max(1, len(x) // 5000)].float().div_(255).permute(0, 3, 1, 2)
    shape = (1, 3, 1, 1)
    network.mean.copy_(some.mean((0, 2, 3)).view(shape))
    network.spread.copy_(some.std((0, 2, 3)).clamp_min(0.02).view(shape))
    whiten = getattr(network, "whiten", None)
    if whiten is not None:
        with torch.no_grad():
            whiten.weight.copy_(whitening((some - network.mean) / network.spread, whiten.kernel_size[0], len(whiten.weight)))


def whitening(x: torch.Tensor, side: int, most: int) -> torch.Tensor:
    """Filters that make the patches of `x` uncorrelated with variance 1: eigenvectors of their covariance over the roots of the eigenvalues.

    Parameters
    ----------
    x : tensor of shape (n, 3, height, width)
    side : int
        Of the patches.
    most : int
        Filters wanted, at most 3 x side x side: those of the largest eigenvalues.

    Returns
    -------
    tensor of shape (most, 3, side, side)
    """
    import torch

    per_picture = max(1, (x.shape[-2] - side + 1) * (x.shape[-1] - side + 1))
    some = x[:: max(1, len(x) * per_picture // PATCHES)]
    patches = some.unfold(2, side, 1).unfold(3, side, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 3 * side * side).double()
    covariance = patches.T @ patches / len(patches)
    values, vectors = torch.linalg.eigh(covariance)
    # The smallest eigenvalues are noise (or 0, for drawings on white); without this floor they would be blown up to the size of the rest.
    floor = 1e-3 * values[-1] + 1e-6
    filters = (vectors / (values + floor).sqrt()).T.flip(0)[:most]
    # The sign of an eigenvector is arbitrary, and differs between libraries: its largest entry is made positive.
    largest = filters.gather(1, filters.abs().argmax(1, keepdim=True))
    return (filters * largest.sign()).reshape(-1, 3, side, side).to(x.dtype)


def _check(labels: int, size: int, width: float) -> None:
    if labels < 2 or size < 8:
        raise BadStudy(
            f"A network needs at least 2 classes and 8 pixels a side, not {labels} and {size}.", fix="check the data and `size`"
        )
    if not 0 < width <= 16:
        raise BadStudy(f"width is {width!r}.", fix="use a number above 0, at most 16")


def _channels(base: int, width: float) -> int:
    return max(4, 4 * round(base * width / 4))


@functools.cache
def _classes() -> dict[str, Any]:
    """The classes, made on first use: they inherit from torch, which this module does not import by itself."""
    import torch
    from torch import nn

    class Seen(nn.Module):
        mean: torch.Tensor
        spread: torch.Tensor
        body: nn.Module
        head: nn.Linear
        scale = 1.0

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.full((1, 3, 1, 1), 0.5))
            self.register_buffer("spread", torch.full((1, 3, 1, 1), 0.25))

        def features(self, x: torch.Tensor) -> torch.Tensor:
            """The last maps, shape (n, channels, h, w)."""
            return self.body((x - self.mean) / self.spread)

        def classify(self, maps: torch.Tensor) -> torch.Tensor:
            """Logits of those maps, shape (n, labels)."""
            raise NotImplementedError

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.classify(self.features(x))

    def unit(inside: int, outside: int, pooled: bool) -> nn.Sequential:
        pool = [nn.MaxPool2d(2)] if pooled else []
        return nn.Sequential(nn.Conv2d(inside, outside, 3, padding=1, bias=False), *pool, nn.BatchNorm2d(outside), nn.ReLU())

    class SmallCnn(Seen):
        def __init__(self, labels: int, size: int, blocks: int, width: float, dropout: float) -> None:
            super().__init__()
            large = size >= LARGE
            layers: list[nn.Module] = []
            inside = 3
            for block in range(blocks):
                outside = _channels(32 * 2**block, width)
                if block == 0 and large:
                    first = nn.Conv2d(inside, outside, 5, stride=2, padding=2, bias=False)
                    layers += [first, nn.MaxPool2d(2), nn.BatchNorm2d(outside), nn.ReLU()]
                else:
                    layers.append(unit(inside, outside, True))
                inside = outside
            self.body = nn.Sequential(*layers)
            self.dropout = nn.Dropout(dropout)
            self.head = nn.Linear(inside, labels)

        def classify(self, maps: torch.Tensor) -> torch.Tensor:
            return self.head(self.dropout(maps.mean((2, 3))))

    class Pair(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.pair = nn.Sequential(unit(channels, channels, False), unit(channels, channels, False))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.pair(x)

    class ResNet9(Seen):
        def __init__(self, labels: int, size: int, width: float) -> None:
            super().__init__()
            large = size >= LARGE
            first, second, third, last = (_channels(base, width) for base in (32, 64, 128, 256))
            side = 4 if large else 3
            self.whiten = nn.Conv2d(3, 27, side, stride=2 if large else 1, padding=1, bias=False)
            self.whiten.weight.requires_grad_(False)
            self.body = nn.Sequential(
                nn.Conv2d(27, first, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU(),
                unit(first, second, True), Pair(second),
                unit(second, third, True),
                unit(third, last, True), Pair(last),
            )  # fmt: skip
            self.head = nn.Linear(last, labels, bias=False)

        def features(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(self.whiten((x - self.mean) / self.spread))

        def classify(self, maps: torch.Tensor) -> torch.Tensor:
            return self.head(maps.amax((2, 3))) * 0.125

    return {"cnn": SmallCnn, "resnet9": ResNet9}
