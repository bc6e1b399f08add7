import pytest

from bakeoff.report.text import clean, clip, sentences, short


def test_characters_that_act_unseen_are_shown():
    assert clean("a\x00b\x1b[31m\x7f") == "a␀b␛[31m␡"
    assert clean("x\u202ey\u2066z") == "x⟨U+202E⟩y⟨U+2066⟩z"
    assert clean("half \ud800 pair") == "half \ufffd pair"
    assert clean("tag \U000e0041") == "tag ⟨U+E0041⟩"
    assert clean("a\r\nb\rc\td") == "a\nb\nc\td"


def test_clip_says_how_long_a_text_was():
    assert clip("word " * 100, 9) == "word word … (500 characters)"
    assert clip("short", 9) == "short"


def test_short_is_one_line():
    assert short("a\nb  c", 10) == "a b c"
    assert short("a" * 50, 10) == "a" * 9 + "…"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("Choose x: 88.6% right. It is real.", ("Choose x: 88.6% right.", "It is real.")),
        ("It takes 0.5 ms vs. 3 ms. tfidf-linear is next.", ("It takes 0.5 ms vs. 3 ms.", "tfidf-linear is next.")),
        ("One sentence only", ("One sentence only", "")),
        ("", ("", "")),
    ],
)
def test_first_sentence(given, wanted):
    assert sentences(given) == wanted
