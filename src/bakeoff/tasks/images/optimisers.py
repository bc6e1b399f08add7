"""The optimisers that a recipe can name; Muon is written out here, for filters as well as for matrices."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bakeoff.errors import BadStudy, nearest

if TYPE_CHECKING:
    import torch

OPTIMIZERS = ("adamw", "sgd", "muon")

STEPS = 5
"""Newton-Schulz iterations; five bring all singular values to about 0.7 to 1.2 (Jordan 2024)."""


def optimizer(network: torch.nn.Module, name: str, *, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """An optimiser for the parameters of `network` that want gradients. Biases and normalisation are never decayed.

    Parameters
    ----------
    network : torch module
    name : str
        ``adamw``; ``sgd`` with Nesterov momentum 0.9; or ``muon``: Muon for filters and matrices, AdamW at `ADAM_SHARE` of the rate
        for the rest and for the last layer.
    learning_rate, weight_decay : float
        At the peak of the schedule; at least 0. Decay is multiplied by the learning rate, for every optimiser.

    Raises
    ------
    BadStudy
        For another name, or where nothing wants gradients.
    """
    import torch

    if name not in OPTIMIZERS:
        raise BadStudy(f"No optimizer is called {name!r}.", fix=nearest(name, OPTIMIZERS))
    wanted = [(key, each) for key, each in network.named_parameters() if each.requires_grad]
    if not wanted:
        raise BadStudy("Nothing in this network is left to train.", fix="let at least its head want gradients")
    big = [each for _, each in wanted if each.ndim > 1]
    small = [each for _, each in wanted if each.ndim <= 1]
    if name == "muon":
        last = next((each for each in reversed(big)), None)  # the classifier: its rows are classes, not directions
        inner = [each for each in big if each is not last]
        groups = [
            {"params": inner, "kind": "muon", "lr": learning_rate, "weight_decay": weight_decay},
            {
                "params": [] if last is None else [last],
                "kind": "adam",
                "lr": learning_rate * ADAM_SHARE,
                "weight_decay": weight_decay,
            },
            {"params": small, "kind": "adam", "lr": learning_rate * ADAM_SHARE, "weight_decay": 0.0},
        ]
        return _muon()([group for group in groups if group["params"]])
    groups = [{"params": big, "weight_decay": weight_decay}, {"params": small, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if name == "sgd":
        return torch.optim.SGD(groups, lr=learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=learning_rate)


ADAM_SHARE = 0.1


def orthogonal(matrix: torch.Tensor, steps: int = STEPS) -> torch.Tensor:
    """The matrix with its singular values brought near 1, by a quintic Newton-Schulz iteration; no decomposition is made.

    The iteration and its coefficients are Keller Jordan's (Muon, 2024, kellerjordan.github.io/posts/muon). On a GPU it runs in bfloat16.

    Parameters
    ----------
    matrix : tensor of shape (rows, columns)

    Returns
    -------
    tensor of the same shape and kind
    """
    import torch

    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.to(torch.bfloat16) if matrix.is_cuda else matrix.to(torch.float32)
    x = x / (x.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).to(matrix.dtype)


@functools.cache
def _muon() -> type[torch.optim.Optimizer]:
    """The class, made on first use: it inherits from torch, which this module does not import by itself."""
    import torch

    class Muon(torch.optim.Optimizer):
        """Momentum whose step is made orthogonal, for filters seen as matrices (out, in x height x width); AdamW for the rest."""

        def __init__(self, groups: Any) -> None:
            super().__init__(groups, {"lr": 0.01, "weight_decay": 0.0, "kind": "muon"})

        @torch.no_grad()
        def step(self, closure: Callable[[], Any] | None = None) -> Any:
            loss = None
            if closure is not None:
                with torch.enable_grad():
                    loss = closure()
            for group in self.param_groups:
                for each in group["params"]:
                    if each.grad is not None:
                        (self._turned if group["kind"] == "muon" else self._adam)(each, group)
            return loss

        def _turned(self, each: Any, group: dict[str, Any]) -> None:
            state = self.state[each]
            if not state:
                state["momentum"] = torch.zeros_like(each)
            state["momentum"].lerp_(each.grad, 0.1)
            nesterov = each.grad.lerp(state["momentum"], 0.9)
            matrix = nesterov.reshape(len(nesterov), -1)
            step = orthogonal(matrix).reshape(each.shape)
            # A matrix of singular values 1 has entries of size 1/sqrt(longer side): this keeps steps alike whatever the shape.
            scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
            each.mul_(1 - group["lr"] * group["weight_decay"]).add_(step, alpha=-group["lr"] * scale)

        def _adam(self, each: Any, group: dict[str, Any]) -> None:
            state = self.state[each]
            if not state:
                state["steps"] = torch.zeros(())
                state["mean"], state["square"] = torch.zeros_like(each), torch.zeros_like(each)
            state["steps"] += 1
            done = float(state["steps"])
            state["mean"].lerp_(each.grad, 0.1)
            state["square"].lerp_(each.grad.square(), 0.01)
            root = (state["square"] / (1 - 0.99**done)).sqrt_().add_(1e-8)
            each.mul_(1 - group["lr"] * group["weight_decay"])
            each.addcdiv_(state["mean"], root, value=-group["lr"] / (1 - 0.9**done))

    return Muon
