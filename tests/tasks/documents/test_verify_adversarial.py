"""Thousands of false statements made from true ones: none may be accepted. And true ones in other words: at least 95% must be."""

from __future__ import annotations

import re
from collections import Counter

import adversarial_base
import pytest
from adversarial_statements import ATTACKS, WORDINGS, Base, adversarial, base_of, truthful

from bakeoff.tasks.documents.reply.verify import verify


@pytest.fixture(scope="module")
def base() -> Base:
    return base_of(adversarial_base.pages(), adversarial_base.ROLES)


def test_the_base_is_as_large_and_varied_as_stated(base):
    assert len(base.sentences) >= 150 and len(base.rows) >= 60 and len(base.items) >= 8
    assert len({sentence.document for sentence in base.sentences}) == 7


def accepted(base: Base, count: int, seed: int) -> tuple[list, Counter]:
    cases = adversarial(base, count, seed)
    assert len(cases) == count
    return [case for case in cases if verify(case.statement, case.quotes, base.page_of)], Counter(case.kind for case in cases)


def kept(base: Base, count: int, seed: int) -> tuple[float, list]:
    cases = truthful(base, count, seed)
    assert len(cases) == count
    lost = [case for case in cases if not verify(case.statement, case.quotes, base.page_of)]
    return 1 - len(lost) / count, lost


def test_no_false_statement_of_1500_is_accepted(base):
    found, kinds = accepted(base, 1_500, seed=1)
    assert found == []
    assert set(kinds) == set(ATTACKS)


def test_true_statements_are_kept(base):
    share, lost = kept(base, 600, seed=1)
    assert share >= 0.95, lost[:5]


def test_each_kind_of_true_statement_is_kept(base):
    cases = truthful(base, 1_200, seed=2)
    right = Counter(case.kind for case in cases if verify(case.statement, case.quotes, base.page_of))
    made = Counter(case.kind for case in cases)
    assert set(made) == set(WORDINGS)
    assert all(right[kind] >= 0.75 * count for kind, count in made.items()), (right, made)


@pytest.mark.slow
def test_no_false_statement_of_10000_is_accepted(base):
    found, kinds = accepted(base, 10_000, seed=20_221_231)
    assert found == []
    assert len(kinds) == len(ATTACKS)


@pytest.mark.slow
def test_at_least_95_in_100_of_3000_true_statements_are_kept(base):
    share, lost = kept(base, 3_000, seed=20_221_231)
    assert share >= 0.95, lost[:5]


def test_the_same_seed_makes_the_same_statements(base):
    assert adversarial(base, 200, 4) == adversarial(base, 200, 4)
    assert adversarial(base, 200, 4) != adversarial(base, 200, 5)
    assert truthful(base, 100, 4) == truthful(base, 100, 4)


def test_a_false_statement_is_never_a_sentence_of_the_pages(base):
    """But where the statement is true and its quote or place is wrong."""
    wrong_place = {"misattributed", "misattributed_support", "quote_altered"}
    for case in adversarial(base, 1_500, seed=3):
        if case.kind not in wrong_place:
            assert case.statement not in {sentence.text for sentence in base.sentences}, case


def test_the_generator_can_fail_a_verifier_that_only_looks_for_words(base):
    """A bag-of-words check would let much of it through: the statements are hard, not just odd."""

    def words(text: str) -> set[str]:
        plain = set(re.sub(r"[^\w%$]+", " ", text.lower()).split())
        return plain - {"was", "in", "for", "amounted", "to", "usd", "eur", "million", "thousand", "%"}

    cases = adversarial(base, 1_500, seed=1)
    passed = Counter(
        case.kind for case in cases if words(case.statement) <= set().union(*(words(quote.text) for quote in case.quotes))
    )
    assert sum(passed.values()) >= 200
    assert {"stitched", "roles_swapped", "values_swapped", "scope_widened", "quote_cut", "time_moved", "row_wrong_column"} <= set(
        passed
    )
