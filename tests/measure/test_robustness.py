from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from bakeoff.contract import Answer, Item
from bakeoff.decide import record
from bakeoff.errors import BakeoffError
from bakeoff.measure.robustness import BASE, KindResult, by_kind, flips, kept_share, overall, turned_share, wrong_by_all

ERROR, ABSTAINED = Answer(error="timed out"), Answer(abstained=True)


def say(**values: str | Answer) -> dict[str, Answer]:
    return {name: value if isinstance(value, Answer) else Answer(value) for name, value in values.items()}


def plain(name: str, target: str | None = "p", kind: str = "k", group: str | None = None) -> Item:
    return Item(name, name, target, group=group, meta={"kind": kind})


def copy(
    name: str, base: str, target: str | None = "p", kind: str = "typo", keeps: bool = True, group: str | None = None
) -> Item:
    return Item(name, name, target, group=group, meta={"kind": kind, "base": base, "keeps": keeps})


def test_the_fields_are_those_of_the_document() -> None:
    assert [field.name for field in dataclasses.fields(KindResult)] == list(record.KindResult.model_fields)


def test_by_kind_counts_right_judged_and_unanswered_and_gives_exact_intervals() -> None:
    items = [plain("a"), plain("b"), plain("c"), plain("d"), plain("e", None), plain("x", "n", "other")]
    first, second = by_kind(items, say(a="p", b="p", c="n", d=ERROR, e=ABSTAINED, x="n"))
    assert (first.kind, first.n, first.judged, first.right, first.unanswered) == ("k", 5, 4, 2, 2)
    exact = binomtest(2, 4).proportion_ci(method="exact")
    assert first.accuracy == pytest.approx((0.5, exact.low, exact.high, 4), abs=1e-9)
    assert (second.kind, second.right, second.pairs, second.flip_rate) == ("other", 1, 0, None)
    assert second.accuracy == pytest.approx((1.0, 0.025, 1.0, 1), abs=1e-9)


def test_an_input_without_a_right_answer_is_never_right_or_wrong() -> None:
    (found,) = by_kind([plain("a", None)], say(a="p"))
    assert (found.n, found.judged, found.right, found.accuracy) == (1, 0, 0, None)


@given(n=st.integers(1, 30), data=st.data())
def test_flip_rates_are_clopper_pearson_where_every_copy_has_its_own_base(n: int, data: st.DataObject) -> None:
    flipped = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    items, answers = [], {}
    for i, flip in enumerate(flipped):
        items += [plain(f"b{i}", kind=BASE), copy(f"c{i}", f"b{i}")]
        answers |= {f"b{i}": Answer("p"), f"c{i}": Answer("n" if flip else "p")}
    found = {one.kind: one for one in by_kind(items, answers)}["typo"]
    exact = binomtest(sum(flipped), n).proportion_ci(method="exact")
    assert (found.pairs, found.flips) == (n, sum(flipped))
    assert found.flip_rate == pytest.approx((sum(flipped) / n, exact.low, exact.high, n), abs=1e-9)
    assert len(flips(items, answers)) == sum(flipped)


def test_a_flip_is_a_change_of_answer_whether_right_or_wrong() -> None:
    items = [plain("b", kind=BASE), copy("same-wrong", "b"), copy("now-right", "b")]
    answers = say(**{"b": "n", "same-wrong": "n", "now-right": "p"})
    (found,) = flips(items, answers)
    assert (found.base.id, found.changed.id, found.before.value, found.after.value) == ("b", "now-right", "n", "p")


def test_an_error_or_abstention_on_either_side_is_unanswered_and_no_flip() -> None:
    items = [
        plain("b1", kind=BASE),
        copy("c1", "b1"),
        plain("b2", kind=BASE),
        copy("c2", "b2"),
        plain("b3", kind=BASE),
        copy("c3", "b3"),
    ]
    answers = say(b1=ERROR, c1="p", b2="p", c2=ABSTAINED, b3="p", c3="n")
    found = {one.kind: one for one in by_kind(items, answers)}
    assert (found["typo"].pairs, found["typo"].flips, found["typo"].unanswered) == (1, 1, 1)
    assert found[BASE].unanswered == 1
    assert [one.changed.id for one in flips(items, answers)] == ["c3"]
    assert kept_share(items[:4], answers) is None


def test_copies_that_need_not_stay_are_no_pairs() -> None:
    items = [plain("b", kind=BASE), copy("c", "b", "n", keeps=False), copy("d", "b", None, keeps=False)]
    answers = say(b="p", c="n", d="n")
    assert flips(items, answers) == [] and kept_share(items, answers) is None
    assert overall(items, answers).pairs == 0


def test_overall_leaves_bases_out_and_does_not_take_copies_of_one_base_for_independent() -> None:
    items, answers = [], {}
    for i in range(12):
        items.append(plain(f"b{i}", kind=BASE))
        answers[f"b{i}"] = Answer("p")
        for j in range(5):
            items.append(copy(f"c{i}-{j}", f"b{i}", kind=f"kind {j}"))
            answers[f"c{i}-{j}"] = Answer("n" if i < 3 else "p")  # three bases give way to every change, nine to none
    found = overall(items, answers)
    assert (found.kind, found.n, found.judged, found.right, found.pairs, found.flips) == ("all kinds", 60, 60, 45, 60, 15)
    assert found.flip_rate is not None and found.flip_rate.n == 12 and found.flip_rate.mid == 0.25
    independent = binomtest(15, 60).proportion_ci(method="exact")
    assert found.flip_rate.high - found.flip_rate.low > 1.5 * (independent.high - independent.low)
    kept = kept_share(items, answers)
    assert kept is not None and kept.n == 12 and kept.mid == 0.75
    assert kept.low == pytest.approx(1 - found.flip_rate.high) and kept.high == pytest.approx(1 - found.flip_rate.low)


def test_bases_of_one_group_are_one_cluster() -> None:
    items = [
        plain("b1", kind=BASE, group="g"),
        copy("c1", "b1", group="g"),
        plain("b2", kind=BASE, group="g"),
        copy("c2", "b2", group="g"),
    ]
    kept = kept_share(items, say(b1="p", c1="p", b2="p", c2="p"))
    assert kept is not None and kept.n == 1 and kept.mid == 1.0 and kept.low < 0.3


def test_the_interval_of_kept_share_covers_when_copies_stand_or_fall_together() -> None:
    """95% intervals over 20 bases with 8 copies each, whose flips hang on the base: they must cover about as often as they say."""
    rng = np.random.default_rng(3)
    hits = 0
    rounds = 400
    for _ in range(rounds):
        chance = rng.beta(3, 1, size=20)  # mean 0.75
        items, answers = [], {}
        for i in range(20):
            items.append(plain(f"b{i}", kind=BASE))
            answers[f"b{i}"] = Answer("p")
            for j in range(8):
                items.append(copy(f"c{i}-{j}", f"b{i}"))
                answers[f"c{i}-{j}"] = Answer("p" if rng.random() < chance[i] else "n")
        found = kept_share(items, answers)
        assert found is not None
        hits += found.low <= 0.75 <= found.high
    assert 0.92 <= hits / rounds <= 0.99


def test_direction_counts_copies_of_rightly_answered_bases_whose_right_answer_is_another() -> None:
    items = [plain("b1", kind=BASE), plain("b2", kind=BASE), plain("b3", kind=BASE), plain("b4", kind=BASE)]
    items += [copy(f"c{i}", f"b{i}", "n", "negation", keeps=False) for i in (1, 2, 3, 4)]
    items.append(copy("stays", "b1"))
    answers = say(b1="p", c1="n", b2="p", c2="p", b3="n", c3="n", b4="p", c4=ERROR, stays="n")
    found = turned_share(items, answers)
    exact = binomtest(1, 2).proportion_ci(method="exact")
    assert found == pytest.approx((0.5, exact.low, exact.high, 2), abs=1e-9)
    assert turned_share(items[:4], answers) is None


def test_wrong_by_all() -> None:
    items = [plain("a"), plain("b"), plain("c", None), plain("d"), plain("e", kind=BASE)]
    one = say(a="n", b="n", c="n", d="n", e="n")
    two = say(a="n", b="p", c="n", d=ERROR, e="n")
    assert [item.id for item in wrong_by_all(items, [one, two])] == ["a"]
    assert wrong_by_all(items, []) == []


def test_true_and_one_are_two_answers() -> None:
    items = [Item("b", "x", 1, meta={"kind": BASE}), Item("c", "y", 1, meta={"kind": "k", "base": "b", "keeps": True})]
    answers = {"b": Answer(1), "c": Answer(True)}
    assert len(flips(items, answers)) == 1 and overall(items, answers).right == 0


@pytest.mark.parametrize(
    ("items", "answers", "says"),
    [
        ([plain("a"), plain("a")], say(a="p"), "share an id"),
        ([plain("a"), plain("b")], say(a="p"), "1 of 2 probes have no answer"),
        ([copy("c", "gone")], say(c="p"), "made from 'gone'"),
    ],
)
def test_what_does_not_fit_together_is_refused(items: list[Item], answers: dict[str, Answer], says: str) -> None:
    for ask in (by_kind, overall, flips, kept_share, turned_share):
        with pytest.raises(BakeoffError, match=says) as caught:
            ask(items, answers)
        assert caught.value.fix
    with pytest.raises(BakeoffError, match=says):
        wrong_by_all(items, [answers])
