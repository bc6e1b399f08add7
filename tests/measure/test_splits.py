"""Splits are disjoint, complete, stratified, and part neither groups nor copies, whatever the data."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.contract import Item, Splits
from bakeoff.errors import BadData
from bakeoff.measure.splits import make_units, sample_items, split_items

WORDS = [
    "able",
    "baker",
    "candle",
    "dozen",
    "ember",
    "fable",
    "garden",
    "harbor",
    "island",
    "jacket",
    "kettle",
    "ladder",
    "marble",
    "needle",
    "orchid",
    "pepper",
]


def make(n: int, classes: int = 2, *, skew: float = 1.0, seed: int = 0, group_of=lambda i: None) -> list[Item]:
    """`n` items with texts that are far apart and class k in proportion to ``skew ** k``."""
    dice = random.Random(seed)
    labels = dice.choices([f"c{k}" for k in range(classes)], [skew**k for k in range(classes)], k=n)
    return [
        Item(id=str(i), input=f"{i} " + " ".join(dice.choices(WORDS, k=8)) + f" {i * 7919}", target=label, group=group_of(i))
        for i, label in enumerate(labels)
    ]


def no_copies(texts: object) -> list[list[int]]:
    return []


def parts(items: list[Item], splits: Splits, seed: int) -> list[set[str]]:
    found = [set(splits.test), set(splits.valid[seed]), set(splits.train[seed])]
    assert sum(map(len, found)) == len(set.union(*found)) == len(items), "disjoint and complete"
    assert all(found), "none is empty"
    return found


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n=st.integers(40, 300),
    classes=st.integers(2, 5),
    skew=st.sampled_from([1.0, 0.7, 0.4]),
    test=st.sampled_from([0.1, 0.25, 0.5]),
    valid=st.sampled_from([0.1, 0.15, 0.4]),
    seed=st.integers(0, 50),
)
def test_single_items_are_split_in_proportion(n: int, classes: int, skew: float, test: float, valid: float, seed: int) -> None:
    items = make(n, classes, skew=skew, seed=seed)
    counts = Counter(item.target for item in items)
    items = [item for item in items if counts[item.target] >= 3]
    counts = Counter(item.target for item in items)
    splits = split_items(items, seeds=[0, 1], test=test, valid=valid, split_seed=seed, copies=no_copies)
    by_id = {item.id: item for item in items}
    for trial in (0, 1):
        for found, wanted in zip(parts(items, splits, trial), (test, (1 - test) * valid, (1 - test) * (1 - valid)), strict=True):
            got = Counter(by_id[name].target for name in found)
            for label, count in counts.items():
                assert got[label] >= 1
                assert abs(got[label] - wanted * count) <= 1.5


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n=st.integers(60, 300),
    groups=st.integers(12, 60),
    lone=st.booleans(),
    seed=st.integers(0, 50),
    copied=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=10),
)
def test_groups_and_copies_are_never_parted(n: int, groups: int, lone: bool, seed: int, copied: list[tuple[int, int]]) -> None:
    items = make(n, 2, seed=seed, group_of=lambda i: None if lone and i % 5 == 0 else f"g{(i * 61) % groups}")
    splits = split_items(items, seeds=[3], split_seed=seed, copies=lambda texts: [sorted({a, b}) for a, b in copied if a != b])
    found = parts(items, splits, 3)
    where = {name: i for i, part in enumerate(found) for name in part}
    for group in {item.group for item in items} - {None}:
        assert len({where[item.id] for item in items if item.group == group}) == 1
    units = make_units(items, range(n), lambda texts: [sorted({a, b}) for a, b in copied if a != b])
    unit_of = {i: unit for unit in units for i in unit.members}
    for a, b in copied:
        # Copies in two groups may be parted only where joining them would make a unit of more than a fifth.
        assert where[str(a)] == where[str(b)] or len(unit_of[a].members) + len(unit_of[b].members) > 0.2 * n
    assert abs(len(found[0]) - 0.25 * n) <= max(len(unit.members) for unit in units) + 1


def test_real_copies_stay_together_without_being_told() -> None:
    items = make(80)
    near = [Item(id=f"n{i}", input=items[i].input.upper() + "!", target=items[i].target) for i in range(20)]
    exact = [Item(id=f"e{i}", input=items[i].input, target=items[i].target) for i in range(10, 30)]
    everything = [*items, *near, *exact]
    splits = split_items(everything, seeds=[0])
    where = {name: i for i, part in enumerate(parts(everything, splits, 0)) for name in part}
    assert all(where[f"n{i}"] == where[str(i)] for i in range(20))
    assert all(where[f"e{i}"] == where[str(i)] for i in range(10, 30))


def test_the_test_split_is_one_and_train_and_valid_vary_with_the_seed() -> None:
    items = make(200)
    splits = split_items(items, seeds=[0, 1, 2], copies=no_copies)
    assert len({splits.valid[seed] for seed in (0, 1, 2)}) == 3
    assert all(not set(splits.test) & {*splits.train[s], *splits.valid[s]} for s in (0, 1, 2))
    again = split_items(items, seeds=[2, 1], copies=no_copies)
    assert again.test == splits.test and again.train[2] == splits.train[2]
    assert split_items(items, seeds=[0], split_seed=1, copies=no_copies).test != splits.test


def test_the_order_of_the_rows_does_not_matter() -> None:
    items = make(200, 3, group_of=lambda i: f"g{i % 40}")
    shuffled = list(items)
    random.Random(5).shuffle(shuffled)
    one, other = split_items(items, seeds=[0, 1]), split_items(shuffled, seeds=[0, 1])
    assert set(one.test) == set(other.test)
    assert all(set(one.valid[seed]) == set(other.valid[seed]) for seed in (0, 1))
    assert list(other.test) == [item.id for item in shuffled if item.id in set(other.test)]


def test_one_common_text_does_not_chain_all_groups_into_one() -> None:
    items = make(200, group_of=lambda i: f"g{i // 5}")
    items = [Item(id=x.id, input="ok" if i % 5 == 0 else x.input, target=x.target, group=x.group) for i, x in enumerate(items)]
    splits = split_items(items, seeds=[0])
    found = parts(items, splits, 0)
    assert 30 <= len(found[0]) <= 70
    where = {name: i for i, part in enumerate(found) for name in part}
    assert all(len({where[str(i)] for i in range(5 * g, 5 * g + 5)}) == 1 for g in range(40))


def test_published_splits_are_kept_for_every_seed() -> None:
    items = make(100)
    ids = [item.id for item in items]
    test, valid = frozenset(ids[:30]), frozenset(ids[30:50])
    both = split_items(items, seeds=[0, 1], published_test=test, published_valid=valid, copies=no_copies)
    assert both.test == tuple(ids[:30]) and both.valid[0] == both.valid[1] == tuple(ids[30:50])
    assert both.train[0] == both.train[1] == tuple(ids[50:])
    only_test = split_items(items, seeds=[0, 1], published_test=test, copies=no_copies)
    assert only_test.test == tuple(ids[:30]) and only_test.valid[0] != only_test.valid[1]
    only_valid = split_items(items, seeds=[0, 1], published_valid=valid, copies=no_copies)
    assert only_valid.valid[0] == tuple(ids[30:50]) and not set(only_valid.test) & valid and len(only_valid.test) == 20
    for splits in (both, only_test, only_valid):
        parts(items, splits, 0)


def test_what_cannot_be_split_says_why() -> None:
    one_group = [Item(id=str(i), input=f"{i} {WORDS[i % 16]} {i * 31}", target="ab"[i % 2], group="all") for i in range(20)]
    with pytest.raises(BadData, match="is in one group or a copy of one text"):
        split_items(one_group, seeds=[0], copies=no_copies)
    two_groups = [
        Item(id=str(i), input=f"{i} {WORDS[i % 16]} {i * 31}", target="ab"[i // 2 % 2], group=f"{i % 2}") for i in range(20)
    ]
    with pytest.raises(BadData, match="2 groups of items that may not be parted") as caught:
        split_items(two_groups, seeds=[0], copies=no_copies)
    assert "group" in caught.value.fix


def test_a_class_of_three_items_is_in_all_three_splits() -> None:
    items = [*make(100), *(Item(id=f"r{i}", input=f"rare {WORDS[i]} {i}", target="rare") for i in range(3))]
    for seed in range(10):
        splits = split_items(items, seeds=[seed], split_seed=seed, copies=no_copies)
        assert [sum(name.startswith("r") for name in part) for part in parts(items, splits, seed)] == [1, 1, 1]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(n=st.integers(5, 400), classes=st.integers(2, 5), skew=st.sampled_from([1.0, 0.5]))
def test_a_sample_keeps_the_shares(n: int, classes: int, skew: float) -> None:
    items = make(300, classes, skew=skew)
    kept = sample_items(items, range(300), n, seed=0)
    assert kept == sorted(set(kept)) and len(kept) == min(n, 300)
    counts, sampled = Counter(item.target for item in items), Counter(items[i].target for i in kept)
    assert set(sampled) == set(counts)
    assert all(abs(sampled[label] - len(kept) * count / 300) < 1 + classes for label, count in counts.items())
