"""Counts the arithmetic of a PyTorch module while it runs, and says what it could not count.

`torch.utils.flop_counter.FlopCounterMode` has formulas for matrix products, convolutions and some attention kernels, and
passes over everything else in silence. On a CPU that silence hides all of attention: the kernel chosen there has no formula
of its own. So a second mode stands beneath it and writes down every operator that ran. Those without a formula are sorted
into what moves data, what is elementwise, what is a reduction or normalisation, and what is left: real arithmetic that is
missing from the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bakeoff.errors import needs

_MOVES = frozenset([
    "_assert_async", "_assert_scalar", "_local_scalar_dense", "_to_copy", "_unsafe_index", "_unsafe_view", "arange",
    "arange_start", "as_strided", "cat", "clone", "constant_pad_nd", "contiguous", "copy_", "detach_", "embedding",
    "embedding_dense_backward", "empty", "empty_like", "empty_strided", "equal", "expand_copy", "eye", "fill_", "full",
    "full_like", "gather", "index", "index_put", "index_put_", "index_select", "is_nonzero", "item", "lift_fresh",
    "lift_fresh_copy", "masked_fill", "masked_fill_", "masked_scatter", "new_empty", "new_empty_strided", "new_full",
    "new_ones", "new_zeros", "ones", "ones_like", "pad", "repeat", "resize_", "roll", "scalar_tensor", "scatter", "scatter_",
    "select_backward", "select_scatter", "slice_backward", "slice_scatter", "sort", "stack", "topk", "tril", "triu",
    "unique_consecutive", "where", "zero_", "zeros", "zeros_like",
])  # fmt: skip
_REDUCES = frozenset([
    "_fused_rms_norm", "_log_softmax", "_log_softmax_backward_data", "_native_batch_norm_legit_no_training", "_safe_softmax",
    "_softmax", "_softmax_backward_data", "all", "amax", "amin", "any", "argmax", "argmin", "cumsum", "linalg_vector_norm",
    "log_softmax", "logsumexp", "max", "mean", "min", "native_batch_norm", "native_group_norm", "native_group_norm_backward",
    "native_layer_norm", "native_layer_norm_backward", "nll_loss_backward", "nll_loss_forward", "norm", "prod", "softmax",
    "std", "sum", "var", "var_mean",
])  # fmt: skip
# Elementwise in fact, though the library's tag for it is missing.
_ELEMENTWISE = frozenset([
    "bernoulli_", "dropout", "isin", "native_dropout", "normal_", "rand", "rand_like", "randn", "uniform_",
])  # fmt: skip


@dataclass(frozen=True)
class FlopCount:
    """Operations that were counted, and every operator that was not.

    Parameters
    ----------
    total : int
        Floating-point operations, a multiply-add as two.
    by_operator : Mapping of operator name to int
        The parts of the total.
    uncounted : tuple of str
        Operators that ran, have no formula, and are none of the kinds below: arithmetic that is missing from `total`.
    elementwise, reductions, moves : tuple of str
        Operators that ran and are left out by convention: a few operations per number (activation functions, biases);
        softmax, normalisation and sums; views, copies and lookups.
    """

    total: int
    by_operator: Mapping[str, int] = field(default_factory=dict)
    uncounted: tuple[str, ...] = ()
    elementwise: tuple[str, ...] = ()
    reductions: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()


def count(run: Callable[[], Any]) -> FlopCount:
    """Call `run` once, and count what its operators do. Gradients are counted if `run` computes them.

    `run` runs for real, on the device where its tensors are. A kernel that a library calls without going through PyTorch's
    dispatcher is not seen.

    Raises
    ------
    MissingExtra
        If torch is not installed.
    """
    needs("torch", extra="encoders", why="Counting the operations of a network")
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import FlopCounterMode

    ran: dict[str, Any] = {}

    class Record(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            ran.setdefault(_name(func), func)
            return func(*args, **(kwargs or {}))

    counter = FlopCounterMode(display=False, custom_mapping=_further_formulas(torch))
    # The record is the outer of the two: the counter takes composite operators apart first, and what then reaches the
    # record is what ran.
    with Record(), counter:
        run()
    counted = {str(packet).removeprefix("aten."): int(n) for packet, n in counter.get_flop_counts().get("Global", {}).items()}
    known = {str(packet).removeprefix("aten.") for packet in counter.flop_registry}
    kinds: dict[str, list[str]] = {"uncounted": [], "elementwise": [], "reductions": [], "moves": []}
    for name, func in sorted(ran.items()):
        if name not in known:
            kinds[_kind(name, func, torch)].append(name)
    return FlopCount(
        total=sum(counted.values()),
        by_operator=dict(sorted(counted.items())),
        **{kind: tuple(names) for kind, names in kinds.items()},
    )


def spread(lengths: Sequence[int], most: int = 16) -> list[int]:
    """Indices of at most `most` items that stand for all: those at the middles of equal parts, sorted by length.

    Few items counted at random would miss the long ones, which cost the most.
    """
    order = sorted(range(len(lengths)), key=lambda index: lengths[index])
    if len(order) <= most:
        return order
    return [order[int((part + 0.5) * len(order) / most)] for part in range(most)]


def _name(func: Any) -> str:
    return str(getattr(func, "_overloadpacket", func)).removeprefix("aten.")


def _kind(name: str, func: Any, torch: Any) -> str:
    if getattr(func, "is_view", False) or name in _MOVES:
        return "moves"
    tags = getattr(func, "tags", ())
    if torch.Tag.pointwise in tags or name in _ELEMENTWISE:
        return "elementwise"
    return "reductions" if name in _REDUCES or getattr(torch.Tag, "reduction", None) in tags else "uncounted"


def _further_formulas(torch: Any) -> dict[Any, Any]:
    """Formulas of attention kernels that the counter has none for, as it has for their siblings on a GPU."""
    from torch.utils import flop_counter

    def forward(query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return int(flop_counter.sdpa_flop_count(query, key, value))

    def backward(grad: Any, query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return int(flop_counter.sdpa_backward_flop_count(grad, query, key, value))

    aten, found = torch.ops.aten, {}
    for name, formula in (
        ("_scaled_dot_product_flash_attention_for_cpu", forward),
        ("_scaled_dot_product_flash_attention_for_cpu_backward", backward),
    ):
        packet = getattr(aten, name, None)
        # A newer torch may know the operator: its own formula then stands.
        if packet is not None and packet not in flop_counter.flop_registry:
            found[packet] = formula
    return found
