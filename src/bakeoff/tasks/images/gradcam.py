"""Grad-CAM (Selvaraju et al. 2017): which parts of a picture speak for a class, by a network's last maps of convolutions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bakeoff.errors import BadData

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

LEAST_SIDE = 4
"""Maps of fewer places a side cannot say where: a finer one further down is taken where there is one."""
TOGETHER = 16
"""Pictures that are explained at once; it changes the speed, never the maps."""


@dataclass(frozen=True)
class Layer:
    """Where a network's maps are read: a module's name, which of its calls (a shared module has several), and the map's shape."""

    name: str
    call: int
    channels: int
    high: int
    wide: int


def last_maps(network: torch.nn.Module, x: torch.Tensor) -> Layer:
    """The last map behind a convolution that still has at least `LEAST_SIDE` places a side: its normalisation, activation and pooling included.

    Found by watching one pass, so that names and the order in which modules were written down do not matter. Where every map
    is smaller, the last convolution of more than one place.

    Parameters
    ----------
    network : torch.nn.Module
        Pictures in, scores of shape (n, classes) out.
    x : tensor of shape (n, channels, height, width)
        Prepared as the network reads pictures; one is enough.

    Raises
    ------
    BadData
        If the network has no convolution with a map of more than one place.
    """
    import torch

    ran: list[tuple[str, str, int, tuple[int, ...]]] = []
    calls: dict[str, int] = {}

    def watch(name: str, kind: str) -> Any:
        def seen(module: Any, given: Any, out: Any) -> None:
            if isinstance(out, torch.Tensor):
                ran.append((name, kind, calls.get(name, 0), tuple(out.shape)))
                calls[name] = calls.get(name, 0) + 1

        return seen

    leaves = [(name, module) for name, module in network.named_modules() if not any(True for _ in module.children())]
    handles = [module.register_forward_hook(watch(name, type(module).__name__)) for name, module in leaves]
    try:
        with _at_rest(network), torch.no_grad():
            network(x[:1])
    finally:
        for handle in handles:
            handle.remove()
    maps = [i for i, (_, kind, _, shape) in enumerate(ran) if kind == "Conv2d" and len(shape) == 4 and min(shape[2:]) > 1]
    if not maps:
        raise BadData("The network has no convolution whose map could be shown.", fix="explain a network with nn.Conv2d modules")
    at = next((i for i in reversed(maps) if min(ran[i][3][2:]) >= LEAST_SIDE), maps[-1])
    least = min(LEAST_SIDE, *ran[at][3][2:])
    while at + 1 < len(ran) and ran[at + 1][1] != "Conv2d" and len(ran[at + 1][3]) == 4 and min(ran[at + 1][3][2:]) >= least:
        at += 1
    return Layer(ran[at][0], ran[at][2], *ran[at][3][1:])


def grad_cam(
    network: torch.nn.Module, x: torch.Tensor, classes: Sequence[int], *, size: int, layer: Layer | None = None
) -> NDArray[np.float64]:
    """Grad-CAM of each picture for one class each.

    The map's channels are weighted by the mean gradient of the class's score (before any softmax), added up, cut off at zero,
    enlarged to the picture by bilinear interpolation, and divided by their largest value (Selvaraju et al. 2017, equations 1 and 2).

    Parameters
    ----------
    network : torch.nn.Module
        Pictures in, scores of shape (n, classes) out. Its weights, gradients and mode are left as they were.
    x : tensor of shape (n, channels, height, width)
        Prepared as the network reads pictures.
    classes : sequence of int, length n
        The class whose evidence is asked for, one per picture.
    size : int
        Pixels a side of the maps.
    layer : Layer, default=None
        Where the maps are read; `last_maps` where None.

    Returns
    -------
    array of shape (n, size, size), float in [0, 1]
        All 0 where nothing in the map speaks for the class.

    Raises
    ------
    BadData
        If the network has no such map.
    """
    import numpy as np
    import torch

    where = layer or last_maps(network, x)
    parts = []
    for start in range(0, len(x), TOGETHER):
        some = x[start : start + TOGETHER].detach()
        wanted = torch.as_tensor(list(classes[start : start + TOGETHER]), device=some.device)
        with _at_rest(network), torch.enable_grad(), _captured(network, where) as held:
            scores = network(some)
            (slope,) = torch.autograd.grad(scores.gather(1, wanted[:, None]).sum(), held)
        spoken = (slope.mean(dim=(2, 3), keepdim=True) * held[0].detach()).sum(dim=1, keepdim=True).clamp_min(0).double()
        spoken = torch.nn.functional.interpolate(spoken, size=(size, size), mode="bilinear", align_corners=False)[:, 0]
        top = spoken.amax(dim=(1, 2), keepdim=True)
        parts.append(torch.where(top > 1e-12, spoken / top.clamp_min(1e-12), torch.zeros_like(spoken)).cpu().numpy())
    return np.concatenate(parts)


@contextmanager
def _at_rest(network: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode for a while: no dropout, and normalisation by what was learned."""
    trained = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in trained:
            module.training = True


@contextmanager
def _captured(network: torch.nn.Module, layer: Layer) -> Iterator[list[Any]]:
    """The layer's map as a tensor that the scores hang on; a gradient is only taken from there upwards."""
    held: list[Any] = []
    calls = 0

    def take(module: Any, given: Any, out: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls - 1 != layer.call:
            return None
        held.append(out.detach().requires_grad_())
        return held[0].clone()  # a copy, because an activation that writes in place may follow

    handle = network.get_submodule(layer.name).register_forward_hook(take)
    try:
        yield held
    finally:
        handle.remove()
