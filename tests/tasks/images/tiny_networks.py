"""Tiny networks that learn to tell drawn shapes apart in a second or two, and pictures for them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

SIDE = 32


def drawn(n: int, kinds: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Discs, squares, bars, crosses and rings of random colour, size and place on white: pictures (n, 32, 32, 3), codes (n,)."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    pictures, codes = np.full((n, SIDE, SIDE, 3), 255, np.uint8), np.arange(n) % kinds
    for picture, kind in zip(pictures, codes, strict=True):
        r, y, x = int(draw.integers(5, 9)), *draw.integers(10, 22, 2).tolist()
        down, across = abs(rows - y), abs(columns - x)
        shape = (
            down**2 + across**2 < r * r,
            (down < r) & (across < r),
            (down < r) & (across < 3),
            (down < 3) & (across < r),
            ((down < 3) & (across < r)) | ((across < 3) & (down < r)),
            (down + across < r) & (down + across > r - 4),
        )[kind]
        picture[shape] = draw.integers(0, 140, 3)
    return pictures, codes


def tensor(pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


def network(kind: str, kinds: int) -> nn.Module:
    """``normalised`` ends in a maximum over each map, ``plain`` in two layers over all places and has no normalisation."""
    if kind == "plain":
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(16, 24, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(24 * 64, 48), nn.ReLU(), nn.Linear(48, kinds),
        )  # fmt: skip
    units = [
        layer
        for inside, outside in ((3, 16), (16, 24), (24, 32))
        for layer in (nn.Conv2d(inside, outside, 3, padding=1), nn.BatchNorm2d(outside), nn.ReLU(inplace=True), nn.MaxPool2d(2))
    ]
    return nn.Sequential(*units[:-1], nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, kinds))


def made(kind: str, kinds: int, seed: int) -> nn.Module:
    """Untrained, with weights of the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return network(kind, kinds).eval()


def one_thread() -> None:
    """Two threads on busy cores are many times slower than one."""
    torch.set_num_threads(1)


def trained(kind: str, kinds: int, seed: int, *, pictures: int = 300, epochs: int = 10) -> nn.Module:
    """Trained on drawn pictures; three seeds in four or more end with most pictures right."""
    one_thread()
    one = made(kind, kinds, seed)
    given, codes = drawn(pictures, kinds, 1000 + seed)
    x, y = tensor(given), torch.from_numpy(codes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        steps = torch.optim.Adam(one.parameters(), 3e-3)
        one.train()
        for _ in range(epochs):
            for batch in torch.randperm(len(x)).split(32):
                steps.zero_grad()
                nn.functional.cross_entropy(one(x[batch]), y[batch]).backward()
                steps.step()
    return one.eval()
