"""Train a small network on pictures that fit in memory, with PyTorch Lightning: the same weights for the same seed, interrupted or not.

All pictures lie in one uint8 tensor, and batches are cut from it and augmented where it lies: no loader, no worker process. Whatever is
drawn at random (order, augmentation, dropout) follows from the seed and the number of the epoch, so that a training that was killed
goes on from its last whole epoch and ends with bit for bit the weights it would have had.
"""

from __future__ import annotations

import logging
import math
import signal
import tempfile
import threading
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bakeoff.contract import Answer, Flops, Item, Json, Progress, Requires
from bakeoff.errors import BadStudy, BakeoffError, RunError, nearest, needs
from bakeoff.models.threads import threads
from bakeoff.tasks.images.augment import AUGMENTATIONS
from bakeoff.tasks.images.classifier import PictureClassifier
from bakeoff.tasks.images.lesson import CHECKPOINT, TOGETHER, lesson_class
from bakeoff.tasks.images.optimisers import OPTIMIZERS
from bakeoff.tasks.images.schedule import SCHEDULES

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        Passes over the training pictures, at least 1.
    batch_size : int
        Pictures a step, at least 2; what is left over at the end of an epoch is left out of it.
    learning_rate, weight_decay : float
        At the peak of the schedule. Useful rates: 0.001 to 0.01 for adamw, 0.02 to 0.5 for sgd, 0.005 to 0.05 for muon.
    optimizer, schedule, augment : str
        As in `optimisers`, `schedule` and `augment`.
    label_smoothing : float in [0, 1)
        Share of the target that goes to all classes alike (Szegedy et al. 2016), in the training loss only.
    patience : int
        Epochs without a lower validation loss after which training stops; 0 never stops early.
    fewest_steps : int
        Few pictures make few steps: the number of epochs (and the patience) is multiplied until there are this many.
    precision : str
        ``float32``; ``bfloat16`` or ``float16`` for products only, weights stay float32; or ``auto``: half the width where the
        processor or GPU multiplies it natively.
    """

    epochs: int = 20
    batch_size: int = 64
    optimizer: str = "adamw"
    learning_rate: float = 0.003
    weight_decay: float = 0.05
    schedule: str = "one-cycle"
    augment: str = "standard"
    label_smoothing: float = 0.0
    patience: int = 0
    fewest_steps: int = 0
    precision: str = "auto"

    def __post_init__(self) -> None:
        for name, most in (("epochs", 100_000), ("batch_size", 100_000)):
            value = getattr(self, name)
            if not isinstance(value, int) or not (2 if name == "batch_size" else 1) <= value <= most:
                raise BadStudy(f"{name} is {value!r}.", fix=f"use a whole number up to {most:,}")
        for name, known in (
            ("optimizer", OPTIMIZERS), ("schedule", SCHEDULES), ("augment", AUGMENTATIONS), ("precision", PRECISIONS),
        ):  # fmt: skip
            if getattr(self, name) not in known:
                raise BadStudy(f"{name} is {getattr(self, name)!r}.", fix=nearest(str(getattr(self, name)), known))
        for name, top in (("learning_rate", 100.0), ("weight_decay", 100.0), ("label_smoothing", 0.999)):
            if not 0 <= getattr(self, name) <= top:
                raise BadStudy(f"{name} is {getattr(self, name)!r}.", fix=f"use a number from 0 to {top:g}")
        for name in ("patience", "fewest_steps"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 0:
                raise BadStudy(f"{name} is {getattr(self, name)!r}.", fix="use a whole number, at least 0")


@dataclass(frozen=True)
class Trained:
    """What a training left beside the weights.

    Parameters
    ----------
    curve : list of dict
        A row per epoch: ``epoch`` (from 1), ``train_loss`` and ``train_accuracy`` (of the augmented pictures, while learning), ``valid_loss``
        and ``valid_accuracy`` (absent without validation pictures), ``learning_rate`` (of the last step), ``seconds`` (since the
        beginning, validation included, interruptions not).
    best_epoch : int
        Whose weights were kept: lowest validation loss; the last one where there is no validation.
    epochs : int
        Planned.
    seconds : float
        Of all epochs, over all interruptions.
    pictures_per_second : float
        Training pictures passed, over `seconds`.
    device, precision : str
    resumed_after : int
        Whole epochs that were found done; 0 for a training that began here.
    """

    curve: list[dict[str, float]]
    best_epoch: int
    epochs: int
    seconds: float
    pictures_per_second: float
    device: str
    precision: str
    resumed_after: int


def train(
    network: torch.nn.Module,
    x: NDArray[np.uint8],
    y: NDArray[np.int64],
    x_valid: NDArray[np.uint8],
    y_valid: NDArray[np.int64],
    recipe: Recipe,
    *,
    labels: int,
    seed: int,
    progress: Progress,
    checkpoint: Path | None = None,
) -> Trained:
    """Train `network` in place; it ends on the CPU, at rest, with the weights of its best epoch.

    Parameters
    ----------
    network : torch module
        Pictures of shape (n, 3, size, size) in [0, 1] to logits (n, labels). Parameters that want no gradients are left as they are.
    x, x_valid : arrays of shape (n, size, size, 3), uint8
        `x_valid` may be empty.
    y, y_valid : arrays of shape (n,)
        Classes, 0 to labels - 1.
    recipe : Recipe
    labels : int
    seed : int
    progress : Progress
    checkpoint : Path or None
        A folder for the state after each whole epoch and for the logs (``logs/metrics.csv``, ``logs/tensorboard``). What a training of the
        same pictures, recipe, seed and first weights left there is gone on from; anything else is written over.

    Raises
    ------
    BakeoffError
        If the loss is no longer a number, or the pictures do not fit the labels.
    MissingExtra
        If torch, Lightning or tensorboardX is missing.
    """
    needs("torch", "pytorch_lightning", "tensorboardX", extra="images", why="Training a network")
    import torch

    if len(x) != len(y) or len(x_valid) != len(y_valid) or len(x) < 2 or (len(y) and int(max(y)) >= labels):
        raise BakeoffError(
            f"{len(x)} pictures and {len(y)} labels of {labels} classes cannot be learned from.", fix="give a label for each"
        )
    torch.set_num_threads(threads())
    with tempfile.TemporaryDirectory(prefix="bakeoff-training-") as scratch, _quiet(), _own_randomness():
        folder = checkpoint or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        cuda = torch.cuda.is_available()
        precision = precision_for(recipe.precision, cuda)
        where = "cuda" if cuda else "cpu"
        lesson = lesson_class()(
            network, (x, y, x_valid, y_valid), recipe, seed=seed, progress=progress, where=where, checkpoint=checkpoint
        )
        found = _found(folder / CHECKPOINT, lesson.mark) if checkpoint else None
        resumed_after = lesson.recall(found) if found else 0
        if not lesson.finished:
            _fit(lesson, folder, folder / CHECKPOINT if found else None, where, precision)
        network.load_state_dict(lesson.best)
        network.to("cpu", memory_format=torch.channels_last).eval()
    rows = lesson.rows
    seconds = rows[-1]["seconds"]
    return Trained(
        curve=rows,
        best_epoch=lesson.best_epoch,
        epochs=lesson.epochs,
        seconds=seconds,
        pictures_per_second=len(rows) * lesson.steps * lesson.batch / max(seconds, 1e-9),
        device=where,
        precision=precision,
        resumed_after=resumed_after,
    )


def precision_for(name: str, cuda: bool) -> str:
    """Lightning's name of the precision that a recipe asks for, on a GPU or on this processor."""
    import torch

    if name == "auto":
        if cuda:
            name = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
        else:
            # Without the instructions it would be emulated, and slower than float32.
            native = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
            name = "bfloat16" if native and native() else "float32"
    if name == "float16" and not cuda:
        raise BadStudy("precision is 'float16', which needs a GPU.", fix="use auto, float32 or bfloat16")
    return {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}[name]


def _fit(lesson: Any, folder: Path, resume: Path | None, where: str, precision: str) -> None:
    import pytorch_lightning as lightning
    from pytorch_lightning.plugins.environments import LightningEnvironment

    from bakeoff.tasks.images.logs import epoch_log

    trainer = lightning.Trainer(
        accelerator="gpu" if where == "cuda" else "cpu",
        devices=1,
        precision=precision,
        max_epochs=lesson.epochs,
        benchmark=where == "cuda",
        logger=epoch_log(folder / "logs", lesson.rows),
        log_every_n_steps=lesson.steps,
        default_root_dir=folder,
        plugins=[LightningEnvironment()],  # a training inside a cluster's job is still one process on one device
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    before = signal.getsignal(signal.SIGINT)
    # Bare ranges: the lesson itself cuts batches, so that their order hangs on the epoch alone.
    held = range(math.ceil(len(lesson.y_valid) / TOGETHER)) or None
    lesson.train()
    try:
        trainer.fit(lesson, range(lesson.steps), held, ckpt_path=resume, weights_only=True)
    except SystemExit as error:
        # Lightning swallows Ctrl-C, switches the signal off and ends the process; what to do is for the bench to decide.
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def _found(file: Path, mark: str) -> dict[str, Any] | None:
    """The checkpoint in `file`, if it is one of this very training."""
    import torch

    if not file.is_file():
        return None
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        return state if state["bakeoff"]["mark"] == mark and state["bakeoff"]["rows"] else None
    except Exception:  # a foreign or broken file raises a dozen kinds; it is nothing to go on from
        return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning greets, gives tips and warns of small data; a trial's output is the bench's own."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning", "lightning_fabric", "lightning.pytorch")]
    levels = [each.level for each in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pytorch_lightning  # noqa: F401  (sets its own level when imported)

        for each in loggers:
            each.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for each, level in zip(loggers, levels, strict=True):
                each.setLevel(level)


@contextmanager
def _own_randomness() -> Iterator[None]:
    """What is drawn inside leaves torch's generators as they were."""
    import torch

    with torch.random.fork_rng(devices=[0] if torch.cuda.is_available() else []):
        yield


class NetworkClassifier(PictureClassifier):
    """A `PictureClassifier` that is a network of our own; subclasses say which (`_network`) and how it is trained (`_recipe`).

    Attributes
    ----------
    mirrored : bool
        Answer with the mean of the logits of the picture and of its mirror image (test-time augmentation). Doubles the arithmetic.
    network_ : torch module
        Trained, at rest, in channels-last memory: pictures (n, 3, size, size) in [0, 1] to logits.
    """

    requires: ClassVar[Requires] = Requires(("torch", "pytorch_lightning", "tensorboardX", "safetensors", "PIL"), extra="images")
    mirrored: bool = False
    network_: Any
    folder_: Path | None = None

    @abstractmethod
    def _network(self, labels: int, size: int) -> torch.nn.Module:
        """The network before training, with weights drawn from torch's generator."""

    @abstractmethod
    def _recipe(self) -> Recipe:
        """How it is trained."""

    def checkpoint_in(self, folder: Path) -> None:
        """Keep the state of each whole epoch in `folder`, and go on from what is there (`contract.KeepsCheckpoints`)."""
        self.folder_ = folder

    def flops(self, items: Sequence[Item]) -> Flops:
        """Operations of one answer, counted by `bakeoff.models.flop_count` on one picture: all pictures have the same size.

        Mirror image included, where it is asked too.
        """
        import numpy as np

        from bakeoff.models.flop_count import count

        found = count(lambda: self._scores(np.zeros((1, self.size_, self.size_, 3), dtype=np.uint8)))
        missing = (f"operators that have no formula: {', '.join(found.uncounted)}",) if found.uncounted else ()
        return Flops(
            per_item=float(found.total),
            basis="counted by torch's FlopCounterMode on one picture",
            leaves_out=("reading and resizing the picture", "elementwise operations, normalisation and pooling", *missing),
        )

    def parameters(self) -> int:
        """Numbers in the network, frozen ones included."""
        return sum(each.numel() for each in self.network_.parameters())

    def explain(self, items: Sequence[Item], answers: Sequence[Answer]) -> Mapping[str, Json]:
        """Worst mistakes, and where the network looks, shown only where that means something (`bakeoff.tasks.images.explain`)."""
        from bakeoff.tasks.images.explain import explain_network

        return explain_network(self.network_, self, items, answers, self.store_)

    def _learn(self, x: Any, y: Any, x_valid: Any, y_valid: Any, *, seed: int, progress: Progress) -> None:
        import torch

        from bakeoff.tasks.images.networks import look_at

        recipe = self._recipe()
        torch.set_num_threads(threads())
        with _own_randomness():
            torch.manual_seed(seed)
            self.network_ = self._network(len(self.labels_), self.size_)
        look_at(self.network_, torch.from_numpy(x[:: max(1, len(x) // 5000)].copy()))
        done = train(
            self.network_, x, y, x_valid, y_valid, recipe,
            labels=len(self.labels_), seed=seed, progress=progress, checkpoint=self.folder_,
        )  # fmt: skip
        self.curve_ = done.curve
        self.chosen_ |= {
            "best_epoch": done.best_epoch, "epochs": len(done.curve), "epochs_planned": done.epochs, "parameters": self.parameters(),
            "pictures_per_second": round(done.pictures_per_second, 1), "device": done.device, "precision": done.precision,
        }  # fmt: skip

    def _scores(self, x: NDArray[np.uint8]) -> NDArray[np.float64]:
        import numpy as np
        import torch

        with torch.inference_mode():
            given = torch.from_numpy(np.ascontiguousarray(x)).permute(0, 3, 1, 2).float().div_(255)
            logits = self.network_(given)
            if self.mirrored:
                logits = (logits + self.network_(given.flip(-1))) / 2
        return np.asarray(logits.double().numpy())

    def _keep(self) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]:
        return {name: each.contiguous().numpy() for name, each in self.network_.state_dict().items()}, {}

    def _recall(self, tensors: Mapping[str, NDArray[Any]], beside: Mapping[str, Any]) -> None:
        import torch

        torch.set_num_threads(threads())
        with _own_randomness():
            network = self._network(len(self.labels_), self.size_)
        try:
            network.load_state_dict({name: torch.from_numpy(np_array.copy()) for name, np_array in tensors.items()})
        except RuntimeError as error:
            raise RunError(
                "The saved weights are those of another network.", fix="restore with the settings of the study"
            ) from error
        self.network_ = network.to(memory_format=torch.channels_last).eval()
