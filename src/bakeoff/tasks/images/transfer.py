"""A pretrained backbone on your classes: first only a new last layer, then the last blocks too, at a small learning rate.

Where there are some hundreds to some thousands of pictures this is usually the most accurate approach: what edges, textures and
parts look like was learned from 1.3 million photographs. It reads pictures larger than they are kept (`resolution`), because the
backbone was trained on 224 pixels a side and sees little in 64.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from bakeoff.contract import Flops, Item, Progress, Requires
from bakeoff.errors import BadStudy, MissingExtra, RunError
from bakeoff.tasks.images.backbones import Backbone, load_backbone
from bakeoff.tasks.images.efficientnet import BLOCKS, efficientnet_lite0
from bakeoff.tasks.images.onnx_export import ExportRefused, OnnxPictures, export_network, open_session, whole_network, with_facts
from bakeoff.tasks.images.training import NetworkClassifier, Recipe, train

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

STRENGTHS = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Inverse regularisation (C) of the logistic regression on standardised features, tried on validation pictures."""
USUAL_STRENGTH = 1e-2
FEATURES_TOGETHER = 64
FILE = "picture.onnx"


@dataclass
class Transfer(NetworkClassifier):
    """EfficientNet-lite0 (or a checkpoint of your own of that network): frozen with a new head, then fine-tuned from the top.

    Parameters
    ----------
    model : str
        ``efficientnet-lite0`` of the catalogue, a folder or ``.safetensors`` file, or ``hub:org/name`` of timm's
        ``tf_efficientnet_lite0`` or ``efficientnet_lite0``.
    resolution : int
        Pixels a side that the backbone reads, 32 to 512; pictures are resized to it (bicubic). Time grows with its square.
    unfreeze : int
        How many of the 16 blocks are fine-tuned, counted from the last, with the convolution after them; 0 leaves the backbone as it is.
        Statistics of batch normalisation are never changed.
    mirrored : bool
        Answer with the mean over the picture and its mirror image. Doubles the arithmetic.
    dropout : float in [0, 1)
        Before the last layer, while fine-tuning.
    learning_rate, weight_decay, label_smoothing, augment, epochs, batch_size, patience, precision
        Of the fine-tuning, as in `training.Recipe`.
    runtime : {'onnx', 'torch'}
        What answers. ``onnx`` starts without torch and is faster; where it cannot be made or differs from torch, torch answers, and
        `chosen_` says why.
    """

    model: str = "efficientnet-lite0"
    resolution: int = 160
    unfreeze: int = 8
    mirrored: bool = False
    dropout: float = 0.2
    learning_rate: float = 0.0006
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    augment: str = "standard"
    epochs: int = 4
    batch_size: int = 32
    patience: int = 0
    precision: str = "auto"
    runtime: str = "onnx"

    asset_kind: ClassVar[str] = "safetensors"
    requires: ClassVar[Requires] = Requires(
        ("torch", "pytorch_lightning", "tensorboardX", "safetensors", "sklearn", "PIL", "onnxruntime"), extra="images"
    )

    def __post_init__(self) -> None:
        for name, least, most in (("resolution", 32, 512), ("unfreeze", 0, BLOCKS)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise BadStudy(f"{name} is {value!r}.", fix=f"use a whole number from {least} to {most}")
        if not 0 <= self.dropout < 1:
            raise BadStudy(f"dropout is {self.dropout!r}.", fix="use a number from 0 to below 1")
        if self.runtime not in ("onnx", "torch"):
            raise BadStudy(f"runtime is {self.runtime!r}.", fix="use onnx or torch")
        self._recipe()

    def assets(self) -> Sequence[str]:
        """The checkpoint."""
        return [self.model]

    @property
    def network_(self) -> Any:
        """The network, built from what was saved when it is first needed: answering by ONNX Runtime never needs it."""
        if self._built is None:
            self._built = self._rebuilt()
        return self._built

    @network_.setter
    def network_(self, network: Any) -> None:
        self._built = network

    _built = cast(Any, None)  # no annotation: these are no settings
    _session = cast(Any, None)

    def flops(self, items: Sequence[Item]) -> Flops:
        """Operations of one answer, counted in torch; ONNX Runtime does the same arithmetic."""
        session, self._session = self._session, None
        try:
            return super().flops(items)
        finally:
            self._session = session

    def save(self, folder: Path) -> None:
        """Write ``picture.safetensors``, ``picture.json`` and, where ONNX answers, ``picture.onnx``, which holds everything by itself."""
        super().save(folder)
        if self._session is not None:
            whole = with_facts(self.onnx_, labels=self.labels_, size=self.size_, fit=self.fit_, temperature=self.temperature_)
            (folder / FILE).write_bytes(whole)

    def restore(self, folder: Path) -> Transfer:
        """Read what `save` wrote.

        Raises
        ------
        RunError
            If the folder holds no such model, or its parts do not agree: classes in another order would answer wrongly, and surely.
        """
        super().restore(folder)
        if self.answers_by_ == "onnx":
            found = OnnxPictures.open(folder / FILE)
            if found.labels != self.labels_ or (found.size, found.fit) != (self.size_, self.fit_):
                raise RunError(
                    f"The classes of {folder / FILE} are not those of picture.json, or stand in another order.",
                    fix="run the study again",
                )
            self.onnx_ = (folder / FILE).read_bytes()
            self._session = found._session
        return self

    def _recipe(self) -> Recipe:
        return Recipe(
            epochs=self.epochs, batch_size=self.batch_size, optimizer="adamw", learning_rate=self.learning_rate,
            weight_decay=self.weight_decay, schedule="one-cycle", augment=self.augment, label_smoothing=self.label_smoothing,
            patience=self.patience, precision=self.precision,
        )  # fmt: skip

    def _network(self, labels: int, size: int) -> torch.nn.Module:
        return transfer_network(self.backbone_, labels, size, self.resolution, self.dropout)

    def _learn(self, x: Any, y: Any, x_valid: Any, y_valid: Any, *, seed: int, progress: Progress) -> None:
        import numpy as np
        import torch

        from bakeoff.models.threads import threads

        torch.set_num_threads(threads())
        self.backbone_ = load_backbone(self.model)
        self._session = None
        network = self._network(len(self.labels_), self.size_).to(memory_format=torch.channels_last)
        share = 0.3 if self.unfreeze else 0.9
        both = np.concatenate([x, x_valid])
        features = _features(network, both, lambda done: progress(share * done, f"features of {done:.0%} of the pictures"))
        head = fit_head(features[: len(x)], y, features[len(x) :], y_valid, len(self.labels_))
        with torch.no_grad():
            network.head.weight.copy_(torch.from_numpy(head.weights))
            network.head.bias.copy_(torch.from_numpy(head.bias))
        self.chosen_ |= {"backbone": self.backbone_.source, "resolution": self.resolution, "C": head.strength}
        if len(y_valid):
            self.chosen_["frozen_valid_accuracy"] = round(head.valid_accuracy, 4)
        self.network_ = network
        if self.unfreeze:
            self._fine_tune(network, x, y, x_valid, y_valid, head.valid_accuracy, seed, lambda f, n: progress(0.3 + 0.65 * f, n))
        self.chosen_["parameters"] = self.parameters()
        self._choose_runtime(x_valid if len(x_valid) else x)
        progress(1.0, "ready to answer")

    def _fine_tune(
        self, network: Any, x: Any, y: Any, x_valid: Any, y_valid: Any, frozen: float, seed: int, progress: Progress
    ) -> None:
        """Train the last blocks; the frozen backbone stays where it labels more validation pictures right."""
        import torch

        before = {name: each.detach().clone() for name, each in network.state_dict().items()}
        network.unfreeze(self.unfreeze)
        done = train(
            network, x, y, x_valid, y_valid, self._recipe(),
            labels=len(self.labels_), seed=seed, progress=progress, checkpoint=self.folder_,
        )  # fmt: skip
        network.requires_grad_(False)
        self.curve_ = done.curve
        best = done.curve[done.best_epoch - 1].get("valid_accuracy")
        kept = best is None or best >= frozen
        if not kept:
            network.load_state_dict(before)
            network.to(memory_format=torch.channels_last).eval()
        self.chosen_ |= {
            "unfreeze": self.unfreeze if kept else 0, "best_epoch": done.best_epoch, "epochs": len(done.curve),
            "epochs_planned": done.epochs, "pictures_per_second": round(done.pictures_per_second, 1), "device": done.device,
            "precision": done.precision,
        }  # fmt: skip

    def _choose_runtime(self, pictures: NDArray[np.uint8]) -> None:
        self.answers_by_ = "torch"
        if self.runtime == "onnx":
            try:
                made = export_network(whole_network(self.network_, mirrored=self.mirrored), pictures)
            except (ExportRefused, MissingExtra) as error:
                self.chosen_["onnx_refused"] = error.what
            else:
                self.onnx_ = made.onnx
                self._session = open_session(made.onnx)
                self.answers_by_ = "onnx"
                self.chosen_["onnx_difference"] = float(f"{made.difference:.1e}")
        self.chosen_["answers_by"] = self.answers_by_

    def _scores(self, x: NDArray[np.uint8]) -> NDArray[np.float64]:
        import numpy as np

        if self._session is None:
            return super()._scores(x)
        return np.asarray(self._session.run(["logits"], {"pictures": np.ascontiguousarray(x)})[0], dtype=np.float64)

    def _keep(self) -> tuple[Mapping[str, NDArray[Any]], Mapping[str, Any]]:
        tensors = {name: each for name, each in super()._keep()[0].items() if not name.endswith("num_batches_tracked")}
        about = self.backbone_
        beside = {
            "classes": self.labels_, "resolution": self.resolution, "mean": about.mean, "std": about.std, "padding": about.padding,
            "epsilon": about.epsilon, "source": about.source, "answers_by": self.answers_by_,
        }  # fmt: skip
        return tensors, json.loads(json.dumps(beside))

    def _recall(self, tensors: Mapping[str, NDArray[Any]], beside: Mapping[str, Any]) -> None:
        if list(beside["classes"]) != self.labels_ or tensors["head.bias"].shape != (len(self.labels_),):
            raise RunError("The saved classes do not fit the saved last layer.", fix="run the study again")
        if beside["resolution"] != self.resolution:
            raise RunError(
                f"The saved network reads {beside['resolution']} pixels a side, not {self.resolution}.",
                fix="restore with the settings of the study",
            )
        self.backbone_ = Backbone(
            {}, tuple(beside["mean"]), tuple(beside["std"]), beside["padding"], float(beside["epsilon"]), beside["source"]
        )
        self.answers_by_ = beside["answers_by"]
        self._tensors, self._built, self._session = tensors, None, None

    def _rebuilt(self) -> Any:
        import torch

        from bakeoff.models.threads import threads

        torch.set_num_threads(threads())
        network = transfer_network(self.backbone_, len(self.labels_), self.size_, self.resolution, self.dropout)
        counters = {name for name in network.state_dict() if name.endswith("num_batches_tracked")}
        state = {name: torch.from_numpy(each.copy()) for name, each in self._tensors.items()}
        missing, strange = network.load_state_dict(state, strict=False)
        if set(missing) - counters or strange:
            raise RunError("The saved weights are those of another network.", fix="run the study again")
        network.requires_grad_(False)
        return network.to(memory_format=torch.channels_last).eval()


@dataclass(frozen=True)
class Head:
    """A linear layer on features: ``logits = features @ weights.T + bias``; standardisation is folded in."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    strength: float
    valid_accuracy: float


def fit_head(
    features: NDArray[np.float32], y: NDArray[np.int64], valid: NDArray[np.float32], y_valid: NDArray[np.int64], labels: int
) -> Head:
    """Logistic regression on standardised features (n, d), its C chosen by accuracy on validation pictures, the smallest of equals.

    Without validation pictures C is `USUAL_STRENGTH`, and `valid_accuracy` is 0. Deterministic.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    mean, spread = features.mean(0), features.std(0) + 1e-6
    made: list[Head] = []
    for strength in STRENGTHS if len(y_valid) else (USUAL_STRENGTH,):
        fitted = LogisticRegression(C=strength, max_iter=500, tol=1e-3).fit((features - mean) / spread, y)
        coefficients, bias = fitted.coef_, fitted.intercept_
        if labels == 2:  # one row for the second class against the first
            coefficients, bias = np.concatenate([-coefficients, coefficients]) / 2, np.concatenate([-bias, bias]) / 2
        weights = coefficients / spread
        head = Head(weights.astype(np.float32), (bias - weights @ mean).astype(np.float32), strength, 0.0)
        right = float(((valid @ head.weights.T + head.bias).argmax(1) == y_valid).mean()) if len(y_valid) else 0.0
        made.append(Head(head.weights, head.bias, strength, right))
    return max(made, key=lambda head: head.valid_accuracy)


def features_of(pictures: NDArray[np.uint8], model: str, *, resolution: int = 128) -> NDArray[np.float32]:
    """What a pretrained backbone makes of pictures (n, size, size, 3), shape (n, 1280). Nothing is learned; deterministic.

    Raises
    ------
    AssetError
        As `backbones.load_backbone`.
    """
    import torch

    from bakeoff.models.threads import threads

    torch.set_num_threads(threads())
    network = transfer_network(load_backbone(model), 2, pictures.shape[1], resolution, 0.0)
    return _features(network.to(memory_format=torch.channels_last), pictures, lambda done: None)


def _features(network: Any, x: NDArray[np.uint8], tell: Any) -> NDArray[np.float32]:
    import numpy as np
    import torch

    parts = []
    with torch.inference_mode():
        for start in range(0, len(x), FEATURES_TOGETHER):
            some = torch.from_numpy(np.ascontiguousarray(x[start : start + FEATURES_TOGETHER])).permute(0, 3, 1, 2).float() / 255
            parts.append(network.features(some.contiguous(memory_format=torch.channels_last)).numpy())
            tell(min(1.0, (start + FEATURES_TOGETHER) / len(x)))
    return np.concatenate(parts)


def spread_matrix(size: int, to: int) -> NDArray[np.float32]:
    """Bicubic resizing of one side, `size` to `to` pixels, as a matrix (to, size): a picture is resized by two products.

    As Pillow does it (a = -0.5, wider when it makes smaller). A product is the same in torch, in ONNX Runtime and in every
    version of them, which resizing operators are not.
    """
    import numpy as np
    import torch
    from torch.nn import functional

    lines = torch.eye(size, dtype=torch.float64).view(size, 1, 1, size).expand(size, 1, 2, size)
    made = functional.interpolate(lines, size=(2, to), mode="bicubic", align_corners=False, antialias=True)
    return np.ascontiguousarray(made[:, 0, 0, :].T.numpy().astype(np.float32))


def transfer_network(backbone: Backbone, labels: int, size: int, resolution: int, dropout: float) -> torch.nn.Module:
    """Pictures (n, 3, size, size) in [0, 1] -> logits (n, labels), all of the backbone frozen.

    It resizes to `resolution` and normalises as the backbone was trained. ``features(x)`` gives (n, 1280), ``unfreeze(k)`` lets the
    last `k` blocks learn. Its batch normalisation keeps its statistics in training too. Without weights in `backbone` the
    network starts at random, to be filled from a saved state.
    """
    import torch
    from torch import nn

    net = efficientnet_lite0(weights=backbone.weights or None, padding=backbone.padding, epsilon=backbone.epsilon)

    class TransferNetwork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = net
            self.dropout = nn.Dropout(dropout)
            self.head = nn.Linear(1280, labels)
            self.register_buffer("mean", torch.tensor(backbone.mean).view(1, 3, 1, 1) / 255, persistent=False)
            self.register_buffer("std", torch.tensor(backbone.std).view(1, 3, 1, 1) / 255, persistent=False)
            self.resizes = size != resolution
            spread = torch.from_numpy(spread_matrix(size, resolution)) if self.resizes else torch.zeros(0)
            self.register_buffer("spread", spread, persistent=False)
            self.requires_grad_(False)

        def train(self, mode: bool = True) -> TransferNetwork:
            super().train(mode)
            self.backbone.eval()
            return self

        def unfreeze(self, blocks: int) -> None:
            learns = [self.head, self.backbone._conv_head, self.backbone._bn1, *self.backbone._blocks[BLOCKS - blocks :]]
            for module in learns:
                module.requires_grad_(True)

        def features(self, x: torch.Tensor) -> torch.Tensor:
            if self.resizes:
                # Overshoot of the cubic is cut off, as it is where pictures are resized as bytes.
                x = (self.spread @ x @ self.spread.T).clamp(0, 1)
                if not torch.onnx.is_in_onnx_export():
                    x = x.contiguous(memory_format=torch.channels_last)
            return self.backbone.features((x - self.mean) / self.std)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.dropout(self.features(x)))

    return TransferNetwork().eval()
