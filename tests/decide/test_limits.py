import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.contract import Interval
from bakeoff.decide.limits import MEASURES, parse_limit, parse_limits, probability_met
from bakeoff.errors import BakeoffError


@pytest.mark.parametrize(
    ("text", "measure", "operator", "bound", "normal"),
    [
        ("p95 latency <= 50 ms", "p95 latency", "<=", 0.05, "p95 latency <= 50 ms"),
        ("P90 latency under 0.2 seconds", "p90 latency", "<", 0.2, "p90 latency < 0.2 s"),
        ("latency p99 ≤ 900us", "p99 latency", "<=", 9e-4, "p99 latency <= 900 us"),
        ("accuracy at least 85%", "accuracy", ">=", 0.85, "accuracy >= 85%"),
        ("accuracy >= 0.85", "accuracy", ">=", 0.85, "accuracy >= 0.85"),
        ("macro f1 >= 0.8", "macro_f1", ">=", 0.8, "macro_f1 >= 0.8"),
        ("cost <= $0.10 per 1000", "cost per 1000", "<=", 0.10, "cost <= $0.10 per 1000"),
        ("cost <= 10 cents / 1,000 items", "cost per 1000", "<=", 0.10, "cost <= 10 cents per 1000"),
        ("cost at most US$5 a day", "cost per day", "<=", 5.0, "cost <= $5 per day"),
        ("memory <= 1 GB", "memory", "<=", 1e9, "memory <= 1 GB"),
        ("RAM <= 1 gib", "memory", "<=", 2**30, "memory <= 1 GiB"),
        ("model size <= 200MB", "model size", "<=", 2e8, "model size <= 200 MB"),
        ("errors <= 1%", "errors", "<=", 0.01, "errors <= 1%"),
        ("abstained <= 5 %", "abstained", "<=", 0.05, "abstained <= 5%"),
        ("cold start <= 10 s", "cold start", "<=", 10, "cold start <= 10 s"),
        ("throughput >= 50/s", "throughput", ">=", 50, "throughput >= 50/s"),
        ("throughput at least 3,600 per hour", "throughput", ">=", 1, "throughput >= 3600/h"),
        ("training time <= 10 minutes", "train time", "<=", 600, "train time <= 10 min"),
        ("log_loss <= 1.2", "log_loss", "<=", 1.2, "log_loss <= 1.2"),
    ],
)
def test_understood_and_put_in_normal_form(text, measure, operator, bound, normal):
    limit = parse_limit(text)
    assert (limit.measure, limit.operator, limit.text) == (measure, operator, normal)
    assert limit.bound == pytest.approx(bound)
    assert parse_limit(limit.text) == limit


def test_every_example_is_understood():
    for name, measure in MEASURES.items():
        assert parse_limit(measure.example).measure == name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("p95 latency 50 ms", "comparison"), ("latency <= 50 ms", "p95 latency <= 50 ms"), ("acuracy >= 85%", "accuracy"),
        ("p95 latency <= 50 MB", "ms"), ("p95 latency <= 50", "no unit"), ("p95 latency >= 50 ms", "wrong way"),
        ("throughput <= 5/s", "wrong way"), ("cost <= $5", "per day"), ("cost <= 5 euros per day", "euros"), ("memory <= lots", "number"),
        ("accuracy >= 85", "85%"), ("errors <= -1%", "nothing can keep"), ("<= 5", "not measured"), ("", "comparison"),
        ("p93 latency <= 1 s", "p9"), ("memory <= 1e999 GB", "nothing can keep"),
    ],
)  # fmt: skip
def test_a_wrong_limit_names_what_is_understood(text, says):
    with pytest.raises(BakeoffError) as caught:
        parse_limit(text)
    assert says in str(caught.value) and caught.value.fix


def test_the_same_limit_twice_counts_once():
    assert [limit.text for limit in parse_limits(["memory <= 1GB", "memory <= 1 GB"])] == ["memory <= 1 GB"]


@given(st.text(max_size=60))
def test_any_text_is_a_limit_or_a_bakeoff_error(text):
    try:
        assert parse_limit(parse_limit(text).text)
    except BakeoffError as error:
        assert error.what


def test_probability_at_the_middle_the_end_and_without_spread():
    limit, measured = parse_limit("p95 latency <= 50 ms"), lambda mid, low, high: Interval(mid, low, high, 90)
    assert probability_met(limit, measured(0.05, 0.04, 0.07)) == 0.5
    assert probability_met(limit, measured(0.03, 0.02, 0.05)) == pytest.approx(0.975)
    assert probability_met(limit, measured(0.06, 0.05, 0.09)) == pytest.approx(0.025)
    assert [probability_met(limit, measured(x, x, x)) for x in (0.05, 0.051)] == [1.0, 0.0]
    assert probability_met(parse_limit("p95 latency < 50 ms"), measured(0.05, 0.05, 0.05)) == 0.0
    assert probability_met(limit, None) is None
