"""Pictures changed at random in ways that keep their class, whole batches at a time, on whatever device they are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bakeoff.errors import BadStudy, nearest

if TYPE_CHECKING:
    import torch

AUGMENTATIONS = ("none", "standard", "strong")

SHIFT = 1 / 8
"""How far a picture is shifted at most, as a share of its side: 4 of 32 pixels, as is usual for CIFAR."""


def augment(x: torch.Tensor, how: str, draw: torch.Generator) -> torch.Tensor:
    """A changed copy of a batch.

    ``standard``: mirrored left to right half of the time, shifted by up to an eighth of the side with mirrored borders. ``strong``: also turned
    by up to 15 degrees, scaled by 0.85 to 1.15, brightness, contrast and saturation by 0.7 to 1.3, and a grey square of a quarter to half
    of the side over half of the pictures (cutout, DeVries and Taylor 2017, arXiv 1708.04552). ``none``: nothing.

    Parameters
    ----------
    x : tensor of shape (n, 3, side, side), float in [0, 1]
    how : str
        One of `AUGMENTATIONS`.
    draw : torch.Generator
        On the device of `x`; its state decides everything.

    Returns
    -------
    tensor of the same shape, kind and range

    Raises
    ------
    BadStudy
        For another name.
    """
    if how not in AUGMENTATIONS:
        raise BadStudy(f"No augmentation is called {how!r}.", fix=nearest(how, AUGMENTATIONS))
    if how == "none" or not len(x):
        return x
    if how == "standard":
        return shifted(x, draw, round(x.shape[-1] * SHIFT), mirror=True)
    return cut_out(coloured(turned(mirrored(x, draw), draw), draw), draw)


def mirrored(x: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Each picture left to right with chance one half."""
    import torch

    chosen = torch.rand(len(x), generator=draw, device=x.device) < 0.5
    return torch.where(chosen.view(-1, 1, 1, 1), x.flip(-1), x)


def shifted(x: torch.Tensor, draw: torch.Generator, most: int, *, mirror: bool = False) -> torch.Tensor:
    """Each picture moved by -`most` to `most` pixels along both sides; what is uncovered is filled with its mirrored border.

    With `mirror`, half of the pictures are mirrored left to right in the same pass, which costs nothing more.
    """
    import torch

    n, channels, high, wide = x.shape
    if most < 1:
        return mirrored(x, draw) if mirror else x
    by = torch.randint(-most, most + 1, (2, n, 1), generator=draw, device=x.device)
    rows = _reflected(torch.arange(high, device=x.device) + by[0], high)
    columns = _reflected(torch.arange(wide, device=x.device) + by[1], wide)
    if mirror:
        chosen = torch.rand((n, 1), generator=draw, device=x.device) < 0.5
        columns = torch.where(chosen, wide - 1 - columns, columns)
    place = (rows.unsqueeze(2) * wide + columns.unsqueeze(1)).view(n, 1, high * wide)
    return x.reshape(n, channels, high * wide).gather(2, place.expand(n, channels, -1)).view(n, channels, high, wide)


def turned(x: torch.Tensor, draw: torch.Generator, degrees: float = 15.0, scale: float = 0.15) -> torch.Tensor:
    """Each picture turned, scaled and shifted at once, read between pixels; the border is mirrored."""
    import torch
    from torch.nn import functional

    n = len(x)
    rand = torch.rand((4, n), generator=draw, device=x.device) * 2 - 1
    angle, zoom = rand[0] * math.radians(degrees), 1 + rand[1] * scale
    cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    # An affine map of [-1, 1] x [-1, 1]: a shift of 2 would be the whole side.
    rows = (torch.stack((cos, -sin, rand[2] * 2 * SHIFT), 1), torch.stack((sin, cos, rand[3] * 2 * SHIFT), 1))
    grid = functional.affine_grid(torch.stack(rows, 1), [n, *x.shape[1:]], align_corners=False)
    return functional.grid_sample(x, grid.to(x.dtype), mode="bilinear", padding_mode="reflection", align_corners=False)


def coloured(x: torch.Tensor, draw: torch.Generator, by: float = 0.3) -> torch.Tensor:
    """Brightness, contrast and saturation of each picture multiplied by 1 - `by` to 1 + `by`, each by its own factor."""
    import torch

    brightness, contrast, saturation = (torch.rand((3, len(x), 1, 1, 1), generator=draw, device=x.device) * 2 - 1) * by + 1
    x = x * brightness
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (x - mean) * contrast + mean
    grey = x.mean(1, keepdim=True)
    return ((x - grey) * saturation + grey).clamp(0, 1)


def cut_out(x: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """A grey square of a quarter to half of the side, anywhere, over half of the pictures; it may stand over the edge."""
    import torch

    n, _, high, wide = x.shape
    rand = torch.rand((4, n, 1), generator=draw, device=x.device)
    half = (0.125 + 0.125 * rand[0]) * (rand[1] < 0.5)
    rows = ((torch.arange(high, device=x.device) + 0.5) / high - rand[2]).abs() < half
    columns = ((torch.arange(wide, device=x.device) + 0.5) / wide - rand[3]).abs() < half
    return torch.where((rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1), torch.full_like(x[:1], 0.5), x)


def _reflected(place: torch.Tensor, side: int) -> torch.Tensor:
    place = place.abs()
    return (side - 1) - (side - 1 - place).abs()
