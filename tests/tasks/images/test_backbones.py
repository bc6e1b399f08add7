"""Reading a torch checkpoint without running it, and knowing which backbone a folder holds."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from bakeoff.assets.torch_checkpoint import MAGIC, PROTOCOL, convert_checkpoint, read_checkpoint, write_safetensors
from bakeoff.errors import AssetError
from bakeoff.tasks.images.backbones import PUBLISHED, load_backbone, timm_name
from bakeoff.tasks.images.efficientnet import BLOCKS, STAGES, efficientnet_lite0, shapes


def saved(path: Path, state: Any) -> Path:
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return path


def small_state() -> OrderedDict[str, torch.Tensor]:
    base = torch.arange(24.0)
    return OrderedDict(
        {
            "a.weight": base.view(2, 3, 4),
            "b.turned": base.view(4, 6).T,  # shares its numbers with a.weight, in another order
            "c.part": base[5:9],
            "bn.num_batches_tracked": torch.tensor(7),
            "empty": torch.zeros(0, 3),
        }
    )


def test_it_reads_what_torch_reads(tmp_path: Path) -> None:
    state = small_state()
    found = read_checkpoint(saved(tmp_path / "x.pth", state))
    assert set(found) == set(state)
    for name, tensor in state.items():
        assert found[name].shape == tuple(tensor.shape) and np.array_equal(found[name], tensor.numpy())


def test_a_conversion_is_the_same_bytes_every_time_and_safetensors_reads_them(tmp_path: Path) -> None:
    source = saved(tmp_path / "x.pth", small_state())
    convert_checkpoint(source, tmp_path / "one.safetensors")
    convert_checkpoint(source, tmp_path / "two.safetensors")
    raw = (tmp_path / "one.safetensors").read_bytes()
    assert raw == (tmp_path / "two.safetensors").read_bytes()
    # Stated, so that no change of a library can change what the catalogue's hash stands for.
    assert hashlib.sha256(raw).hexdigest() == "2a568987b717d2768f746819a1e86db0d276520e14efd18ca1272070c0621701"
    back = load_file(str(tmp_path / "one.safetensors"))
    assert sorted(back) == ["a.weight", "b.turned", "c.part", "empty"]
    assert np.array_equal(back["b.turned"], small_state()["b.turned"].numpy())


class Evil:
    """Unpickled by Python, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


def raw_checkpoint(state: Any, keys: Any = (), tail: bytes = b"") -> bytes:
    values = (MAGIC, PROTOCOL, {"little_endian": True}, state, list(keys))
    return b"".join(pickle.dumps(value, protocol=2) for value in values) + tail


def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    for name, state in {
        "object": OrderedDict(a=Evil(mark)),
        "function": OrderedDict(a=print),
        "module": OrderedDict(a=torch.nn.Linear),
    }.items():
        path = tmp_path / f"{name}.pth"
        path.write_bytes(raw_checkpoint(state))
        with pytest.raises(AssetError, match="which a file of weights has no use for"):
            read_checkpoint(path)
    with pytest.raises(AssetError):
        read_checkpoint(saved(tmp_path / "whole.pth", torch.nn.Linear(2, 2)))  # a whole module, as people save them
    assert not mark.exists()


@pytest.mark.parametrize("cut", [0, 1, 40, 300, -1, -8])
def test_a_file_that_is_broken_off_is_refused(tmp_path: Path, cut: int) -> None:
    whole = saved(tmp_path / "x.pth", small_state()).read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[:cut])
    with pytest.raises(AssetError) as wrong:
        read_checkpoint(tmp_path / "cut.pth")
    assert wrong.value.fix


def test_every_flipped_byte_is_refused_or_read_as_tensors(tmp_path: Path) -> None:
    whole = saved(tmp_path / "x.pth", small_state()).read_bytes()
    draw = np.random.default_rng(0)
    refused = 0
    for place in draw.integers(0, len(whole), 150):
        spoilt = bytearray(whole)
        spoilt[place] ^= int(draw.integers(1, 256))
        (tmp_path / "spoilt.pth").write_bytes(bytes(spoilt))
        try:
            found = read_checkpoint(tmp_path / "spoilt.pth")
        except AssetError:
            refused += 1
        else:
            assert all(isinstance(each, np.ndarray) for each in found.values())
    assert refused > 10


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [(0, (4, 4), (4, 1)), (12, (2,), (1,)), (0, (2,), (100,)), (0, (-1,), (1,)), (0, (3,), (1, 1))],
)
def test_a_tensor_that_reaches_past_its_numbers_is_refused(
    tmp_path: Path, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    class Storage:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, given: Any) -> Any:
            return ("storage", torch.FloatStorage, "0", "cpu", 12, None) if isinstance(given, Storage) else None

    class Tensor:
        def __reduce__(self) -> tuple[Any, ...]:
            return (torch._utils._rebuild_tensor_v2, (Storage(), offset, shape, strides, False, OrderedDict()))

    held = io.BytesIO()
    for value in (MAGIC, PROTOCOL, {"little_endian": True}, OrderedDict(a=Tensor()), ["0"]):
        Pickler(held, protocol=2).dump(value)
    held.write(struct.pack("<q", 12) + bytes(48))
    (tmp_path / "x.pth").write_bytes(held.getvalue())
    with pytest.raises(AssetError):
        read_checkpoint(tmp_path / "x.pth")


# -- which backbone ---------------------------------------------------------------------------------------------------


def random_weights(seed: int = 0) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    found = {}
    for name, shape in shapes().items():
        scale = 1.0 if len(shape) == 1 else (2 / np.prod(shape[1:])) ** 0.5
        values = draw.normal(0, 0.1 if len(shape) == 1 else scale, shape)
        found[name] = (np.abs(values) + 0.8 if name.endswith(("running_var", "bn.weight")) else values).astype(np.float32)
    return found


def timm_names() -> dict[str, str]:
    """Our name of every tensor -> timm's, written out by hand from the other side than `timm_name`."""
    found = {"_conv_stem.weight": "conv_stem.weight", "_conv_head.weight": "conv_head.weight"}
    parts = ("weight", "bias", "running_mean", "running_var")
    found |= {f"_bn0.{p}": f"bn1.{p}" for p in parts} | {f"_bn1.{p}": f"bn2.{p}" for p in parts}
    number = 0
    for stage, about in enumerate(STAGES):
        for block in range(about.repeats):
            ours, theirs = f"_blocks.{number}", f"blocks.{stage}.{block}"
            if stage == 0:
                pairs = {"_depthwise_conv": "conv_dw", "_project_conv": "conv_pw", "_bn1": "bn1", "_bn2": "bn2"}
            else:
                pairs = {"_expand_conv": "conv_pw", "_depthwise_conv": "conv_dw", "_project_conv": "conv_pwl"}
                pairs |= {"_bn0": "bn1", "_bn1": "bn2", "_bn2": "bn3"}
            for mine, other in pairs.items():
                for part in ("weight",) if "conv" in mine else parts:
                    found[f"{ours}.{mine}.{part}"] = f"{theirs}.{other}.{part}"
            number += 1
    assert number == BLOCKS
    return found


def write(folder: Path, weights: dict[str, np.ndarray], config: Any = None) -> Path:
    folder.mkdir()
    save_file(weights, str(folder / "model.safetensors"))
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


CONFIG = {"architecture": "tf_efficientnet_lite0", "pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}


def test_a_folder_under_published_names_is_prepared_as_published(tmp_path: Path) -> None:
    weights = random_weights()
    found = load_backbone(str(write(tmp_path / "b", weights | {"_fc.weight": np.zeros((3, 1280), np.float32)})))
    assert set(found.weights) == set(weights) and found.mean == (127.0,) * 3 == PUBLISHED["mean"]
    assert found.std == (128.0,) * 3 and (found.padding, found.epsilon) == ("same", 1e-3)


def test_a_checkpoint_as_timm_saves_it_is_the_same_network(tmp_path: Path) -> None:
    weights = random_weights()
    names = timm_names()
    assert set(names) == set(weights) and all(timm_name(theirs) == ours for ours, theirs in names.items())
    theirs = {names[name]: each for name, each in weights.items()}
    theirs |= {"classifier.weight": np.zeros((10, 1280), np.float32), "bn1.num_batches_tracked": np.zeros((), np.int64)}
    found = load_backbone(str(write(tmp_path / "timm", theirs, CONFIG)))
    assert found.mean == found.std == (127.5,) * 3 and found.padding == "same"
    x = torch.randn(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(efficientnet_lite0(weights=found.weights).features(x), efficientnet_lite0(weights=weights).features(x))
    alike = load_backbone(str(write(tmp_path / "other", theirs, {**CONFIG, "architecture": "efficientnet_lite0"})))
    assert (alike.padding, alike.epsilon) == ("symmetric", 1e-5)


def test_another_network_is_refused_with_what_can_be_used(tmp_path: Path) -> None:
    weights = random_weights()
    less = {name: each for name, each in weights.items() if name != "_blocks.3._bn1.weight"}
    odd = weights | {"_conv_stem.weight": np.zeros((32, 1, 3, 3), np.float32)}
    for name, given in {"less": less, "odd": odd, "other": {"layer1.0.conv1.weight": np.zeros((2, 2), np.float32)}}.items():
        with pytest.raises(AssetError, match="is no EfficientNet-lite0") as wrong:
            load_backbone(str(write(tmp_path / name, given)))
        assert "efficientnet-lite0" in wrong.value.fix
    theirs = {timm_names()[name]: each for name, each in weights.items()}
    for name, config in {
        "none": None,
        "resnet": {**CONFIG, "architecture": "resnet18"},
        "odd-std": {**CONFIG, "pretrained_cfg": {}},
    }.items():
        with pytest.raises(AssetError):
            load_backbone(str(write(tmp_path / f"timm-{name}", theirs, config)))
    with pytest.raises(AssetError, match="0 files of weights"):
        (tmp_path / "nothing").mkdir()
        load_backbone(str(tmp_path / "nothing"))


def test_only_the_kinds_that_are_known_are_written(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_safetensors(tmp_path / "x.safetensors", {"a": np.zeros(2, np.float64)})
