from __future__ import annotations

import pytest
import torch

from bakeoff.errors import BadStudy
from bakeoff.tasks.images.augment import AUGMENTATIONS, augment, coloured, cut_out, mirrored, shifted, turned


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 40, side: int = 16) -> torch.Tensor:
    return torch.rand((n, 3, side, side), generator=draw(9))


@pytest.mark.parametrize("how", AUGMENTATIONS)
def test_shape_range_and_the_original_are_kept_and_the_generator_decides(how: str) -> None:
    x = pictures()
    before = x.clone()
    changed = augment(x, how, draw())
    assert changed.shape == x.shape and changed.dtype == x.dtype
    assert float(changed.min()) >= 0 and float(changed.max()) <= 1
    assert torch.equal(x, before)
    assert torch.equal(changed, augment(x, how, draw()))
    assert torch.equal(changed, x) if how == "none" else not torch.equal(changed, augment(x, how, draw(1)))


def test_about_half_are_mirrored_and_the_others_untouched() -> None:
    x = pictures(400, 8)
    changed = mirrored(x, draw())
    whole = torch.tensor([torch.equal(a, b) for a, b in zip(changed, x, strict=True)])
    flipped = torch.tensor([torch.equal(a, b.flip(-1)) for a, b in zip(changed, x, strict=True)])
    assert bool((whole ^ flipped).all()) and 150 < int(flipped.sum()) < 250


def test_a_shift_moves_the_picture_and_mirrors_its_border() -> None:
    x = torch.arange(36, dtype=torch.float32).reshape(1, 1, 6, 6)
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2), mode="reflect")[0, 0]
    windows = {tuple(padded[i : i + 6, j : j + 6].flatten().tolist()) for i in range(5) for j in range(5)}
    seen = {tuple(shifted(x, draw(seed), 2).flatten().tolist()) for seed in range(200)}
    assert seen == windows  # all 25 places, and nothing else
    assert torch.equal(shifted(x, draw(), 0), x)
    both = {tuple(shifted(x, draw(seed), 2, mirror=True).flatten().tolist()) for seed in range(600)}
    assert both == windows | {tuple(torch.tensor(each).view(6, 6).flip(-1).flatten().tolist()) for each in windows}


def test_nothing_turned_by_nothing_is_the_picture_but_for_its_shift() -> None:
    x = torch.full((5, 3, 12, 12), 0.3)
    x[:, :, 4:8, 4:8] = 0.9
    changed = turned(x, draw(), degrees=0.0, scale=0.0)
    assert changed.sum((1, 2, 3)).sub(x.sum((1, 2, 3))).abs().max() < 0.05 * float(x[0].sum())
    turned_far = turned(x, draw(), degrees=45.0, scale=0.0)
    assert (turned_far - changed).abs().max() > 0.1


def test_colours_change_by_picture_and_grey_stays_grey() -> None:
    grey = torch.full((30, 3, 4, 4), 0.5) * torch.linspace(0.5, 1.0, 4)
    changed = coloured(grey, draw())
    assert (changed[:, 0] - changed[:, 2]).abs().max() < 1e-6
    means = changed.mean((1, 2, 3))
    assert means.std() > 0.02


def test_a_cut_out_is_grey_and_about_half_of_the_pictures_have_one() -> None:
    x = torch.zeros((400, 3, 32, 32))
    covered = cut_out(x, draw())
    assert set(covered.unique().tolist()) == {0.0, 0.5}
    share = (covered[:, 0] > 0).float().mean((1, 2))
    assert 140 < int((share > 0).sum()) < 240
    assert float(share.max()) <= 0.26


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(BadStudy) as caught:
        augment(pictures(), "standart", draw())
    assert "standard" in caught.value.fix
