from __future__ import annotations

import re
import unicodedata
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.contract import Item
from bakeoff.errors import BadData, BadStudy
from bakeoff.tasks.text import perturb_around as around
from bakeoff.tasks.text import perturb_surface as surface
from bakeoff.tasks.text import perturb_words as words
from bakeoff.tasks.text.perturb import KINDS, changed, check_kinds, perturbed

LABELS = ["negative", "positive"]
REVIEW = "I don't think it's great: the item I bought 2 weeks ago is broken, and it does not charge. Really disappointing!"
ANY_TEXT = st.text(st.characters(), max_size=80) | st.lists(
    st.sampled_from(
        ["It", "it is", "great", "not", "don't", "do not", "I'm", "item", "purchased", "7", "4.5", ":)", "!", ",", "İ", "ß", "\u200b", "\n", "ﬁne", "👍", "works"]
    ),
    max_size=20,
).map(" ".join)  # fmt: skip
ENGLISH = st.lists(st.from_regex(r"[a-zA-Z]{1,9}[.,!]?", fullmatch=True), min_size=1, max_size=20).map(" ".join)


def make(kind: str, text: str, seed: int = 0) -> str | None:
    return KINDS[kind].apply(text, Random(seed))


@pytest.mark.parametrize("kind", KINDS)
@given(text=ANY_TEXT, seed=st.integers(0, 5))
def test_every_kind_is_deterministic_changes_or_declines_and_never_raises(kind: str, text: str, seed: int) -> None:
    found = make(kind, text, seed)
    assert found == make(kind, text, seed)
    assert found is None or (isinstance(found, str) and found != text)
    item = Item("x", text, "positive")
    assert changed(item, kind, LABELS, seed) == changed(item, kind, LABELS, seed)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("negation", "contractions-made")])
def test_every_kind_applies_to_a_plain_review(kind: str) -> None:
    found = make(kind, REVIEW)
    assert found is not None and found != REVIEW


# -- what stays ------------------------------------------------------------------------------------------------------


@given(text=ANY_TEXT, seed=st.integers(0, 3))
def test_case_spacing_and_punctuation_leave_the_letters(text: str, seed: int) -> None:
    def solid(given: str) -> str:
        return re.sub(r"\s", "", given)

    for kind in ("double-spaces", "tight-punctuation", "line-breaks"):
        found = make(kind, text, seed)
        assert found is None or solid(found) == solid(text), kind
    for kind in ("no-punctuation", "more-punctuation"):
        found = make(kind, text, seed)
        assert found is None or [c for c in found if c.isalnum()] == [c for c in text if c.isalnum()], kind
    assert make("upper", text) in (None, text.upper()) and make("lower", text) in (None, text.lower())
    title = make("title", text)
    assert title is None or title.upper() == text.upper()


@given(text=ENGLISH, seed=st.integers(0, 3))
def test_other_characters_can_be_turned_back(text: str, seed: int) -> None:
    back = {ord(fake): real for real, fake in surface.HOMOGLYPHS.items()}
    for kind, undo in {
        "homoglyphs": lambda s: s.translate(back),
        "zero-width": lambda s: s.translate({ord(c): None for c in surface.ZERO_WIDTH}),
        "full-width": lambda s: unicodedata.normalize("NFKC", s),
        "accents": lambda s: "".join(c for c in unicodedata.normalize("NFD", s) if not unicodedata.combining(c)),
    }.items():
        found = make(kind, text, seed)
        assert found is None or undo(found) == text, kind


@given(text=ENGLISH, seed=st.integers(0, 5))
def test_typos_touch_few_words_and_no_short_one(text: str, seed: int) -> None:
    for kind in ("typo-swap", "typo-drop", "typo-double", "typo-neighbour"):
        found = make(kind, text, seed)
        if found is None:
            continue
        before, after = text.split(), found.split()
        touched = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        assert 1 <= len(touched) <= max(1, len(before) // 10)
        for a, b in touched:
            assert len(a.rstrip(".,!")) >= 5 and a[0] == b[0] and abs(len(a) - len(b)) <= 1


@pytest.mark.parametrize(
    ("kind", "after"),
    [("typo-swap", {"lvoely", "loevly", "lovley", "lovely"[:4] + "yl"}), ("typo-drop", {"lvely", "loely", "lovly", "lovey"}), ("typo-double", {"loovely", "lovvely", "loveely", "lovelly"})],
)  # fmt: skip
def test_typos_are_what_they_say(kind: str, after: set[str]) -> None:
    assert {make(kind, "lovely", seed) for seed in range(60)} == after


def test_a_neighbour_is_a_key_beside_the_right_one() -> None:
    seen = {make("typo-neighbour", "Apple", seed) for seed in range(80)}
    assert seen == {"Aople", "Apole", "Appke"}
    assert make("typo-neighbour", "ααααα") is None


@given(text=ANY_TEXT, seed=st.integers(0, 3))
def test_what_is_put_around_leaves_the_text_whole(text: str, seed: int) -> None:
    for kind in (
        "emoji",
        "markdown",
        "sentence-before",
        "sentence-after",
        "quoted",
        "greeting",
        "polite",
        "ten-times-length",
        "instruction",
    ):
        found = make(kind, text, seed)
        assert (found is None) == (not text.strip())
        assert found is None or text in found, kind
    import html

    found = make("html", text, seed)
    assert found is not None and text in html.unescape(found)
    if (padded := make("ten-times-length", text, seed)) is not None:
        assert 10 * len(text) <= len(padded) <= 10 * len(text) + 100


def test_a_text_that_is_long_already_is_not_padded() -> None:
    assert make("ten-times-length", "a" * (around.LONGEST_PADDED + 1)) is None


def test_half_and_empty_promise_nothing() -> None:
    assert make("half", "one two three four five") == "one two"
    assert make("half", "one two three") is None
    assert changed(Item("1", "one two three four", "positive"), "half", LABELS) == ("one two", None)
    text, target = changed(Item("1", "one", "positive"), "empty", LABELS) or ("x", "x")
    assert target is None and not any(char.isalnum() for char in text)
    assert not KINDS["half"].keeps and not KINDS["empty"].keeps and not KINDS["negation"].keeps
    assert all(KINDS[kind].keeps for kind in KINDS if kind not in ("half", "empty", "negation"))


# -- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("contractions-expanded", "I don't think they're bad. DON'T!", "I do not think they are bad. DO NOT!"),
        ("contractions-expanded", "i’m glad, I'm sure, can't say", "i am glad, I am sure, cannot say"),
        ("contractions-expanded", "It's been fine, that's all, John's too", None),
        ("contractions-made", "It does not work and we are sad", "It doesn't work and we're sad"),
        ("contractions-made", "Do  not buy", "Don't buy"),
        ("contractions-made", "That is what they are.", None),
        ("numbers-spelled", "Lasted 2 days and 101 nights", "Lasted two days and one hundred and one nights"),
        ("numbers-spelled", "15 of 90", "fifteen of ninety"),
        ("numbers-spelled", "4.5 of 5.0, 10/10, $5, $ 40, x20, 007, 1,000, 2nd, 50%, 7) one, 12:30, 1000", None),
        ("numbers-spelled", "2. the second point", None),
        ("synonyms", "I bought an item for my kids.", "I purchased a product for my children."),
        ("synonyms", "A product of this COLOR", "An item of this COLOUR"),
        ("synonyms", "nothing here", None),
        ("no-punctuation", 'It\'s 4.5, "really" good!', "It's 4.5 really good"),
        ("no-punctuation", "So good! :)", None),
        ("no-punctuation", "...", None),
        ("tight-punctuation", "Good, cheap. Buy 3, 4", "Good,cheap.Buy 3, 4"),
        ("full-width", "a b!", "ａ　ｂ！"),
        ("title", "so good, don't", "So Good, Don't"),
    ],
)
def test_exact_changes(kind: str, before: str, after: str | None) -> None:
    assert make(kind, before) == after


def test_numbers_in_words() -> None:
    assert [words.spelled(n) for n in (0, 13, 20, 42, 100, 110, 999)] == [
        "zero", "thirteen", "twenty", "forty-two", "one hundred", "one hundred and ten", "nine hundred and ninety-nine",
    ]  # fmt: skip
    assert len({words.spelled(n) for n in range(1000)}) == 1000


@given(text=ANY_TEXT)
def test_spelling_numbers_leaves_the_other_words(text: str) -> None:
    found = make("numbers-spelled", text)
    if found is not None:
        assert [word for word in text.split() if not re.search(r"\d", word)] == [
            word for word in text.split() if not re.search(r"\d", word) and word in found.split()
        ]


# -- direction -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "before", "after"),
    [
        ("positive", "The battery life is great.", "The battery life is not great."),
        ("positive", "It works.", "It does not work."),
        ("positive", "I highly recommend this phone", "I do not recommend this phone"),
        ("positive", "I would definitely recommend it!", "I would not recommend it!"),
        ("positive", "i like the menu", "i do not like the menu"),
        ("positive", "I'm very happy with it.", "I'm not very happy with it."),
        ("negative", "The dvd player does not work.", "The dvd player works."),
        ("negative", "The picture isn't clear.", "The picture is clear."),
        ("negative", "I would not recommend it", "I would recommend it"),
        ("negative", "I don't like it", "I like it"),
    ],
)
def test_negation_turns_the_right_answer(target: str, before: str, after: str) -> None:
    other = "negative" if target == "positive" else "positive"
    assert changed(Item("1", before, target), "negation", LABELS) == (after, other)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("positive", "It is perfect."),  # "not perfect" may still be praise
        ("positive", "It is the best."),
        ("positive", "It is good, but dear."),
        ("positive", "It is great. I love it."),
        ("positive", "It is never good."),
        ("positive", "It is better than great."),
        ("negative", "It is not bad."),
        ("negative", "It is terrible."),  # "not terrible" is no praise
        ("negative", "It is great."),  # irony, or a wrong label: nothing to take away
        ("negative", "It is not good and not cheap."),
        ("positive", "I think that it is great for a thing that I have had for this long at home."),
    ],
)
def test_where_it_is_not_sure_nothing_is_turned(target: str, text: str) -> None:
    assert changed(Item("1", text, target), "negation", LABELS) is None


def test_negation_needs_two_labels_that_say_good_and_bad() -> None:
    item = Item("1", "It is great.", "good")
    assert changed(item, "negation", ["bad", "good"]) == ("It is not great.", "bad")
    assert changed(item, "negation", ["bad", "good", "plain"]) is None
    assert changed(Item("1", "It is great.", "spam"), "negation", ["ham", "spam"]) is None
    assert changed(Item("1", "It is great.", "1"), "negation", ["0", "1"]) is None


def test_an_instruction_asks_for_another_label_and_keeps_the_right_one() -> None:
    labels = ["{}", "billing", "other"]
    seen = set()
    for i in range(40):
        text, target = changed(Item(str(i), "My card was charged twice.", "billing"), "instruction", labels) or ("", None)
        assert target == "billing" and text.startswith("My card was charged twice.")
        asked = [label for label in ("{}", "other") if label in text.removeprefix("My card was charged twice.")]
        assert len(asked) == 1
        seen.add(asked[0])
    assert seen == {"{}", "other"}
    assert changed(Item("1", "x", "only"), "instruction", ["only"]) is None


# -- sets ------------------------------------------------------------------------------------------------------------

TEST = [
    Item(f"t{i}", f"Number {i}: it doesn't stop, I bought it, {'it works great' if i % 2 else 'it broke'} after {i % 9} days. Yes!", LABELS[i % 2], group=f"g{i % 20}")
    for i in range(60)
]  # fmt: skip


def test_a_set_has_bases_once_and_the_asked_number_of_each_kind() -> None:
    found = perturbed(TEST, 8)
    counts = Counter(str(item.meta["kind"]) for item in found.items)
    by_id = {item.id: item for item in found.items}
    originals = {f"base:{item.id}": item for item in TEST}
    assert len(by_id) == len(found.items)
    assert {kind for kind, n in counts.items() if n == 8} >= set(KINDS) - {"negation", "contractions-made", "empty"}
    assert set(found.kinds) == set(counts) and set(found.kinds) - {"base"} <= set(KINDS)
    for item in found.items:
        if item.meta["kind"] == "base":
            original = originals[item.id]
            assert (item.input, item.target, item.group) == (original.input, original.target, original.group)
            continue
        base = by_id[str(item.meta["base"])]
        assert item.id == f"{item.meta['kind']}:{base.id.removeprefix('base:')}" and item.group == base.group
        assert item.input != base.input
        assert item.meta["keeps"] is KINDS[str(item.meta["kind"])].keeps
        assert item.target == base.target if item.meta["keeps"] else item.target != base.target
    used = {str(item.meta["base"]) for item in found.items if "base" in item.meta}
    assert used == {item.id for item in found.items if item.meta["kind"] == "base"}
    assert any("contractions-made (0)" in note and "negation (0)" in note for note in found.notes)


def test_the_same_items_give_the_same_set_in_any_order_and_a_smaller_one_is_part_of_it() -> None:
    whole = perturbed(TEST, 10)
    assert perturbed(list(reversed(TEST)), 10) == whole
    part = perturbed(TEST, 4)
    assert {i.id: i for i in part.items}.items() <= {i.id: i for i in whole.items}.items()
    other = perturbed(TEST, 10, seed=1)
    assert {i.id for i in other.items} != {i.id for i in whole.items}


def test_kinds_are_made_from_the_same_items_and_from_different_groups_first() -> None:
    found = perturbed(TEST, 20, ["upper", "lower", "quoted"])
    by_kind = {kind: [i for i in found.items if i.meta["kind"] == kind] for kind in ("upper", "lower", "quoted")}
    assert len({tuple(str(i.meta["base"]) for i in items) for items in by_kind.values()}) == 1
    assert all(len({i.group for i in items}) == 20 for items in by_kind.values())


def test_texts_of_one_kind_differ() -> None:
    twins = [Item(str(i), "the same text", LABELS[i % 2]) for i in range(10)]
    found = perturbed(twins, 10, ["upper", "empty"])
    assert Counter(str(i.meta["kind"]) for i in found.items)["upper"] == 1
    empties = [i.input for i in found.items if i.meta["kind"] == "empty"]
    assert len(empties) == len(set(empties)) <= len(around.BLANKS)


def test_kinds_by_name() -> None:
    assert check_kinds([]) == list(KINDS)
    assert check_kinds(["upper", "typo-drop", "upper"]) == ["typo-drop", "upper"]
    with pytest.raises(BadStudy, match="'typos'") as caught:
        check_kinds(["typos"])
    assert "typo-" in caught.value.fix
    assert all(kind.says and len(kind.says) < 60 for kind in KINDS.values())


@pytest.mark.parametrize("items", [[], [TEST[0], TEST[0]], [Item("1", ["x"], "a")], [Item("1", "x", None)]])
def test_items_that_cannot_be_changed_are_refused(items: list[Item]) -> None:
    with pytest.raises(BadData) as caught:
        perturbed(items, 3)
    assert caught.value.fix


def test_a_number_below_one_is_refused() -> None:
    with pytest.raises(BadStudy, match="is 0"):
        perturbed(TEST, 0)


@given(texts=st.lists(ANY_TEXT, min_size=1, max_size=6), seed=st.integers(0, 3))
def test_a_set_of_any_texts_is_consistent(texts: list[str], seed: int) -> None:
    items = [Item(f"\ud800{i}" if i == 3 else str(i), text, LABELS[i % 2]) for i, text in enumerate(texts)]
    found = perturbed(items, 2, seed=seed)
    ids = {item.id for item in found.items}
    assert len(ids) == len(found.items) and all(item.meta.get("base", item.id) in ids for item in found.items)
    assert all(str(item.meta["kind"]) in found.kinds for item in found.items)
