"""Kaplan-Meier against a published example worked by hand, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bakeoff.errors import BakeoffError
from bakeoff.measure.survival import kaplan_meier

# Remission of leukaemia under 6-mercaptopurine, in weeks (Freireich et al. 1963; Klein & Moeschberger 2003, examples 4.1 and 4.2).
WEEKS = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
RELAPSE = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]


def test_the_textbook_example():
    found = kaplan_meier(WEEKS, RELAPSE)
    assert found.at.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert found.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert found.events.tolist() == [3, 1, 1, 1, 1, 1, 1]
    # 18/21, times 16/17, 14/15, 11/12, 10/11, 6/7 and 5/6.
    by_hand = np.cumprod([18 / 21, 16 / 17, 14 / 15, 11 / 12, 10 / 11, 6 / 7, 5 / 6])
    assert np.allclose(found.share, by_hand)
    assert np.round(found.share, 3).tolist() == [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    assert (found.n, found.reached, found.last) == (21, 9, 35.0)


def test_greenwood_and_its_log_log_interval_by_hand():
    found = kaplan_meier(WEEKS, RELAPSE)
    sums = 3 / (21 * 18) + 1 / (17 * 16) + 1 / (15 * 14)
    share = (18 / 21) * (16 / 17) * (14 / 15)
    assert share * math.sqrt(sums) == pytest.approx(0.0963, abs=1e-4)  # the book's standard error at 10 weeks
    width = 1.959964 * math.sqrt(sums) / abs(math.log(share))
    assert found.low[2] == pytest.approx(share ** math.exp(width), abs=1e-6)
    assert found.high[2] == pytest.approx(share ** math.exp(-width), abs=1e-6)


def test_median_with_interval():
    found = kaplan_meier(WEEKS, RELAPSE).median()
    assert found == (23.0, 13.0, None, 21)  # the upper end of the interval never falls to one half


def test_restricted_mean_is_the_area():
    """The book's 23.29 weeks up to 35 weeks, standard error 2.83 without m / (m - 1)."""
    found = kaplan_meier(WEEKS, RELAPSE).restricted_mean()
    assert found.mid == pytest.approx(23.29, abs=0.01)
    assert (found.high - found.mid) / 2.085963 == pytest.approx(2.83 * math.sqrt(9 / 8), abs=0.02)
    short = kaplan_meier(WEEKS, RELAPSE).restricted_mean(7)
    assert short.mid == pytest.approx(6 + 18 / 21)
    with pytest.raises(BakeoffError, match="watched that long"):
        kaplan_meier(WEEKS, RELAPSE).restricted_mean(36)


def test_without_censoring_it_is_the_plain_share():
    times = [5, 1, 4, 2, 3, 6]
    found = kaplan_meier(times, [True] * 6)
    assert np.allclose(found.share, [5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0])
    assert found.median().mid == 3.5 == np.median(times)
    assert found.restricted_mean().mid == pytest.approx(np.mean(times))
    assert found.low[-1] == 0.0 and found.high[-1] <= 1 - 0.025 ** (1 / 6)


def test_nobody_reached_it():
    found = kaplan_meier([10.0, 10.0, 7.0], [False] * 3)
    assert len(found.at) == 0
    assert found.median() == (None, None, None, 3)
    assert found.restricted_mean().mid == 10.0  # nothing was seen to be shorter


def test_half_reached_it_and_the_rest_was_stopped():
    found = kaplan_meier([1, 2, 9, 9], [True, True, False, False])
    assert found.median().mid == 2.0 and found.median().high is None


def test_the_last_one_had_it_but_others_were_stopped():
    found = kaplan_meier([1, 2, 3], [True, False, True])
    assert found.share[-1] == 0.0 and np.isnan(found.high[-1])


def test_censored_at_the_time_of_an_event_is_still_at_risk():
    assert kaplan_meier([5, 5, 6], [True, False, True]).at_risk.tolist() == [3, 1]


def test_all_at_once_and_one_alone():
    assert kaplan_meier([0.0] * 10, [True] * 10).median()[:2] == (0.0, 0.0)
    one = kaplan_meier([3.0], [True])
    assert one.median().mid == 3.0 and one.median().high is None


@pytest.mark.parametrize(("times", "reached"), [([], []), ([1.0], [True, False]), ([-1.0], [True]), ([math.nan], [True])])
def test_refuses_what_is_no_time(times, reached):
    with pytest.raises(BakeoffError, match="one finite time"):
        kaplan_meier(times, reached)


@pytest.mark.parametrize(("n", "least"), [(10, 0.90), (30, 0.92)])
def test_exponential_times_with_censoring(n, least):
    """Mean 1, stopped at uniform times up to 3: S(t) = exp(-t), its interval and the median's cover; 1,000 times (0.7 points)."""
    rng = np.random.default_rng(4)
    at, shares, inside, median = 0.5, [], 0, 0
    for _ in range(1000):
        times, stop = rng.exponential(1.0, n), rng.uniform(0.2, 3.0, n)
        found = kaplan_meier(np.minimum(times, stop), times <= stop)
        k = int(np.searchsorted(found.at, at, side="right")) - 1
        share, low, high = (found.share[k], found.low[k], found.high[k]) if k >= 0 else (1.0, 0.025 ** (1 / n), 1.0)
        shares.append(share)
        inside += not (low > math.exp(-at) or high < math.exp(-at))
        middle = found.median()
        median += (middle.low or 0.0) <= math.log(2) <= (math.inf if middle.high is None else middle.high)
    assert np.mean(shares) == pytest.approx(math.exp(-at), abs=0.015)
    assert least <= inside / 1000 <= 0.99
    assert least <= median / 1000 <= 0.995
