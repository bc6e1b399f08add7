"""What a GGUF file says about its model: read from the header alone, without a model library and without the weights.

The format (ggml's ``docs/gguf.md``, versions 2 and 3, little-endian): the magic ``GGUF``, counts, keys with typed values,
and the name, shape and place of each tensor. The file may come from anywhere, so every length is held against the size of
the file and a limit before it is believed, and nothing is allocated on its word.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from bakeoff.errors import AssetError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MOST_KEYS = 10_000
MOST_TENSORS = 100_000
MOST_AXES = 8
LONGEST_NAME = 1 << 12
LONGEST_TEXT = 1 << 20
"""Texts longer than this are passed over, not kept; chat templates are some kilobytes."""
MOST_KEPT = 1_024
"""Longer lists (vocabularies, merges, scores) are passed over; only their length is kept."""
MOST_TEXTS = 1 << 22
"""Texts in one list: some fifteen times the largest vocabularies."""

_SIZES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _LIST = 8, 9
Value = bool | int | float | str | tuple[bool | int | float | str, ...] | None


@dataclass(frozen=True)
class GgufFacts:
    """A language model by its file's header.

    Parameters
    ----------
    architecture : str
        ``general.architecture``: llama, qwen2, ...
    parameters : int
        Elements of all tensors.
    matrices : int
        Elements of the blocks' matrices that each token is multiplied with (of a mixture's experts, the share that is chosen).
    plain : bool
        A decoder whose blocks are attention and one feed-forward network, described by the sizes below. Where it is False
        some of them may be None, and only `parameters` and `matrices` are to be relied on.
    layers, hidden, heads, kv_heads, head_dim, intermediate, vocabulary : int or None
    gated : bool
        The feed-forward network has a gate.
    tied : bool
        The vocabulary projection uses the embeddings again.
    window : int or None
        Tokens that attention looks back, where the file limits it.
    """

    architecture: str
    parameters: int
    matrices: int
    plain: bool
    layers: int | None
    hidden: int | None
    heads: int | None
    kv_heads: int | None
    head_dim: int | None
    intermediate: int | None
    vocabulary: int | None
    gated: bool
    tied: bool
    window: int | None


def read(path: Path) -> GgufFacts:
    """The facts of one ``.gguf`` file.

    Raises
    ------
    AssetError
        If it cannot be read, is no GGUF file of a known version, is cut off, claims impossible lengths, or is one part of several.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            reader = _Reader(stream, size, path)
            values, tensors = reader.header()
    except OSError as error:
        raise AssetError(f"{path} cannot be read: {error.strerror}.", fix="check the path and its permissions") from error
    return _facts(values, tensors, path)


class _Reader:
    """Reads the header of a file of `size` bytes; every problem is an AssetError that names the file."""

    def __init__(self, stream: BinaryIO, size: int, path: Path) -> None:
        self._stream, self._left, self._path = stream, size, path

    def header(self) -> tuple[dict[str, Value], dict[str, tuple[int, ...]]]:
        if self._take(4) != MAGIC:
            self._refuse("is no GGUF file")
        version = self._number("I")
        if version not in VERSIONS:
            self._refuse(f"is GGUF version {version}; versions 2 and 3, little-endian, can be read")
        n_tensors, n_keys = self._number("Q"), self._number("Q")
        if n_tensors > MOST_TENSORS or n_keys > MOST_KEYS:
            self._refuse(f"claims {n_tensors:,} tensors and {n_keys:,} keys")
        values = {}
        for _ in range(n_keys):
            name = self._name()
            values[name] = self._value(self._number("I"))
        tensors = {}
        for _ in range(n_tensors):
            name = self._name()
            axes = self._number("I")
            if axes > MOST_AXES:
                self._refuse(f"claims a tensor of {axes:,} axes")
            tensors[name] = tuple(self._number("Q") for _ in range(axes))
            self._pass_over(4 + 8)  # type and place
        return values, tensors

    def _value(self, kind: int) -> Value:
        if kind in _SIZES:
            number: Value = self._number(_SIZES[kind])
            return number
        if kind == _TEXT:
            return self._text()
        if kind == _LIST:
            return self._list()
        return self._refuse(f"has a value of the unknown type {kind}")

    def _list(self) -> Value:
        kind, count = self._number("I"), self._number("Q")
        if kind in _SIZES:
            if count > MOST_KEPT:
                self._pass_over(count * struct.calcsize("<" + _SIZES[kind]))
                return None
            return tuple(self._number(_SIZES[kind]) for _ in range(count))
        if kind == _TEXT:
            if count > MOST_TEXTS:
                self._refuse(f"claims a list of {count:,} texts")
            for _ in range(count):
                self._pass_over(self._number("Q"))
            return None
        return self._refuse(f"has a list of the type {kind}, which is not read")

    def _text(self) -> str | None:
        length = self._number("Q")
        if length > LONGEST_TEXT:
            self._pass_over(length)
            return None
        return self._take(length).decode("utf-8", "replace")

    def _name(self) -> str:
        length = self._number("Q")
        if length > LONGEST_NAME:
            self._refuse(f"claims a name of {length:,} bytes")
        return self._take(length).decode("utf-8", "replace")

    def _number(self, kind: str) -> int:
        layout = "<" + kind
        return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]

    def _take(self, count: int) -> bytes:
        self._spend(count)
        found = self._stream.read(count)
        if len(found) != count:
            self._refuse("ends within its header")
        return found

    def _pass_over(self, count: int) -> None:
        self._spend(count)
        self._stream.seek(count, 1)

    def _spend(self, count: int) -> None:
        if count > self._left:
            self._refuse("ends within its header, or claims impossible lengths")
        self._left -= count

    def _refuse(self, says: str) -> NoReturn:
        raise AssetError(f"{self._path} {says}.", fix="fetch the model again, or name another GGUF file")


def _facts(values: Mapping[str, Value], tensors: Mapping[str, tuple[int, ...]], path: Path) -> GgufFacts:
    parts = values.get("split.count")
    if isinstance(parts, int) and parts > 1:
        raise AssetError(f"{path} is one part of {parts}: its header does not describe the whole model.", fix="merge the parts")
    architecture = str(values.get("general.architecture") or "unknown")

    def size(name: str) -> int | None:
        found = values.get(f"{architecture}.{name}")
        return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None

    layers, hidden, heads = size("block_count"), size("embedding_length"), size("attention.head_count")
    kv_heads = size("attention.head_count_kv") if f"{architecture}.attention.head_count_kv" in values else heads
    width = size("attention.key_length") or (hidden // heads if hidden and heads and hidden % heads == 0 else None)
    intermediate = size("feed_forward_length")
    output = tensors.get("output.weight") or tensors.get("token_embd.weight") or ()
    vocabulary = output[1] if len(output) == 2 else None
    blocks = {name: shape for name, shape in tensors.items() if name.startswith("blk.") and len(shape) >= 2}
    gated = any(".ffn_gate" in name for name in blocks)
    matrices = _used(blocks, size("expert_count"), size("expert_used_count"))
    expected = None
    if layers and hidden and heads and kv_heads and width and intermediate:
        expected = layers * (hidden * width * (2 * heads + 2 * kv_heads) + (3 if gated else 2) * hidden * intermediate)
    # The sizes describe the model only if they account for every matrix that is there.
    plain = expected == matrices and vocabulary is not None and bool(heads and kv_heads and heads % kv_heads == 0)
    return GgufFacts(
        architecture=architecture,
        parameters=sum(math.prod(shape) for shape in tensors.values()),
        matrices=matrices,
        plain=plain,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=width,
        intermediate=intermediate,
        vocabulary=vocabulary,
        gated=gated,
        tied="output.weight" not in tensors,
        window=size("attention.sliding_window"),
    )


def _used(blocks: Mapping[str, tuple[int, ...]], experts: int | None, chosen: int | None) -> int:
    """Elements that each token is multiplied with. Stacked experts (names with ``_exps``) count by the share that is chosen."""
    total = 0
    for name, shape in blocks.items():
        elements = math.prod(shape)
        if "_exps" in name and experts and chosen:
            elements = elements * min(chosen, experts) // experts
        total += elements
    return total
