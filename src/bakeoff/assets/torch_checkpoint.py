"""A published torch checkpoint made into safetensors, once, without running anything that stands in it.

A ``.pth`` file is a pickle, and unpickling runs what the file says. Here the few pickled values are read by an unpickler that
knows four names (an ordered dictionary, torch's function that says which numbers make up a tensor, and two kinds of numbers)
and refuses every other; torch itself is not needed. What comes out is written in a fixed order and spacing, so the converted
file has one SHA-256 for ever, which the catalogue can state.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import struct
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.errors import AssetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C
"""First pickled value of a file that torch wrote before version 1.6."""
PROTOCOL = 1001
LARGEST_BYTES = 1 << 30
LEFT_OUT = ("num_batches_tracked",)
"""Counters of training steps; nothing that answers needs them."""

_KINDS = {"FloatStorage": "<f4", "LongStorage": "<i8"}
_SAFETENSORS = {"<f4": "F32", "<i8": "I64"}


@dataclass(frozen=True)
class _Storage:
    """A run of numbers whose bytes come later in the file."""

    key: str
    kind: str
    numbers: int


@dataclass(frozen=True)
class _Tensor:
    """Which numbers of a storage make up a tensor."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *unused: Any) -> _Tensor:
    """Stands in for ``torch._utils._rebuild_tensor_v2``; the rest of its arguments say nothing about the numbers."""
    return _Tensor(storage, int(offset), tuple(int(n) for n in shape), tuple(int(n) for n in strides))


class _Reader(pickle.Unpickler):
    """An unpickler that can make dictionaries, tuples, numbers, texts and `_Tensor`, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """The object for one of four names; AssetError for any other."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _KINDS:
            return _KINDS[name]
        raise AssetError(f"The checkpoint asks for {module}.{name}, which a file of weights has no use for.", fix=_FIX)

    def persistent_load(self, pid: Any) -> _Storage:
        """A storage, as the file names it."""
        mark, kind, key, _, numbers, view = pid
        if mark != "storage" or kind not in _SAFETENSORS or view is not None or not 0 <= int(numbers) <= LARGEST_BYTES // 4:
            raise AssetError("The checkpoint names numbers of an unknown kind.", fix=_FIX)
        return _Storage(str(key), kind, int(numbers))


_FIX = "fetch the file again from where it was published, or give the weights as .safetensors"


def read_checkpoint(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a state dictionary that torch saved before version 1.6.

    Returns
    -------
    dict of name to array
        float32 or int64, of the tensors' own shapes.

    Raises
    ------
    AssetError
        If it is no such file, asks for anything but tensors, or its parts do not fit one another.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise AssetError(f"{path.name} is larger than {LARGEST_BYTES:,} bytes.", fix=_FIX)
        with path.open("rb") as file:
            return _tensors(io.BytesIO(file.read()))
    except AssetError:
        raise
    except OSError as error:
        raise AssetError(f"{path} cannot be read: {error.strerror}.", fix="check its permissions") from error
    except Exception as error:  # whatever hostile bytes make an unpickler raise
        raise AssetError(f"{path.name} is no checkpoint of torch's older format ({type(error).__name__}).", fix=_FIX) from error


def _tensors(stream: io.BytesIO) -> dict[str, NDArray[Any]]:
    import numpy as np

    def value() -> Any:
        return _Reader(stream).load()

    if value() != MAGIC or value() != PROTOCOL:
        raise AssetError("The file is no checkpoint of torch's older format.", fix=_FIX)
    about, state, keys = value(), value(), value()
    if not isinstance(about, dict) or not about.get("little_endian") or not isinstance(state, dict) or not isinstance(keys, list):
        raise AssetError("The checkpoint holds no dictionary of tensors.", fix=_FIX)
    wanted = {name: each for name, each in state.items() if isinstance(name, str)}
    if len(wanted) != len(state) or not all(isinstance(each, _Tensor) for each in wanted.values()):
        raise AssetError("The checkpoint holds something that is no tensor.", fix=_FIX)
    storages = {each.storage.key: each.storage for each in wanted.values()}
    held: dict[str, NDArray[Any]] = {}
    for key in keys:
        storage = storages[str(key)]
        (numbers,) = struct.unpack("<q", stream.read(8))
        dtype = np.dtype(storage.kind)
        raw = stream.read(numbers * dtype.itemsize) if numbers == storage.numbers else b""
        if len(raw) != storage.numbers * dtype.itemsize:
            raise AssetError("The checkpoint is broken off.", fix=_FIX)
        held[storage.key] = np.frombuffer(raw, dtype)
    return {name: _materialised(each, held[each.storage.key]) for name, each in wanted.items()}


def _materialised(tensor: _Tensor, numbers: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    if len(tensor.shape) != len(tensor.strides) or min((*tensor.shape, *tensor.strides, tensor.offset), default=0) < 0:
        raise AssetError("The checkpoint holds a tensor without a proper shape.", fix=_FIX)
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    wanted = int(math.prod(list(tensor.shape)))
    if wanted > len(numbers) or (wanted and last >= len(numbers)):
        raise AssetError("The checkpoint holds a tensor that is larger than its numbers.", fix=_FIX)
    step = numbers.dtype.itemsize
    view = np.lib.stride_tricks.as_strided(numbers[tensor.offset :], tensor.shape, [step * s for s in tensor.strides])
    return np.ascontiguousarray(view).reshape(tensor.shape)


def write_safetensors(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write tensors so that the same tensors always make the same bytes, whichever version of which library is at hand.

    Names in order; no space between; the header filled up with blanks to a multiple of eight bytes.
    """
    header: dict[str, Any] = {}
    parts: list[bytes] = []
    end = 0
    for name in sorted(tensors):
        raw = tensors[name].tobytes()
        kind = _SAFETENSORS[tensors[name].dtype.newbyteorder("<").str]
        header[name] = {"data_offsets": [end, end + len(raw)], "dtype": kind, "shape": list(tensors[name].shape)}
        parts.append(raw)
        end += len(raw)
    head = json.dumps(header, separators=(",", ":"), sort_keys=True).encode("ascii")
    head += b" " * (-len(head) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(head)))
        file.write(head)
        for raw in parts:
            file.write(raw)


def convert_checkpoint(source: Path, target: Path, *, leave_out: Sequence[str] = LEFT_OUT) -> None:
    """Read a checkpoint of torch's older format and write it as safetensors: the catalogue's step ``convert = "torch"``.

    Parameters
    ----------
    source : Path
        Its SHA-256 is checked by whoever calls; nothing in it is run either way.
    target : Path
        Written whole; the same source always gives the same bytes.
    leave_out : sequence of str
        Last parts of names that are not taken over.

    Raises
    ------
    AssetError
        As `read_checkpoint`.
    """
    tensors = read_checkpoint(source)
    write_safetensors(target, {name: each for name, each in tensors.items() if name.rpartition(".")[2] not in leave_out})
