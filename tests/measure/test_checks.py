"""Every check: a study it passes, one it does not, and what it says when it cannot run."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path

import pytest

from bakeoff.contract import Answer, Finding, Interval, Item
from bakeoff.errors import BadData
from bakeoff.measure import checks

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "checks.md"
LONG = "the quick brown fox jumps over the lazy dog and then sleeps all day in the warm afternoon sun"
ok, bad = Answer("a"), Answer(error="429")


def leak(test_text):
    return {
        "train": [("t1", LONG), ("t2", "something else")],
        "valid": [("v1", "third text")],
        "test": [("e1", test_text), ("e2", "fresh")],
    }


@pytest.mark.parametrize(
    ("finding", "outcome", "says"),
    [
        (partial(checks.exact_leak, leak("new")), "passed", "None of the 2"),
        (partial(checks.exact_leak, leak("  Third TEXT")), "problem", "e1 = valid v1"),
        (partial(checks.exact_leak, {"train": [("1", "x")]}), "not_applicable", "no test split"),
        (partial(checks.near_leak, leak(LONG)), "passed", "None of the 2"),
        (partial(checks.near_leak, leak(LONG + " so")), "problem", "e1 = train t1"),
        (partial(checks.too_few_items, 1960, 0.02), "passed", "1,960"),
        (partial(checks.too_few_items, 500, 0.02), "problem", "about 1,960 are needed"),
        (partial(checks.few_per_class, ["a", "b"] * 10, ["a", "b"] * 10), "passed", "at least 10"),
        (partial(checks.few_per_class, ["a", "b"] * 10, ["a"] * 10 + ["b"]), "tip", "'b' (10 train, 1 test)"),
        (partial(checks.few_per_class, ["a"] * 10, ["a", "b"] * 10), "problem", "'b' (0 train, 10 test)"),
        (partial(checks.few_per_class, [], ["a"]), "not_applicable", "no labels"),
        (partial(checks.worse_than_floor, "x", "floor", Interval(0.2, 0.1, 0.3, 99)), "passed", "is better than floor"),
        (partial(checks.worse_than_floor, "x", "floor", Interval(0.01, -0.1, 0.1, 99)), "tip", "not shown"),
        (partial(checks.worse_than_floor, "x", "floor", Interval(-0.01, -0.1, 0.1, 99)), "problem", "worse than floor"),
        (partial(checks.worse_than_floor, "floor", "floor", Interval(0, 0, 0, 99)), "not_applicable", "is the floor"),
        (partial(checks.labels_alike, ["good", "bad"]), "passed", "2 labels"),
        (partial(checks.labels_alike, ["Good", "good ", "bad"]), "problem", "'Good' (1) and 'good ' (1)"),
        (partial(checks.imbalance, ["a"] * 8 + ["b"] * 2), "passed", "80.0%"),
        (partial(checks.imbalance, ["a"] * 9 + ["b"]), "tip", "90.0%"),
        (partial(checks.imbalance, []), "not_applicable", "no labels"),
        (partial(checks.conflicting_labels, [("1", "x", "a"), ("2", "y", "b")]), "passed", "No text"),
        (partial(checks.conflicting_labels, [("1", "x", "a"), ("2", " X", "b"), ("3", "x", "a")]), "tip", "at least 1 of 3"),
        (partial(checks.duplicates_within, [("1", "x"), ("2", "y")]), "passed", "No text"),
        (partial(checks.duplicates_within, [("1", "x"), ("2", "X"), ("3", "y")]), "problem", "1 of 3 items of test"),
        (partial(checks.errors, "llm", [ok] * 99), "passed", "99"),
        (partial(checks.errors, "llm", [ok] * 99 + [bad]), "tip", "1 of llm's 100"),
        (partial(checks.errors, "llm", [ok] * 98 + [bad] * 2), "problem", "429 (2)"),
        (partial(checks.errors, "llm", []), "not_applicable", "no answers"),
        (partial(checks.abstentions, "llm", [ok, Answer(abstained=True)]), "tip", "declined 1 of 2"),
        (partial(checks.abstentions, "llm", [ok, bad]), "passed", "none of 2"),
        (partial(checks.abstentions, "llm", []), "not_applicable", "no answers"),
        (partial(checks.single_seed, 1), "tip", "One seed"),
        (partial(checks.single_seed, 3), "passed", "3 seeds"),
        (partial(checks.bad_probabilities, "m", [ok]), "not_applicable", "no probabilities"),
        (partial(checks.bad_probabilities, "m", [Answer("a", probabilities={"a": 0.4, "b": 0.6})]), "passed", "sum to 1"),
        (partial(checks.bad_probabilities, "m", [Answer("a", probabilities={"a": 1.4})]), "problem", "1 of 1"),
    ],
)
def test_each_check(finding, outcome, says):
    found = finding()
    assert (found.outcome, found.code) == (outcome, finding.func.code)
    assert says in found.says
    assert found.title == checks.TITLES[found.code] and finding.func.__doc__.startswith(found.code)
    json.dumps(found.details, allow_nan=False)


def test_a_few_near_leaks_are_only_a_tip():
    texts = leak(LONG + " so")
    texts["test"] = [*texts["test"], *((f"n{i}", f"{i} {i * 7919} unlike {i * 31} others") for i in range(200))]
    assert checks.near_leak(texts).outcome == "tip"


def test_items_needed_are_those_of_the_methods():
    assert [checks.items_needed(margin) for margin in (0.01, 0.02, 0.03, 0.05)] == [7847, 1960, 870, 312]
    assert checks.items_needed(0.5) == checks.items_needed(0.1)
    with pytest.raises(BadData):
        checks.items_needed(0)


def test_long_lists_are_cut():
    texts = {"train": [(str(i), f"text {i}") for i in range(400)], "test": [(str(i), f"TEXT {i}") for i in range(400)]}
    found = checks.exact_leak(texts)
    assert found.details["leaked"] == 400 and len(found.details["pairs"]) == 100
    assert found.says.endswith("and 395 more.")


def test_a_broken_check_is_shown_and_stops_nothing():
    def broken():
        raise ZeroDivisionError("a column\nis empty")

    several = [Finding("BK900", "x", "passed", "fine")] * 2
    found = checks.run_checks(
        [
            partial(checks.single_seed, 3),
            broken,
            partial(partial(checks.exact_leak), None),
            lambda: several,
            partial(checks.too_few_items, 5, 0),
        ]
    )
    assert [f.outcome for f in found] == ["passed", "could_not_run", "could_not_run", "passed", "passed", "could_not_run"]
    assert [f.code for f in found] == ["BK012", "BK000", "BK001", "BK900", "BK900", "BK003"]
    assert found[1].says == "This check could not run: ZeroDivisionError: a column is empty"
    assert found[2].title == "Exact duplicates across splits"


def test_a_check_never_swallows_an_interrupt():
    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checks.run_checks([stopped])


def test_hashes():
    items = [Item("1", {"a": 1, "b": "é"}, "x"), Item("2", {"a": 2}, "y")]
    first = checks.hashes(items)
    assert first == checks.hashes(reversed([Item("1", {"b": "é", "a": 1}, "x"), items[1]]))
    changed = checks.hashes([items[0], Item("2", {"a": 2}, "x")])
    assert changed["x"] == first["x"] and changed["y"] != first["y"]
    assert checks.hashes([])["x"] == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for wrong in ([Item("1", math.nan)], [Item("1", b"x")], [Item("1", "a"), Item("1", "b")]):
        with pytest.raises(BadData):
            checks.hashes(wrong)


def test_every_code_has_its_section():
    page = PAGE.read_text(encoding="utf-8")
    sections = page.split("\n## ")[1:]
    assert [section.splitlines()[0] for section in sections] == [f"{code} {title}" for code, title in checks.TITLES.items()]
    for section in sections:
        assert "**Why it matters.**" in section and "**What to do.**" in section, section[:20]
