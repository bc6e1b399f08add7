"""Checks on load tests, edge cases, small changes and repeats: what each one passes, what it does not, and what it refuses."""

from __future__ import annotations

import json
from functools import partial

import pytest

from bakeoff.contract import Interval
from bakeoff.errors import BadData
from bakeoff.measure import checks, serving_checks

ALL, MOST = Interval(1.0, 0.86, 1.0, 24), Interval(23 / 24, 0.79, 0.999, 24)


@pytest.mark.parametrize(
    ("finding", "outcome", "says"),
    [
        (partial(serving_checks.load_valid, "m", 0, []), "not_applicable", "not put under load"),
        (partial(serving_checks.load_valid, "m", 6, []), "passed", "All 6"),
        (partial(serving_checks.load_valid, "m", 6, ["server at 90/s: late", "server at 90/s: late"]), "tip", "2 of 6"),
        (partial(serving_checks.load_valid, "m", 1, ["single stream: late"]), "problem", "single stream: late"),
        (partial(serving_checks.load_errors, "m", 0, {}), "not_applicable", "no request"),
        (partial(serving_checks.load_errors, "m", 500, {}), "passed", "None of 500"),
        (partial(serving_checks.load_errors, "m", 500, {"timeout": 5}, "p95 latency <= 1 s"), "tip", "kept `p95 latency <= 1 s`"),
        (partial(serving_checks.load_errors, "m", 500, {"reset": 2, "timeout": 4}), "problem", "timeout (4); reset (2)"),
        (partial(serving_checks.edge_cases, "m", 0, 0, 0.5, "guessing"), "not_applicable", "no edge case"),
        (partial(serving_checks.edge_cases, "m", 80, 100, 0.5, "majority"), "passed", "80 of 100"),
        (partial(serving_checks.edge_cases, "m", 55, 100, 0.5, "majority"), "tip", "not shown to be better"),
        (partial(serving_checks.edge_cases, "m", 30, 100, 0.5, "majority"), "problem", "majority gets 50.0%"),
        (partial(serving_checks.flips, "m", None), "not_applicable", "no changed inputs"),
        (partial(serving_checks.flips, "m", Interval(0.03, 0.01, 0.08, 60)), "passed", "3.0% (1.0% to 8.0%)"),
        (partial(serving_checks.flips, "m", Interval(0.08, 0.04, 0.15, 60)), "tip", "not ruled out"),
        (partial(serving_checks.flips, "m", Interval(0.2, 0.12, 0.3, 60)), "problem", "20.0%"),
        (partial(serving_checks.asked_again, "m", None, None), "not_applicable", "not asked"),
        (partial(serving_checks.asked_again, "m", ALL, ALL), "passed", "100.0% of 24 items one at a time"),
        (partial(serving_checks.asked_again, "m", ALL, MOST), "problem", "95.8% of 24 items with others"),
        (partial(serving_checks.asked_again, "m", Interval(0.995, 0.97, 0.999, 200), None), "tip", "99.5% of 200"),
    ],
)  # fmt: skip
def test_each_check(finding, outcome, says):
    found = finding()
    assert (found.outcome, found.code) == (outcome, finding.func.code)
    assert says in found.says and found.says.endswith(".")
    assert found.title == checks.TITLES[found.code] and finding.func.__doc__.startswith(found.code)
    json.dumps(found.details, allow_nan=False)


@pytest.mark.parametrize(
    "wrong",
    [
        partial(serving_checks.load_valid, "m", 1, ["a", "b"]),
        partial(serving_checks.load_errors, "m", 5, {"timeout": 6}),
        partial(serving_checks.edge_cases, "m", 3, 10, 1.5, "x"),
    ],
)
def test_impossible_counts_are_an_outcome_of_their_own(wrong):
    with pytest.raises(BadData):
        wrong()
    (found,) = checks.run_checks([wrong])
    assert found.outcome == "could_not_run" and found.code == wrong.func.code and found.title == checks.TITLES[found.code]
