"""Fusion: what each list says is kept, scores are brought to one scale, and ties have an order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import BadData
from bakeoff.tasks.documents.find.fuse import fuse, ranked
from bakeoff.tasks.documents.records import Hit


def hits(name: str, **scores: float) -> list[Hit]:
    return [Hit((key, 0), score, {name: score}) for key, score in sorted(scores.items(), key=lambda each: -each[1])]


def test_convex_by_hand() -> None:
    found = fuse(hits("lexical", a=10.0, b=5.0), hits("dense", b=0.8, c=0.6, d=0.4), weight=0.6)
    assert [(hit.key[0], round(hit.score, 6)) for hit in found] == [("b", 0.8), ("a", 0.4), ("c", 0.3), ("d", 0.0)]
    assert found[0].scores == {"lexical": 5.0, "dense": 0.8}
    assert found[1].scores == {"lexical": 10.0}


def test_reciprocal_by_hand() -> None:
    found = fuse(hits("lexical", a=10.0, b=5.0), hits("dense", b=0.8, c=0.6), weight=0.5, method="reciprocal")
    assert [hit.key[0] for hit in found] == ["b", "a", "c"]
    assert found[0].score == pytest.approx(0.5 / 61 + 0.5 / 62)


def test_ties_go_by_name_and_then_by_ordinal() -> None:
    same = [Hit(("b", 1), 1.0), Hit(("a", 7), 1.0), Hit(("a", 3), 1.0 + 1e-9), Hit(("c", 0), 2.0)]
    assert [hit.key for hit in ranked(same)] == [("c", 0), ("a", 3), ("a", 7), ("b", 1)]


def test_one_list_alone_keeps_its_order_and_nothing_gives_nothing() -> None:
    lexical = hits("lexical", a=3.0, b=2.0, c=1.0)
    assert [hit.key for hit in fuse(lexical, [], 0.5)] == [hit.key for hit in lexical]
    assert fuse([], [], 0.5) == []
    assert [hit.score for hit in fuse([], hits("dense", a=0.5), 1.0)] == [1.0]


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_out_of_range_is_refused(weight: float) -> None:
    with pytest.raises(BadData, match="weight"):
        fuse([], [], weight)


SCORES = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.01, 50, allow_nan=False), max_size=8)


@given(SCORES, SCORES, st.floats(0, 1), st.sampled_from(["convex", "reciprocal"]))
def test_every_candidate_is_there_once_and_scaling_a_list_changes_nothing(
    one: dict[str, float], other: dict[str, float], weight: float, method: str
) -> None:
    lexical, dense = hits("lexical", **one), hits("dense", **other)
    found = fuse(lexical, dense, weight, method)  # type: ignore[arg-type]
    assert {hit.key[0] for hit in found} == set(one) | set(other)
    assert len(found) == len(set(one) | set(other))
    assert all(-1e-9 <= hit.score <= 1 + 1e-9 for hit in found)
    scaled = fuse([Hit(hit.key, 4 * hit.score, hit.scores) for hit in lexical], dense, weight, method)  # type: ignore[arg-type]
    assert {hit.key: pytest.approx(hit.score) for hit in scaled} == {hit.key: hit.score for hit in found}


@given(SCORES, SCORES)
def test_weight_0_is_the_lexical_order_and_weight_1_the_dense(one: dict[str, float], other: dict[str, float]) -> None:
    lexical, dense = ranked(hits("lexical", **one)), ranked(hits("dense", **other))
    found = [hit for hit in fuse(lexical, dense, 0.0) if hit.key[0] in one]
    assert [round(one[hit.key[0]] / max(one.values()), 5) for hit in found] == sorted(
        (round(score / max(one.values()), 5) for score in one.values()), reverse=True
    )
    best = fuse(lexical, dense, 1.0)
    if dense:
        assert other[best[0].key[0]] == pytest.approx(max(other.values()), rel=1e-5)


@given(SCORES, SCORES, st.floats(0, 1), st.integers(0, 20))
def test_a_limit_keeps_the_best(one: dict[str, float], other: dict[str, float], weight: float, limit: int) -> None:
    lexical, dense = hits("lexical", **one), hits("dense", **other)
    every = fuse(lexical, dense, weight)
    assert every == ranked(every)
    assert fuse(lexical, dense, weight, limit=limit) == every[:limit]
