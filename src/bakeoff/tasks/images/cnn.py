"""A small convolutional network, trained from nothing: the smallest thing that sees shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakeoff.tasks.images.training import NetworkClassifier, Recipe

if TYPE_CHECKING:
    import torch


@dataclass
class CNN(NetworkClassifier):
    """Two or three blocks of convolution, normalisation, ReLU and pooling (`networks.small_cnn`). Each setting can be a `changes:` entry.

    Parameters
    ----------
    blocks : int
        1 to 4.
    width : float
        Times 32 channels in the first block, twice as many in each further one.
    dropout : float in [0, 1)
        Before the last layer.
    augment, optimizer, schedule, learning_rate, weight_decay, label_smoothing, epochs, batch_size, patience, fewest_steps, precision
        As in `training.Recipe`. Without a `learning_rate` or `weight_decay`, the one that suits the optimizer (`RATES`).
    """

    blocks: int = 3
    width: float = 1.0
    dropout: float = 0.25
    augment: str = "standard"
    optimizer: str = "muon"
    schedule: str = "one-cycle"
    learning_rate: float | None = None
    weight_decay: float | None = None
    label_smoothing: float = 0.0
    epochs: int = 24
    batch_size: int = 64
    patience: int = 8
    fewest_steps: int = 200
    precision: str = "auto"

    def _network(self, labels: int, size: int) -> torch.nn.Module:
        from bakeoff.tasks.images.networks import small_cnn

        return small_cnn(labels, size, blocks=self.blocks, width=self.width, dropout=self.dropout)

    def _recipe(self) -> Recipe:
        rate, decay = RATES.get(self.optimizer, (None, None))
        return Recipe(
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            learning_rate=(rate or 0.0) if self.learning_rate is None else self.learning_rate,
            weight_decay=(decay or 0.0) if self.weight_decay is None else self.weight_decay,
            schedule=self.schedule,
            augment=self.augment,
            label_smoothing=self.label_smoothing,
            patience=self.patience,
            fewest_steps=self.fewest_steps,
            precision=self.precision,
        )


RATES = {"adamw": (0.015, 0.05), "sgd": (0.1, 0.0005), "muon": (0.05, 0.05)}
"""Peak learning rate and weight decay where none is given, by optimizer."""
