"""What the networks that start from random weights have in common: their settings of training, and the rates that suit each optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bakeoff.tasks.images.training import NetworkClassifier, Recipe


@dataclass
class FromNothing(NetworkClassifier):
    """A network trained from nothing. Each setting can be a `changes:` entry; subclasses say which network and which defaults.

    Parameters
    ----------
    augment, optimizer, schedule, learning_rate, weight_decay, label_smoothing, epochs, batch_size, patience, fewest_steps, precision
        As in `training.Recipe`. Without a `learning_rate` or `weight_decay`, the one that suits the optimizer (`rates`).

    Attributes
    ----------
    rates : mapping of optimizer to (peak learning rate, weight decay)
    """

    augment: str = "standard"
    optimizer: str = "muon"
    schedule: str = "one-cycle"
    learning_rate: float | None = None
    weight_decay: float | None = None
    label_smoothing: float = 0.0
    epochs: int = 20
    batch_size: int = 64
    patience: int = 0
    fewest_steps: int = 200
    precision: str = "auto"

    rates: ClassVar[Mapping[str, tuple[float, float]]]

    def _recipe(self) -> Recipe:
        rate, decay = self.rates.get(self.optimizer, (0.0, 0.0))
        return Recipe(
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            learning_rate=rate if self.learning_rate is None else self.learning_rate,
            weight_decay=decay if self.weight_decay is None else self.weight_decay,
            schedule=self.schedule,
            augment=self.augment,
            label_smoothing=self.label_smoothing,
            patience=self.patience,
            fewest_steps=self.fewest_steps,
            precision=self.precision,
        )
