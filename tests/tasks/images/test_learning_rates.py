from __future__ import annotations

import copy

import pytest
import torch

from bakeoff.errors import BadStudy
from bakeoff.tasks.images.optimisers import OPTIMIZERS, optimizer, orthogonal
from bakeoff.tasks.images.schedule import FLOOR, SCHEDULES, factor


@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_factor_is_above_0_and_at_most_1_and_reaches_its_peak(name: str, steps: int) -> None:
    factors = [factor(name, step, steps) for step in range(steps)]
    assert all(0 < each <= 1 for each in factors)
    if steps == 1000:
        assert max(factors) == pytest.approx(1, abs=0.01)


def test_one_cycle_climbs_for_a_fifth_and_falls_to_its_floor() -> None:
    factors = [factor("one-cycle", step, 1000) for step in range(1000)]
    assert factors.index(max(factors)) == 200
    assert factors[:201] == sorted(factors[:201]) and factors[200:] == sorted(factors[200:], reverse=True)
    assert factors[0] == FLOOR and factors[-1] < 2 * FLOOR


def test_cosine_is_half_way_down_in_the_middle_of_its_fall() -> None:
    assert factor("cosine", 525, 1000) == pytest.approx((1 + FLOOR) / 2, abs=0.01)
    assert factor("constant", 999, 1000) == 1


def test_orthogonal_brings_singular_values_near_one() -> None:
    for shape in ((20, 50), (50, 20), (8, 8)):
        found = orthogonal(torch.randn(shape, generator=torch.Generator().manual_seed(1)))
        values = torch.linalg.svdvals(found)
        assert found.shape == shape and float(values.min()) > 0.3 and float(values.max()) < 1.3


def test_muons_direction_is_that_of_the_polar_factor() -> None:
    matrix = torch.randn((12, 30), generator=torch.Generator().manual_seed(2))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    polar, found = u @ v, orthogonal(matrix)
    assert float((polar * found).sum() / polar.norm() / found.norm()) > 0.95


def made(name: str) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 2)
    )
    return network, optimizer(network, name, learning_rate=0.02, weight_decay=0.1)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimiser_learns_and_takes_every_parameter_once(name: str) -> None:
    network, found = made(name)
    taken = [id(each) for group in found.param_groups for each in group["params"]]
    assert sorted(taken) == sorted(id(each) for each in network.parameters())
    draw = torch.Generator().manual_seed(3)
    x = torch.randn((64, 3, 8, 8), generator=draw)
    y = (x.mean((1, 2, 3)) > 0).long()
    losses = []
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(network(x), y)
        found.zero_grad()
        loss.backward()
        found.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_biases_and_normalisation_are_not_decayed_and_frozen_weights_not_touched(name: str) -> None:
    network, _ = made(name)
    network[0].weight.requires_grad_(False)
    found = optimizer(network, name, learning_rate=0.02, weight_decay=0.1)
    for group in found.param_groups:
        for each in group["params"]:
            assert (group["weight_decay"] == 0) == (each.ndim == 1)
            assert each is not network[0].weight


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimiser_goes_on_from_its_state_as_if_it_had_not_stopped(name: str) -> None:
    def step(network: torch.nn.Module, by: torch.optim.Optimizer, times: int) -> None:
        for index in range(times):
            x = torch.randn((4, 3, 8, 8), generator=torch.Generator().manual_seed(index))
            by.zero_grad()
            network(x).square().mean().backward()
            by.step()

    whole, by_whole = made(name)
    step(whole, by_whole, 3)
    kept = {"network": {k: v.clone() for k, v in whole.state_dict().items()}, "by": copy.deepcopy(by_whole.state_dict())}
    again, by_again = made(name)
    again.load_state_dict(kept["network"])
    by_again.load_state_dict(kept["by"])
    step(whole, by_whole, 2)
    step(again, by_again, 2)
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True))


def test_unknown_names_and_nothing_to_train_are_refused() -> None:
    network, _ = made("sgd")
    with pytest.raises(BadStudy) as caught:
        optimizer(network, "adam", learning_rate=0.1, weight_decay=0)
    assert "adamw" in caught.value.fix
    with pytest.raises(BadStudy):
        factor("onecycle", 0, 10)
    for each in network.parameters():
        each.requires_grad_(False)
    with pytest.raises(BadStudy, match="left to train"):
        optimizer(network, "sgd", learning_rate=0.1, weight_decay=0)
