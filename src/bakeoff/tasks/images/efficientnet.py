"""EfficientNet-lite0 in plain torch: 3.4 million parameters, 1,280 features a picture, no squeeze-and-excitation, ReLU6.

Source: Tan & Le 2019 (EfficientNet) and the "lite" variant of TensorFlow's TPU models. Names of tensors are those of the published
PyTorch checkpoint. Convolutions of stride 2 pad as TensorFlow does ("same": the odd pixel at the right and the bottom), which
the weights were trained with: padding alike on both sides moves every picture by a pixel and costs accuracy.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class Stage(NamedTuple):
    """A run of blocks of one kind; only the first has the stride."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16), Stage(2, 3, 2, 6, 24), Stage(2, 5, 2, 6, 40), Stage(3, 3, 2, 6, 80), Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192), Stage(1, 3, 1, 6, 320),
)  # fmt: skip
STEM, FEATURES = 32, 1280
BLOCKS = sum(stage.repeats for stage in STAGES)
"""16."""


@cache
def _classes() -> tuple[type, type]:
    import torch
    from torch import nn

    class Same(nn.Conv2d):
        """A convolution that pads as TensorFlow's 'same' does, whatever the size of the picture."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            kernel, stride = self.kernel_size[0], self.stride[0]
            right, bottom = (max(0, (-(-n // stride) - 1) * stride + kernel - n) for n in (int(x.shape[3]), int(x.shape[2])))
            padded = nn.functional.pad(x, (right // 2, right - right // 2, bottom // 2, bottom - bottom // 2))
            return nn.functional.conv2d(padded, self.weight, None, self.stride, 0, self.dilation, self.groups)

    def convolution(inside: int, outside: int, kernel: int, stride: int, padding: str, groups: int = 1) -> nn.Module:
        if stride > 1 and padding == "same":
            return Same(inside, outside, kernel, stride, groups=groups, bias=False)
        return nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False)

    class Block(nn.Module):
        """Widen, convolve each channel alone, narrow; added to its input where the shapes agree."""

        def __init__(self, inside: int, stage: Stage, stride: int, padding: str, epsilon: float) -> None:
            super().__init__()
            wide = inside * stage.expand
            self.expands = stage.expand > 1
            self.adds = stride == 1 and inside == stage.channels
            if self.expands:
                self._expand_conv = convolution(inside, wide, 1, 1, padding)
                self._bn0 = nn.BatchNorm2d(wide, eps=epsilon)
            self._depthwise_conv = convolution(wide, wide, stage.kernel, stride, padding, groups=wide)
            self._bn1 = nn.BatchNorm2d(wide, eps=epsilon)
            self._project_conv = convolution(wide, stage.channels, 1, 1, padding)
            self._bn2 = nn.BatchNorm2d(stage.channels, eps=epsilon)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = nn.functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
            y = nn.functional.relu6(self._bn1(self._depthwise_conv(y)))
            y = self._bn2(self._project_conv(y))
            return x + y if self.adds else y

    class EfficientNetLite0(nn.Module):
        def __init__(self, labels: int, padding: str, epsilon: float) -> None:
            super().__init__()
            self._conv_stem = convolution(3, STEM, 3, 2, padding)
            self._bn0 = nn.BatchNorm2d(STEM, eps=epsilon)
            blocks, inside = [], STEM
            for stage in STAGES:
                for number in range(stage.repeats):
                    blocks.append(Block(inside, stage, stage.stride if number == 0 else 1, padding, epsilon))
                    inside = stage.channels
            self._blocks = nn.ModuleList(blocks)
            self._conv_head = convolution(inside, FEATURES, 1, 1, padding)
            self._bn1 = nn.BatchNorm2d(FEATURES, eps=epsilon)
            if labels:
                self._fc = nn.Linear(FEATURES, labels)

        def until(self, x: torch.Tensor, block: int) -> torch.Tensor:
            """Prepared pictures (n, 3, S, S) -> what goes into block `block` (0 to 16; 16 is what goes into the last convolution)."""
            x = nn.functional.relu6(self._bn0(self._conv_stem(x)))
            for each in self._blocks[:block]:
                x = each(x)
            return x

        def since(self, x: torch.Tensor, block: int) -> torch.Tensor:
            """What `until` gave for `block` -> features (n, 1280)."""
            for each in self._blocks[block:]:
                x = each(x)
            return nn.functional.relu6(self._bn1(self._conv_head(x))).mean((2, 3))

        def features(self, x: torch.Tensor) -> torch.Tensor:
            """Prepared pictures (n, 3, S, S) -> features (n, 1280)."""
            return self.since(self.until(x, 0), 0)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Prepared pictures (n, 3, S, S) -> logits (n, labels)."""
            return self._fc(self.features(x))

    return EfficientNetLite0, Block


def efficientnet_lite0(
    labels: int = 0,
    *,
    weights: Mapping[str, NDArray[Any]] | None = None,
    padding: Literal["same", "symmetric"] = "same",
    epsilon: float = 1e-3,
) -> Any:
    """The network, for answering (batch normalisation uses its kept statistics).

    Parameters
    ----------
    labels : int
        Outputs of the last layer; 0 makes none, only features.
    weights : mapping of name to array, or None
        All tensors but those of the last layer. None leaves torch's random start.
    padding, epsilon
        As the weights were trained; see `backbones.Backbone`.

    Returns
    -------
    torch.nn.Module
        ``features(x)``: prepared pictures (n, 3, S, S) -> (n, 1280); ``until(x, block)`` and ``since(x, block)`` are its two parts;
        calling it gives logits.

    Raises
    ------
    RuntimeError
        If tensors are missing or have another shape (torch's own error: `backbones.load_backbone` checks before).
    """
    import torch

    network = _classes()[0](labels, padding, epsilon)
    if weights is not None:
        state = {name: torch.from_numpy(each.copy()) for name, each in weights.items()}
        missing, strange = network.load_state_dict(state, strict=False)
        lost = [name for name in missing if not name.endswith("num_batches_tracked") and not name.startswith("_fc.")]
        if lost or strange:
            raise RuntimeError(f"weights do not fit: missing {lost[:3]}, unknown {strange[:3]}")
    return network.eval()


def shapes() -> dict[str, tuple[int, ...]]:
    """Name to shape of every tensor of the backbone, without its last layer and torch's counters. Needs no torch."""
    found: dict[str, tuple[int, ...]] = {"_conv_stem.weight": (STEM, 3, 3, 3)}

    def norm(name: str, channels: int) -> None:
        found.update({f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")})

    norm("_bn0", STEM)
    inside, number = STEM, 0
    for stage in STAGES:
        for _ in range(stage.repeats):
            name, wide = f"_blocks.{number}", inside * stage.expand
            if stage.expand > 1:
                found[f"{name}._expand_conv.weight"] = (wide, inside, 1, 1)
                norm(f"{name}._bn0", wide)
            found[f"{name}._depthwise_conv.weight"] = (wide, 1, stage.kernel, stage.kernel)
            norm(f"{name}._bn1", wide)
            found[f"{name}._project_conv.weight"] = (stage.channels, wide, 1, 1)
            norm(f"{name}._bn2", stage.channels)
            inside, number = stage.channels, number + 1
    found["_conv_head.weight"] = (FEATURES, inside, 1, 1)
    norm("_bn1", FEATURES)
    return found
