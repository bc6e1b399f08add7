"""The minimum detectable effect: against the published counts, against drawn studies, and the truth of the verdicts it is about."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff.errors import BakeoffError
from bakeoff.measure.compare import compare, family
from bakeoff.measure.crossed import crossed
from bakeoff.measure.detectable import TYPICAL, Wobble, chance, detectable, forecast, wobble_of
from bakeoff.measure.power import items_for_power

GROUPS, EACH, SEEDS = 90, 7, 3
LABELS = np.repeat(np.arange(GROUPS), EACH)


def differences(rng: np.random.Generator, wobble: Wobble, size: float) -> np.ndarray:
    """Paired differences of shape (seeds, items) with these variances and this mean."""

    def part(variance: float) -> np.ndarray:
        own, each = rng.normal(size=GROUPS)[LABELS], rng.normal(size=len(LABELS))
        return np.sqrt(variance) * (np.sqrt(wobble.alike) * own + np.sqrt(1 - wobble.alike) * each)

    recurring = part(wobble.discordance * wobble.recurring)
    rows = [part(wobble.discordance * (1 - wobble.recurring)) + wobble.by_seed**0.5 * rng.normal() for _ in range(SEEDS)]
    return size + recurring + np.array(rows)


@pytest.mark.parametrize("points", [0.02, 0.03, 0.05])
def test_without_groups_and_seeds_it_is_connors_count_the_other_way_round(points: float) -> None:
    items = items_for_power(points, 0.1)
    found = detectable(forecast(Wobble(0.1, 1.0, 0.0), items, 1))
    assert found == pytest.approx(points, rel=0.02)


def test_more_items_seeds_and_smaller_groups_show_smaller_effects_and_more_changes_larger_ones() -> None:
    spread = forecast(TYPICAL, 600, 3)
    assert detectable(forecast(TYPICAL, 2400, 3)) < detectable(spread)  # type: ignore[operator]
    assert detectable(forecast(TYPICAL, 600, 10)) < detectable(spread)  # type: ignore[operator]
    assert detectable(forecast(TYPICAL, 600, 3, [i // 6 for i in range(600)])) > detectable(spread)  # type: ignore[operator]
    assert detectable(spread, alpha=0.01) > detectable(spread)  # type: ignore[operator]
    assert chance(spread, 0.0) <= 0.055 and chance(spread, 1.0) == 1.0
    assert chance(spread, 0.03) == chance(spread, -0.03) or abs(chance(spread, 0.03) - chance(spread, -0.03)) < 0.02


def test_where_nothing_that_can_be_would_be_found_there_is_no_figure() -> None:
    assert detectable(forecast(Wobble(1.0, 0.0, 0.0, 1.0), 4, 2)) is None


@pytest.mark.parametrize(
    ("wobble", "items", "seeds"), [(Wobble(-0.1, 0, 0), 10, 1), (Wobble(0.1, 2, 0), 10, 1), (TYPICAL, 1, 1), (TYPICAL, 10, 0)]
)
def test_what_cannot_be_is_refused(wobble: Wobble, items: int, seeds: int) -> None:
    with pytest.raises(BakeoffError):
        forecast(wobble, items, seeds)
    with pytest.raises(BakeoffError):
        detectable(forecast(TYPICAL, 10, 1), power=1.0)


@pytest.mark.parametrize("wobble", [Wobble(0.12, 0.0, 0.1), Wobble(0.12, 0.1, 0.1, 0.0001), Wobble(0.12, 0.4, 0.2)])
def test_what_is_foretold_is_found_in_four_of_five_drawn_studies(wobble: Wobble) -> None:
    rng, zero = np.random.default_rng(1), np.zeros((SEEDS, len(LABELS)))
    size = detectable(forecast(wobble, len(LABELS), SEEDS, LABELS.tolist()))
    assert size is not None
    hits = [compare(differences(rng, wobble, size), zero, clusters=LABELS.tolist(), margin=0.02).p < 0.05 for _ in range(200)]
    assert 0.72 <= np.mean(hits) <= 0.88  # 0.8 with 2.8 standard errors of 200 draws


def test_the_mean_squares_that_were_seen_give_back_what_they_were_drawn_from() -> None:
    rng, wobble = np.random.default_rng(2), Wobble(0.12, 0.3, 0.0, 0.0)
    seen = [crossed(differences(rng, wobble, 0.01)) for _ in range(40)]
    found = wobble_of(seen, len(LABELS))
    assert found is not None
    assert found.discordance == pytest.approx(0.12, rel=0.05) and found.recurring == pytest.approx(0.3, abs=0.05)
    again = forecast(found, len(LABELS), SEEDS)
    assert float(again.item) == pytest.approx(np.mean([one.item for one in seen]), rel=0.05)
    assert wobble_of([], 10) is None


def right_or_wrong(rng: np.random.Generator, change: float, arms: int) -> list[np.ndarray]:
    """Scores of `arms` set-ups whose trainings agree with each other as badly as with themselves; the second is better by `change`."""
    from scipy.special import ndtri

    def part() -> np.ndarray:
        return np.sqrt(0.1) * rng.normal(size=GROUPS)[LABELS] + np.sqrt(0.9) * rng.normal(size=len(LABELS))

    hard = np.sqrt(0.4) * rng.normal(size=GROUPS)[LABELS] + np.sqrt(0.6) * rng.normal(size=len(LABELS))
    levels = [ndtri(0.8 + (change if arm == 1 else 0.0)) for arm in range(arms)]
    return [
        np.array([np.sqrt(0.85) * hard + np.sqrt(0.15) * part() < level for _ in range(SEEDS)], dtype=float) for level in levels
    ]


def test_identical_set_ups_under_other_seeds_are_called_different_in_at_most_one_of_twenty_replays() -> None:
    rng, called = np.random.default_rng(3), 0
    for _ in range(100):
        base, *rest = right_or_wrong(rng, 0.0, 4)
        judged = family([compare(one, base, clusters=LABELS.tolist(), margin=0.02) for one in rest])
        called += any(one.verdict in ("superior", "inferior") for one in judged)
    assert called <= 5


def test_a_planted_change_of_five_points_is_found_in_at_least_eighty_of_a_hundred() -> None:
    rng = np.random.default_rng(4)
    tables = [right_or_wrong(rng, 0.05, 2) for _ in range(100)]
    found = [compare(better, base, clusters=LABELS.tolist(), margin=0.02).verdict == "superior" for base, better in tables]
    assert sum(found) >= 80
