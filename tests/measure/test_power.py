"""Plans: published sample sizes, and whether a planned study then finds what it was planned to find."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bakeoff.errors import BakeoffError
from bakeoff.measure.compare import compare
from bakeoff.measure.crossed import Crossed, crossed
from bakeoff.measure.power import identical_p, items_for_power, n_to_settle, power_at


@pytest.mark.parametrize(("points", "items"), [(1, 7847), (2, 1960), (3, 870), (5, 312)])
def test_items_at_ten_per_cent_discordance(points, items):
    assert items_for_power(points / 100, 0.10) == items
    assert items_for_power(-points / 100, 0.10) == items


def test_planned_power_is_reached_by_the_test_it_was_planned_for():
    d, psi = 0.02, 0.10
    n = items_for_power(d, psi)
    cells = np.random.default_rng(0).multinomial(n, [(psi + d) / 2, (psi - d) / 2, 1 - psi], size=20_000)
    z = (cells[:, 0] - cells[:, 1]) / np.sqrt(np.maximum(cells[:, 0] + cells[:, 1], 1))
    assert np.mean(z > 1.959964) == pytest.approx(0.80, abs=0.015)


def test_a_paired_test_of_85_against_88_is_a_coin_toss_at_500_items():
    """And the unpaired test, whose variance ignores that both fail on the same items, finds it in less than three studies of ten."""
    assert items_for_power(0.03, 0.117, power=0.5) == pytest.approx(500, abs=2)
    unpaired = (0.85 * 0.15 + 0.88 * 0.12) / 500
    assert stats.norm.sf(1.959964 - 0.03 / unpaired**0.5) == pytest.approx(0.28, abs=0.02)


@pytest.mark.parametrize("wrong", [(0.0, 0.1), (0.2, 0.1), (0.1, 1.2)])
def test_differences_that_cannot_be(wrong):
    with pytest.raises(BakeoffError):
        items_for_power(*wrong)
    with pytest.raises(BakeoffError):
        items_for_power(0.1, 0.2, power=1.0)


def spread(mid: float, item: float, seed: float = 0.0, interaction: float = 0.0, n: int = 100, seeds: int = 1) -> Crossed:
    return Crossed(*(np.asarray(value) for value in (mid, item, seed, interaction)), n, seeds)


def test_no_difference_is_planned_as_within_the_margin():
    """At d = 0 one side holds with 80% where (margin / se - 1.96) is the 80% quantile, both where it is the 90% quantile."""
    table = spread(0.0, 0.1)
    items, seeds = n_to_settle(table, 0.02)
    assert items + 100 == pytest.approx((1.95996 + 0.84162) ** 2 * 0.1 / 0.02**2, abs=4)
    assert not seeds
    both = (1.95996 + 1.28155) ** 2 * 0.1 / 0.02**2
    assert power_at(table, np.array([both]), 0.02)["equivalent"] == pytest.approx(0.8, abs=0.001)


def test_a_better_one_is_planned_as_non_inferior_first():
    items, _ = n_to_settle(spread(0.01, 0.1), 0.02)
    assert items + 100 == pytest.approx((1.95996 + 0.84162) ** 2 * 0.1 / 0.03**2, abs=4)
    turned, _ = n_to_settle(spread(-0.01, 0.1), 0.02, higher_is_better=False)
    assert turned == items


def test_stricter_levels_and_smaller_gaps_need_more():
    plans = [
        n_to_settle(spread(d, 0.1), 0.0, alpha=alpha, margin_alpha=alpha / 2).items
        for d, alpha in ((0.05, 0.05), (0.05, 0.01), (0.02, 0.01))
    ]
    assert plans == sorted(plans)
    assert len(set(plans)) == 3


def test_nothing_to_find_is_never_found():
    assert n_to_settle(spread(0.0, 0.1), 0.0) == (None, False)
    assert n_to_settle(spread(0.0, 0.0), 0.0) == (None, False)


def test_seeds_that_hide_the_difference_are_named():
    noisy = spread(0.02, 0.1, seed=0.2, interaction=0.05, seeds=3)
    assert n_to_settle(noisy, 0.0) == (None, True)
    assert power_at(noisy, np.array([1e12]), 0.0)["different"][0] < 0.8
    wide = n_to_settle(noisy, 0.5)
    assert wide.items is not None


def test_power_is_that_of_the_observed_size_and_grows():
    table = crossed(np.random.default_rng(1).normal(0.1, 1, size=(3, 60)))
    chances = power_at(table, np.array([60.0, 600.0, 6000.0]), 0.3)
    for curve in chances.values():
        assert (np.diff(curve) >= 0).all()
        assert ((curve >= 0) & (curve <= 1)).all()


def test_further_items_settle_it_as_often_as_planned():
    """Plan from one undecided study, then run the planned size many times with the plan's own truth."""
    rng = np.random.default_rng(2)
    counts = (16, 8)
    d = np.repeat([1.0, -1.0, 0.0], [*counts, 200 - sum(counts)])
    first = compare((d > 0).astype(float), (d < 0).astype(float), margin=0.0)
    assert first.verdict == "undecided"
    n = 200 + first.n_to_settle
    cells = rng.multinomial(n, [counts[0] / 200, counts[1] / 200, 1 - sum(counts) / 200], size=10_000)
    z = np.abs(cells[:, 0] - cells[:, 1]) / np.sqrt(cells[:, 0] + cells[:, 1])
    assert np.mean(z > 1.959964) == pytest.approx(0.8, abs=0.02)


def test_rule_of_three():
    assert identical_p(149, 0.02) < 0.05 < identical_p(148, 0.02)
    assert identical_p(10, 0.0) == 1
    assert identical_p(10, 2.0) == 0
    assert n_to_settle(spread(0.0, 0.0, n=100), 0.02).items == 83
