"""Every figure of the memo is in its JSON."""

import pytest
import sample
import sample_load
from memo_figures import FOUND, known, prose, stands, strays

from bakeoff.report.memo import memo


@pytest.mark.parametrize("make", [sample_load.served, sample.document, sample.twins, sample.minimal], ids=lambda f: f.__name__)
def test_every_figure_of_the_memo_is_in_the_document(make):
    assert strays(make()) == []


def test_the_test_finds_a_figure_that_is_not_there():
    made = sample_load.served()
    numbers = known(made)
    for shown, unit in (("73.21", "%"), ("987.6", "ms"), ("7.777", "GFLOP"), ("4,321,987", "")):
        assert not stands(shown, unit, numbers), shown
    for shown, unit in (("88.6", "%"), ("49.4", "/s"), ("1.31", "GFLOP"), ("1.16", ""), ("183,000", "")):
        assert stands(shown, unit, numbers), shown


def test_most_figures_of_a_full_memo_are_looked_at():
    text = prose(memo(sample_load.served()))
    assert len(FOUND.findall(text)) > 1_000
