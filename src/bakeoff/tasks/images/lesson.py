"""One training as PyTorch Lightning runs it: what happens in a step, after an epoch, and what a checkpoint holds.

Used by `training.train` alone. The random draws of an epoch follow from the seed and the epoch's number, never from what ran before.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.contract import Progress
from bakeoff.errors import BakeoffError

if TYPE_CHECKING:
    from bakeoff.tasks.images.training import Recipe

CHECKPOINT = "epoch.ckpt"
TOGETHER = 256
"""Validation pictures scored at once."""
SPEAKS = 0.5
"""Seconds between two reports of progress within an epoch, at least."""


def mark_of(network: Any, arrays: tuple[Any, ...], recipe: Recipe, seed: int) -> str:
    """A fingerprint of everything that decides the outcome: first weights, pictures, labels, recipe and seed."""
    import numpy as np
    import torch

    digest = hashlib.blake2b(json.dumps([asdict(recipe), seed, torch.__version__], sort_keys=True).encode(), digest_size=16)
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


@functools.cache
def lesson_class() -> type:
    """The Lightning module, made on first use: it inherits from Lightning, which this module does not import by itself.

    Attributes that `training.train` reads: ``rows`` (the curve), ``best`` (a state dict), ``best_epoch``, ``finished``, ``epochs``, ``steps``
    (an epoch), ``batch``.
    """
    import pytorch_lightning as lightning
    import torch
    from torch.nn import functional

    from bakeoff.tasks.images.augment import augment
    from bakeoff.tasks.images.optimisers import optimizer
    from bakeoff.tasks.images.schedule import factor

    class Lesson(lightning.LightningModule):
        def __init__(
            self, network: Any, arrays: tuple[Any, Any, Any, Any], recipe: Recipe, *, seed: int, progress: Progress, where: str,
            checkpoint: Path | None,
        ) -> None:  # fmt: skip
            super().__init__()
            self.mark = mark_of(network, arrays, recipe, seed) if checkpoint else ""
            self.network = network.to(where, memory_format=torch.channels_last)
            self.recipe, self.seed, self.says, self.checkpoint = recipe, seed, progress, checkpoint
            self.x, self.x_valid = (torch.from_numpy(each.copy()).to(where) for each in (arrays[0], arrays[2]))
            self.y, self.y_valid = (torch.from_numpy(each.astype("int64")).to(where) for each in (arrays[1], arrays[3]))
            self.batch = min(recipe.batch_size, len(self.x))
            self.steps = len(self.x) // self.batch
            stretch = max(1, math.ceil(recipe.fewest_steps / (recipe.epochs * self.steps)))
            self.epochs, self.patience = recipe.epochs * stretch, recipe.patience * stretch
            self.rows: list[dict[str, float]] = []
            self.best: dict[str, Any] = {}
            self.best_epoch, self.best_loss = 0, math.inf
            self.earlier_seconds, self.earlier_rows = 0.0, 0
            self.began = self.spoke = time.perf_counter()

        # What a step and an epoch do.

        def configure_optimizers(self) -> Any:
            chosen = optimizer(
                self.network,
                self.recipe.optimizer,
                learning_rate=self.recipe.learning_rate,
                weight_decay=self.recipe.weight_decay,
            )
            total = self.epochs * self.steps
            schedule = torch.optim.lr_scheduler.LambdaLR(
                chosen, lambda step: factor(self.recipe.schedule, min(step, total - 1), total)
            )
            return {"optimizer": chosen, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

        def on_train_start(self) -> None:
            self.began = self.spoke = time.perf_counter()

        def training_step(self, step: int, batch_idx: int) -> Any:
            if batch_idx == 0:
                self._begin(self.current_epoch)
            chosen = self.order[batch_idx * self.batch : (batch_idx + 1) * self.batch]
            with torch.autocast(self.x.device.type, enabled=False):
                x = augment(_floats(self.x[chosen]), self.recipe.augment, self.draw)
            y = self.y[chosen]
            logits = self.network(x.contiguous(memory_format=torch.channels_last)).float()
            loss = functional.cross_entropy(logits, y, label_smoothing=self.recipe.label_smoothing)
            self.losses += loss.detach()
            self.hits += (logits.detach().argmax(1) == y).sum()
            now = time.perf_counter()
            if now - self.spoke >= SPEAKS:
                self.spoke = now
                self._say((batch_idx + 1) / self.steps)
            return loss

        def on_validation_epoch_start(self) -> None:
            self.valid_losses, self.valid_hits = (torch.zeros((), device=self.x.device) for _ in range(2))

        def validation_step(self, step: int, batch_idx: int) -> None:
            chosen = slice(batch_idx * TOGETHER, (batch_idx + 1) * TOGETHER)
            x = _floats(self.x_valid[chosen]).contiguous(memory_format=torch.channels_last)
            logits, y = self.network(x).float(), self.y_valid[chosen]
            self.valid_losses += functional.cross_entropy(logits, y, reduction="sum")
            self.valid_hits += (logits.argmax(1) == y).sum()

        def on_train_epoch_end(self) -> None:
            """Runs after the epoch's validation."""
            rate = self.trainer.optimizers[0].param_groups[0]["lr"] if self.steps else 0.0
            row: dict[str, float] = {
                "epoch": self.current_epoch + 1,
                "train_loss": float(self.losses) / self.steps,
                "train_accuracy": float(self.hits) / (self.steps * self.batch),
            }
            if len(self.y_valid):
                row["valid_loss"] = float(self.valid_losses) / len(self.y_valid)
                row["valid_accuracy"] = float(self.valid_hits) / len(self.y_valid)
            row["learning_rate"] = float(rate)
            row["seconds"] = self.earlier_seconds + time.perf_counter() - self.began
            loss = row.get("valid_loss", -float(len(self.rows)))  # without validation every epoch is better than the one before
            if not math.isfinite(row["train_loss"]) or not math.isfinite(loss):
                raise BakeoffError(
                    f"The training diverged: in epoch {row['epoch']:.0f} the loss was no longer a number.",
                    fix="lower learning_rate, or use precision: float32",
                )
            self.rows.append(row)
            if loss < self.best_loss:
                self.best_loss, self.best_epoch = loss, len(self.rows)
                self.best = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}
            self.trainer.logger.log_metrics(row, len(self.rows))
            if self.checkpoint:
                self._keep(self.checkpoint)
            self.trainer.should_stop = self.finished
            self._say(0.0, done=len(self.rows))

        @property
        def finished(self) -> bool:
            """No epoch is left, or none of the last ones was better."""
            tired = bool(self.patience and len(self.y_valid) and len(self.rows) - self.best_epoch >= self.patience)
            return len(self.rows) >= self.epochs or tired

        # What a checkpoint holds beside Lightning's own.

        def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            checkpoint["bakeoff"] = {
                "mark": self.mark, "rows": self.rows, "best": self.best, "best_epoch": self.best_epoch, "best_loss": self.best_loss,
            }  # fmt: skip

        def recall(self, checkpoint: Mapping[str, Any]) -> int:
            """Take over the epochs of a checkpoint; Lightning itself restores weights and optimiser. Returns how many they are."""
            ours = checkpoint["bakeoff"]
            self.rows, self.best = [dict(row) for row in ours["rows"]], dict(ours["best"])
            self.best_epoch, self.best_loss = int(ours["best_epoch"]), float(ours["best_loss"])
            self.earlier_seconds, self.earlier_rows = float(self.rows[-1]["seconds"]), len(self.rows)
            return len(self.rows)

        def _keep(self, folder: Path) -> None:
            draft = folder / f".{CHECKPOINT}.draft"
            self.trainer.save_checkpoint(draft)
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.replace(folder / CHECKPOINT)

        # Randomness and words.

        def _begin(self, epoch: int) -> None:
            """Draw the epoch's order and seed what it draws further."""
            torch.manual_seed(_derived(self.seed, epoch, "network"))  # dropout
            order = torch.Generator().manual_seed(_derived(self.seed, epoch, "order"))
            self.order = torch.randperm(len(self.x), generator=order).to(self.x.device)
            self.draw = torch.Generator(self.x.device).manual_seed(_derived(self.seed, epoch, "augment"))
            self.losses, self.hits = (torch.zeros((), device=self.x.device) for _ in range(2))

        def _say(self, share: float, done: int | None = None) -> None:
            whole = self.current_epoch if done is None else done
            here = whole + share - self.earlier_rows
            left = (time.perf_counter() - self.began) * (self.epochs - whole - share) / max(here, 1e-9)
            last = self.rows[-1] if self.rows else {}
            loss, accuracy = (
                last.get("valid_loss", last.get("train_loss")),
                last.get("valid_accuracy", last.get("train_accuracy")),
            )
            known = f", loss {loss:.3f}, accuracy {accuracy:.1%}" if loss is not None else ""
            epoch = whole + 1 if done is None else whole
            self.says(min(1.0, (whole + share) / self.epochs), f"epoch {epoch} of {self.epochs}{known}, {left:.0f} s left")

    return Lesson


def _floats(x: Any) -> Any:
    """Pictures (n, size, size, 3) uint8 as (n, 3, size, size) in [0, 1]; nothing is moved in memory."""
    return x.permute(0, 3, 1, 2).float().div_(255)


def _derived(seed: int, epoch: int, purpose: str) -> int:
    digest = hashlib.blake2b(f"{seed}|{epoch}|{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
