"""Figures of load, edge cases and repeats: as limits, as criteria, and None where nobody measured them."""

from __future__ import annotations

import pytest
from candidates import document, edge_set, hard, repeated, result, served, share, step

from bakeoff.decide import beside
from bakeoff.decide.limits import MEASURES, check_measured, parse_limit, probability_met
from bakeoff.decide.record import Document, Percentiles, Range
from bakeoff.decide.redo import redecide
from bakeoff.decide.values import CRITERIA, anchors_for, figure, figures, value
from bakeoff.errors import BakeoffError
from bakeoff.study import Study

FLOOR = result("majority", 0.62, p90=1e-5, rate=1e5, mb=60, half=0.01)
TUNED = result("tuned", 0.88, p90=0.018, rate=80, mb=900)
LLM = result(
    "llm", 0.86, p90=0.3, rate=4, mb=1600, settings={"shots": 4}, tokens_in=100.0, tokens_out=2.0, chosen={"examples": 4}
)
KEPT = Range(mid=0.9, low=0.85, high=0.93, n=50)


def measured(**study) -> Document:
    """Two approaches and the floor, with everything measured of `tuned` and something of `llm`."""
    kinds = {"tuned": [hard("tuned", 5, 14, kind="negation"), hard("tuned", 45, 46, kind="typos")]}
    return document(FLOOR, TUNED, LLM, **study).model_copy(
        update={
            "serving": [served("tuned", 40.0, 60.0), served("llm", None, 1.5, first_token=0.4)],
            "edge_sets": [
                edge_set({"majority": hard("majority", 30, 60), "tuned": hard("tuned", 50, 60, 4, 20), "llm": hard("llm", 42, 60, 9, 20)}, kinds)
            ],
            "consistency": [repeated("tuned", 24, kept=KEPT), repeated("llm", 20)],
        }
    )  # fmt: skip


def test_every_figure_is_found_by_name_and_none_is_made_up():
    made = measured()
    assert beside.served_rate(made, "tuned") == (40.0, 40.0, 60.0, 400)
    assert beside.served_rate(made, "llm") is None and beside.served_rate(made, "majority") is None
    assert beside.first_token(made, "tuned", "p90").mid == 0.05 and beside.first_token(made, "tuned", "p99") is None
    assert beside.edge_accuracy(made, "tuned").mid == pytest.approx(50 / 60)
    # Changed copies of the study's own items go before the written pairs; without them the written pairs count.
    assert beside.flips(made, "tuned") == pytest.approx((0.1, 0.07, 0.15, 50))
    assert beside.flips(made, "llm").mid == pytest.approx(9 / 20)
    assert beside.consistency(made, "llm").mid == pytest.approx(20 / 24)
    for measure in MEASURES:
        found = figure(FLOOR, measure, document(FLOOR))
        assert found is None or not measure.startswith(("served", "edge", "flips", "consistency")), measure


def test_a_first_token_that_the_client_spoilt_is_no_figure():
    spoilt = step(None, "not_judged", valid=False, first_token_seconds=Percentiles(p90=0.05, n=200))
    made = document(TUNED).model_copy(update={"serving": [served("tuned", 40.0, single=spoilt)]})
    assert beside.first_token(made, "tuned", "p90") is None


def test_several_written_sets_are_taken_together():
    two = [edge_set({"tuned": hard("tuned", 10, 20)}), edge_set({"tuned": hard("tuned", 60, 60)}, name="other")]
    found = beside.edge_accuracy(document(TUNED).model_copy(update={"edge_sets": two}), "tuned")
    assert found.mid == pytest.approx(70 / 80) and found.n == 80
    alone = beside.edge_accuracy(document(TUNED).model_copy(update={"edge_sets": two[:1]}), "tuned")
    assert (alone.low, alone.high) == pytest.approx((share(10, 20).low, share(10, 20).high))
    assert found.high - found.low < alone.high - alone.low
    generated = edge_set({"tuned": hard("tuned", 0, 20)}, source="generated")
    assert beside.edge_accuracy(document(TUNED).model_copy(update={"edge_sets": [generated]}), "tuned") is None


@pytest.mark.parametrize(
    ("text", "measure", "bound", "normal"),
    [
        ("served rate at least 5 per second", "served rate", 5.0, "served rate >= 5/s"),
        ("highest rate >= 300/min", "served rate", 5.0, "served rate >= 300/min"),
        ("p95 TTFT <= 200ms", "p95 first token", 0.2, "p95 first token <= 200 ms"),
        ("p90 time to first token below 1 s", "p90 first token", 1.0, "p90 first token < 1 s"),
        ("edge accuracy >= 70%", "edge accuracy", 0.7, "edge accuracy >= 70%"),
        ("flips at most 10%", "flips", 0.1, "flips <= 10%"),
        ("flip rate <= 0.1", "flips", 0.1, "flips <= 0.1"),
        ("consistency >= 99%", "consistency", 0.99, "consistency >= 99%"),
    ],
)  # fmt: skip
def test_limits_on_them_are_understood(text, measure, bound, normal):
    limit = parse_limit(text)
    assert (limit.measure, limit.text) == (measure, normal) and limit.bound == pytest.approx(bound)
    assert parse_limit(limit.text) == limit


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("served rate <= 5/s", "wrong way"), ("first token <= 200 ms", "p95 first token"), ("ttft <= 1 s", "p95 first token"),
        ("flips >= 10%", "wrong way"), ("flips <= 10", "10%"), ("edge accuracy >= 70", "70%"), ("served rate >= 5 ms", "/s"),
    ],
)  # fmt: skip
def test_a_wrong_limit_on_them_is_answered(text, says):
    with pytest.raises(BakeoffError) as caught:
        parse_limit(text)
    assert says in str(caught.value) and caught.value.fix


def test_a_limit_on_what_the_study_does_not_measure_is_refused_before_it_runs():
    asked = {"study": "s", "task": "text", "data": {"source": "x.csv"}, "approaches": ["majority"]}
    for text, sections in (
        ("served rate >= 5/s", ["serving"]), ("p95 first token <= 1 s", ["serving"]), ("edge accuracy >= 70%", ["edge_cases"]),
        ("flips <= 10%", ["edge_cases"]), ("consistency >= 99%", ["consistency", "serving"]),
    ):  # fmt: skip
        limit = parse_limit(text)
        with pytest.raises(BakeoffError, match=sections[0]):
            check_measured([limit], Study.model_validate(asked))
        check_measured([limit], Study.model_validate({**asked, **{section: {} for section in sections}}))
    check_measured([parse_limit("p95 latency <= 1 s")], Study.model_validate(asked))


def test_what_was_not_measured_never_meets_a_limit():
    for limit in ("served rate >= 1/s", "p90 first token <= 10 s", "edge accuracy >= 1%", "flips <= 99%", "consistency >= 1%"):
        bare = redecide(document(FLOOR, TUNED), limits=[limit])
        assert bare.verdict.kind == "none_within_limits" and "not measured" in bare.verdict.sentence, limit
        assert all(not one.within_limits and one.limits == {} for one in bare.approaches)


def test_the_limits_choose():
    assert redecide(measured()).verdict.choice == "tuned"
    assert redecide(measured(), limits=["served rate >= 30/s"]).verdict.choice == "tuned"
    slow = measured().model_copy(update={"serving": [served("tuned", 3.0, 5.0), served("llm", 8.0, 9.0)]})
    found = redecide(slow, limits=["served rate >= 7/s"])
    assert found.verdict.choice == "llm" and "Without the limit `served rate >= 7/s`, tuned" in " ".join(
        found.verdict.would_change
    )
    named = redecide(slow, limits=["served rate >= 30/s"]).verdict.sentence
    assert "served rate >= 30/s (measured: 3.0 requests per second)" in named


def test_between_the_rate_that_was_kept_and_the_one_that_was_not_is_less_than_even():
    rate = beside.served_rate(measured(), "tuned")
    kept, between, beyond = (probability_met(parse_limit(f"served rate >= {r}/s"), rate) for r in (40, 45, 70))
    assert kept == 1.0 and 0 < between < 0.5 and beyond < 0.025


def test_criteria_are_there_without_weight_and_count_when_given_one():
    made = measured()
    plain = redecide(made)
    bare = redecide(document(FLOOR, TUNED, LLM))
    new = ("served_rate", "first_token", "edge_cases", "flips", "consistency")
    assert all(CRITERIA[name].weight == 0 and plain.sensitivity.weights[name] == 0 for name in new)
    assert plain.sensitivity.weights == bare.sensitivity.weights and plain.verdict.choice == bare.verdict.choice
    anchors = anchors_for(plain)
    tuned = figures(TUNED, plain, anchors)
    assert {name: tuned[name].mid for name in new} == pytest.approx(
        {"served_rate": 40.0, "first_token": 0.05, "edge_cases": 50 / 60, "flips": 0.1, "consistency": 1.0}
    )
    assert value(anchors["served_rate"], 40.0) == pytest.approx(0.8010, abs=1e-3) and value(anchors["first_token"], 0.05) == 1.0
    weighed = redecide(made, weights={"edge_cases": 0.4, "consistency": 0.2})
    assert weighed.sensitivity.weights["edge_cases"] == 0.4 and redecide(weighed) == weighed
    unmeasured = redecide(document(FLOOR, TUNED), weights={"consistency": 0.3})
    assert any("Consistency was not measured" in said for said in unmeasured.sensitivity.changes)


def test_a_figure_never_turns_into_another_measure_where_part_is_missing():
    made = measured()
    copies = edge_set({"tuned": hard("tuned", 40, 50, 5, 50)}, source="generated", name="mine")
    with_copies = made.model_copy(update={"edge_sets": [*made.edge_sets, copies]})
    # The llm was asked the written pairs only: its flips on those are not comparable with the others' on changed copies.
    assert beside.flips(with_copies, "tuned").n == 50 and beside.flips(with_copies, "llm") is None
    second = edge_set({"tuned": hard("tuned", 10, 40)}, name="harder")
    two = made.model_copy(update={"edge_sets": [*made.edge_sets, second]})
    assert beside.edge_accuracy(two, "tuned").mid == pytest.approx(60 / 100)
    assert beside.edge_accuracy(two, "llm") is None


def test_a_limit_above_every_rate_that_is_tried_is_refused_before_it_runs():
    study = Study.model_validate(
        {"study": "x", "task": "text", "data": {"source": "a.csv"}, "approaches": ["majority"], "serving": {"highest_rate": 400}}
    )
    check_measured([parse_limit("served rate >= 400/s")], study)
    with pytest.raises(BakeoffError, match="no higher rate is tried"):
        check_measured([parse_limit("served rate >= 500/s")], study)
