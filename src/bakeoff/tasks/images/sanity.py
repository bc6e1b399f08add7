"""Whether an explanation may be shown: it must hang on what the network learned, and the network must have learned something.

Adebayo et al. (2018) gave networks random weights and found explanations that hardly changed: such a map shows the picture, not
the network. Here every network is held against copies of itself with random weights, on a fixed set of labelled pictures. Half of them
have weights *drawn* anew, as for a new training; half have the network's own weights *shuffled* within each tensor.

1. *Is there anything to explain?* The mean probability that the network gives to the right class must be above the copies' mean by
   at least `LEAST_GAP`, and by at least `LEAST_SPREADS` times the spread between copies, for either kind. A network whose weights are
   random, at whatever scale, is one more of its own shuffled copies: by how much it differs from them is luck.
2. *Does the map hang on the weights?* The mean rank correlation and the mean structural similarity (SSIM, Wang et al. 2004) between
   its maps and the copies' maps must stay under `MOST_RANK` and `MOST_SSIM`. A map that is the same for every network is not.
3. *Is there a map?* At most half of the maps may be blank.

The limits were chosen on controls: ``docs/explanation/looking-inside-pictures.md`` has the figures. Where one of them fails, the explanation is withheld.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from bakeoff.errors import BadData
from bakeoff.tasks.images.gradcam import Layer, _at_rest, grad_cam, last_maps

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    Maps = NDArray[np.float64]
    Explainer = Callable[[torch.nn.Module, torch.Tensor, Sequence[int]], Maps]

How: TypeAlias = Literal["drawn", "shuffled"]

COPIES = 10
"""Of each kind. Their maps are taken from the first `MAPPED` of each."""
MAPPED = 4
LEAST_GAP = 0.1
LEAST_SPREADS = 5.0
MOST_RANK = 0.5
MOST_SSIM = 0.5
MOST_BLANK = 0.5
LEAST_PICTURES = 8
STEPS = 6


@dataclass(frozen=True)
class Step:
    """One step of the cascade: weights drawn anew from the output down to and including module `down_to`; mean similarity to the original maps."""

    down_to: str
    rank: float
    ssim: float


@dataclass(frozen=True)
class Sanity:
    """What the check found.

    Attributes
    ----------
    shown : bool
        Whether the explanation may be shown.
    why : str
        One sentence with the figures that decided.
    layer : Layer
        Where the maps were read.
    pictures, copies : int
        How many of each were used.
    right, right_copies, spread_copies : float in [0, 1]
        Mean probability of the right class: the network's, the mean over its randomised copies, and their standard deviation (of the
        kind for which it is larger).
    need : float
        By how much `right` had to be above `right_copies`.
    rank, ssim : float in [-1, 1]
        Mean similarity of the network's maps to its copies' maps.
    blank : float in [0, 1]
        Share of the network's maps that say nothing.
    cascade : tuple of Step
        From the output down, all weights at the end; empty where it was not asked for.
    """

    shown: bool
    why: str
    layer: Layer
    pictures: int
    copies: int
    right: float
    right_copies: float
    spread_copies: float
    need: float
    rank: float
    ssim: float
    blank: float
    cascade: tuple[Step, ...] = ()


def check(
    network: torch.nn.Module,
    x: torch.Tensor,
    truth: Sequence[int],
    *,
    size: int,
    explain: Explainer | None = None,
    copies: int = COPIES,
    cascade: bool = True,
    seed: int = 0,
) -> Sanity:
    """Hold a network's explanations against those of copies of it with random weights.

    Parameters
    ----------
    network : torch.nn.Module
        Pictures in, scores of shape (n, classes) out. Left as it was.
    x : tensor of shape (n, channels, height, width)
        A fixed set of pictures, as the network reads them, that it did not learn from; n is at least `LEAST_PICTURES`.
    truth : sequence of int, length n
        Codes of the right classes.
    size : int
        Pixels a side of the maps that are compared.
    explain : callable, default=None
        ``explain(network, x, classes) -> maps (n, size, size)``; Grad-CAM where None. Each map is asked for the class that the
        network under test says, for the copies too.
    copies : int, default=10
        Randomised copies of each kind, at least 3.
    cascade : bool, default=True
        Whether to draw weights anew step by step as well, from the output down.
    seed : int, default=0

    Raises
    ------
    BadData
        If there are too few pictures or copies, or the network has no map.
    """
    import numpy as np

    if len(x) < LEAST_PICTURES or len(truth) != len(x) or copies < 3:
        raise BadData(
            f"The check of an explanation needs at least {LEAST_PICTURES} pictures with their classes and 3 copies, not {len(x)}, {len(truth)} and {copies}.",
            fix="give more labelled test pictures",
        )
    layer = last_maps(network, x)

    def by_grad_cam(asked: torch.nn.Module, some: torch.Tensor, classes: Sequence[int]) -> Maps:
        return grad_cam(asked, some, classes, size=size, layer=layer)

    maps_of = explain or by_grad_cam
    given = chances(network, x)
    said = [int(code) for code in given.argmax(axis=1)]
    right = float(given[np.arange(len(x)), list(truth)].mean())
    own = maps_of(network, x, said)
    blank = float(np.mean([_is_blank(m) for m in own]))
    alike: list[tuple[float, float]] = []
    levels: dict[How, list[float]] = {"drawn": [], "shuffled": []}
    for copy in range(copies):
        for how, found in levels.items():
            random = randomised(network, x, seed=seed * 1000 + copy, how=how)
            found.append(float(chances(random, x)[np.arange(len(x)), list(truth)].mean()))
            if copy < MAPPED:
                alike.append(similarity(own, maps_of(random, x, said)))
    rank, ssim = (float(np.mean([pair[i] for pair in alike])) for i in (0, 1))
    middle = max(float(np.mean(found)) for found in levels.values())
    spread = max(float(np.std(found, ddof=1)) for found in levels.values())
    need = max(LEAST_GAP, LEAST_SPREADS * spread)
    shown, why = _verdict(right, middle, need, rank, ssim, blank, 2 * copies)
    steps = _cascade(network, x, said, own, maps_of, seed=seed) if cascade else ()
    return Sanity(shown, why, layer, len(x), 2 * copies, right, middle, spread, need, rank, ssim, blank, steps)


def _verdict(right: float, middle: float, need: float, rank: float, ssim: float, blank: float, copies: int) -> tuple[bool, str]:
    if not right - middle >= need:
        return False, (
            f"It gives the right class a mean probability of {right:.2f}, and {copies} copies of it with random weights give it {middle:.2f}: "
            f"at least {need:.2f} more would be needed, so there is nothing learned that a map could explain."
        )
    if not blank <= MOST_BLANK:
        return False, f"{blank:.0%} of its maps are blank: nothing in them speaks for the class that it says."
    if not (rank <= MOST_RANK and ssim <= MOST_SSIM):
        return False, (
            f"Its maps hardly change when its weights are drawn at random (rank correlation {rank:.2f}, at most {MOST_RANK:.2f} allowed; "
            f"structural similarity {ssim:.2f}, at most {MOST_SSIM:.2f}), so they do not show what it learned."
        )
    return True, (
        f"With random weights the maps change (rank correlation {rank:.2f}, at most {MOST_RANK:.2f} allowed; structural similarity "
        f"{ssim:.2f}, at most {MOST_SSIM:.2f}), and the mean probability of the right class falls from {right:.2f} to {middle:.2f}."
    )


def similarity(one: Maps, other: Maps) -> tuple[float, float]:
    """Mean rank correlation (Spearman) and mean SSIM between two sets of maps, shape (n, size, size), both in [-1, 1].

    Pairs of which a map is blank have nothing in common: they count as 0.
    """
    import numpy as np
    from scipy.stats import rankdata

    ranks, alike = [], []
    for a, b in zip(one, other, strict=True):
        if _is_blank(a) or _is_blank(b):
            ranks.append(0.0)
            alike.append(0.0)
            continue
        ranks.append(float(np.corrcoef(rankdata(a.ravel()), rankdata(b.ravel()))[0, 1]))
        alike.append(_ssim(a, b))
    return float(np.mean(ranks)), float(np.mean(alike))


def _ssim(a: Maps, b: Maps) -> float:
    """Structural similarity in windows of 7 by 7 (Wang et al. 2004), values in [0, 1]."""
    import numpy as np
    from scipy.ndimage import uniform_filter

    def mean(values: Maps) -> Maps:
        return np.asarray(uniform_filter(values, 7))

    ma, mb = mean(a), mean(b)
    va, vb, both = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    c1, c2 = 0.01**2, 0.03**2
    found = (2 * ma * mb + c1) * (2 * both + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    return float(found.mean())


def _is_blank(one: Maps) -> bool:
    return bool(one.max() - one.min() < 1e-9)


def randomised(
    network: torch.nn.Module, x: torch.Tensor, *, seed: int, how: How = "drawn", only: frozenset[str] | None = None
) -> torch.nn.Module:
    """A copy of a network with random weights.

    Batch normalisations that were changed take their statistics from `x`, so that a copy's maps are as lively as those of a network
    that has seen pictures.

    Parameters
    ----------
    x : tensor of shape (n, channels, height, width)
    seed : int
        The same seed gives the same weights; torch's own generator is left as it was.
    how : {'drawn', 'shuffled'}
        By each module's own ``reset_parameters`` (where there is none, from a normal distribution of the same mean and spread), or the
        network's own values in random order within each tensor.
    only : frozenset of str, default=None
        Names of the modules to change; all that hold parameters where None.
    """
    import copy

    import torch

    made = copy.deepcopy(network)
    settled: list[tuple[Any, Any]] = []
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for name, module in made.named_modules():
            held = list(module.parameters(recurse=False))
            if not held or (only is not None and name not in only):
                continue
            reset = getattr(module, "reset_parameters", None)
            if how == "drawn" and callable(reset):
                reset()
            else:
                for one in held:
                    one.copy_(_redrawn(one) if how == "drawn" else one.flatten()[torch.randperm(one.numel())].view_as(one))
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.track_running_stats:
                settled.append((module, module.momentum))
    if settled:
        made.eval()
        for module, _ in settled:
            module.reset_running_stats()
            module.momentum = None  # a plain mean over the passes
            module.train()
        with torch.no_grad():
            made(x)
        for module, momentum in settled:
            module.momentum = momentum
    return made.eval()


def _redrawn(one: torch.Tensor) -> torch.Tensor:
    import torch

    spread = one.std(unbiased=False) if one.numel() > 1 else torch.zeros(())
    return one.mean() + spread * torch.randn(one.shape)


def _cascade(
    network: torch.nn.Module, x: torch.Tensor, said: Sequence[int], own: Maps, maps_of: Explainer, *, seed: int
) -> tuple[Step, ...]:
    holding = [name for name, module in network.named_modules() if any(True for _ in module.parameters(recurse=False))]
    holding.reverse()  # modules are written down from the picture to the output
    steps = []
    ends = sorted({math.ceil(len(holding) * (i + 1) / min(STEPS, len(holding))) for i in range(min(STEPS, len(holding)))})
    for end in ends:
        drawn = randomised(network, x, seed=seed * 1000 + 999, only=frozenset(holding[:end]))
        steps.append(Step(holding[end - 1], *similarity(own, maps_of(drawn, x, said))))
    return tuple(steps)


def chances(network: torch.nn.Module, x: torch.Tensor) -> Maps:
    """Class probabilities, shape (n, classes)."""
    import numpy as np
    import torch

    with _at_rest(network), torch.no_grad():
        parts = [torch.softmax(network(x[start : start + 64]).double(), dim=1).cpu().numpy() for start in range(0, len(x), 64)]
    return np.concatenate(parts)
