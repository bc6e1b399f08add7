"""Which label a text means: one, or none at all."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.models.chat_reply import TokenChances
from bakeoff.tasks.text.label_reading import label_probabilities, read_label

TWO = {"positive": "1", "negative": "0"}
MANY = {"good": "g", "very good": "vg", "not good": "ng", "C++": "cpp", "C": "c", ":)": "smile", "Straße": "s"}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("positive", "1"),
        ("  Positive.\n", "1"),
        ('"NEGATIVE"', "0"),
        ("**negative**", "0"),
        ("The label is: positive!", "1"),
        ("Label: positive. It is clearly positive.", "1"),
        ("<b>positive</b><script>alert(1)</script>", "1"),
        ('{"label": "positive"}', "1"),
        ('```json\n{"label": " Negative "}\n```', "0"),
        ("<think>negative? no, not negative</think>\npositive", "1"),
        ("ｐｏｓｉｔｉｖｅ", "1"),
        ("positive or negative", None),
        ("not positive", None),
        ("isn't negative", None),
        ("it can't positive", None),
        ("positively", None),
        ("unpositive", None),
        ("", None),
        ("...", None),
        ("1", None),
        ("neutral", None),
        ("<think>positive", None),
        ('{"label": "other"}', None),
        ('{"label": 1}', None),
        ('{"label": {"label": "x"}}', None),
        ('{"label": "{}"}', None),
        ("{" * 5000 + "}" * 5000, None),
        ("x " * 100_000 + "positive", None),
    ],
)
def test_two_labels(text: str, label: str | None) -> None:
    assert read_label(text, TWO) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("very good", "vg"),
        ("It is very good", "vg"),
        ("good", "g"),
        ("not good", "ng"),
        ("good, very good", None),
        ("C++", "cpp"),
        ("C", "c"),
        ("c", None),  # C and C++ differ in punctuation alone
        (":)", "smile"),
        ("strasse", "s"),
    ],
)
def test_labels_that_contain_or_resemble_each_other(text: str, label: str | None) -> None:
    assert read_label(text, MANY) == label


@given(st.text())
def test_any_text_means_a_known_label_or_none(text: str) -> None:
    assert read_label(text, MANY) in {*MANY.values(), None}


def chances(**alternatives: float) -> TokenChances:
    first = next(iter(alternatives))
    return TokenChances(first, {token: math.log(chance) for token, chance in alternatives.items()})


def test_probabilities_come_from_the_token_at_which_the_answer_begins() -> None:
    found = label_probabilities("positive", [chances(positive=0.6, negative=0.2, the=0.1)], TWO)
    assert found == pytest.approx({"1": 0.75, "0": 0.25})
    spread = TokenChances(" pos", {" pos": math.log(0.5), "Pos": math.log(0.1), "neg": math.log(0.2)})
    blank = TokenChances("\n", {"\n": -0.01})
    assert label_probabilities("\n pos", [blank, spread], TWO) == pytest.approx({"1": 0.75, "0": 0.25})


def test_probabilities_inside_json() -> None:
    head = [TokenChances(piece, {piece: -0.01}) for piece in ('{"', "label", '":', ' "')]
    found = label_probabilities('{"label": "positive"}', [*head, chances(positive=0.8, negative=0.2)], TWO)
    assert found == pytest.approx({"1": 0.8, "0": 0.2})


@pytest.mark.parametrize(
    ("text", "logprobs", "names"),
    [
        ("positive", [chances(positive=0.99)], TWO),  # nothing is known of the other label
        ("positive", [], TWO),
        ("positive", [chances(p=0.5, negative=0.3)], {"positive": "1", "polite": "2", "negative": "0"}),  # p begins two
        ("", [TokenChances("", {})], TWO),
        ("a", [chances(a=0.5, b=0.5)], {"a": "1", "A": "2"}),
    ],
)
def test_probabilities_are_never_made_up(text: str, logprobs: list[TokenChances], names: dict[str, str]) -> None:
    assert label_probabilities(text, logprobs, names) is None
