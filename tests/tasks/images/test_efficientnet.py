"""EfficientNet-lite0: its shape, TensorFlow's padding, and (with the real weights) the features of one drawn picture."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from bakeoff.tasks.images.efficientnet import BLOCKS, efficientnet_lite0, shapes


def test_it_has_the_tensors_and_the_size_that_were_published() -> None:
    network = efficientnet_lite0(1000)
    named = {name: tuple(each.shape) for name, each in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    assert {name: shape for name, shape in named.items() if not name.startswith("_fc.")} == shapes()
    assert sum(each.numel() for each in network.parameters()) == 4_652_008  # 4.652 million, as published
    assert BLOCKS == len(network._blocks) == 16


@pytest.mark.parametrize("side", [32, 33, 47, 64])
def test_both_parts_make_the_whole_at_every_cut_and_every_size(side: int) -> None:
    torch.manual_seed(0)
    network = efficientnet_lite0(5)
    x = torch.randn(2, 3, side, side)
    with torch.no_grad():
        whole = network.features(x)
        assert whole.shape == (2, 1280) and network(x).shape == (2, 5)
        for block in (0, 1, 11, BLOCKS):
            assert torch.equal(network.since(network.until(x, block), block), whole)


@pytest.mark.parametrize("side", [8, 9, 15, 16])
def test_padding_is_tensorflows(side: int) -> None:
    """With stride 2 the output has half the side, rounded up; for even sides the spare pixel is at the right and the bottom."""
    network = efficientnet_lite0(padding="same")
    x = torch.zeros(1, 3, side, side)
    x[:, :, 0, 0] = 1.0
    with torch.no_grad():
        network._conv_stem.weight.zero_()
        network._conv_stem.weight[:, :, 0, 0] = 1.0  # hands on what stands at the upper left of its window
        made = network._conv_stem(x)[0, 0]
        alike = efficientnet_lite0(padding="symmetric")
        alike._conv_stem.weight.copy_(network._conv_stem.weight)
        other = alike._conv_stem(x)[0, 0]
    assert made.shape == (-(-side // 2),) * 2
    # An even side is padded at the end only, so the first window begins with the first pixel; an odd one begins before it.
    assert float(made[0, 0]) == (3.0 if side % 2 == 0 else 0.0)
    assert float(other[0, 0]) == 0.0


def test_weights_that_do_not_fit_are_not_taken_in_silence() -> None:
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes().items()}
    del weights["_bn1.bias"]
    with pytest.raises(RuntimeError, match=r"_bn1\.bias"):
        efficientnet_lite0(weights=weights)


def drawn() -> np.ndarray:
    """A picture of 224 x 224 pixels made by arithmetic: a sunset over waves."""
    high, wide = np.mgrid[0:224, 0:224] / 224
    sun = ((high - 0.4) ** 2 + (wide - 0.6) ** 2 < 0.03)[..., None]
    sky = np.stack([220 - 90 * high, 140 * (1 - high) + 40, 90 + 100 * high], -1)
    waves = (high > 0.65)[..., None] * (30 * np.sin(40 * high + 6 * np.sin(9 * wide)))[..., None]
    return np.clip(np.where(sun, [255, 220, 120], sky) + waves, 0, 255).astype(np.uint8)


@pytest.mark.model
def test_the_published_weights_give_the_published_features(real_assets: Path) -> None:
    """Reference: the PyTorch project that published the weights, run on the same picture (float32, one thread)."""
    from bakeoff.tasks.images.backbones import load_backbone

    if not (real_assets / "efficientnet-lite0").is_dir():
        if os.environ.get("CI"):
            pytest.fail("the weights are not here: run `bakeoff assets pull efficientnet-lite0`")
        pytest.skip("the weights are not here: run `bakeoff assets pull efficientnet-lite0`")
    backbone = load_backbone("efficientnet-lite0")
    network = efficientnet_lite0(weights=backbone.weights)
    x = (torch.from_numpy(drawn().copy()).permute(2, 0, 1)[None].float() - backbone.mean[0]) / backbone.std[0]
    with torch.no_grad():
        features = network.features(x)[0].numpy()
    assert features[[113, 897, 755, 1079, 1053]] == pytest.approx([4.07290, 3.94783, 2.95170, 1.29854, 0.07165], abs=1e-4)
    assert float(features.mean()) == pytest.approx(0.207129, abs=1e-5)
