"""Arrivals: the right law, one schedule whatever the number of workers, and a short one begins as a long one does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bakeoff.errors import BakeoffError
from bakeoff.load.schedule import arrivals, representative_seed


def test_poisson_gaps_are_exponential_and_independent() -> None:
    from scipy.stats import kstest

    offsets = arrivals("poisson", 50.0, 400.0, 7)
    gaps = np.diff(np.concatenate([[0.0], offsets]))
    assert kstest(gaps * 50.0, "expon").pvalue > 0.01
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 3 / np.sqrt(len(gaps))
    # Counts per second of a Poisson process have a variance equal to their mean; those of a regular one have next to none.
    counts = np.bincount(offsets.astype(int), minlength=400)
    assert 0.8 < counts.var() / counts.mean() < 1.25
    assert len(offsets) == pytest.approx(20_000, abs=4 * np.sqrt(20_000))


def test_constant_gaps_are_the_same() -> None:
    assert arrivals("constant", 4.0, 2.0, 0).tolist() == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    assert len(arrivals("constant", 10.0, 0.3, 0)) == 3


@pytest.mark.parametrize("kind", ["poisson", "constant"])
@pytest.mark.parametrize("workers", [2, 3, 7])
def test_workers_together_send_exactly_the_one_schedule(kind: Any, workers: int) -> None:
    whole = arrivals(kind, 30.0, 20.0, 5)
    shares = [arrivals(kind, 30.0, 20.0, 5, worker=worker, workers=workers) for worker in range(workers)]
    np.testing.assert_array_equal(np.sort(np.concatenate(shares)), whole)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("kind", ["poisson", "constant"])
def test_a_shorter_schedule_is_the_beginning_of_a_longer_one(kind: Any) -> None:
    long = arrivals(kind, 100.0, 60.0, 1)
    short = arrivals(kind, 100.0, 15.0, 1)
    np.testing.assert_array_equal(short, long[: len(short)])
    assert short[-1] < 15.0 <= long[len(short)]
    np.testing.assert_array_equal(arrivals(kind, 100.0, None, 1, requests=1500), long[:1500])
    assert len(arrivals(kind, 100.0, 60.0, 1, requests=10)) == 10


def test_a_seed_gives_one_schedule_and_another_seed_another() -> None:
    np.testing.assert_array_equal(arrivals("poisson", 9.0, 9.0, 3), arrivals("poisson", 9.0, 9.0, 3))
    assert arrivals("poisson", 9.0, 9.0, 3)[0] != arrivals("poisson", 9.0, 9.0, 4)[0]


def test_twice_the_rate_is_the_same_schedule_in_half_the_time() -> None:
    np.testing.assert_allclose(arrivals("poisson", 20.0, 5.0, 3), arrivals("poisson", 10.0, 10.0, 3) / 2)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("bursty", 1.0, 1.0, 0), "bursty"),
        (("poisson", 0.0, 1.0, 0), "rate"),
        (("poisson", float("nan"), 1.0, 0), "rate"),
        (("poisson", 1.0, 0.0, 0), "empty"),
        (("poisson", 1.0, None, 0), "end"),
        (("poisson", 1e9, 1e9, 0), "at most"),
    ],
)
def test_what_is_no_schedule_is_refused(given: Any, says: str) -> None:
    with pytest.raises(BakeoffError, match=says):
        arrivals(*given)
    with pytest.raises(BakeoffError, match="worker 2 of 2"):
        arrivals("poisson", 1.0, 1.0, 0, worker=2, workers=2)


def test_a_representative_seed_asks_for_the_rate_it_says() -> None:
    for rate, requests in ((3.0, 60), (25.0, 100), (400.0, 1500)):
        first = 0
        for _ in range(5):
            seed = representative_seed("poisson", rate, requests, first)
            assert seed >= first
            assert abs(requests / arrivals("poisson", rate, None, seed, requests=requests)[-1] / rate - 1) <= 0.02
            first = seed + 1
    assert representative_seed("constant", 5.0, 10, 7) == 7
