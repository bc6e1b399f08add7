"""A small convolutional network, trained from nothing: the smallest thing that sees shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakeoff.tasks.images.from_nothing import FromNothing

if TYPE_CHECKING:
    import torch


@dataclass
class CNN(FromNothing):
    """Two or three blocks of convolution, normalisation, ReLU and pooling (`networks.small_cnn`).

    Parameters
    ----------
    blocks : int
        1 to 4.
    width : float
        Times 32 channels in the first block, twice as many in each further one.
    dropout : float in [0, 1)
        Before the last layer.
    augment, optimizer, schedule, learning_rate, weight_decay, label_smoothing, epochs, batch_size, patience, fewest_steps, precision
        As in `training.Recipe`. Without a `learning_rate` or `weight_decay`, the one that suits the optimizer (`rates`).
    """

    blocks: int = 3
    width: float = 1.0
    dropout: float = 0.25
    label_smoothing: float = 0.1
    epochs: int = 48
    patience: int = 16

    rates = {"adamw": (0.015, 0.05), "sgd": (0.1, 0.0005), "muon": (0.05, 0.05)}

    def _network(self, labels: int, size: int) -> torch.nn.Module:
        from bakeoff.tasks.images.networks import small_cnn

        return small_cnn(labels, size, blocks=self.blocks, width=self.width, dropout=self.dropout)
