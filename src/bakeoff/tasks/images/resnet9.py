"""ResNet-9 with what the CIFAR speed records taught: much accuracy for little arithmetic.

Sources: David Page, "How to train your ResNet" (2018): the network, one-cycle, label smoothing, the scaled head; Keller Jordan,
"94% on CIFAR-10 in 3.29 seconds on a single GPU" (airbench, arXiv 2404.00498): frozen whitening filters in front, pooling before
normalisation, mirrored pictures at the answer; and Muon (Jordan 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakeoff.tasks.images.from_nothing import FromNothing

if TYPE_CHECKING:
    import torch


@dataclass
class ResNet9(FromNothing):
    """A whitened ResNet-9 (`networks.resnet9`).

    Parameters
    ----------
    width : float
        Times 32, 64, 128 and 256 channels.
    mirrored : bool
        Answer with the mean over the picture and its mirror image.
    augment, optimizer, schedule, learning_rate, weight_decay, label_smoothing, epochs, batch_size, patience, fewest_steps, precision
        As in `training.Recipe`. Without a `learning_rate` or `weight_decay`, the one that suits the optimizer (`rates`).
    """

    width: float = 1.0
    mirrored: bool = True
    label_smoothing: float = 0.1

    rates = {"adamw": (0.003, 0.05), "sgd": (0.2, 0.0005), "muon": (0.05, 0.05)}

    def _network(self, labels: int, size: int) -> torch.nn.Module:
        from bakeoff.tasks.images.networks import resnet9

        return resnet9(labels, size, width=self.width)
