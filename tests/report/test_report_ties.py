import itertools

import pytest
import sample
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.decide import record as r
from bakeoff.report import ties


def made(scores, verdicts):
    """A document with the given scores and, by pair, the given verdicts."""
    base = sample.minimal()
    results = [
        r.ApproachResult(
            name=name, use=name, metrics={"accuracy": r.Range(mid=value, low=value - 0.01, high=value + 0.01, n=100)}
        )
        for name, value in scores.items()
    ]
    pairs = [
        r.Pair(a=a, b=b, metric="accuracy", difference=r.Range(mid=0, low=-1, high=1, n=100), p=0.5, p_raw=0.5, verdict=verdict)
        for (a, b), verdict in verdicts.items()
    ]
    return base.model_copy(update={"approaches": results, "pairs": pairs})


def test_letters_are_not_ranks_where_ties_are_not_transitive():
    document = made({"a": 0.9, "b": 0.89, "c": 0.88}, {("a", "b"): "undecided", ("b", "c"): "equivalent", ("a", "c"): "superior"})
    assert ties.letters(document) == {"a": ("a",), "b": ("a", "b"), "c": ("b",)}
    assert ties.tied_with(document) == {"a": ["b"], "b": ["a", "c"], "c": ["b"]}
    assert "not a rank" in ties.order_note(document)


def test_a_pair_that_was_never_compared_is_not_told_apart():
    assert ties.letters(made({"a": 0.9, "b": 0.1}, {})) == {"a": ("a",), "b": ("a",)}


def test_every_pair_told_apart():
    document = made({"a": 0.9, "b": 0.5}, {("b", "a"): "inferior"})
    assert ties.letters(document) == {"a": ("a",), "b": ("b",)}
    assert "every pair was told apart" in ties.order_note(document)


def test_order_follows_the_direction_of_the_metric_and_names_break_ties():
    document = made({"b": 0.5, "a": 0.5, "c": 0.1}, {})
    assert ties.measured(document) == ["a", "b", "c"]
    lower = document.model_copy(update={"study": sample.study(higher_is_better=False)})
    assert ties.measured(lower) == ["c", "a", "b"]


def test_order_note_without_and_with_one_approach():
    assert ties.order_note(sample.minimal()) == "No approach was measured."
    assert "nothing to compare" in ties.order_note(made({"a": 0.5}, {}))


def test_a_pair_seen_from_the_other_side():
    seen = ties.seen_from(sample.document())
    one, other = seen["finetuned-encoder", "tfidf-linear"], seen["tfidf-linear", "finetuned-encoder"]
    assert (one.verdict, other.verdict) == ("superior", "inferior")
    assert (one.mid, one.low, one.high) == pytest.approx((-other.mid, -other.high, -other.low))


@given(st.lists(st.booleans(), min_size=15, max_size=15))
def test_two_share_a_letter_exactly_when_they_were_not_told_apart(apart):
    names = ["a", "b", "c", "d", "e", "f"]
    wanted = dict(zip(itertools.combinations(names, 2), apart, strict=True))
    verdicts = {pair: "superior" if differ else "undecided" for pair, differ in wanted.items()}
    found = ties.letters(made({name: 0.9 - i / 20 for i, name in enumerate(names)}, verdicts))
    for (a, b), differ in wanted.items():
        assert bool(set(found[a]) & set(found[b])) != differ
