"""Duplicates: planted ones found, different sentences left alone, and the search as exact as it says."""

from __future__ import annotations

import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bakeoff.errors import BakeoffError
from bakeoff.measure import duplicates as dup


def sentences(n, seed, words=(10, 22)):
    rng = random.Random(seed)
    vocabulary = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9))) for _ in range(2000)]
    return [" ".join(rng.choices(vocabulary, k=rng.randint(*words))) for _ in range(n)]


def test_exact_ignores_case_space_and_unicode_form():
    texts = ["Ｇreat  Phone", "great phone ", "great phone!", "Straße", "STRASSE", "x"]
    assert dup.exact_groups(texts) == [[0, 1], [3, 4]]


def test_short_texts():
    alike = ["great phone.", "Great phone!", "great phone"]
    differ = [
        "not good",
        "very good",
        "good",
        "not bad",
        "too good",
        "it works",
        "it worked",
        "5 stars",
        "4 stars",
        "i like it",
        "i liked it",
    ]
    assert dup.duplicate_groups([*alike, *differ]) == [[0, 1, 2]]
    assert dup.duplicate_groups(["", "  ", "a", "b", "!!!", "???", "!!!", ":)", ":("]) == [[0, 1], [4, 6]]
    assert dup.duplicate_groups([]) == dup.duplicate_groups(["one"]) == []


def test_planted_precision_and_recall():
    """500 sentences, 100 of them again with one word's letters swapped, dropped or a word added: all found, nothing else."""
    rng, texts = random.Random(1), sentences(500, 1, words=(12, 22))
    planted = {}
    for i in rng.sample(range(500), 100):
        words = texts[i].split()
        at = rng.randrange(len(words))
        edit = rng.choice(("add", "typo", "case"))
        if edit == "add":
            words.insert(at, "so")
        elif edit == "typo":
            words[-1] = words[-1][:-1] + "q"
        planted[len(texts)] = i
        texts.append(" ".join(words).upper() if edit == "case" else " ".join(words))
    found = {tuple(group) for group in dup.duplicate_groups(texts)}
    truth = {(i, j) for j, i in planted.items()}
    assert len(found & truth) / len(truth) >= 0.97, "recall"
    assert len(found & truth) / len(found) == 1.0, "precision"


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(alphabet="ab c", max_size=14), max_size=14), st.sampled_from([0.5, 0.7, 0.8, 1.0]))
def test_the_search_equals_comparing_everything(texts, threshold):
    shingles = [frozenset(dup._shingles(dup._bare(t)).tolist()) for t in texts]
    parent = list(range(len(texts)))
    for i in range(len(texts)):
        for j in range(i):
            a, b = shingles[i], shingles[j]
            if dup._bare(texts[i]) == dup._bare(texts[j]) or (a | b and len(a & b) / len(a | b) >= threshold - 1e-9):
                dup._join(parent, i, j)
    roots = [dup._root(parent, i) for i in range(len(texts))]
    want = [[i for i, r in enumerate(roots) if r == root] for root in sorted(set(roots))]
    assert dup.duplicate_groups(texts, threshold) == [group for group in want if len(group) > 1]


def test_across_is_direct_and_names_the_nearest():
    base = sentences(30, 4)
    other = [*base[:3], base[5] + " so"]
    found = dup.duplicates_across([*base[3:], base[0].title() + "."], other)
    assert list(found) == [2, 27]
    assert found[2][0] == 3 and 0.8 <= found[2][1] < 1
    assert found[27] == (0, 1.0)
    assert dup.duplicates_across([], other) == dup.duplicates_across(other, []) == {}


def test_chains_become_one_group():
    text = sentences(1, 9, words=(30, 31))[0]
    words = text.split()
    chain = [" ".join(words[k:]) for k in range(8)]
    assert dup.duplicate_groups(chain) == [list(range(8))]
    assert 7 not in dup.duplicates_across([chain[0]], [chain[7]])


def test_a_megabyte_and_the_long_tier():
    long = " ".join(sentences(2000, 5))[:300_000]
    edited = long.replace("ab", "xy", 150)
    other = " ".join(sentences(2000, 6))[:300_000]
    million = (other * 4)[:1_000_000]
    assert len(dup._shingles(dup._bare(long))) > dup.LONG
    assert dup.duplicate_groups([long, "short text here", edited, million, "x" * 1_000_000]) == [[0, 2]]


def test_templates_do_not_explode(monkeypatch):
    """Lists of a shared 5-gram are cut, and the group is still found whole."""
    monkeypatch.setattr(dup, "FULL_LIST", 50)
    texts = [f"order number {i:05d} has been shipped to you today, thank you for your purchase" for i in range(400)]
    groups = dup.duplicate_groups(texts)
    assert len(groups) == 1 and len(groups[0]) >= 395


def test_ten_thousand_short_texts_are_compared():
    texts = sentences(10_000, 8)
    texts[9_999] = texts[17] + "!"
    assert dup.duplicate_groups(texts) == [[17, 9_999]]


def test_bad_threshold_has_a_fix():
    with pytest.raises(BakeoffError, match="must be between"):
        dup.duplicate_groups(["a"], 0.2)
