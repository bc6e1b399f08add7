"""A changed text beside its original: every change is marked, nothing else is, and neither text acts."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.report.changes import changed


def text_of(html, without=()):
    for tag in without:
        html = re.sub(rf"<{tag}>.*?</{tag}>", "", html, flags=re.S)
    html = re.sub(r' <span class="sub">.*?</span>', "", html)
    return re.sub(r"</?(bdi|del|ins)>", "", html).replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"').replace("&#39;", "'").replace("&amp;", "&")  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "left", "right"),
    [
        ("the acting was", "the actnig was", "the <del>acting</del> was", "the <ins>actnig</ins> was"),
        ("a b", "a  b", "a<del>␣</del>b", "a<ins>␣␣</ins>b"),
        ("good", "goo\u200bd", "<del>good</del>", "<ins>goo⟨U+200B⟩d</ins>"),
        ("same", "same", "same", "same"),
        ("good", "good 😀", "good", "good<ins> 😀</ins>"),
        ("<b>x</b>", "<b>y</b>", "&lt;b&gt;<del>x</del>&lt;/b&gt;", "&lt;b&gt;<ins>y</ins>&lt;/b&gt;"),
        ("a", "", "<del>a</del>", ""),
    ],
)
def test_what_changed_is_marked(before, after, left, right):
    assert changed(before, after) == (f"<bdi>{left}</bdi>", f"<bdi>{right}</bdi>")


def test_letters_that_only_look_like_others_are_named():
    right = changed("the acting", "the \u0430cting")[1]
    assert "cyrillic small letter a U+0430" in right


def test_long_texts_are_cut_and_say_so():
    left, right = changed("word " * 50, "word " * 5_000)
    assert "(25,000 characters)" in right and len(right) < 2_000 and "characters" not in left


@given(st.text(alphabet="ab <&>\"'\n.", max_size=40), st.text(alphabet="ab <&>\"'\n.", max_size=40))
def test_what_is_not_marked_is_the_same_on_both_sides_and_nothing_acts(before, after):
    left, right = changed(before, after)
    assert text_of(left, ["del"]) == text_of(right, ["ins"])
    assert not re.search(r"<(?!/?(?:bdi|del|ins|span)\b)", left + right)
    if before == after:
        assert "<del>" not in left and "<ins>" not in right
