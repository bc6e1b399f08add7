"""ResNet-9 with what the CIFAR speed records taught: much accuracy for little arithmetic.

Sources: David Page, "How to train your ResNet" (2018): the network, one-cycle, label smoothing, the scaled head; Keller Jordan,
"94% on CIFAR-10 in 3.29 seconds on a single GPU" (airbench, arXiv 2404.00498): frozen whitening filters in front, pooling before
normalisation, mirrored pictures at the answer; and Muon (Jordan 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bakeoff.tasks.images.training import NetworkClassifier, Recipe

if TYPE_CHECKING:
    import torch


@dataclass
class ResNet9(NetworkClassifier):
    """A whitened ResNet-9 (`networks.resnet9`).

    Parameters
    ----------
    width : float
        Times 32, 64, 128 and 256 channels.
    mirrored : bool
        Answer with the mean over the picture and its mirror image.
    augment, optimizer, schedule, learning_rate, weight_decay, label_smoothing, epochs, batch_size, patience, fewest_steps, precision
        As in `training.Recipe`. Without a `learning_rate` or `weight_decay`, the one that suits the optimizer (`RATES`).
    """

    width: float = 1.0
    mirrored: bool = True
    augment: str = "standard"
    optimizer: str = "muon"
    schedule: str = "one-cycle"
    learning_rate: float | None = None
    weight_decay: float | None = None
    label_smoothing: float = 0.1
    epochs: int = 20
    batch_size: int = 64
    patience: int = 0
    fewest_steps: int = 200
    precision: str = "auto"

    def _network(self, labels: int, size: int) -> torch.nn.Module:
        from bakeoff.tasks.images.networks import resnet9

        return resnet9(labels, size, width=self.width)

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


RATES = {"adamw": (0.003, 0.05), "sgd": (0.2, 0.0005), "muon": (0.05, 0.05)}
"""Peak learning rate and weight decay where none is given, by optimizer."""
