"""Terms: the same thing written in two ways is one term, and nothing that is written is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.tasks.documents.index.terms import LONGEST, TermFinder, terms_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5,363", "5363"),
        ("$5,363", "5363"),
        ("(5,363)", "5363"),
        ("1,448,000.50", "1448000.50"),
        ("companies", "company"),
        ("company's", "company"),
        ("company’s", "company"),
        ("shareholders'", "shareholder"),
        ("Café", "CAFE"),
        ("ﬁnance", "finance"),
        ("ＡＭＣＯＲ", "amcor"),
        ("co\u00adoperate", "cooperate"),
        ("revenue¹", "revenue"),
        ("U.S.", "US"),
        ("R&D", "RD"),
        ("FY23", "FY2023"),
        ("٢٠٢٣", "2023"),
        ("e‑mail", "e-mail"),
        ("31st", "31"),
        ("percent", "%"),
        ("ё", "е"),
        ("ｶﾞ", "ガ"),
    ],
)
def test_two_ways_of_writing_it_are_one(one: str, other: str) -> None:
    assert terms_of(one) == terms_of(other) != []


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("long-term debt", ["longterm", "long", "term", "debt"]),
        ("FY2023", ["fy2023", "2023"]),
        ("23.5%", ["23.5", "percent"]),
        ("section 9.1.1.", ["section", "9.1.1"]),
        ("2021-2022", ["2021", "2022"]),
        ("10-K", ["10k", "10"]),
        ("1.7bn", ["1.7bn", "1.7"]),
        ("and/or", []),
        ("/usr/share", ["usr", "share"]),
        ("Build-Depends", ["builddepends", "build", "depend"]),
        ("no loss without risk", ["no", "loss", "without", "risk"]),
        ("The company and its shares", ["compani", "share"]),
        ("2022,2021", ["2022", "2021"]),
        ("1,2,3", ["1", "2", "3"]),
        ("", []),
        (" \n\t", []),
        ("日本語", ["日本", "本語"]),
        ("水", ["水"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("日本Amcor社", ["日本", "amcor", "社"]),
    ],
)
def test_terms(text: str, terms: list[str]) -> None:
    assert terms_of(text) == terms


def test_repeats_and_order_are_kept() -> None:
    assert terms_of("cost cash cost") == ["cost", "cash", "cost"]


def test_a_word_of_a_million_letters_is_cut_and_a_run_of_a_script_without_spaces_is_not() -> None:
    assert terms_of("a" * 1_000_000) == ["a" * LONGEST]
    assert len(terms_of("語" * 10_000)) == 9_999
    assert all(len(term) <= LONGEST for term in terms_of("-".join(["x" * 90] * 9)))


@given(st.text(max_size=300))
def test_any_text_has_terms_of_bounded_length_whatever_the_case(text: str) -> None:
    terms = terms_of(text)
    assert all(1 <= len(term) <= LONGEST for term in terms)
    assert not any(character.isspace() for term in terms for character in term)


@given(
    st.lists(
        st.sampled_from(["Revenue", "5,363", "long-term", "R&D", "FY2022", "U.S.", "日本語", "naïve", "9.1", "%"]), max_size=12
    )
)
def test_words_next_to_each_other_do_not_change_each_other(words: list[str]) -> None:
    apart = [term for word in words for term in terms_of(word)]
    assert terms_of(" ".join(words)) == apart
    assert terms_of(" ".join(words).upper()) == apart


BEGINNINGS = [
    "a",
    "ab",
    "be",
    "cl",
    "dy",
    "em",
    "fam",
    "gener",
    "ho",
    "inter",
    "lie",
    "nat",
    "organiz",
    "poss",
    "qu",
    "rel",
    "skat",
    "sky",
    "t",
    "univers",
    "us",
    "vi",
    "wr",
    "ye",
]
ENDINGS = [
    "s",
    "es",
    "ies",
    "ied",
    "ed",
    "edly",
    "ing",
    "ingly",
    "eed",
    "eedly",
    "ying",
    "y",
    "ly",
    "li",
    "ability",
    "ibility",
    "ble",
    "bly",
    "ational",
    "ation",
    "ator",
    "alism",
    "aliti",
    "alli",
    "fulness",
    "ousness",
    "iveness",
    "iviti",
    "entli",
    "enci",
    "anci",
    "izer",
    "ization",
    "ogi",
    "ologi",
    "lessli",
    "icate",
    "ative",
    "alize",
    "iciti",
    "ical",
    "ful",
    "ness",
    "ement",
    "ment",
    "ent",
    "ance",
    "ence",
    "able",
    "ant",
    "ism",
    "ate",
    "iti",
    "ous",
    "ive",
    "ize",
    "ion",
    "sion",
    "tion",
    "e",
    "ll",
    "sses",
    "ss",
    "us",
    "dying",
    "lying",
    "news",
    "gently",
    "early",
    "only",
    "singly",
    "idly",
    "ugly",
    "skies",
    "skis",
]


@pytest.mark.parametrize("ending", ["", *ENDINGS])
def test_a_stem_is_found_in_every_form_of_its_word(ending: str) -> None:
    for beginning in ["", *BEGINNINGS]:
        for middle in ("", "at", "ent", "iz", "bb"):
            word = beginning + middle + ending
            for term in terms_of(word):
                assert TermFinder([term]).places(word) == {term: [0]}, word


WORDS = st.one_of(
    st.builds("{}{}".format, st.sampled_from(BEGINNINGS), st.sampled_from(ENDINGS)),
    st.sampled_from(
        [
            "the",
            "of",
            "R&D",
            "FY2022",
            "5,363",
            "long-term",
            "re-organized",
            "23.5%",
            "日本語",
            "naïveté",
            "U.S.",
            "a" * 300,
            "語" * 300,
        ]
    ),
    st.text(max_size=8),
)


@given(st.lists(WORDS, max_size=15), st.lists(WORDS, max_size=6))
def test_terms_are_found_where_they_stand(words: list[str], wanted: list[str]) -> None:
    text, terms = " ".join(words), {term for word in wanted for term in terms_of(word)}
    every = terms_of(text)
    finder = TermFinder(terms)
    expected = {term: [at for at, each in enumerate(every) if each == term] for term in terms & set(every)}
    assert finder.places(text) == expected
    assert finder.places(text) == expected  # what it remembers of the words is the same


def test_nothing_is_found_where_nothing_is_looked_for() -> None:
    assert TermFinder([]).places("Revenue rose in 2022, by 5%.") == {}
    assert TermFinder(["revenu"]).places("") == {}
