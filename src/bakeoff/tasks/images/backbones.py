"""The pretrained backbone that a setting names: of the catalogue, a folder, or a hub, and how pictures are prepared for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bakeoff.assets.torch_checkpoint import LEFT_OUT
from bakeoff.errors import AssetError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Backbone:
    """Weights of EfficientNet-lite0 and how pictures are prepared for them.

    Attributes
    ----------
    weights : mapping of name to array
        Under the names of `efficientnet.efficientnet_lite0`, without the last layer.
    mean, std : tuple of three floats
        Of channels red, green, blue in 0..255: a pixel goes in as ``(pixel - mean) / std``.
    padding : {'same', 'symmetric'}
        How convolutions of stride 2 pad: as TensorFlow does, or alike on both sides.
    epsilon : float
        Of batch normalisation.
    source : str
        Where it came from, for the report.
    """

    weights: Mapping[str, NDArray[np.float32]]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    padding: Literal["same", "symmetric"]
    epsilon: float
    source: str


PUBLISHED = {
    "size": 224,
    "mean": (127.0, 127.0, 127.0),
    "std": (128.0, 128.0, 128.0),
    "padding": "same",
    "epsilon": 1e-3,
    "interpolation": "bicubic",
}
"""What the weights of the catalogue were trained with: ``efficientnet_lite_builder.py`` and ``preprocessing.py`` of the TensorFlow
project that published them, and the PyTorch project that converted them."""


def load_backbone(spec: str) -> Backbone:
    """The backbone that a setting names.

    Parameters
    ----------
    spec : str
        ``efficientnet-lite0`` of the catalogue; a folder (or ``.safetensors`` file) with weights under its names; or
        ``hub:org/name`` of an EfficientNet-lite0 as timm saves it (``tf_efficientnet_lite0`` or ``efficientnet_lite0``), whose
        ``config.json`` says how pictures are prepared.

    Raises
    ------
    AssetError
        If it cannot be fetched, or is another network: its weights could not be used as what they are.
    """
    import numpy as np
    from safetensors.numpy import load_file

    from bakeoff.assets import resolve

    found = resolve(spec, kind="safetensors")
    path = found if found.is_file() else _weights_in(found, spec)
    try:
        tensors = load_file(str(path))
    except Exception as error:  # safetensors has an error class of its own
        raise AssetError(f"{path} cannot be read as safetensors.", fix="fetch it again") from error
    folder = path.parent
    if "conv_stem.weight" in tensors:
        return _of_timm(tensors, folder / "config.json", spec)
    weights = {name: np.asarray(each, np.float32) for name, each in tensors.items() if not name.startswith("_fc.")}
    _check_names(weights, spec)
    return Backbone(weights, PUBLISHED["mean"], PUBLISHED["std"], "same", 1e-3, spec)  # type: ignore[arg-type]


def _weights_in(folder: Path, spec: str) -> Path:
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        raise AssetError(
            f"{spec} holds {len(files)} files of weights (.safetensors); one is needed.", fix="name the one file that you mean"
        )
    return files[0]


def _check_names(weights: Mapping[str, NDArray[Any]], spec: str) -> None:
    from bakeoff.tasks.images.efficientnet import shapes

    wanted = shapes()
    missing = sorted(wanted.keys() - weights.keys())
    wrong = sorted(name for name in wanted.keys() & weights.keys() if wanted[name] != weights[name].shape)
    strange = sorted(weights.keys() - wanted.keys())
    if missing or wrong or strange:
        first = missing or wrong or strange
        raise AssetError(
            f"{spec} is no EfficientNet-lite0: {len(missing)} tensors are missing, {len(wrong)} have another shape, "
            f"{len(strange)} are unknown (the first: {first[0]}).",
            fix="use efficientnet-lite0, or a hub repository of timm's tf_efficientnet_lite0 or efficientnet_lite0",
        )


TIMM = {"tf_efficientnet_lite0": ("same", 1e-3), "efficientnet_lite0": ("symmetric", 1e-5)}
"""timm's architectures that are this network: padding, and epsilon of batch normalisation."""


def _of_timm(tensors: Mapping[str, NDArray[Any]], config: Path, spec: str) -> Backbone:
    import numpy as np

    try:
        about = json.loads(config.read_text(encoding="utf-8"))
        architecture, made = about["architecture"], about["pretrained_cfg"]
        mean = tuple(255.0 * float(value) for value in made["mean"])
        std = tuple(255.0 * float(value) for value in made["std"])
        fine = len(mean) == len(std) == 3 and all(0 <= m <= 255 for m in mean) and all(1 <= s <= 255 for s in std)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssetError(
            f"{spec} has no config.json that says how pictures are prepared.", fix="use a repository that timm saved"
        ) from error
    if architecture not in TIMM or not fine:
        raise AssetError(
            f"{spec} is {architecture!r}, which is not built here.",
            fix=f"use one of: efficientnet-lite0, or timm's {', '.join(TIMM)}",
        )
    weights = {}
    for name, each in tensors.items():
        ours = timm_name(name)
        if ours is not None:
            weights[ours] = np.asarray(each, np.float32)
    _check_names(weights, spec)
    padding, epsilon = TIMM[architecture]
    return Backbone(weights, mean, std, padding, epsilon, f"{spec} ({architecture})")  # type: ignore[arg-type]


def timm_name(name: str) -> str | None:
    """The name here of a tensor of timm's EfficientNet-lite0; None for its last layer and its counters; unknown names as they are."""
    from bakeoff.tasks.images.efficientnet import STAGES

    head, _, last = name.rpartition(".")
    if last in LEFT_OUT or head == "classifier":
        return None
    outside = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
    if head in outside:
        return f"{outside[head]}.{last}"
    parts = head.split(".")
    if len(parts) != 4 or parts[0] != "blocks" or not (parts[1] + parts[2]).isdigit() or int(parts[1]) >= len(STAGES):
        return name
    place = sum(stage.repeats for stage in STAGES[: int(parts[1])]) + int(parts[2])
    # The first block of the network expands nothing: what others call conv_pwl is its conv_pw.
    layers = (
        {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
        if parts[1] == "0"
        else {
            "conv_pw": "_expand_conv",
            "bn1": "_bn0",
            "conv_dw": "_depthwise_conv",
            "bn2": "_bn1",
            "conv_pwl": "_project_conv",
            "bn3": "_bn2",
        }
    )
    return f"_blocks.{place}.{layers[parts[3]]}.{last}" if parts[3] in layers else name
