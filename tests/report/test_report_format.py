import math

import pytest
from sample import study

from bakeoff.decide.record import Percentiles, Range
from bakeoff.report import format as form


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "—"),
        (math.nan, "—"),
        (0, "0 s"),
        (2.1e-6, "2.1 µs"),
        (0.00042, "0.42 ms"),
        (0.0123, "12.3 ms"),
        (0.3482, "348 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (3.214, "3.21 s"),
        (42.04, "42.0 s"),
        (59.96, "1 min 0 s"),
        (725, "12 min 5 s"),
        (7830, "2 h 10 min"),
        (-0.5, "−500 ms"),
    ],
)
def test_seconds_are_in_the_unit_a_person_would_use(value, shown):
    assert form.seconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "—"),
        (812, "812 bytes"),
        (23_500, "23.5 kB"),
        (400_000, "0.4 MB"),
        (6_240_000, "6.2 MB"),
        (412_000_000, "412 MB"),
        (1_310_000_000, "1.3 GB"),
        (999_600_000, "1.0 GB"),
    ],
)
def test_size(value, shown):
    assert form.size(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "—"),
        (0, "$0"),
        (4e-7, "< $0.00001"),
        (0.00123, "$0.0012"),
        (0.0104, "$0.010"),
        (0.424, "$0.42"),
        (12.3, "$12.30"),
        (1234.4, "$1,234"),
        (-0.5, "−$0.50"),
    ],
)
def test_usd(value, shown):
    assert form.usd(value) == shown


def test_money_shows_all_three_figures_at_one_precision():
    assert form.usd_range(Range(mid=0.0012, low=0.00113, high=0.0013, n=9)) == "$0.0012 ($0.0011 to $0.0013)"
    assert form.usd_range(None) == "—"


def test_score_with_interval():
    accuracy = Range(mid=0.8864, low=0.8712, high=0.8999, n=872)
    assert form.score(accuracy, "accuracy", study()) == "88.6% (87.1 to 90.0)"
    assert form.score(accuracy, "log_loss", study()) == "0.886 (0.871 to 0.900)"
    assert form.score(accuracy, "accuracy", study(percent=False)) == "0.886 (0.871 to 0.900)"
    assert form.score(None, "accuracy", study()) == "—"
    assert form.score(Range(mid=math.nan, low=0, high=1, n=1), "accuracy", study()) == "—"


def test_differences_are_signed_points_and_zero_has_no_sign():
    assert form.points(0.0234) == "+2.3 points"
    assert form.difference(-0.0234, percent_points=True) == "−2.3"
    assert form.difference(-0.00001, percent_points=True) == "0.0"
    assert form.difference(0.0412, percent_points=False) == "+0.041"


def test_shares_claim_no_certainty_that_was_not_measured():
    assert form.share(0.9991) == "over 99%"
    assert form.share(0.004) == "under 1%"
    assert (form.share(0.0), form.share(1.0), form.share(0.834)) == ("0%", "100%", "83%")


def test_a_percentile_without_enough_samples_is_no_number():
    few = Percentiles(p50=0.01, n=24)
    assert form.percentile(few, "p50") == "10.0 ms"
    assert form.percentile(few, "p90") == "n too small (n = 24)"
    assert form.percentile(Percentiles(), "p50") == "—"
    known = Percentiles(p90=0.02, n=120, low={"p90": 0.018}, high={"p90": 0.025})
    assert form.percentile_range(known, "p90") == "20.0 ms (18.0 ms to 25.0 ms)"


def test_volume_number_and_settings():
    assert form.rounded(2_458_277) == "2,460,000"
    assert form.volume(41_234) == "41,200 a day"
    assert form.volume(12.34) == "12.3 a day"
    assert [form.number(v) for v in (0, 0.0412345, 27.31, 1240.2)] == ["0", "0.0412", "27.3", "1,240"]
    assert form.setting({"a": [1, 2], "b": None, "c": True, "d": 5e-5}) == "a: 1, 2, b: none, c: yes, d: 5e-05"
