"""Grad-CAM is withheld from every network that learned nothing, and every explanation that asks no network is withheld."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_networks as tiny
import torch

from bakeoff.errors import BadData
from bakeoff.tasks.images import sanity
from bakeoff.tasks.images.edges import edge_map

FAST, SLOW = 6, 30


def checked(network: torch.nn.Module, kinds: int, which: int, **options) -> sanity.Sanity:
    pictures, codes = tiny.drawn(24, kinds, 9000 + which)
    return sanity.check(network, tiny.tensor(pictures), codes.tolist(), size=32, **{"cascade": False, **options})


def random_cases(kind: str, kinds: int, seed: int, trained: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """An untrained network, one that has seen pictures, one that is random and loud, and a trained one whose weights were shuffled."""
    x = tiny.tensor(tiny.drawn(32, kinds, 500 + seed)[0])
    loud = sanity.randomised(tiny.made(kind, kinds, seed), x, seed=50 + seed)
    with torch.no_grad():
        for one in loud[-1].parameters():
            one *= 30
    return {
        "untrained": tiny.made(kind, kinds, 100 + seed),
        "settled": sanity.randomised(tiny.made(kind, kinds, seed), x, seed=seed),
        "loud": loud,
        "shuffled": sanity.randomised(trained, x, seed=seed, how="shuffled"),
    }


def measured(n: int) -> tuple[list[sanity.Sanity], list[sanity.Sanity]]:
    trained, random = [], []
    for seed in range(n):
        kind, kinds = ("normalised", "plain")[seed % 2], (6, 2, 4)[seed % 3]
        learned = tiny.trained(kind, kinds, seed, pictures=240)
        trained.append(checked(learned, kinds, seed))
        random += [checked(one, kinds, seed) for one in random_cases(kind, kinds, seed, learned).values()]
    return trained, random


def test_random_weights_are_always_withheld_and_learned_ones_mostly_shown() -> None:
    trained, random = measured(FAST)
    assert len(random) == 4 * FAST
    assert [found.why for found in random if found.shown] == []
    assert sum(found.shown for found in trained) >= FAST - 1


@pytest.mark.slow
def test_the_same_over_thirty_networks_of_each_kind() -> None:
    trained, random = measured(SLOW)
    assert len(random) == 4 * SLOW
    assert [found.why for found in random if found.shown] == []
    assert sum(found.shown for found in trained) >= 0.9 * SLOW


@pytest.fixture(scope="module")
def learned() -> torch.nn.Module:
    return tiny.trained("normalised", 4, 3)


def test_an_explanation_that_asks_no_network_is_withheld(learned: torch.nn.Module) -> None:
    """The control of Adebayo et al.: an edge detector looks like an explanation and hangs on nothing that was learned."""
    pictures, _ = tiny.drawn(24, 4, 9003)
    edges = np.stack([edge_map(one) for one in pictures])
    found = checked(learned, 4, 3, explain=lambda network, x, classes: edges)
    assert not found.shown and found.rank == pytest.approx(1)
    assert "hardly change" in found.why


def test_one_that_is_mostly_edges_is_withheld_and_one_that_is_hardly_edges_is_not(learned: torch.nn.Module) -> None:
    from bakeoff.tasks.images.gradcam import grad_cam

    pictures, _ = tiny.drawn(24, 4, 9003)
    edges = np.stack([edge_map(one) for one in pictures])

    def mixed(share: float) -> sanity.Sanity:
        def explain(network, x, classes):
            return share * edges + (1 - share) * grad_cam(network, x, classes, size=32)

        return checked(learned, 4, 3, explain=explain)

    assert not mixed(0.95).shown
    assert mixed(0.0).shown


def test_blank_maps_are_withheld(learned: torch.nn.Module) -> None:
    found = checked(learned, 4, 3, explain=lambda network, x, classes: np.zeros((len(x), 32, 32)))
    assert not found.shown and found.blank == 1 and "blank" in found.why


def test_the_cascade_goes_from_the_output_to_the_picture(learned: torch.nn.Module) -> None:
    found = checked(learned, 4, 3, cascade=True)
    names = [step.down_to for step in found.cascade]
    assert (
        len(names) == 6
        and names[-1] == "0"
        and [int(name) for name in names] == sorted((int(name) for name in names), reverse=True)
    )
    assert all(-1 <= step.rank <= 1 and -1 <= step.ssim <= 1 for step in found.cascade)


def test_the_same_seed_says_the_same_and_nothing_is_left_changed(learned: torch.nn.Module) -> None:
    before = {name: value.clone() for name, value in learned.state_dict().items()}
    state = torch.random.get_rng_state()
    assert checked(learned, 4, 3, seed=5, copies=3) == checked(learned, 4, 3, seed=5, copies=3)
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in learned.state_dict().items())


def test_shuffled_copies_keep_their_values_and_drawn_ones_do_not(learned: torch.nn.Module) -> None:
    x = tiny.tensor(tiny.drawn(8, 4, 0)[0])
    weights = learned[0].weight.flatten().sort().values
    shuffled = sanity.randomised(learned, x, seed=0, how="shuffled")
    assert torch.equal(shuffled[0].weight.flatten().sort().values, weights)
    assert not torch.equal(shuffled[0].weight, learned[0].weight)
    assert not torch.equal(sanity.randomised(learned, x, seed=0)[0].weight.flatten().sort().values, weights)


def test_a_module_without_a_way_to_draw_keeps_its_spread() -> None:
    class Bare(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.randn(5000, generator=torch.Generator().manual_seed(0)) * 3 + 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    drawn = sanity.randomised(Bare(), torch.zeros(1, 3, 8, 8), seed=1)
    assert float(drawn.scale.detach().mean()) == pytest.approx(2, abs=0.2)
    assert float(drawn.scale.detach().std()) == pytest.approx(3, abs=0.2)


def test_similarity_of_the_same_maps_is_one_and_of_blank_ones_nothing() -> None:
    maps = np.random.default_rng(0).random((3, 16, 16))
    assert sanity.similarity(maps, maps) == pytest.approx((1, 1))
    assert sanity.similarity(maps, 1 - maps)[0] == pytest.approx(-1)
    assert sanity.similarity(maps, np.zeros((3, 16, 16))) == (0, 0)


def test_too_few_pictures_are_refused(learned: torch.nn.Module) -> None:
    with pytest.raises(BadData, match="at least 8 pictures"):
        sanity.check(learned, torch.rand(4, 3, 32, 32), [0, 1, 2, 3], size=32)
