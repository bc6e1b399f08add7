"""Agreement with oneself: the shares against hand counts, their intervals by simulation, and sentences that claim no more."""

from __future__ import annotations

import re
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.decide import record
from bakeoff.errors import BakeoffError
from bakeoff.measure.consistency import Agreement, agreement, formats, percent, says


def as_record(found):
    """The record's model of the same figures, as `decide` makes it."""

    def plain(value):
        if hasattr(value, "_asdict"):
            return value._asdict()
        return {key: plain(each) for key, each in value.items()} if isinstance(value, dict) else value

    kind = getattr(record, type(found).__name__)
    return kind.model_validate({key: plain(getattr(found, key)) for key in asdict(found)})


def test_an_item_agrees_when_all_its_replies_are_the_same():
    raw = [["a", "a", "a"], ["a ", "a", "a"], ["a", "b", "a"], ["c", "c", "c"]]
    found = agreement(raw, [[reply.strip() for reply in row] for row in raw], 4)
    assert (found.items, found.repeats, found.concurrency, found.errors) == (4, 3, 4, 0)
    assert found.raw.mid == 0.5 and found.parsed.mid == 0.75 and found.raw.n == found.parsed.n == 4


def test_the_interval_is_clopper_and_pearsons():
    found = agreement([["a"] * 5] * 24, [["a"] * 5] * 24)
    assert found.parsed.high == 1 and found.parsed.low == pytest.approx(0.025 ** (1 / 24))
    found = agreement([["a", "b"]] * 10, [["a", "b"]] * 10)
    assert found.parsed.low == 0 and found.parsed.high == pytest.approx(1 - 0.025 ** (1 / 10))


def test_the_interval_covers_at_least_95_percent_for_few_items():
    rng = np.random.default_rng(0)
    for share in (0.5, 0.9, 0.98):
        missed = 0
        for _ in range(1500):
            rows = [["same", "same"] if same else ["one", "other"] for same in rng.random(24) < share]
            found = agreement(rows, rows).parsed
            missed += not found.low <= share <= found.high
        assert missed / 1500 <= 0.06, share


def test_a_failed_reply_leaves_the_item_out_and_is_counted():
    raw = [["a", None, "a"], ["a", "b", "b"], ["c", "c", "c"], [None, None, None]]
    found = agreement(raw, raw)
    assert found.errors == 4 and found.items == 4
    assert found.raw.n == found.parsed.n == 2 and found.parsed.mid == 0.5
    nothing = agreement([[None, "a"]], [[None, "a"]])
    assert nothing.raw is None and nothing.parsed is None and nothing.errors == 1


def test_no_answer_read_is_an_answer_of_its_own():
    raw = [["hm", "well", "er"], ["hm", "good", "good"]]
    found = agreement(raw, [[None, None, None], [None, "good", "good"]])
    assert found.errors == 0 and found.parsed.mid == 0.5 and found.raw.mid == 0


@given(st.lists(st.lists(st.sampled_from(["a", "b", None]), min_size=3, max_size=3), min_size=1, max_size=12))
def test_order_of_items_and_of_repeats_does_not_matter(rows):
    found = agreement(rows, rows)
    assert agreement(rows[::-1], rows[::-1]) == found
    turned = [row[::-1] for row in rows]
    assert agreement(turned, turned) == found
    assert (found.parsed.n if found.parsed else 0) == sum(None not in row for row in rows)


@pytest.mark.parametrize(
    ("raw", "parsed"),
    [([], []), ([["a"]], [["a"]]), ([["a", "a"], ["a"]], [["a", "a"], ["a"]]), ([["a", "a"]], [["a"]]), ([["a", "a"]], [])],
)
def test_tables_that_are_none_are_refused(raw, parsed):
    with pytest.raises(BakeoffError) as error:
        agreement(raw, parsed)
    assert error.value.fix


def test_formats_by_hand():
    targets = ["x", "x", "y", "y"]
    found = formats({"used": ["x", "x", "y", "y"], "b": ["x", "y", "y", None], "c": ["y", "y", "x", "x"]}, targets)
    assert {name: one.mid for name, one in found.metric.items()} == {"used": 1.0, "b": 0.5, "c": 0.0}
    assert list(found.metric) == ["used", "b", "c"]
    assert (found.lowest, found.median, found.highest) == (0.0, 0.5, 1.0)
    assert found.agreement.mid == 0 and found.agreement.n == 4
    same = formats({"a": ["x", None], "b": ["x", None]}, ["x", "y"])
    assert same.agreement.mid == 1 and same.lowest == same.highest == 0.5
    assert formats({"only": ["x"]}, ["x"]).agreement is None
    for values, right in (({}, ["x"]), ({"a": []}, []), ({"a": ["x"]}, ["x", "y"])):
        with pytest.raises(BakeoffError):
            formats(values, right)


def test_the_fields_are_those_of_the_record():
    again = agreement([["a", "b"], ["a", "a"]], [["a", "a"], ["a", "a"]], 3)
    assert set(asdict(again)) == set(record.Agreement.model_fields)
    kept = as_record(again)
    assert kept.raw.mid == 0.5 and kept.parsed.n == 2
    asked = formats({"a": ["x", "y"], "b": ["x", "x"]}, ["x", "y"])
    assert set(asdict(asked)) == set(record.Formats.model_fields)
    assert as_record(asked).metric["b"].high == asked.metric["b"].high
    assert says(as_record(again), None, as_record(asked)) == says(again, None, asked)


def test_what_is_said_of_perfect_agreement_is_not_certainty():
    text = says(agreement([["a"] * 5] * 24, [["a"] * 5] * 24))
    assert text == (
        "Asked the same 24 questions 5 times each, one at a time, it gave the same answer every time to all 24 "
        "(95% interval 86% to 100% of such questions)."
    )
    # Two questions show next to nothing, and the sentence says so.
    assert "all 2 (95% interval 16% to 100%" in says(agreement([["a", "a"]] * 2, [["a", "a"]] * 2))


def test_what_is_said_when_replies_differ_or_fail():
    raw = [["a", "a."], ["a", "b"], ["a", "a"], [None, "a"]]
    parsed = [["a", "a"], ["a", "b"], ["a", "a"], [None, "a"]]
    text = says(None, agreement(raw, parsed, 8))
    assert "with 8 requests in flight" in text
    assert "to 2 of 3 that could be compared (67%; 95% interval 9% to 99.2%)" in text
    assert "the same to the last character for 1 of 3 (33%;" in text
    assert text.endswith("1 reply of 8 failed; the 1 question concerned is not compared.")
    nothing = says(agreement([[None, None]], [[None, None]]))
    assert "nothing could be compared" in nothing and "2 replies of 2 failed" in nothing


def test_what_is_said_of_formats():
    targets = ["x"] * 10
    found = formats({"used": ["x"] * 9 + ["y"], "b": ["x"] * 5 + ["y"] * 5, "c": ["x"] * 7 + ["y"] * 3}, targets)
    text = says(formats=found)
    assert "in 3 formats" in text and "50% (95% interval 19% to 81%) in the worst" in text
    assert "90% (95% interval 55% to 99.7%) in the best" in text
    assert "70% in the median format and 90% in the one in use" in text
    assert "the same answer to 5 of 10" in text or "the same answer to 6 of 10" in text
    same = says(formats=formats({"a": ["x"], "b": ["x"]}, ["x"]))
    assert "in each of them" in same and "1 question in 2 formats" in same
    assert "one format only" in says(formats=formats({"a": ["x"]}, ["x"]))
    assert says() == ""


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_a_sentence_never_rounds_to_certainty(counts):
    n, same = counts
    rows = [["a", "a"]] * same + [["a", "b"]] * (n - same)
    text = says(agreement(rows, rows))
    assert ("100%" not in re.sub(r"to 100%", "", text)) and (("all " in text) == (same == n))
    assert f"{same:,} of {n:,}" in text or same == n


def test_percentages_near_the_ends():
    shown = [percent(share) for share in (0, 0.0004, 0.004, 0.5, 0.9949, 0.9996, 1)]
    assert shown == ["0%", "under 0.1%", "0.4%", "50%", "99.5%", "over 99.9%", "100%"]


def test_an_agreement_can_be_made_by_hand():
    assert says(Agreement(items=3, repeats=2, errors=6)).startswith("Asked the same 3 questions 2 times each, one at a time")
